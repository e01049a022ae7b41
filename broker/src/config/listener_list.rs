//! From the text of the listener keys to [`Listeners`]: the first thing that goes wrong on the first day.
//!
//! Pure. Above: `typed`. Below: `listener`, `settings`. Rules: a listener that binds every interface advertises the host
//! name unless told otherwise; `0.0.0.0` itself is never advertised; listeners other than PLAINTEXT are refused.

use super::broker::Listeners;
use super::choices::SecurityProtocol;
use super::listener::{HostPort, Listener, ListenerName};
use super::problem::Problem;
use super::settings::Settings;

/// Reads every listener key. `host_name` is what a listener on every interface advertises.
pub(super) fn read(settings: &Settings, host_name: &str) -> Result<Listeners, Vec<Problem>> {
    let mut problems = Vec::new();
    let map = protocols(settings, &mut problems);
    let controller_names: Vec<ListenerName> =
        words(settings, "controller.listener.names").map(ListenerName::new).collect();
    let advertised = advertised(settings, &mut problems);
    let mut listeners =
        Listeners { clients: Vec::new(), controllers: Vec::new(), inter_broker: ListenerName::new("") };

    for (name, bind) in endpoints(settings, "listeners", &mut problems) {
        let is_controller = controller_names.contains(&name);
        let all = listeners.clients.iter().chain(&listeners.controllers);
        if let Some(other) = all.clone().find(|other| other.name == name) {
            let what = format!("listener {} stands there twice", other.name);
            problems.push(problem(settings, "listeners", what).fix("give each listener a name of its own"));
            continue;
        }
        if let Some(other) = all
            .clone()
            .find(|other| bind.port != 0 && other.bind.port == bind.port && overlap(&other.bind, &bind))
        {
            let what = format!("{} and {name} both listen on port {}", other.name, bind.port);
            problems.push(problem(settings, "listeners", what).fix("give each listener a port of its own"));
            continue;
        }
        let mapped = map.iter().find(|(mapped, _)| *mapped == name).map(|(_, protocol)| *protocol);
        let protocol = match mapped.or_else(|| name.as_str().parse().ok()) {
            Some(protocol) => protocol,
            None if is_controller => SecurityProtocol::Plaintext,
            None => {
                let what = format!("listener {name} has no security protocol");
                let fix = format!("add {name}:PLAINTEXT to listener.security.protocol.map");
                problems.push(problem(settings, "listeners", what).fix(fix));
                continue;
            }
        };
        if protocol != SecurityProtocol::Plaintext {
            let what = format!("listener {name} asks for {protocol}, and only PLAINTEXT is served");
            problems.push(
                problem(settings, "listeners", what)
                    .fix("use PLAINTEXT on an address that only friends reach"),
            );
            continue;
        }
        let told = advertised.iter().find(|(told, _)| *told == name).map(|(_, address)| address.clone());
        let advertised = match told {
            None if is_controller => None,
            None if bind.is_wildcard() => Some(HostPort::new(host_name, bind.port)),
            None => Some(bind.clone()),
            told => told,
        };
        let listener = Listener { name, protocol, bind, advertised };
        if is_controller { listeners.controllers.push(listener) } else { listeners.clients.push(listener) }
    }

    for (name, address) in &advertised {
        let is_known =
            listeners.clients.iter().chain(&listeners.controllers).any(|listener| listener.name == *name);
        if !is_known && problems.is_empty() {
            let what = format!("{name} ({address}) is advertised, and no listener has that name");
            let known: Vec<&str> = listeners.clients.iter().map(|listener| listener.name.as_str()).collect();
            problems.push(
                problem(settings, advertising_key(settings), what)
                    .fix(format!("use a name of listeners: {}", known.join(", "))),
            );
        }
    }
    match inter_broker(settings, &listeners) {
        Ok(name) => listeners.inter_broker = name,
        Err(problem) if problems.is_empty() => problems.push(problem),
        Err(_) => {}
    }
    if problems.is_empty() { Ok(listeners) } else { Err(problems) }
}

fn inter_broker(settings: &Settings, listeners: &Listeners) -> Result<ListenerName, Problem> {
    if listeners.clients.is_empty() {
        return Err(problem(settings, "listeners", "there is no listener for clients".to_owned())
            .fix("add one, such as PLAINTEXT://127.0.0.1:9092"));
    }
    if let Some(name) = settings.value("inter.broker.listener.name").filter(|name| !name.is_empty()) {
        let name = ListenerName::new(name);
        return match listeners.clients.iter().find(|listener| listener.name == name) {
            Some(_) => Ok(name),
            None => {
                Err(problem(settings, "inter.broker.listener.name", format!("no listener is called {name}"))
                    .fix("use the name of one of listeners that is not a controller's"))
            }
        };
    }
    let protocol = settings.value("security.inter.broker.protocol").and_then(|word| word.parse().ok());
    let found = listeners.clients.iter().find(|listener| Some(listener.protocol) == protocol);
    found.map(|listener| listener.name.clone()).ok_or_else(|| {
        problem(
            settings,
            "security.inter.broker.protocol",
            "no listener has this security protocol".to_owned(),
        )
        .fix("set inter.broker.listener.name")
    })
}

fn advertising_key(settings: &Settings) -> &'static str {
    if settings.get("mainstem.advertise").is_some() { "mainstem.advertise" } else { "advertised.listeners" }
}

/// What is told explicitly, by `advertised.listeners` or its short form.
fn advertised(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<(ListenerName, HostPort)> {
    let key = advertising_key(settings);
    if key == "mainstem.advertise" && settings.get("advertised.listeners").is_some() {
        problems.push(
            problem(settings, key, "advertised.listeners says the same and is set too".to_owned())
                .fix("keep one of the two"),
        );
        return Vec::new();
    }
    let addresses = endpoints(settings, key, problems);
    for (name, address) in &addresses {
        if address.is_wildcard() {
            let what = format!(
                "{name} would tell clients to connect to {address}, which is no address of a machine"
            );
            let fix = format!("{key}={}", {
                let separator = if key == "mainstem.advertise" { "=" } else { "://" };
                format!("{name}{separator}HOST:{}, with a HOST that clients can reach", address.port)
            });
            problems.push(problem(settings, key, what).fix(fix));
        }
    }
    addresses
}

fn protocols(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<(ListenerName, SecurityProtocol)> {
    let key = "listener.security.protocol.map";
    let mut map = Vec::new();
    for word in words(settings, key) {
        match word
            .split_once(':')
            .map(|(name, protocol)| (ListenerName::new(name), protocol.trim().parse::<SecurityProtocol>()))
        {
            Some((name, Ok(protocol))) => map.push((name, protocol)),
            Some((_, Err(unknown))) => problems.push(problem(settings, key, unknown.to_string())),
            None => problems.push(
                problem(settings, key, format!("`{word}` is not NAME:PROTOCOL"))
                    .fix("write, for example, EXTERNAL:PLAINTEXT"),
            ),
        }
    }
    map
}

/// `NAME://host:port` or `name=host:port`, as the key has it.
fn endpoints(
    settings: &Settings,
    key: &'static str,
    problems: &mut Vec<Problem>,
) -> Vec<(ListenerName, HostPort)> {
    let separator = if key == "mainstem.advertise" { "=" } else { "://" };
    let mut found = Vec::new();
    for word in words(settings, key) {
        let parts = word.split_once(separator).and_then(|(name, address)| Some((name, host_port(address)?)));
        match parts {
            Some((name, address)) if !name.trim().is_empty() => {
                found.push((ListenerName::new(name), address));
            }
            _ => problems.push(
                problem(settings, key, format!("`{word}` is not NAME{separator}host:port"))
                    .fix(format!("write, for example, PLAINTEXT{separator}localhost:9092")),
            ),
        }
    }
    found
}

/// `host:port`, `:port`, `[::1]:port`.
pub(super) fn host_port(text: &str) -> Option<HostPort> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_name = host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'));
    is_name.then(|| port.parse().ok().map(|port| HostPort::new(host, port))).flatten()
}

/// An address and a count behind the last colon, the address perhaps in brackets.
pub(super) fn address_and_count(text: &str) -> Option<(&str, usize)> {
    let (host, count) = text.trim().rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host, count.trim().parse().ok()?))
}

/// Whether two listeners of one port would collide: not if they bind addresses that differ.
fn overlap(a: &HostPort, b: &HostPort) -> bool {
    a.is_wildcard() || b.is_wildcard() || a.host == b.host
}

fn words<'a>(settings: &'a Settings, key: &str) -> impl Iterator<Item = &'a str> {
    settings.value(key).unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn problem(settings: &Settings, key: &'static str, what: String) -> Problem {
    let problem = Problem::new(what).of(key);
    match settings.get(key) {
        Some(setting) => problem.with(setting.value.as_str()).at(&setting.origin),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;
    use crate::config::settings::Origin;

    fn listeners(pairs: &[(&str, &str)]) -> Result<Listeners, String> {
        let mut settings = Settings::default();
        for (name, value) in pairs {
            settings.set(keys::broker_key(name).unwrap(), (*value).to_owned(), Origin::Override);
        }
        read(&settings, "machine")
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    fn told(pairs: &[(&str, &str)]) -> Vec<String> {
        let found = listeners(pairs).unwrap();
        found.clients.iter().map(|l| format!("{} {}", l.name, l.advertised.as_ref().unwrap())).collect()
    }

    fn check_refused(pairs: &[(&str, &str)], expected: &str) {
        let found = listeners(pairs).unwrap_err();
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn without_a_word_a_listener_advertises_where_it_listens() {
        assert_eq!(told(&[]), ["PLAINTEXT 127.0.0.1:9092"]);
        assert_eq!(told(&[("listeners", "PLAINTEXT://broker-1:9092")]), ["PLAINTEXT broker-1:9092"]);
        assert_eq!(told(&[("listeners", "PLAINTEXT://[::1]:9092")]), ["PLAINTEXT [::1]:9092"]);
    }

    #[test]
    fn a_listener_on_every_interface_advertises_the_host_name() {
        assert_eq!(told(&[("listeners", "PLAINTEXT://:9092")]), ["PLAINTEXT machine:9092"]);
        assert_eq!(told(&[("listeners", "PLAINTEXT://0.0.0.0:9092")]), ["PLAINTEXT machine:9092"]);
    }

    #[test]
    fn what_is_told_explicitly_wins_in_either_form() {
        let map = ("listener.security.protocol.map", "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT");
        let both = ("listeners", "INTERNAL://:29092,EXTERNAL://:9092,CONTROLLER://:9093");
        let inter = ("inter.broker.listener.name", "internal");
        let expected = ["INTERNAL kafka:29092", "EXTERNAL localhost:9092"];
        assert_eq!(
            told(&[
                map,
                both,
                inter,
                ("advertised.listeners", "INTERNAL://kafka:29092,EXTERNAL://localhost:9092")
            ]),
            expected
        );
        assert_eq!(
            told(&[map, both, inter, ("mainstem.advertise", "internal=kafka:29092,external=localhost:9092")]),
            expected
        );
        check_refused(
            &[map, both, ("mainstem.advertise", "internal=a:1"), ("advertised.listeners", "INTERNAL://a:1")],
            "keep one of the two",
        );
    }

    #[test]
    fn a_wildcard_is_never_advertised() {
        check_refused(
            &[("advertised.listeners", "PLAINTEXT://0.0.0.0:9092")],
            "fix: advertised.listeners=PLAINTEXT://HOST:9092",
        );
        check_refused(
            &[("mainstem.advertise", "plaintext=:9092")],
            "fix: mainstem.advertise=PLAINTEXT=HOST:9092",
        );
    }

    #[test]
    fn controllers_are_apart_and_need_no_entry_in_the_map() {
        let found = listeners(&[("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093")]).unwrap();
        assert_eq!(found.controllers.len(), 1);
        assert_eq!(found.controllers[0].advertised, None);
        assert_eq!(found.inter_broker, ListenerName::new("PLAINTEXT"));
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_fix() {
        check_refused(&[("listeners", "SSL://:9093")], "only PLAINTEXT is served");
        check_refused(
            &[("listeners", "MINE://:9092")],
            "add MINE:PLAINTEXT to listener.security.protocol.map",
        );
        check_refused(&[("listeners", "PLAINTEXT://:9092,PLAINTEXT://:9094")], "twice");
        check_refused(&[("listeners", "PLAINTEXT://:9092,CONTROLLER://:9092")], "both listen on port 9092");
        check_refused(&[("listeners", "CONTROLLER://:9093")], "no listener for clients");
        check_refused(&[("listeners", "9092")], "is not NAME://host:port");
        check_refused(&[("listeners", "PLAINTEXT://:99999")], "is not NAME://host:port");
        check_refused(&[("advertised.listeners", "OTHER://a:1")], "no listener has that name");
        check_refused(&[("inter.broker.listener.name", "OTHER")], "no listener is called OTHER");
        check_refused(&[("listener.security.protocol.map", "A:PLAIN")], "`PLAIN` is not one of");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}", key in 0_usize..4) {
            let key = ["listeners", "advertised.listeners", "mainstem.advertise", "listener.security.protocol.map"][key];
            let _ = listeners(&[(key, &text)]);
        }
    }
}
