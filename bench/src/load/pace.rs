//! When is each request sent?
//!
//! Closed loop: as soon as the one before is answered. Open loop: at times fixed beforehand; a
//! request that had to wait for the one before counts from when it should have been sent, so
//! that a slow server cannot hide behind a patient client (coordinated omission).

use std::time::Duration;

use pieskieo_io::{rt, time};

/// Send times of one stream of requests.
pub struct Pace {
    started: time::Monotonic,
    /// Time between two requests of this stream; `None` = closed loop.
    step: Option<Duration>,
    /// When the next one is due, from the start.
    due: Duration,
}

impl Pace {
    /// Starts; `position` of `streams` spreads the open loop's over one step.
    pub fn start(rate: Option<f64>, position: usize, streams: usize) -> Self {
        let step = rate.map(|rate| Duration::from_secs_f64(streams as f64 / rate.max(1e-3)));
        let share = position as f64 / streams.max(1) as f64;
        let due = step.map_or(Duration::ZERO, |step| step.mul_f64(share));
        Self { started: time::now(), step, due }
    }

    /// Waits until the next request is due and returns the moment it counts from.
    pub async fn next(&mut self) -> Duration {
        let Some(step) = self.step else { return self.started.elapsed() };
        let due = self.due;
        self.due += step;
        let now = self.started.elapsed();
        if due > now {
            rt::sleep(due - now).await;
        }
        due
    }

    /// Returns the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
