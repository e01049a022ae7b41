//! The measuring commands count what they did: no figure is judged here.

use crate::mainstem::{Running, run};
use serde_json::Value;

fn measured(arguments: &[&str]) -> Value {
    let ended = run(arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// Percentiles rise, and none is above the largest.
fn are_in_order(latency: &Value) {
    let values: Vec<f64> =
        ["p50", "p90", "p95", "p99", "p99.9", "max"].map(|name| latency[name].as_f64().unwrap()).into();
    assert!(values.is_sorted(), "{latency}");
}

#[test]
fn what_was_produced_is_what_is_consumed() {
    let (_dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "t", "-p", "3", "-b", &address]).code, Some(0));
    let produced =
        measured(&["perf", "produce", "t", "-n", "5000", "-s", "200", "-o", "json", "-b", &address]);
    assert_eq!((&produced["records"], &produced["failed"]), (&5000.into(), &0.into()), "{produced}");
    assert_eq!(produced["bytes"], 1_000_000, "{produced}");
    are_in_order(&produced["latency_ms"]);
    let consumed = measured(&["perf", "consume", "t", "-o", "json", "-b", &address]);
    assert_eq!((&consumed["records"], &consumed["bytes"]), (&5000.into(), &1_000_000.into()), "{consumed}");
}

#[test]
fn every_record_is_timed_from_producer_to_consumer() {
    let (_dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "t", "-b", &address]).code, Some(0));
    for more in [&[][..], &["--rate", "500"]] {
        let arguments: Vec<&str> = ["perf", "e2e", "t", "-n", "100", "-o", "json", "-b", &address]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let told = measured(&arguments);
        assert_eq!((&told["records"], &told["failed"]), (&100.into(), &0.into()), "{told}");
        are_in_order(&told["latency_ms"]);
    }
}

#[test]
fn an_unknown_topic_is_not_measured() {
    let (_dev, address) = Running::dev();
    for command in ["produce", "consume", "e2e"] {
        run(&["perf", command, "nothing", "-b", &address])
            .refused_with(3, &["nothing", "UNKNOWN_TOPIC_OR_PARTITION"]);
    }
}
