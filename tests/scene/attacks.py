"""Steps of those who mean harm: sessions held open by a client of our own, hostile names, certificates and topics."""
import ast
import base64
import json
import math
import os
import random
import re
import signal
import threading
import time

import der
import mqtt
from house import Trouble, certificate_files, free_port, patience, wait_for
from stage import DATA, expect, forged, seconds_of, step, wanted


# ---- sessions held open by a client of our own ----

def hostile_words(name):
    """A file with one Python string literal a line; # begins a comment."""
    return [ast.literal_eval(line) for line in (DATA / name).read_text().splitlines() if line and line[0] != "#"]


def open_session(stage, who, client, clean=False, will=None, once=False):
    """(outcome, connection). As stock clients do: closed without an answer is tried again, unless it stays so."""
    end = time.monotonic() + patience(0)
    while True:
        connection = mqtt.Connection(*stage.house.ends(who), seconds=patience(10))
        outcome = connection.connect(client, *stage.house.words(who), clean=clean, will=will)
        if outcome != "closed" or stage.house.folder(who).exists() or once or time.monotonic() > end:
            return outcome, connection
        time.sleep(0.1)


def opens(stage, who, client, outcome, **more):
    got, connection = open_session(stage, who, client, **more)
    expect(f"{who} opens {client}", outcome, got)
    if got == "accepted":
        stage.sessions[client] = connection


@step("{who} opens {client} -> {outcome}")
def _(stage, who, client, outcome):
    """A session that is kept when the connection ends."""
    opens(stage, who, client, outcome)


@step("{who} opens {client} anew -> {outcome}")
def _(stage, who, client, outcome):
    """Clean start: what was kept under this client id is thrown away."""
    opens(stage, who, client, outcome, clean=True)


@step("{who} opens {client} anew {times} times -> {outcome}")
def _(stage, who, client, times, outcome):
    for _ in range(int(times)):
        got, connection = open_session(stage, who, client, clean=True)
        expect(f"{who} opens {client}", outcome, got)


@step("{who} opens {client} with a will on {topic} and drops")
def _(stage, who, client, topic):
    got, connection = open_session(stage, who, client, clean=True, will=(topic, b"from the grave", False))
    expect(f"{who} opens {client}", "accepted", got)
    connection.drop()


@step("{who} opens {client} with a will on {topic} -> {outcome}")
def _(stage, who, client, topic, outcome):
    opens(stage, who, client, outcome, once=True, will=(topic, b"from the grave", False))


@step("{who} opens {client} with its state as a will on {topic} -> {outcome}")
def _(stage, who, client, topic, outcome):
    opens(stage, who, client, outcome, will=(topic, forged(stage, "state", who), False))


@step("{client} asks for {filter} -> {outcome}")
def _(stage, client, filter, outcome):
    expect(f"{client} asks for {filter}", outcome, stage.sessions[client].subscribe(filter))


@step("{client} publishes an alert on {topic}, and again by its alias {alias} -> {outcome}")
def _(stage, client, topic, alias, outcome):
    for name in (topic, ""):
        got = stage.sessions[client].publish(name, forged(stage, "alert", client, priority=topic.split("/")[4]), alias=int(alias))
        expect(f"{client} publishes on {name or 'the alias of'} {topic}", outcome, got)


@step("{client} drops")
def _(stage, client):
    stage.sessions[client].drop()


@step("{client} was never disconnected")
def _(stage, client):
    if not stage.sessions[client].is_alive():
        raise Trouble(f"the connection of {client} is over")


@step("{client} is disconnected within {period}")
def _(stage, client, period):
    """Waits for longer; but for sanitizers, which are slow, it must not have taken that."""
    connection, began = stage.sessions[client], time.monotonic()
    connection.receive(patience(seconds_of(period)))
    took = time.monotonic() - began
    if connection.sock:
        raise Trouble(f"{client} is still connected")
    if took > seconds_of(period) and not stage.house.sanitized:
        raise Trouble(f"{client} was disconnected after {took:.1f} s")


@step("{client} got {count} messages of {topic} within {period}")
def _(stage, client, count, topic, period):
    """Different ones: an open alert may come once from the queue and once as what is open."""
    connection = stage.sessions[client]

    def bodies():
        return {body for where, body, _ in connection.delivered if where == topic}
    connection.receive(patience(seconds_of(period)) if int(count) else seconds_of(period),
                       lambda: int(count) and len(bodies()) >= int(count))
    expect(f"messages of {topic} for {client}", int(count), len(bodies()), str([where for where, _, _ in connection.delivered]))


@step("{client} got nothing within {period}")
def _(stage, client, period):
    connection = stage.sessions[client]
    connection.receive(seconds_of(period))
    expect(f"messages for {client}", [], connection.delivered)


@step("{device} publishes {times} alerts in {unit}")
def _(stage, device, times, unit):
    """Each another one, as a gateway would."""
    got, connection = open_session(stage, device, device, clean=True)
    expect(f"{device} connects", "accepted", got)
    for _ in range(int(times)):
        topic = f"mercy/unit/{unit}/alert/high/{device}"
        expect(f"publishing on {topic}", "accepted", connection.publish(topic, forged(stage, "alert", device)))
    connection.drop()


@step("{count} hostile ids of {file} are refused as client ids and as names")
def _(stage, count, file):
    words = hostile_words(file)
    expect(f"ids in {file}", int(count), len(words))
    for word in words:
        raw = word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word
        for client, name in ((raw, raw), (raw + b".t1", raw), (raw, b"ana"), (b"ana." + raw, b"ana")):
            connection = mqtt.Connection(*stage.house.ends("ana"), seconds=patience(10))
            if connection.connect(client, name, stage.house.password_of("ana").encode()) == "accepted":
                raise Trouble(f"{name!r} was let in as {client!r}")


@step("{count} spellings of {file} are tried by {who} in every way")
def _(stage, count, file, who):
    """Left as a will, subscribed to, published and retained. The ways said beside a spelling are root's."""
    rows = hostile_words(file)
    expect(f"spellings in {file}", int(count), len(rows))
    for row in rows:
        topic, ways = row if isinstance(row, tuple) else (row, "")
        passed = " ".join(ways_open(stage, who, topic))
        expect(f"{who} may use {topic!r} in these ways", ways if who == "root" else "", passed)


def ways_open(stage, who, topic):
    """A will has no answer here: what came of it is in the record. The password is checked before it comes to the will."""
    client = who if stage.house.folder(who).exists() else f"{who}.t9"

    def connected():
        outcome, plain = open_session(stage, who, client, clean=True)
        expect(f"{who} connects", "accepted", outcome)
        outcome, connection = open_session(stage, who, client, clean=True, will=(topic, b"from the grave", False), once=True)
        if outcome == "accepted":
            return connection
        outcome, plain = open_session(stage, who, client, clean=True)    # the broker itself takes no such will
        expect(f"{who} connects", "accepted", outcome)
        return plain
    connection = connected()
    for way, ask in (("subscribe", lambda: connection.subscribe(topic)), ("publish", lambda: connection.publish(topic, b"x")),
                     ("retain", lambda: connection.publish(topic, b"x", retain=True))):
        if ask() in ("granted", "accepted"):
            yield way
        if not connection.sock:
            connection = connected()
    connection.drop()


@step("audit shows no {what...}")
def _(stage, what):
    """Whatever was to be recorded is, once a later step has shown something newer."""
    match = wanted(what)
    for entry in entries(stage):
        if match(entry):
            raise Trouble(f"there is {json.dumps(entry)}")


@step("audit counts {times} of {what...}, in at most {first} entries and {more} for each 10s")
def _(stage, times, what, first, more):
    match = wanted(what)
    found = []

    def enough():       # the record is written behind what it is of
        found[:] = [entry for entry in entries(stage) if match(entry)]
        return sum(entry["count"] for entry in found) >= int(times)

    wait_for(f"{times} of {what}", patience(10), enough)
    expect(f"times of {what}", int(times), sum(entry["count"] for entry in found), str(len(found)))
    seconds = (max(entry["until_us"] or entry["at_us"] for entry in found) - min(entry["at_us"] for entry in found)) / 1e6
    most = int(first) + int(more) * math.ceil(seconds / 10)
    print(f"# {len(found)} entries in {seconds:.1f} s", flush=True)
    if len(found) > most:
        raise Trouble(f"{len(found)} entries of {what} in {seconds:.1f} s, not at most {most}")


def entries(stage):
    done = stage.house.tool("audit", "tail", "--dir", stage.house.dir, "--json", "--last", "100000")
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- a configuration that leads the check astray ----

@step("conf is copied to {name} and that is shown to the plugin")
def _(stage, name):
    conf, copy = stage.house.conf, stage.house.dir / name
    line = f"plugin_opt_broker_conf {copy}"
    text = conf.read_text().replace(line + "\n", "")
    copy.write_text(text)
    conf.write_text(text.replace("plugin_opt_dir", line + "\nplugin_opt_dir", 1))


# ---- versions of TLS, orders of events ----

@step("{whose} port speaks {version} -> {outcome}")
def _(stage, whose, version, outcome):
    house = stage.house
    devices = whose == "devices'"
    cert, key = certificate_files(house.folder("nc1"))
    done = house.run(["openssl", "s_client", "-connect", f"127.0.0.1:{house.device_port if devices else house.app_port}",
                      f"-{version}", "-cipher", "DEFAULT:@SECLEVEL=0", "-CAfile", house.dir / "ca.crt", "-brief",
                      *(["-cert", cert, "-key", key] if devices else [])])
    text = done.stdout + done.stderr
    expect(f"{version} at {whose} port", outcome, "accepted" if "CONNECTION ESTABLISHED" in text else "refused", text)


def ca(house, *words):
    config, index = house.root / "ca.conf", house.root / "index"
    index.touch()
    config.write_text(f"[ca]\ndefault_ca = ours\n[ours]\ndatabase = {index}\ndefault_md = sha256\n")
    der.run("openssl", "ca", "-config", config, "-cert", house.dir / "ca.crt", "-keyfile", house.dir / "keys/ca.key", *words)


@step("revocation list ends in {hours} hours")
def _(stage, hours):
    """Another one in its place, which the broker has not read yet."""
    ca(stage.made(), "-gencrl", "-crlhours", hours, "-out", stage.house.dir / "ca.crl")


@step("revocation list names {device}")
def _(stage, device):
    ca(stage.house, "-revoke", certificate_files(stage.house.folder(device))[0])
    ca(stage.house, "-gencrl", "-crlhours", "48", "-out", stage.house.dir / "ca.crl")


@step("conf has a listener for devices by websocket as well")
def _(stage):
    house, stage.websocket_port = stage.made(), free_port()
    text = house.conf.read_text()
    own = text[text.index(f"listener {house.device_port}"):text.index(f"listener {house.app_port}")]
    house.conf.write_text(text + own.replace(str(house.device_port), str(stage.websocket_port), 1) + "protocol websockets\n")


@step("{who} connects by websocket -> {outcome}")
def _(stage, who, outcome):
    _, *trust = stage.house.ends(who)
    connection = mqtt.Connection(stage.websocket_port, *trust, seconds=patience(10), websocket=True)
    expect(f"{who} connects", outcome, connection.connect(who))
    if outcome == "accepted":
        expect(f"{who} says something", "accepted", connection.publish(f"mercy/device/{who}/state", forged(stage, "state", who)))
    connection.drop()


@step("{user} and {device} take over, drop, leave wills and are reloaded in {turns} random turns")
def _(stage, user, device, turns):
    """The seed is printed; TEST_SEED replays. Whoever is connected last under a client id is the one who is."""
    seed = int(os.environ.get("TEST_SEED", time.time_ns() % 1000000))
    print(f"# TEST_SEED={seed}", flush=True)
    turn, held = random.Random(seed), {}
    for _ in range(int(turns)):
        who = turn.choice([user, user, device])
        client = device if who == device else turn.choice([f"{user}.t1", f"{user}.t2"])
        what = turn.randrange(6)
        if what < 3:
            will = (f"mercy/device/{device}/state", b"x", True) if turn.random() < 0.3 else None
            old = held.pop(client, None)
            outcome, held[client] = open_session(stage, who, client, clean=turn.random() < 0.3, will=will)
            expect(f"{who} opens {client}", "accepted", outcome)
            if old:
                old.receive(patience(5))
                if old.sock:
                    raise Trouble(f"the connection of {client} that was taken over lives")
        elif what == 3 and client in held:
            held.pop(client).drop()
        elif what == 4:
            stage.house.broker.child.send_signal(signal.SIGHUP)
        for name, connection in held.items():
            if not connection.is_alive():
                raise Trouble(f"the connection of {name} was ended")
    for connection in held.values():
        connection.drop()


# ---- rights taken away in mid-stream ----

class Flow:
    """One device publishes `total` alerts as fast as it is answered; notes when each was sent."""

    def __init__(self, stage, device, unit, total):
        self.stage, self.device, self.total = stage, device, total
        self.topic = f"mercy/unit/{unit}/alert/high/{device}"
        self.sent, self.refused = {}, 0
        outcome, self.connection = open_session(stage, device, device, clean=True)
        expect(f"{device} connects", "accepted", outcome)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        for _ in range(self.total):
            body = forged(self.stage, "alert", self.device, same_key=True)
            self.sent[body] = time.monotonic()
            if self.connection.publish(self.topic, body) != "accepted":
                self.refused += 1
        self.connection.drop()


class Ear:
    """Takes what one session is sent, with the moment it came; connects again when it is thrown out."""

    def __init__(self, stage, who, client):
        self.stage, self.who, self.client, self.heard, self.over = stage, who, client, {}, False
        self.connection = stage.sessions[client]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over:
            self.connection.receive(0.05, lambda: self.connection.delivered)
            for _, body, _ in self.connection.delivered:
                self.heard.setdefault(body, time.monotonic())
            self.connection.delivered.clear()
            if not self.connection.sock:
                time.sleep(0.05)
                _, self.connection = open_session(self.stage, self.who, self.client, once=True)

    def end(self):
        self.over = True
        self.thread.join()
        self.stage.sessions[self.client] = self.connection


@step("{device} publishes {before}+{after} alerts in {unit} while {admin} revokes {role} of {loser}; all reach {others}")
def _(stage, device, before, after, unit, admin, role, loser, others):
    """`before` may be under way when the revocation is answered; none of the `after` sent then may reach the loser, who
    comes back as often as thrown out. `others`, a comma between, get every one."""
    ears = {who: Ear(stage, who, f"{who}.t1") for who in [loser, *others.split(",")]}
    request = stage.house.root / "request.json"
    request.write_text(json.dumps({"commands": [{"command": "revokeRole", "username": loser, "rolename": role}]}))
    first = Flow(stage, device, unit, int(before))
    stage.house.tool("control", "--file", request, "--dir", stage.house.dir, "--user", admin, "--password-file",
                     stage.house.password_file(admin))
    answered = time.monotonic()
    first.thread.join()
    second = Flow(stage, device, unit, int(after) // (10 if stage.house.sanitized else 1))
    second.thread.join()
    sent = first.sent | second.sent
    everything = len(sent)
    try:
        wait_for("everybody else has them", patience(20),
                 lambda: all(len(sent.keys() & ears[who].heard.keys()) == everything for who in others.split(",")))
    except Trouble as late:
        raise Trouble(f"{late}: {[(who, len(ear.heard)) for who, ear in ears.items()]} of {everything}") from None
    finally:
        for ear in ears.values():
            ear.end()
    expect("publishes refused", 0, first.refused + second.refused)
    heard = ears[loser].heard
    leaked = [body for body in heard if sent.get(body, 0) > answered]
    last = max((when - answered for when in heard.values()), default=0)
    print(f"# {loser} got {len(heard)} of {everything}; the last {last * 1000:+.0f} ms after the answer", flush=True)
    if not heard and int(before):
        raise Trouble(f"{loser} never got anything: nothing was shown")
    expect(f"alerts sent after the answer and got by {loser}", 0, len(leaked))


# ---- certificates no honest tool makes ----

NAME, URN = b"nc1", "urn:pullcord:mercy:device:nc1"
GOOD = {"subject": der.name([der.cn(NAME)]), "alternative": [der.uri(URN)]}
TRICKS = {
    "good": {},
    "nul-in-name": {"subject": der.name([der.cn(b"nc1\0.evil")])},
    "nul-at-the-end": {"subject": der.name([der.cn(b"nc1\0")])},
    "two-names": {"subject": der.name([der.cn(NAME)], [der.cn(b"nc2")])},
    "two-names-in-one-rdn": {"subject": der.name([der.cn(NAME), der.cn(b"nc2")])},
    "bmp-string": {"subject": der.name([der.cn("nc1".encode("utf-16-be"), der.BMP)])},
    "t61-string": {"subject": der.name([der.cn(NAME, der.T61)])},
    "universal-string": {"subject": der.name([der.cn("nc1".encode("utf-32-be"), der.UNIVERSAL)])},
    "empty-subject": {"subject": der.name()},
    "empty-name": {"subject": der.name([der.cn(b"")])},
    "newline": {"subject": der.name([der.cn(b"nc1\n")])},
    "wildcard": {"subject": der.name([der.cn(b"+")])},
    "slash": {"subject": der.name([der.cn(b"nc1/x")])},
    "right-to-left": {"subject": der.name([der.cn("nc1\u202e".encode())])},
    "too-long": {"subject": der.name([der.cn(b"n" * 65)]), "alternative": [der.uri(URN[:-3] + "n" * 65)]},
    "no-alternative-name": {"alternative": []},
    "alternative-name-of-another": {"alternative": [der.uri(URN[:-1] + "2")]},
    "two-alternative-names": {"alternative": [der.uri(URN), der.uri(URN[:-1] + "2")]},
    "dns-for-uri": {"alternative": [der.dns("nc1")]},
    "another-tenant": {"alternative": [der.uri(URN.replace("mercy", "grace"))]},
    "not-enrolled": {"subject": der.name([der.cn(b"nc9")]), "alternative": [der.uri(URN[:-1] + "9")]},
    "for-servers": {"usage": "1.3.6.1.5.5.7.3.1"},
    "a-ca": {"is_ca": True},
    "expired": {"begins": -7200, "ends": -3600},
    "another-ca": {},
}


@step("a certificate with {trick} connects as {client} -> {outcome}")
def _(stage, trick, client, outcome):
    stage.sequence += 1
    folder = stage.house.root / "forged" / f"{trick}-{stage.sequence}"
    folder.mkdir(parents=True)
    cert, key = certificate_files(folder)
    der.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    ca, ca_key = stage.house.dir / "ca.crt", stage.house.dir / "keys/ca.key"
    if trick == "another-ca":    # of the same name
        ca_key = folder / "ca.key"
        der.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", ca_key)
    raw = der.certificate(ca, ca_key, key, **(GOOD | TRICKS[trick]))
    cert.write_text("-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(raw).decode() + "-----END CERTIFICATE-----\n")
    connection = mqtt.Connection(stage.house.device_port, stage.house.dir / "ca.crt", cert, key, patience(10))
    expect(f"a certificate with {trick} connects as {client}", outcome, connection.connect(client))
    connection.drop()


# ---- what the record tells of them ----

def on_record(stage, *criteria):
    house = stage.house
    done = house.tool("audit", "search", "--dir", house.dir, "--json", "--no-index", *criteria)
    return [json.loads(line) for line in done.stdout.splitlines()]


@step("record tells of {count} denied publishes in fewer than {most} entries")
def _(stage, count, most):
    rows = on_record(stage, "--event", "publish", "--outcome", "denied")
    expect("events", int(count), sum(row["count"] for row in rows))
    if len(rows) >= int(most):
        raise Trouble(f"{len(rows)} entries")


@step("record tells of {count} publishes of {device} and their delivery to {user}")
def _(stage, count, device, user):
    said = {row["message"] for row in on_record(stage, "--event", "publish", "--outcome", "allowed", "--device", device)}
    got = {row["message"] for row in on_record(stage, "--event", "deliver", "--user", user) if user in row["recipient_actors"]}
    expect(f"publishes of {device}", int(count), len(said))
    expect("not delivered", set(), said - got)


@step("record has room for {mib} MiB")
def give_room(stage, mib):
    conf = stage.made().conf
    conf.write_text(re.sub(r"^plugin_opt_record_mib .*$", f"plugin_opt_record_mib {mib}", conf.read_text(), flags=re.M))


@step("{device} publishes in {unit} until the record is full")
def fill_record(stage, device, unit):
    """At QoS 0 and in bursts, so that the record's writer keeps up, until its connection ends; then one at a time: near the end
    there may be room again. It is full when nothing was taken for a while: each time closed, and never answered."""
    topic, payload = f"mercy/unit/{unit}/alert/low/{device}", forged(stage, "alert", device, priority="low")
    body = mqtt.text(topic) + b"\0" + payload
    burst = (bytes([mqtt.PUBLISH << 4]) + mqtt.varint(len(body)) + body) * 200
    closed, end = 0, time.monotonic() + patience(90)
    while closed < 8:
        if time.monotonic() > end:
            raise Trouble("the record is never full")
        got, connection = open_session(stage, device, device, clean=True)
        expect(f"{device} connects", "accepted", got)
        if connection.publish(topic, payload) == "closed":
            closed += 1
            time.sleep(0.3)
            continue
        closed = 0
        try:
            while connection.sock and time.monotonic() < end:
                connection.sock.sendall(burst)
                connection.receive(0.03)
        except (OSError, AttributeError):
            connection.drop()
