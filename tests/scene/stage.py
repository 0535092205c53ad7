"""What every step stands on: the table of steps, the installation of one scene, and messages made without our code."""
import json
import re
import time
from pathlib import Path

import wire
from house import House, Trouble

DATA = Path(__file__).resolve().parent / "data"
STEPS = []


def step(pattern):
    """`{name}` is one word, `{name...}` the rest of the line."""
    regex = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>\\S+)", re.escape(pattern).replace(r"\ ", r"\s+").replace(r"\.\.\.", "..."))
    regex = re.sub(r"\\\{(\w+)\.\.\.\\\}", r"(?P<\1>.+?)", regex)

    def add(function):
        STEPS.append((re.compile(regex + "$"), function))
        return function
    return add


def seconds_of(text):
    return float(text.removesuffix("s"))


def expect(what, want, got, details=""):
    if want != got:
        raise Trouble(f"{what}: {got}, not {want}" + (f"\n{details}" if details else ""))


def wanted(text):
    """'priority=high bed=412-B count>3' -> a predicate on an object; a blank within a value is \\s."""
    tests = []
    for word in text.split():
        key, sign, value = re.fullmatch(r"(\w+)([=<>~])(.*)", word).groups()
        tests.append((key, sign, value.replace("\\s", " ")))

    def match(obj):
        for key, sign, value in tests:
            have = obj.get(key)
            have = json.dumps(have) if isinstance(have, (bool, dict, list)) else "" if have is None else str(have)
            if not {"=": lambda: have == value, "~": lambda: value in have, "<": lambda: float(have or 0) < float(value),
                    ">": lambda: float(have or 0) > float(value)}[sign]():
                return False
        return True
    return match


class Stage:
    def __init__(self, build):
        self.house = House(build)
        self.gateways, self.watchers, self.sessions, self.last, self.sequence = {}, {}, {}, {}, 0
        self.ready = False

    def made(self):
        """The installation, made when a scene first needs it."""
        if not self.ready:
            self.house.init("--record-mib", "16")
            self.ready = True
        return self.house


def forged(stage, kind, sender, *, party="device", tenant="mercy", priority="high", same_key=False, **envelope):
    """same_key: of the same alert as the others that are."""
    now = int(time.time() * 1e6)
    stage.sequence += 1
    key = (65535 if same_key else stage.sequence).to_bytes(16, "big")
    body = {"alert": lambda: wire.alert(key, priority, "call.normal", "made by a scene", "412-B", now, "scene"),
            "update": lambda: wire.alert_update(key, key, 1, sender, now),
            "state": lambda: wire.device_state(True, now),
            "chat": lambda: wire.chat("made by a scene"),
            "broadcast": lambda: wire.broadcast("code", "code.blue", "made by a scene")}[kind]()
    name = {"update": "alert-update", "state": "device-state", "chat": "chat-message"}.get(kind, kind)
    return wire.envelope(tenant, party, sender, name, body, now, sequence=stage.sequence, **envelope)
