//! What people read: one line an event on standard error, as journald wants it or with the time of day.
//!
//! A daemon hands its lines to a thread of their own and goes on: whoever does not read them holds up nothing but them.

use std::fmt;
use std::os::unix::fs::MetadataExt;

use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The lines of a daemon that are still to be written. Dropping it waits a second for whoever reads them.
#[derive(Debug)]
#[must_use = "what is dropped at once writes nothing"]
pub struct Pending(Option<(WorkerGuard, ErrorCounter)>);

impl Drop for Pending {
    fn drop(&mut self) {
        let Some((_guard, counter)) = &self.0 else { return };
        match counter.dropped_lines() {
            0 => {}
            lines => tracing::warn!(lines, "lines of the log were lost, as nobody read them in time"),
        }
    }
}

/// Starts logging: from `usual` on, or more as `verbosity`, which counts `-v`, says; RUST_LOG, if set, rules over both.
/// `serves` tells a daemon, which waits for nobody to read what it says.
pub fn start(verbosity: u8, usual: LevelFilter, serves: bool) -> Pending {
    let usual = usual.to_string();
    let default = match verbosity {
        0 => usual.as_str(),
        1 => "info,ringup=debug,hayes=debug",
        _ => "debug,ringup=trace,hayes=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(default));
    let (writer, pending) = if serves {
        let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING).thread_name("log");
        let (writer, guard) = builder.finish(std::io::stderr());
        let counter = writer.error_counter();
        (BoxMakeWriter::new(writer), Pending(Some((guard, counter))))
    } else {
        (BoxMakeWriter::new(std::io::stderr), Pending(None))
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    if goes_to_journald() {
        let format = Format::default().without_time().with_ansi(false).with_target(verbosity > 0);
        builder.event_format(WithPriority(format)).init();
    } else {
        builder.with_target(verbosity > 0).init();
    }
    pending
}

/// Lines that wait to be written; beyond, they are lost, and counted.
const LINES_WAITING: usize = 4096;

/// Whether standard error is the stream that journald reads (systemd.exec(5), JOURNAL_STREAM): the variable alone is inherited
/// by whatever a service starts, wherever that writes to.
fn goes_to_journald() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|stderr| is_stream(&stream, stderr.dev(), stderr.ino()))
}

fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream == format!("{device}:{inode}")
}

/// Lines that begin with their priority (sd-daemon(3)); journald keeps the time itself.
struct WithPriority(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for WithPriority
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The priorities of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_stream_of_journald_gets_priorities() {
        assert!(is_stream("9:1234", 9, 1234));
        for other in ["9:1235", "8:1234", "", "9", "9:1234:1"] {
            assert!(!is_stream(other, 9, 1234), "{other}");
        }
    }

    #[test]
    fn priorities_are_syslogs() {
        assert_eq!([Level::ERROR, Level::WARN, Level::INFO, Level::TRACE].map(priority), [3, 4, 6, 7]);
    }
}
