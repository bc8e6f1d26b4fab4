//! What a device must offer, and how the kernels are launched.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::{self, LayoutLaunch, TILE, UNITS_X, UNITS_Y};
use crate::program::{HEADS, NORMALIZED};

/// The views that a launch makes, and where their headers are.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    pub(crate) size: (u32, u32),
    /// Views whose pixels there are.
    pub(crate) views: u32,
    /// Where the stage's headers begin.
    pub(crate) heads: u32,
    /// The first view that is made.
    pub(crate) first: u32,
    /// How many are made.
    pub(crate) count: u32,
    /// Where they begin in the output, in views.
    pub(crate) out_first: u32,
}

impl Launch {
    fn tiles(&self) -> (u32, u32) {
        let (width, height) = self.size;
        (width.div_ceil(TILE), height.div_ceil(TILE))
    }

    fn sum_count(&self) -> usize {
        let (x, y) = self.tiles();
        (x * y * self.views) as usize
    }

    fn pixel_count(&self) -> usize {
        self.size.0 as usize * self.size.1 as usize * self.views as usize
    }

    fn cubes(&self) -> CubeCount {
        let (x, y) = self.tiles();
        CubeCount::Static(x * y, self.count, 1)
    }

    fn layout(&self, heads: u32) -> LayoutLaunch {
        let (x, y) = self.tiles();
        LayoutLaunch::new(self.size.0, self.size.1, x, x * y, heads, self.first)
    }
}

/// The kernels as an extension of Burn's devices; only GPUs have them. Integers are words of 32 bits.
#[backend_extension(Cube)]
pub trait ViewOps: Backend {
    /// Moves pixels: colours of all views, and the lumas' sums of their tiles.
    fn views_resample(
        source: IntTensor<Self>,
        program: IntTensor<Self>,
        pieces: u32,
        launch: Launch,
    ) -> (IntTensor<Self>, IntTensor<Self>);

    /// A stage that is not the last one: colours and sums anew.
    fn views_stage(
        pixels: IntTensor<Self>,
        sums: IntTensor<Self>,
        program: IntTensor<Self>,
        launch: Launch,
    ) -> (IntTensor<Self>, IntTensor<Self>);

    /// The last stage of some views, written into `out`, `[.., 3, height, width]`.
    fn views_finish(
        pixels: IntTensor<Self>,
        sums: IntTensor<Self>,
        program: IntTensor<Self>,
        out: FloatTensor<Self>,
        launch: Launch,
    ) -> FloatTensor<Self>;
}

fn words(like: &CubeTensor, count: usize) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, [count].into(), DType::U32)
}

fn units() -> CubeDim {
    CubeDim::new_2d(UNITS_X, UNITS_Y)
}

#[expect(unsafe_code, reason = "the kernels check every place themselves")]
fn stage(
    [pixels, sums, program, out, out_sums]: [CubeTensor; 5],
    launch: Launch,
    normalized: Option<u32>,
) {
    let client = pixels.client.clone();
    // SAFETY: pixels are read and written behind `x < width` and `y < height` of a view that there is; the places in
    // the program come from the program.
    unsafe {
        kernels::stage::launch_unchecked(
            &client,
            launch.cubes(),
            units(),
            pixels.into_buffer_arg(),
            sums.into_buffer_arg(),
            program.into_buffer_arg(),
            out.into_buffer_arg(),
            out_sums.into_buffer_arg(),
            launch.layout(launch.heads),
            launch.out_first,
            normalized,
        );
    }
}

impl ViewOps for CubeBackend {
    #[expect(unsafe_code, reason = "the kernels check every place themselves")]
    fn views_resample(
        source: CubeTensor,
        program: CubeTensor,
        pieces: u32,
        launch: Launch,
    ) -> (CubeTensor, CubeTensor) {
        let client = source.client.clone();
        let pixels = words(&source, launch.pixel_count());
        let sums = words(&source, launch.sum_count());
        // SAFETY: as in `stage`; weights lie in front of places inside the source, which has a word to spare.
        unsafe {
            kernels::resample::launch_unchecked(
                &client,
                launch.cubes(),
                units(),
                source.into_buffer_arg(),
                program.into_buffer_arg(),
                pixels.clone().into_buffer_arg(),
                sums.clone().into_buffer_arg(),
                launch.layout(HEADS),
                pieces,
            );
        }
        (pixels, sums)
    }

    fn views_stage(
        pixels: CubeTensor,
        sums: CubeTensor,
        program: CubeTensor,
        launch: Launch,
    ) -> (CubeTensor, CubeTensor) {
        let out = words(&pixels, launch.pixel_count());
        let out_sums = words(&pixels, launch.sum_count());
        let buffers = [pixels, sums, program, out.clone(), out_sums.clone()];
        stage(buffers, launch, None);
        (out, out_sums)
    }

    fn views_finish(
        pixels: CubeTensor,
        sums: CubeTensor,
        program: CubeTensor,
        out: CubeTensor,
        launch: Launch,
    ) -> CubeTensor {
        // A binding that this variant does not write.
        let unused = words(&pixels, 1);
        let buffers = [pixels, sums, program, out.clone(), unused];
        stage(buffers, launch, Some(NORMALIZED));
        out
    }
}
