//! Counts: cases, incidents and goods by up to three dimensions, and why others do not count.

use std::{collections::BTreeMap, mem, slice};

use casebroker_proto::v1::{CaseCount, CaseStatus, Conveyance, Dimension, ItemKind};
use hashbrown::HashMap;

use super::{
    chunk::{Chunk, Half, Set, Wide},
    facts::country_text,
    part::{self, Columns, Part, Wanted, is_of_items},
    plan::{AsOf, GivenUp, Plan, Standing},
    rows::Rows,
    sum::Sum,
    tally::Sums,
};
use casebroker_proto::filter::{GoodsClass, Hindrance};

/// Most groups of an answer.
pub const MAX_GROUPS: usize = 10_000;
/// Most groups of one standing each before they have names, of which some are of the same.
const MAX_PARTS: usize = 2 * MAX_GROUPS * Standing::ALL.len();
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

impl Rows {
    /// Counts what a plan selects.
    pub fn count_cases(
        &self,
        plan: &Plan,
        as_of: AsOf,
        wanted: Wanted,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Counted, CountError> {
        let scan = self.scanning(plan, as_of);
        let dimensions = wanted.dimensions;
        let of = |dimensions| part::Counted {
            rows: self,
            plan,
            wanted: Wanted {
                dimensions,
                ..wanted
            },
            items: &scan.items,
        };
        let overlap = |d: &Dimension| is_of_items(*d) || *d == Dimension::Transit;
        let disjoint = !dimensions.iter().any(overlap);
        let mut columns = Columns::default();
        let (mut sum, mut once) = (Sum::default(), Sum::default());
        let mut recall = self.counts.recall(plan, wanted, as_of);
        let find = |number, chunk: &Chunk| {
            if given_up() {
                return Err(GivenUp.into());
            }
            let mask = scan.selected(number, chunk);
            let groups = columns.part(&of(dimensions), chunk, &mask);
            // A total that is no sum of the groups is made for itself.
            let once = (!disjoint).then(|| columns.part(&of(&[]), chunk, &mask));
            Ok([groups, once.unwrap_or_default()])
        };
        recall.each(&scan, find, |[groups, each_once]| {
            sum.add(groups);
            once.add(each_once);
            // What is beyond the limit ends the question, however long it would go on.
            match sum.part.groups.len() > MAX_PARTS {
                true => Err(CountError::TooManyGroups),
                false => Ok(()),
            }
        })?;
        recall.keep();
        let (groups, once) = (sum.part, once.part);
        let mut total = Group::default();
        let of_total = if disjoint { &groups } else { &once };
        of_total.add_to(slice::from_mut(&mut total), |_| 0);
        Ok(Counted {
            groups: match dimensions {
                [] => BTreeMap::new(),
                dimensions => self.named(&groups, dimensions)?,
            },
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

impl Part {
    /// Adds it to groups; `of` says to which each of its own belongs.
    fn add_to(&self, groups: &mut [Group], of: impl Fn(usize) -> usize) {
        let mut sums = |number: usize, add: &mut dyn FnMut(&mut Sums)| {
            let standing = self.groups.get(number).map(|(_, standing, _)| *standing);
            if let Some(standing) = standing
                && let Some(group) = groups.get_mut(of(number))
            {
                add(group.of_mut(standing));
            }
        };
        for (number, (_, _, cases)) in self.groups.iter().enumerate() {
            sums(number, &mut |sums| sums.add_cases(*cases));
        }
        for (number, incident) in &self.joined {
            sums(*number as usize, &mut |sums| sums.join(*incident));
        }
        for goods in &self.goods {
            sums(goods.group as usize, &mut |sums| sums.add_part(goods));
        }
        for joined in &self.joined_goods {
            sums(joined.group as usize, &mut |sums| {
                sums.join_goods(joined.incident, joined.place.into(), joined.goods);
            });
        }
    }
}

impl Rows {
    /// The groups by the names of their values.
    fn named(
        &self,
        part: &Part,
        dimensions: &[Dimension],
    ) -> Result<BTreeMap<Vec<String>, Group>, CountError> {
        let (mut by_codes, mut by_names) = (HashMap::new(), BTreeMap::new());
        let mut places = Vec::with_capacity(part.groups.len());
        for (codes, _, _) in &part.groups {
            let place = *by_codes.entry(*codes).or_insert_with(|| {
                let values = codes.iter().zip(dimensions);
                let values = values.map(|(code, dimension)| self.value(*dimension, *code));
                let next = by_names.len();
                // Two numbers may be of the same name.
                *by_names.entry(values.collect()).or_insert(next)
            });
            if by_names.len() > MAX_GROUPS {
                return Err(CountError::TooManyGroups);
            }
            places.push(place);
        }
        let mut groups = vec![Group::default(); by_names.len()];
        part.add_to(&mut groups, |number| {
            places.get(number).copied().unwrap_or(usize::MAX)
        });
        let named = by_names.into_iter();
        let named =
            named.filter_map(|(values, place)| Some((values, mem::take(groups.get_mut(place)?))));
        Ok(named.collect())
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
