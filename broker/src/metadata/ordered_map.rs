//! A sorted map whose clone is one reference count and whose update copies one small chunk.
//!
//! The image of a cluster is replaced by every committed entry. With a plain `BTreeMap` each of 10,000 topics would be
//! touched for each new one; here the entries lie in sorted chunks of at most [`CHUNK_ENTRIES_MAX`], shared between the
//! old map and the new. An update copies the list of chunks (8 bytes for each 64 entries) and one chunk.
//!
//! Invariants: no chunk is empty; keys rise strictly within a chunk and from chunk to chunk.

use std::{borrow::Borrow, cmp::Ordering, fmt, sync::Arc};

/// A chunk that grows beyond this many entries is split in two.
const CHUNK_ENTRIES_MAX: usize = 128;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// Sorted map with cheap clones; see the module.
pub struct OrderedMap<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> OrderedMap<K, V> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries by rising key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    /// All values by rising key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The value of `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let position = search(chunk, key).ok()?;
        chunk.get(position).map(|(_, value)| value)
    }

    /// Entries whose key is `>= first`, by rising key.
    pub fn iter_from<Q>(&self, first: &Q) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let start = self.chunk_of(first);
        let skip = self
            .chunks
            .get(start)
            .map_or(0, |chunk| search(chunk, first).unwrap_or_else(|position| position));
        self.chunks
            .iter()
            .skip(start)
            .flat_map(|chunk| chunk.iter())
            .skip(skip)
            .map(|(key, value)| (key, value))
    }

    /// Index of the first chunk whose last key is `>= key`: the only one that can hold it.
    fn chunk_of<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|(last, _)| last.borrow() < key))
    }
}

impl<K: Clone + Ord, V: Clone> OrderedMap<K, V> {
    /// Sets `key` to `value`; answers the value it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        // A key beyond all others goes to the end of the last chunk.
        let index = self.chunk_of(&key).min(self.chunks.len().saturating_sub(1));
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(index) else {
            chunks.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let chunk = Arc::make_mut(chunk);
        match search(chunk, &key) {
            Ok(position) => chunk.get_mut(position).map(|(_, slot)| std::mem::replace(slot, value)),
            Err(position) => {
                chunk.insert(position, (key, value));
                self.len += 1;
                if CHUNK_ENTRIES_MAX < chunk.len() {
                    let upper = chunk.split_off(CHUNK_ENTRIES_MAX / 2);
                    chunks.insert(index + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// The value of `key`, to change in place. Copies its chunk if another map shares it.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let index = self.chunk_of(key);
        let position = search(self.chunks.get(index)?, key).ok()?;
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(index)?;
        Arc::make_mut(chunk).get_mut(position).map(|(_, value)| value)
    }

    /// Takes `key` out; answers its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let index = self.chunk_of(key);
        let position = search(self.chunks.get(index)?, key).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(chunks.get_mut(index)?);
        let (_, value) = chunk.remove(position);
        self.len -= 1;
        if chunk.is_empty() {
            chunks.remove(index);
        } else {
            // Without this, deleting most of a large map would leave a long list of tiny chunks.
            merge_if_small(chunks, index);
            merge_if_small(chunks, index.saturating_sub(1));
        }
        Some(value)
    }
}

/// Joins chunk `index` with the one after it, if both together are small.
fn merge_if_small<K: Clone, V: Clone>(chunks: &mut Vec<Chunk<K, V>>, index: usize) {
    let (Some(lower), Some(upper)) = (chunks.get(index), chunks.get(index + 1)) else { return };
    if lower.len() + upper.len() <= CHUNK_ENTRIES_MAX / 2 {
        let upper = chunks.remove(index + 1);
        if let Some(lower) = chunks.get_mut(index) {
            Arc::make_mut(lower).extend(upper.iter().cloned());
        }
    }
}

fn search<K, V, Q>(chunk: &[(K, V)], key: &Q) -> Result<usize, usize>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    chunk.binary_search_by(|(candidate, _)| -> Ordering { candidate.borrow().cmp(key) })
}

impl<K, V> Clone for OrderedMap<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks), len: self.len }
    }
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for OrderedMap<K, V> {
    /// Equal entries; how they are cut into chunks is history, not content.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && (Arc::ptr_eq(&self.chunks, &other.chunks) || self.iter().eq(other.iter()))
    }
}

impl<K: Eq, V: Eq> Eq for OrderedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check_invariants(map: &OrderedMap<u16, u32>) {
        assert!(map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_ENTRIES_MAX));
        let keys: Vec<u16> = map.iter().map(|(key, _)| *key).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(keys.len(), map.len());
    }

    proptest! {
        /// Any mix of insertions, removals and changes leaves what a `BTreeMap` would hold, and clones are not touched.
        #[test]
        fn behaves_as_a_sorted_map(steps in prop::collection::vec((0..600_u16, 0..4_u8, any::<u32>()), 0..2000)) {
            let (mut map, mut model) = (OrderedMap::default(), BTreeMap::new());
            let (mut old, mut old_model) = (map.clone(), model.clone());
            for (step, (key, action, value)) in steps.into_iter().enumerate() {
                match action {
                    0 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    1 => {
                        let changed = map.get_mut(&key).map(|slot| std::mem::replace(slot, value));
                        prop_assert_eq!(changed, model.get_mut(&key).map(|slot| std::mem::replace(slot, value)));
                    }
                    _ => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                }
                if step % 97 == 0 {
                    prop_assert!(old.iter().eq(old_model.iter()));
                    (old, old_model) = (map.clone(), model.clone());
                }
            }
            check_invariants(&map);
            prop_assert!(map.iter().eq(model.iter()));
            for key in (0..600_u16).step_by(13) {
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert!(map.iter_from(&key).eq(model.range(key..)));
            }
        }
    }

    /// A change copies one chunk: all others stay the very same memory.
    #[test]
    fn an_update_shares_all_but_one_chunk() {
        let mut map = OrderedMap::default();
        for key in 0..10_000_u32 {
            map.insert(key, 0_u8);
        }
        let before = map.clone();
        map.insert(5_000, 1);
        let copied = before.chunks.iter().zip(map.chunks.iter()).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!(copied, 1);
        assert_eq!(before.get(&5_000), Some(&0));
    }

    /// Emptying a map in rising order leaves no list of tiny chunks behind.
    #[test]
    fn removal_merges_small_neighbours() {
        let mut map: OrderedMap<u32, ()> = OrderedMap::default();
        for key in 0..10_000 {
            map.insert(key, ());
        }
        for key in (0..10_000).filter(|key| key % 100 != 0) {
            map.remove(&key);
        }
        assert_eq!(map.len(), 100);
        assert!(map.chunks.len() <= 8, "{} chunks for 100 entries", map.chunks.len());
    }
}
