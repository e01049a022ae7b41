//! A response frame, as a client reads it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::frames::response(data));
