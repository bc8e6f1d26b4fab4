//! Counter-based random numbers.
//!
//! Every random number of a run is a pure function of (seed, stream, epoch, sample, view, draw). No state is carried
//! from one sample to the next, so the views of a sample depend neither on the batch size nor on the number of loader
//! threads, on a resume, or on the platform. The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers:
//! as easy as 1, 2, 3", SC 2011).

/// What a sequence of draws is for. Different streams are independent.
///
/// The discriminants are part of every stored run: a new stream takes the next free number, and none is ever changed or
/// reused. They must fit in 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Stream {
    /// The order in which samples are visited.
    Order = 0,
    /// The parameters of an augmented view.
    View = 1,
    /// Initial weights.
    Init = 2,
    /// The initial contents of a queue of negatives.
    Queue = 3,
    /// The linear probe: its own order, views and weights.
    Probe = 4,
    /// Coin flips that belong to no view, such as which of the two views enters the queue.
    Coin = 5,
    /// The permutation that assigns a batch to batch-norm groups (ShuffleBN).
    Shuffle = 6,
    /// Which classes a subset keeps.
    Subset = 7,
    /// Which anchors and proposals a detector learns from.
    Sampling = 8,
}

/// The four output words of Philox4x32-10.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    counter
}

/// A cursor over the random numbers of one (seed, stream, epoch, sample, view).
///
/// The key is the seed, low word first. The counter is (block, sample, epoch, stream << 16 | view), where a block is
/// four consecutive words. The sequence repeats after 2^34 words.
#[derive(Clone, Debug)]
pub struct Draws {
    key: [u32; 2],
    counter: [u32; 4],
    words: [u32; 4],
    used: usize,
}

impl Draws {
    /// The draws of one view of one sample in one epoch. Pass 0 for what does not apply.
    pub fn new(seed: u64, stream: Stream, epoch: u32, sample: u32, view: u16) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, sample, epoch, (stream as u32) << 16 | u32::from(view)],
            words: [0; 4],
            used: 4,
        }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        let word = self.words[self.used];
        self.used += 1;
        word
    }

    /// Uniform in [0, 1), with 53 random bits. Takes two words.
    pub fn unit(&mut self) -> f64 {
        let high = u64::from(self.next_u32() >> 5);
        let low = u64::from(self.next_u32() >> 6);
        ((high << 26) | low) as f64 / (1u64 << 53) as f64
    }

    /// Uniform between `lo` and `hi`. Takes two words. Rounding can yield `hi` itself.
    pub fn uniform(&mut self, lo: f64, hi: f64) -> f64 {
        lo + (hi - lo) * self.unit()
    }

    /// A uniform integer in `0..n`, each exactly equally likely. `n == 0` gives 0.
    ///
    /// Takes one word, and one more for each rejection (Lemire, "Fast random integer generation in an interval", 2019).
    pub fn below(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let uneven = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= uneven {
                return (product >> 32) as u32;
            }
        }
    }

    /// Standard normal (mean 0, variance 1), by the Box-Muller transform. Takes four words.
    pub fn normal(&mut self) -> f64 {
        // 1 - u is in (0, 1]: its logarithm is finite.
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// Shuffles `items` uniformly (Fisher-Yates, from the end), with `items.len() - 1` calls of [`Draws::below`]. Only
    /// the first 2^32 - 1 items take part.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        let len = u32::try_from(items.len()).unwrap_or(u32::MAX);
        for last in (1..len).rev() {
            items.swap(last as usize, self.below(last + 1) as usize);
        }
    }
}

/// A uniformly random permutation of `0..n`, a pure function of its arguments.
pub fn permutation(seed: u64, stream: Stream, epoch: u32, n: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    Draws::new(seed, stream, epoch, 0, 0).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers for `philox4x32 10` from Random123, the authors' library.
    #[test]
    fn known_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn the_counter_is_laid_out_as_documented() {
        let seed = 0x299f_31d0_a409_3822;
        let mut draws = Draws::new(seed, Stream::View, 9, 7, 3);
        let mut found = [0; 8];
        found.fill_with(|| draws.next_u32());
        let key = [0xa409_3822, 0x299f_31d0];
        assert_eq!(found[..4], philox([0, 7, 9, 1 << 16 | 3], key));
        assert_eq!(found[4..], philox([1, 7, 9, 1 << 16 | 3], key));
    }

    #[test]
    fn each_argument_changes_the_draws() {
        let first = |seed, stream, epoch, sample, view| {
            Draws::new(seed, stream, epoch, sample, view).next_u32()
        };
        let base = first(1, Stream::View, 1, 1, 1);
        assert_ne!(base, first(1 + (1 << 32), Stream::View, 1, 1, 1));
        assert_ne!(base, first(2, Stream::View, 1, 1, 1));
        assert_ne!(base, first(1, Stream::Probe, 1, 1, 1));
        assert_ne!(base, first(1, Stream::View, 2, 1, 1));
        assert_ne!(base, first(1, Stream::View, 1, 2, 1));
        assert_ne!(base, first(1, Stream::View, 1, 1, 2));
    }

    #[test]
    fn below_is_uniform_and_in_range() {
        let mut draws = Draws::new(3, Stream::Coin, 0, 0, 0);
        assert_eq!(draws.below(0), 0);
        assert_eq!(draws.below(1), 0);
        // 3 * 2^30: without rejection the first third would come up half as often again as the others.
        let n = 3u32 << 30;
        let mut counts = [0u32; 3];
        for _ in 0..30_000 {
            let value = draws.below(n);
            assert!(value < n);
            counts[(value >> 30) as usize] += 1;
        }
        // Ten thousand each, standard deviation 82.
        assert!(
            counts.iter().all(|&count| count.abs_diff(10_000) < 410),
            "{counts:?}"
        );
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut draws = Draws::new(5, Stream::Init, 0, 0, 0);
        let n = 100_000;
        let (mut sum, mut square, mut fourth) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let value = draws.normal();
            sum += value;
            square += value * value;
            fourth += value.powi(4);
        }
        let n = f64::from(n);
        // Five standard errors: 1, sqrt 2 and sqrt 96 over sqrt n.
        assert!((sum / n).abs() < 0.016);
        assert!((square / n - 1.0).abs() < 0.023);
        assert!((fourth / n - 3.0).abs() < 0.16);
    }

    #[test]
    fn permutation_is_a_permutation_and_depends_on_the_epoch() {
        let order = permutation(7, Stream::Order, 2, 1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
        assert_eq!(order, permutation(7, Stream::Order, 2, 1000));
        assert_ne!(order, permutation(7, Stream::Order, 3, 1000));
        assert!(permutation(7, Stream::Order, 0, 0).is_empty());
    }
}
