//! `probity http`: a server, from its tokens and its socket to the end of its grace period.

use std::{
    convert::Infallible,
    future::pending,
    iter,
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use probity_output::clean::clean_str;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;

use super::{CommandError, Exit, complain};
use crate::{
    broker::embedded::{self, EmbeddedBroker},
    calls::runs::Runs,
    calls::{published::registry::Listing, push::Pusher, service::Service},
    config::{self, Config, Loaded},
    process::{
        shutdown::Shutdown,
        signals::{HANG_UP, Signals},
    },
    serve::{
        access::{NewToken, Secret, Token, TokenStore, Tokens, TokensError},
        http::{
            Held, Server,
            listen::{Address, Listener, Unwatched},
        },
    },
    terminal::{cli::HttpArgs, connect},
    text::near::nearest,
    watches::served::ServedWatches,
};

/// Descriptors that are not for connections: the broker's, the log, what the libraries hold.
const RESERVED_DESCRIPTORS: u64 = 128;

/// How like a tool's name one has to be to be taken for it.
const NEAR: f64 = 0.7;

/// Serves until a signal comes. The first lets calls in flight finish within the grace period; the
/// second ends them at once. SIGHUP has the tokens read again.
pub(super) async fn http(
    entrance: Entrance,
    embedded: Option<EmbeddedBroker>,
    loaded: &Loaded,
    kept: Kept,
    mut signals: Signals,
) -> Result<Exit, CommandError> {
    // A terminal that goes away is no reason to end this server, so nothing is undone for `nohup`.
    signals.hear_hang_up().map_err(CommandError::Runtime)?;
    let shutdown = Shutdown::after(loaded.config.grace);
    let read = Read { tokens: Arc::clone(&entrance.tokens), watches: OnceLock::new() };
    let impatient = async {
        let reason = signal_to_end(&mut signals, &read).await;
        tell(&[NotifyState::Stopping]);
        shutdown.stop(reason);
        signal_to_end(&mut signals, &read).await
    };
    tokio::select! {
        biased;
        _ = impatient => Ok(Exit::Interrupted),
        served = serve(embedded, loaded, entrance, kept, &read, &shutdown) => served.map(|()| Exit::Success),
    }
}

/// What a server keeps over its restarts.
pub(super) struct Kept {
    /// What was run.
    pub(super) runs: Runs,
    /// The file of the watches that are added over HTTP, where there is a place for it.
    pub(super) added: Option<PathBuf>,
}

/// What is read again when SIGHUP comes.
struct Read {
    tokens: Arc<TokenStore>,
    /// From when they run.
    watches: OnceLock<Arc<ServedWatches>>,
}

/// Waits for a signal that asks this process to end.
async fn signal_to_end(signals: &mut Signals, read: &Read) -> &'static str {
    loop {
        match signals.next().await {
            HANG_UP => reread(read),
            reason => return reason,
        }
    }
}

async fn serve(
    embedded: Option<EmbeddedBroker>,
    loaded: &Loaded,
    entrance: Entrance,
    kept: Kept,
    read: &Read,
    shutdown: &Shutdown,
) -> Result<(), CommandError> {
    let Kept { runs, added } = kept;
    let Entrance { tokens, made, listener } = entrance;
    let listener = listener.watched()?;
    let config = Arc::new(loaded.config.clone());
    let (service, mut embedded) = tokio::select! {
        biased;
        () = shutdown.stopping() => return Ok(()),
        connected = connect::for_serving(embedded, config, runs, shutdown) => connected?,
    };
    let listing = service.listing();
    let entries = listing.tools().map(|tool| tool.entry);
    let tools = entries.flat_map(|entry| iter::once(&entry.name).chain(&entry.aliases));
    let tools: Vec<String> = tools.map(ToString::to_string).collect();
    let settings = config::show::in_force(loaded, listener.port(), &tools);
    let names = names_checked(Arc::clone(&service), Arc::clone(&tokens));
    let runs = Arc::clone(service.runs());
    let pusher = Pusher::of(Arc::clone(&service), &loaded.config.telemetry);
    let watches = ServedWatches::open(Arc::clone(&service), &loaded.config.watches, added)?;
    let watches = Arc::new(watches);
    let _ = read.watches.set(Arc::clone(&watches));
    let held = Held { tokens, watches: Arc::clone(&watches) };
    let server = Server::new(service, &loaded.config, settings, held, shutdown.clone());
    // Not dropped before what runs is told that its server ends.
    let mut watching = pin!(watches.run());
    let most = connections(loaded.config.http.max_connections);
    tracing::info!(address = listener.to_string(), "http.listening");
    let code = made.as_ref().and_then(|secret| server.page_code(secret.reveal()));
    greet(&listener, made.as_ref(), code.as_deref());
    tell(&[NotifyState::Ready]);
    tokio::select! {
        () = server.serve(&listener, most) => {}
        never = embedded::kept(&mut embedded) => match never {},
        never = watched() => match never {},
        never = names => match never {},
        never = pusher.push() => match never {},
        never = &mut watching => match never {},
        never = runs.looked_after() => match never {},
    }
    runs.close("its server ended").await;
    watches.last().await;
    pusher.last().await;
    Ok(())
}

/// Warns of tokens for tools that there are not, at the start and whenever the tokens are read again.
async fn names_checked(service: Arc<Service>, tokens: Arc<TokenStore>) -> Infallible {
    let mut changes = tokens.changes();
    loop {
        warn_of_unknown_tools(&changes.borrow_and_update(), &service.listing());
        if changes.changed().await.is_err() {
            return pending().await;
        }
    }
}

/// Such a token is for nothing, or for less than was meant.
fn warn_of_unknown_tools(tokens: &Tokens, listing: &Listing) {
    let known = || listing.tools().map(|tool| tool.entry.name.as_str());
    for token in tokens.iter() {
        for tool in token.tools.iter().filter(|tool| listing.entry(tool).is_none()) {
            let (client, tool) = (&token.name, clean_str(tool));
            let nearest = nearest(&tool, known(), NEAR);
            tracing::warn!(client, tool = &*tool, nearest, "tokens.unknown_tool");
        }
    }
}

/// The socket, and who may come in by it.
pub(super) struct Entrance {
    tokens: Arc<TokenStore>,
    /// The one token, where nobody was given any.
    made: Option<Secret>,
    listener: Unwatched,
}

impl Entrance {
    /// Opened before this process gives up what that may take: a port below 1024, a file or a folder of
    /// root's.
    pub(super) fn open(args: &HttpArgs, config: &Config) -> Result<Self, CommandError> {
        let given = given_token(config)?;
        let file = config.http.tokens_file.clone();
        let made = match (&given, &file) {
            (None, None) => Some(Secret::random()?),
            _ => None,
        };
        let own = made.as_ref().map(|secret| NewToken::admin("start").with(secret));
        let tokens = Arc::new(TokenStore::open(file, given.or(own))?);
        if tokens.is_empty() {
            complain(&"nobody has a token yet: the file of server.tokens_file has none");
        }
        // The one that is made here is nobody's configuration.
        let is_given = made.is_none() && !tokens.is_empty();
        let listener = Unwatched::open(&address(args, config), is_given)?;
        Ok(Self { tokens, made, listener })
    }

    /// A socket of its own, which is removed in the end.
    pub(super) fn own_path(&self) -> Option<&Path> {
        self.listener.own_path()
    }
}

/// Where to listen, unless systemd passes a socket.
fn address(args: &HttpArgs, config: &Config) -> Address {
    let usual = || Address::Tcp(config.server.host.clone(), config.server.port);
    args.listen.clone().unwrap_or_else(usual)
}

/// The one token of the settings.
fn given_token(config: &Config) -> Result<Option<Token>, TokensError> {
    let Some(text) = &config.http.token else { return Ok(None) };
    let secret = Secret::chosen(text.reveal())?;
    Ok(Some(NewToken::admin("environment").with(&secret)))
}

/// Says how to get in where nobody has a token yet, and last where it is: whoever waits for that has
/// read all of it.
fn greet(listener: &Listener, made: Option<&Secret>, code: Option<&str>) {
    if let Some(secret) = made {
        let token = secret.reveal();
        let (option, url) = match listener {
            Listener::Tcp(_, address) => (String::new(), format!("http://{address}")),
            Listener::Unix(listener, _) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                let path = path.map(|path| path.display().to_string()).unwrap_or_default();
                (format!("--unix-socket {path} "), "http://localhost".to_owned())
            }
        };
        complain(&format!(
            "no token is configured, so this one is an administrator's until the server ends: \
             {token}\nTry it:\n  curl {option}-H 'Authorization: Bearer {token}' {url}/tools"
        ));
        if let (Listener::Tcp(..), Some(code)) = (listener, code) {
            complain(&format!(
                "or open the page; the link works once:\n  {url}/ui/login?code={code}"
            ));
        }
    }
    complain(&format!("serving on {listener}"));
}

/// Whoever was given a token or lost it is known from now on, and so is what is watched.
fn reread(read: &Read) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
    match read.tokens.reload() {
        // Whoever changed the settings, too, is told why nothing comes of it.
        Ok(count) => {
            tracing::info!(tokens = count, settings = "kept until a restart", "tokens.reloaded");
        }
        Err(error) => tracing::error!(error = error.to_string(), "tokens.reload_failed"),
    }
    match read.watches.get().map(|watches| watches.reload()) {
        Some(Ok(Some(watches))) => tracing::info!(watches, "watches.reloaded"),
        Some(Err(error)) => tracing::error!(error = error.to_string(), "watches.load_failed"),
        Some(Ok(None)) | None => {}
    }
    tell(&[NotifyState::Ready]);
}

/// Tells systemd, where this process is one of its services.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(error = error.to_string(), "notify.failed");
    }
}

/// Tells systemd's watchdog, where it watches, that this process still gets round to things.
async fn watched() -> Infallible {
    let Some(limit) = sd_notify::watchdog_enabled() else { return pending().await };
    let pause = (limit / 2).max(Duration::from_millis(1));
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(pause).await;
    }
}

/// So many connections as are configured, or as there are descriptors for. Each may take two: a run's
/// connection to the broker is one.
fn connections(configured: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return configured };
    let room = descriptors.saturating_sub(RESERVED_DESCRIPTORS) / 2;
    let most = configured.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1);
    if most < configured {
        let source = "the limit of open files";
        tracing::warn!(
            key = "server.max_connections",
            old = configured,
            new = most,
            source,
            "config.clamped"
        );
    }
    most
}
