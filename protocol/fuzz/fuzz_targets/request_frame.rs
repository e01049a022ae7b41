//! A request frame, as a broker reads it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::frames::request(data));
