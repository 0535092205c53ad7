"""Steps of who takes the broker's machine with every key on it, and of the auditor, who has nothing secret. The seed of the line is
written as plugin/record/epochs.h says, in a program of its own."""
import hashlib
import json
import os
import shutil
import struct

from house import Trouble, patience, wait_for
from stage import expect, step

SLOT = 1024
FILES = ("record.mdb", "record.mdb-keys", "record.sizes", "keys/record.line")


def read_seed(raw):
    """(n, root and depth, epoch, seed, path) of the newest slot."""
    found = []
    for slot in (raw[:SLOT], raw[SLOT:]):
        end = 77 + 32 * slot[40]
        if hashlib.sha256(slot[:end]).digest()[:8] == slot[end:end + 8]:
            found.append((*struct.unpack(">Q33sI32s", slot[:77]), slot[77:end]))
    return max(found)


def write_seed(n, root, epoch, seed, path):
    text = struct.pack(">Q33sI32s", n, root, epoch, seed) + path
    slot = (text + hashlib.sha256(text).digest()[:8]).ljust(SLOT, b"\0")
    return slot + bytes(SLOT) if n % 2 == 0 else bytes(SLOT) + slot


def verify(stage, *more):
    return stage.house.tool("audit", "verify", "--dir", stage.house.dir, *more, check=False)


@step("auditor verifies -> {outcome...}")
def _(stage, outcome):
    """`ok`, or words of what is said to be wrong."""
    done = verify(stage)
    expect("exit status of audit verify", 0 if outcome == "ok" else 1, done.returncode, done.stdout + done.stderr)
    if outcome != "ok" and outcome not in done.stdout + done.stderr:
        raise Trouble(f"{outcome!r} is not in\n{done.stdout}{done.stderr}")


@step("the record's line begins")
def _(stage):
    """Once its keys are made, which a thread does that gives way to everybody else."""
    wait_for("a line", patience(20), lambda: json.loads(verify(stage, "--json").stdout)["line_root"])


@step("auditor is told of {count} closed epochs")
def _(stage, count):
    said = json.loads(verify(stage, "--json").stdout)
    expect("closed epochs", int(count), said["epochs"], said)
    expect("all is under them", said["entries"], said["closed_size"], said)


@step("thief copies the record")
def _(stage):
    (stage.house.root / "copy/keys").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy2(stage.house.dir / name, stage.house.root / "copy" / name)


def put_back(stage, names):
    for name in names:
        with open(stage.house.dir / name, "r+b") as file:       # in place: owner and mode stay
            file.write((stage.house.root / "copy" / name).read_bytes())
            file.truncate()
            os.fsync(file.fileno())


@step("thief puts the copy back")
def _(stage):
    put_back(stage, FILES[:3])


@step("thief puts the store back alone")
def _(stage):
    put_back(stage, FILES[:2])


@step("{name} is damaged")
def _(stage, name):
    """Its pages are, so that whoever trusts them is ended."""
    with open(stage.house.dir / name, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(8192)
        file.write(b"\xff" * (min(size, 1 << 20) - 8192))


@step("{pattern} is kept")
def _(stage, pattern):
    expect(f"files {pattern}", True, any(stage.house.dir.glob(pattern)), sorted(p.name for p in stage.house.dir.iterdir()))


@step("thief puts the seed of then back")
def _(stage):
    put_back(stage, FILES[3:])


@step("thief makes the seed of now the one that is due")
def _(stage):
    n, root, epoch, seed, path = read_seed((stage.house.dir / FILES[3]).read_bytes())
    due = read_seed((stage.house.root / "copy" / FILES[3]).read_bytes())
    if epoch <= due[2]:
        raise Trouble(f"the line is in epoch {epoch} still, as when the copy was made")
    with open(stage.house.dir / FILES[3], "r+b") as file:
        file.write(write_seed(due[0], root, due[2], seed, due[4]))
