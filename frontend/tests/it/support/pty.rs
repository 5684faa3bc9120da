//! Terminals: a program run with some of its streams on one, and what then appears there.

use std::{
    fs::File,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Which streams are the terminal; the others are pipes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum On {
    Both,
    StdoutOnly,
    StderrOnly,
}

/// A terminal of so many columns, with `probity` running on it.
pub struct Terminal {
    child: Child,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// What it was in the end.
pub struct Seen {
    pub status: i32,
    /// Everything written to the terminal, escape sequences included, lines ending as on a pipe.
    pub terminal: String,
    /// What went to the stream that was no terminal.
    pub pipe: String,
}

impl Terminal {
    /// Runs `probity` with `variables` and no others that concern terminals.
    pub fn start(
        (on, columns): (On, u16),
        socket: &Path,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let terminal = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        // `CI` too: where it is set, a dumb terminal counts as one with colours.
        for variable in ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LOG_LEVEL"] {
            command.env_remove(variable);
        }
        command.env("TERM", "xterm-256color").env("PROBITY_SOCKET", socket).args(arguments);
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        command.stdout(if on == On::StderrOnly { Stdio::piped() } else { terminal() });
        command.stderr(if on == On::StdoutOnly { Stdio::piped() } else { terminal() });
        let child = command.spawn().unwrap();
        // These are the last ends of the terminal but the program's own.
        drop((command, pty.slave));
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&screen);
        let mut master = File::from(pty.master);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error of the system's.
            while let Ok(length @ 1..) = master.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { child, screen, reader }
    }

    /// Waits until `text` has been written.
    pub fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.text().contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} in {:?}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGINT).unwrap();
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Seen {
        let mut pipe = String::new();
        if let Some(stdout) = &mut self.child.stdout {
            stdout.read_to_string(&mut pipe).unwrap();
        }
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut pipe).unwrap();
        }
        let status = self.child.wait().unwrap().code().unwrap();
        self.reader.join().unwrap();
        let terminal = String::from_utf8(self.screen.lock().unwrap().clone()).unwrap();
        Seen { status, terminal: terminal.replace("\r\n", "\n"), pipe }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }
}
