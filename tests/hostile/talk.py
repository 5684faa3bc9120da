"""A connection, as a protocol's answers see it."""

import socket
from typing import Iterator

from lures import Lures


class Talk:
    def __init__(self, connection: socket.socket, lures: Lures) -> None:
        self.connection = connection
        self.lures = lures

    def send(self, data: bytes | str) -> None:
        self.connection.sendall(data.encode() if isinstance(data, str) else data)

    def read(self) -> bytes:
        """What comes next, or nothing at the end."""
        data = self.connection.recv(65536)
        if data.startswith(b"\x16\x03"):
            raise ConnectionError("a probe for TLS: who is not answered at once waits long")
        return data

    def lines(self) -> Iterator[str]:
        while data := self.read():
            for line in data.decode("latin-1").splitlines():
                yield line
