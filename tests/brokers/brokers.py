#!/usr/bin/env python3
"""The scenes, and a short soak, on newer brokers: Mosquitto as later releases of Debian have it, with the plugin as built here.

    tests/brokers/brokers.py [--suite forky] [--only WORD] BUILD

Each suite's packages, with all libraries they need, are fetched by apt, which checks their signatures, into
build/brokers/SUITE, and run there with that release's own loader: nothing is installed. What is there already is not
fetched again; `rm -r build/brokers` does so.
"""
import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TOP = TESTS.parent
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITES = ["trixie", "forky"]
PACKAGES = ["mosquitto", "liblmdb0", "libprotobuf-c1", "libargon2-1", "libjansson4"]     # the broker, and what the plugin needs
PLAYED = "scene/,soak/"
LOADER = """#!/bin/sh
exec {loader} --library-path {libraries} {tree}/usr/sbin/mosquitto "$@"
"""


def apt(folder, *words):
    """apt-get with lists, a cache and settings of its own; of the machine's only how the network is reached."""
    etc = folder / "etc"
    for part in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    network = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    (etc / "apt.conf").write_text(f'''{network}
        Dir::State "{folder}"; Dir::State::lists "{folder}/lists"; Dir::State::status "{folder}/status";
        Dir::Cache "{folder}/cache"; Dir::Etc "{etc}"; APT::Sandbox::User ""; APT::Install-Recommends "false";
        Acquire::Languages "none";''')
    subprocess.run(["apt-get", "-qq", *words], check=True, env={**os.environ, "APT_CONFIG": str(etc / "apt.conf")})


def fetch(suite, home):
    """All of it or nothing: what was interrupted is begun again."""
    fresh = home.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    folder, tree = fresh / "apt", fresh / "tree"
    (folder / "etc").mkdir(parents=True)
    tree.mkdir()
    (folder / "etc/sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
    apt(folder, "update")
    apt(folder, "install", "--download-only", "-y", *PACKAGES)
    for package in (folder / "cache/archives").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
    shutil.rmtree(folder)
    [libraries] = tree.glob("usr/lib/*-linux-gnu*")
    [loader] = tree.glob("usr/lib*/ld-linux*.so.?")
    subprocess.run(["/sbin/ldconfig", "-n", libraries], check=True)
    program = fresh / "mosquitto"
    there = {"loader": loader, "libraries": libraries, "tree": tree}
    program.write_text(LOADER.format(**{k: home / v.relative_to(fresh) for k, v in there.items()}))
    program.chmod(0o755)
    fresh.rename(home)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--suite", action="append", help=f"of Debian's; {' and '.join(SUITES)} unless said")
    args.add_argument("--only", default="", metavar="WORD", help="only what has this in its name")
    args.add_argument("build", type=Path)
    args = args.parse_args()
    failed = False
    for suite in args.suite or SUITES:
        home = TOP / "build/brokers" / suite
        if not home.exists():
            print(f"  fetch   {suite}", flush=True)
            try:
                fetch(suite, home)
            except (OSError, subprocess.CalledProcessError) as trouble:
                sys.exit(f"{suite} cannot be had from {MIRROR}: {trouble}")
        env = {**os.environ, "MOSQUITTO": str(home / "mosquitto")}
        version = subprocess.run([env["MOSQUITTO"], "-h"], capture_output=True, text=True).stdout.splitlines()
        print(f"{version[0] if version else 'no broker'} ({suite})", flush=True)
        failed |= subprocess.run([sys.executable, TESTS / "run.py", "--only", args.only or PLAYED, args.build],
                                 env=env).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
