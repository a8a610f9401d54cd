//! One case as the cells of a row.

use casebroker_proto::v1::{Case, Location, item::Goods};

use crate::words;

/// Terminals narrower than this show a case on two lines: names and titles need the room.
pub const NARROW: usize = 120;

/// Headings of the table.
pub const HEADING: [&str; 7] = ["CASE", "DATE", "STATUS", "IN", "ORIGIN", "WHAT", "TITLE"];

/// Headings of CSV.
pub const CSV_HEADING: [&str; 15] = [
    "name",
    "title",
    "incident_date",
    "country",
    "subdivision",
    "origin",
    "departure",
    "destination",
    "items",
    "revision",
    "retracted",
    "first_position",
    "status",
    "disputed",
    "contested",
];

/// The fields of CSV.
pub fn fields(case: &Case) -> [String; 15] {
    let report = case.report.clone().unwrap_or_default();
    let place = report.place.clone().unwrap_or_default();
    let route = report.route.clone().unwrap_or_default();
    let country = |l: &Option<Location>| l.as_ref().map(|l| l.country.clone()).unwrap_or_default();
    [
        case.name.clone(),
        report.title.clone(),
        // In a file an unknown date is an empty field.
        report
            .incident_date
            .as_ref()
            .map(|d| words::date(Some(d)))
            .unwrap_or_default(),
        place.country,
        place.subdivision,
        country(&route.origin),
        country(&route.departure),
        country(&route.destination),
        items(case),
        case.revision.to_string(),
        case.retracted.to_string(),
        case.first_position.to_string(),
        status(case),
        is_disputed(case).to_string(),
        is_contested(case).to_string(),
    ]
}

/// The cells of a row, in the order of the headings.
pub fn cells(case: &Case) -> Vec<String> {
    let report = case.report.as_ref();
    let place = report.and_then(|r| r.place.as_ref());
    let origin = report.and_then(|r| r.route.as_ref()?.origin.as_ref());
    let known = |text: Option<&String>| match text {
        Some(text) if !text.is_empty() => text.clone(),
        _ => "?".to_owned(),
    };
    let marked: Vec<_> = [status(case)]
        .into_iter()
        .chain(marks(case).into_iter().map(str::to_owned))
        .collect();
    vec![
        words::short_case(&case.name),
        words::date(report.and_then(|r| r.incident_date.as_ref())),
        marked.join(", "),
        known(place.map(|p| &p.country)),
        known(origin.map(|o| &o.country)),
        items(case),
        report.map_or_else(String::new, |r| r.title.clone()),
    ]
}

/// Why a case does not count, whatever its status.
pub fn marks(case: &Case) -> Vec<&'static str> {
    let all = [
        (case.retracted, "retracted"),
        (is_disputed(case), "disputed"),
        (is_contested(case), "contested"),
    ];
    all.into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, mark)| mark)
        .collect()
}

fn is_disputed(case: &Case) -> bool {
    case.disputes
        .iter()
        .any(|dispute| dispute.end_position == 0)
}

fn is_contested(case: &Case) -> bool {
    !case.contested_origins.is_empty()
}

fn status(case: &Case) -> String {
    let status = case.assessment.as_ref().map(|a| words::status(a.status));
    status
        .filter(|s| !s.is_empty())
        .unwrap_or_else(|| "?".into())
}

/// Items in a few words: `about 1 kg carfentanil; 2 pieces tablet press`.
fn items(case: &Case) -> String {
    let Some(report) = &case.report else {
        return String::new();
    };
    let items: Vec<_> = report
        .items
        .iter()
        .map(|item| {
            let name = match &item.goods {
                Some(Goods::Substance(s) | Goods::Precursor(s)) => words::substance(s),
                Some(Goods::Equipment(e)) if e.name.is_empty() => words::equipment(e.kind),
                Some(Goods::Equipment(e)) => e.name.clone(),
                None => item.description.clone(),
            };
            match &item.quantity {
                Some(quantity) => format!("{} {name}", words::quantity(Some(quantity))),
                None => name,
            }
        })
        .collect();
    items.join("; ")
}
