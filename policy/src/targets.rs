//! What calls may aim at.

use ipnet::IpNet;
use probity_protocol::{
    Excluded, NamePattern, meaning,
    ranges::{Ranges, address_count},
};

use crate::{names::NameSet, networks::NetworkSet};

/// The policy's targets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    pub allowed: NetworkSet,
    pub denied: NetworkSet,
    pub names: NameSet,
    pub max_hosts: u64,
    /// What is allowed where one address reaches many hosts.
    many: Ranges,
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
        let names = NameSet::new(names);
        Self { allowed, denied, names, max_hosts, many }
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
}
