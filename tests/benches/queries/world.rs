//! A million cases that never were: the same for the same number, whoever asks.

use std::fs;

use casebroker_proto::{
    catalogue::substances::{self, Class, Substance},
    v1::{Amendment, CaseReport, Dispute, Handling, Statement, Tlp, statement::Kind},
};
use casebroker_tests::{CBP, DEA, RCMP, Site, cases};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::{
    drawing::Drawing,
    words::{Words, skewed},
};

/// Who asks, by its place among the agencies.
pub const VIEWER: usize = 0;
/// Who reports, the busiest first.
pub const AGENCIES: [&str; 8] = [
    DEA,
    CBP,
    RCMP,
    "cn-nncc",
    "mx-fgr",
    "de-bka",
    "nl-politie",
    "au-afp",
];
/// Groups with their members, by their places among the agencies.
const GROUPS: [(&str, &[usize]); 3] = [
    ("pacific", &[2, 3, 7]),
    ("atlantic", &[0, 1, 5]),
    ("border", &[0, 1, 2, 4]),
];
const SEED: u64 = 0x6361_7365;

/// Who may see a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    Everybody,
    /// By their places among the agencies; the owner is one of them.
    Named(Vec<usize>),
}

/// What is said about a case after it was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    Nothing,
    Amended,
    Retracted,
    /// By this agency.
    Disputed(usize),
}

/// One case.
pub struct Draft {
    pub owner: usize,
    pub audience: Audience,
    pub later: Later,
    /// As it was reported.
    pub report: CaseReport,
}

/// Makes them.
pub struct World {
    pub words: Words,
    pub analogues: Vec<&'static Substance>,
    pub others: Vec<&'static Substance>,
}

/// A site with all these agencies and groups, and no quotas.
pub fn site() -> Site {
    let site = AGENCIES[3..]
        .iter()
        .fold(Site::new(), |site, agency| site.with_member(agency))
        .with("journal.segment_bytes", 64 << 20)
        // Each case has keys of its own, and a small cache of them makes the store read its disk for each statement.
        .with("state.cache_bytes", 1 << 30)
        .without_quotas();
    let groups = GROUPS.iter().map(|(id, members)| {
        let members: Vec<_> = members.iter().map(|n| AGENCIES[*n]).collect();
        format!("[groups.{id}]\nmembers = {members:?}\n")
    });
    let path = site.member_file("", "groups.toml");
    fs::write(path, groups.collect::<String>()).expect("the folder is there");
    site
}

impl World {
    pub fn new() -> Self {
        let of = |keep: fn(Class) -> bool| {
            let all = substances::all().iter();
            all.filter(|s| keep(s.class)).collect::<Vec<_>>()
        };
        Self {
            words: Words::new(),
            analogues: of(|class| class == Class::FentanylAnalogue),
            others: of(|class| {
                !matches!(
                    class,
                    Class::Fentanyl | Class::FentanylAnalogue | Class::FentanylPrecursor
                )
            }),
        }
    }

    /// The case of a number.
    pub fn draft(&self, number: usize) -> Draft {
        // An odd factor spreads neighbours over the seeds.
        let seed = SEED ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = StdRng::seed_from_u64(seed);
        let owner = skewed(&mut rng, AGENCIES.len(), 2);
        let (audience, handling) = audience(owner, &mut rng);
        let mut drawing = Drawing::new(self, number, rng);
        let mut report = drawing.report(owner);
        report.handling = Some(handling);
        let later = drawing.later(owner, &audience);
        Draft {
            owner,
            audience,
            later,
            report,
        }
    }
}

impl Draft {
    /// Whether an agency may see it.
    pub fn is_for(&self, agency: usize) -> bool {
        match &self.audience {
            Audience::Everybody => true,
            Audience::Named(agencies) => agencies.contains(&agency),
        }
    }

    /// The report in force after everything was said.
    pub fn last_report(&self) -> CaseReport {
        let mut report = self.report.clone();
        if self.later == Later::Amended {
            report.title += ", amended";
            report.narrative += " weighed again";
        }
        report
    }

    /// What is said later, with the place of the agency that says it.
    pub fn later_statement(&self) -> Option<(usize, Statement)> {
        let name = &self.report.name;
        let handled = |statement| Statement {
            handling: self.report.handling.clone(),
            ..statement
        };
        match self.later {
            Later::Nothing => None,
            Later::Amended => {
                let amendment = Amendment {
                    report: Some(self.last_report()),
                    expected_revision: 1,
                    reason: "Weighed again".into(),
                };
                let statement = cases::statement(name, Kind::Amendment(amendment));
                Some((self.owner, statement))
            }
            Later::Retracted => Some((self.owner, handled(cases::retracting(name)))),
            Later::Disputed(by) => {
                let dispute = Dispute {
                    fields: vec!["route.origin".into()],
                    reason: "The label does not say so".into(),
                    ..Default::default()
                };
                Some((by, handled(cases::statement(name, Kind::Dispute(dispute)))))
            }
        }
    }
}

/// About 70 in 100 are for everybody, 20 for one to three agencies, 10 for a group.
fn audience(owner: usize, rng: &mut StdRng) -> (Audience, Handling) {
    let draw = rng.random_range(0..100);
    if draw < 70 {
        return (Audience::Everybody, cases::handling(Tlp::Green, &[]));
    }
    let (members, names): (Vec<usize>, Vec<String>) = if draw < 90 {
        let mut members: Vec<usize> = (0..rng.random_range(1..=3))
            .map(|_| rng.random_range(0..AGENCIES.len()))
            .collect();
        members.sort_unstable();
        members.dedup();
        let names = members.iter().map(|n| format!("agencies/{}", AGENCIES[*n]));
        (members.clone(), names.collect())
    } else {
        let (id, members) = GROUPS[rng.random_range(0..GROUPS.len())];
        (members.to_vec(), vec![format!("groups/{id}")])
    };
    let mut seen = members;
    if !seen.contains(&owner) {
        seen.push(owner);
    }
    let handling = Handling {
        tlp: Tlp::Amber.into(),
        audience: names,
        ..Default::default()
    };
    (Audience::Named(seen), handling)
}
