//! Configuration files, overrides, client properties.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::text::configuration(data));
