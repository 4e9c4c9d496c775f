"""Signing in by OpenID Connect, with the npm package oidc-provider as the provider, driven over HTTP as a browser does it: four
algorithms and ways of client authentication, people who are linked, made, or get roles by their groups, our second factor behind the
provider's, its word for one, dangerous acts confirmed by a fresh round trip, sessions that end with their provider; and a hostile
provider beside it: wrong nonce, state, issuer, audience, key, algorithm, time, replayed codes, mixed-up answers, addresses inside.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse

from songhua import PASSWORD, ROOT, Problem, Songhua, free_ports, skip

SECRET = "a secret: with %signs/and+more"
LI = "Jilin-Songhua-river-7"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


class Browser:
    """Cookies by host and path as a browser keeps them, one hop at a time. SameSite is told apart by who sent it here."""

    def __init__(self, s):
        self.s = s
        self.jar = {}  # (port, name) -> (value, path, strict)
        self.csrf = None

    def hop(self, url, method="GET", body=None, head=None, cross=False):
        u = urllib.parse.urlsplit(url)
        c = http.client.HTTPConnection(u.hostname, u.port, timeout=30)
        fields = dict(head or {})
        cookies = [f"{n}={v}" for (port, n), (v, path, strict) in self.jar.items()
                   if port == u.port and u.path.startswith(path) and not (strict and cross)]
        if cookies:
            fields["Cookie"] = "; ".join(cookies)
        c.request(method, u.path + ("?" + u.query if u.query else ""), body, fields)
        r = c.getresponse()
        text = r.read().decode()
        for value in r.headers.get_all("Set-Cookie") or []:
            pair, *attributes = [x.strip() for x in value.split(";")]
            name, _, content = pair.partition("=")
            lower = {a.partition("=")[0].lower(): a.partition("=")[2] for a in attributes}
            if content == "" or lower.get("max-age") == "0" or "1970" in lower.get("expires", ""):
                self.jar.pop((u.port, name), None)
            else:
                self.jar[(u.port, name)] = (content, lower.get("path", "/"), lower.get("samesite", "").lower() == "strict")
        c.close()
        where = r.headers.get("Location")
        return r.status, urllib.parse.urljoin(url, where) if where else None, text

    def ours(self, path):
        return f"http://127.0.0.1:{self.s.http}{path}"

    def api(self, method, path, body=None):
        head = {"Content-Type": "application/json", "Accept-Language": "en"}
        if self.csrf:
            head["X-CSRF-Token"] = self.csrf
        status, _, text = self.hop(self.ours("/api/v1/" + path), method, None if body is None else json.dumps(body), head)
        return status, json.loads(text) if text else None

    def enter(self, provider, login="li", otp=False, abort=False, query="", stop=None):
        """From the button to where the browser ends up with us. stop: the URL that begins with it is not followed but returned."""
        where = self.ours(f"/api/v1/sign-in/{provider}/start{query}")
        cross = False
        self.jar = {k: v for k, v in self.jar.items() if k[0] == self.s.http}  # the provider knows nobody
        for _ in range(12):
            if stop and where.startswith(stop):
                return where
            status, to, text = self.hop(where, cross=cross)
            while status == 429 and "too many requests from this address" in text:  # this test is quicker than people
                time.sleep(0.3)
                status, to, text = self.hop(where, cross=cross)
            if status == 200 and "<form" in text:
                form = {"login": login, "password": "x", **({"otp": "on"} if otp else {}), **({"abort": "1"} if abort else {})}
                status, to, text = self.hop(where, "POST", urllib.parse.urlencode(form),
                                            {"Content-Type": "application/x-www-form-urlencoded"})
            if to is None:
                sys.exit(f"{where} answered {status}: {text[:500]}")
            cross = urllib.parse.urlsplit(to).port != urllib.parse.urlsplit(where).port
            where = to
            u = urllib.parse.urlsplit(where)
            if u.port == self.s.http and not u.path.startswith("/api/"):
                return u.path + ("?" + u.query if u.query else "") + ("#" + u.fragment if u.fragment else "")
        sys.exit("the browser goes in a circle")

    def who(self):
        status, answer = self.api("GET", "sessions/current")
        if status != 200:
            return None
        self.csrf = answer["csrf"]
        return answer

    def name(self):
        who = self.who()
        return who and who["user"]["name"]


def in_as(s, provider, login="li", want="/", **more):
    b = Browser(s)
    check(f"{login} by {provider} {more}", b.enter(provider, login, **more), want)
    return b


def put(s, provider, **change):
    body = {**s.get(f"/api/v1/identity-providers/{provider}"), **change}
    for member in ("revision", "created", "tenant", "has_secret"):
        body.pop(member, None)
    return s.call("PUT", f"/api/v1/identity-providers/{provider}", body)


def refused(s, *what):
    try:
        s.call(*what)
    except Problem as p:
        return p.status, p.body["code"]
    return None


def audited(s, act, text):
    entries = s.get("/api/v1/audit?limit=200&act=" + act)["items"]
    return [e for e in entries if text in json.dumps(e)]


def oathtool(secret):
    return subprocess.run(["oathtool", "--totp", "-b", secret], capture_output=True, text=True, check=True).stdout.strip()


def providers(s, peer):
    base = {"client_id": "songhua", "client_secret": SECRET, "scopes": "openid profile groups"}
    check("no door", s.get("/api/v1/sign-in"), {"providers": [], "directories": [], "certificates": []})
    made = s.post("/api/v1/identity-providers", {"id": "corp", "issuer": peer.issuer, "zh": "集团", "en": "Corp", **base})
    check("the secret is not told", ("client_secret" in made, made["has_secret"], "secret" in json.dumps(made["id"])), (False, True, False))
    s.post("/api/v1/identity-providers", {"id": "es", "issuer": peer.issuer, **base, "client_id": "songhua-es", "people": "create",
                                          "roles": ["viewer"]})
    s.post("/api/v1/identity-providers", {"id": "ed", "issuer": peer.issuer, **base, "client_id": "songhua-ed", "client_secret": "",
                                          "people": "map", "map": [{"value": "line 3", "role": "operator"},
                                                                   {"value": "operators", "role": "viewer"}]})
    s.post("/api/v1/identity-providers", {"id": "evil", "issuer": peer.hostile, **base, "people": "create", "roles": ["viewer"]})
    check("names and no more", s.get("/api/v1/sign-in"), {"providers": [
        {"id": "corp", "zh": "集团", "en": "Corp"}, {"id": "ed", "zh": "", "en": ""}, {"id": "es", "zh": "", "en": ""},
        {"id": "evil", "zh": "", "en": ""}], "directories": [], "certificates": []})
    check("of another tenant", Browser(s).api("GET", "sign-in?tenant=nowhere"), (200, {"providers": [], "directories": [], "certificates": []}))
    for body, status, code in (
        ({"id": "corp", "issuer": peer.issuer, "client_id": "x"}, 409, "exists"),
        ({"id": "Corp", "issuer": peer.issuer, "client_id": "x"}, 400, "bad_request"),
        ({"id": "a", "issuer": "http://idp.example", "client_id": "x"}, 400, "bad_request"),
        ({"id": "a", "issuer": "https://user@idp.example", "client_id": "x"}, 400, "bad_request"),
        ({"id": "a", "issuer": "https://idp.example/?a=b", "client_id": "x"}, 400, "bad_request"),
        ({"id": "a", "issuer": "https://idp.example", "client_id": ""}, 400, "bad_request"),
        ({"id": "a", "issuer": "https://idp.example", "client_id": "x", "roles": ["nobody has it"]}, 400, "bad_request"),
        ({"id": "a", "issuer": "https://idp.example", "client_id": "x", "map": [{"value": "g", "role": "administrator"}]}, 403, "denied"),
        ({"id": "a", "issuer": "https://idp.example", "client_id": "x", "roles": ["auditor"]}, 403, "denied"),
    ):
        check(f"refused: {body}", refused(s, "POST", "/api/v1/identity-providers", body), (status, code))
    for name in ("corp", "es", "ed", "evil"):
        check(f"try {name}", s.post(f"/api/v1/identity-providers/{name}/try", None), {"good": True, "code": None, "detail": None})


def linked(s):
    b = in_as(s, "corp", want="/#sign-in=not_linked")
    check("nobody came in", b.name(), None)
    s.post("/api/v1/people", {"name": "li", "roles": ["engineer"]})
    check("a password is not needed", s.get("/api/v1/people/li")["has_password"], False)
    s.call("POST", "/api/v1/people/li/identities", {"provider": "corp", "name": "li"})
    check("twice", refused(s, "POST", "/api/v1/people/admin/identities", {"provider": "corp", "name": "li"}), (409, "exists"))
    b = in_as(s, "corp", want="/devices?q=1", query="?back=" + urllib.parse.quote("/devices?q=1"))
    check("who came", b.name(), "li")
    check("now by the subject", s.get("/api/v1/people/li/identities")["items"], [{"provider": "corp", "subject": "id-of-li"}])
    check("elsewhere is not gone to", in_as(s, "corp", query="?back=//evil.example/").name(), "li")
    check("the session says by whom", [x["provider"] for x in b.api("GET", "sessions")[1]["items"]], ["corp", "corp"])
    entry = audited(s, "session.created", "id-of-li")[0]
    check("audited", (entry["detail"], entry["object"]), ("provider corp, subject id-of-li", "person:li"))
    check("the refusal too", audited(s, "session.refused", "not_linked")[0]["object"], "provider:corp")
    in_as(s, "corp", want="/#sign-in=refused_there", abort=True)
    s.call("PUT", "/api/v1/people/li", {"disabled": True})
    in_as(s, "corp", want="/#sign-in=disabled")
    s.call("PUT", "/api/v1/people/li", {"disabled": False})
    return b


def leaving(s, peer):
    """Signing out here signs out there as well (RP-Initiated Logout 1.0)."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def out(b):
        b.who()
        status, answer = b.api("DELETE", "sessions/current")
        check("ended here at once", b.name(), None)
        return status, answer and answer["sign_out"]

    def asked_there(b):
        """Does the provider ask who sits there?"""
        where = b.ours("/api/v1/sign-in/corp/start")
        for _ in range(6):
            status, to, text = b.hop(where)
            if status == 200 or to is None:
                return "<form" in text
            if to.startswith(b.ours("/api/v1/sign-in/corp/callback")):
                return False
            where = to
        return sys.exit("no end of it")

    b = in_as(s, "corp")
    check("signed in there", asked_there(b), False)
    status, url = out(b)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    check("where to", (status, url.split("?")[0], sorted(asked)),
          (200, peer.issuer + "/session/end", ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"]))
    check("and back", (asked["client_id"], asked["post_logout_redirect_uri"]), ("songhua", b.ours("/api/v1/sign-in/corp/signed-out")))
    check("still signed in there", asked_there(b), False)
    status, url = out(in_again := in_as(s, "corp"))
    b = in_again
    xsrf = re.search('name="xsrf" value="([^"]+)"', b.hop(url, cross=True)[2]).group(1)
    back = b.hop(peer.issuer + "/session/end/confirm", "POST", urllib.parse.urlencode({"xsrf": xsrf, "logout": "yes"}), form)[1]
    check("the provider sends it back", back.split("?")[0], b.ours("/api/v1/sign-in/corp/signed-out"))
    check("another browser", Browser(s).hop(back, cross=True)[1], b.ours("/"))
    check("a changed state", b.hop(re.sub("state=[^&]*", "state=x", back), cross=True)[1], b.ours("/"))
    check("no way in by it", b.hop(back.replace("signed-out", "callback") + "&code=x", cross=True)[1], b.ours("/#sign-in=state"))
    check("ours", b.hop(back, cross=True)[1], b.ours("/#sign-in=signed_out"))
    check("once", b.hop(back, cross=True)[1], b.ours("/"))
    check("the next one is asked who he is", asked_there(b), True)
    b = in_as(s, "corp")
    s.stop()
    s.start()
    status, url = out(b)
    check("after a restart without the token", (status, "id_token_hint" in url, "client_id=songhua" in url), (200, False, True))
    put(s, "corp", sign_out=False)
    check("as it is set", out(in_as(s, "corp")), (204, None))
    put(s, "corp", sign_out=True)
    check("not for who came by a password", s.raw("DELETE", "/api/v1/sessions/current", None, {"Authorization": "Bearer " + s.post(
        "/api/v1/sessions", {"user": "admin", "password": PASSWORD})["token"]})[0], 204)


def made(s):
    check("made with its roles", in_as(s, "es", "wang").who()["user"]["roles"], ["viewer"])
    check("and stays who it is", in_as(s, "es", "wang").name(), "wang")
    put(s, "es", client_id="songhua-ps")
    check("by PS256 as well", in_as(s, "es", "wang").name(), "wang")
    put(s, "es", client_id="songhua-es")
    person = s.get("/api/v1/people/wang")
    check("as the provider tells", (person["display"], person["language"]), ("wang (corp)", "en"))
    in_as(s, "es", "li", want="/#sign-in=name_taken")
    in_as(s, "es", "admin", want="/#sign-in=name_taken")
    s.call("DELETE", "/api/v1/people/li/identities/corp")
    s.call("POST", "/api/v1/people/li/identities", {"provider": "ed", "subject": "id-of-li"})
    check("roles by groups", sorted(in_as(s, "ed").who()["user"]["roles"]), ["operator", "viewer"])
    put(s, "ed", map=[{"value": "operators", "role": "viewer"}])
    check("others at the next time", in_as(s, "ed").who()["user"]["roles"], ["viewer"])
    in_as(s, "ed", "boss", want="/#sign-in=no_role")
    s.call("PUT", "/api/v1/roles/shift", {"permissions": ["overview.read"]})
    put(s, "ed", map=[{"value": "administrators", "role": "shift"}])
    s.call("PUT", "/api/v1/roles/shift", {"permissions": ["overview.read", "people.write"]})
    in_as(s, "ed", "boss", want="/#sign-in=administrator")
    s.call("PATCH", "/api/v1/config", {"set": {"signin.administrators": "true"}, "note": "for a moment"})
    check("allowed without a restart", in_as(s, "ed", "boss").who()["user"]["roles"], ["shift"])
    s.call("PATCH", "/api/v1/config", {"set": {"signin.administrators": "false"}, "note": ""})
    in_as(s, "ed", "boss", want="/#sign-in=administrator")
    put_back = {"provider": "corp", "subject": "id-of-li"}
    s.call("DELETE", "/api/v1/people/li/identities/ed")
    s.call("POST", "/api/v1/people/li/identities", put_back)
    s.call("PUT", "/api/v1/people/li", {"roles": ["engineer"]})


def confirming(s):
    """guard.confirm_after is 2 s here: a person without a password confirms at the provider."""
    b = in_as(s, "corp")
    who = b.who()
    check("ways to confirm", (who["password"], who["providers"]), (False, ["corp"]))
    time.sleep(2.2)
    check("asked", b.api("POST", "sessions/current/totp")[1]["code"], "confirm_needed")
    check("somebody else there", b.enter("corp", "wang", query="?for=confirm"), "/#sign-in=other_person&confirm=1")
    check("asked still", b.api("POST", "sessions/current/totp")[1]["code"], "confirm_needed")
    check("confirmed", b.enter("corp", query="?for=confirm"), "/#sign-in=confirmed&confirm=1")
    status, begun = b.api("POST", "sessions/current/totp")
    check("done", status, 201)
    check("a factor of ours", b.api("PUT", "sessions/current/totp", {"code": oathtool(begun["secret"])})[0], 200)
    check("audited", len(audited(s, "session.confirmed", "id-of-li")), 1)
    check("nobody to confirm", Browser(s).enter("corp", query="?for=confirm"), "/#sign-in=other_person&confirm=1")
    return begun["secret"]


def second(s, secret):
    used = oathtool(secret)

    def code():
        while oathtool(secret) == code.last:
            time.sleep(0.5)
        code.last = oathtool(secret)
        return code.last

    code.last = used
    b = in_as(s, "corp", want="/#sign-in=code")
    check("not in yet", b.name(), None)
    check("a wrong one", b.api("POST", "sign-in/code", {"code": "000000"})[1]["code"], "bad_credentials")
    check("none", b.api("POST", "sign-in/code", {})[1]["code"], "code_needed")
    check("another browser", Browser(s).api("POST", "sign-in/code", {"code": "000000"})[1]["code"], "sign_in_over")
    check("the right one", b.api("POST", "sign-in/code", {"code": code()})[0], 201)
    check("in", b.name(), "li")
    check("audited", audited(s, "session.created", "and code")[0]["detail"], "provider corp, subject id-of-li and code")
    check("once", b.api("POST", "sign-in/code", {"code": "000000"})[1]["code"], "sign_in_over")
    put(s, "corp", second_factor="provider")
    in_as(s, "corp", want="/#sign-in=code")
    check("the provider's word is taken", in_as(s, "corp", otp=True).name(), "li")
    s.call("DELETE", "/api/v1/people/li/second-factor")


def policy(s):
    """The node wants a second factor of everybody."""
    s.stop()
    s.settings["guard.second_factor"] = "all"
    s.start()
    s.sign_in()
    in_as(s, "corp", want="/#sign-in=second_missing")
    who = in_as(s, "corp", otp=True).who()
    check("whole by the provider's word", (who["must"], "devices.read" in who["permissions"]), ([], True))
    check("without it, ours is set up first", in_as(s, "es", "wang").who()["must"], ["second_factor"])
    s.stop()
    s.settings.pop("guard.second_factor")
    s.start()


def hostile(s, peer):
    def nxt(what):
        peer.ask("POST", "/next", {"break": what})

    nxt("")
    check("good as it is", in_as(s, "evil", want="/#sign-in=name_taken").name(), None)
    s.call("POST", "/api/v1/people/li/identities", {"provider": "evil", "subject": "id-of-li"})
    b = in_as(s, "evil")
    check("good", b.name(), "li")
    check("no way to sign out there", b.api("DELETE", "sessions/current")[0], 204)
    for what, why in (
        ("nonce", "token_nonce"), ("no_nonce", "token_nonce"), ("audience", "token_audience"), ("two_audiences", "token_audience"),
        ("azp", "token_audience"), ("issuer", "token_issuer"), ("expired", "token_expired"), ("future", "clock"), ("no_sub", "token"),
        ("alg_none", "token_signature"), ("alg_hs256", "token_signature"), ("other_key", "token_signature"),
        ("own_key_in_header", "token_signature"), ("mix_up", "token_issuer"), ("no_iss", "token_issuer"), ("state", "state"),
    ):
        nxt(what)
        b = in_as(s, "evil", want="/#sign-in=" + why)
        check(f"{what}: nobody came in", b.name(), None)
    nxt("skew")
    check("a minute of skew is taken", in_as(s, "evil").name(), "li")

    nxt("")
    b = Browser(s)
    back = b.enter("evil", stop=b.ours("/api/v1/sign-in/evil/callback"))
    for other, what in ((Browser(s), "a browser that did not begin"), ):
        check(what, other.hop(back, cross=True)[1], other.ours("/#sign-in=state"))
    check("a changed state", b.hop(re.sub("state=[^&]*", "state=x", back), cross=True)[1], b.ours("/#sign-in=state"))
    check("at another provider's door", b.hop(back.replace("/evil/", "/corp/"), cross=True)[1], b.ours("/#sign-in=state"))
    check("and still good where it belongs", b.hop(back, cross=True)[1], b.ours("/"))
    tokens = peer.ask("GET", "/seen")["tokens"]
    check("not twice", b.hop(back, cross=True)[1], b.ours("/#sign-in=state"))
    check("the provider was not asked", peer.ask("GET", "/seen")["tokens"], tokens)
    stolen = Browser(s)
    stolen.enter("evil", stop=stolen.ours("/api/v1/sign-in/evil/callback"))
    state = re.search("state=([^&]*)", stolen.enter("evil", stop=stolen.ours("/api/v1/sign-in/evil/callback"))).group(1)
    code = re.search("code=([^&]*)", back).group(1)
    check("a code of another sign-in", stolen.hop(stolen.ours(f"/api/v1/sign-in/evil/callback?code={code}&state={state}&iss={peer.hostile}"),
                                                cross=True)[1], stolen.ours("/#sign-in=code_used"))

    b = in_as(s, "evil")
    b.who()
    time.sleep(2.2)
    for what in ("old_auth", "no_auth"):
        nxt(what)
        check(f"to confirm: {what}", b.enter("evil", query="?for=confirm"), "/#sign-in=not_fresh&confirm=1")
    nxt("")
    check("to confirm", b.enter("evil", query="?for=confirm"), "/#sign-in=confirmed&confirm=1")


def trying(s, peer):
    def ask(what):
        peer.ask("POST", "/next", {"break": what})
        return s.post("/api/v1/identity-providers/evil/try", None)

    for what, code in (("down", "provider_answer"), ("document_issuer", "provider_document"), ("inside", "provider_document"),
                       ("no_keys", "no_keys")):
        answer = ask(what)
        check(f"try: {what}", (answer["good"], answer["code"], len(answer["detail"]) > 20), (False, code, True))
    check("try: good", ask("")["good"], True)
    put(s, "evil", issuer="http://127.0.0.1:1")
    check("try: nobody there", s.post("/api/v1/identity-providers/evil/try", None)["code"], "provider_down")
    put(s, "evil", issuer="https://10.255.255.1")
    check("try: an address inside", s.post("/api/v1/identity-providers/evil/try", None)["code"], "address")
    put(s, "evil", issuer=peer.hostile)
    # keys are fetched anew for a key that is not known, not more than once a minute
    before = peer.ask("GET", "/seen")["keys"]
    for _ in range(3):
        peer.ask("POST", "/next", {"break": "own_key_in_header"})
        in_as(s, "evil", want="/#sign-in=token_signature")
    check("the keys were fetched once", peer.ask("GET", "/seen")["keys"] - before, 1)


def ending(s):
    b = in_as(s, "corp", otp=True)
    check("in", b.name(), "li")
    put(s, "corp", disabled=True)
    check("its sessions end with it", b.name(), None)
    check("the door is gone", [d["id"] for d in s.get("/api/v1/sign-in")["providers"]], ["ed", "es", "evil"])
    in_as(s, "corp", want="/#sign-in=provider_off")
    put(s, "corp", disabled=False)
    b = in_as(s, "corp", otp=True)
    check("somebody is linked", refused(s, "DELETE", "/api/v1/identity-providers/corp"), (409, "state"))
    s.call("DELETE", "/api/v1/people/li/identities/corp")
    check("unlinked, sessions end", b.name(), None)
    s.call("DELETE", "/api/v1/identity-providers/corp")
    check("no password, no way in", Browser(s).api("POST", "sessions", {"user": "li", "password": LI})[1]["code"], "bad_credentials")
    details = json.dumps(s.get("/api/v1/audit?limit=200&act=provider.")["items"])
    check("changes are audited, secrets are not", ('\\"before\\"' in details, SECRET in details), (True, False))


def inside(s, peer):
    """Without signin.allow nothing inside is called."""
    s.stop()
    s.settings.pop("signin.allow")
    s.start()
    s.sign_in()
    check("try", s.post("/api/v1/identity-providers/evil/try", None)["code"], "address")
    in_as(s, "evil", want="/#sign-in=address")
    allow = lambda value: s.call("PATCH", "/api/v1/config", {"set": {"signin.allow": value}})  # noqa: E731
    allow("10.0.0.0/8,127.0.0.1")
    check("allowed without a restart", s.post("/api/v1/identity-providers/evil/try", None)["good"], True)
    allow(None)
    check("and no longer", s.post("/api/v1/identity-providers/evil/try", None)["code"], "address")
    s.call("PATCH", "/api/v1/config", {"set": {"signin.url": "https://console.plant.cn/"}})
    check("where browsers reach us, without a restart", s.get("/api/v1/identity-providers")["signed_out"],
          "https://console.plant.cn/api/v1/sign-in/{id}/signed-out")
    s.call("PATCH", "/api/v1/config", {"set": {"signin.url": None}})
    check("taken back", s.get("/api/v1/identity-providers")["callback"], f"http://127.0.0.1:{s.http}/api/v1/sign-in/{{id}}/callback")
    check("the stored secret outlives the restart", s.get("/api/v1/identity-providers/evil")["has_secret"], True)


class Peer:
    def __init__(self, node, callbacks):
        self.port, self.hostile_port = free_ports(2)
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.hostile = f"http://127.0.0.1:{self.hostile_port}"
        self.process = subprocess.Popen([node, os.path.join(ROOT, "tests", "oidc_peer.mjs"), str(self.port), str(self.hostile_port), *callbacks],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while self.process.stdout.readline().strip() != "ready":
            if self.process.poll() is not None:
                sys.exit("the provider does not start")

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.hostile_port, timeout=10)
        c.request(method, path, None if body is None else json.dumps(body))
        return json.loads(c.getresponse().read())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def main():
    node = shutil.which("node", path=os.pathsep.join([os.path.join(ROOT, "build", "node", "bin"), os.environ.get("PATH", "")]))
    if node is None or not os.path.isdir(os.path.join(ROOT, "web", "node_modules", "oidc-provider")):
        skip("node, or oidc-provider of web/node_modules, is not installed")
    if shutil.which("oathtool") is None:
        skip("oathtool is not installed")
    with Songhua({"signin.allow": "127.0.0.1", "guard.confirm_after": "2s"}) as s:
        peer = Peer(node, [f"http://127.0.0.1:{s.http}/api/v1/sign-in/{p}/callback" for p in ("corp", "es", "ed")])
        try:
            run(s, peer)
        finally:
            peer.close()
    print("ok")


def run(s, peer):
    s.sign_in()
    s.token = s.post("/api/v1/tokens", {"name": "all", "roles": ["administrator"]})["token"]  # confirms nothing
    keep, s.sign_in = s.token, lambda: setattr(s, "token", keep)
    providers(s, peer)
    linked(s)
    leaving(s, peer)
    made(s)
    secret = confirming(s)
    second(s, secret)
    policy(s)
    hostile(s, peer)
    trying(s, peer)
    ending(s)
    inside(s, peer)


main()
