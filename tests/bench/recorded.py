"""What it costs the broker to put every publish and delivery on record, against putting none there: instructions by
callgrind, which knows nothing of how loaded the machine is. valgrind hides the processor's SHA extensions from OpenSSL, so
what the record's own thread does looks dearer than it is; the thread that serves clients hashes nothing."""
from figures import Row, Series, say
from policy import LONG, NONE, READERS, instructions, none_site, our_site

RULES, PEOPLE = 1000, 1000
OFF = "the same, nothing recorded"


def recorded(rig):
    sites = {"full": lambda: our_site(rig, RULES, PEOPLE, "full"), OFF: lambda: our_site(rig, RULES, PEOPLE, "off"),
             NONE: lambda: none_site(rig)}
    say(f"\nBroker instructions for a delivery that is recorded: of a message to {READERS}, its publish with it. QoS 0")
    for suffix, alone, whose in (("", True, "the thread that serves clients"), ("_all_threads", False, "all threads")):
        took = {name: Series([instructions(make(), RULES, LONG, alone)[0]]) for name, make in sites.items()}
        say(f"  {whose}: " + ", ".join(f"{name} {series}" for name, series in took.items()))
        for peer in (OFF, NONE):
            yield Row(f"record.instr_per_delivery{suffix}", "instructions", peer, took["full"], took[peer])
