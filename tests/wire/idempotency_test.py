"""Idempotency-Key from outside: a repeat is answered and not done again - one after another, at once, by another principal, in another
tenant, after a restart and after kill -9 in the middle; a command reaches its device once; secrets are never shown twice.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import random
import sqlite3
import subprocess
import shutil
import sys
import threading
import time

from songhua import PASSWORD, Songhua, skip

WORD = "Songhua-keys-1898"
KILLS = 5


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


class Answer:
    def __init__(self, status, headers, data):
        self.status, self.headers, self.data = status, headers, data
        self.body = json.loads(data) if data and "json" in headers.get("Content-Type", "") else None
        self.code = (self.body or {}).get("code") if isinstance(self.body, dict) else None
        self.replayed = headers.get("Idempotency-Replayed")


def ask(s, path, body, key, token=None, method="POST", language="en", more=()):
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
    c.putrequest(method, path)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    if token != "":
        c.putheader("Authorization", "Bearer " + (token or s.token))
    c.putheader("Content-Length", str(len(data)))
    c.putheader("Accept-Language", language)
    for name, value in [("Idempotency-Key", k) for k in ([key] if isinstance(key, str) else key)] + list(more):
        c.putheader(name, value)
    c.endheaders(data)
    r = c.getresponse()
    out = Answer(r.status, r.headers, r.read())
    c.close()
    return out


def number_of(s, name):
    return sum(i["record"].get("name") == name for i in records(s))


def records(s, tenant=""):
    out, cursor = [], ""
    while True:
        page = s.get(f"/api/v1/records/order?limit=1000&cursor={cursor}&tenant={tenant}")
        out += page["items"]
        if not page["next"]:
            return out
        cursor = page["next"]


def metric(s, name):
    text = s.raw("GET", "/metrics")[2].decode()
    return float(next(line for line in text.splitlines() if line.startswith(f"songhua_{name} ")).split()[1])


def repeats(s):
    orders = "/api/v1/records/order"
    first = ask(s, orders, {"name": "a"}, "key-1")
    check("first", (first.status, first.replayed), (201, None))
    again = ask(s, orders, {"name": "a"}, "key-1")
    check("again", (again.status, again.replayed, again.data), (201, "true", first.data))
    check("ETag", again.headers["ETag"], first.headers["ETag"])
    quoted = ask(s, orders, {"name": "a"}, '"key-1"')
    check("as a quoted string", (quoted.replayed, quoted.data), ("true", first.data))
    check("once", number_of(s, "a"), 1)
    other = ask(s, orders, {"name": "b"}, "key-1")
    check("another body", (other.status, other.code), (422, "idempotency_mismatch"))
    other = ask(s, orders + "?id=x", {"name": "a"}, "key-1")
    check("another query", (other.status, other.code), (422, "idempotency_mismatch"))
    check("none of it", number_of(s, "b"), 0)
    check("another path", ask(s, "/api/v1/devices", {"id": "k1"}, "key-1").status, 201)
    check("a device again", ask(s, "/api/v1/devices", {"id": "k1"}, "key-1").status, 201)
    check("without a key", ask(s, "/api/v1/devices", {"id": "k1"}, []).status, 409)
    patched = ask(s, "/api/v1/devices/k1", {"name": "Presse"}, "p", method="PATCH")
    check("PATCH", (patched.status, patched.replayed), (200, None))
    revision = s.get("/api/v1/devices/k1")["revision"]
    check("PATCH again", ask(s, "/api/v1/devices/k1", {"name": "Presse"}, "p", method="PATCH").replayed, "true")
    check("changed once", s.get("/api/v1/devices/k1")["revision"], revision)
    # what was refused was not done: the key is free, and the corrected request may use it
    check("refused", ask(s, "/api/v1/devices", {"id": ""}, "key-2").status, 400)
    check("corrected", (ask(s, "/api/v1/devices", {"id": "k2"}, "key-2").status), 201)
    for bad in ("", "x" * 256, '"open', "中文".encode().decode("latin-1"), ["a", "b"]):
        a = ask(s, orders, {"name": "bad"}, bad)
        check(f"key {bad!r}", (a.status, a.code), (400, "idempotency_key"))
    check("not done", number_of(s, "bad"), 0)
    check("255 characters", ask(s, orders, {"name": "long"}, "x" * 255).status, 201)
    for language in ("zh", "en"):
        a = ask(s, orders, {"name": "b"}, "key-1", language=language)
        check("words", all(a.body[k] for k in ("title", "detail", "remedy")), True)
        check("language", any("\u4e00" <= c <= "\u9fff" for c in a.body["remedy"]), language == "zh")
    s.stop()
    s.start()
    again = ask(s, orders, {"name": "a"}, "key-1")
    check("after a restart", (again.status, again.replayed, again.data), (201, "true", first.data))
    # samples are the same by (point, time): a key is accepted, and nothing is stored
    for _ in range(2):
        check("ingest", ask(s, "/api/v1/ingest?device=d", {"ts": 1, "values": {"a": 1}}, "i").replayed, None)
    check("metrics", metric(s, "idempotency_replayed_total"), 1)
    print("repeats ok")


def principals(s):
    s.post("/api/v1/tenants", {"path": "park", "name": "Park"})
    s.post("/api/v1/people", {"name": "anna", "password": WORD, "roles": ["administrator"]})
    anna = s.call("POST", "/api/v1/sessions", {"user": "anna", "password": WORD})["token"]
    tokens = [s.make_token(name="same", roles=["administrator"])["token"] for _ in range(2)]
    orders = "/api/v1/records/order"
    for i, token in enumerate([s.token, anna, *tokens]):
        a = ask(s, orders, {"name": "p"}, "shared", token)
        check(f"principal {i}", (a.status, a.replayed), (201, None))
        check(f"principal {i} again", ask(s, orders, {"name": "p"}, "shared", token).replayed, "true")
    check("one each", number_of(s, "p"), 4)
    s.sign_in()  # another session of the same person
    check("another session", ask(s, orders, {"name": "p"}, "shared").replayed, "true")
    a = ask(s, "/api/v1/devices?tenant=park", {"id": "tn"}, "shared")
    check("another tenant", (a.status, a.replayed), (201, None))
    a = ask(s, "/api/v1/devices", {"id": "tn"}, "shared")
    check("the own tenant", (a.status, a.replayed), (201, None))
    check("nobody", ask(s, orders, {"name": "p"}, "shared", "none").status, 401)
    s.put("/api/v1/people/anna", {"name": "anna", "roles": ["viewer"]})
    check("a right taken away", ask(s, orders, {"name": "p"}, "shared", anna).status, 403)
    print("principals ok")


def secrets(s):
    calls = [("/api/v1/tokens", {"name": "t", "roles": ["viewer"]}, None), ("/api/v1/devices/k1/secret", {}, None),
             ("/api/v1/sessions", {"user": "admin", "password": PASSWORD}, "")]
    for path, body, token in calls:
        first = ask(s, path, body, "secret", token)
        check(path, first.status, 201)
        again = ask(s, path, body, "secret", token)
        check(path + " again", (again.status, again.code), (409, "idempotency_secret"))
        kept = first.body.get("token") or first.body.get("password")
        with sqlite3.connect(f"file:{s.data}/songhua.db?mode=ro", uri=True) as db:
            stored = "".join(str(row) for row in db.execute("SELECT key, answer FROM idem"))
        for word in (kept, "key-1", "Test-Harbin"):
            check(f"{word} at rest", word in stored, False)
    check("tokens", sum(t["name"] == "t" for t in s.get("/api/v1/tokens?limit=1000")["items"]), 1)
    print("secrets ok")


def together(s):
    for round_ in range(5):
        barrier, answers = threading.Barrier(12), []

        def one(name):
            barrier.wait()
            answers.append(ask(s, "/api/v1/records/order", {"name": name}, name))

        threads = [threading.Thread(target=one, args=(f"together{round_}",)) for _ in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        new = [a for a in answers if a.status == 201 and not a.replayed]
        check("done once", (len(new), number_of(s, f"together{round_}")), (1, 1))
        for a in answers:
            if a.status == 201:
                check("the same", a.data, new[0].data)
            else:
                check("busy", (a.status, a.code, a.headers["Retry-After"]), (409, "idempotency_busy", "1"))
    print("together ok")


class Machine:
    """A device that counts what it is told, by mosquitto_sub."""

    def __init__(self, s, user, password):
        self.file = os.path.join(s.data, "commands.txt")
        self.out = open(self.file, "ab")
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", user, "-P", password, "-t", "sh/v1/machine/cmd/+", "-q", "1",
             "-F", "%p"], stdout=self.out, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while s.get("/api/v1/devices/machine")["state"] != "online" and time.monotonic() < deadline:
            time.sleep(0.02)

    def told(self):
        with open(self.file, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def end(self):
        self.process.terminate()
        self.process.wait(10)
        self.out.close()


def commands(s):
    s.post("/api/v1/things", {"id": "mill", "name": "Mill", "properties": [{"id": "speed", "type": "f64", "access": "rw"}]})
    s.post("/api/v1/devices", {"id": "machine", "thing": "mill"})
    secret = s.post("/api/v1/devices/machine/secret", {})
    path = "/api/v1/devices/machine/commands"
    check("read-only", ask(s, path, {"property": "speed", "value": 1}, "c0").status, 403)
    s.post("/api/v1/devices/machine/write-enable", {"reason": "test", "until": int(time.time() * 1000) + 3_600_000})
    machine = Machine(s, secret["user"], secret["password"])
    first = ask(s, path, {"property": "speed", "value": 7}, "c0")  # refused before: the key was free
    check("command", first.status, 202)
    for _ in range(3):
        again = ask(s, path, {"property": "speed", "value": 7}, "c0")
        check("again", (again.status, again.replayed, again.data), (202, "true", first.data))
    deadline = time.monotonic() + 10
    while not machine.told() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    check("sent once", len(machine.told()), 1)
    machine.end()
    os.unlink(machine.file)
    print("commands ok")
    return secret


def hammer(s, keys, results):
    """Orders and commands by key, until the node is gone."""
    for key in keys:
        try:
            if key.startswith("o"):
                results[key] = ask(s, "/api/v1/records/order", {"name": key}, key)
            else:
                results[key] = ask(s, "/api/v1/devices/machine/commands", {"property": "speed", "value": float(key[1:])}, key)
        except (OSError, http.client.HTTPException):
            return


def kills(s, secret):
    seen = {"new": 0, "replayed": 0, "unknown": 0}
    for round_ in range(KILLS):
        machine = Machine(s, secret["user"], secret["password"])
        keys = [[f"{'oc'[w % 2]}{round_ * 100000 + w * 1000 + i}" for i in range(200)] for w in range(4)]
        results = {}
        threads = [threading.Thread(target=hammer, args=(s, k, results)) for k in keys]
        for t in threads:
            t.start()
        time.sleep(0.1 + random.random() * 0.4)
        s.stop(kill=True)
        for t in threads:
            t.join()
        machine.end()
        s.start()
        machine = Machine(s, secret["user"], secret["password"])
        for key in [k for w in keys for k in w[: 1 + sum(x in results for x in w)]]:
            again = {}
            hammer(s, [key], again)
            a, before = again[key], results.get(key)
            if before is not None:
                check(f"{key}: acknowledged", (a.replayed, a.data), ("true", before.data))
            elif a.status == 409:
                check(key, a.code, "idempotency_unknown")
                seen["unknown"] += 1
            else:
                check(key, a.status, 201 if key[0] == "o" else 202)
                seen["replayed" if a.replayed else "new"] += 1
        time.sleep(0.3)
        told = [c["value"] for c in machine.told()]
        check("told twice", [v for v in told if told.count(v) > 1], [])
        machine.end()
        os.unlink(machine.file)
    names = [i["record"]["name"] for i in records(s)]
    check("stored twice", [n for n in names if n[0] == "o" and names.count(n) > 1], [])
    print("kills ok", seen)


def unknown(s):
    """The process died between the reservation and the answer: made by taking the answer out of the stopped node's file."""
    check("done", ask(s, "/api/v1/records/order", {"name": "lost"}, "lost").status, 201)
    s.stop()
    with sqlite3.connect(s.data + "/songhua.db") as db:
        check("rows", db.execute("UPDATE idem SET answer='' WHERE answer LIKE '%\"lost\"%'").rowcount, 1)
    db.close()
    s.start()
    for _ in range(2):
        a = ask(s, "/api/v1/records/order", {"name": "lost"}, "lost")
        check("unknown", (a.status, a.code), (409, "idempotency_unknown"))
    check("not done again", number_of(s, "lost"), 1)
    check("a new key", ask(s, "/api/v1/records/order", {"name": "lost"}, "lost-2").status, 201)
    print("unknown ok")


if shutil.which("mosquitto_sub") is None:
    skip("mosquitto_sub is not installed")
with Songhua() as node:
    node.post("/api/v1/types", {"name": "order", "title": {"zh": "订单", "en": "Order"}, "schema": {"type": "object"}})
    repeats(node)
    principals(node)
    secrets(node)
    together(node)
    kills(node, commands(node))
    unknown(node)
