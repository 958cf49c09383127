"""Every limit of config.yaml, on both sides of its value."""

import gzip
import json
import socket
import threading
import time

import pytest

from fault_server import completion
from harness import wait_for
from test_faults import BODY, GET, POST, answers

CLASSIFY = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def exchange(server, data, *later, pause=0.0):
    """Sends pieces with pauses between them; everything that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        received = b""
        try:
            client.sendall(data)
            for piece in later:
                time.sleep(pause)
                client.sendall(piece)
        except OSError:
            pass
        try:
            while more := client.recv(65536):
                received += more
        except OSError:
            pass
        return received


def status(received):
    return int(received.split()[1]) if received else None


def code(received):
    return json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"]


def with_close(head):
    return (head + "Connection: close\r\n\r\n").encode()


def padded(size):
    """A classify request of exactly this many bytes."""
    rest = size - len(json.dumps({"messages": [{"role": "user", "content": ""}]}))
    return json.dumps({"messages": [{"role": "user", "content": "a" * rest}]}).encode()


def test_body_bytes(start):
    server = start("limits: { body_bytes: 1000 }")
    assert server.post("/v1/classify", padded(1000)).status == 200
    beyond = server.post("/v1/classify", padded(1001))
    assert (beyond.status, beyond.error["code"]) == (413, "body_too_large")
    chunked = ["-H", "transfer-encoding: chunked"]
    assert [server.post("/v1/classify", padded(size), *chunked).status for size in (1000, 1001)] == [200, 413]
    zipped = ["-H", "content-encoding: gzip"]
    assert [server.post("/v1/classify", gzip.compress(padded(size)), *zipped).status for size in (1000, 1001)] == [200, 413]


def test_gzip_ratio(start):
    server = start("limits: { gzip_ratio: 20 }")
    zipped = ["-H", "content-encoding: gzip"]
    # Short texts may repeat themselves; long ones must be worth their size.
    assert server.post("/v1/classify", gzip.compress(padded(65_000)), *zipped).status == 200
    bomb = server.post("/v1/classify", gzip.compress(padded(900_000)), *zipped)
    assert (bomb.status, bomb.error["code"]) == (413, "body_too_dense")
    assert server.metric("paddock_body_bytes") == 0


def test_gzip_bytes(start):
    small, large = start("limits: { gzip_bytes: 100000 }"), start("limits: { gzip_bytes: 400 }")
    request = {"messages": [{"role": "user", "content": "hi"}]}
    taken = ["-H", "accept-encoding: br, gzip;q=0.5"]
    assert "content-encoding" not in small.post("/v1/classify", request, *taken).headers
    answer = large.post("/v1/classify", request, *taken)
    assert answer.headers["content-encoding"] == "gzip" and answer.headers["vary"] == "Accept-Encoding"
    assert json.loads(gzip.decompress(answer.body))["verdict"] == "safe"
    for refused in ["gzip;q=0", "identity", "br", "*;q=0", "gzip;q=0, *"]:
        assert "content-encoding" not in large.post("/v1/classify", request, "-H", "accept-encoding: " + refused).headers, refused
    # A page of megabytes, and curl's own decoder.
    batch = large.post("/v1/classify/batch", {"items": [request] * 3000}, "--compressed")
    assert len(batch.json["results"]) == 3000 and batch.headers["content-encoding"] == "gzip"
    head = large.get("/openapi.json", "-I", *taken)
    assert head.headers["content-encoding"] == "gzip" and head.body.startswith(b"HTTP/1.1 200")


def test_head_bytes_target_bytes_and_header_count(start):
    server = start("limits: { head_bytes: 2000, target_bytes: 300, header_count: 20 }")
    def head(size):
        return ("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + "y" * (size - 58) + "\r\n\r\n").encode()
    assert len(head(2000)) == 2000 and status(exchange(server, head(2000))) == 200
    assert code(exchange(server, head(2001))) == "head_too_large"
    def target(size):
        return with_close("GET /healthz?" + "q" * (size - 9) + " HTTP/1.1\r\nHost: x\r\n")
    assert status(exchange(server, target(300))) == 200
    assert status(exchange(server, target(301))) == 414
    def headers(count):
        return ("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + "X: y\r\n" * (count - 2) + "\r\n").encode()
    assert status(exchange(server, headers(20))) == 200
    assert status(exchange(server, headers(21))) == 431


def test_connections(start):
    server = start("limits: { connections: 3 }")
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(4)]
    for client in clients[:3]:
        client.sendall(GET.encode())
        assert client.recv(20).startswith(b"HTTP/1.1 200")
    clients[3].sendall(GET.encode())
    clients[3].settimeout(0.3)
    with pytest.raises(TimeoutError):
        clients[3].recv(1)
    clients[0].close()
    clients[3].settimeout(20)
    assert clients[3].recv(20).startswith(b"HTTP/1.1 200"), "who waited is served when another has left"
    for client in clients:
        client.close()


def test_connections_per_address(start):
    server = start("limits: { connections_per_address: 2 }")
    first, second = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(2)]
    for client in (first, second):
        client.sendall(GET.encode())
        assert client.recv(20).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as third:
        assert third.recv(1) == b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20, source_address=("127.0.0.2", 0)) as other:
        other.sendall(GET.encode())
        assert other.recv(20).startswith(b"HTTP/1.1 200"), "another address has room of its own"
    first.close()
    for _ in range(500):
        if server.metric("paddock_connections") <= 2:
            break
        time.sleep(0.01)
    assert server.metric("paddock_connections_refused_total") >= 1
    second.close()


@pytest.mark.parametrize("name,data", [("first_byte_ms", b""), ("idle_ms", GET.encode())])
def test_silence(start, name, data):
    server = start(f"limits: {{ {name}: 400 }}")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(data)
        time.sleep(0.2)
        if data:
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        # Within the time it is served still.
        client.sendall(GET.encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(data)
        received = b""
        while more := client.recv(4096):
            received += more
        assert answers(received) == ([200] if data else [], False), "closed without a word"


def test_head_ms(start):
    server = start("limits: { head_ms: 600 }")
    head = with_close("GET /healthz HTTP/1.1\r\nHost: x\r\n")
    assert status(exchange(server, head[:20], head[20:], pause=0.1)) == 200
    # Bytes that trickle in do not win time.
    trickle = exchange(server, head[:10], *[head[10 + index:11 + index] for index in range(20)], pause=0.1)
    assert status(trickle) == 408 and code(trickle) == "request_timeout"


def test_body_ms_and_body_bytes_per_s(start):
    server = start("limits: { body_ms: 500, body_bytes_per_s: 2000 }")
    body = padded(6000)
    head = with_close(CLASSIFY + f"Content-Length: {len(body)}\r\n")
    def pieces(size):
        return [body[start:start + size] for start in range(0, len(body), size)]
    # 300 bytes each 50 ms are 6000 a second; 50 bytes are 1000.
    assert status(exchange(server, head, *pieces(300), pause=0.05)) == 200
    assert status(exchange(server, head, *pieces(50)[:40], pause=0.05)) == 408
    # What came fast at first wins no time to stall later.
    began = time.monotonic()
    assert status(exchange(server, head + body[:-1])) == 408
    assert time.monotonic() - began < 10


def test_write_ms(start):
    server = start("limits: { write_ms: 1000 }\ntelemetry: { access_log: false }")
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 2000
    def reader(pause):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.settimeout(20)
            threading.Thread(target=lambda: send(client), daemon=True).start()
            count = 0
            try:
                for _ in range(12):
                    time.sleep(pause)
                    count += len(client.recv(65536))
            except OSError:
                return None
            return count
    def send(client):
        try:
            client.sendall(request)
        except OSError:
            pass
    assert reader(0.05) > 40_000, "who takes a little now and then is waited for"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        send_thread = threading.Thread(target=lambda: send(deaf), daemon=True)
        send_thread.start()
        send_thread.join(20)
        assert not send_thread.is_alive(), "who takes nothing is cut"


def test_bodies_bytes(start):
    server = start("limits: { bodies_bytes: 20000, body_bytes: 15000 }")
    body = padded(12_000)
    head = (CLASSIFY + f"Content-Length: {len(body)}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as holder:
        holder.sendall(head + body[:-1])
        while server.metric("paddock_body_bytes") < len(body) - 1:
            time.sleep(0.01)
        refused = server.post("/v1/classify", body)
        assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (429, "overloaded", "1")
        chunked = server.post("/v1/classify", body, "-H", "transfer-encoding: chunked")
        assert chunked.status == 429
        assert server.classify("hi")["verdict"] == "safe", "what fits is served"
        holder.sendall(body[-1:])
        assert holder.recv(20).startswith(b"HTTP/1.1 200")
    assert server.post("/v1/classify", body).status == 200
    assert server.metric("paddock_body_bytes") == 0


def test_deaf_clients_of_long_answers_hold_no_more_than_bodies_bytes(start):
    """A few kilobytes ask for megabytes of verdicts; whoever never reads them keeps nobody from being served."""
    server = start("limits: { bodies_bytes: 20000000, gzip_ratio: 100000, loops: 1 }\ntelemetry: { access_log: false }")
    body = gzip.compress(json.dumps({"items": [json.loads(BODY)] * 4000}).encode())
    head = ("POST /v1/classify/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    deaf = []
    for _ in range(16):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(60)
        client.connect(("127.0.0.1", server.port))
        client.sendall(head + body)
        deaf.append(client)
    statuses = [int(client.recv(12).split()[1]) for client in deaf]
    assert 200 in statuses and 429 in statuses and set(statuses) == {200, 429}, statuses
    assert 0 < server.metric("paddock_body_bytes") <= 20_000_000
    assert server.classify("hi")["verdict"] == "safe"
    for client in deaf:
        client.close()
    wait_for(lambda: server.metric("paddock_body_bytes") == 0)
    assert len(server.post("/v1/classify/batch", {"items": [json.loads(BODY)] * 4000}).json["results"]) == 4000


def test_batch_items(start):
    server = start("limits: { batch_items: 3 }")
    item = json.loads(BODY)
    assert server.post("/v1/classify/batch", {"items": [item] * 3}).status == 200
    assert server.post("/v1/classify/batch", {"items": [item] * 4}).status == 400


MODEL = """
default_judge: guard
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{url}', model: m, timeout_ms: 20000 }} }}
limits: {{ {limits} }}
"""


def test_deadline_ms(start, faults):
    faults.answer = [0.4, completion("safe")]
    verdicts = [start(MODEL.format(url=faults.url, limits=f"deadline_ms: {time}")).classify("hi") for time in (5000, 100)]
    assert [verdict["verdict"] for verdict in verdicts] == ["safe", "not_judged"]
    assert verdicts[1]["coverage"]["not_judged"][0]["reason"] == "deadline"


def test_half_close_ms(start, faults):
    faults.answer = [0.4, completion("safe")]
    def asked(time):
        server = start(MODEL.format(url=faults.url, limits=f"half_close_ms: {time}"))
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall((POST + BODY).encode())
            client.shutdown(socket.SHUT_WR)
            return client.recv(12)
    assert [asked(time) for time in (10000, 100)] == [b"HTTP/1.1 200", b""]


def test_drain_ms(start, faults):
    faults.answer = [0.8, completion("safe")]
    def asked(time):
        server = start(MODEL.format(url=faults.url, limits=f"drain_ms: {time}"))
        faults.requests.clear()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall((POST + BODY).encode())
            wait_for(lambda: faults.requests)
            server.terminate()
            received = client.recv(12)
        assert server.wait() == 0
        return received
    assert [asked(time) for time in (10000, 100)] == [b"HTTP/1.1 200", b""]


def test_in_flight_and_queue(start, faults):
    """As many as are judged at once, and as many more as may wait; the next one hears so at once, before its body."""
    release = threading.Event()
    def slow(_):
        release.wait(20)
        return completion("safe")
    faults.answer = slow
    server = start(MODEL.format(url=faults.url, limits="in_flight: 1, queue: 1"))
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(3)]
    for client, gauge in zip(clients, ["paddock_in_flight", "paddock_queued"]):
        client.sendall((POST + BODY).encode())
        wait_for(lambda: server.metric(gauge) == 1)
    clients[2].sendall(POST.encode())
    assert clients[2].recv(12) == b"HTTP/1.1 429"
    release.set()
    assert [client.recv(12) for client in clients[:2]] == [b"HTTP/1.1 200"] * 2
    for client in clients:
        client.close()


def test_slow_bodies_take_no_permit(start):
    """Clients that dawdle with their bodies keep nobody from being judged."""
    server = start("limits: { in_flight: 1, queue: 0 }")
    dawdlers = []
    for _ in range(50):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        client.sendall((POST + BODY[:5]).encode())
        dawdlers.append(client)
    for _ in range(20):
        assert server.classify("hi")["verdict"] == "safe"
    for client in dawdlers:
        client.close()


def test_conformance(server):
    """What RFC 9110 and 9112 say, in one table: the request, the status, and whether the connection may go on."""
    table = [
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
        ("GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
        ("GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
        ("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204, True),
        ("OPTIONS /v1/classify HTTP/1.1\r\nHost: x\r\n\r\n", 204, True),
        ("GET /healthz HTTP/1.0\r\n\r\n", 200, False),
        ("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, True),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, False),
        ("BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405, True),
        ("GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 404, True),
        (POST.replace("application/json", "application/json; charset=utf-8") + BODY, 200, True),
        (POST.replace("application/json", "application/json; charset=\"UTF-8\"") + BODY, 200, True),
        (POST.replace("application/json", "application/json; charset=latin-1") + BODY, 415, True),
        (POST.replace("application/json", "text/json") + BODY, 415, True),
        (POST.replace("Content-Length: ", "Content-Length: +") + BODY, 400, False),
        (POST.replace("Host: x", "Host: x\r\nHost: y") + BODY, 400, False),
        (POST.replace("Content-Length", "Content-Length : ") + BODY, 400, False),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400, False),
        ("GET /healthz HTTP/1.1\nHost: x\n\n", 400, False),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400, False),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400, False),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", 400, False),
        ("GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
        ("GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505, False),
        ("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
        ("\x16\x03\x01\x00\x05", 400, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\n" + BODY[:5] + f"\r\n{len(BODY) - 5:x}\r\n" + BODY[5:] + "\r\n0\r\nT: v\r\n\r\n", 200, True),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n", 413, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\n0000000000000001\r\na\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefg\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\n5 \r\nabcde\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\n1;" + "x" * 5000 + "\r\na\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, False),
        (CLASSIFY.replace("1.1", "1.0") + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, False),
        (POST.replace("Host: x", "Host: x\r\nExpect: 200-maybe") + BODY, 417, False),
        # A lower-case Kelvin sign is a k to whoever asks Unicode, and to nobody else.
        (CLASSIFY + "Transfer-Encoding: chun\u212aed\r\n\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\n5;\r\nabcde\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + "Transfer-Encoding: chunked\r\n\r\n5;a\n\r\nabcde\r\n0\r\n\r\n", 400, False),
        (CLASSIFY + f"Transfer-Encoding: chunked\r\n\r\n{len(BODY):x} ; a = \"b;\" ;c\r\n{BODY}\r\n0\r\n\r\n", 200, True),
        (POST.replace("Host: x", "Host: x\r\nContent-Type: text/plain") + BODY, 415, True),
        (POST.replace("Host: x", "Host: x\r\nContent-Encoding: identity\r\nContent-Encoding: gzip") + BODY, 415, True),
        ("GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
        ("GET /healthz?%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, False),
        ("GET /healthz HTTP/1.1\r\nHost: x:65536\r\n\r\n", 400, False),
        ("TRACE /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405, True),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 200, True),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, False),
    ]
    for request, expected, goes_on in table:
        received = exchange(server, (request + "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").encode())
        first = received.split(b"\r\n\r\n", 1)[0]
        assert int(first.split()[1]) == expected, (request, received)
        follows = b'{"status":"ready"' in received
        assert follows == goes_on, (request, received)
        if expected >= 400:
            assert b'{"error":{"message":' in received, request
        assert b"\r\nServer: paddock\r\nDate: " in received and b"\r\nX-Request-Id: " in received
