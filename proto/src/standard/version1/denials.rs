//! What laboratories did not detect in an item, by substance: a look-up costs the same however many findings there are.

use std::collections::HashMap;

use crate::{
    catalogue::{
        identity::{Resolution, name_key},
        substances::Substance,
    },
    v1::{LaboratoryFinding, SubstanceIdentity},
};

/// A substance as stated, and what the catalogue makes of it.
pub(super) type Stated<'a> = (&'a SubstanceIdentity, Resolution);

/// The first finding that denies each substance. Two substances are the same here if `identity::same` says so.
#[derive(Default)]
pub(super) struct Denials<'a> {
    catalogued: HashMap<&'static str, &'a LaboratoryFinding>,
    /// By what is stated of those that the catalogue does not know.
    unknown: HashMap<Key, &'a LaboratoryFinding>,
    /// By what is stated of all.
    stated: HashMap<Key, &'a LaboratoryFinding>,
}

/// A name, CAS number or InChIKey.
type Key = (Field, String);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Field {
    Name,
    CasNumber,
    InChIKey,
}

impl<'a> Denials<'a> {
    /// Notes that this finding denies the substance.
    pub(super) fn add(&mut self, (identity, resolution): Stated<'_>, by: &'a LaboratoryFinding) {
        match resolution {
            Resolution::Contradictory(..) => return,
            Resolution::Resolved(Substance { id, .. }) => {
                self.catalogued.entry(id).or_insert(by);
            }
            Resolution::Unresolved => {
                for key in keys(identity) {
                    self.unknown.entry(key).or_insert(by);
                }
            }
        }
        for key in keys(identity) {
            self.stated.entry(key).or_insert(by);
        }
    }

    /// The finding that denies the substance.
    pub(super) fn of(&self, (identity, resolution): Stated<'_>) -> Option<&'a LaboratoryFinding> {
        // So it is for nearly every item.
        if self.stated.is_empty() && self.catalogued.is_empty() {
            return None;
        }
        let among = |map: &HashMap<Key, &'a LaboratoryFinding>| {
            keys(identity).find_map(|key| map.get(&key).copied())
        };
        match resolution {
            Resolution::Contradictory(..) => None,
            Resolution::Unresolved => among(&self.stated),
            Resolution::Resolved(substance) => {
                let known = self.catalogued.get(substance.id.as_str()).copied();
                known.or_else(|| among(&self.unknown))
            }
        }
    }
}

fn keys(identity: &SubstanceIdentity) -> impl Iterator<Item = Key> {
    let given = |field, text: &str| (!text.is_empty()).then(|| (field, text.to_owned()));
    [
        given(Field::InChIKey, &identity.inchikey),
        given(Field::CasNumber, &identity.cas_number),
        given(Field::Name, &identity.name).map(|(field, name)| (field, name_key(&name))),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;
    use crate::catalogue::identity::{resolve, same};

    fn any_identity() -> impl Strategy<Value = SubstanceIdentity> {
        let id = prop_oneof![3 => Just(""), 1 => Just("fentanyl")];
        let name = select(vec![
            "",
            "Fentanyl",
            "fentanyl ",
            "Carfentanil",
            "X",
            "x",
            "Y",
        ]);
        let cas = select(vec!["", "437-38-7", "1443-54-5"]);
        let inchikey = select(vec!["", "PJMPHNIQZUBGLI-UHFFFAOYSA-N", "K"]);
        (id, name, cas, inchikey).prop_map(|(id, name, cas, inchikey)| SubstanceIdentity {
            catalogue_id: id.into(),
            name: name.into(),
            cas_number: cas.into(),
            inchikey: inchikey.into(),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn the_look_up_agrees_with_comparing_one_by_one(denied in prop::collection::vec(any_identity(), 0..4), sought in any_identity()) {
            let by = LaboratoryFinding::default();
            let mut denials = Denials::default();
            for identity in &denied {
                denials.add((identity, resolve(identity)), &by);
            }
            let sought = (&sought, resolve(&sought));
            let expected = denied.iter().any(|d| same((d, resolve(d)), sought));
            prop_assert_eq!(denials.of(sought).is_some(), expected);
        }
    }
}
