"""An MQTT client of few packets, for tests that must see and say every packet themselves. 3.1.1 (version 4) and 5.0 (version 5).
SPDX-License-Identifier: Apache-2.0
"""
import socket
import struct

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK = 2, 3, 4, 5, 6, 7, 9


def text(t):
    data = t.encode()
    return struct.pack(">H", len(data)) + data


class RawMqtt:
    def __init__(self, port, token, version, client_id, clean=True, expiry=0, timeout_s=20):
        self.version = version
        self.s = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        props = b""
        if version == 5:
            props = b"\x11" + struct.pack(">I", expiry) if expiry else b""
            props = bytes([len(props)]) + props
        self.send(0x10, b"\0\4MQTT" + bytes([version, 0x80 | (2 if clean else 0)]) + b"\0\x3c" + props + text(client_id) + text(token))
        kind, got = self.packet(timeout_s)
        if kind >> 4 != CONNACK or got[1] != 0:
            raise ConnectionError(f"not let in: {got!r}")
        self.present = bool(got[0] & 1)

    def send(self, kind, body):
        n, size = len(body), b""
        while True:
            size += bytes([(n & 127) | (128 if n > 127 else 0)])
            n >>= 7
            if n == 0:
                break
        self.s.sendall(bytes([kind]) + size + body)

    def bytes(self, n):
        while len(self.pending) < n:
            got = self.s.recv(65536)
            if not got:
                raise ConnectionError("closed")
            self.pending += got
        out, self.pending = self.pending[:n], self.pending[n:]
        return out

    def packet(self, timeout_s=20):
        """(first byte, body); TimeoutError."""
        self.s.settimeout(timeout_s)
        kind, n, shift = self.bytes(1)[0], 0, 0
        while True:
            b = self.bytes(1)[0]
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return kind, self.bytes(n)

    def publish(self, topic, body, pid, qos=1, retain=False, dup=False):
        pid_bytes = struct.pack(">H", pid) if qos else b""
        self.send(0x30 | int(dup) << 3 | qos << 1 | int(retain), text(topic) + pid_bytes + (b"\0" if self.version == 5 else b"") + body.encode())

    def answer(self, kind, pid):
        """PUBACK, PUBREC, PUBREL or PUBCOMP with success."""
        self.send(kind << 4 | (2 if kind == PUBREL else 0), struct.pack(">H", pid))

    def read_publish(self, kind, body):
        """(topic, payload, qos, packet id) of a PUBLISH."""
        n = struct.unpack_from(">H", body)[0]
        topic, at, qos, pid = body[2 : 2 + n].decode(), 2 + n, kind >> 1 & 3, 0
        if qos:
            pid = struct.unpack_from(">H", body, at)[0]
            at += 2
        if self.version == 5:
            at += 1 + body[at]  # short properties are all that the tests get
        return topic, body[at:].decode(), qos, pid

    def subscribe(self, topic, qos):
        """The reason code."""
        self.send(0x82, b"\0\1" + (b"\0" if self.version == 5 else b"") + text(topic) + bytes([qos]))
        while True:
            kind, body = self.packet()
            if kind >> 4 == SUBACK:
                return body[-1]

    def ack(self, pid):
        """The reason code of the PUBACK of pid, which must come next."""
        kind, body = self.packet()
        if (kind >> 4, struct.unpack(">H", body[:2])[0]) != (PUBACK, pid):
            raise ConnectionError(f"no PUBACK of {pid}: {kind:#x} {body!r}")
        return body[2] if len(body) > 2 else 0

    def close(self):
        self.s.close()
