#!/usr/bin/python3
"""bench_engine.py - runs bench-engine over all backends in turn and compares.

    bench_engine.py PROGRAM [--n N] [--repeats R] [--backends a,b] [--out DIR]
                    [--compression]

Backends are interleaved (a b c d, a b c d, ...), so that a machine that is slow for a
while is slow for all. Prints medians with the range, the ratio of ours to each other
backend, CPU microseconds an operation, write amplification (bytes given to write() over
bytes of the user) and space amplification; writes results.csv and results.json. A kill
first proves of every backend that a put which has returned survives kill -9.
Last line: bench-engine: B backends, W workloads, R repeats, F failed
"""
import argparse
import csv
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

SEQUENCE = ("fresh fillseq fresh fillbatch fresh-sync fillsync fresh fillrandom "
            "readrandom overwrite compact readrandom.c readmissing readhot seekrandom "
            "readseq readreverse mixed deleterandom reopen").split()
WORKLOADS = [w for w in SEQUENCE if not w.startswith("fresh")] + ["recover"]
USER_BYTES = 116
WRITES = {"fillseq", "fillbatch", "fillsync", "fillrandom", "overwrite"}
# After these every key is there once, so that bytes on disk over theirs is SA.
FULL = {"fillseq", "fillrandom", "overwrite", "compact"}


def live(results, backend):
    """Bytes of all keys and values: fillseq puts each once."""
    return results[backend][0]["fillseq"]["ops"] * USER_BYTES


def run_once(program, backend, n, directory):
    """One line per workload, as a dict."""
    path = os.path.join(directory, backend)
    shutil.rmtree(path, ignore_errors=True)
    out = subprocess.run([program, backend, path, str(n)] + SEQUENCE, check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         timeout=3600, text=True).stdout
    shutil.rmtree(path, ignore_errors=True)
    rows = {}
    for line in out.splitlines():
        take_line(line, rows)
    recover(program, backend, directory, n, rows)
    return rows


FIELDS = ("seconds", "cpu", "wrote", "p50", "p99", "p999", "longest", "disk", "anon",
          "file")


def take_line(line, rows):
    name, ops, *values = line.split()
    rows[name] = dict(zip(FIELDS, map(float, values)), ops=int(ops))


def recover(program, backend, directory, n, rows):
    """A process writes a log (64 MB at N = 1,000,000) and dies; another one opens it."""
    path = os.path.join(directory, backend + "-recover")
    shutil.rmtree(path, ignore_errors=True)
    puts = max(n * 64000000 // (1000000 * USER_BYTES), 1)
    env = dict(os.environ, WRITE_BUFFER=str(128 << 20))
    subprocess.run([program, backend, path, str(puts), "recover-fill"], check=True,
                   stderr=subprocess.DEVNULL, timeout=600, env=env)
    out = subprocess.run([program, backend, path, str(puts), "recover"], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=600,
                         text=True, env=env).stdout
    take_line(out, rows)
    rows["recover"]["log_bytes"] = puts * USER_BYTES
    shutil.rmtree(path, ignore_errors=True)


def survives_kill(program, backend, directory):
    """Fills, kills the process while it fills, and lets a new process count."""
    path = os.path.join(directory, backend + "-kill")
    shutil.rmtree(path, ignore_errors=True)
    child = subprocess.Popen([program, backend, path, "200000", "kill-fill"],
                             stdout=subprocess.PIPE, text=True)
    acknowledged = 0
    deadline = time.time() + 20
    while acknowledged < 50000 and time.time() < deadline:
        line = child.stdout.readline()
        if not line:
            break
        acknowledged = int(line)
    child.send_signal(signal.SIGKILL)
    for line in child.stdout:
        if line.endswith("\n"):
            acknowledged = int(line)
    child.wait()
    check = subprocess.run([program, backend, path, str(acknowledged), "kill-check"],
                           stdout=subprocess.PIPE, text=True, timeout=120)
    shutil.rmtree(path, ignore_errors=True)
    ok = check.returncode == 0 and acknowledged > 0
    print(f"kill -9: {backend}: {acknowledged} puts had returned, "
          f"{'all are there' if ok else 'NOT all are there'}", flush=True)
    return ok


def rate(row):
    return row["ops"] / row["seconds"] if row["seconds"] else 0.0


def spread(values):
    return statistics.median(values), min(values), max(values)


def report(results, backends):
    first = backends[0]
    print(f"\n{'workload':13}" + "".join(f"{b:>24}" for b in backends) +
          "".join(f"{'x ' + b + ' [range]':>21}" for b in backends[1:]))
    for w in WORKLOADS:
        cells = ""
        for b in backends:
            rows = [r[w] for r in results[b] if w in r and r[w]["ops"] > 1]
            rows = rows or [r[w] for r in results[b] if w in r]
            median, low, high = spread([rate(r) for r in rows])
            cells += f"{median / 1e3:10.1f} [{low / 1e3:.0f}..{high / 1e3:.0f}]".rjust(24)
        ratios = ""
        for b in backends[1:]:
            # Of the same repeat: what slowed one slowed the other, more or less.
            each = [rate(ours[w]) / rate(peer[w])
                    for ours, peer in zip(results[first], results[b]) if rate(peer[w])]
            median, low, high = spread(each) if each else (0, 0, 0)
            ratios += f"{median:.2f} [{low:.2f}..{high:.2f}]".rjust(21) if each else " " * 21
        print(f"{w:13}{cells}{ratios}")
    print("\nCPU us an operation | p50 p99 p99.9 us | longest ms | WA | SA | "
          "MB resident: anonymous, mapped (medians)")
    for w in WORKLOADS:
        line = f"{w:13}"
        for b in backends:
            rows = [r[w] for r in results[b]]
            med = {k: statistics.median(r[k] for r in rows) for k in rows[0]}
            ops = max(med["ops"], 1)
            wa = f"{med['wrote'] / (ops * USER_BYTES):.2f}" if w in WRITES else "-"
            sa = f"{med['disk'] / live(results, b):.2f}" if w in FULL else "-"
            line += (f" {med['cpu'] / ops * 1e6:7.2f} {med['p50']:6.1f} {med['p99']:6.1f}"
                     f" {med['p999']:6.1f} {med['longest'] / 1e3:6.1f} {wa:>5} {sa:>5}"
                     f" {med['anon'] / 1e6:4.0f} {med['file'] / 1e6:4.0f} |")
        print(line)


def save(results, out):
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "results.json"), "w") as f:
        json.dump(results, f, indent=1)
    with open(os.path.join(out, "results.csv"), "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(("backend", "repeat", "workload", "ops") + FIELDS)
        for b, runs in results.items():
            for i, run in enumerate(runs):
                for w, r in run.items():
                    writer.writerow([b, i, w, r["ops"]] + [r[k] for k in FIELDS])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--n", type=int, default=1000000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--backends", default="riptide,leveldb,rocksdb,lmdb")
    parser.add_argument("--dir", default="build/bench/data")
    parser.add_argument("--out", default="build/bench/engine")
    parser.add_argument("--compression", action="store_true",
                        help="tables compressed: lz4 here, snappy in the peers")
    args = parser.parse_args()
    backends = args.backends.split(",")
    if args.compression:
        os.environ["COMPRESSION"] = "1"
    os.makedirs(args.dir, exist_ok=True)
    failed = sum(not survives_kill(args.program, b, args.dir) for b in backends)
    results = {b: [] for b in backends}
    for i in range(args.repeats):
        for b in backends:
            begin = time.time()
            results[b].append(run_once(args.program, b, args.n, args.dir))
            save(results, args.out)
            print(f"repeat {i + 1}/{args.repeats} {b}: {time.time() - begin:.0f} s",
                  flush=True)
    report(results, backends)
    print(f"bench-engine: {len(backends)} backends, {len(WORKLOADS)} workloads, "
          f"{args.repeats} repeats, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
