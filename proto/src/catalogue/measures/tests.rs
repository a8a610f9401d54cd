use super::read::{DATA, measure};
use super::{
    super::substances::{self, date},
    *,
};
use crate::{
    names::check_id,
    v1::{CaseReport, Item, SubstanceIdentity, item::Goods},
};

fn day(text: &str) -> Date {
    date(text).unwrap()
}

fn case(id: &str, on: &str) -> Case {
    let substance = SubstanceIdentity {
        catalogue_id: id.into(),
        ..SubstanceIdentity::default()
    };
    Case {
        report: Some(CaseReport {
            incident_date: Some(day(on)),
            items: vec![Item {
                goods: Some(Goods::Substance(substance)),
                ..Item::default()
            }],
            ..CaseReport::default()
        }),
        ..Case::default()
    }
}

fn answer(id: &str, on: &str, jurisdiction: &str) -> (Controlled, String, String) {
    let found = controls(&case(id, on));
    assert_eq!(found.len(), 3, "{id}");
    let status = found.into_iter().find(|s| s.jurisdiction == jurisdiction);
    let status = status.unwrap();
    let since = status.effective_date.map_or(String::new(), |d| {
        format!("{}-{}-{}", d.year, d.month, d.day)
    });
    (status.controlled(), since, status.measure)
}

#[test]
fn every_row_of_the_file_is_read_whole_and_names_substances_of_the_catalogue() {
    let mut reader = csv::Reader::from_reader(DATA.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for row in &rows {
        let read = measure(row).unwrap();
        assert_eq!(read.not_before.is_none(), row[2].is_empty(), "{}", read.id);
        assert_eq!(read.at_latest.is_none(), row[3].is_empty(), "{}", read.id);
        for id in row[4]
            .split(';')
            .filter(|s| !s.is_empty() && !s.starts_with("class:"))
        {
            assert!(substances::by_id(id).is_some(), "{id}");
        }
        assert!(
            !read.title.is_empty() && !read.source.is_empty(),
            "{}",
            read.id
        );
        let place = format!("-{}-", read.jurisdiction.as_str().to_lowercase());
        assert!(read.id.contains(&place), "{}", read.id);
    }
    assert!(all().len() > rows.len());
}

#[test]
fn ids_are_unique_and_well_formed_and_limits_are_in_order() {
    let mut seen = std::collections::HashSet::new();
    for measure in all() {
        assert!(check_id(&measure.id).is_ok(), "{}", measure.id);
        assert!(seen.insert(&measure.id), "{} twice", measure.id);
        if let (Some(a), Some(b)) = (measure.not_before, measure.at_latest) {
            assert!(days(&a).0 <= days(&b).1, "{}", measure.id);
        }
    }
}

#[test]
fn every_substance_with_a_date_or_schedule_has_a_measure_and_no_other_has() {
    for s in substances::all() {
        assert_eq!(
            of(s, Jurisdiction::UnitedNations).is_empty(),
            s.un_schedules.is_empty(),
            "{}",
            s.id
        );
        assert_eq!(
            of(s, Jurisdiction::UnitedStates).is_empty(),
            s.us_schedule.is_none(),
            "{}",
            s.id
        );
        if let Some(date) = s.cn_control_date {
            let mut measures = of(s, Jurisdiction::China).iter();
            assert!(
                measures.any(|m| m.effective_date() == Some(date)),
                "{}",
                s.id
            );
        }
    }
}

#[test]
fn control_is_answered_at_the_incident_date() {
    use Controlled::{No, Unknown, Yes};
    for (id, on, place, controlled, since, measure) in [
        (
            "carfentanil",
            "2016-06-27",
            "CN",
            No,
            "2017-3-1",
            "carfentanil-cn-2017",
        ),
        (
            "carfentanil",
            "2017-02-28",
            "CN",
            No,
            "2017-3-1",
            "carfentanil-cn-2017",
        ),
        (
            "carfentanil",
            "2017-03-01",
            "CN",
            Yes,
            "2017-3-1",
            "carfentanil-cn-2017",
        ),
        (
            "carfentanil",
            "2017",
            "CN",
            Unknown,
            "2017-3-1",
            "carfentanil-cn-2017",
        ),
        (
            "carfentanil",
            "2017-03",
            "CN",
            Yes,
            "2017-3-1",
            "carfentanil-cn-2017",
        ),
        (
            "carfentanil",
            "2020",
            "CN",
            Yes,
            "2017-3-1",
            "carfentanil-cn-2017",
        ),
        (
            "carfentanil",
            "2018-02",
            "UN",
            No,
            "",
            "carfentanil-un-2018",
        ),
        (
            "carfentanil",
            "2018-06",
            "UN",
            Unknown,
            "",
            "carfentanil-un-2018",
        ),
        (
            "carfentanil",
            "2019-04",
            "UN",
            Yes,
            "",
            "carfentanil-un-2018",
        ),
        (
            "fentanyl",
            "2016",
            "CN",
            Yes,
            "",
            "narcotic-psychotropic-lists-cn-2014",
        ),
        (
            "fentanyl",
            "2013",
            "CN",
            Unknown,
            "",
            "narcotic-psychotropic-lists-cn-2014",
        ),
        (
            "fentanyl",
            "2016",
            "US",
            Yes,
            "",
            "controlled-substances-act-us-1971",
        ),
        ("fentanyl", "2016", "UN", Yes, "", "fentanyl-un-1964"),
        (
            "methacrylfentanyl",
            "2019-04-30",
            "CN",
            No,
            "2019-5-1",
            "fentanyl-related-cn-2019",
        ),
        (
            "methacrylfentanyl",
            "2019-05-01",
            "CN",
            Yes,
            "2019-5-1",
            "fentanyl-related-cn-2019",
        ),
        (
            "flunitazene",
            "2025-06-30",
            "CN",
            No,
            "2025-7-1",
            "nitazenes-cn-2025",
        ),
        (
            "4-piperidone",
            "2025-07-15",
            "CN",
            Unknown,
            "2025-7-0",
            "4-piperidone-cn-2025",
        ),
        (
            "4-piperidone",
            "2025-08-01",
            "CN",
            Yes,
            "2025-7-0",
            "4-piperidone-cn-2025",
        ),
        (
            "npp",
            "2017-10-18",
            "UN",
            Yes,
            "2017-10-18",
            "npp-anpp-un-2017",
        ),
        ("xylazine", "2024-01-01", "CN", Unknown, "", ""),
    ] {
        assert_eq!(
            answer(id, on, place),
            (controlled, since.to_owned(), measure.to_owned()),
            "{id} {on} {place}"
        );
    }
}

#[test]
fn without_an_incident_date_or_a_known_substance_nothing_is_claimed() {
    let mut undated = case("carfentanil", "2017");
    undated.report.as_mut().unwrap().incident_date = None;
    assert!(
        controls(&undated)
            .iter()
            .all(|s| s.controlled() == Controlled::Unknown)
    );
    let mut free = case("", "2017");
    if let Some(Goods::Substance(s)) = &mut free.report.as_mut().unwrap().items[0].goods {
        s.name = "no such substance".into();
    }
    assert_eq!(controls(&free), []);
    assert_eq!(controls(&Case::default()), []);
}

#[test]
fn a_measure_is_found_by_its_id_and_a_near_miss_is_told() {
    assert_eq!(
        find_measure(" Carfentanil-CN-2017 ").unwrap().id,
        "carfentanil-cn-2017"
    );
    let missed = find_measure("carfentanyl-cn-2017").unwrap_err();
    assert_eq!(
        missed.to_string(),
        "there is no control measure `carfentanyl-cn-2017`; did you mean `carfentanil-cn-2017`?"
    );
    assert_eq!(find_measure("printer ink").unwrap_err().suggestion, None);
    let class = find_measure("nitazenes-cn-2025").unwrap();
    assert_eq!(class.class, Some(Class::Nitazene));
    assert!(class.substances.len() > 20);
    assert!(find_measure("synthetic-cannabinoids-cn-2021").is_ok());
}
