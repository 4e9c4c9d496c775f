"""Restoring by the running server: a backup is prepared beside the data, put in its place by a restart of the same process, and the
data of before is kept and comes back when asked for. What does not open goes back by itself; kill -9 at any moment of the exchange loses
neither. Keys of this node, of the backup, new ones; nobody is signed in afterwards; the audit tells on both sides.
SPDX-License-Identifier: Apache-2.0
"""
import glob
import http.client
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from songhua import PASSWORD, Problem, Songhua, binary, until

T = 1_700_000_000_000_000
WAIT_S = 120
WHY = "误删了一条产线 \"pumps\""


def check(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got!r}, not {want!r}")


def refused(s, method, path, body=None):
    try:
        s.call(method, path, body)
    except Problem as p:
        return p.status, p.body.get("code"), p.body.get("title", "") + p.body.get("detail", "") + p.body.get("remedy", "")
    return sys.exit(f"{method} {path}: it was not refused")


def state(s):
    return s.get("/api/v1/backups")


def idle(s):
    a = state(s)
    return a if a["running"] is None else None


def backup(s):
    before = {i["id"] for i in state(s)["items"]}
    s.post("/api/v1/backups")
    a = until("a backup", lambda: idle(s))
    check("no failure", a["last_failure"], None)
    (new,) = {i["id"] for i in a["items"]} - before
    return new


def prepare(s, name):
    s.post(f"/api/v1/backups/{name}/restore", {"reason": WHY})
    a = until("prepared", lambda: idle(s))
    check("no failure", a["restore"]["last_failure"], None)
    check("prepared", a["restore"]["prepared"]["backup"], name)
    return a["restore"]["prepared"]


def back_up_again(s, session, held):
    """The same process serves again; the session of before is none there, unless all is as before."""

    def ready():
        s.disconnect()
        try:
            if s.raw("GET", "/readyz")[0] != 200:
                return False
            s.token = session
            status = s.raw("GET", "/api/v1/sessions/current")[0]
            return status == 401 if not held else status == 200 and state(s)["restore"]["brought_back"] is not None
        except (OSError, Problem, http.client.HTTPException):  # it goes down
            return False

    until("it serves again", ready)
    check("the process", s.process.poll(), None)


def apply(s, name, password=PASSWORD, held=False):
    session, pid = s.token, s.process.pid
    s.post(f"/api/v1/backups/{name}/apply", {"reason": WHY})
    back_up_again(s, session, held)
    check("the same process", s.process.pid, pid)
    s.token = None
    s.token = s.post("/api/v1/sessions", {"user": "admin", "password": password})["token"]
    return state(s)["restore"]


def values(s, point):
    try:
        return s.query([point], 0, 4_000_000_000_000).get(point, {}).get("value", [])
    except Problem as p:
        check("no such point", (p.status, p.body["code"]), (404, "unknown_point"))
        return None


def people(s):
    return {p["name"] for p in s.get("/api/v1/people")["items"]}


def acts(s, act):
    return [(a["object"], a["result"], a["detail"]) for a in s.get(f"/api/v1/audit?act={act}&limit=50")["items"]]


def whole(s):
    """The node ends well after its lives, and its audit chain is whole; it is started again."""
    check("it ended well", s.stop(), 0)
    p = subprocess.run([binary(), "check", "--audit", "--data", s.data], capture_output=True, text=True, timeout=WAIT_S, check=False)
    check(f"the chain is whole: {p.stdout}{p.stderr}", p.returncode, 0)
    s.start()


def there_and_back(folder):
    with Songhua({"backup.dir": folder}) as s:
        check("nothing is there", {k: v for k, v in state(s)["restore"].items()}, {"prepared": None, "origin": None, "kept": [], "last_failure": None, "brought_back": None})
        s.write_lines("\n".join(f"pump f={i}.5 {(T + i) * 1000}" for i in range(1000)))
        s.post("/api/v1/people", {"name": "early", "password": "Songhua-2026-snow", "roles": ["viewer"]})
        token = s.make_token(name="kept", roles=["administrator"])["token"]
        gone = s.make_token(name="revoked-later", roles=["viewer"])
        blob = os.urandom(100_000)
        digest = s.post("/api/v1/blobs", blob, "application/octet-stream")["hash"]
        first = backup(s)
        # what came later
        s.write_lines("\n".join(f"pump f=7 {(T + 5000 + i) * 1000}" for i in range(10)) + f"\nlater f=1 {T * 1000}")
        s.post("/api/v1/people", {"name": "late", "password": "Songhua-2026-snow", "roles": ["viewer"]})
        s.delete(f"/api/v1/tokens/{gone['id']}")
        # refusals
        check("no reason", refused(s, "POST", f"/api/v1/backups/{first}/restore", {})[:2], (400, "bad_request"))
        check("no such backup", refused(s, "POST", "/api/v1/backups/songhua-20200101T000000Z/restore", {"reason": "x"})[0], 404)
        check("not a backup", refused(s, "POST", "/api/v1/backups/..%2fx/restore", {"reason": "x"})[0], 400)
        check("nothing is prepared", refused(s, "POST", "/api/v1/backups/prepared/apply", {"reason": "x"})[0], 404)
        check("nothing is kept", refused(s, "POST", "/api/v1/backups/replaced-20200101T000000Z/apply", {"reason": "x"})[0], 404)
        check("nothing to throw away", refused(s, "DELETE", "/api/v1/backups/prepared")[0], 404)
        # prepared, thrown away, prepared again: the node goes on with its own data
        got = prepare(s, first)
        check("counted", (got["samples"], got["devices"] > 0, got["keys"], got["reason"], "admin" in got["by"]), (1000, True, "own", WHY, True))
        check("it lies beside the data", os.path.exists(os.path.join(s.data, "restored", "songhua.db")), True)
        s.delete("/api/v1/backups/prepared")
        until("thrown away", lambda: state(s)["restore"]["prepared"] is None and idle(s))
        check("nothing is left", os.path.exists(os.path.join(s.data, "restored")), False)
        prepare(s, first)
        check("nothing has changed", (len(values(s, "pump/f")), "late" in people(s)), (1010, True))
        # in place
        r = apply(s, "prepared")
        check("samples of then", (len(values(s, "pump/f")), values(s, "later/f")), (1000, None))
        check("people of then", (people(s) >= {"early"}, "late" in people(s)), (True, False))
        check("the blob", s.raw("GET", f"/api/v1/blobs/{digest}")[2], blob)
        check("a token of then", s.raw("GET", "/api/v1/devices", headers={"Authorization": "Bearer " + token})[0], 200)
        check("where it comes from", (r["origin"]["backup"], r["prepared"], [k["records_only"] for k in r["kept"]]), (first, None, [False]))
        done = acts(s, "restore.done")
        check("audited", (len(done), done[0][0], WHY in done[0][2], r["kept"][0]["name"] in done[0][2], "SHA-256" in done[0][2]), (1, first, True, True, True))
        check("its audit tells that it was prepared", [a[0] for a in acts(s, "restore.prepared")], [first])
        s.write_lines(f"pump f=9 {(T + 9000) * 1000}")
        check("it takes samples", len(values(s, "pump/f")), 1001)
        whole(s)
        # and back
        old = r["kept"][0]["name"]
        r = apply(s, old)
        check("samples of before", (len(values(s, "pump/f")), values(s, "later/f"), "late" in people(s)), (1010, [1], True))
        check("that side tells it too", [a[0] for a in acts(s, "restore.apply")], ["prepared"])
        check("restored no more", (r["origin"], len(r["kept"])), (None, 1))
        whole(s)
        # samples and files of the other go, its records with the audit stay
        name = r["kept"][0]["name"]
        size = r["kept"][0]["bytes"]
        s.delete(f"/api/v1/backups/{name}")
        kept = until("removed", lambda: [k for k in (idle(s) or {"restore": {"kept": []}})["restore"]["kept"] if k["records_only"]] or None)[0]
        check("its records stay", (kept["name"], kept["records_only"], 0 < kept["bytes"] < size), (name, True, True))
        check("the files", {os.path.basename(p) for p in glob.glob(os.path.join(s.data, name, "*"))} & {"history", "journal", "songhua.db"}, {"songhua.db"})
        check("not twice", refused(s, "DELETE", f"/api/v1/backups/{name}")[:2], (409, "state"))
        check("it cannot come back", refused(s, "POST", f"/api/v1/backups/{name}/apply", {"reason": "x"})[0], 404)
        check("and is looked for", refused(s, "DELETE", "/api/v1/backups/replaced-20200101T000000Z")[0], 404)
        print("  there and back: the same process, nothing of either is lost")


def canceled(folder):
    with Songhua({"backup.dir": folder, "backup.rate": "1MiB"}) as s:
        s.post("/api/v1/blobs", os.urandom(5_000_000), "application/octet-stream")
        s.call("PATCH", "/api/v1/config", {"set": {"backup.rate": "0"}})
        name = backup(s)
        s.call("PATCH", "/api/v1/config", {"set": {"backup.rate": "1MiB"}})
        s.post(f"/api/v1/backups/{name}/restore", {"reason": WHY})
        running = until("it runs", lambda: (state(s)["running"] or {}).get("done_bytes") and state(s)["running"])
        check("progress", (running["step"], 0 < running["done_bytes"] < running["total_bytes"]), ("restore", True))
        check("one at a time", refused(s, "POST", f"/api/v1/backups/{name}/restore", {"reason": "x"})[:2], (409, "state"))
        s.delete("/api/v1/backups/running")
        a = until("it ended", lambda: idle(s))
        check("nothing is left", (a["restore"]["prepared"], os.path.exists(os.path.join(s.data, "restored"))), (None, False))
        # kill -9 while it is prepared: the next start removes the part
        s.post(f"/api/v1/backups/{name}/restore", {"reason": WHY})
        until("it runs", lambda: os.path.exists(os.path.join(s.data, "restored", "restoring")))
        s.stop(kill=True)
        s.start()
        until("the part is gone", lambda: not os.path.exists(os.path.join(s.data, "restored")))
        # damage of the backup is found before anything is written
        path = max(glob.glob(os.path.join(folder, name, "data", "blobs", "*", "*")), key=os.path.getsize)
        with open(path, "r+b") as f:
            f.seek(1000)
            f.write(b"x" * 10)
        s.call("PATCH", "/api/v1/config", {"set": {"backup.rate": "0"}})
        s.post(f"/api/v1/backups/{name}/restore", {"reason": WHY})
        failure = until("it failed", lambda: (idle(s) or {"restore": {"last_failure": None}})["restore"]["last_failure"])
        check("it names the file", (os.path.basename(path) in failure["text"], failure["remedy"] != ""), (True, True))
        check("audited", [a[0] for a in acts(s, "restore.prepare_failed")], [name])
        print("  canceled, killed, damaged: nothing is left")


def does_not_open(folder):
    with Songhua({"backup.dir": folder}) as s:
        s.write_lines(f"pump f=1 {T * 1000}")
        name = backup(s)
        s.write_lines(f"pump f=2 {(T + 1) * 1000}")
        prepare(s, name)
        with open(os.path.join(s.data, "restored", "keys", "ring"), "wb") as f:
            f.write(b"no ring of ours")
        r = apply(s, "prepared", held=True)
        check("the old data is back", values(s, "pump/f"), [1, 2])
        check("it is told", (r["brought_back"]["text"] != "", r["prepared"]["backup"], r["kept"], r["origin"]), (True, name, [], None))
        undone = acts(s, "restore.undone")
        check("audited", (len(undone), undone[0][1]), (1, "failed"))
        check("on the overview", [p["code"] for p in s.get("/api/v1/overview")["problems"] if p["code"] == "restore_undone"], ["restore_undone"])
        prepare(s, name)
        apply(s, "prepared")
        check("made anew it opens", values(s, "pump/f"), [1])
        whole(s)
        # the way back without a console
        kept = state(s)["restore"]["kept"][0]["name"]

        def command(*words):
            p = subprocess.run([binary(), *words, "--data", s.data], capture_output=True, text=True, timeout=WAIT_S, check=False)
            return p.returncode, p.stdout + p.stderr

        check("while it runs", "stop it first" in command("restore", "--kept", kept)[1], True)
        s.stop()
        check("another name", command("restore", "--kept", "replaced-20200101T000000Z")[0], 1)
        check("wanted", command("restore", "--kept", kept)[0], 0)
        check("nothing else opens it now", [(c, "start the server once" in t) for c, t in (command("check", "--audit"), command("passwd"))], [(1, True)] * 2)
        s.start()
        check("the old data is back", values(s, "pump/f"), [1, 2])
        print("  what does not open goes back by itself")


def killed(folder, rounds):
    dice = random.Random(7)
    with Songhua({"backup.dir": folder}) as s:
        s.write_lines(f"pump f=1 {T * 1000}")
        name = backup(s)
        s.write_lines(f"pump f=2 {(T + 1) * 1000}")
        times = {}
        for i in range(rounds):
            wanted = "prepared"
            if i % 2 == 1:
                wanted = state(s)["restore"]["kept"][0]["name"]
            else:
                prepare(s, name)
            s.post(f"/api/v1/backups/{wanted}/apply", {"reason": WHY})
            if i % 3 == 2:  # asked to end while it goes down: it ends, the next start does it
                s.process.send_signal(signal.SIGTERM)
                s.disconnect()
                s.process.wait(WAIT_S)
                s.process = None
            else:
                time.sleep(dice.random() * 0.4)
                s.stop(kill=True)
            phase = [os.path.basename(p) for p in glob.glob(os.path.join(s.data, "swap.*"))]
            times[tuple(phase)] = times.get(tuple(phase), 0) + 1
            s.start()
            check(f"round {i} {phase}", values(s, "pump/f"), [1] if i % 2 == 0 else [1, 2])
            check("over", glob.glob(os.path.join(s.data, "swap.*")), [])
            for kept in state(s)["restore"]["kept"][1:]:
                shutil.rmtree(os.path.join(s.data, kept["name"]))
        whole(s)
        print(f"  {rounds} ends on the way: {times}")


def others(folder):
    """A backup of another node, without and with its keys; one of before the administrators were separated."""
    os.makedirs(folder, exist_ok=True)
    words = os.path.join(folder, "words")
    with open(words, "w", encoding="utf-8") as f:
        f.write("松花江上 correct horse\n")
    there, here = os.path.join(folder, "there"), os.path.join(folder, "here")
    with Songhua({"backup.dir": there}) as s:
        s.write_lines(f"far f=1 {T * 1000}")
        other = s.make_token(name="other", roles=["administrator"])["token"]
        plain = backup(s)
    shutil.copytree(os.path.join(there, plain), os.path.join(here, plain))
    with Songhua({"backup.dir": there + "-keys", "backup.passphrase_file": words}) as s:
        s.write_lines(f"far f=2 {T * 1000}")
        with_keys = s.make_token(name="other", roles=["administrator"])["token"]
        sealed = backup(s)
    shutil.copytree(os.path.join(there + "-keys", sealed), os.path.join(here, sealed))
    with Songhua({"backup.dir": here, "backup.passphrase_file": words}) as s:
        own = s.make_token(name="own", roles=["administrator"])["token"]
        check("listed", {i["id"] for i in state(s)["items"]}, {plain, sealed})
        check("new keys", prepare(s, plain)["keys"], "new")
        apply(s, "prepared")
        check("its samples", values(s, "far/f"), [1])
        for token in (own, other):
            check("tokens are void", s.raw("GET", "/api/v1/devices", headers={"Authorization": "Bearer " + token})[0], 401)
        check("keys of the backup", prepare(s, sealed)["keys"], "backup")
        apply(s, "prepared")
        check("its samples", values(s, "far/f"), [2])
        check("its tokens hold", s.raw("GET", "/api/v1/devices", headers={"Authorization": "Bearer " + with_keys})[0], 200)
        whole(s)
        # separated since: a backup of before would bring the one with all powers back
        late = backup(s)
        prepare(s, late)
        apply(s, "prepared")  # what it leaves is of before, too
        for token in s.get("/api/v1/tokens")["items"]:
            s.delete(f"/api/v1/tokens/{token['id']}")
        s.post("/api/v1/administrators", {k: {"name": k, "password": "Songhua-2026-snow-" + k} for k in ("system", "security", "audit")})
        s.token = None
        answer = s.post("/api/v1/sessions", {"user": "system", "password": "Songhua-2026-snow-system"})
        s.token = answer["token"]
        s.put("/api/v1/sessions/current/password", {"old": "Songhua-2026-snow-system", "new": "Songhua-2026-ice-system"})
        s.post(f"/api/v1/backups/{late}/restore", {"reason": WHY})
        failure = until("it is refused", lambda: (idle(s) or {"restore": {"last_failure": None}})["restore"]["last_failure"])
        check("why", ("separated" in failure["text"], "songhua restore" in failure["remedy"]), (True, True))
        session = s.token
        kept = state(s)["restore"]["kept"][0]["name"]
        s.post(f"/api/v1/backups/{kept}/apply", {"reason": WHY})
        back_up_again(s, session, True)
        check("nor what was kept", ("separated" in state(s)["restore"]["brought_back"]["text"], state(s)["restore"]["kept"][0]["name"]), (True, kept))
        print("  another node's backup: new keys, its own keys; before the separation: refused")


def main():
    folder = tempfile.mkdtemp(prefix="songhua-restores-")
    try:
        there_and_back(os.path.join(folder, "a"))
        canceled(os.path.join(folder, "b"))
        does_not_open(os.path.join(folder, "c"))
        killed(os.path.join(folder, "d"), int(os.environ.get("RESTORE_ROUNDS", "6")))
        others(os.path.join(folder, "e"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
