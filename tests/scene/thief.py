"""Steps of who takes the broker's machine with every key on it, and of the auditor who kept the line's initial key elsewhere.
The key of now is written as plugin/record/forward.h says, in a program of its own."""
import hashlib
import os
import shutil
import struct

from house import Trouble
from stage import expect, step

SLOT = 512
FILES = ("record.mdb", "record.mdb-keys", "record.sizes", "keys/record.line")


def read_line(raw):
    """(number, id, key) of the newest slot."""
    found = []
    for slot in (raw[:SLOT], raw[SLOT:]):
        if hashlib.sha256(slot[:72]).digest()[:8] == slot[72:80]:
            found.append((struct.unpack(">Q", slot[:8])[0], slot[8:40], slot[40:72]))
    return max(found)


def write_line(number, name, key):
    text = struct.pack(">Q", number) + name + key
    slot = (text + hashlib.sha256(text).digest()[:8]).ljust(SLOT, b"\0")
    return slot + bytes(SLOT) if number % 2 == 0 else bytes(SLOT) + slot


@step("auditor takes the initial key away")
def _(stage):
    stage.made()
    shutil.move(stage.house.dir / "line.key", stage.house.root / "line.key")


def verify(stage, *more):
    return stage.house.tool("audit", "verify", "--dir", stage.house.dir, *more, check=False)


@step("auditor verifies -> {outcome...}")
def _(stage, outcome):
    """`ok`, or words of what is said to be wrong."""
    done = verify(stage, "--line", stage.house.root / "line.key")
    expect("exit status of audit verify --line", 0 if outcome == "ok" else 1, done.returncode, done.stdout + done.stderr)
    if outcome != "ok" and outcome not in done.stdout + done.stderr:
        raise Trouble(f"{outcome!r} is not in\n{done.stdout}{done.stderr}")


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


@step("thief makes the key of now the one that is due")
def _(stage):
    due = read_line((stage.house.root / "copy" / FILES[3]).read_bytes())[0]
    path = stage.house.dir / FILES[3]
    number, name, key = read_line(path.read_bytes())
    if number <= due:
        raise Trouble(f"the line is at {number} still, as when the copy was made")
    with open(path, "r+b") as file:
        file.write(write_line(due, name, key))
