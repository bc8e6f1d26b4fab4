//! Plain JavaScript objects.

use js_sys::{Array, Object, Reflect};
use parallax_probes::Metrics;
use parallax_views::{Image, Op};
use wasm_bindgen::prelude::*;

/// An object of named values.
pub fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a field of a fresh object cannot fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

/// Bytes that JavaScript owns.
pub fn bytes(values: &[u8]) -> JsValue {
    js_sys::Uint8Array::from(values).into()
}

/// A picture as a canvas takes it.
pub fn rgba(image: &Image) -> JsValue {
    let (pixels, _) = image.data.as_chunks::<3>();
    let values: Vec<u8> = pixels
        .iter()
        .flat_map(|[r, g, b]| [*r, *g, *b, 255])
        .collect();
    bytes(&values)
}

/// Metrics by name, each with its value and with what people are shown.
pub fn metrics(metrics: &Metrics) -> JsValue {
    let one = |(metric, value): (&parallax_probes::Metric, f64)| {
        object([
            ("key", metric.key.into()),
            ("label", metric.label.into()),
            ("value", value.into()),
            ("text", metric.value(value).into()),
        ])
    };
    metrics.iter().map(one).collect::<Array>().into()
}

/// Operations in words.
pub fn texts(ops: &[Op]) -> JsValue {
    let texts: Array = ops.iter().map(|op| JsValue::from(op.to_string())).collect();
    texts.into()
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A measured value: its key in event logs, its name and its value with the unit for people. */
export interface Metric { key: string; label: string; value: number; text: string }
/** What one optimisation step reports. */
export interface StepReport {
  step: number; loss: number; lr: number; momentum: number | undefined; images: number; collapse: number; metrics: Metric[];
}
/** One picture and its two views, as RGBA pixels. */
export interface ViewPair {
  index: number; source: Uint8Array; source_width: number; source_height: number;
  first: Uint8Array; second: Uint8Array; ops: [string[], string[]];
}
/** The pictures of the next step. */
export interface ViewPairs { size: number; pairs: ViewPair[] }
/** Accuracy in percent and a flat picture of the held-out features, x and y in turn. */
export interface ProbeReport {
  step: number; knn: number; collapse: number; embedding: Float32Array; labels: Uint32Array; metrics: Metric[];
}
/** One row of the final comparison, in percent. */
export interface TableRow { encoder: "trained" | "random" | "pixels"; knn: number; linear: number; metrics: Metric[] }
/** One file of a checkpoint. */
export interface CheckpointFile { name: string; bytes: Uint8Array }
"#;
