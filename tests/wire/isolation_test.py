"""What is another's stays unseen: the administrator of another tenant, people and tokens whose right is for a part of the plant (an asset,
a label, their own devices), and a token that is bound to a device each try every route of /api/v1/openapi.json with the ids of what is
not theirs, every SQL table by HTTP and by psql, the live stream, MQTT topics, exports and PromQL. A mark stands in all of it: it must
come out nowhere, and nothing of it may change. What is theirs they see and change. Then rights for a time and below a tenant.
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
import urllib.parse

from songhua import PASSWORD, Songhua, free_ports

T = 1_700_000_000_000
WORD = "Songhua-isolation-1898"
MARK = "sEcReTmArK"
FAR = f"far-{MARK}"  # the device that is not theirs
TO = 4_000_000_000_000


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def raw(s, method, path, token=None, body=None, timeout=60):
    head = {"Accept-Language": "en"}
    if token:
        head["Authorization"] = "Bearer " + token
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    elif isinstance(body, str):
        body = body.encode()
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=timeout)
    try:
        c.request(method, path, body, head)
        a = c.getresponse()
        return a.status, a.read()
    finally:
        c.close()


def ok(s, method, path, token, body=None):
    status, data = raw(s, method, path, token, body)
    if status >= 300:
        sys.exit(f"{method} {path}: {status} {data[:300]}")
    return json.loads(data) if data[:1] in (b"{", b"[") else data


def sign_in(s, user):
    return s.post("/api/v1/sessions", {"user": user, "password": WORD})["token"]


class Plant:
    """Two lines; what stands at line2 carries the mark."""

    def __init__(self, s):
        s.post("/api/v1/things", {"id": "pump", "name": {"zh": "泵", "en": "pump"}, "properties": [{"id": "f", "type": "f64", "access": "rw"}]})
        s.post("/api/v1/assets", {"id": "site", "kind": "site", "name": "site"})
        s.post("/api/v1/assets", {"id": "line1", "kind": "line", "name": "line 1", "parent": "site"})
        s.post("/api/v1/assets", {"id": "cell1", "kind": "cell", "name": "cell 1", "parent": "line1"})
        s.post("/api/v1/assets", {"id": f"line2-{MARK}", "kind": "line", "name": MARK, "parent": "site"})
        s.post("/api/v1/devices", {"id": "near", "asset": "cell1", "thing": "pump", "labels": {"line": "1", "owner": "own"}})
        s.post("/api/v1/devices", {"id": FAR, "name": MARK, "asset": f"line2-{MARK}", "thing": "pump", "labels": {"line": MARK, "owner": MARK}})
        s.post("/api/v1/ingest?device=near", {"ts": T, "values": {"f": 1, "s": "near"}})
        s.post(f"/api/v1/ingest?device={FAR}", {"ts": T, "values": {"f": 2, "s": MARK}})
        s.call("PATCH", f"/api/v1/points/{FAR}/f", {"tag": f"TAG-{MARK}"})
        s.post(f"/api/v1/devices/{FAR}/relations", {"relation": "feeds", "device": "near"})
        s.post(f"/api/v1/devices/{FAR}/write-enable", {"reason": MARK, "until": int(time.time() * 1000) + 600_000})
        s.call("PATCH", f"/api/v1/devices/{FAR}/attributes", {"note": MARK})
        self.certificate = s.post(f"/api/v1/devices/{FAR}/certificates", {"days": 10})["fingerprint"]
        s.post("/api/v1/types", {"name": "order", "schema": {"type": "object"}})
        s.post("/api/v1/records/order?id=o1", {"title": MARK})
        self.view = s.post("/api/v1/views", {"page": "devices", "name": MARK, "query": {"q": MARK}})["id"]
        self.board = s.post("/api/v1/dashboards", {"name": "hall", "shared": True, "widgets": [
            {"id": "a", "kind": "chart", "x": 0, "y": 0, "w": 6, "h": 4, "points": [f"{FAR}/f", f"TAG-{MARK}"]},
            {"id": "b", "kind": "table", "x": 6, "y": 0, "w": 6, "h": 4, "devices": [FAR], "properties": ["f", "s"]}]})["id"]
        self.blob = s.post("/api/v1/blobs", f"a file of {MARK}", "text/plain")["hash"]
        self.command = s.post(f"/api/v1/devices/{FAR}/commands", {"property": "f", "value": 3, "id": f"c-{MARK}", "timeout_ms": 600_000})["id"]
        s.post("/api/v1/history/correct", {"point": f"{FAR}/f", "samples": [{"time": T, "value": 7}], "reason": MARK})
        self.edit = str(s.get(f"/api/v1/history/edits?point={FAR}/f")["items"][0]["id"])
        self.note = s.post("/api/v1/notes", {"from": T, "category": "fault", "text": MARK, "points": [f"{FAR}/f"]})["id"]
        s.post("/api/v1/notes", {"from": T, "category": "fault", "text": MARK, "devices": [FAR]})
        s.post("/api/v1/notes", {"from": T, "category": "fault", "text": MARK, "assets": [f"line2-{MARK}"]})
        s.put(f"/api/v1/roles/role-{MARK.lower()}", {"permissions": ["devices.read"]})
        self.token = s.make_token(name=MARK, roles=["viewer"])["id"]
        s.post("/api/v1/people", {"name": f"p-{MARK}", "password": WORD, "roles": ["viewer"]})
        s.put("/api/v1/mappings", {"items": [{"filter": f"x/{MARK}", "device": FAR, "property": "j"}]})
        self.before = self.state(s)

    def state(self, s):
        """What nobody else may change; live members left out."""
        d = s.get(f"/api/v1/devices/{FAR}")
        for live in ("since", "last_time", "state", "revision"):
            d.pop(live, None)
        return [
            d,
            s.query([f"{FAR}/f", f"{FAR}/s"], 0, TO),
            s.get(f"/api/v1/devices/{FAR}/relations"),
            s.get(f"/api/v1/devices/{FAR}/attributes"),
            [c["fingerprint"] for c in s.get(f"/api/v1/devices/{FAR}/certificates")["items"] if not c.get("revoked")],
            s.get(f"/api/v1/history/edits?point={FAR}/f")["items"],
            s.get("/api/v1/notes")["items"],
            s.get("/api/v1/records/order/o1"),
            s.get(f"/api/v1/dashboards/{self.board}"),
            [a for a in s.get("/api/v1/assets")["items"] if a["id"].startswith("line2")],
            [t["id"] for t in s.get("/api/v1/tokens?limit=100")["items"] if t["name"] == MARK],
        ]


def requests_of(s, plant):
    """Each route with the ids of what is not theirs, and a body that would do something."""
    ids = {
        "devices": FAR, "channels": "line", "commands": plant.command, "assets": f"line2-{MARK}", "things": "pump", "tokens": plant.token,
        "edits": plant.edit, "records": "o1", "people": f"p-{MARK}", "roles": f"role-{MARK.lower()}", "sessions": "x",
        "views": plant.view, "dashboards": plant.board, "notes": plant.note,
    }
    named = {"type": "order", "hash": plant.blob, "fingerprint": plant.certificate, "device": "near", "relation": "feeds", "property": "f", "path": "none", "revision": "1"}
    points = [f"{FAR}/f", f"{FAR}/s"]
    bodies = {
        "queryHistory": {"points": points, "from": 0, "to": TO}, "latestOfMany": {"points": points},
        "surveyHistory": {"points": points, "from": 0, "to": TO},
        "createNote": {"from": T, "category": "fault", "text": "stolen", "points": points}, "putNote": {"from": T, "category": "fault", "text": "stolen", "points": points},
        "deleteHistory": {"points": points, "from": 0, "to": TO, "reason": "x"},
        "correctHistory": {"point": f"{FAR}/f", "samples": [{"time": T, "value": 9}], "reason": "x"}, "withdrawEdit": {"reason": "x"},
        "renameDevice": {"to": "stolen"}, "replaceDevice": {"note": "x"}, "sendCommand": {"property": "f", "value": 9},
        "enableWrite": {"reason": "x", "until": int(time.time() * 1000) + 100_000}, "createRelation": {"relation": "x", "device": "near"},
        "patchAttributes": {"note": "stolen"}, "patchDevice": {"name": "stolen"}, "putDevice": {"name": "stolen"}, "patchPoint": {"unit": "m"},
        "putAsset": {"kind": "line", "name": "stolen", "parent": "site"}, "putRecord": {"title": "stolen"}, "createDevice": {"id": FAR, "name": "stolen"},
        "addCommonName": {"name": "stolen"}, "importDevices": f"id,name\n{FAR},stolen\n", "putThing": {"id": "pump", "properties": []},
        "changeDevices": {"filter": {"q": MARK}, "change": {"labels": {"x": "stolen"}}}, "deleteDevices": {"filter": {"q": MARK}},
        "dashboardData": {"points": points + [f"TAG-{MARK}"], "devices": [FAR]}, "putDashboard": {"name": "stolen", "widgets": []},
        "selectionExport": {"filter": {}}, "putView": {"page": "devices", "name": "stolen", "query": {}},
        "postSql": {"sql": "SELECT * FROM devices"}, "writeLines": f"{FAR} f=99 {T}000000", "writeLinesV2": f"{FAR} f=99 {T}000000",
        "ingest": {"ts": T, "values": {"f": 99}}, "putMappings": {"items": []},
        "promQueryForm": f"query={urllib.parse.quote('{device=~%s}' % json.dumps('.*'))}&time=1700000000",
        "promQueryRangeForm": f"query=f&start={T // 1000 - 60}&end={T // 1000 + 60}&step=15", "promSeriesForm": "match[]=%7Bdevice%3D~%22.%2B%22%7D",
    }
    q = urllib.parse.quote
    everything = q('{device=~".+"}')
    queries = {
        "latest": f"?points={FAR}/f,{FAR}/s", "exportHistory": f"?points={FAR}/f,{FAR}/s&from=0&to={TO}", "listEdits": f"?point={FAR}/f", "listNotes": "?limit=1000",
        "ingest": f"?device={FAR}", "listDevices": f"?q={MARK}&limit=1000", "listPoints": f"?q={MARK}&limit=1000&events=true",
        "querySql": f"?sql={q('SELECT * FROM points')}", "promQuery": f"?query={everything}&time={T // 1000 + 1}",
        "promQueryRange": f"?query={everything}&start={T // 1000 - 60}&end={T // 1000 + 60}&step=15",
        "promSeries": f"?match[]={everything}", "promLabelValues": f"?match[]={everything}",
    }
    out = []
    for path, methods in s.get("/api/v1/openapi.json")["paths"].items():
        for method, route in methods.items():
            name = route["operationId"]
            noun = re.search(r"/(\w+)/\{(id|name)\}", path)
            fill = {**named, "id": ids.get(noun.group(1), "x") if noun else "x", "name": ids.get(noun.group(1), "x") if noun else "x"}
            if path.startswith("/api/v1/points/"):
                fill["device"] = FAR
            if name == "promLabelValues":
                fill["name"] = "device"
            if name in ("deleteRelation",):
                fill["id"] = FAR
            real = re.sub(r"\{(\w+)\}", lambda m: q(str(fill.get(m.group(1), "x")), safe=""), path)
            body = bodies.get(name, {} if "requestBody" in route else None)
            out.append((name, method.upper(), real + queries.get(name, ""), body))
    return out


SKIPPED = {"mqttWebSocket", "stream", "signOut", "endSessions", "changePassword", "openapi", "confirm", "signIn"}
# What tells a name back that the caller has sent: the mark of the answer is the caller's own.
ECHO = re.compile(r"does not exist|no such|there is no|not found|unknown|of another tenant|no permission|is missing", re.IGNORECASE)


# In another tenant these make the caller's own device of the same name.
MAKES = {"createDevice", "importDevices", "writeLines", "writeLinesV2", "ingest"}


def every_route(s, plant, who, token, skipped=()):
    """Nothing comes out. Problems may tell the caller what it asked for, and nothing else."""
    calls = 0
    for name, method, path, body in requests_of(s, plant):
        if name in SKIPPED or name in skipped:
            continue
        for variant in (path, path + ("&" if "?" in path else "?") + "tenant="):
            status, data = raw(s, method, variant, token, body)
            calls += 1
            if status >= 500:
                sys.exit(f"{who}: {method} {variant} answered {status}: {data[:300]}")
            text = data.decode("utf-8", "replace")
            if MARK in text and not (status >= 400 and ECHO.search(text)):
                sys.exit(f"{who}: {method} {variant} answered {status} and shows the mark:\n{text[:600]}")
    check(f"{who} changed something", plant.state(s), plant.before)
    return calls


TABLES = ("points", "latest", "devices", "assets", "records", "r_order", "things")


def by_sql(s, who, token, tenant=None):
    where = f"&tenant={tenant}" if tenant is not None else ""
    asked = [f"SELECT * FROM {t}" for t in TABLES] + [
        f"SELECT * FROM history WHERE point = '{FAR}/s' AND time > '2000-01-01'",
        f"SELECT * FROM history WHERE device = '{FAR}' AND time > '2000-01-01'",
        "SELECT * FROM history WHERE property = 's' AND time > '2000-01-01'",
        f"SELECT p.name FROM points p JOIN devices d ON d.id = p.device WHERE p.device = '{FAR}'",
        f"SELECT * FROM devices WHERE id = '{FAR}'", f"SELECT * FROM records WHERE type = 'order' AND id = 'o1'",
    ]
    for sql in asked:
        status, data = raw(s, "POST", f"/api/v1/sql?format=json{where}", token, {"sql": sql})
        if MARK in data.decode().replace(sql, "") and not (status >= 400 and FAR in sql):
            sys.exit(f"{who}: {sql} shows the mark: {status} {data[:400]}")
        if status >= 500:
            sys.exit(f"{who}: {sql}: {status} {data[:300]}")


def by_psql(s, who, user, password, database="songhua"):
    if shutil.which("psql") is None:
        return
    for table in (*TABLES, "history WHERE property = 's' AND time > '2000-01-01'"):
        r = subprocess.run(
            ["psql", "-X", "-At", f"host=127.0.0.1 port={s.pg} dbname={database} user={user} password={password} sslmode=prefer", "-c", f"SELECT * FROM {table}"],
            capture_output=True, text=True, timeout=60, check=False,
        )
        if MARK in r.stdout + r.stderr:
            sys.exit(f"{who}: psql {table} shows the mark: {r.stdout[:300]}{r.stderr[:300]}")


def by_stream(s, who, token, own):
    """Live samples, states, changes and events while the far device is busy."""
    heard = []
    status, data = raw(s, "GET", f"/api/v1/stream?points={FAR}/s", token)
    if status == 200:
        sys.exit(f"{who}: the stream opened {FAR}/s")
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=20)
    ask = f"/api/v1/stream?devices={FAR}" + (f",{own}" if own else "") + "&overview=1"
    c.request("GET", ask, headers={"Authorization": "Bearer " + token})
    a = c.getresponse()
    if a.status != 200:
        c.close()
        return
    done = threading.Event()

    def listen():
        try:
            while not done.is_set():
                line = a.readline()
                if not line:
                    break
                heard.append(line.decode())
        except (OSError, ValueError, http.client.HTTPException):
            pass

    t = threading.Thread(target=listen, daemon=True)
    t.start()
    s.post(f"/api/v1/ingest?device={FAR}", {"ts": T + 1, "values": {"s": MARK + " again"}})
    s.call("PATCH", f"/api/v1/devices/{FAR}", {"description": MARK})
    s.call("PATCH", f"/api/v1/devices/{FAR}", {"description": None})
    if own:
        s.post(f"/api/v1/ingest?device={own}", {"ts": T + 2, "values": {"s": "heard"}})
    end = time.monotonic() + 15
    while time.monotonic() < end and not ("heard" in "".join(heard) if own else "event: ping" in "".join(heard) or "overview" in "".join(heard)):
        time.sleep(0.05)
    done.set()
    c.sock.close() if c.sock else None
    text = "".join(heard)
    if own:
        check(f"{who}: hears its own", "heard" in text, True)
    if MARK in text:
        sys.exit(f"{who}: the stream tells the mark: {text[:600]}")
    plant_reset(s)


def plant_reset(s):
    """The sample of the stream goes again, so that the state before can be compared."""
    s.call("DELETE", "/api/v1/history", {"points": [f"{FAR}/s"], "from": T + 1, "to": T + 2, "reason": "test"})


def by_mqtt(s, who, user, password, tenant_topic=""):
    if shutil.which("mosquitto_sub") is None:
        return
    topics = ["#", f"sh/v1/{FAR}/#", f"sh/v1/+/telemetry", f"tenant/{MARK}/#", "$SYS/#", "$share/g/#", f"x/{MARK}"]
    subs = []
    for t in topics:
        subs.append((t, subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", user, "-P", password, "-t", t, "-v", "-W", "4", "-d"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
    time.sleep(1)  # the subscriptions are made or refused; what comes later than that is heard by nobody
    for t in (f"sh/v1/{FAR}/telemetry", f"x/{MARK}"):
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", "Test-Harbin-2025-river", "-t", t, "-q", "1",
                        "-m", json.dumps({"ts": T + 1, "values": {"s": MARK + " again"}, "f": 1})], check=False, timeout=20)
    for t, p in subs:
        out, _ = p.communicate(timeout=30)
        for line in out.splitlines():
            if MARK in line and not line.startswith(("Client", "Subscribed")) and "sending SUBSCRIBE" not in line:
                sys.exit(f"{who}: a subscription to {t} hears: {line}")
    # and nobody publishes as another's device
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", user, "-P", password, "-t", f"sh/v1/{FAR}/telemetry", "-q", "1",
                    "-m", json.dumps({"ts": T, "values": {"f": 99}})], check=False, timeout=20, capture_output=True)
    plant_reset(s)


def sees_its_own(s, who, token):
    ids = [d["id"] for d in ok(s, "GET", "/api/v1/devices?limit=1000", token)["items"]]
    check(f"{who}: list", ids, ["near"])
    check(f"{who}: total", ok(s, "GET", "/api/v1/devices?limit=1", token)["total"], 1)
    for sort in ("name", "-last", "asset", "-id"):
        check(f"{who}: sorted by {sort}", [d["id"] for d in ok(s, "GET", f"/api/v1/devices?sort={sort}", token)["items"]], ["near"])
    check(f"{who}: device", ok(s, "GET", "/api/v1/devices/near", token)["id"], "near")
    check(f"{who}: history", ok(s, "POST", "/api/v1/history/query", token, {"points": ["near/s"], "from": 0, "to": TO})["series"][0]["value"][0], "near")
    check(f"{who}: points", {p["device"] for p in ok(s, "GET", "/api/v1/points?limit=1000", token)["items"]}, {"near"})
    check(f"{who}: assets", [a["id"] for a in ok(s, "GET", "/api/v1/assets", token)["items"]], ["cell1", "line1", "site"])
    check(f"{who}: overview", ok(s, "GET", "/api/v1/overview", token)["devices"]["total"], 1)
    check(f"{who}: relation", ok(s, "GET", "/api/v1/devices/near/relations", token)["items"], [])
    check(f"{who}: models", len(ok(s, "GET", "/api/v1/things", token)["items"]), 1)
    rows = ok(s, "POST", "/api/v1/sql", token, {"sql": "SELECT id FROM devices"})["rows"]
    check(f"{who}: SQL", rows, [["near"]])
    data = ok(s, "GET", f"/api/v1/history/export?points=near/s&from=0&to={TO}", token)
    check(f"{who}: export", b"near" in data, True)


def changes_its_own(s, who, token, inside):
    ok(s, "PATCH", "/api/v1/devices/near", token, {"description": who})
    made = {"id": f"made-{who}", **inside}
    ok(s, "POST", "/api/v1/devices", token, made)
    ok(s, "PATCH", f"/api/v1/devices/made-{who}", token, {"name": "mine"})
    for method, path, body in (
        ("POST", "/api/v1/devices", {"id": "outside"}),
        ("POST", "/api/v1/devices", {"id": "outside", "asset": f"line2-{MARK}", "labels": {"line": "3"}}),
        ("PATCH", f"/api/v1/devices/made-{who}", {"asset": f"line2-{MARK}", "labels": {"line": None, "owner": None}}),
        ("PUT", f"/api/v1/devices/made-{who}", {"name": "nowhere"}),
    ):
        status, data = raw(s, method, path, token, body)
        check(f"{who}: {method} {path} {body}: {data[:200]}", (status, json.loads(data)["code"]), (403, "outside_part"))
    check(f"{who}: not made", raw(s, "GET", "/api/v1/devices/outside", s.token)[0], 404)
    secret = ok(s, "POST", f"/api/v1/devices/made-{who}/secret", token)
    check(f"{who}: secret", secret["user"], f"made-{who}")
    check(f"{who}: removed", raw(s, "DELETE", f"/api/v1/devices/made-{who}", token)[0], 204)
    data = ok(s, "GET", "/api/v1/devices/export?format=csv", token)
    check(f"{who}: devices as a file", (b"near" in data, MARK.encode() in data), (True, False))
    far = ok(s, "POST", "/api/v1/devices/bulk", token, {"ids": [FAR, "near"], "change": {"labels": {"x": who}}})
    check(f"{who}: many by id", (far["changed"], [r["code"] for r in far["refused"]]), (1, ["not_found"]))
    out = ok(s, "POST", "/api/v1/devices/bulk", token, {"filter": {}, "change": {"asset": None, "labels": {"line": None, "owner": None, "x": None}}})
    check(f"{who}: many out of the part", (out["matched"], out["changed"], [r["code"] for r in out["refused"]]), (1, 0, ["outside_part"]))
    ok(s, "POST", "/api/v1/devices/bulk", token, {"ids": ["near"], "change": {"labels": {"x": None}}})
    for path, method in (("/api/v1/people", "GET"), ("/api/v1/audit", "GET"), ("/api/v1/records/order", "GET")):
        status, data = raw(s, method, path, token)
        check(f"{who}: {path}", (status, json.loads(data)["code"]), (403, "denied"))


def in_part(s, plant):
    """People and tokens with a part of the plant."""
    engineers = {
        "by-asset": ({"role": "engineer", "asset": "line1"}, {"asset": "cell1"}),
        "by-label": ({"role": "engineer", "label": "line:1"}, {"labels": {"line": "1"}}),
        "own": ({"role": "engineer", "own": True}, {"labels": {"owner": "own"}}),
    }
    for who, (grant, inside) in engineers.items():
        s.post("/api/v1/people", {"name": who, "password": WORD, "grants": [grant]})
        token = sign_in(s, who)
        me = ok(s, "GET", "/api/v1/sessions/current", token)
        check(f"{who}: whole", me["permissions"], ["things.read", "dashboards.read", "dashboards.write"])
        check(f"{who}: in part", "devices.write" in me["in_part"] and "audit.read" not in me["in_part"], True)
        sees_its_own(s, who, token)
        changes_its_own(s, who, token, inside)
        every_route(s, plant, who, token)
        by_sql(s, who, token)
        by_psql(s, who, who, WORD)
        by_stream(s, who, token, "near")
        by_mqtt(s, who, who, WORD)
        check(f"{who}: nothing changed", plant.state(s), plant.before)
    made = s.make_token(name="wall", roles=["viewer"], asset="line1")
    sees_its_own(s, "token", made["token"])
    every_route(s, plant, "token", made["token"])
    by_sql(s, "token", made["token"])
    by_psql(s, "token", made["id"], made["token"])
    by_stream(s, "token", made["token"], "near")
    print("  parts of a plant: ok", flush=True)


def bound(s, plant):
    made = s.make_token(name="bound", device="near", permissions=["ingest.write", "devices.read", "devices.write", "points.read", "history.read", "mqtt.connect"])
    every_route(s, plant, "bound token", made["token"])
    by_sql(s, "bound token", made["token"])
    by_psql(s, "bound token", made["id"], made["token"])
    by_mqtt(s, "bound token", "token", made["token"])
    check("bound: nothing changed", plant.state(s), plant.before)
    print("  a token of one device: ok", flush=True)


def another_tenant(s, plant):
    s.post("/api/v1/tenants", {"path": "other"})
    s.post("/api/v1/people?tenant=other", {"name": "boss", "password": WORD, "roles": ["administrator"]})
    s.post("/api/v1/devices?tenant=other", {"id": "near"})
    token = sign_in(s, "boss@other")
    every_route(s, plant, "another tenant", token, MAKES)
    by_sql(s, "another tenant", token)
    by_sql(s, "another tenant", token, "")
    by_psql(s, "another tenant", "boss@other", WORD)
    by_stream(s, "another tenant", token, None)
    by_mqtt(s, "another tenant", "boss@other", WORD)
    check("another tenant: overview", sorted(ok(s, "GET", "/api/v1/overview", token)), ["changes", "demo", "devices", "points", "problems", "slow", "version"])
    for path in ("/metrics", "/api/v1/config", "/api/v1/backups"):
        check(f"another tenant: {path}", raw(s, "GET", path, token)[0] in (403, 404), True)
    check("another tenant: nothing changed", plant.state(s), plant.before)
    print("  another tenant: ok", flush=True)


def for_a_time(s):
    fitter = lambda until: {"grants": [{"role": "engineer", "until": until, "reason": "repair of line 1"}]}  # noqa: E731
    s.post("/api/v1/people", {"name": "fitter", "password": WORD, **fitter(int(time.time() * 1000) + 600_000)})
    token = sign_in(s, "fitter")  # hashing a password takes its time: the short grant comes after it
    end = int(time.time() * 1000) + 3000
    s.call("PUT", "/api/v1/people/fitter", fitter(end))
    check("now", raw(s, "GET", "/api/v1/devices", token)[0], 200)
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=30)
    c.request("GET", "/api/v1/stream?devices=near", headers={"Authorization": "Bearer " + token})
    a = c.getresponse()
    check("stream", a.status, 200)
    while a.readline():  # it ends by itself
        pass
    c.close()
    check("the stream ended with the right", time.time() * 1000 >= end, True)
    status, data = raw(s, "GET", "/api/v1/devices", token)
    problem = json.loads(data)
    check("over", (status, problem["code"], "is over" in problem["detail"]), (403, "denied", True))
    rights = ok(s, "GET", "/api/v1/sessions/current/rights", token)["items"]
    right = next(r for r in rights if r["name"] == "devices.read")
    check("explained", (right["held"], right["grants"][0]["state"], right["grants"][0]["reason"]), (False, "ended", "repair of line 1"))
    deadline = time.monotonic() + 30
    while not s.get("/api/v1/audit?act=grant.ended")["items"]:
        if time.monotonic() > deadline:
            sys.exit("the end of a grant is not in the audit chain")
        time.sleep(0.2)
    print("  for a time: ok", flush=True)


def subscriptions_for_a_time(s):
    """Who may use any topic until a moment hears nothing behind it, though the connection's own right stays."""
    if shutil.which("mosquitto_sub") is None:
        return
    end = int(time.time() * 1000) + 8000  # room for a busy machine
    s.post("/api/v1/people", {"name": "guest", "password": WORD, "roles": ["viewer"], "grants": [{"role": "engineer", "until": end}]})
    sub = subprocess.Popen(
        ["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "guest", "-P", WORD, "-t", "x/#", "-W", "20"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    said = lambda text: subprocess.run(  # noqa: E731
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", PASSWORD, "-t", "x/y", "-q", "1", "-m", text], check=True, timeout=20)
    n = 0
    while time.time() * 1000 < end:
        said(f"before {n}")
        n += 1
        time.sleep(0.1)
    time.sleep(2)  # the node looks once a second
    said("after")
    out, _ = sub.communicate(timeout=30)
    check("heard before the end", "before" in out, True)
    check("heard after the end", "after" in out, False)
    print("  subscriptions for a time: ok", flush=True)


def below_a_tenant(s):
    s.post("/api/v1/tenants", {"path": "other/a"})
    s.post("/api/v1/people", {"name": "regent", "password": WORD, "grants": [{"role": "administrator", "tenant": "other"}]})
    token = sign_in(s, "regent")
    check("home", raw(s, "GET", "/api/v1/devices", token)[0], 403)
    check("there", raw(s, "GET", "/api/v1/devices?tenant=other", token)[0], 200)
    check("below", raw(s, "GET", "/api/v1/people?tenant=other/a", token)[0], 200)
    check("people there", raw(s, "POST", "/api/v1/people?tenant=other/a", token, {"name": "x", "roles": ["viewer"]})[0], 201)
    check("people here", raw(s, "POST", "/api/v1/people", token, {"name": "x", "roles": ["viewer"]})[0], 403)
    print("  below a tenant: ok", flush=True)


pg = free_ports(1)[0]
with Songhua({"pg.listen": f"127.0.0.1:{pg}", "api.slow": "1us"}) as s:
    s.pg = pg
    plant = Plant(s)
    in_part(s, plant)
    bound(s, plant)
    another_tenant(s, plant)
    for_a_time(s)
    subscriptions_for_a_time(s)
    below_a_tenant(s)
    s.stop(kill=True)
    s.start()
    token = sign_in(s, "by-asset")
    sees_its_own(s, "after kill -9", token)
print("isolation: ok")
