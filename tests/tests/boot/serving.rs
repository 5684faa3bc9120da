//! What people get of an installed Probity.

use std::time::Duration;

use probity_tests::{
    lab::{HOST, HOST_NAME},
    machine::{Machine, said},
    mcp::Session,
    procs::wait_until,
};
use serde_json::{Value, json};

use super::{installed, let_ada_in};

#[test]
fn members_of_the_group_run_tools_and_others_are_told_how_to_become_one() {
    let Some(machine) = installed() else { return };
    let stranger = machine.run_as("ada", "probity tools").unwrap();
    assert_eq!(stranger.status.code(), Some(4));
    assert!(said(&stranger).contains("usermod -aG probity"), "{}", said(&stranger));

    let_ada_in(&machine);
    let tools = machine.run_as("ada", "probity tools --json").unwrap();
    let tools: Value = serde_json::from_slice(&tools.stdout).unwrap();
    let ready = |name: &str| {
        let found = tools["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name);
        found.is_some_and(|tool| tool["availability"]["state"] != "missing")
    };
    assert!(["ping", "traceroute", "nmap", "scanner"].into_iter().all(ready), "{tools}");
    for (call, found) in [
        (format!("ping {HOST} -- -c 2"), "is alive: 2 sent, 2 received"),
        (format!("ping {HOST_NAME} -- -c 1"), "is alive: 1 sent, 1 received"),
        (format!("traceroute {HOST}"), "reached, 2 hops"),
        (format!("nmap {HOST} -- -p 22,81"), "22/tcp"),
        (format!("scanner {HOST} --preset quick"), "80/tcp"),
    ] {
        let output = machine.run_as("ada", &format!("probity call {call}")).unwrap();
        assert!(output.status.success(), "{call}: {}", said(&output));
        assert!(said(&output).contains(found), "{call}: {}", said(&output));
    }
    // What the policy says of it goes before what the machine could.
    let denied = machine.run_as("ada", "probity call ping 192.0.2.1").unwrap();
    assert_eq!(denied.status.code(), Some(3), "{}", said(&denied));
    let log = machine.done("probity-policy audit query --user ada --verdict denied").unwrap();
    assert!(log.contains("192.0.2.1"), "{log}");
}

#[test]
fn the_doctor_finds_what_keeps_somebody_from_calling_and_nothing_once_it_is_mended() {
    let Some(machine) = installed() else { return };
    let report = |user: &str| {
        let output = machine.run_as(user, "probity doctor --json").unwrap();
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
        (output.status.code(), report)
    };
    let state = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).cloned();
        check.unwrap_or_else(|| panic!("no check {name}: {report}"))
    };
    let (exit, stranger) = report("ada");
    assert_eq!(exit, Some(1), "{stranger}");
    let socket = state(&stranger, "socket");
    assert_eq!(socket["state"], "failed");
    assert!(socket["remedy"].to_string().contains("usermod -aG probity ada"), "{socket}");

    let_ada_in(&machine);
    let (exit, member) = report("ada");
    assert_eq!(exit, Some(0), "{member}");
    for name in
        ["landlock", "seccomp", "socket", "policy", "fence", "broker", "audit_log", "capability"]
    {
        assert_eq!(state(&member, name)["state"], "ok", "{member}");
    }
    for tool in ["ping", "traceroute", "nmap", "scanner"] {
        assert_eq!(state(&member, &format!("tool.{tool}"))["state"], "ok", "{member}");
    }
    // A policy on disk that is not the one in force.
    deny_the_host(&machine);
    let (_, changed) = report("ada");
    let policy = state(&changed, "policy");
    assert_eq!(policy["state"], "warning", "{policy}");
    assert!(policy["remedy"].to_string().contains("systemctl reload probity-broker"), "{policy}");
    machine.done("systemctl stop probity-broker.socket probity-broker").unwrap();
    let (exit, stopped) = report("ada");
    assert_eq!(exit, Some(1), "{stopped}");
    assert!(stopped.to_string().contains("systemctl"), "{stopped}");
}

#[test]
fn checking_a_policy_shows_whom_it_grants_in_vain_and_that_the_broker_cannot_read_it() {
    let Some(machine) = installed() else { return };
    let policy = "/etc/probity/policy.toml";
    let grant = "\n[[grant]]\ngroup = \"netadmins\"\ntools = [\"ping\"]\n";
    machine.done("groupadd netadmins && usermod -aG netadmins bob").unwrap();
    machine.done(&format!("printf '{grant}' >>{policy}")).unwrap();
    let checked = machine.done("probity-policy check").unwrap();
    assert!(checked.contains("usermod -aG probity"), "{checked}");
    machine.done(&format!("chmod 600 {policy}")).unwrap();
    let checked = machine.done("probity-policy check").unwrap();
    assert!(checked.contains("closed to probity-broker"), "{checked}");
    machine.run("systemctl restart probity-broker").unwrap();
    let journal = || machine.done("journalctl --unit probity-broker --output cat").unwrap();
    let is_told = || journal().contains("chmod a+r");
    assert!(wait_until(Duration::from_secs(10), is_told), "{}", journal());
    // What is said mends it.
    machine.done(&format!("chmod a+rX {policy} && systemctl reset-failed 'probity*'")).unwrap();
    machine.done("systemctl restart probity-broker.socket probity-broker").unwrap();
}

#[test]
fn a_client_of_mcp_is_served_over_standard_input_and_output() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    let mut command = machine.command("runuser");
    command.args(["-u", "ada", "--", "probity", "stdio"]);
    let mut session = Session::start(command).unwrap();
    for (tool, arguments) in [
        ("ping", json!({"target": HOST.to_string(), "count": 1})),
        ("traceroute", json!({"target": HOST.to_string()})),
        ("nmap", json!({"target": HOST.to_string(), "ports": "22"})),
    ] {
        let result = session.call(tool, arguments).unwrap();
        assert_eq!(result["isError"], json!(false), "{result}");
        assert_eq!(result["structuredContent"]["returncode"], json!(0), "{result}");
    }
    assert_eq!(session.close().unwrap(), Some(0));
}

#[test]
fn http_is_off_until_it_is_switched_on_and_runs_nothing_without_a_token() {
    let Some(machine) = installed() else { return };
    let listens = || !machine.done("ss --no-header --listening --tcp").unwrap().is_empty();
    assert!(!listens());
    machine.done("systemctl enable --now --quiet probity.socket").unwrap();
    assert!(listens());
    let ask = |token: &str, path: &str, more: &str| {
        let header = format!("-H 'Authorization: Bearer {token}'");
        let header = if token.is_empty() { "" } else { &header };
        let url = format!("http://127.0.0.1:8080{path}");
        let answer = machine
            .done(&format!("curl -sS -w '\\n%{{http_code}}' {header} {more} {url}"))
            .unwrap();
        let (body, status) = answer.rsplit_once('\n').unwrap();
        (status.parse::<u16>().unwrap(), body.to_owned())
    };
    let body = |tool: &str| match tool {
        "nmap" => json!({"target": HOST.to_string(), "ports": "22"}),
        _ => json!({"target": HOST.to_string()}),
    };
    let run = |token: &str, tool: &str| {
        ask(token, &format!("/tools/{tool}/execute"), &format!("--json '{}'", body(tool)))
    };
    // Activated by its socket: the first request waits for it, and is answered.
    assert_eq!(ask("", "/readyz", "").0, 200);
    assert_eq!(run("", "ping").0, 401);

    let made = "probity token new --name ci --role operator --file /etc/probity/tokens.toml";
    let made = machine.done(&format!("{made} && systemctl reload probity")).unwrap();
    let token = made.split_whitespace().find(|word| word.starts_with("probity_")).unwrap();
    assert!(wait_until(Duration::from_secs(10), || ask(token, "/tools/ping", "").0 == 200));
    for tool in ["ping", "traceroute", "nmap"] {
        let (status, answer) = run(token, tool);
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["returncode"], json!(0), "{answer}");
    }
    // All that health looks at can be seen from inside the unit.
    let health: Value = serde_json::from_str(&ask("", "/health", "").1).unwrap();
    let states = health["checks"].as_array().unwrap();
    let unwell =
        states.iter().filter(|check| check["status"] != "healthy" && check["name"] != "system.cpu");
    assert_eq!(unwell.count(), 0, "{health}");
    // The log knows the token, by its name.
    let log = machine.done("probity-policy audit query --user probity --json").unwrap();
    assert!(log.contains("\"claimed_client\"") && log.contains("ci"), "{log}");

    // A file with a defect fails the reload, and what held before does: nobody is left to believe that a
    // token was taken back.
    let listed = machine.done("probity token list --file /etc/probity/tokens.toml").unwrap();
    assert!(listed.contains("ci") && listed.contains("operator"), "{listed}");
    machine.done("sed -i 's/^role.*/rolle = 1/' /etc/probity/tokens.toml").unwrap();
    let reload = machine.run("systemctl reload probity").unwrap();
    assert!(!reload.status.success(), "{}", said(&reload));
    // The journal takes a moment.
    let status = || said(&machine.run("systemctl status --no-pager probity").unwrap());
    let is_told = || status().contains("tokens.toml:3");
    assert!(wait_until(Duration::from_secs(10), is_told), "{}", status());
    assert_eq!(ask(token, "/tools/ping", "").0, 200);
}

/// Allows 10.66.2.0/24 less than before, as an administrator would.
fn deny_the_host(machine: &Machine) {
    machine
        .done(&format!("sed -i 's|^deny .*|deny = [\"{HOST}\"]|' /etc/probity/policy.toml"))
        .unwrap();
}

#[test]
fn a_reload_takes_a_good_policy_and_fails_with_a_bad_one_which_changes_nothing() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    let ping = || {
        let output = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
        output.status.code()
    };
    assert_eq!(ping(), Some(0));
    deny_the_host(&machine);
    machine.done("systemctl reload probity-broker").unwrap();
    assert!(wait_until(Duration::from_secs(10), || ping() == Some(3)));

    let broker = machine.main_process("probity-broker").unwrap();
    machine.done("echo 'nonsense = 1' >>/etc/probity/policy.toml").unwrap();
    let reload = machine.run("systemctl reload probity-broker").unwrap();
    assert!(!reload.status.success());
    let journal = machine.done("journalctl --unit probity-broker --no-pager --output cat").unwrap();
    assert!(journal.contains("policy.toml:") && journal.contains("nonsense"), "{journal}");
    // As before: the same process, the same policy.
    assert_eq!(ping(), Some(3));
    assert_eq!(machine.main_process("probity-broker").unwrap(), broker);

    // Started anew it refuses, once, and says why; mended, it serves.
    let restart = machine.run("systemctl restart probity-broker").unwrap();
    assert!(!restart.status.success());
    let status = "systemctl show --property=ExecMainStatus --value probity-broker";
    assert_eq!(machine.done(status).unwrap().trim(), "78");
    machine.done("sed -i '/^nonsense/d' /etc/probity/policy.toml").unwrap();
    machine.done("systemctl reset-failed 'probity*'").unwrap();
    machine.done("systemctl restart probity-broker.socket probity-broker").unwrap();
    assert_eq!(ping(), Some(3));
}

#[test]
fn what_is_logged_reaches_the_journal_and_rotation_keeps_the_chain() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    let ping = || {
        let output = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    ping();
    // What an administrator is still writing is nothing to rotation.
    deny_the_host(&machine);
    // Twice, so that the oldest file is compressed.
    for _ in 0..2 {
        machine.done("logrotate --force /etc/logrotate.d/probity").unwrap();
        let rotated = "grep -q rotated /var/log/probity/audit.jsonl.1";
        let rotated = || machine.run(rotated).unwrap().status.success();
        assert!(wait_until(Duration::from_secs(10), rotated));
        ping();
    }
    machine.done("test -e /var/log/probity/audit.jsonl.2.gz").unwrap();
    // All of it is read, and who may not is told who may.
    let found = machine.done("probity-policy audit query --tool ping --since 1h --json").unwrap();
    let decisions = found.lines().filter(|line| line.contains("\"decision\"")).count();
    assert_eq!(decisions, 3, "{found}");
    let closed = machine.run_as("bob", "probity-policy audit tail").unwrap();
    assert!(said(&closed).contains("adm where Probity is installed"), "{}", said(&closed));
    let verify = "probity-policy audit verify";
    let said_of_it = machine.done(verify).unwrap();
    assert!(said_of_it.contains("in 3 files"), "{said_of_it}");
    let journal = machine.done("journalctl --unit probity-broker --no-pager --output cat").unwrap();
    // Each head that the journal has is in the log.
    let heads = journal.lines().filter_map(|line| line.split("audit chain head ").nth(1));
    let heads: Vec<&str> = heads.filter_map(|rest| rest.split(' ').next()).collect();
    assert!(heads.len() >= 2, "{journal}");
    let heads: Vec<String> = heads.iter().map(|head| format!("--head {head}")).collect();
    machine
        .done(&format!("{verify} {}", heads.join(" ")))
        .unwrap_or_else(|error| panic!("{error}\n{said_of_it}"));
    // Auditors read it, and nobody else.
    let modes =
        machine.done("stat --format '%a %U %G' /var/log/probity /var/log/probity/*").unwrap();
    for line in modes.lines() {
        assert!(["2750 probity-broker adm", "640 probity-broker adm"].contains(&line), "{modes}");
    }
}
