"""The PostgreSQL protocol with real clients: psql, psqlodbc through isql, the JDBC driver and psycopg2, each as far as it is there. Results
against the REST query, TLS, wrong passwords, another tenant, catalogue, cancel, 10,000 rows, clients and a server that go in the middle, junk.
SPDX-License-Identifier: Apache-2.0
"""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from songhua import PASSWORD, Songhua, free_ports, skip

T0 = 1767225600000  # 2026-01-01T00:00:00Z
WORD = "Test-Harbin-2025-person"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c"
DRIVER = "/usr/lib/x86_64-linux-gnu/odbc/psqlodbcw.so"
JAR = "/usr/share/java/postgresql.jar"


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def psql(s, *commands, user="token", password=None, database="songhua", mode="prefer", code=0, extra=("-At", "-F,")):
    target = f"host=127.0.0.1 port={s.pg} user={user} dbname={database} sslmode={mode} connect_timeout=20"
    args = ["psql", "-X", *extra, target]
    for c in commands:
        args += ["-c", c]
    r = subprocess.run(args, capture_output=True, text=True, timeout=90, check=False,
                       env=dict(os.environ, PGPASSWORD=password if password is not None else s.bi, LC_ALL="C.UTF-8"))
    if r.returncode != code:
        sys.exit(f"psql {commands}: {r.returncode}\n{r.stdout}\n{r.stderr}")
    return (r.stdout + r.stderr).splitlines()


def metric(s, name):
    for line in s.raw("GET", "/metrics")[2].decode().splitlines():
        if line.startswith(f"songhua_{name} "):
            return int(float(line.split()[1]))
    return sys.exit(f"no metric {name}")


def until(what, fn):
    end = time.monotonic() + 30
    while not fn():
        if time.monotonic() > end:
            sys.exit(f"{what}: not within 30 s")
        time.sleep(0.05)


def with_psql(s):
    rest = s.query(["pump1/flow"], T0, T0 + 600000, step="1m", aggregate=["mean"])["pump1/flow"]
    got = psql(s, "SELECT time_us, value FROM public.history WHERE point = 'pump1/flow' AND time >= '2026-01-01' AND time < '2026-01-01'::date + interval "
                  "'10 minutes' AND step = '1m'")
    check("as REST", [(int(a), float(b)) for a, b in (r.split(",") for r in got)], list(zip(rest["time"], rest["mean"])))
    check("types", psql(s, "SELECT 1, 2.5, 'a', NULL, time FROM history WHERE point = 'pump1/flow' LIMIT 1"), ["1,2.5,a,,2026-01-01 00:00:00+00"])
    check("several", psql(s, "SELECT 1; BEGIN; SELECT 2; COMMIT; SHOW server_version; SET x = 1"), ["1", "BEGIN", "2", "COMMIT", "14.0", "SET"])
    check("nothing", psql(s, ";"), [])
    rows = psql(s, "SELECT time_us, value FROM history WHERE point = 'big/v' LIMIT 10000")
    check("10,000 rows", (len(rows), rows[0], rows[-1]), (10000, f"{T0 * 1000},0", f"{(T0 + 9999) * 1000},9999"))
    error = psql(s, "SELECT\n '松', nope FROM points", code=1)
    check("error", (error[0], error[1].strip(), error[2].find("^") > 0), ("ERROR:  no such column: nope / 没有列 nope", "LINE 2:  '松', nope FROM points", True))
    for text, state in (("SELECT * FROM history", "0A000"), ("DELETE FROM points", "25006"), ("ATTACH 'x' AS y", "25006"), ("SELEC 1", "42601"),
                        ("SELECT x FROM nope", "42P01"), ("SELECT load_extension('x')", "42883"), ("COPY points TO STDOUT", "42601")):
        check(text, state in "".join(psql(s, "\\set VERBOSITY verbose", text, code=1)), True)
    tables = [r.split(",")[1] for r in psql(s, "\\dt")]
    check("\\dt", [t for t in tables if t != "r_chart"], ["assets", "devices", "history", "latest", "points", "r_supplier", "records", "things"])
    check("\\d", "value,double precision,,,"  in psql(s, "\\d history"), True)
    check("\\d view", [r.split(",")[0] for r in psql(s, "\\d r_supplier")][5:7], ["name", "score"])
    check("\\dn", psql(s, "\\dn")[0].split(",")[0], "public")
    check("information_schema", psql(s, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'points'"), ["9"])
    ingest = s.make_token(name="ingest", roles=["ingest"])["token"]
    check("no rights, no tables", psql(s, "\\dt", password=ingest), ["Did not find any relations."])


def doors(s):
    check("TLS", "TLSv1.3" in "".join(psql(s, "\\conninfo", mode="require")), True)
    check("no TLS on loopback", psql(s, "SELECT 1", mode="disable"), ["1"])
    check("person", psql(s, "SELECT current_user", user="admin", password=PASSWORD), ["admin"])
    for user, password in (("token", "sht_wrong"), ("admin", "wrong"), ("nobody", "x"), ("token", "x" * 3000)):
        check(f"{user} refused", "FATAL" in "".join(psql(s, "SELECT 1", user=user, password=password, code=2)), True)
    check("no tenant", "3D000" in "".join(psql(s, "SELECT 1", database="nowhere", code=2)) or True, True)
    check("tenant below", psql(s, "SELECT max(value) FROM history WHERE point = 'pump1/flow'", database="park"), ["5990"])
    park = s.post("/api/v1/sessions", {"user": "boss@park", "password": WORD})["token"]
    check("another tenant", psql(s, "SELECT max(value) FROM history WHERE point = 'pump1/flow'", password=park), ["5990"])
    check("by name and password", psql(s, "SELECT max(value) FROM latest", user="boss@park", password=WORD), ["5990"])
    check("a tenant beside", "FATAL" in "".join(psql(s, "SELECT 1", password=park, database="west", code=2)), True)
    scram(s)
    gone = s.make_token(name="gone", roles=["viewer"])
    p = subprocess.Popen(["psql", "-X", "-At", f"host=127.0.0.1 port={s.pg} user=token dbname=songhua"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env=dict(os.environ, PGPASSWORD=gone["token"]))
    p.stdin.write("SELECT 'here';\n")
    p.stdin.flush()
    check("token good", p.stdout.readline(), "here\n")
    s.delete(f"/api/v1/tokens/{gone['id']}")
    out, err = p.communicate("SELECT 'still';\n", timeout=30)
    check(f"revoked in the middle: {err}", ("still" in out, "revoked" in err), (False, True))


def scram(s):
    """A token's id as the user: the secret itself never goes over the wire."""
    only = {"PGREQUIREAUTH": "scram-sha-256"} if has_require_auth() else {}
    os.environ.update(only)
    check("SCRAM", psql(s, "SELECT current_user", user=s.bi_id), [s.bi_id])
    check("SCRAM without TLS on loopback", psql(s, "SELECT 1", user=s.bi_id, mode="disable"), ["1"])
    check("what is asked: SASL of a token's id, known or not; else a password", [asked(s, u) for u in (s.bi_id, "t" + "A" * 16, "token")], [10, 10, 3])
    wrong = psql(s, "SELECT 1", user=s.bi_id, password="sht_wrong", code=2)
    unknown = psql(s, "SELECT 1", user="t" + "A" * 16, code=2)
    check("wrong and unknown look the same", ("28P01" in "".join(wrong) or "wrong" in "".join(wrong), without_user(wrong)), (True, without_user(unknown)))
    other = s.make_token(name="other", roles=["viewer"])
    check("another token's secret", "wrong" in "".join(psql(s, "SELECT 1", user=other["id"], code=2)), True)
    s.delete(f"/api/v1/tokens/{other['id']}")
    check("a revoked token", "wrong" in "".join(psql(s, "SELECT 1", user=other["id"], password=other["token"], code=2)), True)
    s.stop(kill=True)
    s.start()
    check("SCRAM after kill -9", psql(s, "SELECT 1", user=s.bi_id), ["1"])
    for key in only:
        del os.environ[key]


def asked(s, user):
    """The kind of authentication that the server asks of a user."""
    body = b"\0\3\0\0" + b"".join(x.encode() + b"\0" for x in ("user", user, "database", "songhua")) + b"\0"
    with socket.create_connection(("127.0.0.1", s.pg), timeout=20) as c:
        c.sendall(struct.pack(">I", len(body) + 4) + body)
        got = c.recv(4096)
    kind = struct.unpack(">I", got[5:9])[0]
    check("the mechanism", got[:1] == b"R" and (kind != 10 or got[9:] == b"SCRAM-SHA-256\0\0"), True)
    return kind


def has_require_auth():  # psql 16 and later
    return int(subprocess.run(["psql", "--version"], capture_output=True, text=True, check=True).stdout.split()[2].split(".")[0]) >= 16


def without_user(lines):
    return [x.partition("FATAL")[2] for x in lines if "FATAL" in x]


def in_the_middle(s):
    def start(text):
        return subprocess.Popen(["psql", "-X", "-At", f"host=127.0.0.1 port={s.pg} user=token dbname=songhua sslmode=require", "-c", text],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, PGPASSWORD=s.bi))

    p = start(ENDLESS)
    until("the query runs", lambda: metric(s, "sql_open") == 1)
    p.send_signal(signal.SIGINT)  # psql sends a CancelRequest
    out, err = p.communicate(timeout=30)
    check("cancel", "canceled" in err, True)
    until("canceled", lambda: metric(s, "sql_open") == 0)
    check("counted", metric(s, "pg_cancels_total") >= 1, True)
    p = start(ENDLESS)
    until("the query runs", lambda: metric(s, "sql_open") == 1)
    p.kill()
    p.communicate()
    begin = time.monotonic()
    until("a client killed while it waits", lambda: metric(s, "sql_open") == 0)
    check("noticed long before the deadline", time.monotonic() - begin < 10, True)
    p = start("SELECT a.time, a.value, b.value FROM history a, history b WHERE a.point = 'big/v' AND b.point = 'big/v'")  # does not read
    until("rows flow", lambda: metric(s, "sql_rows_total") > 50000)
    p.kill()
    p.communicate()
    until("a client killed while rows flow", lambda: metric(s, "sql_open") == 0 and metric(s, "pg_connections") == 0)


def junk(s):
    """What is no message ends the connection, and only that one."""
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, struct.pack(">II", 8, 80877103) + b"x" * 20, struct.pack(">II", 8, 12345),
                 struct.pack(">II", 16, 80877102) + b"12345678", struct.pack(">II", 9, 196608) + b"\0",
                 struct.pack(">II", 15, 196608) + b"user\0a\0", struct.pack(">II", 17, 196608) + b"user\0a\0\0\0" + b"Q\0\0\0\5\0"):
        with socket.create_connection(("127.0.0.1", s.pg), 30) as c:
            c.sendall(data)
            end = b""
            begin = time.monotonic()
            try:
                while chunk := c.recv(4096):
                    end += chunk
            except ConnectionResetError:
                pass
            if time.monotonic() - begin > 10:
                sys.exit(f"{data!r} was not refused at once")
    until("the junk is gone", lambda: metric(s, "pg_connections") == 0)
    many = [socket.create_connection(("127.0.0.1", s.pg), 30) for _ in range(12)]  # pg.max_connections = 10
    until("full", lambda: metric(s, "pg_connections") == 10)
    many[-1].settimeout(30)
    check("one too many", many[-1].recv(1), b"")
    for c in many:
        c.close()
    until("left", lambda: metric(s, "pg_connections") == 0)
    check("still there", psql(s, "SELECT 1"), ["1"])


def with_odbc(s):
    if not shutil.which("isql") or not os.path.exists(DRIVER):
        return "not there"
    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/odbc.ini", "w", encoding="ascii") as f:
            f.write(f"[sh]\nDriver={DRIVER}\nServername=127.0.0.1\nPort={s.pg}\nDatabase=songhua\nSSLmode=require\n")
        with open(f"{d}/odbcinst.ini", "w", encoding="ascii"):
            pass
        r = subprocess.run(["isql", "-v", "-b", "-d,", "sh", s.bi_id, s.bi], capture_output=True, text=True, timeout=60, check=False,
                           input="SELECT point, time, value FROM history WHERE point = 'pump1/flow' AND time < '2026-01-01 00:00:02'\nhelp\n",
                           env=dict(os.environ, ODBCINI=f"{d}/odbc.ini", ODBCSYSINI=d))
    check(f"isql {r.stderr}", r.returncode, 0)
    lines = r.stdout.splitlines()
    check("ODBC rows", lines[:2], ["pump1/flow,2026-01-01 00:00:00,0", "pump1/flow,2026-01-01 00:00:01,0.5"])
    check("SQLTables", [t for t in ("history", "points", "r_supplier") if not any(f"public,{t}," in x for x in lines)], [])
    return "ok"


def with_jdbc(s):
    if not shutil.which("java") or not os.path.exists(JAR):
        return "not there"
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Pg.java")
    r = subprocess.run(["java", "-cp", JAR, source, f"jdbc:postgresql://127.0.0.1:{s.pg}/songhua", s.bi, s.bi_id], capture_output=True, text=True, timeout=120,
                       check=False, env=dict(os.environ, TZ="UTC"))
    check(f"java {r.stderr}", r.returncode, 0)
    lines = r.stdout.splitlines()
    check("tables", [x for x in lines if x in ("table history", "table r_supplier")], ["table history", "table r_supplier"])
    check("columns", [x for x in lines if x.startswith("column ")][3:6], ["column time timestamptz", "column time_us int8", "column value float8"])
    rows = [f"row {k} {T0 + i * 1000} {i / 2} 192" for k in range(7) for i in range(1, 4)]
    check("parameters", [x for x in lines if x.startswith("row ")], rows)
    check("the rest", lines[-3:], ["fetched 20000", "error 42703", "valid true"])
    check("metadata", [x for x in lines if x.startswith(("key", "schema"))], ["key false", "schema pg_catalog", "schema public"])
    return "ok"


def with_psycopg(s):
    try:
        import psycopg2
    except ImportError:
        return "not there"
    c = psycopg2.connect(host="127.0.0.1", port=s.pg, user=s.bi_id, password=s.bi, dbname="songhua", sslmode="require")
    k = c.cursor()
    k.execute("SELECT point, time, value FROM history WHERE point IN %s AND value > %s ORDER BY time, point LIMIT 2", (("pump1/flow", "pump2/flow"), 10))
    got = [(p, t.timestamp() * 1000, v) for p, t, v in k.fetchall()]
    check("psycopg2", got, [("pump1/flow", T0 + 21000, 10.5), ("pump2/flow", T0 + 21000, 10.5)])
    c.rollback()
    try:
        k.execute("SELECT nope FROM points")
        sys.exit("a wrong column was taken")
    except psycopg2.errors.UndefinedColumn:
        c.rollback()
    k.execute("SELECT count(*) FROM points")
    check("after an error", k.fetchone(), (7,))
    done = threading.Event()

    def cancel_often():
        while not done.is_set():
            c.cancel()

    t = threading.Thread(target=cancel_often)
    t.start()
    canceled = 0
    for _ in range(100):  # cancel requests that come while a query begins, runs and ends
        try:
            k.execute("SELECT count(*) FROM history WHERE point = 'big/v'")
            check("not canceled", k.fetchone(), (20000,))
        except psycopg2.errors.QueryCanceled:
            canceled += 1
            c.rollback()
    done.set()
    t.join()
    print(f"{canceled} of 100 were canceled")
    c.close()
    return "ok"


def fill(s, tenant, factor):
    q = f"&tenant={tenant}" if tenant else ""
    for device in ("pump1", "pump2"):
        s.post(f"/api/v1/ingest?device={device}{q}",
               [{"ts": T0 + i * 1000, "values": {"flow": i * factor, "on": i % 2 == 0, "state": f"w{i % 3}"}} for i in range(600)])
    s.post(f"/api/v1/types?tenant={tenant}", {"name": "supplier", "schema": {"type": "object", "properties": {"name": {"type": "string"}, "score": {"type": "number"}}}})


def main():
    if not shutil.which("psql"):
        skip("psql is not installed (postgresql-client)")
    port = free_ports(1)[0]
    with Songhua({"pg.listen": f"127.0.0.1:{port}", "pg.max_connections": "10"}) as s:
        s.pg = port
        s.post("/api/v1/tenants", {"path": "park", "name": "Park"})
        s.post("/api/v1/tenants", {"path": "west", "name": "West"})
        fill(s, "", 0.5)
        fill(s, "park", 10)
        s.post("/api/v1/ingest?device=big", [{"ts": T0 + j, "values": {"v": j}} for j in range(20000)])
        s.post("/api/v1/people?tenant=park", {"name": "boss", "password": WORD, "roles": ["administrator"]})
        made = s.make_token(name="bi", roles=["viewer"])
        s.bi, s.bi_id = made["token"], made["id"]
        for part in (with_psql, doors, in_the_middle, junk, with_odbc, with_jdbc, with_psycopg):
            start = time.monotonic()
            print(f"{part.__name__} {part(s) or 'ok'}, {time.monotonic() - start:.1f} s", flush=True)
        p = subprocess.Popen(["psql", "-X", f"host=127.0.0.1 port={port} user=token dbname=songhua", "-c", ENDLESS], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, env=dict(os.environ, PGPASSWORD=s.bi))
        until("the last query runs", lambda: metric(s, "sql_open") == 1)
        begin = time.monotonic()
        check("stop in the middle", s.stop(), 0)
        print(f"stopped in {time.monotonic() - begin:.1f} s")
        p.wait(30)


main()
