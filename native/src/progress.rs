//! What a person sees while a run goes on: a bar on a terminal, a line an epoch elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parallax_train::Event;

/// Progress on standard error.
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    steps_per_epoch: u64,
    total_steps: u64,
    knn: Option<f64>,
}

impl Progress {
    /// A bar from `step` to `total_steps`.
    pub fn new(step: u64, total_steps: u64, steps_per_epoch: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = match terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(
            "{bar:28.cyan/238} {pos}/{len}  {msg}  {eta_precise} left",
        );
        let bar = ProgressBar::with_draw_target(Some(total_steps), target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_position(step);
        bar.reset_eta();
        Self {
            bar,
            terminal,
            steps_per_epoch,
            total_steps,
            knn: None,
        }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Step {
                step,
                epoch,
                loss,
                embedding_std,
                online_accuracy,
                images_per_second,
                data_wait,
                ..
            } => {
                let knn = self
                    .knn
                    .map(|knn| format!("  kNN {knn:.1} %"))
                    .unwrap_or_default();
                let online = online_accuracy
                    .map(|accuracy| format!("  online {accuracy:.0} %"))
                    .unwrap_or_default();
                let message = format!(
                    "loss {loss:.4}  spread {embedding_std:.2}{knn}{online}  {images_per_second:.0} img/s  wait {:.1} %",
                    100.0 * data_wait
                );
                self.bar.set_position(*step);
                if !self.terminal && (step % self.steps_per_epoch == 0 || *step == self.total_steps)
                {
                    eprintln!(
                        "epoch {epoch:>5.1}  step {step}/{}  {message}",
                        self.total_steps
                    );
                }
                self.bar.set_message(message);
            }
            Event::Probe { knn, .. } => self.knn = Some(*knn),
            _ => {}
        }
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
