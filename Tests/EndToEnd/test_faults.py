"""The N-th call of the system or of a library fails, for N = 1, 2, 3 … until none does; and clients that come in masses,
dawdle, or break off.

Afterwards every client has whole answers or a closed connection, others are served, and nothing is left behind."""

import errno
import gzip
import http.client as http_client
import json
import mmap
import os
import pathlib
import resource
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from fault_server import completion, http
from test_tls import authority, configuration, identity  # noqa: F401  fixtures

CALLS = ["none", "recv", "send", "accept", "wait", "add", "read", "write", "tls", "deflate", "inflate", "socket", "connect"]
BODY = json.dumps({"messages": [{"role": "user", "content": "hi"}]})
POST = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
GET = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def preloaded(name, folder):
    library = folder / f"{name}.so"
    source = pathlib.Path(__file__).parent / "preload" / f"{name}.c"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


class Orders:
    """What preload/faults.c is told and tells."""

    def __init__(self, file):
        self.page = mmap.mmap(file.fileno(), 4096)

    def arm(self, call, nth, error):
        self.page[4:16] = struct.pack("iii", nth, error, 0)
        self.page[0:4] = struct.pack("i", CALLS.index(call))

    def disarm(self):
        """How many calls have failed."""
        self.page[0:4] = struct.pack("i", 0)
        return struct.unpack("i", self.page[12:16])[0]


@pytest.fixture
def broken(start, tmp_path, request):
    def broken(config=""):
        file = open(tmp_path / "orders", "w+b")
        file.truncate(4096)
        request.addfinalizer(file.close)
        environment = {"LD_PRELOAD": preloaded("faults", tmp_path), "FAULT_FILE": str(tmp_path / "orders")}
        server = start(config, environment=environment)
        return server, Orders(file)
    return broken


def answers(received):
    """The statuses of whole answers, and whether half of one stands behind them."""
    statuses = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            return statuses, True
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(rest) < length:
            return statuses, True
        statuses.append(int(head.split()[1]))
        received = rest[length:]
    return statuses, False


def converse(connect):
    """Two requests at once, one in pieces, a last one; what came back before the connection ended."""
    received = b""
    try:
        with connect() as client:
            client.sendall((GET + POST + BODY).encode())
            client.sendall(POST.encode())
            client.sendall(BODY.encode())
            client.sendall(LAST.encode())
            while more := client.recv(65536):
                received += more
    except OSError:
        pass
    return answers(received)


FAULTS = [("recv", errno.ECONNRESET), ("recv", errno.EINTR), ("recv", errno.ENOMEM), ("send", errno.EPIPE), ("send", errno.ECONNRESET),
          ("send", errno.EINTR), ("send", errno.ENOBUFS), ("send", 0), ("accept", errno.EMFILE), ("accept", errno.ENFILE),
          ("accept", errno.ECONNABORTED), ("accept", errno.EINTR), ("accept", errno.ENOMEM), ("wait", errno.EINTR), ("add", errno.ENOMEM),
          ("add", errno.ENOSPC)]


@pytest.mark.parametrize("call,error", FAULTS, ids=[f"{call}-{errno.errorcode.get(error, 'short')}" for call, error in FAULTS])
def test_the_nth_call_fails(broken, call, error):
    server, orders = broken("limits: { loops: 1 }")
    connect = lambda: socket.create_connection(("127.0.0.1", server.port), timeout=20)
    fails_over_and_over(server, orders, connect, call, error)


CALLED = [("socket", errno.EMFILE), ("socket", errno.ENOBUFS), ("connect", errno.ECONNREFUSED), ("connect", errno.ENETUNREACH),
          ("connect", errno.EADDRNOTAVAIL), ("add", errno.ENOSPC), ("send", errno.EPIPE), ("send", errno.EINTR), ("send", 0),
          ("recv", errno.ECONNRESET), ("recv", errno.EINTR), ("recv", errno.ENOMEM)]


@pytest.mark.parametrize("call,error", CALLED, ids=[f"{call}-{errno.errorcode.get(error, 'short')}" for call, error in CALLED])
def test_the_nth_call_to_a_model_server_or_an_upstream_fails(broken, faults, call, error):
    """What is asked of the system for calls to others fails: then nothing is judged, and nobody is told that it was."""
    server, orders = broken(f"""
limits: {{ loops: 1 }}
default_judge: guard
cache: {{ bytes: 0 }}
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }}, own: {{ kind: embedded, stages: one }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: tiny, breaker: {{ failures: 1000 }} }} }}
upstreams: {{ u: {{ url: '{faults.url}', judge: own, breaker: {{ failures: 1000 }} }} }}
""")
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    answer = http(json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}]}))
    faults.answer = lambda request: answer if request["path"].endswith("/chat/completions") else completion("safe")

    def asked(path, body):
        connection = http_client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http_client.HTTPException):
            return None, None
        finally:
            connection.close()

    nth, failed = 0, 1
    while failed:
        nth += 1
        # From the first on: over a connection that is kept, and over a new one.
        if nth % 2:
            faults.hang_up()
        orders.arm(call, nth, error)
        judged, chatted = asked("/v1/classify", {"messages": chat["messages"]}), asked("/v1/chat/completions", chat)
        failed = orders.disarm()
        if judged[0] is not None:
            assert judged[0] == 200 and judged[1]["verdict"] in ("safe", "not_judged")
            assert judged[1]["verdict"] == "safe" or "backend_" in str(judged[1]["coverage"]["not_judged"])
        assert chatted[0] in (None, 200, 502)
        assert nth < 60
    assert nth > 1
    assert asked("/v1/classify", {"messages": chat["messages"]})[1]["verdict"] == "safe"
    assert asked("/v1/chat/completions", chat)[0] == 200


@pytest.mark.parametrize("call,error", [("read", errno.ECONNRESET), ("read", errno.EINTR), ("write", errno.EPIPE), ("write", 0),
                                        ("write", errno.EINTR), ("read", 0), ("tls", errno.ENOMEM)])
def test_the_nth_call_of_tls_fails(broken, authority, identity, call, error):  # noqa: F811
    server, orders = broken(configuration(identity, rest="limits: { loops: 1 }"))
    context = ssl.create_default_context(cafile=str(authority.file))
    def connect():
        return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=20), server_hostname="localhost")
    fails_over_and_over(server, orders, connect, call, error)


def fails_over_and_over(server, orders, connect, call, error):
    # A call that was merely interrupted, or moved only one byte, costs nobody anything.
    is_harmless = error in (0, errno.EINTR) or call == "accept"
    for nth in range(1, 200):
        orders.arm(call, nth, error)
        statuses, is_cut = converse(connect)
        failed = orders.disarm()
        assert set(statuses) <= {200} and len(statuses) <= 4, (nth, statuses)
        if is_harmless or not failed:
            assert (statuses, is_cut) == ([200] * 4, False), (nth, statuses)
        assert converse(connect) == ([200] * 4, False), f"after call {nth} failed, others are served no more"
        if not failed and call != "wait" or nth > 60:
            break
    assert nth > 1
    server.check_for_leaks()


def test_without_memory_for_gzip_an_answer_goes_out_plain_and_a_body_is_to_be_sent_again(broken):
    server, orders = broken("limits: { loops: 1, gzip_bytes: 400 }")
    body = gzip.compress(BODY.encode())
    zipped = ["-H", "content-encoding: gzip"]
    taken = ["-H", "accept-encoding: gzip"]
    # On the loop, in the lane after a wait, and in the lane for a page that is at hand.
    asked = [lambda: server.post("/v1/classify", BODY, *taken), lambda: server.post("/v1/classify", body, *zipped, *taken),
             lambda: server.get("/openapi.json", *taken)]
    for ask in asked:
        for nth, fails in [(1, True), (2, False)]:
            orders.arm("deflate", nth, errno.ENOMEM)
            answer = ask()
            assert orders.disarm() == fails and answer.status == 200
            assert ("content-encoding" in answer.headers) != fails
            assert json.loads(answer.body if fails else gzip.decompress(answer.body))
    for nth, fails in [(1, True), (2, False)]:
        orders.arm("inflate", nth, errno.ENOMEM)
        answer = server.post("/v1/classify", body, *zipped)
        assert orders.disarm() == fails
        if fails:
            # Nothing is wrong with the body.
            assert (answer.status, answer.error["code"]) == (429, "overloaded") and answer.headers["retry-after"] == "1"
        else:
            assert answer.status == 200 and answer.json["verdict"] == "safe"
    assert server.metric("paddock_body_bytes") == 0
    server.check_for_leaks()


def test_every_request_costs_few_allocations(start, tmp_path):
    """The exact number: a change that adds one is seen here."""
    file = open(tmp_path / "count", "w+b")
    file.truncate(4096)
    page = mmap.mmap(file.fileno(), 4096)
    server = start("limits: { loops: 1 }\ntelemetry: { access_log: false }",
                   environment={"LD_PRELOAD": preloaded("count", tmp_path), "COUNT_FILE": str(tmp_path / "count")})
    # One that the first stage settles by itself.
    text = ("How many apples are left if a farmer sells 12 of 30 boxes with 24 apples each, and how much does he earn at 3 dollars "
            "a box? Please show every step of the calculation and round the answer to 2 decimals.")
    body = json.dumps({"messages": [{"role": "user", "content": text[:200]}]})
    classify = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    for request, most in [(GET, 3), (classify, 11)]:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            def ask(times):
                for _ in range(times):
                    client.sendall(request.encode())
                    received = b""
                    while answers(received) != ([200], False):
                        received += client.recv(65536)
                return struct.unpack("q", page[:8])[0]
            before = ask(200)
            cost = (ask(1000) - before) / 1000
        # Random words for the ids and the date come in batches.
        assert cost <= most + 0.1, f"{cost} allocations a request"


def resident(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_idle_and_dawdling_connections_cost_little_and_keep_nobody_waiting(start):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, (hard - 200) // 2)
    server = start(f"limits: {{ connections: {count + 100}, first_byte_ms: 60000, head_ms: 60000 }}\ntelemetry: {{ access_log: false }}")
    server.classify("hi")
    before = resident(server)
    clients = []
    try:
        for index in range(count):
            client = socket.socket()
            client.connect(("127.0.0.1", server.port))
            # A third says nothing, a third has begun a head, a third a body.
            if index % 3 == 1:
                client.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            elif index % 3 == 2:
                client.sendall((POST + BODY[:10]).encode())
            clients.append(client)
        while server.metric("paddock_connections") < count:
            time.sleep(0.01)
        grown = (resident(server) - before) * 1024 / count
        assert server.classify("hi")["verdict"] == "safe" and server.metric("paddock_in_flight") == 0
        assert grown < 4_096, f"{grown:.0f} bytes a connection"
        # They are alive: those with a body can end it.
        for client in clients[2:30:3]:
            client.sendall(BODY[10:].encode())
            assert client.recv(20).startswith(b"HTTP/1.1 200")
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.check_for_leaks()
    assert server.metric("paddock_body_bytes") == 0


def test_a_storm_at_twice_the_ceiling(start):
    server = start("limits: { connections: 100 }\ntelemetry: { access_log: false }")
    outcomes, lock = [], threading.Lock()
    def client():
        for _ in range(20):
            result = converse(lambda: socket.create_connection(("127.0.0.1", server.port), timeout=60))
            with lock:
                outcomes.append(result)
    threads = [threading.Thread(target=client) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [([200] * 4, False)] * 4_000
    server.check_for_leaks()


def test_without_descriptors_it_waits_and_recovers(start):
    server = start("telemetry: { access_log: false }", files=40)
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(60)]
    for client in clients[:10]:
        client.sendall(GET.encode())
        assert client.recv(20).startswith(b"HTTP/1.1 200"), "whoever was accepted is served"
    for client in clients:
        client.close()
    assert converse(lambda: socket.create_connection(("127.0.0.1", server.port), timeout=30)) == ([200] * 4, False)
    assert any("only 40 open files" in line["message"] for line in server.log_lines())


def test_clients_that_break_off_anywhere(start):
    """A reset behind every byte of two requests, and a reader that never reads."""
    server = start("limits: { write_ms: 300 }\ntelemetry: { access_log: false }")
    whole = (POST + BODY + GET).encode()
    for end in range(len(whole)):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(whole[:end])
        client.close()
    # Pipelined requests whose answers nobody takes: the server stops reading, then cuts.
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", server.port))
    deaf.settimeout(10)
    with pytest.raises(OSError):
        for _ in range(2_000):
            deaf.sendall(("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50).encode())
    deaf.close()
    assert server.get("/healthz").status == 200
    server.check_for_leaks()


def test_a_large_body_stalls_nobody(start):
    """While megabytes are read and judged, a small request of the same loop goes by them."""
    server = start("limits: { loops: 1, body_bytes: 8388608 }\ntelemetry: { access_log: false }")
    body = json.dumps({"messages": [{"role": "user", "content": "All is well in the valley today. " * 200_000}]}).encode()
    head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    finished = []
    def large():
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            client.sendall(head.encode() + body)
            received = b""
            while more := client.recv(65536):
                received += more
            finished.append(answers(received))
    threads = [threading.Thread(target=large) for _ in range(4)]
    for thread in threads:
        thread.start()
    small = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        while len(finished) < 4:
            client.sendall(GET.encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            small += 1
    for thread in threads:
        thread.join()
    assert finished == [([200], False)] * 4 and small > 20
