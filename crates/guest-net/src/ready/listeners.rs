//! Who listens in a container's network namespace: `/proc/PID/net/tcp` and `tcp6` (proc(5)).

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use futon_model::is_loopback;

/// State of a listening socket (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// Docker's own name server listens in each container, on this address and a port of its choice.
const DOCKER_NAMES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// Addresses on which TCP sockets listen in the network namespace of a process; nothing where that is this process's own, whose
/// listeners are not the container's, or cannot be read.
pub(super) fn of(pid: i32) -> Option<Vec<SocketAddr>> {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
    if namespace(&pid.to_string())? == namespace("self")? {
        return None;
    }
    let table = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}"));
    let mut found = parse(&table("tcp").ok()?);
    // A kernel need not have IPv6.
    found.extend(parse(&table("tcp6").unwrap_or_default()));
    found.sort_unstable();
    found.dedup();
    Some(found)
}

/// Where a container listens on a port for others, if it does so for IPv6 alone as far as the tables tell: such a socket takes connections
/// of IPv4, too, unless it was told not to.
pub(super) fn only_ipv6(listening: &[SocketAddr], port: u16) -> Option<Vec<SocketAddr>> {
    let here = listening.iter().copied().filter(|at| at.port() == port && !is_loopback(at.ip()));
    let here: Vec<SocketAddr> = here.collect();
    let v6 = |at: &SocketAddr| matches!(at.ip(), IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none());
    (!here.is_empty() && here.iter().all(v6)).then_some(here)
}

fn parse(table: &str) -> Vec<SocketAddr> {
    let listening = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, state) = (columns.next()?, columns.nth(1)?);
        (state == LISTEN).then(|| address(local)).flatten()
    });
    listening.filter(|found| found.ip() != IpAddr::V4(DOCKER_NAMES)).collect()
}

/// An address as the table has it: words of four bytes in memory order, then the port, in hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(word(0)?.into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, piece) in bytes.chunks_exact_mut(4).enumerate() {
                piece.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn parsed(lines: &str) -> Vec<String> {
        parse(&format!("{HEAD}{lines}")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn listeners_of_both_families_are_read() {
        let v4 = "   0: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0\n";
        assert_eq!(parsed(v4), ["127.0.0.1:50051"]);
        let v6 = "   0: 00000000000000000000000001000000:C383 00000000000000000000000000000000:0000 0A 0 0 0 0 0 1\n   \
                     1: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0 0 0 1\n";
        assert_eq!(parsed(v6), ["[::1]:50051", "[::]:8080"]);
    }

    #[test]
    fn connections_and_dockers_names_are_left_out() {
        let lines = "   0: 0B00007F:9C41 00000000:0000 0A 0 0 0 0 0 1\n   1: 0100007F:C383 0100007F:1234 01 0 0 0 0 0 1\nbroken\n";
        assert!(parsed(lines).is_empty());
    }

    #[test]
    fn this_namespace_is_not_a_containers() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(of(me), None);
    }
}
