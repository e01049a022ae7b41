//! The coordinator of one kind: every shard that this broker leads, kept in step with the metadata, called by handlers, and
//! the one task that runs its timers.
//!
//! Above: handlers; `broker`, which subscribes it to the metadata. Below: the shards.

use super::{
    load::{self, LoadError, Loaded},
    machine::{Machine, Surroundings},
    pending::Pending,
    place::partition_of,
    refusal::Refusal,
    serving::{Called, Failure, Serving},
    shard::{Shard, State},
};
use crate::{
    env::{Env, Moment},
    metadata::{MetadataDelta, MetadataImage, MetadataPublisher},
    partition::{Partition, Partitions},
    telemetry::{CoordinatorShards, SecondsHistogram},
};
use arc_swap::ArcSwap;
use mainstem_protocol::{
    model::{BrokerId, LeaderEpoch, PartitionIndex, Uuid},
    records::Compression,
};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};

/// Shards that are loaded at a time.
const LOADS_AT_A_TIME: usize = 4;
/// How long a shard stays away after a failed write, so that a write that fails every time does not become a loop.
const RELOAD_AFTER: Duration = Duration::from_millis(200);
/// Timers that are run before others get a turn on the thread.
const TIMERS_AT_A_TIME: usize = 64;

/// What a coordinator is told.
pub(crate) struct CoordinatorOptions<S> {
    /// The internal topic.
    pub(crate) topic: &'static str,
    /// This broker.
    pub(crate) local: BrokerId,
    /// Codec of what it writes.
    pub(crate) compression: Compression,
    /// Bytes that are read at once while a shard is loaded.
    pub(crate) load_bytes: usize,
    /// How long each load takes.
    pub(crate) load_seconds: SecondsHistogram,
    /// What its machine is told.
    pub(crate) settings: S,
}

/// A coordinator. Cloning shares it.
pub(crate) struct Coordinator<M: Machine>(Arc<Inner<M>>);

impl<M: Machine> Clone for Coordinator<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<M: Machine> {
    topic: &'static str,
    local: BrokerId,
    compression: Compression,
    load_bytes: usize,
    load_seconds: SecondsHistogram,
    env: Env,
    partitions: Arc<Partitions>,
    metadata: Arc<MetadataPublisher>,
    settings: ArcSwap<M::Settings>,
    shards: RwLock<BTreeMap<PartitionIndex, Arc<Shard<M>>>>,
    loads: Semaphore,
    /// Nobody may wait for others any more: the broker is about to stop.
    is_draining: AtomicBool,
    /// Until when the task of the timers sleeps; whoever sets an earlier timer wakes it.
    asleep_until: Mutex<Moment>,
    earlier: Notify,
}

impl<M: Machine> Coordinator<M> {
    /// A coordinator without shards; the first delta brings them. [`Coordinator::run`] has to be started.
    pub(crate) fn new(
        options: CoordinatorOptions<M::Settings>,
        env: Env,
        partitions: Arc<Partitions>,
        metadata: Arc<MetadataPublisher>,
    ) -> Self {
        Self(Arc::new(Inner {
            topic: options.topic,
            local: options.local,
            compression: options.compression,
            load_bytes: options.load_bytes,
            load_seconds: options.load_seconds,
            env,
            partitions,
            metadata,
            settings: ArcSwap::from_pointee(options.settings),
            shards: RwLock::default(),
            loads: Semaphore::new(LOADS_AT_A_TIME),
            is_draining: AtomicBool::new(false),
            asleep_until: Mutex::new(Moment::ZERO),
            earlier: Notify::new(),
        }))
    }

    /// The shard of a key; `None` while the internal topic is not there.
    pub(crate) fn shard_of(&self, key: &str) -> Option<PartitionIndex> {
        let image = self.0.metadata.current();
        partition_of(key, image.topics.by_name(self.0.topic)?.key_partitions())
    }

    /// Puts a request to the shard of `key`. The first stage: runs in the order of the requests, waits for nobody.
    pub(crate) fn call(&self, key: &str, call: M::Call) -> Pending<M::Answer> {
        match self.shard_of(key) {
            Some(index) => self.call_shard(index, call),
            None => Pending::refused(Refusal::NotHere),
        }
    }

    /// Puts a request to one shard.
    pub(crate) fn call_shard(&self, index: PartitionIndex, call: M::Call) -> Pending<M::Answer> {
        let shard = self.0.shards.read().get(&index).cloned();
        let Some(shard) = shard else { return Pending::refused(Refusal::NotHere) };
        self.0.call(&shard, call)
    }

    /// Puts a request to every shard that is here, loaded or not.
    pub(crate) fn call_all(&self, mut call: impl FnMut() -> M::Call) -> Vec<Pending<M::Answer>> {
        let is_led = |shard: &Arc<Shard<M>>| shard.state.lock().epoch().is_some();
        self.0.all().into_iter().filter(is_led).map(|shard| self.0.call(&shard, call())).collect()
    }

    /// Sends everyone away who waits for a later step, now and from now on: a broker that is about to stop does not wait until
    /// members have found each other. What has been decided is still answered.
    pub(crate) fn stop_waiting(&self) {
        self.0.is_draining.store(true, Ordering::SeqCst);
        for shard in self.0.all() {
            if let Ok(serving) = shard.state.lock().serving() {
                serving.send_away();
            }
        }
    }

    /// Lets `look` see every machine that serves, one after the other, and counts the shards that are led here. For numbers,
    /// not for answers: what it sees need not be committed.
    pub(crate) fn look_at_all(&self, mut look: impl FnMut(&M)) -> CoordinatorShards {
        let mut shards = CoordinatorShards::default();
        for shard in self.0.all() {
            match &*shard.state.lock() {
                State::Idle => {}
                State::Loading(_) => shards.loading += 1,
                State::Unusable(_) => shards.failed += 1,
                State::Serving(serving, _) => {
                    shards.active += 1;
                    look(&serving.machine);
                }
            }
        }
        shards
    }

    /// What follows the metadata, after the partitions have: called with each delta, on a thread that may block. It does not
    /// keep the coordinator alive, which itself holds the metadata. `settings` = what the machines are told from this delta on,
    /// where it changes that.
    pub(crate) fn follower<S: Fn(&MetadataDelta) -> Option<M::Settings> + Send>(
        &self,
        settings: S,
    ) -> impl Fn(&MetadataDelta) + Send + use<M, S> {
        let inner = Arc::downgrade(&self.0);
        move |delta| {
            let Some(inner) = inner.upgrade() else { return };
            if let Some(settings) = settings(delta) {
                inner.settings.store(Arc::new(settings));
            }
            Self(inner).follow(delta);
        }
    }

    fn follow(&self, delta: &MetadataDelta) {
        for gone in delta.gone_topics().filter(|topic| *topic.name == *self.0.topic) {
            tracing::info!(target: "mainstem::coordinator", topic = %gone.name, topic_id = %gone.id,
                "internal topic is gone");
            for shard in self.0.all() {
                self.0.unload(&shard);
            }
        }
        for change in delta.changed_partitions().filter(|change| *change.topic.name == *self.0.topic) {
            let shard = self.0.shard(change.index);
            if change.after.leader == self.0.local {
                self.0.lead(&shard, change.after.leader_epoch);
            } else {
                self.0.unload(&shard);
            }
        }
        for shard in self.0.all() {
            self.0.with_serving(&shard, |serving, around| {
                let step = serving.machine.metadata_changed(delta, around);
                serving.carry_out_alone(step, around)
            });
        }
    }

    /// Runs timers until the stop signal.
    pub(crate) async fn run(self) {
        let inner = self.0;
        let mut stop = inner.env.tasks.stop_signal();
        while !stop.is_given() {
            let next = inner.next_timer();
            if next <= inner.env.clock.now() {
                inner.fire();
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = stop.given() => {}
                () = inner.earlier.notified() => {}
                () = inner.env.clock.timer(next) => {}
            }
        }
    }
}

impl<M: Machine> Inner<M> {
    fn all(&self) -> Vec<Arc<Shard<M>>> {
        self.shards.read().values().cloned().collect()
    }

    /// The shard of that index, which is made if there is none.
    fn shard(&self, index: PartitionIndex) -> Arc<Shard<M>> {
        let mut shards = self.shards.write();
        Arc::clone(shards.entry(index).or_insert_with(|| Arc::new(Shard::new(index))))
    }

    fn call(self: &Arc<Self>, shard: &Arc<Shard<M>>, call: M::Call) -> Pending<M::Answer> {
        let mut state = shard.state.lock();
        let serving = match state.serving() {
            Ok(serving) if !serving.leads() => return Pending::refused(Refusal::NotHere),
            Ok(serving) if !serving.has_room() => return Pending::refused(Refusal::NotAvailable),
            Ok(serving) => serving,
            Err(refusal) => return Pending::refused(refusal),
        };
        let image = self.metadata.current();
        let settings = self.settings.load();
        match serving.call(call, &self.around(&image, &settings)) {
            // Looked at under the lock of the shard: who comes for it afterwards to end the waits finds this one.
            Ok(Called::Waiting(_)) if self.is_draining.load(Ordering::SeqCst) => {
                Pending::refused(Refusal::NotHere)
            }
            Ok(called) => {
                self.note_timer(serving.next_timer());
                Pending::called(called)
            }
            Err(failure) => {
                let refusal = failure.refusal;
                self.fail(shard, &mut state, &failure);
                Pending::refused(refusal)
            }
        }
    }

    /// Does something with a shard that serves; whoever waits for a shard that fails at it is told.
    fn with_serving(
        self: &Arc<Self>,
        shard: &Arc<Shard<M>>,
        act: impl FnOnce(&mut Serving<M>, &Surroundings<'_, M::Settings>) -> Result<(), Failure>,
    ) {
        let mut state = shard.state.lock();
        let Ok(serving) = state.serving() else { return };
        let image = self.metadata.current();
        let settings = self.settings.load();
        match act(serving, &self.around(&image, &settings)) {
            Ok(()) => self.note_timer(serving.next_timer()),
            Err(failure) => self.fail(shard, &mut state, &failure),
        }
    }

    fn around<'a>(
        &self,
        metadata: &'a MetadataImage,
        settings: &'a M::Settings,
    ) -> Surroundings<'a, M::Settings> {
        Surroundings {
            wall: self.env.clock.wall(),
            now: self.env.clock.now(),
            metadata,
            settings,
            fresh_id: Uuid(self.env.random.id().0),
        }
    }

    // ---- timers -----------------------------------------------------------------------------------------------------

    /// When the next timer of any shard runs out; remembered, so that an earlier one can be noticed.
    fn next_timer(&self) -> Moment {
        // Said before the shards are looked at: a timer that is set meanwhile is either seen there or wakes us.
        *self.asleep_until.lock() = NEVER;
        let next_of = |shard: Arc<Shard<M>>| shard.state.lock().serving().ok()?.next_timer();
        let next = self.all().into_iter().filter_map(next_of).min().unwrap_or(NEVER);
        let mut asleep_until = self.asleep_until.lock();
        *asleep_until = next.min(*asleep_until);
        *asleep_until
    }

    /// A shard has a timer that runs out then.
    fn note_timer(&self, next: Option<Moment>) {
        let Some(next) = next else { return };
        let mut asleep_until = self.asleep_until.lock();
        if next < *asleep_until {
            *asleep_until = next;
            self.earlier.notify_one();
        }
    }

    /// Runs timers that are due, a bounded number for each shard.
    fn fire(self: &Arc<Self>) {
        for shard in self.all() {
            for _ in 0..TIMERS_AT_A_TIME {
                let mut fired = false;
                self.with_serving(&shard, |serving, around| {
                    fired = serving.fire(around)?;
                    Ok(())
                });
                if !fired {
                    break;
                }
            }
        }
    }

    // ---- leadership -------------------------------------------------------------------------------------------------

    /// This broker leads the shard from now on.
    fn lead(self: &Arc<Self>, shard: &Arc<Shard<M>>, epoch: LeaderEpoch) {
        let mut state = shard.state.lock();
        if state.epoch() == Some(epoch) {
            return;
        }
        *state = State::Loading(epoch);
        drop(state);
        self.start_load(shard, epoch, Duration::ZERO);
    }

    /// Somebody else leads, or nobody. Whoever waits is told by the end of what they wait for.
    fn unload(&self, shard: &Arc<Shard<M>>) {
        let before = std::mem::replace(&mut *shard.state.lock(), State::Idle);
        if let State::Serving(_, epoch) = before {
            tracing::info!(target: "mainstem::coordinator", topic = self.topic, partition = %shard.index, %epoch,
                "shard unloaded");
        }
    }

    /// What was decided is in the state, but not in the log: the state is read again from there.
    fn fail(self: &Arc<Self>, shard: &Arc<Shard<M>>, state: &mut State<M>, failure: &Failure) {
        let (topic, partition, reason) = (self.topic, shard.index, &failure.reason);
        let State::Serving(serving, epoch) = state else { return };
        let (epoch, leads) = (*epoch, serving.leads());
        if !leads {
            // The metadata is about to say so to everyone.
            tracing::info!(target: "mainstem::coordinator", topic, %partition, %epoch, reason, "shard unloaded");
            *state = State::Idle;
            return;
        }
        tracing::warn!(target: "mainstem::coordinator", topic, %partition, %epoch, reason,
            "a decision cannot be written; the shard is loaded again");
        *state = State::Loading(epoch);
        self.start_load(shard, epoch, RELOAD_AFTER);
    }

    fn start_load(self: &Arc<Self>, shard: &Arc<Shard<M>>, epoch: LeaderEpoch, pause: Duration) {
        let (inner, shard) = (Arc::clone(self), Arc::clone(shard));
        self.env.tasks.spawn("coordinator-load", async move {
            let mut stop = inner.env.tasks.stop_signal();
            tokio::select! {
                () = stop.given() => {}
                () = inner.load(&shard, epoch, pause) => {}
            }
        });
    }

    /// Loads a shard for a leadership, unless that ends meanwhile.
    async fn load(self: &Arc<Self>, shard: &Arc<Shard<M>>, epoch: LeaderEpoch, pause: Duration) {
        if !pause.is_zero() {
            self.env.clock.sleep(pause).await;
        }
        let Ok(_permit) = self.loads.acquire().await else { return };
        let began = self.env.clock.now();
        loop {
            let Ok(partition) = self.partitions.by_name(self.topic, shard.index) else {
                self.give_up(shard, epoch, State::Idle, &"its log is offline");
                return;
            };
            let leadership = partition.leadership();
            if leadership.epoch != epoch || leadership.leader != self.local {
                self.give_up(shard, epoch, State::Idle, &"the leadership ended");
                return;
            }
            let loaded = match self.replay(shard, epoch, &partition).await {
                Ok(loaded) => loaded,
                Err(LoadError::Stopped) => return,
                Err(error) => {
                    self.give_up(shard, epoch, State::Unusable(epoch), &error);
                    return;
                }
            };
            // A new leader first commits what it found: before that it must not show any of it.
            if partition.committed(leadership.epoch_start).await.is_err() {
                self.give_up(shard, epoch, State::Idle, &"the leadership ended");
                return;
            }
            let records = loaded.records;
            if self.serve(shard, epoch, &partition, loaded) {
                let took = self.env.clock.now().since(began);
                self.load_seconds.record(took);
                tracing::info!(target: "mainstem::coordinator", topic = self.topic, partition = %shard.index, %epoch,
                    records, ?took, "shard loaded");
                return;
            }
        }
    }

    async fn replay(
        self: &Arc<Self>,
        shard: &Arc<Shard<M>>,
        epoch: LeaderEpoch,
        partition: &Arc<Partition>,
    ) -> Result<Loaded<M>, LoadError> {
        let (partition, shard) = (Arc::clone(partition), Arc::clone(shard));
        let stop = self.env.tasks.stop_signal();
        let is_over = move || stop.is_given() || !is_loading(&shard.state.lock(), epoch);
        let read_bytes = self.load_bytes;
        let replayed =
            self.env.tasks.blocking(move || load::replay::<M>(&partition, read_bytes, is_over)).await;
        replayed.unwrap_or(Err(LoadError::Stopped))
    }

    /// Lets a loaded machine serve. `false` if the log has grown since it was read: it has to be read again.
    fn serve(
        self: &Arc<Self>,
        shard: &Arc<Shard<M>>,
        epoch: LeaderEpoch,
        partition: &Arc<Partition>,
        loaded: Loaded<M>,
    ) -> bool {
        {
            let mut state = shard.state.lock();
            if !is_loading(&state, epoch) {
                return true;
            }
            if partition.offsets().log_end != loaded.end {
                return false;
            }
            let partition = Arc::clone(partition);
            let serving =
                Serving::new(loaded.machine, partition, self.local, epoch, loaded.end, self.compression);
            *state = State::Serving(Box::new(serving), epoch);
        }
        self.with_serving(shard, |serving, around| {
            let step = serving.machine.loaded(around);
            serving.carry_out_alone(step, around)
        });
        true
    }

    fn give_up(
        &self,
        shard: &Arc<Shard<M>>,
        epoch: LeaderEpoch,
        next: State<M>,
        reason: &dyn std::fmt::Display,
    ) {
        let mut state = shard.state.lock();
        if !is_loading(&state, epoch) {
            return;
        }
        let (topic, partition) = (self.topic, shard.index);
        if matches!(next, State::Unusable(_)) {
            tracing::error!(target: "mainstem::coordinator", topic, %partition, %epoch, %reason,
                "shard cannot be loaded: its groups are not served");
        } else {
            tracing::info!(target: "mainstem::coordinator", topic, %partition, %epoch, %reason, "shard not loaded");
        }
        *state = next;
    }
}

/// The end of time.
const NEVER: Moment = Moment::ZERO.after(Duration::MAX);

fn is_loading<M: Machine>(state: &State<M>, epoch: LeaderEpoch) -> bool {
    matches!(state, State::Loading(loading) if *loading == epoch)
}
