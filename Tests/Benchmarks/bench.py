"""Measures Paddock and nginx side by side in alternating rounds, and writes the tables of docs/performance.md.

Called by scripts/bench: bench.py BINARY ROUNDS SECONDS [PART ...]"""

import json
import mmap
import os
import pathlib
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import gateway
import peers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/performance.md"
CHAT = ("I am planning a trip to Lisbon in May with two small children and my parents. Could you suggest a quiet neighbourhood "
        "to stay in, and three easy day trips by train that everybody would enjoy together?")
CONNECTIONS = 64
NUMBER = "########"
# What a model server answers to everything, as fast as a server can.
ANSWER = json.dumps({"choices": [{"index": 0, "text": "safe", "logprobs": {
    "tokens": ["safe"], "token_logprobs": [-0.01], "top_logprobs": [{"safe": -0.01, "unsafe": -5.0}]}, "finish_reason": "stop"}]})


def conversation(turns, characters):
    text = (CHAT + " ") * (characters // len(CHAT) + 1)
    return {"messages": [{"role": "assistant" if turn % 2 else "user", "content": text[:characters]} for turn in range(turns)]}


class Bench:
    def __init__(self, binary, rounds, seconds):
        self.binary, self.rounds, self.seconds = binary, rounds, seconds
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="paddock-bench-"))
        self.processes = []

    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def start_nginx(self):
        certificate, key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
                        key, "-out", certificate, "-subj", "/CN=localhost"], check=True, capture_output=True)
        plain, secure = self.free_port(), self.free_port()
        (self.folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {self.folder}; proxy_temp_path {self.folder};
  fastcgi_temp_path {self.folder}; uwsgi_temp_path {self.folder}; scgi_temp_path {self.folder};
  ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl;
    location / {{ default_type application/json; return 200 '{{"status":"ok"}}'; }}
  }}
}}
""")
        self.spawn(["nginx", "-c", self.folder / "nginx.conf", "-p", self.folder])
        self.wait_for(plain)
        return f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}", certificate, key

    def serve(self, name, locations, around=""):
        """An nginx of one worker with these locations; its port."""
        port = self.free_port()
        (self.folder / f"{name}.conf").write_text(f"""
pid {self.folder}/{name}.pid; daemon off; worker_processes 1; error_log /dev/null; events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {self.folder}; proxy_temp_path {self.folder};
  fastcgi_temp_path {self.folder}; uwsgi_temp_path {self.folder}; scgi_temp_path {self.folder}; {around}
  server {{ listen 127.0.0.1:{port} backlog=4096; {locations} }}
}}
""")
        self.spawn(["nginx", "-c", self.folder / f"{name}.conf", "-p", self.folder])
        self.wait_for(port)
        return port

    def proxy(self, name, upstream, settings=""):
        """An nginx in front of a server, with connections that are kept; its port."""
        return self.serve(name, f"""location / {{
    proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ""; {settings} }}""",
                          f"upstream upstream {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}")

    def start_model(self):
        """A model server that answers at once, and an nginx in front of it: what a gateway that does nothing costs."""
        model = self.serve("model", f"location / {{ default_type application/json; return 200 '{ANSWER}'; }}")
        proxy = self.proxy("proxy", model)
        config = self.folder / "model.yaml"
        config.write_text(f"""
limits: {{ loops: 1, in_flight: 1024 }}
telemetry: {{ access_log: false, log_level: warning }}
cache: {{ bytes: 0 }}
default_judge: guard
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [model] }} }}
backends: {{ model: {{ dialect: openai-completions, url: 'http://127.0.0.1:{model}/v1', model: m, concurrency: 256 }} }}
""")
        return f"http://127.0.0.1:{model}", f"http://127.0.0.1:{proxy}", "http://" + self.start_paddock(config)[1]

    def wait_for(self, port):
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.05)
        raise SystemExit("error: a server did not start")

    def spawn(self, command, **settings):
        process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, **settings)
        self.processes.append(process)
        return process

    def start_paddock(self, config, arguments=("--listen", "127.0.0.1:0"), environment=None):
        began = time.monotonic()
        process = self.spawn([self.binary, "serve", "--config", config, *arguments], stdout=subprocess.PIPE,
                             env={**os.environ, **(environment or {})})
        line = process.stdout.readline().decode()
        took = time.monotonic() - began
        return process, re.search(r"ready at (127\.0\.0\.1:\d+)", line).group(1), took

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(30)

    # Measuring

    def rate(self, url, body=None, connections=CONNECTIONS, headers=None):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self.seconds}s", "--timeout", "30s"]
        for name, value in (headers or {}).items():
            command += ["-H", f"{name}: {value}"]
        if body is not None:
            script = self.folder / "post.lua"
            # The eight characters ######## become a number, so that no two requests are the same.
            front, numbered, back = body.partition(NUMBER)
            script.write_text("wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [=[" + body + "]=]\n"
                              + (f"""local front, back, n = [=[{front}]=], [=[{back}]=], 0
function request()
  n = n + 1
  return wrk.format(nil, nil, nil, front .. string.format("%08d", n) .. back)
end
""" if numbered else ""))
            command += ["-s", str(script)]
        output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in output or "Socket errors" in output:
            raise SystemExit(f"error: not every answer was 200: {output}")
        return float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))

    def side_by_side(self, name, theirs, ours, body=None, connections=CONNECTIONS, scale=1):
        """Alternating rounds; the median ratio with its spread. `scale` is how much an answer counts for."""
        pairs = []
        for _ in range(self.rounds):
            pairs.append((scale * self.rate(theirs, body, connections), scale * self.rate(ours, body, connections)))
        ratios = sorted(mine / reference for reference, mine in pairs)
        row = [name, f"{statistics.median(pair[0] for pair in pairs):,.0f}", f"{statistics.median(pair[1] for pair in pairs):,.0f}",
               f"**{statistics.median(ratios):.2f}**", f"{ratios[0]:.2f} – {ratios[-1]:.2f}"]
        print(" | ".join(row), flush=True)
        return [row[0], *(cell.replace(",", " ") for cell in row[1:])]

    def open_loop(self, url, rate, *request):
        """p50, p99, p99.9, the longest, all in microseconds, and the rate that was reached."""
        client = self.folder / "openloop"
        if not client.exists():
            subprocess.run(["gcc", "-O2", "-o", client, HERE / "openloop.c"], check=True)
        output = subprocess.run([client, url.rsplit(":", 1)[1], str(CONNECTIONS), str(rate), str(self.seconds), *request],
                                capture_output=True, text=True, check=True).stdout.split()
        return [float(value) for value in output]

    def added(self, model, proxy, paddock, body, path="/v1/classify", name="the model server itself", rate=2000):
        """What nginx and Paddock add to the latency of a server, at a rate that none of them feels."""
        request = self.folder / "request"
        request.write_bytes((f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                             f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        results = {model: [], proxy: [], paddock: []}
        for _ in range(3 * self.rounds):
            for url in results:
                results[url].append(self.open_loop(url, rate, str(request)))
        medians = {url: [statistics.median(row[column] for row in rows) for column in range(3)] for url, rows in results.items()}
        rows = []
        for name, url in [(name, model), ("nginx in front of it", proxy), ("Paddock in front of it", paddock)]:
            rows.append([name, *(f"{value:.0f}" for value in medians[url]),
                         *("" if url == model else f"{value - base:.0f}" for value, base in zip(medians[url][:2], medians[model]))])
            print(" | ".join(rows[-1]), flush=True)
        return rows

    def latency(self, nginx, paddock):
        """Percentiles of an open loop at half of nginx's own peak, in microseconds."""
        peak = max(self.rate(nginx) for _ in range(2))
        results = {nginx: [], paddock: []}
        # A tail needs more rounds than a rate: one stall of the machine is in it.
        for _ in range(3 * self.rounds):
            for url in results:
                results[url].append(self.open_loop(url, peak / 2))
        rows = []
        for name, url in [("nginx", nginx), ("Paddock", paddock)]:
            medians = [statistics.median(row[column] for row in results[url]) for column in range(5)]
            rows.append([name, f"{medians[4]:.0f}", *[f"{value:.0f}" for value in medians[:3]]])
        ratios = sorted(ours[1] / theirs[1] for theirs, ours in zip(results[nginx], results[paddock]))
        rows.append(["ratio of p99", "", "", f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f} – {ratios[-1]:.2f})", ""])
        for row in rows:
            print(" | ".join(row), flush=True)
        return rows



def costs(bench, config):
    """Memory, start and allocations."""
    rows = []
    starts = []
    for _ in range(5):
        process, address, took = bench.start_paddock(config)
        starts.append(took * 1e3)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    rows.append(["start to ready", f"{statistics.median(starts):.0f} ms", "≤ 150 ms"])
    process, address, _ = bench.start_paddock(config, environment={"PADDOCK_LIMITS_CONNECTIONS": "20000"})
    port = int(address.split(":")[1])
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(request)
        client.recv(1000)
    empty = gateway.resident(process)
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(10_000)]
    for client in clients:
        client.sendall(request)
    for client in clients:
        client.recv(1000)
    full = gateway.resident(process)
    rows.append(["memory at start, weights (24 MB) and program included", f"{empty / 2**20:.1f} MiB", "≤ 40 MiB"])
    rows.append(["memory of an idle connection", f"{(full - empty) / 10_000:.0f} bytes", "≤ 4 096 bytes"])
    rows.append(["memory with 10 000 idle connections", f"{full / 2**20:.1f} MiB", "≤ 80 MiB"])
    for client in clients:
        client.close()
    rows += allocations(bench, config)
    for row in rows:
        print(" | ".join(row), flush=True)
    return rows


def allocations(bench, config):
    library, count = bench.folder / "count.so", bench.folder / "count"
    source = ROOT / "Tests/EndToEnd/preload/count.c"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    count.write_bytes(bytes(4096))
    with open(count, "r+b") as file:
        page = mmap.mmap(file.fileno(), 4096)
    _, address, _ = bench.start_paddock(config, environment={"LD_PRELOAD": str(library), "COUNT_FILE": str(count)})
    body = json.dumps(conversation(1, 200))
    request = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    with socket.create_connection(("127.0.0.1", int(address.split(":")[1]))) as client:
        def ask(times):
            for _ in range(times):
                client.sendall(request.encode())
                received = b""
                while not received.endswith(b"}}") or b"latency_ms" not in received:
                    received += client.recv(65536)
            return struct.unpack("q", page[:8])[0]
        before = ask(200)
        return [["heap allocations of a small `/v1/classify`", f"{(ask(1000) - before) / 1000:.1f}", "≤ 30"]]


def growth(bench, address):
    """What a byte costs as bodies grow."""
    rows = []
    for size in [1 << 10, 1 << 14, 1 << 17, 1 << 20]:
        body = json.dumps(conversation(1, size - 60))
        rate = bench.rate(f"http://{address}/v1/classify", body, connections=4)
        rows.append([f"body of {size >> 10} KiB, 4 connections", f"{rate:.0f}", f"{1e9 / rate / size:.1f} ns a byte"])
    for row in rows:
        print(" | ".join(row), flush=True)
    return rows


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def write(name, text):
    """Puts a table between its marks in the page."""
    page = PAGE.read_text()
    start, end = f"<!-- bench: {name} -->\n", "<!-- end -->\n"
    before, found, rest = page.partition(start)
    if not found:
        raise SystemExit(f"error: {PAGE} has no mark {start!r}")
    PAGE.write_text(before + start + text + end + rest.partition(end)[2])


HEADER = ["work, 64 connections", "nginx, requests/s", "Paddock, requests/s", "ratio", "spread"]


def measure_model(bench):
    model, proxy, judged = bench.start_model()
    numbered = json.dumps({"messages": [{"role": "user", "content": f"{NUMBER} {CHAT[:190]}"}]})
    write("model", table([HEADER[0], "nginx `proxy_pass`, requests/s", *HEADER[2:]], [
        bench.side_by_side("`POST /v1/classify`, 200 bytes, every one judged by the model", proxy + "/v1/classify",
                           judged + "/v1/classify", numbered)]))
    write("added", table(["2 000 requests/s", "p50, µs", "p99, µs", "p99.9, µs", "added p50", "added p99"],
                         bench.added(model, proxy, judged, numbered)))


def measure_gateway(bench):
    """The gateway: chats as a whole and as streams, and many streams at once."""
    chats = gateway.Chats(bench)
    write("gateway", table([HEADER[0], "nginx `proxy_pass`, requests or events/s", "Paddock", *HEADER[3:]], chats.rates()))
    write("gateway-added", table(["500 chats/s", "p50, µs", "p99, µs", "p99.9, µs", "added p50", "added p99"], chats.added()))
    write("gateway-streams", table(["behind the sending of what fills the window", "p50, ms", "p99, ms", "p99.9, ms",
                                    "memory of a stream"], chats.streams()))


def measure_peers(bench):
    """Other gateways, from the environments in the folder that PEERS names."""
    write("peers", table(["a judged chat, 16 connections", "theirs, requests/s", "Paddock, requests/s", "ratio", "spread"],
                         peers.Peers(bench, os.environ["PEERS"]).rows()))


def measure_server(bench):
    nginx, nginx_tls, certificate, key = bench.start_nginx()
    stage_one = HERE / "stage-one.yaml"
    _, address, _ = bench.start_paddock(stage_one)
    _, shipped, _ = bench.start_paddock(ROOT / "config.yaml")
    secure = bench.folder / "tls.yaml"
    secure.write_text(stage_one.read_text() + "listeners: [{ address: '127.0.0.1:0', tls: "
                      f"{{ certificate: '{certificate}', key: '{key}' }} }}]\n")
    _, tls, _ = bench.start_paddock(secure, arguments=())
    small, large = json.dumps(conversation(1, 200)), json.dumps(conversation(8, 512))
    rows = [
        bench.side_by_side("`GET /healthz`", nginx + "/healthz", f"http://{address}/healthz"),
        bench.side_by_side("`POST /v1/classify`, 200 bytes of chat", nginx + "/v1/classify", f"http://{address}/v1/classify", small),
        bench.side_by_side("the same, 8 turns, 4 KiB", nginx + "/v1/classify", f"http://{address}/v1/classify", large),
        bench.side_by_side("200 bytes, shipped `config.yaml`", nginx + "/v1/classify", f"http://{shipped}/v1/classify", small),
        bench.side_by_side("`GET /healthz`, TLS 1.3", nginx_tls + "/healthz", f"https://{tls}/healthz"),
    ]
    write("rates", table(HEADER, rows))
    write("latency", table(["open loop at half of nginx's peak", "requests/s", "p50, µs", "p99, µs", "p99.9, µs"],
                           bench.latency(nginx, f"http://{address}")))
    write("growth", table(["work", "requests/s", "cost"], growth(bench, address)))
    write("costs", table(["", "measured", "target"], costs(bench, stage_one)))


def measure_connections(bench):
    """What a request costs as connections grow, and what it costs nginx."""
    nginx = bench.start_nginx()[0]
    _, address, _ = bench.start_paddock(HERE / "stage-one.yaml", environment={"PADDOCK_LIMITS_CONNECTIONS": "16384"})
    write("connections", table(["`GET /healthz`", *HEADER[1:]], [
        bench.side_by_side(f"{count} connection{'s' * (count > 1)}", nginx + "/healthz", f"http://{address}/healthz", connections=count)
        for count in [1, 64, 1000, 10_000]]))


def main():
    bench = Bench(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    only = sys.argv[4:] or ["server", "model", "gateway", "connections"]
    try:
        if "gateway" in only:
            measure_gateway(bench)
        if "peers" in only:
            measure_peers(bench)
        if "model" in only:
            measure_model(bench)
        if "server" in only:
            measure_server(bench)
        if "connections" in only:
            measure_connections(bench)
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
