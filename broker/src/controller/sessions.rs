//! When each broker was last heard of, and whose time is up.
//!
//! Pure: signs of life and moments in, decisions out. Above: `liveness`. Below: `metadata`.
//!
//! Time is that of the node that leads: no two clocks are compared. A new leader has heard of nobody yet, and gives everybody a
//! full session; so does a registration, which begins a new life.

use crate::{
    env::Moment,
    metadata::{BrokerRegistration, MetadataImage},
};
use mainstem_protocol::model::{BrokerEpoch, BrokerId};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The sessions of all brokers under one leadership.
#[derive(Debug)]
pub(super) struct Sessions {
    timeout: Duration,
    /// Registration and last sign of life. Never more than there are registered brokers.
    heard: BTreeMap<BrokerId, (BrokerEpoch, Moment)>,
}

impl Sessions {
    /// A leadership that begins: nobody was heard of.
    pub(super) const fn new(timeout: Duration) -> Self {
        Self { timeout, heard: BTreeMap::new() }
    }

    /// A registered broker gives a sign of life.
    pub(super) fn heard(&mut self, broker: &BrokerRegistration, now: Moment) {
        self.heard.insert(broker.id, (broker.epoch, now));
    }

    /// The brokers that are not fenced and have been silent for a session. To be looked at from the beginning of a leadership
    /// on: a broker that was never looked at before has its session begin now.
    pub(super) fn overdue(&mut self, image: &MetadataImage, now: Moment) -> Vec<(BrokerId, BrokerEpoch)> {
        self.heard.retain(|id, _| image.broker(*id).is_some());
        let (timeout, heard) = (self.timeout, &mut self.heard);
        let is_overdue = |broker: &&Arc<BrokerRegistration>| {
            let (epoch, last) = heard.entry(broker.id).or_insert((broker.epoch, now));
            if *epoch != broker.epoch {
                (*epoch, *last) = (broker.epoch, now);
            }
            !broker.fenced && timeout <= now.since(*last)
        };
        image.brokers.values().filter(is_overdue).map(|broker| (broker.id, broker.epoch)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{
        EntryPosition, MetadataRecord,
        record::{BrokerRegistrationChange, RegisterBroker},
    };

    const SESSION: Duration = Duration::from_secs(9);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO.after(Duration::from_secs(seconds))
    }

    fn apply(image: &Arc<MetadataImage>, records: &[MetadataRecord]) -> Arc<MetadataImage> {
        let position =
            EntryPosition { index: image.index + 1, controller_epoch: 1, controller_id: BrokerId(1) };
        Arc::clone(image.apply(position, records).unwrap().after())
    }

    fn register(image: &Arc<MetadataImage>, id: i32) -> Arc<MetadataImage> {
        apply(image, &[RegisterBroker { broker_id: id, ..RegisterBroker::default() }.into()])
    }

    fn fence(image: &Arc<MetadataImage>, id: i32) -> Arc<MetadataImage> {
        let broker_epoch = image.broker(BrokerId(id)).unwrap().epoch.get();
        let change = BrokerRegistrationChange {
            broker_id: id,
            broker_epoch,
            fenced: 1,
            ..BrokerRegistrationChange::default()
        };
        apply(image, &[change.into()])
    }

    fn three() -> Arc<MetadataImage> {
        let empty = Arc::new(MetadataImage::empty("c"));
        [1, 2, 3].into_iter().fold(empty, |image, id| register(&image, id))
    }

    fn ids(overdue: &[(BrokerId, BrokerEpoch)]) -> Vec<i32> {
        overdue.iter().map(|(id, _)| id.get()).collect()
    }

    #[test]
    fn who_is_silent_for_a_session_is_overdue() {
        let (image, mut sessions) = (three(), Sessions::new(SESSION));
        assert_eq!(sessions.overdue(&image, at(100)), [], "a new leader gives everybody a full session");
        sessions.heard(image.broker(BrokerId(2)).unwrap(), at(105));
        assert_eq!(sessions.overdue(&image, at(108)), []);
        assert_eq!(ids(&sessions.overdue(&image, at(109))), [1, 3]);
        let image = fence(&fence(&image, 1), 3);
        assert_eq!(sessions.overdue(&image, at(113)), [], "who is fenced is not fenced again");
        assert_eq!(ids(&sessions.overdue(&image, at(114))), [2]);
    }

    /// A broker that registers anew does not inherit the silence of its former life, nor the signs.
    #[test]
    fn a_registration_begins_a_new_session() {
        let (image, mut sessions) = (three(), Sessions::new(SESSION));
        sessions.overdue(&image, at(0));
        let image = register(&image, 1);
        assert_eq!(sessions.overdue(&image, at(8)), []);
        assert_eq!(ids(&sessions.overdue(&image, at(9))), [2, 3]);
        assert_eq!(ids(&sessions.overdue(&image, at(17))), [1, 2, 3]);
    }
}
