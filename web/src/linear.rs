//! Linear evaluation on features that were computed once.

use std::sync::Arc;

use burn::tensor::Device;
use parallax_eval::{Augment, FeatureLoader, LinearEval, LinearEvalConfig, Preset, predict};
use parallax_probes::{Confusion, Features};
use parallax_train::{Control, DataShape, Driver, Due};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::representation::confusion_table;
use crate::types::{ConfusionTable, LinearPoint};

/// Images in a step's batch: the sample's 2,000 then make 31 steps an epoch.
const BATCH: usize = 64;
const EPOCHS: u64 = 60;

/// A linear evaluation with the preset `sgd` on features of training images, scored on those of held-out images after every
/// epoch.
#[wasm_bindgen]
pub struct LinearCurve {
    run: LinearEval,
    driver: Driver,
    loader: FeatureLoader,
    test: Arc<Features>,
    classes: usize,
    device: Device,
}

impl LinearCurve {
    pub(crate) fn new(
        train: Arc<Features>,
        test: Arc<Features>,
        data: DataShape,
    ) -> Result<LinearCurve, JsError> {
        let device = Device::flex();
        let config = LinearEvalConfig {
            batch_size: BATCH.min(train.rows()),
            epochs: EPOCHS,
            milestones: Some([36, 48]),
            eval_every: 1,
            checkpoint_every: 0,
            augment: Augment::None,
            ..LinearEvalConfig::of(Preset::Sgd, 32)
        };
        let loader = FeatureLoader::new(Arc::clone(&train), config.batch_size, config.seed)?;
        let run = LinearEval::new(config, train.columns(), data, &device)?;
        Ok(Self {
            driver: run.driver(),
            run,
            loader,
            test,
            classes: data.classes,
            device,
        })
    }
}

#[wasm_bindgen]
impl LinearCurve {
    /// Epochs of the whole evaluation.
    #[wasm_bindgen(getter)]
    pub fn epochs(&self) -> f64 {
        self.run.config().epochs as f64
    }

    /// Trains for one more epoch and scores the classifier. Returns nothing when the evaluation has ended.
    pub async fn epoch(&mut self) -> Result<Option<Ts<LinearPoint>>, JsError> {
        loop {
            let due = self.driver.next(self.run.step_index(), Control::default());
            match due {
                Due::Step => {
                    let step = self.run.step_index();
                    let (features, labels) = self.loader.load(step, &self.device);
                    self.run.step(features, &labels).await?;
                }
                // After the last step an evaluation is due in place of a probe.
                Due::Probe | Due::Evaluate => {
                    self.run.evaluate(&self.test).await?;
                    let point = self.run.history().points.last().map(|point| LinearPoint {
                        epoch: point.epoch,
                        top1: point.top1,
                        top5: point.top5,
                    });
                    return Ok(point.map(|point| point.into_ts()).transpose()?);
                }
                Due::Checkpoint => {}
                Due::Done => return Ok(None),
            }
        }
    }

    /// The confusion matrix of the held-out images by the classifier as it is now.
    pub async fn confusion(&self) -> Result<Ts<ConfusionTable>, JsError> {
        let predicted = predict(self.run.classifier(), &self.test, &self.device).await?;
        confusion_table(&Confusion::new(
            self.test.labels(),
            &predicted,
            self.classes,
        )?)
    }
}
