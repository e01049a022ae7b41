//! Record batches: the check of a produced batch per codec, the walk over its records, building one.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mainstem_benches::frames;
use mainstem_protocol::{
    model::Timestamp,
    records::{
        BatchBuilder, BatchHeader, BatchOptions, Compression, ProduceLimits, RecordBatch, check_produced,
    },
};
use std::hint::black_box;

const BATCH: usize = 100 << 10;
const RECORD: usize = 1024;
/// What a batch of these records may become.
const LIMIT: usize = 1 << 20;

/// The rules of a batch from a client: CRC, header, walk of every record. Bytes are those on the wire.
fn check(c: &mut Criterion) {
    let mut group = c.benchmark_group("check produced batch");
    for codec in Compression::ALL {
        let batch = frames::batch(BATCH, RECORD, codec);
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function(format!("100 KiB, {}", codec.name()), |b| {
            b.iter(|| black_box(check_produced(&batch, &ProduceLimits::default()).expect("an honest batch")));
        });
    }
    for (name, batch, record) in
        [("1 KiB", 1 << 10, 900), ("16 KiB", 16 << 10, RECORD), ("1 MiB", 1 << 20, RECORD)]
    {
        let batch = frames::batch(batch, record, Compression::None);
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function(format!("{name}, none"), |b| {
            b.iter(|| black_box(check_produced(&batch, &ProduceLimits::default()).expect("an honest batch")));
        });
    }
    let batch = frames::batch(BATCH, RECORD, Compression::None);
    group.throughput(Throughput::Bytes(batch.len() as u64));
    group.bench_function("100 KiB, CRC alone", |b| b.iter(|| black_box(BatchHeader::compute_crc(&batch))));
}

/// What a consumer does with a batch, CRC included.
fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read records");
    for codec in Compression::ALL {
        let bytes = frames::batch(BATCH, RECORD, codec);
        let count = BatchHeader::parse(&bytes).expect("a header").record_count;
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("100 KiB of 1 KiB records, {}", codec.name()), |b| {
            b.iter(|| {
                let (batch, _) = RecordBatch::parse(bytes.clone()).expect("a batch");
                let records = batch.records(LIMIT).expect("records");
                records
                    .iter()
                    .map(|record| record.expect("a record").value.map_or(0, <[u8]>::len))
                    .sum::<usize>()
            });
        });
    }
    let bytes = frames::batch(BATCH, 100, Compression::None);
    let (batch, _) = RecordBatch::parse(bytes).expect("a batch");
    group.throughput(Throughput::Elements(batch.header().record_count as u64));
    group.bench_function("100 KiB of 100-byte records, none, without CRC", |b| {
        b.iter(|| {
            let records = batch.records(LIMIT).expect("records");
            records.iter().map(|record| record.expect("a record").value.map_or(0, <[u8]>::len)).sum::<usize>()
        });
    });
}

/// What a producer does.
fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build batch");
    let value = vec![b'v'; 100];
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000 records of 100 bytes, none", |b| {
        b.iter(|| {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            for index in 0..1000 {
                builder.append(Timestamp(index), Some(b"key"), Some(&value), []).expect("a record fits");
            }
            builder.finish().expect("a batch")
        });
    });
}

criterion_group!(batches, check, read, build);
criterion_main!(batches);
