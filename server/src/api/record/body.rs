//! Bodies: what comes in is counted, and what goes out is not let go before its line is written.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tonic::{Status, body::Body};

use super::{
    Call,
    note::{AccessNote, Counter},
};

/// A request's body.
pub(super) struct Incoming {
    body: Body,
    counter: Counter,
    note: AccessNote,
}

impl Incoming {
    pub(super) fn new(body: Body, note: AccessNote) -> Self {
        Self {
            body,
            counter: Counter::default(),
            note,
        }
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref()) {
            this.counter.take(data, &this.note.0.received);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// The answers of a stream. Its line is written when it ends, before the client learns how; also when it is dropped.
pub(super) struct Outgoing {
    body: Body,
    counter: Counter,
    call: Call,
}

impl Outgoing {
    pub(super) fn new(body: Body, call: Call) -> Self {
        Self {
            body,
            counter: Counter::default(),
            call,
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_trailers() {
                Ok(trailers) => Frame::trailers(this.end(trailers)),
                Err(frame) => {
                    if let Some(data) = frame.data_ref() {
                        this.counter.take(data, &this.call.note().0.sent);
                    }
                    frame
                }
            })),
            Some(Err(status)) => Some(Err(match this.call.end_with(&status) {
                Ok(()) => status,
                Err(unwritten) => unwritten,
            })),
            None => None,
        })
    }
}

impl Outgoing {
    fn end(&mut self, trailers: HeaderMap) -> HeaderMap {
        match self.call.end(&trailers) {
            Ok(()) => trailers,
            Err(unwritten) => {
                let mut instead = HeaderMap::new();
                // A status that was just made can be written as headers.
                drop(unwritten.add_header(&mut instead));
                instead
            }
        }
    }
}

/// The answer of a unary call, all of it here.
pub(super) struct Held {
    data: std::vec::IntoIter<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Held {
    /// Takes a whole body in, as long as one message may be. Counts it.
    pub(super) async fn take(mut body: Body, note: &AccessNote) -> Result<Self, Status> {
        let mut counter = Counter::default();
        let mut data = Vec::with_capacity(1);
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            match frame.transpose()?.map(Frame::into_trailers) {
                None => return Ok(Self::new(data, None)),
                Some(Ok(trailers)) => return Ok(Self::new(data, Some(trailers))),
                Some(Err(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        counter.take(&bytes, &note.0.sent);
                        data.push(bytes);
                    }
                }
            }
        }
    }

    fn new(data: Vec<Bytes>, trailers: Option<HeaderMap>) -> Self {
        Self {
            data: data.into_iter(),
            trailers,
        }
    }

    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let data = this.data.next().map(Frame::data);
        let frame = data.or_else(|| this.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.len() == 0 && self.trailers.is_none()
    }
}
