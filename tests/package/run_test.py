"""What `make run` starts (tools/run), as a newcomer meets it: the link comes, signs in once and only once, the plant's devices come on line,
a chart has values within a minute, and Ctrl-C ends both processes. Ports are those that tools/run finds free.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "wire"))
from songhua import binary  # noqa: E402

LIMIT_S = 60  # from the start to the first chart


def ask(port, method, path, token=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    connection.request(method, "/api/v1/" + path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(data) if data else None


def until(what, begin, test):
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() - begin > LIMIT_S:
            raise AssertionError(f"{what}: not within {LIMIT_S} s")
        time.sleep(0.1)


def meet(log, begin, process):
    def link():
        assert process.poll() is None, "tools/run ended"
        with open(log, encoding="utf-8", errors="replace") as f:
            return re.search(r"http://127\.0\.0\.1:(\d+)/#/link/(\S+)", f.read())

    found = until("the link", begin, link)
    port, secret = int(found.group(1)), found.group(2)
    status, session = ask(port, "POST", "sessions/link", body={"link": secret})
    assert status == 201, (status, session)
    token = session["token"]
    assert ask(port, "POST", "sessions/link", body={"link": secret})[0] == 401, "the link signed in twice"

    def on_line():
        devices = ask(port, "GET", "devices", token)[1]["items"]
        assert devices and all(d["demo"] for d in devices), devices
        return [d["id"] for d in devices if d["state"] == "online" and not d["id"].startswith(("meter-", "pump-", "tank-"))]

    devices = until("a device of the plant on line", begin, on_line)
    point = devices[0] + "/" + sorted(ask(port, "GET", f"devices/{devices[0]}/latest", token)[1]["points"])[0]

    def values():
        now = int(time.time() * 1000)
        answer = ask(port, "POST", "history/query", token, {"points": [point], "from": now - 600_000, "to": now + 600_000})[1]
        return len(answer["series"][0]["value"]) >= 2

    until("two values to draw", begin, values)
    overview = ask(port, "GET", "overview", token)[1]
    assert overview["demo"] and overview["devices"]["total"] == 0, "demo devices are counted as real ones"
    return port


def main():
    with tempfile.TemporaryDirectory(prefix="songhua-run-") as folder:
        log = os.path.join(folder, "log")
        environment = dict(os.environ, SONGHUA_BIN=binary(), SONGHUA_DATA=os.path.join(folder, "data"))
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            environment.pop(name, None)
        begin = time.monotonic()
        with open(log, "wb") as out:
            process = subprocess.Popen([os.path.join(ROOT, "tools", "run")], env=environment, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, start_new_session=True)
        try:
            port = meet(log, begin, process)
            print(f"first values {time.monotonic() - begin:.1f} s after the start")
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
            assert process.wait(30) == 0, process.returncode
            try:
                ask(port, "GET", "overview")
                raise AssertionError("the platform still answers")
            except OSError:
                pass
        except BaseException:
            with open(log, encoding="utf-8", errors="replace") as f:
                print(f.read()[-4000:], file=sys.stderr)
            raise
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


main()
