#!/usr/bin/python3
"""A DNS server for tests: serves small zones, and lies, loses and delays on demand.

As a module:

    with TestDNS({"example.org": [{"TXT": "v=spf1 -all"}]}) as dns:
        run("--nameserver", dns.nameserver)              # "127.0.0.1@PORT"
        assert dns.count("example.org", "TXT") == 1

As a program: testdns.py [options] ZONE.yml; the first line of output is "port N".

Zones are mappings of names to lists of entries (the shape of the SPF test suite's
zonedata; also under the key "zonedata", or "txt-records": name -> text):

    example.org:
    - TXT: v=spf1 mx -all            # text; a list: several strings of one record
    - MX: [10, mail.example.org]     # or "10 mail.example.org"
    - A: 192.0.2.1                   # AAAA, CNAME, PTR, NS: text; other types: as in zone files
    - SERVFAIL                       # for all types not listed here
    broken.example.org:
    - TXT: TIMEOUT                   # for that type

  words for a type or a name   TIMEOUT (no answer) SERVFAIL REFUSED NXDOMAIN FORMERR NOTIMP;
                               NONE (for a type: no such record; what
                               is said for all other types holds for it)
  {DELAY: ms}                  answers wait that long
  {TTL: s}                     of the name's records (300)
  {LOSE: n}                    the first n queries get no answer
  {AD: yes}                    answers carry the AD bit
  {FAULT: word or list}        before the true answer a forged one is sent (UDP):
                                 wrong-id wrong-question wrong-port not-reply garbage
                               or the true answer is spoilt:
                                 malformed  loop (compression)  lowercase (the question)
                                 no-edns (FORMERR while EDNS is used)
                                 truncate (TC over UDP)  tcp-close  tcp-cut (half of it)

A forged answer holds what TXT "forged" or address 192.0.2.66 says. Records of type SPF (99) are
TXT as well, unless the name lists TXT. Names above other names exist. "*.example.org" is a
wildcard. CNAMEs are followed, ten at the most. Records keep their order. Answers without data
carry a SOA (TTL 300). Text goes out as Latin-1 where it fits, else UTF-8; {hex: "00ff"} and YAML
!!binary are octets. UDP answers that do not fit (512 octets, or what EDNS says) are cut, with TC.
"""

import argparse
import collections
import heapq
import ipaddress
import itertools
import random
import socket
import struct
import sys
import threading
import time

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import yaml

RCODES = {"NXDOMAIN": 3, "SERVFAIL": 2, "REFUSED": 5, "FORMERR": 1, "NOTIMP": 4}
WORDS = set(RCODES) | {"TIMEOUT", "NONE"}
FORGERIES = {"wrong-id", "wrong-question", "wrong-port", "not-reply", "garbage"}
FAULTS = FORGERIES | {"malformed", "loop", "lowercase", "no-edns", "truncate", "tcp-close", "tcp-cut"}
A, CNAME, SOA, MX, TXT, AAAA, OPT, SPF = 1, 5, 6, 15, 16, 28, 41, 99

Query = collections.namedtuple("Query", "time transport name rtype edns flags")


def octets(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    try:
        return str(value).encode("latin-1")
    except UnicodeEncodeError:
        return str(value).encode("utf-8")


def labels_of(text):
    """The labels of a name, octets as they are; a backslash escapes as in zone files."""
    text = str(text).rstrip(".") if str(text) != "." else ""
    if "\\" in text:
        labels = dns.name.from_text(text, origin=None).labels
    else:
        labels = tuple(octets(label) for label in text.split(".")) if text else ()
    if any(not 1 <= len(label) <= 63 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise ValueError("%r is no domain name" % text)
    return labels


def key_of(labels):
    return tuple(label.lower() for label in labels)


def wire_name(labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def strings(value):
    """One TXT record: its strings, those over 255 octets split."""
    out = b""
    for part in value if isinstance(value, list) else [value]:
        part = octets(part)
        for at in range(0, max(len(part), 1), 255):
            piece = part[at : at + 255]
            out += bytes([len(piece)]) + piece
    return out


def rdata(rtype, value):
    if rtype in (TXT, SPF):
        return strings(value)
    if rtype == A:
        return ipaddress.IPv4Address(str(value)).packed
    if rtype == AAAA:
        return ipaddress.IPv6Address(str(value)).packed
    if rtype == MX:
        preference, host = value if isinstance(value, list) else (str(value).split(None, 1) + [""])[:2]
        return struct.pack("!H", int(preference)) + wire_name(labels_of(host or "."))
    if rtype in (CNAME, 2, 12):
        return wire_name(labels_of(value))
    text = dns.rdata.from_text(dns.rdataclass.IN, rtype, str(value), origin=dns.name.root)
    return text.to_wire()


class Node:
    """What a zone says of one name."""

    def __init__(self):
        self.records = {}  # type -> [rdata]
        self.words = {}  # type, or None for all others -> word
        self.delay = 0.0
        self.ttl = 300
        self.lose = 0
        self.ad = False
        self.faults = set()

    def add(self, entry):
        if not isinstance(entry, dict):
            if str(entry) not in WORDS:
                raise ValueError("%r is no word known here" % entry)
            self.words[None] = str(entry)
            return
        for what, value in entry.items():
            self.add_one(str(what).upper(), value)

    def add_one(self, what, value):
        if what == "DELAY":
            self.delay = float(value) / 1000
        elif what == "TTL":
            self.ttl = int(value)
        elif what == "LOSE":
            self.lose = int(value)
        elif what == "AD":
            self.ad = bool(value)
        elif what == "FAULT":
            faults = set(value if isinstance(value, list) else [value])
            if not faults <= FAULTS:
                raise ValueError("unknown fault in %r" % value)
            self.faults |= faults
        else:
            rtype = dns.rdatatype.from_text(what)
            if isinstance(value, str) and value in WORDS:
                self.words[rtype] = value
            else:
                self.records.setdefault(rtype, []).append(rdata(rtype, value))

    def finish(self):
        if SPF in self.records and TXT not in self.records and TXT not in self.words:
            self.records[TXT] = list(self.records[SPF])

    def word(self, rtype):
        if rtype in self.words and not (self.words[rtype] == "NONE" and None in self.words):
            return self.words[rtype]
        return None if rtype in self.records else self.words.get(None)


class Zone:
    def __init__(self, data, strict=False):
        self.nodes = {}
        for name, entries in (data or {}).items():
            try:
                node = Node()
                for entry in entries if isinstance(entries, list) else [entries]:
                    node.add(entry)
                node.finish()
                self.nodes[key_of(labels_of(name))] = node
            except (ValueError, TypeError, KeyError, dns.exception.DNSException) as e:
                if strict:
                    raise ValueError("%s: %s" % (name, e)) from e
        self.above = {name[i:] for name in self.nodes for i in range(len(name) + 1)}

    def find(self, key):
        """The node of a name, by a wildcard too; None: it does not exist."""
        if key in self.nodes:
            return self.nodes[key]
        if key in self.above:
            return Node()
        for i in range(1, len(key) + 1):
            if key[i:] in self.above:
                return self.nodes.get((b"*",) + key[i:])
        return None


def read_documents(text, only=None):
    """The zonedata of a YAML text's documents, or of one of them, merged."""
    merged = {}
    for i, document in enumerate(yaml.safe_load_all(text)):
        if only is not None and i != only or not isinstance(document, dict):
            continue
        if "zonedata" in document:
            merged.update(document["zonedata"] or {})
        elif "txt-records" in document:
            merged.update({n: [{"TXT": t}] for n, t in (document["txt-records"] or {}).items()})
        else:
            merged.update(document)
    return merged


class Request:
    """A query, parsed; ValueError where it is none."""

    def __init__(self, packet):
        if len(packet) < 17:
            raise ValueError("short")
        self.packet = packet
        self.id, self.flags, count, _, _, additional = struct.unpack("!6H", packet[:12])
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]])
            at += 1 + packet[at]
            if at >= len(packet) - 4:
                raise ValueError("name")
        self.labels = tuple(labels)
        self.end = at + 5
        if count != 1 or len(packet) < self.end:
            raise ValueError("question")
        self.rtype, self.rclass = struct.unpack("!2H", packet[at + 1 : self.end])
        self.edns = additional == 1 and packet[self.end : self.end + 3] == b"\0\0\x29"
        size = struct.unpack("!H", packet[self.end + 3 : self.end + 5])[0] if self.edns else 512
        self.room = max(size, 512)
        do = self.edns and packet[self.end + 7] & 0x80
        self.wants_ad = bool(self.flags & 0x20 or do)
        self.key = key_of(self.labels)
        self.name = b".".join(self.labels).decode("latin-1")

    @property
    def type_text(self):
        return dns.rdatatype.to_text(self.rtype)


def record(owner, rtype, ttl, data):
    return wire_name(owner) + struct.pack("!HHIH", rtype, 1, ttl, len(data)) + data


ROOT_SOA = record((), SOA, 300, b"\0\0" + struct.pack("!5I", 1, 3600, 900, 86400, 300))


class Answer:
    def __init__(self):
        self.rcode = 0
        self.records = []
        self.ad = False
        self.authority = []

    def packet(self, request, tc=False, lowercase=False):
        question = request.packet[12 : request.end]
        if lowercase:
            question = wire_name(request.key) + question[-4:]
        records = [] if tc else self.records
        authority = [] if tc else self.authority
        flags = 0x8180 | (0x200 if tc else 0) | (0x20 if self.ad else 0) | self.rcode
        opt = b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 0) if request.edns else b""
        counts = struct.pack("!6H", request.id, flags, 1, len(records), len(authority), bool(opt))
        return counts + question + b"".join(records + authority) + opt


class TestDNS:
    """The server; it runs from __enter__ to __exit__, or start() to stop()."""

    __test__ = False  # for collectors of tests that go by names

    def __init__(self, zonedata, port=0, address="127.0.0.1", delay_ms=0, truncate_over=0,
                 ad=(), log=None, strict=False):
        self.zone = Zone(zonedata, strict)
        self.address, self.port = address, port
        self.delay, self.truncate_over = delay_ms / 1000, truncate_over
        self.ad = {key_of(labels_of(name)) for name in ad if name != "*"}
        self.ad_always = "*" in ad
        self.log = log
        self.queries = []
        self.lock = threading.Lock()
        self.later, self.held, self.serial = threading.Condition(), [], itertools.count()
        self.closing = False
        self.threads = []
        # These may be changed while it runs:
        self.loss = 0  # share of UDP queries that get no answer, drawn from a fixed seed
        self.rcode = None  # a word of RCODES: what everything is answered with
        self.luck = random.Random(1)

    # ---- Life ----

    def start(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        for _ in range(20):  # a port that is free for both
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            self.tcp = socket.socket(family, socket.SOCK_STREAM)
            try:
                self.udp.bind((self.address, self.port))
                port = self.udp.getsockname()[1]
                self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.tcp.bind((self.address, port))
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
                if self.port:
                    raise
        else:
            raise OSError("no port is free")
        self.port = port
        self.tcp.listen(64)
        for run in (self._serve_udp, self._serve_held, self._serve_tcp):
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self.threads.append(thread)
        return self

    def stop(self):
        self.closing = True
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with socket.socket(self.udp.family, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", (self.address, self.port))
        with self.later:
            self.later.notify()
        for thread in self.threads:
            thread.join(5)
        self.udp.close()
        self.tcp.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def nameserver(self):
        return "%s@%d" % (self.address, self.port)

    # ---- What was asked ----

    def count(self, name=None, rtype=None, transport=None):
        with self.lock:
            return sum(
                (name is None or q.name.lower() == name.lower().rstrip("."))
                and (rtype is None or q.rtype == rtype)
                and (transport is None or q.transport == transport)
                for q in self.queries
            )

    def clear(self):
        """Forgets what was asked: all that was sent by now, what is not read yet too (UDP)."""
        last = "cleared-%d.invalid" % next(self.serial)
        name = b"".join(bytes([len(part)]) + part.encode() for part in last.split(".")) + b"\0"
        with socket.socket(self.udp.family, socket.SOCK_DGRAM) as s:
            s.sendto(struct.pack("!6H", 0, 0, 1, 0, 0, 0) + name + struct.pack("!2H", 16, 1), (self.address, self.port))
            until = time.monotonic() + 5
            while not self.count(last) and time.monotonic() < until:
                time.sleep(0.001)
        with self.lock:
            self.queries.clear()

    def _note(self, request, transport):
        query = Query(time.time(), transport, request.name, request.type_text, request.edns, request.flags)
        with self.lock:
            self.queries.append(query)
            if self.log:
                name = request.name.encode("ascii", "backslashreplace").decode() or "."
                self.log.write("%.6f %s %s %s\n" % (query.time, transport, name, query.rtype))
                self.log.flush()

    # ---- What is answered ----

    def _lost(self, node):
        with self.lock:
            if node is not None and node.lose > 0:
                node.lose -= 1
                return True
        return False

    def _resolve(self, request):
        """The answer, or None for none at all."""
        answer, key, owner, found = Answer(), request.key, request.labels, []
        for _ in range(11):
            node = self.zone.find(key)
            word = "NXDOMAIN" if node is None else node.word(request.rtype)
            if word == "TIMEOUT":
                return None
            if word in RCODES:
                answer.rcode = RCODES[word]
                break
            answer.ad = answer.ad or node.ad
            found = [] if word == "NONE" else node.records.get(request.rtype, [])
            answer.records += [record(owner, request.rtype, node.ttl, data) for data in found]
            target = node.records.get(CNAME) if not found else None
            if found or not target:
                break
            if len(answer.records) < 10:
                answer.records.append(record(owner, CNAME, node.ttl, target[0]))
            owner = self._labels(target[0])
            key = key_of(owner)
        else:
            return answer
        if answer.rcode in (0, 3) and not (answer.rcode == 0 and found):
            answer.authority = [ROOT_SOA]
        return answer

    @staticmethod
    def _labels(wire):
        labels, at = [], 0
        while wire[at]:
            labels.append(wire[at + 1 : at + 1 + wire[at]])
            at += 1 + wire[at]
        return tuple(labels)

    def _answer(self, request):
        """(packet before spoiling, node) or None."""
        node = self.zone.find(request.key)
        if self._lost(node):
            return None
        node = node or Node()
        word = "FORMERR" if "no-edns" in node.faults and request.edns else self.rcode
        if word:
            answer = Answer()
            answer.rcode = RCODES[word]
        else:
            answer = self._resolve(request)
        if answer is None:
            return None
        asked = self.ad_always or request.key in self.ad or answer.ad
        answer.ad = asked and request.wants_ad
        return answer, node

    def _forged(self, request, fault):
        answer = Answer()
        data = {A: b"\xc0\x00\x02\x42", TXT: b"\x06forged"}.get(request.rtype)
        if data:
            answer.records = [record(request.labels, request.rtype, 300, data)]
        packet = bytearray(answer.packet(request))
        if fault == "wrong-id":
            packet[0] ^= 0xFF
        elif fault == "wrong-question":
            packet[13] ^= 0x01
        elif fault == "not-reply":
            packet[2] &= 0x7F
        elif fault == "garbage":
            packet = bytearray(random.Random(1).randbytes(60))
            packet[0:2] = struct.pack("!H", request.id)
        return bytes(packet)

    def _spoil(self, packet, request, node):
        if "malformed" in node.faults:
            return packet[: request.end + 5]
        if "loop" in node.faults:
            pointer = struct.pack("!H", 0xC000 | request.end)
            head = packet[:6] + struct.pack("!3H", 1, 0, 0) + packet[12 : request.end]
            return head + pointer + struct.pack("!HHIH", request.rtype, 1, 300, 0)
        return packet

    # ---- UDP ----

    def _serve_udp(self):
        while not self.closing:
            try:
                packet, peer = self.udp.recvfrom(65535)
                request = Request(packet)
            except (ValueError, IndexError, OSError):
                continue
            self._note(request, "udp")
            if self.loss and self.luck.random() < self.loss:
                continue
            result = self._answer(request)
            if result is None:
                continue
            delay = self.delay + result[1].delay
            if delay:
                with self.later:
                    heapq.heappush(self.held, (time.monotonic() + delay, next(self.serial), (request, peer) + result))
                    self.later.notify()
            else:
                self._send_udp(request, peer, *result)

    def _serve_held(self):
        """Sends each answer that is held back when its time has come: one thread, however many there are."""
        while not self.closing:
            with self.later:
                wait = self.held[0][0] - time.monotonic() if self.held else 1
                due = heapq.heappop(self.held)[2] if wait <= 0 else None
                if due is None:
                    self.later.wait(wait)
            if due is not None:
                self._send_udp(*due)

    def _send_udp(self, request, peer, answer, node):
        if self.closing:
            return
        for fault in sorted(node.faults & FORGERIES):
            forged = self._forged(request, fault)
            if fault == "wrong-port":
                with socket.socket(self.udp.family, socket.SOCK_DGRAM) as other:
                    other.bind((self.address, 0))
                    other.sendto(forged, peer)
            else:
                self._send(forged, peer)
        lowercase = "lowercase" in node.faults
        packet = answer.packet(request, lowercase=lowercase)
        room = min(request.room, self.truncate_over or 65535)
        if "truncate" in node.faults or len(packet) > room:
            packet = answer.packet(request, tc=True, lowercase=lowercase)
        self._send(self._spoil(packet, request, node), peer)

    def _send(self, packet, peer):
        try:
            self.udp.sendto(packet, peer)
        except OSError:
            if not self.closing:  # stop() may come between an early question and its answer
                raise

    # ---- TCP ----

    def _serve_tcp(self):
        while not self.closing:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                continue
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    @staticmethod
    def _read(connection, n):
        data = b""
        while len(data) < n:
            more = connection.recv(n - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data

    def _serve_connection(self, connection):
        with connection:
            connection.settimeout(10)
            try:
                while not self.closing:
                    (length,) = struct.unpack("!H", self._read(connection, 2))
                    request = Request(self._read(connection, length))
                    self._note(request, "tcp")
                    if not self._send_tcp(connection, request):
                        return
            except (ValueError, IndexError, OSError):
                return

    def _send_tcp(self, connection, request):
        result = self._answer(request)
        if result is None:
            time.sleep(5)
            return False
        answer, node = result
        time.sleep(self.delay + node.delay)
        if "tcp-close" in node.faults:
            return False
        packet = self._spoil(answer.packet(request, lowercase="lowercase" in node.faults), request, node)
        data = struct.pack("!H", len(packet)) + packet
        connection.sendall(data[: len(data) // 2] if "tcp-cut" in node.faults else data)
        return "tcp-cut" not in node.faults


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zone", help="zone data in YAML; '-': standard input")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--doc", type=int, help="only that document of the file, from 0")
    parser.add_argument("--delay-ms", type=float, default=0, help="before each answer")
    parser.add_argument("--truncate-over", type=int, default=0, help="octets of a UDP answer")
    parser.add_argument("--ad", action="append", default=[], metavar="NAME", help="AD; '*': always")
    parser.add_argument("--strict", action="store_true", help="refuse what cannot be served")
    parser.add_argument("--log", help="append a line a query: time, transport, name, type")
    parser.add_argument("--seconds", type=float, default=600, help="stop by itself after that (600)")
    o = parser.parse_args()
    with open(0 if o.zone == "-" else o.zone, encoding="utf-8") as f:
        zonedata = read_documents(f.read(), o.doc)
    log = open(o.log, "a", encoding="ascii") if o.log else None
    with TestDNS(zonedata, o.port, o.address, o.delay_ms, o.truncate_over, o.ad, log, o.strict) as server:
        print("port %d" % server.port, flush=True)
        try:
            time.sleep(o.seconds)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    sys.exit(main())
