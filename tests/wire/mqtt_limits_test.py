"""MQTT at its limits, on the real binary: a crowd that comes back all at once, a subscriber that never reads, a publisher that floods,
many retained topics, many wildcard subscriptions, deep topics, a long queue over a kill -9. What is promised comes, memory stays bounded,
what is lost is counted.

SONGHUA_CROWD is the size of it all (default 1000; 19000 is what a process may have open here). Standard library only.
SPDX-License-Identifier: Apache-2.0
"""
import os
import resource
import selectors
import socket
import struct
import sys
import time

from raw_mqtt import PUBACK, PUBLISH, RawMqtt, text
from songhua import Songhua

CROWD = int(os.environ.get("SONGHUA_CROWD", "1000"))


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def metric(s, name):
    for line in s.raw("GET", "/metrics")[2].decode().splitlines():
        if line.startswith(f"songhua_{name} "):
            return float(line.split()[1])
    sys.exit(f"no metric songhua_{name}")


def until(what, test, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not after {timeout_s} s")
        time.sleep(0.05)


class Member:
    """One of the crowd: a persistent session of its own with one subscription."""

    def __init__(self, number):
        self.number, self.s, self.got, self.connected, self.pending, self.since = number, None, [], False, b"", 0

    def open(self, port, token):
        self.s = socket.socket()
        self.s.setblocking(False)
        self.s.connect_ex(("127.0.0.1", port))
        self.connected, self.pending, self.since = False, b"", time.monotonic()
        name = f"crowd-{self.number}"
        body = b"\0\4MQTT\4\x80\0\0" + text(name) + text(token)
        filters = b"\0\1" + text(f"crowd/{self.number}") + b"\1"
        self.hello = b"\x10" + length(len(body)) + body + b"\x82" + length(len(filters)) + filters

    def read(self):
        """True when it has its CONNACK now."""
        try:
            data = self.s.recv(4096)
        except BlockingIOError:
            return False
        if not data:
            sys.exit(f"member {self.number} was sent away")
        self.pending += data
        new = False
        while len(self.pending) >= 2 and len(self.pending) >= 2 + self.pending[1]:
            kind, body = self.pending[0] >> 4, self.pending[2 : 2 + self.pending[1]]
            self.pending = self.pending[2 + self.pending[1] :]
            if kind == 2:
                check(f"CONNACK of {self.number}", body[1], 0)
                self.connected = new = True
            elif kind == PUBLISH:
                n = struct.unpack_from(">H", body)[0]
                self.got.append(body[4 + n :].decode())
                self.s.send(b"\x40\2" + body[2 + n : 4 + n])
        return new


def length(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7])


def gather(members, port, token, wait_for, timeout_s=120):
    """Opens all at once and serves them until wait_for(member) holds for all. Seconds to each CONNACK."""
    took, left = [], set()
    with selectors.EpollSelector() as sel:
        for m in members:
            m.open(port, token)
            left.add(m.number)
            sel.register(m.s, selectors.EVENT_WRITE, m)
        deadline = time.monotonic() + timeout_s
        while left:
            if time.monotonic() > deadline:
                sys.exit(f"{len(left)} of {len(members)} still wait after {timeout_s} s")
            for key, events in sel.select(1):
                m = key.data
                if events & selectors.EVENT_WRITE:
                    m.s.sendall(m.hello)
                    sel.modify(m.s, selectors.EVENT_READ, m)
                elif m.read():
                    took.append(time.monotonic() - m.since)
                if m.connected and wait_for(m):
                    left.discard(m.number)
    return took


def storm(s, token):
    """All leave without a word, get a message while away, and come back at the same moment."""
    members = [Member(i) for i in range(CROWD)]
    base = s.memory_kib()
    gather(members, s.mqtt, token, lambda m: True)
    full = s.memory_kib()
    for m in members:
        m.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, as after a power cut
        m.s.close()
    until("all are away", lambda: metric(s, "mqtt_connections") == 0)
    p = RawMqtt(s.mqtt, token, 4, "speaker")
    for turn in range(0, CROWD, 100):
        for i in range(turn, min(turn + 100, CROWD)):
            p.publish(f"crowd/{i}", f"for {i}", i % 65000 + 1)
        for i in range(turn, min(turn + 100, CROWD)):
            check("PUBACK", p.ack(i % 65000 + 1), 0)
    began = time.monotonic()
    took = sorted(gather(members, s.mqtt, token, lambda m: len(m.got) > 0))
    all_s = time.monotonic() - began
    check("everybody got what came meanwhile, once", [m.number for m in members if m.got != [f"for {m.number}"]], [])
    for m in members:
        m.s.close()
    p.close()
    until("all are gone", lambda: metric(s, "mqtt_connections") == 0)
    time.sleep(1)
    print(f"  {CROWD} came back at once: all served in {all_s:.2f} s, a CONNACK after {took[len(took) // 2]:.2f} s (half), {took[-1]:.2f} s (the last); "
          f"{(full - base) * 1024 / CROWD:.0f} bytes a connection with its session; {s.memory_kib() - base} KiB stay for {CROWD} sessions that are away")


def floods(s, token):
    """One that never reads, one that reads, one that sends as fast as it can."""
    deaf, hears, p = (RawMqtt(s.mqtt, token, 4, n) for n in ("deaf", "hears", "flood"))
    deaf.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    check("SUBACK", deaf.subscribe("flood/#", 0), 0)
    check("SUBACK", hears.subscribe("flood/x", 0), 0)
    base, lost = s.memory_kib(), metric(s, "mqtt_dropped_slow_total")
    n, body = CROWD * 30, "x" * 1000
    got, sent = 0, 0
    while sent < n:
        for _ in range(50):
            p.publish("flood/x", body, 0, 0)
        sent += 50
        while got < sent:  # the good subscriber sets the pace
            kind, _ = hears.packet()
            got += kind >> 4 == PUBLISH
    check("the one that reads has all", got, n)
    until("the deaf one's are dropped and counted", lambda: metric(s, "mqtt_dropped_slow_total") > lost)
    time.sleep(1.1)  # counters are taken over once a second
    dropped = metric(s, "mqtt_dropped_slow_total") - lost
    grown = s.memory_kib() - base
    check("not more than there were", dropped <= n, True)
    check("memory stays bounded", grown < 40_000, True)
    print(f"  {n} messages of 1 KB past a subscriber that never reads: {dropped:.0f} dropped and counted, {grown} KiB more memory")
    for c in (deaf, hears, p):
        c.close()


def retained(s, token):
    n = CROWD * 5
    base = s.memory_kib()
    p = RawMqtt(s.mqtt, token, 4, "keeper")
    for turn in range(0, n, 200):
        for i in range(turn, turn + 200):
            p.publish(f"kept/{i % 97}/{i}", f"value {i}", i % 65000 + 1, 1, True)
        for i in range(turn, turn + 200):
            check("PUBACK", p.ack(i % 65000 + 1), 0)
    full = s.memory_kib()
    c = RawMqtt(s.mqtt, token, 4, "reader")
    begin = time.monotonic()
    check("SUBACK", c.subscribe("kept/#", 0), 0)
    have = set()
    while len(have) < n:
        kind, body = c.packet()
        if kind >> 4 == PUBLISH:
            topic, value, _, _ = c.read_publish(kind, body)
            check("what it said", value, "value " + topic.rpartition("/")[2])
            have.add(topic)
    print(f"  {n} retained topics: {(full - base) * 1024 / n:.0f} bytes each, all to a new subscriber in {time.monotonic() - begin:.2f} s")
    c.close()
    p.close()


def wildcards(s, token):
    """A thousand a session, as the limit says."""
    n = CROWD * 2 // 1000 * 1000
    base = s.memory_kib()
    many = [RawMqtt(s.mqtt, token, 4, f"many-{k}") for k in range(n // 1000)]
    for i in range(n):
        c = many[i // 1000]
        c.send(0x82, struct.pack(">H", i % 65000 + 1) + text(f"w/{i}/+/{'#' if i % 2 else 'x'}") + b"\0")
        if i % 100 == 99:
            for _ in range(100):
                check("SUBACK", c.packet()[1][-1], 0)
    check("one more than a session may have", many[0].subscribe("w/+/+", 0), 0x80)
    full = s.memory_kib()
    p, rounds = RawMqtt(s.mqtt, token, 4, "one"), 1000
    begin = time.monotonic()
    for i in range(rounds):
        p.publish(f"w/{i * 7 % n}/a/x", str(i), 0, 0)
    for i in range(rounds):
        c = many[i * 7 % n // 1000]
        kind, body = c.packet()
        check("message", c.read_publish(kind, body)[1], str(i))
    each = (time.monotonic() - begin) / rounds
    check("nobody searches all of them", each < 0.01, True)
    print(f"  {n} wildcard subscriptions: {(full - base) * 1024 / n:.0f} bytes each, {each * 1e6:.0f} us a message there and back")
    for c in many + [p]:
        c.close()


def deep(s, token):
    c = RawMqtt(s.mqtt, token, 5, "deep")
    topic = "/".join("d" for _ in range(100))
    check("SUBACK", c.subscribe(topic[:-1] + "+", 1), 1)
    c.publish(topic, "here", 1)
    seen = {c.packet()[0] >> 4, c.packet()[0] >> 4}
    check("100 levels", seen, {PUBACK, PUBLISH})
    check("a filter of 300 levels is refused", c.subscribe("/".join("d" for _ in range(300)), 1) >= 0x80, True)
    c.close()


def long_queue(s, token):
    n = min(CROWD * 10, 60_000)  # a packet id each
    away = RawMqtt(s.mqtt, token, 4, "away", clean=False)
    check("SUBACK", away.subscribe("long/#", 1), 1)
    away.close()
    base = s.memory_kib()
    p = RawMqtt(s.mqtt, token, 4, "speaker")
    for turn in range(0, n, 200):
        for i in range(turn, turn + 200):
            p.publish("long/x", f"message {i}", i % 65000 + 1)
        for i in range(turn, turn + 200):
            check("PUBACK", p.ack(i % 65000 + 1), 0)
    grown = s.memory_kib() - base
    p.close()
    s.stop(kill=True)
    s.start()
    started = s.start_s
    away = RawMqtt(s.mqtt, token, 4, "away", clean=False)
    check("the session is known", away.present, True)
    begin = time.monotonic()
    for i in range(n):
        kind, body = away.packet()
        _, value, _, pid = away.read_publish(kind, body)
        check("in order", value, f"message {i}")
        away.answer(PUBACK, pid)
    print(f"  a queue of {n} messages: {grown * 1024 / n:.0f} bytes each, ready {started:.2f} s after kill -9, all there in order, read in {time.monotonic() - begin:.2f} s")
    away.close()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = min(hard, CROWD + 1000)
    if soft < want:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))
    with Songhua({"mqtt.max_queued": str(min(CROWD * 10, 65_000)), "log.level": "warn"}, environment={"ASAN_OPTIONS": "quarantine_size_mb=8"}) as s:
        token = s.make_token(name="limits", roles=["engineer"])["token"]
        for part in (storm, floods, retained, wildcards, deep, long_queue):
            part(s, token)
            print(f"{part.__name__} ok", flush=True)


if __name__ == "__main__":
    main()
