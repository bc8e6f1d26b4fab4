//! What a network sees in an image: the filters of its first layer, the maps of its stages, and its attention.

use burn::module::Module as _;
use js_sys::Float32Array;
use parallax_data::Source;
use parallax_nets::ResNet;
use parallax_probes::attention;
use parallax_train::{Extractor, ONLINE, RunError, read};
use parallax_weights::collect;

use crate::types::{Seen, StageMaps};

/// Looks at a held-out image with an encoder.
pub async fn look(
    network: &ResNet,
    extractor: &mut Extractor,
    source: &dyn Source,
    index: usize,
) -> Result<Seen, RunError> {
    let batch = extractor.loader().load(source, index..index + 1)?;
    let mut stages = Vec::new();
    let mut shares = Vec::new();
    for map in extractor.stages(batch)? {
        let [_, height, width, channels] = map.dims();
        let values = read(map).await?;
        shares = attention(&values, channels);
        stages.push(StageMaps {
            height: height as u32,
            width: width as u32,
            channels: channels as u32,
            values: Float32Array::from(values.as_slice()),
        });
    }
    let (filters, filter_side) = filters(network).await?;
    Ok(Seen {
        index: index as u32,
        filters,
        filter_side,
        stages,
        attention: Float32Array::from(shares.as_slice()),
    })
}

/// The weights of the first convolution, `[filters, 3, side, side]`, and the side.
pub async fn filters(network: &ResNet) -> Result<(Float32Array, u32), RunError> {
    let tensors = collect(&network.valid(), ONLINE).await?;
    let first = tensors
        .into_iter()
        .find(|tensor| tensor.name.ends_with("conv1.weight") && !tensor.name.contains("layer"));
    let missing = || RunError::Device("the network has no first convolution".to_string());
    let first = first.ok_or_else(missing)?;
    let side = first.shape.last().copied().unwrap_or(0);
    Ok((Float32Array::from(first.values.as_slice()), side as u32))
}
