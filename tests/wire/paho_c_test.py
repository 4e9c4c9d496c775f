"""Eclipse Paho C (tests/paho/peer.c) against the real binary: credentials, TLS, every QoS, retained messages, wills, the properties of 5.0,
shared subscriptions, sessions over a reconnect and over kill -9.
SPDX-License-Identifier: Apache-2.0
"""
import os

from peers import Served, run, telemetry
from songhua import skip


def main():
    peer = os.environ.get("SONGHUA_PAHO_PEER", "")
    if not os.access(peer, os.X_OK):
        skip("libpaho-mqtt-dev was not there when this was built")
    with Served() as s:
        run(s, [peer, f"tcp://127.0.0.1:{s.mqtt}", f"ssl://127.0.0.1:{s.mqtts}", s.certificate, s.key, s.user, s.password], "Paho C")
        telemetry(s, [f"c{i}" for i in range(8)])


if __name__ == "__main__":
    main()
