"""TCP protocols other than HTTP, each with an answer that names somebody else.

A handler takes the connection, and what the client sent first where the client speaks first. It
says as much as a scanner reads; a port without one gets a line of text whatever is asked.
"""

import struct
from typing import Callable

from lures import FOREIGN, NAME, Lures, packed

Handler = Callable[["Talk"], None]


class Talk:
    def __init__(self, connection, lures: Lures, port: int, first: bytes = b"") -> None:
        self.connection = connection
        self.lures = lures
        self.port = port
        self.pending = first

    def send(self, data: bytes | str) -> None:
        self.connection.sendall(data.encode() if isinstance(data, str) else data)

    def read(self) -> bytes:
        """What comes next, or nothing at the end."""
        data, self.pending = self.pending, b""
        data = data or self.connection.recv(65536)
        if data.startswith(b"\x16\x03"):
            raise ConnectionError("a probe for TLS: who is not answered at once waits long")
        return data

    def lines(self):
        while data := self.read():
            for line in data.decode("latin-1").splitlines():
                yield line


def ftp(talk: Talk) -> None:
    talk.send(f"220 {NAME} FTP server (vsFTPd 2.3.4) ready at {FOREIGN}\r\n")
    numbers = FOREIGN.replace(".", ",")
    said = {
        "USER": "331 Password",
        "PASS": "230 Welcome",
        "PASV": f"227 Entering Passive Mode ({numbers},0,80)",
        "EPSV": f"229 Entering Extended Passive Mode (|1|{FOREIGN}|80|)",
        "PORT": "200 PORT command successful",
        "LIST": "150 Here comes",
        "SYST": f"215 UNIX {FOREIGN}",
        "STAT": f"211-FTP server status:\r\n     Connected to {FOREIGN}\r\n211 End",
        "AUTH": "234 Proceed",
        "QUIT": "221 Bye",
    }
    for line in talk.lines():
        talk.send(said.get(line[:4].upper(), f"200 {talk.lures.text()}") + "\r\n")


def smtp(talk: Talk) -> None:
    talk.send(f"220 {NAME} ESMTP Exim 4.72 [{FOREIGN}]\r\n")
    for line in talk.lines():
        word = line[:4].upper()
        if word == "EHLO":
            talk.send(f"250-{NAME} Hello [{FOREIGN}]\r\n250-AUTH NTLM LOGIN\r\n250-STARTTLS\r\n250 HELP\r\n")
        elif word in ("RCPT", "MAIL"):
            talk.send(f"251 User not local; will forward to <x@{FOREIGN}>\r\n")
        elif word == "AUTH":
            talk.send("334 " + __import__("web").challenge() + "\r\n")
        else:
            talk.send(f"250 {talk.lures.text()}\r\n")


def imap(talk: Talk) -> None:
    talk.send(f"* OK [REFERRAL imap://{FOREIGN}/] {NAME}\r\n")
    for line in talk.lines():
        tag = line.split(" ", 1)[0]
        talk.send(f"* CAPABILITY IMAP4rev1 AUTH=NTLM STARTTLS LOGIN-REFERRALS\r\n{tag} OK [REFERRAL imap://{FOREIGN}/] done\r\n")


def pop3(talk: Talk) -> None:
    talk.send(f"+OK {NAME} at {FOREIGN}\r\n")
    for line in talk.lines():
        more = "\r\nUSER\r\nSASL NTLM\r\nSTLS\r\n." if line.upper().startswith("CAPA") else ""
        talk.send(f"+OK {talk.lures.text()}{more}\r\n")


def nntp(talk: Talk) -> None:
    talk.send(f"200 {NAME} InterNetNews NNRP server INN 2.4.1 ready (posting ok).\r\n")
    for _ in talk.lines():
        talk.send(f"381 {talk.lures.text()}\r\n")


def irc(talk: Talk) -> None:
    for line in talk.lines():
        if line.startswith("NICK"):
            talk.send(
                f":{NAME} 001 x :Welcome\r\n:{NAME} 004 x {FOREIGN} u2.10 o o\r\n"
                f":{NAME} 010 x {FOREIGN} 6667 :Please use this server\r\n:{NAME} 376 x :End\r\n"
            )


def redirected(talk: Talk) -> None:
    """SIP and RTSP: another place in Contact and Location."""
    for line in talk.lines():
        kind = "SIP/2.0" if "SIP" in line else "RTSP/1.0"
        if not line.endswith(("SIP/2.0", "RTSP/1.0")):
            continue
        scheme = kind[: kind.index("/")].lower()
        talk.send(
            f"{kind} 302 Moved\r\nCSeq: 1 OPTIONS\r\nContact: <{scheme}:{FOREIGN}:80>\r\n"
            f"Location: {scheme}://{FOREIGN}:80/\r\nPublic: OPTIONS, DESCRIBE\r\nAllow: INVITE\r\n"
            f"Via: {kind}/TCP {FOREIGN}\r\nRecord-Route: <{scheme}:{FOREIGN};lr>\r\nContent-Length: 0\r\n\r\n"
        )


def ber(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else b"\x82" + struct.pack(">H", size)
    return bytes([tag]) + length + body


def search_answers(request: bytes) -> tuple[bytes, bytes, bytes]:
    """What a search finds: an entry, and twice that the rest is elsewhere."""
    url = f"ldap://{FOREIGN}/dc=x".encode()
    at = 2 + (request[1] & 0x7F if request[1] & 0x80 else 0)
    number = request[at : at + 3]
    values = [
        ber(0x30, ber(0x04, name), ber(0x31, ber(0x04, b"dc=" + NAME.encode()), ber(0x04, url)))
        for name in (b"namingContexts", b"defaultNamingContext", b"supportedLDAPVersion", b"dnsHostName")
    ]
    return (
        ber(0x30, number, ber(0x64, ber(0x04, b""), ber(0x30, *values))),
        ber(0x30, number, ber(0x73, ber(0x04, url))),
        ber(0x30, number, ber(0x65, b"\x0a\x01\x0a", ber(4), ber(4), ber(0xA3, ber(0x04, url)))),
    )


def ldap(talk: Talk) -> None:
    while data := talk.read():
        at = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
        kind = data[at + 3]
        if kind == 0x63:
            for part in search_answers(data):
                talk.send(part)
        else:
            said = 0x61 if kind == 0x60 else 0x78
            talk.send(ber(0x30, data[at : at + 3], ber(said, b"\x0a\x01\x00", ber(4), ber(4))))


def portmap(talk: Talk) -> None:
    while data := talk.read():
        if len(data) < 28:
            return
        reply = rpc_reply(data[4:])
        talk.send(struct.pack(">I", 0x80000000 | len(reply)) + reply)


def rpc_reply(call: bytes) -> bytes:
    """Lists services whose addresses are elsewhere, exports to others, and says yes to the rest."""
    number, _, _, program, version, procedure = struct.unpack(">6I", call[:24])
    head = struct.pack(">6I", number, 1, 0, 0, 0, 0)

    def text(value: str) -> bytes:
        raw = value.encode()
        return struct.pack(">I", len(raw)) + raw + b"\0" * (-len(raw) % 4)

    known = [(100000, 2, 111), (100003, 3, 2049), (100005, 3, 20048), (100002, 2, 2049)]
    if program == 100000 and procedure == 4:
        body = b""
        for service, of, port in known:
            for protocol, name in ((6, "tcp"), (17, "udp")):
                body += struct.pack(">3I", 1, service, of)
                body += (
                    struct.pack(">2I", protocol, port)
                    if version < 3
                    else text(name) + text(f"{FOREIGN}.{port >> 8}.{port & 255}") + text(NAME)
                )
        return head + body + struct.pack(">I", 0)
    if program == 100000:
        return head + (struct.pack(">I", 2049) if version < 3 else text(f"{FOREIGN}.8.1"))
    if program == 100005 and procedure == 5:
        export = struct.pack(">I", 1) + text(f"/srv/{FOREIGN}") + struct.pack(">I", 1) + text(NAME)
        return head + export + struct.pack(">2I", 0, 0)
    if program == 100005 and procedure == 1:
        return head + struct.pack(">2I", 0, 8) + packed(FOREIGN) * 2 + struct.pack(">2I", 1, 1)
    return head + struct.pack(">4I", 0, 0, 0, 0) * 12


def rmi(talk: Talk) -> None:
    """A registry whose endpoint, and whose objects' endpoint, is elsewhere."""
    def utf(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    listing = (
        b"\x51\xac\xed\x00\x05\x77\x0f\x01" + b"\0" * 14
        + b"\x75\x72" + utf("[Ljava.lang.String;") + b"\xad\xd2\x56\xe7\xe9\x1d\x7b\x47\x02\0\0\x70\x78\x70"
        + struct.pack(">I", 1) + b"\x74" + utf("lure")
    )
    reference = utf("UnicastRef") + utf(FOREIGN) + struct.pack(">I", 80) + b"\0" * 23
    stub = (
        b"\x51\xac\xed\x00\x05\x77\x0f\x01" + b"\0" * 14
        + b"\x73\x72" + utf("java.rmi.server.RemoteObject") + b"\xd3\x61\xb4\x91\x0c\x61\x33\x1e\x03\0\0\x78\x70"
        + b"\x77" + bytes([len(reference)]) + reference + b"\x78"
    )
    if talk.read().startswith(b"JRMI"):
        talk.send(b"\x4e" + utf(FOREIGN) + struct.pack(">I", 80))
    while data := talk.read():
        if b"\x50\xac\xed" in data:
            talk.send(stub if b"lure" in data else listing)


def mysql(talk: Talk) -> None:
    body = b"\x0a5.5.5-" + NAME.encode() + b"\0" + struct.pack("<I", 7) + b"12345678\0\xff\xf7\x08\x02\0\x7f\x80\x15"
    body += b"\0" * 10 + b"123456789012\0mysql_native_password\0"
    talk.send(struct.pack("<I", len(body))[:3] + b"\0" + body)
    while talk.read():
        talk.send(b"\x07\0\0\x02\0\0\0\x02\0\0\0")


def redis(talk: Talk) -> None:
    for line in talk.lines():
        if line.upper() in ("INFO", "CLIENT", "CLUSTER", "ROLE", "CONFIG"):
            text = f"# Server\r\nredis_version:3.0\r\nmaster_host:{FOREIGN}\r\nslave0:ip={FOREIGN},port=80\r\n"
            talk.send(f"${len(text)}\r\n{text}\r\n")
            return
        if not line.startswith(("*", "$")):
            talk.send(f"-MOVED 1 {FOREIGN}:80\r\n")


def memcached(talk: Talk) -> None:
    for _ in talk.lines():
        talk.send(f"STAT version 1.4\r\nSTAT inter {FOREIGN}\r\nEND\r\n")


def mongodb(talk: Talk) -> None:
    def text(name: str, value: str) -> bytes:
        raw = value.encode() + b"\0"
        return b"\x02" + name.encode() + b"\0" + struct.pack("<i", len(raw)) + raw

    body = text("version", "2.4") + text("primary", f"{FOREIGN}:27017") + text("me", f"{NAME}:27017") + b"\x08ismaster\0\0"
    body += b"\x01ok\0" + struct.pack("<d", 1.0)
    document = struct.pack("<i", len(body) + 5) + body + b"\0"
    while data := talk.read():
        head = struct.pack("<4i", 36 + len(document), 1, struct.unpack("<i", data[4:8])[0], 1)
        talk.send(head + struct.pack("<iqii", 8, 0, 0, 1) + document)


def bitcoin(talk: Talk) -> None:
    """Says its own version with the client's words, and that others are to be asked."""
    import hashlib

    def message(name: bytes, body: bytes) -> bytes:
        check = hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
        return b"\xf9\xbe\xb4\xd9" + name.ljust(12, b"\0") + struct.pack("<I", len(body)) + check + body

    node = struct.pack("<IQ", 1, 1) + b"\0" * 10 + b"\xff\xff" + packed(FOREIGN) + struct.pack(">H", 80)
    while data := talk.read():
        if data[4:11] == b"version":
            talk.send(data + message(b"verack", b""))
        else:
            talk.send(message(b"addr", b"\x02" + node * 2))


def vnc(talk: Talk) -> None:
    talk.send("RFB 003.008\n")
    if talk.read():
        talk.send(b"\x02\x01\x02")
        if talk.read():
            talk.send(b"\0\0\0\0")
            talk.read()
            talk.send(struct.pack(">HH16sI", 8, 8, b"\x20\x18\0\1" + b"\0" * 12, len(FOREIGN)) + FOREIGN.encode())


def xmpp(talk: Talk) -> None:
    while talk.read():
        talk.send(
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
            f"xmlns:stream='http://etherx.jabber.org/streams' id='1' from='{NAME}' version='1.0'>"
            f"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
            f"<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{FOREIGN}:80"
            f"</see-other-host></stream:error></stream:stream>"
        )
        return


def iscsi(talk: Talk) -> None:
    while len(data := talk.read()) >= 48:
        login = data[0] & 0x3F == 3
        text = b"TargetName=iqn.x\0TargetAddress=" + FOREIGN.encode() + b":3260,1\0" if not login else b"AuthMethod=None\0"
        head = bytearray(48)
        head[0], head[1] = (0x23, data[1]) if login else (0x24, 0x80)
        head[5:8] = struct.pack(">I", len(text))[1:]
        head[16:20], head[24:28] = data[16:20], b"\0\0\0\1"
        talk.send(bytes(head) + text + b"\0" * (-len(text) % 4))


def gopher(talk: Talk) -> None:
    talk.read()
    talk.send(f"1Elsewhere\t/x\t{FOREIGN}\t70\r\n0File\t/y\t{NAME}\t70\r\n.\r\n")


def line(talk: Talk) -> None:
    """A banner and the same for whatever is asked."""
    talk.send(f"{talk.lures.text()}\r\n")
    while talk.read():
        talk.send(f"{talk.lures.text()}\r\n")


def echo(talk: Talk) -> None:
    """Waits to be asked, and gives it back with addresses behind: what a binary protocol's parser
    recognises most likely."""
    while data := talk.read():
        talk.send(data + talk.lures.text().encode())


HANDLERS: dict[int, Handler] = {
    21: ftp, 990: ftp, 25: smtp, 465: smtp, 587: smtp, 143: imap, 993: imap, 110: pop3, 995: pop3,
    119: nntp, 6667: irc, 554: redirected, 5060: redirected,
    389: ldap, 636: ldap, 111: portmap, 2049: portmap, 20048: portmap, 1098: rmi, 1099: rmi,
    3306: mysql, 6379: redis, 11211: memcached, 27017: mongodb, 8333: bitcoin, 5900: vnc, 5901: vnc,
    5222: xmpp, 5269: xmpp, 3260: iscsi, 70: gopher,
}  # fmt: skip
