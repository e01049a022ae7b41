//! Record batches in a fetch answer or a log.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::batches::fetched(data));
