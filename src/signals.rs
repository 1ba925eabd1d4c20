//! How does the system ask the server to stop?

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `stop` at the first SIGTERM or SIGINT; a second one ends the process at once.
///
/// **Errors**: the handlers cannot be installed.
pub fn on_stop(stop: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    pieskieo_io::rt::thread("signals", move || {
        let mut stop = Some(stop);
        for signal in signals.forever() {
            match stop.take() {
                Some(stop) => {
                    tracing::info!(signal, "stopping: finishing requests in progress");
                    stop();
                }
                None => std::process::exit(128 + signal),
            }
        }
    })
}
