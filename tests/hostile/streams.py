"""TCP protocols of lines, each with an answer that names somebody else; and who answers where.

A handler has the connection to itself, and says as much as a scanner reads.
"""

from typing import Callable

import binary
from lures import FOREIGN, NAME
from talk import Talk
from web import challenge

Handler = Callable[[Talk], None]


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
            talk.send(f"250-{NAME} Hello [{FOREIGN}]\r\n250-AUTH NTLM LOGIN\r\n")
            talk.send("250-STARTTLS\r\n250 HELP\r\n")
        elif word in ("RCPT", "MAIL"):
            talk.send(f"251 User not local; will forward to <x@{FOREIGN}>\r\n")
        elif word == "AUTH":
            talk.send(f"334 {challenge()}\r\n")
        else:
            talk.send(f"250 {talk.lures.text()}\r\n")


def imap(talk: Talk) -> None:
    talk.send(f"* OK [REFERRAL imap://{FOREIGN}/] {NAME}\r\n")
    for line in talk.lines():
        tag = line.split(" ", 1)[0]
        talk.send("* CAPABILITY IMAP4rev1 AUTH=NTLM STARTTLS LOGIN-REFERRALS\r\n")
        talk.send(f"{tag} OK [REFERRAL imap://{FOREIGN}/] done\r\n")


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
            f"Via: {kind}/TCP {FOREIGN}\r\nRecord-Route: <{scheme}:{FOREIGN};lr>\r\n"
            f"Content-Length: 0\r\n\r\n"
        )


def redis(talk: Talk) -> None:
    for line in talk.lines():
        if line.upper() in ("INFO", "CLIENT", "CLUSTER", "ROLE", "CONFIG"):
            text = f"redis_version:3.0\r\nmaster_host:{FOREIGN}\r\nslave0:ip={FOREIGN},port=80\r\n"
            talk.send(f"${len(text)}\r\n{text}\r\n")
            return
        if not line.startswith(("*", "$")):
            talk.send(f"-MOVED 1 {FOREIGN}:80\r\n")


def memcached(talk: Talk) -> None:
    for _ in talk.lines():
        talk.send(f"STAT version 1.4\r\nSTAT inter {FOREIGN}\r\nEND\r\n")


def xmpp(talk: Talk) -> None:
    while talk.read():
        talk.send(
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
            f"xmlns:stream='http://etherx.jabber.org/streams' id='1' from='{NAME}' version='1.0'>"
            f"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
            f"</stream:features><stream:error>"
            f"<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{FOREIGN}:80"
            f"</see-other-host></stream:error></stream:stream>"
        )
        return


def gopher(talk: Talk) -> None:
    talk.read()
    talk.send(f"1Elsewhere\t/x\t{FOREIGN}\t70\r\n0File\t/y\t{NAME}\t70\r\n.\r\n")


HANDLERS: dict[int, Handler] = {
    21: ftp, 990: ftp, 25: smtp, 465: smtp, 587: smtp, 143: imap, 993: imap, 110: pop3, 995: pop3,
    119: nntp, 6667: irc, 554: redirected, 5060: redirected,
    389: binary.ldap, 636: binary.ldap, 111: binary.portmap, 2049: binary.portmap,
    20048: binary.portmap, 1098: binary.rmi, 1099: binary.rmi, 3306: binary.mysql, 6379: redis,
    11211: memcached, 27017: binary.mongodb, 8333: binary.bitcoin, 5900: binary.vnc,
    5901: binary.vnc, 5222: xmpp, 5269: xmpp, 3260: binary.iscsi, 70: gopher,
}  # fmt: skip
