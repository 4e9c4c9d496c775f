"""Signing in by the password of a directory: the real slapd over ldaps, StartTLS and clear, by search and by template, people who are linked,
made, or get roles by their groups; a second factor, confirming, locks, an account that goes, fail-over, a directory that is down; and a
hostile server: results that lie, too much, too little, nothing, TLS that is not.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import random
import socket
import socketserver
import subprocess
import sys
import threading
import time

import slapd
from slapd import BASE, GROUPS, LI, PEOPLE, SERVICE, SERVICE_PASSWORD
from songhua import PASSWORD, Problem, Songhua, free_ports


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def attempt(s, user, password, **more):
    """(status, code or the user's name, token or problem). Each comes from another address of this machine, so that the count by address
    of one does not lock out the next."""
    dice = random.SystemRandom()
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60, source_address=(f"127.1.{dice.randrange(256)}.{dice.randrange(1, 255)}", 0))
    c.request("POST", "/api/v1/sessions", json.dumps({"user": user, "password": password, **more}),
              {"Content-Type": "application/json", "Accept-Language": "en"})
    answer = c.getresponse()
    got = json.loads(answer.read())
    c.close()
    return (201, got["user"]["name"], got["token"]) if answer.status == 201 else (answer.status, got["code"], got)


def outcome(s, user, password, **more):
    return attempt(s, user, password, **more)[:2]


def refused(s, *what):
    try:
        s.call(*what)
    except Problem as p:
        return p.status, p.body["code"]
    return None


def put(s, provider, **change):
    body = {**s.get(f"/api/v1/identity-providers/{provider}"), **change}
    for member in ("revision", "created", "tenant", "has_secret"):
        body.pop(member, None)
    return s.call("PUT", f"/api/v1/identity-providers/{provider}", body)


def tried(s, provider, **who):
    got = s.post(f"/api/v1/identity-providers/{provider}/try", who)
    return got, [(x["step"], x["result"]) for x in got["steps"]]


def audited(s, act, text):
    entries = s.get("/api/v1/audit?limit=200&act=" + act)["items"]
    return [e for e in entries if text in json.dumps(e, ensure_ascii=False)]


def as_session(s, token, method, path, body=None):
    """A call by a session's secret, as the console makes it."""
    try:
        return 200, s.call(method, path, body, headers={"Authorization": "Bearer " + token, "Accept-Language": "en"})
    except Problem as p:
        return p.status, p.body["code"]


def form(s, d, **more):
    return {"kind": "ldap", "id": "dir", "en": "Plant directory", "zh": "厂内目录", "servers": [f"localhost:{d.tls_port}"], "tls": "ldaps",
            "ca": d.ca, "bind_dn": SERVICE, "bind_password": SERVICE_PASSWORD, "base": PEOPLE, "filter": "(&(objectClass=person)(uid={login}))",
            **more}


def set_up(s, d):
    check("before there is a directory", outcome(s, "li", LI), (401, "bad_credentials"))
    made = s.post("/api/v1/identity-providers", form(s, d))
    check("the password is not told", ("bind_password" in made, made["has_secret"], made["kind"]), (False, True, "ldap"))
    check("the sign-in page learns its name alone", s.get("/api/v1/sign-in"),
          {"providers": [], "directories": [{"id": "dir", "zh": "厂内目录", "en": "Plant directory"}], "certificates": []})
    for change, path in (
        ({"servers": []}, "/servers"), ({"servers": ["a b"]}, "/servers"), ({"servers": ["a:0"]}, "/servers"), ({"servers": ["[::1"]}, "/servers"),
        ({"servers": ["a"] * 5}, "/servers"), ({"tls": "ssl"}, "/tls"), ({"tls": "none", "servers": ["ldap.plant.cn"]}, "/tls"),
        ({"ca": "no certificate"}, "/ca"), ({"filter": "(uid=li)"}, "/filter"), ({"filter": "(uid={login}"}, "/filter"),
        ({"filter": "(uid={user})"}, "/filter"), ({"base": "plant.cn"}, "/base"), ({"base": ""}, "/base"), ({"bind_dn": "songhua"}, "/bind_dn"),
        ({"bind_password": ""}, "/bind_password"), ({"dn_template": "uid=li"}, "/dn_template"), ({"dn_template": "{login}"}, "/dn_template"),
        ({"group_base": "x"}, "/group_base"), ({"group_base": GROUPS, "group_filter": "(member={login})"}, "/group_filter"),
        ({"name_claim": "u id"}, "/name_claim"), ({"second_factor": "provider"}, "/second_factor"), ({"kind": "nis"}, "/kind"),
    ):
        try:
            s.post("/api/v1/identity-providers", {**form(s, d), "id": "bad", **change})
            sys.exit(f"taken: {change}")
        except Problem as p:
            check(f"refused: {change} {p.body}", (p.status, p.body["code"], path in json.dumps(p.body)), (400, "bad_request", True))
    check("a role with an administrator's powers", refused(s, "POST", "/api/v1/identity-providers",
                                                           {**form(s, d), "id": "bad", "people": "create", "roles": ["administrator"]}),
          (403, "denied"))
    check("a kind stays", refused(s, "PUT", "/api/v1/identity-providers/dir", {"kind": "oidc"}), (400, "bad_request"))
    check("it is no door of its own", s.raw("GET", "/api/v1/sign-in/dir/start")[1]["Location"], "/#sign-in=provider_off")


def trial(s):
    got, steps = tried(s, "dir")
    check("try without a person", (got["good"], steps), (True, [("connect", "ok"), ("tls", "ok"), ("bind", "ok"), ("search", "ok")]))
    got, steps = tried(s, "dir", user="li", password=LI)
    check("try as a person", (got["good"], steps), (True, [("connect", "ok"), ("tls", "ok"), ("bind", "ok"), ("search", "ok"), ("prove", "ok"),
                                                           ("attributes", "ok"), ("roles", "ok")]))
    found = got["found"]
    check("what it found", (found["dn"], found["name"], found["display"], found["groups"], found["person"]),
          ("uid=li," + PEOPLE, "li", "李雷", ["cn=operators," + GROUPS], None))
    got, steps = tried(s, "dir", user="li", password="wrong")
    check("try with a wrong password", (got["good"], ("prove", "failed") in steps), (False, True))
    check("which counts", len(audited(s, "session.refused", "trying a directory")), 1)
    got, steps = tried(s, "dir", user="nobody")
    check("try nobody", (got["good"], steps[-2:]), (False, [("search", "failed"), ("prove", "skipped")]))
    check("audited", len(audited(s, "provider.tried", "dir")) >= 4, True)
    put(s, "dir", bind_password="wrong")
    check("a wrong service account", tried(s, "dir")[1][-1], ("bind", "failed"))
    check("is as a directory that is down", outcome(s, "li", LI), (503, "directory_down"))
    put(s, "dir", bind_password=SERVICE_PASSWORD, base="ou=nowhere," + BASE)
    check("a wrong base", tried(s, "dir")[1][-1], ("search", "failed"))
    put(s, "dir", base=PEOPLE)


def linked(s):
    check("nobody is linked", outcome(s, "li", LI), (403, "directory_refused"))
    check("audited", audited(s, "session.refused", "not_linked")[0]["object"], "provider:dir")
    s.post("/api/v1/people", {"name": "leili", "roles": ["engineer"]})
    s.call("POST", "/api/v1/people/leili/identities", {"provider": "dir", "name": "li"})
    status, name, token = attempt(s, "li", LI)
    check("linked by the name there", (status, name), (201, "leili"))
    (identity,) = s.get("/api/v1/people/leili/identities")["items"]
    check("and now by what does not change", (len(identity["subject"]), identity["login"]), (36, "li"))
    check("the session says by whom", as_session(s, token, "GET", "/api/v1/sessions")[1]["items"][0]["provider"], "dir")
    check("audited", audited(s, "session.created", "provider dir, subject")[0]["object"], "person:leili")
    account = as_session(s, token, "GET", "/api/v1/sessions/current")[1]
    check("no password here, and where it is", (account["password"], account["providers"], account["directories"]), (False, ["dir"], ["dir"]))
    check("it is changed there", as_session(s, token, "PUT", "/api/v1/sessions/current/password", {"old": LI, "new": "Some-other-password-77"}),
          (409, "password_elsewhere"))
    return token


def wrong(s):
    for user, password in (("li", "wrong"), ("nobody", LI), ("*", LI), ("*)(uid=*", LI), ("li)(uid=*", LI), ("li\x00", LI), (" li ", "x"),
                           ("uid=li," + PEOPLE, LI), ("zhang*", LI)):
        check(f"{user!r} {password!r}", outcome(s, user, password)[0] in (400, 401, 429), True)
    check("an empty password", outcome(s, "li", ""), (400, "bad_request"))
    s.stop()  # forgets the counts
    s.start()
    times = {}
    for user in ("li", "no-such-person", "zhou"):
        begin = time.monotonic()
        check(f"{user} wrong", outcome(s, user, "wrong")[:2], (401, "bad_credentials"))
        times[user] = time.monotonic() - begin
    check(f"times do not tell ({times})", max(times.values()) < 3 * min(times.values()) + 0.3, True)
    put(s, "dir", filter="(|(uid={login})(mail={login}))")
    check("two entries fit: nobody", outcome(s, "same@plant.cn", LI)[0], 401)
    put(s, "dir", filter="(&(objectClass=person)(uid={login}))")


def locks(s):
    answers = [outcome(s, "li", "wrong") for _ in range(5)]
    check("locked as for a local password", outcome(s, "li", LI), (429, "locked"))
    check("first", answers[0], (401, "bad_credentials"))
    time.sleep(1.1)  # the first lock's length
    end = time.monotonic() + 20
    while outcome(s, "li", LI)[0] != 201:
        if time.monotonic() > end:
            sys.exit("the lock does not end")
        time.sleep(0.3)
    check("and forgotten then", outcome(s, "li", "wrong"), (401, "bad_credentials"))
    check("not locked", outcome(s, "li", LI), (201, "leili"))


def local_people(s, d):
    check("the administrator needs no directory", outcome(s, "admin", PASSWORD), (201, "admin"))
    s.post("/api/v1/people", {"name": "wang", "roles": ["viewer"], "password": "Local-person-of-it-9"})
    check("a local name is the local person", outcome(s, "wang", LI), (401, "bad_credentials"))
    check("by the local password", outcome(s, "wang", "Local-person-of-it-9"), (201, "wang"))
    s.call("POST", "/api/v1/people/wang/identities", {"provider": "dir", "name": "wang"})
    check("linked: by either, the local one", outcome(s, "wang", "Local-person-of-it-9"), (201, "wang"))
    check("and the directory's", outcome(s, "wang", LI), (201, "wang"))
    d.stop()
    begin = time.monotonic()
    check("down", outcome(s, "li", LI), (503, "directory_down"))
    check("soon", time.monotonic() - begin < 8, True)
    check("down, the administrator", outcome(s, "admin", PASSWORD), (201, "admin"))
    check("down, a linked one by the local password", outcome(s, "wang", "Local-person-of-it-9"), (201, "wang"))
    check("down, and a wrong local password counts", outcome(s, "admin", "wrong"), (503, "directory_down"))
    check("down, audited", len(audited(s, "session.refused", "directory_down")) >= 1, True)
    check("down, tried", tried(s, "dir")[1], [("connect", "failed")])
    d.start()
    check("up again", outcome(s, "li", LI), (201, "leili"))
    dead = free_ports(1)[0]
    put(s, "dir", servers=[f"localhost:{dead}", f"localhost:{d.tls_port}"])
    check("the other server is asked", outcome(s, "li", LI), (201, "leili"))
    check("tried", tried(s, "dir")[1][:3], [("connect", "failed"), ("connect", "ok"), ("tls", "ok")])
    put(s, "dir", servers=[f"localhost:{d.tls_port}"])


def transport(s, d):
    put(s, "dir", tls="starttls", servers=[f"localhost:{d.port}"])
    check("StartTLS", outcome(s, "li", LI), (201, "leili"))
    check("tried", tried(s, "dir")[1][:3], [("connect", "ok"), ("tls", "ok"), ("bind", "ok")])
    put(s, "dir", servers=[f"127.0.0.1:{d.port}"])
    check("the certificate has another name", tried(s, "dir")[1], [("connect", "ok"), ("tls", "failed")])
    put(s, "dir", tls="ldaps", servers=[f"localhost:{d.tls_port}"], ca="")
    check("the system does not know that authority", tried(s, "dir")[1], [("tls", "failed")])
    check("nobody comes in", outcome(s, "li", LI), (503, "directory_down"))
    put(s, "dir", tls="none", servers=[f"127.0.0.1:{d.port}"])
    check("in clear to this machine", outcome(s, "li", LI), (201, "leili"))
    put(s, "dir", tls="ldaps", servers=[f"127.0.0.1:{d.port}"], ca=d.ca)
    check("ldaps to a clear port", tried(s, "dir")[1][-1][1], "failed")
    put(s, "dir", tls="ldaps", servers=[f"localhost:{d.tls_port}"], ca=d.ca)


def template(s, d):
    s.post("/api/v1/identity-providers", {"kind": "ldap", "id": "tpl", "servers": [f"localhost:{d.tls_port}"], "tls": "ldaps", "ca": d.ca,
                                          "dn_template": "uid={login}," + PEOPLE, "people": "create", "roles": ["viewer"]})
    put(s, "dir", disabled=True)
    check("by template, made with its roles", outcome(s, "zhao", LI), (201, "zhao"))
    check("the display name too", s.get("/api/v1/people/zhao")["display"], "Zhao")
    check("wrong", outcome(s, "zhao", "wrong"), (401, "bad_credentials"))
    check("a name that would be another DN", outcome(s, "zhao,ou=people", LI), (401, "bad_credentials"))
    check("a name that is taken", outcome(s, "li", LI)[0], 201)  # made as li: leili has another name
    got, steps = tried(s, "tpl", user="zhao", password=LI)
    check("tried", (got["good"], steps), (True, [("connect", "ok"), ("tls", "ok"), ("prove", "ok"), ("search", "ok"), ("attributes", "ok"),
                                                 ("roles", "ok")]))
    put(s, "tpl", disabled=True)
    put(s, "dir", disabled=False)


def groups(s, d):
    operators, bosses = "cn=operators," + GROUPS, "CN=Bosses, " + GROUPS
    s.post("/api/v1/people", {"name": "hold", "roles": []})
    s.call("DELETE", "/api/v1/people/leili/identities/dir")
    s.call("DELETE", "/api/v1/people/leili")
    s.call("DELETE", "/api/v1/people/li")
    put(s, "dir", people="map", map=[{"value": operators, "role": "operator"}, {"value": bosses, "role": "engineer"}])
    status, name, token = attempt(s, "li", LI)
    check("made, by memberOf", (status, name, as_session(s, token, "GET", "/api/v1/sessions/current")[1]["user"]["roles"]),
          (201, "li", ["operator"]))
    d.modify(f"dn: cn=bosses,{GROUPS}\nchangetype: modify\nadd: member\nmember: uid=li,{PEOPLE}\n\n")
    token = attempt(s, "li", LI)[2]
    check("anew at each sign-in; a name has no case", sorted(as_session(s, token, "GET", "/api/v1/sessions/current")[1]["user"]["roles"]),
          ["engineer", "operator"])
    put(s, "dir", roles_claim="", group_base=GROUPS, group_filter="(&(objectClass=groupOfNames)(member={dn}))",
        map=[{"value": bosses, "role": "viewer"}])
    token = attempt(s, "li", LI)[2]
    check("by a search for groups", as_session(s, token, "GET", "/api/v1/sessions/current")[1]["user"]["roles"], ["viewer"])
    check("in no group with a role", outcome(s, "qian", LI), (403, "directory_refused"))
    check("nobody was made", refused(s, "GET", "/api/v1/people/qian"), (404, "not_found"))


def oathtool(secret):
    return subprocess.run(["oathtool", "--totp", "-b", secret], capture_output=True, text=True, check=True).stdout.strip()


def second(s, d):
    token = attempt(s, "li", LI)[2]
    check("a dangerous act is asked for", as_session(s, token, "POST", "/api/v1/sessions/current/confirm", {"password": "wrong"}),
          (401, "bad_credentials"))
    check("confirmed by the directory's password", as_session(s, token, "POST", "/api/v1/sessions/current/confirm", {"password": LI})[0], 200)
    check("audited", audited(s, "session.confirmed", "provider dir")[0]["object"], "person:li")
    secret = as_session(s, token, "POST", "/api/v1/sessions/current/totp")[1]["secret"]
    check("ours is set up", as_session(s, token, "PUT", "/api/v1/sessions/current/totp", {"code": oathtool(secret)})[0], 200)
    check("and asked for", outcome(s, "li", LI), (401, "code_needed"))
    check("but not for a wrong password", outcome(s, "li", "wrong"), (401, "bad_credentials"))
    check("wrong code", outcome(s, "li", LI, code="000000"), (401, "bad_credentials"))
    step = int(time.time()) // 30
    while int(time.time()) // 30 == step:  # a code is good once
        time.sleep(0.2)
    check("with a code", outcome(s, "li", LI, code=oathtool(secret)), (201, "li"))
    check("an administrator takes it away", s.call("DELETE", "/api/v1/people/li/second-factor"), None)


def gone(s, d):
    token = attempt(s, "li", LI)[2]
    check("a session", as_session(s, token, "GET", "/api/v1/sessions/current")[0], 200)
    d.modify(f"dn: uid=li,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=li-gone\ndeleteoldrdn: 1\n\n")
    check("gone there", as_session(s, token, "POST", "/api/v1/sessions/current/confirm", {"password": LI}), (401, "bad_credentials"))
    check("the session ended", as_session(s, token, "GET", "/api/v1/sessions/current")[0], 401)
    check("audited", len(audited(s, "session.ended", "disabled or gone")) >= 1, True)
    d.modify(f"dn: uid=li-gone,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=li\ndeleteoldrdn: 1\n\n")
    check("back", outcome(s, "li", LI)[0], 201)
    s.call("PUT", "/api/v1/people/li", {"disabled": True})
    check("disabled here", outcome(s, "li", LI), (403, "directory_refused"))
    s.call("PUT", "/api/v1/people/li", {"disabled": False})


# ---- the hostile server ----


def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 128 else b"\x84" + len(body).to_bytes(4, "big")) + body


def octets(text):
    return tlv(4, text.encode() if isinstance(text, str) else text)


def result(tag, code=0, text="", *more):
    return tlv(tag, tlv(10, bytes([code])), octets(""), octets(text), *more)


def message(number, op):
    return tlv(0x30, tlv(2, bytes([number])), op)


def entry(dn, **attributes):
    return tlv(0x64, octets(dn), tlv(0x30, *[tlv(0x30, octets(k), tlv(0x31, *[octets(x) for x in v])) for k, v in attributes.items()]))


EVE = entry("uid=eve,dc=evil", uid=["eve"], entryUUID=["eve-1"], cn=["Eve"])


class Hostile(socketserver.ThreadingTCPServer):
    """Answers each request in turn with what the scenario says; hears what was sent."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        self.answers, self.heard = [], []
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(20)
        for answer in list(self.server.answers):
            try:
                data = self.request.recv(65536)
            except OSError:
                return
            if not data:
                return
            self.server.heard.append(data)
            if answer == "hang":
                time.sleep(8)
                return
            if answer == "close":
                return
            try:
                self.request.sendall(answer)
            except OSError:
                return
        try:
            self.request.recv(65536)
        except OSError:
            pass


def hostile(s):
    h = Hostile()
    s.post("/api/v1/identity-providers", {"kind": "ldap", "id": "evil", "servers": [f"127.0.0.1:{h.port}"], "tls": "none",
                                          "base": "dc=evil", "people": "create", "roles": ["viewer"]})
    put(s, "dir", disabled=True)
    done, bound = message(1, result(0x65)), message(2, result(0x61))
    found = message(1, EVE) + done
    reference = message(1, tlv(0x73, octets("ldap://127.0.0.1:1/dc=evil")))
    for name, answers, want in (
        ("as it should be", [found, bound], (201, "eve")),
        ("a reference beside the entry is not followed", [reference + found, bound], (201, "eve")),
        ("the bind refused", [found, message(2, result(0x61, 49))], (401, "bad_credentials")),
        ("nobody, and a bind that is let through", [done, bound], (401, "bad_credentials")),
        ("two", [message(1, EVE) + message(1, EVE) + message(1, result(0x65, 4)), bound], (401, "bad_credentials")),
        ("an entry without a name, and a bind that is let through", [message(1, entry("", uid=["eve"], entryUUID=["1"])) + done, bound],
         (401, "bad_credentials")),
        ("an entry with a name beyond measure", [message(1, entry("uid=" + "e" * 2000, uid=["eve"], entryUUID=["1"])) + done, bound],
         (401, "bad_credentials")),
        ("a referral in place of a result", [message(1, result(0x65, 10, "", tlv(0xa3, octets("ldap://x/"))))], (503, "directory_down")),
        ("a referral in place of a bind", [found, message(2, result(0x61, 10))], (401, "bad_credentials")),
        ("an answer to another question", [message(9, result(0x65))], (503, "directory_down")),
        ("a bind's answer to a search", [message(1, result(0x61))], (503, "directory_down")),
        ("a search's answer to a bind", [found, message(2, result(0x65))], (503, "directory_down")),
        ("no LDAP", [b"HTTP/1.1 400 Bad Request\r\n\r\n"], (503, "directory_down")),
        ("a length that lies", [b"\x30\x84\xff\xff\xff\xff"], (503, "directory_down")),
        ("too much", [message(1, entry("uid=eve", jpegPhoto=["x" * 200000])) * 3 + done], (503, "directory_down")),
        ("half, then nothing", [found[:20]], (503, "directory_down")),
        ("closed at once", ["close"], (503, "directory_down")),
        ("nothing", ["hang"], (503, "directory_down")),
        ("a notice that it ends", [message(0, tlv(0x78, tlv(10, b"\x34"), octets(""), octets("")))], (503, "directory_down")),
        ("not available", [message(1, result(0x65, 52))], (503, "directory_down")),
        ("no subject", [message(1, entry("uid=eve,dc=evil", uid=["eve"])) + done, bound], (503, "directory_down")),
        ("a name that is none", [message(1, entry("uid=eve,dc=evil", uid=["e v/e"], entryUUID=["2"])) + done, bound], (403, "directory_refused")),
        ("the administrator's name", [message(1, entry("uid=a,dc=evil", uid=["admin"], entryUUID=["3"])) + done, bound],
         (403, "directory_refused")),
        ("disabled (Active Directory)", [message(1, entry("uid=eve,dc=evil", uid=["eve"], entryUUID=["eve-1"], userAccountControl=["514"])) + done,
                                         bound], (401, "bad_credentials")),
        ("to be changed there (Active Directory)", [found, message(2, result(0x61, 49, "80090308: AcceptSecurityContext error, data 773, v1db1"))],
         (403, "directory_refused")),
    ):
        h.answers, h.heard = answers, []
        have = outcome(s, "eve", "a good password")
        if have[0] == 429:
            time.sleep(1.5)
            have = outcome(s, "eve", "a good password")
        check(name, have, want)
        if answers[0] == done or name.startswith("disabled") or name == "two":
            check(name + ": the password was not sent", any(b"a good password" in x for x in h.heard), False)
        if want[0] == 401:  # what was counted is forgotten
            h.answers = [found, bound]
            end = time.monotonic() + 20
            while outcome(s, "eve", "a good password")[0] != 201 and time.monotonic() < end:
                time.sleep(0.5)
    h.answers, h.heard = [done, message(2, result(0x61, 49))], []
    check("a local person without a link", outcome(s, "admin", "wrong but secret")[0] in (401, 429), True)
    check("the directory heard nothing of it", [x for x in h.heard if b"wrong but secret" in x or b"admin" in x], [])
    h.answers, h.heard = [done, message(2, result(0x61, 49))], []
    outcome(s, "*)(uid=*", "x")
    check("what is typed stands for itself", b"*)(uid=*" in b"".join(h.heard), True)
    put(s, "evil", tls="starttls")
    ok = message(1, result(0x78))
    for name, answers in (("StartTLS refused", [message(1, result(0x78, 2))]), ("something in clear behind it", [ok + found]),
                          ("and then no TLS", [ok, b"not TLS at all\r\n"])):
        h.answers, h.heard = answers, []
        check(name, outcome(s, "eve", "a good password"), (503, "directory_down"))
        check(name + ": the password was not sent", any(b"a good password" in x for x in h.heard), False)
    put(s, "evil", tls="none")
    h.answers, h.heard = ["hang"], []
    threads = [threading.Thread(target=ask_alone, args=(s,)) for _ in range(6)]  # more than there are workers
    for t in threads:
        t.start()
    end = time.monotonic() + 30
    while len(h.heard) < len(threads) and time.monotonic() < end:
        time.sleep(0.02)
    begin = time.monotonic()
    check("what hangs does not hold the others", s.get("/api/v1/identity-providers/evil")["id"], "evil")
    check("at once", time.monotonic() - begin < 2, True)
    check("and they do hang", any(t.is_alive() for t in threads), True)
    for t in threads:
        t.join()
    put(s, "evil", disabled=True)
    put(s, "dir", disabled=False)
    h.shutdown()
    h.server_close()


def stopping(s):
    """The server ends at once while sign-ins wait: for an answer, and for a TLS handshake."""
    h = Hostile()
    put(s, "dir", disabled=True)
    for tls, answers in (("none", ["hang"]), ("ldaps", ["hang"]), ("starttls", [message(1, result(0x78)), "hang"])):
        h.answers = answers
        put(s, "evil", disabled=False, servers=[f"127.0.0.1:{h.port}"], tls=tls)
        h.heard = []
        threads = [threading.Thread(target=ask_alone, args=(s,)) for _ in range(3)]
        for t in threads:
            t.start()
        end = time.monotonic() + 30
        while len(h.heard) < len(threads) * len(answers) and time.monotonic() < end:
            time.sleep(0.02)
        begin = time.monotonic()
        check("it ends whole", s.stop(), 0)
        check("and soon", time.monotonic() - begin < 15, True)
        for t in threads:
            t.join()
        s.start()
    h.shutdown()
    h.server_close()


def ask_alone(s):
    c = socket.create_connection(("127.0.0.1", s.http), 60)
    body = json.dumps({"user": "eve", "password": "a good password"}).encode()
    c.sendall(b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
              % len(body) + body)
    try:
        while c.recv(65536):
            pass
    except OSError:
        pass  # the server stopped
    c.close()


def address():
    with Songhua() as s:
        s.post("/api/v1/identity-providers", {"kind": "ldap", "id": "inside", "servers": ["127.0.0.1:389"], "tls": "none", "base": "dc=a"})
        got = s.post("/api/v1/identity-providers/inside/try", {})
        check("a private address is not called", [(x["step"], x["result"], "signin.allow" in x["detail"]) for x in got["steps"]],
              [("connect", "failed", True)])


def main():
    address()
    with slapd.Slapd() as d, Songhua(settings={"signin.allow": "127.0.0.0/8, ::1/128"}) as s:
        set_up(s, d)
        trial(s)
        linked(s)
        wrong(s)
        locks(s)
        local_people(s, d)
        transport(s, d)
        template(s, d)
        groups(s, d)
        second(s, d)
        gone(s, d)
        hostile(s)
        stopping(s)
        check("the last one", outcome(s, "admin", PASSWORD)[0], 201)
        check("it ends whole", s.stop(), 0)
    print("ok")


if __name__ == "__main__":
    main()
