"""A token that shows one dashboard: every route of /api/v1/openapi.json refuses it but the four that the page needs, and these show what
that dashboard names and nothing else; PostgreSQL, MQTT and SQL do not know it. Made by who may, audited, listed, revoked at once, there
after kill -9; a change of the dashboard ends its stream, a state of a device reaches it.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import re
import shutil
import subprocess
import sys
import threading
import time

from songhua import Songhua, free_ports

WORD = "Songhua-panels-1898"
T = 1_700_000_000_000
ALLOWED = {"stream", "dashboardData", "getDashboard", "queryHistory"}


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def raw(s, method, path, token=None, body=None, **headers):
    head = {"Accept-Language": "en", **({"Authorization": "Bearer " + token} if token else {}), **headers}
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=30)
    try:
        c.request(method, path, None if body is None else json.dumps(body).encode(), head)
        a = c.getresponse()
        data = a.read()
        return a.status, json.loads(data) if data[:1] in (b"{", b"[") else data
    finally:
        c.close()


class Stream(threading.Thread):
    def __init__(self, s, query, token):
        super().__init__(daemon=True)
        self.c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
        self.c.request("GET", f"/api/v1/stream{query}", headers={"Authorization": "Bearer " + token})
        self.answer = self.c.getresponse()
        self.status, self.events, self.seen, self.ended = self.answer.status, [], {}, False
        self.start()

    def run(self):
        event = ""
        try:
            for line in self.answer:
                text = line.decode().strip()
                if text.startswith("event: "):
                    event = text[7:]
                elif text.startswith("data: "):
                    self.events.append((event, text[6:]))
                    if event == "samples":
                        self.seen.update(json.loads(text[6:]))
        except OSError:
            pass
        self.ended = True

    def wait(self, what, good):
        end = time.monotonic() + 20
        while not good(self):
            if time.monotonic() > end:
                sys.exit(f"stream: {what}: {self.seen} {self.events[-3:]} {self.ended}")
            time.sleep(0.05)


def board(s, points, devices, name="wall"):
    return s.post("/api/v1/dashboards", {"name": name, "widgets": [
        {"id": "a", "kind": "chart", "x": 0, "y": 0, "w": 6, "h": 4, "points": points},
        {"id": "b", "kind": "devices", "x": 6, "y": 0, "w": 6, "h": 4, "devices": devices}]})


def every_route(s, token, shown, other):
    """Filled with ids that exist: nothing but the refusal comes."""
    ids = {"dashboards": other["id"], "devices": "near", "people": "admin", "roles": "viewer", "tokens": "t", "assets": "site", "things": "pump"}
    calls = 0
    for path, methods in s.get("/api/v1/openapi.json")["paths"].items():
        for method, route in methods.items():
            name = route["operationId"]
            noun = re.search(r"/(\w+)/\{(id|name)\}", path)
            real = re.sub(r"\{(\w+)\}", lambda m, n=noun: ids.get(n.group(1), "x") if n else "x", path)
            if route["x-permission"] == "public" or name in ALLOWED:
                continue
            for variant in (real, real + "?tenant="):
                status, problem = raw(s, method.upper(), variant, token, {} if "requestBody" in route else None)
                check(f"{method} {variant}", (status, problem["code"], "one dashboard" in problem["detail"]), (403, "denied", True))
                calls += 1
    for path in (f"/api/v1/dashboards/{shown['id']}?tenant=below", "/api/v1/stream?tenant=below"):
        check(path, raw(s, "GET", path, token)[0], 403)
    return calls


def what_it_shows(s, token, shown, other):
    status, got = raw(s, "GET", f"/api/v1/dashboards/{shown['id']}", token)
    check("its dashboard", (status, got["widgets"], got["hidden"]), (200, shown["widgets"], 0))
    check("another dashboard", raw(s, "GET", f"/api/v1/dashboards/{other['id']}", token)[0], 404)
    names = {"points": ["near/f", "near/g", "far/f", "TAG-G"], "devices": ["near", "far"]}
    status, data = raw(s, "POST", "/api/v1/dashboards/data", token, names)
    check("data", (status, sorted(data["points"]), sorted(data["devices"])), (200, ["near/f"], ["near"]))
    ask = {"from": 0, "to": 4_000_000_000_000}
    check("history", raw(s, "POST", "/api/v1/history/query", token, {"points": ["near/f"], **ask})[1]["series"][0]["value"], [1.0])
    for point in ("near/g", "far/f", "TAG-G", "none/x"):
        status, problem = raw(s, "POST", "/api/v1/history/query", token, {"points": ["near/f", point], **ask})
        check(f"history of {point}", (status, problem["code"]), (404, "unknown_point"))


def streams(s, token, shown, admin):
    for query in ("", "?points=near/g,far/f&missing=skip&devices=near,far&overview=1", "?dashboard=other"):
        x = Stream(s, query, token)
        x.wait("its point", lambda x: "near/f" in x.seen)
        s.post("/api/v1/ingest?device=near", {"f": 2, "g": 2})
        x.wait("a new value", lambda x: x.seen["near/f"][-1][1] == 2.0)
        check(f"nothing else by {query!r}", (sorted(x.seen), {e for e, _ in x.events} - {"samples", "ping", "device"}), (["near/f"], set()))
        s.post("/api/v1/ingest?device=near", {"f": 1})
        x.c.sock.close() if x.c.sock else None
    check("a point that is not shown", Stream(s, "?points=far/f", token).status, 404)
    hears = Stream(s, "", token)
    hears.wait("its point", lambda x: "near/f" in x.seen)
    s.post("/api/v1/devices", {"id": "late"})
    s.post("/api/v1/ingest?device=late", {"f": 1})
    s.call("PUT", f"/api/v1/dashboards/{shown['id']}", {"name": "wall", "widgets": shown["widgets"] + [
        {"id": "c", "kind": "value", "x": 0, "y": 4, "w": 3, "h": 3, "points": ["late/f"]}]})
    hears.wait("ends when the dashboard is changed", lambda x: x.ended)
    check("another's device is unheard", [e for e in hears.events if "late" in e[1]], [])
    again = Stream(s, "", token)
    again.wait("the new point", lambda x: {"near/f", "late/f"} <= set(x.seen))
    check("and its history", raw(s, "POST", "/api/v1/history/query", token, {"points": ["late/f"], "from": 0, "to": 4_000_000_000_000})[0], 200)
    return again


def other_doors(s, token, name, pg):
    check("sign-in", raw(s, "POST", "/api/v1/sessions", None, {"user": name, "password": token})[0], 401)
    for user in ("admin", name):
        if shutil.which("psql"):
            run = subprocess.run(["psql", f"host=127.0.0.1 port={pg} user={user} password={token} dbname=songhua sslmode=disable", "-c", "SELECT * FROM points"],
                                 capture_output=True, text=True, check=False, timeout=30)
            check(f"psql as {user}: {run.stdout}", run.returncode != 0, True)
    if shutil.which("mosquitto_pub"):
        run = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", token, "-P", "", "-t", "x", "-m", "x"],
                             capture_output=True, text=True, check=False, timeout=30)
        check("MQTT", run.returncode != 0, True)


pg = free_ports(1)[0]
with Songhua({"pg.listen": f"127.0.0.1:{pg}"}) as s:
    s.post("/api/v1/things", {"id": "pump", "properties": [{"id": "f", "type": "f64"}]})
    s.post("/api/v1/assets", {"id": "site", "kind": "site", "name": "site"})
    s.post("/api/v1/tenants", {"path": "below"})
    for device in ("near", "far"):
        s.post("/api/v1/devices", {"id": device, "thing": "pump"})
        s.post(f"/api/v1/ingest?device={device}", {"ts": T, "values": {"f": 1, "g": 1}})
    s.call("PATCH", "/api/v1/points/near/g", {"tag": "TAG-G"})
    shown, other = board(s, ["near/f"], ["near"]), board(s, ["far/f"], ["far"], "other")

    # who may make one, and of what
    for bad in ({"dashboard": "none"}, {"dashboard": "x" * 40}):
        check(f"{bad}", raw(s, "POST", "/api/v1/tokens", s.token, {"name": "x", **bad})[0], 404)
    for more in ({"roles": ["viewer"]}, {"permissions": ["devices.read"]}, {"device": "near"}, {"asset": "site"}, {"label": "a:b"}, {"provision": True}):
        status, problem = raw(s, "POST", "/api/v1/tokens", s.token, {"name": "x", "dashboard": shown["id"], **more})
        check(f"{more}", (status, problem["detail"].startswith("/dashboard")), (400, True))
    s.put("/api/v1/roles/tokener", {"permissions": ["tokens.write", "tokens.read", "dashboards.read"]})
    s.post("/api/v1/people", {"name": "clerk", "password": WORD, "roles": ["tokener"]})
    clerk = s.post("/api/v1/sessions", {"user": "clerk", "password": WORD})["token"]
    check("not seen", raw(s, "POST", "/api/v1/tokens", clerk, {"name": "x", "dashboard": shown["id"]})[0], 404)
    share = {"name": "wall", "shared": True, "widgets": shown["widgets"]}
    s.call("PUT", f"/api/v1/dashboards/{shown['id']}", share)
    check("no more than one holds", raw(s, "POST", "/api/v1/tokens", clerk, {"name": "x", "dashboard": shown["id"]})[0], 403)
    shown = s.call("PUT", f"/api/v1/dashboards/{shown['id']}", {**share, "shared": False})

    made = s.make_token(name="hall 1", dashboard=shown["id"])
    token = made["token"]
    check("made", (made["dashboard"], made["permissions"], made["roles"], made["expires"]), (shown["id"], [], [], None))
    check("listed", [t["dashboard"] for t in s.get("/api/v1/tokens?q=hall")["items"]], [shown["id"]])
    entry = s.get("/api/v1/audit?act=token.created")["items"][0]
    check("audited", ("hall 1" in entry["object"], shown["id"] in json.dumps(entry["detail"])), (True, True))
    print("  routes refused:", every_route(s, token, shown, other), flush=True)
    what_it_shows(s, token, shown, other)
    other_doors(s, token, made["id"], pg)
    open_stream = streams(s, token, shown, s.token)
    s.stop(kill=True)
    s.start()
    check("after kill -9", raw(s, "GET", f"/api/v1/dashboards/{shown['id']}", token)[0], 200)
    x = Stream(s, "", token)
    x.wait("its points", lambda x: {"near/f", "late/f"} <= set(x.seen))
    check("revoked", raw(s, "DELETE", f"/api/v1/tokens/{made['id']}", s.token)[0], 204)
    x.wait("ends with the token", lambda x: x.ended)
    check("is out", raw(s, "GET", f"/api/v1/dashboards/{shown['id']}", token)[0], 401)
    gone = s.make_token(name="hall 2", dashboard=other["id"])["token"]
    raw(s, "DELETE", f"/api/v1/dashboards/{other['id']}", s.token)
    check("without its dashboard", (raw(s, "GET", f"/api/v1/dashboards/{other['id']}", gone)[0], Stream(s, "", gone).status), (404, 404))
    check("nothing else then", raw(s, "POST", "/api/v1/history/query", gone, {"points": ["far/f"], "from": 0, "to": 1})[0], 404)
print("panel: ok")
