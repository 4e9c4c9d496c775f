"""Notes on the history: made on points, devices and assets, found by each of them and by time, category and words, changed and removed by
who wrote them (others need history.correct), audited, exported, seen by who sees all that they are on, not by another tenant.
SPDX-License-Identifier: Apache-2.0
"""
import csv
import io
import sys

from songhua import Problem, Songhua

T = 1_700_000_000_000  # milliseconds
WORD = "Songhua-notes-1898"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def refused(call, status, code):
    try:
        call()
    except Problem as p:
        check("refusal", (p.status, p.body["code"]), (status, code))
        return p.body
    return sys.exit(f"{code} was expected, but the call succeeded")


def note(text, start, end=None, category="fault", **on):
    return {"from": start, "to": end, "category": category, "text": text, **on}


def texts(s, query=""):
    return [n["text"] for n in s.get(f"/api/v1/notes?time=ms{query}")["items"]]


def plant(s):
    s.post("/api/v1/assets", {"id": "site", "kind": "site", "name": "site"})
    s.post("/api/v1/assets", {"id": "hall", "kind": "area", "name": "hall", "parent": "site"})
    s.post("/api/v1/assets", {"id": "yard", "kind": "area", "name": "yard", "parent": "site"})
    s.post("/api/v1/devices", {"id": "near", "asset": "hall"})
    s.post("/api/v1/devices", {"id": "far", "asset": "yard"})
    for device in ("near", "far"):
        s.post(f"/api/v1/ingest?device={device}", [{"ts": T + i, "values": {"f": i, "g": -i}} for i in range(3)])


def made_and_found(s):
    begin = s.post("/api/v1/notes", note("轴承更换 Bearing", T, T + 60_000, "maintenance", points=["near/f", "near/g"]))
    check("what comes back", (begin["points"], begin["category"], begin["by"], begin["mine"], begin["from"][:19]),
          (["near/f", "near/g"], "maintenance", "person:admin", True, "2023-11-14T22:13:20"))
    s.post("/api/v1/notes", note("of the device", T + 1000, devices=["near"]))
    s.post("/api/v1/notes", note("of the hall", T + 2000, T + 9000, "process", assets=["hall"]))
    s.post("/api/v1/notes", note("of the yard", T + 3000, category="other", assets=["yard"]))
    s.post("/api/v1/notes", note("of far", T + 4000, points=["far/f"]))
    everything = ["of far", "of the yard", "of the hall", "of the device", "轴承更换 Bearing"]
    check("newest first", texts(s), everything)
    check("of a point: it, its device, its asset", texts(s, "&points=near/f"), everything[2:])
    check("of two points", texts(s, "&points=near/f,far/g"), everything[1:])
    check("of a device", texts(s, "&device=near"), everything[2:])
    check("of an asset, with what is below", texts(s, "&asset=site"), everything)
    check("of the yard", texts(s, "&asset=yard"), everything[:2])
    check("in a time: what began before reaches into it", texts(s, f"&points=near/f&from={T + 5000}&to={T + 6000}"), ["of the hall", "轴承更换 Bearing"])
    check("a moment at its end is out", texts(s, f"&from={T + 900}&to={T + 1000}&device=near"), ["轴承更换 Bearing"])
    check("by category", texts(s, "&category=process"), ["of the hall"])
    check("by words", texts(s, "&q=bearing"), ["轴承更换 Bearing"])
    pages, cursor = [], ""
    while True:
        page = s.get(f"/api/v1/notes?limit=2{cursor}")
        check("total", page["total"], 5)
        pages += [n["text"] for n in page["items"]]
        if not page["next"]:
            break
        cursor = f"&cursor={page['next']}"
    check("page by page", pages, everything)
    s.post("/api/v1/ingest?device=old", {"ts": T, "values": {"f": 1}})
    kept = [s.post("/api/v1/notes", note(f"of {on}", T, **{on: [name]}))["id"] for on, name in (("points", "old/f"), ("devices", "old"))]
    s.post("/api/v1/devices/old/rename", {"to": "new"})
    check("after a new name", sorted(texts(s, "&points=new/f")), ["of devices", "of points"])
    check("the point's new name", s.get("/api/v1/notes?q=of%20points")["items"][0]["points"], ["new/f"])
    for one in kept:
        s.delete(f"/api/v1/notes/{one}")
    return begin["id"]


def changed_and_removed(s, first):
    s.put(f"/api/v1/notes/{first}", note("轴承更换，已试车", T, T + 120_000, "maintenance", points=["near/f"]))
    (now,) = s.get("/api/v1/notes?q=%E8%AF%95%E8%BD%A6&time=ms")["items"]
    check("changed", (now["to"], now["points"], now["by"], now["edited"]["by"]), (T + 120_000, ["near/f"], "person:admin", "person:admin"))
    s.call("PUT", f"/api/v1/notes/{first}", note("x", T, points=["near/f"]), headers={"If-Match": '"2"'})
    refused(lambda: s.call("PUT", f"/api/v1/notes/{first}", note("y", T, points=["near/f"]), headers={"If-Match": '"2"'}), 412, "conflict")
    acts = [a["act"] for a in s.get("/api/v1/audit?q=note.")["items"]]
    check("audit", acts[:2] + acts[-1:], ["note.changed", "note.changed", "note.made"])
    s.delete(f"/api/v1/notes/{first}")
    refused(lambda: s.delete(f"/api/v1/notes/{first}"), 404, "not_found")
    check("audit of the removal", s.get("/api/v1/audit?q=note.deleted")["items"][0]["object"], first)


def refusals(s):
    for body in (note("", T, points=["near/f"]), note("x", "never", points=["near/f"]), note("x", T, T - 1, points=["near/f"]), note("x", T, category="joke", points=["near/f"]),
                 note("x" * 4001, T, points=["near/f"]), note("x", T), note("x", T, points=[7]), note("x", T, points=["near/f"] * 51)):
        refused(lambda b=body: s.post("/api/v1/notes", b), 400, "bad_request")
    refused(lambda: s.post("/api/v1/notes", note("x", T, points=["near/none"])), 404, "unknown_point")
    refused(lambda: s.post("/api/v1/notes", note("x", T, devices=["none"])), 404, "not_found")
    refused(lambda: s.post("/api/v1/notes", note("x", T, assets=["none"])), 404, "not_found")
    refused(lambda: s.get("/api/v1/notes?points=near/none"), 404, "unknown_point")
    for query in ("from=x", "category=joke", "time=ns"):
        refused(lambda q=query: s.get(f"/api/v1/notes?{q}"), 400, "bad_request")


def exported(s):
    s.post("/api/v1/notes", note('=1+1 "quoted",\nand a line', T + 7000, points=["near/f"], devices=["far"], assets=["hall"]))
    status, headers, data = s.raw("GET", "/api/v1/notes/export?q=quoted")
    check("CSV", (status, headers["Content-Type"], data[:3]), (200, "text/csv; charset=utf-8", b"\xef\xbb\xbf"))
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    check("columns", rows[0], ["from", "to", "category", "text", "on", "by", "time"])
    check("no formula", (rows[1][3], rows[1][4], len(rows)), ("'=1+1 \"quoted\",\nand a line", "near/f far hall", 2))


def seen_by_whom(s):
    root = s.token
    s.post("/api/v1/people", {"name": "ole", "password": WORD, "roles": ["operator"]})
    s.post("/api/v1/people", {"name": "vi", "password": WORD, "roles": ["viewer"]})
    ole, vi = [s.post("/api/v1/sessions", {"user": u, "password": WORD})["token"] for u in ("ole", "vi")]
    mine = s.get("/api/v1/notes?q=of%20far")["items"][0]["id"]
    s.token = ole
    own = s.post("/api/v1/notes", note("ole's", T, devices=["far"]))["id"]
    check("another's is seen", "of far" in texts(s), True)
    refused(lambda: s.delete(f"/api/v1/notes/{mine}"), 403, "denied")
    refused(lambda: s.put(f"/api/v1/notes/{mine}", note("x", T, devices=["far"])), 403, "denied")
    s.token = vi
    check("a viewer sees", "ole's" in texts(s), True)
    refused(lambda: s.post("/api/v1/notes", note("x", T, devices=["far"])), 403, "denied")
    refused(lambda: s.delete(f"/api/v1/notes/{own}"), 403, "denied")
    s.token = root
    s.put(f"/api/v1/notes/{own}", note("ole's, put right", T, devices=["far"]))
    check("who wrote it stays", s.get("/api/v1/notes?q=put%20right")["items"][0]["by"], "person:ole")
    # for a part of the plant
    part = s.post("/api/v1/tokens", {"name": "part", "roles": ["engineer"], "asset": "hall"})["token"]
    s.post("/api/v1/notes", note("of both", T, points=["near/f", "far/f"]))
    s.token = part
    check("of the hall alone", texts(s), ["of the hall", "of the device"])
    check("and no more of them by a way round", texts(s, "&q=of"), ["of the hall", "of the device"])
    refused(lambda: s.get("/api/v1/notes?points=far/f"), 404, "unknown_point")
    for on in ({"points": ["far/f"]}, {"devices": ["far"]}, {"assets": ["yard"]}, {"assets": ["site"]}, {"points": ["near/f", "far/f"]}):
        refused(lambda o=on: s.post("/api/v1/notes", note("x", T, **o)), 404, "unknown_point" if "points" in on else "not_found")
    refused(lambda: s.delete(f"/api/v1/notes/{own}"), 404, "not_found")
    s.delete(f"/api/v1/notes/{s.post('/api/v1/notes', note('of the part', T, assets=['hall']))['id']}")
    # another tenant
    s.token = root
    s.post("/api/v1/tenants", {"path": "park", "name": "park"})
    s.post("/api/v1/people?tenant=park", {"name": "eve", "password": WORD, "roles": ["administrator"]})
    s.token = s.post("/api/v1/sessions", {"user": "eve@park", "password": WORD})["token"]
    check("nothing of another tenant", (texts(s), s.raw("GET", "/api/v1/notes/export")[2]), ([], b"\xef\xbb\xbffrom,to,category,text,on,by,time\r\n"))
    refused(lambda: s.delete(f"/api/v1/notes/{own}"), 404, "not_found")
    s.token = root


def kept(s):
    before = s.get("/api/v1/notes")["items"]
    s.stop(kill=True)
    s.start()
    s.sign_in()
    check("after kill -9", s.get("/api/v1/notes")["items"], before)


def main():
    with Songhua() as s:
        plant(s)
        first = made_and_found(s)
        changed_and_removed(s, first)
        for part in (refusals, exported, seen_by_whom, kept):
            part(s)
            print(part.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
