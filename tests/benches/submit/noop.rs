//! A service that does nothing, behind the broker's own TLS listener and with the broker's own HTTP/2 settings: the ceiling
//! that the broker is held against. Each answer has the size of a real one.

use std::{path::PathBuf, pin::Pin, sync::Arc};

use casebroker_proto::v1::{
    RecordedStatement, SubmitRequest, SubmitResponse, SubmitStreamRequest, SubmitStreamResponse,
    intake_service_server::{IntakeService, IntakeServiceServer},
    submit_stream_response::Result as StreamResult,
};
use casebroker_server::{
    api::admitted,
    config::Config,
    identity::{Listener, Members, Registry},
    policy::quotas::{Quotas, Time},
};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};

struct Nothing {
    receipt: String,
}

impl Nothing {
    fn recorded(&self, signed_statement: bytes::Bytes) -> RecordedStatement {
        RecordedStatement {
            entry: signed_statement,
            receipt: self.receipt.clone(),
            ..Default::default()
        }
    }
}

#[tonic::async_trait]
impl IntakeService for Nothing {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let recorded = Some(self.recorded(request.into_inner().signed_statement));
        Ok(Response::new(SubmitResponse {
            recorded,
            consistency_proof: None,
        }))
    }

    type SubmitStreamStream =
        Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let receipt = self.receipt.clone();
        let answers = request.into_inner().map(move |request| {
            let nothing = Nothing {
                receipt: receipt.clone(),
            };
            let recorded = nothing.recorded(request?.signed_statement);
            Ok(SubmitStreamResponse {
                result: Some(StreamResult::Recorded(recorded)),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Serves until killed; writes its address to a file as the broker does.
pub async fn serve(config: PathBuf, address_file: PathBuf) -> anyhow::Result<()> {
    let config = Config::load(&config)?;
    let registry = Arc::new(Registry::new(Members::load(&config)?));
    let listener = Listener::bind(config.listen, &config.tls, registry, &config.limits).await?;
    let draft = address_file.with_extension("new");
    std::fs::write(&draft, format!("{}\n", listener.address()))?;
    std::fs::rename(&draft, &address_file)?;
    let limits = &config.limits;
    let connections = listener.run(CancellationToken::new());
    let quotas = Arc::new(Quotas::new(&config.quotas, Time::real()));
    // A receipt in a tree of a hundred thousand is about this long.
    let nothing = Nothing {
        receipt: "x".repeat(1_050),
    };
    Server::builder()
        .max_concurrent_streams(limits.calls_per_connection)
        .initial_connection_window_size(limits.connection_window_bytes)
        .initial_stream_window_size(limits.stream_window_bytes)
        .add_service(IntakeServiceServer::new(nothing))
        .serve_with_incoming(admitted(quotas, connections))
        .await?;
    Ok(())
}
