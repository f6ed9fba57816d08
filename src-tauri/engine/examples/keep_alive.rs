//! Keeps one WebSocket alive, and says what its link does and what the server sends; no Tauri, no desktop:
//! `cargo run -p heartwire-engine --example keep_alive -- wss://events.example/`.
#![expect(clippy::print_stdout, reason = "that is what an example is for")]

use heartwire_core::dialect::Item;
use heartwire_core::settings::{ConnectionForm, resolve};
use heartwire_engine::driver::{Command, ConnectionId, DriverEventKind, DriverOptions, spawn};
use heartwire_engine::settings_file::{defaults, presets};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("give a URL, such as wss://events.example/")?;
    let form = ConnectionForm { name: Some("example".to_owned()), url: Some(url), ..ConnectionForm::default() };
    let connection = resolve(&form, &defaults(), &presets()).map_err(|errors| errors[0].message.clone())?;
    let (sender, mut events) = mpsc::channel(64);
    let driver = spawn(DriverOptions::new(ConnectionId(1), connection), sender);
    driver.command(Command::Start);
    while let Some(event) = events.recv().await {
        match event.kind {
            DriverEventKind::Status(status, _) => match status.cause {
                Some(cause) => println!("{:?}: {}", status.state, cause.text),
                None => println!("{:?}", status.state),
            },
            DriverEventKind::RoundTrip(time) => println!("the heartbeat was answered after {time:?}"),
            DriverEventKind::ResumeDropped(_) | DriverEventKind::FetchFailed(_) => println!("messages may be missing"),
            DriverEventKind::Received(_, items) => items.iter().for_each(|item| {
                if let Item::Message(message) = item {
                    println!("> {}", message.body);
                }
            }),
        }
    }
    Ok(())
}
