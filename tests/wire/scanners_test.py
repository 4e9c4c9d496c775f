"""Public scanners against the real listeners: testssl.sh on HTTPS and MQTT over TLS with a certificate of an authority of our own - nothing
it calls LOW or worse; slowhttptest on HTTP - the server stays ready and within its memory while thousands of slow requests hang on it.
In the gate the checks of testssl.sh that take long are left out; `make scan` (SONGHUA_SCAN=full) makes all and keeps what came out in
build/scan.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from songhua import ROOT, Songhua, free_ports, skip

FULL = os.environ.get("SONGHUA_SCAN") == "full"
GATE = ["--protocols", "--fs"]  # the rest with `make scan`
# What is not about the server: a name of the test has no DNS, and testssl.sh cannot ask an authority of the test about revocation.
APART = {"DNS_CAArecord", "cert_revocation", "engine_problem"}
WORSE = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"}
SLOW = [("slow heads", ["-H"]), ("slow bodies", ["-B"]), ("slow reading", ["-X", "-w", "10", "-y", "20", "-z", "32"]), ("ranges", ["-R"])]


def run(*command, cwd=None):
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificate(folder):
    """An authority and a server's certificate of it, as a plant would have them."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("openssl", "req", "-x509", *curve, "-days", "3650", "-subj", "/CN=Songhua test authority", "-keyout", "ca.key", "-out", "ca.pem", cwd=folder)
    run("openssl", "req", *curve, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr", cwd=folder)
    with open(os.path.join(folder, "ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\nbasicConstraints=CA:FALSE\n")
    run("openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "90", "-extfile", "ext", "-out",
        "server.pem", cwd=folder)


def keep(folder, name):
    if FULL:
        os.makedirs(os.path.join(ROOT, "build", "scan"), exist_ok=True)
        shutil.copy(os.path.join(folder, name), os.path.join(ROOT, "build", "scan", name))


def testssl(folder, name, port, checks, out):
    begin = time.monotonic()
    report = os.path.join(folder, f"testssl-{name}.json")
    command = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--add-ca", os.path.join(folder, "ca.pem"),
               "--jsonfile", report, *([] if FULL else checks), f"localhost:{port}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=900)
    if not os.path.exists(report):
        out[name] = f"no report: {done.stdout[-800:]} {done.stderr[-800:]}"
        return
    keep(folder, os.path.basename(report))
    with open(report, encoding="utf-8") as f:
        found = json.load(f)
    seen = {x["id"]: x for x in found}
    bad = [f"{x['severity']} {x['id']}: {x['finding']}" for x in found if x["severity"] in WORSE and x["id"] not in APART]
    for ident, want in (("TLS1_3", "offered"), ("TLS1_2", "offered"), ("TLS1_1", "not offered"), ("TLS1", "not offered"), ("SSLv3", "not offered"),
                        ("PFS", "offered"), ("cert_chain_of_trust", "passed") if FULL else ("PFS", "offered")):
        if ident not in seen or not seen[ident]["finding"].startswith(want):
            bad.append(f"{ident} is not as expected: {seen.get(ident)}")
    out[name] = "; ".join(bad)
    print(f"testssl.sh on {name}: {len(found)} findings, {len(bad)} bad, {time.monotonic() - begin:.0f} s")


def tls(folder):
    certificate(folder)
    http, mqtts = free_ports(2)
    path = {"tls.cert": os.path.join(folder, "server.pem"), "tls.key": os.path.join(folder, "server.key")}
    with Songhua({"https.listen": f"127.0.0.1:{http}", "mqtts.listen": f"127.0.0.1:{mqtts}", **path}) as s:
        out = {}
        jobs = [threading.Thread(target=testssl, args=(folder, "https", http, GATE + ["--headers"], out)),
                threading.Thread(target=testssl, args=(folder, "mqtts", mqtts, GATE, out))]
        for j in jobs:
            j.start()
        for j in jobs:
            j.join()
        for name in ("https", "mqtts"):
            if out.get(name) != "":
                sys.exit(f"testssl.sh on {name}: {out.get(name, 'it did not end')}")
        if s.raw("GET", "/readyz")[0] != 200:
            sys.exit("the server is not ready after testssl.sh")


def slow(s, folder, name, how):
    before = s.memory_kib()
    count, seconds = ("2000", "60") if FULL else ("500", "4")
    command = ["slowhttptest", *how, "-c", count, "-r", "500", "-i", "2", "-l", seconds, "-p", "3", "-u", f"http://127.0.0.1:{s.http}/"]
    with open(os.path.join(folder, f"slowhttptest{how[0]}.txt"), "w", encoding="utf-8") as f:
        job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT)
        worst, most = 0.0, before
        while job.poll() is None:
            begin = time.monotonic()
            s.disconnect()
            status = s.raw("GET", "/readyz")[0]
            worst, most = max(worst, time.monotonic() - begin), max(most, s.memory_kib())
            if status != 200:
                sys.exit(f"{name}: /readyz says {status}")
            time.sleep(0.05)
    keep(folder, os.path.basename(f.name))
    with open(f.name, encoding="utf-8", errors="replace") as f:
        text = re.sub("\x1b\\[[0-9;]*m", "", f.read())
    print(f"slowhttptest, {name}: worst answer {worst * 1000:.0f} ms, {most - before} KiB more")
    if worst > 5 or most - before > 128 << 10:
        sys.exit(f"{name}: an answer took {worst:.1f} s, memory grew by {most - before} KiB\n{text[-1500:]}")
    if "connected" not in text:
        sys.exit(f"slowhttptest did not run: {text[-1500:]}")


def main():
    for tool in ("testssl", "slowhttptest", "openssl"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")
    with tempfile.TemporaryDirectory(prefix="songhua-scan-") as folder:
        tls(folder)
        with Songhua() as s:
            for name, how in SLOW if FULL else SLOW[:2]:
                slow(s, folder, name, how)
            if s.stop() != 0:
                sys.exit("the server did not end well")


main()
