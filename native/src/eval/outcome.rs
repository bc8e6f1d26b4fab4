//! The result of an evaluation: `result.json`, and for people.

use std::io::Write as _;

use anyhow::Result;
use parallax_eval::{History, Point, Scores};
use serde::{Deserialize, Serialize};

use super::encoder::Encoder;

/// The file with the result.
pub const RESULT: &str = "result.json";

/// What an evaluation found. Accuracies are in percent.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    /// `linear-eval` or `finetune`.
    pub task: String,
    /// Of a linear evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The encoder.
    pub weights: String,
    /// Steps that the encoder was trained for, where that is known.
    pub step: Option<u64>,
    /// Epochs that the encoder was trained for, where that is known.
    pub epoch: Option<f64>,
    /// Epochs of the evaluation.
    pub epochs: u64,
    /// Of the evaluation.
    pub batch_size: usize,
    /// Of the evaluation.
    pub base_lr: f64,
    /// Of the evaluation.
    pub seed: u64,
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Of the last evaluation.
    pub top1: f64,
    /// Of the last evaluation.
    pub top5: f64,
    /// The highest of all evaluations.
    pub best_top1: f64,
    /// Its step.
    pub best_step: u64,
    /// Top-1 of each class, of the last evaluation; none of a class without test images.
    pub per_class: Vec<Option<f64>>,
    /// Test images of each class (rows) by the class that they were taken for, of the last evaluation; without with more
    /// than 100 classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<u32>>,
    /// Every evaluation.
    pub curve: Vec<Point>,
    /// Time that it took, since it was last resumed.
    pub seconds: f64,
}

impl Outcome {
    /// Adds what was measured.
    pub fn with_scores(self, history: &History, scores: &Scores) -> Self {
        let best = history.best();
        Self {
            top1: scores.top1,
            top5: scores.top5,
            best_top1: best.map_or(scores.top1, |best| best.top1),
            best_step: best.map_or(0, |best| best.step),
            per_class: scores.per_class.clone(),
            confusion: scores.confusion.clone(),
            curve: history.points.clone(),
            ..self
        }
    }

    /// Of an encoder, before anything is measured.
    pub fn of(task: &str, encoder: &Encoder) -> Self {
        Self {
            task: task.to_string(),
            preset: None,
            weights: encoder.name.clone(),
            step: encoder.step,
            epoch: encoder.epoch,
            epochs: 0,
            batch_size: 0,
            base_lr: 0.0,
            seed: 0,
            train: 0,
            test: 0,
            classes: Vec::new(),
            top1: 0.0,
            top5: 0.0,
            best_top1: 0.0,
            best_step: 0,
            per_class: Vec::new(),
            confusion: Vec::new(),
            curve: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Prints JSON, or the accuracies and those of each class.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let trained = match self.step {
            Some(step) => format!(" (step {step})"),
            None => String::new(),
        };
        let what = match self.task.as_str() {
            "finetune" => "fine-tuning",
            _ => "linear evaluation",
        };
        println!("\n{what} of {}{trained}", self.weights);
        println!("accuracy on {} images, in percent\n", self.test);
        let best = match self.best_top1 > self.top1 {
            true => format!("   best {:.1} at step {}", self.best_top1, self.best_step),
            false => String::new(),
        };
        println!("top-1 {:>6.1}{best}", self.top1);
        println!("top-5 {:>6.1}\n", self.top5);
        print!("{}", self.by_class(80));
        Ok(())
    }

    /// Top-1 of each class in as many columns as fit into a line.
    fn by_class(&self, columns: usize) -> String {
        let named = self.classes.iter().zip(&self.per_class);
        let entries: Vec<String> = named
            .map(|(name, top1)| {
                let name: String = name.chars().take(24).collect();
                match top1 {
                    Some(top1) => format!("{top1:>5.1} {name}"),
                    None => format!("    - {name}"),
                }
            })
            .collect();
        let widest = entries.iter().map(|entry| entry.chars().count()).max();
        let width = widest.unwrap_or(0) + 3;
        let across = (columns / width).max(1);
        let rows = entries.len().div_ceil(across);
        let row = |row: usize| {
            let cells = entries.iter().skip(row).step_by(rows.max(1));
            let line: String = cells.map(|entry| format!("{entry:<width$}")).collect();
            format!("{}\n", line.trim_end())
        };
        (0..rows).map(row).collect()
    }

    /// Prints a JSON line, or a row of a table, the `first` one under a header.
    pub fn print_row(&self, json: bool, first: bool) -> Result<()> {
        let (Some(step), Some(epoch), false) = (self.step, self.epoch, json) else {
            self.print(json)?;
            return Ok(std::io::stdout().flush()?);
        };
        if first {
            println!(
                "{:>10}{:>10}{:>8}{:>8}{:>8}",
                "step", "epoch", "top-1", "top-5", "best"
            );
        }
        println!(
            "{step:>10}{epoch:>10.2}{:>8.1}{:>8.1}{:>8.1}",
            self.top1, self.top5, self.best_top1
        );
        Ok(std::io::stdout().flush()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn classes_fill_the_lines_column_by_column() {
        let classes: Vec<String> = (0..30)
            .map(|class| format!("class number {class}"))
            .collect();
        let outcome: Outcome = serde_json::from_value(serde_json::json!({
            "task": "linear-eval", "weights": "w", "step": null, "epoch": null, "epochs": 1, "batch_size": 2,
            "base_lr": 1.0, "seed": 0, "train": 2, "test": 2, "classes": classes, "top1": 1.0, "top5": 1.0,
            "best_top1": 1.0, "best_step": 1, "curve": [], "seconds": 1.0,
            "per_class": (0..30).map(|class| (class != 4).then_some(f64::from(class))).collect::<Vec<_>>(),
        }))
        .unwrap();
        let text = outcome.by_class(80);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert_eq!(text.lines().count(), 10);
        assert!(text.starts_with("  0.0 class number 0 "), "{text}");
        assert!(
            text.contains("    - class number 4\n") || text.contains("    - class number 4 "),
            "{text}"
        );
    }
}
