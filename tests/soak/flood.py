#!/usr/bin/env python3
"""Abuse case 14, audit flooding (TAP): devices try without end what they may not, to fill the record or to hide in it.

    tests/soak/flood.py [--build DIR] [--seconds S] [--rate R] [--keep]

Ten devices send refused messages, R a second each (as fast as the broker takes them, if that is less), on topics they
vary; whose connection is ended for it comes back after a second, as MQTT libraries do. Beside them a device calls 20 times a
second. Then: the record grew by less than 10 MB, every call, and to whom it was delivered, is in it, and so is every message
that was refused, counted; and of a hundred calls the slowest but one took at most twice as long until it was acknowledged as
before the flood. That is judged by its ratio, which needs a machine with nothing else to do, and minutes.
"""
import argparse
import json
import multiprocessing
import os
import re
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scene"))
import mqtt                                             # noqa: E402
from house import House, Trouble, patience, tail, wait_for        # noqa: E402
from stage import Stage, forged                         # noqa: E402
from verdicts import say, slowed, tell                  # noqa: E402

FLOODERS, TOPICS, BURST = 10, 64, 500
CALLS_PER_S, IDLE_S, AGAIN_S, SLOWER_MAX = 20, 30, 1, 2
GROWTH_MAX = 10_000_000


def packet(topic):
    """QoS 0: nothing slows its sender down."""
    body = mqtt.text(topic) + b"\0x"
    return bytes([mqtt.PUBLISH << 4]) + mqtt.varint(len(body)) + body


class Flooder(multiprocessing.Process):
    """A process, and one that lets others go first: on other machines, it would take nothing from the broker and the caller."""

    def __init__(self, house, device, rate):
        super().__init__(daemon=True)
        self.house, self.device, self.rate = house, device, rate
        self.sent, self.times, self.running = multiprocessing.Value("Q"), multiprocessing.Value("Q"), multiprocessing.Value("b", 1)
        self.burst = b"".join(packet(f"mercy/unit/u{i % TOPICS}/alert/high/{device}") for i in range(BURST))

    def connect(self):
        self.connection = mqtt.Connection(*self.house.ends(self.device), seconds=patience(20))
        if self.connection.connect(self.device) != "accepted":
            raise Trouble(f"{self.device} is not let in")
        self.times.value += 1

    def flood(self):
        began, before = time.monotonic(), self.sent.value
        while self.running.value:
            self.connection.sock.sendall(self.burst)
            self.sent.value += BURST
            time.sleep(max(0, began + (self.sent.value - before) / self.rate - time.monotonic()))

    def run(self):
        os.nice(15)
        self.connect()
        while self.running.value:
            try:
                self.flood()
            except OSError:
                time.sleep(AGAIN_S)
                self.connect()


class Caller:
    """Calls at a steady pace, each when the one before was acknowledged, and says how long that took."""

    def __init__(self, stage):
        self.stage, self.called = stage, 0
        self.connection = mqtt.Connection(*stage.house.ends("nc1"), seconds=patience(60))
        if self.connection.connect("nc1") != "accepted":
            raise Trouble("nc1 is not let in")

    def call(self, seconds):
        began, took = time.monotonic(), []
        while time.monotonic() < began + seconds:
            payload = forged(self.stage, "alert", "nc1")
            start = time.monotonic()
            if self.connection.publish("mercy/unit/icu3/alert/high/nc1", payload) != "accepted":
                raise Trouble(f"call {self.called} was not taken")
            took.append((time.monotonic() - start) * 1000)
            self.called += 1
            time.sleep(max(0, began + len(took) / CALLS_PER_S - time.monotonic()))
        return took


def percentiles(took):
    at = statistics.quantiles(took, n=100, method="inclusive")
    return f"{at[49]:.1f} ms median, {at[98]:.1f} ms 99th percentile of {len(took)}", at[98]


class Flood:
    def __init__(self, args):
        self.args = args
        self.stage = Stage(args.build)
        self.house = house = self.stage.house
        house.init("--record-mib", 16 + int(args.seconds / 10))
        house.enroll("nc1", "icu3", "nursecall-device")
        house.add_user("ana", "icu3", "nurse")
        for i in range(FLOODERS):
            house.enroll(f"fl{i}", "med4", "nursecall-device")
        self.metrics = house.root / "pullcord_broker.prom"
        house.conf.write_text(re.sub(r"^(plugin_opt_dir .*)$", rf"\1\nplugin_opt_metrics {self.metrics}",
                                     house.conf.read_text(), flags=re.M))
        if not house.broker_start():
            raise Trouble(f"the broker ended at once:\n{tail(house.broker.text())}")
        self.watcher = house.watch("ana", "icu3")
        if not self.watcher.next(lambda obj: obj.get("event") == "watching", patience(20)):
            raise Trouble(f"ana does not watch:\n{tail(self.watcher.process.text())}")

    def metric(self, name):
        found = self.metrics.exists() and re.search(rf"^pullcord_broker_{name} (\S+)$", self.metrics.read_text(), re.M)
        return int(float(found[1])) if found else None

    def entries(self, kind, outcome):
        """Entries of it, and the events they stand for."""
        done = self.house.run([self.house.build / "pullcord", "audit", "search", "--dir", self.house.dir, "--event", kind,
                               "--outcome", outcome, "--json", "--no-index"], seconds=300)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return rows, sum(row["count"] or 1 for row in rows)

    def run(self):
        args, caller = self.args, Caller(self.stage)
        wait_for("the broker tells how it is", patience(60), lambda: self.metric("record_free_bytes"))
        idle_text, idle = percentiles(caller.call(min(IDLE_S, args.seconds)))
        say(f"before the flood: {idle_text}")
        free = self.metric("record_free_bytes")
        flooders = [Flooder(self.house, f"fl{i}", args.rate) for i in range(FLOODERS)]
        for f in flooders:
            f.start()
        began = time.monotonic()
        flood_text, flood = percentiles(caller.call(args.seconds))
        sent, seconds = sum(f.sent.value for f in flooders), time.monotonic() - began
        for f in flooders:
            f.running.value = 0
        say(f"in it: {flood_text}: x {flood / idle:.1f}; {sent} messages sent, {sent / seconds:.0f} a second of "
            f"{FLOODERS * args.rate} that were to be, on {sum(f.times.value for f in flooders)} connections")
        for f in flooders:
            f.join(60)
        self.caller, self.idle, self.flood = caller, idle, flood
        wait_for("nothing more is refused", patience(120), self.is_still, poll=11)     # metrics come every ten seconds
        self.grown = free - self.metric("record_free_bytes")

    def refused(self):
        return (self.metric("publishes_denied_total") or 0) + (self.metric("publishes_closed_total") or 0)

    def is_still(self):
        before, self.sent = getattr(self, "sent", None), self.refused()
        return before == self.sent

    def whole(self):
        self.run()
        yield from self.verdicts()

    def verdicts(self):
        status = self.house.broker.end(seconds=120)
        yield slowed("99 of 100 calls took", self.idle, self.flood, SLOWER_MAX)
        yield "the broker ended in good order", [] if status == 0 else [f"with {status}"]
        done = self.house.tool("audit", "verify", "--dir", self.house.dir, "--json", check=False)
        yield "the record is whole", [] if done.returncode == 0 else [done.stdout + done.stderr]
        denied, events = self.entries("publish", "denied")
        failed, closed = self.entries("publish", "failed")
        denied, events = denied + failed, events + closed
        entries = json.loads(done.stdout)["entries"]
        say(f"{events} refused messages are on record in {len(denied)} entries of {entries}; it grew by {self.grown / 1e6:.1f} MB")
        yield "the record grew by less than 10 MB", [] if self.grown < GROWTH_MAX else [f"by {self.grown} bytes"]
        yield "every refused message is counted", [] if events == self.sent else [f"{events} of {self.sent}"]
        published, _ = self.entries("publish", "allowed")
        calls = {row["message"] for row in published if row["actor"] == "nc1"}
        yield "every call is on record", [] if len(calls) == self.caller.called else [f"{len(calls)} of {self.caller.called}"]
        delivered, _ = self.entries("deliver", "allowed")
        got = {row["message"] for row in delivered if "ana" in row["recipient_actors"]}
        yield "and to whom it was delivered", [] if calls <= got else [f"{len(calls - got)} calls were not"]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--build", default="build")
    args.add_argument("--seconds", type=float, default=300)
    args.add_argument("--rate", type=int, default=20000, help="messages a second of each device")
    args.add_argument("--keep", action="store_true", help="show the logs also when all went well")
    args = args.parse_args()
    flood = Flood(args)
    return tell(flood.whole, flood.house.close, args.keep)


if __name__ == "__main__":
    sys.exit(main())
