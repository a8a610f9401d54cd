//! The contract that both sides must agree on, byte for byte.
//!
//! What it is for: messages and services (generated from `casebroker/v1`), resource names, signed statements, log proofs,
//! the catalogue, the checks that a report must pass, and the list of error reasons. What it promises: the same bytes
//! mean the same on every side. What it never does: input or output of any kind, and reading a clock.

pub mod catalogue;
pub mod encoded;
pub mod entry;
mod envelope;
pub mod errors;
pub mod filter;
pub mod json;
pub mod names;
pub mod overlap;
pub mod purpose;
pub mod standard;
pub mod statement;
pub mod statistics;
pub mod subscription;
pub mod tlog;
pub mod validation;
mod weight;
pub mod wire;

pub use generated::{casebroker::v1, google};

/// What the build made of the contract, in the module tree that its own references expect.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    clippy::all
)]
mod generated {
    pub mod casebroker {
        /// Messages and services of package `casebroker.v1`.
        pub mod v1 {
            tonic::include_proto!("casebroker.v1");
        }
    }
    /// Stand-ins for common Google types; wire-identical to the published ones.
    pub mod google {
        /// Package `google.type`.
        pub mod r#type {
            tonic::include_proto!("google.r#type");
        }
        /// Package `google.rpc`.
        pub mod rpc {
            tonic::include_proto!("google.rpc");
        }
    }
}

/// Serialized `google.protobuf.FileDescriptorSet` of the contract, comments included: for reflection and proto JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/casebroker_descriptor.bin"));

/// Largest gRPC message either side accepts, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Largest signed statement, in bytes: a message less room for the entry's other fields and the receipt.
pub const MAX_SIGNED_STATEMENT_BYTES: usize = MAX_MESSAGE_BYTES - 32 * 1024;
