//! What the operands of products are rounded to.

use std::cell::Cell;
use std::marker::PhantomData;

/// The operands of convolutions and linear layers whose tensors are f32. Those that are stored in half precision are as they
/// are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operands {
    /// As stored: products are f32.
    #[default]
    Stored,
    /// Rounded to f16 where the device has matrix instructions for it, and as stored elsewhere. Sums are f32.
    F16,
    /// Rounded to bf16, likewise.
    Bf16,
}

thread_local! {
    static OPERANDS: Cell<Operands> = const { Cell::new(Operands::Stored) };
}

/// The time during which products of a thread have other operands; see [`Operands::enter`].
pub struct Entered {
    before: Operands,
    /// It ends on the thread where it began.
    _here: PhantomData<*const ()>,
}

impl Operands {
    /// From here on, products that this thread launches, forward and backward, take such operands, until the value that this
    /// returns is dropped.
    #[must_use = "it ends when this is dropped"]
    pub fn enter(self) -> Entered {
        Entered {
            before: OPERANDS.replace(self),
            _here: PhantomData,
        }
    }

    /// Those of products that this thread launches now.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn current() -> Self {
        OPERANDS.get()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        OPERANDS.set(self.before);
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::Operands;

    #[test]
    fn they_hold_until_the_value_is_dropped() {
        let outer = Operands::F16.enter();
        {
            let _inner = Operands::Bf16.enter();
            assert_eq!(Operands::current(), Operands::Bf16);
        }
        assert_eq!(Operands::current(), Operands::F16);
        drop(outer);
        assert_eq!(Operands::current(), Operands::Stored);
    }
}
