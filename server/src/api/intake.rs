//! `IntakeService`.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use casebroker_proto::v1::{
    RecordedStatement, SubmitRequest, SubmitResponse, SubmitStreamRequest, SubmitStreamResponse,
    intake_service_server::IntakeService, statement::Kind,
    submit_stream_response::Result as StreamResult,
};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream::FuturesOrdered};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Rooms, authorize, in_band, reasons::with_reason, record::AccessNote, replay::Refused, status,
};
use crate::{
    identity::Caller,
    intake::{IntakeError, OverlapFound, Submission},
    policy::Method,
    sequencer::{Coming, Proof, Recorded, SequencerError},
};

type Answer = Pin<Box<dyn Future<Output = (Result<RecordedStatement, Status>, Places)> + Send>>;
type Admission =
    Pin<Box<dyn Future<Output = (Result<Submission, Refused>, Option<Coming>, Places)> + Send>>;
/// Room for a statement and its answer among the bytes of a stream.
type Places = OwnedSemaphorePermit;

/// Bytes of one place.
const PLACE_BYTES: usize = 1024;
/// Places for what an answer has beyond the statement: receipt, salt, names.
const ANSWER_PLACES: usize = 2;

#[tonic::async_trait]
impl IntakeService for Rooms {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let caller = authorize(&request, Method::Submit)?;
        let note = AccessNote::of(&request);
        let SubmitRequest {
            signed_statement,
            known_tree_size,
        } = request.into_inner();
        if self.stopping.is_cancelled() {
            return Err(SequencerError::Stopping.into());
        }
        // Looked at first: after this, nothing that the caller sent can keep it from its receipt.
        self.log.check_size(known_tree_size)?;
        let (admitted, coming) = self.admit(&caller, signed_statement.clone()).await;
        let recorded = match admitted {
            Ok(submission) => {
                note.resource(submission.case.to_string());
                let outcome = self.sequencer.enqueue(submission).await?;
                drop(coming);
                outcome.await.unwrap_or(Err(SequencerError::Stopping))?
            }
            Err(error) => {
                drop(coming);
                let refused = Refused::new(error, &signed_statement);
                let (case, recorded) = self.recorded_before(&caller, refused).await?;
                note.resource(case.to_string());
                recorded
            }
        };
        let (recorded, tree_size) = self.with_receipt(&caller, recorded).await?;
        let consistency_proof = if known_tree_size == 0 {
            None
        } else {
            // A statement recorded long ago has a receipt that is older than what the caller knows.
            let (old, new) = (
                known_tree_size.min(tree_size),
                known_tree_size.max(tree_size),
            );
            self.read(caller, move |rooms| rooms.consistency_proof(old, new))
                .await?
        };
        Ok(Response::new(SubmitResponse {
            recorded: Some(recorded),
            consistency_proof,
        }))
    }

    type SubmitStreamStream =
        Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let caller = authorize(&request, Method::SubmitStream)?;
        let (answers, stream) = mpsc::channel(self.limits.stream_in_flight);
        let pump = Pump {
            rooms: self.clone(),
            caller,
            note: AccessNote::of(&request),
            answers,
            places: Arc::new(Semaphore::new(self.limits.stream_bytes / PLACE_BYTES)),
        };
        tokio::spawn(pump.run(request.into_inner()));
        // A statement's places are free again when its answer is taken, which a client that reads nothing never does.
        let answers = ReceiverStream::new(stream).map(|(answer, _places)| answer);
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Rooms {
    /// Checks a statement, on its way to the queue. Whether there is the overlap that one declares is found out here, on the readers'
    /// threads.
    async fn admit(
        &self,
        caller: &Caller,
        signed_statement: Bytes,
    ) -> (Result<Submission, IntakeError>, Coming) {
        let place = self.quotas.check(&caller.principal.agency).await;
        let coming = self.sequencer.announce();
        let admitted = self.intake.admit(caller, signed_statement);
        drop(place);
        let mut submission = match admitted {
            Ok(submission) => submission,
            refused => return (refused, coming),
        };
        if !matches!(submission.statement.kind, Some(Kind::OverlapDeclaration(_))) {
            return (Ok(submission), coming);
        }
        // No group waits for it meanwhile.
        drop(coming);
        submission.overlap = self.find_overlap(caller, &submission).await;
        (Ok(submission), self.sequencer.announce())
    }

    /// Looks for the overlap that a declaration names, once the table has reached the end of the log as it is now.
    async fn find_overlap(&self, caller: &Caller, submission: &Submission) -> OverlapFound {
        let Some(Kind::OverlapDeclaration(declaration)) = &submission.statement.kind else {
            return OverlapFound::NotAsked;
        };
        let wanted = self.log.newest().size;
        let behind = OverlapFound::Behind {
            position: self.table.position().min(wanted),
            wanted,
        };
        if self.table_reaches(wanted).await.is_err() {
            return behind;
        }
        let (case, id) = (submission.case.clone(), declaration.overlap.clone());
        let found = self.read(caller.clone(), move |rooms| {
            Ok(rooms.cases.knows_overlap(&case, &id)?)
        });
        match found.await {
            Ok(true) => OverlapFound::Yes,
            Ok(false) => OverlapFound::No,
            // No reader was free in time, or the disk failed, which is in the log.
            Err(_) => behind,
        }
    }

    /// What was recorded with its receipt, and the tree size of the receipt's checkpoint.
    async fn with_receipt(
        &self,
        caller: &Caller,
        recorded: Recorded,
    ) -> Result<(RecordedStatement, u64), Status> {
        let Recorded {
            position,
            record_time,
            entry,
            proof,
        } = recorded;
        let (receipt, tree_size, replayed) = match proof {
            Proof::Fresh(signed) => (signed.receipt(position)?, signed.extension.size(), false),
            Proof::Replayed => {
                let (receipt, tree_size) = self
                    .read(caller.clone(), move |rooms| {
                        Ok(rooms.receipts.original(position)?)
                    })
                    .await?;
                (receipt, tree_size, true)
            }
        };
        let recorded = RecordedStatement {
            position,
            record_time: Some(record_time),
            entry,
            receipt,
            replayed,
        };
        Ok((recorded, tree_size))
    }
}

/// Carries one stream: statements are checked side by side, queued in order and answered in order. What is in work at once
/// is bounded, and nothing more is read until there is room, which is what HTTP/2 flow control hands on to the client.
struct Pump {
    rooms: Rooms,
    caller: Caller,
    note: AccessNote,
    answers: mpsc::Sender<(Result<SubmitStreamResponse, Status>, Option<Places>)>,
    places: Arc<Semaphore>,
}

impl Pump {
    async fn run(self, mut requests: Streaming<SubmitStreamRequest>) {
        let window = self.rooms.limits.stream_in_flight;
        let mut admissions: FuturesOrdered<Admission> = FuturesOrdered::new();
        let mut answers: FuturesOrdered<Answer> = FuturesOrdered::new();
        let mut end: Option<Result<(), Status>> = None;
        let mut waiting: Option<SubmitStreamRequest> = None;
        loop {
            let room = admissions.len() + answers.len() < window;
            let wanted = waiting.as_ref().map_or(0, |request| self.wanted(request));
            tokio::select! {
                // Answers first: they make room.
                biased;
                Some((answer, places)) = answers.next(), if !answers.is_empty() => {
                    if answer.is_err() {
                        self.note.refused();
                    }
                    let response = SubmitStreamResponse { result: Some(into_result(answer)) };
                    if self.answers.send((Ok(response), Some(places))).await.is_err() {
                        // The client is gone. What is queued is recorded; it can ask again.
                        return;
                    }
                }
                Some((admitted, coming, places)) = admissions.next(), if !admissions.is_empty() => {
                    answers.push_back(self.enqueue(admitted, places).await);
                    drop(coming);
                }
                Ok(places) = Arc::clone(&self.places).acquire_many_owned(wanted), if waiting.is_some() => {
                    admissions.extend(waiting.take().map(|request| self.admit(request, places)));
                }
                // The client is gone, and would never take the answers that hold the places.
                () = self.answers.closed() => return,
                () = self.rooms.stopping.cancelled(), if end.is_none() => {
                    end = Some(Err(SequencerError::Stopping.into()));
                    waiting = None;
                }
                request = requests.next(), if end.is_none() && room && waiting.is_none() => match request {
                    Some(Ok(request)) => waiting = Some(request),
                    Some(Err(error)) => end = Some(Err(with_reason(error))),
                    None => end = Some(Ok(())),
                },
                else => break,
            }
            if end.is_some() && waiting.is_none() && admissions.is_empty() && answers.is_empty() {
                break;
            }
        }
        if let Some(Err(error)) = end {
            // The client may be gone already.
            drop(self.answers.send((Err(error), None)).await);
        }
    }

    /// Places that a statement takes; never more than there are.
    fn wanted(&self, request: &SubmitStreamRequest) -> u32 {
        let wanted = request.signed_statement.len() / PLACE_BYTES + 1 + ANSWER_PLACES;
        let most = self.rooms.limits.stream_bytes / PLACE_BYTES;
        u32::try_from(wanted.min(most)).unwrap_or(u32::MAX)
    }

    /// Checks on any core: signature verification is most of the work of a submission.
    fn admit(&self, request: SubmitStreamRequest, places: Places) -> Admission {
        let (rooms, caller) = (self.rooms.clone(), self.caller.clone());
        let check = tokio::spawn(async move {
            let signed_statement = request.signed_statement;
            let (admitted, coming) = rooms.admit(&caller, signed_statement.clone()).await;
            let admitted = admitted.map_err(|error| Refused::new(error, &signed_statement));
            (admitted, Some(coming))
        });
        Box::pin(check.map(|outcome| match outcome {
            Ok((admitted, coming)) => (admitted, coming, places),
            Err(error) => (Err(status::internal(&error).into()), None, places),
        }))
    }

    async fn enqueue(&self, admitted: Result<Submission, Refused>, places: Places) -> Answer {
        let queued = match admitted {
            Ok(submission) => {
                self.note.resource_of_many(&submission.case);
                Ok(self.rooms.sequencer.enqueue(submission).await)
            }
            Err(refused) => Err(refused),
        };
        let rooms = self.rooms.clone();
        let (caller, note) = (self.caller.clone(), self.note.clone());
        Box::pin(async move {
            let recorded = async {
                let recorded = match queued {
                    Ok(outcome) => outcome?.await.unwrap_or(Err(SequencerError::Stopping))?,
                    Err(refused) => {
                        let (case, recorded) = rooms.recorded_before(&caller, refused).await?;
                        note.resource_of_many(&case);
                        recorded
                    }
                };
                let (recorded, _) = rooms.with_receipt(&caller, recorded).await?;
                Ok(recorded)
            };
            (recorded.await, places)
        })
    }
}

fn into_result(answer: Result<RecordedStatement, Status>) -> StreamResult {
    match answer {
        Ok(recorded) => StreamResult::Recorded(recorded),
        Err(refused) => StreamResult::Error(in_band(&refused)),
    }
}
