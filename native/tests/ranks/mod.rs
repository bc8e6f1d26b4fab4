//! Processes started by `mpirun`.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The same command as `size` ranks of one thread each, on any machine: also as root, on fewer cores, without ssh, and where
/// processes may not read each other's memory.
pub fn mpirun(size: usize, command: &Command) -> Command {
    let mut run = Command::new("mpirun");
    run.args([
        "--allow-run-as-root",
        "--oversubscribe",
        "-n",
        &size.to_string(),
    ])
    .arg(command.get_program())
    .args(command.get_args())
    .env("RAYON_NUM_THREADS", "1")
    .env("OMPI_MCA_plm", "isolated")
    .env("OMPI_MCA_btl_vader_single_copy_mechanism", "none")
    .env("OMPI_MCA_odls_base_sigkill_timeout", "5");
    run
}

/// Processes that run.
pub struct Ranks {
    launcher: Child,
    size: usize,
}

impl Ranks {
    pub fn start(size: usize, command: &Command) -> Self {
        let mut command = mpirun(size, command);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let launcher = command.spawn().unwrap();
        Self { launcher, size }
    }

    /// Until the run has logged a step.
    pub fn wait_for_step(&mut self, run: &Path, step: u32) {
        let began = Instant::now();
        while last_step(run) < step {
            assert!(
                self.launcher.try_wait().unwrap().is_none(),
                "it ended before step {step}"
            );
            assert!(began.elapsed().as_secs() < 120, "no step {step}");
            sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to `mpirun`.
    pub fn signal_launcher(&self, signal: &str) {
        send(signal, self.launcher.id());
    }

    /// Kills a rank.
    pub fn kill(&self, rank: usize) {
        send("KILL", self.process(rank));
    }

    /// The process of a rank.
    pub fn process(&self, rank: usize) -> u32 {
        let launcher = self.launcher.id();
        let children = fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children"));
        let own = format!("OMPI_COMM_WORLD_RANK={rank}");
        let is = |child: &u32| {
            let environment = fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|text| text == own.as_bytes())
        };
        let children = children.unwrap();
        let mut children = children
            .split_whitespace()
            .map(|child| child.parse().unwrap());
        children.find(is).expect("the rank runs")
    }

    pub fn end(self) -> Output {
        self.launcher.wait_with_output().unwrap()
    }
}

fn send(signal: &str, process: u32) {
    let mut kill = Command::new("kill");
    kill.args([&format!("-{signal}"), &process.to_string()]);
    assert!(kill.status().unwrap().success());
}

/// The events of a kind that a run has logged; a kill may have cut the last line off.
pub fn events(run: &Path, kind: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    let events = text
        .lines()
        .map_while(|line| serde_json::from_str(line).ok());
    events
        .filter(|event: &serde_json::Value| event["event"] == kind)
        .collect()
}

/// The last step that a run has logged, 0 before the first.
pub fn last_step(run: &Path) -> u32 {
    let steps = events(run, "step");
    steps
        .last()
        .map_or(0, |event| event["step"].as_u64().unwrap() as u32)
}

/// Steps of a run's checkpoints.
pub fn saved(run: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut steps: Vec<u32> = names
        .filter_map(|name| name.strip_prefix("step-")?.parse().ok())
        .collect();
    steps.sort_unstable();
    steps
}
