"""Model servers of every kind that cannot be installed here: exchanges written from their documentation (recorded).

What Paddock sends is held against the documentation's request, and what it makes of the documentation's answer is judged.
llama.cpp's server is asked for real in test_llama_server.py.
"""

import json

import pytest

from fault_server import chat, completion, http
from harness import Paddock, paddock

UNSAFE_FIRST = [{"token": "unsafe", "logprob": -0.1}, {"token": "safe", "logprob": -2.4}]
SCORE = 0.9089  # exp(-0.1) / (exp(-0.1) + exp(-2.4))

TURNS = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "second"}]


def configuration(url, dialect, profile="llama-guard-3-8b", backend="", judge="", more=""):
    return f"""
default_judge: guard
cache: {{ bytes: 0 }}
judges: {{ guard: {{ kind: model, profile: {profile}, backends: [b], {judge} }} }}
backends:
  b: {{ dialect: {dialect}, url: '{url}', model: tiny, timeout_ms: 2000, {backend} }}
{more}
"""


def prompt(profile="llama-guard-3-8b", turns=TURNS):
    return paddock("policy", "render", "--profile", profile, stdin=json.dumps({"messages": turns})).stdout.decode()


OLLAMA = http(json.dumps({
    "model": "llama-guard3:8b", "created_at": "2025-12-01T08:00:00Z", "response": "unsafe\nS9", "done": True,
    "done_reason": "stop", "prompt_eval_count": 230, "eval_count": 4,
    "logprobs": [{**UNSAFE_FIRST[0], "bytes": [117], "top_logprobs": UNSAFE_FIRST}]}))
TGI = http(json.dumps({
    "generated_text": "unsafe\nS9",
    "details": {"finish_reason": "eos_token", "generated_tokens": 4, "seed": None, "prefill": [],
                "tokens": [{"id": 1, "text": "unsafe", "logprob": -0.1, "special": False}],
                "top_tokens": [[{"id": 1, "text": "unsafe", "logprob": -0.1, "special": False},
                                {"id": 2, "text": "safe", "logprob": -2.4, "special": False}]]}}))
LLAMACPP = http(json.dumps({
    "index": 0, "content": "unsafe\nS9", "stop": True, "truncated": False, "tokens_evaluated": 230, "tokens_cached": 234,
    "timings": {"cache_n": 200, "prompt_n": 30},
    "completion_probabilities": [{"id": 1, **UNSAFE_FIRST[0], "bytes": [117], "top_logprobs": UNSAFE_FIRST}]}))
VLLM = completion("unsafe\nS9", {"unsafe": -0.1, "safe": -2.4})
PROMPTED = {
    "ollama": (OLLAMA, "/api/generate", lambda body: body["prompt"]), "tgi": (TGI, "/generate", lambda body: body["inputs"]),
    "llamacpp": (LLAMACPP, "/completion", lambda body: body["prompt"]),
    "openai-completions": (VLLM, "/v1/completions", lambda body: body["prompt"])}


@pytest.mark.parametrize("dialect", PROMPTED)
def test_recorded_a_server_that_continues_prompts(start, faults, dialect):
    faults.answer, path, sent = PROMPTED[dialect]
    base = faults.url if dialect.startswith("openai") else faults.url.removesuffix("/v1")
    server = start(configuration(base, dialect))
    got = server.classify(TURNS)
    assert (got["verdict"], got["score"]) == ("unsafe", pytest.approx(SCORE, abs=1e-3))
    assert [category["code"] for category in got["violated_categories"]] == ["S9"]
    request = faults.requests[-1]
    assert request["path"] == path and sent(request["body"]) == prompt()
    assert server.get("/readyz").status == 200


STYLES = {
    "structured_outputs": lambda body: body["structured_outputs"]["regex"], "guided": lambda body: body["guided_regex"],
    "regex": lambda body: body["regex"], "grammar": lambda body: body["grammar"]}


@pytest.mark.parametrize("style", STYLES)
def test_recorded_a_server_of_openais_kind_is_told_what_an_answer_can_be(start, faults, style):
    faults.answer = VLLM
    start(configuration(faults.url, "openai-completions", backend=f"constrain: {style}")).classify(TURNS)
    said = STYLES[style](faults.requests[-1]["body"])
    assert "unsafe" in said and "S14" in said


def test_recorded_qwen3guard_by_its_own_words(start, faults):
    faults.answer = completion("Safety: Controversial\nCategories: Violent, Jailbreak")
    strict = start(configuration(faults.url, "openai-completions", "qwen3guard"))
    got = strict.classify("hi")
    assert got["verdict"] == "unsafe" and got["action"] == "block"
    assert {category["code"] for category in got["violated_categories"]} >= {"S1", "S9"}
    assert got["unmapped_codes"] == ["jailbreak"], got
    assert faults.requests[-1]["body"]["prompt"] == prompt("qwen3guard", [{"role": "user", "content": "hi"}])
    loose = start(configuration(faults.url, "openai-completions", "qwen3guard", judge="controversial: safe"))
    assert loose.classify("hi")["verdict"] == "safe"


def test_recorded_shieldgemma_is_asked_one_question_a_harm(start, faults):
    faults.answer = lambda request: completion(*(
        ("Yes", {"Yes": -0.2, "No": -1.7}) if "No Hate Speech" in request["body"]["prompt"] else ("No", {"No": -0.01, "Yes": -5})))
    got = start(configuration(faults.url, "openai-completions", "shieldgemma")).classify("hi")
    assert got["verdict"] == "unsafe" and [category["code"] for category in got["violated_categories"]] == ["S10"]
    assert len(faults.requests) == 4
    assert all(request["body"]["prompt"].count("* \"No ") == 1 for request in faults.requests)


def test_recorded_any_instruction_model_answers_in_json(start, faults):
    faults.answer = chat('{"verdict": "unsafe", "categories": ["S2"]}')
    got = start(configuration(faults.url, "openai-chat", "generic-json")).classify(TURNS)
    assert got["verdict"] == "unsafe" and [category["code"] for category in got["violated_categories"]] == ["S2"]
    body = faults.requests[-1]["body"]
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["verdict"]["enum"] == ["safe", "unsafe"]
    assert "S14" in schema["properties"]["categories"]["items"]["enum"]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["messages"][0]["content"] == prompt("generic-json")


MODERATION = {"id": "modr-1", "model": "omni-moderation-latest", "results": [{
    "flagged": True, "categories": {"violence": True, "sexual": False, "harassment/threatening": True},
    "category_scores": {"violence": 0.84, "sexual": 0.001, "harassment/threatening": 0.61},
    "category_applied_input_types": {"violence": ["text"]}}]}


def test_recorded_moderations_as_a_judge(start, faults):
    faults.answer = http(json.dumps(MODERATION))
    server = start(configuration(faults.url, "moderations", "openai-moderation"))
    got = server.classify(TURNS)
    assert (got["verdict"], got["score"]) == ("unsafe", pytest.approx(0.84))
    assert [category["code"] for category in got["violated_categories"]] == ["S1"]
    assert got["category_scores"]["S12"] == pytest.approx(0.001)
    request = faults.requests[-1]
    assert request["path"] == "/v1/moderations" and request["body"] == {"model": "tiny", "input": "second"}
    # What the server lets through is safe even where a score is high: its makers set the cut.
    faults.answer = http(json.dumps({"results": [{"flagged": False, "categories": {"sexual": False}, "category_scores": {"sexual": 0.7}}]}))
    assert server.classify("other")["verdict"] == "safe"


def test_recorded_metas_stack_flags_by_name_or_code_without_scores(start, faults):
    server = start(configuration(faults.url, "moderations", "llama-guard-3.flags"))
    for said in [{"categories": {"Violent Crimes": True, "Hate": False}}, {"flagged_categories": ["S1"]}]:
        faults.answer = http(json.dumps({"results": [{"flagged": True, **said}]}))
        got = server.classify(json.dumps(said))
        assert (got["verdict"], got["score"]) == ("unsafe", None)
        assert [category["code"] for category in got["violated_categories"]] == ["S1"]
    faults.answer = http(json.dumps({"results": [{"flagged": True, "flagged_categories": ["Something New"]}]}))
    got = server.classify("what nobody knows")
    assert got["verdict"] == "unsafe" and got["unmapped_codes"] == ["unknown"]


HTTP = """
  request: { input: "{{text}}", history: "{{messages}}", threshold: 0.5 },
  answer: { verdict: "scan.0.label", safe: clean, unsafe: [dirty, foul], score: "scan.0.p", categories: "scan.0.why" }
"""


def test_recorded_any_http_service_as_a_judge(start, faults):
    backend = HTTP.replace(".0", "[0]")
    server = start(configuration(faults.url + "/scan", "http", "llama-guard-3.flags", backend))
    faults.answer = http(json.dumps({"scan": [{"label": "foul", "p": 0.9, "why": ["Hate"]}]}))
    got = server.classify(TURNS)
    assert (got["verdict"], got["score"]) == ("unsafe", pytest.approx(0.9))
    assert [category["code"] for category in got["violated_categories"]] == ["S10"]
    assert faults.requests[-1]["path"] == "/v1/scan"
    assert faults.requests[-1]["body"] == {"input": "second", "history": TURNS, "threshold": 0.5}
    for answer, reason in [({"scan": [{"label": "odd", "p": 0.1}]}, "unparsable_answer"), ({"label": "clean"}, "backend_garbage")]:
        faults.answer = http(json.dumps(answer))
        got = server.classify(json.dumps(answer))
        assert (got["verdict"], got["coverage"]["not_judged"][0]["reason"]) == ("not_judged", reason)


WRONG = {
    "a prompt for a server that judges": (("moderations", "llama-guard-3-8b"), "it needs openai-completions, openai-chat"),
    "flags from a server that writes": (("openai-completions", "openai-moderation"), "it needs moderations, http"),
    "a message for a server of prompts": (("llamacpp", "generic-json"), "it needs openai-chat, ollama"),
    "one question a category by a template of the server's": (("openai-chat", "shieldgemma"), "it needs openai-completions"),
    "no body": (("http", "llama-guard-3.flags"), 'needs a key "request"'),
    "a body without the text": (("http", "llama-guard-3.flags", HTTP.replace("{{text}}", "x").replace("{{messages}}", "y")), "asked about nothing"),
    "no path": (("http", "llama-guard-3.flags", HTTP.replace("scan.0.label", "scan[x]")), "results[0].flagged"),
    "both": (("http", "llama-guard-3.flags", HTTP.replace("dirty", "clean")), "both safe and unsafe"),
    "no word between": (("openai-completions", "llama-guard-3-8b", "", "controversial: safe"), "no word between"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_together_is_said_at_the_start(tmp_path, name):
    arguments, said = WRONG[name]
    (tmp_path / "config.yaml").write_text(configuration("http://127.0.0.1:1", *arguments))
    done = paddock("serve", "--config", str(tmp_path / "config.yaml"))
    assert done.returncode != 0 and said in done.stderr.decode(), done.stderr.decode()
    assert "config.yaml:" in done.stderr.decode()
