//! Latencies as a high dynamic range histogram: counts in buckets whose width is below one percent of their value.

/// Buckets of each doubling.
const STEPS: u64 = 128;
/// Doublings above the first [`STEPS`] values, which have buckets of their own.
const DOUBLINGS: u64 = 33;

/// Counts of latencies in microseconds, up to more than ten days; greater ones count as the greatest.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u64,
    greatest: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        let buckets = usize::try_from(STEPS * (DOUBLINGS + 1)).unwrap_or(usize::MAX);
        Self { counts: vec![0; buckets], total: 0, sum: 0, greatest: 0 }
    }

    /// Counts one latency.
    pub(crate) fn record(&mut self, micros: u64) {
        let last = self.counts.len() - 1;
        if let Some(count) = self.counts.get_mut(bucket(micros).min(last)) {
            *count += 1;
        }
        self.total += 1;
        self.sum = self.sum.saturating_add(micros);
        self.greatest = self.greatest.max(micros);
    }

    /// Counts all that another one has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum = self.sum.saturating_add(other.sum);
        self.greatest = self.greatest.max(other.greatest);
    }

    /// How many were counted.
    pub(crate) const fn count(&self) -> u64 {
        self.total
    }

    /// The average; 0 of none.
    pub(crate) fn mean(&self) -> u64 {
        self.sum.checked_div(self.total).unwrap_or(0)
    }

    /// The greatest, exactly.
    pub(crate) const fn max(&self) -> u64 {
        self.greatest
    }

    /// The latency that `share` thousandths of all do not exceed.
    pub(crate) fn at(&self, share: u64) -> u64 {
        let rank = self.total.saturating_mul(share).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if rank <= seen {
                return upper_bound(bucket).min(self.greatest);
            }
        }
        self.greatest
    }
}

/// `0 .. STEPS` one by one; then each doubling in `STEPS` steps.
fn bucket(micros: u64) -> usize {
    let doubling = micros.checked_div(STEPS).and_then(u64::checked_ilog2).map_or(0, |log| u64::from(log) + 1);
    let index = if doubling == 0 { micros } else { doubling * STEPS + (micros >> (doubling - 1)) - STEPS };
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The greatest value that falls into a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    match (bucket / STEPS).checked_sub(1) {
        None => bucket,
        Some(shift) => ((bucket % STEPS + STEPS + 1) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_and_are_narrow() {
        let mut before = None;
        for micros in (0..4096).chain((12..40).flat_map(|power| {
            let from = 1_u64 << power;
            [from - 1, from, from + 1, from + from / 3]
        })) {
            let found = bucket(micros);
            let upper = upper_bound(found);
            assert!(micros <= upper, "{micros} > {upper}");
            assert!(upper - micros <= micros / 100, "{micros}: {upper}");
            if found != 0 {
                assert!(upper_bound(found - 1) < micros, "{micros} belongs below");
            }
            assert!(before <= Some(found));
            before = Some(found).max(before);
        }
    }

    #[test]
    fn percentiles_of_a_known_distribution() {
        let mut all = Histogram::new();
        let mut half = Histogram::new();
        for micros in 1..=1000 {
            all.record(micros * 1000);
            if micros <= 500 {
                half.record(micros * 1000);
            }
        }
        for (share, exact) in [(500, 500_000), (990, 990_000), (999, 999_000), (1000, 1_000_000)] {
            let found = all.at(share);
            assert!(exact <= found && found <= exact + exact / 100, "{share}: {found}");
        }
        assert_eq!((all.max(), all.mean(), all.count()), (1_000_000, 500_500, 1000));
        half.add(&all);
        assert_eq!(half.count(), 1500);
        assert_eq!(Histogram::new().at(500), 0);
    }
}
