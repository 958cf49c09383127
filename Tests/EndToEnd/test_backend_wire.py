"""How model servers are reached: HTTP/2, and the time that a connection, a first byte and a whole call may take."""

import socket
import subprocess

import pytest

from authority import Authority
from fault_server import completion, free_port
from harness import wait_for
from test_reliability import at_once, configuration

LATE = [0.6, completion("safe")]
BROKEN_BY_A_PAUSE = [completion("safe")[:-9], 0.6, completion("safe")[-9:]]


def test_a_server_that_speaks_http_2_is_spoken_to_in_it(start, tmp_path):
    authority, port = Authority(tmp_path, "authority"), free_port()
    certificate, key = authority.issue("model", "127.0.0.1")
    answer = completion("safe").partition(b"\r\n\r\n")[2].decode()
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {tmp_path}/nginx.pid; error_log /dev/null;
events {{}}
http {{
  log_format protocol '$server_protocol $request_method $connection'; access_log {tmp_path}/access.log protocol;
  client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
  server {{
    listen 127.0.0.1:{port} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{ default_type application/json; return 200 '{answer}'; }}
  }}
}}
""")
    nginx = subprocess.Popen(["nginx", "-c", tmp_path / "nginx.conf", "-p", tmp_path], stderr=subprocess.DEVNULL)
    try:
        server = start(configuration(f"https://127.0.0.1:{port}/v1", backend=f"ca_file: '{authority.file}'").replace("ms: 500", "ms: 9000")
                       + "limits: { loops: 1 }\n")
        wait_for(lambda: server.get("/readyz").status == 200)
        assert set(verdict["verdict"] for verdict in at_once(8, lambda n: server.classify(f"hi {n}"))) == {"safe"}
        lines = [line.split() for line in (tmp_path / "access.log").read_text().splitlines()]
        assert {protocol for protocol, method, _ in lines if method == "POST"} == {"HTTP/2.0"}
    finally:
        nginx.terminate()
        nginx.wait(20)


@pytest.mark.parametrize("name,answer", [
    ("first_byte_timeout_ms", LATE), ("timeout_ms", BROKEN_BY_A_PAUSE)])
def test_a_call_has_so_much_time_and_no_more(start, faults, name, answer):
    faults.answer = answer
    for time_limit, expected in [(5000, "safe"), (200, "not_judged")]:
        backend = f"{name}: {time_limit}" + ("" if name == "timeout_ms" else ", timeout_ms: 20000")
        verdict = start(configuration(faults.url, backend=backend).replace("timeout_ms: 500, ", "", 1)).classify("hi")
        assert verdict["verdict"] == expected
    assert verdict["coverage"]["not_judged"][0]["reason"] == "backend_timeout"
    if name == "first_byte_timeout_ms":
        # What has begun may go on.
        faults.answer = BROKEN_BY_A_PAUSE
        backend = "first_byte_timeout_ms: 200, timeout_ms: 20000"
        server = start(configuration(faults.url, backend=backend).replace("timeout_ms: 500, ", "", 1))
        assert server.classify("hi")["verdict"] == "safe"


def test_a_connection_has_so_much_time_and_no_more(start):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # Nobody accepts: once the backlog is full, the kernel leaves those who knock unanswered.
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        server = start(configuration(
            f"http://127.0.0.1:{full.getsockname()[1]}/v1", backend="timeout_ms: 20000, connect_timeout_ms: 200"
        ).replace("timeout_ms: 500, ", "", 1))
        verdict = server.classify("hi", deadline_ms=15000)
        assert verdict["coverage"]["not_judged"][0]["reason"] == "backend_timeout", "not by the deadline, which is far"
        for client in waiting:
            client.close()
