#!/usr/bin/env python3
"""Parts of the gateway, and a gateway at work, under valgrind (TAP): no read or write where none may be, nothing lost.

    tests/valgrind.py [BUILD]

Unit tests of what works with memory of its own, and the scene in which a gateway takes alerts, is killed, starts again and
brings them to the broker. What Paho loses is not ours (tests/leaks.supp says how much); all else counts.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

UNITS = ("flight", "hints", "throttle", "loop", "in_local", "in_mllp", "downlink")
SCENE = "d040-a-gateway-restart-keeps-the-outbox"
TESTS = Path(__file__).resolve().parent
OPTIONS = ["valgrind", "--quiet", "--child-silent-after-fork=yes", "--error-exitcode=99", "--leak-check=full",
           "--errors-for-leak-kinds=definite", f"--suppressions={TESTS / 'valgrind.supp'}"]


def unit(build, name):
    done = subprocess.run([*OPTIONS, build / f"tests/unit/{name}_test"], capture_output=True, text=True)
    return [] if done.returncode == 0 else [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("ok")]


def scene(build):
    """The same build, but for the gateway, in whose place a script calls it."""
    with tempfile.TemporaryDirectory(prefix="pullcord-valgrind-") as folder:
        under = Path(folder)
        for path in build.iterdir():
            if path.name != "pullcord-gateway":
                (under / path.name).symlink_to(path)
        script = under / "pullcord-gateway"
        script.write_text(f"#!/bin/sh\nexec {' '.join(OPTIONS)} --log-file={under}/log.%p {build}/pullcord-gateway \"$@\"\n")
        script.chmod(0o755)
        done = subprocess.run([sys.executable, TESTS / "scene/scene.py", "--build", under, TESTS / f"scene/{SCENE}.scene"],
                              capture_output=True, text=True, env=dict(os.environ, CI="1"))
        wrong = [line for log in sorted(under.glob("log.*")) for line in log.read_text().splitlines()]
        return wrong or ([] if done.returncode == 0 else (done.stdout + done.stderr).splitlines())


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
    jobs = [(f"unit/{name}", lambda name=name: unit(build, name)) for name in UNITS] + [(f"scene/{SCENE}", lambda: scene(build))]
    failed = 0
    print(f"1..{len(jobs)}")
    for number, (name, run) in enumerate(jobs, 1):
        wrong = run()
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}", *[f"\n# {w}" for w in wrong[:40]], flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
