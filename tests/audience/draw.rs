//! Questions at random: about what the caller sees, what it does not see, what does not exist, and nonsense.

use casebroker_proto::v1::{CaseFilter, ListCasesRequest, ListStatementsRequest, ListTasksRequest};
use casebroker_tests::cases;
use rand::Rng as _;

use crate::{
    model::Scope,
    query::{Ask, Number, Query, Tokens},
    questions,
    world::{AGENCIES, By, ROLES, World},
};

/// Draws a question; `tokens` are what earlier ones left.
pub fn draw(world: &mut World, tokens: &[(By, Ask, Tokens)]) -> Query {
    let by = (world.pick(&AGENCIES), role(world));
    let ask = match world.rng.random_range(0..1_000) {
        0..250 => Ask::Get {
            name: name(world),
            ahead: ahead(world),
        },
        250..360 => Ask::Overlaps {
            case: name(world),
            ahead: ahead(world),
        },
        360..385 => tasks(world),
        385..430 => Ask::Count(Box::new(questions::count(&mut world.rng))),
        430..450 => Ask::Trend(Box::new(questions::trend(&mut world.rng))),
        450..560 => Ask::Statements {
            request: ListStatementsRequest {
                case: name(world),
                page_size: page_size(world),
                ..Default::default()
            },
            ahead: ahead(world),
            tokens: None,
            pages: 20,
        },
        560..600 => listing(world, by),
        600..630 if !tokens.is_empty() => return reuse(world, by, tokens),
        600..930 => Ask::Receipt {
            at: match world.rng.random_range(0..10) {
                0 => Number::Beyond(world.rng.random_range(0..1_000)),
                _ => Number::Entry(world.rng.random_range(0..world.recorded.len())),
            },
            known: known(world),
        },
        930..950 => Ask::Checkpoint {
            known: known(world),
        },
        950..970 => {
            let (mut old, mut new) = (known(world), known(world));
            if let (Number::Seen(a), Number::Seen(b)) = (old, new) {
                (old, new) = (Number::Seen(a.min(b)), Number::Seen(a.max(b)));
            }
            Ask::Consistency { old, new }
        }
        970..980 => Ask::Health(
            world
                .pick(&["", "casebroker.v1.CaseService", "casebroker.v1.Nothing"])
                .into(),
        ),
        980..990 => Ask::Reflection(
            world
                .pick(&["", "casebroker.v1.Case", "casebroker.v1.Nothing"])
                .into(),
        ),
        _ => Ask::Caller,
    };
    Query { by, ask }
}

/// Most callers are those who may read.
pub fn role(world: &mut World) -> &'static str {
    match world.rng.random_range(0..100) {
        0..42 => ROLES[0],
        42..84 => ROLES[1],
        84..95 => ROLES[2],
        _ => ROLES[3],
    }
}

/// A case's name: there, there at somebody else, nowhere, or none at all.
fn name(world: &mut World) -> String {
    let agency = world.pick(&AGENCIES);
    match world.rng.random_range(0..100) {
        0..60 => world.any_case(),
        60..85 => cases::name(agency, &world.case_id()),
        85..90 => cases::name(agency, "nowhere"),
        90..93 => cases::name("no-member", &world.case_id()),
        _ => {
            let broken = [
                "",
                "cases/c01",
                "agencies/us-dea",
                "agencies//cases/c01",
                "agencies/us-dea/cases/",
                "agencies/US/cases/c 1",
            ];
            world.pick(&broken).into()
        }
    }
}

fn ahead(world: &mut World) -> Number {
    match world.rng.random_range(0..20) {
        0..17 => Number::Zero,
        17..19 => Number::Size,
        _ => Number::Beyond(world.rng.random_range(1..100)),
    }
}

fn known(world: &mut World) -> Number {
    match world.rng.random_range(0..20) {
        0..10 => Number::Zero,
        10..17 => Number::Seen(world.rng.random()),
        17..19 => Number::Size,
        _ => Number::Beyond(world.rng.random_range(1..100)),
    }
}

fn page_size(world: &mut World) -> i32 {
    match world.rng.random_range(0..20) {
        0 => world.pick(&[-1, 1_001, i32::MAX]),
        1..3 => world.pick(&[0, 1_000]),
        _ => world.rng.random_range(1..40),
    }
}

fn tasks(world: &mut World) -> Ask {
    let kinds = match world.rng.random_range(0..10) {
        0..4 => vec![],
        4..9 => (0..world.rng.random_range(1..=3))
            .map(|_| world.rng.random_range(1..=4))
            .collect(),
        _ => vec![world.pick(&[0, 5, -1])],
    };
    Ask::Tasks {
        request: ListTasksRequest {
            kinds,
            show_done: world.rng.random(),
            page_size: match world.rng.random_bool(0.3) {
                true => 1_000,
                false => page_size(world),
            },
            ..Default::default()
        },
        ahead: ahead(world),
        tokens: None,
        pages: world.pick(&[1, 2, 40]),
    }
}

fn listing(world: &mut World, by: By) -> Ask {
    let agencies = match world.rng.random_range(0..10) {
        0..4 => vec![],
        4..9 => {
            let many = world.rng.random_range(1..=2);
            let mut some = || format!("agencies/{}", world.pick(&AGENCIES));
            (0..many).map(|_| some()).collect()
        }
        _ => vec![world.pick(&["agencies/no-member", "us-dea", ""]).to_owned()],
    };
    let page_size = match world.rng.random_range(0..8) {
        // Exactly what there is: nothing may tell that something hidden follows.
        0 => world
            .listed(Scope::of(by.0, by.1), &agencies)
            .try_into()
            .unwrap(),
        _ => page_size(world),
    };
    let filter = match world.rng.random_bool(0.4) {
        true => CaseFilter {
            agencies,
            ..CaseFilter::default()
        },
        false => CaseFilter {
            agencies,
            ..questions::filter(&mut world.rng)
        },
    };
    Ask::Cases {
        request: Box::new(ListCasesRequest {
            filter: Some(filter),
            page_size,
            // One of them is none.
            view: world.rng.random_range(0..4),
            order_by: world
                .pick(&[
                    "",
                    "position",
                    "position desc",
                    "position asc",
                    "mass desc",
                    "mass",
                    "incident_date desc",
                    "title",
                ])
                .into(),
            ..Default::default()
        }),
        ahead: ahead(world),
        tokens: None,
        pages: world.pick(&[1, 2, 3, 40]),
    }
}

/// A token that is used again: for its own listing, by somebody else, for something else, or broken.
fn reuse(world: &mut World, by: By, kept: &[(By, Ask, Tokens)]) -> Query {
    let n = world.rng.random_range(0..kept.len());
    let (owner, ask, tokens) = kept[n].clone();
    let mut ask = ask;
    let mut give = Some(tokens);
    let by = match world.rng.random_range(0..5) {
        0 => by,
        1 => {
            ask = match ask {
                Ask::Tasks { .. } => tasks(world),
                _ => listing(world, owner),
            };
            owner
        }
        2 => {
            let broken = world.pick(&["x", "====", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]);
            give = Some([broken.to_owned(), broken.to_owned()]);
            owner
        }
        _ => owner,
    };
    match &mut ask {
        Ask::Cases { tokens, .. } | Ask::Statements { tokens, .. } | Ask::Tasks { tokens, .. } => {
            *tokens = give;
        }
        _ => {}
    }
    Query { by, ask }
}
