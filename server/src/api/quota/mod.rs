//! Quotas at the door: every call of every service, health and reflection too, passes here before it is looked at.

mod body;
mod connections;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

pub use connections::{Admitted, admitted};

use super::status;
use crate::{
    identity::Caller,
    policy::quotas::{Accounts, Held, Meter, Patience, Permit, Quotas},
};
use body::{Holding, Metered};

/// Calls that stay open: a place among the streams is theirs, and each message counts as a request.
const STREAMS: [&str; 5] = [
    "/casebroker.v1.IntakeService/SubmitStream",
    "/casebroker.v1.SubscriptionService/StreamingPull",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Makes [`Metering`] services.
#[derive(Debug, Clone)]
pub(super) struct QuotaLayer(pub(super) Arc<Quotas>);

impl<S> Layer<S> for QuotaLayer {
    type Service = Metering<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Metering {
            inner,
            quotas: Arc::clone(&self.0),
        }
    }
}

/// Lets a call through when its caller and its agency have something left for it.
#[derive(Debug, Clone)]
pub(super) struct Metering<S> {
    inner: S,
    quotas: Arc<Quotas>,
}

impl<S> Service<Request<Body>> for Metering<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready is the one to call (tower::Service, "Be careful when cloning inner services").
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let quotas = Arc::clone(&self.quotas);
        let caller = request.extensions().get::<Caller>().cloned();
        let open_ended = STREAMS.contains(&request.uri().path());
        Box::pin(async move {
            let (accounts, permit) = match admit(&quotas, caller, open_ended).await {
                Ok(admitted) => admitted,
                Err(refused) => return Ok(refused.into_http()),
            };
            let metered = request.map(|body| Body::new(Metered::new(body, accounts, open_ended)));
            let response = inner.call(metered).await?;
            // Until the last byte of the answer is out, or nobody wants it any more.
            Ok(response.map(|body| Body::new(Holding::new(body, permit))))
        })
    }
}

async fn admit(
    quotas: &Quotas,
    caller: Option<Caller>,
    open_ended: bool,
) -> Result<(Accounts, Permit), Status> {
    let caller = caller.ok_or_else(|| status::internal(&"a connection without a caller"))?;
    let accounts = quotas.accounts(&caller)?;
    accounts.take(Meter::Requests, 1, Patience::Short).await?;
    let held = if open_ended { Held::Stream } else { Held::Call };
    let permit = accounts.hold(held).await?;
    Ok((accounts, permit))
}
