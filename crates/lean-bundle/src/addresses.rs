//! Networks and addresses of a bundle's containers, given out as the Docker Engine gives them: networks from 172.18.0.0/16 on, the
//! first address to the guest, the others in the order of starting.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use futon_model::{LeanAddress, LeanAttachment, LeanNetwork};
use serde::{Deserialize, Serialize};

use super::settings::{ServiceNet, ServiceSettings};

/// First numbers of the networks that are given out.
const FIRST: u8 = 18;
/// Last of them, as in the engine's own pools of this size.
const LAST: u8 = 31;

/// The engine's own network, which a service is in by `network_mode: bridge`. Nobody has a name on it. No network of a file has this name.
pub(super) const BRIDGE: &str = ":bridge";

/// A network of a compose file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleNetwork {
    /// The engine's name of it.
    #[serde(default)]
    pub name: String,
    /// Range and length of its prefix, where the file says them.
    pub subnet: Option<(Ipv4Addr, u8)>,
    /// The guest's address, where the file says it.
    pub gateway: Option<Ipv4Addr>,
    /// Whether nothing leads out of it.
    pub internal: bool,
}

/// One container, as far as addresses need it.
pub(super) struct Wanted<'a> {
    /// Name of the service.
    pub(super) service: &'a str,
    /// Name of the container.
    pub(super) name: &'a str,
    /// Its settings.
    pub(super) settings: &'a ServiceSettings,
}

/// Networks that are used, and each container's place in them or why the engine would refuse that.
pub(super) struct Given {
    pub(super) networks: Vec<(LeanNetwork, BundleNetwork)>,
    pub(super) attachments: Vec<Result<LeanAttachment, String>>,
}

impl Given {
    /// The engine's names of the networks; none of its own, on which nobody has a name.
    pub(super) fn names(&self) -> Vec<Option<&str>> {
        self.networks
            .iter()
            .map(|(network, wanted)| {
                let known = if wanted.name.is_empty() { &network.name } else { &wanted.name };
                (network.name != BRIDGE).then_some(known.as_str())
            })
            .collect()
    }
}

/// Gives out networks and addresses.
pub(super) fn addresses(known: &BTreeMap<String, BundleNetwork>, containers: &[Wanted<'_>]) -> Given {
    let mut given = Given { networks: networks(known, containers), attachments: Vec::new() };
    // What is asked for by number is nobody else's.
    let asked: Vec<Ipv4Addr> = containers
        .iter()
        .filter_map(|c| match &c.settings.network {
            ServiceNet::Networks(places) => Some(places.iter().filter_map(|place| place.address)),
            _ => None,
        })
        .flatten()
        .collect();
    let mut taken = Vec::new();
    for container in containers {
        let attachment = attachment(container, containers, &given.networks, &asked, &mut taken);
        given.attachments.push(attachment);
    }
    given
}

fn attachment(
    container: &Wanted<'_>,
    all: &[Wanted<'_>],
    networks: &[(LeanNetwork, BundleNetwork)],
    asked: &[Ipv4Addr],
    taken: &mut Vec<(usize, Ipv4Addr)>,
) -> Result<LeanAttachment, String> {
    let places = match &container.settings.network {
        ServiceNet::None => return Ok(LeanAttachment::None),
        ServiceNet::Host => return Ok(LeanAttachment::Host),
        ServiceNet::Service(service) => {
            let other = all.iter().find(|other| other.service == service);
            let other = other.ok_or_else(|| format!("no such service: {service}"))?;
            return Ok(LeanAttachment::Container(other.name.to_owned()));
        }
        ServiceNet::Networks(places) => places,
    };
    let (mut made, mut routed) = (Vec::new(), false);
    for place in places {
        let found = networks.iter().position(|(network, _)| network.name == place.network);
        let index = found.ok_or_else(|| format!("network {} not found", place.network))?;
        let (network, wanted) = &networks[index];
        let address = match place.address {
            Some(address) => {
                fits(address, network, wanted)?;
                if taken.contains(&(index, address)) {
                    return Err("Address already in use".into());
                }
                address
            }
            None => free(network, |address| asked.contains(&address) || taken.contains(&(index, address)))
                .ok_or_else(|| format!("no available IPv4 addresses on the network {}", network.name))?,
        };
        taken.push((index, address));
        let default_route = !routed && !wanted.internal;
        routed |= default_route;
        made.push(LeanAddress { network: index, address, default_route });
    }
    Ok(LeanAttachment::Own(made))
}

/// Whether an engine gives an address that was asked for.
fn fits(address: Ipv4Addr, network: &LeanNetwork, wanted: &BundleNetwork) -> Result<(), String> {
    if wanted.subnet.is_none() {
        return Err(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
                .into(),
        );
    }
    let mask = mask(network.prefix);
    if u32::from(address) & mask != u32::from(network.gateway) & mask {
        return Err(format!("no configured subnet or ip-range contain the IP address {address}"));
    }
    if address == network.gateway { Err("Address already in use".into()) } else { Ok(()) }
}

fn free(network: &LeanNetwork, taken: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
    let mask = mask(network.prefix);
    let base = u32::from(network.gateway) & mask;
    (base + 1..base | !mask).map(Ipv4Addr::from).find(|address| *address != network.gateway && !taken(*address))
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

/// The networks that containers name, in the order in which they are first named.
fn networks(known: &BTreeMap<String, BundleNetwork>, containers: &[Wanted<'_>]) -> Vec<(LeanNetwork, BundleNetwork)> {
    let mut made: Vec<(LeanNetwork, BundleNetwork)> = Vec::new();
    for container in containers {
        let ServiceNet::Networks(places) = &container.settings.network else { continue };
        for place in places {
            if made.iter().any(|(network, _)| network.name == place.network) {
                continue;
            }
            let wanted = known.get(&place.network).cloned().unwrap_or_default();
            let (base, prefix) = wanted.subnet.unwrap_or_else(|| unused(known, &made));
            let base = Ipv4Addr::from(u32::from(base) & mask(prefix));
            let gateway = wanted.gateway.unwrap_or_else(|| Ipv4Addr::from(u32::from(base) + 1));
            made.push((LeanNetwork { name: place.network.clone(), gateway, prefix }, wanted));
        }
    }
    made
}

/// The first range of the engine's that no network has.
fn unused(known: &BTreeMap<String, BundleNetwork>, made: &[(LeanNetwork, BundleNetwork)]) -> (Ipv4Addr, u8) {
    let overlaps = |candidate: Ipv4Addr| {
        let with = |other: Ipv4Addr, prefix: u8| {
            let mask = mask(prefix.min(16));
            u32::from(other) & mask == u32::from(candidate) & mask
        };
        made.iter().any(|(network, _)| with(network.gateway, network.prefix))
            || known.values().filter_map(|network| network.subnet).any(|(base, prefix)| with(base, prefix))
    };
    let mut candidates = (FIRST..=LAST).map(|second| Ipv4Addr::new(172, second, 0, 0));
    (candidates.find(|candidate| !overlaps(*candidate)).unwrap_or(Ipv4Addr::new(192, 168, 0, 0)), 16)
}

#[cfg(test)]
mod tests {
    use super::super::settings::NetworkPlace;
    use super::*;

    fn service(places: &[(&str, Option<&str>)]) -> ServiceSettings {
        let place = |(network, address): &(&str, Option<&str>)| NetworkPlace {
            network: (*network).to_owned(),
            aliases: Vec::new(),
            address: address.map(|a| a.parse().unwrap()),
        };
        ServiceSettings {
            network: ServiceNet::Networks(places.iter().map(place).collect()),
            ..ServiceSettings::default()
        }
    }

    fn given(known: &[(&str, BundleNetwork)], services: &[ServiceSettings]) -> Given {
        let known = known.iter().map(|(name, network)| ((*name).to_owned(), network.clone())).collect();
        let names = ["a", "b", "c"];
        let wanted: Vec<Wanted<'_>> =
            services.iter().zip(names).map(|(settings, name)| Wanted { service: name, name, settings }).collect();
        addresses(&known, &wanted)
    }

    fn own(given: &Given, index: usize) -> Vec<(usize, String, bool)> {
        match given.attachments[index].as_ref().unwrap() {
            LeanAttachment::Own(list) => {
                list.iter().map(|a| (a.network, a.address.to_string(), a.default_route)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn subnet(text: &str, prefix: u8) -> BundleNetwork {
        BundleNetwork { subnet: Some((text.parse().unwrap(), prefix)), ..BundleNetwork::default() }
    }

    #[test]
    fn addresses_go_out_in_order() {
        let given = given(&[], &[service(&[("default", None)]), service(&[("default", None), ("other", None)])]);
        assert_eq!(own(&given, 0), [(0, "172.18.0.2".into(), true)]);
        assert_eq!(own(&given, 1), [(0, "172.18.0.3".into(), true), (1, "172.19.0.2".into(), false)]);
        assert_eq!(given.networks[1].0.gateway.to_string(), "172.19.0.1");
    }

    #[test]
    fn what_is_asked_for_is_kept_free() {
        let known = [("n", subnet("172.18.5.0", 24))];
        let given =
            given(&known, &[service(&[("n", None)]), service(&[("n", Some("172.18.5.2"))]), service(&[("x", None)])]);
        assert_eq!(own(&given, 0)[0].1, "172.18.5.3");
        assert_eq!(own(&given, 1)[0].1, "172.18.5.2");
        // No range that overlaps.
        assert_eq!(own(&given, 2)[0].1, "172.19.0.2");
    }

    #[test]
    fn addresses_that_an_engine_refuses() {
        let why = |known: &[(&str, BundleNetwork)], address: &str| {
            given(known, &[service(&[("n", Some(address))])]).attachments[0].clone().unwrap_err()
        };
        assert!(why(&[], "1.2.3.4").contains("user configured subnets"));
        assert!(why(&[("n", subnet("10.0.9.0", 24))], "10.0.8.2").contains("10.0.8.2"));
        assert_eq!(why(&[("n", subnet("10.0.9.0", 24))], "10.0.9.1"), "Address already in use");
    }

    #[test]
    fn internal_networks_have_no_way_out_and_others_none_of_their_own() {
        let internal = BundleNetwork { internal: true, ..BundleNetwork::default() };
        let joined = ServiceSettings { network: ServiceNet::Service("a".into()), ..ServiceSettings::default() };
        let given = given(&[("i", internal)], &[service(&[("i", None), ("o", None)]), joined]);
        assert_eq!(own(&given, 0).iter().map(|a| a.2).collect::<Vec<_>>(), [false, true]);
        assert_eq!(given.attachments[1], Ok(LeanAttachment::Container("a".into())));
    }
}
