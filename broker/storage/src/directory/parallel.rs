//! Several threads that do the same to each of many things.
//!
//! Above: opening and closing logs. Below: nothing.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `act` makes of each item, in their order, on at most `threads` threads; on this one alone if that suffices.
pub(super) fn map<T: Sync, U: Send>(items: &[T], threads: usize, act: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(act).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let made = act(item);
                    done.lock().push((at, made));
                }
            });
        }
    });
    let mut done = done.into_inner();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_whoever_made_them() {
        let items: Vec<usize> = (0..1_000).collect();
        for threads in [0, 1, 3, 2_000] {
            assert_eq!(map(&items, threads, |item| item * 2), (0..2_000).step_by(2).collect::<Vec<_>>());
        }
        assert!(map(&[] as &[usize], 4, |item| *item).is_empty());
    }
}
