//! A detour: for as long as it is there, the engine that asks another registry by its name is led to the exchange.
//!
//! A name with a digest (`ghcr.io/me/fn@sha256:…`) is known to an engine only when it was pulled: loading an archive gives no
//! digest, and an engine takes mirrors for Docker's own registry alone. So the registry's name is made one of this machine's in
//! `/etc/hosts`, and what is asked at its port goes to the exchange, which knows the registry by the request's `Host`. An engine
//! speaks plain HTTP with a registry on the loopback interface.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use guest_net::{Context, Error, Result};

const HOSTS: &str = "/etc/hosts";

/// Ends the line of `/etc/hosts` that is ours.
const MARK: &str = "# futon detour";

/// Port of a registry that names none, without TLS.
const HTTP: u16 = 80;

const CONNECT: Duration = Duration::from_secs(5);

/// Leads one registry's name to the exchange; ends with the value.
#[derive(Debug)]
pub(super) struct Detour {
    hosts: Option<PathBuf>,
    address: SocketAddr,
    over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Detour {
    /// Begins to lead `registry` (`HOST[:PORT]`) to `exchange`.
    pub fn begin(registry: &str, exchange: SocketAddr) -> Result<Self> {
        Self::begin_with(registry, exchange, Path::new(HOSTS))
    }

    fn begin_with(registry: &str, exchange: SocketAddr, hosts: &Path) -> Result<Self> {
        let (host, port) = apart(registry)?;
        let literal = host.parse::<IpAddr>().ok();
        let address = match literal {
            Some(address) if address.is_loopback() => address,
            Some(address) => return Err(Error::new(format!("{address} is not an address of this machine"))),
            None => Ipv4Addr::LOCALHOST.into(),
        };
        let address = SocketAddr::new(address, port);
        let listener = TcpListener::bind(address).context(format_args!("cannot listen at {address}"))?;
        let address = listener.local_addr().context("no address")?;
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let listening = thread::spawn(move || lead(&listener, exchange, &seen));
        let mut detour = Self { hosts: None, address, over, listening: Some(listening) };
        if literal.is_none() && host != "localhost" {
            let mut text = fs::read_to_string(hosts).unwrap_or_default();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("{} {host} {MARK}\n", Ipv4Addr::LOCALHOST));
            fs::write(hosts, text).context(format_args!("cannot write {}", hosts.display()))?;
            detour.hosts = Some(hosts.to_owned());
        }
        Ok(detour)
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        if let Some(hosts) = &self.hosts
            && let Ok(text) = fs::read_to_string(hosts)
        {
            let kept: Vec<&str> = text.lines().filter(|line| !line.ends_with(MARK)).collect();
            // What stays leads nowhere any more.
            let _ = fs::write(hosts, kept.join("\n") + "\n");
        }
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect_timeout(&self.address, CONNECT));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Host and port of a registry's name.
fn apart(registry: &str) -> Result<(&str, u16)> {
    if let Some(rest) = registry.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| Error::new(format!("{registry} is not a registry")))?;
        host.parse::<Ipv6Addr>().context(format_args!("{registry} is not a registry"))?;
        return Ok((host, port(rest.strip_prefix(':'))?));
    }
    match registry.split_once(':') {
        Some((host, number)) => Ok((host, port(Some(number))?)),
        None => Ok((registry, HTTP)),
    }
}

fn port(text: Option<&str>) -> Result<u16> {
    text.map_or(Ok(HTTP), |text| text.parse().context(format_args!("{text} is not a port")))
}

fn lead(listener: &TcpListener, exchange: SocketAddr, over: &AtomicBool) {
    for client in listener.incoming() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(client) = client {
            thread::spawn(move || {
                // The engine sees a broken connection, and says so.
                let _ = pass(client, exchange);
            });
        }
    }
}

/// Passes all that both sides say on, until both have ended.
fn pass(client: TcpStream, exchange: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&exchange, CONNECT)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upwards = thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let passed = io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
    let _ = from_server.shutdown(Shutdown::Both);
    let _ = upwards.join();
    passed.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_registry_leads_to_the_exchange_and_no_trace_stays() {
        let folder = std::env::temp_dir().join(format!("futon-detour-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let hosts = folder.join("hosts");
        fs::write(&hosts, "127.0.0.1 localhost").unwrap();
        let exchange = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = exchange.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let (mut client, _) = exchange.accept().unwrap();
            let mut asked = [0; 4];
            client.read_exact(&mut asked).unwrap();
            client.write_all(b"pong").unwrap();
            asked
        });
        // Port 0: any that is free.
        let detour = Detour::begin_with("registry.example:0", at, &hosts).unwrap();
        let text = fs::read_to_string(&hosts).unwrap();
        assert_eq!(text, "127.0.0.1 localhost\n127.0.0.1 registry.example # futon detour\n");
        let mut client = TcpStream::connect(detour.address).unwrap();
        client.write_all(b"ping").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!((answer.as_str(), &serving.join().unwrap()), ("pong", b"ping"));
        let address = detour.address;
        drop(detour);
        assert_eq!(fs::read_to_string(&hosts).unwrap(), "127.0.0.1 localhost\n");
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn registries_are_taken_apart() {
        assert_eq!(apart("ghcr.io").unwrap(), ("ghcr.io", 80));
        assert_eq!(apart("registry.example:5000").unwrap(), ("registry.example", 5000));
        assert_eq!(apart("[::1]:5000").unwrap(), ("::1", 5000));
        assert_eq!(apart("[::1]").unwrap(), ("::1", 80));
        for text in ["x:y", "[::1", "[x]:1", "x:70000"] {
            assert!(apart(text).is_err(), "{text}");
        }
        let exchange = "127.0.0.1:1".parse().unwrap();
        assert!(Detour::begin_with("192.0.2.1:0", exchange, Path::new("/nowhere")).is_err());
    }
}
