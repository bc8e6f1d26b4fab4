//! The operations that run on a device. Tensors of files are channels-first, those of devices channels-last.

use anyhow::{Context as _, Result, bail, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::{PixelLabels, Roi, RoiAlign, hard_pixels, roi_align, scale_bilinear};

use super::params::Params;
use super::tensors::{Input, Inputs, Outputs};
use crate::device;

/// An image's values may be far outside, but not without a place.
const FARTHEST: f32 = 1e6;

/// A device by its name, with gradients.
fn open(name: &str) -> Result<Device> {
    Ok(device::open(name)?.device.autodiff())
}

/// `[n, channels, height, width]` as `[n, height, width, channels]`.
fn put(input: &Input, device: &Device) -> Tensor<4> {
    let [n, channels, height, width] = [0, 1, 2, 3].map(|axis| input.shape[axis]);
    let data = TensorData::new(input.floats(), [n, channels, height, width]);
    Tensor::<4>::from_data(data, device).permute([0, 2, 3, 1])
}

/// Writes `[n, height, width, channels]` as `[n, channels, height, width]`.
fn write(out: &mut Outputs, name: &str, tensor: Tensor<4>) -> Result<()> {
    let tensor = tensor.permute([0, 3, 1, 2]);
    let shape = tensor.dims();
    let values: Vec<f32> = tensor.into_data().try_to_vec()?;
    out.floats(name, &shape, values);
    Ok(())
}

/// Writes the gradient of `x` that the output's gradient gives.
fn pull_back(out: &mut Outputs, x: &Tensor<4>, y: Tensor<4>, grad: Tensor<4>) -> Result<()> {
    let gradients = (y * grad).sum().backward();
    let grad = x.grad(&gradients).context("there is no gradient")?;
    write(out, "grad", grad)
}

pub fn align(inputs: &Inputs, params: &Params, out: &mut Outputs, on: &str) -> Result<()> {
    let features = inputs.get("features", &[None; 4])?;
    ensure!(
        features.values.len() * features.shape[0] > 0,
        "'features' is empty"
    );
    let options = RoiAlign {
        scale: params.get("scale")?,
        output: params.get("output")?,
        sampling_ratio: params.get("sampling_ratio")?,
        aligned: params.get("aligned")?,
    };
    ensure!(options.output > 0, "parameter 'output' must be 1 or more");
    let rows = inputs.get("rois", &[None, Some(5)])?.floats();
    let mut rois = Vec::new();
    for (number, row) in rows.chunks_exact(5).enumerate() {
        let image = row[0] as usize;
        ensure!(
            row[0] == image as f32 && image < features.shape[0],
            "RoI {number} is of image {}, 'features' has {}",
            row[0],
            features.shape[0]
        );
        let corners = [row[1], row[2], row[3], row[4]];
        ensure!(
            corners.iter().all(|corner| corner.abs() <= FARTHEST),
            "RoI {number} has the corners {corners:?}; at most {FARTHEST} is taken"
        );
        rois.push(Roi { image, corners });
    }
    let channels = features.shape[1];
    let shape = [rois.len(), channels, options.output, options.output];
    let grad = inputs.get("grad", &shape.map(Some))?;
    if rois.is_empty() {
        out.floats("pooled", &shape, []);
        let zeros = std::iter::repeat_n(0.0, features.values.len());
        out.floats("grad", &features.shape, zeros);
        return Ok(());
    }
    let device = open(on)?;
    let x = put(features, &device).detach().require_grad();
    let pooled = roi_align(x.clone(), &rois, options);
    write(out, "pooled", pooled.clone().inner())?;
    pull_back(out, &x, pooled, put(grad, &device))
}

pub fn bilinear(inputs: &Inputs, params: &Params, out: &mut Outputs, on: &str) -> Result<()> {
    let x = inputs.get("x", &[None; 4])?;
    let scale: f64 = params.get("scale")?;
    let size = [x.shape[2], x.shape[3]].map(|side| (side as f64 * scale) as usize);
    ensure!(
        scale.is_finite() && !x.values.is_empty() && size[0] * size[1] > 0,
        "'x' of {:?} by a scale of {scale} is empty",
        x.shape
    );
    let shape = [x.shape[0], x.shape[1], size[0], size[1]];
    let grad = inputs.get("grad", &shape.map(Some))?;
    let device = open(on)?;
    let x = put(x, &device).detach().require_grad();
    let y = scale_bilinear(x.clone(), scale);
    write(out, "y", y.clone().inner())?;
    pull_back(out, &x, y, put(grad, &device))
}

pub fn hardest(inputs: &Inputs, params: &Params, out: &mut Outputs, on: &str) -> Result<()> {
    let logits = inputs.get("logits", &[None; 4])?;
    let stride: usize = params.get("stride")?;
    ensure!(stride > 0, "parameter 'stride' must be 1 or more");
    let [batch, classes] = [logits.shape[0], logits.shape[1]];
    let size = [logits.shape[2], logits.shape[3]].map(|side| side * stride);
    let labels = inputs.get("labels", &[Some(batch), Some(size[0]), Some(size[1])])?;
    let ignore: u8 = params.get("ignore")?;
    let known = |&label: &f64| label == f64::from(ignore) || (0.0..classes as f64).contains(&label);
    if let Some(label) = labels.values.iter().find(|label| !known(label)) {
        bail!("'labels' has {label}, which is neither one of {classes} classes nor {ignore}");
    }
    let share: f64 = params.get("share")?;
    let taken = share * labels.values.len() as f64;
    ensure!(
        classes > 0 && taken >= 1.0 && share <= 1.0,
        "a share of {share} of {} pixels takes none, or more than there are",
        labels.values.len()
    );
    let labels = PixelLabels {
        values: labels.values.iter().map(|&label| label as u8).collect(),
        batch,
        size,
        ignore,
    };
    let device = open(on)?;
    let logits = put(logits, &device).detach().require_grad();
    let loss = hard_pixels(logits.clone(), labels, stride, share);
    let gradients = loss.backward();
    let values: Vec<f32> = loss.into_data().try_to_vec()?;
    out.floats("loss", &[1], values);
    let grad = logits.grad(&gradients).context("there is no gradient")?;
    write(out, "grad", grad)
}
