#!/usr/bin/env python3
"""Nothing grows (TAP): a gateway takes and delivers messages for as long as asked, then loses its connection again and again.

    tests/soak/growth.py [--build DIR] [--messages N] [--reconnects N] [--keep]

What gateway and broker have of their own in memory (RssAnon), their open files and their threads are looked at once all that
is bounded is full, at each tenth, and at the end; the end may not be above the beginning by more than is allowed: 1 MiB for the
gateway, 16 MiB for the broker, which are 1 and 17 bytes a message of a million. The broker's is more because LMDB keeps the pages
of its largest transaction for the next, and a transaction takes what came while the disk was busy; glibc what the most messages
took that waited at once. Of each reconnection one message is in flight, for which Paho 1.3.12 loses some 200 bytes: so much is
allowed besides.
"""
import argparse
import json
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scene"))
from house import Gateway, House, Trouble, patience, tail, wait_for       # noqa: E402
from proxy import Proxy                                                     # noqa: E402
from verdicts import say, tell                                              # noqa: E402

WINDOW, SOURCES = 200, 16
FULL = 20000            # of all tables the largest, what an outbox of 16 MiB remembers, has 16,384 places
SLACK_KIB, PAHO_BYTES = {"gateway": 1024, "broker": 16384}, {"gateway": 400, "broker": 0}
ENTRY_BYTES = 700       # of the record, for a message
NOTICED_S = 0.25        # a cut: what is said later is a reason to dial at once


class Source:
    """Says each thing once, and waits for both answers."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(patience(60))
        self.said = self.durable = self.stored = 0
        self.unread = b""

    def say(self, n=1):
        lines = []
        for _ in range(n):
            self.said += 1
            lines.append(json.dumps({"type": "alert", "id": f"g{self.said}", "source": f"s{self.said % SOURCES}",
                                     "kind": "call.normal", "priority": "high", "bed": f"b{self.said}", "text": "growth"}))
        self.socket.sendall(("\n".join(lines) + "\n").encode())

    def hear(self):
        got = self.socket.recv(1 << 20)
        if not got:
            raise Trouble("the gateway hung up")
        *whole, self.unread = (self.unread + got).split(b"\n")
        for line in whole:
            answer = json.loads(line)["answer"]
            self.durable += answer == "durable"
            self.stored += answer == "stored"
            if answer == "refused":
                raise Trouble(f"the gateway says {line.decode()}")

    def settle(self):
        try:
            while self.stored < self.said:
                self.hear()
        except socket.timeout:
            raise Trouble(f"{self.stored} of {self.said} were stored") from None

    def run(self, n):
        """No faster than the broker takes them: or the outbox would fill."""
        end = self.said + n
        while self.said < end:
            while self.said - self.stored >= 10 * WINDOW or self.said - self.durable >= WINDOW:
                self.hear()
            self.say(min(WINDOW // 4, end - self.said))
        self.settle()


def look(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    field = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if len(line.split()) > 1}
    return {"KiB": int(field["RssAnon"]), "files": len(os.listdir(f"/proc/{pid}/fd")), "threads": int(field["Threads"])}


class Growth:
    def __init__(self, args):
        self.args = args
        self.house = House(args.build)
        self.house.init("--record-mib", 64 + (args.messages + FULL) * ENTRY_BYTES // (1 << 20))
        self.house.enroll("nc1", "icu3", "nursecall-device")
        self.proxy = Proxy(self.house.device_port)
        self.gateway = Gateway(self.house, "nc1", "icu3")
        ini = self.gateway.ini.read_text().replace(f"port = {self.house.device_port}", f"port = {self.proxy.port}")
        self.gateway.ini.write_text(ini.replace("/local.sock", "/local.sock\nper_second = 10000"))

    def open(self):
        if not self.house.broker_start():
            raise Trouble(f"the broker ended at once:\n{tail(self.house.broker.text())}")
        self.gateway.start()
        wait_for("the gateway takes a caller", patience(10), self.gateway.connect_local)
        self.source = Source(self.gateway.local)
        self.pids = {"gateway": self.gateway.process.child.pid, "broker": self.house.broker.child.pid}

    def look(self, when):
        time.sleep(1)
        seen = {who: look(pid) for who, pid in self.pids.items()}
        say(f"{when}: " + "; ".join(f"{who} " + ", ".join(f"{n} {what}" for what, n in s.items()) for who, s in seen.items()))
        return seen

    def tenths(self, n, what, act):
        """What was there before and after n times `act`."""
        before = after = self.look(f"before {n} {what}")
        for i in range(10):
            act(n * (i + 1) // 10 - n * i // 10)
            after = self.look(f"after {n * (i + 1) // 10}")
        return before, after

    def cut(self, n):
        for _ in range(n):
            accepted = self.proxy.accepted
            self.proxy.cut()
            time.sleep(NOTICED_S)
            self.source.say()       # urgent: it does not wait for the next try
            self.source.settle()
            wait_for("a new connection", patience(30), lambda: self.proxy.accepted > accepted, poll=0.01)

    def verdicts(self, seen, n, what):
        for who, before, after in ((who, seen[0][who], seen[1][who]) for who in self.pids):
            grown = after["KiB"] - before["KiB"]
            allowed = SLACK_KIB[who] + (n * PAHO_BYTES[who] // 1024 if what == "reconnections" else 0)
            yield (f"the {who} does not grow by {n} {what}: {grown} KiB, {allowed} allowed",
                   [f"{grown - allowed} KiB more"] if grown > allowed else [])
            yield ("nor have its files or threads become more",
                   [f"{after[x]} {x}, {before[x]} before" for x in ("files", "threads") if after[x] > before[x]])

    def run(self):
        self.open()
        self.source.run(FULL)
        n = self.args.messages
        yield from self.verdicts(self.tenths(n, "messages", self.source.run), n, "messages")
        self.cut(3)
        n = self.args.reconnects
        yield from self.verdicts(self.tenths(n, "reconnections", self.cut), n, "reconnections")

    def close(self, keep):
        self.proxy.close()
        return self.house.close(keep)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--build", default="build")
    args.add_argument("--messages", type=int, default=1000000)
    args.add_argument("--reconnects", type=int, default=1000)
    args.add_argument("--keep", action="store_true", help="show the logs also when all went well")
    args = args.parse_args()
    growth = Growth(args)
    return tell(growth.run, growth.close, args.keep)


if __name__ == "__main__":
    sys.exit(main())
