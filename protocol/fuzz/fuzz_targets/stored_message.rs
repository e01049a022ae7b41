//! Records of internal topics, control records, messages inside byte fields.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::frames::stored(data));
