//! The seats of connections: who holds them, and whose connection makes room for the next.
//!
//! Nobody keeps others out, however many connections he opens and whatever he says or does not say on
//! them. Where all seats are taken, whoever holds most makes room with the connection that has stood
//! still for longest: one that says nothing, one whose body does not come, and one of a stranger even
//! while it is answered. A request of somebody with a token is never closed for another's sake once its
//! body is there, so of those nobody has more than are left to others. And a few seats more are kept
//! for probes, which are answered when nothing else is.
//!
//! Nothing here reads or closes a connection: it is told that it has to go.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::calls::control::gate::ClientKey;

/// Most bytes of bodies that have not come to their end, of all requests together. Honest bodies have a few
/// kilobytes, and come at once.
const BODIES_MAX: usize = 32 << 20;

/// Seats beyond the others, whose connections are answered nothing but probes.
pub const KEPT_FOR_PROBES: usize = 64;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// Somebody without a token, or who has not said anything yet.
    Stranger(IpAddr),
    /// Whoever has this token, from wherever.
    Token(ClientKey),
}

impl Holder {
    /// A stranger. Addresses of which one machine has as many as it likes are one.
    pub fn stranger(address: IpAddr) -> Self {
        Self::Stranger(match address {
            IpAddr::V4(address) if address.is_loopback() => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V4(_) => address,
            IpAddr::V6(address) if address.is_loopback() => IpAddr::from([127, 0, 0, 1]),
            // A network of IPv6 has 64 bits for its machines.
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
        })
    }

    const fn is_stranger(self) -> bool {
        matches!(self, Self::Stranger(_))
    }
}

/// What goes on on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No head of a request is there.
    Idle,
    /// A head is, and its body is not.
    Arriving,
    /// A request is answered.
    Answering,
}

/// A token has as many requests open as others leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareTaken;

/// The seats of a server.
#[derive(Debug)]
pub struct Seats {
    most: usize,
    state: Mutex<SeatTable>,
}

#[derive(Debug, Default)]
struct SeatTable {
    /// Numbers that only grow: names of connections, and moments.
    next: u64,
    taken: HashMap<u64, Taken>,
    /// Those beyond the others.
    beyond: HashMap<u64, Taken>,
    holdings: HashMap<Holder, Holding>,
    /// The holders with a connection that can go, by how much they hold: strangers, and tokens.
    strangers_by_size: BTreeSet<Size>,
    tokens_by_size: BTreeSet<Size>,
    /// Connections of strangers.
    strangers: usize,
    /// Requests of tokens.
    engaged: usize,
    /// What there is of bodies, and the same with those whose connections have yet to hear that they have
    /// to go.
    bytes: usize,
    kept: usize,
}

/// A seat that is taken.
#[derive(Debug)]
struct Taken {
    holder: Holder,
    /// The stranger whose it was before anybody showed a token.
    opener: Holder,
    phase: Phase,
    /// When it last came on.
    since: u64,
    /// What there is of its body.
    bytes: usize,
    gone: CancellationToken,
}

impl Taken {
    fn can_go(&self) -> bool {
        self.phase != Phase::Answering || self.holder.is_stranger()
    }
}

/// What one holder has.
#[derive(Debug, Default, PartialEq, Eq)]
struct Holding {
    seats: usize,
    /// Those with a request.
    engaged: usize,
    /// What there is of bodies.
    bytes: usize,
    /// Those that can go, by when they last came on.
    can_go: BTreeMap<u64, u64>,
}

/// Orders holders: by their seats, then by what has stood still for longest.
type Size = (usize, Reverse<u64>, Holder);

impl Holding {
    fn size(&self, holder: Holder) -> Option<Size> {
        let (since, _) = self.can_go.first_key_value()?;
        Some((self.seats, Reverse(*since), holder))
    }
}

impl Seats {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// A seat for a connection that has said nothing yet; none where even those for probes are busy.
    pub fn take(seats: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let mut state = seats.state();
        let is_beyond = state.taken.len() >= seats.most && !state.make_room(seats.most);
        if is_beyond && state.beyond.len() >= KEPT_FOR_PROBES {
            let waiting = state.beyond.iter().filter(|(_, taken)| taken.can_go());
            let oldest = waiting.min_by_key(|(_, taken)| taken.since).map(|(number, _)| *number)?;
            state.beyond.remove(&oldest)?.gone.cancel();
        }
        let (number, gone) = (state.tick(), CancellationToken::new());
        let opener = Holder::stranger(address);
        let phase = Phase::Idle;
        let (since, bytes) = (number, 0);
        let taken = Taken { holder: opener, opener, phase, since, bytes, gone: gone.clone() };
        match is_beyond {
            true => {
                state.beyond.insert(number, taken);
            }
            false => state.put(number, taken),
        }
        drop(state);
        Some(Seat { seats: Arc::clone(seats), number, is_beyond, gone })
    }

    fn state(&self) -> MutexGuard<'_, SeatTable> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's seat, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
    is_beyond: bool,
    gone: CancellationToken,
}

impl Seat {
    /// Whether nothing but a probe is answered on it.
    pub const fn is_for_probes(&self) -> bool {
        self.is_beyond
    }

    /// Waits until it is another's.
    pub async fn lost(&self) {
        self.gone.cancelled().await;
    }

    /// A request's head has come, and its body or not. What came of one before is of no account.
    pub fn begin(&self, is_whole: bool) {
        let phase = if is_whole { Phase::Answering } else { Phase::Arriving };
        self.change(|taken| (taken.phase, taken.bytes) = (phase, 0));
    }

    /// So much more of its body has.
    pub fn come_on(&self, bytes: usize) {
        let mut state = self.seats.state();
        state.kept += bytes;
        state.change(self.number, |taken| taken.bytes += bytes);
        state.make_room_for_bodies();
    }

    /// So much of its body is kept no more.
    pub fn let_go(&self, bytes: usize) {
        self.seats.state().kept -= bytes;
    }

    /// Whether more of a body is better read once those that have to go are gone.
    pub fn has_to_wait(&self) -> bool {
        self.seats.state().kept > BODIES_MAX
    }

    /// All has that is wanted of its body.
    pub fn be_whole(&self) {
        self.change(|taken| {
            if taken.phase == Phase::Arriving {
                taken.phase = Phase::Answering;
            }
            taken.bytes = 0;
        });
    }

    /// The request is answered.
    pub fn end(&self) {
        self.change(|taken| (taken.phase, taken.bytes) = (Phase::Idle, 0));
    }

    /// The request is a stranger's.
    pub fn leave_to(&self, address: IpAddr) {
        self.change(|taken| taken.holder = Holder::stranger(address));
    }

    /// The request is a token's. One whose share is taken makes room for itself, where a body of its
    /// own has not come.
    ///
    /// # Errors
    /// [`ShareTaken`]: it is a stranger's then.
    pub fn belong_to(&self, token: ClientKey) -> Result<(), ShareTaken> {
        let (holder, mut state) = (Holder::Token(token), self.seats.state());
        state.change(self.number, |taken| taken.holder = holder);
        if state.is_within_share(holder, self.seats.most) {
            return Ok(());
        }
        if let Some(stuck) = state.stuck(holder, Some(self.number)) {
            state.send_away(stuck);
            return Ok(());
        }
        state.change(self.number, |taken| taken.holder = taken.opener);
        Err(ShareTaken)
    }

    fn change(&self, change: impl FnOnce(&mut Taken)) {
        self.seats.state().change(self.number, change);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.seats.state();
        state.beyond.remove(&self.number);
        state.remove(self.number);
    }
}

impl SeatTable {
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Sends the connection away that has stood still for longest, of whoever holds most. Strangers
    /// leave half of the seats to those with tokens, however many they are.
    fn make_room(&mut self, most: usize) -> bool {
        // RULE: Where all connections are taken, whoever holds most of them makes room.
        let stranger = self.strangers_by_size.last();
        let largest = match self.strangers > most / 2 {
            true => stranger.or(self.tokens_by_size.last()),
            false => stranger.max(self.tokens_by_size.last()),
        };
        let Some((_, _, holder)) = largest else { return false };
        let oldest = self.holdings.get(holder).and_then(|holding| holding.can_go.first_key_value());
        let Some((_, number)) = oldest else { return false };
        self.send_away(*number);
        true
    }

    /// Sends bodies away until the rest is small enough: each time the one that has not come on for
    /// longest, of whoever has sent most.
    fn make_room_for_bodies(&mut self) {
        while self.bytes > BODIES_MAX {
            let most = self.holdings.iter().max_by_key(|(_, holding)| holding.bytes);
            let Some(number) = most.and_then(|(holder, _)| self.stuck(*holder, None)) else {
                return;
            };
            self.send_away(number);
        }
    }

    fn send_away(&mut self, number: u64) {
        if let Some(taken) = self.remove(number) {
            taken.gone.cancel();
        }
    }

    /// Whether a holder has no more requests than there are seats without any, this one left out. So
    /// one alone has half of them; of two, each a third; and there is always something left.
    fn is_within_share(&self, holder: Holder, most: usize) -> bool {
        let own = self.holdings.get(&holder).map_or(0, |holding| holding.engaged);
        own <= most.saturating_sub(self.engaged) + 1
    }

    /// The request of a holder's whose body has not come on for longest, but this.
    fn stuck(&self, holder: Holder, but: Option<u64>) -> Option<u64> {
        let own = self.holdings.get(&holder)?.can_go.values().copied();
        let is_arriving = |number: &u64| {
            self.taken.get(number).is_some_and(|taken| taken.phase == Phase::Arriving)
        };
        own.filter(|number| Some(*number) != but).find(is_arriving)
    }

    /// Changes what is known of a connection that still has its seat, which comes on thereby.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Taken)) {
        let since = self.tick();
        if let Some(taken) = self.beyond.get_mut(&number) {
            change(taken);
            taken.since = since;
        } else if let Some(mut taken) = self.remove(number) {
            change(&mut taken);
            taken.since = since;
            self.put(number, taken);
        }
    }

    fn put(&mut self, number: u64, taken: Taken) {
        self.count(taken.holder, |holding| {
            holding.seats += 1;
            holding.engaged += usize::from(taken.phase != Phase::Idle);
            holding.bytes += taken.bytes;
            if taken.can_go() {
                holding.can_go.insert(taken.since, number);
            }
        });
        self.taken.insert(number, taken);
    }

    fn remove(&mut self, number: u64) -> Option<Taken> {
        let taken = self.taken.remove(&number)?;
        self.count(taken.holder, |holding| {
            holding.seats -= 1;
            holding.engaged -= usize::from(taken.phase != Phase::Idle);
            holding.bytes -= taken.bytes;
            holding.can_go.remove(&taken.since);
        });
        Some(taken)
    }

    /// Changes what a holder has, and keeps all that is known of it in step.
    fn count(&mut self, holder: Holder, change: impl FnOnce(&mut Holding)) {
        let by_size = match holder.is_stranger() {
            true => &mut self.strangers_by_size,
            false => &mut self.tokens_by_size,
        };
        let holding = self.holdings.entry(holder).or_default();
        if let Some(size) = holding.size(holder) {
            by_size.remove(&size);
        }
        let (seats, engaged, bytes) = (holding.seats, holding.engaged, holding.bytes);
        change(holding);
        by_size.extend(holding.size(holder));
        self.bytes = self.bytes + holding.bytes - bytes;
        match holder.is_stranger() {
            true => self.strangers = self.strangers + holding.seats - seats,
            false => self.engaged = self.engaged + holding.engaged - engaged,
        }
        if holding.seats == 0 {
            self.holdings.remove(&holder);
        }
    }
}

#[cfg(test)]
#[path = "seats_tests.rs"]
mod tests;
