//! Addresses for tests.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address that refuses connections as long as the listener is kept: it has the listener's port, and another address of loopback's. A port
/// that only was free a moment ago may be another test's server by the time it is called.
pub fn refusing() -> (TcpListener, SocketAddr) {
    let kept = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = (Ipv4Addr::new(127, 0, 0, 2), kept.local_addr().unwrap().port()).into();
    (kept, address)
}
