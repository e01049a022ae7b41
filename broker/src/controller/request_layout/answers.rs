//! Answers in the form in which the log remembers them, and in which they travel.
//!
//! Pure. Above: `proposer`, `forward`. Below: `request`.

use super::super::{
    ApiError,
    request::{Done, ItemAnswer},
};
use crate::metadata::record::{RequestAnswer, RequestDone};
use mainstem_protocol::{error::ErrorCode, model::Uuid};

/// Answers as the log remembers them.
pub(in crate::controller) fn remember(request_id: Uuid, answers: &[ItemAnswer]) -> RequestDone {
    let answer = |answer: &ItemAnswer| match answer {
        Ok(done) => RequestAnswer {
            error_code: ErrorCode::None.code(),
            error_message: None,
            topic_id: done.topic_id,
            name: done.name.as_ref().into(),
            value: done.value,
            replication_factor: done.replication_factor,
        },
        Err(error) => RequestAnswer {
            error_code: error.code.code(),
            error_message: Some(error.message.as_ref().into()),
            ..RequestAnswer::default()
        },
    };
    RequestDone { request_id, answers: answers.iter().map(answer).collect() }
}

/// The answers that were remembered.
pub(in crate::controller) fn recall(answers: &[RequestAnswer]) -> Vec<ItemAnswer> {
    let answer = |answer: &RequestAnswer| match ErrorCode::from_code(answer.error_code) {
        Some(ErrorCode::None) => Ok(Done {
            topic_id: answer.topic_id,
            name: answer.name.as_str().into(),
            value: answer.value,
            replication_factor: answer.replication_factor,
        }),
        code => {
            let message = answer.error_message.as_deref().unwrap_or_default();
            Err(ApiError::new(code.unwrap_or(ErrorCode::UnknownServerError), message))
        }
    };
    answers.iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::TopicId;

    #[test]
    fn answers_are_recalled_as_they_were() {
        let done = Done { topic_id: TopicId([3; 16]), name: "a".into(), value: 5, replication_factor: 2 };
        let answers = vec![Ok(done), Err(ApiError::new(ErrorCode::InvalidConfig, "no"))];
        assert_eq!(recall(&remember(Uuid([1; 16]), &answers).answers), answers);
    }
}
