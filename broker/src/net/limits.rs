//! The bounds of `net`, each with its reason.
//!
//! Above: the rest of `net`. Below: `config`.

use crate::config::NetworkConfig;
use std::time::Duration;

/// Bytes of a fresh read buffer, and the step in which one grows while a frame arrives.
pub(super) const BUFFER_STEP: usize = 64 * 1024;
/// Buffers up to this size go back to the pool; a larger one served a large frame and is freed.
pub(super) const BUFFER_KEPT_MAX: usize = 256 * 1024;
/// Frames below this are copied out of the read buffer, so that a waiting request pins its own bytes, not a buffer.
pub(super) const FRAME_COPIED_MAX: usize = 4 * 1024;
/// Bytes that a connection may handle, in or out, before others get their turn.
pub(super) const FAIR_SHARE: usize = 256 * 1024;
/// File slices from this size on leave by `sendfile`; below, one copy is cheaper than one more system call.
pub(super) const SENDFILE_MIN: usize = 16 * 1024;
/// Requests of one connection that may wait for their answers.
pub(super) const IN_FLIGHT_MAX: usize = 100;
/// Bytes of ready answers that may wait behind an answer that is not ready.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time for the first whole request of a connection.
pub(super) const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(10);
/// Time for the rest of a frame whose first bytes are here; one second more for every [`FRAME_BYTES_PER_SECOND`].
pub(super) const FRAME_WITHIN: Duration = Duration::from_secs(30);
/// The longest frame between nodes: an entry of the metadata log, or a piece of a snapshot, with what stands around it.
const NODE_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Connections that the other nodes of a cluster need: a few from each, and as many again while old ones are found dead.
const NODE_CONNECTIONS: usize = 64;
/// A peer slower than this does not send, it occupies.
pub(super) const FRAME_BYTES_PER_SECOND: usize = 16 * 1024;
/// A connection without a request for so long counts as quiet, and gives back what it does not need.
pub(super) const QUIET_AFTER: Duration = Duration::from_secs(5);
/// Time in which a peer must take at least one byte of an answer that is being sent.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(30);

const _: () = assert!(FRAME_COPIED_MAX < BUFFER_STEP && BUFFER_STEP <= BUFFER_KEPT_MAX);

/// What the configuration sets.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections of the whole broker, and of one address. See [`super::admission`].
    pub(super) network: NetworkConfig,
    /// Bytes of read buffers of all connections together.
    pub(super) request_memory_max: usize,
}

impl Limits {
    /// The limits of a configuration; what it leaves open follows the machine.
    pub(crate) fn new(network: NetworkConfig) -> Self {
        let configured = network.request_memory_max.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let request_memory_max = configured.unwrap_or_else(|| memory_total() / 4).max(4 * BUFFER_STEP);
        Self { network, request_memory_max }
    }

    /// The same for a listener between nodes. What an operator allows clients must not keep nodes from talking: a leader whose
    /// longest entry is refused would never get past it.
    pub(crate) fn between_nodes(mut self) -> Self {
        self.network.frame_bytes_max = self.network.frame_bytes_max.max(NODE_FRAME_BYTES);
        self.network.connections_max = self.network.connections_max.max(NODE_CONNECTIONS);
        self.network.connections_per_address_max =
            self.network.connections_per_address_max.max(NODE_CONNECTIONS);
        self.request_memory_max = self.request_memory_max.max(4 * NODE_FRAME_BYTES);
        self
    }
}

/// Memory of the machine in bytes; 1 GiB if the kernel does not tell.
fn memory_total() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()
    });
    kib.map_or(1 << 30, |kib| kib.saturating_mul(1024))
}
