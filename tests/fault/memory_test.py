#!/usr/bin/python3 -B
"""Short memory (lie.c): one allocation in some hundreds fails, all over the process. A request gets its answer or 503, never words about a
mistake that its sender did not make (400, 404, 422), never 500; and when memory is there again, everything works.

SONGHUA_LIE names lie.so; without sanitizers only, which bring an allocator of their own. SPDX-License-Identifier: Apache-2.0
"""
import collections
import http.client
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wire"))
from songhua import PASSWORD, Songhua, binary, skip

T = 1_700_000_000_000
BEGIN_MS, ROUNDS = 4000, 40
POINT = "dev1.north/temperature"
QUERY = "/api/v1/history/query"
ASKED = (  # method, path, body; %d is another number each time
    ("GET", "/api/v1/devices?limit=3", None),
    ("GET", "/api/v1/devices/dev1.north/latest", None),
    ("GET", "/api/v1/points?limit=50", None),
    ("GET", "/api/v1/openapi.json", None),
    ("GET", "/api/v1/audit?limit=20&q=token", None),
    ("GET", "/api/v1/records/order?filter=n%%3E0", None),
    ("GET", "/api/v1/prom/api/v1/query?query=temperature%%7Bsite%%3D%%22north%%22%%7D", None),
    ("POST", QUERY, {"points": [POINT], "from": T, "to": T + 100000}),
    ("POST", QUERY, {"points": [POINT], "from": T, "to": T + 100000, "step": "10s", "aggregate": ["mean", "max"]}),
    ("POST", "/api/v1/ingest?device=dev1.north", {"temperature": 1.5, "a name of more than sixteen bytes": 2}),
    ("POST", "/api/v1/ingest?device=new%d", {"temperature": 1.5}),
    ("POST", "/write?precision=ms", "dev1,site=north temperature=1.5 170000%07d"),
    ("POST", "/api/v1/records/order", {"id": "o%d", "n": 12345678901234567, "name": "more than sixteen bytes of text"}),
    ("POST", "/api/v1/sql", {"sql": "select name, device from points where device like 'dev%%' order by 1"}),
    ("POST", "/api/v1/tokens", {"name": "t%d", "roles": ["viewer"]}),
    ("POST", "/api/v1/sessions", {"user": "admin", "password": PASSWORD}),
)


def has_sanitizers(path):
    with open(path, "rb") as f:
        return b"__asan_init" in f.read()


class Asker:
    def __init__(self, port, token):
        self.port, self.token, self.number = port, token, 0

    def ask(self, method, path, body):
        """Status and body; None when there was no memory for the connection or for a whole answer."""
        self.number += 1
        body = json.dumps(body) if isinstance(body, dict) else body
        path, body = (t and (t % self.number if "%d" in t or "%0" in t else t.replace("%%", "%")) for t in (path, body))
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request(method, path, body, {"Authorization": "Bearer " + self.token})
            a = c.getresponse()
            return a.status, a.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            c.close()


def main():
    lie = os.environ.get("SONGHUA_LIE")
    if lie is None or has_sanitizers(binary()):
        skip("needs lie.so (SONGHUA_LIE) and a binary without sanitizers")
    with tempfile.TemporaryDirectory(prefix="songhua-memory-") as folder:
        data = os.path.join(folder, "data")
        os.mkdir(data)
        with Songhua({"log.level": "error"}, data=data) as s:  # a start needs its memory
            s.post("/api/v1/types", {"name": "order", "schema": {"type": "object"}})
            s.write_lines("\n".join(f"dev{j},site=north temperature={i + 0.5} {(T + i * 1000) * 1000000}" for j in range(5) for i in range(200)))
            token = s.make_token(name="memory", roles=["administrator"])["token"]
            asker = Asker(s.http, token)
            normal = [asker.ask(*a) for a in ASKED]
        s = Songhua({"log.level": "error"}, data=data, start=False,
                    environment={"LD_PRELOAD": lie, "LIE_DIR": data, "LIE_TRACE": os.path.join(folder, "trace"),
                                 "LIE_PLAN": f"memory=300:{BEGIN_MS}"})
        with s:
            begin = time.monotonic()
            s.start()
            asker.port = s.http
            time.sleep(max(0, begin + BEGIN_MS / 1000 + 0.2 - time.monotonic()))
            wrong, seen = [], collections.Counter()
            for _ in range(ROUNDS):
                for a, (good, _) in zip(ASKED, normal):
                    got = asker.ask(*a)
                    seen[got and got[0]] += 1
                    if got is not None and got[0] not in (good, 503):
                        wrong.append((a[:2], got[0], got[1][:300]))
            assert s.process.poll() is None, s.log_text()[-3000:]
    print(dict(seen), "normally", [n[0] for n in normal])
    # A sign-in that had no memory may be told to come again later.
    wrong = [w for w in wrong if not (w[0][1] == "/api/v1/sessions" and w[1] == 429)]
    assert not wrong, wrong[:10]
    assert seen[503] > ROUNDS, seen
    assert all(n[0] < 300 for n in normal), normal


if __name__ == "__main__":
    main()
