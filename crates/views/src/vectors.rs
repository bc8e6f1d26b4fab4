//! Loops that become vectors: one byte of many pixels at once.

/// Defines a function that runs with the widest vectors that the processor has: its body is compiled once for each
/// width, so what it calls must be inlined into it. Its references all live for `'a`.
///
/// Multiplications and additions are never contracted, so the width changes no bit.
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

/// Adding it to a small number leaves the nearest integer, halves to even, in the lowest bits.
const MAGIC: f32 = 8_388_608.0;

/// The nearest integer of a value in 0..=255, halves to even.
///
/// `as` saturates, which compilers do one value after the other.
#[inline(always)]
pub(crate) fn nearest(x: f32) -> u8 {
    (x + MAGIC).to_bits() as u8
}

/// Cuts a value in 0..256 to an integer.
#[inline(always)]
pub(crate) fn cut(x: f32) -> u8 {
    let above = (x + MAGIC) - MAGIC > x;
    nearest(x).wrapping_sub(u8::from(above))
}
