//! Every question, in the words of both systems.

use casebroker_proto::{
    catalogue::substances::Class,
    filter::GoodsClass,
    google::r#type::Date,
    v1::{
        CaseFilter, CaseStatus, CaseView, ComputeTrendRequest, CountCasesRequest, Digest,
        DigestAlgorithm, Dimension, ListCasesRequest, compute_trend_request::Around,
    },
};
use tokio_postgres::types::{ToSql, Type};

use crate::{
    ask::{Ask, Examples, Question, Sql},
    measure::Aim,
    rows::{class_number, number_of},
    words::Words,
    world::VIEWER,
};

const CLASS: GoodsClass = GoodsClass::Catalogued(Class::FentanylAnalogue);
const VISIBLE: &str = "(everybody or audience @> $1)";
const MEASURE: &str = "carfentanil-cn-2017";

/// Attributed cases with an analogue of fentanyl.
fn attributed() -> CaseFilter {
    CaseFilter {
        statuses: vec![CaseStatus::Attributed.into()],
        ..of_class()
    }
}

fn of_class() -> CaseFilter {
    CaseFilter {
        substance_classes: vec![CLASS.as_str().into()],
        ..Default::default()
    }
}

/// Whether masses are asked for too is part of the question, as it is in PostgreSQL's.
fn by_origin_and_year(filter: CaseFilter, masses: bool) -> Ask {
    Ask::Count(CountCasesRequest {
        without_amounts: !masses,
        filter: Some(filter),
        group_by: vec![Dimension::Origin.into(), Dimension::Year.into()],
        ..Default::default()
    })
}

fn list(filter: CaseFilter) -> Ask {
    list_as(CaseView::Full, filter)
}

fn list_as(view: CaseView, filter: CaseFilter) -> Ask {
    Ask::List(ListCasesRequest {
        filter: Some(filter),
        view: view.into(),
        ..Default::default()
    })
}

/// Every question with its aim.
pub fn all(examples: &Examples, words: &Words) -> Vec<Question> {
    let mut all = look_ups(examples);
    all.extend(pages());
    all.extend(counts());
    all.push(trend());
    all.extend(texts(words));
    all
}

/// The pages, the counts and the trend: what clients ask without pause while others submit.
pub fn without_pause() -> Vec<Ask> {
    let questions = pages().into_iter().chain(counts()).chain([trend()]);
    questions.flat_map(|question| question.asks).collect()
}

fn look_ups(examples: &Examples) -> Vec<Question> {
    let sql = |table: &str, column: &str| {
        format!(
            "select name, report from {table} f join cases c on c.position = f.position where f.{column} = $2 and {VISIBLE} \
             order by c.position desc limit 50"
        )
    };
    let digests = examples.digests.iter().map(|digest| CaseFilter {
        evidence_digests: vec![Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: digest.clone(),
        }],
        ..Default::default()
    });
    let identifiers = examples.identifiers.iter().map(|number| CaseFilter {
        identifiers: vec![number.clone()],
        ..Default::default()
    });
    vec![
        Question {
            name: "look-up by digest",
            aim: Aim::p99(1.0),
            asks: digests.map(list).collect(),
            sql: Some(Sql {
                text: sql("digests", "digest"),
                types: vec![Type::INT2_ARRAY, Type::BYTEA],
                parameters: with(examples.digests.iter().cloned()),
                keys: 1,
            }),
            masses: false,
        },
        Question {
            name: "look-up by tracking number",
            aim: Aim::p99(1.0),
            asks: identifiers.map(list).collect(),
            sql: Some(Sql {
                text: sql("identifiers", "number"),
                types: vec![Type::INT2_ARRAY, Type::TEXT],
                parameters: with(examples.identifiers.iter().cloned()),
                keys: 1,
            }),
            masses: false,
        },
    ]
}

/// Parameters of a look-up: who asks, and for what.
fn with<T: ToSql + Sync + Send + 'static>(
    values: impl Iterator<Item = T>,
) -> Vec<Vec<Box<dyn ToSql + Sync + Send>>> {
    let parameters = values.map(|value| -> Vec<Box<dyn ToSql + Sync + Send>> {
        vec![Box::new(vec![number_of(VIEWER)]), Box::new(value)]
    });
    parameters.collect()
}

/// A statement whose one parameter is who asks.
fn fixed(keys: usize, text: String) -> Option<Sql> {
    Some(Sql {
        text,
        types: vec![Type::INT2_ARRAY],
        parameters: vec![vec![Box::new(vec![number_of(VIEWER)])]],
        keys,
    })
}

/// As whole cases; and as much of each as a line shows, which `casectl list` asks for. PostgreSQL gives whole reports both times.
fn pages() -> Vec<Question> {
    [
        (
            "page of 50 newest, origin CN, one class, 2017",
            CaseView::Full,
        ),
        ("the same page, a line each", CaseView::Basic),
    ]
    .map(|(name, view)| page(name, view))
    .into()
}

fn page(name: &'static str, view: CaseView) -> Question {
    let year = Some(Date {
        year: 2017,
        ..Default::default()
    });
    let filter = CaseFilter {
        origins: vec!["CN".into()],
        incident_start_date: year,
        incident_end_date: year,
        ..of_class()
    };
    Question {
        name,
        aim: Aim::p99(3.0),
        asks: vec![list_as(view, filter)],
        sql: fixed(
            1,
            format!(
                "select name, report from cases where origin = 'CN' and year = 2017 and classes >> {} & 1 = 1 and {VISIBLE} \
                 order by position desc limit 50",
                class_number(CLASS)
            ),
        ),
        masses: false,
    }
}

fn counts() -> Vec<Question> {
    let class = class_number(CLASS);
    let status = CaseStatus::Attributed as i32;
    let attributed_goods =
        format!("from goods where class = {class} and status = {status} and {VISIBLE}");
    let nothing = CaseFilter::default;
    vec![
        Question {
            name: "count by origin and year, attributed, one class",
            aim: Aim::p99_and_ratio(3.0, 50.0),
            asks: vec![by_origin_and_year(attributed(), false)],
            sql: fixed(
                3,
                format!(
                    "select origin, year::text, standing::text, count(*)::text {attributed_goods} group by origin, year, standing"
                ),
            ),
            masses: false,
        },
        Question {
            name: "the same with masses",
            aim: Aim::p99_and_ratio(3.0, 50.0),
            asks: vec![by_origin_and_year(attributed(), true)],
            sql: fixed(
                4,
                format!(
                    "select origin, year::text, standing::text, '{class}', sum(mass)::text {attributed_goods} \
                     group by origin, year, standing"
                ),
            ),
            masses: true,
        },
        Question {
            name: "count by origin and year, all visible",
            aim: Aim::p99_and_ratio(3.0, 50.0),
            asks: vec![by_origin_and_year(nothing(), false)],
            sql: fixed(
                3,
                format!(
                    "select origin, year::text, standing::text, count(*)::text from cases where {VISIBLE} \
                     group by origin, year, standing"
                ),
            ),
            masses: false,
        },
        Question {
            name: "the same with masses by class",
            aim: Aim::p99_and_ratio(3.0, 50.0),
            asks: vec![by_origin_and_year(nothing(), true)],
            sql: fixed(
                4,
                format!(
                    "select origin, year::text, standing::text, class::text, sum(mass)::text from goods where {VISIBLE} \
                     group by origin, year, standing, class"
                ),
            ),
            masses: true,
        },
        Question {
            name: "count without groups, attributed to CN",
            aim: Aim::None,
            asks: vec![Ask::Count(CountCasesRequest {
                filter: Some(CaseFilter {
                    origins: vec!["CN".into()],
                    ..attributed()
                }),
                ..Default::default()
            })],
            sql: fixed(
                1,
                format!(
                    "select standing::text, count(*)::text {attributed_goods} and origin = 'CN' group by standing"
                ),
            ),
            masses: false,
        },
        Question {
            name: "count without groups, all visible",
            aim: Aim::None,
            asks: vec![Ask::Count(CountCasesRequest::default())],
            sql: fixed(
                1,
                format!(
                    "select standing::text, count(*)::text from cases where {VISIBLE} group by standing"
                ),
            ),
            masses: false,
        },
    ]
}

fn trend() -> Question {
    // The measure is of 1 March 2017.
    let middle = 2017 * 12 + 2;
    Question {
        name: "trend around carfentanil-cn-2017 by month",
        aim: Aim::None,
        asks: vec![Ask::Trend(ComputeTrendRequest {
            filter: Some(of_class()),
            around: Some(Around::Measure(MEASURE.into())),
            ..Default::default()
        })],
        sql: fixed(
            1,
            format!(
                "select to_char(make_date(month / 12, month % 12 + 1, 1), 'YYYY-MM'), count(*)::text from goods where class = {} and \
                 month >= {} and month < {} and standing = 0 and {VISIBLE} group by month",
                class_number(CLASS),
                middle - 12,
                middle + 12,
            ),
        ),
        masses: false,
    }
}

fn texts(words: &Words) -> Vec<Question> {
    let question = |name, text: String, ts_query: String| {
        let filter = CaseFilter {
            text,
            ..Default::default()
        };
        Question {
            name,
            aim: Aim::p99(20.0),
            asks: vec![list(filter)],
            sql: fixed(
                1,
                format!(
                    "select name, report from cases where words @@ '{ts_query}'::tsquery and {VISIBLE} \
                     order by position desc limit 50"
                ),
            ),
            masses: false,
        }
    };
    let two = words.two();
    let phrase: Vec<char> = Words::chinese().chars().collect();
    let pairs: Vec<String> = phrase
        .windows(2)
        .map(|pair| pair.iter().collect())
        .collect();
    vec![
        question("text, two English words", two.join(" "), two.join(" & ")),
        question(
            "text, a Chinese phrase",
            format!("\"{}\"", Words::chinese()),
            pairs.join(" <-> "),
        ),
    ]
}

/// What the cost of an answer as of a position is shown with.
pub fn historic() -> [(&'static str, Ask); 2] {
    [
        (
            "attributed, one class",
            by_origin_and_year(attributed(), false),
        ),
        (
            "all visible",
            by_origin_and_year(CaseFilter::default(), false),
        ),
    ]
}
