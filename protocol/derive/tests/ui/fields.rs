//! Attributes of fields that contradict each other, the type or the message.

use mainstem_protocol::{message::Message, wire::WireStr};

#[derive(Clone, Debug, PartialEq, Message)]
struct NullNowhere {
    a: Option<WireStr>,
}

#[derive(Clone, Debug, PartialEq, Message)]
struct NullWithoutOption {
    #[wire(nullable)]
    a: WireStr,
}

#[derive(Clone, Debug, PartialEq, Message)]
struct NullTooEarly {
    #[wire(since = 3, nullable = 2)]
    a: Option<WireStr>,
}

#[derive(Clone, Debug, PartialEq, Message)]
struct NeverThere {
    #[wire(since = 3, until = 2)]
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
struct SameTag {
    #[wire(tag = 0)]
    a: i32,
    #[wire(tag = 0)]
    b: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
struct StrangeAttribute {
    #[wire(ignore)]
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
struct GivenTwice {
    #[wire(ignorable, ignorable)]
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[record(versions = 0..=1)]
struct TagWithoutFlexible {
    #[wire(tag = 0)]
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[record(versions = 0..=1)]
struct BeyondTheMessage {
    #[wire(since = 2)]
    a: i32,
}

fn main() {}
