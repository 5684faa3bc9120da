//! What is read, what is refused and in which words, and that every defect is told of at once.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::watches::schedule::Schedule;

fn tool(name: &str, seconds: u64, parser: Option<&str>) -> KnownTool {
    KnownTool {
        name: name.into(),
        aliases: vec![format!("{name}Tool")],
        timeout: Duration::from_secs(seconds),
        parser: parser.map(str::to_owned),
        needs_target: name != "capture",
        options: ["count", "ports", "wait", "quiet"].map(str::to_owned).to_vec(),
        presets: vec!["quick".into(), "standard".into()],
    }
}

fn tools() -> Tools {
    Tools::new([
        tool("ping", 30, Some("ping")),
        tool("nmap", 600, Some("nmap-xml")),
        tool("tls", 30, Some("tls")),
        tool("capture", 10, Some("tcpdump")),
        tool("own", 30, None),
    ])
}

fn read(text: &str) -> Result<Vec<Watch>, Defects> {
    read_text("watches.toml", text, &tools())
}

/// A watch with these lines beside its name.
fn watch(lines: &str) -> String {
    format!("[[watch]]\nname = \"a\"\n{lines}\n")
}

/// What is said of a file, as `line: message`.
fn said(text: &str) -> Vec<String> {
    let defects = read(text).unwrap_err().0;
    defects.iter().map(|defect| format!("{}: {}", defect.line(), defect.message())).collect()
}

/// The one defect of a watch with these lines.
fn one(lines: &str) -> String {
    let said = said(&watch(lines));
    assert_eq!(said.len(), 1, "{lines}: {said:#?}");
    said.into_iter().next().unwrap()
}

const PING: &str = "tool = \"ping\"\ntarget = \"10.0.0.1\"\n";

#[test]
fn a_whole_file_is_read_into_its_watches() {
    let watches = read(
        r#"
[[watch]]
name = "gateway"
tool = "pingTool"
target = "10.0.0.1"
options = { count = 5, wait = 0.5, quiet = true, ports = [22, "80-90"], extra_args = "-v" }
preset = "quick"
timeout = "30s"
every = "1m"
tell = ["changed", "failed", "loss > 5 %"]

[[watch]]
name = "web-certificate"
tool = "tls"
target = "web.lab.internal"
cron = "*/5 8-18 * * mon-fri"
timezone = "Europe/Berlin"
tell = ["days_left < 21"]

[[watch]]
name = "traffic"
tool = "capture"
every = "1h"
"#,
    )
    .unwrap();
    let [gateway, certificate, traffic] = watches.as_slice() else { panic!("{watches:?}") };
    assert_eq!((gateway.name().as_str(), gateway.tool()), ("gateway", "ping"), "by its own name");
    assert_eq!(gateway.schedule(), &Schedule::Every(Duration::from_secs(60)));
    assert_eq!(gateway.tell().len(), 3);
    assert_eq!(
        Value::Object(gateway.arguments()),
        json!({
            "target": "10.0.0.1", "count": 5, "wait": 0.5, "quiet": true, "ports": [22, "80-90"],
            "extra_args": "-v", "preset": "quick", "timeout_sec": 30.0,
        })
    );
    let Schedule::Cron(line) = certificate.schedule() else { panic!("{certificate:?}") };
    assert_eq!((line.as_str(), line.zone()), ("*/5 8-18 * * mon-fri", "Europe/Berlin"));
    assert_eq!(traffic.target(), None);
    assert_eq!(traffic.tell(), USUALLY_TOLD, "where nothing is said");
    assert_eq!(read("").unwrap(), [], "a file without a watch is one");
}

#[test]
fn every_defect_of_every_watch_is_told_of_at_once_in_the_order_of_the_file() {
    let said = said(
        r#"
[[watch]]
name = "Gateway"
tool = "pnig"
every = "1x"
tell = ["chnaged"]
colour = "red"

[[watch]]
name = "b"
tool = "ping"
target = "http://10.0.0.1/"
cron = "0 0 31 2 *"
tell = ["loss > 5 ms", "days_left < 3", "failed"]

[[watch]]
name = "b"
tool = "nmap"
target = "10.0.0.0/24"
every = "1m"
"#,
    );
    let lines: Vec<&str> = said.iter().filter_map(|said| said.split(':').next()).collect();
    assert_eq!(lines, ["3", "4", "5", "7", "12", "13", "14", "14", "17", "20"], "{said:#?}");
    for (at, part) in [
        (0, "1 to 32 of a-z, 0-9, _ and -"),
        (1, "did you mean \"ping\"?"),
        (2, "every = \"1m\""),
        (3, "a watch has no key \"colour\""),
        (4, "this is no target"),
        (5, "never comes"),
        (6, "a share such as 5 %"),
        (7, "they have loss, rtt"),
        (8, "the watch on line 10 has this name already"),
        (9, "a run may take 10m by the timeout of nmap"),
    ] {
        assert!(said[at].contains(part), "{part} in {}", said[at]);
    }
}

#[test]
fn a_key_that_was_misspelt_is_told_the_right_one() {
    let said = one(&format!("{PING}evry = \"1m\"\nevery = \"1m\""));
    assert!(said.starts_with("5: a watch has no key \"evry\" (did you mean \"every\"?)"), "{said}");
    let said = read("[[watches]]\nname = \"a\"\n").unwrap_err().0[0].message().to_owned();
    assert!(said.contains("did you mean \"watch\"?"), "{said}");
}

#[test]
fn what_is_missing_or_stands_too_often_is_said() {
    for (lines, part) in [
        ("tool = \"ping\"\nevery = \"1m\"", "this watch has no target"),
        ("target = \"10.0.0.1\"\nevery = \"1m\"", "this watch has no tool"),
        (PING, "nothing says when"),
        (&format!("{PING}every = \"1m\"\ncron = \"* * * * *\""), "every or cron, and not both"),
        (&format!("{PING}every = \"1m\"\ntimezone = \"UTC\""), "only a cron line has a time zone"),
        (&format!("{PING}every = \"1m\"\ntell = [\"failed\", \"failed\"]"), "told already"),
    ] {
        let said = one(lines);
        assert!(said.contains(part), "{part} in {said}");
    }
    let said = said("[[watch]]\ntool = \"own\"\ntarget = \"a\"\nevery = \"1m\"\n");
    assert!(said[0].contains("this watch has no name"), "{said:?}");
}

#[test]
fn a_value_of_another_type_or_form_is_told_what_it_is_to_be() {
    for (lines, part) in [
        (format!("{PING}every = 60"), "every is a text: put it in quotes"),
        (format!("{PING}every = \"60\""), "a number with its unit"),
        (format!("{PING}every = \"0s\""), "every is 1s or more"),
        (format!("{PING}every = \"8days\""), "every is 7 days or less"),
        (format!("{PING}every = \"1m\"\ntimeout = \"1ms\""), "timeout is 1s or more"),
        (format!("{PING}every = \"1m\"\ntell = \"failed\""), "write a list"),
        (format!("{PING}every = \"1m\"\ntell = [1]"), "a text in quotes"),
        (format!("{PING}every = \"1m\"\noptions = 5"), "write options as a table"),
        (format!("{PING}every = \"1m\"\noptions = {{ cuont = 5 }}"), "did you mean \"count\"?"),
        (format!("{PING}every = \"1m\"\noptions = {{ count = {{}} }}"), "an option is a text"),
        (format!("{PING}every = \"1m\"\noptions = {{ target = \"b\" }}"), "beside options"),
        (format!("{PING}every = \"1m\"\noptions = {{ timeout_sec = 5 }}"), "write timeout beside"),
        (format!("{PING}every = \"1m\"\noptions = {{ dry_run = true }}"), "leave it out"),
        (format!("{PING}every = \"1m\"\npreset = \"quik\""), "it has quick, standard"),
        (format!("{PING}cron = \"* * * *\""), "five fields"),
        (format!("{PING}cron = \"* * * * *\"\ntimezone = \"Mars/Base\""), "no time zone"),
    ] {
        let said = one(&lines);
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_watch_does_not_come_again_before_its_run_may_have_ended() {
    for (lines, is_fine) in [
        (format!("{PING}every = \"30s\""), true),
        (format!("{PING}every = \"29s\""), false),
        (format!("{PING}every = \"10s\"\ntimeout = \"10s\""), true),
        (format!("{PING}every = \"1m\"\ntimeout = \"2m\""), false),
        (format!("{PING}cron = \"* * * * *\"\ntimeout = \"61s\""), false),
        (format!("{PING}cron = \"*/5 * * * *\"\ntimeout = \"61s\""), true),
    ] {
        let read = read(&watch(&lines));
        assert_eq!(read.is_ok(), is_fine, "{lines}: {read:?}");
    }
    let said = one(&format!("{PING}every = \"10s\""));
    assert!(
        said.contains("again after 10s, and a run may take 30s by the timeout of ping"),
        "{said}"
    );
}

#[test]
fn a_text_that_is_no_toml_is_told_with_its_place_and_nothing_else_of_it() {
    let defects = read("[[watch]]\nname = \nname = 5\ntool = \"nonsense\"\n").unwrap_err();
    assert_eq!((defects.0[0].line(), defects.0[0].column() > 1), (2, true), "{defects}");
    assert!(!defects.to_string().contains("no such tool"), "{defects}");
}

#[test]
fn no_more_than_a_thousand_watches_and_a_mebibyte_are_read() {
    let each = |number: usize| {
        format!("[[watch]]\nname = \"w{number}\"\ntool = \"own\"\ntarget = \"a\"\nevery = \"1m\"\n")
    };
    let text: String = (0..MOST_WATCHES).map(each).collect();
    assert_eq!(read(&text).unwrap().len(), MOST_WATCHES);
    let more = text + &each(MOST_WATCHES);
    assert!(said(&more)[0].contains("one more than 1000 watches"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watches.toml");
    assert!(matches!(load(&path, &tools()), Err(FileError::Read { .. })));
    fs::write(&path, &more[..100]).unwrap();
    assert!(matches!(load(&path, &tools()), Err(FileError::Defects(_))));
    fs::write(&path, "#".repeat(1 << 21)).unwrap();
    assert!(matches!(load(&path, &tools()), Err(FileError::TooLarge(_))));
}

#[test]
fn the_page_has_every_key_and_its_example_is_a_file() {
    let page = include_str!("../../../docs/watches.md");
    for key in KEYS {
        assert!(page.contains(&format!("| `{key}` | ")), "{key}");
    }
    let example = page.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(read(example).unwrap().len(), 2);
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in "(?s).{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_watch_breaks_it(
        key in "(name|tool|target|options|preset|timeout|every|cron|timezone|tell|x)",
        value in "(\"[ -~&&[^\"\\\\]]{0,20}\"|[0-9]{1,20}|-?[0-9]\\.[0-9e]{1,3}|true|\\[\\]|\\{\\}|\\[\"a\", 1\\]|inf|nan|0x1f|1979-05-27)",
    ) {
        match read(&format!("[[watch]]\n{key} = {value}\n")) {
            Ok(watches) => prop_assert!(watches.is_empty()),
            Err(defects) => {
                prop_assert!(!defects.0.is_empty());
                let shown = defects.to_string();
                prop_assert!(!shown.contains(char::from(27)), "it steers a terminal");
            }
        }
    }
}
