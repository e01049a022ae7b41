//! Extreme and damaged input never panics, and never makes the coordinator hold more than its limits.

use super::{
    super::{group::ClassicGroup, refuse::METADATA_BYTES_MAX, refuse::PROTOCOLS_MAX},
    table::{Table, WALL_START},
};
use crate::group::{Client, GroupAnswer, membership::Membership};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        internal::classic_group::{GroupMetadataValue, MemberMetadata},
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
    },
};
use proptest::prelude::*;

fn client(id: &str, version: i16) -> Client {
    Client { id: id.into(), host: "/::1".into(), version }
}

fn request(metadata: Bytes) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata }],
        ..JoinGroupRequest::default()
    }
}

fn join(table: &mut Table, client: &Client, request: &JoinGroupRequest) -> Option<(ErrorCode, String)> {
    let happened = table.join(client, request);
    let (_, GroupAnswer::Join(answer)) = happened.answers.into_iter().next()? else { return None };
    Some((ErrorCode::from_code(answer.error_code).unwrap(), answer.member_id.to_string()))
}

// A client may call itself anything; its member id still fits into every message.
#[test]
fn a_very_long_client_id_is_cut_in_the_member_id() {
    let (_, id) = join(&mut Table::new(), &client(&"é".repeat(15_000), 9), &request(Bytes::new())).unwrap();
    assert_eq!(id.len(), 1024 + 37);
}

// Limits of what one member may send, each just at and just above.
#[test]
fn what_a_member_may_send_is_limited() {
    let at_most = request(vec![0; METADATA_BYTES_MAX].into());
    let too_much = request(vec![0; METADATA_BYTES_MAX + 1].into());
    let many = |count: usize| JoinGroupRequest {
        protocols: (0..count)
            .map(|n| JoinGroupRequestProtocol { name: format!("p{n}").into(), metadata: Bytes::new() })
            .collect(),
        ..request(Bytes::new())
    };
    let named = |len: usize| JoinGroupRequest {
        group_instance_id: Some("i".repeat(len).into()),
        ..request(Bytes::new())
    };
    let grouped = |len: usize| JoinGroupRequest { group_id: "g".repeat(len).into(), ..request(Bytes::new()) };
    let timed = |ms: i32| JoinGroupRequest { session_timeout_ms: ms, ..request(Bytes::new()) };
    for (request, expected) in [
        (at_most, Some(ErrorCode::MemberIdRequired)),
        (too_much, Some(ErrorCode::InvalidRequest)),
        (many(PROTOCOLS_MAX), Some(ErrorCode::MemberIdRequired)),
        (many(PROTOCOLS_MAX + 1), Some(ErrorCode::InvalidRequest)),
        // A static member needs no id: it waits for its generation at once.
        (named(1024), None),
        (named(1025), Some(ErrorCode::InvalidRequest)),
        (grouped(1024), Some(ErrorCode::MemberIdRequired)),
        (grouped(1025), Some(ErrorCode::InvalidGroupId)),
        (grouped(0), Some(ErrorCode::InvalidGroupId)),
        (timed(6_000), Some(ErrorCode::MemberIdRequired)),
        (timed(5_999), Some(ErrorCode::InvalidSessionTimeout)),
        (timed(1_800_000), Some(ErrorCode::MemberIdRequired)),
        (timed(1_800_001), Some(ErrorCode::InvalidSessionTimeout)),
        (timed(-1), Some(ErrorCode::InvalidSessionTimeout)),
        (timed(i32::MIN), Some(ErrorCode::InvalidSessionTimeout)),
    ] {
        let answer = join(&mut Table::new(), &client("c", 9), &request);
        assert_eq!(answer.map(|(error, _)| error), expected);
    }
}

// Clients that take an id and never join with it cannot pile up without end.
#[test]
fn ids_that_were_given_out_are_bounded() {
    let mut table = Table::new();
    for _ in 0..super::super::group::PENDING_MAX {
        table.settings.record_max = 1_048_588;
        let group = table.group.get_or_insert_with(|| ClassicGroup::new("g".into(), table_start()));
        let number = group.pending.len();
        let id = format!("c-{number}").as_str().into();
        let timer = group.session_timer(&id);
        group.pending.insert(id);
        table.timers.insert(timer, crate::env::Moment::ZERO.after(std::time::Duration::from_secs(10)));
    }
    let (error, id) = join(&mut table, &client("c", 9), &request(Bytes::new())).unwrap();
    assert_eq!((error, id.as_str()), (ErrorCode::GroupMaxSizeReached, ""));
}

fn table_start() -> mainstem_protocol::model::Timestamp {
    mainstem_protocol::model::Timestamp(WALL_START)
}

// All members together hold what could be written many times over, not more.
#[test]
fn the_memory_of_a_group_is_bounded() {
    let mut table = Table::new();
    table.settings.record_max = 10_000;
    let mut refused = 0;
    for _ in 0..30 {
        // Version 3 joins at once and waits: no answer is the good one.
        let answer = join(&mut table, &client("c", 3), &request(vec![0; METADATA_BYTES_MAX].into()));
        refused += usize::from(answer.is_some_and(|(error, _)| error == ErrorCode::GroupMaxSizeReached));
    }
    let group = table.group.unwrap();
    assert!(group.members.held_bytes() <= 10_000 * PROTOCOLS_MAX);
    assert_eq!(group.members.len() + refused, 30);
    assert!(0 < refused);
}

// Generations go on after the last number.
#[test]
fn the_generation_after_the_last_is_one() {
    let mut table = Table::new();
    table.group = Some(ClassicGroup::from_record(
        "g".into(),
        &GroupMetadataValue { generation: i32::MAX, ..GroupMetadataValue::default() },
    ));
    assert_eq!(join(&mut table, &client("c", 3), &request(Bytes::new())), None);
    table.fire_until(std::time::Duration::from_secs(3)).unwrap();
    assert_eq!(table.group.unwrap().generation(), 1);
}

fn damaged_member() -> impl Strategy<Value = MemberMetadata> {
    let id = prop_oneof![Just(""), Just("a"), Just("b"), Just("c")];
    let instance = prop::option::of(prop_oneof![Just(""), Just("i"), Just("j")]);
    let bytes = prop::collection::vec(any::<u8>(), 0..20);
    let rebalance = prop::sample::select(vec![i32::MIN, -1, 0, 1, 30_000, i32::MAX]);
    let session = prop::sample::select(vec![i32::MIN, -1, 0, 1, 10_000, 60_000]);
    (id, instance, rebalance, session, bytes.clone(), bytes).prop_map(
        |(id, instance, rebalance_timeout, session_timeout, subscription, assignment)| MemberMetadata {
            member_id: id.into(),
            group_instance_id: instance.map(Into::into),
            rebalance_timeout,
            session_timeout,
            subscription: subscription.into(),
            assignment: assignment.into(),
            ..MemberMetadata::default()
        },
    )
}

proptest! {
    // A record from a damaged or foreign log gives a group that works, whatever it says.
    #[test]
    fn any_record_gives_a_group_that_works(
        generation in any::<i32>(),
        has_protocol in any::<bool>(),
        leader in prop::option::of(prop_oneof![Just("a"), Just("z")]),
        kind in prop_oneof![Just("consumer"), Just("connect"), Just("")],
        timestamp in any::<i64>(),
        members in prop::collection::vec(damaged_member(), 0..6),
    ) {
        let mut table = Table::new();
        let value = GroupMetadataValue {
            protocol_type: kind.into(),
            generation: generation.max(0),
            protocol: has_protocol.then(|| "range".into()),
            leader: leader.map(Into::into),
            current_state_timestamp: timestamp,
            members,
        };
        let key = mainstem_protocol::messages::internal::classic_group::GroupMetadataKey { group: "g".into() };
        table.log.push(crate::group::GroupRecord::Classic(key, Some(value)));
        table.reload();
        let group = table.group.as_ref().unwrap();
        let _ = (group.described(), group.is_subscribed_to("orders"), group.expiry());
        join(&mut table, &client("c", 3), &request(Bytes::new()));
        while table.fire_until(std::time::Duration::from_secs(1_000)).is_some() {}
        prop_assert_eq!(table.state().map(|(state, _)| state.name()), Some("Empty"));
    }

    // The subscription of a consumer is whatever bytes a client sends.
    #[test]
    fn any_metadata_is_read_or_not_known(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut table = Table::new();
        join(&mut table, &client("c", 3), &request(bytes.into()));
        table.fire_until(std::time::Duration::from_secs(3)).unwrap();
        let group = table.group.as_ref().unwrap();
        prop_assert_eq!(group.state().name(), "CompletingRebalance");
        let _ = group.is_subscribed_to("orders");
    }
}
