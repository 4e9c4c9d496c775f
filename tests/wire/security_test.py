"""The self check from outside: what a fresh node lacks is told with its evidence; each act that mends a control changes its state; the
command on the stopped folder and the route of the running node speak of the same controls; who may not, does not see it.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from songhua import PASSWORD, Problem, Songhua, free_ports


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def controls(report):
    check("summary", sum(report["summary"].values()), len(report["items"]))
    return {c["id"]: c for c in report["items"]}


def expect(found, ident, state, evidence=""):
    c = found[ident]
    if c["state"] != state or evidence not in c["evidence"]["en"]:
        sys.exit(f"{ident}: have {c['state']} {c['evidence']['en']!r}, want {state} with {evidence!r}")


def command(s, *more, language="C"):
    run = subprocess.run([s.path, "check", "--security", "--data", s.data, *more], capture_output=True, text=True, check=False, timeout=120,
                         env=dict(os.environ, LC_ALL=language))
    return run.returncode, run.stdout, run.stderr


def fresh(s):
    """A node with nothing set."""
    found = controls(s.get("/api/v1/security"))
    keys = {k["key"] for k in s.get("/api/v1/config")["items"]}
    for c in found.values():
        if c["setting"] is not None and c["setting"] not in keys:
            sys.exit(f"{c['id']} names a setting that is none: {c['setting']}")
    expect(found, "people.first_password", "met")
    expect(found, "people.second_factor", "not_met", "0 of 1 administrators")
    expect(found, "people.separated", "not_met")
    expect(found, "network.clear", "met")
    expect(found, "network.certificate", "none")
    expect(found, "tokens.endless", "none")
    expect(found, "data.keys", "met", "none with rights for others")
    expect(found, "operation.backup", "not_met", "backup.dir is empty")
    expect(found, "audit.lost", "met", "0 entries")
    expect(found, "audit.chain", "met", "sealed by the node key")
    expect(found, "operation.disk", "met" if found["operation.disk"]["state"] == "met" else "part", "used")
    with open(f"/proc/{s.process.pid}/status", encoding="ascii") as f:
        status = dict(line.split(":", 1) for line in f)
    expect(found, "process.seccomp", "met" if int(status["Seccomp"]) else "not_met", f"Seccomp: {int(status['Seccomp'])}")
    expect(found, "process.new_privileges", "met" if int(status["NoNewPrivs"]) else "not_met", f"NoNewPrivs: {int(status['NoNewPrivs'])}")
    expect(found, "process.capabilities", "met" if int(status["CapEff"], 16) == 0 else "not_met", status["CapEff"].strip())
    expect(found, "process.user", "not_met" if os.geteuid() == 0 else "met")


def filters(s):
    """How many filters of system calls the kernel has for the process, and whether it may gain rights."""
    with open(f"/proc/{s.process.pid}/status", encoding="ascii") as f:
        status = dict(line.split(":", 1) for line in f)
    return int(status["Seccomp"]), int(status.get("Seccomp_filters", "0")), int(status["NoNewPrivs"])


def own_filter(s):
    """The server filters itself, unless it is told not to."""
    mode, with_it, no_new = filters(s)
    if "system calls are not filtered" in s.log_text():
        print("this sandbox allows no filter")
        return
    check("mode and no_new_privs", (mode, no_new), (2, 1))
    with Songhua({"security.seccomp": "false"}) as other:
        check("one filter less without", filters(other)[1], with_it - 1)


def spoiled(s):
    """What is made worse while it runs."""
    s.post("/api/v1/tokens", {"name": "scada", "roles": ["ingest"]})
    s.post("/api/v1/tokens", {"name": "ops", "permissions": ["people.write"]})
    os.chmod(os.path.join(s.data, "keys", "node.key"), 0o644)
    os.chmod(s.data, 0o755)
    found = controls(s.get("/api/v1/security"))
    expect(found, "tokens.endless", "part", "2 of 2")
    expect(found, "tokens.powerful", "part", "1 of 2")
    expect(found, "data.keys", "not_met", "among them node.key")
    expect(found, "data.folder", "not_met", "mode 0755")
    os.chmod(os.path.join(s.data, "keys", "node.key"), 0o600)
    os.chmod(s.data, 0o700)


def rights(s):
    """config.read in the root tenant."""
    s.post("/api/v1/tenants", {"path": "a"})
    for roles, tenant, status in ((["viewer"], "", 403), (["auditor"], "", 200)):
        token = s.make_token(name=roles[0], roles=roles)["token"]
        check(str(roles), s.raw("GET", "/api/v1/security", headers={"Authorization": "Bearer " + token})[0], status)
    token = s.post("/api/v1/tokens?tenant=a", {"name": "below", "roles": ["administrator"]})["token"]
    check("of a tenant below", s.raw("GET", "/api/v1/security", headers={"Authorization": "Bearer " + token})[0], 403)
    check("nobody", s.raw("GET", "/api/v1/security", headers={"Authorization": "Bearer x"})[0], 401)


def off_line(s):
    """The command sees the same controls, in two languages."""
    running = controls(s.get("/api/v1/security"))
    code, _, words = command(s)
    check("while it runs", (code, "stop it first" in words), (1, True))
    check("stop", s.stop(), 0)
    code, out, _ = command(s, "--json")
    stopped = controls(json.loads(out))
    check("exit code", code, 3)
    check("ids", list(stopped), list(running))
    expect(stopped, "process.user", "none")
    expect(stopped, "audit.chain", "met")
    code, out, _ = command(s, "--set", "guard.password_age=90d", "--set", "http.listen=0.0.0.0:8080", "--json")
    stopped = controls(json.loads(out))
    expect(stopped, "people.password_age", "met", "90 days")
    expect(stopped, "network.clear", "not_met", "http.listen = 0.0.0.0:8080")
    code, out, _ = command(s)
    check("English", (code, "NOT MET: Second factor of administrators" in out), (3, True))
    code, out, _ = command(s, language="zh_CN.UTF-8")
    check("Chinese", (code, "不符合: 管理员双因素登录" in out), (3, True))
    check("a setting that is none", command(s, "--set", "no.such=1")[0], 1)
    damage(s)


def damage(s):
    """One letter of one audit entry."""
    copy = tempfile.mkdtemp(prefix="songhua-test-")
    try:
        shutil.rmtree(copy)
        shutil.copytree(s.data, copy)
        import sqlite3

        with sqlite3.connect(os.path.join(copy, "songhua.db")) as db:
            table, column, rowid = find_entry(db)
            db.execute(f"UPDATE {table} SET {column} = replace({column}, 'tenant.', 'tenanT.') WHERE rowid = ?", (rowid,))
        whole, s.data = s.data, copy
        code, out, _ = command(s, "--json")
        s.data = whole
        check("a changed chain", code, 3)
        expect(controls(json.loads(out)), "audit.chain", "not_met", "Entry ")
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def find_entry(db):
    """The place of an audit entry that speaks of a tenant."""
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE %'").fetchall():
        try:
            columns = [c[1] for c in db.execute(f"PRAGMA table_info({table})")]
            for column in columns:
                row = db.execute(f"SELECT rowid FROM {table} WHERE CAST({column} AS TEXT) LIKE '%\"act%tenant.%'").fetchone()
                if row is not None:
                    return table, column, row[0]
        except Exception:  # pylint: disable=broad-except
            continue
    sys.exit("no audit entry was found in the database")


def mended(backups):
    """A node as it should be, as far as a test can have it."""
    https, mqtts = free_ports(2)
    settings = {
        "https.listen": f"127.0.0.1:{https}", "mqtts.listen": f"127.0.0.1:{mqtts}", "guard.password_classes": "3",
        "guard.password_age": "90d", "guard.session_idle": "30m", "guard.session_max": "24h", "backup.dir": backups, "backup.every": "1d",
    }
    with Songhua(settings) as s:
        deadline = time.monotonic() + 60
        while True:
            found = controls(s.get("/api/v1/security"))
            if found["operation.rehearsal"]["state"] == "met" or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        for ident in ("people.password_rules", "people.password_age", "people.sessions", "network.tls", "operation.backup",
                      "operation.rehearsal"):
            expect(found, ident, "met")
        expect(found, "network.certificate", "part", "self-signed")
        admin = {"name": "root1", "password": "Songhua-1-river", "display": ""}
        body = {who: dict(admin, name=who) for who in ("system", "security", "audit")}
        s.post("/api/v1/administrators", body)
        try:
            s.get("/api/v1/security")
            sys.exit("the first administrator still gets in")
        except Problem as p:
            check("the first administrator is out", p.status, 401)
        check("stop", s.stop(), 0)
        code, out, _ = command(s, "--json", *(x for k, v in settings.items() for x in ("--set", f"{k}={v}")))
        found = controls(json.loads(out))
        expect(found, "people.separated", "met")
        expect(found, "operation.rehearsal", "met", "passed")
        check("exit code", code, 3)  # the second factor is nobody's yet


def main():
    with Songhua() as s:
        check("no password in the report", PASSWORD in json.dumps(s.get("/api/v1/security")), False)
        fresh(s)
        own_filter(s)
        spoiled(s)
        rights(s)
        off_line(s)
    with tempfile.TemporaryDirectory(prefix="songhua-backups-") as backups:
        mended(backups)


main()
