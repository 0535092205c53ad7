#!/usr/bin/env python3
"""Abuse case 16, and acceptance 7 of the record, at full size (TAP): the record's disk is full for minutes, and everybody goes on.

    tests/soak/full.py [--build DIR] [--seconds S] [--messages N] [--how disk|room] [--keep]

`disk`: every write to the record's files fails with ENOSPC, by fault.so, until there is room again and it goes on by itself.
`room`: what was set aside for the record is used up; the broker is stopped, given more, and started again.

Meanwhile N messages of all classes, at an even pace. A bedside's gateway takes emergencies and calm alerts; a device of MQTT 5
and one of 3.1.1 have calm ones only, an outbox each, and delete what was acknowledged; another calls emergencies. An
administrator commands, people want in, somebody who is in wants more, a nurse answers, a device tries what it may not. Ana
watches. What each may take for success is held against what she got and what is on record, and the record's counts against
what Mosquitto itself logged that it received and sent, to the unit.
"""
import argparse
import errno
import json
import re
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scene"))
import attacks                                                  # noqa: E402
import mqtt                                                     # noqa: E402
import wire                                                     # noqa: E402
from house import Gateway, House, Trouble, patience, tail, wait_for        # noqa: E402
from stage import Stage, forged                                         # noqa: E402
from soak import Failing, FailingHouse                          # noqa: E402
from verdicts import say, tell                                  # noqa: E402

URGENT, CALM = ("high", "code"), ("medium", "low")
KEYS = 500              # conditions of a device: the broker keeps the newest message of each
AGAIN_S = 0.5           # an outbox that was cut off comes back
SPILL_BYTES = 1 << 20   # made so small beforehand: at full size there is no room for all, and the rest is counted
GAP = ("aside", "lost_consent", "lost_access", "lost_movement", "lost_critical", "lost_housekeeping")
CONTROL = "$CONTROL/pullcord/v1"


class Actor(threading.Thread):
    """Does its part of what happens at an even pace, `share` of all; what stops it is told in the end."""
    share = 0

    def __init__(self, full):
        super().__init__(daemon=True)
        self.full, self.house = full, full.house
        self.n, self.wanted = 0, round(self.share * full.args.messages)
        self.wrong, self.going = [], True

    def connection(self, who, client=None, version=5, clean=True):
        connection = mqtt.Connection(*self.house.ends(who), seconds=patience(20), version=version)
        return connection, connection.connect(client or who, *self.house.words(who), clean=clean)

    def run(self):
        try:
            began, every_s = time.monotonic(), self.full.args.seconds / max(self.wanted, 1)
            while self.n < self.wanted and self.going:
                self.act()
                self.n += 1
                self.rest(began + self.n * every_s)
            self.finish()
        except Exception as trouble:        # pylint: disable=broad-except
            self.wrong.append(f"{type(trouble).__name__}: {trouble}")

    def rest(self, until):
        time.sleep(max(0, until - time.monotonic()))

    def finish(self):
        pass


def alert(device, n, priority, text):
    now = int(time.time() * 1e6)
    key = wire.tag("mercy", "device", device) + (n % KEYS).to_bytes(8, "big")
    body = wire.alert(key, priority, "call.normal", text, f"b{n % KEYS}", now, device)
    return wire.envelope("mercy", "device", device, "alert", body, now, sequence=n % 65536)


class Emergencies(Actor):
    """What saves lives: each is to be acknowledged at once, and to be with whoever watches."""
    share = 0.40
    device = "nc4"

    def act(self):
        if not self.n:
            self.mqtt, _ = self.connection(self.device)
            self.took = []
        priority = URGENT[self.n % 2]
        began = time.monotonic()
        got = self.mqtt.publish(f"mercy/unit/icu3/alert/{priority}/{self.device}",
                                alert(self.device, self.n, priority, f"d{self.n}"))
        self.took.append(time.monotonic() - began)
        if got != "accepted":
            raise Trouble(f"emergency {self.n} was {got}")


class Outbox(Actor):
    """Deletes what was acknowledged, and nothing else."""
    share = 0.05
    version, device = 5, "nc2"

    def __init__(self, full):
        super().__init__(full)
        self.kept, self.tries, self.mqtt, self.next_try, self.early = [], 0, None, 0, 0

    def act(self):
        self.kept.append((self.n, CALM[self.n % 2]))
        if time.monotonic() >= self.next_try:
            self.send()

    def send(self):
        if not self.mqtt or not self.mqtt.sock:
            self.mqtt, _ = self.connection(self.device, version=self.version)
        n, priority = self.kept[0]
        self.tries += 1
        got = self.mqtt.publish(f"mercy/unit/icu3/alert/{priority}/{self.device}",
                                alert(self.device, n, priority, f"{self.device}-{n}"))
        if got == "accepted":
            self.kept.pop(0)
            self.early += self.full.is_full
        elif got == "refused":
            raise Trouble(f"message {n} was refused for good")
        else:
            self.mqtt.drop()
            self.next_try = time.monotonic() + AGAIN_S

    def finish(self):
        """Until it is empty."""
        while self.kept and self.going:
            self.rest(self.next_try)
            self.send()


class OldOutbox(Outbox):
    """To MQTT 3.1.1 a refusal is an acknowledgement like any other."""
    version, device = 4, "nc3"


class Bedside(Actor):
    """A source at a gateway: one call in four is an emergency."""
    share = 0.48
    sources = 16

    def __init__(self, full):
        super().__init__(full)
        self.gateway = full.gateway
        self.answers, self.early, self.unread = {"durable": set(), "stored": set(), "refused": set()}, 0, b""

    @staticmethod
    def is_urgent(n):
        return n % 4 == 0

    def act(self):
        if not self.n:
            wait_for("the gateway takes a caller", patience(10), self.gateway.connect_local)
            self.listener = threading.Thread(target=self.listen, daemon=True)
            self.listener.start()
        priority = "high" if self.is_urgent(self.n) else CALM[self.n % 2]
        self.gateway.local.sendall(json.dumps(
            {"type": "alert", "id": f"g{self.n}", "source": f"s{self.n % self.sources}", "kind": "call.normal",
             "priority": priority, "bed": f"b{self.n}", "text": f"g{self.n}"}).encode() + b"\n")

    def listen(self):
        try:
            while got := self.gateway.local.recv(1 << 16):
                *whole, self.unread = (self.unread + got).split(b"\n")
                for line in whole:
                    self.hear(json.loads(line))
        except (OSError, AttributeError):
            pass

    def hear(self, answer):
        self.answers.setdefault(answer["answer"], set()).add(answer.get("id"))
        if answer["answer"] == "stored" and self.full.is_full and not self.is_urgent(int(answer["id"][1:])):
            self.early += 1


class Officer(Actor):
    """Was let in before; commands what nobody may have done while it cannot be put on record."""
    share = 0.005

    def __init__(self, full):
        super().__init__(full)
        self.done, self.mqtt = 0, None

    def enter(self):
        _, self.mqtt = attacks.open_session(self.full.stage, "root", "root.desk", clean=True)
        if self.mqtt.subscribe(CONTROL + "/response") != "granted":
            raise Trouble("root may not hear answers")

    def act(self):
        body = json.dumps({"commands": [{"command": "grantRole", "username": "ben", "rolename": "administrator"}]}).encode()
        before = len(self.mqtt.delivered)
        if self.mqtt.publish(CONTROL, body) == "closed":
            raise Trouble("root was cut off")
        self.mqtt.receive(patience(20), lambda: len(self.mqtt.delivered) > before)
        if len(self.mqtt.delivered) == before:
            raise Trouble(f"command {self.n} had no answer")
        self.done += "error" not in json.loads(self.mqtt.delivered[-1][1])["responses"][0]


class Newcomer(Actor):
    """Wants in, with the right password; and who is in wants to see more."""
    share = 0.005

    def __init__(self, full):
        super().__init__(full)
        self.let_in = self.granted = 0

    def enter(self):
        _, self.mqtt = attacks.open_session(self.full.stage, "ben", "ben.desk", clean=True)

    def act(self):
        if self.n % 2:
            connection, got = self.connection("eva", "eva.desk")
            self.let_in += got == "accepted"
            connection.drop()
        else:
            self.granted += self.mqtt.subscribe(f"mercy/unit/icu3/alert/{CALM[self.n // 2 % 2]}/+") == "granted"


class Nurse(Actor):
    """Is in: what she answers to a call passes."""
    share = 0.005

    def __init__(self, full):
        super().__init__(full)
        self.got = []

    def enter(self):
        _, self.mqtt = attacks.open_session(self.full.stage, "lea", "lea.desk", clean=True)

    def act(self):
        self.got.append(self.mqtt.publish("mercy/unit/icu3/ack/nc4", forged(self.full.stage, "update", "lea", party="user")))

    def wrong_ones(self):
        return [got for got in self.got if got != "accepted"]


class Intruder(Actor):
    """Is refused for good: that is not to be taken for the record's trouble, nor to hide in it."""
    share = 0.01

    def act(self):
        if not self.n:
            self.mqtt, _ = self.connection("nc5")
        got = self.mqtt.publish("mercy/unit/med4/alert/high/nc5", alert("nc5", self.n, "high", "none"))
        if got != "refused":
            raise Trouble(f"what is not allowed was {got}")


class Watcher(threading.Thread):
    """Ana: a session that is kept; what came, when first."""

    def __init__(self, full):
        super().__init__(daemon=True)
        self.full, self.seen, self.going, self.mqtt = full, {}, True, None

    def enter(self):
        _, self.mqtt = attacks.open_session(self.full.stage, "ana", "ana.desk")
        return self.mqtt.sock

    def run(self):
        while self.going:
            if not self.mqtt.sock and not self.enter():
                continue
            self.mqtt.receive(0.2, lambda: self.mqtt.delivered)
            self.mqtt.keep_alive()
            took, self.mqtt.delivered = self.mqtt.delivered, []
            for _, payload, _ in took:
                text = wire.read(wire.read(payload)[9]).get(6, b"").decode()
                self.seen.setdefault(text, time.monotonic())


class Full:
    def __init__(self, args):
        self.args, self.is_full, self.late, self.receipts = args, False, [], 0
        library = Path(args.build).resolve() / "tests/soak/fault.so"
        if args.how == "disk" and not library.exists():         # before there is a house to be cleared away
            raise SystemExit("a disk that fails to order needs fault.so, and a build without sanitizers")
        self.stage = Stage(args.build)
        self.house = house = self.stage.house = FailingHouse(args.build)
        self.stage.ready = True
        if args.how == "disk":
            house.disk = Failing(library, house.dir)
            house.disk.env["FAULT_BELOW"] = f"{house.dir}/record."
        self.room_mib = 64 + args.messages * 1500 // (1 << 20)
        house.init("--record-mib", 16 if args.how == "room" else self.room_mib)
        for device in ("nc1", "nc2", "nc3", "nc4", "nc5", "nc6"):
            house.enroll(device, "icu3", "nursecall-device")
        for user, role in (("ana", "nurse"), ("ben", "nurse"), ("eva", "nurse"), ("lea", "nurse"), ("root", "administrator")):
            house.add_user(user, "icu3", role)
        with (house.dir / "record.spill").open("wb") as spill:
            spill.truncate(4096 + SPILL_BYTES)
        self.metrics = house.root / "pullcord_broker.prom"
        # What Mosquitto received and sent is in its own log: what the record says is held against that.
        house.conf.write_text(re.sub(r"^(plugin_opt_dir .*)$", rf"\1\nplugin_opt_metrics {self.metrics}\nlog_type debug",
                                     house.conf.read_text(), flags=re.M))
        self.gateway = Gateway(house, "nc1", "icu3")
        ini = self.gateway.ini.read_text().replace("outbox_mib = 8", f"outbox_mib = {16 + args.messages // 800}")
        for line in ("burst = 1000", "per_minute = 6000", "fold_window_ms = 0"):
            ini = re.sub(rf"(?m)^{line.split()[0]} = .*$", line, ini)
        self.gateway.ini.write_text(ini.replace("/local.sock", "/local.sock\nper_second = 10000"))

    def metric(self, name):
        found = self.metrics.exists() and re.search(rf"^pullcord_broker_{name} (\S+)$", self.metrics.read_text(), re.M)
        return int(float(found[1])) if found else None

    def has_stopped(self):
        return self.metric("record_state") == 2

    # ---- the story ----

    def open(self):
        if not self.house.broker_start():
            raise Trouble(f"the broker ended at once:\n{tail(self.house.broker.text())}")
        self.gateway.start()
        self.ana = Watcher(self)
        self.ana.enter()
        if self.ana.mqtt.subscribe("mercy/unit/icu3/alert/+/+") != "granted":
            raise Trouble("ana may not watch")
        self.ana.start()
        self.actors = [kind(self) for kind in (Bedside, Emergencies, Outbox, OldOutbox, Officer, Newcomer, Nurse, Intruder)]
        self.bedside, self.emergencies, self.new, self.old, self.officer, self.newcomer, self.nurse, _ = self.actors
        for actor in (self.officer, self.newcomer, self.nurse):
            actor.enter()

    def fill(self):
        if self.args.how == "room":
            attacks.fill_record(self.stage, "nc6", "icu3")
        else:
            self.house.disk.be(errno.ENOSPC)
        wait_for("the record has stopped", patience(30), lambda: self.poke() or self.has_stopped())
        self.is_full = True

    def poke(self):
        """Who does nothing never learns that there is no room."""
        connection = mqtt.Connection(*self.house.ends("nc6"), seconds=patience(20))
        connection.connect("nc6")
        connection.drop()

    def urgent_left(self):
        wanted = {f"d{n}" for n in range(self.emergencies.n)}
        wanted |= {f"g{n}" for n in range(self.bedside.n) if self.bedside.is_urgent(n)}
        return wanted - self.ana.seen.keys()

    def calm_left(self):
        wanted = {f"g{n}" for n in range(self.bedside.n) if not self.bedside.is_urgent(n)}
        wanted |= {f"{box.device}-{n}" for box in (self.new, self.old) for n in range(box.n)}
        return wanted - self.ana.seen.keys()

    def urgent_stored(self):
        return all(f"g{n}" in self.bedside.answers["stored"] for n in range(self.bedside.n) if self.bedside.is_urgent(n))

    def last(self):
        """The disk is full all the while."""
        began, shown = time.monotonic(), 0
        for actor in self.actors:
            actor.start()
        while time.monotonic() < began + self.args.seconds or any(a.n < a.wanted and a.is_alive() for a in self.actors):
            time.sleep(0.2)
            if time.monotonic() - began > (shown + 1) * 60:
                shown += 1
                say(self.so_far())
        try:
            wait_for("every emergency is seen, and its sender may forget it", patience(60),
                     lambda: not self.urgent_left() and self.urgent_stored(), poll=0.2)
        except Trouble as trouble:
            self.late.append(str(trouble))
        self.seconds = time.monotonic() - began
        say(f"after {self.seconds:.0f} s: {self.so_far()}")

    def so_far(self):
        return ", ".join(f"{type(a).__name__} {a.n}" for a in self.actors) + \
            f"; {len(self.ana.seen)} messages were seen, {self.new.tries + self.old.tries} tries of outboxes"

    def heal(self):
        self.still_full = self.has_stopped()
        self.is_full = False
        if self.args.how == "disk":
            self.house.disk.be(0)
        else:
            self.restart()

    def end_broker(self):
        """Once its counter stands still, of which it tells every ten seconds."""
        before = None
        while (now := self.metric("receipts_total")) != before:
            before = now
            time.sleep(11)
        self.receipts += now
        status = self.house.broker.end(seconds=120)
        return [] if status == 0 else [f"with {status}"]

    def restart(self):
        if wrong := self.end_broker():
            raise Trouble(f"the broker ended {wrong[0]}")
        attacks.give_room(self.stage, self.room_mib)
        if not self.house.broker_start(60):
            raise Trouble(f"the broker did not come back:\n{tail(self.house.broker.text())}")

    def whole(self):
        self.open()
        self.fill()
        self.last()
        self.heal()
        began = time.monotonic()
        try:
            wait_for("all that waited arrives", patience(60 + self.args.messages / 200), lambda: not self.calm_left(), poll=0.2)
            say(f"what had waited had arrived {time.monotonic() - began:.0f} s later")
        except Trouble:
            pass
        yield from self.verdicts()

    # ---- what came of it ----

    def entries(self, kind):
        done = self.house.run([self.house.build / "pullcord", "audit", "search", "--dir", self.house.dir, "--event", kind, "--json",
                               "--no-index"], seconds=300)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def logged(self, pattern):
        return len(re.findall(pattern, self.house.broker_text(), re.M))

    def verdicts(self):
        for actor in self.actors:
            actor.going = False
        for actor in self.actors:
            actor.join(patience(60))
            yield f"{type(actor).__name__} could do its part", actor.wrong
        self.ana.going = False
        self.ana.join(patience(10))
        yield "the record had stopped all the while", [] if self.still_full else ["not any more"]
        yield f"A: none of {self.officer.n} commands was carried out", [f"{self.officer.done} were"] if self.officer.done else []
        new, old = self.newcomer, (self.new, self.old)
        yield (f"B: of {new.n} who wanted in, or more, none got it",
               [f"{new.let_in} let in, {new.granted} granted"] if new.let_in or new.granted else [])
        yield (f"C: none of {sum(box.n for box in old)} messages of two outboxes was acknowledged, in "
               f"{sum(box.tries for box in old)} tries in all", [f"{box.device}: {box.early}" for box in old if box.early])
        yield "C: nor was one of the gateway's called stored", [f"{self.bedside.early}"] if self.bedside.early else []
        yield "C: all of them arrived later", sorted(self.calm_left())
        yield ("D: every emergency was delivered meanwhile, and its sender told that it is stored",
               self.late + sorted(self.urgent_left()))
        yield f"D: all {self.nurse.n} answers of a nurse passed", self.nurse.wrong_ones()
        took = sorted(self.emergencies.took)
        took = [1000 * seconds for seconds in took]
        say(f"an emergency was acknowledged after {took[len(took) // 2]:.1f} ms (median), {took[-1]:.0f} ms (slowest)")
        yield "the broker ended in good order", self.end_broker()
        yield from self.recorded()

    def recorded(self):
        done = self.house.run([self.house.build / "pullcord", "audit", "verify", "--dir", self.house.dir, "--json"], seconds=300)
        yield "the record is whole", [] if done.returncode == 0 else [done.stdout + done.stderr]
        with (self.house.dir / "record.spill").open("rb") as spill:
            head, _, tail_at, _ = struct.unpack_from("<4Q", spill.read(56), 24)
        yield f"what was set aside, {head} bytes, was taken up", [] if head == tail_at else [f"{head - tail_at} bytes were not"]
        rows = {kind: self.entries(kind) for kind in ("publish", "deliver", "stored", "anomaly", "gap")}
        lost = {name: sum(gap[name] for gap in rows["gap"]) for name in GAP}
        say(f"{len(rows['gap'])} gaps: " + ", ".join(f"{n} {name}" for name, n in lost.items()))
        calm = {e["message"] for e in rows["publish"] if e["outcome"] == "allowed" and not e["life_critical"]}
        wrong = [] if len(calm) >= self.calm_n() else [f"{len(calm)} of {self.calm_n()}"]
        yield "C: every message is on record", wrong
        missing = 0
        for what, happened, on_record in self.urgent_rows(rows):
            missing += happened - on_record
            say(f"D: {happened} {what}, {on_record} of them on record")
        wrong = [] if missing == lost["lost_critical"] else [f"{lost['lost_critical']} were"]
        yield f"D: what is not on record, {missing} events, was counted to the unit", wrong

    def urgent_rows(self, rows):
        """What happened, as Mosquitto logged it, and its entries."""
        topic = r"mercy/unit/icu3/alert/(?:high|code)/[\w-]+"

        def on_record(kind, pattern):
            return sum(e["count"] for e in rows[kind] if re.fullmatch(pattern, e["topic"]) and e["outcome"] == "allowed")
        yield "emergencies received", self.logged(rf"Received PUBLISH from .*'{topic}'"), on_record("publish", topic)
        yield "sent", self.logged(rf"Sending PUBLISH to .*'{topic}'"), on_record("deliver", topic)
        topic = r"mercy/unit/icu3/ack/[\w-]+"
        yield "answers to them", self.logged(rf"Received PUBLISH from .*'{topic}'"), on_record("publish", topic)
        topic = "mercy/device/nc1/stored"
        yield "called stored", self.receipts, on_record("stored", "mercy/device/.*/stored")
        yield "times its sender was told so", self.logged(f"Sending PUBLISH to .*'{topic}'"), on_record("deliver", topic)
        yield ("alarms of the record's own", self.logged(r"code=anomaly\.(?:record-|disk)"),
               sum(e["life_critical"] for e in rows["anomaly"]))

    def calm_n(self):
        return self.bedside.n + self.new.n + self.old.n - sum(self.bedside.is_urgent(n) for n in range(self.bedside.n))

    def close(self, keep):
        for actor in getattr(self, "actors", ()):
            actor.going = False
        return self.house.close(keep)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--build", default="build")
    args.add_argument("--seconds", type=float, default=600)
    args.add_argument("--messages", type=int, default=100000, help="1,000 or more")
    args.add_argument("--how", choices=("disk", "room"), default="disk")
    args.add_argument("--keep", action="store_true", help="show the logs also when all went well")
    parser, args = args, args.parse_args()
    if args.messages < 1000:
        parser.error("with fewer than 1,000 messages some of the devices would say nothing")
    full = Full(args)
    return tell(full.whole, full.close, args.keep)


if __name__ == "__main__":
    sys.exit(main())
