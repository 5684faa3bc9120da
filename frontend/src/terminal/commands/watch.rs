//! `probity watch`: the file of calls that come by themselves. It lists, adds and removes what stands there,
//! and makes a watch's call once. What runs them again and again is a server.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::{CommandError, Exit, call::exit_of, complain};
use crate::{
    broker::embedded::EmbeddedBroker,
    calls::{result::ToolResult, runs::Runs},
    config::Config,
    terminal::{
        cli::{AddWatchArgs, TestWatchArgs, WatchArgs, WatchCommand},
        connect,
        printing::{
            self,
            layout::{Column, Layout},
        },
    },
    watches::{
        caller::Caller,
        file,
        schedule::Schedule,
        served::{WatchView, added::read_one},
        told::Ran,
        tools::Tools,
        watch::Watch,
        written::{self, WrittenWatch},
    },
};

/// Who may read a file that is made here.
const USUAL_MODE: u32 = 0o644;

/// The file of watches, opened before this process gives up what that takes.
pub(super) struct WatchFile {
    path: PathBuf,
    text: String,
    /// Where something is to be added.
    file: Option<File>,
}

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchFileError {
    /// Nobody said which.
    #[error("no file of watches is named: give --file FILE, or set watches.file (PROBITY_WATCHES)")]
    NotNamed,
    /// It cannot be opened.
    #[error("the file of watches {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not there.
    #[error("there is no file of watches at {}: `probity watch add` makes one", .0.display())]
    NotThere(PathBuf),
    /// Nobody's watches are as many.
    #[error("the file of watches {} is larger than 1 MiB: have fewer watches", .0.display())]
    TooLarge(PathBuf),
    /// It was not written, and is as it was.
    #[error("the file of watches {} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WatchFile {
    /// Opens the one that the command line or the settings name.
    pub(super) fn open(args: &WatchArgs, config: &Config) -> Result<Self, WatchFileError> {
        let path = args.file.clone().or_else(|| config.watches.file.clone());
        let path = path.ok_or(WatchFileError::NotNamed)?;
        let is_adding = matches!(args.command, WatchCommand::Add(_));
        let opened = OpenOptions::new().read(true).write(is_adding).create(is_adding).open(&path);
        let mut text = String::new();
        let read = opened.and_then(|mut file| {
            (&mut file).take(file::MOST_BYTES + 1).read_to_string(&mut text)?;
            Ok(file)
        });
        match read {
            Ok(_) if text.len() as u64 > file::MOST_BYTES => Err(WatchFileError::TooLarge(path)),
            Ok(file) => Ok(Self { path, text, file: is_adding.then_some(file) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_adding => {
                Err(WatchFileError::NotThere(path))
            }
            Err(source) => Err(WatchFileError::Open { path, source }),
        }
    }

    /// Its watches, or every defect in words.
    fn watches(&self, tools: &Tools) -> Result<Vec<Watch>, String> {
        let read = file::read_text(&self.path.to_string_lossy(), &self.text, tools);
        read.map_err(|defects| defects.to_string())
    }

    /// Adds lines at its end. What was there stays untouched, whatever happens.
    fn append(self, text: &str) -> Result<(), WatchFileError> {
        let Self { path, file, text: before } = self;
        let added = text.strip_prefix(before.as_str()).unwrap_or_default();
        let Some(mut file) = file else { return Ok(()) };
        let end = before.len() as u64;
        let written = file
            .seek(SeekFrom::Start(end))
            .and_then(|_| file.write_all(added.as_bytes()))
            .and_then(|()| file.sync_all());
        written.map_err(|source| {
            // Half a watch is none.
            let _ = file.set_len(end);
            WatchFileError::Write { path, source }
        })
    }

    /// Takes a watch out; answers whether there was one.
    fn remove(&self, name: &str) -> Result<bool, String> {
        let without = written::without(&self.text, name).map_err(|error| error.to_string())?;
        let Some(text) = without else { return Ok(false) };
        let mode = fs::metadata(&self.path).map_or(USUAL_MODE, |it| it.mode() & 0o7777);
        let path = self.path.clone();
        written::replace(&self.path, &text, mode)
            .map_err(|source| WatchFileError::Write { path, source }.to_string())?;
        Ok(true)
    }
}

pub(super) async fn watch(
    args: &WatchArgs,
    file: WatchFile,
    embedded: Option<EmbeddedBroker>,
    config: Arc<Config>,
    runs: Runs,
) -> Result<Exit, CommandError> {
    if let WatchCommand::Remove(args) = &args.command {
        return Ok(removed(file.remove(&args.name), &args.name, &file));
    }
    let session = connect::once_keeping(embedded, config, runs).await?;
    let tools = Tools::of(&session.service.listing());
    if let WatchCommand::Add(args) = &args.command {
        return add(args, file, &tools);
    }
    let watches = match file.watches(&tools) {
        Ok(watches) => watches,
        Err(defects) => {
            complain(&format!("the file of watches has defects:\n{defects}"));
            return Ok(Exit::Usage);
        }
    };
    match &args.command {
        WatchCommand::Test(args) => {
            let caller = Caller::new(Arc::clone(&session.service));
            test(args, &watches, &caller).await
        }
        WatchCommand::List(args) => {
            list(&watches, args.json)?;
            Ok(Exit::Success)
        }
        WatchCommand::Add(_) | WatchCommand::Remove(_) => Ok(Exit::Usage),
    }
}

fn add(args: &AddWatchArgs, file: WatchFile, tools: &Tools) -> Result<Exit, CommandError> {
    let written = asked_for(args);
    let watch = match read_one(&args.name, &written, tools) {
        Ok(watch) => watch,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let path = file.path.display().to_string();
    match written::without(&file.text, &args.name) {
        Ok(None) => {}
        Ok(Some(_)) => {
            let name = &args.name;
            complain(&format!(
                "{path} has a watch {name} already: `probity watch remove {name}` first"
            ));
            return Ok(Exit::Usage);
        }
        Err(error) => {
            complain(&format!("{path} is no TOML, so nothing was added: {error}"));
            return Ok(Exit::Usage);
        }
    }
    let text = written::with(&file.text, &args.name, &written);
    file.append(&text)?;
    complain(&format!(
        "{} comes {}. A server has it once it reads {path} again (SIGHUP)",
        watch.name(),
        when(watch.schedule())
    ));
    Ok(Exit::Success)
}

fn asked_for(args: &AddWatchArgs) -> WrittenWatch {
    let options: Map<String, Value> =
        args.options.iter().map(|(name, value)| (name.clone(), meant(value))).collect();
    WrittenWatch {
        tool: args.tool.clone(),
        target: args.target.clone(),
        options: Some(options),
        preset: args.preset.clone(),
        timeout: args.timeout.clone(),
        every: args.every.clone(),
        cron: args.cron.clone(),
        timezone: args.timezone.clone(),
        tell: Some(args.tell.clone()).filter(|tell| !tell.is_empty()),
    }
}

/// A number or a switch where it is one.
fn meant(value: &str) -> Value {
    match (value, value.parse::<i64>()) {
        ("true", _) => json!(true),
        ("false", _) => json!(false),
        (_, Ok(number)) => json!(number),
        (text, Err(_)) => json!(text),
    }
}

fn removed(done: Result<bool, String>, name: &str, file: &WatchFile) -> Exit {
    let path = file.path.display();
    match done {
        Ok(true) => {
            complain(&format!("{name} is gone once a server reads {path} again (SIGHUP)"));
            Exit::Success
        }
        Ok(false) => {
            complain(&format!("{path} has no watch {name}: `probity watch list` lists them"));
            Exit::Usage
        }
        Err(error) => {
            complain(&format!("{path} is as it was: {error}"));
            Exit::Usage
        }
    }
}

const COLUMNS: [Column; 4] =
    [Column::whole("WATCH"), Column::text("CALLS"), Column::whole("COMES"), Column::text("TELLS")];

fn list(watches: &[Watch], json: bool) -> io::Result<()> {
    if json {
        let views: Vec<WatchView> =
            watches.iter().map(|watch| WatchView::of(watch, None)).collect();
        return printing::print_json(&json!({ "watches": views }));
    }
    let mut out = anstream::stdout().lock();
    if watches.is_empty() {
        return writeln!(out, "there are no watches");
    }
    let rows: Vec<Vec<String>> = watches.iter().map(row).collect();
    writeln!(out, "{}", Layout::of_stdout().table(&COLUMNS, &rows))
}

fn row(watch: &Watch) -> Vec<String> {
    let tell: Vec<String> = watch.tell().iter().map(ToString::to_string).collect();
    vec![watch.name().to_string(), call(watch), when(watch.schedule()), tell.join(", ")]
}

/// What it calls, on one line.
fn call(watch: &Watch) -> String {
    let mut words = vec![watch.tool().to_owned()];
    words.extend(watch.target().map(str::to_owned));
    let others = watch.arguments();
    let others = others.iter().filter(|(name, _)| *name != "target");
    words.extend(others.map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        value => format!("{name}={value}"),
    }));
    words.join(" ")
}

fn when(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Every(every) => format!("every {}", humantime::format_duration(*every)),
        Schedule::Cron(line) => format!("at {} {}", line.as_str(), line.zone()),
    }
}

async fn test(
    args: &TestWatchArgs,
    watches: &[Watch],
    caller: &Caller,
) -> Result<Exit, CommandError> {
    let Some(watch) = watches.iter().find(|watch| watch.name().as_str() == args.name) else {
        complain(&format!("there is no watch {}: `probity watch list` lists them", args.name));
        return Ok(Exit::Usage);
    };
    let (result, ran) = caller.call(watch).await;
    let is_told = conditions(watch, &ran).iter().any(|(_, holds, _)| *holds == Some(true));
    match args.json {
        true => print_test_as_json(watch, &ran)?,
        false => print_test(watch, &result, &ran)?,
    }
    Ok(match exit_of(&result) {
        Exit::Denied => Exit::Denied,
        _ if is_told || !ran.success => Exit::ToolFailed,
        _ => Exit::Success,
    })
}

/// Each condition, whether it holds where the result tells, and the figure that it is about.
fn conditions(watch: &Watch, ran: &Ran) -> Vec<(String, Option<bool>, Option<String>)> {
    let told = watch.tell().iter().map(|condition| {
        let text = condition.to_string();
        if text == "changed" {
            return (text, Some(ran.changed.is_some()), ran.changed.clone());
        }
        match condition.holds(ran) {
            Some((holds, value)) => (text, Some(holds), value.map(|value| value.to_string())),
            None => (text, None, None),
        }
    });
    told.collect()
}

fn print_test(watch: &Watch, result: &ToolResult, ran: &Ran) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}\n", result.text().trim_end())?;
    let rows: Vec<Vec<String>> = conditions(watch, ran)
        .into_iter()
        .map(|(condition, holds, value)| {
            let holds = match holds {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not told",
            };
            vec![condition, holds.into(), value.unwrap_or_default()]
        })
        .collect();
    if rows.is_empty() {
        return writeln!(out, "{} tells nothing (tell = [])", watch.name());
    }
    let columns = [Column::whole("TELLS"), Column::whole("NOW"), Column::text("IT IS")];
    writeln!(out, "{}", Layout::of_stdout().table(&columns, &rows))
}

fn print_test_as_json(watch: &Watch, ran: &Ran) -> io::Result<()> {
    let conditions: Vec<Value> = conditions(watch, ran)
        .into_iter()
        .map(|(condition, holds, value)| json!({ "condition": condition, "holds": holds, "value": value }))
        .collect();
    let view = WatchView::of(watch, None);
    printing::print_json(&json!({ "watch": view, "conditions": conditions, "result": ran.result }))
}
