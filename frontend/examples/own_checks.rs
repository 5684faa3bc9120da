//! Probity as a library, with a health check and a counter of one's own.
//!
//! ```sh
//! cargo run -p probity --example own_checks -- /run/probity/broker.sock 127.0.0.1
//! ```
//!
//! pings the target once, counts what came of it, and prints the health and both forms of the
//! metrics. The broker decides as ever: nothing here can run what its policy does not allow. What can be
//! said without a program (how old a file is, whether something listens, a figure of a tool's results)
//! is `[[health.checks]]` and `[[metrics.counter]]` in the configuration file.

use std::{borrow::Cow, env, error::Error, path::PathBuf, sync::Arc};

use probity::{
    calls::observe::health::{Finding, HealthCheck, Looking, Priority},
    calls::observe::metrics::{Label, Tools},
    calls::runs,
    calls::service::Asking,
    config::{self, Environment, Flags},
    terminal::connect,
};
use serde_json::{Map, Value, json};

/// That this many files at most wait in a folder.
struct Backlog {
    folder: PathBuf,
    most: usize,
}

impl HealthCheck for Backlog {
    fn name(&self) -> Cow<'_, str> {
        "backlog".into()
    }

    // Nothing stops for it: what it finds wrong is degraded (207), and never a reason for 503.
    fn priority(&self) -> Priority {
        Priority::Low
    }

    // One thread does all the work: a look at a file system that may hang belongs on another.
    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            let folder = self.folder.clone();
            let counted =
                tokio::task::spawn_blocking(move || folder.read_dir().map(Iterator::count));
            match counted.await {
                Ok(Ok(waiting)) if waiting <= self.most => {
                    Finding::healthy(format!("{waiting} files wait"))
                }
                Ok(Ok(waiting)) => Finding::degraded(format!(
                    "{waiting} files wait, and {} are the most: is whoever takes them away?",
                    self.most
                )),
                Ok(Err(error)) => Finding::degraded(format!("{}: {error}", self.folder.display())),
                Err(_) => Finding::degraded("the look at the folder failed"),
            }
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(socket), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("give the broker's socket and a target".into());
    };
    let flags = Flags { socket: Some(socket), ..Flags::default() };
    let loaded = config::load(&flags, &Environment::of_process())?;
    let session = connect::once(None, Arc::new(loaded.config)).await?;
    let service = &session.service;

    let folder = env::temp_dir();
    service.add_health_check(Arc::new(Backlog { folder, most: 10_000 })).await;

    // The name ends in _total and begins with neither mcp_ nor probity_. All values are declared: one
    // that is not counts as `other`, so that nothing can make a series.
    let answers = service.metrics().register_counter(
        "office_answers_total",
        "Whether the office answered.",
        &[Label { name: "alive", values: &["true", "false"] }],
    )?;

    let arguments = json!({ "target": target, "count": 1 });
    let arguments: Map<String, Value> = serde_json::from_value(arguments)?;
    let owner = runs::this_user();
    let asking = Asking::own("ping", &arguments, &owner);
    let result = service.call(asking, &mut |_| {}).await;
    match result.parsed.as_ref().map(|parsed| &parsed["alive"]) {
        Some(alive) => answers.increment(&[&alive.to_string()]),
        // A denial, say: the result has the reason.
        None => eprintln!("{}", result.error.unwrap_or_default()),
    }

    println!("{}", serde_json::to_string_pretty(&*service.health().await)?);
    println!("{}", serde_json::to_string_pretty(&service.metrics_report().await)?);
    let health = service.health().await;
    print!("{}", service.metrics().text(&service.listing(), Tools::All, &health));
    Ok(())
}
