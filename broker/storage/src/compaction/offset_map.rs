//! The map of a pass: for each key of the dirty part of a log the last offset that has it.
//!
//! Pure: memory is given once and never grows, and a key is known by a hash of 128 bits, as Kafka does it. The hash is keyed
//! with numbers that nobody outside knows: whoever chooses keys cannot make two of them look alike. Above: the pass, which
//! fills the map and then asks it. Below: nothing.
//!
//! A slot is three words: two of the hash, and the offset plus one, so that zeros are an empty slot and untouched memory
//! costs nothing.

use mainstem_protocol::model::Offset;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Words of a slot.
const SLOT: usize = 3;
/// Bytes of a slot, by which a size in the configuration becomes a number of keys.
pub(crate) const SLOT_BYTES: u64 = 24;

/// Key -> last offset.
#[derive(Debug)]
pub(super) struct OffsetMap {
    words: Vec<u64>,
    slots: usize,
    /// Keys that may be in it.
    keys_max: usize,
    keys: usize,
    seeds: [RandomState; 2],
    /// Everything up to here has been looked at; inclusive.
    latest: Offset,
}

/// There is no room for another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl OffsetMap {
    /// A map in at most `bytes`, filled up to `load_factor` at most, for no more than `wanted` keys. Room for one key at least.
    pub(super) fn new(bytes: u64, load_factor: f64, wanted: u64) -> Self {
        let load = if load_factor.is_finite() { load_factor.clamp(0.01, 1.0) } else { 0.9 };
        let slots_max = usize::try_from(bytes / SLOT_BYTES).unwrap_or(usize::MAX / SLOT).max(2);
        let slots_wanted = scale(wanted.saturating_add(1), 1.0 / load).saturating_add(1);
        let slots = slots_max.min(slots_wanted.max(2));
        let keys_max = scale(crate::bytes_of(slots), load).clamp(1, slots - 1);
        Self {
            words: vec![0; slots * SLOT],
            slots,
            keys_max,
            keys: 0,
            seeds: [RandomState::new(), RandomState::new()],
            latest: Offset::NONE,
        }
    }

    /// Notes that `key` stands at `offset`; later offsets come later.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), Full> {
        let hash = self.hash(key);
        let mut slot = self.first_slot(hash);
        loop {
            let Some([high, low, stored]) = self.slot_mut(slot) else { return Err(Full) };
            if *stored == 0 {
                break;
            }
            if (*high, *low) == hash {
                *stored = stored_form(offset);
                self.latest = offset;
                return Ok(());
            }
            slot = (slot + 1) % self.slots;
        }
        if self.keys_max <= self.keys {
            return Err(Full);
        }
        if let Some(free) = self.slot_mut(slot) {
            *free = [hash.0, hash.1, stored_form(offset)];
        }
        self.keys += 1;
        self.latest = offset;
        Ok(())
    }

    /// The last offset that has `key`; `None` if the part that was looked at does not have it.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let hash = self.hash(key);
        let mut slot = self.first_slot(hash);
        loop {
            // At least one slot is empty, so this ends.
            let [high, low, stored] = *self.slot(slot)?;
            if stored == 0 {
                return None;
            }
            if (high, low) == hash {
                return i64::try_from(stored - 1).ok().map(Offset);
            }
            slot = (slot + 1) % self.slots;
        }
    }

    /// Notes that everything up to `offset` has been looked at.
    pub(super) fn looked_to(&mut self, offset: Offset) {
        self.latest = self.latest.max(offset);
    }

    /// The last offset that has been looked at.
    pub(super) fn latest(&self) -> Offset {
        self.latest
    }

    /// Keys in it.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys
    }

    fn slot(&self, number: usize) -> Option<&[u64; SLOT]> {
        self.words.as_chunks::<SLOT>().0.get(number)
    }

    fn slot_mut(&mut self, number: usize) -> Option<&mut [u64; SLOT]> {
        self.words.as_chunks_mut::<SLOT>().0.get_mut(number)
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        let [one, other] = &self.seeds;
        let half = |seed: &RandomState| {
            let mut hasher = seed.build_hasher();
            hasher.write(key);
            hasher.finish()
        };
        (half(one), half(other))
    }

    fn first_slot(&self, hash: (u64, u64)) -> usize {
        usize::try_from(hash.0 % crate::bytes_of(self.slots)).unwrap_or(0)
    }
}

fn stored_form(offset: Offset) -> u64 {
    u64::try_from(offset.get()).map_or(1, |offset| offset + 1)
}

/// `number * factor`, as a count. Both are far below where a float becomes coarse, or cut to what fits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a float turned into an integer is cut to its range, and a slot more or less does not matter"
)]
fn scale(number: u64, factor: f64) -> usize {
    (number as f64 * factor) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_map_takes_no_more_keys_than_its_memory_allows() {
        let mut map = OffsetMap::new(SLOT_BYTES * 10, 0.5, u64::MAX);
        for number in 0..5_u8 {
            assert_eq!(map.put(&[number], Offset(number.into())), Ok(()));
        }
        assert_eq!(map.put(b"one more", Offset(5)), Err(Full));
        assert_eq!(map.latest(), Offset(4), "what found no room has not been looked at");
        assert_eq!(map.put(&[2], Offset(6)), Ok(()), "a key that is in it needs no room");
        assert_eq!((map.len(), map.get(&[2]), map.get(b"one more")), (5, Some(Offset(6)), None));
    }

    #[test]
    fn memory_is_taken_for_the_keys_that_there_can_be() {
        let map = OffsetMap::new(128 << 20, 0.9, 9);
        assert!(map.slots < 16 && 9 <= map.keys_max, "{map:?}");
        let least = OffsetMap::new(0, f64::NAN, 0);
        assert_eq!((least.slots, least.keys_max), (2, 1));
    }

    proptest! {
        /// Whatever comes, the map says what a map of whole keys says, until it is full.
        #[test]
        fn it_agrees_with_a_map_of_whole_keys(keys in prop::collection::vec(0_u8..40, 0..200)) {
            let mut map = OffsetMap::new(SLOT_BYTES * 64, 0.9, 200);
            let mut model = BTreeMap::new();
            for (offset, key) in keys.iter().enumerate() {
                let offset = Offset(i64::try_from(offset).unwrap());
                prop_assert_eq!(map.put(&[*key], offset), Ok(()));
                model.insert(*key, offset);
            }
            for key in 0..60 {
                prop_assert_eq!(map.get(&[key]), model.get(&key).copied());
            }
            prop_assert_eq!(map.len(), model.len());
        }
    }
}
