//! One case as a page for a reader. Nothing is inferred: what was not reported is shown as not known.

mod goods;
mod life;
mod standing;

use anstyle::Style;
use casebroker_proto::v1::{Case, CaseReport, EvidenceReference, Location, Place, Route};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    failure::Result,
    output::{BAD, FAINT, HEADING, Output},
    table::{clean, wrap},
    words::{self, NOT_KNOWN},
};

pub use goods::finding_text;

/// Width of the labels.
const LABEL: usize = 14;

/// What stands for a place of the route that the agency does not name.
const NOT_STATED: &str = "not stated";

/// Prints the page.
pub fn print(case: &Case, out: &mut Output) -> Result<()> {
    let report = case.report.clone().unwrap_or_default();
    let mut page = Page { out };
    page.head(case, &report)?;
    page.standing(case)?;
    page.incident(&report)?;
    page.route(report.route.as_ref().unwrap_or(&Route::default()), case)?;
    page.items(case, &report)?;
    page.evidence(&report.evidence)?;
    page.others(&report)?;
    page.requests(case)?;
    page.disputes(case)?;
    page.corroborations(case)?;
    page.narrative(&report)?;
    page.foot(case, &report)
}

struct Page<'a> {
    out: &'a mut Output,
}

impl Page<'_> {
    fn head(&mut self, case: &Case, report: &CaseReport) -> Result<()> {
        for line in wrap(&report.title, self.width()) {
            let line = self.out.paint(HEADING, line);
            self.out.line(line)?;
        }
        self.out.line(clean(&case.name))?;
        if case.retracted {
            let text = format!("RETRACTED: {}", case.retraction_reason);
            for line in wrap(&text, self.width()) {
                let line = self.out.paint(BAD, line);
                self.out.line(line)?;
            }
        }
        self.out.line("")
    }

    fn incident(&mut self, report: &CaseReport) -> Result<()> {
        self.section("Incident")?;
        let date = words::date(report.incident_date.as_ref());
        let kind = words::date_kind(report.incident_date_kind);
        self.field("Date", with(&date, &kind))?;
        self.field("Place", place(report.place.as_ref()))?;
        self.field("Reported by", or_not_known(&report.reporting_unit))?;
        self.field(
            "Travelled by",
            or_not_known(&words::conveyance(report.conveyance)),
        )?;
        self.field("Hidden", or_not_known(&report.concealment))
    }

    fn route(&mut self, route: &Route, case: &Case) -> Result<()> {
        self.section("Route")?;
        self.location("Origin", route.origin.as_ref())?;
        for claim in &case.contested_origins {
            let bases: Vec<_> = claim.bases.iter().map(|b| words::basis(*b)).collect();
            let rests = match bases.as_slice() {
                [] => "no basis given".into(),
                some => format!("rests on {}", some.join(", ")),
            };
            let text = format!(
                "contested: {} says {} (position {}), {rests}",
                words::id(&claim.agency),
                claim.country,
                claim.position
            );
            self.field("", text)?;
        }
        self.location("Departure", route.departure.as_ref())?;
        for (i, transit) in route.transit.iter().enumerate() {
            let label = format!("Transit {}", i + 1);
            self.location(&label, Some(transit))?;
        }
        if route.transit.is_empty() {
            self.location("Transit", None)?;
        }
        self.location("Destination", route.destination.as_ref())
    }

    /// A place of the route. It is never filled in from another.
    fn location(&mut self, label: &str, location: Option<&Location>) -> Result<()> {
        let Some(location) = location else {
            return self.field(label, NOT_STATED);
        };
        self.field(label, location_name(location))?;
        for reason in reasons(location) {
            self.field("", reason)?;
        }
        if location.attributions.is_empty() {
            self.field("", "no basis given")?;
        }
        Ok(())
    }

    fn evidence(&mut self, evidence: &[EvidenceReference]) -> Result<()> {
        self.section("Evidence")?;
        if evidence.is_empty() {
            return self.field("", "none listed");
        }
        self.references(evidence)
    }

    /// Evidence, each piece by its id.
    fn references(&mut self, evidence: &[EvidenceReference]) -> Result<()> {
        for reference in evidence {
            let kind = words::evidence(reference.kind);
            let digest = words::short_digest(reference.digest.as_ref());
            let custodian = or_not_known(&reference.custodian);
            let size = words::grouped(&reference.size_bytes.to_string());
            let text = format!("{kind}, {digest}, {size} bytes, held by {custodian}");
            self.field(&reference.id, text)?;
            if !reference.description.is_empty() {
                self.field("", &reference.description)?;
            }
        }
        Ok(())
    }

    fn others(&mut self, report: &CaseReport) -> Result<()> {
        if !report.identifiers.is_empty() {
            self.section("Known by")?;
        }
        for identifier in &report.identifiers {
            let text = with(&identifier.value, &identifier.issuer);
            self.field(&words::identifier(identifier.kind), text)?;
        }
        if !report.organizations.is_empty() {
            self.section("Organisations")?;
        }
        for organization in &report.organizations {
            let role = or_not_known(&words::role(organization.role));
            self.field(&role, with(&organization.name, &organization.country))?;
        }
        Ok(())
    }

    fn narrative(&mut self, report: &CaseReport) -> Result<()> {
        if report.narrative.is_empty() {
            return Ok(());
        }
        self.section("Narrative")?;
        for line in wrap(&report.narrative, self.width()) {
            self.out.line(line)?;
        }
        Ok(())
    }

    fn foot(&mut self, case: &Case, report: &CaseReport) -> Result<()> {
        if !report.sources.is_empty() {
            self.section("Published sources")?;
        }
        for source in &report.sources {
            let date = words::date(source.publish_date.as_ref());
            self.field(&date, format!("{}. {}", source.publisher, source.title))?;
            if !source.uri.is_empty() {
                // Never broken: an address that was wrapped cannot be followed.
                let uri = self.out.paint(FAINT, clean(&source.uri));
                self.out.line(format_args!("{:LABEL$}  {uri}", ""))?;
            }
        }
        self.section("Handling and record")?;
        let in_force = case.handling.as_ref().or(report.handling.as_ref());
        self.field("Handling", words::handling(in_force))?;
        let handling = in_force.cloned().unwrap_or_default();
        for caveat in &handling.caveats {
            self.field("Caveat", caveat)?;
        }
        if handling.no_deconfliction {
            self.field("", "overlaps with it are not told to other agencies")?;
        }
        let recorded =
            |time, position: u64| format!("{} UTC, position {position}", words::minute(time));
        self.field(
            "First recorded",
            recorded(case.create_time.as_ref(), case.first_position),
        )?;
        if case.last_position != case.first_position {
            self.field(
                "Last changed",
                recorded(case.update_time.as_ref(), case.last_position),
            )?;
        }
        self.provenance(&case.provenance)
    }

    fn section(&mut self, title: &str) -> Result<()> {
        self.out.line("")?;
        let title = self.out.paint(HEADING, title);
        self.out.line(title)
    }

    /// A label and its text, wrapped beside it. A label that is too long gets a line of its own.
    fn field(&mut self, label: &str, text: impl AsRef<str>) -> Result<()> {
        let label = clean(label);
        let padding = " ".repeat(LABEL.saturating_sub(label.width()));
        let mut lead = format!("{label}{padding}");
        if label.width() > LABEL {
            let label = self.out.paint(FAINT, &label);
            self.out.line(label)?;
            lead = format!("{:LABEL$}", "");
        }
        let lines = wrap(text.as_ref(), self.width().saturating_sub(LABEL + 2));
        for (i, line) in lines.iter().enumerate() {
            let lead = match i {
                0 => self.out.paint(FAINT, &lead),
                _ => format!("{:LABEL$}", ""),
            };
            self.out.line(format_args!("{lead}  {line}"))?;
        }
        Ok(())
    }

    /// A label and a short text that ends in a coloured word or two; if it must be wrapped, all of it is coloured.
    fn marked(&mut self, label: &str, text: &str, style: Style, end: &str) -> Result<()> {
        let whole = format!("{text}{end}");
        let lines = wrap(&whole, self.width().saturating_sub(LABEL + 2));
        for (i, line) in lines.iter().enumerate() {
            let label = if i == 0 { clean(label) } else { String::new() };
            let lead = self.out.paint(FAINT, format!("{label:LABEL$}"));
            let line = match lines.len() {
                1 => format!("{}{}", clean(text), self.out.paint(style, clean(end))),
                _ => self.out.paint(style, line),
            };
            self.out.line(format_args!("{lead}  {line}"))?;
        }
        Ok(())
    }

    /// A page is for reading, so it is never very wide.
    fn width(&self) -> usize {
        self.out.width.unwrap_or(100).min(100)
    }
}

/// A place of a route and all that it rests on, on one line.
pub fn location_text(location: &Location) -> String {
    let mut text = location_name(location);
    for reason in reasons(location) {
        text.push_str("; ");
        text.push_str(&reason);
    }
    text
}

fn location_name(location: &Location) -> String {
    let parts = [&location.locality, &location.subdivision, &location.country];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|p| !p.is_empty())
        .cloned()
        .collect();
    parts.join(", ")
}

/// On what a place of a route rests, each reason with its evidence.
fn reasons(location: &Location) -> Vec<String> {
    let attributions = location.attributions.iter();
    attributions
        .map(|attribution| {
            let mut text = format!(
                "rests on {}",
                or_not_known(&words::basis(attribution.basis))
            );
            match attribution.evidence_ids.as_slice() {
                [] => text.push_str(", no evidence given"),
                ids => text.push_str(&format!(", evidence {}", ids.join(", "))),
            }
            if !attribution.note.is_empty() {
                text.push_str(&format!(": {}", attribution.note));
            }
            text
        })
        .collect()
}

fn place(place: Option<&Place>) -> String {
    let Some(place) = place else {
        return NOT_KNOWN.into();
    };
    let parts = [&place.locality, &place.subdivision, &place.country];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|p| !p.is_empty())
        .cloned()
        .collect();
    with(&parts.join(", "), &words::place_kind(place.kind))
}

/// `text (aside)`, without the brackets if there is nothing in them.
fn with(text: &str, aside: &str) -> String {
    match aside {
        "" => text.to_owned(),
        aside => format!("{text} ({aside})"),
    }
}

fn or_not_known(text: &str) -> String {
    match text {
        "" => NOT_KNOWN.into(),
        text => text.into(),
    }
}

#[cfg(test)]
mod tests;
