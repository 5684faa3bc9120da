//! The administrator's pages are as they are written: each line of a shell that docs/install.md and
//! docs/troubleshooting.md have is run on an installed machine, in their order.

use std::{fs, path::Path};

use probity_tests::{
    lab::HOST,
    machine::{Machine, said},
};

use super::{installed, let_ada_in};

/// What these machines have not, and other tests do: building, apt's repositories, an editor.
const ELSEWHERE: &[&str] =
    &["make deb", "sudo apt install", "cargo install", "editor ", "sudo adduser"];

/// Lines of which the page says that they are refused, and the exit status by which it shows.
const REFUSED: &[(&str, i32)] =
    &[("probity call ping 8.8.8.8 --dry-run", 3), ("probity-policy explain", 1)];

/// The lines of a page's shell fences, less their comments.
fn lines_of(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let fences = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = fences.flat_map(str::lines).map(|line| line.split("  #").next().unwrap().trim());
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    assert!(lines.len() > 10, "{page}: {lines:?}");
    lines
}

/// Runs them with this machine's names, and with a secret of its own.
fn run(machine: &Machine, page: &str, token: &str) {
    for line in lines_of(page) {
        if ELSEWHERE.iter().any(|words| line.starts_with(words)) {
            continue;
        }
        let line = line
            .replace("192.168.1.1", &HOST.to_string())
            .replace("TARGET", &HOST.to_string())
            .replace("probity_…", token);
        let script = format!(
            "cd /home/ada && export HOME=$PWD TOKEN={token}; sudo() {{ \"$@\"; }}\n\
             curl() {{ command curl --fail-with-body --max-time 20 \"$@\"; }}\nset -o pipefail\n{line}"
        );
        // Ada is an administrator, who writes sudo where it takes root.
        let user = if line.contains("sudo ") { "root" } else { "ada" };
        let mut bash = machine.command("runuser");
        let output = bash.args(["-u", user, "--", "timeout", "60", "bash", "-c", &script]).output();
        let output = output.unwrap();
        let refused = REFUSED.iter().find(|(words, _)| line.starts_with(words));
        let expected = refused.map_or(0, |(_, status)| *status);
        assert_eq!(output.status.code(), Some(expected), "{page}: {line}\n{}", said(&output));
        assert!(
            !output.stdout.is_empty() || !line.contains('|'),
            "{page}: {line}: it says nothing"
        );
    }
}

#[test]
fn each_line_of_a_shell_does_what_the_page_says() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    machine.done("adduser --quiet ada adm").unwrap();
    let new = "probity token new --name tests --role admin --file /etc/probity/tokens.toml";
    let token = machine.done(new).unwrap();
    for page in ["install.md", "troubleshooting.md"] {
        run(&machine, page, token.trim());
    }
}
