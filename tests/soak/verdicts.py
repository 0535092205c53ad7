"""What a long run comes to, in TAP: its verdicts, and whether all ended in good order."""
import signal
import sys
import time
from dataclasses import dataclass

from house import Trouble

SHOWN = 10


@dataclass
class Skipped:
    """What was to be looked at and could not be: neither passed nor failed."""
    name: str
    why: str


def say(text):
    print(f"# {time.strftime('%H:%M:%S')} {text}", flush=True)


def judge(number, name, wrong):
    print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
    for text in wrong[:SHOWN]:
        print("# " + str(text).replace("\n", "\n# "), flush=True)


def slowed(name, before_ms, now_ms, most):
    """The verdict on a ratio: the machine's own speed is in both, so it can be judged where a time cannot."""
    wrong = [] if now_ms <= most * before_ms else [f"x {now_ms / before_ms:.2f}: {now_ms:.1f} ms, and {before_ms:.1f} ms before"]
    return f"{name} at most {most} times as long as before", wrong


def tell(run, close, keep=False):
    """`run` yields (what is to be so, what speaks against it), or what was Skipped; `close(show)` ends all and answers what went
    wrong then, or, asked to show, the logs. The exit status. SIGTERM and SIGHUP end all, too, without a verdict."""
    number, failed = 0, 0
    for how in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(how, lambda told, _: sys.exit(128 + told))
    try:
        for verdict in run():
            number += 1
            if isinstance(verdict, Skipped):
                print(f"ok {number} - {verdict.name} # SKIP {verdict.why}", flush=True)
                continue
            name, wrong = verdict
            failed += bool(wrong)
            judge(number, name, wrong)
    except Trouble as trouble:
        number, failed = number + 1, failed + 1
        judge(number, "it can go on", [trouble])
    finally:
        wrong = close(keep or failed)
    bad = wrong and not failed and not keep
    number += 1
    print(f"{'not ok' if bad else 'ok'} {number} - all ended in good order")
    for text in wrong:
        print("# " + text.replace("\n", "\n# "))
    print(f"1..{number}")
    return 1 if failed or bad else 0
