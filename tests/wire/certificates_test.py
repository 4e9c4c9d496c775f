"""X.509 identity of devices over mqtts, by mosquitto_pub, mosquitto_sub and openssl: a certificate that was issued, a request that was
signed, one of the customer's own authority that was entered, and a common name let their device in and no other; a foreign, an expired
and a revoked one do not; revoking ends the connection.
SPDX-License-Identifier: Apache-2.0
"""
import os
import shutil
import subprocess
import sys
import time

from songhua import Problem, Songhua, free_ports, skip

T = 1_700_000_000_000  # milliseconds
DAY = 86_400


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def until(what, test, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not after {timeout_s} s")
        time.sleep(0.02)


def refusal(call):
    try:
        call()
    except Problem as p:
        check("words", all(p.body[k] for k in ("detail", "remedy")), True)
        return p.status, p.body["code"]
    return None


class Files:
    """Keys and certificates in a folder of the test."""

    def __init__(self, folder):
        self.folder = folder
        os.mkdir(folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)
        return self.path(name)

    def text(self, name):
        with open(self.path(name), encoding="ascii") as f:
            return f.read()

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=60)

    def authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + "-key.pem", "-out",
                     name + ".pem", "-days", "30", "-subj", "/CN=" + name)

    def request(self, name, cn, *kind):
        self.openssl("req", "-new", "-newkey", *(kind or ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")), "-nodes", "-keyout", name + "-key.pem",
                     "-out", name + ".csr", "-subj", "/CN=" + cn)

    def signed(self, name, cn, authority, days="30"):
        self.request(name, cn)
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey", authority + "-key.pem", "-CAcreateserial",
                     "-days", days, "-out", name + ".pem")


def tls(s, files, name):
    return ["-h", "127.0.0.1", "-p", s.settings["mqtts.listen"].split(":")[1], "--cafile", os.path.join(s.data, "keys", "server.pem"),
            "--cert", files.path(name + ".pem"), "--key", files.path(name + "-key.pem"), "-q", "1"]


def publish(s, files, name, device, value, at=T):
    """The exit code of mosquitto_pub."""
    return subprocess.run(["mosquitto_pub", *tls(s, files, name), "-t", f"sh/v1/{device}/telemetry", "-m",
                           '{"ts":%d,"values":{"v":%g}}' % (at, value)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=30, check=False).returncode


def values(s, device):
    try:
        return s.query([f"{device}/v"], 0, T * 1000 + 10**9)[f"{device}/v"]["value"]
    except Problem as p:
        check("no such point", p.body["code"], "unknown_point")
        return []


def certificates(s, device):
    return {c["fingerprint"]: c for c in s.get(f"/api/v1/devices/{device}/certificates")["items"]}


def issued(s, files):
    made = s.post("/api/v1/devices/press/certificates", {"days": 30})
    check("what is shown", sorted(made), sorted(["fingerprint", "subject", "issuer", "serial", "not_before", "not_after", "source", "state",
                                                 "added", "revoked", "reason", "note", "certificate", "key", "ca"]))
    check("about", (made["subject"], made["issuer"], made["source"], made["state"]), ("press", "Songhua device CA", "issued", "expiring"))
    files.put("press.pem", made["certificate"])
    files.put("press-key.pem", made["key"])
    files.put("ca.pem", s.raw("GET", "/api/v1/device-ca")[2].decode())
    check("CA", made["ca"], files.text("ca.pem"))
    files.openssl("verify", "-CAfile", "ca.pem", "-purpose", "sslclient", "press.pem")
    listed = certificates(s, "press")[made["fingerprint"]]
    check("listed", listed, {k: v for k, v in made.items() if k not in ("certificate", "key", "ca")})
    check("published", publish(s, files, "press", "press", 1.5), 0)
    check("in history", values(s, "press"), [1.5])
    publish(s, files, "press", "oven", 6.6)
    check("not as another", values(s, "oven"), [])
    with open(os.path.join(s.data, "songhua.db"), "rb") as f:
        check("key at rest", made["key"].split("\n")[1].encode() in f.read(), False)
    s.stop()
    s.start()
    check("after a restart", publish(s, files, "press", "press", 2.5, T + 1), 0)
    check("in history", values(s, "press"), [1.5, 2.5])
    print("issued ok")
    return made["fingerprint"]


def requested(s, files):
    files.request("oven", "whatever the device says")
    made = s.post("/api/v1/devices/oven/certificates", {"csr": files.text("oven.csr"), "days": 10})
    check("no key", ("key" in made, made["subject"]), (False, "oven"))
    files.put("oven.pem", made["certificate"])
    check("published", publish(s, files, "oven", "oven", 3), 0)
    check("in history", values(s, "oven"), [3])
    files.request("weak", "weak", "rsa:1024")
    weak = {"csr": files.text("weak.csr")}
    check("a weak key", refusal(lambda: s.post("/api/v1/devices/oven/certificates", weak)), (400, "bad_certificate"))
    print("requested ok")


def entered(s, files):
    files.authority("own")
    files.signed("mill", "mill-7", "own")
    check("not entered", publish(s, files, "mill", "mill", 1) != 0, True)
    made = s.post("/api/v1/devices/mill/certificates", {"pem": files.text("mill.pem")})
    check("about", (made["subject"], made["issuer"], made["source"]), ("mill-7", "own", "entered"))
    check("published", publish(s, files, "mill", "mill", 4), 0)
    check("in history", values(s, "mill"), [4])
    pem = {"pem": "Certificate:\n    Data: as openssl prints it\n" + files.text("mill.pem")}
    check("twice", refusal(lambda: s.post("/api/v1/devices/oven/certificates", pem)), (409, "exists"))
    files.signed("foreign", "press", "own")  # the name of a device, from an authority that is not ours
    check("wrong CA", publish(s, files, "foreign", "press", 9) != 0, True)
    check("not stored", 9 in values(s, "press"), False)
    for bad in ({"pem": "x"}, {"pem": files.text("mill-key.pem")}, {"csr": "x"}, {"days": 0}, {"days": 4000}, {"days": "x"},
                {"pem": pem["pem"], "days": 3}):
        check(bad, refusal(lambda body=bad: s.post("/api/v1/devices/mill/certificates", body)), (400, "bad_certificate"))
    check("unknown device", refusal(lambda: s.post("/api/v1/devices/none/certificates", {"days": 3})), (404, "not_found"))
    print("entered ok")


def expired(s, files):
    # X.509 has whole seconds; the node refuses to enter one that is over, so it must end afterwards
    files.request("short", "short")
    soon = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 6))
    files.put("index.txt", "")
    files.put("ca.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
              "certificate=own.pem\nprivate_key=own-key.pem\n[p]\ncommonName=supplied\n")
    files.openssl("ca", "-batch", "-config", "ca.cnf", "-in", "short.csr", "-out", "short.pem", "-notext", "-enddate", soon)
    pem = files.text("short.pem")
    fingerprint = s.post("/api/v1/devices/lathe/certificates", {"pem": pem})["fingerprint"]
    check("in time", publish(s, files, "short", "lathe", 5), 0)
    until("it is over", lambda: certificates(s, "lathe")[fingerprint]["state"] == "expired")
    check("expired", publish(s, files, "short", "lathe", 6) != 0, True)
    check("not stored", values(s, "lathe"), [5])
    check("entering it", refusal(lambda: s.post("/api/v1/devices/press/certificates", {"pem": pem})), (400, "bad_certificate"))
    print("expired ok")


def revoked(s, files, fingerprint):
    said = files.path("said.txt")
    with open(said, "wb") as out:
        sub = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-d", *tls(s, files, "press"), "-t", "sh/v1/press/cmd/+"],
                               stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def connects():
        return files.text("said.txt").count("sending CONNECT")

    until("subscribed", lambda: "received SUBACK" in files.text("said.txt"))
    address = f"/api/v1/devices/press/certificates/{fingerprint}"
    check("another device's", refusal(lambda: s.delete(f"/api/v1/devices/oven/certificates/{fingerprint}")), (404, "not_found"))
    check("still there", (sub.poll(), connects()), (None, 1))
    begin = time.monotonic()
    s.delete(address)
    until("the connection ends", lambda: sub.poll() is not None or connects() > 1)  # mosquitto_sub tries again
    took = time.monotonic() - begin
    check("revoked", publish(s, files, "press", "press", 7) != 0, True)
    if sub.poll() is None:
        sub.terminate()
    sub.wait(10)
    check("not stored", 7 in values(s, "press"), False)
    check("state", certificates(s, "press")[fingerprint]["state"], "revoked")
    check("twice", refusal(lambda: s.delete(address)), (404, "not_found"))
    pem = {"pem": files.text("press.pem")}
    check("entered again", refusal(lambda: s.post("/api/v1/devices/press/certificates", pem)), (409, "exists"))
    until("offline", lambda: s.get("/api/v1/devices/press")["state"] == "offline")
    acts = [a["act"] for a in s.get("/api/v1/audit?q=press&limit=100")["items"]]
    check("audited", [a for a in acts if "certificate" in a][:1], ["device.certificate_revoked"])
    check("audited", "device.certificate_issued" in acts, True)
    s.stop()
    s.start()
    check("after a restart", publish(s, files, "press", "press", 8) != 0, True)
    print(f"revoked ok, ended within {took:.1f} s")


def names(s, files):
    """A certificate of the device CA that was never registered: made with its key, as a customer's own tool would."""
    shutil.copy(os.path.join(s.data, "keys", "device-ca.pem"), files.path("ca.pem"))
    s.reveal("device-ca-key.pem", files.path("ca-key.pem"))
    files.signed("named", "line-3", "ca")
    check("no name", publish(s, files, "named", "oven", 1, T + 5) != 0, True)
    s.post("/api/v1/devices/oven/common-names", {"name": "line-3"})
    check("listed", s.get("/api/v1/devices/oven/certificates")["common_names"], ["line-3"])
    check("named", publish(s, files, "named", "oven", 1, T + 5), 0)
    files.signed("namesake", "line-3", "own")
    check("of another CA", publish(s, files, "namesake", "oven", 1, T + 6) != 0, True)
    s.delete("/api/v1/devices/oven/common-names/line-3")
    check("taken away", publish(s, files, "named", "oven", 1, T + 7) != 0, True)
    print("names ok")


if any(shutil.which(tool) is None for tool in ("mosquitto_pub", "mosquitto_sub", "openssl")):
    skip("mosquitto-clients or openssl is not installed")
with Songhua({"mqtts.listen": f"127.0.0.1:{free_ports(1)[0]}"}) as node:
    own = Files(os.path.join(node.data, "test-files"))
    for device in ("press", "oven", "mill", "lathe"):
        node.post("/api/v1/devices", {"id": device})
    mark = issued(node, own)
    requested(node, own)
    entered(node, own)
    expired(node, own)
    revoked(node, own, mark)
    names(node, own)
