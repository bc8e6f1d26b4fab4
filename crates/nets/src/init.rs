//! Random initialisation: a pure function of the seed and the tensor's number in the network.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_rng::{Draws, Stream};

/// Initialises tensors on one device.
///
/// Every tensor has its own random stream, numbered in the order of construction, and its values are drawn on the CPU: a
/// seed gives the same network natively, in a browser, and on any device.
pub struct Init<'a> {
    seed: u64,
    stream: Stream,
    tensor: u32,
    device: &'a Device,
}

impl<'a> Init<'a> {
    /// Starts at the first tensor of a network.
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self::of_stream(seed, Stream::Init, device)
    }

    /// Starts at the first tensor of something else than a network, such as a queue.
    pub fn of_stream(seed: u64, stream: Stream, device: &'a Device) -> Self {
        Self {
            seed,
            stream,
            tensor: 0,
            device,
        }
    }

    /// The device of the tensors.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    fn draws(&mut self) -> Draws {
        let draws = Draws::new(self.seed, self.stream, 0, self.tensor, 0);
        self.tensor += 1;
        draws
    }

    fn filled<const D: usize>(&self, shape: [usize; D], value: impl FnMut() -> f32) -> Tensor<D> {
        let count = shape.iter().product();
        let values: Vec<f32> = std::iter::repeat_with(value).take(count).collect();
        Tensor::from_data(TensorData::new(values, shape), self.device)
    }

    /// N(0, std^2).
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Tensor<D> {
        let mut draws = self.draws();
        self.filled(shape, || (std * draws.normal()) as f32)
    }

    /// U(-bound, bound).
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Tensor<D> {
        let mut draws = self.draws();
        self.filled(shape, || draws.uniform(-bound, bound) as f32)
    }

    /// N(0, 2 / fan_out), for the weights of convolutions, `[out, in, kernel, kernel]` (methods.md 2.1).
    pub fn normal_fan_out(&mut self, shape: [usize; 4]) -> Tensor<4> {
        let std = (2.0 / (shape[0] * shape[2] * shape[3]) as f64).sqrt();
        self.normal(shape, std)
    }

    /// U(-sqrt(3 / fan_in), sqrt(3 / fan_in)), the "xavier fill" of detectors (methods.md 7.3); fan_in is the product of all
    /// dimensions but the first.
    pub fn xavier<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let fan_in: usize = shape[1..].iter().product();
        self.uniform(shape, (3.0 / fan_in as f64).sqrt())
    }

    /// U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for the weight and bias of a linear layer.
    pub fn uniform_fan_in<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
    ) -> Tensor<D> {
        self.uniform(shape, 1.0 / (fan_in as f64).sqrt())
    }

    /// Random unit vectors as rows, `[rows, columns]`: the initial keys of a queue (methods.md 3.2).
    pub fn unit_rows(&mut self, rows: usize, columns: usize) -> Tensor<2> {
        let mut draws = self.draws();
        let mut values = Vec::with_capacity(rows * columns);
        for _ in 0..rows {
            let row: Vec<f64> = (0..columns).map(|_| draws.normal()).collect();
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
            values.extend(row.iter().map(|v| (v / norm) as f32));
        }
        Tensor::from_data(TensorData::new(values, [rows, columns]), self.device)
    }

    /// A vector filled with one value.
    pub fn constant(&self, length: usize, value: f32) -> Tensor<1> {
        self.filled([length], || value)
    }
}
