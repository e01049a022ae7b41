//! Levels of log lines that are changed while a broker runs. One filter stands before all lines, and a change replaces it whole.
//!
//! Above: `logging`. Below: tracing's filter.

use mainstem_broker::admin::SetLogLevel;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tracing_subscriber::EnvFilter;

/// The target that stands for all the others.
const ROOT: &str = "root";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The way to change levels: `first` is what was said at the start, `reload` puts a filter in force.
pub(crate) fn changeable(
    first: String,
    reload: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static,
) -> SetLogLevel {
    let made = Mutex::new(BTreeMap::new());
    Arc::new(move |target, level| {
        let mut made = made.lock();
        let changed = with_change(&made, target, level)?;
        reload(filter_of(&first, &changed)?)?;
        *made = changed;
        Ok(())
    })
}

/// The changes of this run with one more: `None` takes back what was said of the target.
fn with_change(
    changes: &BTreeMap<String, String>,
    target: &str,
    level: Option<&str>,
) -> Result<BTreeMap<String, String>, String> {
    let is_target = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
    if target.is_empty() || !target.chars().all(is_target) {
        return Err(format!("`{target}` is no target; write, for example, mainstem::net, or {ROOT} for all"));
    }
    let mut changes = changes.clone();
    match level {
        None => {
            changes.remove(target);
        }
        Some(level) => {
            let level = level.to_ascii_lowercase();
            if !LEVELS.contains(&level.as_str()) {
                return Err(format!("`{level}` is no level; there are {}", LEVELS.join(", ")));
            }
            changes.insert(target.to_owned(), level);
        }
    }
    Ok(changes)
}

/// The filter of what was said at first and changed since; of two words on one target the later counts.
fn filter_of(first: &str, changes: &BTreeMap<String, String>) -> Result<EnvFilter, String> {
    let mut directives = first.to_owned();
    for (target, level) in changes {
        directives.push(',');
        if target != ROOT {
            directives.push_str(target);
            directives.push('=');
        }
        directives.push_str(level);
    }
    EnvFilter::try_new(&directives).map_err(|error| format!("`{directives}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The directives of a filter after these changes, in its own order.
    fn check(changes: &[(&str, Option<&str>)], expected: &[&str]) {
        let mut all = BTreeMap::new();
        for (target, level) in changes {
            all = with_change(&all, target, *level).unwrap();
        }
        let text = filter_of("openraft=warn,info", &all).unwrap().to_string();
        let mut directives: Vec<&str> = text.split(',').collect();
        directives.sort_unstable();
        assert_eq!(directives, expected);
    }

    #[test]
    fn a_change_replaces_what_was_said_of_its_target_and_nothing_else() {
        check(&[], &["info", "openraft=warn"]);
        check(&[("mainstem::net", Some("DEBUG"))], &["info", "mainstem::net=debug", "openraft=warn"]);
        check(&[("openraft", Some("trace"))], &["info", "openraft=trace"]);
        check(&[("root", Some("warn"))], &["openraft=warn", "warn"]);
        check(&[("root", Some("off")), ("root", None)], &["info", "openraft=warn"]);
    }

    #[test]
    fn what_is_no_target_or_no_level_is_refused() {
        for target in ["", "a=trace,b", "a,b", "a[span]"] {
            assert!(with_change(&BTreeMap::new(), target, Some("info")).is_err(), "{target}");
        }
        let error = with_change(&BTreeMap::new(), "a", Some("loud")).unwrap_err();
        assert!(error.contains("`loud` is no level"), "{error}");
    }
}
