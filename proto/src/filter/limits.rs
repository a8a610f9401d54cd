//! Every limit of a filter, in one place. The comments of the contract state the same numbers; texts are counted in characters
//! (Unicode scalar values), lists in elements. A single value is no longer than what it is held against may be.

/// `CaseFilter.agencies`.
pub const AGENCIES: usize = 200;
/// `CaseFilter.reporting_units`.
pub const REPORTING_UNITS: usize = 200;
/// Each list of countries.
pub const COUNTRIES: usize = 250;
/// `CaseFilter.substances`.
pub const SUBSTANCES: usize = 500;
/// `CaseFilter.substance_classes`.
pub const CLASSES: usize = 50;
/// `CaseFilter.organizations`.
pub const ORGANIZATIONS: usize = 50;
/// `CaseFilter.identifiers`.
pub const IDENTIFIERS: usize = 200;
/// `CaseFilter.evidence_digests`.
pub const DIGESTS: usize = 200;
/// `CaseFilter.text`, in characters.
pub const TEXT: usize = 500;
/// `CaseFilter.obstacles`.
pub const OBSTACLES: usize = 20;
