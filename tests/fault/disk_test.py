"""The marks of the disk on a real small file system (a tmpfs in a mount namespace of its own; needs root, else skipped): 80 %, 90 %,
97 %, what is refused and what goes on, kill -9 at the last mark, room again, and the policy that removes the oldest history.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "wire"))
from raw_mqtt import RawMqtt
from songhua import Problem, Songhua, number, skip

MIB = 1 << 20
SIZE = 96 * MIB
DAY_US = 86_400_000_000
T = 1_700_000_000_000_000


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def until(what, test, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not after {timeout_s} s")
        time.sleep(0.05)


class Raw(RawMqtt):
    def __init__(self, s, token, version, client_id, clean=True, expiry=0):
        super().__init__(s.mqtt, token, version, client_id, clean, expiry)

    def nothing(self, wait_s=1.5):
        try:
            got = self.packet(wait_s)
        except TimeoutError:
            return
        sys.exit(f"an answer where none may be: {got!r}")


class Disk:
    """Fills the file system to a share with a file of its own."""

    def __init__(self, root):
        self.root, self.file = root, os.path.join(root, "ballast")

    def share(self):
        v = os.statvfs(self.root)
        return 100 * (1 - v.f_bavail / v.f_blocks)

    def fill(self, percent):
        v = os.statvfs(self.root)
        want = int(v.f_blocks * percent / 100) - (v.f_blocks - v.f_bavail)
        size = os.path.getsize(self.file) if os.path.exists(self.file) else 0
        size = max(0, size + want * v.f_frsize)
        with open(self.file, "ab") as f:
            f.truncate(min(size, os.path.getsize(self.file)))
        with open(self.file, "r+b") as f:
            os.posix_fallocate(f.fileno(), 0, max(size, 1))

    def empty(self):
        if os.path.exists(self.file):
            os.unlink(self.file)


def problems(s):
    return {p["code"]: p for p in s.get("/api/v1/overview")["problems"]}


def metric(s, name):
    text = s.raw("GET", "/metrics")[2].decode()
    return [float(x.split()[1]) for x in text.splitlines() if x.startswith(f"songhua_{name} ")][0]


def refused(s, path, body, content_type):
    for language, word in (("zh-CN", "磁盘"), ("en", "disk")):
        status, head, data = s.raw("POST", path, body.encode(), {"Content-Type": content_type, "Accept-Language": language})
        p = json.loads(data)
        check(f"{path} is refused", (status, p["code"]), (507, "disk_full"))
        check("with words", word in p["detail"] and word in p["remedy"] and head["Retry-After"] == "60", True)


def marks(s, disk, acked):
    token = s.make_token(name="load", roles=["engineer"])["token"]
    away = Raw(s, token, 5, "away", clean=False, expiry=1000)
    check("SUBACK", away.subscribe("q/#", 1), 1)
    away.close()
    v3, v5 = Raw(s, token, 4, "v3"), Raw(s, token, 5, "v5")

    def take(i):
        s.write_lines(f"d f={i} {T + i}000")
        acked["d/f"][T + i] = i
        v3.publish("sh/v1/m3/telemetry", json.dumps({"ts": T // 1000 + i, "values": {"f": i}}), i + 1)
        check("3.1.1", v3.ack(i + 1), 0)
        acked["m3/f"][T + i * 1000] = i
        v5.publish("sh/v1/m5/telemetry", json.dumps({"ts": T // 1000 + i, "values": {"f": i}}), i + 1)
        check("5.0", v5.ack(i + 1), 0)
        acked["m5/f"][T + i * 1000] = i

    take(0)
    check("nothing is wrong", [c for c in problems(s) if c.startswith("disk")], [])
    for percent, code, level in ((82, "disk_warn", 1), (92, "disk_act", 2)):
        disk.fill(percent)
        until(code, lambda: code in problems(s))
        take(level)
        check("level", metric(s, "disk_level"), level)
        overview = s.get("/api/v1/overview")
        check("percent", abs(problems(s)[code]["percent"] - percent) < 4, True)
        check("in words", overview["storage"]["disk_level"], code[5:])
    # growth gives a date: a little more each moment
    def grown():
        with open(disk.file, "ab") as f:
            f.write(b"x" * 8192)
        return problems(s)["disk_act"]["date"]

    date = until("the date", grown, 30)
    year = int(date[:4])
    check("a date that is near", year - time.gmtime().tm_year in (0, 1), True)
    disk.fill(98)
    until("disk_stop", lambda: "disk_stop" in problems(s))
    print(f"  marks seen; at 92 % the date was {date}", flush=True)
    return token, v3, v5, take


def stopped(s, token, v3, v5):
    """At the last mark."""
    refused(s, "/write?precision=ns", f"d f=1 {T}000", "text/plain")
    refused(s, "/api/v1/ingest?device=new", '{"a":1}', "application/json")
    refused(s, "/api/v1/ingest?device=new", "time,a\n1,2\n", "text/csv")
    v5.publish("sh/v1/m5/telemetry", '{"f":99}', 90)
    check("5.0: quota exceeded", v5.ack(90), 0x97)
    v3.publish("sh/v1/m3/telemetry", json.dumps({"ts": T // 1000 + 90, "values": {"f": 90}}), 90)
    v3.nothing()
    other = Raw(s, token, 4, "other")
    other.publish("plain", "nothing to store", 1)
    check("messaging goes on", other.ack(1), 0)
    other.publish("q/1", "for who is away", 2)
    other.nothing()
    other.close()
    other = Raw(s, token, 5, "other")
    other.publish("kept", "x", 3, retain=True)
    other.nothing()
    other.close()
    check("no device was made", s.raw("GET", "/api/v1/devices/new")[0], 404)
    # what the reserve is for
    s.sign_in()
    s.make_token(name="made at the mark", roles=["engineer"])
    check("the audit goes on", any(e["act"].startswith("token") for e in s.get("/api/v1/audit?limit=20")["items"]), True)
    s.call("DELETE", "/api/v1/history", {"points": ["d/f"], "from": T // 1000, "to": T // 1000 + 1, "reason": "test"})
    check("the console", s.raw("GET", "/")[0], 200)
    check("healthz and readyz", (s.raw("GET", "/healthz")[0], s.raw("GET", "/readyz")[0]), (200, 503))
    check("counted", metric(s, "batches_refused_full_total") >= 6 and metric(s, "disk_level") == 3, True)


def verify(s, acked, when):
    got = s.query(list(acked), 0, 4_000_000_000_000)
    for point, want in acked.items():
        have = dict(zip(got[point]["time"], map(number, got[point]["value"])))
        lost = [t for t, v in want.items() if have.get(t) != v]
        check(f"{when}: {point}: lost", lost, [])


def start_stopped(s):
    """At the last mark readyz says 503, so the usual start would wait for ever."""
    ready, s.raw = s.raw, lambda m, p, *a: ready(m, "/healthz" if p == "/readyz" else p, *a)
    try:
        s.start()
    finally:
        s.raw = ready


def policy_keep(root):
    disk = Disk(root)
    acked = {p: {} for p in ("d/f", "m3/f", "m5/f")}
    with Songhua({"journal.segment": "1MiB"}, data=os.path.join(root, "data")) as s:
        token, v3, v5, take = marks(s, disk, acked)
        stopped(s, token, v3, v5)
        for t in [t for t in acked["d/f"] if t < T + 1000]:
            acked["d/f"].pop(t)  # deleted above
        verify(s, acked, "at the mark")
        s.stop(kill=True)
        start_stopped(s)
        until("the mark holds after a restart", lambda: "disk_stop" in problems(s))
        verify(s, acked, "after kill -9 at the mark")
        refused(s, "/write?precision=ns", f"d f=1 {T}000", "text/plain")
        v3, v5 = Raw(s, token, 4, "v3"), Raw(s, token, 5, "v5")
        v3.publish("sh/v1/m3/telemetry", json.dumps({"ts": T // 1000 + 91, "values": {"f": 91}}), 91)
        v3.nothing(0.5)
        disk.empty()
        check("what waited is taken when there is room", v3.ack(91), 0)
        acked["m3/f"][T + 91000] = 91
        until("all is well", lambda: not [c for c in problems(s) if c.startswith("disk")])
        check("readyz", s.raw("GET", "/readyz")[0], 200)
        s.write_lines(f"d f=77 {T + 7777}000")
        acked["d/f"][T + 7777] = 77
        v5.publish("sh/v1/m5/telemetry", json.dumps({"ts": T // 1000 + 92, "values": {"f": 92}}), 92)
        check("5.0 again", v5.ack(92), 0)
        acked["m5/f"][T + 92000] = 92
        verify(s, acked, "with room again")
        check("SIGTERM", s.stop(), 0)
        said = [x for x in s.log_text().splitlines() if " disk: " in x]
        check("the log says each mark", [w for w in ("disk.warn", "disk.act", "disk.stop", "below") if not any(w in x for x in said)], [])
    print("keep ok", flush=True)


def policy_oldest(root):
    disk = Disk(root)
    days, per_day, keep = 40, 18000, 10
    now = time.time_ns() // 1000
    midnight = now // DAY_US * DAY_US
    rng = random.Random(7)
    settings = {"journal.segment": "1MiB", "disk.policy": "oldest", "disk.min_days": keep}
    with Songhua(settings, data=os.path.join(root, "data2")) as s:
        for d in range(days, 0, -1):
            at = midnight - d * DAY_US
            lines = "\n".join(f"w f={rng.random()!r} {(at + i * 1000)}000" for i in range(per_day))
            s.write_lines(lines)
        check("SIGTERM", s.stop(), 0)  # heads to segments
        s.start()

        def left():
            q = s.query(["w/f"], 0, 4_000_000_000_000, aggregate=["count"], step="1d")
            return {t: n for t, n in zip(q["w/f"]["time"], q["w/f"]["count"])}

        check("all days are there", len(left()), days)
        until("split and merged", lambda: metric(s, "history_segments") >= days, 30)
        disk.fill(91)
        until("below the mark again", lambda: metric(s, "disk_level") == 1, 60)
        time.sleep(2)
        have, dropped = left(), int(metric(s, "history_dropped_partitions_total"))
        check("some days went, the oldest", sorted(have), [midnight - d * DAY_US for d in range(days - dropped, 0, -1)])
        check("whole days", set(have.values()), {per_day})
        check("not more than needed", 2 <= dropped < days - keep, True)
        check("counted", metric(s, "history_dropped_samples_total"), dropped * per_day)
        audit = [e for e in s.get("/api/v1/audit?limit=100")["items"] if e["act"] == "history.dropped"]
        check("each one is in the audit", len(audit), dropped)
        check("and in the log", sum("disk.policy=oldest: " in x for x in s.log_text().splitlines()), dropped)
        try:
            s.write_lines(f"w f=1 {midnight - days * DAY_US}000")
            sys.exit("a sample of what was removed was taken")
        except Problem as e:
            check("refused with the reason", e.body["errors"][0]["code"], "time_too_old")
        # nothing younger than disk.min_days goes, however full it is
        disk.fill(96)
        until("the least is kept", lambda: "nothing more is removed" in s.log_text(), 90)
        have = left()
        check("days kept", sorted(have)[0] >= midnight - (keep + 1) * DAY_US and len(have) in (keep, keep + 1), True)
        check("it still takes", s.write_lines(f"w f=1 {now}000"), None)
        print(f"  {dropped} days to come below the mark, {len(have)} kept at 96 %", flush=True)
    print("oldest ok", flush=True)


def inside(root):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", root], capture_output=True, text=True)
    if mounted.returncode != 0:
        skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    policy_keep(root)
    Disk(root).empty()
    subprocess.run(["rm", "-rf", os.path.join(root, "data")], check=True)
    policy_oldest(root)


def main():
    if len(sys.argv) > 1:
        inside(sys.argv[1])
        return
    root = tempfile.mkdtemp(prefix="songhua-disk-")
    try:
        if subprocess.run(["unshare", "-m", "--propagation", "private", "true"], capture_output=True).returncode != 0:
            skip("a mount namespace is not allowed here (root is needed)")
        code = subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable, "-B", os.path.abspath(__file__), root]).returncode
    finally:
        os.rmdir(root)
    sys.exit(code)


if __name__ == "__main__":
    main()
