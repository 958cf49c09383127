"""The real binary and the real curl, as tests use them."""

import collections
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import tempfile
import time

from fault_server import SERVERS

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("TESTS_BINARY") or str(ROOT / ".build/release/paddock")
# What a person has set for a Paddock of their own says nothing about the one under test.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PADDOCK_")}
CONTRACT = json.loads((ROOT / "docs/openapi.json").read_text())


class Paddock:
    """`paddock serve` on a free port; standard error is kept to be read by tests."""

    def __init__(self, config="", folder=None, arguments=(), environment=None, files=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="paddock-"))
        file = self.folder / "config.yaml"
        file.write_text(config)
        self.log = self.folder / "stderr.log"
        listen = [] if "listeners:" in config else ["--listen", "127.0.0.1:0"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--config", file, *listen, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env={**ENVIRONMENT, **(environment or {})},
                preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None)
        self.ready_line = self.process.stdout.readline().decode()
        found = re.search(r"ready at (.*?); try", self.ready_line)
        if not found:
            self.process.wait(10)
            raise AssertionError("paddock did not start: " + self.log.read_text())
        self.addresses = found.group(1).split(", ")
        self.address = self.addresses[0]
        self.port = int(self.address.rsplit(":", 1)[1]) if "unix:" not in self.address else None
        self.url = "http://" + self.address
        self.held_at_start = self.held()

    def held(self):
        """The descriptors that the process has open, counted by kind: a connection by the port at its other end."""
        folder = pathlib.Path(f"/proc/{self.process.pid}")
        sockets = {line.split()[6]: "local socket" for line in (folder / "net/unix").read_text().splitlines()[1:]}
        for table in ["tcp", "tcp6"]:
            for line in (folder / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                sockets[fields[9]] = int(fields[2].rsplit(":", 1)[1], 16)
        kinds = collections.Counter()
        for name in os.listdir(folder / "fd"):
            try:
                link = os.readlink(folder / "fd" / name)
            except FileNotFoundError:
                continue
            found = re.fullmatch(r"socket:\[(\d+)\]", link)
            kinds[sockets.get(found[1], "ended connection") if found else re.sub(r":\[\d+\]", "", link)] += 1
        return kinds

    def kept(self):
        """What may be held while nothing is asked: for each loop as many connections to a model server as it had calls there
        at once, and of curl's a pair of sockets, by which it wakes itself."""
        config = (self.folder / "config.yaml").read_text()
        loops = int((re.search(r"loops: (\d+)", config) or [0, len(os.sched_getaffinity(0))])[1])
        kept = collections.Counter({"local socket": 2 * loops} if re.search("backends:|upstreams:", config) else {})
        for port in map(int, re.findall(r"url: *['\"]?https?://[^:/]+:(\d+)", config)):
            # A call that the server has done with may not have ended for its client, hence twice; and a text in windows is
            # eight calls at once, however fast they are answered. 64 are kept at most, ours and curl's.
            most = max(8, 2 * SERVERS[port].most_at_once) if port in SERVERS else 64
            kept[port] = loops * min(64, most)
        return kept

    def check_for_leaks(self):
        """Once its clients have gone, a server holds what it held at its start, and what it keeps for the next call."""
        for _ in range(400):
            left = self.held() - self.held_at_start - self.kept()
            if not left:
                return
            time.sleep(0.01)
        raise AssertionError(f"descriptors more than at the start: {dict(left)}")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=40):
        return self.process.wait(seconds)

    def stop(self):
        """Ends the process gently; returns its exit status."""
        if self.process.poll() is None:
            try:
                self.check_for_leaks()
            finally:
                self.terminate()
        try:
            return self.wait()
        finally:
            self.process.kill()
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log_lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    # Calls

    def post(self, path, body, *arguments):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return documented(path, "post", curl(
            self.url + path, "-H", "content-type: application/json", "--data-binary", "@-", *arguments, stdin=data))

    def get(self, path, *arguments):
        return documented(path, "get", curl(self.url + path, *arguments))

    def classify(self, messages, **fields):
        """The verdict on messages, or on one text of a user."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        answer = self.post("/v1/classify", {"messages": messages, **fields})
        assert answer.status == 200, answer.body
        check(answer.json, "Verdict")
        return answer.json

    def metric(self, line):
        """The value of one line of /metrics, 0 where it is not there."""
        for found in self.get("/metrics").body.decode().splitlines():
            if found.startswith(line + " "):
                return float(found.rsplit(" ", 1)[1])
        return 0.0


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        check(self.json, "Error")
        return self.json["error"]


def curl(url, *arguments, stdin=None):
    """Runs curl; what it does not say by its exit status is in the answer."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    with tempfile.NamedTemporaryFile() as headers:
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "60", "-D", headers.name, *arguments, url],
            input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        heads = pathlib.Path(headers.name).read_bytes().decode("latin-1").split("\r\n\r\n")
    lines = [head for head in heads if head][-1].split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    return Answer(int(lines[0].split()[1]), {k.lower(): v for k, v in fields.items()}, done.stdout)


def wait_for(condition, seconds=20):
    """Waits until something holds, and fails where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def documented(path, method, answer):
    """The answer, which the contract must name for its path; its default is for what HTTP itself refuses."""
    operation = CONTRACT["paths"].get(path, {}).get(method)
    if operation and str(answer.status) not in operation["responses"]:
        assert answer.status in (400, 405, 408, 413, 414, 417, 431, 501, 505), f"{method} {path} {answer.status}"
        assert answer.error
    assert "x-request-id" in answer.headers
    return answer


def check(value, schema):
    """Checks a value against a schema of the contract that the server ships."""
    import jsonschema

    jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/" + schema, "components": CONTRACT["components"]}).validate(value)


def paddock(*arguments, stdin="", folder=None):
    """Runs a command of the binary to its end."""
    return subprocess.run(
        [BINARY, *map(str, arguments)], input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True, cwd=folder, env=ENVIRONMENT, timeout=120, check=False)
