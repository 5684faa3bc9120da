"""An SNMP agent for the lab: it answers version 2c's GET of four values, and nothing else.

`snmp.py ADDRESS` serves at ADDRESS, says `ready`, and ends when its standard input does. It runs in a
namespace of a lab and nowhere else.
"""

import socket
import sys
import threading

# The OIDs of the system group, as they stand in a message, and what they are.
TEXT, TICKS = 0x04, 0x43
SYSTEM = b"\x2b\x06\x01\x02\x01\x01"
VALUES = {
    SYSTEM + b"\x01\x00": (TEXT, b"a device of the lab"),
    SYSTEM + b"\x03\x00": (TICKS, b"\x04\xd2"),
    SYSTEM + b"\x05\x00": (TEXT, b"lab-device"),
    SYSTEM + b"\x06\x00": (TEXT, b"the lab"),
}
SEQUENCE, OID, GET, RESPONSE = 0x30, 0x06, 0xA0, 0xA2


def parts(data: bytes) -> list[tuple[int, bytes]]:
    """The kinds and contents of what stands one after the other. All of it is shorter than 128 bytes."""
    found = []
    while data:
        kind, length = data[0], data[1]
        found.append((kind, data[2 : 2 + length]))
        data = data[2 + length :]
    return found


def part(kind: int, content: bytes) -> bytes:
    return bytes([kind, len(content)]) + content


def answer(request: bytes) -> bytes | None:
    [(_, message)] = parts(request)
    version, community, (kind, pdu) = parts(message)
    if kind != GET or community[1] != b"public":
        return None
    number, _, _, (_, asked) = parts(pdu)
    values = b""
    for _, one in parts(asked):
        oid = parts(one)[0][1]
        values += part(SEQUENCE, part(OID, oid) + part(*VALUES[oid]))
    none = part(0x02, b"\x00")
    response = part(RESPONSE, part(*number) + none + none + part(SEQUENCE, values))
    return part(SEQUENCE, part(*version) + part(*community) + response)


def serve(server: socket.socket) -> None:
    while True:
        request, peer = server.recvfrom(4096)
        try:
            response = answer(request)
        except (ValueError, KeyError, IndexError):
            continue
        if response:
            server.sendto(response, peer)


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 161))
threading.Thread(target=serve, args=(server,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
