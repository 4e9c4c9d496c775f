"""Dashboards: kept with a revision, owned or shared, checked with words that name the place; what they name of the plant is shown as far
as the viewer may see it; the live stream of one dashboard gives its points and ends when it is changed; all survives a restart.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import sys
import threading
import time

from songhua import Songhua

WORD = "Songhua-dashboards-1898"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def raw(s, method, path, token, body=None, language="en", **headers):
    head = {"Accept-Language": language, "Authorization": "Bearer " + token, **{k.replace("_", "-"): v for k, v in headers.items()}}
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=30)
    try:
        c.request(method, path, None if body is None else json.dumps(body).encode(), head)
        a = c.getresponse()
        data = a.read()
        return a.status, dict(a.headers), json.loads(data) if data else None
    finally:
        c.close()


def ok(s, method, path, token, body=None, want=200, **headers):
    status, head, data = raw(s, method, path, token, body, **headers)
    if status != want:
        sys.exit(f"{method} {path}: {status} {data}")
    return data, head


def person(s, name, **more):
    s.post("/api/v1/people", {"name": name, "password": WORD, **more})
    return s.post("/api/v1/sessions", {"user": name, "password": WORD})["token"]


def board(name="Hall 1", shared=False, widgets=None):
    return {"name": name, "shared": shared, "range": "1h", "widgets": widgets if widgets is not None else [
        {"id": "a", "kind": "value", "x": 0, "y": 0, "w": 3, "h": 3, "points": ["near/f"], "decimals": 1,
         "thresholds": [{"at": 0, "level": "good"}, {"at": 80, "level": "bad"}]},
        {"id": "b", "kind": "chart", "x": 3, "y": 0, "w": 9, "h": 6, "points": ["near/f", "far/f", "later/f"], "range": "8h"},
        {"id": "c", "kind": "table", "x": 0, "y": 6, "w": 6, "h": 4, "devices": ["near", "far"], "properties": ["f", "s"]},
        {"id": "d", "kind": "devices", "x": 6, "y": 6, "w": 6, "h": 4, "devices": ["near", "far"]},
        {"id": "e", "kind": "text", "x": 0, "y": 10, "w": 12, "h": 1, "text": "# Hall 1\n**<script>alert(1)</script>**"},
        {"id": "g", "kind": "gauge", "x": 0, "y": 11, "w": 3, "h": 4, "points": ["near/f"], "min": 0, "max": 100, "dial": "arc"},
    ]}


def faults(s, token):
    """Each fault is told with its place, in both languages, and nothing is stored."""
    def widget(**change):
        w = {"id": "a", "kind": "chart", "x": 0, "y": 0, "w": 6, "h": 4, "points": [], **change}
        return board(widgets=[{"id": "z", "kind": "text", "x": 0, "y": 4, "w": 1, "h": 1}, {k: v for k, v in w.items() if v is not None}])

    rows = [
        ({"widgets": []}, "name:"), ({**board(), "name": "n" * 201}, "name:"), ({**board(), "colour": 1}, "colour:"),
        ({**board(), "range": "2h"}, "range:"), ({**board(), "shared": "yes"}, "shared:"), ({"name": "x"}, "widgets:"),
        ({"name": "x", "widgets": ["no"]}, "widgets[0]:"), (widget(kind="script"), "widgets[1].kind:"), (widget(x=12), "widgets[1].x:"),
        (widget(x=7), "widgets[1].w:"), (widget(h=0), "widgets[1].h:"), (widget(w=None), "widgets[1].w:"), (widget(id="a b"), "widgets[1].id:"),
        (widget(id="z"), "widgets[1].id:"), (widget(points=["p/f"] * 13), "widgets[1].points:"), (widget(points=[1]), "widgets[1].points[0]:"),
        (widget(text="x"), "widgets[1].text:"), (widget(title=7), "widgets[1].title:"), (widget(range="1y"), "widgets[1].range:"),
        (widget(kind="gauge", min=5, max=5), "widgets[1].max:"), (widget(kind="gauge", dial="round"), "widgets[1].dial:"),
        (widget(kind="value", decimals=1.5), "widgets[1].decimals:"), (widget(kind="value", thresholds=[{"at": 1}]), "widgets[1].thresholds:"),
        (widget(kind="text", points=None, text="x" * 20001), "widgets[1].text:"), (widget(onclick="alert(1)"), "widgets[1].onclick:"),
        ({"name": "x", "widgets": [{"id": f"w{i}", "kind": "text", "x": 0, "y": 0, "w": 1, "h": 1} for i in range(201)]}, "widgets:"),
    ]
    for body, place in rows:
        status, _, problem = raw(s, "POST", "/api/v1/dashboards", token, body)
        if status != 400 or not problem["detail"].startswith(place):
            sys.exit(f"{place} expected for {str(body)[:200]}: {status} {problem}")
        _, _, chinese = raw(s, "POST", "/api/v1/dashboards", token, body, language="zh")
        check(f"{place} in Chinese", (chinese["detail"].startswith(place[:-1] + "："), any("\u4e00" <= c <= "\u9fff" for c in chinese["detail"])), (True, True))
    many = [{"id": f"w{i}", "kind": "text", "x": 0, "y": 0, "w": 1, "h": 1, "text": "x" * 20000} for i in range(7)]
    check("too large", raw(s, "POST", "/api/v1/dashboards", token, board(widgets=many))[0], 422)
    check("nothing was stored", ok(s, "GET", "/api/v1/dashboards", token)[0]["total"], 0)


def revisions(s, token):
    made, head = ok(s, "POST", "/api/v1/dashboards", token, board(), 201)
    check("as it was sent", (made["widgets"], made["mine"], made["hidden"], made["owner"]), (board()["widgets"], True, 0, "person:admin"))
    path = f"/api/v1/dashboards/{made['id']}"
    again, _ = ok(s, "PUT", path, token, board("Hall 2"), If_Match=head["ETag"])
    check("changed", (again["name"], again["revision"]), ("Hall 2", made["revision"] + 1))
    status, _, problem = raw(s, "PUT", path, token, board("Hall 3"), If_Match=head["ETag"])
    check("somebody was faster", (status, problem["code"]), (412, "conflict"))
    check("as the faster one wrote it", ok(s, "GET", path, token)[0]["name"], "Hall 2")
    check("bad If-Match", raw(s, "PUT", path, token, board(), If_Match="x")[0], 400)
    check("found", [d["widgets"] for d in ok(s, "GET", "/api/v1/dashboards?q=hALL", token)[0]["items"]], [6])
    check("not found", ok(s, "GET", "/api/v1/dashboards?q=boiler", token)[0]["items"], [])
    check("audited", [e["act"] for e in s.get("/api/v1/audit?q=dashboard")["items"]], ["dashboard.changed", "dashboard.created"])
    check("old revision", raw(s, "DELETE", path, token, If_Match=head["ETag"])[0], 412)
    check("removed", raw(s, "DELETE", path, token)[0], 204)
    check("gone", raw(s, "GET", path, token)[0], 404)


def whose(s, admin):
    """One's own is nobody else's business; a shared one is seen by all and changed by who may change dashboards."""
    operator, viewer = person(s, "operator", roles=["operator"]), person(s, "viewer", roles=["viewer"])
    own, _ = ok(s, "POST", "/api/v1/dashboards", operator, board("mine"), 201)
    path = f"/api/v1/dashboards/{own['id']}"
    for token in (admin, viewer):
        check("unseen", (raw(s, "GET", path, token)[0], ok(s, "GET", "/api/v1/dashboards", token)[0]["items"]), (404, []))
    check("unchanged", raw(s, "PUT", path, admin, board())[0], 404)
    check("a viewer makes none", raw(s, "POST", "/api/v1/dashboards", viewer, board())[0], 403)
    ok(s, "PUT", path, operator, board("ours", shared=True))
    seen, _ = ok(s, "GET", path, viewer)
    check("shared", (seen["name"], seen["mine"], seen["owner"]), ("ours", False, "person:operator"))
    check("a viewer changes none", raw(s, "PUT", path, viewer, board())[0], 403)
    kept, _ = ok(s, "PUT", path, admin, board("ours too", shared=True))
    check("the owner stays", (kept["owner"], kept["author"], kept["mine"]), ("person:operator", "person:admin", False))
    return path


def in_part(s, path, admin):
    """A right for a part of the plant shows that part of a shared dashboard, and lets nobody name more than he sees."""
    fitter = person(s, "fitter", grants=[{"role": "engineer", "label": "line:1"}])
    seen, _ = ok(s, "GET", path, fitter)
    check("hidden", seen["hidden"], 4)
    check("far is in nothing", "far" in json.dumps(seen), False)
    check("near is there", [w.get("points", w.get("devices")) for w in seen["widgets"]][:4], [["near/f"], ["near/f"], ["near"], ["near"]])
    status, _, problem = raw(s, "PUT", path, fitter, board("stolen", widgets=seen["widgets"]))
    check("not to be cut by who sees a part", (status, problem["code"]), (403, "outside_part"))
    check("nor deleted", raw(s, "DELETE", path, fitter)[0], 403)
    status, _, problem = raw(s, "POST", "/api/v1/dashboards", fitter, board("far"))
    check("nor named", (status, problem["code"]), (403, "outside_part"))
    check("a copy of what is seen", raw(s, "POST", "/api/v1/dashboards", fitter, board("near", widgets=seen["widgets"]))[0], 201)
    names = {"points": ["near/f", "far/f", "none/f"], "devices": ["near", "far", "none"]}
    data, _ = ok(s, "POST", "/api/v1/dashboards/data", fitter, names)
    check("data in part", (sorted(data["points"]), sorted(data["devices"])), (["near/f"], ["near"]))
    data, _ = ok(s, "POST", "/api/v1/dashboards/data", admin, names)
    check("data", (sorted(data["points"]), sorted(data["devices"])), (["far/f", "near/f"], ["far", "near"]))
    near = data["points"]["near/f"]
    check("words", (near["value"], near["quality"], near["unit"], near["type"], near["name"]["en"], near["enum"]["1"]["en"]), (1.0, 192, "bar", "f64", "force", "on"))
    check("state", data["devices"]["near"]["state"], "online")
    check("bad names", raw(s, "POST", "/api/v1/dashboards/data", admin, {"points": [1]})[0], 400)
    s.post("/api/v1/tenants", {"path": "other"})
    s.post("/api/v1/people?tenant=other", {"name": "boss", "password": WORD, "roles": ["administrator"]})
    boss = s.post("/api/v1/sessions", {"user": "boss@other", "password": WORD})["token"]
    check("another tenant", (raw(s, "GET", path, boss)[0], ok(s, "GET", "/api/v1/dashboards", boss)[0]["items"]), (404, []))
    data, _ = ok(s, "POST", "/api/v1/dashboards/data", boss, names)
    check("data of another tenant", data, {"points": {}, "devices": {}})
    return fitter


class Stream(threading.Thread):
    """Reads the live stream of a dashboard until it ends."""

    def __init__(self, s, query, token):
        super().__init__(daemon=True)
        self.c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
        self.c.request("GET", f"/api/v1/stream?{query}", headers={"Authorization": "Bearer " + token})
        self.answer = self.c.getresponse()
        self.status = self.answer.status
        self.seen = {}
        self.ended = False
        self.start()

    def run(self):
        event = ""
        for line in self.answer:
            text = line.decode().strip()
            if text.startswith("event: "):
                event = text[7:]
            elif text.startswith("data: ") and event == "samples":
                for point, rows in json.loads(text[6:]).items():
                    self.seen[point] = rows[-1][1]
        self.ended = True

    def wait(self, what, good):
        end = time.monotonic() + 20
        while not good(self):
            if time.monotonic() > end:
                sys.exit(f"stream: {what}: {self.seen} {self.ended}")
            time.sleep(0.05)


def streams(s, path, admin, fitter):
    name = path.rsplit("/", 1)[1]
    whole, part = Stream(s, f"dashboard={name}", admin), Stream(s, f"dashboard={name}", fitter)
    both = Stream(s, f"dashboard={name}&points=near/s,none/x&missing=skip", admin)
    whole.wait("its points", lambda x: {"near/f", "near/s", "far/f", "far/s"} <= set(x.seen))
    part.wait("its part", lambda x: {"near/f", "near/s"} <= set(x.seen))
    both.wait("more", lambda x: {"near/s", "far/f"} <= set(x.seen))
    s.post("/api/v1/ingest?device=far", {"f": 8})
    s.post("/api/v1/ingest?device=near", {"f": 9})
    whole.wait("new values", lambda x: (x.seen.get("near/f"), x.seen.get("far/f")) == (9.0, 8.0))
    part.wait("new values", lambda x: x.seen.get("near/f") == 9.0)
    check("the part", sorted(part.seen), ["near/f", "near/s"])
    other, _ = ok(s, "POST", "/api/v1/dashboards", admin, board("other"), 201)
    s.post("/api/v1/ingest?device=near", {"f": 10})
    whole.wait("goes on when another is made", lambda x: x.seen.get("near/f") == 10.0)
    ok(s, "PUT", path, admin, board("ours three", shared=True))
    for x in (whole, part, both):
        x.wait("ends when it is changed", lambda x: x.ended)
    check("unknown point", Stream(s, "points=none/x", admin).status, 404)
    check("unknown dashboard", Stream(s, "dashboard=none", admin).status, 404)
    raw(s, "DELETE", f"/api/v1/dashboards/{other['id']}", admin)


with Songhua() as s:
    s.post("/api/v1/things", {"id": "press", "properties": [
        {"id": "f", "type": "f64", "unit": "bar", "name": {"zh": "力", "en": "force"}, "enum": {"1": {"zh": "开", "en": "on"}}}]})
    for device, line in (("near", "1"), ("far", "2")):
        s.post("/api/v1/devices", {"id": device, "thing": "press", "labels": {"line": line}})
        s.post(f"/api/v1/ingest?device={device}", {"f": 1, "s": device})
    admin = s.token
    faults(s, admin)
    revisions(s, admin)
    path = whose(s, admin)
    fitter = in_part(s, path, admin)
    streams(s, path, admin, fitter)
    s.stop(kill=True)
    s.start()
    check("after kill -9", ok(s, "GET", path, s.token)[0]["name"], "ours three")
print("dashboards: ok")
