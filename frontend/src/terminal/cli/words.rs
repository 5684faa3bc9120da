//! The words of a command line before clap reads them: a tool's name where a subcommand would stand,
//! and a tool's own options among those of `call`.
//!
//! Which options a tool has only the broker can say, so what is not Probity's own is set aside here, in
//! its order, and given its meaning once the catalog is there (`commands/tool_options.rs`). Nothing
//! here decides whether an option exists.

use std::ffi::OsString;

use clap::{Command, CommandFactory};

use super::{Cli, usage};

const CALL: &str = "call";

/// An option so like one of Probity's own is a slip of that.
const SLIP: f64 = 0.8;

/// A word that stands after a tool's name and is not Probity's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A target, or the value of the option before it.
    Plain(String),
    /// `--name` or `--name=value`.
    Option {
        /// Without the dashes.
        name: String,
        /// After `=`.
        value: Option<String>,
    },
}

/// A command line for clap, and what it is not to see.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    pub line: Vec<OsString>,
    /// What stands after a tool's name, where an option of its own is among it.
    pub words: Vec<Word>,
    /// Help was asked for after a tool's name: the line asks for that tool.
    pub is_help: bool,
}

/// Sorts the words of a command line. One that it can make nothing of is left as it is, for clap to
/// complain of.
pub(super) fn prepare(line: Vec<OsString>) -> Prepared {
    let mut command = Cli::command();
    command.build();
    let unchanged = |line| Prepared { line, ..Prepared::default() };
    let Some((at, word)) = first_word(&line, &command) else { return unchanged(line) };
    let is_subcommand = command.find_subcommand(&word).is_some();
    if !is_subcommand && !is_tool_like(&word) {
        return unchanged(line);
    }
    let call_at = match word.as_str() {
        CALL => at + 1,
        _ if is_subcommand || usage::is_slip_of_a_subcommand(&word) => return unchanged(line),
        _ => at,
    };
    match command.find_subcommand(CALL) {
        Some(call) => sorted(&line, at, call_at, call),
        None => unchanged(line),
    }
}

/// The word that names a subcommand, behind flags of Probity's own.
fn first_word(line: &[OsString], command: &Command) -> Option<(usize, String)> {
    let mut at = 1;
    loop {
        let word = line.get(at)?.to_str()?;
        let Some(flag) = word.strip_prefix("--") else {
            return (!word.starts_with('-')).then(|| (at, word.to_owned()));
        };
        at += if takes_the_next(command, flag)? { 2 } else { 1 };
    }
}

/// Whether the word after `--flag` is its value; `None` where there is no such flag.
fn takes_the_next(command: &Command, flag: &str) -> Option<bool> {
    let (name, value) = split(flag);
    let known = command.get_arguments().find(|argument| argument.get_long() == Some(&name))?;
    Some(value.is_none() && known.get_action().takes_values())
}

fn split(flag: &str) -> (String, Option<String>) {
    match flag.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (flag.to_owned(), None),
    }
}

fn is_tool_like(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The line of a call, whose words begin at `from`; what stands before `before` is kept.
fn sorted(line: &[OsString], before: usize, from: usize, call: &Command) -> Prepared {
    let (mut own, mut words, mut rest) = (Vec::new(), Vec::new(), &[][..]);
    let (mut tool, mut is_help) = (None, false);
    let mut at = from;
    while let Some(word) = line.get(at) {
        at += 1;
        let Some(text) = word.to_str() else {
            own.push(word.clone());
            continue;
        };
        if text == "--" {
            rest = &line[at - 1..];
            break;
        }
        if tool.is_some() && (text == "--help" || text == "-h") {
            is_help = true;
        } else if let Some(flag) = text.strip_prefix("--") {
            match takes_the_next(call, flag) {
                None if tool.is_some() && !is_slip(flag, call) => {
                    let (name, value) = split(flag);
                    words.push(Word::Option { name, value });
                }
                takes_the_next => {
                    own.push(word.clone());
                    if takes_the_next == Some(true) {
                        own.extend(line.get(at).cloned());
                        at += 1;
                    }
                }
            }
        } else if text.starts_with('-') && text.len() > 1 {
            own.push(word.clone());
        } else if tool.is_none() {
            tool = Some(word.clone());
        } else {
            words.push(Word::Plain(text.to_owned()));
        }
    }
    let mut made = line[..before].to_vec();
    if let (Some(tool), true) = (&tool, is_help) {
        made.extend(["tools".into(), tool.clone()]);
        made.extend(of_the_broker(&own, call));
        return Prepared { line: made, words: Vec::new(), is_help };
    }
    made.push(CALL.into());
    made.extend(tool.into_iter().chain(own));
    let has_options = words.iter().any(|word| matches!(word, Word::Option { .. }));
    match has_options {
        // Whichever it turns out to be: clap only has to know that there is one.
        true => made.extend(words.iter().find_map(plain)),
        false => made.extend(std::mem::take(&mut words).iter().filter_map(plain)),
    }
    made.extend(rest.iter().cloned());
    Prepared { line: made, words, is_help }
}

fn plain(word: &Word) -> Option<OsString> {
    match word {
        Word::Plain(text) => Some(text.into()),
        Word::Option { .. } => None,
    }
}

/// Whether an unknown flag is so like one of Probity's own that clap's complaint is the best answer.
fn is_slip(flag: &str, call: &Command) -> bool {
    let (name, _) = split(flag);
    let known = call.get_arguments().filter_map(clap::Arg::get_long);
    known.map(|known| strsim::normalized_damerau_levenshtein(known, &name)).any(|like| like >= SLIP)
}

/// The flags that say which broker to ask, and by which settings.
fn of_the_broker(own: &[OsString], call: &Command) -> Vec<OsString> {
    const KEPT: [&str; 5] = ["embedded", "policy", "socket", "config", "color"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(word) = own.get(at) {
        let flag = word.to_str().and_then(|text| text.strip_prefix("--")).unwrap_or_default();
        let next = if takes_the_next(call, flag) == Some(true) { 2 } else { 1 };
        if KEPT.contains(&split(flag).0.as_str()) {
            kept.extend(own[at..own.len().min(at + next)].iter().cloned());
        }
        at += next;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(line: &str) -> (String, Vec<Word>) {
        let words = std::iter::once("probity").chain(line.split_whitespace()).map(OsString::from);
        let Prepared { line, words, .. } = prepare(words.collect());
        let line: Vec<_> = line[1..].iter().map(|word| word.to_str().unwrap()).collect();
        (line.join(" "), words)
    }

    #[test]
    fn a_tools_name_in_a_subcommands_place_is_a_call_of_it() {
        for (given, expected) in [
            ("ping 10.0.0.1", "call ping 10.0.0.1"),
            ("ping", "call ping"),
            ("--config f.toml nmap 10.0.0.1 --json", "--config f.toml call nmap --json 10.0.0.1"),
            ("traceroute 10.0.0.1 -- -m 3", "call traceroute 10.0.0.1 -- -m 3"),
            ("scanner 10.0.0.1", "call scanner 10.0.0.1"),
            // For the catalog to say what was meant.
            ("pnig 10.0.0.1", "call pnig 10.0.0.1"),
            ("tls 10.0.0.1", "call tls 10.0.0.1"),
            // A slip of a subcommand stays one, and so does what is neither.
            ("tols", "tols"),
            ("cal ping 10.0.0.1", "cal ping 10.0.0.1"),
            ("confg", "confg"),
            ("Tools", "Tools"),
            ("10.0.0.1", "10.0.0.1"),
            ("tools ping", "tools ping"),
            ("help call", "help call"),
            ("--embedded ping 10.0.0.1", "--embedded ping 10.0.0.1"),
        ] {
            assert_eq!(prepared(given), (expected.to_owned(), Vec::new()), "{given}");
        }
    }

    #[test]
    fn options_that_are_not_probitys_are_set_aside_in_their_order() {
        let plain = |text: &str| Word::Plain(text.into());
        let option = |name: &str, value: Option<&str>| Word::Option {
            name: name.into(),
            value: value.map(str::to_owned),
        };
        let (line, words) = prepared("call ping 10.0.0.1 --count 3 --timeout 5 --size=100 --json");
        assert_eq!(line, "call ping --timeout 5 --json 10.0.0.1");
        let expected =
            [plain("10.0.0.1"), option("count", None), plain("3"), option("size", Some("100"))];
        assert_eq!(words, expected);
        let (line, words) = prepared("ping --count 3 10.0.0.1 -- --count 4");
        assert_eq!(line, "call ping 3 -- --count 4");
        assert_eq!(words, [option("count", None), plain("3"), plain("10.0.0.1")]);
        // What stands before the tool's name, and what is nearly Probity's own, is for clap.
        for given in ["call --count 3 ping 10.0.0.1", "call ping 10.0.0.1 --prest q"] {
            assert!(prepared(given).0.contains("--"), "{given}");
        }
    }

    #[test]
    fn help_after_a_tools_name_is_about_that_tool_at_the_same_broker() {
        for (given, expected) in [
            ("ping --help", "tools ping"),
            ("call nmap 10.0.0.1 -h --json --policy p.toml", "tools nmap --policy p.toml"),
            ("call ping --help --timeout 5 --color=never", "tools ping --color=never"),
            ("call --help", "call --help"),
        ] {
            assert_eq!(prepared(given).0, expected, "{given}");
        }
    }

    proptest::proptest! {
        /// Whatever is written, no word after `--` and none of Probity's own is lost or made up.
        #[test]
        fn no_word_is_lost(words in proptest::collection::vec("(--?)?[a-z0-9.=]{0,6}|--json|--|ping", 0..8)) {
            let line: Vec<OsString> = std::iter::once("probity").chain(words.iter().map(String::as_str)).map(OsString::from).collect();
            let is_of_call = |made: &Prepared| made.line.iter().any(|word| word == CALL);
            let made = prepare(line.clone());
            if !made.is_help && is_of_call(&made) {
                let options = made.words.iter().filter(|word| matches!(word, Word::Option { .. })).count();
                let plains = made.words.iter().filter_map(plain).count();
                let guessed = usize::from(plains > 0);
                let named = usize::from(words.iter().any(|word| word == CALL));
                proptest::prop_assert_eq!(made.line.len() + options + plains - guessed + named, line.len() + 1);
            } else if !made.is_help {
                proptest::prop_assert_eq!(made.line, line);
            }
        }
    }
}
