//! A log as a test kept it, and what somebody sees of it, by the simplest reading of the rules: every case is folded from the
//! statements that are for the reader, every time it is looked at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use casebroker_proto::v1::{OverlapVerdict, Statement, statement::Kind};
use casebroker_server::projections;
use prost_types::Timestamp;

use crate::{
    facts::Facts,
    model::{Effect, Marking, Scope, Told, visible},
};

/// A recorded statement.
pub struct Line {
    /// Where it stands.
    pub position: u64,
    /// When it was recorded.
    pub record_time: Timestamp,
    /// Agency that made it.
    pub maker: &'static str,
    /// What it says.
    pub statement: Statement,
}

/// A case, and the positions of statements of it.
type Statements = (String, Vec<u64>);

/// All that was recorded.
#[derive(Default)]
pub struct Record {
    /// By case, oldest first.
    cases: BTreeMap<String, Vec<Line>>,
    /// Overlaps by their ids: both cases.
    overlaps: BTreeMap<String, [String; 2]>,
    /// The position after the last.
    end: u64,
    /// What was folded before: the same statements make the same case.
    folded: Mutex<HashMap<Statements, Option<Arc<Facts>>>>,
}

/// A case as somebody sees it.
#[derive(Clone)]
pub struct Seen {
    /// What is in it.
    pub facts: Arc<Facts>,
    /// Name of a case that stands for its incident.
    pub incident: String,
}

/// What somebody sees, by the first position of each case.
pub type Snapshot = Vec<Seen>;

impl Record {
    /// Takes in a statement; those of one case in order.
    pub fn add(&mut self, line: Line) {
        self.end = self.end.max(line.position + 1);
        let case = self.cases.entry(line.statement.case.clone()).or_default();
        assert!(case.last().is_none_or(|last| last.position < line.position));
        case.push(line);
    }

    /// Takes in the id by which two cases are known to overlap.
    pub fn add_overlap(&mut self, id: &str, cases: [String; 2]) {
        self.overlaps.insert(id.to_owned(), cases);
    }

    /// The position after the last.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How often each kind of statement was recorded.
    pub fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for line in self.lines() {
            let kind = format!("{:?}", line.statement.kind.as_ref().unwrap());
            let name = kind.split('(').next().unwrap_or_default().to_owned();
            *kinds.entry(name).or_default() += 1;
        }
        kinds
    }

    /// All statements.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.cases.values().flatten()
    }

    /// The position where the log ended at a time: after the last entry that was recorded by then.
    pub fn position_at(&self, time: &Timestamp) -> u64 {
        let by_then = |line: &&Line| {
            (line.record_time.seconds, line.record_time.nanos) <= (time.seconds, time.nanos)
        };
        let last = self.lines().filter(by_then).map(|line| line.position);
        last.max().map_or(0, |last| last + 1)
    }

    /// What a scope sees of a log that ended before a position, less the cases that it may not see today.
    pub fn seen(&self, scope: Scope, before: u64) -> Snapshot {
        let mut seen: Vec<Seen> = Vec::new();
        for (name, lines) in &self.cases {
            if let Some(facts) = self.case(scope, name, lines, before) {
                seen.push(Seen {
                    facts,
                    incident: name.clone(),
                });
            }
        }
        self.join(scope, before, &mut seen);
        seen.retain(|case| {
            let name = &case.facts.case.name;
            self.case(scope, name, &self.cases[name], u64::MAX)
                .is_some()
        });
        seen.sort_by_key(|case| case.facts.case.first_position);
        seen
    }

    /// A case as a scope sees it, if it does.
    fn case(&self, scope: Scope, name: &str, lines: &[Line], before: u64) -> Option<Arc<Facts>> {
        let lines = self.visible(scope, name, lines, before);
        if lines.is_empty() {
            return None;
        }
        let positions = lines.iter().map(|line| line.position).collect();
        let key = (name.to_owned(), positions);
        if let Some(known) = self.folded.lock().unwrap().get(&key) {
            return known.clone();
        }
        let statements: Vec<_> = lines.iter().map(|line| recorded(line)).collect();
        let facts = projections::fold(&statements[..]).map(|case| Arc::new(Facts::of(case)));
        self.folded.lock().unwrap().insert(key, facts.clone());
        facts
    }

    /// The statements of a case that are for a scope, of those before a position.
    fn visible<'a>(
        &self,
        scope: Scope,
        name: &str,
        lines: &'a [Line],
        before: u64,
    ) -> Vec<&'a Line> {
        let lines: Vec<_> = lines.iter().filter(|line| line.position < before).collect();
        let told: Vec<_> = lines.iter().map(|line| told(line)).collect();
        let shown = visible(scope, owner(name), &told);
        let both = lines.into_iter().zip(shown);
        both.filter_map(|(line, shown)| shown.then_some(line))
            .collect()
    }

    /// Gives the cases of one incident one name, over as many steps as it takes.
    fn join(&self, scope: Scope, before: u64, seen: &mut [Seen]) {
        let place =
            |name: &str, seen: &[Seen]| seen.iter().position(|case| case.facts.case.name == name);
        for (id, [one, other]) in &self.overlaps {
            let (Some(a), Some(b)) = (place(one, seen), place(other, seen)) else {
                continue;
            };
            if !self.is_same(
                scope,
                before,
                id,
                [one, other],
                [&seen[a].facts, &seen[b].facts],
            ) {
                continue;
            }
            let (kept, replaced) = (seen[a].incident.clone(), seen[b].incident.clone());
            for case in seen.iter_mut().filter(|case| case.incident == replaced) {
                case.incident.clone_from(&kept);
            }
        }
    }

    /// Whether FindOverlaps would show a scope that both cases are one incident.
    fn is_same(
        &self,
        scope: Scope,
        before: u64,
        id: &str,
        names: [&String; 2],
        facts: [&Facts; 2],
    ) -> bool {
        // It is told which case the other one is if it may see the same thing in both.
        let [here, there] = facts;
        let shared = |mark| there.marks.iter().any(|other| other.is_same(mark));
        if !here.marks.iter().any(shared) {
            return false;
        }
        // The owners know what each other said, where neither case forbids it.
        let owns = names.iter().any(|name| owner(name) == scope.agency);
        let forbidden = facts.iter().any(|facts| {
            let handling = facts.case.handling.as_ref();
            handling.is_none_or(|handling| handling.no_deconfliction)
        });
        names.into_iter().all(|name| {
            let lines = &self.cases[name];
            let as_owner = Scope {
                agency: AGENCIES.into_iter().find(|a| *a == owner(name)).unwrap(),
                own_only: false,
            };
            let whose = match owns && !forbidden {
                true => as_owner,
                false => scope,
            };
            let said = self.visible(whose, name, lines, before);
            let newest = said
                .iter()
                .rev()
                .find_map(|line| match &line.statement.kind {
                    Some(Kind::OverlapDeclaration(said)) if said.overlap == id => {
                        Some(said.verdict())
                    }
                    _ => None,
                });
            let all = self.visible(as_owner, name, lines, before);
            let retracted = all
                .iter()
                .any(|line| matches!(line.statement.kind, Some(Kind::Retraction(_))));
            newest == Some(OverlapVerdict::Same) && !retracted
        })
    }
}

/// The members.
pub const AGENCIES: [&str; 6] = ["us-dea", "us-cbp", "ca-rcmp", "gb-nca", "au-afp", "cn-nncc"];

/// Agency in a case's name.
pub fn owner(case: &str) -> &str {
    case.split('/').nth(1).unwrap()
}

/// As the broker's fold takes it.
fn recorded(line: &Line) -> projections::Statement {
    projections::Statement {
        position: line.position,
        record_time: line.record_time,
        principal: String::new(),
        agency: format!("agencies/{}", line.maker).parse().unwrap(),
        case: line.statement.case.parse().unwrap(),
        statement: line.statement.clone(),
    }
}

/// As the model of audiences takes it.
fn told(line: &Line) -> Told {
    let of = |handling: &Option<_>| Marking::of(handling.as_ref().expect("a handling"));
    let effect = match line.statement.kind.as_ref().unwrap() {
        Kind::Report(said) => Effect::Revision(of(&said.report.as_ref().unwrap().handling)),
        Kind::Amendment(said) => Effect::Revision(of(&said.report.as_ref().unwrap().handling)),
        Kind::Release(said) => Effect::Release(of(&said.handling)),
        Kind::Retraction(_) => Effect::Retraction,
        _ => Effect::Remark(of(&line.statement.handling)),
    };
    Told {
        maker: line.maker,
        effect,
    }
}
