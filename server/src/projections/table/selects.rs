//! A plan held against one row: what [`Rows::scan`] does with a chunk at a time.

use casebroker_proto::filter::{Day, Selection};

use super::{
    bits::Numbers,
    chunk::{Chunk, Half, Set, Wide, Word},
    plan::Plan,
    rows::{ItemView, Rows},
    scan::span,
};

impl Plan {
    /// Whether it selects a row, whoever may see it.
    pub(super) fn selects(&self, rows: &Rows, chunk: &Chunk, at: usize, items: &ItemView) -> bool {
        self.selects_by_sets(chunk, at)
            && self.selects_by_columns(rows, chunk, at)
            && self.selects_by_goods(chunk, at, items)
            && self.keyed.iter().all(|keys| {
                let row = |key| rows.keys.rows(key).any(|row| rows.is_row(row, chunk, at));
                keys.iter().any(row)
            })
            // The dearest last: it may read a text.
            && self.texts.as_ref().is_none_or(|texts| texts(chunk.wide(Wide::Report, at)))
    }

    /// Whether it may be another plan once the table has numbered more names: some of the selection's have no number yet, or may get
    /// further ones, as a reporting unit or a stated name is written in more than one way.
    pub fn may_change(&self, selection: &Selection) -> bool {
        let of = &self.conditions;
        let numbered = |numbers: Option<&Numbers>| numbers.map_or(0, Numbers::count);
        let known = self.items().substances.as_ref().map(|[known, _]| known);
        of.agency == 0
            || !selection.reporting_units.is_empty()
            || !selection.free_substances.is_empty()
            || numbered(of.owners.as_ref()) < selection.agencies.len()
            || numbered(known) < selection.substances.len()
    }

    fn selects_by_sets(&self, chunk: &Chunk, at: usize) -> bool {
        let is_in = |set: &Set| chunk.set(*set).get(at);
        let has_class = |class: &usize| chunk.class(*class).is_some_and(|rows| rows.get(at));
        let of = &self.conditions;
        of.sets.iter().all(|sets| sets.iter().any(is_in))
            && (of.classes.is_empty() || of.classes.iter().any(has_class))
            && of
                .obstacles
                .is_none_or(|obstacles| obstacles.select(chunk, at))
    }

    fn selects_by_columns(&self, rows: &Rows, chunk: &Chunk, at: usize) -> bool {
        let word = |column| chunk.word(column, at);
        let (first, last) = span(Day(word(Word::Day)));
        let recorded = chunk.wide(Wide::Recorded, at);
        let conveyance = chunk.half(Half::Conveyance, at) & 31;
        let of = &self.conditions;
        let mut places = of.places.iter();
        of.owners
            .as_ref()
            .is_none_or(|owners| owners.has(word(Word::Owner)))
            && places.all(|(column, countries)| countries.has(chunk.half(*column, at).into()))
            && of
                .units
                .as_ref()
                .is_none_or(|units| units.has(word(Word::Unit)))
            && (of.bases == 0 || chunk.half(Half::Bases, at) & of.bases != 0)
            && of
                .conveyances
                .is_none_or(|bits| bits >> conveyance & 1 == 1)
            && of.from_day.is_none_or(|from| from <= first)
            && of.to_day.is_none_or(|to| last <= to)
            && of.recorded_from.is_none_or(|from| from <= recorded)
            && of.recorded_before.is_none_or(|before| recorded < before)
            && of.transits.as_ref().is_none_or(|transits| {
                let set = rows.transits_of(word(Word::Transits));
                set.iter().any(|country| transits.has((*country).into()))
            })
    }

    fn selects_by_goods(&self, chunk: &Chunk, at: usize, items: &ItemView) -> bool {
        let test = self.items();
        (test.is_all() || items.of(chunk, at).any(|item| test.selects(&item)))
            && self
                .conditions
                .min_mass
                .is_none_or(|least| self.mass(chunk, at, items) >= least)
    }
}

impl Rows {
    /// Whether the row of that number is the one at this place.
    fn is_row(&self, row: u32, chunk: &Chunk, at: usize) -> bool {
        let (number, place) = super::rows::place(row);
        let list = self.chunks();
        place == at
            && list
                .get(number)
                .is_some_and(|known| std::ptr::eq(&raw const **known, chunk))
    }
}
