"""A ward for the bench: a broker of ours, an app that reads the ward's alerts, and everybody who brings it some: gateways
with buttons, and peers that do a gateway's job, which are Paho clients and a Mosquitto bridge."""
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from rig import BROKER_CORE, Process, Unmeasured, free_ports, wait_for_file, wait_for_port

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "soak"))
from proxy import Proxy     # noqa: E402, F401

UNIT = "med4"
BIG = {"BENCH_BIG": "1"}
INFLIGHT = 20       # of the bridge's and of a Paho client, which is fastest with it, and stalls beyond the broker's maximum

# The throttle is at its most generous, and every press a bed's first, from 16 stations and of 4 kinds: nothing is held back.
GATEWAY_CONF = """
[gateway]
unit = {unit}
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

BRIDGE_CONF = """
user root
persistence true
persistence_location {home}/
autosave_on_changes true
autosave_interval 1
log_dest stderr
log_type error
max_inflight_messages {inflight}
listener {port}
allow_anonymous true
cafile {ca}
certfile {site}/server.crt
keyfile {site}/keys/server.key
connection up
address localhost:{to}
bridge_cafile {ca}
bridge_certfile {cert}
bridge_keyfile {key}
remote_clientid {name}
bridge_protocol_version mqttv50
notifications false
bridge_attempt_unsubscribe false
try_private false
cleansession false
topic # out 1
"""


class Ward:
    def __init__(self, rig):
        self.rig, self.devices = rig, 0
        rig.add_user("bea", UNIT)
        self.broker = rig.our_broker()
        self.app = self.reader(self.broker)

    def reader(self, broker):
        """On the broker's core, not on the device's."""
        return self.rig.program(f"app-{broker.process.name}", "app", self.rig.dir / "ca.crt", broker.app_port, "bea",
                                self.rig.TENANT, UNIT, core=BROKER_CORE)

    def device(self, kind):
        self.devices += 1
        name = f"nc-{kind}-{self.devices}"
        self.rig.add_device(name, UNIT)
        return name, dict(zip(("ca", "cert", "key"), self.rig.certificate(name)))

    def gateway(self, mib=16, port=None, watch=None, **env):
        name, files = self.device("gateway")
        home = self.rig.folder / name
        conf = home / "bench.ini"
        conf.write_text(GATEWAY_CONF.format(unit=UNIT, home=home, mib=mib, port=port or self.broker.device_port, **files))
        daemon = self.rig.start(Process, name, self.rig.build / "pullcord-gateway", "--config", conf)
        if watch:
            watch(daemon.pid)
        wait_for_file(home / "beds.sock", daemon)
        return SimpleNamespace(daemon=daemon, press=self.rig.program(f"press-{name}", "press", home / "beds.sock", **env))

    def paho(self, port=None, kept=False, device=None, **env):
        """`kept`: with file persistence."""
        name, files = device or self.device("paho")
        folder = [self.rig.folder / f"{name}-kept"] if kept else []
        for f in folder:
            f.mkdir()
        return self.rig.program(name, "paho_peer", files["ca"], port or self.broker.device_port, files["cert"], files["key"],
                                self.rig.TENANT, UNIT, name, *folder, **env)

    def bridge(self, **env):
        """A broker on the device, as plain as can be, which passes on what a Paho client brings it."""
        name, files = self.device("bridge")
        port, home = free_ports(1)[0], self.rig.folder / f"{name}-broker"
        home.mkdir()
        conf = home / "mosquitto.conf"
        conf.write_text(BRIDGE_CONF.format(home=home, port=port, site=self.rig.dir, to=self.broker.device_port, name=name,
                                           inflight=INFLIGHT, **files))
        wait_for_port(port, self.rig.start(Process, f"broker-{name}", "mosquitto", "-c", conf))
        time.sleep(1)       # until it is connected
        return self.paho(port, device=(name, files), **env)

    def run(self, sender, command, count, seconds=60, app=None):
        """Seconds until the last was durable and at the app, and ms that each took to get there."""
        app = app or self.app
        app.ask(f"expect {count}")
        sender.tell(command)
        start, end = (int(w) for w in sender.answer(seconds)[1:])
        there = arrived(app, sender, count, seconds)
        return SimpleNamespace(seconds=(max(end, there.last_ns) - start) / 1e9, p50=there.p50, p99=there.p99, bytes=there.bytes)


def arrived(app, sender, count, seconds=60):
    """When the last came; ms that they took, in the median and at the 99th percentile; bytes of the largest."""
    got, p50, p99, last_ns, size = (int(w) for w in app.ask(f"result {seconds}", seconds + 10)[1:])
    if got < count:
        raise Unmeasured(f"{sender.name}: {got} of {count} alerts came to the app")
    return SimpleNamespace(last_ns=last_ns, p50=p50 / 1e6, p99=p99 / 1e6, bytes=size)
