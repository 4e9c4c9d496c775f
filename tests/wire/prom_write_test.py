"""Prometheus remote write from outside, with messages made here: names, conflicts, repeats, stale markers, what is refused and how it
is told; and the query API over points of all kinds. The real Prometheus is in prometheus_test.py.
SPDX-License-Identifier: Apache-2.0
"""
import json
import struct
import sys
import time
import urllib.parse

from songhua import Songhua

T = int(time.time()) * 1000 - 60_000  # milliseconds
STALE = 0x7FF0000000000002


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def series(labels, samples, more=b""):
    """samples: (value, or the bits of one; milliseconds)."""
    out = b"".join(message(1, message(1, k.encode()) + message(2, v.encode())) for k, v in labels.items())
    for value, ms in samples:
        bits = value if isinstance(value, int) and value > 2**52 else struct.unpack("<Q", struct.pack("<d", value))[0]
        out += message(2, b"\x09" + struct.pack("<Q", bits) + b"\x10" + varint(ms & (2**64 - 1)))
    return message(1, out + more)


def snappy(data):
    """Literals only."""
    out = varint(len(data))
    for at in range(0, len(data), 256):
        part = data[at : at + 256]
        out += b"\xf0" + bytes([len(part) - 1]) + part
    return out


HEAD = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}


def write(s, *all_series, **head):
    return s.raw("POST", "/api/v1/prom/write", snappy(b"".join(all_series)), {**HEAD, **{k.replace("_", "-"): v for k, v in head.items()}})


def codes(answer):
    import json

    check("status", answer[0], 400)
    return [(e["series"], e["code"]) for e in json.loads(answer[2])["errors"]]


def stored(s, point):
    got = s.query([point], 0, 4_000_000_000_000)[point]
    return list(zip(got["time"], got["value"], got["quality"]))


def names(s):
    up = {"__name__": "up", "instance": "h:9100", "job": "node"}
    check("204", write(s, series(up, [(1, T), (0, T + 1000)]))[0], 204)
    check("kept", stored(s, "node.h:9100/up"), [(T * 1000, 1, 192), ((T + 1000) * 1000, 0, 192)])
    check("labels", s.get("/api/v1/devices/node.h:9100")["labels"], {"instance": "h:9100", "job": "node"})
    q = {"__name__": "q", "instance": "http://x/y", "job": "a.b", "code": "200", "path": "/a"}
    check("204", write(s, series(q, [(1.5, T)]))[0], 204)
    check("other labels", stored(s, 'a%2Eb.http://x/y/q{code="200",path="%2Fa"}'), [(T * 1000, 1.5, 192)])
    check("without a target", write(s, series({"__name__": "r:sum"}, [(2, T)]))[0], 204)
    check("its device", stored(s, "prometheus/r:sum"), [(T * 1000, 2, 192)])
    # repeats and late samples: the history's rules; nothing twice
    check("again", write(s, series(up, [(1, T), (0, T + 1000), (5, T - 5000)]))[0], 204)
    check("once", [v for _, v, _ in stored(s, "node.h:9100/up")], [5, 1, 0])
    # a stale marker is a bad sample
    check("204", write(s, series(up, [(STALE, T + 2000)]))[0], 204)
    check("stale", stored(s, "node.h:9100/up")[-1], ((T + 2000) * 1000, "NaN", 0))


def refusals(s):
    good = series({"__name__": "ok", "job": "j"}, [(1, T)])
    histogram = series({"__name__": "h", "job": "j"}, [], message(4, b"\x08\x01"))
    unnamed = series({"job": "j"}, [(1, T)])
    future = series({"__name__": "f", "job": "j"}, [(1, T + 4 * 86_400_000)])
    wide = series({"__name__": "w", "job": "j", "x": "y" * 300}, [(1, T)])
    check(
        "partial",
        codes(write(s, histogram, unnamed, good, future, wide)),
        [(1, "native_histogram"), (2, "bad_name"), (4, "time_in_future"), (5, "too_big")],
    )
    check("the rest is kept", stored(s, "j./ok"), [(T * 1000, 1, 192)])
    # a device of the same id that was made from other tags
    s.write_lines(f"m,a=x f=1 {T}000000")
    check("conflict", codes(write(s, series({"__name__": "f", "job": "m", "instance": "x"}, [(1, T)]))), [(1, "device_id_conflict")])
    check("2.0", write(s, good, Content_Type="application/x-protobuf;proto=io.prometheus.write.v2.Request")[0], 415)
    check("2.0 by version", write(s, good, X_Prometheus_Remote_Write_Version="2.0.0")[0], 415)
    check("1.0 by name", write(s, good, Content_Type="application/x-protobuf; proto=prometheus.WriteRequest")[0], 204)
    check("not snappy", write(s, good, Content_Encoding="gzip")[0], 415)
    check("damaged", s.raw("POST", "/api/v1/prom/write", b"\x05\x00a", HEAD)[0], 400)
    check("no message", s.raw("POST", "/api/v1/prom/write", snappy(b"\x0a\xff"), HEAD)[0], 400)
    check("a bomb", s.raw("POST", "/api/v1/prom/write", b"\xff\xff\xff\xff\x0f", HEAD)[0], 413)
    metrics = s.raw("GET", "/metrics")[2].decode()
    for line in ("prom_refused_histograms_total 1", "prom_refused_samples_total 1", "prom_refused_series_total 4", "prom_samples_total 10"):
        check(line, "songhua_" + line + "\n" in metrics, True)


def rights(s):
    token = s.make_token(name="reader", permissions=["history.read"])["token"]
    one = series({"__name__": "up", "job": "other"}, [(1, T)])
    check("no right", write(s, one, Authorization="Bearer " + token)[0], 403)
    token = s.make_token(name="writer", permissions=["ingest.write"])["token"]
    check("no new device", codes(write(s, one, Authorization="Bearer " + token)), [(1, "unknown_device")])


def ask(s, path, **arguments):
    status, _, data = s.raw("GET", "/api/v1/prom/api/v1/" + path + "?" + urllib.parse.urlencode(arguments, doseq=True))
    check("status of " + path, status, 200)
    return json.loads(data)["data"]


def foreign(s):
    """Points that came by other ways are series too, told apart by their labels."""
    s.write_lines(f"pump,site=a,point=x flow-rate=1.5,on=t,n=7i,text=\"t\" {T}000000")
    s.put("/api/v1/devices/pump.x.a", {"labels": {"site": "a", "point": "x", "1 b": "c"}})
    s.call("PATCH", "/api/v1/points/pump.x.a/flow-rate", {"tag": "FI-101", "unit": "m3/h"})
    labels = {"device": "pump.x.a", "site": "a", "exported_point": "x", "_1_b": "c"}
    flow = {"__name__": "flow_rate", "point": "pump.x.a/flow-rate", "tag": "FI-101", "unit": "m3/h", **labels}
    got = ask(s, "query", query='{device="pump.x.a"}', time=T / 1000)["result"]
    check("series", sorted((m["metric"]["__name__"], m["value"][1]) for m in got), [("flow_rate", "1.5"), ("n", "7"), ("on", "1")])
    check("labels", [m["metric"] for m in got if m["metric"]["__name__"] == "flow_rate"], [flow])
    check("by tag", ask(s, "query", query='{tag="FI-101"} * 2', time=T / 1000)["result"][0]["value"], [T / 1000, "3"])
    check("series of a match", ask(s, "series", **{"match[]": ['{tag="FI-101"}', "none"]}), [flow])
    check("values", ask(s, "label/tag/values"), ["FI-101"])
    check("none in that time", ask(s, "label/tag/values", end=1), [])
    check("metadata", ask(s, "metadata"), {})
    check("build", ask(s, "status/buildinfo")["version"], "2.42.0")
    # a bad sample ends the series until the next good one
    frame = {"__name__": "q", "job": "j"}
    check("204", write(s, series(frame, [(1, T), (STALE, T + 1000), (3, T + 2000)]))[0], 204)
    values = ask(s, "query_range", query="q{job='j'}", start=T / 1000, end=T / 1000 + 3, step=1)["result"][0]["values"]
    check("gone for one step", values, [[T / 1000, "1"], [T / 1000 + 2, "3"], [T / 1000 + 3, "3"]])


def scopes(s):
    """What the caller may not see is not there."""
    head = {"Authorization": "Bearer " + s.make_token(name="bound", permissions=["history.read"], device="pump.x.a")["token"]}
    answer = json.loads(s.raw("GET", "/api/v1/prom/api/v1/label/device/values", None, head)[2])
    check("bound", answer["data"], ["pump.x.a"])
    answer = json.loads(s.raw("GET", "/api/v1/prom/api/v1/label/job/values", None, head)[2])
    check("bound, others", answer["data"], [])
    head = {"Authorization": "Bearer " + s.make_token(name="none", permissions=["ingest.write"])["token"]}
    check("no right", s.raw("GET", "/api/v1/prom/api/v1/labels", None, head)[0], 403)
    for path in ("query?query=up", "query_range?query=up&start=1&end=2&step=1", "series?match[]=up", "metadata", "status/buildinfo"):
        check(path, s.raw("GET", "/api/v1/prom/api/v1/" + path, None, head)[0], 403)


def faults(s):
    base = "/api/v1/prom/api/v1/"
    for path, status, word in (
        ("query", 400, "query"),
        ("query?query=up%7B", 400, "1:4: parse error"),
        ("query?query=up&time=x", 400, "time"),
        ("query_range?query=up&start=1&end=0&step=1", 400, "end"),
        ("query_range?query=up&start=0&end=1&step=0", 400, "step"),
        ("query_range?query=up&start=0&end=20000&step=1", 400, "11,000"),
        ("query_range?query=up%5B5m%5D&start=0&end=1&step=1", 400, "range query"),
        ("series", 400, "match[]"),
        ("labels?match[]=%7B", 400, "parse error"),
        ("label/a-b/values", 400, "label name"),
        ("query?query=abs(%7Bdevice%3D~%22.%2B%22%7D)", 200, ""),
        ("query?query=up%7Bjob%3D~%22(x%2B)%2By%22%7D", 200, ""),
    ):
        have, _, data = s.raw("GET", base + path)
        answer = json.loads(data)
        check(path, (have, answer["status"]), (status, "success" if status == 200 else "error"))
        check(path + " says", word in answer.get("error", ""), True)
        if status == 400:
            check(path, answer["errorType"], "bad_data")


def main():
    with Songhua() as s:
        names(s)
        refusals(s)
        rights(s)
        foreign(s)
        scopes(s)
        faults(s)
    print("ok")


if __name__ == "__main__":
    main()
