//! What a broker is given besides its configuration: by the program that runs it, or by a test.
//!
//! Above: whoever starts a broker. Below: the seams that the options fill.

use crate::{admin::SetLogLevel, env::Env, telemetry::BuildInfo};
use mainstem_storage::fs::{Fs, RealFs};
use std::{fmt, sync::Arc};

/// What a broker is given besides its configuration. The default is what a program without wishes of its own needs.
#[derive(Clone)]
pub struct StartOptions {
    /// Its clock, tasks and randomness: the machine's, or what a test moves.
    pub env: Env,
    /// Where its files are: the operating system's file system, or a simulated disk.
    pub fs: Arc<dyn Fs>,
    /// What is told of the program that runs the broker.
    pub build: BuildInfo,
    /// Sets the level of log lines, which belong to the program. The default refuses.
    pub set_log_level: SetLogLevel,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            env: Env::system("broker"),
            fs: Arc::new(RealFs),
            build: BuildInfo { version: env!("CARGO_PKG_VERSION"), revision: "", rustc: "" },
            set_log_level: Arc::new(|_, _| {
                Err("the program that runs this broker does not let log levels be set".to_owned())
            }),
        }
    }
}

impl fmt::Debug for StartOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartOptions")
            .field("fs", &self.fs)
            .field("build", &self.build)
            .finish_non_exhaustive()
    }
}
