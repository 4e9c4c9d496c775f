"""Signed checkpoints of the audit chain from outside: openssl, which we did not write, verifies the signature; the off-line check proves that
the chain still has what a checkpoint saw, and finds a chain that was cut and sealed anew with the node's own keys; only who may read the
audit of the whole node gets one.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
import sys

from keyring import derive, ring_of
from songhua import Songhua


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def openssl_says(s, cp, text=None):
    name = os.path.join(s.data, "x")
    run = subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", write(name + ".pem", cp["public_key"].encode()),
                          "-in", write(name + ".txt", (text or cp["checkpoint"]).encode()),
                          "-sigfile", write(name + ".sig", base64.b64decode(cp["signature"]))], capture_output=True, check=False)
    return run.returncode == 0


def off_line(s, cp=None):
    more = [] if cp is None else ["--checkpoint", write(os.path.join(s.data, "kept.json"), cp if isinstance(cp, bytes) else json.dumps(cp).encode())]
    run = subprocess.run([s.path, "check", "--audit", "--data", s.data, *more], capture_output=True, text=True, check=False, timeout=120)
    return run.returncode, run.stdout + run.stderr


def cut_and_seal(s, seq):
    """What somebody with all of the folder can do: the entries behind seq go, and the head is made anew with the node's keys."""
    with sqlite3.connect(os.path.join(s.data, "songhua.db")) as db:
        table, column, doc = None, None, None
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table' AND sql LIKE 'CREATE TABLE %'").fetchall():
            columns = [c[1] for c in db.execute(f'PRAGMA table_info("{name}")')]
            if {"id", "doc"} <= set(columns) and db.execute(f'SELECT 1 FROM "{name}" WHERE id=?', (f"{seq:020}",)).fetchone():
                table, column, doc = name, "id", "doc"
        if table is None:
            sys.exit("the table of entries was not found")
        (text,) = db.execute(f'SELECT {doc} FROM "{table}" WHERE {column}=?', (f"{seq:020}",)).fetchone()
        gone = db.execute(f'DELETE FROM "{table}" WHERE length({column})=20 AND {column}>?', (f"{seq:020}",)).rowcount
    digest = json.loads(text)["hash"]
    key = derive(bytes.fromhex(ring_of(s.data)["root"]), b"guard audit")
    line = f"songhua-audit-1 {seq} {digest}"
    write(os.path.join(s.data, "keys", "audit.head"), f"{line} {hmac.new(key, line.encode(), hashlib.sha256).hexdigest()}\n".encode())
    return gone


def main():
    with Songhua() as s:
        s.post("/api/v1/tenants", {"path": "a"})
        early = s.get("/api/v1/audit/checkpoint")
        s.make_token(name="x", roles=["viewer"])
        late = s.get("/api/v1/audit/checkpoint")
        check("the signed text", early["checkpoint"].split(" ")[:4], ["songhua-checkpoint-1", early["node"], str(early["seq"]), early["hash"]])
        check("the node is its key", hashlib.sha256(early["public_key"].encode()).hexdigest()[:16], early["node"])
        entries = {e["seq"]: e for e in s.get("/api/v1/audit?limit=100")["items"]}
        check("the hash is the chain's", entries[early["seq"]]["hash"], early["hash"])
        check("it grew", late["seq"] > early["seq"], True)
        check("openssl: good", openssl_says(s, early), True)
        check("openssl: changed", openssl_says(s, early, early["checkpoint"].replace("checkpoint-1", "checkpoint-2")), False)
        check("mode of the key", oct(os.stat(os.path.join(s.data, "keys", "checkpoint.key")).st_mode & 0o777), "0o600")
        found = {c["id"]: c for c in s.get("/api/v1/security")["items"]}
        check("self check", (found["audit.checkpoint"]["state"], f"over entry {late['seq']}" in found["audit.checkpoint"]["evidence"]["en"]), ("met", True))
        check("size", "entries, " in found["audit.kept"]["evidence"]["en"] and "MiB" in found["audit.kept"]["evidence"]["en"], True)
        token = s.post("/api/v1/tokens?tenant=a", {"name": "below", "roles": ["administrator"]})["token"]
        check("of a tenant below", s.raw("GET", "/api/v1/audit/checkpoint", headers={"Authorization": "Bearer " + token})[0], 403)

        check("stop", s.stop(), 0)
        for cp in (early, late):
            code, text = off_line(s, cp)
            check("the chain has it", (code, "still has what it saw" in text), (0, True))
        forged = dict(early, checkpoint=early["checkpoint"].replace(early["hash"], "0" * 64))
        code, text = off_line(s, forged)
        check("a changed checkpoint", (code, "signature does not fit" in text), (1, True))
        code, text = off_line(s, b"hello")
        check("no checkpoint", (code, "not a checkpoint" in text), (1, True))

        check("entries went", cut_and_seal(s, early["seq"]) > 0, True)
        check("the chain alone does not tell", off_line(s)[0], 0)
        check("nor who saw less", off_line(s, early)[0], 0)
        code, text = off_line(s, late)
        check("but who saw more", (code, "the checkpoint saw it" in text), (1, True))


main()
