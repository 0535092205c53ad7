"""Steps of gateways, and of an auditor's own machine, that witness the record."""
import json
import signal

from house import Trouble, patience, tail, wait_for
from stage import expect, seconds_of, step


def folder(stage, device):
    return stage.gateways[device].home / "witness"


def seen(stage, device):
    """How many entries it has vouched for."""
    notes = list(folder(stage, device).glob("note.*"))
    return int(notes[0].read_text().split("\n")[1]) if notes else 0


def reloaded(stage):
    if stage.house.broker and stage.house.broker.alive():
        stage.house.broker.child.send_signal(signal.SIGHUP)


def listed(stage, path):
    wait_for(f"{path} is there", patience(10), path.exists)
    with open(stage.house.dir / "witnesses", "a") as file:
        file.write(path.read_text())
    reloaded(stage)


@step("gateway {device} is a witness")
def _(stage, device):
    gateway = stage.gateways[device]
    with open(gateway.ini, "a") as file:
        file.write(f"\n[witness]\nvkey = {stage.house.dir}/record.vkey\nfolder = {gateway.home}/witness\nevery_s = 1\n")


@step("gateway {device} is a witness among others")
def _(stage, device):
    gateway, peers = stage.gateways[device], stage.house.dir / "witnesses"
    peers.touch()
    with open(gateway.ini, "a") as file:
        file.write(f"\n[witness]\nvkey = {stage.house.dir}/record.vkey\nfolder = {gateway.home}/witness\nevery_s = 1\n"
                   f"peers = {peers}\n")


def gossip(stage, device):
    return f"{stage.house.tenant}/audit/main/witness/{device}/gossip"


@step("broker keeps from {other} what {device} tells")
def _(stage, other, device):
    """It is heard with the other's certificate, while that gateway is not there, and not handed on."""
    done = stage.house.run(["mosquitto_sub", *stage.house.tls(other), "-t", gossip(stage, device), "-q", "1", "-C", "1", "-W",
                            str(int(patience(20))), "-N"], seconds=30)
    expect("something was told", True, "\u2014" in done.stdout, done.stderr)
    (stage.house.root / f"{device}.told").write_text(done.stdout)


@step("broker lets through what {device} told")
def _(stage, device):
    done = stage.house.run(["mosquitto_pub", *stage.house.tls(device), "-t", gossip(stage, device), "-q", "1", "-f",
                            stage.house.root / f"{device}.told"], seconds=15)
    expect("it is said", 0, done.returncode, done.stdout + done.stderr)


@step("gateway {device} is listed as a witness")
def _(stage, device):
    listed(stage, folder(stage, device) / "vkey")


@step("gateway {device} has seen more of the record within {period}")
def _(stage, device, period):
    gateway, before = stage.gateways[device], stage.last.get(("seen", device), 0)
    try:
        wait_for("", patience(seconds_of(period)), lambda: seen(stage, device) > before)
    except Trouble:
        raise Trouble(f"{device} has seen {seen(stage, device)} entries, {before} before:\n"
                      f"{tail(gateway.process.text())}") from None
    stage.last["seen", device] = seen(stage, device)


def signatures(stage, device, who):
    """How many of them are in what it got, and in what it had."""
    kept = sorted(folder(stage, device).glob("evidence.*"))
    expect("evidence", [".got", ".had"], [path.suffix for path in kept])
    return [path.read_bytes().count(f"\u2014 {stage.house.tenant}/{who} ".encode()) for path in kept]


@step("gateway {device} keeps both notes")
def _(stage, device):
    expect("what the record signed in them: with its key and with its line's", [2, 2], signatures(stage, device, "audit/main"))


@step("gateway {device} keeps both notes, one of them from {other}")
def _(stage, device, other):
    """Witnesses tell each other a note without the line: the record's own signature is what convicts it. Which of the two was there
    first is theirs."""
    notes = sorted(zip(signatures(stage, device, "audit/main"), signatures(stage, device, f"device/{other}")))
    expect(f"what the record signed, and {other} cosigned, in them", [(1, 1), (2, 0)], notes)


@step("gateway {device} is shown what others have seen within {period}")
def _(stage, device, period):
    """What convicts by itself is kept as it was told; what does not has made it ask for itself."""
    kept = folder(stage, device)
    try:
        wait_for("", patience(seconds_of(period)), lambda: {".had", ".got"} <= {p.suffix for p in kept.glob("evidence.*")})
    except Trouble:
        raise Trouble(f"{device} has seen nothing:\n{tail(stage.gateways[device].process.text())}") from None
    for told in kept.glob("evidence.*.told"):
        expect("who says so", True, any(f"\u2014 {stage.house.tenant}/device/{other} " in told.read_text()
                                       for other in stage.gateways if other != device))


@step("gateway {device} reads its files again")
def _(stage, device):
    stage.gateways[device].process.child.send_signal(signal.SIGHUP)


@step("list of witnesses is spoiled")
def _(stage):
    path = stage.house.dir / "witnesses"
    stage.last["witnesses"] = path.read_text()
    path.write_text(stage.last["witnesses"] + "no key\n")


@step("list of witnesses is mended")
def _(stage):
    (stage.house.dir / "witnesses").write_text(stage.last["witnesses"])


@step("record is cosigned by {witness} within {period}")
def _(stage, witness, period):
    house, shown = stage.house, {}

    def is_cosigned():
        done = house.tool("audit", "show", "checkpoint", "--dir", house.dir, "--json")
        shown.update(json.loads(done.stdout))
        return witness in shown["witnesses"] and shown["cosigned_size"] > 0
    try:
        wait_for("", patience(seconds_of(period)), is_cosigned, poll=0.2)
    except Trouble:
        raise Trouble(f"it is not: {shown}") from None


@step("audit {count} of the witnesses vouch -> {outcome}")
def _(stage, count, outcome):
    """ok: for what is no older than an hour; quorum: they do not; refused: so many are not listed."""
    house, k = stage.house, int(count)
    shown = house.tool("audit", "show", "checkpoint", "--dir", house.dir, "--quorum", count, "--json", check=False)
    done = house.tool("audit", "verify", "--dir", house.dir, "--quorum", count, "--grace", "60", "--json",
                      check=False)
    said = "refused" if not done.stdout else json.loads(done.stdout)["part"] or "ok"
    expect("verification", outcome, said, done.stdout + done.stderr)
    expect("its code", {"ok": 0, "quorum": 1, "refused": 2}[outcome], done.returncode, done.stderr)
    expect("checkpoint", {"ok": (k, True), "quorum": (k, False), "refused": None}[outcome],
           (json.loads(shown.stdout)["quorum"], json.loads(shown.stdout)["quorum_size"] > 0) if shown.stdout else None,
           shown.stdout + shown.stderr)


@step("audit counts {count} of the witnesses, as the broker's settings say")
def _(stage, count):
    """What is not said by --quorum; of another list than the installation's it is more than half."""
    house, k = stage.house, int(count)
    more, listed = ["--witnesses", house.dir / "witnesses"], (house.dir / "witnesses").read_text().count("\n")
    expect("they are not more than half", True, k != listed // 2 + 1)
    with open(house.dir / "mosquitto.conf", "a") as file:
        file.write(f"plugin_opt_record_quorum {k}\n")
    for command in (["audit", "show", "checkpoint"], ["audit", "verify"]):
        for args, expected in ([], k), (more, listed // 2 + 1), (["--quorum", "1"], 1):
            done = house.tool(*command, "--dir", house.dir, "--json", *args, check=False)
            expect(f"quorum of {command} {args}", expected, json.loads(done.stdout)["quorum"], done.stdout + done.stderr)


@step("record verifies as cosigned by {witness}")
def _(stage, witness):
    done = stage.house.tool("audit", "verify", "--dir", stage.house.dir, "--json")
    expect("witnesses", [witness], json.loads(done.stdout)["witnesses"], done.stdout)


# ---- a machine that hospital IT does not run ----

def auditor(stage, device, *more):
    house = stage.house
    return house.tool("audit", "witness", "--state", house.root / "auditor", "--vkey", house.dir / "record.vkey", "--device",
                      house.folder(device), "--port", house.device_port, "--once", "--json", *more, check=False)


@step("auditor's {device} witnesses the record -> {outcome}")
def _(stage, device, outcome):
    """accepted; contradicted, however it shows; stopped: there is evidence from before."""
    done = auditor(stage, device)
    kind = json.loads(done.stdout)["kind"] if done.stdout else "stopped" if "evidence" in done.stderr else "nothing"
    got = "contradicted" if kind in ("rewind", "fork", "bad-proof") else kind
    expect("what comes of it", outcome, got, done.stdout + done.stderr)
    expect("exit status", 0 if outcome == "accepted" else 1, done.returncode)


@step("auditor's {device} compares with others -> {outcome}")
def _(stage, device, outcome):
    """heard: a majority of them vouches for the same record; unheard: it is cosigned, and too few say so."""
    done = auditor(stage, device, "--peers", stage.house.dir / "witnesses", "--every", "20" if outcome == "heard" else "2")
    expect("it is cosigned", "accepted", json.loads(done.stdout)["kind"], done.stdout + done.stderr)
    expect("others", outcome, "heard" if done.returncode == 0 else "unheard" if "majority" in done.stderr else "?", done.stderr)


@step("auditor's {device} stays, and its list is spoiled and mended")
def _(stage, device):
    """It reads the list again at SIGHUP: what is no list changes nothing."""
    house, path = stage.house, stage.house.dir / "witnesses"
    process = house.start("auditor", [house.build / "pullcord", "audit", "witness", "--state", house.root / "auditor", "--vkey",
                                      house.dir / "record.vkey", "--device", house.folder(device), "--port", house.device_port,
                                      "--peers", path, "--every", "1"], env=house.env())
    wait_for("it is at work", patience(20), lambda: "continue the" in process.text())
    good = path.read_text()
    for text, said in ((good + "no key\n", "cannot read the list of witnesses"), ("", "0 other witnesses are listed"),
                       (good, "1 other witnesses are listed")):
        path.write_text(text)
        process.child.send_signal(signal.SIGHUP)
        try:
            wait_for(said, patience(10), lambda said=said: said in process.text())
        except Trouble:
            raise Trouble(f"{said!r} is not in\n{tail(process.text())}") from None
    expect("it is still there", True, process.alive(), process.text())
    process.end()


@step("auditor's {device} is listed as a witness")
def _(stage, device):
    listed(stage, stage.house.root / "auditor/vkey")
