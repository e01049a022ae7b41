//! Why a key has no effect or is refused: one sentence each, shown by `config check` and `config explain`.

pub(super) const THREADS: &str = "work runs on one shared runtime; there is no such pool to size";
pub(super) const PURGATORY: &str =
    "waiting requests register and leave by themselves; nothing is cleared in bulk";
pub(super) const QUEUES: &str = "requests are bounded for each connection and by queued.max.request.bytes";
pub(super) const CLUSTER: &str = "one node is the whole cluster";
pub(super) const SHUTDOWN: &str = "a stop always drains and flushes before it ends";
pub(super) const SNAPSHOTS: &str = "the metadata log is cut by snapshots, one for every 10,000 entries";
pub(super) const READY: &str = "every listener opens when the node is ready";
pub(super) const ONE_DIR: &str = "one folder of partition data is served";
pub(super) const JITTER: &str = "segments are rolled at their own time";
pub(super) const CHECKPOINTS: &str =
    "durable bounds are written every second, checkpoints every five, whenever they have moved";
pub(super) const ALLOCATE: &str = "space is always reserved ahead of the writes, in steps";
pub(super) const TRIM: &str = "a log start offset is written before its change is answered";
pub(super) const RECOMPRESS: &str = "batches are kept as the producer compressed them";
pub(super) const QUOTA: &str = "quotas are not served";
pub(super) const JMX: &str = "there is no Java runtime; metrics are served over HTTP (mainstem.admin.listen)";
pub(super) const TELEMETRY: &str = "clients are not asked to push metrics";
pub(super) const LINGER: &str = "each decision is written at once; flushes gather by themselves";
pub(super) const BUFFERS: &str = "no buffer is kept between writes";
pub(super) const PROTOCOLS: &str = "classic and consumer groups are served, whatever is listed";
pub(super) const STREAMS: &str = "streams groups are not served";
pub(super) const SHARE: &str = "share groups are not served";
pub(super) const TRANSACTIONS: &str = "transactions are not served";
pub(super) const REMOTE: &str = "records are kept in local files only";
pub(super) const TLS: &str = "listeners are PLAINTEXT only; one with TLS is refused";
pub(super) const SASL: &str = "listeners are PLAINTEXT only; one with SASL is refused";
pub(super) const KERBEROS: &str = "Kerberos is not served; a listener with SASL is refused";
pub(super) const OAUTH: &str = "OAUTHBEARER is not served; a listener with SASL is refused";
pub(super) const TOKENS: &str = "delegation tokens are not served";
pub(super) const THROTTLE: &str = "there is no replication traffic to throttle";

pub(super) const PROVIDERS: &str =
    "values would stay unresolved; use an environment variable that ends in _FILE for a secret";
pub(super) const POLICY: &str = "a policy class cannot be loaded, and without it everything would be allowed";
pub(super) const SELECTOR: &str = "a class that picks replicas cannot be loaded";
pub(super) const QUOTA_CLASS: &str =
    "a quota class cannot be loaded, and without it nothing would be limited";
pub(super) const REMOTE_ON: &str =
    "remote storage is not served, and records meant for it would be deleted instead";
pub(super) const AUTHORIZER: &str = "authorisation is not served, and without it everyone may do everything";
pub(super) const PRINCIPAL: &str = "a class that names users cannot be loaded";
pub(super) const PLUGIN: &str = "classes of a Java runtime cannot be loaded";
pub(super) const CLIENT_AUTH: &str =
    "client certificates cannot be checked, since listeners are PLAINTEXT only";
