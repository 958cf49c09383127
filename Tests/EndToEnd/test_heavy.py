"""Large clients and load; ./scripts/test --all runs these."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from fault_server import free_port
from harness import curl

pytestmark = pytest.mark.heavy

BODY = json.dumps({"messages": [{"role": "user", "content": "What is the capital of France?"}]})


def test_schemathesis_finds_nothing(start, tmp_path):
    """Thousands of generated requests against the contract that the server itself serves."""
    server = start()
    st = pathlib.Path(os.environ["TESTS_HEAVY_BIN"]) / "st"
    done = subprocess.run(
        [st, "run", server.url + "/openapi.json", "--max-examples", "100", "--seed", "1", "--no-color",
         # A text that is empty and a policy that is not loaded fit the schema and are refused all the same.
         "--exclude-checks", "positive_data_acceptance",
         # Lines of JSON it cannot write; what is wrong with them is told in lines too (test_classify_stream.py).
         "--exclude-path", "/v1/classify/stream"],
        capture_output=True, text=True, cwd=tmp_path, timeout=900)
    assert done.returncode == 0, done.stdout[-8000:]
    assert server.process.poll() is None


def load(folder, url, seconds=5, connections=64):
    """wrk posting one conversation; requests, and answers that were not 2xx or 3xx."""
    script = folder / "post.lua"
    script.write_text(f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [=[{BODY}]=]\n")
    done = subprocess.run(
        ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "-s", script, url + "/v1/classify"],
        capture_output=True, text=True, check=True, timeout=120)
    count = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    assert "Socket errors" not in done.stdout, done.stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return count, int(wrong.group(1)) if wrong else 0


def test_every_request_under_load_is_answered_and_counted(start, tmp_path):
    server = start("telemetry: { access_log: false }")
    count, wrong = load(tmp_path, server.url)
    assert wrong == 0 and count > 1000
    counted = server.metric('paddock_verdicts_total{policy="default",verdict="safe",action="allow"}')
    # wrk stops reading at the end of its time; what was under way then is answered too.
    assert count <= counted <= count + 64
    assert server.metric("paddock_in_flight") == 0


def test_behind_nginx(start, tmp_path):
    if not shutil.which("nginx"):
        raise AssertionError("nginx is needed")
    server, port = start("telemetry: { access_log: false }"), free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path};
  uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
  upstream guard {{ server 127.0.0.1:{server.port}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://guard; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
""")
    nginx = subprocess.Popen(["nginx", "-c", config, "-p", tmp_path])
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                if curl(url + "/healthz").status == 200:
                    break
            except AssertionError:
                time.sleep(0.05)
        answer = curl(url + "/v1/classify", "-H", "content-type: application/json", "-d", BODY)
        assert answer.json["verdict"] == "safe"
        chunked = curl(url + "/v1/classify", "-H", "content-type: application/json", "-H", "transfer-encoding: chunked", "-d", BODY)
        assert chunked.json["verdict"] == "safe"
        count, wrong = load(tmp_path, url)
        assert wrong == 0 and count > 1000
        assert (tmp_path / "error.log").read_text() == ""
    finally:
        nginx.terminate()
        nginx.wait(20)


def test_memory_does_not_grow_with_requests(start, tmp_path):
    server = start("telemetry: { access_log: false }")
    def resident():
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))
    load(tmp_path, server.url, seconds=4)
    before = resident()
    load(tmp_path, server.url, seconds=8)
    assert resident() < before + 8_192, "kilobytes after 8 s of load"
