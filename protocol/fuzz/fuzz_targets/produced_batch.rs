//! A record batch from a producer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::batches::produced(data));
