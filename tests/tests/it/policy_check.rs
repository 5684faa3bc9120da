//! `probity-policy`, from outside: what is wrong with a policy is said in full, what is unwise is
//! said apart, what cannot be read is refused with its reason, and whatever it says of a call the
//! broker's own functions say too.
//!
//! - defects and warnings
//! - input that is no policy
//! - mutated policies
//! - the effective policy
//! - explanations

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Output},
    time::Instant,
};

use nix::{sys::stat::Mode, unistd::Uid};
use probity_policy::{Accounts, LoadError, Origin, Source, Sources, load, validate};
use probity_tests::broker::{PolicyFolder, program};
use serde_json::{Value, json};

/// A finished run of `probity-policy`.
struct Answer {
    code: i32,
    said: String,
    complained: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.said).unwrap_or_else(|e| panic!("{e}: {}", self.said))
    }
}

/// Runs it to its end. Whatever it is given, it neither panics nor hangs.
fn ask(words: &[&str]) -> Answer {
    let output = Command::new("timeout")
        .arg("30")
        .arg(program("probity-policy"))
        .args(words)
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, complained) = (text(stdout), text(stderr));
    assert!(!complained.contains("panicked"), "{words:?}: {complained}");
    let code = status.code().unwrap_or_else(|| panic!("{words:?}: {status}"));
    assert!(code <= 2, "{words:?}: {code}: {complained}");
    Answer { code, said, complained }
}

fn shipped() -> PolicyFolder {
    PolicyFolder::shipped("").unwrap()
}

/// How many tools are shipped.
fn shipped_tools() -> usize {
    fs::read_dir(shipped().path("tools.d")).unwrap().count()
}

fn check(folder: &PolicyFolder, more: &[&str]) -> Answer {
    let path = folder.path("policy.toml").display().to_string();
    ask(&[&["check", &path], more].concat())
}

#[test]
fn the_shipped_policy_is_sound_even_when_one_is_strict() {
    let answer = ask(&["check", "--shipped", "--strict"]);
    assert_eq!(answer.code, 0, "{}", answer.said);
    let tools = shipped_tools();
    assert!(
        answer.said.contains(&format!("sound, with {tools} tools, no warnings")),
        "{}",
        answer.said
    );
    assert!(!answer.said.contains('\u{1b}'), "colours, and this is no terminal");
}

#[test]
fn every_defect_of_form_and_meaning_in_every_file_is_shown_with_a_mark_under_the_place() {
    let folder = shipped();
    folder.replace("policy.toml", "version = 1", "version = 1\nversoin = 1").unwrap();
    folder.replace("policy.toml", "\"1h\"", "\"soon\"").unwrap();
    folder.replace("policy.toml", "max_hosts = 1024", "max_hosts = \"all\"").unwrap();
    folder.replace("tools.d/ping.toml", "\"Ping a host\"", "\"Ping a host").unwrap();
    folder.replace("tools.d/ping.toml", "max = 100 }", "max = 0 }").unwrap();
    folder.replace("tools.d/nmap.toml", "summary = ", "sumary = ").unwrap();
    let answer = check(&folder, &[]);
    assert_eq!(answer.code, 1);
    for expected in [
        "policy.toml:7:1: unknown field `versoin`: did you mean `version`?\n 7 | versoin = 1\n   | ^^^^^^^\n",
        "policy.toml:13:13: invalid type: string \"all\"",
        "policy.toml:16:24: \"soon\" is not a time",
        "tools.d/ping.toml:5:",
        "tools.d/ping.toml:30:11: min is larger than max",
        "tools.d/nmap.toml:6:1: unknown field `sumary`: did you mean `summary`?",
        "A broker does not start with it.",
    ] {
        assert!(answer.said.contains(expected), "{expected:?} is not in\n{}", answer.said);
    }
    let defects = check(&folder, &["--json"]).json()["defects"].as_array().unwrap().clone();
    let key = |d: &Value| (d["file"].as_str().unwrap().len(), d["line"].as_u64());
    let of_policy: Vec<_> = defects.iter().take(3).map(key).collect();
    assert!(of_policy.is_sorted() && of_policy.len() == 3, "{defects:#?}");
    assert_eq!(defects[0]["text"], "versoin = 1");
}

#[test]
fn a_grant_of_a_tool_whose_file_is_broken_is_no_defect_of_its_own() {
    let folder = PolicyFolder::shipped("[[grant]]\nuser = 0\ntools = [\"ping\"]\n").unwrap();
    folder.replace("tools.d/ping.toml", "targets = [\"address\"]", "targets = 1").unwrap();
    let answer = check(&folder, &["--json"]);
    assert_eq!(answer.json()["defects"].as_array().unwrap().len(), 1, "{}", answer.said);
}

/// What is warned of, and about which of both.
fn warnings(folder: &PolicyFolder) -> Vec<(String, String)> {
    let answer = check(folder, &["--json"]);
    assert_eq!(answer.code, 0, "{}{}", answer.said, answer.complained);
    let json = answer.json();
    let text = |warning: &Value, key: &str| warning[key].as_str().unwrap().to_owned();
    let warnings = json["warnings"].as_array().unwrap();
    warnings.iter().map(|w| (text(w, "about"), text(w, "message"))).collect()
}

#[test]
fn what_is_legal_but_unwise_is_a_warning_and_fails_only_when_one_is_strict() {
    let deny = ("deny      = []", "deny = [\"192.168.0.0/16\"]");
    let cases = [
        (("\"10.0.0.0/8\"", "\"8.0.0.0/6\""), "", "8.0.0.0/6 reaches beyond private networks"),
        (("\"10.0.0.0/8\"", "\"127.0.0.1\""), "", "is this host itself"),
        (deny, "", "192.168.0.0/16 is denied as a whole"),
        (("\"1h\"", "\"1m\""), "", "the timeout of nmap (10m) is above the ceiling (1m)"),
        (("", ""), "[[grant]]\nuser = 9\ntools = [\"*\"]\nintrusive = true", "name the tools"),
        (
            ("", ""),
            "[[grant]]\ngroup = \"users\"\ntools = [\"nmap\"]\nintrusive = true",
            "a group that every user may be in",
        ),
        (("", ""), "[[grant]]\nuser = 9\ntools = []", "grants nothing"),
        (
            ("", ""),
            "[[grant]]\nuser = 9\ntools = [\"nmap\"]\noptions.nmap = { deny = [\"os_detection\"] }",
            "os_detection of nmap is intrusive, and so beyond this grant anyway",
        ),
        (
            ("", ""),
            "[[grant]]\nuser = 9\ntools = [\"nmap\"]\noptions.nmap = { timing = { min = 0 } }",
            "timing 0 to 5: that is all that nmap takes",
        ),
        (
            ("", ""),
            "[[grant]]\nuser = 9\ntools = [\"ping\"]\noptions.ping = { count = { max = 2 } }",
            "count of ping is 3 by default, which this grant does not leave",
        ),
        (
            ("", ""),
            "[[grant]]\nuser = 9\ntools = [\"ping\"]\n[[grant]]\nuser = 9\ntools = [\"*\"]",
            "adds nothing to the one at",
        ),
    ];
    for ((from, to), more, expected) in cases {
        let folder = PolicyFolder::shipped(more).unwrap();
        folder.replace("policy.toml", from, to).unwrap();
        let found = warnings(&folder);
        let about = found.iter().find(|(_, message)| message.contains(expected));
        assert_eq!(about.map(|(a, _)| a.as_str()), Some("policy"), "{expected:?}: {found:?}");
        assert_eq!(check(&folder, &["--strict"]).code, 1, "{expected:?}");
    }
}

#[test]
fn a_tool_that_nothing_keeps_to_its_target_is_warned_of() {
    let folder = PolicyFolder::shipped("").unwrap();
    let said = |folder: &PolicyFolder| {
        let mut found = warnings(folder);
        found.retain(|(about, message)| about == "policy" && message.contains("every address"));
        found
    };
    assert_eq!(said(&folder), []);
    let sandbox = "[sandbox]\n";
    folder.replace("tools.d/traceroute.toml", sandbox, "[sandbox]\nreach = \"any\"\n").unwrap();
    let found = said(&folder);
    let [(_, message)] = &found[..] else { panic!("{found:?}") };
    assert!(message.starts_with("traceroute may send packets to every address"), "{message}");
}

#[test]
fn a_parser_that_the_frontend_does_not_have_is_warned_of() {
    let folder = PolicyFolder::shipped("").unwrap();
    let said = |folder: &PolicyFolder| {
        let mut found = warnings(folder);
        found.retain(|(about, message)| about == "policy" && message.contains("parser"));
        found
    };
    assert_eq!(said(&folder), []);
    folder.replace("tools.d/nmap.toml", "\"nmap-xml\"", "\"nmap\"").unwrap();
    let found = said(&folder);
    let [(_, message)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        message,
        "nmap: there is no parser \"nmap\", so its results are text alone; those of this version's \
         frontend are arping, curl, dig, ip-json, mtr, nmap-xml, ping, tcpdump, tls, tracepath, \
         traceroute"
    );
    assert_eq!(check(&folder, &["--strict"]).code, 1);
}

#[test]
fn names_without_networks_and_a_policy_without_grants_are_warned_of() {
    let folder = shipped();
    let head = "version = 1\n[targets]\nnames = [\"*.lab.internal\"]\n[audit]\npath = \"/x\"\n";
    folder.write("policy.toml", head).unwrap();
    let found = warnings(&folder);
    assert!(found.iter().any(|(_, m)| m.contains("so no name ever passes")), "{found:?}");
    assert!(found.iter().any(|(_, m)| m.contains("nobody may use anything")), "{found:?}");
}

#[test]
fn a_file_that_is_left_out_for_its_name_is_listed_with_the_reason() {
    let folder = shipped();
    let ping = fs::read_to_string(folder.path("tools.d/ping.toml")).unwrap();
    folder.write("tools.d/mine.toml", &ping.replace("\"ping\"", "\"example-ping\"")).unwrap();
    let found = warnings(&folder);
    let said = "the tool example-ping is left out: its name begins with \"example\"";
    assert!(found.iter().any(|(a, m)| a == "policy" && m == said), "{found:?}");
}

#[test]
fn what_only_this_machine_lacks_never_fails_a_check() {
    let folder = PolicyFolder::shipped("[[grant]]\nuser = \"nobody-at-all\"\ntools = [\"*\"]\n");
    let folder = folder.unwrap();
    folder.replace("tools.d/ping.toml", "/usr/bin/ping", "/usr/bin/no-such-ping").unwrap();
    let found = warnings(&folder);
    for expected in ["there is no user \"nobody-at-all\"", "there is no /usr/bin/no-such-ping"] {
        let about = found.iter().find(|(_, message)| message.contains(expected));
        assert_eq!(about.map(|(a, _)| a.as_str()), Some("machine"), "{found:?}");
    }
    assert_eq!(check(&folder, &["--strict"]).code, 0);
}

#[test]
fn a_program_that_others_can_replace_is_warned_of_with_the_mending_command() {
    let folder = shipped();
    let tool = folder.path("ping");
    fs::write(&tool, "").unwrap();
    let say = |mode| {
        fs::set_permissions(&tool, Permissions::from_mode(mode)).unwrap();
        let path = tool.display().to_string();
        let text = fs::read_to_string(folder.path("tools.d/ping.toml")).unwrap();
        folder.write("tools.d/ping.toml", &text.replace("/usr/bin/ping", &path)).unwrap();
        warnings(&folder).into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("\n")
    };
    assert!(say(0o644).contains("is not a program"));
    let found = say(0o775);
    // Of root's file its mode is said, of a user's its owner.
    let expected = if Uid::effective().is_root() { "chmod go-w" } else { "chown" };
    assert!(found.contains("who can replace the program") && found.contains(expected), "{found}");
}

/// A policy file of these bytes is refused for this reason, with status 2 or as a defect.
fn refused(bytes: &[u8], code: i32, reason: &str) {
    let folder = shipped();
    fs::write(folder.path("policy.toml"), bytes).unwrap();
    let answer = check(&folder, &[]);
    assert_eq!(answer.code, code, "{reason}: {}", answer.said);
    assert!(answer.said.contains(reason), "{reason}: {}", answer.said);
    assert!(answer.said.len() < 20_000, "{} bytes for {reason}", answer.said.len());
}

#[test]
fn what_is_no_text_of_reasonable_size_is_refused_with_its_reason() {
    refused(&vec![b'#'; 10 << 20], 2, "it is 10485760 bytes, and at most 1048576 are read");
    refused(b"version = 1 # \xff\n", 2, "it is not UTF-8 at byte 14");
    refused(b"version = 1\0\n", 1, "policy.toml:1:11:");
    refused(b"", 1, "missing field `version`");
    let many: String = (0..1000).map(|n| format!("k{n} = 1\n")).collect();
    refused(many.as_bytes(), 1, "there are more defects of form than are looked for");
}

#[test]
fn deep_nesting_ends_in_a_defect_and_in_nothing_worse() {
    let deep = 100_000;
    for text in [
        format!("a = {}", "[".repeat(deep)),
        format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}", "{ a = ".repeat(deep)),
        format!("a{} = 1", ".a".repeat(deep)),
        format!("[a{}]", ".a".repeat(deep)),
        "[[a]]\n".repeat(deep),
        "a = \"\n".repeat(deep),
    ] {
        refused(text.as_bytes(), 1, "defect");
    }
}

#[test]
fn what_is_no_file_of_its_own_is_refused_with_its_reason() {
    let refused = |path: &Path, reason: &str| {
        let answer = ask(&["check", &path.display().to_string()]);
        assert_eq!(answer.code, 2, "{}", answer.said);
        assert!(answer.said.contains(reason), "{reason}: {}", answer.said);
    };
    let folder = shipped();
    let path = |name| folder.path(name);
    symlink(path("policy.toml"), path("link.toml")).unwrap();
    refused(&path("link.toml"), "it is a symbolic link; name the file itself");
    nix::unistd::mkfifo(&path("fifo.toml"), Mode::S_IRUSR).unwrap();
    refused(&path("fifo.toml"), "it is not a regular file");
    refused(&path("tools.d"), "it is not a regular file");
    refused(&path("missing.toml"), "No such file");
    fs::rename(path("tools.d"), path("elsewhere")).unwrap();
    symlink(path("elsewhere"), path("tools.d")).unwrap();
    refused(&path("policy.toml"), "it is a symbolic link; a folder of its own is needed");
    // A file whose size is not what is read, as of one that is written meanwhile.
    refused(Path::new("/proc/version"), "it changed while it was read");
}

#[test]
fn what_an_editor_keeps_beside_a_file_is_no_tool() {
    let folder = shipped();
    symlink("ada@host.1234", folder.path("tools.d/.#ping.toml")).unwrap();
    folder.write("tools.d/.nmap.toml", "half a line").unwrap();
    assert_eq!(check(&folder, &["--strict"]).code, 0);
}

#[test]
fn a_readable_path_that_leads_elsewhere_is_shown_with_where_it_leads() {
    let folder = shipped();
    let (data, link) = (folder.path("data"), folder.path("link"));
    fs::create_dir(&data).unwrap();
    symlink(&data, &link).unwrap();
    let path = link.display().to_string();
    folder.replace("tools.d/nmap.toml", "/usr/share/nmap", &path).unwrap();
    let expected = format!("{path} leads to {}", data.canonicalize().unwrap().display());
    let found = warnings(&folder);
    assert!(found.iter().any(|(a, m)| a == "machine" && m.contains(&expected)), "{found:?}");
}

#[test]
fn every_file_that_cannot_be_trusted_is_named_at_once() {
    let folder = shipped();
    for name in ["policy.toml", "tools.d/ping.toml", "tools.d/nmap.toml"] {
        fs::set_permissions(folder.path(name), Permissions::from_mode(0o666)).unwrap();
    }
    let answer = check(&folder, &[]);
    assert_eq!(answer.code, 2);
    for name in ["policy.toml", "tools.d/ping.toml", "tools.d/nmap.toml"] {
        let mend = format!("chmod go-w {}", folder.path(name).display());
        assert!(answer.said.contains(&mend), "{}", answer.said);
    }
}

#[test]
fn two_files_that_define_one_tool_are_a_defect_that_names_both() {
    let folder = shipped();
    let ping = fs::read_to_string(folder.path("tools.d/ping.toml")).unwrap();
    folder.write("tools.d/zz.toml", &ping).unwrap();
    let answer = check(&folder, &[]);
    assert_eq!(answer.code, 1);
    let said = &answer.said;
    assert!(said.contains("zz.toml:3:11: the name \"ping\" is taken by"), "{said}");
    assert!(said.contains("tools.d/ping.toml:3:11\n"), "{said}");
}

#[test]
fn nothing_in_a_file_reaches_the_terminal_as_a_control_character() {
    let folder = shipped();
    let hostile = "\u{202e}\u{1b}[2Jevil";
    folder.write("policy.toml", &format!("\"{hostile}\" = 1 # {hostile}\n")).unwrap();
    let answer = check(&folder, &[]);
    assert_eq!(answer.code, 1);
    assert!(!answer.said.contains(['\u{1b}', '\u{202e}']), "{:?}", answer.said);
}

/// A small generator, so that each run tries the same mutants.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // Knuth's constants for a linear congruential generator; the high bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most.max(1)
    }
}

fn mutated(text: &str, dice: &mut Dice) -> Vec<u8> {
    let lines: Vec<_> = text.lines().collect();
    let (line, other) = (dice.below(lines.len()), dice.below(lines.len()));
    let mut lines: Vec<_> = lines.into_iter().map(str::to_owned).collect();
    match dice.below(7) {
        0 => drop(lines.remove(line)),
        1 => lines.insert(line, lines[other].clone()),
        2 => lines.swap(line, other),
        3 => lines[line] = lines[line].replace('"', ""),
        4 => lines[line] = lines[line].replace(|c: char| c.is_ascii_digit(), "9"),
        5 => lines.truncate(line),
        _ => {
            let mut bytes = text.as_bytes().to_vec();
            let at = dice.below(bytes.len());
            bytes[at] = u8::try_from(dice.below(256)).unwrap();
            return bytes;
        }
    }
    lines.join("\n").into_bytes()
}

#[test]
fn of_200_mutated_policies_it_accepts_exactly_those_that_the_loader_of_the_broker_accepts() {
    let text = |path: &str| fs::read_to_string(path).unwrap();
    let accounts = Accounts::parse(&text("/etc/passwd"), &text("/etc/group"));
    let mut dice = Dice(2026);
    let mut seen = [0; 3];
    for round in 0..200 {
        let folder = shipped();
        let file = ["policy.toml", "tools.d/ping.toml", "tools.d/nmap.toml"][round % 3];
        let original = fs::read_to_string(folder.path(file)).unwrap();
        fs::write(folder.path(file), mutated(&original, &mut dice)).unwrap();
        let origin = Origin::User(folder.path("policy.toml"), Uid::current().as_raw());
        let expected = match load(&origin).map(|sources| validate(&sources, &accounts)) {
            Ok(Ok(policy)) => {
                let policy_alone = Source::new("policy.toml", policy.to_toml().unwrap());
                let alone =
                    Sources { policy: policy_alone, tools: Vec::new(), drop_ins: Vec::new() };
                let again = validate(&alone, &accounts).unwrap_or_else(|e| panic!("{round}: {e}"));
                assert_eq!(again.digest(), policy.digest(), "round {round}, {file}");
                0
            }
            Ok(Err(_)) => 1,
            Err(LoadError::Io { .. }) => panic!("round {round}: it is there"),
            Err(_) => 2,
        };
        let answer = check(&folder, &[]);
        assert_eq!(answer.code, expected, "round {round}, {file}: {}", answer.said);
        seen[usize::try_from(expected).unwrap()] += 1;
    }
    assert!(seen[0] > 20 && seen[1] > 50, "{seen:?} are sound, defective, unreadable");
}

#[test]
fn the_effective_policy_as_one_file_has_the_same_digest_and_reads_back() {
    let folder = shipped();
    let path = folder.path("policy.toml").display().to_string();
    let written = ask(&["show", "--toml", "--policy", &path]);
    let digest = ask(&["show", "--json", "--policy", &path]).json()["digest"].clone();
    let alone = tempfile::tempdir().unwrap();
    let copy = alone.path().join("policy.toml");
    fs::write(&copy, &written.said).unwrap();
    let copy = copy.display().to_string();
    assert_eq!(ask(&["show", "--toml", "--policy", &copy]).said, written.said);
    assert_eq!(ask(&["check", "--json", &copy]).json()["digest"], digest);
}

#[test]
fn a_tool_is_shown_with_all_that_a_reviewer_asks_for() {
    let shown = ask(&["show", "nmap", "--shipped"]).said;
    for expected in [
        "group probity (standard)",
        "a whole number from 0 to 5",
        "intrusive: auth, discovery, intrusive, vuln",
        "/usr/share/nmap",
        "packet-scanner",
        "with syn_scan, udp_scan, os_detection, aggressive",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let syscalls = ask(&["show", "NmapTool", "--syscalls", "--shipped"]).said;
    assert!(syscalls.lines().any(|name| name == "execve"));
    assert!(shown.contains(&format!("{} (packet-scanner)", syscalls.lines().count())));
    let file = ask(&["show", "ping", "--toml", "--shipped"]).said;
    let folder = shipped();
    let before =
        ask(&["check", "--json", &folder.path("policy.toml").display().to_string()]).json();
    folder.write("tools.d/ping.toml", &file).unwrap();
    assert_eq!(check(&folder, &["--json"]).json()["digest"], before["digest"]);
    assert_eq!(ask(&["show", "pong", "--shipped"]).code, 2);
}

#[test]
fn all_that_one_user_may_do_is_on_a_page_with_the_grant_of_each_line() {
    let folder = PolicyFolder::shipped(
        "[set.lab]\nnetworks = [\"10.20.0.0/16\"]\n\
         [[grant]]\nuser = 4711\ntools = [\"nmap\"]\nintrusive = true\nnetworks = [\"@lab\"]\n\
         max_hosts = 16\ntimeout = \"2m\"\nuntil = 2999-01-01T00:00:00Z\nnote = \"ticket 12\"\n\
         options.nmap = { deny = [\"os_detection\"], ports = \"1-1024\" }\n\
         [[grant]]\nuser = 4711\ntools = [\"traceroute\"]\nuntil = 2020-01-01T00:00:00Z\n\
         [[grant]]\ngroup = 4712\ntools = [\"ping\"]\n",
    )
    .unwrap();
    let path = folder.path("policy.toml").display().to_string();
    let of = |more: &[&str]| ask(&[&["show", "--policy", &path, "--user", "4711"], more].concat());
    let shown = of(&[]).said;
    for expected in [
        "10.20.0.0/16",
        "networks of at most 16 addresses",
        "2m, at most 2m",
        "until 2999-01-01T00:00:00Z",
        "(ticket 12)",
        "no os_detection",
        "ports 1-1024",
        "Not granted: arp, capture, dns, http, mtr, path_mtu, ping, port, route, scanner, tls, traceroute",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!shown.contains("192.168.0.0/16"), "{shown}");
    let json = of(&["--group", "4712", "--json"]).json();
    let tools: Vec<_> = json["grants"].as_array().unwrap().iter().map(|g| &g["tool"]).collect();
    assert_eq!(tools, ["nmap", "ping"]);
    assert_eq!(json["grants"][0]["tier"], "intrusive");
    let options = json!({"deny": ["os_detection"], "ports": "1-1024"});
    assert_eq!(json["grants"][0]["options"], options);
    assert_eq!(json["grants"][1]["options"], json!({}));
    assert_eq!(json["grants"][1]["networks"].as_array().unwrap().len(), 3);
    assert_eq!(ask(&["show", "--policy", &path, "--user", "no-such-user"]).code, 2);
    assert_eq!(ask(&["show", "--policy", &path, "--group", "4712"]).code, 2);
}

#[test]
fn grants_that_end_and_sets_that_nothing_uses_are_told_of() {
    let folder = PolicyFolder::shipped(
        "[set.unused]\nnetworks = [\"10.20.0.0/16\"]\n\
         [[grant]]\nuser = 1\ntools = [\"ping\"]\nuntil = 2020-01-01T00:00:00Z\n\
         [[grant]]\nuser = 2\ntools = [\"ping\"]\nnetworks = [\"10.1.0.0/16\"]\n\
         [[grant]]\nuser = 2\ntools = [\"*\"]\nnetworks = [\"10.0.0.0/8\"]\n",
    )
    .unwrap();
    let said = check(&folder, &[]).said;
    for expected in [
        "nothing uses the set @unused",
        "this grant ended at 2020-01-01T00:00:00Z",
        "this grant adds nothing to the one at",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn approvers_who_approve_themselves_or_nobody_are_told_of() {
    let folder = PolicyFolder::shipped(
        "[[grant]]\ngroup = 1\ntools = [\"ping\"]\napproval = \"required\"\n\
         [[grant]]\nuser = 2\ntools = [\"ping\"]\napproval = \"required\"\n\
         [[approver]]\ngroup = 1\ntools = [\"ping\"]\n\
         [[approver]]\nuser = 2\ntools = [\"ping\"]\n\
         [[approver]]\nuser = 3\ntools = [\"nmap\"]\n\
         [[approver]]\ngroup = 100\ntools = [\"ping\"]\n",
    )
    .unwrap();
    fs::create_dir(folder.path("policy.d")).unwrap();
    folder.write("policy.d/a.toml", "[set.idle]\nnetworks = [\"10.20.0.0/16\"]\n").unwrap();
    let said = check(&folder, &[]).said;
    for expected in [
        "the members of group 1 approve each other's calls",
        "user 2 is granted this at",
        "nobody approves his own calls",
        "no grant asks for an approval of these tools",
        "every user may be in this group, so anybody may approve",
        "policy.d/a.toml:1:6: nothing uses the set @idle",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

const EMBEDDED: [&str; 5] = ["explain", "--shipped", "--embedded", "--user", "7"];

#[test]
fn an_approved_call_is_explained_with_its_lines_and_the_exact_command() {
    let words = ["--tool", "NmapTool", "--target", "10.0.0.1/24", "--preset", "quick"];
    let answer = ask(&[&EMBEDDED, &words[..], &["--timeout", "0.5", "--", "-p22"]].concat());
    assert_eq!(answer.code, 0, "{}{}", answer.said, answer.complained);
    for expected in [
        "nmap, by its alias NmapTool",
        "(shipped) policy.toml:37:1",
        "10.0.0.0/24 is allowed, and no line denies it",
        "ports = 22, given",
        "top_ports = 100, by the preset quick",
        "/usr/bin/nmap --unprivileged -n -oX - --stats-every 2s --max-hostgroup 8 -p 22 --top-ports 100 \
         -T4 10.0.0.0/24",
        "LC_ALL=C",
        "500ms at most",
    ] {
        assert!(answer.said.contains(expected), "{expected}: {}", answer.said);
    }
    let json = ask(&[&EMBEDDED, &words[..], &["--json"]].concat()).json();
    assert_eq!(json["approved"], true);
    assert_eq!(json["plan"]["rule"], "(shipped) policy.toml:37:1");
    assert_eq!(json["plan"]["limits"]["memory_bytes"], 512 << 20);
}

#[test]
fn a_denied_call_is_explained_with_a_question_that_is_answered_yes() {
    let cases: &[(&[&str], &str)] = &[
        (&["--tool", "nmap", "--target", "10.0.0.0/8"], "TARGET_TOO_LARGE"),
        (&["--tool", "nmap", "--target", "192.168.7.9/15"], "TARGET_NOT_ALLOWED"),
        (&["--tool", "ping", "--target", "10.0.0.1", "--option", "count=101"], "OPTION_VALUE"),
        (&["--tool", "ping", "--target", "10.0.0.1", "--timeout", "9999"], "CEILING"),
        (
            &["--tool", "scanner", "--target", "10.0.0.1", "--preset", "deep"],
            "INTRUSIVE_NOT_GRANTED",
        ),
        (
            &["--tool", "nmap", "--target", "10.0.0.1", "--", "-sS", "-p", "1"],
            "INTRUSIVE_NOT_GRANTED",
        ),
    ];
    for (words, code) in cases {
        let answer = ask(&[&EMBEDDED, *words].concat());
        assert_eq!(answer.code, 1, "{code}: {}{}", answer.said, answer.complained);
        assert!(answer.said.contains(code), "{code}: {}", answer.said);
        let (_, line) = answer.said.split_once("This would pass:\n").unwrap();
        let line = line.trim().strip_prefix("probity-policy ").unwrap();
        // As a shell takes it: some words are quoted.
        let line = line.replace('\'', "");
        let again = ask(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(again.code, 0, "{line}: {}{}", again.said, again.complained);
    }
    // Where nothing of what was asked for would pass, nothing else is named.
    for (target, code) in
        [("8.8.8.8", "TARGET_NOT_ALLOWED"), ("nas.lab.internal", "NAME_UNRESOLVED")]
    {
        let answer = ask(&[&EMBEDDED, &["--tool", "ping", "--target", target][..]].concat());
        assert_eq!(answer.code, 1, "{}{}", answer.said, answer.complained);
        assert!(answer.said.contains(code), "{}", answer.said);
        assert!(!answer.said.contains("This would pass"), "{}", answer.said);
    }
}

#[test]
fn each_grant_of_the_asker_is_explained_with_why_it_covers_the_call_or_not() {
    let folder = PolicyFolder::shipped(
        "[[grant]]\nuser = 4711\ntools = [\"nmap\"]\noptions.nmap = { ports = \"1-1024\" }\n\
         [[grant]]\nuser = 4711\ntools = [\"nmap\"]\nnetworks = [\"10.20.0.0/16\"]\nnote = \"ticket 12\"\n\
         [[grant]]\nuser = 4711\ntools = [\"*\"]\nuntil = 2020-01-01T00:00:00Z\n\
         [[grant]]\nuser = 4711\ntools = [\"*\"]\n\
         [[grant]]\nuser = 9\ntools = [\"*\"]\n",
    )
    .unwrap();
    let path = folder.path("policy.toml").display().to_string();
    let words = ["explain", "--policy", &path, "--user", "4711", "--tool", "nmap"];
    let of = |more: &[&str]| ask(&[&words, more].concat());
    let weighed = |more: &[&str]| -> Vec<(bool, String)> {
        let json = of(&[more, &["--json"]].concat()).json();
        let grants = json["grants"].as_array().unwrap().clone();
        let why = |grant: &Value| grant["why"].as_str().unwrap().to_owned();
        grants.iter().map(|g| (g["covers"].as_bool().unwrap(), why(g))).collect()
    };
    let found = weighed(&["--target", "10.1.0.1", "--option", "ports=9000"]);
    let expected = [
        (false, "this caller's grants leave less of -p"),
        (false, "10.1.0.1/32 may not be aimed at under this caller's grants"),
        (false, "has ended at 2020-01-01T00:00:00Z"),
        (true, "allows the call"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((covers, why), (expected, words)) in found.iter().zip(expected) {
        assert!(*covers == expected && why.contains(words), "{why}");
    }
    let found = weighed(&["--target", "10.20.0.1", "--option", "ports=22"]);
    let covering: Vec<_> = found.iter().filter(|(covers, _)| *covers).map(|(_, w)| w).collect();
    let also = "would allow the call as well";
    assert_eq!(covering, ["allows the call", also, also]);
    // A denial has them too, with what each of them narrows.
    let denied = of(&["--target", "10.1.0.1", "--", "-sS"]);
    assert_eq!(denied.code, 1, "{}", denied.said);
    for expected in ["nmap: ports 1-1024", "(ticket 12)", "it is intrusive", "has ended at"] {
        assert!(denied.said.contains(expected), "{expected}: {}", denied.said);
    }
    let json = of(&["--target", "10.1.0.1", "--json"]).json();
    assert_eq!(json["grants"][0]["options"], json!({"ports": "1-1024"}));
    assert_eq!(json["grants"][1]["note"], "ticket 12");
    assert!(json["grants"][0]["rule"]["line"].is_u64());
}

#[test]
fn a_denial_by_a_line_of_the_policy_names_that_line() {
    let folder = shipped();
    folder.replace("policy.toml", "deny      = []", "deny = [\"10.6.0.0/16\"]").unwrap();
    let path = folder.path("policy.toml").display().to_string();
    let words = ["--tool", "ping", "--target", "10.6.1.1", "--policy", &path];
    let answer = ask(&[&["explain", "--embedded", "--user", "7"], &words[..]].concat());
    assert_eq!(answer.code, 1);
    assert!(answer.said.contains("policy.toml:11:9"), "{}", answer.said);
}

#[test]
fn a_name_is_never_looked_up_and_its_claimed_addresses_are_held_to_the_networks() {
    let name = ["--tool", "ping", "--target", "nas.lab.internal", "--address", "192.168.1.9"];
    let good = ask(&[&EMBEDDED, &name[..]].concat());
    assert_eq!(good.code, 0, "{}", good.said);
    assert!(good.said.contains("/usr/bin/ping -n -c 3 -W 5 192.168.1.9"), "{}", good.said);
    let bad = ask(&[&EMBEDDED, &name[..], &["--address", "8.8.8.8"]].concat());
    assert_eq!(bad.code, 1);
    assert!(bad.said.contains("it has the address 8.8.8.8"), "{}", bad.said);
}

#[test]
fn a_question_that_makes_no_sense_is_status_2() {
    for words in [
        &[
            "explain",
            "--shipped",
            "--user",
            "no such user",
            "--tool",
            "ping",
            "--target",
            "10.0.0.1",
        ][..],
        &["explain", "--shipped", "--user", "7", "--tool", "ping"],
        &[
            "explain",
            "--shipped",
            "--user",
            "7",
            "--tool",
            "ping",
            "--target",
            "10.0.0.1",
            "--address",
            "10.0.0.1",
        ],
        &["check", "--shipped", "--policy", "x"],
        &["show", "--syscalls"],
        &["frobnicate"],
        &[],
    ] {
        let answer = ask(words);
        assert_eq!(answer.code, 2, "{words:?}: {}", answer.said);
        assert!(!answer.complained.is_empty(), "{words:?}");
    }
}

#[test]
fn manual_pages_and_completions_are_made_of_the_command_line_itself() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(ask(&["man", &folder.path().display().to_string()]).code, 0);
    let page = fs::read_to_string(folder.path().join("probity-policy-explain.1")).unwrap();
    assert!(page.contains("\\-\\-target"), "{page}");
    // Every subcommand that the help lists has its page, those of subcommands too.
    let completions = ask(&["completions", "bash"]).said;
    let subcommands = |words: &[&str]| {
        let help = ask(&[words, &["--help"]].concat()).said;
        let listed = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
        let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
        listed.lines().map(first).filter(|name| name != "help").collect::<Vec<_>>()
    };
    let audit = subcommands(&["audit"]);
    assert_eq!(audit, ["tail", "query", "verify"]);
    for name in subcommands(&[]).into_iter().chain(audit.iter().map(|name| format!("audit-{name}")))
    {
        assert!(folder.path().join(format!("probity-policy-{name}.1")).exists(), "{name}");
        let last = name.split('-').next_back().unwrap();
        assert!(completions.contains(last), "{name}");
    }
}

#[test]
fn the_file_of_a_new_tool_is_sound_as_it_is_and_with_every_example_taken_into_use() {
    let (folder, tools) = (shipped(), shipped_tools());
    let path = folder.path("tools.d/tracer.toml").display().to_string();
    let args = ["new-tool", "tracer", "--command", "/usr/bin/true", "-o", &path];
    let answer = ask(&args);
    assert_eq!(answer.code, 0, "{}", answer.complained);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(ask(&args[..4]).said, text, "printed or written");
    let strict = check(&folder, &["--strict", "--json"]);
    assert_eq!((strict.code, &strict.json()["tools"]), (0, &json!(tools + 1)), "{}", strict.said);

    let answer = ask(&args);
    assert_eq!(answer.code, 2, "a second time");
    assert!(answer.complained.contains("exists"), "{}", answer.complained);
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "what was there stays");

    let is_example = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
    let examples = text.lines().map(|line| if is_example(line) { &line[1..] } else { line });
    let used: String = examples.map(|line| format!("{line}\n")).collect();
    assert!(used.matches("\n[[option]]").count() >= 5, "{used}");
    folder.write("tools.d/tracer.toml", &used).unwrap();
    let strict = check(&folder, &["--strict"]);
    assert_eq!(strict.code, 0, "{}", strict.said);
}

#[test]
fn a_sample_of_output_leads_to_a_file_with_a_table_that_is_sound() {
    let folder = shipped();
    for (number, (sample, column)) in [
        ("[{\"dst\": \"10.0.0.1\", \"dev\": \"eth0\"}]", "type = \"address\""),
        ("host,loss\nweb,0\n", "format = \"csv\""),
        ("web 12\ndb 3\n", r"(?<column_2>[+-]?\d+)"),
    ]
    .iter()
    .enumerate()
    {
        folder.write("sample", sample).unwrap();
        let path = folder.path(&format!("tools.d/sampled-{number}.toml")).display().to_string();
        let sample = folder.path("sample").display().to_string();
        let name = format!("sampled-{number}");
        let words =
            ["new-tool", &name, "--command", "/usr/bin/true", "--sample", &sample, "-o", &path];
        let answer = ask(&words);
        assert_eq!(answer.code, 0, "{}", answer.complained);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(column), "{text}");
        let strict = check(&folder, &["--strict"]);
        assert_eq!(strict.code, 0, "{}{text}", strict.said);
    }
    folder.write("sample", "\n").unwrap();
    let sample = folder.path("sample").display().to_string();
    let answer = ask(&["new-tool", "x1", "--sample", &sample]);
    assert_eq!((answer.code, answer.said.as_str()), (2, ""));
    assert!(answer.complained.contains("no table can be proposed"), "{}", answer.complained);
}

#[test]
fn a_table_that_cannot_be_carried_out_is_shown_with_its_place() {
    for (table, shown, caret) in [
        (
            "format = \"lines\"\npattern = '(?<host>'\n[[parse.column]]\nname = \"host\"",
            "unclosed group",
            "pattern = ",
        ),
        (
            "format = \"lines\"\npattern = '(?<host>.)'\n[[parse.column]]\nname = \"port\"",
            "no group \"port\"",
            "name = ",
        ),
        (
            "format = \"csv\"\nseparator = \"::\"\n[[parse.column]]\nname = \"a\"",
            "one character",
            "separator = ",
        ),
        (
            "format = \"csv\"\n[[parse.column]]\nname = \"a\"\nkind = 1",
            "unknown field `kind`",
            "kind",
        ),
    ] {
        let folder = shipped();
        let path = folder.path("tools.d/odd.toml").display().to_string();
        ask(&["new-tool", "odd", "--command", "/usr/bin/true", "-o", &path]);
        let text = fs::read_to_string(&path).unwrap();
        folder.write("tools.d/odd.toml", &format!("{text}\n[parse]\n{table}\n")).unwrap();
        let answer = check(&folder, &[]);
        assert_eq!(answer.code, 1, "{}", answer.said);
        let lines: Vec<_> = answer.said.lines().collect();
        let at = lines.iter().position(|line| line.contains(shown)).expect(&answer.said);
        assert!(lines[at].contains("odd.toml:"), "{}", answer.said);
        let (line, below) = (lines[at + 1], lines[at + 2]);
        assert!(
            line.contains(caret) && below.trim_start_matches([' ', '|']).starts_with('^'),
            "{}",
            answer.said
        );
    }
    // With a parser of ours beside it nobody would know which one reads.
    let folder = shipped();
    let ping = fs::read_to_string(folder.path("tools.d/ping.toml")).unwrap();
    let table = "[parse]\nformat = \"csv\"\n[[parse.column]]\nname = \"a\"";
    folder.write("tools.d/ping.toml", &format!("{ping}\n{table}\n")).unwrap();
    let answer = check(&folder, &[]);
    assert!(answer.said.contains("a parser or a table [parse], and not both"), "{}", answer.said);
    assert!(answer.said.contains("A broker does not start with it."), "{}", answer.said);
    // What a broker does not read keeps none from starting.
    let table = "[parse]\nformat = \"lines\"\npattern = '(?<a>'\n[[parse.column]]\nname = \"a\"";
    let ping = ping.replace("parser  = \"ping\"", "");
    folder.write("tools.d/ping.toml", &format!("{ping}\n{table}\n")).unwrap();
    let answer = check(&folder, &[]);
    assert!(answer.code == 1 && answer.said.contains("1 defect"), "{}", answer.said);
    assert!(answer.said.contains("A broker starts with it, and results"), "{}", answer.said);
}

#[test]
fn a_new_tool_that_no_policy_would_take_is_refused() {
    for (words, reason) in [
        (&["Ping"][..], "lower-case letters"),
        (&["a\nname = 1"], "lower-case letters"),
        (&["", "--command", "/usr/bin/true"], "lower-case letters"),
        (&["testping"], "left out: its name begins with \"test\""),
        (&["ping6", "--command", "ping"], "a path is absolute"),
        (&["ping6", "--command", "/usr/../ping"], "a path is absolute"),
    ] {
        let answer = ask(&[&["new-tool"], words].concat());
        assert_eq!((answer.code, answer.said.as_str()), (2, ""), "{words:?}");
        assert!(answer.complained.contains(reason), "{words:?}: {}", answer.complained);
    }
}

#[test]
fn a_thousand_tool_files_are_checked_all_of_them() {
    let folder = shipped();
    let ping = fs::read_to_string(folder.path("tools.d/ping.toml")).unwrap();
    for number in 0..1000 - shipped_tools() {
        let text = ping.replace("name    = \"ping\"", &format!("name = \"copy-{number}\""));
        let text = text.replace("PingTool", &format!("Copy{number}"));
        folder.write(&format!("tools.d/copy-{number}.toml"), &text).unwrap();
    }
    let start = Instant::now();
    let json = check(&folder, &["--json"]).json();
    eprintln!("1000 tool files are checked in {:?} (this build)", start.elapsed());
    assert_eq!(json["tools"], 1000);
}

/// `probity-policy tools-page >docs/tools.md` writes it again.
#[test]
fn the_page_of_the_tools_is_made_of_their_files() {
    let output = Command::new(program("probity-policy")).arg("tools-page").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tools.md");
    let page = fs::read_to_string(page).unwrap();
    assert!(page == String::from_utf8(output.stdout).unwrap(), "docs/tools.md is of other files");
}

#[test]
fn who_has_tools_of_his_own_alone_is_told_that_the_shipped_ones_are_not_among_them() {
    let note = "The shipped tools are not among them";
    let folder = shipped();
    assert!(!check(&folder, &[]).said.contains(note));
    for file in fs::read_dir(folder.path("tools.d")).unwrap() {
        let file = file.unwrap().path();
        if file.file_name().unwrap() != "ping.toml" {
            fs::remove_file(file).unwrap();
        }
    }
    let own = fs::read_to_string(folder.path("tools.d/ping.toml")).unwrap();
    let own = own.replace("\"ping\"", "\"own\"").replace("\"PingTool\"", "\"OwnTool\"");
    folder.write("tools.d/ping.toml", &own).unwrap();
    let said = check(&folder, &[]).said;
    assert!(said.contains("with 1 tool") && said.contains(note), "{said}");
}
