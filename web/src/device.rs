//! The device of a browser tab.

use std::cell::RefCell;

use burn::tensor::Device;
use wasm_bindgen::prelude::*;

thread_local! {
    /// WebGPU can be set up once in the life of a module.
    static WEBGPU: RefCell<Option<(Device, String)>> = const { RefCell::new(None) };
}

/// `webgpu` or `cpu`, with the adapter's name. The device has no autodiff.
pub async fn open(kind: &str) -> Result<(Device, String), JsError> {
    match kind {
        "cpu" => Ok((Device::flex(), "CPU, WebAssembly SIMD".to_string())),
        "webgpu" => {
            if let Some(opened) = WEBGPU.with(|cell| cell.borrow().clone()) {
                return Ok(opened);
            }
            let made = Device::wgpu_options().init_with_setup_async().await;
            let (device, setup) = made
                .map_err(|error| JsError::new(&format!("WebGPU could not be started: {error}")))?;
            let name = setup.adapter.get_info().name;
            let opened = (
                device,
                if name.is_empty() {
                    "WebGPU".to_string()
                } else {
                    name
                },
            );
            WEBGPU.with(|cell| *cell.borrow_mut() = Some(opened.clone()));
            Ok(opened)
        }
        other => Err(JsError::new(&format!("there is no device '{other}'"))),
    }
}
