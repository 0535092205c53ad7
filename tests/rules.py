#!/usr/bin/env python3
"""The architecture as far as a program can check it (TAP). tests/rules.py [BUILD]: where the objects are, `build`."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / (sys.argv[1] if len(sys.argv) > 1 else "build")

TOP_LEVEL = {"Makefile", "plugin", "gateway", "proto", "tests", "tools", "configs", "README.md", "LICENSE", "build"}
LINES_MAX = 1000
WIDTH_MAX = 132     # a tab is one
HELP_MAX = 100

PROGRAMS = {
    "plugin": ("proto", "plugin"),
    "gateway": ("proto", "gateway"),
    "tool": ("proto", "tools"),
}

# libc and POSIX; anything else between < and > is somebody's library, and has one user in a program.
LIBC = set("""arpa/inet.h assert.h ctype.h dirent.h endian.h errno.h fcntl.h fnmatch.h getopt.h glob.h grp.h inttypes.h
    limits.h locale.h malloc.h netdb.h netinet/in.h netinet/tcp.h poll.h pthread.h pwd.h sched.h setjmp.h signal.h spawn.h
    stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sys/file.h sys/ioctl.h sys/mman.h
    sys/queue.h sys/random.h sys/resource.h sys/select.h sys/socket.h sys/stat.h sys/syscall.h sys/time.h sys/types.h sys/uio.h
    sys/un.h sys/wait.h syslog.h termios.h time.h unistd.h""".split())
FAMILY = re.compile(r"^(mosquitto|mqtt_protocol|MQTTAsync|MQTTClient)")   # several headers, one library

# The pure floors, and what they may ask of the world: bytes and text, nothing that has a clock, a file or a heap.
CORE = ["proto/wire", "plugin/policy", "gateway/core"]
NOT_CORE = {"proto/wire/crypt": "stands on OpenSSL, with random numbers; everything else there is pure"}
PURE = re.compile(r"""^(
      mem(cpy|move|set|cmp|chr|rchr|mem)|str(n?len|n?cmp|r?chr|spn|cspn|str|pbrk|n?cpy)|stpcpy|strn?casecmp
    | v?snprintf|bsearch|qsort|abs|labs
    | __(memcpy|memmove|memset|strcpy|strncpy|stpcpy|v?snprintf)_chk|__isoc99_sscanf|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_
    | __(asan|ubsan|sanitizer|sancov|lsan)_\w+
    | __(popcount|clz|ctz)[ds]i2        # what gcc calls for __builtin_popcountll
    | protobuf_c_\w+
)$""", re.X)
# What one object may use beyond that, and why.
EXCEPTIONS = {
    "plugin/policy/policy": ("calloc free", "loading makes one block, closing gives it back"),
    "plugin/policy/holder": ("calloc free", "binding makes one block, closing gives it back"),
    "gateway/core/flight": ("calloc free", "one block at the start, nothing after"),
    "gateway/core/open": ("calloc free", "one block at the start, nothing after"),
    "gateway/core/throttle": ("calloc free", "one block at the start, nothing after"),
}


def files(*suffixes, under=("proto", "plugin", "gateway", "tools", "tests")):
    return [p for d in under for p in sorted((TOP / d).rglob("*")) if p.suffix in suffixes and p.is_file()]


def name(path):
    return str(path.relative_to(TOP))


def includes(path):
    return re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', path.read_text(), re.M)


def one_user_for_each_foreign_header():
    for program, parts in PROGRAMS.items():
        users = {}
        for path in files(".c", ".h", under=parts):
            for header in includes(path):
                if header[0] == "<" and header[1:-1] not in LIBC:
                    family = FAMILY.match(header[1:-1])
                    users.setdefault(family[1] if family else header[1:-1], set()).add(name(path))
        for header, who in sorted(users.items()):
            if len(who) > 1:
                yield f"{program}: <{header}> has several users: {', '.join(sorted(who))}"
            if not all(w.endswith(".c") for w in who):
                yield f"{program}: <{header}> is included by a header: {', '.join(sorted(who))}"


def no_include_climbs():
    for path in files(".c", ".h"):
        for header in includes(path):
            if header.startswith('"../') or header.startswith('"/'):
                yield f"{name(path)}: #include {header}: a floor sees lower floors through its include path only"


def symbols(objects, *flags):
    out = subprocess.run(["nm", "-P", *flags, *map(str, objects)], capture_output=True, text=True, check=True).stdout
    found, current = {}, None
    for line in out.splitlines():
        if line.endswith(":"):
            current = line[:-1]
        elif line:
            found.setdefault(current or str(objects[0]), set()).add(line.split()[0])
    return found


def objects_of(floor):
    return [BUILD / floor / (p.stem + ".o") for p in sorted((TOP / floor).glob("*.c"))]


def core_is_pure():
    core = [o for floor in CORE for o in objects_of(floor) if str(o.relative_to(BUILD).with_suffix("")) not in NOT_CORE]
    ours = core + [BUILD / "proto/wire/crypt.o", *(BUILD / "gen").glob("*.o")]
    ours += [o for o in objects_of("proto/base") if o.stem not in ("clock", "log", "lean")]
    missing = [o for o in ours if not o.exists()]
    if missing:
        yield f"not built: {', '.join(str(o.relative_to(BUILD)) for o in missing)}"
        return
    known = set().union(*symbols(ours, "-g", "--defined-only").values())
    for obj, wanted in sorted(symbols(core, "-u").items()):
        part = str(Path(obj).relative_to(BUILD).with_suffix(""))
        allowed, _why = EXCEPTIONS.get(part, ("", ""))
        for symbol in sorted(s for s in wanted - known - set(allowed.split()) if not PURE.match(s)):
            yield f"{part}: uses {symbol}, which is not for the core"


def threads_leave_signals_alone():
    """A thread that takes one instead of who waits for it, swallows a SIGTERM of our host's."""
    for path in files(".c", ".h", under=("proto", "plugin", "gateway", "tools")):
        if name(path) != "proto/base/thread.c" and re.search(r"\bpthread_create\(", path.read_text()):
            yield f"{name(path)}: starts a thread by itself: thread_start() does"


def top_level_is_fixed():
    for path in sorted(TOP.iterdir()):
        if path.name not in TOP_LEVEL and not path.name.startswith("."):
            yield f"{path.name}: does not belong at the top level"


def no_file_is_too_long():
    for path in files(".c", ".h", ".def", ".proto", ".py", ".sh"):
        lines = path.read_text().count("\n")
        if lines > LINES_MAX:
            yield f"{name(path)}: {lines} lines; split it ({LINES_MAX} at most)"


def no_line_is_too_wide():
    for path in (*files(".c", ".h", ".def", ".proto", ".py", ".sh", ".scene"), TOP / "README.md"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > WIDTH_MAX and not line.startswith("|"):
                yield f"{name(path)}:{number}: {len(line)} characters; break it ({WIDTH_MAX} at most)"


def every_test_has_its_module():
    modules = {p.stem for p in files(".c", under=("proto", "plugin", "gateway", "tools"))}
    modules |= {"conformance",      # of the whole policy engine, as a table
                "abuse",            # cases of the threat model, as properties
                "sessions_model"}   # of the guard's sessions, in every order of events
    for path in sorted((TOP / "tests/unit").glob("*.c")):
        if path.stem.removesuffix("_test") not in modules or not path.stem.endswith("_test"):
            yield f"{name(path)}: tests no module of that name"


def every_fuzz_target_has_a_corpus():
    for path in sorted((TOP / "tests/fuzz").glob("*_fuzz.c")):
        corpus = TOP / "tests/fuzz/corpus" / path.stem.removesuffix("_fuzz")
        if not corpus.is_dir() or not any(corpus.iterdir()):
            yield f"{name(path)}: {name(corpus)} is empty"


def nothing_is_left_to_do():
    word = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
    for path in [TOP / "Makefile", *files(".c", ".h", ".def", ".proto", ".py", ".sh", ".scene")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if word.search(line):
                yield f"{name(path)}:{number}: {line.strip()}"


def comments_name_what_is_there():
    """Of functions, as name(); one of another's house has two underscores or is called somewhere."""
    comment = re.compile(r"/\*.*?\*/", re.S)
    texts = {p: p.read_text() for p in files(".c", ".h", ".def")}
    words = set(re.findall(r"\w+", " ".join(comment.sub(" ", t) for t in texts.values())))
    for path, text in texts.items():
        for found in comment.finditer(text):
            for function in re.findall(r"\b([a-z]\w+)\(\)", found[0]):
                if function not in words and "__" not in function:
                    yield f"{name(path)}:{text.count(chr(10), 0, found.start()) + 1}: there is no {function}()"


def what_is_declared_is_used():
    text = "\n".join(p.read_text() for p in files(".c", under=("proto", "plugin", "gateway", "tools")))
    used = set(re.findall(r"\b(?:EV|ERR)_\w+", text))
    for table, row, prefix in (("log.def", "EVENT", "EV_"), ("err.def", "ERR", "ERR_")):
        for word in re.findall(rf"^{row}\((\w+),", (TOP / "proto/base" / table).read_text(), re.M):
            if prefix + word not in used:
                yield f"proto/base/{table}: {word} is declared and never used"


def what_is_installed_finds_itself():
    """A unit that starts a program which lies elsewhere starts nothing."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["make", "-s", "-o", "all", "install", f"B={BUILD.relative_to(TOP)}", f"DESTDIR={folder}",
                               "PREFIX=/opt/pullcord"], cwd=TOP, capture_output=True, text=True)
        if done.returncode:
            yield f"make install: {done.stderr.strip()}"
        root = Path(folder)
        for unit in root.rglob("lib/systemd/system/*.service"):
            for program in re.findall(r"^Exec\w+=-?(/\S+pullcord\S*)", unit.read_text(), re.M):
                if not (root / program.lstrip("/")).is_file():
                    yield f"{unit.name} starts {program}, which is not installed there"
        for kind in ("lib/systemd/system/*.service", "lib/sysusers.d/*.conf", *(f"share/man/man{n}/*.{n}" for n in (1, 5, 7, 8))):
            if not any((root / "opt/pullcord").glob(kind)):
                yield f"make install: nothing in {kind}"


def a_device_is_given_what_it_needs():
    """README installs on it the libraries of the gateway and the tool, and nothing else."""
    install = re.search(r"^    apt-get install (lib.*)$", (TOP / "README.md").read_text(), re.M)
    wanted = set()
    for program in ("pullcord-gateway", "pullcord"):
        said = subprocess.run(["objdump", "-p", BUILD / program], capture_output=True, text=True, check=True).stdout
        wanted |= set(re.findall(r"NEEDED\s+(\S+)", said))
    found = subprocess.run(["dpkg", "-S", *(f"*/{so}" for so in wanted)], capture_output=True, text=True, check=True).stdout
    named = set(install[1].split()) if install else set()
    packages = {line.split(":")[0] for line in found.splitlines() if not line.startswith("libc6")}
    for package in sorted(named ^ packages):
        yield f"README.md: apt-get install on a device: {package} is missing, or not needed"


def the_gateways_help_is_like_the_tools():
    """Of the tool's own commands page_test says so."""
    done = subprocess.run([BUILD / "pullcord-gateway", "--help"], capture_output=True, text=True)
    if done.returncode or done.stderr:
        yield f"pullcord-gateway --help ends with {done.returncode}: {done.stderr.strip()}"
    for line in done.stdout.splitlines():
        if len(line) > HELP_MAX:
            yield f"pullcord-gateway --help: {len(line)} columns ({HELP_MAX} at most): {line}"
    if not re.search(r"^example:\n  pullcord-gateway ", done.stdout, re.M):
        yield "pullcord-gateway --help shows no example"


def every_figure_is_measured():
    """README's rows, and what it says of `make bench`, are the bench's."""
    sys.path.insert(0, str(TOP / "tests/bench"))
    import bench
    declared = {f.pattern: f.part for theme in bench.THEMES for f in theme.figures}
    for part in sorted(set(declared.values()) ^ set(bench.PARTS)):
        yield f"tests/bench: the part {part} has no figure, or a figure no such part"
    for path in [TOP / "README.md", *files(".c", ".h")]:
        for word in re.findall(r"make bench T=(\w[\w.]*)", path.read_text()):
            if not bench.parts_of(word):
                yield f"{name(path)}: make bench T={word} measures nothing"
    for row in re.findall(r"^\| `([^`]+)`", bench.README.read_text().partition(bench.BEGIN)[2].partition(bench.END)[0], re.M):
        if row not in declared:
            yield f"README.md: {row} is no row of the bench's"


def a_gateway_may_write_where_it_does():
    """Its unit shows it everything read-only but for some folders: what it writes, unless told otherwise, is in these."""
    unit = (TOP / "configs/pullcord-gateway.service").read_text()
    if "\nProtectSystem=strict\n" not in unit:
        yield "pullcord-gateway.service: its root is not read-only"
    allowed = [f"/{base}/{d}/" for kind, base in (("State", "var/lib"), ("Runtime", "run"))
               for d in re.findall(rf"^{kind}Directory=(\S+)", unit, re.M)]
    allowed += [f"{d}/" for d in re.findall(r"^ReadWritePaths=-?(\S+)", unit, re.M)]
    settings = (TOP / "gateway/conf.def").read_text()
    for setting, path in re.findall(r'^I?PARAM\((\w+, \w+), TEXT, \d+, \d+, "(/[^"]*)"', settings, re.M):
        if not path.startswith(tuple(allowed)):
            yield f"pullcord-gateway.service: {setting} is {path}, where it may not write"


def nothing_is_given_up():
    """systemd starts five times in ten seconds what ends at once, and then no more, unless told otherwise."""
    for path in (TOP / "configs/pullcord-gateway.service", *(TOP / "configs/mosquitto.service.d").iterdir()):
        head, _, service = path.read_text().partition("[Service]\n")
        if "\nRestart=always\n" not in service or "\nStartLimitIntervalSec=0\n" not in head.partition("[Unit]")[2]:
            yield f"{name(path)}: what does not start is not tried for ever"
        for check in re.findall(r"^ExecStartPre=([^-\s].*--check)$", service, re.M):
            yield f"{name(path)}: {check} keeps from starting what would start with less"


RULES = [one_user_for_each_foreign_header, no_include_climbs, core_is_pure, threads_leave_signals_alone, top_level_is_fixed,
         no_file_is_too_long, no_line_is_too_wide, every_test_has_its_module, every_fuzz_target_has_a_corpus,
         nothing_is_left_to_do, comments_name_what_is_there, what_is_declared_is_used, what_is_installed_finds_itself,
         a_device_is_given_what_it_needs, the_gateways_help_is_like_the_tools, every_figure_is_measured,
         a_gateway_may_write_where_it_does, nothing_is_given_up]


def main():
    failed = 0
    print(f"1..{len(RULES)}")
    for number, rule in enumerate(RULES, 1):
        broken = list(rule())
        failed += bool(broken)
        print(f"{'not ' if broken else ''}ok {number} - {rule.__name__}")
        for line in broken:
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
