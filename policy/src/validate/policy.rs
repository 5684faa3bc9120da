//! `policy.toml`: targets, ceilings, grants, and the policy that they make with the tools.

use ipnet::IpNet;
use probity_protocol::{Digest, NamePattern, Target};
use toml::Spanned;

use super::{Slip, ToolSet, VERSION, Validation};
use crate::{
    accounts::{self, Accounts},
    digest,
    grants::{Grant, GrantIndex, GrantedTools, Grantee},
    lines::{DenyLines, Lines},
    plan::LEAST_MEMORY,
    policy::{Ceilings, Policy},
    raw::{RawAccount, RawCeilings, RawGrant, RawPolicy, RawTargets, Text},
    subject::Principal,
    targets::Targets,
};

impl Validation<'_> {
    /// `None` after a defect that leaves no policy to speak of.
    pub(super) fn policy(
        &mut self,
        raw: &RawPolicy,
        accounts: &Accounts,
        tools: ToolSet,
    ) -> Option<Policy> {
        if *raw.version.get_ref() != VERSION {
            let message = format!(
                "this is version {}, and {VERSION} is known: write version = {VERSION}, or install \
                         a newer Probity",
                raw.version.get_ref()
            );
            self.defect(raw.version.span(), message);
        }
        let targets = self.targets(&raw.targets);
        let lines = self.lines(raw);
        let ceilings = self.ceilings(&raw.ceilings);
        let landlock_abi_min =
            raw.sandbox.landlock_abi_min.as_ref().map_or(2, |abi| *abi.get_ref());
        if landlock_abi_min == 0 {
            let span = raw.sandbox.landlock_abi_min.as_ref().map_or(0..0, Spanned::span);
            self.defect(span, "Landlock cannot be done without: the least ABI is 1");
        }
        let grants = raw.grants.iter().filter_map(|grant| self.grant(grant, accounts, &tools));
        let grants: Vec<_> = grants.collect();
        let audit_path = raw.audit.path.get_ref().into();
        if !raw.audit.path.get_ref().starts_with('/') {
            self.defect(raw.audit.path.span(), "the audit log's path must be absolute");
        }
        self.plain(raw.audit.path.span(), raw.audit.path.get_ref());
        let ToolSet { tools, excluded, names, .. } = tools;
        let grant_index = GrantIndex::new(&grants, |name| names.get(name).copied());
        let mut policy = Policy {
            digest: Digest([0; 32]), // taken of the rest, below
            targets,
            ceilings,
            landlock_abi_min,
            grants,
            audit_path,
            tools,
            names,
            grant_index,
            excluded,
            warnings: std::mem::take(&mut self.warnings),
            lines,
        };
        let message = |e| format!("no digest can be taken of the policy: {e}");
        policy.digest = self.accept(0..0, digest::of(&policy).map_err(message))?;
        Some(policy)
    }

    fn targets(&mut self, raw: &RawTargets) -> Targets {
        let names = raw.names.iter().filter_map(|name| {
            let parsed = name.get_ref().parse::<NamePattern>();
            let message = |error| {
                let meant = self.help.meant(Slip::Name(name.get_ref()));
                format!("not a name or *.suffix: {}", meant.unwrap_or_else(|| format!("{error}")))
            };
            self.accept(name.span(), parsed.map_err(message))
        });
        let names = names.collect();
        let max_hosts = raw.max_hosts.as_ref().map_or(1024, |n| *n.get_ref());
        if max_hosts == 0 {
            self.defect(raw.max_hosts.as_ref().map_or(0..0, Spanned::span), "at least 1");
        }
        let (allowed, denied) = (self.networks(&raw.networks), self.networks(&raw.deny));
        Targets::new(&allowed, &denied, names, max_hosts)
    }

    fn networks(&mut self, texts: &[Text]) -> Vec<IpNet> {
        texts.iter().filter_map(|text| self.network(text)).collect()
    }

    /// Where that stands which can refuse a call.
    fn lines(&self, raw: &RawPolicy) -> Lines {
        let targets = &raw.targets;
        let place = |text: &Text| self.source.place(&text.span());
        Lines {
            networks: targets.networks.first().map(place),
            names: targets.names.first().map(place),
            deny: DenyLines::new(
                targets
                    .deny
                    .iter()
                    .filter_map(|text| Some((parse_network(text.get_ref())?, place(text))))
                    .collect(),
            ),
            max_hosts: targets.max_hosts.as_ref().map(|n| self.source.place(&n.span())),
            timeout: raw.ceilings.timeout.as_ref().map(place),
        }
    }

    /// An address or a network. Strict: what an administrator writes with host bits set may be a
    /// typing error in a place where one counts.
    fn network(&mut self, text: &Text) -> Option<IpNet> {
        let written = text.get_ref();
        let Some(network) = parse_network(written) else {
            let usual = || "write one such as \"10.0.0.0/8\", or an address".to_owned();
            let meant = self.help.meant(Slip::Network(written)).unwrap_or_else(usual);
            let message = format!("{written:?} is not a network: {meant}");
            self.defect(text.span(), message);
            return None;
        };
        let as_written = written.parse::<IpNet>().ok();
        if let Some(given) = as_written.filter(|n| n.addr() != n.network()) {
            let message = format!("{given} has host bits set; the network is {}", given.trunc());
            self.defect(text.span(), message);
        }
        if as_written.is_some_and(|n| matches!(n, IpNet::V6(_)) && covers_mapped_ipv4(n)) {
            let message = match as_written.is_some_and(|network| network.prefix_len() < MAPPED) {
                true => {
                    "it has all of IPv4 in it (::ffff:0:0/96), which is judged as IPv4: write \
                     \"2000::/3\" for all that is routed of IPv6, and networks of IPv4 by themselves"
                }
                false => "IPv4 mapped into IPv6 is judged as IPv4: write the IPv4 network",
            };
            self.defect(text.span(), message);
        }
        Some(network)
    }

    fn ceilings(&mut self, raw: &RawCeilings) -> Ceilings {
        let default = Ceilings::default();
        Ceilings {
            timeout: raw.timeout.as_ref().and_then(|t| self.duration(t)).unwrap_or(default.timeout),
            concurrency: self.positive(raw.concurrency.as_ref(), default.concurrency),
            concurrency_per_user: self
                .positive(raw.concurrency_per_user.as_ref(), default.concurrency_per_user),
            queue: raw.queue.as_ref().map_or(default.queue, |queue| *queue.get_ref()),
            connections: self.positive(raw.connections.as_ref(), default.connections),
            connections_per_user: self
                .positive(raw.connections_per_user.as_ref(), default.connections_per_user),
            requests_per_second: self
                .positive(raw.requests_per_second.as_ref(), default.requests_per_second),
            memory_bytes: self.memory(raw.memory.as_ref(), default.memory_bytes),
            open_files: self.open_files(raw.open_files.as_ref(), default.open_files),
            stdout_bytes: self.size(raw.stdout.as_ref(), default.stdout_bytes),
            stderr_bytes: self.size(raw.stderr.as_ref(), default.stderr_bytes),
        }
    }

    fn memory(&mut self, text: Option<&Text>, default: u64) -> u64 {
        let bytes = self.size(text, default);
        if let Some(text) = text.filter(|_| bytes < LEAST_MEMORY) {
            self.defect(text.span(), "at least 16 MiB: with less no program starts");
        }
        bytes
    }

    fn open_files(&mut self, number: Option<&Spanned<u64>>, default: u64) -> u64 {
        /// Below this no program loads its libraries.
        const LEAST: u64 = 16;
        match number {
            None => default,
            Some(number) if *number.get_ref() < LEAST => {
                self.defect(number.span(), format!("at least {LEAST}"));
                default
            }
            Some(number) => *number.get_ref(),
        }
    }

    fn grant(
        &mut self,
        grant: &Spanned<RawGrant>,
        accounts: &Accounts,
        tools: &ToolSet,
    ) -> Option<Grant> {
        let raw = grant.get_ref();
        let (grantee, principal) = match (&raw.user, &raw.group, &raw.owner) {
            (Some(user), None, None) => (
                Grantee::User(account(user)),
                self.principal(user, "user", |n| accounts.user(n), Principal::User),
            ),
            (None, Some(group), None) => (
                Grantee::Group(account(group)),
                self.principal(group, "group", |n| accounts.group(n), Principal::Group),
            ),
            (None, None, Some(owner)) if *owner.get_ref() => (Grantee::Owner, Principal::Owner),
            // The key was there, and has been complained of.
            (None, None, None) if self.incomplete => return None,
            _ => {
                let message = "a grant names one of: user, group, self = true";
                self.defect(grant.span(), message);
                return None;
            }
        };
        let mut named = Vec::new();
        for tool in &raw.tools {
            match (tool.get_ref().as_str(), tools.names.get(tool.get_ref())) {
                ("*", _) => {}
                (_, Some(&at)) => {
                    named.extend(tools.tools.get(at).map(|t| t.name.as_str().to_owned()));
                }
                (name, None) => {
                    let message = match tools.excluded.iter().find(|e| e.name == name) {
                        Some(excluded) => {
                            format!("the tool {name:?} is left out: {}", excluded.reason)
                        }
                        None if tools.incomplete => continue,
                        None => {
                            let meant = self.help.meant(Slip::Tool(name, &tools.names));
                            let meant = meant.map_or_else(String::new, |it| format!(": {it}"));
                            format!("no tool is called {name:?}{meant}")
                        }
                    };
                    self.defect(tool.span(), message);
                }
            }
        }
        let all = raw.tools.iter().any(|t| t.get_ref() == "*");
        Some(Grant {
            grantee,
            principal,
            tools: if all { GrantedTools::All } else { GrantedTools::Named(named) },
            intrusive: raw.intrusive,
            place: self.source.place(&grant.span()),
        })
    }

    /// An account that does not exist is no defect: it may be created later, and until then the
    /// grant matches nobody.
    fn principal(
        &mut self,
        account: &Spanned<RawAccount>,
        what: &str,
        look_up: impl Fn(&str) -> Option<u32>,
        make: impl Fn(u32) -> Principal,
    ) -> Principal {
        let name = match account.get_ref() {
            RawAccount::Id(id) => return make(*id),
            RawAccount::Name(name) => name,
        };
        look_up(name).map_or_else(
            || {
                let message = format!("there is no {what} {name:?}: this grant matches nobody");
                self.warn(&account.span(), message);
                Principal::Nobody
            },
            make,
        )
    }
}

/// Length of `::ffff:0:0/96`.
const MAPPED: u8 = 96;

/// A single address is a network of one.
pub(super) fn parse_network(written: &str) -> Option<IpNet> {
    match Target::parse(written) {
        Target::Address(address) => Some(IpNet::from(address)),
        Target::Network(network) => Some(network),
        Target::Name { .. } | Target::Malformed(_) => None,
    }
}

/// As written, but that a number is a number however it is spelled.
fn account(written: &Spanned<RawAccount>) -> RawAccount {
    match written.get_ref() {
        RawAccount::Name(name) => {
            accounts::number(name).map_or_else(|| RawAccount::Name(name.clone()), RawAccount::Id)
        }
        RawAccount::Id(id) => RawAccount::Id(*id),
    }
}

/// Whether an IPv6 network has addresses of `::ffff:0:0/96` in it.
fn covers_mapped_ipv4(network: IpNet) -> bool {
    let mapped: Result<IpNet, _> = "::ffff:0:0/96".parse();
    mapped.is_ok_and(|mapped| mapped.contains(&network) || network.contains(&mapped))
}
