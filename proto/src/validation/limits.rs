//! Every limit of the checks, in one place. The comments of the contract state the same numbers; texts are counted in
//! characters (Unicode scalar values), lists in elements.

/// Violations listed in one answer; a last one says how many more there are.
pub const VIOLATIONS: usize = 100;
/// Characters of a refused value that a violation repeats.
pub const SHOWN_CHARS: usize = 80;

/// Seconds that a time may be ahead of the clock: clocks differ.
pub const CLOCK_SKEW_SECONDS: i64 = 5 * 60;
/// Seconds by which the first place on earth is ahead of UTC: a date, in local time of its place, may be that far ahead.
pub const FIRST_ZONE_SECONDS: i64 = 14 * 60 * 60;

/// `CaseReport.title`, in characters.
pub const TITLE: usize = 200;
/// `CaseReport.reporting_unit`, in characters.
pub const REPORTING_UNIT: usize = 200;
/// `CaseReport.concealment`, in characters.
pub const CONCEALMENT: usize = 1_000;
/// `CaseReport.narrative`, in characters.
pub const NARRATIVE: usize = 20_000;
/// `CaseReport.items`.
pub const ITEMS: usize = 200;
/// `evidence` of a report or of a statement.
pub const EVIDENCE: usize = 500;
/// `CaseReport.identifiers`.
pub const IDENTIFIERS: usize = 200;
/// `CaseReport.organizations`.
pub const ORGANIZATIONS: usize = 100;
/// `CaseReport.sources`.
pub const SOURCES: usize = 50;

/// `locality` of a place or location, in characters.
pub const LOCALITY: usize = 200;
/// `Route.transit`.
pub const TRANSIT: usize = 20;
/// `Location.attributions`.
pub const ATTRIBUTIONS: usize = 20;
/// `Attribution.note`, in characters.
pub const ATTRIBUTION_NOTE: usize = 1_000;
/// `evidence_ids` of an attribution or finding.
pub const EVIDENCE_IDS: usize = 50;

/// `Item.description`, in characters.
pub const ITEM_DESCRIPTION: usize = 500;
/// Name of a substance, name and marking of equipment, in characters.
pub const GOODS_NAME: usize = 300;
/// Findings of an item or statement.
pub const FINDINGS: usize = 50;
/// `LaboratoryFinding.laboratory`, in characters.
pub const LABORATORY: usize = 200;
/// `LaboratoryFinding.report_number`, in characters.
pub const REPORT_NUMBER: usize = 100;
/// `LaboratoryFinding.techniques`.
pub const TECHNIQUES: usize = 20;

/// `EvidenceReference.custodian`, in characters.
pub const CUSTODIAN: usize = 200;
/// `EvidenceReference.description`, in characters.
pub const EVIDENCE_DESCRIPTION: usize = 1_000;
/// Type or subtype of a media type, in bytes (RFC 6838, section 4.2).
pub const MEDIA_TYPE_PART: usize = 127;

/// `Identifier.value` and `Identifier.issuer`, in characters.
pub const IDENTIFIER: usize = 200;
/// `Organization.name`, in characters.
pub const ORGANIZATION_NAME: usize = 300;
/// `PublicSource.title`, in characters.
pub const SOURCE_TITLE: usize = 300;
/// `PublicSource.publisher`, in characters.
pub const PUBLISHER: usize = 200;
/// `PublicSource.uri`, in characters.
pub const URI: usize = 2_000;

/// `Handling.audience`.
pub const AUDIENCE: usize = 200;
/// `Handling.caveats`.
pub const CAVEATS: usize = 20;
/// One caveat, in characters.
pub const CAVEAT: usize = 200;

/// Reason of an amendment, release or retraction, in characters.
pub const REASON: usize = 1_000;
/// Note, question or reason of a statement between agencies, in characters.
pub const NOTE: usize = 5_000;
/// `EvidenceRequest.kinds`.
pub const EVIDENCE_KINDS: usize = 20;
/// `Dispute.fields`.
pub const DISPUTED_FIELDS: usize = 50;
/// One field path of a dispute, in characters.
pub const FIELD_PATH: usize = 200;
