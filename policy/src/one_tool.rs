//! A policy of one tool, for tests of what a tool's file may say: it is read, asked and decided by.

use std::time::SystemTime;

use crate::{
    Accounts, Defects, Policy, Source, Sources, Subject, decide, plan, validate_with_help,
};
use probity_advice::{SuggestedCall, advise, repair};
use probity_protocol::{
    Arguments, Availability, Call, CorrelationId, GivenOption, OptionText, Reason, RequestedLimits,
    Target, Tier, ToolName, split_extra_args,
};

/// A policy with one tool, `fetch`, whose file goes on with these lines.
pub(crate) fn read(argv: &str, more: &str) -> Result<Policy, Defects> {
    read_under("", r#"{ self = true, tools = ["*"], intrusive = true }"#, argv, more)
}

/// The same where `[targets]` says more, and with these grants.
pub(crate) fn read_under(
    targets: &str,
    grants: &str,
    argv: &str,
    more: &str,
) -> Result<Policy, Defects> {
    let text = format!(
        r#"
version = 1
targets = {{ networks = ["10.0.0.0/8", "fd00::/8"], names = ["*.lab.internal"] {targets} }}
grant = [{grants}]
audit = {{ path = "/a" }}
[[tool]]
name = "fetch"
summary = "Fetches."
command = "/usr/bin/fetch"
targets = ["address"]
argv = {argv}
sandbox = {{ net_raw = "never", syscalls = "base" }}
{more}"#
    );
    let policy = Source::new("policy.toml", text);
    let sources = Sources { policy, tools: Vec::new(), drop_ins: Vec::new() };
    validate_with_help(&sources, &Accounts::default())
}

pub(crate) fn policy(argv: &str, more: &str) -> Policy {
    read(argv, more).unwrap_or_else(|defects| panic!("{defects}"))
}

/// The one defect of a file.
pub(crate) fn defect(argv: &str, more: &str) -> String {
    let defects = read(argv, more).expect_err("it has no defect");
    let [defect] = defects.0.as_slice() else { panic!("{defects}") };
    assert!(defect.place().line() > 8 && defect.place().column() > 1, "{defects}");
    defect.message().to_owned()
}

pub(crate) fn call(target: &str, options: &[(&str, &str)], extra_args: &str) -> Call {
    let target = match Target::parse(target) {
        Target::Name { name, .. } => {
            Target::Name { name, addresses: vec!["fd00::5".parse().unwrap()] }
        }
        target => target,
    };
    let given = |(name, value): &(&str, &str)| GivenOption {
        name: probity_protocol::Identifier::new(*name).unwrap(),
        value: Some(OptionText::new(*value).unwrap()),
    };
    Call {
        tool: ToolName::new("fetch").unwrap(),
        target,
        arguments: Arguments::Given {
            preset: None,
            options: options.iter().map(given).collect(),
            tokens: split_extra_args(extra_args, 1000).unwrap(),
        },
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("t").unwrap(),
        client: None,
    }
}

pub(crate) fn owner() -> Subject {
    Subject { uid: 1, gids: vec![1], owner: true, most: Tier::Intrusive }
}

/// The words of a call.
pub(crate) fn words(policy: &Policy, target: &str, options: &[(&str, &str)]) -> Vec<String> {
    let approved = decide(policy, &owner(), &call(target, options, ""), SystemTime::now())
        .unwrap_or_else(|denied| panic!("{}", denied.denial));
    plan(approved).arguments().to_vec()
}

/// What is said of a call that is refused, and what would pass.
pub(crate) fn refused(policy: &Policy, call: &Call) -> (Reason, String, Option<SuggestedCall>) {
    let denied = decide(policy, &owner(), call, SystemTime::now()).expect_err("it was approved");
    let catalog = crate::catalog(policy, &owner(), SystemTime::now(), |_| Availability::Available);
    let advice = advise(&catalog, call, &denied.denial);
    let instead = repair(&catalog, call, &denied.denial);
    let passes = |call: &Call| decide(policy, &owner(), call, SystemTime::now()).is_ok();
    let instead = instead.filter(passes).and_then(SuggestedCall::of);
    (denied.denial.reason, format!("{} {}", advice.message, advice.recovery_suggestion), instead)
}

/// The file of a shipped tool, to be changed.
pub(crate) fn file_of<'s>(sources: &'s mut Sources, tool: &str) -> &'s mut Source {
    let file = format!("/{tool}.toml");
    sources.tools.iter_mut().find(|source| source.name().ends_with(&file)).unwrap()
}
