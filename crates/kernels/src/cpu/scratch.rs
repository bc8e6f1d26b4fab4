//! Buffers that are used again: fresh memory costs a page fault every 4 KiB, more than the work on it.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Buffers at rest. There are never more than were in use at once.
static REST: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer that goes back to rest when dropped.
pub struct Scratch(Vec<f32>);

impl Scratch {
    /// `len` values, whatever they were before.
    pub fn new(len: usize) -> Self {
        let mut buffer = take(len);
        buffer.resize(len, 0.0);
        Self(buffer)
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = take(len);
        buffer.clear();
        buffer.resize(len, 0.0);
        Self(buffer)
    }
}

/// The smallest buffer that is large enough, else the largest.
fn take(len: usize) -> Vec<f32> {
    let Ok(mut rest) = REST.lock() else {
        return Vec::new();
    };
    let fits = |buffer: &Vec<f32>| buffer.capacity() >= len;
    let numbered = || rest.iter().enumerate();
    let best = numbered()
        .filter(|(_, buffer)| fits(buffer))
        .min_by_key(|(_, buffer)| buffer.capacity())
        .or_else(|| numbered().max_by_key(|(_, buffer)| buffer.capacity()))
        .map(|(number, _)| number);
    best.map(|number| rest.swap_remove(number))
        .unwrap_or_default()
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Ok(mut rest) = REST.lock() {
            rest.push(std::mem::take(&mut self.0));
        }
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
