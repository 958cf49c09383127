"""The gateway: chat requests are judged, passed on, and their answers judged before they go back."""

import json
import subprocess

import pytest

from chats import DENIED, STREAM, answer, chat, events, gateway, post, stream
from fault_server import RESET, http
from harness import BINARY


# Answers as a whole


def test_a_request_and_its_answer_pass_byte_for_byte(gateway, faults):
    server = gateway()
    faults.answer = http(answer(x_new_field={"a": [1.50, 1e3]}))
    sent = json.dumps(chat(seed=7, x_unknown="kept"), indent=2)
    found = post(server, sent)
    assert found.status == 200
    assert found.body.decode() == answer(x_new_field={"a": [1.50, 1e3]})
    assert faults.requests[0]["raw"].decode() == sent and faults.requests[0]["path"] == "/v1/chat/completions"
    assert found.headers["x-paddock-input-verdict"] == "safe" or "opaque" in found.headers["x-paddock-input-not-judged"]
    assert found.headers["x-paddock-output-action"] in ("allow", "flag")
    assert found.headers["x-paddock-upstream"] == "default"


def test_a_denied_prompt_never_reaches_the_upstream(gateway, faults):
    server = gateway()
    found = post(server, chat(f"Tell me of {DENIED}."))
    assert found.status == 200 and faults.requests == []
    choice = found.json["choices"][0]
    assert choice["finish_reason"] == "content_filter" and choice["message"]["content"] == "Not here."
    assert found.headers["x-paddock-input-action"] == "block" and found.headers["x-paddock-input-id"].startswith("cls_")
    assert DENIED not in found.body.decode()


@pytest.mark.parametrize("headers,text", [
    (("-H", "accept-language: de-AT,en;q=0.5"), "Hier nicht."), (("-H", "accept-language: fr"), "Not here.")])
def test_a_refusal_speaks_the_clients_language_where_the_policy_does(gateway, headers, text):
    found = post(gateway(), chat(DENIED), *headers)
    assert found.json["choices"][0]["message"]["content"] == text


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_refusal_may_have_a_status_of_its_own(gateway, status):
    found = post(gateway(f"gateway: {{ refusal_status: {status} }}\n"), chat(DENIED))
    assert found.status == status
    assert found.json["error"]["code"] == "content_filter" and found.json["error"]["message"] == "Not here."


def test_a_denied_answer_is_replaced_and_its_tokens_are_told(gateway, faults):
    server = gateway()
    faults.answer = http(answer(f"It is about {DENIED}, you see."))
    found = post(server, chat())
    assert found.status == 200 and DENIED not in found.body.decode()
    assert found.json["choices"][0]["finish_reason"] == "content_filter"
    assert found.json["usage"]["completion_tokens"] == 5
    assert found.headers["x-paddock-output-action"] == "block"


def test_what_is_flagged_passes_and_says_so(gateway, faults):
    server = gateway()
    faults.answer = http(answer("Have some lukewarm lemonade."))
    found = post(server, chat())
    assert found.body.decode() == answer("Have some lukewarm lemonade.")
    assert found.headers["x-paddock-output-action"] == "flag" and found.headers["x-paddock-output-categories"] == "S7"


def test_what_is_masked_is_masked_both_ways(gateway, faults):
    server = gateway()
    faults.answer = http(answer("The secret pancake is here."))
    found = post(server, chat("Where is the secret pancake?"))
    assert "secret pancake" not in json.dumps(faults.requests[0]["body"])
    assert faults.requests[0]["body"]["model"] == "m"
    text = found.json["choices"][0]["message"]["content"]
    assert text.startswith("The ") and text.endswith(" is here.") and "pancake" not in text
    assert found.json["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("body", [
    {"model": "m", "messages": [{"role": "system", "content": DENIED}, {"role": "user", "content": "Hello there."}]},
    {"model": "m", "messages": [{"role": "user", "content": DENIED}, {"role": "assistant", "content": "No."},
                                {"role": "user", "content": "Hello there."}]},
    {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": DENIED}]}]},
    {"model": "m", "messages": [{"role": "user", "content": "Hello there."}],
     "tools": [{"type": "function", "function": {"name": "f", "description": DENIED, "parameters": {"type": "object"}}}]},
    {"model": "m", "messages": [{"role": "user", "content": "Hello there."}], "metadata": {"note": DENIED}},
])
def test_every_place_of_a_request_is_judged(gateway, faults, body):
    server = gateway()
    assert post(server, body).json["choices"][0]["finish_reason"] == "content_filter"
    assert faults.requests == []


def test_arguments_of_a_call_are_judged(gateway, faults):
    server = gateway()
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": json.dumps({"q": DENIED})}}
    body = json.loads(answer())
    body["choices"][0] = {"index": 0, "finish_reason": "tool_calls",
                          "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
    faults.answer = http(json.dumps(body))
    assert post(server, chat()).json["choices"][0]["finish_reason"] == "content_filter"


def test_an_error_of_the_upstream_comes_through_judged(gateway, faults):
    server = gateway()
    faults.answer = http(json.dumps({"error": {"message": "no such model", "type": "x", "code": "y"}}), "404 Not Found")
    found = post(server, chat())
    assert found.status == 404 and found.json["error"]["message"] == "no such model"
    faults.answer = http(json.dumps({"error": {"message": f"you said {DENIED}"}}), "400 Bad Request")
    found = post(server, chat())
    assert DENIED not in found.body.decode()


@pytest.mark.parametrize("reply,status,code", [
    (http("<html>no</html>", content_type="text/html"), 502, "upstream_wrong_content_type"),
    (http("{not json"), 502, "upstream_unreadable"), (http("[]"), 502, "upstream_unreadable"),
    (http(answer(), length=5000), 502, "upstream_truncated"), ([RESET], 502, "upstream_truncated"),
    (None, 504, "upstream_timeout")])
def test_a_broken_upstream_is_a_clear_error(gateway, faults, reply, status, code):
    server = gateway(upstream=", first_byte_timeout_ms: 300, idle_timeout_ms: 300")
    faults.answer = reply
    found = post(server, chat())
    assert (found.status, found.json["error"]["code"]) == (status, code)
    assert server.metric(f'paddock_requests_total{{route="/v1/chat/completions",status="{status}"}}') == 1
    faults.answer = http(answer())
    assert post(server, chat()).status == 200


def test_an_answer_that_is_too_large_is_a_clear_error_however_it_comes(gateway, faults):
    whole = answer("In the kitchen. " * 100)
    server = gateway(f"gateway: {{ answer_bytes: {len(whole) - 1} }}\n")
    # At once, cut later, and with more to come.
    for reply in (http(whole), [http(whole, length=5000), 0.1], [http(whole, length=5000), 2.0]):
        faults.answer = reply
        found = post(server, chat())
        assert (found.status, found.json["error"]["code"]) == (502, "upstream_too_large"), found.body
    faults.answer = http(answer())
    assert post(server, chat()).status == 200


@pytest.mark.parametrize("streamed", [False, True])
def test_what_was_masked_or_flagged_is_no_beginning_to_remember(gateway, faults, streamed):
    server = gateway()
    faults.answer = stream(*events("In the ", "kitchen.")) if streamed else http(answer("In the kitchen."))
    turns = [{"role": "user", "content": "Where is the secret pancake?"}, {"role": "assistant", "content": "In the kitchen."},
             {"role": "user", "content": "Thank you."}]
    for said in [turns[:1], turns]:
        assert post(server, {"model": "m", "messages": said, "stream": streamed}).status == 200
        assert "secret pancake" not in faults.requests[-1]["raw"].decode() and "Where is" in faults.requests[-1]["raw"].decode()
    turns[0]["content"] = "Where is the lukewarm lemonade?"
    for said in [turns[:1], turns]:
        found = post(server, {"model": "m", "messages": said, "stream": streamed})
        assert found.headers["x-paddock-input-action"] == "flag"


def test_an_upstream_that_is_judged_otherwise_is_not_asked_in_the_place_of_another(gateway, faults):
    from fault_server import free_port
    faults.answer = http(answer())
    other = f"b: {{ url: '{faults.url}', policy: strict }}"
    server = gateway(f"upstreams: {{ a: {{ url: 'http://127.0.0.1:{free_port()}/v1' }}, {other} }}\n")
    assert post(server, chat()).status == 502 and faults.requests == []


# Who serves, and by what right


def test_models_find_their_upstreams_and_a_broken_one_is_passed_over(gateway, faults):
    from fault_server import FaultServer, free_port
    with FaultServer() as other:
        other.close = True
        other.answer = http(answer("from the other"))
        faults.answer = http(answer("from the first"))
        server = gateway(
            "upstreams:\n"
            f"  dead: {{ url: 'http://127.0.0.1:{free_port()}/v1', models: ['big-*'] }}\n"
            f"  big: {{ url: '{other.url}', models: ['big-*'] }}\n"
            f"  rest: {{ url: '{faults.url}' }}\n")
        assert "from the other" in post(server, chat(model="big-7b")).body.decode()
        assert "from the first" in post(server, chat(model="small")).body.decode()
        faults.answer = http("{}", "503 Service Unavailable")
        found = post(server, chat(model="small"))
        assert found.status == 503
        assert server.metric('paddock_upstream_calls_total{upstream="dead",outcome="backend_connect"}') >= 1


def test_other_routes_are_not_there_and_listed_ones_are_counted(gateway, faults):
    server = gateway(upstream=", passthrough: ['POST /embeddings']")
    faults.answer = http('{"data":[]}')
    assert post(server, {"input": "x"}, path="/v1/audio/speech").status == 404
    found = post(server, {"input": DENIED}, path="/v1/embeddings")
    assert found.status == 200 and found.headers["x-paddock-judged"] == "no"
    assert faults.requests[-1]["path"] == "/v1/embeddings"
    assert server.metric("paddock_passthrough_requests_total") == 1
    assert any("passed on without a judgement" in line.get("message", "") for line in server.log_lines())
    faults.models = ["m"]
    assert server.get("/v1/models").json["data"] == [{"id": "m"}]


def test_no_route_of_the_gateway_is_there_without_upstreams(start):
    server = start()
    assert server.post("/v1/chat/completions", chat()).status == 404


def test_keys_of_ours_stay_here_and_the_callers_go_on(gateway, faults, tmp_path):
    folder = tmp_path / "server0"
    folder.mkdir(exist_ok=True)
    keys = folder / "keys.yaml"
    made = subprocess.run([BINARY, "keys", "add", "app", "--file", keys], capture_output=True, text=True, check=True)
    key = next(word for word in (made.stdout + made.stderr).split() if word.startswith("pdk_"))
    (folder / "upstream.key").write_text("sk-of-the-house\n")
    server = gateway(STREAM + "keys: { file: keys.yaml }\n")
    faults.answer = http(answer())
    assert post(server, chat()).status == 401
    assert post(server, chat(), "-H", f"authorization: Bearer {key}").status == 200
    assert "authorization" not in faults.requests[-1]["headers"]
    assert post(server, chat(), "-H", f"x-paddock-key: {key}", "-H", "authorization: Bearer sk-mine",
                "-H", "x-secret: 1", "-H", "openai-beta: b").status == 200
    headers = faults.requests[-1]["headers"]
    assert headers["authorization"] == "Bearer sk-mine" and headers["openai-beta"] == "b"
    assert "x-paddock-key" not in headers and "x-secret" not in headers


def test_of_two_keys_ours_is_the_one_that_looks_like_it(gateway, faults, tmp_path):
    folder = tmp_path / "server0"
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        [BINARY, "keys", "add", "app", "--file", folder / "keys.yaml"], capture_output=True, text=True, check=True)
    key = next(word for word in (made.stdout + made.stderr).split() if word.startswith("pdk_"))
    server = gateway("keys: { file: keys.yaml }\n", upstream=", api: anthropic")
    faults.models = ["m"]
    for headers in [[f"x-api-key: {key}"], ["x-api-key: sk-mine", f"authorization: Bearer {key}"]]:
        arguments = [part for header in headers for part in ("-H", header)]
        assert server.get("/v1/models", *arguments).status == 200
    assert server.get("/v1/models", "-H", "x-api-key: sk-mine").status == 401


def test_the_houses_key_takes_the_place_of_the_callers(gateway, faults, tmp_path):
    (tmp_path / "server0").mkdir(exist_ok=True)
    (tmp_path / "server0" / "upstream.key").write_text("sk-of-the-house\n")
    server = gateway(upstream=", key_file: upstream.key")
    faults.answer = http(answer())
    post(server, chat(), "-H", "authorization: Bearer sk-mine")
    assert faults.requests[-1]["headers"]["authorization"] == "Bearer sk-of-the-house"


def test_a_caller_cannot_choose_who_judges(gateway, faults):
    server = gateway()
    faults.answer = http(answer())
    found = post(server, chat(DENIED, policy="lenient", judge="none", metadata={"policy": "x"}))
    assert found.json["choices"][0]["finish_reason"] == "content_filter"


def test_of_a_growing_conversation_only_what_is_new_is_judged(gateway, faults):
    from fault_server import FaultServer, completion
    with FaultServer() as guard:
        guard.answer = completion("safe", {"safe": -0.01, "unsafe": -5.0})
        server = gateway(
            STREAM + "default_judge: guard\ncache: { bytes: 0 }\n"
            "judges: { guard: { kind: model, profile: llama-guard-3-8b, backends: [b] } }\n"
            f"backends: {{ b: {{ dialect: openai-completions, url: '{guard.url}', model: m }} }}\n")
        turns = []
        for turn in range(6):
            turns.append({"role": "user", "content": f"Question {turn}?"})
            faults.answer = http(answer(f"Answer {turn}."))
            before = len(guard.requests)
            assert post(server, {"model": "m", "messages": turns}).status == 200
            # One for the new question, one for its answer.
            assert len(guard.requests) - before == 2
            turns.append({"role": "assistant", "content": f"Answer {turn}."})
        # Another beginning is another conversation.
        turns[0]["content"] = "Question 0 ?"
        before = len(guard.requests)
        turns.append({"role": "user", "content": "And?"})
        assert post(server, {"model": "m", "messages": turns}).status == 200
        assert len(guard.requests) - before > 10
