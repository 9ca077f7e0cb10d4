#!/usr/bin/env python3
"""counts.py FILE - keeps what a running afl-fuzz counts in FILE, as lines "name value".

afl-fuzz writes its fuzzer_stats once a minute, but sends the same figures every second as
StatsD datagrams. The first line on standard output is the port to send them to."""
import os
import socket
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
print(sock.getsockname()[1], flush=True)
counts = {}
while True:
    for line in sock.recv(65536).decode("ascii", "replace").split("\n"):
        name, colon, rest = line.partition(":")
        if colon:
            counts[name.rpartition(".")[2]] = rest.partition("|")[0]
    with open(sys.argv[1] + ".new", "w") as out:
        out.writelines(f"{name} {value}\n" for name, value in counts.items())
    os.replace(sys.argv[1] + ".new", sys.argv[1])
