#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::com_port::run(data));
