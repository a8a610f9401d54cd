//! Places: of the incident, and of the route with what each rests on.

use super::{
    checker::{Checker, Path},
    evidence::Listed,
    limits,
};
use crate::v1::{Attribution, AttributionBasis, Location, Place, PlaceKind, Route};

impl Checker {
    /// Where the incident happened.
    pub(super) fn place(&mut self, at: &Path<'_>, place: &Place) {
        self.required_country(&at.field("country"), &place.country);
        self.subdivision(&at.field("subdivision"), &place.country, &place.subdivision);
        self.optional_line(&at.field("locality"), &place.locality, limits::LOCALITY);
        self.optional_enum::<PlaceKind>(&at.field("kind"), place.kind);
    }

    /// The four places of a route.
    pub(super) fn route(&mut self, at: &Path<'_>, route: &Route, listed: &Listed<'_>) {
        let one = |c: &mut Self, name, location: &Option<Location>| {
            if let Some(location) = location {
                c.location(&at.field(name), location, listed);
            }
        };
        one(self, "origin", &route.origin);
        one(self, "departure", &route.departure);
        self.each(
            at,
            "transit",
            &route.transit,
            limits::TRANSIT,
            |c, at, l| {
                c.location(at, l, listed);
            },
        );
        one(self, "destination", &route.destination);
    }

    fn location(&mut self, at: &Path<'_>, location: &Location, listed: &Listed<'_>) {
        self.required_country(&at.field("country"), &location.country);
        let subdivision = &location.subdivision;
        self.subdivision(&at.field("subdivision"), &location.country, subdivision);
        self.optional_line(&at.field("locality"), &location.locality, limits::LOCALITY);
        if location.attributions.is_empty() {
            self.missing(&at.field("attributions"));
        }
        let max = limits::ATTRIBUTIONS;
        self.each(
            at,
            "attributions",
            &location.attributions,
            max,
            |c, at, a| {
                c.attribution(at, a, listed);
            },
        );
    }

    fn attribution(&mut self, at: &Path<'_>, attribution: &Attribution, listed: &Listed<'_>) {
        self.required_enum::<AttributionBasis>(&at.field("basis"), attribution.basis);
        self.evidence_ids(at, &attribution.evidence_ids, listed);
        self.optional_prose(
            &at.field("note"),
            &attribution.note,
            limits::ATTRIBUTION_NOTE,
        );
    }
}
