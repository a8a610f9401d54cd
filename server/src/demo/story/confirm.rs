//! Step 5: what it takes to be counted. Five stories of real cases, with what the sources lack made up and marked as such.

use anyhow::{Context as _, ensure};
use casebroker_client::Client;
use casebroker_proto::{
    names::CaseName,
    v1::{
        Amendment, Attribution, AttributionBasis, Case, CaseStatus, Controlled, Dispute,
        EvidenceKind, Finding, OverlapDeclaration, OverlapVerdict, Retraction, Statement,
        statement::Kind,
    },
};

use super::{Stage, TELLING, numbers::Numbers};
use crate::demo::{
    made_up,
    screen::Screen,
    site::{Site, statement},
};

/// 50 kg in barrels, taken for fentanyl; the laboratory named an analogue.
const BARRELS: &str = TELLING;
/// A kilogram of carfentanil, declared as printer accessories, and the same seizure as another agency lists it.
const PRINTER: &str = "agencies/ca-cbsa/cases/2016-vancouver-carfentanil";
const PRINTER_TOO: &str = "agencies/ca-rcmp/cases/2016-vancouver-carfentanil";
/// Announced as fentanyl, and found to hold none.
const FALSE_ALARMS: [(&str, &str); 2] = [
    (
        "agencies/mx-semar/cases/2019-lazaro-cardenas",
        "Analysis found no fentanyl, as was announced later.",
    ),
    (
        "agencies/gt-pnc/cases/2023-puerto-barrios",
        "After forensic analysis the goods went back to their owner: not fentanyl.",
    ),
];
/// Loaded in one country and moved to another ship in a second: where the drug was made, nobody has shown.
const TRANSSHIPPED: &str = "agencies/mx-semar/cases/2023-lazaro-cardenas-resin";

impl Stage {
    pub(super) async fn confirm_cases(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("Five stories of what counts, with MADE UP evidence where the sources give none");
        let site = self.site()?;
        let officer = site.officer("cn-nncc")?;
        let teller = Teller {
            site: &site,
            screen: &self.screen,
            officer: &officer,
        };
        let mut numbers = Numbers::of(&officer).await?;
        ensure!(
            numbers.confirmed == 0,
            "a public case is confirmed as published"
        );
        self.screen.row("at first", numbers.to_string());
        numbers = teller.laboratory(numbers).await?;
        numbers = teller.printer(numbers).await?;
        numbers = teller.counted_once(numbers).await?;
        numbers = teller.false_alarms(numbers).await?;
        teller.transshipped(numbers).await?;
        // It was amended.
        self.told = officer.get_case(TELLING).await?.case;
        Ok(())
    }
}

struct Teller<'a> {
    site: &'a Site,
    screen: &'a Screen,
    /// Counts, as anybody may.
    officer: &'a Client,
}

impl Teller<'_> {
    /// Reported, then confirmed when the laboratory's finding arrives: as what it found.
    async fn laboratory(&self, before: Numbers) -> anyhow::Result<Numbers> {
        self.begin(1, BARRELS).await?;
        let case = self.case(BARRELS).await?;
        ensure!(
            status(&case) == CaseStatus::Reported,
            "{BARRELS} is confirmed"
        );
        self.screen.row("reported", missing(&case));
        self.add_record(BARRELS, |_| {}).await?;
        let case = self.case(BARRELS).await?;
        ensure!(
            status(&case) == CaseStatus::Reported,
            "{BARRELS} is confirmed without a finding"
        );
        self.screen.row("and still", missing(&case));
        self.find(BARRELS, "4-fluoroisobutyrylfentanyl").await?;
        let case = self.case(BARRELS).await?;
        ensure!(
            status(&case) == CaseStatus::Confirmed,
            "{BARRELS} is not confirmed"
        );
        let after = Numbers::of(self.officer).await?;
        ensure!(
            after.confirmed == before.confirmed + 1,
            "{before}, then {after}"
        );
        self.screen
            .good("confirmed", format!("when the finding arrives: {after}"));
        Ok(after)
    }

    /// Confirmed, and attributed: on a document, and before China controlled the substance.
    async fn printer(&self, before: Numbers) -> anyhow::Result<Numbers> {
        self.begin(2, PRINTER).await?;
        self.add_record(PRINTER, |report| {
            let id = "made-up-waybill";
            let waybill = made_up::piece(PRINTER, id, EvidenceKind::ShippingDocument);
            report.evidence.push(waybill);
            report.identifiers.push(made_up::tracking_number());
            let origin = report
                .route
                .as_mut()
                .and_then(|route| route.origin.as_mut());
            if let Some(origin) = origin {
                origin.attributions.push(Attribution {
                    basis: AttributionBasis::ShippingDocument.into(),
                    evidence_ids: vec![id.into()],
                    note: "MADE UP, like the document.".into(),
                });
            }
        })
        .await?;
        self.find(PRINTER, "carfentanil").await?;
        let case = self.case(PRINTER).await?;
        ensure!(
            status(&case) == CaseStatus::Attributed,
            "{PRINTER} is not attributed"
        );
        let in_china = case.controls.iter().find(|c| c.jurisdiction == "CN");
        let in_china = in_china.context("nothing is known of carfentanil in China")?;
        ensure!(in_china.controlled() == Controlled::No, "{in_china:?}");
        let since = in_china.effective_date.unwrap_or_default();
        let after = Numbers::of(self.officer).await?;
        ensure!(
            after.attributed == before.attributed + 1,
            "{before}, then {after}"
        );
        self.screen.good(
            "attributed",
            format!("to CN, on a shipping document: {after}"),
        );
        self.screen.row(
            "the law",
            format!(
                "carfentanil was not controlled in China on that day; it is since {:04}-{:02}-{:02} ({})",
                since.year, since.month, since.day, in_china.measure
            ),
        );
        Ok(after)
    }

    /// Two agencies reported one parcel: two cases, one incident.
    async fn counted_once(&self, before: Numbers) -> anyhow::Result<Numbers> {
        self.begin(3, PRINTER_TOO).await?;
        self.add_record(PRINTER_TOO, |report| {
            report.identifiers.push(made_up::tracking_number());
        })
        .await?;
        self.find(PRINTER_TOO, "carfentanil").await?;
        let twice = Numbers::of(self.officer).await?;
        ensure!(
            twice.confirmed == before.confirmed + 1 && twice.incidents == before.incidents + 1,
            "{before}, then {twice}"
        );
        self.screen.row("confirmed too", twice.to_string());
        for (own, other) in [(PRINTER, PRINTER_TOO), (PRINTER_TOO, PRINTER)] {
            let owner = self.site.officer(agency(own)?.as_str())?;
            let found = owner.find_overlaps(own).await?.overlaps;
            let overlap = found
                .into_iter()
                .find(|overlap| overlap.other_case == other);
            let overlap = overlap.with_context(|| format!("{own} and {other} do not overlap"))?;
            if own == PRINTER {
                let shared = overlap.matches.first().context("an overlap of nothing")?;
                self.screen
                    .row("overlap", format!("both have {}", shared.value));
            }
            let declaration = OverlapDeclaration {
                overlap: overlap.id,
                verdict: OverlapVerdict::Same.into(),
                reason: "One parcel, handed over.".into(),
            };
            self.say(&owner, own, Kind::OverlapDeclaration(declaration))
                .await?;
        }
        let once = Numbers::of(self.officer).await?;
        ensure!(
            once.incidents + 1 == twice.incidents,
            "{twice}, then {once}"
        );
        self.screen
            .good("counted once", format!("when both owners say so: {once}"));
        Ok(once)
    }

    /// Announced as fentanyl, disputed, taken back: the number goes down, and the history says why.
    async fn false_alarms(&self, before: Numbers) -> anyhow::Result<Numbers> {
        let [(tons, _), _] = FALSE_ALARMS;
        self.begin(4, tons).await?;
        let dispute = Dispute {
            fields: vec!["items[0].substance".into()],
            reason: "MADE UP for the demonstration: which laboratory found fentanyl, and by what?"
                .into(),
            ..Default::default()
        };
        self.say(self.officer, tons, Kind::Dispute(dispute)).await?;
        let disputed = Numbers::of(self.officer).await?;
        ensure!(
            disputed.disputed == before.disputed + 1,
            "{before}, then {disputed}"
        );
        self.screen
            .row("disputed", format!("by cn-nncc: {disputed}"));
        for (case, reason) in FALSE_ALARMS {
            let retraction = Retraction {
                reason: reason.into(),
            };
            let owner = self.site.officer(agency(case)?.as_str())?;
            self.say(&owner, case, Kind::Retraction(retraction)).await?;
        }
        let after = Numbers::of(self.officer).await?;
        ensure!(
            after.cases + FALSE_ALARMS.len() == disputed.cases
                && after.kilograms + 23_368 == disputed.kilograms,
            "{disputed}, then {after}"
        );
        self.screen
            .good("taken back", format!("with a second false alarm: {after}"));
        let case = self.case(tons).await?;
        self.screen.row(
            "and why",
            format!("{} stays visible: {}", case.name, case.retraction_reason),
        );
        Ok(after)
    }

    /// Confirmed, and nobody's: the route says where it was loaded, not where it was made.
    async fn transshipped(&self, before: Numbers) -> anyhow::Result<()> {
        self.begin(5, TRANSSHIPPED).await?;
        self.add_record(TRANSSHIPPED, |_| {}).await?;
        self.find(TRANSSHIPPED, "fentanyl").await?;
        let case = self.case(TRANSSHIPPED).await?;
        ensure!(
            status(&case) == CaseStatus::Confirmed,
            "{TRANSSHIPPED} is not just confirmed"
        );
        let after = Numbers::of(self.officer).await?;
        ensure!(
            after.confirmed == before.confirmed + 1 && after.attributed == before.attributed,
            "{before}, then {after}"
        );
        self.screen.row("no origin", missing(&case));
        self.screen.good(
            "nobody's",
            format!("confirmed, and counted for no country: {after}"),
        );
        Ok(())
    }

    async fn begin(&self, number: u32, name: &str) -> anyhow::Result<()> {
        let report = self.case(name).await?.report.unwrap_or_default();
        self.screen.gap();
        self.screen.row(&format!("story {number}"), name);
        self.screen.row("", report.title);
        Ok(())
    }

    async fn case(&self, name: &str) -> anyhow::Result<Case> {
        let answer = self.officer.get_case(name).await?;
        answer
            .case
            .with_context(|| format!("{name}: an empty answer"))
    }

    /// The owner amends its case: a record of the seizure, marked as made up, and what else is changed.
    async fn add_record(
        &self,
        name: &str,
        change: impl FnOnce(&mut casebroker_proto::v1::CaseReport),
    ) -> anyhow::Result<()> {
        let case = self.case(name).await?;
        let mut report = case.report.context("a case without a report")?;
        let record = made_up::piece(name, "made-up-seizure-record", EvidenceKind::SeizureRecord);
        report.evidence.push(record);
        made_up::mark(&mut report);
        change(&mut report);
        let amendment = Amendment {
            report: Some(report),
            expected_revision: case.revision,
            reason: "MADE UP for the demonstration: a record of the seizure".into(),
        };
        let owner = self.site.system(agency(name)?.as_str())?;
        let amendment = statement(name, None, Kind::Amendment(amendment));
        owner.submit(amendment).await?;
        Ok(())
    }

    async fn find(&self, name: &str, substance: &str) -> anyhow::Result<()> {
        let owner = self.site.system(agency(name)?.as_str())?;
        let finding: Finding = made_up::result(name, substance);
        self.say(&owner, name, Kind::Finding(finding)).await
    }

    /// To everybody who may see the case.
    async fn say(&self, who: &Client, case: &str, kind: Kind) -> anyhow::Result<()> {
        let handling = self.case(case).await?.handling;
        let said: Statement = statement(case, handling, kind);
        who.submit(said).await.with_context(|| case.to_owned())?;
        Ok(())
    }
}

fn agency(case: &str) -> anyhow::Result<String> {
    let name: CaseName = case.parse()?;
    Ok(name.agency().id().to_owned())
}

fn status(case: &Case) -> CaseStatus {
    case.assessment
        .as_ref()
        .map(|a| a.status())
        .unwrap_or_default()
}

/// The first thing that is missing.
fn missing(case: &Case) -> String {
    let rules = case.assessment.iter().flat_map(|a| &a.rules);
    let missing: Vec<_> = rules.filter(|rule| !rule.met).collect();
    match missing.as_slice() {
        [] => "nothing is missing".into(),
        [only] => only.message.clone(),
        [first, more @ ..] => format!("{} ({} more)", first.message, more.len()),
    }
}
