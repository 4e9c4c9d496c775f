"""SIGTERM while requests, commits, MQTT sign-ins and slow peers are under way: the process ends with 0, soon, and what was acknowledged
before is there after the next start. Under a sanitizer's build a leak, a race or a use of freed memory is an exit code, too.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from songhua import PASSWORD, Songhua, free_ports

ROUNDS = 4
SOON_S = 10  # from the signal to the end, also on a busy machine with a sanitizer


def text(s):
    return struct.pack(">H", len(s)) + s.encode()


def connect_packet(client, user, password):
    body = text("MQTT") + b"\x04\xc2" + struct.pack(">H", 30) + text(client) + text(user) + text(password)
    return b"\x10" + length(len(body)) + body


def length(n):
    out = b""
    while True:
        out += bytes([n % 128 | (128 if n > 127 else 0)])
        n //= 128
        if n == 0:
            return out


def packet(head, body):
    return bytes([head]) + length(len(body)) + body


class Load:
    """What goes on while the signal comes. Threads end by themselves when the server has gone."""

    def __init__(self, s, token):
        self.s, self.token = s, token
        self.over = threading.Event()
        self.acknowledged = {}  # device: number of the last sample that was answered by 2xx
        self.held = []  # sockets of peers that say or read nothing
        self.threads = []

    def start(self):
        work = [(self.lines, k) for k in range(2)] + [(self.ask, k) for k in range(2)]
        work += [(self.password, k) for k in range(6)] + [(self.stream, 0), (self.change, 0), (self.publish, 0)]
        self.threads = [threading.Thread(target=self.guarded, args=w, daemon=True) for w in work]
        for t in self.threads:
            t.start()

    def guarded(self, fn, k):
        while not self.over.is_set():
            try:
                fn(k)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # the server may have gone: join() says when to end

    def join(self):
        self.over.set()
        for t in self.threads:
            t.join(20)
        for h in self.held:
            h.close()

    def request(self, c, method, path, body=None):
        c.request(method, path, body, {"Authorization": "Bearer " + self.token})
        answer = c.getresponse()
        return answer.status, answer.read()

    def http(self):
        return http.client.HTTPConnection("127.0.0.1", self.s.http, timeout=15)

    def lines(self, k):
        c = self.http()
        n = self.acknowledged.get(f"load{k}", 0)
        while not self.over.is_set():
            n += 1
            status, _ = self.request(c, "POST", "/write?precision=s", f"load{k} n={n}i {n}")
            if status == 204:
                self.acknowledged[f"load{k}"] = n

    def ask(self, _):
        c = self.http()
        ask = json.dumps({"points": ["load0/n"], "from": 0, "to": 10**9})
        while not self.over.is_set():
            self.request(c, "POST", "/api/v1/history/query", ask)
            self.request(c, "GET", "/api/v1/overview")

    def change(self, _):
        """Channels, whose changes run on the loop while a worker waits."""
        c = self.http()
        channel = {
            "id": "plc", "driver": "modbus", "enabled": True,
            "config": {"mode": "dial", "address": "127.0.0.1:1", "options": {"framing": "tcp"}},
            "devices": [{"device": "plc", "config": {"unit": 1}, "period_ms": 50,
                         "tags": [{"property": "x", "address": "4x1"}]}],
        }  # fmt: skip
        self.request(c, "POST", "/api/v1/channels", json.dumps(channel))
        while not self.over.is_set():
            self.request(c, "PUT", "/api/v1/channels/plc", json.dumps(channel))
            self.request(c, "GET", "/api/v1/channels/plc")
            self.request(c, "GET", "/api/v1/devices/plc/connection")

    def stream(self, _):
        c = self.http()
        c.request("GET", "/api/v1/stream?overview=1", headers={"Authorization": "Bearer " + self.token})
        answer = c.getresponse()
        while not self.over.is_set() and answer.readline():
            pass

    def mqtt(self, client, user, password):
        m = socket.create_connection(("127.0.0.1", self.s.mqtt), timeout=15)
        m.sendall(connect_packet(client, user, password))
        return m

    def password(self, k):
        """Passwords that are no device's secret are hashed, one at a time: most of these wait when the signal comes."""
        with self.mqtt(f"p{k}", "admin", "not the password") as m:
            m.recv(4)

    def publish(self, _):
        with self.mqtt("publisher", "admin", PASSWORD) as m:
            if m.recv(4)[3:] != b"\x00":
                return
            body = text("flood") + b"x" * 60000
            for n in range(1, 65000):
                if self.over.is_set():
                    return
                m.sendall(packet(0x30, body))
                m.sendall(packet(0x32, text("sh/v1/load-m/telemetry") + struct.pack(">H", n) + b'{"n":1}'))

    def hold(self, tls_port):
        """Peers that stop half-way: a handshake, a request, and a subscriber that reads nothing."""
        for port, said in ((tls_port, b"\x16\x03\x01"), (tls_port, b""), (self.s.http, b"POST /write HTTP/1.1\r\nHost: x\r\n")):
            h = socket.create_connection(("127.0.0.1", port))
            h.sendall(said)
            self.held.append(h)
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", self.s.mqtt))
        deaf.sendall(connect_packet("deaf", "admin", PASSWORD))
        deaf.recv(4)
        deaf.sendall(packet(0x82, b"\x00\x01" + text("flood") + b"\x00"))
        self.held.append(deaf)


def one_round(s, k, tls_port):
    load = Load(s, s.token)
    load.hold(tls_port)
    load.start()
    time.sleep(0.6 + 0.45 * k)
    if k % 2 == 1:
        s.process.send_signal(signal.SIGHUP)  # certificates are being read when the end comes
    begin = time.monotonic()
    s.process.send_signal(signal.SIGTERM)
    try:
        code = s.process.wait(4 * SOON_S)
    except subprocess.TimeoutExpired:
        sys.exit(f"round {k}: the process did not end")
    took = time.monotonic() - begin
    load.join()
    print(f"round {k}: exit code {code} after {took:.2f} s; {sum(load.acknowledged.values())} answered")
    if code != 0 or took > SOON_S:
        print(s.log_text()[-4000:])
        sys.exit("an end under load is exit code 0, soon")
    if not load.acknowledged:
        sys.exit("the load did not get anywhere")
    s.disconnect()
    s.process = None
    return load.acknowledged


def main():
    tls_port = free_ports(1)[0]
    with Songhua({"https.listen": f"127.0.0.1:{tls_port}"}) as s:
        for k in range(ROUNDS):
            acknowledged = one_round(s, k, tls_port)
            s.start()
            for device, last in acknowledged.items():
                got = s.query([f"{device}/n"], 0, 10**12)[f"{device}/n"]["value"]
                missing = set(range(1, last + 1)) - {int(v) for v in got}
                if missing:
                    sys.exit(f"{device}: {len(missing)} acknowledged samples are not there: {sorted(missing)[:10]}")
        second = subprocess.run([s.path, "serve", "--data", s.data], capture_output=True, timeout=60, text=True, check=False)
        if second.returncode != 1 or "in use" not in second.stderr:
            sys.exit(f"a second start on the same folder: {second.returncode}: {second.stderr[-2000:]}")
        code = s.stop()
        if code != 0:
            sys.exit(f"a quiet end: exit code {code}")
    print("passed")


if __name__ == "__main__":
    main()
