"""A hospital of one machine for scenes, the demo and benches: an installation made by `pullcord init` in a scratch
folder, a real Mosquitto with the plugin, gateways, people. Only 127.0.0.1; whatever was started is stopped by its pid.
"""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MOSQUITTO = os.environ.get("MOSQUITTO", "mosquitto")    # which broker; tests/brokers has others
PASSWORDS = {"right": "correct horse 7", "wrong": "battery staple 8"}
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
SANITIZER_SIGNS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "UndefinedBehaviorSanitizer")


def mosquitto_version():
    """As numbers: (2, 0, 11)."""
    said = subprocess.run([MOSQUITTO, "-h"], capture_output=True, text=True).stdout
    return tuple(map(int, re.match(r"mosquitto version ([\d.]+)", said)[1].split(".")))


class Trouble(Exception):
    """What was expected did not happen; the text says so to a person."""


PORTS = range(10000, 30000)     # none that the system itself gives to anybody
_claims = []


def free_port():
    """One that nobody listens on, and that is given to no other test while this process lives."""
    while True:
        port, claim = random.choice(PORTS), socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0pullcord-test-port-{port}")
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port


def patience(seconds):
    """How long a test waits for what takes a quiet machine so long at most; it fails only then."""
    return max(60, 4 * seconds)


def wait_for(what, seconds, condition, poll=0.02):
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {seconds:g} s")
        time.sleep(poll)
    return result


class Process:
    """One started program and what it printed."""

    def __init__(self, name, argv, log, env=None, stdout=None):
        self.name, self.log = name, log
        self.out = open(log, "ab")
        self.child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=stdout or self.out,
                                      stderr=self.out, env=env)

    def text(self):
        return Path(self.log).read_text(errors="replace")

    def alive(self):
        return self.child.poll() is None

    def catches(self, number):
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"^SigCgt:\s*(\w+)", status, re.M)[1], 16) >> (number - 1) & 1

    def end(self, how=signal.SIGTERM, seconds=80):
        if self.alive():
            self.child.send_signal(how)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Trouble(f"{self.name} did not stop within {seconds} s of {how.name}")
        finally:
            self.out.close()


class Watcher:
    """`pullcord watch --json` of one person: objects as they come, with the moment they came."""

    def __init__(self, process):
        self.process, self.fresh, self.seen = process, [], []
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.child.stdout:
            with self.changed:
                self.fresh.append((time.monotonic(), json.loads(line)))
                self.changed.notify_all()

    def next(self, match, seconds):
        """The first object not yet taken that `match` likes, and when it came; None when there is none in time."""
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                for item in self.fresh:
                    if match(item[1]):
                        self.fresh.remove(item)
                        self.seen.append(item)
                        return item
                if not self.changed.wait(max(0, end - time.monotonic())) and time.monotonic() >= end:
                    return None


GATEWAY_INI = """\
[gateway]
unit = {unit}
outbox = {home}/outbox.mdb
outbox_mib = 8
root_key = {home}/outbox.key
state_s = 5

[uplink]
host = localhost
port = {port}
cafile = {ca}
certfile = {cert}
keyfile = {key}

[health]
status = {home}/status
status_s = 1
metrics = {home}/pullcord.prom
metrics_s = 1

[throttle]
burst = 10
per_minute = 60
fold_window_ms = 1000
delay_max_ms = 2000

[units]
4W = {unit}

[input mllp]
kind = mllp
address = 127.0.0.1:{mllp}

[input local]
kind = local
address = {home}/local.sock
"""


class Gateway:
    """One pullcord-gateway with an MLLP port and a local socket, and what its applications say and hear there."""

    def __init__(self, house, device, unit):
        self.house, self.device, self.unit = house, device, unit
        self.home = house.root / f"gateway-{device}"
        self.home.mkdir()
        self.mllp_port, self.starts, self.process = free_port(), 0, None
        self.local, self.heard, self.unread = None, [], b""
        self.more_env = {}
        cert, key = certificate_files(house.folder(device))
        self.ini = self.home / "gateway.ini"
        self.ini.write_text(GATEWAY_INI.format(unit=unit, home=self.home, port=house.device_port, mllp=self.mllp_port,
                                               ca=house.dir / "ca.crt", cert=cert, key=key))

    def start(self):
        self.starts += 1
        self.process = self.house.start(f"gateway-{self.device}-{self.starts}",
                                        [self.house.build / "pullcord-gateway", "--config", self.ini],
                                        env=self.house.env(gateway=True) | self.more_env)

        def ready():
            with socket.socket() as s:
                return not self.process.alive() or s.connect_ex(("127.0.0.1", self.mllp_port)) == 0
        wait_for(f"gateway {self.device} listens", patience(10), ready)
        if not self.process.alive():
            raise Trouble(f"gateway {self.device} ended at once:\n{tail(self.process.text())}")

    def end(self, how=signal.SIGTERM):
        if self.local:
            self.local.close()
            self.local = None
        return self.process.end(how)

    def mllp(self, *messages, seconds=10):
        """Sends HL7 v2 messages over one connection, all at once; the answers as text, fewer when it was closed."""
        answers, unread = [], b""
        with socket.create_connection(("127.0.0.1", self.mllp_port), timeout=patience(seconds)) as s:
            threading.Thread(target=s.sendall, args=(b"".join(b"\x0b" + m + b"\x1c\r" for m in messages),)).start()
            while len(answers) < len(messages):
                got = s.recv(65536)
                if not got:
                    break
                *whole, unread = (unread + got).split(b"\x1c\r")
                answers += [frame.lstrip(b"\x0b").decode(errors="replace") for frame in whole]
        return answers

    def connect_local(self):
        local = socket.socket(socket.AF_UNIX)
        if local.connect_ex(str(self.home / "local.sock")) != 0:    # bound, but not yet listening
            local.close()
            return False
        self.local = local
        return True

    def say(self, obj):
        if not self.local:
            wait_for(f"gateway {self.device} takes a caller", patience(10), self.connect_local)
        self.local.sendall(json.dumps(obj).encode() + b"\n")

    def answer(self, match, seconds):
        """The first answer line `match` likes, now or later; None when none comes in time."""
        end = time.monotonic() + seconds
        while True:
            for obj in self.heard:
                if match(obj):
                    self.heard.remove(obj)
                    return obj
            left = end - time.monotonic()
            if left <= 0 or not self.local:
                return None
            self.local.settimeout(left)
            try:
                got = self.local.recv(65536)
            except socket.timeout:
                return None
            if not got:
                return None
            *lines, self.unread = (self.unread + got).split(b"\n")
            self.heard += [json.loads(line) for line in lines]


def hl7(text):
    """A file with one segment a line, as the wire wants it."""
    return b"\r".join(line for line in text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n") if line) + b"\r"


def renumbered(message, number):
    """The same HL7 message under another control id (MSH-10): a repeat, not a retransmission."""
    fields = message.split(b"|", 10)
    fields[9] += b"-%d" % number
    return b"|".join(fields)


class House:
    tenant = "mercy"

    def __init__(self, build):
        self.build = Path(build).resolve()
        self.sanitized = self.build.name == "san"
        self.pace = 4 if self.sanitized else 2 if os.environ.get("CI") else 1
        self.root = Path(tempfile.mkdtemp(prefix="pullcord-"))
        self.dir = self.root / "house"
        self.logs = self.root / "logs"
        self.logs.mkdir()
        self.device_port, self.app_port = free_port(), free_port()
        self.processes, self.broker, self.mosquitto = [], None, MOSQUITTO
        self.clock_days = 0     # the broker's clock is ahead by so many, and that of the tool
        self.clock_file = None  # its clock is ahead by what stands there, while it runs
        self.password = {}
        self._watchers = 0

    # ---- programs ----

    def env(self, broker=False, gateway=False, tool=False):
        env = dict(os.environ, NO_COLOR="1")
        if self.sanitized:
            # Slow unwinding triples a program's time; Paho's own leaks stand below OpenSSL's frames, which have no pointer.
            env["ASAN_OPTIONS"] = f"detect_leaks={int(not broker)}:fast_unwind_on_malloc={int(not gateway)}"
            env["LSAN_OPTIONS"] = f"suppressions={TOP}/tests/leaks.supp:print_suppressions=0"
            env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
        before = []
        if self.sanitized and broker:
            libasan = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
            before.append(os.path.realpath(libasan.stdout.strip()))
        if self.clock_file and broker and not self.clock_file.exists():
            self.clock_file.write_text("+0s")
        if (self.clock_days and (broker or tool)) or (self.clock_file and broker):
            if not FAKETIME:
                raise Trouble("libfaketime is not there: make deps")
            before.insert(0, str(FAKETIME))     # behind the sanitizer it waits for ever
            env |= {"FAKETIME": f"+{self.clock_days}d", "DONT_FAKE_MONOTONIC": "1"} if not self.clock_file else \
                   {"FAKETIME_TIMESTAMP_FILE": str(self.clock_file), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
            if self.sanitized:
                env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        if before:
            env["LD_PRELOAD"] = ":".join(before)
        return env

    def run(self, argv, stdin=None, seconds=30, env=None):
        try:
            return subprocess.run([str(a) for a in argv], input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=patience(seconds),
                                  env=env or self.env())
        except subprocess.TimeoutExpired as late:
            shown = " ".join(str(a) for a in argv)
            said = ((late.stdout or b"") + (late.stderr or b"")).decode(errors="replace")
            raise Trouble(f"still running after {late.timeout:g} s: {shown}\n{said}") from None

    def tool(self, *argv, check=True, stdin=None):
        done = self.run([self.build / "pullcord", *argv], stdin=stdin, env=self.env(tool=True))
        if check and done.returncode:
            raise Trouble(f"pullcord {' '.join(map(str, argv))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, name, argv, **kw):
        process = Process(name, argv, self.logs / f"{name}.log", **kw)
        self.processes.append(process)
        return process

    # ---- the installation ----

    def init(self, *more):
        user = ["--broker-user", "root"] if os.getuid() == 0 else ["--broker-user", os.environ.get("USER", "nobody")]
        self.tool("init", self.dir, "--tenant", self.tenant, "--host", "localhost", "--port", self.device_port,
                  "--app-port", self.app_port, "--plugin", self.build / "mosquitto_pullcord.so", *user, *more)
        # The record's line has 64 epochs, as it says itself: the keys of 65,536 would take each house four seconds of a processor.
        conf = self.dir / "mosquitto.conf"
        conf.write_text(re.sub(r"^(plugin_opt_record_mib .*)$", r"\1\nplugin_opt_record_epochs 64", conf.read_text(), flags=re.M))

    def folder(self, device):
        return self.root / "devices" / device

    def enroll(self, device, unit, role):
        self.folder(device).parent.mkdir(exist_ok=True)
        self.tool("device", "enroll", device, "--dir", self.dir, "--unit", unit, "--role", role, "--out",
                  self.folder(device))

    def password_file(self, user):
        path = self.root / f"{user}.password"
        if not path.exists():
            path.write_text(f"{PASSWORDS['right']} {user}\n")
            path.chmod(0o600)
        return path

    def password_of(self, user):
        return self.password_file(user).read_text().strip()

    def add_user(self, user, unit, role):
        self.tool("user", "add", user, "--dir", self.dir, "--role", role, "--unit", unit, "--password-file",
                  self.password_file(user))

    # ---- the broker ----

    @property
    def conf(self):
        return self.dir / "mosquitto.conf"

    def broker_start(self, seconds=10):
        """True once both ports answer and SIGHUP no longer ends it; False when the broker ended instead."""
        number = sum(p.name.startswith("broker") for p in self.processes) + 1
        self.broker = self.start(f"broker{number}", [self.mosquitto, "-c", self.conf], env=self.env(broker=True))

        def answered():
            if not self.broker.alive():
                return "ended"
            for port in (self.device_port, self.app_port):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)):
                        return None
            return "up" if self.broker.catches(signal.SIGHUP) else None    # Mosquitto listens first
        return wait_for("the broker answers", patience(seconds), answered) == "up"

    def broker_text(self):
        return "".join(p.text() for p in self.processes if p.name.startswith("broker"))

    # ---- stock clients ----

    def tls(self, who):
        """Options for mosquitto_pub and mosquitto_sub: a device by its certificate, a person by a password."""
        options = ["-V", "5", "-h", "localhost", "--cafile", self.dir / "ca.crt"]
        folder = self.folder(who)
        if folder.exists():
            cert, key = certificate_files(folder)
            return options + ["-p", self.device_port, "--cert", cert, "--key", key, "-i", who]
        return options + ["-p", self.app_port, "-u", who, "-P", self.password_of(who), "-i", f"{who}.stock"]

    def ends(self, who):
        """For a client of our own: where it connects, whom it trusts, and what it shows."""
        if self.folder(who).exists():
            return self.device_port, self.dir / "ca.crt", *certificate_files(self.folder(who))
        return self.app_port, self.dir / "ca.crt", None, None

    def words(self, who):
        """Username and password; a device has none."""
        return (None, None) if self.folder(who).exists() else (who, self.password_of(who))

    def forge(self, name, subject, san, own=True, usage="clientAuth"):
        """A client certificate made by openssl alone, of the house's CA or of another; san "none", usage "": without."""
        folder = self.root / "forged" / name
        folder.mkdir(parents=True)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        ca, ca_key = self.dir / "ca.crt", self.dir / "keys/ca.key"
        if not own:
            ca, ca_key = folder / "ca.crt", folder / "ca.key"
            self.run(["openssl", "req", "-x509", *key, "-subj", "/CN=Another CA", "-keyout", ca_key, "-out", ca])
        extensions = folder / "extensions"
        extensions.write_text((f"extendedKeyUsage={usage}\n" if usage else "basicConstraints=CA:FALSE\n") +
                              (f"subjectAltName=URI:{san}\n" if san != "none" else ""))
        self.run(["openssl", "req", *key, "-subj", subject, "-keyout", folder / "device.key", "-out", folder / "csr"])
        done = self.run(["openssl", "x509", "-req", "-in", folder / "csr", "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
                         "-extfile", extensions, "-out", folder / "device.crt"])
        if done.returncode:
            raise Trouble(f"openssl made no certificate: {done.stderr}")
        return folder

    # ---- people ----

    def watch(self, user, unit, *more):
        self._watchers += 1
        argv = [self.build / "pullcord", "watch", "--dir", self.dir, "--user", user, "--password-file",
                self.password_file(user), "--unit", unit, "--json", "--terminal", f"w{self._watchers}", *more]
        return Watcher(self.start(f"watch-{user}-{self._watchers}", argv, stdout=subprocess.PIPE, env=self.env()))

    # ---- the record ----

    def verify_copy(self, path, sizes=None):
        shutil.copy(self.dir / "record.mdb-keys", f"{path}-keys")   # the segments' keys lie beside their store
        return self.tool("audit", "verify", "--record", path, "--key", self.dir / "keys/root.key", "--vkey",
                         self.dir / "record.vkey", "--sizes", sizes or self.dir / "record.sizes", "--json", check=False)

    def damage_record(self):
        """Changes one byte in a copy of the record, and returns what verification says of it. The byte is the last of the
        first value on a page, of the first page that turns out to hold entries in use (LMDB keeps old pages, too). What was
        signed is copied before the record is, which may grow meanwhile: that it was read goes on it, too."""
        sizes = shutil.copy(self.dir / "record.sizes", self.root / "changed.sizes")
        whole, copy = (self.dir / "record.mdb").read_bytes(), self.root / "changed.mdb"
        page = 4096
        for at in range(2 * page, len(whole), page):
            flags = int.from_bytes(whole[at + 10:at + 12], "little")
            if flags != 2 or whole[at + page - 1] == 0:
                continue
            changed = bytearray(whole)
            changed[at + page - 1] ^= 1
            copy.write_bytes(changed)
            done = self.verify_copy(copy, sizes)
            if done.returncode and done.stdout and (said := json.loads(done.stdout))["part"] == "entry":
                return said
        raise Trouble("no changed entry was noticed")

    # ---- the end ----

    def close(self, keep=False):
        """Stops everything; returns what was wrong with how it went."""
        wrong = []
        for process in reversed(self.processes):
            if not process.alive():
                continue
            try:
                status = process.end()
                if status != 0:
                    wrong.append(f"{process.name}: exit status {status} at the end")
            except Trouble as trouble:
                wrong.append(str(trouble))
        for process in self.processes:
            if any(sign in process.text() for sign in SANITIZER_SIGNS):
                wrong.append(f"{process.name}: a sanitizer spoke")
        if wrong or keep:
            wrong += [f"---- {p.name}\n{tail(p.text())}" for p in self.processes]
        shutil.rmtree(self.root, ignore_errors=True)
        return wrong


def tail(text, lines=25):
    return "\n".join(text.splitlines()[-lines:])


def certificate_files(folder):
    """The certificate and the key in a device's folder."""
    return folder / "device.crt", folder / "device.key"
