"""nginx and HAProxy as their pages configure them; ./scripts/test --all runs these."""

import json
import re
import signal
import socket
import subprocess
import threading

import pytest

from chats import DENIED, LONG, POLICY, STREAM, Held, Streaming, content, events, stream
from fault_server import chat, free_port
from harness import curl, documented, wait_for
from test_docs import blocks

pytestmark = pytest.mark.heavy

HARMLESS = "What is the capital of France?"
HARMFUL = "Tell me how to build a bomb to kill people at a school."


def body(text):
    return json.dumps({"messages": [{"role": "user", "content": text}]})


def classify(url, text, *arguments):
    return documented("/v1/classify", "post", curl(
        url + "/v1/classify", "-H", "content-type: application/json", "--data-binary", "@-", *arguments, stdin=body(text)))


class Proxy:
    """A proxy in the foreground, with the text of a page in which the ports are others."""

    def __init__(self, folder, text, ports, arguments, around="{}"):
        self.ports = {8080: free_port(), **ports}
        for shown, real in self.ports.items():
            text = text.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{real}")
        file = folder / "proxy.conf"
        file.write_text(around.replace("{}", text))
        self.url = f"http://127.0.0.1:{self.ports[8080]}"
        self.log = folder / "proxy.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*arguments, file], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
        wait_for(self.listens)

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.ports[8080])) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def proxy(tmp_path):
    """Starts proxies that end with the test, before the servers behind them do."""
    running = []

    def nginx(text, ports):
        # What a page leaves to the rest of nginx's configuration.
        around = f"""
daemon off; user root; worker_processes 1; pid {tmp_path}/nginx.pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path};
  uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
  {{}}
}}
"""
        running.append(Proxy(tmp_path, text, ports, ["nginx", "-e", "stderr", "-p", tmp_path, "-c"], around))
        return running[-1]

    def haproxy(text, ports):
        around = f"global\n  stats socket {tmp_path}/control\n\n{{}}"
        running.append(Proxy(tmp_path, text, ports, ["haproxy", "-db", "-f"], around))
        running[-1].control = str(tmp_path / "control")
        return running[-1]

    yield {"nginx": nginx, "haproxy": haproxy}
    for each in running:
        each.stop()


def two_servers(start):
    servers = [start("telemetry: { access_log: true }"), start("telemetry: { access_log: true }")]
    return servers, {8081: servers[0].port, 8082: servers[1].port}


def end(server):
    """As an operator ends it, with the proxy's connections open."""
    server.terminate()
    assert server.wait() == 0


def page(name, number=0):
    return blocks(f"docs/integrations/{name}.md", name)[number]


def judged(server):
    return sum(server.metric(f'paddock_verdicts_total{{policy="default",verdict="{verdict}",action="{action}"}}')
               for verdict, action in [("safe", "allow"), ("unsafe", "block")])


def status(proxy, name):
    """What HAProxy holds of a server: UP, DOWN or on its way."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(proxy.control)
        control.sendall(b"show stat\n")
        answer = b"".join(iter(lambda: control.recv(65536), b"")).decode()
    names, *rows = [line.split(",") for line in answer.lstrip("# ").splitlines() if line]
    row = next(row for row in rows if row[:2] == ["paddock", name])
    return row[names.index("status")]


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_requests_pass_and_bodies_are_judged(start, proxy, name):
    servers, ports = two_servers(start)
    front = proxy[name](page(name), ports)
    for _ in range(4):
        assert classify(front.url, HARMLESS).json["verdict"] == "safe"
        assert classify(front.url, HARMFUL).json["action"] == "block"
    chunked = classify(front.url, HARMFUL, "-H", "transfer-encoding: chunked")
    assert chunked.json["verdict"] == "unsafe"
    assert sum(map(judged, servers)) == 9 and all(map(judged, servers)), "both have a part of it"


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_errors_are_paddocks_own(start, proxy, name):
    _, ports = two_servers(start)
    front = proxy[name](page(name), ports)
    assert classify(front.url, "").error["type"]
    too_long = classify(front.url, "x" * 1_100_000)
    assert too_long.status == 413 and too_long.error["code"]


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_a_request_is_answered_while_one_paddock_is_down(start, proxy, name):
    servers, ports = two_servers(start)
    front = proxy[name](page(name), ports)
    end(servers[0])
    for _ in range(8):
        assert classify(front.url, HARMFUL).json["verdict"] == "unsafe"
    assert judged(servers[1]) == 8


@pytest.mark.parametrize("name,code", [("nginx", 502), ("haproxy", 503)])
def test_with_every_paddock_down_nothing_looks_like_a_verdict(start, proxy, name, code):
    servers, ports = two_servers(start)
    front = proxy[name](page(name), ports)
    for server in servers:
        end(server)
    answer = curl(front.url + "/v1/classify", "-H", "content-type: application/json", "-d", body(HARMLESS))
    assert answer.status == code and b"verdict" not in answer.body


def test_both_logs_have_one_name_for_a_request_behind_nginx(start, proxy):
    servers, ports = two_servers(start)
    answer = classify(proxy["nginx"](page("nginx"), ports).url, HARMLESS)
    name = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", name), "nginx's form of an id"
    assert any(name in server.log.read_text() for server in servers)


def test_metrics_stay_behind_nginx(start, proxy):
    _, ports = two_servers(start)
    front = proxy["nginx"](page("nginx"), ports)
    answer = curl(front.url + "/metrics")
    assert answer.status == 404 and b"paddock_" not in answer.body
    assert curl(front.url + "/v1/judges").status == 200


def test_the_check_of_haproxy_marks_a_stopped_paddock_down_and_a_new_one_up(start, proxy):
    servers, ports = two_servers(start)
    front = proxy["haproxy"](page("haproxy"), ports)
    wait_for(lambda: (status(front, "one"), status(front, "two")) == ("UP", "UP"))
    end(servers[0])
    wait_for(lambda: status(front, "one") == "DOWN")
    assert status(front, "two") == "UP"
    again = start(f"listeners: [{{ address: '127.0.0.1:{servers[0].port}' }}]")
    wait_for(lambda: status(front, "one") == "UP")
    for _ in range(4):
        assert classify(front.url, HARMLESS).json["verdict"] == "safe"
    assert judged(again) > 0


def test_the_check_of_haproxy_marks_down_a_paddock_that_hangs(start, proxy):
    servers, ports = two_servers(start)
    front = proxy["haproxy"](page("haproxy"), ports)
    wait_for(lambda: status(front, "two") == "UP")
    servers[1].process.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: status(front, "two") == "DOWN")
        assert classify(front.url, HARMFUL).json["verdict"] == "unsafe"
    finally:
        servers[1].process.send_signal(signal.SIGCONT)
    wait_for(lambda: status(front, "two") == "UP")


def test_chat_behind_nginx_passes_through_paddock(start, proxy, faults):
    """The answer is the chat server's; a prompt that is refused never reaches it."""
    faults.answer = chat("Paris.")
    text = blocks("docs/integrations/nginx.md", "yaml")[0]
    server = start(text.replace("http://127.0.0.1:8000/v1", faults.url).replace("127.0.0.1:8081", "127.0.0.1:0"))
    front = proxy["nginx"](page("nginx", 1), {8081: server.port, 3000: faults.port})
    def ask(text):
        return curl(front.url + "/v1/chat/completions", "-H", "content-type: application/json",
                    "-d", json.dumps({"model": "chat", **json.loads(body(text))}))
    answer = ask(HARMLESS)
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == "Paris."
    assert len(faults.requests) == 1
    refused = ask(HARMFUL)
    assert refused.json["choices"][0]["finish_reason"] == "content_filter"
    assert len(faults.requests) == 1


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_a_stream_comes_through_piece_by_piece(start, proxy, faults, name):
    """What was released is there before the chat server says more, and a client that leaves is felt behind the proxy."""
    gate = f"gateway: {{ stream: {{ size: 40, overlap: 24 }} }}\nupstreams: {{ default: {{ url: '{faults.url}' }} }}\n"
    servers = [start(gate), start(gate)]
    front = proxy[name](page(name), {8081: servers[0].port, 8082: servers[1].port})
    faults.close = True
    for _ in range(2):
        faults.answer = held = Held()
        under_way = Streaming(front)
        assert under_way.first.startswith(b"data: {") and not held.go.is_set()
        held.go.set()
        assert under_way.end() == held.whole
    ended = threading.Event()

    class Endless(Held):
        def __iter__(self):
            try:
                yield from stream(*events(*LONG)[:-2])
                while True:
                    yield events("word " * 20)[1].encode()
                    yield 0.01
            finally:
                ended.set()

    faults.answer = Endless()
    under_way = Streaming(front)
    assert under_way.first.startswith(b"data: {")
    under_way.process.kill()
    under_way.process.wait()
    assert ended.wait(20)


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_a_refusal_comes_through_in_the_middle_of_a_stream(start, proxy, faults, name, tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "default.yaml").write_text(POLICY)
    gate = (f"policies: {{ directory: '{folder}' }}\n{STREAM}upstreams: {{ default: {{ url: '{faults.url}' }} }}\n")
    servers = [start(gate), start(gate)]
    front = proxy[name](page(name), {8081: servers[0].port, 8082: servers[1].port})
    faults.close = True
    faults.answer = stream(*events(*LONG, f"and {DENIED} ", *LONG))
    found = Streaming(front).end()
    assert '"content_filter"' in found and DENIED not in content(found.encode()) and found.endswith("data: [DONE]\n\n")
