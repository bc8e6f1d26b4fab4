//! Progress of a study on standard error: a bar on a terminal, else a line at the begin and the end of each job.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::carry_out::Outcome;
use super::eta::Eta;
use super::plan::Plan;
use crate::norms::shortened;

/// Progress of all jobs.
pub struct Progress<'a> {
    plan: &'a Plan,
    bar: ProgressBar,
    terminal: bool,
    times: Mutex<Times>,
}

/// What was done.
struct Times {
    eta: Eta,
    finished: usize,
}

impl<'a> Progress<'a> {
    /// Of a study with these outcomes of former processes, so many jobs at a time.
    pub fn new(plan: &'a Plan, before: &[Outcome], workers: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = match terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template("{spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        let left = |job: &usize| before[*job] != Outcome::Done;
        let left: Vec<usize> = (0..plan.jobs.len()).filter(left).collect();
        let times = Times {
            finished: plan.jobs.len() - left.len(),
            eta: Eta::new(plan, left.into_iter(), workers),
        };
        Self {
            plan,
            bar,
            terminal,
            times: Mutex::new(times),
        }
    }

    /// A job begins.
    pub fn begin(&self, job: usize) {
        match self.terminal {
            true => self.line(job, ""),
            false => {
                let (count, name) = self.place(job);
                eprintln!("{count}, {name}");
            }
        }
    }

    /// A job's process said something.
    pub fn line(&self, job: usize, line: &str) {
        if self.terminal {
            let left = left(&self.times.lock().unwrap_or_else(PoisonError::into_inner));
            let left = left.map(|left| format!(", about {left} left"));
            let (count, name) = self.place(job);
            let text = fitting(&count, &name, &left.unwrap_or_default(), line);
            self.bar.set_message(text);
        }
    }

    /// A job came to its end.
    pub fn end(&self, job: usize, outcome: &Outcome, took: Duration) {
        let text = {
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            times.eta.end(self.plan, job, took.as_secs_f64());
            times.finished += 1;
            let left = match outcome {
                Outcome::Stopped => String::new(),
                _ => left(&times)
                    .map(|left| format!(", about {left} left"))
                    .unwrap_or_default(),
            };
            let name = self.plan.name(&self.plan.jobs[job]);
            let count = format!("{}/{}", times.finished, self.plan.jobs.len());
            match outcome {
                Outcome::Failed(message) => format!("{name} failed: {message}"),
                Outcome::Stopped => format!("{name} stopped"),
                _ => format!(
                    "{name}: {count} done in {}{left}",
                    duration(took.as_secs_f64())
                ),
            }
        };
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// `run 3 of 12`, and the name of the job.
    fn place(&self, job: usize) -> (String, String) {
        let job = &self.plan.jobs[job];
        let count = format!("run {} of {}", job.run + 1, self.plan.runs.len());
        (count, self.plan.name(job))
    }
}

fn left(times: &Times) -> Option<String> {
    times.eta.seconds().map(duration)
}

/// `45 s`, `12 min`, `3.4 h`, `5.1 days`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 100.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 72.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86400.0),
    }
}

/// A line that a terminal has room for: of the name the middle is left out first, and what the process says is cut.
fn fitting(count: &str, name: &str, left: &str, line: &str) -> String {
    let columns = usize::from(Term::stderr().size().1).saturating_sub(4);
    let room = columns.saturating_sub(count.len() + 2 + left.len()).max(12);
    let text = format!("{count}, {}{left}  {line}", shortened(name, room));
    text.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_written_for_people() {
        let texts = [3.2, 600.0, 36_000.0, 864_000.0].map(duration);
        assert_eq!(texts, ["3 s", "10 min", "10.0 h", "10.0 days"]);
    }
}
