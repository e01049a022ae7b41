//! Health over HTTP tells the truth at every point of a broker's life.

use super::house::{
    client, config, create_topic, fetch, free_address, get, put, ready, start, try_start, until,
};
use mainstem_broker::{Broker, StartError, StartOptions};
use mainstem_storage::fs::{DirEntry, File, FileLock, Fs, OpenMode, SimFs, Space};
use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex},
};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// A disk on which whoever opens a file of the topic `held` waits until it is released. Only the file that says which topic
/// a folder belongs to can be read: directories are searched by it.
#[derive(Debug)]
struct HeldFs {
    inner: SimFs,
    released: Arc<(Mutex<bool>, Condvar)>,
}

/// Releases when dropped, so that a test that fails does not wait for ever.
struct Hold(Arc<(Mutex<bool>, Condvar)>);

impl Drop for Hold {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl Fs for HeldFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let tells_the_topic = path.ends_with("partition.metadata");
        if !tells_the_topic && path.to_string_lossy().contains("/held-") {
            let (released, changed) = &*self.released;
            drop(changed.wait_while(released.lock().unwrap(), |released| !*released).unwrap());
        }
        self.inner.open(path, mode)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(dir)
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        self.inner.file_len(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_space(&self, path: &Path) -> io::Result<Space> {
        self.inner.free_space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        self.inner.lock(path)
    }
}

/// While a log is being opened the broker is alive, neither started nor ready, and says how far it is; then it is all three.
#[tokio::test(flavor = "multi_thread")]
async fn health_answers_while_logs_are_opened_and_becomes_ready_afterwards() {
    let disk = SimFs::new();
    let first = start(config(), disk.clone()).await;
    create_topic(&client(&first), "held", &[]).await;
    first.shutdown().await;

    let slow_disk = HeldFs { inner: disk, released: Arc::default() };
    let hold = Hold(Arc::clone(&slow_disk.released));
    let address = free_address();
    let mut config = config();
    config.admin.listen = Some(address);
    let starting = tokio::spawn(try_start(config, slow_disk));
    let body = until("recovery", async || {
        TcpStream::connect(address).await.ok()?;
        let (status, body) = get(address, "/health/startup").await;
        assert_eq!(status, 503);
        body.contains("\"logs_total\":1").then_some(body)
    })
    .await;
    assert_eq!(body, "{\"started\":false,\"logs_recovered\":0,\"logs_total\":1}");
    assert_eq!(get(address, "/health/live").await.0, 200);
    let (status, body) = get(address, "/health/ready").await;
    assert_eq!((status, body.contains("logs are being opened")), (503, true), "{body}");
    let (_, metrics) = get(address, "/metrics").await;
    assert!(metrics.contains("mainstem_broker_state 2\n"), "{metrics}");

    drop(hold);
    let broker = starting.await.unwrap().unwrap();
    let expected = "{\"started\":true,\"logs_recovered\":1,\"logs_total\":1}";
    assert_eq!(get(address, "/health/startup").await, (200, expected.to_owned()));
    assert_eq!(ready(&broker).await, (200, "{\"ready\":true,\"reasons\":[]}".to_owned()));
    let (status, body) = get(address, "/v1/cluster/health").await;
    assert!(
        status == 200 && body.contains("\"is_healthy\":true") && body.contains("\"all_nodes\":[1]"),
        "{body}"
    );
    broker.shutdown().await;
}

/// Readiness falls before connections are cut, and HTTP answers until the drain is over: a request that waits keeps the
/// broker draining for as long as the test looks.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_falls_first_when_the_broker_drains() {
    let broker = start(config(), SimFs::new()).await;
    let admin = broker.admin_address().unwrap();
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "quiet", &[]).await;
    let fetching = kafka.clone();
    let waiting = tokio::spawn(async move { fetch(&fetching, topic, 2_000).await });
    until("a waiting fetch", async || {
        get(admin, "/metrics").await.1.contains("mainstem_waiting_requests{op=\"fetch\"} 1").then_some(())
    })
    .await;
    let stopping = tokio::spawn(broker.shutdown());
    let body = until("draining", async || {
        let (status, body) = get(admin, "/health/ready").await;
        (status == 503).then_some(body)
    })
    .await;
    assert_eq!(body, "{\"ready\":false,\"reasons\":[\"draining\"]}");
    assert_eq!(get(admin, "/health/live").await.0, 200, "a draining broker is alive");
    assert!(waiting.await.unwrap().unwrap().is_empty(), "what was in flight is answered");
    stopping.await.unwrap();
    assert!(TcpStream::connect(admin).await.is_err(), "HTTP ends with the broker");
}

/// Levels of log lines reach the program that owns them, and its refusals the caller.
#[tokio::test(flavor = "multi_thread")]
async fn log_levels_are_handed_to_the_program() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heard);
    let set_log_level: mainstem_broker::admin::SetLogLevel = Arc::new(move |target, level| {
        noted.lock().unwrap().push(format!("{target}={}", level.unwrap_or_default()));
        if target == "bad" { Err("no such target".to_owned()) } else { Ok(()) }
    });
    let options = StartOptions { fs: Arc::new(SimFs::new()), set_log_level, ..StartOptions::default() };
    let broker = Broker::start_with(config(), options).await.unwrap();
    let admin = broker.admin_address().unwrap();
    let body = "{\"target\":\"mainstem::net\",\"level\":\"debug\"}";
    assert_eq!(put(admin, "/v1/loggers", body).await.0, 204);
    let (status, body) = put(admin, "/v1/loggers", "{\"target\":\"bad\",\"level\":\"debug\"}").await;
    assert_eq!((status, body.contains("no such target")), (400, true));
    assert_eq!(*heard.lock().unwrap(), ["mainstem::net=debug", "bad=debug"]);
    broker.shutdown().await;
}

/// An address in use stops the start before anything is changed.
#[tokio::test(flavor = "multi_thread")]
async fn an_admin_address_in_use_stops_the_start_before_anything_is_changed() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let disk = SimFs::new();
    let mut config = config();
    config.admin.listen = Some(taken.local_addr().unwrap());
    let error = try_start(config, disk.clone()).await.err().unwrap();
    assert!(matches!(error, StartError::Admin { .. }), "{error}");
    assert!(error.to_string().contains("mainstem.admin.listen"), "{error}");
    assert_eq!(disk.calls(), 0);
}

/// A broker without an address for HTTP serves without it.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_there_is_no_http() {
    let mut config = config();
    config.admin.listen = None;
    let broker = start(config, SimFs::new()).await;
    assert_eq!(broker.admin_address(), None);
    let mut stream = TcpStream::connect(broker.addresses()[0]).await.unwrap();
    broker.shutdown().await;
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "the listener was there");
}
