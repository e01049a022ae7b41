//! What administrators ask: which groups there are, what they are like, and that they go.
//!
//! Above: the machine. Below: the two kinds of group, offsets.

use super::{
    Client, GroupAnswer, GroupStep,
    kind::Group,
    machine::{Around, GroupMachine},
};
use crate::coordinator::{Step, Ticket};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        consumer_group_describe::{
            ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup as DescribedConsumers,
        },
        delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup},
        list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup},
    },
    wire::WireStr,
};

/// First version of DescribeGroups that has an error for a group that is not there.
const KNOWS_MISSING_GROUPS: i16 = 6;

impl GroupMachine {
    /// ListGroups: names in any case, as Kafka takes them.
    pub(super) fn list(&self, request: &ListGroupsRequest, ticket: Ticket) -> GroupStep {
        let only_offsets =
            self.offsets.groups().filter(|id| !self.groups.contains_key(&***id)).map(|id| simple(id));
        let groups = self.groups.values().map(Group::listed).chain(only_offsets).filter(|group| {
            is_wanted(&request.states_filter, &group.group_state)
                && is_wanted(&request.types_filter, &group.group_type)
        });
        let response = ListGroupsResponse { groups: groups.collect(), ..ListGroupsResponse::default() };
        Step::answer(ticket, GroupAnswer::List(response))
    }

    /// DescribeGroups: classic groups, and those of which only offsets are known.
    pub(super) fn describe(
        &self,
        client: &Client,
        request: &DescribeGroupsRequest,
        ticket: Ticket,
    ) -> GroupStep {
        let groups = request.groups.iter().map(|id| match self.groups.get(&**id) {
            Some(Group::Classic(group)) => group.described(),
            Some(Group::Consumer(_)) => {
                not_described(client, id, format!("Group {id} is not a classic group."))
            }
            None if self.offsets.has_group(id) => DescribedGroup {
                group_id: id.detached(),
                group_state: "Empty".into(),
                ..DescribedGroup::default()
            },
            None => not_described(client, id, format!("Group {id} not found.")),
        });
        let response =
            DescribeGroupsResponse { groups: groups.collect(), ..DescribeGroupsResponse::default() };
        Step::answer(ticket, GroupAnswer::Describe(response))
    }

    /// ConsumerGroupDescribe.
    pub(super) fn describe_consumers(
        &self,
        request: &ConsumerGroupDescribeRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let not_described = |id: &str, message: String| DescribedConsumers {
            group_id: id.into(),
            error_code: ErrorCode::GroupIdNotFound.code(),
            error_message: Some(message.into()),
            ..DescribedConsumers::default()
        };
        let groups = request.group_ids.iter().map(|id| match self.groups.get(&**id) {
            Some(Group::Consumer(group)) => group.described(around),
            None if !self.offsets.has_group(id) => not_described(id, format!("Group {id} not found.")),
            Some(Group::Classic(_)) | None => {
                not_described(id, format!("Group {id} is not a consumer group."))
            }
        });
        let response = ConsumerGroupDescribeResponse {
            groups: groups.collect(),
            ..ConsumerGroupDescribeResponse::default()
        };
        Step::answer(ticket, GroupAnswer::ConsumerDescribe(response))
    }

    /// DeleteGroups: groups without members, with their offsets.
    pub(super) fn delete(&mut self, request: &DeleteGroupsRequest, ticket: Ticket) -> GroupStep {
        let mut step = Step::none();
        let mut results = Vec::with_capacity(request.groups_names.len());
        for id in &request.groups_names {
            let outcome = self.delete_one(id).map(|deleted| step.and(deleted));
            let error_code = outcome.err().unwrap_or(ErrorCode::None).code();
            results.push(DeletableGroupResult { group_id: id.detached(), error_code });
        }
        let response = DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() };
        step.and(Step::answer(ticket, GroupAnswer::Delete(response)));
        step
    }

    fn delete_one(&mut self, id: &str) -> Result<GroupStep, ErrorCode> {
        let deleted = match self.groups.get_mut(id) {
            Some(group) => group.delete()?,
            None if self.offsets.has_group(id) => Step::none(),
            None => return Err(ErrorCode::GroupIdNotFound),
        };
        // Positions first: as long as the group itself is there, a deletion that was cut short can be asked for again.
        let mut step =
            GroupStep { records: self.offsets.delete_all(id), may_be_parted: true, ..Step::none() };
        step.and(deleted);
        Ok(step)
    }
}

/// A group of which only offsets are known.
fn simple(id: &str) -> ListedGroup {
    ListedGroup {
        group_id: id.into(),
        protocol_type: WireStr::default(),
        group_state: "Empty".into(),
        group_type: "classic".into(),
    }
}

fn is_wanted(filter: &[WireStr], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

/// A group that is not there is dead; from some version on that is an error too (KIP-1043).
fn not_described(client: &Client, id: &str, message: String) -> DescribedGroup {
    let is_error = KNOWS_MISSING_GROUPS <= client.version;
    DescribedGroup {
        group_id: id.into(),
        group_state: "Dead".into(),
        error_code: if is_error { ErrorCode::GroupIdNotFound } else { ErrorCode::None }.code(),
        error_message: is_error.then(|| message.into()),
        ..DescribedGroup::default()
    }
}
