#!/usr/bin/env python3
"""The main job from end to end, told as it happens: a real broker with the plugin, three gateways, two nurses, an
intruder. Every step is asserted; exit status 0 only if all of it was true. Only 127.0.0.1; nothing is left behind.

    tests/demo/demo.py [BUILD-DIR]
"""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/scene"))
from house import Gateway, House, Trouble, hl7, read_frame, tail, wait_for  # noqa: E402

DATA = TOP / "tests/scene/data"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
STORM, CRASH = 500, 200


# ---- telling ----

def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class Story:
    def __init__(self):
        self.began, self.steps, self.table = time.monotonic(), 0, []

    def step(self, title):
        self.steps += 1
        print(f"\n{paint('1', f'{self.steps:2}. {title}')}", flush=True)

    def tell(self, text):
        print(f"    {text}", flush=True)

    def show(self, who, text):
        """What a program printed, as it printed it."""
        for line in text.rstrip("\n").splitlines():
            print(f"    {paint('36', f'{who:>9} |')} {line}", flush=True)

    def true(self, what, result):
        self.table.append((what, result))
        print(f"    {paint('32', 'true')}  {what}: {result}", flush=True)


def check(what, good, details=""):
    if not good:
        raise Trouble(f"{what} is not true{': ' + details if details else ''}")


# ---- the people and machines of the story ----

class Screen:
    """`pullcord watch` of one person twice: as people see it, to be shown, and as JSON, to be checked."""

    def __init__(self, house, user, unit):
        self.user, self.json = user, house.watch(user, unit)
        argv = [house.build / "pullcord", "watch", "--dir", house.dir, "--user", user, "--password-file",
                house.password_file(user), "--unit", unit, "--terminal", "screen"]
        self.people = house.start(f"screen-{user}", argv, stdout=subprocess.PIPE, env=house.env())
        self.lines, self.shown = [], 0
        threading.Thread(target=self._read, daemon=True).start()
        check(f"{user} watches {unit}", self.json.next(lambda o: o.get("event") == "watching", 15), self.json.process.text())
        wait_for(f"{user}'s screen", 15, lambda: self.lines)

    def _read(self):
        for line in self.people.child.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def fresh(self, settle=0.15):
        time.sleep(settle)
        new, self.shown = self.lines[self.shown:], len(self.lines)
        return "\n".join(new)

    def sees(self, seconds=5, **fields):
        item = self.json.next(lambda o: o.get("event") == "alert" and all(o.get(k) == v for k, v in fields.items()), seconds)
        check(f"{self.user} sees {fields}", item, tail(self.json.process.text()))
        return item[1]

    def sees_events(self, total, seconds):
        """Alerts standing for `total` events in all; no message twice."""
        end, seen = time.monotonic() + seconds, {}
        while sum(seen.values()) < total:
            item = self.json.next(lambda o: o.get("event") == "alert", max(0, end - time.monotonic()))
            if not item:
                break
            seen[item[1]["id"]] = item[1]["count"]
        return len(seen), sum(seen.values())

    def quiet(self, seconds):
        item = self.json.next(lambda o: o.get("event") == "alert", seconds)
        check(f"{self.user} sees nothing", not item, str(item))


def message(file, **named):
    """An HL7 message of ours under a message control id of its own (MSH-10)."""
    fields = hl7((DATA / file).read_bytes()).split(b"|", 10)
    fields[9] = named.get("id", fields[9].decode()).encode()
    return b"|".join(fields)


def first_line(text):
    return text.replace("\r", "\n").split("\n")[0]


def send_storm(gateway, count):
    """The same alarm again and again over one MLLP connection, as a monitor with a loose sensor does; how many CA."""
    with socket.create_connection(("127.0.0.1", gateway.mllp_port), timeout=30) as s:
        taken = 0
        for number in range(count):
            s.sendall(b"\x0b" + message("pcd04-continue.hl7", id=f"storm-{number}") + b"\x1c\r")
            taken += b"MSA|CA|" in read_frame(s)
    return taken


# ---- the story ----

def open_the_ward(story, house):
    story.step("A hospital on one machine: keys, certificates, policy, a broker, three gateways")
    began = time.monotonic()
    house.init("--record-mib", "64")
    story.tell("pullcord init            CA, server certificate, keys, directory, policy, mosquitto.conf")
    for device, role in (("icu3-nc1", "nursecall-device"), ("icu3-tele1", "telemetry-device"),
                         ("icu3-tab7", "tablet-device")):
        house.enroll(device, "icu3", role)
        story.tell(f"pullcord device enroll   {device}: key, certificate, role {role}")
    for user, unit in (("ana", "icu3"), ("bea", "med4")):
        house.add_user(user, unit, "nurse")
        story.tell(f"pullcord user add        {user}: nurse of {unit}")
    check("the broker starts", house.broker_start(), house.broker_text())
    gateways = [Gateway(house, device, "icu3") for device in ("icu3-nc1", "icu3-tele1", "icu3-tab7")]
    for gateway in gateways:
        gateway.start()
    version = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True).stdout.split("\n")[0]
    story.true("a stock broker with the plugin, three gateways", f"{version}, up in {time.monotonic() - began:.1f} s")
    return gateways


def three_calls(story, house, gateways, ana, bea):
    nurse_call, telemetry, tablet = gateways
    story.step("Three devices call; a nurse of ICU 3 watches, and so does one of another unit")
    seen = []

    story.tell("A patient presses the call button. The nurse-call master says so in HL7 over MLLP (IHE PCD-04):")
    answer = nurse_call.mllp(message("nursecall-normal.hl7"))
    story.show("icu3-nc1", first_line(message("nursecall-normal.hl7").decode()))
    story.show("answer", answer.replace("\r", "\n").strip().split("\n")[1])
    check("the master hears CA", "MSA|CA|" in answer, answer)
    seen.append(ana.sees(device="icu3-nc1"))

    story.tell("A monitor sees the oxygen saturation fall:")
    answer = telemetry.mllp(message("pcd04-start.hl7"))
    check("the monitor hears CA", "MSA|CA|" in answer, answer)
    story.show("answer", answer.replace("\r", "\n").strip().split("\n")[1])
    seen.append(ana.sees(device="icu3-tele1", priority="high"))

    story.tell("A tablet at the bed, over its local socket:")
    line = {"type": "alert", "id": "t7-1", "source": "bed-412-B", "kind": "call.normal", "priority": "medium", "bed": "412-B",
            "text": "Water, please"}
    tablet.say(line)
    story.show("icu3-tab7", json.dumps(line))
    for word in ("durable", "stored"):
        heard = tablet.answer(lambda o: o.get("answer") == word and o.get("id") == "t7-1", 5)
        check(f"the tablet hears {word}", heard, str(tablet.heard))
        story.show("answer", json.dumps(heard))
    request = ana.sees(device="icu3-tab7")
    seen.append(request)

    story.tell("What the nurse of ICU 3 has on her screen:")
    story.show("ana", ana.fresh())
    slowest = max(alert["latency_us"] for alert in seen) / 1000
    story.true("ana sees the call, the alarm and the request", f"slowest {slowest:.1f} ms from device to screen")
    bea.quiet(0.5)
    story.true("bea, of another unit, sees none of it", "0 alerts")
    return request


def intruders(story, house):
    story.step("Those who do not belong")
    folder = house.root / "intruder"
    folder.mkdir()
    run = lambda *argv: house.run(["openssl", *argv])
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=icu3-nc1", "-addext",
        "subjectAltName=URI:urn:pullcord:mercy:device:icu3-nc1", "-keyout", folder / "device.key", "-out",
        folder / "device.crt", "-days", "1")
    common = ["mosquitto_pub", "-V", "5", "-h", "localhost", "--cafile", house.dir / "ca.crt", "-t", "mercy/x", "-m", "x", "-d"]
    story.tell("A certificate that claims to be icu3-nc1, signed by somebody else:")
    done = house.run([*common, "-p", house.device_port, "-i", "icu3-nc1", "--cert", folder / "device.crt", "--key",
                      folder / "device.key"], seconds=10)
    said = done.stdout + done.stderr
    story.show("intruder", said)
    check("the other CA is refused", done.returncode and "CONNACK (0)" not in said, said)
    story.true("a certificate of another CA is refused", "no CONNACK, in the TLS handshake")

    story.tell("A user with a wrong password (the second try gets the answer: hashing is off the broker's thread):")
    done = house.run([*common, "-p", house.app_port, "-i", "ana.x", "-u", "ana", "-P", "not her password"], seconds=15)
    said = done.stdout + done.stderr
    story.show("intruder", said)
    check("the wrong password is refused", done.returncode and "CONNACK (0)" not in said, said)
    story.true("a wrong password is refused", "not authorised")


def storm(story, gateways, ana):
    story.step(f"A storm: the same alarm {STORM} times")
    ana.fresh()
    began = time.monotonic()
    taken = send_storm(gateways[1], STORM)
    check("every one was acknowledged", taken == STORM, f"{taken} of {STORM}")
    story.tell(f"The monitor sent {STORM} PCD-04 messages in {time.monotonic() - began:.1f} s; each was answered CA when durable.")
    messages, events = ana.sees_events(STORM, 20)
    story.show("ana", ana.fresh())
    check("all events are accounted for", events == STORM, f"{events} of {STORM}")
    check("a handful of messages", messages <= 20, str(messages))
    story.true(f"{STORM} repeats become a handful", f"{messages} messages that count {events} events")


def acknowledge(story, house, gateways, ana, request):
    story.step("The nurse answers the tablet; its lamp lights")
    done = house.tool("ack", request["ref"], "--dir", house.dir, "--user", "ana", "--password-file",
                      house.password_file("ana"), "--state", "on-the-way")
    story.show("ana", f"$ pullcord ack {request['ref']} --state on-the-way\n" + done.stdout + done.stderr)
    heard = gateways[2].answer(lambda o: o.get("answer") == "acknowledged", 5)
    check("the tablet hears who comes", heard and heard.get("by") == "ana", str(gateways[2].heard))
    story.show("icu3-tab7", json.dumps(heard))
    story.true("the patient sees that somebody is coming", f"{heard['by']}, {heard['state']}")


def crash(story, house, gateways, ana):
    story.step(f"The broker is killed in mid-storm ({CRASH} different calls), and started again")
    tablet = gateways[2]
    ana.fresh()

    def calls(first, last):
        for number in range(first, last):
            tablet.say({"type": "alert", "id": f"crash-{number}", "source": "bed-412-B", "kind": "call.emergency",
                        "priority": "high", "bed": f"4{number:02}", "text": f"Emergency call {number}"})
            time.sleep(0.002)
    calls(0, CRASH // 2)
    house.broker.end(signal.SIGKILL)
    story.tell("kill -9 of mosquitto; the devices go on calling.")
    calls(CRASH // 2, CRASH)
    durable = sum(bool(tablet.answer(lambda o, n=n: o.get("answer") == "durable" and o.get("id") == f"crash-{n}", 10))
                  for n in range(CRASH))
    check("every call was accepted", durable == CRASH, f"{durable} of {CRASH}")
    began = time.monotonic()
    check("the broker starts again", house.broker_start(), house.broker_text())
    _, events = ana.sees_events(CRASH, 30)
    shown = ana.fresh(settle=0.5).splitlines()
    story.show("ana", "\n".join([line for line in shown if "lost" in line or "watches" in line][:4]))
    check("nothing acknowledged is lost", events == CRASH, f"{events} of {CRASH}")
    story.true(f"{CRASH} calls accepted around the crash, all seen by ana",
               f"{events}, none twice, {time.monotonic() - began:.1f} s after the restart")


def revoke(story, house, gateways, ana):
    story.step("A role is taken away while its holder is connected")
    ana.fresh()
    done = house.tool("user", "revoke", "ana", "--dir", house.dir, "--role", "nurse")
    story.show("operator", "$ pullcord user revoke ana --role nurse\n" + done.stdout)
    time.sleep(0.3)
    gateways[2].say({"type": "alert", "id": "after", "source": "bed-412-B", "kind": "call.normal", "priority": "high",
                     "bed": "412-B", "text": "After the revocation"})
    check("the call is accepted", gateways[2].answer(lambda o: o.get("answer") == "stored" and o.get("id") == "after", 5))
    ana.quiet(1.0)
    story.show("ana", ana.fresh() + "\n" + tail(ana.people.text(), 3))
    story.true("the next alert does not reach her", "0 alerts; her session was ended")
    topic = "mercy/unit/icu3/alert/high/icu3-tab7"
    done = house.tool("policy", "explain", "--dir", house.dir, "user:ana", "receive", topic, check=False)
    story.show("operator", f"$ pullcord policy explain user:ana receive {topic}\n" + done.stdout)
    check("explain says it is denied", done.returncode == 1, done.stdout + done.stderr)
    story.true("policy explain says why", "denied, and what would have to change")


def record(story, house):
    story.step("The record: who did what, and whether anybody touched it")
    done = house.tool("audit", "tail", "--dir", house.dir, "-n", "6")
    story.show("auditor", "$ pullcord audit tail -n 6\n" + done.stdout)
    done = house.tool("audit", "verify", "--dir", house.dir)
    story.show("auditor", "$ pullcord audit verify\n" + done.stdout)
    entries = json.loads(house.tool("audit", "verify", "--dir", house.dir, "--json").stdout)["entries"]
    story.true("the record verifies", f"{entries} entries")
    said = house.damage_record()
    story.tell("One byte of a copy is changed:")
    story.show("auditor", house.run([house.build / "pullcord", "audit", "verify", "--record", house.root / "changed.mdb",
                                     "--key", house.dir / "keys/root.key", "--vkey", house.dir / "record.vkey"]).stdout)
    check("verification names the entry", said["part"] == "entry", str(said))
    story.true("one changed byte is found", f"entry {said['index']}: {said['what']}")


def tell(story, house):
    gateways = open_the_ward(story, house)
    ana, bea = Screen(house, "ana", "icu3"), Screen(house, "bea", "med4")
    request = three_calls(story, house, gateways, ana, bea)
    intruders(story, house)
    storm(story, gateways, ana)
    acknowledge(story, house, gateways, ana, request)
    crash(story, house, gateways, ana)
    revoke(story, house, gateways, ana)
    record(story, house)
    for gateway in gateways:
        check(f"gateway {gateway.device} stops in good order", gateway.end() == 0)


def summary(story):
    width = max(len(what) for what, _ in story.table)
    print(f"\n{paint('1', 'What was true')}")
    for what, result in story.table:
        print(f"  {what:<{width}}  {result}")
    print(f"\n{len(story.table)} of {len(story.table)} true in {time.monotonic() - story.began:.0f} s; everything was stopped "
          "and removed.\nRead on: README.md · configs/hospital.policy · `build/pullcord help` · tests/scene/*.scene", flush=True)


def main():
    story, house = Story(), House(sys.argv[1] if len(sys.argv) > 1 else TOP / "build")
    wrong = []
    try:
        tell(story, house)
    except (Trouble, OSError) as trouble:
        print(f"\n{paint('31', 'not true')}: {trouble}", file=sys.stderr)
        wrong = house.close(keep=True)
    else:
        wrong = house.close()
        if not wrong:
            summary(story)
            return 0
    print("\n".join(wrong), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
