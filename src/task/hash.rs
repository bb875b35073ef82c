//! A hash that is the same on every machine and in every version.

/// FNV-1a with 64 bits, then mixed so that every bit of the input reaches every bit of the result (Fowler, Noll, Vo; the mix is
/// splitmix64's). Policies compare these numbers across balancers and restarts: it never changes. The empty text gives 0.
pub fn stable_hash(text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // 0 is kept for "none".
    (hash ^ (hash >> 31)).max(1)
}

/// The number by which policies know a name.
pub fn number_of(text: &str) -> u32 {
    (stable_hash(text) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::stable_hash;

    #[test]
    fn never_changes() {
        assert_eq!(stable_hash(""), 0);
        assert_eq!(stable_hash("a"), 0x02c0_bdbf_4814_20f8);
        assert_ne!(stable_hash("tenant-1"), stable_hash("tenant-2"));
    }
}
