//! Tickets: a browser's EventSource sends no headers, so it cannot show a token, and a token in an
//! address would end up in logs and histories. Whoever has a token gets a ticket for it, which is good for
//! one reading of the events, at once. A ticket is never logged, and opens nothing that its token does not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use crate::serve::access::Token;

/// How long a ticket waits to be used.
pub const GOOD_FOR: Duration = Duration::from_secs(30);

/// Most tickets of one token that wait to be used: as many as it may have readers.
const MAX_OF_TOKEN: usize = 64;

/// Most of all tokens.
const MAX: usize = 4096;

/// Those that wait to be used.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<HashMap<String, Ticket>>);

#[derive(Debug)]
struct Ticket {
    token: Arc<Token>,
    until: Instant,
}

impl Tickets {
    /// A new one; none where there are too many that nobody has used.
    pub fn issue(&self, token: &Arc<Token>) -> Option<String> {
        let now = Instant::now();
        // Nothing panics while it is held.
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, ticket| ticket.until > now);
        let own = tickets.values().filter(|ticket| Arc::ptr_eq(&ticket.token, token)).count();
        if own >= MAX_OF_TOKEN || tickets.len() >= MAX {
            return None;
        }
        // 244 random bits of the kernel's.
        let text = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let ticket = Ticket { token: Arc::clone(token), until: now + GOOD_FOR };
        tickets.insert(text.clone(), ticket);
        Some(text)
    }

    /// Whose ticket this is. From now on it is nobody's.
    pub fn redeem(&self, text: &str) -> Option<Arc<Token>> {
        // RULE: A ticket is good once.
        let ticket = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(text)?;
        (ticket.until > Instant::now()).then_some(ticket.token)
    }
}
