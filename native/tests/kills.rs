//! Every system is killed at 5 moments, and by `cargo xtask test slow` at 25, 200 in all, and ends with the bits of a run that
//! was not.
//!
//! After each kill the newest checkpoint is at most the interval of saves behind, and no older one has changed. Resuming
//! at every step, in one process, is tested in `crates/train/tests/run.rs`.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use common::{Scratch, checkpoint, succeed, tiny};

/// Kills of a system: one at the start, one in a save, three at any moment of steps and saves.
const QUICK: u32 = 5;
/// Five times as many.
const SLOW: u32 = 25;
/// Of a run; an epoch has 50 of them.
const STEPS: u32 = 200;
/// Steps between two checkpoints of [`tiny`].
const INTERVAL: u32 = 3;

macro_rules! systems {
    ($($system:ident: $method:literal, $overrides:expr;)*) => {
        $(#[test]
        fn $system() {
            killed_and_resumed($method, &$overrides, QUICK);
        })*

        mod slow {
            $(#[test]
            #[ignore = "slow: `cargo xtask test slow` runs it"]
            fn $system() {
                super::killed_and_resumed($method, &$overrides, super::SLOW);
            })*
        }
    };
}

systems! {
    supervised: "supervised", ["views.pipeline=supervised", "method.bn_groups=2"];
    moco_v1: "moco-v1", ["views.pipeline=moco-v1", "method.bn_groups=2", "probe.online=true"];
    moco_v2: "moco-v2", ["method.bn_groups=4", "run.accumulate=2", "probe.online=true"];
    moco_v2_plus: "moco-v2-plus", ["method.bn_groups=2", "probe.online=true"];
    s_moco_v2_plus: "s-moco-v2-plus", ["probe.online=true"];
    moco_v2_plus_lars: "moco-v2-plus", [
        "optimizer.name=lars",
        "method.bn=plainsync",
        "method.bn_groups=2",
        "probe.online=true",
    ];
    byol: "byol", ["views.pipeline=byol-asymmetric", "probe.online=true"];
    byol_lars: "byol", [
        "views.pipeline=byol-asymmetric",
        "optimizer.name=lars",
        "probe.online=true",
    ];
}

type Files = [Vec<u8>; 4];

fn killed_and_resumed(method: &str, overrides: &[&str], kills: u32) {
    let scratch = Scratch::new();
    let command = |out: &Path| {
        let mut command = tiny(method, STEPS, out);
        // Two classes of the ten, so that an epoch is over soon.
        for value in overrides
            .iter()
            .chain(&["data.class_ratio=0.2", "probe.online_lr=0.5"])
        {
            command.args(["--set", value]);
        }
        command
    };
    let whole = scratch.join("whole");
    let began = Instant::now();
    succeed(&mut command(&whole));
    let step = began.elapsed() / STEPS;
    let saved = checkpoints(&whole);
    assert_eq!(saved.last_key_value().map(|(step, _)| *step), Some(STEPS));

    let run = Killed {
        path: scratch.join("killed"),
        step,
    };
    let (mut newest, mut inside) = (0, 0);
    for number in 0..kills {
        let threads = (1 + number % 4).to_string();
        let mut command = command(&run.path);
        command.args(["--loader-threads", &threads]);
        let resumed = run.path.join("recipe.toml").exists();
        if resumed {
            command.arg("--resume");
        }
        let before = run.log();
        let began = SystemTime::now();
        run.kill(&mut command, number, newest);
        let log = run.log();
        if log.starts.len() > before.starts.len() {
            assert_eq!(
                log.starts.last(),
                Some(&newest),
                "goes on from the newest checkpoint"
            );
        }
        inside += u32::from(run.was_saving(began));
        // Nothing that was saved is lost or hurt, whatever the kill met.
        let left = checkpoints(&run.path);
        for (step, files) in &left {
            assert!(
                saved.get(step) == Some(files),
                "step {step} after kill {number}"
            );
        }
        let now = left.last_key_value().map_or(0, |(step, _)| *step);
        assert!(
            left.keys().copied().eq(steps_up_to(now)),
            "{:?}",
            left.keys()
        );
        assert!(now >= newest, "step {newest} was saved, step {now} is left");
        let lost = log.steps.last().map_or(0, |(step, _)| step - now);
        assert!(
            lost <= INTERVAL,
            "kill {number} lost {lost} steps, {now} was saved"
        );
        newest = now;
    }
    println!("{method}: {inside} of {kills} kills met a save, the last left step {newest}");
    succeed(command(&run.path).arg("--resume"));
    assert!(checkpoints(&run.path) == saved);
    let whole = Killed { path: whole, step };
    assert_eq!(
        whole.log().steps,
        run.log().steps,
        "the log holds every step once"
    );
}

/// Every whole step's number at which [`tiny`] saves.
fn steps_up_to(last: u32) -> impl Iterator<Item = u32> {
    (1..=last).filter(|step| step.is_multiple_of(INTERVAL) || *step == STEPS)
}

/// All checkpoints of a run that carry the name of one.
fn checkpoints(run: &Path) -> BTreeMap<u32, Files> {
    let Ok(entries) = std::fs::read_dir(run.join("checkpoints")) else {
        return BTreeMap::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let steps = names.filter_map(|name| name.strip_prefix("step-")?.parse().ok());
    steps.map(|step| (step, checkpoint(run, step))).collect()
}

/// What a run has logged.
struct Log {
    /// Steps at which a process began.
    starts: Vec<u32>,
    /// Steps and their losses.
    steps: Vec<(u32, f64)>,
}

/// A run that is killed.
struct Killed {
    path: PathBuf,
    /// What a step takes, roughly, start and saves included.
    step: Duration,
}

impl Killed {
    /// A kill may have cut the last line off.
    fn log(&self) -> Log {
        let text = std::fs::read_to_string(self.path.join("events.jsonl")).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
        let events: Vec<_> = lines.map_while(Result::ok).collect();
        let step = |event: &serde_json::Value| event["step"].as_u64().unwrap() as u32;
        let named = |name: &'static str| events.iter().filter(move |event| event["event"] == name);
        Log {
            starts: named("start").map(step).collect(),
            steps: named("step")
                .map(|event| (step(event), event["loss"].as_f64().unwrap()))
                .collect(),
        }
    }

    /// Was the process that began then killed while it wrote a checkpoint?
    fn was_saving(&self, began: SystemTime) -> bool {
        let entries = std::fs::read_dir(self.path.join("checkpoints"));
        entries.is_ok_and(|entries| {
            entries.map(Result::unwrap).any(|entry| {
                let partial = entry.file_name().to_string_lossy().ends_with(".partial");
                partial && entry.metadata().unwrap().modified().unwrap() > began
            })
        })
    }

    /// Kills at a moment that the number of the kill chooses: of five one while the process begins, one when a save has
    /// just begun, and three at any moment of the next steps and saves.
    fn kill(&self, command: &mut Command, number: u32, newest: u32) {
        let before = self.log().starts.len();
        let mut child = command
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let chance = number * 73 % 101;
        match number % 5 {
            0 => sleep(self.step * (chance % 20)),
            1 => self.wait(&mut child, before, newest + INTERVAL),
            _ => {
                self.wait(&mut child, before, newest + 1 + chance % 12);
                sleep(self.step * (chance / 6) / 8);
            }
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before kill {number}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Until a process that began after `starts` others has logged a step.
    fn wait(&self, child: &mut Child, starts: usize, step: u32) {
        while child.try_wait().unwrap().is_none() {
            let log = self.log();
            let last = log.steps.last().map_or(0, |(step, _)| *step);
            if log.starts.len() > starts && last >= step {
                return;
            }
            sleep(Duration::from_micros(200));
        }
    }
}
