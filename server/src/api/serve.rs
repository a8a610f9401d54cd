//! Puts the services on HTTP/2, every limit set explicitly.

use std::{io, sync::Arc, time::Duration};

use casebroker_proto::{
    FILE_DESCRIPTOR_SET, MAX_MESSAGE_BYTES,
    encoded::{
        case_service_server::CaseServiceServer,
        subscription_service_server::SubscriptionServiceServer,
    },
    v1::{
        access_service_server::AccessServiceServer, intake_service_server::IntakeServiceServer,
        log_service_server::LogServiceServer, registry_service_server::RegistryServiceServer,
        statistics_service_server::StatisticsServiceServer,
    },
};
use tokio::sync::mpsc;
use tonic::transport::Server;

use super::{
    Rooms,
    doorway::OnlyGrpc,
    quota::{QuotaLayer, admitted},
    reasons::ReasonsLayer,
    record::RecordLayer,
};
use crate::identity::Connection;

/// Serves until the rooms are told to stop and every call in work has ended.
pub async fn serve(
    rooms: Rooms,
    connections: mpsc::Receiver<io::Result<Connection>>,
) -> anyhow::Result<()> {
    let limits = &rooms.limits;
    let record = RecordLayer::new(
        Arc::clone(&rooms.record),
        rooms.policy.require_purpose.clone(),
        Duration::from_secs(limits.call_timeout_s),
        &[
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ],
    )?;
    let mut server = Server::builder()
        // What is no call leaves no line.
        .layer(OnlyGrpc)
        // Before all else: what is put inside leaves its line as well.
        .layer(record)
        .accept_http1(false)
        .max_concurrent_streams(limits.calls_per_connection)
        .http2_max_header_list_size(limits.header_bytes)
        .http2_max_pending_accept_reset_streams(Some(limits.pending_resets))
        .http2_max_local_error_reset_streams(Some(limits.error_resets))
        .initial_connection_window_size(limits.connection_window_bytes)
        .initial_stream_window_size(limits.stream_window_bytes)
        .http2_keepalive_interval(Some(Duration::from_secs(limits.keepalive_interval_s)))
        .http2_keepalive_timeout(Some(Duration::from_secs(limits.keepalive_timeout_s)))
        .layer(ReasonsLayer {
            call_timeout: Duration::from_secs(limits.call_timeout_s),
        })
        .layer(QuotaLayer(Arc::clone(&rooms.quotas)));
    let connections = admitted(Arc::clone(&rooms.quotas), connections);

    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter
        .set_serving::<IntakeServiceServer<Rooms>>()
        .await;
    health_reporter
        .set_serving::<CaseServiceServer<Rooms>>()
        .await;
    health_reporter
        .set_serving::<LogServiceServer<Rooms>>()
        .await;
    health_reporter
        .set_serving::<RegistryServiceServer<Rooms>>()
        .await;
    health_reporter
        .set_serving::<AccessServiceServer<Rooms>>()
        .await;
    health_reporter
        .set_serving::<StatisticsServiceServer<Rooms>>()
        .await;
    health_reporter
        .set_serving::<SubscriptionServiceServer<Rooms>>()
        .await;

    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let stopping = rooms.stopping.clone();
    let query_bytes = limits.query_bytes;
    server
        .add_service(health)
        .add_service(descriptors().build_v1()?)
        // Older clients, grpcurl among them, ask by the older name.
        .add_service(descriptors().build_v1alpha()?)
        .add_service(
            IntakeServiceServer::new(rooms.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(CaseServiceServer::new(rooms.clone()).max_decoding_message_size(query_bytes))
        .add_service(LogServiceServer::new(rooms.clone()).max_decoding_message_size(query_bytes))
        .add_service(
            StatisticsServiceServer::new(rooms.clone()).max_decoding_message_size(query_bytes),
        )
        .add_service(
            SubscriptionServiceServer::new(rooms.clone()).max_decoding_message_size(query_bytes),
        )
        .add_service(AccessServiceServer::new(rooms.clone()).max_decoding_message_size(query_bytes))
        .add_service(RegistryServiceServer::new(rooms).max_decoding_message_size(query_bytes))
        .serve_with_incoming_shutdown(connections, stopping.cancelled_owned())
        .await?;
    Ok(())
}
