//! The end of the quorum on this node: told once, heard by the composition root, which ends the process.
//!
//! A voter that cannot write its log, or whose log contradicts itself, must not go on: it would forget votes and entries
//! that others rely on.

use std::sync::Arc;
use tokio::sync::watch;

/// Whether the quorum of this node has failed, and why. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<watch::Sender<Option<Arc<str>>>>);

impl Failure {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// The first reason counts; what fails after it is a consequence.
    pub(crate) fn report(&self, reason: String) {
        self.0.send_if_modified(|failed| {
            let first = failed.is_none();
            if first {
                tracing::error!(target: "mainstem::controller", code = "MS-QUORUM-001", %reason,
                    "the metadata quorum of this node has failed");
                *failed = Some(reason.into());
            }
            first
        });
    }

    /// The reason, if it has failed.
    pub(crate) fn reason(&self) -> Option<Arc<str>> {
        self.0.borrow().clone()
    }

    /// Waits for a failure.
    pub(crate) async fn failed(&self) -> Arc<str> {
        let mut failed = self.0.subscribe();
        loop {
            if let Some(reason) = failed.borrow_and_update().clone() {
                return reason;
            }
            // The sender is a field of `self`, so it cannot be gone.
            let _ = failed.changed().await;
        }
    }
}
