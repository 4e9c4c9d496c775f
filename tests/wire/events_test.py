"""Past events of a device: published by mosquitto_pub with QoS 1, kept when acknowledged (kill -9 follows), listed newest first with
from, to, event, limit and cursor, seen by history queries and exports, and not among the ordinary points.
SPDX-License-Identifier: Apache-2.0
"""
import json
import shutil
import subprocess
import sys
import time

from songhua import PASSWORD, Problem, Songhua, skip

if not shutil.which("mosquitto_pub"):
    skip("mosquitto_pub is not installed (package mosquitto-clients)")


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def publish(s, topic, *messages, qos="1"):
    """All messages over one connection, in this order."""
    done = subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", PASSWORD, "-t", topic, "-q", qos, "-l"],
        input="\n".join(messages) + "\n", text=True, timeout=60, capture_output=True, check=False,
    )
    check("mosquitto_pub", (done.returncode, done.stderr), (0, ""))


def events(s, device="press", **query):
    path = f"/api/v1/devices/{device}/events?" + "&".join(f"{k}={v}" for k, v in query.items())
    return s.get(path)


def main():
    with Songhua() as s:
        s.post("/api/v1/ingest?device=press", {"force": 1.5})
        begin = int(time.time() * 1000)
        publish(s, "sh/v1/press/event/overload", *[json.dumps({"n": i, "why": "力矩过大"}) for i in range(300)])
        publish(s, "sh/v1/press/event/door", '"open"', '"closed"')
        s.stop(kill=True)  # what was acknowledged is on disk
        s.start()
        got = events(s, limit=1000)
        check("all are there, newest first", [(i["event"], i["data"]) for i in got["items"]],
              [("door", "closed"), ("door", "open")] + [("overload", {"n": i, "why": "力矩过大"}) for i in reversed(range(300))])
        check("each at its own time", len({i["time"] for i in got["items"]}), 302)
        check("no more pages", got["next"], None)
        paged, cursor = [], None
        while True:
            page = events(s, limit=37, **({"cursor": cursor} if cursor else {}))
            paged += page["items"]
            cursor = page["next"]
            if not cursor:
                break
            check("rows of a page", len(page["items"]), 37)
        check("by page", paged, got["items"])
        check("one kind", [i["data"] for i in events(s, event="door")["items"]], ["closed", "open"])
        check("none of that kind", events(s, event="window"), {"items": [], "next": None})
        ms = [i["time"] for i in events(s, limit=1000, time="us")["items"]]
        middle = ms[100] // 1000
        check("to is exclusive", [i["time"] for i in events(s, limit=1000, time="us", to=middle)["items"]], [t for t in ms if t < middle * 1000])
        check("from is inclusive", [i["time"] for i in events(s, limit=1000, time="us", **{"from": middle})["items"]], [t for t in ms if t >= middle * 1000])
        check("nothing before", events(s, to=begin)["items"], [])
        # beside the ordinary points, and yet a point: history, export
        check("points", [p["property"] for p in s.get("/api/v1/points?device=press")["items"]], ["force"])
        check("with events", sorted(p["property"] for p in s.get("/api/v1/points?device=press&events=true")["items"]),
              ["event:door", "event:overload", "force"])
        check("latest", list(s.get("/api/v1/devices/press/latest")["points"]), ["force"])
        rows = s.query(["press/event:door"], begin, begin + 3_600_000)["press/event:door"]["value"]
        check("query", [json.loads(v) for v in rows], ["open", "closed"])
        check("count", s.query(["press/event:overload"], begin, begin + 3_600_000, aggregate=["count"])["press/event:overload"]["count"], [300])
        check("export", s.raw("GET", "/api/v1/history/export?points=press/event:door")[2].count(b"\r\n"), 3)
        # what is no event
        publish(s, "sh/v1/press/event/overload", "not json")
        s.post("/api/v1/ingest?device=press", {"force": 2})
        try:
            s.post("/api/v1/ingest?device=press", {"event:overload": "forged"})
            sys.exit("a sample under an event's name was taken")
        except Problem as p:
            check("kept for events", p.status, 400)
        check("still as many", len(events(s, limit=1000)["items"]), 302)
        try:
            events(s, device="nobody")
            sys.exit("events of a device that does not exist")
        except Problem as p:
            check("no such device", p.status, 404)
        # events follow a renamed device
        s.post("/api/v1/devices/press/rename", {"to": "press-2"})
        check("renamed", len(events(s, device="press-2", limit=1000)["items"]), 302)
        print("ok")


if __name__ == "__main__":
    main()
