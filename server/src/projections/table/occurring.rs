//! What the cases that a viewer may see have: for filters that name what is in no catalogue.

use std::collections::BTreeSet;

use casebroker_proto::filter::{Occurring, Selection};

use super::{
    chunk::Word,
    plan::{AsOf, GivenUp, Plan},
    rows::Rows,
};
use crate::policy::Viewer;

/// Most values that suggestions are chosen from.
const MAX_VALUES: usize = 2_000;

/// What a viewer's cases have, as of a position.
#[derive(Debug)]
pub struct OfViewer<'a> {
    /// The table.
    pub rows: &'a Rows,
    /// Who asks.
    pub viewer: &'a Viewer,
    /// As of when.
    pub as_of: AsOf,
}

impl OfViewer<'_> {
    fn any(&self, selection: &Selection) -> bool {
        let plan = Plan::new(self.rows, self.viewer, selection, None);
        let found = self
            .rows
            .scan(&plan, self.as_of, &|| false, |_, _, _| Err(GivenUp));
        found.is_err()
    }

    fn values(
        &self,
        value: impl Fn(&super::chunk::Chunk, &super::rows::ItemView, usize) -> Vec<u32>,
    ) -> BTreeSet<u32> {
        let plan = Plan::new(self.rows, self.viewer, &Selection::default(), None);
        let mut values = BTreeSet::new();
        let scanned = self
            .rows
            .scan(&plan, self.as_of, &|| false, |chunk, items, mask| {
                for at in mask.rows() {
                    values.extend(value(chunk, items, at));
                }
                match values.len() < MAX_VALUES {
                    true => Ok(()),
                    false => Err(GivenUp),
                }
            });
        // That there are more changes no suggestion.
        let _ = scanned;
        values
    }
}

impl Occurring for OfViewer<'_> {
    fn has_reporting_unit(&self, key: &str) -> bool {
        self.any(&Selection {
            reporting_units: vec![key.to_owned()],
            ..Selection::default()
        })
    }

    fn has_substance(&self, key: &str) -> bool {
        self.any(&Selection {
            free_substances: vec![key.to_owned()],
            ..Selection::default()
        })
    }

    fn reporting_units(&self) -> Vec<String> {
        let units = self.values(|chunk, _, at| vec![chunk.word(Word::Unit, at)]);
        let names = &self.rows.names.units;
        units
            .into_iter()
            .filter_map(|n| names.with(n, String::clone))
            .collect()
    }

    fn substances(&self) -> Vec<String> {
        let substances = self.values(|chunk, items, at| {
            let items = items.of(chunk, at);
            items
                .map(|item| item.substance)
                .filter(|n| *n != 0)
                .collect()
        });
        let names = substances.into_iter();
        names.map(|n| self.rows.names.substance_text(n)).collect()
    }
}
