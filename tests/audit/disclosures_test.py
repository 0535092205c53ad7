#!/usr/bin/env python3
"""`pullcord audit disclosures`: everyone who received a patient's data, as the record itself tells it."""
import base64
import csv
import io
import json

from tap import Record, equal, run

record = Record(3000)
PATIENT = "MRN-7"


def told(*words):
    return [json.loads(line) for line in record.tool("disclosures", "--patient", PATIENT, "--json", *words).stdout.splitlines()]


def rows(*words):
    return [r for r in told(*words) if "index" in r]


def truth():
    """From the whole record: what was published under the pseudonym, and to whom that message went."""
    pseudonyms = {e["patient"] for e in record.events() if e.get("patient")}
    published = {json.loads(line)["message"] for line in
                 record.tool("search", "--no-index", "--patient", PATIENT, "--event", "publish", "--json").stdout.splitlines()}
    equal("some are known by pseudonyms", True, len(pseudonyms) > 5 and bool(published))
    return sorted((e["index"], actor, client) for e in record.events() if e["type"] == "deliver" and e["message"] in published
                  for actor, client in zip(e["recipient_actors"], e["recipient_clients"]))


def everyone_is_there_and_nobody_else():
    equal("recipients", truth(), sorted((r["index"], r["recipient"], r["terminal"]) for r in rows()))
    equal("without the index", rows(), rows("--no-index"))


def each_says_when_and_on_what_ground():
    events = {e["index"]: e for e in record.events()}
    for row in rows():
        event = events[row["index"]]
        equal("topic", event["topic"], row["topic"])
        equal("ground", True, f"rule at line {7 + event['recipient_actors'].index(row['recipient'])} of policy " in row["ground"])
        equal("time", True, row["time"].startswith("2026-01-01T00:"))


def the_period_bounds_them():
    every = rows()
    middle = every[len(every) // 2]["time"]
    before, after = rows("--to", middle), rows("--from", middle)
    equal("both halves are all", every, before + after)
    equal("a half is less", True, 0 < len(before) < len(every))


def of_one_person_only_what_they_received():
    every = rows()
    who = every[0]["recipient"]
    wanted = [r for r in every if r["recipient"] == who]
    equal(f"of {who}", wanted, rows("--user", who))
    equal("counted so", f"{len(wanted)} disclosures",
          record.tool("disclosures", "--patient", PATIENT, "--user", who).stdout.splitlines()[-1])


def people_and_spreadsheets_get_the_same():
    said = record.tool("disclosures", "--patient", PATIENT).stdout
    table = list(csv.DictReader(io.StringIO(record.tool("disclosures", "--patient", PATIENT, "--csv").stdout, newline="")))
    every = rows()
    equal("sum", f"{len(every)} disclosures", said.splitlines()[-1])
    equal("CSV", [(str(r["index"]), r["recipient"], r["ground"]) for r in every],
          [(r["index"], r["recipient"], r["ground"]) for r in table])
    for row in every:
        equal("for people", True, row["recipient"] in said and row["ground"] in said)


def a_sum_counts_and_what_is_missing_is_said():
    other = Record(50, 2)
    lost = other.grow(50, lose=2000)
    other.grow(50, erase=[1])       # the second is the key of the year's pseudonyms
    end = next(e["index"] for e in other.events() if e["type"] == "segment-open" and e["segment"] == 3)
    erased = sum(e["type"] == "erased" for e in other.events())
    equal("some were lost and some erased", (True, True), (0 < lost <= 2000, 0 < erased < end))
    gaps = [e for e in other.events() if e["type"] == "gap"]
    equal("each gap says of which class", lost, sum(n for e in gaps for key, n in e.items() if key.startswith("lost_")))
    for words in ([], ["--no-index"]):
        told = [json.loads(line) for line in
                other.tool("disclosures", "--patient", "MRN-sum", "--json", *words).stdout.splitlines()]
        equal("a digest is of 60 to each", [("ana", 60), ("bea", 60), ("cyd", 60)],
              sorted((r["recipient"], r["events"]) for r in told if r.get("events", 0) > 1))
        equal("what is missing", (False, lost, erased), tuple(told[-1][k] for k in ("complete", "lost", "erased")))
        equal("what came through once is one", True, all(r["events"] in (1, 60) for r in told[:-1]))
    told = other.tool("search", "--user", "ana").stderr
    equal(f"who searches is told: {told}", True, f"{erased} entries of that time were erased" in told)
    said = other.tool("disclosures", "--patient", "MRN-sum").stdout.splitlines()[-1]
    table = list(csv.DictReader(io.StringIO(other.tool("disclosures", "--patient", "MRN-sum", "--csv").stdout, newline="")))
    for text in (said, table[-1]["ground"]):
        equal(f"not complete: {text}", True, text.startswith("not complete: ") and str(lost) in text and str(erased) in text)
    equal("of another time nothing is missing", [],
          other.tool("disclosures", "--patient", "MRN-sum", "--to", "2020-01-01", "--json").stdout.splitlines())


def of_the_time_before_the_record_nothing_is_known():
    equal("all there ever was", [], [r for r in told() if "complete" in r])
    last = told("--from", "2026-01-01")[-1]
    equal(f"it begins later: {last}", (False, True, True),
          (last.get("complete"), last.get("since", "") > "2026-01-01T", "record.mdb" not in last.get("what", "")))
    equal("from its beginning on", [], told("--from", last["since"]))
    next_one = Record(1)
    for path in next_one.folder.glob("record.*"):
        path.unlink()
    next_one.grow(10, renewed=True)
    words = ("disclosures", "--patient", "MRN-nobody")
    last = json.loads(next_one.tool(*words, "--json").stdout)
    equal(f"of a renewed one: {last}", (False, True), (last["complete"], "record.mdb.1" in last["what"]))
    for text in (next_one.tool(*words).stdout, next_one.tool(*words, "--csv").stdout):
        equal(f"in each form: {text}", True, f"begins at {last['since']}, and what was before is in record.mdb.1" in text)
    for words in (["search", "--user", "ana", "--json"], ["search", "--count"], ["export", "--format", "csv"]):
        done = next_one.tool(*words)
        equal(f"{words}: {done.stderr}", True, f"begins at {last['since']}, and what was before is in record.mdb.1" in done.stderr)
        equal(f"{words}: not of its own time", False, "begins at" in next_one.tool(*words, "--from", last["since"]).stderr)


def each_says_what_it_rests_on_and_what_waits_is_none_yet():
    words = ("disclosures", "--patient", "MRN-away")
    told = [json.loads(line) for line in record.tool(*words, "--json").stdout.splitlines()]
    wanted = [("n000", "message-out"), ("n002", "acl-read"), *((who, "acl-read") for who in ("n003", "n002", "n003"))]
    equal("basis", wanted, [(r["recipient"], r["basis"]) for r in told])
    table = list(csv.DictReader(io.StringIO(record.tool(*words, "--csv").stdout, newline="")))
    equal("CSV", wanted, [(r["recipient"], r["basis"]) for r in table])
    equal("sum", "5 disclosures", record.tool(*words).stdout.splitlines()[-1])
    found = [json.loads(line) for line in record.tool("search", "--patient", "MRN-away", "--json").stdout.splitlines()]
    equal("all three are on record", ["message-out", "authorised", "acl-read"], [e["basis"] for e in found[:3]])
    lines = record.tool("search", "--patient", "MRN-away").stdout.splitlines()
    equal(f"for people: {lines}", [", sent", ", not sent yet", ""],
          [next((w for w in (", sent", ", not sent yet") if w in line), "") for line in lines[:3]])
    for name, column in (("atna", "authorised"), ("fhir", "authorised"), ("csv", ",authorised,")):
        done = record.tool("export", "--format", name, "--patient", "MRN-away")
        equal(f"{name}: {done.stdout}", True, column in done.stdout or b64(column) in done.stdout)


def emergency_access_is_a_ground_with_its_reason():
    words = ("disclosures", "--patient", "MRN-away", "--json")
    for more in ([], ["--no-index"], ["--from", told_at(words, 2)]):     # taken before that time, it is found all the same
        told = [json.loads(line) for line in record.tool(*words, *more).stdout.splitlines()]
        ground = [(r["recipient"], r["ground"]) for r in told if r.get("recipient") in ("n002", "n003")][-3:]
        equal("who", ["n003", "n002", "n003"], [who for who, _ in ground])
        equal(f"why: {ground[0]}", True, ground[0][1].startswith("emergency access taken at 2026-01-01T00:")
              and ": code 412; rule at line 9 of policy " in ground[0][1])
        equal(f"not theirs: {ground[1]}", True, ground[1][1].startswith("rule at line 9"))
        equal(f"nobody knows: {ground[2]}", True, "Z: why is not in this record; rule" in ground[2][1])
    event = [json.loads(line) for line in record.tool("search", "--patient", "MRN-away", "--json").stdout.splitlines()][3]
    equal("in the entry", ["n003"], event["recipients_by_emergency"])
    equal("and its time", True, event["emergency_us"] > 0)


def told_at(words, n):
    return [json.loads(line) for line in record.tool(*words).stdout.splitlines()][n]["time"]


def b64(text):
    return base64.b64encode(text.encode()).decode()


def nobody_knows_a_patient_who_was_not_there():
    equal("disclosures", "0 disclosures\n", record.tool("disclosures", "--patient", "MRN-nobody").stdout)
    equal("without a patient", 2, record.tool("disclosures", check=False).returncode)


run([everyone_is_there_and_nobody_else, each_says_when_and_on_what_ground, the_period_bounds_them,
     of_one_person_only_what_they_received, people_and_spreadsheets_get_the_same,
     a_sum_counts_and_what_is_missing_is_said, of_the_time_before_the_record_nothing_is_known,
     each_says_what_it_rests_on_and_what_waits_is_none_yet, emergency_access_is_a_ground_with_its_reason,
     nobody_knows_a_patient_who_was_not_there])
