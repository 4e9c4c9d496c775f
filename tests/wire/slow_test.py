"""What took long: requests, SQL by HTTP and by psql, PromQL; with the limit set while the node runs. Whose they are, who sees which of them and
what was asked; that no secret is among it; counts, metric, overview, log.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse

from songhua import PASSWORD, Problem, Songhua, free_ports

T = 1_700_000_000_000
WORD = "Songhua-slow-1898"
WORK = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < {n}) SELECT count(*) AS n FROM c"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def limit(s, text):
    s.call("PATCH", "/api/v1/config", {"set": {"api.slow": text}})


def slow(s, token=None, query=""):
    return as_who(s, token, "GET", "/api/v1/slow?limit=256" + query)[1]


def as_who(s, token, method, path, body=None):
    head = {"Authorization": "Bearer " + token} if token else {}
    status, _, data = s.raw(method, path, None if body is None else json.dumps(body), head)
    return status, json.loads(data) if data else None


def of_route(page, end, **also):
    return [i for i in page["items"] if i["route"].endswith(end) and all(i.get(k) == v for k, v in also.items())]


def wait_for(what, fn):
    end = time.monotonic() + 30
    while True:
        got = fn()
        if got or time.monotonic() > end:
            return got or sys.exit(f"{what}: not within 30 s")
        time.sleep(0.05)


def metric(s):
    return next(float(line.split()[1]) for line in s.raw("GET", "/metrics")[2].decode().splitlines() if line.startswith("songhua_slow_total "))


def off_and_on(s):
    check("the usual limit", slow(s)["over_ms"], 1000)
    limit(s, "60s")
    s.post("/api/v1/sql", {"sql": "SELECT 1"})
    check("that was not slow", (of_route(slow(s), "/sql"), s.get("/api/v1/overview")["slow"]["over_ms"]), ([], 60_000))
    limit(s, "1us")
    check("the limit is a live one", slow(s)["over_ms"], 0.001)
    before = metric(s)
    begin = time.monotonic()
    s.post("/api/v1/sql?limit=7", {"sql": WORK.format(n="?1"), "parameters": [200_000]})
    wall = (time.monotonic() - begin) * 1000
    item = of_route(slow(s), "/sql")[0]
    check("a statement", (item["method"], item["form"], item["text"], item["rows"], item["status"], item["cut"]),
          ("POST", "sql", WORK.format(n="?1"), 1, 200, False))
    check("what it took", 0 < item["ms"] <= wall and 0 <= item["waited_ms"] < item["ms"], True)
    check("who and where", (item["who"], item["tenant"], item["bytes"] > 10), ("person:admin", "", True))
    check("no value of a parameter is kept", "200000" in json.dumps(slow(s)), False)
    check("counted", metric(s) > before, True)
    limit(s, "0s")
    seen = slow(s)["items"][0]["id"]
    s.get("/api/v1/devices")
    check("0s keeps none, what was there stays", (slow(s)["items"][0]["id"], slow(s)["over_ms"]), (seen, 0))


def kinds(s):
    limit(s, "1us")
    ask = {"points": ["pump/f"], "from": T - 1000, "to": T + 1000}
    s.post("/api/v1/history/query", ask)
    item = of_route(slow(s), "/history/query")[0]
    check("a query of history", (json.loads(item["text"]), item["rows"], item["form"]), (ask, 3, "json"))
    s.get("/api/v1/devices?q=pump&limit=5&unknown=x")
    check("a list, with what its route declares", of_route(slow(s), "/devices")[0]["text"], "q=pump&limit=5")
    s.get("/api/v1/prom/api/v1/query?query=" + urllib.parse.quote('{__name__="f"}') + f"&time={T // 1000}")
    check("PromQL", (lambda i: (i["form"], i["text"]))(of_route(slow(s), "prom/api/v1/query")[0]), ("promql", '{__name__="f"}'))
    s.raw("GET", f"/api/v1/history/export?points=pump%2Ff&from={T}&to={T + 9}&format=csv")
    item = of_route(slow(s), "/history/export")[0]
    check("an export", (json.loads(item["text"])["points"], item["bytes"] > 50), (["pump/f"], True))
    s.raw("GET", "/api/v1/sql?format=csv&sql=" + urllib.parse.quote("SELECT 7 AS n"))
    item = wait_for("a streamed answer", lambda: of_route(slow(s), "/sql", method="GET"))[0]
    check("which has the client's time in it", (item["streamed"], item["bytes"], item["rows"], item["text"]), (True, None, 1, "SELECT 7 AS n"))
    long = {"points": ["pump/f"] * 300, "from": T, "to": T + 1, "where": "水" * 400}
    try:
        s.post("/api/v1/history/query", long)
    except Problem:
        pass
    item = of_route(slow(s), "/history/query")[0]
    check("a long one is cut at a character", (item["cut"], len(item["text"].encode()) <= 1000), (True, True))
    check("the route is a pattern", of_route((s.get("/api/v1/devices/pump"), slow(s))[1], "/devices/{id}")[0].get("text"), None)


def no_secrets(s):
    try:
        s.post("/api/v1/sessions", {"user": "admin", "password": "wrong-" + WORD})
    except Problem:
        pass
    token = s.make_token(name="x", roles=["viewer"])["token"]
    as_who(s, token, "GET", "/api/v1/devices?q=pump&token=" + token)
    text = json.dumps(slow(s))
    check("neither passwords nor tokens", [w for w in (WORD, PASSWORD, token, s.token) if w in text], [])
    item = of_route(slow(s), "/sessions")[0]
    check("the sign-in itself is there, without what was said", (item["status"], item.get("text"), item.get("masked")), (401, None, None))


def by_psql(s, port):
    if shutil.which("psql") is None:
        print("psql is not there: its statements were not tried")
        return
    word = s.make_token(name="bi", roles=["viewer"])["token"]
    r = subprocess.run(["psql", "-X", "-At", f"host=127.0.0.1 port={port} user=token dbname=songhua sslmode=disable", "-c",
                        "BEGIN; SELECT 1 AS a; " + WORK.format(n=300_000) + "; COMMIT"],
                       env=dict(os.environ, PGPASSWORD=word), capture_output=True, text=True, timeout=60, check=False)
    check("psql", (r.returncode, r.stdout.split()[-2:]), (0, ["300000", "COMMIT"]))
    items = of_route(slow(s), "postgresql")
    check("each statement by itself", sorted(i["text"].strip(" ;") for i in items), sorted(["SELECT 1 AS a", WORK.format(n=300_000)]))
    worst = max(items, key=lambda i: i["ms"])
    check("rows and who", (worst["method"], worst["rows"], worst["who"].startswith("token:"), worst["status"]), ("SQL", 1, True, None))


def whose(s):
    s.post("/api/v1/tenants", {"path": "jilin", "name": "Jilin"})
    s.post("/api/v1/tenants", {"path": "jilin/park", "name": "Park"})
    s.post("/api/v1/tenants", {"path": "other", "name": "Other"})
    tokens = {}
    for tenant in ("jilin", "jilin/park", "other"):
        path = urllib.parse.quote(tenant, safe="")
        for name in ("boss", "guest"):
            roles = ["administrator" if name == "boss" else "viewer"]
            s.post(f"/api/v1/people?tenant={path}", {"name": name, "password": WORD, "roles": roles})
            tokens[tenant, name] = s.post("/api/v1/sessions", {"user": f"{name}@{tenant}", "password": WORD})["token"]
            as_who(s, tokens[tenant, name], "GET", f"/api/v1/devices?q={path}-{name}")
    s.get("/api/v1/devices?q=of-root")

    def seen(token, query=""):
        return {(i["tenant"], i["who"].split("@")[0]) for i in of_route(slow(s, token, query), "/devices")}

    both = {("jilin", "person:boss"), ("jilin", "person:guest")}
    park = {("jilin/park", "person:boss"), ("jilin/park", "person:guest")}
    check("one's own and those below", seen(tokens["jilin", "boss"]), both | park)
    check("not those above", seen(tokens["jilin/park", "boss"]), park)
    check("of the tenant looked at", seen(tokens["jilin", "boss"], "&tenant=jilin%2Fpark"), park)
    check("the root sees all", seen(None) >= both | park | {("other", "person:boss"), ("", "person:admin")}, True)
    check("counts are of the same", {r["tenant"] for r in slow(s, tokens["jilin", "boss"])["routes"]}, {"jilin", "jilin/park"})
    check("the overview as well", 0 < as_who(s, tokens["jilin", "boss"], "GET", "/api/v1/overview")[1]["slow"]["count"] < s.get("/api/v1/overview")["slow"]["count"], True)
    s.put("/api/v1/roles/nobody", {"permissions": ["devices.read"]})
    s.post("/api/v1/people", {"name": "worker", "password": WORD, "roles": ["nobody"]})
    worker = s.post("/api/v1/sessions", {"user": "worker", "password": WORD})["token"]
    check("not without the right", as_who(s, worker, "GET", "/api/v1/slow")[0], 403)
    bound = s.make_token(name="bound", roles=["administrator"], device="pump")["token"]
    check("nor with a token of one device", as_who(s, bound, "GET", "/api/v1/slow")[0], 403)


def cleared(s):
    """What somebody searches for may tell what others must not see."""
    s.put("/api/v1/roles/watch", {"permissions": ["metrics.read", "devices.read"], "clearance": {"data_class": "general", "data_level": 1}})
    s.post("/api/v1/people", {"name": "watch", "password": WORD, "roles": ["watch"]})
    watch = s.post("/api/v1/sessions", {"user": "watch", "password": WORD})["token"]
    s.get("/api/v1/devices?q=only-of-admin")
    as_who(s, watch, "GET", "/api/v1/devices?q=of-watch")
    items = of_route(slow(s, watch), "/devices")
    check("one's own question", [i["text"] for i in items if i["who"] == "person:watch"], ["q=of-watch"])
    others = [i for i in items if i["who"] == "person:admin" and not i["tenant"]]
    check("others' is masked", {(i.get("text"), i["masked"]) for i in others}, {(None, True)})
    check("who is cleared reads it", of_route(slow(s), "/devices", who="person:watch")[0]["text"], "q=of-watch")


def pages(s):
    for _ in range(300):
        s.get("/api/v1/views?page=devices")
    limit(s, "60s")
    everything = slow(s)["items"]
    check("bounded", (len(everything), everything[0]["id"] - everything[-1]["id"]), (256, 255))
    got, cursor, turns = [], "", 0
    while cursor is not None:
        page = s.get(f"/api/v1/slow?limit=100{cursor and '&cursor=' + cursor}")
        got += page["items"]
        cursor = page["next"]
        turns += 1
    check("page by page", (turns, [i["id"] for i in got]), (3, [i["id"] for i in everything]))
    check("a cursor that is none", as_who(s, None, "GET", "/api/v1/slow?cursor=x")[0], 400)
    views = next(r for r in slow(s)["routes"] if r["route"].endswith("/views"))
    check("counts go beyond the ring", (views["count"], views["lately"], views["worst_ms"] >= views["lately_worst_ms"] > 0), (300, 300, True))
    lines = [i["text"] for i in s.get("/api/v1/logs?level=warn&module=api&q=slow:")["items"]]
    check("a line of the log now and then", (0 < len(lines) < 30, all("api.slow" in line and "q=" not in line for line in lines)), (True, True))


def main():
    port = free_ports(1)[0]
    with Songhua({"pg.listen": f"127.0.0.1:{port}"}) as s:
        s.post("/api/v1/ingest?device=pump", [{"ts": T + i, "values": {"f": i}} for i in range(3)])
        off_and_on(s)
        kinds(s)
        no_secrets(s)
        by_psql(s, port)
        whose(s)
        cleared(s)
        pages(s)
    print("what took long is told, to whom it may be")


main()
