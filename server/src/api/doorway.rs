//! What is no gRPC call is told so in HTTP's own words, before any service sees it.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures_util::future::Either;
use tonic::{
    body::Body,
    codegen::http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE},
};
use tower::{Layer, Service};

/// Lets calls through that are made with POST and the content type of gRPC over protobuf (gRPC over HTTP/2, "Requests"). So no page
/// that a browser with an officer's certificate opens can call: it may post forms and texts unasked, but not this type.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnlyGrpc;

/// See [`OnlyGrpc`].
#[derive(Debug, Clone)]
pub(super) struct Doorway<S>(S);

impl<S> Layer<S> for OnlyGrpc {
    type Service = Doorway<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Doorway(inner)
    }
}

impl<S> Service<Request<Body>> for Doorway<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let refused = if request.method() != Method::POST {
            StatusCode::METHOD_NOT_ALLOWED
        } else if !is_grpc(&request) {
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        } else {
            return Either::Left(self.0.call(request));
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = refused;
        Either::Right(ready(Ok(response)))
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let Some(Ok(value)) = request.headers().get(CONTENT_TYPE).map(|v| v.to_str()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"]
        .iter()
        .any(|name| essence.eq_ignore_ascii_case(name))
}
