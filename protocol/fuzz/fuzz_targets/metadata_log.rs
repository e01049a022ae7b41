//! An entry of the metadata log.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mainstem_fuzz::files::metadata_log(data));
