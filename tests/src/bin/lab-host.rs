//! The servers of the lab's host: what a scan of it finds, friendly on two ports and hostile on
//! two.
//!
//! `lab-host ADDRESS…` binds these addresses alone, never a wildcard, so that outside a lab, where
//! they do not exist, it refuses to start. It prints `ready` once every port is bound and
//! ends when its stdin closes. It reads from a peer no more than one request and keeps nothing.

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Connections served at once on each port; the backlog holds the others.
const WORKERS_PER_PORT: usize = 4;
/// Longer than the 6 s for which nmap waits in silence before it sends a probe.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// A request comes in one piece here, so a pause in it is its end.
const MORE_BYTES_TIMEOUT: Duration = Duration::from_millis(500);
/// More than any probe of nmap; what comes after it is not read.
const REQUEST_MAX_BYTES: usize = 4096;

const SSH_BANNER: &[u8] = b"SSH-2.0-ProbityLab_1.0\r\n";

const HTTP_RESPONSE: &[u8] = b"HTTP/1.0 200 OK\r\nServer: ProbityLab/1.0\r\n\
    Content-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlab\n";

/// Every way a line of text can act on a terminal or mislead its reader.
const HOSTILE_BANNER: &[&[u8]] = &[
    b"220 hostile ",
    // CSI: clear the screen, go home, print in red.
    b"\x1b[2J\x1b[H\x1b[31mred\x1b[0m ",
    // OSC 0: set the window title. Ended by BEL.
    b"\x1b]0;owned-title\x07",
    // OSC 8: a link that shows one address and opens another. Ended by ST.
    b"\x1b]8;;http://attacker.invalid/\x1b\\http://web.lab.internal/\x1b]8;;\x1b\\ ",
    // OSC 52: write the clipboard.
    b"\x1b]52;c;b3duZWQ=\x07",
    // C1, as UTF-8: CSI (U+009B), and OSC (U+009D) up to ST (U+009C).
    "\u{9b}32mgreen \u{9d}0;owned-by-c1\u{9c}".as_bytes(),
    // C1 as a raw byte: CSI to a terminal that is not in UTF-8 mode, and invalid UTF-8.
    b"\x9b33m ",
    // Bidi: override, isolate, and their ends.
    "\u{202e}txt.exe\u{202c} \u{2066}\u{2067}isolate\u{2069}\u{2069} ".as_bytes(),
    // Zero width: space, non-joiner, joiner, word joiner, byte order mark.
    "ze\u{200b}r\u{200c}o\u{200d}wi\u{2060}dth\u{feff} ".as_bytes(),
    // Tags: ASCII that no font shows and a model may read.
    "\u{e0068}\u{e0069}".as_bytes(),
    // Overwriting what stands on the line: carriage return, backspaces, NUL.
    b"open\rclosed\x08\x08\x08\0\r\n",
];

/// What surrounds the hostile line in an answer that claims to be a web page.
const HOSTILE_PAGE: [&[u8]; 3] = [
    b"HTTP/1.0 200 OK\r\nServer: ",
    b"\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><head><title>",
    b"</title></head></html>\n",
];

type Serve = fn(TcpStream) -> io::Result<()>;

const SERVERS: [(u16, Serve); 4] =
    [(22, serve_ssh), (80, serve_http), (8080, serve_hostile), (8000, serve_hostile_page)];

fn main() -> Result<(), Box<dyn Error>> {
    let addresses: Vec<IpAddr> =
        env::args().skip(1).map(|address| address.parse()).collect::<Result<_, _>>()?;
    if addresses.is_empty() {
        return Err("usage: lab-host ADDRESS…".into());
    }
    for address in addresses {
        for (port, serve) in SERVERS {
            let listener = TcpListener::bind((address, port))
                .map_err(|error| format!("binding {address}:{port}: {error}"))?;
            for _ in 0..WORKERS_PER_PORT {
                let listener = listener.try_clone()?;
                thread::spawn(move || work(&listener, serve));
            }
        }
    }
    println!("ready");
    // Returning from main ends the workers.
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

fn work(listener: &TcpListener, serve: Serve) {
    loop {
        match listener.accept() {
            // A scanner that hangs up in the middle is what this is for, so no error is news.
            Ok((peer, _)) => drop(serve(peer)),
            // Out of descriptors, say: that passes, and asking at once would only spin.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn serve_ssh(mut peer: TcpStream) -> io::Result<()> {
    peer.write_all(SSH_BANNER)?;
    read_request(&mut peer)
}

fn serve_http(mut peer: TcpStream) -> io::Result<()> {
    read_request(&mut peer)?;
    peer.write_all(HTTP_RESPONSE)
}

fn serve_hostile(mut peer: TcpStream) -> io::Result<()> {
    peer.write_all(&HOSTILE_BANNER.concat())
}

/// The same line as a header and as a title, where NUL and the line's end would be no HTTP.
fn serve_hostile_page(mut peer: TcpStream) -> io::Result<()> {
    read_request(&mut peer)?;
    let mut line = HOSTILE_BANNER.concat();
    line.retain(|byte| ![0, b'\r', b'\n'].contains(byte));
    let [status, body, end] = HOSTILE_PAGE;
    peer.write_all(&[status, &line, body, &line, end].concat())
}

/// Reads up to the first empty line, or as much as a peer that knows no HTTP has to say.
fn read_request(peer: &mut TcpStream) -> io::Result<()> {
    let mut request = [0; REQUEST_MAX_BYTES];
    peer.set_read_timeout(Some(FIRST_BYTE_TIMEOUT))?;
    let mut length = peer.read(&mut request)?;
    peer.set_read_timeout(Some(MORE_BYTES_TIMEOUT))?;
    while length < request.len() && !request[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        // A timeout is no error here: a binary probe ends in silence, and is answered as well.
        match peer.read(&mut request[length..]) {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
    }
    Ok(())
}
