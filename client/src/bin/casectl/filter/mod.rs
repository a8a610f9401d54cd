//! Which cases: one flag for each field of `CaseFilter`, the same in every command that asks for cases.
//!
//! What it is for: turning flags, or a file with the filter, into the message. What it promises: each field has its flag, words are
//! found as people write them, and what is not known is refused with what was probably meant. What it never does: decide what a
//! filter means. The broker does, and its answer repeats the filter as understood.

mod command;
mod file;
mod selection;
mod understood;
mod values;

use std::path::PathBuf;

use casebroker_proto::{
    google::r#type::Date,
    v1::{CaseFilter, Digest},
};
use clap::Args;
use prost_types::Timestamp;

pub use command::{command, flags};
pub use selection::Selection;
pub use understood::understood;
pub use values::{parse_day, parse_text};

use crate::{
    choice::{choice, parse_reader},
    failure::Result,
    moment::parse_moment,
};
use values::{Countries, parse_countries, parse_digest, parse_mass};

/// Which cases. Fields are ANDed, values of one field ORed.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Which cases (values of one option are ORed, options ANDed)")]
pub struct FilterArgs {
    /// Owners: agencies by id, or groups/GROUP
    #[arg(long = "agency", value_name = "AGENCY,...", value_delimiter = ',', value_parser = parse_reader)]
    agencies: Vec<String>,
    /// Reporting unit, whole; may be given several times
    #[arg(long = "unit", value_name = "UNIT", value_parser = parse_text)]
    units: Vec<String>,
    /// Countries of the incident: codes or English names
    #[arg(long = "country", value_name = "COUNTRY,...", value_parser = parse_countries)]
    countries: Vec<Countries>,
    /// Countries of origin: where the goods were made
    #[arg(long = "origin", value_name = "COUNTRY,...", value_parser = parse_countries)]
    origins: Vec<Countries>,
    /// Countries of departure: where the consignment set out
    #[arg(long = "departure", value_name = "COUNTRY,...", value_parser = parse_countries)]
    departures: Vec<Countries>,
    /// Countries of transit
    #[arg(long = "transit", value_name = "COUNTRY,...", value_parser = parse_countries)]
    transits: Vec<Countries>,
    /// Countries of destination
    #[arg(long = "destination", value_name = "COUNTRY,...", value_parser = parse_countries)]
    destinations: Vec<Countries>,
    /// Bases on which the origin is attributed
    #[arg(long = "basis", value_name = "BASIS,...", value_delimiter = ',', hide_possible_values = true,
        value_parser = choice("casebroker.v1.AttributionBasis"))]
    bases: Vec<i32>,
    /// Statuses: reported, confirmed (attributed ones too), attributed
    #[arg(long = "status", value_name = "STATUS,...", value_delimiter = ',', hide_possible_values = true,
        value_parser = choice("casebroker.v1.CaseStatus"))]
    statuses: Vec<i32>,
    /// Substance by any name, id, CAS number or InChIKey; may be given several times
    #[arg(long = "substance", value_name = "SUBSTANCE", value_parser = parse_text)]
    substances: Vec<String>,
    /// Classes of substances, such as fentanyl-analogue
    #[arg(long = "class", value_name = "CLASS,...", value_delimiter = ',', hide_possible_values = true,
        value_parser = values::classes())]
    classes: Vec<String>,
    /// Kinds of items: substance, precursor, equipment
    #[arg(long = "item-kind", value_name = "KIND,...", value_delimiter = ',', hide_possible_values = true,
        value_parser = choice("casebroker.v1.ItemKind"))]
    item_kinds: Vec<i32>,
    /// By what the goods travelled
    #[arg(long = "conveyance", visible_alias = "method", value_name = "CONVEYANCE,...", value_delimiter = ',',
        hide_possible_values = true, value_parser = choice("casebroker.v1.Conveyance"))]
    conveyances: Vec<i32>,
    /// Incident on or after this date: 2017, 2017-03 or 2017-03-01
    #[arg(long, value_name = "DATE", value_parser = parse_day)]
    from: Option<Date>,
    /// Incident on or before this date, or within that month or year
    #[arg(long, value_name = "DATE", value_parser = parse_day)]
    to: Option<Date>,
    /// First recorded at or after this time: a date, or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    recorded_from: Option<Timestamp>,
    /// First recorded before this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    recorded_to: Option<Timestamp>,
    /// At least this much of the goods asked for: 10kg, 500g, 1.5lb
    #[arg(long, value_name = "MASS", value_parser = parse_mass)]
    min_mass: Option<i64>,
    /// Organisation by its name; may be given several times
    #[arg(long = "organization", value_name = "NAME", value_parser = parse_text)]
    organizations: Vec<String>,
    /// Tracking, report or docket number, or vendor handle; may be given several times
    #[arg(long = "identifier", value_name = "NUMBER", value_parser = parse_text)]
    identifiers: Vec<String>,
    /// Digest of evidence: hexadecimal, or sha256:HEX; may be given several times
    #[arg(long = "digest", value_name = "DIGEST", value_parser = parse_digest)]
    digests: Vec<Digest>,
    /// Evidence as a file here, which is hashed (SHA-256) and not sent; may be given several times
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    /// Words of title, narrative or organisations, all of them; "words in quotes" together
    #[arg(long, value_name = "WORDS", value_parser = parse_text)]
    text: Option<String>,
    /// Why a case does not count: retracted, disputed, contested, or a rule of the standard
    #[arg(long = "obstacle", value_name = "REASON,...", value_delimiter = ',', hide_possible_values = true,
        value_parser = values::obstacles())]
    obstacles: Vec<String>,
    /// File with a filter, TOML or JSON (proto JSON of CaseFilter); options here replace its fields. `-` is standard input
    #[arg(long = "filter", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl FilterArgs {
    /// The filter: that of the file, with the fields that flags name in place of its own.
    pub fn read(&self) -> Result<CaseFilter> {
        let mut filter = match &self.file {
            Some(file) => file::read(file)?,
            None => CaseFilter::default(),
        };
        let hashed = values::hash(&self.evidence)?;
        self.apply(hashed, &mut filter);
        Ok(filter)
    }

    fn apply(&self, hashed: Vec<Digest>, filter: &mut CaseFilter) {
        fn many<T: Clone>(field: &mut Vec<T>, given: &[T]) {
            if !given.is_empty() {
                *field = given.to_vec();
            }
        }
        fn one<T: Clone>(field: &mut Option<T>, given: &Option<T>) {
            if given.is_some() {
                field.clone_from(given);
            }
        }
        let codes =
            |given: &[Countries]| given.iter().flat_map(|c| c.0.clone()).collect::<Vec<_>>();
        many(&mut filter.agencies, &self.agencies);
        many(&mut filter.reporting_units, &self.units);
        many(&mut filter.countries, &codes(&self.countries));
        many(&mut filter.origins, &codes(&self.origins));
        many(&mut filter.departures, &codes(&self.departures));
        many(&mut filter.transits, &codes(&self.transits));
        many(&mut filter.destinations, &codes(&self.destinations));
        many(&mut filter.bases, &self.bases);
        many(&mut filter.statuses, &self.statuses);
        many(&mut filter.substances, &self.substances);
        many(&mut filter.substance_classes, &self.classes);
        many(&mut filter.item_kinds, &self.item_kinds);
        many(&mut filter.conveyances, &self.conveyances);
        one(&mut filter.incident_start_date, &self.from);
        one(&mut filter.incident_end_date, &self.to);
        one(&mut filter.record_start_time, &self.recorded_from);
        one(&mut filter.record_end_time, &self.recorded_to);
        if let Some(mass) = self.min_mass {
            filter.min_mass_micrograms = mass;
        }
        many(&mut filter.organizations, &self.organizations);
        many(&mut filter.identifiers, &self.identifiers);
        many(
            &mut filter.evidence_digests,
            &[&self.digests[..], &hashed].concat(),
        );
        if let Some(text) = &self.text {
            filter.text.clone_from(text);
        }
        many(&mut filter.obstacles, &self.obstacles);
    }
}

#[cfg(test)]
mod tests;
