//! The device of a browser tab.

use std::cell::RefCell;

use burn::tensor::Device;
use burn::tensor::wgpu::wgpu;
use parallax_kernels::Rounding;
use wasm_bindgen::prelude::*;

use crate::types::DeviceKind;

/// An opened device and what to call it.
#[derive(Clone)]
pub struct Opened {
    /// Without autodiff.
    pub device: Device,
    /// The adapter's own name.
    pub adapter: String,
    /// Where features for probes are computed: the device itself, or the CPU where the adapter is a software one, on which a
    /// probe would take minutes.
    pub probes: Device,
}

thread_local! {
    /// WebGPU can be set up once in the life of a module.
    static WEBGPU: RefCell<Option<Opened>> = const { RefCell::new(None) };
}

/// Opens a device; WebGPU is opened once and then shared.
pub async fn open(kind: DeviceKind) -> Result<Opened, JsError> {
    match kind {
        DeviceKind::Cpu => Ok(Opened {
            device: Device::flex(),
            adapter: match Rounding::get() {
                Rounding::Fused => "CPU, WebAssembly relaxed SIMD",
                Rounding::Portable => "CPU, WebAssembly SIMD",
            }
            .to_string(),
            probes: Device::flex(),
        }),
        DeviceKind::Webgpu => match WEBGPU.with(|cell| cell.borrow().clone()) {
            Some(opened) => Ok(opened),
            None => {
                let opened = open_webgpu().await?;
                WEBGPU.with(|cell| *cell.borrow_mut() = Some(opened.clone()));
                Ok(opened)
            }
        },
    }
}

async fn open_webgpu() -> Result<Opened, JsError> {
    let made = Device::wgpu_options().init_with_setup_async().await;
    let (device, setup) =
        made.map_err(|error| JsError::new(&format!("WebGPU could not be started: {error}")))?;
    let info = setup.adapter.get_info();
    let is_cpu = info.device_type == wgpu::DeviceType::Cpu;
    Ok(Opened {
        probes: match parallax_kernels::is_software_adapter(&info.name, is_cpu) {
            true => Device::flex(),
            false => device.clone(),
        },
        adapter: if info.name.is_empty() {
            "WebGPU".to_string()
        } else {
            info.name
        },
        device,
    })
}

/// Whether a WebGPU adapter is a software rasterizer, which runs shaders on the CPU. `name` is all that the browser tells of it
/// (description, vendor, architecture, device; may be empty); `is_fallback` is its `isFallbackAdapter`.
#[wasm_bindgen(js_name = isSoftwareAdapter)]
pub fn is_software_adapter(name: &str, is_fallback: bool) -> bool {
    parallax_kernels::is_software_adapter(name, is_fallback)
}
