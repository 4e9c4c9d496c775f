"""History as a workbook, read by openpyxl (which we did not write): values, qualities, dates of a zone, units, several sheets, texts that
look like formulas or hold what XML cannot, aggregates, refusal of what is too much, the parts that Excel wants, flat memory.
SPDX-License-Identifier: Apache-2.0
"""
import datetime
import io
import json
import re
import sys
import time
import xml.dom.minidom
import zipfile
import zoneinfo

from columns_test import F64, I64, TEXT, frame, put
from songhua import Songhua, skip

try:
    import openpyxl
except ImportError:
    openpyxl = None

T0 = 1_700_000_000_000_000  # microseconds
MEMORY_KIB = 96 * 1024


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def export(s, query, language="en"):
    status, headers, data = s.raw("GET", f"/api/v1/history/export?format=xlsx&{query}", headers={"Accept-Language": language})
    check("answer", (status, headers["Content-Type"]), (200, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))
    return data


def book(data, **more):
    return openpyxl.load_workbook(io.BytesIO(data), **more)


def plain_zip(data):
    """The parts are whole by their crc, are XML, and name each other as OPC wants."""
    z = zipfile.ZipFile(io.BytesIO(data))
    check("crc of all parts", z.testzip(), None)
    parts = {n: z.read(n) for n in z.namelist()}
    for name, part in parts.items():
        if len(part) > 1 << 20:
            continue
        xml.dom.minidom.parseString(part)
        if not part.startswith(b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'):
            sys.exit(f"{name} does not begin as XML of Excel does")
    types = parts["[Content_Types].xml"].decode()
    named = set(re.findall(r'PartName="/([^"]+)"', types))
    check("each part has a type", {n for n in parts if n.endswith(".xml") and n != "[Content_Types].xml"}, named)
    rels = parts["xl/_rels/workbook.xml.rels"].decode()
    targets = dict(re.findall(r'Id="(rId\d+)"[^>]*Target="([^"]+)"', rels))
    check("targets are there", {f"xl/{t}" for t in targets.values()} <= set(parts), True)
    sheets = re.findall(r'<sheet name="([^"]+)" sheetId="\d+" r:id="(rId\d+)"/>', parts["xl/workbook.xml"].decode())
    check("sheets are related", all(i in targets for _, i in sheets), True)
    return [name for name, _ in sheets]


def values(s):
    nasty = ["=1+1", "+1", "-1", "@x", "a<b>&\"c\"'", "line\nbreak\ttab", "\x01\x1f_x0041_\r", "温度 𝄞", "", " spaces "]
    put(s, frame(("v", "f", F64, [(T0, 1.5, 192), (T0 + 1_000_000, -0.0, 64), (T0 + 2_000_000, float("nan"), 192), (T0 + 3_500_000, 1e300, 0), (T0 + 4_000_000, 0.1, 84)]),
                 ("v", "i", I64, [(T0, 7, 192), (T0 + 1_000_000, 2**53, 192), (T0 + 2_000_000, 2**53 + 1, 192)]), quality=True))
    put(s, frame(("v", "t", TEXT, [(T0 + i * 1_000_000, t) for i, t in enumerate(nasty)])))
    s.post("/api/v1/ingest?device=v", [{"ts": T0 // 1000, "values": {"b": True}}, {"ts": T0 // 1000 + 1000, "values": {"b": False}}])
    s.call("PATCH", "/api/v1/points/v/f", {"unit": "m3/h", "tag": "=TAG()"})
    data = export(s, f"points=v/f,v/i,v/b,v/t&from={T0 // 1000}&to={T0 // 1000 + 60_000}&tz=Asia/Shanghai")
    check("sheets", plain_zip(data), ["Data", "About"])
    wb = book(data)
    rows = list(wb["Data"].iter_rows(values_only=True))
    check("head", rows[0], ("Time (Asia/Shanghai)", "v/f (m3/h)", "v/f quality", "v/i", "v/i quality", "v/b", "v/b quality", "v/t", "v/t quality"))
    zone = zoneinfo.ZoneInfo("Asia/Shanghai")
    first = datetime.datetime.fromtimestamp(T0 / 1e6, zone).replace(tzinfo=None)
    check("dates are dates of the zone", [(r[0] - first).total_seconds() for r in rows[1:6]], [0, 1, 2, 3, 3.5])
    check("numbers are numbers", rows[1][1:6], (1.5, None, 7, None, True))
    check("qualities", [r[2] for r in rows[1:8]], [None, "uncertain", None, None, "bad", "uncertain: engineering range passed", None])
    check("NaN and what a double cannot hold", (rows[3][1], rows[2][3], rows[3][3], rows[2][5]), ("NaN", 2**53, str(2**53 + 1), False))
    check("a big number", rows[5][1], 1e300)
    texts = [r[7] for r in rows[1:] if r[0] is not None]
    cells = [c for c in wb["Data"]["H"][1:] if c.value is not None]
    check("no cell is a formula", {c.data_type for c in cells}, {"s"})
    by_time = {round((r[0] - first).total_seconds(), 3): r[7] for r in rows[1:]}
    for i, t in enumerate(nasty):
        have = by_time[float(i)]
        want = t.replace("\x01", "_x0001_").replace("\x1f", "_x001F_").replace("\r", "_x000D_").replace("_x0041_", "_x005F_x0041_") if i == 6 else t
        check(f"text {i}", openpyxl.utils.escape.unescape(have) if i == 6 and have else (have or ""), t if i == 6 else want)
    check("all texts", len(texts) >= len(nasty), True)
    about = {r[0]: r[1] for r in wb["About"].iter_rows(values_only=True) if r[0] is not None}
    check("about", (about["Time zone of all times"], about["Samples"], about["Rows"], about["By"], about["From"]),
          ("Asia/Shanghai", "as they are", len(rows) - 1, "person:admin", first))
    check("the tag is no formula", [r[5] for r in wb["About"].iter_rows(values_only=True) if r[0] == "v/f"], ["=TAG()"])
    check("and stands as a text", [c.data_type for row in wb["About"].iter_rows() for c in row if c.value == "=TAG()"], ["s"])
    zh = book(export(s, f"points=v/f&from={T0 // 1000}", language="zh"))
    check("in Chinese", (zh.sheetnames, zh["数据"]["A1"].value), (["数据", "说明"], "时间 (UTC)"))


def aggregated(s):
    rows = list(book(export(s, f"points=v/f,v/i&from={T0 // 1000}&to={T0 // 1000 + 5000}&step=2s&aggregate=max&tz=UTC"))["Data"].iter_rows(values_only=True))
    check("head", rows[0], ("Time (UTC)", "v/f max (m3/h)", "v/i max"))
    check("buckets", [r[1:] for r in rows[1:]], [(1.5, 2**53), (None, str(2**53 + 1)), (0.1, None)])
    counts = list(book(export(s, f"points=v/f&from={T0 // 1000}&to={T0 // 1000 + 5000}&aggregate=count"))["Data"].iter_rows(values_only=True))
    check("a count has no unit", (counts[0][1], counts[1][1]), ("v/f count", 3))
    empty = book(export(s, "points=v/f&from=1000&to=2000"))
    check("nothing found", (empty.sheetnames, empty["Data"].max_row), (["Data", "About"], 1))
    old = book(export(s, "points=v/f&from=-2300000000000&to=-2200000000000&aggregate=count&step=1h&fill=null"))["Data"]
    check("before Excel's calendar: as text", old["A2"].value[:11], "1897-02-11T")
    status, _, body = s.raw("GET", f"/api/v1/history/export?format=xlsx&points=v/f&from=0&to={T0 // 1000}&step=1s&aggregate=mean")
    check("too many buckets", (status, b'"limit"' in body), (422, True))
    check("another form", s.raw("GET", "/api/v1/history/export?format=xls&points=v/f")[0], 400)
    check("an unknown point", s.raw("GET", "/api/v1/history/export?format=xlsx&points=v/none")[0], 404)


def devices(s):
    made = {"id": "d-1", "name": '=一号 "泵", A\n线', "labels": {"line": "2"}, "period_ms": 1500}
    s.post("/api/v1/devices", made)
    for status, headers, data in (s.raw("GET", "/api/v1/devices/export?format=xlsx&q=d-1"), s.raw("POST", "/api/v1/devices/export", json.dumps({"ids": ["d-1"], "format": "xlsx"}).encode(), {"Content-Type": "application/json"})):
        check("answer", (status, headers["Content-Disposition"]), (200, 'attachment; filename="devices.xlsx"'))
        plain_zip(data)
        head, row = book(data)["Devices"].iter_rows(values_only=True)
        got = dict(zip(head, row))
        check("cells", (got["id"], got["name"], got["label.line"], got["period_ms"]), ("d-1", made["name"], "2", 1500))


def long_one(s):
    """More rows than a sheet holds."""
    n, at = 1_100_000, T0 + 86_400_000_000
    for i in range(0, n, 100_000):
        lines = "\n".join(f"l f={k / 8} {at // 1000 + k}" for k in range(i, i + 100_000))
        check("write", s.raw("POST", "/write?precision=ms", lines.encode())[0], 204)
    before = s.memory_kib()
    begin = time.monotonic()
    data = export(s, f"points=l/f&from={at // 1000}")
    took = time.monotonic() - begin
    check("sheets", plain_zip(data), ["Data", "Data 2", "About"])
    z = zipfile.ZipFile(io.BytesIO(data))
    parts = [z.read(f"xl/worksheets/sheet{k}.xml") for k in (1, 2)]
    check("rows", [p.count(b"<row r=") for p in parts], [1_048_576, n - 1_048_575 + 1])
    last = re.findall(rb"<v>([^<]+)</v>", parts[1][-1000:])[-1]
    check("the last row", float(last), (n - 1) / 8)
    print(f"{n} rows in {took:.2f} s, {len(data) / 1e6:.1f} MB; memory {before} -> {s.memory_kib()} KiB", flush=True)
    if s.memory_kib() - before > MEMORY_KIB:
        sys.exit("the memory grew with the file")


def main():
    if openpyxl is None:
        skip("openpyxl is not installed (python3-openpyxl)")
    with Songhua() as s:
        for part in (values, aggregated, devices, long_one):
            part(s)
            print(part.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
