//! Memory: what a run will take, said before it takes it, and a way out where it is not there.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use mimalloc::MiMalloc;
use parallax_train::{LESS_MEMORY, MemoryEstimate, Recipe};

/// What the program takes before it trains, by measurement.
const PROGRAM: u64 = 75 << 20;

/// The system's allocator gives large buffers back to the kernel each time that a step frees them, and faulting them in
/// anew costs as much as the work on them; mimalloc keeps them. Where there is no memory left, the process says so and
/// ends with 1; Rust alone would abort it.
pub struct Allocator;

/// Whether it is a training step that wants the memory.
static TRAINING: AtomicBool = AtomicBool::new(false);

/// Tells [`Allocator`] what advice to give.
pub fn training_begins() {
    TRAINING.store(true, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: every call is passed on to mimalloc as it came; a null that comes back never leaves.
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

/// Ends the process. Nothing here may ask for memory: standard error has no buffer, numbers are formatted in place.
#[cold]
fn leave(bytes: usize) -> ! {
    thread_local!(static LEAVING: Cell<bool> = const { Cell::new(false) });
    if LEAVING.replace(true) {
        std::process::abort();
    }
    static FIRST: AtomicBool = AtomicBool::new(true);
    if !FIRST.swap(false, Ordering::SeqCst) {
        // Another thread is on its way out with the same news.
        loop {
            std::thread::park();
        }
    }
    let mut out = std::io::stderr().lock();
    let mib = bytes.div_ceil(1 << 20);
    let _ = write!(
        out,
        "\nerror: out of memory: {mib} MiB more were asked for, and there is no more"
    );
    if TRAINING.load(Ordering::Relaxed) {
        let _ = write!(out, "; {LESS_MEMORY}");
    }
    let _ = out.write_all(b"\n");
    std::process::exit(1)
}

/// Says what the run takes before it takes it; a machine or a GPU that is too small fails at the first step otherwise.
pub fn announce(recipe: &Recipe, classes: usize, on_cpu: bool) {
    let estimate = MemoryEstimate::of(recipe, classes);
    let total = estimate.total() + if on_cpu { PROGRAM } else { 0 };
    eprintln!(
        "memory on the device: about {} (networks {}, queue {}, activations {}, at work {})",
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

fn size(bytes: u64) -> String {
    match bytes as f64 / (1u64 << 20) as f64 {
        mib if mib >= 1024.0 => format!("{:.1} GiB", mib / 1024.0),
        mib => format!("{mib:.0} MiB"),
    }
}

/// Bytes that programs may still take, where the system says so (Linux).
fn free() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
