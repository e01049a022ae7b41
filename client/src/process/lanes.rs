//! Which records of a partition may start. Pure.
//!
//! A lane is what keeps its order: a key, or the whole partition. One record of a lane is out at a time, from when it may
//! start until it is through; the others wait behind it. Records without a lane may start at once. Keys are compared, not
//! only hashed. Above: `seat`.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::options::Order;

/// The lane of a record; `None` = it has no order to keep.
pub(super) type Lane = Option<Bytes>;

/// The lane of a record with this key.
pub(super) fn lane(order: Order, key: Option<&Bytes>) -> Lane {
    match order {
        Order::None => None,
        Order::Key => key.cloned(),
        Order::Partition => Some(Bytes::new()),
    }
}

/// Records of one partition that have not started, by offset. `T` is what stands for a record.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    /// Those that may start. The lowest offset first: it is the one that holds the committed offset back.
    ready: BTreeMap<i64, T>,
    /// Lanes with a record out, and what waits behind it.
    waiting: HashMap<Bytes, VecDeque<(i64, T)>>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { ready: BTreeMap::new(), waiting: HashMap::new() }
    }
}

impl<T: Copy> Lanes<T> {
    /// A record came, in the order of its offset.
    pub(super) fn arrive(&mut self, offset: i64, record: T, lane: &Lane) {
        if let Some(key) = lane {
            if let Some(behind) = self.waiting.get_mut(key) {
                behind.push_back((offset, record));
                return;
            }
            self.waiting.insert(key.clone(), VecDeque::new());
        }
        self.ready.insert(offset, record);
    }

    /// A record that is out may start again.
    pub(super) fn again(&mut self, offset: i64, record: T) {
        self.ready.insert(offset, record);
    }

    /// The record that is out is through: the next of its lane may start.
    pub(super) fn through(&mut self, lane: &Lane) {
        let Some(key) = lane else { return };
        match self.waiting.get_mut(key).and_then(VecDeque::pop_front) {
            Some((offset, record)) => {
                self.ready.insert(offset, record);
            }
            None => {
                self.waiting.remove(key);
            }
        }
    }

    /// The first record that may start.
    pub(super) fn first(&self) -> Option<(i64, T)> {
        self.ready.first_key_value().map(|(offset, record)| (*offset, *record))
    }

    /// Takes the first record that may start.
    pub(super) fn start_first(&mut self) -> Option<(i64, T)> {
        self.ready.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a lane of a keyed record")]
    fn key(text: &'static str) -> Lane {
        Some(Bytes::from_static(text.as_bytes()))
    }

    fn starts(lanes: &mut Lanes<()>) -> Vec<i64> {
        std::iter::from_fn(|| lanes.start_first()).map(|(offset, ())| offset).collect()
    }

    #[test]
    fn one_record_of_a_lane_is_out_and_the_others_follow_in_order() {
        let mut lanes = Lanes::default();
        for (offset, lane) in
            [(0, key("a")), (1, key("a")), (2, key("b")), (3, None), (4, key("a")), (5, None)]
        {
            lanes.arrive(offset, (), &lane);
        }
        assert_eq!(starts(&mut lanes), [0, 2, 3, 5]);
        lanes.through(&key("b"));
        lanes.through(&None);
        assert_eq!(starts(&mut lanes), [0; 0]);
        lanes.through(&key("a"));
        assert_eq!(starts(&mut lanes), [1]);
        lanes.again(1, ());
        lanes.arrive(6, (), &key("b"));
        assert_eq!(starts(&mut lanes), [1, 6], "a lane that was clear begins anew");
        lanes.through(&key("a"));
        assert_eq!(starts(&mut lanes), [4]);
    }

    #[test]
    fn the_empty_key_is_a_key_and_orders_have_their_lanes() {
        let empty = Bytes::new();
        assert_eq!(lane(Order::Key, Some(&empty)), Some(Bytes::new()));
        assert_eq!(lane(Order::Key, None), None);
        assert_eq!(lane(Order::None, Some(&empty)), None);
        assert_eq!(lane(Order::Partition, None), lane(Order::Partition, key("x").as_ref()));
    }
}
