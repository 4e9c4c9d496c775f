"""Data classes: what is above somebody's clearance is listed and its value comes out nowhere. People and tokens below it, a kiosk, and
subscribers try every route of /api/v1/openapi.json, every SQL table by HTTP and by psql, the live stream, MQTT, exports and PromQL: the digits of
the secret values must not occur in any answer. Somebody above it sees them in the same places, so that the test can fail. Then: nothing is
lowered by a change of a model, a device or a file, but by who may, with a reason; what is raised is masked at once, in open streams and
connections too; nobody gives more than he sees.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import io
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import zipfile

from songhua import PASSWORD, Songhua, free_ports

T = 1_700_000_000_000
TO = 4_000_000_000_000
WORD = "Songhua-clearance-1898"
NUMBER = "8675309.125"  # the value of a core point
NUMBER_INT = "8675309"
TEXT = "vErTrAuLiCh"  # texts, events, notes, reasons, records, attributes, commands
PLAIN = "4711.5"  # general: everybody sees it
SECRETS = (NUMBER_INT, TEXT)
POINTS = ["press/force", "press/recipe", "press/plain"]
q = urllib.parse.quote


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
        return a.status, a.read(), a.headers
    finally:
        c.close()


def ok(s, method, path, token, body=None):
    status, data, _ = raw(s, method, path, token, body)
    if status >= 300:
        sys.exit(f"{method} {path}: {status} {data[:300]}")
    return json.loads(data) if data[:1] in (b"{", b"[") else data


def sign_in(s, user):
    return s.post("/api/v1/sessions", {"user": user, "password": WORD})["token"]


def opened(data):
    """What a file holds: a workbook is unpacked, so that its digits are seen."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            return "\n".join(z.read(n).decode("utf-8", "replace") for n in z.namelist())
    return data.decode("utf-8", "replace")


class Plant:
    def __init__(self, s):
        s.post("/api/v1/things", {"id": "press", "name": {"zh": "压机", "en": "press"}, "data_class": "important", "data_level": 2, "properties": [
            {"id": "force", "type": "f64", "unit": "kN", "access": "rw", "data_class": "core", "data_level": 3},
            {"id": "recipe", "type": "text", "data_class": "core", "data_level": 3},
            {"id": "plain", "type": "f64", "data_class": "general", "data_level": 1}]})
        s.post("/api/v1/devices", {"id": "press", "thing": "press", "labels": {"line": "1"}})
        s.post("/api/v1/ingest?device=press", {"ts": T, "values": {"force": float(NUMBER), "recipe": TEXT, "plain": float(PLAIN)}})
        s.post("/api/v1/ingest?device=press", {"ts": T + 60000, "values": {"force": float(NUMBER), "recipe": TEXT, "plain": float(PLAIN)}})
        s.call("PATCH", "/api/v1/points/press/force", {"tag": "PF1"})
        s.call("PATCH", "/api/v1/devices/press/attributes", {"set": TEXT})
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", PASSWORD, "-t", "sh/v1/press/event/alarm", "-q", "1", "-m",
                        json.dumps({"what": TEXT})], check=True, timeout=20)
        s.post("/api/v1/devices/press/write-enable", {"reason": "test", "until": int(time.time() * 1000) + 600_000})
        self.command = s.post("/api/v1/devices/press/commands", {"property": "force", "value": float(NUMBER), "timeout_ms": 600_000})["id"]
        s.post("/api/v1/history/correct", {"point": "press/recipe", "samples": [{"time": T, "value": TEXT}], "reason": TEXT})
        self.edit = str(s.get("/api/v1/history/edits?point=press/recipe")["items"][0]["id"])
        self.note = s.post("/api/v1/notes", {"from": T, "category": "fault", "text": TEXT, "points": ["press/force"]})["id"]
        s.post("/api/v1/notes", {"from": T, "category": "fault", "text": TEXT, "devices": ["press"]})
        s.post("/api/v1/types", {"name": "order", "data_class": "core", "data_level": 3, "schema": {"type": "object", "properties": {"title": {"type": "string"}}}})
        s.post("/api/v1/records/order?id=o1", {"title": TEXT})
        self.board = s.post("/api/v1/dashboards", {"name": "hall", "shared": True, "widgets": [
            {"id": "a", "kind": "chart", "x": 0, "y": 0, "w": 6, "h": 4, "points": ["press/force", "PF1"]},
            {"id": "b", "kind": "table", "x": 6, "y": 0, "w": 6, "h": 4, "devices": ["press"], "properties": ["force", "recipe", "plain"]}]})["id"]


def requests_of(s, plant):
    """Each route with what is classed in it, and a body that asks for it."""
    ids = {"devices": "press", "commands": plant.command, "things": "press", "edits": plant.edit, "records": "o1", "dashboards": plant.board, "notes": plant.note}
    named = {"type": "order", "device": "press", "property": "force", "revision": "1", "hash": "x", "fingerprint": "x", "relation": "x", "path": "none"}
    full = {"from": 0, "to": TO}
    everything = q('{device=~".+"}')
    bodies = {
        "queryHistory": {"points": POINTS + ["PF1"], **full}, "latestOfMany": {"points": POINTS + ["PF1"]}, "surveyHistory": {"points": POINTS, **full},
        "dashboardData": {"points": POINTS + ["PF1"], "devices": ["press"]}, "postSql": {"sql": "SELECT * FROM latest"},
        "putNote": {"from": T, "category": "fault", "text": "x", "points": ["press/force"]}, "createNote": {"from": T, "category": "fault", "text": "x", "points": ["press/force"]},
        "sendCommand": {"property": "force", "value": 1, "timeout_ms": 100}, "patchAttributes": {"note": "x"}, "patchDevice": {"description": "x"},
        "selectionExport": {"filter": {}}, "putRecord": {"title": "x"}, "renameDevice": {"to": "renamed"},
        "calculateHistory": {"expressions": [{"expression": "{press/force} * 1"}, {"expression": "{press/plain} + {press/force}"}, {"expression": "{press/plain} * 1"}], **full},
        "exportCalculated": {"expressions": [{"expression": "{press/force} * 1"}, {"expression": "{press/plain} + {press/force}"}, {"expression": "{press/plain} * 1"}], **full},
        "checkExpression": {"expression": "{press/force} * 1"},
        "promQueryForm": f"query={everything}&time={T // 1000 + 1}", "promQueryRangeForm": f"query={everything}&start={T // 1000 - 60}&end={T // 1000 + 60}&step=15",
        "promSeriesForm": f"match[]={everything}",
    }
    queries = {
        "latest": "?points=press/force,press/recipe,press/plain,PF1", "exportHistory": f"?points={','.join(POINTS)}&from=0&to={TO}",
        "listEdits": "?point=press/recipe", "listNotes": "?limit=1000", "listPoints": "?limit=1000&events=true", "querySql": f"?sql={q('SELECT * FROM latest')}",
        "promQuery": f"?query={everything}&time={T // 1000 + 1}", "promQueryRange": f"?query={everything}&start={T // 1000 - 60}&end={T // 1000 + 60}&step=15",
        "promSeries": f"?match[]={everything}", "promLabelValues": f"?match[]={everything}",
    }
    out = []
    for path, methods in s.get("/api/v1/openapi.json")["paths"].items():
        for method, route in methods.items():
            name = route["operationId"]
            noun = re.search(r"/(\w+)/\{(id|name)\}", path)
            fill = {**named, "id": ids.get(noun.group(1), "x") if noun else "x", "name": "device" if name == "promLabelValues" else "x"}
            if path.startswith("/api/v1/records/"):
                fill["id"] = "o1"
            real = re.sub(r"\{(\w+)\}", lambda m: q(str(fill.get(m.group(1), "x")), safe=""), path)
            out.append((name, method.upper(), real + queries.get(name, ""), bodies.get(name, {} if "requestBody" in route else None)))
    # the same routes in their other forms
    for more in ("step=1m&aggregate=max", "step=1m&aggregate=mean&fill=previous", "where=%3E0", "quality=all", "step=1m&aggregate=p50"):
        key, _, value = more.partition("=")
        out.append(("exportHistory", "GET", f"/api/v1/history/export?points={','.join(POINTS)}&from={T - 60000}&to={T + 120000}&{more}", None))
    for form in ("csv", "xlsx", "lines", "columns"):
        out.append(("exportHistory", "GET", f"/api/v1/history/export?points={','.join(POINTS)}&from=0&to={TO}&format={form}", None))
    for extra in ({"aggregate": ["min", "max", "mean", "first", "last", "sum", "twa", "p90"], "step": "1m"}, {"aggregate": ["count:>8000000"]},
                  {"downsample": {"method": "lttb", "points": 10}}, {"where": ">1"}, {"limit": 1}, {"marks": True}, {"fill": "previous", "step": "10s", "aggregate": ["last"]}):
        out.append(("queryHistory", "POST", "/api/v1/history/query", {"points": ["press/force", "press/plain", "PF1"], "from": T - 60000, "to": T + 120000, **extra}))
    for ask in (f"?q={TEXT}", "?filter=title%3Dx", "?sort=title"):
        out.append(("listRecords", "GET", "/api/v1/records/order" + ask, None))
    out.append(("listNotes", "GET", f"/api/v1/notes?q={TEXT}", None))
    return out


SKIPPED = {"mqttWebSocket", "stream", "signOut", "endSessions", "changePassword", "openapi", "confirm", "signIn", "changeDataClass"}
CHANGING = {"deleteDevice", "deleteDevices", "renameDevice", "deleteHistory", "deleteRecord", "deleteType", "deleteNote", "putNote", "deleteDashboard", "putDashboard",
            "putDevice", "putThing", "deleteThing", "putType", "withdrawEdit", "disableWrite", "replaceDevice", "patchConfig", "rollBackConfig", "putRecord", "quarantineDevice"}


def every_route(s, plant, who, token, changing=False, want=None):
    """No secret in any answer; with `want`, each of those operations must show one (by somebody who may)."""
    calls, shown = 0, set()
    for name, method, path, body in requests_of(s, plant):
        if name in SKIPPED or (not changing and name in CHANGING):
            continue
        status, data, head = raw(s, method, path, token, body)
        calls += 1
        if status >= 500 and not (name in ("createBackup",) or status == 503):
            sys.exit(f"{who}: {method} {path} answered {status}: {data[:300]}")
        text = opened(data) + str(head)
        if TEXT in path:
            text = text.replace(f"q={TEXT}", "")
        for secret in SECRETS:
            if secret in text:
                if want is None:
                    sys.exit(f"{who}: {method} {path} answered {status} and shows {secret}:\n{text[:800]}")
                shown.add(name)
        # doubles may be written in other ways, and columns are binary
        if want is None and (b"8.675309" in data or float(NUMBER).hex().encode() in data or
                             __import__("struct").pack("<d", float(NUMBER)) in data):
            sys.exit(f"{who}: {method} {path} shows the number in another form")
    if want is not None:
        check(f"{who}: operations that show it", sorted(want - shown), [])
    return calls


TABLES = ("points", "latest", "devices", "records", "r_order", "things")


def by_sql(s, who, token):
    for sql in [f"SELECT * FROM {t}" for t in TABLES] + [
            "SELECT * FROM history WHERE point = 'press/force' AND time > '2000-01-01'", "SELECT * FROM history WHERE device = 'press' AND time > '2000-01-01'",
            "SELECT max(value), min(text) FROM history WHERE property = 'force' AND time > '2000-01-01'",
            "SELECT value FROM history WHERE point = 'PF1' AND time > '2000-01-01' AND aggregate = 'max'",
            "SELECT count(*) FROM latest WHERE value > 8000000", f"SELECT count(*) FROM r_order WHERE title = '{TEXT}'",
            "SELECT json_extract(doc, '$.title') FROM records WHERE type = 'order' AND id = 'o1'"]:
        for form in ("json", "csv"):
            status, data, _ = raw(s, "POST", f"/api/v1/sql?format={form}", token, {"sql": sql})
            text = data.decode().replace(sql, "")
            if status >= 500 or any(x in text for x in SECRETS):
                sys.exit(f"{who}: {sql}: {status} {text[:400]}")
            if "count(*)" in sql and status == 200 and form == "json":
                check(f"{who}: {sql} tells nothing", json.loads(data)["rows"], [[0]])


def by_psql(s, who, user, password):
    if shutil.which("psql") is None:
        return
    for table in (*TABLES, "history WHERE device = 'press' AND time > '2000-01-01'"):
        r = subprocess.run(["psql", "-X", "-At", f"host=127.0.0.1 port={s.pg} dbname=songhua user={user} password={password} sslmode=prefer", "-c", f"SELECT * FROM {table}"],
                           capture_output=True, text=True, timeout=60, check=False)
        if any(x in r.stdout + r.stderr for x in SECRETS):
            sys.exit(f"{who}: psql {table} shows it: {r.stdout[:300]}{r.stderr[:300]}")


class Stream:
    """A live stream that is read in the background."""

    def __init__(self, s, token, ask):
        self.heard = []
        self.c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=30)
        self.c.request("GET", "/api/v1/stream?" + ask, headers={"Authorization": "Bearer " + token})
        self.a = self.c.getresponse()
        check("stream", self.a.status, 200)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        try:
            while True:
                line = self.a.readline()
                if not line:
                    break
                self.heard.append(line.decode())
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass

    def text(self):
        return "".join(self.heard)

    def wait(self, what, seconds=20):
        end = time.monotonic() + seconds
        while what not in self.text():
            if time.monotonic() > end:
                sys.exit(f"the stream never said {what!r}: {self.text()[:600]}")
            time.sleep(0.02)

    def close(self):
        if self.c.sock:
            self.c.sock.close()


def publish_event(s):
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", PASSWORD, "-t", "sh/v1/press/event/alarm", "-q", "1", "-m",
                    json.dumps({"what": TEXT})], check=True, timeout=20)


def by_stream(s, who, token, turn):
    st = Stream(s, token, "points=press/force,PF1&devices=press&overview=1")
    st.wait("event: masked")
    publish_event(s)
    s.post("/api/v1/ingest?device=press", {"ts": T + 100_000 + turn, "values": {"force": float(NUMBER), "recipe": TEXT, "plain": 4712 + turn}})
    st.wait(str(4712 + turn))
    if any(x in st.text() for x in SECRETS):
        sys.exit(f"{who}: the stream tells it: {st.text()[:600]}")
    st.close()


def by_mqtt(s, who, user, password, hears=False):
    if shutil.which("mosquitto_sub") is None:
        return
    subs = [(t, subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", user, "-P", password, "-t", t, "-v", "-W", "4", "-d"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
            for t in ("#", "sh/v1/+/telemetry", "sh/v1/press/#", "$share/g/#", "$share/g/sh/v1/+/telemetry")]
    time.sleep(1.5)  # the subscriptions are made or refused; what comes later than that is heard by nobody
    s.post("/api/v1/ingest?device=press", {"ts": T + 5, "values": {"plain": 1}})
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", PASSWORD, "-t", "sh/v1/press/telemetry", "-q", "1", "-m",
                    json.dumps({"ts": T + 6, "values": {"force": float(NUMBER), "recipe": TEXT}})], check=False, timeout=20)
    heard = 0
    for t, p in subs:
        out, _ = p.communicate(timeout=30)
        told = any(x in line for x in SECRETS for line in out.splitlines())
        heard += told
        if told and not hears:
            sys.exit(f"{who}: a subscription to {t} hears: {out[:400]}")
    if hears and heard == 0:
        sys.exit(f"{who}: hears nothing, so the test cannot tell")


READS = ["overview.read", "devices.*", "things.*", "assets.read", "channels.read", "points.*", "history.*", "dashboards.*", "records.*", "types.read", "mqtt.*", "tokens.*"]


def below(s, plant):
    s.put("/api/v1/roles/low", {"permissions": READS, "clearance": {"data_class": "general", "data_level": 3}})
    s.put("/api/v1/roles/mixed", {"permissions": READS, "clearance": {"data_class": "core", "data_level": 1}})  # the class and not the level
    turn = 10
    for who, roles in (("li", ["low"]), ("wang", ["mixed"]), ("both", ["low", "mixed"])):
        s.post("/api/v1/people", {"name": who, "password": WORD, "roles": roles})
        token = sign_in(s, who)
        calls = every_route(s, plant, who, token)
        by_sql(s, who, token)
        by_psql(s, who, who, WORD)
        by_stream(s, who, token, turn)
        by_mqtt(s, who, who, WORD)
        turn += 1
    token = sign_in(s, "li")
    made = s.make_token(name="limited", roles=["viewer"], clearance={"data_class": "general", "data_level": 1})
    every_route(s, plant, "token", made["token"])
    by_sql(s, "token", made["token"])
    by_psql(s, "token", made["id"], made["token"])
    # a grant for a part of the plant, whose role sees little
    s.post("/api/v1/people", {"name": "part", "password": WORD, "grants": [{"role": "low", "label": "line:1"}]})
    part = sign_in(s, "part")
    every_route(s, plant, "part", part)
    by_sql(s, "part", part)
    by_stream(s, "part", part, turn)
    # a kiosk shows what is general, and the rest as masked
    wall = s.make_token(name="wall", dashboard=plant.board)
    for name, method, path, body in requests_of(s, plant):
        status, data, _ = raw(s, method, path, wall["token"], body) if name not in SKIPPED else (0, b"", None)
        if any(x in opened(data) for x in SECRETS):
            sys.exit(f"kiosk: {method} {path} shows it: {data[:300]}")
    st = Stream(s, wall["token"], f"dashboard={plant.board}")
    st.wait("event: masked")
    st.close()
    if any(x in st.text() for x in SECRETS):
        sys.exit("the kiosk's stream tells it")
    print(f"  below the clearance: {calls} calls each, ok", flush=True)
    return token


def listed(s, token):
    """Masked is listed: name, unit and class, and no value."""
    p = [x for x in ok(s, "GET", "/api/v1/points?device=press", token)["items"] if x["property"] == "force"][0]
    check("point", (p["unit"], p["data_class"], p["data_level"], p["masked"]), ("kN", "core", 3, True))
    v = ok(s, "GET", "/api/v1/latest?points=press/force,press/plain", token)["items"]
    check("latest", v[0], {"point": "press/force", "value": None, "data_class": "core", "data_level": 3, "masked": True})
    check("latest of what is general", "value" in v[1] and "masked" not in v[1], True)
    d = ok(s, "GET", "/api/v1/devices/press/latest", token)["points"]
    check("latest of a device", (d["force"]["value"], d["force"]["masked"], "masked" in d["plain"]), (None, True, False))
    h = ok(s, "POST", "/api/v1/history/query", token, {"points": ["press/force", "press/plain"], "from": 0, "to": TO})["series"]
    check("history", (h[0]["masked"], h[0]["unit"], h[0]["data_class"], h[0]["value"], len(h[1]["value"]) > 0), (True, "kN", "core", [], True))
    c = ok(s, "POST", "/api/v1/history/calculate", token, {"expressions": [{"expression": "{press/plain} + {press/force}"}, {"expression": "{press/plain} * 1"}], "from": 0, "to": TO})["series"]
    check("calculated", (c[0]["masked"], c[0]["value"], c[0]["statistics"]["count"], "masked" in c[1], len(c[1]["value"]) > 0), (True, [], 0, False, True))
    e = ok(s, "GET", "/api/v1/devices/press/events", token)
    check("events", (e["items"], e["masked"]), ([], ["alarm"]))
    r = ok(s, "GET", "/api/v1/records/order/o1", token)
    check("record", (r["id"], r["record"], r["masked"], r["data_class"]), ("o1", None, True, "core"))
    check("records are not searched", raw(s, "GET", "/api/v1/records/order?q=x", token)[0], 403)
    n = [x for x in ok(s, "GET", "/api/v1/notes", token)["items"] if x["id"]]
    check("notes", {(x["text"], x["masked"]) for x in n if not x["mine"]}, {(None, True)})
    a = ok(s, "GET", "/api/v1/devices/press/attributes", token)
    check("attributes", (a["desired"], a["reported"], a["masked"]), (None, None, True))
    b = ok(s, "POST", "/api/v1/dashboards/data", token, {"points": ["press/force"]})["points"]["press/force"]
    check("dashboard", (b["value"], b["masked"], b["data_class"]), (None, True, "core"))
    rows = ok(s, "POST", "/api/v1/sql", token, {"sql": "SELECT point, value, masked FROM latest ORDER BY point"})["rows"]
    check("SQL", [r for r in rows if r[0] == "press/force"], [["press/force", None, 1]])
    me = ok(s, "GET", "/api/v1/sessions/current", token)
    check("session", me["clearance"], [{"data_class": "general", "data_level": 3}])
    right = [r for r in ok(s, "GET", "/api/v1/sessions/current/rights", token)["items"] if r["name"] == "history.read"][0]
    check("why", (right["clearance"], "viewer" in right["clearance_roles"], "low" in right["clearance_roles"]), ([{"data_class": "general", "data_level": 3}], True, False))
    check("filter", [d["id"] for d in ok(s, "GET", "/api/v1/devices?data_class=core", token)["items"]], ["press"])
    check("filter of points", {p["property"] for p in ok(s, "GET", "/api/v1/points?data_class=core", token)["items"]}, {"force", "recipe"})
    for path, body in (("devices/press/secret", None), ("devices/press/certificates", {"days": 1}), ("devices/press/common-names", {"name": "cn"}),
                       ("tokens", {"name": "own", "device": "press"}), ("provisioning-keys", {"name": "any"})):
        status, data, _ = raw(s, "POST", "/api/v1/" + path, token, body)
        check(f"a credential by {path}: {data[:200]}", (status, json.loads(data)["code"]), (403, "masked"))
    print("  listed and masked: ok", flush=True)


def above(s, plant):
    """The same places show it to who may see it."""
    want = {"queryHistory", "latestOfMany", "latest", "deviceLatest", "deviceEvents", "dashboardData", "postSql", "querySql", "exportHistory", "promQuery", "promQueryRange",
            "promQueryForm", "promQueryRangeForm", "listNotes", "exportNotes", "listEdits", "getRecord", "listRecords", "calculateHistory", "getAttributes", "getCommand", "listRevisions"}
    every_route(s, plant, "admin", s.token, want=want)
    st = Stream(s, s.token, "points=press/force")
    st.wait(NUMBER_INT)
    publish_event(s)
    st.wait(TEXT)
    st.close()
    if "event: masked" in st.text():
        sys.exit("the administrator's stream masks")
    by_mqtt(s, "admin", "admin", PASSWORD, hears=True)
    audit = json.dumps(s.get("/api/v1/audit?limit=1000"))
    if NUMBER_INT in audit:
        sys.exit("the audit chain holds a classed value")
    print("  above the clearance: ok", flush=True)


def files(s):
    """Exports say their class, ask for a proof, and are audited."""
    s.put("/api/v1/roles/reader", {"permissions": ["points.read", "history.read", "devices.read"]})
    s.post("/api/v1/people", {"name": "reader", "password": WORD, "roles": ["reader"]})
    reader = sign_in(s, "reader")
    path = f"/api/v1/history/export?points=press/force,press/plain&from=0&to={TO}"
    status, data, _ = raw(s, "GET", path, reader)
    check("without history.export", (status, json.loads(data)["code"], "history.export" in json.loads(data)["detail"]), (403, "denied", True))
    status, data, head = raw(s, "GET", f"/api/v1/history/export?points=press/plain&from=0&to={TO}", reader)
    check("general", (status, head["X-Data-Class"], head["X-Data-Level"], head["Content-Disposition"]), (200, "general", "1", 'attachment; filename="history.csv"'))
    status, data, head = raw(s, "GET", path, s.token)
    check("core", (status, head["X-Data-Class"], head["X-Data-Level"], head["Content-Disposition"]), (200, "core", "3", 'attachment; filename="history-core-3.csv"'))
    check("and comes back", raw(s, "POST", "/api/v1/ingest?device=copy&time_column=time", s.token, data)[0] < 300 or data[:3] == b"\xef\xbb\xbf", True)
    low = sign_in(s, "li")
    status, data, head = raw(s, "GET", path, low)
    check("masked in part", (status, head["X-Data-Class"], head["X-Data-Masked"], PLAIN.encode() in data), (200, "general", "1", True))
    status, data, head = raw(s, "GET", path + "&format=xlsx", s.token)
    book = opened(data)
    check("workbook", ("headerFooter" in book, "Data class: core 3" in book, "core-properties" in book), (True, True, True))
    # a session is asked for its password: not lately
    s.call("PATCH", "/api/v1/config", {"set": {"guard.confirm_after": "1s", "guard.watermark": "core"}})
    time.sleep(1.2)
    status, data, _ = raw(s, "GET", path, s.token)
    check("confirm", (status, json.loads(data)["code"]), (403, "confirm_needed"))
    check("general needs none", raw(s, "GET", f"/api/v1/history/export?points=press/plain&from=0&to={TO}", s.token)[0], 200)
    status, data, _ = raw(s, "POST", "/api/v1/sql?format=csv", s.token, {"sql": "SELECT * FROM latest"})
    check("CSV of SQL holds back", (status, NUMBER_INT in data.decode()), (200, False))
    ok(s, "POST", "/api/v1/sessions/current/confirm", s.token, {"password": PASSWORD})
    status, data, head = raw(s, "GET", path + "&format=xlsx", s.token)
    check("after it", (status, head["X-Watermark"].startswith("admin 20")), (200, True))
    check("watermark", "<oddFooter>&amp;Cadmin 20" in opened(data), True)
    me = ok(s, "GET", "/api/v1/sessions/current", s.token)
    check("what to draw", (me["watermark"]["from"], me["watermark"]["text"]), ("core", "admin .1"))
    ok(s, "POST", "/api/v1/sessions/current/confirm", s.token, {"password": PASSWORD})
    s.call("PATCH", "/api/v1/config", {"set": {"guard.confirm_after": "15m", "guard.watermark": "off"}})
    told = [a for a in s.get("/api/v1/audit?limit=1000")["items"] if a["act"] == "history.exported"]
    check("audited", any("class core level 3" in a["detail"] and "rows" in a["detail"] for a in told), True)
    print("  files: ok", flush=True)


def kept(s, plant):
    """Nothing is lowered on the way; who may lowers it, with a reason."""
    thing = s.get("/api/v1/things/press")
    lower = json.loads(json.dumps(thing))
    for p in lower["properties"]:
        if p["id"] == "force":
            p["data_class"] = "important"
    refused = [
        ("PUT", "/api/v1/things/press", lower), ("PUT", "/api/v1/things/press", {**thing, "data_class": None, "properties": [{"id": "force", "type": "f64", "unit": "kN", "access": "rw"}]}),
        ("PUT", "/api/v1/devices/press", {"labels": {"line": "1"}}), ("PATCH", "/api/v1/devices/press", {"thing": None}),
        ("PATCH", "/api/v1/devices/press", {"point_classes": {"force": {"data_class": "general", "data_level": 1}}}),
        ("PATCH", "/api/v1/points/press/force", {"data_class": "general"}),
        ("PUT", "/api/v1/types/order", {"name": "order", "schema": {"type": "object"}}),
    ]
    for method, path, body in refused:
        status, data, _ = raw(s, method, path, s.token, body)
        check(f"{method} {path} {body}: {data[:200]}", (status, json.loads(data)["code"]), (403, "class_lowered"))
    bulk = ok(s, "POST", "/api/v1/devices/bulk", s.token, {"ids": ["press"], "change": {"thing": None}})
    check("bulk", [r["code"] for r in bulk["refused"]], ["class_lowered"])
    got = ok(s, "POST", "/api/v1/devices/import?format=json", s.token, json.dumps([{"id": "press", "thing": None}]))
    check("import of devices", [r["code"] for r in got["rejected"]], ["class_lowered"])
    got = ok(s, "POST", "/api/v1/things/import?format=json", s.token, json.dumps([lower]))
    check("import of models", [r["code"] for r in got["rejected"]], ["class_lowered"])
    # a file without the columns changes no class, and one with them brings them back
    csv = raw(s, "GET", "/api/v1/things/export?format=csv", s.token)[1].decode("utf-8-sig")
    check("columns", csv.splitlines()[0].endswith("data_class,data_level,thing_data_class,thing_data_level"), True)
    check("comes back", ok(s, "POST", "/api/v1/things/import?format=csv", s.token, csv)["unchanged"], 1)
    # lowering is for who may
    check("without the right", raw(s, "POST", "/api/v1/data-classes", sign_in(s, "li"), {"kind": "tenant", "reason": "x"})[0], 403)
    say = {"kind": "property", "id": "press", "property": "force", "data_class": "important", "data_level": 3}
    check("without a reason", raw(s, "POST", "/api/v1/data-classes", s.token, say)[0], 400)
    check("with one", raw(s, "POST", "/api/v1/data-classes", s.token, {**say, "reason": "declassified by order 7"})[0], 204)
    check("now", s.get("/api/v1/points?device=press&q=force")["items"][0]["data_class"], "important")
    told = [a for a in s.get("/api/v1/audit?limit=50")["items"] if a["act"] == "data.classified"]
    check("audited", (told[0]["object"], "declassified by order 7" in told[0]["detail"]), ("property:press/force", True))
    check("and back", raw(s, "PUT", "/api/v1/things/press", s.token, {k: v for k, v in thing.items() if k not in ("revision", "updated")})[0], 200)
    # what is made of a point is of its class, also for who may see it
    asked = [{"expression": "{press/force} * 1"}, {"expression": "{press/plain} + {press/force} / 1[kN]"}, {"expression": "{press/plain} * 1"}]
    made = s.post("/api/v1/history/calculate", {"expressions": asked, "from": 0, "to": TO})["series"]
    check("calculated", [(m.get("data_class"), m.get("masked"), len(m["time"]) > 0) for m in made],
          [("core", None, True), ("core", None, True), (None, None, True)])
    cat = s.get("/api/v1/data-classes")
    check("catalogue", {(i["kind"], i["id"], i.get("property")): i["data_class"] for i in cat["items"] if i["data_class"] == "core"},
          {("property", "press", "force"): "core", ("property", "press", "recipe"): "core", ("type", "order", None): "core"})
    check("counted", [p["points"] for p in cat["points"] if (p["data_class"], p["data_level"]) == ("core", 3)], [2])
    csv = raw(s, "GET", "/api/v1/data-classes?format=csv", s.token)[1].decode("utf-8-sig").splitlines()
    check("as CSV", "property,press,force,,kN,core,3,yes,1" in csv, True)
    print("  nothing is lowered: ok", flush=True)


def at_once(s, plant):
    """What is raised is masked in a stream that is open; a subscription ends; a new point is born classed; a restart keeps it."""
    low = sign_in(s, "li")
    s.post("/api/v1/ingest?device=free", {"ts": T, "values": {"x": 1}})
    st = Stream(s, low, "points=free/x")
    st.wait('"free/x"')
    s.call("PATCH", "/api/v1/points/free/x", {"data_class": "core", "data_level": 3})
    st.wait("event: masked")
    s.post("/api/v1/ingest?device=free", {"ts": T + 1, "values": {"x": float(NUMBER)}})
    check("of it alone", s.get("/api/v1/devices/free")["point_classes"], {"x": {"data_class": "core", "data_level": 3}})
    s.call("PATCH", "/api/v1/devices/free", {"data_class": "important"})
    s.post("/api/v1/ingest?device=free", {"ts": T + 2, "values": {"y": 2}})
    check("born classed", s.get("/api/v1/points?device=free&q=y")["items"][0]["data_class"], "important")
    check("masked", ok(s, "GET", "/api/v1/latest?points=free/y", low)["items"][0]["masked"], True)
    s.put("/api/v1/roles/low", {"permissions": READS, "clearance": {"data_class": "core", "data_level": 3}})
    st.wait(NUMBER_INT)  # the role shows it from now on
    s.put("/api/v1/roles/low", {"permissions": READS, "clearance": {"data_class": "general", "data_level": 3}})
    st.close()
    s.stop()
    s.start()
    low = sign_in(s, "li")
    check("after a restart", {p["property"]: (p["data_class"], p["data_level"], "masked" in p) for d in ("free", "press") for p in ok(s, "GET", f"/api/v1/points?device={d}", low)["items"]},
          {"x": ("core", 3, True), "y": ("important", 1, True), "force": ("core", 3, True), "recipe": ("core", 3, True), "plain": ("general", 1, False)})
    every_route(s, plant, "li after a restart", low)
    # the tenant's own default
    check("default", raw(s, "POST", "/api/v1/data-classes", s.token, {"kind": "tenant", "data_class": "important", "data_level": 1, "reason": "all of it"})[0], 204)
    s.post("/api/v1/ingest?device=other", {"ts": T, "values": {"z": 1}})
    check("of the tenant", s.get("/api/v1/points?device=other")["items"][0]["data_class"], "important")
    check("what is said stays", s.get("/api/v1/points?device=press&q=plain")["items"][0]["data_class"], "general")
    print("  at once: ok", flush=True)


def main():
    (pg,) = free_ports(1)
    with Songhua({"pg.listen": f"127.0.0.1:{pg}", "api.slow": "1us"}) as s:
        s.pg = pg
        plant = Plant(s)
        low = below(s, plant)
        listed(s, low)
        above(s, plant)
        files(s)
        kept(s, plant)
        at_once(s, plant)


if __name__ == "__main__":
    main()
