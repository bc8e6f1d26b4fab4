//! Norms of checkpoints, and NormRescale.

use js_sys::{Array, Uint8Array};
use parallax_train::WEIGHTS_FILE;
use parallax_weights::{
    Anchor, Branch, Scope, WeightFile, WeightsError, layer_norms, norm_rescale,
};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::types::{LayerNormRow, RescaledWeights};

/// L2 norms of the online network's convolutions and linear layers in each of several `weights.safetensors`, from input to
/// output. Fails where the backbones differ.
#[wasm_bindgen(js_name = layerNorms)]
pub fn layer_norms_of(
    #[wasm_bindgen(unchecked_param_type = "Uint8Array[]")] weights: Array,
) -> Result<Vec<Ts<LayerNormRow>>, JsError> {
    let read =
        |bytes: JsValue| WeightFile::from_bytes(WEIGHTS_FILE, &Uint8Array::new(&bytes).to_vec());
    let files = weights.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let files: Vec<&WeightFile> = files.iter().collect();
    let rows = layer_norms(&files, Branch::Online, Scope::Weights)?;
    let rows = rows.into_iter().map(|row| {
        let row = LayerNormRow {
            name: row.name,
            norms: row.norms,
        };
        row.into_ts()
    });
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The online network of a `weights.safetensors`, every tensor scaled to its norm in the anchor's (NormRescale). Batch norm's
/// scales and statistics are scaled, too: the result is for fine-tuning, not for frozen features.
#[wasm_bindgen(js_name = normRescale)]
pub fn norm_rescale_to(weights: &[u8], anchor: &[u8]) -> Result<Ts<RescaledWeights>, JsError> {
    let file = WeightFile::from_bytes(WEIGHTS_FILE, weights)?;
    let anchor = WeightFile::from_bytes("the anchor", anchor)?;
    let done = rescaled(&file, &anchor)?;
    Ok(done.into_ts()?)
}

fn rescaled(file: &WeightFile, anchor: &WeightFile) -> Result<RescaledWeights, WeightsError> {
    let (out, report) = norm_rescale(file, Branch::Online, Anchor::File(anchor), Scope::All)?;
    let unchanged = report.out_of_scope.len() + report.zero.len() + report.not_in_anchor.len();
    Ok(RescaledWeights {
        bytes: Uint8Array::from(out.to_bytes()?.as_slice()),
        rescaled: report.rescaled.len() as u32,
        unchanged: unchanged as u32,
    })
}
