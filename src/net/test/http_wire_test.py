#!/usr/bin/env python3
"""Real peers against net_http_echo: curl, openssl s_client, raw sockets, Python's websockets.

    http_wire_test.py PATH_OF_net_http_echo
"""
import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

CHECKS = 0


def check(ok, what):
    global CHECKS
    CHECKS += 1
    if not ok:
        raise SystemExit(f"FAILED: {what}")


class Server:
    def __init__(self, exe):
        self.dir = tempfile.TemporaryDirectory(prefix="sh-net-")
        self.proc = subprocess.Popen([exe, self.dir.name], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.ports = {}
        for _ in range(3):
            name, port = self.proc.stdout.readline().split()
            self.ports[name] = int(port)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def url(self, name, path="/"):
        scheme = "http" if name == "http" else "https"
        return f"{scheme}://localhost:{self.ports[name]}{path}"

    def stop(self):
        self.proc.stdin.close()
        code = self.proc.wait(timeout=20)
        self.dir.cleanup()
        check(code == 0, f"the server ended with {code} (a sanitizer report makes it fail)")


def curl(*args, code=0):
    p = subprocess.run(["curl", "-sS", "--max-time", "10", "--noproxy", "*", *args],
                       capture_output=True)
    check(p.returncode == code, f"curl {args}: exit {p.returncode}: {p.stderr.decode()}")
    return p.stdout


def connect(srv, name="http"):
    s = socket.create_connection(("127.0.0.1", srv.ports[name]), timeout=10)
    return s


def read_all(s):
    data = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


def test_curl_plain(srv):
    out = curl("-i", srv.url("http"))
    check(b"HTTP/1.1 200 OK" in out and b'"status":"ok"' in out, "small answer")
    # keep-alive: three requests, one connection
    out = curl("-v", "--stderr", "-", srv.url("http"), srv.url("http", "/x"), srv.url("http"))
    check(out.count(b"Re-using existing connection") == 2, "curl keeps the connection")
    body = os.urandom(3 << 20)
    with open(srv.path("body"), "wb") as f:
        f.write(body)
    arg = "@" + srv.path("body")
    check(curl("--data-binary", arg, srv.url("http", "/echo")) == body, "upload by length")
    out = curl("-H", "Transfer-Encoding: chunked", "--data-binary", arg, srv.url("http", "/echo"))
    check(out == body, "chunked upload")
    out = curl("-v", "--stderr", "-", "-H", "Expect: 100-continue", "-d", "x" * 2000,
               srv.url("http", "/echo"))
    check(b"HTTP/1.1 100 Continue" in out, "100-continue")
    out = curl("--compressed", "-i", srv.url("http", "/worker"))
    check(b"Content-Encoding: gzip" in out and b"/worker 999 gone=0" in out, "gzip from a worker")
    out = curl("-0", "-i", srv.url("http"))
    check(b"Connection: close" in out, "HTTP/1.0")
    check(len(curl(srv.url("http", "/big"))) == 8 << 20, "big answer")
    check(curl("-I", srv.url("http", "/big")).count(b"Content-Length: 8388608") == 1, "HEAD")
    out = curl("-N", srv.url("http", "/stream"))
    check(re.findall(rb"data: (\d)", out) == [b"0", b"1", b"2", b"3", b"4"], "event stream")


def test_curl_tls(srv):
    ca = ["--cacert", srv.path("server.pem")]
    for version in (["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3"]):
        check(b"ok" in curl(*ca, *version, srv.url("https")), f"TLS {version}")
        check(len(curl(*ca, *version, srv.url("https", "/big"))) == 8 << 20, "big over TLS")
        body = os.urandom(1 << 20)
        with open(srv.path("body"), "wb") as f:
            f.write(body)
        out = curl(*ca, *version, "--data-binary", "@" + srv.path("body"),
                   srv.url("https", "/echo"))
        check(out == body, "upload over TLS")
    curl(srv.url("https"), code=60)  # unknown authority
    curl(*ca, f"https://127.0.0.1:{srv.ports['http']}/", code=35)  # TLS to a plain port
    me = ["--cert", srv.path("client.pem"), "--key", srv.path("client.key")]
    for version in (["--tls-max", "1.2"], ["--tlsv1.3"]):
        out = curl(*ca, *me, *version, srv.url("mtls", "/whoami"))
        check(out == b"CN=device-7 verified=1 DNS:device-7\n", f"client certificate: {out}")
    p = subprocess.run(["curl", "-sS", "--max-time", "10", *ca, srv.url("mtls")],
                       capture_output=True)
    check(p.returncode in (35, 56), "no client certificate, no connection")
    check(curl(*ca, srv.url("https", "/whoami")) == b"nobody secure=1\n", "whoami without one")


def test_openssl_resumption(srv):
    sess = srv.path("session")
    base = ["openssl", "s_client", "-connect", f"127.0.0.1:{srv.ports['https']}", "-CAfile",
            srv.path("server.pem"), "-ign_eof"]
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for version in ("-tls1_2", "-tls1_3"):
        first = subprocess.run(base + [version, "-sess_out", sess], input=request,
                               capture_output=True, timeout=20).stdout
        check(b"Verify return code: 0 (ok)" in first and b'"ok"' in first, f"s_client {version}")
        again = subprocess.run(base + [version, "-sess_in", sess], input=request,
                               capture_output=True, timeout=20).stdout
        check(b"Reused, TLS" in again and b'"ok"' in again, f"resumed {version}")


def test_reload(srv):
    ctx = ssl.create_default_context(cafile=srv.path("server.pem"))
    live = ctx.wrap_socket(connect(srv, "https"), server_hostname="localhost")
    live.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    check(b"200 OK" in live.recv(4096), "before the reload")
    curl("-X", "POST", srv.url("http", "/reload"))
    live.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    check(b"404" in read_all(live), "the old connection goes on")
    pem = ssl.get_server_certificate(("127.0.0.1", srv.ports["https"]))
    text = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem.encode(),
                          capture_output=True).stdout
    check(b"reloaded.local" in text, "a new connection gets the new certificate")


def test_many_connections(srv):
    socks = [connect(srv) for _ in range(500)]
    for _ in range(3):
        for s in socks:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for s in socks:
            check(b"200 OK" in s.recv(4096), "500 connections, all served")
    stats = json.loads(curl(srv.url("http", "/stats")))
    check(stats["conns"] >= 500, "all kept alive")
    for s in socks:
        s.close()
    # pipelining, and a burst of requests in one segment
    s = connect(srv)
    s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 199 +
              b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    check(read_all(s).count(b"HTTP/1.1 200 OK") == 200, "200 pipelined requests")


def test_bad_clients(srv):
    s = connect(srv)  # slow loris: the head must come within a second here
    s.sendall(b"GET / HTTP/1.1\r\n")
    begin = time.time()
    data = read_all(s)
    check(b"408" in data and time.time() - begin < 5, "slow head gets 408")
    for junk in (b"\x00" * 100, b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\nHost: a\n\n"):
        s = connect(srv)
        s.sendall(junk)
        check(b"400" in read_all(s), "junk gets 400")
    # the refusal arrives although the client is still sending (lingering close)
    s = connect(srv)
    s.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
    try:
        for _ in range(50):
            s.sendall(b"x" * 65536)
    except OSError:
        pass
    check(b"413" in read_all(s), "413 in the middle of an upload")
    # a slow reader: the server holds little, and survives its end
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", srv.ports["http"]))
    s.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.2)
    stats = json.loads(curl(srv.url("http", "/stats")))
    check(stats["queued"] <= 256 * 1024, f"bounded queue: {stats}")
    s.close()
    s = connect(srv)
    s.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
    s.recv(100)
    s.close()
    time.sleep(0.3)
    stats = json.loads(curl(srv.url("http", "/stats")))
    check(stats["conns"] <= 2 and stats["buffered"] < 10000, f"all cleaned up: {stats}")


async def websocket_session(srv):
    import websockets
    url = f"ws://127.0.0.1:{srv.ports['http']}/ws"
    async with websockets.connect(url, subprotocols=["mqtt"], max_size=None) as ws:
        check(ws.subprotocol == "mqtt", "subprotocol")
        for n in (0, 1, 125, 126, 65535, 65536, 1 << 20):
            data = os.urandom(n)
            await ws.send(data)
            got = b""
            while len(got) < n:
                got += await asyncio.wait_for(ws.recv(), 10)
            check(got == data, f"echo of {n} bytes")
        await ws.send([b"ab", b"cd", b"ef"])  # fragments
        got = b""
        while len(got) < 6:
            got += await asyncio.wait_for(ws.recv(), 10)
        check(got == b"abcdef", "fragments")
        await asyncio.wait_for(await ws.ping(b"hello"), 10)
    check(ws.close_code == 1000, "clean close")
    async with websockets.connect(url, subprotocols=["mqtt"]) as ws:
        await ws.send("text")
        try:
            await asyncio.wait_for(ws.recv(), 10)
            check(False, "text on a binary stream")
        except websockets.ConnectionClosed as e:
            check(e.rcvd.code == 1003, "text gets 1003")
    ctx = ssl.create_default_context(cafile=srv.path("server.pem"))
    async with websockets.connect(f"wss://localhost:{srv.ports['https']}/ws", ssl=ctx,
                                  subprotocols=["mqtt"]) as ws:
        await ws.send(b"secure")
        check(await asyncio.wait_for(ws.recv(), 10) == b"secure", "WebSocket over TLS")


def test_websockets(srv):
    try:
        import websockets  # noqa: F401
    except ImportError:
        print("python3-websockets is not installed: those checks are left out")
        return
    asyncio.run(websocket_session(srv))


def test_taken_bodies(srv):
    """Bodies that worker threads take: many at once, over both, in chunks, broken off in the middle."""
    data = os.urandom(5_000_017)
    want = f"{len(data)} {sum(data)} ok".encode()
    path = srv.path("body")
    with open(path, "wb") as f:
        f.write(data)
    jobs = []
    for i in range(12):
        name = "http" if i % 2 else "https"
        more = ["-H", "Transfer-Encoding: chunked"] if i % 3 == 0 else []
        jobs.append(subprocess.Popen(["curl", "-sSk", "--max-time", "60", "--noproxy", "*", *more, "-T", path, "-X", "POST", srv.url(name, "/take")],
                                     stdout=subprocess.PIPE))
    broken = []
    for i in range(8):
        s = connect(srv)
        s.sendall(b"POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + data[: 100_000 * i])
        broken.append(s)
    for s in broken:
        s.close()
    for job in jobs:
        out = job.communicate(timeout=90)[0]
        check(job.returncode == 0 and out == want, f"/take answered {out[:100]!r}, not {want!r}")
    check(curl(srv.url("http", "/take"), "-d", "") == b"0 0 ok", "an empty body")


def main():
    srv = Server(sys.argv[1])
    try:
        test_curl_plain(srv)
        test_curl_tls(srv)
        test_openssl_resumption(srv)
        test_websockets(srv)
        test_many_connections(srv)
        test_bad_clients(srv)
        test_taken_bodies(srv)
        test_reload(srv)
        check(srv.proc.poll() is None, f"the server is gone: {srv.proc.poll()}")
        left = connect(srv)  # open while it stops
    except BaseException:
        srv.proc.kill()
        raise
    srv.stop()
    left.close()
    print(f"{CHECKS} checks passed")


if __name__ == "__main__":
    main()
