"""What a delivery costs the broker's processor, against other ways of deciding."""
import time

from figures import Row, Series, in_turn, say
from rig import acl_file, cpu_ns

USERS, TERMINALS = 10, 2        # one device's readers: people, and the terminals of each; all get every alert
ROUNDS, MESSAGES = 9, 1500
OURS = "pullcord"


def start_brokers(rig):
    acl = rig.folder / "acl.txt"
    acl.write_text(acl_file((rig.dir / "pullcord.policy").read_text(), rig.holders))
    return {
        OURS: rig.our_broker(),
        "no access control": rig.peer_broker("none"),
        "a plugin that always says yes": rig.peer_broker("yes", f"plugin {rig.build}/tests/bench/yes_plugin.so"),
        "the same rules in acl_file": rig.peer_broker("acl", f"acl_file {acl}"),
    }


def gather(rig, broker):
    ca, cert, key = rig.certificate("nc-crowd")
    return rig.program(f"fanout-{broker.process.name}", "fanout", ca, broker.device_port, broker.app_port, cert, key,
                       rig.TENANT, "icu3", "nc-crowd", USERS, TERMINALS)


def deliver(crowd, broker):
    """µs of broker CPU for each delivery: all threads, and the broker's own thread alone."""
    before = cpu_ns(broker.process.pid)
    deliveries = int(crowd.ask(f"go {MESSAGES}")[1])
    time.sleep(0.2)     # what its threads still have to write down belongs to it
    after = cpu_ns(broker.process.pid)
    return [(a - b) / 1000 / deliveries for a, b in zip(after, before)]


def broker_cost(rig):
    rig.add_device("nc-crowd", "icu3")
    for i in range(USERS):
        rig.add_user(f"u{i}", "icu3")
    brokers = start_brokers(rig)
    crowds = {name: gather(rig, b) for name, b in brokers.items()}
    say(f"  an alert is {crowds[OURS].greeting[1]} bytes")
    took = in_turn(ROUNDS, {name: lambda c=crowds[name], b=b: deliver(c, b) for name, b in brokers.items()},
                   lambda us: f"{us[0]:.2f}")
    for i, name in enumerate(("broker.cpu_per_delivery", "broker.thread_cpu_per_delivery")):
        ours, *peers = ((who, Series([us[i] for us in rounds])) for who, rounds in took.items())
        for peer, series in peers:
            yield Row(name, "µs", peer, ours[1], series)


PARTS = {"broker_cost": broker_cost}
