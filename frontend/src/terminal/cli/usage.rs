//! What a wrong command line is answered beyond what clap knows: an example of a right one.

use clap::{
    CommandFactory as _,
    builder::StyledStr,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};

const A_CALL: &str = "for example: probity call ping 192.168.1.1";
const THE_TOOL_HTTP: &str =
    "`probity http` is the server; the tool is run by: probity call http 192.168.1.1";
const THE_TOOLS: &str = "`probity tools` lists the tools and what they may be aimed at";
const OWN_FLAGS: &str =
    "the tool's own flags stand after `--`: probity call ping 192.168.1.1 -- -c 5";
const ONE_TARGET: &str =
    "a call has one target; a network such as 192.168.1.0/28 is one, for tools that take networks";

/// Flags of subcommands that are likely to be tried without one, each with the subcommands that a
/// bare `probity` may stand for.
const AFTER_THE_COMMAND: [(&str, &[&str]); 4] = [
    ("--embedded", &["stdio", "http"]),
    ("--policy", &["stdio --embedded", "http --embedded"]),
    ("--socket", &["stdio", "http"]),
    ("--listen", &["http"]),
];

/// Adds to an error what to do next.
pub(super) fn explain(mut error: Error) -> Error {
    if let Some(tip) = command_first(&error) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        return error;
    }
    let tips = match error.kind() {
        ErrorKind::MissingRequiredArgument if names(&error, "<TOOL>") => vec![A_CALL, THE_TOOLS],
        ErrorKind::InvalidSubcommand if is_bare(&error) && !is_a_slip(&error) => {
            error.remove(ContextKind::SuggestedSubcommand);
            return called(error);
        }
        ErrorKind::UnknownArgument
            if is_a_call(&error) && error.get(ContextKind::SuggestedArg).is_none() =>
        {
            match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(word)) if !word.starts_with('-') => vec![ONE_TARGET],
                _ => vec![OWN_FLAGS],
            }
        }
        // The server has the name of a tool.
        ErrorKind::UnknownArgument if usage(&error).contains("probity http") => {
            match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(word)) if !word.starts_with('-') => vec![THE_TOOL_HTTP],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    if !tips.is_empty() {
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// Whether a first word is a slip of a subcommand that is shown. Stricter than clap, to which `pnig` is
/// `config`: what is none is a tool's name, of which the catalog knows the nearest.
pub(super) fn is_slip_of_a_subcommand(word: &str) -> bool {
    // `tls` is a tool, and as near to `tools` as this.
    const NEAR: f64 = 0.6;
    let command = super::Cli::command();
    let shown = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    shown
        .map(clap::Command::get_name)
        .any(|name| strsim::normalized_damerau_levenshtein(name, &word.to_ascii_lowercase()) > NEAR)
}

/// A first word that is no subcommand is a tool's, most likely.
fn called(mut error: Error) -> Error {
    let tool = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if word.bytes().all(|b| b.is_ascii_alphanumeric()) => word,
        _ => "ping",
    };
    let tip = format!("a tool is run by its name, as in: probity {tool} 192.168.1.1");
    let tips = vec![tip.into(), THE_TOOLS.into()];
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    error
}

/// Whether it is like a subcommand that is shown. (Those for packagers are not.)
fn is_a_slip(error: &Error) -> bool {
    let shown = |name: &String| !["man", "completions"].contains(&name.as_str());
    match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(name)) => shown(name),
        Some(ContextValue::Strings(names)) => names.iter().any(shown),
        _ => false,
    }
}

fn is_bare(error: &Error) -> bool {
    usage(error).contains("[COMMAND]")
}

/// What to say of a subcommand's flag where no subcommand is; nothing where clap found one further on.
fn command_first(error: &Error) -> Option<String> {
    let is_bare = error.kind() == ErrorKind::UnknownArgument && is_bare(error);
    if !is_bare || error.get(ContextKind::Suggested).is_some() {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return None };
    let (flag, commands) = AFTER_THE_COMMAND.iter().find(|(flag, _)| flag == given)?;
    let lines: Vec<_> =
        commands.iter().map(|command| format!("probity {command} {flag}")).collect();
    Some(format!("{flag} stands after a subcommand: {}", lines.join(", or ")))
}

/// An error names its subcommand in the usage that it shows, and nowhere else.
fn is_a_call(error: &Error) -> bool {
    usage(error).contains("probity call")
}

fn usage(error: &Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    }
}

fn names(error: &Error, argument: &str) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.iter().any(|name| name == argument),
        _ => false,
    }
}
