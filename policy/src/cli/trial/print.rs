//! The answer of `try`: how it went, what would be refused, and the lines to paste, each with what it opens.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Args, needs::Needs, output, record::Recording};
use crate::{Clones, NetRaw, Plan, Profile, source::printable};

/// Lines of the tool's own output that are shown.
const LINES: usize = 8;

pub(super) fn as_json(plan: &Plan, recording: &Recording, needs: &Needs) -> Value {
    let text = |bytes: &[u8]| printable_lines(bytes).join("\n");
    json!({
        "exit_status": recording.output.status.code(),
        "timed_out": recording.timed_out,
        "duration_seconds": recording.duration.as_secs_f64(),
        "stdout": text(&recording.output.stdout),
        "stderr": text(&recording.output.stderr),
        "suffices": needs.is_met(),
        "refused": needs,
        "lines": lines(needs, plan).iter().map(|(line, _)| line).collect::<Vec<_>>(),
    })
}

pub(super) fn print(
    args: &Args,
    plan: &Plan,
    recording: &Recording,
    needs: &Needs,
    file: Option<&str>,
) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let command = shlex::try_join(plan.argv().iter().map(String::as_str)).unwrap_or_default();
    writeln!(out, "{}", output::head(printable(&command)))?;
    let ended = match (recording.timed_out, recording.output.status.code()) {
        (true, _) => "was ended when its time was up".to_owned(),
        (false, Some(code)) => format!("exited with {code}"),
        (false, None) => "was ended by a signal".to_owned(),
    };
    writeln!(
        out,
        "It {ended}, after {:.1} s, outside its sandbox.",
        recording.duration.as_secs_f64()
    )?;
    for bytes in [&recording.output.stdout, &recording.output.stderr] {
        let lines = printable_lines(bytes);
        for line in lines.iter().take(LINES) {
            writeln!(out, "  | {line}")?;
        }
        if lines.len() > LINES {
            writeln!(out, "  … {} more lines", lines.len() - LINES)?;
        }
    }
    writeln!(out)?;
    if needs.is_met() {
        for advice in advice(needs, plan) {
            writeln!(out, "{}\n", printable(&advice))?;
        }
        let target = args.target.as_deref().map(|target| format!(" {target}")).unwrap_or_default();
        writeln!(
            out,
            "{}: nothing of this run would be refused.",
            output::good("Its sandbox suffices")
        )?;
        return writeln!(out, "Next: probity-policy check, and probity call {}{target}", args.tool);
    }
    writeln!(out, "{}", output::head("Its sandbox would refuse"))?;
    for (what, value) in refused(needs) {
        writeln!(out, "  {what:<13} {}", printable(&value))?;
    }
    let lines = lines(needs, plan);
    if !lines.is_empty() {
        let file = file.map(|file| format!(" of {}", printable(file))).unwrap_or_default();
        writeln!(out, "\n{}{file}, in place of what is there:", output::head("For [sandbox]"))?;
        for (line, opens) in lines {
            writeln!(out, "{}\n  # {}", printable(&line), printable(&opens))?;
        }
    }
    for advice in advice(needs, plan) {
        writeln!(out, "\n{}", printable(&advice))?;
    }
    Ok(())
}

fn refused(needs: &Needs) -> Vec<(&'static str, String)> {
    let paths = |paths: &BTreeSet<PathBuf>| {
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    let owned = |words: &BTreeSet<&'static str>| {
        words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let rows = [
        ("system calls", needs.system_calls.iter().cloned().collect()),
        ("to start", owned(&needs.starts)),
        ("sockets", needs.sockets.iter().cloned().collect()),
        ("to read", paths(&needs.read)),
        ("programs", paths(&needs.execute)),
        ("to write", paths(&needs.written)),
        ("packets to", needs.elsewhere.iter().map(ToString::to_string).collect()),
        ("always", owned(&needs.never)),
        ("limits", owned(&needs.limits)),
    ];
    let mut rows: Vec<_> = rows
        .into_iter()
        .filter(|(_, values): &(_, Vec<String>)| !values.is_empty())
        .map(|(what, values)| (what, values.join(", ")))
        .collect();
    if needs.files_made > 0 {
        rows.push(("files made", needs.files_made.to_string()));
    }
    if needs.net_raw {
        rows.push(("capability", "CAP_NET_RAW".to_owned()));
    }
    rows
}

/// Lines of a tool's file, and what each opens.
fn lines(needs: &Needs, plan: &Plan) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    if needs.net_raw {
        let opens = "packets of its own making; if only some option takes them: \"by-option\"";
        lines.push(("net_raw  = \"always\"".to_owned(), opens.to_owned()));
    }
    if let Some(profile) = &needs.profile {
        lines.push((format!("syscalls = {profile:?}"), opened_by(profile)));
    }
    let list = |known: &[PathBuf], new: &BTreeSet<PathBuf>| {
        let all: BTreeSet<_> = known.iter().chain(new).collect();
        let paths: Vec<_> =
            all.iter().map(|path| format!("{:?}", path.display().to_string())).collect();
        format!("[{}]", paths.join(", "))
    };
    if !needs.read.is_empty() {
        let opens = "its output may show these files to whoever calls it";
        lines.push((format!("read     = {}", list(plan.read(), &needs.read)), opens.to_owned()));
    }
    if !needs.execute.is_empty() {
        let mut opens = "it may start these, as often as it likes".to_owned();
        if needs.execute.iter().any(|path| is_shell(path)) {
            opens.push_str("; with a shell among them it runs whatever it reads");
        }
        let line = format!("execute  = {}", list(plan.execute(), &needs.execute));
        lines.push((line, opens));
    }
    if needs.files_made > 0 {
        let line = format!(
            "scratch  = {{ files = {}, file_size = \"1 MiB\" }}",
            needs.files_made.min(256)
        );
        lines.push((line, "a folder of its own, which goes with the run".to_owned()));
    }
    lines
}

fn is_shell(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| ["sh", "dash", "bash", "env", "perl", "python3", "awk"].contains(&name))
}

/// What a profile has that programs without a network lack.
fn opened_by(name: &str) -> String {
    let Ok(profile) = Profile::shipped(name) else { return String::new() };
    let sockets: Vec<_> = profile
        .sockets
        .iter()
        .map(|socket| format!("{:?} {:?}", socket.family, socket.kind).to_lowercase())
        .collect();
    let sockets = match sockets.is_empty() {
        true => "no sockets".to_owned(),
        false => format!("sockets: {}", sockets.join(", ")),
    };
    let starts = match profile.clone {
        Some(Clones::Threads) => "; it may start threads",
        Some(Clones::Processes) => "; it may start processes",
        None => "",
    };
    format!("{} system calls; {sockets}{starts}", profile.syscalls.len())
}

/// What no line of the file mends.
fn advice(needs: &Needs, plan: &Plan) -> Vec<String> {
    let mut advice = Vec::new();
    let joined = |values: Vec<String>| values.join(", ");
    if !needs.in_no_profile.is_empty() {
        let lacks = joined(needs.in_no_profile.iter().cloned().collect());
        advice.push(format!("No profile has {lacks}. Most programs do without where such a call is refused: call it, and see."));
    }
    if !needs.elsewhere.is_empty() {
        advice.push("A run reaches its target alone. What sent packets elsewhere? Often names that it looks up, which a flag such as -n turns off, in argv.".to_owned());
    }
    if !needs.never.is_empty() {
        advice.push("What is refused always no line allows: look for a flag that keeps it from that, or try without; some programs do.".to_owned());
    }
    if !needs.written.is_empty() {
        advice.push(
            "No tool writes outside its own folder. Look for a flag that keeps it from that."
                .to_owned(),
        );
    }
    if !needs.read_of_kernel.is_empty() {
        let files: Vec<_> =
            needs.read_of_kernel.iter().map(|path| path.display().to_string()).collect();
        advice.push(format!("It also read {}. Such files tell of the machine and of other processes, and most programs do without: add one to read only if the tool fails.", joined(files)));
    }
    if !needs.unreadable.is_empty() {
        let files = joined(needs.unreadable.iter().cloned().collect());
        advice.push(format!(
            "Its user may not read {files}, whatever the sandbox says: see who owns them."
        ));
    }
    if needs.limits.contains("memory") {
        advice.push(format!(
            "It asked for more than {} MiB of memory. The policy's ceiling has more?",
            plan.limits().memory_bytes >> 20
        ));
    }
    if needs.net_raw && plan.net_raw() == NetRaw::No {
        advice.push("It was refused a socket that takes CAP_NET_RAW, so it may have stopped early: try again with it.".to_owned());
    }
    advice
}

fn printable_lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(printable).map(|line| line.to_string()).collect()
}
