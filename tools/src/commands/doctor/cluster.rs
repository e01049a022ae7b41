//! The way from here to a cluster, step by step, and what the cluster says of itself.
//!
//! For each address to start from: name, connection, versions, metadata. Then every address that the brokers advertise is
//! dialled in the same way, since that is where clients go; most clusters that "do not work from there" fail here.

use super::{Finding, Status};
use crate::clock::{now, until};
use mainstem_client::{Kafka, cluster::Metadata};
use mainstem_protocol::api::ApiKey;
use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};
use tokio::net::{TcpStream, lookup_host};

/// Longest wait for one step.
const STEP_LIMIT: Duration = Duration::from_secs(5);
/// Free space of a broker's disk, in percent.
const FREE_PERCENT: u64 = 15;

/// What was seen of a cluster.
pub(super) struct Seen {
    pub(super) findings: Vec<Finding>,
    /// Whether the way to it leads to this machine itself.
    pub(super) is_local: bool,
}

pub(super) async fn look(kafka: &Kafka) -> Seen {
    let mut findings = Vec::new();
    let mut known: Option<Arc<Metadata>> = None;
    let mut local = true;
    for (host, port) in &kafka.config().cluster.bootstrap {
        let step = dial(&format!("bootstrap {host}:{port}"), host, *port, None).await;
        local &= is_here(host, &step.addresses);
        known = known.or(step.metadata);
        findings.extend(step.findings);
    }
    let Some(metadata) = known else { return Seen { findings, is_local: local } };
    for broker in &metadata.brokers {
        let check = format!("broker {} advertises {}:{}", broker.id, broker.host, broker.port);
        let step = dial(&check, &broker.host, broker.port, Some((&metadata, local))).await;
        findings.extend(step.findings);
    }
    findings.push(controller(&metadata));
    findings.push(partitions(kafka).await);
    // What follows asks every broker, and would only wait for those that cannot be reached.
    if findings.iter().all(|finding| finding.status != Status::Failed) {
        findings.push(versions(kafka).await);
        findings.extend(disks(kafka).await);
    }
    kafka.close().await;
    Seen { findings, is_local: local }
}

/// Whether a host is this machine, by its addresses, or by its name if it gave none.
fn is_here(host: &str, addresses: &[IpAddr]) -> bool {
    if addresses.is_empty() {
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    } else {
        addresses.iter().all(IpAddr::is_loopback)
    }
}

/// What a dialled address showed.
struct Dialled {
    findings: Vec<Finding>,
    addresses: Vec<IpAddr>,
    metadata: Option<Arc<Metadata>>,
}

/// Dials one address. `seen` = what the bootstrap address said, if this one is advertised, and whether that was on this
/// machine.
async fn dial(check: &str, host: &str, port: u16, seen: Option<(&Metadata, bool)>) -> Dialled {
    const REQUIRED: &str = "resolves, connects, answers";
    let failed = |found: String, fix: String| Dialled {
        findings: vec![Finding::new(check, Status::Failed, found, REQUIRED).fix(fix)],
        addresses: Vec::new(),
        metadata: None,
    };
    let advertised = format!(
        "on the broker: advertised.listeners=PLAINTEXT://NAME:{port} with a NAME that clients reach, or here: \
         echo \"ADDRESS {host}\" | sudo tee -a /etc/hosts"
    );
    let fix = |alone: &str| if seen.is_some() { advertised.clone() } else { alone.to_owned() };
    let addresses: Vec<_> = match until(now() + STEP_LIMIT, lookup_host((host, port))).await {
        None => {
            return failed(
                "its name is not resolved in time".into(),
                fix("check the name server of this machine"),
            );
        }
        Some(Err(error)) => {
            return failed(
                format!("its name does not resolve: {error}"),
                fix("check the spelling, or use an address"),
            );
        }
        Some(Ok(found)) => found.collect(),
    };
    let started = now();
    match until(now() + STEP_LIMIT, TcpStream::connect(&*addresses)).await {
        Some(Ok(_)) => {}
        Some(Err(error)) => {
            return failed(
                format!("no connection: {error}"),
                fix(
                    "is the broker running? mainstem serve -c FILE, or mainstem dev; else a firewall is in the way",
                ),
            );
        }
        None => return failed("no connection in time".into(), fix("a firewall drops packets to this port")),
    }
    let took = now() - started;
    let ips = addresses.iter().map(std::net::SocketAddr::ip).collect::<Vec<_>>();
    let asked = async {
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let kafka = Kafka::builder(&address).client_id("mainstem-doctor").call_timeout(STEP_LIMIT).build();
        let kafka = kafka.map_err(|error| error.to_string())?;
        let metadata = kafka.metadata(None).await.map_err(|error| error.to_string());
        kafka.close().await;
        metadata
    };
    let metadata = match asked.await {
        Ok(metadata) => metadata,
        Err(error) => {
            return failed(
                format!("connects, but does not speak Kafka's protocol in plain text: {error}"),
                "point to a PLAINTEXT listener of a broker; this client has no TLS".into(),
            );
        }
    };
    let found = format!(
        "{} in {:.1} ms",
        ips.first().map(ToString::to_string).unwrap_or_default(),
        took.as_secs_f64() * 1e3
    );
    let finding = match seen {
        Some((other, _)) if other.cluster_id != metadata.cluster_id => Finding::new(
            check,
            Status::Failed,
            format!("another cluster answers there: {:?}", metadata.cluster_id.as_deref().unwrap_or("no id")),
            "the same cluster",
        )
        .fix(advertised),
        Some((_, false)) if ips.iter().all(IpAddr::is_loopback) => Finding::new(
            check,
            Status::Failed,
            "a loopback address: clients on other machines end up on themselves",
            "an address that clients reach",
        )
        .fix(advertised),
        _ => Finding::new(check, Status::Ok, found, REQUIRED),
    };
    Dialled { findings: vec![finding], addresses: ips, metadata: Some(metadata) }
}

/// Whether all brokers speak the same versions, so that a client need not care which one it asks.
async fn versions(kafka: &Kafka) -> Finding {
    let (check, required) = ("API versions", "the same on all brokers, with Produce and Fetch");
    let failed = |found: String| Finding::new(check, Status::Failed, found, required);
    let found = match kafka.admin().api_versions().await {
        Ok(found) => found,
        Err(error) => {
            return failed(error.to_string()).fix("mainstem broker api-versions shows what each says");
        }
    };
    let mut kinds = BTreeSet::new();
    let mut words = String::new();
    for (id, versions) in found {
        let rows = match versions {
            Ok(versions) => versions.versions.api_keys,
            Err(error) => {
                return failed(format!("broker {id}: {error}")).fix("see the finding of its address");
            }
        };
        let range = |key: ApiKey| {
            let row = rows.iter().find(|row| row.api_key == key.code());
            row.map_or("none".to_owned(), |row| format!("{}-{}", row.min_version, row.max_version))
        };
        words = format!(
            "{} APIs, Produce {}, Fetch {}",
            rows.len(),
            range(ApiKey::PRODUCE),
            range(ApiKey::FETCH)
        );
        let mut all: Vec<_> =
            rows.iter().map(|row| (row.api_key, row.min_version, row.max_version)).collect();
        all.sort_unstable();
        kinds.insert(all);
    }
    if kinds.len() <= 1 {
        Finding::new(check, Status::Ok, words, required)
    } else {
        Finding::new(check, Status::Warning, format!("{} different sets", kinds.len()), required)
            .fix("finish the upgrade: mainstem broker api-versions shows who is behind")
    }
}

fn controller(metadata: &Metadata) -> Finding {
    let (check, required) = ("controller", "one that is alive");
    match metadata.controller_id {
        Some(id) => Finding::new(check, Status::Ok, format!("broker {id} answers for it"), required),
        None => Finding::new(check, Status::Failed, "none", required)
            .fix("look at the logs of the controller nodes: a majority of them must run"),
    }
}

async fn partitions(kafka: &Kafka) -> Finding {
    let (check, required) = ("partitions", "each with a leader and all replicas in sync");
    let topics = match kafka.metadata(None).await {
        Ok(metadata) => metadata,
        Err(error) => {
            return Finding::new(check, Status::Failed, error.to_string(), required)
                .fix("mainstem topic list");
        }
    };
    let (mut count, mut leaderless, mut behind) = (0_usize, Vec::new(), Vec::new());
    for topic in topics.topics() {
        for partition in &topic.partitions {
            count += 1;
            if partition.leader.is_none() {
                leaderless.push(format!("{}-{}", topic.name, partition.index));
            } else if partition.in_sync_replicas.len() < partition.replicas.len() {
                behind.push(format!("{}-{}", topic.name, partition.index));
            }
        }
    }
    let some = |list: &[String]| list.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if !leaderless.is_empty() {
        let found = format!("{} of {count} without a leader: {}", leaderless.len(), some(&leaderless));
        Finding::new(check, Status::Failed, found, required)
            .fix("start the brokers that hold them: mainstem topic describe TOPIC names their replicas")
    } else if !behind.is_empty() {
        let found = format!("{} of {count} with a replica behind: {}", behind.len(), some(&behind));
        Finding::new(check, Status::Warning, found, required)
            .fix("mainstem topic describe TOPIC names who is missing")
    } else {
        Finding::new(check, Status::Ok, format!("{count}, all in sync"), required)
    }
}

async fn disks(kafka: &Kafka) -> Vec<Finding> {
    let required = "healthy, at least 15 % free";
    let brokers = match kafka.admin().describe_log_directories().await {
        Ok(brokers) => brokers,
        Err(error) => {
            return vec![Finding::new("log directories", Status::Skipped, error.to_string(), required)];
        }
    };
    let mut findings = Vec::new();
    for (id, directories) in brokers {
        let directories = match directories {
            Ok(directories) => directories,
            Err(error) => {
                let check = format!("broker {id}: log directories");
                findings.push(Finding::new(check, Status::Skipped, error.to_string(), required));
                continue;
            }
        };
        for directory in directories {
            let check = format!("broker {id}: {}", directory.path);
            findings.push(match (directory.error, directory.total_bytes, directory.usable_bytes) {
                (Some(error), ..) => Finding::new(check, Status::Failed, error.to_string(), required)
                    .fix("the broker's log says why it failed; after the repair, restart the broker"),
                (None, Some(total), Some(usable)) if 0 < total => {
                    let percent = usable.saturating_mul(100) / total;
                    let status = if percent < FREE_PERCENT { Status::Warning } else { Status::Ok };
                    Finding::new(check, status, format!("{percent} % free"), required).fix(
                        "mainstem topic config set TOPIC retention.ms=.. makes room; so does a larger disk",
                    )
                }
                _ => Finding::new(check, Status::Ok, "healthy; it does not say how full", required),
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_broker::{
        Broker, RunningBroker,
        config::{BrokerConfig, HostPort},
    };

    /// A broker in this process, and what is seen of it. `advertised` = where it sends its clients.
    async fn seen(advertised: Option<(&str, u16)>) -> Vec<Finding> {
        let home = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::in_process(home.path());
        if let Some((host, port)) = advertised {
            config.listeners.clients[0].advertised = Some(HostPort::new(host, port));
        }
        let broker: RunningBroker = Broker::start(config).await.unwrap();
        let kafka = Kafka::builder(&broker.addresses()[0].to_string()).build().unwrap();
        let seen = look(&kafka).await;
        assert!(seen.is_local);
        broker.shutdown().await;
        seen.findings
    }

    #[tokio::test]
    async fn a_healthy_broker_has_no_failed_finding() {
        let findings = seen(None).await;
        for check in ["bootstrap", "broker 1 advertises", "API versions", "controller", "partitions"] {
            let finding = findings.iter().find(|finding| finding.check.starts_with(check)).unwrap();
            assert_eq!(finding.status, Status::Ok, "{finding:?}");
        }
    }

    #[tokio::test]
    async fn an_advertised_address_that_leads_nowhere_is_named_with_its_fix() {
        let findings = seen(Some(("broker.invalid", 9092))).await;
        let of = |start: &str| findings.iter().find(|finding| finding.check.starts_with(start)).unwrap();
        assert_eq!(of("bootstrap").status, Status::Ok);
        let advertised = of("broker 1 advertises broker.invalid:9092");
        assert_eq!(advertised.status, Status::Failed);
        assert!(advertised.fix.as_ref().unwrap().contains("advertised.listeners"), "{advertised:?}");
    }

    #[tokio::test]
    async fn a_server_that_is_no_broker_is_told_from_a_closed_port() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hang_up = async {
            loop {
                drop(listener.accept().await);
            }
        };
        let no_broker = tokio::select! {
            step = dial("x", "127.0.0.1", port, None) => step,
            () = hang_up => unreachable!(),
        };
        drop(listener);
        assert!(no_broker.findings[0].found.starts_with("connects, but"), "{:?}", no_broker.findings);
        let closed = dial("x", "127.0.0.1", port, None).await;
        assert!(closed.findings[0].found.starts_with("no connection"), "{:?}", closed.findings);
    }
}
