"""A server in front of an upstream that does what it is told, and what both say.

What is harmful here is what a phrase of the policy denies, so that no test depends on a model's opinion.
"""

import json
import subprocess
import threading

import pytest

from fault_server import FaultServer, http
from harness import ROOT, Paddock

# One denied phrase blocks, one only flags and one is masked; everything else is judged by the embedded model.
POLICY = """
name: default
version: "1"
taxonomy: llama-guard-3
phrases:
  deny:
    - project nightingale
    - { phrase: lukewarm lemonade, category: S7, action: flag }
    - { phrase: secret pancake, category: S7, action: mask }
refusal:
  en: "Not here."
  de: "Hier nicht."
  categories: { S7: { en: "Not about that." } }
"""
DENIED = "project nightingale"
STREAM = "gateway: { stream: { mode: window, size: 40, overlap: 24, delay_ms: 150, keepalive_ms: 10000 } }\n"


@pytest.fixture
def gateway(start, faults, tmp_path):
    """Starts a server in front of the upstream `faults`."""
    def gateway(config=STREAM, upstream="", **arguments):
        folder = tmp_path / "server0" / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "default.yaml").write_text(POLICY)
        faults.close = True
        return start(
            "policies: { directory: policies }\n"
            + ("" if "upstreams:" in config else f"upstreams: {{ default: {{ url: '{faults.url}' {upstream} }} }}\n")
            + config, **arguments)
    return gateway


@pytest.fixture(scope="module")
def upstream():
    """An upstream for all tests of a module."""
    with FaultServer() as server:
        server.close = True
        yield server


@pytest.fixture(scope="module")
def gate(upstream, tmp_path_factory):
    """A server in front of it that answers all four APIs, with the first stage of the embedded judge alone."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "policies").mkdir()
    # The phrases alone decide.
    (folder / "policies" / "default.yaml").write_text(POLICY + "defaults: { threshold: 1 }\n")
    config = (f"policies: {{ directory: policies }}\ndefault_judge: quick\n"
              f"judges: {{ quick: {{ kind: embedded, stages: one }} }}\n{STREAM}upstreams:\n"
              f"  o: {{ url: '{upstream.url}' }}\n  a: {{ url: '{upstream.url}', api: anthropic }}\n")
    with Paddock(config, folder) as server:
        yield server
        assert server.stop() == 0


def answer(text="The capital is Paris.", **more):
    """An answer of /chat/completions, with a field that nobody knows and odd white space."""
    body = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", **more,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}
    return json.dumps(body, indent=3)


def event(delta, finish=None, **more):
    return "data: " + json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", **more,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) + "\n\n"


def events(*texts):
    return [event({"role": "assistant", "content": ""}), *[event({"content": text}) for text in texts],
            event({}, "stop"), "data: [DONE]\n\n"]


def stream(*steps, kind="text/event-stream"):
    """A streamed answer: strings are sent, numbers waited for."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()
    return [head, *[step.encode() if isinstance(step, str) else step for step in steps]]


class Golden:
    """A rich request of an API, answers to it and streams of them (Tests/Fixtures/chats); each answer speaks of the river
    Seine in its middle, or of what is put in that place."""

    NAMES = ["chat", "completions", "responses", "messages"]

    def __init__(self, name, river="the river Seine"):
        text = (ROOT / "Tests/Fixtures/chats" / f"{name}.json").read_text()
        self.__dict__.update(json.loads(text.replace("the river Seine", river)))
        self.name = name

    def events(self, kind):
        """A stream's events as they are sent."""
        return [*map(self.event, self.streams[kind]), *([f"data: {self.ends}\n\n"] if self.ends else [])]

    def event(self, data, name=None):
        return ("" if self.ends else f"event: {name or data['type']}\n") + f"data: {json.dumps(data)}\n\n"

    def reply(self, kind):
        """What an upstream answers, streamed where that was asked for."""
        return lambda request: (
            stream(*self.events(kind)) if request["body"].get("stream") else http(json.dumps(self.answers[kind])))


def chat(text="Which is the capital of France?", **fields):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


def content(body):
    """The text that a client reads in a stream."""
    found = ""
    for line in body.decode().splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices", []):
                found += choice["delta"].get("content") or ""
    return found


def post(server, body, *arguments, path="/v1/chat/completions"):
    return server.post(path, body, *arguments)


LONG = ["The river ", "runs through ", "the old town ", "and past the ", "mill, where ", "people meet ", "on Sundays ",
        "to sing and ", "to eat ", "plum cake."]


class Held(list):
    """A stream that begins, then waits until `go` is set, and ends."""

    def __init__(self, first=LONG[:5], rest=LONG[5:]):
        super().__init__([b""])
        self.go = threading.Event()
        self.first, self.rest = first, rest

    def __iter__(self):
        first, rest = events(*self.first)[:-2], events(*self.rest)[1:]
        yield from stream(*first)
        self.go.wait(30)
        yield from [step.encode() for step in rest]

    @property
    def whole(self):
        return "".join([*events(*self.first)[:-2], *events(*self.rest)[1:]])


class Streaming:
    """curl that reads a stream: what came at first, and then all of it."""

    def __init__(self, server, *arguments, url=None):
        self.process = subprocess.Popen(
            ["curl", "-sSN", "--max-time", "60", *arguments, (url or server.url) + "/v1/chat/completions",
             "-H", "content-type: application/json", "-d", json.dumps(chat(stream=True))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.first = self.process.stdout.readline()

    def end(self):
        rest, complaint = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, complaint.decode()
        return (self.first + rest).decode()
