//! `policy.toml`: targets, ceilings, grants, and the policy that they make with the tools.

use std::ops::Range;

use probity_protocol::Digest;
use toml::Spanned;

use super::{Slip, ToolSet, VERSION, Validation, scope::Ground};
use crate::{
    accounts::{self, Accounts},
    approvers::Approver,
    digest,
    grants::{Grant, GrantIndex, GrantedTools, Grantee},
    plan::LEAST_MEMORY,
    policy::{Ceilings, Policy},
    raw::{RawAccount, RawApprover, RawCeilings, RawGrant, RawPolicy, Text},
    subject::Principal,
};

/// Longest note, in characters: it stands in each line of the audit log.
const MAX_NOTE: usize = 200;

/// What a grant may name, and what it may not exceed.
pub(super) struct Bounds<'b> {
    pub accounts: &'b Accounts,
    pub tools: &'b ToolSet,
    pub ground: &'b Ground,
    pub ceilings: &'b Ceilings,
    pub approvers: &'b [Approver],
}

impl Validation<'_> {
    /// `None` after a defect that leaves no policy to speak of.
    pub(super) fn policy(
        &mut self,
        raw: &RawPolicy,
        tools: ToolSet,
        ground: Ground,
        ceilings: Ceilings,
        (grants, approvers, accounts): (Vec<Grant>, Vec<Approver>, &Accounts),
    ) -> Option<Policy> {
        if *raw.version.get_ref() != VERSION {
            let message = format!(
                "this is version {}, and {VERSION} is known: write version = {VERSION}, or install \
                         a newer Probity",
                raw.version.get_ref()
            );
            self.defect(raw.version.span(), message);
        }
        let lines = self.lines(raw, &ground);
        let landlock_abi_min =
            raw.sandbox.landlock_abi_min.as_ref().map_or(2, |abi| *abi.get_ref());
        if landlock_abi_min == 0 {
            let span = raw.sandbox.landlock_abi_min.as_ref().map_or(0..0, Spanned::span);
            self.defect(span, "Landlock cannot be done without: the least ABI is 1");
        }
        let audit_path = raw.audit.path.get_ref().into();
        if !raw.audit.path.get_ref().starts_with('/') {
            self.defect(raw.audit.path.span(), "the audit log's path must be absolute");
        }
        self.plain(raw.audit.path.span(), raw.audit.path.get_ref());
        let ToolSet { tools, excluded, names, .. } = tools;
        let grant_index = GrantIndex::new(&grants, |name| names.get(name).copied());
        let mut policy = Policy {
            digest: Digest([0; 32]), // taken of the rest, below
            targets: ground.targets,
            ceilings,
            landlock_abi_min,
            grants,
            approvers,
            accounts: accounts.clone(),
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

    pub(super) fn ceilings(&mut self, raw: &RawCeilings) -> Ceilings {
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
            approval_ttl: raw
                .approval_ttl
                .as_ref()
                .and_then(|t| self.duration(t))
                .unwrap_or(default.approval_ttl),
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

    pub(super) fn grants<'r>(
        &mut self,
        raw: impl IntoIterator<Item = &'r Spanned<RawGrant>>,
        bounds: &Bounds<'_>,
    ) -> Vec<Grant> {
        raw.into_iter().filter_map(|grant| self.grant(grant, bounds)).collect()
    }

    fn grant(&mut self, grant: &Spanned<RawGrant>, bounds: &Bounds<'_>) -> Option<Grant> {
        let Bounds { accounts, tools, ground, ceilings, .. } = *bounds;
        let raw = grant.get_ref();
        let owner = raw.owner.as_ref().map(|owner| *owner.get_ref());
        let account = self.account_of(raw.user.as_ref(), raw.group.as_ref(), accounts);
        let (grantee, principal) = match (account, owner) {
            (Some(account), None) => account,
            (None, Some(true)) if raw.user.is_none() && raw.group.is_none() => {
                (Grantee::Owner, Principal::Owner)
            }
            // The key was there, and has been complained of.
            (None, None) if self.incomplete && raw.user.is_none() && raw.group.is_none() => {
                return None;
            }
            _ => {
                let message = "a grant names one of: user, group, self = true";
                self.defect(grant.span(), message);
                return None;
            }
        };
        let granted = self.granted_tools(&raw.tools, tools);
        let timeout = raw.timeout.as_ref().and_then(|text| self.duration(text));
        let beyond = |key: &str, most: String| {
            format!("more than {key} of [ceilings], which is {most}: a grant only narrows it")
        };
        let longest = ceilings.timeout;
        if let (Some(text), Some(_)) = (&raw.timeout, timeout.filter(|time| *time > longest)) {
            let longest = humantime::format_duration(longest).to_string();
            self.defect(text.span(), beyond("timeout", longest));
        }
        let most = ceilings.concurrency;
        if let Some(number) = raw.concurrency.as_ref().filter(|number| *number.get_ref() > most) {
            self.defect(number.span(), beyond("concurrency", most.to_string()));
        }
        if let Some(approval) = &raw.approval {
            self.refuse_what_nobody_approves(approval.span(), (&granted, principal), bounds);
        }
        Some(Grant {
            grantee,
            principal,
            options: self.grant_options(raw, &granted, tools),
            tools: granted,
            intrusive: raw.intrusive,
            scope: self.grant_scope(raw, ground),
            timeout,
            concurrency: raw.concurrency.as_ref().map(|n| self.positive(Some(n), 1)),
            needs_approval: raw.approval.is_some(),
            until: raw.until.as_ref().and_then(|until| self.moment(until)),
            note: raw.note.as_ref().map(|note| self.line(note, MAX_NOTE)),
            place: self.source.place(&grant.span()),
        })
    }

    /// A grant of which no call could ever come to a run.
    fn refuse_what_nobody_approves(
        &mut self,
        span: Range<usize>,
        (granted, principal): (&GrantedTools, Principal),
        bounds: &Bounds<'_>,
    ) {
        if principal == Principal::Owner {
            let message =
                "who starts a broker for himself is alone with it, so nobody else could approve";
            self.defect(span, message);
            return;
        }
        let is_other = |approver: &&Approver| {
            approver.principal != principal
                || matches!(principal, Principal::Group(_) | Principal::Nobody)
        };
        let tools = bounds.tools.tools.iter().filter(|tool| granted.has(&tool.name));
        let mut alone = tools.filter(|tool| {
            let mut others = bounds.approvers.iter().filter(is_other);
            !others.any(|approver| approver.tools.has(&tool.name))
        });
        let Some(tool) = alone.next().filter(|_| !self.incomplete) else { return };
        let name = &tool.name;
        let message = format!(
            "nobody else may approve calls of {name}: add [[approver]] with user or group, and tools = [\"{name}\"]"
        );
        self.defect(span, message);
    }

    pub(super) fn approvers<'r>(
        &mut self,
        raw: impl IntoIterator<Item = &'r Spanned<RawApprover>>,
        accounts: &Accounts,
        tools: &ToolSet,
    ) -> Vec<Approver> {
        let approver = |written: &Spanned<RawApprover>| {
            let raw = written.get_ref();
            let (user, group) = (raw.user.as_ref(), raw.group.as_ref());
            let Some((who, principal)) = self.account_of(user, group, accounts) else {
                if !self.incomplete {
                    self.defect(written.span(), "an approver names one of: user, group");
                }
                return None;
            };
            let tools = self.granted_tools(&raw.tools, tools);
            Some(Approver { who, principal, tools, place: self.source.place(&written.span()) })
        };
        raw.into_iter().filter_map(approver).collect()
    }

    /// The one of them that is written.
    fn account_of(
        &mut self,
        user: Option<&Spanned<RawAccount>>,
        group: Option<&Spanned<RawAccount>>,
        accounts: &Accounts,
    ) -> Option<(Grantee, Principal)> {
        match (user, group) {
            (Some(user), None) => Some((
                Grantee::User(account(user)),
                self.principal(user, "user", |n| accounts.user(n), Principal::User),
            )),
            (None, Some(group)) => Some((
                Grantee::Group(account(group)),
                self.principal(group, "group", |n| accounts.group(n), Principal::Group),
            )),
            _ => None,
        }
    }

    fn granted_tools(&mut self, written: &[Text], tools: &ToolSet) -> GrantedTools {
        let mut named = Vec::new();
        for tool in written {
            match (tool.get_ref().as_str(), tools.names.get(tool.get_ref())) {
                ("*", _) => {}
                (_, Some(&at)) => {
                    named.extend(tools.tools.get(at).map(|t| t.name.as_str().to_owned()));
                }
                (_, None) => self.unknown_tool(tool, tools),
            }
        }
        if written.iter().any(|tool| tool.get_ref() == "*") {
            return GrantedTools::All;
        }
        GrantedTools::Named(named)
    }

    /// Says that there is no such tool, unless it may be one that has a defect of its own.
    pub(super) fn unknown_tool(&mut self, name: &Text, tools: &ToolSet) {
        let written = name.get_ref();
        let message = match tools.excluded.iter().find(|e| e.name == *written) {
            Some(excluded) => format!("the tool {written:?} is left out: {}", excluded.reason),
            None if tools.incomplete => return,
            None => {
                let meant = self.help.meant(Slip::Tool(written, &tools.names));
                let meant = meant.map_or_else(String::new, |it| format!(": {it}"));
                format!("no tool is called {written:?}{meant}")
            }
        };
        self.defect(name.span(), message);
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

/// As written, but that a number is a number however it is spelled.
fn account(written: &Spanned<RawAccount>) -> RawAccount {
    match written.get_ref() {
        RawAccount::Name(name) => {
            accounts::number(name).map_or_else(|| RawAccount::Name(name.clone()), RawAccount::Id)
        }
        RawAccount::Id(id) => RawAccount::Id(*id),
    }
}
