//! nmap's script sets, held against the scripts that this machine's nmap has: what a standard grant
//! reaches asks and looks, and what an intrusive one reaches still harms nobody.
//!
//! nmap's categories overlap, so each set is an expression that subtracts. The expressions are
//! taken from planned command lines, which is what nmap would get.

use std::{collections::BTreeSet, fs};

use nix::unistd::Uid;
use probity_policy::{Accounts, Origin, Policy, Subject, catalog, decide, load, plan, validate};
use probity_protocol::{Availability, Tier, ValueType};
use probity_tests::{broker::PolicyFolder, needs, peer::call};

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

/// An expression of categories, as nmap's `--script` reads it: `not` binds more than `and`, and
/// `and` more than `or`.
struct Expression<'e> {
    words: Vec<&'e str>,
    at: usize,
}

impl Expression<'_> {
    fn holds(text: &str, script: &Script) -> bool {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let mut expression = Expression { words: spaced.split_whitespace().collect(), at: 0 };
        let holds = expression.either(script);
        assert_eq!(expression.at, expression.words.len(), "{text}");
        holds
    }

    fn either(&mut self, script: &Script) -> bool {
        let mut holds = self.both(script);
        while self.takes("or") {
            holds |= self.both(script);
        }
        holds
    }

    fn both(&mut self, script: &Script) -> bool {
        let mut holds = self.one(script);
        while self.takes("and") {
            holds &= self.one(script);
        }
        holds
    }

    fn one(&mut self, script: &Script) -> bool {
        if self.takes("not") {
            return !self.one(script);
        }
        if self.takes("(") {
            let holds = self.either(script);
            assert!(self.takes(")"), "{:?}", self.words);
            return holds;
        }
        let category = self.words[self.at];
        assert!(category.bytes().all(|b| b.is_ascii_lowercase()), "no category: {category}");
        self.at += 1;
        script.categories.contains(category)
    }

    fn takes(&mut self, word: &str) -> bool {
        let takes = self.words.get(self.at) == Some(&word);
        self.at += usize::from(takes);
        takes
    }
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
    fn expression(&self, subject: &Subject, arguments: &str) -> Option<String> {
        self.expression_of("nmap", subject, arguments)
    }

    fn expression_of(&self, tool: &str, subject: &Subject, arguments: &str) -> Option<String> {
        let call = call(tool, "10.0.0.1", arguments);
        let argv = plan(decide(&self.policy, subject, &call).ok()?).argv();
        let given: Vec<_> = argv.windows(2).filter(|pair| pair[0] == "--script").collect();
        let [pair] = given[..] else { panic!("{argv:?}") };
        Some(pair[1].clone())
    }
}

fn held<'s>(scripts: &'s [Script], expression: &str) -> Vec<&'s Script> {
    scripts.iter().filter(|script| Expression::holds(expression, script)).collect()
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
        let expression = shipped.expression(&shipped.standard, &arguments).unwrap();
        let set = held(&scripts, &expression);
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
        assert_eq!(shipped.expression(&shipped.standard, &arguments), None, "{arguments}");
        let expression = shipped.expression(&shipped.intrusive, &arguments).unwrap();
        holds_none_of(&held(&scripts, &expression), NEVER, &arguments);
    }
    // The scanner's deep presets give nmap the same word.
    assert_eq!(shipped.expression_of("scanner", &shipped.standard, "-A"), None);
    let expression = shipped.expression_of("scanner", &shipped.intrusive, "-A").unwrap();
    holds_none_of(&held(&scripts, &expression), NEVER, "the scanner's -A");
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
        let set = held(&scripts, category);
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
    let added = held(&scripts, "version");
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

#[test]
fn the_evaluator_binds_as_nmap_does() {
    let script =
        Script { name: "x.nse".into(), categories: ["safe", "vuln"].map(String::from).into() };
    for (expression, holds) in [
        ("safe", true),
        ("safe and not (vuln or dos)", false),
        ("safe and not (auth or dos)", true),
        ("not safe or vuln", true),
        ("not (safe or vuln)", false),
        ("vuln or safe and dos", true),
    ] {
        assert_eq!(Expression::holds(expression, &script), holds, "{expression}");
    }
}
