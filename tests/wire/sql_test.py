"""SQL over HTTP: the tables against the REST query, what is refused and how, rights (roles, another tenant, a bound device token), bombs
against the limits, CSV of 200,000 rows and a client that leaves in the middle.
SPDX-License-Identifier: Apache-2.0
"""
import csv
import http.client
import io
import json
import sys
import time
import urllib.parse

from songhua import Problem, Songhua

T0 = 1767225600000  # 2026-01-01T00:00:00Z
WORD = "Test-Harbin-2025-person"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def sql(s, text, parameters=None, query="", token=None, chinese=False):
    body = {"sql": text}
    if parameters is not None:
        body["parameters"] = parameters
    head = {"Content-Type": "application/json"}
    if token:
        head["Authorization"] = "Bearer " + token
    if chinese:
        head["Accept-Language"] = "zh-CN"
    status, _, data = s.raw("POST", "/api/v1/sql" + query, json.dumps(body), head)
    return status, json.loads(data)


def rows(s, text, *parameters, token=None, query=""):
    status, answer = sql(s, text, list(parameters), token=token, query=query)
    check(f"{text}: {answer}", status, 200)
    return answer["rows"]


def refused(s, text, status, code, part, token=None):
    have, p = sql(s, text, token=token)
    check(f"{text}: {p}", (have, p["code"]), (status, code))
    if part not in p["detail"] or not p["remedy"]:
        sys.exit(f"{text}: {part!r} is not in {p}")
    zh = sql(s, text, token=token, chinese=True)[1]
    if zh["code"] != code or zh["title"].isascii() or zh["remedy"].isascii():
        sys.exit(f"{text}: not in Chinese: {zh}")


def fill(s, tenant, mark, factor):
    q = f"&tenant={tenant}" if tenant else ""
    for device in ("pump1", "pump2"):
        samples = [
            {"ts": T0 + i * 1000, "values": {"flow": i * factor, "on": i % 2 == 0, "state": f"{mark}{i % 3}"}} for i in range(600)
        ]
        s.post(f"/api/v1/ingest?device={device}{q}", samples)
    q = f"?tenant={tenant}" if tenant else ""
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "score": {"type": "number"}, "id": {"type": "string"}}}
    s.post(f"/api/v1/types{q}", {"name": "supplier", "schema": schema})
    for i in range(150):
        s.post(f"/api/v1/records/supplier?id=s{i:03}{'&' + q[1:] if q else ''}", {"name": mark, "score": i / 2, "tags": [i, i + 1]})


def tables(s):
    check("points", rows(s, "SELECT name, type FROM points WHERE device = 'pump1' ORDER BY 1"),
          [["pump1/flow", "f64"], ["pump1/on", "bool"], ["pump1/state", "text"]])
    check("latest", rows(s, "SELECT time, value, text FROM latest WHERE point = 'pump1/state'"), [["2026-01-01T00:09:59Z", None, "root2"]])
    check("latest, all", rows(s, "SELECT count(*) FROM latest"), [[6]])
    check("devices", rows(s, "SELECT id, points FROM devices WHERE id = 'pump1'"), [["pump1", 3]])
    check("records", rows(s, "SELECT count(*), min(id), max(rev) FROM records WHERE type = 'supplier'"), [[150, "s000", 1]])
    check("one record", rows(s, "SELECT json_extract(doc, '$.tags[1]') FROM records WHERE type = 'supplier' AND id = 's007'"), [[8]])
    check("no such type", rows(s, "SELECT * FROM records WHERE type = 'nope'"), [])
    check("internal kinds", rows(s, "SELECT * FROM records WHERE type = '_device'"), [])
    check("view", rows(s, "SELECT name, score FROM r_supplier WHERE score > $1 ORDER BY score DESC LIMIT 2", 70), [["root", 74.5], ["root", 74]])
    s.post("/api/v1/records/supplier?id=a0", {"tags": []})  # no name, no score: the types come from later rows
    status, answer = sql(s, "SELECT name, score, NULL FROM r_supplier ORDER BY id")
    check("types", ([c["type"] for c in answer["columns"]], answer["rows"][0], len(answer["rows"])), (["text", "number", "null"], [None, None, None], 151))
    s.delete("/api/v1/records/supplier/a0")
    check("json_each", rows(s, "SELECT sum(e.value) FROM r_supplier r, json_each(r.doc, '$.tags') e WHERE r.id < 's002'"), [[4]])
    tagged = "/api/v1/points/pump1/flow"
    s.call("PATCH", tagged, {"tag": "FT-101"})
    check("by tag", rows(s, "SELECT point, value FROM history WHERE point = 'FT-101' LIMIT 1"), [["FT-101", 0]])


def against_rest(s):
    """Raw and aggregated, every operator on time, all as the REST query gives it."""
    points = ["pump1/flow", "pump2/flow"]
    raw = s.query(points, T0 + 100000, T0 + 400000)
    want = [[p, t, v, q] for p in points for t, v, q in zip(raw[p]["time"], raw[p]["value"], raw[p]["quality"])]
    text = "SELECT point, time_us, value, quality FROM history WHERE point IN ('pump1/flow','pump2/flow') AND {} ORDER BY point, time_us"
    for where in (
        f"time >= {T0 + 100000} AND time < {T0 + 400000}",
        "time >= '2026-01-01T00:01:40Z' AND time < '2026-01-01 08:06:40+08'",
        "time > '2026-01-01 00:01:39.5' AND time <= '2026-01-01 00:06:39'",
        "time BETWEEN '2026-01-01T00:01:40Z' AND '2026-01-01T00:06:39Z'",
        f"time_us >= {(T0 + 100000) * 1000} AND time_us < {(T0 + 400000) * 1000}",
        "time >= '2026-01-01'::timestamp + interval '100 seconds' AND time < timestamp '2026-01-01' + interval '6 minutes 40 seconds'",
        f"+time >= '2026-01-01T00:01:40.000Z' AND NOT time >= {T0 + 400000}",  # compared by SQLite, not by the table
    ):
        check(where, rows(s, text.format(where)), want)
    for name in ("count", "sum", "min", "max", "mean", "first", "last", "stddev", "p95", "twa", "rate"):
        rest = s.query(points[:1], T0, T0 + 600000, step="1m", aggregate=[name])[points[0]]
        got = rows(s, "SELECT time_us, value FROM history WHERE point = 'pump1/flow' AND time >= $1 AND time < $2 AND step = '1m' AND aggregate = $3",
                   T0, T0 + 600000, name)
        check(name, got, [list(r) for r in zip(rest["time"], rest[name])])
    check("step alone is the mean", rows(s, "SELECT avg(value) FROM history WHERE point = 'pump1/flow' AND step = '1m'"), [[149.75]])
    check("by device", rows(s, "SELECT property, count(*) FROM history WHERE device = 'pump1' AND property <> 'on' GROUP BY 1 ORDER BY 1"),
          [["flow", 600], ["state", 600]])
    check("join", rows(s, "SELECT p.device, max(h.value) FROM points p JOIN history h ON h.point = p.name WHERE p.property = 'flow' GROUP BY 1"),
          [["pump1", 299.5], ["pump2", 299.5]])
    check("order", rows(s, "SELECT time FROM history WHERE point = 'pump1/flow' ORDER BY time DESC LIMIT 1"), [["2026-01-01T00:09:59Z"]])
    check("grafana", rows(s, "SELECT floor(extract(epoch from time)/300)*300 AS time, avg(value) FROM public.history WHERE point = 'pump1/flow' "
                             "AND time BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T01:00:00Z' GROUP BY 1 ORDER BY 1"),
          [[T0 / 1000, 74.75], [T0 / 1000 + 300, 224.75]])
    check("preview", len(rows(s, "SELECT * FROM history LIMIT 1000")), 1000)
    check("no such point", rows(s, "SELECT * FROM history WHERE point = 'pump9/flow'"), [])


def refusals(s):
    for text in ("ATTACH 'x.db' AS x", "PRAGMA journal_mode", "SELECT * FROM pragma_database_list", "CREATE TABLE t(x)", "DELETE FROM points",
                 "INSERT INTO points VALUES (1)", "VACUUM INTO '/tmp/x'", "DETACH main", "BEGIN", "DROP VIEW r_supplier"):
        refused(s, text, 403, "denied", "only SELECT")
    for text in ("SELECT * FROM sqlite_master", "SELECT * FROM sqlite_schema"):
        refused(s, text, 403, "denied", "cannot be read")
    for text in ("SELECT load_extension('x')", "SELECT zeroblob(1e9)", "SELECT randomblob(9)", "SELECT sqlite_version()"):
        refused(s, text, 403, "denied", "is not offered")
    refused(s, "SELECT * FROM history", 422, "unsupported", "by point or device")
    refused(s, "SELECT * FROM history ORDER BY time LIMIT 10", 422, "unsupported", "by point or device")
    refused(s, "SELECT * FROM history LIMIT 10001", 422, "unsupported", "by point or device")
    refused(s, "SELECT value FROM history WHERE point = 'pump1/flow' AND time > 'yesterday'", 400, "bad_sql", "yesterday")
    refused(s, "SELECT value FROM history WHERE point = 'pump1/flow' AND step = '1 fortnight'", 400, "bad_sql", "fortnight")
    refused(s, "SELECT value FROM history WHERE point = 'pump1/state' AND step = '1m'", 422, "unsupported", "pump1/state")
    refused(s, "SELECT nope FROM points", 400, "bad_sql", "no such column: nope (at byte 8)")
    refused(s, "SELECT x FROM nope", 400, "bad_sql", "no such table")
    refused(s, "SELEC 1", 400, "bad_sql", "at byte 1")
    refused(s, "SELECT 'a", 400, "bad_sql", "at byte 8")
    refused(s, "SELECT 1; SELECT 2", 400, "bad_sql", "one statement")
    refused(s, "SELECT $1", 400, "bad_sql", "1 parameters")
    refused(s, "SELECT ARRAY[1]", 422, "unsupported", "ARRAY")
    refused(s, "SELECT '" + "x" * 140000 + "'", 422, "limit", "128 KiB")
    refused(s, "SELECT " + "+".join(["1"] * 500), 422, "limit", "depth")
    refused(s, "SELECT " + "(" * 2000 + "1" + ")" * 2000, 422, "limit", "deep")
    refused(s, "SELECT " + ",".join(["1"] * 300), 422, "limit", "too many columns")
    refused(s, " UNION ALL ".join(["SELECT 1"] * 60), 422, "limit", "too many terms")


def bombs(s):
    """Each ends by itself, and the server stays as it is."""
    count = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) "
    refused(s, "WITH RECURSIVE c(x) AS (SELECT 'a' UNION ALL SELECT x||x FROM c) SELECT max(length(x)) FROM c", 422, "limit", "too big")
    refused(s, "WITH RECURSIVE c(x,y) AS (SELECT 1, printf('%1000000s','a') UNION ALL SELECT x+1, y FROM c) SELECT x FROM c ORDER BY y", 422,
            "limit", "memory")
    refused(s, "SELECT count(*) FROM history a, history b, history c WHERE a.device = 'pump1' AND b.device = 'pump1' AND c.device = 'pump1'", 503,
            "too_busy", "sql.deadline")
    start = time.monotonic()
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)  # the others are served meanwhile
    c.request("GET", "/api/v1/sql?sql=" + urllib.parse.quote(count + "SELECT count(*) FROM c"), None, {"Authorization": "Bearer " + s.token})
    check("meanwhile", rows(s, "SELECT 1"), [[1]])
    if time.monotonic() - start > 10:
        sys.exit("another query waited for the endless one")
    check("endless", c.getresponse().status, 503)
    c.close()


def rights(s):
    refused_for = {"viewer": [], "ingest": ["points", "latest", "devices", "records", "things", "assets"]}
    for role, no in refused_for.items():
        token = s.make_token(name=role, roles=[role])["token"]
        for table in ("points", "latest", "devices", "things", "assets", "records"):
            status, p = sql(s, f"SELECT count(*) FROM {table}", token=token)
            check(f"{role} {table} {p}", status, 403 if table in no else 200)
    token = s.make_token(name="ingest2", roles=["ingest"])["token"]
    refused(s, "SELECT value FROM history WHERE point = 'pump1/flow'", 403, "denied", "history.read", token)
    bound = s.make_token(name="bound", device="pump1", permissions=["points.read", "history.read", "devices.read"])["token"]
    check("bound points", rows(s, "SELECT DISTINCT device FROM points", token=bound), [["pump1"]])
    check("bound latest", rows(s, "SELECT DISTINCT device FROM latest", token=bound), [["pump1"]])
    check("bound devices", rows(s, "SELECT id FROM devices", token=bound), [["pump1"]])
    check("bound history", rows(s, "SELECT count(*) FROM history WHERE point = 'pump1/flow'", token=bound), [[600]])
    check("bound, another", rows(s, "SELECT count(*) FROM history WHERE point = 'pump2/flow'", token=bound), [[0]])
    check("bound, another device", rows(s, "SELECT count(*) FROM history WHERE device = 'pump2'", token=bound), [[0]])
    check("bound, preview", rows(s, "SELECT DISTINCT device FROM (SELECT device FROM history LIMIT 5000)", token=bound), [["pump1"]])
    status, _, _ = s.raw("GET", "/api/v1/sql?sql=SELECT+1", None, {"Authorization": "Bearer nobody"})
    check("nobody", status, 401)

    s.post("/api/v1/people?tenant=park", {"name": "boss", "password": WORD, "roles": ["administrator"]})
    park = s.post("/api/v1/sessions", {"user": "boss@park", "password": WORD})["token"]
    check("another tenant's samples", rows(s, "SELECT max(value) FROM history WHERE point = 'pump1/flow'", token=park), [[5990]])
    check("another tenant's points", rows(s, "SELECT count(*) FROM points", token=park), [[6]])
    check("another tenant's records", rows(s, "SELECT DISTINCT name FROM r_supplier", token=park), [["park"]])
    check("of a tenant below", rows(s, "SELECT max(value) FROM history WHERE point = 'pump1/flow'", query="?tenant=park"), [[5990]])
    status, p = sql(s, "SELECT 1", query="?tenant=west", token=park)
    check(f"a tenant beside {p}", status, 404)


def as_csv(s):
    for i in range(4):
        s.post("/api/v1/ingest?device=big", [{"ts": T0 + j, "values": {"v": j}} for j in range(i * 50000, (i + 1) * 50000)])
    ask = "/api/v1/sql?format=csv&sql=" + urllib.parse.quote("SELECT time, value, 'a,\"b' AS q FROM history WHERE point = 'big/v'")
    status, headers, data = s.raw("GET", ask)
    check("CSV", (status, headers["Content-Type"], data[:3]), (200, "text/csv; charset=utf-8", b"\xef\xbb\xbf"))
    got = list(csv.reader(io.StringIO(data[3:].decode())))
    check("CSV head", got[0], ["time", "value", "q"])
    check("CSV rows", (len(got), got[1], got[200000]), (200001, ["2026-01-01T00:00:00Z", "0", 'a,"b'], ["2026-01-01T00:03:19.999Z", "199999", 'a,"b']))
    check("CSV limit", len(s.raw("GET", ask + "&limit=10")[2].splitlines()), 11)
    status, answer = sql(s, "SELECT value FROM history WHERE point = 'big/v'", query="?limit=1000")
    check("truncated", (status, len(answer["rows"]), answer["truncated"]), (200, 1000, True))
    for _ in range(6):  # clients that leave; at most two may run at once, so the places must come back
        c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
        c.request("GET", ask, None, {"Authorization": "Bearer " + s.token})
        a = c.getresponse()
        check("CSV begun", a.status, 200)
        a.read(1000)
        a.close()
        c.close()
        end = time.monotonic() + 20
        while "songhua_sql_open 0\n" not in s.raw("GET", "/metrics")[2].decode():
            if time.monotonic() > end:
                sys.exit("the query of a client that left goes on")
            time.sleep(0.05)


def main():
    with Songhua({"sql.deadline": "5s", "sql.memory": "64MiB"}) as s:
        s.post("/api/v1/tenants", {"path": "park", "name": "Park"})
        s.post("/api/v1/tenants", {"path": "west", "name": "West"})
        fill(s, "", "root", 0.5)
        fill(s, "park", "park", 10)
        for part in (tables, against_rest, refusals, rights, as_csv, bombs):
            start = time.monotonic()
            part(s)
            print(f"{part.__name__} ok, {time.monotonic() - start:.1f} s", flush=True)
        metrics = s.raw("GET", "/metrics")[2].decode()
        for name in ("sql_queries_total", "sql_rows_total", "sql_refused_total", "sql_limited_total", "sql_timeouts_total"):
            if f"\nsonghua_{name} 0\n" in metrics or f"\nsonghua_{name} " not in metrics:
                sys.exit(f"{name} does not count")
        try:
            s.get("/api/v1/sql")
            sys.exit("no sql was taken")
        except Problem as p:
            check("no sql", p.status, 400)
        check("stop", s.stop(), 0)


main()
