//! Links on a computer of the test's own, whose network changes under them. Nobody tells them but the kernel.

use std::time::Duration;

use heartwire_core::listen::Event;
use heartwire_core::view::LinkState;
use heartwire_engine::environment::{Environment, SystemBus};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::home::{App, Home};
use crate::netns::{Namespace, or_skip};
use crate::server::Server;

/// Where the server is, behind any of the networks that it has in common with the client.
const SERVER: &str = "10.90.0.1";
/// What a hint takes: the quiet after a change, two dials that are far enough apart, and a busy computer.
const HINTED: Duration = Duration::from_secs(5);

/// Two networks on one wire, each of which leads to the server.
fn with_two_ways(test: &str, run: impl AsyncFnOnce(&Namespace, &mut Server, &mut App) + Send) {
    let Some((client, far)) = or_skip(test, Namespace::new().and_then(|one| Ok((one, Namespace::new()?)))) else {
        return;
    };
    client.wire(("eth0", "10.81.1.2/24"), &far, ("eth0", "10.81.1.1/24"));
    client.ip("addr add 10.81.2.2/24 dev eth0");
    far.ip("addr add 10.81.2.1/24 dev eth0");
    far.ip(&format!("addr add {SERVER}/32 dev lo"));
    client.ip(&format!("route add {SERVER} via 10.81.1.1"));
    let listener = far.run(|| std::net::TcpListener::bind((SERVER, 0)).unwrap());
    listener.set_nonblocking(true).unwrap();
    client.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut server = Server::on(TcpListener::from_std(listener).unwrap());
            let url = format!("ws://{}/", server.address);
            // By itself it would dial in an hour, and find a dead server in two.
            let home = Home::with(&format!(
                "[[connections]]\nname = \"crm\"\nurl = \"{url}\"\nheartbeat = {{ every = \"1h\", timeout = \"1h\" }}\n\
                 reconnect = {{ fixed = \"1h\", jitter = \"none\" }}\n"
            ));
            let (_, around) = Environment::told();
            let environment = Environment::watch(SystemBus::At("unix:path=/nonexistent/bus".to_owned()));
            let mut app = home.app_in(environment, around).await;
            server.opened().await;
            app.events_through(is(LinkState::Connected)).await;
            run(&client, &mut server, &mut app).await;
            app.handle.stop().await;
        });
    });
}

fn is(wanted: LinkState) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::State { state, .. } if *state == wanted)
}

/// Waits until the link waits for this cause.
async fn lost(app: &mut App, code: &str) {
    app.events_through(|event| matches!(event, Event::State { cause: Some(cause), .. } if cause.code == code)).await;
}

#[test]
fn invariant_24_another_local_address_towards_the_server_makes_the_link_dial() {
    let name = "network::invariant_24_another_local_address_towards_the_server_makes_the_link_dial";
    with_two_ways(name, async |client, server, app| {
        client.ip(&format!("route replace {SERVER} via 10.81.2.1"));
        let changed = Instant::now();
        lost(app, "network-changed").await;
        server.opened().await;
        app.events_through(is(LinkState::Connected)).await;
        assert!(changed.elapsed() < HINTED, "{:?}", changed.elapsed());
        assert_eq!(server.opened_so_far(), 2);

        // Whatever else changes leaves the link alone.
        client.ip("addr add 10.81.3.2/24 dev eth0");
        client.ip("route add default via 10.81.1.1");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(server.opened_so_far(), 2);
    });
}

#[test]
fn invariant_25_a_computer_that_gets_a_network_dials_at_once() {
    let name = "network::invariant_25_a_computer_that_gets_a_network_dials_at_once";
    with_two_ways(name, async |client, server, app| {
        client.ip(&format!("route del {SERVER}"));
        server.drop_all();
        lost(app, "reset").await;
        // The dial that the change of network brings ends at once: no way leads there.
        lost(app, "unreachable").await;
        client.ip(&format!("route add {SERVER} via 10.81.1.1"));
        let changed = Instant::now();
        app.events_through(is(LinkState::Connected)).await;
        assert!(changed.elapsed() < HINTED, "{:?}", changed.elapsed());
        assert_eq!(server.opened_so_far(), 2);
    });
}
