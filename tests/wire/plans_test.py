"""Plans of assets and positions of devices from outside: placing, what is refused, two who change at once, a renamed and a removed device,
parts of a plant; the map with boxes, filters and more devices than are told one by one; positions in CSV and workbooks.
SPDX-License-Identifier: Apache-2.0
"""
import io
import json
import sys
import zipfile

from songhua import Problem, Songhua

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000"
                    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082")


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def refused(what, status, act, *more):
    try:
        act(*more)
    except Problem as e:
        check(what, e.status, status)
        return e.body
    return sys.exit(f"{what}: it was taken")


def plan(s):
    picture = s.call("POST", "/api/v1/assets/line/files?name=plan.png", PNG, "application/octet-stream")
    text = s.call("POST", "/api/v1/assets/line/files?name=a.txt", b"text", "application/octet-stream")
    check("none yet", s.get("/api/v1/assets/line/plan"), {"asset": "line", "file": None, "markers": [], "revision": 0})
    markers = [{"device": "pump", "x": 0.25, "y": 0.5, "point": "flow"}, {"device": "fan", "x": 0, "y": 1}, {"asset": "cell", "x": 0.5, "y": 0.5}]
    at = "/api/v1/assets/line/plan"
    one = s.put(at, {"file": picture["id"], "markers": markers})
    check("markers", one["markers"], [{"device": "pump", "name": "P", "state": "never", "x": 0.25, "y": 0.5, "point": "flow"},
                                      {"device": "fan", "name": "", "state": "never", "x": 0.0, "y": 1.0}, {"asset": "cell", "x": 0.5, "y": 0.5}])
    check("file", one["file"]["id"], picture["id"])
    for body in ({"file": text["id"], "markers": []}, {"file": "x", "markers": []}, {"file": picture["id"], "markers": [{"device": "pump", "x": 2, "y": 0}]},
                 {"file": picture["id"], "markers": [{"x": 0, "y": 0}]}, {"file": picture["id"], "markers": [{"device": "nobody", "x": 0, "y": 0}]},
                 {"file": picture["id"], "markers": [{"device": "pump", "asset": "cell", "x": 0, "y": 0}]}):
        refused(str(body), 400, s.put, at, body)
    refused("too many", 422, s.put, at, {"file": picture["id"], "markers": [{"device": "pump", "x": 0, "y": 0}] * 2001})
    head = {"If-Match": f'"{one["revision"]}"', "Content-Type": "application/json"}
    two = s.call("PUT", at, {"file": picture["id"], "markers": markers[:2]}, headers=head)
    refused("somebody was faster", 412, lambda: s.call("PUT", at, {"file": picture["id"], "markers": []}, headers=head))
    check("kept", len(two["markers"]), 2)
    refused("its picture stays", 409, s.delete, f"/api/v1/assets/line/files/{picture['id']}")
    s.post("/api/v1/devices/pump/rename", {"to": "pump-2"})
    check("renamed", s.get(at)["markers"][0]["device"], "pump-2")
    s.delete("/api/v1/devices/fan")
    check("a removed device is no marker", len(s.get(at)["markers"]), 1)
    check("listed", s.get("/api/v1/plans")["items"], [{"asset": "line", "markers": 2}])
    refused("no such asset", 404, s.get, "/api/v1/assets/nobody/plan")
    s.delete(at)
    refused("twice", 404, s.delete, at)
    s.delete(f"/api/v1/assets/line/files/{picture['id']}")
    acts = [e["act"] for e in s.get("/api/v1/audit?limit=100")["items"]]
    check("audited", (acts.count("plan.changed"), acts.count("plan.deleted")), (2, 1))
    print("  plan", flush=True)


def positions(s):
    s.post("/api/v1/devices", {"id": "h", "name": "Harbin", "location": {"lat": 45.75, "lon": 126.65}})
    s.post("/api/v1/devices", {"id": "b", "location": {"lat": 39.9, "lon": 116.4}, "labels": {"line": "1"}})
    m = s.get("/api/v1/devices/map")
    check("all", sorted(m["items"]), [["b", "", 39.9, 116.4, "never"], ["h", "Harbin", 45.75, 126.65, "never"]])
    check("extent", m["extent"], [116.4, 39.9, 126.65, 45.75])
    check("counts", (m["total"], m["placed"], m["within"], m["clusters"]), (3, 2, 2, []))
    check("a box", [i[0] for i in s.get("/api/v1/devices/map?box=120,40,130,50")["items"]], ["h"])
    check("a filter", [i[0] for i in s.get("/api/v1/devices/map?label=line:1")["items"]], ["b"])
    s.call("PATCH", "/api/v1/devices/h", {"data_class": "core"})
    for filters in ("data_class=core", "q=Harbin", "archived=true", "label=line:1"):  # whatever narrows the list narrows the map
        listed = {d["id"] for d in s.get(f"/api/v1/devices?{filters}")["items"]}
        check(filters, {i[0] for i in s.get(f"/api/v1/devices/map?{filters}")["items"]}, listed)
    for box in ("1,2,3", "a,b,c,d", "0,50,10,40", "-200,0,10,10", "0,0,10,10,10"):
        refused(box, 400, s.get, f"/api/v1/devices/map?box={box}")
    s.post("/api/v1/devices/import?format=csv", "id,location,lat,lon\nc,Yard,45.5,126.5\nd,,1,\n", "text/csv")
    check("imported", s.get("/api/v1/devices/c")["location"], {"text": "Yard", "lat": 45.5, "lon": 126.5})
    lines = s.raw("GET", "/api/v1/devices/export?format=csv")[2].decode("utf-8-sig").splitlines()
    row = dict(zip(lines[0].split(","), [x for x in lines if x.startswith("c,")][0].split(",")))
    check("exported", (row["location"], row["lat"], row["lon"]), ("Yard", "45.5", "126.5"))
    book = zipfile.ZipFile(io.BytesIO(s.raw("GET", "/api/v1/devices/export?format=xlsx")[2]))
    sheet = "".join(book.read(n).decode() for n in book.namelist() if n.endswith(".xml"))
    check("in a workbook", "lat" in sheet and "126.5" in sheet, True)
    s.post("/api/v1/assets", {"id": "site", "kind": "site", "name": "S", "location": {"lat": 45.7, "lon": 126.6}})
    check("of an asset", [a["location"] for a in s.get("/api/v1/assets")["items"] if a["id"] == "site"], [{"lat": 45.7, "lon": 126.6}])
    refused("no such latitude", 400, s.post, "/api/v1/assets", {"id": "bad", "kind": "site", "name": "S", "location": {"lat": 95, "lon": 0}})
    print("  positions", flush=True)


def many(s):
    n = 21000
    rows = "".join(f"m{i},{40 + i % 150 * 0.01:.2f},{110 + i // 150 * 0.01:.2f}\n" for i in range(n))
    done = s.post("/api/v1/devices/import?format=csv", "id,lat,lon\n" + rows, "text/csv")
    check("made", done["created"], n)
    m = s.get("/api/v1/devices/map?q=m")
    check("gathered", (m["items"], sum(sum(c[2:]) for c in m["clusters"]), m["within"]), ([], n, n))
    check("not too many squares", len(m["clusters"]) <= 48 * 48, True)
    m = s.get("/api/v1/devices/map?q=m&box=110,40,110.05,42")
    check("one by one when near", (len(m["items"]), m["clusters"]), (m["within"], []))
    m = s.get("/api/v1/devices/map?q=m&limit=10&box=110,40,110.05,42")
    check("so many as asked for", (m["items"], len(m["clusters"]) > 0), ([], True))
    size = len(s.raw("GET", "/api/v1/devices/map?q=m1", headers={"Accept-Encoding": "gzip"})[2])
    print(f"  {n} devices gathered in {len(json.dumps(m)) >> 10} KiB; those with m1 take {size >> 10} KiB", flush=True)


def parts(s):
    """Who holds a part of the plant sees its own on plan and map."""
    s.post("/api/v1/devices", {"id": "mine", "asset": "cell", "location": {"lat": 45, "lon": 126}})
    picture = s.call("POST", "/api/v1/assets/cell/files?name=p.png", PNG, "application/octet-stream")
    s.put("/api/v1/assets/cell/plan", {"file": picture["id"], "markers": [{"device": "mine", "x": 0, "y": 0}, {"device": "h", "x": 1, "y": 1}]})
    s.post("/api/v1/people", {"name": "li", "password": "Long-enough-2025-words", "grants": [{"role": "engineer", "asset": "cell"}]})
    token = s.post("/api/v1/sessions", {"user": "li", "password": "Long-enough-2025-words"})["token"]
    own, s.token = s.token, token
    try:
        check("plan", [m["device"] for m in s.get("/api/v1/assets/cell/plan")["markers"]], ["mine"])
        refused("another's plan", 404, s.get, "/api/v1/assets/line/plan")
        m = s.get("/api/v1/devices/map")
        check("map", ([i[0] for i in m["items"]], m["total"]), (["mine"], 1))
        check("plans", s.get("/api/v1/plans")["items"], [{"asset": "cell", "markers": 2}])
    finally:
        s.token = own
    print("  parts of the plant", flush=True)


def tiles():
    """Tiles of an own server: the content policy lets in that origin and no other."""
    address = "https://maps.plant.cn:8443/{z}/{x}/{y}.png?k=1"
    with Songhua({"console.map_tiles": address, "console.map_datum": "gcj02", "console.map_attribution": "审图号"}) as s:
        check("settings", s.get("/api/v1/map/settings"), {"tiles": address, "datum": "gcj02", "attribution": "审图号"})
        status, head, _ = s.raw("GET", "/devices", headers={"Accept": "text/html"})
        if status == 200:  # a build with a console
            check("policy", "img-src 'self' data: https://maps.plant.cn:8443;" in head["Content-Security-Policy"], True)
    print("  tiles", flush=True)


def tiles_refused(s):
    for bad in ("ftp://a/{z}/{x}/{y}", "https://a b/{z}/{x}/{y}", "https://a;script-src *;/{z}/{x}/{y}", "https://a/{z}/{x}", "https:///{z}/{x}/{y}", "a/{z}/{x}/{y}"):
        answer = s.post("/api/v1/config/check", {"set": {"console.map_tiles": bad}})
        check(bad, [e["key"] for e in answer["errors"]], ["console.map_tiles"])
    for good in ("/tiles/{z}/{x}/{y}.png", "http://10.0.0.7/{z}/{y}/{x}", ""):
        check(good, s.post("/api/v1/config/check", {"set": {"console.map_tiles": good}})["errors"], [])
    check("none", s.get("/api/v1/map/settings"), {"tiles": "", "datum": "wgs84", "attribution": ""})


def main():
    tiles()
    with Songhua() as s:
        s.post("/api/v1/assets", {"id": "line", "kind": "line", "name": "L"})
        s.post("/api/v1/assets", {"id": "cell", "kind": "cell", "name": "C", "parent": "line"})
        s.post("/api/v1/devices", {"id": "pump", "name": "P", "asset": "line"})
        s.post("/api/v1/devices", {"id": "fan"})
        plan(s)
        s.delete("/api/v1/devices/pump-2")
        s.post("/api/v1/devices", {"id": "none"})
        positions(s)
        many(s)
        parts(s)
        tiles_refused(s)
    print("plans ok")


if __name__ == "__main__":
    main()
