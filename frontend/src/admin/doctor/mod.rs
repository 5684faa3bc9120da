//! `probity doctor`: what works on this machine, for this user, and how to mend what does not.
//!
//! One file an area, and in each the same two parts: what is looked at, and pure functions from that
//! to a [`Check`], so that a machine without Landlock or a socket that nobody listens at can be had in
//! a test. It looks with what this user may; it changes nothing and leaves nothing behind: a broker
//! that it starts for the look keeps its audit log in a directory that goes with it. Every step has a
//! time limit.

mod broker;
mod fence;
mod kernel;
mod limits;
mod network;
mod person;
mod policy;
mod report;
mod self_test;
mod server;
mod socket;
mod tools;

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

pub use self::report::{Check, CheckState, Remedy, Report};
use self::{
    broker::Answers,
    fence::Fences,
    person::Person,
    policy::{PolicyFacts, PolicyFile},
    report::Mode,
    server::Becomes,
    socket::{Host, Knock, Socket},
};
use crate::{
    broker::{
        choice::{BrokerChoice, Choice, SYSTEM_FOLDER},
        client::{Broker, BrokerError, grants_root},
        embedded::{EmbeddedBroker, look_for_place_of_log},
        resolve::Resolver,
    },
    calls::{published::registry::Listing, request::join_words, service::Service},
    config::{Loaded, show},
    process::confine::can_become_nobody,
};

/// How long a broker may take for an answer. It takes less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long a broker that closed a connection may take to be seen as ended.
const END: Duration = Duration::from_millis(300);

/// The setting that names the socket, and its source where nobody has set it.
const SOCKET_SETTING: &str = "broker.socket";
const NOBODY: &str = "default";

/// The broker that is looked at.
struct BrokerUnderTest {
    broker: Broker,
    /// It lives as long as this.
    embedded: Option<EmbeddedBroker>,
}

/// Who looks, at which broker, and with which settings.
struct DoctorContext<'a> {
    loaded: &'a Loaded,
    person: Person,
    mode: Mode,
}

/// Looks at everything.
pub async fn examine(flags: &BrokerChoice, loaded: &Loaded) -> Report {
    let host = Host::look();
    let socket = &loaded.config.broker.socket;
    let choice = Choice::of(flags, loaded);
    let (mode, flags) = (mode(&choice), &choice.spelled_out(flags, loaded));
    let context = DoctorContext { loaded, person: Person::look().await, mode };
    let (tested, asked) = ask(flags, &context).await;

    let mut checks = vec![configuration(loaded)];
    let landlock = kernel::Landlock::look();
    checks.extend(kernel::checks(landlock, asked.facts()));
    checks.push(server::check(landlock, &context.person, becomes(&context).await, mode));
    let grounds = PolicyFacts {
        file: policy_file(flags, loaded, mode),
        decided_by: asked.welcome().map(|welcome| welcome.policy_digest),
        systemd: host.systemd,
    };
    let policy = policy::check(&policy::look(&grounds.file).await, &grounds);
    let is_policy_bad = policy.state == CheckState::Failed;
    checks.push(policy);
    // It is the unit's, which lives by the system's policy.
    let mut is_fence_off = false;
    if grounds.file == PolicyFile::System && host.systemd && host.unit {
        let fence = fence::check(Fences::look(&grounds.file).await);
        is_fence_off = fence.state == CheckState::Warning;
        checks.push(fence);
    }
    // After the policy: a broker that refuses that leaves nobody at its socket.
    if mode == Mode::Installed {
        let at = Socket::look(socket, &context.person).await;
        checks.push(socket::reach(&at, &Knock::of(asked.error()), &context.person, &host));
    }
    checks.push(broker::check(&asked, mode, &host, is_policy_bad));
    let place = match mode {
        Mode::Installed => Ok(()),
        Mode::Embedded | Mode::NothingInstalled => look_for_place_of_log(flags.policy.as_deref()),
    };
    checks.push(broker::audit_log(&asked, place, mode));
    checks.push(limits::check(limits::look(mode, socket).as_deref()));
    checks.push(network::capability(
        asked.facts(),
        network::PingRange::look(),
        &context.person,
        mode,
        network::is_container(),
    ));
    match tested.filter(|_| asked.answer.is_ok()) {
        Some(tested) => {
            checks.extend(offer(&tested.broker, &asked, &context, is_fence_off).await);
        }
        None => {
            checks.push(broker::no_catalog(None));
            checks.push(self_test::not_tried());
        }
    }
    Report::new(mode, socket, checks)
}

/// Asks the broker that is meant, which is started for that if it is one of this process's own.
async fn ask(
    flags: &BrokerChoice,
    context: &DoctorContext<'_>,
) -> (Option<BrokerUnderTest>, Answers) {
    let started = match context.mode {
        Mode::Installed => {
            let broker = Broker::at(&context.loaded.config.broker.socket, false);
            Ok(BrokerUnderTest { broker, embedded: None })
        }
        Mode::Embedded | Mode::NothingInstalled => {
            EmbeddedBroker::start_to_look_at(flags.policy.as_deref()).map(|embedded| {
                BrokerUnderTest {
                    broker: Broker::at(&embedded.socket(), true),
                    embedded: Some(embedded),
                }
            })
        }
    };
    match started {
        Ok(mut tested) => {
            let mut asked = Answers::of(&tested.broker, PATIENCE).await;
            asked.note_end(tested.embedded.as_mut(), END);
            (Some(tested), asked)
        }
        Err(error) => (None, Answers::never_started(&error)),
    }
}

/// What this user can have of it: grants, tools, and a call.
async fn offer(
    broker: &Broker,
    asked: &Answers,
    context: &DoctorContext<'_>,
    is_fence_off: bool,
) -> Vec<Check> {
    let (listing, granted) = match published(broker, context.loaded).await {
        Ok(published) => published,
        Err(error) => return vec![broker::no_catalog(Some(&error)), self_test::not_tried()],
    };
    let has_net_raw = asked.facts().is_some_and(|facts| facts.net_raw);
    let mut checks = vec![broker::grants(&listing, &granted, &context.person, context.mode)];
    checks.extend(tools::checks(&listing, &granted, has_net_raw));
    checks.push(self_test::try_it(broker, &listing, is_fence_off).await);
    checks
}

/// What this user is granted, and what of it is published here.
async fn published(
    broker: &Broker,
    loaded: &Loaded,
) -> Result<(Arc<Listing>, Vec<String>), BrokerError> {
    let tier = loaded.config.security.highest_tier();
    let broker = broker.clone().at_most(tier);
    let catalog = timeout(PATIENCE, broker.catalog()).await;
    let catalog = catalog.unwrap_or(Err(BrokerError::Stalled))?;
    let granted = catalog.tools.iter().map(|tool| tool.name.to_string()).collect();
    let config = Arc::new(loaded.config.clone());
    let service = Service::new(broker, Resolver::system(), config, catalog);
    Ok((service.listing(), granted))
}

/// Whom a server becomes, if root starts it.
async fn becomes(context: &DoctorContext<'_>) -> Becomes {
    match (can_become_nobody(), context.mode) {
        (false, _) => Becomes::Itself,
        (true, Mode::Installed) if grants_root(&context.loaded.config.broker.socket).await => {
            Becomes::ItselfByName
        }
        (true, _) => Becomes::Nobody,
    }
}

/// The broker that every other command would ask.
fn mode(choice: &Choice) -> Mode {
    match choice {
        Choice::Embedded => Mode::Embedded,
        Choice::Installed => Mode::Installed,
        Choice::NothingInstalled => Mode::NothingInstalled,
    }
}

fn is_usual_socket(loaded: &Loaded) -> bool {
    let socket = loaded.effective.iter().find(|it| it.setting.key == SOCKET_SETTING);
    socket.is_none_or(|setting| setting.source == NOBODY)
}

/// Which file the policy is in, as far as that is known: a broker at another socket may have been
/// given any.
fn policy_file(flags: &BrokerChoice, loaded: &Loaded, mode: Mode) -> PolicyFile {
    match (mode, &flags.policy) {
        (Mode::Installed, _) if is_usual_socket(loaded) => PolicyFile::System,
        (Mode::Installed, _) => PolicyFile::Unknown,
        (_, Some(path)) => PolicyFile::At(path.clone()),
        (_, None) => PolicyFile::Shipped,
    }
}

/// What `probity config` would warn of.
fn configuration(loaded: &Loaded) -> Check {
    let warnings = show::as_json(loaded)["warnings"].as_array().map_or(0, Vec::len);
    let file = match &loaded.file {
        Some(path) => format!("the file {path}, the environment and the defaults"),
        None => "no file; the environment and the defaults".to_owned(),
    };
    match warnings {
        0 => Check::ok("configuration", file),
        count => {
            let warn =
                if count == 1 { "1 setting needs" } else { &format!("{count} settings need") };
            let found = format!("{file}; {warn} to be looked at");
            let file = loaded.file.iter().flat_map(|path| ["--config", path.as_str()]);
            let words = ["probity", "config"].into_iter().chain(file).map(str::to_owned);
            let words: Vec<String> = words.collect();
            let command = join_words(&words).unwrap_or_else(|| words.join(" "));
            Check::warning("configuration", found).mend("See what is wrong with each:", [command])
        }
    }
}
