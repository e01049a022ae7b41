//! Why a coordinator gives no answer, and the code that a client gets for it.
//!
//! Above: handlers. Below: the reasons of the partition.

use crate::partition::AppendRefusal;
use mainstem_protocol::error::ErrorCode;
use mainstem_storage::AppendError;

/// Why a request was not answered by the machine. Clients ask again, elsewhere or later, unless it is their request that
/// cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This broker does not lead the shard, or led it no more before the answer was committed.
    NotHere,
    /// The shard is being loaded.
    Loading,
    /// The log of the shard is damaged, its topic is not there, or too many requests wait.
    NotAvailable,
    /// What was decided was not committed in time.
    TimedOut,
    /// The records of the decision are larger than a batch of the internal topic may be.
    TooLarge,
    /// What was decided cannot be written: a fault of ours, which the log tells of.
    Fault,
}

impl Refusal {
    /// The code for a client; Kafka's, where it has the case.
    pub(crate) const fn code(self) -> ErrorCode {
        match self {
            Self::NotHere => ErrorCode::NotCoordinator,
            Self::Loading => ErrorCode::CoordinatorLoadInProgress,
            Self::NotAvailable | Self::TimedOut => ErrorCode::CoordinatorNotAvailable,
            Self::TooLarge | Self::Fault => ErrorCode::UnknownServerError,
        }
    }

    /// What an append that was refused means for whoever waits for it.
    pub(super) const fn of_append(refusal: &AppendRefusal) -> Self {
        match refusal {
            AppendRefusal::NotEnoughReplicas => Self::NotAvailable,
            AppendRefusal::Log(AppendError::TooLarge { .. }) => Self::TooLarge,
            AppendRefusal::Log(
                AppendError::Malformed(_)
                | AppendError::Producer(_)
                | AppendError::NotContiguous { .. }
                | AppendError::OffsetsExhausted,
            ) => Self::Fault,
            AppendRefusal::NotLeader(_)
            | AppendRefusal::ShortOfSpace
            | AppendRefusal::Log(
                AppendError::Unavailable(_) | AppendError::NoSpace(_) | AppendError::FencedEpoch { .. },
            ) => Self::NotHere,
        }
    }
}
