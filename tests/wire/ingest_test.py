"""Ingest over HTTP, from outside: line protocol, JSON, CSV and columnar frames; what is refused and how it is told; who may make
devices; the answer comes when the next query sees it.
SPDX-License-Identifier: Apache-2.0
"""
import gzip
import http.client
import json
import math
import struct
import sys
import threading
import urllib.parse

from songhua import Problem, Songhua, number

T = 1_700_000_000_000_000  # microseconds


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def refused(call, status, code):
    try:
        call()
    except Problem as p:
        check("status", p.status, status)
        check("code", p.body["code"], code)
        return p.body
    return sys.exit(f"{code} was expected, but the call succeeded")


def values(s, point, **more):
    got = s.query([point], 0, 4_000_000_000_000, **more)[point]
    return list(zip(got["time"], got["value"]))


def lines(s):
    # the forms of the contract: device from measurement and tags by key, precision, floor to microseconds
    check("204", s.raw("POST", "/write", f"m1,b=y,a=x f=1.5,i=7i,t=true,s=\"hi\" {T}999")[0], 204)
    check("f", values(s, "m1.x.y/f"), [(T, 1.5)])
    check("i", values(s, "m1.x.y/i"), [(T, 7)])
    check("t", values(s, "m1.x.y/t"), [(T, True)])
    check("s", values(s, "m1.x.y/s"), [(T, "hi")])
    for precision, stamp in (("us", T), ("ms", T // 1000), ("s", T // 1_000_000)):
        s.write_lines(f"p{precision} f=1 {stamp}", precision)
        check(precision, values(s, f"p{precision}/f"), [(T, 1)])
    s.post("/api/v2/write?org=o&bucket=b&precision=ns", f"m2 f=2 {T}000", "text/plain")
    check("v2", values(s, "m2/f"), [(T, 2)])
    s.write_lines(gzip.compress(f"m3 f=3 {T}000".encode()), headers={"Content-Encoding": "gzip"})
    check("gzip", values(s, "m3/f"), [(T, 3)])
    status, _, _ = s.raw("POST", "/write", f"m4 f=4 {T}000", {"Authorization": "Token " + s.token})
    check("Token", status, 204)
    # partial write: the other lines are kept, each refused one is named
    body = refused(lambda: s.write_lines(f"m5 f=1 {T}000\nm5 f=\"x\" {T}000\nm5 f=\nm5 f=2i {T + 1}000\n"), 400, "partial_write")
    check("lines", [(e["line"], e["code"]) for e in body["errors"]], [(2, "field_type_conflict"), (3, "syntax_error")])
    check("words", "partial write" in json.dumps(body), True)
    check("kept", values(s, "m5/f"), [(T, 1), (T + 1, 2)])
    # another tag set that makes the same id
    s.write_lines(f"m6,a=1,b=2 f=1 {T}000")
    body = refused(lambda: s.write_lines(f"m6,a=1,c=2 f=1 {T}000"), 400, "partial_write")
    check("conflict", body["errors"][0]["code"], "device_id_conflict")
    # a day and more ahead
    body = refused(lambda: s.write_lines("m7 f=1 4000000000000000000"), 400, "partial_write")
    check("future", body["errors"][0]["code"], "time_in_future")


def cells(s):
    """Values that are hard to carry come back to the bit."""
    hard = ["0.1", "-0.0", "5e-324", "1.7976931348623157e+308", "2.2250738585072014e-308", "123456789.12345679", "9007199254740993"]
    s.write_lines("".join(f"hard f={v} {T + i}000\n" for i, v in enumerate(hard)))
    got = [struct.pack("<d", number(v)) for _, v in values(s, "hard/f")]
    check("doubles", got, [struct.pack("<d", float(v)) for v in hard])
    s.write_lines(f"hard i=9223372036854775807i {T}000\nhard i=-9223372036854775808i {T + 1}000")
    check("integers", [v for _, v in values(s, "hard/i")], [2**63 - 1, -(2**63)])
    s.post("/api/v1/ingest?device=hard", {"n": "NaN", "p": "Infinity"})
    check("NaN", values(s, "hard/n")[0][1], "NaN")
    check("NaN as a float", math.isnan(number("NaN")), True)
    check("Infinity", values(s, "hard/p")[0][1], "Infinity")


def js(s):
    ms = T // 1000
    check("accepted", s.post("/api/v1/ingest?device=j1", {"ts": ms, "values": {"a": 1.5, "b": True, "c": "x"}})["accepted"], 3)
    check("a", values(s, "j1/a"), [(T, 1.5)])
    s.post("/api/v1/ingest?device=j1", [{"ts": ms + 1, "values": {"a": 2}}, {"ts": ms + 2, "values": {"a": 3}}])
    check("array", [v for _, v in values(s, "j1/a")], [1.5, 2, 3])
    s.post("/api/v1/ingest", {"j2": [{"ts": ms, "values": {"a": 1}}], "j3": {"a": 2}})
    check("gateway", values(s, "j2/a"), [(T, 1)])
    body = refused(lambda: s.post("/api/v1/ingest?device=j1", {"a": 4, "b": 5.5, "d": {"e": 1}}), 400, "partial_write")
    check("codes", [e["code"] for e in body["errors"]], ["field_type_conflict", "nested_value"])
    check("the rest is kept", len(values(s, "j1/a")), 4)
    body = refused(lambda: s.post("/api/v1/ingest?device=j1", b'{"z":1,', "application/json"), 400, "partial_write")
    check("not JSON", body["errors"][0]["code"], "syntax_error")
    check("latest", s.get("/api/v1/devices/j1/latest")["points"]["c"]["value"], "x")


def table(s):
    text = "when;a;b\n2023-11-15 06:13:20;1.5;x\n2023-11-15 06:13:21;2;y\nbad;3;z\n"
    path = "/api/v1/ingest?device=c1&time_column=when&tz=Asia/Shanghai&delimiter=%3B"
    body = refused(lambda: s.post(path, text, "text/csv"), 400, "partial_write")
    check("rows", [e["code"] for e in body["errors"]], ["bad_time"])
    check("b", values(s, "c1/b"), [(T, "x"), (T + 1_000_000, "y")])
    gbk = "time,温度\n1700000000000,21.5\n".encode("gbk")
    s.post("/api/v1/ingest?device=c2&encoding=gbk", gbk, "text/csv")
    check("GBK", values(s, "c2/温度"), [(T, 21.5)])


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def columns(s):
    device, prop = b"b1", b"f"
    rows = [(T + i, i / 4) for i in range(100)]
    head = struct.pack("<HHB3xI", len(device), len(prop), 3, len(rows)) + device + prop
    data = b"".join(struct.pack("<q", t) for t, _ in rows) + b"".join(struct.pack("<d", v) for _, v in rows)
    size = 24 + len(head) + len(data) + 4
    frame = b"SHCB" + struct.pack("<BBHIIII", 1, 0, 0, 1, len(rows), 0, size) + head + data
    frame += struct.pack("<I", crc32c(frame))
    kind = "application/vnd.songhua.columns"
    check("accepted", s.post("/api/v1/ingest", frame, kind)["accepted"], 100)
    check("rows", values(s, "b1/f"), rows)
    body = refused(lambda: s.post("/api/v1/ingest", frame[:-1] + b"\0", kind), 400, "partial_write")
    check("checksum", body["errors"][0]["code"], "syntax_error")


def crowd(s):
    """More connections than there are decoders, kept and new ones, each with own series and one that all have."""
    conns, rounds = 40, 4
    head = {"Authorization": "Bearer " + s.token, "Content-Type": "text/plain"}
    failed = []

    def agent(i):
        kept = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
        for k in range(rounds):
            for c in (kept, http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)):
                t = T + (k * conns + i) * 2 + (c is kept)
                c.request("POST", "/write", f"own,n={i} f={k} {t}000\nall f={i} {t}000\nown,n={i} g={k} {t}000\n", head)
                answer = c.getresponse()
                answer.read()
                if answer.status != 204:
                    failed.append(answer.status)
                if c is not kept:
                    c.close()
        kept.close()

    threads = [threading.Thread(target=agent, args=(i,)) for i in range(conns)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("refused", failed, [])
    check("of all", sorted(v for _, v in values(s, "all/f")), sorted([i for i in range(conns)] * rounds * 2))
    for i in range(conns):
        for f in ("f", "g"):
            check(f"own.{i}/{f}", [v for _, v in values(s, f"own.{i}/{f}")], [k for k in range(rounds) for _ in range(2)])


def rights(s):
    no_token = s.raw("POST", "/write", "m f=1", {"Authorization": "Bearer nonsense"})[0]
    check("no such token", no_token, 401)
    plain = s.make_token(name="plain", permissions=["ingest.write", "ingest.gateway"])["token"]
    head = {"Authorization": "Bearer " + plain}
    body = refused(lambda: s.write_lines(f"unknown f=1 {T}000", headers=head), 400, "partial_write")
    check("unknown", body["errors"][0]["code"], "unknown_device")
    check("known", s.write_lines(f"m2 f=9 {T + 5}000", headers=head), None)
    may = s.make_token(name="may", permissions=["ingest.write", "ingest.gateway", "ingest.provision"])["token"]
    check("provision", s.write_lines(f"unknown f=1 {T}000", headers={"Authorization": "Bearer " + may}), None)
    refused(lambda: s.query(["nowhere/f"], 0, 1), 404, "unknown_point")


def search(s):
    """Points are found by device, property, tag, and by the name as it is shown."""
    s.write_lines(f"find-1 flow=1,flux=2 {T}000\nfind-2 flow=3 {T}000\nseek-1 flow=3 {T}000")
    for q, want in (("find-1/flow", ["find-1/flow"]), ("FIND-1/FL", ["find-1/flow", "find-1/flux"]), ("-1/flow", ["find-1/flow", "seek-1/flow"]),
                    ("find-1/", ["find-1/flow", "find-1/flux"]), ("seek", ["seek-1/flow"]), ("flow/find", [])):
        check(f"points for {q}", [p["name"] for p in s.get("/api/v1/points?q=" + urllib.parse.quote(q))["items"]], want)


def main():
    with Songhua() as s:
        for part in (lines, cells, js, table, columns, crowd, rights, search):
            part(s)
            print(part.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
