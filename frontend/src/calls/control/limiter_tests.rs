use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// As the settings have it where nobody says anything, but for the number of clients.
fn limiter(max_clients: usize) -> Limiter {
    Limiter::new(RateLimit { requests: 10, window: 60 * SECOND, max_clients, stdio: false })
}

fn client(number: u64) -> RateKey {
    at(number, "127.0.0.1")
}

fn at(number: u64, address: &str) -> RateKey {
    RateKey::new(ClientKey::numbered(number), address.parse().unwrap())
}

/// How many of so many requests are let through.
fn let_through(limiter: &Limiter, who: u64, tool: &str, requests: u32) -> usize {
    (0..requests).filter(|_| limiter.ask(client(who), tool).is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn ten_requests_go_at_once_and_then_one_every_six_seconds() {
    let limiter = limiter(1000);
    let standings: Vec<_> = (0..10).map(|_| limiter.ask(client(1), "ping").unwrap()).collect();
    assert_eq!(standings[0], Quota { remaining: 9, full_in: 6 * SECOND });
    assert_eq!(standings[9], Quota { remaining: 0, full_in: 60 * SECOND });
    let first = Exceeded { retry_after: 6 * SECOND, is_first: true };
    assert_eq!(limiter.ask(client(1), "ping"), Err(first));
    advance(4 * SECOND).await;
    // A refusal uses no token: the time that was told stays true.
    let again = Exceeded { retry_after: 2 * SECOND, is_first: false };
    assert_eq!(limiter.ask(client(1), "ping"), Err(again));
    advance(2 * SECOND).await;
    assert_eq!(let_through(&limiter, 1, "ping", 5), 1);
    advance(600 * SECOND).await;
    assert_eq!(let_through(&limiter, 1, "ping", 20), 10, "a bucket holds no more than ten");
}

#[tokio::test(start_paused = true)]
async fn each_client_has_a_bucket_for_each_tool() {
    let limiter = limiter(1000);
    assert_eq!(let_through(&limiter, 1, "ping", 20), 10);
    assert_eq!(let_through(&limiter, 1, "nmap", 20), 10);
    assert_eq!(let_through(&limiter, 2, "ping", 20), 10);
}

#[tokio::test(start_paused = true)]
async fn no_crowd_washes_away_an_empty_bucket() {
    let limiter = limiter(3);
    assert_eq!(let_through(&limiter, 1, "ping", 10), 10);
    for newcomer in 100..5000 {
        let _ = limiter.ask(client(newcomer), "ping");
    }
    assert_eq!(let_through(&limiter, 1, "ping", 1), 0);
    // Two of the crowd are counted, and all the rest of it as one.
    assert_eq!(let_through(&limiter, 100, "ping", 20), 9);
    assert_eq!(let_through(&limiter, 9000, "ping", 20), 0);
    assert_eq!(limiter.state.lock().unwrap().clients.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn clients_that_have_been_quiet_make_room_for_others() {
    let limiter = limiter(3);
    for quiet in 1..=3 {
        let_through(&limiter, quiet, "ping", 10);
    }
    advance(30 * SECOND).await;
    assert_eq!(let_through(&limiter, 3, "ping", 10), 5);
    advance(37 * SECOND).await;
    assert_eq!(let_through(&limiter, 4, "ping", 20), 10);
    let state = limiter.state.lock().unwrap();
    let mut counted: Vec<_> = state.clients.keys().copied().collect();
    counted.sort_by_key(|key| format!("{key:?}"));
    assert_eq!(counted, [client(3), client(4)], "the third's bucket is not full yet");
}

#[tokio::test(start_paused = true)]
async fn a_tiny_window_and_a_single_request_are_kept_too() {
    let rate = RateLimit { requests: 1, window: SECOND, max_clients: 1, stdio: false };
    let limiter = Limiter::new(rate);
    assert_eq!(let_through(&limiter, 1, "ping", 5), 1);
    advance(SECOND).await;
    assert_eq!(let_through(&limiter, 1, "ping", 5), 1);
}

fn runs(limiter: &Limiter, client: RateKey) -> usize {
    (0..20).filter(|_| limiter.ask(client, "ping").is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn clients_behind_one_token_do_not_starve_each_other() {
    let limiter = limiter(1000);
    assert_eq!(runs(&limiter, at(1, "127.0.0.1")), 10);
    assert_eq!(runs(&limiter, at(1, "127.0.0.2")), 10);
    assert_eq!(runs(&limiter, at(1, "::ffff:127.0.0.2")), 0, "the same, written otherwise");
    assert_eq!(runs(&limiter, at(1, "fd00::1")), 10);
    assert_eq!(
        runs(&limiter, at(1, "fd00::2")),
        0,
        "one machine has all of its network's addresses"
    );
    assert_eq!(runs(&limiter, at(1, "fd00:0:0:1::1")), 10);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_many_addresses_gains_little_and_takes_no_place_of_others() {
    let limiter = limiter(1000);
    let let_through: usize =
        (0..5000_u32).map(|number| runs(&limiter, at(1, &format!("fd00:0:0:{number:x}::1")))).sum();
    assert_eq!(let_through, 10 * (MAX_ADDRESSES + 1));
    assert_eq!(limiter.state.lock().unwrap().clients.len(), MAX_ADDRESSES + 1);
    assert_eq!(runs(&limiter, at(2, "127.0.0.1")), 10);
    // Those that are quiet are forgotten, and others of the token counted for themselves again.
    advance(120 * SECOND).await;
    assert_eq!(runs(&limiter, at(1, "127.0.0.1")), 10);
    assert_eq!(runs(&limiter, at(1, "127.0.0.2")), 10);
}
