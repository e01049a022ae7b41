//! SASL and delegation tokens; listeners with SASL are refused, so these do nothing by themselves.
//!
//! Keys of a broker, named as in Kafka 4.3.

use super::key::Check::{AtLeast, Between, Within};
use super::key::ValueType::{Class, Int, Password, String};
use super::key::{Key, boolean, class, double, int, list, long, short, string};
use super::reasons;

pub(super) const KEYS: &[Key] = &[
    long("delegation.token.expiry.check.interval.ms", "3600000")
        .check(AtLeast(1))
        .no_effect(reasons::TOKENS)
        .doc("How often expired delegation tokens are removed."),
    long("delegation.token.expiry.time.ms", "86400000")
        .check(AtLeast(1))
        .no_effect(reasons::TOKENS)
        .doc("How long a delegation token lives without renewal."),
    long("delegation.token.max.lifetime.ms", "604800000")
        .check(AtLeast(1))
        .no_effect(reasons::TOKENS)
        .doc("How long a delegation token can be renewed."),
    Key::unset(Password, "delegation.token.secret.key")
        .no_effect(reasons::TOKENS)
        .doc("Secret that signs delegation tokens."),
    list("sasl.enabled.mechanisms", "GSSAPI")
        .no_effect(reasons::SASL)
        .per_broker()
        .doc("Mechanisms that clients may use."),
    string("sasl.mechanism.inter.broker.protocol", "GSSAPI")
        .no_effect(reasons::SASL)
        .per_broker()
        .doc("Mechanism among brokers."),
    string("sasl.mechanism.controller.protocol", "GSSAPI")
        .no_effect(reasons::SASL)
        .doc("Mechanism towards controllers."),
    Key::unset(Password, "sasl.jaas.config")
        .no_effect(reasons::SASL)
        .per_broker()
        .doc("Login module and its options."),
    Key::unset(Class, "sasl.client.callback.handler.class")
        .no_effect(reasons::SASL)
        .doc("Class of client side callbacks."),
    Key::unset(Class, "sasl.server.callback.handler.class")
        .no_effect(reasons::SASL)
        .doc("Class of server side callbacks."),
    int("sasl.server.max.receive.size", "524288")
        .no_effect(reasons::SASL)
        .doc("Largest message during authentication."),
    Key::unset(Class, "sasl.login.callback.handler.class")
        .no_effect(reasons::SASL)
        .doc("Class of login callbacks."),
    Key::unset(Class, "sasl.login.class").no_effect(reasons::SASL).doc("Class that logs in."),
    Key::unset(Int, "sasl.login.connect.timeout.ms")
        .no_effect(reasons::SASL)
        .doc("How long connecting to the identity provider may take."),
    Key::unset(Int, "sasl.login.read.timeout.ms")
        .no_effect(reasons::SASL)
        .doc("How long an answer of the identity provider may take."),
    short("sasl.login.refresh.buffer.seconds", "300")
        .check(Between(0, 3600))
        .no_effect(reasons::SASL)
        .per_broker()
        .doc("Time before expiry at which a login is renewed at the latest."),
    short("sasl.login.refresh.min.period.seconds", "60")
        .check(Between(0, 900))
        .no_effect(reasons::SASL)
        .per_broker()
        .doc("Shortest time between two renewals."),
    double("sasl.login.refresh.window.factor", "0.8")
        .check(Within(0.5, 1.0))
        .no_effect(reasons::SASL)
        .per_broker()
        .doc("Part of a login's life after which it is renewed."),
    double("sasl.login.refresh.window.jitter", "0.05")
        .check(Within(0.0, 0.25))
        .no_effect(reasons::SASL)
        .per_broker()
        .doc("Randomness of that point."),
    long("sasl.login.retry.backoff.ms", "100")
        .no_effect(reasons::SASL)
        .doc("First pause before a login is tried again."),
    long("sasl.login.retry.backoff.max.ms", "10000")
        .no_effect(reasons::SASL)
        .doc("Longest pause before a login is tried again."),
    string("sasl.kerberos.kinit.cmd", "/usr/bin/kinit")
        .no_effect(reasons::KERBEROS)
        .per_broker()
        .doc("The kinit program."),
    long("sasl.kerberos.min.time.before.relogin", "60000")
        .no_effect(reasons::KERBEROS)
        .per_broker()
        .doc("Shortest time between two Kerberos logins, in milliseconds."),
    list("sasl.kerberos.principal.to.local.rules", "DEFAULT")
        .no_effect(reasons::KERBEROS)
        .per_broker()
        .doc("Rules that shorten Kerberos names to user names."),
    Key::unset(String, "sasl.kerberos.service.name")
        .no_effect(reasons::KERBEROS)
        .per_broker()
        .doc("Kerberos name of the brokers."),
    double("sasl.kerberos.ticket.renew.jitter", "0.05")
        .no_effect(reasons::KERBEROS)
        .per_broker()
        .doc("Randomness of ticket renewal."),
    double("sasl.kerberos.ticket.renew.window.factor", "0.8")
        .no_effect(reasons::KERBEROS)
        .per_broker()
        .doc("Part of a ticket's life after which it is renewed."),
    string("sasl.oauthbearer.assertion.algorithm", "RS256")
        .no_effect(reasons::OAUTH)
        .doc("Signature of the assertion that is sent for a token."),
    Key::unset(String, "sasl.oauthbearer.assertion.claim.aud")
        .no_effect(reasons::OAUTH)
        .doc("Audience claim of the assertion."),
    int("sasl.oauthbearer.assertion.claim.exp.seconds", "300")
        .check(Between(0, 86_400))
        .no_effect(reasons::OAUTH)
        .doc("Lifetime of the assertion."),
    Key::unset(String, "sasl.oauthbearer.assertion.claim.iss")
        .no_effect(reasons::OAUTH)
        .doc("Issuer claim of the assertion."),
    boolean("sasl.oauthbearer.assertion.claim.jti.include", "false")
        .no_effect(reasons::OAUTH)
        .doc("Whether the assertion carries an id."),
    int("sasl.oauthbearer.assertion.claim.nbf.seconds", "60")
        .check(Between(0, 3600))
        .no_effect(reasons::OAUTH)
        .doc("How far the assertion's validity is dated back."),
    Key::unset(String, "sasl.oauthbearer.assertion.claim.sub")
        .no_effect(reasons::OAUTH)
        .doc("Subject claim of the assertion."),
    Key::unset(String, "sasl.oauthbearer.assertion.file")
        .no_effect(reasons::OAUTH)
        .doc("File of a ready assertion."),
    Key::unset(String, "sasl.oauthbearer.assertion.private.key.file")
        .no_effect(reasons::OAUTH)
        .doc("File of the key that signs the assertion."),
    Key::unset(Password, "sasl.oauthbearer.assertion.private.key.passphrase")
        .no_effect(reasons::OAUTH)
        .doc("Passphrase of that key."),
    Key::unset(String, "sasl.oauthbearer.assertion.template.file")
        .no_effect(reasons::OAUTH)
        .doc("File of the assertion's claims."),
    Key::unset(String, "sasl.oauthbearer.client.credentials.client.id")
        .no_effect(reasons::OAUTH)
        .doc("Client id for the client credentials grant."),
    Key::unset(Password, "sasl.oauthbearer.client.credentials.client.secret")
        .no_effect(reasons::OAUTH)
        .doc("Client secret for the client credentials grant."),
    int("sasl.oauthbearer.clock.skew.seconds", "30")
        .no_effect(reasons::OAUTH)
        .doc("Difference of clocks that is forgiven."),
    list("sasl.oauthbearer.expected.audience", "")
        .no_effect(reasons::OAUTH)
        .doc("Audiences of which a token must name one."),
    Key::unset(String, "sasl.oauthbearer.expected.issuer")
        .no_effect(reasons::OAUTH)
        .doc("Issuer that a token must name."),
    long("sasl.oauthbearer.jwks.endpoint.refresh.ms", "3600000")
        .no_effect(reasons::OAUTH)
        .doc("How often signing keys are fetched."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", "100")
        .no_effect(reasons::OAUTH)
        .doc("First pause before signing keys are fetched again."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", "10000")
        .no_effect(reasons::OAUTH)
        .doc("Longest pause before signing keys are fetched again."),
    Key::unset(String, "sasl.oauthbearer.jwks.endpoint.url")
        .no_effect(reasons::OAUTH)
        .doc("Where signing keys are fetched."),
    class(
        "sasl.oauthbearer.jwt.retriever.class",
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    )
    .no_effect(reasons::OAUTH)
    .doc("Class that obtains tokens."),
    class(
        "sasl.oauthbearer.jwt.validator.class",
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    )
    .no_effect(reasons::OAUTH)
    .doc("Class that checks tokens."),
    Key::unset(String, "sasl.oauthbearer.scope").no_effect(reasons::OAUTH).doc("Scope that is asked for."),
    string("sasl.oauthbearer.scope.claim.name", "scope")
        .no_effect(reasons::OAUTH)
        .doc("Claim that holds the scope."),
    string("sasl.oauthbearer.sub.claim.name", "sub")
        .no_effect(reasons::OAUTH)
        .doc("Claim that holds the user."),
    Key::unset(String, "sasl.oauthbearer.token.endpoint.url")
        .no_effect(reasons::OAUTH)
        .doc("Where tokens are obtained."),
];
