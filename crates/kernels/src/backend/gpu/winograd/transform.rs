//! What Winograd's way makes of images, and images of: a unit takes one tile's patch of one vector of channels.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::super::direct::Direct;
use super::super::empty;
use super::super::tile::width;
use super::product::PLANES;

/// Images as tiles of 2x2 pixels, numbered over the whole batch. Pairs are height, width.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Grid {
    /// Tiles of all images, and of one.
    tiles: u32,
    down: u32,
    across: u32,
    size_y: u32,
    size_x: u32,
    channels: u32,
    /// Zeros above and to the left.
    before_y: u32,
    before_x: u32,
}

/// The tile and the channels of a unit.
#[derive(CubeType)]
struct Own {
    tile: u32,
    image: u32,
    /// The first pixel: of the image, or above and to the left of it.
    y: i32,
    x: i32,
    /// The channels' place among the vectors of a pixel, and how many there are.
    place: u32,
    across: u32,
}

#[cube]
fn own<N: Size>(g: &Grid) -> Own {
    let width = N::value();
    let unit = ABSOLUTE_POS as u32;
    let across = g.channels / comptime!(width as u32);
    let tile = unit / across;
    let row = tile / g.across;
    let image = row / g.down;
    Own {
        tile,
        image,
        y: ((row - image * g.down) * 2) as i32 - g.before_y as i32,
        x: ((tile - row * g.across) * 2) as i32 - g.before_x as i32,
        place: unit - tile * across,
        across,
    }
}

/// Where a pixel's channels lie, and whether the image has that pixel.
#[cube]
fn pixel(g: &Grid, own: &Own, down: i32, right: i32) -> (u32, bool) {
    let (y, x) = (own.y + down, own.x + right);
    let lies = y >= 0 && y < g.size_y as i32 && x >= 0 && x < g.size_x as i32;
    let at = (own.image * g.size_y + y as u32) * g.size_x + x as u32;
    (select(lies, at * own.across + own.place, 0u32), lies)
}

/// The first `side` x `side` places of a patch, zeros outside of the image.
#[cube]
fn take_pixels<N: Size>(
    source: &[Vector<f32, N>],
    d: &mut Array<Vector<f32, N>>,
    g: &Grid,
    own: &Own,
    #[comptime] side: usize,
) {
    #[unroll]
    for i in 0..side {
        #[unroll]
        for j in 0..side {
            let (at, lies) = pixel(g, own, i as i32, j as i32);
            let value = source[at as usize];
            d[comptime!(4 * i + j)] = select(lies, value, Vector::new(0.0f32));
        }
    }
}

/// `B^T d B` of the 4x4 patch that each tile's 2x2 outputs see: `[plane][tile][channels]`.
#[cube(launch_unchecked)]
fn spread_patches<N: Size>(source: &[Vector<f32, N>], out: &mut [Vector<f32, N>], g: &Grid) {
    let own = own::<N>(g);
    if own.tile >= g.tiles {
        terminate!();
    }
    let mut d = Array::<Vector<f32, N>>::new(16usize);
    take_pixels::<N>(source, &mut d, g, &own, 4usize);
    #[unroll]
    for j in 0..4usize {
        spread_patch::<N>(&mut d, j, 4usize);
    }
    #[unroll]
    for i in 0..4usize {
        spread_patch::<N>(&mut d, comptime!(4 * i), 1usize);
    }
    put_planes::<N>(&d, out, g, &own);
}

/// A row of `B^T d`: d0 - d2, d1 + d2, d2 - d1, d1 - d3.
#[cube]
fn spread_patch<N: Size>(
    d: &mut Array<Vector<f32, N>>,
    #[comptime] first: usize,
    #[comptime] apart: usize,
) {
    let d0 = d[first];
    let d1 = d[comptime!(first + apart)];
    let d2 = d[comptime!(first + 2 * apart)];
    let d3 = d[comptime!(first + 3 * apart)];
    d[first] = d0 - d2;
    d[comptime!(first + apart)] = d1 + d2;
    d[comptime!(first + 2 * apart)] = d2 - d1;
    d[comptime!(first + 3 * apart)] = d1 - d3;
}

/// `A g A^T` of each tile's 2x2 gradients: `[plane][tile][channels]`.
#[cube(launch_unchecked)]
fn spread_grads<N: Size>(grad: &[Vector<f32, N>], out: &mut [Vector<f32, N>], g: &Grid) {
    let own = own::<N>(g);
    if own.tile >= g.tiles {
        terminate!();
    }
    let mut d = Array::<Vector<f32, N>>::new(16usize);
    take_pixels::<N>(grad, &mut d, g, &own, 2usize);
    #[unroll]
    for j in 0..2usize {
        spread_grad::<N>(&mut d, j, 4usize);
    }
    #[unroll]
    for i in 0..4usize {
        spread_grad::<N>(&mut d, comptime!(4 * i), 1usize);
    }
    put_planes::<N>(&d, out, g, &own);
}

/// A row of `A g`: g0, g0 + g1, g0 - g1, -g1.
#[cube]
fn spread_grad<N: Size>(
    d: &mut Array<Vector<f32, N>>,
    #[comptime] first: usize,
    #[comptime] apart: usize,
) {
    let g0 = d[first];
    let g1 = d[comptime!(first + apart)];
    d[comptime!(first + apart)] = g0 + g1;
    d[comptime!(first + 2 * apart)] = g0 - g1;
    d[comptime!(first + 3 * apart)] = Vector::<f32, N>::new(0.0f32) - g1;
}

#[cube]
fn put_planes<N: Size>(
    values: &Array<Vector<f32, N>>,
    out: &mut [Vector<f32, N>],
    g: &Grid,
    own: &Own,
) {
    #[unroll]
    for plane in 0..16usize {
        let at = (plane as u32 * g.tiles + own.tile) * own.across + own.place;
        out[at as usize] = values[plane];
    }
}

/// `A^T m A` of each tile's sixteen sums, `[plane][tile][channels]`: the pixels of the image.
#[cube(launch_unchecked)]
fn join_pixels<N: Size>(planes: &[Vector<f32, N>], out: &mut [Vector<f32, N>], g: &Grid) {
    let own = own::<N>(g);
    if own.tile >= g.tiles {
        terminate!();
    }
    let mut m = Array::<Vector<f32, N>>::new(16usize);
    #[unroll]
    for plane in 0..16usize {
        let at = (plane as u32 * g.tiles + own.tile) * own.across + own.place;
        m[plane] = planes[at as usize];
    }
    #[unroll]
    for j in 0..4usize {
        join_pixel::<N>(&mut m, j, 4usize);
    }
    #[unroll]
    for i in 0..2usize {
        join_pixel::<N>(&mut m, comptime!(4 * i), 1usize);
        #[unroll]
        for j in 0..2usize {
            let (at, lies) = pixel(g, &own, i as i32, j as i32);
            if lies {
                out[at as usize] = m[comptime!(4 * i + j)];
            }
        }
    }
}

/// A row of `A^T m`: m0 + m1 + m2, m1 - m2 - m3.
#[cube]
fn join_pixel<N: Size>(
    m: &mut Array<Vector<f32, N>>,
    #[comptime] first: usize,
    #[comptime] apart: usize,
) {
    let m1 = m[comptime!(first + apart)];
    let m2 = m[comptime!(first + 2 * apart)];
    m[first] += m1 + m2;
    m[comptime!(first + apart)] = m1 - m2 - m[comptime!(first + 3 * apart)];
}

/// The launch of a kernel over tiles: values of a vector, from where, to where.
type Kernel = unsafe fn(&Client, CubeCount, CubeDim, usize, BufferArg, BufferArg, GridLaunch);

/// Images seen as tiles.
pub(super) struct Images {
    pub batch: usize,
    pub size: [usize; 2],
    pub channels: usize,
    /// Zeros above and to the left.
    pub before: [usize; 2],
    /// Of an image, down and across.
    pub tiles: [usize; 2],
}

impl Images {
    /// Of all images.
    pub fn tiles(&self) -> usize {
        self.batch * self.tiles[0] * self.tiles[1]
    }

    pub fn values(&self) -> usize {
        self.batch * self.size[0] * self.size[1] * self.channels
    }

    /// Values of the planes.
    pub fn planes(&self) -> usize {
        PLANES * self.tiles() * self.channels
    }

    /// `[plane][tile][channels]` of what the kernel takes from these images.
    pub fn patches(&self, images: CubeTensor) -> CubeTensor {
        let out = empty(&images, vec![self.planes()]);
        self.launch(spread_patches::launch_unchecked, images, &out);
        out
    }

    /// `[plane][tile][channels]` of gradients of these images.
    pub fn grads(&self, images: CubeTensor) -> CubeTensor {
        let out = empty(&images, vec![self.planes()]);
        self.launch(spread_grads::launch_unchecked, images, &out);
        out
    }

    /// These images, from their sums.
    pub fn joined(&self, planes: CubeTensor) -> CubeTensor {
        let [height, width] = self.size;
        let out = empty(&planes, vec![self.batch, height, width, self.channels]);
        self.launch(join_pixels::launch_unchecked, planes, &out);
        out
    }

    fn launch(&self, kernel: Kernel, from: CubeTensor, to: &CubeTensor) {
        let wide = width(self.channels);
        let [along, again] = Direct::cubes(self.tiles() * self.channels / wide);
        let grid = GridLaunch::new(
            self.tiles() as u32,
            self.tiles[0] as u32,
            self.tiles[1] as u32,
            self.size[0] as u32,
            self.size[1] as u32,
            self.channels as u32,
            self.before[0] as u32,
            self.before[1] as u32,
        );
        let client = from.client.clone();
        #[expect(unsafe_code, reason = "the kernel checks every place itself")]
        // SAFETY: units behind the last tile return, pixels outside of the image are not touched; the buffers have the
        // lengths that the grid implies.
        unsafe {
            kernel(
                &client,
                CubeCount::Static(along, again, 1),
                Direct::cube(),
                wide,
                from.into_buffer_arg(),
                to.clone().into_buffer_arg(),
                grid,
            );
        }
    }
}
