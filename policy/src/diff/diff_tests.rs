//! Whatever a request gains from one policy to another is said to widen, for whoever asks, for that
//! tool, and by what: held against the broker's own decision and plan.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use probity_protocol::{
    Arguments, Call, CorrelationId, DenialCode, GivenOption, Identifier, Layer, MAX_ARGS_BYTES,
    OptionText, RequestedLimits, Target, ToolName, split_extra_args,
};
use proptest::prelude::*;
use toml::{Table, Value, toml};

use super::*;
use crate::{
    Accounts, Origin, PacketsTo, Plan, Source, Sources, Subject, decide, load, plan, validate,
};

/// The shipped policy as one document, with grants of numbers and options of every kind.
static BASE: LazyLock<Table> = LazyLock::new(base);

fn base() -> Table {
    let shipped = validate(&load(&Origin::Shipped).unwrap(), &Accounts::default()).unwrap();
    let mut base: Table = toml::from_str(&shipped.to_toml().unwrap()).unwrap();
    list(&mut base, "grant").extend([grant(3), grant(4)]);
    let everything: Table = toml! { user = 9
    tools = ["*"] };
    list(&mut base, "approver").push(Value::Table(everything));
    let more = toml! {
        [[option]]
        name = "style"
        flag = "-y"
        value = { kind = "enumeration", words = ["plain", "terse"] }
        help = "A word."
        [[option]]
        name = "parts"
        flag = "--parts"
        value = { kind = "enumeration-list", words = ["one", "two"] }
        help = "Some words."
        [[option]]
        name = "label"
        flag = "--label"
        value = { kind = "text", class = "digits", max_length = 3 }
        help = "A text."
        [[option]]
        name = "question"
        flag = "--question"
        value = { kind = "dns_name" }
        help = "A name."
        [[option]]
        name = "page"
        flag = "--page"
        value = { kind = "url_path", max_length = 10 }
        help = "A path."
        [[option]]
        name = "several"
        flag = "--several"
        value = { kind = "list", of = { kind = "dns_name" }, max = 2 }
        help = "Names."
        [[option]]
        name = "numbers"
        flag = "--numbers"
        value = { kind = "list", of = { kind = "integer", min = 1, max = 5 }, max = 2 }
        help = "Numbers."
        [[option]]
        name = "four"
        flag = "-c4"
        help = "Reads what -c and its value would be."
    };
    let ping =
        list(&mut base, "tool").iter_mut().find(|tool| tool["name"].as_str() == Some("ping"));
    let options = ping.unwrap().as_table_mut().unwrap();
    list(options, "option").extend(more["option"].as_array().unwrap().clone());
    base
}

/// How many [`grant`] has.
const GRANTS: usize = 24;

fn grant(which: usize) -> Value {
    let grants = [
        toml! { self = true
        tools = ["*"] },
        toml! { self = true
        tools = ["nmap"]
        intrusive = true },
        toml! { user = 1000
        tools = ["*"]
        intrusive = true },
        toml! { user = 1000
        tools = ["ping", "nmap"] },
        toml! { group = 50
        tools = ["scanner", "nmap"]
        intrusive = true },
        toml! { group = 50
        tools = ["ping"] },
        toml! { group = 51
        tools = ["*"] },
        toml! { user = "ada"
        tools = ["*"] },
        toml! { user = 7
        tools = ["traceroute"] },
        toml! { user = 1000
        tools = ["*"]
        networks = ["10.0.0.0/9"] },
        toml! { user = 1000
        tools = ["*"]
        networks = ["10.0.0.0/8", "fd00::/8"]
        deny = ["10.0.0.0/24"]
        max_hosts = 1 },
        toml! { user = 1000
        tools = ["ping", "nmap"]
        intrusive = true
        names = ["nas.lab.internal"]
        timeout = "20s" },
        toml! { group = 50
        tools = ["*"]
        deny = ["10.0.0.1"]
        max_hosts = 256
        concurrency = 2
        timeout = "1m" },
        toml! { group = 50
        tools = ["*"]
        names = ["*.x.lab.internal"]
        until = "2999-01-01T00:00:00Z" },
        toml! { group = 51
        tools = ["*"]
        intrusive = true
        until = "2020-01-01T00:00:00Z" },
        toml! { self = true
        tools = ["*"]
        networks = ["192.168.0.0/16"]
        note = "a note" },
        toml! { user = 1000
        tools = ["*"]
        intrusive = true
        approval = "required" },
        toml! { group = 51
        tools = ["ping", "nmap"]
        concurrency = 1
        approval = "required" },
        toml! { user = 1000
        tools = ["*"]
        intrusive = true
        options = { ping = { deny = ["quiet", "four"], style = ["plain"] } } },
        toml! { user = 1000
        tools = ["ping", "nmap"]
        intrusive = true
        options = { ping = { count = { max = 3 }, parts = ["one"] }, nmap = { ports = "1-10", timing = { min = 1 } } } },
        toml! { user = 1000
        tools = ["*"]
        options = { ping = { count = { min = 4 }, deny = ["label"] }, nmap = { ports = "5-30", deny = ["syn_scan"] } } },
        toml! { group = 50
        tools = ["nmap"]
        intrusive = true
        options = { nmap = { scripts = ["safe", "vuln"], deny = ["aggressive", "service_version"] } } },
        toml! { group = 50
        tools = ["*"]
        options = { ping = { interval = { min = 1 }, wait = { max = 4 } } } },
        toml! { group = 51
        tools = ["*"]
        options = { nmap = { top_ports = { max = 4 }, scripts = ["safe"] } } },
    ];
    assert_eq!(grants.len(), GRANTS);
    Value::Table(grants[which % GRANTS].clone())
}

fn approver(which: usize) -> Value {
    let approvers = [
        toml! { user = 1000
        tools = ["ping"] },
        toml! { group = 51
        tools = ["*"] },
        toml! { user = 8
        tools = ["nmap", "traceroute"] },
    ];
    Value::Table(approvers[which % approvers.len()].clone())
}

fn list<'t>(table: &'t mut Table, key: &str) -> &'t mut Vec<Value> {
    let entry = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    entry.as_array_mut().unwrap()
}

/// Puts a word into a list, or takes it out.
fn toggle(list: &mut Vec<Value>, word: &str) {
    match list.iter().position(|value| value.as_str() == Some(word)) {
        Some(at) => drop(list.remove(at)),
        None => list.push(word.into()),
    }
}

/// One change of a policy's text. It may leave a policy that has defects.
#[derive(Debug, Clone, Copy)]
struct Mutation {
    what: u8,
    tool: usize,
    part: usize,
    how: usize,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // A tool has more to it than the rest.
    let what = prop_oneof![0..30_u8, 22..30_u8];
    (what, 0..4_usize, any::<u8>(), any::<u8>()).prop_map(|(what, tool, part, how)| Mutation {
        what,
        tool,
        part: part.into(),
        how: how.into(),
    })
}

fn of<'a>(words: &[&'a str], which: usize) -> &'a str {
    words[which % words.len()]
}

impl Mutation {
    fn apply(self, policy: &mut Table) {
        let Self { what, tool, part, how } = self;
        let networks = [
            "10.0.0.0/8",
            "10.0.0.0/9",
            "192.168.0.0/16",
            "192.168.1.0/24",
            "100.64.0.0/10",
            "fd00::/8",
        ];
        let deny = ["10.0.0.0/24", "10.0.0.1", "192.168.1.0/25", "10.0.0.0/8", "fd00::/64"];
        let names =
            ["*.lab.internal", "*.x.lab.internal", "nas.lab.internal", "nas.x.lab.internal"];
        match what {
            0 => return toggle(list(sub(policy, "targets"), "networks"), of(&networks, how)),
            1 => return toggle(list(sub(policy, "targets"), "deny"), of(&deny, how)),
            2 => return toggle(list(sub(policy, "targets"), "names"), of(&names, how)),
            3 => {
                let most = [1_i64, 256, 1024, 70_000][how % 4];
                return put(sub(policy, "targets"), "max_hosts", most);
            }
            4 => return ceiling(sub(policy, "ceilings"), part, how),
            5 | 6 | 9 if what != 9 || part.is_multiple_of(2) => {
                let grants = list(policy, "grant");
                match grants.iter().position(|g| *g == grant(how)) {
                    Some(at) => drop(grants.remove(at)),
                    None => grants.push(grant(how)),
                }
                return;
            }
            7 => return put(sub(policy, "sandbox"), "landlock_abi_min", 1 + (how % 4) as i64),
            8 if part.is_multiple_of(2) => {
                let approvers = list(policy, "approver");
                match approvers.iter().position(|a| *a == approver(how)) {
                    Some(at) => drop(approvers.remove(at)),
                    None => approvers.push(approver(how)),
                }
                return;
            }
            8 => return put(sub(policy, "audit"), "path", of(&["/a/log", "/b/log"], how)),
            _ => {}
        }
        let tools = list(policy, "tool");
        if tools.is_empty() {
            return;
        }
        let at = tool % tools.len();
        if what == 9 {
            drop(tools.remove(at));
        } else {
            change_tool(tools[at].as_table_mut().unwrap(), what, part, how);
        }
    }
}

fn sub<'t>(table: &'t mut Table, key: &str) -> &'t mut Table {
    let entry = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
    entry.as_table_mut().unwrap()
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.to_owned(), value.into());
}

fn ceiling(ceilings: &mut Table, which: usize, how: usize) {
    let numbers =
        ["concurrency", "queue", "connections_per_user", "requests_per_second", "open_files"];
    match which % 7 {
        0 => put(ceilings, "timeout", of(&["20s", "1m", "1h", "2h"], how)),
        1 => {
            let key = of(&["memory", "stdout", "stderr"], which / 7);
            put(ceilings, key, of(&["100 MiB", "1 MiB", "512 MiB"], how));
        }
        at => put(ceilings, numbers[at - 2], [20_i64, 100, 1000][how % 3]),
    }
}

fn change_tool(tool: &mut Table, what: u8, part: usize, how: usize) {
    let tier = of(&["standard", "intrusive"], how);
    match what {
        10 => put(tool, "name", of(&["ping", "nmap", "pong"], how)),
        11 => toggle(list(tool, "aliases"), of(&["PingTool", "look"], how)),
        12 => put(tool, "timeout", of(&["5s", "40s", "10m"], how)),
        13 => put(tool, "concurrency", [1_i64, 3, 5][how % 3]),
        14 => put(tool, "tier", tier),
        15 if part.is_multiple_of(3) => {
            toggle(list(tool, "targets"), of(&["address", "network"], how));
        }
        15 if part % 3 == 1 => match how % 4 {
            0 => toggle(list(tool, "networks"), of(&["10.0.0.0/9", "192.168.1.0/24"], how / 4)),
            1 => toggle(list(tool, "names"), of(&["*.lab.internal", "nas.lab.internal"], how / 4)),
            2 => toggle(list(tool, "deny"), of(&["10.0.0.0/24", "fd00::/64"], how / 4)),
            _ => put(tool, "max_hosts", [1_i64, 256, 70_000][how / 4 % 3]),
        },
        15 => drop(tool.remove(of(&["networks", "names", "deny", "max_hosts"], how))),
        16 => put(tool, "command", of(&["/usr/bin/ping", "/usr/bin/true"], how)),
        17 => {
            let words = ["-z", "-n", "@{target}", "{label}", "w={wait}", "{host}:1"];
            toggle(list(tool, "argv"), of(&words, how));
        }
        18 => {
            let rules = ["never", "always", "by-option", "unless-ping-socket"];
            put(sub(tool, "sandbox"), "net_raw", of(&rules, how));
        }
        19 => put(sub(tool, "sandbox"), "syscalls", of(&["echo", "route", "packet-scanner"], how)),
        20 => {
            let list = list(sub(tool, "sandbox"), of(&["read", "execute"], part));
            toggle(list, of(&["/usr/share/nmap", "/usr/share", "/opt/x"], how));
        }
        21 if part % 4 == 1 => put(sub(tool, "sandbox"), "reach", of(&["target", "any"], how)),
        21 if part % 4 == 3 => {
            let scratch = sub(sub(tool, "sandbox"), "scratch");
            put(scratch, "files", [1_i64, 4, 64][how % 3]);
            put(scratch, "file_size", of(&["1 MiB", "4 KiB"], how / 3));
        }
        21 if part.is_multiple_of(4) => put(tool, "cache_seconds", how as i64),
        21 => put(tool, "summary", of(&["One thing.", "Another."], how)),
        22 => {
            let presets = sub(tool, "preset");
            let name = of(&["quick", "standard", "fresh"], part);
            match how % 3 {
                0 => drop(presets.remove(name)),
                1 => put(sub(presets, name), "help", "Help."),
                _ => {
                    put(sub(presets, name), "help", "Help.");
                    let option = of(&["timing", "ports", "scripts", "count"], how / 3);
                    let value = of(&["1", "3", "vuln", "default"], how / 12);
                    put(sub(sub(presets, name), "options"), option, value);
                }
            }
        }
        _ => {
            let options = list(tool, "option");
            if options.is_empty() {
                return;
            }
            let at = part % options.len();
            match what {
                23 => drop(options.remove(at)),
                24 => options.swap(0, at),
                _ => change_option(options[at].as_table_mut().unwrap(), what, how),
            }
        }
    }
}

fn change_option(option: &mut Table, what: u8, how: usize) {
    match what {
        25 => match how % 4 {
            0 => drop(option.remove("default")),
            1 => put(option, "default", 2_i64),
            2 => put(option, "default", true),
            _ => put(option, "default", "safe"),
        },
        26 => put(option, "tier", of(&["standard", "intrusive"], how)),
        27 => match how % 7 {
            0 => put(option, "net_raw", how.is_multiple_of(2)),
            1 => put(option, "join", of(&["separate", "attached"], how / 7)),
            2 => put(option, "flag", of(&["-c", "-q", "--new", "-x"], how / 7)),
            3 => put(option, "name", of(&["count", "quiet", "fresh"], how / 7)),
            4 => drop(option.remove("flag")),
            at => {
                let key = of(&["excludes", "requires"], at);
                toggle(
                    list(option, key),
                    of(&["count", "quiet", "style", "timing", "ports"], how / 7),
                );
            }
        },
        28 => drop(option.remove(of(&["value", "example", "renders"], how))),
        _ => {
            let Some(value) = option.get_mut("value").and_then(Value::as_table_mut) else {
                return put(
                    option,
                    "value",
                    toml! { kind = "integer"
                    min = 1
                    max = 9 },
                );
            };
            let kind = value["kind"].as_str().unwrap().to_owned();
            match kind.as_str() {
                "integer" | "duration" | "number" => {
                    put(value, of(&["min", "max"], how), [0_i64, 1, 3, 5, 200][how / 2 % 5]);
                }
                "rendered" => {
                    let words = sub(value, of(&["rendered", "intrusive"], how));
                    match how / 2 % 3 {
                        0 => drop(words.remove(of(&["safe", "default", "vuln"], how / 6))),
                        _ => put(words, of(&["safe", "vuln", "more"], how / 6), "safe and not x"),
                    }
                }
                "dns_name" => put(
                    option,
                    "value",
                    toml! { kind = "text"
                    class = "word"
                    max_length = 40 },
                ),
                "url_path" => put(value, "max_length", 1 + (how % 12) as i64),
                "list" if how.is_multiple_of(2) => put(value, "max", 1 + (how / 2 % 3) as i64),
                "list" if value["of"]["kind"].as_str() == Some("integer") => {
                    put(sub(value, "of"), of(&["min", "max"], how / 2), [1_i64, 2, 9][how / 4 % 3]);
                }
                "list" => put(sub(value, "of"), "kind", "ports"),
                "text" if how.is_multiple_of(2) => put(value, "max_length", (how / 2 % 5) as i64),
                "text" => put(value, "class", of(&["digits", "alphanumeric", "word"], how / 2)),
                "ports" => put(
                    option,
                    "value",
                    toml! { kind = "integer"
                    min = 1
                    max = 9 },
                ),
                _ => toggle(list(value, "words"), of(&["plain", "one", "more"], how)),
            }
        }
    }
}

fn validated(table: &Table) -> Option<Policy> {
    read(table).ok()
}

fn read(table: &Table) -> Result<Policy, crate::Defects> {
    let text = toml::to_string(table).unwrap();
    let sources = Sources {
        policy: Source::new("policy.toml", text),
        tools: Vec::new(),
        drop_ins: Vec::new(),
    };
    validate(&sources, &Accounts::parse("ada:x:1001:60::/:/bin/sh\n", ""))
}

/// As many of the mutations as leave a sound policy.
fn mutated(table: &mut Table, mutations: &[Mutation]) -> Policy {
    for mutation in mutations {
        let mut next = table.clone();
        mutation.apply(&mut next);
        if validated(&next).is_some() {
            *table = next;
        }
    }
    validated(table).unwrap()
}

fn subject() -> impl Strategy<Value = Subject> {
    let gids = prop::sample::subsequence(vec![50, 51, 60], 0..=2);
    let most = prop_oneof![3 => Just(Tier::Intrusive), 1 => Just(Tier::Standard)];
    (prop::sample::select(vec![7, 1000, 1000, 1000, 1001]), gids, any::<bool>(), most)
        .prop_map(|(uid, gids, owner, most)| Subject { uid, gids, owner, most })
}

/// What the policies call this subject.
fn names_of(subject: &Subject) -> Vec<String> {
    let groups = subject.gids.iter().map(|gid| format!("group {gid}"));
    let owner = subject.owner.then(|| "self (embedded)".to_owned());
    let ada = (subject.uid == 1001).then(|| "user ada".to_owned());
    groups.chain(owner).chain(ada).chain([format!("user {}", subject.uid)]).collect()
}

/// What may be said to a tool: options, words of extra_args, presets.
type Sayable = (&'static [&'static str], &'static [&'static str], &'static [Option<&'static str>]);

const PING: Sayable = (
    &[
        "count=3",
        "count=4",
        "count=150",
        "count",
        "wait=2",
        "interval=0.5",
        "quiet",
        "four",
        "style=plain",
        "style=terse",
        "style=more",
        "parts=one,two",
        "label=12",
        "label=1234",
        "label=ab",
        "question=nas.lab.internal",
        "question=x.nas.x.lab.internal",
        "question=1.0.0.10.in-addr.arpa",
        "question=1.0.0.100.in-addr.arpa",
        "page=/abc",
        "page=/abcdefghijk",
        "several=nas.lab.internal,1.1.168.192.in-addr.arpa",
        "several=nas.x.lab.internal",
        "numbers=1,3",
        "numbers=7",
        "numbers=1,2,5",
        "fresh=1",
        "fresh",
        "verbose",
    ],
    &["", "", "", "-c 4", "-c4", "-q", "-x 2", "--new", "-c 2 -q", "-y plain"],
    &[None, None, None, Some("fresh")],
);

const SCANS: Sayable = (
    &[
        "timing=3",
        "timing=0",
        "ports=22",
        "ports=5",
        "scripts=safe",
        "scripts=vuln",
        "scripts=more",
        "scripts=default",
        "syn_scan",
        "syn_scan=false",
        "aggressive",
        "os_detection",
        "top_ports=5",
        "service_version",
        "fresh=1",
        "quiet",
    ],
    &["", "", "", "-T3", "-sS", "-sV -T3", "-Pn", "-x 2", "--new"],
    &[None, None, Some("quick"), Some("standard"), Some("thorough"), Some("fresh")],
);

fn call() -> impl Strategy<Value = Call> {
    let tools =
        ["ping", "ping", "nmap", "nmap", "scanner", "traceroute", "PingTool", "pong", "look"];
    prop::sample::select(tools.to_vec()).prop_flat_map(|tool| {
        call_of(tool, if ["nmap", "scanner"].contains(&tool) { SCANS } else { PING })
    })
}

fn call_of(tool: &'static str, (options, extras, presets): Sayable) -> impl Strategy<Value = Call> {
    let targets = [
        "10.0.0.1",
        "10.0.0.1",
        "10.0.0.1",
        "10.0.0.0/24",
        "10.9.0.0/16",
        "10.200.0.1",
        "192.168.1.1",
        "192.168.1.200",
        "100.64.0.1",
        "fd00::1",
        "nas.lab.internal",
        "nas.x.lab.internal",
    ];
    let times = [None, None, None, Some(10), Some(30), Some(90), Some(5000)];
    use prop::sample::select;
    (
        (select(targets.to_vec()), select(presets.to_vec())),
        prop_oneof![2 => Just(0), 2 => Just(1), 1 => Just(2)]
            .prop_flat_map(|n| prop::collection::vec(select(options.to_vec()), n)),
        (select(extras.to_vec()), select(times.to_vec()), select(vec![None, Some(1_u64 << 30)])),
    )
        .prop_map(move |((target, preset), options, (extra, time, memory))| {
            let given = |text: &&str| {
                let (name, value) =
                    text.split_once('=').map_or((*text, None), |(n, v)| (n, Some(v)));
                GivenOption {
                    name: Identifier::new(name).unwrap(),
                    value: value.map(|v| OptionText::new(v).unwrap()),
                }
            };
            let target = match Target::parse(target) {
                Target::Name { name, .. } => {
                    Target::Name { name, addresses: vec!["10.0.0.1".parse().unwrap()] }
                }
                target => target,
            };
            Call {
                tool: ToolName::new(tool).unwrap(),
                target,
                arguments: Arguments::Given {
                    preset: preset.map(|p| Identifier::new(p).unwrap()),
                    options: options.iter().map(given).collect(),
                    tokens: split_extra_args(extra, MAX_ARGS_BYTES).unwrap(),
                },
                limits: RequestedLimits {
                    timeout: time.map(Duration::from_secs),
                    memory_bytes: memory,
                    ..RequestedLimits::default()
                },
                correlation_id: CorrelationId::new("test").unwrap(),
                client: None,
            }
        })
}

/// What a request gained, each as the dimensions of which one must be said to widen.
fn gains(old: &Policy, new: &Policy, subject: &Subject, call: &Call) -> Vec<Vec<Dimension>> {
    use Dimension as D;
    let Ok(after) = decide(new, subject, call, SystemTime::now()) else { return Vec::new() };
    let (name, after) = (call.tool.as_str(), plan(after));
    if old.tool(name).is_some_and(|tool| tool.name != *after.tool()) {
        return vec![vec![D::Alias, D::Grant]];
    }
    let before = match decide(old, subject, call, SystemTime::now()) {
        Ok(approved) => plan(approved),
        Err(denied) => {
            return vec![match denied.denial.reason.code().layer() {
                Layer::Tool => vec![D::Grant, D::Alias, D::Tier, D::Approval],
                Layer::Target => {
                    vec![D::Networks, D::Names, D::MaxHosts, D::TargetKinds, D::Grant]
                }
                Layer::Argument
                    if denied.denial.reason.code() == DenialCode::QuestionNotAllowed =>
                {
                    vec![D::Option, D::Preset, D::Networks, D::Names, D::Grant]
                }
                Layer::Argument => vec![D::Option, D::Preset, D::Ceiling, D::Grant],
                Layer::Intrusive => vec![D::Grant, D::Tier, D::Option, D::Preset],
            }];
        }
    };
    let (was, is) = (before.limits(), after.limits());
    let raw = |plan: &Plan, sockets| plan.net_raw().given(sockets);
    let outside = |of: fn(&Plan) -> BTreeSet<&PathBuf>| {
        let folders = of(&before);
        of(&after).iter().any(|path| !folders.iter().any(|folder| path.starts_with(folder)))
    };
    let (old_profile, new_profile) = (before.profile(), after.profile());
    let mut gains = vec![
        (is.timeout > was.timeout, vec![D::Timeout, D::Ceiling, D::Grant]),
        (
            is.memory_bytes > was.memory_bytes
                || is.open_files > was.open_files
                || is.stdout_bytes > was.stdout_bytes
                || is.stderr_bytes > was.stderr_bytes,
            vec![D::Ceiling],
        ),
        (after.concurrency() > before.concurrency(), vec![D::Concurrency]),
        (!before.approvers().is_empty() && after.approvers().is_empty(), vec![D::Grant]),
        (
            !before.approvers().is_empty()
                && after.approvers().iter().any(|who| !before.approvers().contains(who)),
            vec![D::Approval],
        ),
        (before.argv() != after.argv(), vec![D::Command, D::Option, D::Preset, D::NetRaw]),
        (
            [true, false].iter().any(|s| raw(&after, *s) && !raw(&before, *s)),
            vec![D::NetRaw, D::Option, D::Preset],
        ),
        (
            !new_profile.syscalls.is_subset(&old_profile.syscalls)
                || !new_profile.sockets.is_subset(&old_profile.sockets)
                || (before.reach() != PacketsTo::Everywhere
                    && after.reach() == PacketsTo::Everywhere)
                || files(&after).0 > files(&before).0
                || files(&after).1 > files(&before).1
                || outside(reads)
                || outside(executes),
            vec![D::Confinement],
        ),
    ];
    gains.retain(|(gained, _)| *gained);
    gains.into_iter().map(|(_, dimensions)| dimensions).collect()
}

fn files(plan: &Plan) -> (u32, u64) {
    plan.scratch().map_or((0, 0), |scratch| (scratch.files, scratch.file_bytes))
}

fn reads(plan: &Plan) -> BTreeSet<&PathBuf> {
    plan.read().iter().chain(&plan.profile().read).collect()
}

fn executes(plan: &Plan) -> BTreeSet<&PathBuf> {
    plan.execute().iter().chain(&plan.profile().execute).collect()
}

proptest! {
    #[test]
    fn whatever_a_request_gains_is_said_to_widen_for_whom_for_which_tool_and_by_what(
        before in prop::collection::vec(mutation(), 0..6),
        change in prop::collection::vec(mutation(), 0..6),
        asked in prop::collection::vec((subject(), call()), 200),
    ) {
        let mut table = BASE.clone();
        let old = mutated(&mut table, &before);
        let new = mutated(&mut table, &change);
        all_gains_are_said(&old, &new, asked)?;
    }

    #[test]
    fn whatever_a_request_gains_from_one_list_of_grants_to_another_is_said_too(
        before in prop::collection::vec(0..GRANTS, 0..4),
        after in prop::collection::vec(0..GRANTS, 0..4),
        change in prop::collection::vec(mutation(), 0..3),
        asked in prop::collection::vec((subject(), call()), 200),
    ) {
        let mut table = with_every_network();
        table.insert("grant".into(), Value::Array(before.into_iter().map(grant).collect()));
        let old = validated(&table).unwrap();
        table.insert("grant".into(), Value::Array(after.into_iter().map(grant).collect()));
        let new = mutated(&mut table, &change);
        all_gains_are_said(&old, &new, asked)?;
    }
}

/// The base, with what some grants name of it.
fn with_every_network() -> Table {
    let mut table = BASE.clone();
    list(sub(&mut table, "targets"), "networks").push("fd00::/8".into());
    list(sub(&mut table, "targets"), "names").push("*.lab.internal".into());
    table
}

/// Holds what a comparison says against what each of these may do.
fn all_gains_are_said(
    old: &Policy,
    new: &Policy,
    asked: Vec<(Subject, Call)>,
) -> Result<(), TestCaseError> {
    let difference = diff(old, new);
    prop_assert_eq!(difference.changes.is_empty(), old.digest() == new.digest());
    for (subject, call) in asked {
        for dimensions in gains(old, new, &subject, &call) {
            let tool = &new.tool(call.tool.as_str()).unwrap().name;
            let named = difference.changes.iter().any(|change| {
                change.effect == Effect::Widens
                    && change.tool().is_none_or(|name| name == tool)
                    && names_of(&subject).iter().any(|name| change.concerns(name))
                    && dimensions.contains(&change.dimension)
            });
            prop_assert!(
                named,
                "{subject:?} {call:?} gains {dimensions:?}, and this is said: {:#?}",
                difference.changes
            );
        }
    }
    Ok(())
}

#[test]
fn every_grant_that_is_drawn_is_sound_under_the_policy_that_is_changed() {
    for which in 0..GRANTS {
        let mut table = with_every_network();
        list(&mut table, "grant").push(grant(which));
        read(&table).unwrap_or_else(|defects| panic!("{:?}: {defects}", grant(which)));
    }
}

/// The dimensions that widen from one mutated policy to the next.
fn widened(before: &[Mutation], change: &[Mutation]) -> Vec<Dimension> {
    let mut table = BASE.clone();
    let (old, new) = (mutated(&mut table, before), mutated(&mut table, change));
    let changes = diff(&old, &new).changes.into_iter();
    let wider = changes.filter(|change| change.effect == Effect::Widens);
    wider.map(|change| change.dimension).collect()
}

#[test]
fn a_pattern_of_more_names_widens_and_one_of_fewer_does_not() {
    let name = |how| Mutation { what: 2, tool: 0, part: 0, how };
    let (all, below) = (name(0), name(1));
    assert_eq!(widened(&[below, all], &[all]), [Dimension::Names]);
    assert_eq!(widened(&[below], &[all]), []);
    assert_eq!(widened(&[], &[below]), [], "it is within the other");
}

#[test]
fn a_tool_that_leaves_the_intrusive_tier_widens_even_for_whom_that_tier_is_granted() {
    // A frontend that asks for the standard tier only now gets it.
    let tier = |how| Mutation { what: 14, tool: 0, part: 0, how };
    assert!(widened(&[tier(1)], &[tier(0)]).contains(&Dimension::Tier));
    assert_eq!(widened(&[tier(0)], &[tier(1)]), []);
}
