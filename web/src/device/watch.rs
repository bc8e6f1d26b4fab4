//! What goes wrong with a graphics device: it is lost, or it refuses an operation.

use std::cell::RefCell;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use burn::tensor::wgpu::wgpu;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::types::DeviceTrouble;

#[wasm_bindgen]
extern "C" {
    /// A `GPUDevice`. Errors go past `wgpu`, which panics on a `GPUInternalError`.
    pub type RawDevice;
    #[wasm_bindgen(method, js_name = pushErrorScope)]
    fn push_error_scope(this: &RawDevice, filter: &str);
    #[wasm_bindgen(method, js_name = popErrorScope)]
    fn pop_error_scope(this: &RawDevice) -> Promise;
    #[wasm_bindgen(method, setter, js_name = onuncapturederror)]
    fn set_on_uncaptured_error(this: &RawDevice, handler: &Function);

    /// A `GPUError`.
    type RawError;
    #[wasm_bindgen(method, getter)]
    fn message(this: &RawError) -> String;

    /// A `GPUUncapturedErrorEvent`.
    type RawErrorEvent;
    #[wasm_bindgen(method, getter)]
    fn error(this: &RawErrorEvent) -> RawError;
}

/// The browser's object behind a device.
#[cfg(target_arch = "wasm32")]
pub fn raw(device: &wgpu::Device) -> Option<RawDevice> {
    Some(device.as_webgpu()?.clone().unchecked_into())
}

/// Outside of browsers there is none.
#[cfg(not(target_arch = "wasm32"))]
pub fn raw(_: &wgpu::Device) -> Option<RawDevice> {
    None
}

thread_local! {
    /// Whom [`watch_device`] tells.
    static HEARS: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// `hear` is called with what goes wrong with the graphics device: once when it is lost, with the browser's reason, and when it
/// refuses an operation. Whatever uses the device then fails. After a loss, the next run opens another device.
#[wasm_bindgen(js_name = watchDevice)]
pub fn watch_device(
    #[wasm_bindgen(unchecked_param_type = "(trouble: DeviceTrouble, message: string) => void")]
    hear: Function,
) {
    HEARS.with(|cell| *cell.borrow_mut() = Some(hear));
}

fn tell(trouble: DeviceTrouble, message: &str) {
    let Some(hear) = HEARS.with(|cell| cell.borrow().clone()) else {
        return;
    };
    if let Ok(trouble) = serde_wasm_bindgen::to_value(&trouble) {
        let _ = hear.call2(&JsValue::NULL, &trouble, &message.into());
    }
}

/// Kinds of errors that a scope catches.
const FILTERS: [&str; 3] = ["validation", "out-of-memory", "internal"];

/// A device that is watched.
#[derive(Clone)]
pub struct Watch {
    device: wgpu::Device,
    /// Why the device is of no more use.
    trouble: Arc<OnceLock<(DeviceTrouble, String)>>,
}

impl Watch {
    /// Watches a device from now on, in place of whoever handled its errors.
    pub fn new(device: wgpu::Device) -> Self {
        let trouble = Arc::new(OnceLock::new());
        let known = Arc::clone(&trouble);
        device.set_device_lost_callback(move |reason, message| {
            let message = match message.is_empty() {
                true => format!("{reason:?}"),
                false => message,
            };
            let _ = known.set((DeviceTrouble::Lost, message.clone()));
            tell(DeviceTrouble::Lost, &message);
        });
        let watch = Self { device, trouble };
        if let Some(device) = raw(&watch.device) {
            let this = watch.clone();
            let handler = Closure::<dyn Fn(RawErrorEvent)>::new(move |event: RawErrorEvent| {
                this.refused(&event.error().message());
            });
            device.set_on_uncaptured_error(handler.as_ref().unchecked_ref());
            handler.forget();
        }
        watch
    }

    /// Whether the device can be used.
    pub fn is_alive(&self) -> bool {
        self.trouble.get().is_none()
    }

    /// A lost device refuses everything: that is told once, as the loss.
    fn refused(&self, message: &str) {
        let told = (DeviceTrouble::Refused, message.to_string());
        if self.trouble.set(told).is_ok() {
            tell(DeviceTrouble::Refused, message);
        }
    }

    /// See [`super::Opened::carry_out`].
    pub async fn carry_out<T, E: Into<JsError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, JsError> {
        let Some(device) = raw(&self.device) else {
            return work.await.map_err(Into::into);
        };
        for filter in FILTERS {
            device.push_error_scope(filter);
        }
        let result = work.await;
        for caught in FILTERS.map(|_| device.pop_error_scope()) {
            // A lost device catches nothing.
            let error = JsFuture::from(caught).await.unwrap_or(JsValue::NULL);
            if error.is_object() {
                self.refused(&error.unchecked_into::<RawError>().message());
            }
        }
        match self.trouble.get() {
            None => result.map_err(Into::into),
            Some((DeviceTrouble::Lost, message)) => Err(JsError::new(&format!(
                "The graphics device was lost: {message}"
            ))),
            Some((DeviceTrouble::Refused, message)) => Err(JsError::new(&format!(
                "The graphics device refused an operation: {message}"
            ))),
        }
    }
}
