//! Documents that are made from the code: compared with what is in the repository, or written anew.

use crate::sources;
use std::fs;

/// The variable that makes [`check`] write instead of compare.
pub const REWRITE: &str = "MAINSTEM_REWRITE";

/// Panics unless the file at `path` (from the root) says what `made` says; writes it where [`REWRITE`] is set.
///
/// # Panics
/// With the first line that differs and the command that writes the file.
pub fn check(path: &str, made: &str) {
    let file = sources::root().join(path);
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, no setting of a broker")]
    if std::env::var(REWRITE).is_ok() {
        fs::write(&file, made).expect("the repository is writable");
        return;
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    if kept == made {
        return;
    }
    let count = kept.lines().zip(made.lines()).take_while(|(kept, made)| kept == made).count();
    let line = |text: &str| text.lines().nth(count).unwrap_or("(nothing)").to_owned();
    panic!(
        "{path} is behind the code, from line {} on:\n  there: {}\n   code: {}\n\
         write it anew: {REWRITE}=1 cargo test -p mainstem-tests --test docs",
        count + 1,
        line(&kept),
        line(made)
    );
}
