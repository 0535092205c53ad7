#!/usr/bin/env python3
"""An independent program agrees with the record, over 100,000 entries and several starts, from exported files alone."""
import base64
import hmac
import json
import random
import subprocess
import sys
from hashlib import sha256

from tap import BUILD, SHARED, Record, Skip, equal, run

try:
    import checker
    from checker import Bad
except ImportError:
    checker, Bad = None, ()

record = Record(100000, 4)
tiles = record.folder / "tiles"
vkey = record.folder / "record.vkey"
SEED = 20260101


def needed():
    if not checker:
        raise Skip("python3-cryptography is not installed")


def refused(what, check, *args):
    try:
        check(*args)
    except (Bad, ValueError, IndexError, OSError):
        return
    raise AssertionError(f"{what} was taken for good")


def acceptance_9_it_agrees_over_100000_entries_and_four_starts():
    needed()
    record.tool("export", "--format", "tiles", "--notes", "--out", tiles, key=False)
    size, notes, erased, closed = checker.check(tiles, vkey.read_text())
    equal("erased", 0, erased)
    equal("100,000 entries", True, size >= 100000)
    equal("a note for each start at least", True, notes >= 4)
    equal("each start ended an epoch", 4, closed)
    report = json.loads(record.tool("verify", "--vkey", vkey, "--sizes", record.folder / "record.sizes", "--json").stdout)
    equal("as many as audit verify says", (report["entries"], report["checkpoints"], report["epochs"]), (size, notes, closed))


class Thief:
    """Has every key of the machine as it is now: the record's own, and the newest epoch's seed."""

    def __init__(self, folder):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        raw = (folder / "record.line").read_bytes()
        slot = max((raw[:1024], raw[1024:]), key=lambda slot: slot[:8])
        self.root, self.depth, self.epoch, seed = slot[8:40], slot[40], int.from_bytes(slot[41:45], "big"), slot[45:77]
        self.path = slot[77:77 + 32 * self.depth]
        self.raw = Encoding.Raw, PublicFormat.Raw
        self.line = Ed25519PrivateKey.from_private_bytes(hmac.digest(seed, b"fs1 sig", "sha256"))
        self.log = Ed25519PrivateKey.from_private_bytes(sha256(bytes.fromhex((folder / "root.key").read_text())).digest())
        self.name, self.key_id, _ = checker.read_vkey((folder / "record.vkey").read_text())

    def sign(self, note, as_epoch=None):
        """The same text, signed by the record's key; and, unless None, with the line of the epoch that it is said to be."""
        text = note.rpartition(b"\n\n")[0] + b"\n"
        lines = [self.key_id + self.log.sign(text)]
        if as_epoch is not None:
            key_id = sha256(self.name.encode() + b"\n\xffpullcord fs1" + self.root).digest()[:4]
            pub = self.line.public_key().public_bytes(*self.raw)
            lines.append(key_id + as_epoch.to_bytes(4, "big") + pub + self.path + self.line.sign(text))
        return text + b"\n" + b"".join(b"\xe2\x80\x94 %s %s\n" % (self.name.encode(), base64.b64encode(l)) for l in lines)


def acceptance_5_the_key_of_an_epoch_signs_none_before_it():
    needed()
    thief = Thief(record.folder)
    equal("epoch of now", 4, thief.epoch)
    notes = sorted((tiles / "notes").rglob("*"))
    notes = [n for n in notes if n.is_file()]
    was = [n.read_bytes() for n in notes]
    of = [checker.line_of(w, thief.name, thief.root, thief.depth) if w.count(b"\n") > 5 else None for w in was]
    for epoch in range(4):
        path, raw = next((n, w) for n, w, e in zip(notes, was, of) if e == epoch)
        for what, forged in (("without a line", thief.sign(raw)), ("of the stolen epoch", thief.sign(raw, thief.epoch)),
                             ("that says it is of its own", thief.sign(raw, epoch))):
            path.write_bytes(forged)
            equal(f"{what}: the record's own key signed it", checker.read_checkpoint(raw, checker.read_vkey(vkey.read_text())),
                  checker.read_checkpoint(forged, checker.read_vkey(vkey.read_text())))
            refused(f"a note of epoch {epoch} {what}", checker.check, tiles, vkey.read_text())
        path.write_bytes(raw)
    checker.check(tiles, vkey.read_text())


def it_names_what_was_changed():
    needed()
    if not tiles.exists():
        raise AssertionError("no tiles were exported")
    rng = random.Random(SEED)
    files = sorted(p for p in tiles.rglob("*") if p.is_file())
    for path in rng.sample(files, 6) + [tiles / "checkpoint"]:
        raw = path.read_bytes()
        at = rng.randrange(len(raw))
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1:])
        refused(f"{path.name} with another byte {at}", checker.check, tiles, vkey.read_text())
        path.write_bytes(raw)
        path.unlink()
        if "notes" not in path.parts:       # the end of the notes is where the next is missing
            refused(f"without {path.name}", checker.check, tiles, vkey.read_text())
        path.write_bytes(raw)
    checker.check(tiles, vkey.read_text())


def acceptance_9_proofs_hold_and_changed_ones_do_not():
    needed()
    rng = random.Random(SEED)
    text = vkey.read_text()
    for index in [0, 1, 255, 256, 65535, 65536, 99999] + [rng.randrange(100000) for _ in range(10)]:
        path = record.folder / f"{index}.tlog-proof"
        record.tool("prove", str(index), "--out", path, key=False)
        proof = path.read_bytes()
        equal("index", index, checker.check_proof(proof, text)[0])
        equal("check-proof", 0, check_proof(path).returncode)
        at = rng.randrange(proof.rfind(b"\xe2\x80\x94"))       # the forward-secure line behind is nobody's who looks at a proof
        path.write_bytes(proof[:at] + bytes([proof[at] ^ 1 << rng.randrange(7)]) + proof[at + 1:])
        equal(f"check-proof with another byte {at}", 1, check_proof(path).returncode)
        refused(f"byte {at}", checker.check_proof, path.read_bytes(), text)


def check_proof(path, *more):
    return record.plain("check-proof", path, "--vkey", vkey, *more)


def a_disclosure_opens_one_entry_without_the_root_key():
    shown = json.loads(record.tool("show", "5000", "--json").stdout)
    path, closed = record.folder / "5000.disclosed", record.folder / "5000.proof"
    record.tool("disclose", "5000", "--out", path)
    equal("mode", 0o600, path.stat().st_mode & 0o777)
    done = check_proof(path, "--open", "--json")
    checked, opened = map(json.loads, done.stdout.splitlines())
    equal("it is proved", (True, 5000, True), (checked["good"], checked["index"], checked["opens"]))
    equal("it says what the record says", shown, opened)
    record.tool("prove", "5000", "--out", closed, key=False)
    equal("a proof alone opens nothing", 1, check_proof(closed, "--open").returncode)
    lines = path.read_bytes().split(b"\n")
    extra = bytearray(base64.b64decode(lines[1][6:]))
    extra[1] ^= 1
    lines[1] = b"extra " + base64.b64encode(extra)
    path.write_bytes(b"\n".join(lines))
    done = check_proof(path, "--open")
    equal(f"another key opens nothing: {done.stderr}", (1, True), (done.returncode, "not as the key says" in done.stderr))
    equal("which is said without --open, too", False, json.loads(check_proof(path, "--json").stdout)["opens"])


def what_cannot_be_proved_is_said():
    equal("an entry that is not there", 1, record.tool("prove", "99999999", key=False, check=False).returncode)
    done = record.plain("prove", "1", "--record", record.folder / "nowhere.mdb")
    equal(f"of a record that is not there: {done.stderr}", (1, True), (done.returncode, "nowhere.mdb" in done.stderr))
    path = record.folder / "rubbish"
    path.write_text("rubbish\n")
    done = check_proof(path)
    equal(f"rubbish: {done.stderr}", (1, True), (done.returncode, "tlog-proof@v1" in done.stderr))
    other = Record(10)
    record.tool("prove", "7", "--out", record.folder / "7.proof", key=False)
    done = record.plain("check-proof", record.folder / "7.proof", "--vkey", other.folder / "record.vkey")
    equal("the key of another record", (1, True), (done.returncode, "not signed by this key" in done.stdout))


def who_calls_it_hears_what_is_wrong():
    called, proof = record.folder / "called", record.folder / "called.proof"
    record.tool("export", "--format", "tiles", "--out", called, key=False)
    record.tool("prove", "7", "--out", proof, key=False)

    def call(*words):
        done = subprocess.run([sys.executable, checker.__file__, *words], capture_output=True, text=True)
        equal(f"{words}: {done.stderr}", False, "Traceback" in done.stderr)
        return done.returncode, done.stdout
    equal("the tree", 0, call(called, vkey)[0])
    equal("a proof", (0, "entry 7 is under the signed root\n"), call(proof, vkey))
    for words in (), ("--help",), (called,):
        equal(f"{words}", 2, call(*words)[0])
    others = (record.folder / name for name in ("record.mdb", "root.key"))
    for words in (called, proof), (vkey, vkey), (called / "no", vkey), (next(others), vkey), (proof, next(others)):
        equal(f"{words}", 1, call(*words)[0])


def acceptance_8_what_is_left_of_an_erased_segment_can_be_checked():
    needed()
    other = Record(300, 2)
    before = other.events()
    other.grow(50, erase=[1])       # the second is the key of the year's pseudonyms
    end = next(e["index"] for e in before if e["type"] == "segment-open" and e["segment"] == 3)
    gone = {e["index"] for e in before if e["index"] < end and "actor" in e}
    folder, key = other.folder / "tiles", other.folder / "record.vkey"
    other.tool("export", "--format", "tiles", "--notes", "--out", folder, key=False)
    size, _, erased, _ = checker.check(folder, key.read_text())
    equal("erased", (len(gone), True), (erased, 0 < erased < size))
    for index in (min(gone), max(gone)):
        for verb, has_key in (("prove", False), ("disclose", True)):
            path = other.folder / f"{verb}.{index}"
            done = other.tool(verb, str(index), "--out", path, key=has_key, check=False)
            equal(f"{verb}: {done.stderr}", (1, True, False), (done.returncode, "was erased" in done.stderr, path.exists()))
    path = other.folder / "proof"
    other.tool("prove", str(end), "--out", path, key=False)
    checker.check_proof(path.read_bytes(), key.read_text())
    at = sorted((folder / "tile/0").rglob("*"))[-1]
    raw = at.read_bytes()
    at.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
    refused("another hash of an erased entry", checker.check, folder, key.read_text())


def what_nobody_signed_is_said_apart():
    tail = Record(10)
    words = ["--vkey", tail.folder / "record.vkey", "--sizes", tail.folder / "record.sizes"]
    said = json.loads(tail.tool("verify", *words, "--json").stdout)
    equal("all is signed", (said["entries"], 0), (said["signed_size"], said["unsigned"]))
    equal("and it says so", "the record is whole", tail.tool("verify", *words).stdout.splitlines()[0])
    subprocess.run([BUILD / "tests/audit/maker", "tail", tail.folder, "7"], check=True)
    after = json.loads(tail.tool("verify", *words, "--json").stdout)
    equal("seven are not", (said["signed_size"], 7, said["entries"] + 7),
          (after["signed_size"], after["unsigned"], after["entries"]))
    text = tail.tool("verify", *words).stdout
    equal(f"that is said: {text}", (True, True),
          (f"as far as it is signed: {said['entries']} of {after['entries']} entries" in text, "the newest 7 entries" in text))


def acceptance_9_the_example_of_c2sp_holds():
    needed()
    folder = SHARED / "vectors/c2sp"
    if not folder.exists():
        raise Skip(f"{folder} is not there")
    note, key = (folder / "example.note").read_bytes(), checker.read_vkey((folder / "example.vkey").read_text())
    equal("text", b"This is an example message.\n", checker.open_note(note, key))
    refused("another text", checker.open_note, note.replace(b"example message", b"exomple message"), key)


def vectors(kind):
    folder = SHARED / "vectors/merkle-proofs/testdata" / kind
    if not folder.exists():
        raise Skip(f"{folder} is not there")
    return sorted(folder.rglob("*.json"))


def decoded(value):
    return base64.b64decode(value) if value else b""


def all_inclusion_proofs_are_judged_as_they_should():
    needed()
    for path in vectors("inclusion"):
        v = json.loads(path.read_text())
        proof = [decoded(p) for p in v["proof"] or []]
        def judge():
            if checker.inclusion_root(v["leafIdx"], v["treeSize"], decoded(v["leafHash"]), proof) != decoded(v["root"]):
                raise Bad("another root")
        refused(path, judge) if v["wantErr"] else judge()


def all_consistency_proofs_are_judged_as_they_should():
    needed()
    for path in vectors("consistency"):
        v = json.loads(path.read_text())
        args = (v["size1"], v["size2"], [decoded(p) for p in v["proof"] or []], decoded(v["root1"]), decoded(v["root2"]))
        if v["wantErr"]:
            refused(path, checker.check_consistency, *args)
        else:
            checker.check_consistency(*args)


run([acceptance_9_it_agrees_over_100000_entries_and_four_starts, acceptance_5_the_key_of_an_epoch_signs_none_before_it,
     it_names_what_was_changed,
     acceptance_9_proofs_hold_and_changed_ones_do_not,
     a_disclosure_opens_one_entry_without_the_root_key, what_cannot_be_proved_is_said,
     who_calls_it_hears_what_is_wrong,
     acceptance_8_what_is_left_of_an_erased_segment_can_be_checked, what_nobody_signed_is_said_apart,
     acceptance_9_the_example_of_c2sp_holds,
     all_inclusion_proofs_are_judged_as_they_should, all_consistency_proofs_are_judged_as_they_should])
