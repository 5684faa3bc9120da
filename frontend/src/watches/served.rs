//! The watches of a server: which there are, what runs them, and where what they tell goes.
//!
//! They come from two files. One is whoever's who runs the server (`watches.file`): it is read, and never
//! written. The other is the server's own, beside its runs: what administrators add over HTTP stands there.
//! No watch is decided on here: each run is put to the policy as any other call.

pub mod added;
mod error;
mod reach;
mod view;

use std::{
    convert::Infallible,
    future::pending,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use self::added::Added;
pub use self::error::WatchesError;
pub use self::view::{WatchList, WatchView, WebhookView};
use super::{
    caller::Caller,
    file::{self, FileError},
    name::WatchName,
    runner::{Runner, Watches},
    told::Told,
    tools::Tools,
    watch::{MOST_WATCHES, Origin, Watch},
    webhook::{Webhook, WebhookSecret},
    written::WrittenWatch,
};
use crate::{
    calls::service::Service,
    config::{HttpUrl, WatchSettings},
};

/// How long what was told last may take to be delivered when a server ends.
const LAST_NEWS: Duration = Duration::from_secs(1);

/// The watches of one server.
pub struct ServedWatches {
    service: Arc<Service>,
    watches: Watches,
    file: Option<PathBuf>,
    sets: Mutex<Sets>,
    webhook: Option<(HttpUrl, Webhook)>,
    /// Taken by whoever runs it.
    runner: Mutex<Option<Runner<Caller>>>,
}

/// What both files say.
struct Sets {
    of_file: Vec<Watch>,
    added: Added,
}

impl ServedWatches {
    /// Reads what is to be watched. Nothing runs before [`Self::run`]. `added` is the server's own file;
    /// without one what is added is gone with the process.
    ///
    /// # Errors
    /// [`WatchesError`]: the file of the settings has a defect, or the webhook no secret. A defect of the
    /// server's own file is logged, and its watches do not run.
    pub fn open(
        service: Arc<Service>,
        settings: &WatchSettings,
        added: Option<PathBuf>,
    ) -> Result<Self, WatchesError> {
        let webhook = webhook(settings)?;
        let tools = Tools::of(&service.listing());
        let of_file = settings.file.as_ref().map(|file| file::load(file, &tools)).transpose()?;
        let of_file = of_file.unwrap_or_default();
        let added = Added::read(added, &tools);
        let (watches, runner) = Runner::new(Caller::new(Arc::clone(&service)));
        let served = Self {
            service,
            watches,
            file: settings.file.clone(),
            sets: Mutex::new(Sets { of_file, added }),
            webhook,
            runner: Mutex::new(Some(runner)),
        };
        served.put_in_place(&served.sets());
        let counted = served.watches.clone();
        served.service.metrics().also(move || counted.metrics().families());
        Ok(served)
    }

    /// Runs them, and has what they tell delivered, for as long as the future is polled. Runs that go on
    /// when it is dropped are taken back.
    pub async fn run(&self) -> Infallible {
        let runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runner) = runner else { return pending().await };
        let set = self.watches.set();
        if !set.is_empty() || self.webhook.is_some() {
            let webhook = self.webhook.as_ref().map(|(url, _)| url.to_string());
            tracing::info!(watches = set.len(), webhook, "watches.started");
        }
        let carried = async {
            match &self.webhook {
                // What is told meanwhile waits for no look.
                Some((url, webhook)) => {
                    let news = self.watches.news();
                    tokio::join!(reach::look(url.clone()), webhook.carry(news)).1
                }
                None => pending().await,
            }
        };
        let news = self.watches.news();
        tokio::select! {
            () = runner.run(CancellationToken::new()) => pending().await,
            never = carried => never,
            never = logged(news) => never,
        }
    }

    /// Delivers what waits, within a bounded time: for the end of a server.
    pub async fn last(&self) {
        if let Some((_, webhook)) = &self.webhook {
            webhook.last(LAST_NEWS).await;
        }
    }

    /// Reads the file of the settings again, and answers how many watches there are then; `None` where the
    /// settings name no file.
    ///
    /// # Errors
    /// What is wrong with the file. Then all stays as it was.
    pub fn reload(&self) -> Result<Option<usize>, FileError> {
        let Some(file) = &self.file else { return Ok(None) };
        let of_file = file::load(file, &Tools::of(&self.service.listing()))?;
        let mut sets = self.sets();
        sets.of_file = of_file;
        self.put_in_place(&sets);
        Ok(Some(self.watches.set().len()))
    }

    /// Takes a watch in, in the place of one of this name that was added before. Answers whether there was
    /// none.
    ///
    /// # Errors
    /// [`WatchesError`]: it is no watch, its name is taken, or it cannot be kept. Then all stays as it was.
    pub fn add(&self, name: &str, written: &WrittenWatch) -> Result<bool, WatchesError> {
        let tools = Tools::of(&self.service.listing());
        let watch = added::read_one(name, written, &tools)?;
        let mut sets = self.sets();
        self.not_of_file(&sets, name)?;
        let is_new = sets.added.get(name).is_none();
        if is_new && sets.of_file.len() + sets.added.watches().len() >= MOST_WATCHES {
            return Err(WatchesError::TooMany);
        }
        sets.added.put(watch, written)?;
        self.put_in_place(&sets);
        Ok(is_new)
    }

    /// Takes one out that was added, and its run back.
    ///
    /// # Errors
    /// [`WatchesError`]: there is none, it stands in the file of the settings, or the server's own cannot be
    /// written.
    pub fn remove(&self, name: &str) -> Result<(), WatchesError> {
        let mut sets = self.sets();
        self.not_of_file(&sets, name)?;
        sets.added.take_out(name)?;
        self.put_in_place(&sets);
        Ok(())
    }

    /// All of them, and how each stands.
    #[must_use]
    pub fn list(&self) -> WatchList {
        let (set, standing) = (self.watches.set(), self.watches.standing());
        let views = set.iter().map(|watch| WatchView::of(watch, standing.get(watch.name())));
        WatchList {
            watches: views.collect(),
            file: self.file.as_ref().map(|file| file.display().to_string()),
            webhook: self.webhook.as_ref().map(|(url, webhook)| WebhookView::of(url, webhook)),
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<WatchView> {
        let set = self.watches.set();
        let watch = set.iter().find(|watch| watch.name().as_str() == name)?;
        Some(WatchView::of(watch, self.watches.standing().get(watch.name())))
    }

    /// All news from now on.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<Arc<Told>> {
        self.watches.news()
    }

    fn not_of_file(&self, sets: &Sets, name: &str) -> Result<(), WatchesError> {
        let is_there = sets.of_file.iter().any(|watch| watch.name().as_str() == name);
        match (&self.file, is_there) {
            (Some(file), true) => {
                Err(WatchesError::InFile { name: name.to_owned(), file: file.clone() })
            }
            _ => Ok(()),
        }
    }

    fn put_in_place(&self, sets: &Sets) {
        let is_free = |name: &WatchName| sets.of_file.iter().all(|watch| watch.name() != name);
        let added = sets.added.watches().iter().filter(|watch| is_free(watch.name()));
        let all: Vec<Watch> =
            sets.of_file.iter().chain(added).take(MOST_WATCHES).cloned().collect();
        self.watches.replace(all);
    }

    fn sets(&self) -> MutexGuard<'_, Sets> {
        // Nothing panics while it is held.
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn webhook(settings: &WatchSettings) -> Result<Option<(HttpUrl, Webhook)>, WatchesError> {
    let Some(url) = &settings.webhook else { return Ok(None) };
    let secret = settings.webhook_secret.as_ref().ok_or(WatchesError::NoSecret)?;
    let secret = WebhookSecret::new(secret.reveal())?;
    Ok(Some((url.clone(), Webhook::new(url, secret))))
}

/// Logs what somebody asked to be told of, for as long as the future is polled.
async fn logged(mut news: broadcast::Receiver<Arc<Told>>) -> Infallible {
    loop {
        match news.recv().await {
            Ok(told) if told.news.is_asked_for() => {
                let (watch, kind) = (told.watch.as_str(), told.news.kind());
                let run = told.run.as_ref();
                let correlation_id = run.map(|run| run.correlation_id.as_str());
                tracing::warn!(watch, kind, what = told.news.text(), correlation_id, "watch.told");
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return pending().await,
        }
    }
}

/// The same watches as administrators' own.
fn as_added(watches: Vec<Watch>) -> Vec<Watch> {
    watches.into_iter().map(|watch| watch.written_by(Origin::Added)).collect()
}
