"""What it takes to find events in a record of ten million, beside reading all of it.

    tests/bench/search.py BUILD [ENTRIES]       alone; the record is made in $TMPDIR and taken away again

Ten million take 5 GB of disk, and some five minutes of CPU: to write them, to make the index, to read them twice.
"""
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Row, Series, say

ENTRIES = 10_000_000
ROUNDS = 5
ALL = "reading the whole record"
READ = 2                        # of the questions are also answered by reading everything
BYTES_AN_ENTRY = 520            # of disk, record and index, and a little room
# Each is answered by a few hundred events at most, somewhere in a month; a nurse's own day takes her id and the time.
QUESTIONS = (
    ("--user", "n042", "--from", "2026-01-20", "--to", "2026-01-21"),
    ("--device", "nc-117", "--event", "publish", "--from", "2026-01-10T08:00:00Z", "--to", "2026-01-10T20:00:00Z"),
    ("--user", "n007", "--outcome", "denied"),
    ("--patient", "MRN-4711"),
)


class Folder:
    def __init__(self, build, entries):
        self.build, self.path = Path(build), Path(tempfile.mkdtemp(prefix="pullcord-bench."))
        if shutil.disk_usage(self.path).free < entries * BYTES_AN_ENTRY:
            shutil.rmtree(self.path)
            raise OSError(f"{self.path.parent} has no room for {entries * BYTES_AN_ENTRY >> 20} MiB")
        say(f"  writing a record of {entries} entries ...")
        self.seconds = self.timed([self.build / "tests/audit/maker", self.path, str(entries)])[0]

    def timed(self, argv):
        start = time.monotonic()
        out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        return time.monotonic() - start, out

    def search(self, *words):
        """ms, and how many events there were."""
        argv = [self.build / "pullcord", "audit", "search", *words, "--json", "--record", self.path / "record.mdb", "--key",
                self.path / "root.key"]
        seconds, out = self.timed(argv)
        return seconds * 1000, out.count("\n")


def measure(build, entries=ENTRIES):
    """The whole command, from its start to its last line."""
    folder = Folder(build, entries)
    try:
        record = (folder.path / "record.mdb").stat().st_blocks * 512
        first = folder.search("--user", "nobody")[0]
        index = (folder.path / "record.idx").stat().st_blocks * 512
        say(f"  written in {folder.seconds:.0f} s, {record / entries:.0f} bytes an entry; the first search makes the index in "
            f"{first / 1000:.0f} s, {index / entries:.1f} bytes an entry")
        ours, peers = [], []
        for number, question in enumerate(QUESTIONS):
            times = [folder.search(*question) for _ in range(ROUNDS)]
            say(f"  {' '.join(question)}: {times[0][1]} events in {min(t for t, _ in times):.1f}-{max(t for t, _ in times):.1f} ms")
            ours += [t for t, _ in times]
            if number >= READ:
                continue
            read = folder.search(*question, "--no-index")
            if read[1] != times[0][1]:
                raise OSError(f"{' '.join(question)}: {times[0][1]} events by the index, {read[1]} by reading all")
            say(f"    reading all of it: {read[0] / 1000:.1f} s")
            peers.append(read[0])
        label = f"{entries // 1000000}M" if entries >= 1000000 else str(entries)
        yield Row(f"record.search_ms.{label}", "ms", ALL, Series(ours), Series(peers))
        yield Row(f"record.index_us.{label}", "µs", ALL, *(Series([ms * 1000 / entries]) for ms in (first, peers[0])))
        yield Row(f"record.index_bytes.{label}", "bytes", "an entry of the record",
                  *(Series([n / entries]) for n in (index, record)))
    finally:
        shutil.rmtree(folder.path)


PARTS = {"searching": lambda rig: measure(rig.build)}

if __name__ == "__main__":
    for row in measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else ENTRIES):
        print(row.tsv())
