"""Signing in by a certificate: the program openssl makes an SM2 authority, people's certificates and their signatures, as a USB key's middleware
would; ECDSA and RSA besides. Binding by fingerprint, by oneself and by name, roles by units, a second factor, confirming; each refusal, replay,
another browser, locks, lists of revoked certificates; the trial; and our own client.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from songhua import Problem, Songhua, binary, skip

ID = "distid:1234567812345678"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"openssl {' '.join(words)}: {done.stderr.decode()}")
    return done.stdout


class Authority:
    """An authority with its own folder, as a small one would be run."""
    def __init__(self, folder, name, kind="SM2"):
        self.folder, self.name, self.kind = folder, name, kind
        self.digest = "-sm3" if kind == "SM2" else "-sha256"
        self.sig = ["-sigopt", ID] if kind == "SM2" else []
        self.key = self.make_key(name)
        self.cert = os.path.join(folder, name + ".pem")
        openssl("req", "-x509", "-new", "-key", self.key, self.digest, *self.sig, "-subj", f"/C=CN/O=Plant/CN={name}", "-days", "3650",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.cert)
        with open(os.path.join(folder, name + ".cnf"), "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/{name}.index\ncrlnumber={folder}/{name}.number\n")
        open(os.path.join(folder, name + ".index"), "w", encoding="ascii").close()
        with open(os.path.join(folder, name + ".number"), "w", encoding="ascii") as f:
            f.write("01\n")

    @property
    def pem(self):
        with open(self.cert, encoding="ascii") as f:
            return f.read()

    def make_key(self, name):
        path = os.path.join(self.folder, name + ".key")
        if self.kind == "RSA":
            openssl("genrsa", "-out", path, "2048")
        else:
            openssl("ecparam", "-genkey", "-name", self.kind, "-noout", "-out", path)
        return path

    def issue(self, name, subject, usage="digitalSignature", extended="clientAuth", days="365"):
        key, csr, out, ext = self.make_key(name), *(os.path.join(self.folder, name + x) for x in (".csr", ".pem", ".ext"))
        openssl("req", "-new", "-utf8", "-key", key, self.digest, *self.sig, "-subj", subject, "-out", csr)
        with open(ext, "w", encoding="ascii") as f:
            f.write(f"keyUsage=critical,{usage}\n" + (f"extendedKeyUsage={extended}\n" if extended else ""))
        vfy = ["-vfyopt", ID] if self.kind == "SM2" else []
        openssl("x509", "-req", "-in", csr, *vfy, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", self.digest, *self.sig, "-extfile", ext,
                "-days", days, "-out", out)
        return Person(self, key, out)

    def crl(self, *revoked, **more):
        common = ["ca", "-config", os.path.join(self.folder, self.name + ".cnf"), "-cert", self.cert, "-keyfile", self.key, "-md", self.digest[1:],
                  *self.sig]
        for person in revoked:
            openssl(*common, "-revoke", person.path)
        out = os.path.join(self.folder, self.name + ".crl")
        openssl(*common, "-gencrl", *(["-crlsec", more["seconds"]] if "seconds" in more else ["-crldays", "30"]), "-out", out)
        with open(out, encoding="ascii") as f:
            return f.read()


class Person:
    def __init__(self, ca, key, path):
        self.ca, self.key, self.path = ca, key, path
        with open(path, encoding="ascii") as f:
            self.pem = f.read()

    @property
    def print(self):
        body = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", self.pem, re.S)[1]
        return hashlib.sha256(base64.b64decode(body)).hexdigest()

    def sign(self, text, *options):
        path = os.path.join(self.ca.folder, "challenge.txt")
        with open(path, "w", encoding="ascii", newline="") as f:
            f.write(text)
        if not options:
            options = ("-digest", "sm3", "-pkeyopt", ID) if self.ca.kind == "SM2" else ("-digest", "sha256")
        return base64.encodebytes(openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", path, *options)).decode()


class Browser:
    """A browser with its cookies, at an address of its own, so that the count by address of one does not lock out the next."""
    def __init__(self, s, address=None):
        dice = random.SystemRandom()
        self.s, self.cookies, self.csrf = s, {}, {}
        self.address = address or f"127.1.{dice.randrange(256)}.{dice.randrange(1, 255)}"

    def call(self, method, path, body=None, language="en", **head):
        c = http.client.HTTPConnection("127.0.0.1", self.s.http, timeout=60, source_address=(self.address, 0))
        sent = [f"{k}={value}" for k, (value, below) in self.cookies.items() if path.startswith(below)]
        if sent:
            head["Cookie"] = "; ".join(sent)
        c.request(method, path, None if body is None else json.dumps(body),
                  {"Content-Type": "application/json", "Accept-Language": language, **self.csrf, **head})
        answer = c.getresponse()
        data = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = (value, re.search(r"Path=([^;]+)", line)[1])
        c.close()
        got = json.loads(data) if data else None
        if answer.status == 201 and "csrf" in got:
            self.csrf = {"X-CSRF-Token": got["csrf"]}
        return answer.status, got

    def challenge(self, provider="gm", **body):
        status, got = self.call("POST", f"/api/v1/sign-in/{provider}/challenge", body)
        if status != 201:
            sys.exit(f"challenge: {status} {got}")
        return got["challenge"]

    def answer(self, person, text, provider="gm", language="en", **more):
        body = {"certificate": person.pem, "signature": person.sign(text), **more}
        return self.call("POST", f"/api/v1/sign-in/{provider}/answer", body, language)

    def sign_in(self, person, provider="gm", **more):
        status, got = self.answer(person, self.challenge(provider), provider, **more)
        if status == 201:
            return 201, got["user"]["name"]
        return status, got["code"]


def audited(s, act, text):
    return [e for e in s.get("/api/v1/audit?limit=200&act=" + act)["items"] if text in json.dumps(e, ensure_ascii=False)]


def put(s, provider, **change):
    return s.call("PUT", f"/api/v1/identity-providers/{provider}", change)


def set_up(s, ca):
    made = s.post("/api/v1/identity-providers", {"kind": "certificate", "id": "gm", "zh": "国密证书", "en": "SM2 certificate", "ca": ca.pem})
    (authority,) = made["authorities"]
    check("what is shown of whom it trusts", (authority["subject"], authority["key"], len(authority["sha256"]), len(authority["sm3"])),
          ("CN=SM2 root,O=Plant,C=CN", "SM2", 64, 64))
    openssl_print = openssl("x509", "-in", ca.cert, "-noout", "-fingerprint", "-sha256").decode().split("=")[1].strip().replace(":", "").lower()
    openssl_sm3 = openssl("x509", "-in", ca.cert, "-noout", "-fingerprint", "-sm3").decode().split("=")[1].strip().replace(":", "").lower()
    check("prints as openssl has them", (authority["sha256"], authority["sm3"]), (openssl_print, openssl_sm3))
    check("defaults", (made["match"], made["revocation"], made["distid"], made["people"], made["second_factor"], made["revocation_lists"]),
          ("fingerprint", "strict", "1234567812345678", "linked", "own", []))
    check("the sign-in page learns its name alone", s.get("/api/v1/sign-in")["certificates"],
          [{"id": "gm", "zh": "国密证书", "en": "SM2 certificate"}])
    leaf = ca.issue("leaf", "/CN=leaf")
    for change, path in (
        ({"ca": ""}, "/ca"), ({"ca": "no certificate"}, "/ca"), ({"ca": leaf.pem}, "/ca"), ({"crl": "no list"}, "/crl"),
        ({"distid": "x" * 200}, "/policies"), ({"policies": "clientAuth"}, "/policies"), ({"revocation": "none"}, "/revocation"),
        ({"match": "email"}, "/match"), ({"name_claim": "sub"}, "/name_claim"), ({"roles_claim": "cn"}, "/roles_claim"), ({"kind": "nis"}, "/kind"),
    ):
        for language in ("en", "zh"):
            try:
                s.call("POST", "/api/v1/identity-providers", {"kind": "certificate", "ca": ca.pem, **change, "id": "bad"},
                       headers={"Accept-Language": language})
                sys.exit(f"taken: {change}")
            except Problem as p:
                check(f"refused: {change} {p.body}", (p.status, p.body["code"], path in json.dumps(p.body)), (400, "bad_request", True))
    check("it is no door of OpenID Connect", s.raw("GET", "/api/v1/sign-in/gm/start")[1]["Location"], "/#sign-in=provider_off")


def bound(s, li):
    b = Browser(s)
    text = b.challenge()
    lines = text.split("\n")
    check("the text", (lines[0], lines[1], lines[2], lines[3][:6], len(lines[4]), lines[5]),
          ("Songhua sign-in", f"site: http://127.0.0.1:{s.http}", "provider: gm", "time: ", len("nonce: ") + 43, ""))
    check("nobody is bound", b.answer(li, text)[1]["code"], "certificate_refused")
    check("audited with the exact reason", audited(s, "session.refused", "not_linked")[0]["object"], "provider:gm")
    s.post("/api/v1/people", {"name": "lilei", "roles": ["engineer"]})
    try:
        s.post("/api/v1/people/lilei/identities", {"provider": "gm", "subject": "1234"})
        sys.exit("a subject that is no fingerprint was taken")
    except Problem as p:
        check("a subject is a fingerprint", (p.status, "/subject" in json.dumps(p.body)), (400, True))
    shown = ":".join(li.print[i:i + 2] for i in range(0, 64, 2)).upper()
    s.post("/api/v1/people/lilei/identities", {"provider": "gm", "subject": shown})
    check("bound by the fingerprint as programs show it", s.get("/api/v1/people/lilei/identities")["items"],
          [{"provider": "gm", "subject": li.print}])
    check("signed in", Browser(s).sign_in(li), (201, "lilei"))
    check("audited", audited(s, "session.created", "provider gm, subject " + li.print)[0]["object"], "person:lilei")
    with open(li.path, "rb") as f:
        pem = f.read().decode()
    plain = "".join(pem.strip().split("\n")[1:-1])
    b = Browser(s)
    text = b.challenge()
    check("base64 of DER, CR LF as a form sends it, r and s",
          b.answer(li, text, certificate=plain, signature=raw_of(li.sign(text.replace("\n", "\r\n"))))[0], 201)


def raw_of(signature):
    """r and s of a DER Sig-Value, in base64."""
    der = base64.b64decode(signature)
    n = der[3]
    r, rest = der[4:4 + n], der[4 + n:]
    v = rest[2:2 + rest[1]]
    return base64.b64encode(int.from_bytes(r, "big").to_bytes(32, "big") + int.from_bytes(v, "big").to_bytes(32, "big")).decode()


def refusals(s, ca, other, li):
    han = ca.issue("han", "/CN=han")
    twin = other.issue("twin", "/C=CN/O=Plant/CN=李雷")
    cipher = ca.issue("cipher", "/CN=li", usage="keyEncipherment", extended="")
    server = ca.issue("server", "/CN=li", extended="serverAuth")

    def detail(person, signer=None, sign=None, language="en", **more):
        b = Browser(s)
        text = b.challenge()
        signature = (sign or (signer or person).sign)(text)
        status, got = b.answer(person, text, language=language, signature=signature, **more)
        check("which counts, and is forgotten", Browser(s).sign_in(li), (201, "lilei"))
        return status, got["code"], got["detail"]

    no = "the certificate is not accepted here"
    fits = "the signature is not this certificate's over the text that was shown"
    check("another's signature", detail(li, han), (403, "certificate_refused", fits))
    check("in Chinese", detail(li, han, language="zh"), (403, "certificate_refused", "签名与所示质询文本及证书不符"))
    check("of another text", detail(li, sign=lambda t: li.sign(t.replace("sign-in", "sign-on"))), (403, "certificate_refused", fits))
    check("with another id", detail(li, sign=lambda t: li.sign(t, "-digest", "sm3", "-pkeyopt", "distid:plant")), (403, "certificate_refused", fits))
    check("no base64", detail(li, sign=lambda t: "***"), (403, "certificate_refused", "this is no signature in base64"))
    check("no certificate", detail(li, certificate="-----BEGIN CERTIFICATE-----")[1:],
          ("certificate_refused", "this is no certificate in PEM or base64"))
    check("of the authority of the same name", detail(twin)[1:], ("certificate_refused", no))
    check("that authority sent along", detail(twin, chain=other.pem)[1:], ("certificate_refused", no))
    check("the encryption certificate of the pair", detail(cipher)[1:], ("certificate_refused", no))
    check("of a server", detail(server)[1:], ("certificate_refused", no))
    for word in ("signature, ", "signature_form", "chain, ", "key_usage", "extended_usage"):
        check("the audit says: " + word, len(audited(s, "session.refused", word)) > 0, True)

    b = Browser(s)
    text = b.challenge()
    done = {"certificate": li.pem, "signature": li.sign(text)}
    other_browser = Browser(s)
    other_browser.challenge()
    check("another browser", other_browser.call("POST", "/api/v1/sign-in/gm/answer", done)[1]["code"], "certificate_refused")
    check("no browser", Browser(s).call("POST", "/api/v1/sign-in/gm/answer", done)[1]["code"], "challenge_over")
    kept = dict(b.cookies)
    check("its own", b.call("POST", "/api/v1/sign-in/gm/answer", done)[0], 201)
    b.cookies = kept
    check("once", b.call("POST", "/api/v1/sign-in/gm/answer", done)[1]["code"], "challenge_over")
    check("another site's page", Browser(s).call("POST", "/api/v1/sign-in/gm/challenge", {}, Origin="http://evil.example")[0], 403)
    check("no such provider", Browser(s).call("POST", "/api/v1/sign-in/nobody/challenge", {})[0], 404)
    check("not for that", Browser(s).call("POST", "/api/v1/sign-in/gm/challenge", {"for": "fun"})[0], 400)
    check("to confirm without a session", Browser(s).call("POST", "/api/v1/sign-in/gm/challenge", {"for": "confirm"})[0], 409)


def locks(s, ca, li):
    han = ca.issue("han2", "/CN=han2")
    answers = []
    for _ in range(12):
        b = Browser(s)
        text = b.challenge()
        answers.append(b.answer(li, text, signature=han.sign(text))[1]["code"])
        if answers[-1] == "locked":
            break
    check("failures with his certificate lock the person", answers[-1], "locked")
    check("also for the right signature", Browser(s).sign_in(li), (429, "locked"))
    s.raw("PUT", "/api/v1/people/lilei", json.dumps({"password": "Some-new-password-771"}), {"Content-Type": "application/json"})


def own(s, ca, li):
    """People bind their own, and confirm with it."""
    wang = ca.issue("wang", "/C=CN/CN=wang")
    newer = ca.issue("wang2", "/C=CN/CN=wang")
    s.post("/api/v1/people", {"name": "wang", "password": "Wang-in-Harbin-1987", "roles": ["engineer"], "must_change_password": False})
    b = Browser(s)
    check("by the password", b.call("POST", "/api/v1/sessions", {"user": "wang", "password": "Wang-in-Harbin-1987"})[0], 201)

    def bind(person):
        text = b.challenge(**{"for": "bind"})
        check("says so", text.split("\n")[0], "Songhua binding of a certificate")
        return b.call("POST", "/api/v1/sign-in/gm/bind", {"certificate": person.pem, "signature": person.sign(text)})

    check("bound", bind(wang), (204, None))
    check("somebody else's", bind(li)[0], 409)
    text = b.challenge(**{"for": "bind"})
    check("a text to bind does not sign in", b.answer(wang, text)[1]["code"], "challenge_over")
    fresh = Browser(s)
    check("signs in", fresh.sign_in(wang), (201, "wang"))
    text = fresh.challenge(**{"for": "confirm"})
    check("confirms", fresh.answer(wang, text), (204, None))
    check("audited", audited(s, "session.confirmed", "provider gm")[0]["object"], "person:wang")
    text = fresh.challenge(**{"for": "confirm"})
    check("not with another's", fresh.answer(li, text)[1]["code"], "certificate_refused")
    check("a newer one takes its place", bind(newer), (204, None))
    check("the old one is not good any more", Browser(s).sign_in(wang), (403, "certificate_refused"))
    check("the new one is", Browser(s).sign_in(newer), (201, "wang"))
    put(s, "gm", self_bind=False)
    check("when people may not", b.call("POST", "/api/v1/sign-in/gm/challenge", {"for": "bind"})[0], 409)
    put(s, "gm", self_bind=True)


def by_name(s, ca):
    """The number on the certificate is the person's name here; units give roles; a newer certificate needs nothing."""
    put(s, "gm", match="name", name_claim="serialNumber", people="map", map=[{"value": "operators", "role": "operator"}])
    zhang = ca.issue("zhang", "/C=CN/OU=operators/CN=张三/serialNumber=e4711")
    check("made at the first sign-in", Browser(s).sign_in(zhang), (201, "e4711"))
    person = s.get("/api/v1/people/e4711")
    check("with the role of the unit", (person["roles"], person["display"]), (["operator"], "张三"))
    check("a newer one", Browser(s).sign_in(ca.issue("zhang2", "/C=CN/OU=operators/CN=张三/serialNumber=e4711")), (201, "e4711"))
    check("no unit, no role", Browser(s).sign_in(ca.issue("nobody", "/CN=n/serialNumber=e1")), (403, "certificate_refused"))
    check("nobody administers by a name", Browser(s).sign_in(ca.issue("root", "/OU=operators/serialNumber=admin")), (403, "certificate_refused"))
    check("audited", len(audited(s, "session.refused", "administrator, ")), 1)
    put(s, "gm", match="fingerprint", name_claim="cn", people="linked", map=[])


def revoked(s, ca):
    gone = ca.issue("gone", "/CN=gone")
    s.post("/api/v1/people", {"name": "gone", "roles": ["engineer"]})
    s.post("/api/v1/people/gone/identities", {"provider": "gm", "subject": gone.print})
    check("before", Browser(s).sign_in(gone), (201, "gone"))
    shown = put(s, "gm", crl=ca.crl(gone))["revocation_lists"]
    check("the list is shown", [(x["issuer"], x["revoked"], x["of_trust_list"]) for x in shown], [("CN=SM2 root,O=Plant,C=CN", 1, True)])
    check("revoked", Browser(s).sign_in(gone), (403, "certificate_refused"))
    check("audited", len(audited(s, "session.refused", "revoked, ")), 1)
    keep = ca.issue("keep", "/CN=keep")
    s.post("/api/v1/people", {"name": "keep", "roles": ["engineer"]})
    s.post("/api/v1/people/keep/identities", {"provider": "gm", "subject": keep.print})
    check("another one is not", Browser(s).sign_in(keep), (201, "keep"))
    put(s, "gm", crl=ca.crl(seconds="1"))
    end = time.monotonic() + 10
    while Browser(s).sign_in(keep)[0] == 201:
        if time.monotonic() > end:
            sys.exit("a list that is over is still taken")
        time.sleep(0.2)
    check("stale", len(audited(s, "session.refused", "crl_stale, ")), 1)
    put(s, "gm", revocation="lenient")
    check("lenient", Browser(s).sign_in(keep), (201, "keep"))
    check("and still no revoked one", Browser(s).sign_in(gone), (403, "certificate_refused"))
    put(s, "gm", crl="", revocation="strict")


def trial(s, ca, li):
    def tried(body, language="en"):
        got = s.call("POST", "/api/v1/identity-providers/gm/try", body, headers={"Accept-Language": language})
        return got, {x["step"]: x["result"] for x in got["steps"]}

    got, steps = tried({})
    check("itself", (got["good"], steps, got["found"]), (True, {"trust": "ok", "lists": "skipped"}, None))
    text = "a trial\n"
    got, steps = tried({"message": text, "certificate": li.pem, "signature": li.sign(text)})
    check("all steps", (got["good"], [k for k, v in steps.items() if v == "ok"]),
          (True, ["trust", "certificate", "key", "signature", "validity", "chain", "usage", "person"]))
    check("who it is", (got["found"]["person"], got["found"]["key"], got["found"]["sha256"], got["found"]["name"]), ("lilei", "SM2", li.print, "李雷"))
    got, steps = tried({"message": "another\n", "certificate": ca.issue("srv", "/CN=x", extended="serverAuth").pem, "signature": li.sign(text)}, "zh")
    check("all that is wrong at once", (got["good"], [k for k, v in steps.items() if v == "failed"]), (False, ["signature", "usage", "person"]))
    words = " ".join(x["detail"] for x in got["steps"])
    check("in Chinese", all(x in words for x in ("签名", "扩展密钥用途")), True)
    check("audited", len(audited(s, "provider.tried", "gm")), 3)


def kinds(s, folder):
    for kind, extra in (("prime256v1", ()), ("secp384r1", ("-digest", "sha384")), ("RSA", ())):
        ca = Authority(folder, "CA " + kind, kind)
        person = ca.issue("li " + kind, "/CN=li")
        name = "k" + kind.lower()
        s.post("/api/v1/identity-providers", {"kind": "certificate", "id": name, "ca": ca.pem, "client_auth": True})
        s.post("/api/v1/people", {"name": name, "roles": ["engineer"]})
        s.post(f"/api/v1/people/{name}/identities", {"provider": name, "subject": person.print})
        b = Browser(s)
        text = b.challenge(name)
        check(kind, b.answer(person, text, name, signature=person.sign(text, *extra))[0], 201)
    pss = ("-digest", "sha256", "-pkeyopt", "rsa_padding_mode:pss")
    b = Browser(s)
    text = b.challenge("krsa")
    check("RSA-PSS", b.answer(person, text, "krsa", signature=person.sign(text, *pss))[0], 201)
    check("with another's provider", b.sign_in(person, "gm"), (403, "certificate_refused"))


def client(s, ca, li):
    """Our own client: signs in, uses the token, and signs the text that the console shows."""
    def ctl(*words, **more):
        return subprocess.run([binary(), "ctl", *words, "--url", f"http://127.0.0.1:{s.http}"], capture_output=True, check=False, timeout=60, **more)

    token = os.path.join(ca.folder, "token")
    done = ctl("login", "gm", "--certificate", li.path, "--private-key", li.key, "--out", token)
    check("login", (done.returncode, done.stderr), (0, b""))
    check("the file is the owner's", os.stat(token).st_mode & 0o077, 0)
    done = ctl("GET", "sessions/current", "--token-file", token)
    check("the token is good", json.loads(done.stdout)["user"]["name"], "lilei")
    done = ctl("login", "gm", "--certificate", li.path, "--private-key", ca.key)
    check("another key", (done.returncode, b"certificate" in done.stderr), (4, True))
    check("no such provider", ctl("login", "nobody", "--certificate", li.path, "--private-key", li.key).returncode, 5)
    check("no key", ctl("login", "gm", "--certificate", li.path).returncode, 2)
    check("a file that is none", ctl("login", "gm", "--certificate", li.path, "--private-key", li.path).returncode, 2)
    b = Browser(s)
    text = b.challenge()
    done = ctl("sign", "-", "--private-key", li.key, input=text.encode())
    check("the text of the console", b.answer(li, text, signature=done.stdout.decode())[0], 201)


def main():
    if shutil.which("openssl") is None:
        skip("there is no program openssl")
    with tempfile.TemporaryDirectory(prefix="songhua-ca-") as folder, Songhua() as s:
        os.mkdir(os.path.join(folder, "other"))
        ca = Authority(folder, "SM2 root")
        other = Authority(os.path.join(folder, "other"), "SM2 root")
        li = ca.issue("li", "/C=CN/O=Plant/CN=李雷")
        set_up(s, ca)
        bound(s, li)
        trial(s, ca, li)
        client(s, ca, li)
        refusals(s, ca, other, li)
        own(s, ca, li)
        by_name(s, ca)
        revoked(s, ca)
        kinds(s, folder)
        s.stop()
        s.start()
        check("kept over a restart", Browser(s).sign_in(li), (201, "lilei"))
        locks(s, ca, li)
    print("signed in by certificates of", binary())


main()
