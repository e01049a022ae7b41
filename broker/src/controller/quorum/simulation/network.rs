//! A network that only exists in memory: it loses, delays, repeats nothing, and can be cut. Fate comes from a seed.
//!
//! Messages travel as the bytes that a socket would carry, so that every message is encoded and decoded on its way.

use super::super::{QuorumDoor, QuorumRequest};
use crate::{
    env::{Clock, Random},
    peers::{Lane, PeerError, Peers},
};
use bytes::Bytes;
use mainstem_protocol::{
    api::ApiKey,
    header::RequestHeader,
    message::{Request, decode_response, encode_request, encode_response},
    messages::quorum::{
        append_entries::AppendEntriesRequest, confirm_leader::ConfirmLeaderRequest,
        describe_voter::DescribeVoterRequest, install_snapshot::InstallSnapshotRequest,
        request_vote::RequestVoteRequest,
    },
    model::BrokerId,
    wire::Reader,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// The network. Cloning shares it.
#[derive(Clone)]
pub(super) struct SimNetwork {
    wires: Arc<Mutex<Wires>>,
    random: Random,
    clock: Clock,
}

#[derive(Default)]
struct Wires {
    /// Who answers where.
    doors: BTreeMap<BrokerId, QuorumDoor>,
    /// From whom to whom nothing gets through.
    cut: BTreeSet<(BrokerId, BrokerId)>,
    /// Of a thousand messages, how many are lost.
    lost_per_mille: u64,
    /// A message takes up to so many milliseconds.
    delay_ms_max: u64,
}

/// One node's way into the network.
#[derive(Clone)]
pub(super) struct SimPeers {
    own: BrokerId,
    network: SimNetwork,
}

impl SimNetwork {
    pub(super) fn new(random: Random, clock: Clock) -> Self {
        Self { wires: Arc::default(), random, clock }
    }

    pub(super) fn peers(&self, own: BrokerId) -> SimPeers {
        SimPeers { own, network: self.clone() }
    }

    /// Whoever is asked at `node` from now on.
    pub(super) fn attach(&self, node: BrokerId, door: QuorumDoor) {
        self.wires.lock().doors.insert(node, door);
    }

    pub(super) fn detach(&self, node: BrokerId) {
        self.wires.lock().doors.remove(&node);
    }

    /// Nothing gets from one of `some` to another node or back.
    pub(super) fn isolate(&self, some: &[BrokerId]) {
        let mut wires = self.wires.lock();
        let others: Vec<BrokerId> =
            [1, 2, 3].map(BrokerId).into_iter().filter(|node| !some.contains(node)).collect();
        for (one, other) in some.iter().flat_map(|one| others.iter().map(move |other| (*one, *other))) {
            wires.cut.extend([(one, other), (other, one)]);
        }
    }

    /// Nothing gets from `from` to `to`; the other way is open.
    pub(super) fn cut(&self, from: BrokerId, to: BrokerId) {
        self.wires.lock().cut.insert((from, to));
    }

    pub(super) fn heal(&self) {
        self.wires.lock().cut.clear();
    }

    pub(super) fn be_bad(&self, lost_per_mille: u64, delay_ms_max: u64) {
        let mut wires = self.wires.lock();
        (wires.lost_per_mille, wires.delay_ms_max) = (lost_per_mille, delay_ms_max);
    }

    /// How long a message takes from `from` to `to`; `None` = it is lost.
    fn fate(&self, from: BrokerId, to: BrokerId) -> Option<Duration> {
        let wires = self.wires.lock();
        let lost = self.random.next_u64() % 1_000 < wires.lost_per_mille;
        let delay = self.random.next_u64() % (wires.delay_ms_max + 1);
        (!lost && !wires.cut.contains(&(from, to))).then_some(Duration::from_millis(delay))
    }

    /// Carries a question to its door, and the answer back.
    async fn carry(&self, from: BrokerId, to: BrokerId, key: ApiKey, question: Bytes) -> Option<Bytes> {
        self.clock.sleep(self.fate(from, to)?).await;
        let door = self.wires.lock().doors.get(&to).cloned()?;
        let answer = match key {
            ApiKey::DESCRIBE_VOTER => knock::<DescribeVoterRequest>(&door, question).await,
            ApiKey::REQUEST_VOTE => knock::<RequestVoteRequest>(&door, question).await,
            ApiKey::APPEND_ENTRIES => knock::<AppendEntriesRequest>(&door, question).await,
            ApiKey::INSTALL_SNAPSHOT => knock::<InstallSnapshotRequest>(&door, question).await,
            ApiKey::CONFIRM_LEADER => knock::<ConfirmLeaderRequest>(&door, question).await,
            key => panic!("{key} is nothing that voters say"),
        };
        self.clock.sleep(self.fate(to, from)?).await;
        Some(answer)
    }
}

async fn knock<R: QuorumRequest>(door: &QuorumDoor, question: Bytes) -> Bytes {
    let mut body = Reader::request(question);
    let header = RequestHeader::decode(&mut body).unwrap();
    assert_eq!(header.request_api_key, R::KEY.code());
    let request = R::decode(&mut body, header.request_api_version).unwrap();
    let answer = door.answer(request).await;
    let encoded = encode_response(header.correlation_id, header.request_api_version, &answer).unwrap();
    encoded.into_contiguous().unwrap().slice(4..)
}

impl Peers for SimPeers {
    async fn ask<R>(
        &self,
        node: BrokerId,
        _: Lane,
        request: R,
        within: Duration,
    ) -> Result<R::Response, PeerError>
    where
        R: Request + Send + Sync + 'static,
        R::Response: Send,
    {
        let encoded = encode_request(7, None, *R::VERSIONS.end(), &request).unwrap();
        let question = encoded.into_contiguous().unwrap().slice(4..);
        let (network, own) = (self.network.clone(), self.own);
        // What is on its way arrives, whether or not whoever sent it still waits.
        #[expect(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
        let carried = tokio::spawn(async move { network.carry(own, node, R::KEY, question).await });
        let deadline = self.network.clock.now().after(within);
        let answer = async {
            match carried.await.unwrap() {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        };
        let answer = self.network.clock.before(deadline, answer).await.ok_or_else(|| {
            PeerError::NoAnswer { node, address: "nowhere".to_owned(), reason: "it was lost".to_owned() }
        })?;
        Ok(decode_response::<R::Response>(answer, *R::VERSIONS.end()).unwrap().1)
    }
}
