//! The Vulkan device of the tests.

use std::sync::OnceLock;

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuBackend;

/// The Vulkan device, which opens once a process.
pub fn vulkan() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || {
        Device::wgpu_options()
            .graphics_api(WgpuBackend::Vulkan)
            .init()
            .expect("no Vulkan device: `cargo xtask setup` installs a software one")
    };
    DEVICE.get_or_init(open).clone()
}
