#!/usr/bin/python3 -B
"""Power cuts on a disk that lies (lie.c, disk_model.py): short writes, EIO, ENOSPC, failed syncs, and after each cut a disk on which what was
not synced is there or not, in any order, whole or torn. Writers know what was acknowledged; after each start all of it must be there, and
nothing that was never sent.

SONGHUA_CUTS says how many rounds (default 15; `SONGHUA_CUTS=2000 tests/fault/power_test.py` for an hour), SONGHUA_LIE names lie.so,
SONGHUA_SEED repeats a run's dice. SPDX-License-Identifier: Apache-2.0
"""
import collections
import http.client
import json
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wire"))
from columns_test import F64, KIND, frame
from disk_model import Cut, Disk
from raw_mqtt import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, RawMqtt
from songhua import Problem, Songhua, binary, number, skip

CUTS = int(os.environ.get("SONGHUA_CUTS", "15"))
SEED = int(os.environ.get("SONGHUA_SEED", str(time.time_ns() % 10**6)))
LIFE = 40  # rounds of one data folder; then a new one begins
T = 1_700_000_000_000_000
END = 4_000_000_000_000
SETTINGS = {"journal.segment": "1MiB", "history.head": "1MiB", "log.level": "warn", "mqtt.max_queued": "65000"}


class Lost(Exception):
    """Something acknowledged is not there, or something that nobody sent is."""


class Unsure(Exception):
    """What the server has done is not known before the next start."""


def bits(v):
    return struct.pack("<d", number(v))


class States:
    """What a thing was told to be, one after another; the last that was acknowledged or any later one may be found."""

    def __init__(self):
        self.lock = threading.Lock()
        self.states = {}  # key -> [state that was acknowledged, states that were sent after it ...]

    def sent(self, key, state):
        with self.lock:
            self.states.setdefault(key, [None]).append(state)

    def acknowledged(self, key, state):
        with self.lock:
            known = self.states[key]
            del known[: known.index(state)]

    def found(self, what, key, state):
        known = self.states[key]
        if state not in known:
            raise Lost(f"{what} {key}: found {state!r}, acknowledged was {known[0]!r}, sent after it {known[1:]!r}")
        self.states[key] = [state]


class Lied(Songhua):
    """A server on a disk that lies when told to."""

    def __init__(self, lie, folder):
        super().__init__(SETTINGS, data=os.path.join(folder, "data"), start=False)
        self.lie, self.folder, self.kept = lie, folder, None
        self.trace = os.path.join(folder, "trace")
        os.mkdir(self.data)

    def sign_in(self):
        if self.kept is None:
            super().sign_in()
        self.token = self.kept or self.token

    def spawn(self, plan):
        if os.path.exists(self.trace):
            os.unlink(self.trace)
        self.environment = {"LD_PRELOAD": self.lie, "LIE_DIR": self.data, "LIE_TRACE": self.trace, "LIE_PLAN": plan,
                            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}


class Life:
    """One data folder from its first start to its last, and everything that was said and acknowledged in it."""

    def __init__(self, lie, rng):
        self.rng = rng
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="songhua-power-", dir=shm)
        self.s = s = Lied(lie, self.folder)
        s.start()
        s.post("/api/v1/types", {"name": "order", "schema": {"type": "object"}})
        s.kept = s.make_token(name="power", roles=["administrator"])["token"]
        s.write_lines(f"e f=0 {T + 1000}000")
        c = RawMqtt(s.mqtt, s.kept, 4, "away", clean=False)
        c.subscribe("q/#", 2)
        c.close()
        s.stop()
        self.clock = 0
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.sent, self.samples = {}, {}  # point -> {time: value}
        self.records, self.edits, self.retained = States(), States(), States()
        self.publisher = Publisher(self)
        self.got = {}  # payloads of the session that is away -> how often
        self.open2 = set()  # packet ids of QoS 2 that it has and that were not released
        self.marker = 0
        self.wrong = None
        self.memory = False
        self.refused = 0
        self.excuses = []  # why it did not start while its disk failed

    def close(self):
        self.s.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def next(self, n=1):
        with self.lock:
            self.clock += n
            return self.clock - n

    # writers: each ends when the server does

    def forever(self, act, seed):
        rng = random.Random(seed)
        while not self.stop.is_set():
            c = http.client.HTTPConnection("127.0.0.1", self.s.http, timeout=20)
            try:
                while not self.stop.is_set():
                    act(c, rng)
            except (OSError, http.client.HTTPException):
                self.stop.wait(0.01)  # the cut, or memory was short
            except Unsure:
                return
            except Exception as e:  # pylint: disable=broad-except
                self.wrong = e
                return
            finally:
                c.close()

    def call(self, c, method, path, body, kind="application/json"):
        """True when it was acknowledged; a disk that fails may be said (5xx, 507), nothing else may go wrong."""
        c.request(method, path, body if isinstance(body, bytes) else body.encode(), {"Authorization": "Bearer " + self.s.kept, "Content-Type": kind})
        a = c.getresponse()
        data = a.read()
        if a.status < 300:
            return True
        if a.status < 500:
            raise Lost(f"{method} {path} {body[:100]}: {a.status} {data[:900]}")
        self.refused += 1
        time.sleep(0.01)
        return False

    def send(self, rows):
        with self.lock:
            for p, t, v in rows:
                self.sent.setdefault(p, {})[t] = v

    def keep(self, rows):
        with self.lock:
            for p, t, v in rows:
                self.samples.setdefault(p, {})[t] = v

    def lines(self, c, rng):
        n = rng.choice((1, 20, 400))
        at = self.next(n)
        rows = [(f"l{rng.randrange(30)}/f", T + at + i, rng.random() * 1000) for i in range(n)]
        self.send(rows)
        if self.call(c, "POST", "/write", "\n".join(f"{p[:-2]} f={v!r} {t}000" for p, t, v in rows), "text/plain"):
            self.keep(rows)

    def columns(self, c, rng):
        """Long runs are encoded before the journal, a short one goes as rows."""
        at, k = self.next(500), rng.randrange(10)
        runs = [(f"l{k}", p, [(T + at + i, rng.randrange(10**6) / 100) for i in range(n)]) for p, n in (("g", 200), ("h", 500), ("i", 20))]
        rows = [(f"{d}/{p}", t, v) for d, p, run in runs for t, v in run]
        self.send(rows)
        if self.call(c, "POST", "/api/v1/ingest", frame(*[(d, p, F64, run) for d, p, run in runs]), KIND):
            self.keep(rows)

    def new_points(self, c, rng):
        at = self.next(2)
        rows = [(f"n{at}/p{i}", T + at + i, float(rng.randrange(99))) for i in range(2)]
        self.send(rows)
        if self.call(c, "POST", "/write", "\n".join(f"n{at} {p.rpartition('/')[2]}={v!r} {t}000" for p, t, v in rows), "text/plain"):
            self.keep(rows)

    def record(self, c, rng):
        try:
            self.change_record(c, rng)
        except (OSError, http.client.HTTPException):
            raise Unsure from None

    def change_record(self, c, rng):
        key, n = f"r{rng.randrange(40)}", self.next()
        gone = self.records.states.get(key, [None])[-1] is None
        if not gone and rng.random() < 0.2:
            self.records.sent(key, None)
            if self.call(c, "DELETE", f"/api/v1/records/order/{key}", ""):
                self.records.acknowledged(key, None)
                return
            raise Unsure
        self.records.sent(key, n)
        method, path = ("POST", f"/api/v1/records/order?id={key}") if gone else ("PUT", f"/api/v1/records/order/{key}")
        if self.call(c, method, path, json.dumps({"n": n})):
            self.records.acknowledged(key, n)
        else:
            raise Unsure

    def correct(self, c, rng):
        t, v = T + rng.randrange(20), float(self.next())
        self.edits.sent(t, v)
        body = {"point": "e/f", "samples": [{"time": f"2023-11-14T22:13:20.{t - T:06d}Z", "value": v}], "reason": "typing error"}
        if self.call(c, "POST", "/api/v1/history/correct", json.dumps(body)):
            self.edits.acknowledged(t, v)

    def telemetry(self, _, rng):
        name = f"m{rng.randrange(5)}"
        c = RawMqtt(self.s.mqtt, self.s.kept, 4, "t" + name)
        waiting, pid = {}, 0
        while not self.stop.is_set():
            while len(waiting) < 20:
                pid = pid % 60000 + 1
                t = T + self.next() * 1000
                waiting[pid] = row = (f"{name}/f", t, t % 1000 + 0.25)
                self.send([row])
                c.publish(f"sh/v1/{name}/telemetry", json.dumps({"ts": t // 1000, "values": {"f": row[2]}}), pid)
            kind, body = c.packet()
            if kind >> 4 == PUBACK:
                self.keep([waiting.pop(struct.unpack(">H", body[:2])[0])])

    def retain(self, _, rng):
        c, pid = RawMqtt(self.s.mqtt, self.s.kept, 4, "retain"), 0
        while not self.stop.is_set():
            topic, v, pid = f"r/{rng.randrange(10)}", str(self.next()), pid % 60000 + 1
            self.retained.sent(topic, v)
            c.publish(topic, v, pid, 1, True)
            if c.ack(pid) == 0:
                self.retained.acknowledged(topic, v)

    def queue(self, _, rng):
        del rng
        self.publisher.run()

    # rounds

    def round(self, plan, cut, early):
        """One life of the process, ended by a power cut. Returns words on what happened."""
        s, rng, faulty = self.s, self.rng, "=" in plan.split(";")[1]
        self.memory = "memory" in plan
        disk = Disk(s.data)
        s.spawn(plan)
        said = "cut at the start"
        if early is not None:
            killer = threading.Timer(early, lambda: s.process and s.process.kill())
            killer.start()
        try:
            s.start(timeout_s=30)
            said = "cut under load"
            self.verify()
            self.load(rng.uniform(0.05, 0.5))
        except RuntimeError as e:
            if not faulty and early is None:
                raise Lost(f"it did not start: {e}") from e
            said = "it did not start" if early is None else said
            if early is None:
                self.excuses.append(" ".join(str(e).strip().splitlines()[-1].split()[1:])[:300])
        except (OSError, http.client.HTTPException) as e:
            if not faulty and early is None:
                raise Lost(f"it went away: {e!r}") from e
        except Problem as e:
            if not faulty or e.status < 500:
                raise
            said = "the disk failed while it was looked at"
        finally:
            if early is not None:
                killer.cancel()
                killer.join()
        s.stop(kill=True)
        records = disk.read(s.trace) if os.path.exists(s.trace) else 0
        disk.cut(cut)
        disk.make()
        return said, records

    def load(self, seconds):
        self.stop.clear()
        acts = (self.lines, self.lines, self.columns, self.new_points, self.record, self.correct, self.telemetry, self.retain, self.queue)
        threads = [threading.Thread(target=self.forever, args=(a, f"{self.clock} {i}")) for i, a in enumerate(acts)]
        for t in threads:
            t.start()
        time.sleep(seconds)
        ended = self.s.process.poll()
        self.s.process.kill()
        self.stop.set()
        for t in threads:
            t.join(60)
        if ended not in (None, -signal.SIGKILL):
            raise Lost(f"the process ended by itself: {ended}\n{self.s.log_text()[-3000:]}")
        if self.wrong is not None:
            raise self.wrong

    # what must be there

    def verify(self):
        self.verify_samples()
        self.verify_states()
        self.verify_queue()

    def verify_samples(self):
        points = list(self.sent)
        if len(points) > 250:
            points = points[-80:] + [p for p in points[:-80] if p[0] in "lm"] + self.rng.sample(points[:-80], 80)
        unknown = [p for p in points if p not in self.samples]  # it may not be there at all
        points = [p for p in dict.fromkeys(points) if p in self.samples]
        for i in range(0, len(points), 100):
            got = self.s.query(points[i : i + 100], 0, END)
            for p in points[i : i + 100]:
                have = dict(zip(got[p]["time"], got[p]["value"]))
                lost = [t for t, v in self.samples[p].items() if t not in have or bits(have[t]) != bits(v)]
                if lost:
                    raise Lost(f"{p}: {len(lost)} of {len(self.samples[p])} acknowledged samples are lost, the first at {min(lost)}")
                false = [t for t, v in have.items() if t not in self.sent[p] or bits(self.sent[p][t]) != bits(v)]
                if false:
                    raise Lost(f"{p}: {len(false)} samples that nobody sent, the first at {min(false)}")
        for p in unknown[-20:]:
            status, _, data = self.s.raw("POST", "/api/v1/history/query", json.dumps({"points": [p], "from": 0, "time": "us"}))
            if status not in (200, 404) and not (self.memory and status >= 500):
                raise Lost(f"{p}: {status} {data[:200]}")

    def verify_states(self):
        have, cursor = {}, ""
        while cursor is not None:
            a = self.s.get("/api/v1/records/order?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            have.update({r["id"]: r["record"]["n"] for r in a["items"]})
            cursor = a["next"]
        for key in self.records.states:
            self.records.found("record", key, have.pop(key, None))
        if have:
            raise Lost(f"records that nobody made: {have}")
        if self.edits.states:
            got = self.s.query(["e/f"], 0, END)["e/f"]
            have = dict(zip(got["time"], got["value"]))
            for t in self.edits.states:
                self.edits.found("correction", t, have.get(t))
        c = RawMqtt(self.s.mqtt, self.s.kept, 4, "look")
        subscribe = b"\0\1\0\3r/#\1"
        c.send(0x82, subscribe)
        have, ended = {}, False
        c.send(0xC0, b"")
        while not ended:  # what comes before the PINGRESP; retained messages may come after it, so once more
            kind, body = c.packet()
            if kind >> 4 == SUBACK and body[2] == 0x80:
                if not self.memory:
                    raise Lost("the subscription to retained messages was refused")
                c.send(0x82, subscribe)
            if kind >> 4 == PUBLISH:
                topic, payload, qos, pid = c.read_publish(kind, body)
                have[topic] = payload
                if qos == 1:
                    c.answer(PUBACK, pid)
                c.send(0xC0, b"")
            ended = kind >> 4 == 13 and len(have) >= sum(1 for k in self.retained.states.values() if k[0] is not None)
            if kind >> 4 == 13 and not ended:
                self.patience(c)
        c.close()
        for topic in self.retained.states:
            self.retained.found("retained", topic, have.get(topic))

    def patience(self, c):
        c.tries = getattr(c, "tries", 0) + 1
        if c.tries > 200:
            raise Lost(f"retained messages are lost: {self.retained.states}")
        time.sleep(0.01)
        c.send(0xC0, b"")

    def verify_queue(self):
        """Everything that waits for the session that is away: QoS 1 at least once, QoS 2 once."""
        self.marker += 1
        self.publisher.finish(f"marker {self.marker}")
        c = RawMqtt(self.s.mqtt, self.s.kept, 4, "away", clean=False)
        if not c.present:
            raise Lost("the session that is away is not known any more")
        open2, ended = self.open2, False
        while not ended or open2:
            try:
                kind, body = c.packet(10)
            except TimeoutError:
                raise Lost(f"the queue of the session ends before marker {self.marker}") from None
            if kind >> 4 == PUBLISH:
                _, payload, qos, pid = c.read_publish(kind, body)
                if qos != 2 or pid not in open2:
                    self.got[payload] = self.got.get(payload, 0) + 1
                if qos == 2:
                    open2.add(pid)
                c.answer(PUBREC if qos == 2 else PUBACK, pid)
                ended = ended or payload == f"marker {self.marker}"
            elif kind >> 4 == PUBREL:
                pid = struct.unpack(">H", body[:2])[0]
                open2.discard(pid)
                c.answer(PUBCOMP, pid)
        c.send(0xC0, b"")  # its answer says that our last acknowledgements were read
        while c.packet()[0] >> 4 != 13:
            pass
        c.close()
        lost = [p for p in self.publisher.acked if p not in self.got]
        if lost:
            raise Lost(f"messages for the session that is away are lost: {lost[:10]} of {len(lost)}")
        twice = [p for p, n in self.got.items() if n > 1 and p.startswith("two")]
        if twice:
            raise Lost(f"QoS 2 messages that came twice: {twice[:10]} of {len(twice)}")
        self.got = {p: n for p, n in self.got.items() if p.startswith("two")}
        self.publisher.acked = []


class Publisher:
    """A persistent session that publishes QoS 1 and 2 in turn, and goes on where it was after each cut."""

    def __init__(self, life):
        self.life, self.pid = life, 0
        self.open = {}   # packet id -> [payload, qos, state]
        self.acked = []  # payloads that the server has taken over

    def connect(self):
        c = RawMqtt(self.life.s.mqtt, self.life.s.kept, 4, "publisher", clean=False)
        for pid, (payload, qos, state) in self.open.items():  # in the order in which they were sent
            if state == PUBREL:
                c.answer(PUBREL, pid)
            else:
                c.publish("q/x", payload, pid, qos, dup=True)
        return c

    def take(self, kind, body, c):
        pid = struct.unpack(">H", body[:2])[0]
        if kind >> 4 == PUBREC:
            if pid in self.open and self.open[pid][2] != PUBREL:
                self.acked.append(self.open[pid][0])
                self.open[pid][2] = PUBREL
            c.answer(PUBREL, pid)
        elif kind >> 4 in (PUBACK, PUBCOMP) and pid in self.open:
            payload, qos, _ = self.open.pop(pid)
            if qos == 1:
                self.acked.append(payload)

    def put(self, c, payload, qos):
        self.pid = self.pid % 60000 + 1
        while self.pid in self.open:
            self.pid = self.pid % 60000 + 1
        self.open[self.pid] = [payload, qos, PUBLISH]
        c.publish("q/x", payload, self.pid, qos)

    def run(self):
        c = self.connect()
        for turn in range(400):  # the session that is away keeps a thousand
            while len(self.open) >= 8:
                self.take(*c.packet(), c)
            if self.life.stop.is_set():
                break
            self.put(c, ("one " if turn % 2 else "two ") + str(self.life.next()), 1 if turn % 2 else 2)

    def finish(self, marker):
        """Everything open is finished, then the marker."""
        c = self.connect()
        self.put(c, marker, 1)
        while self.open:
            self.take(*c.packet(), c)
        c.close()


def has_sanitizers(path):
    with open(path, "rb") as f:
        return b"__asan_init" in f.read()


def plan_of(rng, memory):
    """A third of the rounds has no fault but the cut."""
    if memory and rng.random() < 0.25:
        return f";memory={rng.choice((100, 1000, 10000, 100000))}:{rng.choice((0, 100, 300))}"
    slow = f"slow={rng.choice((0, 500, 5000))};"
    at = rng.randrange(1, 300)
    return slow + rng.choice(("", "", f"short={at}", f"eio={at}", f"full={at}:{rng.choice((20, 300, 1500))}", f"sync={rng.randrange(1, 40)}"))


def main():
    lie = os.environ.get("SONGHUA_LIE") or skip("SONGHUA_LIE does not name lie.so")
    rng = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    begin, told, kinds, records, refused, counts, excuses = time.monotonic(), time.monotonic(), {}, 0, 0, [0, 0, 0], collections.Counter()
    life, memory = None, not has_sanitizers(binary())
    for turn in range(CUTS):
        if life is None:
            life = Life(lie, rng)
        plan, cut = plan_of(rng, memory), Cut(rng)
        early = rng.uniform(0, 0.4) if rng.random() < 0.15 else None
        try:
            said, n = life.round(plan, cut, early)
        except (Lost, Problem) as e:
            life.s.stop(kill=True)
            kept = tempfile.mkdtemp(prefix="songhua-power-lost-")
            shutil.copytree(life.folder, kept, dirs_exist_ok=True)
            sys.exit(f"round {turn} (seed {SEED}), plan '{plan}': {e}\n  the folder is kept in {kept}")
        kinds[said] = kinds.get(said, 0) + 1
        records += n
        if time.monotonic() > told + 60:
            told = time.monotonic()
            print(f"  {turn + 1} rounds, {kinds}", flush=True)
        if turn % LIFE == LIFE - 1 or turn == CUTS - 1:
            life.s.environment = {}
            life.s.start()
            life.verify()
            counts = [a + b for a, b in zip(counts, (sum(map(len, life.samples.values())), len(life.samples), life.marker))]
            refused += life.refused
            excuses.update(life.excuses)
            life.close()
            life = None
    print(f"{CUTS} power cuts in {time.monotonic() - begin:.0f} s: {kinds}; {records} changes of the disk followed, {refused} requests refused by a "
          f"failing disk; {counts[0]} samples in {counts[1]} points acknowledged, 0 lost, 0 false")
    for why, n in excuses.most_common(10):
        print(f"  did not start while its disk failed, {n} times: {why}")


if __name__ == "__main__":
    main()
