//! What people read: one line an event on standard error, as journald wants it or with the time of day.

use tracing_subscriber::EnvFilter;

/// Starts logging. `verbosity` counts `-v`; RUST_LOG, if set, rules over it.
pub fn start(verbosity: u8) {
    let default = match verbosity {
        0 => "info",
        1 => "info,ringup=debug,hayes=debug",
        _ => "debug,ringup=trace,hayes=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // journald keeps the time itself.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.without_time().with_target(false).init();
    } else {
        builder.with_target(verbosity > 0).init();
    }
}
