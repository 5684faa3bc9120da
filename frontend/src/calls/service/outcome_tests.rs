use std::{sync::Arc, time::Duration};

use probity_protocol::Failure;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    calls::{
        control::cache::tests::{plan, run},
        published::registry::Registry,
        request::{self, Defaults},
    },
    config::Config,
    test_catalog,
};

const OWN_TIME: Duration = Duration::from_secs(30);
const CRASHED: ExitStatus = ExitStatus::Signal(11);
const ENDED: ExitStatus = ExitStatus::Signal(15);
const SILENT_SCAN: &str = "<nmaprun>\n";
const SCAN_AT_WORK: &str =
    "<nmaprun>\n<taskprogress task=\"Connect Scan\" time=\"1\" percent=\"3.1\"/>\n";

/// How a run ended that was asked for with these arguments.
struct Ended<'a> {
    tool: &'a str,
    parser: Option<&'a str>,
    asked: Value,
    argv: &'a [&'a str],
    stdout: &'a str,
    stderr: &'a str,
    end: End,
    status: ExitStatus,
}

impl Default for Ended<'_> {
    fn default() -> Self {
        Self {
            tool: "ping",
            parser: Some("ping"),
            asked: json!({"target": "10.0.0.1"}),
            argv: &["/usr/bin/ping", "-n", "-c", "3", "-W", "5", "10.0.0.1"],
            stdout: "",
            stderr: "",
            end: End::TimedOut,
            status: ENDED,
        }
    }
}

impl Ended<'_> {
    fn says(&self) -> Outcome {
        let catalog = test_catalog::of(&[self.tool]);
        let listing = Registry::new(Arc::new(Config::default()), catalog).listing();
        let arguments: Map<String, Value> = serde_json::from_value(self.asked.clone()).unwrap();
        let call = request::read(self.tool, &arguments, None, &Defaults::default()).unwrap().0;
        let choice = Choice::of(&call, listing.tool(self.tool).unwrap());
        let mut plan = plan(self.tool, "10.0.0.1");
        plan.timeout = call.limits.timeout.unwrap_or(OWN_TIME);
        plan.argv = self.argv.iter().map(ToString::to_string).collect();
        let mut run = run(plan, self.stdout.into());
        run.0.stderr = self.stderr.into();
        (run.1.end, run.1.status) = (self.end, self.status);
        let outcome = Ok(RunOutcome::Finished(Box::new(run)));
        Outcome::of(&outcome, Some(choice), self.parser)
    }
}

#[test]
fn what_the_next_caller_would_meet_too_is_a_failure() {
    let own_time = Ended::default();
    assert_eq!(own_time.says(), Outcome::Failure, "it used up its own time");
    let crashed = Ended { end: End::Finished, status: CRASHED, ..Ended::default() };
    assert_eq!(crashed.says(), Outcome::Failure);
    let violation = Ended { end: End::SandboxViolation, ..Ended::default() };
    assert_eq!(violation.says(), Outcome::Failure);
    for kind in [FailureKind::NotFound, FailureKind::Sandbox, FailureKind::Resources] {
        let failure = Failure { kind, message: String::new(), remedy: String::new() };
        let says = Outcome::of(&Ok(RunOutcome::Failed(failure)), None, None);
        assert_eq!(says, Outcome::Failure, "it could not be started: {kind:?}");
    }
}

#[test]
fn the_time_that_a_caller_gives_is_a_failure_only_where_it_is_as_long_as_the_tools_own() {
    for (seconds, says) in [
        (0.01, Outcome::Nothing),
        (29.9, Outcome::Nothing),
        (30.0, Outcome::Failure),
        (60.0, Outcome::Failure),
    ] {
        let asked = json!({"target": "10.0.0.1", "timeout_sec": seconds});
        let ended = Ended { asked, ..Ended::default() };
        assert_eq!(ended.says(), says, "{seconds}");
        let status = ExitStatus::Signal(SIGXCPU);
        let by_processor = Ended { end: End::Finished, status, ..ended };
        assert_eq!(by_processor.says(), says, "{seconds} of the processor's");
    }
    let crashed_early = Ended {
        asked: json!({"target": "10.0.0.1", "timeout_sec": 0.5}),
        end: End::Finished,
        status: CRASHED,
        ..Ended::default()
    };
    assert_eq!(crashed_early.says(), Outcome::Failure, "no time limit makes a tool crash");
}

#[test]
fn options_that_ask_for_more_than_there_is_time_for_are_no_failure() {
    let ping = |asked: Value, argv: &'static [&'static str]| {
        Ended { asked, argv, ..Ended::default() }.says()
    };
    let count = json!({"target": "10.0.0.1", "count": 100});
    assert_eq!(ping(count, &["ping", "-c", "100", "-W", "5", "10.0.0.1"]), Outcome::Nothing);
    let flag = json!({"target": "10.0.0.1", "extra_args": "-c 3 -i 60"});
    assert_eq!(ping(flag, &["ping", "-c", "3", "-i", "60", "10.0.0.1"]), Outcome::Nothing);
    let wait = json!({"target": "10.0.0.1", "wait": 30});
    assert_eq!(ping(wait, &["ping", "-c", "1", "-W", "30", "10.0.0.1"]), Outcome::Nothing);
    let little = json!({"target": "10.0.0.1", "count": 2});
    assert_eq!(ping(little, &["ping", "-c", "2", "-W", "5", "10.0.0.1"]), Outcome::Failure);

    let traceroute = |asked: Value, argv: &'static [&'static str]| {
        let (tool, parser) = ("traceroute", Some("traceroute"));
        Ended { tool, parser, asked, argv, ..Ended::default() }.says()
    };
    let far = json!({"target": "10.0.0.1", "max_hops": 64, "wait": 30});
    let argv = &["traceroute", "-m", "64", "-w", "30", "10.0.0.1"];
    assert_eq!(traceroute(far, argv), Outcome::Nothing);
    let near = json!({"target": "10.0.0.1", "max_hops": 4});
    assert_eq!(traceroute(near, &["traceroute", "-m", "4", "10.0.0.1"]), Outcome::Failure);
}

#[test]
fn a_scan_that_was_at_work_on_what_its_caller_asked_for_is_no_failure() {
    let nmap = |asked: Value, stdout: &'static str| {
        Ended { tool: "nmap", parser: Some("nmap-xml"), asked, stdout, ..Ended::default() }.says()
    };
    let chosen = [
        json!({"target": "10.0.0.0/22"}),
        json!({"target": "10.0.0.1", "preset": "thorough"}),
        json!({"target": "10.0.0.1", "ports": "1-65535"}),
        json!({"target": "10.0.0.1", "extra_args": "-p-"}),
    ];
    for asked in chosen {
        assert_eq!(nmap(asked.clone(), SCAN_AT_WORK), Outcome::Nothing, "{asked}");
        assert_eq!(nmap(asked.clone(), SILENT_SCAN), Outcome::Failure, "it hangs: {asked}");
    }
    let plain = json!({"target": "10.0.0.1"});
    assert_eq!(nmap(plain, SCAN_AT_WORK), Outcome::Failure, "its own options, its own time");
}

#[test]
fn more_work_than_there_is_memory_for_is_no_failure() {
    let end = End::Finished;
    let ended = |asked: Value, stderr: &'static str| {
        let status = ExitStatus::Signal(SIGABRT);
        Ended { tool: "nmap", asked, stderr, end, status, ..Ended::default() }.says()
    };
    let all = json!({"target": "10.0.0.0/22", "ports": "1-65535"});
    assert_eq!(ended(all.clone(), "what():  std::bad_alloc\n"), Outcome::Nothing);
    assert_eq!(ended(all, "Assertion failed\n"), Outcome::Failure, "it crashed");
    let plain = json!({"target": "10.0.0.1"});
    assert_eq!(ended(plain, "what():  std::bad_alloc\n"), Outcome::Failure, "it never works");
}

#[test]
fn what_did_not_run_or_was_ended_by_others_says_nothing() {
    for end in [End::Cancelled, End::ShuttingDown] {
        assert_eq!(Ended { end, ..Ended::default() }.says(), Outcome::Nothing);
    }
    let failure =
        Failure { kind: FailureKind::Audit, message: String::new(), remedy: String::new() };
    assert_eq!(Outcome::of(&Ok(RunOutcome::Failed(failure)), None, None), Outcome::Nothing);
    let output = run(plan("ping", "10.0.0.1"), Vec::new()).0;
    let lost = Err(BrokerError::Lost(Box::new(output)));
    assert_eq!(Outcome::of(&lost, None, None), Outcome::Nothing, "it takes every tool with it");
}

#[test]
fn an_exit_code_is_an_answer() {
    for code in [0, 1, 2, 127] {
        let status = ExitStatus::Code(code);
        assert_eq!(
            Ended { end: End::Finished, status, ..Ended::default() }.says(),
            Outcome::Success
        );
    }
}
