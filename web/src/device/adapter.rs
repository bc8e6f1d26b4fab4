//! What the browser tells of its graphics adapter.

use burn::tensor::wgpu::wgpu;
use js_sys::{Object, Reflect};
use parallax_kernels::is_software_adapter;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::types::{AdapterInfo, AdapterKind};

/// Inspects the browser's graphics adapter, without opening a device.
#[wasm_bindgen(js_name = inspectAdapter)]
pub async fn inspect_adapter() -> Result<Ts<AdapterInfo>, JsError> {
    let found = match adapter().await {
        Some(adapter) => inspected(&adapter),
        None => AdapterInfo {
            kind: AdapterKind::None,
            name: String::new(),
            advice: String::new(),
        },
    };
    Ok(found.into_ts()?)
}

#[wasm_bindgen]
extern "C" {
    /// `navigator.gpu`.
    type RawGpu;
    #[wasm_bindgen(method, catch, js_name = requestAdapter)]
    async fn request_adapter(this: &RawGpu, options: &JsValue) -> Result<JsValue, JsValue>;
}

/// The `GPUAdapter`, as `wgpu` does not pass on all of what it is called. None where the browser has none or refuses.
async fn adapter() -> Option<JsValue> {
    let gpu = field(&field(&js_sys::global(), "navigator")?, "gpu")?;
    let gpu: RawGpu = gpu.unchecked_into();
    let options: JsValue = Object::new().into();
    Reflect::set(
        &options,
        &"powerPreference".into(),
        &"high-performance".into(),
    )
    .ok()?;
    let adapter = gpu.request_adapter(&options).await.ok()?;
    adapter.is_object().then_some(adapter)
}

fn inspected(adapter: &JsValue) -> AdapterInfo {
    let info = field(adapter, "info").unwrap_or_default();
    let names = Names::of(&info);
    let missing = lacking(adapter);
    let is_fallback = field(&info, "isFallbackAdapter").is_some_and(|value| value.is_truthy());
    AdapterInfo {
        kind: match (missing.is_empty(), names.is_software(is_fallback)) {
            (false, _) => AdapterKind::Limited,
            (true, true) => AdapterKind::Software,
            (true, false) => AdapterKind::Hardware,
        },
        name: names.shown(),
        advice: missing.join(", "),
    }
}

/// What an adapter is called; browsers may withhold any of it.
pub struct Names {
    description: String,
    /// Vendor, architecture and device, each once.
    parts: Vec<String>,
}

impl Names {
    /// From a `GPUAdapterInfo`.
    fn of(info: &JsValue) -> Self {
        let text = |name| field(info, name).and_then(|value| value.as_string());
        let mut parts: Vec<String> = Vec::new();
        for part in ["vendor", "architecture", "device"]
            .into_iter()
            .filter_map(text)
        {
            if !part.is_empty() && !parts.contains(&part) {
                parts.push(part);
            }
        }
        Self {
            description: text("description").unwrap_or_default(),
            parts,
        }
    }

    /// For people.
    pub fn shown(&self) -> String {
        match (self.description.as_str(), self.parts.as_slice()) {
            ("", []) => "unnamed adapter".to_string(),
            ("", parts) => parts.join(" "),
            (description, _) => description.to_string(),
        }
    }

    /// Whether it is a software rasterizer; `is_fallback` is its `isFallbackAdapter`.
    pub fn is_software(&self, is_fallback: bool) -> bool {
        let all = format!("{} {}", self.description, self.parts.join(" "));
        is_software_adapter(&all, is_fallback)
    }
}

/// The names of the adapter behind a device.
pub fn names_of(device: &wgpu::Device) -> Names {
    let mut info = None;
    if let Some(device) = super::watch::raw(device) {
        info = field(&device, "adapterInfo");
        if info.is_none() {
            // Burn reads it, and earlier versions of browsers lack it.
            let made: JsValue = Object::new().into();
            let _ = Reflect::set(&made, &"description".into(), &"".into());
            let _ = Reflect::set(&device, &"adapterInfo".into(), &made);
        }
    }
    Names::of(&info.unwrap_or_default())
}

/// What an adapter lacks of what kernels count on, as parts of a sentence about it.
fn lacking(adapter: &JsValue) -> Vec<String> {
    let limits = field(adapter, "limits").unwrap_or_default();
    let small = usual_limits().into_iter().filter_map(|(name, usual)| {
        let has = field(&limits, name)?.as_f64()? as u64;
        let words = || {
            format!(
                "has {name} {} where {} is usual",
                grouped(has),
                grouped(usual)
            )
        };
        (has < usual).then(words)
    });
    let mut words: Vec<String> = small.collect();
    if !has_feature(adapter, "timestamp-query") {
        words.push("lacks timestamp-query".to_string());
    }
    words
}

/// The limits of WebGPU that kernels depend on, with the values that every adapter has by default.
fn usual_limits() -> [(&'static str, u64); 10] {
    let usual = wgpu::Limits::default();
    [
        ("maxBufferSize", usual.max_buffer_size),
        (
            "maxStorageBufferBindingSize",
            usual.max_storage_buffer_binding_size,
        ),
        (
            "maxStorageBuffersPerShaderStage",
            usual.max_storage_buffers_per_shader_stage.into(),
        ),
        (
            "maxUniformBufferBindingSize",
            usual.max_uniform_buffer_binding_size,
        ),
        (
            "maxComputeWorkgroupStorageSize",
            usual.max_compute_workgroup_storage_size.into(),
        ),
        (
            "maxComputeInvocationsPerWorkgroup",
            usual.max_compute_invocations_per_workgroup.into(),
        ),
        (
            "maxComputeWorkgroupSizeX",
            usual.max_compute_workgroup_size_x.into(),
        ),
        (
            "maxComputeWorkgroupSizeY",
            usual.max_compute_workgroup_size_y.into(),
        ),
        (
            "maxComputeWorkgroupSizeZ",
            usual.max_compute_workgroup_size_z.into(),
        ),
        (
            "maxComputeWorkgroupsPerDimension",
            usual.max_compute_workgroups_per_dimension.into(),
        ),
    ]
}

fn has_feature(adapter: &JsValue, name: &str) -> bool {
    let Some(features) = field(adapter, "features") else {
        return false;
    };
    let has = field(&features, "has").and_then(|has| has.dyn_into::<js_sys::Function>().ok());
    let found = has.and_then(|has| has.call1(&features, &JsValue::from(name)).ok());
    found.is_some_and(|found| found.is_truthy())
}

/// A field of an object; none where the object or the field is missing.
fn field(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A number with its thousands apart, as in 67,108,864.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut words = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}
