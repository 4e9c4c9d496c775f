"""A freshly started songhua for tests and benchmarks from outside: free loopback ports, a temporary data folder, the
administrator's password, ended by its own process id.

    with Songhua() as s:
        s.post("/api/v1/ingest?device=d", {"a": 1})
        print(s.query(["d/a"], 0, 2**52))

SONGHUA_BIN names the binary; else build/release/songhua, then build/dev/songhua. Standard library only.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77  # what CTest takes for "skipped"
PASSWORD = "Test-Harbin-2025-river"


def skip(why):
    print("skipped:", why)
    sys.exit(SKIP)


def binary():
    named = os.environ.get("SONGHUA_BIN")
    for path in [named] if named else [os.path.join(ROOT, "build", b, "songhua") for b in ("release", "dev")]:
        if os.access(path, os.X_OK):
            return path
    skip("there is no songhua binary; build it, or name it by SONGHUA_BIN")


def free_ports(n):
    """n loopback ports that were free a moment ago (held together, so that they differ), below those that the system gives to outgoing
    connections: a client that tries to reconnect while the server is down could else be given the server's own port, and keep it."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            end = int(f.read().split()[0])
    except OSError:
        end = 32768
    held, dice = [], random.SystemRandom()
    while len(held) < n:
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", dice.randrange(10000, end) if end > 12000 else 0))
            held.append(s)
        except OSError:
            s.close()
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def until(what, fn, timeout_s=120):
    """The first answer of fn that is neither None nor False; ends the test when there is none in time."""
    begin = time.monotonic()
    while time.monotonic() - begin < timeout_s:
        got = fn()
        if got is not None and got is not False:
            return got
        time.sleep(0.05)
    return sys.exit(f"{what}: it did not happen in {timeout_s} s; last: {got}")


class Problem(Exception):
    """An answer that is no success: .status, .body (parsed when it is JSON)."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {str(body)[:400]}")
        self.status, self.body = status, body


class Songhua:
    def __init__(self, settings=None, data=None, path=None, environment=None, start=True):
        self.path = path or binary()
        self.own_folder = data is None
        self.data = data or tempfile.mkdtemp(prefix="songhua-test-")
        self.http, self.mqtt = free_ports(2)
        self.settings = {
            "http.listen": f"127.0.0.1:{self.http}",
            "mqtt.listen": f"127.0.0.1:{self.mqtt}",
            "https.listen": "",
            "mqtts.listen": "",
            "handle.listen": "",
        }
        self.settings.update(settings or {})
        self.environment = environment or {}
        self.process = None
        self.token = None
        self.connection = None
        self.log = os.path.join(tempfile.gettempdir(), f"songhua-test-{os.getpid()}-{self.http}.log")
        if start:
            self.start()

    # life cycle

    def start(self, timeout_s=60):
        command = [self.path, "serve", "--data", self.data]
        for key, value in self.settings.items():
            command += ["--set", f"{key}={value}"]
        environment = dict(os.environ, SONGHUA_ADMIN_PASSWORD=PASSWORD, **self.environment)
        begin = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            try:
                if self.raw("GET", "/readyz")[0] == 200:
                    break
            except OSError:
                pass
            except http.client.HTTPException:
                pass
            if self.process.poll() is not None or time.monotonic() - begin > timeout_s:
                text = self.log_text()
                self.close()
                raise RuntimeError(f"songhua did not get ready; its log:\n{text[-4000:]}")
            time.sleep(0.01)
        self.start_s = time.monotonic() - begin
        self.sign_in()
        return self

    def sign_in(self):
        self.token = None
        self.token = self.post("/api/v1/sessions", {"user": "admin", "password": PASSWORD})["token"]

    def stop(self, kill=False, timeout_s=60):
        """Ends the process by its id; returns its exit code. The data stays."""
        self.disconnect()
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("songhua did not end when asked to") from None
        self.process = None
        return code

    def close(self):
        try:
            self.stop(kill=True)
        finally:
            if self.own_folder:
                shutil.rmtree(self.data, ignore_errors=True)
            if os.path.exists(self.log):
                os.unlink(self.log)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and kind is not SystemExit:
            print("songhua's log, end:\n" + self.log_text()[-4000:], file=sys.stderr)
        self.close()

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def reveal(self, name, path):
        """A sealed key file of the folder, in the clear."""
        with open(path, "wb") as f:
            subprocess.run([self.path, "keys", "reveal", name, "--data", self.data], check=True, stdout=f, timeout=60)

    # HTTP

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def raw(self, method, path, body=None, headers=None):
        """(status, headers, bytes); one connection is kept."""
        head = dict(headers or {})
        if self.token and "Authorization" not in head:
            head["Authorization"] = "Bearer " + self.token
        for again in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=300)
            try:
                self.connection.request(method, path, body, head)
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.disconnect()  # a kept connection may have been closed meanwhile
                if again:
                    raise
            except (OSError, http.client.HTTPException):
                self.disconnect()  # its state is not known any more
                raise
        return None

    def call(self, method, path, body=None, content_type=None, headers=None):
        """The parsed JSON of a success (None when it is empty); else Problem."""
        head = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            content_type = content_type or "application/json"
        if isinstance(body, str):
            body = body.encode()
        if content_type:
            head["Content-Type"] = content_type
        status, answer, data = self.raw(method, path, body, head)
        if "json" in answer.get("Content-Type", ""):
            data = json.loads(data) if data else None
        if not 200 <= status < 300:
            raise Problem(status, data)
        return data or None

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body=None, content_type=None, headers=None):
        return self.call("POST", path, body, content_type, headers)

    def put(self, path, body=None):
        return self.call("PUT", path, body)

    def delete(self, path):
        return self.call("DELETE", path)

    def write_lines(self, text, precision="ns", headers=None):
        return self.post(f"/write?precision={precision}", text, "text/plain; charset=utf-8", headers)

    def make_token(self, **members):
        members.setdefault("name", "test")
        return self.post("/api/v1/tokens", members)

    def query(self, points, start, end, **more):
        """{point: (times, values or {aggregate: values}, qualities)}, all pages; times as asked by time= (us)."""
        ask = {"points": points, "from": start, "to": end, "time": "us"}
        ask.update(more)
        out = {}
        while True:
            answer = self.post("/api/v1/history/query", ask)
            for series in answer["series"]:
                got = out.setdefault(series["point"], {})
                for key, column in series.items():
                    if isinstance(column, list):
                        got.setdefault(key, []).extend(column)
            if not answer.get("next"):
                return out
            ask["cursor"] = answer["next"]

    # what it costs

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

    def cpu_s(self):
        return process_cpu_s(self.process.pid)

    def disk_bytes(self, part=""):
        return folder_bytes(os.path.join(self.data, part))


def process_cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def folder_bytes(path):
    """Bytes that the files below take on the disk (blocks, not lengths)."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def number(v):
    """A cell of JSON as a float: the words for what JSON has no number for."""
    return {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.get(v, v) if isinstance(
        v, str
    ) else float(v)


def quote(text):
    return urllib.parse.quote(text, safe="")
