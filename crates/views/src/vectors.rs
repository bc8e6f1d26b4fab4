//! Vectorised loops over planes of bytes.

/// Defines a function that runs with the widest SIMD of the processor. Its body is compiled once for each instruction set,
/// so what it calls must be inlined. All its references have the lifetime `'a`.
///
/// Multiplications and additions are never fused, so results do not depend on the instruction set.
macro_rules! vectorized {
    (
        $(#[$doc:meta])*
        fn $name:ident($($argument:ident: $kind:ty),* $(,)?) -> $result:ty $body:block
    ) => {
        $(#[$doc])*
        pub(crate) fn $name<'a>($($argument: $kind),*) -> $result {
            struct Task<'a> {
                $($argument: $kind,)*
                life: std::marker::PhantomData<&'a ()>,
            }
            impl<'a> pulp::WithSimd for Task<'a> {
                type Output = $result;

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, _: S) -> $result {
                    let Self { $($argument,)* .. } = self;
                    $body
                }
            }
            let life = std::marker::PhantomData;
            pulp::Arch::new().dispatch(Task { $($argument,)* life })
        }
    };
}

/// Adding it to a small number leaves the nearest integer, ties to even, in the lowest bits.
const MAGIC: f32 = 8_388_608.0;

/// The nearest integer of a value in 0..=255, ties to even.
///
/// Unlike `as`, which saturates, it vectorises.
#[inline(always)]
pub(crate) fn nearest(x: f32) -> u8 {
    (x + MAGIC).to_bits() as u8
}

/// Truncates a value in 0..256 to an integer.
#[inline(always)]
pub(crate) fn truncate(x: f32) -> u8 {
    let above = (x + MAGIC) - MAGIC > x;
    nearest(x).wrapping_sub(u8::from(above))
}
