//! The client against a real broker. Switched on by `MAINSTEM_TEST_KAFKA=host:port`; announces when it is skipped.
#![expect(clippy::unwrap_used, reason = "a failing test may panic, helpers too")]

mod admin;
mod groups;
mod process;
mod producer;

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mainstem_client::Kafka;

/// Runs `test` with a client of the broker, or says that it does not.
#[expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a switch for tests, and a skip that shows"
)]
fn with_kafka<F: Future<Output = ()>>(test: impl FnOnce(Kafka) -> F) {
    let Ok(address) = std::env::var("MAINSTEM_TEST_KAFKA") else {
        eprintln!("skipped: MAINSTEM_TEST_KAFKA is not set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let kafka = Kafka::builder(&address).client_id("client-tests").build().unwrap();
        test(kafka.clone()).await;
        kafka.close().await;
    });
}

/// A topic name that no other test and no earlier run has used.
#[expect(clippy::disallowed_methods, reason = "a name that no earlier run used")]
fn fresh_topic(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{what}-{now:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
