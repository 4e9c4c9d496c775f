"""`songhua ctl` as people and scripts use it: words of the route table, bodies from options, files and standard input, tables and JSON,
cursors, tokens, exit codes, and words in the caller's language.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import tempfile

from songhua import PASSWORD, Songhua, free_ports

T0 = 1_700_000_000_000


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


class Ctl:
    def __init__(self, s):
        self.s = s
        self.environment = {"SONGHUA_URL": f"http://127.0.0.1:{s.http}", "SONGHUA_TOKEN": s.token, "LANG": "en_US.UTF-8"}

    def run(self, *args, stdin="", **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SONGHUA_", "LC_", "LANG"))}
        return subprocess.run([self.s.path, "ctl", *args], input=stdin, capture_output=True, text=True, timeout=60, check=False,
                              env={**clean, **self.environment, **environment})

    def ok(self, *args, **more):
        a = self.run(*args, **more)
        check(f"{args}: {a.stderr}", a.returncode, 0)
        return a.stdout

    def json(self, *args, **more):
        return json.loads(self.ok(*args, "--json", **more))


def words(ctl):
    check("create", ctl.json("devices", "create", '{"id":"cnc12","name":"铣床"}')["id"], "cnc12")
    check("from options", ctl.json("devices", "create", "--id", "7", "--name", "Nr. 7")["id"], "7")  # text, not a number
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        f.write('{"id":"from-file"}')
        f.flush()
        check("from a file", ctl.json("devices", "create", "@" + f.name)["id"], "from-file")
    check("from standard input", ctl.json("devices", "create", "-", stdin='{"id":"in"}')["id"], "in")
    check("body and options", ctl.json("devices", "create", '{"id":"both"}', "--labels:={\"line\":\"2\"}")["labels"], {"line": "2"})
    check("get", ctl.json("devices", "get", "cnc12")["name"], "铣床")
    check("list", [d["id"] for d in ctl.json("devices", "list", "--q", "cnc")["items"]], ["cnc12"])
    check("list", ctl.json("devices", "list", "--state=online")["items"], [])
    check("patch", ctl.json("devices", "patch", "cnc12", "--location", "Hall 3")["location"], "Hall 3")
    ctl.ok("devices", "create", "--id", "a/b c")
    check("encoded", ctl.json("devices", "get", "a/b c")["id"], "a/b c")
    check("delete", ctl.ok("devices", "delete", "a/b c"), "")
    check("deeper", ctl.json("devices", "certificates", "list", "cnc12")["items"], [])
    check("samples", ctl.json("ingest", '{"ts":%d,"values":{"f":1.5,"n":2}}' % T0, "--device", "cnc12")["accepted"], 2)
    check("lines", ctl.ok("write", "-", stdin=f"m f=2.5 {T0 * 1_000_000}\n"), "")
    got = ctl.json("history", "query", "--points", "cnc12/f,m/f", "--from", str(T0), "--to", str(T0 + 1), "--time", "ms")
    check("query", [(x["point"], x["time"], x["value"]) for x in got["series"]], [("cnc12/f", [T0], [1.5]), ("m/f", [T0], [2.5])])
    edit = ctl.json("history", "delete", "--points", "m/f", "--from", str(T0), "--to", str(T0 + 1), "--reason", "test")["edit"]
    check("withdrawn", ctl.ok("history", "edits", "withdraw", str(edit), "--reason", "not"), "")
    check("no JSON", ctl.ok("metrics").startswith("# HELP songhua_"), True)
    check("PEM", "BEGIN CERTIFICATE" in ctl.ok("device-ca"), True)
    first = ctl.json("tokens", "create", "--name", "t", "--roles", "viewer,ingest")
    check("a list by commas", first["roles"], ["viewer", "ingest"])
    check("key", ctl.run("tokens", "create", "--name", "k", "--roles", "viewer", "--key", "k1").returncode, 0)
    check("key again", ctl.run("tokens", "create", "--name", "k", "--roles", "viewer", "--key", "k1").returncode, 6)
    print("words ok")


def tables(ctl):
    rows = ctl.ok("devices", "list", "--q", "cnc").splitlines()
    check("head", rows[0].split()[:3], ["id", "name", "state"])
    check("row", rows[1].split()[:2], ["cnc12", "铣床"])
    check("Han takes two columns", rows[1].index("online") + 2 if "online" in rows[1] else rows[1].index("offline") + 2, rows[0].index("state"))
    one = dict(line.split(None, 1) for line in ctl.ok("devices", "get", "cnc12").splitlines() if len(line.split(None, 1)) == 2)
    check("an object", (one["id"], one["location"]), ("cnc12", "Hall 3"))
    overview = ctl.ok("overview")
    check("members of members", any(line.startswith("devices.total ") for line in overview.splitlines()), True)
    rows = [line.split() for line in ctl.ok("history", "query", "--points", "cnc12/f", "--time", "ms").splitlines()]
    check("a series", (rows[0][:3], rows[1][:3]), (["point", "time", "value"], ["cnc12/f", str(T0), "1.5"]))
    ctl.ok("devices", "create", "--id", "esc", "--name", "a\x1b[31mb")
    check("no control characters", "\x1b" in ctl.ok("devices", "list", "--q", "esc"), False)
    print("tables ok")


def cursors(ctl):
    lines = "id,name\n" + "".join(f"d{i:04},n\n" for i in range(205))
    ctl.ok("devices", "import", "-", "--format", "csv", stdin=lines)
    page = ctl.run("devices", "list", "--q", "d0", "--limit", "100")
    check("one page", (len(page.stdout.splitlines()), "--cursor" in page.stderr), (101, True))
    every = ctl.json("devices", "list", "--q", "d0", "--limit", "100", "--all")
    check("all pages", ([d["id"] for d in every["items"]], every["next"]), ([f"d{i:04}" for i in range(205)], None))
    check("as a table", len(ctl.ok("devices", "list", "--q", "d0", "--limit", "100", "--all").splitlines()), 206)
    samples = json.dumps([{"ts": T0 + i, "values": {"x": i, "y": -i}} for i in range(250)])
    ctl.ok("ingest", "-", "--device", "many", stdin=samples)
    got = ctl.json("history", "query", "--points", "many/x,many/y", "--from", str(T0), "--to", str(T0 + 250), "--limit", "90", "--all")
    check("all rows", [(x["point"], x["value"]) for x in got["series"]],
          [("many/x", list(range(250))), ("many/y", [-i for i in range(250)])])
    print("cursors ok")


def failures(ctl):
    rows = [
        (["devices", "get", "none"], 5, "not_found"),
        (["devices", "create", "--id", "cnc12"], 6, "exists"),
        (["history", "query", "--points", "cnc12/none"], 5, "unknown_point"),
        (["history", "query", "--points", "cnc12/f", "--step", "1x", "--aggregate", "mean"], 7, "bad_request"),
        (["devices", "create", "{"], 2, "JSON"),
        (["devices", "get"], 2, "id"),
        (["devices", "get", "a", "b"], 2, "b"),
        (["devices", "list", "--colour", "red"], 2, "colour"),
        (["devices", "create", "@/none/such"], 2, "@/none/such"),
        (["nonsense"], 2, "nonsense"),
        (["history", "query", "--limit", "many"], 2, "limit"),
        (["devices", "list", "--limit"], 2, "--limit"),
        (["GET"], 2, "METHOD"),
    ]
    for args, code, mark in rows:
        a = ctl.run(*args)
        check(f"{args}: {a.stderr}", (a.returncode, mark in a.stderr, a.stdout), (code, True, ""))
    a = ctl.run("devices", "get", "none")
    check("detail and remedy", len(a.stderr.strip().splitlines()), 2)
    check("no token", ctl.run("devices", "list", SONGHUA_TOKEN="").returncode, 4)
    check("no right", ctl.run("devices", "create", "--id", "v", SONGHUA_TOKEN=ctl.s.make_token(name="v", roles=["viewer"])["token"]).returncode, 4)
    a = ctl.run("devices", "list", SONGHUA_URL=f"http://127.0.0.1:{free_ports(1)[0]}")
    check("nobody there", (a.returncode, "SONGHUA_URL" in a.stderr), (3, True))
    # the form with method and path: what the server says, 0 or 1
    a = ctl.run("GET", "devices/none")
    check("path form", (a.returncode, json.loads(a.stdout)["code"]), (1, "not_found"))
    check("path form", json.loads(ctl.ok("POST", "devices", "-", stdin='{"id":"p"}'))["id"], "p")
    print("failures ok")


def languages(ctl):
    for variable, value, chinese in (("LANG", "zh_CN.UTF-8", True), ("LC_ALL", "zh_CN.UTF-8", True), ("LANG", "de_DE.UTF-8", False)):
        a = ctl.run("devices", "get", "none", **{variable: value})
        check(f"{variable}={value}", any("\u4e00" <= c <= "\u9fff" for c in a.stderr), chinese)
        a = ctl.run("devices", "get", **{variable: value})
        check(f"usage {variable}={value}", any("\u4e00" <= c <= "\u9fff" for c in a.stderr), chinese)
        a = ctl.run("--help", **{variable: value})
        check(f"help {variable}={value}", (a.returncode, "退出码" in a.stdout, "设备列表" in a.stdout), (0, chinese, chinese))
    everything = ctl.ok("--help")
    some = ctl.ok("devices", "certificates", "--help")
    check("every command", all(w in everything for w in ("devices list", "history query", "tokens create", "records create <type>")), True)
    check("some", ("devices certificates revoke <id> <fingerprint>" in some, "tokens" in some), (True, False))
    check("members of the body", "[--points]" in ctl.ok("history", "query", "--help"), True)
    a = ctl.run("devices")
    check("what could follow", (a.returncode, "devices list" in a.stdout), (2, True))
    print("languages ok")


def tokens(ctl):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "token")
        with open(path, "w", encoding="ascii") as f:
            f.write(ctl.s.token + "\n")
        check("a file", ctl.run("devices", "list", "--token-file", path, SONGHUA_TOKEN="").returncode, 0)
        check("a file by variable", ctl.run("devices", "list", SONGHUA_TOKEN="", SONGHUA_TOKEN_FILE=path).returncode, 0)
        check("an option", ctl.run("devices", "list", "--token", ctl.s.token, SONGHUA_TOKEN="wrong").returncode, 0)
        check("no such file", ctl.run("devices", "list", "--token-file", path + "x").returncode, 2)
    made = ctl.json("sessions", "post", "--user", "admin", "--password", PASSWORD, SONGHUA_TOKEN="")
    check("signed in", ctl.json("sessions", "current", SONGHUA_TOKEN=made["token"])["user"]["name"], "admin")
    print("tokens ok")


with Songhua() as node:
    c = Ctl(node)
    words(c)
    tables(c)
    cursors(c)
    failures(c)
    languages(c)
    tokens(c)
