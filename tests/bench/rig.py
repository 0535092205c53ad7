"""What the bench is built of: programs that take commands, an installation with its brokers, and what the kernel says
about a process. Everything lives in one temporary folder and ends with it."""
import getpass
import os
import re
import secrets
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import Row, Series, say

BROKER_CORE, OTHERS_CORE = 0, 1


class Unmeasured(Exception):
    """A part could not be measured; the text says why."""


# ---- processes -------------------------------------------------------------------------------------------------------

def pinned(core, argv):
    """On a core of its own, so that the broker's work and the load do not take turns on one."""
    if shutil.which("taskset") and core in os.sched_getaffinity(0):
        argv = ["taskset", "-c", str(core), *argv]
    return [str(a) for a in argv]


class Process:
    def __init__(self, name, argv, folder, core=OTHERS_CORE, **env):
        self.name = name
        self.errors = folder / f"{name}.err"
        self.child = subprocess.Popen(pinned(core, argv), cwd=folder, env=dict(os.environ, **env), bufsize=0,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors.open("wb"))

    @property
    def pid(self):
        return self.child.pid

    def last_words(self):
        lines = self.errors.read_text(errors="replace").strip().splitlines()
        return "; ".join(lines[-3:]) or "it said nothing"

    def check(self):
        if self.child.poll() is not None:
            raise Unmeasured(f"{self.name} ended ({self.child.returncode}): {self.last_words()}")

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


class Program(Process):
    """One line in, one line out (load.h)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.buffer = b""

    def answer(self, seconds=90):
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as ready:
            ready.register(self.child.stdout, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not ready.select(max(0, until - time.monotonic())):
                    raise Unmeasured(f"{self.name} did not answer within {seconds} s: {self.last_words()}")
                got = os.read(self.child.stdout.fileno(), 4096)
                if not got:
                    self.child.wait()
                    self.check()
                self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode().split()

    def tell(self, command):
        self.child.stdin.write(f"{command}\n".encode())

    def ask(self, command, seconds=90):
        self.check()
        self.tell(command)
        return self.answer(seconds)


def thread_ns(task):
    try:
        return int((task / "schedstat").read_text().split()[0])
    except FileNotFoundError:       # a kernel without it counts in ticks only: utime and stime, proc(5)
        ticks = (task / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return sum(int(t) for t in ticks) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_ns(pid):
    """What a process has used so far: all its threads, and its first alone."""
    used = {int(t.name): thread_ns(t) for t in Path(f"/proc/{pid}/task").iterdir()}
    return sum(used.values()), used[pid]


def resident_mb(pid):
    """All resident pages, and the anonymous ones: heap and stacks, without files such as libraries and LMDB maps."""
    said = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M))
    return int(said["VmRSS"]) / 1024, int(said["RssAnon"]) / 1024


# ---- the same rules for a peer ---------------------------------------------------------------------------------------

@dataclass
class Holder:
    """Who holds what; of a role, `unit` is the only attribute the bench gives."""
    name: str
    kind: str           # "user" or "device"
    role: str
    unit: str


ACL_WORD = {"subscribe": "read", "publish": "write", "both": "readwrite"}


def rules_of(policy, role):
    """The allow lines of a role. A deny of one direction has no like in an acl_file and is left out: one rule less for
    the peer to look at."""
    current = None
    for line in policy.splitlines():
        word = line.split("#")[0].split() if not line.lstrip().startswith("#") else []
        if word[:1] == ["role"]:
            current = word[1]
        elif current == role and word[:1] == ["allow"]:
            yield word[1], line.split()[2]


def acl_file(policy, holders):
    lines = []
    for h in holders:
        lines.append(f"user {h.name}")
        for access, topic in rules_of(policy, h.role):
            known = {"unit": h.unit, h.kind: h.name}
            topic = re.sub(r"\{(\w+)\}", lambda m: known.get(m[1], "none"), topic)
            lines.append(f"topic {ACL_WORD[access]} {topic}")
    return "\n".join(lines) + "\n"


# ---- the installation ------------------------------------------------------------------------------------------------

def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for_port(port, process, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        process.check()
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Unmeasured(f"{process.name} does not listen on {port}: {process.last_words()}")


def wait_for_file(path, process, seconds=20):
    until = time.monotonic() + seconds
    while not path.exists():
        process.check()
        if time.monotonic() > until:
            raise Unmeasured(f"{process.name} does not make {path.name}: {process.last_words()}")
        time.sleep(0.05)


@dataclass
class Broker:
    process: Process
    device_port: int
    app_port: int


class Rig:
    TENANT = "mercy"

    def __init__(self, build):
        self.build = build.resolve()
        self.folder = Path(tempfile.mkdtemp(prefix="pullcord-bench-"))
        self.dir = self.folder / "site"
        self.password = secrets.token_hex(16)
        self.password_file = self.folder / "password"
        self.password_file.write_text(self.password + "\n")
        self.password_file.chmod(0o600)
        self.running = []
        self.holders = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in reversed(self.running):
            p.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tool(self, *args):
        done = subprocess.run([str(a) for a in (self.build / "pullcord", *args)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, cwd=self.folder,
                              env=dict(os.environ, PULLCORD_DIR=str(self.dir),
                                       PULLCORD_PASSWORD_FILE=str(self.password_file)))
        if done.returncode:
            raise Unmeasured(f"`pullcord {' '.join(str(a) for a in args)}` failed: {done.stderr.strip()}")

    def install(self):
        self.ports = free_ports(2)
        self.tool("init", self.dir, "--tenant", self.TENANT, "--host", "localhost", "--port", self.ports[0],
                  "--app-port", self.ports[1], "--broker-user", getpass.getuser(), "--plugin",
                  self.build / "mosquitto_pullcord.so")
        # Making 65,536 keys for the record's line is four seconds of a processor, once; not while something else is measured.
        conf = self.dir / "mosquitto.conf"
        conf.write_text(re.sub(r"^(plugin_opt_dir .*)$", r"\1\nplugin_opt_record_epochs 64", conf.read_text(), flags=re.M))

    def add_device(self, name, unit, role="nursecall-device"):
        self.tool("device", "enroll", name, "--role", role, "--unit", unit, "--out", self.folder / name)
        self.holders.append(Holder(name, "device", role, unit))

    def add_user(self, name, unit, role="nurse"):
        self.tool("user", "add", name, "--role", role, "--unit", unit)
        self.holders.append(Holder(name, "user", role, unit))

    def certificate(self, device):
        """CA, certificate and key of an enrolled device."""
        return [self.folder / device / name for name in ("ca.crt", "device.crt", "device.key")]

    def start(self, cls, name, *argv, **kwargs):
        p = cls(name, argv, self.folder, **kwargs)
        self.running.append(p)
        return p

    def program(self, name, *argv, core=OTHERS_CORE, **env):
        """One of ours; it has said "ready" when this returns."""
        p = self.start(Program, name, self.build / "tests/bench" / argv[0], *argv[1:], core=core,
                       BENCH_PASSWORD=self.password, **env)
        p.greeting = p.answer()
        return p

    def measured(self, program, *argv):
        """The rows of a program that measures each figure and its floor by turns, and says them by tabs, a line each."""
        p = self.start(Process, program, self.build / "tests/bench" / program, *argv, core=None)
        figures, rounds = {}, 0
        for line in p.child.stdout:
            name, unit, against, ours, floor = line.decode().split("\t")
            had = figures.setdefault((name, unit, against), [])
            had.append((float(ours), float(floor)))
            if len(had) > rounds:
                rounds = len(had)
                say(f"  round {rounds}")
        if p.child.wait():
            p.check()
        for figure, pairs in figures.items():
            yield Row(*figure, *(Series(values) for values in zip(*pairs)))

    def stop(self, *processes):
        for p in processes:
            self.running.remove(p)
            p.stop()

    def broker(self, name, conf, ports):
        p = self.start(Process, f"broker-{name}", "mosquitto", "-c", conf, core=BROKER_CORE)
        wait_for_port(ports[1], p)
        return Broker(p, *ports)

    def our_broker(self):
        return self.broker("pullcord", self.dir / "mosquitto.conf", self.ports)

    def peer_broker(self, name, *extra):
        """The same listeners, certificates, limits and log, with another way of deciding."""
        ports = free_ports(2)
        place = self.folder / name
        place.mkdir()
        conf = (self.dir / "mosquitto.conf").read_text()
        conf = re.sub(r"^plugin.*\n", "", conf, flags=re.M)
        conf = re.sub(r"^allow_anonymous .*$", "allow_anonymous true", conf, flags=re.M)
        conf = re.sub(r"^persistence_location .*$", f"persistence_location {place}/", conf, flags=re.M)
        for ours, theirs in zip(self.ports, ports):
            conf = re.sub(rf"^listener {ours}\b", f"listener {theirs}", conf, flags=re.M)
        path = place / "mosquitto.conf"
        path.write_text(conf.replace("\nlistener ", "\n" + "\n".join(extra) + "\nlistener ", 1))
        return self.broker(name, path, ports)
