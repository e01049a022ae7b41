//! Names that must not be mistaken for one another.

use crate::wire::string_newtype;

string_newtype! {
    /// Name of a topic, as sent: not yet checked for legal characters or existence.
    TopicName
}

string_newtype! {
    /// Id of a consumer, share or streams group, as sent. Empty is legal in some requests.
    GroupId
}
