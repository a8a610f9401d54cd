//! What is refused, and how.

use super::*;

#[test]
fn every_value_that_nothing_can_have_is_refused_at_once_with_what_was_meant() {
    let filter = CaseFilter {
        agencies: texts(&[
            "us-dea",
            "agencies/us-deaa",
            "groups/nobody",
            "groups/north-amerika",
            "",
        ]),
        reporting_units: texts(&[" "]),
        countries: texts(&["CN", "Mexico"]),
        origins: texts(&["cn", "UK", "XX", ""]),
        bases: vec![0, 99],
        statuses: vec![2, 0, 7],
        substances: texts(&["a\nb"]),
        substance_classes: texts(&["fentanyl-analog"]),
        item_kinds: vec![-1],
        incident_start_date: day(0, 3, 1),
        incident_end_date: day(2017, 2, 30),
        record_start_time: Some(Timestamp {
            seconds: 0,
            nanos: -1,
        }),
        min_mass_micrograms: -5,
        identifiers: texts(&["- -"]),
        evidence_digests: vec![
            Digest {
                algorithm: DigestAlgorithm::Sha384.into(),
                value: vec![1; 32],
            },
            Digest::default(),
        ],
        text: " ".into(),
        obstacles: texts(&["contestd", "origin_basis"]),
        ..CaseFilter::default()
    };
    let name = "which is not the name of a member, present or past, or of a group, such as agencies/us-dea";
    let code = "which is not an assigned ISO 3166-1 alpha-2 code in upper case";
    let blank = "is blank; it must say something, or be left out where it is optional";
    let classes = "fentanyl, fentanyl-analogue, fentanyl-precursor, nitazene, other-opioid, benzodiazepine-nps, adulterant, other, uncatalogued, equipment";
    let obstacles = "retracted, disputed, contested, incident-date, incident-country, incident-record, laboratory-finding, laboratory-techniques, laboratory-named, laboratory-report, findings-agree, equipment-examination, origin-basis";
    assert_eq!(
        refused(&filter),
        [
            format!("filter.agencies[0]: is \"us-dea\", {name}; did you mean agencies/us-dea?"),
            format!("filter.agencies[1]: is \"agencies/us-deaa\", {name}; did you mean agencies/us-dea?"),
            "filter.agencies[2]: is \"groups/nobody\", which has no members".into(),
            format!("filter.agencies[3]: is \"groups/north-amerika\", {name}; did you mean groups/north-america?"),
            "filter.agencies[4]: is required".into(),
            format!("filter.reporting_units[0]: {blank}"),
            format!("filter.countries[1]: is \"Mexico\", {code}; did you mean MX (Mexico)?"),
            format!("filter.origins[0]: is \"cn\", {code}; did you mean CN (China)?"),
            format!("filter.origins[1]: is \"UK\", {code}; did you mean GB (United Kingdom of Great Britain and Northern Ireland)?"),
            format!("filter.origins[2]: is \"XX\", {code}"),
            "filter.origins[3]: is required".into(),
            "filter.bases[0]: is required: it must be a specified value of AttributionBasis".into(),
            "filter.bases[1]: is 99, which is not a value of AttributionBasis".into(),
            "filter.statuses[1]: is required: it must be a specified value of CaseStatus".into(),
            "filter.statuses[2]: is 7, which is not a value of CaseStatus".into(),
            "filter.substances[0]: contains U+000A; it must be one line without control or bidirectional formatting characters".into(),
            format!("filter.substance_classes[0]: is \"fentanyl-analog\", which is not one of {classes}; did you mean fentanyl-analogue?"),
            "filter.item_kinds[0]: is -1, which is not a value of ItemKind".into(),
            "filter.incident_start_date: is 0000-03-01; the year is required, from 1 to 9999".into(),
            "filter.incident_end_date: is 2017-02-30; there is no such day in that month".into(),
            "filter.record_start_time: is not a time: it must lie between the years 1 and 9999, with 0 to 999999999 nanoseconds".into(),
            "filter.min_mass_micrograms: is -5; it must be at least 0".into(),
            "filter.identifiers[0]: has nothing but hyphens and spaces".into(),
            "filter.evidence_digests[0].value: has 32 bytes; a digest of this algorithm has 48".into(),
            "filter.evidence_digests[1].algorithm: is required: it must be a specified value of DigestAlgorithm".into(),
            "filter.evidence_digests[1].value: is required".into(),
            format!("filter.text: {blank}"),
            format!("filter.obstacles[0]: is \"contestd\", which is not one of {obstacles}; did you mean contested?"),
            format!("filter.obstacles[1]: is \"origin_basis\", which is not one of {obstacles}; did you mean origin-basis?"),
        ]
    );
}

#[test]
fn each_limit_is_that_of_the_contract() {
    let many = |text: &str, count: usize| vec![text.to_owned(); count];
    let digest = full().evidence_digests.remove(0);
    let at_limit = CaseFilter {
        agencies: many("agencies/us-dea", 200),
        reporting_units: many(&"x".repeat(200), 200),
        countries: many("CN", 250),
        origins: many("CN", 250),
        departures: many("CN", 250),
        transits: many("CN", 250),
        destinations: many("CN", 250),
        substances: many("fentanyl", 500),
        substance_classes: many("fentanyl", 50),
        organizations: many("Acme", 50),
        identifiers: many("1", 200),
        evidence_digests: vec![digest.clone(); 200],
        text: "ä".repeat(500),
        obstacles: many("disputed", 20),
        ..CaseFilter::default()
    };
    let selection = accepted(&at_limit).selection;
    assert_eq!(selection.agencies.len(), 1, "repeated values count once");
    assert_eq!((selection.origins.len(), selection.digests.len()), (1, 1));
    let mut over = at_limit;
    let lists = [
        &mut over.agencies,
        &mut over.reporting_units,
        &mut over.countries,
        &mut over.origins,
        &mut over.departures,
        &mut over.transits,
        &mut over.destinations,
        &mut over.substances,
        &mut over.substance_classes,
        &mut over.organizations,
        &mut over.identifiers,
        &mut over.obstacles,
    ];
    for list in lists {
        list.push(list[0].clone());
    }
    over.evidence_digests.push(digest);
    over.text.push('ä');
    let refused = refused(&over);
    assert_eq!(refused.len(), 14, "{refused:#?}");
    let counted = |field: &str, count: usize| {
        format!(
            "filter.{field}: has {count} elements; at most {} are allowed, and only those were checked",
            count - 1
        )
    };
    assert_eq!(refused[0], counted("agencies", 201));
    assert!(refused.contains(&counted("origins", 251)));
    assert!(refused.contains(&counted("obstacles", 21)));
    assert!(
        refused.contains(&"filter.text: has 501 characters; at most 500 are allowed".to_owned())
    );
}

#[test]
fn a_date_is_completed_outwards_and_ends_may_not_cross() {
    let days = |from, to| {
        let filter = CaseFilter {
            incident_start_date: from,
            incident_end_date: to,
            ..CaseFilter::default()
        };
        compile(&filter, "filter", &Registry).map(|c| (c.selection.from_day, c.selection.to_day))
    };
    let exact = |y, m, d| Some(Day::new(y, m, d));
    for (from, to, first, last) in [
        (
            day(2016, 0, 0),
            day(2016, 0, 0),
            exact(2016, 1, 1),
            exact(2016, 12, 31),
        ),
        (
            day(2016, 2, 0),
            day(2016, 2, 0),
            exact(2016, 2, 1),
            exact(2016, 2, 29),
        ),
        (
            day(2016, 2, 3),
            day(2016, 2, 3),
            exact(2016, 2, 3),
            exact(2016, 2, 3),
        ),
        (
            day(2016, 2, 3),
            day(2016, 0, 0),
            exact(2016, 2, 3),
            exact(2016, 12, 31),
        ),
        (None, day(1900, 2, 0), None, exact(1900, 2, 28)),
        (day(9999, 0, 0), None, exact(9999, 1, 1), None),
    ] {
        assert_eq!(days(from, to), Ok((first, last)));
    }
    for (from, to) in [
        (day(2016, 2, 4), day(2016, 2, 3)),
        (day(2017, 0, 0), day(2016, 0, 0)),
        (day(2016, 3, 0), day(2016, 2, 0)),
    ] {
        let violations = days(from, to).unwrap_err();
        let found = Violation::new("filter.incident_end_date", "is before incident_start_date");
        assert_eq!(violations, [found]);
    }
}

#[test]
fn an_empty_range_of_record_times_is_refused() {
    let time = |seconds| Some(Timestamp { seconds, nanos: 0 });
    for (from, before) in [(5, 5), (6, 5)] {
        let filter = CaseFilter {
            record_start_time: time(from),
            record_end_time: time(before),
            ..CaseFilter::default()
        };
        assert_eq!(
            refused(&filter),
            [
                "filter.record_end_time: is not after record_start_time; it is the time before which a case was recorded"
            ]
        );
    }
}

/// What a broker with two visible cases would say.
struct Two;

impl Occurring for Two {
    fn has_reporting_unit(&self, key: &str) -> bool {
        key == "port of entry"
    }

    fn has_substance(&self, key: &str) -> bool {
        key == "mystery opioid"
    }

    fn reporting_units(&self) -> Vec<String> {
        texts(&["Port of Entry"])
    }

    fn substances(&self) -> Vec<String> {
        texts(&["Mystery Opioid"])
    }
}

#[test]
fn units_and_names_that_nothing_has_are_refused_with_what_was_meant() {
    let filter = CaseFilter {
        reporting_units: texts(&["PORT  of entry", "Port of Entri"]),
        substances: texts(&[
            "Fentanyl",
            "mystery  opioid",
            "Mystery Opiod",
            "Carfentanyl",
            "tea",
        ]),
        ..CaseFilter::default()
    };
    let unknown = "which neither the catalogue nor any case here knows";
    let found: Vec<_> = check_occurring(&filter, "filter", &Two)
        .into_iter()
        .map(|v| format!("{}: {}", v.field, v.description))
        .collect();
    assert_eq!(
        found,
        [
            "filter.reporting_units[1]: is \"Port of Entri\", which is not the reporting unit of any case here; did you mean Port of Entry?".to_owned(),
            format!("filter.substances[2]: is \"Mystery Opiod\", {unknown}; did you mean Mystery Opioid?"),
            format!("filter.substances[3]: is \"Carfentanyl\", {unknown}; did you mean Carfentanil (carfentanil)?"),
            format!("filter.substances[4]: is \"tea\", {unknown}"),
        ]
    );
}
