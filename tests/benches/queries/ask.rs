//! The questions, as the broker is asked them and as PostgreSQL is.

use std::collections::BTreeMap;

use anyhow::Context as _;
use casebroker_proto::{
    catalogue::substances::Class,
    filter::GoodsClass,
    google::r#type::Date,
    v1::{
        AmountKind, CaseCount, CaseFilter, CaseStatus, ComputeTrendRequest, ComputeTrendResponse,
        CountCasesRequest, CountCasesResponse, Dimension, ListCasesRequest, ListCasesResponse,
        Tally, compute_trend_request::Around,
    },
};
use casebroker_tests::Caller;
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};
use tonic::{Code, Status};

use crate::{
    measure::Aim,
    rows::{class_number, number_of},
    words::Words,
    world::VIEWER,
};

/// A request to the broker.
#[derive(Clone)]
pub enum Ask {
    List(ListCasesRequest),
    Count(CountCasesRequest),
    Trend(ComputeTrendRequest),
}

/// What came back.
pub enum Reply {
    Listed(ListCasesResponse),
    Counted(CountCasesResponse),
    Trend(ComputeTrendResponse),
    Rows(Vec<Row>),
}

/// The same question to PostgreSQL. Columns of an answer: as many texts as `keys` says, then numbers as texts.
pub struct Sql {
    pub text: String,
    pub types: Vec<Type>,
    /// In turn.
    pub parameters: Vec<Vec<Box<dyn ToSql + Sync + Send>>>,
    pub keys: usize,
}

/// A question.
pub struct Question {
    pub name: &'static str,
    pub aim: Aim,
    /// In turn, as many as there are of `sql`.
    pub asks: Vec<Ask>,
    /// None if it is put to the broker alone.
    pub sql: Option<Sql>,
    /// Whether masses are asked for too; the broker always gives them.
    pub masses: bool,
}

/// What can be compared: numbers by names.
pub type Answer = BTreeMap<Vec<String>, Vec<String>>;

/// The look-ups that a run found good examples for.
#[derive(Default)]
pub struct Examples {
    pub digests: Vec<Vec<u8>>,
    pub identifiers: Vec<String>,
}

/// Asks the broker.
pub async fn ask(caller: &Caller, ask: &Ask) -> Result<Reply, Status> {
    Ok(match ask.clone() {
        Ask::List(request) => Reply::Listed(caller.cases().list_cases(request).await?.into_inner()),
        Ask::Count(request) => {
            Reply::Counted(caller.statistics().count_cases(request).await?.into_inner())
        }
        Ask::Trend(request) => Reply::Trend(
            caller
                .statistics()
                .compute_trend(request)
                .await?
                .into_inner(),
        ),
    })
}

/// Asks PostgreSQL with a statement that it prepared.
pub async fn query(
    client: &Client,
    statement: &tokio_postgres::Statement,
    parameters: &[Box<dyn ToSql + Sync + Send>],
) -> anyhow::Result<Reply> {
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters
        .iter()
        .map(|parameter| -> &(dyn ToSql + Sync) { parameter.as_ref() })
        .collect();
    Ok(Reply::Rows(client.query(statement, &parameters).await?))
}

impl Question {
    /// The broker's reply in a form that can be compared.
    pub fn answer(&self, reply: Reply) -> anyhow::Result<Answer> {
        let mut answer = Answer::new();
        match reply {
            Reply::Listed(page) => {
                for case in page.cases {
                    answer.insert(vec![case.name], Vec::new());
                }
            }
            Reply::Counted(counted) => {
                let total = counted.total.filter(|_| counted.groups.is_empty());
                for group in counted.groups.iter().chain(&total) {
                    self.count(group, &mut answer);
                }
            }
            Reply::Trend(trend) => {
                for bucket in trend.buckets {
                    let start = bucket.start_date.context("a period without a start")?;
                    let counted = bucket.counted.context("a period without a count")?;
                    if counted.cases > 0 {
                        let key = format!("{}-{:02}", start.year, start.month);
                        answer.insert(vec![key], self.numbers(&counted));
                    }
                }
            }
            Reply::Rows(rows) => {
                let keys = self.sql.as_ref().map_or(0, |sql| sql.keys);
                for row in rows {
                    let texts = (0..row.len()).take_while(|n| row.columns()[*n].name() != "report");
                    let mut texts: Vec<String> = texts.map(|n| row.get(n)).collect();
                    let numbers = texts.split_off(keys);
                    answer.insert(texts, numbers);
                }
            }
        }
        Ok(answer)
    }

    fn count(&self, group: &CaseCount, answer: &mut Answer) {
        let standings = [
            &group.counted,
            &group.disputed,
            &group.contested,
            &group.retracted,
        ];
        for (number, tally) in standings.into_iter().enumerate() {
            let Some(tally) = tally.as_ref().filter(|tally| tally.cases > 0) else {
                continue;
            };
            let mut key = group.values.clone();
            key.push(number.to_string());
            if !self.masses {
                answer.insert(key, self.numbers(tally));
                continue;
            }
            // By class, as PostgreSQL sums them; what has no mass is a class with none.
            let mut masses: BTreeMap<String, String> = BTreeMap::new();
            for amount in &tally.amounts {
                let mass = masses
                    .entry(amount.substance_class.clone())
                    .or_insert("0".into());
                if amount.kind() == AmountKind::Mass {
                    mass.clone_from(&amount.total);
                }
            }
            for (class, mass) in masses {
                let class = GoodsClass::all()
                    .find(|c| c.as_str() == class)
                    .map_or(-1, class_number);
                let mut key = key.clone();
                key.push(class.to_string());
                answer.insert(key, vec![mass]);
            }
        }
    }

    fn numbers(&self, tally: &Tally) -> Vec<String> {
        vec![tally.cases.to_string()]
    }
}

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

fn by_origin_and_year(filter: CaseFilter) -> Ask {
    Ask::Count(CountCasesRequest {
        filter: Some(filter),
        group_by: vec![Dimension::Origin.into(), Dimension::Year.into()],
        ..Default::default()
    })
}

fn list(filter: CaseFilter) -> Ask {
    Ask::List(ListCasesRequest {
        filter: Some(filter),
        ..Default::default()
    })
}

/// Every question with its aim.
pub fn questions(examples: &Examples, words: &Words) -> Vec<Question> {
    let mut all = look_ups(examples);
    all.push(page());
    all.extend(counts());
    all.push(trend());
    all.extend(texts(words));
    all
}

/// The page, the counts and the trend: what clients ask without pause while others submit.
pub fn without_pause() -> Vec<Ask> {
    let questions = [page()].into_iter().chain(counts()).chain([trend()]);
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
        evidence_digests: vec![casebroker_proto::v1::Digest {
            algorithm: casebroker_proto::v1::DigestAlgorithm::Sha256.into(),
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

fn page() -> Question {
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
        name: "page of 50 newest, origin CN, one class, 2017",
        aim: Aim::p99(3.0),
        asks: vec![list(filter)],
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
            asks: vec![by_origin_and_year(attributed())],
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
            asks: vec![by_origin_and_year(attributed())],
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
            asks: vec![by_origin_and_year(nothing())],
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
            asks: vec![by_origin_and_year(nothing())],
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

/// Whether the broker says that it has no such thing yet.
pub fn is_not_served(status: &Status) -> bool {
    status.code() == Code::Unimplemented
        || (status.code() == Code::InvalidArgument && status.message().contains("not served"))
}

/// A question about the record as it stood.
pub fn as_of(ask: &Ask, position: u64) -> Ask {
    let mut asked = ask.clone();
    match &mut asked {
        Ask::List(request) => request.as_of_position = position,
        Ask::Count(request) => request.as_of_position = position,
        Ask::Trend(request) => request.as_of_position = position,
    }
    asked
}

/// What the cost of an answer as of a position is shown with.
pub fn historic() -> [(&'static str, Ask); 2] {
    [
        ("attributed, one class", by_origin_and_year(attributed())),
        ("all visible", by_origin_and_year(CaseFilter::default())),
    ]
}
