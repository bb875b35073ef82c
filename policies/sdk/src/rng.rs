//! Chance that can be replayed.

/// Random numbers from the `seed` of a call (splitmix64; Steele, Lea, Flood, 2014): the same ones each time the call is replayed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A number from 0 up to, but not, 1.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn gives_the_same_numbers_for_the_same_seed_and_stays_below_the_bound() {
        let (mut first, mut second) = (Rng::new(1), Rng::new(1));
        for bound in 1..1000 {
            let number = first.below(bound);
            assert_eq!(number, second.below(bound));
            assert!(number < bound);
            assert!((0.0..1.0).contains(&first.unit()));
            second.unit();
        }
        assert_eq!(Rng::new(1).below(0), 0);
    }
}
