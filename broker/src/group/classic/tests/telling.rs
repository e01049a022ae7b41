//! What happened to a group, in the words of the transcripts.

use super::{
    super::ClassicState,
    table::{Happened, Table},
};
use crate::{
    env::Moment,
    group::{
        GroupAnswer, GroupRecord, GroupTimer,
        membership::{ExpirySince, Membership},
    },
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{internal::classic_group::GroupMetadataValue, join_group::JoinGroupResponse},
    wire::WireStr,
};
use std::fmt::{Display, Write};

pub(super) fn tell(table: &Table, before: Option<(ClassicState, i32)>, happened: &Happened) -> String {
    let mut told = String::new();
    for (ticket, answer) in &happened.answers {
        let _ = writeln!(told, "@{} {}", ticket.0, answer_text(answer));
    }
    for record in &happened.records {
        let GroupRecord::Classic(_, value) = record else { panic!("not a classic group") };
        let _ = writeln!(told, "record {}", value.as_ref().map_or_else(|| "deleted".into(), record_text));
    }
    for (timer, deadline) in &happened.timers {
        let span = deadline.map(|at| format!("{:?}", at.since(Moment::ZERO.after(table.now))));
        let _ = writeln!(told, "timer {} {}", name(timer), span.as_deref().unwrap_or("off"));
    }
    if before != table.state() {
        let state = table.state().map(|(state, generation)| format!("{} {generation}", state.name()));
        let _ = writeln!(told, "-> {}", state.as_deref().unwrap_or("nothing"));
    }
    short(&told)
}

pub(super) fn name(timer: &GroupTimer) -> String {
    match timer {
        GroupTimer::ClassicSession { member, .. } => short(&format!("session {member}")),
        GroupTimer::ClassicJoin { .. } => "join".into(),
        GroupTimer::ClassicSync { .. } => "sync".into(),
        other => panic!("not a timer of classic groups: {other:?}"),
    }
}

fn answer_text(answer: &GroupAnswer) -> String {
    match answer {
        GroupAnswer::Join(join) if join.error_code != 0 => {
            let protocol = or_dash(join.protocol_name.as_ref());
            format!("{} member={} protocol={protocol}", code(join.error_code), join.member_id)
        }
        GroupAnswer::Join(join) => joined_text(join),
        GroupAnswer::Sync(sync) => {
            let kind = or_dash(sync.protocol_type.as_ref());
            let protocol = or_dash(sync.protocol_name.as_ref());
            format!("{} {kind}/{protocol} part={}", code(sync.error_code), shown(&sync.assignment))
        }
        GroupAnswer::Heartbeat(heartbeat) => code(heartbeat.error_code).into(),
        GroupAnswer::Leave(leave) => {
            let members = leave.members.iter().map(|member| {
                let instance = member.group_instance_id.as_ref().map(|id| format!("/{id}"));
                format!("{}{}={}", member.member_id, instance.unwrap_or_default(), code(member.error_code))
            });
            format!("{} {}", code(leave.error_code), list(members))
        }
        other => panic!("not an answer of classic groups: {other:?}"),
    }
}

fn joined_text(join: &JoinGroupResponse) -> String {
    let members = join.members.iter().map(|member| {
        let instance = member.group_instance_id.as_ref().map(|id| format!("/{id}"));
        format!("{}{}:{}", member.member_id, instance.unwrap_or_default(), shown(&member.metadata))
    });
    format!(
        "NONE gen={} {}/{} leader={} member={} members=[{}]{}",
        join.generation_id,
        or_dash(join.protocol_type.as_ref()),
        or_dash(join.protocol_name.as_ref()),
        join.leader,
        join.member_id,
        list(members),
        if join.skip_assignment { " skip" } else { "" }
    )
}

fn record_text(value: &GroupMetadataValue) -> String {
    let members = value.members.iter().map(|member| {
        let instance = member.group_instance_id.as_ref().map(|id| format!("/{id}"));
        format!(
            "{}{}:{}:{}",
            member.member_id,
            instance.unwrap_or_default(),
            shown(&member.subscription),
            shown(&member.assignment)
        )
    });
    format!(
        "gen={} {}/{} leader={} [{}]",
        value.generation,
        or_dash(Some(&value.protocol_type)),
        or_dash(value.protocol.as_ref()),
        or_dash(value.leader.as_ref()),
        list(members)
    )
}

/// What others see of the group.
pub(super) fn show(table: &Table) -> String {
    let Some(group) = &table.group else { return "nothing\n".into() };
    let described = group.described();
    let members = described.members.iter().map(|member| {
        let (metadata, part) = (shown(&member.member_metadata), shown(&member.member_assignment));
        let instance = member.group_instance_id.as_ref().map(|id| format!("/{id}"));
        format!("{}{} {metadata} {part}\n", member.member_id, instance.unwrap_or_default())
    });
    let members: String = members.collect();
    let waits = described.error_message.as_ref().map(|waits| format!("{waits}\n")).unwrap_or_default();
    let listed = group.listed();
    let simple = if group.is_simple() { " simple" } else { "" };
    let expiry = match group.expiry() {
        None => "kept".into(),
        Some(ExpirySince::Commit) => "from commit".into(),
        Some(ExpirySince::Empty(since)) => format!("from empty at {since}"),
    };
    let topics = group.topics.as_ref().map_or_else(|| "unknown".into(), list);
    short(&format!(
        "{} {}/{} offsets {} topics {topics}{simple}\n{members}{waits}",
        listed.group_state,
        or_dash(Some(&listed.protocol_type)),
        or_dash(Some(&described.protocol_data)),
        expiry,
    ))
}

/// Ids as a transcript has them, wherever they stand in a text: `app#1`.
fn short(text: &str) -> String {
    const ZEROS: &str = "-00000000-0000-0000-0000-";
    let mut told = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(ZEROS) {
        let number = &rest[at + ZEROS.len()..at + ZEROS.len() + 12];
        let _ = write!(told, "{}#{}", &rest[..at], u64::from_str_radix(number, 16).unwrap());
        rest = &rest[at + ZEROS.len() + 12..];
    }
    told + rest
}

fn shown(bytes: &Bytes) -> String {
    match bytes.len() {
        0 => "-".into(),
        len if 40 < len || bytes.contains(&0) => format!("({len} bytes)"),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn code(code: i16) -> &'static str {
    ErrorCode::from_code(code).unwrap().name()
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

fn or_dash(text: Option<&WireStr>) -> &str {
    text.map_or("-", |text| if text.is_empty() { "''" } else { text.as_str() })
}
