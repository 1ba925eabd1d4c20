//! What happens in the demo, in which order?

use std::path::{Path, PathBuf};

use pieskieo_io::file::host;

use super::{load, questions, tree};
use crate::cli::arguments::DemoFlags;
use crate::cli::client::Client;
use crate::cli::run::{Failure, settings};
use crate::cli::screen;
use crate::cli::serve::welcome;
use crate::config::Source;
use crate::serve::Server;
use crate::{signals, telemetry};

/// Starts a server on a fresh folder, loads the tree, asks, and leaves the server up.
///
/// **Errors**: as `serve`; no workspace to load; a statement refused.
pub fn run(flags: &DemoFlags) -> Result<(), Failure> {
    let settings = settings(&flags.server)?;
    let chosen = settings.rows().any(|(s, _, source)| s.key == "data" && source != Source::Default);
    let mut config = settings.check().map_err(|error| error.to_string())?;
    telemetry::start(&format!("warn,{}", config.log.replace("info", "warn")), config.log_json)?;
    let scratch = if chosen {
        None
    } else {
        let folder = host::scratch_folder("pieskieo-demo")
            .map_err(|error| format!("cannot make a temporary folder: {error}"))?;
        config.data.clone_from(&folder);
        Some(folder)
    };
    let data = config.data.display().to_string();
    let result = serve_and_ask(flags, config, &data);
    if let Some(folder) = scratch {
        drop(host::remove_folder(&folder));
    }
    result
}

fn serve_and_ask(
    flags: &DemoFlags,
    config: crate::config::Config,
    data: &str,
) -> Result<(), Failure> {
    let folder = flags.workspace.clone().unwrap_or_else(own_workspace);
    let tree = tree::read(&folder)?;
    let server = Server::start(config).map_err(|error| error.to_string())?;
    let stopper = server.stopper();
    let by_signal = stopper.clone();
    signals::on_stop(move || by_signal.stop())
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (server, facts) = server.wait_ready().map_err(|error| error.to_string())?;
    let client = Client::new(&format!("http://{}", facts.address));
    let asked = load::store(&client, &tree).and_then(|()| questions::ask(&client, &tree.root));
    if flags.once || asked.is_err() {
        stopper.stop();
    } else {
        screen::line("");
        welcome(&facts, data, false);
        screen::line("  Ctrl-C stops it.");
    }
    let joined = server.join().map_err(|error| error.to_string());
    asked.and(joined)
}

/// Returns the workspace this program was built from, or the current folder if that is gone.
fn own_workspace() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR"));
    if host::exists(built.join("Cargo.toml")) { built.to_path_buf() } else { PathBuf::from(".") }
}
