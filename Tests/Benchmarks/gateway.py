"""What the gateway costs: Paddock and nginx in front of the same chat server, side by side."""

import json
import pathlib
import re
import statistics
import subprocess
import threading

HERE = pathlib.Path(__file__).resolve().parent
PATH = "/v1/chat/completions"
QUESTION = ("######## I am planning a trip to Lisbon in May with two small children and my parents. Could you suggest a quiet "
            "neighbourhood to stay in, and three easy day trips by train that everybody would enjoy?")
SAID = ("Stay in Campo de Ourique: it is quiet, has a market hall and parks, and the old tram ends there. Good day trips by "
        "train are Sintra, Cascais and Tomar, each with short walks and nice food close to the station.")
# Words as a model says them, about five characters each.
EVENTS = 200
WORDS = [word + " " for word in SAID.split()]


def request(**fields):
    return json.dumps({"model": "m", **fields, "messages": [{"role": "user", "content": QUESTION}]})


def completion():
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 48, "total_tokens": 98}})


def chunk(delta, finish=None):
    return "data: " + json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) + "\n\n"


def events():
    """A streamed answer of so many events; the last is the mark of the end."""
    words = [chunk({"content": WORDS[index % len(WORDS)]}) for index in range(EVENTS - 3)]
    return "".join([chunk({"role": "assistant", "content": ""}), *words, chunk({}, "stop"), "data: [DONE]\n\n"])


class Chats:
    """A chat server that answers at once, an nginx and a Paddock in front of it."""

    def __init__(self, bench):
        self.bench = bench
        (bench.folder / "events").write_text(events())
        # nginx serves files to GET alone: its own answer to POST leads to one.
        self.upstream = bench.serve("chat", f"""
location = {PATH} {{ default_type application/json; return 200 '{completion()}'; }}
location = /stream{PATH} {{ error_page 405 =200 /events; return 405; }}
location = /events {{ default_type text/event-stream; root {bench.folder}; }}""")
        self.proxy = bench.proxy("chat-proxy", self.upstream, "proxy_buffering off;")
        self.paddock = self.start(self.upstream)[1]

    def start(self, upstream):
        """A Paddock whose embedded judge answers by its first stage, in front of this port; its process and address."""
        config = self.bench.folder / f"gateway-{upstream}.yaml"
        config.write_text((HERE / "stage-one.yaml").read_text() + f"""
upstreams:
  whole: {{ url: 'http://127.0.0.1:{upstream}/v1' }}
  stream: {{ url: 'http://127.0.0.1:{upstream}/stream/v1', prefix: /stream }}
""")
        return self.bench.start_paddock(config)[:2]

    def rates(self):
        nginx, paddock = f"http://127.0.0.1:{self.proxy}", f"http://{self.paddock}"
        return [
            self.bench.side_by_side("`POST /v1/chat/completions`, 200 characters in and out", nginx + PATH, paddock + PATH, request()),
            self.bench.side_by_side(
                f"the same, streamed: events of answers of {EVENTS}", f"{nginx}/stream{PATH}", f"{paddock}/stream{PATH}",
                request(stream=True), scale=EVENTS)]

    def added(self):
        return self.bench.added(f"http://127.0.0.1:{self.upstream}", f"http://127.0.0.1:{self.proxy}", f"http://{self.paddock}",
                                request(), PATH, "the chat server itself", rate=500)

    # Many streams at once

    def streams(self, count=500, rate=50, window=50):
        """Streams at so many events a second each, through nginx, which holds nothing, and through Paddock's windows."""
        program = self.bench.folder / "streams"
        subprocess.run(["gcc", "-O2", "-o", program, HERE / "streams.c"], check=True)
        found = {"nginx": [], "Paddock": []}
        for _ in range(self.bench.rounds):
            for name, rows in found.items():
                upstream = self.bench.free_port()
                if name == "nginx":
                    server, port = None, self.bench.proxy(f"streams-{upstream}", upstream, "proxy_buffering off;")
                else:
                    server, address = self.start(upstream)
                    port = int(address.split(":")[1])
                rows.append(self.run([program, upstream, port], server, count, rate, 1 if name == "nginx" else window))
        rows = []
        for name, label in [("nginx", "nginx, which holds nothing back"), ("Paddock", f"Paddock, windows of {20 * window} characters")]:
            medians = [statistics.median(row[column] for row in found[name]) for column in range(4)]
            rows.append([f"{count} streams, {rate} events/s each: {label}", *(f"{value / 1e3:.1f}" for value in medians[:3]),
                         f"{medians[3] / 1024:.1f} KiB" if name == "Paddock" else ""])
            print(" | ".join(rows[-1]), flush=True)
        return rows

    def run(self, command, server, count, rate, window):
        """p50, p99, p99.9 in microseconds, and bytes of memory for each stream."""
        # What the first answers need once is no stream's.
        subprocess.run([*map(str, command), "8", str(rate), "1", str(window)], check=True, stdout=subprocess.DEVNULL)
        before, peak = resident(server), 0
        seconds = max(4, self.bench.seconds)
        client = subprocess.Popen([*map(str, command), str(count), str(rate), str(seconds), str(window)], stdout=subprocess.PIPE, text=True)
        ended = threading.Event()

        def look():
            nonlocal peak
            while not ended.wait(0.1):
                peak = max(peak, resident(server))

        watcher = threading.Thread(target=look)
        watcher.start()
        output = client.communicate()[0]
        ended.set()
        watcher.join()
        if server is not None:
            server.terminate()
        if client.returncode != 0:
            raise SystemExit("error: the streams broke off")
        *times, _, arrived, sent = map(float, output.split())
        if arrived != count * rate * seconds or sent != arrived:
            raise SystemExit(f"error: of {sent:.0f} events {arrived:.0f} arrived")
        return [*times, (peak - before) / count]


def resident(process):
    """Bytes of memory that a process has; 0 for none."""
    if process is None:
        return 0
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024
