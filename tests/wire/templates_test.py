"""Templates of devices from outside: made, replaced, copied names, what is refused, two who change at once, who may; kept over a restart;
imports that refuse what is there.
SPDX-License-Identifier: Apache-2.0
"""
import sys

from songhua import Problem, Songhua

AT = "/api/v1/device-templates"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def refused(what, status, act, *more):
    try:
        act(*more)
    except Problem as e:
        check(what, e.status, status)
        return e.body
    return sys.exit(f"{what}: it was taken")


def templates(s):
    check("none yet", s.get(AT), {"items": [], "next": None, "total": 0})
    device = {"name": "{n}", "thing": "pump", "labels": {"line": "2"}, "period_ms": 500, "data_class": "important", "data_level": 2}
    one = s.post(AT, {"name": "泵", "description": "循环水", "device": {"id": "not kept", **device}})
    check("made", (one["name"], one["description"], one["device"]), ("泵", "循环水", device))
    check("read", s.get(f"{AT}/{one['id']}"), one)
    said = refused("unknown thing model", 400, s.post, AT, {"name": "x", "device": {"thing": "nosuch"}})
    check("says where", "/thing" in str(said), True)
    for body in ({"name": "", "device": {}}, {"name": "x" * 201, "device": {}}, {"name": "x"}, {"name": "x", "device": []},
                 {"name": "x", "device": {"colour": 1}}, {"name": "x", "description": "y" * 1001, "device": {}}):
        refused(str(body)[:60], 400, s.post, AT, body)
    refused("another of this name", 409, s.post, AT, {"name": "泵", "device": {}})
    two = s.post(AT, {"name": "风机", "device": {}})
    refused("renamed to another's", 409, s.put, f"{AT}/{two['id']}", {"name": "泵", "device": {}})
    head = {"If-Match": f'"{one["revision"]}"', "Content-Type": "application/json"}
    changed = s.call("PUT", f"{AT}/{one['id']}", {"name": "泵", "device": {"labels": {"line": "3"}}}, headers=head)
    check("replaced whole", (changed["description"], changed["device"]), (None, {"labels": {"line": "3"}}))
    refused("somebody was faster", 412, lambda: s.call("PUT", f"{AT}/{one['id']}", {"name": "泵", "device": {}}, headers=head))
    s.delete(f"{AT}/{two['id']}")
    refused("twice", 404, s.delete, f"{AT}/{two['id']}")
    refused("gone", 404, s.put, f"{AT}/{two['id']}", {"name": "z", "device": {}})
    refused("gone", 404, s.get, f"{AT}/{two['id']}")
    acts = [e["act"] for e in s.get("/api/v1/audit?limit=100")["items"]]
    check("audited", (acts.count("device_template.put"), acts.count("device_template.deleted")), (3, 1))
    return changed


def who_may(s):
    """Who holds a part of the plant has no templates: they name things of all of it."""
    s.post("/api/v1/assets", {"id": "cell", "kind": "cell", "name": "C"})
    s.post("/api/v1/people", {"name": "li", "password": "Long-enough-2025-words", "grants": [{"role": "engineer", "asset": "cell"}]})
    own, s.token = s.token, s.post("/api/v1/sessions", {"user": "li", "password": "Long-enough-2025-words"})["token"]
    try:
        refused("a part", 403, s.get, AT)
        refused("a part", 403, s.post, AT, {"name": "x", "device": {}})
    finally:
        s.token = own


def imports(s):
    at = "/api/v1/devices/import?format=json"
    check("made", s.post(at + "&existing=refuse", [{"id": "a", "name": "A"}]), {"created": 1, "updated": 0, "rejected": []})
    got = s.post(at + "&existing=refuse", [{"id": "a", "name": "B"}, {"id": "b"}])
    check("refused", (got["created"], [(e["row"], e["code"]) for e in got["rejected"]]), (1, [(1, "exists")]))
    check("as it was", s.get("/api/v1/devices/a")["name"], "A")
    check("without it they are updated", s.post(at, [{"id": "a", "name": "B"}])["updated"], 1)
    refused("another word", 400, s.post, at + "&existing=keep", [])


def many(s):
    for i in range(499):
        s.post(AT, {"name": f"n{i}", "device": {}})
    refused("too many", 422, s.post, AT, {"name": "one more", "device": {}})
    check("listed", s.get(AT)["total"], 500)


def main():
    with Songhua() as s:
        s.post("/api/v1/things", {"id": "pump", "properties": [{"id": "flow", "type": "f64"}]})
        kept = templates(s)
        who_may(s)
        imports(s)
        s.stop(kill=True)
        s.start()
        check("kept", s.get(f"{AT}/{kept['id']}"), kept)
        many(s)
    print("templates ok")


if __name__ == "__main__":
    main()
