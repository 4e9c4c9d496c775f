"""What a device says besides samples, through mosquitto_pub: topics of free JSON become points, attributes are reported, and devices are
related by the API; a device's secret does not reach another device's attributes.
SPDX-License-Identifier: Apache-2.0
"""
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


if shutil.which("mosquitto_pub") is None:
    skip("mosquitto_pub is not installed")
with Songhua() as node:
    mappings(node)
    attributes(node)
    relations(node)
