//! docs/configuration.md: every key of the key table, by resource and area, with what becomes of it when it is set.

use crate::table;
use mainstem_broker::config::{
    Unit, bounds,
    keys::{self, Class, Key, Scope, ValueType},
    unserved,
};
use mainstem_tests::golden;

const INTRODUCTION: &str = "\
# Configuration

Settings have Apache Kafka's names (version 4.3); our own begin with `mainstem.`. `mainstem config explain KEY` says the same as
this page about one key, `mainstem config check FILE` says what becomes of each line of a file before a broker is started with it.
Examples that load as they are: [config/](../config/README.md).

## Where settings come from

From weak to strong; DescribeConfigs names the place that a value comes from:

1. the default;
2. the files of `mainstem serve -c FILE`, the last one named being the strongest: `.properties` in Java's syntax, or `.toml` with
   the keys, in quotes, in a table `[kafka]`, and our own without their prefix in `[mainstem]`;
3. the environment: `KAFKA_LOG_RETENTION_MS` or `MAINSTEM_DURABILITY`, where `_` stands for a dot, `__` for an underscore and `___`
   for a dash. `<NAME>_FILE` names a file that holds the value. `CLUSTER_ID` gives an empty data directory its cluster;
4. `--override key=value`;
5. what was set for all brokers while they run (`kafka-configs --entity-type brokers --entity-default`);
6. what was set for one broker while it runs (`--entity-type brokers --entity-name 1`);
7. for a topic, its own configuration.

The columns *changed* say which of 5 to 7 a key takes: `running` any of them, `running: all, one` 5 and 6, `running: all` only 5,
`running: one` only 6, `restart` none. Values are Kafka's plain ones. In files, in the environment and in
overrides, durations may also be written as `90s`, `1h30m` or `7d`, and sizes as `64KiB`, `10MB` or `1GiB`.

## What becomes of a setting

| | |
|---|---|
| honoured | It takes effect. |
| no effect | It is accepted, so that an existing file loads, and changes nothing; `config check` and the log of the start say so. |
| refused | Any value but the default ends the start with exit code 2: to ignore it would lose data or open a door. |
| unknown | A near miss of a known name, and any unknown `mainstem.` name, ends the start. Other names are a warning, since files carry keys of plug-ins along. |

Keys of ZooKeeper, keys that Kafka has removed, and `listener.name.*` are accepted without effect. All faults of a configuration
are told at once, each with key, value, file and line, and what to write instead.

This page is made from the key table in `broker/src/config/keys` by a test.
";

const COLUMNS: &[&str] = &["key", "type", "default", "values", "changed", "meaning"];

fn kind(key: &Key) -> String {
    let kind = key.value_type.word();
    let counted = matches!(key.value_type, ValueType::Int | ValueType::Short | ValueType::Long);
    match Unit::of_key(key.name).filter(|_| counted) {
        None => kind.to_owned(),
        Some(Unit::Millis) => format!("{kind}, ms"),
        Some(Unit::Seconds) => format!("{kind}, s"),
        Some(Unit::Minutes) => format!("{kind}, min"),
        Some(Unit::Hours) => format!("{kind}, h"),
        Some(Unit::Bytes) => format!("{kind}, bytes"),
    }
}

fn default(key: &Key) -> String {
    match key.default {
        None => "none".to_owned(),
        Some("") => "empty".to_owned(),
        Some("9223372036854775807" | "1.7976931348623157E308") => "no limit".to_owned(),
        Some(text) => table::code(text),
    }
}

fn changed(key: &Key) -> &'static str {
    match key.scope {
        Scope::Static => "restart",
        Scope::ClusterWide => "running: all, one",
        Scope::AllBrokers => "running: all",
        Scope::PerBroker => "running: one",
    }
}

fn values(key: &Key) -> String {
    match key.value_type {
        ValueType::Boolean => String::new(),
        _ => bounds(key).unwrap_or_default(),
    }
}

fn keys_in_tables(page: &mut String, keys: &[&Key], changed: impl Fn(&Key) -> &'static str) {
    let class = |wanted: fn(&Class) -> bool| keys.iter().filter(move |key| wanted(&key.class));
    let row = |key: &Key, last: &str| {
        table::row(&[&table::code(key.name), &kind(key), &default(key), &values(key), changed(key), last])
    };
    if class(|class| matches!(class, Class::Honoured)).next().is_some() {
        page.push_str("\nHonoured:\n\n");
        page.push_str(&table::head(COLUMNS));
        for key in class(|class| matches!(class, Class::Honoured)) {
            let unserved = unserved(key).map_or(String::new(), |(words, reason)| {
                format!(" Refused: {} ({reason}).", words.join(", "))
            });
            page.push_str(&row(key, &format!("{}{unserved}", key.doc)));
        }
    }
    for (heading, wanted) in [
        ("No effect", (|class| matches!(class, Class::NoEffect(_))) as fn(&Class) -> bool),
        ("Refused, unless it says the default", |class| matches!(class, Class::Refused(_))),
    ] {
        if class(wanted).next().is_none() {
            continue;
        }
        page.extend(["\n", heading, ":\n\n"]);
        page.push_str(&table::head(&["key", "type", "default", "meaning", "why"]));
        for key in class(wanted) {
            let (Class::NoEffect(reason) | Class::Refused(reason)) = key.class else { continue };
            page.push_str(&table::row(&[&table::code(key.name), &kind(key), &default(key), key.doc, reason]));
        }
    }
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();

    page.push_str(
        "\n## Topics\n\nSet when a topic is created, or later by IncrementalAlterConfigs (`mainstem topic config set`). A topic that \
         does not set a key follows the broker's key that is named below, also when that changes while running.\n",
    );
    let topic: Vec<&Key> = keys::topic_keys().map(|topic_key| &topic_key.key).collect();
    keys_in_tables(&mut page, &topic, |_| "running");
    page.push_str("\nWhere the defaults of topics come from, the first that is set:\n\n");
    page.push_str(&table::head(&["topic key", "broker keys"]));
    for topic_key in keys::topic_keys().filter(|topic_key| !topic_key.broker_keys.is_empty()) {
        let names: Vec<String> = topic_key.broker_keys.iter().map(|(name, _)| table::code(name)).collect();
        page.push_str(&table::row(&[&table::code(topic_key.key.name), &names.join(", ")]));
    }

    page.push_str("\n## Brokers\n");
    for (area, keys) in keys::broker_areas() {
        page.extend(["\n### ", area, "\n"]);
        keys_in_tables(&mut page, &keys.iter().collect::<Vec<_>>(), changed);
    }

    page.push_str("\n## Groups\n\nThe broker's key with `group.` before the name holds the default.\n");
    keys_in_tables(&mut page, &keys::group_keys().collect::<Vec<_>>(), |_| "running");
    page.push_str("\n## Client metrics\n");
    keys_in_tables(&mut page, &keys::client_metrics_keys().collect::<Vec<_>>(), |_| "running");
    page
}

#[test]
fn configuration_is_the_key_table() {
    golden::check("docs/configuration.md", &page());
}

/// What a reader looks for is there: each key of the table, once as the first cell of a row that tells its class.
#[test]
fn every_key_has_a_row() {
    let page = page();
    let topic = keys::topic_keys().map(|topic_key| &topic_key.key);
    for key in keys::broker_keys().chain(topic).chain(keys::group_keys()).chain(keys::client_metrics_keys()) {
        assert!(page.contains(&format!("\n| `{}` | {} |", key.name, kind(key))), "{}", key.name);
    }
}
