//! Runs Cargo's test executables two at a time: many of them wait for one thread or for a device most of their time, and
//! Cargo itself runs them in sequence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{repo, sh};

/// Executables that run at the same time.
const WORKERS: usize = 2;

/// A line of `cargo test --no-run --message-format=json`.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    profile: Profile,
}

#[derive(Default, Deserialize)]
struct Target {
    name: String,
}

#[derive(Default, Deserialize)]
struct Profile {
    test: bool,
}

/// A test executable.
struct Executable {
    /// Package and target, as in `parity/native`.
    name: String,
    path: PathBuf,
    /// The package's folder, where cargo would run it.
    home: PathBuf,
}

/// Which of the tests run.
#[derive(Clone, Copy, Default)]
pub struct Choice {
    /// Arguments of every executable: filters of names, `--ignored`.
    pub arguments: &'static [&'static str],
    /// Executables that do not run, as `package/target`.
    pub without: &'static [&'static str],
}

/// Builds the tests that `cargo` selects and runs those of `choice`; fails after the last if any failed.
pub fn run(cargo: &mut Command, choice: Choice) -> Result<()> {
    let mut executables = built(cargo)?;
    executables.retain(|executable| !choice.without.contains(&executable.name.as_str()));
    let times = Times::read();
    // The longest come first, from the end of the list, so that both workers end at about the same time.
    executables.sort_by(|a, b| times.of(&a.name).total_cmp(&times.of(&b.name)));
    let waiting = Mutex::new(executables);
    let (times, failed) = (Mutex::new(times), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(executable) = taken(&waiting) {
                    let (good, seconds) = tested(&executable, choice.arguments);
                    if let (true, Ok(mut times)) = (choice.arguments.is_empty(), times.lock()) {
                        times.0.insert(executable.name.clone(), seconds);
                    }
                    if let (false, Ok(mut failed)) = (good, failed.lock()) {
                        failed.push(executable.name);
                    }
                }
            });
        }
    });
    if let Ok(times) = times.into_inner() {
        times.write();
    }
    let failed = failed.into_inner().unwrap_or_default();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn taken(waiting: &Mutex<Vec<Executable>>) -> Option<Executable> {
    waiting.lock().ok()?.pop()
}

fn built(cargo: &mut Command) -> Result<Vec<Executable>> {
    cargo
        .args(["--no-run", "--message-format=json"])
        .stderr(Stdio::inherit());
    let said = sh::capture(cargo)?;
    let mut executables = Vec::new();
    for line in said.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).context("cargo's message")?;
        let Some(path) = message.executable.filter(|_| message.profile.test) else {
            continue;
        };
        let home = message.manifest_path.parent().unwrap_or(Path::new("."));
        let package = home.file_name().unwrap_or_default().to_string_lossy();
        executables.push(Executable {
            name: format!("{package}/{}", message.target.name),
            path,
            home: home.to_owned(),
        });
    }
    match executables.is_empty() {
        true => bail!("cargo built no tests"),
        false => Ok(executables),
    }
}

/// Runs an executable and prints its output if it failed, else the number of tests that passed, if there were any.
fn tested(executable: &Executable, arguments: &[&str]) -> (bool, f64) {
    let begin = Instant::now();
    let ran = sh::cmd(&executable.path)
        .args(arguments)
        .current_dir(&executable.home)
        .env("CARGO_MANIFEST_DIR", &executable.home)
        .output();
    let seconds = begin.elapsed().as_secs_f64();
    let (good, said) = match &ran {
        Ok(output) => (
            output.status.success(),
            [&output.stdout[..], &output.stderr].concat(),
        ),
        Err(error) => (false, error.to_string().into_bytes()),
    };
    let said = String::from_utf8_lossy(&said);
    let outcome = said
        .lines()
        .find_map(|line| line.strip_prefix("test result: "))
        .unwrap_or("no result");
    let tests = outcome.split(';').next().unwrap_or_default();
    // One call, so that the lines of two workers do not mix.
    match good {
        true if outcome.starts_with("ok. 0 passed") && !arguments.is_empty() => {}
        true => println!("{:<28} {tests} {seconds:>6.1} s", executable.name),
        false => println!("{said}\n{:<28} FAILED {seconds:>6.1} s", executable.name),
    }
    (good, seconds)
}

/// Seconds that each executable took the last time.
struct Times(BTreeMap<String, f64>);

impl Times {
    fn file() -> PathBuf {
        repo::target().join("xtask").join("test-times.json")
    }

    fn read() -> Self {
        let text = std::fs::read_to_string(Self::file()).unwrap_or_default();
        Self(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Unknown durations count as long.
    fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(f64::INFINITY)
    }

    /// Durations only order the executables: where they cannot be written, nothing is lost.
    fn write(&self) {
        let file = Self::file();
        if let (Some(folder), Ok(text)) = (file.parent(), serde_json::to_string(&self.0)) {
            let _ = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(file, text));
        }
    }
}
