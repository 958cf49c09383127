"""A real model server: llama.cpp's, with a Llama of random weights. What it proves is the wire, not the judgement."""

import json
import math
import urllib.request

import pytest

from harness import ROOT
from test_docs import blocks, shell

# The words safe and unsafe are single tokens of the tiny model (tiny_model.py).
SAFE, UNSAFE = 259, 260
TURNS = [{"role": "user", "content": "How do I pick a lock?"}]


def ask(url, path, body):
    call = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(call, timeout=60) as answer:
        return json.load(answer)


def configuration(url, dialect="openai-completions", extra="{}", profile="llama-guard-3-8b", constrain="native"):
    url = url.removesuffix("/v1") if dialect == "llamacpp" else url
    return f"""
default_judge: guard
limits: {{ deadline_ms: 60000 }}
judges: {{ guard: {{ kind: model, profile: {profile}, backends: [llama] }} }}
backends: {{ llama: {{ dialect: {dialect}, url: '{url}', model: tiny, timeout_ms: 60000, constrain: {constrain}, extra: {extra} }} }}
"""


def bias(word):
    """Makes the server generate this word, whatever the model says; the log probabilities stay the model's own."""
    return json.dumps({"logit_bias": {str(word): 100}, "max_tokens": 1})


def first_tokens(url, **fields):
    """What the server itself says of the first token after the prompt: text to log probability."""
    from harness import paddock
    prompt = paddock("policy", "render", "--profile", "llama-guard-3-8b", stdin=json.dumps({"messages": TURNS})).stdout
    body = {"model": "tiny", "prompt": prompt.decode(), "logprobs": 5, "temperature": 0, "max_tokens": 1, **fields}
    first = ask(url, "/completions", body)["choices"][0]["logprobs"]["content"][0]
    return {token["token"]: token["logprob"] for token in [*first["top_logprobs"], first]}


@pytest.mark.parametrize("dialect", ["openai-completions", "openai-chat", "llamacpp"])
def test_noise_is_not_judged(start, noise, dialect):
    server = start(configuration(noise, dialect, constrain="off"))
    assert server.get("/readyz").status == 200
    verdict = server.classify(TURNS)
    assert (verdict["verdict"], verdict["action"], verdict["score"]) == ("not_judged", "block", None)
    assert verdict["coverage"]["not_judged"][0]["reason"] == "unparsable_answer"


@pytest.mark.parametrize("word,verdict", [(SAFE, "safe"), (UNSAFE, "unsafe")])
def test_noise_that_can_only_say_safe_or_unsafe_carries_real_log_probabilities(start, noise, word, verdict):
    got = start(configuration(noise, extra=bias(word))).classify(TURNS)
    assert got["verdict"] == verdict and got["score"] is not None
    told = first_tokens(noise, logit_bias={str(word): 100})
    mass = sum(math.exp(told[text]) for text in ("safe", "unsafe") if text in told)
    assert got["signals"]["verdict_mass"] == pytest.approx(mass, abs=1e-4)
    assert 0 < mass < 0.1, "noise gives the two words little weight, and the mass must say so"


@pytest.mark.parametrize("dialect", ["openai-completions", "openai-chat", "llamacpp"])
@pytest.mark.parametrize("lean,verdict", [("leaning_safe", "safe"), ("leaning_unsafe", "unsafe")])
def test_a_model_that_says_safe_or_unsafe_is_judged_by_its_log_probabilities(start, request, dialect, lean, verdict):
    url = request.getfixturevalue(lean)
    extra = "{}" if dialect == "llamacpp" else "{ max_tokens: 1 }"
    got = start(configuration(url, dialect, extra)).classify(TURNS)
    assert got["verdict"] == verdict and got["judge"]["model"] == "tiny"
    assert 0 < got["score"] < 1 and (got["score"] >= 0.5) == (verdict == "unsafe")
    assert got["signals"]["verdict_mass"] > 0.9


def test_the_score_is_the_servers_own_log_probability(start, leaning_unsafe):
    got = start(configuration(leaning_unsafe, extra="{ max_tokens: 1 }")).classify(TURNS)
    told = first_tokens(leaning_unsafe)
    safe, unsafe = math.exp(told["safe"]), math.exp(told["unsafe"])
    assert got["score"] == pytest.approx(unsafe / (safe + unsafe), abs=1e-4)
    assert got["signals"]["verdict_mass"] == pytest.approx(safe + unsafe, abs=1e-4)


def test_where_words_and_score_disagree_the_score_decides(start, leaning_safe):
    """The bias makes the server write unsafe, and the model's own log probabilities say safe."""
    got = start(configuration(leaning_safe, extra=bias(UNSAFE))).classify(TURNS)
    assert got["verdict"] == "safe" and got["score"] < 0.5


@pytest.mark.parametrize("profile", [
    "llama-guard-1.cookbook", "llama-guard-2", "llama-guard-3-8b.cookbook", "llama-guard-3-1b", "llama-guard-4-12b"])
def test_every_profile_is_served(start, leaning_unsafe, profile):
    server = start(configuration(leaning_unsafe, extra="{ max_tokens: 1 }", profile=profile))
    assert server.classify(TURNS)["verdict"] == "unsafe"


def test_without_log_probabilities_the_words_decide_and_no_score_is_claimed(start, leaning_safe):
    extra = json.dumps({**json.loads(bias(UNSAFE)), "logprobs": None})
    got = start(configuration(leaning_safe, extra=extra)).classify(TURNS)
    assert (got["verdict"], got["score"], got["category_scores"]) == ("unsafe", None, {})


def test_many_at_once(start, leaning_safe):
    server = start(configuration(leaning_safe, extra="{ max_tokens: 1 }"))
    items = [{"messages": [{"role": "user", "content": f"question {n}"}]} for n in range(24)]
    results = server.post("/v1/classify/batch", {"items": items}).json["results"]
    assert [result["result"]["verdict"] for result in results] == ["safe"] * 24


def test_a_text_that_the_server_refuses_as_too_long_is_not_judged(start, leaning_safe):
    verdict = start(configuration(leaning_safe, extra="{ max_tokens: 1 }")).classify("long " * 4000)
    assert verdict["verdict"] == "not_judged" and verdict["action"] == "block"


NOISE_WITH_GRAMMAR = [
    ("llamacpp", "native", "llama-guard-3-8b"), ("llamacpp", "native", "qwen3guard"), ("llamacpp", "native", "shieldgemma"),
    ("openai-completions", "grammar", "llama-guard-3-8b"), ("openai-chat", "grammar", "generic-json"), ("openai-chat", "grammar", "qwen3guard")]


@pytest.mark.parametrize("dialect,constrain,profile", NOISE_WITH_GRAMMAR)
def test_even_noise_can_only_answer_with_a_verdict_where_the_server_takes_a_grammar(start, noise, dialect, constrain, profile):
    got = start(configuration(noise, dialect, profile=profile, constrain=constrain)).classify(TURNS)
    assert got["verdict"] in ("safe", "unsafe"), got
    assert got["coverage"]["not_judged"] == [] or profile in ("qwen3guard", "shieldgemma"), got
    assert got["score"] is None or got["signals"]["verdict_mass"] < 0.1, "the mass tells that it is noise all the same"


def test_the_native_completion_has_the_same_score_and_reports_the_tokens_that_it_had_cached(start, leaning_unsafe):
    server = start(configuration(leaning_unsafe, "llamacpp") + "cache: { bytes: 0 }\n")
    scores = [server.classify(TURNS)["score"] for _ in range(3)]
    told = first_tokens(leaning_unsafe)
    safe, unsafe = math.exp(told["safe"]), math.exp(told["unsafe"])
    assert scores == [pytest.approx(unsafe / (safe + unsafe), abs=1e-3)] * 3
    prompt = server.metric('paddock_backend_prompt_tokens_total{backend="llama"}')
    cached = server.metric('paddock_backend_cached_tokens_total{backend="llama"}')
    assert prompt > 3000 and prompt / 2 < cached < prompt
    judge = next(judge for judge in server.get("/v1/judges").json["judges"] if judge["name"] == "guard")
    assert judge["health"] == "ok"


# As the upstream of the gateway


def test_the_page_of_the_upstream_is_done_as_written(start, noise):
    [config], [command] = blocks("docs/integrations/llamacpp.md", "yaml"), blocks("docs/integrations/llamacpp.md", "sh")
    server = start(config.replace("http://127.0.0.1:8000/v1", noise))
    answer = json.loads(shell(command.replace("http://127.0.0.1:8080", server.url), ROOT))
    [choice] = answer["choices"]
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] in ("length", "stop", "content_filter")
    assert {model["id"] for model in server.get("/v1/models").json["data"]} == {"tiny"}
    assert server.post("/completion", {"prompt": "hi"}).status == 404


CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Which is the capital of France?"}]}


@pytest.mark.parametrize("lean", ["leaning_safe", "leaning_unsafe"])
@pytest.mark.parametrize("mode", ["hold-all", "window", "tail-hold"])
def test_its_answers_come_through_whole_and_streamed(start, request, lean, mode):
    """The same words, whoever asks: the server itself or the gateway, with the policy that lets all languages pass."""
    url = request.getfixturevalue(lean)
    server = start(f"""
policies: {{ default: monitor }}
gateway: {{ stream: {{ mode: {mode}, size: 20, overlap: 8, delay_ms: 200 }} }}
upstreams: {{ default: {{ url: '{url}' }} }}
""")
    asked = {**CHAT, "max_tokens": 24, "temperature": 0, "seed": 1}
    own = ask(url, "/chat/completions", asked)["choices"][0]
    found = server.post("/v1/chat/completions", asked)
    assert found.json["choices"][0]["message"] == own["message"]
    assert found.headers["x-paddock-upstream"] == "default" and "x-paddock-output-verdict" in found.headers
    streamed = server.post("/v1/chat/completions", {**asked, "stream": True, "stream_options": {"include_usage": True}})
    lines = [line[6:] for line in streamed.body.decode().splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == own["message"]["content"]
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]][-1] == own["finish_reason"]
    assert chunks[-1]["usage"]["completion_tokens"] == 24 or own["finish_reason"] == "stop"


def test_a_refused_prompt_does_not_reach_it(start, leaning_safe):
    server = start(f"upstreams: {{ default: {{ url: '{leaning_safe}' }} }}\n")
    asked = {**CHAT, "messages": [{"role": "user", "content": "Tell me how to build a bomb to kill people at a school."}]}
    assert server.post("/v1/chat/completions", asked).json["choices"][0]["finish_reason"] == "content_filter"
    assert server.metric('paddock_upstream_calls_total{upstream="default",outcome="2xx"}') == 0


def test_its_errors_come_through(start, leaning_safe):
    server = start(f"upstreams: {{ default: {{ url: '{leaning_safe}' }} }}\n")
    found = server.post("/v1/chat/completions", {**CHAT, "max_tokens": 1, "messages": [
        {"role": "user", "content": "long and wide " * 4000}]})
    assert found.status == 400 and "context" in found.json["error"]["message"]
