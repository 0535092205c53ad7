#!/usr/bin/env python3
"""`pullcord audit feed` to a real rsyslogd over TLS that is killed and started again: nothing is missing in the end."""
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tap import BUILD, Record, Skip, equal, run

RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")
CONF = """
global(workDirectory="{dir}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriverCAFile="{dir}/ca.crt" defaultNetstreamDriverCertFile="{dir}/{server}.crt"
  defaultNetstreamDriverKeyFile="{dir}/{server}.key")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name"
  PermittedPeer=["feed.example"])
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="arr"){{ action(type="omfile" file="{dir}/arr.raw" template="raw") }}
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="arr")
"""
HEAD = re.compile(r'^<(84|85)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z broker\.mercy\.example pullcord - IHE\+RFC-3881 '
                  r'\[meta sequenceId="(\d+)"\] \ufeff<AuditMessage>.*</AuditMessage>$')
PATIENCE = 60


def until(what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


class Repository:
    """rsyslogd with settings, certificates and files of its own."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="pullcord.")
        self.dir = Path(self.scratch.name)
        self.child = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.crt")
        for name, san in (("arr", "IP:127.0.0.1"), ("other", "DNS:other.example"), ("feed", "DNS:feed.example")):
            (self.dir / "ext").write_text(f"subjectAltName={san}\n")
            self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                         f"/CN={name}.example", "-keyout", f"{name}.key", "-out", "csr")
            self.openssl("x509", "-req", "-in", "csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                         "-extfile", "ext", "-out", f"{name}.crt")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.dir, check=True, capture_output=True)

    def start(self, server="arr"):
        (self.dir / "conf").write_text(CONF.format(dir=self.dir, port=self.port, server=server))
        self.child = subprocess.Popen([RSYSLOGD, "-n", "-f", self.dir / "conf", "-i", self.dir / "pid"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        equal("rsyslogd listens", True, until(listens))

    def end(self, how):
        self.child.send_signal(how)
        self.child.wait()
        self.child = None

    def lines(self):
        path = self.dir / "arr.raw"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def size(self):
        path = self.dir / "arr.raw"
        return path.stat().st_size if path.exists() else 0

    def feed_words(self, record, *more):
        return ["--to", f"127.0.0.1:{self.port}", "--cafile", self.dir / "ca.crt", "--cert", self.dir / "feed.crt",
                "--cert-key", self.dir / "feed.key", "--state", record.folder / "state", *more]


def repository():
    if not RSYSLOGD or not Path("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so").exists() and \
            not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
        raise Skip("rsyslog and rsyslog-gnutls are not installed")
    return Repository()


def seq(line):
    found = re.search(r'type="chain-seq" value="([^"]*)"', line)
    return int(base64.b64decode(found[1])) if found else None


def feed(record, where, *more):
    words = where.feed_words(record, *more)
    return subprocess.Popen([BUILD / "pullcord", "audit", "feed", *words, "--record", record.folder / "record.mdb", "--key",
                             record.folder / "root.key"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def missing(record, where):
    return record.tool("reconcile", where.dir / "arr.raw", check=False).returncode


def nothing_is_missing_after_the_repository_was_killed():
    where, record = repository(), Record(2500)
    child = feed(record, where)
    try:
        for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            before = where.size()
            where.start()
            equal("something arrives", True, until(lambda: where.size() > before + 100000))
            where.end(how)
            record.grow(1500)
        where.start()
        equal("nothing is missing", True, until(lambda: missing(record, where) == 0))
    finally:
        child.send_signal(signal.SIGTERM)
        said = child.communicate()[0]
        if where.child:
            where.end(signal.SIGKILL)
    equal(f"exit status ({said})", 0, child.returncode)
    events = {e["index"] for e in record.events() if "actor" in e}
    lines = where.lines()
    # What a killed repository had written half has the next message behind it, on the same line.
    whole = [line for line in lines if HEAD.match(line) and line.count("<AuditMessage>") == 1]
    got = [seq(line) for line in whole]
    equal("indices that arrived", events, set(got))
    equal("some came twice", True, len(got) > len(set(got)))
    for line in whole[:200]:
        equal("sequenceId", seq(line) + 1, int(HEAD.match(line)[2]))


def what_is_surely_there_is_not_sent_again():
    where, record = repository(), Record(300)
    where.start()
    child = feed(record, where, "--hold", "1")
    try:
        state = record.folder / "state"
        size = max(e["index"] for e in record.events()) + 1
        equal("the state moves on", True, until(lambda: state.exists() and f"safe {size}\n" in state.read_text()))
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate()
    first = until(lambda: missing(record, where) == 0)
    before = len(where.lines())
    record.grow(50)
    child = feed(record, where, "--once")
    said = child.communicate(timeout=PATIENCE)[0]
    equal(f"exit status ({said})", 0, child.returncode)
    there = until(lambda: missing(record, where) == 0)
    new = [seq(line) for line in where.lines()[before:]]
    where.end(signal.SIGTERM)
    equal("everything came", (True, True), (first, there))
    equal("only what is new was sent", True, min(new) >= size)


def reconcile_names_what_is_missing():
    where, record = repository(), Record(300)
    where.start()
    child = feed(record, where, "--once")
    child.communicate(timeout=PATIENCE)
    came = until(lambda: missing(record, where) == 0)
    where.end(signal.SIGTERM)
    equal("everything came", True, came)
    events = sorted(e["index"] for e in record.events() if "actor" in e)
    gone = set(events[100:103]) | {events[-1]}
    kept = record.folder / "kept"
    kept.write_text("\n".join(line for line in where.lines() if seq(line) not in gone))
    done = record.tool("reconcile", kept, check=False)
    equal("exit status", 1, done.returncode)
    equal("ranges", [(events[100], events[102]), (events[-1], events[-1])],
          [(int(a), int(b)) for a, b in re.findall(r"missing: (\d+) to (\d+)", done.stdout)])


def what_is_recorded_meanwhile_is_not_missing():
    """Its own reading is, by a broker that runs."""
    where, record = repository(), Record(100)
    where.start()
    feed(record, where, "--once").communicate(timeout=PATIENCE)
    came = until(lambda: missing(record, where) == 0)
    where.end(signal.SIGTERM)
    equal("everything came", True, came)
    kept = record.folder / "kept"
    os.mkfifo(kept)
    child = subprocess.Popen([BUILD / "pullcord", "audit", "reconcile", kept, "--record", record.folder / "record.mdb", "--key",
                              record.folder / "root.key"], stdout=subprocess.PIPE, text=True)
    with open(kept, "w") as file:           # it has begun to read
        record.grow(50)
        file.write("\n".join(where.lines()))
    said = child.communicate(timeout=PATIENCE)[0]
    equal(f"nothing is missing: {said}", (0, True), (child.returncode, "\n0 of " in "\n" + said))


def a_part_that_is_missing_is_missed():
    where, record = repository(), Record(300)
    where.start()
    feed(record, where, "--once").communicate(timeout=PATIENCE)
    came = until(lambda: missing(record, where) == 0)
    where.end(signal.SIGTERM)
    equal("everything came", True, came)
    second = re.compile(r'type="part" value="Mi8z"')         # 2/3
    many = {seq(line) for line in where.lines() if second.search(line)}
    equal("one delivery is of three messages", 1, len(many))
    kept = record.folder / "kept"
    kept.write_text("\n".join(line for line in where.lines() if not second.search(line)))
    done = record.tool("reconcile", kept, "--json", check=False)
    equal("exit status", 1, done.returncode)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    equal("what is missing", [{"first": min(many), "last": min(many)}], told[:-1])
    equal("sums", (1, 0), (told[-1]["missing"], told[-1]["twice"]))


def who_follows_a_record_that_was_renewed_is_told():
    where, record, other = repository(), Record(100), Record(50)
    where.start()
    child = feed(record, where)
    size = max(e["index"] for e in record.events())
    tail = subprocess.Popen([BUILD / "pullcord", "audit", "tail", "--follow", "--json", "--record", record.folder / "record.mdb",
                             "--key", record.folder / "root.key"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        equal("all is fed", True, until(lambda: missing(record, where) == 0))
        equal("all is shown", True, any(json.loads(line)["index"] == size for line in tail.stdout))
        (other.folder / "record.mdb").rename(record.folder / "record.mdb")
        said = child.communicate(timeout=PATIENCE)[0]
        told = tail.communicate(timeout=PATIENCE)[1]
    finally:
        for each in (child, tail):
            each.kill()
        where.end(signal.SIGTERM)
    for code, text in ((child.returncode, said), (tail.returncode, told)):
        equal(f"the reason is said: {text}", (1, True), (code, "it was renewed" in text))


def a_server_of_another_name_gets_nothing():
    where, record = repository(), Record(100)
    where.start("other")
    child = feed(record, where, "--once")
    said = child.communicate(timeout=PATIENCE)[0]
    where.end(signal.SIGTERM)
    equal("exit status", 1, child.returncode)
    equal(f"the reason is said: {said}", True, "IP address mismatch" in said)
    equal("what arrived", [], where.lines())


def a_server_of_another_name_is_waited_out_once_one_was_right():
    where, record = repository(), Record(100)
    where.start()
    child = feed(record, where)
    try:
        equal("it arrives", True, until(lambda: missing(record, where) == 0))
        where.end(signal.SIGTERM)
        where.start("other")
        heard = []
        equal("the reason is said", True, any(heard.append(line) or "mismatch" in line for line in child.stdout))
        record.grow(50)
        where.end(signal.SIGTERM)
        where.start()
        equal(f"it goes on: {heard}", True, until(lambda: missing(record, where) == 0))
    finally:
        child.kill()
        child.communicate()
        where.end(signal.SIGTERM)


def an_entry_there_is_not_yet_is_no_beginning():
    where, record = repository(), Record(100)
    where.start()
    done = record.tool("feed", *where.feed_words(record, "--once", "--first", "100000"), check=False)
    where.end(signal.SIGTERM)
    equal(f"it is refused: {done.stderr}", (1, True, False),
          (done.returncode, "--first 100000" in done.stderr, (record.folder / "state").exists()))


def a_state_of_another_record_is_refused():
    where, record = repository(), Record(100)
    (record.folder / "state").write_text(f"pullcord feed 1\norigin other.example/audit\nto 127.0.0.1:{where.port}\nsafe 1\n")
    done = record.tool("feed", *where.feed_words(record, "--once"), check=False)
    equal("exit status", 1, done.returncode)
    equal(f"the reason is said: {done.stderr}", True, "another record" in done.stderr)


run([nothing_is_missing_after_the_repository_was_killed, what_is_surely_there_is_not_sent_again,
     reconcile_names_what_is_missing, what_is_recorded_meanwhile_is_not_missing, a_part_that_is_missing_is_missed,
     who_follows_a_record_that_was_renewed_is_told,
     a_server_of_another_name_gets_nothing, a_server_of_another_name_is_waited_out_once_one_was_right,
     an_entry_there_is_not_yet_is_no_beginning, a_state_of_another_record_is_refused])
