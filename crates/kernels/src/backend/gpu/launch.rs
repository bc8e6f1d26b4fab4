//! What a kernel launch looks like and what it costs, known without a device.

use cubecl::prelude::{CubeCount, CubeDim};

use super::cut::Cut;

/// Workgroups along a dimension that every WebGPU device takes.
pub(super) const MAX_WORKGROUPS: usize = 65_535;

/// How an operation is launched on a GPU, and what that costs on any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchPlan {
    /// How a product is cut; `None` where an operation is none.
    pub cut: Option<Cut>,
    /// Workgroups of the main kernel, in all dimensions together.
    pub workgroups: usize,
    /// Splits of a sum (split-K) that are computed concurrently; 1 where it is not split.
    pub splits: usize,
    /// Kernels launched.
    pub dispatches: usize,
    /// What they cost.
    pub cost: LaunchCost,
}

/// Memory traffic and arithmetic of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchCost {
    /// Bytes that the kernels load and store in global memory, each access counted; caches may serve some of them.
    pub bytes: u64,
    /// Bytes of every operand read once and every result written once.
    pub minimum_bytes: u64,
    /// Multiply-adds that the result takes, those with the padding's zeros included.
    pub multiply_adds: u64,
}

impl LaunchCost {
    /// Traffic in multiples of the minimum.
    pub fn traffic(&self) -> f64 {
        self.bytes as f64 / self.minimum_bytes as f64
    }

    /// Arithmetic intensity: multiply-adds for each byte of traffic; `None` where an operation is bound by memory.
    pub fn intensity(&self) -> Option<f64> {
        (self.multiply_adds > 0).then(|| self.multiply_adds as f64 / self.bytes as f64)
    }
}

/// Bytes of `values` f32.
pub(super) fn bytes(values: usize) -> u64 {
    4 * values as u64
}

/// Invocations of a workgroup where each computes one value.
pub(super) const INVOCATIONS: u32 = 256;

/// Workgroups of such a kernel for `len` values.
pub(super) fn linear_workgroups(len: usize) -> usize {
    len.div_ceil(INVOCATIONS as usize).max(1)
}

/// The launch of such a kernel: workgroups in two dimensions, because one may not hold them all.
pub(super) fn linear_launch(len: usize) -> (CubeCount, CubeDim) {
    let workgroups = linear_workgroups(len);
    let x = workgroups.min(MAX_WORKGROUPS);
    let count = CubeCount::Static(x as u32, workgroups.div_ceil(x) as u32, 1);
    (count, CubeDim::new_1d(INVOCATIONS))
}

#[cfg(test)]
mod tests {
    use super::{CubeCount, INVOCATIONS, MAX_WORKGROUPS, linear_launch};

    #[test]
    #[expect(clippy::panic, reason = "a test")]
    fn launches_of_single_values_fit_every_dimension() {
        // A binding of 128 MiB has 2^25 values; these are more.
        for len in [1, 255, 65_535 * 256, 65_535 * 256 + 1, 1 << 31] {
            let (CubeCount::Static(x, y, z), size) = linear_launch(len) else {
                panic!("a count that only the device knows");
            };
            assert!(
                [x, y, z]
                    .iter()
                    .all(|&n| n > 0 && n as usize <= MAX_WORKGROUPS),
                "{len}"
            );
            assert!(x as usize * y as usize * z as usize * 256 >= len);
            assert_eq!(size.x, INVOCATIONS);
        }
    }
}
