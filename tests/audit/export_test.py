#!/usr/bin/env python3
"""What `pullcord audit export` writes: valid by the schema of DICOM, by FHIR's own definitions, and true to the record."""
import base64
import csv
import importlib.util
import io
import json
import subprocess
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tap import SHARED, Record, Skip, equal, run

record = Record(400)
events = {e["index"]: e for e in record.events()}
told = {i: e for i, e in events.items() if "actor" in e}     # without the record's own bookkeeping


def lines(form, *more):
    return record.tool("export", "--format", form, *more).stdout.splitlines()


def details(message):
    last = message.findall("ParticipantObjectIdentification")[-1]
    return {d.get("type"): base64.b64decode(d.get("value")) for d in last.findall("ParticipantObjectDetail")}


def every_atna_message_is_valid_by_the_schema():
    schema = SHARED / "audit/atna/oehf+ipf/dicom2017c.xsd"
    if not schema.exists():
        raise Skip(f"{schema} is not there")
    with tempfile.TemporaryDirectory(prefix="pullcord.") as folder:
        files = []
        for number, line in enumerate(lines("atna")):
            files.append(Path(folder) / f"{number}.xml")
            files[-1].write_text(line)
        done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", schema, *files], capture_output=True, text=True)
        equal("xmllint's exit status", 0, done.returncode if not done.returncode else done.stderr[-3000:])


def every_fhir_resource_is_valid_by_its_definition():
    checker = SHARED / "tools/fhir_audit_check.py"
    if not checker.exists():
        raise Skip(f"{checker} is not there")
    spec = importlib.util.spec_from_file_location("fhir_audit_check", checker)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for line in lines("fhir"):
        equal(line[:200], [], module.check(json.loads(line)))


def both_name_every_entry_and_the_same():
    atna = [(int(d["chain-seq"]), d.get("part", b"").decode(), base64.b64encode(d["chain-hash"]).decode())
            for d in map(details, map(xml.fromstring, lines("atna")))]
    fhir = []
    for resource in map(json.loads, lines("fhir")):
        d = {d["type"]: d.get("valueString", d.get("valueBase64Binary")) for d in resource["entity"][-1]["detail"]}
        fhir.append((int(d["chain-seq"]), d.get("part", ""), d["chain-hash"]))
    equal("what FHIR names", atna, fhir)
    equal("indices", sorted(told), sorted({i for i, _, _ in atna}))


def emergency_access_is_the_purpose():
    taken = {i for i, e in told.items() if e["detail"].startswith("emergency: ")}
    xmls = {int(details(m)["chain-seq"]): m.find("EventIdentification/PurposeOfUse") for m in map(xml.fromstring, lines("atna"))}
    fhir = {int(next(d["valueString"] for d in r["entity"][-1]["detail"] if d["type"] == "chain-seq")): r.get("purposeOfEvent")
            for r in map(json.loads, lines("fhir"))}
    equal("there is some, and more rests on it", True, taken < {i for i, purpose in xmls.items() if purpose is not None})
    equal("ATNA's word", {"BTG"}, {purpose.get("csd-code") for purpose in xmls.values() if purpose is not None})
    equal("FHIR says it of the same", {i for i, p in xmls.items() if p is not None}, {i for i, p in fhir.items() if p})
    equal("FHIR's word", {("http://terminology.hl7.org/CodeSystem/v3-ActReason", "BTG")},
          {(c["system"], c["code"]) for p in fhir.values() if p for c in p[0]["coding"]})


def strangers_texts_come_back_byte_by_byte():
    for message in map(xml.fromstring, lines("atna")):
        d = details(message)
        event = told[int(d["chain-seq"])]
        equal("topic", event["topic"].encode(), d.get("topic", b""))
        users = [unquote_to_bytes(a.get("UserID")).decode() for a in message.findall("ActiveParticipant")]
        users += [o.get("ParticipantObjectID") for o in message.findall("ParticipantObjectIdentification")]
        if event["actor"]:
            equal("the actor is there", True, event["actor"] in users)


def a_delivery_to_a_hundred_is_several_messages_with_everybody():
    index, event = next((i, e) for i, e in told.items() if len(e["recipient_actors"]) > 99)
    users, parts = set(), []
    for line in lines("atna"):
        message = xml.fromstring(line)
        d = details(message)
        if int(d["chain-seq"]) == index:
            parts.append(d["part"].decode())
            users |= {a.get("UserID") for a in message.findall("ActiveParticipant")}
            equal("a receiver takes 32,768 bytes", True, len(line) <= 32768)
    equal("parts", ["1/3", "2/3", "3/3"], parts)
    equal("recipients", set(event["recipient_actors"]), users - {"broker.mercy.example"})


def csv_has_a_row_for_every_event():
    rows = list(csv.DictReader(io.StringIO(record.tool("export", "--format", "csv").stdout, newline="")))
    equal("indices", sorted(told), [int(r["index"]) for r in rows])
    for row in rows:
        event = told[int(row["index"])]
        equal("event", (event["type"], event["outcome"], event["patient"] or ""), (row["event"], row["outcome"], row["patient"]))
        equal("no formula", False, row["actor"][:1] in ("=", "+", "-", "@") and row["actor"] != "")


def indices(*criteria):
    return [int(r["index"]) for r in csv.DictReader(io.StringIO(record.tool("export", "--format", "csv", *criteria).stdout))]


def criteria_choose():
    someone = next(e for e in told.values() if e["type"] == "deliver" and len(e["recipient_actors"]) == 3)["recipient_actors"][0]
    by_nurse = [i for i, e in told.items() if (e["actor"] == someone and e["party"] == "user") or someone in e["recipient_actors"]]
    equal(f"--user {someone}", by_nurse, indices("--user", someone))
    equal("--outcome denied", [i for i, e in told.items() if e["outcome"] == "denied"], indices("--outcome", "denied"))
    equal("--event stored --device nc-7", [i for i, e in told.items() if e["type"] == "stored" and e["actor"] == "nc-7"],
          indices("--event", "stored", "--device", "nc-7"))
    equal("--topic", [i for i, e in told.items() if e["topic"].startswith("mercy/unit/u1/alert/")],
          indices("--topic", "mercy/unit/u1/alert/#"))
    equal("--patient of nobody", [], indices("--patient", "MRN-nobody"))
    equal("--patient", True, 0 < len(indices("--patient", "MRN-1", "--event", "publish")) == len(indices("--patient", "MRN-1")) / 3)
    times = sorted(e["at_us"] for e in told.values())
    middle = times[len(times) // 2] // 1000000
    stamp = subprocess.run(["date", "-u", "-d", f"@{middle}", "+%Y-%m-%dT%H:%M:%SZ"], capture_output=True, text=True).stdout.strip()
    equal("--from", [i for i, e in told.items() if max(e["at_us"], e["until_us"] or 0) >= middle * 1000000],
          indices("--from", stamp))
    equal("--to", [i for i, e in told.items() if e["at_us"] < middle * 1000000], indices("--to", stamp))


def what_is_wrong_is_said():
    for words, said in ((["--format", "xls"], "atna, fhir, csv or tiles"), (["--format", "csv", "--event", "loginn"], "login"),
                        (["--format", "csv", "--from", "yesterday"], "2026-11-23"),
                        (["--format", "csv", "--from", "2026-02-02", "--to", "2026-02-01"], "not before"),
                        (["--format", "csv", "--notes"], "--notes goes with tiles"),
                        (["--format", "tiles", "--out", "x"], "need no --key"),
                        (["--format", "tiles", "--out", "x", "--no-index"], "need no --key")):
        done = record.tool("export", *words, check=False)
        equal(f"exit status of {words}", 2, done.returncode)
        equal(f"{said} in {done.stderr}", True, said in done.stderr)


def tiles_are_for_their_owner_and_what_is_left_half_done_is_said():
    folder = record.folder / "tiles"
    record.tool("export", "--format", "tiles", "--out", folder, key=False)
    equal("modes", {0o700}, {p.stat().st_mode & 0o777 for p in [folder, *folder.rglob("*")] if p.is_dir()})
    entries = (folder / "tile/entries/000").read_bytes()
    first = entries[2:2 + int.from_bytes(entries[:2], "big")]
    store = record.folder / "changed.mdb"
    store.write_bytes((record.folder / "record.mdb").read_bytes().replace(first, first[:-1] + bytes([first[-1] ^ 1])))
    half = record.folder / "half"
    done = record.plain("export", "--format", "tiles", "--out", half, "--record", store)
    equal(f"it is said: {done.stderr}", (1, True, True),
          (done.returncode, f"{half} is not whole" in done.stderr, "verify" in done.stderr))


def a_file_that_is_there_is_not_overwritten():
    path = record.folder / "out.csv"
    record.tool("export", "--format", "csv", "--out", path)
    equal("mode", 0o600, path.stat().st_mode & 0o777)
    before = path.read_bytes()
    equal("exit status", 1, record.tool("export", "--format", "csv", "--out", path, check=False).returncode)
    equal("content", before, path.read_bytes())


run([every_atna_message_is_valid_by_the_schema, every_fhir_resource_is_valid_by_its_definition,
     both_name_every_entry_and_the_same, emergency_access_is_the_purpose, strangers_texts_come_back_byte_by_byte,
     a_delivery_to_a_hundred_is_several_messages_with_everybody, csv_has_a_row_for_every_event, criteria_choose,
     what_is_wrong_is_said, tiles_are_for_their_owner_and_what_is_left_half_done_is_said,
     a_file_that_is_there_is_not_overwritten])
