//! Stopping long work so that it can be resumed.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parallax_ranks::{Ranks, RanksError};

/// Where this variable is set, work also stops when standard input ends: a study tells its runs so, on every system, and they
/// do not outlive it.
pub const STOP_AT_EOF: &str = "PARALLAX_STOP_AT_EOF";

/// When a stop was asked for.
static ASKED: OnceLock<Instant> = OnceLock::new();

/// How long ago a stop was asked for, if it was.
#[cfg_attr(not(feature = "mpi"), expect(dead_code, reason = "there is one rank"))]
pub fn asked_for() -> Option<Duration> {
    ASKED.get().map(Instant::elapsed)
}

/// A flag that Ctrl-C sets. A second Ctrl-C ends the process at once; one of several ranks waits for its launcher to do so.
pub fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let ranks = crate::ranks::here();
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Not the flag itself: the end of standard input may set that one first.
    let pressed = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if pressed.swap(true, Ordering::SeqCst) {
            if ranks.is_one() {
                std::process::exit(130);
            }
            return;
        }
        ASKED.get_or_init(Instant::now);
        flag.store(true, Ordering::SeqCst);
        if ranks.is_one() {
            eprintln!("\nstopping after this step; press Ctrl-C again to leave at once");
        } else if ranks.is_first() {
            eprintln!("\nstopping after this step");
        }
    })
    .context("the handler for Ctrl-C could not be set")?;
    if std::env::var_os(STOP_AT_EOF).is_some() {
        let flag = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut nothing = [0];
            while std::io::stdin()
                .read(&mut nothing)
                .is_ok_and(|read| read > 0)
            {}
            flag.store(true, Ordering::SeqCst);
        });
    }
    #[cfg(feature = "mpi")]
    if !ranks.is_one() {
        user_signal::stops(Arc::clone(&stop));
    }
    Ok(stop)
}

/// Whether a stop was asked for on any rank: all stop behind the same step.
///
/// # Errors
/// When another rank has ended.
pub fn agreed(stop: &AtomicBool, ranks: Ranks) -> Result<bool, RanksError> {
    let own = stop.load(Ordering::SeqCst);
    Ok(ranks.gather(&[u8::from(own)])?.contains(&1))
}

/// SIGUSR1 asks for a stop, too: `mpirun` passes it on and does not kill what takes its time to save.
#[cfg(feature = "mpi")]
mod user_signal {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    static CAUGHT: AtomicBool = AtomicBool::new(false);

    extern "C" fn caught(_: i32) {
        CAUGHT.store(true, Ordering::SeqCst);
    }

    /// Sets the flag soon after the signal.
    pub fn stops(flag: Arc<AtomicBool>) {
        let action = SigAction::new(
            SigHandler::Handler(caught),
            SaFlags::SA_RESTART,
            SigSet::empty(),
        );
        #[expect(unsafe_code, reason = "a signal handler is unsafe by nature")]
        // SAFETY: the handler stores a flag and does nothing else.
        let set = unsafe { sigaction(Signal::SIGUSR1, &action) };
        if set.is_ok() {
            thread::spawn(move || {
                while !CAUGHT.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(50));
                }
                flag.store(true, Ordering::SeqCst);
            });
        }
    }
}
