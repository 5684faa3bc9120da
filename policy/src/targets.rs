//! What calls may aim at, and which part of a target that is refused.

use std::net::IpAddr;

use ipnet::IpNet;
use probity_protocol::{NamePattern, Target, TargetKind};

use crate::{
    meaning,
    names::NameSet,
    networks::{NetworkSet, Ranges, address_count},
};

/// Stretches of a network that are looked at for a part of it.
const MOST_CANDIDATES: usize = 8;

/// Networks and names that a denial lists.
const MOST_TOLD: usize = 8;

/// The policy's targets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    pub allowed: NetworkSet,
    pub denied: NetworkSet,
    pub names: NameSet,
    pub max_hosts: u64,
    /// What is allowed where one address reaches many hosts.
    many: Ranges,
    /// What is allowed and not denied, as far as that is a matter of ranges.
    open: Ranges,
    /// What is allowed, in words.
    told: String,
}

/// Why a network may not be aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excluded {
    Outside,
    Denied,
    /// One address of it reaches many hosts, and no line names it.
    Many,
    /// The kernel takes an address of it for this, which is not allowed, or is denied.
    TakenFor(IpNet),
    /// It may carry to this, which is denied.
    Carries(IpNet),
    TooLarge,
}

impl Targets {
    pub(crate) fn new(
        allowed: &[IpNet],
        denied: &[IpNet],
        names: Vec<NamePattern>,
        max_hosts: u64,
    ) -> Self {
        let (allowed, denied) = (NetworkSet::new(allowed), NetworkSet::new(denied));
        let everything = allowed.networks().iter().copied();
        let many: Ranges = everything.filter(|network| meaning::is_many(*network)).collect();
        let blocks = allowed.networks().iter().flat_map(|network| meaning::many(*network));
        let not_named = blocks.collect::<Ranges>().without(&many);
        let open = allowed.ranges().without(denied.ranges()).without(&not_named);
        let own = ["0.0.0.0", "::"].into_iter().filter_map(|own| own.parse::<IpAddr>().ok());
        let named_otherwise = own.map(IpNet::from).filter(|own| {
            let taken_for = meaning::taken_for(*own).any(|other| !open.contains(other));
            taken_for || meaning::carried(*own).any(|other| denied.overlaps(other))
        });
        let open = open.without(&named_otherwise.collect());
        let told = told(&allowed, &names);
        let names = NameSet::new(names);
        Self { allowed, denied, names, max_hosts, many, open, told }
    }

    /// What is allowed, as a sentence without its end.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// What is allowed and not denied, by each address's own number.
    #[cfg(feature = "cli")]
    pub(crate) fn open(&self) -> &Ranges {
        &self.open
    }

    /// Whether all of a network may be aimed at: by its own addresses, and by whatever they stand
    /// for besides.
    pub(crate) fn admits(&self, network: IpNet) -> Result<(), Excluded> {
        // RULE: A target outside the policy's networks is refused.
        if !self.allowed.contains(network) {
            return Err(Excluded::Outside);
        }
        // RULE: Deny wins.
        if self.denied.overlaps(network) {
            return Err(Excluded::Denied);
        }
        if meaning::many(network).any(|part| !self.many.contains(part)) {
            return Err(Excluded::Many);
        }
        let is_open =
            |other: &IpNet| self.allowed.contains(*other) && !self.denied.overlaps(*other);
        if let Some(other) = meaning::taken_for(network).find(|other| !is_open(other)) {
            return Err(Excluded::TakenFor(other));
        }
        // Before what it carries: a large network carries to everywhere.
        if address_count(network) > u128::from(self.max_hosts) {
            return Err(Excluded::TooLarge);
        }
        // RULE: A denied host is denied by each of its addresses.
        match meaning::carried(network).find(|other| self.denied.overlaps(*other)) {
            Some(other) => Err(Excluded::Carries(other)),
            None => Ok(()),
        }
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
            Target::Malformed(_) => None,
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
}

/// The address that a network was given with, where its host bits say more than the network does.
fn meant_within(network: IpNet, given: IpNet) -> Option<IpAddr> {
    let address = given.addr().to_canonical();
    (network.contains(&address) && address != network.network()).then_some(address)
}

fn told(allowed: &NetworkSet, names: &[NamePattern]) -> String {
    fn list<T: ToString>(items: &[T]) -> String {
        items.iter().take(MOST_TOLD).map(T::to_string).collect::<Vec<_>>().join(", ")
    }
    let networks = allowed.networks();
    let private = networks.iter().all(is_private);
    let kind = if private { "Targets must be private" } else { "Allowed are" };
    match (networks.is_empty(), names.is_empty()) {
        (true, _) => "This policy allows no target".into(),
        (false, true) => format!("{kind}: {}", list(networks)),
        (false, false) => format!("{kind}: {}, or names under {}", list(networks), list(names)),
    }
}

/// RFC 1918, for the wording only.
fn is_private(network: &IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.network().is_private() && v4.broadcast().is_private(),
        IpNet::V6(_) => false,
    }
}

/// Looks for a part of a target that may be aimed at.
struct Part<'t> {
    targets: &'t Targets,
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
        let free = |hosts_only| self.targets.open.first_in(network, hosts_only);
        let found = free(true).or_else(|| free(false)).map(IpNet::from);
        found.filter(|address| self.addresses && self.is_admitted(*address))
    }

    fn around(&self, address: IpAddr, within: IpNet) -> Option<IpNet> {
        let most = self.targets.max_hosts.checked_ilog2()?;
        let least = within.max_prefix_len().saturating_sub(u8::try_from(most).ok()?);
        let mut prefixes = within.prefix_len().max(least)..=within.max_prefix_len();
        prefixes.find_map(|prefix| {
            let network = IpNet::new(address, prefix).ok()?.trunc();
            let taken = self.addresses || !is_address(network);
            (taken && self.is_admitted(network)).then_some(network)
        })
    }

    fn largest(&self, network: IpNet) -> Option<IpNet> {
        let parts = self.targets.open.largest_in(network, self.targets.max_hosts, MOST_CANDIDATES);
        let takeable = parts.filter(|part| self.addresses || !is_address(*part));
        let admitted = takeable.filter(|part| self.is_admitted(*part));
        admitted.min_by_key(IpNet::prefix_len)
    }

    fn is_admitted(&self, network: IpNet) -> bool {
        self.targets.admits(network).is_ok()
    }
}

fn is_address(network: IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
