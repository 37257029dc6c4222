"""A service location daemon for test machines: a service agent, or with --directory a directory agent.

Started as a unit by Machine::slp_daemon and Machine::slp_directory. Written from RFC 2608 apart from the product's
own code, so that one checks the other; no security blocks, no extensions. Registrations are lines of a file:
URL, a tab, attributes. It never forwards, and answers only what RFC 2608 lets it answer.
"""

import select
import socket
import struct
import sys
import time

GROUP, PORT = "239.255.255.253", 427
SRV_RQST, SRV_RPLY, SRV_REG, SRV_DEREG, SRV_ACK, ATTR_RQST, ATTR_RPLY = range(1, 8)
DA_ADVERT, TYPE_RQST, TYPE_RPLY, SA_ADVERT = range(8, 12)
OVERFLOW, MULTICAST = 0x8000, 0x2000
LANGUAGE_NOT_SUPPORTED, PARSE_ERROR, INVALID_REGISTRATION, SCOPE_NOT_SUPPORTED = 1, 2, 3, 4
LARGEST = 1400


class Reader:
    """Takes a message apart; whatever is missing is a ValueError."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def text(self):
        return self.take(self.number(2)).decode("utf-8")


def text(value):
    data = value.encode("utf-8")
    return struct.pack("!H", len(data)) + data


def message(function, xid, language, body, flags=0):
    tag = text(language)
    length = 12 + len(tag) + len(body)
    head = struct.pack("!BB", 2, function) + length.to_bytes(3, "big")
    return head + struct.pack("!H", flags) + b"\0\0\0" + struct.pack("!H", xid) + tag + body


def split(values):
    return [value.strip().lower() for value in values.split(",") if value.strip()]


def attributes(text_of_all):
    """Lower-case names to lists of values; a keyword has none. RFC 2608, section 5."""
    found = {}
    for part in text_of_all.replace("),", ")\n").split("\n"):
        part = part.strip()
        if part.startswith("(") and "=" in part:
            name, values = part.strip("()").split("=", 1)
            found[name.strip().lower()] = [value.strip() for value in values.split(",")]
        else:
            found.update((keyword, []) for keyword in split(part))
    return found


def matches(predicate, having):
    """Whether attributes satisfy an LDAPv3 filter. RFC 2608, section 8.1; RFC 2254."""
    predicate = predicate.strip()
    if not predicate:
        return True
    answer, rest = evaluate(predicate, having)
    if rest.strip():
        raise ValueError("text after the filter")
    return answer


def evaluate(expression, having):
    if not expression.startswith("("):
        raise ValueError("a filter begins with a parenthesis")
    inner = expression[1:]
    if inner[:1] in ("&", "|", "!"):
        answers, rest = [], inner[1:].lstrip()
        while rest.startswith("("):
            answer, rest = evaluate(rest, having)
            answers.append(answer)
            rest = rest.lstrip()
        if not rest.startswith(")") or not answers:
            raise ValueError("a filter that does not end")
        combine = {"&": all, "|": any, "!": lambda of: not any(of)}[inner[0]]
        return combine(answers), rest[1:]
    item, closed, rest = inner.partition(")")
    if not closed:
        raise ValueError("a filter that does not end")
    for sign in (">=", "<=", "~=", "="):
        if sign in item:
            name, value = item.split(sign, 1)
            return compare(sign, having.get(name.strip().lower()), value.strip().lower()), rest
    raise ValueError("a filter without an operator")


def compare(sign, values, wanted):
    if values is None:
        return False
    if sign in ("=", "~=") and wanted == "*":
        return True
    if sign in (">=", "<="):
        for value in values:
            try:
                one, two = int(value), int(wanted)
            except ValueError:
                one, two = value.lower(), wanted
            if (one >= two) if sign == ">=" else (one <= two):
                return True
        return False
    pieces = wanted.split("*")
    return any(fits(value.lower(), pieces) for value in values)


def fits(value, pieces):
    if len(pieces) == 1:
        return value == pieces[0]
    if not value.startswith(pieces[0]) or not value.endswith(pieces[-1]):
        return False
    at = len(pieces[0])
    for piece in pieces[1:-1]:
        at = value.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return at <= len(value) - len(pieces[-1])


def type_of(url):
    """`service:a:b://…` is of the concrete type `service:a:b`. RFC 2609, section 2.1."""
    return url.split("://", 1)[0].lower()


def is_of_type(url, wanted):
    found, wanted = type_of(url), wanted.lower()
    return found == wanted or found.startswith(wanted + ":")


class Daemon:
    def __init__(self, address, file, directory):
        self.address, self.directory, self.started = address, directory, int(time.time())
        self.services = {}
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                url, _, about = line.rstrip("\n").partition("\t")
                if url:
                    self.services[url] = (about, 65535, None)

    def living(self):
        now = time.monotonic()
        self.services = {url: one for url, one in self.services.items() if one[2] is None or one[2] > now}
        return self.services.items()

    def answer(self, data, multicast):
        """The answer's bytes, or None where silence is asked for."""
        reader = Reader(data)
        version, function, length, flags = (reader.number(size) for size in (1, 1, 3, 2))
        reader.number(3)
        xid, language = reader.number(2), reader.text()
        if version != 2 or length != len(data):
            return None
        multicast = multicast or bool(flags & MULTICAST)
        kinds = {SRV_RQST: self.services_asked, ATTR_RQST: self.attributes_asked, TYPE_RQST: self.types_asked}
        if self.directory:
            kinds.update({SRV_REG: self.registered, SRV_DEREG: self.deregistered})
        if function not in kinds:
            return None
        try:
            reply = kinds[function](reader, multicast)
        except (ValueError, IndexError):
            reply = None if multicast else (function + 1, struct.pack("!H", PARSE_ERROR))
        return reply and message(reply[0], xid, language, reply[1])

    def asked_before(self, reader):
        return self.address in split(reader.text())

    def services_asked(self, reader, multicast):
        silent = self.asked_before(reader)
        wanted, scopes, predicate = reader.text(), split(reader.text()), reader.text()
        if silent:
            return None
        if wanted == "service:directory-agent":
            return self.advert() if self.directory else None
        if wanted == "service:service-agent":
            return None if self.directory else self.advert()
        if "default" not in scopes:
            return None if multicast else (SRV_RPLY, struct.pack("!HH", SCOPE_NOT_SUPPORTED, 0))
        found = [
            (url, life) for url, (about, life, _) in self.living()
            if is_of_type(url, wanted) and matches(predicate, attributes(about))
        ]
        if multicast and not found:
            return None
        body = struct.pack("!HH", 0, len(found))
        for url, life in found:
            body += struct.pack("!BH", 0, life) + text(url) + b"\0"
        return SRV_RPLY, body

    def attributes_asked(self, reader, multicast):
        silent = self.asked_before(reader)
        url, scopes, tags = reader.text(), split(reader.text()), split(reader.text())
        if silent:
            return None
        if "default" not in scopes:
            return None if multicast else (ATTR_RPLY, struct.pack("!H", SCOPE_NOT_SUPPORTED) + text("") + b"\0")
        about = [
            about for known, (about, _, _) in self.living() if url in (known, type_of(known)) or is_of_type(known, url)
        ]
        if multicast and not about:
            return None
        lines = about
        if tags:
            lines = [
                "(%s=%s)" % (name, ",".join(values)) if values else name
                for one in about for name, values in attributes(one).items() if name in tags
            ]
        return ATTR_RPLY, struct.pack("!H", 0) + text(",".join(line for line in lines if line)) + b"\0"

    def types_asked(self, reader, multicast):
        silent = self.asked_before(reader)
        authority = reader.number(2)
        if authority != 0xFFFF:
            reader.take(authority)
        scopes = split(reader.text())
        if silent or (multicast and not self.services):
            return None
        if "default" not in scopes:
            return None if multicast else (TYPE_RPLY, struct.pack("!H", SCOPE_NOT_SUPPORTED) + text(""))
        types = sorted({type_of(url) for url, _ in self.living()})
        return TYPE_RPLY, struct.pack("!H", 0) + text(",".join(types))

    def registered(self, reader, multicast):
        if multicast:
            return None
        reader.number(1)
        life, url = reader.number(2), reader.text()
        reader.number(1)
        reader.text()
        scopes, about = split(reader.text()), reader.text()
        if "default" not in scopes:
            return SRV_ACK, struct.pack("!H", SCOPE_NOT_SUPPORTED)
        if life == 0 or "://" not in url:
            return SRV_ACK, struct.pack("!H", INVALID_REGISTRATION)
        self.services[url] = (about, life, time.monotonic() + life)
        return SRV_ACK, struct.pack("!H", 0)

    def deregistered(self, reader, multicast):
        if multicast:
            return None
        reader.text()
        reader.number(3)
        known = self.services.pop(reader.text(), None)
        return SRV_ACK, struct.pack("!H", 0 if known else INVALID_REGISTRATION)

    def advert(self):
        if self.directory:
            body = struct.pack("!HI", 0, self.started) + text("service:directory-agent://" + self.address)
            return DA_ADVERT, body + text("DEFAULT") + text("") + text("") + b"\0"
        return SA_ADVERT, text("service:service-agent://" + self.address) + text("DEFAULT") + text("") + b"\0"

    def advertise(self, sender):
        """Tells all that there is a directory agent. RFC 2608, section 12.2."""
        function, body = self.advert()
        sender.sendto(message(function, 0, "en", body, MULTICAST), (GROUP, PORT))

    def serve(self):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: where a datagram was sent to
        udp.bind(("", PORT))
        here = socket.inet_aton(self.address)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + here)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        tcp = socket.create_server((self.address, PORT))
        if self.directory:
            self.advertise(udp)
        while True:
            ready, _, _ = select.select([udp, tcp], [], [])
            if udp in ready:
                self.datagram(udp)
            if tcp in ready:
                self.connection(tcp.accept()[0])

    def datagram(self, udp):
        data, control, _, sender = udp.recvmsg(65535, 64)
        sent_to = next((value[8:12] for level, kind, value in control if (level, kind) == (socket.IPPROTO_IP, 8)), b"")
        multicast = sent_to == socket.inet_aton(GROUP)
        try:
            reply = self.answer(data, multicast)
        except ValueError:
            return
        if reply and len(reply) > LARGEST:
            reply = reply[:5] + struct.pack("!H", OVERFLOW) + reply[7:LARGEST]
        if reply:
            udp.sendto(reply, sender)

    def connection(self, stream):
        with stream:
            stream.settimeout(5)
            try:
                head = stream.recv(5, socket.MSG_WAITALL)
                rest = stream.recv(int.from_bytes(head[2:5], "big") - 5, socket.MSG_WAITALL)
                reply = self.answer(head + rest, False)
                if reply:
                    stream.sendall(reply)
            except (OSError, ValueError):
                pass


if __name__ == "__main__":
    _, own_address, registrations, *mode = sys.argv
    Daemon(own_address, registrations, mode == ["--directory"]).serve()
