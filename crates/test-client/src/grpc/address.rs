//! `-url` and `-port` as a socket address, without a name service: a static glibc has none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address to connect to. "Any address" means this machine, as in Go.
///
/// # Errors
/// A name that is not `localhost`, or a port that is no number.
pub fn resolve(url: &str, port: &str) -> Result<SocketAddr, String> {
    let mut address = parse(url, port)?;
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(address)
}

/// The address as it is written: to listen on, "any address" is one.
///
/// # Errors
/// As [`resolve`].
pub fn parse(url: &str, port: &str) -> Result<SocketAddr, String> {
    let host = url.strip_prefix('[').and_then(|url| url.strip_suffix(']')).unwrap_or(url);
    let ip = match host {
        "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => host.parse().map_err(|_not_an_address| {
            format!(
                "-url '{url}' is not an IP address; hint: names other than localhost cannot be \
                     resolved here, give the address alone, without scheme or port"
            )
        })?,
    };
    match port.parse() {
        Ok(0) | Err(_) => Err(format!("-port '{port}' is not a port; hint: 1 to 65535")),
        Ok(port) => Ok(SocketAddr::new(ip, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, port, address) in [
            ("0.0.0.0", "50051", "127.0.0.1:50051"),
            ("localhost", "50000", "127.0.0.1:50000"),
            ("", "1", "127.0.0.1:1"),
            ("10.0.2.15", "65535", "10.0.2.15:65535"),
            ("::", "7", "[::1]:7"),
            ("[fe80::1]", "7", "[fe80::1]:7"),
        ] {
            assert_eq!(resolve(url, port).unwrap().to_string(), address);
        }
    }

    #[test]
    fn what_is_no_address_gets_a_hint() {
        for (url, port) in [
            ("function", "50051"),
            ("http://127.0.0.1", "50051"),
            ("127.0.0.1:50051", "50051"),
            ("127.0.0.1", "0"),
            ("127.0.0.1", "65536"),
            ("127.0.0.1", "grpc"),
        ] {
            let error = resolve(url, port).unwrap_err();
            assert!(error.contains("hint:"), "{error}");
        }
    }
}
