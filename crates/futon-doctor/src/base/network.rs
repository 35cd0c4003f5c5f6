//! Whether the guest gets an address and finds the exchange.

use super::boots::Service;
use super::tree::Tree;
use crate::{Finding, missing, ok};

/// Who asks for an address.
pub(super) fn dhcp(tree: &Tree) -> Finding {
    const NAME: &str = "DHCP";
    let says = |folder: &str, ending: &str, words: &[&str]| {
        let files = tree.names(folder).into_iter().filter(|name| name.ends_with(ending));
        let texts = files.filter_map(|name| tree.text(&format!("{folder}/{name}")));
        texts.into_iter().any(|text| text.lines().any(|line| words.iter().any(|word| line.trim().starts_with(word))))
    };
    let networkd = tree.starts("systemd-networkd.service");
    if networkd && says("/etc/systemd/network", ".network", &["DHCP=yes", "DHCP=ipv4", "DHCP=true", "DHCP=both"]) {
        return ok(NAME, "systemd-networkd asks");
    }
    if says("/etc/netplan", ".yaml", &["dhcp4: true", "dhcp4: yes"]) {
        return ok(NAME, "netplan has a line for it");
    }
    if tree.starts("NetworkManager.service") {
        return ok(NAME, "NetworkManager asks");
    }
    let interfaces = tree.text("/etc/network/interfaces").unwrap_or_default();
    let asks = |text: &str| text.lines().any(|line| line.trim_start().starts_with("iface") && line.contains(" dhcp"));
    let more = "/etc/network/interfaces.d";
    let others = tree.names(more).into_iter().filter_map(|name| tree.text(&format!("{more}/{name}")));
    if tree.starts("networking.service") && (asks(&interfaces) || others.into_iter().any(|text| asks(&text))) {
        return ok(NAME, "ifupdown asks");
    }
    if let Some(unit) = ["dhcpcd.service", "connman.service", "dhclient.service"].iter().find(|unit| tree.starts(unit))
    {
        return ok(NAME, format!("{unit} asks"));
    }
    let why = "nobody asks for an address: no systemd-networkd with DHCP=, NetworkManager, netplan, ifupdown or dhcpcd";
    missing(NAME, why)
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
