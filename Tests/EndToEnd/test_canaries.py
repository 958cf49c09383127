"""A canary in every string and in every key of a request, an answer and a stream, one at a time: it is judged and goes no
further, or the gateway says that there was something that it did not judge."""

import http.client
import json

import pytest

from chats import DENIED, Golden, gate, stream, upstream
from fault_server import http as whole

# Words by themselves, whatever a stream says before and after them.
CANARY = f" {DENIED}. "


def variants(value, place=""):
    """Every string and every key of a value replaced by the canary in turn, with its place and whether it is a key."""
    if isinstance(value, str):
        yield place, False, CANARY
    elif isinstance(value, list):
        for index, element in enumerate(value):
            for found, is_key, changed in variants(element, f"{place}[{index}]"):
                yield found, is_key, [*value[:index], changed, *value[index + 1:]]
    elif isinstance(value, dict):
        for key, element in value.items():
            inner = f"{place}.{key}" if place else key
            for found, is_key, changed in variants(element, inner):
                yield found, is_key, {**value, key: changed}
            yield inner, True, {CANARY if name == key else name: member for name, member in value.items()}


def is_beneath(place, paths):
    return any(place == path or place.startswith((path + ".", path + "[")) for path in paths)


def without(value, paths, place=""):
    """A value without what no judge can read, so that whatever is reported as unread is the canary."""
    if isinstance(value, list):
        return [without(element, paths, f"{place}[{index}]") for index, element in enumerate(value)]
    if not isinstance(value, dict):
        return value
    named = [(key, f"{place}.{key}" if place else key, member) for key, member in value.items()]
    return {key: without(member, paths, inner) for key, inner, member in named if not is_beneath(inner, paths)}


def canaries(document, unreadable):
    """Documents to try, with their places and whether nobody can read what stands there."""
    readable = without(document, unreadable)
    for place, is_key, changed in variants(readable):
        yield place, is_key, changed
    for place, is_key, changed in variants(document):
        if is_beneath(place, unreadable) and not is_key:
            yield place, True, changed


class Client:
    """One connection for many requests."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def post(self, path, body):
        self.connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def says_unread(told):
    return told is not None and ("opaque" in told or "media" in told)


def ask(golden, **more):
    """A harmless request of the API, with whatever the answer is to be compared with."""
    asked = {"model": "m", **more}
    text = "Which is the capital of France?"
    turns = [{"role": "user", "content": text}]
    return asked | {"chat": {"messages": turns}, "completions": {"prompt": text}, "responses": {"input": text},
                    "messages": {"messages": turns, "max_tokens": 9}}[golden.name]


every_api = pytest.mark.parametrize("name", Golden.NAMES)


@pytest.fixture
def client(gate):
    with Client(gate) as client:
        yield client


@every_api
def test_a_canary_anywhere_in_a_request_goes_no_further(client, upstream, name):
    golden, wrong, tried = Golden(name), [], 0
    upstream.answer = golden.reply("text")
    status, headers, _ = client.post(golden.path, without(golden.request, golden.unreadable))
    assert status == 200 and headers["x-paddock-input-action"] == "allow", headers.items()
    for place, may_pass, changed in canaries(golden.request, golden.unreadable):
        tried += 1
        upstream.requests.clear()
        status, headers, body = client.post(golden.path, changed)
        if not upstream.requests and (status == 400 or headers["x-paddock-input-action"] == "block"):
            continue
        if not (status == 200 and may_pass and says_unread(headers["x-paddock-input-not-judged"])):
            wrong.append((place, may_pass, status, headers["x-paddock-input-not-judged"], body[:200]))
    assert wrong == [] and tried > 15


@every_api
def test_a_canary_anywhere_in_an_answer_does_not_come_back(client, upstream, name):
    golden, wrong, tried = Golden(name), [], 0
    for kind, document in golden.answers.items():
        upstream.answer = whole(json.dumps(without(document, golden.unreadable)))
        status, headers, body = client.post(golden.path, ask(golden))
        assert status == 200 and headers["x-paddock-output-action"] == "allow", headers.items()
        for place, may_pass, changed in canaries(document, golden.unreadable):
            tried += 1
            upstream.answer = whole(json.dumps(changed))
            status, headers, body = client.post(golden.path, ask(golden))
            if DENIED in body and not (may_pass and says_unread(headers["x-paddock-output-not-judged"])):
                wrong.append((kind, place, may_pass, status, headers["x-paddock-output-not-judged"], body[:200]))
    assert wrong == [] and tried > 20


@every_api
def test_a_canary_anywhere_in_a_stream_does_not_come_through(client, upstream, name):
    golden, wrong, tried = Golden(name), [], 0
    asked = ask(golden, stream=True)
    end = [f"data: {golden.ends}\n\n"] if golden.ends else []
    for kind, events in golden.streams.items():
        readable = [without(event, golden.unreadable) for event in events]
        sent = [golden.event(event) for event in readable] + end
        upstream.answer = stream(*sent)
        assert client.post(golden.path, asked)[2] == "".join(sent)
        for index, event in enumerate(events):
            for place, may_pass, changed in canaries(event, golden.unreadable):
                tried += 1
                upstream.answer = stream(*sent[:index], golden.event(changed, event.get("type")), *sent[index + 1:])
                body = client.post(golden.path, asked)[2]
                comments = [line for line in body.splitlines() if line.startswith(": x-paddock-output-not-judged")]
                if DENIED in body and not (may_pass and comments and says_unread(comments[0])):
                    wrong.append((kind, index, place, may_pass, comments, body[-400:]))
    assert wrong == [] and tried > 100
