"""From where a device is admitted, by mosquitto_pub, mosquitto_sub and curl from 127.0.0.1 and 127.0.0.2: an allow list holds for secret,
certificate and bound token over MQTT, HTTP and EST; one that moves raises nothing, a clone raises a mark; quarantine ends a live
connection, refuses with a reason, survives kill -9, and lets out again.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import subprocess
import sys
import time

from songhua import Problem, Songhua, free_ports, skip

T = 1_700_000_000_000
HOME, AWAY = "127.0.0.1", "127.0.0.2"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def refusal(call):
    try:
        call()
    except Problem as p:
        check("words", all(p.body[k] for k in ("detail", "remedy")), True)
        return p.status, p.body["code"], p.body["detail"]
    return None


class Device:
    """Its id and credentials, and what it does with them from an address."""

    def __init__(self, s, name):
        self.s, self.name = s, name
        s.post("/api/v1/devices", {"id": name})
        made = s.post(f"/api/v1/devices/{name}/secret")
        self.secret = (made["user"], made["password"])
        self.token = s.make_token(name=name, device=name, roles=["device"])["token"]
        self.path = f"/api/v1/devices/{name}"

    def access(self):
        return self.s.get(self.path + "/access")

    def allow(self, *entries):
        return self.s.put(self.path + "/access", {"allow": list(entries)})

    def sign(self, token):
        return ["-u", self.token, "-P", ""] if token else ["-u", self.secret[0], "-P", self.secret[1]]

    def publish(self, home, *more, token=False, listen=None):
        """What mosquitto_pub says: 0, or the refusal."""
        done = subprocess.run(["mosquitto_pub", "-V", "5", "-h", HOME, "-p", str(listen or self.s.mqtt), "-A", home, *(more or self.sign(token)), "-q", "1", "-i", f"{self.name}-client",
                               "-t", f"sh/v1/{self.name}/telemetry", "-m", json.dumps({"ts": T, "values": {"v": 1}})],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
        return done.returncode if done.returncode == 0 else done.stdout.decode().strip()

    def ingest(self, home, token=True):
        """(status, code of the problem) of HTTP ingest."""
        user = self.token + ":" if token else ":".join(self.secret)
        done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", "--interface", home, "-u", user, "-H", "Content-Type: application/json",
                               "--data-binary", json.dumps({"v": 2}), f"http://{HOME}:{self.s.http}/api/v1/ingest?device={self.name}"],
                              stdout=subprocess.PIPE, timeout=30, check=True)
        text, _, status = done.stdout.decode().rpartition("\n")
        return int(status), json.loads(text).get("code") if text.startswith("{") else None


def audited(s, act, n):
    until(f"{n} of {act}", lambda: len(s.get(f"/api/v1/audit?act={act}&limit=50")["items"]) == n)
    return s.get(f"/api/v1/audit?act={act}&limit=1")["items"][0]


def problems(s, code):
    return sum(p["count"] for p in s.get("/api/v1/overview")["problems"] if p["code"] == code)


def metric(s, name):
    for line in s.raw("GET", "/metrics")[2].decode().splitlines():
        if line.startswith(f"songhua_{name} "):
            return float(line.split()[1])
    sys.exit(f"no metric {name}")


def lists(s, folder):
    d = Device(s, "press")
    check("no list", (d.access()["allow"], d.publish(HOME), d.publish(AWAY)), ([], 0, 0))
    check("told back", d.allow("127.0.0.1", "2001:db8::/64")["allow"], ["127.0.0.1", "2001:db8::/64"])
    check("secret", d.publish(HOME), 0)
    check("secret elsewhere", "not authorized" in str(d.publish(AWAY)).lower(), True)
    check("token", d.publish(HOME, token=True), 0)
    check("token elsewhere", "not authorized" in str(d.publish(AWAY, token=True)).lower(), True)
    for token in (True, False):
        check("HTTP", d.ingest(HOME, token)[0] < 300, True)
        check("HTTP elsewhere", d.ingest(AWAY, token), (403, "address_refused"))
    # a certificate, over TLS
    made = s.post(d.path + "/certificates", {})
    for name in ("certificate", "key"):
        with open(os.path.join(folder, name + ".pem"), "w", encoding="ascii") as f:
            f.write(made[name])
    ca = os.path.join(s.data, "keys", "server.pem")
    shown = ["--cafile", ca, "--cert", os.path.join(folder, "certificate.pem"), "--key", os.path.join(folder, "key.pem")]
    listen = s.settings["mqtts.listen"].split(":")[1]
    check("certificate", d.publish(HOME, *shown, listen=listen), 0)
    check("certificate elsewhere", "not authorized" in str(d.publish(AWAY, *shown, listen=listen)).lower(), True)
    # EST: with the secret, and renewal with the certificate
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "own.pem", "-subj", "/CN=x", "-out", "csr.pem"],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    for what, proof in (("simpleenroll", ["-u", ":".join(d.secret)]), ("simplereenroll", ["--cert", "certificate.pem", "--key", "key.pem"])):
        for home, want in ((AWAY, "403"), (HOME, "200")):
            done = subprocess.run(["curl", "-sS", "-o", "answer", "-w", "%{http_code}", "--interface", home, "--cacert", ca, *proof, "--data-binary", "@csr.pem", "-H",
                                   "Content-Type: application/pkcs10", f"https://{s.settings['https.listen']}/.well-known/est/{what}"],
                                  cwd=folder, stdout=subprocess.PIPE, timeout=60, check=True).stdout.decode()
            with open(os.path.join(folder, "answer"), encoding="utf-8") as f:
                answer = f.read()
            check(f"{what} from {home}", (done, home == AWAY and json.loads(answer)["code"]), (want, home == AWAY and "address_refused"))
    shown = d.access()["refused"]
    check("refused", (shown["count"], shown["address"], shown["why"], shown["how"]), (7, AWAY, "address", "est"))
    check("audited once a minute", (audited(s, "device.refused", 1)["object"], audited(s, "device.refused", 1)["peer"]), ("device:press", AWAY))
    check("metric", metric(s, "device_refused_address_total"), 7)
    check("bad entry", refusal(lambda: d.allow("10.0.0.0/8", "10.0.0.7/8"))[:2], (400, "bad_request"))
    check("named", "10.0.0.7/8" in refusal(lambda: d.allow("10.0.0.0/8", "10.0.0.7/8"))[2], True)
    check("as before", d.access()["allow"], ["127.0.0.1", "2001:db8::/64"])
    s.stop(kill=True)
    s.start()
    check("after kill -9", d.ingest(AWAY), (403, "address_refused"))
    d.allow()
    check("taken away", d.ingest(AWAY)[0] < 300, True)
    print("lists ok")


def clones(s):
    d = Device(s, "oven")
    for home in (HOME, HOME, AWAY, AWAY):  # it moves
        check("admitted", (d.publish(home), d.ingest(home)[0] < 300), (0, True))
    check("roaming", (d.access()["clone"], problems(s, "devices_cloned")), (None, 0))
    check("and back", (d.publish(HOME), d.access()["clone"]), (0, None))
    check("admitted", d.publish(AWAY), 0)  # HOME AWAY HOME AWAY
    mark = d.access()["clone"]
    check("mark", (sorted(mark["addresses"]), mark["how"], mark["times"]), ([HOME, AWAY], "mqtt", 1))
    check("only a mark", (d.publish(HOME), d.access()["quarantine"], d.access()["clones"]), (0, None, "warn"))
    check("overview", problems(s, "devices_cloned"), 1)
    entry = audited(s, "device.cloned", 1)
    check("audited", (entry["object"], HOME in entry["detail"] and AWAY in entry["detail"]), ("device:oven", True))
    s.stop(kill=True)
    s.start()
    check("after kill -9", sorted(d.access()["clone"]["addresses"]), [HOME, AWAY])
    check("no right", refusal(lambda: Songhua.delete(viewer(s), d.path + "/clone"))[:2], (403, "denied"))
    s.delete(d.path + "/clone")
    check("dismissed", (d.access()["clone"], problems(s, "devices_cloned")), (None, 0))
    check("again", refusal(lambda: s.delete(d.path + "/clone"))[:2], (404, "not_found"))
    mill = Device(s, "mill")
    for home in (HOME, AWAY, HOME, AWAY):
        check("admitted", mill.ingest(home)[0] < 300, True)
    check("by HTTP", mill.access()["clone"]["how"], "http")
    s.delete(mill.path + "/clone")
    print("clones ok")


def viewer(s):
    """The same node as somebody who may only look."""
    try:
        s.post("/api/v1/people", {"name": "looker", "password": "Test-Harbin-2025-lake", "roles": ["viewer"]})
    except Problem as p:
        check("there already", p.status, 409)
    other = Songhua.__new__(Songhua)
    other.__dict__.update(s.__dict__)
    other.connection = None
    other.token = s.post("/api/v1/sessions", {"user": "looker", "password": "Test-Harbin-2025-lake"})["token"]
    return other


def quarantine(s):
    d = Device(s, "lathe")
    subs = []
    for token in (False, True):
        name = f"{d.name}-{token}"
        p = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-d", "-h", HOME, "-p", str(s.mqtt), *d.sign(token), "-i", name, "-t", f"sh/v1/{d.name}/cmd/+"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while "SUBACK" not in (line := p.stdout.readline().decode()):
            check("subscribes", line != "", True)
        subs.append(p)
    check("a reason", refusal(lambda: s.post(d.path + "/quarantine", {"reason": " \n"}))[:2], (400, "bad_request"))
    check("no right", refusal(lambda: viewer(s).post(d.path + "/quarantine", {"reason": "x"}))[:2], (403, "denied"))
    told = time.monotonic()
    answer = s.post(d.path + "/quarantine", {"reason": "控制柜被盗"})
    check("state", (answer["quarantine"]["reason"], answer["quarantine"]["by"]), ("控制柜被盗", "person:admin"))
    for p in subs:
        while "Received DISCONNECT (152)" not in (line := p.stdout.readline().decode()):
            check("ends", line != "", True)
    took = time.monotonic() - told
    check(f"within about a second ({took:.2f} s)", took < 4, True)
    for p in subs:
        p.kill()  # it may wait to try again
        p.wait(30)
        p.stdout.close()
    check("twice", refusal(lambda: s.post(d.path + "/quarantine", {"reason": "x"}))[:2], (409, "state"))
    for again in range(2):
        check("MQTT", ["banned" in str(d.publish(HOME, token=t)).lower() for t in (False, True)], [True, True])
        check("HTTP", [d.ingest(HOME, t) for t in (False, True)], [(403, "quarantined")] * 2)
        d.token = s.make_token(name="new", device=d.name, roles=["device"])["token"]
        if again == 0:
            s.stop(kill=True)
            s.start()
    check("shown", (d.access()["quarantine"]["by"], d.access()["refused"]["why"], problems(s, "devices_quarantined")), ("person:admin", "quarantine", 1))
    check("no right", refusal(lambda: viewer(s).delete(d.path + "/quarantine"))[:2], (403, "denied"))
    s.delete(d.path + "/quarantine")
    check("out", (d.publish(HOME), d.publish(HOME, token=True), d.ingest(HOME)[0] < 300, d.access()["quarantine"]), (0, 0, True, None))
    check("audited", (audited(s, "device.quarantined", 1)["detail"], audited(s, "device.released", 1)["object"]), ("控制柜被盗", "device:lathe"))
    check("again", refusal(lambda: s.delete(d.path + "/quarantine"))[:2], (404, "not_found"))
    print(f"quarantine ok: connections ended after {took:.2f} s")


def archived(s):
    """A device that is out of service does not come in, and comes in again when it is brought back."""
    d = Device(s, "retired")
    check("before", (d.publish(HOME), d.ingest(HOME)[0] < 300), (0, True))
    sub = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-d", "-h", HOME, "-p", str(s.mqtt), *d.sign(False), "-i", "retired-sub", "-t", f"sh/v1/{d.name}/cmd/+"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while "SUBACK" not in (line := sub.stdout.readline().decode()):
        check("subscribes", line != "", True)
    s.call("PATCH", d.path, {"archived": True})
    while "Received DISCONNECT (152)" not in (line := sub.stdout.readline().decode()):
        check("its connection ends", line != "", True)
    sub.kill()
    sub.wait(30)
    sub.stdout.close()
    check("MQTT", ["banned" in str(d.publish(HOME, token=t)).lower() for t in (False, True)], [True, True])
    check("HTTP", [d.ingest(HOME, t) for t in (False, True)], [(403, "archived")] * 2)
    s.stop(kill=True)
    s.start()
    check("after kill -9", d.ingest(HOME), (403, "archived"))
    s.call("PATCH", d.path, {"archived": False})
    check("back", (d.publish(HOME), d.ingest(HOME)[0] < 300), (0, True))
    print("archived ok")


def by_itself(s):
    """guard.clones = quarantine."""
    s.stop()
    s.settings["guard.clones"] = "quarantine"
    s.start()
    d = Device(s, "drill")
    for home in (HOME, AWAY, HOME):
        check("admitted", d.publish(home), 0)
    check("the one too many", "banned" in str(d.publish(AWAY)).lower(), True)
    check("both", [d.ingest(home) for home in (HOME, AWAY)], [(403, "quarantined")] * 2)
    check("why", (d.access()["quarantine"]["by"], d.access()["clone"]["how"]), ("system", "mqtt"))
    check("audited", "drill" in audited(s, "device.quarantined", 2)["object"], True)
    s.stop(kill=True)
    s.start()
    check("after kill -9", d.ingest(HOME), (403, "quarantined"))
    s.delete(d.path + "/quarantine")
    check("out", d.publish(HOME), 0)
    s.stop()
    s.settings["guard.clones"] = "sometimes"
    try:
        s.start()
        sys.exit("guard.clones = sometimes is taken")
    except RuntimeError as e:
        check("named", "it does not start with a wrong guard.clones" in str(e) and "write one of off,warn,quarantine" in str(e), True)
    print("by_itself ok")


if any(shutil.which(tool) is None for tool in ("mosquitto_pub", "mosquitto_sub", "openssl", "curl", "stdbuf")):
    skip("mosquitto-clients, openssl, curl or stdbuf is not installed")
https, mqtts = free_ports(2)
with Songhua({"mqtts.listen": f"127.0.0.1:{mqtts}", "https.listen": f"127.0.0.1:{https}"}) as node:
    own = os.path.join(node.data, "test-files")
    os.mkdir(own)
    lists(node, own)
    clones(node)
    quarantine(node)
    archived(node)
    by_itself(node)
