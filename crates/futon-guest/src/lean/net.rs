//! The guest's networks: QEMU's user network where there is a card, and a bridge with a cable to each container, as Docker makes them.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    thread,
};

use futon_model::{LeanAttachment, LeanBundle, LeanContainer, LeanNetwork};
use guest_net::netlink::{Body, Netlink, index_of};
use guest_net::{Context, Error, Result, route};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

/// The guest's address on QEMU's user network, which its DHCP server would give, too.
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const GUEST_PREFIX: u8 = 24;

/// The card's name in the guest.
const CARD: &str = "eth0";

/// Sets up loopback and the card, if there is one.
pub(super) fn set_up() -> Result<()> {
    // Nobody here speaks IPv6 to the outside: no addresses to be made up, no routers to be looked for.
    let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{CARD}/disable_ipv6"), "1");
    let kernel = Netlink::open()?;
    up(&kernel, "lo")?;
    if index_of(CARD).is_some() {
        up(&kernel, CARD)?;
        add_address(&kernel, CARD, GUEST, GUEST_PREFIX)?;
        default_route(&kernel, route::QEMU_GATEWAY)?;
    }
    Ok(())
}

/// Gives the loopback interface one more address.
pub(crate) fn answer_at(address: Ipv4Addr) -> Result<()> {
    let kernel = Netlink::open()?;
    up(&kernel, "lo")?;
    add_address(&kernel, "lo", address, 32)
}

/// Makes a container's network namespace, kept under its name, with a cable to each network it is on; networks' bridges are made for
/// their first container.
pub(super) fn connect(bundle: &LeanBundle, container: &LeanContainer, number: usize) -> Result<()> {
    let addresses = match &container.network {
        LeanAttachment::Own(addresses) => addresses.clone(),
        LeanAttachment::None => Vec::new(),
        LeanAttachment::Host | LeanAttachment::Container(_) => return Ok(()),
    };
    let kernel = Netlink::open()?;
    let mut cables = Vec::new();
    for (card, address) in addresses.into_iter().enumerate() {
        let network = bundle.networks.get(address.network).ok_or_else(|| Error::new("there is no such network"))?;
        let bridge = match index_of(&bridge_name(address.network)) {
            Some(index) => index,
            None => make_bridge(&kernel, &bridge_name(address.network), network)?,
        };
        cables.push(Cable {
            bridge,
            outside: format!("veth{number}x{card}"),
            inside: format!("eth{card}"),
            address: address.address,
            prefix: network.prefix,
            gateway: address.default_route.then_some(network.gateway),
        });
    }
    let path = PathBuf::from(LeanBundle::network_of(&container.name));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).context(folder.display())?;
    }
    File::create_new(&path).context(path.display())?;
    // Another namespace is entered by a thread alone, which then ends.
    let inside = thread::spawn(move || {
        make_namespace(&path)?;
        let namespace = File::open(&path).context(path.display())?;
        for cable in &cables {
            let other_end = Body::link(0, false)
                .with_name(&cable.inside)
                .with_number(libc::IFLA_NET_NS_FD, namespace.as_raw_fd().cast_unsigned());
            let made = Body::link(0, true)
                .with_name(&cable.outside)
                .with_number(libc::IFLA_MASTER, cable.bridge)
                .with_kind("veth", &Body::peer(&other_end));
            // The socket is still one of the guest's own network.
            kernel.create(libc::RTM_NEWLINK, &made).context("cannot make its veth pair")?;
        }
        configure_inside(&cables)
    });
    inside.join().map_err(|_| Error::new("it could not be set up"))?
}

/// A container's way to one network.
struct Cable {
    bridge: u32,
    outside: String,
    inside: String,
    address: Ipv4Addr,
    prefix: u8,
    gateway: Option<Ipv4Addr>,
}

fn bridge_name(network: usize) -> String {
    format!("futon{network}")
}

/// Moves this thread to a new network namespace and keeps that at `path`.
fn make_namespace(path: &Path) -> Result<()> {
    let nothing = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
    mount(Some("/proc/thread-self/ns/net"), path, nothing, MsFlags::MS_BIND, nothing)
        .context(format_args!("cannot keep it at {}", path.display()))
}

/// Lets go of a container's network, if it has one: it goes when nobody uses it any more.
pub(super) fn disconnect(container: &str) -> Result<()> {
    let path = PathBuf::from(LeanBundle::network_of(container));
    if !path.exists() {
        return Ok(());
    }
    umount2(&path, MntFlags::MNT_DETACH).context(path.display())?;
    fs::remove_file(&path).context(path.display())
}

fn configure_inside(cables: &[Cable]) -> Result<()> {
    let kernel = Netlink::open()?;
    up(&kernel, "lo")?;
    for cable in cables {
        // Docker gives no IPv6 without being asked, either.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", cable.inside), "1");
        add_address(&kernel, &cable.inside, cable.address, cable.prefix)?;
        up(&kernel, &cable.inside)?;
        if let Some(gateway) = cable.gateway {
            default_route(&kernel, gateway)?;
        }
    }
    Ok(())
}

fn make_bridge(kernel: &Netlink, name: &str, network: &LeanNetwork) -> Result<u32> {
    let body = Body::link(0, true).with_name(name).with_kind("bridge", &Body::default());
    kernel
        .create(libc::RTM_NEWLINK, &body)
        .context(format_args!("cannot make the bridge of the network {}", network.name))?;
    add_address(kernel, name, network.gateway, network.prefix)?;
    index(name)
}

fn index(name: &str) -> Result<u32> {
    index_of(name).ok_or_else(|| Error::new(format!("there is no link {name}")))
}

fn up(kernel: &Netlink, name: &str) -> Result<()> {
    kernel.change_link(&Body::link(index(name)?, true)).context(format_args!("cannot bring {name} up"))
}

fn add_address(kernel: &Netlink, name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let mask = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let broadcast = Ipv4Addr::from(u32::from(address) | mask);
    let body = Body::address(index(name)?, prefix)
        .with_address(libc::IFA_LOCAL, address)
        .with_address(libc::IFA_ADDRESS, address)
        .with_address(libc::IFA_BROADCAST, broadcast);
    kernel.create(libc::RTM_NEWADDR, &body).context(format_args!("cannot give {name} the address {address}"))
}

fn default_route(kernel: &Netlink, gateway: Ipv4Addr) -> Result<()> {
    let body = Body::default_route().with_address(libc::RTA_GATEWAY, gateway);
    kernel.create(libc::RTM_NEWROUTE, &body).context(format_args!("cannot route by {gateway}"))
}
