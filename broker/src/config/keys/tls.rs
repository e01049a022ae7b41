//! TLS and authorisation; listeners with TLS are refused, so these do nothing by themselves.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::OneOf;
use super::key::ValueType::{Class, Password, String};
use super::key::{Key, boolean, class, list, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    string("authorizer.class.name", "")
        .refused(reasons::AUTHORIZER)
        .doc("Class that decides who may do what."),
    class(
        "principal.builder.class",
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
    )
    .refused(reasons::PRINCIPAL)
    .per_broker()
    .doc("Class that turns an authenticated connection into a user name."),
    Key::unset(String, "security.providers")
        .refused(reasons::PLUGIN)
        .doc("Classes of further cryptography providers."),
    boolean("ssl.allow.dn.changes", "false")
        .no_effect(reasons::TLS)
        .doc("Whether a reloaded certificate may name another owner."),
    boolean("ssl.allow.san.changes", "false")
        .no_effect(reasons::TLS)
        .doc("Whether a reloaded certificate may drop names."),
    list("ssl.cipher.suites", "")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Cipher suites that are offered; empty = the library's own."),
    string("ssl.client.auth", "none")
        .check(OneOf(&["required", "requested", "none"]))
        .refused(reasons::CLIENT_AUTH)
        .doc("Whether clients must show a certificate."),
    list("ssl.enabled.protocols", "TLSv1.2,TLSv1.3")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("TLS versions that are offered."),
    string("ssl.endpoint.identification.algorithm", "https")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("How the name in a peer's certificate is checked."),
    Key::unset(Class, "ssl.engine.factory.class")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Class that makes TLS engines."),
    Key::unset(Password, "ssl.key.password")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Password of the private key."),
    string("ssl.keymanager.algorithm", "SunX509")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Key manager of the Java runtime."),
    Key::unset(Password, "ssl.keystore.certificate.chain")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Certificate chain, as PEM text."),
    Key::unset(Password, "ssl.keystore.key")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Private key, as PEM text."),
    Key::unset(String, "ssl.keystore.location")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("File of key and certificate."),
    Key::unset(Password, "ssl.keystore.password")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Password of that file."),
    string("ssl.keystore.type", "JKS").no_effect(reasons::TLS).per_broker().doc("Format of that file."),
    string("ssl.principal.mapping.rules", "DEFAULT")
        .no_effect(reasons::TLS)
        .doc("Rules that shorten certificate names to user names."),
    string("ssl.protocol", "TLSv1.3").no_effect(reasons::TLS).per_broker().doc("TLS version to prefer."),
    Key::unset(String, "ssl.provider")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Cryptography provider of the Java runtime."),
    Key::unset(String, "ssl.secure.random.implementation")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Random generator of the Java runtime."),
    string("ssl.trustmanager.algorithm", "PKIX")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Trust manager of the Java runtime."),
    Key::unset(Password, "ssl.truststore.certificates")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Trusted certificates, as PEM text."),
    Key::unset(String, "ssl.truststore.location")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("File of trusted certificates."),
    Key::unset(Password, "ssl.truststore.password")
        .no_effect(reasons::TLS)
        .per_broker()
        .doc("Password of that file."),
    string("ssl.truststore.type", "JKS").no_effect(reasons::TLS).per_broker().doc("Format of that file."),
];
