//! Handles the records of a topic, many at a time and in order per key, until Ctrl-C; what fails three times goes to a dead
//! letter topic. `cargo run -p mainstem-client --example process -- localhost:9092 orders`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use mainstem_client::Kafka;
use mainstem_client::consumer::{ConsumedRecord, OffsetReset};
use mainstem_client::process::Processing;

/// The work on one record. An error (or a panic) is tried again.
async fn ship(record: ConsumedRecord) -> Result<(), String> {
    let order = record.value.as_deref().ok_or("an order without a value")?;
    let order = std::str::from_utf8(order).map_err(|error| error.to_string())?;
    tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(100)).await;
    println!("{} at offset {}: {order}", record.partition, record.offset);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_else(|| "localhost:9092".into());
    let topic = arguments.next().unwrap_or_else(|| "orders".into());

    let kafka = Kafka::builder(&bootstrap).client_id("shipping").build()?;
    let mut consumer = kafka.consumer().group("shipping").offset_reset(OffsetReset::Earliest).build()?;
    consumer.subscribe([&topic])?;

    let processing = Processing::per_key()
        .concurrency(256)
        .attempts(3)
        .dead_letters(&format!("{topic}.dead"))
        // What is in work when Ctrl-C comes is finished and committed.
        .until(async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        });
    let report = consumer.process(processing, ship).await?;
    println!("{report}");
    kafka.close().await;
    Ok(())
}
