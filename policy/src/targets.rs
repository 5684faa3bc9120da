//! What calls may aim at, and the nearest such thing to a target that is refused.

use std::net::IpAddr;

use ipnet::IpNet;
use probity_protocol::{NamePattern, Target, TargetKind};

use crate::{
    meaning,
    names::NameSet,
    networks::{NetworkSet, Ranges, address_count},
};

/// Prefix of an example network, and of the network around an address: small enough to be scanned
/// without a second thought.
const EXAMPLE_PREFIX_V4: u8 = 24;
const EXAMPLE_PREFIX_V6: u8 = 120;

/// Networks of the policy that examples are taken of, and stretches of a network that are looked at
/// for a part of it.
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
    /// The first networks in which something is open.
    examples: Vec<IpNet>,
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
        let has_open = |network: &IpNet| open.overlaps(*network);
        let examples = allowed.networks().iter().copied().filter(has_open);
        let examples = examples.take(MOST_CANDIDATES).collect();
        let names = NameSet::new(names);
        Self { allowed, denied, names, max_hosts, many, open, examples, told }
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
        if !self.allowed.contains(network) {
            return Err(Excluded::Outside);
        }
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
        match meaning::carried(network).find(|other| self.denied.overlaps(*other)) {
            Some(other) => Err(Excluded::Carries(other)),
            None => Ok(()),
        }
    }

    /// A target of one of these kinds that is allowed, as near as can be to the one `asked`: within
    /// it, around it, one of a name's own addresses, or else an example. Never a name.
    pub(crate) fn nearest(&self, kinds: &[TargetKind], asked: &Target) -> Option<Target> {
        let search = Search {
            targets: self,
            addresses: kinds.contains(&TargetKind::Address),
            networks: kinds.contains(&TargetKind::Network),
        };
        let found = match asked.canonical() {
            Target::Malformed(_) => search.example(None),
            Target::Address(address) => search.near(address.into()),
            Target::Network(network) => search.near(network),
            Target::Name { addresses, .. } => {
                let mut known = addresses.iter().map(|address| IpNet::from(*address));
                known.find_map(|address| search.near_by(address)).or_else(|| search.example(None))
            }
        };
        found.map(|network| Target::Network(network).canonical())
    }
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

struct Search<'t> {
    targets: &'t Targets,
    addresses: bool,
    networks: bool,
}

impl Search<'_> {
    fn near(&self, asked: IpNet) -> Option<IpNet> {
        self.near_by(asked).or_else(|| self.example(Some(asked)))
    }

    /// Something within or around what was asked for.
    fn near_by(&self, asked: IpNet) -> Option<IpNet> {
        match is_address(asked) {
            true if self.addresses => self.targets.admits(asked).is_ok().then_some(asked),
            true => self.around(asked),
            false if self.networks => self.largest_within(asked),
            false => self.host_in(asked),
        }
    }

    /// An address, or a network where one was asked for or nothing else is taken; a network as
    /// large as the one asked for.
    fn example(&self, asked: Option<IpNet>) -> Option<IpNet> {
        let blocks = || self.targets.examples.iter().copied();
        let as_network = !self.addresses || asked.is_some_and(|asked| !is_address(asked));
        let network = |block: IpNet| {
            let alike = asked.filter(|asked| !is_address(*asked));
            let alike = alike.filter(|asked| asked.max_prefix_len() == block.max_prefix_len());
            let prefix = alike.map_or(example_prefix(block), |asked| asked.prefix_len());
            let start = self.host_in(block)?;
            let part = IpNet::new(start.addr(), prefix.max(block.prefix_len())).ok()?.trunc();
            self.largest_within(part).or_else(|| self.largest_within(block))
        };
        let found = if self.networks && as_network { blocks().find_map(network) } else { None };
        found.or_else(|| {
            if self.addresses { blocks().find_map(|block| self.host_in(block)) } else { None }
        })
    }

    /// The first allowed address of a network, one that a host can have where there is one.
    fn host_in(&self, network: IpNet) -> Option<IpNet> {
        let free = |hosts_only| self.targets.open.first_in(network, hosts_only);
        free(true).or_else(|| free(false)).map(IpNet::from)
    }

    /// The largest allowed network around an address that is no larger than an example.
    fn around(&self, address: IpNet) -> Option<IpNet> {
        let mut prefixes = example_prefix(address)..address.max_prefix_len();
        prefixes.find_map(|prefix| {
            let network = IpNet::new(address.addr(), prefix).ok()?.trunc();
            self.targets.admits(network).is_ok().then_some(network)
        })
    }

    /// The largest part of a network that is allowed as a whole, the first of several.
    fn largest_within(&self, network: IpNet) -> Option<IpNet> {
        let parts = self.targets.open.largest_in(network, self.targets.max_hosts, MOST_CANDIDATES);
        let takeable = parts.filter(|part| self.addresses || !is_address(*part));
        let admitted = takeable.filter(|part| self.targets.admits(*part).is_ok());
        admitted.min_by_key(IpNet::prefix_len)
    }
}

fn is_address(network: IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

fn example_prefix(network: IpNet) -> u8 {
    match network.addr() {
        IpAddr::V4(_) => EXAMPLE_PREFIX_V4,
        IpAddr::V6(_) => EXAMPLE_PREFIX_V6,
    }
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
