//! Ports of this machine that containers' ports will be published on: kept from the machine's own connections, and looked at before.
//!
//! The ephemeral range of Linux has 50000 in it. A connection to the exchange that got that port, or is in TIME_WAIT with it, would keep the
//! engine from publishing a container's.

use std::{collections::BTreeSet, fs, path::Path};

use futon_model::GuestEvent;
use guest_net::{Context, Error, Result};

use crate::{report::report, runlog::RunLog};

/// Ports that no connection gets by itself (kernel documentation, `ip_local_reserved_ports`).
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// The port on which functions are published by convention.
const CONVENTION: u16 = 50000;

/// Sockets by protocol; addresses and states in hexadecimal (proc_net_tcp.txt of the kernel's documentation).
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// Keeps the conventional port from this machine's own connections, as early as can be. What fails is told.
pub(crate) fn reserve_convention() {
    if let Err(error) = reserve(Path::new(RESERVED), &[CONVENTION]) {
        println!("futon: port {CONVENTION} is not reserved: {error}");
    }
}

fn reserve(file: &Path, ports: &[u16]) -> Result<()> {
    let known = fs::read_to_string(file).context(file.display())?;
    let mut all: BTreeSet<String> = known.trim().split(',').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    all.extend(ports.iter().map(u16::to_string));
    let list = all.into_iter().collect::<Vec<_>>().join(",");
    fs::write(file, list).context(file.display())
}

/// Reserves ports, and says so when something in this machine has one of them already: that is no fault of the function's.
pub(crate) fn keep_free(ports: &[u16], log: &RunLog) -> Result<()> {
    if ports.is_empty() {
        return Ok(());
    }
    if let Err(error) = reserve(Path::new(RESERVED), ports) {
        println!("futon: published ports are not reserved: {error}");
    }
    are_free(ports, log)
}

fn are_free(ports: &[u16], log: &RunLog) -> Result<()> {
    for table in TABLES {
        // Without IPv6 there is one table.
        let Ok(text) = fs::read_to_string(table) else { continue };
        if let Some((port, by)) = taken(&text, ports) {
            report(&GuestEvent::PortTaken { port, by: by.to_owned() }, log);
            return Err(Error::new(format!(
                "port {port} in the guest is used by {by}: the container's port cannot be published"
            )));
        }
    }
    Ok(())
}

/// The first of `ports` that is some socket's own.
fn taken(table: &str, ports: &[u16]) -> Option<(u16, &'static str)> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        let by = match state {
            "0A" => "a program that listens there",
            "06" => "a connection in the guest that has just ended",
            _ => "a connection in the guest",
        };
        ports.contains(&port).then_some((port, by))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
         0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n   \
         1: 0F02000A:C350 0202000A:0BBB 06 00000000:00000000 03:00001234 00000000     0        0 0 3 0\n   \
         2: 0F02000A:C351 0202000A:0BBB 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1\n";

    #[test]
    fn sockets_that_hold_a_port() {
        assert_eq!(taken(TABLE, &[50000]), Some((50000, "a connection in the guest that has just ended")));
        assert_eq!(taken(TABLE, &[22]), Some((22, "a program that listens there")));
        assert_eq!(taken(TABLE, &[50001]), Some((50001, "a connection in the guest")));
        assert_eq!(taken(TABLE, &[3003, 80]), None, "the other side's port");
        assert_eq!(taken("garbage\n x\n", &[1]), None);
    }

    #[test]
    fn reserved_ports_are_added_to_those_that_are() {
        let file = std::env::temp_dir().join(format!("futon-reserved-{}", std::process::id()));
        fs::write(&file, "8080,40000-40010\n").unwrap();
        reserve(&file, &[50000]).unwrap();
        reserve(&file, &[50000, 9090]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "40000-40010,50000,8080,9090");
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_fails_and_is_reported() {
        let folder = std::env::temp_dir().join(format!("futon-ports-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("no-events"), "").unwrap();
        let log = RunLog::at(folder.join("results.log"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = are_free(&[port], &log).unwrap_err().to_string();
        assert!(error.contains(&format!("port {port}")) && error.contains("listens"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
