//! What a log tells of its producers.
//!
//! Above: the partition, for DescribeProducers and before it asks a transaction coordinator. Below: the producers' state.

use super::Log;
use crate::producer_state::{ProducerEntry, VerificationGuard};
use mainstem_protocol::{model::ProducerId, records::BatchHeader};

impl Log {
    /// The producers that are remembered, by id.
    pub fn producers(&self) -> Vec<(ProducerId, ProducerEntry)> {
        self.writer.lock().producers.entries().map(|(id, entry)| (id, entry.clone())).collect()
    }

    /// To be called before the coordinator is asked whether a transaction includes this partition; the append then carries
    /// the guard. `None` if the producer's transaction is open here already, so that nothing needs to be asked.
    pub fn begin_verification(&self, header: &BatchHeader) -> Option<VerificationGuard> {
        self.writer.lock().producers.begin_verification(header)
    }
}
