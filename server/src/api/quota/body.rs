//! Bodies that count: a request's bytes and messages are paid for as they come, an answer holds its place until it is out.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};

use crate::policy::quotas::{Accounts, Meter, Over, Patience, Permit};

/// Largest piece that is paid for at once: a frame of HTTP/2.
const MOST_BYTES: usize = 16 << 10;

type Payment = Pin<Box<dyn Future<Output = Result<(), Over>> + Send>>;

/// A request's body. Nothing more is read of it than was paid for, which is what HTTP/2 flow control hands on to the peer.
pub(super) struct Metered {
    body: Body,
    accounts: Accounts,
    /// Counts the messages of a stream; a call's only one was paid for at the door.
    messages: Option<Messages>,
    /// What has come and is not handed on yet.
    rest: Bytes,
    /// Whether something was paid for already. What has begun is finished, if slowly.
    begun: bool,
    /// A piece that is being paid for.
    due: Option<(Payment, Bytes)>,
}

impl Metered {
    pub(super) fn new(body: Body, accounts: Accounts, open_ended: bool) -> Self {
        Self {
            body,
            messages: open_ended.then(Messages::default),
            accounts,
            rest: Bytes::new(),
            begun: false,
            due: None,
        }
    }

    /// The next piece of what has come, with its payment.
    fn next_due(&mut self) -> (Payment, Bytes) {
        let most_bytes = self.rest.len().min(MOST_BYTES);
        let window = self.rest.get(..most_bytes).unwrap_or_default();
        let (length, count, patience) = match &mut self.messages {
            None if self.begun => (most_bytes, 0, Patience::Endless),
            None => (most_bytes, 0, Patience::Short),
            Some(messages) => {
                let (length, started) = messages.follow(window, self.accounts.request_burst());
                (length, started, Patience::Endless)
            }
        };
        let piece = self.rest.split_to(length);
        self.begun = true;
        // An empty frame is work, too.
        let bytes = u32::try_from(piece.len().max(1)).unwrap_or(u32::MAX);
        let accounts = self.accounts.clone();
        let payment = async move {
            accounts.take(Meter::Requests, count, patience).await?;
            accounts.take(Meter::Bytes, bytes, patience).await
        };
        (Box::pin(payment), piece)
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if let Some((payment, piece)) = &mut this.due {
                let paid = ready!(payment.as_mut().poll(cx));
                let piece = std::mem::take(piece);
                this.due = None;
                return Poll::Ready(Some(match paid {
                    Ok(()) => Ok(Frame::data(piece)),
                    Err(over) => Err(over.into()),
                }));
            }
            if this.rest.is_empty() {
                match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => this.rest = data,
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    end => return Poll::Ready(end),
                }
            }
            this.due = Some(this.next_due());
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.due.is_none() && self.body.is_end_stream()
    }
}

/// An answer's body that holds a place until it is out, or dropped.
pub(super) struct Holding {
    body: Body,
    _permit: Permit,
}

impl Holding {
    pub(super) fn new(body: Body, permit: Permit) -> Self {
        Self {
            body,
            _permit: permit,
        }
    }
}

impl HttpBody for Holding {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Follows the messages in a stream's bytes: each has a flag, a length of four bytes, and so many bytes (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
#[derive(Debug, Default, Clone)]
struct Messages {
    /// Bytes of the current prefix that were seen.
    prefix: u8,
    /// Length read so far from it.
    length: u32,
    /// Bytes of the current message that are still to come.
    to_come: u32,
}

impl Messages {
    /// Goes over bytes until `most` messages have begun and the next would. Gives how many bytes that was and how many
    /// messages began in them. Never stops at no bytes unless there are none.
    fn follow(&mut self, bytes: &[u8], most: u32) -> (usize, u32) {
        let (mut at, mut begun) = (0, 0);
        while let Some(&byte) = bytes.get(at) {
            if self.to_come > 0 {
                let here = u32::try_from(bytes.len() - at).unwrap_or(u32::MAX);
                let step = self.to_come.min(here);
                self.to_come -= step;
                at += step as usize;
                continue;
            }
            if self.prefix == 0 {
                if begun >= most.max(1) {
                    break;
                }
                begun += 1;
            } else {
                self.length = self.length << 8 | u32::from(byte);
            }
            at += 1;
            self.prefix += 1;
            if self.prefix == 5 {
                *self = Self {
                    to_come: self.length,
                    ..Self::default()
                };
            }
        }
        (at, begun)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            out.push(0);
            out.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            out.extend(message);
        }
        out
    }

    proptest! {
        /// However the bytes are cut, every message is counted once, none more at once than asked, and no byte is lost.
        #[test]
        fn every_message_is_counted_once_however_the_bytes_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..30),
            cuts in prop::collection::vec(1_usize..50, 1..40),
            most in 1_u32..6,
        ) {
            let all = framed(&messages);
            let mut follower = Messages::default();
            let (mut rest, mut count, mut cuts) = (&all[..], 0, cuts.iter().cycle());
            while !rest.is_empty() {
                let cut = (*cuts.next().unwrap()).min(rest.len());
                let (length, begun) = follower.follow(&rest[..cut], most);
                prop_assert!((1..=cut).contains(&length) && begun <= most);
                count += begun as usize;
                rest = &rest[length..];
            }
            prop_assert_eq!(count, messages.len());
        }
    }

    #[test]
    fn a_message_longer_than_everything_else_is_one() {
        let mut follower = Messages::default();
        assert_eq!(follower.follow(&[0, 0xff, 0xff, 0xff, 0xff, 1], 9), (6, 1));
        assert_eq!(follower.follow(&[0; 1_000], 9), (1_000, 0));
    }
}
