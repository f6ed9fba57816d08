//! Changes of the network, made in a namespace of the test's own and told by the kernel.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use heartwire_engine::environment::network::{is_offline, local_address_towards};
use heartwire_engine::environment::{Environment, EnvironmentEvent, SystemBus};

use crate::netns::{Namespace, or_skip};
use crate::{LIMIT, count, next};

fn is_change(event: &EnvironmentEvent) -> bool {
    *event == EnvironmentEvent::NetworkChanged
}

/// Runs a test on a computer of its own, which has a wire `eth0` to another one and no address on it.
fn with_own_network(test: &str, run: impl AsyncFnOnce(&Namespace, &mut Environment) + Send) {
    with_network(test, &[], run);
}

/// The same after these commands.
fn with_network(test: &str, before: &[&str], run: impl AsyncFnOnce(&Namespace, &mut Environment) + Send) {
    let Some((here, other)) = or_skip(test, Namespace::new().and_then(|here| Ok((here, Namespace::new()?)))) else {
        return;
    };
    here.ip(&format!("link add eth0 type veth peer name eth0 netns {}", other.name()));
    other.ip("link set eth0 up");
    here.ip("link set eth0 up");
    let began = Instant::now();
    while !is_up(&here) {
        assert!(began.elapsed() < LIMIT, "the wire does not come up");
        thread::sleep(Duration::from_millis(20));
    }
    for command in before {
        here.ip(command);
    }
    here.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut environment = Environment::watch(SystemBus::At("unix:path=/nonexistent/bus".to_owned()));
            assert_eq!(count(&mut environment, is_change).await, 0, "what there is at the start is no change");
            run(&here, &mut environment).await;
        });
    });
}

/// The kernel takes up to a second to notice.
fn is_up(here: &Namespace) -> bool {
    let said = here.command("ip").args(["-brief", "link", "show", "eth0"]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().split_whitespace().any(|word| word == "UP")
}

/// Does something and checks how often it is told.
async fn check(environment: &mut Environment, here: &Namespace, commands: &[&str], wanted: usize) {
    for command in commands {
        here.ip(command);
    }
    if wanted > 0 {
        next(environment, is_change).await;
    }
    let more = count(environment, is_change).await;
    assert_eq!(wanted.min(1) + more, wanted, "{commands:?}");
}

#[test]
fn addresses_routes_and_wires_that_change_are_told_once() {
    with_own_network("network::addresses_routes_and_wires_that_change_are_told_once", async |here, told| {
        check(told, here, &["addr add 10.81.1.2/24 dev eth0"], 1).await;
        check(told, here, &["route add default via 10.81.1.1"], 1).await;
        check(told, here, &["route replace default via 10.81.1.7"], 1).await;
        check(told, here, &["route replace default via 10.81.1.1"], 1).await;
        check(told, here, &["route del default"], 1).await;
        check(
            told,
            here,
            &["addr add 2001:db8:81::2/64 dev eth0 nodad", "-6 route add default via fe80::1 dev eth0"],
            1,
        )
        .await;
        check(told, here, &["link set eth0 down"], 1).await;
        here.ip("link set eth0 up");
        next(told, is_change).await;
        let more = count(told, is_change).await;
        assert!(more <= 1, "its routes are back at once, and up to a second later its carrier: {more} more");
        check(told, here, &["addr del 10.81.1.2/24 dev eth0"], 1).await;
    });
}

#[test]
fn many_changes_at_a_time_are_told_as_few() {
    with_own_network("network::many_changes_at_a_time_are_told_as_few", async |here, told| {
        for n in 0..20 {
            here.ip(&format!("addr add 10.81.3.{n}/24 dev eth0"));
        }
        // On a busy computer they take longer than a change is put off at most.
        let told = count(told, is_change).await;
        assert!((1..=3).contains(&told), "twenty changes were told {told} times");
    });
}

const ADDRESS: &str = "addr replace 2001:db8:81::2/64 dev eth0 valid_lft 3600 preferred_lft 1800 nodad";
/// What a router says every few minutes.
const REPEATED: [&str; 4] = [
    "addr replace 2001:db8:81::2/64 dev eth0 valid_lft 7200 preferred_lft 3600 nodad",
    ADDRESS,
    "-6 route replace default via fe80::1 dev eth0",
    "link set eth0 promisc on",
];

#[test]
fn what_is_only_repeated_is_not_told() {
    with_own_network("network::what_is_only_repeated_is_not_told", async |here, told| {
        check(told, here, &[ADDRESS, "-6 route add default via fe80::1 dev eth0"], 1).await;
        check(told, here, &REPEATED, 0).await;
    });
}

#[test]
fn what_was_there_before_is_known() {
    let before = [ADDRESS, "-6 route add default via fe80::1 dev eth0", "addr add 10.81.1.2/24 dev eth0"];
    with_network("network::what_was_there_before_is_known", &before, async |here, told| {
        check(told, here, &REPEATED, 0).await;
        check(told, here, &["addr del 10.81.1.2/24 dev eth0"], 1).await;
    });
}

#[test]
fn a_route_that_went_without_a_word_is_told_when_it_is_back() {
    with_own_network("network::a_route_that_went_without_a_word_is_told_when_it_is_back", async |here, told| {
        check(told, here, &["addr add 10.81.1.2/24 dev eth0", "route add default via 10.81.1.1"], 1).await;
        check(told, here, &["link set eth0 down"], 1).await;
        here.ip("link set eth0 up");
        next(told, is_change).await;
        count(told, is_change).await;
        check(told, here, &["route add default via 10.81.1.1"], 1).await;
        check(told, here, &["addr del 10.81.1.2/24 dev eth0"], 1).await;
        check(told, here, &["addr add 10.81.1.2/24 dev eth0"], 1).await;
        check(told, here, &["route add default via 10.81.1.1"], 1).await;
    });
}

#[test]
fn a_change_that_found_no_place_to_wait_is_told_and_later_ones_too() {
    let name = "network::a_change_that_found_no_place_to_wait_is_told_and_later_ones_too";
    with_own_network(name, async |here, told| {
        // None of these is a change, but each is told.
        let switches = "link set eth0 promisc on\nlink set eth0 promisc off\n".repeat(1_000);
        let batch = format!("{switches}addr add 10.81.1.2/24 dev eth0\n");
        // This thread is the runtime, so that nobody reads what the kernel tells meanwhile.
        let mut ip = here.command("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        ip.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
        assert!(ip.wait().unwrap().success());
        check(told, here, &[], 1).await;
        check(told, here, &["addr del 10.81.1.2/24 dev eth0"], 1).await;
    });
}

#[test]
fn the_local_address_towards_a_peer_follows_the_routes() {
    with_own_network("network::the_local_address_towards_a_peer_follows_the_routes", async |here, _| {
        let peer: SocketAddr = "10.90.0.1:443".parse().unwrap();
        let local = || local_address_towards(peer).map_err(|error| error.kind());
        assert_eq!(local(), Err(std::io::ErrorKind::NetworkUnreachable));
        here.ip("addr add 10.81.1.2/24 dev eth0");
        here.ip("addr add 10.81.2.2/24 dev eth0");
        for (route, address) in [("via 10.81.1.1", "10.81.1.2"), ("via 10.81.2.1", "10.81.2.2")] {
            here.ip(&format!("route replace 10.90.0.0/16 {route}"));
            assert_eq!(local(), Ok(address.parse::<IpAddr>().unwrap()));
        }
        here.ip("addr add 2001:db8:81::2/64 dev eth0 nodad");
        here.ip("-6 route add default via 2001:db8:81::1 dev eth0");
        let peer: SocketAddr = "[2001:db8:90::1]:443".parse().unwrap();
        assert_eq!(local_address_towards(peer).unwrap(), "2001:db8:81::2".parse::<IpAddr>().unwrap());
    });
}

#[test]
fn offline_is_a_computer_without_any_route_into_the_world() {
    with_own_network("network::offline_is_a_computer_without_any_route_into_the_world", async |here, _| {
        assert!(is_offline());
        let loopback: SocketAddr = "127.0.0.1:443".parse().unwrap();
        assert_eq!(local_address_towards(loopback).unwrap(), loopback.ip(), "itself it always reaches");
        here.ip("addr add 10.81.1.2/24 dev eth0");
        assert!(is_offline(), "a network of its own is not the world");
        here.ip("route add default via 10.81.1.1");
        assert!(!is_offline(), "IPv4 is enough");
        here.ip("route del default");
        assert!(is_offline());
        here.ip("addr add fd81::2/64 dev eth0 nodad");
        here.ip("-6 route add default via fd81::1 dev eth0");
        assert!(!is_offline(), "and so is IPv6");
        here.ip("-6 route del default");
        here.set("ipv6/conf/all/disable_ipv6", "1");
        assert!(is_offline(), "without IPv6 altogether");
    });
}
