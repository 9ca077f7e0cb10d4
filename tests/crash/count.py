#!/usr/bin/env python3
"""count.py - counts the images of a trace without the simulator.

    crash --trace - | tests/crash/count.py [--check FILE | --write FILE]

Reads the calls of each scenario (tests/crash/trace.h) and knows the rules R1-R13 of
docs/crash-model.md by itself: which pieces of them may survive a power cut, which only
together, and how a chunk may be torn. For every window it multiplies the choices, without
tears and with at most one; up to 2^12 it also makes every image and compares the set of
contents with what the walk of the simulator visited. The table
of the results is kept in tests/crash/certificates.txt: when the engine makes other calls,
it is written anew, and the change is seen in review.
"""
import itertools
import sys
import zlib

CHUNK = 64
SET_MAX = 4096


COUNT_MAX = 2**64 - 1  # the simulator says so when there are more


def pattern(seed=0x5EED5EED):
    """The bytes of SplitMix64, one of each number: what a torn chunk may hold."""
    mask, out = 2**64 - 1, bytearray()
    for _ in range(CHUNK):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        out.append((z ^ z >> 31) & 255)
    return bytes(out)


FILLERS = [b"\0" * CHUNK, b"\xff" * CHUNK, b"\xe5" * CHUNK, pattern()]


class Tear:
    """The write of [lo, hi) over `before`, cut off somewhere or with its middle lost (R5)."""

    def __init__(self, before, after, lo, hi, needs):
        self.before, self.after, self.lo, self.hi, self.needs = before, after, lo, hi, needs

    def count(self):
        return 2 * (self.hi - self.lo - 1) + len(FILLERS)

    def contents(self):
        a, b, lo, hi = self.after, self.before, self.lo, self.hi
        for cut in range(lo + 1, hi):
            yield a[:cut] + b[cut:hi] + a[hi:]
            yield a[:lo] + b[lo:cut] + a[cut:]
        third = (hi - lo) // 3
        for filler in FILLERS:
            yield a[: lo + third] + filler[: hi - lo - 2 * third] + a[hi - third :]


class Hole(bytes):
    """Zeros that were never written: nothing is left of them to be cut."""


HOLE = Hole(CHUNK)


class Register:
    """A durable value and the versions after it: (number, value, needs, limbo, span); a span
    is the bytes that were written."""

    def __init__(self, base):
        self.base, self.base_number, self.versions = base, 0, []

    def now(self):
        return self.versions[-1][1] if self.versions else self.base

    def add(self, number, value, needs=None, span=None):
        self.versions.append([number, value, needs, False, span])

    def settle(self):
        if self.versions:
            self.base_number = self.versions[-1][0]
            self.base, self.versions = self.now(), []

    def cover(self):
        """A sync returned: what an earlier failed one has lost is not covered (R13)."""
        if self.versions and not self.versions[-1][3]:
            self.settle()

    def lose(self):
        for v in self.versions:
            v[3] = True

    def options(self):
        return [(self.base_number, self.base, None)] + [tuple(v[:3]) for v in self.versions]


    def tears(self):
        """Half of a torn chunk is the version before: with that one's needs."""
        before, needs = self.base, None
        for _, value, own, _, span in self.versions:
            if span:
                yield Tear(before, value, *span, needs)
            before, needs = value, own


class File:
    def __init__(self, content=b""):
        self.size = Register(len(content))
        self.chunks = {}
        for at in range(0, len(content), CHUNK):
            self.chunk(at // CHUNK).base = content[at : at + CHUNK].ljust(CHUNK, b"\0")

    def chunk(self, index):
        return self.chunks.setdefault(index, Register(HOLE))

    def registers(self):
        return [self.size, *self.chunks.values()]

    def write(self, number, offset, data):
        number = self.grow(number, offset)
        end, at = offset + len(data), offset
        while at < end:
            index, start = at // CHUNK, at % CHUNK
            piece = data[at - offset : at - offset + CHUNK - start]
            old = self.chunk(index).now()
            number += 1
            new = old[:start] + piece + old[start + len(piece) :]
            self.chunk(index).add(number, new, None, (start, start + len(piece)))
            at += len(piece)
            number = self.grow(number, at)
        return number

    def grow(self, number, size):
        """A file grows chunk by chunk (R7)."""
        while self.size.now() < size:
            number += 1
            end = (self.size.now() // CHUNK + 1) * CHUNK
            self.size.add(number, min(end, size))
        return number

    def shrink(self, number, size):
        """The zeros of a shrink survive only with its size, or a later one (R8)."""
        old, cut = self.size.now(), size % CHUNK
        number += 1
        self.size.add(number, size)
        needs = number
        for index in range(size // CHUNK, (old + CHUNK - 1) // CHUNK):
            r = self.chunks.get(index)
            if r and (r.versions or not isinstance(r.base, Hole)):
                number += 1
                new = r.now()[:cut] + b"\0" * (CHUNK - cut) if cut else HOLE
                r.add(number, new, needs)
            cut = 0
        return number

    def resize(self, number, size):
        if size < self.size.now():
            return self.shrink(number, size)
        return self.grow(number, size)

    def sync(self, data_only):
        shrunk = any(
            b[1] < a
            for a, b in zip([self.size.base] + [v[1] for v in self.size.versions], self.size.versions)
        )
        if data_only and shrunk and self.size.now() <= self.size.base:
            raise SystemExit("count.py: a data sync over a pending shrink (R3): not counted")
        for r in self.registers():
            r.cover()

    def fates(self):
        """Every legal choice: (size, a pool for each chunk, one of its tears); couplings of
        R8."""
        for number, size, _ in self.size.options():
            pools = [
                [v for n, v, needs in r.options() if needs is None or number >= needs]
                for r in self.chunks.values()
            ]
            torn = [
                [t for t in r.tears() if t.needs is None or number >= t.needs]
                for r in self.chunks.values()
            ]
            yield size, pools, torn

    def count(self):
        """Choices without a torn chunk, and with one."""
        total = (0, 0)
        for _, pools, torn in self.fates():
            product = (1, 0)
            for pool, tears in zip(pools, torn):
                product = times(product, (len(pool), sum(t.count() for t in tears)))
            total = (total[0] + product[0], total[1] + product[1])
        return total

    def contents(self, torn=False):
        """The set of byte strings that may be found; torn: with one torn chunk."""
        found = set()
        order = list(self.chunks)
        for size, pools, tears in self.fates():
            for which in range(len(order)) if torn else [None]:
                seen = []
                for i, pool in enumerate(pools):
                    if i == which:
                        pool = [c for t in tears[i] for c in t.contents()]
                    short = {bytes(c) for c in pool} if order[i] * CHUNK < size else {b""}
                    seen.append(sorted(short) if pool else [])
                for choice in itertools.product(*seen):
                    image = bytearray(size)
                    for index, content in zip(order, choice):
                        at = index * CHUNK
                        if at < size:
                            image[at : min(at + CHUNK, size)] = content[: size - at]
                    found.add(bytes(image))
        return found


def times(a, b):
    """(u + tx) (v + sx), cut off behind x: at most one chunk is torn."""
    return a[0] * b[0], a[1] * b[0] + a[0] * b[1]


class Dir:
    def __init__(self, files=None):
        self.names = {n: Register(File(c)) for n, c in (files or {}).items()}

    def entry(self, name):
        return self.names.setdefault(name, Register(None))

    def entries(self):
        """Every legal choice of the names; a rename's second half needs its first (R10)."""
        pending = [(n, r) for n, r in self.names.items() if r.versions]
        fixed = {n: r.base for n, r in self.names.items() if not r.versions}
        for choice in itertools.product(*[r.options() for _, r in pending]):
            reached = {n: c[0] for (n, _), c in zip(pending, choice)}
            legal = all(
                c[2] is None or c[2][0] not in reached or reached[c[2][0]] >= c[2][1]
                for c in choice
            )
            if legal:
                yield {**fixed, **{n: c[1] for (n, _), c in zip(pending, choice)}}


class Disk:
    """A root with directories, and files in them."""

    def __init__(self):
        self.number = 0
        self.root = Dir()
        self.handles = {}
        self.fail = None

    def load(self, dirs):
        self.root = Dir()
        for name, files in dirs.items():
            self.root.names[name] = Register(Dir(files))

    def next(self):
        self.number += 1
        return self.number

    # -- counting --

    def reachable(self):
        """Directories and files that some choice gives a name."""
        dirs, files = [self.root], {}
        for d in dirs:
            for r in d.names.values():
                for _, value, _ in r.options():
                    if isinstance(value, File):
                        files[id(value)] = value
                    elif isinstance(value, Dir) and value not in dirs:
                        dirs.append(value)
        return dirs, list(files.values())

    def count(self):
        dirs, files = self.reachable()
        total = (1, 0)
        for d in dirs:
            total = times(total, (sum(1 for _ in d.entries()), 0))
        for f in files:
            total = times(total, f.count())
        return total

    def trees(self):
        """Every legal choice of all names: [(directory's name, {name: file}), ...]."""
        for top in self.root.entries():
            there = sorted(n for n, d in top.items() if d is not None)
            for below in itertools.product(*[list(top[n].entries()) for n in there]):
                yield list(zip(there, below))

    def digests(self, torn):
        """Of all contents; torn: of those with a torn chunk, too."""
        found = set()
        plain = {id(f): sorted(f.contents()) for f in self.reachable()[1]}
        spoilt = {id(f): sorted(f.contents(True)) for f in self.reachable()[1] if torn}
        for tree in self.trees():
            # A file may go by two names: its content is chosen once.
            files = list(dict.fromkeys(
                id(f) for _, names in tree for f in names.values() if f is not None
            ))
            choices = [itertools.product(*[plain[f] for f in files])]
            for t in files if torn else []:
                pools = [spoilt[f] if f == t else plain[f] for f in files]
                choices.append(itertools.product(*pools))
            for choice in itertools.chain(*choices):
                content = dict(zip(files, choice))
                d = 1
                for directory, names in tree:
                    d = (d * 1000003 + zlib.crc32(directory.encode() + b"\0") + 1) % 2**64
                    for n in sorted(n for n, f in names.items() if f is not None):
                        crc = zlib.crc32(content[id(names[n])], zlib.crc32(n.encode() + b"\0"))
                        d = (d * 1000003 + crc + 1) % 2**64
                found.add(d)
        return found

    # -- calls --

    def call(self, word, args):
        fail, self.fail = self.fail, None
        getattr(self, "do_" + word)(args, fail)

    def do_mkdir(self, args, fail):
        if self.root.entry(args[0]).now() is None:
            self.root.entry(args[0]).add(self.next(), Dir())

    def do_rmdir(self, args, fail):
        self.root.entry(args[0]).add(self.next(), None)

    def do_create(self, args, fail):
        if fail and fail[0] != 2:
            return
        entry, empty = self.handles[int(args[0])].entry(args[1]), args[2] == "1"
        f = entry.now()
        if f is None:
            entry.add(self.next(), File())
        elif empty and f.size.now() > 0:
            self.number = f.shrink(self.number, 0)

    def do_opened(self, args, fail):
        self.fail = fail
        directory = self.handles[int(args[2])] if args[1] == "file" else self.root
        name = args[-1]
        self.handles[int(args[0])] = self.root if name == "." else directory.entry(name).now()

    def do_write(self, args, fail):
        data = b"" if args[2] == "-" else bytes.fromhex(args[2])
        if fail:
            if fail[0] == 0:
                return
            if fail[0] == 1:
                data = data[: fail[1]]
        self.number = self.handles[int(args[0])].write(self.number, int(args[1]), data)

    def do_resize(self, args, fail):
        if fail is None or fail[0] == 2:
            self.number = self.handles[int(args[0])].resize(self.number, int(args[1]))

    def do_sync(self, args, fail):
        f = self.handles[int(args[0])]
        if fail and fail[0] != 2:
            for r in f.registers():
                r.lose()
        else:
            f.sync(args[1] == "1")

    def do_dirsync(self, args, fail):
        for r in self.handles[int(args[0])].names.values():
            r.cover()

    def do_rename(self, args, fail):
        directory = self.handles[int(args[0])]
        source, target = directory.entry(args[1]), directory.entry(args[2])
        number = self.next()
        target.add(number, source.now())
        source.add(self.next(), None, (args[2], number))

    def do_link(self, args, fail):
        found = self.handles[int(args[0])].entry(args[1]).now()
        self.handles[int(args[2])].entry(args[3]).add(self.next(), found)

    def do_unlink(self, args, fail):
        entry = self.handles[int(args[0])].entry(args[1])
        if entry.now() is not None:
            entry.add(self.next(), None)


class Row:
    def __init__(self, name):
        self.name, self.windows, self.analytic, self.visited = name, 0, 0, 0
        self.merged, self.sampled, self.compared = 0, 0, 0


def check_window(row, disk, args, problems, torn=False):
    call, count, weights, visits, distinct, digest_sum, whole = map(int, args)
    where = f"{row.name}: {'torn, ' if torn else ''}before call {call}"
    mine = min(sum(disk.count()) if torn else disk.count()[0], COUNT_MAX)
    row.windows += 1
    if mine != count:
        problems.append(f"{where}: {count} images by the simulator, {mine} by the trace")
    if not whole:
        row.sampled += 1
        return
    row.analytic += mine
    row.visited += visits
    row.merged += weights - visits
    if weights != mine:
        problems.append(f"{where}: {weights} of {mine} images were visited")
    if mine <= SET_MAX:
        digests = disk.digests(torn)
        row.compared += 1
        if len(digests) != distinct or sum(digests) % 2**64 != digest_sum:
            problems.append(
                f"{where}: {distinct} contents were visited, {len(digests)} are possible"
            )


def read(lines):
    rows, torn, problems = [], [], []
    disk, base, files = Disk(), {}, {}
    loading = False
    for line in lines:
        word, *args = line.split()
        if loading and word not in ("base", "basedir"):
            disk.load(base)
            loading = False
        if word == "scenario":
            rows.append(Row(args[0]))
            torn.append(Row(args[0]))
            disk, base, loading = Disk(), {}, True
        elif word == "basedir":
            files = base[args[0]] = {}
        elif word == "base":
            files[args[0]] = b"" if args[1] == "-" else bytes.fromhex(args[1])
        elif word == "cut":
            number, disk = disk.number, Disk()
            disk.number, base, loading = number, {}, True
        elif word == "killed":
            disk.handles, disk.fail = {}, None
        elif word == "fail":
            disk.fail = (int(args[0]), int(args[1]))
        elif word == "window":
            check_window(rows[-1], disk, args, problems)
        elif word == "torn":
            check_window(torn[-1], disk, args, problems, True)
        elif word != "end":
            disk.call(word, args)
    return rows, torn, problems


def table(rows, title):
    out = [f"{title:<21} windows sampled     analytic     visited      merged  sets compared\n"]
    for r in rows:
        out.append(
            f"{r.name:<21} {r.windows:>7} {r.sampled:>7} {r.analytic:>12} "
            f"{r.visited:>11} {r.merged:>11} {r.compared:>14}\n"
        )
    return "".join(out)


def main():
    rows, torn, problems = read(sys.stdin)
    text = table(rows, "scenario") + table(torn, "with one torn chunk")
    if len(sys.argv) == 3 and sys.argv[1] == "--write":
        open(sys.argv[2], "w").write(text)
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        kept = open(sys.argv[2]).read().splitlines()
        for line in text.splitlines():
            if line not in kept:
                problems.append(f"drift: {line}")
    for p in problems[:20]:
        print(p)
    windows = sum(r.windows for r in rows)
    print(
        f"certificates: {len(rows)} scenarios, {windows} windows, "
        f"{sum(r.analytic for r in rows)} images, "
        f"{sum(r.analytic for r in torn)} with one torn chunk, "
        f"{sum(r.compared for r in rows + torn)} sets compared, {len(problems)} failed"
    )
    return 1 if problems or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
