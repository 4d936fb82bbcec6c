//! The wall clock as DNS takes it: the system's, or a test's.

use std::fmt;
use std::sync::Arc;

/// A source of Unix seconds: the system's clock, or a test's.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl WallClock {
    /// Reads the system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(crate::clock::unix_seconds))
    }

    /// Reads whatever `seconds` returns.
    #[must_use]
    pub fn from_fn(seconds: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(seconds))
    }

    /// Gives the time in Unix seconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.0)()
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WallClock({})", self.now())
    }
}
