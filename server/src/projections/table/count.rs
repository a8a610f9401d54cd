//! Counts: cases, incidents and goods by up to three dimensions, and why others do not count.

use std::collections::BTreeMap;

use casebroker_proto::v1::{CaseCount, CaseStatus, Conveyance, Dimension, ItemKind};
use hashbrown::HashMap;

use super::{
    chunk::{Chunk, Half, Set, Wide},
    facts::country_text,
    kept::RUN,
    part::{self, Codes, Columns, Part, is_of_items},
    plan::{AsOf, GivenUp, Plan, Standing},
    rows::Rows,
    tally::Sums,
};
use casebroker_proto::filter::{GoodsClass, Hindrance};

/// Most groups of an answer.
pub const MAX_GROUPS: usize = 10_000;
/// Cases that are named for each reason.
const EXAMPLES: usize = 5;

/// A count.
#[derive(Debug, Default)]
pub struct Counted {
    /// By the values of each dimension.
    pub groups: BTreeMap<Vec<String>, Group>,
    /// Each case once.
    pub total: Group,
    /// Whether each case is in one group.
    pub disjoint: bool,
}

/// What is counted in a group, by standing.
#[derive(Debug, Clone, Default)]
pub struct Group([Sums; 4]);

/// Why cases do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The reason.
    pub hindrance: Hindrance,
    /// How many cases.
    pub cases: u64,
    /// First positions of the newest of them, newest first.
    pub examples: Vec<u64>,
}

/// Why there is no count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// The caller went away, or its time is over.
    #[error(transparent)]
    GivenUp(#[from] GivenUp),
    /// More groups than an answer may have.
    #[error("there are more than {MAX_GROUPS} groups")]
    TooManyGroups,
}

impl Group {
    /// Of a standing.
    pub fn of(&self, standing: Standing) -> &Sums {
        let [first, ..] = &self.0;
        self.0.get(standing as usize).unwrap_or(first)
    }

    fn of_mut(&mut self, standing: Standing) -> &mut Sums {
        let [counted, disputed, contested, retracted] = &mut self.0;
        match standing {
            Standing::Counted => counted,
            Standing::Disputed => disputed,
            Standing::Contested => contested,
            Standing::Retracted => retracted,
        }
    }

    fn add(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(&other.0) {
            to.add(from);
        }
    }

    /// As the contract shows it.
    pub fn to_count(&self, values: Vec<String>) -> CaseCount {
        let tally = |standing| Some(self.of(standing).to_tally());
        CaseCount {
            values,
            counted: tally(Standing::Counted),
            disputed: tally(Standing::Disputed),
            contested: tally(Standing::Contested),
            retracted: tally(Standing::Retracted),
        }
    }
}

/// While a count is made.
#[derive(Debug, Default)]
struct Counting {
    numbers: HashMap<Codes, u32>,
    groups: Vec<(Codes, Group)>,
}

impl Rows {
    /// Counts what a plan selects.
    pub fn count_cases(
        &self,
        plan: &Plan,
        as_of: AsOf,
        dimensions: &[Dimension],
        given_up: &dyn Fn() -> bool,
    ) -> Result<Counted, CountError> {
        let scan = self.scanning(plan, as_of);
        let of = |dimensions| part::Counted {
            rows: self,
            plan,
            dimensions,
            items: &scan.items,
        };
        let overlap = |d: &Dimension| is_of_items(*d) || *d == Dimension::Transit;
        let disjoint = !dimensions.iter().any(overlap);
        let (mut columns, mut counting) = (Columns::default(), Counting::default());
        let mut once = Counting::default();
        let mut recall = self.counts.recall(plan, dimensions, as_of);
        let mut find = |number, chunk: &Chunk| {
            let mask = scan.selected(number, chunk);
            let groups = columns.part(&of(dimensions), chunk, &mask);
            // A total that is no sum of the groups is made for itself.
            let once = (!disjoint).then(|| columns.part(&of(&[]), chunk, &mask));
            [groups, once.unwrap_or_default()]
        };
        for run in scan.numbers().chunk_by(|a, b| a / RUN == b / RUN) {
            let mut add = |[groups, each_once]: &[Part; 2]| {
                counting.add(groups);
                once.add(each_once);
                // What is beyond the limit ends the question, however long it would go on.
                match counting.groups.len() > 2 * MAX_GROUPS {
                    true => Err(CountError::TooManyGroups),
                    false => Ok(()),
                }
            };
            if let Some(sum) = recall.run(run, &scan) {
                add(&sum)?;
                continue;
            }
            for number in run {
                if given_up() {
                    return Err(GivenUp.into());
                }
                if let Some(chunk) = scan.chunk(*number) {
                    add(&recall.of(*number, chunk, || find(*number, chunk)))?;
                }
            }
            recall.end_run(run);
        }
        recall.keep();
        let total = match disjoint {
            true => counting.total(),
            false => once.total(),
        };
        let groups = match dimensions {
            [] => BTreeMap::new(),
            dimensions => self.named(counting, dimensions)?,
        };
        Ok(Counted {
            groups,
            total,
            disjoint,
        })
    }

    /// Why cases do not count that a plan without its statuses selects.
    pub fn explain(
        &self,
        plan: &Plan,
        as_of: AsOf,
        statuses: &[CaseStatus],
        given_up: &dyn Fn() -> bool,
    ) -> Result<Vec<Reason>, GivenUp> {
        let mut reasons: BTreeMap<Hindrance, Reason> = BTreeMap::new();
        self.scan(plan, as_of, given_up, |chunk, _, mask| {
            for at in mask.rows() {
                let hindrance = match Standing::of(chunk, at) {
                    Standing::Retracted => Hindrance::Retracted,
                    Standing::Disputed => Hindrance::Disputed,
                    Standing::Contested => Hindrance::Contested,
                    Standing::Counted if statuses.contains(&status(chunk, at)) => continue,
                    Standing::Counted => match chunk.half(Half::Rule, at).checked_sub(1) {
                        Some(rule) => Hindrance::Rule(rule as u8),
                        // An attributed case lacks nothing: only who asks for lower statuses leaves it out.
                        None => continue,
                    },
                };
                let reason = reasons.entry(hindrance).or_insert_with(|| Reason {
                    hindrance,
                    cases: 0,
                    examples: Vec::new(),
                });
                reason.cases += 1;
                reason.offer(chunk.wide(Wide::First, at));
            }
            Ok(())
        })?;
        Ok(reasons.into_values().collect())
    }
}

impl Reason {
    fn offer(&mut self, first: u64) {
        let place = self.examples.partition_point(|known| *known > first);
        if place < EXAMPLES {
            self.examples.insert(place, first);
            self.examples.truncate(EXAMPLES);
        }
    }
}

impl Counting {
    fn add(&mut self, part: &Part) {
        let mut places = Vec::with_capacity(part.groups.len());
        for (codes, standing, cases) in &part.groups {
            let place = (self.number(*codes), *standing);
            places.push(place);
            if let Some(sums) = self.sums(Some(&place)) {
                sums.add_cases(*cases);
            }
        }
        for (group, incident) in &part.joined {
            if let Some(sums) = self.sums(places.get(*group as usize)) {
                sums.join(*incident);
            }
        }
        for goods in &part.goods {
            if let Some(sums) = self.sums(places.get(goods.group as usize)) {
                sums.add_part(goods);
            }
        }
    }

    fn sums(&mut self, place: Option<&(usize, Standing)>) -> Option<&mut Sums> {
        let (number, standing) = place?;
        let (_, group) = self.groups.get_mut(*number)?;
        Some(group.of_mut(*standing))
    }

    fn number(&mut self, codes: Codes) -> usize {
        let next = self.groups.len() as u32;
        let number = *self.numbers.entry(codes).or_insert(next);
        if number == next {
            self.groups.push((codes, Group::default()));
        }
        number as usize
    }

    fn total(&self) -> Group {
        let mut total = Group::default();
        for (_, group) in &self.groups {
            total.add(group);
        }
        total
    }
}

impl Rows {
    /// The groups by the names of their values.
    fn named(
        &self,
        counting: Counting,
        dimensions: &[Dimension],
    ) -> Result<BTreeMap<Vec<String>, Group>, CountError> {
        let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
        for (codes, group) in counting.groups {
            let values = codes.iter().zip(dimensions);
            let values = values.map(|(code, dimension)| self.value(*dimension, *code));
            groups.entry(values.collect()).or_default().add(&group);
            if groups.len() > MAX_GROUPS {
                return Err(CountError::TooManyGroups);
            }
        }
        Ok(groups)
    }

    /// What a number in a column stands for.
    fn value(&self, dimension: Dimension, code: u32) -> String {
        let names = &self.names;
        match dimension {
            Dimension::Agency => {
                let id = names.agencies.with(code, String::clone);
                format!("agencies/{}", id.unwrap_or_default())
            }
            Dimension::ReportingUnit => names.units.with(code, String::clone).unwrap_or_default(),
            Dimension::Country
            | Dimension::Origin
            | Dimension::Departure
            | Dimension::Transit
            | Dimension::Destination => country_text(code as u16),
            Dimension::Substance => names.substance_text(code),
            Dimension::SubstanceClass => {
                let class = GoodsClass::all().nth(code as usize);
                class.map_or("", GoodsClass::as_str).to_owned()
            }
            Dimension::ItemKind => {
                let kind = ItemKind::try_from(code as i32).unwrap_or_default();
                word(kind.as_str_name(), "ITEM_KIND_")
            }
            Dimension::Status => {
                let status = CaseStatus::try_from(code as i32).unwrap_or_default();
                word(status.as_str_name(), "CASE_STATUS_")
            }
            Dimension::Conveyance => {
                let conveyance = Conveyance::try_from(code as i32).unwrap_or_default();
                word(conveyance.as_str_name(), "CONVEYANCE_")
            }
            _ if code == 0 => String::new(),
            Dimension::Year => format!("{code:04}"),
            Dimension::Quarter => format!("{:04}-Q{}", code >> 3, code & 7),
            Dimension::Month => format!("{:04}-{:02}", code >> 4, code & 15),
            Dimension::Unspecified => String::new(),
        }
    }
}

/// The status of a row.
pub(super) fn status(chunk: &Chunk, at: usize) -> CaseStatus {
    match () {
        () if chunk.set(Set::Attributed).get(at) => CaseStatus::Attributed,
        () if chunk.set(Set::Confirmed).get(at) => CaseStatus::Confirmed,
        () => CaseStatus::Reported,
    }
}

/// An enum's name as a word; empty if it is not known.
fn word(name: &str, prefix: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    if word == "UNSPECIFIED" {
        return String::new();
    }
    word.to_lowercase().replace('_', "-")
}
