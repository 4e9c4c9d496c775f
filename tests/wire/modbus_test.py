"""The demo plant as a process of its own beside the platform: values arrive, the device is online; without the plant its values turn bad
and it goes offline; it recovers; writing is refused until it is enabled for the device, and then what was written is read back.
SPDX-License-Identifier: Apache-2.0
"""
import subprocess
import sys
import time

from songhua import Problem, Songhua, free_ports

CHANNEL = "demo-plc"
GOOD = 192


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def until(what, test, timeout_s=30):
    begin = time.monotonic()
    while not test():
        if time.monotonic() - begin > timeout_s:
            sys.exit(f"{what}: not after {timeout_s} s")
        time.sleep(0.05)
    return time.monotonic() - begin


class Plant:
    def __init__(self, s, port):
        self.s, self.port, self.process = s, port, None

    def start(self):
        self.process = subprocess.Popen(
            [self.s.path, "sim", "--modbus", f"127.0.0.1:{self.port}", "--mqtt", ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def latest(s, device):
    return s.get(f"/api/v1/devices/{device}/latest?time=ms")["points"]


def state(s, device):
    return s.get(f"/api/v1/devices/{device}")["state"]


def command(s, device, prop, value, want):
    made = s.post(f"/api/v1/devices/{device}/commands", {"property": prop, "value": value, "confirm": True})
    seen = {}

    def closed():
        seen.update(s.get(f"/api/v1/commands/{made['id']}"))
        return seen["state"] not in ("open", "sent", "waiting", "new", "pending")

    until(f"{device}/{prop} := {value}", closed)
    check(f"{device}/{prop} := {value}: {seen}", seen["state"], want)


def run(s, plant, port):
    channel = s.get(f"/api/v1/channels/{CHANNEL}")
    channel.pop("state", None)
    channel["config"]["address"] = f"127.0.0.1:{port}"
    channel["config"]["backoff_max_ms"] = 1000
    s.put(f"/api/v1/channels/{CHANNEL}", channel)
    until("nobody is there", lambda: state(s, "pump-101") in ("never", "offline"))
    plant.start()
    took = until("pump-101 online", lambda: state(s, "pump-101") == "online")
    until("good values", lambda: latest(s, "pump-101").get("flow", {}).get("quality") == GOOD)
    p = latest(s, "pump-101")["flow"]
    check("a plausible flow", 0 <= p["value"] < 10_000, True)
    text = latest(s, "pump-101").get("station")
    check("text", isinstance(text["value"], str) and len(text["value"]) > 0, True)
    until("they go on", lambda: latest(s, "pump-101")["flow"]["time"] > p["time"])
    until("the other units", lambda: state(s, "meter-main") == "online")
    connection = s.get("/api/v1/devices/pump-101/connection")
    check("connection", (connection["kind"], connection["state"], connection["ok"] > 0), ("modbus", "online", True))
    check("its channel", connection["channel"], CHANNEL)
    print(f"values arrive {took:.1f} s after the start of the plant: flow {p['value']}")

    for body in ({"property": "speed_setpoint", "value": 40, "confirm": True},):
        try:
            s.post("/api/v1/devices/pump-101/commands", body)
            sys.exit("a write while read-only was taken")
        except Problem as refused:
            check("read-only", (refused.status, refused.body["code"]), (403, "denied"))
    until("a first read", lambda: "level_setpoint" in latest(s, "tank-101"))
    before = latest(s, "tank-101")["level_setpoint"]["value"]
    want = before + 0.25 if before < 2 else before - 0.25
    for body in ({"until": int(time.time() * 1000) + 60_000}, {"reason": "test"}):
        try:
            s.post("/api/v1/devices/tank-101/write-enable", body)
            sys.exit(f"write-enable took {body}")
        except Problem as refused:
            check("reason and end are needed", refused.status, 400)
    s.post("/api/v1/devices/tank-101/write-enable", {"reason": "test of writing", "until": int(time.time() * 1000) + 60_000})
    check("shown", s.get("/api/v1/devices/tank-101")["write_enabled"], True)
    check("the other one is read-only still", s.get("/api/v1/devices/pump-101")["write_enabled"], False)
    command(s, "tank-101", "level_setpoint", want, "done")
    command(s, "tank-101", "level_setpoint", 400, "failed")  # beyond its range
    took = until("read back", lambda: latest(s, "tank-101")["level_setpoint"]["value"] == want)
    print(f"{want} written and read back after {took:.1f} s")
    s.delete("/api/v1/devices/tank-101/write-enable")
    try:
        s.post("/api/v1/devices/tank-101/commands", {"property": "level_setpoint", "value": before, "confirm": True})
        sys.exit("a write after the end of writing was taken")
    except Problem as refused:
        check("read-only again", refused.status, 403)
    acts = [a["act"] for a in s.get("/api/v1/audit?limit=100")["items"]]
    for act in ("device.write_enabled", "device.commanded", "device.write_disabled"):
        check(f"audit has {act}", act in acts, True)

    plant.stop()
    until("bad quality", lambda: latest(s, "pump-101")["flow"]["quality"] < 64)
    until("offline", lambda: state(s, "pump-101") == "offline")
    now = s.query(["pump-101/flow"], 0, 4_000_000_000_000, quality="all")["pump-101/flow"]
    check("the history says so, too", now["quality"][-1] < 64, True)
    print("without the plant: bad, offline")
    plant.start()
    took = until("online again", lambda: state(s, "pump-101") == "online")
    until("good again", lambda: latest(s, "pump-101")["flow"]["quality"] == GOOD)
    print(f"recovered {took:.1f} s after the plant's restart")
    s.stop()
    s.start()
    took = until("after a restart of the platform", lambda: state(s, "pump-101") == "online")
    address = s.get(f"/api/v1/channels/{CHANNEL}")["config"]["address"]
    check("the channel as it was set, not the demo's", address, f"127.0.0.1:{port}")
    print(f"online {took:.1f} s after a restart of the platform")
    s.delete(f"/api/v1/channels/{CHANNEL}")
    until("a removed channel", lambda: state(s, "pump-101") == "offline")


def main():
    port = free_ports(1)[0]
    with Songhua({"demo": "true"}) as s:
        plant = Plant(s, port)
        try:
            run(s, plant, port)
        finally:
            plant.stop()


if __name__ == "__main__":
    main()
