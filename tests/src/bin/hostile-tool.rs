//! A tool that does what no tool should, and says how far it came.
//!
//! `hostile-tool --what WHAT TARGET` runs in the broker's sandbox as ping and nmap do. `probe`
//! prints one line for each attempt, `name: ok` or `name: EACCES`; the other words misbehave in
//! one way each. It never harms: what it would do outside a sandbox, it does to its own folder, or
//! it asks for and does not use.
#![forbid(unsafe_code)]

use std::{
    env, fs, io,
    io::Write as _,
    net::{TcpListener, UdpSocket},
    os::unix::{
        fs::{OpenOptionsExt as _, PermissionsExt as _},
        net::{UnixDatagram, UnixListener, UnixStream},
        process::CommandExt as _,
    },
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, Signal, kill},
        socket::{AddressFamily, SockFlag, SockType, socket},
    },
    unistd::{Pid, getppid, setpgid, setsid},
};

/// What `flood` and `stderr-flood` write.
const FLOOD_BYTES: usize = 5_000_000;

/// What `huge-flood` writes.
const HUGE_FLOOD_BYTES: usize = 100_000_000;

/// What `parting` writes, less than a pipe holds: it is gone before anybody reads.
const PARTING_BYTES: usize = 50_000;

/// What can be executed by whoever may read what it is to load.
const LOADER: &str = if cfg!(target_arch = "x86_64") {
    "/lib64/ld-linux-x86-64.so.2"
} else {
    "/lib/ld-linux-aarch64.so.1"
};

/// Longer than any test lets it live.
const LONG: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let what = match &arguments[..] {
        [_, flag, what, _target] if flag == "--what" => what.as_str(),
        _ => {
            eprintln!("usage: hostile-tool --what WHAT TARGET");
            return ExitCode::from(2);
        }
    };
    match what {
        "probe" => probe(),
        // Both end the process; a line after them is a hole.
        "ptrace" => report("ptrace", nix::sys::ptrace::traceme()),
        "memfd" => {
            report("memfd", nix::sys::memfd::memfd_create(c"x", nix::sys::memfd::MFdFlags::empty()))
        }
        "flood" => flood(&mut io::stdout(), FLOOD_BYTES),
        "stderr-flood" => flood(&mut io::stderr(), FLOOD_BYTES),
        "endless" => flood(&mut io::stdout(), usize::MAX),
        "stubborn" => {
            let mut term = SigSet::empty();
            term.add(Signal::SIGTERM);
            report("stubborn", term.thread_block());
            thread::sleep(LONG);
        }
        "sleep" => {
            say("sleeping: ok");
            thread::sleep(LONG);
        }
        "memory" => {
            let block = vec![1_u8; 1 << 30];
            say(&format!("memory: ok {}", block.len()));
        }
        "spin" => {
            say("spinning: ok");
            while std::hint::black_box(true) {}
        }
        "big-file" => {
            // Within its own folder, but without end.
            let mut file = fs::File::create("big").expect("a file in the private folder");
            while file.write_all(&[0; 1 << 16]).is_ok() {}
            say("big-file: refused");
        }
        "many-files" => many_files(),
        "exit3" => return ExitCode::from(3),
        "nap" => thread::sleep(Duration::from_millis(200)),
        "huge-flood" => flood(&mut io::stdout(), HUGE_FLOOD_BYTES),
        "parting" => {
            flood(&mut io::stdout(), PARTING_BYTES);
            flood(&mut io::stderr(), PARTING_BYTES);
        }
        "close-outputs" => {
            say("closing: ok");
            report("close", nix::unistd::close(2));
            let _ = nix::unistd::close(1);
            thread::sleep(LONG);
        }
        "forks" => {
            // Each of them would do the same.
            for _ in 0..20 {
                let itself = Command::new(own_program()).args(["--what", "forks", "x"]).spawn();
                report("fork", itself);
                report("thread", thread::Builder::new().spawn(|| thread::sleep(LONG)));
            }
            thread::sleep(LONG);
        }
        other => {
            eprintln!("hostile-tool: {other}?");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn probe() {
    files();
    sockets();
    processes();
    descriptors();
    for (name, value) in env::vars() {
        say(&format!("env {name}={value}"));
    }
    // Last: one that succeeds is the end of this program.
    execution();
    say("end: ok");
}

fn files() {
    report("read /etc/hostname", fs::read("/etc/hostname"));
    report("read /etc/shadow", fs::read("/etc/shadow"));
    report("read /proc/1/cmdline", fs::read("/proc/1/cmdline"));
    report("read /proc/self/status", fs::read("/proc/self/status"));
    let broker = format!("/proc/{}/environ", getppid());
    report("read the broker's environment", fs::read(broker));
    report("list /root", fs::read_dir("/root"));
    report("list /tmp", fs::read_dir("/tmp"));
    report("list the other runs", fs::read_dir(".."));
    report("write /tmp", fs::write("/tmp/probity-hostile", "x"));
    report("write beside its folder", fs::write("../hostile", "x"));
    report("append to the audit log", fs::File::options().append(true).open("../../audit.jsonl"));
    report("write its own program", fs::File::options().write(true).open(own_program()));
    report("write its own folder", fs::write("mine", "x"));
    report("read its own folder", fs::read("mine"));
    report("list its own folder", fs::read_dir("."));
    report("make a folder", fs::create_dir("folder"));
    report("link out of its folder", std::os::unix::fs::symlink("/etc/shadow", "shadow"));
}

fn sockets() {
    report("unix datagram socket", UnixDatagram::unbound());
    report("unix listener", UnixListener::bind("socket"));
    report("unix pair", UnixStream::pair());
    report("listen on tcp", TcpListener::bind("127.0.0.1:0"));
    report("udp socket", UdpSocket::bind("127.0.0.1:0"));
    let raw = |family, kind| socket(family, kind, SockFlag::empty(), None);
    report("raw ip socket", raw(AddressFamily::Inet, SockType::Raw));
    report("packet socket", raw(AddressFamily::Packet, SockType::Raw));
    report("netlink socket", raw(AddressFamily::Netlink, SockType::Raw));
    report("vsock", raw(AddressFamily::Vsock, SockType::Stream));
    report("clear the signal at the broker's death", nix::sys::prctl::set_pdeathsig(None));
}

/// As many files as it is let make.
fn many_files() {
    for count in 0..100_000 {
        if let Err(error) = fs::write(format!("file-{count}"), "x") {
            return say(&format!("files made: {count}, then {}", name(&error)));
        }
    }
    say("files made: without end");
}

fn processes() {
    let parent = getppid();
    report("signal the broker", kill(parent, Signal::SIGCONT));
    report("ask for the broker", kill(parent, None));
    report("signal everybody", kill(Pid::from_raw(-1), None));
    report("setsid", setsid());
    report("setpgid", setpgid(Pid::from_raw(0), Pid::from_raw(0)));
    report("thread", thread::Builder::new().spawn(|| ()));
    report("fork and execute itself", Command::new(own_program()).spawn());
}

/// What is open, by a link that Landlock does not guard, and how much can be opened.
fn descriptors() {
    report("list /proc/self/fd", fs::read_dir("/proc/self/fd"));
    for number in 0..4096 {
        if let Ok(target) = fs::read_link(format!("/proc/self/fd/{number}")) {
            let kind = target.to_string_lossy();
            let kind = kind.split('[').next().unwrap_or_default();
            say(&format!("descriptor {number}: {kind}"));
        }
    }
    let mut held = Vec::new();
    loop {
        match fs::File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(error) => {
                let count = held.len();
                drop(held);
                say(&format!("descriptors opened: {count}, then {}", name(&error)));
                return;
            }
        }
    }
}

fn execution() {
    let written = fs::File::options().write(true).create_new(true).mode(0o700).open("script");
    report("make a program", written.and_then(|mut file| file.write_all(b"#!/bin/sh\necho out\n")));
    let executable = fs::Permissions::from_mode(0o755);
    report("chmod", fs::set_permissions("script", executable));
    let copied = fs::read(own_program()).and_then(|bytes| {
        let file = fs::File::options().write(true).create_new(true).mode(0o700).open("copy");
        file?.write_all(&bytes)
    });
    report("copy itself", copied);
    for (name, program) in [
        ("execute what it wrote", "./script"),
        ("execute its own copy", "./copy"),
        ("execute a shell", "/bin/sh"),
        ("execute ping", "/usr/bin/ping"),
        ("execute itself", &own_program()),
        ("execute the loader", LOADER),
    ] {
        let error = Command::new(program).arg("/usr/bin/true").exec();
        report::<()>(name, Err(error));
    }
}

fn own_program() -> String {
    env::args().next().unwrap_or_default()
}

fn flood(to: &mut impl io::Write, bytes: usize) {
    let block = [b'x'; 10_000];
    for _ in 0..bytes / block.len() {
        if to.write_all(&block).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

fn report<T>(what: &str, result: Result<T, impl Into<io::Error>>) {
    let outcome = match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => name(&error.into()),
    };
    say(&format!("{what}: {outcome}"));
}

fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    }
}

/// A line at once: the next attempt may be the last.
fn say(line: &str) {
    let mut stdout = io::stdout();
    // Nobody listens: then there is nobody to tell.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
