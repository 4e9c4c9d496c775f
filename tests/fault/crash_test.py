"""kill -9 in the middle of mixed load, again and again: line protocol, columnar frames, MQTT, records, new devices and points. After each
restart everything that was acknowledged is there. Then damaged files: the server starts, serves what is whole and says what it set aside.
SPDX-License-Identifier: Apache-2.0
"""
import glob
import http.client
import json
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wire"))
from columns_test import F64, KIND, frame
from songhua import Songhua, number

try:
    import paho.mqtt.client as mqtt
except ImportError:
    mqtt = None

KILLS = int(os.environ.get("SONGHUA_KILLS", "10"))
T = 1_700_000_000_000_000


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def bits(v):
    return struct.pack("<d", number(v))


class Load:
    """What was acknowledged; each kind of work has a thread that ends when the server does."""

    def __init__(self, s, token):
        self.s, self.token = s, token
        self.samples = {}  # point -> {time_us: value}
        self.records = {}  # id -> value
        self.devices = set()
        self.counter = 0
        self.lock = threading.Lock()
        self.stop = threading.Event()

    def next(self, n=1):
        with self.lock:
            self.counter += n
            return self.counter - n

    def call(self, c, method, path, body, ok, kind="application/json"):
        head = {"Authorization": "Bearer " + self.token}
        if not path.startswith("/write"):
            head["Content-Type"] = kind
        c.request(method, path, body if isinstance(body, bytes) else body.encode(), head)
        a = c.getresponse()
        data = a.read()
        if a.status not in ok:
            raise RuntimeError(f"{method} {path}: {a.status} {data[:200]}")

    def guarded(self, fn, seed):
        rng = random.Random(seed)
        c = http.client.HTTPConnection("127.0.0.1", self.s.http, timeout=20)
        try:
            while not self.stop.is_set():
                fn(c, rng)
        except (OSError, http.client.HTTPException):
            pass  # the kill
        except RuntimeError as e:
            self.failed = str(e)
        finally:
            c.close()

    failed = None

    def lines(self, c, rng):
        at, n = self.next(50), 50
        rows = [(f"l{rng.randrange(20)}/f", T + at + i, rng.random() * 1000) for i in range(n)]
        text = "\n".join(f"{p[:-2]} f={v!r} {t}000" for p, t, v in rows)
        self.call(c, "POST", "/write", text, (204,))
        self.keep(rows)

    def columns(self, c, rng):
        """A frame with long runs, which are encoded before the journal, and a short one, which is not."""
        at, k = self.next(700), rng.randrange(10)
        runs = [(f"c{k}", p, [(T + at + i, rng.randrange(100_000) / 100) for i in range(n)]) for p, n in (("f", 300), ("g", 600), ("h", 20))]
        self.call(c, "POST", "/api/v1/ingest", frame(*[(d, p, F64, rows) for d, p, rows in runs]), (200,), KIND)
        self.keep([(f"{d}/{p}", t, v) for d, p, rows in runs for t, v in rows])

    def new_points(self, c, rng):
        at = self.next(3)
        device = f"n{at}"
        rows = [(f"{device}/p{i}", T + at + i, float(i)) for i in range(3)]
        self.call(c, "POST", "/write", "\n".join(f"{device} {p.rpartition('/')[2]}={v!r} {t}000" for p, t, v in rows), (204,))
        self.keep(rows)
        with self.lock:
            self.devices.add(device)

    def record(self, c, rng):
        n = self.next()
        self.call(c, "POST", f"/api/v1/records/order?id=r{n}", json.dumps({"n": n}), (201,))
        with self.lock:
            self.records[f"r{n}"] = n

    def keep(self, rows):
        with self.lock:
            for p, t, v in rows:
                self.samples.setdefault(p, {})[t] = v

    def by_mqtt(self, name):
        c = mqtt.Client(client_id=name)
        c.username_pw_set(self.token, "")
        c.max_inflight_messages_set(100)
        sent, acked = {}, []
        c.on_publish = lambda a, b, mid: acked.append(mid)
        try:
            c.connect("127.0.0.1", self.s.mqtt)
        except OSError:
            return
        c.loop_start()
        while not self.stop.is_set():
            t = self.next()
            info = c.publish(f"sh/v1/{name}/telemetry", f'{{"ts":{(T + t * 1000) // 1000},"values":{{"f":{t}.25}}}}', 1)
            sent[info.mid] = ((T + t * 1000) // 1000 * 1000, t + 0.25)
            if len(sent) - len(acked) > 100:
                time.sleep(0.001)
        c.loop_stop()
        c._sock_close()
        self.keep([(f"{name}/f", *sent[mid]) for mid in acked if mid in sent])

    def run(self, turn, rng):
        self.stop.clear()
        threads = [
            threading.Thread(target=self.guarded, args=(fn, f"{turn} {fn.__name__}")) for fn in (self.lines, self.columns, self.new_points, self.record)
        ]
        if mqtt is not None:
            threads.append(threading.Thread(target=self.by_mqtt, args=(f"m{turn}",)))
        for t in threads:
            t.start()
        time.sleep(0.3 + rng.random() * 0.5)
        self.s.process.kill()
        self.stop.set()
        for t in threads:
            t.join(60)
        if self.failed:
            sys.exit(f"turn {turn}: {self.failed}")
        self.s.stop(kill=True)

    def verify(self, when, everything):
        s = self.s
        points = list(self.samples)
        if not everything and len(points) > 300:
            points = points[-200:] + random.Random(when).sample(points[:-200], 100)
        for i in range(0, len(points), 200):
            part = points[i : i + 200]
            got = s.query(part, 0, 4_000_000_000_000)
            for p in part:
                have = dict(zip(got[p]["time"], got[p]["value"]))
                lost = [t for t, v in self.samples[p].items() if t not in have or bits(have[t]) != bits(v)]
                if lost:
                    sys.exit(f"{when}: {p}: {len(lost)} of {len(self.samples[p])} acknowledged samples are lost, the first at {min(lost)}")
        have, cursor = {}, ""
        while cursor is not None:
            a = s.get("/api/v1/records/order?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            have.update({r["id"]: r["record"]["n"] for r in a["items"]})
            cursor = a["next"]
        lost = [r for r, n in self.records.items() if have.get(r) != n]
        check(f"{when}: lost records", lost, [])
        have, cursor = set(), ""
        while cursor is not None:
            a = s.get("/api/v1/devices?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            have |= {d["id"] for d in a["items"]}
            cursor = a["next"]
        check(f"{when}: lost devices", self.devices - have, set())


def kills(s, load):
    rng = random.Random(3)
    slowest = 0
    for turn in range(KILLS):
        load.run(turn, rng)
        s.start()
        slowest = max(slowest, s.start_s)
        load.verify(f"turn {turn}", turn == KILLS - 1)
        s.write_lines(f"after f={turn} {T + turn}000")
    check("written after each", s.query(["after/f"], 0, 4_000_000_000_000)["after/f"]["value"], list(range(KILLS)))
    n = sum(len(v) for v in load.samples.values())
    print(
        f"  {KILLS} kills: {n} samples in {len(load.samples)} points, {len(load.records)} records, {len(load.devices)} new devices "
        f"acknowledged, all there; ready at most {slowest:.2f} s after"
    )


def flip(path, at, n=16):
    with open(path, "r+b") as f:
        f.seek(at)
        was = f.read(n)
        f.seek(at)
        f.write(bytes(b ^ 0x5A for b in was))


def started_again(s, what, words):
    before = len(s.log_text())
    s.start()
    text = s.log_text()[before:]
    said = [x for x in text.splitlines() if " WARN " in x or " ERROR " in x or "was cut" in x]
    print(f"  {what}: ready in {s.start_s:.2f} s; " + (said[0][25:165] if said else "nothing said"))
    if words and not any(w in text for w in words):
        sys.exit(f"{what}: the log says nothing of it:\n{text[-2000:]}")
    # it takes and gives samples, new points and records
    n = time.time_ns() % 10**9
    s.write_lines(f"whole f={n} {T}000\nwhole-{n} f=1 {T}000")
    check(f"{what}: a sample", s.query(["whole/f"], 0, 4_000_000_000_000)["whole/f"]["value"], [n])
    new = s.query([f"whole-{n}/f"], 0, 4_000_000_000_000)[f"whole-{n}/f"]["value"]
    check(f"{what}: a new point has its own samples only", new, [1])
    s.post("/api/v1/records/order", {"n": n})
    return said


def damage(s):
    # enough for a segment on disk: a clean end flushes the heads
    s.write_lines("\n".join(f"seg{d} f={i}.5 {T + i}000" for d in range(40) for i in range(500)))
    check("SIGTERM", s.stop(), 0)
    segments = [f for f in glob.glob(os.path.join(s.data, "history", "**", "*"), recursive=True) if os.path.isfile(f) and os.path.getsize(f) > 20_000]
    check("there are segments", len(segments) > 0, True)
    big = max(segments, key=os.path.getsize)
    flip(big, os.path.getsize(big) // 2)
    s.start()
    counts = []
    for d in range(40):
        try:
            counts.append(len(s.query([f"seg{d}/f"], 0, 4_000_000_000_000)[f"seg{d}/f"]["time"]))
        except Exception as e:  # noqa: BLE001: a damaged block may be a problem, but never the end
            counts.append(str(e)[:100])
    print(f"  a segment with flipped bytes: {sum(c == 500 for c in counts)} of 40 series are whole, others {sorted({str(c) for c in counts if c != 500})}")
    check("most series are whole", sum(c == 500 for c in counts) >= 20, True)
    check("it says so", "damaged" in s.log_text() or "set aside" in s.log_text() or all(c == 500 for c in counts), True)
    check("it goes on", s.process.poll(), None)
    # the end of the journal, after a crash
    s.write_lines("\n".join(f"tail f={i}.5 {T + i}000" for i in range(1000)))
    s.stop(kill=True)
    logs = sorted(f for f in glob.glob(os.path.join(s.data, "journal", "*")) if os.path.getsize(f) > 1000)
    newest = max(logs, key=os.path.getmtime)
    with open(newest, "rb") as f:
        data = f.read()
    end = len(data.rstrip(b"\0"))
    flip(newest, end - 40)
    started_again(s, "the end of the journal with flipped bytes", ["journal"])
    s.stop(kill=True)
    with open(newest, "rb") as f:
        end = len(f.read().rstrip(b"\0"))
    with open(newest, "r+b") as f:
        f.truncate(max(end - 7, 0))
    started_again(s, "a journal that was cut", None)
    # the catalogue of points
    check("SIGTERM", s.stop(), 0)
    logs = [f for f in glob.glob(os.path.join(s.data, "**", "points*"), recursive=True) if os.path.isfile(f)]
    check("there is a catalogue", len(logs) > 0, True)
    for f in logs:
        size = os.path.getsize(f)
        with open(f, "r+b") as g:
            g.truncate(size - 11)
    said = started_again(s, "a cut catalogue", None)
    check("it says so", any("point" in x for x in said), True)
    whole = 0
    for d in range(40):
        whole += s.raw("POST", "/api/v1/history/query", json.dumps({"points": [f"seg{d}/f"], "from": 0}))[0] == 200
    print(f"  {whole} of 40 series are found after it")
    check("most points are there", whole >= 39, True)
    # rubbish that does not belong there
    check("SIGTERM", s.stop(), 0)
    for folder in ("history", "journal", "mqtt"):
        with open(os.path.join(s.data, folder, "rubbish.tmp"), "wb") as f:
            f.write(os.urandom(1000))
    started_again(s, "foreign files", None)
    check("SIGTERM", s.stop(), 0)
    state = [f for f in glob.glob(os.path.join(s.data, "mqtt", "*")) if "rubbish" not in f and os.path.getsize(f) > 8]
    for f in state:
        flip(f, os.path.getsize(f) // 2, 4)
    started_again(s, "a damaged image of MQTT", None)


def main():
    with Songhua() as s:
        s.post("/api/v1/types", {"name": "order", "schema": {"type": "object"}})
        token = s.make_token(name="load", roles=["engineer"])["token"]
        load = Load(s, token)
        kills(s, load)
        print("kills ok", flush=True)
        damage(s)
        print("damage ok", flush=True)


if __name__ == "__main__":
    main()
