//! ezsockets as a peer: its own client, told the link's times as near as its settings allow.

use std::sync::Arc;

use async_trait::async_trait;
use ezsockets::client::ClientCloseMode;
use ezsockets::{Bytes, ClientConfig, ClientExt, CloseFrame, Error, SocketConfig, Utf8Bytes};

use super::Counts;
use crate::links::Times;

/// Counts when it is connected and when it has lost its server.
pub struct Ez(Arc<Counts>);

impl Ez {
    pub fn new(counts: Arc<Counts>) -> Self {
        Self(counts)
    }
}

#[async_trait]
impl ClientExt for Ez {
    type Call = ();

    async fn on_text(&mut self, _: Utf8Bytes) -> Result<(), Error> {
        Ok(())
    }

    async fn on_binary(&mut self, _: Bytes) -> Result<(), Error> {
        Ok(())
    }

    async fn on_call(&mut self, (): ()) -> Result<(), Error> {
        Ok(())
    }

    async fn on_connect(&mut self) -> Result<(), Error> {
        self.0.came();
        Ok(())
    }

    async fn on_close(&mut self, _: Option<CloseFrame>) -> Result<ClientCloseMode, Error> {
        self.0.lost();
        Ok(ClientCloseMode::Reconnect)
    }

    async fn on_disconnect(&mut self) -> Result<ClientCloseMode, Error> {
        self.0.lost();
        Ok(ClientCloseMode::Reconnect)
    }
}

/// Its `heartbeat` is how long nothing is heard before it pings, which is our `every`; its `timeout` is how long nothing is
/// heard before it gives up, which is our `every` and `timeout` together. Its reconnects have one fixed interval: our
/// longest delay.
pub fn ez_config(port: u16, times: &Times) -> ClientConfig {
    let url = format!("ws://127.0.0.1:{port}/");
    let socket =
        SocketConfig { heartbeat: times.every, timeout: times.every + times.timeout, ..SocketConfig::default() };
    ClientConfig::new(url.as_str()).socket_config(socket).reconnect_interval(times.reconnect.1)
}
