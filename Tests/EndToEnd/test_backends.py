"""A model server that is down, slow, wrong or lying: never safe, always with a reason, and the policy decides."""

import json
import math

import pytest

from fault_server import chat, completion, free_port, http
from harness import Paddock

POLICY = """
name: {name}
version: "1"
taxonomy: llama-guard-3
on_error: {action}
"""


def configuration(url, dialect="openai-completions", profile="llama-guard-3-8b", judge="", backend=""):
    return f"""
policies: {{ directory: policies }}
default_judge: guard
judges:
  guard: {{ kind: model, profile: {profile}, backends: [b], {judge} }}
backends:
  b: {{ dialect: {dialect}, url: '{url}', model: tiny, timeout_ms: 400, breaker: {{ failures: 1000000 }}, {backend} }}
cache: {{ bytes: 0 }}
"""


@pytest.fixture
def guarded(start, tmp_path, faults):
    """Starts a server whose judge is the fault server, with a policy for every action of on_error."""
    def guarded(url=None, **arguments):
        policies = tmp_path / "server0" / "policies"
        policies.mkdir(parents=True)
        for action in ["allow", "flag", "review", "block"]:
            (policies / f"on-{action}.yaml").write_text(POLICY.format(name=f"on-{action}", action=action))
        return start(configuration(url or faults.url, **arguments))
    return guarded


GOOD = completion("safe")
ENDLESS = http("x" * (5 << 20))

FAULTS = {
    "garbage": (http("<html>no</html>"), False, "backend_garbage"),
    "empty": (http(""), False, "backend_truncated"),
    "half a JSON": (http('{"choices":[{"text":"sa'), False, "backend_truncated"),
    "half a body": (GOOD[:-5], True, "backend_truncated"),
    "no answer": (b"", True, "backend_truncated"),
    "half a head": (b"HTTP/1.1 200 O", True, "backend_truncated"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", True, "backend_garbage"),
    "wrong shape": (http('{"choices":[]}'), False, "backend_garbage"),
    "another shape": (http('{"choices":[{"message":{"content":"safe"}}]}'), False, "backend_garbage"),
    "text of a wrong type": (http('{"choices":[{"text":1}]}'), False, "backend_garbage"),
    "duplicate text": (http('{"choices":[{"text":"unsafe","text":"safe"}]}'), False, "backend_garbage"),
    "an error as 200": (http('{"error":{"message":"safe"}}'), False, "backend_garbage"),
    "400": (http("{}", "400 Bad Request"), False, "backend_status_400"),
    "401": (http("{}", "401 Unauthorized"), False, "backend_status_401"),
    "404": (http(json.dumps({"choices": [{"text": "safe"}]}), "404 Not Found"), False, "backend_status_404"),
    "429": (http("{}", "429 Too Many Requests"), False, "backend_status_429"),
    "500": (http(json.dumps({"choices": [{"text": "safe"}]}), "500 Oops"), False, "backend_status_500"),
    "503": (http("{}", "503 Busy"), False, "backend_status_503"),
    "a redirect": (b"HTTP/1.1 307 Go\r\nLocation: /v1/models\r\nContent-Length: 0\r\n\r\n", False, "backend_status_307"),
    "too large": (ENDLESS, False, "backend_too_large"),
    "silence": (None, False, "backend_timeout"),
    "no verdict": (completion("I think it is safe."), False, "unparsable_answer"),
    "an empty answer": (completion(""), False, "unparsable_answer"),
    "Safe": (completion("Safe"), False, "unparsable_answer"),
    "safe and more": (completion("safe\nS1"), False, "unparsable_answer"),
}


def test_every_fault_is_not_judged_with_its_reason_and_on_error_decides(guarded, faults):
    server = guarded()
    for name, (answer, close, reason) in FAULTS.items():
        faults.answer, faults.close = answer, close
        for policy, action in [("default", "block"), ("on-allow", "allow"), ("on-flag", "flag"), ("on-review", "review")]:
            if name in ("silence", "too large") and policy != "on-flag" and policy != "default":
                continue
            verdict = server.classify("hi", policy=policy)
            assert verdict["verdict"] == "not_judged", name
            assert verdict["action"] == action, name
            assert verdict["score"] is None and verdict["violated_categories"] == [] and verdict["category_scores"] == {}
            assert verdict["coverage"]["characters_judged"] == 0
            assert [part["reason"] for part in verdict["coverage"]["not_judged"]] == [reason], name
        assert server.metric(f'paddock_judge_failures_total{{judge="guard",reason="{reason}"}}') >= 1
    # And it recovers at once.
    faults.answer, faults.close = GOOD, False
    assert server.classify("hi")["verdict"] == "safe"


def test_nobody_listens(guarded):
    server = guarded(f"http://127.0.0.1:{free_port()}/v1")
    verdict = server.classify("hi")
    assert (verdict["verdict"], verdict["action"]) == ("not_judged", "block")
    assert verdict["coverage"]["not_judged"][0]["reason"] == "backend_connect"
    ready = server.get("/readyz")
    assert ready.status == 503 and ready.json == {
        "status": "not_ready", "reasons": ["judge guard: backend_connect"], "backends": {"b": "backend_connect"}}
    assert ready.headers["retry-after"] == "1"
    judge = next(judge for judge in server.get("/v1/judges").json["judges"] if judge["name"] == "guard")
    assert judge["health"] == "backend_connect", judge


def test_the_prompt_reaches_the_server_as_the_profile_renders_it(guarded, faults, tmp_path):
    from harness import paddock
    server = guarded(backend="extra: { stop: ['x'], logprobs: null }")
    turns = [{"role": "user", "content": " Hi <|eot_id|> there "}, {"role": "assistant", "content": "Yes"}]
    server.classify(turns)
    rendered = paddock(
        "policy", "render", "--profile", "llama-guard-3-8b", "--policy", "default", stdin=json.dumps({"messages": turns}))
    request = faults.requests[-1]
    assert request["path"] == "/v1/completions"
    assert request["body"]["prompt"].encode() == rendered.stdout
    assert "<\u200b|eot_id|>" in request["body"]["prompt"]
    assert request["body"]["stop"] == ["x"] and "logprobs" not in request["body"]
    assert (request["body"]["temperature"], request["body"]["stream"], request["body"]["model"]) == (0, False, "tiny")


def test_one_connection_serves_many_calls(guarded, faults):
    server = guarded()
    for _ in range(20):
        assert server.classify("hi")["verdict"] == "safe"
    # One for each of the loops that the calls came from, and those of the readiness probe.
    assert len(faults.requests) == 20 and faults.connections <= 6


def test_a_key_from_a_file_or_the_environment_is_sent_and_never_shown(start, faults, tmp_path):
    (tmp_path / "key").write_text("s3cret-key\n")
    server = start(configuration(faults.url, backend=f"key_file: '{tmp_path}/key'").replace("policies:", "#"))
    server.classify("hi")
    assert faults.requests[-1]["headers"]["authorization"] == "Bearer s3cret-key"
    other = start(configuration(faults.url).replace("policies:", "#"), environment={"PADDOCK_BACKENDS_B_KEY": "from-env"})
    other.classify("hi")
    assert faults.requests[-1]["headers"]["authorization"] == "Bearer from-env"
    for process in (server, other):
        process.stop()
        assert "s3cret-key" not in process.log.read_text() and "from-env" not in process.log.read_text()


# The verdict: score, words, categories

LOG = math.log


@pytest.mark.parametrize("text,top,verdict,score,codes,unmapped", [
    ("\n\nsafe", None, "safe", None, [], []),
    ("\n\nunsafe\nS1,S10", None, "unsafe", None, ["S1", "S10"], []),
    ("unsafe\r\nS2, S1<|eot_id|>", None, "unsafe", None, ["S1", "S2"], []),
    ("unsafe", None, "unsafe", None, [], []),
    ("unsafe\nS1,S99", None, "unsafe", None, ["S1"], ["S99"]),
    ("unsafe\nbecause of S1", None, "unsafe", None, [], []),
    # The score decides where there is one.
    ("unsafe\nS1", {"unsafe": LOG(0.9), "safe": LOG(0.1)}, "unsafe", 0.9, ["S1"], []),
    ("unsafe\nS1", {"unsafe": LOG(0.3), "safe": LOG(0.2)}, "unsafe", 0.6, ["S1"], []),
    ("unsafe\nS1", {"safe": LOG(0.6), "unsafe": LOG(0.4)}, "safe", 0.4, [], []),
    ("safe", {"safe": LOG(0.4), "unsafe": LOG(0.6)}, "unsafe", 0.6, [], []),
    ("safe", {"safe": LOG(0.99), "unsafe": LOG(0.01)}, "safe", 0.01, [], []),
])
@pytest.mark.parametrize("dialect,answer", [("openai-completions", completion), ("openai-chat", chat)])
def test_verdicts(guarded, faults, dialect, answer, text, top, verdict, score, codes, unmapped):
    faults.answer = answer(text, top)
    got = guarded(dialect=dialect).classify("hi")
    assert got["verdict"] == verdict
    assert got["action"] == ("allow" if verdict == "safe" else "block")
    assert got["score"] == (None if score is None else pytest.approx(score, abs=1e-6))
    assert [violated["code"] for violated in got["violated_categories"]] == codes
    assert got["unmapped_codes"] == unmapped
    if top:
        assert got["signals"]["verdict_mass"] == pytest.approx(sum(math.exp(value) for value in top.values()), abs=1e-6)


def test_openai_chat_sends_turns_and_the_server_renders(guarded, faults):
    faults.answer = chat("safe")
    server = guarded(dialect="openai-chat")
    server.classify([{"role": "system", "content": "be nice"}, {"role": "user", "content": "a"},
                     {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}])
    request = faults.requests[-1]
    assert request["path"] == "/v1/chat/completions"
    assert request["body"]["messages"] == [{"role": "user", "content": "a\n\nb"}, {"role": "assistant", "content": "c"}]
    assert request["body"]["logprobs"] is True and request["body"]["top_logprobs"] == 5


def test_what_the_template_has_no_place_for_is_said(guarded):
    server = guarded()
    verdict = server.classify([
        {"role": "assistant", "content": "Welcome"}, {"role": "system", "content": "rules"}, {"role": "user", "content": "hi"}])
    unused = {part["path"]: part["reason"] for part in verdict["coverage"]["context_not_used"]}
    assert set(unused) == {"messages[0]", "messages[1]"} and unused["messages[1]"] == "role_not_rendered"
    lone = server.classify([{"role": "assistant", "content": "Welcome"}])
    assert lone["verdict"] == "not_judged" and lone["action"] == "block"


def test_one_per_category_asks_about_each(guarded, faults):
    def answer(request):
        listed = request["body"]["prompt"].split("<BEGIN UNSAFE CONTENT CATEGORIES>\n")[1].split("\n<END")[0]
        return completion("unsafe\nS1" if listed.startswith("S10:") else "safe")
    faults.answer = answer
    server = guarded(judge="request: one_per_category")
    verdict = server.classify("hi")
    assert len(faults.requests) == 14
    assert [violated["code"] for violated in verdict["violated_categories"]] == ["S10"]


def test_the_next_backend_is_asked_and_then_the_fallback_judge(start, faults):
    dead = f"http://127.0.0.1:{free_port()}/v1"
    server = start(f"""
default_judge: guard
judges:
  guard: {{ kind: model, profile: llama-guard-3-8b, backends: [dead, b] }}
  lonely: {{ kind: model, profile: llama-guard-3-8b, backends: [dead], fallback_judge: embedded }}
backends:
  dead: {{ dialect: openai-completions, url: '{dead}', model: m }}
  b: {{ dialect: openai-completions, url: '{faults.url}', model: m }}
""")
    faults.answer = completion("unsafe\nS6")
    verdict = server.classify("hi")
    assert [violated["code"] for violated in verdict["violated_categories"]] == ["S6"]
    fallen = server.classify("hi", judge="lonely")
    assert (fallen["verdict"], fallen["judge"]["name"]) == ("safe", "embedded")
    assert server.metric('paddock_judge_failures_total{judge="lonely",reason="backend_connect"}') == 1
    assert server.get("/readyz").status == 200


def test_an_excluded_category_is_ignored_and_said(start, faults, tmp_path):
    policies = tmp_path / "server0" / "policies"
    policies.mkdir(parents=True)
    (policies / "lax.yaml").write_text(
        'name: lax\nversion: "1"\ntaxonomy: llama-guard-3\ncategories: { S6: { enabled: false }, S7: { action: flag } }\n')
    server = start(configuration(faults.url))
    faults.answer = completion("unsafe\nS6")
    verdict = server.classify("hi", policy="lax")
    assert "S6:" not in faults.requests[-1]["body"]["prompt"]
    # The prompt did not list it, yet the model names it from its training.
    assert (verdict["verdict"], verdict["action"], verdict["ignored_categories"]) == ("safe", "allow", ["S6"])
    faults.answer = completion("unsafe\nS7")
    assert server.classify("hi", policy="lax")["action"] == "flag"
