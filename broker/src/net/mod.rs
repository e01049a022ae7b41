//! Sockets: listeners, connections, the order and the sending of answers, and every limit on peers.
//!
//! Above: `broker`. Below: `request`, which knows what a frame means; storage's read slice, to send it.
//!
//! In reading order: `listener` (accept), `admission` (who may), `connection` (the task), `frames` (where a frame ends),
//! `buffers` (what it is read into), `slots` (answers in order), `times` (how long they took), `sending` (onto the wire),
//! `limits` (all numbers).

mod admission;
mod buffers;
mod connection;
mod frames;
mod limits;
mod listener;
mod sending;
mod slots;
mod times;

pub(crate) use limits::Limits;
pub use listener::BindError;
pub(crate) use listener::{BoundListener, Serving};
