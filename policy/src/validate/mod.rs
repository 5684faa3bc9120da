//! From text to a [`Policy`], or to every defect that was found. There is no third way: a policy
//! with a defect is no policy.

mod option;
mod tool;
mod value;

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use bytesize::ByteSize;
use ipnet::IpNet;
use probity_protocol::{NamePattern, Target};
use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::{
    accounts::Accounts,
    networks::NetworkSet,
    policy::{Ceilings, ExcludedTool, Grant, GrantedTools, Policy, Warning},
    raw::{RawAccount, RawCeilings, RawGrant, RawPolicy, RawTargets, RawTool, Text},
    source::{Defect, Defects, Source, Sources},
    subject::Principal,
    targets::Targets,
    tool::Tool,
};

/// The policy language's version that this code reads.
const VERSION: u32 = 1;

/// Makes a policy of its text.
///
/// # Errors
/// Every defect found, each with its file, line and column. A file that does not parse as TOML
/// contributes its first defect only.
pub fn validate(sources: &Sources, accounts: &Accounts) -> Result<Policy, Defects> {
    let mut validation =
        Validation { source: &sources.policy, defects: Vec::new(), warnings: Vec::new() };
    let (tools, excluded) = validation.tools(&sources.tools);
    validation.source = &sources.policy;
    let policy = validation.policy(accounts, tools, excluded, sources);
    match policy {
        Some(policy) if validation.defects.is_empty() => Ok(policy),
        _ => Err(Defects(validation.defects)),
    }
}

/// Collects defects while it reads one source after the other.
struct Validation<'s> {
    source: &'s Source,
    defects: Vec<Defect>,
    warnings: Vec<Warning>,
}

impl Validation<'_> {
    /// Records a defect.
    fn defect(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.defects.push(self.source.defect(&span, message));
    }

    fn warn(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.warnings.push(Warning { place: self.source.place(span), message: message.into() });
    }

    /// Turns an error into a recorded defect.
    fn accept<T>(&mut self, span: Range<usize>, result: Result<T, impl ToString>) -> Option<T> {
        result.map_err(|error| self.defect(span, error.to_string())).ok()
    }

    fn parse<T: DeserializeOwned>(&mut self) -> Option<T> {
        let parsed = toml::from_str(self.source.text());
        parsed
            .map_err(|error: toml::de::Error| {
                let span = error.span().unwrap_or(0..0);
                self.defect(span, error.message().to_owned());
            })
            .ok()
    }

    fn tools(&mut self, sources: &[Source]) -> (Vec<Arc<Tool>>, Vec<ExcludedTool>) {
        let (mut tools, mut excluded) = (Vec::<Arc<Tool>>::new(), Vec::new());
        for source in sources {
            let mut file = Validation { source, defects: Vec::new(), warnings: Vec::new() };
            if let Some(raw) = file.parse::<RawTool>() {
                if let Some(reason) = exclusion(raw.name.get_ref()) {
                    let (file, name) = (source.name().to_owned(), raw.name.get_ref().clone());
                    excluded.push(ExcludedTool { file, name, reason });
                } else if let Some(tool) = file.tool(&raw) {
                    file.refuse_repeated_names(&raw, &tools);
                    tools.push(Arc::new(tool));
                }
            }
            self.defects.append(&mut file.defects);
            self.warnings.append(&mut file.warnings);
        }
        (tools, excluded)
    }

    fn refuse_repeated_names(&mut self, raw: &RawTool, earlier: &[Arc<Tool>]) {
        let own = std::iter::once(&raw.name).chain(&raw.aliases);
        for (at, name) in own.enumerate() {
            let taken = earlier.iter().find(|tool| {
                std::iter::once(&tool.name)
                    .chain(&tool.aliases)
                    .any(|n| n.as_str() == name.get_ref())
            });
            if let Some(tool) = taken {
                let message = format!("the name {:?} is taken by {}", name.get_ref(), tool.place);
                self.defect(name.span(), message);
            }
            if at > 0 && name.get_ref() == raw.name.get_ref() {
                self.defect(name.span(), "the alias is the tool's own name");
            }
        }
    }

    fn policy(
        &mut self,
        accounts: &Accounts,
        tools: Vec<Arc<Tool>>,
        excluded: Vec<ExcludedTool>,
        sources: &Sources,
    ) -> Option<Policy> {
        let raw: RawPolicy = self.parse()?;
        if *raw.version.get_ref() != VERSION {
            let message =
                format!("this is version {}, and {VERSION} is known", raw.version.get_ref());
            self.defect(raw.version.span(), message);
        }
        let mut names = HashMap::new();
        for (at, tool) in tools.iter().enumerate() {
            for name in std::iter::once(&tool.name).chain(&tool.aliases) {
                names.insert(name.as_str().to_owned(), at);
            }
        }
        let targets = self.targets(&raw.targets);
        let ceilings = self.ceilings(&raw.ceilings);
        let landlock_abi_min =
            raw.sandbox.landlock_abi_min.as_ref().map_or(2, |abi| *abi.get_ref());
        if landlock_abi_min == 0 {
            let span = raw.sandbox.landlock_abi_min.as_ref().map_or(0..0, Spanned::span);
            self.defect(span, "Landlock cannot be done without: the least ABI is 1");
        }
        let grants = raw
            .grants
            .iter()
            .filter_map(|grant| self.grant(grant, accounts, &names, &tools, &excluded));
        let grants = grants.collect();
        let audit_path = raw.audit.path.get_ref().into();
        if !raw.audit.path.get_ref().starts_with('/') {
            self.defect(raw.audit.path.span(), "the audit log's path must be absolute");
        }
        Some(Policy {
            digest: sources.digest(),
            targets,
            ceilings,
            landlock_abi_min,
            grants,
            audit_path,
            tools,
            names,
            excluded,
            warnings: std::mem::take(&mut self.warnings),
        })
    }

    fn targets(&mut self, raw: &RawTargets) -> Targets {
        let names = raw.names.iter().filter_map(|name| {
            let parsed = name.get_ref().parse::<NamePattern>();
            self.accept(name.span(), parsed.map_err(|e| format!("not a name or *.suffix: {e}")))
        });
        let names = names.collect();
        let max_hosts = raw.max_hosts.as_ref().map_or(1024, |n| *n.get_ref());
        if max_hosts == 0 {
            self.defect(raw.max_hosts.as_ref().map_or(0..0, Spanned::span), "at least 1");
        }
        Targets {
            allowed: NetworkSet::new(&self.networks(&raw.networks)),
            denied: NetworkSet::new(&self.networks(&raw.deny)),
            names,
            max_hosts,
        }
    }

    fn networks(&mut self, texts: &[Text]) -> Vec<IpNet> {
        let parsed = texts.iter().filter_map(|text| self.network(text));
        parsed.collect()
    }

    /// An address or a network. Strict: what an administrator writes with host bits set may be a
    /// typing error in a place where one counts.
    fn network(&mut self, text: &Text) -> Option<IpNet> {
        let written = text.get_ref();
        let network = match Target::parse(written) {
            Target::Address(address) => IpNet::from(address),
            Target::Network(network) => network,
            Target::Name { .. } | Target::Malformed(_) => {
                let message = format!("{written:?} is not a network such as 10.0.0.0/8");
                self.defect(text.span(), message);
                return None;
            }
        };
        let as_written = written.parse::<IpNet>().ok();
        if let Some(given) = as_written.filter(|n| n.addr() != n.network()) {
            let message = format!("{given} has host bits set; the network is {}", given.trunc());
            self.defect(text.span(), message);
        }
        if as_written.is_some_and(|n| matches!(n, IpNet::V6(_)) && covers_mapped_ipv4(n)) {
            let message = "IPv4 mapped into IPv6 is judged as IPv4: write the IPv4 network";
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
            connections: self.positive(raw.connections.as_ref(), default.connections),
            connections_per_user: self
                .positive(raw.connections_per_user.as_ref(), default.connections_per_user),
            requests_per_second: self
                .positive(raw.requests_per_second.as_ref(), default.requests_per_second),
            memory_bytes: self.size(raw.memory.as_ref(), default.memory_bytes),
            open_files: self.open_files(raw.open_files.as_ref(), default.open_files),
            stdout_bytes: self.size(raw.stdout.as_ref(), default.stdout_bytes),
            stderr_bytes: self.size(raw.stderr.as_ref(), default.stderr_bytes),
        }
    }

    fn duration(&mut self, text: &Text) -> Option<Duration> {
        let parsed = humantime::parse_duration(text.get_ref());
        let message =
            |_| format!("{:?} is not a time such as \"30s\", \"10m\" or \"1h\"", text.get_ref());
        let duration = self.accept(text.span(), parsed.map_err(message))?;
        if duration.is_zero() {
            self.defect(text.span(), "a time of zero lets nothing run");
        }
        Some(duration)
    }

    fn size(&mut self, text: Option<&Text>, default: u64) -> u64 {
        let Some(text) = text else { return default };
        let parsed = text.get_ref().parse::<ByteSize>();
        let message = |_| format!("{:?} is not a size such as \"512 MiB\"", text.get_ref());
        self.accept(text.span(), parsed.map_err(message)).map_or(default, |size| size.as_u64())
    }

    fn positive(&mut self, number: Option<&Spanned<u32>>, default: u32) -> u32 {
        match number {
            None => default,
            Some(number) if *number.get_ref() == 0 => {
                self.defect(number.span(), "at least 1");
                default
            }
            Some(number) => *number.get_ref(),
        }
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
        names: &HashMap<String, usize>,
        tools: &[Arc<Tool>],
        excluded: &[ExcludedTool],
    ) -> Option<Grant> {
        let raw = grant.get_ref();
        let principal = match (&raw.user, &raw.group, &raw.owner) {
            (Some(user), None, None) => {
                self.principal(user, "user", |n| accounts.user(n), Principal::User)
            }
            (None, Some(group), None) => {
                self.principal(group, "group", |n| accounts.group(n), Principal::Group)
            }
            (None, None, Some(owner)) if *owner.get_ref() => Principal::Owner,
            _ => {
                self.defect(grant.span(), "a grant names one of: user, group, self = true");
                return None;
            }
        };
        let mut named = Vec::new();
        for tool in &raw.tools {
            match (tool.get_ref().as_str(), names.get(tool.get_ref())) {
                ("*", _) => {}
                (_, Some(&at)) => named.extend(tools.get(at).map(|t| t.name.as_str().to_owned())),
                (name, None) => {
                    let message = match excluded.iter().find(|e| e.name == name) {
                        Some(excluded) => {
                            format!("the tool {name:?} is left out: {}", excluded.reason)
                        }
                        None => format!("no tool is called {name:?}"),
                    };
                    self.defect(tool.span(), message);
                }
            }
        }
        let all = raw.tools.iter().any(|t| t.get_ref() == "*");
        Some(Grant {
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

/// Whether an IPv6 network has addresses of `::ffff:0:0/96` in it.
fn covers_mapped_ipv4(network: IpNet) -> bool {
    let mapped: Result<IpNet, _> = "::ffff:0:0/96".parse();
    mapped.is_ok_and(|mapped| mapped.contains(&network) || network.contains(&mapped))
}

/// Why a tool of this name is not loaded: templates and test doubles lie around in `tools.d`.
fn exclusion(name: &str) -> Option<String> {
    const PREFIXES: [&str; 5] = ["test", "mock", "abstract", "example", "_"];
    const SUFFIXES: [&str; 3] = ["base", "mixin", "interface"];
    let lower = name.to_ascii_lowercase();
    let prefix = PREFIXES.iter().find(|p| lower.starts_with(**p));
    let suffix = SUFFIXES.iter().find(|s| lower.ends_with(**s));
    prefix
        .map(|p| format!("its name begins with {p:?}"))
        .or_else(|| suffix.map(|s| format!("its name ends with {s:?}")))
}

#[cfg(test)]
#[path = "../validate_tests.rs"]
mod tests;
