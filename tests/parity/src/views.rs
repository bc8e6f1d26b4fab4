//! Views are the same bits natively and in a tab.

use std::sync::Arc;

use parallax_data::sample;
use parallax_train::{Loader, Recipe};

/// What [`views_digest`] gives everywhere. It changes when a view changes, and so every stored run with it.
pub const VIEWS: u32 = 2_949_375_160;

/// A digest of the first batches that two recipes make from the embedded sample: order, draws, pixels and
/// normalisation.
///
/// # Errors
/// When a batch cannot be made.
pub fn views_digest() -> Result<u32, String> {
    let source = sample::train().map_err(|error| error.to_string())?;
    let source = Arc::new(source);
    let mut hasher = crc32fast::Hasher::new();
    for pipeline in ["moco-v2", "byol-asymmetric"] {
        let text = format!(
            "[run]\nseed = 11\nbatch_size = 32\n[method]\nname = 'byol'\n[views]\npipeline = '{pipeline}'\n"
        );
        let recipe = Recipe::parse(&text, &[]).map_err(|error| error.to_string())?;
        let loader = Loader::new(&recipe, source.clone()).map_err(|error| error.to_string())?;
        // The steps 61 to 64 lie in the first pass and in the second.
        for step in [0, 1, 61, 62, 63, 64] {
            let batch = loader.load(step).map_err(|error| error.to_string())?;
            for value in batch.first.iter().chain(&batch.second) {
                hasher.update(&value.to_bits().to_le_bytes());
            }
        }
    }
    Ok(hasher.finalize())
}
