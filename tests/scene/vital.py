"""Steps about how a gateway says it is: to systemd, to its operator, to Prometheus, to the broker."""
import ctypes.util
import json
import re
import socket
import subprocess
import sys
import time

import wire
from house import Trouble, patience, tail, wait_for
from stage import expect, seconds_of, step, wanted


class Systemd:
    """What sd_notify(3) is said to, and when."""

    def __init__(self, path):
        self.path, self.said = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def listen(self):
        """Everything there is to read, with the moment it was read."""
        while True:
            try:
                self.said.append((time.monotonic(), self.socket.recv(4096).decode()))
            except BlockingIOError:
                return self.said

    def heard(self, text, since=0.0):
        return [at for at, said in self.listen() if said.startswith(text) and at >= since]


@step("gateway {device} start under a watchdog of {period}")
def _(stage, device, period):
    gateway = stage.gateways[device]
    gateway.systemd = Systemd(gateway.home / "notify")
    gateway.more_env = {"NOTIFY_SOCKET": str(gateway.systemd.path), "WATCHDOG_USEC": str(int(seconds_of(period) * 1e6))}
    gateway.start()


@step("systemd hears {text...} from {device} within {period}")
def _(stage, text, device, period):
    systemd = stage.gateways[device].systemd
    systemd.listen()
    since = time.monotonic()
    first = not text.startswith("WATCHDOG")      # may have been said before
    try:
        wait_for("", patience(seconds_of(period)), lambda: systemd.heard(text, 0 if first else since))
    except Trouble:
        said = [said for _, said in systemd.said]
        raise Trouble(f"systemd did not hear {text!r} but {said[-10:]}\n{tail(stage.gateways[device].process.text())}") from None


@step("systemd hears no {text...} from {device} for {period}")
def _(stage, text, device, period):
    systemd = stage.gateways[device].systemd
    systemd.listen()
    since = time.monotonic()
    time.sleep(seconds_of(period))
    if systemd.heard(text, since):
        raise Trouble(f"systemd heard {text!r}")


HOLDER = """\
import ctypes, sys
lmdb = ctypes.CDLL(sys.argv[1])
env, txn = ctypes.c_void_p(), ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_open(env, sys.argv[2].encode(), 0x4000, 0o600) == 0     # MDB_NOSUBDIR
assert lmdb.mdb_txn_begin(env, None, 0, ctypes.byref(txn)) == 0
print("held", flush=True)
sys.stdin.read()
lmdb.mdb_txn_abort(txn)
"""


def hold_writes(path):
    """Another process takes LMDB's one right to write, and keeps it: the writer waits as it would for a dead disk."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, ctypes.util.find_library("lmdb") or "liblmdb.so.0", path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    expect("the holder", "held\n", holder.stdout.readline())
    return holder


def let_write(holder):
    holder.communicate()
    expect("exit status of the holder", 0, holder.returncode)


@step("gateway {device} cannot write any more")
def _(stage, device):
    stage.gateways[device].holder = hold_writes(stage.gateways[device].home / "outbox.mdb")


@step("gateway {device} can write again")
def _(stage, device):
    let_write(stage.gateways[device].holder)


@step("another program {takes} the port of {device}")
def _(stage, takes, device):
    """takes; leaves."""
    if takes == "leaves":
        stage.last["another program"].close()
        return
    stage.last["another program"] = other = socket.socket()
    other.bind(("127.0.0.1", stage.gateways[device].mllp_port))
    other.listen()


@step("record cannot write any more")
def _(stage):
    stage.last["record's holder"] = hold_writes(stage.house.dir / "record.mdb")


@step("record can write again")
def _(stage):
    let_write(stage.last["record's holder"])


@step("{device} hears nothing of {message...}")
def _(stage, device, message):
    """It is said, and not answered for a second."""
    gateway = stage.gateways[device]
    gateway.say({"type": "alert", "source": device, "text": "said by a scene"} | json.loads(message))
    if gateway.answer(lambda obj: True, 1):
        raise Trouble(f"{device} heard an answer")


CODES = {"well": 0, "degraded": 1, "stuck": 1, "gone": 3}


def status_of(stage, device, *more):
    return stage.house.tool("gateway", "status", "--file", stage.gateways[device].home / "status", *more, check=False)


@step("gateway {device} status -> {condition} within {period}")
def _(stage, device, condition, period):
    """`degraded(disconnected)`: that is the fault."""
    word, fault = re.fullmatch(r"([a-z]+)(?:\(([a-z-]+)\))?", condition).groups()

    def so():
        nonlocal done
        done = status_of(stage, device, "--json")
        said = json.loads(done.stdout)
        return said["condition"] == word and (not fault or fault in [f["fault"] for f in said["faults"]])
    done = None
    try:
        wait_for("", patience(seconds_of(period)), so, poll=0.2)
    except Trouble:
        raise Trouble(f"not {condition} but {done.stdout}{done.stderr}") from None
    expect("exit status", CODES[word], done.returncode, done.stdout)
    plain = status_of(stage, device)
    expect("exit status, for people", CODES[word], plain.returncode, plain.stdout + plain.stderr)
    if word == "gone" and "systemctl" not in plain.stderr:
        raise Trouble(f"it does not say what to do: {plain.stderr}")
    if word != "gone" and f"{device} of {stage.house.tenant} is {word}" not in plain.stdout:
        raise Trouble(f"people do not read that it is {word}: {plain.stdout}{plain.stderr}")


@step("gateway {device} status shows {what...} within {period}")
def _(stage, device, what, period):
    match = wanted(what)
    try:
        wait_for("", patience(seconds_of(period)),
                 lambda: match(json.loads(status_of(stage, device, "--json").stdout)), poll=0.2)
    except Trouble:
        raise Trouble(f"no {what} in {status_of(stage, device, '--json').stdout}") from None


# ---- Prometheus ----

def check_metrics(path):
    """By Prometheus' own reader, which also knows its house rules for names; returns {series: value}."""
    text = path.read_text()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    expect("promtool check metrics", (0, ""), (done.returncode, done.stdout + done.stderr), text)
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def metrics_show(stage, path, what, period):
    series, sign, value = re.fullmatch(r"(.+?)([=<>])([-0-9.]+)", what).groups()
    holds = {"=": lambda have: have == float(value), ">": lambda have: have > float(value),
             "<": lambda have: have < float(value)}[sign]
    have = {}

    def so():
        nonlocal have
        have = check_metrics(path) if path.exists() else {}
        return series in have and holds(float(have[series]))
    try:
        wait_for("", patience(seconds_of(period)), so, poll=0.2)
    except Trouble:
        name = series.split("{")[0]
        raise Trouble(f"no {what} but {[f'{k} {v}' for k, v in have.items() if k.startswith(name)]}") from None


@step("gateway {device} metrics show {what} within {period}")
def _(stage, device, what, period):
    metrics_show(stage, stage.gateways[device].home / "pullcord.prom", what, period)


@step("broker tells Prometheus")
def _(stage):
    conf = stage.made().conf
    conf.write_text(re.sub(r"^(plugin_opt_dir .*)$", rf"\1\nplugin_opt_metrics {stage.house.root}/pullcord_broker.prom",
                           conf.read_text(), flags=re.M))


@step("broker metrics show {what} within {period}")
def _(stage, what, period):
    metrics_show(stage, stage.house.root / "pullcord_broker.prom", what, period)


@step("{who} reads on {topic} a number {what} within {period}")
def _(stage, who, topic, what, period):
    sign, value = what[0], float(what[1:])
    got = None

    def so():
        nonlocal got
        done = stage.house.run(["mosquitto_sub", *stage.house.tls(who), "-t", topic, "-C", "1", "-W", "20", "-F", "%p"])
        got = done.stdout.strip() or done.stderr
        return re.fullmatch(r"-?\d+(\.\d+)?", got) and {"=": float(got) == value, ">": float(got) > value}[sign]
    try:
        wait_for("", patience(seconds_of(period)), so, poll=0.5)
    except Trouble:
        raise Trouble(f"{who} reads {got} on {topic}") from None


# ---- the broker ----

def state_of(raw):
    """DeviceState out of an envelope, by pullcord.proto alone."""
    tier = lambda fields: {"priority": fields.get(1, 0), "queued": fields.get(2, 0), "oldest_s": fields.get(3, 0)}
    fields = wire.read(wire.read(raw)[9], repeated=(13,))
    return {"online": bool(fields.get(1)), "version": fields.get(3, b"").decode(), "uptime_s": fields.get(4, 0),
            "queued": fields.get(5, 0), "accepted": fields.get(7, 0), "certificate_days": fields.get(11, 0),
            "delivered": fields.get(15, 0), "room": fields.get(16, 0), "flush_p99_us": fields.get(17, 0),
            "clock": fields.get(18, 0), "tiers": [tier(wire.read(t)) for t in fields.get(13, [])]}


@step("{who} reads of {device} that {what...} within {period}")
def _(stage, who, device, what, period):
    match, topic, got = wanted(what), f"{stage.house.tenant}/device/{device}/state", None

    def so():
        nonlocal got
        done = stage.house.run(["mosquitto_sub", *stage.house.tls(who), "-t", topic, "-C", "1", "-W", "20", "-F", "%x"])
        got = state_of(bytes.fromhex(done.stdout.strip())) if done.stdout.strip() else done.stderr
        return isinstance(got, dict) and match(got)
    try:
        wait_for("", patience(seconds_of(period)), so, poll=0.5)
    except Trouble:
        raise Trouble(f"{who} reads {got}") from None
