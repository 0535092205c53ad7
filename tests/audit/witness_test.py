#!/usr/bin/env python3
"""`audit witness` vouches for a record by exported files alone; an independent program reads its cosignatures; and a record
that was forked or set back is refused, kept as evidence, and is the end."""
import json
import shutil
import subprocess
import time

from tap import BUILD, Record, Skip, equal, run

try:
    import checker
    from checker import Bad
except ImportError:
    checker, Bad = None, ()

record = Record(3000)
vkey = record.folder / "record.vkey"
state = record.folder / "witness"
NAME = "auditor.example/w1"


def witness(*words, state=state, stdin=None):
    done = subprocess.run([BUILD / "pullcord", "audit", "witness", "--state", state, "--vkey", vkey, "--json", *words],
                          capture_output=True, text=True, input=stdin)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def export(what, name):
    folder = what.folder / name
    what.tool("export", "--format", "tiles", "--out", folder, key=False)
    return folder


def it_needs_a_name_once():
    tiles = export(record, "first")
    code, said, text = witness("--tiles", tiles)
    equal(f"without a name: {text}", (1, None, True), (code, said, "--name" in text))
    code, said, text = witness("--tiles", tiles, "--name", NAME)
    equal(f"with one: {text}", (0, "accepted", 0), (code, said["kind"], said["before"]))
    code, said, text = witness("--tiles", tiles, "--name", "another.example/w1")
    equal(f"another: {text}", (1, None), (code, said))
    code, said, text = witness("--tiles", tiles)
    equal(f"again: {text}", (0, "accepted", said["size"]), (code, said["kind"], said["before"]))


def an_independent_program_reads_the_cosignature():
    if not checker:
        raise Skip("python3-cryptography is not installed")
    began = int(time.time())
    record.grow(2000)
    tiles = export(record, "second")
    code, said, text = witness("--tiles", tiles)
    equal(f"it has grown: {text}", (0, "accepted", True), (code, said["kind"], 0 < said["before"] < said["size"]))
    note = (tiles / "checkpoint").read_bytes() + said["cosignature"].encode() + b"\n"
    when = checker.cosigned_at(note, (state / "vkey").read_text())
    equal("its time is now", True, began <= when <= time.time() + 1)
    equal("the log's signature is still there", said["size"], checker.read_checkpoint(note, checker.read_vkey(vkey.read_text()))[0])
    try:
        checker.cosigned_at(note.replace(b"audit/main\n", b"audit/mein\n", 1), (state / "vkey").read_text())
    except Bad:
        return
    raise AssertionError("another note was taken for cosigned")


def a_body_comes_from_standard_input():
    tiles = export(record, "third")
    note = (tiles / "checkpoint").read_text()
    size = int(note.split("\n")[1])
    code, said, text = witness("--body", "-", stdin=f"old {size}\n\n{note}")
    equal(f"same size: {text}", (0, "accepted"), (code, said["kind"]))
    code, said, text = witness("--body", "-", stdin=f"old 0\n\n{note}")
    equal(f"from nothing: {text}", (1, "too-old", size), (code, said["kind"], said["before"]))
    code, said, text = witness("--body", "-", stdin="rubbish\n")
    equal(f"rubbish: {text}", (1, "malformed"), (code, said["kind"]))
    code, said, text = witness("--body", "-", stdin=f"old {size}\n\n{note.replace('audit/main', 'audit/mein')}")
    equal(f"another log: {text}", (1, "unknown-origin"), (code, said["kind"]))


def no_tile_is_read_for_a_size_that_nobody_signed():
    tiles = record.folder / "unsigned"
    tiles.mkdir()
    note = (record.folder / "third" / "checkpoint").read_text().split("\n")
    note[1] = str(2 ** 64 - 1)
    (tiles / "checkpoint").write_text("\n".join(note))
    code, said, text = witness("--tiles", tiles)
    equal(f"a size nobody signed: {text}", (1, "bad-signature", False), (code, said and said["kind"], said and said["stopped"]))


def an_older_export_is_late_unless_it_is_the_newest():
    copy = record.folder / "late"
    shutil.copytree(state, copy)
    tiles = record.folder / "first"
    code, said, text = witness("--tiles", tiles, state=copy)
    equal(f"late: {text}", (1, "too-old", False), (code, said["kind"], said["stopped"]))
    code, said, text = witness("--tiles", tiles, "--newest", state=copy)
    equal(f"set back: {text}", (1, "rewind", True), (code, said["kind"], said["stopped"]))
    had, got = sorted(p.read_text() for p in copy.glob("evidence.*"))[::-1]
    equal("both notes are kept", (True, True), ((tiles / "checkpoint").read_text() in had + got, "old " in had + got))
    code, said, text = witness("--tiles", record.folder / "third", state=copy)
    equal(f"it stays stopped: {text}", (1, None, True), (code, said, "evidence" in text))


def acceptance_4_another_history_of_the_same_key_is_a_fork():
    other = Record(1)
    for path in other.folder.iterdir():
        path.unlink()
    shutil.copy(record.folder / "root.key", other.folder / "root.key")
    other.grow(6000, seed=7)
    equal("the same key", vkey.read_text(), (other.folder / "record.vkey").read_text())
    code, said, text = witness("--tiles", export(other, "forked"))
    equal(f"forked: {text}", (1, "fork", True), (code, said["kind"], said["stopped"]))
    equal("both notes are kept", 2, len(list(state.glob("evidence.*"))))
    code, said, text = witness("--tiles", record.folder / "third")
    equal(f"nor is the first one vouched for: {text}", (1, None), (code, said))


run([it_needs_a_name_once, an_independent_program_reads_the_cosignature, a_body_comes_from_standard_input,
     no_tile_is_read_for_a_size_that_nobody_signed, an_older_export_is_late_unless_it_is_the_newest,
     acceptance_4_another_history_of_the_same_key_is_a_fork])
