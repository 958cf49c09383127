"""The SDKs of OpenAI and Anthropic through the gateway: they read every answer, passed or refused, whole and streamed."""

import asyncio
import collections
import json
import re

import anthropic
import openai
import pydantic
import pytest

from chats import DENIED, POLICY, Golden, answer, events, gate, stream, upstream
from fault_server import http
from harness import paddock
from test_docs import blocks

WHOLE = "Paris is the capital of France. It has been so for many centuries, and it lies on the river Seine with its bridges."
ARGUMENTS = {"place": "Paris", "what": "the weather by the river Seine tomorrow"}
QUESTION = "Which is the capital of France?"
TOOL = {"name": "look_up", "description": "tells what is known of a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "what": {"type": "string"}}}}
# How each API ends an answer, one that calls a tool, and one that is refused.
ENDS = {"chat": ("stop", "tool_calls", "content_filter"), "completions": ("stop", None, "content_filter"),
        "responses": ("completed", "completed", "incomplete"), "messages": ("end_turn", "tool_use", "refusal")}

Read = collections.namedtuple("Read", "text arguments end")


@pytest.fixture(autouse=True)
def forget(upstream):
    upstream.requests.clear()


def settings(server, name, **more):
    base = server.url + ("" if name == "messages" else "/v1")
    return {"base_url": base, "api_key": "sk-of-the-caller", "max_retries": 0, **more}


def client(server, name, **more):
    return (anthropic.Anthropic if name == "messages" else openai.OpenAI)(**settings(server, name, **more))


def asynchronous(server, name):
    return (anthropic.AsyncAnthropic if name == "messages" else openai.AsyncOpenAI)(**settings(server, name))


def fields(name, text):
    """What is asked, as each API has it."""
    turns = [{"role": "user", "content": text}]
    return {
        "chat": {"messages": turns, "tools": [{"type": "function", "function": TOOL}]}, "completions": {"prompt": text},
        "responses": {"input": text, "tools": [{"type": "function", "strict": False, **TOOL}]},
        "messages": {"messages": turns, "max_tokens": 99,
                     "tools": [{"name": "look_up", "input_schema": TOOL["parameters"]}]},
    }[name] | {"model": "m"}


def resource(client, name):
    return {"chat": lambda: client.chat.completions, "completions": lambda: client.completions,
            "responses": lambda: client.responses, "messages": lambda: client.messages}[name]()


# What stands in the SDKs' objects


def read(name, found):
    """An answer as a whole."""
    if name == "chat":
        [choice] = found.choices
        calls = [json.loads(call.function.arguments) for call in choice.message.tool_calls or []]
        return Read(choice.message.content or "", calls, choice.finish_reason)
    if name == "completions":
        [choice] = found.choices
        return Read(choice.text, [], choice.finish_reason)
    if name == "messages":
        return Read("".join(block.text for block in found.content if block.type == "text"),
                    [block.input for block in found.content if block.type == "tool_use"], found.stop_reason)
    assert found.status == "completed" or found.incomplete_details.reason == "content_filter"
    calls = [item for item in found.output if item.type == "function_call" and item.status == "completed"]
    return Read(found.output_text, [json.loads(call.arguments) for call in calls], found.status)


def read_events(name, events):
    """The same, of the events that the SDK read."""
    assert events
    if name == "responses":
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        found = read(name, events[-1].response)
        assert found.text == text
        return found
    if name == "messages":
        deltas = [event.delta for event in events if event.type == "content_block_delta"]
        call = "".join(delta.partial_json for delta in deltas if delta.type == "input_json_delta")
        [end] = [event.delta.stop_reason for event in events if event.type == "message_delta"]
        assert events[-1].type == "message_stop"
        return Read("".join(delta.text for delta in deltas if delta.type == "text_delta"), [json.loads(call)] if call else [], end)
    choices = [choice for event in events for choice in event.choices]
    [end] = [choice.finish_reason for choice in choices if choice.finish_reason]
    if name == "completions":
        return Read("".join(choice.text for choice in choices), [], end)
    call = "".join(call.function.arguments for choice in choices for call in choice.delta.tool_calls or [])
    return Read("".join(choice.delta.content or "" for choice in choices), [json.loads(call)] if call else [], end)


# The ways to ask


def create(server, name, asked):
    with client(server, name) as open_client:
        return read(name, resource(open_client, name).create(**asked))


def create_streamed(server, name, asked):
    with client(server, name) as open_client:
        return read_events(name, list(resource(open_client, name).create(**asked, stream=True)))


def create_later(server, name, asked):
    async def ask():
        async with asynchronous(server, name) as open_client:
            return read(name, await resource(open_client, name).create(**asked))
    return asyncio.run(ask())


def create_streamed_later(server, name, asked):
    async def ask():
        async with asynchronous(server, name) as open_client:
            events = await resource(open_client, name).create(**asked, stream=True)
            return read_events(name, [event async for event in events])
    return asyncio.run(ask())


def summed_up(server, name, asked):
    """What adds a stream up to an answer."""
    with client(server, name) as open_client, resource(open_client, name).stream(**asked) as events:
        if name == "messages":
            assert all(event.type for event in events)
            return read(name, events.get_final_message())
        if name == "chat":
            assert all(event.type for event in events)
            try:
                return read(name, events.get_final_completion())
            except openai.ContentFilterFinishReasonError:
                return read(name, events.current_completion_snapshot)
        return read(name, list(events)[-1].response)


WAYS = [create, create_streamed, create_later, create_streamed_later, summed_up]
CASES = [(name, way) for name in Golden.NAMES for way in WAYS if (name, way) != ("completions", summed_up)]
every_way = pytest.mark.parametrize("name,way", CASES, ids=[f"{name}-{way.__name__}" for name, way in CASES])
every_way_with_tools = pytest.mark.parametrize(
    "name,way", [case for case in CASES if case[0] != "completions"],
    ids=[f"{name}-{way.__name__}" for name, way in CASES if name != "completions"])


@every_way
def test_an_answer_is_read(gate, upstream, name, way):
    upstream.answer = Golden(name).reply("text")
    assert way(gate, name, fields(name, QUESTION)) == Read(WHOLE, [], ENDS[name][0])
    [request] = upstream.requests
    key = request["headers"].get("x-api-key") or request["headers"]["authorization"]
    assert request["path"] == Golden(name).path and key.endswith("sk-of-the-caller")


@every_way_with_tools
def test_a_tool_call_is_read(gate, upstream, name, way):
    upstream.answer = Golden(name).reply("tool")
    found = way(gate, name, fields(name, QUESTION))
    assert found.arguments == [ARGUMENTS] and found.end == ENDS[name][1]


@every_way
def test_a_refused_prompt_is_read_as_a_refusal(gate, upstream, name, way):
    assert way(gate, name, fields(name, f"Tell me of {DENIED}.")) == Read("Not here.", [], ENDS[name][2])
    assert upstream.requests == []


@every_way
def test_an_answer_that_is_refused_in_its_middle_ends_there(gate, upstream, name, way):
    upstream.answer = Golden(name, DENIED).reply("text")
    found = way(gate, name, fields(name, QUESTION))
    assert found.end == ENDS[name][2] and found.arguments == []
    assert found.text == "Not here." or WHOLE.startswith(found.text) and len(found.text) < WHOLE.index("the river")


@every_way_with_tools
def test_a_tool_call_that_is_refused_never_comes(gate, upstream, name, way):
    upstream.answer = Golden(name, DENIED).reply("tool")
    found = way(gate, name, fields(name, QUESTION))
    assert found.end == ENDS[name][2] and found.arguments == []


# What makes objects of answers


class Town(pydantic.BaseModel):
    place: str
    what: str


# For each API: the answer of the fixture with another text, and how its SDK is asked for an object.
PARSING = {
    "chat": lambda client: client.chat.completions.parse(
        model="m", messages=[{"role": "user", "content": QUESTION}], response_format=Town).choices[0].message.parsed,
    "responses": lambda client: client.responses.parse(model="m", input=QUESTION, text_format=Town).output_parsed,
    "messages": lambda client: client.messages.parse(
        model="m", max_tokens=9, messages=[{"role": "user", "content": QUESTION}], output_format=Town).parsed_output,
}


@pytest.mark.parametrize("name", PARSING)
def test_an_object_is_parsed(gate, upstream, name):
    text = json.dumps(json.dumps(ARGUMENTS))[1:-1]
    upstream.answer = http(json.dumps(Golden(name).answers["text"]).replace(WHOLE, text))
    with client(gate, name) as open_client:
        assert PARSING[name](open_client) == Town(**ARGUMENTS)
    assert "schema" in json.dumps(upstream.requests[0]["body"])


def test_where_an_object_is_wanted_the_sdk_names_the_filter(gate, upstream):
    text = json.dumps({"place": "Paris, a town on a river with many bridges", "what": f"about {DENIED} and more"})
    pieces = [text[start:start + 9] for start in range(0, len(text), 9)]
    upstream.answer = lambda request: stream(*events(*pieces)) if request["body"].get("stream") else http(answer(text))
    with client(gate, "chat") as open_client, pytest.raises(openai.ContentFilterFinishReasonError):
        PARSING["chat"](open_client)
    with client(gate, "chat") as open_client, pytest.raises(openai.ContentFilterFinishReasonError):
        with open_client.chat.completions.stream(
                model="m", messages=[{"role": "user", "content": QUESTION}], response_format=Town) as answered:
            answered.until_done()


def test_usage_that_was_asked_for_comes_with_a_refusal_too(gate, upstream):
    with client(gate, "chat") as open_client:
        asked = {**fields("chat", QUESTION), "stream": True, "stream_options": {"include_usage": True}}
        upstream.answer = Golden("chat").reply("text")
        assert list(open_client.chat.completions.create(**asked))[-1].usage.total_tokens == 55
        asked["messages"] = [{"role": "user", "content": DENIED}]
        chunks = list(open_client.chat.completions.create(**asked))
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 0


# Errors and keys


ERRORS = [(400, "BadRequestError"), (401, "AuthenticationError"), (404, "NotFoundError"), (429, "RateLimitError"),
          (500, "InternalServerError")]


@pytest.mark.parametrize("name", ["chat", "messages"])
@pytest.mark.parametrize("status,error", ERRORS)
def test_an_upstreams_error_is_the_sdks_own(gate, upstream, name, status, error):
    body = {"error": {"message": "so it is", "type": "some_error", "code": "some_code", "param": None}, "type": "error"}
    upstream.answer = http(json.dumps(body), f"{status} Odd")
    library = anthropic if name == "messages" else openai
    with client(gate, name) as open_client, pytest.raises(getattr(library, error)) as raised:
        resource(open_client, name).create(**fields(name, QUESTION), stream=True)
    assert "so it is" in str(raised.value)


def test_a_stream_that_breaks_off_is_an_error_of_the_sdk(gate, upstream):
    for name, library in [("chat", openai), ("completions", openai), ("messages", anthropic)]:
        golden = Golden(name)
        steps = golden.events("text")
        upstream.answer = lambda request, steps=steps: stream(*steps[:6])
        with client(gate, name) as open_client, pytest.raises(library.APIError) as raised:
            list(resource(open_client, name).create(**fields(name, QUESTION), stream=True))
        assert "broke off" in str(raised.value)
    golden = Golden("responses")
    upstream.answer = lambda request: stream(*golden.events("text")[:12])
    with client(gate, "responses") as open_client:
        last = list(open_client.responses.create(**fields("responses", QUESTION), stream=True))[-1]
    assert last.type == "error" and "broke off" in last.message


@pytest.mark.parametrize("name", ["chat", "messages"])
def test_a_key_of_ours_opens_the_door_and_the_upstream_gets_its_own(start, upstream, tmp_path, name):
    file = tmp_path / "keys.yaml"
    key = paddock("keys", "add", "app", "--file", file).stdout.decode().strip()
    api = "anthropic" if name == "messages" else "openai"
    server = start(f"keys: {{ file: '{file}' }}\nupstreams: {{ u: {{ url: '{upstream.url}', api: {api} }} }}\n")
    upstream.answer = Golden(name).reply("text")
    library = anthropic if name == "messages" else openai
    with client(server, name) as stranger, pytest.raises(library.AuthenticationError):
        resource(stranger, name).create(**fields(name, QUESTION))
    assert upstream.requests == []
    with client(server, name, api_key=key) as ours:
        resource(ours, name).create(**fields(name, QUESTION))
    assert "authorization" not in upstream.requests[-1]["headers"]
    # Older SDKs of Anthropic's show theirs as x-api-key.
    for header in ["x-paddock-key", *(["x-api-key"] if name == "messages" else [])]:
        with client(server, name, default_headers={header: key}) as both:
            resource(both, name).create(**fields(name, QUESTION))
        sent = upstream.requests[-1]["headers"]
        assert sent["authorization"] == "Bearer sk-of-the-caller" and key not in str(sent)
    if name == "messages":
        arguments = ["-H", f"x-paddock-key: {key}", "-H", "x-api-key: sk-of-the-caller"]
        assert server.post("/v1/messages", fields(name, QUESTION), *arguments).status == 200
        assert upstream.requests[-1]["headers"]["x-api-key"] == "sk-of-the-caller"


def test_models_are_listed(gate, upstream):
    upstream.models = ["m", "n"]
    with client(gate, "chat") as open_client:
        assert [model.id for model in open_client.models.list()] == ["m", "n"]


# What the pages say, done as written


def run(code):
    names = {}
    exec(code, names)
    names["client"].close()


@pytest.mark.parametrize("page,shown,api", [
    ("openai", "https://api.openai.com/v1", "chat"), ("anthropic", "https://api.anthropic.com/v1", "messages")])
def test_a_page_is_done_as_written(start, upstream, tmp_path, capsys, page, shown, api):
    folder = tmp_path / "server0"
    folder.mkdir()
    (folder / f"{page}.key").write_text("sk-of-the-house\n")
    key = paddock("keys", "add", "app", "--file", folder / "keys.yaml").stdout.decode().strip()
    [config], [code] = blocks(f"docs/integrations/{page}.md", "yaml"), blocks(f"docs/integrations/{page}.md", "python")
    server = start(config.replace(shown, upstream.url))
    code = code.replace("http://127.0.0.1:8080", server.url).replace("pdk_…", key)
    upstream.answer = Golden(api).reply("text")
    run(code)
    assert capsys.readouterr().out.startswith(f"answered {WHOLE}\n{WHOLE}")
    assert all("sk-of-the-house" in str(request["headers"]) and key not in str(request) for request in upstream.requests)
    assert len(upstream.requests) == 2
    (folder / "policies").mkdir()
    (folder / "policies" / "default.yaml").write_text(POLICY)
    server = start(config.replace(shown, upstream.url).replace("keys:", f"policies: {{ directory: '{folder}/policies' }}\nkeys:")
                   .replace("keys.yaml", f"{folder}/keys.yaml").replace(f"{page}.key", f"{folder}/{page}.key"))
    code = code.replace("Which is the capital of France?", DENIED)
    run(re.sub(r"http://127.0.0.1:\d+", server.url, code))
    assert capsys.readouterr().out.startswith("refused Not here.\nNot here.") and len(upstream.requests) == 2
