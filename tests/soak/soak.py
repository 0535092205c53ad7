#!/usr/bin/env python3
"""Everything goes wrong at once, for as long as asked (TAP).

    tests/soak/soak.py [--build DIR] [--seconds S | --kills N] [--seed N] [--rate R] [--keep]

A real broker, a real gateway and a screen, under load, while: the gateway and the broker are killed in turn, the broker or
the gateway is frozen, connections are cut, held, half-open, or stall in the TLS handshake, the disk is full, fails or can only be
read, under the outbox or under the broker's stores, and the gateway's clock jumps by a year. What happens when comes from the
seed alone; trouble of a disk lasts up to a tenth of the time, three minutes at most. Then: nothing that was called durable was
lost, nobody was called twice, and each source's messages of a priority came in order.

A small disk needs the right to mount one, the clock libfaketime, a disk that fails tests/soak/fault.c, and the latter two a build
without sanitizers: what is left out for want of these is in the verdict as skipped.
"""
import argparse
import errno
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scene"))
from house import FAKETIME, Gateway, House, Trouble, patience, tail, wait_for       # noqa: E402
from proxy import Proxy                                         # noqa: E402
from verdicts import Skipped, say, tell                         # noqa: E402
from ward import Screen, Ward                                   # noqa: E402

YEAR_S = 366 * 86400
KILL_S = 3              # what a kill takes, until what follows is seen


class SmallDisk:
    """A file system of a fixed size for everything the house keeps."""

    def __init__(self, mib):
        self.path = tempfile.mkdtemp(prefix="pullcord-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0777", "none", self.path],
                              capture_output=True)
        self.there = done.returncode == 0
        if self.there:
            tempfile.tempdir = self.path
        self.filler = Path(self.path) / "filler"

    def fill(self):
        with self.filler.open("ab", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * 65536)
            except OSError:
                pass
            try:
                while f.write(b"\0"):
                    pass
            except OSError:
                pass

    def free(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        tempfile.tempdir = None
        if self.there:
            subprocess.run(["umount", "-l", self.path], check=False)
        os.rmdir(self.path)


class Failing:
    """What the disk below a folder is said to be, to a program that has fault.so before it."""

    def __init__(self, library, below):
        self.file = Path(f"{below}.fault")
        self.file.write_bytes(b"\0")
        self.env = {"LD_PRELOAD": str(library), "FAULT_FILE": str(self.file), "FAULT_BELOW": f"{below}/"}

    def be(self, number):
        with self.file.open("r+b") as f:
            f.write(bytes([number]))


class FailingHouse(House):
    """Its broker's disk fails when it is told to."""
    disk = None

    def env(self, broker=False, **more):
        return super().env(broker, **more) | (self.disk.env if broker and self.disk else {})


class Soak:
    def __init__(self, args):
        self.random, self.args = random.Random(args.seed), args
        seconds = max(args.seconds, args.kills * KILL_S)
        # A press and its end are some ten entries, of 230 bytes; and after each kill of the broker the screen is shown what is
        # open, up to eight thousand alerts.
        record_mib = 16 + int(seconds * args.rate / 350) + (args.kills or int(seconds / 5))
        self.disk = SmallDisk(record_mib + 288)     # outbox, history, directory, and what may be set aside of the record
        self.house = FailingHouse(args.build)
        self.counts, self.skipped = {}, []
        self.house.init("--record-mib", record_mib)
        conf = self.house.conf
        conf.write_text(conf.read_text().replace("plugin_opt_history_mib 64", "plugin_opt_history_mib 32"))
        self.house.enroll("nc1", "icu3", "nursecall-device")
        self.house.add_user("ana", "icu3", "nurse")
        library = self.house.build / "tests/soak/fault.so"
        self.can_fail = library.exists() and not self.house.sanitized
        self.house.disk = Failing(library, self.house.dir) if self.can_fail else None
        self.proxy = Proxy(self.house.device_port)
        self.gateway = self.make_gateway()
        self.ward = Ward(self.gateway.home / "local.sock", args.rate, args.seed)

    def make_gateway(self):
        gateway = Gateway(self.house, "nc1", "icu3")
        ini = gateway.ini.read_text().replace(f"port = {self.house.device_port}",
                                              f"port = {self.proxy.port}\nkeepalive_s = 5\nconnect_timeout_ms = 3000")
        # When it took as many as it remembers, what it died before it kept gets another id: not in a run of less than an hour.
        for line in ("outbox_mib = 64", "burst = 1000", "per_minute = 6000", "fold_window_ms = 0"):
            name = line.split()[0]
            ini = "\n".join(line if l.startswith(name) else l for l in ini.splitlines())
        gateway.ini.write_text(ini + "\n")
        self.clock = gateway.home / "clock"
        self.clock.write_text("+0\n")
        if self.can_fail:
            self.outbox_disk = Failing(self.house.build / "tests/soak/fault.so", gateway.home)
            gateway.more_env = dict(self.outbox_disk.env)
        if FAKETIME and not self.house.sanitized:
            before = [gateway.more_env["LD_PRELOAD"]] if self.can_fail else []
            gateway.more_env |= {"LD_PRELOAD": ":".join(before + [str(FAKETIME)]), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                                 "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
        return gateway

    def nap(self, low, high):
        time.sleep(self.random.uniform(low, high) * self.house.pace)

    # ---- what goes wrong; each leaves everything running ----

    def kill_gateway(self):
        self.gateway.end(signal.SIGKILL)
        self.nap(0, 0.3)
        self.gateway.start()

    def stop_gateway(self):
        status = self.gateway.end()
        if status:
            raise Trouble(f"the gateway ended with {status}:\n{tail(self.gateway.process.text())}")
        self.gateway.start()

    def kill_broker(self):
        self.house.broker.end(signal.SIGKILL)
        self.nap(0, 0.5)
        self.broker_start()

    def broker_start(self):
        self.screen.restored = (self.house.dir / "mosquitto.db").exists()
        if not self.house.broker_start():
            raise Trouble(f"the broker ended at once:\n{tail(self.house.broker.text())}")

    def kill_both(self):
        self.house.broker.end(signal.SIGKILL)
        self.gateway.end(signal.SIGKILL)
        self.gateway.start()
        self.nap(0, 0.5)
        self.broker_start()

    def frozen(self, process):
        process.child.send_signal(signal.SIGSTOP)
        self.nap(0.2, 2)
        process.child.send_signal(signal.SIGCONT)

    def freeze_broker(self):
        self.frozen(self.house.broker)

    def freeze_gateway(self):
        self.frozen(self.gateway.process)

    def cut(self):
        self.proxy.cut()

    def hold(self):
        self.proxy.mode = "hold"
        self.nap(0.2, 2)
        self.proxy.mode = "pass"

    def half_open(self):
        self.proxy.forget()
        self.nap(0.5, 2.5)
        self.proxy.mode = "pass"

    def stall(self):
        self.proxy.mode = "stall"
        self.proxy.cut()
        self.nap(0.5, 2.5)
        self.proxy.mode = "pass"

    def goes_on(self):
        """Once a disk is well again, messages that nobody is called for get through: they wait for the record."""
        def calm():
            return sum(self.ward.place[id][1] == "low" for id in list(self.screen.seen))
        seen = calm()
        wait_for("messages of low priority come again", patience(60), lambda: calm() > seen)

    def lasts(self):
        self.nap(0.5, max(3, min(180, self.args.seconds / 10)))

    def outbox_fails(self, number):
        self.outbox_disk.be(number)
        self.lasts()
        if self.random.random() < 0.3:
            self.gateway.end(signal.SIGKILL)
            self.outbox_disk.be(0)
            self.gateway.start()
        self.outbox_disk.be(0)
        self.goes_on()

    def outbox_eio(self):
        self.outbox_fails(errno.EIO)

    def outbox_read_only(self):
        self.outbox_fails(errno.EROFS)

    def broker_fails(self, number):
        """A disk that did not flush is not asked again before the broker was started anew. What the broker refuses meanwhile comes
        later than what came after it."""
        self.screen.refuses()
        self.house.disk.be(number)
        self.lasts()
        how = self.random.choice([signal.SIGKILL, signal.SIGTERM])
        self.house.broker.end(how)
        self.house.disk.be(0)
        self.broker_start()
        self.goes_on()
        self.screen.takes()

    def broker_eio(self):
        self.broker_fails(errno.EIO)

    def broker_read_only(self):
        self.broker_fails(errno.EROFS)

    def full_disk(self):
        self.disk.fill()
        self.lasts()
        if self.random.random() < 0.5:
            self.gateway.end(signal.SIGKILL)
            self.gateway.start()
        self.disk.free()

    def jump(self):
        self.clock.write_text(f"{self.random.choice('+-')}{YEAR_S}\n")
        self.nap(0.3, 1.5)
        self.proxy.cut()
        self.nap(0.3, 1)
        self.clock.write_text("+0\n")

    WEIGHT = {"kill_gateway": 5, "kill_broker": 5, "kill_both": 2, "stop_gateway": 1, "freeze_broker": 2, "freeze_gateway": 2,
              "cut": 3, "hold": 2, "half_open": 1, "stall": 2, "full_disk": 2, "outbox_eio": 2, "outbox_read_only": 2,
              "broker_eio": 2, "broker_read_only": 2, "jump": 2}

    def faults(self):
        before = "sanitizers come before it" if self.house.sanitized else "it is not there"
        failing = ["outbox_eio", "outbox_read_only", "broker_eio", "broker_read_only"]
        missing = {} if self.disk.there else {"full_disk": "no right to mount a small disk"}
        if not self.can_fail:
            missing |= dict.fromkeys(failing, f"fault.so: {before}")
        if not FAKETIME or self.house.sanitized:
            missing["jump"] = f"libfaketime: {before}"
        wanted = [name for name in self.WEIGHT if not self.args.only or name in self.args.only.split(",")]
        self.skipped += [(name, missing[name]) for name in wanted if name in missing]
        return [(getattr(self, name), self.WEIGHT[name]) for name in wanted if name not in missing]

    # ---- the run ----

    def open(self):
        if not self.house.broker_start():
            raise Trouble(f"the broker ended at once:\n{tail(self.house.broker.text())}")
        self.gateway.start()
        watcher = self.house.watch("ana", "icu3")
        if not watcher.next(lambda obj: obj.get("event") == "watching", patience(20)):
            raise Trouble(f"ana does not watch:\n{tail(watcher.process.text())}")
        self.screen = Screen(watcher, self.ward)
        self.screen.start()
        self.ward.start()

    def run(self):
        rows = self.faults()
        if not rows:
            return
        end = time.monotonic() + self.args.seconds
        warm, memory = time.monotonic() + self.args.seconds / 5, None
        say_at = time.monotonic() + 60
        order = [fault for fault, _ in rows]
        self.random.shuffle(order)      # each once, before chance decides
        while time.monotonic() < end:
            self.nap(0.1, 0.8)
            fault = order.pop() if order else self.random.choices(*zip(*rows))[0]
            self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
            if self.args.verbose:
                say(f"{fault.__name__}: {len(self.ward.promised)} promised, {len(self.screen.seen)} seen")
            fault()
            if not memory and time.monotonic() > warm:
                memory = self.memory()
            if time.monotonic() > say_at:
                say_at += 60
                say(self.summary())

        if memory and memory[0] == self.memory()[0]:   # the same process all the time
            say(f"memory of the gateway: {memory[1]:.1f} MB after a fifth of the time, {self.memory()[1]:.1f} MB at the end; "
                f"{self.proxy.accepted} connections")

    def kill_in_turn(self):
        """The gateway and the broker, under load: each only when something new was seen since the one before."""
        for i in range(self.args.kills):
            seen = len(self.screen.seen)
            wait_for(f"something is seen after {i} kills", patience(60), lambda: len(self.screen.seen) > seen)
            self.nap(0, 0.3)
            fault = self.kill_broker if i % 2 else self.kill_gateway
            self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
            fault()
            if (i + 1) % 50 == 0:
                say(self.summary())

    def memory(self):
        pid = self.gateway.process.child.pid
        text = Path(f"/proc/{pid}/status").read_text()
        return pid, next(int(l.split()[1]) for l in text.splitlines() if l.startswith("RssAnon")) / 1024

    def summary(self):
        return (f"{len(self.ward.promised)} promised, {len(self.screen.seen)} seen, {self.ward.refusals} refused; "
                + ", ".join(f"{name} {n}" for name, n in sorted(self.counts.items())))

    def settle(self):
        """No more faults; what was promised is waited for."""
        with self.ward.lock:
            self.ward.pressing = False

        def calm():         # of one moment: an end is said, promised and seen while the presses before it are looked through
            with self.ward.lock:
                return not self.ward.waiting and not self.ward.again and not self.ward.to_end and \
                    self.ward.promised.keys() <= self.screen.seen.keys()
        try:
            wait_for("all that was promised is seen", patience(60), calm, poll=0.1)
        except Trouble:
            pass
        self.ward.running = self.screen.running = False

    def whole(self):
        self.open()
        self.kill_in_turn() if self.args.kills else self.run()
        self.settle()
        say(self.summary() + f"; alarms of its own: {len(self.screen.own)}; told again when the reader had forgotten them: "
            f"{self.screen.forgotten}")
        yield from self.verdicts()

    def verdicts(self):
        for name, why in self.skipped:
            yield Skipped(name, why)
        lost = [id for id in self.ward.promised if id not in self.screen.seen]
        yield "everything called durable was seen", lost
        yield "nobody was called twice", self.screen.twice
        yield "each source's messages of a priority came in order", self.told(self.screen.out_of_order)
        yield "the ward had every answer", list(self.ward.waiting)[:5]
        done = self.tool("audit", "verify", "--dir", self.house.dir, "--json")
        yield "the record is whole", [] if done.returncode == 0 else [done.stdout + done.stderr]

    def tool(self, *argv):
        """A record of hours takes minutes to read."""
        return self.house.run([self.house.build / "pullcord", *argv], seconds=60 + self.args.seconds + self.args.kills)

    def told(self, pairs):
        """Where the two of each pair stand in the broker's record: who turned them round?"""
        if not pairs:
            return []
        said = self.tool("audit", "tail", "--dir", self.house.dir, "--last", "1000000000", "--json").stdout
        entries = [json.loads(line) for line in said.splitlines()]

        def places(id):
            message = self.screen.seen[id]["id"]
            return ", ".join(f"{e['type']} {e['index']}" for e in entries if e.get("message") == message) or "not on record"
        return [f"{id} ({places(id)}) came after {first} ({places(first)})" for id, first in pairs[:20]]

    def close(self, keep):
        self.ward.running = False
        self.proxy.close()
        wrong = self.house.close(keep)
        self.disk.close()
        return wrong


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--build", default="build")
    args.add_argument("--seconds", type=float, default=12)
    args.add_argument("--seed", type=int, default=int(os.environ.get("TEST_SEED") or time.time()))
    args.add_argument("--rate", type=float, default=100, help="messages a second")
    args.add_argument("--only", default="", help="only these faults: cut,hold,kill_broker; with such as leave the gateway "
                      "alive its memory at the beginning and the end is told")
    args.add_argument("--kills", type=int, default=0, metavar="N", help="instead: kill gateway and broker by turns, N kills")
    args.add_argument("--keep", action="store_true", help="show the logs also when all went well")
    args.add_argument("--verbose", action="store_true", help="say each fault")
    parser, args = args, args.parse_args()
    unknown = [name for name in args.only.split(",") if args.only and name not in Soak.WEIGHT]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(Soak.WEIGHT)}")
    say(f"replay with --seed {args.seed}")
    soak = Soak(args)
    return tell(soak.whole, soak.close, args.keep)


if __name__ == "__main__":
    sys.exit(main())
