//! The device of a browser tab.
//!
//! `wgpu` opens the graphics device here, and Burn computes on it: so a loss and what the device refuses are known
//! ([`watch`]), and after a loss the same module opens another one.

mod adapter;
mod watch;

use std::cell::RefCell;
use std::future::Future;

use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use parallax_kernels::Rounding;
use wasm_bindgen::prelude::*;

use crate::types::DeviceKind;
use watch::Watch;

pub use adapter::inspect_adapter;
pub use watch::watch_device;

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
    /// Of a graphics device.
    watch: Option<Watch>,
}

/// What the CPU is called.
fn cpu_name() -> String {
    let form = match Rounding::get() {
        Rounding::Fused => "WebAssembly relaxed SIMD",
        Rounding::Portable => "WebAssembly SIMD",
    };
    match parallax_kernels::thread_count() {
        1 => format!("CPU, {form}"),
        threads => format!("CPU, {form}, {threads} threads"),
    }
}

impl Opened {
    fn cpu() -> Self {
        Self {
            device: Device::flex(),
            adapter: cpu_name(),
            probes: Device::flex(),
            watch: None,
        }
    }

    /// Work on the device, whose result counts only if the device has carried all of it out.
    ///
    /// # Errors
    /// Those of the work, and that the device was lost or has refused an operation meanwhile.
    pub async fn carry_out<T, E: Into<JsError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, JsError> {
        match &self.watch {
            Some(watch) => watch.carry_out(work).await,
            None => work.await.map_err(Into::into),
        }
    }
}

thread_local! {
    /// The graphics device, which is opened once and then shared.
    static WEBGPU: RefCell<Option<Opened>> = const { RefCell::new(None) };
}

/// Opens a device. That of WebGPU is opened once, and again after it was lost.
pub async fn open(kind: DeviceKind) -> Result<Opened, JsError> {
    if kind == DeviceKind::Cpu {
        return Ok(Opened::cpu());
    }
    let shared = WEBGPU.with(|cell| cell.borrow().clone());
    let alive = |opened: &Opened| opened.watch.as_ref().is_some_and(Watch::is_alive);
    if let Some(opened) = shared.filter(alive) {
        return Ok(opened);
    }
    let opened = open_webgpu().await?;
    WEBGPU.with(|cell| *cell.borrow_mut() = Some(opened.clone()));
    Ok(opened)
}

async fn open_webgpu() -> Result<Opened, JsError> {
    let backend = wgpu::Backend::BrowserWebGpu;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backend.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    let adapter = instance.request_adapter(&options).await.map_err(failed)?;
    // Kernels use whatever the adapter has.
    let wanted = wgpu::DeviceDescriptor {
        required_features: adapter.features(),
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&wanted).await.map_err(failed)?;
    let is_fallback = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
    let names = adapter::names_of(&device);
    let setup = WgpuSetup {
        instance,
        adapter,
        device: device.clone(),
        queue,
        backend,
    };
    let computing = Device::wgpu_options().setup(setup).init().map_err(failed)?;
    Ok(Opened {
        // After Burn, whose handler of errors panics.
        watch: Some(Watch::new(device)),
        adapter: names.shown(),
        probes: match names.is_software(is_fallback) {
            true => Device::flex(),
            false => computing.clone(),
        },
        device: computing,
    })
}

fn failed(error: impl std::fmt::Display) -> JsError {
    JsError::new(&format!("WebGPU could not be started: {error}"))
}
