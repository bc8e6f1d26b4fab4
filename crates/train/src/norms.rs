//! L2 norms of gradients and parameters.

use std::collections::BTreeMap;

use burn::module::Module;

use crate::error::RunError;
use crate::forward::read;
use crate::gradients::{ParamGradients, param_squares};
use crate::run::Run;

/// L2 norms of the online network's trained parameters by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Norms {
    /// Of the gradients, without weight decay.
    pub gradients: BTreeMap<String, f64>,
    /// Of the parameters after the step.
    pub parameters: BTreeMap<String, f64>,
}

impl Norms {
    /// Of the gradients and of the trained parameters of a module.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn of<M: Module>(gradients: &ParamGradients, module: &M) -> Result<Self, RunError> {
        let (names, squares) = gradients.squares();
        let gradients = match squares {
            Some(squares) => roots(names, &read(squares).await?),
            None => BTreeMap::new(),
        };
        let parameters = parameter_norms(module).await?;
        Ok(Self {
            gradients,
            parameters,
        })
    }

    /// Norm of the whole gradient as one vector.
    pub fn gradient(&self) -> f64 {
        whole(&self.gradients)
    }

    /// Norm of all parameters as one vector.
    pub fn parameter(&self) -> f64 {
        whole(&self.parameters)
    }
}

fn whole(norms: &BTreeMap<String, f64>) -> f64 {
    norms.values().map(|norm| norm * norm).sum::<f64>().sqrt()
}

impl Run {
    /// Norms of the online network's trained parameters by name.
    pub(crate) async fn param_norms(&self) -> Result<BTreeMap<String, f64>, RunError> {
        parameter_norms(self.method.online()).await
    }
}

async fn parameter_norms<M: Module>(module: &M) -> Result<BTreeMap<String, f64>, RunError> {
    match param_squares(module) {
        (names, Some(squares)) => Ok(roots(names, &read(squares).await?)),
        (_, None) => Ok(BTreeMap::new()),
    }
}

/// Square roots by name.
pub(crate) fn roots(names: Vec<String>, squares: &[f64]) -> BTreeMap<String, f64> {
    let roots = squares.iter().map(|square| square.sqrt());
    names.into_iter().zip(roots).collect()
}
