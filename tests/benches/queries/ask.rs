//! The questions, as the broker is asked them and as PostgreSQL is.

use std::collections::BTreeMap;

use anyhow::Context as _;
use casebroker_proto::{
    filter::GoodsClass,
    v1::{
        AmountKind, CaseCount, ComputeTrendRequest, ComputeTrendResponse, CountCasesRequest,
        CountCasesResponse, ListCasesRequest, ListCasesResponse, Tally,
    },
};
use casebroker_tests::Caller;
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};
use tonic::Status;

use crate::{measure::Aim, rows::class_number};

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
    /// Whether masses are asked for too.
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
