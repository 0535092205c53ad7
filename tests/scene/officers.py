"""Steps of officers who order a device about, of whoever forges that, and of certificates put on a device."""
import base64
import json
import re
import signal
import time

import wire
from house import Trouble, patience, tail, wait_for
from stage import expect, seconds_of, step

OFFICERS = ("ana", "ben")
COMMAND = {"log-level": 4, "quarantine": 5, "wipe": 6}


def key(stage, officer):
    return stage.house.root / f"{officer}.key"


def order(stage, name):
    return stage.house.root / f"{name}.order"


def signatures_of(lines):
    """Names and signatures, without the key's id, of the lines of a note."""
    rows = [row.removeprefix("\u2014 ").split(" ") for row in lines.strip().split("\n")]
    return [(officer, base64.b64decode(text)[4:]) for officer, text in rows]


def login(stage, user):
    house = stage.house
    return ["--user", user, "--password-file", house.password_file(user), "--dir", house.dir]


@step("gateway {device} obeys officers")
def _(stage, device):
    """Ana and Ben; Eve's key says that it is Ben's."""
    house, gateway = stage.made(), stage.gateways[device]
    officers = gateway.home / "officers"
    lines = [house.tool("order", "key", "--name", f"mercy/officer/{o}", "--out", key(stage, o)).stdout for o in OFFICERS]
    officers.write_text("".join(lines))
    officers.chmod(0o644)
    house.tool("order", "key", "--name", "mercy/officer/ben", "--out", key(stage, "eve"))
    with open(gateway.ini, "a") as file:
        file.write(f"\n[orders]\nofficers = {officers}\nfolder = {gateway.home}/orders\nstay_s = 1\n")


def reload_gateway(gateway, *words):
    said = len(gateway.process.text())
    gateway.process.child.send_signal(signal.SIGHUP)
    wait_for(f"{words} in its log", patience(10), lambda: all(word in gateway.process.text()[said:] for word in words))


@step("gateway {device} is reloaded without officer {officer}, beside a wrong setting")
def _(stage, device, officer):
    gateway = stage.gateways[device]
    officers = gateway.home / "officers"
    lines = officers.read_text().splitlines(keepends=True)
    officers.write_text("".join(line for line in lines if f"/{officer}+" not in line))
    stage.last["struck off", device] = "".join(lines), gateway.ini.read_text()
    with open(gateway.ini, "a") as file:
        file.write("\n[throttle]\nburst = many\n")
    reload_gateway(gateway, "settings_refused", "officers_loaded")


@step("gateway {device} is reloaded with officer {officer}")
def _(stage, device, officer):
    gateway = stage.gateways[device]
    lines, ini = stage.last["struck off", device]
    expect(f"{officer} was there", True, f"/{officer}+" in lines, lines)
    (gateway.home / "officers").write_text(lines)
    gateway.ini.write_text(ini)
    reload_gateway(gateway, "settings_loaded", "officers_loaded")


@step("policy officers are {one} and {other}")
def _(stage, one, other):
    house = stage.made()
    lines = [house.tool("order", "key", "--name", f"mercy/officer/{o}", "--out", key(stage, o)).stdout for o in (one, other)]
    (house.dir / "policy-officers").write_text("".join(lines))
    conf = house.conf.read_text()
    expect("the plugin's folder in its options", True, "\nplugin_opt_dir" in conf)
    house.conf.write_text(
        conf.replace("\nplugin_opt_dir", f"\nplugin_opt_policy_officers {house.dir}/policy-officers\nplugin_opt_dir", 1))


@step("{officer} signs the policy -> {outcome...}")
def _(stage, officer, outcome):
    house = stage.house
    done = house.tool("policy", "sign", house.dir / "pullcord.policy", "--key", key(stage, officer),
                      "--dir", house.dir, check=False)
    text = done.stdout + done.stderr
    expect(f"{outcome!r} is said", True, outcome in text, text)


@step("policy is signed -> {outcome...}")
def _(stage, outcome):
    house = stage.house
    done = house.tool("policy", "check", "--officers", house.dir / "policy-officers", "--dir", house.dir, check=False)
    text = done.stdout + done.stderr
    expect(f"{outcome!r} is said", True, outcome in text, text)
    expect("exit status", 0 if outcome.startswith("two") else 1, done.returncode, text)


@step("{user} writes {name}: {what...}")
def _(stage, user, name, what):
    path = order(stage, name)
    path.unlink(missing_ok=True)
    wait_for(f"{user} writes {name}", patience(30),
             lambda: stage.house.tool("order", "write", *what.split(), "--out", path, *login(stage, user),
                                      check=False).returncode == 0, poll=0.5)


@step("{officer} signs {name}")
def _(stage, officer, name):
    stage.house.tool("order", "sign", order(stage, name), "--key", key(stage, officer))


@step("{name}'s entry names the key of {officer}")
def _(stage, name, officer):
    """As the verifier key has it that the device goes by."""
    device = re.search(r"^device (\S+)$", order(stage, name).read_text(), re.M)[1]
    officers = (stage.gateways[device].home / "officers").read_text()
    claimed = re.search(rf"^(\S+/{officer}\+[0-9a-f]{{8}})\+", officers, re.M)[1]
    expect("its key in the entry", [True], [claimed in entry["detail"] for entry in stage.audit if entry["type"] == "order"][-1:])


@step("{name} says {new} instead of {old}")
def _(stage, name, new, old):
    text = order(stage, name).read_text()
    expect(f"{old} in it", True, old in text, text)
    order(stage, name).write_text(text.replace(old, new, 1))


@step("{name} is as {other} was")
def _(stage, name, other):
    order(stage, name).write_text(order(stage, other).read_text())


@step("{user} orders {name} -> {outcome}")
def _(stage, user, name, outcome):
    """done, failed; refused, and why in brackets."""
    done = stage.house.run([stage.house.build / "pullcord", "order", "send", order(stage, name), "--json", "--wait", "120",
                            *login(stage, user)], seconds=130)
    if not done.stdout.strip():
        raise Trouble(f"nothing came back: {done.stderr}")
    receipt = json.loads(done.stdout)
    got = receipt["outcome"] + (f"({receipt['why']})" if receipt["why"] else "")
    expect("the device says", outcome, got, done.stdout + done.stderr)
    expect("exit status", 0 if outcome == "done" else 1, done.returncode, done.stdout + done.stderr)
    if outcome == "done":
        expect("signed", "yes", receipt["signed"])


@step("{user} orders {name} of a device that is away")
def _(stage, user, name):
    house = stage.house
    waiting = stage.last["waiting", name] = house.start(
        f"order-{name}", [house.build / "pullcord", "order", "send", order(stage, name), "--wait", "300", *login(stage, user)],
        env=house.env())
    wait_for(f"{name} is sent", patience(20), lambda: "is away" in waiting.text() or not waiting.alive())


@step("{name} is {outcome} when it is back, within {period}")
def _(stage, name, outcome, period):
    waiting = stage.last["waiting", name]
    wait_for("its end", patience(seconds_of(period)), lambda: not waiting.alive())
    expect("exit status", 0, waiting.child.returncode, waiting.text())
    expect("what it says", True, f": {outcome}" in waiting.text(), waiting.text())


def hand_over(stage, user, name, expires_us=None, qos=1):
    """Without our tool, which knows when an order is no good. Gives what sends it once, and the order's fields."""
    house, path = stage.house, stage.house.root / "command"
    fields, signatures = order(stage, name).read_text().split("\n\u2014 ", 1)
    line = dict(row.split(" ", 1) for row in fields.split("\n")[1:] if " " in row)
    body = wire.device_command(COMMAND[line["command"]], int(line["counter"]), bytes.fromhex(line["nonce"]),
                               fields.split("\n", 8)[8][:int(line["detail"])], expires_us or int(line["expires"]),
                               signatures_of(signatures))
    stage.sequence += 1
    path.write_bytes(wire.envelope(house.tenant, "user", user, "device-command", body, int(time.time() * 1e6),
                                   sequence=stage.sequence))
    return lambda: house.run(["mosquitto_pub", *house.tls(user), "-t", f"{house.tenant}/device/{line['device']}/cmd",
                              "-q", str(qos), "-f", path]), line


def publish(stage, user, name, why, expires_us=None):
    """Cut off at first: the order is not on durable record before that."""
    house, (send, line) = stage.house, hand_over(stage, user, name, expires_us)
    wait_for("the broker takes it", patience(20), lambda: send().returncode == 0, poll=0.2)
    shown = {}

    def refused():
        shown.update(json.loads(house.tool("order", "status", line["device"], "--json", *login(stage, user)).stdout))
        return shown["refused"] == f"{line['command']}: {why}"
    try:
        wait_for("", patience(20), refused, poll=0.2)
    except Trouble:
        raise Trouble(f"it says: {shown}") from None


@step("{user} publishes {name} by hand, expired {ago} ago -> {why}")
def _(stage, user, name, ago, why):
    publish(stage, user, name, why, int((time.time() - seconds_of(ago)) * 1e6))


@step("{user} publishes {name} by hand -> {why}")
def _(stage, user, name, why):
    publish(stage, user, name, why)


@step("{user} publishes {name} by hand at QoS 0 -> nothing")
def _(stage, user, name):
    """Nobody would be told that it is to come again: however often it comes, it does not go on, and the log says so."""
    send, line = hand_over(stage, user, name, qos=0)
    stage.house.tool("order", "status", line["device"], "--json", *login(stage, user))
    for n in range(1, 3):
        send()
        wait_for("it is in the broker's log", patience(20),
                 lambda n=n: stage.house.broker_text().count("order_unanswered sender=" + user) == n)


@step("{user} publishes {name} by hand, once -> cut off")
def _(stage, user, name):
    send, line = hand_over(stage, user, name)
    stage.house.tool("order", "status", line["device"], "--json", *login(stage, user))      # its password is known by then
    if send().returncode == 0:
        raise Trouble("it was acknowledged")


@step("{user} awaits {name} -> done within {period}")
def _(stage, user, name, period):
    done = stage.house.run([stage.house.build / "pullcord", "order", "await", order(stage, name), "--json", "--wait",
                            str(int(patience(seconds_of(period)))), *login(stage, user)], seconds=120)
    expect("exit status", 0, done.returncode, done.stdout + done.stderr)
    receipt = json.loads(done.stdout)
    expect("receipt", ("done", "yes"), (receipt["outcome"], receipt["signed"]), done.stdout)


@step("{device} says by hand that {name} is done -> not believed")
def _(stage, device, name):
    """Whoever holds its account, or the broker, but not the key of its certificate."""
    house, path, now_us = stage.house, stage.house.root / "state", int(time.time() * 1e6)
    shown = json.loads(house.tool("order", "show", order(stage, name), "--json").stdout)
    receipt = (wire.number(1, COMMAND[shown["command"]]) + wire.number(2, shown["counter"]) +
               wire.data(3, bytes.fromhex(shown["order"])) + wire.number(4, 2) + wire.fixed64(7, now_us))
    body = wire.number(1, 1) + wire.fixed64(2, now_us) + wire.data(3, "1") + wire.data(22, receipt)
    stage.sequence += 1
    path.write_bytes(wire.envelope(house.tenant, "device", device, "device-state", body, now_us, sequence=stage.sequence))
    done = house.run(["mosquitto_pub", *house.tls(device), "-t", f"{house.tenant}/device/{device}/state", "-q", "1", "-r",
                      "-f", path])
    expect("exit status of mosquitto_pub", 0, done.returncode, done.stderr)

    def not_believed():
        done = house.run([house.build / "pullcord", "order", "await", order(stage, name), "--wait", "1", *login(stage, "opa")])
        expect("exit status", 1, done.returncode, done.stdout + done.stderr)
        return "who has not the key" in done.stderr
    wait_for("it says why", patience(0), not_believed)


@step("gateway {device} has obeyed {count}")
def _(stage, device, count):
    done = stage.house.tool("order", "status", device, "--json", *login(stage, "opa"))
    expect("orders obeyed", int(count), json.loads(done.stdout)["obeyed"], done.stdout)


@step("gateway {device} ends as wiped within {period}")
def _(stage, device, period):
    gateway = stage.gateways[device]
    try:
        wait_for("", patience(seconds_of(period)), lambda: not gateway.process.alive())
    except Trouble:
        raise Trouble(f"it still runs:\n{tail(gateway.process.text())}") from None
    expect("exit status", 3, gateway.process.child.returncode, tail(gateway.process.text()))


@step("gateway {device} has no keys any more")
def _(stage, device):
    gateway = stage.gateways[device]
    left = [str(p) for p in (gateway.home / "outbox.key", gateway.home / "outbox.mdb", stage.house.folder(device) / "device.key")
            if p.exists()]
    expect("what is left of them", [], left)


@step("gateway {device} is checked with {setting} in {folder} -> {outcome...}")
def _(stage, device, setting, folder, outcome):
    """One that has run; each file or folder of its settings that ends in the setting's name is sought elsewhere."""
    gateway = stage.gateways[device]
    other = gateway.home / "other.ini"
    other.write_text(re.sub(rf"^({setting} *=).*/", rf"\1 {folder}/", gateway.ini.read_text(), flags=re.M))
    done = stage.house.run([stage.house.build / "pullcord-gateway", "--config", other, "--check"])
    if outcome not in done.stdout + done.stderr:
        raise Trouble(f"--check did not say {outcome!r}:\n{done.stdout}{done.stderr}")


@step("gateway {device} start again -> wiped")
def _(stage, device):
    """As the unit does: it is checked first, which must not be in the way of what is left to be done."""
    gateway = stage.gateways[device]
    done = stage.house.run([stage.house.build / "pullcord-gateway", "--config", gateway.ini, "--check"])
    expect("exit status of --check", 0, done.returncode, done.stdout + done.stderr)
    done = stage.house.run([stage.house.build / "pullcord-gateway", "--config", gateway.ini])
    expect("exit status", 3, done.returncode, done.stdout + done.stderr)
    expect("it says so", True, "was wiped" in done.stderr, done.stderr)


# ---- certificates ----

@step("gateway {device} is given a certificate that says nothing of its use")
def _(stage, device):
    """It shakes hands like any other; only our plugin will not have it."""
    house = stage.house
    made = house.forge(f"{device}-useless", f"/CN={device}", f"urn:pullcord:{house.tenant}:device:{device}", usage="")
    for name in ("device.key", "device.crt"):
        (made / name).rename(house.folder(device) / name)


def set_uplink(gateway, setting, value):
    gateway.ini.write_text(re.sub(rf"^{setting} *=.*", f"{setting} = {value}", gateway.ini.read_text(), count=1, flags=re.M))


@step("gateway {device} trusts {which} CA")
def _(stage, device, which):
    """another; the: the house's; no: a file that holds a key."""
    house, gateway = stage.made(), stage.gateways[device]
    if which == "another":
        cafile = house.forge(f"{device}-other", "/CN=other", "none", own=False) / "ca.crt"
    else:
        cafile = house.dir / "ca.crt" if which == "the" else house.folder(device) / "device.key"
    set_uplink(gateway, "cafile", cafile)


@step("gateway {device} has a key of mode {mode}")
def _(stage, device, mode):
    (stage.house.folder(device) / "device.key").chmod(int(mode, 8))


@step("gateway {device} looks for {host}")
def _(stage, device, host):
    set_uplink(stage.gateways[device], "host", host)


def expect_said(stage, argv, outcome, code=None):
    done = stage.house.run([stage.house.build / "pullcord-gateway", *argv])
    expect(f"{outcome!r} is said", True, outcome in done.stdout + done.stderr, done.stdout + done.stderr)
    if code is not None:
        expect("its exit code", code, done.returncode)


@step("gateway {device} checked -> {outcome...}")
def _(stage, device, outcome):
    expect_said(stage, ["--config", stage.gateways[device].ini, "--check"], outcome)


@step("gateway {device} checked with {setting} {value} in [{section}] -> {outcome...}")
def _(stage, device, section, setting, value, outcome):
    """HERE stands for its folder."""
    gateway = stage.gateways[device]
    other, value = gateway.home / "other.ini", value.replace("HERE", str(stage.house.folder(device)))
    text = re.sub(rf"^{setting} *=.*\n", "", gateway.ini.read_text(), flags=re.M)
    other.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{setting} = {value}\n", 1))
    expect_said(stage, ["--config", other, "--check"], outcome, 1)


@step("gateway called with {options} -> {code} {outcome...}")
def _(stage, options, code, outcome):
    """Commas between the options."""
    expect_said(stage, options.split(","), outcome, int(code))
