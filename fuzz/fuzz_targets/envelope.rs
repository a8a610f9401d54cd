#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    casebroker_fuzz_targets::envelope::run(data);
});
