"""Policies of one's own, end to end: categories, phrases, directions, actions, the environment."""

import base64

import pytest

from fault_server import completion

SHOP = """
name: shop
version: "7"
categories:
  - code: C1
    name: Competitors
    description: Recommending a competitor's product.
    violating: [naming a shop where it is cheaper]
    not_violating: [comparing our own products]
    action: flag
  - code: C2
    name: Refund promises
    description: Promising a refund that the terms do not give.
"""


@pytest.fixture
def with_policies(start, tmp_path):
    def with_policies(config="", **policies):
        folder = tmp_path / "server0" / "policies"
        folder.mkdir(parents=True)
        for name, text in policies.items():
            (folder / f"{name}.yaml").write_text(text)
        return start("policies: { directory: policies }\n" + config)
    return with_policies


def guard(url, more=""):
    return f"""
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b], {more} }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{url}', model: m }} }}
"""


def test_categories_of_ones_own_reach_the_model_and_come_back(with_policies, faults):
    server = with_policies(guard(faults.url), shop=SHOP)
    faults.answer = completion("unsafe\nC1")
    verdict = server.classify("Where is it cheaper?", policy="shop", judge="guard")
    assert verdict["action"] == "flag" and verdict["policy"]["version"] == "7"
    assert verdict["violated_categories"] == [
        {"code": "C1", "name": "Competitors", "score": None, "threshold": 0.5, "action": "flag"}]
    prompt = faults.requests[-1]["body"]["prompt"]
    assert "C1: Competitors.\nRecommending a competitor's product.\nViolating: naming a shop where it is cheaper." in prompt
    assert "C2: Refund promises." in prompt and "S1" not in prompt
    faults.answer = completion("unsafe\nc2, C1")
    verdict = server.classify("x", policy="shop", judge="guard")
    assert [violated["code"] for violated in verdict["violated_categories"]] == ["C1", "C2"]
    assert verdict["action"] == "block"
    shown = server.get("/v1/policies/shop").json
    assert [category["code"] for category in shown["output"]["categories"]] == ["C1", "C2"]


def test_a_judge_that_knows_none_of_the_categories_does_not_say_safe(with_policies):
    server = with_policies(shop=SHOP)
    verdict = server.classify("What is the capital of France?", policy="shop")
    assert (verdict["verdict"], verdict["action"]) == ("not_judged", "flag")
    assert verdict["coverage"]["categories_not_judged"] == ["C1", "C2"]
    assert verdict["coverage"]["not_judged"][0]["reason"] == "category"
    assert server.stop() == 0
    assert any("does not know C1, C2" in line["message"] for line in server.log_lines())


PHRASES = """
name: phrases
version: "1"
taxonomy: llama-guard-3
phrases:
  deny:
    - { phrase: Project Nightingale, category: S7, owner: legal, reason: unannounced }
    - { phrase: credit card, action: mask }
    - { text: "ping", action: review }
    - { phrase: long gone, expires: 2020-01-01 }
  allow:
    - { text: "How do I kill all zombie processes of that user?", owner: support, reason: common question }
"""


def test_denied_phrases_are_found_whatever_the_case_and_the_spaces(with_policies):
    server = with_policies(phrases=PHRASES)
    text = "Say: what is project\n  NIGHTINGALE?"
    verdict = server.classify(text, policy="phrases")
    assert (verdict["verdict"], verdict["action"], verdict["score"]) == ("unsafe", "block", 1)
    found = verdict["findings"][0]
    assert (found["category"], found["detector"], found["path"]) == ("S7", "phrases.deny[0]", "messages[0].content")
    assert text[found["start"]:found["end"]] == "project\n  NIGHTINGALE"
    assert server.classify("projects nightingales are birds", policy="phrases")["verdict"] == "safe"
    assert server.classify("ping", policy="phrases")["action"] == "review"
    assert server.classify("ping me", policy="phrases")["action"] == "allow"
    assert server.classify("it is long gone", policy="phrases")["action"] == "allow"


def test_denied_phrases_are_found_and_masked_beneath_disguises(with_policies):
    server = with_policies(phrases=PHRASES)
    code = base64.b64encode(b"My credit card is lost, what now?").decode()
    disguises = {"My ｃｒｅｄｉｔ card!": "My [masked]!", "My cre\u200bdit c\u200bard!": "My [masked]!", f"💳 {code} 💳": f"💳 {code[:4]}[masked]{code[20:]} 💳",
                 # Long enough to be searched in the lane.
                 "The weather is fine. " * 300 + "My с𝗋𝖾𝖽𝗂𝗍 card!": "The weather is fine. " * 300 + "My [masked]!"}
    for text, masked in disguises.items():
        verdict = server.classify(text, policy="phrases", scope="last_message")
        assert [found["detector"] for found in verdict["findings"]] == ["phrases.deny[1]"], text
        assert verdict["verdict"] == "unsafe" and verdict["action"] in ("mask", "block")
        if verdict["action"] == "mask":
            assert verdict["output"][0]["content"][0]["text"] == masked
    # An allowed text is allowed as it is written.
    zombies = "How do I kill all zombie processes of that user?"
    assert server.classify(base64.b64encode(zombies.encode()).decode(), policy="phrases")["findings"] == []


def test_masked_spans_are_replaced_and_the_rest_is_kept(with_policies):
    server = with_policies(phrases=PHRASES)
    verdict = server.classify([{"role": "user", "content": [
        {"type": "text", "text": "My 💳 credit card, the CREDIT  card."}, {"type": "text", "text": "Thanks"}]}], policy="phrases")
    assert verdict["action"] == "mask"
    assert verdict["output"] == [{"index": 0, "role": "user", "content": [
        {"type": "text", "text": "My 💳 [masked], the [masked]."}, {"type": "text", "text": "Thanks"}]}]


def test_an_allowed_text_is_let_through_whole_and_reported(with_policies):
    server = with_policies(phrases=PHRASES)
    text = "How do I kill all zombie processes of that user?"
    verdict = server.classify(f"  {text}\n", policy="phrases")
    assert (verdict["verdict"], verdict["action"]) == ("safe", "allow")
    assert verdict["findings"][0]["detector"] == "phrases.allow[0]"
    carried = server.classify(f"{text} And how do I kill all people of that religion, they are vermin?", policy="phrases")
    assert carried["verdict"] == "unsafe" and carried["findings"] == []


def test_an_allowed_text_that_is_denied_too_is_judged_all_the_same(with_policies):
    server = with_policies(phrases=PHRASES.replace("zombie processes of that user?", "zombie processes of Project Nightingale?"))
    verdict = server.classify("How do I kill all zombie processes of Project Nightingale?", policy="phrases")
    assert {found["detector"] for found in verdict["findings"]} == {"phrases.allow[0]", "phrases.deny[0]"}
    assert verdict["verdict"] == "unsafe" and len(verdict["category_scores"]) == 14, "the judge was asked"


def test_directions_differ(with_policies):
    server = with_policies(own="""
name: own
version: "1"
taxonomy: llama-guard-3
output: { defaults: { action: review, threshold: 0.1 }, uncategorised: review }
""")
    text = "I want to kill all people of that religion, they are vermin"
    assert server.classify(text, policy="own")["action"] == "block"
    answer = server.classify([{"role": "user", "content": "Say it"}, {"role": "assistant", "content": text}], policy="own")
    assert answer["action"] == "review" and answer["violated_categories"][0]["threshold"] == 0.1


def test_mask_without_a_span_blocks(with_policies):
    server = with_policies(own='name: own\nversion: "1"\ntaxonomy: llama-guard-3\ndefaults: { action: mask }\nuncategorised: mask\n')
    verdict = server.classify("I want to kill all people of that religion, they are vermin", policy="own")
    assert verdict["action"] == "block" and "output" not in verdict


def test_a_folder_replaces_a_built_in_policy_and_the_environment_a_key(start, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "default.yaml").write_text('name: default\nversion: "2"\ntaxonomy: llama-guard-2\n')
    server = start("", environment={"PADDOCK_POLICIES_DIRECTORY": str(folder), "PADDOCK_LIMITS_BODY_BYTES": "300"})
    verdict = server.classify("hi")
    assert verdict["policy"]["version"] == "2" and "S11" in verdict["category_scores"]
    assert server.post("/v1/classify", "x" * 301).status == 413


def test_text_in_a_language_that_the_judge_was_not_measured_on(server):
    verdict = server.classify("Wie kann ich bitte morgen mit dem Zug nach Hamburg fahren, und was kostet die Fahrkarte?")
    assert (verdict["verdict"], verdict["action"]) == ("not_judged", "flag")
    assert verdict["coverage"]["not_judged"][0]["reason"] == "language"
