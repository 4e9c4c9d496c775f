"""EST (RFC 7030) by curl and openssl over TLS: a device fetches the CA, gets its first certificate with its secret or token, comes in
with it, renews it with itself, also when its time is over; others are refused with words, and nothing goes without TLS.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

from songhua import Songhua, free_ports, skip

T = 1_700_000_000_000


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


class Device:
    """What lies on the device: a folder with its key, request and certificate."""

    def __init__(self, s, folder):
        self.s, self.folder = s, folder
        os.makedirs(folder, exist_ok=True)

    def openssl(self, *words):
        done = subprocess.run(["openssl", *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        if done.returncode != 0:
            sys.exit(f"openssl {' '.join(words)}:\n{done.stdout.decode()}")
        return done.stdout.decode()

    def request(self, name="own"):
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + "-key.pem", "-outform", "DER", "-out", name + ".der", "-subj",
                     "/CN=as it likes")
        self.openssl("base64", "-in", name + ".der", "-out", name + ".b64")

    def curl(self, what, *more, port=None, scheme="https"):
        """(status, answer as text); the body also in the file `answer`."""
        url = f"{scheme}://127.0.0.1:{port or self.s.settings['https.listen'].split(':')[1]}/.well-known/est/{what}"
        done = subprocess.run(["curl", "-sS", "-o", "answer", "-w", "%{http_code} %{content_type}", "--cacert", os.path.join(self.s.data, "keys", "server.pem"), *more, url],
                              cwd=self.folder, stdout=subprocess.PIPE, timeout=60, check=True)
        with open(os.path.join(self.folder, "answer"), encoding="utf-8") as f:
            return *done.stdout.decode().split(" ", 1), f.read()

    def enroll(self, *more, what="simpleenroll", name="own", **how):
        return self.curl(what, "--data-binary", f"@{name}.b64", "-H", "Content-Type: application/pkcs10", "-H", "Content-Transfer-Encoding: base64", *more, **how)

    def keep(self, answer, name="own"):
        """The certificate of an answer, as `openssl pkcs7` reads it."""
        check("an answer", answer[:2], ("200", "application/pkcs7-mime; smime-type=certs-only"))
        self.openssl("base64", "-d", "-in", "answer", "-out", "answer.p7")
        self.openssl("pkcs7", "-inform", "DER", "-in", "answer.p7", "-print_certs", "-out", name + ".pem")

    def publish(self, value, name="own", device="press"):
        return subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", self.s.settings["mqtts.listen"].split(":")[1], "--cafile", os.path.join(self.s.data, "keys", "server.pem"),
                               "--cert", name + ".pem", "--key", name + "-key.pem", "-q", "1", "-t", f"sh/v1/{device}/telemetry", "-m", json.dumps({"ts": T, "values": {"v": value}})],
                              cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False).returncode


def problem(answer, status, code):
    body = json.loads(answer[2])
    check("refused", (answer[0], body["code"], bool(body["detail"] and body["remedy"])), (status, code, True))


def first(s, d, user):
    answer = d.curl("cacerts")
    d.keep(answer, "ca")
    check("csrattrs", d.curl("csrattrs")[0], "204")
    d.request()
    problem(d.enroll(), "401", "not_signed_in")
    problem(d.enroll("-u", user["user"] + ":shd_wrong"), "401", "not_signed_in")
    problem(d.enroll("-u", s.token + ":"), "403", "denied")  # a person
    problem(d.enroll("-u", f"{user['user']}:{user['password']}", port=s.http, scheme="http"), "403", "denied")
    with open(os.path.join(d.folder, "bad.b64"), "w", encoding="ascii") as f:
        f.write("MAMCAQE=\n")
    problem(d.enroll("-u", f"{user['user']}:{user['password']}", name="bad"), "400", "bad_certificate")
    d.keep(d.enroll("-u", f"{user['user']}:{user['password']}"))
    check("chain", d.openssl("verify", "-CAfile", "ca.pem", "-purpose", "sslclient", "own.pem"), "own.pem: OK\n")
    check("name", "CN = press" in d.openssl("x509", "-in", "own.pem", "-noout", "-subject"), True)
    check("comes in", d.publish(1), 0)
    check("stored", s.query(["press/v"], 0, T * 1000 + 10**9)["press/v"]["value"], [1])
    d.request("second")
    weak = s.make_token(name="weak", device="press", permissions=["mqtt.connect"])["token"]
    problem(d.enroll("-u", weak + ":", name="second"), "403", "denied")
    token = s.make_token(name="press", device="press", expires=int((time.time() + 86_400 * 9) * 1000))["token"]
    d.keep(d.enroll("-u", token + ":", name="second"), "second")
    d.openssl("x509", "-in", "second.pem", "-noout", "-checkend", str(86_400 * 8))
    end = subprocess.run(["openssl", "x509", "-in", "second.pem", "-noout", "-checkend", str(86_400 * 10)], cwd=d.folder, stdout=subprocess.DEVNULL, timeout=60, check=False)
    check("ends with the token", end.returncode, 1)
    entry = s.get("/api/v1/audit?act=device.certificate_issued&limit=5")["items"]
    check("audited", [("device:press" in e["object"], e["principal"][:6]) for e in entry], [(True, "token:"), (True, "device")])
    print("first ok")


def again(s, d):
    d.request("next")
    own = ("--cert", "own.pem", "--key", "own-key.pem")
    problem(d.enroll(what="simplereenroll", name="next"), "401", "not_signed_in")
    d.keep(d.enroll(*own, what="simplereenroll", name="next"), "next")
    check("comes in", d.publish(2, "next"), 0)
    d.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "self-key.pem", "-out", "self.pem", "-days", "9", "-subj", "/CN=press")
    problem(d.enroll("--cert", "self.pem", "--key", "self-key.pem", what="simplereenroll", name="next"), "403", "denied")
    mark = d.openssl("x509", "-in", "own.pem", "-noout", "-fingerprint", "-sha256").strip().split("=")[1]
    s.delete(f"/api/v1/devices/press/certificates/{mark}?reason=superseded")
    problem(d.enroll(*own, what="simplereenroll", name="next"), "403", "denied")
    print("again ok")


def over(s, d):
    """A certificate whose time is over. Nothing here waits for days: one of some seconds is made with the CA's own key, entered, and
    marked as issued in the store of the stopped node, which is what it would be."""
    d.request("short")
    shutil.copy(os.path.join(s.data, "keys", "device-ca.pem"), d.folder)
    s.reveal("device-ca-key.pem", os.path.join(d.folder, "device-ca-key.pem"))
    end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 8))
    with open(os.path.join(d.folder, "index.txt"), "w", encoding="ascii"):
        pass
    with open(os.path.join(d.folder, "ca.cnf"), "w", encoding="ascii") as f:
        f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                "certificate=device-ca.pem\nprivate_key=device-ca-key.pem\n[p]\ncommonName=supplied\n")
    d.openssl("req", "-inform", "DER", "-in", "short.der", "-out", "short.csr")
    d.openssl("ca", "-batch", "-config", "ca.cnf", "-in", "short.csr", "-out", "short.pem", "-notext", "-enddate", end)
    with open(os.path.join(d.folder, "short.pem"), encoding="ascii") as f:
        mark = s.post("/api/v1/devices/press/certificates", {"pem": f.read()})["fingerprint"]
    check("in time", d.publish(3, "short"), 0)
    s.stop()
    db = sqlite3.connect(os.path.join(s.data, "songhua.db"))
    key = "fp:" + mark
    table, = [t for (t,) in db.execute("select name from sqlite_master where type = 'table' and name = 'rec'")]
    (doc,) = db.execute(f"select doc from {table} where type = '_guard.certificate' and id = ?", (key,)).fetchone()
    text = doc if isinstance(doc, str) else doc.decode()
    check("entered", '"issued":false' in text, True)
    text = text.replace('"issued":false', '"issued":true')
    db.execute(f"update {table} set doc = ? where type = '_guard.certificate' and id = ?", (text if isinstance(doc, str) else text.encode(), key))
    db.commit()
    db.close()
    s.start()

    def state():
        return {c["fingerprint"]: c["state"] for c in s.get("/api/v1/devices/press/certificates")["items"]}[mark]

    deadline = time.monotonic() + 20
    while state() != "expired":
        if time.monotonic() > deadline:
            sys.exit("the certificate does not end")
        time.sleep(0.1)
    check("for nothing else", d.publish(4, "short") != 0, True)
    d.request("fresh")
    d.keep(d.enroll("--cert", "short.pem", "--key", "short-key.pem", what="simplereenroll", name="fresh"), "fresh")
    check("comes in", d.publish(5, "fresh"), 0)
    print("over ok")


if any(shutil.which(tool) is None for tool in ("mosquitto_pub", "openssl", "curl")):
    skip("mosquitto-clients, openssl or curl is not installed")
https, mqtts = free_ports(2)
with Songhua({"mqtts.listen": f"127.0.0.1:{mqtts}", "https.listen": f"127.0.0.1:{https}"}) as node:
    node.post("/api/v1/devices", {"id": "press"})
    own_device = Device(node, os.path.join(node.data, "test-device"))
    first(node, own_device, node.post("/api/v1/devices/press/secret"))
    again(node, own_device)
    over(node, own_device)
