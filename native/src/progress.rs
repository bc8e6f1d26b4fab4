//! Progress of a run for people: a bar on a terminal, else a line per epoch, or a line per evaluation.

use std::io::IsTerminal as _;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parallax_probes::{Metric, Metrics};
use parallax_train::Event;

/// Columns of the bar where there is room, and where there is little.
const BAR: [usize; 2] = [28, 6];
/// What stands between two metrics.
const GAP: &str = "  ";
/// Columns of `  00:01:23 left`.
const TIME_LEFT: usize = 15;

/// Progress on standard error.
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    /// Whether nothing is shown.
    silent: bool,
    lines: Lines,
    total_steps: u64,
    /// That of the last step.
    epoch: f64,
    /// Columns of the bar as it is shown now.
    width: usize,
    /// Those of the last probe.
    probe: Metrics,
}

/// What is worth a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Every so many steps, where there is no terminal for a bar.
    Steps(u64),
    /// Every evaluation, also above the bar.
    Evaluations,
}

impl Progress {
    /// A bar from `step` to `total_steps`.
    pub fn new(step: u64, total_steps: u64, lines: Lines) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = match terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let (width, _) = layout(columns(), total_steps, &[]);
        let bar = ProgressBar::with_draw_target(Some(total_steps), target)
            .with_style(style(width))
            .with_position(step);
        bar.reset_eta();
        Self {
            bar,
            terminal,
            silent: false,
            lines,
            total_steps,
            epoch: 0.0,
            width,
            probe: Metrics::new(),
        }
    }

    /// The same of a rank that says nothing.
    pub fn silent(self) -> Self {
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
        Self {
            silent: true,
            terminal: false,
            ..self
        }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Step {
                step,
                epoch,
                metrics,
            } => self.step(*step, *epoch, metrics),
            Event::Probe { step, metrics } => {
                self.probe = metrics.clone();
                if self.lines == Lines::Evaluations {
                    let texts = texts(metrics, &Metrics::new());
                    self.line(*step, &texts);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, step: u64, epoch: f64, metrics: &Metrics) {
        let texts = texts(metrics, &self.probe);
        self.epoch = epoch;
        self.bar.set_position(step);
        if self.terminal {
            let (width, message) = layout(columns(), self.total_steps, &texts);
            if width != self.width {
                self.width = width;
                self.bar.set_style(style(width));
            }
            self.bar.set_message(message);
        } else if let Lines::Steps(every) = self.lines
            && (step.is_multiple_of(every) || step == self.total_steps)
        {
            self.line(step, &texts);
        }
    }

    fn line(&self, step: u64, texts: &[String]) {
        let (epoch, message) = (self.epoch, texts.join(GAP));
        self.say(&format!(
            "epoch {epoch:>5.1}  step {step}/{}  {message}",
            self.total_steps
        ));
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        if !self.silent {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(width: usize) -> ProgressStyle {
    let template = format!("{{bar:{width}.cyan/238}} {{pos}}/{{len}}{{msg}}  {{eta_precise}} left");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Columns of the terminal.
fn columns() -> usize {
    usize::from(Term::stderr().size().1)
}

/// Metrics of a step and of the last probe for people, by rank.
fn texts(step: &Metrics, probe: &Metrics) -> Vec<String> {
    let ranked = |(metric, value): (&'static Metric, f64)| Some((metric.rank?, metric.text(value)));
    let mut texts: Vec<_> = step.iter().chain(probe.iter()).filter_map(ranked).collect();
    texts.sort_by_key(|(rank, _)| *rank);
    texts.into_iter().map(|(_, text)| text).collect()
}

/// Columns of the bar, and as many of the texts, the first ones first, as fit into one line of a terminal.
fn layout(columns: usize, total_steps: u64, texts: &[String]) -> (usize, String) {
    let [widest, narrowest] = BAR;
    let digits = total_steps.to_string().len();
    // One column stays free: some terminals break a line that fills the last one.
    let room = columns.saturating_sub(1 + 1 + 2 * digits + 1 + TIME_LEFT);
    let mut message = String::new();
    for text in texts {
        if narrowest + message.len() + GAP.len() + text.len() > room {
            break;
        }
        message.push_str(GAP);
        message.push_str(text);
    }
    let width = room.saturating_sub(message.len()).clamp(narrowest, widest);
    (width, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_its_terminal() {
        let texts = [
            "loss 6.9315",
            "spread 0.98",
            "kNN 37.1 %",
            "online 12 %",
            "1590 img/s",
            "wait 0.1 %",
        ]
        .map(str::to_string);
        for columns in 40..200 {
            let (width, message) = layout(columns, 2790, &texts);
            let line = width + " 2790/2790".len() + message.len() + "  00:01:23 left".len();
            assert!(line < columns, "{line} in {columns}");
        }
        let shown = |columns| layout(columns, 2790, &texts).1;
        assert!(shown(60).contains("spread") && !shown(60).contains("kNN"));
        assert!(shown(80).contains("kNN") && !shown(80).contains("online"));
        assert!(shown(110).ends_with("wait 0.1 %"));
        assert_eq!(layout(160, 2790, &texts).0, 28);
    }
}
