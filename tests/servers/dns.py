"""A name server for the lab: an answer of every type, and every way of not answering.

`dns.py LOG ADDRESS...` serves port 53 of each ADDRESS by UDP and TCP, says `ready`, writes each question on a
line of LOG, and ends when its standard input does. It asks nobody. The first ADDRESS stands in its answers. It
runs in a namespace of a lab and nowhere else.
"""

import ipaddress
import os
import socket
import struct
import sys
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
         "OPT": 41, "DS": 43, "DNSKEY": 48, "CAA": 257}
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5

# Beyond the lab: nobody may ever be sent there.
PUBLIC = "8.8.8.8"


def name(text: str) -> bytes:
    labels = [label.encode("latin-1") for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def texts(*strings: bytes) -> bytes:
    return b"".join(bytes([len(string)]) + string for string in strings)


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def soa(zone: str) -> bytes:
    return name(f"ns.{zone}") + name(f"hostmaster.{zone}") + struct.pack("!5I", 2024010101, 3600, 600, 86400, 300)


class Zone:
    """What it knows: by name and type the data, with 60 seconds to live."""

    def __init__(self, own: str) -> None:
        key = bytes(range(64))
        self.changing = 0
        self.records: dict[tuple[str, str], list[bytes]] = {
            ("web.lab.internal", "A"): [address(own)],
            ("web.lab.internal", "AAAA"): [address("fd66:2::2")],
            ("many.lab.internal", "A"): [address(f"10.66.2.{last}") for last in range(33, 37)],
            ("zone.lab.internal", "SOA"): [soa("zone.lab.internal")],
            ("zone.lab.internal", "NS"): [name("ns.zone.lab.internal"), name("ns2.zone.lab.internal")],
            ("zone.lab.internal", "MX"): [struct.pack("!H", 10) + name("mail.zone.lab.internal"),
                                          struct.pack("!H", 20) + name("mail2.zone.lab.internal")],
            ("zone.lab.internal", "TXT"): [texts(b"v=spf1 -all"), texts(b"two ", b'"parts"; of one')],
            ("zone.lab.internal", "CAA"): [b"\0" + texts(b"issue") + b"ca.lab.internal"],
            ("zone.lab.internal", "DS"): [struct.pack("!HBB", 12345, 13, 2) + bytes(range(32))],
            ("zone.lab.internal", "DNSKEY"): [struct.pack("!HBB", 257, 3, 13) + key],
            ("ns.zone.lab.internal", "A"): [address(own)],
            ("mail.zone.lab.internal", "A"): [address("10.66.2.33")],
            ("_sip._tcp.lab.internal", "SRV"): [struct.pack("!3H", 10, 60, 5060) + name("web.lab.internal")],
            ("alias.lab.internal", "CNAME"): [name("alias2.lab.internal")],
            ("alias2.lab.internal", "CNAME"): [name("web.lab.internal")],
            ("2.2.66.10.in-addr.arpa", "PTR"): [name("web.lab.internal")],
            ("large.lab.internal", "TXT"): [texts(bytes([65 + n % 26]) * 200) for n in range(12)],
            # What acts on a terminal, or reads like another line.
            ("hostile.lab.internal", "TXT"): [texts(b"\x1b[2J\x1b]0;owned\x07\r\n;; ->>HEADER<<- status: NOERROR"),
                                              texts("\u202egnp.exe\u200b".encode(), b"10.0.0.1 answered")],
        }

    def data(self, asked: str, kind: str) -> list[bytes]:
        if (asked, kind) == ("changing.lab.internal", "A"):
            self.changing += 1
            return [address("10.66.2.2" if self.changing == 1 else PUBLIC)]
        return self.records.get((asked, kind), [])

    def answer(self, asked: str, kind: str) -> tuple[int, list[tuple[str, str, bytes]], list[tuple[str, str, bytes]]]:
        first = asked.split(".")[0]
        if first == "broken":
            return SERVFAIL, [], []
        if first == "refused":
            return REFUSED, [], []
        found, at = [], asked
        while kind != "CNAME" and (alias := self.data(at, "CNAME")):
            found.append((at, "CNAME", alias[0]))
            at = ".".join(read_name(alias[0], 0)[0])
        found += [(at, kind, data) for data in self.data(at, kind)]
        negative = [("zone.lab.internal", "SOA", soa("zone.lab.internal"))]
        exists = at == "changing.lab.internal" or any(known == at for known, _ in self.records)
        if not exists:
            return NXDOMAIN, found, negative
        return NOERROR, found, [] if found else negative


def read_name(message: bytes, at: int) -> tuple[list[str], int]:
    labels = []
    while length := message[at]:
        labels.append(message[at + 1:at + 1 + length].decode("latin-1").lower())
        at += 1 + length
    return labels, at + 1


def reply(zone: Zone, log, message: bytes, room: int) -> bytes | None:
    number, flags = struct.unpack_from("!HH", message)
    labels, end = read_name(message, 12)
    asked = ".".join(labels)
    kind = {value: kind for kind, value in TYPES.items()}.get(struct.unpack_from("!H", message, end)[0], "?")
    log.write(f"{asked} {kind}\n")
    log.flush()
    if labels and labels[0] == "silent":
        return None
    code, answer, authority = zone.answer(asked, kind)

    def records(found: list[tuple[str, str, bytes]]) -> bytes:
        return b"".join(name(of) + struct.pack("!HHIH", TYPES[kind], 1, 60, len(data)) + data for of, kind, data in found)

    has_edns = struct.unpack_from("!H", message, 10)[0] > 0
    # EDNS: 1232 bytes, and why a server has failed (RFC 8914).
    why = struct.pack("!HHH", 15, 2 + 13, 22) + b"no authority." if code == SERVFAIL else b""
    edns = b"\0" + struct.pack("!HHIH", TYPES["OPT"], 1232, 0, len(why)) + why if has_edns else b""
    question = message[12:end + 4]
    # An answer with authority, by whoever knows no others.
    head = 0x8400 | flags & 0x0100 | code

    def whole(head: int, answer, authority) -> bytes:
        counts = struct.pack("!4H", 1, len(answer), len(authority), int(has_edns))
        return struct.pack("!HH", number, head) + counts + question + records(answer) + records(authority) + edns

    written = whole(head, answer, authority)
    return written if len(written) <= room else whole(head | 0x0200, [], [])


def serve_at(address: str, zone: Zone, log) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((address, 53))
    streams = socket.create_server((address, 53), family=family)

    def by_datagram() -> None:
        while True:
            message, sender = datagrams.recvfrom(4096)
            if answer := reply(zone, log, message, 1232):
                datagrams.sendto(answer, sender)

    def by_stream() -> None:
        while True:
            peer, _ = streams.accept()
            with peer:
                peer.settimeout(2)
                try:
                    length = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))[0]
                    message = peer.recv(length, socket.MSG_WAITALL)
                    if answer := reply(zone, log, message, 65535):
                        peer.sendall(struct.pack("!H", len(answer)) + answer)
                        # Whoever asked may ask again on the same way; it does not, and closes.
                        peer.recv(1)
                except (OSError, struct.error):
                    pass

    for serve in (by_datagram, by_stream):
        threading.Thread(target=serve, daemon=True).start()


def main() -> None:
    log, addresses = open(sys.argv[1], "a"), sys.argv[2:]
    zone = Zone(addresses[0])
    for address in addresses:
        serve_at(address, zone, log)
    print("ready", flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


main()
