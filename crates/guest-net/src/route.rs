//! The gateway, from the kernel's routing table: a static binary has no name service to ask for `_gateway`.

use std::{
    fs,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

/// QEMU's user network has its gateway here.
pub const QEMU_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

const TABLE: &str = "/proc/net/route";
const FLAG_UP: u32 = 0x1;
const FLAG_GATEWAY: u32 = 0x2;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The gateway of the default route with the lowest metric, if there is one now.
pub fn gateway() -> Option<Ipv4Addr> {
    parse(&fs::read_to_string(TABLE).ok()?)
}

/// Waits at most `limit` for a default route.
pub fn wait_for_gateway(limit: Duration) -> Option<Ipv4Addr> {
    let began = Instant::now();
    loop {
        if let Some(found) = gateway() {
            return Some(found);
        }
        if began.elapsed() >= limit {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Reads the table's text: columns Iface Destination Gateway Flags RefCnt Use Metric Mask …, addresses in hexadecimal.
fn parse(table: &str) -> Option<Ipv4Addr> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let hexadecimal = |index: usize| u32::from_str_radix(columns.get(index)?, 16).ok();
            let default = hexadecimal(1)? == 0 && hexadecimal(7)? == 0;
            let flags = hexadecimal(3)?;
            let usable = flags & FLAG_UP != 0 && flags & FLAG_GATEWAY != 0;
            let metric: u32 = columns.get(6)?.parse().ok()?;
            // The table shows the address as a number in memory order.
            (default && usable).then(|| Some((metric, Ipv4Addr::from(hexadecimal(2)?.to_ne_bytes()))))?
        })
        .min_by_key(|&(metric, _)| metric)
        .map(|(_, address)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    fn the_default_route_is_found_among_others() {
        let table = format!(
            "{HEAD}docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\nens2\t00000000\t0202000A\t0003\t0\t0\t1024\t00000000\t0\t0\t0\nens2\t0002000A\t00000000\t0001\t0\t0\t1024\t00FFFFFF\t0\t0\t0\n"
        );
        assert_eq!(parse(&table), Some(QEMU_GATEWAY));
    }

    #[test]
    fn the_lowest_metric_wins_and_routes_that_are_down_do_not_count() {
        let line = |gateway: &str, flags: &str, metric: &str| {
            format!("e\t00000000\t{gateway}\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0\n")
        };
        let table = format!(
            "{HEAD}{}{}{}",
            line("0100A8C0", "0003", "200"),
            line("0200A8C0", "0003", "100"),
            line("0300A8C0", "0002", "1")
        );
        assert_eq!(parse(&table), Some(Ipv4Addr::new(192, 168, 0, 2)));
    }

    #[test]
    fn no_default_route_is_none() {
        assert_eq!(parse(HEAD), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse(&format!("{HEAD}ens2\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\nbroken\n")), None);
    }
}
