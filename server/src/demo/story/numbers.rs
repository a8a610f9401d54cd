//! The numbers, as any officer gets them from the cases.

use std::{collections::BTreeSet, fmt};

use casebroker_client::{Client, Order};
use casebroker_proto::v1::{
    AmountKind, Case, CaseCount, CaseFilter, CaseStatus, CountCasesRequest,
};

/// Micrograms of a kilogram.
const KILOGRAM: i128 = 1_000_000_000;

/// What the cases that an officer may see come to. Retracted ones count nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub cases: usize,
    /// Cases that are one by the word of both owners, once.
    pub incidents: usize,
    pub confirmed: usize,
    pub attributed: usize,
    pub disputed: usize,
    /// All goods weighed; goods of one incident count once.
    pub kilograms: i128,
}

impl Numbers {
    pub(super) async fn of(officer: &Client) -> anyhow::Result<Self> {
        // What others wrote a moment ago counts too.
        officer.checkpoint().await?;
        let mut counted = Vec::new();
        let mut pages = officer.list_cases(CaseFilter::default(), Order::Oldest, 100);
        while let Some(page) = pages.next_page().await? {
            counted.extend(page.cases.into_iter().filter(|case| !case.retracted));
        }
        let total = officer.count_cases(CountCasesRequest::default()).await?;
        let total = total.total.unwrap_or_default();
        let reaches = |case: &Case, status: CaseStatus| {
            let assessment = case.assessment.as_ref();
            assessment.is_some_and(|a| a.status() as i32 >= status as i32)
        };
        let count =
            |wanted: &dyn Fn(&Case) -> bool| counted.iter().filter(|case| wanted(case)).count();
        Ok(Self {
            cases: counted.len(),
            incidents: incidents(&counted),
            confirmed: count(&|case| reaches(case, CaseStatus::Confirmed)),
            attributed: count(&|case| reaches(case, CaseStatus::Attributed)),
            disputed: count(&|case| case.disputes.iter().any(|d| d.end_position == 0)),
            kilograms: micrograms(&total) / KILOGRAM,
        })
    }
}

/// Confirmed cases, those that are one incident once.
fn incidents(cases: &[Case]) -> usize {
    let confirmed = cases.iter().filter(|case| {
        let assessment = case.assessment.as_ref();
        assessment.is_some_and(|a| a.status() as i32 >= CaseStatus::Confirmed as i32)
    });
    // A group goes by the first of its names.
    let groups = confirmed.map(|case| {
        let same = case.same_incident_cases.iter();
        same.chain([&case.name]).min().cloned()
    });
    groups.collect::<BTreeSet<_>>().len()
}

/// Masses of all cases that are not retracted; goods of one incident count once.
fn micrograms(total: &CaseCount) -> i128 {
    let tallies = [&total.counted, &total.disputed, &total.contested];
    let amounts = tallies
        .into_iter()
        .flatten()
        .flat_map(|tally| &tally.amounts);
    let masses = amounts.filter(|amount| amount.kind() == AmountKind::Mass);
    masses
        .filter_map(|amount| amount.total.parse::<i128>().ok())
        .sum()
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cases,
            incidents,
            confirmed,
            attributed,
            disputed,
            kilograms,
        } = self;
        let incidents = match incidents {
            1 => "1 incident".to_owned(),
            n => format!("{n} incidents"),
        };
        write!(
            f,
            "{cases} cases, {kilograms} kg of goods; {confirmed} confirmed ({incidents}), {attributed} attributed, \
             {disputed} disputed"
        )
    }
}
