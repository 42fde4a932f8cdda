//! The log of a role: text for people or JSON for machines, to standard error, never blocking on colour.

use std::io::IsTerminal;

use anyhow::Context;
use postern_model::settings::node::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// Starts logging, of panics as well. `POSTERN_LOG` wins over the settings, for looking into one run.
pub fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let wanted = std::env::var("POSTERN_LOG").unwrap_or_else(|_| settings.level.clone());
    let filter = EnvFilter::try_new(&wanted).with_context(|| {
        format!("log.level: `{wanted}`: write error, warn, info, debug or trace, or directives such as info,postern_mta=debug")
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    postern_mta::panics::install_hook();
    Ok(())
}
