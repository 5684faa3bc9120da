//! Tools that choose nmap's scripts by category, where a policy means to choose them by name.
//!
//! What is in a category changes with each release of nmap, and some scripts connect to wherever the
//! target's own answers send them, which no list of networks stops. An expression that leaves out
//! the worst categories keeps those in.

use std::path::Path;

use super::Finding;
use crate::{
    cli::written::Written,
    policy::Policy,
    source::Place,
    template::Template,
    tool::{ArgvPart, Setting, Tool, ToolOption},
    value::ValueKind,
};

const FLAG: &str = "--script";

/// Words of an expression that are no script's name.
const NOT_NAMES: [&str; 18] = [
    "and",
    "or",
    "not",
    "all",
    "auth",
    "broadcast",
    "brute",
    "default",
    "discovery",
    "dos",
    "exploit",
    "external",
    "fuzzer",
    "intrusive",
    "malware",
    "safe",
    "version",
    "vuln",
];

const ADVICE: &str =
    "name the scripts: categories hold scripts that go where the target sends them";

pub(super) fn find(policy: &Policy, written: &Written<'_>, findings: &mut Vec<Finding>) {
    for tool in policy.tools() {
        let mut say = |place: &Place, what: &str| {
            let message = format!("{}: {what}; {ADVICE}", tool.name);
            findings.push(Finding::policy(written.place(place, message)));
        };
        if let Some(what) = by_words(tool, &argv(tool)) {
            say(&tool.place, &what);
        }
        for option in &tool.options {
            if let Some(what) = by_option(tool, option) {
                say(&option.place, &what);
            }
        }
        for (name, preset) in &tool.presets {
            let words = preset.settings.iter().filter_map(|(at, setting)| {
                let option = tool.options.get(*at).filter(|option| is_text(option))?;
                let Setting::On(value) = setting else { return None };
                Some(option.render(value))
            });
            if let Some(what) = by_words(tool, &words.flatten().collect::<Vec<_>>()) {
                say(&tool.place, &format!("preset {name}: {what}"));
            }
        }
    }
}

fn by_option(tool: &Tool, option: &ToolOption) -> Option<String> {
    if let Some(renders) = &option.renders {
        return by_words(tool, &renders.iter().map(Template::to_string).collect::<Vec<_>>());
    }
    let flag = option.flag.as_ref()?;
    if flag != FLAG {
        return by_words(tool, std::slice::from_ref(flag));
    }
    match &option.kind {
        ValueKind::Rendered(words) => {
            let loose = words.iter().find(|(_, word)| chooses_by_category(&word.text));
            loose.map(|(name, word)| said(&format!("{name} = {:?}", word.text)))
        }
        ValueKind::Enumeration(words) | ValueKind::EnumerationList(words) => {
            let loose = words.iter().find(|word| chooses_by_category(word));
            loose.map(|word| said(&format!("{word:?}")))
        }
        ValueKind::Text { .. } => {
            Some(format!("a client may give {FLAG} any word, a category among them"))
        }
        ValueKind::None
        | ValueKind::Integer { .. }
        | ValueKind::Number { .. }
        | ValueKind::Duration { .. }
        | ValueKind::Ports
        | ValueKind::DnsName
        | ValueKind::UrlPath { .. } => None,
        ValueKind::List { of, .. } => {
            by_option(tool, &ToolOption { kind: (**of).clone(), ..option.clone() })
        }
    }
}

/// Whether a value of the option stands in the file as text, and not as a word for it.
fn is_text(option: &ToolOption) -> bool {
    matches!(option.kind, ValueKind::Text { .. })
}

/// Words of a command line, as they are.
fn by_words(tool: &Tool, words: &[String]) -> Option<String> {
    let joined = words.iter().filter_map(|word| word.strip_prefix(FLAG)?.strip_prefix('='));
    let next = words.windows(2).filter_map(|pair| match pair {
        [flag, value] if flag == FLAG => Some(value.as_str()),
        _ => None,
    });
    let values: Vec<&str> = joined.chain(next).collect();
    if let Some(value) = values.iter().find(|value| chooses_by_category(value)) {
        return Some(said(&format!("{value:?}")));
    }
    let is_nmap = tool.command.file_name() == Path::new("nmap").file_name();
    let means_default = |word: &&String| *word == "-sC" || *word == "-A";
    let word = words.iter().find(means_default).filter(|_| is_nmap && values.is_empty())?;
    Some(format!("{word} runs the scripts of category default"))
}

fn argv(tool: &Tool) -> Vec<String> {
    let words = tool.argv.iter().flat_map(|part| match part {
        ArgvPart::Mode { raw, plain } => [raw.as_slice(), plain].concat(),
        ArgvPart::Options => vec![String::new()],
        ArgvPart::Word(template) => vec![template.to_string()],
    });
    words.collect()
}

fn said(what: &str) -> String {
    format!("{what} chooses scripts by category or pattern")
}

/// Whether an expression chooses scripts by more than their names: nmap takes categories, the words
/// between them, patterns, and folders of scripts.
fn chooses_by_category(expression: &str) -> bool {
    let separators = |c: char| c.is_whitespace() || ",()".contains(c);
    let words = expression.split(separators).map(|word| word.trim_start_matches('+'));
    words.filter(|word| !word.is_empty()).any(|word| {
        let folded = word.to_ascii_lowercase();
        NOT_NAMES.contains(&folded.as_str())
            || word.contains(['*', '?', '['])
            || (word.contains('/') && !word.ends_with(".nse"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accounts, Origin, Source, load, validate};

    /// What is said of a tool of this name, command and body.
    fn warned(command: &str, argv: &str, more: &str) -> Vec<String> {
        let mut sources = load(&Origin::Shipped).unwrap();
        let text = format!(
            "name = \"scan\"\nsummary = \"Scans.\"\ncommand = \"{command}\"\n\
             targets = [\"address\"]\nargv = [{argv}\"{{options}}\", \"{{target}}\"]\n\
             sandbox = {{ net_raw = \"never\", syscalls = \"base\" }}\n{more}"
        );
        sources.tools = vec![Source::new("scan.toml", text)];
        let policy = validate(&sources, &Accounts::default()).unwrap();
        let mut findings = Vec::new();
        find(&policy, &Written::of(&sources), &mut findings);
        let said = findings.into_iter().map(|finding| match finding.said {
            super::super::Said::At(defect) => defect.message().to_owned(),
            super::super::Said::Plainly(text) => text,
        });
        said.collect()
    }

    fn option(rest: &str) -> String {
        format!("[[option]]\nname = \"scripts\"\nhelp = \"Scripts.\"\n{rest}\n")
    }

    #[test]
    fn scripts_that_are_chosen_by_category_or_pattern_are_warned_of_wherever_they_stand() {
        let rendered = |text: &str| {
            option(&format!(
                "flag = \"--script\"\nvalue = {{ kind = \"rendered\", rendered = {{ a = \"{text}\" }} }}"
            ))
        };
        let listed = |words: &str| {
            option(&format!(
                "flag = \"--script\"\nvalue = {{ kind = \"enumeration-list\", words = [{words}] }}"
            ))
        };
        let text =
            "flag = \"--script\"\nvalue = { kind = \"text\", class = \"word\", max_length = 32 }";
        let cases = [
            ("", rendered("default and not dos")),
            ("", rendered("http-title,safe")),
            ("", rendered("http-title,VULN")),
            ("", rendered("http-*")),
            ("", rendered("(http-title or ssh-hostkey)")),
            ("", rendered("+all")),
            ("", rendered("scripts/")),
            ("", listed("\"http-title\", \"discovery\"")),
            ("", option(text)),
            ("", option("flag = \"-x\"\nrenders = [\"-A\", \"--script\", \"safe\"]")),
            ("", option("flag = \"-x\"\nrenders = [\"--script=brute\"]")),
            ("", option("flag = \"-sC\"")),
            ("", option("flag = \"-A\"")),
            ("\"--script\", \"version\", ", String::new()),
            ("\"--script=ssl-* and not dos\", ", String::new()),
            ("\"-sC\", ", String::new()),
        ];
        for (argv, more) in cases {
            let said = warned("/usr/bin/nmap", argv, &more);
            assert!(said.iter().any(|text| text.contains(ADVICE)), "{argv}{more}: {said:?}");
        }
        let preset = format!(
            "{}[preset.all]\nhelp = \"x\"\noptions = {{ scripts = \"vuln\" }}\n",
            option(text)
        );
        assert_eq!(warned("/usr/bin/nmap", "", &preset).len(), 2);
    }

    #[test]
    fn scripts_by_their_names_are_not_warned_of() {
        let cases = [
            (
                "",
                "flag = \"--script\"\nvalue = { kind = \"rendered\", rendered = { a = \"http-title,ssh-hostkey\", b = \"+ssl-cert, default-x /opt/own.nse\" } }",
            ),
            ("", "flag = \"-A\"\nrenders = [\"-A\", \"--script\", \"http-title\"]"),
            ("\"--script\", \"banner\", ", "flag = \"-sV\""),
            ("", "flag = \"--version\""),
        ];
        for (argv, more) in cases {
            let said = warned("/usr/bin/nmap", argv, &option(more));
            assert_eq!(said, Vec::<String>::new(), "{argv}{more}");
        }
        // Of another program these flags mean something else.
        assert_eq!(warned("/usr/bin/true", "", &option("flag = \"-A\"")), Vec::<String>::new());
    }
}
