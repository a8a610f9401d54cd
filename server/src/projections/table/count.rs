//! Counts: cases, incidents and goods by up to three dimensions, and why others do not count.

use std::collections::BTreeMap;

use casebroker_proto::v1::{CaseCount, CaseStatus, Conveyance, Dimension, ItemKind};
use hashbrown::HashMap;

use super::{
    bits::Mask,
    chunk::{Chunk, Half, Wide, Word},
    facts::country_text,
    news::status,
    plan::{AsOf, GivenUp, Plan, Standing},
    rows::{ItemView, RowItem, Rows},
    tally::Sums,
};
use casebroker_proto::filter::{Day, GoodsClass, Hindrance};

/// Most dimensions of a question.
pub const MAX_DIMENSIONS: usize = 3;
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

/// Values of a group, by their numbers in the columns.
type Codes = [u32; MAX_DIMENSIONS];

/// While a count is made.
struct Counting<'a> {
    rows: &'a Rows,
    plan: &'a Plan,
    dimensions: &'a [Dimension],
    /// Whether one of them is of the items.
    by_item: bool,
    by_transit: bool,
    groups: HashMap<Codes, Group>,
    total: Group,
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
        let mut counting = Counting {
            rows: self,
            plan,
            dimensions,
            by_item: dimensions.iter().any(|d| is_of_items(*d)),
            by_transit: dimensions.contains(&Dimension::Transit),
            groups: HashMap::new(),
            total: Group::default(),
        };
        self.scan(plan, as_of, given_up, |chunk, items, mask| {
            counting.chunk(chunk, items, mask);
            // What is beyond the limit ends the question, however long it would go on.
            match counting.groups.len() > 2 * MAX_GROUPS {
                true => Err(GivenUp),
                false => Ok(()),
            }
        })
        .or_else(|gone| match given_up() {
            true => Err(gone),
            false => Ok(()),
        })?;
        counting.finish()
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

impl Counting<'_> {
    fn chunk(&mut self, chunk: &Chunk, items: &ItemView, mask: &Mask) {
        for (standing, rows) in Standing::split(chunk, mask) {
            for at in rows.rows() {
                self.row(standing, chunk, at, items);
            }
        }
    }

    fn row(&mut self, standing: Standing, chunk: &Chunk, at: usize, items: &ItemView) {
        // A total that is no sum of the groups is made for itself.
        if self.by_item || self.by_transit || self.dimensions.is_empty() {
            let test = self.plan.items();
            let sums = self.total.of_mut(standing);
            sums.add_case(self.plan.joined(chunk, at));
            sums.add_goods(chunk, at, items, |item| test.selects(item));
        }
        if self.dimensions.is_empty() {
            return;
        }
        let codes = self.codes(chunk, at);
        let transits = match self.by_transit {
            true => self.rows.transits_of(chunk.word(Word::Transits, at)),
            false => Vec::new(),
        };
        if transits.is_empty() {
            self.add(codes, standing, chunk, at, items);
        }
        for transit in transits {
            let mut codes = codes;
            for (code, dimension) in codes.iter_mut().zip(self.dimensions) {
                if *dimension == Dimension::Transit {
                    *code = u32::from(transit);
                }
            }
            self.add(codes, standing, chunk, at, items);
        }
    }

    /// Adds a case to the groups of its items, or to the one of the case.
    fn add(
        &mut self,
        codes: Codes,
        standing: Standing,
        chunk: &Chunk,
        at: usize,
        items: &ItemView,
    ) {
        let test = self.plan.items();
        let selects = |item: &RowItem| test.selects(item);
        if !self.by_item {
            let sums = self.groups.entry(codes).or_default().of_mut(standing);
            sums.add_case(self.plan.joined(chunk, at));
            sums.add_goods(chunk, at, items, selects);
            return;
        }
        let mut seen: Vec<Codes> = Vec::new();
        for item in items.of(chunk, at).filter(selects) {
            let mut codes = codes;
            for (code, dimension) in codes.iter_mut().zip(self.dimensions) {
                match dimension {
                    Dimension::Substance => *code = item.substance,
                    Dimension::SubstanceClass => *code = item.class as u32,
                    Dimension::ItemKind => *code = item.kind as u32,
                    _ => {}
                }
            }
            let sums = self.groups.entry(codes).or_default().of_mut(standing);
            sums.add_item(&item);
            if !seen.contains(&codes) {
                sums.add_case(self.plan.joined(chunk, at));
                seen.push(codes);
            }
        }
    }

    fn codes(&self, chunk: &Chunk, at: usize) -> Codes {
        let mut codes = Codes::default();
        for (code, dimension) in codes.iter_mut().zip(self.dimensions) {
            let half = |column| u32::from(chunk.half(column, at));
            let day = || Day(chunk.word(Word::Day, at));
            *code = match dimension {
                Dimension::Agency => chunk.word(Word::Owner, at),
                Dimension::ReportingUnit => chunk.word(Word::Unit, at),
                Dimension::Country => half(Half::Country),
                Dimension::Origin => half(Half::Origin),
                Dimension::Departure => half(Half::Departure),
                Dimension::Destination => half(Half::Destination),
                Dimension::Status => status(chunk, at) as u32,
                Dimension::Conveyance => half(Half::Conveyance),
                Dimension::Year => day().year(),
                Dimension::Quarter if day().month() == 0 => 0,
                Dimension::Quarter => day().year() << 3 | day().month().div_ceil(3),
                Dimension::Month if day().month() == 0 => 0,
                Dimension::Month => day().year() << 4 | day().month(),
                Dimension::Unspecified
                | Dimension::Transit
                | Dimension::Substance
                | Dimension::SubstanceClass
                | Dimension::ItemKind => 0,
            };
        }
        codes
    }

    fn finish(self) -> Result<Counted, CountError> {
        let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
        let disjoint = !self.by_item && !self.by_transit;
        let mut total = self.total;
        let sums_to_total = disjoint && !self.dimensions.is_empty();
        for (codes, group) in self.groups {
            if sums_to_total {
                total.add(&group);
            }
            let values = codes.iter().zip(self.dimensions);
            let values = values.map(|(code, dimension)| self.rows.value(*dimension, *code));
            groups.entry(values.collect()).or_default().add(&group);
            if groups.len() > MAX_GROUPS {
                return Err(CountError::TooManyGroups);
            }
        }
        Ok(Counted {
            groups,
            total,
            disjoint,
        })
    }
}

impl Rows {
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

fn is_of_items(dimension: Dimension) -> bool {
    matches!(
        dimension,
        Dimension::Substance | Dimension::SubstanceClass | Dimension::ItemKind
    )
}

/// An enum's name as a word; empty if it is not known.
fn word(name: &str, prefix: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    if word == "UNSPECIFIED" {
        return String::new();
    }
    word.to_lowercase().replace('_', "-")
}
