#!/usr/bin/env python3
"""acceptance_9: Go's own note and tlog (Debian's golang-golang-x-mod-dev), which nobody here wrote, agree with the record from
exported files alone, and with nothing that was changed. record.go beside this calls them.

    tests/interop/go_test.py BUILD
"""
import json
import os
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "audit"))
from tap import BUILD, Record, equal, run

SEED = 20260101
PROVED = [0, 1, 255, 256, 65535, 65536, 99999]

record = Record(100000, 4)
vkey = (record.folder / "record.vkey").read_text()
tiles = record.folder / "tiles"
record.tool("export", "--format", "tiles", "--notes", "--out", tiles, key=False)
checker = record.folder / "checker"
subprocess.run(["go", "build", "-o", checker, HERE / "record.go"], check=True, env={
    **os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(record.folder / "gocache")})


def go(*words):
    done = subprocess.run([checker, *words], capture_output=True, text=True)
    return done.returncode == 0, (done.stdout or done.stderr).strip()


def changed(path, rng):
    """Turns one bit of a file round, but none of the forward-secure line, which Go passes over; returns what puts it back."""
    raw = path.read_bytes()
    at = rng.randrange(raw.rfind(b"\n\xe2\x80\x94") if b"\n\n\xe2\x80\x94" in raw else len(raw))
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1:])
    return lambda: path.write_bytes(raw)


def acceptance_9_all_notes_open_and_all_tiles_fold_to_them():
    report = json.loads(record.tool("verify", "--vkey", record.folder / "record.vkey", "--sizes", record.folder / "record.sizes",
                                    "--json").stdout)
    good, said = go("tiles", tiles, vkey)
    equal(said, True, good)
    equal("as many as audit verify says", (str(report["entries"]), str(report["checkpoints"])), (said.split()[0], said.split()[5]))
    print(f"# {said}")


def acceptance_9_what_was_changed_is_refused():
    rng = random.Random(SEED)
    for path in rng.sample(sorted(p for p in tiles.rglob("*") if p.is_file()), 20) + [tiles / "checkpoint"]:
        back = changed(path, rng)
        equal(f"{path} with another bit", False, go("tiles", tiles, vkey)[0])
        back()
    equal("as it was", True, go("tiles", tiles, vkey)[0])


def acceptance_9_all_proofs_check():
    rng = random.Random(SEED)
    files = []
    for index in PROVED + [rng.randrange(100000) for _ in range(100)]:
        files.append(record.folder / f"{index}.tlog-proof")
        record.tool("prove", str(index), "--out", files[-1], key=False)
    files.append(record.folder / "disclosed")
    record.tool("disclose", "5000", "--out", files[-1])
    good, said = go("proof", vkey, *files)
    equal(said, True, good)
    print(f"# {said}")
    for path in files[:20]:
        back = changed(path, rng)
        equal(f"{path} with another bit", False, go("proof", vkey, path)[0])
        back()


def a_witness_s_cosignature_is_one():
    state = record.folder / "witness"
    said = json.loads(record.plain("witness", "--state", state, "--vkey", record.folder / "record.vkey", "--tiles", tiles,
                                   "--name", "auditor.example/w1", "--json").stdout)
    note = record.folder / "cosigned"
    note.write_bytes((tiles / "checkpoint").read_bytes() + said["cosignature"].encode() + b"\n")
    witness = (state / "vkey").read_text()
    good, told = go("cosigned", note, vkey, witness)
    equal(told, True, good)
    note.write_bytes(note.read_bytes().replace(b"\n", b"\n1", 1))
    equal("another size", False, go("cosigned", note, vkey, witness)[0])


run([acceptance_9_all_notes_open_and_all_tiles_fold_to_them, acceptance_9_what_was_changed_is_refused,
     acceptance_9_all_proofs_check, a_witness_s_cosignature_is_one])
