"""Every figure of the bench, declared once. `make bench T=list`, the table at the end and README's tables are made of it."""
import itertools
import re
from dataclasses import dataclass


def spelled(pattern):
    """a.{b,c} is a.b and a.c."""
    parts = [p.split(",") if i % 2 else [p] for i, p in enumerate(re.split(r"\{(.*?)\}", pattern))]
    return ["".join(p) for p in itertools.product(*parts)]


@dataclass
class Figure:
    part: str       # that measures it
    pattern: str    # the names of its rows
    what: str

    @property
    def names(self):
        return spelled(self.pattern)


class Theme:
    """A line of `figures`: the part, the names, what it is."""

    def __init__(self, title, note, figures):
        self.title, self.note = title, note
        self.figures = [Figure(*line.split(maxsplit=2)) for line in figures.strip().splitlines()]


THEMES = [
    Theme("The broker", "20 readers of one device over TLS, QoS 0.", """
broker_cost     broker.cpu_per_delivery         CPU of a delivery, all threads
broker_cost     broker.thread_cpu_per_delivery  the same, Mosquitto's own thread
"""),

    Theme("Deciding", "Instructions by callgrind, which repeat to 1 %, for one more reader to 10, of all the broker's threads, "
          "nothing being recorded, over plain TCP. The name's end says how many rules and people there are; beyond 1,000 the "
          "others are not asked, or dynamic-security has 10 rules. What says yes and has a thread is the least a plugin can cost "
          "that does anything beside the broker's own.", """
policy_count    policy.instr_per_delivery.{10,1k,100k,1M}       a delivery to 10 readers, publish included (goal × 1.10)
policy_count    policy.instr_per_further_delivery.{10,1k,100k,1M}   one more reader
policy_count    policy.instr_per_delivery.{yes,yes_with_thread}     the first, of a plugin that always says yes; and has a thread
policy_count    policy.instr_per_further_delivery.{yes,yes_with_thread}     one more reader, of these
policy_100k     policy.start_s.100k             start with 100,000 rules and people (goal under 1 s)
policy_100k     policy.login_us.100k            a login there, the broker's thread
policy_100k     policy.subscribe_us.100k        a subscription there
policy_100k     policy.refused_us.100k          a message that is refused, of a flood
policy_100k     policy.admin_stall_ms.100k      the longest another waits while an account is made there (goal 1 ms)
policy_100k     policy.grant_stall_ms.100k      while a grant is changed
policy_100k     policy.admin_thread_us.100k     making an account there, the broker's thread
policy_room     policy.bytes_per_subject        memory of a person not connected
policy_room     policy.kb_per_session           memory of a session
owners          owners.start_s.100k             reading at the start whose each of 100,000 client ids is, CPU
"""),

    Theme("The gateway", "From its socket to the app; `outbox.*` of priority `high`, which it lets go on a `StoredReceipt`, "
          "`gateway.*` `medium` at 50 a second, if nothing else is said. Paho clients, whose files are never synced, do its job "
          "beside it, and one before a broker without a plugin, which is the floor of any such chain.", """
gateway         gateway.durable_rate                        alerts a second, durable and at the app
gateway         gateway.press_to_app_{p50,p99}              from press to app
gateway         gateway.press_to_app_high_{p50,p99}         the same, `high`
gateway         gateway.{rss,rss_anon}_after_mb             memory after that work, with mapped files; without
outbox_rate_128 outbox.rate_128             small alerts (140 to 180 bytes) a second, durable and at the app (goal 20,000)
outbox_rate_1k  outbox.rate_1k                              the same, of 1 KiB (goal 20,000)
outbox_rate_128 outbox.rate_128_cpu_us.{gateway,broker,app,all}     CPU of an alert, and whose
outbox_rate_1k  outbox.rate_1k_cpu_us.{gateway,broker,app,all}      the same, of 1 KiB
outbox_alone    outbox.alone_{128,1k}                       the outbox without a broker: kept, sealed, flushed, deleted
outbox_alone    outbox.alone_cpu_{128,1k}                   its CPU
outbox_press_500    outbox.press_to_app_{p50,p99}.500       from press to app at 500 a second (goal × 2.5)
outbox_press_3000   outbox.press_to_app_{p50,p99}.3000      at 3,000 a second (goal × 2.5)
outbox_drain    outbox.drain_s.100k                         100,000 taken while the broker was away, brought to it
outbox_reconnect    gateway.reconnect_ms                    connection cut, an alert pressed at once, at the app (goal 200 ms)
outbox_memory   gateway.rss_mb          memory with 14,500 alerts in 16 MiB, but for what is mapped of these (goal 10 MB)
outbox_memory   gateway.rss_peak_mb     the most it was at any moment, over a restart and tries to connect (goal 10 MB)
outbox_memory   gateway.rss_own_mb      of it without libraries and program
outbox_memory   gateway.rss_mapped_mb   what is mapped of the outbox
outbox_size     gateway.binary_kb       stripped program (goal 600 KB)
outbox_flash    gateway.flash_bytes_per_msg             written to flash for an alert
outbox_flash    gateway.flash_bytes_per_msg_burst       the same, when as many come as can
"""),

    Theme("The record", "Events of 250 bytes. valgrind hides the processor's SHA extensions, so instructions of all threads are "
          "also given without the inside of SHA-256, which is 8 blocks an event.", """
record_cost     record.events_per_s     events a second, sealed, signed and durable, by one thread (goal 300,000)
record_cost     record.cpu_per_event    its CPU an event
record_cost     record.bytes_per_event  disk an event
record_cost     record.verify_us        verifying an entry, CPU (goal 2.5 µs)
record_acceptance_10 record.enqueue_{p50,p99,p999}_us acceptance 10: for an event, broker's thread, 50,000 a second (goal p99 2 µs)
record_acceptance_10 record.publish_{p50,p99}_us     acceptance 10: through the broker over TLS, 1,000 a second (goal × 1.05)
record_instr    record.instr_per_delivery       instructions of a delivery, all recorded, the broker's own thread (goal × 1.35)
record_instr    record.instr_per_delivery_{all_threads,without_sha256}  of all threads; without SHA-256
record_line     line.{key,sign,verify}_us       the forward-secure line, CPU: an epoch's key, a line, checking one
searching       record.search_ms.10M            a search among ten million events, of an index made before
searching       record.index_us.10M             making that index, an entry
searching       record.index_bytes.10M          its disk, an entry
"""),
]

FIGURES = {name: figure for theme in THEMES for figure in theme.figures for name in figure.names}
