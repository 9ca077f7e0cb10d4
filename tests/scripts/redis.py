#!/usr/bin/python3
"""Plays golden conversations to a real Redis.

    tests/scripts/redis.py PORT FILE...            compares; exit code 1 on a difference
    tests/scripts/redis.py --write PORT FILE...    puts Redis's replies into the files

The server is emptied before each file.
"""
import socket
import sys
import time


def escape(reply):
    lines = []
    for line in reply.split(b"\r\n"):
        text = "".join(
            chr(c) if 32 <= c <= 126 and c != 92 else "\\x%02x" % c for c in line)
        lines.append("< " + text)
    if reply.endswith(b"\r\n"):
        lines.pop()
    return lines


def complete(buffer, at=0):
    """The end of the reply that begins at `at`, or None."""
    end = buffer.find(b"\r\n", at)
    if end < 0:
        return None
    kind, rest = buffer[at:at + 1], buffer[at + 1:end]
    end += 2
    if kind == b"$" and int(rest) >= 0:
        end += int(rest) + 2
        return end if end <= len(buffer) else None
    if kind == b"*":
        for _ in range(max(0, int(rest))):
            end = complete(buffer, end)
            if end is None:
                return None
    return end


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))

    def call(self, command, expect_reply=True):
        self.socket.sendall(command.encode("latin1") + b"\r\n")
        buffer = b""
        self.socket.settimeout(2 if expect_reply else 0.1)
        try:
            while not buffer or complete(buffer) is None:
                more = self.socket.recv(65536)
                if not more:
                    break
                buffer += more
        except TimeoutError:
            pass
        return buffer


def play(port, path, write):
    client = Client(port)
    client.call("FLUSHALL")
    out, differences = [], 0
    lines = open(path, encoding="latin1").read().split("\n")
    i = 0
    while i < len(lines):
        line = lines[i]
        i += 1
        out.append(line)
        if line.startswith("@"):
            time.sleep(int(line[1:]) / 1000)
        if not line.startswith(">"):
            continue
        number, want = i, []
        while i < len(lines) and lines[i].startswith("<"):
            want.append(lines[i])
            i += 1
        got = escape(client.call(line[2:], bool(want) or write))
        out += got
        if got != want and not write:
            differences += 1
            print("%s:%d: %s\n  redis: %s\n  file:  %s" % (path, number, line, got, want))
    if write:
        open(path, "w", encoding="latin1").write("\n".join(out))
    return differences


def main():
    args = sys.argv[1:]
    write = args[:1] == ["--write"]
    args = args[write:]
    differences = sum(play(int(args[0]), path, write) for path in args[1:])
    print("%d files, %d differences" % (len(args) - 1, differences))
    return 1 if differences else 0


sys.exit(main())
