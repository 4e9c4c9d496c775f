#!/usr/bin/python3 -B
"""Columnar frames over HTTP, from outside: long runs are encoded before they are journalled, all else goes as rows, and nobody can tell
the difference: the same samples bit for bit, the same refusals, the later arrival wins, kill -9 loses nothing.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import struct
import subprocess
import sys
import time

from songhua import Problem, Songhua, number

T = 1_700_000_000_000_000  # microseconds; not the beginning of a day
SEC = 1_000_000
KIND = "application/vnd.songhua.columns"
BOOL, I64, F64, TEXT = 1, 2, 3, 4
TABLE = []


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {str(have)[:600]}\n want {str(want)[:600]}")


def crc32c(data):
    if not TABLE:
        for i in range(256):
            for _ in range(8):
                i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
            TABLE.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def frame(*series, quality=False):
    """series: (device, property, type, [(time, value[, quality])...])"""
    table, times, cells, qualities, text = b"", b"", b"", b"", b""
    for device, prop, kind, rows in series:
        d, p = device.encode(), prop.encode()
        table += struct.pack("<HHB3xI", len(d), len(p), kind, len(rows)) + d + p
        times += b"".join(struct.pack("<q", r[0]) for r in rows)
        for r in rows:
            if kind == F64:
                cells += struct.pack("<d", r[1])
            elif kind == TEXT:
                cells += struct.pack("<II", len(text), len(r[1].encode()))
                text += r[1].encode()
            else:
                cells += struct.pack("<q", int(r[1]))
        qualities += bytes(r[2] if len(r) > 2 else 192 for r in rows)
    body = table + times + cells + (qualities if quality else b"") + text
    n = sum(len(s[3]) for s in series)
    head = b"SHCB" + struct.pack("<BBHIIII", 1, 1 if quality else 0, 0, len(series), n, len(text), 24 + len(body) + 4)
    return head + body + struct.pack("<I", crc32c(head + body))


def metric(s, name):
    text = s.raw("GET", "/metrics")[2].decode()
    return int([float(x.split()[1]) for x in text.splitlines() if x.startswith(f"songhua_{name} ")][0])


def encoded(s, send):
    """How many samples of what `send` does were encoded first."""
    before = metric(s, "samples_encoded_total")
    send()
    return metric(s, "samples_encoded_total") - before


def put(s, body):
    return s.post("/api/v1/ingest", body, KIND)["accepted"]


def rows_of(s, point):
    got = s.query([point], 0, 4_000_000_000_000).get(point)
    return list(zip(got["time"], got["value"], got["quality"])) if got else []


def bits(values, like):
    """Floats as their eight bytes: NaN and -0.0 too."""
    return [struct.pack("<d", number(v)) if isinstance(w, float) else v for v, w in zip(values, like)]


def expect(s, point, rows):
    """rows as in frame(); the later one of a time wins, as all here are of one class of quality."""
    want = {r[0]: (r[1], r[2] if len(r) > 2 else 192) for r in rows}
    have = rows_of(s, point)
    check(f"{point} times", [r[0] for r in have], sorted(want))
    values = [want[t][0] for t in sorted(want)]
    check(f"{point} values", bits([r[1] for r in have], values), bits(values, values))
    check(f"{point} qualities", [r[2] for r in have], [want[t][1] for t in sorted(want)])


def walk(n, begin=T, step=SEC, seed=1):
    dice, level, out = random.Random(seed), 100000, []
    for i in range(n):
        level += dice.randrange(-200, 201)
        out.append((begin + i * step, level / 100))
    return out


ODD = [float("nan"), -0.0, float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, 0.1 + 0.2]


def direct(s):
    """Runs of every type, more than a block, over the end of a day, with odd values and qualities."""
    values = [(t, ODD[i // 100] if i % 100 == 7 and i // 100 < len(ODD) else v) for i, (t, v) in enumerate(walk(3000))]
    numbers = [(T + i * 60 * SEC, i * i - 5 * i - (2**62 if i == 700 else 0)) for i in range(2500)]
    flags = [(T + i * SEC, i // 13 % 2 == 1) for i in range(700)]
    body = frame(("one", "f", F64, values), ("one", "i", I64, numbers), ("two", "b", BOOL, flags))
    check("encoded", encoded(s, lambda: check("accepted", put(s, body), 6200)), 6200)
    for _ in range(2):
        expect(s, "one/f", values)
        expect(s, "one/i", numbers)
        expect(s, "two/b", flags)
        check("integers stay integers", s.query(["one/i"], 0, 2**41)["one/i"]["value"][3], -6)
        items = s.post("/api/v1/latest", {"points": ["one/f", "one/i", "two/b"]})["items"]
        check("latest", [i["value"] for i in items], [values[-1][1], numbers[-1][1], flags[-1][1]])
        state = s.get("/api/v1/devices/two")["state"]
        check("the device was seen", state, "online")
        s.stop(kill=True)
        s.start()
        s.post("/api/v1/ingest?device=two", {"other": 1})  # the state is of this run
    noted = [(t, v, (192, 192, 216)[i // 200 % 3]) for i, (t, v) in enumerate(walk(1000, seed=2))]
    check("with qualities", encoded(s, lambda: put(s, frame(("one", "q", F64, noted), quality=True))), 1000)
    expect(s, "one/q", noted)


def mixed(s):
    """What does not qualify goes as rows, in the same request: too few, out of order, twice, another type, text, too new."""
    plain, few = walk(1000, seed=3), walk(20, seed=4)
    back = walk(400, seed=5)
    back[100], back[101] = back[101], back[100]
    twice = walk(300, seed=6)
    twice[51] = (twice[50][0], 7.25)
    words = [(T + i, f"state {i % 3}") for i in range(300)]
    new = walk(300, begin=int(time.time() * 1e6) + 86400 * SEC - 5 * SEC, step=SEC, seed=7)
    s.write_lines(f"m w=1.5 {T // SEC - 1}", "s")  # an f64 point
    wide = [(T + i * SEC, i) for i in range(300)]
    body = frame(
        ("m", "plain", F64, plain), ("m", "few", F64, few), ("m", "back", F64, back), ("m", "twice", F64, twice),
        ("m", "s", TEXT, words), ("m", "w", I64, wide), ("m", "new", F64, new), ("m", "again", F64, plain),
    )

    def send():
        try:
            put(s, body)
            sys.exit("samples of the day after tomorrow were taken")
        except Problem as p:
            check("status", (p.status, p.body["code"]), (400, "partial_write"))
            refused = [(e["row"], e["code"]) for e in p.body["errors"]]
            check("refused", set(refused), {(7, "time_in_future")})
            kept = 300 - int(p.body["detail"].split()[2])
            check("accepted", p.body["accepted"], 1000 + 20 + 400 + 300 + 300 + 300 + kept + 1000)
            check("kept", [r[0] for r in rows_of(s, "m/new")], [t for t, _ in new[:kept]])

    check("encoded", encoded(s, send), 2000)
    for prop, rows in (("plain", plain), ("few", few), ("back", back), ("twice", twice), ("again", plain)):
        expect(s, f"m/{prop}", rows)
    expect(s, "m/w", [(T - SEC - T % SEC, 1.5)] + [(t, float(v)) for t, v in wide])
    check("text", [r[1] for r in rows_of(s, "m/s")], [w for _, w in words])


def order(s):
    """The later arrival wins, whichever road each took, within a frame, a body and over requests."""
    a, b, c = walk(600, seed=8), walk(600, begin=T + 300 * SEC, seed=9), walk(5, begin=T + 100 * SEC, seed=10)
    check("all", put(s, frame(("o", "f", F64, a), ("o", "f", F64, c), ("o", "f", F64, b), ("o", "f", F64, c[:2]))), 1207)
    expect(s, "o/f", a + c + b + c[:2])
    d = walk(300, begin=T + 500 * SEC, seed=11)
    check("two frames", put(s, frame(("o", "f", F64, c)) + frame(("o", "f", F64, d))), 305)
    expect(s, "o/f", a + c + b + c[:2] + c + d)
    s.stop(kill=True)
    s.start()
    expect(s, "o/f", a + c + b + c[:2] + c + d)
    e = walk(400, begin=T + 50 * SEC, seed=12)
    put(s, frame(("o", "f", F64, e)))
    expect(s, "o/f", a + c + b + c[:2] + c + d + e)
    bad = [(t, 1.0, 0) for t, _ in a]  # of a worse class: what is there stays
    check("bad", encoded(s, lambda: put(s, frame(("o", "f", F64, bad), quality=True))), 600)
    expect(s, "o/f", a + c + b + c[:2] + c + d + e)


def bad_frame(s):
    """A damaged frame is refused with all behind it; what came before is kept."""
    x, y, z = (frame(("bad", p, F64, walk(300, seed=13))) for p in "xyz")
    broken = y[:-1] + bytes([y[-1] ^ 1])
    try:
        put(s, x + broken + z)
        sys.exit("a damaged frame was taken")
    except Problem as p:
        check("told", (p.status, p.body["code"], p.body["accepted"]), (400, "partial_write", 300))
        check("place", (p.body["errors"][0]["column"], p.body["errors"][0]["code"]), (len(x) + 1, "syntax_error"))
    expect(s, "bad/x", walk(300, seed=13))
    for point in ("bad/y", "bad/z"):
        try:
            check("nothing of it", rows_of(s, point), [])
        except Problem as p:
            check("no such point", p.body["code"], "unknown_point")


def scaled(s):
    """A point with a scale takes raw values, one by one."""
    s.post("/api/v1/things", {"id": "meter", "name": {"en": "Meter", "zh": "Meter"}, "properties": [
        {"id": "t", "type": "f64", "scale": {"raw": "i16", "factor": 0.1}}, {"id": "n", "type": "i64"}]})
    s.post("/api/v1/devices", {"id": "meter1", "thing": "meter"})
    raw = [(T + i * SEC, i) for i in range(500)]
    body = frame(("meter1", "t", I64, raw), ("meter1", "n", I64, raw))
    check("encoded", encoded(s, lambda: check("accepted", put(s, body), 1000)), 500)
    expect(s, "meter1/t", [(t, v / 10) for t, v in raw])
    expect(s, "meter1/n", raw)


def edited(s):
    """Corrections and deletions lie over what was encoded, and are taken off again."""
    rows = walk(1000, seed=14)
    put(s, frame(("e", "f", F64, rows)))
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(T // SEC + 10)) + "Z"
    made = s.post("/api/v1/history/correct", {"point": "e/f", "samples": [{"time": iso, "value": -1}], "reason": "test"})
    check("corrected", dict((t, v) for t, v, _ in rows_of(s, "e/f"))[T // SEC * SEC + 10 * SEC], -1)
    s.post(f"/api/v1/history/edits/{made['edit']}/withdraw", {"reason": "test"})
    expect(s, "e/f", rows)


def big(s):
    """Full frames on several connections at a time, then kill -9: all that was acknowledged is there."""
    count = 8
    bodies = [b"".join(frame(*[(f"g{k}", f"p{j}", F64, walk(1024, begin=T + f * 1024 * SEC, seed=f)) for j in range(16)])
                       for f in range(3)) for k in range(count)]
    work = [subprocess.Popen([sys.executable, "-c", POST, str(s.http), s.token], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in bodies]
    for process, body in zip(work, bodies):
        process.stdin.write(body)
        process.stdin.close()
    for process in work:
        check("accepted", json.loads(process.stdout.read())["accepted"], 3 * 16 * 1024)
        process.wait()
    s.stop(kill=True)
    s.start()
    points = [f"g{k}/p{j}" for k in range(count) for j in range(16)]
    got = s.query(points, 0, 4_000_000_000_000, aggregate=["count", "sum"])
    check("points", len(got), len(points))
    want = sum(v for f in range(3) for _, v in walk(1024, begin=T, seed=f))
    for point in points:
        check(f"{point} count", got[point]["count"], [3 * 1024])
        check(f"{point} sum", round(got[point]["sum"][0], 2), round(want, 2))


POST = """
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
c.request("POST", "/api/v1/ingest", sys.stdin.buffer.read(), {"Content-Type": "%s", "Authorization": "Bearer " + sys.argv[2]})
print(c.getresponse().read().decode())
""" % KIND


def checked(s):
    """`songhua check` knows the records, before and after they went into segments."""
    put(s, frame(("c", "f", F64, walk(2000, seed=15))))
    s.stop(kill=True)  # the journal holds them
    for _ in range(2):
        done = subprocess.run([s.path, "check", "--history", "--data", s.data], capture_output=True, text=True, check=False)
        check("check", (done.returncode, done.stderr), (0, done.stderr))
        s.start()
        s.stop()  # flushed now
    s.start()
    expect(s, "c/f", walk(2000, seed=15))
    check("nothing set aside", [n for n in os.listdir(os.path.join(s.data, "history")) if n.endswith(".damaged")], [])


def main():
    with Songhua() as s:
        for part in (direct, mixed, order, bad_frame, scaled, edited, big, checked):
            part(s)
            print(part.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
