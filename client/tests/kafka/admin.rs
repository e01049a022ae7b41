//! Admin calls against a real broker.

use std::collections::BTreeMap;

use mainstem_client::admin::{
    Apply, ConfigAlteration, ConfigChange, ConfigResource, ConfigSource, NewPartitions, NewTopic, OffsetAt,
    ResourceKind,
};
use mainstem_client::consumer::IsolationLevel;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::{PartitionIndex, Timestamp, TopicPartition};

use super::{fresh_topic, with_kafka};

#[test]
fn a_topic_lives_from_creation_to_deletion() {
    with_kafka(|kafka| async move {
        let admin = kafka.admin();
        let name = fresh_topic("life");
        let new = NewTopic {
            partitions: Some(2),
            replication_factor: Some(1),
            configs: BTreeMap::from([("retention.ms".to_owned(), "12345".to_owned())]),
            ..NewTopic::new(&name)
        };
        let checked = admin.create_topics(std::slice::from_ref(&new), Apply::ValidateOnly).await.unwrap();
        checked[0].1.as_ref().unwrap();
        let created =
            admin.create_topics(&[new.clone(), NewTopic::new("bad/name")], Apply::Change).await.unwrap();
        let find = |wanted: &str| created.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
        assert_eq!(find(&name).unwrap().partitions, Some(2));
        assert_eq!(find("bad/name").unwrap_err().known(), Some(ErrorCode::InvalidTopicException));
        let again = admin.create_topics(&[new], Apply::Change).await.unwrap();
        assert_eq!(again[0].1.as_ref().unwrap_err().known(), Some(ErrorCode::TopicAlreadyExists));

        let more = NewPartitions { topic: name.clone(), total: 3, assignments: Vec::new() };
        admin.create_partitions(&[more], Apply::Change).await.unwrap()[0].1.as_ref().unwrap();
        // a busy Kafka shows the new partition a moment later
        let mut described = Vec::new();
        for _ in 0..100 {
            described = admin.describe_topics(&[name.clone(), "no-such-topic".into()]).await.unwrap();
            if described[0].1.as_ref().unwrap().partitions.len() == 3 {
                break;
            }
        }
        let topic = described[0].1.as_ref().unwrap();
        assert_eq!(topic.partitions.len(), 3);
        assert!(!topic.id.is_none() && topic.partition(2).unwrap().leader.is_some());
        assert_eq!(described[1].1.as_ref().unwrap_err().known(), Some(ErrorCode::UnknownTopicOrPartition));
        assert!(admin.list_topics().await.unwrap().iter().any(|topic| *topic.name == *name));

        let deleted = admin.delete_topics(&[name.clone(), "no-such-topic".into()]).await.unwrap();
        let find = |wanted: &str| deleted.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
        find(&name).unwrap();
        assert_eq!(find("no-such-topic").unwrap_err().known(), Some(ErrorCode::UnknownTopicOrPartition));
    });
}

#[test]
fn configs_are_described_and_changed_one_by_one() {
    with_kafka(|kafka| async move {
        let admin = kafka.admin();
        let name = fresh_topic("configs");
        admin.create_topics(&[NewTopic::new(&name)], Apply::Change).await.unwrap()[0].1.as_ref().unwrap();
        let resource = ConfigResource { kind: ResourceKind::Topic, name };
        let set = |name: &str, value: &str| ConfigChange {
            name: name.into(),
            alteration: ConfigAlteration::Set(value.into()),
        };
        let changes = vec![set("retention.ms", "777"), set("cleanup.policy", "compact")];
        let altered = admin.alter_configs(&[(resource.clone(), changes)], Apply::Change).await.unwrap();
        altered[0].1.as_ref().unwrap();
        let append = ConfigChange {
            name: "cleanup.policy".into(),
            alteration: ConfigAlteration::Append("delete".into()),
        };
        admin.alter_configs(&[(resource.clone(), vec![append])], Apply::Change).await.unwrap()[0]
            .1
            .as_ref()
            .unwrap();
        // Kafka's brokers hear of a change after its answer: ask until they have.
        let mut described = Vec::new();
        for _ in 0..1000 {
            described = admin.describe_configs(std::slice::from_ref(&resource), None, true).await.unwrap();
            let entries = described[0].1.as_ref().unwrap();
            if entries.iter().any(|entry| entry.value.as_deref() == Some("compact,delete")) {
                break;
            }
        }
        let entries = described[0].1.as_ref().unwrap();
        let find = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(find("retention.ms").value.as_deref(), Some("777"));
        assert_eq!(find("retention.ms").source, ConfigSource::Topic);
        assert_eq!(find("cleanup.policy").value.as_deref(), Some("compact,delete"));
        assert!(find("segment.bytes").documentation.is_some());
        let wrong = admin
            .alter_configs(&[(resource, vec![set("retention.ms", "no number")])], Apply::ValidateOnly)
            .await
            .unwrap();
        assert_eq!(wrong[0].1.as_ref().unwrap_err().known(), Some(ErrorCode::InvalidConfig));
    });
}

#[test]
fn the_cluster_and_its_brokers_are_described() {
    with_kafka(|kafka| async move {
        let admin = kafka.admin();
        let cluster = admin.describe_cluster().await.unwrap();
        assert!(cluster.cluster_id.is_some() && cluster.controller_id.is_some() && !cluster.nodes.is_empty());
        for (_, versions) in admin.api_versions().await.unwrap() {
            assert!(30 < versions.unwrap().versions.api_keys.len());
        }
        for (_, directories) in admin.describe_log_directories().await.unwrap() {
            assert!(!directories.unwrap().is_empty());
        }
        let id = cluster.nodes[0].id.to_string();
        let broker = ConfigResource { kind: ResourceKind::Broker, name: id };
        let described = admin.describe_configs(&[broker], Some(&["log.dirs".into()]), false).await.unwrap();
        assert_eq!(described[0].1.as_ref().unwrap().len(), 1);
    });
}

#[test]
fn offsets_of_an_empty_topic_are_its_ends() {
    with_kafka(|kafka| async move {
        let admin = kafka.admin();
        let name = fresh_topic("offsets");
        let new = NewTopic { partitions: Some(2), ..NewTopic::new(&name) };
        admin.create_topics(&[new], Apply::Change).await.unwrap()[0].1.as_ref().unwrap();
        let partition = |index| TopicPartition::new(name.as_str(), PartitionIndex(index));
        let wanted = [
            (partition(0), OffsetAt::Latest),
            (partition(1), OffsetAt::Timestamp(Timestamp(0))),
            (partition(9), OffsetAt::Latest),
        ];
        let found = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
        assert_eq!(found[0].1.as_ref().unwrap().offset, Some(0.into()));
        assert_eq!(found[1].1.as_ref().unwrap().offset, None);
        assert!(found[2].1.as_ref().unwrap_err().to_string().contains("no partition 9"));
        let producers = admin.describe_producers(&[partition(0)]).await;
        assert!(producers[0].1.as_ref().unwrap().is_empty());
        let trimmed = admin.delete_records(&[(partition(0), None)]).await;
        assert_eq!(*trimmed[0].1.as_ref().unwrap(), 0.into());
    });
}
