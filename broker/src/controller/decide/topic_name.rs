//! Which names a topic may have. Pure; above: `create_topics`.

use super::refuse;
use crate::{controller::ApiError, metadata::MetadataImage};
use mainstem_protocol::error::ErrorCode;

/// Longest name, in characters: partition folders add an index and stay below 255 bytes.
const NAME_LEN_MAX: usize = 249;

/// Checks a name for itself.
pub(crate) fn check(name: &str) -> Result<(), ApiError> {
    let invalid =
        |reason: String| refuse(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {reason}"));
    if name.is_empty() {
        return invalid("the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return invalid("'.' or '..' is not allowed".to_owned());
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return invalid(format!(
            "'{}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            shown(name)
        ));
    }
    if NAME_LEN_MAX < name.len() {
        return invalid(format!(
            "the length of '{}' is longer than the max allowed length {NAME_LEN_MAX}",
            shown(name)
        ));
    }
    Ok(())
}

/// A name in a message: a hostile one may be of any length.
fn shown(name: &str) -> String {
    name.chars().take(NAME_LEN_MAX + 1).collect()
}

/// Checks a legal name against the topics that exist. Names that differ only in `.` and `_` would share metrics.
pub(in crate::controller) fn check_free(image: &MetadataImage, name: &str) -> Result<(), ApiError> {
    if image.topics.by_name(name).is_some() {
        return refuse(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists."));
    }
    if let Some(other) = colliding(image, name) {
        return refuse(
            ErrorCode::InvalidTopicException,
            format!("Topic '{name}' collides with existing topic: {other}"),
        );
    }
    Ok(())
}

/// A topic whose name equals this one but for `.` and `_`.
fn colliding<'a>(image: &'a MetadataImage, name: &str) -> Option<&'a str> {
    let mixed = |byte: u8| if byte == b'.' { b'_' } else { byte };
    // Names are sorted: whoever collides shares what stands before the first '.' or '_'.
    let stem_len = name.bytes().position(|byte| matches!(byte, b'.' | b'_'))?;
    let stem = name.get(..stem_len)?;
    let candidates = image.topics.iter_from(stem).take_while(|topic| topic.name.starts_with(stem));
    candidates
        .map(|topic| topic.name.as_ref())
        .find(|other| other.len() == name.len() && other.bytes().map(mixed).eq(name.bytes().map(mixed)))
}
