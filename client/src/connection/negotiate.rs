//! The first exchange of a connection: which versions does the broker speak?
//!
//! We ask with our highest ApiVersions. A broker that does not know that version answers in version 0 with error 35,
//! usually naming its range: then the highest common version is asked on the same connection. A broker that closes the
//! connection instead is asked for version 0 on a new one.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::{Request, decode_response};
use mainstem_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use tokio::sync::mpsc;

use super::driver::Driver;
use super::{Connection, ConnectionError, ConnectionOptions, Dial, Shared};
use crate::runtime::{Instant, Spawn, now, until};

pub(super) async fn connect(
    dial: &dyn Dial,
    host: &str,
    port: u16,
    options: &ConnectionOptions,
    spawner: &dyn Spawn,
) -> Result<Connection, ConnectionError> {
    let deadline = now() + options.connect_timeout;
    let target = Target { dial, host, port, options, spawner, deadline };
    let newest = *ApiVersionsRequest::VERSIONS.end();
    let connection = target.open().await?;
    let versions = match ask(&connection, newest, deadline).await {
        Ok(versions) => versions,
        // Old brokers close on a version that they do not know.
        Err(ConnectionError::Closed { sent: true, .. }) if now() < deadline => {
            let connection = target.open().await?;
            let versions = ask(&connection, 0, deadline).await?;
            return finish(connection, versions);
        }
        Err(error) => return Err(error),
    };
    finish(connection, versions)
}

struct Target<'a> {
    dial: &'a dyn Dial,
    host: &'a str,
    port: u16,
    options: &'a ConnectionOptions,
    spawner: &'a dyn Spawn,
    deadline: Instant,
}

impl Target<'_> {
    async fn open(&self) -> Result<Connection, ConnectionError> {
        let address = format!("{}:{}", self.host, self.port);
        let failed = |source: io::Error| ConnectionError::Connect {
            address: address.clone(),
            source: Arc::new(source),
        };
        let stream = until(self.deadline, self.dial.dial(self.host, self.port))
            .await
            .ok_or_else(|| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        let (sender, receiver) = mpsc::channel(self.options.max_in_flight.max(1));
        let driver = Driver::new(stream, receiver, self.options);
        self.spawner.spawn("kafka-connection", Box::pin(driver.run()));
        let shared = Shared {
            address,
            client_id: self.options.client_id.clone(),
            versions: ApiVersionsResponse::default(),
        };
        Ok(Connection { queue: sender, shared: Arc::new(shared) })
    }
}

fn finish(connection: Connection, versions: ApiVersionsResponse) -> Result<Connection, ConnectionError> {
    if versions.error_code != ErrorCode::code(ErrorCode::None) {
        return Err(unsupported(&versions));
    }
    let shared = Shared {
        address: connection.shared.address.clone(),
        client_id: connection.shared.client_id.clone(),
        versions,
    };
    Ok(Connection { queue: connection.queue, shared: Arc::new(shared) })
}

async fn ask(
    connection: &Connection,
    version: i16,
    deadline: Instant,
) -> Result<ApiVersionsResponse, ConnectionError> {
    let answer = ask_once(connection, version, deadline).await?;
    if answer.error_code != ErrorCode::UnsupportedVersion.code() || version == 0 {
        return Ok(answer);
    }
    let offered = answer.api_keys.iter().find(|row| row.api_key == ApiKey::API_VERSIONS.code());
    let next = offered.map_or(0, |row| row.max_version).clamp(0, version - 1);
    ask_once(connection, next, deadline).await
}

async fn ask_once(
    connection: &Connection,
    version: i16,
    deadline: Instant,
) -> Result<ApiVersionsResponse, ConnectionError> {
    let request = ApiVersionsRequest {
        client_software_name: "mainstem-client".into(),
        client_software_version: env!("CARGO_PKG_VERSION").into(),
    };
    let frame = connection.exchange(&request, version, deadline).await?;
    // An "unsupported version" is always told in version 0, whatever was asked.
    let version = if error_code(&frame) == ErrorCode::UnsupportedVersion.code() { 0 } else { version };
    let (_, answer) = decode_response::<ApiVersionsResponse>(frame, version)
        .map_err(|error| ConnectionError::Decode { api: ApiVersionsRequest::KEY.name(), version, error })?;
    Ok(answer)
}

/// The error code at the front of every ApiVersions answer, behind the correlation id; 0 if it is too short.
fn error_code(frame: &Bytes) -> i16 {
    frame.get(4..).and_then(|body| body.first_chunk::<2>()).map_or(0, |code| i16::from_be_bytes(*code))
}

fn unsupported(versions: &ApiVersionsResponse) -> ConnectionError {
    let row = versions.api_keys.iter().find(|row| row.api_key == ApiKey::API_VERSIONS.code());
    ConnectionError::Unsupported {
        api: ApiVersionsRequest::KEY.name(),
        broker: row.map(|row| (row.min_version, row.max_version)),
        client: ApiVersionsRequest::VERSIONS.into_inner(),
    }
}
