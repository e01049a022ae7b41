//! Assignments equal to those of Kafka's Java client.
//!
//! `testdata/kafka-clients-4.3.1.jsonl` was printed by `testdata/Vectors.java` with the assignor classes of kafka-clients
//! 4.3.1: random groups that members join and leave, topics that grow, members that missed a generation.

use super::*;
use mainstem_protocol::model::PartitionIndex;
use serde_json::Value;

fn partitions(list: &Value) -> Vec<TopicPartition> {
    let list = list.as_array().unwrap().iter();
    let mut partitions: Vec<_> = list
        .map(|pair| {
            let index = i32::try_from(pair[1].as_i64().unwrap()).unwrap();
            TopicPartition::new(pair[0].as_str().unwrap(), PartitionIndex(index))
        })
        .collect();
    partitions.sort();
    partitions
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn member(value: &Value) -> GroupMember {
    let hex = value["user_data"].as_str();
    let bytes = hex.map(|hex| {
        let at = (0..hex.len()).step_by(2);
        at.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect::<Vec<_>>()
    });
    GroupMember {
        member_id: text(&value["id"]).unwrap(),
        instance_id: text(&value["instance"]),
        topics: value["topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|topic| topic.as_str().unwrap().into())
            .collect(),
        owned: partitions(&value["owned"]),
        generation: i32::try_from(value["generation"].as_i64().unwrap()).unwrap(),
        rack: text(&value["rack"]),
        user_data: bytes.map(Bytes::from),
    }
}

#[track_caller]
fn check(lines: &str) {
    let mut wrong = Vec::new();
    for (number, line) in lines.lines().enumerate() {
        let case: Value = serde_json::from_str(line).unwrap();
        let assignor = by_name(case["assignor"].as_str().unwrap()).unwrap();
        let racks = case["racks"].as_u64().unwrap();
        let topics: GroupTopics = case["topics"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(topic, count)| {
                let replica = |at: u64| at.checked_rem(racks).map(|rack| Arc::from(format!("rack{rack}")));
                let partitions = (0..count.as_u64().unwrap()).map(|at| replica(at).into_iter().collect());
                (Arc::from(topic.as_str()), partitions.collect())
            })
            .collect();
        let members: Vec<_> = case["members"].as_array().unwrap().iter().map(member).collect();
        let mut got = assignor.assign(&topics, &members);
        for list in got.values_mut() {
            list.sort();
        }
        let expected = case["assignment"].as_object().unwrap();
        let expected: GroupAssignment =
            expected.iter().map(|(id, list)| (id.clone(), partitions(list))).collect();
        // The Java client hands a partition back to a former owner that no longer subscribes to its topic. We do not.
        let foreign = members.iter().any(|member| {
            expected[&member.member_id].iter().any(|partition| !member.topics.contains(&partition.topic))
        });
        if foreign {
            let mut ours = members.iter().flat_map(|member| {
                got[&member.member_id].iter().map(|partition| member.topics.contains(&partition.topic))
            });
            assert!(ours.all(|subscribed| subscribed), "line {}", number + 1);
        } else if got != expected {
            wrong.push(format!(
                "line {}: {}\n  got {got:?}\n  not {expected:?}",
                number + 1,
                assignor.name()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn assignments_are_those_of_the_java_client() {
    check(include_str!("testdata/kafka-clients-4.3.1.jsonl"));
}

#[test]
fn user_data_is_that_of_the_java_client() {
    for line in include_str!("testdata/kafka-clients-4.3.1.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let assignor = by_name(case["assignor"].as_str().unwrap()).unwrap();
        for member in case["members"].as_array().unwrap().iter().map(member) {
            let last = (0 <= member.generation).then_some((&*member.owned, member.generation));
            let told = assignor.user_data(last);
            // The Java client writes topics in the order of a hash map: same bytes, other order.
            let sorted = |bytes: &Option<Bytes>| {
                bytes.as_ref().map(|bytes| {
                    let mut bytes = bytes.to_vec();
                    bytes.sort_unstable();
                    bytes
                })
            };
            assert_eq!(sorted(&told), sorted(&member.user_data), "{}", assignor.name());
        }
    }
}
