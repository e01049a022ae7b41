//! DeleteTopics, by name or by id. Pure; above: `decide`.

use super::{Decision, refuse};
use crate::{
    controller::request::{Done, TopicSelector},
    metadata::{MetadataImage, record::RemoveTopic},
};
use mainstem_protocol::{error::ErrorCode, model::TopicId};
use std::{collections::BTreeMap, sync::Arc};

pub(super) fn decide(image: &MetadataImage, topics: &[TopicSelector]) -> Decision {
    let find = |selector: &TopicSelector| match selector {
        TopicSelector::Name(name) => image.topics.by_name(name),
        TopicSelector::Id(id) => image.topics.by_id(*id),
    };
    let mut named: BTreeMap<TopicId, usize> = BTreeMap::new();
    for topic in topics.iter().filter_map(find) {
        *named.entry(topic.id).or_default() += 1;
    }
    let mut decision = Decision::default();
    for selector in topics {
        let answer = match (find(selector), selector) {
            (Some(topic), _) if named.get(&topic.id).is_some_and(|times| 1 < *times) => {
                refuse(ErrorCode::InvalidRequest, "Duplicate topic in request.")
            }
            (Some(topic), _) => {
                decision.records.push(RemoveTopic { topic_id: topic.id }.into());
                Ok(Done { topic_id: topic.id, name: Arc::clone(&topic.name), ..Done::default() })
            }
            (None, TopicSelector::Name(_)) => {
                refuse(ErrorCode::UnknownTopicOrPartition, ErrorCode::UnknownTopicOrPartition.text())
            }
            (None, TopicSelector::Id(_)) => {
                refuse(ErrorCode::UnknownTopicId, ErrorCode::UnknownTopicId.text())
            }
        };
        decision.answers.push(answer);
    }
    decision
}
