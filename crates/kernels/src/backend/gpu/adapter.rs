//! What is known of the adapter behind a device.

use burn::backend::DispatchDevice;
use burn::tensor::Device;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::DeviceProperties;

/// Software adapters, by a part of the name that drivers and browsers give them, in lower case.
const SOFTWARE: [&str; 6] = [
    "llvmpipe",
    "lavapipe",
    "swiftshader",
    "basic render",
    "warp",
    "software",
];

/// What executes the kernels of a device, which decides their tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// A GPU.
    Gpu,
    /// A software adapter: see [`is_software_adapter`].
    Software,
}

impl Adapter {
    /// The adapter of a device for kernels; a GPU's stands for the CPU, which has none.
    pub fn of_device(device: &Device) -> Self {
        match device.as_dispatch() {
            DispatchDevice::Cube(device) => Self::of(device.client().properties()),
            _ => Self::Gpu,
        }
    }

    /// The adapter of a tensor.
    pub(super) fn of_tensor(tensor: &CubeTensor) -> Self {
        Self::of(tensor.client.properties())
    }

    /// One that withholds its name has no physical device.
    pub(super) fn of(properties: &DeviceProperties) -> Self {
        let identity = &properties.identity;
        match is_software_adapter(&identity.name, identity.physical.is_none()) {
            true => Self::Software,
            false => Self::Gpu,
        }
    }
}

/// Whether a graphics adapter is a software rasterizer, which runs shaders on the CPU: the one answer for the command line,
/// the WASM module and the page. Kernels are the same on all adapters, their tiles are not.
///
/// `name` is what the driver or the browser calls the adapter, in any case; it may be empty, because browsers may withhold
/// it. `is_cpu` is what the API reports: device type CPU in Vulkan and DX12, a fallback adapter in WebGPU.
pub fn is_software_adapter(name: &str, is_cpu: bool) -> bool {
    let name = name.to_lowercase();
    is_cpu || SOFTWARE.iter().any(|part| name.contains(part))
}

/// Whether the kernels for GPUs compute on a device.
pub fn is_gpu(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

/// The language that a GPU's kernels are compiled to: SPIR-V and MSL have matrix instructions, WGSL has none. `None` on the
/// CPU.
pub fn shader_language(device: &Device) -> Option<&'static str> {
    let DispatchDevice::Cube(device) = device.as_dispatch() else {
        return None;
    };
    let client = device.client();
    let runtime = client.name();
    let known = [("spirv", "SPIR-V"), ("msl", "MSL")];
    let named = known.iter().find(|(part, _)| runtime.contains(part));
    Some(named.map_or("WGSL", |(_, language)| language))
}

/// Bytes of the largest tensor that a device takes: its memory is bound as a whole, and WebGPU's devices promise
/// 128 MiB a binding. `None` on the CPU.
pub fn largest_tensor(device: &Device) -> Option<u64> {
    match device.as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.client().properties().memory.max_page_size),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_software_adapter;

    #[test]
    fn software_adapters_are_known_by_name_or_by_device_type() {
        for name in [
            "llvmpipe (LLVM 15.0.6, 256 bits)",
            "SwiftShader Device (Subzero)",
            "Google, SwiftShader",
            "Microsoft Basic Render Driver",
        ] {
            assert!(is_software_adapter(name, false), "{name}");
        }
        for name in ["NVIDIA H100 PCIe", "Apple M3", "AMD Radeon 8060S", ""] {
            assert!(!is_software_adapter(name, false), "{name}");
            assert!(is_software_adapter(name, true), "{name}");
        }
    }
}
