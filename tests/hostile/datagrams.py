"""UDP protocols: one datagram, one answer, and in it somebody else's address."""

import itertools
import struct
from typing import Callable

from lures import FOREIGN, NAME, Lures, packed
from binary import ber, rpc_reply, search_answers

TURN = itertools.count(1)

Answer = Callable[[Lures, bytes], bytes]


def labels(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def dns(_: Lures, query: bytes) -> bytes:
    """Knows nothing itself: another server is, and every other time here is its address."""
    if len(query) < 12:
        return query
    end = query.index(b"\0", 12) + 5 if b"\0" in query[12:] else len(query)
    name = labels("ns." + NAME)
    server = labels(NAME) + struct.pack(">HHIH", 2, 1, 60, len(name)) + name
    glue = name + struct.pack(">HHIH", 1, 1, 60, 4) + packed(FOREIGN)
    glued = next(TURN) % 2
    return (
        query[:2]
        + b"\x84\0"
        + struct.pack(">4H", 1, 0, 1, glued)
        + query[12:end]
        + server
        + glue * glued
    )


def netbios(lures: Lures, query: bytes) -> bytes:
    """Says its names, and that somebody else has them."""
    if query[46:48] != b"\0\x21":
        return dns(lures, query)
    names = b"".join(b"ELSEWHERE".ljust(15) + bytes([kind]) + b"\x04\0" for kind in (0, 3, 32))
    data = b"\x03" + names + b"\0\x11\x22\x33\x44\x55" + b"\0" * 40
    head = query[:2] + b"\x84\0" + struct.pack(">4H", 0, 1, 0, 0)
    return head + query[12:46] + b"\0\x21\0\1" + struct.pack(">IH", 0, len(data)) + data


def mdns(lures: Lures, query: bytes) -> bytes:
    """A service, so that it is asked for, and for the service somebody else."""
    if b"_services" not in query:
        return dns(lures, query)
    service = labels("_http._tcp.local")
    pointer = query[12:-4] + struct.pack(">HHIH", 12, 1, 60, len(service)) + service
    return query[:2] + b"\x84\0" + struct.pack(">4H", 1, 1, 0, 0) + query[12:] + pointer


def ssdp(_: Lures, __: bytes) -> bytes:
    # nmap's upnp.lua fetches the description only where a carriage return is left in its place.
    return (
        f"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nSERVER: x\r\nUSN: uuid:1\r\n"
        f"LOCATION: http://{FOREIGN}/desc.xml\r\r\n\r\n"
    ).encode()


def discovery(_: Lures, query: bytes) -> bytes:
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        "<s:Header>"
        "<wsa:MessageID>urn:uuid:1</wsa:MessageID></s:Header><s:Body><wsdd:ProbeMatches>"
        f"<wsdd:XAddrs>http://{FOREIGN}:80/x</wsdd:XAddrs><wsdd:Types>x</wsdd:Types>"
        "</wsdd:ProbeMatches></s:Body></s:Envelope>"
    ).encode()


def rpc(_: Lures, call: bytes) -> bytes:
    return rpc_reply(call) if len(call) >= 24 else call


def snmp(lures: Lures, request: bytes) -> bytes:
    """Version 1 and 2c: a few objects of each kind, and each a text with addresses in it."""
    try:
        values = list(walk(request))
        community, pdu = values[1], values[2]
        fields = list(walk(pdu[1], inside=True))
        number, binding = fields[0], list(
            walk(list(walk(fields[3][1], inside=True))[0][1], inside=True)
        )
    except (IndexError, ValueError):
        return request
    oid = binding[0][1]
    if pdu[0] == 0xA1:
        oid = oid + b"\1" if len(oid) < 14 else b"\x2b\7"
    # Up-times and the numbers of a table's rows are numbers; the rest may be text.
    number_like = oid.startswith(b"\x2b\6\1\2\1\1\3") or (
        oid[:7] == b"\x2b\6\1\2\1\2\2" and oid[8:9] not in b"\2\6"
    )
    value = ber(2, b"\1") if number_like else ber(4, lures.text().encode())
    bindings = ber(0x30, ber(0x30, ber(6, oid), value))
    reply = ber(0xA2, ber(2, number[1]), ber(2, b"\0"), ber(2, b"\0"), bindings)
    return ber(0x30, ber(values[0][0], values[0][1]), ber(community[0], community[1]), reply)


def walk(data: bytes, inside: bool = False):
    """Tags and contents of a BER sequence."""
    if not inside:
        [(_, data)] = list(walk(data, inside=True))[:1]
    while data:
        size, at = data[1], 2
        if size & 0x80:
            at += size & 0x7F
            size = int.from_bytes(data[2:at], "big")
        yield data[0], data[at : at + size]
        data = data[at + size :]


def browser(_: Lures, query: bytes) -> bytes:
    """The SQL Server browser: an instance here whose pipe is on another host."""
    if query[:1] == b"\x0f":
        return struct.pack("<BHBH", 5, 6, 1, 1434)
    text = (
        "ServerName;ELSEWHERE;InstanceName;MSSQLSERVER;IsClustered;No;Version;10.50.1600.1;"
        f"tcp;1433;np;\\\\{FOREIGN}\\pipe\\sql\\query;;"
    ).encode()
    return b"\x05" + struct.pack("<H", len(text)) + text


def stun(_: Lures, request: bytes) -> bytes:
    address = b"\0\1" + struct.pack(">H", 3478) + packed(FOREIGN)
    body = b"".join(struct.pack(">HH", kind, 8) + address for kind in (1, 4, 5))
    body += struct.pack(">HH", 0x8022, 8) + b"software"
    return struct.pack(">HH", 0x0101, len(body)) + request[4:20] + body


def sip(_: Lures, request: bytes) -> bytes:
    number = next(
        (line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")),
        b"CSeq: 1 OPTIONS",
    )
    return (
        b"SIP/2.0 302 Moved\r\n" + number + f"\r\nVia: SIP/2.0/UDP {FOREIGN};rport\r\n"
        f"Contact: <sip:{FOREIGN}:80>\r\nRecord-Route: <sip:{FOREIGN};lr>\r\n"
        f"Allow: INVITE\r\n\r\n".encode()
    )


def ntp(_: Lures, request: bytes) -> bytes:
    if request[:1] and request[0] & 7 == 6:
        text = f'version="4", refid={FOREIGN}, peeradr={FOREIGN}:123, stratum=2\r\n'.encode()
        return b"\x16\x82" + request[2:4] + b"\0" * 6 + struct.pack(">H", len(text)) + text
    return b"\x24\x02\0\xe9" + b"\0" * 8 + packed(FOREIGN) + b"\xe0" * 32


def tags(_: Lures, __: bytes) -> bytes:
    return b"urn:st:elsewhere 80 x"


def xdmcp(_: Lures, __: bytes) -> bytes:
    names = b"".join(
        struct.pack(">H", len(name)) + name for name in (b"", NAME.encode(), FOREIGN.encode())
    )
    return struct.pack(">HHH", 1, 5, len(names)) + names


def ldap(_: Lures, request: bytes) -> bytes:
    entry, referral, done = search_answers(request)
    return entry + referral + done


def gateway(_: Lures, request: bytes) -> bytes:
    return b"\0\x80\0\0" + b"\0\0\0\1" + packed(FOREIGN)


ANSWERS: dict[int, Answer] = {
    53: dns, 137: netbios, 5353: mdns, 9100: dns, 1900: ssdp, 3702: discovery, 111: rpc, 2049: rpc,
    20048: rpc, 161: snmp, 1434: browser, 3478: stun, 5060: sip, 123: ntp, 6481: tags, 177: xdmcp,
    5351: gateway, 17185: rpc, 389: ldap,
}  # fmt: skip
