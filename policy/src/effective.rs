//! The effective policy, written down again in its own language: defaults filled in, networks
//! joined, everything whose order means nothing sorted.
//!
//! Two texts that mean the same give the same bytes here, and reading those bytes gives the same
//! policy. Only `probity-policy` writes it, and the digest does not depend on it (`digest`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::{Duration, SystemTime},
};

use probity_protocol::{Identifier, ParserEntry, TargetKind, Tier};
use serde::Serialize;
use toml::Spanned;

use crate::{
    canonical::ScopeKey,
    granted_options::{Left, OptionsKey},
    grants::{Grant, GrantedTools, Grantee},
    policy::{Ceilings, Policy},
    raw::{
        RawAccount, RawApproval, RawApprover, RawAudit, RawBreaker, RawCeilings, RawGlobalSandbox,
        RawGrant, RawLeft, RawMode, RawMoment, RawOption, RawPolicy, RawPreset, RawRange,
        RawSandbox, RawScalar, RawScratch, RawTargets, RawTool, RawValue, Text,
    },
    tool::{ArgvPart, Preset, Setting, Tool, ToolOption},
    value::{RenderedWord, Value, ValueKind},
};

impl Policy {
    /// The effective policy as one document, the tools in it as `[[tool]]` tables. Reading it gives
    /// the same policy, with the same digest.
    ///
    /// # Errors
    /// None that is known of: every policy that was read can be written.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        #[derive(Serialize)]
        struct OneTool {
            tool: [Spanned<RawTool>; 1],
        }
        let mut policy = self.effective();
        let tools = std::mem::take(&mut policy.tools);
        // Each tool by itself: the writer moves all that it has written once for each table in it.
        let mut document = toml::to_string(&policy)?;
        for tool in tools {
            document.push('\n');
            document.push_str(&toml::to_string(&OneTool { tool: [tool] })?);
        }
        Ok(document)
    }

    /// The effective policy in the types that policy files are read with.
    pub(crate) fn effective(&self) -> RawPolicy {
        let mut grants: Vec<_> = self.grants.iter().map(GrantKey::of).collect();
        grants.sort();
        grants.dedup();
        let approvers = self.approvers.iter();
        let approvers: BTreeSet<_> =
            approvers.map(|each| (each.who.clone(), tools_of(&each.tools))).collect();
        let mut tools: Vec<_> = self.tools.iter().collect();
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        RawPolicy {
            version: at(1),
            targets: RawTargets {
                networks: texts(self.targets.allowed.networks()),
                names: sorted(self.targets.names.patterns()),
                deny: texts(self.targets.denied.networks()),
                max_hosts: Some(at(self.targets.max_hosts)),
            },
            // Written out where they are used.
            sets: BTreeMap::new(),
            ceilings: ceilings(&self.ceilings),
            sandbox: RawGlobalSandbox { landlock_abi_min: Some(at(self.landlock_abi_min)) },
            grants: grants.into_iter().map(|grant| at(grant.raw())).collect(),
            approvers: approvers.into_iter().map(|each| at(approver(each))).collect(),
            audit: RawAudit { path: text(self.audit_path.to_string_lossy()) },
            tools: tools.into_iter().map(|each| at(tool(each))).collect(),
        }
    }
}

/// A grant by what it says and not by where it says it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct GrantKey {
    grantee: Grantee,
    tools: Vec<String>,
    intrusive: bool,
    scope: ScopeKey,
    options: OptionsKey,
    timeout: Option<Duration>,
    concurrency: Option<u32>,
    needs_approval: bool,
    until: Option<SystemTime>,
    note: Option<String>,
}

impl GrantKey {
    fn of(grant: &Grant) -> Self {
        Self {
            grantee: grant.grantee.clone(),
            tools: tools_of(&grant.tools),
            intrusive: grant.intrusive,
            scope: ScopeKey::of(&grant.scope),
            options: grant.options.key(),
            timeout: grant.timeout,
            concurrency: grant.concurrency,
            needs_approval: grant.needs_approval,
            until: grant.until,
            note: grant.note.clone(),
        }
    }

    fn raw(self) -> RawGrant {
        let (user, group) = accounts(&self.grantee);
        let owner = (self.grantee == Grantee::Owner).then(|| at(true));
        let until = self.until.map(humantime::format_rfc3339_seconds);
        RawGrant {
            user,
            group,
            owner,
            tools: texts(&self.tools),
            intrusive: self.intrusive,
            networks: self.scope.networks.map(|networks| at(texts(networks))),
            names: self.scope.names.map(|names| at(texts(names))),
            deny: texts(self.scope.denied),
            max_hosts: self.scope.max_hosts.map(at),
            timeout: self.timeout.map(time),
            concurrency: self.concurrency.map(at),
            approval: self.needs_approval.then(|| at(RawApproval::Required)),
            until: until.map(|until| at(RawMoment::Text(until.to_string()))),
            note: self.note.map(text),
            options: self
                .options
                .into_iter()
                .map(|(tool, left)| (text(tool), options(left)))
                .collect(),
        }
    }
}

fn tools_of(tools: &GrantedTools) -> Vec<String> {
    let mut tools = match tools {
        GrantedTools::All => vec!["*".to_owned()],
        GrantedTools::Named(names) => names.clone(),
    };
    tools.sort();
    tools.dedup();
    tools
}

/// The keys `user` and `group`.
fn accounts(who: &Grantee) -> (Option<Spanned<RawAccount>>, Option<Spanned<RawAccount>>) {
    match who {
        Grantee::User(account) => (Some(at(account.clone())), None),
        Grantee::Group(account) => (None, Some(at(account.clone()))),
        Grantee::Owner => (None, None),
    }
}

fn approver((who, tools): (Grantee, Vec<String>)) -> RawApprover {
    let (user, group) = accounts(&who);
    RawApprover { user, group, tools: texts(&tools) }
}

/// What a grant leaves of a tool's options.
pub(crate) fn options(left: BTreeMap<Identifier, Left>) -> BTreeMap<Text, Spanned<RawLeft>> {
    let (denied, narrowed): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|(_, left)| matches!(left, Left::Nothing));
    let denied: Vec<Text> = denied.into_iter().map(|(name, _)| text(name)).collect();
    let denied = (!denied.is_empty()).then(|| (text("deny"), at(RawLeft::List(denied))));
    let range = |min: &dyn Display, max: &dyn Display| {
        let [min, max] = [min, max].map(|end| Some(at(RawScalar::of(end.to_string()))));
        RawLeft::Range(RawRange { min, max })
    };
    let narrowed = narrowed.into_iter().map(|(name, left)| {
        let left = match left {
            Left::Integer { min, max } => range(&min, &max),
            Left::Decimal { min, max } => range(&min, &max),
            Left::Ports(ports) => RawLeft::Text(ports.to_string()),
            Left::Words(words) => RawLeft::List(texts(words)),
            Left::Nothing => RawLeft::List(Vec::new()),
        };
        (text(name), at(left))
    });
    narrowed.chain(denied).collect()
}

fn ceilings(ceilings: &Ceilings) -> RawCeilings {
    RawCeilings {
        timeout: Some(time(ceilings.timeout)),
        concurrency: Some(at(ceilings.concurrency)),
        concurrency_per_user: Some(at(ceilings.concurrency_per_user)),
        queue: Some(at(ceilings.queue)),
        connections: Some(at(ceilings.connections)),
        connections_per_user: Some(at(ceilings.connections_per_user)),
        requests_per_second: Some(at(ceilings.requests_per_second)),
        approval_ttl: Some(time(ceilings.approval_ttl)),
        memory: Some(text(size(ceilings.memory_bytes))),
        open_files: Some(at(ceilings.open_files)),
        stdout: Some(text(size(ceilings.stdout_bytes))),
        stderr: Some(text(size(ceilings.stderr_bytes))),
    }
}

pub(crate) fn tool(tool: &Tool) -> RawTool {
    let mode = tool.argv.iter().find_map(|part| match part {
        ArgvPart::Mode { raw, plain } => {
            Some(at(RawMode { raw: raw.clone(), plain: plain.clone() }))
        }
        _ => None,
    });
    let scope = ScopeKey::of(&tool.scope);
    let presets = tool.presets.iter().map(|(name, each)| (text(name), preset(tool, each)));
    let (parser, parse) = match &tool.parser {
        Some(ParserEntry::Named(name)) => (Some(text(name)), None),
        Some(ParserEntry::Table(table)) => (None, Some(at(table.clone()))),
        None => (None, None),
    };
    RawTool {
        name: text(&tool.name),
        aliases: sorted(&tool.aliases),
        title: tool.title.as_ref().map(text),
        summary: text(&tool.summary),
        advice: tool.advice.as_ref().map(text),
        command: text(tool.command.display()),
        package: tool.package.as_ref().map(text),
        targets: at(sorted(tool.targets.iter().map(|kind| match kind {
            TargetKind::Address => "address",
            TargetKind::Network => "network",
        }))),
        default_target: tool.default_target.map(at),
        networks: scope.networks.map(|networks| at(texts(networks))),
        names: scope.names.map(|names| at(texts(names))),
        deny: texts(scope.denied),
        max_hosts: scope.max_hosts.map(at),
        argv: at(texts(tool.argv.iter().map(|part| match part {
            ArgvPart::Mode { .. } => "{mode}".to_owned(),
            ArgvPart::Options => "{options}".to_owned(),
            ArgvPart::Word(template) => template.to_string(),
        }))),
        mode,
        // Left out where the file leaves it out: a frontend's own default may then tighten it.
        timeout: tool.timeout.written().map(time),
        max_timeout: tool.max_timeout.map(time),
        concurrency: tool.concurrency.written().map(at),
        parser,
        parse,
        cache_seconds: Some(at(tool.cache_seconds)),
        tier: tool.tier.into(),
        breaker: RawBreaker {
            failure_threshold: tool.breaker.failure_threshold.written().map(at),
            recovery_timeout: tool.breaker.recovery_timeout.written().map(time),
        },
        sandbox: RawSandbox {
            net_raw: tool.sandbox.net_raw,
            syscalls: text(&tool.sandbox.profile.name),
            reach: tool.sandbox.reach,
            read: sorted(tool.sandbox.read.iter().map(|path| path.display())),
            execute: sorted(tool.sandbox.execute.iter().map(|path| path.display())),
            scratch: tool.sandbox.scratch.map(|scratch| {
                let (files, file_size) = (at(scratch.files), text(size(scratch.file_bytes)));
                at(RawScratch { files, file_size })
            }),
        },
        metadata: tool.metadata.iter().map(|(key, value)| (text(key), text(value))).collect(),
        options: tool.options.iter().map(|each| at(option(tool, each))).collect(),
        presets: presets.collect(),
    }
}

fn option(tool: &Tool, option: &ToolOption) -> RawOption {
    let takes_value = !matches!(option.kind, ValueKind::None);
    let value = |value: &Value| at(RawScalar::of(option.written(&Setting::On(value.clone()))));
    RawOption {
        name: text(&option.name),
        flag: option.flag.as_ref().map(text),
        value: takes_value.then(|| at(value_kind(&option.kind))),
        join: option.join,
        renders: option.renders.as_ref().map(|words| at(texts(words))),
        excludes: sorted(tool.names(&option.excludes)),
        requires: sorted(tool.names(&option.requires)),
        tier: option.tier.into(),
        net_raw: Some(at(option.net_raw)),
        required: Some(at(option.required)),
        default: option.written_default().map(|default| at(RawScalar::of(default))),
        example: option.example.as_ref().map(value),
        help: (!option.help.is_empty()).then(|| text(&option.help)),
    }
}

fn value_kind(kind: &ValueKind) -> RawValue {
    let mut raw = RawValue {
        kind: text(""),
        min: None,
        max: None,
        words: None,
        rendered: None,
        intrusive: None,
        class: None,
        max_length: None,
        of: None,
    };
    let number = |n: &dyn Display| Some(at(RawScalar::of(n.to_string())));
    let name = match kind {
        ValueKind::None => "none",
        ValueKind::Integer { min, max } => {
            (raw.min, raw.max) = (number(min), number(max));
            "integer"
        }
        ValueKind::Number { min, max } => {
            (raw.min, raw.max) = (number(min), number(max));
            "number"
        }
        ValueKind::Duration { min, max } => {
            (raw.min, raw.max) = (number(min), number(max));
            "duration"
        }
        ValueKind::Ports => "ports",
        ValueKind::Enumeration(words) => {
            raw.words = Some(at(texts(words.iter())));
            "enumeration"
        }
        ValueKind::EnumerationList(words) => {
            raw.words = Some(at(texts(words.iter())));
            "enumeration-list"
        }
        ValueKind::Rendered(words) => {
            let of = |tier| {
                let of_tier = words.iter().filter(move |(_, word)| word.tier == tier);
                let map = of_tier
                    .map(|(name, RenderedWord { text: shown, .. })| (text(name), shown.clone()));
                Some(at(map.collect()))
            };
            (raw.rendered, raw.intrusive) = (of(Tier::Standard), of(Tier::Intrusive));
            "rendered"
        }
        ValueKind::Text { class, max_length } => {
            raw.class = Some(text(class.name()));
            raw.max_length = Some(at(u32::try_from(*max_length).unwrap_or(u32::MAX)));
            "text"
        }
        ValueKind::DnsName => "dns_name",
        ValueKind::UrlPath { max_length } => {
            raw.max_length = Some(at(u32::try_from(*max_length).unwrap_or(u32::MAX)));
            "url_path"
        }
        ValueKind::List { of, max } => {
            raw.of = Some(at(Box::new(value_kind(of))));
            raw.max = number(max);
            "list"
        }
    };
    RawValue { kind: text(name), ..raw }
}

fn preset(tool: &Tool, preset: &Preset) -> RawPreset {
    let settings = preset.settings.iter().filter_map(|(at_index, setting)| {
        let option = tool.options.get(*at_index)?;
        Some((text(&option.name), at(RawScalar::of(option.written(setting)))))
    });
    RawPreset { help: text(&preset.help), options: settings.collect() }
}

fn time(duration: Duration) -> Text {
    text(humantime::format_duration(duration))
}

/// Exact, in the largest unit that divides it.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    match fits {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} B"),
    }
}

impl RawScalar {
    /// The plainest way to write this text so that [`RawScalar::text`] gives it back.
    pub(crate) fn of(text: String) -> Self {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let candidates = [
            text.parse().map(Self::Switch).ok(),
            text.parse().map(Self::Integer).ok().filter(|_| plain),
            text.parse().map(Self::Float).ok().filter(|_| plain && text.contains('.')),
        ];
        let same = candidates.into_iter().flatten().find(|scalar| scalar.text() == text);
        same.unwrap_or(Self::Text(text))
    }
}

/// The span of what was never in a file.
fn at<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn text(value: impl ToString) -> Text {
    at(value.to_string())
}

fn texts(values: impl IntoIterator<Item = impl ToString>) -> Vec<Text> {
    values.into_iter().map(text).collect()
}

/// Sorted, each once.
fn sorted(values: impl IntoIterator<Item = impl ToString>) -> Vec<Text> {
    let mut values: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
    values.sort();
    values.dedup();
    texts(values)
}

#[cfg(test)]
#[path = "effective_tests.rs"]
mod tests;
