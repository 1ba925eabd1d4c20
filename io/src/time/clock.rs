//! What time is it?

use std::ops::{Add, Sub};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::rt::{Back, try_current};

/// A point on a clock that never goes back. Comparable within one process only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic {
    nanos: u64,
}

impl Monotonic {
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    /// Returns the time from `earlier` to this point; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }

    /// Returns the time from this point to now.
    pub fn elapsed(self) -> Duration {
        now().since(self)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self { nanos: self.nanos.saturating_add(nanos) }
    }
}

impl Sub for Monotonic {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// Microseconds since 1970-01-01 UTC, by a clock that people set. For people and for values users
/// asked for, never for ordering or deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime(pub u64);

impl WallTime {
    /// Returns the microseconds since 1970, signed as timestamps are.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

/// Returns the present point of the clock that never goes back.
pub fn now() -> Monotonic {
    if let Some(core) = try_current()
        && let Back::Sim(machine) = &core.back
    {
        return Monotonic::from_nanos(machine.now());
    }
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = real_instant().duration_since(*START.get_or_init(real_instant));
    Monotonic::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

/// Returns the present time of day and date. Before 1970 it is 1970.
pub fn wall() -> WallTime {
    if let Some(core) = try_current()
        && let Back::Sim(machine) = &core.back
    {
        return machine.wall();
    }
    let since = real_system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "this is the clock everybody else is sent to")]
fn real_instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the clock everybody else is sent to")]
fn real_system_time() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_outside_of_cores() {
        let first = now();
        assert!(now() >= first);
        assert!(wall().0 > 1_700_000_000_000_000);
    }

    #[test]
    fn arithmetic_saturates() {
        let (early, late) = (Monotonic::from_nanos(5), Monotonic::from_nanos(9));
        assert_eq!(late - early, Duration::from_nanos(4));
        assert_eq!(early - late, Duration::ZERO);
        assert!(early + Duration::MAX > late);
    }
}
