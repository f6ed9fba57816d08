//! The connection "Demo" to the built-in demo server, which runs while no connection is configured.

use heartwire_core::settings::{Connection, ConnectionForm, HeartbeatForm, ReplyForm, resolve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::demo_server::{self, Script};
use crate::settings_file::Loaded;

/// A running demo server; it ends when this is dropped.
pub struct Demo {
    /// The connection to it.
    pub connection: Connection,
    server: JoinHandle<()>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Starts the demo server on a free port of the loopback interface.
pub async fn start(settings: &Loaded) -> Result<Demo, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| format!("no free port: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let form = ConnectionForm {
        name: Some("Demo".to_owned()),
        url: Some(format!("ws://{address}/")),
        heartbeat: Some(HeartbeatForm {
            kind: Some("text".to_owned()),
            send: Some("HeartBeat".to_owned()),
            reply: Some(ReplyForm { equals: Some("HeartBeat".to_owned()), ..ReplyForm::default() }),
            every: Some("3s".to_owned()),
            timeout: Some("2s".to_owned()),
            always: None,
        }),
        ..ConnectionForm::default()
    };
    let connection = resolve(&form, &settings.defaults, &settings.presets)
        .map_err(|errors| errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; "))?;
    let server = tokio::spawn(demo_server::serve(listener, Script::default(), |event| {
        tracing::debug!("demo server: {event}");
    }));
    Ok(Demo { connection, server })
}
