//! Who may connect: limits on all connections, on those of one address, and on how fast they come.
//!
//! Above: the listener. Below: nothing. The loopback address is exempt from the limit per address and from the rate:
//! whoever is on the machine has other ways to hurt it.

use super::limits::Limits;
use crate::env::Moment;
use parking_lot::Mutex;
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

/// Counts connections of the whole broker.
pub(crate) struct Admission {
    total_max: usize,
    per_address_max: usize,
    per_address_overrides: HashMap<IpAddr, usize>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The broker has as many as it may have.
    Total,
    /// The address has.
    Address,
}

impl Refusal {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Total => "connections_max",
            Self::Address => "connections_per_address_max",
        }
    }
}

impl Admission {
    /// Nobody connected yet.
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            total_max: limits.network.connections_max,
            per_address_max: limits.network.connections_per_address_max,
            per_address_overrides: limits.network.connections_per_address_overrides.iter().copied().collect(),
            open: Mutex::default(),
        })
    }

    /// Counts a connection from `address`, until the permit is dropped.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        let address = address.to_canonical();
        let mut open = self.open.lock();
        if self.total_max <= open.total {
            return Err(Refusal::Total);
        }
        let of_address = open.by_address.entry(address).or_default();
        let limit = match self.per_address_overrides.get(&address) {
            Some(limit) => *limit,
            None if address.is_loopback() => usize::MAX,
            None => self.per_address_max,
        };
        if limit <= *of_address {
            if *of_address == 0 {
                open.by_address.remove(&address);
            }
            return Err(Refusal::Address);
        }
        *of_address += 1;
        open.total += 1;
        Ok(Permit { admission: self.clone(), address })
    }

    #[cfg(test)]
    fn open(&self) -> usize {
        self.open.lock().total
    }
}

/// One counted connection.
pub(super) struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock();
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// Token bucket for the accept loop: a second's worth may come at once.
pub(super) struct AcceptRate {
    per_second: u32,
    /// When the next connection may be taken if none were saved up.
    next: Moment,
}

impl AcceptRate {
    /// `per_second` connections a second.
    pub(super) const fn new(per_second: u32, now: Moment) -> Self {
        Self { per_second, next: now }
    }

    /// Counts a connection at `now`; how long to wait before the next one is accepted.
    pub(super) fn count(&mut self, address: IpAddr, now: Moment) -> Duration {
        if address.to_canonical().is_loopback() || self.per_second == 0 {
            return Duration::ZERO;
        }
        let interval = Duration::from_secs(1) / self.per_second;
        self.next = self.next.max(now).after(interval);
        self.next.since(now.after(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    fn admission(total: usize, per_address: usize) -> Arc<Admission> {
        let mut network = BrokerConfig::default().network;
        network.connections_max = total;
        network.connections_per_address_max = per_address;
        network.connections_per_address_overrides = vec![("10.0.0.9".parse().unwrap(), 1)];
        Admission::new(&Limits::new(network))
    }

    #[test]
    fn limits_hold_per_address_and_in_total_and_end_with_the_connection() {
        let admission = admission(4, 2);
        let [a, b]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "::ffff:10.0.0.1".parse().unwrap()];
        let first = admission.admit(a).unwrap();
        let _second = admission.admit(b).unwrap();
        assert_eq!(admission.admit(a).err(), Some(Refusal::Address), "a mapped address is the same address");
        drop(first);
        let _third = admission.admit(a).unwrap();
        let special: IpAddr = "10.0.0.9".parse().unwrap();
        let _fourth = admission.admit(special).unwrap();
        assert_eq!(admission.admit(special).err(), Some(Refusal::Address), "an override counts");
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let _fifth = admission.admit(loopback).unwrap();
        assert_eq!(admission.admit(loopback).err(), Some(Refusal::Total));
        assert_eq!(admission.open(), 4);
    }

    #[test]
    fn a_flood_is_slowed_after_a_second_of_credit() {
        let start = Moment::default();
        let mut rate = AcceptRate::new(10, start);
        let remote: IpAddr = "10.0.0.1".parse().unwrap();
        for _ in 0..10 {
            assert_eq!(rate.count(remote, start), Duration::ZERO);
        }
        assert_eq!(rate.count(remote, start), Duration::from_millis(100));
        assert_eq!(rate.count("::1".parse().unwrap(), start), Duration::ZERO);
        assert_eq!(rate.count(remote, start.after(Duration::from_secs(5))), Duration::ZERO);
    }
}
