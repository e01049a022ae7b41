//! What becomes of an offer in the user's hand: what leaves is committed first, or held for a runtime; then partitions are
//! taken or given up, and the user is told.
//!
//! Above: `membership`. Below: the `desk`, and the fetcher.

use std::collections::BTreeSet;

use mainstem_protocol::model::TopicPartition;

use super::{Change, Handling, Membership};
use crate::consumer::fetch::Fetcher;
use crate::consumer::group::book::Reach;
use crate::consumer::group::desk::Offered;
use crate::consumer::group::handover::Offer;
use crate::consumer::group::listener::RebalanceListener;
use crate::runtime::now;

impl Membership {
    pub(super) fn handle(&mut self, offered: Offered) -> Handling {
        if let (Offer::Revoke(partitions), Some(changes)) = (&offered.offer, &mut self.changes) {
            changes.push_back(Change::Leaving(partitions.clone()));
            return Handling::Held(offered);
        }
        if let (Offer::Revoke(partitions), true) = (&offered.offer, self.options.commits.at_revocation()) {
            let due = self.desk.state.lock().book.due(Reach::Ready, Some(partitions));
            if !due.is_empty() {
                let limit = self.options.max_poll_interval.min(self.cluster.options().call_timeout);
                return Handling::Committing {
                    offered,
                    result: self.desk.order(due),
                    deadline: now() + limit,
                };
            }
        }
        Handling::Ready(offered)
    }

    pub(super) fn apply(&mut self, offered: Offered, fetcher: &mut Fetcher) {
        match offered.offer {
            Offer::Assign(partitions) => {
                let mut state = self.desk.state.lock();
                state.book.add(&partitions);
                let mut starts = offered.starts;
                starts.retain(|partition, _| partitions.contains(partition));
                for partition in &partitions {
                    let start = starts.entry(partition.clone()).or_default();
                    if let Some(start) = start {
                        state.book.found(partition, start.offset);
                    }
                    fetcher.add(partition, start.as_ref().map(|start| (start.offset, start.leader_epoch)));
                }
                drop(state);
                self.tell(&partitions, |listener, list| listener.assigned(list));
                if let Some(changes) = &mut self.changes {
                    changes.push_back(Change::Came(starts));
                }
            }
            Offer::Revoke(partitions) => {
                self.tell(&partitions, |listener, list| listener.revoked(list));
                self.remove(&partitions, fetcher);
            }
            Offer::Lost(partitions) => {
                self.tell(&partitions, |listener, list| listener.lost(list));
                self.remove(&partitions, fetcher);
                if let Some(changes) = &mut self.changes {
                    changes.push_back(Change::Lost(partitions));
                }
            }
        }
    }

    pub(super) fn tell(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        how: impl FnOnce(&dyn RebalanceListener, &[TopicPartition]),
    ) {
        if let Some(listener) = self.listener.as_deref().filter(|_| !partitions.is_empty()) {
            how(listener, &partitions.iter().cloned().collect::<Vec<_>>());
        }
    }

    pub(super) fn remove(&self, partitions: &BTreeSet<TopicPartition>, fetcher: &mut Fetcher) {
        fetcher.remove(partitions);
        self.desk.state.lock().book.remove(partitions);
    }
}
