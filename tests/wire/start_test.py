"""The program as an operator meets it: how fast it starts and what it needs when idle, its commands, a second process on the same data, a
clean end, what a restart keeps, TLS with its own certificate and SIGHUP, and the audit chain, which notices a changed database.
SPDX-License-Identifier: Apache-2.0
"""
import glob
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import warnings

from songhua import PASSWORD, Problem, Songhua, binary, free_ports

try:
    import paho.mqtt.client as mqtt
except ImportError:
    mqtt = None

RELEASE = "release" in binary()
NEW = "Another-river-1898"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def run(s, *args, stdin="", **environment):
    return subprocess.run(
        [s.path, *args], input=stdin, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def times(s):
    s.stop()
    s.start()
    time.sleep(1)
    print(f"  start {s.start_s:.2f} s, idle {s.memory_kib() / 1024:.0f} MiB resident")
    if RELEASE:
        check("starts within a second", s.start_s < 1, True)
        check("64 MiB when idle", s.memory_kib() < 64 * 1024, True)
    cpu = s.cpu_s()
    time.sleep(2)
    cpu = (s.cpu_s() - cpu) / 2
    print(f"  idle {cpu * 100:.1f} % of a core")
    check("does next to nothing when idle", cpu < 0.1, True)


def words(s):
    a = run(s, "version")
    check("version", (a.returncode, a.stdout.startswith("songhua ")), (0, True))
    a = run(s, "--help")
    check("help", (a.returncode, "serve" in a.stdout), (0, True))
    a = run(s, "nonsense")
    check("unknown command", (a.returncode, "nonsense" in a.stderr), (2, True))
    a = run(s, "serve")
    check("serve without --data", (a.returncode != 0, "--data" in a.stderr), (True, True))
    check("check", run(s, "check", "--set", "mqtt.listen=127.0.0.1:1883").returncode, 0)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write("[mqtt]\nlisten = 127.0.0.1:1883\nwrong = 1\n[http]\nlisten = nowhere\n")
        f.flush()
        a = run(s, "check", "--config", f.name)
        check("a bad configuration", a.returncode, 1)
        for part in (f"{f.name}:3", f"{f.name}:5", "wrong", "2 problems"):
            check(f"it names {part}: {a.stderr}", part in a.stderr, True)
    a = run(s, "check", SONGHUA_HTTP_LISTEN="nowhere")
    check("a bad variable", (a.returncode, "http.listen" in a.stderr.lower() or "SONGHUA_HTTP_LISTEN" in a.stderr), (1, True))


def ctl(s):
    url = f"http://127.0.0.1:{s.http}"
    a = run(s, "ctl", "--url", url, "--token", s.token, "GET", "devices")
    check("ctl", (a.returncode, json.loads(a.stdout)["items"]), (0, []))
    a = run(s, "ctl", "POST", "devices", '{"id":"by-ctl"}', SONGHUA_URL=url, SONGHUA_TOKEN=s.token)
    check(f"ctl POST {a.stderr}", (a.returncode, json.loads(a.stdout)["id"]), (0, "by-ctl"))
    a = run(s, "ctl", "--url", url, "--token", s.token, "GET", "devices/none")
    check("ctl, a problem", (a.returncode, json.loads(a.stdout)["code"]), (1, "not_found"))
    check("ctl, wrong use", run(s, "ctl").returncode, 2)
    check("ctl, nobody there", run(s, "ctl", "--url", f"http://127.0.0.1:{free_ports(1)[0]}", "GET", "devices").returncode, 1)


def second_process(s):
    a = run(
        s, "serve", "--data", s.data, *[x for p in ("http", "mqtt") for x in ("--set", f"{p}.listen=127.0.0.1:{free_ports(1)[0]}")]
    )
    check("a second process is refused", (a.returncode != 0, "in use" in a.stderr), (True, True))
    check("the first goes on", s.raw("GET", "/readyz")[0], 200)
    a = run(s, "passwd", "--data", s.data, stdin=NEW + "\n")
    check("passwd beside a server", (a.returncode, "running" in a.stderr), (1, True))
    with tempfile.TemporaryDirectory() as other:
        a = run(s, "serve", "--data", other, "--set", f"http.listen=127.0.0.1:{s.http}", "--set", "mqtt.listen=")
        check("a port in use", (a.returncode != 0, str(s.http) in a.stderr), (True, True))


def link(s):
    a = run(s, "passwd", "--link", "--data", s.data, "--url", f"http://127.0.0.1:{s.http}")
    check(f"passwd --link {a.stderr}", a.returncode, 0)
    secret = a.stdout.strip().rpartition("/")[2]
    check("the link", a.stdout.startswith(f"http://127.0.0.1:{s.http}/#/link/"), True)
    got = s.post("/api/v1/sessions/link", {"link": secret})
    check("signed in by the link", got["user"]["name"], "admin")
    try:
        s.post("/api/v1/sessions/link", {"link": secret})
        sys.exit("a link was good twice")
    except Problem as p:
        check("used up", p.status, 401)
    files = glob.glob(os.path.join(s.data, "**", "*link*"), recursive=True)
    for f in files:
        with open(f, "rb") as data:
            check(f"{f} does not hold the secret", secret.encode() in data.read(), False)


def restart(s):
    token = s.make_token(name="keep", roles=["viewer"])["token"]
    person = s.token
    s.write_lines("kept f=1 1700000000000000000")
    check("SIGTERM", s.stop(), 0)
    s.start()
    for what, t in (("token", token), ("session", person)):
        check(f"the {what} is good after a restart", s.raw("GET", "/api/v1/devices", None, {"Authorization": "Bearer " + t})[0], 200)
    check("data", s.query(["kept/f"], 0, 4_000_000_000_000)["kept/f"]["value"], [1])
    told = re.findall(r"started in \d+ ms \(records \d+, .*devices \d+.*\); replayed \d+ records up to \d+ from \d+ bytes", s.log_text())
    check("each start says how long it took", len(told) >= 2, True)
    # open connections do not delay the end
    idle = [socket.create_connection(("127.0.0.1", p), 5) for p in (s.http, s.http, s.mqtt)]
    idle[1].sendall(f"GET /api/v1/stream?points=kept/f HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    check("the stream is open", b" 200 " in idle[1].recv(1000), True)
    begin = time.monotonic()
    check("SIGTERM with open connections", s.stop(), 0)
    check("ends soon", time.monotonic() - begin < 10, True)
    for c in idle:
        c.close()
    s.start()
    s.disconnect()
    s.process.send_signal(signal.SIGINT)
    check("SIGINT", s.process.wait(30), 0)
    s.process = None
    a = run(s, "passwd", "--data", s.data, stdin="short\n")
    check("a short password", a.returncode, 1)
    a = run(s, "passwd", "--data", s.data, stdin=NEW + "\n")
    check(f"passwd {a.stderr}", a.returncode, 0)
    check("not shown", NEW in a.stdout + a.stderr, False)
    a = run(s, "passwd", "--data", s.data, stdin="\n")
    check("a random password", a.returncode, 0)
    word = a.stdout.strip().rpartition(" ")[2]
    a = run(s, "passwd", "--data", s.data, stdin=PASSWORD + "\n")
    check("back", a.returncode, 0)
    s.start()
    for bad in (NEW, word):
        try:
            s.post("/api/v1/sessions", {"user": "admin", "password": bad})
            sys.exit("an old password is good")
        except Problem as p:
            check("an old password", p.status, 401)
    acts = [x["act"] for x in s.get("/api/v1/audit?limit=100")["items"]]
    check(f"audited: {acts}", any("recover" in x or "password" in x for x in acts), True)
    check("old sessions are gone", s.raw("GET", "/api/v1/devices", None, {"Authorization": "Bearer " + person})[0], 401)


def tls(s):
    https, mqtts = free_ports(2)
    s.stop()
    s.settings.update({"https.listen": f"127.0.0.1:{https}", "mqtts.listen": f"127.0.0.1:{mqtts}"})
    s.start()
    pem = os.path.join(s.data, "keys", "server.pem")
    for f in glob.glob(os.path.join(s.data, "keys", "*key*")):
        check(f"{f} is for its owner only", os.stat(f).st_mode & 0o077, 0)

    def get():
        context = ssl.create_default_context(cafile=pem)
        c = http.client.HTTPSConnection("localhost", https, timeout=20, context=context)
        c.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", https), 20), server_hostname="localhost")
        c.request("GET", "/api/v1/devices", headers={"Authorization": "Bearer " + s.token})
        a = c.getresponse()
        a.read()
        serial = c.sock.getpeercert()["serialNumber"]
        version = c.sock.version()
        c.close()
        return a.status, serial, version

    status, serial, version = get()
    check("HTTPS, verified by its own certificate", status, 200)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        context.wrap_socket(socket.create_connection(("127.0.0.1", https), 20))
        sys.exit("TLS 1.1 was taken")
    except (ssl.SSLError, OSError):
        pass
    c = http.client.HTTPSConnection("127.0.0.1", https, timeout=20, context=ssl._create_unverified_context())
    c.request("POST", "/api/v1/sessions", json.dumps({"user": "admin", "password": PASSWORD}), {"Content-Type": "application/json"})
    check("the cookie is Secure over HTTPS", "Secure" in c.getresponse().headers["Set-Cookie"], True)
    c.close()
    if mqtt is not None:
        codes = []
        m = mqtt.Client()
        m.username_pw_set("admin", PASSWORD)
        m.tls_set(ca_certs=pem)
        m.on_connect = lambda a, b, f, rc: codes.append(rc)
        m.on_publish = lambda *a: codes.append("acknowledged")
        m.connect("localhost", mqtts)
        m.loop_start()
        m.publish("sh/v1/over-tls/telemetry", '{"a":1}', 1)
        deadline = time.monotonic() + 20
        while len(codes) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        m.disconnect()
        m.loop_stop()
        check("MQTT over TLS", codes, [0, "acknowledged"])
    # a new certificate is taken on SIGHUP, without a restart
    for f in glob.glob(os.path.join(s.data, "keys", "server*")):
        os.unlink(f)
    s.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while not os.path.exists(pem) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    status, again, _ = get()
    check("HTTPS after SIGHUP", status, 200)
    check("another certificate", again != serial, True)
    check("SIGHUP does not end it", s.process.poll(), None)
    print(f"  {version}")


def audit(s):
    for i in range(5):
        s.post("/api/v1/devices", {"id": f"audited-{i}"})
    s.stop()
    a = run(s, "check", "--audit", "--data", s.data)
    print("  " + a.stdout.strip())
    check("the chain is whole", a.returncode, 0)
    keep = tempfile.mkdtemp()
    try:
        for name in glob.glob(os.path.join(s.data, "songhua.db*")):
            shutil.copy(name, keep)

        def tampered(what, *statements):
            db = sqlite3.connect(os.path.join(s.data, "songhua.db"))
            changed = 0
            for text in statements:
                changed += db.execute(text).rowcount
            db.commit()
            db.close()
            check(f"{what}: the test changed something", changed > 0, True)
            b = run(s, "check", "--audit", "--data", s.data)
            print(f"  {what}: {b.stdout.strip()}")
            check(f"{what} is noticed", b.returncode, 1)
            for f in glob.glob(os.path.join(s.data, "songhua.db*")):
                os.unlink(f)
            for f in os.listdir(keep):
                shutil.copy(os.path.join(keep, f), s.data)

        entries = "rec where type = '_guard.audit'"
        one = f"kid = (select kid from {entries} and doc like '%audited-3%')"
        tampered("a changed entry", f"update rec set doc = replace(doc, 'audited-3', 'audited-9') where {one}")
        tampered("a removed entry", f"delete from rec where {one}")
        tampered("a cut end", f"delete from rec where kid = (select max(kid) from {entries})")
        tampered("a cut beginning", f"delete from rec where kid = (select min(kid) from {entries})")
        tampered("all gone", f"delete from {entries}")
    finally:
        shutil.rmtree(keep)
    check("whole again", run(s, "check", "--audit", "--data", s.data).returncode, 0)
    s.start()


def first_password():
    """Without SONGHUA_ADMIN_PASSWORD: a random one in a file that the first sign-in deletes, never in the log."""
    data = tempfile.mkdtemp(prefix="songhua-test-")
    s = Songhua(data=data, start=False)
    try:
        environment = {k: v for k, v in os.environ.items() if k != "SONGHUA_ADMIN_PASSWORD"}
        args = [s.path, "serve", "--data", data] + [x for k, v in s.settings.items() for x in ("--set", f"{k}={v}")]
        with open(s.log, "ab") as log:
            s.process = subprocess.Popen(args, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                if s.raw("GET", "/readyz")[0] == 200:
                    break
            except OSError:
                pass
            check("gets ready", time.monotonic() < deadline and s.process.poll() is None, True)
            time.sleep(0.05)
        path = os.path.join(data, "keys", "first-password")
        check("for its owner only", os.stat(path).st_mode & 0o777, 0o600)
        with open(path, encoding="utf-8") as f:
            word = f.read().strip().split()[-1]
        check("not in the log", word in s.log_text(), False)
        s.post("/api/v1/sessions", {"user": "admin", "password": word})
        check("deleted by the first sign-in", os.path.exists(path), False)
    finally:
        s.close()
        shutil.rmtree(data, ignore_errors=True)


def main():
    with Songhua() as s:
        for part in (times, words, ctl, second_process, link, restart, tls, audit):
            part(s)
            print(part.__name__, "ok", flush=True)
    first_password()
    print("first_password ok")


if __name__ == "__main__":
    main()
