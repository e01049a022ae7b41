//! A shard that is loaded and serves: the machine, and what carries its steps out.
//!
//! Above: the shard, which holds the lock around this. Below: the machine, the batch, the partition.
//!
//! ```text
//! decide -> one batch, appended under the epoch of the load -> apply -> answers wait for the high watermark
//!           (several batches, where that is allowed: then the last one counts)
//! ```
//! `end` is the log end as the state knows it: an answer is worth nothing before the high watermark has reached it.

use super::{
    batch,
    machine::{Machine, Step, Surroundings, Ticket, Written},
    refusal::Refusal,
    timers::Timers,
};
use crate::{
    env::Moment,
    partition::{LeaderAppend, Partition},
};
use bytes::Bytes;
use mainstem_protocol::{
    model::{BrokerId, LeaderEpoch, Offset},
    records::Compression,
};
use mainstem_storage::AppendOrigin;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::oneshot;

/// Requests of one shard that may wait for a later step at a time. Clients ask again for what is beyond.
const TICKETS_MAX: usize = 50_000;

/// An answer, and what it still has to wait for.
#[derive(Debug)]
pub(super) struct Settled<A> {
    pub(super) answer: A,
    /// `None` = everything that it rests on is committed.
    pub(super) committed: Option<oneshot::Receiver<()>>,
}

/// Who waits for the answer to a ticket. Dropped without one when the shard is unloaded.
pub(super) type Waiter<A> = oneshot::Sender<Settled<A>>;

/// A request as the first stage leaves it.
#[derive(Debug)]
pub(super) enum Called<A> {
    Settled(Settled<A>),
    Waiting(oneshot::Receiver<Settled<A>>),
}

/// Why a shard has to be unloaded: the decision stands in the state, but not in the log.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the one who asked is told; the others are sent to look for the coordinator again.
    pub(super) refusal: Refusal,
    /// For the log.
    pub(super) reason: String,
}

/// The state of a loaded shard.
pub(super) struct Serving<M: Machine> {
    pub(super) machine: M,
    partition: Arc<Partition>,
    local: BrokerId,
    /// The leadership under which the shard was loaded, and under which alone it appends.
    epoch: LeaderEpoch,
    end: Offset,
    compression: Compression,
    waiting: HashMap<Ticket, Waiter<M::Answer>>,
    next_ticket: u64,
    timers: Timers<M::Timer>,
}

impl<M: Machine> Serving<M> {
    /// Takes over a machine to which everything below `end` was applied.
    pub(super) fn new(
        machine: M,
        partition: Arc<Partition>,
        local: BrokerId,
        epoch: LeaderEpoch,
        end: Offset,
        compression: Compression,
    ) -> Self {
        Self {
            machine,
            partition,
            local,
            epoch,
            end,
            compression,
            waiting: HashMap::new(),
            next_ticket: 0,
            timers: Timers::new(),
        }
    }

    /// Whether this broker still leads under the epoch of the load.
    pub(super) fn leads(&self) -> bool {
        let leadership = self.partition.leadership();
        leadership.leader == self.local && leadership.epoch == self.epoch
    }

    /// When the next timer runs out.
    pub(super) fn next_timer(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// A request.
    pub(super) fn call(
        &mut self,
        call: M::Call,
        around: &Surroundings<'_, M::Settings>,
    ) -> Result<Called<M::Answer>, Failure> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let step = self.machine.call(call, ticket, around);
        if let Some(settled) = self.carry_out(step, Some(ticket), around)? {
            return Ok(Called::Settled(settled));
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(ticket, sender);
        Ok(Called::Waiting(receiver))
    }

    /// Ends the wait of everyone who waits for a later step.
    pub(super) fn send_away(&mut self) {
        self.waiting.clear();
    }

    /// Whether another request may wait here.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < TICKETS_MAX
    }

    /// A timer that has run out by now, if there is one. Gives whether there was.
    pub(super) fn fire(&mut self, around: &Surroundings<'_, M::Settings>) -> Result<bool, Failure> {
        let Some(timer) = self.timers.take_due(around.now) else { return Ok(false) };
        let step = self.machine.fire(timer, around);
        self.carry_out(step, None, around).map(|_| true)
    }

    /// Carries a step out that nobody asked for.
    pub(super) fn carry_out_alone(
        &mut self,
        step: Step<M::Record, M::Answer, M::Timer>,
        around: &Surroundings<'_, M::Settings>,
    ) -> Result<(), Failure> {
        self.carry_out(step, None, around).map(|_| ())
    }

    /// Writes, applies, sets timers, answers; gives the answer to `asked`, if it is among them.
    fn carry_out(
        &mut self,
        step: Step<M::Record, M::Answer, M::Timer>,
        asked: Option<Ticket>,
        around: &Surroundings<'_, M::Settings>,
    ) -> Result<Option<Settled<M::Answer>>, Failure> {
        self.write(step.records, step.may_be_parted, around)?;
        for (timer, deadline) in step.timers {
            self.timers.set(timer, deadline);
        }
        let mut own = None;
        for (ticket, answer) in step.answers {
            if asked == Some(ticket) {
                own = Some(self.settled(answer)?);
            } else if let Some(waiter) = self.waiting.remove(&ticket) {
                // Whoever waited may have gone.
                let _ = waiter.send(self.settled(answer)?);
            }
        }
        Ok(own)
    }

    /// Appends and applies, as one batch or, if they may be parted, as few batches as they fit into.
    fn write(
        &mut self,
        records: Vec<M::Record>,
        may_be_parted: bool,
        around: &Surroundings<'_, M::Settings>,
    ) -> Result<(), Failure> {
        let max = usize::try_from(self.partition.config().max_message_bytes).unwrap_or(usize::MAX);
        // What is still to be written; the next part last.
        let mut parts = vec![records];
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let batch = batch::write::<M>(&part, around.wall, self.compression)
                .map_err(|error| Failure { refusal: Refusal::Fault, reason: error.to_string() })?;
            if batch.len() <= max {
                self.append(part, &batch, around)?;
            } else if may_be_parted && 1 < part.len() {
                let rest = part.split_off(part.len() / 2);
                parts.extend([rest, part]);
            } else {
                let reason =
                    format!("a batch of {} bytes is larger than max.message.bytes = {max}", batch.len());
                return Err(Failure { refusal: Refusal::TooLarge, reason });
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        records: Vec<M::Record>,
        batch: &Bytes,
        around: &Surroundings<'_, M::Settings>,
    ) -> Result<(), Failure> {
        let failed = |refusal, reason| Failure { refusal, reason };
        // Too few replicas in sync is no reason to refuse: what is appended counts only once enough of them have it, and a
        // state that had to be taken back would have to be read again from the log.
        let append = LeaderAppend { now: around.wall, origin: AppendOrigin::Coordinator, all_in_sync: false };
        let appended = self
            .partition
            .append(batch, append, Some(self.epoch))
            .map_err(|refusal| failed(Refusal::of_append(&refusal), format!("{refusal:?}")))?;
        if appended.base_offset != self.end {
            let reason = format!("offset {} follows {}: somebody else wrote", appended.base_offset, self.end);
            return Err(failed(Refusal::NotHere, reason));
        }
        for (record, offset) in records.into_iter().zip(appended.base_offset.get()..) {
            self.machine.apply(record, Written { offset: Offset(offset), transaction: None });
        }
        self.end = Offset(appended.last_offset.get().saturating_add(1));
        Ok(())
    }

    /// The answer, with the wait for what it rests on. An answer of a leadership that is over is none: the log may have lost
    /// what it rests on, whatever its high watermark says now.
    fn settled(&self, answer: M::Answer) -> Result<Settled<M::Answer>, Failure> {
        let mut committed = Some(self.partition.committed(self.end));
        // In this order: a leadership that ends later ends the wait.
        if !self.leads() {
            let reason = "the leadership ended".to_owned();
            return Err(Failure { refusal: Refusal::NotHere, reason });
        }
        if committed.as_mut().is_some_and(|wait| wait.try_recv().is_ok()) {
            committed = None;
        }
        Ok(Settled { answer, committed })
    }
}
