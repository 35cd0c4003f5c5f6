//! `/etc/hosts` and `/etc/resolv.conf` of a container. The lean guest has no name server for its containers as an engine has: whom a
//! container could ask that for stands in its `/etc/hosts`, behind the engine's own lines.

use futon_model::LeanAttachment;

use super::settings::{ServiceNet, ServiceSettings};

/// What containers find other names with; only an open network answers.
const RESOLV_CONF: &str = "nameserver 10.0.2.3\n";
/// Its options where a service sets none: without an open network nobody is waited for long.
const RESOLV_OPTIONS: &str = "timeout:2 attempts:1";

/// What the engine writes first.
const OWN: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n\
                   ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// Compose's word for the guest's own address.
pub(super) const HOST_GATEWAY: &str = "host-gateway";
/// What the engine puts in its place: the address of its first bridge.
const HOST_GATEWAY_ADDRESS: &str = "172.17.0.1";

/// A container among the others.
pub(super) struct Neighbour<'a> {
    /// Name of its service.
    pub(super) service: &'a str,
    /// Name of the container.
    pub(super) name: &'a str,
    /// Its settings.
    pub(super) settings: &'a ServiceSettings,
    /// Its addresses.
    pub(super) attachment: &'a LeanAttachment,
}

impl Neighbour<'_> {
    /// Names on a network, by its place in the service's list.
    fn names(&self, card: usize) -> Vec<&str> {
        let mut names = vec![self.service, self.name];
        if let ServiceNet::Networks(places) = &self.settings.network
            && let Some(place) = places.get(card)
        {
            names.extend(place.aliases.iter().map(String::as_str));
        }
        let mut unique = Vec::new();
        for name in names {
            if !unique.contains(&name) {
                unique.push(name);
            }
        }
        unique
    }
}

/// Host name and domain as one.
fn full_name(hostname: &str, settings: &ServiceSettings) -> String {
    match settings.domainname.as_deref().filter(|domain| !domain.is_empty()) {
        Some(domain) => format!("{hostname}.{domain}"),
        None => hostname.to_owned(),
    }
}

/// `/etc/hosts` of the container at `index`.
pub(super) fn hosts(all: &[Neighbour<'_>], index: usize, hostname: &str) -> String {
    let me = &all[index];
    let mut text = String::from(OWN);
    for (name, address) in &me.settings.names.extra_hosts {
        let address = if address == HOST_GATEWAY { HOST_GATEWAY_ADDRESS } else { address };
        text.push_str(&format!("{address}\t{name}\n"));
    }
    let LeanAttachment::Own(mine) = me.attachment else { return text };
    let full = full_name(hostname, me.settings);
    // The engine writes the part before the first dot behind a longer name.
    let short = full.split_once('.').map(|(short, _)| format!(" {short}")).unwrap_or_default();
    for address in mine {
        text.push_str(&format!("{}\t{full}{short}\n", address.address));
    }
    for other in all {
        let LeanAttachment::Own(theirs) = other.attachment else { continue };
        for (card, address) in theirs.iter().enumerate() {
            if !mine.iter().any(|own| own.network == address.network) {
                continue;
            }
            let mut names = other.names(card);
            let links = me.settings.names.links.iter().filter(|(service, _)| service == other.service);
            names.extend(links.map(|(_, name)| name.as_str()).filter(|name| *name != other.service));
            text.push_str(&format!("{}\t{}\n", address.address, names.join(" ")));
        }
    }
    text
}

/// `/etc/resolv.conf` of a container.
pub(super) fn resolv_conf(settings: &ServiceSettings) -> String {
    let mut text = String::from(RESOLV_CONF);
    // A dot alone stands for no domain at all.
    let search: Vec<&str> =
        settings.names.dns_search.iter().map(String::as_str).filter(|domain| *domain != ".").collect();
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    let options = settings.names.dns_options.join(" ");
    let space = if options.is_empty() { "" } else { " " };
    text.push_str(&format!("options {options}{space}{RESOLV_OPTIONS}\n"));
    text
}

#[cfg(test)]
mod tests {
    use futon_model::LeanAddress;

    use super::super::settings::{Names, NetworkPlace};
    use super::*;

    fn settings(networks: &[&str]) -> ServiceSettings {
        let place = |network: &&str| NetworkPlace {
            network: (*network).to_owned(),
            aliases: vec![format!("alias-on-{network}")],
            address: None,
        };
        ServiceSettings {
            network: ServiceNet::Networks(networks.iter().map(place).collect()),
            ..ServiceSettings::default()
        }
    }

    fn on(networks: &[usize], last: u8) -> LeanAttachment {
        let address = |network: &usize| LeanAddress {
            network: *network,
            address: std::net::Ipv4Addr::new(172, 18 + u8::try_from(*network).unwrap(), 0, last),
            default_route: false,
        };
        LeanAttachment::Own(networks.iter().map(address).collect())
    }

    #[test]
    fn only_who_shares_a_network_is_found() {
        let (db, far, mut me) = (settings(&["back"]), settings(&["far"]), settings(&["front", "back"]));
        me.names = Names {
            extra_hosts: vec![("a.b".into(), "1.2.3.4".into()), ("gw".into(), "host-gateway".into())],
            links: vec![("db".into(), "store".into())],
            ..Names::default()
        };
        let (a, b, c) = (on(&[1], 2), on(&[2], 2), on(&[0, 1], 3));
        let of = |service, name, settings, attachment| Neighbour { service, name, settings, attachment };
        let all = [of("db", "futon-db-1", &db, &a), of("far", "far", &far, &b), of("fn", "function", &me, &c)];
        let text = hosts(&all, 2, "me");
        assert!(text.starts_with(OWN), "{text}");
        let lines: Vec<&str> = text[OWN.len()..].lines().collect();
        assert_eq!(
            lines,
            [
                "1.2.3.4\ta.b",
                "172.17.0.1\tgw",
                "172.18.0.3\tme",
                "172.19.0.3\tme",
                "172.19.0.2\tdb futon-db-1 alias-on-back store",
                "172.18.0.3\tfn function alias-on-front",
                "172.19.0.3\tfn function alias-on-back",
            ]
        );
        assert!(!hosts(&all, 0, "x").contains("172.20"));
    }

    #[test]
    fn a_domain_stands_behind_the_host_name() {
        let service = ServiceSettings { domainname: Some("example.org".into()), ..settings(&["default"]) };
        let place = on(&[0], 2);
        let all = [Neighbour { service: "s", name: "s", settings: &service, attachment: &place }];
        assert!(hosts(&all, 0, "me").contains("172.18.0.2\tme.example.org me\n"));
        let none = [Neighbour { service: "s", name: "s", settings: &service, attachment: &LeanAttachment::None }];
        assert_eq!(hosts(&none, 0, "me"), OWN);
    }

    #[test]
    fn the_resolver_is_told_what_the_service_says() {
        let names = Names {
            dns_search: vec!["example.org".into(), "b.c".into()],
            dns_options: vec!["ndots:2".into()],
            ..Names::default()
        };
        let text = resolv_conf(&ServiceSettings { names, ..ServiceSettings::default() });
        assert_eq!(text, "nameserver 10.0.2.3\nsearch example.org b.c\noptions ndots:2 timeout:2 attempts:1\n");
        assert_eq!(resolv_conf(&ServiceSettings::default()), "nameserver 10.0.2.3\noptions timeout:2 attempts:1\n");
    }
}
