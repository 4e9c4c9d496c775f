"""The configuration as a transaction, from outside: what is wrong is said key by key in the caller's language, a change takes effect whole or not
at all, live keys at once and the others at the next start, also over kill -9; every change is kept and can be taken back; the three
administrators each change their own keys; SIGHUP reads the file again, and a bad file changes nothing. And what the node says of itself:
log lines, and how it fares.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from songhua import PASSWORD, Problem, Songhua

WORD = "Songhua-config-1898"
HAN = re.compile(r"[\u4e00-\u9fff]")


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def refused(what, status, code, call, *args, **kw):
    try:
        answer = call(*args, **kw)
    except Problem as p:
        check(what, (p.status, p.body.get("code")), (status, code))
        return p.body
    return sys.exit(f"{what}: was done: {answer!r}")


def key(s, name):
    return next(i for i in s.get("/api/v1/config")["items"] if i["key"] == name)


def patch(s, change, note="", revision=None):
    return s.call("PATCH", "/api/v1/config", {"set": change, "note": note, **({} if revision is None else {"revision": revision})})


def wait_for(what, done, seconds=30):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            sys.exit(f"{what} did not happen in {seconds} s")
        time.sleep(0.05)


def shown(s):
    zh = s.call("GET", "/api/v1/config", headers={"Accept-Language": "zh-CN"})["items"]
    en = s.call("GET", "/api/v1/config", headers={"Accept-Language": "en"})["items"]
    check("the same keys", [i["key"] for i in zh], [i["key"] for i in en])
    for a, b in zip(zh, en):
        if not HAN.search(a["help"]) or HAN.search(b["help"]) or not b["help"]:
            sys.exit(f"{a['key']} is not explained in both languages: {a['help']!r}, {b['help']!r}")
        check(f"{a['key']}: what a form needs", set(a) >= {"type", "live", "file_only", "security", "may", "source", "console", "next", "value", "default"}, True)
    level = key(s, "log.level")
    check("choices", (level["type"], level["choices"], level["value"], level["live"]), ("choice", ["error", "warn", "info", "debug"], "info", True))
    check("set by the command line", (key(s, "http.listen")["source"], key(s, "data")["file_only"]), ("set", True))
    size = key(s, "mqtt.max_packet")
    check("bounds", (size["type"], size["min"], size["max"]), ("size", 1024, 256 << 20))


def faults(s):
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen()
    taken = f"127.0.0.1:{held.getsockname()[1]}"
    cases = [
        ({"mqtt.max_packed": "1MiB"}, "mqtt.max_packed", "unknown", "mqtt.max_packet"),
        ({"mqtt.max_packet": "big"}, "mqtt.max_packet", "value", "64MiB"),
        ({"mqtt.max_packet": "1GiB"}, "mqtt.max_packet", "range", str(256 << 20)),
        ({"guard.clones": "maybe"}, "guard.clones", "value", "quarantine"),
        ({"guard.password_min": 3}, "guard.password_min", "range", "8"),
        ({"backup.rehearse": "yes"}, "backup.rehearse", "value", "true"),
        ({"guard.password_min": [1]}, "guard.password_min", "value", ""),
        ({"security.seccomp": "false"}, "security.seccomp", "file_only", ""),
        ({"data": "/tmp"}, "data", "file_only", ""),
        ({"backup.at": "25:00"}, "backup.at", "backup_time", "02:30"),
        ({"backup.dir": s.data + "/backups"}, "backup.dir", "backup_inside", ""),
        ({"backup.dir": "backups"}, "backup.dir", "backup_relative", ""),
        ({"disk.warn": 95}, "disk.act", "disk_marks", ""),
        ({"pki.url": "ftp://x"}, "pki.url", "pki_url", "http://"),
        ({"audit.syslog": "logs:port"}, "audit.syslog", "syslog", "6514"),
        ({"pg.listen": "somewhere:5432"}, "pg.listen", "address", ""),
        ({"pg.listen": taken}, "pg.listen", "address_taken", ""),
    ]
    before = s.get("/api/v1/config")
    for change, name, code, remedy in cases:
        for language in ("zh-CN", "en"):
            answer = s.call("POST", "/api/v1/config/check", {"set": change}, headers={"Accept-Language": language})
            check(f"{change}: faults", [(e["key"], e["code"]) for e in answer["errors"]], [(name, code)])
            fault = answer["errors"][0]
            if remedy not in fault["remedy"] or bool(HAN.search(fault["detail"])) != (language == "zh-CN") or not fault["remedy"]:
                sys.exit(f"{change} in {language}: {fault}")
        body = refused(f"{change} is not done", 422, "config_invalid", patch, s, change)
        check(f"{change}: the place is named", name in body["detail"], True)
    held.close()
    both = s.post("/api/v1/config/check", {"set": {"nothing": "1", "guard.clones": "x", "pki.days": 30}})
    check("all faults at once", sorted(e["key"] for e in both["errors"]), ["guard.clones", "nothing"])
    check("and nothing was changed", s.get("/api/v1/config"), before)
    for bad in ({}, {"set": {}}, {"set": []}, {"set": {"pki.days": 30}, "note": "x" * 501}):
        refused(f"body {bad}", 400, "bad_request", s.call, "PATCH", "/api/v1/config", bad)
    warned = s.post("/api/v1/config/check", {"set": {"history.retention": "30d", "disk.policy": "oldest", "mqtt.anonymous": True}})
    check("what a change removes or opens is said", {c["key"]: c["warning"] for c in warned["changes"]},
          {"history.retention": "removes_samples", "disk.policy": "removes_partitions", "mqtt.anonymous": "anonymous"})
    # --set outranks: it may be set, and is said not to be in force
    check("outranked", s.post("/api/v1/config/check", {"set": {"https.listen": "127.0.0.1:0"}})["outranked"], ["https.listen"])


def live(s):
    revision = s.get("/api/v1/config")["revision"]
    s.post("/api/v1/people", {"name": "short", "password": "Abcdef-12345", "roles": ["viewer"]})
    answer = patch(s, {"guard.password_min": 16, "log.level": "debug", "history.max_future": "1h", "backup.keep": "3"}, "longer passwords")
    check("a revision more", answer["revision"], revision + 1)
    now = key(s, "guard.password_min")
    check("in force", (now["value"], now["source"], now["console"], now["next"]), ("16", "console", "16", None))
    refused("a password of 12 characters now", 400, "bad_request", s.post, "/api/v1/people", {"name": "short2", "password": "Abcdef-12345", "roles": ["viewer"]})
    check("the level of the log", s.get("/api/v1/logs?limit=1")["level"], "debug")
    entry = s.get("/api/v1/audit?act=config.changed")["items"][0]
    detail = json.loads(entry["detail"])
    check("the audit has before and after", {c["key"]: (c["from"], c["to"]) for c in detail["changes"]},
          {"guard.password_min": ("10", "16"), "log.level": ("info", "debug"), "history.max_future": ("1d", "1h"), "backup.keep": ("7", "3")})
    refused("somebody was faster", 412, "conflict", patch, s, {"pki.days": 100}, revision=revision)
    patch(s, {"guard.password_min": None, "pki.days": 100}, revision=revision + 1)
    check("taken back", (key(s, "guard.password_min")["value"], key(s, "guard.password_min")["source"]), ("10", "default"))
    check("the same again is no change", patch(s, {"pki.days": 100})["revision"], revision + 2)
    changes = s.get("/api/v1/config/changes")["items"]
    check("the history of changes", [(c["revision"], c["note"], len(c["changes"])) for c in changes], [(revision + 2, "", 2), (revision + 1, "longer passwords", 4)])
    check("who", {c["who"] for c in changes}, {"person:admin"})


def future(s):
    """history.max_future is in force at the gate, before and after it was changed."""
    at = int((time.time() + 7200) * 1000)
    s.post("/api/v1/ingest?device=ahead", {"ts": at, "values": {"f": 1}})
    patch(s, {"history.max_future": "1h"})
    refused("an hour ahead at most", 400, "partial_write", s.post, "/api/v1/ingest?device=ahead", {"ts": at + 1, "values": {"f": 1}})
    patch(s, {"history.max_future": None})
    s.post("/api/v1/ingest?device=ahead", {"ts": at + 2, "values": {"f": 1}})


def restart(s):
    patch(s, {"mqtt.max_packet": "2MiB", "guard.session_idle": "5h"}, "for firmware files")
    waits = key(s, "mqtt.max_packet")
    check("waits for the next start", (waits["value"], waits["next"], waits["live"]), ("1MiB", "2MiB", False))
    check("and is counted", s.get("/api/v1/health")["settings_waiting"], 1)
    s.stop(kill=True)
    s.start()
    now = key(s, "mqtt.max_packet")
    check("in force after kill -9", (now["value"], now["next"], now["source"]), ("2MiB", None, "console"))
    check("and the live one too", key(s, "guard.session_idle")["value"], "5h")
    check("nothing waits", s.get("/api/v1/health")["settings_waiting"], 0)


def off_line(s):
    """The self check of a stopped node looks at what was set in the console too."""
    patch(s, {"guard.password_classes": 4})
    s.stop()
    out = subprocess.run([s.path, "check", "--security", "--data", s.data, "--json"], capture_output=True, text=True, check=False, timeout=60).stdout
    rules = next(c for c in json.loads(out)["items"] if c["id"] == "people.password_rules")
    check("kinds of characters", "4 kinds" in rules["evidence"]["en"], True)
    s.start()
    patch(s, {"guard.password_classes": None})


def rollback(s):
    changes = s.get("/api/v1/config/changes")["items"]
    first = changes[-1]["revision"]
    trial = s.post("/api/v1/config/rollback", {"revision": first, "check": True})
    check("what a rollback would do", "mqtt.max_packet" in {c["key"] for c in trial["changes"]}, True)
    check("is not done", key(s, "mqtt.max_packet")["value"], "2MiB")
    refused("a revision that never was", 404, "not_found", s.post, "/api/v1/config/rollback", {"revision": 9999})
    refused("no revision", 400, "bad_request", s.post, "/api/v1/config/rollback", {})
    answer = s.post("/api/v1/config/rollback", {"revision": first, "note": "back"})
    check("is a change itself", answer["revision"], changes[0]["revision"] + 1)
    check("as it was then", {i["key"]: i["console"] for i in answer["items"] if i["console"] is not None},
          {"guard.password_min": "16", "log.level": "debug", "history.max_future": "1h", "backup.keep": "3"})
    s.post("/api/v1/config/rollback", {"revision": 0})
    check("nothing is set any more", [i["key"] for i in s.get("/api/v1/config")["items"] if i["console"] is not None], [])
    page = s.get("/api/v1/config/changes?limit=2")
    rest = s.get(f"/api/v1/config/changes?limit=200&cursor={page['next']}")
    everything = [c["revision"] for c in page["items"] + rest["items"]]
    check("pages", everything, list(range(everything[0], 0, -1)))


def races(s):
    """Two at once with the revision they saw: one of them is done."""
    revision = s.get("/api/v1/config")["revision"]
    patch(s, {"pki.days": 200})
    revision += 1
    answers = []

    def one(days):
        other = Songhua.__new__(Songhua)
        other.__dict__.update(s.__dict__, connection=None)
        try:
            patch(other, {"pki.days": days}, revision=revision)
            answers.append(200)
        except Problem as p:
            answers.append(p.status)
        finally:
            other.disconnect()

    threads = [threading.Thread(target=one, args=(300 + i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("one of six", sorted(answers), [200] + [412] * 5)


def administrators(s):
    s.post("/api/v1/administrators", {r: {"name": r, "password": PASSWORD} for r in ("system", "security", "audit")})
    tokens = {}
    for who in ("system", "security", "audit"):
        first = s.post("/api/v1/sessions", {"user": who, "password": PASSWORD})["token"]
        s.token = first
        s.call("PUT", "/api/v1/sessions/current/password", {"old": PASSWORD, "new": WORD})
        tokens[who] = s.post("/api/v1/sessions", {"user": who, "password": WORD})["token"]
    s.token = tokens["system"]
    patch(s, {"mqtt.max_queued": 500})
    refused("security settings are not the system administrator's", 403, "denied", patch, s, {"guard.lock_after": 9})
    refused("nor together with his own", 403, "denied", patch, s, {"guard.lock_after": 9, "mqtt.max_queued": 600})
    check("none of it was done", key(s, "mqtt.max_queued")["next"], "500")
    s.token = tokens["security"]
    patch(s, {"guard.lock_after": 9})
    check("his own", (key(s, "guard.lock_after")["value"], key(s, "guard.lock_after")["may"], key(s, "log.level")["may"]), ("9", True, False))
    refused("the system's are not the security administrator's", 403, "denied", patch, s, {"mqtt.max_queued": 700})
    refused("nor by a rollback", 403, "denied", s.post, "/api/v1/config/rollback", {"revision": 0})
    s.token = tokens["audit"]
    refused("the auditor changes nothing", 403, "denied", patch, s, {"mqtt.max_queued": 700})
    check("and sees all", len(s.get("/api/v1/config/changes")["items"]) > 0, True)


def by_signal():
    folder = tempfile.mkdtemp(prefix="songhua-config-")
    path = os.path.join(folder, "songhua.conf")

    def write(text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def says(s, text):
        return any(text in i["text"] for i in s.get(f"/api/v1/logs?q={text.replace(' ', '%20')}")["items"])

    write("[guard]\npassword_min = 12\n[mqtt]\nmax_queued = 77\n")
    s = Songhua(start=False)
    binary = s.path
    wrapper = os.path.join(folder, "with-file")
    write_wrapper = f'#!/bin/sh\nshift\nexec "{binary}" serve --config "{path}" "$@"\n'
    with open(wrapper, "w", encoding="utf-8") as f:
        f.write(write_wrapper)
    os.chmod(wrapper, 0o700)
    s.path = wrapper
    with s:
        s.start()
        check("of the file", (key(s, "guard.password_min")["value"], key(s, "guard.password_min")["source"]), ("12", "file"))
        patch(s, {"guard.password_min": 14})
        check("the console outranks it", key(s, "guard.password_min")["value"], "14")
        write("[guard]\npassword_min = 13\nlock_after = 7\n[mqtt]\nmax_queued = 88\n")
        s.process.send_signal(signal.SIGHUP)
        wait_for("the file was read again", lambda: key(s, "guard.lock_after")["value"] == "7")
        check("still the console's", key(s, "guard.password_min")["value"], "14")
        queued = key(s, "mqtt.max_queued")
        check("later", (queued["value"], queued["next"]), ("77", "88"))
        write("[guard]\nlock_after = 8\npasword_min = 13\n")
        s.process.send_signal(signal.SIGHUP)
        wait_for("a bad file is told", lambda: says(s, "the configuration stays as it was"))
        check("and the place", says(s, "songhua.conf:3: unknown key 'guard.pasword_min'"), True)
        check("nothing of it holds", (key(s, "guard.lock_after")["value"], key(s, "mqtt.max_queued")["next"]), ("7", "88"))
        write("[guard]\nlock_after = 8\n[disk]\nwarn = 95\n")
        s.process.send_signal(signal.SIGHUP)
        wait_for("values that do not go together", lambda: says(s, "disk.act: the marks are not in the order"))
        check("nothing of it holds either", key(s, "guard.lock_after")["value"], "7")
        write("[settings]\nconsole = false\n")
        s.stop()
        s.start()
        check("a way out: the console's settings are left aside", (key(s, "guard.password_min")["value"], s.get("/api/v1/config")["console"]), ("10", False))
        refused("and not taken", 409, "state", patch, s, {"guard.password_min": 15})
    for name in (path, wrapper):
        os.unlink(name)
    os.rmdir(folder)


def logs(s):
    s.call("PATCH", "/api/v1/config", {"set": {"log.level": "info"}})
    ready = s.get("/api/v1/logs?module=main&q=IS%20READY")["items"]
    check("a line of the start", (len(ready) > 0, ready[0]["level"], ready[0]["module"]), (True, "info", "main"))
    last = s.get("/api/v1/logs?limit=1")["last"]
    s.process.send_signal(signal.SIGHUP)
    wait_for("a new line", lambda: s.get(f"/api/v1/logs?after={last}")["items"] != [])
    check("only newer ones", all(i["seq"] > last for i in s.get(f"/api/v1/logs?after={last}")["items"]), True)
    check("by level", {i["level"] for i in s.get("/api/v1/logs?level=warn")["items"]} <= {"error", "warn"}, True)
    seen, cursor = [], ""
    while cursor is not None:
        page = s.get(f"/api/v1/logs?limit=3{cursor and '&cursor=' + cursor}")
        seen += [i["seq"] for i in page["items"]]
        cursor = page["next"]
    check("pages without gaps", seen, list(range(seen[0], seen[-1] - 1, -1)))
    refused("a level that is none", 400, "bad_request", s.get, "/api/v1/logs?level=loud")
    check("no secret is in it", any(PASSWORD in i["text"] or s.token in i["text"] for i in s.get("/api/v1/logs?limit=500")["items"]), False)


def health(s):
    wait_for("a measurement", lambda: len(s.get("/api/v1/health")["series"]["time"]) >= 2, 60)
    h = s.get("/api/v1/health")
    series = h["series"]
    check("series are of one length", {len(v) for v in series.values()}, {len(series["time"])})
    check("times go up by five seconds", all(4000 <= b - a <= 9000 for a, b in zip(series["time"], series["time"][1:])), True)
    with open(f"/proc/{s.process.pid}/status", encoding="ascii") as f:
        threads = int(re.search(r"Threads:\s+(\d+)", f.read()).group(1))
    process = h["process"]
    check("the process", (process["pid"], abs(process["threads"] - threads) <= 2), (s.process.pid, True))
    files = len(os.listdir(f"/proc/{s.process.pid}/fd"))
    check("open files", abs(process["files"] - files) <= 3, True)
    check("memory", 0 < process["memory_bytes"] <= process["memory_most_bytes"] * 1.05, True)
    check("requests of ours were counted", max(series["requests"]) > 0, True)
    check("the road to the disk", h["journal"]["commits"] > 0 and h["records"]["commits"] > 0, True)


def main():
    with Songhua() as s:
        shown(s)
        faults(s)
        live(s)
        restart(s)
        off_line(s)
        rollback(s)
        future(s)
        races(s)
        logs(s)
        health(s)
        administrators(s)
    by_signal()
    print("the configuration is a transaction")


main()
