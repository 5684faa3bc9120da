"""TCP protocols of bytes, each with an answer that names somebody else."""

import hashlib
import struct

from lures import FOREIGN, NAME, packed
from talk import Talk


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
        for name in (
            b"namingContexts",
            b"defaultNamingContext",
            b"supportedLDAPVersion",
            b"dnsHostName",
        )
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
        b"\x51\xac\xed\x00\x05\x77\x0f\x01"
        + b"\0" * 14
        + b"\x75\x72"
        + utf("[Ljava.lang.String;")
        + b"\xad\xd2\x56\xe7\xe9\x1d\x7b\x47\x02\0\0\x70\x78\x70"
        + struct.pack(">I", 1)
        + b"\x74"
        + utf("lure")
    )
    reference = utf("UnicastRef") + utf(FOREIGN) + struct.pack(">I", 80) + b"\0" * 23
    stub = (
        b"\x51\xac\xed\x00\x05\x77\x0f\x01"
        + b"\0" * 14
        + b"\x73\x72"
        + utf("java.rmi.server.RemoteObject")
        + b"\xd3\x61\xb4\x91\x0c\x61\x33\x1e\x03\0\0\x78\x70"
        + b"\x77"
        + bytes([len(reference)])
        + reference
        + b"\x78"
    )
    if talk.read().startswith(b"JRMI"):
        talk.send(b"\x4e" + utf(FOREIGN) + struct.pack(">I", 80))
    while data := talk.read():
        if b"\x50\xac\xed" in data:
            talk.send(stub if b"lure" in data else listing)


def mysql(talk: Talk) -> None:
    body = (
        b"\x0a5.5.5-"
        + NAME.encode()
        + b"\0"
        + struct.pack("<I", 7)
        + b"12345678\0\xff\xf7\x08\x02\0\x7f\x80\x15"
    )
    body += b"\0" * 10 + b"123456789012\0mysql_native_password\0"
    talk.send(struct.pack("<I", len(body))[:3] + b"\0" + body)
    while talk.read():
        talk.send(b"\x07\0\0\x02\0\0\0\x02\0\0\0")


def mongodb(talk: Talk) -> None:
    def text(name: str, value: str) -> bytes:
        raw = value.encode() + b"\0"
        return b"\x02" + name.encode() + b"\0" + struct.pack("<i", len(raw)) + raw

    body = (
        text("version", "2.4")
        + text("primary", f"{FOREIGN}:27017")
        + text("me", f"{NAME}:27017")
        + b"\x08ismaster\0\0"
    )
    body += b"\x01ok\0" + struct.pack("<d", 1.0)
    document = struct.pack("<i", len(body) + 5) + body + b"\0"
    while data := talk.read():
        head = struct.pack("<4i", 36 + len(document), 1, struct.unpack("<i", data[4:8])[0], 1)
        talk.send(head + struct.pack("<iqii", 8, 0, 0, 1) + document)


def bitcoin(talk: Talk) -> None:
    """Says its own version with the client's words, and that others are to be asked."""

    def message(name: bytes, body: bytes) -> bytes:
        check = hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
        return (
            b"\xf9\xbe\xb4\xd9"
            + name.ljust(12, b"\0")
            + struct.pack("<I", len(body))
            + check
            + body
        )

    node = (
        struct.pack("<IQ", 1, 1)
        + b"\0" * 10
        + b"\xff\xff"
        + packed(FOREIGN)
        + struct.pack(">H", 80)
    )
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
            talk.send(
                struct.pack(">HH16sI", 8, 8, b"\x20\x18\0\1" + b"\0" * 12, len(FOREIGN))
                + FOREIGN.encode()
            )


def iscsi(talk: Talk) -> None:
    while len(data := talk.read()) >= 48:
        login = data[0] & 0x3F == 3
        text = (
            b"TargetName=iqn.x\0TargetAddress=" + FOREIGN.encode() + b":3260,1\0"
            if not login
            else b"AuthMethod=None\0"
        )
        head = bytearray(48)
        head[0], head[1] = (0x23, data[1]) if login else (0x24, 0x80)
        head[5:8] = struct.pack(">I", len(text))[1:]
        head[16:20], head[24:28] = data[16:20], b"\0\0\0\1"
        talk.send(bytes(head) + text + b"\0" * (-len(text) % 4))
