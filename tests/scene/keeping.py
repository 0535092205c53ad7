"""Steps of who keeps the record: what two persons hold and erase."""
import json
import re
import shlex

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


@step("{who} asks to erase the pseudonyms of the record's year -> {outcome...}")
def _(stage, who, outcome):
    """Of the only year it has a key of, once that is written."""
    def years():
        done = stage.house.tool("audit", "segments", "--dir", stage.house.dir, "--json")
        keeps = [json.loads(row)["keep"] for row in done.stdout.splitlines()]
        return [keep.removeprefix("of ") for keep in keeps if keep.startswith("of ")]
    year, = wait_for("the key of a year", patience(5), years, poll=0.2)
    text = keep_record(stage, who, ["erase", "--pseudonyms", year, "--reason", "nothing of that year is kept"])
    for words in (f"makes the pseudonyms of {year}", outcome):
        expect(f"does it say {words!r}", True, words in text, text)


@step("{who} confirms {what} -> {outcome...}")
def _(stage, who, what, outcome):
    """What was asked for last."""
    text = keep_record(stage, who, [what, "--confirm", stage.request])
    if outcome not in text:
        raise Trouble(f"confirming {what} did not say {outcome!r}:\n{text}")


@step("record segment {number} is {state}")
def _(stage, number, state):
    """open, closed, erased or held"""
    rows = stage.house.tool("audit", "segments", "--dir", stage.house.dir, "--json").stdout.splitlines()
    row = next(row for row in map(json.loads, rows) if row["segment"] == int(number))
    if state not in (row["state"], "held" if row["held"] else ""):
        raise Trouble(f"segment {number} is {row}")


@step("record segment {number} becomes seven years older")
def _(stage, number):
    done = stage.house.run([stage.house.build / "tests/audit/maker", "age", stage.house.dir, number])
    expect("exit status of maker age", 0, done.returncode, done.stderr)
