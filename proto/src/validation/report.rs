//! A case report as a whole.

use super::{
    checker::{Checker, Path},
    evidence::Listed,
    limits,
};
use crate::v1::{
    CaseReport, Conveyance, Identifier, IdentifierKind, IncidentDateKind, Organization,
    OrganizationRole, PublicSource,
};

impl Checker {
    /// A report, field by field in the order of the contract.
    pub(super) fn report(&mut self, at: &Path<'_>, report: &CaseReport) {
        let listed = &Listed::new(&report.evidence);
        self.case_name(&at.field("name"), &report.name);
        self.required_line(&at.field("title"), &report.title, limits::TITLE);
        let unit = &report.reporting_unit;
        self.optional_line(&at.field("reporting_unit"), unit, limits::REPORTING_UNIT);
        let date = report.incident_date.as_ref();
        self.required(&at.field("incident_date"), date, Self::past_date);
        let kind = report.incident_date_kind;
        self.optional_enum::<IncidentDateKind>(&at.field("incident_date_kind"), kind);
        self.required(&at.field("place"), report.place.as_ref(), Self::place);
        if let Some(route) = &report.route {
            self.route(&at.field("route"), route, listed);
        }
        if report.items.is_empty() {
            self.missing(&at.field("items"));
        }
        self.each(at, "items", &report.items, limits::ITEMS, |c, at, item| {
            c.item(at, item, listed);
        });
        self.evidence(at, &report.evidence);
        let max = limits::IDENTIFIERS;
        self.each(
            at,
            "identifiers",
            &report.identifiers,
            max,
            Self::identifier,
        );
        let max = limits::ORGANIZATIONS;
        self.each(
            at,
            "organizations",
            &report.organizations,
            max,
            Self::organization,
        );
        let concealment = &report.concealment;
        self.optional_prose(&at.field("concealment"), concealment, limits::CONCEALMENT);
        self.optional_enum::<Conveyance>(&at.field("conveyance"), report.conveyance);
        self.optional_prose(&at.field("narrative"), &report.narrative, limits::NARRATIVE);
        let handling = report.handling.as_ref();
        self.required(&at.field("handling"), handling, Self::handling);
        self.each(
            at,
            "sources",
            &report.sources,
            limits::SOURCES,
            Self::source,
        );
    }

    fn identifier(&mut self, at: &Path<'_>, identifier: &Identifier) {
        self.required_enum::<IdentifierKind>(&at.field("kind"), identifier.kind);
        self.required_line(&at.field("value"), &identifier.value, limits::IDENTIFIER);
        self.optional_line(&at.field("issuer"), &identifier.issuer, limits::IDENTIFIER);
    }

    fn organization(&mut self, at: &Path<'_>, organization: &Organization) {
        let max = limits::ORGANIZATION_NAME;
        self.required_line(&at.field("name"), &organization.name, max);
        self.optional_enum::<OrganizationRole>(&at.field("role"), organization.role);
        self.optional_country(&at.field("country"), &organization.country);
    }

    fn source(&mut self, at: &Path<'_>, source: &PublicSource) {
        self.required_line(&at.field("title"), &source.title, limits::SOURCE_TITLE);
        self.required_line(&at.field("publisher"), &source.publisher, limits::PUBLISHER);
        if let Some(date) = &source.publish_date {
            self.past_date(&at.field("publish_date"), date);
        }
        self.uri(&at.field("uri"), &source.uri);
    }
}
