//! Log proofs.
