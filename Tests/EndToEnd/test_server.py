"""The server as clients and operators meet it: connections, limits, load, drain, logs."""

import json
import socket
import subprocess
import threading
import time

from harness import curl, wait_for

BODY = json.dumps({"messages": [{"role": "user", "content": "hi"}]})


def raw(server, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(data)
        received = b""
        while more := client.recv(65536):
            received += more
        return received


def test_curl_reuses_one_connection(server):
    url = server.url + "/v1/classify"
    done = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", "-H", "content-type: application/json",
         "-d", BODY, url, "--next", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", server.url + "/healthz",
         "--next", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", server.url + "/nothing"],
        capture_output=True, check=True, text=True)
    assert done.stdout.split("\n")[:3] == ["200 1", "200 0", "404 0"]


def test_pipelined_requests_are_answered_in_order(server):
    request = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
    answers = raw(server, (request * 20 + "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").encode())
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 21
    assert answers.endswith(b'{"status":"ok"}')


def test_http_1_0(server):
    answer = raw(server, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b'{"status":"ok"}')
    done = curl(server.url + "/healthz", "-0")
    assert done.status == 200


def test_expect_100_continue(server):
    done = subprocess.run(
        ["curl", "-sSv", "-H", "expect: 100-continue", "--expect100-timeout", "20", "-H", "content-type: application/json",
         "-d", BODY, server.url + "/v1/classify"], capture_output=True, text=True, timeout=10, check=True)
    assert "< HTTP/1.1 100 Continue" in done.stderr and '"verdict"' in done.stdout


def test_smuggling_shapes_are_refused(server):
    for head in ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5\r\nTransfer-Encoding: chunked",
                 "Content-Length: +5", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                 "Transfer-Encoding : chunked", "X: a\n y"]:
        answer = raw(server, f"POST /v1/classify HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"\r\nDate: ") == 1, head


def test_a_unix_socket(tmp_path):
    path = tmp_path / "paddock.sock"
    from harness import BINARY
    config = tmp_path / "unix.yaml"
    config.write_text(f"listeners: [{{ address: 'unix:{path}' }}]")
    process = subprocess.Popen([BINARY, "serve", "--config", config], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert f"unix:{path}" in process.stdout.readline().decode()
        assert curl("http://paddock/healthz", "--unix-socket", str(path)).status == 200
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert not path.exists()


def test_sigterm_finishes_what_is_in_progress(start, faults):
    from fault_server import completion
    release = threading.Event()
    def slow(_):
        release.wait(20)
        return completion("safe")
    faults.answer = slow
    server = start(f"""
default_judge: guard
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: m, timeout_ms: 20000 }} }}
""")
    answers = []
    calls = [threading.Thread(target=lambda n=n: answers.append(server.classify(f"hi {n}"))) for n in range(8)]
    for call in calls:
        call.start()
    wait_for(lambda: len(faults.requests) == 8)
    idle = socket.create_connection(("127.0.0.1", server.port))
    server.terminate()
    assert idle.recv(1) == b""
    time.sleep(0.1)
    assert server.process.poll() is None
    release.set()
    for call in calls:
        call.join()
    assert [answer["verdict"] for answer in answers] == ["safe"] * 8
    assert server.wait() == 0
    assert [line["message"] for line in server.log_lines() if line["message"] in ("ready", "draining", "stopped")] == [
        "ready", "draining", "stopped"]


def test_a_second_signal_ends_at_once(start, faults):
    faults.answer = None
    server = start(f"""
default_judge: guard
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: m, timeout_ms: 60000 }} }}
limits: {{ deadline_ms: 60000, drain_ms: 60000 }}
""")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode())
        wait_for(lambda: faults.requests)
        server.terminate()
        wait_for(lambda: any(line["message"] == "draining" for line in server.log_lines()))
        assert server.process.poll() is None
        server.terminate()
        assert server.wait(20) == 128 + 15
        assert client.recv(1) == b""


def test_nothing_is_lost_under_load_while_it_ends(start):
    """Every request that was sent gets an answer or an honest end of its connection, never half of one."""
    server = start()
    outcomes = {"whole": 0, "refused": 0, "broken": 0}
    lock, stop = threading.Lock(), threading.Event()
    request = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode()

    def client():
        while not stop.is_set():
            try:
                connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            except OSError:
                return
            with connection:
                while not stop.is_set():
                    received = b""
                    try:
                        connection.sendall(request)
                        while b"\r\n\r\n" not in received:
                            more = connection.recv(65536)
                            if not more:
                                break
                            received += more
                        head, _, body = received.partition(b"\r\n\r\n")
                        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) if head else 0
                        while head and len(body) < length:
                            more = connection.recv(65536)
                            if not more:
                                break
                            body += more
                    except OSError:
                        head, body, length = received, b"", 0
                    kind = "whole" if head and len(body) == length and length else "broken" if received else "refused"
                    with lock:
                        outcomes[kind] += 1
                    if kind != "whole" or b"connection: close" in head.lower():
                        break

    clients = [threading.Thread(target=client) for _ in range(16)]
    for thread in clients:
        thread.start()
    time.sleep(0.5)
    server.terminate()
    status = server.wait()
    stop.set()
    for thread in clients:
        thread.join()
    assert status == 0 and outcomes["broken"] == 0 and outcomes["whole"] > 100, outcomes


def test_overload_is_429_with_retry_after(start, faults):
    release = threading.Event()
    from fault_server import completion
    def slow(_):
        release.wait(20)
        return completion("safe")
    faults.answer = slow
    server = start(f"""
default_judge: guard
limits: {{ in_flight: 2, queue: 3 }}
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: m, timeout_ms: 20000 }} }}
""")
    answers = []
    calls = [threading.Thread(target=lambda: answers.append(server.post("/v1/classify", BODY))) for _ in range(5)]
    for call in calls:
        call.start()
    while server.metric("paddock_queued") < 3:
        time.sleep(0.01)
    refused = server.post("/v1/classify", BODY)
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (429, "overloaded", "1")
    assert server.get("/healthz").status == 200
    release.set()
    for call in calls:
        call.join()
    assert [answer.status for answer in answers] == [200] * 5
    assert server.metric("paddock_in_flight") == 0 and server.metric("paddock_queued") == 0


def test_a_client_that_leaves_frees_its_place(start, faults):
    faults.answer = None
    server = start(f"""
default_judge: guard
limits: {{ in_flight: 1, queue: 0, half_close_ms: 100 }}
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: m, timeout_ms: 20000 }} }}
""")
    request = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode()
    for round in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(request)
            while len(faults.requests) <= round:
                time.sleep(0.01)
            assert server.metric("paddock_in_flight") == 1
        for _ in range(500):
            if server.metric("paddock_in_flight") == 0:
                break
            time.sleep(0.01)
        assert server.metric("paddock_in_flight") == 0


def test_logs_are_json_and_hold_no_text_of_a_user(start, faults):
    canary = "kangaroo-zebra-71"
    faults.answer = b"HTTP/1.1 500 " + canary.encode() + b"\r\nContent-Length: 0\r\n\r\n"
    server = start(f"""
telemetry: {{ log_level: trace }}
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: m }} }}
""")
    for text in [canary, f"I will kill you all {canary}"]:
        for judge in ["embedded", "guard"]:
            server.classify(text, judge=judge, metadata={canary: canary})
    server.post("/v1/classify", {"messages": [{"role": canary, "content": canary}], canary: canary})
    server.get(f"/{canary}?{canary}", "-H", f"x-{canary}: {canary}", "-X", canary.upper())
    server.get(f"/v1/policies/{canary}")
    metrics = server.get("/metrics").body.decode()
    assert server.stop() == 0
    assert canary not in server.log.read_text() and canary.upper() not in server.log.read_text()
    assert canary not in metrics
    lines = server.log_lines()
    requests = [line for line in lines if line["message"] == "request"]
    assert len(requests) == 8 and all(line["request_id"].startswith("req_") for line in requests)
    verdicts = [line for line in lines if line["message"] == "verdict"]
    assert {line["request_id"] for line in verdicts} <= {line["request_id"] for line in requests}
    assert any(line["not_judged"] == ["backend_status_500"] for line in verdicts)


def test_text_is_captured_only_where_a_policy_of_the_operator_says_so(start):
    canary = "kangaroo-zebra-71"
    server = start("telemetry: { capture_text: true }")
    server.classify(canary)
    assert server.stop() == 0
    lines = server.log_lines()
    assert any(canary in json.dumps(line.get("text", "")) for line in lines)
    assert any("capture_text" in line["message"] for line in lines)


def test_the_answer_carries_the_request_id_of_the_log(start):
    server = start()
    answer = server.get("/healthz")
    server.stop()
    assert answer.headers["x-request-id"] in [line.get("request_id") for line in server.log_lines()]


def test_slow_clients_get_408(start):
    server = start("limits: { head_ms: 200, body_ms: 200 }")
    assert raw(server, b"POST /v1/classify HTTP/1.1\r\nHost:").startswith(b"HTTP/1.1 408 ")
    answer = raw(server, b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ") and b'"request_timeout"' in answer
