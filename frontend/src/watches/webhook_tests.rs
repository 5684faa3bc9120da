//! Against a receiver on this machine: what it is sent, that it can verify it, and what becomes of each answer.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

use probity_tests::needs;
use serde_json::{Value, json};

use super::*;
use crate::watches::{
    figures::Amount,
    name::WatchName,
    told::{News, RunIds},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What a receiver does with a request.
#[derive(Clone)]
enum Answer {
    /// Answers with a status, and headers.
    Status(&'static str),
    /// Takes it and says nothing.
    Silence,
    /// Closes the connection.
    Close,
}

#[derive(Clone)]
struct Received {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(of, _)| of.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// A server that gives these answers, and 204 from then on.
struct Receiver {
    url: HttpUrl,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    fn of(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url =
            HttpUrl::parse(&format!("http://{}/hook", listener.local_addr().unwrap())).unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (into, mut answers) = (Arc::clone(&received), VecDeque::from(answers.to_vec()));
        thread::spawn(move || {
            let mut silent = Vec::new();
            for mut stream in listener.incoming().flatten() {
                // One request a connection: each answer says that it is closed.
                let Some(request) = read(&stream) else { continue };
                into.lock().unwrap().push(request);
                match answers.pop_front().unwrap_or(Answer::Status("204 No Content")) {
                    Answer::Status(status) => {
                        let end = "Connection: close\r\nContent-Length: 0\r\n\r\n";
                        let _ = write!(stream, "HTTP/1.1 {status}\r\n{end}");
                    }
                    Answer::Silence => silent.push(stream),
                    Answer::Close => drop(stream),
                }
            }
        });
        Self { url, received }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut input = BufReader::new(stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => assert!(line.starts_with("POST /hook HTTP/1.1"), "{line}"),
        }
    }
    let mut received = Received { headers, body: Vec::new() };
    let length = received.header("content-length").parse().unwrap_or_default();
    received.body.resize(length, 0);
    input.read_exact(&mut received.body).ok()?;
    Some(received)
}

fn told(value: f64) -> Told {
    Told {
        watch: WatchName::new("gateway").unwrap(),
        tool: "ping".into(),
        target: Some("10.0.0.1".into()),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        run: Some(RunIds::by_correlation("run-1")),
        news: News::Became { condition: "loss > 5 %".into(), value: Some(Amount::Number(value)) },
    }
}

/// One that does not wait for long.
fn webhook(receiver: &Receiver) -> Webhook {
    let patience = Patience {
        tries: 4,
        each: Duration::from_millis(300),
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(20),
        total: Duration::from_secs(10),
    };
    Webhook::with_patience(&receiver.url, WebhookSecret::new(SECRET).unwrap(), patience)
}

/// Delivers until nothing waits any more.
async fn deliver_all(webhook: &Webhook) {
    let emptied = async {
        while webhook.waiting_now() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        never = webhook.deliver() => match never {},
        () = emptied => {}
    }
}

async fn figures_after(answers: &[Answer]) -> (WebhookFigures, Vec<Received>) {
    let receiver = Receiver::of(answers);
    let webhook = webhook(&receiver);
    webhook.post(&told(40.0));
    deliver_all(&webhook).await;
    (webhook.figures(), receiver.received())
}

#[tokio::test]
async fn one_that_fails_twice_and_then_accepts_gets_the_same_delivery_each_time() {
    let failures = [Answer::Status("500 Broken"), Answer::Close];
    let (figures, received) = figures_after(&failures).await;
    assert_eq!(figures, WebhookFigures { delivered: 1, retries: 2, ..WebhookFigures::default() });
    assert_eq!(received.len(), 3);
    for request in &received {
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header(EVENT), "became");
        assert_eq!(request.header(DELIVERY), received[0].header(DELIVERY));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(
            body,
            json!({
                "watch": "gateway", "tool": "ping", "target": "10.0.0.1",
                "at": "2026-01-01T00:00:00Z", "run_id": null, "correlation_id": "run-1",
                "kind": "became", "condition": "loss > 5 %", "value": 40.0,
            })
        );
        let signature = request.header(SIGNATURE);
        let time = signature.strip_prefix("t=").and_then(|it| it.split_once(',')).unwrap().0;
        let secret = WebhookSecret::new(SECRET).unwrap();
        assert_eq!(signature, secret.sign(time.parse().unwrap(), &request.body));
    }
    assert!(Uuid::parse_str(received[0].header(DELIVERY)).is_ok());
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again_and_what_may_pass_is() {
    for (status, tries) in [
        ("400 Bad Request", 1),
        ("401 Unauthorized", 1),
        ("404 Not Found", 1),
        ("410 Gone", 1),
        ("408 Request Timeout", 2),
        ("429 Too Many Requests", 2),
        ("503 Service Unavailable", 2),
    ] {
        let (figures, received) = figures_after(&[Answer::Status(status)]).await;
        assert_eq!(received.len(), tries, "{status}");
        assert_eq!(figures.given_up, u64::from(tries == 1), "{status}");
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed_and_not_tried_again() {
    for status in ["302 Found\r\nLocation: /hook", "307 Temporary Redirect\r\nLocation: /hook"] {
        let (figures, received) = figures_after(&[Answer::Status(status)]).await;
        assert_eq!((figures.given_up, received.len()), (1, 1), "{status}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_left_after_its_time_and_given_up_after_all_tries() {
    let (figures, received) = figures_after(&vec![Answer::Silence; 4]).await;
    assert_eq!(figures, WebhookFigures { given_up: 1, retries: 3, ..WebhookFigures::default() });
    let ids: Vec<&str> = received.iter().map(|request| request.header(DELIVERY)).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn no_try_is_begun_beyond_the_time_of_all() {
    let receiver = Receiver::of(&vec![Answer::Status("500 Broken"); 100]);
    let patience = Patience {
        tries: 100,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(100),
        total: Duration::from_millis(250),
        ..Patience::default()
    };
    let secret = WebhookSecret::new(SECRET).unwrap();
    let webhook = Webhook::with_patience(&receiver.url, secret, patience);
    webhook.post(&told(1.0));
    deliver_all(&webhook).await;
    assert_eq!(webhook.figures().given_up, 1);
    assert!(receiver.received().len() <= 6, "{}", receiver.received().len());
}

#[tokio::test]
async fn the_oldest_are_dropped_and_counted_where_too_many_wait_and_the_rest_keep_their_order() {
    let receiver = Receiver::of(&[]);
    let webhook = webhook(&receiver);
    for number in 0..MOST_WAITING + 10 {
        webhook.post(&told(number as f64));
    }
    assert_eq!(webhook.waiting_now(), MOST_WAITING);
    assert_eq!(webhook.figures().dropped, 10);
    deliver_all(&webhook).await;
    let value = |request: &Received| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body["value"].as_f64().unwrap() as usize
    };
    let values: Vec<usize> = receiver.received().iter().map(value).collect();
    assert_eq!(values, (10..MOST_WAITING + 10).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_sent() {
    let receiver = Receiver::of(&[]);
    let webhook = webhook(&receiver);
    let (sender, news) = broadcast::channel(8);
    let ran = News::Ran { success: true, duration_ms: 1 };
    for news in [ran, told(1.0).news] {
        sender.send(Arc::new(Told { news, ..told(1.0) })).unwrap();
    }
    let delivered = async {
        while webhook.figures().delivered == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        never = webhook.carry(news) => match never {},
        () = delivered => {}
    }
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(webhook.figures().dropped, 0);
}

#[tokio::test]
async fn the_end_tries_each_once_more_and_holds_nobody_up() {
    let receiver = Receiver::of(&[Answer::Status("500 Broken")]);
    let first = webhook(&receiver);
    first.post(&told(1.0));
    first.post(&told(2.0));
    first.last(Duration::from_secs(5)).await;
    let figures = first.figures();
    assert_eq!((figures.delivered, figures.given_up, figures.retries), (1, 1, 0));
    let silent = Receiver::of(&[Answer::Silence]);
    let webhook = Webhook::new(&silent.url, WebhookSecret::new(SECRET).unwrap());
    webhook.post(&told(1.0));
    let began = Instant::now();
    webhook.last(Duration::from_millis(100)).await;
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// The lines of the page's example.
fn example() -> &'static str {
    let page = include_str!("../../../docs/watches.md");
    let begin = page.split_once("```python\n").unwrap().1;
    begin.split_once("```").unwrap().0
}

#[test]
fn the_example_of_the_page_takes_what_is_signed_and_nothing_else() {
    if !needs::tool("/usr/bin/python3") {
        return;
    }
    let now = jiff::Timestamp::now().as_second();
    let secret = WebhookSecret::new(SECRET).unwrap();
    let body = b"{\"watch\": \"gateway\"}";
    let signed = secret.sign(now, body);
    let old = secret.sign(now - 3_600, body);
    let forged = signed.replace("v1=", "v1=0");
    for (header, body, expected) in [
        (signed.as_str(), "{\"watch\": \"gateway\"}", "True"),
        (signed.as_str(), "{\"watch\": \"gatewax\"}", "False"),
        (old.as_str(), "{\"watch\": \"gateway\"}", "False"),
        (forged.as_str(), "{\"watch\": \"gateway\"}", "False"),
        ("", "{\"watch\": \"gateway\"}", "False"),
        ("nonsense", "{\"watch\": \"gateway\"}", "False"),
    ] {
        let call = "import sys\nprint(is_from_probity(*(word.encode() for word in sys.argv[1:3]), sys.argv[3]))";
        let program = format!("{}\n{call}", example());
        let run = Command::new("/usr/bin/python3")
            .args(["-I", "-c", &program, SECRET, body, header])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        let errors = String::from_utf8_lossy(&run.stderr);
        assert_eq!(said.trim(), expected, "{header} {body}: {errors}");
    }
}
