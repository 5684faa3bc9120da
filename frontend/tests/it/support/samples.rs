//! Messages that tests script the broker with.

use std::time::{Duration, SystemTime};

use probity_protocol::*;

use super::{Script, Step};

pub const PONG: &str = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n\
64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.031 ms\n\n\
--- 10.0.0.1 ping statistics ---\n\
1 packets transmitted, 1 received, 0% packet loss, time 0ms\n\
rtt min/avg/max/mdev = 0.031/0.031/0.031/0.000 ms\n";

/// What ping writes of a host that does not answer, before it exits with 1.
pub const SILENCE: &str = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n\n\
--- 10.0.0.1 ping statistics ---\n\
1 packets transmitted, 0 received, 100% packet loss, time 0ms\n";

/// A script in which a ping succeeds.
pub fn script() -> Script {
    script_with(&[vec![
        started(),
        output(Stream::Stdout, &PONG[..60]),
        output(Stream::Stdout, &PONG[60..]),
        exited(0),
    ]])
}

/// A script with these runs.
pub fn script_with(runs: &[Vec<Step>]) -> Script {
    let approved = Verdict::Approved { plan: plan(), availability: Availability::Available };
    Script {
        welcome: Reply::Welcome(Welcome {
            protocol: PROTOCOL_VERSION,
            broker_version: "0.0.0".into(),
            policy_digest: Digest([7; 32]),
            sandbox: SandboxFacts { landlock_abi: 6, net_raw: false, ping_sockets: true },
        }),
        catalog: vec![Step::Send(Reply::Catalog(catalog()))],
        check: vec![Step::Send(Reply::Verdict(approved.clone()))],
        check_again: vec![Step::Send(Reply::Verdict(approved))],
        runs: runs.to_vec(),
    }
}

/// It waits until another person approves it.
pub fn awaits_approval() -> Step {
    Step::Send(Reply::AwaitsApproval(Awaiting {
        id: ApprovalId::new("3f2a91c0").unwrap(),
        approvers: vec!["user ann".into(), "group leads".into()],
        expires_in: Duration::from_secs(600),
    }))
}

pub fn started() -> Step {
    Step::Send(Reply::Started(Started { pid: 4242, plan: plan() }))
}

pub fn output(stream: Stream, text: &str) -> Step {
    Step::Send(Reply::Output { stream, bytes: text.as_bytes().to_vec() })
}

pub fn exited(code: i32) -> Step {
    ended(End::Finished, ExitStatus::Code(code))
}

pub fn ended(end: End, status: ExitStatus) -> Step {
    Step::Send(Reply::Exited(Exited {
        status,
        end,
        duration: Duration::from_millis(31),
        cpu: Duration::from_millis(2),
        max_rss_bytes: 4 << 20,
        stdout_bytes: PONG.len() as u64,
        stderr_bytes: 0,
        truncated_stdout: false,
        truncated_stderr: false,
        fence_refusals: None,
    }))
}

/// A denial of a call of ping with this code.
pub fn denial(code: DenialCode) -> Denial {
    let count = || OptionId { name: Identifier::new("count").unwrap(), flag: Some("-c".into()) };
    let network = || "8.8.8.8/32".parse().unwrap();
    let reason = match code {
        DenialCode::UnknownTool => Reason::UnknownTool,
        DenialCode::NotGranted => Reason::NotGranted { grants_nothing: false, weight: None },
        DenialCode::GrantExpired => {
            Reason::Expired { since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600) }
        }
        DenialCode::NoApprover => Reason::NoApprover,
        DenialCode::TargetSyntax => Reason::TargetSyntax(LexicalDefect::Empty),
        DenialCode::TargetKind => Reason::TargetKind,
        DenialCode::TargetNotAllowed => Reason::Target {
            network: network(),
            excluded: Excluded::Outside,
            by: LimitedBy::Policy,
        },
        DenialCode::TargetTooLarge => Reason::Target {
            network: network(),
            excluded: Excluded::TooLarge,
            by: LimitedBy::Policy,
        },
        DenialCode::NameUnresolved => Reason::NameUnresolved,
        DenialCode::ArgumentSyntax => Reason::ArgumentSyntax(LexicalDefect::Unbalanced),
        DenialCode::OptionUnknown => Reason::OptionUnknown(Excerpt::of("-f")),
        DenialCode::OptionValue => {
            Reason::OptionValue { option: count(), given: Some(Excerpt::of("1000")) }
        }
        DenialCode::OptionRepeated => Reason::OptionRepeated(count()),
        DenialCode::QuestionNotAllowed => {
            Reason::QuestionName { option: count(), by: LimitedBy::Grant }
        }
        DenialCode::OptionConflict => {
            Reason::OptionConflict { option: count(), other: Box::new(count()) }
        }
        DenialCode::OptionMissing => {
            Reason::OptionMissing { option: count(), needs: Box::new(count()) }
        }
        DenialCode::Operand => Reason::Operand(Excerpt::of("word")),
        DenialCode::OptionNotGranted => Reason::OptionNotGranted(Box::new(Exceeded {
            option: count(),
            value: Excerpt::of("1000"),
            set_by: SetBy::Caller,
            left: None,
        })),
        DenialCode::Ceiling => Reason::Time {
            asked: Duration::from_secs(7200),
            most: Duration::from_secs(3600),
            by: LimitedBy::Policy,
        },
        DenialCode::IntrusiveNotGranted => Reason::Intrusive(Beyond::Option {
            option: count(),
            takes_value: true,
            tier: Tier::Intrusive,
        }),
    };
    Denial { reason, beyond: Vec::new() }
}

pub fn denied(code: DenialCode) -> Step {
    Step::Send(Reply::Denied(denial(code)))
}

pub fn plan() -> PlanSummary {
    PlanSummary {
        tool: ToolName::new("ping").unwrap(),
        target: "10.0.0.1".into(),
        argv: ["/usr/bin/ping", "-n", "-c", "1", "10.0.0.1"].map(String::from).into(),
        environment: vec![("LC_ALL".into(), "C".into())],
        tier: Tier::Standard,
        approvers: vec![],
        timeout: Duration::from_secs(30),
        memory_bytes: 512 << 20,
        open_files: 256,
        stdout_bytes: 1 << 20,
        stderr_bytes: 256 << 10,
        sandbox: SandboxSummary {
            net_raw: false,
            syscalls: "echo".into(),
            read: vec!["/etc/hosts".into()],
            execute: vec!["/usr/bin/ping".into()],
        },
    }
}

pub fn catalog() -> Catalog {
    let tool = |name: &str| ToolName::new(name).unwrap();
    Catalog {
        policy_digest: Digest([7; 32]),
        allowance: Allowance {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "192.168.0.0/16".parse().unwrap()],
            denied: vec!["10.9.0.0/16".parse().unwrap()],
            names: vec!["*.lab.internal".parse().unwrap()],
            max_hosts: 1024,
            timeout_ceiling: Duration::from_secs(3600),
        },
        tools: vec![
            ToolEntry {
                name: tool("ping"),
                aliases: vec![tool("PingTool")],
                title: Some("Ping a host".into()),
                summary: "Check whether a host answers.".into(),
                advice: Some("To see where packets are lost, prefer traceroute.".into()),
                package: None,
                command: "/usr/bin/ping".into(),
                default_target: None,
                targets: vec![TargetKind::Address],
                allowance: None,
                tier: Tier::Standard,
                needs_approval: false,
                intrusive: false,
                options: options(),
                presets: vec![],
                timeout: Duration::from_secs(30),
                timeout_is_default: false,
                concurrency: 3,
                concurrency_is_default: false,
                breaker: BreakerSettings::default(),
                metadata: vec![("owner".into(), "netops".into())],
                parser: Some(ParserEntry::Named("ping".into())),
                cache_seconds: 0,
                availability: Availability::Available,
            },
            ToolEntry {
                name: tool("nmap"),
                aliases: vec![],
                title: None,
                summary: "Discover hosts, open ports and services.".into(),
                advice: None,
                package: None,
                command: "/usr/bin/nmap".into(),
                default_target: None,
                targets: vec![TargetKind::Address, TargetKind::Network],
                allowance: None,
                tier: Tier::Standard,
                needs_approval: false,
                intrusive: false,
                options: vec![option("ports", "-p", ValueType::Ports { within: None }, None)],
                presets: vec![PresetEntry {
                    name: Identifier::new("quick").unwrap(),
                    help: "The well-known ports.".into(),
                    tier: Tier::Standard,
                    options: vec![(Identifier::new("ports").unwrap(), "1-1024".into())],
                }],
                timeout: Duration::from_secs(600),
                timeout_is_default: false,
                concurrency: 1,
                concurrency_is_default: false,
                breaker: BreakerSettings::default(),
                metadata: Vec::new(),
                parser: Some(ParserEntry::Named("nmap-xml".into())),
                cache_seconds: 0,
                availability: Availability::Unavailable {
                    reason: "/usr/bin/nmap is not there.".into(),
                    remedy: "Run `apt install nmap`.".into(),
                },
            },
        ],
    }
}

/// One option of each type.
fn options() -> Vec<OptionEntry> {
    let words = || ["a", "b"].map(String::from).to_vec();
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    vec![
        option("count", "-c", ValueType::Integer { min: 1, max: 100 }, Some("3")),
        option(
            "interval",
            "-i",
            ValueType::Duration { min: decimal("0.2"), max: decimal("60") },
            Some("0.5"),
        ),
        option("quiet", "-q", ValueType::None, None),
        option("mode", "-M", ValueType::Enumeration(words()), Some("a")),
        option("modes", "-N", ValueType::EnumerationList(words()), Some("a,b")),
        option(
            "label",
            "-l",
            ValueType::Text { class: "[A-Za-z0-9_-]".into(), max_length: 16 },
            None,
        ),
    ]
}

fn option(name: &str, flag: &str, value: ValueType, default: Option<&str>) -> OptionEntry {
    OptionEntry {
        name: Identifier::new(name).unwrap(),
        flag: Some(flag.into()),
        excludes: Vec::new(),
        required: false,
        requires: Vec::new(),
        help: format!("What {name} does."),
        tier: Tier::Standard,
        example: matches!(value, ValueType::Ports { .. }).then(|| "22,80".into()),
        value,
        default: default.map(String::from),
        intrusive_words: Vec::new(),
    }
}
