//! How long the rest of a study takes, by the times of what was done.

use super::jobs::JobKind;
use super::plan::Plan;

/// Work of one kind of job.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    /// Of the jobs that are left, and of those that were done in this process.
    left: f64,
    done: f64,
    /// Time of the latter.
    seconds: f64,
}

/// The rest of a study.
#[derive(Clone, Debug)]
pub struct Eta {
    /// Pre-training, rescaling, and each evaluation.
    kinds: Vec<Kind>,
    workers: f64,
}

impl Eta {
    /// With the jobs that are left, so many at a time.
    pub fn new(plan: &Plan, left: impl Iterator<Item = usize>, workers: usize) -> Self {
        let mut eta = Self {
            kinds: vec![Kind::default(); 2 + plan.evaluations.len()],
            workers: workers as f64,
        };
        for job in left {
            let (kind, work) = work(plan, job);
            eta.kinds[kind].left += work;
        }
        eta
    }

    /// A job came to its end.
    pub fn end(&mut self, plan: &Plan, job: usize, seconds: f64) {
        let (kind, work) = work(plan, job);
        let kind = &mut self.kinds[kind];
        kind.left -= work;
        kind.done += work;
        kind.seconds += seconds;
    }

    /// Seconds of the jobs that are left, but for those of kinds of which none was done yet; none where that is all.
    pub fn seconds(&self) -> Option<f64> {
        let known = self.kinds.iter().filter(|kind| kind.done > 0.0);
        let left: f64 = known.map(|kind| kind.left * kind.seconds / kind.done).sum();
        (left > 1e-6).then_some(left / self.workers)
    }
}

/// The kind of a job and a measure of its work: for pre-training images, of an evaluation one.
fn work(plan: &Plan, job: usize) -> (usize, f64) {
    let job = &plan.jobs[job];
    let run = &plan.runs[job.run].recipe.run;
    match &job.kind {
        // How many images an epoch has is not known here; it is the same for most runs of a study.
        JobKind::Pretrain => match run.total_steps {
            Some(steps) => (0, (steps * run.batch_size as u64) as f64),
            None => (0, run.epochs as f64 * 50_000.0),
        },
        JobKind::Rescale { .. } => (1, 1.0),
        JobKind::Evaluate { evaluation, .. } => (2 + evaluation, 1.0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::file::StudyFile;
    use super::*;

    #[test]
    fn the_rest_takes_what_the_same_work_took() {
        let text = "[[grid]]\nrecipe = 'byol'\nrun.total_steps = [10, 30]\nrun.seed = [0, 1]\n[[evaluate]]\ntask = 'knn'";
        let plan = Plan::of(&StudyFile::parse(text).unwrap(), None).unwrap();
        let mut eta = Eta::new(&plan, 0..plan.jobs.len(), 1);
        assert_eq!(eta.seconds(), None);
        eta.end(&plan, 0, 5.0);
        // 10 steps took 5 s, 70 are left.
        assert_eq!(eta.seconds(), Some(35.0));
        eta.end(&plan, 1, 2.0);
        assert_eq!(eta.seconds(), Some(35.0 + 3.0 * 2.0));
        for job in 2..plan.jobs.len() {
            eta.end(&plan, job, 1.0);
        }
        assert_eq!(eta.seconds(), None);
    }
}
