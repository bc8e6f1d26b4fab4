//! The command line as a user calls it, on tiny runs.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes when the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("parallax-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `parallax` with arguments.
pub fn parallax(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
    command.args(arguments);
    command
}

/// A run of `steps` steps of a network that takes milliseconds a step, in `out`.
pub fn tiny(method: &str, steps: u32, out: &Path) -> Command {
    let mut command = parallax(&["pretrain", "demo", "--device", "cpu", "--out"]);
    command.arg(out);
    for value in [
        &format!("method.name={method}"),
        &format!("run.total_steps={steps}"),
        "run.batch_size=8",
        "views.size=16",
        "model.width=4",
        "method.hidden=16",
        "method.out=8",
        "method.queue=20",
        "schedule.warmup_steps=2",
        "probe.knn_every=0",
        "probe.table=false",
        "checkpoint.every_steps=3",
    ] {
        command.args(["--set", value]);
    }
    command
}

/// Runs to the end and fails the test with its messages otherwise.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", stderr(&output));
    output
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs and expects an exit code and texts in the message.
pub fn fail(command: &mut Command, code: i32, texts: &[&str]) {
    let output = command.output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{message}");
    for text in texts {
        assert!(message.contains(text), "'{text}' is not in:\n{message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

/// The weights after a number of steps.
pub fn weights(run: &Path, step: u32) -> Vec<u8> {
    checkpoint_file(run, step, "weights.safetensors")
}

/// Velocities and the online classifier after a number of steps.
pub fn training(run: &Path, step: u32) -> Vec<u8> {
    checkpoint_file(run, step, "training.safetensors")
}

/// All files of a checkpoint.
pub fn checkpoint(run: &Path, step: u32) -> [Vec<u8>; 4] {
    let names = [
        "weights.safetensors",
        "training.safetensors",
        "state.json",
        "recipe.toml",
    ];
    names.map(|name| checkpoint_file(run, step, name))
}

fn checkpoint_file(run: &Path, step: u32, name: &str) -> Vec<u8> {
    let path = run.join(format!("checkpoints/step-{step}")).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
