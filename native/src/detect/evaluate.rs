//! `parallax detect eval`.

use std::sync::Arc;

use anyhow::Result;

use super::find;
use super::kind::Detection;
use crate::data::annotated::{DetectionFolder, Purpose};
use crate::transfer::{Evaluated, Weights, evaluate_given};

/// Writes detections and prints their scores.
pub fn run(arguments: &Evaluated) -> Result<()> {
    evaluate_given(arguments, |weights: &Weights, device, watch| {
        let mut network = weights.network::<Detection>(device)?;
        let classes = weights.classes.as_deref();
        let folder = DetectionFolder::open(&arguments.test, Purpose::Test { classes })?;
        weights.check_classes(&arguments.test, folder.classes.len())?;
        find::evaluate(&mut network, &Arc::new(folder), device, watch)
    })
}
