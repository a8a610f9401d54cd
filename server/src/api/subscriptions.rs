//! `SubscriptionService`: subscriptions themselves. What they deliver is in `deliveries.rs`, what was given up in `dead_letters.rs`.

use std::{pin::Pin, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use casebroker_proto::{
    encoded::{
        PullResponse, StreamingPullResponse, subscription_service_server::SubscriptionService,
    },
    errors::{Reason, Violation},
    names::{Role, SubscriptionName},
    v1::{
        AcknowledgeRequest, AcknowledgeResponse, CreateSubscriptionRequest,
        CreateSubscriptionResponse, DeleteSubscriptionRequest, DeleteSubscriptionResponse,
        DropDeadLettersRequest, DropDeadLettersResponse, GetSubscriptionRequest,
        GetSubscriptionResponse, ListDeadLettersRequest, ListDeadLettersResponse,
        ListDeliveriesRequest, ListDeliveriesResponse, ListSubscriptionsRequest,
        ListSubscriptionsResponse, ModifyAckDeadlineRequest, ModifyAckDeadlineResponse,
        NackRequest, NackResponse, PullRequest, ReplayDeadLettersRequest,
        ReplayDeadLettersResponse, SeekRequest, SeekResponse, StreamingPullRequest, Subscription,
        UpdateSubscriptionRequest, UpdateSubscriptionResponse,
    },
};
use futures_util::Stream;
use prost::Message as _;
use prost_types::{FieldMask, Timestamp};
use time::OffsetDateTime;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Rooms, authorize, cases::MAX_PAGE_BYTES, page_token::page_size, record::AccessNote, status,
};
use crate::{
    delivery::{Definition, DeliveryError, Subscribed, define},
    identity::Caller,
    policy::Method,
};

/// Fields that an update may change.
const FIELDS: [&str; 11] = [
    "filter",
    "kinds",
    "ack_deadline",
    "retry_policy",
    "max_delivery_attempts",
    "dead_letter",
    "ordered",
    "max_unacknowledged",
    "expire_after",
    "content",
    "labels",
];

#[tonic::async_trait]
impl SubscriptionService for Rooms {
    async fn create_subscription(
        &self,
        request: Request<CreateSubscriptionRequest>,
    ) -> Result<Response<CreateSubscriptionResponse>, Status> {
        let caller = authorize(&request, Method::CreateSubscription)?;
        let note = AccessNote::of(&request);
        let CreateSubscriptionRequest {
            subscription,
            start,
        } = request.into_inner();
        let mut subscription =
            subscription.ok_or_else(|| status::invalid_field("subscription", "is required"))?;
        note.resource(&subscription.name);
        subscription.viewer_role = caller.principal.role.to_string();
        let now = timestamp(OffsetDateTime::now_utc());
        subscription.create_time = Some(now);
        subscription.update_time = Some(now);
        let definition = self.define(&caller, subscription)?;
        let next = self.start_position(&caller, "start", start).await?;
        let subscribed = self.deliveries.create(definition, next).await?;
        Ok(Response::new(CreateSubscriptionResponse {
            subscription: Some(subscribed.definition().subscription.clone()),
            // One that was there already is where it is.
            start_position: self.deliveries.next(&subscribed),
        }))
    }

    async fn get_subscription(
        &self,
        request: Request<GetSubscriptionRequest>,
    ) -> Result<Response<GetSubscriptionResponse>, Status> {
        let (caller, subscribed, _) =
            self.subscription_of(request, Method::GetSubscription, |r| &r.name)?;
        let subscription = subscribed.definition().subscription.clone();
        let state = self.state(&caller, subscribed).await?;
        Ok(Response::new(GetSubscriptionResponse {
            subscription: Some(subscription),
            state: Some(state),
        }))
    }

    async fn list_subscriptions(
        &self,
        request: Request<ListSubscriptionsRequest>,
    ) -> Result<Response<ListSubscriptionsResponse>, Status> {
        let caller = authorize(&request, Method::ListSubscriptions)?;
        let request = request.into_inner();
        let size = page_size(request.page_size, 100)?;
        // A name is no secret within its agency, and another agency's token leads to the caller's own.
        let after = request.page_token.as_str();
        let found = self
            .deliveries
            .list(&caller.principal.agency, after, size + 1);
        let mut response = ListSubscriptionsResponse::default();
        let mut bytes = 0;
        for (n, of) in found.iter().enumerate() {
            let subscription = of.definition().subscription.clone();
            bytes += subscription.encoded_len() + 8;
            if n == size || (bytes > MAX_PAGE_BYTES && n > 0) {
                let last = response.subscriptions.last().map(|last| last.name.as_str());
                let last = last.and_then(|name| name.rsplit('/').next());
                response.next_page_token = last.unwrap_or_default().to_owned();
                break;
            }
            response.subscriptions.push(subscription);
        }
        Ok(Response::new(response))
    }

    async fn update_subscription(
        &self,
        request: Request<UpdateSubscriptionRequest>,
    ) -> Result<Response<UpdateSubscriptionResponse>, Status> {
        let name = |r: &UpdateSubscriptionRequest| {
            r.subscription
                .as_ref()
                .map_or_else(String::new, |s| s.name.clone())
        };
        let caller = authorize(&request, Method::UpdateSubscription)?;
        AccessNote::of(&request).resource(name(request.get_ref()));
        let name = name(request.get_ref());
        let subscribed = self.subscribed(&caller, "subscription.name", &name)?;
        let UpdateSubscriptionRequest {
            subscription,
            update_mask,
        } = request.into_inner();
        may_change(&caller, &subscribed)?;
        let given = subscription.unwrap_or_default();
        let before = subscribed.definition();
        let known = before.subscription.clone();
        if !given.etag.is_empty() && given.etag != known.etag {
            let message = format!("`{name}` was changed since; its etag is `{}`", known.etag);
            return Err(status::refuse(Reason::SubscriptionChanged, &message));
        }
        let mut changed = merged(known, given, &update_mask.unwrap_or_default())?;
        changed.update_time = Some(timestamp(OffsetDateTime::now_utc()));
        let definition = self.define(&caller, changed)?;
        self.deliveries
            .update(&subscribed, &before, definition)
            .await?;
        Ok(Response::new(UpdateSubscriptionResponse {
            subscription: Some(subscribed.definition().subscription.clone()),
        }))
    }

    async fn delete_subscription(
        &self,
        request: Request<DeleteSubscriptionRequest>,
    ) -> Result<Response<DeleteSubscriptionResponse>, Status> {
        let (caller, subscribed, _) =
            self.subscription_of(request, Method::DeleteSubscription, |r| &r.name)?;
        may_change(&caller, &subscribed)?;
        self.deliveries.delete(&subscribed).await?;
        Ok(Response::new(DeleteSubscriptionResponse {}))
    }

    async fn seek(&self, request: Request<SeekRequest>) -> Result<Response<SeekResponse>, Status> {
        let (caller, subscribed, request) =
            self.subscription_of(request, Method::Seek, |r| &r.subscription)?;
        may_change(&caller, &subscribed)?;
        if request.to.is_none_or(|to| to.at.is_none()) {
            return Err(status::invalid_field("to", "is required"));
        }
        let next_position = self.start_position(&caller, "to", request.to).await?;
        self.deliveries.seek(&subscribed, next_position).await?;
        let (backlog, is_least) = self.backlog(&caller, subscribed, next_position).await?;
        Ok(Response::new(SeekResponse {
            next_position,
            backlog,
            backlog_is_least: is_least,
        }))
    }

    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullResponse>, Status> {
        self.pull_some(request).await
    }

    type StreamingPullStream =
        Pin<Box<dyn Stream<Item = Result<StreamingPullResponse, Status>> + Send>>;

    async fn streaming_pull(
        &self,
        request: Request<Streaming<StreamingPullRequest>>,
    ) -> Result<Response<Self::StreamingPullStream>, Status> {
        self.open_stream(request).await
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        self.ack(request).await
    }

    async fn modify_ack_deadline(
        &self,
        request: Request<ModifyAckDeadlineRequest>,
    ) -> Result<Response<ModifyAckDeadlineResponse>, Status> {
        self.extend(request)
    }

    async fn nack(&self, request: Request<NackRequest>) -> Result<Response<NackResponse>, Status> {
        self.give_back(request)
    }

    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        self.dead_letters(request).await
    }

    async fn replay_dead_letters(
        &self,
        request: Request<ReplayDeadLettersRequest>,
    ) -> Result<Response<ReplayDeadLettersResponse>, Status> {
        self.replay(request).await
    }

    async fn drop_dead_letters(
        &self,
        request: Request<DropDeadLettersRequest>,
    ) -> Result<Response<DropDeadLettersResponse>, Status> {
        self.drop_dead(request).await
    }

    async fn list_deliveries(
        &self,
        request: Request<ListDeliveriesRequest>,
    ) -> Result<Response<ListDeliveriesResponse>, Status> {
        self.deliveries_of(request).await
    }
}

impl Rooms {
    /// The subscription that a request names, if it is the caller's agency's; with the request.
    pub(super) fn subscription_of<T>(
        &self,
        request: Request<T>,
        method: Method,
        name: impl Fn(&T) -> &String,
    ) -> Result<(Caller, Arc<Subscribed>, T), Status> {
        let caller = authorize(&request, method)?;
        AccessNote::of(&request).resource(name(request.get_ref()));
        let request = request.into_inner();
        let field = match method {
            Method::GetSubscription | Method::DeleteSubscription => "name",
            _ => "subscription",
        };
        let subscribed = self.subscribed(&caller, field, name(&request))?;
        Ok((caller, subscribed, request))
    }

    /// A subscription of the caller's agency. That of another is answered like one that does not exist.
    pub(super) fn subscribed(
        &self,
        caller: &Caller,
        field: &str,
        name: &str,
    ) -> Result<Arc<Subscribed>, Status> {
        let name: SubscriptionName = name.parse().map_err(|e| status::invalid_field(field, e))?;
        if *name.agency() != caller.principal.agency {
            return Err(DeliveryError::NotFound(name).into());
        }
        Ok(self.deliveries.get(&name)?)
    }

    fn define(
        &self,
        caller: &Caller,
        mut subscription: Subscription,
    ) -> Result<Definition, Status> {
        subscription.etag = etag(&subscription);
        let definition = define(&subscription, &self.membership.now());
        let definition = definition.map_err(|violations| status::invalid_fields(&violations))?;
        match *definition.settings.name.agency() == caller.principal.agency {
            true => Ok(definition),
            false => {
                let rule = format!(
                    "must begin with `{}/`, your agency",
                    caller.principal.agency
                );
                Err(status::invalid_field("subscription.name", rule))
            }
        }
    }
}

/// What an officer's subscription sees, and that nothing of it is thrown away or comes again, is for officers to say: systems consume it.
pub(super) fn may_change(caller: &Caller, subscribed: &Subscribed) -> Result<(), Status> {
    let made_by = &subscribed.definition().subscription.viewer_role;
    if caller.principal.role == Role::System && made_by != Role::System.as_str() {
        let message = format!(
            "`{}` was made by an officer and sees what is for one; systems consume it, and an officer has to change or move it",
            subscribed.name
        );
        return Err(status::refuse(Reason::RoleNotAllowed, &message));
    }
    Ok(())
}

/// The one with the fields of the other that a mask names.
fn merged(
    known: Subscription,
    given: Subscription,
    mask: &FieldMask,
) -> Result<Subscription, Status> {
    let mut merged = known;
    if mask.paths.is_empty() {
        let rule = format!("is required; it names some of {}", FIELDS.join(", "));
        return Err(status::invalid_field("update_mask", rule));
    }
    let mut violations = Vec::new();
    for (n, path) in mask.paths.iter().enumerate() {
        match path.as_str() {
            "filter" => merged.filter.clone_from(&given.filter),
            "kinds" => merged.kinds.clone_from(&given.kinds),
            "ack_deadline" => merged.ack_deadline = given.ack_deadline,
            "retry_policy" => merged.retry_policy.clone_from(&given.retry_policy),
            "max_delivery_attempts" => merged.max_delivery_attempts = given.max_delivery_attempts,
            "dead_letter" => merged.dead_letter = given.dead_letter,
            "ordered" => merged.ordered = given.ordered,
            "max_unacknowledged" => merged.max_unacknowledged = given.max_unacknowledged,
            "expire_after" => merged.expire_after = given.expire_after,
            "content" => merged.content = given.content,
            "labels" => merged.labels.clone_from(&given.labels),
            other => {
                let other: String = other.chars().take(80).collect();
                let rule = format!("`{other}` cannot be changed; one of {}", FIELDS.join(", "));
                violations.push(Violation::new(format!("update_mask.paths[{n}]"), rule));
            }
        }
    }
    match violations.as_slice() {
        [] => Ok(merged),
        violations => Err(status::invalid_fields(violations)),
    }
}

/// Of all that the caller can set, and when it was set.
fn etag(subscription: &Subscription) -> String {
    let mut of = subscription.clone();
    of.etag.clear();
    of.understood.clear();
    // A map has no order of its own.
    let mut labels: Vec<_> = std::mem::take(&mut of.labels).into_iter().collect();
    labels.sort();
    let bytes = [of.encode_to_vec(), format!("{labels:?}").into_bytes()].concat();
    let hashed = digest(&SHA256, &bytes);
    hex::encode(hashed.as_ref().get(..8).unwrap_or_default())
}

pub(super) fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or(0),
    }
}
