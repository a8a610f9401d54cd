//! Cases on their way into the broker: everything at the beginning, and later what is measured.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use casebroker_proto::v1::ListProjectionsRequest;
use casebroker_tests::{Broker, Caller, Site};
use futures_util::future::try_join_all;

use crate::{
    ask::Examples,
    rows::Row,
    world::{AGENCIES, Draft, VIEWER, World},
};

/// Cases that are made, sent and taken over at a time.
const BATCH: usize = 20_000;
/// Streams of the agency that reports most; others have one.
const STREAMS: usize = 2;
/// One in so many cases is an example for look-ups.
const EXAMPLE_EVERY: usize = 97;
/// Examples of each kind.
const EXAMPLES: usize = 4_000;

/// Agencies with their connections.
pub struct Senders {
    systems: Vec<Vec<Caller>>,
    officers: Vec<Caller>,
}

/// What became of the load.
pub struct Loaded {
    pub examples: Examples,
    /// Statements, amendments and the like among them.
    pub statements: u64,
    /// How long the broker took, without what the bench did between.
    pub took: Duration,
}

impl Senders {
    pub async fn connect(site: &Site, broker: &Broker) -> Self {
        let (mut systems, mut officers) = (Vec::new(), Vec::new());
        for (place, agency) in AGENCIES.into_iter().enumerate() {
            let mut of_agency = Vec::new();
            for _ in 0..if place == 0 { STREAMS } else { 1 } {
                of_agency.push(broker.connect(&site.principal(agency, "system")).await);
            }
            systems.push(of_agency);
            officers.push(broker.connect(&site.principal(agency, "officer")).await);
        }
        Self { systems, officers }
    }

    /// Reports the cases with these numbers and says what else is to be said, a batch at a time; `take` gets each batch as rows.
    pub async fn load(
        &self,
        world: &World,
        count: usize,
        mut take: impl AsyncFnMut(Vec<Row>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Loaded> {
        let mut loaded = Loaded {
            examples: Examples::default(),
            statements: 0,
            took: Duration::ZERO,
        };
        for first in (0..count).step_by(BATCH) {
            let numbers = first..count.min(first + BATCH);
            let drafts: Vec<Draft> = numbers.map(|number| world.draft(number)).collect();
            let reports = drafts.iter().map(|draft| {
                let statement = casebroker_tests::cases::reporting(draft.report.clone());
                (draft.owner, self.systems[draft.owner][0].sign(&statement))
            });
            let reports: Vec<_> = reports.collect();
            let later = drafts.iter().filter_map(Draft::later_statement);
            let later: Vec<_> = later
                .map(|(by, statement)| (by, self.officers[by].sign(&statement)))
                .collect();
            loaded.statements += (reports.len() + later.len()) as u64;
            let began = Instant::now();
            let positions = send(&self.systems, reports).await?;
            let officers: Vec<_> = self.officers.iter().map(|o| vec![o.clone()]).collect();
            send(&officers, later).await?;
            loaded.took += began.elapsed();
            let rows: Vec<Row> = drafts
                .iter()
                .zip(positions)
                .map(|(draft, position)| Row::new(draft, position))
                .collect();
            for (number, (draft, row)) in drafts.iter().zip(&rows).enumerate() {
                if draft.is_for(VIEWER) && number % EXAMPLE_EVERY == 0 {
                    loaded.examples.add(row);
                }
            }
            take(rows).await?;
        }
        Ok(loaded)
    }
}

impl Examples {
    fn add(&mut self, row: &Row) {
        let of_parcels = row
            .identifiers
            .iter()
            .filter(|number| number.starts_with("CP"));
        if self.digests.len() < EXAMPLES {
            self.digests.extend(row.digests.first().cloned());
            self.identifiers.extend(of_parcels.take(1).cloned());
        }
    }
}

/// What goes over one stream: statements with their places among all.
#[derive(Default)]
struct Part {
    places: Vec<usize>,
    signed: Vec<Vec<u8>>,
}

/// Sends signed statements, each by the agency at its place, over all of that agency's streams. Gives their positions, in order.
async fn send(
    callers: &[Vec<Caller>],
    statements: Vec<(usize, Vec<u8>)>,
) -> anyhow::Result<Vec<u64>> {
    let parts = callers
        .iter()
        .flatten()
        .map(|caller| (caller, Part::default()));
    let mut parts: Vec<_> = parts.collect();
    let mut positions = vec![0; statements.len()];
    for (place, (agency, signed)) in statements.into_iter().enumerate() {
        let before = callers[..agency].iter().map(Vec::len).sum::<usize>();
        let part = &mut parts[before + place % callers[agency].len()];
        part.1.places.push(place);
        part.1.signed.push(signed);
    }
    let sent = parts.into_iter().map(|(caller, part)| async move {
        let Part { places, signed } = part;
        let outcomes = caller.submit_all(signed).await?;
        ensure!(
            outcomes.len() == places.len(),
            "not every statement was answered"
        );
        let recorded = outcomes.into_iter().zip(places);
        recorded
            .map(|(outcome, place)| Ok((place, outcome.context("refused")?.position)))
            .collect::<anyhow::Result<Vec<_>>>()
    });
    for (place, position) in try_join_all(sent).await?.into_iter().flatten() {
        positions[place] = position;
    }
    Ok(positions)
}

/// Signed reports of an agency's cases that are new, for what is measured.
pub fn more(
    world: &World,
    site: &Site,
    agency: &str,
    first: usize,
    count: usize,
) -> anyhow::Result<Vec<Bytes>> {
    let signer = site.signer(agency);
    let reports = (first..first + count).map(|number| {
        let mut report = world.draft(number).report;
        report.name = casebroker_tests::cases::name(agency, &format!("more-{number}"));
        let statement = casebroker_tests::cases::reporting(report);
        Ok(signer.sign(&statement)?.into())
    });
    reports.collect()
}

/// Positions of the projections by name, and the log's size.
pub async fn projections(caller: &Caller) -> anyhow::Result<(Vec<(String, u64)>, u64)> {
    let request = ListProjectionsRequest::default();
    let answer = caller
        .statistics()
        .list_projections(request)
        .await?
        .into_inner();
    let positions = answer
        .projections
        .into_iter()
        .map(|p| (p.name, p.as_of_position));
    Ok((positions.collect(), answer.tree_size))
}

/// Waits until every projection has come as far as the log; gives the log's size.
pub async fn all_followed(caller: &Caller) -> anyhow::Result<u64> {
    let began = Instant::now();
    loop {
        let (positions, size) = projections(caller).await?;
        if positions.iter().all(|(_, position)| *position >= size) {
            return Ok(size);
        }
        ensure!(
            began.elapsed() < Duration::from_secs(600),
            "{positions:?} of {size}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
