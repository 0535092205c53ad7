"""What was measured, and how it is shown."""
import statistics
from dataclasses import dataclass


def say(text=""):
    print(text, flush=True)


@dataclass
class Series:
    """One thing measured several times."""
    values: list

    @property
    def median(self):
        return statistics.median(self.values)

    def __str__(self):
        if len(self.values) == 1:
            return f"{self.median:.4g}"
        return f"{self.median:.4g} ({min(self.values):.4g}–{max(self.values):.4g})"


@dataclass
class Row:
    name: str
    unit: str
    against: str
    ours: Series
    peer: Series

    @property
    def ratio(self):
        return self.ours.median / self.peer.median if self.peer.median else float("nan")

    def tsv(self):
        return f"{self.name}\t{self.ours.median:.4g}\t{self.unit}\t{self.against}\t{self.ratio:.4g}\n"


def write_tsv(path, rows):
    path.write_text("name\tvalue\tunit\tagainst\tratio\n" + "".join(r.tsv() for r in rows))


def print_table(rows):
    name = None
    for r in rows:
        if r.name != name:
            name = r.name
            say(f"\n  {name}  {r.ours} {r.unit}")
        say(f"      x {r.ratio:<8.4g} against {r.against}: {r.peer}")
