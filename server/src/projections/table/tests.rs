//! The table against a list of what it was told.

mod news;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use casebroker_proto::{
    catalogue::{substances::Class, units::Dimension as Of},
    filter::{Day, GoodsClass, Hindrance, Selection},
    names::AgencyName,
    v1::{CaseStatus, Conveyance, Dimension, ItemKind, StatementKind, Tally},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    bits::ROWS,
    facts::{Facts, ItemFacts, country_code},
    kept::RUN,
    keys::Key,
    page::{By, Order, Rank},
    part::Wanted,
    plan::{AsOf, Plan, Standing},
    rows::Rows,
    said::{Readers, Said},
    scan::span,
    sharing::Sharing,
    snapshot::{self, Of as Snapshot},
    views::{Seen, View},
};
use crate::policy::{Reach, Viewer};

const AGENCIES: [&str; 4] = ["us-dea", "us-cbp", "ca-rcmp", "cn-nncc"];
const COUNTRIES: [&str; 3] = ["CN", "MX", "US"];
const STATUSES: [CaseStatus; 3] = [
    CaseStatus::Reported,
    CaseStatus::Confirmed,
    CaseStatus::Attributed,
];
const CLASSES: [GoodsClass; 3] = [
    GoodsClass::Catalogued(Class::Fentanyl),
    GoodsClass::Uncatalogued,
    GoodsClass::Equipment,
];

/// A case as somebody saw it from one position up to another.
#[derive(Debug, Clone)]
struct Told {
    case: u64,
    from: u64,
    to: u64,
    view: View,
}

fn pick<T: Clone>(rng: &mut StdRng, values: &[T]) -> T {
    values[rng.random_range(0..values.len())].clone()
}

fn country(rng: &mut StdRng) -> u16 {
    match rng.random_range(0..4) {
        0 => 0,
        _ => country_code(pick(rng, &COUNTRIES)),
    }
}

fn facts(rng: &mut StdRng, first: u64) -> Facts {
    let items = (0..rng.random_range(1..4)).map(|_| {
        let class = pick(rng, &CLASSES);
        let (substance, kind) = match class {
            GoodsClass::Equipment => ("", ItemKind::Equipment),
            GoodsClass::Uncatalogued => ("China White", ItemKind::Substance),
            GoodsClass::Catalogued(_) => ("fentanyl", ItemKind::Precursor),
        };
        let amount = rng.random_range(0..1_000);
        ItemFacts {
            substance: substance.into(),
            class,
            kind,
            amount: match rng.random_range(0..3) {
                0 => None,
                1 => Some((Of::Mass, amount)),
                _ => Some((Of::Count, amount)),
            },
            confirmed: rng.random(),
            laboratory: rng.random(),
        }
    });
    Facts {
        items: items.collect(),
        first,
        recorded: first * 1_000,
        report: first,
        incident: first,
        joined: rng.random_ratio(1, 6),
        own_incident: first,
        own_joined: rng.random_ratio(1, 8),
        owner: pick(rng, &AGENCIES).into(),
        unit: pick(rng, &["", "El Paso", "Hong Kong 香港"]).into(),
        country: country(rng),
        origin: country(rng),
        departure: country(rng),
        destination: country(rng),
        transits: match rng.random() {
            true => vec![country_code("CN"), country_code("MX")],
            false => Vec::new(),
        },
        bases: rng.random_range(0..1 << 4) << 1,
        day: Day::new(
            2016 + rng.random_range(0..3),
            rng.random_range(0..13),
            rng.random_range(0..28),
        ),
        conveyance: pick(rng, &[Conveyance::Unspecified, Conveyance::Mail]),
        status: pick(rng, &STATUSES),
        retracted: rng.random_ratio(1, 8),
        disputed: rng.random_ratio(1, 8),
        contested: rng.random_ratio(1, 8),
        seizure_record: rng.random(),
        rule: rng.random_range(0..4),
        keys: vec![
            Key::identifier(&format!("number {}", rng.random_range(0..50))),
            Key::organization("printer shop"),
        ],
    }
}

/// Views whose audiences do not overlap.
fn views(rng: &mut StdRng, first: u64) -> Vec<View> {
    let some: BTreeSet<String> = AGENCIES
        .iter()
        .filter(|_| rng.random())
        .map(ToString::to_string)
        .collect();
    let seen = |everyone, agencies: &BTreeSet<String>| Seen {
        everyone,
        agencies: agencies.clone(),
    };
    match rng.random_range(0..4) {
        0 => vec![View {
            seen: seen(true, &BTreeSet::new()),
            facts: facts(rng, first),
        }],
        1 => vec![View {
            seen: seen(false, &some),
            facts: facts(rng, first),
        }],
        2 => vec![
            View {
                seen: seen(true, &some),
                facts: facts(rng, first),
            },
            View {
                seen: seen(false, &some),
                facts: facts(rng, first + 1),
            },
        ],
        _ => Vec::new(),
    }
}

/// A table, and what it was told, of so many statements.
fn grown(rng: &mut StdRng, rows: &Rows, told: &mut Vec<Told>, from: u64, statements: u64) {
    for position in from..from + statements {
        let earlier: BTreeSet<u64> = told.iter().map(|t| t.case).collect();
        let case = match rng.random_range(0..3) {
            0 if !earlier.is_empty() => pick(rng, &earlier.into_iter().collect::<Vec<_>>()),
            _ => position,
        };
        let views = views(rng, case);
        assert!(rows.replace(case, position, &views));
        let said = rows.case_number(case).map(|case| Said {
            case,
            kind: StatementKind::Amendment,
            readers: Readers::Everybody,
        });
        rows.said.put(position, said);
        for t in told
            .iter_mut()
            .filter(|t| t.case == case && t.to == u64::MAX)
        {
            t.to = position;
        }
        told.extend(views.into_iter().map(|view| Told {
            case,
            from: position,
            to: u64::MAX,
            view,
        }));
        rows.publish(position + 1);
    }
}

fn sees(seen: &Seen, viewer: &Viewer, owner: &str) -> bool {
    let named = seen.agencies.contains(viewer.agency.id());
    let reaches = viewer.reach == Reach::Audience || owner == viewer.agency.id();
    reaches && seen.everyone != named
}

fn selection(rng: &mut StdRng) -> Selection {
    let mut selection = Selection::default();
    for _ in 0..rng.random_range(0..4) {
        match rng.random_range(0..11) {
            0 => selection.statuses.push(pick(rng, &STATUSES)),
            1 => selection.origins.push(pick(rng, &COUNTRIES)),
            2 => selection.countries.push(pick(rng, &COUNTRIES)),
            3 => selection.transits.push(pick(rng, &COUNTRIES)),
            4 => selection.classes.push(pick(rng, &CLASSES)),
            5 => selection.item_kinds.push(ItemKind::Precursor),
            6 => selection.min_mass = Some(rng.random_range(0..1_500)),
            7 => selection.from_day = Some(Day::new(2017, 3, 1)),
            8 => selection
                .identifiers
                .push(format!("number {}", rng.random_range(0..50))),
            9 => selection.obstacles.push(pick(
                rng,
                &[
                    Hindrance::Retracted,
                    Hindrance::Disputed,
                    Hindrance::Contested,
                    Hindrance::Rule(1),
                ],
            )),
            _ => selection.reporting_units.push("el paso".into()),
        }
    }
    selection
}

fn selects(selection: &Selection, facts: &Facts) -> bool {
    let is = |codes: &[&str], country: u16| {
        codes.is_empty() || codes.iter().any(|code| country_code(code) == country)
    };
    let selected = |item: &&ItemFacts| {
        (selection.classes.is_empty() || selection.classes.contains(&item.class))
            && (selection.item_kinds.is_empty() || selection.item_kinds.contains(&item.kind))
    };
    let standing = match () {
        () if facts.retracted => Hindrance::Retracted,
        () if facts.disputed => Hindrance::Disputed,
        () if facts.contested => Hindrance::Contested,
        () => Hindrance::Rule(facts.rule.wrapping_sub(1) as u8),
    };
    let mass: i64 = facts
        .items
        .iter()
        .filter(selected)
        .filter_map(|item| item.amount.filter(|(of, _)| *of == Of::Mass))
        .map(|(_, amount)| amount)
        .sum();
    (selection.statuses.is_empty() || selection.statuses.contains(&facts.status))
        && is(&selection.origins, facts.origin)
        && is(&selection.countries, facts.country)
        && (selection.transits.is_empty()
            || facts.transits.iter().any(|t| is(&selection.transits, *t)))
        && facts.items.iter().any(|item| selected(&item))
        && selection.min_mass.is_none_or(|least| mass >= least)
        && selection
            .from_day
            .is_none_or(|from| from <= span(facts.day).0)
        && (selection.identifiers.is_empty()
            || selection
                .identifiers
                .iter()
                .any(|i| facts.keys.contains(&Key::identifier(i))))
        && (selection.obstacles.is_empty() || selection.obstacles.contains(&standing))
        && (selection.reporting_units.is_empty() || facts.unit == "El Paso")
}

/// Asks the table and the list the same, many times.
fn compare(rng: &mut StdRng, rows: &Rows, told: &[Told], end: u64) {
    for _ in 0..200 {
        let viewer = Viewer {
            agency: AgencyName::from_id(pick(rng, &["us-dea", "cn-nncc", "xx-new"])).unwrap(),
            reach: pick(rng, &[Reach::Audience, Reach::Audience, Reach::OwnCases]),
        };
        let asked = rng.random_ratio(1, 2);
        let position = if asked {
            rng.random_range(0..=end)
        } else {
            end
        };
        let as_of = AsOf { position, asked };
        let selection = selection(rng);
        let sees_now = |case: u64| {
            let mut now = told.iter().filter(|t| t.case == case && t.to == u64::MAX);
            now.any(|t| t.view.seen.everyone != t.view.seen.agencies.contains(viewer.agency.id()))
        };
        let expected: Vec<&Told> = told
            .iter()
            .filter(|t| t.from < position && position <= t.to)
            .filter(|t| sees(&t.view.seen, &viewer, &t.view.facts.owner))
            .filter(|t| selects(&selection, &t.view.facts))
            .filter(|t| !asked || sees_now(t.case))
            .collect();
        let plan = Plan::new(rows, &viewer, &selection, None);
        let order = Order {
            by: pick(rng, &[By::Position, By::Date]),
            descending: rng.random(),
        };
        let page = rows
            .page(&plan, as_of, order, None, 1_000, &|| false)
            .unwrap();
        let mut ranks: Vec<Rank> = expected
            .iter()
            .map(|t| match order.by {
                By::Date => (u64::from(t.view.facts.day.0), t.view.facts.first),
                _ => (t.view.facts.first, t.view.facts.first),
            })
            .collect();
        ranks.sort_unstable();
        if order.descending {
            ranks.reverse();
        }
        assert_eq!(
            page.total,
            expected.len() as u64,
            "{selection:?} {viewer:?} {as_of:?}"
        );
        assert_eq!(page.ranks, ranks);

        let dimensions = [Dimension::Origin, Dimension::Year];
        let counted = rows
            .count_cases(&plan, as_of, with_amounts(&dimensions), &|| false)
            .unwrap();
        let of = |standing| {
            let groups = counted
                .groups
                .values()
                .map(|g| g.of(standing).cases())
                .sum::<u64>();
            assert_eq!(groups, counted.total.of(standing).cases());
            groups
        };
        assert_eq!(
            Standing::ALL.map(of).iter().sum::<u64>(),
            expected.len() as u64
        );
        let retracted = expected.iter().filter(|t| t.view.facts.retracted).count();
        assert_eq!(of(Standing::Retracted), retracted as u64);
    }
}

#[test]
fn every_question_is_answered_as_by_a_list_of_what_was_told() {
    for seed in 0..8 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (rows, mut told) = (Rows::default(), Vec::new());
        grown(&mut rng, &rows, &mut told, 0, 300);
        compare(&mut rng, &rows, &told, 300);
    }
}

#[test]
fn a_snapshot_holds_what_there_was_at_its_position_and_grows_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (rows, mut told) = (Rows::default(), Vec::new());
        grown(&mut rng, &rows, &mut told, 0, 200);
        let of = Snapshot {
            fingerprint: "x".into(),
            position: 200,
            root: [7; 32],
        };
        let mut then = told.clone();
        // What comes while it is written is not in it.
        grown(&mut rng, &rows, &mut told, 200, 50);
        let sharing = Sharing::default();
        snapshot::write(&path, &rows, &sharing, &of).unwrap();
        let (restored, _, read) = snapshot::read(&path, &|| false).unwrap();
        assert_eq!(read, of);
        assert_eq!(restored.position(), 200);
        compare(&mut rng, &restored, &then, 200);
        grown(&mut rng, &restored, &mut then, 200, 100);
        compare(&mut rng, &restored, &then, 300);
    }
}

#[test]
fn a_damaged_snapshot_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    let mut rng = StdRng::seed_from_u64(1);
    let (rows, mut told) = (Rows::default(), Vec::new());
    grown(&mut rng, &rows, &mut told, 0, 40);
    let of = Snapshot {
        fingerprint: String::new(),
        position: 40,
        root: [0; 32],
    };
    snapshot::write(&path, &rows, &Sharing::default(), &of).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for _ in 0..60 {
        let mut damaged = whole.clone();
        match rng.random_range(0..3) {
            0 => damaged.truncate(rng.random_range(0..whole.len())),
            1 => damaged.extend([0, 1, 2, 3, 4]),
            _ => {
                let at = rng.random_range(0..whole.len());
                damaged[at] ^= 1 << rng.random_range(0..8);
            }
        }
        std::fs::write(&path, damaged).unwrap();
        assert!(snapshot::read(&path, &|| false).is_err());
    }
}

#[test]
fn an_answer_is_of_one_position_however_much_is_written_meanwhile() {
    let rows = Arc::new(Rows::default());
    let done = Arc::new(AtomicBool::new(false));
    let everyone = |rng: &mut StdRng, first, status| View {
        seen: Seen {
            everyone: true,
            agencies: BTreeSet::new(),
        },
        facts: Facts {
            status,
            retracted: false,
            disputed: false,
            contested: false,
            ..facts(rng, first)
        },
    };
    let writer = {
        let (rows, done) = (Arc::clone(&rows), Arc::clone(&done));
        thread::spawn(move || {
            let mut rng = StdRng::seed_from_u64(3);
            // 100 cases; then each statement changes the status of one, so there are always 100.
            for position in 0..60_000 {
                let case = position % 100;
                let status = pick(&mut rng, &STATUSES);
                let view = everyone(&mut rng, case, status);
                assert!(rows.replace(case, position, &[view]));
                rows.publish(position + 1);
            }
            done.store(true, Ordering::Release);
        })
    };
    let viewer = Viewer::of(&AgencyName::from_id("xx-new").unwrap());
    let plan = Plan::new(&rows, &viewer, &Selection::default(), None);
    let mut asked = 0;
    while !done.load(Ordering::Acquire) || asked == 0 {
        let position = rows.position();
        let as_of = AsOf {
            position,
            asked: false,
        };
        let counted = rows
            .count_cases(&plan, as_of, with_amounts(&[Dimension::Status]), &|| false)
            .unwrap();
        let total = counted.total.of(Standing::Counted).cases();
        assert_eq!(total, position.min(100), "at {position}");
        let newest = Order {
            by: By::Position,
            descending: true,
        };
        let page = rows.page(&plan, as_of, newest, None, 10, &|| false);
        assert_eq!(page.unwrap().total, position.min(100), "at {position}");
        asked += 1;
    }
    writer.join().unwrap();
}

fn with_amounts(dimensions: &[Dimension]) -> Wanted<'_> {
    Wanted {
        dimensions,
        amounts: true,
    }
}

/// Everything that counts and lists say, by everyone who may ask.
fn answers(rows: &Rows, position: u64) -> Vec<(Vec<String>, Tally, u64)> {
    let viewers = [
        ("us-dea", Reach::Audience),
        ("us-dea", Reach::OwnCases),
        ("cn-nncc", Reach::Audience),
        ("xx-new", Reach::Audience),
    ];
    let viewers = viewers.into_iter().map(|(id, reach)| Viewer {
        agency: AgencyName::from_id(id).unwrap(),
        reach,
    });
    let selections = [
        Selection::default(),
        Selection {
            origins: vec!["CN"],
            ..Selection::default()
        },
    ];
    let mut answers = Vec::new();
    for (viewer, selection) in viewers.flat_map(|v| selections.clone().map(|s| (v.clone(), s))) {
        let plan = Plan::new(rows, &viewer, &selection, None);
        for asked in [false, true] {
            let as_of = AsOf { position, asked };
            let newest = Order {
                by: By::Position,
                descending: true,
            };
            let page = rows.page(&plan, as_of, newest, None, 10, &|| false);
            let total = page.unwrap().total;
            for dimensions in [[Dimension::Agency], [Dimension::SubstanceClass]] {
                let counted = rows.count_cases(&plan, as_of, with_amounts(&dimensions), &|| false);
                let counted = counted.unwrap();
                let sums =
                    |group: &super::count::Group| Standing::ALL.map(|s| group.of(s).to_tally());
                let groups = counted.groups.iter().map(|(v, g)| (v.clone(), sums(g)));
                let all = groups.chain([(Vec::new(), sums(&counted.total))]);
                answers.extend(all.flat_map(|(v, sums)| sums.map(|s| (v.clone(), s, total))));
            }
        }
    }
    answers
}

#[test]
fn what_is_kept_of_a_question_is_what_would_be_found_anew() {
    let mut rng = StdRng::seed_from_u64(9);
    let rows = Rows::default();
    let forget = |rows: &Rows| (rows.counts.forget(), rows.totals.forget());
    let mut next = 0;
    let mut tell = |rows: &Rows, case: Option<u64>| {
        let case = case.unwrap_or(next);
        assert!(rows.replace(case, next, &views(&mut rng, case)));
        next += 1;
        rows.publish(next);
        next
    };
    // A run of runs of chunks that are summed up, and some more.
    while (rows.count() as usize) < (RUN * RUN + 2) * ROWS {
        tell(&rows, None);
    }
    for case in [None, Some(3), Some(4_900), Some(3), None] {
        let first = answers(&rows, rows.position());
        let earlier = answers(&rows, rows.position() - 2);
        for _ in 0..3 {
            // The second time runs are summed up, the third time runs of runs.
            assert_eq!(answers(&rows, rows.position()), first, "asked again");
        }
        forget(&rows);
        assert_eq!(answers(&rows, rows.position()), first, "found anew");
        assert_eq!(answers(&rows, rows.position() - 2), earlier);
        let position = tell(&rows, case);
        let changed = answers(&rows, position);
        let before = answers(&rows, position - 1);
        forget(&rows);
        assert_eq!(answers(&rows, position), changed, "changed");
        assert_eq!(answers(&rows, position - 1), before, "as it was");
    }
}
