//! The answers, by a plain loop over the cases that somebody sees.

use std::collections::{BTreeMap, BTreeSet};

use casebroker_proto::{
    catalogue::identity::known_substance,
    v1::{
        AmountKind, CaseFilter, CaseStatus, Conveyance, DigestAlgorithm, Dimension, GoodsRule,
        ItemKind, Tally,
    },
};

use crate::{
    facts::{Facts, Item, bare, conveyance_word, nanoseconds, plain, words},
    model::GROUPS,
    periods::{first_day, last_day},
    record::{Seen, Snapshot},
};

/// Cases and goods.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sum {
    pub cases: i64,
    pub incidents: i64,
    /// By class and what the amount is of: total, of that confirmed, items.
    pub amounts: BTreeMap<(String, i32), Goods>,
    /// The same as reported, and how the goods of incidents were chosen, where several cases report one incident.
    pub reported: BTreeMap<(String, i32), (Goods, Choices)>,
}

/// Total, of that confirmed, items.
pub type Goods = (i128, i128, i64);
/// By rule: number of incidents.
pub type Choices = BTreeMap<i32, i64>;

/// A count: by standing, of each group and of all.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub groups: BTreeMap<Vec<String>, BTreeMap<&'static str, Sum>>,
    pub total: BTreeMap<&'static str, Sum>,
    /// By reason: how many, and the newest.
    pub obstacles: BTreeMap<String, (i64, Vec<String>)>,
}

/// Where cases stand beside their status.
pub const STANDINGS: [&str; 4] = ["counted", "disputed", "contested", "retracted"];

/// What is counted together: cases with the items that are.
type Together<'a> = Vec<(&'a Seen, Vec<&'a Item>)>;

impl Sum {
    /// Adds up.
    pub fn of(cases: &[(&Seen, Vec<&Item>)]) -> Self {
        let incidents: BTreeSet<_> = cases.iter().map(|(case, _)| &case.incident).collect();
        let mut sum = Self {
            cases: cases.len() as i64,
            incidents: incidents.len() as i64,
            ..Self::default()
        };
        let keys = cases.iter().flat_map(|(_, items)| items);
        let keys: BTreeSet<_> = keys.map(|i| (i.class.clone(), i32::from(i.of))).collect();
        for key in keys {
            let (mut counted, mut reported) = (Goods::default(), Goods::default());
            let mut choices = Choices::new();
            for incident in &incidents {
                let of_incident = cases.iter().filter(|(case, _)| case.incident == **incident);
                let candidates =
                    of_incident.filter_map(|(case, items)| Claim::of(case, items, &key));
                let candidates: Vec<_> = candidates.collect();
                for claim in &candidates {
                    plus(&mut reported, claim.goods);
                }
                let Some((chosen, rule)) = choose(candidates) else {
                    continue;
                };
                plus(&mut counted, chosen);
                if rule != GoodsRule::Unspecified {
                    *choices.entry(rule.into()).or_default() += 1;
                }
            }
            if !choices.is_empty() {
                sum.reported.insert(key.clone(), (reported, choices));
            }
            sum.amounts.insert(key, counted);
        }
        sum
    }

    /// The same as the broker says it.
    pub fn said(tally: Option<&Tally>) -> Self {
        let tally = tally.expect("a tally");
        let number = |text: &str| text.parse::<i128>().expect("an integer");
        let amounts = tally.amounts.iter().map(|amount| {
            let key = (amount.substance_class.clone(), amount.kind);
            let (total, confirmed) = (number(&amount.total), number(&amount.confirmed));
            (key, (total, confirmed, amount.items))
        });
        let chosen = tally.amounts.iter().filter(|a| !a.choices.is_empty());
        let reported = chosen.map(|amount| {
            let key = (amount.substance_class.clone(), amount.kind);
            let goods = (
                number(&amount.reported_total),
                number(&amount.reported_confirmed),
                amount.reported_items,
            );
            let choices = amount.choices.iter().map(|c| (c.rule, c.incidents));
            (key, (goods, choices.collect()))
        });
        Self {
            reported: reported.collect(),
            cases: tally.cases,
            incidents: tally.incidents,
            amounts: amounts.collect(),
        }
    }
}

/// What one case says of the goods of a class and kind of amount.
#[derive(Clone, Copy)]
struct Claim {
    first: u64,
    seized: bool,
    laboratory: bool,
    goods: Goods,
}

impl Claim {
    fn of(case: &Seen, items: &[&Item], key: &(String, i32)) -> Option<Self> {
        let mine = items.iter();
        let mine: Vec<_> = mine
            .filter(|i| (&i.class, i32::from(i.of)) == (&key.0, key.1))
            .collect();
        let amount = |items: &mut dyn Iterator<Item = i64>| items.map(i128::from).sum();
        (!mine.is_empty()).then(|| Self {
            first: case.facts.case.first_position,
            seized: case.facts.seized,
            laboratory: mine.iter().all(|item| item.laboratory),
            goods: (
                amount(&mut mine.iter().map(|item| item.amount)),
                amount(&mut mine.iter().filter(|i| i.confirmed).map(|i| i.amount)),
                mine.len() as i64,
            ),
        })
    }
}

/// The goods that count of what several cases claim, and the rule that says so: each rule leaves fewer claims over.
fn choose(claims: Vec<Claim>) -> Option<(Goods, GoodsRule)> {
    let (chosen, rule) = narrow(claims.clone(), |claim| claim.goods.0)?;
    let confirmed = claims.into_iter().filter(|claim| claim.goods.1 > 0);
    let confirmed = narrow(confirmed.collect(), |claim| claim.goods.1);
    let confirmed = confirmed.map_or(0, |(claim, _)| claim.goods.1);
    let (total, _, items) = chosen.goods;
    Some(((total, confirmed.min(total), items), rule))
}

fn narrow(mut claims: Vec<Claim>, amount: fn(&Claim) -> i128) -> Option<(Claim, GoodsRule)> {
    let mut rule = GoodsRule::Unspecified;
    let most = |claims: &[Claim]| claims.iter().map(amount).max();
    for (step, next) in [
        GoodsRule::SeizingOwner,
        GoodsRule::LaboratoryWeight,
        GoodsRule::LargerAmount,
    ]
    .into_iter()
    .enumerate()
    {
        if claims.len() < 2 {
            break;
        }
        rule = next;
        let most = most(&claims);
        let better = |claim: &Claim| match step {
            0 => claim.seized,
            1 => claim.laboratory,
            _ => Some(amount(claim)) == most,
        };
        if claims.iter().any(better) {
            claims.retain(better);
        }
    }
    if claims.len() > 1 {
        rule = GoodsRule::EqualAmounts;
    }
    let first = claims.into_iter().min_by_key(|claim| claim.first)?;
    Some((first, rule))
}

fn plus(sum: &mut Goods, goods: Goods) {
    sum.0 += goods.0;
    sum.1 += goods.1;
    sum.2 += goods.2;
}

/// Whether a value of the filter is one that no case here has, so that the broker refuses it.
pub fn is_refused(filter: &CaseFilter, seen: &Snapshot) -> bool {
    let unit = |unit: &String| seen.iter().any(|c| plain(&c.facts.unit) == plain(unit));
    let stated = |name: &String| {
        let mut items = seen.iter().flat_map(|case| &case.facts.items);
        known_substance(name).is_some() || items.any(|item| is_of(item, name))
    };
    !filter.reporting_units.iter().all(unit) || !filter.substances.iter().all(stated)
}

/// The cases that a filter selects, in an order.
pub fn list<'a>(filter: &CaseFilter, order: &str, seen: &'a Snapshot) -> Vec<&'a Facts> {
    let selected = seen.iter().filter(|case| selects(filter, case, true));
    let mut selected: Vec<&Facts> = selected.map(|case| &*case.facts).collect();
    let (by, descending) = match order.strip_suffix(" desc") {
        Some(by) => (by, true),
        None => (order, false),
    };
    let place = |case: &&Facts| match by {
        "mass" => (mass(&items(filter, case)), (0, 0, 0)),
        "incident_date" => (0, case.date),
        _ => (0, (0, 0, 0)),
    };
    selected.sort_by_key(|case| (place(case), case.case.first_position));
    if descending || order.is_empty() {
        selected.reverse();
    }
    selected
}

/// Counts.
pub fn count(filter: &CaseFilter, by: &[Dimension], explain: bool, seen: &Snapshot) -> Count {
    let selected = seen.iter().filter(|case| selects(filter, case, true));
    let mut all: BTreeMap<&str, Together<'_>> = BTreeMap::new();
    let mut groups: BTreeMap<Vec<String>, BTreeMap<&str, Together<'_>>> = BTreeMap::new();
    for case in selected {
        let items = items(filter, &case.facts);
        let standing = case.facts.standing;
        for (values, items) in values_of(case, &items, by) {
            let group = groups.entry(values).or_default();
            group.entry(standing).or_default().push((case, items));
        }
        all.entry(standing).or_default().push((case, items));
    }
    let sums = |cases: &BTreeMap<&str, Together<'_>>| {
        STANDINGS
            .map(|standing| {
                (
                    standing,
                    Sum::of(cases.get(standing).map_or(&[], Vec::as_slice)),
                )
            })
            .into()
    };
    if by.is_empty() {
        groups.clear();
    }
    Count {
        groups: groups
            .into_iter()
            .map(|(values, cases)| (values, sums(&cases)))
            .collect(),
        total: sums(&all),
        obstacles: match explain {
            true => obstacles(filter, seen),
            false => BTreeMap::new(),
        },
    }
}

/// Why cases do not count that the filter without its statuses selects.
fn obstacles(filter: &CaseFilter, seen: &Snapshot) -> BTreeMap<String, (i64, Vec<String>)> {
    let mut obstacles: BTreeMap<String, (i64, Vec<String>)> = BTreeMap::new();
    let newest_first = seen.iter().rev();
    for case in newest_first.filter(|case| selects(filter, case, false)) {
        let reason = match case.facts.standing {
            "counted" if has_status(filter, &case.facts) => continue,
            "counted" => case.facts.lacks.as_str(),
            standing => standing,
        };
        if !reason.is_empty() {
            let (count, examples) = obstacles.entry(reason.to_owned()).or_default();
            *count += 1;
            if examples.len() < 5 {
                examples.push(case.facts.case.name.clone());
            }
        }
    }
    obstacles
}

/// The groups of a case, each with the items that are counted there.
fn values_of<'a>(
    case: &Seen,
    items: &[&'a Item],
    by: &[Dimension],
) -> Vec<(Vec<String>, Vec<&'a Item>)> {
    let transits: Vec<&str> = match case.facts.transits.is_empty() {
        true => vec![""],
        false => case.facts.transits.iter().map(String::as_str).collect(),
    };
    let by_item = by.iter().any(|by| is_of_items(*by));
    let mut groups: BTreeMap<Vec<String>, Vec<&Item>> = BTreeMap::new();
    for transit in transits {
        let values = |item: Option<&Item>| {
            let values = by
                .iter()
                .map(|by| value_of(&case.facts, item, transit, *by));
            values.collect::<Vec<_>>()
        };
        if by_item {
            for item in items {
                groups.entry(values(Some(item))).or_default().push(item);
            }
        } else {
            groups.insert(values(None), items.to_vec());
        }
        if !by.contains(&Dimension::Transit) {
            break;
        }
    }
    groups.into_iter().collect()
}

/// Whether the dimension is one of items, of which a case may have several.
pub fn is_of_items(by: Dimension) -> bool {
    matches!(
        by,
        Dimension::Substance | Dimension::SubstanceClass | Dimension::ItemKind
    )
}

fn value_of(facts: &Facts, item: Option<&Item>, transit: &str, by: Dimension) -> String {
    let (year, month, _) = facts.date;
    match by {
        Dimension::Agency => facts.case.owner.clone(),
        Dimension::ReportingUnit => facts.unit.clone(),
        Dimension::Country => facts.country.clone(),
        Dimension::Origin => facts.origin.clone(),
        Dimension::Departure => facts.departure.clone(),
        Dimension::Transit => transit.to_owned(),
        Dimension::Destination => facts.destination.clone(),
        Dimension::Substance => item.unwrap().substance.clone(),
        Dimension::SubstanceClass => item.unwrap().class.clone(),
        Dimension::ItemKind => item.unwrap().kind.to_owned(),
        Dimension::Status => facts.status.to_owned(),
        Dimension::Conveyance => facts.conveyance.clone(),
        Dimension::Year => format!("{year:04}"),
        Dimension::Quarter | Dimension::Month if month == 0 => String::new(),
        Dimension::Quarter => format!("{year:04}-Q{}", (month + 2) / 3),
        Dimension::Month => format!("{year:04}-{month:02}"),
        Dimension::Unspecified => unreachable!("never asked for"),
    }
}

/// Whether a filter selects a case; its statuses only if they are to be looked at.
pub fn selects(filter: &CaseFilter, case: &Seen, with_statuses: bool) -> bool {
    let facts = &*case.facts;
    let one_of = |wanted: &[String], has: &dyn Fn(&String) -> bool| {
        wanted.is_empty() || wanted.iter().any(has)
    };
    let day = |date: &casebroker_proto::google::r#type::Date| (date.year, date.month, date.day);
    let some_items = !filter.substances.is_empty()
        || !filter.substance_classes.is_empty()
        || !filter.item_kinds.is_empty();
    one_of(&filter.agencies, &|name| is_owner(name, &facts.case.owner))
        && one_of(&filter.reporting_units, &|unit| {
            plain(unit) == plain(&facts.unit)
        })
        && one_of(&filter.countries, &|code| *code == facts.country)
        && one_of(&filter.origins, &|code| *code == facts.origin)
        && one_of(&filter.departures, &|code| *code == facts.departure)
        && one_of(&filter.transits, &|code| facts.transits.contains(code))
        && one_of(&filter.destinations, &|code| *code == facts.destination)
        && (filter.bases.is_empty() || filter.bases.iter().any(|b| facts.bases.contains(b)))
        && (!with_statuses || has_status(filter, facts))
        && (filter.conveyances.is_empty()
            || filter.conveyances.iter().any(|number| {
                conveyance_word(Conveyance::try_from(*number).unwrap()) == facts.conveyance
            }))
        && filter
            .incident_start_date
            .as_ref()
            .is_none_or(|date| first_day(day(date)) <= first_day(facts.date))
        && filter
            .incident_end_date
            .as_ref()
            .is_none_or(|date| last_day(facts.date) <= last_day(day(date)))
        && filter
            .record_start_time
            .as_ref()
            .is_none_or(|t| nanoseconds(t) <= facts.recorded)
        && filter
            .record_end_time
            .as_ref()
            .is_none_or(|t| facts.recorded < nanoseconds(t))
        && (!some_items || !items(filter, facts).is_empty())
        && (filter.min_mass_micrograms == 0
            || mass(&items(filter, facts)) >= i128::from(filter.min_mass_micrograms))
        && one_of(&filter.organizations, &|name| {
            facts.organizations.contains(&plain(name))
        })
        && one_of(&filter.identifiers, &|text| {
            facts.identifiers.contains(&bare(text))
        })
        && (filter.evidence_digests.is_empty()
            || filter.evidence_digests.iter().any(|digest| {
                facts
                    .digests
                    .contains(&(digest.algorithm, digest.value.clone()))
            }))
        && has_text(&filter.text, facts)
        && one_of(&filter.obstacles, &|word| match facts.standing {
            "counted" => !word.is_empty() && *word == facts.lacks,
            standing => word == standing,
        })
}

/// The items that a filter selects: those that are all of what is asked for.
pub fn items<'a>(filter: &CaseFilter, facts: &'a Facts) -> Vec<&'a Item> {
    let kind = |number: &i32| match ItemKind::try_from(*number).unwrap() {
        ItemKind::Substance => "substance",
        ItemKind::Precursor => "precursor",
        _ => "equipment",
    };
    let selected = facts.items.iter().filter(|item| {
        let (substances, classes) = (&filter.substances, &filter.substance_classes);
        (substances.is_empty() || substances.iter().any(|name| is_of(item, name)))
            && (classes.is_empty() || classes.contains(&item.class))
            && (filter.item_kinds.is_empty()
                || filter
                    .item_kinds
                    .iter()
                    .any(|number| kind(number) == item.kind))
    });
    selected.collect()
}

fn is_of(item: &Item, name: &str) -> bool {
    match known_substance(name) {
        Some(substance) => item.catalogued && item.substance == substance.id,
        None => {
            let stated = !item.catalogued && item.kind != "equipment";
            stated && plain(&item.substance) == plain(name)
        }
    }
}

fn is_owner(name: &str, owner: &str) -> bool {
    let group = GROUPS.iter().find(|(group, _)| *group == name);
    match group {
        Some((_, members)) => members.iter().any(|id| format!("agencies/{id}") == owner),
        None => name == owner,
    }
}

fn has_status(filter: &CaseFilter, facts: &Facts) -> bool {
    let is = |number: &i32| match CaseStatus::try_from(*number).unwrap() {
        CaseStatus::Confirmed => facts.status != "reported",
        CaseStatus::Attributed => facts.status == "attributed",
        _ => facts.status == "reported",
    };
    filter.statuses.is_empty() || filter.statuses.iter().any(is)
}

/// Micrograms.
fn mass(items: &[&Item]) -> i128 {
    let masses = items.iter().filter(|item| item.of == AmountKind::Mass);
    masses.map(|item| i128::from(item.amount)).sum()
}

/// Every word somewhere, and what stands between quotes in a row.
fn has_text(text: &str, facts: &Facts) -> bool {
    text.split('"').enumerate().all(|(n, part)| {
        let wanted = words(part);
        let quoted = n % 2 == 1;
        let occurs = |words: &[String]| {
            let mut texts = facts.texts.iter();
            texts.any(|text| text.windows(words.len()).any(|some| some == words))
        };
        match (wanted.is_empty(), quoted) {
            (true, _) => true,
            (false, true) => occurs(&wanted),
            (false, false) => wanted.chunks(1).all(occurs),
        }
    })
}

/// Algorithms of digests that the world's cases have.
pub const ALGORITHM: DigestAlgorithm = DigestAlgorithm::Sha256;
