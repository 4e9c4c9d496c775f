"""What the device CA publishes, by openssl and curl: certificates say where to ask, the list of revoked ones (CRL) and the answers about
one of them (OCSP) are those of the authority and say what happened, for 20 and for 5 years; they need no credential.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import os
import shutil
import subprocess
import sys
import time
import urllib.parse

from songhua import Problem, Songhua, free_ports, skip

DAY = 86_400


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def refusal(call):
    try:
        call()
    except Problem as p:
        check("words", all(p.body[k] for k in ("detail", "remedy")), True)
        return p.status, p.body["code"]
    return None


def openssl(folder, *words, code=0):
    """What it prints, on both streams."""
    done = subprocess.run(["openssl", *words], cwd=folder, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    text = done.stdout.decode(errors="replace")
    if done.returncode != code:
        sys.exit(f"openssl {' '.join(words)}: exit {done.returncode}, wanted {code}\n{text}")
    return text


def put(folder, name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def fetch(folder, url, name, kind):
    """By curl, without a credential."""
    done = subprocess.run(["curl", "-sS", "-f", "-o", name, "-w", "%{content_type}", url], cwd=folder, check=True, stdout=subprocess.PIPE, timeout=30)
    check(url, done.stdout.decode(), kind)


def nobody(s, method, path, body=None):
    return s.raw(method, path, body, {"Authorization": "Bearer nonsense", "Content-Type": "application/ocsp-request"})


def lists(folder, base):
    """The list, fetched and verified anew: what openssl prints of it."""
    fetch(folder, base + "/pki/device-ca.crl", "ca.crl", "application/pkix-crl")
    check("signature", openssl(folder, "crl", "-inform", "DER", "-in", "ca.crl", "-CAfile", "ca.pem", "-noout"), "verify OK\n")
    openssl(folder, "crl", "-inform", "DER", "-in", "ca.crl", "-out", "crl.pem")
    return openssl(folder, "crl", "-in", "crl.pem", "-noout", "-text")


def ocsp(folder, base, name, *more, code=0):
    return openssl(folder, "ocsp", *more, "-issuer", "ca.pem", "-cert", name + ".pem", "-url", base + "/pki/ocsp", "-CAfile", "ca.pem", code=code)


def lifetimes(s, folder, base):
    fetch(folder, base + "/pki/device-ca.pem", "ca.pem", "application/x-pem-file")
    fetch(folder, base + "/pki/device-ca.cer", "ca.cer", "application/pkix-cert")
    check("the same", openssl(folder, "x509", "-inform", "DER", "-in", "ca.cer"), openssl(folder, "x509", "-in", "ca.pem"))
    years = 365.25 * DAY
    openssl(folder, "x509", "-in", "ca.pem", "-noout", "-checkend", str(int(19.9 * years)))
    openssl(folder, "x509", "-in", "ca.pem", "-noout", "-checkend", str(int(20.1 * years)), code=1)
    for device in ("press", "oven"):
        made = s.post(f"/api/v1/devices/{device}/certificates", {})
        put(folder, device + ".pem", made["certificate"])
        check("state", (made["state"], made["reason"], made["note"]), ("valid", None, ""))
    openssl(folder, "x509", "-in", "press.pem", "-noout", "-checkend", str(1824 * DAY))
    openssl(folder, "x509", "-in", "press.pem", "-noout", "-checkend", str(1826 * DAY), code=1)
    text = openssl(folder, "x509", "-in", "press.pem", "-noout", "-text")
    for line in ("CRL Distribution Points", f"URI:{base}/pki/device-ca.crl", f"OCSP - URI:{base}/pki/ocsp", f"CA Issuers - URI:{base}/pki/device-ca.cer"):
        check(line, line in text, True)
    check("ocsp_uri", openssl(folder, "x509", "-in", "press.pem", "-noout", "-ocsp_uri").strip(), base + "/pki/ocsp")
    soon = s.post("/api/v1/devices/mill/certificates", {"days": 59})
    check("expiring", soon["state"], "expiring")
    print("lifetimes ok")


def before(folder, base):
    check("none revoked", "No Revoked Certificates" in lists(folder, base), True)
    check("verify", openssl(folder, "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "press.pem"), "press.pem: OK\n")
    for more in ((), ("-sha256",), ("-no_nonce",)):
        text = ocsp(folder, base, "press", *more)
        check("good", "press.pem: good" in text and "Response verify OK" in text, True)
        check("nonce", "WARNING" in text, False)
    print("before ok")


def revoked(s, folder, base):
    mark = s.get("/api/v1/devices/press/certificates")["items"][0]["fingerprint"]
    address = f"/api/v1/devices/press/certificates/{mark}"
    check("no such reason", refusal(lambda: s.delete(address + "?reason=mood")), (400, "bad_request"))
    check("a note too long", refusal(lambda: s.delete(address + "?note=" + "x" * 201)), (400, "bad_request"))
    s.delete(address + "?reason=key_compromise&note=" + urllib.parse.quote("控制柜被盗"))
    shown = s.get("/api/v1/devices/press/certificates")["items"][0]
    check("shown", (shown["state"], shown["reason"], shown["note"]), ("revoked", "key_compromise", "控制柜被盗"))
    entry = s.get("/api/v1/audit?act=device.certificate_revoked&limit=1")["items"][0]
    check("audited", "key_compromise: 控制柜被盗" in entry["detail"], True)
    text = lists(folder, base)
    check("on the list", (shown["serial"] in text, "Key Compromise" in text), (True, True))
    said = openssl(folder, "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "press.pem", code=2)
    check("verify", "certificate revoked" in said, True)
    check("another", openssl(folder, "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "oven.pem"), "oven.pem: OK\n")
    text = ocsp(folder, base, "press")
    check("revoked", [w in text for w in ("press.pem: revoked", "Reason: keyCompromise", "Response verify OK")], [True] * 3)
    s.stop()
    s.start()
    check("after a restart", "press.pem: revoked" in ocsp(folder, base, "press"), True)
    check("after a restart", shown["serial"] in lists(folder, base), True)
    print("revoked ok")


def gone(s, folder, base):
    """A device that is removed leaves its certificates revoked."""
    s.delete("/api/v1/devices/oven")
    deadline = time.monotonic() + 15
    while "oven.pem: revoked" not in ocsp(folder, base, "oven"):
        if time.monotonic() > deadline:
            sys.exit("the certificate of a removed device is still good")
        time.sleep(0.05)
    check("why", "Reason: cessationOfOperation" in ocsp(folder, base, "oven"), True)
    check("why", "Cessation Of Operation" in lists(folder, base), True)
    print("gone ok")


def askers(s, folder, base):
    """GET, an unknown serial number, another authority, and what is no question."""
    openssl(folder, "ocsp", "-issuer", "ca.pem", "-cert", "press.pem", "-no_nonce", "-reqout", "ask.der")
    with open(os.path.join(folder, "ask.der"), "rb") as f:
        ask = f.read()
    path = "/pki/ocsp/" + urllib.parse.quote(base64.b64encode(ask).decode(), safe="")
    fetch(folder, base + path, "answer.der", "application/ocsp-response")
    text = openssl(folder, "ocsp", "-respin", "answer.der", "-issuer", "ca.pem", "-cert", "press.pem", "-CAfile", "ca.pem")
    check("by GET", "press.pem: revoked" in text, True)
    text = openssl(folder, "ocsp", "-issuer", "ca.pem", "-serial", "12345", "-url", base + "/pki/ocsp", "-CAfile", "ca.pem")
    check("unknown", "12345: unknown" in text, True)
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "other-key.pem", "-out", "other.pem", "-days", "9",
            "-subj", "/CN=other")
    text = openssl(folder, "ocsp", "-issuer", "other.pem", "-cert", "press.pem", "-url", base + "/pki/ocsp", "-verify_other", "ca.pem", "-trust_other")
    check("of another authority", "press.pem: unknown" in text, True)
    for bad in (b"", b"x", ask[:30], ask + b"x", b"\x30" * 5000):
        status, headers, data = nobody(s, "POST", "/pki/ocsp", bad)
        check("malformed", (status, headers["Content-Type"], data.hex()), (200, "application/ocsp-response", "30030a0101"))
    check("malformed", nobody(s, "GET", "/pki/ocsp/%21%21")[2].hex(), "30030a0101")
    answers = [nobody(s, "GET", "/pki/device-ca.crl")[0] for _ in range(300)]
    check("throttled", (set(answers), answers[0], answers[-1]), ({200, 429}, 200, 429))
    print("askers ok")


def due(s):
    s.post("/api/v1/devices/lathe/certificates", {"days": 30})
    deadline = time.monotonic() + 40
    while True:
        codes = {p["code"]: p["count"] for p in s.get("/api/v1/overview")["problems"]}
        if codes.get("certificates_expiring") == 2:
            break
        if time.monotonic() > deadline:
            sys.exit(f"the overview does not warn: {codes}")
        time.sleep(0.2)
    print("due ok")


def without_url():
    with Songhua() as s:
        s.post("/api/v1/devices", {"id": "press"})
        made = s.post("/api/v1/devices/press/certificates", {})
        put(s.data, "press.pem", made["certificate"])
        text = openssl(s.data, "x509", "-in", "press.pem", "-noout", "-text")
        check("says nothing", "URI:" in text, False)
    bad = Songhua({"pki.url": "ftp://x"}, start=False)
    try:
        done = subprocess.run([bad.path, "serve", "--data", bad.data, "--set", "pki.url=ftp://x", "--set", "http.listen="], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              check=False)
        check("a bad address", (done.returncode != 0, b"pki.url is not a web address" in done.stdout), (True, True))
    finally:
        shutil.rmtree(bad.data, ignore_errors=True)
    print("without_url ok")


if any(shutil.which(tool) is None for tool in ("openssl", "curl")):
    skip("openssl or curl is not installed")
port = free_ports(1)[0]
with Songhua({"http.listen": f"127.0.0.1:{port}", "pki.url": f"http://127.0.0.1:{port}/"}, start=False) as node:
    node.http = port
    node.start()
    own = os.path.join(node.data, "test-files")
    os.mkdir(own)
    for dev in ("press", "oven", "mill", "lathe"):
        node.post("/api/v1/devices", {"id": dev})
    address = f"http://127.0.0.1:{port}"
    lifetimes(node, own, address)
    before(own, address)
    revoked(node, own, address)
    gone(node, own, address)
    due(node)
    askers(node, own, address)
without_url()
