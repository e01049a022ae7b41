//! Hands every image to the rooms of this node: the newest to whoever asks, every delta to whoever subscribed.
//!
//! Promises: listeners are called one after the other, in the order in which they subscribed, and all of them have seen a
//! delta before the next one is published; an index counts as applied only after every listener has seen it. A reader of
//! [`MetadataPublisher::current`] may be ahead of a listener, never behind one.
//!
//! Above: every room. Below: `image`, `delta`. The room `controller` publishes.

use super::{MetadataDelta, MetadataImage};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::{fmt, sync::Arc};
use tokio::sync::watch;

/// Called with each delta. It may do I/O, since it is never called on an executor thread, but everyone behind it waits.
type Listener = Box<dyn FnMut(&MetadataDelta) + Send>;

/// The images of this node; see the module.
pub struct MetadataPublisher {
    current: ArcSwap<MetadataImage>,
    /// Guards the order: held from before an image is swapped in until the last listener has seen its delta.
    listeners: Mutex<Vec<(&'static str, Listener)>>,
    /// Index up to which every listener has seen every delta.
    applied: watch::Sender<u64>,
}

impl MetadataPublisher {
    /// Starts at an image, usually the empty one.
    pub fn new(image: Arc<MetadataImage>) -> Self {
        let applied = watch::Sender::new(image.index);
        Self { current: ArcSwap::new(image), listeners: Mutex::default(), applied }
    }

    /// The newest image. Never waits.
    pub fn current(&self) -> Arc<MetadataImage> {
        self.current.load_full()
    }

    /// Index of the last entry that every listener has seen.
    pub fn applied_index(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Calls `listener` at once with everything there is (as a delta from the empty image) and then with every delta.
    /// The listener must not call back into this publisher, except for [`MetadataPublisher::current`].
    pub fn subscribe(&self, name: &'static str, mut listener: impl FnMut(&MetadataDelta) + Send + 'static) {
        let mut listeners = self.listeners.lock();
        let image = self.current();
        let empty = Arc::new(MetadataImage::empty(Arc::clone(&image.cluster_id)));
        listener(&MetadataDelta::between(empty, image));
        listeners.push((name, Box::new(listener)));
    }

    /// Makes the later image of a delta the current one and tells everyone. Blocks until the last listener has returned.
    ///
    /// # Panics
    /// If the delta does not start at the current image: the order would be broken.
    pub fn publish(&self, delta: &MetadataDelta) {
        let mut listeners = self.listeners.lock();
        let current = self.current.load();
        assert_eq!(current.index, delta.before().index, "deltas are published in order");
        self.current.store(Arc::clone(delta.after()));
        for (_, listener) in listeners.iter_mut() {
            listener(delta);
        }
        self.applied.send_replace(delta.after().index);
    }

    /// Waits until every listener has seen entry `index`. The caller sets the deadline.
    pub async fn wait_for(&self, index: u64) {
        let mut applied = self.applied.subscribe();
        // The sender is a field of `self`, so it cannot be gone.
        let _ = applied.wait_for(|applied| index <= *applied).await;
    }
}

impl fmt::Debug for MetadataPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            self.listeners.try_lock().map_or_else(Vec::new, |l| l.iter().map(|(n, _)| *n).collect());
        f.debug_struct("MetadataPublisher")
            .field("index", &self.current.load().index)
            .field("applied", &self.applied_index())
            .field("listeners", &names)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{EntryPosition, record::Topic};
    use mainstem_protocol::model::{BrokerId, TopicId};

    fn add_topic(publisher: &MetadataPublisher, name: &str) {
        let image = publisher.current();
        let index = image.index + 1;
        let position = EntryPosition { index, controller_epoch: 1, controller_id: BrokerId(1) };
        let topic_id = TopicId(u128::from(index).to_be_bytes());
        let delta = image.apply(position, &[Topic { name: name.into(), topic_id }.into()]).unwrap();
        publisher.publish(&delta);
    }

    /// A listener hears first of what there is, then of each change, and never sees an image older than its delta.
    #[test]
    fn a_late_listener_misses_nothing() {
        let publisher = Arc::new(MetadataPublisher::new(Arc::new(MetadataImage::empty("c"))));
        add_topic(&publisher, "a");
        add_topic(&publisher, "b");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (log, current) = (Arc::clone(&heard), Arc::clone(&publisher));
        publisher.subscribe("test", move |delta| {
            assert!(delta.after().index <= current.current().index);
            log.lock().push(delta.new_topics().map(|topic| topic.name.to_string()).collect::<Vec<_>>());
        });
        add_topic(&publisher, "c");
        assert_eq!(*heard.lock(), [vec!["a", "b"], vec!["c"]]);
    }

    /// Whoever waits for an index goes on only after the listeners have seen it.
    #[tokio::test]
    async fn waiting_ends_after_the_listeners() {
        let publisher = MetadataPublisher::new(Arc::new(MetadataImage::empty("c")));
        let seen = Arc::new(Mutex::new(0));
        let log = Arc::clone(&seen);
        publisher.subscribe("test", move |delta| *log.lock() = delta.after().index);
        let wait = publisher.wait_for(1);
        add_topic(&publisher, "a");
        wait.await;
        assert_eq!(*seen.lock(), 1);
    }
}
