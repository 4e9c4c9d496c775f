"""The recordings of TEST_DATA go in at full speed by three roads and come back by query bit for bit: SKAB by MQTT QoS 1 as one
device a run, NAB by line protocol, ETT by CSV upload. Read back once at once and once after kill -9.
SPDX-License-Identifier: Apache-2.0
"""
import calendar
import csv
import glob
import gzip
import json
import os
import struct
import sys
import time

from songhua import PASSWORD, Songhua, number, skip

try:
    import paho.mqtt.client as mqtt
except ImportError:
    mqtt = None

DATA = os.environ.get("TEST_DATA")
WINDOW = 1000  # QoS 1 messages in flight


def utc_s(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def bits(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


class Expected:
    """What was sent: point -> time_us -> bits (the last arrival wins)."""

    def __init__(self):
        self.points = {}
        self.samples = 0

    def add(self, point, time_us, text):
        self.points.setdefault(point, {})[time_us] = bits(float(text))
        self.samples += 1

    def check(self, s, when):
        for point, want in self.points.items():
            got = s.query([point], 0, 2**42 // 1000 * 1000, limit=10000)[point]
            have = {t: bits(number(v)) for t, v in zip(got["time"], got["value"])}
            if len(have) != len(got["time"]):
                sys.exit(f"{when}: {point}: a time came back twice")
            if got["time"] != sorted(got["time"]):
                sys.exit(f"{when}: {point}: not in the order of time")
            if have != want:
                wrong = [t for t in want if have.get(t) != want[t]]
                sys.exit(
                    f"{when}: {point}: {len(want)} samples sent, {len(have)} came back, {len(wrong)} differ, the first at "
                    f"{wrong[0] if wrong else sorted(set(have) - set(want))[0]} us"
                )
            if set(got.get("quality", [192])) != {192}:
                sys.exit(f"{when}: {point}: a sample is not good")


def skab(s, expected):
    if mqtt is None:
        skip("python3-paho-mqtt is not there")
    client = mqtt.Client(client_id="recordings", protocol=mqtt.MQTTv311)
    client.username_pw_set("admin", PASSWORD)
    client.max_inflight_messages_set(WINDOW)
    client.max_queued_messages_set(0)
    result = []
    client.on_connect = lambda c, u, f, rc: result.append(rc)
    client.connect("127.0.0.1", s.mqtt)
    client.loop_start()
    last = None
    count = 0
    for path in sorted(glob.glob(os.path.join(DATA, "skab", "*", "*.csv"))):
        run = os.path.basename(os.path.dirname(path)), os.path.splitext(os.path.basename(path))[0]
        device = "skab-" + (run[0] if run[0] == run[1] else "-".join(run))
        with open(path, newline="", encoding="utf-8") as f:
            rows = csv.reader(f, delimiter=";")
            names = next(rows)[1:]
            for row in rows:
                ms = utc_s(row[0]) * 1000
                body = ",".join(f"{json.dumps(n)}:{v}" for n, v in zip(names, row[1:]))
                last = client.publish(f"sh/v1/{device}/telemetry", f'{{"ts":{ms},"values":{{{body}}}}}', qos=1)
                count += 1
                for name, value in zip(names, row[1:]):
                    expected.add(f"{device}/{name}", ms * 1000, value)
    last.wait_for_publish(120)
    deadline = time.monotonic() + 60
    while client._out_messages and time.monotonic() < deadline:  # every PUBACK is in
        time.sleep(0.01)
    left = len(client._out_messages)
    client.disconnect()
    client.loop_stop()
    if result != [0] or left:
        sys.exit(f"MQTT: connection answers {result}, {left} of {count} messages not acknowledged")


def nab(s, expected):
    for i, path in enumerate(sorted(glob.glob(os.path.join(DATA, "nab", "*.csv")))):
        kind = os.path.splitext(os.path.basename(path))[0]
        lines = []
        with open(path, newline="", encoding="utf-8") as f:
            for row in csv.DictReader(f):
                t = utc_s(row["timestamp"])
                lines.append(f"nab,kind={kind} value={row['value']} {t}000000000")
                expected.add(f"nab.{kind}/value", t * 1000000, row["value"])
        text = "\n".join(lines).encode()
        for part in [text] if i == 0 else [b"\n".join(text.split(b"\n")[k::3]) for k in range(3)]:
            if i == 0:
                s.write_lines(gzip.compress(part), headers={"Content-Encoding": "gzip"})
            else:
                s.write_lines(part)


def ett(s, expected):
    path = os.path.join(DATA, "ett", "ETTh1.csv")
    with open(path, newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            t = utc_s(row.pop("date")) * 1000000
            for name, value in row.items():
                expected.add(f"etth1/{name}", t, value)
    with open(path, "rb") as f:
        answer = s.post("/api/v1/ingest?device=etth1&time_column=date&tz=UTC", f.read(), "text/csv")
    if answer.get("rejected"):
        sys.exit(f"CSV: {answer['rejected'][:3]}")


def main():
    if not DATA:
        skip("TEST_DATA is not set (the folder of recordings)")
    everything = []
    with Songhua() as s:
        total = 0
        for name, send in (("SKAB by MQTT QoS 1", skab), ("NAB by line protocol", nab), ("ETT by CSV", ett)):
            expected = Expected()
            cpu, begin = s.cpu_s(), time.monotonic()
            send(s, expected)
            took, cpu = time.monotonic() - begin, s.cpu_s() - cpu
            total += expected.samples
            expected.check(s, "at once")
            everything.append(expected)
            print(
                f"{name}: {expected.samples} samples in {len(expected.points)} points, {took:.2f} s with the sender, "
                f"{cpu:.2f} s of the server's CPU",
                flush=True,
            )
        s.stop(kill=True)
        s.start()
        print(f"ready again {s.start_s:.2f} s after kill -9")
        for expected in everything:
            expected.check(s, "after kill -9")
        s.stop()
        history, journal = s.disk_bytes("history"), s.disk_bytes("journal")
        print(f"{total} samples, history {history} bytes: {history / total:.2f} bytes a sample (journal {journal} bytes)")


if __name__ == "__main__":
    main()
