//! docs/api-support.md: what a running broker says it serves, beside what a node of Apache Kafka 4.3.1 says.

use crate::table;
use mainstem_broker::{Broker, config::BrokerConfig};
use mainstem_client::{Kafka, admin::BrokerVersions};
use mainstem_protocol::api::ApiKey;
use mainstem_tests::golden;
use std::{collections::BTreeMap, ops::RangeInclusive};

const INTRODUCTION: &str = "\
# Which APIs are served

What a broker answers to ApiVersions, beside the answer of an Apache Kafka 4.3.1 broker: clients pick the highest version that
both sides have, so an API whose range is the same is used by a client as it would be there. What is not served is not
advertised: a client that asks nevertheless gets UNSUPPORTED_VERSION where its request can be answered at all, else the
connection ends. `mainstem broker api-versions -b HOST:PORT` prints the same of any broker, Kafka's own included.

This page is made from the router's list by a test; [configuration.md](configuration.md) and [metrics.md](metrics.md) are its
sisters.
";

/// APIs of brokers and controllers among themselves, which stand on the broker's listener in Kafka.
const INTERNAL: &[&str] = &[
    "InitializeShareGroupState",
    "ReadShareGroupState",
    "WriteShareGroupState",
    "DeleteShareGroupState",
    "ReadShareGroupStateSummary",
    "WriteTxnMarkers",
];

/// Lowest and highest version by key, of a node of Apache Kafka 4.3.1, and its features.
struct Kafkas {
    apis: BTreeMap<i16, RangeInclusive<i16>>,
    features: BTreeMap<String, RangeInclusive<i16>>,
}

fn kafkas() -> Kafkas {
    let facts: serde_json::Value =
        serde_json::from_str(include_str!("../../data/kafka-4.3.1/api-versions.json")).unwrap();
    let number = |value: &serde_json::Value| value.as_i64().and_then(|n| i16::try_from(n).ok()).unwrap();
    let rows = |list: &str| facts[list].as_array().unwrap().clone();
    let apis = rows("api_keys");
    let features = rows("supported_features");
    Kafkas {
        apis: apis
            .iter()
            .map(|row| (number(&row["key"]), number(&row["min"])..=number(&row["max"])))
            .collect(),
        features: features
            .iter()
            .map(|row| {
                let range = number(&row["min_version"])..=number(&row["max_version"]);
                (row["name"].as_str().unwrap().to_owned(), range)
            })
            .collect(),
    }
}

/// What a broker with nothing configured says of itself.
async fn served() -> BrokerVersions {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig::in_process(folder.path())).await.unwrap();
    let kafka = Kafka::builder(&broker.addresses()[0].to_string()).build().unwrap();
    let mut answers = kafka.admin().api_versions().await.unwrap();
    kafka.close().await;
    broker.shutdown().await;
    answers.remove(0).1.unwrap()
}

fn range(versions: &RangeInclusive<i16>) -> String {
    if versions.start() == versions.end() {
        versions.start().to_string()
    } else {
        format!("{}-{}", versions.start(), versions.end())
    }
}

fn page(served: &BrokerVersions, kafkas: &Kafkas) -> String {
    let ours: BTreeMap<i16, RangeInclusive<i16>> =
        served.versions.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect();
    let mut page = INTRODUCTION.to_owned();

    page.push_str("\n## Served\n\n");
    page.push_str(&table::head(&["API", "key", "served", "Kafka 4.3.1", "versions"]));
    for (key, versions) in &ours {
        let kafka = kafkas.apis.get(key);
        let note = match kafka {
            Some(kafka) if kafka == versions => "the same",
            Some(_) => "differs",
            None => "not on a Kafka broker",
        };
        let kafka = kafka.map_or("-".to_owned(), range);
        let name = ApiKey::new(*key).to_string();
        page.push_str(&table::row(&[&name, &key.to_string(), &range(versions), &kafka, note]));
    }

    let missing = |internal: bool| {
        let mut rows = table::head(&["API", "key", "Kafka 4.3.1"]);
        for (key, versions) in kafkas.apis.iter().filter(|(key, _)| !ours.contains_key(key)) {
            let name = ApiKey::new(*key).name();
            if INTERNAL.contains(&name) == internal {
                rows.push_str(&table::row(&[name, &key.to_string(), &range(versions)]));
            }
        }
        rows
    };
    page.push_str("\n## Not served\n\nOf clients and tools:\n\n");
    page.push_str(&missing(false));
    page.push_str("\nAmong Kafka's own brokers; no client sends them:\n\n");
    page.push_str(&missing(true));

    page.push_str(
        "\n## Features\n\nSupported are the levels that this software knows; finalised is the level of a new cluster.\n\n",
    );
    page.push_str(&table::head(&["feature", "supported", "finalised", "Kafka 4.3.1 supports"]));
    for feature in &served.versions.supported_features {
        let name = feature.name.as_str();
        let finalised = served.versions.finalized_features.iter().find(|one| one.name == feature.name);
        let finalised = finalised.map_or("-".to_owned(), |one| one.max_version_level.to_string());
        let kafka = kafkas.features.get(name).map_or("-".to_owned(), range);
        let supported = range(&(feature.min_version..=feature.max_version));
        page.push_str(&table::row(&[&table::code(name), &supported, &finalised, &kafka]));
    }
    page
}

/// The page says what a broker says; a route added or taken away shows here.
#[tokio::test]
async fn api_support_is_what_a_broker_says() {
    golden::check("docs/api-support.md", &page(&served().await, &kafkas()));
}

/// Nothing is advertised above Kafka 4.3: a client would speak a version that is not defined yet.
#[tokio::test]
async fn no_version_is_served_that_kafka_has_not() {
    let kafkas = kafkas();
    for api in served().await.versions.api_keys {
        let kafka = kafkas.apis.get(&api.api_key);
        assert!(
            kafka.is_some_and(|kafka| kafka.start() <= &api.min_version && &api.max_version <= kafka.end()),
            "{}: {}-{} against {kafka:?}",
            ApiKey::new(api.api_key),
            api.min_version,
            api.max_version
        );
    }
}
