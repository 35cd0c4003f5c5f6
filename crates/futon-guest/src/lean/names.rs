//! A container's name server, where an engine has one: in its network, at 127.0.0.11.

use std::{
    fs::File,
    net::{Ipv4Addr, UdpSocket},
    sync::mpsc,
    thread,
};

use futon_model::{LeanAttachment, LeanBundle, LeanContainer, LeanHost};
use guest_net::{Context, Error, Result, names};
use nix::sched::{CloneFlags, setns};

use super::bundle::Record;

/// A question over UDP fits (RFC 1035, 4.2.1), with what clients add to it (RFC 6891).
const LONGEST: usize = 4096;

/// Serves the container's names for as long as this process lives; it is there when this returns.
pub(super) fn serve(container: &LeanContainer) -> Result<()> {
    if container.hosts.is_empty() || !matches!(container.network, LeanAttachment::Own(_)) {
        return Ok(());
    }
    let network = LeanBundle::network_of(&container.name);
    let known = Running(container.hosts.clone());
    let (tell, told) = mpsc::channel();
    // Another network namespace is entered by a thread alone.
    thread::spawn(move || {
        let socket = open(&network);
        let _ = tell.send(socket.as_ref().map(drop).map_err(ToString::to_string));
        let Ok(socket) = socket else { return };
        let mut packet = [0; LONGEST];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
            if let Some(answer) = names::answer(&packet[..length], &known) {
                // Who asked may be gone.
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    let opened = told.recv().map_err(|_| Error::new("it ended"))?;
    opened.map_err(|why| Error::new(format!("no name server for {}: {why}", container.name)))
}

fn open(network: &str) -> Result<UdpSocket> {
    let namespace = File::open(network).context(network)?;
    setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter its network")?;
    UdpSocket::bind(names::ADDRESS).context("port 53")
}

/// Containers have their names while they run.
struct Running(Vec<LeanHost>);

impl Running {
    fn of(&self, is_meant: impl Fn(&LeanHost) -> bool) -> impl Iterator<Item = &LeanHost> {
        self.0.iter().filter(move |host| is_meant(host) && Record::of(&host.container).status().0 == "running")
    }
}

impl names::Known for Running {
    fn addresses(&self, name: &str) -> Vec<Ipv4Addr> {
        let has = |host: &LeanHost| host.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        self.of(has).map(|host| host.address).collect()
    }

    fn name(&self, address: Ipv4Addr) -> Option<String> {
        self.of(|host| host.address == address).next().map(|host| host.pointer.clone())
    }
}
