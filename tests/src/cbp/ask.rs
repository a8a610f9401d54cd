//! Submits synthetic cases through the SDK, and holds what a broker counts against what was published.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use casebroker_client::{Client, Profile, Window};
use casebroker_proto::{
    google::r#type::Date,
    v1::{
        AmountKind, CaseCount, CaseFilter, CountCasesRequest, CountCasesResponse, Dimension,
        Statement, Tally, statistics_service_client::StatisticsServiceClient,
    },
};
use tokio::runtime::Handle;
use tonic::Code;

use super::{Expected, Sum, cases::counted_as};
use crate::{Broker, Caller, Site, casectl::Casectl, wait};

/// Most bytes of an answer that are taken: 10,000 groups are a few megabytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Positions in the order of submission.
    pub positions: Vec<u64>,
    /// From the first statement made to the last receipt verified.
    pub took: Duration,
}

impl Submitted {
    /// What a question must name to be answered of all of them.
    pub fn end(&self) -> u64 {
        self.positions.iter().max().map_or(0, |last| last + 1)
    }
}

/// The SDK as an agency's system: receipts are verified.
pub fn client(site: &Site, broker: &Broker, agency: &str) -> Client {
    let files = Casectl::new(site, broker, agency, "system");
    let mut profile = Profile::new(
        format!("https://localhost:{}", broker.address.port()),
        files.path("ca.pem"),
        files.path("client.pem"),
        files.path("client.key"),
    );
    profile.signing_certificate = Some(files.path("signer.pem"));
    profile.signing_key = Some(files.path("signer.key"));
    profile.log_vkey = Some(site.log.to_string());
    Client::connect(&profile).expect("the profile is whole")
}

/// Sends every statement through one pipeline. A refusal ends it.
pub async fn submit(
    client: &Client,
    statements: impl Iterator<Item = Statement> + Send + 'static,
) -> anyhow::Result<Submitted> {
    let began = Instant::now();
    let (submissions, mut answers) = client.submit_stream(Window::default());
    let signing = client.clone();
    // Making and signing are work for a processor, so not for the threads that talk to the broker.
    let feed = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        for statement in statements {
            let prepared = signing.prepare(statement)?;
            Handle::current().block_on(submissions.push(prepared))?;
        }
        Ok(())
    });
    let mut positions = Vec::new();
    while let Some(outcome) = answers.next().await? {
        let recorded = outcome
            .result
            .with_context(|| outcome.prepared.case.clone())?;
        ensure!(recorded.verified && !recorded.replayed, "{recorded:?}");
        positions.push(recorded.position);
    }
    feed.await??;
    Ok(Submitted {
        positions,
        took: began.elapsed(),
    })
}

/// One count. Waits for a broker that has not counted so far yet.
pub async fn count(
    caller: &Caller,
    request: &CountCasesRequest,
) -> anyhow::Result<CountCasesResponse> {
    let service = StatisticsServiceClient::new(caller.channel.clone())
        .max_decoding_message_size(MAX_ANSWER_BYTES);
    let answer = wait::until_async("the cases are counted", || {
        let mut service = service.clone();
        async move {
            match service.count_cases(request.clone()).await {
                Err(status) if status.code() == Code::Unavailable => None,
                answer => Some(answer),
            }
        }
    });
    Ok(answer.await?.into_inner())
}

/// A filter for one calendar year, and one substance if it is named.
pub fn of_year(year: i32, substance: Option<&str>) -> CaseFilter {
    let date = Some(Date {
        year,
        ..Default::default()
    });
    CaseFilter {
        incident_start_date: date,
        incident_end_date: date,
        substances: substance.map(str::to_owned).into_iter().collect(),
        ..Default::default()
    }
}

/// Asks year by year, by month, reporting unit and substance, so that an answer stays under the most groups that one may have. Every
/// number must be the published one: cases, incidents and micrograms of each group, and their totals. Gives how long each answer took.
pub async fn hold(
    caller: &Caller,
    expected: &Expected,
    substance: Option<&str>,
    min_position: u64,
) -> anyhow::Result<Vec<Duration>> {
    let years: BTreeSet<i32> = expected.keys().map(|group| group.year).collect();
    let mut times = Vec::new();
    for year in years {
        let request = CountCasesRequest {
            filter: Some(of_year(year, substance)),
            group_by: vec![
                Dimension::Month.into(),
                Dimension::ReportingUnit.into(),
                Dimension::Substance.into(),
            ],
            min_position,
            ..Default::default()
        };
        let began = Instant::now();
        let answer = count(caller, &request).await?;
        times.push(began.elapsed());
        ensure!(
            answer.as_of_position >= min_position,
            "an answer of too early"
        );
        let of_year = expected.iter().filter(|(group, _)| group.year == year);
        let mut published: BTreeMap<Vec<String>, Sum> = BTreeMap::new();
        for (group, sum) in of_year {
            let month = format!("{}-{:02}", group.year, group.month);
            let values = [&month, &group.unit, counted_as(&group.drug)];
            let values = values.map(str::to_owned).to_vec();
            published.entry(values).or_default().add(*sum);
        }
        let total = Sum::total(published.values());
        same(answer.total.as_ref(), &total).with_context(|| format!("total of {year}"))?;
        for found in &answer.groups {
            let sum = published
                .remove(&found.values)
                .with_context(|| format!("{:?} was never published", found.values))?;
            same(Some(found), &sum).with_context(|| format!("{:?}", found.values))?;
        }
        if let Some((values, sum)) = published.pop_first() {
            bail!("{values:?} is missing, of {sum:?}");
        }
    }
    Ok(times)
}

/// A count is exactly this, each case an incident of its own, and nothing stands apart.
pub fn same(found: Option<&CaseCount>, expected: &Sum) -> anyhow::Result<()> {
    let found = found.context("no count")?;
    let counted = found.counted.as_ref().context("nothing counted")?;
    ensure!(
        (counted.cases, counted.incidents) == (expected.events, expected.events),
        "{} cases, {} incidents; published are {} events",
        counted.cases,
        counted.incidents,
        expected.events
    );
    let mass = mass(counted)?;
    ensure!(
        mass == expected.micrograms,
        "{mass} micrograms; published are {}",
        expected.micrograms
    );
    for apart in [&found.disputed, &found.contested, &found.retracted] {
        let cases = apart.as_ref().map_or(0, |tally| tally.cases);
        ensure!(cases == 0, "{cases} cases stand apart: {found:?}");
    }
    Ok(())
}

/// Micrograms of a tally, over all classes of goods.
pub fn mass(tally: &Tally) -> anyhow::Result<u128> {
    let masses = tally.amounts.iter();
    let masses = masses.filter(|amount| amount.kind() == AmountKind::Mass);
    masses.map(|amount| Ok(amount.total.parse::<u128>()?)).sum()
}
