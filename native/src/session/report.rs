//! Where a run's events go: the log, TensorBoard, the terminal, and standard output with `--json`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use parallax_probes::{Format, Metric, Metrics};
use parallax_train::Event;
use parallax_views::Image;

use crate::device::Opened;
use crate::png;
use crate::progress::{Lines, Progress};
use crate::run_folder::RunFolder;
use crate::tensorboard::EventWriter;

/// Images a second of a step, waiting for data included.
pub const IMAGES_PER_SECOND: Metric = Metric {
    key: "images_per_second",
    tag: "speed/images_per_second",
    label: "",
    format: Format::Unit("img/s"),
    single: false,
    rank: Some(40),
};

/// Fraction of a step's time that was spent waiting for data.
pub const DATA_WAIT: Metric = Metric {
    key: "data_wait",
    tag: "speed/data_wait",
    label: "wait",
    format: Format::Fraction(1),
    single: false,
    rank: Some(50),
};

/// Fraction of a step's time that was spent exchanging with other ranks, waiting for them included.
pub const EXCHANGE: Metric = Metric {
    key: "exchange",
    tag: "speed/exchange",
    label: "exchange",
    format: Format::Fraction(1),
    single: false,
    rank: Some(60),
};

/// Bytes that rank 0 sent to other ranks in a step.
pub const SENT: Metric = Metric {
    key: "sent_bytes",
    tag: "speed/sent_bytes",
    label: "",
    format: Format::Unit("B"),
    single: false,
    rank: None,
};

/// All that is told of a run.
pub struct Report {
    /// The run's folder, with the log of events.
    pub folder: RunFolder,
    /// The terminal.
    pub progress: Progress,
    board: Option<EventWriter>,
    json: bool,
}

impl Report {
    /// Of a run in `folder`, silent where another rank writes that. The run is at `step` of `total` steps, with events as JSON lines on standard output where `json` says
    /// so.
    pub fn new(
        folder: RunFolder,
        [step, total]: [u64; 2],
        lines: Lines,
        json: bool,
    ) -> Result<Self> {
        let own = folder.is_own();
        let create = || EventWriter::create(&folder.path().join("tensorboard"), now(), "parallax");
        let board = own.then(create).transpose();
        Ok(Self {
            progress: match own {
                true => Progress::new(step, total, lines),
                false => Progress::new(step, total, lines).silent(),
            },
            board: board.context("TensorBoard's event file cannot be made")?,
            folder,
            json,
        })
    }

    /// Whether standard output is for people.
    pub fn prints(&self) -> bool {
        !self.json && self.folder.is_own()
    }

    /// Writes that the run starts at `step` of `total` steps, on so many training images.
    pub fn started(
        &mut self,
        [step, total_steps]: [u64; 2],
        examples: usize,
        opened: &Opened,
    ) -> Result<()> {
        self.emit(&Event::Start {
            step,
            total_steps,
            examples,
            device: format!("{} ({})", opened.name, opened.adapter),
        })
    }

    /// Writes an event everywhere.
    pub fn emit(&mut self, event: &Event) -> Result<()> {
        self.folder.log(event)?;
        self.progress.show(event);
        if self.json && self.folder.is_own() {
            println!("{}", serde_json::to_string(event)?);
        }
        match event {
            Event::Step { step, metrics, .. } | Event::Probe { step, metrics } => {
                self.scalars(*step, metrics)
            }
            Event::Checkpoint { .. } | Event::Stop { .. } | Event::Done { .. } => {
                let flushed = self.board.as_mut().map_or(Ok(()), EventWriter::flush);
                flushed.context("TensorBoard's event file cannot be written")
            }
            Event::Start { .. } => Ok(()),
        }
    }

    /// Shows an image in TensorBoard.
    pub fn image(&mut self, tag: &str, image: &Image, step: u64) -> Result<()> {
        let Some(board) = &mut self.board else {
            return Ok(());
        };
        let size = (image.width, image.height);
        let written = board.image(tag, size, &png::encode(image)?, step as i64, now());
        written.context("TensorBoard's event file cannot be written")
    }

    fn scalars(&mut self, step: u64, metrics: &Metrics) -> Result<()> {
        let Some(board) = &mut self.board else {
            return Ok(());
        };
        for (metric, value) in metrics.iter() {
            let written = board.scalar(metric.tag, value as f32, step as i64, now());
            written.context("TensorBoard's event file cannot be written")?;
        }
        Ok(())
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
