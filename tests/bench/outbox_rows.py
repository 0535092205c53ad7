"""What the gateway's outbox does, against peers in the same run: a Paho client with and without file persistence, and a
Mosquitto bridge that saves every change. Priority high: such alerts the throttle never holds back."""
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from rig import BROKER_CORE, Process, Unmeasured, cpu_ns, free_ports, wait_for_port

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "soak"))
from proxy import Proxy     # noqa: E402

ROUNDS = 4
RECONNECT_ROUNDS, STEADY_S = 5, 5.5
GATEWAY_WINDOW, PAHO_WINDOW = 256, 20
BRIDGE_MESSAGES, DRAIN_MESSAGES, FLASH_MESSAGES, FULL_MESSAGES = 1000, 100000, 500, 14500
PLAIN, FILES, BRIDGE = ("a Paho client without persistence", "a Paho client with file persistence (never synced)",
                        "a Mosquitto bridge that saves every change")
FLOOR = "a Paho client without persistence, and a broker without a plugin"
AGAIN = "a Paho client that connects again by itself"

GATEWAY_CONF = """
[gateway]
unit = med4
outbox = {home}/outbox.mdb
outbox_mib = {mib}
root_key = {home}/outbox.key

[uplink]
host = localhost
port = {port}
cafile = {ca}
certfile = {cert}
keyfile = {key}
window = 100

[health]
status =

[throttle]
burst = 1000
per_minute = 6000

[input beds]
kind = local
per_second = 10000
address = {home}/beds.sock
"""


class Scene:
    """One broker and one app, with everybody who sends to it."""

    def __init__(self, rig, tools):
        self.rig, self.say, self.Series, self.Row = rig, tools.say, tools.Series, tools.Row
        self.devices = 0
        rig.add_user("bea", "med4")
        self.broker = rig.our_broker()
        self.app = self.reader(self.broker, "outbox")
        self.bare_broker = self.bare_app = None

    def reader(self, broker, name):
        """Beside the broker, not beside the device."""
        return self.rig.program(f"app-{name}", "app", self.rig.dir / "ca.crt", broker.app_port, "bea", self.rig.TENANT, "med4",
                                core=BROKER_CORE)

    def bare(self):
        """A broker without a plugin, and its app."""
        if not self.bare_broker:
            self.bare_broker = self.rig.peer_broker("bare")
            self.bare_app = self.reader(self.bare_broker, "bare")
        return self.bare_broker, self.bare_app

    def device(self, kind):
        self.devices += 1
        name = f"nc-{kind}-{self.devices}"
        self.rig.add_device(name, "med4")
        return name, self.rig.certificate(name)

    def gateway(self, mib=16, port=None, **env):
        name, (ca, cert, key) = self.device("ob")
        home = self.rig.folder / name
        conf = home / "bench.ini"
        conf.write_text(GATEWAY_CONF.format(home=home, mib=mib, port=port or self.broker.device_port, ca=ca, cert=cert, key=key))
        daemon = self.rig.start(Process, f"gateway-{name}", self.rig.build / "pullcord-gateway", "--config", conf)
        for _ in range(400):
            daemon.check()
            if (home / "beds.sock").exists():
                break
            time.sleep(0.05)
        press = self.rig.program(f"press-{name}", "press", home / "beds.sock", **env)
        return SimpleNamespace(daemon=daemon, press=press, home=home)

    def paho(self, *, port=None, folder=False, name=None, certificate=None, **env):
        if not name:
            name, certificate = self.device("paho")
        ca, cert, key = certificate
        more = []
        if folder:
            more = [self.rig.folder / f"{name}-kept"]
            more[0].mkdir()
        return self.rig.program(f"paho-{name}", "paho_peer", ca, port or self.broker.device_port, cert, key,
                                self.rig.TENANT, "med4", name, *more, **env)

    def bridge(self, **env):
        """A broker on the device, as plain as can be, which passes everything on to ours."""
        name, (ca, cert, key) = self.device("bridge")
        port = free_ports(1)[0]
        home = self.rig.folder / f"{name}-broker"
        home.mkdir()
        conf = home / "mosquitto.conf"
        conf.write_text(
            f"user root\npersistence true\npersistence_location {home}/\nautosave_on_changes true\nautosave_interval 1\n"
            f"log_dest stderr\nlog_type error\nmax_inflight_messages 20\nlistener {port}\nallow_anonymous true\n"
            f"cafile {ca}\ncertfile {self.rig.dir}/server.crt\nkeyfile {self.rig.dir}/keys/server.key\n"
            f"connection up\naddress localhost:{self.broker.device_port}\nbridge_cafile {ca}\nbridge_certfile {cert}\n"
            f"bridge_keyfile {key}\nremote_clientid {name}\nbridge_protocol_version mqttv50\nnotifications false\n"
            f"bridge_attempt_unsubscribe false\ntry_private false\ncleansession false\ntopic # out 1\n")
        broker = self.rig.start(Process, f"bridge-{name}", "mosquitto", "-c", conf)
        wait_for_port(port, broker)
        time.sleep(1)
        return self.paho(port=port, name=name, certificate=(ca, cert, key), **env)

    def run(self, sender, command, count, seconds=60, app=None):
        """Seconds until the last was durable and at the app, and how long each took to get there."""
        app = app or self.app
        app.ask(f"expect {count}")
        sender.tell(command)
        start, end = (int(w) for w in sender.answer(seconds)[1:])
        got, p50, p99, _, last = (int(w) for w in app.ask(f"result {seconds}")[1:])
        if got < count:
            raise Unmeasured(f"{sender.name}: {got} of {count} alerts came to the app")
        return SimpleNamespace(seconds=(max(end, last) - start) / 1e9, p50=p50 / 1e6, p99=p99 / 1e6)


def rate_senders(scene, big):
    """Who sends, how many at a time, to whose app, and which processes that takes, where it is compared."""
    env = {"BENCH_BIG": "1"} if big else {}
    count = 1500 if big else 3000
    gateway, plain = scene.gateway(**env), scene.paho(**env)
    bare_broker, bare_app = scene.bare()
    bare = scene.paho(port=bare_broker.device_port, **env)

    def sender(program, window=PAHO_WINDOW, n=count, reader=scene.app, **work):
        return SimpleNamespace(program=program, window=window, count=n, app=reader, work=work)
    broker = {"broker": scene.broker.process, "app": scene.app}
    return {"ours": sender(gateway.press, GATEWAY_WINDOW, gateway=gateway.daemon, **broker),
            FILES: sender(scene.paho(folder=True, **env)), PLAIN: sender(plain, gateway=plain, **broker),
            BRIDGE: sender(scene.bridge(**env), n=BRIDGE_MESSAGES),
            FLOOR: sender(bare, reader=bare_app, gateway=bare, broker=bare_broker.process, app=bare_app)}


def rate(scene, name, big):
    senders = rate_senders(scene, big)
    rates = {who: [] for who in senders}
    cost = {who: {what: [] for what in (*s.work, "all")} for who, s in senders.items() if s.work}
    for turn in range(ROUNDS + 1):
        for who, s in senders.items():
            before = {what: cpu_ns(p.pid)[0] for what, p in s.work.items()}
            done = scene.run(s.program, f"rate {s.count} {s.window} high", s.count, app=s.app)
            if not turn:    # the first warms up
                continue
            rates[who].append(s.count / done.seconds)
            if before:
                time.sleep(0.2)     # what their threads still have to write down belongs to it
                took = {what: (cpu_ns(s.work[what].pid)[0] - ns) / 1000 / s.count for what, ns in before.items()}
                for what, us in dict(took, all=sum(took.values())).items():
                    cost[who][what].append(us)
    scene.say(f"  {name}: " + ", ".join(f"{who} {scene.Series(r).median:.0f}" for who, r in rates.items()))
    for who in (FILES, PLAIN, BRIDGE, FLOOR):
        yield scene.Row(name, "alerts/s", who, scene.Series(rates["ours"]), scene.Series(rates[who]))
    for what, ours in cost["ours"].items():
        for who in (PLAIN, FLOOR):
            yield scene.Row(f"{name}_cpu_us.{what}", "µs of CPU an alert", who, scene.Series(ours), scene.Series(cost[who][what]))


def press_to_app(scene, per_s):
    senders = {"ours": scene.gateway(mib=128).press, PLAIN: scene.paho()}
    waits = {who: [] for who in senders}
    for turn in range(ROUNDS + 1):
        for who, sender in senders.items():
            done = scene.run(sender, f"pace {per_s * 2} {per_s} high", per_s * 2)
            if turn:
                waits[who].append(done)
    for p in ("p50", "p99"):
        ours, plain = (scene.Series([getattr(w, p) for w in waits[who]]) for who in senders)
        scene.say(f"  press to app at {per_s} a second, {p}: {ours.median:.3g} ms, {PLAIN} {plain.median:.3g} ms")
        yield scene.Row(f"outbox.press_to_app_{p}.{per_s}", "ms", PLAIN, ours, plain)


def drain(scene):
    """Taken while there is no way to the broker, then brought to it. A Paho client cannot; it sends as many at its pace."""
    proxy = Proxy(scene.broker.device_port)
    proxy.mode = "stall"
    gateway, plain = scene.gateway(mib=256, port=proxy.port), scene.paho()
    scene.app.ask(f"expect {DRAIN_MESSAGES}")
    gateway.press.tell(f"rate {DRAIN_MESSAGES} {GATEWAY_WINDOW} high")
    gateway.press.answer(300)
    proxy.mode, start = "pass", time.monotonic_ns()
    got, _, _, _, last = (int(w) for w in scene.app.ask("result 300", 310)[1:])
    proxy.close()
    if got < DRAIN_MESSAGES:
        raise Unmeasured(f"{got} of {DRAIN_MESSAGES} came to the app")
    ours = (last - start) / 1e9
    peer = scene.run(plain, f"rate {DRAIN_MESSAGES} {PAHO_WINDOW} high", DRAIN_MESSAGES, 300).seconds
    scene.say(f"  {DRAIN_MESSAGES} after an outage: {ours:.1f} s; {PLAIN} sends as many in {peer:.1f} s")
    yield scene.Row("outbox.drain_s.100k", "s", PLAIN, scene.Series([ours]), scene.Series([peer]))


def reconnect(scene):
    """The connection is cut and an alert pressed at once: how long until the app has it."""
    ways = [Proxy(scene.broker.device_port) for _ in range(2)]
    senders = {"ours": scene.gateway(port=ways[0].port).press, AGAIN: scene.paho(port=ways[1].port, BENCH_AGAIN="1")}
    took = {who: [] for who in senders}
    for turn in range(RECONNECT_ROUNDS + 1):
        time.sleep(STEADY_S)    # or it is taken for a line that flaps
        for way, (who, sender) in zip(ways, senders.items()):
            scene.app.ask("expect 1")
            way.cut()
            start = time.monotonic_ns()
            sender.tell("pace 1 1 high")
            sender.answer()
            got, _, _, _, last = (int(w) for w in scene.app.ask("result 20")[1:])
            if not got:
                raise Unmeasured(f"{sender.name}: the alert did not come to the app")
            if turn:    # the first warms up
                took[who].append((last - start) / 1e6)
    for way in ways:
        way.close()
    ours, peer = scene.Series(took["ours"]), scene.Series(took[AGAIN])
    scene.say(f"  cut, and an alert at the app: {ours} ms; {AGAIN} {peer} ms")
    yield scene.Row("gateway.reconnect_ms", "ms", AGAIN, ours, peer)


def flash(scene):
    """What the kernel was asked to write for one alert, at 50 a second. Of the gateway what its writer asked for, in whole pages;
    of the peer what the kernel counts, which on a file system with large folios is more than reaches the disk."""
    gateway, files = scene.gateway(), scene.paho(folder=True)
    took = {}
    for who, sender, count in (("ours", gateway.press, lambda: asked(gateway.daemon.pid)), (FILES, files, lambda: written(files.pid))):
        scene.run(sender, "pace 50 50 high", 50)
        before = count()
        scene.run(sender, f"pace {FLASH_MESSAGES} 50 high", FLASH_MESSAGES)
        time.sleep(0.5)
        took[who] = (count() - before) / FLASH_MESSAGES
    if took[FILES] and took["ours"]:
        yield scene.Row("gateway.flash_bytes_per_msg", "bytes", FILES, scene.Series([took["ours"]]),
                        scene.Series([took[FILES]]))
    scene.say(f"  bytes written for an alert: {took['ours']:.0f}, {FILES} {took[FILES]:.0f}")


def asked(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "outbox":
            return int(re.search(r"^wchar: (\d+)", (task / "io").read_text(), re.M)[1])
    raise Unmeasured("the gateway has no thread that writes")


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


def memory(scene):
    """Full, with no way to the broker."""
    proxy = Proxy(scene.broker.device_port)
    rest = scene.gateway(port=proxy.port)
    proxy.mode = "stall"
    full = scene.gateway(port=proxy.port)
    full.press.tell(f"rate {FULL_MESSAGES} {GATEWAY_WINDOW} high")
    full.press.answer(300)
    time.sleep(3)       # what only its start needed is given back
    ours, idle = resident(full.daemon.pid), resident(rest.daemon.pid)
    proxy.close()
    scene.say(f"  resident with {FULL_MESSAGES} alerts in 16 MiB: {ours[0]:.1f} MB of its own, {ours[1]:.1f} of files such as libraries, "
              f"{ours[2]:.1f} of the mapped outbox; at rest {idle[0]:.1f}, {idle[1]:.1f}, {idle[2]:.1f}")
    for name, n in (("gateway.rss_mb", slice(0, 2)), ("gateway.rss_own_mb", slice(0, 1)), ("gateway.rss_mapped_mb", slice(2, 3))):
        yield scene.Row(name, "MB", "itself at rest", scene.Series([sum(ours[n])]), scene.Series([sum(idle[n])]))


def written(pid):
    with open(f"/proc/{pid}/io") as f:
        return int(re.search(r"^write_bytes: (\d+)", f.read(), re.M)[1])


def stripped_kb(rig, program):
    copy = rig.folder / "stripped"
    shutil.copy(program, copy)
    subprocess.run(["strip", copy], check=True)
    return copy.stat().st_size / 1024


def size(scene):
    ours, peer = (stripped_kb(scene.rig, scene.rig.build / p) for p in ("pullcord-gateway", "tests/bench/paho_peer"))
    yield scene.Row("gateway.binary_kb", "KiB", "a Paho client that only publishes", scene.Series([ours]), scene.Series([peer]))


def outbox_parts(tools):
    """Each is measured, or not, by itself."""
    scene = []

    def part(name, measure):
        def run(rig):
            if not scene:
                tools.say("\nWhat the outbox does")
                scene.append(Scene(rig, tools))
            yield from measure(scene[0])
        run.__name__ = f"outbox_{name}"
        return run
    return [part("size", size), part("rate_128", lambda s: rate(s, "outbox.rate_128", False)),
            part("rate_1k", lambda s: rate(s, "outbox.rate_1k", True)),
            part("press_to_app_500", lambda s: press_to_app(s, 500)),
            part("press_to_app_3000", lambda s: press_to_app(s, 3000)), part("flash", flash), part("memory", memory),
            part("reconnect", reconnect), part("drain", drain)]
