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

/// The local calendar day of a moment in milliseconds since 1970.
#[must_use]
pub fn local_day(milliseconds: u64) -> jiff::civil::Date {
    let moment = i64::try_from(milliseconds).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    moment.unwrap_or(jiff::Timestamp::MAX).to_zoned(jiff::tz::TimeZone::system()).date()
}

/// CLOCK_MONOTONIC in microseconds, as the service manager reads it.
#[must_use]
pub fn monotonic_microseconds() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970.
#[must_use]
pub fn unix_milliseconds() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
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
