"""A target that wants its scanner to talk to somebody else.

`target.py ADDRESS CERTIFICATE KEY` serves at ADDRESS, says `ready` with its ports, and ends when
its standard input does. Each protocol answers as far as nmap's scripts read, with addresses of
others wherever one can stand. It runs in a namespace of a lab and nowhere else.
"""

import re
import selectors
import socket
import ssl
import struct
import sys
import threading

import datagrams
import streams
import web
from lures import Lures
from talk import Talk

HTTP = [80, 8000, 8008, 8080]
TLS = [443, 465, 636, 990, 993, 995, 8443]

# A client that says nothing for so long has what it wants.
PATIENCE_SECONDS = 2


class Target:
    def __init__(self, address: str, certificate: str, key: str) -> None:
        self.address = address
        self.lures = Lures(address)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.minimum_version = ssl.TLSVersion.TLSv1
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.ready = selectors.DefaultSelector()

    def listen(self) -> list[int]:
        ports = {*HTTP, *TLS, *streams.HANDLERS}
        for port in sorted(ports):
            listener = socket.create_server((self.address, port), backlog=256)
            self.ready.register(listener, selectors.EVENT_READ, self.accept)
        for port in sorted(datagrams.ANSWERS):
            answerer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            answerer.bind((self.address, port))
            self.ready.register(answerer, selectors.EVENT_READ, self.answer)
        return sorted({*ports, *datagrams.ANSWERS})

    def serve(self) -> None:
        while True:
            for key, _ in self.ready.select():
                key.data(key.fileobj)

    def accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        port = listener.getsockname()[1]
        threading.Thread(target=self.talk, args=(connection, port), daemon=True).start()

    def talk(self, connection: socket.socket, port: int) -> None:
        try:
            with connection:
                connection.settimeout(PATIENCE_SECONDS)
                if port in TLS:
                    connection = self.context.wrap_socket(connection, server_side=True)
                with connection:
                    self.converse(connection, port)
        except (OSError, ValueError, IndexError, struct.error):
            # A scanner hangs up where it likes, and sends what it likes.
            pass

    def converse(self, connection: socket.socket, port: int) -> None:
        if port in HTTP or port in (443, 8443):
            self.browse(connection, port)
        else:
            streams.HANDLERS[port](Talk(connection, self.lures))

    def browse(self, connection: socket.socket, port: int) -> None:
        """One answer for each request, several on a connection where the client likes."""
        scheme = "https" if port in TLS else "http"
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                if not (data := connection.recv(65536)):
                    return
                pending += data
                if not pending[:1].isalpha():
                    # A probe for TLS: who is not answered at once waits long.
                    return
            request, _, pending = pending.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", request)
            pending = pending[min(int(length[1]), len(pending)) :] if length else pending
            connection.sendall(web.answer(self.lures, scheme, port, request))
            if re.search(rb"(?i)\r\nconnection: *close", request):
                return

    def answer(self, answerer: socket.socket) -> None:
        port = answerer.getsockname()[1]
        request, client = answerer.recvfrom(65536)
        try:
            answerer.sendto(datagrams.ANSWERS[port](self.lures, request), client)
        except (OSError, ValueError, IndexError, struct.error):
            # As above: the next one may be well formed.
            pass


def main() -> None:
    address, certificate, key = sys.argv[1:]
    target = Target(address, certificate, key)
    print("ready", ",".join(map(str, target.listen())), flush=True)
    threading.Thread(target=target.serve, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
