"""The keys of a node: changed while it runs and over kill -9, in both algorithms; the recovery sheet; the master key in a file, in the
environment and in a PKCS #11 module (SoftHSM). What is sealed is read by another implementation too (keyring.py).
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

from keyring import ring_of, stored_boxes, unbox
from songhua import Problem, Songhua, skip

WORD = "Songhua-keys-1898"
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


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


def totp(secret, step=0):
    count = struct.pack(">Q", int(time.time()) // 30 + step)
    digest = hmac.new(base64.b32decode(secret + "=" * (-len(secret) % 8)), count, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7FFFFFFF) % 1000000:06}"


class Li:
    """Somebody with a second factor, which is a sealed secret."""

    def __init__(self, s):
        s.post("/api/v1/people", {"name": "li", "password": WORD, "roles": ["viewer"]})
        admin, s.token = s.token, None
        s.token = s.post("/api/v1/sessions", {"user": "li", "password": WORD})["token"]
        self.secret = s.post("/api/v1/sessions/current/totp")["secret"]
        s.call("PUT", "/api/v1/sessions/current/totp", {"code": totp(self.secret)})
        s.token = admin

    def asked(self, what, s):
        """The secret opens: else the password alone would do (and the log would say so)."""
        admin, s.token = s.token, None
        refused(what, 401, "code_needed", s.post, "/api/v1/sessions", {"user": "li", "password": WORD})
        s.token = admin

    def signs_in(self, s):
        """By a code of the next half minute, which is taken too and was not used yet."""
        admin, s.token = s.token, None
        s.post("/api/v1/sessions", {"user": "li", "password": WORD, "code": totp(self.secret, 1)})
        s.token = admin


def tool(s, *args, text=None, environment=None, code=0):
    more = [x for k, v in s.settings.items() if k.startswith("guard.") for x in ("--set", f"{k}={v}")]
    run = subprocess.run([s.path, "keys", *args, "--data", s.data, *more], input=text, capture_output=True, text=True, check=False, timeout=60,
                         env=dict(os.environ, **s.environment, **(environment or {})))
    if run.returncode != code:
        sys.exit(f"songhua keys {args}: {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def will_not_start(what, s, *words):
    run = subprocess.run([s.path, "serve", "--data", s.data, *[x for k, v in s.settings.items() for x in ("--set", f"{k}={v}")]],
                         capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ, **s.environment))
    text = run.stdout + run.stderr
    if run.returncode == 0 or any(w not in text for w in words):
        sys.exit(f"{what}: {run.returncode}\n{text}")


def sealed(s, ring=None):
    """Each sealed second factor and file opens by the ring; returns the key that seals them."""
    ring = ring or ring_of(s.data)
    keys = {k["id"]: bytes.fromhex(k["key"]) for k in ring["keys"]}
    used = set()
    for name, box in stored_boxes(s.data, "person", "totp").items():
        number = int.from_bytes(box[1:5], "little")
        _, plain = unbox(keys[number], f"person/{name}/totp".encode(), box)
        check("a second factor", len(plain), 20)
        used.add((number, box[0]))
    for name in ("device-ca-key.pem", "checkpoint.key"):
        with open(os.path.join(s.data, "keys", name), encoding="ascii") as f:
            mark, text = f.read().split()
        check(name, mark, "songhua-sealed-1")
        box = base64.b64decode(text)
        number, plain = unbox(keys[int.from_bytes(box[1:5], "little")], f"keys/{name}".encode(), box)
        check(name, plain.startswith(b"-----BEGIN PRIVATE KEY"), True)
        check(name, tool(s, "reveal", name).encode(), plain)
        used.add((number, box[0]))
    check("sealed by one key", len(used), 1)
    return used.pop()


def rotation(s, li):
    token = s.make_token(name="machine", roles=["viewer"])["token"]
    s.get("/api/v1/audit/checkpoint")  # makes its key
    s.post("/api/v1/devices", {"id": "press"})
    s.post("/api/v1/devices/press/certificates", {})  # makes the device CA
    before = s.get("/api/v1/security/keys")
    check("at first", ([k["id"] for k in before["keys"]], before["master"], before["sheet"]), ([1], {"kind": "file", "where": "keys/node.key"}, None))
    check("sealed", sealed(s), (1, 1))
    done = s.post("/api/v1/security/keys/rotation", {})
    check("rotated", ([(k["id"], k["in_use"]) for k in done["keys"]], done["resealed"] >= 3), ([(2, True), (1, False)], True))
    check("sealed anew", sealed(s), (2, 1))
    li.asked("after a rotation", s)
    with open(os.path.join(s.data, "keys", "node.key"), "rb") as f:
        old = f.read()
    s.post("/api/v1/security/keys/rotation", {"master": True})
    with open(os.path.join(s.data, "keys", "node.key"), "rb") as f:
        check("a new master key", f.read() != old, True)
    s.stop(kill=True)
    s.start()
    li.asked("after kill -9", s)
    check("a token stays", s.raw("GET", "/api/v1/devices", headers={"Authorization": "Bearer " + token})[0], 200)
    s.call("PATCH", "/api/v1/config", {"set": {"guard.cipher": "sm4"}})
    end = time.monotonic() + 30
    while s.get("/api/v1/security/keys")["keys"][0]["algorithm"] != "sm4":
        check("sm4 in time", time.monotonic() < end, True)
        time.sleep(0.1)
    time.sleep(0.5)
    check("sealed by SM4", sealed(s), (4, 2))
    s.stop()
    s.start()
    li.asked("by SM4", s)
    acts = [a for a in s.get("/api/v1/audit?q=key_rotated&limit=100")["items"] if a["act"] == "node.key_rotated"]
    check("audited", len(acts), 3)
    print("rotation ok")


def killed_while_rotating(s, li, rounds=6):
    """kill -9 at some moment of a change of both keys, again and again."""
    for i in range(rounds):
        def go():
            try:
                for _ in range(50):
                    s.post("/api/v1/security/keys/rotation", {"master": True})
            except (OSError, Problem, Exception):  # it was killed
                pass

        t = threading.Thread(target=go)
        t.start()
        time.sleep(0.05 + 0.07 * i)
        s.process.kill()
        s.process.wait()
        t.join(60)
        s.disconnect()
        s.process = None
        s.start()
        sealed_any(s)
    li.asked("after kills in changes", s)
    s.post("/api/v1/security/keys/rotation", {})
    sealed(s)
    print(f"killed in {rounds} changes ok")


def sealed_any(s):
    """After a kill in a change some are sealed by an older key: each opens."""
    keys = {k["id"]: bytes.fromhex(k["key"]) for k in ring_of(s.data)["keys"]}
    for name, box in stored_boxes(s.data, "person", "totp").items():
        unbox(keys[int.from_bytes(box[1:5], "little")], f"person/{name}/totp".encode(), box)


def sheet(s, li):
    made = s.post("/api/v1/security/keys/sheet")
    code = made["code"]
    check("its form", re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){7}[0-9A-HJKMNP-TV-Z]{5}", code) is not None, True)
    check("by", made["sheet"]["by"], "admin")
    check("not shown again", code in str(s.get("/api/v1/security/keys")) or code in s.log_text(), False)
    s.post("/api/v1/security/keys/rotation", {})  # the sheet stays good
    root = ring_of(s.data)["root"]
    s.stop()
    os.unlink(os.path.join(s.data, "keys", "node.key"))
    will_not_start("without the master key", s, "node.key is missing", "songhua keys recover")
    bad = list(code)
    bad[13] = "2" if bad[13] != "2" else "3"
    check("mistyped", "group 3" in tool(s, "recover", text="".join(bad) + "\n", code=1), True)
    other = "00000-00005-00001"  # not eight groups
    check("too short", "eight groups" in tool(s, "recover", text=other + "\n", code=1), True)
    tool(s, "recover", text=code.lower().replace("-", " ") + "\n")
    check("the same ring", ring_of(s.data)["root"], root)
    s.start()
    li.asked("recovered", s)
    s.delete("/api/v1/security/keys/sheet")
    refused("twice", 404, "not_found", s.delete, "/api/v1/security/keys/sheet")
    s.stop()
    check("void", "no sheet" in tool(s, "recover", text=code + "\n", code=1), True)
    s.start()
    print("sheet ok")


def environment(s, li):
    key = os.urandom(32).hex()
    s.stop()
    check("moved", "guard.master_key = env:SONGHUA_TEST_MASTER" in
          tool(s, "move", "--to", "env:SONGHUA_TEST_MASTER", environment={"SONGHUA_TEST_MASTER": key}), True)
    check("the file went", os.path.exists(os.path.join(s.data, "keys", "node.key")), False)
    will_not_start("the old setting", s, "node.key is missing")
    s.settings["guard.master_key"] = "env:SONGHUA_TEST_MASTER"
    will_not_start("without the variable", s, "SONGHUA_TEST_MASTER", "not set")
    s.environment["SONGHUA_TEST_MASTER"] = os.urandom(32).hex()
    will_not_start("another key", s, "another master key")
    s.environment["SONGHUA_TEST_MASTER"] = key
    s.start()
    li.asked("by the environment", s)
    refused("not a file", 409, "master_elsewhere", s.post, "/api/v1/security/keys/rotation", {"master": True})
    s.post("/api/v1/security/keys/rotation", {})
    check("where", s.get("/api/v1/security/keys")["master"], {"kind": "environment", "where": "SONGHUA_TEST_MASTER"})
    sealed(s, ring_of(s.data, bytes.fromhex(key), "environment"))
    print("environment ok")


def token_of(folder):
    """A SoftHSM token of its own with one AES key; its PIN lies in a file."""
    os.makedirs(os.path.join(folder, "tokens"))
    with open(os.path.join(folder, "softhsm2.conf"), "w", encoding="ascii") as f:
        f.write(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    with open(os.path.join(folder, "pin"), "w", encoding="ascii") as f:
        f.write("918273\n")
    env = dict(os.environ, SOFTHSM2_CONF=os.path.join(folder, "softhsm2.conf"))

    def run(*args):
        subprocess.run(args, env=env, check=True, capture_output=True, timeout=60)

    run("softhsm2-util", "--init-token", "--free", "--label", "songhua hsm", "--so-pin", "12345678", "--pin", "918273")
    for label in ("node", "next"):
        run("pkcs11-tool", "--module", MODULE, "--login", "--pin", "918273", "--keygen", "--key-type", "AES:32", "--label", label, "--token-label", "songhua hsm")
    return {"SOFTHSM2_CONF": os.path.join(folder, "softhsm2.conf")}


def module(s, li, folder):
    s.environment.update(token_of(folder))
    uri = f"pkcs11:token=songhua%20hsm;object={{}}?module-path={MODULE}&pin-source=file:{folder}/pin"
    s.stop()
    check("no such key", "no secret key 'other'" in tool(s, "move", "--to", uri.format("other"), code=1), True)
    check("no such token", "no token 'elsewhere'" in tool(s, "move", "--to", uri.format("node").replace("songhua%20hsm", "elsewhere"), code=1), True)
    tool(s, "move", "--to", uri.format("node"))
    s.settings["guard.master_key"] = uri.format("node")
    s.start()
    li.asked("by the module", s)
    check("where", s.get("/api/v1/security/keys")["master"], {"kind": "pkcs11", "where": "songhua hsm / node"})
    found = {c["id"]: c["state"] for c in s.get("/api/v1/security")["items"]}
    check("self check", (found["data.master"], found["data.rotation"]), ("met", "met"))
    s.post("/api/v1/security/keys/rotation", {})
    s.stop(kill=True)
    s.start()
    li.asked("over kill -9", s)
    s.stop()
    check("shown", "pkcs11, songhua hsm / node" in tool(s, "show"), True)
    tool(s, "move", "--to", uri.format("next"))
    will_not_start("the key before", s, "another master key")
    s.settings["guard.master_key"] = uri.format("next")
    with open(os.path.join(folder, "pin"), "w", encoding="ascii") as f:
        f.write("111111\n")
    will_not_start("a wrong PIN", s, "PIN is refused")
    with open(os.path.join(folder, "pin"), "w", encoding="ascii") as f:
        f.write("918273\n")
    run = subprocess.run([s.path, "check", "--audit", "--data", s.data, "--set", f"guard.master_key={uri.format('next')}"], capture_output=True, text=True,
                         check=False, timeout=60, env=dict(os.environ, **s.environment))
    check("the chain's seal by the module", (run.returncode, "entries fit" in run.stdout), (0, True))
    s.start()
    li.asked("by the next key", s)
    s.stop()
    tool(s, "move", "--to", "file:keys/node.key")
    del s.settings["guard.master_key"]
    s.start()
    li.asked("back in a file", s)
    li.signs_in(s)
    sealed(s)
    print("module ok")


if any(shutil.which(x) is None for x in ("softhsm2-util", "pkcs11-tool")) or not os.path.exists(MODULE):
    skip("softhsm2 or opensc is not installed")
folder_of_token = tempfile.mkdtemp(prefix="songhua-hsm-")
try:
    with Songhua() as node:
        one = Li(node)
        rotation(node, one)
        killed_while_rotating(node, one)
        sheet(node, one)
        environment(node, one)
        module(node, one, folder_of_token)
finally:
    shutil.rmtree(folder_of_token, ignore_errors=True)
