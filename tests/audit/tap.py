"""What the tests of the audit commands share: cases in TAP, a scratch folder, a record, the tool."""
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = (TOP / (sys.argv[1] if len(sys.argv) > 1 else "build")).resolve()
SANITIZED = BUILD.name == "san"
SHARED = Path(os.environ.get("SHARED_DATA", TOP.parent / "shared/data"))


def fewer(n):
    """A tenth under a sanitizer, which is ten times slower and looks at something else."""
    return n // 10 if SANITIZED else n


class Skip(Exception):
    """What the case needs is not on this machine."""


class Record:
    """A folder with a record of about `entries` synthetic entries, written in `starts` runs of the writer."""

    def __init__(self, entries, starts=1):
        self.scratch = tempfile.TemporaryDirectory(prefix="pullcord.")
        self.folder = Path(self.scratch.name)
        self.grow(entries, starts)

    def grow(self, entries, starts=1, seed=0, erase=(), lose=None, renewed=False):
        """With `lose`, how many were. `renewed`: when none is there, as one that goes on from another."""
        more = [*erase] if lose is None else [*(erase or [0]), lose]
        done = subprocess.run([BUILD / "tests/audit/maker", self.folder, str(entries), str(starts), "120000", str(seed),
                               *map(str, more)], check=True, capture_output=True, text=True,
                              env={**os.environ, **({"RENEWED": "1"} if renewed else {})})
        return None if lose is None else int(done.stdout.splitlines()[1])

    def tool(self, verb, *words, check=True, key=True):
        args = [BUILD / "pullcord", "audit", verb, *words, "--record", self.folder / "record.mdb"]
        if key:
            args += ["--key", self.folder / "root.key"]
        done = subprocess.run(args, capture_output=True, text=True, errors="surrogateescape")
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, args[2:]))}: exit {done.returncode}: {done.stderr}")
        return done

    def plain(self, verb, *words):
        """A command that needs no record."""
        return subprocess.run([BUILD / "pullcord", "audit", verb, *words], capture_output=True, text=True)

    def events(self):
        """Every entry as `audit tail --json` tells it."""
        return [json.loads(line) for line in self.tool("tail", "--last", "1000000000", "--json").stdout.splitlines()]


def run(cases):
    failed = 0
    print(f"1..{len(cases)}", flush=True)
    for number, case in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} - {case.__name__}", flush=True)
        except Skip as why:
            print(f"ok {number} - {case.__name__} # SKIP {why}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {case.__name__}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)


def equal(what, want, got):
    if want != got:
        raise AssertionError(f"{what}: wanted {str(want)[:2000]}, got {str(got)[:2000]}")
