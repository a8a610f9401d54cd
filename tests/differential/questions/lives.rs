//! Lives of cases, drawn at random: reports, and what their owners and others say of them afterwards.

use casebroker_proto::v1::{
    CaseReport, Corroboration, Dispute, Finding, Handling, IdentifierKind, Release, Statement, Tlp,
    statement::Kind,
};
use casebroker_tests::cases;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::{
    model::{GROUPS, Marking},
    record::AGENCIES,
    reports::{COUNTRIES, finding, identifier, report, route_from},
};

/// A case as it stands while its life is made.
pub struct Life {
    /// Resource name.
    pub name: String,
    /// Id of its owner.
    pub owner: &'static str,
    /// Tracking number that it shares with others, if it is one of several about one incident.
    pub shared: Option<String>,
    /// The report in force.
    report: CaseReport,
    /// The handling in force.
    handling: Handling,
    revision: i32,
    retracted: bool,
    /// Open disputes: maker and request id.
    disputes: Vec<(&'static str, String)>,
}

/// Who says what.
pub type Said = (&'static str, Statement);

impl Life {
    /// A case, and its first report.
    pub fn begin(
        rng: &mut StdRng,
        owner: &'static str,
        id: &str,
        shared: Option<String>,
    ) -> (Self, Said) {
        let mut life = Self {
            name: cases::name(owner, id),
            owner,
            shared,
            report: CaseReport::default(),
            handling: Handling::default(),
            revision: 1,
            retracted: false,
            disputes: Vec::new(),
        };
        life.draw_report(rng, id);
        let said = cases::reporting(life.report.clone());
        (life, (owner, said))
    }

    /// What somebody says of it next, if it is not taken back.
    pub fn go_on(&mut self, rng: &mut StdRng) -> Option<Said> {
        if self.retracted {
            return None;
        }
        let who = self.readers();
        let others: Vec<_> = who.iter().copied().filter(|a| *a != self.owner).collect();
        let other = others.choose(rng).copied();
        Some(match (rng.random_range(0..100), other) {
            (0..35, _) => {
                let id = self.name.rsplit('/').next().unwrap().to_owned();
                self.draw_report(rng, &id);
                self.revision += 1;
                let said = cases::amending(self.report.clone(), self.revision - 1);
                (self.owner, said)
            }
            (35..47, _) => self.release(rng)?,
            (47..51, _) => {
                self.retracted = true;
                let handling = Some(self.handling.clone());
                let said = cases::retracting(&self.name);
                (self.owner, Statement { handling, ..said })
            }
            (51..62, _) => {
                let (findings, evidence) = finding(rng);
                let said = Finding {
                    findings,
                    evidence,
                    evidence_request: String::new(),
                };
                (self.owner, self.say(rng, Kind::Finding(said)))
            }
            (62..74, _) if self.disputes.iter().any(|(maker, _)| who.contains(maker)) => {
                let open = self
                    .disputes
                    .iter()
                    .position(|(maker, _)| who.contains(maker))?;
                let (maker, resolves) = self.disputes.remove(open);
                let end = Dispute {
                    reason: "Settled".into(),
                    resolves,
                    ..Dispute::default()
                };
                // Not everybody who saw it begin sees it end.
                (maker, self.say(rng, Kind::Dispute(end)))
            }
            (62..84, Some(other)) => {
                let dispute = Dispute {
                    fields: vec!["route.origin".into()],
                    reason: "Not so".into(),
                    ..Dispute::default()
                };
                let said = self.say(rng, Kind::Dispute(dispute));
                self.disputes.push((other, said.request_id.clone()));
                (other, said)
            }
            (_, Some(other)) => {
                let (findings, evidence) = finding(rng);
                let said = Corroboration {
                    note: "Seen here too".into(),
                    route: rng
                        .random_bool(0.8)
                        .then(|| route_from(COUNTRIES[..3].choose(rng).unwrap())),
                    findings: if rng.random_bool(0.3) {
                        findings
                    } else {
                        Vec::new()
                    },
                    evidence,
                    ..Corroboration::default()
                };
                (other, self.say(rng, Kind::Corroboration(said)))
            }
            _ => return None,
        })
    }

    /// Whether it is taken back.
    pub fn is_over(&self) -> bool {
        self.retracted
    }

    /// A remark of its owner for whoever sees the case.
    pub fn say_to_all(&self, kind: Kind) -> Statement {
        Statement {
            handling: Some(self.handling.clone()),
            ..cases::statement(&self.name, kind)
        }
    }

    /// A remark for some of those who see the case.
    pub fn say(&self, rng: &mut StdRng, kind: Kind) -> Statement {
        let readers = self.readers();
        let some = rng.random_range(1..=readers.len());
        let some: Vec<_> = readers.choose_multiple(rng, some).copied().collect();
        let handling = match rng.random_bool(0.6) {
            true => self.handling.clone(),
            false => cases::handling(Tlp::Amber, &some),
        };
        Statement {
            handling: Some(handling),
            ..cases::statement(&self.name, kind)
        }
    }

    /// Who sees it by the handling in force, the owner among them.
    fn readers(&self) -> Vec<&'static str> {
        let marking = Marking::of(&self.handling);
        let reads = |agency: &&str| *agency == self.owner || marking.includes(agency);
        AGENCIES.into_iter().filter(|a| reads(a)).collect()
    }

    fn release(&mut self, rng: &mut StdRng) -> Option<Said> {
        let mut handling = self.handling.clone();
        if handling.audience.is_empty() {
            return None;
        }
        let more = format!("agencies/{}", AGENCIES.choose(rng)?);
        if !handling.audience.contains(&more) {
            handling.audience.push(more);
        }
        self.handling = handling.clone();
        let release = Release {
            handling: Some(handling),
            reason: String::new(),
        };
        let said = cases::statement(&self.name, Kind::Release(release));
        Some((self.owner, said))
    }

    /// Draws the report in force, and its handling.
    fn draw_report(&mut self, rng: &mut StdRng, id: &str) {
        let amends = !self.report.name.is_empty();
        self.report = report(rng, self.owner, id);
        if let Some(number) = self
            .shared
            .clone()
            .filter(|_| !amends || rng.random_bool(0.85))
        {
            self.report
                .identifiers
                .push(identifier(IdentifierKind::TrackingNumber, &number));
        }
        if !amends || rng.random_bool(0.4) {
            self.handling = handling(rng, self.owner);
        }
        self.report.handling = Some(self.handling.clone());
    }
}

fn handling(rng: &mut StdRng, owner: &str) -> Handling {
    let marked = [Tlp::Amber, Tlp::AmberStrict, Tlp::Red];
    let mut handling = match rng.random_range(0..10) {
        0..4 => cases::handling(Tlp::Green, &[]),
        4..6 => cases::handling(*marked.choose(rng).unwrap(), &[owner]),
        _ => {
            let many = rng.random_range(1..=4);
            let some: Vec<_> = AGENCIES.choose_multiple(rng, many).copied().collect();
            cases::handling(*marked.choose(rng).unwrap(), &some)
        }
    };
    if !handling.audience.is_empty() && rng.random_bool(0.2) {
        handling.audience.push(GROUPS.choose(rng).unwrap().0.into());
    }
    handling.no_deconfliction = rng.random_bool(0.1);
    handling
}
