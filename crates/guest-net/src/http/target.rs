//! Where a request goes: an address and port, or a Unix socket. Names are not resolved.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use crate::{Error, Result, route};

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An address and port.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
}

impl Target {
    /// Reads `http://ADDRESS[:PORT][/]`; `_gateway` stands for the default route's gateway.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong =
            |why: &str| Error::new(format!("{url:?} is not an exchange address: {why}; hint: http://10.0.2.2:3003"));
        let rest = url.strip_prefix("http://").ok_or_else(|| wrong("it does not start with http://"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('/') {
            return Err(wrong("it has a path"));
        }
        if let Ok(address) = authority.parse::<SocketAddr>() {
            return Ok(Self::Tcp(address));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => (host, port.parse().map_err(|_| wrong("bad port"))?),
            _ => (authority, 80),
        };
        let address = match host {
            "_gateway" => IpAddr::V4(route::gateway().ok_or_else(|| wrong("there is no default route"))?),
            other => other
                .trim_matches(['[', ']'])
                .parse()
                .map_err(|_| wrong("the host is neither an address nor _gateway"))?,
        };
        Ok(Self::Tcp(SocketAddr::new(address, port)))
    }

    /// What the `Host` header says.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Encodes a name for a path segment or a query value.
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_port() {
        let tcp = |text: &str| Target::Tcp(text.parse().unwrap());
        assert_eq!(Target::parse("http://10.0.2.2:3003").unwrap(), tcp("10.0.2.2:3003"));
        assert_eq!(Target::parse("http://10.0.2.2:3003/").unwrap(), tcp("10.0.2.2:3003"));
        assert_eq!(Target::parse("http://10.0.2.2").unwrap(), tcp("10.0.2.2:80"));
        assert_eq!(Target::parse("http://[::1]:3003").unwrap(), tcp("[::1]:3003"));
        assert_eq!(Target::parse("http://[::1]").unwrap(), tcp("[::1]:80"));
    }

    #[test]
    fn names_paths_and_other_schemes_are_refused() {
        for url in
            ["https://10.0.2.2", "10.0.2.2:3003", "http://example/", "http://10.0.2.2:3003/x", "http://10.0.2.2:x"]
        {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_is_special_in_urls_is_encoded() {
        assert_eq!(percent_encode("vhiveease/fibonacci-go:latest"), "vhiveease%2Ffibonacci-go%3Alatest");
        assert_eq!(percent_encode("a b&ä"), "a%20b%26%C3%A4");
    }
}
