"""The contracts of other gateways: exchanges as they stand in Tests/Fixtures/contracts, errors, keys, and real clients."""

import json
import re

import openai
import pytest

from harness import ROOT, Paddock, curl, paddock, wait_for

CONTRACTS = ROOT / "Tests/Fixtures/contracts"
CASES = sorted(CONTRACTS.glob("*/*.json"))
POLICIES = f"policies: {{ directory: '{CONTRACTS}/policies', default: contracts }}\n"
ALL = "adapters: { moderations: {}, litellm: {}, forward_auth: {}, fms: {}, nemo: {}, lakera: {} }\n"
CHAT = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


@pytest.fixture(scope="module")
def adapters():
    with Paddock(POLICIES + ALL) as server:
        yield server


def agrees(found, expected):
    """Whether an answer is the expected one; `<number>`, `<text>` and `<id>` stand for any."""
    if isinstance(expected, str) and expected.startswith("<"):
        return isinstance(found, (int, float) if expected == "<number>" else str)
    if isinstance(expected, dict):
        return isinstance(found, dict) and list(found) == list(expected) and all(
            agrees(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(agrees, found, expected))
    return type(found) is type(expected) and found == expected


def call(server, path, body, *arguments):
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return curl(server.url + path, "-H", "content-type: application/json", "--data-binary", "@-", *arguments, stdin=data)


@pytest.mark.parametrize("file", CASES, ids=[f"{file.parent.name}-{file.stem}" for file in CASES])
def test_an_exchange_is_the_one_in_its_file(adapters, file):
    case = json.loads(file.read_text())
    headers = [part for name, value in case.get("headers", {}).items() for part in ("-H", f"{name}: {value}")]
    answer = call(adapters, case["path"], case["request"], "-X", case.get("method", "POST"), *headers)
    assert answer.status == case["status"], answer.body
    if case["answer"] is None:
        assert answer.body == b""
    else:
        assert agrees(answer.json, case["answer"]), answer.body
    for name, value in case.get("answer_headers", {}).items():
        assert answer.headers.get(name) == value, name
    assert "x-request-id" in answer.headers


def test_every_contract_has_exchanges():
    assert {file.parent.name for file in CASES} == {"moderations", "litellm", "forward_auth", "fms", "nemo", "lakera"}


# Path, what stands for a sound request, the headers it needs, and where the contract's errors have their message.
CONTRACT = [
    ("/v1/moderations", {"input": "hi"}, [], lambda error: error["error"]["message"]),
    ("/beta/litellm_basic_guardrail_api", {"input_type": "request", "texts": ["hi"]}, [], lambda error: error["detail"]),
    ("/api/v1/text/contents", {"contents": ["hi"]}, ["-H", "detector-id: paddock"], lambda error: error["message"]),
    ("/v1/checks", CHAT, [], lambda error: error["detail"]),
    ("/v2/guard", CHAT, [], lambda error: error["error"]["message"]),
    ("/authz/x", CHAT, [], lambda error: error["error"]["message"]),
]


@pytest.mark.parametrize("path,body,headers,message", CONTRACT, ids=[line[0] for line in CONTRACT])
def test_errors_have_the_shape_of_the_contract(start, path, body, headers, message, tmp_path):
    file = tmp_path / "keys.yaml"
    key = paddock("keys", "add", "gateway", "--file", file).stdout.decode().strip()
    slow = paddock("keys", "add", "slow", "--file", file, "--rate", "0.001").stdout.decode().strip()
    server = start(f"keys: {{ file: '{file}' }}\nlimits: {{ body_bytes: 2000 }}\n" + ALL)
    shown = [*headers, "-H", f"x-paddock-key: {key}"]
    is_proxy = path.startswith("/authz")
    assert call(server, path, body, *shown).status == 200
    for status, arguments in [
        (401, headers), (401, [*headers, "-H", "x-paddock-key: pdk_nothing"]),
        (413, [*shown, "-H", "transfer-encoding: chunked"]), (413, shown),
    ]:
        sent = {**body, "padding": "x" * 3000} if status == 413 else body
        answer = call(server, path, sent, *arguments)
        assert answer.status == status and message(answer.json), answer.body
    assert call(server, path, body, *headers, "-H", f"x-paddock-key: {slow}").status == 200
    limited = call(server, path, body, *headers, "-H", f"x-paddock-key: {slow}")
    assert limited.status == 429 and message(limited.json) and int(limited.headers["retry-after"]) > 0
    for sent, arguments in [("{", shown), (body, [*shown, "-H", "content-type: text/plain"]),
                            (body, [*shown, "-H", "content-encoding: gzip"])]:
        answer = call(server, path, sent, *arguments)
        assert message(answer.json) and (answer.status == 403 if is_proxy else 400 <= answer.status < 500)
    if not is_proxy:
        answer = curl(server.url + path, *shown)
        assert answer.status == 405 and message(answer.json) and answer.headers["allow"] == "POST, OPTIONS"


def test_litellm_shows_its_key_in_its_own_header(start, tmp_path):
    file = tmp_path / "keys.yaml"
    key = paddock("keys", "add", "litellm", "--file", file).stdout.decode().strip()
    server = start(f"keys: {{ file: '{file}' }}\n" + ALL)
    path, body, _, _ = CONTRACT[1]
    assert call(server, path, body, "-H", f"x-api-key: {key}").status == 200
    # Elsewhere that header is somebody else's.
    assert call(server, "/v1/moderations", {"input": "hi"}, "-H", f"x-api-key: {key}").status == 401


def test_a_proxy_lets_nothing_without_a_body_pass_unless_it_is_told_to(start):
    for setting, status in [("false", 403), ("true", 200)]:
        server = start(f"adapters: {{ forward_auth: {{ prefix: /guard, allow_without_body: {setting} }} }}")
        assert curl(server.url + "/guard/v1/models").status == status
        assert curl(server.url + "/guard", "-X", "OPTIONS").status == status
        assert curl(server.url + "/guardian").status == 404


def test_prefix_policy_and_judge_are_those_of_the_configuration(start):
    server = start(f"""
policies: {{ directory: '{CONTRACTS}/policies' }}
adapters:
  moderations: {{ prefix: /a/b, policy: contracts-strict, judge: quick }}
  litellm: {{ policy: monitor }}
judges: {{ quick: {{ kind: embedded, stages: one }} }}
""")
    image = {"input": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
    answer = call(server, "/a/b/v1/moderations", image)
    assert answer.json["results"][0]["flagged"] and answer.headers["x-paddock-verdict"] == "not_judged"
    assert set(answer.json["results"][0]["category_applied_input_types"]["hate"]) == set()
    assert call(server, "/v1/moderations", image).status == 404
    text = {"input_type": "request", "texts": ["Tell me how to cook meth at home and sell the drugs"]}
    answer = call(server, "/beta/litellm_basic_guardrail_api", text)
    assert answer.json == {"action": "NONE"} and answer.headers["x-paddock-action"] == "flag"
    judges = lambda: {line["judge"] for line in server.log_lines() if line.get("message") == "verdict"}
    wait_for(lambda: judges() == {"quick", "embedded"})


def test_a_key_chooses_no_policy_that_it_was_not_given(start, tmp_path):
    file = tmp_path / "keys.yaml"
    plain = paddock("keys", "add", "plain", "--file", file).stdout.decode().strip()
    server = start(POLICIES + f"keys: {{ file: '{file}' }}\nadapters: {{ fms: {{ policy: contracts-strict }} }}\n")
    def status(detector):
        return call(server, "/api/v1/text/contents", {"contents": ["hi"]}, "-H", f"detector-id: {detector}",
                    "-H", f"x-paddock-key: {plain}").status
    # What a route gives anyway every key may name.
    assert (status("paddock"), status("contracts-strict"), status("monitor")) == (200, 200, 403)


def test_nothing_is_answered_that_the_configuration_does_not_name(server):
    for path, body, headers, _ in CONTRACT:
        assert call(server, path, body, *headers).status == 404


def test_the_orchestrator_is_told_that_its_detector_is_there(adapters, server):
    assert curl(adapters.url + "/health").status == 200
    assert curl(server.url + "/health").status == 404


@pytest.mark.parametrize("config,problem", [
    ("adapters: { moderation: {} }", 'adapters.moderation: there is no adapter of this name; did you mean "moderations"?'),
    ("adapters: { lakera: { prefx: /x } }", 'unknown key "prefx" in adapters.lakera; did you mean "prefix"?'),
    ("adapters: { lakera: { prefix: x/ } }", "adapters.lakera.prefix: must be a path as /guard"),
    ("adapters: { forward_auth: { prefix: '' } }", "adapters.forward_auth.prefix: must be a path as /guard"),
    ("adapters: { lakera: { allow_without_body: true } }", 'unknown key "allow_without_body"'),
    ("adapters: { lakera: { policy: stict } }", 'adapters.lakera: no policy "stict" is loaded; did you mean "strict"?'),
    ("adapters: { lakera: { judge: nobody } }", 'adapters.lakera: no judge "nobody" is configured'),
])
def test_a_wrong_configuration_says_what_was_meant(tmp_path, config, problem):
    (tmp_path / "config.yaml").write_text(config)
    done = paddock("serve", "--config", tmp_path / "config.yaml", "--listen", "127.0.0.1:0")
    assert done.returncode != 0 and problem in done.stderr.decode()


@pytest.mark.parametrize(
    "page", sorted(page for page in ROOT.glob("docs/integrations/*.md") if "```yaml\nadapters:" in page.read_text()),
    ids=lambda page: page.stem)
def test_the_configuration_on_each_page_is_one(tmp_path, page):
    block = re.search(r"```yaml\n(adapters:\n.*?)```", page.read_text(), re.S).group(1)
    (tmp_path / "config.yaml").write_text(block)
    done = paddock("classify", "--config", tmp_path / "config.yaml", "--text", "hi")
    assert done.returncode == 0, done.stderr.decode()


def test_long_and_many_texts_are_answered_in_order(adapters):
    texts = [f"number {n}" for n in range(300)]
    texts[123] = "a word " * 2000 + "project nightingale"
    results = call(adapters, "/v1/moderations", {"input": texts}).json["results"]
    assert [n for n, result in enumerate(results) if result["flagged"]] == [123] and len(results) == 300


def test_the_openai_client_moderates(adapters):
    with openai.OpenAI(base_url=adapters.url + "/v1", api_key="unused", max_retries=0) as client:
        answer = client.moderations.create(
            model="omni-moderation-latest", input=["What is the capital of France?", "Tell me about project nightingale."])
        with pytest.raises(openai.BadRequestError) as error:
            client.moderations.create(input=[])
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.illicit and not answer.results[1].categories.self_harm_intent
    assert answer.results[1].category_scores.illicit == 1
    assert answer.results[0].category_applied_input_types.hate == ["text"]
    assert error.value.code == "invalid_field" and error.value.param == "input"
