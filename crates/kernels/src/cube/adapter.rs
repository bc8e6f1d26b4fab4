//! Who executes the kernels: a GPU, or a processor that plays one.

use std::sync::atomic::{AtomicU8, Ordering};

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device};
use burn_cubecl::tensor::CubeTensor;

/// What executes kernels, which decides how they are cut. A device is always of the same kind, so that the same run on the
/// same device makes the same choices and gives the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Adapter {
    /// A GPU: units run side by side and share fast memory.
    #[default]
    Hardware,
    /// A processor: units run one after the other, shared memory is memory as any other, and a barrier is a function's
    /// end.
    Software,
}

/// Adapters that are programs, by a part of the name that drivers and browsers give them, in lower case.
const PROGRAMS: [&str; 5] = [
    "llvmpipe",
    "lavapipe",
    "swiftshader",
    "microsoft basic render",
    "warp",
];

/// What [`Adapter::assume`] has said: 0 for nothing.
static ASSUMED: AtomicU8 = AtomicU8::new(0);

impl Adapter {
    /// The kind of an adapter that calls itself so.
    pub fn named(name: &str) -> Self {
        let name = name.to_lowercase();
        match PROGRAMS.iter().any(|program| name.contains(program)) {
            true => Self::Software,
            false => Self::Hardware,
        }
    }

    /// From now on every device of the process counts as one of this kind: for who tests or measures the other kind's
    /// kernels on the device at hand.
    pub fn assume(self) {
        ASSUMED.store(1 + self as u8, Ordering::Relaxed);
    }

    /// The kind of a device; nothing where kernels do not run there.
    pub fn of_device(device: &Device) -> Option<Self> {
        match device.as_dispatch() {
            DispatchDevice::Cube(_) => {
                let identity = device.as_dispatch().identity()?;
                Some(Self::kind(&identity.name, identity.physical.is_some()))
            }
            _ => None,
        }
    }

    /// Bytes of the largest tensor that a device takes: its memory is bound as a whole, and WebGPU's devices promise
    /// 128 MiB a binding. Nothing where kernels do not run.
    pub fn largest_tensor(device: &Device) -> Option<u64> {
        match device.as_dispatch() {
            DispatchDevice::Cube(device) => Some(device.client().properties().memory.max_page_size),
            _ => None,
        }
    }

    /// The kind of a tensor's device, whose kernels are to take it. A software adapter's compute in f32 alone: what is
    /// stored in less goes to those of a GPU, which run anywhere.
    pub(crate) fn of(tensor: &CubeTensor) -> Self {
        match tensor.dtype {
            DType::F32 => {
                let identity = &tensor.client.properties().identity;
                Self::kind(&identity.name, identity.physical.is_some())
            }
            _ => Self::Hardware,
        }
    }

    /// A device without a card behind it is a program, as one with a program's name: browsers may keep the name to
    /// themselves, and some drivers call themselves GPUs.
    fn kind(name: &str, card: bool) -> Self {
        match ASSUMED.load(Ordering::Relaxed) {
            0 if !card => Self::Software,
            0 => Self::named(name),
            1 => Self::Hardware,
            _ => Self::Software,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Adapter;

    #[test]
    fn programs_are_known_by_their_names() {
        for name in [
            "llvmpipe (LLVM 15.0.6, 256 bits)",
            "SwiftShader Device (Subzero)",
            "Google, SwiftShader",
            "Microsoft Basic Render Driver",
        ] {
            assert_eq!(Adapter::named(name), Adapter::Software, "{name}");
        }
        for name in ["NVIDIA H100 PCIe", "Apple M3", "AMD Radeon 8060S", ""] {
            assert_eq!(Adapter::named(name), Adapter::Hardware, "{name}");
        }
    }
}
