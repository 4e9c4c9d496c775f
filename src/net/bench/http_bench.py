#!/usr/bin/env python3
"""Measures net_http_echo (release build) and prints one JSON object.

    http_bench.py PATH_OF_net_http_echo [SECONDS]

Requests per second and CPU of the server per request by wrk (500 connections, small JSON answer),
resident memory per idle connection, plain and TLS, and CPU per TLS handshake. CPU is that of the
server process alone (/proc/PID/stat), the load generator is not counted.
"""
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
IDLE = 4000
HANDSHAKES = 400


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * PAGE


def wrk(pid, port, conns, seconds):
    before = cpu_s(pid)
    out = subprocess.run(["wrk", "-t1", f"-c{conns}", f"-d{seconds}s",
                          f"http://127.0.0.1:{port}/"], capture_output=True, text=True).stdout
    used = cpu_s(pid) - before
    n = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"connections": conns, "requests_per_s": round(rate),
            "cpu_us_per_request": round(used / n * 1e6, 2),
            "errors": int(bad.group(1)) if bad else 0}


def idle(pid, port, ctx):
    socks = []

    def grow(n):
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", port))
            if ctx is not None:
                s = ctx.wrap_socket(s, server_hostname="localhost")
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            s.recv(4096)
            socks.append(s)
        time.sleep(0.2)
        return resident(pid)

    first = grow(500)
    last = grow(IDLE)
    for s in socks:
        s.close()
    time.sleep(0.3)
    return round((last - first) / IDLE)


def handshakes(pid, port, ctx, resume):
    session = None
    before = cpu_s(pid)
    for _ in range(HANDSHAKES):
        s = ctx.wrap_socket(socket.create_connection(("127.0.0.1", port)),
                            server_hostname="localhost", session=session)
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        s.recv(4096)
        if resume:
            session = s.session
        s.close()
    return round((cpu_s(pid) - before) / HANDSHAKES * 1e6)


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(prefix="sh-net-") as folder:
        p = subprocess.Popen([sys.argv[1], folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
        port = {}
        for _ in range(3):
            name, number = p.stdout.readline().split()
            port[name] = int(number)
        ctx = ssl.create_default_context(cafile=os.path.join(folder, "server.pem"))
        result = {"idle_plain_bytes": idle(p.pid, port["http"], None),
                  "idle_tls_bytes": idle(p.pid, port["https"], ctx),
                  "tls13_full_cpu_us": handshakes(p.pid, port["https"], ctx, False),
                  "tls13_resumed_cpu_us": handshakes(p.pid, port["https"], ctx, True),
                  "http_small_json": [wrk(p.pid, port["http"], c, seconds) for c in (64, 500)]}
        p.stdin.close()
        p.wait()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
