#!/usr/bin/python3 -B
"""Endurance: make soak [SOAK_MINUTES=40] [SOAK_BIN=build/release/songhua]

A server under steady load while connections, devices, records, queries, exports and live streams come and go, with small heads, so
that flushes, compactions and checkpoints never rest. The load adapts until the server uses SOAK_LOAD (0.7) of a
core. Looked at every ten seconds: resident memory, descriptors, threads, the p99 of an acknowledged publish. In the end:

- memory, descriptors and threads of the last quarter are not above those of the second (the first fills caches);
- the p99 of the last quarter is not above three times that of the second, or 100 ms;
- nothing that was acknowledged is missing; no request failed but for stated back-pressure; the log has no error;
- the server ends by itself when asked to.

One line of JSON a look, one at the end; exit code 0 when all holds. With the dev build (ASan) leaks show at the end as well.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "wire"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "40"))
LOAD = float(os.environ.get("SOAK_LOAD", "0.7"))
os.environ.setdefault("SONGHUA_BIN", os.environ.get("SOAK_BIN", os.path.join(ROOT, "build", "release", "songhua")))
from songhua import PASSWORD, Problem, Songhua  # noqa: E402

GENERATOR = os.path.join(ROOT, "build", "release", "bench", "bench_load")
LOOK_S = 10
STEADY = (429, 503)  # back-pressure, said as such


class Client(Songhua):
    """The same server by a connection of its own, for one thread."""

    def __init__(self, server):
        super().__init__(start=False, data=server.data)
        self.http, self.mqtt, self.token, self.log = server.http, server.mqtt, server.token, server.log


class Soak:
    def __init__(self, server):
        self.server = server
        self.end = time.monotonic() + MINUTES * 60
        self.stop = threading.Event()
        self.failures = []
        self.latencies = []  # (monotonic, ms)
        self.lock = threading.Lock()
        self.counts = {}
        self.pause = 0.5  # between two bursts of load
        self.acked = 0    # samples of the probe

    def count(self, what, n=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + n

    def fail(self, what, e):
        with self.lock:
            self.failures.append(f"{what}: {e!r}"[:300])

    def forever(self, what, act):
        """act(client, random, turn) until the end, on a thread of its own."""

        def body():
            client, rng, turn = Client(self.server), random.Random(what), 0
            while not self.stop.is_set():
                try:
                    act(client, rng, turn)
                    self.count(what)
                except Problem as e:
                    if e.status in STEADY:
                        self.count(what + " put off")
                        self.stop.wait(0.5)
                    else:
                        self.fail(what, e)
                except Exception as e:  # pylint: disable=broad-except
                    self.fail(what, e)
                    self.stop.wait(1)
                turn += 1
            client.disconnect()

        t = threading.Thread(target=body, name=what, daemon=True)
        t.start()
        return t

    # what comes and goes

    def burst(self, client, rng, _):
        """A hundred connections with telemetry, then a pause that keeps the server at its share of a core."""
        done = subprocess.run(
            [GENERATOR, "publish", str(client.mqtt), "conns=100", "messages=50000", "qos=1", "window=10",
             f"time_ms={int(time.time() * 1000) - rng.randrange(86_400_000)}", "user=admin", f"password={PASSWORD}"],
            capture_output=True, text=True, timeout=300, check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[:200])
        self.count("messages", 50000)
        self.stop.wait(self.pause)

    def crowd(self, client, rng, _):
        """Some hundred connections that say nothing and leave without a word."""
        load = subprocess.Popen(
            [GENERATOR, "idle", str(client.mqtt), f"conns={rng.randrange(100, 800)}", "name=crowd", "user=admin", f"password={PASSWORD}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        try:
            load.stdout.readline()
            self.stop.wait(rng.uniform(1, 8))
        finally:
            load.send_signal(signal.SIGKILL)
            load.communicate()

    def devices(self, client, rng, turn):
        name = f"soak-{turn % 50}"
        try:
            client.post("/api/v1/devices", {"id": name, "name": f"试验 {turn}", "labels": {"kind": "soak"}})
        except Problem as e:
            if e.status != 409:
                raise
        client.post(f"/api/v1/ingest?device={name}", {f"p{i}": rng.random() for i in range(20)})
        client.get(f"/api/v1/devices/{name}/latest")
        client.get("/api/v1/devices?limit=50&q=soak")
        client.delete(f"/api/v1/devices/{name}")
        self.stop.wait(0.2)

    def records(self, client, rng, turn):
        if turn == 0:
            client.post("/api/v1/types", {"name": "soak", "title": {"zh": "试验", "en": "Soak"}, "schema": {"type": "object"}})
        made = client.post("/api/v1/records/soak", {"n": turn, "text": "水泵 振动 " + str(rng.random())})
        client.get("/api/v1/records/soak?limit=20&q=" + urllib.parse.quote("振动"))
        client.delete("/api/v1/records/soak/" + made["id"])
        self.stop.wait(0.2)

    def queries(self, client, rng, _):
        now = int(time.time() * 1000)
        points = [f"bench-{rng.randrange(100)}/value" for _ in range(rng.randrange(1, 8))]
        ask = {"points": points, "from": now - rng.randrange(3_600_000, 172_800_000), "to": now, "limit": 5000}
        kind = rng.randrange(4)
        if kind == 1:
            ask.update(step="1m", aggregate=["mean", "max", "p95"])
        elif kind == 2:
            ask.update(downsample={"method": rng.choice(["minmax", "lttb"]), "points": 1000})
            del ask["limit"]
        elif kind == 3:
            ask.update(aggregate=["count", "twa", "stddev"])
        try:
            client.post("/api/v1/history/query", ask)
        except Problem as e:
            if e.status != 404:  # a point that no burst has made yet
                raise
        self.stop.wait(0.05)

    def leavers(self, client, rng, _):
        """Exports and live streams whose reader goes away in the middle."""
        s = socket.create_connection(("127.0.0.1", client.http), timeout=30)
        points = ",".join(f"bench-{rng.randrange(100)}/value" for _ in range(5))
        path = rng.choice([f"/api/v1/history/export?points={points}&from=0", f"/api/v1/stream?points={points}"])
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{client.http}\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode())
        s.recv(4096)
        self.stop.wait(rng.uniform(0, 1))
        s.close()

    def probe(self, client, rng, turn):
        """One value after another, each waited for: the latency, and what must be there in the end."""
        del rng
        if turn == 0 or self.probe_socket is None:
            self.probe_socket = s = socket.create_connection(("127.0.0.1", client.mqtt), timeout=60)
            body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(
                struct.pack(">H", len(t)) + t for t in (b"soak-probe", b"admin", PASSWORD.encode())
            )
            s.sendall(b"\x10" + bytes([len(body)]) + body)
            if s.recv(4) != b"\x20\x02\x00\x00":
                raise RuntimeError("the probe was not let in")
        stamp = PROBE_START_MS + self.acked
        payload = json.dumps({"ts": stamp, "values": {"n": self.acked}}).encode()
        topic = b"sh/v1/soak-probe/telemetry"
        body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", turn % 65535 + 1) + payload
        begin = time.monotonic()
        self.probe_socket.sendall(b"\x32" + bytes([len(body)]) + body)
        if self.probe_socket.recv(4)[:2] != b"\x40\x02":
            raise RuntimeError("no acknowledgement")
        now = time.monotonic()
        with self.lock:
            self.latencies.append((now, (now - begin) * 1000))
        self.acked += 1
        self.stop.wait(0.02)

    probe_socket = None

    # looking

    def look(self, cpu_before, wall_before):
        pid = self.server.process.pid
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        now = time.monotonic()
        share = (cpu - cpu_before) / max(now - wall_before, 0.1) if cpu_before is not None else LOAD
        self.pause = min(max(self.pause * (1.3 if share > LOAD else 0.8), 0.01), 5)
        with self.lock:
            recent = [ms for t, ms in self.latencies if t > now - LOOK_S]
            self.latencies = [x for x in self.latencies if x[0] > now - LOOK_S]
        p99 = statistics.quantiles(recent, n=100)[98] if len(recent) > 10 else 0.0
        row = {
            "minute": round((now - self.begin) / 60, 2), "rss_kib": self.server.memory_kib(), "cpu": round(share, 2),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": len(os.listdir(f"/proc/{pid}/task")),
            "p99_ms": round(p99, 1), "failures": len(self.failures),
        }
        print(json.dumps(row), flush=True)
        return cpu, now, row

    def run(self):
        self.begin = time.monotonic()
        threads = [
            self.forever(a.__name__, a)
            for a in (self.burst, self.crowd, self.devices, self.records, self.queries, self.queries, self.leavers, self.probe)
        ]
        rows, cpu, wall = [], None, self.begin
        while time.monotonic() < self.end and self.server.process.poll() is None:
            time.sleep(LOOK_S)
            cpu, wall, row = self.look(cpu, wall)
            rows.append(row)
        self.stop.set()
        for t in threads:
            t.join(120)
        return rows


PROBE_START_MS = int(time.time() * 1000) - 7_200_000


def judge(soak, rows, code, log):
    """Words for each thing that does not hold."""
    wrong = list(soak.failures[:20])
    quarter = max(len(rows) // 4, 1)
    second, last = rows[quarter:2 * quarter] or rows, rows[-quarter:]

    def median(part, key):
        return statistics.median(r[key] for r in part)

    for key, slack, floor in (("rss_kib", 1.15, 8192), ("descriptors", 1.1, 20), ("threads", 1.0, 1)):
        a, b = median(second, key), median(last, key)
        if b > a * slack + floor:
            wrong.append(f"{key} grew from {a} to {b}")
    a, b = median(second, "p99_ms"), median(last, "p99_ms")
    if b > max(3 * a, 100):
        wrong.append(f"the p99 grew from {a} to {b} ms")
    if code != 0:
        wrong.append(f"the server ended with {code}")
    wrong += [line[:300] for line in log.splitlines() if " ERROR " in line or "Sanitizer" in line][:20]
    return wrong


def main():
    settings = {"history.head": "16MiB"}
    with Songhua(settings) as server:
        soak = Soak(server)
        rows = soak.run()
        client = Client(server)
        got = client.query(["soak-probe/n"], PROBE_START_MS, PROBE_START_MS + soak.acked)
        values = got.get("soak-probe/n", {}).get("value", [])
        if values != list(range(soak.acked)):
            soak.failures.append(f"{soak.acked} samples were acknowledged, {len(values)} are there")
        client.disconnect()
        code = server.stop(timeout_s=120)
        wrong = judge(soak, rows, code, server.log_text())
        server.process = None
        print(json.dumps({"minutes": MINUTES, "counts": soak.counts, "acknowledged_probes": soak.acked, "wrong": wrong}, ensure_ascii=False))
        print("0 failed" if not wrong else f"{len(wrong)} failed")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
