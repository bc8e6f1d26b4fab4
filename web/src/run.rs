//! A run in a tab.

use std::sync::Arc;

use js_sys::{Array, Float32Array, Uint32Array};
use parallax_data::Source;
use parallax_methods::random_backbone;
use parallax_nets::{Init, ResNet};
use parallax_probes::{Features, KNN, LINEAR, knn_accuracy, principal_plane};
use parallax_train::{
    Checkpoint, Control, DataShape, Driver, Loader, ONLINE, RECIPE_FILE, Recipe, Run, RunError,
    STATE_FILE, Stop, TRAINING_FILE, WEIGHTS_FILE, encoder_from, features, final_table, probe,
};
use parallax_weights::{WeightFile, copy};
use wasm_bindgen::prelude::*;

use crate::data::Data;
use crate::device::{self, Opened};
use crate::js::{bytes, metrics, object, rgba, texts};

/// A pre-training run with its images.
#[wasm_bindgen(js_name = Run)]
pub struct WebRun {
    run: Run,
    driver: Driver,
    loader: Loader,
    test: Arc<dyn Source>,
    opened: Opened,
    recipe: String,
    embedding_std: f32,
}

impl WebRun {
    fn assemble(
        run: Run,
        train: Arc<dyn Source>,
        test: Arc<dyn Source>,
        opened: Opened,
    ) -> Result<WebRun, JsError> {
        let examples = train.len();
        Ok(WebRun {
            driver: Driver::new(run.recipe(), examples, run.step_index()),
            loader: Loader::new(run.recipe(), train, run.device())?,
            recipe: run.recipe().to_toml()?,
            embedding_std: 1.0,
            run,
            test,
            opened,
        })
    }

    /// The online backbone on the device of the probes.
    async fn encoder(&self) -> Result<ResNet, RunError> {
        let network = self.run.recipe().backbone();
        let fresh = ResNet::new(&network, &mut Init::new(0, &self.opened.probes));
        Ok(copy(self.run.online(), fresh).await?)
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

#[wasm_bindgen(js_class = Run)]
impl WebRun {
    /// Starts a run; it takes ownership of the images.
    #[wasm_bindgen(unchecked_return_type = "Run")]
    pub async fn start(recipe: String, data: Data, device: String) -> Result<WebRun, JsError> {
        let recipe = Recipe::parse(&recipe, &[])?;
        let (train, test) = data.split()?;
        let opened = device::open(&device).await?;
        let run = Run::new(recipe, DataShape::of(train.as_ref()), &opened.device)?;
        Self::assemble(run, train, test, opened)
    }

    /// Resumes from a checkpoint's files, written by the page or by the command line.
    #[wasm_bindgen(unchecked_return_type = "Run")]
    pub async fn resume(
        weights: Vec<u8>,
        training: Vec<u8>,
        state: String,
        data: Data,
        device: String,
    ) -> Result<WebRun, JsError> {
        let recipe = WeightFile::from_bytes(WEIGHTS_FILE, &weights)?
            .recipe
            .unwrap_or_default();
        let files = vec![
            (WEIGHTS_FILE.to_string(), weights),
            (TRAINING_FILE.to_string(), training),
            (STATE_FILE.to_string(), state.into_bytes()),
            (RECIPE_FILE.to_string(), recipe.into_bytes()),
        ];
        let checkpoint = Checkpoint { step: 0, files };
        let (train, test) = data.split()?;
        let opened = device::open(&device).await?;
        let run = Run::resume(&checkpoint, DataShape::of(train.as_ref()), &opened.device)?;
        Self::assemble(run, train, test, opened)
    }

    /// Name of the adapter.
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

    /// The recipe as TOML, defaults included.
    #[wasm_bindgen(getter)]
    pub fn recipe(&self) -> String {
        self.recipe.clone()
    }

    /// The system of the paper: the method, with `-lars` behind it where LARS is the optimiser.
    #[wasm_bindgen(getter)]
    pub fn system(&self) -> String {
        self.run.recipe().system()
    }

    /// What is due: `step`, `probe`, `checkpoint`, `evaluate` (which is [`WebRun::finish`]) or `done`. All but a step count
    /// as carried out once they were returned.
    ///
    /// `stop`: `no`, `suspend` (save and leave, to be resumed) or `end` (save and evaluate as if this had been the last
    /// step). `checkpoint`: save now. `defer_probe`: put off a probe that is due; it stays due.
    #[wasm_bindgen(
        unchecked_return_type = "\"step\" | \"probe\" | \"checkpoint\" | \"evaluate\" | \"done\""
    )]
    pub fn next(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "\"no\" | \"suspend\" | \"end\"")] stop: &str,
        checkpoint: bool,
        defer_probe: bool,
    ) -> Result<String, JsError> {
        let stop = match stop {
            "no" => Stop::No,
            "suspend" => Stop::Suspend,
            "end" => Stop::End,
            other => return Err(JsError::new(&format!("there is no way to stop '{other}'"))),
        };
        let control = Control {
            stop,
            checkpoint,
            defer_probe,
        };
        let due = self.driver.next(self.run.step_index(), control);
        Ok(due.name().to_string())
    }

    /// Steps between two probes that the recipe asks for; 0 for none.
    #[wasm_bindgen(getter)]
    pub fn probe_interval(&self) -> f64 {
        let examples = self.loader.source().len();
        self.run.recipe().probe_interval(examples).unwrap_or(0) as f64
    }

    /// One optimisation step.
    #[wasm_bindgen(unchecked_return_type = "StepReport")]
    pub async fn step(&mut self) -> Result<JsValue, JsError> {
        let batch = self.loader.load(self.run.step_index())?;
        let images = batch.size;
        let report = self.run.step(batch).await?;
        self.embedding_std = report.embedding_std;
        Ok(object([
            ("step", (report.step as f64).into()),
            ("loss", report.loss.into()),
            ("lr", report.lr.into()),
            ("momentum", report.momentum.into()),
            ("images", (images as f64).into()),
            ("collapse", report.embedding_std.into()),
            ("metrics", metrics(&report.metrics())),
        ]))
    }

    /// The first `count` images of the next step and their views.
    #[wasm_bindgen(unchecked_return_type = "ViewPairs")]
    pub fn views(&self, count: usize) -> Result<JsValue, JsError> {
        let pairs = Array::new();
        for shown in self.loader.preview(self.run.step_index(), count)? {
            let [(first, first_ops), (second, second_ops)] = &shown.views;
            pairs.push(&object([
                ("index", shown.index.into()),
                ("source", rgba(&shown.source)),
                ("source_width", shown.source.width.into()),
                ("source_height", shown.source.height.into()),
                ("first", rgba(first)),
                ("second", rgba(second)),
                (
                    "ops",
                    Array::of2(&texts(first_ops), &texts(second_ops)).into(),
                ),
            ]));
        }
        let size = self.run.recipe().views.size;
        Ok(object([("size", size.into()), ("pairs", pairs.into())]))
    }

    /// kNN accuracy and principal components of the current features.
    #[wasm_bindgen(unchecked_return_type = "ProbeReport")]
    pub async fn probe(&self) -> Result<JsValue, JsError> {
        let encoder = self.encoder().await?;
        let train = self
            .features(&encoder, self.loader.source().as_ref())
            .await?;
        let test = self.features(&encoder, self.test.as_ref()).await?;
        let measured = probe(&train, &test)?;
        Ok(object([
            ("step", (self.run.step_index() as f64).into()),
            ("knn", measured.get(&KNN).into()),
            ("collapse", self.embedding_std.into()),
            ("metrics", metrics(&measured)),
            (
                "embedding",
                Float32Array::from(principal_plane(&test).as_slice()).into(),
            ),
            ("labels", Uint32Array::from(test.labels()).into()),
        ]))
    }

    /// The final comparison: trained encoder, random encoder, raw pixels.
    #[wasm_bindgen(unchecked_return_type = "{ rows: TableRow[] }")]
    pub async fn finish(&self) -> Result<JsValue, JsError> {
        let config = self.run.method_config();
        let table = final_table(
            &self.encoder().await?,
            &random_backbone(&config, &self.opened.probes),
            (self.loader.source().as_ref(), self.test.as_ref()),
            self.run.recipe(),
            &self.opened.probes,
        )
        .await?;
        let rows = Array::new();
        for row in table {
            rows.push(&object([
                ("encoder", row.encoder.name().into()),
                ("knn", row.metrics.get(&KNN).into()),
                ("linear", row.metrics.get(&LINEAR).into()),
                ("metrics", metrics(&row.metrics)),
            ]));
        }
        Ok(object([("rows", rows.into())]))
    }

    /// The files of a checkpoint, the same as the command line's.
    #[wasm_bindgen(unchecked_return_type = "CheckpointFile[]")]
    pub async fn checkpoint(&self) -> Result<JsValue, JsError> {
        let files = Array::new();
        for (name, content) in &self.run.checkpoint().await?.files {
            files.push(&object([("name", name.into()), ("bytes", bytes(content))]));
        }
        Ok(files.into())
    }
}

/// kNN accuracy, in percent, of the encoder in a `weights.safetensors`.
#[wasm_bindgen(unchecked_return_type = "{ recipe: string; system: string; knn: number }")]
pub async fn evaluate(weights: Vec<u8>, data: Data, device: String) -> Result<JsValue, JsError> {
    let file = WeightFile::from_bytes("weights.safetensors", &weights)?;
    let (train, test) = data.split()?;
    let device = device::open(&device).await?.probes;
    let (encoder, recipe) = encoder_from(&file, ONLINE, &device)?;
    let side = recipe.views.size;
    let train = features(&encoder, train.as_ref(), side, &device).await?;
    let test = features(&encoder, test.as_ref(), side, &device).await?;
    let knn = knn_accuracy(&train, &test)?;
    Ok(object([
        ("recipe", recipe.to_toml()?.into()),
        ("system", recipe.system().into()),
        ("knn", knn.into()),
    ]))
}
