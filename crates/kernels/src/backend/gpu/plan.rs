//! Kernel selection: which kernel computes a product, and how it is launched. The launch itself, the listing of
//! `parallax bench kernels --launches` and the tests all ask here.

use burn_cubecl::tensor::CubeTensor;

use super::axis::Axis;
use super::cut::Target;
use super::implicit_gemm::GemmPlan;
use super::launch::{LaunchCost, LaunchPlan, bytes};
use super::weight_grad::WeightGradPlan;
use crate::shape::{ConvShape, Product};

/// The kernel of a convolution's product.
pub(super) enum ConvKernel {
    ImplicitGemm(GemmPlan),
    WeightGradient(WeightGradPlan),
}

/// A convolution's product and the kernel that was selected for it.
pub(super) struct ConvPlan {
    shape: ConvShape,
    product: Product,
    kernel: ConvKernel,
}

impl ConvPlan {
    /// Selects the kernel by the shape and what is known of the device, so that a run makes the same choices on all GPUs with
    /// the same matrix instructions, or none.
    pub fn select(shape: &ConvShape, product: Product, target: Target) -> Self {
        let kernel = match product {
            Product::Forward => ConvKernel::ImplicitGemm(GemmPlan::forward(shape, target)),
            Product::GradInput => ConvKernel::ImplicitGemm(GemmPlan::input_gradient(shape, target)),
            Product::GradWeight => ConvKernel::WeightGradient(WeightGradPlan::of(shape, target)),
        };
        Self {
            shape: *shape,
            product,
            kernel,
        }
    }

    /// Computes the product of input and weight, of the output's gradient and weight, or of input and the output's gradient.
    pub fn run(&self, left: CubeTensor, right: CubeTensor) -> CubeTensor {
        match &self.kernel {
            ConvKernel::ImplicitGemm(plan) => plan.run(left, right),
            ConvKernel::WeightGradient(plan) => plan.run(left, right),
        }
    }

    /// Workgroups of the launch along each dimension.
    pub fn workgroups(&self) -> [u32; 3] {
        match &self.kernel {
            ConvKernel::ImplicitGemm(plan) => plan.workgroups(),
            ConvKernel::WeightGradient(plan) => plan.workgroups(),
        }
    }

    /// The launch and what it costs.
    pub fn launch_plan(&self) -> LaunchPlan {
        let (cut, splits, dispatches) = match &self.kernel {
            ConvKernel::ImplicitGemm(plan) => (plan.cut, plan.splits, plan.dispatches()),
            ConvKernel::WeightGradient(plan) => (plan.cut, plan.splits(), plan.dispatches()),
        };
        let workgroups = self.workgroups().map(|count| count as usize);
        LaunchPlan {
            cut: Some(cut),
            workgroups: workgroups.iter().product(),
            splits,
            dispatches,
            cost: self.cost(),
        }
    }

    fn cost(&self) -> LaunchCost {
        let shape = &self.shape;
        let traffic = match &self.kernel {
            ConvKernel::ImplicitGemm(plan) => plan.traffic(),
            ConvKernel::WeightGradient(plan) => plan.traffic(),
        };
        // A stride may leave pixels of the input unread; the input gradient has them all.
        let input = match self.product {
            Product::GradInput => shape.input_len(),
            Product::Forward | Product::GradWeight => {
                let read = [0, 1].map(|axis| Axis::forward(shape, axis).touched(shape.size[axis]));
                shape.batch * read[0] * read[1] * shape.inputs
            }
        };
        let taps = shape.kernel[0] * shape.kernel[1];
        LaunchCost {
            bytes: bytes(traffic),
            minimum_bytes: bytes(input + shape.output_len() + shape.weight_len()),
            multiply_adds: (shape.output_len() * shape.inputs * taps) as u64,
        }
    }
}

/// How a convolution's product is launched on such a device.
pub fn conv_launch(shape: &ConvShape, product: Product, target: Target) -> LaunchPlan {
    ConvPlan::select(shape, product, target).launch_plan()
}

#[cfg(test)]
mod tests {
    use super::{ConvPlan, Target};
    use crate::backend::gpu::adapter::Adapter;
    use crate::backend::gpu::launch::MAX_WORKGROUPS;
    use crate::shape::{ConvShape, LinearShape, Product};

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
        let linear = |batch, inputs, outputs| LinearShape {
            batch,
            inputs,
            outputs,
        };
        vec![
            square(4096, 224, 3, 64, 7, 2),
            square(4096, 56, 64, 64, 3, 1),
            square(4096, 56, 64, 256, 1, 1),
            square(1024, 28, 256, 512, 1, 2),
            square(4096, 7, 512, 512, 3, 1),
            square(64, 33, 2048, 256, 3, 1),
            square(1, 1, 1, 1, 1, 1),
            linear(4_000_000, 128, 256).as_convolution(),
            linear(65_536, 2048, 65_536).as_convolution(),
            linear(1, 2048, 1_000_000).as_convolution(),
        ]
    }

    /// Every launch keeps within what each WebGPU device takes. Known without a device, for shapes far larger than a
    /// software adapter could compute.
    #[test]
    fn workgroups_fit_every_dimension() {
        for shape in shapes() {
            for product in Product::ALL {
                let plan = ConvPlan::select(&shape, product, Target::of_adapter(Adapter::Gpu));
                let workgroups = plan.workgroups();
                assert!(
                    workgroups
                        .iter()
                        .all(|&n| n > 0 && n as usize <= MAX_WORKGROUPS),
                    "{shape:?}: {workgroups:?}"
                );
            }
        }
    }
}
