//! `probity watch`: the file of calls that come by themselves. It lists, adds and removes what stands there,
//! and makes a watch's call once. What runs them again and again is a server.

mod file;
mod shown;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub(super) use self::file::{WatchFile, WatchFileError};
use self::shown::{conditions, list, print_test, print_test_as_json, when};
use super::{CommandError, Exit, call::exit_of, complain};
use crate::{
    broker::embedded::EmbeddedBroker,
    calls::runs::Runs,
    config::Config,
    terminal::{
        cli::{AddWatchArgs, TestWatchArgs, WatchArgs, WatchCommand},
        connect,
    },
    watches::{
        caller::Caller,
        served::added::read_one,
        tools::Tools,
        watch::Watch,
        written::{self, WrittenWatch},
    },
};

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
    let conditions = conditions(watch, &ran);
    let is_told = conditions.iter().any(|condition| condition.holds == Some(true));
    match args.json {
        true => print_test_as_json(watch, &ran, &conditions)?,
        false => print_test(watch, &result, conditions)?,
    }
    Ok(match exit_of(&result) {
        Exit::Denied => Exit::Denied,
        _ if is_told || !ran.success => Exit::ToolFailed,
        _ => Exit::Success,
    })
}
