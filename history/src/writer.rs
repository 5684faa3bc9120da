//! The one writer of this process: a thread with a queue. What waits when it comes to look is written in
//! one transaction, and each is told when that is committed. It never holds anybody up: where the queue
//! is full the answer is that nothing is kept.
//!
//! After each transaction it notes how far runs are, at most once a second, and drops what is too much.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::{
    error::{NotKept, OpenError},
    id::RunId,
    reply::Reply,
    retention::Retention,
    write,
};

/// Jobs that wait to be written at most.
pub const QUEUED_JOBS_MAX: usize = 1024;
/// Bytes of them at most, and of one run.
pub const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Jobs that are written in one transaction at most.
const JOBS_OF_TRANSACTION: usize = 64;
/// How often it is written how far runs are.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Runs of which that waits to be written at most, and bytes of each: nothing depends on it.
const PROGRESS_RUNS_MAX: usize = 1024;
const PROGRESS_BYTES_MAX: usize = 16 * 1024;

/// How far runs are, the last word of each.
type Progress = Arc<Mutex<HashMap<RunId, String>>>;

/// The thread that writes. Dropping it waits until all is written that it was told.
#[derive(Debug)]
pub struct Writer {
    jobs: Option<SyncSender<Queued>>,
    waiting_bytes: Arc<AtomicUsize>,
    progress: Progress,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Queued {
    /// None to make the writer look at what is there besides jobs.
    job: Option<Box<dyn Job>>,
    bytes: usize,
}

/// One change, which is tried again where another one spoiled the transaction.
trait Job: Send + std::fmt::Debug {
    fn write(&mut self, connection: &Connection) -> Result<(), NotKept>;
    /// Says that it is committed, or why not.
    fn answer(self: Box<Self>, committed: Result<(), NotKept>);
}

impl Writer {
    /// Starts it. `process` is whose unfinished runs are marked at its end.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(
        connection: Connection,
        retention: Retention,
        process: RunId,
    ) -> Result<Self, OpenError> {
        let (jobs, queue) = sync_channel(QUEUED_JOBS_MAX);
        let (waiting_bytes, progress) = (Arc::default(), Progress::default());
        let work = Work {
            connection,
            retention,
            process,
            queue,
            waiting_bytes: Arc::clone(&waiting_bytes),
            progress: Arc::clone(&progress),
            noted: None,
        };
        let thread = thread::Builder::new().name(String::from("history-write"));
        let thread = thread.spawn(move || work.run());
        let thread = thread.map_err(|error| OpenError::System(error.to_string()))?;
        Ok(Self { jobs: Some(jobs), waiting_bytes, progress, thread: Some(thread) })
    }

    /// Queues a change that holds so many bytes. It may be made more than once, each time on what was
    /// there before.
    pub fn ask<T: Send + 'static>(
        &self,
        bytes: usize,
        write: impl FnMut(&Connection) -> Result<T, NotKept> + Send + 'static,
    ) -> Reply<T, NotKept> {
        if bytes > QUEUED_BYTES_MAX {
            return Reply::given(Err(NotKept::TooLarge { bytes, most: QUEUED_BYTES_MAX }));
        }
        let Some(jobs) = &self.jobs else { return Reply::given(Err(NotKept::Closed)) };
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > QUEUED_BYTES_MAX {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Reply::given(Err(NotKept::Busy));
        }
        let (sender, reply) = Reply::pair();
        let job = Box::new(Change { write, made: None, sender });
        if jobs.try_send(Queued { job: Some(job), bytes }).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Reply::given(Err(NotKept::Busy));
        }
        reply
    }

    /// Notes how far a run is. The last word of each second is written.
    pub fn note_progress(&self, id: RunId, json: String) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = progress.contains_key(&id);
        if json.len() > PROGRESS_BYTES_MAX || !is_known && progress.len() >= PROGRESS_RUNS_MAX {
            return;
        }
        let is_first = progress.insert(id, json).is_none() && progress.len() == 1;
        drop(progress);
        if let (true, Some(jobs)) = (is_first, &self.jobs) {
            // A writer with a full queue looks by itself.
            let _ = jobs.try_send(Queued { job: None, bytes: 0 });
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Change<T, W> {
    write: W,
    made: Option<T>,
    sender: oneshot::Sender<Result<T, NotKept>>,
}

impl<T, W> std::fmt::Debug for Change<T, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

impl<T: Send, W: FnMut(&Connection) -> Result<T, NotKept> + Send> Job for Change<T, W> {
    fn write(&mut self, connection: &Connection) -> Result<(), NotKept> {
        self.made = Some((self.write)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), NotKept>) {
        let made = self.made;
        // Nobody may be there any more to hear it.
        let _ = self.sender.send(committed.and_then(|()| made.ok_or(NotKept::Closed)));
    }
}

/// What the thread has.
struct Work {
    connection: Connection,
    retention: Retention,
    process: RunId,
    queue: Receiver<Queued>,
    waiting_bytes: Arc<AtomicUsize>,
    progress: Progress,
    /// When it was last written how far runs are.
    noted: Option<Instant>,
}

impl Work {
    fn run(mut self) {
        let mut is_open = true;
        while is_open {
            // What there was from the last time is too much as well.
            let has_more = self.drop_some();
            is_open = self.take_jobs(has_more);
            self.write_progress();
        }
        // What goes on in this process ends with its store.
        let process = self.process.to_string();
        let _ = write::interrupt(&self.connection, &process);
    }

    /// Writes what waits, and says whether more may come. Waits for it, unless there is something else to do.
    fn take_jobs(&mut self, has_more_to_do: bool) -> bool {
        let wait = if has_more_to_do { Some(Duration::ZERO) } else { self.until_progress() };
        let first = match wait {
            Some(wait) => self.queue.recv_timeout(wait),
            None => self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let first = match first {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let more = self.queue.try_iter().take(JOBS_OF_TRANSACTION - 1);
        let mut bytes = 0;
        let mut jobs = Vec::new();
        for queued in std::iter::once(first).chain(more) {
            bytes += queued.bytes;
            jobs.extend(queued.job);
        }
        self.write_all(jobs);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        true
    }

    /// Writes jobs in one transaction; where that fails, each in one of its own, so that none suffers for
    /// another.
    fn write_all(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.len() > 1 && self.transact(&mut jobs).is_ok() {
            jobs.into_iter().for_each(|job| job.answer(Ok(())));
            return;
        }
        for mut job in jobs {
            let committed = self.transact(std::slice::from_mut(&mut job));
            job.answer(committed);
        }
    }

    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), NotKept> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in jobs {
            job.write(&transaction)?;
        }
        Ok(transaction.commit()?)
    }

    /// How long until it is written how far runs are; `None` where there is nothing to write.
    fn until_progress(&self) -> Option<Duration> {
        let waits = !self.progress.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let since = self.noted.map_or(PROGRESS_EVERY, |noted| noted.elapsed());
        waits.then(|| PROGRESS_EVERY.saturating_sub(since))
    }

    fn write_progress(&mut self) {
        if self.until_progress() != Some(Duration::ZERO) {
            return;
        }
        let progress =
            mem::take(&mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        self.noted = Some(Instant::now());
        let mut write = || -> Result<(), NotKept> {
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (id, json) in &progress {
                write::progress(&transaction, *id, json)?;
            }
            Ok(transaction.commit()?)
        };
        // Nothing depends on it, and the next word comes.
        let _ = write();
    }

    /// Drops some of what is too much, and says whether there is more.
    fn drop_some(&mut self) -> bool {
        // Where it fails, such as for want of room, it is tried again after the next job.
        self.retention.step(&mut self.connection).unwrap_or(false)
    }
}
