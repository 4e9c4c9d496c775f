"""Backups of a running server under load and of a stopped one; each is restored and holds, bit for bit, everything that was
acknowledged before it began. kill -9 in the middle of one leaves nothing that looks like a backup. Keys, damage, the clock, tidying up.
SPDX-License-Identifier: Apache-2.0
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))
from columns_test import F64, KIND, frame
from crash_test import Load, T, check, mqtt
from songhua import PASSWORD, Problem, Songhua, binary, until

WAIT_S = 120


class Live(Load):
    """As Load, but what MQTT acknowledged is known at once."""

    def by_mqtt(self, name):
        c = mqtt.Client(client_id=name)
        c.username_pw_set(self.token, "")
        c.max_inflight_messages_set(100)
        sent, early = {}, set()

        def acked(_c, _u, mid):
            with self.lock:
                row = sent.pop(mid, None)
                if row is None:
                    early.add(mid)
                else:
                    self.samples.setdefault(f"{name}/f", {})[row[0]] = row[1]

        c.on_publish = acked
        c.connect("127.0.0.1", self.s.mqtt)
        c.publish(f"kept/{name}", "retained words", 1, retain=True)
        c.loop_start()
        while not self.stop.is_set():
            t = self.next()
            at = (T + t * 1000) // 1000
            info = c.publish(f"sh/v1/{name}/telemetry", f'{{"ts":{at},"values":{{"f":{t}.25}}}}', 1)
            with self.lock:
                if info.mid in early:
                    early.discard(info.mid)
                    self.samples.setdefault(f"{name}/f", {})[at * 1000] = t + 0.25
                else:
                    sent[info.mid] = (at * 1000, t + 0.25)
                waiting = len(sent)
            if waiting > 100:
                time.sleep(0.005)
        c.loop_stop()
        c._sock_close()

    def begin(self, turn):
        self.stop.clear()
        kinds = [threading.Thread(target=self.guarded, args=(fn, f"{turn} {fn.__name__}")) for fn in (self.lines, self.new_points, self.record)]
        if mqtt is not None:
            kinds.append(threading.Thread(target=self.by_mqtt, args=(f"m{turn}",)))
        self.threads = kinds
        for t in kinds:
            t.start()

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(60)
        if self.failed:
            sys.exit(self.failed)

    def copy(self):
        """What was acknowledged up to now, as something that verify() can be asked of another server."""
        with self.lock:
            c = Live(self.s, self.token)
            c.samples = {p: dict(v) for p, v in self.samples.items()}
            c.records, c.devices = dict(self.records), set(self.devices)
            return c


def finished(s, before):
    a = s.get("/api/v1/backups")
    if a["last_failure"]:
        sys.exit(f"a backup failed: {a['last_failure']}")
    new = [i for i in a["items"] if i["id"] not in before]
    return new[0] if new and a["running"] is None else None


def ids(s):
    return {i["id"] for i in s.get("/api/v1/backups")["items"]}


def make(s):
    before = ids(s)
    s.post("/api/v1/backups")
    return until("a backup", lambda: finished(s, before))


def command(*words, ok=True, file=None):
    p = subprocess.run([binary(), *words], capture_output=True, text=True, timeout=WAIT_S, check=False, stdin=file)
    if (p.returncode == 0) != ok:
        sys.exit(f"{words}: ended with {p.returncode}\n{p.stdout}{p.stderr}")
    return p.stdout + p.stderr


def restored(folder, name, *more):
    """A server of a restored backup; its folder is removed with it."""
    data = tempfile.mkdtemp(prefix="songhua-restored-")
    try:
        command("restore", "--from", os.path.join(folder, name), "--data", data, *more)
        s = Songhua(data=data)
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    s.own_folder = True
    return s


def under_load(folder):
    with Songhua({"backup.dir": folder, "journal.segment": "2MiB", "history.head": "1MiB"}) as s:
        s.post("/api/v1/types", {"name": "order", "schema": {"type": "object"}})
        token = s.make_token(name="load", roles=["administrator"])["token"]
        blob = os.urandom(300_000)
        digest = s.post("/api/v1/blobs", blob, "application/octet-stream")["hash"]
        load, taken = Live(s, token), []
        load.begin(0)
        for _ in range(3):
            time.sleep(1)
            known = load.copy()
            known_at = time.monotonic()
            item = make(s)
            taken.append((item, known, time.monotonic() - known_at))
        check("rehearsed", [i["rehearsal"]["good"] for i, _, _ in taken], [True] * 3)
        # the fourth is cut by kill -9
        s.post("/api/v1/backups")
        until("it runs", lambda: os.path.isdir(folder) and len(glob.glob(folder + "/songhua-*")) == 4)
        s.stop(kill=True)
        load.end()
        s.start()
        check("what was cut is no backup", ids(s), {i["id"] for i, _, _ in taken} | whole(folder))
        load.verify("after kill -9", True)
        known = load.copy()
        item = make(s)
        taken.append((item, known, 0))
        check("all that lies there is whole", {os.path.basename(p) for p in glob.glob(folder + "/songhua-*")}, whole(folder))
        check("rehearsals leave nothing", glob.glob(folder + "/rehearsal*"), [])
        with open(os.path.join(folder, item["id"], "manifest.json"), encoding="utf-8") as f:
            check("links", item["copied"] < item["bytes"] and json.load(f)["copied"] == item["copied"], True)
        print(f"  {len(taken)} backups under load; the last: {item['bytes']} bytes, {item['copied']} new, {item['rehearsal']['compared']} values compared")
    for item, known, _ in taken:
        with restored(folder, item["id"]) as r:
            known.s = r
            known.verify(item["id"], True)
            check("the blob", r.raw("GET", f"/api/v1/blobs/{digest}")[2], blob)
            check("retained", retained(r, "kept/#"), {"kept/m0": b"retained words"} if mqtt else {})
            r.write_lines(f"later f=1 {T}000")  # it goes on
            check("a new point", r.query(["later/f"], 0, 4_000_000_000_000)["later/f"]["value"], [1])
            check("a second restore over it", "not empty" in command("restore", "--from", os.path.join(folder, item["id"]), "--data", r.data, ok=False), True)
        print(f"  {item['id']}: {sum(len(v) for v in known.samples.values())} samples, {len(known.records)} records, {len(known.devices)} devices acknowledged before, all there")
    return taken[-1]


def checked(folder, item):
    """songhua check --history: a whole folder, one with a changed byte, one in use."""
    data = os.path.join(folder, "to-check")
    command("restore", "--from", os.path.join(folder, item["id"]), "--data", data)
    said = command("check", "--history", "--data", data)
    check("whole", "no problem was found" in said, True)
    with Songhua(data=data) as s:
        check("in use", "stop it first" in command("check", "--history", "--data", s.data, ok=False), True)
        s.stop()
    path = max(glob.glob(os.path.join(data, "history", "*.shs")), key=os.path.getsize)
    with open(path, "r+b") as f:
        f.seek(100)
        was = f.read(1)
        f.seek(100)
        f.write(bytes([was[0] ^ 1]))
    said = json.loads(command("check", "--history", "--json", "--data", data, ok=False))
    check("named", [(p["file"], p["offset"] > 0 and p["point"] > 0 and p["remedy"] != "") for p in said["problems"]], [(path, True)])
    print(f"  check --history: {said['read']['samples']} samples in {said['read']['blocks']} blocks, a changed byte is found")


def whole(folder):
    return {os.path.basename(os.path.dirname(p)) for p in glob.glob(folder + "/songhua-*/manifest.json")}


def retained(s, topic):
    if mqtt is None:
        return {}
    got, done = {}, threading.Event()
    c = mqtt.Client(client_id="reader")
    c.username_pw_set("admin", PASSWORD)
    c.on_message = lambda _c, _u, m: (got.update({m.topic: m.payload}), done.set())
    c.connect("127.0.0.1", s.mqtt)
    c.subscribe(topic, 1)
    c.loop_start()
    done.wait(10)
    c.loop_stop()
    c.disconnect()
    return got


def damaged(folder, item):
    path = max(glob.glob(os.path.join(folder, item["id"], "data", "history", "*.shs")), key=os.path.getsize)
    copy = os.path.join(folder, "copy")
    shutil.copytree(os.path.join(folder, item["id"]), copy)
    bad = os.path.join(copy, os.path.relpath(path, os.path.join(folder, item["id"])))
    with open(bad, "r+b") as f:
        f.seek(os.path.getsize(bad) // 2)
        was = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([was[0] ^ 1]))
    data = os.path.join(folder, "never")
    said = command("restore", "--from", copy, "--data", data, ok=False)
    check("it names the file", os.path.basename(bad) in said and "nothing was written" in said, True)
    check("nothing was restored", os.path.exists(data), False)
    os.unlink(bad)
    check("a missing file", "missing" in command("restore", "--from", copy, "--data", data, ok=False), True)
    shutil.rmtree(copy)


def stopped(folder):
    """Off-line, with keys: the right passphrase, a wrong one, none."""
    words = os.path.join(folder, "words")
    wrong = os.path.join(folder, "wrong")
    for path, text in ((words, "松花江上 correct horse\n"), (wrong, "another\n")):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    to = os.path.join(folder, "offline")
    with Songhua() as s:
        s.write_lines("\n".join(f"k f={i}.5 {T + i}000" for i in range(1000)))
        s.post("/api/v1/ingest", frame(("k", "g", F64, [(T + i, i / 4) for i in range(2000)])), KIND)  # in the journal as blocks
        token = s.make_token(name="kept", roles=["administrator"])["token"]
        check("while it runs", "stop it first" in command("backup", "--data", s.data, "--to", to, ok=False), True)
        try:
            s.post("/api/v1/backups")
            sys.exit("a backup without backup.dir")
        except Problem as p:
            check("no folder", (p.status, p.body["code"], "backup.dir" in p.body["remedy"]), (409, "state", True))
        s.stop(kill=True)  # the journal holds all
        said = command("backup", "--data", s.data, "--to", to, "--passphrase-file", words)
        check("it says so", "with keys" in said, True)
        check("inside", "lies in the data folder" in command("backup", "--data", s.data, "--to", s.data + "/b", ok=False), True)
    (name,) = whole(to)
    at = os.path.join(to, name)
    never = os.path.join(folder, "never")
    for more, want in (([], "passphrase"), (["--passphrase-file", wrong], "does not open the keys")):
        check("keys", want in command("restore", "--from", at, "--data", never, *more, ok=False), True)
    check("nothing was restored", os.path.exists(never), False)
    for more, status in ((["--passphrase-file", words], 200), (["--without-keys"], 401)):
        with restored(to, name, *more) as r:
            check("samples", len(r.query(["k/f"], 0, 4_000_000_000_000)["k/f"]["time"]), 1000)
            check("blocks", r.query(["k/g"], 0, 4_000_000_000_000)["k/g"]["value"], [i / 4 for i in range(2000)])
            check("a token of before", r.raw("GET", "/api/v1/overview", headers={"Authorization": "Bearer " + token})[0], status)
            acts = [e["act"] for e in r.get("/api/v1/audit?limit=100")["items"]]
            check("a new key is audited", "node.key_replaced" in acts, status == 401)
            r.stop()
            check("the audit chain", "entries" in command("check", "--audit", "--data", r.data), True)
    print("  off-line with keys: passphrase, wrong passphrase, none")


def by_clock(folder):
    to = os.path.join(folder, "clock")
    with Songhua({"backup.dir": to, "backup.every": "2s", "backup.keep": "2"}) as s:
        s.write_lines(f"c f=1 {T}000")
        until("three by the clock", lambda: s.log_text().count("was restored on trial") >= 3)
        until("old ones go", lambda: s.get("/api/v1/backups")["running"] is None and len(whole(to)) == 2)
        acts = [e["act"] for e in s.get("/api/v1/audit?limit=200")["items"]]
        check("audited", {"backup.made", "backup.rehearsed", "backup.removed"} <= set(acts), True)
        text = s.raw("GET", "/metrics")[2].decode()
        check("metrics", "songhua_backups_total" in text and "songhua_backup_rehearsals_failed_total 0" in text, True)
        check("due", s.get("/api/v1/backups")["due"] is not None, True)
        tenant = s.post("/api/v1/tenants", {"path": "plant", "name": "plant"})
        check("a tenant", tenant is not None, True)
        s.post("/api/v1/people?tenant=plant", {"name": "eve", "password": PASSWORD, "roles": ["administrator"]})
        eve = s.post("/api/v1/sessions", {"user": "eve@plant", "password": PASSWORD})["token"]
        check("not for tenants", s.raw("GET", "/api/v1/backups", headers={"Authorization": "Bearer " + eve})[0], 403)
    print("  by the clock: made, rehearsed, the oldest removed")


def ended(folder):
    """A slow one is cancelled; removing one; a folder that cannot be used is told in the overview."""
    to = os.path.join(folder, "slow")
    with Songhua({"backup.dir": to, "backup.rate": "100KiB"}) as s:
        s.post("/api/v1/blobs", os.urandom(2_000_000), "application/octet-stream")
        s.post("/api/v1/backups")
        until("it runs", lambda: (s.get("/api/v1/backups")["running"] or {}).get("done_bytes", 0) > 0)
        begin = time.monotonic()
        for _ in range(20):
            s.get("/healthz")
        check("the loop goes on", time.monotonic() - begin < 2, True)
        try:
            s.post("/api/v1/backups")
            sys.exit("two at once")
        except Problem as p:
            check("two at once", p.status, 409)
        s.delete("/api/v1/backups/running")
        until("it ends", lambda: s.get("/api/v1/backups")["running"] is None)
        check("nothing is left", glob.glob(to + "/songhua-*"), [])
        s.post("/api/v1/backups")
        until("it runs", lambda: glob.glob(to + "/songhua-*"))
        check("a clean end in the middle of one", s.stop(), 0)
        check("nothing is left", glob.glob(to + "/songhua-*"), [])
        s.settings.update({"backup.rate": "0", "backup.rehearse": "false"})
        s.start()
        item = make(s)
        check("not rehearsed", item["rehearsal"], None)
        s.delete(f"/api/v1/backups/{item['id']}")
        check("removed", (ids(s), glob.glob(to + "/songhua-*")), (set(), []))
        s.stop()
        s.settings["backup.dir"] = os.path.join(s.data, "inside")
        s.start()
        codes = [p["code"] for p in s.get("/api/v1/overview")["problems"]]
        check("told", "backup_off" in codes, True)


def main():
    folder = tempfile.mkdtemp(prefix="songhua-backups-")
    try:
        item = under_load(os.path.join(folder, "load"))
        damaged(os.path.join(folder, "load"), item[0])
        checked(os.path.join(folder, "load"), item[0])
        stopped(folder)
        by_clock(folder)
        ended(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
