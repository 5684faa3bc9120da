//! A broker that follows a script: it speaks the real protocol over a real socket, decides nothing
//! and runs nothing.

use std::{
    collections::HashSet,
    fs,
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use probity_protocol::*;
pub use probity_tests::procs::wait_until;

pub mod command;
pub mod http;
pub mod mcp_http;
pub mod pty;
pub mod samples;
pub mod stdio;

/// For whatever has to happen at all; never waited out where all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

#[allow(clippy::large_enum_variant)] // A handful exist in each test.
/// One thing the broker does after it has read a request.
#[derive(Clone)]
pub enum Step {
    /// Send a message.
    Send(Reply),
    /// Send a frame with these bytes.
    Garbage(Vec<u8>),
    /// Let time pass.
    Wait(Duration),
    /// Wait until the client cancels the run.
    AwaitCancel,
    /// Wait until the client closes the connection, and count that.
    AwaitHangUp,
}

/// Lets everybody get to a socket: root's frontend asks as nobody.
pub fn open_to_all(socket: &Path) {
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(socket.parent().unwrap(), 0o755);
    open(socket, 0o666);
}

/// The running broker. It ends with the test's process.
pub struct ScriptedBroker {
    pub socket: PathBuf,
    pub requests: Arc<Mutex<Vec<Request>>>,
    pub hang_ups: Arc<AtomicUsize>,
    pub cancels: Arc<AtomicUsize>,
    watchers: Arc<Mutex<Vec<UnixStream>>>,
    turned_away: Arc<Mutex<Vec<Option<Reply>>>>,
    _directory: tempfile::TempDir,
}

/// What it answers, by kind of request. Each run takes the next script; the last one stays.
#[derive(Clone)]
pub struct Script {
    pub welcome: Reply,
    pub catalog: Vec<Step>,
    pub check: Vec<Step>,
    /// The answer to a check that follows another request of the same call.
    pub check_again: Vec<Step>,
    pub runs: Vec<Vec<Step>>,
}

impl ScriptedBroker {
    pub fn start(script: Script) -> Self {
        let directory = tempfile::Builder::new().prefix("scripted-").tempdir_in("/tmp").unwrap();
        let socket = directory.path().join("broker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        open_to_all(&socket);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let hang_ups = Arc::new(AtomicUsize::new(0));
        let cancels = Arc::new(AtomicUsize::new(0));
        let watchers = Arc::new(Mutex::new(Vec::new()));
        let turned_away = Arc::new(Mutex::new(Vec::new()));
        let state = ScriptState {
            script,
            log: requests.clone(),
            gone: hang_ups.clone(),
            cancels: cancels.clone(),
            runs: Arc::default(),
            asked: Arc::default(),
            watchers: watchers.clone(),
            turned_away: turned_away.clone(),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { socket, requests, hang_ups, cancels, watchers, turned_away, _directory: directory }
    }

    /// Sends a new catalog to everybody who watches, as a reload does. Waits until somebody does.
    pub fn publish(&self, catalog: &Catalog) {
        let is_watched = || !self.watchers.lock().unwrap().is_empty();
        assert!(wait_until(PATIENCE, is_watched), "nobody watches the catalog");
        let frame = encode(&Reply::Catalog(catalog.clone()));
        for watcher in self.watchers.lock().unwrap().iter_mut() {
            write_frame(watcher, &frame);
        }
    }

    /// Closes the next connections without a welcome, each with its word where there is one. The
    /// last comes first.
    pub fn turn_away(&self, words: Vec<Option<Reply>>) {
        *self.turned_away.lock().unwrap() = words;
    }

    /// Forgets who watches: the next session is another watcher.
    pub fn forget_watchers(&self) {
        self.watchers.lock().unwrap().clear();
    }

    /// The calls it was asked to check.
    pub fn checks(&self) -> Vec<Call> {
        let requests = self.requests.lock().unwrap();
        let checks = requests.iter().filter_map(|request| match request {
            Request::Check(call) => Some(call.clone()),
            _ => None,
        });
        checks.collect()
    }

    /// The calls it was asked to run.
    pub fn runs(&self) -> Vec<Call> {
        let requests = self.requests.lock().unwrap();
        let runs = requests.iter().filter_map(|request| match request {
            Request::Run(call) => Some(call.clone()),
            _ => None,
        });
        runs.collect()
    }

    /// Waits until it was asked to run something.
    pub fn await_run(&self) -> bool {
        self.await_runs(1)
    }

    /// The same of so many.
    pub fn await_runs(&self, count: usize) -> bool {
        wait_until(PATIENCE, || self.runs().len() >= count)
    }

    /// Waits until a client has hung up during [`Step::AwaitHangUp`].
    pub fn await_hang_up(&self) -> bool {
        counts(&self.hang_ups)
    }

    /// Waits until a client has cancelled during [`Step::AwaitCancel`].
    pub fn await_cancel(&self) -> bool {
        counts(&self.cancels)
    }

    /// The same, or that it has hung up, as it does where it was not yet told that the run began.
    pub fn await_end(&self) -> bool {
        let ended = || self.cancels.load(Ordering::SeqCst) + self.hang_ups.load(Ordering::SeqCst);
        wait_until(PATIENCE, || ended() > 0)
    }
}

fn counts(counter: &AtomicUsize) -> bool {
    wait_until(PATIENCE, || counter.load(Ordering::SeqCst) > 0)
}

#[derive(Clone)]
struct ScriptState {
    script: Script,
    log: Arc<Mutex<Vec<Request>>>,
    gone: Arc<AtomicUsize>,
    cancels: Arc<AtomicUsize>,
    runs: Arc<AtomicUsize>,
    asked: Arc<Mutex<HashSet<CorrelationId>>>,
    watchers: Arc<Mutex<Vec<UnixStream>>>,
    turned_away: Arc<Mutex<Vec<Option<Reply>>>>,
}

impl ScriptState {
    /// Whether nothing was asked about a call before.
    fn is_first(&self, call: &Call) -> bool {
        self.asked.lock().unwrap().insert(call.correlation_id.clone())
    }

    fn serve(&self, mut stream: UnixStream) -> Option<()> {
        decode_hello(&read_frame(&mut stream)?).unwrap();
        let request: Request = decode(&read_frame(&mut stream)?).unwrap();
        // Root's frontend looks first whether root is granted something: it is not, and asks as nobody.
        if let Request::Catalog { watch: false, tier: Some(Tier::Standard) } = request {
            let of_the_script = self.script.catalog.iter().find_map(|step| match step {
                Step::Send(Reply::Catalog(catalog)) => Some(catalog.clone()),
                _ => None,
            });
            let none = Catalog { tools: Vec::new(), ..of_the_script? };
            write_frame(&mut stream, &encode(&self.script.welcome))?;
            return write_frame(&mut stream, &encode(&Reply::Catalog(none)));
        }
        let turned_away = self.turned_away.lock().unwrap().pop();
        if let Some(word) = turned_away {
            return word.and_then(|word| write_frame(&mut stream, &encode(&word)));
        }
        self.log.lock().unwrap().push(request.clone());
        write_frame(&mut stream, &encode(&self.script.welcome))?;
        let steps = match request {
            Request::Catalog { .. } => self.script.catalog.clone(),
            Request::Check(ref call) => match self.is_first(call) {
                true => self.script.check.clone(),
                false => self.script.check_again.clone(),
            },
            Request::Run(ref call) => {
                self.is_first(call);
                let number = self.runs.fetch_add(1, Ordering::SeqCst);
                self.script.runs[number.min(self.script.runs.len() - 1)].clone()
            }
            Request::Status | Request::Pending | Request::Answer { .. } => Vec::new(),
        };
        for step in steps {
            match step {
                Step::Send(reply) => {
                    // Who hung up before he was told anything has hung up, too.
                    if write_frame(&mut stream, &encode(&reply)).is_none() {
                        self.gone.fetch_add(1, Ordering::SeqCst);
                        return None;
                    }
                }
                Step::Garbage(bytes) => write_frame(&mut stream, &bytes)?,
                Step::Wait(time) => thread::sleep(time),
                Step::AwaitCancel => {
                    let Some(frame) = read_frame(&mut stream) else {
                        self.gone.fetch_add(1, Ordering::SeqCst);
                        return None;
                    };
                    assert_eq!(decode(&frame), Ok(Interrupt::Cancel));
                    self.cancels.fetch_add(1, Ordering::SeqCst);
                }
                Step::AwaitHangUp => {
                    let ended = stream.read(&mut [0; 16]);
                    assert!(matches!(ended, Ok(0) | Err(_)), "the client said more");
                    self.gone.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        if matches!(request, Request::Catalog { watch: true, .. }) {
            self.watchers.lock().unwrap().push(stream.try_clone().ok()?);
            let _ = stream.read(&mut [0; 16]);
        }
        Some(())
    }
}

fn read_frame(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn write_frame(stream: &mut UnixStream, body: &[u8]) -> Option<()> {
    let length = u32::try_from(body.len()).unwrap();
    let frame = [&length.to_be_bytes()[..], body].concat();
    stream.write_all(&frame).ok()
}
