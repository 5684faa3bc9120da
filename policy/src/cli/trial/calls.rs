//! What strace wrote of a tool's processes, call by call. Pure; what cannot be read is passed over.

use std::collections::{BTreeMap, BTreeSet};

/// One system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub name: String,
    /// As strace writes them.
    pub arguments: String,
    pub result: Outcome,
}

/// How it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A number, and the path of a descriptor, as the kernel has it.
    Done { value: i64, path: Option<String> },
    /// By the name of its error.
    Failed(String),
    /// It was not seen to end: `exit`, or the process was ended in it.
    Unknown,
}

impl Call {
    /// Reads one line: `name(arguments) = result`.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        // The last one: arguments may hold the same characters.
        let (arguments, result) = rest.rsplit_once(") = ").or_else(|| {
            let (arguments, result) = rest.rsplit_once(" = ")?;
            Some((arguments.trim_end().strip_suffix(')')?, result))
        })?;
        is_name.then(|| Self {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            result: Outcome::parse(result),
        })
    }

    pub fn succeeded(&self) -> bool {
        !matches!(self.result, Outcome::Failed(_))
    }

    /// The argument of this place that is a text, without its quotes.
    pub fn text(&self) -> Option<String> {
        let (_, rest) = self.arguments.split_once('"')?;
        let mut text = String::new();
        let mut characters = rest.chars();
        loop {
            match characters.next()? {
                '"' => return Some(text),
                '\\' => text.push(characters.next()?),
                other => text.push(other),
            }
        }
    }

    pub fn has_flag(&self, flag: &str) -> bool {
        self.arguments.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|w| w == flag)
    }
}

impl Outcome {
    fn parse(text: &str) -> Self {
        if let Some(error) = text.strip_prefix("-1 ") {
            return Self::Failed(error.split(' ').next().unwrap_or_default().to_owned());
        }
        let number = text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let path =
            text.split_once('<').and_then(|(_, rest)| Some(rest.rsplit_once('>')?.0.to_owned()));
        match number.parse() {
            Ok(value) => Self::Done { value, path },
            Err(_) => Self::Unknown,
        }
    }
}

/// The calls of the processes that `command` became and started, out of one text for each process of the
/// recording. What ran before the command, to confine it, is left out.
pub(super) fn of_tool(texts: &BTreeMap<u32, String>, command: &str) -> Vec<Call> {
    let starts = |call: &Call| {
        call.name == "execve" && call.succeeded() && call.text().as_deref() == Some(command)
    };
    let calls: BTreeMap<u32, Vec<Call>> = texts
        .iter()
        .map(|(pid, text)| (*pid, text.lines().filter_map(Call::parse).collect()))
        .collect();
    let mut waiting = Vec::new();
    let mut found = Vec::new();
    for (pid, calls) in &calls {
        if let Some(at) = calls.iter().position(starts) {
            waiting.push((*pid, at + 1));
        }
    }
    let mut known: BTreeSet<u32> = waiting.iter().map(|(pid, _)| *pid).collect();
    while let Some((pid, from)) = waiting.pop() {
        for call in calls.get(&pid).into_iter().flatten().skip(from) {
            if let (true, Outcome::Done { value, .. }) = (is_clone(&call.name), &call.result)
                && let Ok(child) = u32::try_from(*value)
                && known.insert(child)
            {
                waiting.push((child, 0));
            }
            found.push(call.clone());
        }
    }
    found
}

/// Whether a call makes a thread or a process.
pub(super) fn is_clone(name: &str) -> bool {
    ["clone", "clone3", "fork", "vfork"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_arguments_and_a_result() {
        let line = r#"openat(AT_FDCWD</tmp>, "/usr/lib/ssl/openssl.cnf", O_RDONLY) = 3</etc/ssl/openssl.cnf>"#;
        let call = Call::parse(line).unwrap();
        assert_eq!(
            (call.name.as_str(), call.text().as_deref()),
            ("openat", Some("/usr/lib/ssl/openssl.cnf"))
        );
        let path = Some("/etc/ssl/openssl.cnf".to_owned());
        assert_eq!(call.result, Outcome::Done { value: 3, path });
        assert!(call.has_flag("O_RDONLY") && !call.has_flag("O_RD"));
        let failed = Call::parse(
            "socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)  = -1 EPERM (Operation not permitted)",
        )
        .unwrap();
        assert_eq!(failed.result, Outcome::Failed("EPERM".into()));
        let spread = Call::parse("getpid()                                = 7").unwrap();
        assert_eq!(spread.result, Outcome::Done { value: 7, path: None });
        for line in [
            "+++ exited with 0 +++",
            "--- SIGCHLD {si_signo=SIGCHLD} ---",
            "",
            "exit_group(0",
            "x = 3",
        ] {
            assert_eq!(Call::parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_confines_the_tool_is_none_of_it_and_its_children_are() {
        let texts = BTreeMap::from([
            (10, "setsid() = 10\nclone(flags=SIGCHLD) = 11\n".to_owned()),
            (
                11,
                "prctl(PR_SET_NO_NEW_PRIVS, 1) = 0\nexecve(\"/usr/bin/mtr\", [\"mtr\"], 0x7) = 0\n\
                  brk(NULL) = 1\nclone(flags=SIGCHLD) = 12\n"
                    .to_owned(),
            ),
            (
                12,
                "execve(\"/usr/bin/mtr-packet\", [], 0x7) = 0\nsocket(AF_INET, SOCK_RAW, 1) = 3\n"
                    .to_owned(),
            ),
            (13, "umask(022) = 0\n".to_owned()),
        ]);
        let names: Vec<_> =
            of_tool(&texts, "/usr/bin/mtr").into_iter().map(|call| call.name).collect();
        assert_eq!(names, ["brk", "clone", "execve", "socket"]);
        assert_eq!(of_tool(&texts, "/usr/bin/ping"), []);
    }
}
