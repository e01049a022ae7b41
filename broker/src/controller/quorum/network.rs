//! The way to the other voters. A quorum of one has none: whoever is asked for is unreachable.
//!
//! openraft wants a network even where it will never use one. With more voters this file speaks to them over the
//! listener between controllers, and every message names cluster and voter, or a wrong address would make a leader talk
//! to itself.

use super::types::{TypeConfig, VoterId};
use openraft::{
    BasicNode, RaftNetwork, RaftNetworkFactory,
    error::{InstallSnapshotError, RPCError, RaftError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        VoteRequest, VoteResponse,
    },
};

/// Makes ways to voters that are not there.
pub(crate) struct NoPeers;

/// The way to one voter that is not there.
pub(crate) struct NoPeer(VoterId);

/// This node forms the quorum alone.
#[derive(Debug, thiserror::Error)]
#[error("voter {0} cannot be reached: this node forms the metadata quorum alone")]
struct Alone(VoterId);

impl RaftNetworkFactory<TypeConfig> for NoPeers {
    type Network = NoPeer;

    async fn new_client(&mut self, target: VoterId, _: &BasicNode) -> NoPeer {
        NoPeer(target)
    }
}

impl NoPeer {
    fn unreachable(&self) -> Unreachable {
        Unreachable::new(&Alone(self.0))
    }
}

impl RaftNetwork<TypeConfig> for NoPeer {
    async fn append_entries(
        &mut self,
        _: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<VoterId>, RPCError<VoterId, BasicNode, RaftError<VoterId>>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn install_snapshot(
        &mut self,
        _: InstallSnapshotRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<
        InstallSnapshotResponse<VoterId>,
        RPCError<VoterId, BasicNode, RaftError<VoterId, InstallSnapshotError>>,
    > {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn vote(
        &mut self,
        _: VoteRequest<VoterId>,
        _: RPCOption,
    ) -> Result<VoteResponse<VoterId>, RPCError<VoterId, BasicNode, RaftError<VoterId>>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }
}
