//! The cookie that holds a session's key: for the page alone, for no script, and for no other site.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::serve::access::LASTS;

/// The key that a request brings along, where it has one.
pub(super) fn key(headers: &HeaderMap) -> Option<&str> {
    // RULE: Of several sessions in one request none counts.
    keys(headers).next().filter(|key| !key.is_empty() && !are_several(headers))
}

/// Whether there are several. Another server of this host can have a browser send one of its own beside ours, and
/// nobody can tell which is which.
pub(super) fn are_several(headers: &HeaderMap) -> bool {
    keys(headers).nth(1).is_some()
}

fn keys(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let name = name(headers);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    cookies.flat_map(|line| line.split(';')).filter_map(move |cookie| {
        let (own, value) = cookie.trim().split_once('=')?;
        (own == name).then_some(value)
    })
}

/// The line that has a browser keep a key, by the headers of its request.
pub(super) fn kept(key: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    line(key, LASTS.as_secs(), headers)
}

/// The line that has it forget.
pub(super) fn forgotten(headers: &HeaderMap) -> Option<HeaderValue> {
    line("", 0, headers)
}

fn line(key: &str, seconds: u64, headers: &HeaderMap) -> Option<HeaderValue> {
    // RULE: A session's cookie is read by no script and sent along with no other site's request.
    let mut line = format!("{}={key}; Path=/ui; HttpOnly; SameSite=Strict", name(headers));
    // Writing to a String cannot fail.
    let _ = write!(line, "; Max-Age={seconds}");
    if is_secure(headers) {
        line.push_str("; Secure");
    }
    HeaderValue::from_str(&line).ok()
}

/// Browsers tell cookies apart by host and not by port, and one machine may have several servers.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let port =
        port.filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    format!("probity_session_{}", port.unwrap_or("0"))
}

/// Whether the page was asked by HTTPS, by the word of the browser: its own origin says so.
fn is_secure(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| origin.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, cookies: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        for line in cookies {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn each_port_of_a_host_has_a_cookie_of_its_own() {
        let cookies =
            ["a=b; probity_session_8080=one; probity_session_9090=two", "probity_session_0=three"];
        for (host, expected) in [
            ("localhost:8080", Some("one")),
            ("[::1]:9090", Some("two")),
            ("probity.example", Some("three")),
            ("localhost:1", None),
        ] {
            assert_eq!(key(&headers(host, &cookies)), expected, "{host}");
        }
        for none in ["probity_session_8080=", "probity_session_8080=a; probity_session_8080=b"] {
            assert_eq!(key(&headers("localhost:8080", &[none])), None, "{none}");
        }
    }

    #[test]
    fn it_is_for_the_page_alone_and_for_no_script() {
        let mut asked = headers("localhost:8080", &[]);
        let line = kept("key", &asked).unwrap();
        assert_eq!(
            line,
            "probity_session_8080=key; Path=/ui; HttpOnly; SameSite=Strict; Max-Age=43200"
        );
        asked.insert(header::ORIGIN, HeaderValue::from_static("https://localhost:8080"));
        let line = forgotten(&asked).unwrap();
        assert_eq!(
            line,
            "probity_session_8080=; Path=/ui; HttpOnly; SameSite=Strict; Max-Age=0; Secure"
        );
    }
}
