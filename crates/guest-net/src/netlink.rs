//! Messages to the kernel's routing sockets (rtnetlink(7)): as much as two ends of a cable, a bridge, addresses and routes need.

use std::{
    ffi::CString,
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use crate::{Context, Error, Result};

/// `IFLA_INFO_KIND`, `IFLA_INFO_DATA`, `VETH_INFO_PEER` (linux/if_link.h, linux/veth.h).
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const PEER: u16 = 1;

/// Size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Longest answer.
const ANSWER: usize = 4096;

/// A message's body: a fixed structure, then attributes.
#[derive(Debug, Clone, Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// `struct ifinfomsg`.
    pub fn link(index: u32, up: bool) -> Self {
        let flag = if up { libc::IFF_UP.cast_unsigned() } else { 0 };
        let mut body = Self::default();
        body.0.extend([0; 4]);
        for word in [index, flag, flag] {
            body.0.extend(word.to_ne_bytes());
        }
        body
    }

    /// `struct ifaddrmsg` for IPv4.
    pub fn address(index: u32, prefix: u8) -> Self {
        let mut body = Self(vec![FAMILY_INET, prefix, 0, 0]);
        body.0.extend(index.to_ne_bytes());
        body
    }

    /// `struct rtmsg` for IPv4's default route through a gateway.
    pub fn default_route() -> Self {
        Self(vec![
            FAMILY_INET,
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_BOOT,
            libc::RT_SCOPE_UNIVERSE,
            libc::RTN_UNICAST,
            0,
            0,
            0,
            0,
        ])
    }

    /// Appends an attribute, padded to four bytes.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Appends a name, with its final zero.
    pub fn with_name(self, name: &str) -> Self {
        self.with(libc::IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat())
    }

    /// Appends a number.
    pub fn with_number(self, kind: u16, number: u32) -> Self {
        self.with(kind, &number.to_ne_bytes())
    }

    /// Appends an address.
    pub fn with_address(self, kind: u16, address: Ipv4Addr) -> Self {
        self.with(kind, &address.octets())
    }

    /// Appends what kind of link it is, and what that kind wants to know.
    pub fn with_kind(self, kind: &str, data: &Self) -> Self {
        let mut info = Self::default().with(INFO_KIND, kind.as_bytes());
        if !data.0.is_empty() {
            info = info.with(INFO_DATA, &data.0);
        }
        self.with(libc::IFLA_LINKINFO, &info.0)
    }

    /// The data of a `veth`: its other end.
    pub fn peer(other: &Self) -> Self {
        Self::default().with(PEER, &other.0)
    }
}

const FAMILY_INET: u8 = 2;

/// A routing socket in the network namespace of the thread that opens it.
#[derive(Debug)]
pub struct Netlink(OwnedFd);

impl Netlink {
    /// Opens it.
    pub fn open() -> Result<Self> {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
        if fd < 0 {
            return Err(Error::new(format!("no routing socket: {}", std::io::Error::last_os_error())));
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes something that was not there.
    pub fn create(&self, kind: u16, body: &Body) -> Result<()> {
        self.request(kind, libc::NLM_F_CREATE | libc::NLM_F_EXCL, body)
    }

    /// Changes a link.
    pub fn change_link(&self, body: &Body) -> Result<()> {
        self.request(libc::RTM_NEWLINK, 0, body)
    }

    fn request(&self, kind: u16, flags: libc::c_int, body: &Body) -> Result<()> {
        let message = message(kind, flags, body)?;
        // SAFETY: the buffer is alive and as long as it says.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
        if sent < 0 {
            return Err(std::io::Error::last_os_error()).context("routing socket");
        }
        let mut answer = [0_u8; ANSWER];
        // SAFETY: the buffer is alive and as long as it says.
        let got = unsafe { libc::recv(self.0.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
        let got = usize::try_from(got).map_err(|_| Error::new(std::io::Error::last_os_error().to_string()))?;
        match error_in(&answer[..got]) {
            Some(0) => Ok(()),
            Some(error) => Err(std::io::Error::from_raw_os_error(error).into()),
            None => Err(Error::new("cannot parse the kernel's answer")),
        }
    }
}

fn message(kind: u16, flags: libc::c_int, body: &Body) -> Result<Vec<u8>> {
    let length = u32::try_from(HEADER + body.0.len()).context("message too long")?;
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags).context("flags")?;
    let mut message = Vec::new();
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(&body.0);
    Ok(message)
}

/// The error number (0: none) of an acknowledgement: `struct nlmsgerr` behind the header.
fn error_in(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if i32::from(kind) != libc::NLMSG_ERROR {
        return None;
    }
    let error = i32::from_ne_bytes(answer.get(HEADER..HEADER + 4)?.try_into().ok()?);
    Some(-error)
}

/// Number of a link in this thread's network namespace, if there is such a link.
pub fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a zero-ended string.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let body = Body::default().with(3, b"lo\0");
        assert_eq!(body.0, [7, 0, 3, 0, b'l', b'o', 0, 0]);
        let veth = Body::link(0, true).with_kind("veth", &Body::peer(&Body::link(0, false).with_name("eth0")));
        assert_eq!(veth.0.len() % 4, 0);
        let whole = message(libc::RTM_NEWLINK, libc::NLM_F_CREATE, &veth).unwrap();
        assert_eq!(u32::from_ne_bytes(whole[..4].try_into().unwrap()) as usize, whole.len());
        // ifinfomsg, then LINKINFO whose length covers the rest.
        let info = &veth.0[16..];
        assert_eq!(usize::from(u16::from_ne_bytes([info[0], info[1]])).next_multiple_of(4), info.len());
    }

    #[test]
    fn acknowledgements_are_read() {
        let mut answer = vec![0; HEADER + 4];
        answer[4] = 2;
        assert_eq!(error_in(&answer), Some(0));
        answer[HEADER..].copy_from_slice(&(-libc::EEXIST).to_ne_bytes());
        assert_eq!(error_in(&answer), Some(libc::EEXIST));
        assert_eq!(error_in(&[]), None);
    }
}
