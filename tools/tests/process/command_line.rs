//! Mistakes on the command line of the tools: exit code, cause, next step.

use crate::mainstem::{Running, command, finish, run};
use std::{
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

#[test]
fn an_unknown_topic_is_not_found_and_near_names_are_told() {
    let (_dev, address) = Running::dev();
    let made = run(&["topic", "create", "orders", "payments", "-b", &address]);
    assert_eq!(made.code, Some(0), "{made:?}");
    for arguments in [
        &["topic", "describe", "ordrs"][..],
        &["topic", "offsets", "ordrs"],
        &["topic", "delete", "ordrs", "-y"],
        &["topic", "trim", "ordrs", "--before", "end", "-y"],
        &["topic", "add-partitions", "ordrs", "--to", "3"],
        &["topic", "config", "set", "ordrs", "retention.ms=1000"],
    ] {
        let arguments: Vec<&str> = arguments.iter().chain(&["-b", &address]).copied().collect();
        let ended = run(&arguments);
        ended.refused_with(3, &["error: ", "ordrs", "(UNKNOWN_TOPIC_OR_PARTITION, 3)", "hint: ", "orders"]);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    let listed = run(&["topic", "list", "-o", "name", "-b", &address]);
    assert_eq!(listed.stdout, "orders\npayments\n", "nothing was created from a typo");
}

#[test]
fn a_broker_that_refuses_connections_is_unreachable_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for arguments in [
        &["topic", "list"][..],
        &["topic", "create", "t"],
        &["cluster", "info"],
        &["broker", "api-versions"],
        &["topic", "describe", "t"],
    ] {
        let arguments: Vec<&str> = arguments.iter().chain(&["-b", &free]).copied().collect();
        let began = Instant::now();
        let ended = run(&arguments);
        ended.refused_with(5, &["error: no broker can be reached at ", &free, "hint: is it running?"]);
        assert!(began.elapsed() < Duration::from_secs(10), "{arguments:?}: {:?}", began.elapsed());
    }
}

/// A listener that never answers: `--timeout` bounds the wait.
#[test]
fn a_broker_that_says_nothing_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let began = Instant::now();
    let ended = run(&["topic", "list", "-b", &address, "--timeout", "1s"]);
    ended.refused_with(5, &["error: ", "hint: "]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// Another server on that port is named for what it is.
#[test]
fn a_port_that_speaks_http_is_no_broker() {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // it answers as often as it is asked, and ends with the process of the test
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let ended = run(&["topic", "list", "-b", &address, "--timeout", "5s"]);
    ended.refused_with(5, &["speaks HTTP, not Kafka"]);
}

#[test]
fn a_wrong_flag_or_word_is_a_usage_error_with_the_near_one() {
    run(&["topic", "lst"]).refused_with(2, &["unrecognized subcommand 'lst'", "'list'"]);
    run(&["topic", "list", "--no-header"]).refused_with(2, &["--no-headers"]);
    run(&["topic", "list", "-o", "jsn"]).refused_with(2, &["possible values", "json"]);
    run(&["topic", "list", "--timeout", "soon"]).refused_with(2, &["soon", "90s"]);
    run(&["topic", "list", "-X", "nonsense"]).refused_with(2, &["nonsense", "key=value"]);
    run(&["topic", "list", "-F", "/nowhere.properties"]).refused_with(2, &["/nowhere.properties"]);
    run(&["topic", "list", "-b", "host:port"]).refused_with(2, &["host:port"]);
    run(&["nonsense"]).refused_with(2, &["unrecognized subcommand 'nonsense'"]);
    run(&["topic", "create"]).refused_with(2, &["<TOPICS>", "Usage: mainstem topic create"]);
}

/// What would destroy something asks a person; without one it refuses, and names the flag.
#[test]
fn a_destructive_command_without_a_terminal_is_refused() {
    let (_dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "orders", "-b", &address]).code, Some(0));
    run(&["topic", "delete", "orders", "-b", &address])
        .refused_with(2, &["error: refused: ", "orders", "add -y"]);
    assert_eq!(run(&["topic", "list", "-o", "name", "-b", &address]).stdout, "orders\n");
}

#[test]
fn what_is_there_already_is_a_conflict() {
    let (_dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "orders", "-b", &address]).code, Some(0));
    run(&["topic", "create", "orders", "-b", &address])
        .refused_with(6, &["orders", "(TOPIC_ALREADY_EXISTS, 36)", "hint: ", "--if-not-exists"]);
}

#[test]
fn errors_are_one_object_where_json_is_asked_for() {
    let (_dev, address) = Running::dev();
    let ended = run(&["topic", "describe", "nothing", "-b", &address, "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(told["code"], 3, "{told}");
    assert_eq!(told["kafka_code"], 3, "{told}");
    assert_eq!(told["kafka_error"], "UNKNOWN_TOPIC_OR_PARTITION", "{told}");
    assert_eq!(ended.stdout, "");
}

/// A setting that nobody knows, and one that is known: as text for people, as an object for programs.
#[test]
fn an_unknown_setting_is_not_found_and_near_names_are_told() {
    run(&["config", "explain", "log.retension.ms"])
        .refused_with(3, &["log.retension.ms", "hint: near names: log.retention.ms"]);
    run(&["config", "explain", "durability"]).refused_with(3, &["hint: near names: mainstem.durability"]);
    run(&["config", "explain", "nonsense"]).refused_with(3, &["hint: docs/configuration.md"]);
    let known = run(&["config", "explain", "compression.type", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&known.stdout).unwrap();
    assert_eq!((&told[0]["resource"], &told[1]["resource"]), (&"broker".into(), &"topic".into()), "{told}");
    assert_eq!(told[1]["class"], "honoured", "{told}");
}

/// CSV is one table whatever is described: every line has as many cells as the header.
#[test]
fn csv_of_several_topics_is_one_table() {
    let (_dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "orders", "payments", "-b", &address]).code, Some(0));
    for more in [&[][..], &["--configs"]] {
        let arguments = ["topic", "describe", "orders", "payments", "-o", "csv", "-b", &address];
        let arguments: Vec<&str> = arguments.iter().chain(more).copied().collect();
        let described = run(&arguments);
        let first = described.stdout.lines().next().unwrap();
        let (commas, names): (usize, Vec<&str>) = (first.matches(',').count(), vec!["orders,", "payments,"]);
        assert!(first.starts_with("topic,"), "{described:?}");
        for line in described.stdout.lines().skip(1).filter(|line| !line.contains('"')) {
            assert_eq!(line.matches(',').count(), commas, "{line}");
            assert!(names.iter().any(|name| line.starts_with(name)), "{line}");
        }
    }
}

/// `-q` leaves errors alone.
#[test]
fn a_quiet_tool_still_tells_its_errors() {
    let (_dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "orders", "-b", &address]).code, Some(0));
    let set = ["topic", "config", "set", "orders", "retention.ms=1000", "-b", &address];
    assert_eq!(run(&set).stderr, "orders: changed\n");
    let quiet: Vec<&str> = set.iter().chain(&["-q"]).copied().collect();
    assert_eq!(run(&quiet).stderr, "");
    run(&["topic", "describe", "nothing", "-q", "-b", &address]).refused_with(3, &["error: "]);
}

/// `mainstem topic list | head -0`: the reader is gone before the first byte.
#[test]
fn a_closed_pipe_is_no_error() {
    let (_dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "orders", "-b", &address]).code, Some(0));
    for arguments in [
        &["topic", "list", "-b", &address][..],
        &["topic", "describe", "orders", "-b", &address, "-o", "json"],
        &["config", "explain", "log.retention.ms"],
        &["help-on", "formats"],
        &["completion", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        drop(command); // it holds a copy of the pipe
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

/// An address that another process has: `dev` names the flag that helps.
#[test]
fn dev_on_a_taken_port_says_how_to_get_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    finish(command(&["dev", "--port", &port]))
        .refused_with(2, &["in use", "hint: another port", "--any-port"]);
}
