//! The command line on a terminal, against a scripted broker.
//!
//! - colours, and who can turn them off or on
//! - each way a call can end, by its words and its colour
//! - tables within the terminal's width
//! - the line of progress: when it comes, what it says, how it goes
//! - Ctrl-C: once, twice, and too early

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{
    ScriptedBroker, Step,
    pty::{On, Seen, Terminal},
    samples::*,
};
use probity_protocol::*;

const ESCAPE: char = '\u{1b}';

/// Clears the line that the cursor is in.
const CLEARED: &str = "\u{1b}[2K";

fn seen(broker: &ScriptedBroker, variables: &[(&str, &str)], arguments: &[&str]) -> Seen {
    Terminal::start((On::Both, 80), &broker.socket, variables, arguments).finish()
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// A ping that takes longer than anybody waits without a sign.
fn slow() -> ScriptedBroker {
    let wait = Step::Wait(Duration::from_secs(2));
    ScriptedBroker::start(script_with(&[vec![
        started(),
        wait,
        output(Stream::Stdout, PONG),
        exited(0),
    ]]))
}

#[test]
fn colours_are_for_terminals_and_can_be_turned_off() {
    let broker = ScriptedBroker::start(script());
    for line in [&["tools"][..], &["tools", "ping"], &["call", "ping", "10.0.0.1"]] {
        let coloured = seen(&broker, &[], line).terminal;
        assert!(coloured.contains(ESCAPE), "{line:?}: {coloured:?}");
        for off in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            let text = seen(&broker, &[off], line).terminal;
            assert_eq!(text, plain(&coloured), "{line:?} {off:?}");
        }
        let never = [line, &["--color", "never"]].concat();
        assert_eq!(seen(&broker, &[], &never).terminal, plain(&coloured), "{line:?}");
    }
}

#[test]
fn colours_can_be_asked_for_in_a_pipe_and_win_over_no_color() {
    let broker = ScriptedBroker::start(script());
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env("PROBITY_SOCKET", &broker.socket).env("NO_COLOR", "1").stderr(Stdio::null());
    let output = command.args(["tools", "--color", "always"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(ESCAPE));
}

#[test]
fn each_way_a_call_can_end_has_its_own_words_and_colour() {
    let missing = Failure {
        kind: FailureKind::NotFound,
        message: "/usr/bin/ping is not there".into(),
        remedy: "Run `apt install iputils-ping`.".into(),
    };
    let endings = [
        (vec![started(), output(Stream::Stdout, PONG), exited(0)], "10.0.0.1"),
        (vec![started(), output(Stream::Stdout, SILENCE), exited(1)], "10.0.0.1"),
        (vec![denied(DenialCode::TargetNotAllowed)], "REFUSED"),
        (vec![started(), ended(End::TimedOut, ExitStatus::Signal(9))], "TIMED OUT"),
        (vec![Step::Send(Reply::Failed(missing))], "The tool could not run"),
    ];
    let mut styles = BTreeSet::new();
    for (steps, words) in &endings {
        let broker = ScriptedBroker::start(script_with(std::slice::from_ref(steps)));
        let text = seen(&broker, &[], &["call", "ping", "10.0.0.1"]).terminal;
        let (style, _) = text.split_once(words).unwrap_or_else(|| panic!("{words}: {text:?}"));
        assert!(style.starts_with(ESCAPE), "{text:?}");
        styles.insert(style.to_owned());
    }
    assert_eq!(styles.len(), endings.len(), "{styles:?}");
}

/// Lines that a host would have a tool write, one of them begun anew by the terminal itself.
fn forged() -> String {
    format!("REFUSED (X): no\nThis would pass: it\n{}REFUSED (Y): no\n", "x".repeat(38))
}

/// Every line that has words of the tool's stands behind a mark, or goes on with a sentence that quotes
/// them.
fn assert_marked(text: &str) {
    let text = plain(text);
    assert!(text.contains("REFUSED (Y)"), "{text}");
    let of_the_tool =
        |line: &&str| ["REFUSED", "This would", "xxx"].iter().any(|w| line.contains(w));
    for line in text.lines().filter(of_the_tool) {
        let is_marked = line.starts_with("> ") || line.starts_with("    ");
        assert!(is_marked && line.chars().count() <= 40, "{line:?} in {text}");
    }
}

#[test]
fn what_a_tool_wrote_stands_behind_marks_on_each_line_of_a_terminal() {
    let steps = |stream, code| vec![started(), output(stream, &forged()), exited(code)];
    for (stream, code) in [(Stream::Stdout, 0), (Stream::Stderr, 0), (Stream::Stderr, 2)] {
        let broker = ScriptedBroker::start(script_with(&[steps(stream, code)]));
        let line = ["call", "ping", "10.0.0.1"];
        let terminal = Terminal::start((On::Both, 40), &broker.socket, &[], &line);
        let seen = terminal.finish();
        let own = if code == 0 { "FINISHED" } else { "FAILED" };
        assert!(plain(&seen.terminal).starts_with(own), "{:?}", seen.terminal);
        assert_marked(&seen.terminal);
    }
}

#[test]
fn raw_output_goes_to_a_program_as_it_is_and_to_a_person_behind_marks() {
    let line = ["call", "ping", "10.0.0.1", "--raw"];
    for (stream, on, is_seen) in [
        (Stream::Stdout, On::Both, true),
        (Stream::Stderr, On::Both, true),
        (Stream::Stdout, On::StdoutOnly, true),
        (Stream::Stderr, On::StderrOnly, true),
        (Stream::Stdout, On::StderrOnly, false),
        (Stream::Stderr, On::StdoutOnly, false),
    ] {
        let broker = ScriptedBroker::start(script_with(&[vec![
            started(),
            output(stream, &forged()),
            exited(0),
        ]]));
        let seen = Terminal::start((on, 40), &broker.socket, &[("COLUMNS", "40")], &line).finish();
        match is_seen {
            true => assert_marked(&seen.terminal),
            false => assert_eq!(seen.pipe, forged()),
        }
    }
}

#[test]
fn tables_stay_within_the_terminal_and_columns_wins_over_its_size() {
    let broker = ScriptedBroker::start(script());
    for (columns, variables, width) in
        [(60, &[][..], 60), (200, &[], 200), (200, &[("COLUMNS", "60")], 60)]
    {
        for line in [&["tools"][..], &["tools", "ping"]] {
            let terminal = Terminal::start((On::Both, columns), &broker.socket, variables, line);
            let text = plain(&terminal.finish().terminal);
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width, "{longest} of {width}:\n{text}");
            // Broken, where it has to be, and only there.
            let whole = text.contains("Discover hosts, open ports and services.");
            assert!(line.len() > 1 || whole == (width == 200), "{text}");
        }
    }
}

#[test]
fn words_are_whole_at_the_end_of_a_line_and_messages_keep_within_the_terminal() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]));
    let nowhere = "/nonexistent/a-socket-with-a-long-name/broker.sock";
    for line in [&["call", "ping", "10.0.0.1"][..], &["tools", "--socket", nowhere]] {
        let wide = Terminal::start((On::Both, 400), &broker.socket, &[], line).finish().terminal;
        let narrow = Terminal::start((On::Both, 60), &broker.socket, &[], line).finish().terminal;
        let words =
            |text: &str| plain(text).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&narrow), words(&wide), "{narrow}");
        let longest = plain(&narrow).lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 60, "{longest}: {narrow}");
    }
}

#[test]
fn help_is_broken_where_the_terminal_ends_and_nowhere_before() {
    let broker = ScriptedBroker::start(script());
    let commands = ["call", "tools", "stdio", "http", "client-config", "doctor", "config"];
    let lines = commands.map(|command| vec![command, "--help"]);
    for line in lines.iter().cloned().chain([vec!["--help"], vec!["token", "new", "--help"]]) {
        let text = plain(&seen(&broker, &[], &line).terminal);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        for pair in lines.windows(2) {
            assert!(pair[0].chars().count() <= 80, "{line:?}: {}", pair[0]);
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            if is_prose(pair[0]) && is_prose(pair[1]) && !pair[0].ends_with(':') {
                let next = pair[1].split(' ').next().unwrap();
                let room = pair[0].chars().count() + 1 + next.chars().count();
                assert!(room > 80, "{line:?}: {pair:?}");
            }
        }
    }
}

#[test]
fn a_scan_that_finds_nobody_is_no_success_to_look_at() {
    let report = include_str!("../../../output/src/parsers/fixtures/nmap_silent.xml");
    let broker = ScriptedBroker::start(script_with(&[vec![
        started(),
        output(Stream::Stdout, report),
        exited(0),
    ]]));
    let text = seen(&broker, &[], &["call", "nmap", "10.0.0.1"]).terminal;
    assert!(text.contains("no host is up") && !text.contains("\u{1b}[32m"), "{text:?}");
}

#[test]
fn a_call_that_takes_a_while_shows_how_far_it_is_and_clears_that_away() {
    let plan = PlanSummary { timeout: Duration::from_millis(7_500), ..plan() };
    let begun = Step::Send(Reply::Started(Started { pid: 4242, plan }));
    let wait = Step::Wait(Duration::from_secs(2));
    let steps = vec![begun, wait, output(Stream::Stdout, PONG), exited(0)];
    let broker = ScriptedBroker::start(script_with(&[steps]));
    let seen = seen(&broker, &[], &["call", "ping", "10.0.0.1", "--timeout", "7.5"]);
    let (before, after) = seen.terminal.rsplit_once(CLEARED).expect("no line was cleared");
    assert!(before.contains("of 7.5 s  ping 10.0.0.1"), "{before:?}");
    assert!(plain(after).starts_with("10.0.0.1"), "{after:?}");
    assert_eq!(seen.status, 0);
}

#[test]
fn the_usual_time_limit_is_shown_where_none_is_asked_for() {
    let broker = slow();
    let seen = seen(&broker, &[], &["call", "PingTool", "10.0.0.1"]);
    assert!(seen.terminal.contains("of 30 s  PingTool 10.0.0.1"), "{:?}", seen.terminal);
}

#[test]
fn a_dry_run_that_takes_a_while_has_no_limit_to_show() {
    let mut script = script();
    script.check.insert(0, Step::Wait(Duration::from_secs(2)));
    let broker = ScriptedBroker::start(script);
    let seen = seen(&broker, &[], &["call", "ping", "10.0.0.1", "--dry-run"]);
    assert!(seen.terminal.contains(" s  ping 10.0.0.1"), "{:?}", seen.terminal);
    assert!(!seen.terminal.contains("[>"), "{:?}", seen.terminal);
}

#[test]
fn json_in_a_pipe_stays_json_while_the_terminal_shows_progress() {
    let broker = slow();
    let line = ["call", "ping", "10.0.0.1", "--json"];
    let seen = Terminal::start((On::StderrOnly, 80), &broker.socket, &[], &line).finish();
    let result: serde_json::Value = serde_json::from_str(&seen.pipe).unwrap();
    assert_eq!(result["returncode"], 0);
    assert!(seen.terminal.contains("of 30 s"), "{:?}", seen.terminal);
    assert!(seen.terminal.ends_with(CLEARED), "{:?}", seen.terminal);
}

#[test]
fn no_progress_is_written_where_standard_error_is_no_terminal() {
    let broker = slow();
    let line = ["call", "ping", "10.0.0.1"];
    let seen = Terminal::start((On::StdoutOnly, 80), &broker.socket, &[], &line).finish();
    assert_eq!(seen.pipe, "");
    assert!(!seen.terminal.contains(CLEARED), "{:?}", seen.terminal);
}

#[test]
fn a_short_call_and_a_dumb_terminal_show_no_progress() {
    let broker = ScriptedBroker::start(script());
    let short = seen(&broker, &[], &["call", "ping", "10.0.0.1"]);
    assert!(!short.terminal.contains(CLEARED), "{:?}", short.terminal);
    let dumb = seen(&slow(), &[("TERM", "dumb")], &["call", "ping", "10.0.0.1"]);
    assert!(!dumb.terminal.contains(ESCAPE), "{:?}", dumb.terminal);
}

#[test]
fn events_that_were_asked_for_are_not_written_over_a_line_of_progress() {
    let seen = seen(&slow(), &[("LOG_LEVEL", "INFO")], &["call", "ping", "10.0.0.1"]);
    assert!(seen.terminal.contains("tool.finish"), "{:?}", seen.terminal);
    assert!(!seen.terminal.contains(CLEARED), "{:?}", seen.terminal);
}

#[test]
fn the_bar_and_its_words_are_the_tools_own() {
    let wait = Step::Wait(Duration::from_millis(1_500));
    let mut steps = vec![started(), output(Stream::Stdout, &replies(3)), wait];
    steps.extend([output(Stream::Stdout, PONG), exited(0)]);
    let broker = ScriptedBroker::start(script_with(&[steps]));
    let seen = Terminal::start((On::Both, 120), &broker.socket, &[], &["call", "ping", "10.0.0.1"]);
    let seen = seen.finish().terminal;
    // More than the command said that it would send: a count that is wrong is not shown.
    assert!(seen.contains("ping 10.0.0.1: reply 3 from 10.0.0.1: 0.1 ms"), "{seen:?}");

    let plan = PlanSummary { argv: argv("ping -n -c 4 10.0.0.1"), ..plan() };
    let begun = Step::Send(Reply::Started(Started { pid: 1, plan }));
    let wait = Step::Wait(Duration::from_millis(1_500));
    let steps = vec![begun, output(Stream::Stdout, &replies(3)), wait, exited(0)];
    let broker = ScriptedBroker::start(script_with(&[steps]));
    let seen = Terminal::start((On::Both, 120), &broker.socket, &[], &["call", "ping", "10.0.0.1"]);
    let seen = seen.finish().terminal;
    assert!(seen.contains("reply 3 of 4 from"), "{seen:?}");
    // Three quarters of twenty, whatever the time limit is.
    assert!(seen.contains(&format!("[{}>    ]", "=".repeat(15))), "{seen:?}");
}

#[test]
fn a_call_that_waits_shows_its_place_in_the_line() {
    let place = Queued { ahead: 3, expected_wait: Some(Duration::from_secs(40)) };
    let wait = Step::Wait(Duration::from_millis(1_500));
    let steps =
        vec![Step::Send(Reply::Queued(place)), wait, started(), output(Stream::Stdout, PONG)];
    let steps = [steps, vec![exited(0)]].concat();
    let broker = ScriptedBroker::start(script_with(&[steps]));
    let seen = Terminal::start((On::Both, 120), &broker.socket, &[], &["call", "ping", "10.0.0.1"]);
    let seen = seen.finish();
    let words = "ping 10.0.0.1: waiting for its turn: 3 runs are ahead, about 40 s";
    assert!(seen.terminal.contains(words), "{:?}", seen.terminal);
    assert_eq!(seen.status, 0);
}

#[test]
fn a_call_that_waits_for_another_person_says_whom_to_ask_in_full_above_the_line() {
    let wait = Step::Wait(Duration::from_millis(1_500));
    let steps = vec![awaits_approval(), wait, started(), output(Stream::Stdout, PONG), exited(0)];
    let broker = ScriptedBroker::start(script_with(&[steps]));
    let seen = Terminal::start((On::Both, 60), &broker.socket, &[], &["call", "ping", "10.0.0.1"]);
    let seen = seen.finish();
    let words = "probity: waiting for another person: within 10 min user ann or group leads can run \
                 `probity-policy approve 3f2a91c0`";
    assert_eq!(seen.terminal.matches(words).count(), 1, "{:?}", seen.terminal);
    assert!(seen.terminal.contains("ping 10.0.0.1: waiting for another person"));
    assert_eq!(seen.status, 0);
}

#[test]
fn ctrl_c_cancels_the_run_and_prints_what_there_was_until_then() {
    for (options, pipe) in [(&[][..], false), (&["--raw"], false), (&["--json"], true)] {
        let steps = vec![started(), output(Stream::Stdout, &replies(2)), Step::AwaitCancel];
        let ending = ended(End::Cancelled, ExitStatus::Signal(15));
        let steps = [steps, vec![output(Stream::Stdout, &reply(3)), ending]].concat();
        let broker = ScriptedBroker::start(script_with(&[steps]));
        let line = [&["call", "ping", "10.0.0.1"], options].concat();
        let on = if pipe { On::StderrOnly } else { On::Both };
        let terminal = Terminal::start((on, 80), &broker.socket, &[], &line);
        terminal.wait_for("of 30 s");
        terminal.interrupt();
        let seen = terminal.finish();
        assert_eq!(seen.status, 130, "{options:?}");
        let after = seen.terminal.rsplit_once(CLEARED).expect("no line was cleared").1;
        let after = plain(after);
        match options.first() {
            None => {
                assert!(after.starts_with("CANCELLED: the run was cancelled"), "{after:?}");
                assert!(after.contains("3 received"), "{after:?}");
            }
            Some(&"--raw") => {
                assert!(after.contains("icmp_seq=3"), "{after:?}");
                assert!(after.contains("the run was cancelled"), "{after:?}");
            }
            Some(_) => {
                let result: serde_json::Value = serde_json::from_str(&seen.pipe).unwrap();
                assert_eq!(result["error_type"], "EXECUTION_ERROR");
                assert_eq!(result["metadata"]["cancelled"], true);
                assert_eq!(result["parsed"]["received"], 3);
                assert_eq!(result["parsed"]["complete"], false);
            }
        }
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_hangs_up() {
    let broker = ScriptedBroker::start(script_with(&[vec![
        started(),
        Step::AwaitCancel,
        Step::AwaitHangUp,
    ]]));
    let line = ["call", "ping", "10.0.0.1"];
    let terminal = Terminal::start((On::Both, 80), &broker.socket, &[], &line);
    terminal.wait_for("of 30 s");
    terminal.interrupt();
    assert!(broker.await_cancel());
    terminal.interrupt();
    let seen = terminal.finish();
    assert_eq!(seen.status, 130);
    assert!(seen.terminal.ends_with(CLEARED), "{:?}", seen.terminal);
    assert!(broker.await_hang_up());
}

#[test]
fn ctrl_c_before_the_tool_runs_leaves_nothing_to_print() {
    let place = Queued { ahead: 0, expected_wait: None };
    let steps = vec![Step::Send(Reply::Queued(place)), Step::AwaitHangUp];
    let broker = ScriptedBroker::start(script_with(&[steps]));
    let line = ["call", "ping", "10.0.0.1"];
    let terminal = Terminal::start((On::Both, 80), &broker.socket, &[], &line);
    terminal.wait_for("it is the next");
    terminal.interrupt();
    let seen = terminal.finish();
    assert_eq!(seen.status, 130);
    assert!(seen.terminal.ends_with(CLEARED), "{:?}", seen.terminal);
    assert!(broker.await_hang_up());
}

fn argv(words: &str) -> Vec<String> {
    words.split(' ').map(String::from).collect()
}

/// What ping writes of so many replies.
fn replies(count: u32) -> String {
    let header = String::from("PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n");
    (1..=count).fold(header, |text, number| text + &reply(number))
}

fn reply(number: u32) -> String {
    format!("64 bytes from 10.0.0.1: icmp_seq={number} ttl=64 time=0.1 ms\n")
}
