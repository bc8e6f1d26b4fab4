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
    Software(Program),
}

/// How a program compiles a kernel, which decides how large a loop may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// A load is a loop over the units of a vector, so that large tiles are short code.
    Lavapipe,
    /// A load is written out for each unit of a vector, half a kilobyte a value, and a loop that outgrows the cache of
    /// instructions takes twice the time. Programs that are not known count as this one, too: it has the smaller tiles.
    SwiftShader,
}

impl Program {
    /// Rows of the largest tile that it runs well.
    pub(crate) fn rows(self) -> usize {
        match self {
            Self::Lavapipe => 16,
            Self::SwiftShader => 8,
        }
    }
}

/// Software adapters, by a part of the name that drivers and browsers give them, in lower case.
const SOFTWARE: [(&str, Program); 6] = [
    ("llvmpipe", Program::Lavapipe),
    ("lavapipe", Program::Lavapipe),
    ("swiftshader", Program::SwiftShader),
    ("basic render", Program::SwiftShader),
    ("warp", Program::SwiftShader),
    ("software", Program::SwiftShader),
];

/// Whether a graphics adapter is a software rasterizer, which runs shaders on the CPU: the one answer for kernels, the
/// command line and the page.
///
/// `name` is what the driver or the browser calls the adapter, in any case; it may be empty, because browsers may withhold
/// it. `is_cpu` is what the API reports: device type CPU in Vulkan and DX12, a fallback adapter in WebGPU.
pub fn is_software_adapter(name: &str, is_cpu: bool) -> bool {
    is_cpu || Adapter::named(name).is_software()
}

/// What [`Adapter::assume`] has said: 1 + the place among [`Adapter::ALL`], or 0 for nothing.
static ASSUMED: AtomicU8 = AtomicU8::new(0);

impl Adapter {
    /// Every kind.
    pub const ALL: [Self; 3] = [
        Self::Hardware,
        Self::Software(Program::Lavapipe),
        Self::Software(Program::SwiftShader),
    ];

    /// The kind of an adapter that calls itself so.
    pub fn named(name: &str) -> Self {
        let name = name.to_lowercase();
        let known = |(part, _): &&(&str, Program)| name.contains(part);
        match SOFTWARE.iter().find(known) {
            Some(&(_, program)) => Self::Software(program),
            None => Self::Hardware,
        }
    }

    /// Whether it is a program.
    pub fn is_software(self) -> bool {
        matches!(self, Self::Software(_))
    }

    /// From now on every device of the process counts as one of this kind: for who tests or measures the other kind's
    /// kernels on the device at hand.
    pub fn assume(self) {
        let place = Self::ALL.iter().position(|&kind| kind == self);
        ASSUMED.store(place.map_or(0, |place| place as u8 + 1), Ordering::Relaxed);
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
        let assumed = usize::from(ASSUMED.load(Ordering::Relaxed));
        if let Some(&kind) = assumed
            .checked_sub(1)
            .and_then(|place| Self::ALL.get(place))
        {
            return kind;
        }
        match Self::named(name) {
            Self::Hardware if !card => Self::Software(Program::SwiftShader),
            kind => kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Adapter, Program, is_software_adapter};

    #[test]
    fn programs_are_known_by_their_names() {
        for (name, program) in [
            ("llvmpipe (LLVM 15.0.6, 256 bits)", Program::Lavapipe),
            ("SwiftShader Device (Subzero)", Program::SwiftShader),
            ("Google, SwiftShader", Program::SwiftShader),
            ("Microsoft Basic Render Driver", Program::SwiftShader),
        ] {
            assert_eq!(Adapter::named(name), Adapter::Software(program), "{name}");
            assert!(is_software_adapter(name, false), "{name}");
        }
        for name in ["NVIDIA H100 PCIe", "Apple M3", "AMD Radeon 8060S", ""] {
            assert_eq!(Adapter::named(name), Adapter::Hardware, "{name}");
            assert!(!is_software_adapter(name, false), "{name}");
            assert!(is_software_adapter(name, true), "{name}");
        }
    }
}
