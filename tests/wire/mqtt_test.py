"""MQTT from outside, by mosquitto_pub and mosquitto_sub and by paho, 3.1.1 and 5.0: who gets in, what a device may publish, telemetry into
the history, and what survives kill -9: everything that was acknowledged.
SPDX-License-Identifier: Apache-2.0
"""
import json
import random
import shutil
import struct
import subprocess
import sys
import threading
import time

from songhua import PASSWORD, Songhua, number, skip

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError:
    skip("python3-paho-mqtt is not there")

V3, V5 = mqtt.MQTTv311, mqtt.MQTTv5
T = 1_700_000_000_000  # milliseconds
KILLS = 10


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def until(what, test, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not after {timeout_s} s")
        time.sleep(0.01)


class Client:
    """A paho client with what came in gathered."""

    def __init__(self, s, user, password="", client_id="", version=V3, clean=True, ws=False, expiry=0):
        self.c = mqtt.Client(
            client_id=client_id,
            protocol=version,
            transport="websockets" if ws else "tcp",
            **({} if version == V5 else {"clean_session": clean}),
        )
        self.version = version
        if user is not None:
            self.c.username_pw_set(user, password)
        if ws:
            self.c.ws_set_options(path="/mqtt")
        self.messages, self.code, self.present, self.pubacks, self.subacks = [], None, None, {}, {}
        self.closed = None
        self.c.on_connect = self.on_connect
        self.c.on_message = lambda c, u, m: self.messages.append((m.topic, bytes(m.payload), m.qos, bool(m.retain)))
        self.c.on_publish = lambda c, u, mid: self.pubacks.setdefault(mid, time.monotonic())
        self.c.on_subscribe = lambda c, u, mid, codes, *p: self.subacks.setdefault(mid, [int(getattr(x, "value", x)) for x in codes])
        self.c.on_disconnect = lambda c, u, rc, *p: setattr(self, "closed", rc)
        more = {}
        if version == V5:
            more["clean_start"] = clean
            if expiry:
                more["properties"] = Properties(PacketTypes.CONNECT)
                more["properties"].SessionExpiryInterval = expiry
        self.c.connect("127.0.0.1", s.http if ws else s.mqtt, keepalive=60, **more)
        self.c.loop_start()
        until("CONNACK", lambda: self.code is not None)

    def on_connect(self, client, user, flags, rc, *more):
        self.present = bool(flags["session present"])
        if self.code is None:
            self.code = int(getattr(rc, "value", rc))

    def publish(self, topic, body, qos=1, retain=False, wait=True):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        info = self.c.publish(topic, body, qos, retain)
        if wait and qos:
            until(f"PUBACK of {topic}", lambda: info.mid in self.pubacks)
        return info.mid

    def subscribe(self, topic, qos=1):
        _, mid = self.c.subscribe(topic, qos)
        until(f"SUBACK of {topic}", lambda: mid in self.subacks)
        return self.subacks[mid][0]

    def end(self):
        self.c.disconnect()
        self.c.loop_stop()

    def drop(self):
        """Without DISCONNECT."""
        self.c.on_disconnect = None
        self.c.loop_stop()
        try:
            self.c._sock_close()
        except OSError:
            pass


def connect_code(s, user, password, version):
    c = Client(s, user, password, version=version)
    code = c.code
    c.end()
    return code


def values(s, point):
    got = s.query([point], 0, 4_000_000_000_000)[point]
    return list(zip(got["time"], got["value"]))


def device(s, name, **more):
    s.post("/api/v1/devices" + more.pop("at", ""), {"id": name})
    d = s.post(f"/api/v1/devices/{name}/secret" + more.pop("tenant", ""))
    return d["user"], d["password"]


def sign_in(s):
    s.post("/api/v1/tenants", {"path": "park", "name": "Park"})
    user, secret = device(s, "press")
    check("user of the root", user, "press")
    s.post("/api/v1/devices?tenant=park", {"id": "press"})
    below = s.post("/api/v1/devices/press/secret?tenant=park")
    check("user of the park", below["user"], "press@park")
    token = s.make_token(name="gate", roles=["ingest"])["token"]
    s.post("/api/v1/people", {"name": "li", "password": "Songhua-river-1898", "roles": ["viewer"]})
    for version, bad in ((V3, 4), (V5, 134)):
        for what, who, word, want in (
            ("token", token, "", 0),
            ("secret", user, secret, 0),
            ("secret of the park", below["user"], below["password"], 0),
            ("administrator", "admin", PASSWORD, 0),
            ("person", "li", "Songhua-river-1898", 0),
            ("wrong secret", user, secret[:-1] + "x", bad),
            ("secret of another tenant", user, below["password"], bad),
            ("unknown token", token[:-2] + "zz", "", bad),
            ("wrong password", "li", "Songhua-river-1899", bad),
            ("nobody such", "nobody@park", "x", bad),
        ):
            check(f"{what}, version {version}", connect_code(s, who, word, version), want)
    check("no credentials, 3.1.1", connect_code(s, None, None, V3) in (4, 5), True)
    check("no credentials, 5.0", connect_code(s, None, None, V5) in (134, 135), True)
    return user, secret, below, token


def own_topics(s, user, secret, below):
    s.post("/api/v1/devices", {"id": "other"})
    for version in (V3, V5):
        watch = Client(s, "admin", PASSWORD, version=version)
        check("SUBACK of #", watch.subscribe("#"), 1)
        c = Client(s, user, secret, version=version)
        c.publish("sh/v1/press/telemetry", {"ts": T + version, "values": {"f": 1.5}})
        check("own", (T * 1000 + version * 1000, 1.5) in values(s, "press/f"), True)
        c.publish("sh/v1/other/telemetry", {"ts": T, "values": {"f": 1.5}})  # acknowledged, not stored
        c.publish("plant/free", "x")
        check("other's samples", s.get("/api/v1/devices/other/latest")["points"], {})
        refused = c.subscribe("sh/v1/other/#")
        check("other's topics", refused, 128 if version == V3 else 135)
        check("own commands", c.subscribe("sh/v1/press/cmd/+"), 1)
        # a device of the same name in another tenant is another device
        b = Client(s, below["user"], below["password"], version=version)
        b.publish("sh/v1/press/telemetry", {"ts": T + 100, "values": {"f": 77}})
        check("park", [v for _, v in values_of(s, "press/f", "park")], [77])
        check("not in the root", 77 in [v for _, v in values(s, "press/f")], False)
        until("the watcher", lambda: watch.messages)
        time.sleep(0.2)
        check("only the own one is seen", {m[0] for m in watch.messages}, {"sh/v1/press/telemetry"})
        for x in (watch, c, b):
            x.end()
    codes = []
    c = mqtt.Client(protocol=V5)
    c.username_pw_set(user, secret)
    c.on_connect = lambda *a: codes.append("in")
    c.connect("127.0.0.1", s.mqtt)
    original = c._handle_pubackcomp

    def spy(cmd):
        payload = bytes(c._in_packet["packet"])
        codes.append(payload[2] if len(payload) > 2 else 0)
        return original(cmd)

    c._handle_pubackcomp = spy
    c.loop_start()
    until("CONNACK", lambda: codes)
    c.publish("sh/v1/other/telemetry", '{"f":1}', 1)
    c.publish("sh/v1/press/telemetry", "{no JSON", 1)
    until("PUBACKs", lambda: len(codes) == 3)
    check("codes of 5.0: not authorised, payload format", codes[1:], [0x87, 0x99])
    c.disconnect()
    c.loop_stop()


def values_of(s, point, tenant):
    answer = s.post(f"/api/v1/history/query?tenant={tenant}", {"points": [point], "from": 0, "to": 4_000_000_000_000, "time": "us"})
    return list(zip(answer["series"][0]["time"], answer["series"][0]["value"]))


def telemetry(s, user, secret, token):
    g = Client(s, token)
    g.publish("sh/v1/auto-1/telemetry", [{"ts": T, "values": {"a": 0.1, "b": True}}, {"ts": T + 1, "values": {"a": -0.0, "c": "春"}}])
    check("a", [struct.pack("<d", number(v)) for _, v in values(s, "auto-1/a")], [struct.pack("<d", x) for x in (0.1, -0.0)])
    check("b", values(s, "auto-1/b"), [(T * 1000, True)])
    check("c", values(s, "auto-1/c"), [(T * 1000 + 1000, "春")])
    before = time.time()
    g.publish("sh/v1/auto-1/telemetry", {"now": 1})
    got = values(s, "auto-1/now")
    check("receipt time", before - 1 < got[0][0] / 1e6 < time.time() + 1, True)
    # ThingsBoard's device and gateway topics
    c = Client(s, user, secret)
    c.publish("v1/devices/me/telemetry", {"ts": T + 5, "values": {"tb": 5}})
    check("v1/devices/me", values(s, "press/tb"), [(T * 1000 + 5000, 5)])
    c.end()
    g.end()
    bound = s.make_token(name="tb gateway", device="press", roles=["ingest"])["token"]  # ThingsBoard: the token is the device
    g = Client(s, bound)
    g.publish("v1/devices/me/telemetry", {"ts": T + 6, "values": {"tb": 6}})
    check("a token of a device", values(s, "press/tb")[-1], (T * 1000 + 6000, 6))
    g.publish("v1/gateway/telemetry", {"tb-1": [{"ts": T, "values": {"x": 1}}], "tb-2": [{"ts": T, "values": {"x": 2}}]})
    check("v1/gateway", values(s, "tb-2/x"), [(T * 1000, 2)])
    g.end()
    # QoS 0 and 2
    g = Client(s, token, version=V5)
    g.publish("sh/v1/auto-1/telemetry", {"ts": T, "values": {"q2": 2}}, qos=2)
    check("QoS 2", values(s, "auto-1/q2"), [(T * 1000, 2)])
    g.publish("sh/v1/auto-1/telemetry", {"ts": T, "values": {"q0": 1}}, qos=0)
    g.publish("sh/v1/auto-1/telemetry", {"ts": T, "values": {"q1": 1}})
    check("QoS 0", values(s, "auto-1/q0"), [(T * 1000, 1)])
    g.end()


def web_socket(s, token):
    c = Client(s, token, ws=True)
    check("CONNACK over WebSocket", c.code, 0)
    c.publish("sh/v1/ws-1/telemetry", {"ts": T, "values": {"a": 1}})
    check("over WebSocket", values(s, "ws-1/a"), [(T * 1000, 1)])
    a = Client(s, "admin", PASSWORD, ws=True, version=V5)
    a.subscribe("big/#")
    body = bytes(random.Random(1).randbytes(200_000))
    a.publish("big/one", body)
    until("a large message over WebSocket", lambda: a.messages)
    check("its bytes", a.messages[0][:2], ("big/one", body))
    a.end()
    c.end()


def mosquitto(s):
    if not shutil.which("mosquitto_pub"):
        print("mosquitto_pub is not there: left out")
        return
    base = ["-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", PASSWORD]
    for version in ("mqttv311", "mqttv5"):
        sub = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", *base, "-V", version, "-t", "m/+", "-q", "2", "-C", "2", "-W", "20", "-F", "%t %p", "-d"],
            stdout=subprocess.PIPE,
            text=True,
        )
        lines = []
        for line in sub.stdout:
            lines.append(line.strip())
            if "received SUBACK" in line or "Subscribed" in line:
                break
        for topic, qos in (("m/a", "1"), ("m/b", "2")):
            subprocess.run(["mosquitto_pub", *base, "-V", version, "-t", topic, "-m", "hello", "-q", qos], check=True, timeout=20)
        out, _ = sub.communicate(timeout=30)
        check(version, [x for x in out.splitlines() if x.startswith("m/")], ["m/a hello", "m/b hello"])
        bad = subprocess.run(
            ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(s.mqtt), "-u", "admin", "-P", "wrong", "-V", version, "-t", "x", "-m", "x"],
            capture_output=True,
            timeout=20,
            check=False,
        )
        check(f"{version}: wrong password", bad.returncode != 0, True)


def anonymous():
    with Songhua({"mqtt.anonymous": "true"}) as s:
        c = Client(s, None)
        check("anonymous", c.code, 0)
        c.subscribe("talk/#")
        c.publish("talk/x", "hi")
        until("messaging", lambda: c.messages)
        c.publish("sh/v1/a/telemetry", {"a": 1})
        check("no telemetry", s.get("/api/v1/devices")["items"], [])
        check("no platform topics", c.subscribe("sh/v1/#"), 128)
        c.end()
        check("wrong credentials stay wrong", connect_code(s, "admin", "wrong", V3), 4)


def retained_and_sessions(s):
    """Retained messages, subscriptions and queued messages of a session that is away outlive kill -9."""
    a = Client(s, "admin", PASSWORD)
    sub = {}
    for name, version in (("keep3", V3), ("keep5", V5)):
        c = Client(s, "admin", PASSWORD, client_id=name, version=version, clean=False, expiry=3600)
        check("a new session", c.present, False)
        check("SUBACK", c.subscribe("kept/#", 2), 2)
        c.end()
        sub[name] = version
    a.publish("state/line", "running", retain=True)
    a.publish("state/gone", "x", retain=True)
    a.publish("state/gone", "", retain=True)
    for i in range(20):
        a.publish(f"kept/{i}", str(i), qos=1 + i % 2)
    s.stop(kill=True)
    a.drop()
    s.start()
    for queued, (name, version) in enumerate(sub.items(), 20):  # the second one also has what the first one says
        c = Client(s, "admin", PASSWORD, client_id=name, version=version, clean=False, expiry=3600)
        check("the session is there", c.present, True)
        until("queued messages", lambda: len(c.messages) >= queued)
        for qos in (1, 2):  # the order is a promise for each QoS (MQTT 5.0 4.6)
            got = [int(m[1]) for m in c.messages if m[2] == qos]
            check(f"QoS {qos}: in order, each once", got[:10], list(range(qos - 1, 20, 2)))
        c.publish("kept/more", "99")
        until("a new message", lambda: len(c.messages) == queued + 1)
        c.subscribe("state/#")
        until("retained", lambda: len(c.messages) == queued + 2)
        time.sleep(0.1)
        check("retained", c.messages[queued + 1 :], [("state/line", b"running", 1, True)])
        c.end()
    a = Client(s, "admin", PASSWORD, client_id="keep3", clean=True)
    check("a clean start takes it away", a.present, False)
    a.end()


def revoked(s, user, secret):
    """A connection ends when its token, secret or person does."""
    made = s.make_token(name="short", roles=["ingest"])
    s.post("/api/v1/people", {"name": "wang", "password": "Songhua-river-1898", "roles": ["viewer"]})
    s.post("/api/v1/devices", {"id": "short-lived"})
    dev = s.post("/api/v1/devices/short-lived/secret")
    c = [
        Client(s, made["token"]),
        Client(s, "wang", "Songhua-river-1898"),
        Client(s, user, secret),
        Client(s, dev["user"], dev["password"]),
        Client(s, "admin", PASSWORD, version=V5),
    ]
    check("all are in", [x.code for x in c], [0] * 5)
    s.delete(f"/api/v1/tokens/{made['id']}")
    s.put("/api/v1/people/wang", {"roles": ["viewer"], "disabled": True})
    s.post("/api/v1/devices/press/secret")
    s.delete("/api/v1/devices/short-lived")
    for what, x in zip(("token", "person", "secret", "device"), c):
        until(f"the {what}'s connection ends", lambda x=x: x.closed is not None)
    check("others stay", c[4].closed, None)
    for x in c:
        x.end()


def kill_loop(s, token):
    """Publishes at full speed, kills in the middle; what was acknowledged is there to the bit, KILLS times."""
    rng = random.Random(7)
    sent, acked = {}, {}
    counter = 0
    for turn in range(KILLS):
        c = Client(s, token, client_id=f"killer-{turn}", version=V5 if turn % 2 else V3)
        c.c.max_inflight_messages_set(200)
        mids = {}
        stop = threading.Event()
        killer = threading.Timer(0.15 + rng.random() * 0.35, lambda: (s.process.kill(), stop.set()))
        killer.start()
        while not stop.is_set():
            v = struct.unpack("<d", struct.pack("<q", rng.getrandbits(62)))[0]
            t = T + counter
            counter += 1
            info = c.c.publish("sh/v1/k/telemetry", f'{{"ts":{t},"values":{{"f":{v!r},"i":{counter}}}}}', 1)
            if info.rc != 0:
                break
            mids[info.mid] = t
            sent[t] = v
            if len(mids) - len(c.pubacks) > 200:
                time.sleep(0.001)
        killer.join()
        c.c.reconnect_delay_set(60, 60)
        time.sleep(0.05)
        for mid in list(c.pubacks):
            if mid in mids:
                acked[mids[mid]] = sent[mids[mid]]
        c.drop()
        s.stop(kill=True)
        s.start()
        got = dict(values(s, "k/f")) if acked else {}
        lost = [t for t, v in acked.items() if struct.pack("<d", number(got.get(t * 1000, 0))) != struct.pack("<d", v)]
        if lost:
            sys.exit(f"turn {turn}: {len(lost)} of {len(acked)} acknowledged samples are lost or changed, the first at {min(lost)} ms")
        strange = [t for t, v in got.items() if struct.pack("<d", number(v)) != struct.pack("<d", sent.get(t // 1000, 0))]
        check(f"turn {turn}: samples that nobody sent", strange, [])
    print(f"  {KILLS} kills, {len(sent)} samples sent, {len(acked)} acknowledged, all there")
    check("something was acknowledged", len(acked) > 100, True)


def main():
    with Songhua() as s:
        user, secret, below, token = sign_in(s)
        print("sign_in ok", flush=True)
        own_topics(s, user, secret, below)
        print("own_topics ok", flush=True)
        telemetry(s, user, secret, token)
        print("telemetry ok", flush=True)
        web_socket(s, token)
        print("web_socket ok", flush=True)
        mosquitto(s)
        print("mosquitto ok", flush=True)
        retained_and_sessions(s)
        print("retained_and_sessions ok", flush=True)
        revoked(s, user, secret)
        print("revoked ok", flush=True)
        kill_loop(s, token)
        print("kill_loop ok", flush=True)
    anonymous()
    print("anonymous ok")


if __name__ == "__main__":
    main()
