#!/usr/bin/python3 -B
"""History out of one server and into another: as columnar frames everything comes over bit for bit, as line protocol all that it has words
for (the rest is said in remarks), as CSV the values of a device.
SPDX-License-Identifier: Apache-2.0
"""
import csv
import io
import random
import struct
import sys
import urllib.parse

from columns_test import BOOL, F64, I64, KIND, ODD, SEC, T, TEXT, check, frame, walk
from songhua import Problem, Songhua

PAYLOAD = struct.unpack("<d", struct.pack("<Q", 0x7FF4_0000_DEAD_BEEF))[0]  # a NaN of its own
TEXTS = ["", "plain", 'a "quoted" word', "back\\slash", "comma, space = equals", "泵 1 号", "#", "two\nlines"]


def fill(s):
    """Every type, odd values, all qualities, odd names, gaps, over many windows; what is a long run and what is not."""
    dice = random.Random(7)
    long = walk(150_000, seed=20)
    odd = [(t, ODD[i % len(ODD)] if i % 11 == 3 else (PAYLOAD if i % 101 == 5 else v), (192, 192, 64, 0, 216)[i // 50 % 5])
           for i, (t, v) in enumerate(walk(3000, seed=21))]
    ints = [(T + i * 7 * SEC, dice.choice((0, -1, 2**63 - 1, -(2**63), 2**53 + 1, i))) for i in range(2000)]
    flags = [(T + i * 86400 * SEC, dice.random() < 0.5) for i in range(100)]
    words = [(T + i * SEC + i, TEXTS[i % len(TEXTS)]) for i in range(400)]
    s.post("/api/v1/ingest", b"".join(
        frame(("plant.line 1 a=b", "flow", F64, long[i : i + 50_000])) for i in range(0, 150_000, 50_000)), KIND)
    s.post("/api/v1/ingest", frame(
        ("plant.line 1 a=b", "odd value", F64, odd), ("d2", "i", I64, ints), ("d2", "b", BOOL, flags), ("d2", "s =", TEXT, words), quality=True), KIND)
    return ["plant.line 1 a=b/flow", "plant.line 1 a=b/odd value", "d2/i", "d2/b", "d2/s ="], odd, words


def export(s, points, form, **more):
    ask = urllib.parse.urlencode({"points": ",".join(points), "format": form, **more})
    status, head, data = s.raw("GET", f"/api/v1/history/export?{ask}")
    check("export", (status, head.get("Content-Type", "").split(";")[0]),
          (200, {"csv": "text/csv", "lines": "text/plain", "columns": KIND}[form]))
    return data


FORMULAS = ["", "=1+", "@SUM(", "-", "'=", "'", "+", "\tx"]  # what a spreadsheet would compute, if it were let


def columns(a, points):
    data = export(a, points, "columns")
    with Songhua() as b:
        at, sent = 0, 0
        while at < len(data):  # as many frames as a body takes
            end = at
            while end < len(data) and end - at < 1 << 20:
                end += struct.unpack_from("<I", data, end + 20)[0]
            sent += b.post("/api/v1/ingest", data[at:end], KIND)["accepted"]
            at = end
        for again in range(2):
            check(f"the same bytes, {again}", export(b, points, "columns") == data, True)
            b.stop(kill=again == 0)
            b.start()
        part = export(b, points[:1], "columns", where=">1000")
        check("a condition", 0 < len(part) < len(data), True)
    return sent


def lines(a, points, odd, words):
    data = export(a, points, "lines")
    text = data.decode().split("\n")
    remarks = [x for x in text if x.startswith("#")]
    plain = sum(1 for x in odd if x[2] == 192 and x[1] == x[1] and abs(x[1]) != float("inf"))
    check("remarks", len(remarks), len(odd) - plain + sum("\n" in w for _, w in words))
    check("a remark says why", any("the quality is not 192" in x for x in remarks) and any("line end" in x for x in remarks), True)
    with Songhua() as c:
        for at in range(0, len(text), 50_000):
            c.write_lines("\n".join(text[at : at + 50_000]) + "\n")
        check("the same lines", export(c, points, "lines").decode().split("\n"), [x for x in text if not x.startswith("#")])
        check("the types", [c.query([p], 0, 2**41, limit=1)[p]["value"][0].__class__ for p in points[2:4]], [int, bool])


def table(a):
    """One device: the columns of the file are its properties."""
    rows = walk(2500, seed=22)
    a.post("/api/v1/ingest", frame(("t1", "x", F64, rows), ("t1", "w", TEXT, [(t, f'{FORMULAS[i % len(FORMULAS)]}{v}, "x"') for i, (t, v) in enumerate(rows[::3])])), KIND)
    data = export(a, ["t1/x", "t1/w"], "csv")
    cells = [row[2] for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) if len(row) > 2 and row[2]][1:]
    check("no cell is a formula", (len(cells), [c for c in cells if c[0] in "=+-@\t"]), (834, []))
    with Songhua() as d:
        body = data.replace(b"t1/x,t1/w", b"x,w", 1)
        check("accepted", d.post("/api/v1/ingest?device=t1", body, "text/csv")["accepted"], 2500 + 834)
        check("the same file", export(d, ["t1/x", "t1/w"], "csv"), data)
        check("the same text", d.query(["t1/w"], 0, 2**41)["t1/w"]["value"], a.query(["t1/w"], 0, 2**41)["t1/w"]["value"])


def wrong(s, point):
    for ask, word in (({"format": "xml"}, "format"), ({"format": "lines", "step": "1m", "aggregate": "mean"}, "no aggregate")):
        try:
            s.get("/api/v1/history/export?" + urllib.parse.urlencode({"points": point, **ask}))
            sys.exit(f"{ask} was taken")
        except Problem as p:
            check("refused", (p.status, word in p.body["detail"]), (400, True))


def main():
    with Songhua() as a:
        points, odd, words = fill(a)
        sent = columns(a, points)
        check("all samples", sent, 150_000 + 3000 + 2000 + 100 + 400)
        print("columns ok", flush=True)
        lines(a, points, odd, words)
        print("lines ok", flush=True)
        table(a)
        print("csv ok", flush=True)
        wrong(a, points[2])


if __name__ == "__main__":
    main()
