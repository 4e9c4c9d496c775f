"""Every route of /api/v1/openapi.json is called as nobody, as a person of each builtin role and as the administrator of another tenant
with the same ids: what x-permission and the role's permissions say is what happens, nothing of one tenant is seen by the other, and
every problem has code, detail and remedy in Chinese and English. Then what is wrong with a request itself: CSRF, Origin, JSON, size,
route, method.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import re
import sys

from songhua import PASSWORD, Songhua

T = 1_700_000_000_000
WORD = "Songhua-rights-1898"
SECRET_MARK = "rootmark"  # in every thing of the root that the other tenant must not see
WITHOUT_BODY = {"get", "delete"}
# What each route gets: (path parameters, query, body). Valid enough to succeed, or to fail after the permission check.
IDS = {"id": "dev", "name": "nobody-here", "type": "order", "hash": "00" * 32, "path": "nowhere", "device": "dev", "property": "f", "fingerprint": "00" * 32, "request": "MA", "revision": "1"}
PARAMETERS = {
    "getThing": {"id": "model"},
    "putThing": {"id": "model"},
    "listThingVersions": {"id": "model"},
    "getThingVersion": {"id": "model"},
    "compareThing": {"id": "model"},
    "restoreThing": {"id": "model"},
    "thingUses": {"id": "model"},
    "deleteThing": {"id": "unused"},
    "putAsset": {"id": "site"},
    "deleteAsset": {"id": "unused"},
    "getChannel": {"id": "line"},
    "putChannel": {"id": "line"},
    "deleteChannel": {"id": "unused"},
    "getCommand": {"id": "unused"},
    "deleteToken": {"id": "unused"},
    "getRecord": {"id": "o1"},
    "putRecord": {"id": "o1"},
    "deleteRecord": {"id": "unused"},
    "listRevisions": {"id": "o1"},
    "deleteType": {"type": "unused"},
    "deleteDevice": {"id": "unused"},
    "renameDevice": {"id": "unused"},
    "replaceDevice": {"id": "unused"},
    "newDeviceSecret": {"id": "unused"},
    "putRole": {"name": "viewer"},  # builtin: refused by all, after the check
}
QUERIES = {"latest": "?points=dev/f", "exportHistory": "?points=dev/f&from=0&to=4000000000000", "ingest": "?device=dev", "compareThing": "?from=1"}
BODIES = {"writeLines": "dev f=1", "writeLinesV2": "dev f=1", "importDevices": "id,name\n", "putBlob": "x", "ingest": "{}", "importThings": []}
SKIPPED = {"mqttWebSocket", "stream", "signOut"}  # an upgrade, an endless answer, and the session of the others


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def raw(s, method, path, token=None, body=None, **headers):
    head = {k.replace("_", "-"): v for k, v in headers.items()}
    if token:
        head["Authorization"] = "Bearer " + token
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    elif isinstance(body, str):
        body = body.encode()
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
    try:
        c.request(method, path, body, head)
        a = c.getresponse()
        return a.status, a.headers, a.read()
    finally:
        c.close()


def problem(what, answer, code=None):
    status, headers, data = answer
    kind = headers.get("Content-Type", "")
    check(f"{what}: content type", kind.split(";")[0], "application/problem+json")
    p = json.loads(data)
    check(f"{what}: status in the body", p["status"], status)
    for member in ("type", "title", "code", "detail", "remedy"):
        if not p.get(member):
            sys.exit(f"{what}: {member} is missing or empty in {p}")
    if code is not None:
        check(f"{what}: code", p["code"], code)
    return p


def routes(s):
    doc = s.get("/api/v1/openapi.json")
    check("OpenAPI", doc["openapi"], "3.1.0")
    out = []
    for path, methods in doc["paths"].items():
        for method, r in methods.items():
            out.append((r["operationId"], method, path, r["x-permission"], "requestBody" in r))
    check("operation ids differ", len({r[0] for r in out}), len(out))
    return out


def request_of(route):
    name, method, path, _, has_body = route
    ids = {**IDS, **PARAMETERS.get(name, {})}
    path = re.sub(r"\{(\w+)\}", lambda m: ids.get(m.group(1), "unused"), path) + QUERIES.get(name, "")
    body = BODIES.get(name, {} if has_body else None)
    return method.upper(), path, body


def fill(s, tenant, mark):
    """The same ids in each tenant; `mark` stands in everything, so that a leak is seen."""
    q = f"?tenant={tenant}" if tenant else ""
    s.post(f"/api/v1/things{q}", {"id": "model", "name": {"zh": mark, "en": mark}, "properties": [{"id": "f", "type": "f64"}]})
    s.post(f"/api/v1/assets{q}", {"id": "site", "kind": "site", "name": mark})
    s.post(f"/api/v1/devices{q}", {"id": "dev", "name": mark, "labels": {"owner": mark}})
    s.post(f"/api/v1/devices{q}", {"id": f"only-{mark}", "name": mark})
    s.post(f"/api/v1/types{q}", {"name": "order", "schema": {"type": "object"}})
    s.post(f"/api/v1/records/order?id=o1{'&' + q[1:] if q else ''}", {"title": mark})
    s.post(
        f"/api/v1/channels{q}",
        {"id": "line", "driver": "modbus", "enabled": False, "config": {"mode": "dial", "address": "127.0.0.1:9", "options": {}}, "devices": []},
    )
    s.post(f"/api/v1/ingest?device=dev{'&' + q[1:] if q else ''}", {"ts": T, "values": {"f": len(mark), "s": mark}})
    s.post(f"/api/v1/tokens{q}", {"name": mark, "roles": ["viewer"]})
    s.post(f"/api/v1/people{q}", {"name": f"p-{mark}", "password": WORD, "roles": ["viewer"], "display": mark})


def sign_in(s, user):
    return s.post("/api/v1/sessions", {"user": user, "password": WORD})["token"]


def languages(s, what, method, path, token, body):
    zh = problem(f"{what} zh", raw(s, method, path, token, body, Accept_Language="zh-CN,zh;q=0.9"))
    en = problem(f"{what} en", raw(s, method, path, token, body, Accept_Language="en"))
    check(f"{what}: one code", zh["code"], en["code"])
    for member in ("title", "remedy"):
        if not re.search(r"[\u4e00-\u9fff]", zh[member]) or re.search(r"[\u4e00-\u9fff]", en[member]):
            sys.exit(f"{what}: {member} is not in the caller's language: {zh[member]!r}, {en[member]!r}")


def as_nobody(s, all_routes):
    for r in all_routes:
        name, _, _, permission, _ = r
        method, path, body = request_of(r)
        if permission == "public" or name in SKIPPED:
            continue
        for token in (None, "nonsense"):
            answer = raw(s, method, path, token, body)
            check(f"nobody: {method} {path}", answer[0], 401)
            problem(name, answer, "not_signed_in")
        languages(s, f"nobody: {name}", method, path, None, body)
    status, headers, _ = raw(s, "GET", "/metrics")
    check("WWW-Authenticate", (status, headers.get("WWW-Authenticate")), (401, "Bearer"))


def as_roles(s, all_routes):
    roles = {r["name"]: set(r["permissions"]) for r in s.get("/api/v1/roles?limit=100")["items"] if r["builtin"]}
    check("builtin roles", {"administrator", "engineer", "operator", "viewer", "auditor", "device", "ingest"} <= set(roles), True)
    calls = 0
    for role, permissions in roles.items():
        if role == "anonymous":
            continue
        s.post("/api/v1/people", {"name": f"as-{role}", "password": WORD, "roles": [role]})
        token = sign_in(s, f"as-{role}")
        me = json.loads(raw(s, "GET", "/api/v1/sessions/current", token)[2])
        named = {p for p in me["permissions"]}
        if not any("*" in p for p in permissions):
            check(f"{role}: permissions of the session", named, permissions)
        for r in all_routes:
            name, _, _, permission, _ = r
            if name in SKIPPED or name == "changePassword":
                continue
            if role in ("administrator",) and name in ("deleteHistory",):
                continue
            method, path, body = request_of(r)
            status, headers, data = raw(s, method, path, token, body)
            calls += 1
            may = permission in ("public", "signed in") or permission in named
            if not may:
                check(f"{role}: {method} {path} ({permission})", status, 403)
                problem(f"{role}: {name}", (status, headers, data), "denied")
                continue
            if status in (401, 403) and not (name in ("putRole", "signIn", "signInByLink", "estEnroll", "estReenroll", "provisionDevice", "codeDoor", "keyDoor") or b"read-only" in data):
                sys.exit(f"{role} holds {permission} but {method} {path} answered {status}: {data[:300]}")
            if status >= 500:
                sys.exit(f"{role}: {method} {path} answered {status}: {data[:300]}")
            if status >= 400 and path.startswith("/api/v1/prom/api/"):  # these speak the form of Prometheus
                check(f"{role}: {name}", json.loads(data)["status"], "error")
            elif status >= 400:
                problem(f"{role}: {name}", (status, headers, data))
        print(f"  {role}: ok", flush=True)
    languages(s, "denied", "GET", "/api/v1/people", sign_in(s, "as-viewer"), None)
    return calls


def nothing_leaks(s, all_routes, token, mine):
    """The administrator of another tenant calls everything; nothing of the root comes out."""
    # the same names are mine, not theirs
    check("device", json.loads(raw(s, "GET", "/api/v1/devices/dev", token)[2])["name"], mine)
    check("only theirs", raw(s, "GET", f"/api/v1/devices/only-{SECRET_MARK}", token)[0], 404)
    got = json.loads(raw(s, "POST", "/api/v1/history/query", token, {"points": ["dev/s"], "from": 0, "to": 4_000_000_000_000})[2])
    check("history", got["series"][0]["value"], [mine])
    got = json.loads(raw(s, "GET", "/api/v1/latest?points=dev/s", token)[2])
    check("latest", got["items"][0]["value"], mine)
    check("record", json.loads(raw(s, "GET", "/api/v1/records/order/o1", token)[2])["record"]["title"], mine)
    for r in all_routes:
        name = r[0]
        if name in SKIPPED or name in ("changePassword", "openapi", "config", "metrics"):
            continue
        method, path, body = request_of(r)
        if method == "DELETE" or name in ("renameDevice", "replaceDevice"):
            continue
        for variant in (path, path + ("&" if "?" in path else "?") + "tenant="):
            status, _, data = raw(s, method, variant, token, body)
            if SECRET_MARK.encode() in data:
                sys.exit(f"{method} {variant} shows the root tenant's data: {data[:400]}")
            if status >= 500:
                sys.exit(f"{method} {variant} answered {status}: {data[:300]}")
            if variant != path and r[3] not in ("public",) and status < 400:
                sys.exit(f"{method} {variant}: the tenant above was allowed")
    for tenant in ("", "park/none", "west"):
        answer = raw(s, "GET", f"/api/v1/devices?tenant={tenant}", token)
        check(f"?tenant={tenant}", answer[0], 404)
        problem("tenant", answer, "not_found")
    # ids of things that are one number or hash for the whole node
    blob = s.post("/api/v1/blobs", f"file of {SECRET_MARK}", "text/plain")["hash"]
    check("blob by hash", raw(s, "GET", f"/api/v1/blobs/{blob}", token)[0], 404)
    for t in s.get("/api/v1/tokens?limit=100")["items"]:
        if t["name"] == SECRET_MARK:
            check("token by id", raw(s, "DELETE", f"/api/v1/tokens/{t['id']}", token)[0], 404)
    check("person", raw(s, "DELETE", f"/api/v1/people/p-{SECRET_MARK}", token)[0], 404)
    check("above", raw(s, "PUT", "/api/v1/tenants/west", token, {"name": "mine"})[0] in (403, 404), True)
    check("beside", raw(s, "POST", "/api/v1/tenants", token, {"path": "east", "name": "x"})[0] in (403, 404), True)
    # deletions in one tenant leave the other's alone
    check("delete", raw(s, "DELETE", "/api/v1/records/order/o1", token)[0], 204)
    check("theirs stays", s.get("/api/v1/records/order/o1")["record"]["title"], SECRET_MARK)
    check("rename", raw(s, "POST", "/api/v1/devices/dev/rename", token, {"to": "dev2"})[0], 200)
    check("theirs is not renamed", s.get("/api/v1/devices/dev")["id"], "dev")
    # and the root sees its own only, unless it asks below
    check("root's own", [d["name"] for d in s.get("/api/v1/devices?q=only-")["items"]], [SECRET_MARK])
    check("root asks below", [d["name"] for d in s.get("/api/v1/devices?q=only-&tenant=park")["items"]], [mine])


def no_more_than_one_has(s):
    """Who may change people, tokens or roles gives nothing that they lack."""
    s.put("/api/v1/roles/clerk", {"permissions": ["people.write", "people.read", "tokens.write", "roles.write"]})
    s.post("/api/v1/people", {"name": "clerk", "password": WORD, "roles": ["clerk"]})
    token = sign_in(s, "clerk")
    for method, path, body in (
        ("POST", "/api/v1/people", {"name": "evil", "password": WORD, "roles": ["administrator"]}),
        ("PUT", "/api/v1/people/clerk", {"roles": ["administrator"]}),
        ("POST", "/api/v1/tokens", {"name": "evil", "roles": ["administrator"]}),
        ("POST", "/api/v1/tokens", {"name": "evil", "permissions": ["devices.write"]}),
        ("PUT", "/api/v1/roles/clerk", {"permissions": ["people.write", "audit.read"]}),
    ):
        answer = raw(s, method, path, token, body)
        check(f"clerk: {method} {path} {body}", answer[0], 403)
        problem("clerk", answer)
    answer = raw(s, "PUT", "/api/v1/people/admin", token, {"password": WORD, "roles": ["administrator"]})
    check("clerk takes over admin", answer[0], 403)
    s.delete("/api/v1/people/as-administrator")
    for method, body in (("DELETE", None), ("PUT", {"roles": ["viewer"]}), ("PUT", {"roles": ["administrator"], "disabled": True})):
        answer = raw(s, method, "/api/v1/people/admin", s.token, body)
        check(f"the last administrator stays: {method} {body}", answer[0], 409)
        problem("last", answer, "state")


def revoked_at_once(s):
    made = s.make_token(name="short", roles=["viewer"])
    check("before", raw(s, "GET", "/api/v1/devices", made["token"])[0], 200)
    s.delete("/api/v1/tokens/" + str(made["id"]))
    check("after", raw(s, "GET", "/api/v1/devices", made["token"])[0], 401)
    token = sign_in(s, "as-operator")
    check("before", raw(s, "GET", "/api/v1/devices", token)[0], 200)
    s.put("/api/v1/people/as-operator", {"roles": ["auditor"]})
    check("another role at once", raw(s, "GET", "/api/v1/devices", token)[0], 403)
    s.delete("/api/v1/people/as-operator")
    check("removed", raw(s, "GET", "/api/v1/audit", token)[0], 401)
    bound = s.make_token(name="bound", device="dev", permissions=["ingest.write", "devices.read", "points.read", "history.read"])["token"]
    check("bound: own", raw(s, "POST", "/api/v1/ingest?device=dev", bound, {"ts": T + 9, "values": {"f": 1}})[0], 200)
    check("bound: other", raw(s, "POST", f"/api/v1/ingest?device=only-{SECRET_MARK}", bound, {"f": 1})[0] >= 400, True)
    check("bound: read own", raw(s, "GET", "/api/v1/devices/dev", bound)[0], 200)
    check("bound: read other", raw(s, "GET", f"/api/v1/devices/only-{SECRET_MARK}", bound)[0], 404)
    s.post(f"/api/v1/ingest?device=only-{SECRET_MARK}", {"ts": T, "values": {"f": 5}})
    for method, path, body in (
        ("GET", f"/api/v1/devices/only-{SECRET_MARK}/latest", None),
        ("GET", f"/api/v1/latest?points=only-{SECRET_MARK}/f", None),
        ("POST", "/api/v1/history/query", {"points": [f"only-{SECRET_MARK}/f"], "from": 0, "to": 4_000_000_000_000}),
        ("GET", "/api/v1/devices", None),
    ):
        status, _, data = raw(s, method, path, bound, body)
        if status < 400 and f"only-{SECRET_MARK}" in data.decode():
            sys.exit(f"a token bound to dev reads {method} {path}: {data[:200]}")


def cookies(s):
    status, headers, data = raw(s, "POST", "/api/v1/sessions", None, {"user": "admin", "password": PASSWORD})
    check("sign in", status, 201)
    cookie = headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
        check(word, word in cookie, True)
    cookie, csrf = cookie.split(";")[0], json.loads(data)["csrf"]
    own = f"http://127.0.0.1:{s.http}"
    check("read", raw(s, "GET", "/api/v1/devices", None, None, Cookie=cookie)[0], 200)
    body = {"id": "by-cookie"}
    problem("no CSRF", raw(s, "POST", "/api/v1/devices", None, body, Cookie=cookie), "csrf")
    problem("wrong CSRF", raw(s, "POST", "/api/v1/devices", None, body, Cookie=cookie, X_CSRF_Token=csrf[:-1] + ("1" if csrf[-1] == "0" else "0")), "csrf")
    other = json.loads(raw(s, "POST", "/api/v1/sessions", None, {"user": "admin", "password": PASSWORD})[2])["csrf"]
    problem("another session's CSRF", raw(s, "POST", "/api/v1/devices", None, body, Cookie=cookie, X_CSRF_Token=other), "csrf")
    for origin in ("http://evil.example", f"http://127.0.0.1:{s.http}.evil.example", "null", own + "@evil.example"):
        answer = raw(s, "POST", "/api/v1/devices", None, body, Cookie=cookie, X_CSRF_Token=csrf, Origin=origin)
        check(origin, answer[0], 403)
        problem(origin, answer, "bad_origin")
        problem(origin, raw(s, "GET", "/api/v1/devices", None, None, Cookie=cookie, Origin=origin), "bad_origin")
    check("all right", raw(s, "POST", "/api/v1/devices", None, body, Cookie=cookie, X_CSRF_Token=csrf, Origin=own)[0], 201)
    # an upgrade with a foreign origin is refused, too
    answer = raw(
        s, "GET", "/mqtt", None, None, Origin="http://evil.example", Upgrade="websocket", Connection="Upgrade",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", Sec_WebSocket_Version="13", Sec_WebSocket_Protocol="mqtt",
    )
    check("WebSocket of a foreign origin", answer[0], 403)
    check("signed out", raw(s, "DELETE", "/api/v1/sessions/current", None, None, Cookie=cookie, X_CSRF_Token=csrf)[0], 204)
    check("gone", raw(s, "GET", "/api/v1/devices", None, None, Cookie=cookie)[0], 401)


def bad_requests(s):
    t = s.token
    for text in ("{", "[1,", "{}x", '{"a":1,"a":2}', "\xff", "1", '"x"', "[" * 3000):
        body = text.encode("latin-1")
        status, headers, data = raw(s, "POST", "/api/v1/devices", t, body)
        if status not in (400, 413):
            sys.exit(f"{text[:20]!r} answered {status}: {data[:200]}")
        problem(text[:20], (status, headers, data), "bad_json")
    problem("empty", raw(s, "POST", "/api/v1/devices", t, ""), "bad_json")
    problem("no such route", raw(s, "GET", "/api/v1/nothing", t), "unknown_route")
    check("no such route", raw(s, "GET", "/api/v1/nothing", t)[0], 404)
    for method, path in (("DELETE", "/api/v1/devices"), ("POST", "/api/v1/devices/x"), ("PUT", "/write"), ("PATCH", "/healthz")):
        status, headers, data = raw(s, method, path, t, "{}")
        check(f"{method} {path}", status, 405)
        problem(method, (status, headers, data), "method_not_allowed")
        if not headers.get("Allow"):
            sys.exit(f"405 without Allow (RFC 9110 15.5.6): {method} {path}")
    languages(s, "404", "GET", "/api/v1/nothing", t, None)
    languages(s, "405", "DELETE", "/api/v1/devices", t, None)
    languages(s, "unknown device", "GET", "/api/v1/devices/none", t, None)
    languages(s, "unknown point", "POST", "/api/v1/history/query", t, {"points": ["no/such"]})
    languages(s, "bad JSON", "POST", "/api/v1/devices", t, b"{")
    for path in ("/api/v1/devices/%2e%2e", "/api/v1/devices/..%2f..%2fetc", "/api/v1/devices/%00", "/api/v1/devices/%zz", "/%2e%2e/%2e%2e/etc/passwd", "/../etc/passwd"):
        status, _, data = raw(s, "GET", path, t)
        if status not in (400, 404) and b"root:" in data:
            sys.exit(f"{path} answered {status}: {data[:100]}")
        check(path, status < 500, True)
    # larger than a route takes: refused by its length before it is sent
    c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=30)
    c.putrequest("POST", "/api/v1/devices")
    c.putheader("Authorization", "Bearer " + t)
    c.putheader("Content-Length", str(1 << 30))
    c.endheaders()
    a = c.getresponse()
    check("too large", a.status, 413)
    c.close()
    check("long path", raw(s, "GET", "/api/v1/devices/" + "x" * 100_000, t)[0] in (400, 414, 431), True)
    check("still there", raw(s, "GET", "/healthz")[0], 200)
    for body in ({"user": "admin"}, {"user": 1, "password": []}, {"user": "a" * 10_000, "password": "x"}, {"user": "admin\u0000", "password": PASSWORD}):
        status = raw(s, "POST", "/api/v1/sessions", None, body)[0]
        check(f"sessions {str(body)[:40]}", status in (400, 401), True)


def locked(s):
    s.post("/api/v1/people", {"name": "slow", "password": WORD, "roles": ["viewer"]})
    codes = [raw(s, "POST", "/api/v1/sessions", None, {"user": "slow", "password": "Wrong-word-1"}) for _ in range(7)]
    check("refused, then locked", [a[0] for a in codes][-1], 429)
    check("Retry-After", int(codes[-1][1]["Retry-After"]) > 0, True)
    problem("locked", codes[-1], "locked")
    problem("refused", codes[0], "bad_credentials")


def main():
    with Songhua() as s:
        all_routes = routes(s)
        s.post("/api/v1/tenants", {"path": "park", "name": "Park"})
        s.post("/api/v1/tenants", {"path": "west", "name": SECRET_MARK})
        fill(s, "", SECRET_MARK)
        fill(s, "park", "parkmark")
        s.post("/api/v1/people?tenant=park", {"name": "boss", "password": WORD, "roles": ["administrator"]})
        as_nobody(s, all_routes)
        print(f"as_nobody ok: {len(all_routes)} routes", flush=True)
        nothing_leaks(s, all_routes, sign_in(s, "boss@park"), "parkmark")
        print("nothing_leaks ok", flush=True)
        calls = as_roles(s, all_routes)
        print(f"as_roles ok: {calls} calls", flush=True)
        for part in (no_more_than_one_has, revoked_at_once, cookies, bad_requests, locked):
            part(s)
            print(part.__name__, "ok", flush=True)


if __name__ == "__main__":
    main()
