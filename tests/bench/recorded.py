"""What the record costs: by itself, and the broker that puts every publish and delivery into it, against putting none there.

Instructions are counted by callgrind, which knows nothing of how loaded the machine is. valgrind hides the processor's SHA
extensions from OpenSSL, so what the record's own thread does looks dearer than it is: without_sha256 leaves that out. The
thread that serves clients hashes nothing."""
from figures import Row, Series, in_turn, say
from policy import LONG, NONE, instructions, none_site, our_site, topic
from rig import wait_for_port

RULES, PEOPLE = 1000, 1000
OFF = "the same, nothing recorded"
ALONE_ROUNDS = 3
PUBLISHES, PER_S, PUBLISH_ROUNDS = 500, 1000, 30


def alone(what):
    return lambda rig: rig.measured("record_bench", rig.folder, ALONE_ROUNDS, what)


def published(rig):
    """The broker runs on all cores, as anywhere: on one, its thread waits for the record's."""
    echoes = {}
    for what, record in (("recorded", "full"), (OFF, "off")):
        site = our_site(rig, RULES, PEOPLE, record)
        ca, cert, key = (site.folder / name for name in ("ca.crt", "server.crt", "keys/server.key"))
        with site.conf.open("a") as f:
            f.write(f"tls_version tlsv1.3\ncertfile {cert}\nkeyfile {key}\n")
        wait_for_port(site.port, site.start(core=None))
        echoes[what] = rig.program(f"echo-{record}", "echo", ca, site.port, "s0", topic(RULES), rig.vitals.hex())
    took = in_turn(PUBLISH_ROUNDS, {what: lambda e=e: [int(ns) / 1000 for ns in e.ask(f"pace {PUBLISHES} {PER_S}")[1:]]
                                    for what, e in echoes.items()}, lambda us: "/".join(f"{u:.0f}" for u in us))
    for i, p in enumerate(("p50", "p99")):
        yield Row(f"record.publish_{p}_us", "µs", OFF, *(Series([us[i] for us in rounds]) for rounds in took.values()))


def acceptance_10(rig):
    """audit-log-design §14.10: p99 of the enqueue, and the publish latency with the record on and off."""
    yield from alone("enqueue")(rig)
    yield from published(rig)


def instr(rig):
    sites = {"full": lambda: our_site(rig, RULES, PEOPLE, "full"), OFF: lambda: our_site(rig, RULES, PEOPLE, "off"),
             NONE: lambda: none_site(rig)}
    for suffix, own, hashed, whose in (("", True, True, "the thread that serves clients"),
                                       ("_all_threads", False, True, "all threads"),
                                       ("_without_sha256", False, False, "all threads, but for the inside of SHA-256")):
        took = {}
        for name, make in sites.items():
            took[name] = Series([instructions(make(), RULES, LONG, own, hashed)[0]])
            say(f"  {whose}: {name} {took[name]}")
        for peer in (OFF, NONE):
            yield Row(f"record.instr_per_delivery{suffix}", "instructions", peer, took["full"], took[peer])


PARTS = {"record_cost": alone("cost"), "record_line": alone("line"), "record_instr": instr, "record_acceptance_10": acceptance_10}
