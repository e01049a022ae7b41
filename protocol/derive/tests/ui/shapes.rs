//! Types that cannot be messages.

use mainstem_protocol::message::Message;

#[derive(Clone, Debug, PartialEq, Message)]
enum Choice {
    A,
}

#[derive(Clone, Debug, PartialEq, Message)]
struct Tuple(i32);

#[derive(Clone, Debug, PartialEq, Message)]
struct Generic<T> {
    a: T,
}

fn main() {}
