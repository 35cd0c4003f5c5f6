//! What names a container knows: its `/etc/hosts` and `/etc/resolv.conf`, both with what the engine writes, and whom its network's name server
//! knows. Only where there can be no name server, since the container is one itself, do the others stand in `/etc/hosts`.

use std::net::Ipv4Addr;

use futon_model::{LeanAttachment, LeanBundle, LeanHost};

use super::settings::{ServiceNet, ServiceSettings};

/// The name server of a container that has no network with names: QEMU's, which only an open network lets answer.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// Options of the guest's own name server: without an open network nobody is waited for long.
const RESOLV_OPTIONS: [&str; 2] = ["timeout:2", "attempts:1"];
/// The engine's own option where a service does not set it: a name without a dot is looked for as it is.
const NDOTS: &str = "ndots:0";

/// What the engine writes first.
const OWN: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n\
                   ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// The same for a container without IPv6.
const OWN_IPV4: &str = "127.0.0.1\tlocalhost\n";

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
    /// The beginning of its id, which it has for a host name where none is set.
    pub(super) short_id: Option<String>,
    /// Its addresses.
    pub(super) attachment: &'a LeanAttachment,
    /// The engine's names of all networks, by their numbers; none of the engine's own, where nobody has a name.
    pub(super) networks: &'a [Option<&'a str>],
}

impl Neighbour<'_> {
    /// Names on a network, by its place in the service's list and its name: those that the engine's name server knows (moby:
    /// `daemon/container_operations.go`, `buildEndpointDNSNames`), and the same with the network's name behind a dot (libnetwork:
    /// `Sandbox.ResolveName`).
    fn names(&self, card: usize, network: &str) -> Vec<String> {
        let mut names = vec![self.service, self.name];
        if let ServiceNet::Networks(places) = &self.settings.network
            && let Some(place) = places.get(card)
        {
            names.extend(place.aliases.iter().map(String::as_str));
        }
        names.extend(self.settings.hostname.as_deref().filter(|name| !name.is_empty()));
        names.extend(self.short_id.as_deref());
        let mut unique: Vec<String> = Vec::new();
        for name in names {
            if !unique.iter().any(|known| known == name) {
                unique.push(name.to_owned());
            }
        }
        let long: Vec<String> = unique.iter().map(|name| format!("{name}.{network}")).collect();
        unique.into_iter().chain(long).collect()
    }
}

/// Host name and domain as one.
fn full_name(hostname: &str, settings: &ServiceSettings) -> String {
    match settings.domainname.as_deref().filter(|domain| !domain.is_empty()) {
        Some(domain) => format!("{hostname}.{domain}"),
        None => hostname.to_owned(),
    }
}

/// `/etc/hosts` of a container, with the names of `others`.
pub(super) fn hosts(me: &Neighbour<'_>, hostname: &str, others: &[LeanHost]) -> String {
    // The engine leaves out IPv6 where a container has none.
    let no_ipv6 = me.settings.sysctls.get("net.ipv6.conf.all.disable_ipv6").is_some_and(|value| value == "1");
    let mut text = String::from(if no_ipv6 { OWN_IPV4 } else { OWN });
    for (name, address) in &me.settings.names.extra_hosts {
        let address = if address == HOST_GATEWAY { HOST_GATEWAY_ADDRESS } else { address };
        text.push_str(&format!("{address}\t{name}\n"));
    }
    let LeanAttachment::Own(mine) = me.attachment else { return text };
    let full = full_name(hostname, me.settings);
    // The engine writes the part before the first dot behind a longer name.
    let short = full.split_once('.').map(|(short, _)| short);
    for address in mine {
        let short = short.map(|short| format!(" {short}")).unwrap_or_default();
        text.push_str(&format!("{}\t{full}{short}\n", address.address));
    }
    // Who finds a name in this file asks no name server for it.
    let is_own = |name: &str| {
        let extra = me.settings.names.extra_hosts.iter().map(|(name, _)| name.as_str());
        extra.chain([full.as_str()]).chain(short).any(|own| own.eq_ignore_ascii_case(name))
    };
    for LeanHost { address, names, .. } in others {
        let names: Vec<&str> = names.iter().filter(|name| !is_own(name)).map(String::as_str).collect();
        if !names.is_empty() {
            text.push_str(&format!("{address}\t{}\n", names.join(" ")));
        }
    }
    text
}

/// Whom the container at `index` can find by a name: who is on one of its networks, itself included.
pub(super) fn known(all: &[Neighbour<'_>], index: usize) -> Vec<LeanHost> {
    let me = &all[index];
    let LeanAttachment::Own(mine) = me.attachment else { return Vec::new() };
    let mut known = Vec::new();
    for other in all {
        let LeanAttachment::Own(theirs) = other.attachment else { continue };
        for (card, address) in theirs.iter().enumerate() {
            if !mine.iter().any(|own| own.network == address.network) {
                continue;
            }
            let Some(network) = other.networks.get(address.network).copied().flatten() else { continue };
            let links = me.settings.names.links.iter().filter(|(service, _)| service == other.service);
            let linked = links.map(|(_, name)| name.clone()).filter(|name| name != other.service);
            known.push(LeanHost {
                container: other.name.to_owned(),
                address: address.address,
                names: other.names(card, network).into_iter().chain(linked).collect(),
                pointer: format!("{}.{network}", other.name),
            });
        }
    }
    known
}

/// `/etc/resolv.conf` of a container; `asks_inside` if its network has a name server.
pub(super) fn resolv_conf(settings: &ServiceSettings, asks_inside: bool) -> String {
    let server = if asks_inside { LeanBundle::NAME_SERVER } else { OUTSIDE };
    let mut text = format!("nameserver {server}\n");
    // A dot alone stands for no domain at all.
    let search: Vec<&str> =
        settings.names.dns_search.iter().map(String::as_str).filter(|domain| *domain != ".").collect();
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    let mut options: Vec<&str> = settings.names.dns_options.iter().map(String::as_str).collect();
    if options.is_empty() {
        options.extend(RESOLV_OPTIONS);
    }
    if asks_inside && !options.iter().any(|option| option.starts_with("ndots:")) {
        options.push(NDOTS);
    }
    text.push_str(&format!("options {}\n", options.join(" ")));
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
        let (mut db, far, mut me) = (settings(&["back"]), settings(&["far"]), settings(&["front", "back"]));
        db.hostname = Some("dbhost".into());
        me.names = Names {
            extra_hosts: vec![("a.b".into(), "1.2.3.4".into()), ("gw".into(), "host-gateway".into())],
            links: vec![("db".into(), "store".into())],
            ..Names::default()
        };
        let (a, b, c) = (on(&[1], 2), on(&[2], 2), on(&[0, 1], 3));
        let networks = [Some("p_front"), Some("p_back"), Some("p_far")];
        let of = |service, name, settings, attachment| Neighbour {
            service,
            name,
            settings,
            short_id: (service == "far").then(|| "0123456789ab".to_owned()),
            attachment,
            networks: &networks,
        };
        let all = [of("db", "futon-db-1", &db, &a), of("far", "far", &far, &b), of("fn", "function", &me, &c)];
        let text = hosts(&all[2], "me", &known(&all, 2));
        assert!(text.starts_with(OWN), "{text}");
        let lines: Vec<&str> = text[OWN.len()..].lines().collect();
        assert_eq!(
            lines,
            [
                "1.2.3.4\ta.b",
                "172.17.0.1\tgw",
                "172.18.0.3\tme",
                "172.19.0.3\tme",
                "172.19.0.2\tdb futon-db-1 alias-on-back dbhost db.p_back futon-db-1.p_back alias-on-back.p_back dbhost.p_back store",
                "172.18.0.3\tfn function alias-on-front fn.p_front function.p_front alias-on-front.p_front",
                "172.19.0.3\tfn function alias-on-back fn.p_back function.p_back alias-on-back.p_back",
            ]
        );
        assert!(!hosts(&all[0], "x", &known(&all, 0)).contains("172.20"));
        // The name server knows the same of them, and who has which address.
        let known_to_me = known(&all, 2);
        let found: Vec<_> = known_to_me.iter().map(|host| (host.pointer.as_str(), host.address.octets()[1])).collect();
        assert_eq!(found, [("futon-db-1.p_back", 19), ("function.p_front", 18), ("function.p_back", 19)]);
        assert_eq!(known_to_me[0].names[..2], ["db", "futon-db-1"]);
        let of_far = ["0123456789ab", "far.p_far", "alias-on-far.p_far", "0123456789ab.p_far"];
        assert_eq!(known(&all, 1)[0].names[2..], of_far);
        assert_eq!(
            hosts(&all[2], "me", &[]),
            format!("{OWN}1.2.3.4\ta.b\n172.17.0.1\tgw\n172.18.0.3\tme\n172.19.0.3\tme\n")
        );
        // A name that the file has is asked of nobody.
        let mut named = me.clone();
        named.names.extra_hosts = vec![("DB".into(), "1.2.3.4".into())];
        let all = [of("db", "futon-db-1", &db, &a), of("far", "far", &far, &b), of("fn", "function", &named, &c)];
        let text = hosts(&all[2], "dbhost.p_back", &known(&all, 2));
        assert!(text.contains("172.19.0.2\tfuton-db-1 alias-on-back db.p_back futon-db-1.p_back"), "{text}");
        // On the engine's own network nobody has a name but his own.
        let all = [of("db", "futon-db-1", &db, &a), of("fn", "function", &far, &c)];
        let all = all.map(|one| Neighbour { networks: &[None, None, None], ..one });
        assert_eq!(hosts(&all[1], "me", &known(&all, 1)), format!("{OWN}172.18.0.3\tme\n172.19.0.3\tme\n"));
        assert_eq!(known(&all, 1), []);
    }

    #[test]
    fn a_domain_stands_behind_the_host_name() {
        let service = ServiceSettings { domainname: Some("example.org".into()), ..settings(&["default"]) };
        let place = on(&[0], 2);
        let networks = [Some("p_default")];
        let all = [Neighbour {
            service: "s",
            name: "s",
            settings: &service,
            short_id: None,
            attachment: &place,
            networks: &networks,
        }];
        assert!(hosts(&all[0], "me", &known(&all, 0)).contains("172.18.0.2\tme.example.org me\n"));
        let none = all.map(|one| Neighbour { attachment: &LeanAttachment::None, ..one });
        assert_eq!(hosts(&none[0], "me", &known(&none, 0)), OWN);
    }

    #[test]
    fn the_resolver_is_told_what_the_service_says() {
        let names = Names {
            dns_search: vec!["example.org".into(), "b.c".into()],
            dns_options: vec!["ndots:2".into()],
            ..Names::default()
        };
        let told = ServiceSettings { names, ..ServiceSettings::default() };
        let rest = "search example.org b.c\noptions ndots:2\n";
        assert_eq!(resolv_conf(&told, true), format!("nameserver 127.0.0.11\n{rest}"));
        assert_eq!(resolv_conf(&told, false), format!("nameserver 10.0.2.3\n{rest}"));
        let untold = ServiceSettings::default();
        let options = "options timeout:2 attempts:1";
        assert_eq!(resolv_conf(&untold, true), format!("nameserver 127.0.0.11\n{options} ndots:0\n"));
        assert_eq!(resolv_conf(&untold, false), format!("nameserver 10.0.2.3\n{options}\n"));
    }
}
