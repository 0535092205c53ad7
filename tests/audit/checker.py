#!/usr/bin/env python3
"""An independent checker of a record: reads only an exported folder of tiles and notes, and the verifier key. Shares nothing
with the project's code; written from RFC 6962, RFC 9162, the C2SP documents signed-note, tlog-checkpoint, tlog-tiles and
tlog-proof, and what proto/wire/forward.h and plugin/record/line_check.h say of the forward-secure line, with Python's hashlib and
cryptography alone.

    tests/audit/checker.py FOLDER VKEY      says how many entries, notes and closed epochs are good, or what is not, and exits 1
    tests/audit/checker.py PROOF VKEY       the same of one entry: a file of pullcord audit prove or disclose

VKEY is the file of the verifier key. Exits 2 when it was called otherwise.
"""
import base64
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE = 256


class Bad(Exception):
    """What was checked is not what it should be."""


# ---- hashes (RFC 6962 §2.1) ----

def leaf_hash(entry):
    return sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return sha256(b"\1" + left + right).digest()


def split(n):
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def root_of(hashes):
    if not hashes:
        return sha256(b"").digest()
    level, left = list(hashes), []
    while len(level) > 1:
        if len(level) % 2:
            left.append(level.pop())
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    root = None
    for node in left + level:       # from the smallest on
        root = node_hash(node, root) if root else node
    return root


def inclusion_root(index, size, leaf, proof):
    """RFC 9162 §2.1.3.2, without the last comparison."""
    if index >= size or any(len(h) != 32 for h in [leaf, *proof]):
        raise Bad("the index is not below the size, or a hash is none")
    f, s, r = index, size - 1, leaf
    for p in proof:
        if s == 0:
            raise Bad("the proof is too long")
        if f % 2 or f == s:
            r = node_hash(p, r)
            while f % 2 == 0 and f:
                f, s = f >> 1, s >> 1
        else:
            r = node_hash(r, p)
        f, s = f >> 1, s >> 1
    if s:
        raise Bad("the proof is too short")
    return r


def check_consistency(size1, size2, proof, root1, root2):
    """RFC 9162 §2.1.4.2."""
    if size1 > size2 or size1 == 0:
        raise Bad("the first tree is larger; or it is empty, and everything continues it")
    if size1 == size2:
        if proof or root1 != root2:
            raise Bad("one size, two trees")
        return
    if any(len(h) != 32 for h in [root1, root2, *proof]):
        raise Bad("a hash is none")
    path = list(proof)
    if size1 & size1 - 1 == 0:
        path.insert(0, root1)
    if not path:
        raise Bad("an empty proof")
    f, s = size1 - 1, size2 - 1
    while f % 2:
        f, s = f >> 1, s >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if s == 0:
            raise Bad("the proof is too long")
        if f % 2 or f == s:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while f % 2 == 0 and f:
                f, s = f >> 1, s >> 1
        else:
            sr = node_hash(sr, c)
        f, s = f >> 1, s >> 1
    if s or fr != root1 or sr != root2:
        raise Bad("the proof does not lead to the roots")


# ---- notes ----

def unbase64(text):
    """Strictly: there is one way to write it."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw) != (text if isinstance(text, bytes) else text.encode()):
        raise Bad("base64 with something behind its end")
    return raw


def read_vkey(text):
    name, _, rest = text.strip().partition("+")
    key_id, _, key = rest.partition("+")
    raw = unbase64(key)
    if raw[:1] != b"\1" or sha256(name.encode() + b"\n" + raw).digest()[:4].hex() != key_id:
        raise Bad("the verifier key is none")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(raw[1:])


def open_note(note, vkey):
    """The text of a signed note; raises unless the key signed it."""
    name, key_id, key = vkey
    text, _, lines = note.rpartition(b"\n\n")
    if not text or not lines.endswith(b"\n"):
        raise Bad("not a signed note")
    text += b"\n"
    for line in lines[:-1].split(b"\n"):
        dash, signer, encoded = line.split(b" ")
        raw = unbase64(encoded)
        if dash.decode() == "\u2014" and signer == name.encode() and raw[:4] == key_id:
            try:
                key.verify(raw[4:], text)
            except InvalidSignature:
                raise Bad("the signature does not fit") from None
            return text
    raise Bad("no signature of this key")


def cosigned_at(note, witness):
    """When a witness cosigned a note (tlog-cosignature, type 0x04); raises when it did not."""
    name, _, key = witness.strip().split("+", 2)
    raw = unbase64(key)
    key_id = sha256(name.encode() + b"\n" + raw).digest()[:4]
    if raw[0] != 4:
        raise Bad("not a witness's key")
    text, _, lines = note.rpartition(b"\n\n")
    for line in lines[:-1].split(b"\n"):
        dash, signer, encoded = line.split(b" ")
        sig = unbase64(encoded)
        if dash.decode() == "\u2014" and signer == name.encode() and sig[:4] == key_id and len(sig) == 76:
            when = int.from_bytes(sig[4:12], "big")
            try:
                Ed25519PublicKey.from_public_bytes(raw[1:]).verify(sig[12:], b"cosignature/v1\ntime %d\n%s\n" % (when, text))
            except InvalidSignature:
                raise Bad("the cosignature does not fit") from None
            return when
    raise Bad("no cosignature of this witness")


def read_checkpoint(note, vkey):
    origin, size, root, *rest = open_note(note, vkey).decode().split("\n")
    if origin != vkey[0] or rest != [""] or str(int(size)) != size:
        raise Bad("not a checkpoint of this log")
    return int(size), unbase64(root)


# ---- the forward-secure line ----

SKEW_US = 300 * 10**6


def line_of(note, name, root, depth):
    """The epoch whose key made the line of that root; raises when there is none, or it does not fit."""
    key_id = sha256(name.encode() + b"\n\xffpullcord fs1" + root).digest()[:4]
    size = 4 + 4 + 32 + 32 * depth + 64
    text, _, lines = note.rpartition(b"\n\n")
    found = []
    for line in lines[:-1].split(b"\n"):
        _, signer, encoded = line.split(b" ")
        raw = unbase64(encoded)
        if signer == name.encode() and raw[:4] == key_id and len(raw) == size:
            found.append(raw)
    if len(found) != 1:
        raise Bad(f"{len(found)} lines of the announced root where one is due")
    raw = found[0]
    epoch, key = int.from_bytes(raw[4:8], "big"), raw[8:40]
    path = [raw[at:at + 32] for at in range(40, 40 + 32 * depth, 32)]
    if inclusion_root(epoch, 1 << depth, leaf_hash(key), path) != root:
        raise Bad("the line's key is not one of the announced root")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(raw[-64:], text + b"\n")
    except InvalidSignature:
        raise Bad("the line's signature does not fit") from None
    return epoch


def line_due(controls, size):
    """The root, its depth and the epoch that a note of that size must bear; None: none is announced."""
    root, following, epoch = None, None, 0
    for index in sorted(i for i in controls if i < size):
        raw = controls[index]
        if raw[2] == 7 and root:
            following = raw[20:52], raw[11]
        elif raw[2] == 7:
            root = raw[20:52], raw[11]
        elif raw[2] == 8 and index < size - 1:      # as the last entry it is signed by the epoch that it ends
            root, following, epoch = (following, None, 0) if following else (root, None, epoch + 1)
    return root and (*root, epoch)


class Line:
    """Fed with entries and notes in order; raises where they do not bear the line out."""

    def __init__(self, name):
        self.name, self.root, self.next, self.epoch, self.began, self.ended, self.closed = name, None, None, 0, 0, None, 0

    def entry(self, index, raw):
        control = raw[2] if raw[:2] == b"\1\2" else 0
        if self.ended is not None:
            raise Bad(f"entry {index} follows the end of epoch {self.epoch}, which no note closes")
        if self.next and control != 8:
            raise Bad(f"entry {index} follows another line's root, which no end of an epoch vouches for")
        if control not in (7, 8):
            return
        at = int.from_bytes(raw[3:11], "big")
        if control == 7:
            root = raw[20:52], raw[11]
            if self.root:
                self.next = root
            else:
                self.root, self.began = root, at
            return
        if not self.root or int.from_bytes(raw[11:19], "big") != self.epoch:
            raise Bad(f"entry {index} ends another epoch than {self.epoch}")
        if at < self.began - SKEW_US and not raw[19]:
            raise Bad(f"entry {index} ends epoch {self.epoch} before it began")
        self.ended = at

    def note(self, number, note):
        if not self.root:
            return
        epoch = line_of(note, self.name, *self.root)
        if epoch != self.epoch:
            raise Bad(f"note {number} is of epoch {epoch} where epoch {self.epoch} is due")
        if self.ended is None:
            return
        self.epoch, self.began, self.ended, self.closed = self.epoch + 1, self.ended, None, self.closed + 1
        if self.next:
            self.root, self.next, self.epoch = self.next, None, 0


# ---- tiles ----

def tile_path(n):
    parts = [f"{n % 1000:03d}"]
    while n >= 1000:
        n //= 1000
        parts.insert(0, f"x{n % 1000:03d}")
    return "/".join(parts)


def read_tiles(folder, kind, count):
    """All of a level that a tree with `count` items there has."""
    for n in range((count + TILE - 1) // TILE):
        width = min(TILE, count - n * TILE)
        path = folder / "tile" / kind / (tile_path(n) + (f".p/{width}" if width < TILE else ""))
        try:
            yield n, width, path.read_bytes()
        except FileNotFoundError:
            raise Bad(f"{path} is missing") from None


def read_entries(folder, size):
    for n, width, raw in read_tiles(folder, "entries", size):
        at = 0
        for i in range(width):
            length = int.from_bytes(raw[at:at + 2], "big")
            entry = raw[at + 2:at + 2 + length]
            if len(entry) != length:
                raise Bad(f"entry {n * TILE + i} is cut off")
            yield entry
            at += 2 + length
        if at != len(raw):
            raise Bad(f"there is something after the entries of bundle {n}")


def leaves_of(folder, size):
    """Hashes of the entries; and of those that were erased, which have no bytes any more, as the lowest tiles have them. And where
    control entries are."""
    leaves, erased, controls, tiles = [], 0, {}, read_tiles(folder, "0", size)
    for i, entry in enumerate(read_entries(folder, size)):
        if entry[:2] == b"\1\2":
            controls[i] = entry
        if i % TILE == 0:
            tile = next(tiles)[2]
        erased += not entry
        leaves.append(leaf_hash(entry) if entry else tile[32 * (i % TILE):32 * (i % TILE) + 32])
    return leaves, erased, controls


def check_level(folder, level, hashes):
    """The tiles of a level are these hashes; returns those of the next."""
    above = []
    for n, width, raw in read_tiles(folder, str(level), len(hashes)):
        want = hashes[n * TILE:n * TILE + width]
        if raw != b"".join(want):
            first = next((i for i, h in enumerate(want) if raw[32 * i:32 * i + 32] != h), width)
            raise Bad(f"tile {level}/{n} is not what its hashes are, from {n * TILE + first} on")
        if width == TILE:
            above.append(root_of(want))
    return above


def check_notes(folder, leaves, controls, vkey):
    """Every note that is there is of a beginning of this tree, they grow, and bear out the line."""
    frontier, at, last, number, line = [], 0, 0, 0, Line(vkey[0])
    while (path := folder / "notes" / tile_path(number)).exists():
        note = path.read_bytes()
        size, root = read_checkpoint(note, vkey)
        if size <= last or size > len(leaves):
            raise Bad(f"note {number} is of {size} entries, after one of {last}")
        for at in range(at, size):
            line.entry(at, controls.get(at, b""))
            node, level = leaves[at], at
            while level % 2:
                node = node_hash(frontier.pop(), node)
                level >>= 1
            frontier.append(node)
        at = last = size
        folded = frontier[-1]
        for node in reversed(frontier[:-1]):
            folded = node_hash(node, folded)
        if folded != root:
            raise Bad(f"note {number}: its root over {size} entries is another")
        line.note(number, note)
        number += 1
    return number, line


def check(folder, vkey_text):
    """(entries, notes, entries among them that were erased, epochs of the line that are closed) that are good."""
    vkey = read_vkey(vkey_text)
    size, root = read_checkpoint((folder / "checkpoint").read_bytes(), vkey)
    leaves, erased, controls = leaves_of(folder, size)
    hashes, level = leaves, 0
    while hashes:
        hashes = check_level(folder, level, hashes)
        level += 1
    if root_of(leaves) != root:
        raise Bad("the entries do not fold to the signed root")
    due = line_due(controls, size)
    if due and line_of((folder / "checkpoint").read_bytes(), vkey[0], *due[:2]) != due[2]:
        raise Bad(f"the checkpoint is not of epoch {due[2]}, which is due")
    notes, line = check_notes(folder, leaves, controls, vkey)
    return size, notes, erased, line.closed


def check_proof(text, vkey_text):
    """(index, entry) of a tlog-proof that is good."""
    vkey = read_vkey(vkey_text)
    head, _, note = text.partition(b"\n\n")
    magic, *lines = head.decode(errors="replace").split("\n")
    if magic != "c2sp.org/tlog-proof@v1" or len(lines) < 2:
        raise Bad("not a proof")
    extra, index, *proof = lines
    if not extra.startswith("extra ") or not index.startswith("index "):
        raise Bad("not a proof")
    raw = base64.b64decode(extra[6:], validate=True)
    entry = raw[1:] if raw[0] == 1 else raw[33:]
    size, root = read_checkpoint(note, vkey)
    if inclusion_root(int(index[6:]), size, leaf_hash(entry), [base64.b64decode(p, validate=True) for p in proof]) != root:
        raise Bad("the proof does not lead to the signed root")
    return int(index[6:]), entry


def main(words):
    if len(words) != 2 or words[0].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    what = Path(words[0])
    try:
        vkey = Path(words[1]).read_text()
        if what.is_dir():
            print("%d entries and %d notes are good, %d entries were erased, %d epochs are closed" % check(what, vkey))
        else:
            print("entry %d is under the signed root" % check_proof(what.read_bytes(), vkey)[0])
    except (Bad, OSError, ValueError) as why:       # ValueError: what is not even text, numbers or base64
        print(why)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
