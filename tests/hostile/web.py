"""HTTP that redirects, embeds and refers: what it does is the port's, and where to takes turns."""

import base64
import struct
import zlib

from lures import FOREIGN, NAME, Lures

# These say where to go in every answer; the others show pages, and ask for a password on PASSWORD.
MOVED = {443, 8000}
PASSWORD = {8008}

STATUS = [301, 302, 303, 307, 308]
METHODS = "GET, HEAD, POST, OPTIONS, TRACE, PUT, DELETE, PROPFIND, COPY, MOVE, LOCK, DEBUG"


def challenge() -> str:
    """An NTLM challenge whose target information names other hosts."""
    name = NAME.encode("utf-16-le")
    pairs = b"".join(struct.pack("<HH", kind, len(name)) + name for kind in (1, 2, 3, 4, 5))
    pairs += struct.pack("<HH", 0, 0)
    head = b"NTLMSSP\0" + struct.pack(
        "<IHHII8s8s", 2, len(name), len(name), 56, 0xA2898205, b"x" * 8, b""
    )
    head += struct.pack(
        "<HHI8s", len(pairs), len(pairs), 56 + len(name), b"\x0a\0\x61\x4a\0\0\0\x0f"
    )
    return base64.b64encode(head + name + pairs).decode()


def answer(lures: Lures, scheme: str, port: int, request: bytes) -> bytes:
    line = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    method, path = line[0], line[1] if len(line) > 1 else "/"
    place = lures.next(scheme, port)
    headers = {
        "Connection": "Keep-Alive",
        "Keep-Alive": "timeout=2, max=100",
        "Server": f"Apache/2.2.15 (Unix) DAV/2 mod_jk at {FOREIGN}",
        "Content-Location": place,
        "Refresh": f"0; url={place}",
        "Link": f"<{place}>; rel=canonical",
        "Set-Cookie": "PHPSESSID=1; path=/; domain=" + NAME,
        "X-Powered-By": "PHP/5.3.3",
        "Allow": METHODS,
        "Public": METHODS,
        "DAV": "1,2",
        "MS-Author-Via": "DAV",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": METHODS,
        "WWW-Authenticate": f'Basic realm="{NAME}"\r\nWWW-Authenticate: NTLM {challenge()}\r\n'
        f'WWW-Authenticate: Digest realm="{NAME}", nonce="1", qop="auth", domain="{place}"',
    }
    body = lures.page(scheme, port)
    if path in ("/icon.png", "/desc.xml"):
        # To an address that looks like the same domain: some follow no other redirect.
        status, headers["Location"] = 302, f"{scheme}://{lures.twin}:{port}{path}"
    elif port in MOVED or path.startswith("/hop"):
        status, headers["Location"] = STATUS[port % len(STATUS)], place
    elif port in PASSWORD:
        status, headers["Location"] = 401, place
    elif "nmap" in path.lower():
        # What a scanner asks for to learn how a page looks that is not there.
        status, headers["Location"] = 404, place
    elif path == "/robots.txt":
        status, body = 200, f"User-agent: *\nDisallow: {place}\nSitemap: {place}\n"
    elif method in ("PROPFIND", "REPORT"):
        status = 207
        body = (
            '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response>'
            f"<D:href>{place}</D:href></D:response></D:multistatus>"
        )
    elif method == "TRACE":
        status, body = 200, request.decode("latin-1")
    else:
        # Pages that are there, that are elsewhere and that are not, whatever the name.
        share = zlib.crc32(path.encode()) % 8
        status = 200 if path == "/" or share == 0 else STATUS[share % 5] if share < 3 else 404
        headers["Location"] = place
    text = body.encode()
    shown = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Answer\r\n{shown}Content-Length: {len(text)}\r\n\r\n"
    return head.encode() + (b"" if method == "HEAD" else text)
