//! What was last known of this computer's wires, addresses and routes, so that a change can be told from a repetition:
//! routers announce the same prefix every few minutes, and a wireless card reports each of its scans.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_MULTIPART, NLM_F_REPLACE, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};

/// Destinations that are remembered; a router of the Internet has a million. Beyond them every message is a change.
const MOST_DESTINATIONS: usize = 4096;

/// What there is.
#[derive(Debug, Default)]
pub struct Picture {
    /// The interfaces that can carry something.
    up: HashSet<u32>,
    /// With the interfaces that have them.
    addresses: HashSet<(u32, IpAddr)>,
    routes: HashMap<Destination, HashSet<Way>>,
}

/// Where a route leads. What is equal in all of it replaces one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Destination {
    ip_version: u8,
    table: u32,
    network: Option<IpAddr>,
    prefix: u8,
    tos: u8,
    priority: u32,
}

/// How a route leads there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Way {
    hops: Vec<(u32, Option<IpAddr>)>,
    source: Option<IpAddr>,
}

impl Picture {
    /// Takes what the kernel tells or answers. True: it told that something is different.
    pub fn take(&mut self, header: &NetlinkHeader, message: &RouteNetlinkMessage) -> bool {
        let changed = match message {
            RouteNetlinkMessage::NewLink(link) => self.link(link),
            RouteNetlinkMessage::DelLink(link) => self.link_down(link.header.index),
            RouteNetlinkMessage::NewAddress(address) => self.address(address, is_usable(address)),
            RouteNetlinkMessage::DelAddress(address) => self.address(address, false),
            RouteNetlinkMessage::NewRoute(route) => self.route(route, header.flags & NLM_F_REPLACE != 0),
            RouteNetlinkMessage::DelRoute(route) => self.route_gone(route),
            _ => false,
        };
        // An answer of several parts tells what is, not what is new.
        changed && header.flags & NLM_F_MULTIPART == 0
    }

    fn link(&mut self, link: &LinkMessage) -> bool {
        let flags = link.header.flags;
        if flags.contains(LinkFlags::Loopback) {
            return false;
        }
        if flags.contains(LinkFlags::Up | LinkFlags::Running) {
            return self.up.insert(link.header.index);
        }
        self.link_down(link.header.index)
    }

    fn link_down(&mut self, index: u32) -> bool {
        self.forget_routes(index);
        self.up.remove(&index)
    }

    fn address(&mut self, message: &AddressMessage, is_there: bool) -> bool {
        let index = message.header.index;
        // Of a wire between two ends this end is the local address; elsewhere both are the same.
        let local = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        });
        let any = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        });
        let Some(address) = local.or(any).filter(|address| !is_only_for_the_wire(*address)) else { return false };
        if is_there {
            return self.addresses.insert((index, address));
        }
        let was_there = self.addresses.remove(&(index, address));
        if was_there {
            self.forget_routes(index);
        }
        was_there
    }

    /// With a wire or an address the kernel removes routes without a word (IPv4), so that they would not seem new when
    /// they come back.
    fn forget_routes(&mut self, index: u32) {
        self.routes.retain(|_, ways| {
            ways.retain(|way| way.hops.iter().all(|(interface, _)| *interface != index));
            !ways.is_empty()
        });
    }

    fn route(&mut self, message: &RouteMessage, replaces: bool) -> bool {
        if message.header.kind != RouteType::Unicast {
            return false;
        }
        let (destination, way) = read(message);
        if destination.network.is_some_and(is_only_for_the_wire) {
            return false;
        }
        if self.routes.len() >= MOST_DESTINATIONS && !self.routes.contains_key(&destination) {
            return true;
        }
        let ways = self.routes.entry(destination).or_default();
        if replaces {
            ways.retain(|known| *known == way);
        }
        ways.insert(way)
    }

    fn route_gone(&mut self, message: &RouteMessage) -> bool {
        if message.header.kind != RouteType::Unicast {
            return false;
        }
        let (destination, way) = read(message);
        if destination.network.is_some_and(is_only_for_the_wire) {
            return false;
        }
        if let Some(ways) = self.routes.get_mut(&destination) {
            ways.remove(&way);
            if ways.is_empty() {
                self.routes.remove(&destination);
            }
        }
        true
    }
}

/// A tentative address is one that another computer may still object to; nothing can be sent from it yet.
fn is_usable(message: &AddressMessage) -> bool {
    let flags = message.header.flags;
    !flags.contains(AddressHeaderFlags::Tentative) || flags.contains(AddressHeaderFlags::Optimistic)
}

/// Each interface that is up has an address that leads no further than its wire (RFC 4291, section 2.5.6), a second or
/// two after it came up. It says nothing that the wire has not said.
fn is_only_for_the_wire(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn read(message: &RouteMessage) -> (Destination, Way) {
    let header = &message.header;
    let mut destination = Destination {
        ip_version: header.address_family.into(),
        table: header.table.into(),
        network: None,
        prefix: header.destination_prefix_length,
        tos: header.tos,
        priority: 0,
    };
    let mut way = Way { hops: Vec::new(), source: None };
    let (mut interface, mut gateway) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => destination.table = *table,
            RouteAttribute::Destination(network) => destination.network = ip(network),
            RouteAttribute::Priority(priority) => destination.priority = *priority,
            RouteAttribute::PrefSource(source) => way.source = ip(source),
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::MultiPath(hops) => {
                way.hops.extend(hops.iter().map(|hop| {
                    let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
                        RouteAttribute::Gateway(address) => ip(address),
                        _ => None,
                    });
                    (hop.interface_index, gateway)
                }));
            }
            _ => {}
        }
    }
    way.hops.extend(interface.map(|interface| (interface, gateway)));
    (destination, way)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}
