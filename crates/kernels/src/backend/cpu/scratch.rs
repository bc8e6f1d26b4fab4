//! Buffers that are used again: fresh memory costs a page fault every 4 KiB and zeroing it as much as the work on it.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Buffers at rest.
static REST: Mutex<Rest> = Mutex::new(Rest {
    buffers: VecDeque::new(),
    turn: 0,
});
/// Smaller ones are left to the allocator.
const LEAST: usize = 1024;
/// A buffer that nobody wanted while as many others were put to rest is given back: some steps of a deep network.
const PATIENCE: u64 = 20_000;

struct Rest {
    /// With the turn at which they came, the oldest first.
    buffers: VecDeque<(u64, Vec<f32>)>,
    turn: u64,
}

/// `len` values, whatever they were before. Who is done with them should [`keep`] them.
pub fn buffer(len: usize) -> Vec<f32> {
    let mut buffer = take(len);
    buffer.resize(len, 0.0);
    buffer
}

/// Puts a buffer to rest.
pub fn keep(buffer: Vec<f32>) {
    if buffer.capacity() < LEAST {
        return;
    }
    let Ok(mut rest) = REST.lock() else {
        return;
    };
    let turn = rest.turn;
    rest.turn += 1;
    rest.buffers.push_back((turn, buffer));
    while rest
        .buffers
        .front()
        .is_some_and(|&(came, _)| came + PATIENCE < turn)
    {
        rest.buffers.pop_front();
    }
}

/// The smallest buffer at rest that is large enough, and not twice as large as need be: what lives long must not
/// hold much more than it fills.
fn take(len: usize) -> Vec<f32> {
    if len < LEAST {
        return Vec::new();
    }
    let Ok(mut rest) = REST.lock() else {
        return Vec::new();
    };
    let fitting =
        |&(_, (_, buffer)): &(usize, &(u64, Vec<f32>))| (len..2 * len).contains(&buffer.capacity());
    let buffers = rest.buffers.iter().enumerate().filter(fitting);
    let best = buffers.min_by_key(|(_, (_, buffer))| buffer.capacity());
    let number = best.map(|(number, _)| number);
    let found = number.and_then(|number| rest.buffers.remove(number));
    found.map(|(_, buffer)| buffer).unwrap_or_default()
}

/// A buffer that goes back to rest when dropped.
pub struct Scratch(Vec<f32>);

impl Scratch {
    /// `len` values, whatever they were before.
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
        keep(std::mem::take(&mut self.0));
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
