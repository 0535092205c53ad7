"""Steps of who keeps the record: what two persons hold and erase, also the key of a year that is over."""
import json
import re
import shlex
from datetime import date

from house import Trouble, patience, wait_for
from stage import expect, step


def keep_record(stage, who, what):
    house = stage.house
    done = house.tool("audit", *what, "--dir", house.dir, "--user", who, "--password-file", house.password_file(who), check=False)
    found = re.search(r"request (\d+): another person", done.stdout)
    stage.request = found[1] if found else getattr(stage, "request", None)
    return done.stdout + done.stderr


@step("{who} keeps the record: {what...} -> {outcome...}")
def _(stage, who, what, outcome):
    """pullcord audit hold, release, erase or requests; words of what it says."""
    text = keep_record(stage, who, shlex.split(what))
    if outcome not in text:
        raise Trouble(f"pullcord audit {what} did not say {outcome!r}:\n{text}")


def year_of(stage):
    """The only one the record has a key of, once that is written."""
    def years():
        done = stage.house.tool("audit", "segments", "--dir", stage.house.dir, "--json")
        keeps = [json.loads(row)["keep"] for row in done.stdout.splitlines()]
        return [keep.removeprefix("of ") for keep in keeps if keep.startswith("of ")]
    year, = wait_for("the key of a year", patience(5), years, poll=0.2)
    return year


@step("{who} asks to erase the pseudonyms of the record's year -> {outcome...}")
def _(stage, who, outcome):
    year = stage.last.get("year") or year_of(stage)
    text = keep_record(stage, who, ["erase", "--pseudonyms", year, "--reason", "nothing of that year is kept"])
    expect(f"does it say {outcome!r}", True, outcome in text, text)


@step("{who} confirms {what} -> {outcome...}")
def _(stage, who, what, outcome):
    """What was asked for last."""
    text = keep_record(stage, who, [what, "--confirm", stage.request])
    if outcome not in text:
        raise Trouble(f"confirming {what} did not say {outcome!r}:\n{text}")


@step("record segment {number} is {state...}")
def _(stage, number, state):
    """open, closed, erased or held; "closed and free": not held either"""
    rows = stage.house.tool("audit", "segments", "--dir", stage.house.dir, "--json").stdout.splitlines()
    row = next(row for row in map(json.loads, rows) if row["segment"] == int(number))
    if state not in (row["state"], "held" if row["held"] else f"{row['state']} and free"):
        raise Trouble(f"segment {number} is {row}")


@step("record segment {number} becomes seven years older")
def _(stage, number):
    done = stage.house.run([stage.house.build / "tests/audit/maker", "age", stage.house.dir, number])
    expect("exit status of maker age", 0, done.returncode, done.stderr)


# ---- a year that is over ----

@step("clock shows {month}-{day} of the year after the record's")
def _(stage, month, day):
    """The broker's, from its next start, and the tool's; everybody else's goes on as it does."""
    stage.last["year"] = year_of(stage)
    then = date(int(stage.last["year"]) + 1, int(month), int(day))
    stage.house.clock_days = (then - date.today()).days


@step("clock goes on by {days} days")
def _(stage, days):
    stage.house.clock_days += int(days)


@step("clock of the broker can be set")
def _(stage):
    """From its next start."""
    stage.house.clock_file = stage.made().root / "clock"


@step("clock of the broker is set by {seconds}")
def _(stage, seconds):
    fresh = stage.house.root / "clock.new"
    fresh.write_text(seconds)
    fresh.rename(stage.house.clock_file)


def said_about(stage, patient):
    """What stands for them in what is found by their id, in whatever field."""
    done = stage.house.tool("audit", "search", "--dir", stage.house.dir, "--patient", patient, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    expect("is the id among them", False, patient in done.stdout, done.stdout)
    return {word for row in rows for field in ("topic", "detail", "patient", "came")
            for word in re.findall(r"\b[0-9a-f]{32}\b", json.dumps(row.get(field)))}


@step("what is said about {patient} is handed out")
def _(stage, patient):
    stage.last["names"] = wait_for("what stands for them", patience(5), lambda: said_about(stage, patient), poll=0.2)
    expect("how many words stand for them", 1, len(stage.last["names"]), stage.last["names"])
    out = stage.house.tool("audit", "export", "--dir", stage.house.dir, "--format", "csv").stdout
    expect("are they handed out", True, all(name in out for name in stage.last["names"]))


@step("what was said about {patient} is said of nobody any more")
def _(stage, patient):
    """It stands where it stood; by the id they are found under another word."""
    kept = stage.house.tool("audit", "export", "--dir", stage.house.dir, "--format", "csv").stdout
    expect("is what was handed out still in the record", True, all(name in kept for name in stage.last["names"]))
    now = wait_for("what stands for them", patience(5), lambda: said_about(stage, patient), poll=0.2)
    expect("words that were handed out, found by the id", set(), now & stage.last["names"])


def finds(stage, count, option, value):
    def found():
        done = stage.house.tool("audit", "search", "--dir", stage.house.dir, option, value, "--json")
        return len(done.stdout.splitlines()) == int(count)
    wait_for(f"{count} events by {option} {value}", patience(5), found, poll=0.2)


@step("audit has nothing of {name} and says {hint...}")
def _(stage, name, hint):
    done = stage.house.tool("audit", "search", "--dir", stage.house.dir, "--user", name)
    expect("the count", "0 events", done.stdout.strip())
    expect(f"{hint!r} is said", True, hint in done.stderr, done.stderr)


@step("audit finds {count} events that claimed to be {name}")
def _(stage, count, name):
    finds(stage, count, "--claimed", name)


@step("audit finds {count} events at {client}")
def _(stage, count, client):
    finds(stage, count, "--client", client)
