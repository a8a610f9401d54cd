//! Compiles the contract with protox, so that no `protoc` is needed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use prost::Message as _;
use prost_types::FileDescriptorSet;

const FILES: [&str; 13] = [
    "casebroker/v1/assessment.proto",
    "casebroker/v1/case.proto",
    "casebroker/v1/overlap.proto",
    "casebroker/v1/filter.proto",
    "casebroker/v1/registry.proto",
    "casebroker/v1/statement.proto",
    "casebroker/v1/intake_service.proto",
    CASES,
    "casebroker/v1/log_service.proto",
    "casebroker/v1/registry_service.proto",
    "casebroker/v1/access_service.proto",
    "casebroker/v1/statistics_service.proto",
    DELIVERIES,
];
const CASES: &str = "casebroker/v1/case_service.proto";
const DELIVERIES: &str = "casebroker/v1/subscription_service.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for folder in ["casebroker", "google", "build.rs"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("casebroker_descriptor.bin"),
        descriptors.encode_to_vec(),
    )?;
    tonic_prost_build::configure()
        // Payloads that pass through are reference-counted slices of the message, not copies.
        .bytes(".casebroker.v1.SubmitRequest")
        .bytes(".casebroker.v1.SubmitStreamRequest")
        .bytes(".casebroker.v1.RecordedStatement")
        .bytes(".casebroker.v1.Entry")
        .bytes(".casebroker.v1.GetReceiptResponse")
        .bytes(".casebroker.v1.Delivery")
        .compile_fds(descriptors.clone())?;
    encoded(descriptors, &out.join("encoded"))
}

/// The servers of cases and of deliveries once more, for messages that hold what they are made of as bytes: see `src/encoded.rs`.
fn encoded(
    mut descriptors: FileDescriptorSet,
    out: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    for file in &mut descriptors.file {
        if ![CASES, DELIVERIES].contains(&file.name()) {
            file.service.clear();
        }
    }
    fs::create_dir_all(out)?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".google.type", "crate::google::r#type")
        .extern_path(".google.rpc", "crate::google::rpc")
        .extern_path(".casebroker.v1", "crate::v1")
        .extern_path(
            ".casebroker.v1.ListCasesResponse",
            "crate::encoded::ListCasesResponse",
        )
        .extern_path(
            ".casebroker.v1.StreamingPullResponse",
            "crate::encoded::StreamingPullResponse",
        )
        .extern_path(
            ".casebroker.v1.PullResponse",
            "crate::encoded::PullResponse",
        )
        .out_dir(out)
        .compile_fds(descriptors)?;
    Ok(())
}
