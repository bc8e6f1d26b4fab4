//! What a run does next. The command line and the page's worker ask the [`Driver`] and carry out what it says, so that
//! both probe, save and evaluate at the same steps.

use crate::data_shape::DataShape;
use crate::recipe::Recipe;

/// What is due. After a step: a probe, a checkpoint, and at the end of the run its evaluation, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The next optimisation step.
    Step,
    /// The periodic evaluations that are due at this step (`probe.knn_every` and others).
    Probe,
    /// Saving the run.
    Checkpoint,
    /// The final comparison with random weights and raw pixels (`probe.table`).
    Evaluate,
    /// Nothing more: the run is over, or was stopped.
    Done,
}

impl Due {
    /// The name in JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Due::Step => "step",
            Due::Probe => "probe",
            Due::Checkpoint => "checkpoint",
            Due::Evaluate => "evaluate",
            Due::Done => "done",
        }
    }
}

/// Whether somebody asked the run to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Nobody did.
    #[default]
    No,
    /// Save and leave; the run can be resumed.
    Suspend,
    /// End here as if this had been the last step: save and evaluate.
    End,
}

/// Requests of the caller, in addition to the recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Whether to stop.
    pub stop: Stop,
    /// Save now, whatever the recipe's interval is. A state that is already saved is not saved again.
    pub checkpoint: bool,
    /// Defer a probe that is due, for callers that bound the time spent on probes; it stays due.
    pub defer_probe: bool,
}

/// When a run is evaluated, saved and over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Steps between two evaluations of each periodic kind; a 0 stands for none.
    pub probe_every: Vec<u64>,
    /// Steps between two checkpoints; `None` for the last one only.
    pub checkpoint_every: Option<u64>,
    /// Whether the run ends with an evaluation.
    pub evaluate: bool,
}

impl Plan {
    /// A recipe's, for a run over such data.
    pub fn of(recipe: &Recipe, data: DataShape) -> Self {
        Self {
            total_steps: recipe.total_steps(data),
            probe_every: recipe
                .probe_intervals(data)
                .into_iter()
                .map(|(_, steps)| steps)
                .collect(),
            checkpoint_every: recipe.checkpoint_interval(data),
            evaluate: recipe.probe.table,
        }
    }
}

/// Decides from a plan and the step index what is due. It reads no clock and does no work itself.
#[derive(Clone, Debug)]
pub struct Driver {
    plan: Plan,
    step: u64,
    probe: bool,
    checkpoint: bool,
    evaluate: bool,
    saved: bool,
}

impl Driver {
    /// For a run over such data that has taken `step` steps: 0, or the step of the checkpoint that it was resumed
    /// from.
    pub fn new(recipe: &Recipe, data: DataShape, step: u64) -> Self {
        Self::of(Plan::of(recipe, data), step)
    }

    /// For a run that has taken `step` steps: 0, or the step of the checkpoint that it was resumed from.
    pub fn of(plan: Plan, step: u64) -> Self {
        Self {
            evaluate: plan.evaluate,
            plan,
            step,
            probe: false,
            checkpoint: false,
            saved: step > 0,
        }
    }

    /// What is due with `step` steps taken. Everything but a step counts as carried out once it was returned; a step
    /// stays due until `step` has moved.
    pub fn next(&mut self, step: u64, control: Control) -> Due {
        let last = step >= self.plan.total_steps;
        if step != self.step {
            let due = |every: &u64| *every > 0 && step.is_multiple_of(*every);
            self.step = step;
            self.saved = false;
            self.probe |= self.plan.probe_every.iter().any(due);
            self.checkpoint = last || self.plan.checkpoint_every.iter().any(due);
        }
        let ends = last || control.stop == Stop::End;
        // The final evaluation says what a probe would.
        if self.probe && !control.defer_probe && !ends {
            self.probe = false;
            return Due::Probe;
        }
        let stops = control.stop != Stop::No;
        if !self.saved && (self.checkpoint || control.checkpoint || stops) {
            self.saved = true;
            return Due::Checkpoint;
        }
        if ends && self.evaluate {
            self.evaluate = false;
            return Due::Evaluate;
        }
        match ends || stops {
            true => Due::Done,
            false => Due::Step,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Five steps an epoch; a probe each epoch, a checkpoint every 4 steps, 10 steps in all.
    fn driver(step: u64, overrides: &[&str]) -> Driver {
        let text = "[run]\nepochs = 2\nbatch_size = 2\n[method]\nname = 'byol'\n\
                    [probe]\nknn_every = 1\n[checkpoint]\nevery_steps = 4";
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_string()).collect();
        let data = DataShape::new(10, 2);
        Driver::new(&Recipe::parse(text, &overrides).unwrap(), data, step)
    }

    /// Drives to the end: everything but steps, with the step index.
    fn drive(
        driver: &mut Driver,
        mut step: u64,
        control: impl Fn(u64) -> Control,
    ) -> Vec<(u64, Due)> {
        let mut found = Vec::new();
        loop {
            match driver.next(step, control(step)) {
                Due::Step => step += 1,
                due => found.push((step, due)),
            }
            if let Some((_, Due::Done)) = found.last() {
                return found;
            }
        }
    }

    const END: [(u64, Due); 3] = [(10, Due::Checkpoint), (10, Due::Evaluate), (10, Due::Done)];

    #[test]
    fn a_run_probes_saves_and_evaluates_as_the_recipe_says() {
        let found = drive(&mut driver(0, &[]), 0, |_| Control::default());
        let middle = [(4, Due::Checkpoint), (5, Due::Probe), (8, Due::Checkpoint)];
        assert_eq!(found, [&middle[..], &END].concat());
    }

    #[test]
    fn probe_and_checkpoint_of_one_step_come_in_this_order() {
        let found = drive(&mut driver(0, &["checkpoint.every_steps=5"]), 0, |_| {
            Control::default()
        });
        let middle = [(5, Due::Probe), (5, Due::Checkpoint)];
        assert_eq!(found, [&middle[..], &END].concat());
    }

    #[test]
    fn what_the_recipe_switches_off_never_comes() {
        let off = [
            "probe.knn_every=0",
            "probe.table=false",
            "checkpoint.every_steps=0",
        ];
        let found = drive(&mut driver(0, &off), 0, |_| Control::default());
        assert_eq!(found, [(10, Due::Checkpoint), (10, Due::Done)]);
    }

    #[test]
    fn a_run_that_is_suspended_saves_once_and_is_not_evaluated() {
        for (at, middle) in [
            (3, vec![(3, Due::Checkpoint)]),
            (4, vec![(4, Due::Checkpoint)]),
            (
                5,
                vec![(4, Due::Checkpoint), (5, Due::Probe), (5, Due::Checkpoint)],
            ),
        ] {
            let stop = |step| Control {
                stop: if step == at { Stop::Suspend } else { Stop::No },
                ..Control::default()
            };
            let found = drive(&mut driver(0, &[]), 0, stop);
            assert_eq!(found, [middle, vec![(at, Due::Done)]].concat());
            // Resumed, it continues as if it had not been stopped.
            let found = drive(&mut driver(at, &[]), at, |_| Control::default());
            let whole = drive(&mut driver(0, &[]), 0, |_| Control::default());
            let rest = whole.into_iter().filter(|(step, _)| *step > at);
            assert_eq!(found, rest.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_stop_during_a_checkpoint_saves_no_second_one() {
        let mut driver = driver(3, &[]);
        assert_eq!(driver.next(4, Control::default()), Due::Checkpoint);
        let stop = Control {
            stop: Stop::Suspend,
            ..Control::default()
        };
        assert_eq!(driver.next(4, stop), Due::Done);
    }

    #[test]
    fn a_run_that_is_ended_early_is_saved_and_evaluated() {
        let end = |step| Control {
            stop: if step == 5 { Stop::End } else { Stop::No },
            ..Control::default()
        };
        let found = drive(&mut driver(0, &[]), 0, end);
        let expected = [
            (4, Due::Checkpoint),
            (5, Due::Checkpoint),
            (5, Due::Evaluate),
            (5, Due::Done),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_probe_can_wait_and_a_checkpoint_be_asked_for() {
        let control = |step| Control {
            checkpoint: step == 1,
            defer_probe: step == 5,
            ..Control::default()
        };
        let found = drive(&mut driver(0, &[]), 0, control);
        let middle = [
            (1, Due::Checkpoint),
            (4, Due::Checkpoint),
            (6, Due::Probe),
            (8, Due::Checkpoint),
        ];
        assert_eq!(found, [&middle[..], &END].concat());
    }

    #[test]
    fn a_step_that_failed_stays_due() {
        let mut driver = driver(0, &[]);
        for _ in 0..3 {
            assert_eq!(driver.next(0, Control::default()), Due::Step);
        }
    }

    #[test]
    fn a_finished_run_is_evaluated_again_but_not_saved() {
        let found = drive(&mut driver(10, &[]), 10, |_| Control::default());
        assert_eq!(found, END[1..]);
    }
}
