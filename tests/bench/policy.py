"""What deciding costs the broker, at 10 to a million rules and people, against the broker's own ways. Over plain TCP on
loopback and QoS 0, where it shows most; the instructions are counted by callgrind."""
import base64
import gc
import getpass
import hashlib
import itertools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time

from figures import Row, Series, in_turn, say
from plain import knock, publish_packet
from rig import BROKER_CORE, Process, Unmeasured, cpu_ns, free_ports, resident_mb

SIZES = {"10": 10, "1k": 1000, "100k": 100_000, "1M": 1_000_000}
PEER_MOST = 1000        # rules of a peer: beyond that it starts for minutes under callgrind, and longer the more it has
READERS = 10
SHORT, LONG = 20, 220   # messages of two measurements; the difference is what counts
SLOW_LONG = 60          # the same of a peer with many rules, whose count differs little and takes minutes
BURST = 10
COUNTS = 3
QUIET_S = 2.5           # the record of the logins is signed in it, by a thread that is counted too
LOGINS, SUBSCRIBES, REFUSED, ROUNDS = 100, 500, 400, 5
SESSIONS = 500
CHANGES = 15
IDLE_S = 0.3
HOLDERS = 200           # of dynamic-security's people, who have its role: the more, the longer it starts (20,000: 90 s)
YES, YES_THREAD = "a plugin that always says yes", "the same with a thread that sleeps"
NONE, ACL, PATTERN, DYNSEC = "no access control", "acl_file", "acl_file with patterns", "dynamic-security"
PER_DELIVERY = "policy.instr_per_delivery", "policy.instr_per_further_delivery"
DYNSEC_SO = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"


# ---- the same rules in every language. The last one grants, and everybody has it ---------------------------------------

def topic(n):
    return f"mercy/unit/icu3/vitals/d{n - 1}"


def our_policy(rules, record):
    yield f"tenant mercy\nrecord {record} mercy/unit/+/vitals/+\nrole reader\n  allow control *\n"
    for i in range(rules):
        yield f"  allow both mercy/unit/{{unit}}/vitals/d{i}\n"


def acl_rules(rules, people):
    for p in range(people):
        yield f"user s{p}\n"
        yield from (f"topic readwrite mercy/unit/icu3/vitals/d{i}\n" for i in range(rules))


def pattern_rules(rules):
    yield from (f"pattern readwrite mercy/unit/icu3/vitals/d{i}\n" for i in range(rules))


def dynsec_clients(people, password):
    salt = b"pullcordsalt"     # 12 bytes, as it wants them
    hashed = base64.b64encode(hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)).decode()
    return [{"username": f"s{p}", "roles": [{"rolename": "reader"}] if p < HOLDERS else [], "password": hashed,
             "salt": base64.b64encode(salt).decode(), "iterations": 101} for p in range(people)]


def dynsec(rules, people, password):
    acls = [{"acltype": kind, "topic": f"mercy/unit/icu3/vitals/d{i}", "priority": -i, "allow": True}
            for kind in ("publishClientSend", "publishClientReceive", "subscribePattern") for i in range(rules)]
    acls += [{"acltype": kind, "topic": "$CONTROL/#", "priority": 1, "allow": True}
             for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")]
    return {"defaultACLAccess": {"publishClientSend": False, "publishClientReceive": False, "subscribe": False,
                                 "unsubscribe": True},
            "roles": [{"rolename": "reader", "acls": acls}], "clients": dynsec_clients(people, password)}


# ---- brokers of one plain listener ---------------------------------------------------------------------------------------

class Site:
    """A configuration that brokers are started with, one at a time."""

    def __init__(self, rig, name):
        self.rig, self.name = rig, name
        self.folder = rig.folder / f"policy-{name}"
        self.port = free_ports(1)[0]
        self.conf = self.folder / "mosquitto.conf"

    def configure(self, text, *extra):
        """The hardened baseline, but for TLS and what each brings of its own."""
        text = re.sub(r"^(plugin\w*|allow_anonymous|persistence|autosave_interval|log_type|listener .*)\b.*\n", "",
                      text[:text.index("# ---- devices: mutual TLS")], flags=re.M)
        lines = (*extra, "persistence false", "log_type error", f"listener {self.port} 127.0.0.1")
        self.conf.write_text(text + "\n".join(lines) + "\n")

    def start(self, core=BROKER_CORE):
        p = self.rig.start(Process, f"policy-{self.name}", "mosquitto", "-c", self.conf, core=core)
        p.port = self.port
        return p

    def count(self, alone=False, hashed=True):
        return Counted(self, alone, hashed)

    def login(self, process, user, terminal="t", seconds=120):
        return knock(self.port, f"{user}.{terminal}", user, self.rig.password, seconds, 0.02, process.check)


def write(path, lines):
    with path.open("w") as f:
        f.writelines(lines)


def our_site(rig, rules, people, record="off"):
    s = Site(rig, f"ours-{rules}-{people}-{record}")
    shutil.rmtree(s.folder, ignore_errors=True)     # each begins anew: nobody logged in yet
    rig.tool("init", s.folder, "--tenant", "mercy", "--host", "localhost", "--broker-user", getpass.getuser(), "--plugin",
             rig.build / "mosquitto_pullcord.so")
    write(s.folder / "pullcord.policy", our_policy(rules, record))
    done = subprocess.run([rig.build / "tests/bench/fill", s.folder, str(people)], capture_output=True, text=True,
                          env=dict(os.environ, BENCH_PASSWORD=rig.password))
    if done.returncode:
        raise Unmeasured(done.stderr.strip())
    rig.vitals = bytes.fromhex(done.stdout)
    baseline = (s.folder / "mosquitto.conf").read_text()
    plugin = re.findall(r"^plugin.*$", baseline, flags=re.M)
    s.configure(baseline, "allow_anonymous false", *plugin, "plugin_opt_record_epochs 64")
    return s


def peer_site(rig, name, *extra):
    s = Site(rig, re.sub(r"\W+", "-", name))
    s.folder.mkdir(exist_ok=True)
    s.configure((rig.dir / "mosquitto.conf").read_text(), *extra)
    return s


def none_site(rig):
    return peer_site(rig, "none", "allow_anonymous true")


def yes_site(rig, *option):
    return peer_site(rig, f"yes-{len(option)}", "allow_anonymous true", f"plugin {rig.build}/tests/bench/yes_plugin.so", *option)


def acl_site(rig, name, lines):
    path = rig.folder / f"{name}.acl"
    write(path, lines)
    return peer_site(rig, name, "allow_anonymous true", f"acl_file {path}")


def dynsec_site(rig, rules, people):
    if not os.path.exists(DYNSEC_SO):
        raise Unmeasured(f"{DYNSEC_SO} is not there")
    path = rig.folder / f"dynsec-{rules}-{people}.json"
    path.write_text(json.dumps(dynsec(rules, people, rig.password)))
    return peer_site(rig, f"dynsec-{rules}-{people}", "allow_anonymous false", f"plugin {DYNSEC_SO}",
                     f"plugin_opt_config_file {path}")


# ---- instructions per delivery -------------------------------------------------------------------------------------------

def hashing(dump):
    """What the inside of SHA-256 took, a function without a name: what those that have one call, but for wiping."""
    names, total, caller, called = {}, 0, "", None
    for line in dump.splitlines():
        name = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line)
        if name:
            word = names.setdefault(name[2], name[3])
            caller, called = (word, None) if name[1] == "fn" else (caller, word)
        elif called and not line.startswith("c"):       # what the call took; above it stand calls=, cob= and such
            total += int(line.split()[1]) if caller.startswith("SHA256_") and called.startswith("0x") else 0
            called = None
    return total


class Counted:
    """A broker under callgrind, which tells how many instructions it has executed since it was asked before: all its
    threads, or the one that serves clients alone; or all without SHA-256."""

    def __init__(self, site, alone=False, hashed=True):
        self.out = site.folder / "callgrind"
        self.asked = 0
        self.hashed = hashed
        self.thread = "-01" if alone else ""    # the one that answers, which is the first
        self.process = site.rig.start(
            Process, f"counted-{site.name}", "valgrind", "--tool=callgrind", "--instr-atstart=no", "--vgdb=no",
            f"--separate-threads={'yes' if alone else 'no'}",
            f"--callgrind-out-file={self.out}", "mosquitto", "-c", site.conf, core=BROKER_CORE,
            LD_PRELOAD=str(site.rig.build / "tests/bench/counted.so"))

    def instructions(self, seconds=60):
        self.asked += 1
        self.process.child.send_signal(signal.SIGURG)
        path = self.out.with_name(f"{self.out.name}.{self.asked}{self.thread}")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.process.check()
            dump = path.read_text() if path.exists() else ""
            found = re.search(r"^totals: (\d+)", dump, re.M)
            if found:
                return int(found[1]) - (0 if self.hashed else hashing(dump))
            time.sleep(0.05)
        raise Unmeasured(f"{self.process.name} does not tell its instructions")


def send(writer, readers, text, payload, messages):
    burst = publish_packet(text, payload) * BURST
    for r in readers:       # counted with the short measurement as with the long, and taken off
        r.ping()
    for _ in range(messages // BURST):
        writer.s.sendall(burst)
        for r in readers:
            r.receive(BURST)


def instructions(site, rules, long, alone=False, hashed=True):
    """Of all threads of the broker, or of its own alone, for one delivery: of a message to READERS, its publish with it;
    and of one more reader."""
    counted = site.count(alone, hashed)
    try:
        writer, *readers = (site.login(counted.process, f"s{i}") for i in range(READERS + 1))
        total = per_message(site, counted, writer, readers, rules, long)
        more = [site.login(counted.process, f"s{i + 1}", "also") for i in range(READERS)]
        further = per_message(site, counted, writer, readers, rules, long, more) - total
        return total / READERS, further / READERS
    except (Unmeasured, OSError) as e:
        raise Unmeasured(f"{site.name}: {e}; the broker: {counted.process.last_words()}") from e
    finally:
        site.rig.stop(counted.process)


def per_message(site, counted, writer, readers, rules, long, more=()):
    for r in more or readers:
        r.subscribe(topic(rules))
    readers.extend(more)
    time.sleep(QUIET_S)
    counted.instructions()
    costs = []
    for turn in range(COUNTS + 1 if long == LONG else 2):
        cost = []
        for messages in (SHORT, long):
            send(writer, readers, topic(rules), site.rig.vitals, messages)
            cost.append(counted.instructions())
        if turn:        # the first one warms up
            costs.append((cost[1] - cost[0]) / (long - SHORT))
    return Series(costs).median


def peers_at(rig, n):
    yield ACL, lambda: acl_site(rig, f"acl-{n}", acl_rules(n, READERS + 1))
    yield PATTERN, lambda: acl_site(rig, f"pattern-{n}", pattern_rules(n))
    yield DYNSEC, lambda: dynsec_site(rig, n, READERS + 1)


def floors(rig):
    """What any plugin costs; and any that works beside the broker's thread."""
    yield YES, "yes", lambda: yes_site(rig)
    yield YES_THREAD, "yes_with_thread", lambda: yes_site(rig, "plugin_opt_thread true")


def count(make, n, base=None, long=LONG):
    """Both figures as series, said against what no access control takes."""
    both = [Series([c]) for c in instructions(make(), n, long)]
    text = ", ".join(f"{c}" + (f" (x {c.median / b.median:.3f})" if base else "") for c, b in zip(both, base or both))
    return both, text


def per_delivery(rig):
    ours = {"10": our_site(rig, SIZES["10"], READERS + 1)}   # first: whose vital signs are sent to all
    say(f"\nBroker instructions for a delivery: of a message of {len(rig.vitals)} bytes to {READERS}, its publish with it; "
        f"of one more reader. QoS 0, all threads")
    base, text = count(lambda: none_site(rig), 10)
    say(f"  {NONE}: {text}")
    for what, name, make in floors(rig):
        both, text = count(make, 10, base)
        say(f"  {what}: {text}")
        yield from (Row(f"{r}.{name}", "instructions", NONE, o, b) for r, o, b in zip(PER_DELIVERY, both, base))
    for name, n in SIZES.items():
        rows = [f"{r}.{name}" for r in PER_DELIVERY]
        both, text = count(lambda: ours.get(name) or our_site(rig, n, max(n, READERS + 1)), n, base)
        say(f"  {name} rules in everybody's role, and people: {text}")
        yield from (Row(r, "instructions", NONE, o, b) for r, o, b in zip(rows, both, base))
        if n > PEER_MOST:
            say(f"    the others are not asked for more than {PEER_MOST} rules: they go through all of them")
            continue
        for peer, make in peers_at(rig, n):
            try:
                theirs, text = count(make, n, base, LONG if n <= 10 else SLOW_LONG)
            except (Unmeasured, OSError) as e:
                say(f"    {peer}: not measured: {e}")
                continue
            say(f"    {peer}: {text}")
            yield from (Row(r, "instructions", peer, o, b) for r, o, b in zip(rows, both, theirs))


# ---- at 100,000 people ---------------------------------------------------------------------------------------------------

def start_s(site):
    """From starting it until it lets somebody in."""
    began = time.monotonic()
    p = site.start()
    site.login(p, "s0").close()
    return p, time.monotonic() - began


def thread_us(p, work, n):
    """Of the broker's own thread, for each of n."""
    before = cpu_ns(p.pid)[1]
    work()
    return (cpu_ns(p.pid)[1] - before) / 1000 / n


def login_us(site):
    """The first time their passwords are hashed, which is remembered for a minute."""
    def come_and_go():
        for i in range(LOGINS):
            site.login(site.running, f"s{i}").close()

    return thread_us(site.running, come_and_go, LOGINS)


def subscribe_us(site, rules):
    c = site.login(site.running, "s0")

    def subscribe():
        for _ in range(SUBSCRIBES):
            c.subscribe(topic(rules))

    us = thread_us(site.running, subscribe, SUBSCRIBES)
    c.close()
    return us


def refused_us(site, user):
    """Of a flood to another unit; somebody else's each time, and short enough that they are not cut off."""
    c = site.login(site.running, user)

    def publish():
        c.s.sendall(publish_packet("mercy/unit/icu4/vitals/d0", site.rig.vitals) * REFUSED)
        c.ping()
        while c.read()[0] != 0xd0:
            pass

    us = thread_us(site.running, publish, REFUSED)
    c.close()
    return us


class Pinger:
    """Publishes to itself, the next when the one before has come back."""

    def __init__(self, client, text, payload):
        self.client, self.packet = client, publish_packet(text, payload)
        client.subscribe(text)

    def worst_ms(self, over):
        """The longest wait until over() says so, and a little longer: what is put off shows then."""
        worst, until = 0, None
        while until is None or time.monotonic() < until:
            began = time.monotonic()
            self.client.s.sendall(self.packet)
            self.client.receive(1)
            ended = time.monotonic()
            worst = max(worst, ended - began)
            if until is None and over():
                until = ended + 0.05
        return worst * 1000


def response(admin):
    """Has an answer come? Its text; None."""
    if not select.select([admin.s], [], [], 0)[0]:
        return None
    answer = json.loads(admin.message())
    if "error" in answer["responses"][0]:
        raise Unmeasured(f"the change was refused: {answer}")
    return answer


def stalls(site, p, rules, control, change):
    """The worst wait of one who pings, for each change; and when nothing is changed, in between."""
    ping = Pinger(site.login(p, "s0"), topic(rules), site.rig.vitals)
    admin = site.login(p, "s2", seconds=120)
    if control.startswith("$CONTROL/dynamic"):
        admin.subscribe(f"{control}/response")
    changed, idle = [], []
    gc.disable()
    try:
        for i in range(CHANGES):
            until = time.monotonic() + IDLE_S
            idle.append(ping.worst_ms(lambda: time.monotonic() > until))
            admin.publish(control, json.dumps({"commands": [change(i)]}).encode())
            changed.append(ping.worst_ms(lambda: response(admin)))
    finally:
        gc.enable()
    ping.client.close()
    admin.close()
    return Series(changed), Series(idle)


def change_us(site, p, control, change):
    """Of the broker's own thread, for one change: what a stall comes of, and does not depend on who else is at work."""
    admin = site.login(p, "s2", "admin")
    if control.startswith("$CONTROL/dynamic"):
        admin.subscribe(f"{control}/response")
    numbers = itertools.count()

    def one():
        admin.publish(control, json.dumps({"commands": [change(next(numbers))]}).encode())
        while not response(admin):
            time.sleep(0.001)

    series = Series([thread_us(p, one, 1) for _ in range(CHANGES)])
    admin.close()
    return series


def sessions_kb(site, p):
    before = resident_mb(p.pid)[0]
    clients = [site.login(p, "s3", f"t{i}") for i in range(SESSIONS)]
    for c in clients:
        c.subscribe(topic(10))
    grown = resident_mb(p.pid)[0] - before
    for c in clients:
        c.close()
    return grown * 1024 / SESSIONS


def at_100k(rig):
    n = SIZES["100k"]
    say(f"\nAt {n} people (ours with as many rules, and everybody holds the role; {DYNSEC} with 10, and {HOLDERS} "
        "hold it: else it starts for many minutes). None has a client id bound yet")
    ours, none, theirs = our_site(rig, n, n), none_site(rig), dynsec_site(rig, 10, n)
    sites = {"ours": (ours, n), NONE: (none, 10), DYNSEC: (theirs, 10)}
    starts = {name: [] for name in sites}
    for turn in range(ROUNDS):
        for name, (site, _) in sites.items():
            p, took = start_s(site)
            starts[name].append(took)
            if turn < ROUNDS - 1:
                rig.stop(p)
            else:
                site.running = p
        say(f"  start {turn + 1}/{ROUNDS}: " + ", ".join(f"{name} {s[-1]:.2f} s" for name, s in starts.items()))
    login = in_turn(ROUNDS, {name: lambda s=site: login_us(s) for name, (site, _) in sites.items()}, "{:.0f}".format)
    subscribe = in_turn(ROUNDS, {name: lambda s=site, r=rules: subscribe_us(s, r) for name, (site, rules) in sites.items()},
                        "{:.0f}".format)
    users = {name: (f"s{i}" for i in range(LOGINS)) for name in sites}
    refused = in_turn(ROUNDS, {name: lambda s=site, u=users[name]: refused_us(s, next(u)) for name, (site, _) in sites.items()},
                      "{:.1f}".format)
    for row, unit, took in (("start_s", "s", starts), ("login_us", "µs", login), ("subscribe_us", "µs", subscribe),
                            ("refused_us", "µs", refused)):
        for peer in (NONE, DYNSEC):
            yield Row(f"policy.{row}.100k", unit, peer, Series(took["ours"]), Series(took[peer]))
    yield from stall_rows(ours, theirs, n)
    rig.stop(*(site.running for site, _ in sites.values()))


def stall_rows(ours, theirs, n):
    v1, ds = "$CONTROL/pullcord/v1", "$CONTROL/dynamic-security/v1"
    create = stalls(ours, ours.running, n, v1, lambda i: {"command": "createUser", "username": f"new{i}",
                                                          "roles": ["reader"], "attributes": {"unit": "icu3"}})
    grant = stalls(ours, ours.running, n, v1, lambda i: {"command": "setAttribute", "username": "s0", "name": "unit",
                                                         "value": f"u{i}"})
    their_create = stalls(theirs, theirs.running, 10, ds, lambda i: {"command": "createClient", "username": f"new{i}",
                                                                     "roles": [{"rolename": "reader"}]})
    for name, (series, idle) in (("policy.admin_stall_ms.100k", create), ("policy.grant_stall_ms.100k", grant)):
        yield Row(name, "ms", f"{DYNSEC}, creating a client", series, their_create[0])
        yield Row(name, "ms", "the same ping while nothing is changed", series, idle)
    yield Row("policy.admin_thread_us.100k", "µs", f"{DYNSEC}, creating a client",
              change_us(ours, ours.running, v1, lambda i: {"command": "createUser", "username": f"more{i}",
                                                           "roles": ["reader"], "attributes": {"unit": "icu3"}}),
              change_us(theirs, theirs.running, ds, lambda i: {"command": "createClient", "username": f"more{i}",
                                                               "roles": [{"rolename": "reader"}]}))


def memory(rig):
    say("\nMemory: ours grows by what it touches of a file of people; none of them has a client id bound yet")
    few, many, n = 100, SIZES["100k"], SIZES["100k"] - 100
    grown = {}
    for name, make in (("ours", lambda people: our_site(rig, 10, people)), (DYNSEC, lambda people: dynsec_site(rig, 10, people))):
        had = []
        for people in (few, many):
            site = make(people)
            p, _ = start_s(site)
            had.append(resident_mb(p.pid)[0])
            say(f"  {name}, {people} people: {had[-1]:.1f} MB")
            if name == "ours" and people == few:
                ours_session = sessions_kb(site, p)
            rig.stop(p)
        grown[name] = (had[1] - had[0]) * 1024 * 1024 / n
    site = none_site(rig)
    p, _ = start_s(site)
    none_session = sessions_kb(site, p)
    rig.stop(p)
    yield Row("policy.bytes_per_subject", "bytes", DYNSEC, Series([grown["ours"]]), Series([grown[DYNSEC]]))
    yield Row("policy.kb_per_session", "kB", NONE, Series([ours_session]), Series([none_session]))


PARTS = {"policy_count": per_delivery, "policy_100k": at_100k, "policy_room": memory}
