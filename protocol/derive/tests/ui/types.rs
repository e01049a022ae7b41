//! A field whose type has no place in a message, and a request without its response.

use mainstem_protocol::message::Message;

#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 1, side = "request", versions = 0..=1)]
struct LonelyRequest {
    a: i32,
}

fn main() {}
