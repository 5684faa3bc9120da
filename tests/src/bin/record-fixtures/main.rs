//! Records what the parsers are tested with: the output of real tools in a lab.
//!
//! `record-fixtures FOLDER [FILE-PREFIX]` (as root) builds a lab, runs each line of
//! [`RECORDINGS`] in its client, and writes what came on standard output to a file in the folder,
//! with a README that says how each was made. With a prefix, only the files so named. ping, traceroute, nmap,
//! dig, curl, openssl, mtr, tracepath, ip and arping are the machine's; the ping and traceroute of GNU
//! inetutils, busybox, kdig, drill and Thomas Habets's arping are unpacked into a temporary folder and
//! never installed. Nothing is
//! aimed at an address outside the lab, and a lab has no way out.

mod patchy_echo;
mod recordings;
mod ways;

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use probity_tests::lab::{Lab, Namespace};

use self::recordings::{CURL, HAND_MADE, Needs, RECORDINGS, Recording};

/// Packages that are only unpacked.
const UNPACKED: [&str; 12] = [
    "inetutils-ping",
    "inetutils-traceroute",
    "busybox",
    "arping",
    "libnet1",
    "knot-dnsutils",
    "libdnssec9",
    "libknot13",
    "libxdp1",
    "libzscanner4",
    "ldnsutils",
    "libldns3",
];

/// How the commands of the recordings call their programs, and where those are.
const PROGRAMS: [(&str, &str); 7] = [
    ("inetutils-ping", "bin/ping"),
    ("inetutils-ping6", "bin/ping6"),
    ("inetutils-traceroute", "usr/bin/inetutils-traceroute"),
    ("busybox", "bin/busybox"),
    ("habets-arping", "usr/sbin/arping"),
    ("kdig", "usr/bin/kdig"),
    ("drill", "usr/bin/drill"),
];

/// Where Debian has the libraries of this machine's kind.
const LIBRARIES: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" };

const PACKAGES: [&str; 17] = [
    "iputils-ping",
    "traceroute",
    "nmap",
    "tcpdump",
    "inetutils-ping",
    "inetutils-traceroute",
    "busybox",
    "mtr-tiny",
    "iputils-tracepath",
    "iproute2",
    "iputils-arping",
    "arping",
    "bind9-dnsutils",
    "curl",
    "openssl",
    "knot-dnsutils",
    "ldnsutils",
];

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1).ok_or("usage: record-fixtures FOLDER [FILE-PREFIX]")?;
    if argument == patchy_echo::WORD {
        return patchy_echo::answer();
    }
    let folder = fs::canonicalize(&argument)?;
    let only = env::args().nth(2).unwrap_or_default();
    let programs = unpack()?;
    let mut lab = Lab::new()?;
    lab.widen()?;
    lab.flaw()?;
    lab.serve_dns()?;
    lab.serve_web()?;
    for recording in recordings().filter(|recording| recording.file.starts_with(&only)) {
        println!("{:36} {}", recording.file, recording.command);
        fs::write(folder.join(recording.file), record(&lab, programs.path(), recording)?)?;
    }
    fs::write(folder.join("README.md"), readme()?)?;
    Ok(())
}

/// The line of shell of a recording.
fn words(recording: &Recording) -> String {
    let before = if recording.needs == Needs::Curl { CURL } else { "" };
    format!("{before}{}", recording.command)
}

fn recordings() -> impl Iterator<Item = &'static Recording> {
    RECORDINGS.iter().chain(ways::RECORDINGS)
}

/// What a recording's command writes on standard output, however it ends.
fn record(lab: &Lab, programs: &Path, recording: &Recording) -> Result<Vec<u8>, Box<dyn Error>> {
    let path = format!("{}:/usr/bin:/usr/sbin:/bin", programs.display());
    let host = lab.host();
    let patchy = match recording.needs {
        Needs::Nothing | Needs::Curl => None,
        Needs::PatchyEcho => Some(PatchyEcho::start(&host)?),
    };
    let output = lab
        .client()
        .command("/bin/sh")
        .args(["-c", &words(recording)])
        .env_clear()
        .env("PATH", path)
        .env("LD_LIBRARY_PATH", programs.join("root/usr/lib").join(LIBRARIES))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    drop(patchy);
    Ok(output.stdout)
}

/// The host's kernel silent, and this program answering in its place.
struct PatchyEcho<'a> {
    host: &'a Namespace,
    answering: Child,
}

impl<'a> PatchyEcho<'a> {
    fn start(host: &'a Namespace) -> Result<Self, Box<dyn Error>> {
        let mut answering = host
            .command(env::current_exe()?)
            .arg(patchy_echo::WORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        kernel_echo(host, false)?;
        let stdout = answering.stdout.take().ok_or("no pipe")?;
        BufReader::new(stdout).read_line(&mut String::new())?;
        Ok(Self { host, answering })
    }
}

impl Drop for PatchyEcho<'_> {
    fn drop(&mut self) {
        let _ = self.answering.kill();
        let _ = self.answering.wait();
        let _ = kernel_echo(self.host, true);
    }
}

fn kernel_echo(host: &Namespace, answers: bool) -> Result<(), Box<dyn Error>> {
    let ignore = u8::from(!answers);
    let script = format!("echo {ignore} >/proc/sys/net/ipv4/icmp_echo_ignore_all");
    let status = host.command("/bin/sh").args(["-c", &script]).status()?;
    if status.success() { Ok(()) } else { Err("the host's kernel does not listen".into()) }
}

/// A folder with the programs that are not installed.
fn unpack() -> Result<tempfile::TempDir, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    run(Command::new("apt-get").args(["download", "-qq"]).args(UNPACKED).current_dir(&folder))?;
    let packages: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    for package in packages {
        run(Command::new("dpkg").arg("-x").arg(&package).arg(folder.path().join("root")))?;
    }
    for (name, path) in PROGRAMS {
        std::os::unix::fs::symlink(
            folder.path().join("root").join(path),
            folder.path().join(name),
        )?;
    }
    Ok(folder)
}

fn run(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn readme() -> Result<String, Box<dyn Error>> {
    let mut text = String::from(
        "# Recorded outputs\n\n\
         Standard output of real tools in a lab of network namespaces (`tests/src/lab/wider.rs`\n\
         says what each address does). `target/debug/record-fixtures` writes these files and this\n\
         page again: `record-fixtures output/src/parsers/fixtures`, as root. Times differ from\n\
         one recording to the next, so the tests ask for none of them.\n\n\
         | package | version |\n|---|---|\n",
    );
    for package in PACKAGES {
        let shown = run(Command::new("apt-cache").args(["policy", package]))?;
        let line = |name| shown.lines().find_map(|line| line.trim().strip_prefix(name));
        // What is only unpacked is not installed; its version is the one on offer.
        let installed = line("Installed: ").filter(|version| *version != "(none)");
        let version = installed.or(line("Candidate: ")).unwrap_or("unknown");
        writeln!(text, "| {package} | {version} |")?;
    }
    text.push_str("\n| file | command |\n|---|---|\n");
    for recording in recordings() {
        let Recording { file, needs, .. } = recording;
        let command = words(recording);
        let note = match needs {
            Needs::Nothing | Needs::Curl => "",
            Needs::PatchyEcho => {
                ", the host answering each fourth request thrice and the next never"
            }
        };
        writeln!(text, "| `{file}` | `{}`{note} |", command.replace('|', "\\|"))?;
    }
    text.push_str("\n| file | made by hand, after |\n|---|---|\n");
    for (file, after) in ways::BY_HAND.iter().chain(&HAND_MADE) {
        writeln!(text, "| `{file}` | {after} |")?;
    }
    Ok(text)
}
