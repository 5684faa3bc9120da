//! From a command line to a broker that serves, in an order that matters: stray descriptors are
//! closed before anything is read, the policy is read before a privilege is kept for it, and every
//! privilege but one is gone before the first connection. Of the environment systemd's variables are
//! read; none is passed on.

use std::{
    cell::RefCell,
    ffi::OsString,
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigSet, Signal},
        socket::{Backlog, listen},
        stat::{Mode, umask},
    },
    unistd::{Gid, Uid, fchown, setegid},
};
use probity_policy::{Accounts, Missing, Origin, TrustError, TrustedFolder};
use tokio::{
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::LocalSet,
};

use crate::{
    accept,
    admission::Admission,
    approvals::Approvals,
    audit::{AuditError, AuditLog, LogFile},
    broker::Broker,
    cli::Options,
    notify::Notifier,
    privileges::{Account, PrivilegeError, Starter, drop_to},
    reload::{Reload, ReloadSignals},
    rules::{LoadedPolicy, RulesError, SandboxContext},
    run_folder::RunFolder,
    runs::Runs,
    shutdown::{Causes, Phase},
    slices::Slices,
    supervisor::{self, Side, SupervisorError},
    sys,
};

/// Where an administrator's policy is.
const SYSTEM_POLICY: &str = "/etc/probity/policy.toml";

/// Who the broker is, where it starts as root and nobody says otherwise.
const SYSTEM_USER: &str = "probity-broker";

/// The number that nobody has by old custom.
const NOBODY: &str = "65534";

/// Who may connect, where nobody says otherwise.
const SYSTEM_GROUP: &str = "probity";

/// Connections that the kernel holds before they are taken in, which is in the order of their coming:
/// the more it holds, the longer a crowd is in everybody's way. Who finds it full waits for room, and
/// there the kernel lets each process have its turn.
const DOOR: i32 = 16;

/// What is done first, and what is in its way where it fails.
const CLOSING: &str = "closing descriptors (where close_range(2) is denied, as by an old profile of a \
                       container's seccomp, allow it there)";

/// The first descriptor that systemd passes.
const ACTIVATION_FD: i32 = 3;

/// Why the broker does not start. Its message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy, the accounts it names, or the sandbox it needs.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Privileges.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The process above the broker.
    #[error("the broker's supervisor: {0}")]
    Supervisor(#[from] SupervisorError),
    /// A folder that somebody else could replace.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Set-user-id would make every option a root's.
    #[error(
        "it was started as another user's program (set-user-id): remove that bit; CAP_NET_RAW is all it needs"
    )]
    SetUserId,
    /// One descriptor cannot be both.
    #[error("--listen-fd and --lifetime-fd name the same descriptor")]
    SameDescriptor,
    /// Only root can become somebody else.
    #[error("--user {name}: only root can become another user; leave it out")]
    NotRoot {
        /// The user named.
        name: String,
    },
    /// Somebody else would be taken for who started it.
    #[error("--owner: only root starts a broker for another user; leave it out")]
    OwnerNeedsRoot,
    /// No socket to listen on.
    #[error("there is no socket to listen on: start it through systemd, or give --socket PATH")]
    NoSocket,
    /// The socket is another's.
    #[error(
        "{0}: a broker listens there already. Use that one (`probity tools --socket {0}`), end it first \
         (`systemctl stop probity-broker.socket probity-broker`, or whoever started it), or give this \
         one another --socket"
    )]
    Taken(String),
    /// Something that is no socket is where one is to be.
    #[error("{0}: it is there, and is no socket: remove it, or give another --socket")]
    NotASocket(String),
    /// Anything else.
    #[error("{what}: {error}")]
    System {
        /// Which.
        what: String,
        /// What the system says.
        error: io::Error,
    },
}

impl StartError {
    /// By this systemd knows that another try would end as this one (`RestartPreventExitStatus=`).
    pub(crate) fn exit_code(&self) -> ExitCode {
        /// A defect in the policy, as sysexits.h has it.
        const CONFIG: u8 = 78;
        match self {
            Self::Rules(_) => ExitCode::from(CONFIG),
            _ => ExitCode::FAILURE,
        }
    }
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
    let what = what.into();
    move |error| StartError::System { what, error }
}

/// Starts, serves, and returns when told to stop. The exit code of a broker that has a supervisor is
/// the supervisor's too.
pub(crate) fn start(mut options: Options) -> Result<ExitCode, StartError> {
    hold(&[Signal::SIGHUP, Signal::SIGUSR1])?;
    sys::process::keep_ended_children().map_err(system("SIGCHLD"))?;
    sys::process::outlive_file_size_limit().map_err(system("SIGXFSZ"))?;
    leave_the_owner_in();
    make_room_for_descriptors().map_err(system("the limit of open files"))?;
    let descriptors = Descriptors::take(&options)?;
    let starter = Uid::current().as_raw();
    let as_root = Starter::of_process()? == Starter::Root;
    let lent = sys::process::gained_privileges_at_exec();
    // Whoever starts a program that lends its privileges does not speak for systemd.
    let environment = |name: &str| std::env::var_os(name).filter(|_| !lent);
    if lent {
        // RULE: A broker that gained privileges at exec decides by root's policy alone.
        give_up_choices(&mut options)?;
    }

    let origin = origin(&options, starter);
    let loaded = LoadedPolicy::read(&origin)?;
    loaded.report(options.embedded);
    let account = as_root.then(|| account(&options, &loaded.passwd)).transpose()?;
    if let Some(name) = options.user.as_ref().filter(|_| !as_root) {
        return Err(StartError::NotRoot { name: name.clone() });
    }
    if options.owner.is_some() && !as_root {
        return Err(StartError::OwnerNeedsRoot);
    }

    let audit_path = loaded.policy.audit_path().clone();
    let writer = account.map_or_else(|| Uid::effective().as_raw(), |account| account.uid);
    let log = LogFile::open(options.audit.as_deref().unwrap_or(&audit_path), writer)?;
    let run_folder = make_run_folder(&options, environment("RUNTIME_DIRECTORY"), account)?;
    let listener = match descriptors.listener {
        Some(passed) => UnixListener::from(passed),
        None => bind(&options, &loaded.accounts, account)?,
    };
    // Before there are two processes: the environment speaks of the one that was started.
    let notifier = Rc::new(Notifier::from_environment(environment));
    let is_started_by_systemd = is_main_process_of_systemd(environment("SYSTEMD_EXEC_PID"));
    drop_to(account, loaded.belongs_to_root)?;
    let run_folder =
        RunFolder::take(run_folder.clone()).map_err(system(run_folder.display().to_string()))?;

    let supervisor = if is_started_by_systemd {
        None
    } else {
        match supervisor::divide()? {
            Side::Broker(supervisor) => Some(supervisor),
            Side::Supervisor(supervisor) => {
                // What is the broker's alone: when it dies, connections are refused at once, and the
                // log's lock is free.
                drop((listener, log, descriptors.lifetime, notifier, loaded));
                return Ok(supervisor.watch(&run_folder));
            }
        }
    };

    let context =
        SandboxContext { run_folder: run_folder.path().to_owned(), own_uid: !options.embedded };
    let rules = loaded.compile(&context)?;
    // What stands in the file is read without a privilege. An embedded broker's standard error and
    // its log are the same user's: neither vouches for the other.
    let announce = !options.embedded;
    let audit = AuditLog::start(log, rules.policy.digest(), rules.sandbox.facts(), announce)?;
    let reload = Reload {
        origin,
        context,
        audit_path: options.audit.is_none().then_some(audit_path),
        notifier,
    };
    let (enter, phases) = watch::channel(Phase::Serving);
    let broker = Broker {
        approvals: Approvals::default(),
        rules: watch::Sender::new(Rc::new(rules)),
        audit: RefCell::new(audit),
        admission: Admission::default(),
        slices: Slices::default(),
        runs: Runs::default(),
        owner: options.embedded.then_some(options.owner.unwrap_or(starter)),
        started: Instant::now(),
        reload_refused: RefCell::default(),
        phases,
    };
    let end = End { enter, grace: options.grace(), pipes: [descriptors.lifetime, supervisor] };
    serve(broker, listener, end, reload)?;
    Ok(ExitCode::SUCCESS)
}

/// How the broker's end is brought about.
struct End {
    enter: watch::Sender<Phase>,
    grace: Duration,
    /// Of the frontend that started it, and of its supervisor, where it has one.
    pipes: [Option<OwnedFd>; 2],
}

/// What the parent passed on purpose.
struct Descriptors {
    listener: Option<OwnedFd>,
    lifetime: Option<OwnedFd>,
}

impl Descriptors {
    /// Takes what was announced, and closes everything else.
    fn take(options: &Options) -> Result<Self, StartError> {
        let listen = options.listen_fd.or_else(activation);
        if listen.is_some() && listen == options.lifetime_fd {
            return Err(StartError::SameDescriptor);
        }
        let expected: Vec<i32> = listen.into_iter().chain(options.lifetime_fd).collect();
        sys::descriptors::close_all_but(&expected).map_err(system(CLOSING))?;
        let take = |number: Option<i32>, what: &str| match number {
            None => Ok(None),
            Some(number) => {
                sys::descriptors::take(number).map(Some).map_err(system(format!("{what} {number}")))
            }
        };
        Ok(Self {
            listener: take(listen, "the socket passed as descriptor")?,
            lifetime: take(options.lifetime_fd, "the pipe passed as descriptor")?,
        })
    }
}

/// systemd's socket activation: one socket, for this very process.
fn activation() -> Option<i32> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let meant = number("LISTEN_PID") == Some(std::process::id());
    (meant && number("LISTEN_FDS") == Some(1)).then_some(ACTIVATION_FD)
}

/// Whether systemd started this very process. Then it has a cgroup, and systemd sees to what is left
/// in that.
fn is_main_process_of_systemd(exec_pid: Option<OsString>) -> bool {
    exec_pid.and_then(|pid| pid.to_str()?.parse().ok()) == Some(std::process::id())
}

/// Privileges that came with the program's file are lent to the administrator's policy and to no
/// other: whoever starts it chooses neither policy, nor where it writes, nor who it becomes.
fn give_up_choices(options: &mut Options) -> Result<(), StartError> {
    if Uid::current() != Uid::effective() {
        return Err(StartError::SetUserId);
    }
    let chosen = std::mem::take(options);
    options.listen_fd = chosen.listen_fd;
    options.lifetime_fd = chosen.lifetime_fd;
    options.socket.clone_from(&chosen.socket);
    if chosen != *options {
        eprintln!(
            "probity-broker: it gained privileges when it was executed, so it decides by {SYSTEM_POLICY} alone"
        );
    }
    Ok(())
}

/// Which policy is decided by.
fn origin(options: &Options, starter: u32) -> Origin {
    match &options.policy {
        Some(path) => Origin::User(path.clone(), starter),
        None if options.embedded => Origin::Shipped,
        None => Origin::Root(SYSTEM_POLICY.into()),
    }
}

/// Who to become. In embedded mode root may not have made a user for it, and a container may name
/// nobody at all.
fn account(options: &Options, passwd: &str) -> Result<Account, StartError> {
    let find = |name| Account::find(name, passwd);
    let account = match &options.user {
        Some(name) => find(name),
        None if options.embedded => {
            find(SYSTEM_USER).or_else(|_| find("nobody")).or_else(|_| find(NOBODY))
        }
        None => find(SYSTEM_USER),
    };
    Ok(account?.if_mapped()?)
}

fn make_run_folder(
    options: &Options,
    runtime: Option<OsString>,
    account: Option<Account>,
) -> Result<PathBuf, StartError> {
    let folder = options.run_dir.clone().unwrap_or_else(|| {
        runtime.map_or_else(|| "/run/probity-broker".into(), PathBuf::from).join("runs")
    });
    let fail = |error| StartError::System { what: folder.display().to_string(), error };
    let uid = account.map_or_else(Uid::effective, |account| Uid::from_raw(account.uid));
    let taken = || {
        let message = format!("it is there, and is no folder of uid {uid}'s: remove it");
        fail(io::Error::new(io::ErrorKind::AlreadyExists, message))
    };
    let name = folder.file_name().ok_or_else(taken)?;
    let above = folder.parent().unwrap_or(Path::new("/"));
    // The way there stays open to the user who is to be become; only the folder itself is private.
    let above = TrustedFolder::walk(above, uid.as_raw(), Missing::Make)?;
    let made = above.make_folder(name, Mode::from_bits_truncate(0o700)).map_err(fail)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let opened = match above.open(name, flags, Mode::empty()) {
        Err(error) if [libc::ENOTDIR, libc::ELOOP].map(Some).contains(&error.raw_os_error()) => {
            return Err(taken());
        }
        opened => opened.map_err(fail)?,
    };
    match account {
        Some(account) if made => {
            let gid = Gid::from_raw(account.gid);
            fchown(&opened, Some(uid), Some(gid)).map_err(|e| fail(e.into()))?;
        }
        // What was there before is not given away: it may be anything.
        _ if opened.metadata().map_err(fail)?.uid() != uid.as_raw() => return Err(taken()),
        _ => {}
    }
    Ok(folder)
}

/// Makes the socket. It has its mode and group from the start: there is no moment at which somebody
/// else could connect.
fn bind(
    options: &Options,
    accounts: &Accounts,
    account: Option<Account>,
) -> Result<UnixListener, StartError> {
    let path = options.socket.as_deref().ok_or(StartError::NoSocket)?;
    make_way(path)?;
    let group = match &options.group {
        Some(name) => Some(accounts.group(name).ok_or_else(|| StartError::System {
            what: format!("--group {name}"),
            error: io::Error::new(io::ErrorKind::NotFound, "there is no such group"),
        })?),
        None => accounts.group(SYSTEM_GROUP),
    };
    let own_group = nix::unistd::getegid();
    let changes_group = account.is_some() && group.is_some();
    if let Some(group) = group.filter(|_| changes_group) {
        setegid(Gid::from_raw(group)).map_err(|e| system("the socket's group")(e.into()))?;
    }
    let before = umask(Mode::from_bits_truncate(0o117));
    let bound = UnixListener::bind(path);
    umask(before);
    if changes_group {
        setegid(own_group).map_err(|e| system("the broker's group")(e.into()))?;
    }
    bound.map_err(system(path.display().to_string()))
}

/// Whatever the caller's umask: this process and the user whom it becomes get into folders that are made
/// here. Nobody is let read or write who would not have been.
fn leave_the_owner_in() {
    let before = umask(Mode::from_bits_truncate(0o077));
    umask(before & Mode::from_bits_truncate(0o066));
}

/// Room for all connections that are looked at, and for what runs have open. The usual 1,024 are a limit
/// for programs that use select(2); tools are given limits of their own.
fn make_room_for_descriptors() -> io::Result<()> {
    const DESCRIPTORS: u64 = 8192;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = DESCRIPTORS.min(hard);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

/// A socket that nobody listens on any more is in the way; anything else is not ours to remove.
fn make_way(path: &Path) -> Result<(), StartError> {
    let shown = || path.display().to_string();
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(StartError::NotASocket(shown()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(system(shown()))
        }
        Err(error) => Err(system(shown())(error)),
        Ok(_) => Err(StartError::Taken(shown())),
    }
}

/// One thread, and none for blocking work.
fn serve(
    broker: Broker,
    listener: UnixListener,
    end: End,
    reload: Reload,
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(system("the event loop"))?;
    LocalSet::new().block_on(&runtime, async {
        listener.set_nonblocking(true).map_err(system("the socket"))?;
        let narrowed = Backlog::new(DOOR).and_then(|door| listen(&listener, door));
        narrowed.map_err(|error| system("the socket")(error.into()))?;
        let listener = sys::process::watch_for_connections(listener);
        let listener = listener.map_err(system("the socket"))?;
        let [frontend, supervisor] = end
            .pipes
            .map(|pipe| pipe.map(pipe::Receiver::from_owned_fd).transpose())
            .map(|pipe| pipe.map_err(system("the lifetime pipe")));
        let causes = Causes::listen([frontend?, supervisor?]).map_err(system("signals"))?;
        let heard = |kind, name: &str| signal(kind).map_err(system(name));
        let signals = ReloadSignals {
            reload: heard(SignalKind::hangup(), "SIGHUP")?,
            rotate: heard(SignalKind::user_defined1(), "SIGUSR1")?,
        };
        let notifier = Rc::clone(&reload.notifier);
        notifier.ready(&format!("Deciding by policy {}", broker.rules().policy.digest()));
        let_in(&[Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT])?;

        tokio::task::spawn_local(Rc::clone(&notifier).keep_alive());
        let stopping = move || notifier.stopping();
        tokio::task::spawn_local(causes.conduct(end.enter, end.grace, stopping));
        let broker = Rc::new(broker);
        tokio::task::spawn_local(reload.at_each(signals, Rc::clone(&broker)));
        let keeper = Rc::clone(&broker);
        tokio::task::spawn_local(async move { AuditLog::keep(&keeper.audit).await });
        accept::serve(Rc::clone(&broker), listener).await;
        let policy = broker.rules().policy.digest();
        Ok(broker.audit.borrow_mut().stop(policy)?)
    })
}

/// Signals that come before they can be answered wait, in place of ending the broker.
fn hold(signals: &[Signal]) -> Result<(), StartError> {
    let held = SigSet::from_iter(signals.iter().copied()).thread_block();
    held.map_err(|error| system("signals")(error.into()))
}

fn let_in(signals: &[Signal]) -> Result<(), StartError> {
    let let_in = SigSet::from_iter(signals.iter().copied()).thread_unblock();
    let_in.map_err(|error| system("signals")(error.into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_run_folder_is_private_and_the_way_to_it_is_open_to_the_user_who_is_become() {
        let outside = tempfile::tempdir().unwrap();
        let run_dir = outside.path().join("probity-broker/runs");
        let options = Options { run_dir: Some(run_dir.clone()), ..Options::default() };
        assert_eq!(make_run_folder(&options, None, None).unwrap(), run_dir);
        // A broker that is started again finds its own.
        assert_eq!(make_run_folder(&options, None, None).unwrap(), run_dir);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&run_dir), 0o700);
        assert_eq!(mode(run_dir.parent().unwrap()) & 0o555, 0o555);
    }
}
