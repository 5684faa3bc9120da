"""Web servers for the lab: good ones, and each way in which one can be bad.

`web.py CERTIFICATES SAID ADDRESS...` serves at each ADDRESS, says `ready`, and ends when its standard input
does. What a path or a port stands for is in the tables below; the certificates are in the folder, a PEM file each
with its key. What mail servers hear after a handshake goes to the file SAID. It runs in a namespace of a lab and
nowhere else.
"""

import os
import socket
import ssl
import sys
import threading
import time

# Beyond the lab: nobody may ever be sent there.
PUBLIC = "8.8.8.8"

HTTP = 8081
TLS = {443: "good", 8441: "expired", 8442: "wrong", 8443: "self-signed", 8444: "chained"}
# They speak a protocol of their own before the handshake.
STARTTLS = {25: "smtp", 143: "imap"}
# It takes connections, and never says a word.
MUTE = 8089
SILENT = b""

PAGE = b"<html><title>lab</title>\nThe page of the lab.\x1b[2J\n</html>\n"


def response(status: str, headers: list[str], body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def good(head: list[str]) -> bytes:
    return response("200 OK", ["Server: lab/1.0", "Content-Type: text/html", f"Content-Length: {len(PAGE)}", *head], PAGE)


PATHS = {
    "/": lambda: good(["Strict-Transport-Security: max-age=60", "Cache-Control: no-store", "Set-Cookie: a=1", "Set-Cookie: b=2"]),
    "/missing": lambda: response("404 Not Found", ["Content-Type: text/plain", "Content-Length: 5"], b"gone\n"),
    "/fails": lambda: response("503 Service Unavailable", ["Retry-After: 120", "Content-Length: 0"]),
    "/redirect": lambda: response("301 Moved Permanently", [f"Location: http://{PUBLIC}/elsewhere", "Content-Length: 0"]),
    "/refresh": lambda: good([f"Refresh: 0; url=http://{PUBLIC}/", f"Alt-Svc: h2=\"{PUBLIC}:443\"", f"Link: <http://{PUBLIC}/x>; rel=preload"]),
    "/proxy": lambda: response("305 Use Proxy", [f"Location: http://{PUBLIC}:3128/", "Content-Length: 0"]),
    "/protected": lambda: response("401 Unauthorized", ["WWW-Authenticate: Negotiate", f"WWW-Authenticate: Digest realm=\"a\", nonce=\"b\", domain=\"http://{PUBLIC}/\"", "Content-Length: 0"]),
    "/hostile": lambda: response("200 \x1b[31mOK", ["Server: \x1b]0;owned\x07 10.0.0.1 answered 200", "Content-Type: text/\x9bhtml", "X-Long: " + "x" * 9000, "Content-Length: 0"]),
    "/large": lambda: response("200 OK", ["Content-Length: 5000000000"]),
    "/cut": lambda: response("200 OK", ["Content-Length: 1000"], b"half"),
    "/not-http": lambda: b"SSH-2.0-ProbityLab_1.0\r\n",
    "/nothing": lambda: SILENT,
}


def serve_http(peer: socket.socket) -> None:
    peer.settimeout(10)
    request = b""
    while b"\r\n\r\n" not in request and len(request) < 16384:
        piece = peer.recv(4096)
        if not piece:
            return
        request += piece
    method, path = request.split(b" ")[:2]
    path = path.decode("latin-1").split("?")[0]
    if path == "/endless":
        peer.sendall(response("200 OK", ["Content-Type: application/octet-stream"]))
        while True:
            peer.sendall(b"again and again\n" * 4096)
    if path == "/slow":
        # A header a second, for ever.
        peer.sendall(b"HTTP/1.1 200 OK\r\nServer: slow\r\n")
        while True:
            time.sleep(1)
            peer.sendall(b"X-More: yes\r\n")
    answer = PATHS.get(path, PATHS["/missing"])()
    if method == b"HEAD":
        answer = answer.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
    peer.sendall(answer)


def start_tls(kind: str, peer: socket.socket) -> None:
    """What stands before the handshake of a mail server."""
    lines = {
        "smtp": [b"220 mail.lab.internal ESMTP\r\n", b"250-mail.lab.internal\r\n250 STARTTLS\r\n", b"220 go ahead\r\n"],
        "imap": [b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK\r\n", b". OK begin\r\n"],
    }[kind]
    peer.sendall(lines[0])
    for line in lines[1:]:
        if not peer.recv(4096):
            return
        peer.sendall(line)


def main() -> None:
    folder, log, addresses = sys.argv[1], open(sys.argv[2], "a"), sys.argv[3:]
    contexts = {}
    for name in {*TLS.values()}:
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(os.path.join(folder, f"{name}.pem"))

    def serve(port: int, peer: socket.socket) -> None:
        try:
            with peer:
                if port in STARTTLS:
                    start_tls(STARTTLS[port], peer)
                if port == MUTE:
                    peer.recv(4096)
                    time.sleep(60)
                elif port == HTTP:
                    serve_http(peer)
                else:
                    with contexts[TLS.get(port, "good")].wrap_socket(peer, server_side=True) as secured:
                        secured.settimeout(10)
                        if port in STARTTLS:
                            # Whatever is said after the handshake.
                            said = secured.recv(4096)
                            log.write(f"{port} {said!r}\n")
                            log.flush()
                        else:
                            serve_http(secured)
        except (OSError, ValueError):
            pass

    def listen(port: int, server: socket.socket) -> None:
        while True:
            peer, _ = server.accept()
            threading.Thread(target=serve, args=(port, peer), daemon=True).start()

    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for port in [HTTP, MUTE, *TLS, *STARTTLS]:
            server = socket.create_server((address, port), family=family)
            threading.Thread(target=listen, args=(port, server), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


main()
