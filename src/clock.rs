//! The one place that reads the clocks; cores are handed what it says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock as time since 1970; a clock set before that reads as zero.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the shells' one reading of the wall clock")]
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whole seconds since 1970.
#[must_use]
pub fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}

/// The wall clock where this machine is, for people.
#[must_use]
pub fn local() -> jiff::Zoned {
    let nanoseconds = i128::try_from(since_epoch().as_nanos()).unwrap_or(i128::MAX);
    let now = jiff::Timestamp::from_nanosecond(nanoseconds).unwrap_or(jiff::Timestamp::MAX);
    now.to_zoned(jiff::tz::TimeZone::system())
}

/// The monotonic clock, as the cores take it.
#[must_use]
pub fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

/// How long this machine has been suspended since it was started: what the clock that counts sleep is ahead of the one
/// that does not.
#[must_use]
pub fn slept() -> Duration {
    let read = |clock| Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default();
    let awake = read(rustix::time::ClockId::Monotonic);
    read(rustix::time::ClockId::Boottime).saturating_sub(awake)
}

/// Sleeps until a core's deadline; for ever when it has none.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub async fn sleep_until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
