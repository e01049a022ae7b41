//! Attributes of a message that contradict each other or lack something.

use mainstem_protocol::message::Message;

#[derive(Clone, Debug, PartialEq, Message)]
#[api(side = "request", versions = 0..=1)]
struct KeylessRequest {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, side = "answer", versions = 0..=1)]
struct SidelessResponse {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, side = "response", versions = 0..=1)]
struct Unnamed {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, side = "response", versions = 0..2)]
struct OpenResponse {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, side = "response", versions = 2..=1)]
struct EmptyResponse {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, key = 2, side = "response", versions = 0..=1)]
struct TwiceResponse {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, side = "response", versions = 0..=1, compact = 1)]
struct StrangeResponse {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, side = "response", versions = 0..=1)]
#[record(topic = "__topic", key = 1)]
struct BothResponse {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[record(topic = "__topic", versions = 0..=1)]
struct TypelessValue {
    a: i32,
}

#[derive(Clone, Debug, PartialEq, Message)]
#[record(topic = "__topic", key = 1, flexible = 0)]
struct FlexibleKey {
    a: i32,
}

fn main() {}
