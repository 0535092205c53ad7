#!/usr/bin/env python3
"""Plays one scene (TAP): a story told to a real broker, real gateways and stock clients, one step a line.

    tests/scene/scene.py [--build DIR] [--keep] FILE.scene

A line is `who what -> outcome`; comments begin with '#'; a line beginning with '|' belongs to the step above it. What
may be said is the table of @step patterns below. A line that begins with [<2.1] or [>=2.1] is for such brokers only; one that ends
with ' \\' goes on in the next. --keep shows every log also when all went well.
"""
import argparse
import hashlib
import json
import re
import shlex
import shutil
import signal
import ssl
import sys
import time
import traceback
from pathlib import Path

import attacks    # its steps
import keeping    # its steps
import officers   # its steps
import thief      # its steps
import vital      # its steps
import witnesses  # its steps
from house import Gateway, PASSWORDS, Trouble, certificate_files, hl7, mosquitto_version, patience, renumbered, tail, wait_for
from stage import DATA, STEPS, Stage, expect, forged, seconds_of, step, wanted


# ---- who there is ----

@step("device {device} in {unit} as {role}")
def _(stage, device, unit, role):
    stage.made().enroll(device, unit, role)
    stage.gateways[device] = Gateway(stage.house, device, unit)


@step("user {user} in {unit} as {role}")
def _(stage, user, unit, role):
    stage.made().add_user(user, unit, role)


@step("user {user} loses {role}")
def _(stage, user, role):
    stage.house.tool("user", "revoke", user, "--dir", stage.house.dir, "--role", role)


@step("user {user} is locked out")
def _(stage, user):
    def shown():
        rows = stage.house.tool("user", "list", "--dir", stage.house.dir, "--json").stdout.splitlines()
        return {row["id"]: row["locked_out_until"] for row in map(json.loads, rows)}[user]
    wait_for(f"{user} is listed as locked out", patience(5), shown, poll=0.2)


@step("user {user} is unlocked")
def _(stage, user):
    stage.house.tool("user", "unlock", user, "--dir", stage.house.dir)


# ---- the broker ----

@step("broker start")
def _(stage):
    if not stage.made().broker_start():
        raise Trouble(f"the broker ended at once:\n{tail(stage.house.broker.text())}")


@step("broker start -> refused: {why...}")
def _(stage, why):
    if stage.made().broker_start():
        raise Trouble("the broker runs")
    if why not in stage.house.broker.text():
        raise Trouble(f"the broker did not say {why!r}:\n{tail(stage.house.broker.text())}")
    if stage.house.broker.child.returncode == 0:
        raise Trouble("the broker ended with exit status 0")


@step("broker is this system's own from now on")
def _(stage):
    stage.house.mosquitto = "mosquitto"


@step("broker kill")
def _(stage):
    stage.house.broker.end(signal.SIGKILL)


@step("broker stop")
def _(stage):
    expect("exit status of the broker", 0, stage.house.broker.end())


@step("broker hup")
def _(stage):
    stage.house.broker.child.send_signal(signal.SIGHUP)


@step("broker lives")
def _(stage):
    if not stage.house.broker.alive():
        raise Trouble(f"the broker has ended:\n{tail(stage.house.broker.text())}")


@step("broker says {text...} within {period}")
def _(stage, text, period):
    try:
        wait_for("", patience(seconds_of(period)), lambda: text in stage.house.broker_text())
    except Trouble:
        raise Trouble(f"the broker did not say {text!r}:\n{tail(stage.house.broker_text())}") from None


@step("conf {line...}")
def _(stage, line):
    """Sets an option everywhere it stands, or adds it above the listeners; the plugin's where its others are."""
    conf, name = stage.made().conf, line.split()[0]
    text, count = re.subn(rf"^{re.escape(name)}( .*)?$", line, conf.read_text(), flags=re.M)
    if not count and name.startswith("plugin_opt_"):
        text, count = re.subn(r"^(plugin_opt_dir .*)$", rf"\1\n{line}", text, flags=re.M)
    conf.write_text(text if count else f"{line}\n{text}")


@step("policy is")
def _(stage, block):
    (stage.made().dir / "pullcord.policy").write_text("\n".join(block) + "\n")


@step("policy file {name} is")
def _(stage, name, block):
    (stage.made().dir / name).write_text("\n".join(block) + "\n")


@step("policy gets")
def _(stage, block):
    path = stage.made().dir / "pullcord.policy"
    path.write_text(path.read_text() + "\n".join(block) + "\n")


@step("policy loses {line...}")
def _(stage, line):
    path = stage.made().dir / "pullcord.policy"
    lines = path.read_text().splitlines()
    expect(f"lines {line!r} in the policy", 1, lines.count(line))
    path.write_text("\n".join(old for old in lines if old != line) + "\n")


@step("policy imports an acl_file")
def _(stage, block):
    """In place of the policy there is; its people are added, with the roles made for them."""
    house = stage.made()
    acl, who, policy = house.root / "acl", house.root / "who.json", house.dir / "pullcord.policy"
    acl.write_text("\n".join(block) + "\n")
    policy.unlink()
    house.tool("policy", "import", "--acl-file", acl, "--tenant", house.tenant, "--out", policy, "--subjects", who)
    for user in map(json.loads, who.read_text().splitlines()):
        house.tool("user", "add", user["id"], "--dir", house.dir, "--password-file", house.password_file(user["id"]),
                   *(word for role in user["roles"] for word in ("--role", role)))


@step("policy on trial is -> {outcome...}")
def _(stage, outcome, block):
    """done, or words of what is wrong with it."""
    house = stage.house
    trial = house.root / "trial.policy"
    trial.write_text("\n".join(block) + "\n")
    done = house.tool("policy", "shadow", trial, "--dir", house.dir, check=False)
    text = done.stdout + done.stderr
    if outcome == "done":
        expect("exit status of policy shadow", 0, done.returncode, text)
    elif outcome not in text or done.returncode != 1:
        raise Trouble(f"it is not refused with {outcome!r}:\n{text}")


@step("policy on trial shows {what...}")
def _(stage, what):
    match, house = wanted(what), stage.house

    def shown():
        stage.trial = house.tool("policy", "shadow", "--dir", house.dir, "--json", check=False)
        return any(match(json.loads(line)) for line in stage.trial.stdout.splitlines())
    try:
        wait_for("", patience(5), shown, poll=0.2)
    except Trouble:
        raise Trouble(f"no difference with {what} in\n{stage.trial.stdout}{stage.trial.stderr}") from None


@step("policy says who may {access} {topic} -> {who...}")
def _(stage, access, topic, who):
    done = stage.house.tool("policy", "who-can", access, topic, "--dir", stage.house.dir, "--json", check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    got = " ".join(f"{row['id']}({row['role']}:{row['line']})" for row in rows) or "nobody"
    expect(f"who may {access} {topic}", who, got, done.stderr)
    expect("exit status of who-can", 0 if rows else 1, done.returncode, done.stderr)


@step("policy changes {old} to {new} -> {changes...}")
def _(stage, old, new, changes):
    """A text in it; what that means for those in the directory, without making it so."""
    house = stage.house
    path, draft = house.dir / "pullcord.policy", house.root / "draft.policy"
    draft.write_text(path.read_text().replace(old, new))
    done = house.tool("policy", "diff", path, draft, "--dir", house.dir, "--json", check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    got = ", ".join(f"{row['user']} {row['change']} {'+'.join(row['access'])} {row['pattern']}" for row in rows if "user" in row)
    expect(f"{old} becomes {new}", changes, got or "nothing", done.stdout + done.stderr)
    expect("exit status of diff", 1 if got else 0, done.returncode, done.stderr)


# ---- gateways ----

@step("gateway {device} start")
def _(stage, device):
    stage.gateways[device].start()


@step("gateway {device} stop")
def _(stage, device):
    gateway = stage.gateways[device]
    expect(f"exit status of gateway {device}", 0, gateway.end(), tail(gateway.process.text()))


@step("gateway {device} kill")
def _(stage, device):
    stage.gateways[device].end(signal.SIGKILL)


@step("gateway {device} says {text...} within {period}")
def _(stage, device, text, period):
    gateway = stage.gateways[device]
    try:
        wait_for("", patience(seconds_of(period)), lambda: text in gateway.process.text())
    except Trouble:
        raise Trouble(f"gateway {device} did not say {text!r}:\n{tail(gateway.process.text())}") from None


def alert_of(device, message, number=0):
    """A line for the local socket: what the step says, and what every line must say."""
    given = json.loads(message.replace("ID", str(number)))
    return {"type": "alert", "source": device, "kind": "call.normal", "text": "said by a scene"} | given


@step("{device} says {message...} {times} times -> {answer}")
def _(stage, device, message, times, answer):
    """"ID" in the object is replaced by 1, 2, 3 ..."""
    alerts = [alert_of(device, message, number + 1) for number in range(int(times))]
    for alert in alerts:
        stage.gateways[device].say(alert)
    for alert in alerts:
        hears(stage, device, answer, f"id={alert['id']}", 10)


@step("{device} says {message...} -> {answer}")
def _(stage, device, message, answer):
    stage.gateways[device].say(alert_of(device, message))
    hears(stage, device, answer, "", 5)


@step("{device} hears {answer} {what...} within {period}")
def _(stage, device, answer, what, period):
    hears(stage, device, answer, what, seconds_of(period))


def hears(stage, device, answer, what, seconds):
    gateway, match = stage.gateways[device], wanted(what)
    if not gateway.answer(lambda obj: obj.get("answer") == answer and match(obj), patience(seconds)):
        raise Trouble(f"{device} did not hear {answer} {what}; it heard {gateway.heard}")


@step("{device} sends {file} -> {code}")
def _(stage, device, file, code):
    answers = stage.gateways[device].mllp(hl7((DATA / file).read_bytes()))
    shown = "\n".join(answers).replace("\r", "\n")
    found = re.search(r"^MSA\|(\w+)", shown, re.M)
    expect("the answer to " + file, code, found[1] if found else "closed", shown)


@step("{device} sends {file} {times} times -> {code}")
def _(stage, device, file, times, code):
    """Each time under another control id."""
    text = hl7((DATA / file).read_bytes())
    answers = stage.gateways[device].mllp(*(renumbered(text, n) for n in range(int(times))))
    expect(f"answers of {code}", int(times), sum(f"MSA|{code}|" in answer for answer in answers), "\n".join(answers[:3]))


# ---- people who watch ----

@step("{user} watches {unit}")
def _(stage, user, unit):
    watcher = stage.watchers[user] = stage.house.watch(user, unit)
    if not watcher.next(lambda obj: obj.get("event") == "watching", patience(15)):
        raise Trouble(f"{user} does not watch:\n{tail(watcher.process.text())}")


@step("{user} hangs")
def _(stage, user):
    stage.watchers[user].process.child.send_signal(signal.SIGSTOP)


@step("{user} hangs no more")
def _(stage, user):
    stage.watchers[user].process.child.send_signal(signal.SIGCONT)


@step("{user} stops watching")
def _(stage, user):
    stage.watchers.pop(user).process.end()


@step("{user} sees {count} alerts standing for {events} events within {period}")
def _(stage, user, count, events, period):
    """`count` is a bound, "<20", or a number."""
    end = time.monotonic() + patience(seconds_of(period))
    seen = {}
    while sum(seen.values()) < int(events):
        item = stage.watchers[user].next(lambda obj: obj.get("event") == "alert", max(0, end - time.monotonic()))
        if not item:
            break
        seen[item[1]["id"]] = item[1]["count"]
    expect("events told of", int(events), sum(seen.values()))
    if not (len(seen) < int(count[1:]) if count[0] == "<" else len(seen) == int(count)):
        raise Trouble(f"{len(seen)} alerts, not {count}")


@step("{user} sees {event} {what...} within {period}")
def _(stage, user, event, what, period):
    match = wanted(what)
    watcher = stage.watchers[user]
    found = watcher.next(lambda obj: obj.get("event") == event and match(obj), patience(seconds_of(period)))
    if not found:
        raise Trouble(f"{user} did not see {event} {what}; only {[o for _, o in watcher.fresh]}")
    if event == "alert":
        stage.last[user] = found[1]


@step("{user} sees no {event} for {period}")
def _(stage, user, event, period):
    found = stage.watchers[user].next(lambda obj: obj.get("event") == event, seconds_of(period))
    if found:
        raise Trouble(f"{user} saw {found[1]}")


@step("{user} answers {state}")
def _(stage, user, state):
    house = stage.house
    house.tool("ack", stage.last[user]["ref"], "--dir", house.dir, "--user", user, "--password-file",
               house.password_file(user), "--state", state)


@step("{user} writes {to} {priority} {text...} -> {outcome...}")
def _(stage, user, to, priority, text, outcome):
    """`to` and `priority` as `pullcord send` takes them."""
    house = stage.house
    done = house.tool("send", text, "--to", to, "--priority", priority, "--dir", house.dir, "--user", user, "--password-file",
                      house.password_file(user), check=False)
    if outcome not in done.stdout + done.stderr:
        raise Trouble(f"pullcord send did not say {outcome!r}:\n{done.stdout}{done.stderr}")


@step("{user} reads back {what...} -> {outcome...}")
def _(stage, user, what, outcome):
    """Options of `pullcord history`; then "refused", or "nothing", or what each message shows (word=value word=value),
    parted by commas, in order."""
    house = stage.house
    def asked():
        done = house.tool("history", "--user", user, "--dir", house.dir, "--password-file", house.password_file(user), "--json",
                          *what.replace("{last}", stage.last.get(user, {}).get("id", "")).split(), check=False)
        return "try again" not in done.stderr, done
    done = until_answered(stage, user, asked)
    items = [json.loads(line) for line in done.stdout.splitlines()]
    text = done.stdout + done.stderr
    if outcome in ("refused", "nothing"):
        expect(f"{user} reads back {what}", outcome, "refused" if done.returncode else f"{len(items)} messages" if items
               else "nothing", text)
        return
    wants = outcome.split(",")
    expect(f"messages {user} reads back from {what}", len(wants), len(items), text)
    for want, item in zip(wants, items):
        if not wanted(want)(item):
            raise Trouble(f"{user} reads back {item}, not{want}")


# ---- stock clients ----

def stock(stage, program, who, *more, seconds=15):
    return stage.house.run([program, *stage.house.tls(who), *more], seconds=seconds)


@step("{who} subscribes {filter} -> {outcome}")
def _(stage, who, filter, outcome):
    done = stock(stage, "mosquitto_sub", who, "-t", filter, "-q", "1", "-E", "-d")
    text = done.stdout + done.stderr
    codes = re.findall(r"^Subscribed \(mid: \d+\): (\d+)", text, re.M)
    got = "granted" if codes and int(codes[0]) < 128 else "refused" if codes else "closed"
    expect(f"{who} subscribes {filter}", outcome, got, text)


@step("{who} reads {filter} -> {what...}")
def _(stage, who, filter, what):
    """What is retained there now."""
    seconds = "2" if what == "nothing" else str(int(patience(0)))
    done = stock(stage, "mosquitto_sub", who, "-t", filter, "-q", "1", "-C", "1", "-W", seconds, "-F", "%r %t")
    expect(f"retained under {filter}", what, done.stdout.strip().removeprefix("1 ") or "nothing", done.stderr)


def until_answered(stage, who, ask):
    """`ask` says whether there was an answer, and which. A person's first connection is closed while the password is looked
    at, and others while the record is behind; as stock clients do, they come again. A device is told at once."""
    end = time.monotonic() + patience(0)
    while True:
        answered, what = ask()
        if answered or stage.house.folder(who).exists() or time.monotonic() > end:
            return what
        time.sleep(0.3)


def publish(stage, who, topic, payload, *more):
    path = stage.house.root / "payload"
    path.write_bytes(payload)
    def asked():
        done = stock(stage, "mosquitto_pub", who, "-t", topic, "-q", "1", "-f", path, "-d", *more)
        return "CONNACK" in done.stdout + done.stderr, done.stdout + done.stderr
    text = until_answered(stage, who, asked)
    if "failed:" in text:
        return "refused", text
    return ("accepted" if re.search(r"received PUBACK \(Mid: \d+, RC:\d+\)", text) else "closed"), text


@step("{who} publishes {kind} of {party} {sender} on {topic} -> {outcome}")
def _(stage, who, kind, party, sender, topic, outcome):
    """An envelope made without our code; priority high unless the topic names another."""
    found = re.search(r"/alert/(code|high|medium|low|info)/", topic)
    payload = forged(stage, kind, sender, party=party, priority=found[1] if found else "high")
    got, text = publish(stage, who, topic, payload)
    expect(f"{who} publishes on {topic}", outcome, got, text)


@step("{who} publishes {kind} of {party} {sender} of {tenant} on {topic} -> {outcome}")
def _(stage, who, kind, party, sender, tenant, topic, outcome):
    got, text = publish(stage, who, topic, forged(stage, kind, sender, party=party, tenant=tenant))
    expect(f"{who} publishes on {topic}", outcome, got, text)


@step("{who} retains {kind} of {party} {sender} on {topic} with {count} properties for {response} -> {outcome}")
def _(stage, who, kind, party, sender, topic, count, response, outcome):
    """User properties, and behind them a response topic with correlation data."""
    more = []
    for i in range(int(count)):
        more += ["-D", "PUBLISH", "user-property", f"n{i}", "v"]
    more += ["-D", "PUBLISH", "response-topic", response, "-D", "PUBLISH", "correlation-data", "mark",
             "-D", "PUBLISH", "content-type", "application/x-protobuf"]
    got, text = publish(stage, who, topic, forged(stage, kind, sender, party=party), "-r", *more)
    expect(f"{who} publishes on {topic}", outcome, got, text)


@step("{who} reads beside {filter}: {what...}")
def _(stage, who, filter, what):
    """Content type, response topic, correlation data and user properties of what is retained there."""
    done = stock(stage, "mosquitto_sub", who, "-t", filter, "-q", "1", "-C", "1", "-W", str(int(patience(0))), "-F", "%C|%R|%D|%P")
    expect(f"beside what is retained under {filter}", what, done.stdout.strip(), done.stderr)


@step("{who} publishes text on {topic} -> {outcome}")
def _(stage, who, topic, outcome):
    got, text = publish(stage, who, topic, b"this is no envelope")
    expect(f"{who} publishes on {topic}", outcome, got, text)


@step("{who} floods {topic} with {count} messages")
def _(stage, who, topic, count):
    """QoS 1: when it ends, the broker has heard them all."""
    stock(stage, "mosquitto_pub", who, "-t", topic, "-q", "1", "-m", "x", "--repeat", count, seconds=60)


@step("{who} retains {kind} of {party} {sender} on {topic} -> {outcome}")
def _(stage, who, kind, party, sender, topic, outcome):
    got, text = publish(stage, who, topic, forged(stage, kind, sender, party=party), "-r")
    expect(f"{who} retains on {topic}", outcome, got, text)


@step("{who} leaves a will on {topic} and is gone")
def _(stage, who, topic):
    """Connects, subscribes to what is its own, and vanishes without a DISCONNECT."""
    house = stage.house
    own = f"mercy/device/{who}/cmd" if house.folder(who).exists() else f"mercy/user/{who}/inbox"
    process = house.start(f"will-{who}", ["stdbuf", "-oL", "mosquitto_sub", *house.tls(who), "-t", own, "-d", "--will-topic",
                                          topic, "--will-payload", "from the grave", "--will-qos", "1"])
    wait_for(f"{who} is connected", patience(10), lambda: "Subscribed" in process.text())
    process.end(signal.SIGKILL)


# ---- administration while the broker runs ----

def commands_of(stage, text):
    """`{"command": ...}`, `[{...}, ...]`; FINGERPRINT(device) is that of the device's certificate, IN(5s) a time."""
    def fingerprint(found):
        pem = certificate_files(stage.house.folder(found[1]))[0].read_text()
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    def soon(found):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_of(found[1])))
    text = re.sub(r"FINGERPRINT\(([\w-]+)\)", fingerprint, text)
    text = re.sub(r"IN\((\d+s)\)", soon, text)
    found = json.loads(text)
    return found if isinstance(found, list) else [found]


def administer(stage, who, commands):
    """What the tool prints: one response a command; None when the broker refuses to listen at all."""
    house, request = stage.house, json.dumps({"commands": commands})
    path = house.root / "request.json"
    path.write_text(request)
    stage.sequence += 1
    source, stdin = (path, None) if stage.sequence % 2 else ("-", request)      # both ways the tool takes one
    done = house.tool("control", "--file", source, "--json", "--dir", house.dir, "--user", who, "--password-file",
                      house.password_file(who), check=False, stdin=stdin)
    stage.response = [json.loads(line) for line in done.stdout.splitlines()]
    return stage.response or None, done.stdout + done.stderr


@step("{who} commands {what...} -> {outcome...}")
def _(stage, who, what, outcome):
    """done, refused (not heard at all), or words that an error must hold."""
    responses, text = administer(stage, who, commands_of(stage, what))
    if not responses:
        expect(f"{who} commands", outcome, "refused", text)
        return
    errors = [r["error"] for r in responses if "error" in r]
    if outcome == "done":
        expect(f"{who} commands", [], errors, text)
    elif not any(outcome in error for error in errors):
        raise Trouble(f"no error says {outcome!r}:\n{text}")


def filled(house, word):
    """@password:bo is the file bo's password is in, @folder:nc2 the folder of that device."""
    kind, _, name = word.partition(":")
    if kind == "@password":
        return house.password_file(name)
    if kind == "@folder":
        house.folder(name).parent.mkdir(exist_ok=True)
        return house.folder(name)
    return word


@step("{who} tells the broker {what...} -> {outcome...}")
def _(stage, who, what, outcome):
    """@password:WHO and @folder:DEVICE stand for the paths of theirs. done and gone are exit codes. On a busy machine the record
    may be behind: then it is said again, as the answer asks for."""
    house, end = stage.house, time.monotonic() + patience(20)
    words = [filled(house, word) for word in shlex.split(what)]
    text = "try again"
    while "try again" in text and "try again" not in outcome and time.monotonic() < end:
        done = house.tool(*words, "--live", "--dir", house.dir,
                          "--user", who, "--login-password-file", house.password_file(who), check=False)
        text = done.stdout + done.stderr
    if outcome in ("done", "gone"):
        expect(f"exit status of pullcord {what}", 0 if outcome == "done" else 3, done.returncode, text)
    elif outcome not in text:
        raise Trouble(f"pullcord {what} did not say {outcome!r}:\n{text}")


@step("folder is told {what...} -> {outcome...}")
def _(stage, what, outcome):
    house = stage.house
    done = house.tool(*(filled(house, word) for word in shlex.split(what)), "--dir", house.dir, check=False)
    text = done.stdout + done.stderr
    if outcome not in text:
        raise Trouble(f"pullcord {what} did not say {outcome!r}:\n{text}")


@step("folder on a disk with room for {count} bytes is told {what...} -> {outcome...}")
def _(stage, count, what, outcome):
    """Each file it writes may be so long. What it was to make is not there afterwards."""
    house = stage.house
    made = house.root / "made"
    done = house.run(["env", "--ignore-signal=XFSZ", "prlimit", f"--fsize={count}", house.build / "pullcord", *shlex.split(what),
                      "--dir", house.dir, "--out", made])
    text = done.stdout + done.stderr
    if done.returncode != 1 or outcome not in text or made.exists():
        raise Trouble(f"pullcord {what} ended with {done.returncode}, {made.exists()}, and did not say {outcome!r}:\n{text}")


@step("who-can {access} {topic} -> {who...}")
def _(stage, access, topic, who):
    """Of the installation's folder."""
    text = stage.house.tool("who-can", access, topic, "--dir", stage.house.dir).stdout
    expect(f"who can {access} {topic}", who, " ".join(text.split()))


@step("{who} is told of {count} who may {access} {topic}")
def _(stage, who, count, access, topic):
    """By the running broker."""
    house = stage.house
    text = house.tool("who-can", access, topic, "--live", "--dir", house.dir, "--user", who, "--login-password-file",
                      house.password_file(who)).stdout
    expect(f"who can {access} {topic}", int(count), len(set(text.split())), text[-200:])


@step("{who} grants {role} to {count} users at once -> {outcome}")
def _(stage, who, role, count, outcome):
    """The users are made by the same kind of command, and are not told apart from others."""
    names = [f"u{number:04}" for number in range(int(count))]
    for what in ([{"command": "createUser", "username": name} for name in names],
                 [{"command": "grantRole", "username": name, "rolename": role} for name in names]):
        responses, text = administer(stage, who, [{"command": "batch", "commands": what}])
        expect("responses", 1, len(responses or []), text)
        got = "refused" if "error" in responses[0] else "done"
        if got != "done":
            break
    expect(f"{who} grants {role} to {count} users", outcome, got, text)


@step("response shows {what...}")
def _(stage, what):
    if what not in json.dumps(stage.response):
        raise Trouble(f"no {what} in {json.dumps(stage.response)}")


@step("{user} is still watching")
def _(stage, user):
    lost = [o for _, o in stage.watchers[user].fresh + stage.watchers[user].seen if o.get("event") == "lost"]
    if lost or not stage.watchers[user].process.alive():
        raise Trouble(f"{user} was interrupted: {lost}")


# ---- connecting under wrong colours ----

def connection(stage, options, seconds=6):
    """What becomes of a connection: accepted, refused (CONNACK with a reason) or closed."""
    argv = ["mosquitto_pub", "-V", "5", "-h", "localhost", "-t", "mercy/nothing", "-m", "x", "-d", *options]
    done = stage.house.run(argv, seconds=seconds)
    text = done.stdout + done.stderr
    if re.search(r"received CONNACK \(0\)", text):
        return "accepted", text
    return ("refused" if "received CONNACK" in text else "closed"), text


def until_heard(stage, who, options):
    def heard():
        got = connection(stage, options)
        return got[0] != "closed", got
    return until_answered(stage, who, heard)


@step("a certificate {subject} {san} of {issuer} CA for {usage} connects as {client} -> {outcome}")
def _(stage, subject, san, issuer, usage, client, outcome):
    stage.sequence += 1
    folder = stage.house.forge(f"forged{stage.sequence}", subject, san, own=issuer == "own", usage=usage)
    cert, key = certificate_files(folder)
    got, text = connection(stage, ["-p", stage.house.device_port, "--cafile", stage.house.dir / "ca.crt", "--cert", cert,
                                   "--key", key, "-i", client])
    expect(f"a certificate {subject} {san} connects as {client}", outcome, got, text)


@step("{device} connects as {client} -> {outcome}")
def _(stage, device, client, outcome):
    got, text = connection(stage, [*stage.house.tls(device)[4:], "-i", client])
    expect(f"{device} connects as {client}", outcome, got, text)


@step("{device} connects as {client} under the name {user} -> {outcome}")
def _(stage, device, client, user, outcome):
    got, text = connection(stage, [*stage.house.tls(device)[4:], "-i", client, "-u", user])
    expect(f"{device} connects under the name {user}", outcome, got, text)


@step("{user} logs in with the {which} password as {client} -> {outcome}")
def _(stage, user, which, client, outcome):
    """As a stock client does: closed without an answer means the answer is being worked out, and is tried again."""
    password = PASSWORDS[which] + (f" {user}" if which == "right" else "")
    options = ["-p", stage.house.app_port, "--cafile", stage.house.dir / "ca.crt", "-u", user, "-P", password, "-i", client]
    got, text = until_heard(stage, user, options)
    expect(f"{user} logs in as {client}", outcome, got, text)


@step("{user} logs in with the right password as {client} within {period}")
def _(stage, user, client, period):
    options = ["-p", stage.house.app_port, "--cafile", stage.house.dir / "ca.crt", "-u", user, "-P",
               f"{PASSWORDS['right']} {user}", "-i", client]
    wait_for(f"{user} is let in", patience(seconds_of(period)),
             lambda: connection(stage, options)[0] == "accepted", poll=0.5)


@step("{user} guesses {count} passwords as {client} -> {outcome}")
def _(stage, user, count, client, outcome):
    """Another one each time; each is looked at."""
    for _ in range(int(count)):
        stage.sequence += 1
        options = ["-p", stage.house.app_port, "--cafile", stage.house.dir / "ca.crt", "-u", user, "-P",
                   f"{PASSWORDS['wrong']} {stage.sequence}", "-i", client]
        got, text = until_heard(stage, user, options)
        expect(f"{user} guesses as {client}", outcome, got, text)


@step("nobody connects without a {what} -> {outcome}")
def _(stage, what, outcome):
    port = stage.house.device_port if what == "certificate" else stage.house.app_port
    got, text = connection(stage, ["-p", port, "--cafile", stage.house.dir / "ca.crt", "-i", "nobody"])
    expect(f"a connection without a {what}", outcome, got, text)


# ---- the record ----

@step("audit verify -> ok")
def _(stage):
    done = stage.house.tool("audit", "verify", "--dir", stage.house.dir, check=False)
    expect("exit status of audit verify", 0, done.returncode, done.stdout + done.stderr)


@step("audit verify -> {complaint...}")
def _(stage, complaint):
    done = stage.house.tool("audit", "verify", "--dir", stage.house.dir, check=False)
    expect("exit status of audit verify", 1, done.returncode, done.stdout + done.stderr)
    expect(f"does it say {complaint!r}", True, complaint in done.stdout + done.stderr, done.stdout + done.stderr)


@step("audit shows {what...}")
def _(stage, what):
    match = wanted(what)

    def shown():
        done = stage.house.tool("audit", "tail", "--dir", stage.house.dir, "--json", "--last", "100000")
        stage.audit = [json.loads(line) for line in done.stdout.splitlines()]
        return any(match(entry) for entry in stage.audit)
    try:
        wait_for("", patience(5), shown, poll=0.2)
    except Trouble:
        shown = [{k: v for k, v in entry.items() if v and not k.endswith("_us")} for entry in stage.audit[-12:]]
        raise Trouble(f"no entry with {what} in\n" + "\n".join(json.dumps(entry) for entry in shown)) from None


@step("entry with {what...} is explained -> {outcome...}")
def _(stage, what, outcome):
    """The newest such entry; the words the explanation must hold."""
    house, match = stage.house, wanted(what)
    tail = house.tool("audit", "tail", "--dir", house.dir, "--json", "--last", "1000")
    found = [entry for entry in map(json.loads, tail.stdout.splitlines()) if match(entry)]
    if not found:
        raise Trouble(f"no entry with {what}")
    done = house.tool("policy", "explain", "--dir", house.dir, "--entry", found[-1]["index"], check=False)
    if outcome not in done.stdout + done.stderr:
        raise Trouble(f"{outcome!r} is not in the explanation:\n{done.stdout}{done.stderr}")


@step("audit accounts for {patient}: {who...}")
def _(stage, patient, who):
    """Everyone who received that patient's data, or `nobody`."""
    want = sorted(set(who.replace(",", " ").split()) - {"nobody", "and"})
    got = None

    def accounted():
        nonlocal got
        done = stage.house.tool("audit", "disclosures", "--dir", stage.house.dir, "--json", "--patient", patient)
        got = sorted({json.loads(line)["recipient"] for line in done.stdout.splitlines()})
        return got == want
    try:
        wait_for("", patience(5), accounted, poll=0.2)
    except Trouble:
        raise Trouble(f"disclosures about {patient}: wanted {want}, got {got}") from None


@step("record is read by tail while nobody takes note")
def _(stage):
    """An odd number of entries tells it from what other steps ask for."""
    stage.house.tool("audit", "tail", "--dir", stage.house.dir, "--last", "1234")
    if not (stage.house.dir / "record.reads").stat().st_size:
        raise Trouble("it left no word beside the record")


@step("record has no index")
def _(stage):
    expect("indexes beside the record", [], sorted(path.name for path in stage.house.dir.glob("record.idx*")))


@step("audit finds events of {user}")
def _(stage, user):
    done = stage.house.tool("audit", "search", "--dir", stage.house.dir, "--user", user, "--count", "--json")
    if not json.loads(done.stdout)["events"]:
        raise Trouble(f"no event of {user}")
    if not (stage.house.dir / "record.idx").exists():
        raise Trouble("the search made no index")


@step("audit finds {count} {event} about {patient}")
def _(stage, count, event, patient):
    done = stage.house.tool("audit", "search", "--dir", stage.house.dir, "--patient", patient, "--event", event, "--json")
    expect(f"entries of {event} about {patient}", int(count), len(done.stdout.splitlines()), done.stdout)
    expect("is the id among them", False, patient in done.stdout, done.stdout)


@step("audit finds {count} {event} on {topic}, and nowhere does it say {word}")
def _(stage, count, event, topic, word):
    house = stage.house

    def found():
        done = house.tool("audit", "search", "--dir", house.dir, "--topic", topic, "--event", event, "--json")
        expect(f"is {word} in what is found", False, word in done.stdout, done.stdout)
        return len(done.stdout.splitlines()) == int(count)
    wait_for(f"{count} entries of {event} on {topic}", patience(5), found, poll=0.2)
    for form in ("csv", "fhir", "atna"):
        expect(f"is {word} in the export as {form}", False,
               word in house.tool("audit", "export", "--dir", house.dir, "--format", form).stdout)


@step("audit finds {proved} logins of {user} and {claimed} that claimed to be")
def _(stage, proved, user, claimed):
    def count(option):
        done = stage.house.tool("audit", "search", "--dir", stage.house.dir, option, user, "--event", "login", "--json")
        return len(done.stdout.splitlines())
    expect(f"logins by and as {user}", (int(proved), int(claimed)), (count("--user"), count("--claimed")))


@step("record has a byte changed -> the entry is named")
def _(stage):
    said = stage.house.damage_record()
    if said["part"] != "entry" or said["index"] is None:
        raise Trouble(f"verification says {said}")


@step("directory is put aside")
def _(stage):
    shutil.copy(stage.house.dir / "directory.mdb", stage.house.root / "aside.directory")


@step("directory put aside is brought back")
def _(stage):
    shutil.copy(stage.house.root / "aside.directory", stage.house.dir / "directory.mdb")


@step("record is put aside")
def _(stage):
    shutil.copy(stage.house.dir / "record.mdb", stage.house.root / "aside.mdb")


@step("record put aside is brought back -> damaged")
def _(stage):
    done = stage.house.verify_copy(stage.house.root / "aside.mdb")
    expect("exit status of audit verify", 1, done.returncode, done.stdout + done.stderr)


@step("wait {period}")
def _(stage, period):
    time.sleep(seconds_of(period))


# ---- playing ----

def for_this_broker(text):
    """The step without what it says of brokers; None: it is for others."""
    said = re.match(r"\[(<|>=)([\d.]+)\]\s+(.*)", text)
    if not said:
        return text
    older = mosquitto_version() < tuple(map(int, said[2].split(".")))
    return said[3] if older == (said[1] == "<") else None


def lines_of(path):
    """(number, text, block) of each step."""
    steps, before = [], ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith("|"):
            steps[-1][2].append(line.lstrip()[1:].removeprefix(" "))
            continue
        text = before + re.sub(r"(^|\s\s)#.*", "", line).strip()
        before = text[:-1] if text.endswith(" \\") else ""
        if text and not before:
            steps.append((number, text, []))
    if before:
        raise Trouble(f"{before}goes on in no line")
    return [(number, here, block) for number, text, block in steps if (here := for_this_broker(text))]


def play(stage, text, block):
    for pattern, function in STEPS:
        if match := pattern.match(text):
            function(stage, **match.groupdict(), **({"block": block} if block else {}))
            return
    raise Trouble("nobody knows how to play this step")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--build", default=Path(__file__).resolve().parents[2] / "build", type=Path)
    args.add_argument("--keep", action="store_true")
    args.add_argument("scene", type=Path)
    args = args.parse_args()

    print("1..1", flush=True)
    stage, trouble = Stage(args.build), None
    number, text = 0, "before its first step"
    try:
        for number, text, block in lines_of(args.scene):
            print(f"# {time.strftime('%H:%M:%S')} {text}", flush=True)
            for session in stage.sessions.values():
                session.keep_alive()
            play(stage, text, block)
    except Exception as problem:
        why = problem if isinstance(problem, Trouble) else traceback.format_exc()
        trouble = f"{args.scene.name}:{number}: {text}\n{why}"
    finally:
        wrong = stage.house.close(keep=bool(trouble) or args.keep)
    print(f"{'not ' if trouble or wrong else ''}ok 1 - {args.scene.stem}")
    for line in "\n".join(([trouble] if trouble else []) + wrong).splitlines():
        print(f"# {line}")
    return 1 if trouble or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
