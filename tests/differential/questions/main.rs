//! Lists, counts and trends are those of a second implementation, which is a plain loop over the cases that the caller sees.
//!
//! A real broker gets lives of cases: amendments that show a case to others or take it from them, releases, retractions, disputes,
//! findings, corroborations, and overlaps that both owners declare. Then questions at random, by everybody, as of now and as of
//! earlier positions: each answer must be that of [`naive`], which reads the same statements and knows neither the table nor how
//! filters are compiled. `CASEBROKER_QUESTIONS_SEED` repeats a run, `CASEBROKER_QUESTIONS` makes it longer (1,000 if not set).

mod draw;
mod examples;
mod facts;
mod lives;
#[path = "../../audience/model.rs"]
#[allow(
    dead_code,
    reason = "shared with the test of audiences, which uses all of it"
)]
mod model;
mod naive;
mod periods;
mod put;
mod record;
mod reports;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::Arc,
    time::Instant,
};

use casebroker_proto::v1::{
    CaseFilter, ListCasesRequest, OverlapDeclaration, OverlapVerdict, Statement, statement::Kind,
};
use casebroker_tests::{Broker, Caller, Site, announce, wait};
use futures_util::{StreamExt as _, future::join_all, stream};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use lives::{Life, Said};
use model::{GROUPS, Scope};
use put::{AsOf, Question};
use record::{AGENCIES, Line, Record, Snapshot};

/// Cases, and how many of them share their incident with others.
const CASES: usize = 2_500;
const SHARING: usize = 300;
/// Rounds in which some of the cases go on, before and after overlaps are declared.
const ROUNDS: [usize; 2] = [4, 2];
/// How many of the cases go on in a round.
const SHARE: f64 = 0.45;
/// Questions at once.
const AT_ONCE: usize = 16;
/// Roles that ask.
const ROLES: [&str; 2] = ["officer", "system"];

/// A broker with everything that was said to it.
struct Stage {
    rng: StdRng,
    seed: u64,
    callers: BTreeMap<(&'static str, &'static str), Caller>,
    lives: Vec<Life>,
    record: Record,
    snapshots: BTreeMap<(Scope, u64), Arc<Snapshot>>,
    _broker: Broker,
    _site: Site,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_count_and_trend_is_that_of_a_plain_loop_over_the_cases_that_the_caller_sees() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("CASEBROKER_QUESTIONS_SEED").unwrap_or_else(rand::random);
    let questions = number("CASEBROKER_QUESTIONS").unwrap_or(1_000) as usize;
    announce(&format!("questions: CASEBROKER_QUESTIONS_SEED={seed}"));
    let begin = Instant::now();
    let mut stage = Stage::set(seed).await;
    announce(&format!(
        "questions: {CASES} cases, {:?}, after {:.1} s",
        stage.record.kinds(),
        begin.elapsed().as_secs_f64()
    ));
    let kinds = stage.ask(questions).await;
    announce(&format!(
        "questions: {questions}, no difference, {kinds:?}, after {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    // A run that finds nothing shows nothing.
    for (kind, least) in [
        ("selects some", 2),
        ("earlier", 4),
        ("joined", 50),
        ("goods once", 400),
        ("refused", 200),
    ] {
        let found = kinds.get(kind).copied().unwrap_or_default();
        assert!(
            found >= questions / least / 2,
            "{kind}: {found} of {questions}"
        );
    }
}

impl Stage {
    /// Starts the broker and tells it everything.
    async fn set(seed: u64) -> Self {
        let others = AGENCIES[3..].iter();
        let site = others.fold(Site::new(), |site, agency| site.with_member(agency));
        // What is compared are answers, however busy the machine is.
        let site = site.without_quotas().with("table.query_ms", 60_000);
        std::fs::write(site.member_file("", "groups.toml"), groups()).unwrap();
        let broker = site.start();
        let mut callers = BTreeMap::new();
        for agency in AGENCIES {
            for role in ROLES {
                let caller = broker.connect(&site.principal(agency, role)).await;
                callers.insert((agency, role), caller);
            }
        }
        let mut stage = Self {
            rng: StdRng::seed_from_u64(seed),
            seed,
            callers,
            lives: Vec::new(),
            record: Record::default(),
            snapshots: BTreeMap::new(),
            _broker: broker,
            _site: site,
        };
        stage.begin_cases().await;
        let [before, after] = ROUNDS;
        stage.go_on(before).await;
        let overlaps = stage.declare().await;
        stage.go_on(after).await;
        stage.declare_otherwise(overlaps).await;
        stage.follow().await;
        stage
    }

    /// Waits until questions are answered as of the end, part by part: each may take as long as anything may.
    async fn follow(&self) {
        let caller = &self.callers[&(AGENCIES[0], ROLES[0])];
        for part in 1..=8 {
            let request = ListCasesRequest {
                page_size: 1,
                min_position: self.record.end() * part / 8,
                filter: Some(CaseFilter {
                    text: "powder".into(),
                    ..CaseFilter::default()
                }),
                ..ListCasesRequest::default()
            };
            let answered = || async { caller.page(&request).await.ok() };
            wait::until_async("the table and the text are there", answered).await;
        }
    }

    async fn begin_cases(&mut self) {
        let mut said = Vec::new();
        for number in 0..CASES {
            let owner = *AGENCIES.choose(&mut self.rng).unwrap();
            // Three cases in a row share a number.
            let shared = (number < SHARING).then(|| format!("RX{:09}CN", number / 3));
            let id = format!("c{number}");
            let (life, first) = Life::begin(&mut self.rng, owner, &id, shared);
            self.lives.push(life);
            said.push(first);
        }
        self.submit(said).await;
    }

    /// So many rounds in which some of the cases go on.
    async fn go_on(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let mut said = Vec::new();
            for life in &mut self.lives {
                if self.rng.random_bool(SHARE) {
                    said.extend(life.go_on(&mut self.rng));
                }
            }
            self.submit(said).await;
        }
    }

    /// Both owners say of most overlaps that they are the same incident. Answers the ids, each with the cases.
    async fn declare(&mut self) -> Vec<(String, [usize; 2])> {
        self.follow().await;
        let mut said = Vec::new();
        let mut overlaps = Vec::new();
        for [a, b] in (0..SHARING - 1).map(|a| [a, a + 1]) {
            let shared = self.lives[a].shared.clone().unwrap();
            if self.lives[b].shared.as_ref() != Some(&shared) {
                continue;
            }
            let mut ids = BTreeSet::new();
            for (one, other) in [(a, b), (b, a)] {
                let (one, other) = (&self.lives[one], &self.lives[other]);
                let Some(id) = self.overlap(one, other, &shared).await else {
                    continue;
                };
                ids.insert(id.clone());
                if !one.is_over() && self.rng.random_bool(0.85) {
                    let same = declaration(&id, OverlapVerdict::Same);
                    said.push((one.owner, one.say(&mut self.rng, same)));
                }
            }
            for id in ids {
                let names = [self.lives[a].name.clone(), self.lives[b].name.clone()];
                self.record.add_overlap(&id, names);
                overlaps.push((id, [a, b]));
            }
        }
        self.submit(said).await;
        overlaps
    }

    /// The id of an overlap, as the owner of one of the cases is told it.
    async fn overlap(&self, one: &Life, other: &Life, shared: &str) -> Option<String> {
        let caller = &self.callers[&(one.owner, "officer")];
        let found = caller.overlaps(&one.name).await.unwrap().overlaps;
        let named = found
            .iter()
            .find(|overlap| overlap.other_case == other.name);
        // Where the other case is not named, and the owner has only one that it can be.
        let mut unnamed = found.iter().filter(|overlap| {
            let matches = overlap.matches.iter().any(|m| m.value == shared);
            let of_owner = overlap.other_agency == format!("agencies/{}", other.owner);
            overlap.other_case.is_empty() && of_owner && matches
        });
        let only = unnamed.next().filter(|_| unnamed.next().is_none());
        let sharing = self.lives.iter().filter(|life| {
            life.owner == other.owner && life.shared == one.shared && life.name != one.name
        });
        let only = only.filter(|_| sharing.count() == 1);
        named.or(only).map(|overlap| overlap.id.clone())
    }

    /// The last that is said: some owners change their minds, and let everybody know who sees the case. What only some could see
    /// would be what the model of overlaps does not follow: who is told of it.
    async fn declare_otherwise(&mut self, overlaps: Vec<(String, [usize; 2])>) {
        self.follow().await;
        let mut said: Vec<Said> = Vec::new();
        let mut done = BTreeSet::new();
        for (id, cases) in overlaps {
            let case = *cases.choose(&mut self.rng).unwrap();
            let life = &self.lives[case];
            let declared = self.record.lines().any(|line| match &line.statement.kind {
                Some(Kind::OverlapDeclaration(said)) => {
                    said.overlap == id && line.statement.case == life.name
                }
                _ => false,
            });
            if declared && !life.is_over() && done.insert(case) && self.rng.random_bool(0.15) {
                let caller = &self.callers[&(life.owner, "officer")];
                let known = caller.overlaps(&life.name).await.unwrap().overlaps;
                let known = known.iter().any(|overlap| overlap.id == id);
                // What an amendment ended can be taken back, and nothing else.
                let verdict = match known && self.rng.random_bool(0.5) {
                    true => OverlapVerdict::Different,
                    false => OverlapVerdict::Withdrawn,
                };
                said.push((life.owner, life.say_to_all(declaration(&id, verdict))));
            }
        }
        self.submit(said).await;
    }

    /// Submits what is said, at most one statement of each case, and keeps what was recorded.
    async fn submit(&mut self, said: Vec<Said>) {
        let mut by_maker: BTreeMap<&'static str, Vec<Statement>> = BTreeMap::new();
        // Two declarations of one case are in order: their maker is the same.
        for (maker, statement) in said {
            by_maker.entry(maker).or_default().push(statement);
        }
        let submitted = by_maker.into_iter().map(|(maker, statements)| {
            let caller = self.callers[&(maker, "officer")].clone();
            async move {
                let signed = statements.iter().map(|s| caller.sign(s)).collect();
                let outcomes = caller.submit_all(signed).await.unwrap();
                let lines = statements.into_iter().zip(outcomes);
                let lines = lines.map(|(statement, outcome)| {
                    let recorded = outcome.unwrap_or_else(|e| panic!("{e:?}\n{statement:?}"));
                    Line {
                        position: recorded.position,
                        record_time: recorded.record_time.unwrap(),
                        maker,
                        statement,
                    }
                });
                lines.collect::<Vec<_>>()
            }
        });
        let mut lines: Vec<_> = join_all(submitted).await.into_iter().flatten().collect();
        lines.sort_by_key(|line| line.position);
        lines.into_iter().for_each(|line| self.record.add(line));
    }

    /// Asks, and compares.
    async fn ask(&mut self, questions: usize) -> BTreeMap<&'static str, usize> {
        let earlier = self.earlier(questions);
        let mut kinds = BTreeMap::new();
        let mut left = questions;
        while left > 0 {
            let many = left.min(500);
            left -= many;
            let drawn: Vec<_> = (0..many).map(|_| self.draw(&earlier)).collect();
            let callers = &self.callers;
            let asked = drawn.iter().map(|(question, seen)| {
                let caller = callers[&question.by].clone();
                put::put(caller, question, seen, self.record.end())
            });
            let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
            for ((question, _), outcome) in drawn.iter().zip(answers) {
                let told = outcome.unwrap_or_else(|difference| {
                    panic!(
                        "CASEBROKER_QUESTIONS_SEED={} CASEBROKER_QUESTIONS={questions} repeats it\n{question:#?}\n{difference}",
                        self.seed
                    )
                });
                for kind in told {
                    *kinds.entry(kind).or_default() += 1;
                }
            }
        }
        kinds
    }

    /// Positions and times before now.
    fn earlier(&mut self, questions: usize) -> Vec<AsOf> {
        let lines: Vec<_> = self.record.lines().collect();
        let many = (questions / 500).clamp(6, 40);
        let chosen = lines.choose_multiple(&mut self.rng, many);
        let chosen: Vec<_> = chosen
            .map(|line| (line.position, line.record_time))
            .collect();
        let each = chosen
            .into_iter()
            .map(|(position, time)| match self.rng.random_bool(0.6) {
                true => AsOf::Position(position),
                false => AsOf::Time(time, self.record.position_at(&time)),
            });
        each.collect()
    }

    fn draw(&mut self, earlier: &[AsOf]) -> (Question, Arc<Snapshot>) {
        let role = if self.rng.random_bool(0.75) {
            ROLES[0]
        } else {
            ROLES[1]
        };
        let by = (*AGENCIES.choose(&mut self.rng).unwrap(), role);
        let as_of = match self.rng.random_bool(0.6) {
            true => AsOf::Now,
            false => *earlier.choose(&mut self.rng).unwrap(),
        };
        let scope = Scope::of(by.0, by.1);
        let position = as_of.position(self.record.end());
        let snapshot = self.snapshots.entry((scope, position));
        let snapshot = snapshot.or_insert_with(|| Arc::new(self.record.seen(scope, position)));
        let seen = Arc::clone(snapshot);
        let filter: CaseFilter = draw::filter(&mut self.rng, &seen);
        let question = Question {
            by,
            as_of,
            ask: draw::ask(&mut self.rng, &filter),
            filter,
            whole: self.rng.random_bool(0.02),
        };
        (question, seen)
    }
}

fn declaration(id: &str, verdict: OverlapVerdict) -> Kind {
    Kind::OverlapDeclaration(OverlapDeclaration {
        overlap: id.into(),
        verdict: verdict.into(),
        reason: String::new(),
    })
}

/// The groups as the broker reads them.
fn groups() -> String {
    let tables = GROUPS.iter().map(|(name, members)| {
        let id = name.trim_start_matches("groups/");
        format!("[groups.{id}]\nmembers = {members:?}\n")
    });
    tables.collect()
}
