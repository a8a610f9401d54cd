//! Sending many statements: pipelined over one stream, and the stream may break.
//!
//! One task owns the window: the statements taken and not yet answered for good, in order. When the stream breaks they are
//! sent again over a new one, the same bytes in the same order; the request ids make that safe. When the broker has no room
//! for one of them, those after it may have failed because of it (an amendment before its report), so from there on all
//! that failed are sent again in order.

use std::{collections::VecDeque, time::Instant};

use casebroker_proto::v1::{
    SubmitStreamRequest, SubmitStreamResponse, submit_stream_response::Result as Answer,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{
    Client,
    connection::{Retries, no_answer},
    error::{ClientError, Failure, Refusal},
    submit::{Prepared, Recorded, intake},
    trust::VerifiedCheckpoint,
};

/// How much may be under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Most statements; at least 1.
    pub count: usize,
    /// Most bytes of signed statements. One statement is always let through.
    pub bytes: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            count: 512,
            bytes: 8 * 1024 * 1024,
        }
    }
}

/// Where statements go in. Drop it to say that there are no more.
#[derive(Debug, Clone)]
pub struct Submissions(mpsc::Sender<Prepared>);

/// Where answers come out, one for each statement, in the order in which they went in.
#[derive(Debug)]
pub struct Answers(mpsc::Receiver<Result<Outcome, ClientError>>);

/// What became of one statement.
#[derive(Debug)]
pub struct Outcome {
    /// The statement.
    pub prepared: Prepared,
    /// Recorded, or refused for good; nothing was written then.
    pub result: Result<Recorded, Refusal>,
}

impl Client {
    /// Opens a pipeline for many statements. Put in and take out in different tasks (or join the two): the window is
    /// bounded, so putting in waits until answers are taken out. Must be called within a tokio runtime.
    pub fn submit_stream(&self, window: Window) -> (Submissions, Answers) {
        let (submissions, input) = mpsc::channel(16);
        let (output, answers) = mpsc::channel(window.count.clamp(1, 64));
        let worker = Worker {
            retries: Retries::new(*self.connection.timing()),
            client: self.clone(),
            window,
            input: Some(input),
            output,
            slots: VecDeque::new(),
            bytes: 0,
            newest: None,
            compared: Instant::now(),
        };
        tokio::spawn(worker.run());
        (Submissions(submissions), Answers(answers))
    }
}

impl Submissions {
    /// Puts one in; waits while the window is full. Fails once the pipeline has ended; [`Answers::next`] says why.
    pub async fn push(&self, prepared: Prepared) -> Result<(), ClientError> {
        self.0
            .send(prepared)
            .await
            .map_err(|_| ClientError::StreamEnded)
    }
}

impl Answers {
    /// The next answer; none after the last. An error ends the pipeline: statements without an answer may or may not have
    /// been recorded, and sending the same ones again tells.
    pub async fn next(&mut self) -> Result<Option<Outcome>, ClientError> {
        self.0.recv().await.transpose()
    }

    /// An answer that is there already.
    pub fn try_next(&mut self) -> Option<Result<Outcome, ClientError>> {
        self.0.try_recv().ok()
    }
}

/// How often a long stream's checkpoints are compared with those known, in seconds.
const COMPARE_EVERY_S: u64 = 10;

struct Worker {
    client: Client,
    window: Window,
    /// None once there are no more.
    input: Option<mpsc::Receiver<Prepared>>,
    output: mpsc::Sender<Result<Outcome, ClientError>>,
    slots: VecDeque<Slot>,
    /// Bytes of the statements in `slots`.
    bytes: usize,
    retries: Retries,
    /// Checkpoint of the last receipt, if not compared with those known yet.
    newest: Option<VerifiedCheckpoint>,
    compared: Instant,
}

struct Slot {
    prepared: Prepared,
    state: State,
}

enum State {
    /// To be sent.
    Waiting,
    /// Sent over this stream; an answer is due.
    Sent,
    Done(Result<Recorded, Refusal>),
}

/// Why a stream was left.
enum End {
    /// All is answered and delivered, and there are no more.
    Finished,
    /// To be tried again, or not: the failure says.
    Failed(Failure),
    /// An answer that cannot be believed, or nobody takes answers any more.
    Fatal(Option<ClientError>),
}

impl Worker {
    async fn run(mut self) {
        let error = loop {
            // Nothing to do is no reason to hold a stream open.
            if self.slots.is_empty() && !self.take().await {
                break self.compare().await.err();
            }
            match self.stream().await {
                End::Finished => break self.compare().await.err(),
                End::Fatal(error) => break error,
                End::Failed(failure) => match self.retries.wait_for(&failure) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => {
                        let endpoint = self.client.endpoint().to_owned();
                        break Some(failure.into_error(&endpoint, self.retries.failed));
                    }
                },
            }
        };
        self.client.keep_written();
        if let Some(error) = error {
            // Nobody left to hear it is no failure.
            let _ = self.output.send(Err(error)).await;
        }
    }

    /// Waits for the next statement; false when there are no more.
    async fn take(&mut self) -> bool {
        let Some(input) = &mut self.input else {
            return false;
        };
        match input.recv().await {
            Some(prepared) => {
                self.push(prepared);
                true
            }
            None => {
                self.input = None;
                false
            }
        }
    }

    fn push(&mut self, prepared: Prepared) {
        self.bytes += prepared.signed.len();
        self.slots.push_back(Slot {
            prepared,
            state: State::Waiting,
        });
    }

    fn has_room(&self) -> bool {
        self.slots.is_empty()
            || (self.slots.len() < self.window.count && self.bytes < self.window.bytes)
    }

    /// One stream, from its opening to its end.
    async fn stream(&mut self) -> End {
        // Whatever an earlier stream left unanswered goes first.
        for slot in &mut self.slots {
            if matches!(slot.state, State::Sent) {
                slot.state = State::Waiting;
            }
        }
        let limit = self.client.connection.timing().call_timeout;
        let (requests, receiver) = mpsc::channel(32);
        // The first request is in before the call is made: some servers answer nothing until they have seen one.
        self.send_one(&requests);
        let mut service = intake(self.client.connection.channel());
        let opening = service.submit_stream(ReceiverStream::new(receiver));
        let mut responses = match timeout(limit, opening).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return End::Failed(Failure::from_status(status)),
            Err(_) => return End::Failed(Failure::Broken(no_answer(limit))),
        };
        let mut closed = false;
        // The first refusal for want of room; from then on nothing more is sent over this stream.
        let mut full: Option<Failure> = None;
        loop {
            if full.is_none() && !self.deliver().await {
                return End::Fatal(None);
            }
            let due = self
                .slots
                .iter()
                .any(|slot| matches!(slot.state, State::Sent));
            if !due {
                if let Some(failure) = full {
                    self.redo();
                    return End::Failed(failure);
                }
                if self.input.is_none() && self.slots.is_empty() {
                    return End::Finished;
                }
            }
            let sending = full.is_none();
            let waiting = sending && self.slots.iter().any(|s| matches!(s.state, State::Waiting));
            let room = sending && self.has_room();
            tokio::select! {
                biased;
                answer = next_answer(&mut responses, limit, due) => match answer {
                    Ok(answer) => match self.answered(answer).await {
                        Ok(None) => {}
                        Ok(Some(refusal)) => full = full.or(Some(Failure::Refused(refusal))),
                        Err(error) => return End::Fatal(Some(error)),
                    },
                    Err(failure) => return End::Failed(failure),
                },
                permit = requests.reserve(), if waiting && !closed => match permit {
                    Ok(permit) => if let Some(request) = self.next_request() { permit.send(request) },
                    // The call has ended; its answer says why.
                    Err(_) => closed = true,
                },
                prepared = receive(&mut self.input), if room => match prepared {
                    Some(prepared) => self.push(prepared),
                    None => self.input = None,
                },
            }
        }
    }

    /// Marks the first waiting statement as sent.
    fn next_request(&mut self) -> Option<SubmitStreamRequest> {
        let slot = self
            .slots
            .iter_mut()
            .find(|s| matches!(s.state, State::Waiting))?;
        slot.state = State::Sent;
        Some(SubmitStreamRequest {
            signed_statement: slot.prepared.signed.clone(),
        })
    }

    fn send_one(&mut self, requests: &mpsc::Sender<SubmitStreamRequest>) {
        if let (Ok(permit), Some(request)) = (requests.try_reserve(), self.next_request()) {
            permit.send(request);
        }
    }

    /// Takes the answer to the first statement sent. Gives the refusal if it is one for want of room.
    async fn answered(
        &mut self,
        answer: SubmitStreamResponse,
    ) -> Result<Option<Refusal>, ClientError> {
        let slot = self
            .slots
            .iter_mut()
            .find(|s| matches!(s.state, State::Sent));
        let slot = slot.ok_or(ClientError::Answer("an answer to nothing"))?;
        let result = match answer
            .result
            .ok_or(ClientError::Answer("an empty result"))?
        {
            Answer::Recorded(recorded) => {
                let (recorded, seen) = self.client.accept(&slot.prepared, recorded)?;
                self.newest = seen.or(self.newest.take());
                Ok(recorded)
            }
            Answer::Error(status) => Err(Refusal::from_rpc(&status)),
        };
        let temporary = result.as_ref().err().filter(|r| r.is_temporary()).cloned();
        slot.state = State::Done(result);
        if temporary.is_none() {
            self.retries.reset();
        }
        if self.compared.elapsed().as_secs() >= COMPARE_EVERY_S {
            self.compare().await?;
        }
        Ok(temporary)
    }

    /// Hands out what is answered for good, in order. False when nobody takes it any more.
    async fn deliver(&mut self) -> bool {
        while let Some(Slot {
            state: State::Done(_),
            ..
        }) = self.slots.front()
        {
            let Some(Slot {
                prepared,
                state: State::Done(result),
            }) = self.slots.pop_front()
            else {
                break;
            };
            self.bytes -= prepared.signed.len();
            if self
                .output
                .send(Ok(Outcome { prepared, result }))
                .await
                .is_err()
            {
                return false;
            }
        }
        true
    }

    /// Puts back the first statement there was no room for, and all after it that were refused.
    fn redo(&mut self) {
        let temporary =
            |slot: &Slot| matches!(&slot.state, State::Done(Err(r)) if r.is_temporary());
        let Some(first) = self.slots.iter().position(temporary) else {
            return;
        };
        for slot in self.slots.iter_mut().skip(first) {
            if matches!(slot.state, State::Done(Err(_))) {
                slot.state = State::Waiting;
            }
        }
    }

    /// Compares the last receipt's checkpoint with those known.
    async fn compare(&mut self) -> Result<(), ClientError> {
        self.compared = Instant::now();
        self.client.keep_written();
        match self.newest.take() {
            Some(newest) => self.client.reconcile(&newest, None).await,
            None => Ok(()),
        }
    }
}

/// The next answer. With one due, silence beyond the limit is a broken connection.
async fn next_answer(
    responses: &mut Streaming<SubmitStreamResponse>,
    limit: std::time::Duration,
    due: bool,
) -> Result<SubmitStreamResponse, Failure> {
    let message = if due {
        timeout(limit, responses.message())
            .await
            .map_err(|_| Failure::Broken(no_answer(limit)))?
    } else {
        responses.message().await
    };
    match message {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(Failure::Broken("the broker ended the stream".into())),
        Err(status) => Err(Failure::from_status(status)),
    }
}

async fn receive(input: &mut Option<mpsc::Receiver<Prepared>>) -> Option<Prepared> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}
