"""Provisioning keys by curl and mosquitto_pub: a new device gets its secret, or its certificate (also by EST), through the public door as
often as the key says and not oftener, also when many come at once; it gets the key's thing model and asset; a device that has an identity
is not taken over; a revoked, used or wrong key opens nothing, and the door is throttled and audited.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import subprocess
import sys
import threading
import time

from songhua import Problem, Songhua, free_ports, skip

T = 1_700_000_000_000
DOOR = "/api/v1/provision"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def curl(s, body, *more):
    """As a device does it, without any other credential: (status, object)."""
    done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", "-H", "Content-Type: application/json", "--data-binary", "@-", *more, f"http://127.0.0.1:{s.http}{DOOR}"],
                          input=json.dumps(body).encode(), stdout=subprocess.PIPE, timeout=60, check=True)
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), json.loads(text)


def slowly(s, body):
    """The door lets some through at once and then a few a second."""
    while True:
        status, answer = curl(s, body)
        if status != 429:
            return status, answer
        time.sleep(0.2)


def publish(s, user, secret, device, value):
    return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", user, "-P", secret, "-q", "1", "-t", f"sh/v1/{device}/telemetry", "-m",
                           json.dumps({"ts": T, "values": {"v": value}})], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False).returncode


def keys(s):
    return {k["name"]: k for k in s.get("/api/v1/provisioning-keys")["items"]}


def secrets(s):
    made = s.post("/api/v1/provisioning-keys", {"name": "line 3", "pattern": "cnc-*", "thing": "cnc", "asset": "hall", "uses": 2})
    check("shown once", (made["key"][:4], made["state"], made["used"], "key" in keys(s)["line 3"]), ("shp_", "open", 0, False))
    for name in os.listdir(s.data):
        if name.startswith("songhua.db"):
            with open(os.path.join(s.data, name), "rb") as f:
                check(f"in {name}", made["key"].encode() in f.read(), False)
    for body in ({"key": "shp_x", "device": "cnc-1"}, {"key": made["key"], "device": "oven"}, {"key": s.token, "device": "cnc-1"}, {"key": 5, "device": "cnc-1"}):
        status, answer = curl(s, body)
        check(str(body)[:40], (status, answer["code"], bool(answer["remedy"])), (401, "bad_credentials", True))
    check("no such credential", curl(s, {"key": made["key"], "device": "cnc-1", "credential": "wish"})[0], 400)
    check("nothing was made", [d["id"] for d in s.get("/api/v1/devices")["items"]], ["old"])
    status, got = curl(s, {"key": made["key"], "device": "cnc-1"})
    check("secret", (status, sorted(got), got["user"]), (201, ["device", "password", "user"], "cnc-1"))
    device = s.get("/api/v1/devices/cnc-1")
    check("device", (device["thing"], device["asset"]), ("cnc", "hall"))
    check("comes in", publish(s, got["user"], got["password"], "cnc-1", 7), 0)
    check("stored", s.query(["cnc-1/v"], 0, T * 1000 + 10**9)["cnc-1/v"]["value"], [7])
    check("not taken over", curl(s, {"key": made["key"], "device": "cnc-1"})[1]["code"], "exists")
    check("still the first", publish(s, got["user"], got["password"], "cnc-1", 8), 0)
    entry = s.get("/api/v1/audit?act=device.provisioned&limit=1")["items"][0]
    check("audited", (entry["object"], made["id"] in entry["detail"], entry["peer"]), ("device:cnc-1", True, "127.0.0.1"))
    deadline = time.monotonic() + 15
    while not s.get("/api/v1/audit?act=device.provisioning_refused&limit=1")["items"]:
        if time.monotonic() > deadline:
            sys.exit("a refusal is not audited")
        time.sleep(0.1)
    s.stop()
    s.start()
    check("after a restart", (keys(s)["line 3"]["used"], keys(s)["line 3"]["state"]), (1, "open"))
    check("last use", slowly(s, {"key": made["key"], "device": "cnc-2"})[0], 201)
    check("used up", slowly(s, {"key": made["key"], "device": "cnc-3"})[0], 401)
    check("state", keys(s)["line 3"]["state"], "used")
    print("secrets ok")


def at_once(s):
    made = s.post("/api/v1/provisioning-keys", {"name": "crowd", "uses": 3})
    answers = []

    def one(i):
        answers.append(slowly(s, {"key": made["key"], "device": f"crowd-{i}"})[0])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("three of eight", (answers.count(201), answers.count(401), keys(s)["crowd"]["used"]), (3, 5, 3))
    statuses = [curl(s, {"key": "shp_x", "device": "y"})[0] for _ in range(40)]
    check("throttled", 429 in statuses, True)
    print("at_once ok")


def certificates(s, folder):
    made = s.post("/api/v1/provisioning-keys", {"name": "tls", "pattern": "tls-?", "uses": 9})
    status, got = slowly(s, {"key": made["key"], "device": "tls-1", "credential": "certificate"})
    check("with a key", (status, sorted(got)), (201, ["ca", "certificate", "device", "key"]))

    def openssl(*words, stdin=None):
        return subprocess.run(["openssl", *words], cwd=folder, input=stdin, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60).stdout

    for name in ("ca", "certificate"):
        with open(os.path.join(folder, name + ".pem"), "w", encoding="ascii") as f:
            f.write(got[name])
    openssl("verify", "-CAfile", "ca.pem", "certificate.pem")
    csr = openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "own-key.pem", "-subj", "/CN=x").decode()
    status, got = slowly(s, {"key": made["key"], "device": "tls-2", "csr": csr})
    check("own key", (status, sorted(got)), (201, ["ca", "certificate", "device"]))
    check("bad request", slowly(s, {"key": made["key"], "device": "tls-3", "csr": "x"})[1]["code"], "bad_certificate")
    used = keys(s)["tls"]["used"]
    check("only what was given counts", used, 2)
    with open(os.path.join(folder, "body"), "wb") as f:
        f.write(openssl("base64", stdin=openssl("req", "-outform", "DER", stdin=csr.encode())))
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run(["curl", "-sS", "-o", "answer", "-w", "%{http_code}", "--cacert", os.path.join(s.data, "keys", "server.pem"), "-u", "tls-4:" + made["key"], "--data-binary", "@body",
                               "-H", "Content-Type: application/pkcs10", f"https://{s.settings['https.listen']}/.well-known/est/simpleenroll"],
                              cwd=folder, stdout=subprocess.PIPE, timeout=60, check=True).stdout.decode()
        if done != "429" or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    check("EST", done, "200")
    openssl("pkcs7", "-inform", "DER", "-print_certs", "-out", "est.pem", stdin=openssl("base64", "-d", "-in", "answer"))
    check("EST", b"CN = tls-4" in openssl("x509", "-in", "est.pem", "-noout", "-subject"), True)
    s.delete("/api/v1/provisioning-keys/" + made["id"])
    check("revoked", (slowly(s, {"key": made["key"], "device": "tls-5"})[0], "tls" in keys(s)), (401, False))
    print("certificates ok")


def other_tenant(s):
    """A key makes devices in its own tenant."""
    s.post("/api/v1/tenants", {"path": "park", "name": "Park"})
    made = s.post("/api/v1/provisioning-keys?tenant=park", {"name": "p", "expires": int((time.time() + 3600) * 1000)})
    status, got = slowly(s, {"key": made["key"], "device": "old"})
    check("its own", (status, got["user"]), (201, "old@park"))
    check("there", s.get("/api/v1/devices/old?tenant=park")["id"], "old")
    check("not listed here", "p" in keys(s), False)
    try:
        s.delete("/api/v1/provisioning-keys/" + made["id"])
        sys.exit("another tenant's key was revoked")
    except Problem as p:
        check("not found", p.status, 404)
    print("other_tenant ok")


if any(shutil.which(tool) is None for tool in ("mosquitto_pub", "openssl", "curl")):
    skip("mosquitto-clients, openssl or curl is not installed")
with Songhua({"https.listen": f"127.0.0.1:{free_ports(1)[0]}"}) as node:
    node.post("/api/v1/devices", {"id": "old"})
    node.post("/api/v1/things", {"id": "cnc", "name": {"zh": "机床", "en": "Machine"}, "properties": []})
    node.post("/api/v1/assets", {"id": "hall", "kind": "site", "name": "Hall"})
    own = os.path.join(node.data, "test-files")
    os.mkdir(own)
    secrets(node)
    at_once(node)
    certificates(node, own)
    other_tenant(node)
