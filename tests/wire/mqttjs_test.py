"""MQTT.js (tests/mqttjs) against the real binary: credentials, TCP, TLS, WebSocket and both over one another, every QoS, retained messages,
wills, the properties of 5.0, shared subscriptions, sessions over a reconnect and over kill -9. Skipped where the package is not installed.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import sys

from peers import Served, run, telemetry
from songhua import ROOT, skip

PEER = os.path.join(ROOT, "tests", "mqttjs")


def node():
    own = os.path.join(ROOT, "build", "node", "bin", "node")
    path = own if os.access(own, os.X_OK) else shutil.which("node")
    if path is None:
        skip("there is no node")
    if not os.path.isdir(os.path.join(PEER, "node_modules", "mqtt")):
        skip("MQTT.js is not installed: npm ci in tests/mqttjs (tools/setup test does it)")
    return path


def main():
    program = node()
    with Served() as s:
        given = {
            "mqtt": s.mqtt, "mqtts": s.mqtts, "http": s.http, "https": s.https, "certificate": s.certificate, "token": s.key,
            "device": {"id": "press", "user": s.user, "password": s.password},
        }
        run(s, [program, os.path.join(PEER, "peer.js"), json.dumps(given), *sys.argv[1:]], "MQTT.js")
        if len(sys.argv) == 1:
            telemetry(s, [f"{o}{v}" for o in ("tcp", "tls", "ws", "wss") for v in (4, 5)])


if __name__ == "__main__":
    main()
