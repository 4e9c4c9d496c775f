"""POST history/calculate on random data against the same written in Python: buckets side by side, raw rows with the last value held, units, what
remembers, time of the place; wrong expressions with their place in both languages; POST and GET expressions; what another tenant's person sees.
SPDX-License-Identifier: Apache-2.0
"""
import csv
import datetime
import io
import json
import math
import random
import sys

from columns_test import BOOL, F64, frame, put
from songhua import Problem, Songhua

T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z in milliseconds
STEP = 60_000


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def same(what, have, want):
    if len(have) != len(want):
        sys.exit(f"{what}: {len(have)} values, {len(want)} were expected")
    for i, (a, b) in enumerate(zip(have, want)):
        if (a is None) != (b is None) or (a is not None and not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)):
            sys.exit(f"{what}[{i}]: {a!r}, {b!r} was expected")


def refused(call, status, code):
    try:
        call()
    except Problem as p:
        check("refusal", (p.status, p.body["code"]), (status, code))
        return p.body
    return sys.exit(f"{code} was expected, but the call succeeded")


def make(s):
    """Two points of different periods with holes and bad samples, and one yes/no."""
    rng = random.Random(41)
    flow, power, run = [], [], []
    for i in range(3600):
        if i % 900 < 840:
            flow.append((T0 + i * 1000, 10 + rng.random() * 5, 0 if rng.random() < 0.01 else 192))
        if i % 7 == 0:
            power.append((T0 + i * 1000 + 300, 40 + rng.random() * 10, 192))
        if i % 500 == 0:
            run.append((T0 + i * 1000, rng.random() < 0.7, 192))
    s.post("/api/v1/things", {"id": "pump", "name": "pump", "properties": [
        {"id": "flow", "type": "f64", "unit": "m3/h"}, {"id": "power", "type": "f64", "unit": "kW"}, {"id": "run", "type": "bool"}]})
    s.post("/api/v1/devices", {"id": "p-1", "name": "p-1", "thing": "pump"})
    us = lambda rows: [(t * 1000, v, q) for t, v, q in rows]  # noqa: E731
    put(s, frame(("p-1", "flow", F64, us(flow)), ("p-1", "power", F64, us(power)), ("p-1", "run", BOOL, us(run)), quality=True))
    return flow, power, run


def calculate(s, expression, **more):
    body = {"expressions": [{"name": "x", "expression": expression}], "from": T0, "to": T0 + 3_600_000, "time": "ms", **more}
    (series,) = s.post("/api/v1/history/calculate", body)["series"]
    return series


def buckets(rows):
    out = {}
    for t, v, q in rows:
        if q >= 64:
            out.setdefault((t - T0) // STEP, []).append(v)
    return {k: sum(v) / len(v) for k, v in out.items()}


def by_step(s, flow, power):
    f, p = buckets(flow), buckets(power)
    got = calculate(s, "{p-1/power} / {p-1/flow}", step="1m")
    keys = sorted(set(f) | set(p))
    check("times", got["time"], [T0 + k * STEP for k in keys])
    want = [p[k] / f[k] if k in f and k in p else None for k in keys]
    same("power by flow", got["value"], want)
    check("unit, type, points", (got["unit"], got["type"], got["points"]), ("kW/(m3/h)", "f64", ["p-1/power", "p-1/flow"]))
    there = [v for v in want if v is not None]
    st = got["statistics"]
    same("statistics", [st["min"], st["max"], st["mean"], st["first"], st["last"]],
         [min(there), max(there), sum(there) / len(there), there[0], there[-1]])
    check("count", st["count"], len(there))
    energy = calculate(s, 'convert(integral({p-1/power}), "kW.h")', step="1m")
    area, want, last = 0.0, [], None
    for k in sorted(p):
        area += 0 if last is None else (p[k] + p[last]) / 2 * (k - last) / 60
        want.append(area)
        last = k
    same("energy", energy["value"], want)
    check("its unit", energy["unit"], "kW.h")
    most = calculate(s, "{p-1/flow}", step="1m", aggregate="max")
    tops = {}
    for t, v, q in flow:
        if q >= 64:
            tops[(t - T0) // STEP] = max(v, tops.get((t - T0) // STEP, v))
    same("greatest of a bucket", most["value"], [tops[k] for k in sorted(tops)])


def by_row(s, flow, power, run):
    got = calculate(s, "if({p-1/run}, {p-1/power} + {p-1/flow} * 1[kW.h/m3])")
    rows = sorted({t for t, _, _ in flow} | {t for t, _, _ in power} | {t for t, _, _ in run})
    check("times", got["time"], rows)

    def held(list_of, hold=None):
        out, i = {}, 0
        for t in rows:
            while i < len(list_of) and list_of[i][0] <= t:
                i += 1
            one = list_of[i - 1] if i > 0 else None
            old = one is None or (hold is not None and t - one[0] > hold)
            out[t] = None if old or one[2] < 64 else one[1]
        return out
    f, p, r = held(flow), held(power), held(run)
    want = [p[t] + f[t] if r[t] and p[t] is not None and f[t] is not None else None for t in rows]
    same("raw rows", got["value"], want)
    f = held(flow, 5000)
    got = calculate(s, "{p-1/flow} + 0 * {p-1/power} * 1[m3/(kW.h)]", hold="5s")
    rows_two = [t for t in got["time"]]
    p5 = held(power, 5000)
    same("held for five seconds", got["value"], [f[t] if f[t] is not None and p5[t] is not None else None for t in rows_two])
    hours = calculate(s, "if({p-1/power} > 0, hour())", tz="Asia/Shanghai", step="30m")
    check("time of the place", set(hours["value"]), {8})
    texts = calculate(s, 'if({p-1/run}, "running", "stopped")', step="10m")
    check("texts", (texts["type"], set(texts["value"]) <= {"running", "stopped", None}), ("text", True))


def wrong(s):
    bad = refused(lambda: calculate(s, "{p-1/power} + {p-1/flow}"), 400, "bad_expression")
    if "character 1:" not in bad["detail"] or "kW and m3/h" not in bad["detail"]:
        sys.exit(f"no place or reason: {bad['detail']}")
    refused(lambda: calculate(s, "{p-1/nothing} + 1"), 404, "unknown_point")
    refused(lambda: calculate(s, "1 + 1"), 400, "bad_expression")
    refused(lambda: calculate(s, "{p-1/flow}", aggregate="stddev"), 400, "bad_request")
    refused(lambda: calculate(s, "{p-1/flow}", hold="long"), 400, "bad_request")
    refused(lambda: calculate(s, "{p-1/flow}", limit=10), 422, "limit")
    refused(lambda: s.post("/api/v1/history/calculate", {"expressions": []}), 400, "bad_request")
    zh = s.call("POST", "/api/v1/expressions", {"expression": "压力 + {p-1/flow}"}, headers={"Accept-Language": "zh"})
    check("place in characters", (zh["valid"], zh["at"], zh["length"]), (False, 0, 2))
    if "没有名为" not in zh["message"]:
        sys.exit(zh["message"])
    good = s.post("/api/v1/expressions", {"expression": "rate({p-1/flow}) > 1[m3/h2]"})
    check("a good one", good, {"valid": True, "type": "bool", "unit": "", "remembers": True, "points": ["p-1/flow"]})
    names = {f["name"] for f in s.get("/api/v1/expressions")["functions"]}
    if not {"convert", "integral", "hysteresis"} <= names:
        sys.exit(f"functions: {names}")


def exported(s, flow):
    """The file has what the answer has, side by side; what one cannot have is not made."""
    asked = {"expressions": [{"name": "a,b", "expression": "{p-1/flow} * 2"}, {"expression": 'if({p-1/run}, "=on", "off")'}, {"expression": "{p-1/run}"}],
             "from": T0, "to": T0 + 3_600_000, "step": "1m", "time": "ms"}
    answer = s.post("/api/v1/history/calculate", asked)["series"]
    status, head, body = s.raw("POST", "/api/v1/history/calculate/export", json.dumps(asked), headers={"Content-Type": "application/json"})
    check("file", (status, head["Content-Type"], head["Content-Disposition"]), (200, "text/csv; charset=utf-8", 'attachment; filename="calculated.csv"'))
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    check("head", rows[0], ["time", "a,b [m3/h]", 'if({p-1/run}, "=on", "off")', "{p-1/run}"])
    for k, series in enumerate(answer):
        want = dict(zip(series["time"], series["value"]))
        have = {int(datetime.datetime.fromisoformat(row[0].replace("Z", "+00:00")).timestamp() * 1000): row[k + 1] for row in rows[1:]}
        check(f"times of {k}", {t for t, v in have.items() if v != ""}, {t for t, v in want.items() if v is not None})
        for t, v in want.items():
            text = "" if v is None else ("true" if v else "false") if isinstance(v, bool) else v if isinstance(v, float) else "'" + v if v.startswith("=") else v
            if (abs(float(have[t]) - v) > 1e-9) if isinstance(v, float) else have[t] != text:
                sys.exit(f"column {k} at {t}: {have[t]!r}, not {v!r}")
    check("all rows", len(rows) - 1, len({t for series in answer for t in series["time"]}))
    whole = {"expressions": [{"expression": "{p-1/flow}"}], "from": T0, "to": T0 + 3_600_000}
    got = s.raw("POST", "/api/v1/history/calculate/export", json.dumps(whole), headers={"Content-Type": "application/json"})[2].decode()
    check("samples as they are", got.count("\r\n") - 1, len(flow))
    refused(lambda: s.post("/api/v1/history/calculate/export", {"expressions": [{"expression": "{p-1/power} + {p-1/flow}"}]}), 400, "bad_expression")
    (told,) = [a for a in s.get("/api/v1/audit?limit=20")["items"] if a["act"] == "history.exported"][:1]
    check("audited", ("calculated" in told["object"], told["result"]), (True, "ok"))


def others(s):
    s.post("/api/v1/tenants", {"path": "park", "name": "park"})
    root = s.token
    s.post("/api/v1/people?tenant=park", {"name": "eve", "password": "Songhua-quality-1898", "roles": ["administrator"]})
    s.post("/api/v1/assets", {"id": "here", "kind": "site", "name": "here"})
    part = s.post("/api/v1/tokens", {"name": "part", "roles": ["operator"], "asset": "here"})["token"]
    eve = s.post("/api/v1/sessions", {"user": "eve@park", "password": "Songhua-quality-1898"})["token"]
    for token in (eve, part):
        s.token = token
        refused(lambda: calculate(s, "{p-1/flow} * 2"), 404, "unknown_point")
        check("not seen", s.post("/api/v1/expressions", {"expression": "{p-1/flow}"})["valid"], False)
    s.token = root


def main():
    with Songhua({}) as s:
        flow, power, run = make(s)
        by_step(s, flow, power)
        by_row(s, flow, power, run)
        wrong(s)
        exported(s, flow)
        others(s)
    print("calculated series: steps, rows, units, faults")


main()
