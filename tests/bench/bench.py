#!/usr/bin/env python3
"""`make bench`: what Pullcord costs, as ratios against peers measured in the same run, turn by turn.

    tests/bench/bench.py BUILD [PART]   e.g. build; the figures also go to BUILD/bench.tsv

Nothing here passes or fails by time. The exit status is 1 when a part could not be measured.
"""
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import search
from figures import Row, Series, print_table, say, write_tsv
from outbox_rows import outbox_parts
from policy import policy
from recorded import recorded
from rig import BROKER_CORE, OTHERS_CORE, Process, Rig, Unmeasured, acl_file, cpu_ns, resident_mb

# Deliveries: one device, USERS people on TERMINALS terminals each; all get every alert.
USERS, TERMINALS = 10, 2
FANOUT_ROUNDS, FANOUT_MESSAGES = 9, 1500
# Durable rate. With more outstanding than the broker's receive maximum Paho stalls; it is fastest with some 20.
RATE_ROUNDS, RATE_MESSAGES = 5, 3000
GATEWAY_WINDOW, PAHO_WINDOW = 64, 20
# Press to app.
PACE_ROUNDS, PACE_MESSAGES, PACE_PER_S = 4, 250, 50
RECORD_ROUNDS = 3
OUTBOX_ROUNDS = 3
OWNERS, OWNERS_ROUNDS = 100000, 5

GATEWAY_CONF = """
[gateway]
unit = {unit}
outbox = {folder}/outbox.mdb
root_key = {folder}/outbox.key

[uplink]
host = localhost
port = {port}
cafile = {ca}
certfile = {cert}
keyfile = {key}

[health]
status =

; The most it can be set to: the pipeline is measured, not the throttle.
[throttle]
burst = 1000
per_minute = 6000

[input beds]
kind = local
per_second = 10000
address = {socket}
"""


# ---- the broker ------------------------------------------------------------------------------------------------------

def start_brokers(rig):
    acl = rig.folder / "acl.txt"
    policy = (rig.dir / "pullcord.policy").read_text()
    acl.write_text(acl_file(policy, rig.holders))
    yes = rig.build / "tests/bench/yes_plugin.so"
    return {
        "pullcord": rig.our_broker(),
        "no access control": rig.peer_broker("none"),
        "a plugin that always says yes": rig.peer_broker("yes", f"plugin {yes}"),
        "the same rules in acl_file": rig.peer_broker("acl", f"acl_file {acl}"),
    }


def gather_crowd(rig, name, broker):
    ca, cert, key = rig.certificate("nc-crowd")
    return rig.program(f"fanout-{name}", "fanout", ca, broker.device_port, broker.app_port, cert, key, rig.TENANT,
                       "icu3", "nc-crowd", USERS, TERMINALS)


def deliver(crowd, broker):
    """µs of broker CPU for each delivery: all threads, and the broker's own thread alone."""
    before = cpu_ns(broker.process.pid)
    deliveries = int(crowd.ask(f"go {FANOUT_MESSAGES}")[1])
    time.sleep(0.2)     # what its threads still have to write down belongs to it
    after = cpu_ns(broker.process.pid)
    return [(a - b) / 1000 / deliveries for a, b in zip(after, before)]


def broker_cost(rig):
    say("\nWhat a delivery costs the broker (µs)")
    rig.add_device("nc-crowd", "icu3")
    for i in range(USERS):
        rig.add_user(f"u{i}", "icu3")
    brokers = start_brokers(rig)
    crowds = {name: gather_crowd(rig, name.replace(" ", "-"), b) for name, b in brokers.items()}
    say(f"  {USERS * TERMINALS} readers of one device on each of {len(brokers)} brokers; an alert is "
        f"{crowds['pullcord'].greeting[1]} bytes, QoS 0")
    cost = {name: [] for name in brokers}
    for turn in range(FANOUT_ROUNDS + 1):
        for name, broker in brokers.items():
            figures = deliver(crowds[name], broker)
            if turn:    # the first one warms up
                cost[name].append(figures)
        say(f"  round {turn}/{FANOUT_ROUNDS}: " + ", ".join(f"{n} {c[-1][0]:.2f}" for n, c in cost.items() if c)
            if turn else "  warmed up")
    rig.stop(*crowds.values(), *(b.process for b in brokers.values()))
    for i, name in enumerate(("broker.cpu_per_delivery", "broker.thread_cpu_per_delivery")):
        ours, *peers = ((peer, Series([c[i] for c in cost[peer]])) for peer in cost)
        for peer, series in peers:
            yield Row(name, "µs", peer, ours[1], series)


# ---- the gateway -----------------------------------------------------------------------------------------------------

class Ward:
    """A broker, an app, a gateway with its buttons, and two Paho clients that do the gateway's job."""

    def __init__(self, rig):
        self.rig = rig
        for device in ("nc-gateway", "nc-files", "nc-plain"):
            rig.add_device(device, "med4")
        rig.add_user("ana", "med4")
        self.broker = rig.our_broker()
        self.app = rig.program("app", "app", rig.dir / "ca.crt", self.broker.app_port, "ana", rig.TENANT, "med4")
        self.start_gateway()
        self.gateway = rig.program("press", "press", self.socket)
        self.files = self.paho("nc-files", rig.folder / "paho")
        self.plain = self.paho("nc-plain")

    def start_gateway(self):
        ca, cert, key = self.rig.certificate("nc-gateway")
        self.socket = self.rig.folder / "beds.sock"
        conf = self.rig.folder / "gateway.conf"
        conf.write_text(GATEWAY_CONF.format(unit="med4", folder=self.rig.folder, port=self.broker.device_port, ca=ca,
                                            cert=cert, key=key, socket=self.socket))
        self.daemon = self.rig.start(Process, "gateway", self.rig.build / "pullcord-gateway", "--config", conf)
        for _ in range(200):
            self.daemon.check()
            if self.socket.exists():
                return
            time.sleep(0.05)
        raise Unmeasured(f"the gateway does not open its socket: {self.daemon.last_words()}")

    def paho(self, device, *folder):
        for f in folder:
            f.mkdir()
        ca, cert, key = self.rig.certificate(device)
        return self.rig.program(f"paho-{device}", "paho_peer", ca, self.broker.device_port, cert, key, self.rig.TENANT,
                                "med4", device, *folder)

    def run(self, sender, command, count):
        """Start and end of it at the sender, and what the app saw."""
        self.app.ask(f"expect {count}")
        sender.tell(command)
        start, end = (int(w) for w in sender.answer()[1:])
        got, p50, p99, _, last = (int(w) for w in self.app.ask("result 20")[1:])
        if got < count:
            raise Unmeasured(f"{sender.name}: {got} of {count} alerts came to the app")
        return {"seconds": (max(end, last) - start) / 1e9, "p50": p50 / 1e6, "p99": p99 / 1e6}


def durable_rate(ward):
    say("\nHow many alerts a second are taken durably and reach the app")
    senders = {"gateway": (ward.gateway, GATEWAY_WINDOW), "files": (ward.files, PAHO_WINDOW),
               "plain": (ward.plain, PAHO_WINDOW)}
    rates = {name: [] for name in senders}
    say(f"  {RATE_MESSAGES} at a time; not yet answered: gateway up to {GATEWAY_WINDOW}, Paho {ward.plain.greeting[1]} "
        f"up to {PAHO_WINDOW}, where it is fastest")
    for turn in range(RATE_ROUNDS + 1):
        for name, (sender, window) in senders.items():
            done = ward.run(sender, f"rate {RATE_MESSAGES} {window} medium", RATE_MESSAGES)
            if turn:
                rates[name].append(RATE_MESSAGES / done["seconds"])
        say(f"  round {turn}/{RATE_ROUNDS}: " + ", ".join(f"{n} {r[-1]:.0f}" for n, r in rates.items())
            if turn else "  warmed up")
    ours = Series(rates["gateway"])
    yield Row("gateway.durable_rate", "alerts/s", "a Paho client with file persistence (never synced)", ours,
              Series(rates["files"]))
    yield Row("gateway.durable_rate", "alerts/s", "a Paho client without persistence", ours, Series(rates["plain"]))


def press_to_app(ward):
    say("\nHow long from press to app (ms, p50/p99)")
    runs = {"medium": (ward.gateway, "medium"), "high": (ward.gateway, "high"), "plain": (ward.plain, "medium")}
    waits = {name: [] for name in runs}
    for turn in range(PACE_ROUNDS):
        for name, (sender, priority) in runs.items():
            waits[name].append(ward.run(sender, f"pace {PACE_MESSAGES} {PACE_PER_S} {priority}", PACE_MESSAGES))
        say(f"  round {turn + 1}/{PACE_ROUNDS}: "
            + ", ".join(f"{n} {w[-1]['p50']:.2f}/{w[-1]['p99']:.2f}" for n, w in waits.items()))
    for name, ours in (("", "medium"), ("high_", "high")):
        for p in ("p50", "p99"):
            yield Row(f"gateway.press_to_app_{name}{p}", "ms", "a Paho client without durability, publishing directly",
                      Series([w[p] for w in waits[ours]]), Series([w[p] for w in waits["plain"]]))


def memory(ward):
    time.sleep(1)
    for i, name in enumerate(("gateway.rss_after_mb", "gateway.rss_anon_after_mb")):
        yield Row(name, "MB", "a Paho client with file persistence after the same work",
                  Series([resident_mb(ward.daemon.pid)[i]]), Series([resident_mb(ward.files.pid)[i]]))


def gateway(rig):
    ward = Ward(rig)
    yield from durable_rate(ward)
    yield from press_to_app(ward)
    yield from memory(ward)


def outbox_alone(rig):
    say("\nWhat the outbox takes by itself")
    yield from measured(rig.build / "tests/bench/outbox_bench", rig.folder, OUTBOX_ROUNDS)


# ---- the record ------------------------------------------------------------------------------------------------------

def searching(rig):
    say("\nHow long it takes to find something in a record of ten million events (ms)")
    for name, unit, against, ours, peer in search.measure(rig.build, say):
        yield Row(name, unit, against, Series(ours), Series(peer))


def measured(program, *argv):
    """A program of our own that measures each figure and its floor by turns."""
    done = subprocess.run([program, *map(str, argv)], capture_output=True, text=True)
    if done.returncode:
        raise Unmeasured(f"{program.name} ended with {done.returncode}: {done.stderr.strip()}")
    figures = {}
    for line in done.stdout.splitlines():
        name, unit, against, ours, floor = line.split("\t")
        figures.setdefault((name, unit, against), []).append((float(ours), float(floor)))
    for (name, unit, against), pairs in figures.items():
        yield Row(name, unit, against, Series([a for a, _ in pairs]), Series([b for _, b in pairs]))


def record_cost(rig):
    say("\nWhat the record costs")
    yield from measured(rig.build / "tests/bench/record_bench", rig.folder, RECORD_ROUNDS)
    yield from recorded(rig)


def owners(rig):
    """In memory where there is such a folder: a flush for each of 100,000 is not what is measured."""
    say("\nWhat it costs at the start to know whose each of 100,000 client ids is (CPU, s)")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="pullcord-", dir=memory if os.access(memory, os.W_OK) else rig.folder) as folder:
        yield from measured(rig.build / "tests/bench/owners_bench", folder, OWNERS, OWNERS_ROUNDS)


# ---- all of it -------------------------------------------------------------------------------------------------------

PARTS = (broker_cost, policy, owners, gateway, outbox_alone, *outbox_parts(sys.modules[__name__]), searching, record_cost)


def first_line(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return f"{argv[0]}: not there"


def sync_ms(folder):
    """What a flush costs here, for whoever compares with another disk."""
    path = folder / "sync"
    took = []
    with path.open("wb", buffering=0) as f:
        for _ in range(50):
            f.write(b"\0" * 4096)
            start = time.perf_counter()
            os.fdatasync(f.fileno())
            took.append((time.perf_counter() - start) * 1000)
    path.unlink()
    return Series(took)


def introduce(rig):
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    say(f"Pullcord bench: {first_line(rig.build / 'pullcord', 'version')}, {first_line('mosquitto', '-h')}, "
        f"{first_line('openssl', 'version').split(' (')[0]}, Linux {platform.release()}")
    say(f"  {os.cpu_count()} cores of {cpu[1] if cpu else platform.machine()}; broker on core {BROKER_CORE}, all else "
        f"on core {OTHERS_CORE}; load now {os.getloadavg()[0]:.1f}")
    say(f"  fdatasync of 4 KiB here: {sync_ms(rig.folder)} ms; TLS 1.3 with client certificates, on loopback")
    say("  Figures are medians of rounds taken in turns (least–most); a ratio is median by median of the same run.")


def explain():
    say("""
  broker      CPU by the scheduler's count: cpu_per_delivery all threads, thread_cpu_… the one that serves clients. Same
              message stream, TLS and limits for all; in acl_file the rule that grants is each user's first.
  rate        until the last alert is durable (Paho: acknowledged) and the last has reached the app. outbox.rate: of priority
              high, which the gateway lets go on a StoredReceipt; the app on the broker's core, gateway and Paho on the other.
              cpu_us.gateway is the Paho client's where there is no gateway. alone: the outbox's own, without a broker.
  press       from the line on the gateway's socket to the app's callback, at 50 a second, medium priority and high.
  throttle    of the gateway at its most generous; every press is a bed's first, from 16 stations and of 4 kinds:
              nothing is folded or held back.
  reconnect   from the cut of a connection that had held to the app's callback for an alert pressed at once.
  policy      see tests/bench/policy.py: what is counted and against whom. A stall is the worst wait of one client's pings.
  memory      rss_after with mapped files: libraries, and what was touched of the gateway's 16 MiB outbox; rss_anon_after
              without them. rss: of a gateway whose outbox is full, without what is mapped of that; rss_own also without
              libraries.""")


def measure(rig, parts, rows):
    """Appends what can be measured to `rows`; yields what could not be, and why."""
    try:
        rig.install()
    except (Unmeasured, OSError) as e:
        yield f"anything: {e}"
        return
    for part in parts:
        try:
            for row in part(rig):
                rows.append(row)
        except (Unmeasured, OSError) as e:
            say(f"  stopped: {e}")
            yield f"{part.__name__.replace('_', ' ')}: {e}"


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    parts = [p for p in PARTS if word in p.__name__]
    if not parts:
        print(f"bench: no part has {word!r} in its name: " + ", ".join(p.__name__ for p in PARTS), file=sys.stderr)
        return 2
    rows = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # not without ending what was started
    with Rig(build) as rig:
        introduce(rig)
        missing = list(measure(rig, parts, rows))
    say("\nFigures")
    print_table(rows)
    explain()
    write_tsv(build / "bench.tsv", rows)
    say(f"\n  also in {build}/bench.tsv")
    for m in missing:
        say(f"  NOT MEASURED: {m}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
