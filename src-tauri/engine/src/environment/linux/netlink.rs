//! What the kernel tells of addresses, routes and wires by netlink (`rtnetlink(7)`), compared with the picture of before.

use std::io;
use std::os::fd::OwnedFd;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};
use tokio::io::unix::AsyncFd;

use super::picture::Picture;
use crate::environment::watch::{Hint, Lost, Watch};
use crate::readable::readable;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and `RTMGRP_IPV6_ROUTE`
/// (`linux/rtnetlink.h`).
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// What the kernel puts into one datagram at most (`netlink_dump` in `net/netlink/af_netlink.c`).
const DATAGRAM: usize = 32 * 1024;

/// Sees the network change.
#[derive(Debug)]
pub struct Netlink {
    socket: AsyncFd<OwnedFd>,
    picture: Picture,
    /// The tables that are to be asked for, the next one last: the kernel gives one at a time.
    unasked: Vec<RouteNetlinkMessage>,
}

impl Watch for Netlink {
    const SOURCE: &'static str = "the network";
    const MISSED: Hint = Hint::NetworkChanged;
    type Of = ();

    async fn open((): ()) -> Result<Self, Lost> {
        Self::ask().map_err(Lost::because)
    }

    async fn next(&mut self) -> Result<Hint, Lost> {
        loop {
            let mut ready = self.socket.readable().await.map_err(Lost::because)?;
            let mut datagram = vec![0; DATAGRAM];
            let received = ready.try_io(|socket| Ok(recv(socket, &mut datagram[..], RecvFlags::empty())?.1));
            let changed = match received {
                // Not ready after all.
                Err(_) => false,
                Ok(Ok(length)) => self.take(&datagram[..length.min(DATAGRAM)]).map_err(Lost::because)?,
                // More was told than could wait here: whatever it was, things changed.
                Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => {
                    *self = Self::ask().map_err(Lost::because)?;
                    true
                }
                Ok(Err(error)) => return Err(Lost::because(error)),
            };
            if changed {
                return Ok(Hint::NetworkChanged);
            }
        }
    }
}

impl Netlink {
    /// Listens from now on, and asks what there is.
    fn ask() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // No protocol is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        let socket = readable(socket)?;
        let unasked = vec![
            RouteNetlinkMessage::GetRoute(RouteMessage::default()),
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
        ];
        let mut netlink = Self { socket, picture: Picture::default(), unasked };
        netlink.ask_next()?;
        Ok(netlink)
    }

    fn ask_next(&mut self) -> io::Result<()> {
        let Some(question) = self.unasked.pop() else { return Ok(()) };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(&self.socket, &bytes, SendFlags::empty())?;
        Ok(())
    }

    /// Takes what came in one datagram. True: something changed.
    fn take(&mut self, mut datagram: &[u8]) -> io::Result<bool> {
        let mut changed = false;
        while !datagram.is_empty() {
            let Some(length) = length_of_first(datagram) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel sent what is not netlink"));
            };
            let (message, rest) = datagram.split_at(length);
            // Each message begins at a multiple of four bytes.
            datagram = rest.get(length.next_multiple_of(4) - length..).unwrap_or_default();
            match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) {
                Ok(NetlinkMessage { header, payload: NetlinkPayload::InnerMessage(message), .. }) => {
                    changed |= self.picture.take(&header, &message);
                }
                // The end of an answer, or its refusal: on a computer without IPv6 there are fewer tables.
                Ok(NetlinkMessage { payload: NetlinkPayload::Done(_) | NetlinkPayload::Error(_), .. }) => {
                    self.ask_next()?;
                }
                Ok(_) => {}
                // A kernel newer than the library; that something was told is known all the same.
                Err(error) => {
                    tracing::debug!("the network: a message of the kernel is not understood: {error}");
                    changed = true;
                }
            }
        }
        Ok(changed)
    }
}

/// The length of a datagram's first message, header included; none if that cannot be.
fn length_of_first(datagram: &[u8]) -> Option<usize> {
    const HEADER: usize = 16;
    let length = u32::from_ne_bytes(*datagram.first_chunk()?);
    usize::try_from(length).ok().filter(|length| (HEADER..=datagram.len()).contains(length))
}
