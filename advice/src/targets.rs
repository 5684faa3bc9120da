//! Which part of a target may be aimed at, by what the catalog says of networks and names.

use std::{cell::OnceCell, net::IpAddr};

use ipnet::IpNet;
use probity_protocol::{
    Allowance, Target, TargetKind, meaning,
    ranges::{Ranges, address_count},
};

use crate::open::Open;

/// Stretches of a network that are looked at for a part of it.
const MOST_CANDIDATES: usize = 8;

/// The targets that a caller may aim at. The policy judges each by the same rules.
pub(crate) struct Targets<'c> {
    allowance: &'c Allowance,
    allowed: Ranges,
    denied: Ranges,
    /// What is allowed where one address reaches many hosts.
    many: Ranges,
    open: OnceCell<Open>,
}

impl<'c> Targets<'c> {
    pub(crate) fn of(allowance: &'c Allowance) -> Self {
        let everything = allowance.networks.iter().copied();
        Self {
            allowance,
            allowed: everything.clone().collect(),
            denied: allowance.denied.iter().copied().collect(),
            many: everything.filter(|network| meaning::is_many(*network)).collect(),
            open: OnceCell::new(),
        }
    }

    /// Whether a tool that takes these kinds may be aimed at all of a target.
    pub(crate) fn admits(&self, kinds: &[TargetKind], target: &Target) -> bool {
        match target.canonical() {
            Target::Address(address) => {
                kinds.contains(&TargetKind::Address) && self.admits_network(address.into())
            }
            Target::Network(network) => {
                kinds.contains(&TargetKind::Network) && self.admits_network(network)
            }
            Target::Name { name, addresses } => {
                kinds.contains(&TargetKind::Address)
                    && self.allowance.names.iter().any(|pattern| pattern.matches(&name))
                    && !addresses.is_empty()
                    && addresses.iter().all(|address| self.admits_network((*address).into()))
            }
            Target::None => kinds.is_empty(),
            Target::Malformed(_) => false,
        }
    }

    fn admits_network(&self, network: IpNet) -> bool {
        let is_open = |part: IpNet| self.allowed.contains(part) && !self.denied.overlaps(part);
        is_open(network)
            && meaning::many(network).all(|part| self.many.contains(part))
            && meaning::taken_for(network).all(is_open)
            && address_count(network) <= u128::from(self.allowance.max_hosts)
            && !meaning::carried(network).any(|other| self.denied.overlaps(other))
    }

    /// The largest part of what was `asked` for that may be aimed at, of one of these kinds: of a
    /// network the part around the address that it was given with, of a name one of its addresses.
    /// `None` where nothing of it may be, so that nobody is led to what was not asked for.
    pub(crate) fn nearest(&self, kinds: &[TargetKind], asked: &Target) -> Option<Target> {
        let part = Part {
            targets: self,
            addresses: kinds.contains(&TargetKind::Address),
            networks: kinds.contains(&TargetKind::Network),
        };
        let found = match asked {
            Target::Malformed(_) | Target::None => None,
            Target::Address(_) => match asked.canonical() {
                Target::Address(address) => part.itself(address),
                _ => None,
            },
            Target::Network(given) => match asked.canonical() {
                Target::Address(address) => part.itself(address),
                Target::Network(network) => part.of(network, meant_within(network, *given)),
                _ => None,
            },
            Target::Name { addresses, .. } => {
                addresses.iter().find_map(|address| part.itself(address.to_canonical()))
            }
        };
        found.map(|network| Target::Network(network).canonical())
    }

    /// What is allowed and not denied. An address that stands for another which is not allowed is left
    /// out, and so is what reaches many hosts, where no line names it.
    fn open(&self) -> &Open {
        self.open.get_or_init(|| {
            let blocks = self.allowance.networks.iter().flat_map(|network| meaning::many(*network));
            let not_named = Open::of(&blocks.collect(), &self.many);
            let open = Open::of(&self.allowed, &self.denied).without(&not_named);
            let own = ["0.0.0.0", "::"].into_iter().filter_map(|own| own.parse::<IpAddr>().ok());
            let taken: Ranges =
                own.map(IpNet::from).filter(|own| !self.admits_network(*own)).collect();
            open.without(&Open::of(&taken, &Ranges::default()))
        })
    }
}

/// The address that a network was given with, where its host bits say more than the network does.
fn meant_within(network: IpNet, given: IpNet) -> Option<IpAddr> {
    let address = given.addr().to_canonical();
    (network.contains(&address) && address != network.network()).then_some(address)
}

/// Looks for a part of a target that may be aimed at.
struct Part<'t> {
    targets: &'t Targets<'t>,
    addresses: bool,
    networks: bool,
}

impl Part<'_> {
    fn itself(&self, address: IpAddr) -> Option<IpNet> {
        Some(IpNet::from(address)).filter(|address| self.addresses && self.is_admitted(*address))
    }

    /// Of a network: around an address of it where one is meant, else the largest part.
    fn of(&self, network: IpNet, meant: Option<IpAddr>) -> Option<IpNet> {
        let around = meant.and_then(|address| match self.networks {
            true => self.around(address, network),
            false => self.itself(address),
        });
        around.or_else(|| if self.networks { self.largest(network) } else { self.host(network) })
    }

    fn host(&self, network: IpNet) -> Option<IpNet> {
        let free = |hosts_only| self.targets.open().first_in(network, hosts_only);
        let found = free(true).or_else(|| free(false)).map(IpNet::from);
        found.filter(|address| self.addresses && self.is_admitted(*address))
    }

    fn around(&self, address: IpAddr, within: IpNet) -> Option<IpNet> {
        let most = self.targets.allowance.max_hosts.checked_ilog2()?;
        let least = within.max_prefix_len().saturating_sub(u8::try_from(most).ok()?);
        let mut prefixes = within.prefix_len().max(least)..=within.max_prefix_len();
        prefixes.find_map(|prefix| {
            let network = IpNet::new(address, prefix).ok()?.trunc();
            let taken = self.addresses || !is_address(network);
            (taken && self.is_admitted(network)).then_some(network)
        })
    }

    fn largest(&self, network: IpNet) -> Option<IpNet> {
        let most = self.targets.allowance.max_hosts;
        let parts = self.targets.open().largest_in(network, most, MOST_CANDIDATES);
        let takeable = parts.filter(|part| self.addresses || !is_address(*part));
        let admitted = takeable.filter(|part| self.is_admitted(*part));
        admitted.min_by_key(IpNet::prefix_len)
    }

    fn is_admitted(&self, network: IpNet) -> bool {
        self.targets.admits_network(network)
    }
}

fn is_address(network: IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
