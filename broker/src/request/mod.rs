//! Requests: what a frame means, who answers it, and what became of it.
//!
//! Above: `net`. Below: `handlers`.
//!
//! In reading order: `router` (the one list of served APIs), `session` (who is asking), `answer` (what comes of it).

mod answer;
mod router;
mod session;

pub(crate) use answer::{Answer, ApiPlace, Chunk, CloseReason, Handled, Later, Outcome};
pub(crate) use router::Router;
pub(crate) use session::Session;
