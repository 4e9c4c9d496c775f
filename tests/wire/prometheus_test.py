"""A real Prometheus that scrapes Songhua's own metrics and writes them back to Songhua by remote write: the same queries to both have
the same answers, to the bit. promtool asks us too. Prometheus is started here with its own folder and port and ended by its process id;
no system service is used.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from songhua import Songhua, free_ports, skip

CONFIG = """
global:
  scrape_interval: 500ms
  scrape_timeout: 400ms
scrape_configs:
  - job_name: songhua
    authorization: {{credentials: "{scraper}"}}
    static_configs: [{{targets: ["127.0.0.1:{http}"]}}]
  - job_name: self
    static_configs: [{{targets: ["127.0.0.1:{own}"]}}]
  - job_name: nobody
    static_configs: [{{targets: ["127.0.0.1:9"]}}]
remote_write:
  - url: http://127.0.0.1:{http}/api/v1/prom/write
    authorization: {{credentials: "{token}"}}
    queue_config: {{batch_send_deadline: 100ms, max_shards: 1}}
    metadata_config: {{send: true}}
"""

INSTANT = [
    "songhua_samples_total",
    "up",
    'up{job="songhua"} == 1',
    "rate(songhua_http_requests_total[4s])",
    "irate(songhua_http_requests_total[4s])",
    "increase(songhua_samples_total[3s])",
    "delta(songhua_journal_queue_bytes[3s])",
    "sum by (job) (up)",
    "sum(rate(prometheus_http_requests_total[4s]))",
    'sum by (handler) (rate(prometheus_http_requests_total{code="200"}[4s]))',
    "avg without (instance, code) (prometheus_http_requests_total)",
    "avg_over_time(songhua_history_samples[4s])",
    "stddev_over_time(songhua_history_samples[4s])",
    "quantile_over_time(0.7, songhua_samples_total[4s])",
    "max_over_time(songhua_history_samples[2s]) - min_over_time(songhua_history_samples[2s])",
    "count_over_time(up[3s])",
    "last_over_time(songhua_samples_total[3s])",
    "count({job=~\"song.*|self\",__name__!~\"go_.*\"})",
    "topk(1, songhua_points)",
    "absent(no_such_metric{job=\"x\"})",
    "absent(up)",
    "songhua_samples_total / on (job, instance) songhua_journal_records_total",
    "songhua_samples_total > bool 5",
    "-songhua_points + 2 ^ 3 ^ 0.5 % 7",
    "quantile(0.3, prometheus_http_requests_total)",
    "stddev(prometheus_http_requests_total)",
    "max(songhua_points offset 1s) - scalar(songhua_points offset 1s)",
    "clamp_max(ceil(songhua_history_samples / 7), 1e9)",
    "round(songhua_history_samples / 7, 0.25)",
    "vector(time())",
    "histogram_quantile(0.9, sum by (le, handler) (rate(prometheus_http_request_duration_seconds_bucket[4s])))",
    "1 + 2 * 3 - 4 / 5",
    "songhua_samples_total[3s]",
]
RANGE = [
    "songhua_samples_total",
    "rate(songhua_http_requests_total[4s])",
    "sum by (job) (up)",
    "avg_over_time(songhua_history_samples[2s])",
    "scrape_samples_scraped",
    "sum(rate(prometheus_http_requests_total[3s])) by (handler) > 0",
    "songhua_samples_total and up",
]


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {json.dumps(have)[:3000]}\n want {json.dumps(want)[:3000]}")


def number(text):
    return repr(float(text))


def plain(data):
    """Order and spelling of numbers do not matter."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return kind, [result[0], number(result[1])]
    rows = []
    for s in result:
        values = s["values"] if "values" in s else [s["value"]]
        rows.append((sorted(s["metric"].items()), [(round(t * 1000), number(v)) for t, v in values]))
    return kind, sorted(rows)


class Prometheus:
    def __init__(self, s, token, scraper):
        self.folder = tempfile.mkdtemp(prefix="songhua-prometheus-")
        self.port = free_ports(1)[0]
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(token=token, scraper=scraper, http=s.http, own=self.port))
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(
            [
                "prometheus",
                "--config.file=" + config,
                "--storage.tsdb.path=" + os.path.join(self.folder, "data"),
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def log_text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def get(self, path, **arguments):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            return json.load(e)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def ours(s, path, form=False, **arguments):
    text = urllib.parse.urlencode(arguments)
    if form:
        status, _, data = s.raw("POST", "/api/v1/prom/api/v1/" + path, text, {"Content-Type": "application/x-www-form-urlencoded"})
    else:
        status, _, data = s.raw("GET", "/api/v1/prom/api/v1/" + path + "?" + text)
    answer = json.loads(data)
    if status == 200 and "data" not in answer or "status" not in answer:
        sys.exit(f"{path} {text}: {answer}")
    answer["http"] = status
    return answer


def wait_for(s, p):
    """Until both have a dozen scrapes, and ours holds all that Prometheus has up to some moment; answers that moment."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.5)
        try:
            want = p.get("query", query="count_over_time(songhua_samples_total[1m])")["data"]["result"]
        except OSError:
            continue
        if want and int(want[0]["value"][1]) >= 14:
            break
    else:
        sys.exit("Prometheus did not scrape:\n" + p.log_text()[-3000:])
    moment = round(time.time() - 2, 3)
    while time.monotonic() < end:
        # remote write keeps the order: a sample behind the moment means that all before it came
        answer = ours(s, "query", query="count_over_time(up[1s] offset -1s)", time=moment + 0.5)
        check("waiting", answer.get("error"), None)
        if len(answer["data"]["result"]) == 3:
            return moment
        time.sleep(0.2)
    return sys.exit("our samples stayed behind:\n" + p.log_text()[-3000:])


def compare(s, p, moment):
    for query in INSTANT:
        want = p.get("query", query=query, time=moment)
        have = ours(s, "query", query=query, time=moment)
        check(query + " status", (have["http"], have["status"], have.get("error")), (200, "success", None))
        check(query, plain(have["data"]), plain(want["data"]))
    same = 0
    for query in RANGE:
        arguments = {"query": query, "start": moment - 5, "end": moment, "step": "0.7"}
        want = p.get("query_range", **arguments)
        have = ours(s, "query_range", form=True, **arguments)
        if " and " in query:
            check(query, (have["http"], have["errorType"]), (400, "bad_data"))
            check("place", have["error"].startswith("1:23: parse error: the operator and is not"), True)
            continue
        check(query, plain(have["data"]), plain(want["data"]))
        same += len(want["data"]["result"])
    check("series were compared", same > 10, True)
    # labels, values, series
    span = {"start": moment - 10, "end": moment + 10}
    check("labels", ours(s, "labels", **span)["data"], p.get("labels", **span)["data"])
    check("values", ours(s, "label/job/values", **span)["data"], p.get("label/job/values", **span)["data"])
    match = {"match[]": '{__name__=~"up|songhua_points"}', **span}
    key = lambda labels: sorted(labels.items())  # noqa: E731
    check("series", sorted(map(key, ours(s, "series", **match)["data"])), sorted(map(key, p.get("series", **match)["data"])))
    names = ours(s, "label/__name__/values", **match)["data"]
    check("names", names, ["songhua_points", "up"])


def stale(s, p, scraper):
    """A target that cannot be scraped any more: its series end at once in both (stale markers)."""
    s.delete("/api/v1/tokens/" + scraper["id"])
    end = time.monotonic() + 30
    while time.monotonic() < end:
        time.sleep(0.3)
        have = ours(s, "query", query="songhua_points")["data"]["result"]
        if have == p.get("query", query="songhua_points")["data"]["result"] == []:
            check("up", ours(s, "query", query='up{job="songhua"}')["data"]["result"][0]["value"][1], "0")
            return
    sys.exit("the series of a target that cannot be scraped did not end in both")


def promtool(s, token, moment):
    """It knows Basic alone: the token is the name, the password is empty."""
    server = f"http://{token}:@127.0.0.1:{s.http}/api/v1/prom"
    for command in (
        ["instant", server, "sum by (job) (up)"],
        ["range", f"--start={moment - 5:.0f}", f"--end={moment:.0f}", "--step=1s", server, "up"],
        ["series", "--match=up", server],
        ["labels", server, "job"],
    ):
        done = subprocess.run(["promtool", "query", *command], capture_output=True, text=True, timeout=30, check=False)
        check("promtool " + command[0], (done.returncode, done.stderr), (0, ""))
        check("promtool " + command[0] + " said", "songhua" in done.stdout, True)


def main():
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        skip("prometheus is not installed")
    with Songhua() as s:
        token = s.make_token(name="writer", permissions=["ingest.write", "ingest.provision", "history.read"])["token"]
        scraper = s.make_token(name="scraper", permissions=["metrics.read"])
        p = Prometheus(s, token, scraper["token"])
        try:
            moment = wait_for(s, p)
            compare(s, p, moment)
            promtool(s, token, moment)
            stale(s, p, scraper)
        finally:
            p.close()
    print("ok")


if __name__ == "__main__":
    main()
