//! What `parallax knn` prints.

use std::io::Write as _;

use anyhow::Result;
use parallax_probes::{Knn, TopAccuracy};
use serde::Serialize;

/// The result for one encoder. Accuracies are in percent.
#[derive(Serialize)]
pub struct Report {
    /// Of a checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Of a checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<f64>,
    top1: f64,
    top5: f64,
    /// Top-1 under the name that it has in the events of a run.
    knn: f64,
    train: usize,
    test: usize,
    k: usize,
    temperature: f32,
}

impl Report {
    /// `examples` are the numbers of training and test examples.
    pub fn new(accuracy: TopAccuracy, [train, test]: [usize; 2], classifier: &Knn) -> Self {
        Self {
            step: None,
            epoch: None,
            top1: accuracy.top1,
            top5: accuracy.top5,
            knn: accuracy.top1,
            train,
            test,
            k: classifier.neighbours,
            temperature: classifier.temperature,
        }
    }

    /// Prints JSON, or a sentence.
    pub fn print(&self, json: bool) -> Result<()> {
        match json {
            true => println!("{}", serde_json::to_string(self)?),
            false => println!(
                "kNN top-1 {:.1} %, top-5 {:.1} % ({} images vote on {}, k = {}, temperature {})",
                self.top1, self.top5, self.train, self.test, self.k, self.temperature
            ),
        }
        Ok(())
    }

    /// Prints a JSON line, or a row of a table, the `first` one under a header.
    pub fn print_row(&self, json: bool, first: bool) -> Result<()> {
        let (Some(step), Some(epoch), false) = (self.step, self.epoch, json) else {
            self.print(json)?;
            return Ok(std::io::stdout().flush()?);
        };
        if first {
            println!(
                "kNN in percent: {} images vote on {}, k = {}, temperature {}",
                self.train, self.test, self.k, self.temperature
            );
            println!("{:>10}{:>10}{:>8}{:>8}", "step", "epoch", "top-1", "top-5");
        }
        println!(
            "{step:>10}{epoch:>10.2}{:>8.1}{:>8.1}",
            self.top1, self.top5
        );
        Ok(std::io::stdout().flush()?)
    }
}
