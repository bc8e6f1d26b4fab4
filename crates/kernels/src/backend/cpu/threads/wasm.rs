//! Threads of WebAssembly: workers that run the same module on the same memory.
//!
//! What stable Rust compiles has no atomic instructions and takes itself to be alone. `cargo xtask wasm` makes a form of the
//! module with shared memory in which the functions `atomic_*` are the instructions of that name (`xtask/src/wasm/threads.rs`),
//! and a page whose browser permits it lets workers call [`threads_help`]. In every other form nobody does, and tasks run one
//! after the other. All that tasks of several threads write besides their own pieces lies behind a [`Lock`]: the pool of buffers
//! and the memory allocator (`web/src/memory.rs`).
#![expect(
    unsafe_code,
    reason = "functions that are found by their names, and a closure that other threads call"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

/// `i32.atomic.rmw.add`: adds, and returns the value before.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn atomic_add(place: &AtomicI32, value: i32) -> i32 {
    place.fetch_add(value, SeqCst)
}

/// `i32.atomic.rmw.xchg`: writes, and returns the value before.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn atomic_exchange(place: &AtomicI32, value: i32) -> i32 {
    place.swap(value, SeqCst)
}

/// `memory.atomic.wait32`: sleeps while `place` holds `value`, until it is notified or for some nanoseconds (for ever if they are
/// negative). What it returns means nothing.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn atomic_wait(place: &AtomicI32, value: i32, nanoseconds: i64) -> i32 {
    place.load(SeqCst) ^ value ^ nanoseconds as i32
}

/// `memory.atomic.notify`: wakes at most `count` of those that sleep at `place`. What it returns means nothing.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn atomic_notify(place: &AtomicI32, count: i32) -> i32 {
    place.load(SeqCst) ^ count
}

/// A lock of all threads, for short work.
pub struct Lock(AtomicI32);

impl Lock {
    /// One that nobody holds.
    pub const fn free() -> Self {
        Self(AtomicI32::new(0))
    }

    /// Does `work` while no other thread holds this lock.
    #[inline]
    pub fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        while atomic_exchange(&self.0, 1) != 0 {
            // Whoever holds it may not be running.
            atomic_wait(&self.0, 1, 20_000);
        }
        let done = work();
        atomic_exchange(&self.0, 0);
        done
    }
}

/// What a task is given: how many tasks of its job were left, itself included.
type Job<'a> = &'a (dyn Fn(i32) + Sync);

/// Workers that help.
static HELPERS: AtomicI32 = AtomicI32::new(0);
/// Jobs so far; helpers sleep on it.
static TURN: AtomicI32 = AtomicI32::new(0);
/// The address of the job.
static JOB: AtomicI32 = AtomicI32::new(0);
/// Its tasks that nobody has taken yet; below zero where several threads found none.
static LEFT: AtomicI32 = AtomicI32::new(0);
/// Its tasks that are done; the module's first thread sleeps on it.
static DONE: AtomicI32 = AtomicI32::new(0);
/// Whether there is a job.
static BUSY: AtomicI32 = AtomicI32::new(0);
/// Whether a thread has failed.
static STOPPED: AtomicI32 = AtomicI32::new(0);

/// Looks before a thread goes to sleep: the next job mostly comes within some microseconds.
const LOOKS: usize = 2000;
const SECOND: i64 = 1_000_000_000;

/// Threads that work is shared among.
pub fn count() -> usize {
    1 + HELPERS.load(SeqCst).max(0) as usize
}

/// Whether there are other threads, and no job in progress of which this is a task.
pub fn can_share() -> bool {
    HELPERS.load(SeqCst) > 0 && BUSY.load(SeqCst) == 0
}

/// Runs `task` on every piece.
pub fn share<T: Send, F: Fn(usize, T) + Sync>(pieces: Vec<T>, task: F) {
    let pieces: Vec<Mutex<Option<T>>> = pieces
        .into_iter()
        .map(|piece| Mutex::new(Some(piece)))
        .collect();
    let count = pieces.len() as i32;
    run(count, &|left| {
        let index = (count - left) as usize;
        // Only one thread gets this number.
        let piece = pieces
            .get(index)
            .and_then(|piece| piece.lock().ok()?.take());
        if let Some(piece) = piece {
            task(index, piece);
        }
    });
}

/// Runs a job's tasks, together with the helpers.
#[inline(never)]
fn run(count: i32, job: Job<'_>) {
    BUSY.store(1, SeqCst);
    atomic_exchange(&DONE, 0);
    atomic_exchange(&JOB, std::ptr::from_ref(&job) as usize as i32);
    // From here on tasks can be taken.
    atomic_exchange(&LEFT, count);
    atomic_add(&TURN, 1);
    atomic_notify(&TURN, -1);
    work();
    let mut looks = 0;
    loop {
        let done = atomic_add(&DONE, 0);
        if done >= count {
            break;
        }
        if atomic_add(&STOPPED, 0) != 0 {
            // A task was not done: what it computes is missing.
            core::arch::wasm32::unreachable();
        }
        match looks < LOOKS {
            true => looks += 1,
            false => _ = atomic_wait(&DONE, done, SECOND),
        }
    }
    BUSY.store(0, SeqCst);
}

/// Does tasks until none is left; whether there were some.
fn work() -> bool {
    let mut worked = false;
    loop {
        let left = atomic_add(&LEFT, -1);
        if left <= 0 {
            return worked;
        }
        let job = atomic_add(&JOB, 0) as usize as *const Job<'static>;
        // SAFETY: `run` wrote the address before it offered the tasks, and returns only when every task has been done.
        (unsafe { &*job })(left);
        atomic_add(&DONE, 1);
        worked = true;
    }
}

/// Memory for the stack of another thread, which is never freed: the address of its end, where a stack begins.
#[unsafe(no_mangle)]
pub extern "C" fn threads_stack() -> usize {
    let stack: &'static mut [u128] = Vec::leak(vec![0; 1 << 16]);
    stack.as_ptr_range().end as usize
}

/// Does other threads' tasks until a thread fails. The caller is a worker with its own instance of the module, whose stack pointer
/// it has set.
#[unsafe(no_mangle)]
pub extern "C" fn threads_help() {
    let mut turn = atomic_add(&TURN, 0);
    atomic_add(&HELPERS, 1);
    let mut looks = 0;
    while atomic_add(&STOPPED, 0) == 0 {
        let now = atomic_add(&TURN, 0);
        if now != turn {
            (turn, looks) = (now, 0);
            if work() {
                atomic_notify(&DONE, 1);
            }
        } else if looks < LOOKS {
            looks += 1;
        } else {
            atomic_wait(&TURN, turn, -1);
        }
    }
}

/// Ends the module, because a thread has failed.
#[unsafe(no_mangle)]
pub extern "C" fn threads_stop() {
    atomic_exchange(&STOPPED, 1);
    atomic_notify(&TURN, -1);
    atomic_notify(&DONE, -1);
}
