//! The host's exchange: where it is, and requests to it with the run's token.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use futon_model::TOKEN_HEADER;
use guest_net::{
    Error, Result,
    http::{self, Limits, Request, Response, Target},
    route,
};

/// The exchange's port.
pub(crate) const PORT: u16 = 3003;

/// Limits of a request that moves a file.
pub(crate) const TRANSFER: Limits =
    Limits { connect: Duration::from_secs(5), io: Duration::from_secs(30), whole: Duration::from_secs(600) };

/// Limits of a request that says something short.
pub(crate) const SHORT: Limits =
    Limits { connect: Duration::from_secs(2), io: Duration::from_secs(5), whole: Duration::from_secs(10) };

const FIND_LIMIT: Duration = Duration::from_secs(10);
const PROBE_LIMIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(200);

/// The exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    target: Target,
    token: Option<String>,
}

impl Exchange {
    /// The exchange at `$FUTON_URL`, else the first of its usual addresses where somebody listens, waited for up to 10 s.
    pub(crate) fn find() -> Result<Self> {
        let token = env::var("FUTON_TOKEN").ok().filter(|token| !token.is_empty());
        if let Ok(url) = env::var("FUTON_URL")
            && !url.is_empty()
        {
            return Ok(Self { target: Target::parse(&url)?, token });
        }
        let began = Instant::now();
        loop {
            let addresses = addresses(route::gateway());
            if let Some(target) = addresses.iter().map(|&address| target(address)).find(listens) {
                return Ok(Self { target, token });
            }
            if began.elapsed() >= FIND_LIMIT {
                return Err(Error::new(format!(
                    "no exchange listens at port {PORT} of {addresses:?}; hint: set FUTON_URL, or start one on the host"
                )));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Sends a request with the token.
    pub(crate) fn send(&self, limits: Limits, mut request: Request<'_>) -> io::Result<Response> {
        if let Some(token) = &self.token {
            request = request.header(TOKEN_HEADER, token);
        }
        http::send(&self.target, limits, request)
    }

    /// Sends a request without the token: for what every container may ask as well.
    pub(crate) fn send_plain(&self, limits: Limits, request: Request<'_>) -> io::Result<Response> {
        http::send(&self.target, limits, request)
    }

    /// Where it is.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The exchange at `target`, without a token.
    pub(crate) fn at(target: Target) -> Self {
        Self { target, token: None }
    }
}

/// Where an exchange may be, likeliest first.
pub(crate) fn addresses(gateway: Option<Ipv4Addr>) -> Vec<Ipv4Addr> {
    let mut found: Vec<Ipv4Addr> = gateway.into_iter().chain([route::QEMU_GATEWAY]).collect();
    found.dedup();
    found
}

/// The exchange's port at an address.
pub(crate) fn target(address: Ipv4Addr) -> Target {
    Target::Tcp(SocketAddr::from((address, PORT)))
}

fn listens(target: &Target) -> bool {
    match target {
        Target::Tcp(address) => std::net::TcpStream::connect_timeout(address, PROBE_LIMIT).is_ok(),
        Target::Unix(path) => path.exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_comes_first_and_nothing_twice() {
        let other = Ipv4Addr::new(192, 168, 1, 1);
        assert_eq!(addresses(Some(other)), [other, route::QEMU_GATEWAY]);
        assert_eq!(addresses(Some(route::QEMU_GATEWAY)), [route::QEMU_GATEWAY]);
        assert_eq!(addresses(None), [route::QEMU_GATEWAY]);
    }
}
