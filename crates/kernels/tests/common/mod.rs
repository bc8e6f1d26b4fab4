//! What the operations are by definition, in f64, one value at a time.
#![allow(dead_code, reason = "each test uses its part")]

use parallax_kernels::ConvShape;

/// Values between -1 and 1, the same for the same seed.
pub fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1u64 << 30) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A sum of products, and what bounds the error of an f32 result.
#[derive(Default)]
pub struct Sum {
    pub value: f64,
    terms: f64,
    squares: f64,
}

impl Sum {
    /// The sum of the products of pairs.
    pub fn of(pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        let mut sum = Self::default();
        pairs.for_each(|(a, b)| sum.add(a, b));
        sum
    }

    fn add(&mut self, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        self.value += product;
        self.terms += 1.0;
        self.squares += product * product;
    }

    /// A few ulps times the root of the number of terms, on the scale of the terms.
    pub fn tolerance(&self) -> f64 {
        3.0 * f64::from(f32::EPSILON) * self.terms.sqrt().max(1.0) * self.squares.sqrt()
    }
}

pub struct Conv<'a> {
    pub shape: ConvShape,
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub grad: &'a [f32],
}

impl Conv<'_> {
    /// The input coordinate under a tap on one axis, if it is inside the image.
    fn place(&self, axis: usize, out: usize, tap: usize) -> Option<usize> {
        let shape = &self.shape;
        let place = (out * shape.stride[axis] + tap * shape.dilation[axis])
            .checked_sub(shape.padding[axis])?;
        (place < shape.size[axis]).then_some(place)
    }

    fn x_at(&self, n: usize, y: usize, x: usize, c: usize) -> f32 {
        let [height, width] = self.shape.size;
        self.x[((n * height + y) * width + x) * self.shape.inputs + c]
    }

    fn grad_at(&self, n: usize, y: usize, x: usize, c: usize) -> f32 {
        let [height, width] = self.shape.out_size();
        self.grad[((n * height + y) * width + x) * self.shape.outputs + c]
    }

    fn weight_at(&self, o: usize, c: usize, i: usize, j: usize) -> f32 {
        let [height, width] = self.shape.kernel;
        self.weight[((o * self.shape.inputs + c) * height + i) * width + j]
    }

    /// One value of the output, by its place in memory.
    pub fn forward(&self, index: usize) -> Sum {
        let [height, width] = self.shape.out_size();
        let (o, rest) = (index % self.shape.outputs, index / self.shape.outputs);
        let (x, y, n) = (rest % width, rest / width % height, rest / width / height);
        let mut sum = Sum::default();
        for i in 0..self.shape.kernel[0] {
            for j in 0..self.shape.kernel[1] {
                if let (Some(row), Some(column)) = (self.place(0, y, i), self.place(1, x, j)) {
                    for c in 0..self.shape.inputs {
                        sum.add(self.x_at(n, row, column, c), self.weight_at(o, c, i, j));
                    }
                }
            }
        }
        sum
    }

    /// One value of the input gradient.
    pub fn grad_input(&self, index: usize) -> Sum {
        let [height, width] = self.shape.size;
        let [out_height, out_width] = self.shape.out_size();
        let (c, rest) = (index % self.shape.inputs, index / self.shape.inputs);
        let (x, y, n) = (rest % width, rest / width % height, rest / width / height);
        // Taps and outputs that read this pixel, on one axis.
        let meets = |axis: usize, out: usize, place: usize| {
            let taps = (0..self.shape.kernel[axis])
                .flat_map(|tap| (0..out).map(move |from| (tap, from)))
                .filter(|&(tap, from)| self.place(axis, from, tap) == Some(place));
            taps.collect::<Vec<_>>()
        };
        let mut sum = Sum::default();
        for &(i, from_y) in &meets(0, out_height, y) {
            for &(j, from_x) in &meets(1, out_width, x) {
                for o in 0..self.shape.outputs {
                    sum.add(
                        self.grad_at(n, from_y, from_x, o),
                        self.weight_at(o, c, i, j),
                    );
                }
            }
        }
        sum
    }

    /// One value of the weight gradient.
    pub fn grad_weight(&self, index: usize) -> Sum {
        let [kh, kw] = self.shape.kernel;
        let [out_height, out_width] = self.shape.out_size();
        let (j, i) = (index % kw, index / kw % kh);
        let (c, o) = (
            index / kw / kh % self.shape.inputs,
            index / kw / kh / self.shape.inputs,
        );
        let mut sum = Sum::default();
        for n in 0..self.shape.batch {
            for y in 0..out_height {
                for x in 0..out_width {
                    if let (Some(row), Some(column)) = (self.place(0, y, i), self.place(1, x, j)) {
                        sum.add(self.x_at(n, row, column, c), self.grad_at(n, y, x, o));
                    }
                }
            }
        }
        sum
    }
}

/// Indices to compare: all, or some spread evenly.
pub fn places(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let most = most.min(count);
    // Always with the last one: errors of tiles show at ends.
    (0..most).map(move |n| {
        if n + 1 == most {
            count - 1
        } else {
            n * count / most
        }
    })
}
