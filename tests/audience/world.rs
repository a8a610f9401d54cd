//! What the agencies say: at random, from a seed, and the same whatever the brokers answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casebroker_proto::{
    statement::Signer,
    v1::{CaseReport, Digest, Handling, Release, Report, Statement, Tlp, statement::Kind},
};
use casebroker_tests::{CBP, DEA, RCMP, Site, cases};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::life::Drawn;
use crate::model::{Effect, GROUPS, Marking, Scope, Told, visible};
use crate::questions;

/// The members.
pub const AGENCIES: [&str; 6] = [DEA, CBP, RCMP, "gb-nca", "au-afp", "cn-nncc"];
/// The one that lets others know of overlaps with its cases.
const TALKATIVE: &str = "cn-nncc";
/// Every role of a caller.
pub const ROLES: [&str; 4] = ["system", "officer", "auditor", "operator"];
/// Roles that submit.
const MAKERS: [&str; 2] = ["system", "officer"];
/// Case ids that every agency draws from, so that names collide.
const CASE_IDS: u32 = 70;
/// Digests, tracking numbers and quantities that all agencies share: so many that no one of them is in more cases than the
/// index of overlaps keeps, as it keeps hidden ones too.
const SHARED: u16 = 400;
/// Draws before the world gives up finding a statement that fits.
const DRAWS: usize = 1_000;

/// Agency and role of a caller.
pub type By = (&'static str, &'static str);

/// A statement that brokers record.
pub struct Recorded {
    /// Who submits it.
    pub by: By,
    /// What it says.
    pub statement: Statement,
    /// The same signed.
    pub envelope: Vec<u8>,
    /// What the rules look at.
    pub told: Told,
    /// If it declares an overlap: the other case.
    pub other: Option<String>,
}

/// Something to submit.
pub struct Step {
    /// By whom.
    pub by: By,
    /// The envelope for the broker that gets everything.
    pub envelope: Vec<u8>,
    /// Index among the recorded ones; `None` if it must be refused or is a repetition, and so leaves no trace.
    pub id: Option<usize>,
    /// If it declares an overlap: the statement, which lacks the id that each broker has for that, and the other case.
    pub declares: Option<(Statement, String)>,
}

/// All that was said, and the source of what will be.
pub struct World {
    /// Seed of everything.
    pub seed: u64,
    /// The one source of chance.
    pub rng: StdRng,
    /// What is recorded, in order.
    pub recorded: Vec<Recorded>,
    /// Case name to its statements, by index.
    pub cases: BTreeMap<String, Vec<usize>>,
    signers: BTreeMap<&'static str, Arc<Signer>>,
    requests: BTreeMap<&'static str, u64>,
    /// Cases with a declared overlap: who sees them stays the same from then on, so that whoever sees the declaration and
    /// not the other case never will.
    settled: BTreeSet<String>,
}

impl World {
    /// Nothing said yet.
    pub fn new(seed: u64, site: &Site) -> Self {
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            recorded: Vec::new(),
            cases: BTreeMap::new(),
            signers: AGENCIES.map(|id| (id, site.signer(id))).into(),
            requests: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
    }

    /// Whoever speaks next. One agency says so much that not all its overlaps fit a page of tasks.
    pub fn maker(&mut self) -> By {
        let agency = match self.rng.random_bool(0.25) {
            true => AGENCIES[0],
            false => self.pick(&AGENCIES),
        };
        (agency, self.pick(&MAKERS))
    }

    /// Reports a case for nobody but its owner. Said by everybody at the beginning, so that for each there is something hidden
    /// before the first entry that it sees.
    pub fn secret(&mut self, by: By) -> Step {
        let id = self.case_id();
        let mut report = self.report(by.0, &id);
        report.handling = Some(marked(by.0, cases::handling(Tlp::Red, &[by.0])));
        let statement = self.numbered(by.0, cases::reporting(report));
        self.record(by, (statement, None))
    }

    /// The next thing that somebody submits. While brokers that got only a part are in use, it must not take from anybody
    /// what it has seen (`keeps_sight`): they cannot forget, a new one would have to be made.
    pub fn step(&mut self, by: By, keeps_sight: bool) -> Step {
        for _ in 0..DRAWS {
            let kind = self.rng.random_range(0..100);
            let drawn = match kind {
                0..25 => self.new_case(by.0),
                25..38 => self.amendment(by.0),
                38..39 => self.retraction(by.0),
                39..44 => self.release(by.0),
                44..90 => self.good_remark(by),
                _ => return self.noise(by),
            };
            let Some(drawn) = drawn else { continue };
            if !keeps_sight || self.keeps_sight(by, &drawn.0) {
                return self.record(by, drawn);
            }
        }
        panic!("{by:?} found nothing to say in {DRAWS} draws")
    }

    /// A case's statements that a scope sees, by index.
    pub fn visible(&self, scope: Scope, case: &str) -> Vec<usize> {
        let ids = self.cases.get(case).map(Vec::as_slice).unwrap_or_default();
        let told: Vec<_> = ids
            .iter()
            .map(|id| self.recorded[*id].told.clone())
            .collect();
        let seen = visible(scope, owner(case), &told);
        ids.iter()
            .zip(seen)
            .filter_map(|(id, seen)| seen.then_some(*id))
            .collect()
    }

    /// How often each kind of statement was recorded.
    pub fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for recorded in &self.recorded {
            let kind = format!("{:?}", recorded.statement.kind.as_ref().unwrap());
            let name = kind.split('(').next().unwrap_or_default();
            *kinds.entry(name.to_owned()).or_default() += 1;
        }
        kinds
    }

    /// Number of cases of these owners, or of all if there are none, that a scope sees.
    pub fn listed(&self, scope: Scope, owners: &[String]) -> usize {
        let wanted =
            |case: &str| owners.is_empty() || owners.contains(&format!("agencies/{}", owner(case)));
        self.cases
            .keys()
            .filter(|case| wanted(case) && !self.visible(scope, case).is_empty())
            .count()
    }

    /// A recorded statement as the broker of a scope gets it; `None` if it does not. The envelope is the same, except where
    /// earlier revisions of the case are hidden: then the first to be seen is the report, and the others count from there; and
    /// where a corroboration names a case that the scope does not see.
    pub fn told_to(&self, scope: Scope, id: usize) -> Option<(Statement, Vec<u8>)> {
        let recorded = &self.recorded[id];
        let seen = self.visible(scope, &recorded.statement.case);
        seen.contains(&id).then_some(())?;
        let revisions = |ids: &[usize]| {
            let before = ids.iter().take_while(|other| **other != id);
            before.filter(|other| self.is_revision(**other)).count()
        };
        let before = revisions(&seen);
        let all_before = revisions(&self.cases[&recorded.statement.case]);
        let mut statement = recorded.statement.clone();
        let same = before == all_before || !self.is_revision(id);
        statement = self.without_hidden_case(scope, id, statement);
        if same && statement == recorded.statement {
            return Some((statement, recorded.envelope.clone()));
        }
        if !same && let Some(Kind::Amendment(mut amendment)) = statement.kind {
            statement.kind = Some(if before == 0 {
                Kind::Report(Report {
                    report: amendment.report,
                })
            } else {
                amendment.expected_revision = i32::try_from(before).unwrap();
                Kind::Amendment(amendment)
            });
        }
        let envelope = self.sign(recorded.by.0, &statement);
        Some((statement, envelope))
    }

    /// Something that the rules refuse, about a case that the caller may not see, or that is not there, or that it does see.
    pub fn probe(&mut self, by: By) -> Step {
        for _ in 0..DRAWS {
            let drawn = match self.rng.random_range(0..10) {
                0 => {
                    let case = cases::name(self.pick(&AGENCIES), &self.case_id());
                    self.remark(by.0, &case)
                }
                1..6 => {
                    let case = self.any_case();
                    self.remark(by.0, &case)
                }
                _ => self.near_miss(by),
            };
            if self.accepts(by, &drawn) == Some(false) {
                return Step {
                    by,
                    envelope: self.sign(by.0, &drawn.0),
                    id: None,
                    declares: drawn.1.map(|other| (drawn.0, other)),
                };
            }
        }
        panic!("{by:?} may say everything")
    }

    /// What a broker of a scope needs to know an overlap that the scope sees a declaration of and not the other case: a case
    /// of the same owner, for nobody in the scope, that shares a tracking number and nothing else.
    pub fn stand_in(&self, scope: Scope, id: usize) -> Option<(By, Statement)> {
        let recorded = &self.recorded[id];
        let other = recorded.other.as_ref()?;
        if !self.visible(scope, other).is_empty() {
            return None;
        }
        let case = &recorded.statement.case;
        let agency = AGENCIES.into_iter().find(|a| *a == owner(other))?;
        let mut report = cases::report(agency, &format!("stand-in-{id}"));
        report.evidence.clear();
        report.items[0].findings.clear();
        report.route = None;
        report.items[0].quantity.as_mut()?.value = format!("9{id}");
        let revision = self.cases[case]
            .iter()
            .rev()
            .find(|id| self.is_revision(**id))?;
        let said = revised(&self.recorded[*revision].statement)?;
        report.identifiers.clone_from(&said.identifiers);
        let mut audience = vec![agency, owner(case)];
        audience.dedup();
        let handling = cases::handling(Tlp::Red, &audience);
        report.handling = Some(marked("a quiet one", handling));
        Some(((agency, "system"), cases::reporting(report)))
    }

    /// See [`Self::told_to`].
    fn without_hidden_case(&self, scope: Scope, id: usize, mut statement: Statement) -> Statement {
        if let Some(Kind::Corroboration(said)) = &mut statement.kind
            && !said.own_case.is_empty()
        {
            let seen = self.visible(scope, &said.own_case);
            if !seen.iter().any(|other| *other < id) {
                said.own_case.clear();
            }
        }
        statement
    }

    /// Whether it reports or amends a case.
    pub fn is_revision(&self, id: usize) -> bool {
        matches!(self.recorded[id].told.effect, Effect::Revision(_))
    }

    /// The handling in force of a case.
    pub fn in_force(&self, case: &str) -> Handling {
        let statements = self.cases[case].iter().rev();
        let mut handlings =
            statements.filter_map(|id| deciding_handling(&self.recorded[*id].statement));
        handlings.next().cloned().unwrap()
    }

    /// One of several, at random.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.rng).unwrap()
    }

    /// A case id of those that every agency draws from.
    pub fn case_id(&mut self) -> String {
        format!("c{:02}", self.rng.random_range(0..CASE_IDS))
    }

    /// A case that exists, of anybody.
    pub fn any_case(&mut self) -> String {
        let n = self.rng.random_range(0..self.cases.len());
        self.cases.keys().nth(n).unwrap().clone()
    }

    fn record(&mut self, by: By, (statement, other): Drawn) -> Step {
        let id = self.recorded.len();
        let envelope = self.sign(by.0, &statement);
        let case = statement.case.clone();
        self.recorded.push(Recorded {
            by,
            told: told(by, &statement),
            envelope: envelope.clone(),
            statement: statement.clone(),
            other: other.clone(),
        });
        if let Some(other) = &other {
            self.settled.extend([case.clone(), other.clone()]);
        }
        self.cases.entry(case).or_default().push(id);
        Step {
            by,
            envelope,
            id: Some(id),
            declares: other.map(|other| (statement, other)),
        }
    }

    /// See [`World::step`].
    fn keeps_sight(&self, by: By, statement: &Statement) -> bool {
        let case = &statement.case;
        let ids = self.cases.get(case).map(Vec::as_slice).unwrap_or_default();
        let history = ids.iter().map(|id| self.recorded[*id].told.clone());
        let history: Vec<_> = history.chain([told(by, statement)]).collect();
        scopes().into_iter().all(|scope| {
            let now = self.visible(scope, case);
            let then = visible(scope, owner(case), &history);
            let earlier = ids.iter().zip(&then).filter(|(_, seen)| **seen);
            earlier.map(|(id, _)| *id).eq(now)
        })
    }

    fn new_case(&mut self, agency: &'static str) -> Option<Drawn> {
        let id = self.case_id();
        let free = !self.cases.contains_key(&cases::name(agency, &id));
        free.then(|| {
            let report = self.report(agency, &id);
            (self.numbered(agency, cases::reporting(report)), None)
        })
    }

    fn amendment(&mut self, agency: &'static str) -> Option<Drawn> {
        let (case, statements) = self.own_case(agency, false)?;
        let report = self.report(agency, case.rsplit('/').next()?);
        if self.settled.contains(&case) {
            return None;
        }
        let statement = cases::amending(report, i32::try_from(statements).unwrap());
        Some((self.numbered(agency, statement), None))
    }

    fn retraction(&mut self, agency: &'static str) -> Option<Drawn> {
        let (case, _) = self.own_case(agency, false)?;
        let statement = Statement {
            handling: Some(self.in_force(&case)),
            ..cases::retracting(&case)
        };
        Some((self.numbered(agency, statement), None))
    }

    /// Whoever sees the case now, and some more.
    fn release(&mut self, agency: &'static str) -> Option<Drawn> {
        let (case, _) = self.own_case(agency, false)?;
        let mut handling = self.in_force(&case);
        if handling.audience.is_empty() || self.settled.contains(&case) {
            return None;
        }
        if self.rng.random_bool(0.2) {
            handling = marked(agency, cases::handling(Tlp::Green, &[]));
        } else {
            for name in self.handling(agency).audience {
                if !handling.audience.contains(&name) {
                    handling.audience.push(name);
                }
            }
        }
        let release = Release {
            handling: Some(handling),
            ..Default::default()
        };
        let statement = cases::statement(&case, Kind::Release(release));
        Some((self.numbered(agency, statement), None))
    }

    /// Something that no broker records.
    fn noise(&mut self, by: By) -> Step {
        let envelope = loop {
            if let Some(envelope) = self.refusable(by) {
                break envelope;
            }
        };
        Step {
            by,
            envelope,
            id: None,
            declares: None,
        }
    }

    fn refusable(&mut self, by: By) -> Option<Vec<u8>> {
        let agency = by.0;
        let other = self.pick(&AGENCIES);
        let id = self.case_id();
        let statement = match self.rng.random_range(0..10) {
            // The name is taken, by oneself.
            0 => {
                let (case, _) = self.own_case(agency, false)?;
                cases::reporting(self.report(agency, case.rsplit('/').next()?))
            }
            // Another revision is current.
            1 => {
                let (case, statements) = self.own_case(agency, false)?;
                let report = self.report(agency, case.rsplit('/').next()?);
                cases::amending(report, i32::try_from(statements).unwrap() + 1)
            }
            // It was taken back.
            2 => {
                let (case, statements) = self.own_case(agency, true)?;
                let report = self.report(agency, case.rsplit('/').next()?);
                cases::amending(report, i32::try_from(statements).unwrap())
            }
            // A case that one has not, and others may have.
            3 => {
                let free = !self.cases.contains_key(&cases::name(agency, &id));
                free.then(|| cases::retracting(&cases::name(agency, &id)))?
            }
            // A case of somebody else, there or not.
            4 if other != agency => cases::amending(self.report(other, &id), 1),
            5 if other != agency => cases::retracting(&cases::name(other, &id)),
            6 if other != agency => cases::reporting(self.report(other, &id)),
            // Broken rules.
            7 => {
                let mut report = self.report(agency, &id);
                report.place.as_mut()?.country = "XX".into();
                report.handling = Some(cases::handling(Tlp::Red, &["no-member"]));
                cases::reporting(report)
            }
            // One's own request id for something else.
            8 => {
                let used = self.own_statement(by)?;
                let request_id = self.recorded[used].statement.request_id.clone();
                let statement = cases::reporting(self.report(agency, &id));
                let statement = Statement {
                    request_id,
                    ..statement
                };
                return Some(self.sign(agency, &statement));
            }
            // The same again: answered with the same entry.
            9 => {
                let used = self.own_statement(by)?;
                let statement = self.recorded[used].statement.clone();
                return Some(self.sign(agency, &statement));
            }
            _ => return None,
        };
        let statement = self.numbered(agency, statement);
        let mut envelope = self.sign(agency, &statement);
        if self.rng.random_bool(0.1) {
            *envelope.last_mut()? ^= 1;
        }
        Some(envelope)
    }

    /// A statement about one's own case: whoever lost sight of a case that it spoke about has the receipt of that still.
    fn own_statement(&mut self, (agency, _): By) -> Option<usize> {
        let own = |id: &usize| {
            let recorded = &self.recorded[*id];
            let own = recorded.by.0 == agency && owner(&recorded.statement.case) == agency;
            own && recorded.other.is_none()
        };
        let own: Vec<_> = (0..self.recorded.len()).filter(own).collect();
        own.choose(&mut self.rng).copied()
    }

    /// An own case and its number of revisions.
    fn own_case(&mut self, agency: &str, retracted: bool) -> Option<(String, usize)> {
        let ends = |ids: &Vec<usize>| {
            let mut effects = ids.iter().map(|id| &self.recorded[*id].told.effect);
            effects.any(|effect| matches!(effect, Effect::Retraction)) == retracted
        };
        let own: Vec<_> = self
            .cases
            .iter()
            .filter(|(case, ids)| owner(case) == agency && ends(ids))
            .map(|(case, ids)| {
                let revisions = ids.iter().filter(|id| self.is_revision(**id)).count();
                (case.clone(), revisions)
            })
            .collect();
        own.choose(&mut self.rng).cloned()
    }

    /// A report that has something in common with those of others, and more with those of the same id.
    pub fn report(&mut self, agency: &str, id: &str) -> CaseReport {
        let mut report = cases::report(agency, id);
        report.title = format!("Parcel {}", self.rng.random_range(0..1_000_000));
        for evidence in &mut report.evidence {
            let mut value = vec![7; 32];
            value[..2].copy_from_slice(&self.rng.random_range(0..SHARED).to_be_bytes());
            let digest = evidence.digest.take().unwrap_or_default();
            evidence.digest = Some(Digest { value, ..digest });
        }
        for identifier in &mut report.identifiers {
            identifier.value = format!("CP{:09}CN", self.rng.random_range(0..SHARED));
        }
        if let Some(quantity) = &mut report.items[0].quantity {
            quantity.value = self.rng.random_range(1..=SHARED).to_string();
        }
        questions::vary(&mut self.rng, &mut report);
        report.handling = Some(self.handling(agency));
        report
    }

    /// A handling of a new case.
    pub fn handling(&mut self, agency: &str) -> Handling {
        let handling = self.audience(agency);
        marked(agency, handling)
    }

    fn audience(&mut self, agency: &str) -> Handling {
        let any = [
            Tlp::Clear,
            Tlp::Green,
            Tlp::Amber,
            Tlp::AmberStrict,
            Tlp::Red,
        ];
        let tlp = self.pick(&any);
        match self.rng.random_range(0..100) {
            0..30 => cases::handling(self.pick(&[Tlp::Clear, Tlp::Green]), &[]),
            30..45 => cases::handling(tlp, &[agency]),
            45..55 => cases::handling(tlp, &AGENCIES),
            _ => {
                let many = self.rng.random_range(1..=4);
                let some: Vec<_> = AGENCIES.choose_multiple(&mut self.rng, many).collect();
                let some = some.into_iter().copied().collect::<Vec<_>>();
                let mut handling = cases::handling(tlp, &some);
                if self.rng.random_bool(0.3) {
                    let (group, _) = self.pick(&GROUPS);
                    handling.audience.push(group.into());
                }
                handling
            }
        }
    }

    /// Gives a statement the agency's next request id. All agencies count alike, so the ids collide.
    pub fn numbered(&mut self, agency: &'static str, statement: Statement) -> Statement {
        let next = self.requests.entry(agency).or_default();
        *next += 1;
        let bytes = u128::from(*next).to_be_bytes();
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
        Statement {
            request_id: id.to_string(),
            ..statement
        }
    }

    fn sign(&self, agency: &str, statement: &Statement) -> Vec<u8> {
        self.signers[agency].sign(statement).unwrap()
    }
}

/// Every caller.
pub fn callers() -> impl Iterator<Item = By> {
    AGENCIES
        .into_iter()
        .flat_map(|agency| ROLES.map(|role| (agency, role)))
}

/// Every scope that a caller has.
pub fn scopes() -> BTreeSet<Scope> {
    callers()
        .map(|(agency, role)| Scope::of(agency, role))
        .collect()
}

/// Agency in a case's name.
pub fn owner(case: &str) -> &str {
    case.split('/').nth(1).unwrap()
}

fn told(by: By, statement: &Statement) -> Told {
    let marking = deciding_handling(statement).map(Marking::of);
    let own = statement.handling.as_ref().map(Marking::of);
    Told {
        maker: by.0,
        effect: match (&statement.kind, marking) {
            (Some(Kind::Release(_)), Some(marking)) => Effect::Release(marking),
            (_, Some(marking)) => Effect::Revision(marking),
            (Some(Kind::Retraction(_)), None) => Effect::Retraction,
            (_, None) => Effect::Remark(own.expect("a handling")),
        },
    }
}

/// All agencies but one forbid to tell of their cases' overlaps. So of two owners one does, and who may not see a case is told
/// nothing of it: to others it would be told that there is one, and by whom, which is the one exception from the rule here.
fn marked(agency: &str, handling: Handling) -> Handling {
    Handling {
        no_deconfliction: agency != TALKATIVE,
        ..handling
    }
}

fn revised(statement: &Statement) -> Option<&CaseReport> {
    match &statement.kind {
        Some(Kind::Report(report)) => report.report.as_ref(),
        Some(Kind::Amendment(amendment)) => amendment.report.as_ref(),
        _ => None,
    }
}

/// The handling that a statement puts in force for its case.
fn deciding_handling(statement: &Statement) -> Option<&Handling> {
    match &statement.kind {
        Some(Kind::Release(release)) => release.handling.as_ref(),
        _ => revised(statement)?.handling.as_ref(),
    }
}
