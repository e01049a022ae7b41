//! What a failure costs: a log directory its partitions, the metadata the broker.
//!
//! Above: the composition root. Below: log directories and the controller, which fail; `partition`, which is told.
//!
//! A directory fails at its first error of a write or sync and stays failed: what is on its disk is not known any more. If
//! the metadata log lives there, or the quorum itself fails, this node could forget votes and entries that others rely on,
//! so the process has to end. There is no way back but a restart.

use super::{life::Life, storage::Storage};
use crate::{
    controller::{CallOptions, Controller, OfflineReplicas},
    env::Env,
    partition::Partitions,
};
use mainstem_protocol::model::{BrokerEpoch, BrokerId};
use std::{path::Path, sync::Arc, time::Duration};

/// How long the controller may take to hear of partitions that are offline; then it is told again.
const TELL_WITHIN: Duration = Duration::from_secs(30);
/// Between two tries to tell the controller.
const TELL_PAUSE: Duration = Duration::from_secs(1);

/// Has `life` end with the directory of the metadata, and partitions go offline with any other.
pub(super) fn watch_directories(
    storage: &Storage,
    metadata_directory: &Path,
    partitions: &Arc<Partitions>,
    life: &Arc<Life>,
) {
    for directory in &storage.directories {
        let path = directory.files().path().display().to_string();
        let holds_metadata = directory.files().path() == metadata_directory;
        // The directory keeps the listener: held for good, both would keep each other.
        let (failed, partitions) = (Arc::downgrade(directory), Arc::downgrade(partitions));
        let life = Arc::clone(life);
        directory.files().on_failure(move |why| {
            tracing::error!(target: "mainstem::log", code = "MS-LOG-002", path, why, holds_metadata,
                "log directory has failed: its partitions are offline until the broker is started again");
            if holds_metadata {
                life.fail(format!("log directory {path}, which holds the metadata, has failed: {why}"));
            }
            if let (Some(failed), Some(partitions)) = (failed.upgrade(), partitions.upgrade()) {
                partitions.take_offline(&failed);
            }
        });
    }
}

/// Has `life` end with the metadata quorum of this node.
pub(super) fn watch_controller(controller: &Controller, life: &Arc<Life>, env: &Env) {
    let (controller, life, mut stop) = (controller.clone(), Arc::clone(life), env.tasks.stop_signal());
    env.tasks.spawn("controller failure", async move {
        tokio::select! {
            () = stop.given() => {}
            reason = controller.failed() => life.fail(format!("the metadata quorum of this node has failed: {reason}")),
        }
    });
}

/// Tells the controller of partitions that go offline here, so that others lead them, or clients hear that nobody does.
pub(super) fn tell_of_offline(
    partitions: &Arc<Partitions>,
    controller: &Controller,
    (broker, broker_epoch): (BrokerId, BrokerEpoch),
    env: &Env,
) {
    let (partitions, controller, env_of_task) = (Arc::clone(partitions), controller.clone(), env.clone());
    let mut stop = env.tasks.stop_signal();
    env.tasks.spawn("offline partitions", async move {
        loop {
            let offline = tokio::select! {
                () = stop.given() => return,
                offline = partitions.next_offline() => offline,
            };
            let count = offline.len();
            let request = OfflineReplicas { broker, broker_epoch, partitions: offline };
            loop {
                let deadline = env_of_task.clock.now().after(TELL_WITHIN);
                let options = CallOptions { deadline, request_id: None };
                let told = tokio::select! {
                    () = stop.given() => return,
                    told = controller.replicas_offline(request.clone(), options) => told,
                };
                let Err(error) = told else { break };
                tracing::warn!(target: "mainstem::controller", count, %error,
                    "the controller does not know yet that partitions are offline here");
                tokio::select! {
                    () = stop.given() => return,
                    () = env_of_task.clock.sleep(TELL_PAUSE) => {}
                }
            }
        }
    });
}
