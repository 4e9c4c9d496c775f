#!/usr/bin/python3 -B
"""A big export: streamed, whole, compressed when asked, with flat memory against a reader that does not read, ended when
the client goes, refused beyond the number at one time, cut off (and seen to be) when the server stops.
SPDX-License-Identifier: Apache-2.0
"""
import gzip
import http.client
import json
import random
import socket
import sys
import time

from songhua import Songhua

T0 = 1_700_000_000  # seconds
ROWS, FIELDS = 300_000, 10  # 3 million samples: more than any window
NAMES = [f"x/f{i}" for i in range(FIELDS)]
PATH = "/api/v1/history/export?points=" + ",".join(NAMES)
EXPORTS_MAX = 16
MEMORY_KIB = 64 * 1024


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {str(have)[:500]}\n want {str(want)[:500]}")


def value(i, k):
    return ((i * 7919 + k * 104729) % 100003) / 8


def fill(s):
    for begin in range(0, ROWS, 20000):
        lines = "\n".join(
            "x " + ",".join(f"f{k}={value(i, k)}" for k in range(FIELDS)) + f" {T0 + i}" for i in range(begin, begin + 20000)
        )
        check("write", s.raw("POST", "/write?precision=s", lines.encode())[0], 204)


def memory_kib(s):
    with open(f"/proc/{s.process.pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS:")).split()[1])


class Reader:
    """An export whose bytes are read when the test likes."""

    def __init__(self, s, path=PATH, fields=""):
        self.socket = socket.create_connection(("127.0.0.1", s.http), timeout=60)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {s.token}\r\n{fields}\r\n".encode())
        self.answer = http.client.HTTPResponse(self.socket)

    def close(self):
        self.answer.close()
        self.socket.close()


def lines_of(data):
    text = data.decode("utf-8-sig").split("\r\n")
    check("the last line ends", text.pop(), "")
    return text


def whole(s):
    begin = time.monotonic()
    status, headers, data = s.raw("GET", PATH)
    took = time.monotonic() - begin
    check("status", (status, headers.get("Transfer-Encoding")), (200, "chunked"))
    lines = lines_of(data)
    check("header", lines[0], "time," + ",".join(NAMES))
    check("rows", len(lines), ROWS + 1)
    chance = random.Random(1)
    for i in [0, 1, ROWS - 1] + [chance.randrange(ROWS) for _ in range(1000)]:
        cells = lines[i + 1].split(",")
        check("time", cells[0], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(T0 + i)))
        check("cells", [float(c) for c in cells[1:]], [value(i, k) for k in range(FIELDS)])
    print(f"{ROWS * FIELDS / 1e6:.1f} million samples in {took:.2f} s, {len(data) / 1e6:.0f} MB")
    return data


def compressed(s, data):
    _, headers, packed = s.raw("GET", PATH, headers={"Accept-Encoding": "gzip"})
    check("coding", headers["Content-Encoding"], "gzip")
    check("compressed", gzip.decompress(packed) == data, True)


def buckets(s):
    """Windows end where buckets end, in a zone too: as many rows and the same values as the query gives."""
    for more in ({"step": "7m"}, {"step": "1d", "tz": "Asia/Shanghai"}, {"step": "1m", "fill": "null"}, {"step": "10m", "fill": "previous"}):
        for aggregate in ("mean", "count:>6000", "duration:>6000", "twa"):
            query = "&".join(f"{k}={v}" for k, v in {**more, "aggregate": aggregate}.items())
            got = lines_of(s.raw("GET", f"/api/v1/history/export?points=x/f0,x/f1&from={T0 * 1000}&to={(T0 + ROWS) * 1000}&{query}")[2])
            want = s.query(["x/f0", "x/f1"], T0 * 1000, (T0 + ROWS) * 1000, aggregate=[aggregate], time="rfc3339", **more)
            check(f"{query}: rows", len(got) - 1, len(want["x/f0"]["time"]))
            for line, t, a, b in zip(got[1:], want["x/f0"]["time"], want["x/f0"][aggregate], want["x/f1"][aggregate]):
                cells = line.split(",")
                check(f"{query}: row", (cells[0], float(cells[1]), float(cells[2])), (t, a, b))
    rows = lines_of(s.raw("GET", "/api/v1/history/export?points=x/f3&where=%3E12500")[2])
    check("where", len(rows) - 1, sum(1 for i in range(ROWS) if value(i, 3) > 12500))
    check("nothing", lines_of(s.raw("GET", "/api/v1/history/export?points=x/f3&from=0&to=1000")[2]), ["time,x/f3"])


def slow_reader(s, data):
    before = memory_kib(s)
    r = Reader(s)
    r.answer.begin()
    got = r.answer.read(1 << 20)
    most = 0
    for _ in range(20):  # it does not read; nothing may pile up
        time.sleep(0.1)
        most = max(most, memory_kib(s))
    stalled = most
    while True:
        piece = r.answer.read(1 << 20)
        if not piece:
            break
        got += piece
        most = max(most, memory_kib(s))
    r.close()
    check("whole in the end", got == data, True)
    print(f"memory: {before} KiB before, {stalled} KiB while it stands still, at most {most} KiB")
    check("flat memory", most - before < MEMORY_KIB, True)


def exports_now(s):
    text = s.raw("GET", "/metrics")[2].decode()
    return int(next(line for line in text.splitlines() if line.startswith("songhua_history_exports ")).split()[1])


def wait_for(what, fn):
    deadline = time.monotonic() + 30
    while not fn():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain: {what}")
        time.sleep(0.05)


def many(s):
    readers = [Reader(s) for _ in range(EXPORTS_MAX)]
    for r in readers:
        r.answer.begin()
        check("begun", (r.answer.status, len(r.answer.read(1000))), (200, 1000))
    check("under way", exports_now(s), EXPORTS_MAX)
    status, _, body = s.raw("GET", PATH)
    check("one too many", (status, json.loads(body)["code"]), (503, "too_busy"))
    check("others are served meanwhile", len(s.get("/api/v1/latest?points=x/f0")["items"]), 1)
    for r in readers:  # all go away
        r.close()
    wait_for("exports end when their clients have gone", lambda: exports_now(s) == 0)


def stopped(s):
    r = Reader(s)
    r.answer.begin()
    r.answer.read(1 << 20)
    begin = time.monotonic()
    s.stop()
    check("stops at once", time.monotonic() - begin < 20, True)
    try:
        while r.answer.read(1 << 20):
            pass
        sys.exit("a cut off export looks whole")
    except (http.client.IncompleteRead, ConnectionError):
        pass
    r.close()


def main():
    with Songhua(environment={"ASAN_OPTIONS": "quarantine_size_mb=8"}) as s:
        fill(s)
        data = whole(s)
        compressed(s, data)
        buckets(s)
        slow_reader(s, data)
        many(s)
        stopped(s)
        print("ok")


if __name__ == "__main__":
    main()
