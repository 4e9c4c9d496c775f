"""What a device says besides samples, through mosquitto_pub: topics of free JSON become points, attributes are reported, and devices are
related by the API; a device's secret does not reach another device's attributes. A renamed device keeps all that hangs on its name.
SPDX-License-Identifier: Apache-2.0
"""
import json
import shutil
import subprocess
import sys

from songhua import PASSWORD, Songhua, skip


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def publish(s, user, password, topic, text):
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", user, "-P", password, "-q", "1", "-t", topic, "-m", text],
                   timeout=30, check=True, stdin=subprocess.DEVNULL)


def mappings(s):
    s.call("PUT", "/api/v1/mappings", {"items": [{"filter": "plant/+/+", "device": "{1}", "property": "{2}"},
                                                 {"filter": "obj/+", "device": "o.{1}"}]})
    for restart in (False, True):
        if restart:
            check("exit code", s.stop(), 0)
            s.start()
        value = 88.25 + restart
        publish(s, "admin", PASSWORD, "plant/boiler/temp", str(value))
        publish(s, "admin", PASSWORD, "obj/z", '{"a":%d,"b":"x"}' % (7 + restart))
        have = {i["point"]: i["value"] for i in s.get("/api/v1/latest?points=boiler/temp,o.z/a,o.z/b")["items"]}
        check("mapped", have, {"boiler/temp": value, "o.z/a": 7 + restart, "o.z/b": "x"})
    print("mappings ok")


def attributes(s):
    for device in ("press", "oven"):
        s.post("/api/v1/devices", {"id": device})
    secret = s.post("/api/v1/devices/press/secret", {})["password"]
    publish(s, "press", secret, "sh/v1/press/attr", '{"serial":"X1","fw":{"v":2}}')
    publish(s, "press", secret, "v1/devices/me/attributes", '{"serial":"X2"}')
    publish(s, "press", secret, "sh/v1/oven/attr", '{"serial":"stolen"}')
    s.call("PATCH", "/api/v1/devices/press/attributes", {"speed": 7})
    check("press", s.get("/api/v1/devices/press/attributes"), {"desired": {"speed": 7}, "reported": {"serial": "X2", "fw": {"v": 2}}})
    check("oven", s.get("/api/v1/devices/oven/attributes"), {"desired": {}, "reported": {}})
    print("attributes ok")


def relations(s):
    s.post("/api/v1/devices/press/relations", {"relation": "feeds", "device": "oven"})
    check("out", s.get("/api/v1/devices/press/relations")["items"], [{"relation": "feeds", "device": "oven", "direction": "out"}])
    check("in", s.get("/api/v1/devices/oven/relations")["items"], [{"relation": "feeds", "device": "press", "direction": "in"}])
    s.call("DELETE", "/api/v1/devices/press/relations/feeds/oven")
    check("none", s.get("/api/v1/devices/oven/relations")["items"], [])
    print("relations ok")


PNG = (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
       b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82")


def renaming(s):
    """What hangs on a device's name is there under the new one, and the old one still means the device."""
    api = "/api/v1/"
    s.post(api + "assets", {"id": "hall", "kind": "area", "name": "Hall"})
    for d in ("mill", "saw"):
        s.post(api + "devices", {"id": d, "asset": "hall", "labels": {"line": "1"}})
    s.post(api + "ingest?device=mill", {"rpm": 900})
    s.post(api + "devices/mill/relations", {"relation": "feeds", "device": "saw"})
    s.post(api + "devices/saw/relations", {"relation": "cools", "device": "mill"})
    s.call("PATCH", api + "devices/mill/attributes", {"speed": 7})
    s.raw("POST", api + "devices/mill/files?name=a.txt", b"text", {"Content-Type": "application/octet-stream"})
    plan = json.loads(s.raw("POST", api + "assets/hall/files?name=p.png", PNG, {"Content-Type": "application/octet-stream"})[2])
    s.put(api + "assets/hall/plan", {"file": plan["id"], "markers": [{"device": "mill", "x": 0.5, "y": 0.5, "point": "mill/rpm"}]})
    s.post(api + "notes", {"from": 1000, "category": "fault", "text": "bearing", "devices": ["mill"]})
    secret = s.post(api + "devices/mill/secret", {})["password"]
    s.post(api + "devices/mill/quarantine", {"reason": "looked at"})
    for old, new in (("mill", "mill-2"), ("saw", "saw-2"), ("mill-2", "mill-3")):
        s.post(api + f"devices/{old}/rename", {"to": new})
    for restart in (False, True):
        if restart:
            s.stop(kill=True)
            s.start()
        for name in ("mill-3", "mill"):
            have = [(r["relation"], r["device"], r["direction"]) for r in s.get(api + f"devices/{name}/relations")["items"]]
            check(f"relations of {name}", have, [("feeds", "saw-2", "out"), ("cools", "saw-2", "in")])
            check("attributes", s.get(api + f"devices/{name}/attributes")["desired"], {"speed": 7})
            check("files", [f["name"] for f in s.get(api + f"devices/{name}/files")["items"]], ["a.txt"])
            check("notes", [n["text"] for n in s.get(api + f"notes?device={name}")["items"]], ["bearing"])
            check("value", s.get(api + f"latest?points={name}/rpm")["items"][0]["value"], 900)
            check("device", {k: s.get(api + f"devices/{name}")[k] for k in ("id", "asset", "labels")}, {"id": "mill-3", "asset": "hall", "labels": {"line": "1"}})
        check("the other end", [(r["relation"], r["device"], r["direction"]) for r in s.get(api + "devices/saw-2/relations")["items"]],
              [("cools", "mill-3", "out"), ("feeds", "mill-3", "in")])
        check("in the asset", sorted(d["id"] for d in s.get(api + "devices?asset=hall")["items"]), ["mill-3", "saw-2"])
        check("on the plan", [m["device"] for m in s.get(api + "assets/hall/plan")["markers"]], ["mill-3"])
        check("quarantine", s.get(api + "devices/mill-3/access")["quarantine"]["reason"], "looked at")
    s.post(api + "devices/mill/relations", {"relation": "beside", "device": "saw"})
    check("made by the old names", [r["device"] for r in s.get(api + "devices/mill-3/relations?relation=beside")["items"]], ["saw-2"])
    s.call("DELETE", api + "devices/mill/relations/beside/saw")
    check("and taken away", s.get(api + "devices/mill-3/relations?relation=beside")["items"], [])
    for device in ("mill", "mill-2", "mill-3"):  # what speaks by an old name speaks for the device, in one point
        s.post(api + f"ingest?device={device}", {"load": 1})
    check("its points", sorted(p["name"] for p in s.get(api + "points?device=mill-3")["items"]), ["mill-3/load", "mill-3/rpm"])
    shown = s.post(api + "dashboards/data", {"points": ["mill/rpm"], "devices": ["mill"]})
    check("on a dashboard", (shown["points"]["mill/rpm"]["device"], shown["points"]["mill/rpm"]["value"], shown["devices"]["mill"]["state"]), ("mill-3", 900, "online"))
    s.delete(api + "devices/mill-3/quarantine")
    publish(s, "mill-3", secret, "v1/devices/me/telemetry", '{"rpm":901}')
    check("by its secret", s.get(api + "latest?points=mill/rpm")["items"][0]["value"], 901)
    print("renaming ok")


if shutil.which("mosquitto_pub") is None:
    skip("mosquitto_pub is not installed")
with Songhua() as node:
    mappings(node)
    attributes(node)
    relations(node)
    renaming(node)
