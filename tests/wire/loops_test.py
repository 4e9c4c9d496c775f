"""Three event loops from outside: connections spread over them, MQTT by TCP, TLS and WebSocket meets whatever loop each is on, a TLS
session that one loop began is resumed by the others, live streams and streamed answers come from every loop, and a session moves with
its client from loop to loop.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time

from songhua import PASSWORD, Songhua, free_ports

LOOPS = 3


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def until(what, test, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not after {timeout_s} s")
        time.sleep(0.01)


# ---- a small MQTT 3.1.1 client over any socket ----


def text(s):
    return struct.pack(">H", len(s)) + s


def packet(first, body):
    n, head = len(body), b""
    while True:
        head += bytes([n % 128 | (128 if n > 127 else 0)])
        n //= 128
        if n == 0:
            return bytes([first]) + head + body


class Client:
    def __init__(self, sock, client_id, clean=True):
        self.sock, self.buffer, self.messages = sock, b"", []
        sock.settimeout(20)
        flags = 0xC0 | (2 if clean else 0)
        sock.sendall(packet(0x10, text(b"MQTT") + bytes([4, flags]) + struct.pack(">H", 60)
                            + text(client_id.encode()) + text(b"admin") + text(PASSWORD.encode())))
        kind, body = self.read()
        check("CONNACK", (kind, body[1:]), (0x20, b"\0"))
        self.present = body[0] == 1

    def read(self):
        """(first byte, body) of the next packet."""
        while True:
            m = re.match(rb"(?s).([\x80-\xff]{0,3}[\x00-\x7f])", self.buffer)
            if m:
                n = sum((b & 127) << (7 * i) for i, b in enumerate(m.group(1)))
                if len(self.buffer) >= m.end() + n:
                    first, body = self.buffer[0], self.buffer[m.end():m.end() + n]
                    self.buffer = self.buffer[m.end() + n:]
                    return first, body
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            self.buffer += more

    def expect(self, first):
        """Takes messages aside (and acknowledges them) until a packet of this kind comes."""
        while True:
            kind, body = self.read()
            if kind >> 4 == 3:
                n = struct.unpack(">H", body[:2])[0]
                rest = body[2 + n:]
                if kind & 6:
                    self.sock.sendall(b"\x40\x02" + rest[:2])
                    rest = rest[2:]
                self.messages.append((body[2:2 + n].decode(), rest.decode()))
                if first == 0x30:
                    return
            elif kind == first:
                return

    def subscribe(self, topic):
        self.sock.sendall(packet(0x82, b"\0\x07" + text(topic.encode()) + b"\x01"))
        self.expect(0x90)

    def publish(self, topic, payload, retain=False):
        self.sock.sendall(packet(0x33 if retain else 0x32, text(topic.encode()) + b"\0\x05" + payload.encode()))
        self.expect(0x40)


class WebSocket:
    """The bytes of a WebSocket as a socket's: one masked frame a write; frames of the server are not split."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.sendall(b"GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c29uZ2h1YS1sb29wcy0wMQ==\r\n"
                          b"Sec-WebSocket-Protocol: mqtt\r\n\r\n")
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.sock.recv(65536)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        check("the upgrade", head.split(b" ")[1], b"101")

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()

    def sendall(self, data):
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.sock.sendall(b"\x82" + size + b"\0\0\0\0" + data)

    def recv(self, _):
        while True:
            b = self.buffer
            if len(b) >= 2:
                n, at = b[1] & 127, 2
                if n == 126 and len(b) >= 4:
                    n, at = struct.unpack(">H", b[2:4])[0], 4
                if n < 126 or at == 4:
                    if len(b) >= at + n:
                        self.buffer = b[at + n:]
                        return b[at:at + n]
            more = self.sock.recv(65536)
            if not more:
                return b""
            self.buffer += more


def metrics(s):
    _, _, data = s.raw("GET", "/metrics")
    return dict(line.rsplit(" ", 1) for line in data.decode().splitlines() if not line.startswith("#"))


def on_loops(s):
    have = metrics(s)
    return [int(float(have[f'songhua_loop_connections{{loop="{i}"}}'])) for i in range(LOOPS)]


# ---- what is checked ----


def spread_and_meet(s, mqtts, context):
    """Three connections each by TCP, TLS and WebSocket: each hears what any other says."""
    before = on_loops(s)
    clients = [Client(socket.create_connection(("127.0.0.1", s.mqtt)), f"tcp{i}") for i in range(LOOPS)]
    clients += [Client(context.wrap_socket(socket.create_connection(("127.0.0.1", mqtts))), f"tls{i}") for i in range(LOOPS)]
    clients += [Client(WebSocket(s.http), f"ws{i}") for i in range(LOOPS)]
    added = [a - b for a, b in zip(on_loops(s), before)]
    check("all are there", sum(added), 3 * LOOPS)
    check("TCP and TLS are spread evenly", min(added) >= 2, True)
    for c in clients:
        c.subscribe("meet/#")
    for i, c in enumerate(clients):
        c.publish(f"meet/{i}", f"from {i}")
    want = [(f"meet/{i}", f"from {i}") for i in range(len(clients))]
    for c in clients:
        while len(c.messages) < len(want):
            c.expect(0x30)
        check("each got all in order", c.messages, want)
    for c in clients:
        c.sock.close()
    until("they are gone", lambda: metrics(s)["songhua_mqtt_connections"] == "0")


def resume(mqtts, context):
    """One session, begun on one loop; six connections, so two on each loop, resume it."""
    first = Client(context.wrap_socket(socket.create_connection(("127.0.0.1", mqtts))), "resume")
    session = first.sock.session
    check("it has a ticket", session is not None and session.has_ticket, True)
    kept = [first]
    for i in range(2 * LOOPS):
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", mqtts)), session=session)
        kept.append(Client(sock, f"resume{i}"))
        check("resumed", sock.session_reused, True)
    for c in kept:
        c.sock.close()


def session_moves(s):
    """A session whose client comes back on another loop each time: nothing is lost, and the old connection is ended."""
    say = Client(socket.create_connection(("127.0.0.1", s.mqtt)), "say")
    got, old = [], None
    for i in range(2 * LOOPS):
        c = Client(socket.create_connection(("127.0.0.1", s.mqtt)), "mover", clean=False)
        check("its session goes on", c.present, i > 0)
        if i == 0:
            c.subscribe("move/+")
        if old is not None and old.sock.fileno() >= 0:
            check("the old connection is ended", old.sock.recv(10), b"")
            old.sock.close()
        say.publish(f"move/{2 * i}", "connected")
        while len(c.messages) < (1 if i == 0 else 2 if i % 2 == 0 else 1):
            c.expect(0x30)
        got += c.messages
        c.sock.sendall(b"\xc0\0")
        c.expect(0xD0)  # what it acknowledged was read
        old = c
        if i % 2 == 1:  # sometimes it goes first
            c.sock.close()
            until("it is away", lambda: metrics(s)["songhua_mqtt_connections"] == "1")
            say.publish(f"move/{2 * i + 1}", "away")
    check("each message once", sorted(m[0] for m in got),
          sorted([f"move/{2 * i}" for i in range(2 * LOOPS)] + [f"move/{2 * i + 1}" for i in range(1, 2 * LOOPS - 1, 2)]))


def streams(s):
    """A live stream on each loop shows the same sample; a streamed CSV comes from each."""
    s.post("/api/v1/ingest?device=live", {"f": 1.5})
    heads = {"Authorization": "Bearer " + s.token}
    until("nobody else is connected", lambda: sum(on_loops(s)) == 1)  # but who asks
    before, opened = on_loops(s), []
    for _ in range(LOOPS):
        c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=20)
        c.request("GET", "/api/v1/stream?points=live/f&overview=1", headers=heads)
        opened.append((c, c.getresponse()))
    check("one on each loop", [a - b for a, b in zip(on_loops(s), before)], [1] * LOOPS)
    seen = [threading.Event() for _ in opened]

    def watch(answer, event):
        for line in answer:
            if b"2.5" in line and b"live/f" in line:
                event.set()
                return

    for (_, answer), event in zip(opened, seen):
        threading.Thread(target=watch, args=(answer, event), daemon=True).start()
    s.post("/api/v1/ingest?device=live", {"f": 2.5})
    for i, event in enumerate(seen):
        check(f"stream {i} shows it", event.wait(20), True)
    for c, _ in opened:
        c.close()
    for i in range(LOOPS):
        c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=20)
        c.request("GET", "/api/v1/sql?format=csv&sql=SELECT%20value%20FROM%20history%20WHERE%20point%3D%27live%2Ff%27", headers=heads)
        answer = c.getresponse()
        check(f"CSV {i}", (answer.status, answer.read()), (200, b"\xef\xbb\xbfvalue\r\n1.5\r\n2.5\r\n"))
        opened.append((c, answer))
    for c, _ in opened:
        c.close()


def main():
    mqtts, https = free_ports(2)
    settings = {"loops": str(LOOPS), "mqtts.listen": f"127.0.0.1:{mqtts}", "https.listen": f"127.0.0.1:{https}"}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Songhua(settings) as s:
        spread_and_meet(s, mqtts, context)
        resume(mqtts, context)
        until("all are gone", lambda: metrics(s)["songhua_mqtt_connections"] == "0")
        session_moves(s)
        streams(s)
        have = metrics(s)
        check("the lock is counted", "songhua_mqtt_lock_waits_total" in have and "songhua_mqtt_lane_waits_total" in have, True)
        check("nothing was dropped", [have["songhua_mqtt_dropped_slow_total"], have["songhua_mqtt_protocol_errors_total"]], ["0", "0"])
        check("it ends", s.stop(), 0)
    print(json.dumps({"loops": LOOPS, "ok": True}))


main()
