//! `DeleteTopics`, key 20, versions 1-6. Above: request::router. Below: controller, metadata.
//! Deletes topics by name, or from version 6 on by name or id; answered after this broker's image has lost them. Every
//! item is echoed (rule A2). The folders go in the background.
//! Left out: quotas on changes.

use super::{Context, Reply, Staged, deadline_of};
use crate::controller::{ApiError, CallOptions, DeletedTopic, TopicSelector};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
    },
    model::TopicId,
};
use std::sync::Arc;

pub(crate) fn handle(context: &Context<'_>, request: DeleteTopicsRequest) -> Staged<DeleteTopicsResponse> {
    // authorise: everyone may until there are access rules
    let services = Arc::clone(context.services);
    let options = CallOptions { deadline: deadline_of(&services, request.timeout_ms), request_id: None };
    let enabled = services.config.topics.delete_enabled;
    Staged::later(async move {
        // validate
        let by_name = request
            .topic_names
            .into_iter()
            .map(|name| DeleteTopicState { name: Some(name), topic_id: TopicId::NONE });
        let wanted: Vec<DeleteTopicState> = request.topics.into_iter().chain(by_name).collect();
        let mut responses = Vec::with_capacity(wanted.len());
        let mut selected = Vec::new();
        for item in wanted {
            match selector(&item, enabled) {
                Ok(selector) => selected.push((item, selector)),
                Err((code, message)) => responses.push(refused(item.name, item.topic_id, code, message)),
            }
        }
        // act
        let topics = selected.iter().map(|(_, selector)| selector.clone()).collect();
        let answers = services.controller.delete_topics(topics, options).await;
        // answer
        responses.extend(selected.into_iter().zip(answers).map(|((item, _), answer)| result(item, answer)));
        Reply::from(DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() })
    })
}

fn selector(item: &DeleteTopicState, enabled: bool) -> Result<TopicSelector, (ErrorCode, &'static str)> {
    if !enabled {
        return Err((
            ErrorCode::TopicDeletionDisabled,
            "Topic deletion is disabled (delete.topic.enable=false).",
        ));
    }
    match (&item.name, item.topic_id.is_none()) {
        (Some(name), true) => Ok(TopicSelector::Name(name.as_str().into())),
        (None, false) => Ok(TopicSelector::Id(item.topic_id)),
        (Some(_), false) => {
            Err((ErrorCode::InvalidRequest, "You may not specify both topic name and topic id."))
        }
        (None, true) => Err((ErrorCode::InvalidRequest, "Neither topic name nor id were specified.")),
    }
}

fn result(item: DeleteTopicState, answer: Result<DeletedTopic, ApiError>) -> DeletableTopicResult {
    match answer {
        Ok(deleted) => DeletableTopicResult {
            name: Some((*deleted.name).into()),
            topic_id: deleted.topic_id,
            ..DeletableTopicResult::default()
        },
        Err(error) => refused(item.name, item.topic_id, error.code, &error.message),
    }
}

fn refused(
    name: Option<TopicName>,
    topic_id: TopicId,
    code: ErrorCode,
    message: &str,
) -> DeletableTopicResult {
    DeletableTopicResult {
        name: name.map(|name| name.detached()),
        topic_id,
        error_code: code.code(),
        error_message: Some(message.into()),
    }
}
