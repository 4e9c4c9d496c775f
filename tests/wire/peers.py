"""Programs that use a client library against the real binary: the server they meet, and what they may ask of us.
SPDX-License-Identifier: Apache-2.0
"""
import glob
import os
import subprocess
import sys

from songhua import Songhua, free_ports

PERMISSIONS = ["mqtt.connect", "mqtt.any_topic", "ingest.write", "ingest.gateway"]


class Served(Songhua):
    """With TLS, a device "press" with its secret (.user, .password), a token (.key) and the .certificate to trust."""

    def __init__(self):
        self.https, self.mqtts = free_ports(2)
        super().__init__({"https.listen": f"127.0.0.1:{self.https}", "mqtts.listen": f"127.0.0.1:{self.mqtts}"})
        self.post("/api/v1/devices", {"id": "press"})
        secret = self.post("/api/v1/devices/press/secret")
        self.user, self.password = secret["user"], secret["password"]
        self.key = self.make_token(name="peer", permissions=PERMISSIONS)["token"]
        for path in glob.glob(os.path.join(self.data, "keys", "*server*")):
            with open(path, "rb") as f:
                if b"BEGIN CERTIFICATE" in f.read():
                    self.certificate = path


def run(s, command, what):
    """Runs it; "ask kill" is kill -9 and a new start, answered by "done"; "say ..." is printed."""
    # the libraries leak where a connection is lost: that is not what is tested
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        for line in p.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "ask":
                s.stop(kill=True)
                s.start()
                p.stdin.write("done\n")
                p.stdin.flush()
            else:
                print(" ", rest if word == "say" else line.strip(), flush=True)
        code = p.wait(30)
    finally:
        p.kill()
    if code != 0:
        raise RuntimeError(f"{what} ended with {code}")


def telemetry(s, want):
    got = s.get("/api/v1/devices/press/latest")["points"]
    if not set(want) <= set(got):
        sys.exit(f"telemetry that was acknowledged is not there: {sorted(set(want) - set(got))}")
