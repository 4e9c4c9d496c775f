#!/usr/bin/env python3
"""Makes trust_vectors.h by the program openssl (3.0 or later): authorities, people's certificates, lists of revoked ones, signatures.
Run by hand when a vector is missing: src/crypto/test/make_trust_vectors.py > src/crypto/test/trust_vectors.h
SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import tempfile

ID = "distid:1234567812345678"
MESSAGE = "Songhua sign-in\nnonce: 1\n"


def run(*words, **more):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, **more).stdout


class Maker:
    def __init__(self):
        self.files = {}

    def key(self, name, kind):
        if kind.startswith("rsa"):
            run("genrsa", "-out", name + ".key", kind[3:])
        else:
            run("ecparam", "-genkey", "-name", {"sm2": "SM2", "p256": "prime256v1", "p384": "secp384r1"}[kind], "-noout", "-out", name + ".key")
            run("pkcs8", "-topk8", "-nocrypt", "-in", name + ".key", "-out", name + ".tmp")
            os.replace(name + ".tmp", name + ".key")
        self.files[name + "_key"] = open(name + ".key", encoding="ascii").read()

    def cert(self, name, kind, subject, issuer=None, extensions=(), digest=None, days="7300", distid=ID):
        self.key(name, kind)
        digest = digest or ("-sm3" if kind == "sm2" else "-sha256")
        sig = ["-sigopt", distid] if kind == "sm2" else []
        run("req", "-new", "-utf8", "-key", name + ".key", digest, *sig, "-subj", subject, "-out", name + ".csr")
        with open("ext", "w", encoding="ascii") as f:
            f.write("\n".join(extensions) + "\n")
        vfy = ["-vfyopt", distid] if kind == "sm2" else []
        by = ["-CA", issuer + ".pem", "-CAkey", issuer + ".key", "-CAcreateserial"] if issuer else ["-key", name + ".key"]
        run("x509", "-req", "-in", name + ".csr", *vfy, *by, digest, *sig, "-extfile", "ext", "-days", days, "-out", name + ".pem")
        self.files[name] = open(name + ".pem", encoding="ascii").read()

    def crl(self, name, issuer, revoked, digest, sig, days):
        with open("ca.cnf", "w", encoding="ascii") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_crl_days=" + days + "\ncrl_extensions=e\n[e]\n"
                    "authorityKeyIdentifier=keyid\n")
        open("index", "w", encoding="ascii").close()
        with open("number", "w", encoding="ascii") as f:
            f.write("01\n")
        common = ["ca", "-config", "ca.cnf", "-cert", issuer + ".pem", "-keyfile", issuer + ".key", "-md", digest, *sig]
        for one in revoked:
            run(*common, "-revoke", one + ".pem")
        run(*common, "-gencrl", "-out", name + ".crl")
        self.files[name] = open(name + ".crl", encoding="ascii").read()

    def sign(self, name, key, *options, message=MESSAGE):
        with open("message", "w", encoding="ascii", newline="") as f:
            f.write(message)
        self.files[name] = run("pkeyutl", "-sign", "-rawin", "-inkey", key + ".key", "-in", "message", *options)


CA = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
SUB = ("basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
PERSON = ("basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature,nonRepudiation", "extendedKeyUsage=clientAuth",
          "certificatePolicies=1.2.156.10197.1.301", "subjectAltName=email:li@plant.cn")
SM2 = ["-digest", "sm3", "-pkeyopt", ID]


def make(m):
    m.cert("sm2_root", "sm2", "/C=CN/O=Plant/CN=SM2 root", extensions=CA)
    m.cert("sm2_other", "sm2", "/C=CN/O=Plant/CN=SM2 root", extensions=CA)
    m.cert("sm2_sub", "sm2", "/C=CN/O=Plant/CN=SM2 people", "sm2_root", SUB)
    m.cert("sm2_subsub", "sm2", "/C=CN/O=Plant/CN=SM2 too deep", "sm2_sub", SUB)
    m.cert("sm2_li", "sm2", "/C=CN/O=Plant/OU=operators/OU=night/CN=李雷/serialNumber=E-4711/UID=lilei", "sm2_root", PERSON)
    m.cert("sm2_han", "sm2", "/C=CN/O=Plant/CN=han/emailAddress=han@plant.cn", "sm2_sub", PERSON)
    m.cert("sm2_deep", "sm2", "/C=CN/CN=deep", "sm2_subsub", PERSON)
    m.cert("sm2_child", "sm2", "/C=CN/CN=child", "sm2_li", PERSON)
    m.cert("sm2_cipher", "sm2", "/C=CN/CN=li", "sm2_root", ("keyUsage=critical,keyEncipherment,dataEncipherment",))
    m.cert("sm2_server", "sm2", "/C=CN/CN=li", "sm2_root", ("keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth"))
    m.cert("sm2_bare", "sm2", "/C=CN/CN=bare", "sm2_root")
    m.cert("sm2_short", "sm2", "/C=CN/CN=short", "sm2_root", PERSON, days="1")
    m.cert("sm2_gone", "sm2", "/C=CN/CN=gone", "sm2_root", PERSON)
    m.cert("sm2_oddid", "sm2", "/C=CN/CN=odd root", extensions=CA, distid="distid:plant")
    m.cert("sm2_oddli", "sm2", "/C=CN/CN=odd", "sm2_oddid", PERSON, distid="distid:plant")
    m.cert("p256_root", "p256", "/CN=P-256 root", extensions=CA)
    m.cert("p256_li", "p256", "/CN=li", "p256_root", PERSON)
    m.cert("p384_li", "p384", "/CN=li", "p256_root", PERSON)
    m.cert("rsa_root", "rsa2048", "/CN=RSA root", extensions=CA)
    m.cert("rsa_li", "rsa2048", "/CN=li", "rsa_root", PERSON)
    m.cert("rsa_weak", "rsa1024", "/CN=li", "rsa_root", PERSON)
    m.cert("rsa_sha1", "rsa2048", "/CN=li", "rsa_root", PERSON, digest="-sha1")
    sm2 = ["-sigopt", ID]
    m.crl("crl_sm2", "sm2_root", ["sm2_gone"], "sm3", sm2, "7300")
    m.crl("crl_sm2_old", "sm2_root", ["sm2_gone"], "sm3", sm2, "1")
    m.crl("crl_sm2_sub", "sm2_sub", [], "sm3", sm2, "7300")
    m.crl("crl_forged", "sm2_other", [], "sm3", sm2, "7300")
    for who in ("sm2_li", "sm2_han", "sm2_deep", "sm2_child", "sm2_cipher", "sm2_server", "sm2_bare", "sm2_short", "sm2_gone", "sm2_root"):
        m.sign("sig_" + who, who, *SM2)
    m.sign("sig_sm2_wrongid", "sm2_li", "-digest", "sm3", "-pkeyopt", "distid:plant")
    m.sign("sig_sm2_oddli", "sm2_oddli", "-digest", "sm3", "-pkeyopt", "distid:plant")
    m.sign("sig_sm2_crlf", "sm2_li", *SM2, message=MESSAGE.replace("\n", "\r\n"))
    m.sign("sig_sm2_bare_end", "sm2_li", *SM2, message=MESSAGE[:-1])
    m.sign("sig_p256_li", "p256_li", "-digest", "sha256")
    m.sign("sig_p384_li", "p384_li", "-digest", "sha384")
    m.sign("sig_p384_sha256", "p384_li", "-digest", "sha256")
    m.sign("sig_rsa_li", "rsa_li", "-digest", "sha256")
    m.sign("sig_rsa_pss", "rsa_li", "-digest", "sha256", "-pkeyopt", "rsa_padding_mode:pss")
    m.sign("sig_rsa_sha1", "rsa_li", "-digest", "sha1")
    m.sign("sig_rsa_weak", "rsa_weak", "-digest", "sha256")
    m.sign("sig_rsa_old", "rsa_sha1", "-digest", "sha256")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        m = Maker()
        make(m)
    print("/* trust_vectors.h - made by make_trust_vectors.py with the program openssl; keys for nothing else.\n"
          " * SPDX-License-Identifier: Apache-2.0 */\n/* clang-format off */\n#ifndef SH_TRUST_VECTORS_H\n#define SH_TRUST_VECTORS_H\n")
    print("#define MESSAGE \"" + MESSAGE.replace("\n", "\\n") + "\"\n")
    used = {"sm2_li_key", "p256_li_key", "p384_li_key", "rsa_li_key"}
    for name, what in m.files.items():
        if isinstance(what, str) and name.endswith("_key") and name not in used:
            continue
        if isinstance(what, str):
            lines = "\n".join(f'    "{line}\\n"' for line in what.strip().split("\n"))
            print(f"static const char {name}[] =\n{lines};\n")
        else:
            rows = [", ".join(f"0x{b:02x}" for b in what[i:i + 16]) for i in range(0, len(what), 16)]
            body = ",\n    ".join(rows)
            print(f"static const uint8_t {name}[] = {{\n    {body}}};\n")
    print("#endif /* SH_TRUST_VECTORS_H */")


main()
