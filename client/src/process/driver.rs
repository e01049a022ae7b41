//! The task of a processing: polls the consumer, runs the handler, writes and commits, as the core decides.
//!
//! One loop owns everything. The consumer is polled all the time, also when nothing may be read, since the group moves
//! partitions only then; a poll that is dropped for another event loses nothing. The handler runs in tasks of its own, as
//! many as `concurrency` says; dropping the processing stops them at their next await. Above: `process`. Below: `core`
//! (pure), `Consumer`, `Producer`.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use mainstem_protocol::model::Offset;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::core::{CommitAnswer, Core, Decision, End, Moment, Ticket, Why, Writing};
use super::options::Processing;
use super::report::{ProcessError, Report};
use crate::consumer::group::offsets::Positions;
use crate::consumer::{
    Batch, Change, CommitError, Committed, ConsumedRecord, Consumer, ConsumerError, Problem,
};
use crate::error::Error;
use crate::producer::{Producer, Record};
use crate::properties::ConfigError;
use crate::runtime::{chance, now, sleep_until, wall_clock};

/// How long the producer may take to end; every letter has its outcome by then.
const PRODUCER_CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The end of a task.
enum Done {
    Handled(Ticket, Result<(), String>),
    Written(Ticket, Writing),
}

/// The answer to a commit: `Err` = the member is gone.
type CommitAnswered = Result<Result<Committed, CommitError>, oneshot::error::RecvError>;

pub(super) struct Driver<H> {
    consumer: Consumer,
    core: Core,
    handler: Arc<H>,
    producer: Option<Producer>,
    tasks: JoinSet<Done>,
    /// Those of `tasks` that run the handler.
    aborts: HashMap<Ticket, AbortHandle>,
    commit: Option<BoxFuture<'static, CommitAnswered>>,
    look_up: Option<BoxFuture<'static, Result<Positions, Error>>>,
    until: Option<BoxFuture<'static, ()>>,
    /// What the last commit failed with, if it was answered.
    refused: Option<CommitError>,
}

fn moment() -> Moment {
    Moment { now: now(), wall_ms: wall_clock(), chance: chance() }
}

async fn pending<T>(work: &mut Option<BoxFuture<'static, T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

impl<H, F, E> Driver<H>
where
    H: Fn(ConsumedRecord) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    /// Takes the consumer over; refuses what does not fit.
    pub(super) fn new(
        mut consumer: Consumer,
        processing: Processing,
        handler: H,
    ) -> Result<Self, ConfigError> {
        super::admit(&mut consumer, &processing)?;
        let options = processing.producer_options();
        let rules = processing.rules;
        let writes = rules.dead_letters.is_some() || !rules.retry_topics.is_empty();
        Ok(Self {
            producer: writes.then(|| Producer::new(consumer.cluster(), options)),
            consumer,
            core: Core::new(rules, now()),
            handler: Arc::new(handler),
            tasks: JoinSet::new(),
            aborts: HashMap::new(),
            commit: None,
            look_up: None,
            until: processing.until,
            refused: None,
        })
    }

    /// Runs to the end, and leaves the group.
    pub(super) async fn run(mut self) -> Result<Report, ProcessError> {
        let ended = self.work().await;
        self.tasks.shutdown().await;
        if let Some(producer) = self.producer {
            if let Err(error) = producer.close(PRODUCER_CLOSE_LIMIT).await {
                tracing::debug!(%error, "a letter was under way at the end; its record will be handled again");
            }
        }
        self.consumer.close().await;
        let End { why, committed, report } = self.core.end();
        let report = Box::new(report);
        if let Err(cause) = ended {
            return Err(ProcessError::Consumer { cause: Box::new(cause), report });
        }
        let silent = || CommitError::Failed(Error::Timeout { what: "the last commit", last: None });
        let refused = (!committed).then(|| self.refused.unwrap_or_else(silent));
        match (why, refused) {
            (Why::Stopped, None) => Ok(*report),
            (Why::Stopped, Some(cause)) => Err(ProcessError::Commit { cause: Box::new(cause), report }),
            (Why::Handler { partition, offset, attempts, error }, refused) => {
                warn_of(refused.as_ref());
                Err(ProcessError::Handler { partition, offset, attempts, error, report })
            }
            (Why::Letter { partition, offset, topic, cause }, refused) => {
                warn_of(refused.as_ref());
                Err(ProcessError::Letter { partition, offset, topic, cause: Box::new(cause), report })
            }
        }
    }

    async fn work(&mut self) -> Result<(), ConsumerError> {
        loop {
            let round = moment();
            while let Some(decision) = self.core.next(round) {
                if matches!(decision, Decision::End) {
                    return Ok(());
                }
                self.act(decision);
            }
            let (records, bytes) = self.core.intake();
            let wake = self.core.wakes();
            let idle = self.tasks.is_empty();
            tokio::select! {
                polled = self.consumer.poll_at_most(records, bytes) => self.polled(polled)?,
                Some(done) = self.tasks.join_next(), if !idle => {
                    self.joined(done);
                    while let Some(done) = self.tasks.try_join_next() {
                        self.joined(done);
                    }
                }
                answer = pending(&mut self.commit) => {
                    self.commit = None;
                    self.committed(answer);
                }
                found = pending(&mut self.look_up) => {
                    self.look_up = None;
                    self.looked_up(found);
                }
                () = pending(&mut self.until) => {
                    self.until = None;
                    self.core.stop(moment());
                }
                () = sleep_until(wake.unwrap_or_else(|| now() + FOREVER)) => {}
            }
        }
    }

    fn act(&mut self, decision: Decision) {
        match decision {
            Decision::Start(ticket, record) => self.start(ticket, record),
            Decision::Abort(ticket) => {
                if let Some(abort) = self.aborts.get(&ticket) {
                    abort.abort();
                }
            }
            Decision::Write(ticket, record) => self.write(ticket, record),
            // False = the partition has gone meanwhile, which the next poll tells.
            Decision::Pause(partition) => drop(self.consumer.withhold(&partition, true)),
            Decision::Resume(partition) => drop(self.consumer.withhold(&partition, false)),
            Decision::Seek(partition, start) => drop(self.consumer.seek(&partition, start)),
            Decision::Commit(offsets) => {
                self.refused = None;
                self.commit = Some(match self.consumer.order_commit(offsets) {
                    Some(answer) => Box::pin(answer),
                    None => Box::pin(std::future::ready(Ok(Err(CommitError::NotMember)))),
                });
            }
            Decision::LookUp(partitions) => self.look_up = self.consumer.look_up_positions(partitions),
            Decision::LetGo => self.consumer.let_go(),
            Decision::End => {}
        }
    }

    fn start(&mut self, ticket: Ticket, record: ConsumedRecord) {
        let handler = Arc::clone(&self.handler);
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(ticket, abort);
        // The handler's own call may panic, too.
        let work = async move { handler(record).await.map_err(|error| error.to_string()) };
        let work = Abortable::new(AssertUnwindSafe(work).catch_unwind(), registration);
        self.tasks.spawn(async move {
            let result = match work.await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(panic_words(&*panic)),
                Err(_) => Err("stopped".into()),
            };
            Done::Handled(ticket, result)
        });
    }

    fn write(&mut self, ticket: Ticket, record: Record) {
        let producer = self.producer.clone();
        self.tasks.spawn(async move {
            let Some(producer) = producer else {
                return Done::Written(ticket, Writing::Failed(Error::Closed));
            };
            let writing = match producer.send(record).await {
                Ok(written) => {
                    let offset = written.offset.map(Offset::get);
                    Writing::Written(written.partition.partition.get(), offset)
                }
                Err(error) => Writing::Failed(error.cause),
            };
            Done::Written(ticket, writing)
        });
    }

    fn polled(&mut self, polled: Result<Batch, ConsumerError>) -> Result<(), ConsumerError> {
        let moment = moment();
        while let Some(change) = self.consumer.next_change() {
            match change {
                Change::Came(positions) => {
                    for (partition, position) in positions {
                        self.core.came(&partition, position);
                    }
                }
                Change::Leaving(partitions) => self.core.leaves(&partitions, moment),
                Change::Lost(partitions) => {
                    for partition in &partitions {
                        self.core.lost(partition);
                    }
                }
            }
        }
        let batch = match polled {
            Ok(batch) => batch,
            Err(error @ ConsumerError::PollInterval { .. }) => {
                // It joins again by itself; the loss of its partitions is told by the next poll.
                tracing::warn!(%error, "the processing was held up");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for problem in &batch.problems {
            tracing::warn!(partition = %problem.partition, problem = %problem.problem, "cannot read");
            if matches!(problem.problem, Problem::Truncated { .. } | Problem::Recreated { .. }) {
                self.core.restarted(&problem.partition);
            }
        }
        for record in batch.records {
            self.core.read(record, moment);
        }
        for (partition, position) in self.consumer.positions() {
            if let Some(position) = position {
                self.core.stands(&partition, position);
            }
        }
        Ok(())
    }

    fn joined(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Handled(ticket, result)) => {
                self.aborts.remove(&ticket);
                self.core.handled(ticket, result, moment());
            }
            Ok(Done::Written(ticket, writing)) => self.core.written(ticket, writing, moment()),
            // Panics are caught inside, and nobody cancels the tasks while this loop runs.
            Err(error) => tracing::error!(%error, "a task of the processing ended without a word"),
        }
    }

    fn committed(&mut self, answer: CommitAnswered) {
        let answer = match answer.unwrap_or(Err(CommitError::NotMember)) {
            Ok(_) => CommitAnswer::Stored,
            Err(error) => {
                tracing::warn!(%error, "commit failed");
                let answer = match &error {
                    CommitError::Rebalancing => CommitAnswer::NotNow,
                    _ => CommitAnswer::Refused,
                };
                self.refused = Some(error);
                answer
            }
        };
        self.core.committed(answer, moment());
    }

    fn looked_up(&mut self, found: Result<Positions, Error>) {
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot look up where the group stands in the retry topics");
            Positions::new()
        });
        let found = found.into_iter().filter_map(|(partition, position)| Some((partition, position.ok()?)));
        self.core.looked_up(&found.collect(), moment());
    }
}

fn warn_of(refused: Option<&CommitError>) {
    if let Some(error) = refused {
        tracing::warn!(%error, "the last commit failed: what was finished since the one before is handled again");
    }
}

/// What a panic said.
fn panic_words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the handler panicked: {}", words.as_deref().unwrap_or("without words"))
}

/// A wait that only an event ends.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
