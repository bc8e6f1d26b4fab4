//! Updates of many parameters at once: each has the bits that it has alone, and the values of its definition.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::{Parameter, SgdOptions, sgd_steps, weighted_sums};

/// Lengths that load by one and by four, in less than a workgroup and in many, more of them than a launch takes.
fn lens() -> Vec<usize> {
    let some = [1, 4, 10, 64, 1027, 300, 4096, 2050, 70_000];
    (0..6)
        .flat_map(|round| some.map(|len| len + 4 * round))
        .collect()
}

fn values(len: usize, seed: usize) -> Vec<f32> {
    let value = |at: usize| (((at + 31 * seed) % 7919) as f64 * (0.61 + seed as f64 * 0.07)).sin();
    (0..len).map(|at| value(at) as f32).collect()
}

fn tensor(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn options(number: usize) -> SgdOptions {
    SgdOptions {
        learning_rate: 0.1 + 0.01 * number as f64,
        momentum: 0.9,
        weight_decay: if number.is_multiple_of(3) { 0.0 } else { 1e-2 },
        nesterov: number.is_multiple_of(5),
    }
}

async fn read(tensor: Tensor<1>) -> Result<Vec<f32>, String> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| format!("{error:?}"))?;
    data.try_to_vec().map_err(|error| format!("{error:?}"))
}

/// Checks the values that many parameters have together.
async fn check(
    what: &str,
    together: Vec<Tensor<1>>,
    alone: Vec<Tensor<1>>,
    expected: &[Vec<f64>],
) -> Result<usize, String> {
    let mut compared = 0;
    for (number, (together, alone)) in together.into_iter().zip(alone).enumerate() {
        let (together, alone) = (read(together).await?, read(alone).await?);
        let expected = &expected[number];
        let same = together
            .iter()
            .zip(&alone)
            .all(|(a, b)| a.to_bits() == b.to_bits());
        if !same || together.len() != expected.len() {
            return Err(format!("{what} {number}: other bits than alone"));
        }
        let far = together.iter().zip(expected);
        let far = far.map(|(found, expected)| (f64::from(*found) - expected).abs());
        let far = far.fold(0.0, f64::max);
        // Some roundings of values below 3.
        if far > 1e-6 {
            return Err(format!("{what} {number}: {far:.1e} from its definition"));
        }
        compared += expected.len();
    }
    Ok(compared)
}

/// Compares SGD and weighted sums on `device`, without autodiff: how many values were compared.
///
/// # Errors
/// When they differ, or the device fails.
pub async fn check_updates(device: &Device) -> Result<usize, String> {
    let lens = lens();
    let parameter = |number: usize| {
        let of = |seed| tensor(&values(lens[number], number + seed), device);
        Parameter {
            weight: of(0),
            gradient: of(1),
            velocity: of(2),
            options: options(number),
        }
    };
    let all = 0..lens.len();
    let (weights, velocities) = sgd_steps(all.clone().map(parameter).collect())
        .into_iter()
        .unzip::<_, _, Vec<_>, Vec<_>>();
    let alone = all
        .clone()
        .flat_map(|number| sgd_steps(vec![parameter(number)]));
    let (alone_weights, alone_velocities) = alone.unzip::<_, _, Vec<_>, Vec<_>>();
    let (mut expected_weights, mut expected_velocities) = (Vec::new(), Vec::new());
    for number in all.clone() {
        let of = |seed| {
            values(lens[number], number + seed)
                .into_iter()
                .map(f64::from)
        };
        let options = options(number);
        let (mut next_weights, mut next_velocities) = (Vec::new(), Vec::new());
        for ((weight, gradient), velocity) in of(0).zip(of(1)).zip(of(2)) {
            let gradient = gradient + options.weight_decay * weight;
            let velocity = options.momentum * velocity + gradient;
            let step = match options.nesterov {
                true => gradient + options.momentum * velocity,
                false => velocity,
            };
            next_weights.push(weight - options.learning_rate * step);
            next_velocities.push(velocity);
        }
        expected_weights.push(next_weights);
        expected_velocities.push(next_velocities);
    }
    let mut compared = check("weight", weights, alone_weights, &expected_weights).await?;
    compared += check(
        "velocity",
        velocities,
        alone_velocities,
        &expected_velocities,
    )
    .await?;

    let pair =
        |number: usize| [0, 1].map(|seed| tensor(&values(lens[number], number + seed), device));
    let sums = weighted_sums(all.clone().map(pair).collect(), 0.99, 0.01);
    let alone = all
        .clone()
        .flat_map(|number| weighted_sums(vec![pair(number)], 0.99, 0.01));
    let expected = all.map(|number| {
        let of = |seed| {
            values(lens[number], number + seed)
                .into_iter()
                .map(f64::from)
        };
        of(0).zip(of(1)).map(|(a, b)| 0.99 * a + 0.01 * b).collect()
    });
    compared += check("sum", sums, alone.collect(), &expected.collect::<Vec<_>>()).await?;
    Ok(compared)
}
