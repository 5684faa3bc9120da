//! nmap's script sets: lists of names, held against the scripts that this machine's nmap has, and
//! run against a target that wants its scanner to talk to somebody else.
//!
//! - lists: names, known to nmap, and of what its categories say only what the tier allows
//! - nothing unread: what a category holds and its set does not is named in the tool's file
//! - `-sV`: which scripts it adds by itself
//! - the lab: every set of every tier as it is planned, and nothing goes beyond the target
//! - the lab can see: scripts that were left out are seen where they go
//!
//! The lists are taken from planned command lines, which is what nmap would get. All traffic stays
//! inside namespaces that the test made.

use std::time::SystemTime;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
};

use nix::unistd::Uid;
use probity_policy::{Accounts, Origin, Policy, Subject, catalog, decide, load, plan, validate};
use probity_protocol::{Availability, Tier, ValueType};
use probity_tests::{alone::alone, broker::PolicyFolder, needs, peer::call};

use self::lab::{HostileLab, NFT, OPENSSL, PYTHON, TARGET};

mod lab;

const NMAP: &str = "/usr/bin/nmap";
const SCRIPTS: &str = "/usr/share/nmap/scripts/script.db";

/// What no set may hold: it reaches beyond the target, or does harm.
const NEVER: &[&str] = &["broadcast", "external", "exploit", "brute", "dos", "malware", "fuzzer"];

/// What no standard set may hold besides.
const INTRUSIVE: &[&str] = &["intrusive", "vuln", "auth"];

/// The sets by tier; each has the name of the category that it was chosen from.
const STANDARD_SETS: [&str; 3] = ["default", "safe", "version"];
const INTRUSIVE_SETS: [&str; 4] = ["discovery", "vuln", "auth", "intrusive"];

/// Each script's categories, by its name without the ending.
type Scripts = BTreeMap<String, BTreeSet<String>>;

/// `Entry { filename = "NAME.nse", categories = { "A", "B", } }`, a line each.
fn scripts() -> Scripts {
    let text = fs::read_to_string(SCRIPTS).unwrap();
    let entry = |line: &str| {
        let mut words = line.split('"').skip(1).step_by(2).map(str::to_owned);
        let file = words.next().unwrap_or_else(|| panic!("no entry: {line}"));
        let name = file.strip_suffix(".nse").expect(line).to_owned();
        (name, words.collect())
    };
    let scripts: Scripts = text.lines().map(entry).collect();
    assert!(scripts.len() > 500, "{}", scripts.len());
    assert!(scripts.values().all(|categories| !categories.is_empty()));
    scripts
}

/// The names of a category, less those that are also of one of `less`.
fn of_category(scripts: &Scripts, category: &str, less: &[&[&str]]) -> BTreeSet<String> {
    let is = |script: &BTreeSet<String>, category: &str| script.contains(category);
    let kept = scripts.iter().filter(|(_, script)| {
        is(script, category) && !less.iter().copied().flatten().any(|other| is(script, other))
    });
    kept.map(|(name, _)| name.clone()).collect()
}

/// The shipped policy, and two who ask it.
struct Shipped {
    policy: Policy,
    standard: Subject,
    intrusive: Subject,
}

impl Shipped {
    fn new() -> Self {
        let grants = "[[grant]]\nuser = 1\ntools = [\"nmap\", \"scanner\"]\n\
                      [[grant]]\nuser = 2\ntools = [\"nmap\", \"scanner\"]\nintrusive = true\n";
        let folder = PolicyFolder::shipped(grants).unwrap();
        let origin = Origin::User(folder.path("policy.toml"), Uid::current().as_raw());
        let policy = validate(&load(&origin).unwrap(), &Accounts::default()).unwrap();
        let subject = |uid| Subject { uid, gids: Vec::new(), owner: false, most: Tier::Intrusive };
        Self { policy, standard: subject(1), intrusive: subject(2) }
    }

    /// The sets whose words a subject is shown.
    fn words(&self, subject: &Subject) -> BTreeSet<String> {
        let catalog =
            catalog(&self.policy, subject, SystemTime::now(), |_| Availability::Available);
        let nmap = catalog.tool("nmap").unwrap();
        let scripts = nmap.options.iter().find(|o| o.name.as_str() == "scripts").unwrap();
        match &scripts.value {
            ValueType::Enumeration(words) => words.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The planned command line, or `None` for a call that is denied.
    fn argv(&self, tool: &str, subject: &Subject, arguments: &str) -> Option<Vec<String>> {
        let call = call(tool, &TARGET.to_string(), arguments);
        Some(plan(decide(&self.policy, subject, &call, SystemTime::now()).ok()?).argv())
    }

    /// What nmap would be given after `--script`, or `None` for a call that is denied.
    fn list(&self, tool: &str, subject: &Subject, arguments: &str) -> Option<String> {
        let argv = self.argv(tool, subject, arguments)?;
        let given: Vec<_> = argv.windows(2).filter(|pair| pair[0] == "--script").collect();
        let [pair] = given[..] else { panic!("{argv:?}") };
        Some(pair[1].clone())
    }
}

/// The names of a list, which is nothing but names that nmap has.
fn names(list: &str, scripts: &Scripts, what: &str) -> BTreeSet<String> {
    let names: Vec<_> = list.split(',').map(str::to_owned).collect();
    let unknown: Vec<_> = names.iter().filter(|name| !scripts.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "{what}: nmap has no script {unknown:?}");
    assert!(names.is_sorted_by(|a, b| a < b), "{what}: in order, each once: {list}");
    names.into_iter().collect()
}

/// What the tool's file says in comments, as words that may be names.
fn named_in_comments() -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/defaults/tools.d/nmap.toml");
    let text = fs::read_to_string(file).unwrap();
    let comments = text.lines().filter(|line| line.starts_with('#'));
    let words = comments.flat_map(|line| line.split([' ', ',', ':']));
    words.map(|word| word.trim_end_matches('.').to_owned()).collect()
}

/// That a list holds of its category what may be held, and that the rest is left out by name.
fn is_chosen_from(list: &str, scripts: &Scripts, category: &str, less: &[&[&str]], what: &str) {
    let names = names(list, scripts, what);
    let may = of_category(scripts, category, less);
    let beyond: Vec<_> = names.difference(&may).collect();
    assert!(beyond.is_empty(), "{what} must not hold {beyond:?}");
    let reasons = named_in_comments();
    let unread: Vec<_> = may.difference(&names).filter(|name| !reasons.contains(*name)).collect();
    assert!(
        unread.is_empty(),
        "{what}: read {unread:?}, and put them into the set or among the reasons of nmap.toml"
    );
    assert!(names.len() * 2 > may.len(), "{what}: {} of {}", names.len(), may.len());
}

#[test]
fn standard_sets_are_lists_of_what_asks_and_looks_and_does_nothing_else() {
    if !needs::tool(NMAP) {
        return;
    }
    let (shipped, scripts) = (Shipped::new(), scripts());
    assert_eq!(shipped.words(&shipped.standard), STANDARD_SETS.map(String::from).into());
    for set in STANDARD_SETS {
        let list = shipped.list("nmap", &shipped.standard, &format!("--script {set}")).unwrap();
        is_chosen_from(&list, &scripts, set, &[NEVER, INTRUSIVE], set);
    }
}

#[test]
fn intrusive_sets_are_granted_apart_and_do_no_harm() {
    if !needs::tool(NMAP) {
        return;
    }
    let (shipped, scripts) = (Shipped::new(), scripts());
    let all: BTreeSet<_> =
        STANDARD_SETS.into_iter().chain(INTRUSIVE_SETS).map(String::from).collect();
    assert_eq!(shipped.words(&shipped.intrusive), all);
    for set in INTRUSIVE_SETS {
        let arguments = format!("--script {set}");
        assert_eq!(shipped.list("nmap", &shipped.standard, &arguments), None, "{set}");
        let list = shipped.list("nmap", &shipped.intrusive, &arguments).unwrap();
        is_chosen_from(&list, &scripts, set, &[NEVER], set);
    }
}

/// nmap's own `-A` would run its category `default`; the scanner's deep presets mean the same.
#[test]
fn the_scripts_of_a_are_a_list_too() {
    if !needs::tool(NMAP) {
        return;
    }
    let (shipped, scripts) = (Shipped::new(), scripts());
    for tool in ["nmap", "scanner"] {
        assert_eq!(shipped.list(tool, &shipped.standard, "-A"), None, "{tool}");
        let argv = shipped.argv(tool, &shipped.intrusive, "-A").unwrap();
        for flag in ["-sV", "-O", "--traceroute"] {
            assert!(argv.iter().any(|word| word == flag), "{tool}: {flag}");
        }
        assert!(!argv.iter().any(|word| word == "-A"), "{tool}: {argv:?}");
    }
    let list = shipped.list("nmap", &shipped.intrusive, "-A").unwrap();
    is_chosen_from(&list, &scripts, "default", &[NEVER], "-A");
    assert_eq!(shipped.list("scanner", &shipped.intrusive, "-A").unwrap(), list);
}

/// The tests above can fail: nmap's own categories would fail them.
#[test]
fn the_category_of_safe_scripts_as_nmap_has_it_would_not_do() {
    if !needs::tool(NMAP) {
        return;
    }
    let scripts = scripts();
    for (category, foreign) in
        [("safe", "vuln"), ("safe", "malware"), ("safe", "broadcast"), ("discovery", "external")]
    {
        let all = of_category(&scripts, category, &[]);
        assert!(all.len() > of_category(&scripts, category, &[&[foreign]]).len(), "{category}");
    }
}

/// With `-sV` nmap adds its scripts of category `version` by itself, and no list of ours stands in
/// between: so each of them is one that the set holds, and was read.
#[test]
fn what_a_version_scan_adds_by_itself_is_known() {
    if !needs::tool(NMAP) {
        return;
    }
    let (shipped, scripts) = (Shipped::new(), scripts());
    let list = shipped.list("nmap", &shipped.standard, "--script version").unwrap();
    let added = of_category(&scripts, "version", &[]);
    let more: Vec<_> = added.difference(&names(&list, &scripts, "version")).cloned().collect();
    assert_eq!(more, ["wdb-version"]);
    // It looks at one port, by UDP, which no scan of the standard tier probes.
    let text = fs::read_to_string("/usr/share/nmap/scripts/wdb-version.nse").unwrap();
    let rule = text.lines().find(|line| line.starts_with("portrule")).unwrap();
    assert!(rule.contains("version_port_or_service(17185, \"wdbrpc\", {\"udp\"}"), "{rule}");
    let udp = call("nmap", "10.0.0.1", "-sV -sU");
    assert!(decide(&shipped.policy, &shipped.standard, &udp, SystemTime::now()).is_err());
}

fn can_run_the_lab() -> bool {
    let tools = [NMAP, NFT, PYTHON, OPENSSL];
    needs::root() && tools.iter().all(needs::tool)
}

/// A set, who is granted it, what it is asked for with, and scripts that must have had an answer.
const RUNS: [(&str, Tier, &str, &[&str]); 9] = [
    ("default", Tier::Standard, "", &["http-title", "ssl-cert", "rpcinfo", "sip-methods"]),
    ("safe", Tier::Standard, "", &["http-headers", "ldap-search", "gopher-ls", "smtp-commands"]),
    ("version", Tier::Standard, "-sV", &["http-server-header", "xmpp-info", "rpcinfo"]),
    ("default", Tier::Intrusive, "-sU -sS", &["nbstat", "snmp-sysdescr", "wsdd-discover"]),
    ("discovery", Tier::Intrusive, "-sU -sS", &["nbstat", "ldap-rootdse", "stun-info"]),
    ("vuln", Tier::Intrusive, "-sU -sS", &["http-enum", "http-trace", "wdb-version"]),
    ("auth", Tier::Intrusive, "-sU -sS", &["http-config-backup", "snmp-win32-users"]),
    ("intrusive", Tier::Intrusive, "-sU -sS", &["http-vhosts", "ssl-enum-ciphers"]),
    ("-A", Tier::Intrusive, "-A", &["http-title", "ssl-cert", "ftp-syst"]),
];

/// Scans by one set until each of its scripts has had an answer.
const SCANS_MAX: usize = 3;

#[test]
fn no_set_has_nmap_talk_to_anybody_but_its_target() {
    if !can_run_the_lab() {
        return;
    }
    let _alone = alone();
    let (shipped, lab) = (Shipped::new(), HostileLab::new());
    let set_up = lab.beyond();
    assert!(set_up.is_empty(), "{set_up:?}");
    thread::scope(|scope| {
        let (shipped, lab) = (&shipped, &lab);
        for (set, tier, options, heard) in RUNS {
            scope.spawn(move || {
                let subject =
                    if tier == Tier::Standard { &shipped.standard } else { &shipped.intrusive };
                // Some intrusive scripts ask each web server for thousands of pages.
                let without: &[&str] =
                    if tier == Tier::Standard { &[] } else { &["80", "8000", "8008", "8443"] };
                let ports = lab.ports_without(without);
                let script = if set == "-A" { String::new() } else { format!("--script {set}") };
                let arguments = format!("-Pn -T4 -p {ports} {options} {script}");
                let argv = shipped.argv("nmap", subject, &arguments).expect(&arguments);
                // Where nine scans keep a machine busy, a script may give up on its host: the next scan has it.
                let mut missing = heard.to_vec();
                let mut output = String::new();
                for _ in 0..SCANS_MAX {
                    output = lab.scan(&argv);
                    missing.retain(|script| !output.contains(&format!("<script id=\"{script}\"")));
                    if missing.is_empty() {
                        break;
                    }
                }
                assert!(missing.is_empty(), "{set} {options}: no {missing:?}\n{output}");
            });
        }
    });
    assert_eq!(lab.beyond(), BTreeSet::new());
}

/// Each of these was in a set while sets were categories, and goes its own way.
#[test]
fn the_lab_sees_what_would_go_beyond() {
    if !can_run_the_lab() {
        return;
    }
    let _alone = alone();
    for script in ["http-security-headers", "http-favicon", "upnp-info", "dns-nsid", "fcrdns"] {
        let lab = HostileLab::new();
        let ports = lab.ports_without(&[]);
        let target = TARGET.to_string();
        let argv = [NMAP, "-n", "-Pn", "-sS", "-sU", "-p", &ports, "--script", script, &target];
        lab.scan(&argv.map(str::to_owned));
        assert!(!lab.beyond().is_empty(), "{script}");
    }
}
