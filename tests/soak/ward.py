"""The buttons of a ward that never gives up: what was not answered is said again, byte for byte, after each new
connection; and the list of what was promised, against which a screen's list is held."""
import json
import random
import socket
import threading
import time

SOURCES = 8
PRIORITIES = ("code", "high", "high", "medium", "medium", "low")
UNANSWERED_MAX = 200
READER_REMEMBERS = 65536        # messages (tools/fold.h)


class Ward(threading.Thread):
    def __init__(self, path, per_s, seed):
        super().__init__(daemon=True)
        self.path, self.per_s, self.random = str(path), per_s, random.Random(seed)
        self.lock = threading.Lock()
        self.waiting = {}               # id -> line, in order; not yet answered
        self.again = []                 # (when, id, line): refused, to be said again
        self.place = {}                 # id -> (source, priority, number): where it stands in its row
        self.promised = {}              # id -> when it was called durable
        self.late = set()               # refused once: out of their row
        self.to_end = []                # beds whose alert was seen
        self.said = self.refusals = self.connections = 0
        self.pressing, self.running = True, True

    def alert(self, id, bed, source, priority, **more):
        line = json.dumps({"type": "alert", "id": id, "source": source, "kind": "call.normal", "priority": priority,
                           "bed": bed, "text": "soak"} | more).encode() + b"\n"
        self.place[id] = (source, priority, self.said)
        self.said += 1
        self.waiting[id] = line
        return line

    def press(self):
        n = self.said
        return self.alert(f"p{n}", f"b{n}", f"s{n % SOURCES}", self.random.choice(PRIORITIES))

    def end(self, bed):
        source, priority, _ = self.place["p" + bed[1:]]
        return self.alert("e" + bed[1:], bed, source, priority, phase="end")

    def heard(self, answer):
        id = answer.get("id")
        if answer["answer"] == "durable":
            self.waiting.pop(id, None)
            self.promised.setdefault(id, time.monotonic())
        elif answer["answer"] == "refused" and id in self.waiting:
            self.refusals += 1
            self.late.add(id)
            self.again.append((time.monotonic() + 0.5, id, self.waiting.pop(id)))

    def due(self, now, next_at):
        """What to say now."""
        while self.again and self.again[0][0] <= now:
            _, id, line = self.again.pop(0)
            self.waiting[id] = line
            yield line
        while self.to_end and len(self.waiting) < UNANSWERED_MAX:
            yield self.end(self.to_end.pop(0))
        if self.pressing and now >= next_at and len(self.waiting) + len(self.again) < UNANSWERED_MAX:
            yield self.press()

    def run(self):
        while self.running:
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(5)
                    s.connect(self.path)
                    self.connections += 1
                    self.talk(s)
            except OSError:
                time.sleep(0.02)

    def talk(self, s):
        unread, next_at = b"", time.monotonic()
        with self.lock:
            first = b"".join(self.waiting.values())
        s.sendall(first)
        s.settimeout(0.002)
        while self.running:
            now = time.monotonic()
            with self.lock:
                lines = list(self.due(now, next_at))
            if lines:
                s.settimeout(5)
                s.sendall(b"".join(lines))
                s.settimeout(0.002)
            if now >= next_at:
                next_at = max(next_at + 1 / self.per_s, now - 0.1)
            try:
                got = s.recv(65536)
                if not got:
                    raise OSError("the gateway ended it")
                *whole, unread = (unread + got).split(b"\n")
                with self.lock:
                    for line in whole:
                        self.heard(json.loads(line))
            except socket.timeout:
                pass


class Screen(threading.Thread):
    """What a person saw: each press, and each end, once, under one id (but what the broker still shows to newcomers after more
    messages than the reader remembers: that is counted apart); and in order within a source and a priority. Only when the broker
    came back with the screen's session (`restored`), what was pressed before the screen came back is in two rows: what the
    broker had queued for it, and then what the history shows."""

    def __init__(self, watcher, ward):
        super().__init__(daemon=True)
        self.watcher, self.ward = watcher, ward
        self.seen, self.twice, self.out_of_order, self.own = {}, [], [], []
        self.at, self.told, self.forgotten = {}, 0, 0   # how many messages had been told before each
        self.refused = []                   # first and end of what the broker may have refused for a moment: out of its row
        self.last, self.running, self.before, self.restored = {}, True, 0, False

    def run(self):
        while self.running:
            with self.watcher.changed:
                items, self.watcher.fresh = self.watcher.fresh, []
                if not items:
                    self.watcher.changed.wait(0.1)
            for _, obj in items:
                if obj.get("event") == "alert":
                    self.see(obj)
                elif obj.get("event") in ("watching", "lost"):
                    with self.ward.lock:
                        self.before = self.ward.said

    def refuses(self):
        """From now on the broker may refuse what it did not yet show."""
        with self.ward.lock:
            unseen = [number for id, (_, _, number) in self.ward.place.items() if id not in self.seen]
            self.refused.append([min(unseen, default=self.ward.said), float("inf")])

    def takes(self):
        with self.ward.lock:
            self.refused[-1][1] = self.ward.said

    def see(self, obj):
        if obj["code"].startswith("gateway."):
            self.own.append((obj["code"], obj["phase"]))
            return
        id = ("e" if obj["phase"] == "end" else "p") + obj["bed"][1:]
        if id in self.seen:
            same = obj["id"] == self.seen[id]["id"]         # which the reader does not tell while it remembers
            if same and self.told - self.at[id] >= READER_REMEMBERS:
                self.forgotten += 1
            else:
                self.twice.append(f"{id}: {obj['id']} after {self.seen[id]['id']}, {self.told - self.at[id]} between")
            self.told += 1
            return
        with self.ward.lock:        # seen, and to be ended, in one: who asks whether all is calm must find either
            self.seen[id], self.at[id] = obj, self.told
            self.told += 1
            source, priority, number = self.ward.place[id]
            late = id in self.ward.late or (self.restored and number < self.before) or \
                any(first <= number < end for first, end in self.refused)
            if id[0] == "p":
                self.ward.to_end.append(obj["bed"])
        if late:
            return
        before, first = self.last.get((source, priority), (-1, None))
        if number < before:
            self.out_of_order.append((id, first))
        else:
            self.last[source, priority] = number, id
