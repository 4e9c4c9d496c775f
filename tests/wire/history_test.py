"""What the history answers, against Python's own computation on random data: aggregates, buckets of local days, filling, thinning,
paging, corrections and deletions, CSV export, last values.
SPDX-License-Identifier: Apache-2.0
"""
import csv
import datetime
import io
import math
import random
import sqlite3
import statistics
import sys
import time
import zoneinfo

from songhua import Problem, Songhua, number

T0 = 1_700_000_000_000  # milliseconds
END = T0 + 6 * 3_600_000
GOOD = 192


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def near(what, have, want):
    if want is None or have is None:
        return check(what, have, want)
    if not math.isclose(number(have), want, rel_tol=1e-9, abs_tol=1e-9):
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")
    return None


def refused(call, status, code):
    try:
        call()
    except Problem as p:
        check("refusal", (p.status, p.body["code"]), (status, code))
        return p.body
    return sys.exit(f"{code} was expected, but the call succeeded")


def percentile(v, p):
    v = sorted(v)
    at = (len(v) - 1) * p / 100
    low = math.floor(at)
    return v[low] + (v[min(low + 1, len(v) - 1)] - v[low]) * (at - low)


WANT = {
    "count": len,
    "sum": math.fsum,
    "min": min,
    "max": max,
    "mean": statistics.fmean,
    "first": lambda v: v[0],
    "last": lambda v: v[-1],
    "stddev": lambda v: statistics.stdev(v) if len(v) > 1 else None,
    "p50": lambda v: percentile(v, 50),
    "p95": lambda v: percentile(v, 95),
}


def make(s):
    rng = random.Random(11)
    out, t = [], T0
    while t < END:
        out.append((t, rng.gauss(20, 5)))
        t += rng.choice((200, 1000, 5000, 60_000, 900_000) if rng.random() < 0.02 else (200, 1000, 5000))
    rows = out[:]
    rng.shuffle(rows)  # late and out of order
    for i in range(0, len(rows), 1000):
        s.post("/api/v1/ingest?device=h", [{"ts": t, "values": {"f": v}} for t, v in rows[i : i + 1000]])
    return out


def aggregates(s, data):
    for step, ms in (("1m", 60_000), ("15m", 900_000), ("1h", 3_600_000)):
        buckets = {}
        for t, v in data:
            buckets.setdefault(t // ms * ms, []).append(v)
        got = s.query(["h/f"], T0, END, step=step, aggregate=list(WANT), time="ms")["h/f"]
        check(f"{step}: buckets", got["time"], sorted(buckets))
        for name, fn in WANT.items():
            for t, have in zip(got["time"], got[name]):
                near(f"{step} {name} at {t}", have, fn(buckets[t]))
    whole = s.query(["h/f"], T0, END, aggregate=list(WANT), time="ms")["h/f"]
    for name, fn in WANT.items():
        near(f"whole {name}", whole[name][0], fn([v for _, v in data]))
    # the last value held, over the whole range
    twa = s.query(["h/f"], T0, END, aggregate=["twa"], time="ms")["h/f"]["twa"][0]
    held = math.fsum(v * (t2 - t1) for (t1, v), (t2, _) in zip(data, data[1:] + [(END, 0)])) / (END - T0)
    near("twa", twa, held)
    # counters: resets do not count backwards
    rows = [(T0, 10), (T0 + 10_000, 30), (T0 + 20_000, 5), (T0 + 30_000, 25)]
    s.post("/api/v1/ingest?device=h", [{"ts": t, "values": {"n": v}} for t, v in rows])
    near("rate", s.query(["h/n"], T0, T0 + 30_001, aggregate=["rate"])["h/n"]["rate"][0], 1.5)
    s.post("/api/v1/ingest?device=h", [{"ts": T0 + i * 1000, "values": {"on": i % 4 == 0}} for i in range(40)])
    near("duration", s.query(["h/on"], T0, T0 + 40_000, aggregate=["duration:true"])["h/on"]["duration:true"][0], 10)
    refused(lambda: s.query(["h/f"], T0, END, aggregate=["median"]), 400, "bad_request")
    conditions(s, data)
    refused(lambda: s.query(["h/f"], T0, END, step="1x", aggregate=["mean"]), 400, "bad_request")


CONDITIONS = {
    ">50": lambda v: v > 50, ">=50": lambda v: v >= 50, "<0": lambda v: v < 0, "<=12.5": lambda v: v <= 12.5,
    "=50": lambda v: v == 50, "50": lambda v: v == 50, "!=50": lambda v: v != 50, "10..20": lambda v: 10 <= v <= 20,
}


def conditions(s, data):
    """Counts, durations and rows by a condition on the value, before and after the flush to segments."""
    for word, met in CONDITIONS.items():
        asked = [f"count:{word}", f"duration:{word}"]
        got = s.query(["h/f"], T0, END, aggregate=asked, time="ms")["h/f"]
        check(f"count {word}", got[asked[0]], [sum(1 for _, v in data if met(v))])
        held = sum(t2 - t1 for (t1, v), (t2, _) in zip(data, data[1:] + [(END, 0)]) if met(v)) / 1000
        near(f"duration {word}", got[asked[1]][0], held)
        rows = [(t, v) for t, v in data if met(v)]
        got = s.query(["h/f"], T0, END, where=word, time="ms")["h/f"]
        check(f"where {word}", list(zip(got["time"], got["value"])), rows)
        paged, cursor = [], None
        while len(paged) < 30:  # limit and cursor count the rows that meet it
            page = s.post("/api/v1/history/query", {"points": ["h/f"], "from": T0, "to": END, "where": word, "time": "ms",
                                                    "limit": 7, **({"cursor": cursor} if cursor else {})})
            one = page["series"][0]
            if page["next"]:
                check("rows of a page", len(one["time"]), 7)
            paged += list(zip(one["time"], one["value"]))
            cursor = page["next"]
            if not cursor:
                break
        check(f"where {word}, by page", paged, rows[: len(paged)])
    refused(lambda: s.query(["h/f"], T0, END, where=">x"), 400, "bad_request")
    refused(lambda: s.query(["h/f"], T0, END, where=80), 400, "bad_request")
    refused(lambda: s.query(["h/f"], T0, END, where=">8", aggregate=["mean"]), 400, "bad_request")
    refused(lambda: s.query(["h/f"], T0, END, aggregate=["count:20..10"]), 422, "unsupported")


def days(s):
    """Days of a zone: 23 and 25 hours where the clock is set."""
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    at = datetime.datetime(2023, 10, 27, tzinfo=zone)
    rows, want = [], {}
    for i in range(5 * 24 * 2):
        t = int(at.timestamp() * 1000) + i * 1_800_000
        rows.append({"ts": t, "values": {"z": 1}})
        day = datetime.datetime.fromtimestamp(t / 1000, zone).replace(hour=0, minute=0, second=0)
        key = int(datetime.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
        want[key] = want.get(key, 0) + 1
    s.post("/api/v1/ingest?device=h", rows)
    got = s.query(["h/z"], 0, 4_000_000_000_000, step="1d", aggregate=["count"], tz="Europe/Berlin", time="ms")["h/z"]
    check("days of Berlin", dict(zip(got["time"], got["count"])), want)
    check("one has 25 hours", 50 in want.values(), True)
    refused(lambda: s.query(["h/z"], 0, 1, step="1d", aggregate=["count"], tz="Moon/Sea"), 400, "bad_request")


def filling(s):
    s.post("/api/v1/ingest?device=h", [{"ts": T0 // 60_000 * 60_000 + m * 60_000, "values": {"g": v}} for m, v in ((0, 10.0), (1, 20.0), (4, 50.0), (6, 0.0))])
    start = T0 // 60_000 * 60_000
    for fill, want in (
        ("none", [10, 20, 50, 0]),
        ("null", [10, 20, None, None, 50, None, 0]),
        ("previous", [10, 20, 20, 20, 50, 50, 0]),
        ("linear", [10, 20, 30, 40, 50, 25, 0]),
    ):
        got = s.query(["h/g"], start, start + 7 * 60_000, step="1m", aggregate=["mean"], fill=fill, time="ms")["h/g"]
        check(fill, got["mean"], want)
    refused(lambda: s.query(["h/g"], 0, 1, step="1m", aggregate=["mean"], fill="magic"), 400, "bad_request")


def thinning(s, data):
    have = {t: v for t, v in data}
    for method in ("minmax", "lttb"):
        got = s.query(["h/f"], T0, END, downsample={"method": method, "points": 200}, time="ms")["h/f"]
        rows = list(zip(got["time"], got["value"]))
        check(f"{method}: in order", got["time"], sorted(got["time"]))
        check(f"{method}: few", 50 <= len(rows) <= 400, True)
        check(f"{method}: only real samples", [r for r in rows if have.get(r[0]) != r[1]], [])
        if method == "minmax":
            check("the extremes stay", (min(got["value"]), max(got["value"])), (min(have.values()), max(have.values())))
    refused(lambda: s.query(["h/f"], T0, END, downsample={"method": "lttb", "points": 1}), 400, "bad_request")


def paging(s, data):
    for limit in (1000, 777):
        got = s.query(["h/f", "h/g"], T0 - 100_000, END, limit=limit, time="ms")
        check("pages", list(zip(got["h/f"]["time"], got["h/f"]["value"])), data)
        check("the second series", len(got["h/g"]["value"]), 4)
    got = s.query(["h/f"], T0, END, step="1m", aggregate=["count"], limit=7, time="ms")["h/f"]
    check("pages of buckets", sum(got["count"]), len(data))
    refused(lambda: s.query(["h/f"], T0, END, cursor="rubbish!"), 400, "bad_request")
    open_end = s.post("/api/v1/history/query", {"points": ["h/f"], "aggregate": ["count"]})
    check("without from and to", open_end["series"][0]["count"], [len(data)])
    inside = s.query(["h/f"], data[5][0], data[9][0], time="ms")["h/f"]["time"]
    check("from inclusive, to exclusive", inside, [t for t, _ in data[5:9]])
    check("backwards is empty", s.query(["h/f"], END, T0).get("h/f", {}).get("time", []), [])


def edits(s):
    s.post("/api/v1/ingest?device=e", [{"ts": T0 + i, "values": {"f": float(i)}} for i in range(10)])

    def values():
        return s.query(["e/f"], T0, T0 + 100, time="ms")["e/f"]

    refused(lambda: s.post("/api/v1/history/correct", {"point": "e/f", "samples": [{"time": T0, "value": 1}]}), 400, "bad_request")
    s.post("/api/v1/history/correct", {"point": "e/f", "samples": [{"time": T0 + 3, "value": 33.5}], "reason": "typing error"})
    check("corrected", (values()["value"][3], values()["quality"][3]), (33.5, 216))
    s.post("/api/v1/ingest?device=e", {"ts": T0 + 3, "values": {"f": 99}})
    check("a later arrival does not change it", values()["value"][3], 33.5)
    got = s.call("DELETE", "/api/v1/history", {"points": ["e/f"], "from": T0 + 5, "to": T0 + 8, "reason": "test run"})
    check("deleted", got["deleted"], 3)
    check("gone", values()["value"], [0, 1, 2, 33.5, 4, 8, 9])
    s.post("/api/v1/ingest?device=e", {"ts": T0 + 6, "values": {"f": 66}})
    check("stays deleted", values()["value"], [0, 1, 2, 33.5, 4, 8, 9])
    near("aggregates see it", s.query(["e/f"], T0, T0 + 100, aggregate=["sum"])["e/f"]["sum"][0], 57.5)
    refused(lambda: s.call("DELETE", "/api/v1/history", {"points": ["e/f"], "from": T0, "to": T0 + 1}), 400, "bad_request")
    s.call("DELETE", "/api/v1/history", {"points": ["e/f"], "from": T0 + 9, "to": T0 + 10, "reason": "the last one"})
    check("latest follows", s.get("/api/v1/latest?points=e/f")["items"][0]["value"], 8)
    acts = [(a["act"], a["object"]) for a in s.get("/api/v1/audit?limit=20")["items"]]
    for act in ("history.corrected", "history.deleted"):
        check(f"audit has {act}", any(a == act and "e/f" in o for a, o in acts), True)
    s.stop(kill=True)
    s.start()
    check("after kill -9", values()["value"], [0, 1, 2, 33.5, 4, 8])


def listed(s, point, **more):
    query = "".join(f"&{k}={v}" for k, v in more.items())
    return s.get(f"/api/v1/history/edits?point={point}&time=ms{query}")


def withdrawing(s):
    """After edits(): one correction and two deletions of e/f are in force."""
    words = [(e["kind"], e["from"], e["to"], e["samples"], e["by"], e["reason"]) for e in listed(s, "e/f")["items"]]
    check("edits", words, [("deletion", T0 + 9, T0 + 10, None, "person:admin", "the last one"),
                           ("deletion", T0 + 5, T0 + 8, None, "person:admin", "test run"),
                           ("correction", T0 + 3, T0 + 3, 1, "person:admin", "typing error")])
    last, middle, fixed = [e["id"] for e in listed(s, "e/f")["items"]]
    check("when", all(abs(e["time"] / 1000 - datetime.datetime.now().timestamp()) < 600 for e in listed(s, "e/f")["items"]), True)
    page = listed(s, "e/f", limit=2)
    check("first page", ([e["id"] for e in page["items"]], page["total"]), ([last, middle], 3))
    page = listed(s, "e/f", limit=2, cursor=page["next"])
    check("second page", ([e["id"] for e in page["items"]], page["next"]), ([fixed], None))
    refused(lambda: s.get("/api/v1/history/edits"), 400, "bad_request")
    refused(lambda: listed(s, "e/none"), 404, "unknown_point")

    def values():
        return s.query(["e/f"], T0, T0 + 100, time="ms")["e/f"]["value"]

    def withdraw(edit, tenant="", **body):
        return s.post(f"/api/v1/history/edits/{edit}/withdraw{tenant}", body)

    refused(lambda: withdraw(last), 400, "bad_request")
    refused(lambda: withdraw(10**15, reason="none such"), 404, "not_found")
    refused(lambda: withdraw("x", reason="none such"), 404, "not_found")
    check("latest before", s.get("/api/v1/latest?points=e/f")["items"][0]["value"], 8)
    withdraw(last, reason="it was right")
    check("is back", values(), [0, 1, 2, 33.5, 4, 8, 9])
    check("latest follows", s.get("/api/v1/latest?points=e/f")["items"][0]["value"], 9)
    refused(lambda: withdraw(last, reason="again"), 404, "not_found")
    withdraw(middle, reason="the test run counts")
    check("what came after the deletion is there", values(), [0, 1, 2, 33.5, 4, 5, 66, 7, 8, 9])
    made = s.post("/api/v1/history/correct", {"point": "e/f", "samples": [{"time": T0 + i, "value": 50 + i} for i in range(2)], "reason": "two"})
    many = listed(s, "e/f")["items"][0]
    check("one edit of two samples", (many["id"], many["samples"], many["from"], many["to"]), (made["edit"], 2, T0, T0 + 1))
    withdraw(made["edit"], reason="no")
    s.stop(kill=True)
    s.start()
    check("after kill -9", [(e["id"], e["reason"]) for e in listed(s, "e/f")["items"]], [(fixed, "typing error")])
    check("after kill -9", values(), [0, 1, 2, 33.5, 4, 5, 66, 7, 8, 9])
    s.stop()
    with sqlite3.connect(s.data + "/songhua.db") as db:  # as a crash between the edit and its words leaves it
        moved = db.execute("UPDATE rec SET type='_edit_begun', id='01crash' WHERE type='_edit' AND id=?", (f"{fixed:020}",)).rowcount
    db.close()
    check("moved", moved, 1)
    s.start()
    check("words found", [(e["by"], e["reason"]) for e in listed(s, "e/f")["items"]], [("person:admin", "typing error")])
    withdraw(fixed, reason="the later arrival holds")
    check("corrected no more", values()[3], 99)
    audit = [(a["act"], a["object"], a["detail"]) for a in s.get("/api/v1/audit?q=history.withdrawn")["items"]]
    check("audited", audit[0], ("history.withdrawn", "e/f", f"{fixed}: the later arrival holds"))
    # of a deletion of several points, each shows it, and all come back
    s.post("/api/v1/ingest?device=e", {"ts": T0, "values": {"g": 1, "h": 2}})
    both = s.call("DELETE", "/api/v1/history", {"points": ["e/g", "e/h"], "from": T0, "to": T0 + 1, "reason": "both"})["edit"]
    check("both", [listed(s, p)["items"][0]["id"] for p in ("e/g", "e/h")], [both, both])
    withdraw(both, reason="neither")
    check("neither", [s.query([p], T0, T0 + 1)[p]["value"] for p in ("e/g", "e/h")], [[1], [2]])


def tenants_and_edits(s):
    s.post("/api/v1/tenants", {"path": "park", "name": "Park"})
    s.post("/api/v1/tenants", {"path": "other", "name": "Other"})
    for path in ("park", "other"):
        s.post(f"/api/v1/people?tenant={path}", {"name": "eve", "password": "Songhua-edits-1898", "roles": ["administrator"]})
    tokens = {p: s.post("/api/v1/sessions", {"user": f"eve@{p}", "password": "Songhua-edits-1898"})["token"] for p in ("park", "other")}
    root = s.token
    s.post("/api/v1/ingest?device=pk&tenant=park", {"ts": T0, "values": {"f": 1}})
    s.post("/api/v1/ingest?device=rt", {"ts": T0, "values": {"f": 1}})
    of_root = s.post("/api/v1/history/correct", {"point": "rt/f", "samples": [{"time": T0, "value": 2}], "reason": "root"})["edit"]
    s.token = tokens["park"]
    of_park = [s.post("/api/v1/history/correct", {"point": "pk/f", "samples": [{"time": T0, "value": v}], "reason": "park"})["edit"] for v in (2, 3)]
    check("who", listed(s, "pk/f")["items"][0]["by"], "person:eve@park")
    refused(lambda: s.post(f"/api/v1/history/edits/{of_root}/withdraw", {"reason": "not mine"}), 404, "not_found")
    s.token = tokens["other"]
    refused(lambda: s.post(f"/api/v1/history/edits/{of_park[0]}/withdraw", {"reason": "not mine"}), 404, "not_found")
    refused(lambda: listed(s, "pk/f"), 404, "unknown_point")
    s.token = tokens["park"]
    s.post(f"/api/v1/history/edits/{of_park[0]}/withdraw", {"reason": "mine"})
    s.token = root  # sees what is below
    s.post(f"/api/v1/history/edits/{of_park[1]}/withdraw", {"reason": "from above"})
    check("park", s.get("/api/v1/latest?points=pk/f&tenant=park")["items"][0]["value"], 1)
    s.token = tokens["park"]
    audit = [(a["act"], a["principal"]) for a in s.get("/api/v1/audit?q=history.withdrawn")["items"]]
    check("the tenant sees who", audit, [("history.withdrawn", "person:admin"), ("history.withdrawn", "person:eve@park")])
    s.token = root


def export(s):
    s.post("/api/v1/ingest?device=x", [{"ts": T0, "values": {"a": 1.5, "t": 'say "hi", 你好'}}, {"ts": T0 + 1, "values": {"a": -0.0}}, {"ts": T0 + 2, "values": {"t": "two\nlines"}}])
    status, headers, data = s.raw("GET", f"/api/v1/history/export?points=x/a,x/t&from={T0}&to={T0 + 10}&format=csv")
    check("CSV", (status, headers["Content-Type"], data[:3]), (200, "text/csv; charset=utf-8", b"\xef\xbb\xbf"))
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    check("rows", [r[1:] for r in rows], [["x/a", "x/t"], ["1.5", 'say "hi", 你好'], ["-0.0", ""], ["", "two\nlines"]])
    check("time", rows[1][0][:19], "2023-11-14T22:13:20")
    status, _, data = s.raw("GET", f"/api/v1/history/export?points=h/f&from={T0}&to={END}&step=1h&aggregate=mean")
    check("buckets", len(data.decode().strip().splitlines()) >= 7, True)
    check("an unknown point", s.raw("GET", "/api/v1/history/export?points=no/f")[0], 404)


def marks(s):
    """A replaced and renamed device keeps its history, and the query tells where the splices are."""
    begin = int(time.time() * 1000)
    s.post("/api/v1/ingest?device=pump", [{"ts": begin + i, "values": {"q": i}} for i in range(10)])
    s.post("/api/v1/devices/pump/replace", {"note": "密封漏水 seal"})
    s.post("/api/v1/devices/pump/rename", {"to": "pump-7"})
    ask = {"points": ["pump-7/q", "h/f"], "from": begin, "to": begin + 3_600_000, "time": "ms", "marks": True}
    pump, other = s.post("/api/v1/history/query", ask)["series"]
    check("marks", [(m["kind"], m.get("note"), m.get("from")) for m in pump["marks"]],
          [("replaced", "密封漏水 seal", None), ("renamed", None, "pump")])
    check("when and who", all(begin - 1000 <= m["time"] <= begin + 60_000 and m["by"].endswith("admin") for m in pump["marks"]), True)
    check("history goes on", len(pump["time"]), 10)
    check("none of another device", other["marks"], [])
    check("none outside of the range", s.post("/api/v1/history/query", {**ask, "from": 0, "to": begin - 60_000})["series"][0]["marks"], [])
    check("none unless asked", "marks" in s.post("/api/v1/history/query", {**ask, "marks": False})["series"][0], False)


def last(s, data):
    got = s.get("/api/v1/latest?points=h/f,x/t&time=ms")["items"]
    check("last values", [(i["time"], i["value"]) for i in got], [data[-1], (T0 + 2, "two\nlines")])
    s.post("/api/v1/ingest?device=h", {"ts": T0, "values": {"f": data[0][1]}})
    check("a late sample is not the latest", s.get("/api/v1/latest?points=h/f&time=ms")["items"][0]["time"], data[-1][0])
    refused(lambda: s.get("/api/v1/latest?points=h/none"), 404, "unknown_point")


def main():
    with Songhua() as s:
        data = make(s)
        print(f"{len(data)} samples, shuffled")
        for part in (aggregates, days, filling, thinning, paging, edits, withdrawing, tenants_and_edits, export, marks, last):
            part(s, data) if part in (aggregates, thinning, paging, last) else part(s)
            print(part.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
