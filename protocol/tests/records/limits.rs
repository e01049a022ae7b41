//! Hostile compressed data stops at the limit, and a declared size takes no memory before it is checked.

use std::io::Write;

use mainstem_protocol::records::compression::{Decompressor, compress, decompress};
use mainstem_protocol::records::{Compression, DecompressError};

const CODECS: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// About 1 MiB of gzip that stands for 1 GiB of zeros, in a thousand members.
fn gzip_bomb() -> Vec<u8> {
    let mut member = Vec::new();
    compress(Compression::Gzip, Some(9), &vec![0; 1 << 20], &mut member).unwrap();
    member.repeat(1024)
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    let bomb = gzip_bomb();
    assert!(bomb.len() < 2 << 20);
    let limit = 1 << 20;
    let mut blocks = Decompressor::new(Compression::Gzip, &bomb, limit).unwrap();
    let mut produced = 0;
    let error = loop {
        match blocks.fill() {
            Ok(block) => {
                produced += block.len();
                let len = block.len();
                blocks.consume(len);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, DecompressError::LimitPassed { codec: Compression::Gzip, limit });
    assert!(produced <= limit);
}

#[test]
fn the_limit_is_inclusive_for_every_codec() {
    let plain = vec![7; 300_000];
    for codec in CODECS {
        let mut compressed = Vec::new();
        compress(codec, None, &plain, &mut compressed).unwrap();
        assert_eq!(decompress(codec, &compressed, plain.len()).unwrap(), plain);
        assert_eq!(
            decompress(codec, &compressed, plain.len() - 1),
            Err(DecompressError::LimitPassed { codec, limit: plain.len() - 1 })
        );
    }
}

#[test]
fn a_snappy_block_that_declares_4_gib_is_refused_by_its_size() {
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00];
    assert_eq!(
        decompress(Compression::Snappy, &lie, 256 << 20),
        Err(DecompressError::LimitPassed { codec: Compression::Snappy, limit: 256 << 20 })
    );
    // 200 MiB pass the limit, but seven bytes cannot hold them.
    let lie = [0x80, 0x80, 0x80, 0x64, 0x00, 0x00, 0x00];
    assert!(matches!(
        decompress(Compression::Snappy, &lie, 256 << 20),
        Err(DecompressError::Damaged { detail: "a block declares more than its bytes can hold", .. })
    ));
}

#[test]
fn raw_snappy_is_read() {
    let plain = b"one bare block, as librdkafka sends it".repeat(20);
    let raw = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    assert_eq!(decompress(Compression::Snappy, &raw, 1 << 20).unwrap(), plain);
}

#[test]
fn several_gzip_members_are_read() {
    let mut compressed = Vec::new();
    compress(Compression::Gzip, None, b"one ", &mut compressed).unwrap();
    compress(Compression::Gzip, Some(9), b"two", &mut compressed).unwrap();
    assert_eq!(decompress(Compression::Gzip, &compressed, 7).unwrap(), b"one two");
}

#[test]
fn linked_lz4_blocks_are_refused() {
    let mut compressed = Vec::new();
    compress(Compression::Lz4, None, b"plain", &mut compressed).unwrap();
    assert_eq!(compressed[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82], "the header that is written");
    compressed[4] = 0x40;
    assert!(matches!(
        decompress(Compression::Lz4, &compressed, 1 << 20),
        Err(DecompressError::Damaged { detail: "linked blocks are not supported", .. })
    ));
}

#[test]
fn a_wrong_lz4_header_checksum_is_refused() {
    let mut compressed = Vec::new();
    compress(Compression::Lz4, None, b"plain", &mut compressed).unwrap();
    compressed[6] ^= 1;
    assert!(matches!(
        decompress(Compression::Lz4, &compressed, 1 << 20),
        Err(DecompressError::Damaged { detail: "the header checksum is wrong", .. })
    ));
}

/// A frame of 128 MiB window without a content size, as the Java producer writes at level 22.
#[test]
fn a_zstd_window_above_8_mib_is_decoded_within_the_limit() {
    let plain: Vec<u8> = (0..200_000_u32).flat_map(|n| (n % 1000).to_be_bytes()).collect();
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 22).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&plain).unwrap();
    let compressed = encoder.finish().unwrap();
    assert_eq!(decompress(Compression::Zstd, &compressed, 1 << 20).unwrap(), plain);
    assert_eq!(
        decompress(Compression::Zstd, &compressed, 100_000),
        Err(DecompressError::LimitPassed { codec: Compression::Zstd, limit: 100_000 })
    );
}

#[test]
fn zstd_frames_without_a_content_size_are_streamed() {
    let plain = b"streamed ".repeat(50_000);
    let compressed = zstd::stream::encode_all(plain.as_slice(), 3).unwrap();
    assert_eq!(decompress(Compression::Zstd, &compressed, 1 << 20).unwrap(), plain);
}

#[test]
fn cut_compressed_data_is_never_taken_for_whole() {
    let plain: Vec<u8> = (0..5000_u32).flat_map(u32::to_be_bytes).collect();
    for codec in CODECS {
        let mut compressed = Vec::new();
        compress(codec, None, &plain, &mut compressed).unwrap();
        for cut in (0..compressed.len()).step_by(97).chain([compressed.len() - 1]) {
            if let Ok(read) = decompress(codec, &compressed[..cut], 1 << 20) {
                // Only a form without an end mark can lose whole blocks unseen; then the record count betrays it.
                assert!(codec == Compression::Snappy && read.len() < plain.len(), "{codec:?} cut at {cut}");
            }
        }
    }
}
