//! nmap's script sets, held against the scripts that this machine's nmap has: what a standard grant
//! reaches asks and looks, and what an intrusive one reaches still harms nobody.
//!
//! Each set is a list of names, taken from planned command lines, which is what nmap would get. And each
//! is run so, without Probity's fence, against a target that redirects, embeds and refers wherever its
//! protocols let it (`tests/hostile`): whatever the client's machine sends to anybody else is counted on
//! it and at its router. Packets are sent inside namespaces that the test made.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::unistd::Uid;
use probity_policy::{Accounts, Origin, Policy, Subject, catalog, decide, load, plan, validate};
use probity_protocol::{Availability, Tier, ValueType};
use probity_tests::{
    broker::PolicyFolder,
    lab::{Lab, Namespace},
    needs,
    peer::call,
};

const SCRIPTS: &str = "/usr/share/nmap/scripts/script.db";

/// What no set may hold: it reaches beyond the target, or does harm.
const NEVER: &[&str] = &["broadcast", "external", "exploit", "brute", "dos", "malware", "fuzzer"];

/// What no standard set may hold besides.
const INTRUSIVE: &[&str] = &["intrusive", "vuln", "auth"];

/// A script and its categories.
struct Script {
    name: String,
    categories: BTreeSet<String>,
}

impl Script {
    fn is_any_of(&self, categories: &[&str]) -> bool {
        categories.iter().any(|category| self.categories.contains(*category))
    }
}

/// `Entry { filename = "NAME", categories = { "A", "B", } }`, a line each.
fn scripts() -> Vec<Script> {
    let text = fs::read_to_string(SCRIPTS).unwrap();
    let quoted = |line: &str| -> Vec<String> {
        line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let scripts: Vec<_> = text
        .lines()
        .map(|line| {
            let mut words = quoted(line).into_iter();
            let name = words.next().unwrap_or_else(|| panic!("no entry: {line}"));
            Script { name, categories: words.collect() }
        })
        .collect();
    assert!(scripts.len() > 500, "{}", scripts.len());
    assert!(scripts.iter().all(|script| !script.categories.is_empty()));
    scripts
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
    fn words(&self, subject: &Subject) -> Vec<String> {
        let catalog = catalog(&self.policy, subject, |_| Availability::Available);
        let nmap = catalog.tool("nmap").unwrap();
        let scripts = nmap.options.iter().find(|o| o.name.as_str() == "scripts").unwrap();
        match &scripts.value {
            ValueType::Enumeration(words) => words.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// What nmap would be given after `--script`, or `None` for a call that is denied.
    fn names(&self, subject: &Subject, arguments: &str) -> Option<String> {
        self.names_of("nmap", subject, arguments)
    }

    fn names_of(&self, tool: &str, subject: &Subject, arguments: &str) -> Option<String> {
        let call = call(tool, "10.0.0.1", arguments);
        let argv = plan(decide(&self.policy, subject, &call).ok()?).argv();
        let given: Vec<_> = argv.windows(2).filter(|pair| pair[0] == "--script").collect();
        let [pair] = given[..] else { panic!("{argv:?}") };
        Some(pair[1].clone())
    }
}

/// The scripts of a list: each is there, by its own name, once.
fn named<'s>(scripts: &'s [Script], list: &str) -> Vec<&'s Script> {
    let names: Vec<_> = list.split(',').collect();
    assert_eq!(BTreeSet::from_iter(&names).len(), names.len(), "a name twice: {list}");
    let find = |name: &&str| {
        let file = format!("{name}.nse");
        scripts.iter().find(|s| s.name == file).unwrap_or_else(|| panic!("no script {name:?}"))
    };
    names.iter().map(find).collect()
}

fn of_category<'s>(scripts: &'s [Script], category: &str) -> Vec<&'s Script> {
    scripts.iter().filter(|script| script.is_any_of(&[category])).collect()
}

fn holds_none_of(set: &[&Script], categories: &[&str], what: &str) {
    assert!(!set.is_empty(), "{what} is empty");
    let wrong: Vec<_> = set.iter().filter(|s| s.is_any_of(categories)).map(|s| &s.name).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?}");
}

#[test]
fn standard_sets_ask_and_look_and_do_nothing_else() {
    if !needs::tool("/usr/bin/nmap") {
        return;
    }
    let (shipped, scripts) = (Shipped::new(), scripts());
    let words = shipped.words(&shipped.standard);
    assert_eq!(
        BTreeSet::from_iter(&words),
        BTreeSet::from_iter(&["default", "safe", "version"].map(String::from))
    );
    for word in words {
        let arguments = format!("--script {word}");
        let names = shipped.names(&shipped.standard, &arguments).unwrap();
        let set = named(&scripts, &names);
        holds_none_of(&set, NEVER, &word);
        holds_none_of(&set, INTRUSIVE, &word);
        assert!(set.iter().all(|script| script.is_any_of(&[&word])), "{word}");
    }
}

#[test]
fn intrusive_sets_are_granted_apart_and_do_no_harm() {
    if !needs::tool("/usr/bin/nmap") {
        return;
    }
    let (shipped, scripts) = (Shipped::new(), scripts());
    let standard = shipped.words(&shipped.standard);
    let words = shipped.words(&shipped.intrusive);
    let more: BTreeSet<_> = words.iter().filter(|word| !standard.contains(word)).collect();
    assert_eq!(
        more,
        BTreeSet::from_iter(&["discovery", "vuln", "auth", "intrusive"].map(String::from))
    );
    let sets = more.into_iter().map(|word| format!("--script {word}")).chain(["-A".to_owned()]);
    for arguments in sets {
        assert_eq!(shipped.names(&shipped.standard, &arguments), None, "{arguments}");
        let names = shipped.names(&shipped.intrusive, &arguments).unwrap();
        holds_none_of(&named(&scripts, &names), NEVER, &arguments);
    }
    // The scanner's deep presets give nmap the same word.
    assert_eq!(shipped.names_of("scanner", &shipped.standard, "-A"), None);
    let names = shipped.names_of("scanner", &shipped.intrusive, "-A").unwrap();
    holds_none_of(&named(&scripts, &names), NEVER, "the scanner's -A");
}

/// The tests above can fail: nmap's own categories would fail them.
#[test]
fn nmap_s_own_category_of_safe_scripts_would_not_do() {
    if !needs::tool("/usr/bin/nmap") {
        return;
    }
    let scripts = scripts();
    for (category, foreign) in
        [("safe", "vuln"), ("safe", "malware"), ("safe", "broadcast"), ("discovery", "external")]
    {
        let set = of_category(&scripts, category);
        assert!(set.iter().any(|s| s.is_any_of(&[foreign])), "{category} without {foreign}");
    }
}

/// With `-sV` nmap adds its scripts of category `version` by itself, and no expression of ours
/// stands in between.
#[test]
fn what_a_version_scan_adds_by_itself_is_known() {
    if !needs::tool("/usr/bin/nmap") {
        return;
    }
    let scripts = scripts();
    let added = of_category(&scripts, "version");
    let excluded: Vec<_> = added
        .iter()
        .filter(|script| script.is_any_of(NEVER) || script.is_any_of(INTRUSIVE))
        .map(|script| script.name.as_str())
        .collect();
    assert_eq!(excluded, ["wdb-version.nse"]);
    // It looks at one port, by UDP, which no scan of the standard tier probes.
    let text = fs::read_to_string("/usr/share/nmap/scripts/wdb-version.nse").unwrap();
    let rule = text.lines().find(|line| line.starts_with("portrule")).unwrap();
    assert!(rule.contains("version_port_or_service(17185, \"wdbrpc\", {\"udp\"}"), "{rule}");
    let shipped = Shipped::new();
    let udp = call("nmap", "10.0.0.1", "-sV -sU");
    assert!(decide(&shipped.policy, &shipped.standard, &udp).is_err());
}

/// -A is its parts, since nmap's own adds all of its category `default`; and -sV adds its category
/// `version`, which is the set of that name and the one script above.
#[test]
fn what_nmap_adds_by_itself_is_what_was_read() {
    if !needs::tool("/usr/bin/nmap") {
        return;
    }
    let (shipped, scripts) = (Shipped::new(), scripts());
    for (tool, arguments) in [("nmap", "-A"), ("scanner", "-A")] {
        let call = call(tool, "10.0.0.1", arguments);
        let argv = plan(decide(&shipped.policy, &shipped.intrusive, &call).unwrap()).argv();
        assert!(!argv.iter().any(|word| ["-A", "-sC"].contains(&&**word)), "{argv:?}");
    }
    let listed = shipped.names(&shipped.standard, "-sV --script version").unwrap();
    let listed: BTreeSet<_> = named(&scripts, &listed).iter().map(|s| s.name.clone()).collect();
    let added: BTreeSet<_> =
        of_category(&scripts, "version").iter().map(|s| s.name.clone()).collect();
    let unread: Vec<_> = added.difference(&listed).collect();
    assert_eq!(unread, ["wdb-version.nse"]);
}

/// Where the hostile target is, beside the lab's own host.
const TARGET: &str = "10.66.2.9";

/// Reads and answers nothing: whatever goes elsewhere is counted on its way out.
const COUNT: &str = "
table inet straying {
    counter elsewhere { }
    chain out { type filter hook HOOK priority 0; DEVICE ip daddr != { 10.66.1.2, 10.66.2.9 } counter name elsewhere; }
}";

/// A lab with a target that wants its scanner to talk to somebody else.
struct Hostile {
    lab: Lab,
    target: Child,
    ports: String,
    _folder: tempfile::TempDir,
}

impl Hostile {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let host = lab.host();
        let device = "ip -o -4 addr show to 10.66.2.2 | cut -d ' ' -f 2";
        host.shell(&format!("ip addr add {TARGET}/24 dev $({device})")).unwrap();
        for (namespace, hook, device) in
            [(lab.client(), "output", "oif != lo"), (lab.router(), "forward", "")]
        {
            let rules = COUNT.replace("HOOK", hook).replace("DEVICE", device);
            namespace.shell(&format!("nft '{rules}'")).unwrap();
        }
        // What a script asks of loopback is elsewhere, too.
        let own = "nft add rule inet straying out oif lo tcp flags syn counter name elsewhere";
        lab.client().shell(own).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] =
            ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"])
            .args(["-subj", "/CN=elsewhere.example"])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .stderr(Stdio::null());
        assert!(openssl.status().unwrap().success());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/target.py");
        let mut target = host.command("/usr/bin/python3");
        target.arg("-B").arg(program).arg(TARGET).args([certificate, key]);
        let mut target = target.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(target.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        let ports = ready.trim().strip_prefix("ready ").unwrap().to_owned();
        Self { lab, target, ports, _folder: folder }
    }

    /// What was sent to anybody but the target since it was asked last.
    fn strayed(&self) -> u64 {
        let count = |namespace: Namespace| {
            let mut nft = namespace.command("/usr/sbin/nft");
            let output = nft.args(["reset", "counters"]).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let (_, after) = said.split_once("packets ").unwrap_or_else(|| panic!("{said:?}"));
            after.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        count(self.lab.client()) + count(self.lab.router())
    }

    /// Runs nmap as it was planned, at the target. What it wrote.
    fn scan(&self, argv: &[String]) -> String {
        let output = self.lab.client().command(&argv[0]).args(&argv[1..]).output().unwrap();
        assert!(output.status.success(), "{argv:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.target.kill();
        let _ = self.target.wait();
    }
}

#[test]
fn no_set_of_any_tier_speaks_to_anybody_but_a_target_that_would_send_it_elsewhere() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let (shipped, hostile) = (Shipped::new(), Hostile::new());
    // The counters see it where a script is sent elsewhere: these follow any redirect.
    for (script, port) in [("http-security-headers", "443"), ("http-useragent-tester", "443")] {
        let leak = ["/usr/bin/nmap", "-n", "-Pn", "-p", port, "--script", script, TARGET];
        hostile.scan(&leak.map(str::to_owned));
        assert!(hostile.strayed() > 0, "{script}");
    }

    // Everybody's sets, and protocols in which an answer most easily names somebody else. The long tests
    // run all sets at all protocols: what tries thousands of paths, or waits for minutes, takes its time.
    let whole = std::env::var("PROBITY_ABUSE").is_ok_and(|value| value == "1");
    let ports = if whole { &*hostile.ports } else { "21,443,8000,8080" };
    let words = shipped.words(if whole { &shipped.intrusive } else { &shipped.standard });
    let sets = words.iter().map(|word| format!("--script {word}"));
    for set in sets.chain(["-A".to_owned()]) {
        let version = if set.ends_with("version") { "-sV " } else { "" };
        let arguments = format!("-Pn -T4 -p {ports} {version}{set}");
        let call = call("nmap", TARGET, &arguments);
        let approved = decide(&shipped.policy, &shipped.intrusive, &call);
        let argv = plan(approved.unwrap_or_else(|denial| panic!("{arguments}: {denial}"))).argv();
        let found = hostile.scan(&argv);
        // Scripts did run, and had something to say of the target.
        let scripts = found.matches("<script id=").count();
        assert!(scripts > 3, "{set}: {scripts} scripts\n{found}");
        assert_eq!(hostile.strayed(), 0, "{set}\n{found}");
    }
}
