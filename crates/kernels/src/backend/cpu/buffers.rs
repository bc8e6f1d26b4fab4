//! Pooled buffers: fresh memory costs a page fault every 4 KiB, and zeroing it costs as much as the work on it.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

static POOL: Mutex<Pool> = Mutex::new(Pool {
    buffers: VecDeque::new(),
    returns: 0,
});
/// Values of the smallest pooled buffer; smaller ones are left to the allocator.
const MIN_LEN: usize = 1024;
/// A buffer is freed when as many others have been returned since it was: some steps of a deep network.
const MAX_AGE: u64 = 20_000;

struct Pool {
    /// Free buffers with the number of the return that brought them, the oldest first.
    buffers: VecDeque<(u64, Vec<f32>)>,
    /// Returns so far.
    returns: u64,
}

/// `len` arbitrary values, which [`recycle`] should return to the pool.
pub fn buffer(len: usize) -> Vec<f32> {
    let mut buffer = take(len);
    buffer.resize(len, 0.0);
    buffer
}

/// Returns a buffer to the pool.
pub fn recycle(buffer: Vec<f32>) {
    if buffer.capacity() < MIN_LEN {
        return;
    }
    with_pool(|pool| {
        let now = pool.returns;
        pool.returns += 1;
        pool.buffers.push_back((now, buffer));
        while pool
            .buffers
            .front()
            .is_some_and(|&(returned, _)| returned + MAX_AGE < now)
        {
            pool.buffers.pop_front();
        }
    });
}

/// Frees the pooled buffers: what comes next needs others.
pub fn release_buffers() {
    drop(with_pool(|pool| std::mem::take(&mut pool.buffers)));
}

/// Does `work` with the pool, which no other thread has meanwhile.
fn with_pool<T>(work: impl FnOnce(&mut Pool) -> T) -> Option<T> {
    let with = || POOL.lock().ok().map(|mut pool| work(&mut pool));
    #[cfg(not(target_family = "wasm"))]
    return with();
    // The standard library knows of no other threads there.
    #[cfg(target_family = "wasm")]
    {
        static LOCK: super::threads::wasm::Lock = super::threads::wasm::Lock::free();
        LOCK.hold(with)
    }
}

/// The smallest free buffer of `len` to `2 len` values: a long-lived tensor must not hold much more than it fills.
fn take(len: usize) -> Vec<f32> {
    if len < MIN_LEN {
        return Vec::new();
    }
    let fits =
        |&(_, (_, buffer)): &(usize, &(u64, Vec<f32>))| (len..2 * len).contains(&buffer.capacity());
    let found = with_pool(|pool| {
        let buffers = pool.buffers.iter().enumerate().filter(fits);
        let best = buffers.min_by_key(|(_, (_, buffer))| buffer.capacity());
        let number = best.map(|(number, _)| number)?;
        pool.buffers.remove(number)
    });
    found
        .flatten()
        .map(|(_, buffer)| buffer)
        .unwrap_or_default()
}

/// A pooled buffer that returns when dropped.
pub struct Scratch(Vec<f32>);

impl Scratch {
    /// `len` arbitrary values.
    pub fn new(len: usize) -> Self {
        Self(buffer(len))
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = take(len);
        buffer.clear();
        buffer.resize(len, 0.0);
        Self(buffer)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        recycle(std::mem::take(&mut self.0));
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
