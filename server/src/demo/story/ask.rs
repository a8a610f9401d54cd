//! Step 4: a liaison officer of China's commission asks what the notes of 2016 could not answer.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use casebroker_client::{Client, ClientError, Order};
use casebroker_proto::{
    errors::Reason,
    v1::{AttributionBasis, CaseFilter, CaseReport, Location},
};

use super::{Stage, TELLING};
use crate::demo::{
    made_up,
    screen::Screen,
    site::{Site, report},
};

/// Beside the telling one: here a court has spoken, and only of a precursor.
const DECIDED: &str = "agencies/us-dea/cases/2023-sdny-amarvel";
const ABSENT: &str = "agencies/us-dea/cases/no-such-case";

impl Stage {
    pub(super) async fn ask_as_an_officer(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("A liaison officer of cn-nncc asks what came from China, and on what grounds");
        let site = self.site()?;
        let officer = site.officer("cn-nncc")?;
        let seen = list(&officer).await?;
        ensure!(
            Counts::of(&seen) == Counts::of(&self.cases) && seen.len() == self.cases.len(),
            "the broker lists other cases than were submitted"
        );
        show_counts(&self.screen, &Counts::of(&seen));
        for name in [TELLING, DECIDED] {
            let case = officer.get_case(name).await?.case;
            let report = case.as_ref().and_then(|case| case.report.as_ref());
            show_case(&self.screen, report.context("an empty case")?);
            if name == TELLING {
                self.told = case;
            }
        }
        not_for_everybody(&self.screen, &site, &officer).await
    }
}

/// Every case that the caller may see.
async fn list(officer: &Client) -> anyhow::Result<Vec<CaseReport>> {
    // Read as of after everything that others wrote.
    officer.checkpoint().await?;
    let mut cases = Vec::new();
    let mut pages = officer.list_cases(CaseFilter::default(), Order::Oldest, 50);
    while let Some(page) = pages.next_page().await? {
        cases.extend(page.cases.into_iter().filter_map(|case| case.report));
    }
    Ok(cases)
}

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    departure: usize,
    departure_only: usize,
    origin: BTreeMap<i32, usize>,
    findings: usize,
    evidence: usize,
}

impl Counts {
    fn of(cases: &[CaseReport]) -> Self {
        let is_china = |place: Option<&Location>| place.is_some_and(|l| l.country == "CN");
        let mut counts = Self {
            departure: 0,
            departure_only: 0,
            origin: BTreeMap::new(),
            findings: 0,
            evidence: 0,
        };
        for case in cases {
            counts.evidence += case.evidence.len();
            counts.findings += case
                .items
                .iter()
                .map(|item| item.findings.len())
                .sum::<usize>();
            let Some(route) = &case.route else { continue };
            let origin = route.origin.as_ref();
            if is_china(route.departure.as_ref()) {
                counts.departure += 1;
                counts.departure_only += usize::from(!is_china(origin));
            }
            if is_china(origin) {
                for attribution in origin.iter().flat_map(|o| &o.attributions) {
                    *counts.origin.entry(attribution.basis).or_default() += 1;
                }
            }
        }
        counts
    }
}

fn show_counts(screen: &Screen, counts: &Counts) {
    let origin: usize = counts.origin.values().sum();
    let bases: Vec<_> = counts
        .origin
        .iter()
        .map(|(basis, n)| {
            let basis = AttributionBasis::try_from(*basis).unwrap_or_default();
            format!("{n} on {}", words(basis))
        })
        .collect();
    screen.row(
        "left China",
        format!(
            "{} cases name China as the place of departure",
            counts.departure
        ),
    );
    screen.row(
        "made in China",
        format!("{origin} cases name it as the origin: {}", bases.join(", ")),
    );
    screen.row(
        "not the same",
        format!(
            "{} cases left China and say nothing of where the goods were made: they stay out of the count of origins",
            counts.departure_only
        ),
    );
    screen.row(
        "confirmed",
        format!(
            "none: public sources give {} laboratory findings with techniques and {} pieces of evidence with a digest",
            counts.findings, counts.evidence
        ),
    );
}

fn show_case(screen: &Screen, case: &CaseReport) {
    screen.gap();
    screen.row("case", &case.name);
    screen.row("", &case.title);
    let route = case.route.clone().unwrap_or_default();
    for (label, place) in [
        ("origin", route.origin),
        ("departure", route.departure),
        ("destination", route.destination),
    ] {
        screen.row(
            label,
            place.as_ref().map_or("not stated".into(), place_words),
        );
    }
    screen.row("story", case.narrative.lines().next().unwrap_or_default());
}

fn place_words(place: &Location) -> String {
    let town = match place.locality.as_str() {
        "" => String::new(),
        town => format!(", {town}"),
    };
    let grounds: Vec<_> = place
        .attributions
        .iter()
        .map(|a| format!("on {}. {}", words(a.basis()), a.note))
        .collect();
    format!("{}{town}, {}", place.country, grounds.join("; "))
}

fn words(basis: AttributionBasis) -> &'static str {
    match basis {
        AttributionBasis::Unspecified => "nothing",
        AttributionBasis::AgencyStatement => "an agency's statement",
        AttributionBasis::ShippingDocument => "a shipping document",
        AttributionBasis::CustomsDeclaration => "a customs declaration",
        AttributionBasis::ControlledDelivery => "a controlled delivery",
        AttributionBasis::ManufacturerMarking => "a manufacturer's marking",
        AttributionBasis::FinancialTrail => "a trail of payments",
        AttributionBasis::CourtFinding => "a court's finding",
        AttributionBasis::ForensicProfiling => "forensic profiling",
        AttributionBasis::CountryConfirmation => "the country's own confirmation",
    }
}

/// A case for two agencies: a third one learns nothing of it, not even that it is there.
async fn not_for_everybody(screen: &Screen, site: &Site, outsider: &Client) -> anyhow::Result<()> {
    let case = made_up::confidential();
    let name = case.name.clone();
    let recorded = site.system("us-dea")?.submit(report(case)).await?;
    let shared = site.officer("ca-rcmp")?.get_case(&name).await?;
    ensure!(
        shared.case.is_some(),
        "ca-rcmp is in the audience and got no case"
    );
    // Read as of after the case was recorded: a reader who is merely behind would prove nothing.
    outsider.checkpoint().await?;
    let hidden = refused(outsider, &name).await?;
    let absent = refused(outsider, ABSENT).await?;
    ensure!(
        hidden == absent,
        "a hidden case and one that does not exist are answered differently: {hidden:?}, {absent:?}"
    );
    screen.gap();
    screen.row(
        "a secret",
        format!(
            "us-dea submits a made-up case under TLP:AMBER for ca-rcmp alone: position {}",
            recorded.position
        ),
    );
    screen.good("ca-rcmp", format!("gets {name}"));
    screen.good(
        "cn-nncc",
        "is told the same, word for word, of that case and of one that does not exist:",
    );
    screen.quote(&hidden);
    Ok(())
}

/// The refusal in full, with the name that was asked for taken out.
async fn refused(client: &Client, name: &str) -> anyhow::Result<String> {
    let refusal = match client.get_case(name).await {
        Err(ClientError::Refused(refusal)) => refusal,
        Err(other) => return Err(other.into()),
        Ok(_) => anyhow::bail!("{name} was shown to an agency outside its audience"),
    };
    let reason = Reason::CaseNotFound.to_string();
    ensure!(
        refusal.reason.as_ref() == Some(&reason),
        "{name} was refused for another reason: {refusal:?}"
    );
    let metadata: Vec<_> = refusal
        .metadata
        .iter()
        .map(|(key, value)| format!(" {key}={value}"))
        .collect();
    let all = format!("{reason}{}: {}", metadata.concat(), refusal.message);
    Ok(all.replace(name, "(the name asked for)"))
}
