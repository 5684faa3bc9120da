//! What calls may aim at: by the policy, and by what a tool's file or a grant leaves of that.

use std::net::IpAddr;

use ipnet::IpNet;
use probity_protocol::{
    Excluded, HostName, LimitedBy, NamePattern, OptionId, Reason, Target, meaning,
    ranges::{Ranges, address_count},
};

use crate::{
    denied::Denied,
    lines::Lines,
    names::NameSet,
    networks::{NetworkSet, many_hosts},
};

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
        let (many, names) = (many_hosts(&allowed), NameSet::new(names));
        Self { allowed, denied, names, max_hosts, many }
    }

    #[cfg(test)]
    pub(crate) fn admits(&self, network: IpNet) -> Result<(), Excluded> {
        self.bounds(&Lines::default()).admits(network)
    }

    /// As what a call must keep to.
    pub(crate) fn bounds<'p>(&'p self, lines: &'p Lines) -> Bounds<'p> {
        Bounds {
            allowed: Some((&self.allowed, &self.many)),
            denied: &self.denied,
            names: Some(&self.names),
            max_hosts: self.max_hosts,
            lines,
            by: LimitedBy::Policy,
        }
    }
}

/// What a grant or a tool's file leaves of the policy's targets. What it does not say narrows nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub networks: Option<NetworkSet>,
    pub denied: NetworkSet,
    pub names: Option<NameSet>,
    pub max_hosts: Option<u64>,
    pub lines: Lines,
    many: Ranges,
}

impl Scope {
    pub(crate) fn new(
        networks: Option<&[IpNet]>,
        denied: &[IpNet],
        names: Option<Vec<NamePattern>>,
        max_hosts: Option<u64>,
        lines: Lines,
    ) -> Self {
        let networks = networks.map(NetworkSet::new);
        let many = networks.as_ref().map(many_hosts).unwrap_or_default();
        let (denied, names) = (NetworkSet::new(denied), names.map(NameSet::new));
        Self { networks, denied, names, max_hosts, lines, many }
    }

    /// Whether it narrows nothing.
    pub(crate) fn is_open(&self) -> bool {
        self.networks.is_none()
            && self.denied.networks().is_empty()
            && self.names.is_none()
            && self.max_hosts.is_none()
    }

    /// As what a call must keep to.
    pub(crate) fn bounds(&self, by: LimitedBy) -> Bounds<'_> {
        Bounds {
            allowed: self.networks.as_ref().map(|networks| (networks, &self.many)),
            denied: &self.denied,
            names: self.names.as_ref(),
            max_hosts: self.max_hosts.unwrap_or(u64::MAX),
            lines: &self.lines,
            by,
        }
    }
}

/// What a call's target must keep to. A call must keep to the policy's, to its tool's and to those of the
/// grant that allows it.
pub(crate) struct Bounds<'p> {
    /// The networks, and those of them where one address reaches many hosts; `None` for all.
    allowed: Option<(&'p NetworkSet, &'p Ranges)>,
    denied: &'p NetworkSet,
    /// `None` for all.
    names: Option<&'p NameSet>,
    max_hosts: u64,
    lines: &'p Lines,
    by: LimitedBy,
}

impl<'p> Bounds<'p> {
    /// Whether they leave a target in its canonical form.
    ///
    /// # Errors
    /// The first reason against it.
    pub(crate) fn check(&self, canonical: &Target) -> Result<(), Denied<'p>> {
        match canonical {
            Target::Address(address) => self.network((*address).into()),
            Target::Network(network) => self.network(*network),
            Target::Name { name, addresses } => self.name(name, addresses),
            Target::None => Ok(()),
            Target::Malformed(defect) => {
                Err(Denied::by_no_line(Reason::TargetSyntax(defect.clone())))
            }
        }
    }

    fn network(&self, network: IpNet) -> Result<(), Denied<'p>> {
        self.admits(network).map_err(|excluded| {
            let reason = Reason::Target { network, excluded, by: self.by };
            Denied::new(reason, self.lines.excluding(network, excluded))
        })
    }

    fn name(&self, name: &HostName, addresses: &[IpAddr]) -> Result<(), Denied<'p>> {
        // RULE: A name must match a pattern, and each of its addresses must be allowed.
        if self.names.is_some_and(|names| !names.contains(name)) {
            return Err(Denied::new(Reason::Name(self.by), self.lines.names.as_ref()));
        }
        for address in addresses {
            let network = IpNet::from(*address);
            self.admits(network).map_err(|excluded| {
                let reason = Reason::AddressOfName { address: *address, excluded, by: self.by };
                Denied::new(reason, self.lines.excluding(network, excluded))
            })?;
        }
        Ok(())
    }

    /// Whether a pattern covers a name of the DNS.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.names.is_none_or(|names| names.covers(name))
    }

    /// Why the name that an option gives may not be asked for.
    pub(crate) fn question_name(&self, option: OptionId) -> Denied<'p> {
        Denied::new(Reason::QuestionName { option, by: self.by }, self.lines.names.as_ref())
    }

    /// Whether the address may be aimed at whose reverse name an option gives.
    pub(crate) fn question_address(
        &self,
        option: OptionId,
        address: IpAddr,
    ) -> Result<(), Denied<'p>> {
        self.admits(address.into()).map_err(|excluded| {
            let (option, by) = (Box::new(option), self.by);
            let reason = Reason::QuestionAddress { option, address, excluded, by };
            Denied::new(reason, self.lines.excluding(address.into(), excluded))
        })
    }

    /// Whether all of a network may be aimed at: by its own addresses, and by whatever they stand
    /// for besides.
    pub(crate) fn admits(&self, network: IpNet) -> Result<(), Excluded> {
        let is_allowed = |other| self.allowed.is_none_or(|(networks, _)| networks.contains(other));
        // RULE: A target outside the policy's networks is refused.
        if !is_allowed(network) {
            return Err(Excluded::Outside);
        }
        // RULE: Deny wins.
        if self.denied.overlaps(network) {
            return Err(Excluded::Denied);
        }
        let names_many = |part| self.allowed.is_none_or(|(_, many)| many.contains(part));
        if meaning::many(network).any(|part| !names_many(part)) {
            return Err(Excluded::Many);
        }
        let is_open = |other: &IpNet| is_allowed(*other) && !self.denied.overlaps(*other);
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
