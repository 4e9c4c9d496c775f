#!/usr/bin/python3
# clients_test.py - real clients against the broker: mosquitto_pub/sub and Eclipse Paho, both versions,
# every QoS; and kill -9 in the middle of traffic, again and again.
#   clients_test.py PATH-OF-mqtt_test_server
# SPDX-License-Identifier: Apache-2.0
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SERVER = sys.argv[1]
HOST = "127.0.0.1"


def free_port():
    """Below the ports of outgoing connections: a client that reconnects while the server is down could
    else be given the server's port (even as its own peer), and the server could not start again."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        end = int(f.read().split()[0])
    while True:
        with socket.socket() as s:
            try:
                s.bind((HOST, random.SystemRandom().randrange(10000, end) if end > 12000 else 0))
                return s.getsockname()[1]
            except OSError:
                pass


class Node:
    """The server on a folder (or nothing durable); restarts keep port and folder."""

    def __init__(self, folder=None, checkpoint=None):
        self.args = ([folder] + ([str(checkpoint)] if checkpoint else [])) if folder else []
        self.port = free_port()
        self.start()

    def start(self):
        self.proc = subprocess.Popen([SERVER, f"{HOST}:{self.port}"] + self.args,
                                     stdout=subprocess.PIPE, text=True)
        ports = {}
        while "listening" not in ports:
            line = self.proc.stdout.readline()
            assert " on " in line, line
            ports[line.split()[0]] = int(line.rsplit(":", 1)[1])
        self.port = ports["listening"]
        self.tls = ports["tls"]
        self.ws = ports["websocket"]

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        self.proc.terminate()
        assert self.proc.wait(20) == 0, "the server did not end in order"


def until(what, seconds=15):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return True
        time.sleep(0.01)
    return False


class Client:
    def __init__(self, port, name, version=paho.MQTTv311, clean=True, expiry=0, will=None,
                 transport="tcp", tls=False):
        v5 = version == paho.MQTTv5
        self.got = []
        self.acked = set()
        self.up = threading.Event()
        self.session = None
        self.c = paho.Client(name, clean_session=None if v5 else clean, protocol=version,
                             transport=transport)
        if tls:
            self.c.tls_set(cert_reqs=ssl.CERT_NONE)
            self.c.tls_insecure_set(True)
        if transport == "websockets":
            self.c.ws_set_options(path="/mqtt")
        self.c.max_inflight_messages_set(20)
        self.c.reconnect_delay_set(0.05, 0.2)
        self.c.on_message = lambda c, u, m: self.got.append(m)
        self.c.on_publish = lambda c, u, mid: self.acked.add(mid)
        if v5:
            self.c.on_connect = lambda c, u, f, r, p=None: self.connected(f)
        else:
            self.c.on_connect = lambda c, u, f, r: self.connected(f)
        if will:
            self.c.will_set(*will)
        if v5:
            props = Properties(PacketTypes.CONNECT)
            if expiry:
                props.SessionExpiryInterval = expiry
            self.c.connect(HOST, port, 60, clean_start=clean, properties=props)
        else:
            self.c.connect(HOST, port, 60)
        self.c.loop_start()
        assert self.up.wait(10), f"{name} was not accepted"

    def connected(self, flags):
        self.session = flags["session present"]
        self.up.set()

    def sub(self, topic, qos):
        done = threading.Event()
        self.c.on_subscribe = lambda *a: done.set()
        self.c.subscribe(topic, qos)
        assert done.wait(10), "no SUBACK"

    def payloads(self):
        return [m.payload.decode() for m in self.got]

    def close(self):
        self.c.disconnect()
        self.c.loop_stop()


def every_qos_and_version():
    node = Node()
    n = 0
    for vp in (paho.MQTTv311, paho.MQTTv5):
        for vs in (paho.MQTTv311, paho.MQTTv5):
            sub = Client(node.port, f"s{n}", vs)
            pub = Client(node.port, f"p{n}", vp)
            sub.sub(f"m{n}/#", 2)
            for qos in (0, 1, 2):
                for i in range(200):
                    pub.c.publish(f"m{n}/{qos}", f"{qos}.{i}", qos)
            assert until(lambda: len(sub.got) == 600), f"{len(sub.got)} of 600"
            for qos in (0, 1, 2):
                mine = [m for m in sub.got if m.qos == qos]
                assert [m.payload.decode() for m in mine] == [f"{qos}.{i}" for i in range(200)]
            big = "x" * 300000
            pub.c.publish(f"m{n}/big", big, 2)
            assert until(lambda: len(sub.got) == 601) and sub.payloads()[-1] == big
            sub.close()
            pub.close()
            n += 1
    will = Client(node.port, "w", will=("will/w", "gone", 1, False))
    sub = Client(node.port, "s")
    sub.sub("will/+", 1)
    will.c._sock_close()  # lost, without DISCONNECT
    will.c.loop_stop()
    assert until(lambda: sub.payloads() == ["gone"]), "no will"
    sub.close()
    node.stop()
    print("paho: 4 pairs of versions, 3 QoS, 601 messages each, in order; will")


def v5_features():
    node = Node()
    sub = Client(node.port, "s", paho.MQTTv5)
    pub = Client(node.port, "p", paho.MQTTv5)
    sub.sub("f/#", 1)
    props = Properties(PacketTypes.PUBLISH)
    props.UserProperty = [("b", "1"), ("a", "2")]
    props.ResponseTopic = "re/ply"
    props.CorrelationData = b"\0\1"
    props.ContentType = "text/plain"
    props.MessageExpiryInterval = 100
    props.TopicAlias = 3
    pub.c.publish("f/a", "one", 1, properties=props)
    assert until(lambda: len(sub.got) == 1)
    got = sub.got[0].properties
    assert got.UserProperty == [("b", "1"), ("a", "2")], got.UserProperty
    assert got.ResponseTopic == "re/ply" and got.CorrelationData == b"\0\1"
    assert got.ContentType == "text/plain" and got.MessageExpiryInterval in (99, 100)
    members = [Client(node.port, f"g{i}", paho.MQTTv5) for i in range(3)]
    for m in members:
        m.sub("$share/g/job", 1)
    for i in range(30):
        pub.c.publish("job", str(i), 1)
    assert until(lambda: sum(len(m.got) for m in members) == 30)
    assert all(len(m.got) >= 5 for m in members), [len(m.got) for m in members]
    for c in members + [sub, pub]:
        c.close()
    node.stop()
    print("paho 5.0: properties, aliases, shared subscriptions")


def tls_and_websocket():
    node = Node()
    plain = Client(node.port, "plain")
    plain.sub("x/#", 2)
    crypt = Client(node.tls, "tls", paho.MQTTv5, tls=True)
    web = Client(node.ws, "ws", transport="websockets")
    web.sub("x/#", 2)
    for i in range(100):
        crypt.c.publish("x/t", f"t{i}", i % 3)
        web.c.publish("x/w", f"w{i}", i % 3)
    big = "y" * 200000
    web.c.publish("x/big", big, 1)
    for c in (plain, web):
        assert until(lambda: len(c.got) == 201), len(c.got)
        assert sorted(c.payloads())[-1] == big
    for c in (plain, crypt, web):
        c.close()
    raw_websocket(node.ws)
    node.stop()
    print("TLS and WebSocket: every QoS, 200 kB")


def raw_websocket(port):
    """[MQTT-6.0.0-4] the subprotocol comes back; [MQTT-6.0.0-2] packets need no frame borders;
    [MQTT-6.0.0-1] a text frame ends the connection."""
    s = socket.create_connection((HOST, port))
    s.sendall(b"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Protocol: chat, mqtt\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1000)
    assert b"101" in head and b"sec-websocket-protocol: mqtt\r\n" in head.lower(), head

    def frame(op, data):
        s.sendall(bytes([0x80 | op, 0x80 | len(data)]) + b"\0\0\0\0" + data)

    connect = b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1r"
    frame(2, connect[:5])
    frame(2, connect[5:] + b"\xc0\0\xc0")
    frame(2, b"\0")
    got = b""
    while got.count(b"\xd0\0") < 2:
        got += s.recv(1000)
    assert b"\x20\2\0\0" in got
    frame(1, b"\xc0\0")
    s.settimeout(10)
    while s.recv(1000):
        pass
    s.close()


def mosquitto():
    node = Node()

    def pub(*a):
        subprocess.run(["mosquitto_pub", "-p", str(node.port)] + list(a), check=True, timeout=10)

    for version in ("311", "5"):
        for qos in "012":
            want = "\n".join(f"line {i}" for i in range(100)) + "\n"
            sub = subprocess.Popen(["mosquitto_sub", "-p", str(node.port), "-V", version, "-q", qos,
                                    "-t", "mo/+", "-C", "100", "-W", "15"],
                                   stdout=subprocess.PIPE, text=True)
            time.sleep(0.4)
            subprocess.run(["mosquitto_pub", "-p", str(node.port), "-V", version, "-q", qos, "-t",
                            "mo/x", "-l"], input=want, text=True, check=True, timeout=15)
            out = sub.communicate(timeout=20)[0]
            assert out == want, f"{version} {qos}: {len(out)} bytes"
    pub("-t", "kept", "-m", "retained", "-r", "-q", "1")
    out = subprocess.run(["mosquitto_sub", "-p", str(node.port), "-t", "#", "-C", "1", "-W", "5",
                          "-F", "%t %p %r"], capture_output=True, text=True).stdout
    assert out == "kept retained 1\n", out
    out = subprocess.run(["mosquitto_sub", "-p", str(node.port), "-t", "$SYS/broker/version", "-C",
                          "1", "-W", "5"], capture_output=True, text=True).stdout
    assert "songhua" in out, out
    node.stop()
    print("mosquitto_pub/sub: 2 versions, 3 QoS, retained, $SYS")


def kill_and_count(rounds):
    """Everything acknowledged is there after kill -9; QoS 2 exactly once."""
    folder = tempfile.mkdtemp(prefix="mqtt-kill-")
    node = Node(folder, checkpoint=20000)
    keeper = Client(node.port, "keeper", clean=False)
    keeper.sub("k/#", 2)
    keeper.close()
    pub = Client(node.port, "pub", clean=False)
    # Paho 1.6 may send a PUBLISH again (without DUP) whose PUBREL it has sent before the connection
    # broke, against [MQTT-4.3.3-6]; to a server that has taken the PUBREL it is a new message
    # [MQTT-4.3.3-12]. Its log tells which, so that they are not counted against the server.
    released, again = set(), set()

    def on_log(client, user, level, text):
        m = re.match(r"Sending (PUBLISH|PUBREL) .*?(?:m|Mid: )(\d+)\)", text)
        if m and m.group(1) == "PUBREL":
            released.add(int(m.group(2)))
        elif m and int(m.group(2)) in released:
            again.add(int(m.group(2)))

    pub.c.on_log = on_log
    sent = {}
    random.seed(7)
    for r in range(rounds):
        pub.up.clear()
        for i in range(300):
            qos = 1 + i % 2
            text = f"{r}.{i}"
            info = pub.c.publish(f"k/{qos}", text, qos, retain=i == 299)
            sent[text] = (qos, info)
        time.sleep(random.uniform(0.0, 0.15))
        node.kill()
        node.start()
        assert pub.up.wait(10), "the publisher did not come back"
    assert until(lambda: all(i.is_published() for _, i in sent.values()), 30), "never acknowledged"
    node.kill()  # straight after the last acknowledgement
    node.start()
    keeper = Client(node.port, "keeper", clean=False)
    assert keeper.session == 1, "the session is lost"
    want = len([1 for q, _ in sent.values() if q == 2])
    until(lambda: len(set(keeper.payloads())) == len(sent), 20)
    got = keeper.payloads()
    missing = set(sent) - set(got)
    twice = {t for t in got if sent[t][0] == 2 and got.count(t) > 1}
    ours = {t for t in twice if sent[t][1].mid not in again}
    assert not missing, f"{len(missing)} acknowledged messages are lost: {sorted(missing)[:5]}"
    late = Client(node.port, "late")
    late.sub("k/2", 0)
    assert not ours, f"QoS 2 more than once: {sorted(ours)[:5]}"
    assert until(lambda: late.payloads() == [f"{rounds - 1}.299"]), "the retained message is lost"
    for c in (pub, keeper, late):
        c.close()
    node.stop()
    shutil.rmtree(folder)
    print(f"kill -9: {rounds + 1} times, {len(sent)} acknowledged, none lost; of {want} with QoS 2 "
          f"{len(twice)} came more than once, each published again by the client")


try:
    every_qos_and_version()
    v5_features()
    tls_and_websocket()
    mosquitto()
    kill_and_count(3)
except BaseException:
    traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)  # the clients' threads would hold the process
