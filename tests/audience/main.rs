//! Nothing outside the caller's audience shows in, or changes, any answer of any call.
//!
//! One broker gets everything that some agencies say, at random. For each agency another broker gets only what that agency
//! may see, as [`model`] decides and not the broker. Then random questions go to both, and the answers must be equal but for
//! what the log's size tells: positions, roots, proofs. `CASEBROKER_AUDIENCE_SEED` repeats a run,
//! `CASEBROKER_AUDIENCE_QUERIES` makes it longer (10,000 if not set).

mod answer;
mod draw;
mod life;
mod model;
mod query;
mod questions;
mod side;
mod timing;
mod world;

use std::{collections::BTreeMap, env, fmt::Debug, time::Instant};

use casebroker_proto::{
    statement::Envelope,
    v1::{Statement, statement::Kind},
};
use casebroker_tests::{Site, announce};
use futures_util::{StreamExt as _, future::join_all, stream};
use rand::Rng as _;

use answer::{Answer, Body, is_revision};
use model::{GROUPS, Scope};
use query::{Ask, Number, Query, Tokens};
use side::{Declares, Parcel, Side};
use world::{AGENCIES, By, ROLES, Step, World, callers, scopes};

/// Things said before the questions begin.
const STEPS: usize = 1_000;
/// Questions at once, and between two submissions.
const AT_ONCE: usize = 12;
const ROUND: usize = 40;
/// Submissions of a round that must be refused.
const PROBES: usize = 4;
/// Tokens kept for use elsewhere.
const TOKENS: usize = 64;

/// All brokers of a run.
struct Stage {
    world: World,
    full: Side,
    parts: BTreeMap<Scope, Side>,
    /// Last, as it is dropped last: the brokers write into its folder.
    _site: Site,
}

/// How often things were asked: a run that asks for nothing hidden shows nothing.
#[derive(Debug, Default)]
struct Tally {
    hidden: usize,
    seen: usize,
    refused: usize,
    pages: usize,
    tokens: usize,
    submitted: usize,
    recorded: usize,
    probes: usize,
    probes_of_hidden: usize,
    overlaps: usize,
    tasks: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_shows_or_is_changed_by_anything_outside_the_callers_audience() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("CASEBROKER_AUDIENCE_SEED").unwrap_or_else(rand::random);
    let queries = number("CASEBROKER_AUDIENCE_QUERIES").unwrap_or(10_000);
    announce(&format!("audience: CASEBROKER_AUDIENCE_SEED={seed}"));
    let begin = Instant::now();
    let mut stage = Stage::set(seed).await;
    announce(&format!(
        "audience: {} statements {:?} about {} cases, of which the agencies see {:?}, after {:.1} s",
        stage.world.recorded.len(),
        stage.world.kinds(),
        stage.world.cases.len(),
        stage
            .parts
            .values()
            .map(|part| part.book.lines.len())
            .collect::<Vec<_>>(),
        begin.elapsed().as_secs_f64(),
    ));
    let tally = stage.ask(queries).await;
    stage.check_model().await;
    announce(&format!(
        "audience: {queries} queries, no difference, {tally:?}, after {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    let at_least = |what: usize, share: u64| assert!(what as u64 >= queries / share, "{tally:?}");
    at_least(tally.hidden, 20);
    at_least(tally.seen, 20);
    at_least(tally.refused, 20);
    at_least(tally.pages, 50);
    at_least(tally.tokens, 100);
    at_least(tally.submitted, 50);
    at_least(tally.probes, 15);
    at_least(tally.probes_of_hidden, 120);
    at_least(tally.overlaps, 20);
    at_least(tally.tasks, 15);
}

impl Stage {
    /// Starts the brokers and tells each what it may know.
    async fn set(seed: u64) -> Self {
        let mut site = AGENCIES[3..]
            .iter()
            .fold(Site::new(), |site, agency| site.with_member(agency))
            // A page looks at a bounded number of entries, hidden ones among them, so a short page tells what the gaps between
            // positions tell anyway. Here all pages are whole, so that they can be compared.
            .with("limits.scan_entries", 1_000_000)
            // A broker that got more may be later, and both shall answer.
            .with("table.wait_ms", 60_000)
            .without_quotas();
        std::fs::write(site.member_file("", "groups.toml"), groups()).unwrap();
        let principals = callers()
            .map(|by| (by, site.principal(by.0, by.1)))
            .collect();
        let mut world = World::new(seed, &site);
        let full = Side::start(&mut site, "data", true, &principals).await;
        let mut parts = BTreeMap::new();
        for (n, scope) in scopes().into_iter().enumerate() {
            let data = format!("part-{n}");
            let part = Side::start(&mut site, &data, false, &principals).await;
            parts.insert(scope, part);
        }
        let mut steps: Vec<_> = AGENCIES
            .iter()
            .map(|agency| world.secret((*agency, ROLES[0])))
            .collect();
        while steps.len() < STEPS {
            let by = world.maker();
            for _ in 0..world.rng.random_range(1..20) {
                steps.push(world.step(by, false));
            }
        }
        let mut stage = Self {
            world,
            full,
            parts,
            _site: site,
        };
        let world = &stage.world;
        let everything = steps.iter().map(|step| whole(world, step)).collect();
        let full = stage.full.submit_all(everything);
        let rest = stage.parts.iter_mut().map(|(scope, part)| async {
            let told: Vec<_> = steps
                .iter()
                .enumerate()
                .filter_map(|(n, step)| Some((n, told_to(world, *scope, step)?)))
                .collect();
            let (numbers, parcels): (Vec<_>, Vec<_>) = told.into_iter().unzip();
            let answers = part.submit_all(parcels).await;
            (*scope, numbers.into_iter().zip(answers).collect::<Vec<_>>())
        });
        let (full, rest) = tokio::join!(full, join_all(rest));
        for (scope, answers) in rest {
            for (n, answer) in answers {
                if steps[n].by.0 == scope.agency {
                    same(
                        &stage.world,
                        steps[n].by,
                        &("step", n),
                        &full[n..=n],
                        &[answer],
                    );
                }
            }
        }
        stage
    }

    /// Every broker shows to each agency as many statements of each case as the model says. So nothing that may be seen is
    /// held back either, and no part holds what its agency does not see.
    async fn check_model(&self) {
        for (scope, part) in &self.parts {
            for (agency, role) in callers().filter(|by| ["officer", "system"].contains(&by.1)) {
                if Scope::of(agency, role) != *scope {
                    continue;
                }
                for side in [part, &self.full] {
                    let caller = &side.callers[&(agency, role)];
                    let shown = caller.list(None).await.into_iter();
                    let mut shown: BTreeMap<_, _> = shown
                        .map(|case| (case.name, (case.revision as usize, case.retracted)))
                        .collect();
                    for case in self.world.cases.keys() {
                        assert_eq!(
                            shown.remove(case).unwrap_or_default(),
                            self.counts(*scope, case),
                            "{case} for {agency}, CASEBROKER_AUDIENCE_SEED={}",
                            self.world.seed
                        );
                    }
                    assert!(shown.is_empty(), "{shown:?}");
                }
            }
        }
    }

    /// Revisions that a scope sees, and whether the case is retracted.
    fn counts(&self, scope: Scope, case: &str) -> (usize, bool) {
        let seen = self.world.visible(scope, case);
        let revisions = seen
            .iter()
            .filter(|id| is_revision(&self.world.recorded[**id].statement))
            .count();
        let retracted = seen.iter().any(|id| {
            let kind = &self.world.recorded[*id].statement.kind;
            matches!(kind, Some(Kind::Retraction(_)))
        });
        (revisions, retracted)
    }

    async fn ask(&mut self, queries: u64) -> Tally {
        let mut tally = Tally::default();
        let mut kept: Vec<(By, Ask, Tokens)> = Vec::new();
        let mut left = queries as usize;
        while left > 0 {
            self.submit(&mut tally).await;
            left -= 1;
            for _ in 0..left.min(PROBES) {
                self.probe(&mut tally).await;
                left -= 1;
            }
            let round: Vec<_> = (0..left.min(ROUND))
                .map(|_| draw::draw(&mut self.world, &kept))
                .collect();
            left -= round.len();
            let (full, parts) = (&self.full, &self.parts);
            let pairs = round.iter().map(|query| {
                let part = &parts[&Scope::of(query.by.0, query.by.1)];
                async move { tokio::join!(query::put(full, query), query::put(part, query)) }
            });
            // In order, as what is drawn next depends on them.
            let answers: Vec<_> = stream::iter(pairs).buffered(AT_ONCE).collect().await;
            for (query, ((full, full_token), (part, part_token))) in round.into_iter().zip(answers)
            {
                same(&self.world, query.by, &query.ask, &full, &part);
                self.count(&query, &full, &mut tally);
                if let Some(tokens) = full_token.zip(part_token) {
                    let n = self.world.rng.random_range(0..TOKENS);
                    let token = (query.by, query.ask, tokens.into());
                    if n < kept.len() {
                        kept[n] = token;
                    } else {
                        kept.push(token);
                    }
                }
            }
        }
        tally
    }

    /// One more submission, to everybody who may know of it. The maker's own broker must answer as the full one.
    async fn submit(&mut self, tally: &mut Tally) {
        let by = self.world.maker();
        let step = self.world.step(by, true);
        let known = if self.world.rng.random_bool(0.5) {
            Number::Zero
        } else {
            Number::Seen(self.world.rng.random())
        };
        let mut parcel = whole(&self.world, &step);
        let full_known = known.of(&self.full.book);
        let full = [self.full.submit(&mut parcel, full_known).await];
        tally.submitted += 1;
        tally.recorded += usize::from(step.id.is_some());
        for (scope, part) in &mut self.parts {
            let Some(mut parcel) = told_to(&self.world, *scope, &step) else {
                continue;
            };
            let known = known.of(&part.book);
            let answer = part.submit(&mut parcel, known).await;
            if *scope == Scope::of(by.0, by.1) {
                let what = step.id.map(|id| &self.world.recorded[id].statement);
                same(&self.world, by, &("Submit", what), &full, &[answer]);
            }
        }
    }

    /// A submission that both brokers must refuse, and in the same words.
    async fn probe(&mut self, tally: &mut Tally) {
        let by = (self.world.pick(&AGENCIES), draw::role(&mut self.world));
        let step = self.world.probe(by);
        let scope = Scope::of(by.0, by.1);
        let part = self.parts.get_mut(&scope).unwrap();
        let mut parcels = [whole(&self.world, &step), whole(&self.world, &step)];
        let full = self.full.submit(&mut parcels[0], 0).await;
        let answer = part.submit(&mut parcels[1], 0).await;
        let sent = (&step.declares, &parcels[0].envelope);
        let said = decoded(sent.1);
        same(
            &self.world,
            by,
            &("Probe", said, sent.0),
            &[full],
            &[answer],
        );
        tally.probes += 1;
        let case = decoded(sent.1).case;
        let there = self.world.cases.contains_key(&case);
        let officer = Scope::widest(by.0);
        let hidden = there && self.world.visible(officer, &case).is_empty();
        tally.probes_of_hidden += usize::from(hidden);
    }

    fn count(&self, query: &Query, answers: &[Answer], tally: &mut Tally) {
        tally.pages += answers.len() - 1;
        let refused = matches!(answers[0].body, Body::Refused { .. });
        let scope = Scope::of(query.by.0, query.by.1);
        let case = match &query.ask {
            Ask::Get { name, .. } | Ask::Overlaps { case: name, .. } => Some(name.as_str()),
            Ask::Statements { request, .. } => Some(request.case.as_str()),
            Ask::Receipt {
                at: Number::Entry(id),
                ..
            } => Some(self.world.recorded[*id].statement.case.as_str()),
            _ => None,
        };
        let there = case.filter(|case| self.world.cases.contains_key(*case));
        let hidden = there.is_some_and(|case| self.world.visible(scope, case).is_empty());
        tally.hidden += usize::from(hidden);
        tally.seen += usize::from(!refused && there.is_some());
        tally.refused += usize::from(refused);
        for answer in answers {
            match &answer.body {
                Body::Overlaps { overlaps, .. } => tally.overlaps += overlaps.len(),
                Body::Tasks { tasks, .. } => tally.tasks += tasks.len(),
                _ => {}
            }
        }
        if let Ask::Cases { tokens, .. }
        | Ask::Statements { tokens, .. }
        | Ask::Tasks { tokens, .. } = &query.ask
        {
            tally.tokens += usize::from(tokens.is_some());
        }
    }
}

/// The groups as the broker reads them.
fn groups() -> String {
    let tables = GROUPS.iter().map(|(name, members)| {
        let id = name.trim_start_matches("groups/");
        format!("[groups.{id}]\nmembers = {members:?}\n")
    });
    tables.collect()
}

/// Compares what both brokers said, page by page.
fn same(world: &World, by: By, asked: &dyn Debug, full: &[Answer], part: &[Answer]) {
    for page in 0..full.len().max(part.len()) {
        let (full, part) = (full.get(page), part.get(page));
        assert!(
            full == part,
            "a difference for {by:?}; CASEBROKER_AUDIENCE_SEED={} repeats it\nasked: {asked:?}, page {page}\n\
             the broker that got everything: {full:?}\n\
             the broker that got only what the caller may see: {part:?}",
            world.seed,
        );
    }
}

/// A step as the broker gets it that gets everything.
fn whole(world: &World, step: &Step) -> Parcel {
    let recorded = step.id.map(|id| (id, world.recorded[id].statement.clone()));
    Parcel {
        by: step.by,
        envelope: step.envelope.clone(),
        recorded,
        declares: declares(step, None),
    }
}

fn declares(step: &Step, stand_in: Option<(By, Statement)>) -> Option<Declares> {
    let (statement, other) = step.declares.clone()?;
    Some(Declares {
        statement,
        other,
        stand_in,
    })
}

fn decoded(envelope: &[u8]) -> Statement {
    let envelope = Envelope::parse(envelope).unwrap();
    envelope.decode().unwrap()
}

/// A step as the broker of a scope gets it: what the scope sees, and what its own agency sends in vain.
fn told_to(world: &World, scope: Scope, step: &Step) -> Option<Parcel> {
    let Some(id) = step.id else {
        let sends = Scope::of(step.by.0, step.by.1) == scope;
        return sends.then(|| whole(world, step));
    };
    let (statement, envelope) = world.told_to(scope, id)?;
    Some(Parcel {
        by: step.by,
        envelope,
        recorded: Some((id, statement)),
        declares: declares(step, world.stand_in(scope, id)),
    })
}
