//! Memory: an estimate before a run starts, and a clean exit where there is not enough.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use mimalloc::MiMalloc;
use parallax_train::{LESS_MEMORY, MemoryEstimate, Recipe};

/// Resident memory of the process before training, measured.
const RESIDENT: u64 = 75 << 20;

/// mimalloc, because the system's allocator returns large buffers to the kernel whenever a step frees them, and the page
/// faults when they are allocated again cost as much as the work on them. Out of memory the process prints a message
/// and exits with 1, where Rust's default is to abort.
pub struct Allocator;

/// Whether a run is training.
static TRAINING: AtomicBool = AtomicBool::new(false);

/// From now on an out-of-memory message says how to make a step smaller.
pub fn training_begins() {
    TRAINING.store(true, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: every call is forwarded to mimalloc unchanged; a null never returns to the caller.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_leave(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { MiMalloc.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_leave(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_leave(unsafe { MiMalloc.realloc(place, layout, size) }, size)
    }
}

#[inline]
fn or_leave(place: *mut u8, bytes: usize) -> *mut u8 {
    if place.is_null() {
        leave(bytes);
    }
    place
}

/// Exits. Nothing here may allocate: standard error is unbuffered and numbers are formatted in place.
#[cold]
fn leave(bytes: usize) -> ! {
    thread_local!(static LEAVING: Cell<bool> = const { Cell::new(false) });
    if LEAVING.replace(true) {
        std::process::abort();
    }
    static FIRST: AtomicBool = AtomicBool::new(true);
    if !FIRST.swap(false, Ordering::SeqCst) {
        // Another thread is already exiting.
        loop {
            std::thread::park();
        }
    }
    let mut out = std::io::stderr().lock();
    let mib = bytes.div_ceil(1 << 20);
    let _ = write!(
        out,
        "\nerror: out of memory: an allocation of {mib} MiB failed"
    );
    if TRAINING.load(Ordering::Relaxed) {
        let _ = write!(out, "; {LESS_MEMORY}");
    }
    let _ = out.write_all(b"\n");
    std::process::exit(1)
}

/// Prints the estimate before the first step, where a machine or a GPU that is too small would fail.
pub fn announce(recipe: &Recipe, classes: usize, on_cpu: bool) {
    let estimate = MemoryEstimate::of(recipe, classes);
    let total = estimate.total() + if on_cpu { RESIDENT } else { 0 };
    eprintln!(
        "memory on the device: about {} (networks {}, queue {}, activations {}, workspace {})",
        size(total),
        size(estimate.networks),
        size(estimate.queue),
        size(estimate.activations),
        size(estimate.work)
    );
    match free().filter(|_| on_cpu) {
        Some(free) if free < total => eprintln!(
            "note: this machine has {} of memory free; {LESS_MEMORY}",
            size(free)
        ),
        _ => {}
    }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    match bytes as f64 / (1u64 << 20) as f64 {
        mib if mib >= 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib => format!("{mib:.0} MiB"),
    }
}

/// Available memory in bytes (Linux).
pub fn free() -> Option<u64> {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

/// The largest resident memory of this process so far, in bytes (Linux).
pub fn peak() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

/// The bytes that a file of the kernel gives under a name in KiB.
fn kibibytes(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
