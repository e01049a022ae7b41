//! Apache Kafka's own performance tools as the client, in their shipped form: producer, consumer, and the way of a record through both.
//!
//! Above: `round`. Below: [`kafka`](crate::kafka) for the tools. What they print is parsed by the names in it.

use super::{Run, field::Contender, row::Row, watch::Watch};
use anyhow::{Context as _, ensure};
use std::process::Command;

const RECORD_BYTES: usize = 1024;

pub(super) fn round(run: &Run, contender: Contender, row: &mut Row) -> anyhow::Result<()> {
    let kafka = run.kafka.context("Apache Kafka's tools are not here")?;
    let records = (run.options.mib << 20) / RECORD_BYTES as u64;
    let gib = (records * RECORD_BYTES as u64) as f64 / f64::from(1 << 30);
    let target = run.field.target(contender, &[], 4)?;
    let address = target.address().to_string();

    let watch = Watch::begin(target.broker())?;
    let text = printed(
        kafka
            .tool("org.apache.kafka.tools.ProducerPerformance")
            .args(["--topic", &target.topic, "--throughput", "-1"])
            .args(["--num-records", &records.to_string(), "--record-size", &RECORD_BYTES.to_string()])
            .args(["--bootstrap-server", &address, "--command-property", "acks=all"]),
    )?;
    row.set("producer: broker CPU s/GiB", watch.end()?.broker_cpu / gib);
    producer(&text, row).with_context(|| format!("reading what the producer's tool printed: {text}"))?;

    let watch = Watch::begin(target.broker())?;
    let text = printed(
        kafka
            .tool("org.apache.kafka.tools.ConsumerPerformance")
            .args(["--topic", &target.topic, "--bootstrap-server", &address])
            .args(["--num-records", &records.to_string(), "--group", &format!("perf-{}", target.topic)]),
    )?;
    row.set("consumer: broker CPU s/GiB", watch.end()?.broker_cpu / gib);
    consumer(&text, row).with_context(|| format!("reading what the consumer's tool printed: {text}"))?;

    let count = if run.options.tiny { "100" } else { "5000" };
    let text = printed(kafka.tool("org.apache.kafka.tools.EndToEndLatency").args([
        &address,
        &target.topic,
        count,
        "all",
        "1024",
    ]))?;
    end_to_end(&text, row).with_context(|| format!("reading what the tool of latencies printed: {text}"))?;
    target.end()
}

fn printed(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("starting java")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the tool ended with {}: {text}{errors}", output.status);
    Ok(text)
}

/// `N records sent, 1.5 records/sec (0.1 MB/sec), 1.2 ms avg latency, 2.0 ms max latency, 1 ms 50th, ... 9 ms 99.9th.`
fn producer(text: &str, row: &mut Row) -> anyhow::Result<()> {
    let line = text.lines().rev().find(|line| line.contains("50th")).context("a last line")?;
    let number_before = |word: &str| -> anyhow::Result<f64> {
        let before = line.split_once(word).with_context(|| word.to_owned())?.0;
        let number = before.rsplit([' ', '(', ',']).find(|part| !part.is_empty()).context("a number")?;
        Ok(number.parse()?)
    };
    row.set("producer: MiB/s", number_before(" MB/sec")?);
    row.set("producer: p50 ms", number_before(" ms 50th")?);
    row.set("producer: p99 ms", number_before(" ms 99th")?);
    row.set("producer: p99.9 ms", number_before(" ms 99.9th")?);
    Ok(())
}

/// A line of names and one of values, both with commas.
fn consumer(text: &str, row: &mut Row) -> anyhow::Result<()> {
    let mut lines = text.lines().skip_while(|line| !line.contains("fetch.MB.sec"));
    let (names, values) = (lines.next().context("names")?, lines.next().context("values")?);
    let index = names.split(',').position(|name| name.trim() == "fetch.MB.sec").context("a column")?;
    row.set("consumer: MiB/s", values.split(',').nth(index).context("a value")?.trim().parse()?);
    Ok(())
}

/// `Avg latency: 0.56 ms`, then `Percentiles: 50th = 0, 99th = 2, 99.9th = 6`.
fn end_to_end(text: &str, row: &mut Row) -> anyhow::Result<()> {
    let after = |word: &str| -> anyhow::Result<f64> {
        let rest = text.split_once(word).with_context(|| word.to_owned())?.1.trim_start();
        let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        Ok(number.parse()?)
    };
    row.set("end to end: average ms", after("Avg latency:")?);
    row.set("end to end: p99 ms", after(" 99th =")?);
    row.set("end to end: p99.9 ms", after("99.9th =")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_print_is_understood() {
        let mut row = Row::default();
        producer(
            "1 records sent, 0.2 records/sec (0.00 MB/sec), 9.0 ms avg latency, 9.0 ms max latency.\n\
             300000 records sent, 66401.9 records/sec (64.85 MB/sec), 350.21 ms avg latency, 560.00 ms max latency, \
             350 ms 50th, 500 ms 95th, 540 ms 99th, 555 ms 99.9th.\n",
            &mut row,
        )
        .unwrap();
        consumer(
            "start.time, end.time, data.consumed.in.MB, MB.sec, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
             2026-01-01 00:00:00:000, 2026-01-01 00:00:01:000, 10.0, 10.0, 900, 11.5, 1000\n",
            &mut row,
        )
        .unwrap();
        end_to_end(
            "0\t4.5\nAvg latency: 0.5637 ms\n\nPercentiles: 50th = 0, 99th = 2, 99.9th = 6\n",
            &mut row,
        )
        .unwrap();
        let figures: Vec<f64> = row.figures.values().copied().collect();
        assert_eq!(figures, [11.5, 0.5637, 2.0, 6.0, 64.85, 350.0, 540.0, 555.0]);
    }
}
