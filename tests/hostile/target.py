"""A target that wants its scanner to talk to somebody else.

`target.py ADDRESS CERTIFICATE KEY` serves at ADDRESS, says `ready` with its ports, and ends when its
standard input does. Each protocol answers as far as nmap's scripts read, with addresses of others
wherever one can stand. It runs in a namespace of a lab and nowhere else.
"""

import selectors
import socket
import ssl
import sys
import threading
import warnings

import datagrams
import streams
import web
from lures import Lures

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
        with warnings.catch_warnings():
            # Old versions on purpose.
            warnings.simplefilter("ignore")
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
        except (OSError, ValueError, IndexError, UnicodeError):
            # A scanner hangs up where it likes, and sends what it likes.
            pass

    def converse(self, connection: socket.socket, port: int) -> None:
        if port in HTTP or port in (443, 8443):
            self.browse(connection, port)
        else:
            handler = streams.HANDLERS.get(port, streams.line)
            handler(streams.Talk(connection, self.lures, port))

    def browse(self, connection: socket.socket, port: int) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (data := connection.recv(65536)):
                return
            request += data
            if not request[:1].isalpha():
                # A probe for TLS: who is not answered at once waits long.
                return
            if port in streams.HANDLERS and b"HTTP/" not in request:
                streams.HANDLERS[port](streams.Talk(connection, self.lures, port, request))
                return
        scheme = "https" if port in TLS else "http"
        connection.sendall(web.answer(self.lures, scheme, port, request))

    def answer(self, answerer: socket.socket) -> None:
        port = answerer.getsockname()[1]
        request, client = answerer.recvfrom(65536)
        try:
            answerer.sendto(datagrams.ANSWERS[port](self.lures, request), client)
        except (OSError, ValueError, IndexError):
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
