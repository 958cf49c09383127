"""The gateway as a server: bodies, methods, limits, TLS, HTTP/2 to an upstream, drain and reload while a stream runs."""

import gzip
import json
import signal
import subprocess

import pytest

from authority import Authority
from chats import DENIED, LONG, STREAM, Held, Streaming, answer, chat, content, events, gateway, post, stream
from fault_server import FaultServer, free_port, http
from harness import curl, wait_for

MESSAGES = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Which is the capital of France?"}]}
# A path, a request for it, and what the shape of the API's errors begins with.
APIS = [("openai", "/v1/chat/completions", chat()), ("openai", "/v1/completions", {"model": "m", "prompt": "Hi"}),
        ("openai", "/v1/responses", {"model": "m", "input": "Hi"}), ("anthropic", "/v1/messages", MESSAGES)]
every_api = pytest.mark.parametrize("api,path,body", APIS, ids=[path for _, path, _ in APIS])


def is_error(api, answer, kind):
    """Whether a body is an error in the shape of the API."""
    found = answer.json
    if api == "anthropic":
        return found["type"] == "error" and found["error"]["type"] == kind[1] and found["error"]["message"] != ""
    return found["error"]["code"] == kind[0] and set(found["error"]) == {"message", "type", "param", "code"}


@every_api
def test_a_compressed_request_is_judged_and_goes_on_as_it_was_meant(gateway, faults, api, path, body):
    server = gateway(upstream=f", api: {api}")
    faults.answer = http("{}", "404 Not Found")
    zipped = ["-H", "content-encoding: gzip"]
    assert post(server, gzip.compress(json.dumps(body).encode()), *zipped, path=path).status == 404
    sent = faults.requests.pop()
    assert sent["body"] == body and "content-encoding" not in sent["headers"]
    harmful = json.dumps(body).replace("Hi", DENIED).replace("the capital of France", DENIED)
    assert post(server, gzip.compress(harmful.encode()), *zipped, path=path).status == 200
    assert faults.requests == []


@every_api
def test_only_post_is_answered(gateway, api, path, body):
    server = gateway(upstream=f", api: {api}")
    options = curl(server.url + path, "-X", "OPTIONS")
    assert options.status == 204 and options.headers["allow"] == "POST, OPTIONS"
    for arguments in [["-X", "GET"], ["-X", "DELETE"]]:
        refused = curl(server.url + path, *arguments)
        assert refused.status == 405 and refused.headers["allow"] == "POST, OPTIONS"
        assert is_error(api, refused, ("method_not_allowed", "invalid_request_error"))
    head = curl(server.url + path, "--head")
    assert head.status == 405 and head.body.startswith(b"HTTP/1.1 405")


def test_models_have_a_head(gateway, faults):
    server = gateway()
    faults.models = ["m"]
    head = curl(server.url + "/v1/models", "--head")
    assert head.status == 200 and b"\r\n\r\n" in head.body and head.body.endswith(b"\r\n\r\n")


@every_api
def test_a_body_that_is_too_large_is_an_error_of_the_api(gateway, faults, api, path, body):
    server = gateway(upstream=f", api: {api}")
    for arguments in [[], ["-H", "transfer-encoding: chunked"]]:
        found = post(server, {**body, "padding": "x" * 1_100_000}, *arguments, path=path)
        assert found.status == 413 and is_error(api, found, ("body_too_large", "request_too_large")), found.body
    dense = json.dumps({**body, "padding": "".join(map(str, range(300_000)))}).encode()
    bomb = post(server, gzip.compress(dense), "-H", "content-encoding: gzip", path=path)
    assert bomb.status == 413 and is_error(api, bomb, ("body_too_large", "request_too_large")), bomb.body
    assert faults.requests == []


@every_api
def test_what_is_no_request_is_an_error_of_the_api(gateway, faults, api, path, body):
    server = gateway(upstream=f", api: {api}")
    for sent, arguments, status, code in [
            ("{", [], 400, "invalid_json"), ("[]", [], 400, "invalid_field"), ({"model": "m"}, [], 400, "invalid_field"),
            (body, ["-H", "content-type: text/plain"], 415, "unsupported_media_type"),
            (b"no gzip", ["-H", "content-encoding: gzip"], 400, "invalid_gzip"),
            (body, ["-H", "content-encoding: br"], 415, "unsupported_content_encoding")]:
        if path == "/v1/responses" and sent == {"model": "m"}:
            continue
        found = post(server, sent, *arguments, path=path)
        assert found.status == status and is_error(api, found, (code, "invalid_request_error")), found.body
    assert faults.requests == []


def test_more_chats_than_there_may_be_are_told_to_come_again(gateway, faults):
    """A stream holds its place to its end."""
    with FaultServer() as other:
        server = gateway(
            "gateway: { chats: 1, stream: { size: 40, overlap: 24 } }\nlimits: { queue: 0 }\nupstreams:\n"
            f"  o: {{ url: '{faults.url}' }}\n  a: {{ url: '{other.url}', api: anthropic }}\n")
        faults.answer = held = Held()
        under_way = Streaming(server)
        for api, path, body in APIS:
            found = post(server, body, path=path)
            assert found.status == 429 and int(found.headers["retry-after"]) > 0
            assert is_error(api, found, ("overloaded", "rate_limit_error")), found.body
        held.go.set()
        assert under_way.end() == held.whole
        faults.answer = http(answer())
        wait_for(lambda: post(server, chat()).status == 200)
        assert other.requests == []


# Streams and the end of a process, or of its configuration


def test_a_stream_is_finished_before_the_process_ends(gateway, faults):
    server = gateway()
    faults.answer = held = Held()
    under_way = Streaming(server)
    server.terminate()
    wait_for(lambda: any(line["message"] == "draining" for line in server.log_lines()))
    assert server.process.poll() is None
    held.go.set()
    assert under_way.end() == held.whole
    assert server.wait() == 0


def test_a_stream_is_judged_while_the_process_ends(gateway, faults):
    server = gateway()
    faults.answer = held = Held(rest=[*LONG[5:], f"And {DENIED} ", *LONG])
    under_way = Streaming(server)
    server.terminate()
    wait_for(lambda: any(line["message"] == "draining" for line in server.log_lines()))
    held.go.set()
    found = under_way.end()
    assert DENIED not in content(found.encode()) and '"content_filter"' in found and found.endswith("data: [DONE]\n\n")
    assert server.wait() == 0


def test_a_reload_changes_upstreams_and_cuts_no_stream(gateway, faults):
    server = gateway()
    faults.answer = held = Held()
    under_way = Streaming(server)
    with FaultServer() as other:
        other.close, other.answer = True, http(answer("from the other"))
        file = server.folder / "config.yaml"
        file.write_text(file.read_text().replace(faults.url, other.url))
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: any(line["message"] == "reloaded" for line in server.log_lines()))
        assert "from the other" in post(server, chat()).body.decode()
        held.go.set()
        assert under_way.end() == held.whole
        assert len(faults.requests) == 1


def test_a_reload_that_says_nonsense_of_upstreams_leaves_them(gateway, faults):
    server = gateway()
    file = server.folder / "config.yaml"
    text = file.read_text()
    file.write_text(text.replace("url:", "ulr:"))
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any("not reloaded" in line["message"] for line in server.log_lines()))
    file.write_text(text)
    faults.answer = http(answer())
    assert post(server, chat()).status == 200


# The wire


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_stream_comes_through_tls_as_it_is_released(gateway, faults, tmp_path, version):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server", "127.0.0.1")
    server = gateway(
        f"listeners: [{{ address: '127.0.0.1:0', tls: {{ certificate: '{certificate}', key: '{key}' }} }}]\n" + STREAM)
    faults.answer = held = Held()
    under_way = Streaming(
        server, "--cacert", str(authority.file), f"--tlsv{version}", "--tls-max", version, url="https://" + server.address)
    assert under_way.first.startswith(b"data: {") and not held.go.is_set()
    held.go.set()
    assert under_way.end() == held.whole


def test_a_large_stream_comes_through_tls_whole(gateway, faults, tmp_path):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server", "127.0.0.1")
    server = gateway(
        f"listeners: [{{ address: '127.0.0.1:0', tls: {{ certificate: '{certificate}', key: '{key}' }} }}]\n"
        "gateway: { stream: { size: 4000, overlap: 0, on_finding: block } }\n")
    sent = events(*LONG * 200)
    faults.answer = stream(*sent)
    found = curl(f"https://{server.address}/v1/chat/completions", "--cacert", str(authority.file), "--http1.1",
                 "-H", "content-type: application/json", "-d", json.dumps(chat(stream=True)))
    assert found.body.decode() == "".join(sent) and len(found.body) > 250_000


def test_an_upstream_that_speaks_http_2_is_spoken_to_in_it_and_streams(gateway, faults, tmp_path):
    authority, port = Authority(tmp_path, "authority"), free_port()
    certificate, key = authority.issue("upstream", "127.0.0.1")
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {tmp_path}/nginx.pid; error_log /dev/null;
events {{}}
http {{
  log_format protocol '$server_protocol $status'; access_log {tmp_path}/access.log protocol;
  client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path};
  scgi_temp_path {tmp_path};
  server {{
    listen 127.0.0.1:{port} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{ proxy_pass http://127.0.0.1:{faults.port}; proxy_buffering off; proxy_http_version 1.1; }}
  }}
}}
""")
    nginx = subprocess.Popen(["nginx", "-c", tmp_path / "nginx.conf", "-p", tmp_path], stderr=subprocess.DEVNULL)
    try:
        server = gateway(
            f"upstreams: {{ default: {{ url: 'https://127.0.0.1:{port}/v1', ca_file: '{authority.file}' }} }}\n"
            "limits: { loops: 1 }\n" + STREAM)
        faults.answer = http(answer())
        wait_for(lambda: post(server, chat()).status == 200)
        assert post(server, chat()).body.decode() == answer()
        faults.answer = held = Held()
        under_way = Streaming(server)
        assert under_way.first.startswith(b"data: {") and not held.go.is_set()
        held.go.set()
        assert under_way.end() == held.whole
        faults.answer = stream(*events(*LONG, f"and {DENIED} ", *LONG))
        found = post(server, chat(stream=True)).body
        assert b'"content_filter"' in found and DENIED not in content(found)
        lines = [line.split()[0] for line in (tmp_path / "access.log").read_text().splitlines()]
        assert set(lines) == {"HTTP/2.0"} and len(lines) >= 4
    finally:
        nginx.terminate()
        nginx.wait(20)
