//! Tensors of several types by name.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// A tensor of a file, in f64, which holds every f32, u8 and the integers that occur here.
#[derive(Clone, Debug)]
pub struct Input {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Input {
    pub fn floats(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }

    pub fn integers(&self) -> Vec<i64> {
        self.values.iter().map(|&value| value as i64).collect()
    }

    /// Rows of four.
    pub fn boxes(&self) -> Vec<[f32; 4]> {
        let row = |four: &[f64]| [four[0], four[1], four[2], four[3]].map(|value| value as f32);
        self.values.chunks_exact(4).map(row).collect()
    }
}

impl Input {
    /// The polygons of each instance, `x, y, x, y, ...`: `self` holds all vertices, `[vertices, 2]`, and `splits` instance and
    /// number of vertices of each polygon. Without `count`, as many instances as are named.
    pub fn split_polygons(
        &self,
        splits: &[i64],
        count: Option<usize>,
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        let instances = splits.chunks_exact(2).map(|split| split[0].max(0) as usize);
        let named = instances.clone().map(|instance| instance + 1).max();
        let named = named.unwrap_or(0);
        let count = count.unwrap_or(named);
        ensure!(
            named <= count,
            "'polygon_splits' names an instance without a box"
        );
        let mut polygons: Vec<Vec<Vec<f64>>> = vec![Vec::new(); count];
        let mut rest = &self.values[..];
        for (instance, split) in instances.zip(splits.chunks_exact(2)) {
            let length = 2 * split[1].max(0) as usize;
            ensure!(
                length <= rest.len(),
                "'polygon_splits' has more vertices than 'polygons'"
            );
            let (own, behind) = rest.split_at(length);
            polygons[instance].push(own.to_vec());
            rest = behind;
        }
        ensure!(
            rest.is_empty(),
            "'polygons' has more vertices than 'polygon_splits'"
        );
        Ok(polygons)
    }
}

/// The tensors of a safetensors file.
pub struct Inputs(BTreeMap<String, Input>);

impl Inputs {
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes).context("not a safetensors file")?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let values = values(&view).with_context(|| format!("tensor '{name}'"))?;
            let shape = view.shape().to_vec();
            tensors.insert(name, Input { shape, values });
        }
        Ok(Self(tensors))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A tensor whose shape has the given lengths; `None` stands for any.
    pub fn get(&self, name: &str, shape: &[Option<usize>]) -> Result<&Input> {
        let found = self.0.get(name);
        let found = found.with_context(|| {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            format!(
                "tensor '{name}' is missing; the inputs have {}",
                names.join(", ")
            )
        })?;
        let fits = |(&length, wanted): (&usize, &Option<usize>)| wanted.is_none_or(|w| w == length);
        if found.shape.len() != shape.len() || !found.shape.iter().zip(shape).all(fits) {
            let wanted: Vec<String> = shape
                .iter()
                .map(|length| length.map_or("*".to_string(), |length| length.to_string()))
                .collect();
            bail!(
                "tensor '{name}' has the shape {:?}, [{}] is needed",
                found.shape,
                wanted.join(", ")
            );
        }
        Ok(found)
    }

    /// Boxes, `[n, 4]`.
    pub fn boxes(&self, name: &str) -> Result<Vec<[f32; 4]>> {
        Ok(self.get(name, &[None, Some(4)])?.boxes())
    }
}

fn values(view: &TensorView<'_>) -> Result<Vec<f64>> {
    macro_rules! numbers {
        ($kind:ty) => {
            view.data()
                .chunks_exact(size_of::<$kind>())
                .map(|bytes| Ok(<$kind>::from_le_bytes(bytes.try_into()?) as f64))
                .collect()
        };
    }
    match view.dtype() {
        Dtype::F32 => numbers!(f32),
        Dtype::F64 => numbers!(f64),
        Dtype::I64 => numbers!(i64),
        Dtype::I32 => numbers!(i32),
        Dtype::U8 => numbers!(u8),
        other => bail!("is {other:?}; f32, f64, i64, i32 or u8 is needed"),
    }
}

/// The results of an operation.
#[derive(Default)]
pub struct Outputs(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl Outputs {
    pub fn floats(&mut self, name: &str, shape: &[usize], values: impl IntoIterator<Item = f32>) {
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.0
            .push((name.to_string(), Dtype::F32, shape.to_vec(), bytes));
    }

    pub fn integers(&mut self, name: &str, values: impl IntoIterator<Item = i64>) {
        let values: Vec<i64> = values.into_iter().collect();
        self.integers_of(name, &[values.len()], values);
    }

    pub fn integers_of(&mut self, name: &str, shape: &[usize], values: Vec<i64>) {
        let bytes = values.into_iter().flat_map(i64::to_le_bytes).collect();
        self.0
            .push((name.to_string(), Dtype::I64, shape.to_vec(), bytes));
    }

    pub fn bytes(&mut self, name: &str, shape: &[usize], values: Vec<u8>) {
        self.0
            .push((name.to_string(), Dtype::U8, shape.to_vec(), values));
    }

    /// Boxes, `[n, 4]`.
    pub fn boxes(&mut self, name: &str, boxes: &[[f32; 4]]) {
        self.floats(name, &[boxes.len(), 4], boxes.iter().flatten().copied());
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let views: Result<Vec<(&str, TensorView<'_>)>> = self
            .0
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                Ok((
                    name.as_str(),
                    TensorView::new(*dtype, shape.clone(), bytes)?,
                ))
            })
            .collect();
        Ok(safetensors::serialize(views?, None)?)
    }
}
