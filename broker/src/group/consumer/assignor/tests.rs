//! The assignors against Kafka's own (`testdata/kafka-4.3.1/assignors.txt`), and against what they promise.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn topic(id: u8) -> TopicId {
    let mut bytes = [0; 16];
    bytes[15] = id;
    TopicId(bytes)
}

/// `1:0,1:2` as partitions 0 and 2 of topic 1.
fn partitions(text: &str) -> Partitions {
    let mut all = Partitions::default();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (id, partition) = pair.split_once(':').unwrap();
        all.insert(topic(id.parse().unwrap()), PartitionIndex(partition.parse().unwrap()));
    }
    all
}

/// A line is a group and what Kafka makes of it: assignor, kind of subscription, `topic:partitions`, and for each member
/// id, instance id, `[topics]`, `[target before]`, `[target after]`.
fn vector(line: &str) -> (Assignor, Group, Vec<Partitions>) {
    let mut parts = line.split(" | ");
    let head: Vec<&str> = parts.next().unwrap().split(' ').collect();
    let topics = head[2].split(',').map(|pair| pair.split_once(':').unwrap());
    let mut expected = Vec::new();
    let members = parts.map(|member| {
        let fields: Vec<&str> = member.split(' ').collect();
        let list = |nth: usize| fields[nth].trim_start_matches('[').trim_end_matches(']');
        expected.push(partitions(list(4)));
        MemberSpec {
            id: fields[0].into(),
            instance_id: Some(fields[1]).filter(|id| *id != "-").map(WireStr::from),
            topics: Rc::new(
                list(2).split(',').filter(|id| !id.is_empty()).map(|id| topic(id.parse().unwrap())).collect(),
            ),
            target: Arc::new(partitions(list(3))),
        }
    });
    let group = Group {
        subscription_type: match head[1] {
            "same" => SubscriptionType::Homogeneous,
            _ => SubscriptionType::Heterogeneous,
        },
        members: members.collect(),
        topics: topics.map(|(id, count)| (topic(id.parse().unwrap()), count.parse().unwrap())).collect(),
    };
    (Assignor::by_name(head[0]).unwrap(), group, expected)
}

/// Three hundred groups with a history of members that came, left and changed their mind.
#[test]
fn assignments_are_those_of_kafka() {
    let mut seen = HashMap::new();
    for line in include_str!("../../../../testdata/kafka-4.3.1/assignors.txt").lines() {
        let (assignor, group, expected) = vector(line);
        assert_eq!(assignor.assign(&group), expected, "{line}");
        *seen
            .entry((assignor == Assignor::Range, group.subscription_type == SubscriptionType::Homogeneous))
            .or_insert(0) += 1;
    }
    assert!(seen.len() == 4 && seen.values().all(|count| 10 < *count), "{seen:?}");
}

/// Members with subsets of six topics; targets that may be stale, double or about topics that are gone.
fn groups() -> impl Strategy<Value = Group> {
    let member = (any::<u8>(), prop::collection::vec((1..9_u8, 0..9_i32), 0..12));
    (prop::collection::vec(member, 1..8), prop::collection::vec(0..9_i32, 6), any::<bool>()).prop_map(
        |(members, counts, alike)| {
            let same = members.first().map(|(bits, _)| *bits).unwrap_or_default();
            let members = members.iter().enumerate().map(|(nth, (bits, target))| {
                let bits = if alike { same } else { *bits };
                let mut own = Partitions::default();
                for (id, partition) in target {
                    own.insert(topic(*id), PartitionIndex(*partition));
                }
                MemberSpec {
                    id: format!("m{nth}").into(),
                    instance_id: None,
                    topics: Rc::new((1..7).filter(|id| bits & (1 << id) != 0).map(topic).collect()),
                    target: Arc::new(own),
                }
            });
            Group {
                subscription_type: if alike {
                    SubscriptionType::Homogeneous
                } else {
                    SubscriptionType::Heterogeneous
                },
                members: members.collect(),
                topics: (1..7).map(topic).zip(counts).collect(),
            }
        },
    )
}

fn sizes(assignment: &[Partitions]) -> Vec<usize> {
    assignment.iter().map(|own| own.iter().count()).collect()
}

fn with_targets(group: Group, assignment: Vec<Partitions>) -> Group {
    let members = group.members.into_iter().zip(assignment);
    let members = members.map(|(member, target)| MemberSpec { target: Arc::new(target), ..member }).collect();
    Group { members, ..group }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever the targets were before, also targets that make no sense.
    #[test]
    fn every_partition_goes_to_exactly_one_subscriber(group in groups(), range in any::<bool>()) {
        let assignor = if range { Assignor::Range } else { Assignor::Uniform };
        let assignment = assignor.assign(&group);
        prop_assert_eq!(assignment.len(), group.members.len());
        let mut all = BTreeSet::new();
        for (member, own) in group.members.iter().zip(&assignment) {
            for (topic, partition) in own.iter() {
                prop_assert!(member.topics.contains(&topic), "a subscriber");
                prop_assert!(all.insert((topic, partition)), "once");
            }
        }
        let wanted: BTreeSet<_> = group.members.iter().flat_map(|member| member.topics.iter())
            .flat_map(|topic| group.partitions(*topic).map(|partition| (*topic, partition)))
            .collect();
        prop_assert_eq!(all, wanted);
    }

    /// Also when the targets before were out of balance.
    #[test]
    fn uniform_gives_equal_subscribers_equally_many(group in groups()) {
        let assignment = Assignor::Uniform.assign(&group);
        let sizes = sizes(&assignment);
        for (a, one) in group.members.iter().enumerate() {
            for (b, other) in group.members.iter().enumerate() {
                if one.topics == other.topics {
                    prop_assert!(sizes[a].abs_diff(sizes[b]) <= 1, "{:?}", sizes);
                }
            }
        }
    }

    /// A balanced assignment stays as it is, and nothing moves between two members because of a third.
    #[test]
    fn uniform_is_sticky(group in groups()) {
        let first = Assignor::Uniform.assign(&group);
        let group = with_targets(group, first.clone());
        prop_assert_eq!(&Assignor::Uniform.assign(&group), &first, "nothing changed, nothing moves");

        let alike = group.subscription_type == SubscriptionType::Homogeneous;
        if alike && 1 < group.members.len() {
            let mut fewer = group;
            fewer.members.pop();
            let after = Assignor::Uniform.assign(&fewer);
            for (before, after) in first.iter().zip(&after) {
                for (topic, partition) in before.iter() {
                    prop_assert!(after.of(topic).is_some_and(|own| own.contains(&partition)), "kept");
                }
            }
        }
    }

    /// Neighbours, equally many, the first members one more.
    #[test]
    fn range_cuts_each_topic_into_neighbours(group in groups()) {
        let assignment = Assignor::Range.assign(&group);
        for topic in group.topics.keys() {
            let shares: Vec<Vec<i32>> = group.members.iter().zip(&assignment)
                .filter(|(member, _)| member.topics.contains(topic))
                .map(|(_, own)| own.of(*topic).into_iter().flatten().map(|p| p.get()).collect())
                .collect();
            let all: Vec<i32> = shares.iter().flatten().copied().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{:?}", shares);
            let lengths: Vec<_> = shares.iter().map(Vec::len).collect();
            prop_assert!(lengths.windows(2).all(|pair| pair[1] <= pair[0] && pair[0] - pair[1] <= 1));
        }
    }
}
