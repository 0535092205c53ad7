"""What it costs the broker to put every publish and delivery on record, against putting none there: instructions by
callgrind, which knows nothing of how loaded the machine is. valgrind hides the processor's SHA extensions from OpenSSL, so
what the record's own thread does looks dearer than it is: without_sha256 leaves that out. The thread that serves clients
hashes nothing."""
import statistics
import time

from figures import Row, Series, say
from plain import publish_packet
from policy import LONG, NONE, READERS, instructions, none_site, our_site, topic

RULES, PEOPLE = 1000, 1000
OFF = "the same, nothing recorded"
PINGS, ROUNDS, PINGS_PER_S = 1000, 7, 500


class Pinged:
    """A client that publishes to itself at a steady pace, each when the one before has come back. The broker runs on all
    cores, as anywhere: on one, its thread waits for the record's."""

    def __init__(self, site):
        self.process = site.start(core=None)
        self.client = site.login(self.process, "s0")
        self.client.subscribe(topic(RULES))
        self.packet = publish_packet(topic(RULES), site.rig.vitals)
        self.times = {"p50": [], "p99": []}

    def turn(self):
        took, began = [], time.perf_counter()
        for i in range(PINGS):
            time.sleep(max(0, began + i / PINGS_PER_S - time.perf_counter()))
            start = time.perf_counter()
            self.client.s.sendall(self.packet)
            self.client.receive(1)
            took.append((time.perf_counter() - start) * 1e6)
        at = statistics.quantiles(took, n=100, method="inclusive")
        self.times["p50"].append(at[49])
        self.times["p99"].append(at[98])


def latency(rig):
    say(f"\nHow long a message takes through the broker (µs), {PINGS_PER_S} a second, one at a time")
    ours, peer = (Pinged(our_site(rig, RULES, PEOPLE, record)) for record in ("full", "off"))
    for turn in range(ROUNDS):
        for p in (ours, peer):
            p.turn()
        say(f"  round {turn + 1}/{ROUNDS}: " + ", ".join(f"{n} recorded {ours.times[n][-1]:.0f}, not {peer.times[n][-1]:.0f}"
                                                       for n in ours.times))
    rig.stop(ours.process, peer.process)
    for n in ours.times:
        yield Row(f"record.publish_{n}_us", "µs", OFF, Series(ours.times[n]), Series(peer.times[n]))


def recorded(rig):
    yield from instructions_rows(rig)
    yield from latency(rig)


def instructions_rows(rig):
    sites = {"full": lambda: our_site(rig, RULES, PEOPLE, "full"), OFF: lambda: our_site(rig, RULES, PEOPLE, "off"),
             NONE: lambda: none_site(rig)}
    say(f"\nBroker instructions for a delivery that is recorded: of a message to {READERS}, its publish with it. QoS 0")
    for suffix, alone, hashed, whose in (("", True, True, "the thread that serves clients"), ("_all_threads", False, True, "all threads"),
                                         ("_without_sha256", False, False, "all threads, but for the inside of SHA-256")):
        took = {name: Series([instructions(make(), RULES, LONG, alone, hashed)[0]]) for name, make in sites.items()}
        say(f"  {whose}: " + ", ".join(f"{name} {series}" for name, series in took.items()))
        for peer in (OFF, NONE):
            yield Row(f"record.instr_per_delivery{suffix}", "instructions", peer, took["full"], took[peer])
