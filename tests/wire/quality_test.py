"""POST history/quality on random data against a plain walk in Python: gaps, stuck values, quality, range, thresholds, declared periods and
ranges, merging; what is wrong with a question; what another tenant's person and a token for an asset see.
SPDX-License-Identifier: Apache-2.0
"""
import math
import random
import sys
import time

from columns_test import F64, frame, put
from songhua import Problem, Songhua

T0 = 1_700_000_000_000  # milliseconds
KINDS = ("gap", "stuck", "bad", "uncertain", "range")


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def near(what, have, want):
    if not math.isclose(have, want, rel_tol=1e-9, abs_tol=1e-6):
        sys.exit(f"{what}: {have!r}, {want!r} was expected")


def refused(call, status, code):
    try:
        call()
    except Problem as p:
        check("refusal", (p.status, p.body["code"]), (status, code))
        return p.body
    return sys.exit(f"{code} was expected, but the call succeeded")


def ask(s, points, start, end, **more):
    answer = s.post("/api/v1/history/quality", {"points": points, "from": start, "to": end, "time": "ms", **more})
    return {series["point"]: series for series in answer["series"]}


def make(s):
    """One sample a second, with holes, values that stay, and all qualities."""
    rng = random.Random(1898)
    rows, t, v = [], T0, 0.0
    while t < T0 + 20_000_000:
        v = v if rng.random() < (0.99 if (t // 600_000) % 3 == 0 else 0.05) else float(rng.randrange(100))
        quality = 0 if rng.random() < 0.002 else (64 if rng.random() < 0.002 else 192)
        rows.append((t, v, quality))
        t += rng.choice((30_000, 90_000)) if rng.random() < 0.002 else 1000
    for i in range(0, len(rows), 7000):
        put(s, frame(("m", "f", F64, [(t * 1000, v, q) for t, v, q in rows[i : i + 7000]]), quality=True))
    return rows


def walk(rows, start, end, gap, stuck, low, high):
    total = dict.fromkeys(("good", *KINDS), 0)

    def add(kind, a, b):
        total[kind] += max(0, min(b, end) - max(a, start))

    runs = []  # of equal values: first, last index
    for i, (t, v, q) in enumerate(rows):
        if runs and i > 0 and q != 0 and rows[i - 1][2] != 0 and v == rows[i - 1][1] and t - rows[i - 1][0] <= gap:
            runs[-1][1] = i
        elif q != 0:
            runs.append([i, i])
    still = [(rows[a][0], rows[b][0]) for a, b in runs if stuck and rows[b][0] - rows[a][0] >= stuck]
    for a, b in still:
        add("stuck", a, b)
    k = 0
    for (t, v, q), (t2, _, _) in zip(rows, rows[1:]):
        if t2 - t > gap:
            add("gap", t, t2)
            continue
        kinds = [n for n, on in (("bad", q == 0), ("uncertain", q == 64), ("range", q != 0 and not low <= v <= high)) if on]
        for kind in kinds:
            add(kind, t, t2)
        while k < len(still) and still[k][1] <= t:
            k += 1
        if not kinds and not (k < len(still) and still[k][0] <= t):
            add("good", t, t2)
    return {k: v / 1000 for k, v in total.items()}


def against_a_walk(s, rows):
    s.post("/api/v1/things", {"id": "meter", "name": {"zh": "表", "en": "meter"}, "properties": [
        {"id": "f", "type": "f64", "range": {"min": 3, "max": 95}}, {"id": "s", "type": "text"}]})
    s.call("PATCH", "/api/v1/devices/m", {"thing": "meter"})
    last = rows[-1][0]
    rng = random.Random(7)
    for i in range(20):
        start = T0 + rng.randrange(10_000_000)
        end = min(last, start + rng.randrange(1000, 12_000_000))
        gap, stuck = rng.choice((2, 5, 40)), rng.choice((0, 4, 60, 300))
        more = {"gap": f"{gap}s", **({"stuck": f"{stuck}s"} if stuck else {}), "intervals": 5000}
        got = ask(s, ["m/f"], start, end, **more)["m/f"]
        want = walk(rows, start, end, gap * 1000, stuck * 1000, 3, 95)
        for kind, seconds in want.items():
            near(f"{i}: {kind}, {more}", got["seconds"][kind], seconds)
        near("all", got["seconds"]["all"], (end - start) / 1000)
        near("availability", got["availability"], 1 - (want["gap"] + want["bad"]) / ((end - start) / 1000))
        check("samples", got["samples"]["all"], sum(1 for t, _, _ in rows if start <= t < end))
        check("bad samples", got["samples"]["bad"], sum(1 for t, _, q in rows if start <= t < end and q == 0))
        for kind in KINDS:
            near(f"listed {kind}", sum(f["seconds"] for f in got["intervals"] if f["kind"] == kind), want.get(kind, 0))
        check("in order", [f["from"] for f in got["intervals"]], sorted(f["from"] for f in got["intervals"]))
        few = ask(s, ["m/f"], start, end, **{**more, "intervals": 4})["m/f"]
        check("merging changes no total", few["seconds"], got["seconds"])
        if max(sum(f["kind"] == k for k in KINDS) for f in few["intervals"] or [{"kind": ""}]) > 4:
            sys.exit("more than four of a kind")


def thresholds(s, rows):
    end = rows[-1][0]
    plain = ask(s, ["m/f"], T0, end)["m/f"]
    check("the median", (plain["period"], plain["declared"], plain["gap"], plain["stuck"]), (1.0, False, 3.0, None))
    check("range of the model", (plain["low"], plain["high"]), (3.0, 95.0))
    s.call("PATCH", "/api/v1/devices/m", {"period_ms": 20_000})
    told = ask(s, ["m/f"], T0, end, gap_factor=2)["m/f"]
    check("what is declared", (told["period"], told["declared"], told["gap"]), (20.0, True, 40.0))
    s.post("/api/v1/ingest?device=m", [{"ts": T0 + i * 1000, "values": {"s": "on"}} for i in range(100)])
    text = ask(s, ["m/s"], T0, T0 + 99_000, gap="5s", stuck="10s")["m/s"]
    check("a text does not stick", (text["stuck"], text["seconds"]["good"], text["intervals"]), (None, 99.0, []))
    begin = int(time.time() * 1000) - 60_000
    s.post("/api/v1/ingest?device=now", [{"ts": begin + i * 1000, "values": {"v": i}} for i in range(60)])
    coming = ask(s, ["now/v"], begin, begin + 3_600_000, gap="30s")["now/v"]
    if coming["seconds"]["all"] > 300 or coming["seconds"]["gap"] != 0:
        sys.exit(f"what is to come was missed: {coming}")
    nothing = s.post("/api/v1/history/quality", {"points": ["now/v"], "from": begin + 3_600_000, "to": begin + 7_200_000})
    check("nothing yet", (nothing["series"][0]["availability"], nothing["series"][0]["intervals"]), (None, []))


def refusals(s):
    for more in ({"gap": "x"}, {"gap": 3}, {"stuck": "-1s"}, {"gap_factor": 0.5}, {"intervals": 1}, {"intervals": 5001}, {"time": "ns"}, {"from": "x"}):
        refused(lambda m=more: s.post("/api/v1/history/quality", {"points": ["m/f"], "from": T0, "to": T0 + 1000, **m}), 400, "bad_request")
    refused(lambda: s.post("/api/v1/history/quality", {"points": ["m/f"]}), 400, "bad_request")
    refused(lambda: s.post("/api/v1/history/quality", {"points": [], "from": T0}), 400, "bad_request")
    refused(lambda: ask(s, ["m/none"], T0, T0 + 1), 404, "unknown_point")


def late(s):
    """What arrives twenty minutes after its time is an event of the device, and stands in the quality of its points."""
    now = int(time.time() * 1000)
    begin = now - 1_800_000
    rows = [{"ts": begin + i * 1000, "values": {"a": i, "b": -i}} for i in range(600)]
    s.post("/api/v1/ingest?device=away", rows[:300])
    s.post("/api/v1/ingest?device=away", rows[300:])
    s.post("/api/v1/ingest?device=prompt", [{"ts": now - 60_000, "values": {"a": 1}}, {"ts": now - 40 * 86_400_000, "values": {"a": 0}}])
    until = time.time() + 40
    while not (events := s.get("/api/v1/devices/away/events")["items"]):
        if time.time() > until:
            sys.exit("no event tells of the late samples")
        time.sleep(0.2)
    check("one event", [e["event"] for e in events], ["late-data"])
    data = events[0]["data"]
    check("how many", data["samples"], 1200)
    if not 1_790 < data["delay"] < 1_900:
        sys.exit(f"delay {data['delay']}")
    got = ask(s, ["away/a"], begin - 10_000, now, gap="1h")["away/a"]
    times = [(f["from"], f["to"]) for f in got["intervals"] if f["kind"] == "late"]
    check("when", times, [(begin, begin + 599_000)])
    near("how long", got["seconds"]["late"], 599)
    part = ask(s, ["away/b"], begin + 100_000, begin + 200_000, gap="1h")["away/b"]
    near("of a part", part["seconds"]["late"], 100)
    check("it is not unavailable", part["availability"], 1.0)
    fine = ask(s, ["prompt/a"], now - 3_600_000, now)["prompt/a"]
    check("in time, or brought in", (fine["seconds"]["late"], s.get("/api/v1/devices/prompt/events")["items"]), (0, []))
    check("its points are its own", sorted(p["property"] for p in s.get("/api/v1/points?device=away")["items"]), ["a", "b"])


def others(s):
    s.post("/api/v1/tenants", {"path": "park", "name": "park"})
    root = s.token
    s.post("/api/v1/people?tenant=park", {"name": "eve", "password": "Songhua-quality-1898", "roles": ["administrator"]})
    s.post("/api/v1/assets", {"id": "here", "kind": "site", "name": "here"})
    s.post("/api/v1/devices", {"id": "seen", "asset": "here"})
    s.post("/api/v1/ingest?device=seen", {"ts": T0, "values": {"f": 1}})
    part = s.post("/api/v1/tokens", {"name": "part", "roles": ["operator"], "asset": "here"})["token"]
    s.token = s.post("/api/v1/sessions", {"user": "eve@park", "password": "Songhua-quality-1898"})["token"]
    refused(lambda: ask(s, ["m/f"], T0, T0 + 1), 404, "unknown_point")
    s.token = part
    check("its own", list(ask(s, ["seen/f"], T0, T0 + 1000)), ["seen/f"])
    refused(lambda: ask(s, ["seen/f", "m/f"], T0, T0 + 1), 404, "unknown_point")
    s.token = root


def main():
    with Songhua() as s:
        rows = make(s)
        print(f"{len(rows)} samples", flush=True)
        for part in (against_a_walk, thresholds, late, refusals, others):
            part(s, rows) if part in (against_a_walk, thresholds) else part(s)
            print(part.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
