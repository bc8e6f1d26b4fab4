//! Stopping long work so that it can be resumed.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

/// Where this variable is set, work also stops when standard input ends: a study tells its runs so, on every system, and they
/// do not outlive it.
pub const STOP_AT_EOF: &str = "PARALLAX_STOP_AT_EOF";

/// A flag that Ctrl-C sets. A second Ctrl-C ends the process at once.
pub fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Not the flag itself: the end of standard input may set that one first.
    let pressed = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if pressed.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        flag.store(true, Ordering::SeqCst);
        eprintln!("\nstopping after this step; press Ctrl-C again to leave at once");
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
    Ok(stop)
}
