//! A broker that follows a script: it speaks the real protocol over a real socket, decides nothing
//! and runs nothing.

#![allow(dead_code)] // Each test file uses its own part.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use probity_protocol::*;

pub mod samples;
pub mod stdio;

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
    /// Wait until the client closes the connection, and count that.
    AwaitHangUp,
}

/// The running broker. It ends with the test's process.
pub struct ScriptedBroker {
    pub socket: PathBuf,
    pub requests: Arc<Mutex<Vec<Request>>>,
    pub hang_ups: Arc<AtomicUsize>,
    _directory: tempfile::TempDir,
}

/// What it answers, by kind of request. Each run takes the next script; the last one stays.
#[derive(Clone)]
pub struct Script {
    pub welcome: Reply,
    pub catalog: Vec<Step>,
    pub check: Vec<Step>,
    pub runs: Vec<Vec<Step>>,
}

impl ScriptedBroker {
    pub fn start(script: Script) -> Self {
        let directory = tempfile::Builder::new().prefix("scripted-").tempdir_in("/tmp").unwrap();
        let socket = directory.path().join("broker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let hang_ups = Arc::new(AtomicUsize::new(0));
        let (log, gone, runs) = (requests.clone(), hang_ups.clone(), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log, gone, runs) =
                    (script.clone(), log.clone(), gone.clone(), runs.clone());
                thread::spawn(move || serve(stream, &script, &log, &gone, &runs));
            }
        });
        Self { socket, requests, hang_ups, _directory: directory }
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

    /// Waits until a client has hung up during [`Step::AwaitHangUp`].
    pub fn await_hang_up(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if self.hang_ups.load(Ordering::SeqCst) > 0 {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

fn serve(
    mut stream: UnixStream,
    script: &Script,
    log: &Mutex<Vec<Request>>,
    gone: &AtomicUsize,
    runs: &AtomicUsize,
) -> Option<()> {
    decode_hello(&read_frame(&mut stream)?).unwrap();
    let request: Request = decode(&read_frame(&mut stream)?).unwrap();
    log.lock().unwrap().push(request.clone());
    write_frame(&mut stream, &encode(&script.welcome))?;
    let steps = match request {
        Request::Catalog { .. } => script.catalog.clone(),
        Request::Check(_) => script.check.clone(),
        Request::Run(_) => {
            let number = runs.fetch_add(1, Ordering::SeqCst).min(script.runs.len() - 1);
            script.runs[number].clone()
        }
        Request::Status => Vec::new(),
    };
    for step in steps {
        match step {
            Step::Send(reply) => write_frame(&mut stream, &encode(&reply))?,
            Step::Garbage(bytes) => write_frame(&mut stream, &bytes)?,
            Step::Wait(time) => thread::sleep(time),
            Step::AwaitHangUp => {
                let ended = stream.read(&mut [0; 16]);
                assert!(matches!(ended, Ok(0) | Err(_)), "the client said more");
                gone.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    Some(())
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
