//! Every launch keeps within what each WebGPU device has: 65,535 cubes along a dimension, 256 units and 16 KiB of shared
//! memory a cube. Known without a device, for shapes far larger than software could compute.

use cubecl::prelude::CubeCount;

use super::adapter::Adapter;
use super::direct::Direct;
use super::linear::pixels;
use super::tile::Tile;
use super::{blocks, conv, conv_weight, direct_weight};
use crate::shape::ConvShape;

const CUBES: u32 = 65_535;

/// The convolutions that a full-scale run meets, at batches beyond any device.
fn shapes() -> Vec<ConvShape> {
    let square = |batch, size, inputs, outputs, kernel: usize, stride: usize| ConvShape {
        batch,
        size: [size; 2],
        inputs,
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        dilation: [1; 2],
    };
    vec![
        square(4096, 224, 3, 64, 7, 2),
        square(4096, 56, 64, 64, 3, 1),
        square(4096, 56, 64, 256, 1, 1),
        square(1024, 28, 256, 512, 1, 2),
        square(4096, 7, 512, 512, 3, 1),
        square(64, 33, 2048, 256, 3, 1),
        square(1, 1, 1, 1, 1, 1),
        pixels(4_000_000, 128, 256),
        pixels(65_536, 2048, 65_536),
        pixels(1, 2048, 1_000_000),
    ]
}

#[test]
fn cubes_fit_every_dimension() {
    for shape in shapes() {
        for adapter in Adapter::ALL {
            let launches = [
                conv::Plan::forward(&shape, adapter).launches(),
                conv::Plan::backward(&shape, adapter).launches(),
                match adapter {
                    Adapter::Hardware => conv_weight::Plan::of(&shape).launches(),
                    Adapter::Software(program) => {
                        direct_weight::Plan::of(&shape, program).launches()
                    }
                },
            ];
            for cubes in launches {
                assert!(
                    cubes.iter().all(|&n| n > 0 && n <= CUBES),
                    "{shape:?}: {cubes:?}"
                );
            }
        }
    }
}

#[test]
#[expect(clippy::panic, reason = "a test")]
fn cubes_of_single_values_fit_every_dimension() {
    // A binding of 128 MiB has 2^25 values; these are more.
    for len in [1, 255, 65_535 * 256, 65_535 * 256 + 1, 1 << 31] {
        let CubeCount::Static(x, y, z) = blocks(len) else {
            panic!("a count that only the device knows");
        };
        assert!([x, y, z].iter().all(|&n| n > 0 && n <= CUBES), "{len}");
        assert!(x as usize * y as usize * z as usize * 256 >= len);
        let [along, again] = Direct::cubes(len);
        assert!(along <= CUBES && again <= CUBES, "{len}");
    }
}

#[test]
fn tiles_fit_a_cube() {
    for rows in [1, 3, 100, 4095, 4096, 1 << 24] {
        for columns in [1, 3, 16, 17, 33, 64, 127, 128, 4096] {
            for tile in [
                Tile::of(rows, columns, 27),
                Tile::of(rows, columns, 4608),
                Tile::of_pixels(rows, columns),
            ] {
                let (left, right) = tile.staged();
                assert!(tile.units() <= 256, "{tile}");
                assert!(16 * (left + right) <= 16 << 10, "{tile}");
            }
        }
    }
}
