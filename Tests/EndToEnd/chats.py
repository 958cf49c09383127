"""A server in front of an upstream that does what it is told, and what both say.

What is harmful here is what a phrase of the policy denies, so that no test depends on a model's opinion.
"""

import json

import pytest

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
