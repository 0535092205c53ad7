#!/usr/bin/env python3
"""The whole story on this machine, told step by step: `make demo`. Real Mosquitto, plugin, gateways and stock clients on
loopback; every line with a tick was checked. Exit status 0 only if all of them were true; leaves nothing running."""
import json
import os
import statistics
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "scene"))
from house import Gateway, House, PASSWORDS, Trouble, hl7, renumbered, tail    # noqa: E402

DATA = TESTS / "scene/data"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
STORM, CUT = 500, 60


def paint(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


class Story:
    def __init__(self, build):
        self.house = House(build)
        self.began, self.claims, self.chapters, self.latency = time.monotonic(), 0, 0, {}
        self.shown = {}

    # ---- telling ----

    def chapter(self, title):
        self.chapters += 1
        print("\n" + paint("1", f"{self.chapters:2}. {title}"), flush=True)

    def says(self, who, text):
        for line in text.rstrip().splitlines():
            print(f"      {paint('2', who + ' │')} {line}", flush=True)

    def true(self, claim, fact, details=""):
        if not fact:
            raise Trouble(f"not true: {claim}\n{details}")
        self.claims += 1
        print(f"    {paint('32', '✓')} {claim}", flush=True)

    def tool(self, *argv, lines=99, check=True):
        """Runs the tool; shows the command as one would type it, and what it printed."""
        shown = " ".join(str(a) for a in argv if a not in ("--dir", self.house.dir))
        print(f"      {paint('36', '$ pullcord ' + shown.replace(str(self.house.root), '…'))}", flush=True)
        done = self.house.tool(*argv, check=check)
        text = (done.stdout + done.stderr).replace(str(self.house.root), "…")
        self.says("pullcord", "\n".join(text.splitlines()[:lines]))
        return done

    def terminal(self, process):
        """What appeared on somebody's terminal since the last look."""
        text = process.text()
        new = text[self.shown.get(process.name, 0):]
        self.shown[process.name] = len(text)
        self.says(process.name, new.replace(str(self.house.root), "…"))

    def sees(self, watcher, what, seconds=5, **want):
        item = watcher.next(lambda o: o.get("event") == "alert" and all(o.get(k) == v for k, v in want.items()), seconds)
        if not item:
            raise Trouble(f"ana did not see {what}: {want}; only {[o for _, o in watcher.fresh]}")
        return item

    def timed(self, what, watcher, press, **want):
        pressed = time.monotonic()
        press()
        came, alert = self.sees(watcher, what, **want)
        self.latency[what] = (came - pressed) * 1000
        return alert


# ---- the chapters ----

def a_hospital_in_a_folder(s):
    h = s.house
    s.chapter("A hospital in a folder: keys, certificates, policy, three devices, three people")
    h.init("--record-mib", "16")
    s.true("`pullcord init` made certificate authority, server certificate, keys, policy and mosquitto.conf", h.conf.exists())
    for device, role in (("station", "nursecall-device"), ("monitor", "telemetry-device"), ("tablet", "tablet-device")):
        h.enroll(device, "icu3", role)
    for user, unit in (("ana", "icu3"), ("bea", "icu3"), ("carl", "med4")):
        h.add_user(user, unit, "nurse")
    s.tool("device", "list", "--dir", h.dir)
    s.tool("user", "list", "--dir", h.dir)


def broker_and_gateways(s):
    h = s.house
    s.chapter("A stock Mosquitto with the plugin; three gateways come by mutual TLS")
    s.true(f"mosquitto listens for devices on {h.device_port} and for people on {h.app_port}", h.broker_start(),
           tail(h.broker.text()) if h.broker else "")
    s.gateways = {name: Gateway(h, name, "icu3") for name in ("station", "monitor", "tablet")}
    for name, gateway in s.gateways.items():
        gateway.start()
    s.true("nurse-call station and telemetry box listen for HL7 on MLLP ports, the tablet on a Unix socket",
           all(g.process.alive() for g in s.gateways.values()))


def two_wards_watch(s):
    h = s.house
    s.chapter("Ana of ICU 3 and Carl of Med 4 watch their units")
    s.ana, s.carl = h.watch("ana", "icu3"), h.watch("carl", "med4")
    s.screen = h.start("ana", [h.build / "pullcord", "watch", "--dir", h.dir, "--user", "ana", "--password-file",
                               h.password_file("ana"), "--unit", "icu3", "--terminal", "screen"], env=h.env())
    for name, watcher in (("ana", s.ana), ("carl", s.carl)):
        s.true(f"{name} is logged in with a password, and watches",
               watcher.next(lambda o: o.get("event") == "watching", 15), tail(watcher.process.text()))
    end = time.monotonic() + 15
    while "watches" not in s.screen.text() and time.monotonic() < end:
        time.sleep(0.05)


def three_calls(s):
    s.chapter("A bell, an alarm and a tablet: what the nurse sees, and how soon")
    answers = []

    def mllp(name, file):
        return lambda: answers.extend(s.gateways[name].mllp(hl7((DATA / file).read_bytes())))
    s.timed("nurse call", s.ana, mllp("station", "nursecall-bath.hl7"), device="station")
    s.timed("PCD-04 alarm", s.ana, mllp("monitor", "pcd04-start.hl7"), device="monitor")
    tablet = s.gateways["tablet"]
    s.asked = s.timed("tablet request", s.ana, lambda: tablet.say({
        "type": "alert", "id": "t-1", "source": "bed-7", "kind": "call.normal", "priority": "high", "bed": "407-A",
        "text": "Help to the bathroom"}), device="tablet")
    time.sleep(0.3)
    s.terminal(s.screen)
    for answer in answers:
        s.says("hl7 answer", " ".join(l for l in answer.replace("\r", "\n").splitlines() if l.startswith("MSA")))
    s.true("both HL7 senders were told yes, after their alarm was durable", all("MSA|CA|" in a or "MSA|AA|" in a for a in answers)
           and len(answers) == 2, str(answers))
    for kind in ("durable", "stored"):
        answer = tablet.answer(lambda o: o["answer"] == kind, 5)
        s.says("tablet", json.dumps(answer))
        s.true(f"the tablet was told {kind}", answer)
    for what, ms in s.latency.items():
        s.true(f"{what}: {ms:.1f} ms from press to app", ms < 5000)
    s.true("Carl, of another unit, saw none of it", not s.carl.next(lambda o: o.get("event") == "alert", 1))
    done = s.house.run(["mosquitto_sub", *s.house.tls("carl"), "-t", "mercy/unit/icu3/alert/+/+", "-q", "1", "-E"])
    s.says("mosquitto_sub", done.stdout + done.stderr)
    s.true("Carl's own MQTT client is refused when it asks for ICU 3", "denied" in done.stdout + done.stderr)


def intruders(s):
    h = s.house
    s.chapter("An intruder with another CA's certificate, and somebody with a wrong password")
    folder = h.forge("station", "/CN=station", "urn:pullcord:mercy:device:station", own=False)
    argv = ["mosquitto_pub", "-V", "5", "-h", "localhost", "--cafile", h.dir / "ca.crt", "-t", "mercy/x", "-m", "x"]
    done = h.run([*argv, "-p", h.device_port, "-i", "station", "--cert", folder / "device.crt", "--key", folder / "device.key"])
    s.says("mosquitto_pub", done.stdout + done.stderr)
    s.true("the right name on a certificate of another CA is refused", done.returncode)
    for _ in range(20):
        done = h.run([*argv, "-p", h.app_port, "-i", "ana.pub", "-u", "ana", "-P", PASSWORDS["wrong"]])
        if "not authorised" in (done.stdout + done.stderr).lower() or "not authorized" in (done.stdout + done.stderr).lower():
            break
        time.sleep(0.2)
    s.says("mosquitto_pub", done.stdout + done.stderr)
    s.true("a wrong password is refused", "not authori" in (done.stdout + done.stderr).lower())


def a_storm(s):
    s.chapter(f"A storm: {STORM} repeats of one alarm")
    text = hl7((DATA / "pcd04-continue.hl7").read_bytes())
    began = time.monotonic()
    answers = s.gateways["monitor"].mllp(*(renumbered(text, n) for n in range(STORM)), seconds=20)
    took = time.monotonic() - began
    s.true(f"the monitor was told yes {STORM} times in {took:.2f} s", sum("MSA|CA|" in a for a in answers) == STORM,
           str(answers[:2]))
    messages = events = 0
    while events < STORM:
        _, alert = s.sees(s.ana, "the rest of the storm", 15, device="monitor")
        messages, events = messages + 1, events + alert["count"]
    s.terminal(s.screen)
    s.storm = messages
    s.true(f"Ana got {messages} messages, and their counts say {events}", messages < 30 and events == STORM)


def an_answer(s):
    h = s.house
    s.chapter("Ana takes the call, and the lamp at the bed comes on")
    s.tool("ack", s.asked["ref"], "--dir", h.dir, "--user", "ana", "--password-file", h.password_file("ana"))
    answer = s.gateways["tablet"].answer(lambda o: o["answer"] == "acknowledged", 5)
    s.says("tablet", json.dumps(answer))
    s.true("the tablet knows that Ana is coming", answer and answer["by"] == "ana" and answer["state"] == "accepted")


def killed(s):
    h = s.house
    s.chapter(f"The broker is killed in the middle of {CUT} emergencies")
    tablet = s.gateways["tablet"]
    for number in range(CUT):
        tablet.say({"type": "alert", "id": f"k-{number}", "source": "bed-7", "kind": "call.emergency", "priority": "high",
                    "bed": f"4{number:02}", "text": f"Emergency {number}"})
        if number == CUT // 3:
            h.broker.end(9)
            s.true(f"kill -9 after {number + 1} of them", not h.broker.alive())
        time.sleep(0.01)
    durable = {o["id"] for o in iter(lambda: tablet.answer(lambda o: o["answer"] == "durable" and o["id"].startswith("k-"), 2),
                                     None)}
    s.true(f"all {CUT} were answered `durable`, also with nobody there to send them to", len(durable) == CUT, str(len(durable)))
    s.true("the broker is started again", h.broker_start())
    beds = set()
    began = time.monotonic()
    while len(beds) < CUT:
        _, alert = s.sees(s.ana, f"the emergencies after the crash ({len(beds)} came)", 30, device="tablet")
        if alert["text"].startswith("Emergency"):
            beds.add(alert["bed"])
    s.true(f"Ana has all {CUT} of them, {time.monotonic() - began:.1f} s after the restart", True)


def revoked(s):
    h = s.house
    s.chapter("Ana's role is revoked while she is connected")
    bea = h.watch("bea", "icu3")
    s.true("Bea of ICU 3 watches too", bea.next(lambda o: o.get("event") == "watching", 15), tail(bea.process.text()))
    while s.ana.next(lambda o: True, 0.3):
        pass
    s.tool("user", "revoke", "ana", "--dir", h.dir, "--role", "nurse")
    time.sleep(0.5)
    s.gateways["tablet"].say({"type": "alert", "id": "r-1", "source": "bed-7", "kind": "call.emergency", "bed": "407-A",
                              "text": "After the revocation", "priority": "high"})
    s.true("Bea sees the next alert", bea.next(lambda o: o.get("text") == "After the revocation", 5))
    s.true("it does not reach Ana", not s.ana.next(lambda o: o.get("event") == "alert", 1))
    done = s.tool("policy", "explain", "user:ana", "receive", "mercy/unit/icu3/alert/high/tablet", "--dir", h.dir, check=False)
    s.true("`policy explain` says why", done.returncode == 1 and done.stdout)


def the_record(s):
    h = s.house
    s.chapter("All of it is on record, and the record cannot be altered unseen")
    for gateway in s.gateways.values():
        s.true(f"gateway {gateway.device} stops in good order", gateway.end() == 0, tail(gateway.process.text()))
    s.tool("audit", "tail", "--dir", h.dir, "--last", "6")
    done = s.tool("audit", "verify", "--dir", h.dir, check=False)
    s.true("the record is whole, and what was signed", done.returncode == 0)
    said = h.damage_record()
    s.says("pullcord", f"{said['part']} {said['index']}: {said['what']}")
    s.true(f"one byte of a copy changed: verification names entry {said['index']}", said["part"] == "entry")


CHAPTERS = [a_hospital_in_a_folder, broker_and_gateways, two_wards_watch, three_calls, intruders, a_storm, an_answer, killed,
            revoked, the_record]


def summary(s):
    rows = [(f"press to app, {what}", f"{ms:.1f} ms") for what, ms in s.latency.items()]
    rows += [("press to app, median", f"{statistics.median(s.latency.values()):.1f} ms"),
             (f"storm of {STORM} repeats", f"{s.storm} messages"),
             (f"{CUT} emergencies, broker killed", "none lost"),
             ("true of what was claimed", f"{s.claims} of {s.claims}"),
             ("time", f"{time.monotonic() - s.began:.0f} s")]
    print("\n" + paint("1", "    In short"))
    for what, value in rows:
        print(f"      {what:40} {value:>14}")
    print("\n    Read on: README.md; configs/ for a real installation; `build/pullcord help`; tests/scene/*.scene for more "
          "stories.\n")


def main():
    story, trouble = Story(sys.argv[1] if len(sys.argv) > 1 else "build"), None
    try:
        for chapter in CHAPTERS:
            chapter(story)
    except Trouble as problem:
        trouble = str(problem)
    except KeyboardInterrupt:
        trouble = "interrupted"
    finally:
        wrong = story.house.close(keep=bool(trouble))
    if trouble or wrong:
        print("\n" + paint("31", f"    ✗ {trouble or 'it did not end in good order'}"))
        print("\n".join(wrong))
        return 1
    summary(story)
    return 0


if __name__ == "__main__":
    sys.exit(main())
