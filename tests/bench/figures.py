"""What was measured, and how it is shown: as text, in bench.tsv, and as README's tables."""
import statistics
import textwrap
from dataclasses import dataclass
from decimal import Decimal


def say(text=""):
    print(text, flush=True)


def short(x, digits=4):
    """12345.6 is 12350 with four digits: never 1.235e+04."""
    return format(Decimal(f"{x:.{digits}g}"), ",f" if digits < 4 else "f")


@dataclass
class Series:
    """One thing measured several times."""
    values: list

    @property
    def median(self):
        return statistics.median(self.values)

    def __str__(self):
        if len(self.values) == 1:
            return short(self.median)
        return f"{short(self.median)} ({short(min(self.values))}–{short(max(self.values))})"


@dataclass
class Row:
    name: str
    unit: str
    against: str
    ours: Series
    peer: Series

    @property
    def ratio(self):
        """The median of the rounds', each of its own pair; of what had no rounds in common, median by median."""
        ours, peer = self.ours.values, self.peer.values
        if len(ours) != len(peer):
            ours, peer = [self.ours.median], [self.peer.median]
        return statistics.median(a / b if b else float("nan") for a, b in zip(ours, peer))

    def tsv(self):
        return f"{self.name}\t{short(self.ours.median)}\t{self.unit}\t{self.against}\t{short(self.ratio)}"


def in_turn(rounds, runs, shown):
    """Each of `runs` once a round, in turn, after a round that warms up: what each gave. `shown` says it in a word."""
    given = {who: [] for who in runs}
    for turn in range(rounds + 1):
        for who, run in runs.items():
            done = run()
            if turn:
                given[who].append(done)
        say(f"  round {turn}/{rounds}: " + ", ".join(f"{who} {shown(g[-1])}" for who, g in given.items())
            if turn else "  warmed up")
    return given


# ---- bench.tsv: what was measured last, also of other parts ----------------------------------------------------------

HEAD = "name\tvalue\tunit\tagainst\tratio"


def tsv_read(path):
    return path.read_text().splitlines()[1:] if path.exists() else []


def tsv_merge(path, keep, rows):
    """Of the lines that are there those whose names are in `keep`, and these rows."""
    lines = [line for line in tsv_read(path) if line.split("\t")[0] in keep]
    path.write_text("\n".join([HEAD, *lines, *(row.tsv() for row in rows)]) + "\n")


# ---- for people ------------------------------------------------------------------------------------------------------

def print_table(rows, what):
    """`what` says of a name what it is."""
    name = None
    for r in rows:
        if r.name != name:
            name = r.name
            say(f"\n  {name}  {r.ours} {r.unit}")
            say(f"      {what(name)}")
        say(f"      x {short(r.ratio):<8} against {r.against}: {r.peer}")


def cell(values):
    return " · ".join("–" if v is None else short(float(v), 3) for v in values)


def markdown(theme, lines):
    """A theme's table: a line for each of its figures, what has several names in one."""
    found = {}      # name: value, unit, {against: ratio}
    for name, value, unit, against, ratio in (line.split("\t") for line in lines):
        found.setdefault(name, (value, unit, {}))[2][against] = ratio
    yield textwrap.fill(f"**{theme.title}.** {theme.note}", 130) + "\n"
    yield "| row | what | Pullcord | ratio |"
    yield "|---|---|---|---|"
    for figure in theme.figures:
        values = [found.get(name, (None, "", {})) for name in figure.names]
        unit = next((unit for _, unit, _ in values if unit), None)
        if unit:
            peers = dict.fromkeys(peer for _, _, ratios in values for peer in ratios)
            ratio = "; ".join(f"× {cell([ratios.get(peer) for _, _, ratios in values])} {peer}" for peer in peers)
            yield f"| `{figure.pattern}` | {figure.what} | {cell([value for value, _, _ in values])} {unit} | {ratio} |"
