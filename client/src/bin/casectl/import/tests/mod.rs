//! Whole imports: maps and rows as agencies have them, and what must hold of any.

use std::collections::BTreeMap;

use casebroker_proto::{
    json,
    v1::{CaseReport, IncidentDateKind, PlaceKind, Statement, Unit, item::Goods, statement::Kind},
};

use super::*;

mod whole;

/// What became of the rows of a text.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Lines of output, by the line of their row.
    cases: BTreeMap<u64, Vec<String>>,
    rejected: BTreeMap<u64, String>,
    skipped: Vec<u64>,
}

impl Outcome {
    fn report(&self, line: u64) -> CaseReport {
        let lines = &self
            .cases
            .get(&line)
            .unwrap_or_else(|| panic!("{line}: {self:#?}"));
        assert_eq!(lines.len(), 1);
        report(&lines[0])
    }
}

fn report(line: &str) -> CaseReport {
    let statement: Statement = json::from_str("casebroker.v1.Statement", line).unwrap();
    assert!(statement.request_id.parse::<uuid::Uuid>().is_ok());
    match statement.kind {
        Some(Kind::Report(said)) => {
            let report = said.report.unwrap();
            assert_eq!(report.name, statement.case);
            report
        }
        other => panic!("{other:?}"),
    }
}

fn plan(map: &str) -> Result<Plan> {
    let (name, text) = ("map.toml".into(), map.into());
    Plan::new(MapText { name, text }, None)
}

fn import(map: &str, text: &str, expand: bool) -> Outcome {
    let mut plan = Some(plan(map).unwrap_or_else(|f| panic!("{}", f.what)));
    let source = plan.as_ref().unwrap().source.clone();
    let (mut maker, mut outcome) = (None, Outcome::default());
    let progress = Progress::new(String::new(), None);
    rows::read_separated("x.csv", text.as_bytes(), &source, &progress, |event| {
        let row = match event {
            Event::Headings(headings) => {
                let made = Maker::new(plan.take().unwrap(), "x.csv", &headings, expand);
                maker = Some(made.unwrap_or_else(|f| panic!("{}", f.what)));
                return true;
            }
            Event::Row(row) => row,
            Event::Bad { row, why } => {
                outcome.rejected.insert(row.line, why);
                return true;
            }
        };
        match maker.as_mut().unwrap().take(&row).unwrap() {
            Fate::Cases(cases) => {
                let lines = cases.statements().map(|s| files::line(&s, false).unwrap());
                outcome.cases.insert(row.line, lines.collect());
            }
            Fate::Skipped(_) => outcome.skipped.push(row.line),
            Fate::Rejected(why) => drop(outcome.rejected.insert(row.line, files::reasons(&why))),
        }
        true
    })
    .unwrap();
    outcome
}

/// A map with these lines among its fields.
fn with_fields(fields: &str) -> String {
    format!(
        "[case]\nagency = \"us-dea\"\nid = \"{{Id}}\"\n[fields]\n\"title\" = {{ template = \"Case {{Id}}\" }}\n\
         \"place.country\" = \"US\"\n\"handling.tlp\" = \"green\"\n{fields}"
    )
}

const GOODS: &str = "\"items[0].substance.name\" = \"Fentanyl\"\n";
const DATE: &str = "\"incident_date\" = \"2016-06-27\"\n";

#[test]
fn the_example_and_every_shipped_map_are_whole() {
    plan(EXAMPLE).unwrap();
    for (name, text) in map::SHIPPED {
        assert!(plan(text).is_ok(), "{name}");
    }
    // The example names every key that there is.
    for key in [
        "expand",
        "header_line",
        "sheet",
        "delimiter",
        "decimal",
        "grouping",
        "agency",
        "id",
        "[[skip]]",
        "is_not",
        "empty",
        "column",
        "required",
        "default",
        "values",
        "unlisted",
        "template",
        "if =",
        "dates",
        "year =",
        "month =",
        "day =",
        "fiscal_year",
        "fiscal_start",
        "unit_column",
        "units",
        "as =",
        "zero",
    ] {
        assert!(EXAMPLE.contains(key), "{key}");
    }
}

#[test]
fn columns_constants_templates_and_values_become_fields() {
    let map = with_fields(&format!(
        "{DATE}\"incident_date_kind\" = \"seizure\"\n\
         \"place.kind\" = {{ column = \"Where\", values = {{ \"POE\" = \"land-border\" }}, unlisted = \"leave-out\" }}\n\
         \"items[0].substance.catalogue_id\" = {{ column = \"Drug\", values = {{ \"Fentanyl\" = \"fentanyl\" }} }}\n\
         \"items[0].description\" = {{ template = \"{{Drug}} from {{{{{{Where}}}}}}\" }}\n\
         \"handling.caveats\" = [\"one\", \"two\"]\n\
         \"route.origin.country\" = {{ column = \"Origin\" }}\n\
         \"route.origin.attributions[0].basis\" = {{ value = \"agency-statement\", if = \"Origin\" }}\n"
    ));
    let found = import(
        &map,
        "Id,Drug,Where,Origin\nA/1, fentanyl ,poe,CN\nA/2,Fentanyl,Office,\nA/3,Cocaine,POE,\n",
        false,
    );
    let one = found.report(2);
    assert_eq!(one.name, "agencies/us-dea/cases/a-1");
    assert_eq!(one.title, "Case A/1");
    assert_eq!(one.incident_date_kind(), IncidentDateKind::Seizure);
    assert_eq!(one.place.as_ref().unwrap().kind(), PlaceKind::LandBorder);
    assert_eq!(one.items[0].description, "fentanyl from {poe}");
    assert_eq!(one.handling.as_ref().unwrap().caveats, ["one", "two"]);
    let Some(Goods::Substance(s)) = &one.items[0].goods else {
        panic!()
    };
    assert_eq!(s.catalogue_id, "fentanyl");
    assert_eq!(one.route.unwrap().origin.unwrap().country, "CN");
    let two = found.report(3);
    assert_eq!(two.place.unwrap().kind(), PlaceKind::Unspecified);
    assert!(two.route.is_none());
    assert!(
        found.rejected[&4].contains("`Cocaine` is not among the values"),
        "{found:?}"
    );
}

#[test]
fn dates_come_by_format_by_parts_and_by_fiscal_year() {
    let dates = |binding: &str, text: &str| {
        let map = with_fields(&format!("{GOODS}\"incident_date\" = {binding}\n"));
        let found = import(&map, text, false);
        let date = found
            .cases
            .get(&2)
            .map(|lines| report(&lines[0]).incident_date.unwrap());
        date.map(|d| (d.year, d.month, d.day))
    };
    let by = "{ column = \"D\", dates = [\"%d.%m.%Y\", \"excel\"] }";
    assert_eq!(dates(by, "Id,D\n1,27.6.2016\n"), Some((2016, 6, 27)));
    assert_eq!(dates(by, "Id,D\n1,42548\n"), Some((2016, 6, 27)));
    assert_eq!(dates(by, "Id,D\n1,2016-06-27\n"), None);
    let parts = "{ year = \"Y\", month = \"M\", day = \"D\" }";
    assert_eq!(dates(parts, "Id,Y,M,D\n1,2016,Jun,\n"), Some((2016, 6, 0)));
    assert_eq!(dates(parts, "Id,Y,M,D\n1,2016,2,30\n"), None);
    let fiscal = "{ fiscal_year = \"Y\", month = \"M\" }";
    assert_eq!(dates(fiscal, "Id,Y,M\n1,2019,OCT\n"), Some((2018, 10, 0)));
    assert_eq!(
        dates(fiscal, "Id,Y,M\n1,2026 (FYTD),APR\n"),
        Some((2026, 4, 0))
    );
}

#[test]
fn quantities_have_their_unit_fixed_or_from_a_column_and_may_use_a_decimal_comma() {
    let quantity = |source: &str, binding: &str, text: &str| {
        let map = format!(
            "{source}{}",
            with_fields(&format!("{DATE}{GOODS}\"items[0].quantity\" = {binding}\n"))
        );
        let found = import(&map, text, false);
        match found.rejected.get(&2) {
            Some(why) => Err(why.clone()),
            None => Ok(found.report(2).items[0]
                .quantity
                .clone()
                .map(|q| (q.value.clone(), q.unit()))),
        }
    };
    let is = |value: &str, unit: Unit| Ok(Some((value.to_owned(), unit)));
    let fixed = "{ column = \"Q\", unit = \"kilogram\" }";
    assert_eq!(
        quantity("", fixed, "Id,Q\n1,1.20\n"),
        is("1.20", Unit::Kilogram)
    );
    assert_eq!(quantity("", fixed, "Id,Q\n1,\n"), Ok(None));
    assert!(quantity("", fixed, "Id,Q\n1,\"1,2\"\n").is_err());
    let comma = "[source]\ndecimal = \",\"\ngrouping = \".\"\ndelimiter = \";\"\n";
    assert_eq!(
        quantity(comma, fixed, "Id;Q\n1;1.234,5\n"),
        is("1234.5", Unit::Kilogram)
    );
    let column = "{ column = \"Q\", unit_column = \"U\", units = { \"kgs\" = \"kilogram\" }, unlisted = \"keep\" }";
    assert_eq!(
        quantity("", column, "Id,Q,U\n1,2,KGS\n"),
        is("2", Unit::Kilogram)
    );
    assert_eq!(
        quantity("", column, "Id,Q,U\n1,2,tablet\n"),
        is("2", Unit::Tablet)
    );
    assert!(
        quantity("", column, "Id,Q,U\n1,2,bags\n")
            .unwrap_err()
            .contains("`bags` is not one of")
    );
    assert!(quantity("", column, "Id,Q,U\n1,2,\n").is_err());
    let pounds = "{ column = \"Q\", unit = \"pound\", as = \"gram\", zero = \"leave-out\" }";
    assert_eq!(
        quantity("", pounds, "Id,Q\n1,8.3799469484296\n"),
        is("3801.079997", Unit::Gram)
    );
    assert_eq!(quantity("", pounds, "Id,Q\n1,0.0\n"), Ok(None));
    let kept = "{ column = \"Q\", unit = \"pound\" }";
    assert!(
        quantity("", kept, "Id,Q\n1,8.3799469484296\n")
            .unwrap_err()
            .contains("as = ")
    );
}

#[test]
fn rows_that_the_map_leaves_out_are_neither_cases_nor_rejected() {
    let map = format!(
        "[[skip]]\ncolumn = \"Id\"\nis = [\"total\"]\n[[skip]]\ncolumn = \"Note\"\nempty = false\nis_not = [\"ok\"]\n{}",
        with_fields(&format!("{DATE}{GOODS}"))
    );
    let found = import(&map, "Id,Note\n1,\n Total ,\n2,draft\n3,OK\n,\n", false);
    assert_eq!(found.cases.keys().copied().collect::<Vec<_>>(), [2, 5]);
    assert_eq!(found.skipped, [3, 4, 6]);
    assert!(found.rejected.is_empty());
}

#[test]
fn a_row_is_rejected_with_everything_that_is_wrong_with_it() {
    let map = with_fields(
        "\"incident_date\" = { column = \"D\" }\n\"items[0].quantity\" = { column = \"Q\", unit = \"gram\" }\n",
    );
    let found = import(&map, "Id,D,Q\n1,June,many\n2,2016-06-27,1\n", false);
    assert!(
        found.rejected[&2].contains("incident_date column `D`"),
        "{found:?}"
    );
    assert!(
        found.rejected[&2].contains("items[0].quantity column `Q`"),
        "{found:?}"
    );
    // What the contract says, where the cells are right.
    assert!(
        found.rejected[&3].contains("items[0].goods is required"),
        "{found:?}"
    );
}

#[test]
fn two_rows_do_not_become_one_case() {
    let map = with_fields(&format!("{DATE}{GOODS}"));
    let found = import(&map, "Id\nA-1\nA/1\nA/2\n", false);
    assert_eq!(found.cases.len(), 2);
    assert!(found.rejected[&3].contains("that of line 2"), "{found:?}");
}

#[test]
fn a_mistake_in_the_map_is_named_with_its_line_before_a_row_is_read() {
    for (fields, says) in [
        ("\"titel\" = \"x\"", "there is no `titel`"),
        ("\"place\" = \"US\"", "country"),
        ("\"place.kind\" = \"moon\"", "land-border"),
        (
            "\"incident_date\" = { column = \"D\", dates = [\"%y\"] }",
            "%Y",
        ),
        (
            "\"incident_date\" = { fiscal_year = \"FY\" }",
            "needs `month`",
        ),
        (
            "\"incident_date\" = { column = \"D\", zero = \"keep\" }",
            "`zero` does not go",
        ),
        ("\"items[0].quantity\" = { column = \"Q\" }", "`unit`"),
        (
            "\"items[0].quantity\" = { column = \"Q\", unit = \"stone\" }",
            "pound",
        ),
        (
            "\"items[0].quantity\" = { column = \"Q\", unit = \"tablet\", as = \"gram\" }",
            "a mass",
        ),
        (
            "\"items[0].substance.catalogue_id\" = { column = \"D\", values = { \"x\" = \"fentanil\" } }",
            "did you mean",
        ),
        ("\"narrative\" = { template = \"{D\" }", "without `}`"),
        (
            "\"narrative\" = { unlisted = \"keep\", column = \"D\" }",
            "no `values`",
        ),
        ("\"narrative\" = { default = \"x\" }", "lacks `column`"),
        ("\"name\" = \"x\"", "[case]"),
    ] {
        let map = with_fields(fields);
        let failure = plan(&map).unwrap_err();
        assert!(failure.what.starts_with("map.toml:8: "), "{}", failure.what);
        assert!(failure.what.contains(says), "{says}: {}", failure.what);
        assert_eq!(failure.exit, Exit::Invalid);
    }
    for (from, to, says) in [
        ("us-dea", "US DEA", "map.toml:2"),
        ("{Id}", "all", "the same for every row"),
    ] {
        let map = with_fields("").replacen(from, to, 1);
        let failure = plan(&map).unwrap_err();
        assert!(failure.what.contains(says), "{}", failure.what);
    }
}

#[test]
fn a_column_that_is_not_there_is_named_with_the_line_of_the_map() {
    let map = with_fields("\"narrative\" = { column = \"Remarks\" }\n");
    let headings =
        |names: &[&str]| -> Vec<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    let failure = plan(&map)
        .unwrap()
        .bind("x.csv", &headings(&["Id", "Remark"]))
        .unwrap_err();
    assert!(
        failure
            .what
            .starts_with("map.toml:8: x.csv has no column `Remarks`; it has Id, Remark"),
        "{}",
        failure.what
    );
    let failure = plan(&map)
        .unwrap()
        .bind("x.csv", &headings(&["Id", "Remarks", "Id"]))
        .unwrap_err();
    assert!(
        failure.what.contains("two columns `Id`"),
        "{}",
        failure.what
    );
}
