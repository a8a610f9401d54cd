//! `SubscriptionService`: what was given up, and what came of an owner's statements.

use std::{collections::BTreeMap, sync::Arc};

use casebroker_proto::{
    errors::Reason,
    names::AgencyName,
    v1::{
        DeadLetter, DeliveryProgress, DropDeadLettersRequest, DropDeadLettersResponse,
        ListDeadLettersRequest, ListDeadLettersResponse, ListDeliveriesRequest,
        ListDeliveriesResponse, ReplayDeadLettersRequest, ReplayDeadLettersResponse,
        StatementDelivery, statement::Kind,
    },
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    Rooms, authorize,
    cases::case_name,
    page_token::{Token, binding, page_size},
    record::AccessNote,
    status,
    subscriptions::may_change,
};
use crate::{
    delivery::{Progress, Subscribed},
    policy::{Method, viewer},
    projections::{ReadError, Statement, named_readers, table::Plan},
};

/// Most positions in a request.
const MAX_POSITIONS: usize = 1_000;
/// Newest statements of a case that are looked at.
const MAX_STATEMENTS: usize = 200;
/// Subscriptions of an agency that are looked at.
const MAX_SUBSCRIPTIONS: usize = 1_000;

impl Rooms {
    pub(super) async fn dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let note = AccessNote::of(&request);
        let (caller, subscribed, request) =
            self.subscription_of(request, Method::ListDeadLetters, |r| &r.subscription)?;
        let size = page_size(request.page_size, 100)?;
        let key = binding(&[b"dead letters", &subscribed.id.to_be_bytes()]);
        let token = Token::open(&request.page_token, &key)?;
        let from = token.map_or(0, |Token([from])| from);
        let (page, total) = {
            let inner = subscribed.lock();
            let page = inner.outbox.dead(from).take(size + 1);
            let page: Vec<_> = page.map(|(at, dead)| (at, dead.clone())).collect();
            (page, inner.outbox.counts().dead)
        };
        let next = page.get(size).map(|(at, _)| Token([*at]).seal(&key));
        note.cases(page.len().min(size));
        let dead_letters = self
            .read(caller, move |rooms| {
                let letters = page.into_iter().take(size).map(|(position, dead)| {
                    let case = rooms.deliveries.case_of(&subscribed, position)?;
                    // A reason may tell of a case that is not for the subscriber any more.
                    let reason = match case.is_empty() {
                        true => String::new(),
                        false => dead.reason.into(),
                    };
                    Ok(DeadLetter {
                        position,
                        case,
                        delivery_attempts: i32::try_from(dead.attempts).unwrap_or(i32::MAX),
                        reason,
                        dead_time: Some(Timestamp {
                            seconds: dead.at,
                            nanos: 0,
                        }),
                    })
                });
                letters.collect::<Result<Vec<_>, Status>>()
            })
            .await?;
        Ok(Response::new(ListDeadLettersResponse {
            dead_letters,
            next_page_token: next.unwrap_or_default(),
            total_size: number(total),
        }))
    }

    pub(super) async fn replay(
        &self,
        request: Request<ReplayDeadLettersRequest>,
    ) -> Result<Response<ReplayDeadLettersResponse>, Status> {
        let (caller, subscribed, request) =
            self.subscription_of(request, Method::ReplayDeadLetters, |r| &r.subscription)?;
        may_change(&caller, &subscribed)?;
        let limit = match usize::try_from(request.limit) {
            Ok(limit) if (1..=MAX_POSITIONS).contains(&limit) => limit,
            _ => {
                let rule = format!("is {}; must be 1 to {MAX_POSITIONS}", request.limit);
                return Err(status::invalid_field("limit", rule));
            }
        };
        check_positions(&request.positions)?;
        if !request.positions.is_empty() && request.before_position != 0 {
            let rule = "stands beside positions; give one of them";
            return Err(status::invalid_field("before_position", rule));
        }
        let before = match request.before_position {
            0 => u64::MAX,
            before => before,
        };
        let (replayed, left) = self.deliveries.change(&subscribed, |outbox| {
            let positions: Vec<u64> = if request.positions.is_empty() {
                let oldest = outbox.dead(0).map(|(at, _)| at);
                oldest.take_while(|at| *at < before).take(limit).collect()
            } else {
                request.positions.iter().copied().take(limit).collect()
            };
            (outbox.replay(&positions), outbox.counts().dead)
        });
        self.deliveries.settle().await?;
        Ok(Response::new(ReplayDeadLettersResponse {
            replayed: number(replayed),
            left: number(left),
        }))
    }

    pub(super) async fn drop_dead(
        &self,
        request: Request<DropDeadLettersRequest>,
    ) -> Result<Response<DropDeadLettersResponse>, Status> {
        let (caller, subscribed, request) =
            self.subscription_of(request, Method::DropDeadLetters, |r| &r.subscription)?;
        may_change(&caller, &subscribed)?;
        check_positions(&request.positions)?;
        let dropped = self.deliveries.change(&subscribed, |outbox| {
            if !request.positions.is_empty() {
                return Ok(outbox.drop_dead(&request.positions));
            }
            let all: Vec<u64> = outbox.dead(0).map(|(at, _)| at).collect();
            match number(all.len()) == request.expected {
                true => Ok(outbox.drop_dead(&all)),
                false => Err(all.len()),
            }
        });
        let dropped = dropped.map_err(|there| {
            let message = format!(
                "there are {there} dead letters, and {} were expected",
                request.expected
            );
            status::refuse(Reason::SubscriptionChanged, &message)
        })?;
        self.deliveries.settle().await?;
        Ok(Response::new(DropDeadLettersResponse {
            dropped: number(dropped),
        }))
    }

    pub(super) async fn deliveries_of(
        &self,
        request: Request<ListDeliveriesRequest>,
    ) -> Result<Response<ListDeliveriesResponse>, Status> {
        let caller = authorize(&request, Method::ListDeliveries)?;
        let note = AccessNote::of(&request);
        let request = request.into_inner();
        note.resource(&request.case);
        let name = case_name("case", &request.case)?;
        if *name.agency() != caller.principal.agency {
            return Err(ReadError::NoCase(name).into());
        }
        let viewer = viewer(&caller.principal);
        let _share = self.quotas.scan(&caller.principal.agency).await;
        let deliveries = self
            .scan(move |rooms| {
                let history = rooms.cases.history(&viewer, &name)?;
                Ok(rooms.progress(&history, name.agency()))
            })
            .await?;
        note.cases(1);
        Ok(Response::new(ListDeliveriesResponse { deliveries }))
    }

    /// How far the owner's statements came with those that they name.
    fn progress(&self, history: &[Statement], owner: &AgencyName) -> Vec<StatementDelivery> {
        let groups = self.membership.now();
        let reading = self.table.rows().reading();
        let mut subscriptions: BTreeMap<String, Vec<(Arc<Subscribed>, Plan)>> = BTreeMap::new();
        // A retraction is for everybody who may see the case by then.
        let mut in_force = Vec::new();
        let mut deliveries = Vec::new();
        let skipped = history.len().saturating_sub(MAX_STATEMENTS);
        for (n, statement) in history.iter().enumerate() {
            let mut named = named_readers(statement, &*groups);
            if statement.case_handling().is_some() {
                in_force.clone_from(&named);
            }
            if matches!(statement.statement.kind, Some(Kind::Retraction(_))) {
                named.clone_from(&in_force);
            }
            if n < skipped || statement.agency != *owner {
                continue;
            }
            let Some(change) = reading.change(statement.position) else {
                continue;
            };
            for agency in named.iter().filter(|name| **name != owner.to_string()) {
                let of_agency = subscriptions.entry(agency.clone()).or_insert_with(|| {
                    let agency = agency.parse::<AgencyName>().ok();
                    let all = agency.map(|of| self.deliveries.list(&of, "", MAX_SUBSCRIPTIONS));
                    let all = all.unwrap_or_default().into_iter();
                    all.map(|of| (Arc::clone(&of), self.deliveries.plan(&of)))
                        .collect()
                });
                let selecting = of_agency.iter().filter(|(of, plan)| {
                    let kinds = of.definition().settings.kinds;
                    reading.news(plan, kinds, &change).is_some()
                });
                let furthest =
                    selecting.map(|(of, _)| of.lock().outbox.progress(statement.position));
                deliveries.push(StatementDelivery {
                    position: statement.position,
                    kind: change.said.kind.into(),
                    agency: agency.clone(),
                    progress: shown(furthest.max()).into(),
                });
            }
        }
        deliveries
    }
}

fn shown(progress: Option<Progress>) -> DeliveryProgress {
    match progress {
        None | Some(Progress::Unknown) => DeliveryProgress::NotSubscribed,
        Some(Progress::Pending) => DeliveryProgress::Pending,
        Some(Progress::Delivered) => DeliveryProgress::Delivered,
        Some(Progress::Dead) => DeliveryProgress::DeadLetter,
        Some(Progress::Acknowledged) => DeliveryProgress::Acknowledged,
    }
}

fn check_positions(positions: &[u64]) -> Result<(), Status> {
    match positions.len() <= MAX_POSITIONS {
        true => Ok(()),
        false => {
            let rule = format!("has {}; at most {MAX_POSITIONS}", positions.len());
            Err(status::invalid_field("positions", rule))
        }
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
