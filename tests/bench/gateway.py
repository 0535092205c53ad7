"""What the gateway and its outbox do, against peers in the same run: plain Paho clients (whose files are never synced) and a
Mosquitto bridge. Priority high, if nothing else is said: such alerts the throttle never holds back, and the gateway lets them
go on a StoredReceipt."""
import re
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from figures import Row, Series, in_turn, say
from rig import Process, Unmeasured, cpu_ns, resident_mb
from ward import BIG, INFLIGHT, Proxy, Ward, arrived

ROUNDS, ALONE_ROUNDS = 4, 3
WINDOW = 256                    # presses not yet durable: as many as one connection may have
STEADY_S = 5.5                  # or it is taken for a line that flaps
LOOKS = 20                      # a second apart: some of tries to connect are among them
BRIDGE_MESSAGES, DRAIN_MESSAGES, FLASH_MESSAGES, FULL_MESSAGES = 1000, 100000, 500, 14500
OURS, HIGH = "ours", "ours, high"
PLAIN, FILES = "Paho without persistence", "Paho with file persistence"
BRIDGE = "a Mosquitto bridge that saves every change"
FLOOR = "Paho without persistence, broker without plugin"
AGAIN = "Paho, which connects again by itself"


# ---- rates -----------------------------------------------------------------------------------------------------------

@dataclass
class Sender:
    program: Process
    count: int
    app: Process = None         # the ward's
    window: int = INFLIGHT
    work: dict = field(default_factory=dict)    # processes whose CPU is told


def rates(ward, name, priority, senders):
    def run(sender):
        before = {what: cpu_ns(p.pid)[0] for what, p in sender.work.items()}
        done = ward.run(sender.program, f"rate {sender.count} {sender.window} {priority}", sender.count, app=sender.app)
        time.sleep(0.2 if before else 0)    # what their threads still have to write down belongs to it
        us = {what: (cpu_ns(sender.work[what].pid)[0] - ns) / 1000 / sender.count for what, ns in before.items()}
        return sender.count / done.seconds, dict(us, all=sum(us.values())), done.bytes

    took = in_turn(ROUNDS, {who: lambda s=s: run(s) for who, s in senders.items()}, lambda done: f"{done[0]:.0f}")
    say("  bytes of an alert: " + ", ".join(f"{who} {rounds[0][2]}" for who, rounds in took.items()))
    for who in senders:
        if who != OURS:
            yield Row(name, "alerts/s", who, *(Series([rate for rate, _, _ in took[w]]) for w in (OURS, who)))
    work = senders[OURS].work
    for what in (*work, "all") if work else ():
        for who in (w for w, s in senders.items() if s.work and w != OURS):
            yield Row(f"{name}_cpu_us.{what}", "µs", who, *(Series([us[what] for _, us, _ in took[w]]) for w in (OURS, who)))


def rate(rig, name, env):
    ward, count = Ward(rig), 1500 if env else 3000
    bare = rig.peer_broker("bare")
    bare_app, bare_paho = ward.reader(bare), ward.paho(bare.device_port, **env)
    gateway, plain = ward.gateway(**env), ward.paho(**env)
    behind = {"broker": ward.broker.process, "app": ward.app}
    yield from rates(ward, name, "high", {
        OURS: Sender(gateway.press, count, window=WINDOW, work={"gateway": gateway.daemon, **behind}),
        FILES: Sender(ward.paho(kept=True, **env), count),
        PLAIN: Sender(plain, count, work={"gateway": plain, **behind}),
        BRIDGE: Sender(ward.bridge(**env), BRIDGE_MESSAGES),
        FLOOR: Sender(bare_paho, count, bare_app, work={"gateway": bare_paho, "broker": bare.process, "app": bare_app})})


def rate_128(rig):
    yield from rate(rig, "outbox.rate_128", {})


def rate_1k(rig):
    yield from rate(rig, "outbox.rate_1k", BIG)


def alone(rig):
    yield from rig.measured("outbox_bench", rig.folder, ALONE_ROUNDS)


# ---- from press to app -----------------------------------------------------------------------------------------------

def paced(ward, count, per_s, runs):
    """Of each who: the medians and the 99th percentiles of the rounds."""
    took = in_turn(ROUNDS, {who: lambda s=sender, p=priority: ward.run(s, f"pace {count} {per_s} {p}", count)
                            for who, (sender, priority) in runs.items()}, lambda done: f"{done.p50:.2f}/{done.p99:.2f}")
    return {who: {p: Series([getattr(done, p) for done in rounds]) for p in ("p50", "p99")} for who, rounds in took.items()}


def press(rig, per_s):
    ward = Ward(rig)
    took = paced(ward, per_s * 2, per_s, {OURS: (ward.gateway(mib=128).press, "high"), PLAIN: (ward.paho(), "high")})
    for p, ours in took[OURS].items():
        yield Row(f"outbox.press_to_app_{p}.{per_s}", "ms", PLAIN, ours, took[PLAIN][p])


def press_500(rig):
    yield from press(rig, 500)


def press_3000(rig):
    yield from press(rig, 3000)


def gateway(rig):
    """The everyday: medium priority, on the wire before it is durable and forgotten on the broker's PUBACK."""
    ward = Ward(rig)
    ours, files, plain = ward.gateway(), ward.paho(kept=True), ward.paho()
    yield from rates(ward, "gateway.durable_rate", "medium", {
        OURS: Sender(ours.press, 3000, window=WINDOW), FILES: Sender(files, 3000), PLAIN: Sender(plain, 3000)})
    took = paced(ward, 250, 50, {OURS: (ours.press, "medium"), HIGH: (ours.press, "high"), PLAIN: (plain, "medium")})
    for who, name in ((OURS, ""), (HIGH, "high_")):
        for p, series in took[who].items():
            yield Row(f"gateway.press_to_app_{name}{p}", "ms", PLAIN, series, took[PLAIN][p])
    time.sleep(1)
    for name, mine, theirs in zip(("rss", "rss_anon"), resident_mb(ours.daemon.pid), resident_mb(files.pid)):
        yield Row(f"gateway.{name}_after_mb", "MB", f"{FILES} after the same work", Series([mine]), Series([theirs]))


# ---- the broker is away ----------------------------------------------------------------------------------------------

def drain(rig):
    """Taken while there is no way to the broker, then brought to it. A Paho client cannot; it sends as many at its pace."""
    ward = Ward(rig)
    way = Proxy(ward.broker.device_port)
    way.mode = "stall"
    ours, plain = ward.gateway(mib=256, port=way.port), ward.paho()
    ward.app.ask(f"expect {DRAIN_MESSAGES}")
    ours.press.tell(f"rate {DRAIN_MESSAGES} {WINDOW} high")
    ours.press.answer(300)
    say(f"  {DRAIN_MESSAGES} taken")
    way.mode, start = "pass", time.monotonic_ns()
    took = (arrived(ward.app, ours.press, DRAIN_MESSAGES, 300).last_ns - start) / 1e9
    way.close()
    say(f"  brought in {took:.1f} s")
    peer = ward.run(plain, f"rate {DRAIN_MESSAGES} {INFLIGHT} high", DRAIN_MESSAGES, 300).seconds
    yield Row("outbox.drain_s.100k", "s", f"{PLAIN}, sending as many", Series([took]), Series([peer]))


def reconnect(rig):
    """The connection is cut and an alert pressed at once: how long until the app has it."""
    ward = Ward(rig)
    ways = [Proxy(ward.broker.device_port) for _ in range(2)]
    senders = ward.gateway(port=ways[0].port).press, ward.paho(ways[1].port, BENCH_AGAIN="1")

    def cut(way, sender):
        time.sleep(STEADY_S)
        ward.app.ask("expect 1")
        way.cut()
        start = time.monotonic_ns()
        sender.tell("pace 1 1 high")
        sender.answer()
        return (arrived(ward.app, sender, 1, 20).last_ns - start) / 1e6

    took = in_turn(ROUNDS, {who: lambda w=way, s=sender: cut(w, s) for who, way, sender in zip((OURS, AGAIN), ways, senders)},
                   lambda ms: f"{ms:.1f}")
    for way in ways:
        way.close()
    yield Row("gateway.reconnect_ms", "ms", AGAIN, Series(took[OURS]), Series(took[AGAIN]))


# ---- what it takes ---------------------------------------------------------------------------------------------------

def io_of(path, what):
    return int(re.search(rf"^{what}: (\d+)", path.read_text(), re.M)[1])


def asked(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "outbox":
            return io_of(task / "io", "wchar")
    raise Unmeasured("the gateway has no thread that writes")


def flash(rig):
    """What the kernel was asked to write for one alert. Of the gateway what its writer asked for, in whole pages; of the peer,
    which writes its packets elsewhere too, what the kernel counts: with large folios more than reaches the disk."""
    ward = Ward(rig)
    ours, files = ward.gateway(), ward.paho(kept=True)
    peer = f"{FILES}, as the kernel counts"
    counts = {OURS: (ours.press, WINDOW, lambda: asked(ours.daemon.pid)),
              peer: (files, INFLIGHT, lambda: io_of(Path(f"/proc/{files.pid}/io"), "write_bytes"))}
    for name, how in (("", "pace {n} 50 high"), ("_burst", "rate {n} {window} high")):
        took = []
        for who, (sender, window, count) in counts.items():
            ward.run(sender, how.format(n=50, window=window), 50)
            before = count()
            ward.run(sender, how.format(n=FLASH_MESSAGES, window=window), FLASH_MESSAGES)
            time.sleep(0.5)
            took.append((count() - before) / FLASH_MESSAGES)
        say(f"  {how.split()[0]}: {took[0]:.0f} bytes an alert, {peer} {took[1]:.0f}")
        yield Row(f"gateway.flash_bytes_per_msg{name}", "bytes", peer, *(Series([n]) for n in took))


def resident(pid):
    """MB: what is not shared with files, files such as libraries, and what was touched of the mapped outbox."""
    own = files = outbox = 0
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                name = line.split(maxsplit=5)[5:]
            elif line.startswith("Rss:"):
                rss = int(line.split()[1])
            elif line.startswith("Anonymous:"):
                anonymous = int(line.split()[1])
                own += anonymous
                if name and name[0].strip().endswith("outbox.mdb"):
                    outbox += rss - anonymous
                else:
                    files += rss - anonymous
    return [kb / 1024 for kb in (own, files, outbox)]


class Peak:
    """The most that was resident of processes but for the outbox, looked for as often as can be, until they end."""

    def __init__(self):
        self.mb = 0

    def watch(self, pid):
        threading.Thread(target=self.look, args=(pid,), daemon=True).start()

    def look(self, pid):
        try:
            while True:
                self.mb = max(self.mb, sum(resident(pid)[:2]))
                time.sleep(0.001)
        except OSError:
            pass


def memory(rig):
    """Full, with no way to the broker."""
    ward = Ward(rig)
    way = Proxy(ward.broker.device_port)
    peak, of_rest = Peak(), Peak()
    rest = ward.gateway(port=way.port, watch=of_rest.watch)
    way.mode = "stall"
    full = ward.gateway(port=way.port, watch=peak.watch)
    full.press.tell(f"rate {FULL_MESSAGES} {WINDOW} high")
    full.press.answer(300)
    looks = []
    for _ in range(LOOKS):
        time.sleep(1)
        looks.append([resident(g.daemon.pid) for g in (full, rest)])
    rig.stop(full.daemon)
    again = rig.start(Process, "gateway-again", *full.daemon.child.args[-3:])
    peak.watch(again.pid)
    time.sleep(LOOKS / 2)
    rig.stop(again)
    way.close()
    yield Row("gateway.rss_peak_mb", "MB", "itself with nothing to do", Series([peak.mb]), Series([of_rest.mb]))
    for name, n in (("gateway.rss_mb", slice(0, 2)), ("gateway.rss_own_mb", slice(0, 1)), ("gateway.rss_mapped_mb", slice(2, 3))):
        yield Row(name, "MB", "itself at rest", *(Series([sum(look[i][n]) for look in looks]) for i in (0, 1)))


def stripped_kb(rig, program):
    copy = rig.folder / "stripped"
    shutil.copy(rig.build / program, copy)
    subprocess.run(["strip", copy], check=True)
    return copy.stat().st_size / 1024


def size(rig):
    yield Row("gateway.binary_kb", "KiB", "Paho in a client that only publishes",
              *(Series([stripped_kb(rig, p)]) for p in ("pullcord-gateway", "tests/bench/paho_peer")))


PARTS = {"gateway": gateway, "outbox_alone": alone, "outbox_size": size, "outbox_rate_128": rate_128, "outbox_rate_1k": rate_1k,
         "outbox_press_500": press_500, "outbox_press_3000": press_3000, "outbox_flash": flash, "outbox_memory": memory,
         "outbox_reconnect": reconnect, "outbox_drain": drain}
