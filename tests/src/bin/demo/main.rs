//! `make demo`: Probity at work, on a network made for it.
//!
//! As root it builds a lab of three network namespaces, starts a broker and a frontend as two
//! different users inside it, and drives a real MCP session. Without root it does what can be done
//! on loopback, and says what it left out. Every answer is held against what it should be; the
//! lab is taken down in any case, also on Ctrl-C.

mod interrupt;
mod show;
mod steps;

use std::{
    error::Error,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use probity_tests::{
    STANDARD_TOOLS,
    broker::{Broker, CLIENT_GID, PolicyFolder, USER_UID, program},
    lab::Lab,
    mcp::{OWN_TOOLS, Session},
    procs::ProcStatus,
};
use serde_json::json;
use show::Show;

fn main() -> ExitCode {
    let show = Show::new();
    interrupt::listen();
    let is_root = ProcStatus::read(std::process::id()).is_ok_and(|status| status.uid == 0);
    let outcome = if is_root { in_the_lab(&show) } else { on_loopback(&show) };
    match outcome {
        _ if interrupt::happened() => {
            show.line("\nInterrupted: everything was taken down.");
            ExitCode::from(130)
        }
        Ok(0) => {
            show.good("\nEvery answer was what it should be.");
            ExitCode::SUCCESS
        }
        Ok(wrong) => {
            show.bad(&format!("\n{wrong} answers were not what they should be."));
            ExitCode::FAILURE
        }
        Err(error) => {
            show.bad(&format!("\nThe demo could not go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The whole story: two users, one capability, a router in between.
fn in_the_lab(show: &Show) -> Result<usize, Box<dyn Error>> {
    show.title("A lab of three network namespaces");
    let mut lab = Lab::new()?;
    lab.serve_dns()?;
    lab.serve_web()?;
    show.line("  client 10.66.1.2 ── router 10.66.1.1 | 10.66.2.1 ── host 10.66.2.2");
    show.line("  Nothing in it can reach any other network.");

    show.title("A broker and a frontend, as two users");
    let policy = PolicyFolder::with_grants("")?;
    let broker = Broker::start(&program("probity-broker"), &policy, Some(&lab.client()))?;
    let folder = tempfile::tempdir()?;
    let frontend = reachable_copy(&program("probity"), folder.path())?;
    let mut command = lab.client().command("setpriv");
    command
        .args(["--reuid", &USER_UID.to_string(), "--regid", &USER_UID.to_string()])
        .args(["--groups", &CLIENT_GID.to_string(), "--inh-caps=-all", "--bounding-set=-all"])
        .arg(&frontend)
        .args(["stdio", "--socket"])
        .arg(broker.socket())
        .env("LOG_LEVEL", "ERROR");
    let mut session = Session::start(command)?;
    interrupt::end_on_interrupt(session.pid());
    for (name, pid) in [("probity-broker", broker.pid()), ("probity", session.pid())] {
        let status = ProcStatus::read(pid)?;
        let held = if status.cap_prm == 0 { "no capability" } else { "CAP_NET_RAW" };
        let line =
            format!("  {name:<15} uid {:<6} permitted {:#x}: {held}", status.uid, status.cap_prm);
        show.line(&line);
    }

    let mut steps = steps::Steps::new(show, &mut session);
    steps.list_tools(&[&STANDARD_TOOLS[..], &OWN_TOOLS].concat())?;
    steps.call(
        "Is the host there?",
        "ping",
        &json!({"target": "10.66.2.2"}),
        steps::answers(|parsed| parsed["received"] == 3 && parsed["loss_percent"] == 0.0),
    )?;
    steps.call(
        "Which way do packets take?",
        "traceroute",
        &json!({"target": "web.lab.internal"}),
        steps::answers(|parsed| parsed["hop_count"] == 2 && parsed["completed"] == true),
    )?;
    steps.call(
        "What is open there?",
        "nmap",
        &json!({"target": "10.66.2.2", "ports": "1-1024,8080"}),
        steps::answers(|parsed| parsed["open_ports"] == 7),
    )?;
    steps.broken_web_service("web.lab.internal", "10.66.2.2", 8441)?;
    steps.out_of_time("10.66.2.2")?;
    steps.refusals("10.66.2.2")?;
    steps.second_try("10.66.2.2")?;
    steps.read("All of it on a page", "probity://policy", "10.0.0.0/8")?;
    Ok(steps.wrong())
}

/// What is left without root: one user, no capability, loopback.
fn on_loopback(show: &Show) -> Result<usize, Box<dyn Error>> {
    show.title("Without root: loopback only");
    show.line("  Left out: the lab of network namespaces, the route through its router, and the");
    show.line("  broker as a user of its own with CAP_NET_RAW. Run it as root to see them.");

    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, include_str!("../../../loopback-policy.toml"))?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o600))?;
    let mut command = Command::new(program("probity"));
    command.args(["stdio", "--embedded", "--policy"]).arg(&policy).env("LOG_LEVEL", "ERROR");
    let mut session = Session::start(command)?;
    interrupt::end_on_interrupt(session.pid());

    let mut steps = steps::Steps::new(show, &mut session);
    steps.list_tools(&[&STANDARD_TOOLS[..], &OWN_TOOLS].concat())?;
    // Whether ping works depends on a setting of this machine's; both answers are right ones.
    steps.call("Is this machine there?", "ping", &json!({"target": "127.0.0.1"}), |result| {
        let structured = &result["structuredContent"];
        structured["parsed"]["received"] == 3 || structured["error_type"] == "NOT_FOUND"
    })?;
    steps.call(
        "Which way do packets take?",
        "traceroute",
        &json!({"target": "127.0.0.1"}),
        steps::answers(|parsed| parsed["hop_count"] == 1),
    )?;
    steps.call(
        "What is open here?",
        "nmap",
        &json!({"target": "127.0.0.1", "preset": "quick"}),
        steps::answers(|parsed| parsed["total_hosts"] == 1),
    )?;
    steps.refusals("127.0.0.1")?;
    steps.read("All of it on a page", "probity://policy", "127.0.0.0/8")?;
    Ok(steps.wrong())
}

/// A copy that another user can execute, wherever this was built.
fn reachable_copy(program: &Path, folder: &Path) -> std::io::Result<PathBuf> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let copy = folder.join("probity");
    fs::copy(program, &copy)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    Ok(copy)
}
