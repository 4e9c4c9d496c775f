"""Thing models from outside: each change is a version (kept over kill -9), compared, restored; a change is tried first and tells what it does
to devices, models below and mappings; a unit under kept values is not changed without a word, by a change of the model or of a device; models extend each other, follow, are
imported parents first as JSON and CSV; what is in use is not deleted, and who uses it is named, in Chinese and English.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import sys

from songhua import ROOT, Problem, Songhua

THINGS = "/api/v1/things"
BASE = {"id": "base", "name": {"zh": "泵", "en": "Pump"}, "properties": [
    {"id": "temp", "type": "f64", "unit": "Cel", "range": {"min": 0, "max": 100}},
    {"id": "on", "type": "bool", "access": "rw"}], "services": [{"id": "start", "input": []}]}


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def refused(what, status, code, act):
    try:
        act()
    except Problem as p:
        check(what, (p.status, p.body["code"]), (status, code))
        if not p.body["detail"] or not p.body["remedy"]:
            sys.exit(f"{what}: {p.body}")
        return p.body
    sys.exit(f"{what}: was not refused")


def effects(report):
    return {(c["change"], c["kind"], c["id"]): (c["level"], c["effects"]) for c in report["changes"]}


def versions(s):
    s.post(THINGS, BASE)
    s.post("/api/v1/devices", {"id": "p1", "thing": "base"})
    s.post("/api/v1/ingest?device=p1", {"temp": 20})
    second = {**BASE, "comment": "without the switch", "properties": [{**BASE["properties"][0], "type": "i64"}]}
    answer = s.call("PUT", f"{THINGS}/base?dry_run=true", second)
    check("level", answer["level"], "breaking")
    check("effects", effects(answer), {("changed", "property", "temp"): ("breaking", ["history_splits"]),
                                       ("removed", "property", "on"): ("breaking", ["point_stays", "write_gone"])})
    check("devices", (answer["devices"], answer["archived"], answer["models"]), (1, 0, []))
    check("a dry run stores nothing", s.get(f"{THINGS}/base")["revision"], 1)
    s.post("/api/v1/channels", {"id": "line", "driver": "modbus", "enabled": False, "config": {"address": "127.0.0.1:502"},
                                "devices": [{"device": "p1", "config": {"unit": 1}, "tags": [{"property": "on", "address": "00001"}, {"property": "temp", "address": "40001"}]}]})
    s.put("/api/v1/mappings", {"items": [{"filter": "a/+", "device": "{1}", "property": "on"}, {"filter": "b", "device": "other", "property": "on"}]})
    answer = s.call("PUT", f"{THINGS}/base?dry_run=true", second)
    check("mappings", answer["mappings"], [{"channel": "line", "device": "p1", "property": "on"}, {"topic": "a/+", "device": "{1}", "property": "on"}])
    refused("another revision", 412, "conflict", lambda: s.call("PUT", f"{THINGS}/base", second, headers={"If-Match": '"9"'}))
    check("stored", s.call("PUT", f"{THINGS}/base", second, headers={"If-Match": '"1"'})["revision"], 2)
    s.stop(kill=True)
    s.start()
    items = s.get(f"{THINGS}/base/versions")
    check("kept", items["kept"], 100)
    check("versions", [(v["revision"], v["comment"], v["by"]) for v in items["items"]], [(2, "without the switch", "person:admin"), (1, "", "person:admin")])
    check("old one", [p["id"] for p in s.get(f"{THINGS}/base/versions/1")["properties"]], ["temp", "on"])
    check("compared", s.get(f"{THINGS}/base/compare?from=1")["level"], "breaking")
    check("the other way", effects(s.get(f"{THINGS}/base/compare?from=2&to=1"))[("added", "property", "on")], ("compatible", ["point_comes"]))
    refused("no such version", 404, "not_found", lambda: s.get(f"{THINGS}/base/versions/7"))
    refused("no number", 400, "bad_request", lambda: s.get(f"{THINGS}/base/compare?from=x"))
    check("device", s.get("/api/v1/devices/p1")["thing_revision"], 2)
    check("tried", s.post(f"{THINGS}/base/restore?dry_run=true", {"revision": 1})["level"], "breaking")
    check("restored", s.post(f"{THINGS}/base/restore", {"revision": 1, "comment": "back"})["revision"], 3)
    newest = s.get(f"{THINGS}/base/versions?limit=1")
    check("newest", [(v["revision"], v["restored"], v["comment"]) for v in newest["items"]], [(3, 1, "back")])
    check("page", [v["revision"] for v in s.get(f"{THINGS}/base/versions?cursor={newest['next']}")["items"]], [2, 1])
    check("audit", [e["act"] for e in s.get("/api/v1/audit?object=base&limit=3")["items"]], ["thing.restored", "thing.changed", "thing.created"])
    print("versions ok")


def units(s):
    s.post("/api/v1/ingest?device=p1", {"temp": 21.5})
    kelvin = {**BASE, "properties": [{"id": "temp", "type": "f64", "unit": "K"}, BASE["properties"][1]]}
    check("told", s.call("PUT", f"{THINGS}/base?dry_run=1", kelvin)["units_reread"], "temp (Cel, K)")
    refused("unit", 409, "unit_changes_history", lambda: s.put(f"{THINGS}/base", kelvin))
    zh = refused("unit, zh", 409, "unit_changes_history", lambda: s.call("PUT", f"{THINGS}/base", kelvin, headers={"Accept-Language": "zh"}))
    if "单位" not in zh["detail"] or "temp" not in zh["detail"]:
        sys.exit(f"not in Chinese: {zh}")
    before = s.query(["p1/temp"], 0, 2**45)
    s.put(f"{THINGS}/base?units=corrected", kelvin)
    check("there are some", "21.5" in str(before), True)
    check("numbers are as they were", s.query(["p1/temp"], 0, 2**45), before)
    s.put(f"{THINGS}/base?units=corrected", BASE)
    print("units ok")


def other_model(s):
    """A device that is given another model does not take over its units in silence: alone, in bulk, by import."""
    kelvin = {"id": "kelvin", "properties": [{"id": "temp", "type": "f64", "unit": "K"}]}
    s.post(THINGS, kelvin)
    for d in ("u1", "u2"):
        s.post("/api/v1/devices", {"id": d, "thing": "base"})
        s.post(f"/api/v1/ingest?device={d}", {"temp": 21.5})
    s.post("/api/v1/devices", {"id": "u3"})
    before = s.query(["u1/temp"], 0, 2**45)
    for method, body in (("PATCH", {"thing": "kelvin"}), ("PUT", {"id": "u1", "thing": "kelvin"})):
        p = refused(method, 409, "unit_changes_history", lambda: s.call(method, "/api/v1/devices/u1", body))
        check("named", all(w in p["detail"] for w in ("1 points", "temp (Cel, K)")) and "units=corrected" in p["remedy"], True)
    zh = refused("zh", 409, "unit_changes_history", lambda: s.call("PATCH", "/api/v1/devices/u1", {"thing": "kelvin"}, headers={"Accept-Language": "zh"}))
    check("Chinese", ("1 个点位" in zh["detail"], "重发请求" in zh["remedy"]), (True, True))
    check("as it was", (s.get("/api/v1/devices/u1")["thing"], s.get("/api/v1/points?device=u1")["items"][-1]["unit"]), ("base", "Cel"))
    change = {"ids": ["u1", "u3"], "change": {"thing": "kelvin"}}
    for dry in (True, False):
        r = s.post("/api/v1/devices/bulk", {**change, "dry_run": dry})
        check("bulk", ([(x["id"], x["code"]) for x in r["refused"]], r["refused_total"], r["changed"]), ([("u1", "unit_changes_history")], 1, 0 if dry else 1))
    for dry in ("true", "false"):
        r = s.post(f"/api/v1/devices/import?format=csv&dry_run={dry}", "id,thing\nu1,kelvin\nu4,kelvin\n", "text/csv")
        check("import", (r["created"], [(x["row"], x["column"], x["code"]) for x in r["rejected"]]), (1, [(2, "thing", "unit_changes_history")]))
    s.call("PATCH", "/api/v1/devices/u1?units=corrected", {"thing": "kelvin"})
    check("numbers are as they were", s.query(["u1/temp"], 0, 2**45), before)
    audit = s.get("/api/v1/audit?object=u1&limit=2")["items"]
    check("audit", sorted(e["act"] for e in audit), ["device.changed", "device.units_corrected"])
    check("what was corrected", "temp (Cel, K)" in json.dumps(audit), True)
    r = s.post("/api/v1/devices/bulk", {"ids": ["u2"], "change": {"thing": "kelvin"}, "units": "corrected"})
    check("bulk, corrected", (r["changed"], r["units_corrected"], r["undo"][0]["units"]), (1, 1, "corrected"))
    check("undone", s.post("/api/v1/devices/bulk", r["undo"][0])["changed"], 1)
    check("back", s.get("/api/v1/devices/u2")["thing"], "base")
    r = s.post("/api/v1/devices/import?format=csv&units=corrected", "id,thing\nu2,kelvin\n", "text/csv")
    check("import, corrected", (r["updated"], r["rejected"]), (1, []))
    check("audited", '"units_corrected":1' in s.get("/api/v1/audit?act=devices.imported&limit=1")["items"][0]["detail"], True)
    for d in ("u1", "u2", "u3", "u4"):
        s.delete(f"/api/v1/devices/{d}")
    s.delete(f"{THINGS}/kelvin")
    print("other model ok")


def inheritance(s):
    s.post(THINGS, {"id": "big", "extends": "base", "properties": [{"id": "temp", "type": "f64", "range": {"min": 0, "max": 60}}, {"id": "flow", "type": "f64", "unit": "m3/h"}]})
    big = s.get(f"{THINGS}/big")
    check("whole", [(p["id"], p.get("inherited"), p.get("overrides")) for p in big["properties"]],
          [("temp", "base", ["range"]), ("on", "base", None), ("flow", None, None)])
    check("unit comes along", big["properties"][0]["unit"], "Cel")
    s.post("/api/v1/devices", {"id": "b1", "thing": "big"})
    check("points of the device", sorted(p["name"].split("/")[1] for p in s.get("/api/v1/points?device=b1")["items"]), ["flow", "on", "temp"])
    refused("type below", 400, "bad_request", lambda: s.post(THINGS, {"id": "x", "extends": "base", "properties": [{"id": "temp", "type": "i64"}]}))
    refused("no parent", 400, "bad_request", lambda: s.post(THINGS, {"id": "x", "extends": "none", "properties": []}))
    refused("circle", 400, "bad_request", lambda: s.put(f"{THINGS}/base", {**BASE, "extends": "big"}))
    smaller = {**BASE, "properties": [{**BASE["properties"][0], "range": {"min": 0, "max": 50}}, BASE["properties"][1]]}
    p = refused("does not fit below", 400, "bad_request", lambda: s.put(f"{THINGS}/base", smaller))
    check("who is named", "big" in p["detail"], True)
    more = {**BASE, "properties": BASE["properties"] + [{"id": "hours", "type": "i64", "unit": "h"}]}
    report = s.call("PUT", f"{THINGS}/base?dry_run=1", more)
    check("below", report["models"], [{"id": "big", "devices": 1, "archived": 0, "level": "compatible"}])
    s.put(f"{THINGS}/base", more)
    check("follows", "hours" in [p["id"] for p in s.get(f"{THINGS}/big")["properties"]], True)
    s.stop(kill=True)
    s.start()
    check("after the crash", "hours" in [p["id"] for p in s.get(f"{THINGS}/big")["properties"]], True)
    listed = {t["id"]: (t["devices"], t["children"]) for t in s.get(THINGS)["items"]}
    check("counts", (listed["base"], listed["big"]), ((1, 1), (1, 0)))
    check("uses", s.get(f"{THINGS}/base/uses"), {"devices": 1, "archived": 0, "device_ids": ["p1"], "children": 1, "child_ids": ["big"]})
    p = refused("in use", 409, "thing_in_use", lambda: s.delete(f"{THINGS}/base"))
    check("users named", all(w in p["detail"] for w in ("p1", "big")), True)
    print("inheritance ok")


def transfer(s):
    text = json.dumps(list(reversed(s.get(f"{THINGS}/export"))))
    check("nothing differs", {k: s.post(f"{THINGS}/import", text, "application/json")[k] for k in ("created", "updated", "unchanged")}, {"created": 0, "updated": 0, "unchanged": 2})
    status, _, data = s.raw("GET", f"{THINGS}/export?format=csv")
    check("csv", (status, data[:16]), (200, b"\xef\xbb\xbfthing,thing_n"))
    check("csv back", s.post(f"{THINGS}/import?format=csv", data, "text/csv")["unchanged"], 2)
    with Songhua() as other:
        tried = other.post(f"{THINGS}/import?dry_run=true", text, "application/json")
        check("tried", (tried["created"], [m["id"] for m in tried["models"]], tried["rejected"]), (2, ["base", "big"], []))
        check("nothing stored", other.get(THINGS)["items"], [t for t in other.get(THINGS)["items"] if t["id"] not in ("base", "big")])
        check("made", other.post(f"{THINGS}/import", text, "application/json")["created"], 2)
        check("the same", [p["id"] for p in other.get(f"{THINGS}/big")["properties"]], [p["id"] for p in s.get(f"{THINGS}/big")["properties"]])
    lost = s.post(f"{THINGS}/import", [{"id": "lost", "extends": "nobody", "properties": []}])
    check("parent missing", [(r["row"], r["code"]) for r in lost["rejected"]], [(1, "unknown_thing")])
    print("transfer ok")


def of_a_device(s):
    """The audit of one device, and what its readers may see of its changes."""
    s.post("/api/v1/devices", {"id": "a1", "name": "one", "labels": {"line": "1"}})
    s.post("/api/v1/devices", {"id": "a10"})
    s.post(THINGS, {"id": "a1", "properties": []})  # another thing of the same name
    s.call("PATCH", "/api/v1/devices/a1", {"name": "two"})
    s.post("/api/v1/devices/a1/secret")
    s.post("/api/v1/ingest?device=a1", {"f": 1})
    s.call("PATCH", "/api/v1/points/a1/f", {"tag": "TAG-A1"})
    found = [e["act"] for e in s.get("/api/v1/audit?device=a1")["items"]]
    check("point, credential, change, creation", (found[0], found[-2:], len(found)), ("point.changed", ["device.changed", "device.created"], 4))
    check("the other one", [e["act"] for e in s.get("/api/v1/audit?device=a10")["items"]], ["device.created"])
    items = s.get("/api/v1/devices/a1/changes")["items"]
    check("changes", [(c["change"], c["by"]) for c in items], [("changed", "person:admin"), ("created", "person:admin")])
    check("of what", items[0]["members"], [{"name": "name", "before": "one", "after": "two"}])
    refused("no such device", 404, "not_found", lambda: s.get("/api/v1/devices/none/changes"))
    s.put("/api/v1/roles/reader", {"permissions": ["devices.read"]})
    s.post("/api/v1/people", {"name": "part", "password": "Songhua-part-1898", "grants": [{"role": "reader", "label": "line:1"}], "roles": []})
    token = s.post("/api/v1/sessions", {"user": "part", "password": "Songhua-part-1898"})["token"]
    as_part = {"Authorization": "Bearer " + token}
    check("names only", s.call("GET", "/api/v1/devices/a1/changes", headers=as_part)["items"][0]["members"], [{"name": "name"}])
    refused("not his", 404, "not_found", lambda: s.call("GET", "/api/v1/devices/a10/changes", headers=as_part))
    refused("no auditor", 403, "denied", lambda: s.call("GET", "/api/v1/audit?device=a1", headers=as_part))
    print("audit of a device ok")


def offered(s):
    """Each unit that the console offers is one that the server knows."""
    with open(os.path.join(ROOT, "web", "src", "i18n", "wordsUnits.ts"), encoding="utf-8") as f:
        codes = re.findall(r"^  \['([^']+)',", f.read(), re.M)
    check("there are some", len(codes) > 50 and len(set(codes)) == len(codes), True)
    s.post(THINGS, {"id": "units", "properties": [{"id": f"p{i}", "type": "f64", "unit": code} for i, code in enumerate(codes)]})
    print("units that are offered ok")


with Songhua() as node:
    versions(node)
    units(node)
    other_model(node)
    inheritance(node)
    transfer(node)
    offered(node)
    of_a_device(node)
