"""Listeners that speak TLS, and listeners of several kinds, as clients and operators meet them."""

import os
import signal
import socket
import ssl
import subprocess
import time

import pytest

from authority import Authority
from harness import BINARY, ENVIRONMENT, curl

BODY = '{"messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def identity(authority):
    return authority.issue("server", "localhost", "127.0.0.1")


def configuration(identity, more="", rest=""):
    return (f"listeners: [{{ address: '127.0.0.1:0', tls: {{ certificate: '{identity[0]}', key: '{identity[1]}'{more} }} }}]\n"
            + rest)


def secure(server):
    return "https://" + server.address


def handshake(server, authority, name="localhost", **settings):
    context = ssl.create_default_context(cafile=str(authority.file))
    for key, value in settings.items():
        if key == "alpn":
            context.set_alpn_protocols(value)
        elif key == "chain":
            context.load_cert_chain(*map(str, value))
        else:
            setattr(context, key, value)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=20), server_hostname=name)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_over_both_versions(start, authority, identity, version):
    server = start(configuration(identity))
    assert "curl -s https://127.0.0.1:" in server.ready_line
    arguments = ["--cacert", str(authority.file), f"--tlsv{version}", "--tls-max", version, "--http1.1"]
    answer = curl(secure(server) + "/v1/classify", *arguments, "-H", "content-type: application/json", "-d", BODY)
    assert answer.json["verdict"] == "safe"
    # A body of many records each way.
    body = '{"items":[' + ",".join([BODY] * 2_000) + "]}"
    answer = curl(secure(server) + "/v1/classify/batch", *arguments, "-H", "content-type: application/json", "--data-binary", "@-",
                  stdin=body)
    assert [item["result"]["verdict"] for item in answer.json["results"]] == ["safe"] * 2_000


def test_old_versions_and_weak_ciphers_are_refused(start, authority, identity):
    server = start(configuration(identity))
    for options in [["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"]]:
        done = subprocess.run(["openssl", "s_client", "-connect", server.address, *options], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20)
        assert done.returncode != 0 and "Cipher is (NONE)" in done.stdout, options
    failed = curl(secure(server) + "/metrics", "--cacert", str(authority.file)).body.decode()
    assert any(line.startswith("paddock_tls_handshakes_failed_total ") and float(line.split()[1]) >= 3 for line in failed.splitlines())


def test_alpn(start, authority, identity):
    server = start(configuration(identity))
    with handshake(server, authority, alpn=["h2", "http/1.1"]) as client:
        assert client.selected_alpn_protocol() == "http/1.1" and client.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        handshake(server, authority, alpn=["h2"])


def test_a_certificate_for_each_name(start, authority, identity):
    other = authority.issue("other", "other.test", "*.wild.test")
    server = start(configuration(identity, f", also: [{{ certificate: '{other[0]}', key: '{other[1]}' }}]"))
    for name, expected in [("localhost", "server"), ("other.test", "other"), ("a.wild.test", "other")]:
        with handshake(server, authority, name) as client:
            assert client.getpeercert()["subject"][0][0][1] == expected
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, authority, "unknown.test")


def test_client_certificates(start, authority, identity, tmp_path):
    clients = Authority(tmp_path, "clients")
    mine, strangers = clients.issue("mine"), Authority(tmp_path, "strangers").issue("stranger")
    server = start(configuration(identity, f", client_ca: '{clients.file}'"))
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with handshake(server, authority, chain=mine) as client:
        client.sendall(request)
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    for chain in [None, strangers]:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with handshake(server, authority, **({"chain": chain} if chain else {})) as client:
                # With TLS 1.3 a client learns that it was refused when it reads.
                client.sendall(request)
                assert client.recv(100) == b"", "a stranger got an answer"
                raise ConnectionError


def test_certificates_are_read_again_and_no_connection_is_dropped(start, authority, identity, tmp_path):
    certificate, key = tmp_path / "now.crt", tmp_path / "now.key"
    def put(pair):
        certificate.write_bytes(pair[0].read_bytes())
        key.write_bytes(pair[1].read_bytes())
    put(identity)
    server = start(configuration((certificate, key)))
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with handshake(server, authority) as old:
        old.sendall(request)
        assert old.recv(1000).startswith(b"HTTP/1.1 200")
        put(authority.issue("next", "localhost"))
        reload(server)
        with handshake(server, authority) as new:
            assert new.getpeercert()["subject"][0][0][1] == "next"
        old.sendall(request)
        assert old.recv(1000).startswith(b"HTTP/1.1 200")
        # A broken file changes nothing.
        certificate.write_text("nonsense")
        reload(server, "not reloaded, nothing was changed")
        with handshake(server, authority) as still:
            assert still.getpeercert()["subject"][0][0][1] == "next"


def reload(server, message="reloaded"):
    before = sum(line["message"] == message for line in server.log_lines())
    server.process.send_signal(signal.SIGHUP)
    for _ in range(1_000):
        if sum(line["message"] == message for line in server.log_lines()) > before:
            return
        time.sleep(0.01)
    raise AssertionError(server.log.read_text())


def test_a_handshake_that_stalls_is_cut_and_keeps_nobody_waiting(start, authority, identity):
    server = start(configuration(identity, rest="limits: { handshake_ms: 1000, handshakes: 2, loops: 1 }"))
    stalled = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(6)]
    began = time.monotonic()
    with handshake(server, authority) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    for connection in stalled:
        assert connection.recv(1) == b""
        connection.close()
    assert time.monotonic() - began < 30
    # Within its time a handshake may begin late.
    slow = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    time.sleep(0.4)
    with ssl.create_default_context(cafile=str(authority.file)).wrap_socket(slow, server_hostname="localhost") as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_plain_http_at_a_tls_port_and_tls_at_a_plain_one(start, authority, identity):
    server = start(configuration(identity))
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while client.recv(1000):
            pass
    plain = start()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(plain, authority)
    assert plain.get("/healthz").status == 200


@pytest.mark.parametrize("broken,said", [
    ("certificate", "no start line"), ("key", "unsupported"), ("missing", "no such file"), ("pair", "mismatch")])
def test_files_that_do_not_fit_are_named_at_the_start(authority, identity, tmp_path, broken, said):
    files = list(identity)
    if broken == "pair":
        files[1] = authority.issue("third", "x.test")[1]
    else:
        files[0 if broken != "key" else 1] = tmp_path / "broken.pem"
        if broken != "missing":
            (tmp_path / "broken.pem").write_text("nonsense")
    (tmp_path / "config.yaml").write_text(configuration(files))
    done = subprocess.run([BINARY, "serve", "--config", tmp_path / "config.yaml"], capture_output=True, text=True, timeout=30, env=ENVIRONMENT)
    assert done.returncode != 0 and said in done.stderr.lower(), done.stderr
    assert ".pem" in done.stderr or ".key" in done.stderr


def test_several_listeners(start, authority, identity, tmp_path):
    server = start(f"""
listeners:
  - {{ address: '127.0.0.1:0', serve: api }}
  - {{ address: '127.0.0.1:0', serve: operations }}
  - {{ address: '[::1]:0', tls: {{ certificate: '{identity[0]}', key: '{identity[1]}' }} }}
  - {{ address: 'unix:{tmp_path}/paddock.sock' }}
""")
    api, operations, six, path = server.addresses
    def status(base, route, *arguments):
        return curl(base + route, *arguments).status
    assert [status("http://" + api, route) for route in ["/v1/judges", "/healthz", "/readyz", "/metrics"]] == [200, 200, 200, 404]
    assert [status("http://" + operations, route) for route in ["/v1/judges", "/healthz", "/readyz", "/metrics"]] == [404, 200, 200, 200]
    assert status("https://" + six, "/metrics", "--insecure") == 200
    assert status("http://paddock", "/v1/judges", "--unix-socket", path.removeprefix("unix:")) == 200
    assert os.path.exists(path.removeprefix("unix:"))
