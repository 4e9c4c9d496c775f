"""Attacks by hand on the real server: paths that climb, headers that split, requests in two lengths, sessions that an attacker chose,
calls from other sites, bodies that inflate, heads without end, and quotas raced for. What an attacker puts into names is tried in the
browser (tests/web/security.test.js). There are no JSON web tokens here, so their confusions do not apply, and nothing calls out to
addresses that a user gives, so neither does SSRF (net.http_client tests the client that later parts will use).
SPDX-License-Identifier: Apache-2.0
"""
import base64
import gzip
import http.client
import json
import os
import socket
import struct
import sys
import tempfile
import threading
import time

from songhua import PASSWORD, Problem, Songhua

MIB = 1 << 20


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def talk(s, data, timeout=20, most=4 * MIB):
    """Sends bytes as they are; everything that comes back until the server closes (or says nothing more for a second)."""
    out = b""
    with socket.create_connection(("127.0.0.1", s.http), timeout=timeout) as c:
        try:
            c.sendall(data)
        except OSError:
            pass  # refused while it was sent
        c.settimeout(1)
        while len(out) < most:
            try:
                got = c.recv(65536)
            except TimeoutError:
                return out, False
            except OSError:
                break
            if not got:
                break
            out += got
    return out, True


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def ready(s, what):
    check(f"ready after {what}", s.raw("GET", "/readyz")[0], 200)
    if s.process.poll() is not None:
        sys.exit(f"the server ended after {what}")


# ---- files ----

CLIMBS = ["/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "//etc/passwd", "/assets/../../../../etc/passwd",
          "/assets/..%5c..%5c..%5cetc%5cpasswd", "/assets/%252e%252e/%252e%252e/etc/passwd", "/index.html%00.js", "/./././../keys/node.key",
          "/api/v1/../../keys/node.key", "/api/v1/things/..%2f..%2f..%2fkeys%2fnode.key", "/api/v1/backups/..%2f..%2fkeys", "/%c0%ae%c0%ae/etc/passwd",
          "/api/v1/devices/%2e%2e%2f%2e%2e%2fkeys%2fnode.key/latest", "/keys/node.key", "/songhua.db", "http://127.0.0.1/../../etc/passwd"]


def paths_that_climb(s):
    with open(os.path.join(s.data, "keys", "node.key"), "rb") as f:
        key = f.read().strip()
    for path in CLIMBS:
        answer, _ = talk(s, f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {s.token}\r\nConnection: close\r\n\r\n".encode())
        if status_of(answer) not in (200, 301, 302, 308, 400, 404, 405):
            sys.exit(f"{path}: {answer[:200]!r}")
        if b"root:" in answer or key in answer or b"SQLite format" in answer or b"BEGIN" in answer:
            sys.exit(f"{path} gives a file away: {answer[:400]!r}")
    outside = os.path.join(os.path.dirname(s.backups), "keep-me")
    os.mkdir(outside)
    for name in ("..%2fkeep-me", "%2e%2e%2fkeep-me", "..", ".", "%2fetc", "songhua-20260102T030405Z%2f..%2f..%2fkeep-me"):
        status = s.raw("DELETE", f"/api/v1/backups/{name}")[0]
        if not 400 <= status < 500 or not os.path.isdir(outside):
            sys.exit(f"DELETE backups/{name}: {status}")
    os.rmdir(outside)


# ---- heads ----


def headers_that_split(s):
    """Nothing that a caller says becomes a line of the answer's head."""
    evil = "x%0d%0aSet-Cookie:%20songhua_session=evil%0d%0a%0d%0a"
    for path in (f"/{evil}", f"/api/v1/devices/{evil}", f"/api/v1/history/export?points={evil}", f"/api/v1/devices?cursor={evil}",
                 f"/api/v1/audit/export?q={evil}", f"/api/v1/devices/export?format={evil}", f"/api/v1/devices/{evil}/latest"):
        answer, _ = talk(s, f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {s.token}\r\nConnection: close\r\n\r\n".encode())
        head = answer.partition(b"\r\n\r\n")[0].lower()
        if b"set-cookie" in head or b"evil" in head:
            sys.exit(f"{path} splits the answer: {head!r}")
    for raw in (b"X-A: 1\rSet-Cookie: a=b", b"X-A: 1\nSet-Cookie: a=b", b"X-A: 1\x00", b"X\r\n folded: 1", b" X-A: 1", b"X A: 1", b": 1"):
        answer, closed = talk(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + raw + b"\r\n\r\n")
        check(f"a bad line {raw!r}", (status_of(answer) == 200 and raw not in (b"X-A: 1\nSet-Cookie: a=b",), closed or status_of(answer) == 200),
              (False, True))
    try:
        s.post("/api/v1/devices", {"id": "a\r\nSet-Cookie: x=1"})
        sys.exit("a device id with a line end was taken")
    except Problem as p:
        check("device id with a line end", p.status, 400)


SMUGGLED = b"GET /api/v1/config HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n"


def two_lengths(s):
    """RFC 9112 6.1, 6.3: what has two lengths is refused and the connection closed: the second request in it is never answered."""
    second = SMUGGLED % s.token.encode()
    heads = [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(second)),
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 0, 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 18446744073709551616\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding\n: chunked\r\n",
    ]
    for head in heads:
        data = b"POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + head + b"\r\n0\r\n\r\n" + second
        answer, closed = talk(s, data)
        if not 400 <= status_of(answer) <= 501 or not closed or answer.count(b"HTTP/1.1 ") != 1 or b"http.listen" in answer:
            sys.exit(f"{head!r}: closed {closed}: {answer[:600]!r}")
    for chunk in (b"5;\x00\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"-5\r\n", b"ffffffffffffffff1\r\n", b"5\r\nhelloX\r\n0\r\n\r\n",
                  b" 5\r\nhello\r\n0\r\n\r\n"):
        data = b"POST /api/v1/sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + second
        answer, closed = talk(s, data)
        if not 400 <= status_of(answer) < 500 or not closed or answer.count(b"HTTP/1.1 ") != 1:
            sys.exit(f"chunk {chunk!r}: closed {closed}: {answer[:600]!r}")
    for line in (b"GET  /healthz HTTP/1.1", b"GET /healthz HTTP/1.1 x", b"GET /healthz HTTP/9.9", b"GET\t/healthz\tHTTP/1.1", b"GET /a b HTTP/1.1"):
        answer, closed = talk(s, line + b"\r\nHost: a\r\n\r\n")
        check(f"request line {line!r}: {answer[:80]!r}", (400 <= status_of(answer) <= 505, closed), (True, True))
    answer, _ = talk(s, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
    check("no Host (RFC 9112 3.2)", status_of(answer), 400)
    answer, _ = talk(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n")
    check("two Hosts (RFC 9112 3.2)", status_of(answer), 400)
    for method in (b"TRACE", b"CONNECT", b"DEBUG"):
        answer, _ = talk(s, method + b" / HTTP/1.1\r\nHost: a\r\nX-Secret: 42\r\nConnection: close\r\n\r\n")
        if status_of(answer) not in (400, 404, 405, 501) or b"42" in answer.partition(b"\r\n\r\n")[2]:
            sys.exit(f"{method!r}: {answer[:300]!r}")


def heads_without_end(s):
    before = s.memory_kib()
    answer, closed = talk(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (4 * MIB))
    check(f"a long header: {answer[:60]!r}", (status_of(answer), closed), (431, True))
    answer, closed = talk(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(20000)) + b"\r\n")
    check("many headers", (status_of(answer), closed), (431, True))
    answer, closed = talk(s, b"GET /" + b"a" * MIB + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    check("a long path", (status_of(answer), closed), (414, True))
    many = [socket.create_connection(("127.0.0.1", s.http), timeout=20) for _ in range(200)]
    for c in many:
        c.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 15000)  # unfinished
    ready(s, "200 unfinished heads")
    for c in many:
        c.close()
    grown = s.memory_kib() - before
    if grown > 96 << 10:
        sys.exit(f"unfinished heads took {grown} KiB")


# ---- bodies ----


def bombs(s):
    """Bodies that inflate, nest or claim: refused, in bounded memory."""
    before = s.memory_kib()
    zeros = gzip.compress(b"\n" * (64 * MIB), 9)
    lines = gzip.compress(b"m v=1 1\n" * (8 * MIB), 9)
    twice = gzip.compress(zeros, 9)
    for path, kind in (("/write", "text/plain"), ("/api/v2/write", "text/plain"), ("/api/v1/ingest?device=d", "application/json"),
                       ("/api/v1/prom/write", "application/x-protobuf"), ("/api/v1/sessions", "application/json"), ("/api/v1/devices", "application/json")):
        for name, body in (("zeros", zeros), ("lines", lines), ("gzip of gzip", twice)):
            status = s.raw("POST", path, body, {"Content-Encoding": "gzip", "Content-Type": kind})[0]
            if not 400 <= status < 500:
                sys.exit(f"{path}, {name}: {status}")
    claim = b"\xff\xff\xff\xff\x0f" + b"\x00" * 64  # snappy that says it holds 4 GiB
    status = s.raw("POST", "/api/v1/prom/write", claim, {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"})[0]
    check("snappy that claims", 400 <= status < 500, True)
    for name, body in (("nested lists", b"[" * MIB), ("nested objects", b'{"a":' * (MIB // 5)), ("twice the same key", b'{"user":"a","user":"b"}'),
                       ("a long number", b'{"user":' + b"9" * MIB + b"}"), ("NaN", b'{"user":NaN}'), ("half a character", b'{"user":"\xf0\x9f"}'),
                       ("NUL", b'{"user":"a\\u0000b","password":"x"}')):
        for path in ("/api/v1/sessions", "/api/v1/devices", "/api/v1/things/import"):
            status = s.raw("POST", path, body, {"Content-Type": "application/json"})[0]
            if not 400 <= status < 500:
                sys.exit(f"{path}, {name}: {status}")
    grown = s.memory_kib() - before
    if grown > 192 << 10:
        sys.exit(f"bombs took {grown} KiB")
    ready(s, "bombs")


# ---- sessions and other sites ----


def browser(s, method, path, headers, body=None):
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
    c.request(method, path, None if body is None else json.dumps(body), dict(headers, **{"Content-Type": "application/json"}))
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, r.headers, data


def sessions_and_sites(s):
    here = f"http://127.0.0.1:{s.http}"
    chosen = "songhua_session=shs_" + "A" * 43
    credentials = {"user": "admin", "password": PASSWORD}
    status, head, data = browser(s, "POST", "/api/v1/sessions", {"Cookie": chosen}, credentials)
    check("sign-in with a chosen cookie", status, 201)
    cookie = head["Set-Cookie"].partition(";")[0]
    check("another cookie is given", cookie != chosen and cookie.startswith("songhua_session="), True)
    for flag in ("HttpOnly", "SameSite=Strict", "Path=/"):
        check(f"cookie has {flag}", flag in head["Set-Cookie"], True)
    check("the chosen one is no session", browser(s, "GET", "/api/v1/sessions/current", {"Cookie": chosen})[0], 401)
    csrf = json.loads(data)["csrf"]
    second = json.loads(browser(s, "POST", "/api/v1/sessions", {}, credentials)[2])["csrf"]
    device = {"id": "made-by-csrf"}
    for name, headers in (("no token", {}), ("a wrong token", {"X-CSRF-Token": "x" * len(csrf)}), ("the token of another session", {"X-CSRF-Token": second}),
                          ("another site", {"X-CSRF-Token": csrf, "Origin": "http://evil.example"}), ("no site", {"X-CSRF-Token": csrf, "Origin": "null"}),
                          ("a site like this", {"X-CSRF-Token": csrf, "Origin": here + ".evil.example"}),
                          ("another port", {"X-CSRF-Token": csrf, "Origin": "http://127.0.0.1:1"})):
        check(f"CSRF: {name}", browser(s, "POST", "/api/v1/devices", dict(headers, Cookie=cookie), device)[0], 403)
    check("the right token", browser(s, "POST", "/api/v1/devices", {"Cookie": cookie, "X-CSRF-Token": csrf, "Origin": here}, device)[0], 201)
    check("method override", browser(s, "GET", "/api/v1/devices/made-by-csrf", {"Cookie": cookie, "X-HTTP-Method-Override": "DELETE"})[0], 200)
    check("it is still there", browser(s, "GET", "/api/v1/devices/made-by-csrf", {"Cookie": cookie})[0], 200)
    for method in ("GET", "OPTIONS", "POST"):
        head = browser(s, method, "/api/v1/devices", {"Cookie": cookie, "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})[1]
        check(f"{method}: no other site is let in", [k for k in head if k.lower().startswith("access-control-")], [])
    key = base64.b64encode(b"0123456789abcdef").decode()
    socket_headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
                      "Sec-WebSocket-Protocol": "mqtt", "Origin": "http://evil.example", "Cookie": cookie}
    check("a WebSocket of another site", browser(s, "GET", "/mqtt", socket_headers)[0], 403)
    status, head, _ = browser(s, "GET", "/", {})
    check("page", status, 200)
    for name, want in (("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", None)):
        if name not in head or (want and head[name] != want):
            sys.exit(f"the page has no {name}: {dict(head)}")
    check("frames", "frame-ancestors 'none'" in head["Content-Security-Policy"], True)
    check("no answer over HTTP asks for TLS only (RFC 6797 7.2)", "Strict-Transport-Security" in head, False)
    for path in ("/", "/index.html", "/icon.svg", "/api/v1/devices", "/api/v1/devices/export", "/api/v1/audit/export", "/metrics", "/api/v1/nothing",
                 "/api/v1/sessions/current"):
        status, head, data = browser(s, "GET", path, {"Cookie": cookie, "Accept-Encoding": "gzip", "Accept": "text/html, */*"})
        names = [k.lower() for k in head]
        check(f"{path}: each field once", sorted(names), sorted(set(names)))
        check(f"{path}: nosniff", head["X-Content-Type-Options"], "nosniff")
        if path in ("/", "/api/v1/sessions/current"):  # secrets: a nonce, the CSRF token (BREACH)
            check(f"{path} is not compressed", head.get("Content-Encoding"), None)
    status = browser(s, "DELETE", "/api/v1/sessions/current", {"Cookie": cookie, "X-CSRF-Token": csrf})[0]
    check("signed out", (status, browser(s, "GET", "/api/v1/sessions/current", {"Cookie": cookie})[0]), (204, 401))


# ---- races ----


def quota_race(s):
    """Threads that make devices by three ways at once: never one more than the quota."""
    s.post("/api/v1/tenants", {"path": "race", "quotas": {"devices": 25}})
    token = s.post("/api/v1/tokens?tenant=race", {"name": "r", "roles": ["engineer", "ingest"]})["token"]
    made, odd, gate = [], [], threading.Barrier(12)

    def work(k):
        gate.wait()
        c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
        for i in range(10):
            name = f"r-{k}-{i}"
            if k % 3 == 0:
                ask = ("/api/v1/devices", json.dumps({"id": name}), "application/json")
            elif k % 3 == 1:
                ask = (f"/api/v1/ingest?device={name}", '{"a":1}', "application/json")
            else:
                ask = ("/api/v1/devices/import?format=csv", f"id,name\n{name},x\n", "text/csv")
            c.request("POST", ask[0], ask[1], {"Authorization": "Bearer " + token, "Content-Type": ask[2]})
            r = c.getresponse()
            r.read()
            (made if r.status < 300 else odd).append((r.status, ask[0]))
        c.close()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    total = s.get("/api/v1/devices?tenant=race&limit=1000")["items"]
    check("devices of the quota", len(total), 25)
    check("refusals", {x for x, _ in odd} <= {400, 403, 409, 413, 422, 429}, True)
    s.delete(f"/api/v1/devices/{total[0]['id']}?tenant=race")
    s.post("/api/v1/devices?tenant=race", {"id": "again"})
    check("after one went", len(s.get("/api/v1/devices?tenant=race&limit=1000")["items"]), 25)
    s.stop(kill=True)
    s.start()
    use = s.get("/api/v1/tenants/race")["use"]
    check("what is used, after a restart", (use["devices"], use["points"] > 0), (25, True))
    try:
        s.post("/api/v1/devices?tenant=race", {"id": "one-more"})
        sys.exit("a restart made room in the quota")
    except Problem as p:
        check("the quota after a restart", p.status, 422)


def sign_in_race(s):
    """Wrong passwords sent at once lock as many sent in turn do."""
    s.post("/api/v1/people", {"name": "wei", "roles": ["viewer"], "password": "Songhua-river-ice-3"})
    answers, gate = [], threading.Barrier(16)

    def work(k):
        gate.wait()
        answers.append(browser(s, "POST", "/api/v1/sessions", {}, {"user": "wei", "password": f"guess-{k}"})[0])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("answers", set(answers) <= {401, 429, 503}, True)
    check("some were locked out", 429 in answers, True)


def mqtt_heads(s):
    """Lengths that lie, on the other port."""
    for data in (b"\x10\xff\xff\xff\x7f" + b"\x00" * 100, b"\x10\xff\xff\xff\xff\x7f", b"\x30\xff\xff\xff\x7f", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"\x10\x0c" + struct.pack(">H", 65535) + b"MQTT\x05\x02\x00\x3c", b"\x16\x03\x01\x02\x00\x01"):
        with socket.create_connection(("127.0.0.1", s.mqtt), timeout=20) as c:
            c.sendall(data)
            try:
                while c.recv(4096):
                    pass
            except ConnectionError:
                pass
    ready(s, "bad MQTT")


def main():
    with tempfile.TemporaryDirectory(prefix="songhua-attacks-") as outside:
        backups = os.path.join(outside, "backups")
        with Songhua({"backup.dir": backups}) as s:
            s.backups = backups
            for attack in (paths_that_climb, headers_that_split, two_lengths, heads_without_end, bombs, sessions_and_sites, quota_race, mqtt_heads,
                           sign_in_race):
                begin = time.monotonic()
                attack(s)
                ready(s, attack.__name__)
                print(f"{attack.__name__}: {time.monotonic() - begin:.1f} s")
            check("stop", s.stop(), 0)


main()
