"""One's own account from outside, with oathtool as the authenticator app: a second factor is asked for wherever a password is taken
(console, PostgreSQL, MQTT), a code is good once also over kill -9, recovery codes, a lost phone, sessions listed and ended, dangerous
acts that ask again, passwords that expire and do not come back.
SPDX-License-Identifier: Apache-2.0
"""
import csv
import http.client
import io
import json
import shutil
import subprocess
import sys
import time
import urllib.parse

from songhua import PASSWORD, Problem, Songhua, free_ports, skip

LI = "Jilin-Songhua-river-7"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


class Caller:
    """A browser: a session of its own, by bearer token."""

    def __init__(self, s, user, password, code=None, expect=201):
        self.s = s
        self.token = None
        body = {"user": user, "password": password}
        if code is not None:
            body["code"] = code
        status, answer = self.ask("POST", "/api/v1/sessions", body)
        check(f"sign-in of {user} with {password!r}, {code!r}: {answer}", status, expect)
        self.code = (answer or {}).get("code")
        self.token = (answer or {}).get("token")

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.s.http, timeout=60)
        head = {"Content-Type": "application/json", "Accept-Language": "en", "User-Agent": "panel 7"}
        if self.token:
            head["Authorization"] = "Bearer " + self.token
        c.request(method, path, None if body is None else json.dumps(body), head)
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, json.loads(data) if data else None

    def code_of(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        return status, (answer or {}).get("code")


def app(secret):
    """What the authenticator shows, never the same twice: waits for the next step when it must."""
    while True:
        shown = subprocess.run(["oathtool", "--totp", "-b", secret], capture_output=True, text=True, check=True).stdout.strip()
        if shown != app.last:
            app.last = shown
            return shown
        time.sleep(0.5)


app.last = ""


def psql(s, port, user, password):
    done = subprocess.run(
        ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", "songhua", "-Atc", "select 1"],
        env={"PGPASSWORD": password, "PATH": "/usr/bin:/bin", "PGCONNECT_TIMEOUT": "20"}, capture_output=True, text=True, check=False,
    )
    return done.returncode


def mqtt(s, user, password):
    return subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", user, "-P", password, "-t", "x", "-m", "1", "-q", "1"],
        capture_output=True, check=False, timeout=60,
    ).returncode


def second_factor(s, port):
    s.post("/api/v1/people", {"name": "li", "roles": ["engineer"], "password": LI})
    check("psql by the password", psql(s, port, "li", LI), 0)
    check("MQTT by the password", mqtt(s, "li", LI), 0)
    li = Caller(s, "li", LI)
    status, begun = li.ask("POST", "/api/v1/sessions/current/totp")
    check("begun", status, 201)
    uri = urllib.parse.urlparse(begun["uri"])
    check("what the QR code says", (uri.scheme, uri.netloc, uri.path), ("otpauth", "totp", "/Songhua:li"))
    check("its secret", urllib.parse.parse_qs(uri.query)["secret"], [begun["secret"]])
    check("a wrong code", li.code_of("PUT", "/api/v1/sessions/current/totp", {"code": "000000"}), (422, "bad_code"))
    status, made = li.ask("PUT", "/api/v1/sessions/current/totp", {"code": app(begun["secret"])})
    check("set up", (status, len(made["recovery_codes"])), (200, 10))
    check("no code", Caller(s, "li", LI, expect=401).code, "code_needed")
    check("a wrong password and no code", Caller(s, "li", "x" + LI, expect=401).code, "bad_credentials")
    check("a wrong code", Caller(s, "li", LI, "123456", expect=401).code, "bad_credentials")
    used = app(begun["secret"])
    Caller(s, "li", LI, used)
    s.stop(kill=True)
    s.start()
    check("the same code after kill -9", Caller(s, "li", LI, used, expect=401).code, "bad_credentials")
    check("psql by the password alone", psql(s, port, "li", LI) != 0, True)
    check("MQTT by the password alone", mqtt(s, "li", LI) != 0, True)
    li = Caller(s, "li", LI, made["recovery_codes"][3].lower())
    Caller(s, "li", LI, made["recovery_codes"][3], expect=401)
    account = li.ask("GET", "/api/v1/sessions/current")[1]
    check("the account", (account["second_factor"], account["recovery_left"], account["must"]), (True, 9, []))
    check("the person", s.get("/api/v1/people/li")["second_factor"], True)
    s.delete("/api/v1/people/li/second-factor")  # a lost phone
    check("its sessions are over", li.ask("GET", "/api/v1/sessions/current")[0], 401)
    Caller(s, "li", LI)


def sessions(s):
    a, b, c = (Caller(s, "li", LI) for _ in range(3))
    listed = b.ask("GET", "/api/v1/sessions")[1]["items"]
    own = [i for i in listed if i["current"]]
    check("own", (len(own), own[0]["agent"], own[0]["address"]), (1, "panel 7", "127.0.0.1"))
    check("another's is not mine", b.code_of("DELETE", "/api/v1/sessions/" + s.get("/api/v1/sessions")["items"][0]["id"])[0], 404)
    check("may not look at others", b.code_of("GET", "/api/v1/people/admin/sessions"), (403, "denied"))
    last = c.ask("GET", "/api/v1/sessions")[1]["items"]
    mine = next(i["id"] for i in last if i["current"])
    check("end one", b.ask("DELETE", "/api/v1/sessions/" + mine)[0], 204)
    check("it is over", c.ask("GET", "/api/v1/sessions")[0], 401)
    check("end the others", b.ask("DELETE", "/api/v1/sessions")[0], 204)
    check("they are over", a.ask("GET", "/api/v1/sessions")[0], 401)
    check("one is left", len(b.ask("GET", "/api/v1/sessions")[1]["items"]), 1)
    check("the administrator sees it", len(s.get("/api/v1/people/li/sessions")["items"]), 1)
    s.delete("/api/v1/people/li/sessions")
    check("and ends it", b.ask("GET", "/api/v1/sessions")[0], 401)
    token = s.make_token(roles=["viewer"])["token"]
    head = {"Authorization": "Bearer " + token}
    check("a token has no sessions", s.raw("GET", "/api/v1/sessions", headers=head)[0], 409)


def confirmation():
    with Songhua({"guard.confirm_after": "2s", "guard.password_classes": "2"}) as s:
        token = s.make_token(roles=["administrator"])["token"]
        time.sleep(2.1)
        admin = Caller(s, "admin", PASSWORD)
        time.sleep(2.1)
        ask = ("POST", "/api/v1/people", {"name": "wang", "roles": ["viewer"], "password": LI})
        check("an unlocked screen", admin.code_of(*ask), (403, "confirm_needed"))
        check("reading goes on", admin.code_of("GET", "/api/v1/people")[0], 200)
        check("a wrong password", admin.code_of("POST", "/api/v1/sessions/current/confirm", {"password": "wrong"}), (401, "bad_credentials"))
        check("the right one", admin.ask("POST", "/api/v1/sessions/current/confirm", {"password": PASSWORD})[0], 204)
        check("now", admin.ask(*ask)[0], 201)
        time.sleep(2.1)
        check("again", admin.code_of("DELETE", "/api/v1/people/wang"), (403, "confirm_needed"))
        s.token = token  # a program is not asked
        s.delete("/api/v1/people/wang")
        try:
            s.post("/api/v1/people", {"name": "zhao", "password": "abcdefghijkl"})
            sys.exit("one kind of characters was taken")
        except Problem as e:
            check("one kind of characters", e.status, 400)


def expiry():
    with Songhua({"guard.password_age": "3s", "guard.password_history": "1"}) as s:
        admin = Caller(s, "admin", PASSWORD)
        time.sleep(3.1)
        check("expired", admin.code_of("GET", "/api/v1/devices"), (403, "password_expired"))
        check("what to do", admin.ask("GET", "/api/v1/sessions/current")[1]["must"], ["password"])
        path = "/api/v1/sessions/current/password"
        check("the same", admin.code_of("PUT", path, {"old": PASSWORD, "new": PASSWORD}), (400, "bad_request"))
        check("another", admin.ask("PUT", path, {"old": PASSWORD, "new": LI})[0], 204)
        check("as before", admin.ask("GET", "/api/v1/devices")[0], 200)
    with Songhua({"guard.second_factor": "all"}) as s:
        check("second factor first", Caller(s, "admin", PASSWORD).code_of("GET", "/api/v1/devices"), (403, "second_factor_missing"))


def three_administrators():
    """等保: one act, three people, nobody has the powers of two."""
    with Songhua() as s:
        body = {k: {"name": k[:3], "password": f"{k} long phrase"} for k in ("system", "security", "audit")}
        check("before", s.get("/api/v1/administrators"), {"separated": False, "system": ["admin"], "security": ["admin"], "audit": ["admin"]})
        viewer = s.make_token(roles=["viewer"])["token"]
        check("not by just anybody", s.raw("POST", "/api/v1/administrators", json.dumps(body), {"Authorization": "Bearer " + viewer})[0], 403)
        s.call("POST", "/api/v1/administrators", body)
        check("the first is signed out", s.raw("GET", "/api/v1/people")[0], 401)
        Caller(s, "admin", PASSWORD, expect=401)
        s.stop(kill=True)
        s.sign_in = lambda: None
        s.start()
        three = {}
        for kind, one in body.items():
            c = Caller(s, one["name"], one["password"])
            check(f"{kind}: first its own password", c.code_of("GET", "/api/v1/overview"), (403, "password_expired"))
            check("changed", c.ask("PUT", "/api/v1/sessions/current/password", {"old": one["password"], "new": LI + kind})[0], 204)
            three[kind] = c
        sec, audit, system = three["security"], three["audit"], three["system"]
        check("who they are", sec.ask("GET", "/api/v1/administrators")[1],
              {"separated": True, "system": ["sys"], "security": ["sec"], "audit": ["aud"]})
        check("the auditor reads", audit.ask("GET", "/api/v1/audit")[0], 200)
        check("and changes nothing", audit.code_of("POST", "/api/v1/people", {"name": "x"})[0], 403)
        check("the others do not read the audit", [c.code_of("GET", "/api/v1/audit")[0] for c in (sec, system)], [403, 403])
        check("the system administrator sees the configuration", system.ask("GET", "/api/v1/config")[0], 200)
        check("and makes no people", system.code_of("POST", "/api/v1/people", {"name": "x"})[0], 403)
        check("rights to others", sec.ask("POST", "/api/v1/people", {"name": "li", "roles": ["engineer"], "password": LI})[0], 201)
        check("none to himself", sec.code_of("PUT", "/api/v1/people/sec", {"roles": ["security_administrator", "engineer"]}), (403, "denied"))
        check("not two", sec.code_of("PUT", "/api/v1/people/li", {"roles": ["auditor", "system_administrator"]}), (409, "state"))
        check("the last auditor stays", sec.code_of("PUT", "/api/v1/people/aud", {"disabled": True}), (409, "state"))
        check("once", sec.code_of("POST", "/api/v1/administrators", body)[0], 409)


def audit():
    """Searched by who, what, when and how it ended; the same as CSV of any length, no cell of it a formula."""
    with Songhua() as s:
        for i in range(130):
            s.post("/api/v1/people", {"name": f"p{i:03}", "roles": ["viewer"], "display": "=1+1"})
        middle = s.get("/api/v1/audit?act=person.created&limit=1000")["items"][60]["time"]
        Caller(s, "admin", "wrong", expect=401)
        Caller(s, "=cmd", "wrong", expect=401)  # a name that a spreadsheet would run
        found = s.get("/api/v1/audit?refused=true")["items"]
        check("what was refused", [(e["act"], e["object"]) for e in found],
              [("session.refused", "person:=cmd"), ("session.refused", "person:admin")])
        check("who", s.get("/api/v1/audit?who=nobody-of-that-name")["items"], [])
        check("part of the object", len(s.get("/api/v1/audit?object=p12&limit=100")["items"]), 10)
        at = urllib.parse.quote(middle)
        after = len(s.get(f"/api/v1/audit?act=person.created&from={at}&limit=1000")["items"])
        before = len(s.get(f"/api/v1/audit?act=person.created&to={at}&limit=1000")["items"])
        check("before and after", (after + before, after > 50), (131, True))
        check("no time", s.raw("GET", "/api/v1/audit?from=yesterday")[0], 400)
        status, head, data = s.raw("GET", "/api/v1/audit/export?act=person.created")
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
        check("the file", (status, head["Content-Type"], len(rows), rows[0][:3]), (200, "text/csv; charset=utf-8", 132, ["seq", "time", "principal"]))
        check("newest first", [int(r[0]) for r in rows[1:]], sorted((int(r[0]) for r in rows[1:]), reverse=True))
        check("no formulas", [c for r in rows for c in r if c[:1] in ("=", "+", "-", "@")], [])
        check("the export is audited", s.get("/api/v1/audit?act=audit.exported")["items"][0]["object"], "audit")
        viewer = {"Authorization": "Bearer " + s.make_token(roles=["viewer"])["token"]}
        check("not for everybody", s.raw("GET", "/api/v1/audit/export", headers=viewer)[0], 403)


if shutil.which("oathtool") is None or shutil.which("psql") is None:
    skip("oathtool or psql is not installed")
PORT = free_ports(1)[0]
with Songhua({"pg.listen": f"127.0.0.1:{PORT}"}) as server:
    second_factor(server, PORT)
    sessions(server)
confirmation()
expiry()
three_administrators()
audit()
print("accounts: second factor, sessions, confirmation, passwords, three administrators")
