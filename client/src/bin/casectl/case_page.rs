//! One case as a page for a reader. Nothing is inferred: what was not reported is shown as not known.

use casebroker_proto::v1::{
    Case, CaseReport, EvidenceReference, Item, LaboratoryFinding, Location, Place, item::Goods,
};

use crate::{
    failure::Result,
    output::{BAD, FAINT, HEADING, Output},
    table::{clean, wrap},
    words::{self, NOT_KNOWN},
};

/// Width of the labels.
const LABEL: usize = 14;

/// Prints the page.
pub fn print(case: &Case, out: &mut Output) -> Result<()> {
    let report = case.report.clone().unwrap_or_default();
    let mut page = Page { out };
    page.head(case, &report)?;
    page.incident(&report)?;
    page.route(&report)?;
    page.items(&report)?;
    page.evidence(&report.evidence)?;
    page.others(&report)?;
    page.narrative(&report)?;
    page.foot(case, &report)
}

struct Page<'a> {
    out: &'a mut Output,
}

impl Page<'_> {
    fn head(&mut self, case: &Case, report: &CaseReport) -> Result<()> {
        let title = self.out.paint(HEADING, clean(&report.title));
        self.out.line(title)?;
        self.out.line(&case.name)?;
        if case.retracted {
            let text = format!("RETRACTED: {}", clean(&case.retraction_reason));
            let text = self.out.paint(BAD, text);
            self.out.line(text)?;
        }
        self.out.line("")
    }

    fn incident(&mut self, report: &CaseReport) -> Result<()> {
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

    fn route(&mut self, report: &CaseReport) -> Result<()> {
        self.section("Route")?;
        let route = report.route.clone().unwrap_or_default();
        self.location("Origin", route.origin.as_ref())?;
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

    fn location(&mut self, label: &str, location: Option<&Location>) -> Result<()> {
        let Some(location) = location else {
            return self.field(label, NOT_KNOWN);
        };
        let parts = [&location.locality, &location.subdivision, &location.country];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|p| !p.is_empty())
            .cloned()
            .collect();
        self.field(label, parts.join(", "))?;
        for attribution in &location.attributions {
            let mut text = format!("rests on {}", words::basis(attribution.basis));
            match attribution.evidence_ids.as_slice() {
                [] => text.push_str(", no evidence given"),
                ids => text.push_str(&format!(", evidence {}", ids.join(", "))),
            }
            if !attribution.note.is_empty() {
                text.push_str(&format!(": {}", attribution.note));
            }
            self.field("", text)?;
        }
        Ok(())
    }

    fn items(&mut self, report: &CaseReport) -> Result<()> {
        self.section("Items")?;
        for (i, item) in report.items.iter().enumerate() {
            self.item(i + 1, item)?;
        }
        Ok(())
    }

    fn item(&mut self, number: usize, item: &Item) -> Result<()> {
        let (kind, name) = match &item.goods {
            Some(Goods::Substance(s)) => ("substance", words::substance(s)),
            Some(Goods::Precursor(s)) => ("precursor", words::substance(s)),
            Some(Goods::Equipment(e)) => {
                let names = [words::equipment(e.kind), e.name.clone(), e.marking.clone()];
                let names: Vec<_> = names.into_iter().filter(|n| !n.is_empty()).collect();
                ("equipment", names.join(", "))
            }
            None => ("kind", NOT_KNOWN.into()),
        };
        let mut text = format!("{name}: {}", words::quantity(item.quantity.as_ref()));
        for part in [words::form(item.form), percent(&item.purity_percent)] {
            if !part.is_empty() {
                text.push_str(&format!(", {part}"));
            }
        }
        self.field(&format!("{number} {kind}"), text)?;
        if !item.description.is_empty() {
            self.field("", &item.description)?;
        }
        for finding in &item.findings {
            self.field("", finding_text(finding))?;
        }
        if item.findings.is_empty() {
            self.field("", "no laboratory finding reported")?;
        }
        Ok(())
    }

    fn evidence(&mut self, evidence: &[EvidenceReference]) -> Result<()> {
        self.section("Evidence")?;
        if evidence.is_empty() {
            return self.field("", "none listed");
        }
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
        self.field("Owner", words::id(&case.owner))?;
        self.field("Revision", case.revision.to_string())?;
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
        Ok(())
    }

    fn section(&mut self, title: &str) -> Result<()> {
        self.out.line("")?;
        let title = self.out.paint(HEADING, title);
        self.out.line(title)
    }

    /// A label and its text, wrapped beside it. A label that is too long gets a line of its own.
    fn field(&mut self, label: &str, text: impl AsRef<str>) -> Result<()> {
        let label = clean(label);
        let mut lead = format!("{label:LABEL$}");
        if label.chars().count() > LABEL {
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

    /// A page is for reading, so it is never very wide.
    fn width(&self) -> usize {
        self.out.width.unwrap_or(100).min(100)
    }
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

fn finding_text(finding: &LaboratoryFinding) -> String {
    let techniques: Vec<_> = finding
        .techniques
        .iter()
        .map(|t| words::technique(*t))
        .collect();
    let substance = finding
        .substance
        .as_ref()
        .map(words::substance)
        .unwrap_or_default();
    let mut text = format!("{} {substance}", words::result(finding.result));
    if !finding.purity_percent.is_empty() {
        text.push_str(&format!(", {}", percent(&finding.purity_percent)));
    }
    let evidence = match finding.evidence_ids.as_slice() {
        [] => "no evidence given".into(),
        ids => format!("evidence {}", ids.join(", ")),
    };
    format!(
        "{} by {}: {} ({}), report {}, {}; {evidence}",
        text.trim_end(),
        techniques.join(", "),
        finding.laboratory,
        words::accreditation(finding.accreditation),
        finding.report_number,
        words::date(finding.report_date.as_ref()),
    )
}

fn percent(purity: &str) -> String {
    match purity {
        "" => String::new(),
        purity => format!("{purity} % pure"),
    }
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
