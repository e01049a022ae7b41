//! A scripted broker on in-memory pipes, for tests: exact answers, exact faults, virtual time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::header::RequestHeader;
use mainstem_protocol::message::{Request, Response, encode_response};
use mainstem_protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use mainstem_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use mainstem_protocol::model::TopicId;
use mainstem_protocol::wire::Reader;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::connection::{ByteStream, Dial};
use crate::runtime::{Spawn, Tasks, now, sleep_until};

/// A request that arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) header: RequestHeader,
    /// Port that the client dialled: tells brokers of one cluster apart.
    pub(crate) port: u16,
    frame: Bytes,
}

impl Arrived {
    pub(crate) fn key(&self) -> ApiKey {
        ApiKey::known(self.header.request_api_key).unwrap()
    }

    /// The body as a request of this API.
    pub(crate) fn body<R: Request>(&self) -> R {
        let mut reader = Reader::response(self.frame.clone());
        RequestHeader::decode(&mut reader).unwrap();
        R::decode(&mut reader, self.header.request_api_version).unwrap()
    }
}

/// What the broker does with a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// These bytes go out as they are.
    Bytes(Bytes),
    /// So do these, after a while in which the connection does nothing else.
    Late(Duration, Bytes),
    /// Nothing is answered.
    Silence,
    /// The connection closes.
    Close,
}

impl Reply {
    pub(crate) fn to<R: Response>(request: &Arrived, response: &R) -> Self {
        let header = &request.header;
        let encoded = encode_response(header.correlation_id, header.request_api_version, response).unwrap();
        Self::Bytes(encoded.into_contiguous().unwrap())
    }
}

type Script = Box<dyn FnMut(&Arrived) -> Reply + Send>;

/// Where a fake broker is reached. Every name and port leads to it; the script sees all requests.
pub(crate) struct FakeBroker {
    script: Arc<Mutex<Script>>,
    pub(crate) tasks: Tasks,
    connections: Mutex<usize>,
    /// Results of the next dials; none left = success.
    pub(crate) refusals: Mutex<VecDeque<io::ErrorKind>>,
}

impl std::fmt::Debug for FakeBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeBroker")
    }
}

impl FakeBroker {
    /// A broker that answers as `script` says.
    pub(crate) fn new(script: impl FnMut(&Arrived) -> Reply + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Arc::new(Mutex::new(Box::new(script))),
            tasks: Tasks::default(),
            connections: Mutex::new(0),
            refusals: Mutex::default(),
        })
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock()
    }
}

impl Dial for FakeBroker {
    fn dial<'a>(&'a self, _host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            if let Some(kind) = self.refusals.lock().pop_front() {
                return Err(kind.into());
            }
            *self.connections.lock() += 1;
            let (ours, theirs) = duplex(1 << 20);
            self.tasks.spawn("fake", Box::pin(serve(ours, port, Arc::clone(&self.script))));
            let stream: Box<dyn ByteStream> = Box::new(theirs);
            Ok(stream)
        })
    }
}

async fn serve(mut stream: DuplexStream, port: u16, script: Arc<Mutex<Script>>) {
    while let Ok(length) = stream.read_i32().await {
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let frame = Bytes::from(frame);
        let header = RequestHeader::decode(&mut Reader::response(frame.clone())).unwrap();
        let reply = (script.lock())(&Arrived { header, port, frame });
        match reply {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Late(wait, bytes) => {
                sleep_until(now() + wait).await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Silence => {}
            Reply::Close => return,
        }
    }
}

/// An ApiVersions answer that offers all that we can speak of `keys`.
pub(crate) fn versions(keys: &[ApiKey]) -> ApiVersionsResponse {
    let api_keys = keys.iter().map(|key| ApiVersion {
        api_key: key.code(),
        min_version: *key.versions().unwrap().start(),
        max_version: *key.versions().unwrap().end(),
    });
    ApiVersionsResponse { api_keys: api_keys.collect(), ..ApiVersionsResponse::default() }
}

/// Answers ApiVersions, and Metadata with node 1 and one topic `t` of `partitions` partitions that it leads.
pub(crate) fn basics(request: &Arrived, keys: &[ApiKey], partitions: i32) -> Option<Reply> {
    if request.key() == ApiVersionsRequest::KEY {
        return Some(Reply::to(request, &versions(keys)));
    }
    if request.key() != MetadataRequest::KEY {
        return None;
    }
    let topics = request.body::<MetadataRequest>().topics.unwrap_or_default();
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        leader_epoch: 3,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..MetadataResponsePartition::default()
    };
    let topics = topics.into_iter().map(|topic| {
        let known = topic.name.as_ref().is_some_and(|name| *name == "t");
        MetadataResponseTopic {
            error_code: if known { 0 } else { 3 },
            name: topic.name,
            topic_id: TopicId([7; 16]),
            partitions: if known { (0..partitions).map(partition).collect() } else { Vec::new() },
            ..MetadataResponseTopic::default()
        }
    });
    Some(Reply::to(
        request,
        &MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: "fake".into(),
                port: 9092,
                ..MetadataResponseBroker::default()
            }],
            controller_id: 1,
            topics: topics.collect(),
            ..MetadataResponse::default()
        },
    ))
}
