//! Whether the guest gets an address and finds the exchange.

use super::boots::{CLOUD_INIT, Service};
use super::tree::Tree;
use super::units::{Unit, fits};
use crate::{Finding, missing, note, ok};

/// Names that the guest's first network card may have.
const CARDS: [&str; 4] = ["enp0s3", "ens3", "eno1", "eth0"];

/// Who asks for an address.
pub(super) fn dhcp(tree: &Tree) -> Finding {
    const NAME: &str = "DHCP";
    if tree.starts("systemd-networkd.service") && networkd_asks(tree) {
        return ok(NAME, "systemd-networkd asks");
    }
    let netplan = |text: &str| {
        let plain = |line: &str| line.split('#').next().unwrap_or_default().replace(' ', "");
        text.lines()
            .map(plain)
            .any(|line| ["true", "yes", "on"].iter().any(|word| line.contains(&format!("dhcp4:{word}"))))
    };
    if files(tree, "/etc/netplan", ".yaml").iter().any(|text| netplan(text)) {
        return ok(NAME, "netplan has a line for it");
    }
    if tree.starts("NetworkManager.service") {
        return ok(NAME, "NetworkManager asks");
    }
    let mut interfaces = files(tree, "/etc/network/interfaces.d", "");
    interfaces.extend(tree.text("/etc/network/interfaces"));
    let asks =
        |text: &String| text.lines().any(|line| line.trim_start().starts_with("iface") && line.contains(" dhcp"));
    if tree.starts("networking.service") && interfaces.iter().any(asks) {
        return ok(NAME, "ifupdown asks");
    }
    if let Some(unit) = ["dhcpcd.service", "connman.service", "dhclient.service"].iter().find(|unit| tree.starts(unit))
    {
        return ok(NAME, format!("{unit} asks"));
    }
    if CLOUD_INIT.iter().any(|unit| tree.starts(unit)) {
        return note(NAME, "only cloud-init may ask, by what it writes at the first boot");
    }
    let why = "nobody asks for an address: no systemd-networkd with DHCP=, NetworkManager, netplan, ifupdown or dhcpcd";
    missing(NAME, why)
}

/// The texts of a folder's files.
fn files(tree: &Tree, folder: &str, ending: &str) -> Vec<String> {
    let names = tree.names(folder).into_iter().filter(|name| name.ends_with(ending));
    names.filter_map(|name| tree.text(&format!("{folder}/{name}"))).collect()
}

/// Whether a file of systemd-networkd's is about a network card and asks for an address.
fn networkd_asks(tree: &Tree) -> bool {
    let folders = ["/etc/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"];
    folders.iter().flat_map(|folder| files(tree, folder, ".network")).any(|text| {
        let mut file = Unit::default();
        file.read(&text);
        let names = file.values("Match", "Name").join(" ");
        let card = names.is_empty() || names.split_whitespace().any(|name| CARDS.iter().any(|card| fits(name, card)));
        let of_a_card = file.last("Match", "Type").is_none_or(|kind| kind.contains("ether"))
            && file.last("Match", "Kind").is_none()
            && file.last("Match", "Virtualization").is_none_or(|where_| !where_.contains("container"));
        let asks = file.last("Network", "DHCP").unwrap_or_default().to_ascii_lowercase();
        card && of_a_card && matches!(&*asks, "yes" | "y" | "true" | "t" | "on" | "1" | "ipv4" | "v4" | "both")
    })
}

/// Whether the guest finds the exchange by its name.
pub(super) fn gateway(tree: &Tree, service: &Service) -> Finding {
    const NAME: &str = "_gateway";
    if service.runs_futon_guest() {
        return ok(NAME, "not needed: futon-guest finds the exchange");
    }
    if service.mentions("10.0.2.2") {
        return ok(NAME, "not needed: gem5.service has the address");
    }
    let conf = tree.text("/etc/nsswitch.conf").unwrap_or_default();
    let hosts = conf.lines().find_map(|line| line.trim().strip_prefix("hosts:")).unwrap_or_default();
    let library = |name: &str| {
        let folders = ["/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib"];
        folders.iter().any(|folder| tree.has(&format!("{folder}/libnss_{name}.so.2")))
    };
    for name in ["myhostname", "resolve"] {
        if hosts.split_whitespace().any(|word| word == name) && library(name) {
            return ok(NAME, format!("/etc/nsswitch.conf has {name}"));
        }
    }
    // systemd-resolved answers for it over DNS, too.
    let stub = tree.canonical("/etc/resolv.conf").is_some_and(|path| path.contains("systemd/resolve"))
        || tree.text("/etc/resolv.conf").is_some_and(|text| text.contains("127.0.0.53"));
    if stub && tree.starts("systemd-resolved.service") {
        return ok(NAME, "systemd-resolved answers");
    }
    missing(NAME, "nothing resolves it: install libnss-myhostname, or write 10.0.2.2 into gem5.service")
}
