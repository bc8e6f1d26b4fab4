//! What f16 does to a step, and what the loss scale is for: on the CPU, whose narrow kernels compute as a GPU's do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use parallax_methods::Views;
use parallax_train::{ParamGradients, Precision, Recipe};

/// Half the distance of 1 and the next f16, and the next bf16.
const F16: f64 = 1.0 / 2048.0;
const BF16: f64 = 1.0 / 256.0;
const SIDE: usize = 16;

fn recipe(method: &str, batch: usize) -> Recipe {
    let text = format!(
        "[method]\nname = '{method}'\nhidden = 64\nout = 32\nqueue = 256\n[run]\nbatch_size = {batch}\n\
         [model]\narch = 'tiny'\nstem = 'cifar'\nwidth = 8\n[views]\nsize = {SIDE}\n"
    );
    Recipe::parse(&text, &[]).unwrap()
}

/// Loss and gradients of a first step with activations stored in `element` and the loss multiplied by `scale`.
fn step(recipe: &Recipe, element: FloatDType, scale: f64) -> (f64, BTreeMap<String, Vec<f32>>) {
    let device = Device::flex();
    let batch = recipe.run.batch_size;
    let view = |phase: f32| {
        let value =
            |i: usize| (i as f32 * 0.7 + phase).sin() + (i as f32 * i as f32 * 0.0013).cos();
        let values: Vec<f32> = (0..batch * 3 * SIDE * SIDE).map(value).collect();
        let shape = [batch, 3, SIDE, SIDE];
        Tensor::<4>::from_data(TensorData::new(values, shape), &device).cast(element)
    };
    let labels: Vec<i32> = (0..batch as i32).map(|place| place % 4).collect();
    let config = recipe.method_config(32);
    let mut method = recipe.method.name.build(&config, &device);
    let output = method.loss(Views {
        first: view(0.0),
        second: view(0.4),
        labels: Tensor::from_data(TensorData::new(labels, [batch]), &device),
        enqueue_second: vec![false],
        order: (0..batch as u32).collect(),
    });
    let mut graph = (output.loss.clone() * scale).backward();
    let mut gradients = ParamGradients::take(method.online(), &mut graph);
    gradients.scale(1.0 / scale);
    let read = |tensor: Tensor<1>| tensor.into_data().try_to_vec::<f32>().unwrap();
    let loss = f64::from(read(output.loss.inner())[0]);
    let gradients = gradients.0.into_iter().map(|(name, g)| (name, read(g)));
    (loss, gradients.collect())
}

/// The difference of two gradients of a network, relative to the first's length.
fn apart(a: &BTreeMap<String, Vec<f32>>, b: &BTreeMap<String, Vec<f32>>) -> f64 {
    assert!(a.keys().eq(b.keys()));
    let (mut difference, mut length) = (0.0, 0.0);
    for (a, b) in a.values().flatten().zip(b.values().flatten()) {
        difference += f64::from(a - b).powi(2);
        length += f64::from(*a).powi(2);
    }
    (difference / length).sqrt()
}

/// What one step is off by when L = 7 convolutions round what they read (image or activation, weight) and what they and
/// their batch norms give: independent errors of at most a roundoff, each uniform, so 1/sqrt(3) of it on average.
fn forward_error(roundoff: f64) -> f64 {
    roundoff * (7.0 * 3.0f64).sqrt() / 3f64.sqrt()
}

/// A unit of ReLU opens or closes where its input is nearer to zero than it is off by. That is about this share of the
/// units, and each takes its whole gradient with it, so that a gradient is off by the root of it.
fn backward_error(roundoff: f64) -> f64 {
    forward_error(roundoff).sqrt()
}

#[test]
fn a_step_in_f16_or_bf16_is_a_step_in_f32_but_for_rounding() {
    for method in ["supervised", "moco-v2-plus", "byol"] {
        let recipe = recipe(method, 32);
        let (loss, exact) = step(&recipe, FloatDType::F32, 1.0);
        for (precision, roundoff) in [(Precision::F16, F16), (Precision::Bf16, BF16)] {
            let scale = precision.loss_scale(32);
            let (narrow, rounded) = step(&recipe, precision.dtype(), scale);
            let (by_loss, by_gradient) = ((narrow - loss).abs() / loss, apart(&exact, &rounded));
            println!("{method} in {precision:?}: loss {by_loss:.1e}, gradient {by_gradient:.1e}");
            assert!(by_loss <= forward_error(roundoff), "{method}: {by_loss}");
            assert!(
                by_gradient <= 2.0 * backward_error(roundoff) && by_gradient > 0.0,
                "{method}: {by_gradient}"
            );
        }
    }
}

/// Gradients as small as those of a large batch of large images, here by a loss of 2^-14 of its value.
#[test]
fn small_gradients_are_lost_without_a_scale() {
    let small = 2f64.powi(-14);
    for method in ["supervised", "moco-v2-plus", "byol"] {
        let recipe = recipe(method, 32);
        let (_, exact) = step(&recipe, FloatDType::F32, small);
        let scaled = small * 2f64.powi(14);
        let [lost, held] =
            [small, scaled].map(|scale| apart(&exact, &step(&recipe, FloatDType::F16, scale).1));
        println!("{method}: {lost:.1e} without a scale, {held:.1e} with one");
        assert!(
            held <= 2.0 * backward_error(F16) && lost > 4.0 * held,
            "{method}"
        );
        let (_, wide) = step(&recipe, FloatDType::BF16, small);
        assert!(
            apart(&exact, &wide) <= 2.0 * backward_error(BF16),
            "{method}"
        );
    }
}
