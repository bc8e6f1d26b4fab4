//! The program as its own child: one job in a process of its own, so that its failure stays its own.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::stop::STOP_AT_EOF;

/// How often a child is looked after.
const POLL: Duration = Duration::from_millis(50);

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this on its standard output.
    Well(String),
    /// With this message.
    Failed(String),
    /// It was told to stop.
    Stopped,
}

/// Runs the program with arguments. What it says goes to `log` and, line by line, to `say`. When `stop` is set, it is told
/// to save and end where it can, and is killed otherwise.
pub fn run(
    arguments: &[String],
    log: &Path,
    saves: bool,
    stop: &AtomicBool,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Ended> {
    let program = std::env::current_exe().context("the program does not know its own path")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env(STOP_AT_EOF, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("a process could not be started")?;
    // Closing it tells a child that saves to stop, as does the end of this process, however it comes.
    let mut stdin = child.stdin.take();
    let (mut stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let output = thread::scope(|scope| -> Result<(String, String, bool)> {
        let out = scope.spawn(move || {
            let mut text = String::new();
            let read = stdout.as_mut().map(|out| out.read_to_string(&mut text));
            read.transpose().map(|_| text)
        });
        let messages =
            scope.spawn(move || stderr.map(|err| follow(err, log, say)).unwrap_or_default());
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if stop.load(Ordering::SeqCst) && stdin.take().is_some() && !saves {
                // It may have ended in between.
                let _ = child.kill();
            }
            thread::sleep(POLL);
        };
        let text = out.join().map_err(|_| anyhow::anyhow!("a thread died"))??;
        let message = messages
            .join()
            .map_err(|_| anyhow::anyhow!("a thread died"))?;
        let message = match message.is_empty() && !status.success() {
            true => status.to_string(),
            false => message,
        };
        Ok((text, message, status.success()))
    });
    let (text, message, well) = output?;
    Ok(match (well, stop.load(Ordering::SeqCst)) {
        (true, _) => Ended::Well(text),
        (false, true) => Ended::Stopped,
        (false, false) => Ended::Failed(message),
    })
}

/// Reads what a child says to its end; returns its error, or its last line.
fn follow(from: impl io::Read, log: &Path, say: &(dyn Fn(&str) + Sync)) -> String {
    // A log is a help, and no reason to fail.
    let _ = log.parent().map(fs::create_dir_all);
    let mut log = File::options().create(true).append(true).open(log).ok();
    let (mut last, mut error) = (String::new(), None);
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&line).trim_end().to_string();
        line.clear();
        if let Some(file) = &mut log {
            let _ = writeln!(file, "{text}");
        }
        if let Some(message) = text.strip_prefix("error: ") {
            error = Some(message.to_string());
        }
        if !text.is_empty() {
            say(&text);
            last = text;
        }
    }
    error.unwrap_or(last)
}
