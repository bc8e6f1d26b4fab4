//! The memory allocator of all threads of the module: the standard library's takes itself to be alone.
#![expect(unsafe_code, reason = "an allocator's interface")]

use std::alloc::{GlobalAlloc, Layout, System};

use parallax_kernels::Lock;

struct Locked;

#[global_allocator]
static ALLOCATOR: Locked = Locked;
static LOCK: Lock = Lock::free();

// SAFETY: the standard library's allocator, one call at a time.
unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LOCK.hold(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LOCK.hold(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LOCK.hold(|| unsafe { System.dealloc(place, layout) });
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LOCK.hold(|| unsafe { System.realloc(place, layout, size) })
    }
}
