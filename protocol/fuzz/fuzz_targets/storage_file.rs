//! The small files beside a log.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::files::storage(data));
