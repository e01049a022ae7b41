//! Rules of classic groups as transcripts (`testdata/classic_groups/*.txt`).
//!
//! A transcript is a list of events, each behind `>`; below each stands what it led to: `@n` the answer to the n-th request,
//! `record`, `timer` with how long it runs, `->` the state when it changed. `app#1` is the id made of `app` and the first
//! random id. Lines with `#` at their start are for the reader. `MAINSTEM_REWRITE=1` writes the files anew; the difference
//! is then reviewed as behaviour.

use super::{
    table::{Happened, Table},
    telling::{name, show, tell},
};
use crate::group::{Client, membership::Committer};
use bytes::Bytes;
use mainstem_protocol::{
    message::encode_versioned,
    messages::{
        blob::consumer_protocol::ConsumerProtocolSubscription,
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment},
    },
    wire::WireStr,
};
use std::{collections::BTreeMap, fmt::Write, path::Path, time::Duration};

/// The words of a command: those with `=` by name, the others in order.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn new(command: &'a str) -> Self {
        let (named, plain): (Vec<&str>, Vec<&str>) =
            command.split_whitespace().partition(|word| word.contains('='));
        Self { plain, named: named.into_iter().filter_map(|word| word.split_once('=')).collect() }
    }

    fn text(&self, name: &str, default: &'a str) -> &'a str {
        self.named.get(name).copied().unwrap_or(default)
    }

    fn id(&self, name: &str) -> WireStr {
        long(self.text(name, "")).into()
    }

    fn maybe(&self, name: &str) -> Option<WireStr> {
        self.named.get(name).map(|text| (*text).into())
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.named.get(name).map_or(default, |text| text.parse().ok().unwrap())
    }

    fn ms(&self, name: &str, default: &str) -> i32 {
        let text = self.named.get(name).copied().unwrap_or(default);
        text.strip_prefix('-').map_or_else(
            || i32::try_from(span(text).as_millis()).unwrap(),
            |positive| -i32::try_from(span(positive).as_millis()).unwrap(),
        )
    }

    fn client(&self, version: i16) -> Client {
        Client {
            id: self.text("client", "app").into(),
            host: "/127.0.0.1".into(),
            version: self.number("v", version),
        }
    }
}

fn span(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(ms) => Duration::from_millis(ms.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

/// `app#1` in full.
fn long(name: &str) -> String {
    name.split_once('#').map_or_else(
        || name.to_owned(),
        |(prefix, number)| {
            format!("{prefix}-00000000-0000-0000-0000-{:012x}", number.parse::<u64>().unwrap())
        },
    )
}

/// Bytes in a command: text, or `x*1000` for many of one letter, or `[a+b]` for the subscription of a consumer.
fn bytes(text: &str) -> Bytes {
    if let Some(topics) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let topics = topics.split('+').map(Into::into).collect();
        let subscription = ConsumerProtocolSubscription { topics, ..ConsumerProtocolSubscription::default() };
        return encode_versioned(&subscription, 3).unwrap();
    }
    match text.split_once('*') {
        Some((letter, count)) => letter.repeat(count.parse().unwrap()).into(),
        None => text.to_owned().into(),
    }
}

fn run(table: &mut Table, command: &str) -> String {
    let words = Words::new(command);
    let before = table.state();
    let mut told = String::new();
    let happened = match words.plain[0] {
        "set" => {
            for (name, value) in &words.named {
                match *name {
                    "delay" => table.settings.initial_rebalance_delay = span(value),
                    "size_max" => table.settings.classic_size_max = value.parse().unwrap(),
                    "record_max" => table.settings.record_max = value.parse().unwrap(),
                    _ => panic!("unknown setting {name}"),
                }
            }
            Happened::none()
        }
        "join" => table.join(&words.client(9), &join(&words)),
        "sync" => table.sync(&words.client(5), &sync(&words)),
        "beat" => table.heartbeat(&HeartbeatRequest {
            group_id: "g".into(),
            generation_id: words.number("gen", 1),
            member_id: words.id("member"),
            group_instance_id: words.maybe("instance"),
        }),
        "leave" => table.leave(&words.client(5), &leave(&words)),
        "commit" => {
            let (member, instance) = (words.id("member"), words.maybe("instance"));
            let by = Committer {
                member_id: &member,
                instance_id: instance.as_deref(),
                generation_or_epoch: words.number("gen", -1),
                version: 9,
            };
            let (error, happened) = table.commit(&by, words.plain.contains(&"transaction"));
            let _ = writeln!(told, "{}", error.name());
            happened
        }
        "delete" => {
            let (error, happened) = table.delete();
            let _ = writeln!(told, "{}", error.name());
            happened
        }
        "reload" => table.reload(),
        "let_go" => table.let_go(),
        "came_back" => table.came_back(),
        "wait" => return wait(table, span(words.plain[1])),
        "show" => {
            told.push_str(&show(table));
            Happened::none()
        }
        unknown => panic!("unknown command {unknown}"),
    };
    told.push_str(&tell(table, before, &happened));
    told
}

fn join(words: &Words<'_>) -> JoinGroupRequest {
    let offered = |text: &str| {
        let (name, metadata) = text.split_once(':').unwrap();
        JoinGroupRequestProtocol { name: name.into(), metadata: bytes(metadata) }
    };
    let protocols = words.text("protocols", "range:x");
    JoinGroupRequest {
        group_id: words.text("group", "g").into(),
        session_timeout_ms: words.ms("session", "10s"),
        rebalance_timeout_ms: words.ms("rebalance", "60s"),
        member_id: words.id("member"),
        group_instance_id: words.maybe("instance"),
        protocol_type: words.text("type", "consumer").into(),
        protocols: protocols.split(',').filter(|text| !text.is_empty()).map(offered).collect(),
        reason: None,
    }
}

fn sync(words: &Words<'_>) -> SyncGroupRequest {
    let part = |text: &str| {
        let (member, part) = text.split_once(':').unwrap();
        SyncGroupRequestAssignment { member_id: long(member).into(), assignment: bytes(part) }
    };
    let parts = words.text("parts", "");
    SyncGroupRequest {
        group_id: "g".into(),
        generation_id: words.number("gen", 1),
        member_id: words.id("member"),
        group_instance_id: words.maybe("instance"),
        protocol_type: words.maybe("type"),
        protocol_name: words.maybe("protocol"),
        assignments: parts.split(',').filter(|text| !text.is_empty()).map(part).collect(),
    }
}

fn leave(words: &Words<'_>) -> LeaveGroupRequest {
    let leaver = |text: &str| {
        let (member, instance) = text.split_once('/').map_or((text, None), |(m, i)| (m, Some(i.into())));
        MemberIdentity { member_id: long(member).into(), group_instance_id: instance, reason: None }
    };
    let members = words.text("members", "");
    LeaveGroupRequest {
        group_id: "g".into(),
        member_id: words.id("member"),
        members: members.split(',').filter(|text| !text.is_empty()).map(leaver).collect(),
    }
}

/// Time passes; every timer that runs out is told with what it led to.
fn wait(table: &mut Table, span: Duration) -> String {
    let (start, mut told) = (table.now, String::new());
    let until = table.now + span;
    loop {
        let before = table.state();
        let Some((timer, happened)) = table.fire_until(until) else { break };
        let _ = writeln!(told, "after {:?}: {}", table.now.saturating_sub(start), name(&timer));
        told.push_str(&tell(table, before, &happened));
    }
    table.now = until;
    told
}

fn check(name: &str) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/classic_groups").join(format!("{name}.txt"));
    let written = std::fs::read_to_string(&path).unwrap();
    let mut table = Table::new();
    let mut told = String::new();
    for line in written.lines() {
        if line.starts_with('#') || line.is_empty() {
            let _ = writeln!(told, "{line}");
            // A headline begins a story of its own.
            if line.starts_with("# ") && told.ends_with(&format!("\n\n{line}\n")) {
                table = Table::new();
            }
        } else if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(told, "{line}");
            told.push_str(&run(&mut table, command));
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the flag of the transcripts, not a setting of the broker")]
    if std::env::var("MAINSTEM_REWRITE").is_ok() {
        std::fs::write(&path, &told).unwrap();
    }
    let difference = told.lines().zip(written.lines()).find(|(told, written)| told != written);
    assert!(
        told == written,
        "{name}: MAINSTEM_REWRITE=1 writes the transcript anew; the first difference is {difference:?}"
    );
}

#[test]
fn members_join_as_written() {
    check("join");
}

#[test]
fn joins_are_refused_as_written() {
    check("refused_joins");
}

#[test]
fn groups_rebalance_as_written() {
    check("rebalance");
}

#[test]
fn protocols_are_chosen_as_written() {
    check("protocols");
}

#[test]
fn assignments_are_handed_out_as_written() {
    check("sync");
}

#[test]
fn members_live_and_leave_as_written() {
    check("life");
}

#[test]
fn static_members_return_as_written() {
    check("static_members");
}

#[test]
fn sizes_are_kept_as_written() {
    check("sizes");
}

#[test]
fn groups_are_loaded_as_written() {
    check("reload");
}

#[test]
fn groups_are_shown_as_written() {
    check("views");
}

#[test]
fn groups_are_handed_over_as_written() {
    check("handover");
}
