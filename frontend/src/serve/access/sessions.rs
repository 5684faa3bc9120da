//! Sessions of browsers: a page cannot hold a token, and a token in a browser's storage would be any script's.
//! Whoever shows a token once, or follows the link with a code that a server prints, is given a cookie for it.
//!
//! A session opens nothing that its token does not, and it ends with its token, with this process, when its
//! holder leaves, and after twelve hours. Neither a session's key nor a code is ever logged, and of a key only
//! its hash is kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::Token;

/// How long a session lasts at most.
pub const LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// Most sessions of one token; the oldest makes room.
const MAX_OF_TOKEN: usize = 64;

/// Most of all tokens; the oldest makes room.
const MAX: usize = 4096;

/// The sessions of a server, and the code that opens one.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    sessions: HashMap<Hash, Session>,
    code: Option<(Hash, Arc<Token>)>,
}

#[derive(Debug)]
struct Session {
    token: Arc<Token>,
    began: Instant,
}

type Hash = [u8; 32];

impl Sessions {
    /// Begins one for whoever has shown this token; answers its key.
    pub fn begin(&self, token: &Arc<Token>) -> String {
        let (key, began) = (random(), Instant::now());
        let mut held = self.held();
        held.sessions.retain(|_, session| session.is_new_at(began));
        let is_own = |session: &Session| Arc::ptr_eq(&session.token, token);
        if held.sessions.values().filter(|session| is_own(session)).count() >= MAX_OF_TOKEN {
            held.forget_oldest(is_own);
        }
        if held.sessions.len() >= MAX {
            held.forget_oldest(|_| true);
        }
        held.sessions.insert(hash(&key), Session { token: Arc::clone(token), began });
        key
    }

    /// Whose session this is, if it is one. Whether the token still holds is for its store to say.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Arc<Token>> {
        // RULE: A session ends after twelve hours.
        let (held, now) = (self.held(), Instant::now());
        let session = held.sessions.get(&hash(key)).filter(|session| session.is_new_at(now));
        session.map(|session| Arc::clone(&session.token))
    }

    /// Ends one; nothing where there is none.
    pub fn end(&self, key: &str) {
        self.held().sessions.remove(&hash(key));
    }

    /// Ends those whose token `holds` says no more of.
    pub fn keep(&self, holds: impl Fn(&Token) -> bool) {
        self.held().sessions.retain(|_, session| holds(&session.token));
    }

    /// A code that opens one session for this token, in the place of any earlier one.
    pub fn code(&self, token: Arc<Token>) -> String {
        let code = random();
        self.held().code = Some((hash(&code), token));
        code
    }

    /// Whose code this is. From now on it is nobody's.
    pub fn redeem(&self, code: &str) -> Option<Arc<Token>> {
        // RULE: A code is good once.
        let given = hash(code);
        self.held().code.take_if(|(own, _)| *own == given).map(|(_, token)| token)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn forget_oldest(&mut self, of: impl Fn(&Session) -> bool) {
        let those = self.sessions.iter().filter(|(_, session)| of(session));
        if let Some(oldest) = those.min_by_key(|(_, session)| session.began).map(|(key, _)| *key) {
            self.sessions.remove(&oldest);
        }
    }
}

impl Session {
    fn is_new_at(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < LASTS
    }
}

/// 244 random bits of the kernel's. Nobody guesses them, so that looking one up by its hash tells nothing.
fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::access::{NewToken, Secret};

    fn token(name: &str) -> Arc<Token> {
        Arc::new(NewToken::admin(name).with(&Secret::random().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lasts_twelve_hours_unless_it_is_ended() {
        let (sessions, ann) = (Sessions::default(), token("ann"));
        let [long, short] = [sessions.begin(&ann), sessions.begin(&ann)];
        assert!(Arc::ptr_eq(&sessions.find(&long).unwrap(), &ann));
        sessions.end(&short);
        assert_eq!(sessions.find(&short), None);
        tokio::time::advance(LASTS - Duration::from_secs(1)).await;
        assert!(sessions.find(&long).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(sessions.find(&long), None);
        assert_eq!(sessions.find(""), None);
    }

    #[test]
    fn one_whose_token_is_gone_does_not_come_back_with_it() {
        let (sessions, ann, bob) = (Sessions::default(), token("ann"), token("bob"));
        let [of_ann, of_bob] = [sessions.begin(&ann), sessions.begin(&bob)];
        sessions.keep(|token| token.name == "ann");
        assert!(sessions.find(&of_ann).is_some());
        assert_eq!(sessions.find(&of_bob), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_token_has_only_so_many_and_loses_its_oldest() {
        let (sessions, ann, bob) = (Sessions::default(), token("ann"), token("bob"));
        let of_bob = sessions.begin(&bob);
        let mut keys = Vec::new();
        for _ in 0..=MAX_OF_TOKEN {
            tokio::time::advance(Duration::from_millis(1)).await;
            keys.push(sessions.begin(&ann));
        }
        let known: Vec<bool> = keys.iter().map(|key| sessions.find(key).is_some()).collect();
        assert_eq!(known.iter().position(|known| *known), Some(1), "only the first is gone");
        assert!(sessions.find(&of_bob).is_some());
    }

    #[test]
    fn a_code_is_good_once_and_only_the_latest() {
        let (sessions, ann) = (Sessions::default(), token("ann"));
        let old = sessions.code(Arc::clone(&ann));
        let code = sessions.code(Arc::clone(&ann));
        assert_eq!(sessions.redeem(&old), None);
        assert_eq!(sessions.redeem("x"), None);
        assert!(sessions.redeem(&code).is_some());
        assert_eq!(sessions.redeem(&code), None);
    }
}
