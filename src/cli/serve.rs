//! `pieskieo serve`: run a server until told to stop.

use super::arguments::ServerFlags;
use super::run::{Failure, settings};
use super::screen;
use crate::serve::{Facts, Server};
use crate::{signals, telemetry};

/// Starts the server, says where it is and what to try, and waits until it has stopped.
///
/// **Errors**: a setting, the machine or the data folder does not allow to start; a core failed.
pub fn run(flags: &ServerFlags) -> Result<(), Failure> {
    let config = settings(flags)?.check().map_err(|error| error.to_string())?;
    telemetry::start(&config.log, config.log_json)?;
    let data = config.data.display().to_string();
    let secure = config.tls.is_some();
    let server = Server::start(config).map_err(|error| error.to_string())?;
    let stopper = server.stopper();
    signals::on_stop(move || stopper.stop())
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (server, facts) = server.wait_ready().map_err(|error| error.to_string())?;
    welcome(&facts, &data, secure);
    server.join().map_err(|error| error.to_string())
}

/// Says where the server is and what to try next.
pub fn welcome(facts: &Facts, data: &str, secure: bool) {
    let Facts { address, postgres, shards } = *facts;
    let scheme = if secure { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let noun = if shards == 1 { "shard" } else { "shards" };
    screen::line(format_args!("pieskieo is ready at {url} ({shards} {noun}, data in {data})"));
    if address.ip().is_loopback() {
        screen::line("  Only this machine can reach it, and no password is asked.");
    }
    screen::line("  Try next:");
    screen::line(format_args!("    pieskieo sql --url {url}"));
    if let Some(postgres) = postgres {
        let (host, port) = (postgres.ip(), postgres.port());
        screen::line(format_args!("    psql -h {host} -p {port} -U pieskieo"));
    }
    screen::line(format_args!(
        "    curl --http2-prior-knowledge {url}/v1/query -d '{{\"pql\": \"SELECT 1 + 1 AS two\"}}'"
    ));
    screen::line(format_args!("    curl {url}/openapi.json"));
}
