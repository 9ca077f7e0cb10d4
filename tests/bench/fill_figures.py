#!/usr/bin/python3
"""fill_figures.py - writes measured figures into docs/performance.md.

    fill_figures.py [--page FILE] [--build DIR]

Every table between BEGIN FIGURES and END FIGURES is written anew from what its benchmark
left in the build folder; a table whose file is missing stays as it is, and is named:

    server       bench-server.csv            (make bench-server)
    engine       bench/engine/results.json   (make bench-engine)
    instructions bench/instructions.json     (make bench-instructions)
    tables       bench/tables.txt, bench/tables-instructions.txt
                 (make bench-tables | tee, make bench-tables-instructions | tee)
    instruments  bench/points.txt, bench/snapshot.txt, bench/crash.txt (the last line of
                 make crash)

Last line: fill-figures: T tables written, S without a measurement, F failed
"""
import argparse
import csv
import json
import os
import re
import statistics
import sys

BACKENDS = ("riptide", "leveldb", "rocksdb", "lmdb")
USER_BYTES = 116
ROWS = (("fillseq", "fillseq"), ("fillbatch (100 at once)", "fillbatch"),
        ("fillsync", "fillsync"), ("fillrandom", "fillrandom"), ("overwrite", "overwrite"),
        ("readrandom", "readrandom"), ("readrandom, compacted", "readrandom.c"),
        ("readmissing", "readmissing"), ("readhot", "readhot"),
        ("seekrandom, 10 next", "seekrandom"), ("readseq", "readseq"),
        ("readreverse", "readreverse"), ("mixed 50/50", "mixed"),
        ("deleterandom", "deleterandom"))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def server(build):
    rows = []
    with open(os.path.join(build, "bench-server.csv")) as f:
        for r in csv.reader(f):
            if len(r) < 10 or r[0] == "policy":
                continue
            policy, depth, command, ours, redis, ratio, low, high, cpu, redis_cpu = r[:10]
            name = "MSET 10" if command.lower() == "mset" else command.upper()
            rows.append((policy, depth, name, f"{float(ours):,.0f}", f"{float(redis):,.0f}",
                         f"{float(ratio):.2f} [{float(low):.2f}..{float(high):.2f}]",
                         f"{float(cpu):.2f}", f"{float(redis_cpu):.2f}"))
    return table(("policy", "P", "command", "requests/s", "Redis", "ratio [range]",
                  "CPU us", "Redis"), rows)


def median(runs, workload, field):
    values = [field(r[workload]) for r in runs if workload in r]
    return statistics.median(values) if values else None


def rate_cell(runs, workload):
    """Thousands of operations a second (CPU us)."""
    ops = median(runs, workload, lambda r: r["ops"])
    if not ops or ops <= 1:
        return "-"
    rate = median(runs, workload, lambda r: r["ops"] / r["seconds"] if r["seconds"] else 0)
    cpu = median(runs, workload, lambda r: r["cpu"] / r["ops"] * 1e6)
    return f"{rate / 1e3:,.1f} ({cpu:.2f})"


def ratio_cell(results, workload):
    """Ours over LevelDB's, of the same repeat: what slowed one slowed the other."""
    ratios = sorted(peer[workload]["seconds"] / peer[workload]["ops"] *
                    ours[workload]["ops"] / ours[workload]["seconds"]
                    for ours, peer in zip(results["riptide"], results.get("leveldb", [])))
    return (f"{statistics.median(ratios):.2f} [{ratios[0]:.2f}..{ratios[-1]:.2f}]"
            if ratios else "-")


def amplification(runs, workload):
    return median(runs, workload, lambda r: r["wrote"] / (r["ops"] * USER_BYTES))


def space(runs, workload):
    live = median(runs, "fillseq", lambda r: r["ops"]) * USER_BYTES
    return median(runs, workload, lambda r: r["disk"]) / live


def engine(build):
    with open(os.path.join(build, "bench", "engine", "results.json")) as f:
        results = {b: runs for b, runs in json.load(f).items() if runs}
    backends = [b for b in BACKENDS if b in results]
    n = int(median(results[backends[0]], "fillseq", lambda r: r["ops"]))

    def row(name, cell, workload=None):
        return (name,) + tuple(cell(results[b]) for b in backends) + (
            ratio_cell(results, workload) if workload else "",)

    def pair(of):
        return lambda runs: " / ".join(f"{of(runs, w):.2f}" for w in
                                       ("fillrandom", "overwrite"))

    rows = [row(name, lambda runs, w=w: rate_cell(runs, w), w) for name, w in ROWS]
    rows.append(row("compact, whole", lambda runs: "{:.2f} s".format(
        median(runs, "compact", lambda r: r["seconds"])), "compact"))
    rows.append(row("reopen", lambda runs: "{:.1f} ms".format(
        median(runs, "reopen", lambda r: r["seconds"]) * 1e3), "reopen"))
    rows.append(row("recovery of a 64 MB log", lambda runs: "{:.2f} s".format(
        median(runs, "recover", lambda r: r["seconds"])), "recover"))
    rows.append(row("write amplification, fillrandom / overwrite", pair(amplification)))
    rows.append(row("space amplification, fillrandom / overwrite", pair(space)))
    rows.append(row("longest stall in fillrandom, ms", lambda runs: "{:.1f}".format(
        median(runs, "fillrandom", lambda r: r["longest"]) / 1e3)))
    rows.append(row("anonymous memory after readrandom, MB", lambda runs: "{:.0f}".format(
        median(runs, "readrandom", lambda r: r["anon"]) / 1e6)))
    repeats = len(results[backends[0]])
    return (f"Thousands of operations a second, in brackets processor microseconds an "
            f"operation; N = {n:,},\nmedians of {repeats} interleaved repeats.\n\n" +
            table(("workload",) + tuple(backends) + ("over leveldb [range]",), rows))


def instructions(build):
    with open(os.path.join(build, "bench", "instructions.json")) as f:
        counts = json.load(f)
    rows = [(name,) + tuple(f"{counts[b][key]:,}" for b in counts)
            for name, key in (("put", "put"), ("get, hit", "hit"), ("get, miss", "miss"))]
    return table(("instructions in the calling thread",) + tuple(counts), rows)


def figures_of(path):
    """Lines "name number unit" of a benchmark's output."""
    found = {}
    with open(path) as f:
        for line in f:
            m = re.match(r"(\w+)\s+([\d.]+) (?:ns|instructions)", line)
            if m:
                found[m.group(1)] = m.group(2)
    return found


def tables(build):
    ns = figures_of(os.path.join(build, "bench", "tables.txt"))
    counts = figures_of(os.path.join(build, "bench", "tables-instructions.txt"))
    per_entry = ("sst_scan_file", "merge_scan")
    return table(("operation", "ns", "instructions"),
                 [(name + (", per entry" if name in per_entry else ""), ns[name],
                   counts.get(name, "-")) for name in ns])


def number_in(path, pattern):
    with open(path) as f:
        found = re.findall(pattern, f.read())
    if not found:
        raise ValueError(f"{path}: no line like {pattern}")
    return found[-1]


def instruments(build):
    def at(name):
        return os.path.join(build, "bench", name)
    # The difference of two equal loops: below their noise it may be negative.
    point = number_in(at("points.txt"), r"disabled point costs\s+-?([\d.]+) ns")
    snapshots = number_in(at("snapshot.txt"), r"one write, back:\s+([\d]+) a second")
    images = number_in(at("crash.txt"), r"([\d,]+) images/s/core")
    return table(("what", "bound", "measured"), [
        ("a disabled fault point in a build that has them", "2 ns", f"{point} ns"),
        ("snapshot, one changing call, rollback, on a 20 KiB store", "200,000/s",
         f"{int(snapshots):,}/s"),
        ("crash images recovered and judged, one core", "50,000/s",
         f"{int(images.replace(',', '')):,}/s")])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--page", default="docs/performance.md")
    parser.add_argument("--build", default="build")
    args = parser.parse_args()
    with open(args.page) as f:
        page = f.read()
    written = missing = failed = 0
    for make in (server, engine, instructions, tables, instruments):
        name = make.__name__
        block = re.compile(rf"(<!-- BEGIN FIGURES {name}\b.*?-->\n\n).*?"
                           rf"(\n\n<!-- END FIGURES {name} -->)", re.S)
        try:
            text = make(args.build)
        except FileNotFoundError as e:
            print(f"{name}: not measured: {e.filename}")
            missing += 1
            continue
        except (KeyError, ValueError, StopIteration) as e:
            print(f"{name}: {e!r}")
            failed += 1
            continue
        page, n = block.subn(lambda m: m.group(1) + text + m.group(2), page)
        written += n
        failed += n != 1
    with open(args.page, "w") as f:
        f.write(page)
    print(f"fill-figures: {written} tables written, {missing} without a measurement, "
          f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
