//! What is wrong with a configuration: key, value, where it was written, and what would be right.
//!
//! Pure. Above: the loader, `serve` (exit 2), `config check`. A secret never gets in here.

use std::fmt;

/// One fault that keeps a broker from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written (`server.properties:12`), where that is known.
    pub place: Option<String>,
    /// The key, where the fault is one key's.
    pub key: Option<String>,
    /// The value as it may be shown.
    pub value: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: Option<String>,
}

impl Problem {
    /// A fault without a place.
    pub fn new(what: impl Into<String>) -> Self {
        Self { place: None, key: None, value: None, what: what.into(), fix: None }
    }

    /// The same, of this key.
    #[must_use]
    pub fn of(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same, with the value as it may be shown.
    #[must_use]
    pub fn with(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// The same, written there.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// The same, with what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value}: ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.what)?;
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix: {fix}")?;
        }
        Ok(())
    }
}

/// Every fault that was found; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The faults, in the order of their sources.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if 0 < at {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}
