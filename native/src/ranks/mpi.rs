//! Exchanges by MPI.
//!
//! Every exchange is a non-blocking collective that is asked for its end again and again: a process that waits for a rank that has
//! died can still save its state and leave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use mpi::environment::Universe;
use mpi::request::{Request, StaticScope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _, Root as _};
use mpi::{Threading, initialize_with_threading};
use parallax_ranks::{Exchange, Ranks, RanksError, Traffic};

use crate::stop;

/// How often a request is asked before the process sleeps in between.
const SPINS: usize = 4000;
const SLEEP: Duration = Duration::from_micros(50);
/// What ranks may be apart at most, once a stop was asked for: a multiple of the longest time that one has waited for the others,
/// within these bounds.
const PATIENCE: [Duration; 2] = [Duration::from_millis(400), Duration::from_secs(15)];
/// Bytes of one exchange at most: MPI counts in 31 bits.
const MOST: usize = 256 << 20;

static UNIVERSE: Mutex<Option<Universe>> = Mutex::new(None);
static WORLD: OnceLock<World> = OnceLock::new();

/// The processes that were started together.
struct World {
    rank: usize,
    size: usize,
    failed: OnceLock<RanksError>,
    /// Bytes that were sent, and nanoseconds that exchanges took.
    sent: AtomicU64,
    took: AtomicU64,
    /// The longest time that an exchange took, in milliseconds.
    longest: AtomicU64,
    /// One exchange at a time.
    turn: Mutex<()>,
}

/// Starts MPI.
pub fn connect() -> Result<Ranks> {
    let started = initialize_with_threading(Threading::Serialized);
    let (universe, _) = started.context("MPI could not be started")?;
    let world = universe.world();
    *UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner) = Some(universe);
    let world = WORLD.get_or_init(|| World {
        rank: world.rank() as usize,
        size: world.size() as usize,
        failed: OnceLock::new(),
        sent: AtomicU64::new(0),
        took: AtomicU64::new(0),
        longest: AtomicU64::new(0),
        turn: Mutex::new(()),
    });
    Ok(Ranks::new(world))
}

/// Ends MPI, with all others.
pub fn finish() {
    drop(
        UNIVERSE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(),
    );
}

/// Ends all processes.
pub fn abort(code: u8) -> ! {
    SimpleCommunicator::world().abort(code.into())
}

type Started = Request<'static, [u8], StaticScope>;

impl World {
    /// Waits for an exchange, which `start` starts and in which this rank sends so many bytes.
    fn wait(
        &self,
        bytes: usize,
        start: impl FnOnce(&SimpleCommunicator) -> Started,
    ) -> Result<(), RanksError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        let mut request = start(&SimpleCommunicator::world());
        let began = Instant::now();
        let mut asked = 0;
        loop {
            request = match request.test() {
                Ok(_) => break,
                Err(request) => request,
            };
            asked += 1;
            if asked < SPINS {
                thread::yield_now();
                continue;
            }
            thread::sleep(SLEEP);
            if self.in_vain(began) {
                // It stays pending, and with it the buffers that the caller keeps: no call of MPI follows that could touch them.
                std::mem::forget(request);
                let error = RanksError::Lost {
                    rank: self.rank,
                    size: self.size,
                };
                return Err(self.failed.get_or_init(|| error).clone());
            }
        }
        let took = began.elapsed();
        self.took
            .fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        self.longest
            .fetch_max(took.as_millis() as u64, Ordering::Relaxed);
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the others were told to stop so long ago that the missing one must be dead.
    fn in_vain(&self, began: Instant) -> bool {
        let longest = Duration::from_millis(self.longest.load(Ordering::Relaxed));
        let patience = (2 * longest).clamp(PATIENCE[0], PATIENCE[1]);
        stop::asked_for().is_some_and(|since| since > patience && began.elapsed() > patience)
    }
}

/// Borrows that MPI keeps until an exchange has ended.
#[expect(unsafe_code, reason = "MPI takes buffers for longer than a call")]
fn kept<'a>(own: &'a [u8], all: &'a mut [u8]) -> (&'static [u8], &'static mut [u8]) {
    // SAFETY: the callers keep both buffers until `World::wait` has returned. Where it gives up, MPI, which has no thread of its
    // own here, is not called again.
    unsafe {
        (
            std::slice::from_raw_parts(own.as_ptr(), own.len()),
            std::slice::from_raw_parts_mut(all.as_mut_ptr(), all.len()),
        )
    }
}

impl Exchange for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<(), RanksError> {
        if own.len() * self.size <= MOST {
            let (own, all) = kept(own, all);
            let sent = own.len() * (self.size - 1);
            return self.wait(sent, |world| {
                world.immediate_all_gather_into(StaticScope, own, all)
            });
        }
        // In pieces, each of which arrives from all ranks at once.
        let piece = (MOST / self.size).max(1);
        let mut arrived = Vec::new();
        for begin in (0..own.len()).step_by(piece) {
            let part = &own[begin..own.len().min(begin + piece)];
            arrived.resize(part.len() * self.size, 0);
            self.all_gather(part, &mut arrived)?;
            for (rank, bytes) in arrived.chunks_exact(part.len()).enumerate() {
                let at = rank * own.len() + begin;
                all[at..at + part.len()].copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn all_to_all(&self, own: &[u8], all: &mut [u8]) -> Result<(), RanksError> {
        let (own, all) = kept(own, all);
        let sent = own.len() / self.size * (self.size - 1);
        self.wait(sent, |world| {
            world.immediate_all_to_all_into(StaticScope, own, all)
        })
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), RanksError> {
        for bytes in bytes.chunks_mut(MOST) {
            let (_, bytes) = kept(&[], bytes);
            let sent = if self.rank == 0 { bytes.len() } else { 0 };
            self.wait(sent, |world| {
                let first = world.process_at_rank(0);
                first.immediate_broadcast_into(StaticScope, bytes)
            })?;
        }
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            bytes: self.sent.load(Ordering::Relaxed),
            time: Duration::from_nanos(self.took.load(Ordering::Relaxed)),
        }
    }

    fn failed(&self) -> Option<RanksError> {
        self.failed.get().cloned()
    }
}
