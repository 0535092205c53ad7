#!/usr/bin/env python3
"""Runs test programs and adds up what they say in TAP (https://testanything.org).

    tests/run.py [--only WORD,...] BUILD...  everything found under these build folders, the rules once
    tests/run.py PROGRAM...                  just these

Prints one line for each program, details only of what failed, then the names of what was skipped. The last line is
always `N passed, N failed`; the exit status is 1 when anything failed. A program that crashes, takes too long, says
nothing or less than it planned counts as a failure.
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parent
TOP = TESTS.parent
RESULT = re.compile(r"^(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
DETAIL_LINES = 60
HANGS_S = 400       # no program needs that long, however slow the machine
LONG_FIRST = ["soak", "audit", "health", "fault", "scene"]      # so that none of them is what all wait for at the end
SLOW_S = 30         # said of a program that took longer
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


@dataclass
class Job:
    name: str
    argv: list
    env: dict = field(default_factory=dict)

    @property
    def kind(self):
        return self.name.split("/")[0]


@dataclass
class Outcome:
    job: Job
    passed: int = 0
    failed: int = 0
    skipped: list = field(default_factory=list)
    details: str = ""
    seconds: float = 0


def kinds(build, env):
    """Where each kind of test lives and how it is run."""
    for program in sorted((build / "tests/unit").glob("*_test")):
        yield Job(f"unit/{program.name}", [program], env)
    for program in sorted((build / "tests/fuzz").glob("*_fuzz")):
        corpus = TESTS / "fuzz/corpus" / program.name.removesuffix("_fuzz")
        yield Job(f"fuzz/{program.name}", [program, corpus], env)
    for program in sorted((build / "tests/fault").glob("*_test")):
        yield Job(f"fault/{program.name}", [program], env)
    for script in sorted((TESTS / "audit").glob("*_test.py")):
        yield Job(f"audit/{script.stem}", [sys.executable, script, build], env)
    for script in sorted((TESTS / "scene").glob("*.scene")):
        runner = [sys.executable, TESTS / "scene/scene.py", "--build", build, script]
        yield Job(f"scene/{script.stem}", runner, env)
    if (build / "pullcord-gateway").exists():
        yield Job("soak/uplink", [sys.executable, TESTS / "soak/uplink.py", build], env)
        yield Job("soak/short", [sys.executable, TESTS / "soak/soak.py", "--build", build], env)


def jobs_of(build):
    sanitized = build.name == "san"
    for job in kinds(build, SANITIZER_ENV if sanitized else {}):
        if sanitized:
            job.name += " (sanitized)"
        yield job


def read_tap(text, outcome):
    """Counts results into `outcome`; returns how many there were and how many were planned."""
    seen = planned = 0
    for line in text.splitlines():
        if plan := PLAN.match(line):
            planned += int(plan[1])
        elif result := RESULT.match(line):
            seen += 1
            name = result[3]
            if re.search(r"#\s*SKIP\b", name, re.I):    # cmocka 1.1.5 writes "not ok 2 # SKIP name"
                outcome.skipped.append(re.sub(r"\s*#\s*SKIP\b:?\s*", " ", name, flags=re.I).strip())
            elif result[1]:
                outcome.failed += 1
            else:
                outcome.passed += 1
    return seen, planned


def ended(status):
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def run(job):
    outcome = Outcome(job)
    env = dict(os.environ, **job.env)
    env.setdefault("SHARED_DATA", str(TOP.parent / "shared/data"))
    env["PYTHONPYCACHEPREFIX"] = str(TOP / "build/pycache")     # compiled once, not by each of hundreds
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    complaint = None
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        # Its own session: whatever a program leaves behind can be ended with it, and nothing else.
        child = subprocess.Popen([str(a) for a in job.argv], cwd=TOP, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = child.wait(timeout=HANGS_S)
        except subprocess.TimeoutExpired:
            complaint = f"still running after {HANGS_S} s"
            os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
        outcome.seconds = time.monotonic() - began
        out.seek(0)
        text = out.read()
    seen, planned = read_tap(text, outcome)
    if not complaint and status != 0 and not outcome.failed:
        complaint = ended(status)
    if not complaint and seen == 0 and planned == 0:
        complaint = "printed no TAP"
    if not complaint and seen < planned:
        complaint = f"planned {planned} cases, reported {seen}"
    if complaint:
        outcome.failed += 1
        text += f"\n{complaint}\n"
    if outcome.failed:
        lines = [l for l in text.splitlines() if not l.startswith("ok ")]
        left_out = len(lines) - DETAIL_LINES
        outcome.details = "\n".join(([f"({left_out} lines left out)"] if left_out > 0 else []) + lines[-DETAIL_LINES:])
    return outcome


def say(outcome):
    counts = f"{outcome.passed} passed"
    if outcome.failed:
        counts += f", {outcome.failed} failed"
    if outcome.skipped:
        counts += f", {len(outcome.skipped)} skipped"
    if outcome.seconds > SLOW_S:
        counts += f", {outcome.seconds:.0f} s"
    print(f"  {'FAILED' if outcome.failed else 'ok':7} {outcome.job.name:58} {counts}", flush=True)
    for line in outcome.details.splitlines():
        print(f"            {line}", flush=True)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--only", default="", metavar="WORD,...", help="only programs whose name contains one of these")
    args.add_argument("--jobs", type=int, default=6, help="programs at a time (6: most of their time they wait)")
    args.add_argument("what", nargs="+", type=Path, help="build folders or programs")
    args = args.parse_args()

    jobs = []
    for what in (w.resolve() for w in args.what):
        if what.is_dir():
            jobs += jobs_of(what)
        else:
            jobs.append(Job(what.name, [what]))
    if any(w.is_dir() for w in args.what):
        jobs.append(Job("rules", [sys.executable, TESTS / "rules.py", args.what[0]]))
        jobs.append(Job("health/alerts", [sys.executable, TESTS / "health/alerts_test.py"]))
    jobs = [j for j in jobs if any(word in j.name for word in args.only.split(","))]
    jobs.sort(key=lambda j: LONG_FIRST.index(j.kind) if j.kind in LONG_FIRST else len(LONG_FIRST))

    outcomes = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for outcome in pool.map(run, jobs):
            say(outcome)
            outcomes.append(outcome)
    skipped = sorted({f"{o.job.name.split(' ')[0]}: {name}" for o in outcomes for name in o.skipped})
    if skipped:
        print("  skipped:")
        for name in skipped:
            print(f"          {name}")
    passed, failed = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
