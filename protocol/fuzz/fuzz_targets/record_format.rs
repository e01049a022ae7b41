//! The record format language, both ways.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::text::record_format(data));
