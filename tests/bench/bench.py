#!/usr/bin/env python3
"""`make bench`: what Pullcord costs, as ratios against peers measured in the same run, in turn.

    tests/bench/bench.py BUILD [WORD]       only the parts, or else the rows, whose name has WORD; BUILD: e.g. build
    tests/bench/bench.py BUILD --readme     README's tables, of what BUILD/bench.tsv has

Figures are medians of rounds (least–most), a ratio is the median of the rounds', each against the peer of its own round.
They go to BUILD/bench.tsv, in the place of earlier ones. Nothing here passes or fails by time. The exit status is 1 when
something could not be measured, 2 when nothing has such a name.
"""
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import broker
import gateway
import owners
import policy
import recorded
import search
from figures import Series, markdown, print_table, say, tsv_merge, tsv_read
from rig import BROKER_CORE, OTHERS_CORE, Rig, Unmeasured
from rows import FIGURES, THEMES

PARTS = {**broker.PARTS, **policy.PARTS, **owners.PARTS, **gateway.PARTS, **recorded.PARTS, **search.PARTS}


def figures_of(part):
    return [figure for theme in THEMES for figure in theme.figures if figure.part == part]


def rows_of(part):
    return [name for figure in figures_of(part) for name in figure.names]


def parts_of(word):
    return ([part for part in PARTS if word in part]
            or [part for part in PARTS if any(word in name for name in rows_of(part))])


# ---- README ----------------------------------------------------------------------------------------------------------

README, BEGIN, END = Path(__file__).resolve().parents[2] / "README.md", "<!-- make bench T=--readme -->\n", "<!-- end -->\n"


def write_tables(lines):
    before, found, rest = README.read_text().partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not lines or not found or not ends:
        print(f"bench: no figures, or no place for them in {README}: {BEGIN.strip()} … {END.strip()}", file=sys.stderr)
        return 1
    tables = "\n".join("\n".join(markdown(theme, lines)) + "\n" for theme in THEMES)
    README.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}")
    return 0


# ---- before ----------------------------------------------------------------------------------------------------------

def usage():
    say(f"{__doc__}\nParts and their rows:")
    for part in PARTS:
        say(f"\n  {part}")
        for figure in figures_of(part):
            say(f"      {figure.pattern}\n          {figure.what}")


def first_line(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return f"{argv[0]}: not there"


def sync_ms():
    """What a flush costs here, for whoever compares with another disk."""
    took = []
    with tempfile.TemporaryFile(buffering=0) as f:
        for _ in range(50):
            f.write(b"\0" * 4096)
            start = time.perf_counter()
            os.fdatasync(f.fileno())
            took.append((time.perf_counter() - start) * 1000)
    return Series(took)


def introduce(build):
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    say(f"Pullcord bench: {first_line(build / 'pullcord', 'version')}, {first_line('mosquitto', '-h')}, "
        f"{first_line('openssl', 'version').split(' (')[0]}, Linux {platform.release()}")
    say(f"  {os.cpu_count()} cores of {cpu[1] if cpu else platform.machine()}; broker on core {BROKER_CORE}, all else "
        f"on core {OTHERS_CORE}; load now {os.getloadavg()[0]:.1f}")
    say(f"  fdatasync of 4 KiB here: {sync_ms()} ms; on loopback, TLS 1.3 with client certificates where not said otherwise")


# ---- all of it -------------------------------------------------------------------------------------------------------

def measure(build, part, rows):
    """Appends to `rows` what the part gives; yields what could not be measured, and why. Each has an installation of its own."""
    missing, why = dict.fromkeys(rows_of(part)), ""
    try:
        with Rig(build) as rig:
            rig.install()
            for row in PARTS[part](rig):
                rows.append(row)
                missing.pop(row.name, None)
    except (Unmeasured, OSError, subprocess.CalledProcessError) as e:
        why = f": {e}"
        say(f"  stopped{why}")
    if missing or why:
        yield f"{part}: {', '.join(missing)}{why}"


def run(build, parts):
    path, rows, missing = build / "bench.tsv", [], []
    introduce(build)
    for number, part in enumerate(parts, 1):
        say(f"\n{part} ({number} of {len(parts)}): {', '.join(figure.pattern for figure in figures_of(part))}")
        had, began = len(rows), time.monotonic()
        missing += measure(build, part, rows)
        say(f"  took {time.monotonic() - began:.0f} s")
        tsv_merge(path, [name for name in FIGURES if name not in rows_of(part)], rows[had:])
    say("\nFigures")
    print_table(rows, lambda name: FIGURES[name].what)
    say(f"\n  also in {path}, beside those of other parts that were measured before")
    for m in missing:
        say(f"  NOT MEASURED: {m}")
    return 1 if missing else 0


def main(build, word=""):
    for number in (signal.SIGINT, signal.SIGTERM):      # not without ending what was started
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    if word == "--readme":
        return write_tables(tsv_read(build / "bench.tsv"))
    if parts := parts_of(word):
        return run(build, parts)
    usage()
    if word == "list":
        return 0
    print(f"\nbench: nothing has {word!r} in its name", file=sys.stderr)
    return 2


if __name__ == "__main__":
    if len(sys.argv) in (2, 3) and sys.argv[1] not in ("-h", "--help"):
        sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
    usage()
    sys.exit(0 if len(sys.argv) == 2 else 2)
