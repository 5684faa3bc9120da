"""Addresses beyond the target, in every spelling that an answer may carry them in.

None of them is anybody's: the lab has no way out, and what is sent to one is counted.
"""

import itertools
import socket

# A documentation network, a cloud's metadata service, the scanner's own loopback, a name.
FOREIGN = "198.51.100.7"
METADATA = "169.254.169.254"
LOOPBACK = "127.0.0.1"
NAME = "elsewhere.example"


class Lures:
    def __init__(self, own: str) -> None:
        self.own = own
        # nmap's http.lua takes two addresses that differ in the first number alone for one domain.
        self.twin = "6." + own.split(".", 1)[1]
        self._turn = itertools.count()

    def next(self, scheme: str, port: int) -> str:
        """A place to send a client to, another one each time."""
        forms = [
            f"{scheme}://{self.twin}:{port}/x",
            f"//{FOREIGN}:{port}/x",
            f"{scheme}://{METADATA}/latest/meta-data/",
            f"{scheme}://{NAME}:{port}/x",
            f"{scheme}://{LOOPBACK}:{port}/x",
            f"{scheme}://{self.own}@{FOREIGN}:{port}/x",
            f"{scheme}://{self.own}:{port}@{self.twin}:{port}/x",
            f"{scheme}://www.{self.own}:{port}/x",
            f"{scheme}://{self.own}.{NAME}:{port}/x",
            f"//{self.twin}/x",
            f"{scheme}://{FOREIGN}:{port}",
            f"{scheme}://{self.own}:{port}/hop",
            f"https://{self.twin}/x",
            f"http://{self.twin}/x",
            "/hop",
        ]
        return forms[next(self._turn) % len(forms)]

    def page(self, scheme: str, port: int) -> str:
        """A page that refers elsewhere by everything that a page can refer by."""
        places = [
            f"{scheme}://{host}:{port}/x"
            for host in (self.twin, FOREIGN, METADATA, NAME, f"www.{self.own}")
        ]
        refer = "".join(
            f'<a href="{place}">a</a><script src="{place}.js"></script><img src="{place}.jpg">'
            f'<link rel="stylesheet" href="{place}.css"><iframe src="{place}"></iframe>'
            f'<form action="{place}" method="post"><input name="user"><input type="password"'
            f' name="password"></form>'
            f'<link rel="alternate" type="application/rss+xml" href="{place}">'
            for place in places
        )
        return (
            "<html><head><title>Index of /</title>"
            f'<link rel="icon" href="{scheme}://{self.own}:{port}/icon.png">'
            f'<meta http-equiv="refresh" content="0; url={places[0]}">'
            f'<meta name="generator" content="WordPress 4.7 {places[1]}"></head><body>{refer}'
            f'<a href="/hop">h</a><a href="/hop.php?id=1">h</a> http://amzn.to/abc '
            f"<h1>It works at {FOREIGN}, {NAME} and {self.twin}</h1></body></html>"
        )

    def text(self) -> str:
        """One line for protocols that have no better place for it."""
        return f"{self.twin} {FOREIGN} {NAME} http://{FOREIGN}:80/x ldap://{FOREIGN}/ {METADATA}"


def packed(address: str) -> bytes:
    return socket.inet_aton(address)
