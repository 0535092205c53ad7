#!/usr/bin/env python3
"""`pullcord audit search`: what the index finds is what reading the whole record finds."""
import json
import random
import signal
import subprocess
import time

from tap import BUILD, Record, equal, fewer, run

record = Record(4000, 3)
SEED = 20260101


def found(rec, *criteria):
    return [json.loads(line)["index"] for line in rec.tool("search", "--json", *map(str, criteria)).stdout.splitlines()]


def stamp(us):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1000000)) + f".{us % 1000000:06d}Z"


def some_criteria(rng, events):
    event = rng.choice(events)
    everybody = event["recipient_actors"] + [event["actor"]]
    choices = {
        "--user": rng.choice(everybody), "--device": rng.choice(everybody),
        "--client": rng.choice(event["recipient_clients"] + [event["client"]]),
        "--patient": f"MRN-{rng.randrange(80)}", "--event": event["type"], "--outcome": event["outcome"],
        "--topic": rng.choice([event["topic"], "mercy/unit/+/alert/#", "mercy/unit/u1/alert/high/+", "#"]),
        "--from": stamp(event["at_us"]), "--to": stamp(event["at_us"] + rng.choice([1, 10**6, 10**8, 10**10])),
    }
    names = rng.sample(sorted(choices), rng.randint(1, 3))
    return [word for name in names if choices[name] for word in (f"{name}={choices[name]}",)]


def index_and_record_agree(rec=record, rounds=fewer(60)):
    events = [e for e in rec.events() if "actor" in e and e["topic"].isprintable() and e["client"].isprintable()]
    rng, some = random.Random(SEED), 0
    for _ in range(rounds):
        criteria = some_criteria(rng, events)
        if "--from" in str(criteria) and rng.random() < 0.5:
            criteria = [c for c in criteria if not c.startswith("--to")]
        there = found(rec, *criteria)
        equal(f"{criteria}", found(rec, "--no-index", *criteria), there)
        some += bool(there)
    equal("most questions had an answer", True, some > rounds / 3)


def what_came_later_is_found_in_the_same_index():
    found(record, "--user", "n001")
    index = (record.folder / "record.idx").stat()
    before = found(record, "--event", "publish")
    record.grow(500)
    after = found(record, "--event", "publish")
    equal("the old is there", before, after[:len(before)])
    equal("the new is there", True, len(after) > len(before) + 100)
    equal("the same file", index.st_ino, (record.folder / "record.idx").stat().st_ino)
    index_and_record_agree(rounds=10)


def what_spans_decades_is_found_in_every_period():
    rec = Record(50)
    rec.grow(50, lose=10)
    rec.grow(2000)
    eve = found(rec, "--no-index", "--user", "eve")
    equal("there is one", 1, len(eve))
    for period in (("2000-01-01", "2000-01-02"), ("2025-12-31T23:59:59Z", "2026-01-01T00:00:02Z"), ("1970-01-01", "1970-01-02"),
                   ("2026-01-01T00:08:00Z", "2026-01-01T00:08:19Z"), ("2026-01-01T00:20:00Z", "2027-01-01")):
        for more in ([], ["--user", "eve"], ["--outcome", "denied"], ["--topic", "mercy/#"]):
            criteria = ["--from", period[0], "--to", period[1], *more]
            there = found(rec, "--no-index", *criteria)
            equal(f"{criteria}", there, found(rec, *criteria))
            if not more:
                equal(f"eve in {period}", period[0] != "2026-01-01T00:20:00Z", eve[0] in there)


def a_limit_and_a_count():
    every = found(record, "--event", "stored")
    equal("--limit", every[:7], found(record, "--event", "stored", "--limit", 7))
    equal("--count", {"events": len(every)}, json.loads(record.tool("search", "--event", "stored", "--count", "--json").stdout))


def the_index_tells_nobody_who_is_in_it():
    found(record, "--user", "n001")
    raw = (record.folder / "record.idx").read_bytes()
    for text in (b"n001", b"nc-1", b"MRN-", b"mercy/", b"deliver"):
        equal(f"{text} in the index", -1, raw.find(text))


def an_index_of_another_record_is_made_anew():
    other = Record(300)
    found(other, "--event", "stored")
    for name in ("record.mdb", "record.mdb-lock", "record.sizes"):
        (other.folder / name).unlink()
    other.grow(700, seed=1)
    index_and_record_agree(other, 10)


def a_damaged_index_is_refused_and_may_be_deleted():
    other = Record(300)
    every = found(other, "--event", "stored")
    path = other.folder / "record.idx"
    raw = bytearray(path.read_bytes())
    for at in range(4096 * 2, len(raw)):    # behind LMDB's two heads: whatever is a value
        raw[at] ^= 1
    path.write_bytes(raw)
    done = other.tool("search", "--event", "stored", check=False)
    equal("exit status", 1, done.returncode)
    equal(f"the way out is said: {done.stderr}", True, "delete the index" in done.stderr)
    equal("without it", every, found(other, "--event", "stored", "--no-index"))
    path.unlink()
    equal("anew", every, found(other, "--event", "stored"))


def a_run_that_is_killed_does_no_harm():
    other = Record(fewer(30000))
    for pause in (0.05, 0.15, 0.3, 0.5):
        child = subprocess.Popen([BUILD / "pullcord", "audit", "search", "--event", "stored", "--count", "--record",
                                  other.folder / "record.mdb", "--key", other.folder / "root.key"], stdout=subprocess.DEVNULL)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.wait()
    for criteria in (("--event", "stored"), ("--user", "n007"), ("--outcome", "denied")):
        equal(f"{criteria}", found(other, "--no-index", *criteria), found(other, *criteria))


def without_the_segments_keys_nothing_is_answered():
    """An index alone would say that nobody was ever there."""
    other = Record(40)
    found(other, "--patient", "MRN-1")
    (other.folder / "record.mdb-keys").rename(other.folder / "elsewhere")
    for words in (["search", "--patient", "MRN-1", "--count"], ["tail"], ["disclosures", "--patient", "MRN-1"]):
        done = other.tool(*words, check=False)
        equal(f"{words}: {done.stderr}", (1, "", True), (done.returncode, done.stdout, "record.mdb-keys" in done.stderr))
    done = other.tool("verify", "--vkey", other.folder / "record.vkey", check=False)
    equal(f"verify: {done.stdout}", (1, True), (done.returncode, "-keys" in done.stdout))
    done = other.tool("verify", "--vkey", other.folder / "record.vkey", key=False)
    equal("what is public", True, "the record is whole" in done.stdout)
    done = other.tool("show", "3", key=False, check=False)
    equal("no key at all is a mistake", 2, done.returncode)


def another_root_key_is_told_before_anything():
    other = Record(40)
    path = other.folder / "other.key"
    path.write_text("5" * 64 + "\n")
    path.chmod(0o600)
    reads = other.folder / "record.reads"
    before = reads.read_bytes() if reads.exists() else b""
    for words in (["search", "--user", "ana"], ["tail"], ["show", "0"], ["export", "--format", "csv"],
                  ["feed", "--to", "localhost:1", "--cafile", "nowhere", "--state", other.folder / "state"]):
        done = subprocess.run([BUILD / "pullcord", "audit", *words, "--record", other.folder / "record.mdb", "--key", path],
                              capture_output=True, text=True, timeout=60)
        equal(f"{words}: {done.stderr}", (1, "", True), (done.returncode, done.stdout, "another root key" in done.stderr))
    equal("no word is left that the broker cannot read", before, reads.read_bytes() if reads.exists() else b"")


def show_says_everything():
    index = found(record, "--event", "publish", "--topic", "mercy/unit/+/alert/#")[0]
    shown = json.loads(record.tool("show", str(index), "--json").stdout)
    equal("index", index, shown["index"])
    equal("the leaf is a hash", 64, len(shown["leaf"]))
    equal("nobody got it yet", None, shown["basis"])
    delivered = found(record, "--event", "deliver")[0]
    shown = json.loads(record.tool("show", str(delivered), "--json").stdout)
    equal("what delivered rests on", "acl-read", shown["basis"])
    each = ("recipient_actors", "recipient_clients", "recipient_how", "recipient_lines", "recipient_qos")
    equal("each recipient's rule", {len(shown["recipient_actors"])}, {len(shown[key]) for key in each})
    rules = {line for e in record.events() for line in e.get("recipient_lines", [])}
    equal("rules that let somebody have it", True, {7, 8, 9} <= rules)
    first = str(next(e["index"] for e in record.events() if e["type"] == "segment-open"))
    genesis, opened = map(json.loads, record.tool("show", "0", first, "--json").stdout.splitlines())
    equal("whose key the record begins with", (record.folder / "record.vkey").read_text().strip(), genesis["vkey"])
    equal("what a segment is kept and sealed by", ("6y", 64), (opened["keep"], len(opened["commitment"])))
    equal("leaves", [64, 64], [len(entry["leaf"]) for entry in (genesis, opened)])
    equal("several are apart", 1, record.tool("show", "0", "1").stdout.split("\n").count("") - 1)
    shown = json.loads(record.tool("show", str(index), "--json").stdout)
    said = record.tool("show", str(index)).stdout
    equal("for people", True, shown["topic"] in said and shown["message"] in said)
    equal("no such entry", 1, record.tool("show", "99999999", check=False).returncode)
    equal("no number", 2, record.tool("show", "first", check=False).returncode)


def segments_cover_every_event():
    listed = [json.loads(line) for line in record.tool("segments", "--json", key=False).stdout.splitlines()]
    events = [e["index"] for e in record.events() if "actor" in e]
    equal("numbers", list(range(1, len(listed) + 1)), [s["segment"] for s in listed])
    equal("records", len(events), sum(s["records"] for s in listed))
    equal("states", ({"closed"}, "open"), ({s["state"] for s in listed[:-1]}, listed[-1]["state"]))
    for index in events[::97]:
        equal(f"entry {index}", 1, sum(s["first"] < index <= s["last"] for s in listed))
    equal("for people", len(listed) + 1, len(record.tool("segments", key=False).stdout.splitlines()))


run([index_and_record_agree, what_came_later_is_found_in_the_same_index, what_spans_decades_is_found_in_every_period,
     a_limit_and_a_count, the_index_tells_nobody_who_is_in_it,
     an_index_of_another_record_is_made_anew, a_damaged_index_is_refused_and_may_be_deleted, a_run_that_is_killed_does_no_harm,
     without_the_segments_keys_nothing_is_answered, another_root_key_is_told_before_anything, show_says_everything,
     segments_cover_every_event])
