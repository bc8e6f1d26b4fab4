//! A pre-training run in a tab.

use std::sync::Arc;

use js_sys::{Float32Array, Uint32Array};
use parallax_data::Source;
use parallax_kernels::release_buffers;
use parallax_nets::{Init, ResNet};
use parallax_probes::{Features, agreement, knn_accuracy, principal_plane};
use parallax_train::{
    Checkpoint, Control, DataShape, Driver, Extractor, Loader, ONLINE, RECIPE_FILE, Recipe, Run,
    RunError, STATE_FILE, TRAINING_FILE, WEIGHTS_FILE, encoder_from, features, final_table, probe,
    read,
};
use parallax_weights::{WeightFile, copy};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::data::{Data, Split};
use crate::device::{self, Opened};
use crate::recipes::facts;
use crate::representation::Representation;
use crate::seen::filters;
use crate::types::{
    CheckpointFile, DeviceKind, Due, Encoder, Evaluation, ProbeReport, RecipeFacts, StepReport,
    Stop, TableRow, metrics,
};

/// A pre-training run with its data and its device.
#[wasm_bindgen(js_name = Run)]
pub struct WebRun {
    pub(crate) run: Run,
    driver: Driver,
    pub(crate) loader: Loader,
    /// Training images of all classes, for probes.
    bank: Arc<dyn Source>,
    test: Arc<dyn Source>,
    opened: Opened,
    /// Of the last step.
    embedding_std: f32,
    /// What the next probe evaluates, where it is not the encoder of its own time.
    kept: Option<Kept>,
}

/// The encoder at an earlier step.
struct Kept {
    step: u64,
    encoder: ResNet,
    embedding_std: f32,
}

impl WebRun {
    fn assemble(
        run: Run,
        train: Arc<dyn Source>,
        (bank, test): Split,
        opened: Opened,
    ) -> Result<WebRun, JsError> {
        Ok(WebRun {
            bank,
            driver: Driver::new(run.recipe(), run.data_shape(), run.step_index()),
            loader: Loader::new(run.recipe(), train, run.device())?,
            embedding_std: 1.0,
            kept: None,
            run,
            test,
            opened,
        })
    }

    /// Training images of all classes, and held-out ones.
    pub(crate) fn sources(&self) -> Split {
        (Arc::clone(&self.bank), Arc::clone(&self.test))
    }

    /// A copy of the online backbone on the device that computes features.
    async fn encoder(&self) -> Result<ResNet, RunError> {
        let network = self.run.recipe().backbone();
        let fresh = ResNet::new(&network, &mut Init::new(0, &self.opened.probes));
        Ok(copy(self.run.online(), fresh).await?)
    }

    async fn encoder_now(&self) -> Result<Kept, RunError> {
        Ok(Kept {
            step: self.run.step_index(),
            encoder: self.encoder().await?,
            embedding_std: self.embedding_std,
        })
    }

    async fn features(&self, encoder: &ResNet, source: &dyn Source) -> Result<Features, RunError> {
        features(
            encoder,
            source,
            self.run.recipe().views.size,
            &self.opened.probes,
        )
        .await
    }
}

/// Work whose tensors have other sizes than those of the steps around it: a tab's memory never shrinks, so neither is to keep
/// buffers for the next time while the other computes.
async fn without_buffers<T>(work: impl Future<Output = T>) -> T {
    release_buffers();
    let done = work.await;
    release_buffers();
    done
}

/// Images whose views are compared at every probe.
const COMPARED: usize = 64;

impl WebRun {
    /// Mean similarities of the features of the views of the run's first images.
    async fn agreement(&self, encoder: &ResNet) -> Result<(f32, f32), RunError> {
        let shown = self.loader.preview(0, COMPARED)?;
        let side = self.run.recipe().views.size;
        let mut extractor = Extractor::new(encoder, side, &self.opened.probes);
        let mut both = Vec::new();
        for view in 0..2 {
            let images = shown.iter().map(|shown| {
                let ops = shown.views[view].1.clone();
                (shown.index as usize, shown.source.clone(), ops)
            });
            let batch = extractor.loader().views(images.collect())?;
            both.push(read(extractor.features(batch)?).await?);
        }
        let empty = Vec::new();
        let (first, second) = (
            both.first().unwrap_or(&empty),
            both.last().unwrap_or(&empty),
        );
        Ok(agreement(first, second, extractor.columns()))
    }

    /// A probe of an encoder, or of the encoder now.
    async fn probe_of(&self, kept: Option<Kept>) -> Result<ProbeReport, JsError> {
        let kept = match kept {
            Some(kept) => kept,
            None => self.encoder_now().await?,
        };
        let Kept {
            step,
            encoder,
            embedding_std: collapse,
        } = kept;
        let train = self.features(&encoder, self.bank.as_ref()).await?;
        let test = self.features(&encoder, self.test.as_ref()).await?;
        let (same, other) = self.agreement(&encoder).await?;
        let (filters, filter_side) = filters(&encoder).await?;
        Ok(ProbeReport {
            filters,
            filter_side,
            same,
            other,
            step,
            metrics: metrics(&probe(&train, &test)?),
            collapse,
            embedding: Float32Array::from(principal_plane(&test).as_slice()),
            labels: Uint32Array::from(test.labels()),
        })
    }

    /// Features of the trained backbone, the same backbone at its initialisation, and raw pixels, evaluated.
    async fn table(&self) -> Result<Vec<TableRow>, JsError> {
        let config = self.run.method_config();
        let table = final_table(
            &self.encoder().await?,
            &config.random_backbone(&self.opened.probes),
            (self.bank.as_ref(), self.test.as_ref()),
            self.run.recipe(),
            &self.opened.probes,
        )
        .await?;
        let rows = table.into_iter().map(|row| TableRow {
            encoder: match row.encoder {
                parallax_train::Encoder::Trained => Encoder::Trained,
                parallax_train::Encoder::Random => Encoder::Random,
                parallax_train::Encoder::Pixels => Encoder::Pixels,
            },
            metrics: metrics(&row.metrics),
        });
        Ok(rows.collect())
    }
}

#[wasm_bindgen(js_class = Run)]
impl WebRun {
    /// Begins a run by a recipe in TOML; see [`recipe`](crate::recipe). It takes the data over.
    pub async fn start(
        recipe: String,
        data: Data,
        device: Ts<DeviceKind>,
    ) -> Result<WebRun, JsError> {
        let recipe = Recipe::parse(&recipe, &[])?;
        if recipe.evaluates_linearly() || recipe.probe.linear_every > 0 {
            let message = "the page evaluates by kNN between steps, and by kNN and the linear probe at the end: \
                           drop linear-eval from probe.evaluators, [probe.linear_eval] and probe.linear_every";
            return Err(JsError::new(message));
        }
        let (bank, test) = data.split()?;
        let train = recipe.training_data(&bank)?;
        let opened = device::open(device.to_rust()?).await?;
        let run = Run::new(recipe, DataShape::of(train.as_ref()), &opened.device)?;
        Self::assemble(run, train, (bank, test), opened)
    }

    /// Resumes a run from the contents of a checkpoint's `weights.safetensors`, `training.safetensors` and `state.json`, written
    /// here or by the command line, with the data that it was trained on. On the CPU it ends with the same bits as a run that was
    /// never interrupted.
    pub async fn resume(
        weights: Vec<u8>,
        training: Vec<u8>,
        state: String,
        data: Data,
        device: Ts<DeviceKind>,
    ) -> Result<WebRun, JsError> {
        let recipe = WeightFile::from_bytes(WEIGHTS_FILE, &weights)?
            .recipe
            .unwrap_or_default();
        let parsed = Recipe::parse(&recipe, &[])?;
        let files = vec![
            (WEIGHTS_FILE.to_string(), weights),
            (TRAINING_FILE.to_string(), training),
            (STATE_FILE.to_string(), state.into_bytes()),
            (RECIPE_FILE.to_string(), recipe.into_bytes()),
        ];
        let checkpoint = Checkpoint { step: 0, files };
        let (bank, test) = data.split()?;
        let train = parsed.training_data(&bank)?;
        let opened = device::open(device.to_rust()?).await?;
        let run = Run::resume(&checkpoint, DataShape::of(train.as_ref()), &opened.device)?;
        Self::assemble(run, train, (bank, test), opened)
    }

    /// Name of the adapter, as the browser gives it.
    #[wasm_bindgen(getter)]
    pub fn adapter(&self) -> String {
        self.opened.adapter.clone()
    }

    /// Steps of the whole run.
    #[wasm_bindgen(getter)]
    pub fn total_steps(&self) -> f64 {
        self.run.total_steps() as f64
    }

    /// Steps taken.
    #[wasm_bindgen(getter)]
    pub fn step_index(&self) -> f64 {
        self.run.step_index() as f64
    }

    /// The run's recipe.
    #[wasm_bindgen(getter)]
    pub fn recipe(&self) -> Result<Ts<RecipeFacts>, JsError> {
        Ok(facts(self.run.recipe())?.into_ts()?)
    }

    /// What is due now. The caller carries it out; all but a step count as carried out once they were returned.
    ///
    /// `checkpoint` saves now, whatever the recipe's interval is; `defer_probe` puts off a probe, which stays due.
    pub fn next(
        &mut self,
        stop: Ts<Stop>,
        checkpoint: bool,
        defer_probe: bool,
    ) -> Result<Ts<Due>, JsError> {
        let control = Control {
            stop: match stop.to_rust()? {
                Stop::No => parallax_train::Stop::No,
                Stop::Suspend => parallax_train::Stop::Suspend,
                Stop::End => parallax_train::Stop::End,
            },
            checkpoint,
            defer_probe,
        };
        let due = match self.driver.next(self.run.step_index(), control) {
            parallax_train::Due::Step => Due::Step,
            parallax_train::Due::Probe => Due::Probe,
            parallax_train::Due::Checkpoint => Due::Checkpoint,
            parallax_train::Due::Evaluate => Due::Evaluate,
            parallax_train::Due::Done => Due::Done,
        };
        Ok(due.into_ts()?)
    }

    /// Takes one optimiser step. Fails where the loss is NaN or infinite; nothing has changed then.
    pub async fn step(&mut self) -> Result<Ts<StepReport>, JsError> {
        let batch = self.loader.load(self.run.step_index())?;
        let images = batch.size as u32;
        let report = self.opened.carry_out(self.run.step(batch)).await?;
        self.embedding_std = report.embedding_std;
        let shown = StepReport {
            step: report.step,
            loss: report.loss,
            lr: report.lr,
            momentum: report.momentum,
            images,
            collapse: report.embedding_std,
            metrics: metrics(&report.metrics()),
        };
        Ok(shown.into_ts()?)
    }

    /// Keeps a copy of the encoder as it is now for the next probe, so that steps need not wait for a probe.
    pub async fn keep_encoder(&mut self) -> Result<(), JsError> {
        self.kept = Some(self.opened.carry_out(self.encoder_now()).await?);
        Ok(())
    }

    /// Evaluates the features now, or those of the encoder that was kept: kNN accuracy and a projection of the held-out images.
    pub async fn probe(&mut self) -> Result<Ts<ProbeReport>, JsError> {
        let kept = self.kept.take();
        let report = without_buffers(self.opened.carry_out(self.probe_of(kept))).await?;
        Ok(report.into_ts()?)
    }

    /// The final table: kNN and linear accuracy of the trained backbone, the same backbone at its initialisation, and raw pixels.
    #[wasm_bindgen(unchecked_return_type = "TableRow[]")]
    pub async fn finish(&self) -> Result<JsValue, JsError> {
        let rows = without_buffers(self.opened.carry_out(self.table())).await?;
        Ok(serde_wasm_bindgen::to_value(&rows)?)
    }

    /// The encoder as it is now beside the untrained one, to compute their features of all images. The untrained one's are taken
    /// over from `earlier`, of the same run.
    pub async fn representation(
        &self,
        earlier: Option<Representation>,
    ) -> Result<Representation, JsError> {
        let (recipe, device) = (self.run.recipe(), &self.opened.probes);
        let random = self.run.method_config().random_backbone(device);
        let made = Representation::of(
            self.run.step_index(),
            recipe.to_toml()?,
            recipe.views.size,
            [self.encoder().await?, random],
            self.sources(),
            device,
        );
        Ok(match earlier {
            Some(earlier) => made.with_untrained_of(earlier),
            None => made,
        })
    }

    /// The files of a checkpoint, as the command line reads and writes them.
    #[wasm_bindgen(unchecked_return_type = "CheckpointFile[]")]
    pub async fn checkpoint(&self) -> Result<JsValue, JsError> {
        let checkpoint = self.opened.carry_out(self.run.checkpoint()).await?;
        let files = checkpoint.files.iter();
        let files = files.map(|(name, content)| CheckpointFile::new(name, content));
        Ok(serde_wasm_bindgen::to_value(&files.collect::<Vec<_>>())?)
    }
}

/// Evaluates the online encoder in the content of a `weights.safetensors`.
#[wasm_bindgen]
pub async fn evaluate(
    weights: Vec<u8>,
    data: Data,
    device: Ts<DeviceKind>,
) -> Result<Ts<Evaluation>, JsError> {
    let file = WeightFile::from_bytes(WEIGHTS_FILE, &weights)?;
    let (train, test) = data.split()?;
    let opened = device::open(device.to_rust()?).await?;
    let (encoder, recipe) = encoder_from(&file, ONLINE, &opened.probes)?;
    let found = opened.carry_out(async {
        let (side, device) = (recipe.views.size, &opened.probes);
        let train = features(&encoder, train.as_ref(), side, device).await?;
        let test = features(&encoder, test.as_ref(), side, device).await?;
        Ok::<_, JsError>(knn_accuracy(&train, &test)?)
    });
    let evaluation = Evaluation {
        knn: found.await?,
        recipe: facts(&recipe)?,
    };
    Ok(evaluation.into_ts()?)
}
