//! The life of the HTTP server: bind before the start (an address in use stops it), serve, end in order.
//!
//! Above: `broker`. Below: `routes`, `connections`, `env`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::connections::LimitedListener;
use super::log_levels::{LogLevels, SetLogLevel};
use super::routes::{Context, Peer, router};
use super::view::View;
use crate::env::Env;
use crate::telemetry::Telemetry;

/// A bound HTTP server that does not answer yet.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Takes the address, so that one in use is an error before anything else starts.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens, with the port that it really got.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the stop signal of `env.tasks`; then finishes the requests it has and ends.
    ///
    /// Give it tasks of its own if it shall still say "not ready" while the rest drains.
    pub fn start(self, env: &Env, telemetry: &Telemetry, view: Arc<dyn View>, set_log_level: SetLogLevel) {
        let log_levels = LogLevels::new(set_log_level, env.clone());
        let context = Context::new(view, telemetry.clone(), log_levels, env.tasks.clone());
        let service = router(context).into_make_service_with_connect_info::<Peer>();
        let listener = LimitedListener::new(self.listener, env.clock.clone());
        let mut stop = env.tasks.stop_signal();
        env.tasks.spawn("admin HTTP", async move {
            let served =
                axum::serve(listener, service).with_graceful_shutdown(async move { stop.given().await });
            if let Err(error) = served.await {
                tracing::error!(target: "mainstem::net", %error, "the HTTP server ended");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::super::view::{ClusterHealth, Liveness, Readiness, StartUp};
    use super::*;
    use crate::config::BrokerConfig;
    use crate::telemetry::{BuildInfo, StateSnapshot};

    struct Recovering;

    impl View for Recovering {
        fn liveness(&self) -> Liveness {
            Liveness { live: true }
        }

        fn readiness(&self) -> Readiness {
            Readiness { ready: false, reasons: vec!["logs are being recovered".to_owned()] }
        }

        fn start_up(&self) -> StartUp {
            StartUp { started: false, logs_recovered: 120, logs_total: 900 }
        }

        fn cluster_health(&self) -> ClusterHealth {
            ClusterHealth {
                is_healthy: true,
                controller_id: Some(1),
                all_nodes: vec![1],
                ..ClusterHealth::default()
            }
        }

        fn state(&self) -> StateSnapshot {
            StateSnapshot::default()
        }
    }

    /// A server on a free port; log levels other than `debug` are refused.
    async fn started() -> (Env, SocketAddr) {
        let env = Env::system("test");
        let build = BuildInfo { version: "1", revision: "", rustc: "" };
        let telemetry = Telemetry::new(build, BrokerConfig::default().metrics);
        let server = AdminServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address();
        let set: SetLogLevel = Arc::new(|_, level| match level {
            Some("debug") | None => Ok(()),
            Some(other) => Err(format!("`{other}` is no level")),
        });
        server.start(&env, &telemetry, Arc::new(Recovering), set);
        (env, address)
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        ask(address, &format!("GET {path} HTTP/1.1\nhost: localhost\nconnection: close\n\n")).await
    }

    async fn stop(env: &Env) {
        env.tasks.shutdown(&env.clock, env.clock.now().after(Duration::from_secs(30))).await;
    }

    fn check(answer: &str, status: &str, part: &str) {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(part), "{answer}");
    }

    #[tokio::test]
    async fn health_tells_live_from_ready_from_started() {
        let (env, address) = started().await;
        for path in ["/health/live", "/livez"] {
            check(&get(address, path).await, "200", "{\"live\":true}");
        }
        for path in ["/health/ready", "/readyz", "/v1/status/ready"] {
            let expected = "{\"ready\":false,\"reasons\":[\"logs are being recovered\"]}";
            check(&get(address, path).await, "503", expected);
        }
        let expected = "{\"started\":false,\"logs_recovered\":120,\"logs_total\":900}";
        check(&get(address, "/health/startup").await, "503", expected);
        check(&get(address, "/v1/cluster/health").await, "200", "\"is_healthy\":true");
        stop(&env).await;
    }

    #[tokio::test]
    async fn metrics_are_served_as_prometheus_text() {
        let (env, address) = started().await;
        let answer = get(address, "/metrics").await;
        check(&answer, "200", "content-type: text/plain; version=0.0.4");
        check(&answer, "200", "mainstem_broker_state 0");
        stop(&env).await;
    }

    #[tokio::test]
    async fn unknown_paths_and_foreign_hosts_are_refused() {
        let (env, address) = started().await;
        check(&get(address, "/v1/nothing").await, "404", "no such path");
        let foreign = |path: &str| format!("GET {path} HTTP/1.1\nhost: evil.example\nconnection: close\n\n");
        check(&ask(address, &foreign("/v1/cluster/health")).await, "403", "only from this machine");
        check(&ask(address, &foreign("/v1/nothing")).await, "403", "only from this machine");
        check(&ask(address, &foreign("/health/live")).await, "200", "live");
        check(
            &ask(address, "DELETE /metrics HTTP/1.1\nhost: localhost\nconnection: close\n\n").await,
            "405",
            "",
        );
        stop(&env).await;
    }

    #[tokio::test]
    async fn log_levels_are_set_by_json_from_this_machine() {
        let (env, address) = started().await;
        let put = |host: &str, content_type: &str, body: &str| {
            format!(
                "PUT /v1/loggers HTTP/1.1\nhost: {host}\ncontent-type: {content_type}\ncontent-length: {}\nconnection: close\n\n{body}",
                body.len()
            )
        };
        let good = "{\"target\":\"mainstem::net\",\"level\":\"debug\",\"for_seconds\":60}";
        check(&ask(address, &put("localhost", "application/json", good)).await, "204", "");
        check(&ask(address, &put("localhost", "text/plain", good)).await, "415", "error");
        check(&ask(address, &put("evil.example", "application/json", good)).await, "403", "");
        let bad = "{\"target\":\"mainstem::net\",\"level\":\"loud\"}";
        check(&ask(address, &put("localhost", "application/json", bad)).await, "400", "`loud` is no level");
        let long = format!("{{\"target\":\"{}\"}}", "x".repeat(70_000));
        check(&ask(address, &put("localhost", "application/json", &long)).await, "413", "");
        stop(&env).await;
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error_before_the_start() {
        let (env, address) = started().await;
        let error = AdminServer::bind(address).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        stop(&env).await;
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_idle_connections() {
        let (env, address) = started().await;
        let idle = TcpStream::connect(address).await.unwrap();
        check(&get(address, "/livez").await, "200", "");
        stop(&env).await;
        assert_eq!(env.tasks.running(), 0);
        drop(idle);
    }
}
