use std::time::SystemTime;

use probity_protocol::{
    CorrelationId, DenialCode, Identifier, Layer, RequestedLimits, ToolName, split_extra_args,
};

use super::*;
use crate::{Accounts, Origin, Source, decide, load, validate};

/// Where each kind of denial speaks.
fn step_of(code: DenialCode) -> &'static str {
    match code.layer() {
        Layer::Tool => "tool",
        Layer::Target => "target",
        Layer::Argument if code == DenialCode::OptionNotGranted => "options",
        Layer::Argument if code == DenialCode::Ceiling => "time",
        Layer::Argument => "arguments",
        Layer::Intrusive => "tier",
    }
}

#[test]
fn the_steps_end_as_the_decision_does_for_every_combination_of_right_and_wrong() {
    let mut sources = load(&Origin::Shipped).unwrap();
    let text = sources.policy.text().replace("deny      = []", "deny = [\"10.66.0.0/16\"]");
    let grant = "[[grant]]\nuser = 8\ntools = [\"*\"]\noptions.nmap = { timing = { max = 3 } }\n";
    let text = format!("{text}{grant}");
    sources.policy = Source::new("policy.toml", text);
    let policy = validate(&sources, &Accounts::default()).unwrap();
    let written = Written::of(&sources);
    let (mut approved, mut codes) = (0, BTreeSet::new());
    for (uid, owner) in [(7, true), (7, false), (8, false)] {
        let subject = Subject { uid, gids: vec![7], owner, most: Tier::Intrusive };
        for tool in ["ping", "nmap", "TracertTool", "nikto"] {
            for target in
                ["10.0.0.1", "10.0.0.0/24", "10.0.0.0/8", "10.66.1.1", "8.8.8.8", "x.example", ""]
            {
                for extra in ["", "-c 3", "-sS", "-T4", "-c 1000", "-zz", "word", "-c 1 -c 2"] {
                    for (preset, seconds) in
                        [(None, None), (Some("quick"), Some(7200)), (None, Some(5))]
                    {
                        let call = Call {
                            tool: ToolName::new(tool).unwrap(),
                            target: Target::parse(target),
                            arguments: Arguments::Given {
                                preset: preset.map(|name| Identifier::new(name).unwrap()),
                                options: Vec::new(),
                                tokens: split_extra_args(extra, 2048).unwrap(),
                            },
                            limits: RequestedLimits {
                                timeout: seconds.map(std::time::Duration::from_secs),
                                ..RequestedLimits::default()
                            },
                            correlation_id: CorrelationId::new("test").unwrap(),
                            client: None,
                        };
                        let decided = decide(&policy, &subject, &call, SystemTime::now());
                        let message =
                            decided.as_ref().err().map(|denied| denied.denial.to_string());
                        let steps = trace(&policy, &written, &subject, &call, message.as_deref());
                        let last = steps.last().unwrap();
                        let before = steps.iter().rev().skip(1);
                        assert!(before.into_iter().all(|step| step.passed), "{call:?}");
                        match decided {
                            Ok(_) => {
                                assert!(last.passed && last.what == "time", "{call:?}");
                                approved += 1;
                            }
                            Err(denied) => {
                                let code = denied.denial.reason.code();
                                assert!(!last.passed, "{call:?}");
                                assert_eq!(last.what, step_of(code), "{call:?}");
                                assert_eq!(Some(&last.said[0].text), message.as_ref());
                                codes.insert(code.as_str());
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(codes.contains("OPTION_NOT_GRANTED"));
    assert!(approved > 10 && codes.len() >= 10, "{approved} approved; {codes:?}");
}
