"""A milter in a few lines, to try the MTA's side on: answers by table, keeps what it was sent.

    with MiniMilter({"E": [("i", pack(0) + b"X-A\\0 b\\0"), ("a", b"")]}) as m:
        run("try", "--milter", m.spec, ...)
        m.seen       # [(command, data)] of the last session

answers: {command: [(code, data), ...]} sent for that command; None: say nothing;
"close": close the connection; a list of lists: one for each time the command
comes (the last one stays). Without an entry: continue. Commands whose "no reply" bit was
negotiated get no answer unless they have an entry of their own.
"""

import os
import shutil
import socket
import struct
import tempfile
import threading

from milterclient import RULES, strings  # noqa: F401


def pack(number):
    return struct.pack(">I", number)


class MiniMilter:
    def __init__(self, answers=None, version=6, actions=0x1FF, steps=0, lists=b"", inet=None):
        self.answers = dict(answers or {})
        self.hello = struct.pack(">III", version, actions, steps) + lists
        self.steps = steps
        self.inet = inet
        self.seen = []
        self.finished = threading.Event()

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="authmill-t.")
        if self.inet is None:
            self.listener = socket.socket(socket.AF_UNIX)
            path = os.path.join(self.dir, "sock")
            self.listener.bind(path)
            self.spec = "unix:" + path
        else:
            six = self.inet == "inet6"
            self.listener = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
            self.listener.bind(("::1" if six else "127.0.0.1", 0))
            port = self.listener.getsockname()[1]
            self.spec = "%s:%d@%s" % (self.inet, port, "[::1]" if six else "localhost")
        self.listener.listen(5)
        self.listener.settimeout(0.2)
        self.stop = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join(10)
        self.listener.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def names(self):
        return "".join(code for code, _ in self.seen)

    def data_of(self, command):
        return [data for code, data in self.seen if code == command]

    def _serve(self):
        while not self.stop:
            try:
                conn, _ = self.listener.accept()
            except socket.timeout:
                continue
            conn.settimeout(10)
            self.seen = []
            try:
                self._session(conn)
            except OSError:
                pass
            conn.close()
            self.finished.set()

    def _packet(self, stream):
        head = stream.read(5)
        if len(head) < 5:
            return None
        n = struct.unpack(">I", head[:4])[0]
        return head[4:].decode("latin-1"), stream.read(n - 1)

    def _session(self, conn):
        stream = conn.makefile("rb")
        turn = {}
        while True:
            packet = self._packet(stream)
            if packet is None or packet[0] == "Q":
                return
            self.seen.append(packet)
            command = packet[0]
            answer = self.answers.get(command, self._usual(command))
            if isinstance(answer, list) and answer and isinstance(answer[0], list):
                k = turn.get(command, 0)
                turn[command] = k + 1
                answer = answer[min(k, len(answer) - 1)]
            if answer == "close":
                return
            if isinstance(answer, bytes):
                conn.sendall(answer)
            else:
                for code, data in answer or []:
                    conn.sendall(pack(len(data) + 1) + code.encode("latin-1") + data)

    def _usual(self, command):
        if command == "O":
            return [("O", self.hello)]
        if command not in RULES or self.steps & RULES[command][1]:
            return None
        return [("c", b"")]
