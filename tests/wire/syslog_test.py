"""The audit chain to a syslog receiver that we did not write (rsyslog): each entry in order, once, while the receiver restarts and while it is
away; a kill -9 of the server loses none, and copies are told by their number; the hashes are those of the chain; over TLS with the test's
authority, and nothing at all to a receiver of another authority.
SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from songhua import Songhua, free_ports, skip

RSYSLOGD = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
SD = re.compile(r'^<(1[01]\d)>1 (\S+) (\S+) songhua (\d+) (\S+) \[audit@32473 seq="(\d+)" hash="([0-9a-f]{64})" principal="((?:[^"\\\]]|\\.)*)"')


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def wait_for(what, fn, timeout_s=40):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        got = fn()
        if got:
            return got
        time.sleep(0.05)
    sys.exit(f"waited in vain for: {what}")


class Receiver:
    """rsyslogd on loopback with its own configuration; writes each message as it came."""

    def __init__(self, folder, tls=None):
        self.folder, self.tls = folder, tls
        self.port = free_ports(1)[0]
        self.out = os.path.join(folder, "out")
        self.process = None
        driver, stream = "", ""
        if tls:
            driver = f'defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{tls["ca"]}" ' \
                     f'defaultNetstreamDriverCertFile="{tls["cert"]}" defaultNetstreamDriverKeyFile="{tls["key"]}"'
            stream = ' streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"'
        with open(os.path.join(folder, "rsyslog.conf"), "w", encoding="utf-8") as f:
            f.write(f'global(workDirectory="{folder}" maxMessageSize="16k" {driver})\n'
                    f'module(load="imtcp"{stream})\n'
                    'template(name="raw" type="string" string="%rawmsg%\\n")\n'
                    f'input(type="imtcp" address="127.0.0.1" port="{self.port}")\n'
                    f'action(type="omfile" file="{self.out}" template="raw")\n')
        self.start()

    def start(self):
        self.process = subprocess.Popen([RSYSLOGD, "-n", "-i", os.path.join(self.folder, "pid"), "-f", os.path.join(self.folder, "rsyslog.conf")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        wait_for("its pid file to go", lambda: not os.path.exists(os.path.join(self.folder, "pid")))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def lines(self):
        if not os.path.exists(self.out):
            return []
        with open(self.out, encoding="utf-8") as f:
            return f.read().splitlines()

    def entries(self):
        """(seq, hash, severity, act) of each line."""
        out = []
        for line in self.lines():
            m = SD.match(line)
            if not m:
                sys.exit(f"not a message of ours: {line!r}")
            out.append((int(m[6]), m[7], int(m[1]) % 8, m[5]))
        return out


def chain(s):
    """seq -> entry, as the API gives it."""
    out, cursor = {}, ""
    while True:
        page = s.get("/api/v1/audit?limit=500" + cursor)
        for e in page["items"]:
            out[e["seq"]] = e
        if page["next"] is None:
            return out
        cursor = "&cursor=" + page["next"]


def metric(s, name):
    text = s.raw("GET", "/metrics")[2].decode()
    m = re.search(rf"^songhua_{name} (\S+)$", text, re.M)
    return float(m[1]) if m else None


def act(s, n, prefix):
    for i in range(n):
        s.post("/api/v1/tokens", {"name": f"{prefix}{i}", "roles": ["viewer"]})


def problems(s):
    return {p["code"]: p for p in s.get("/api/v1/overview")["problems"]}


def settled(s):
    return metric(s, "audit_forward_lag") == 0


def compare(s, r, once=True):
    """What came is the chain, in order."""
    newest = max(chain(s))
    wait_for(f"entry {newest}", lambda: any(e[0] >= newest for e in r.entries()))
    have, stored = r.entries(), chain(s)
    seqs = [e[0] for e in have]
    if once:
        check("in order, once each", seqs[:newest], list(range(1, newest + 1)))
    first, seen = [], set()
    for q in seqs:
        if q not in seen:
            first.append(q)
            seen.add(q)
    check("the first copies are in order and none is missing", first[:newest], list(range(1, newest + 1)))
    for seq, digest, severity, word in have:
        if seq in stored:
            e = stored[seq]
            check(f"entry {seq}", (digest, severity, word), (e["hash"], 6 if e["result"] == "ok" else 4, e["act"][:32]))
    return seqs


def in_clear(folder):
    r = Receiver(folder)
    s = Songhua({"audit.syslog": f"127.0.0.1:{r.port}", "audit.syslog_tls": "false"}, start=False)
    try:
        s.start()
        act(s, 5, "a")
        s.raw("POST", "/api/v1/sessions", b'{"user":"a\\"]\\\\\\u6768\\n","password":"wrong-wrong-wrong"}', {"Content-Type": "application/json"})
        compare(s, r)
        wait_for("all of it settled", lambda: settled(s))
        check("no problem", "audit_forward" in problems(s), False)
        check("connected", metric(s, "audit_forward_connected"), 1)

        # The receiver restarts: once each.
        r.stop()
        act(s, 7, "b")
        wait_for("the problem is told", lambda: "audit_forward" in problems(s))
        wait_for("it lags", lambda: metric(s, "audit_forward_lag") >= 7)
        check("not connected", metric(s, "audit_forward_connected"), 0)
        found = {c["id"]: c for c in s.get("/api/v1/security")["items"]}["audit.forward"]
        check("self check", (found["state"], "not connected" in found["evidence"]["en"]), ("not_met", True))
        r.start()
        compare(s, r)
        wait_for("all of it settled", lambda: settled(s))
        check("told no more", "audit_forward" in problems(s), False)

        # Far behind: more than a batch, more than the window.
        r.stop()
        act(s, 450, "c")
        r.start()
        compare(s, r)
        wait_for("all of it settled", lambda: settled(s))

        # The server dies in the middle: none is left out; copies have the number of the first.
        act(s, 30, "d")
        s.stop(kill=True)
        s.start()
        act(s, 3, "e")
        seqs = compare(s, r, once=False)
        print(f"after kill -9: {len(seqs)} messages for {len(set(seqs))} entries")
        wait_for("all of it settled", lambda: settled(s))

        # In peace: a start sends nothing again.
        before = len(r.lines())
        check("stop", s.stop(), 0)
        s.start()
        compare(s, r, once=False)
        new = [e[0] for e in r.entries()[before:]]
        check("nothing twice over a quiet restart", len(set(new) & set(seqs)), 0)
        text = "\n".join(r.lines())
        check("no line was split", len(r.lines()), len(r.entries()))
        check("escaped, and no control character", ("\\\"\\]\\\\" in text, "\u240a" in text), (True, True))
    except SystemExit:
        print(f"came: {[e[0] for e in r.entries()]}; the receiver: {r.process.poll()}; songhua's log, end:\n{s.log_text()[-2000:]}")
        raise
    finally:
        s.close()
        r.close()


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def authority(folder, name):
    key, cert = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
        "-keyout", key, "-out", cert)
    return cert, key


def over_tls(folder):
    ca, ca_key = authority(folder, "plant-ca")
    other, _ = authority(folder, "other-ca")
    key, cert, request, ext = (os.path.join(folder, n) for n in ("logs.key", "logs.pem", "logs.csr", "ext"))
    with open(ext, "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost\n")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=logs", "-keyout", key, "-out", request)
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-days", "30", "-extfile", ext, "-out", cert)
    r = Receiver(folder, tls={"ca": ca, "cert": cert, "key": key})
    where = f"localhost:{r.port}"
    try:
        with Songhua({"audit.syslog": where, "audit.syslog_ca": other}) as s:
            act(s, 3, "t")
            told = wait_for("the wrong authority is told", lambda: problems(s).get("audit_forward"))
            check("why", "certificate" in told["text"], True)
            wait_for("it was tried again", lambda: metric(s, "audit_forward_failures_total") >= 2)
            check("nothing was sent", (r.lines(), metric(s, "audit_forward_sent_total")), ([], 0))
            s.stop()
            s.settings["audit.syslog_ca"] = ca
            s.start()
            compare(s, r)
            found = {c["id"]: c for c in s.get("/api/v1/security")["items"]}["audit.forward"]
            check("self check", (found["state"], "over TLS: connected" in found["evidence"]["en"]), ("met", True))
            s.stop()
            s.settings["audit.syslog"] = f"127.0.0.1:{r.port}"  # a name that the certificate does not have
            s.start()
            wait_for("another name is refused", lambda: "audit_forward" in problems(s))
    finally:
        r.close()


def bad_settings(folder):
    for settings, word in (({"audit.syslog": "logs:0"}, "not host:port"), ({"audit.syslog": ":514"}, "not host:port"),
                           ({"audit.syslog": "logs:6514", "audit.syslog_ca": os.path.join(folder, "none.pem")}, "can not be read")):
        s = Songhua(settings, start=False)
        try:
            s.start()
            sys.exit(f"{settings} was taken")
        except RuntimeError as e:
            check(str(settings), word in str(e) and "remedy" in str(e), True)
        finally:
            s.close()


def main():
    if not os.access(RSYSLOGD, os.X_OK):
        skip("rsyslog is not installed")
    for part in (bad_settings, in_clear, over_tls):
        folder = tempfile.mkdtemp(prefix="songhua-test-")
        try:
            part(folder)
            print(part.__name__, "ok")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


main()
