#!/usr/bin/env python3
"""contract.py - what every scenario asks of a file system: docs/persistence-contract.md.

    tests/crash/contract.py build/crash/crash --write PAGE     explores; some minutes
    tests/crash/contract.py build/crash/crash --check PAGE     seconds

Profile V of the simulated disk is profile W and three things more. Each scenario is
explored under V without one of them (spoiled sectors), and under W with that one only; if
the first finds a violation, the rest is tried alone, then W. The page keeps its words; the
table between its two marks is written anew.

The check compares the names with the live scenarios, and tries again what costs little:
that each row that is said to fail with spoiled sectors does, and that some rows hold.
"""
import json
import re
import subprocess
import sys
import tempfile

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
BOUNDS = ["--walk", "2000", "--deviations", "1", "--samples", "100", "--inner", "8"]
SCHEDULES = ["--preemptions", "0"]
WITHOUT_SECTORS = ["--profile", "V", "--spare", "sectors"]
ONLY = {part: ["--profile", "V"] + [word for other in ("sectors", "zeros", "renames")
                                    if other != part for word in ("--spare", other)]
        for part in ("sectors", "zeros", "renames")}
AGAIN = ["create", "manifest-roll", "failed-edit"]  # small ones, tried at each check
TITLES = {"zeros": "stale bytes for zeros", "renames": "torn renames"}


def crash(program, arguments):
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run([program, "--quiet", "--no-canary", "--jobs", "2", "--json",
                              out.name, *BOUNDS, *arguments],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if run.returncode not in (0, 1):
            sys.exit(f"contract: {run.stdout.decode()}")
        return {row["scenario"]: row for row in json.load(open(out.name))}


def all_passes(program, arguments):
    passes = ["--pass", "cuts", "--pass", "server", "--pass", "interleave", *SCHEDULES]
    return crash(program, passes + arguments)


def one(program, name, arguments):
    passes = [] if name not in one.kinds else ["--pass", one.kinds[name]]
    if one.kinds.get(name) == "interleave":
        passes += SCHEDULES
    return crash(program, ["--scenario", name, *passes, *arguments])[name]


one.kinds = {}


def live(program):
    text = subprocess.run([program, "--list"], stdout=subprocess.PIPE, check=True).stdout
    names = []
    for line in text.decode().splitlines()[:-1]:
        if "(waits for" not in line:
            names.append(line.split()[0])
    return names


def weakest(program, name, row):
    """The words for the second column, and whether the page's claim holds."""
    if not row["violated"]:
        return "V without spoiled sectors"
    held = [TITLES[part] for part in ("zeros", "renames")
            if not one(program, name, ONLY[part])["violated"]]
    if held:
        return "W and " + held[0]
    return "W" if not one(program, name, ["--profile", "W"])["violated"] else "none"


def table(program):
    names = live(program)
    rest = all_passes(program, WITHOUT_SECTORS)
    sectors = all_passes(program, ONLY["sectors"])
    one.kinds = {name: row["pass"] for name, row in rest.items()}
    lines = ["| scenario | weakest profile | images | with spoiled sectors |",
             "| --- | --- | ---: | --- |"]
    for name in names:
        bad = sectors[name]
        says = f"*{bad['oracle']}* fails" if bad["violated"] else "holds"
        lines.append(f"| {name} | {weakest(program, name, rest[name])} |"
                     f" {rest[name]['distinct']:,} | {says} |")
    return lines


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def split(path):
    text = open(path).read()
    found = re.match(f"(.*{BEGIN}\n)(.*)({END}.*)", text, re.S)
    if not found:
        sys.exit(f"contract: {path} has no table between {BEGIN} and {END}")
    return found.groups()


def write(program, path):
    head, _, tail = split(path)
    lines = table(program)
    with open(path, "w") as page:
        page.write(head + "\n".join(lines) + "\n" + tail)
    print(f"contract: {len(lines) - 2} scenarios written to {path}")


def check(program, path):
    wrong = []
    rows = {c[0]: c for c in map(cells, split(path)[1].splitlines()[2:])}
    names = live(program)
    wrong += [f"{n} is live and not in the table" for n in names if n not in rows]
    wrong += [f"{n} is in the table and not live" for n in rows if n not in names]
    # A row that is said to fail must do so; that takes milliseconds. One that holds would
    # take long: only those that fail are asked for, and a row that turned is found there.
    fails = all_passes(program, ONLY["sectors"] + ["--seconds", "1"])
    for name in names:
        said = name in rows and rows[name][3] != "holds"
        if name in rows and said != fails[name]["violated"]:
            wrong.append(f"{name}: the table is wrong about spoiled sectors")
    for name in AGAIN:
        if one(program, name, WITHOUT_SECTORS)["violated"]:
            wrong.append(f"{name} does not hold under V without spoiled sectors")
    for line in wrong:
        print(f"contract: {line}; `make contract` writes the table anew")
    print(f"contract-check: {len(rows)} rows, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[2] not in ("--write", "--check"):
        sys.exit(__doc__)
    if sys.argv[2] == "--check":
        sys.exit(check(sys.argv[1], sys.argv[3]))
    write(sys.argv[1], sys.argv[3])
