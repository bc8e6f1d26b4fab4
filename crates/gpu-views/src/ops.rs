//! The kernels as a backend extension, and their launches.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::encode::{HEADERS, NORMALIZED};
use crate::kernels::{self, LayoutLaunch, TILE, WORKGROUP_X, WORKGROUP_Y};

/// The views that a launch computes, and where their headers are.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// Width and height of a view in pixels.
    pub(crate) size: (u32, u32),
    /// Views whose pixels are on the device.
    pub(crate) views: u32,
    /// Offset of the stage's headers.
    pub(crate) headers: u32,
    /// The first view to compute.
    pub(crate) first: u32,
    /// Number of views to compute.
    pub(crate) count: u32,
    /// Index in the output of the first view.
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

    fn workgroups(&self) -> CubeCount {
        let (x, y) = self.tiles();
        CubeCount::Static(x * y, self.count, 1)
    }

    fn layout(&self, headers: u32) -> LayoutLaunch {
        let (x, y) = self.tiles();
        LayoutLaunch::new(self.size.0, self.size.1, x, x * y, headers, self.first)
    }
}

/// The kernels as an extension of Burn's GPU backend. Integers are 32-bit words.
#[backend_extension(Cube)]
pub trait ViewOps: Backend {
    /// Crops, resizes and flips, then the first colour steps: the colours of all views, and the sums of luma of their
    /// tiles.
    fn views_resample(
        source: IntTensor<Self>,
        encoded: IntTensor<Self>,
        row_blocks: u32,
        launch: Launch,
    ) -> (IntTensor<Self>, IntTensor<Self>);

    /// A stage other than the last one: new colours and sums.
    fn views_stage(
        pixels: IntTensor<Self>,
        sums: IntTensor<Self>,
        encoded: IntTensor<Self>,
        launch: Launch,
    ) -> (IntTensor<Self>, IntTensor<Self>);

    /// The last stage of some views, written into `out`, `[.., 3, height, width]`.
    fn views_finish(
        pixels: IntTensor<Self>,
        sums: IntTensor<Self>,
        encoded: IntTensor<Self>,
        out: FloatTensor<Self>,
        launch: Launch,
    ) -> FloatTensor<Self>;
}

fn words(like: &CubeTensor, count: usize) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, [count].into(), DType::U32)
}

fn workgroup_size() -> CubeDim {
    CubeDim::new_2d(WORKGROUP_X, WORKGROUP_Y)
}

#[expect(unsafe_code, reason = "the kernels check their indices themselves")]
fn stage(
    [pixels, sums, encoded, out, out_sums]: [CubeTensor; 5],
    launch: Launch,
    normalized: Option<u32>,
) {
    let client = pixels.client.clone();
    // SAFETY: pixels are read and written only where `x < width` and `y < height` of an existing view; offsets into
    // `encoded` were written by the encoder.
    unsafe {
        kernels::stage::launch_unchecked(
            &client,
            launch.workgroups(),
            workgroup_size(),
            pixels.into_buffer_arg(),
            sums.into_buffer_arg(),
            encoded.into_buffer_arg(),
            out.into_buffer_arg(),
            out_sums.into_buffer_arg(),
            launch.layout(launch.headers),
            launch.out_first,
            normalized,
        );
    }
}

impl ViewOps for CubeBackend {
    #[expect(unsafe_code, reason = "the kernels check their indices themselves")]
    fn views_resample(
        source: CubeTensor,
        encoded: CubeTensor,
        row_blocks: u32,
        launch: Launch,
    ) -> (CubeTensor, CubeTensor) {
        let client = source.client.clone();
        let pixels = words(&source, launch.pixel_count());
        let sums = words(&source, launch.sum_count());
        // SAFETY: as in `stage`; every weight belongs to a pixel inside the source, which has one word to spare.
        unsafe {
            kernels::resample::launch_unchecked(
                &client,
                launch.workgroups(),
                workgroup_size(),
                source.into_buffer_arg(),
                encoded.into_buffer_arg(),
                pixels.clone().into_buffer_arg(),
                sums.clone().into_buffer_arg(),
                launch.layout(HEADERS),
                row_blocks,
            );
        }
        (pixels, sums)
    }

    fn views_stage(
        pixels: CubeTensor,
        sums: CubeTensor,
        encoded: CubeTensor,
        launch: Launch,
    ) -> (CubeTensor, CubeTensor) {
        let out = words(&pixels, launch.pixel_count());
        let out_sums = words(&pixels, launch.sum_count());
        let buffers = [pixels, sums, encoded, out.clone(), out_sums.clone()];
        stage(buffers, launch, None);
        (out, out_sums)
    }

    fn views_finish(
        pixels: CubeTensor,
        sums: CubeTensor,
        encoded: CubeTensor,
        out: CubeTensor,
        launch: Launch,
    ) -> CubeTensor {
        // This variant does not write the binding.
        let unused = words(&pixels, 1);
        let buffers = [pixels, sums, encoded, out.clone(), unused];
        stage(buffers, launch, Some(NORMALIZED));
        out
    }
}
