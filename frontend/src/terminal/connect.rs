//! Finds the broker that is meant, the installed one or one that was started for this process, and makes a
//! service over it.

use std::{sync::Arc, time::Duration};

use crate::{
    broker::{
        client::{Broker, BrokerError},
        embedded::{EmbeddedBroker, EmbeddedError},
        resolve::Resolver,
    },
    calls::{runs::Runs, service::Service, watch},
    config::Config,
    process::shutdown::Shutdown,
};

/// How long after a failed connection an embedded broker may take to be seen as ended.
const EMBEDDED_END: Duration = Duration::from_millis(500);

/// How long a server's call waits for a broker that was there before: one that starts again takes
/// less than a second, and a client hardly more patience.
const BROKER_PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no broker to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It does not answer.
    #[error("{0}\n{remedy}", remedy = .0.remedy())]
    Broker(BrokerError),
    /// It cannot be started, or has ended.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
}

/// A service for one command.
pub struct Session {
    /// The service.
    pub service: Arc<Service>,
    /// The names of the tools one is granted, published here or not.
    pub granted: Vec<String>,
    /// It lives as long as this.
    _embedded: Option<EmbeddedBroker>,
}

/// A service for one command.
///
/// # Errors
/// [`ConnectError`].
pub async fn once(
    embedded: Option<EmbeddedBroker>,
    config: Arc<Config>,
) -> Result<Session, ConnectError> {
    once_keeping(embedded, config, Runs::in_memory(None)).await
}

/// The same, with what it runs kept.
///
/// # Errors
/// [`ConnectError`].
pub async fn once_keeping(
    mut embedded: Option<EmbeddedBroker>,
    config: Arc<Config>,
    runs: Runs,
) -> Result<Session, ConnectError> {
    let broker = broker(embedded.as_ref(), &config);
    let catalog = broker.catalog().await.map_err(|error| no_answer(error, embedded.as_mut()))?;
    let granted = catalog.tools.iter().map(|tool| tool.name.to_string()).collect();
    let service = Service::new(broker, Resolver::system(), config, catalog).keeping(runs);
    Ok(Session { service: Arc::new(service), granted, _embedded: embedded })
}

/// The same for a server, which keeps in step with the broker until it is to stop.
///
/// # Errors
/// [`ConnectError`].
pub async fn for_serving(
    mut embedded: Option<EmbeddedBroker>,
    config: Arc<Config>,
    runs: Runs,
    shutdown: &Shutdown,
) -> Result<(Arc<Service>, Option<EmbeddedBroker>), ConnectError> {
    let broker = broker(embedded.as_ref(), &config);
    let watched = broker.watch_catalog().await;
    let (catalog, watch) = watched.map_err(|error| no_answer(error, embedded.as_mut()))?;
    let patient = broker.clone().waited_for(BROKER_PATIENCE);
    let service = Service::new(patient, Resolver::system(), config, catalog).keeping(runs);
    let service = Arc::new(service);
    tokio::spawn(watch::follow(broker, watch, Arc::clone(&service), shutdown.clone()));
    Ok((service, embedded))
}

fn broker(embedded: Option<&EmbeddedBroker>, config: &Config) -> Broker {
    let broker = match embedded {
        Some(embedded) => Broker::at(&embedded.socket(), true),
        None => Broker::at(&config.broker.socket, false),
    };
    broker.at_most(config.security.highest_tier())
}

/// An embedded broker that has ended has said why.
fn no_answer(error: BrokerError, embedded: Option<&mut EmbeddedBroker>) -> ConnectError {
    match embedded.and_then(|embedded| embedded.ended_within(EMBEDDED_END)) {
        Some(ended) => ConnectError::Embedded(ended),
        None => ConnectError::Broker(error),
    }
}
