"""Every route and every error of the native API, over real curl, against the contract that the server ships."""

import gzip
import json

import pytest

from harness import check, curl

SAFE = "What is the capital of France?"


def test_a_verdict_has_the_shape_of_the_contract(server):
    verdict = server.classify(SAFE, metadata={"trace": [1, 2.50, None, "ü"]})
    assert verdict["verdict"] == "safe" and verdict["action"] == "allow" and verdict["direction"] == "input"
    assert 0 <= verdict["score"] < 0.5
    assert verdict["coverage"] == {
        "characters_judged": len(SAFE), "characters_total": len(SAFE), "not_judged": [], "context_not_used": [],
        "categories_not_judged": verdict["coverage"]["categories_not_judged"]}
    assert verdict["metadata"] == {"trace": [1, 2.5, None, "ü"]}
    assert verdict["policy"]["name"] == "default" and verdict["judge"]["name"] == "embedded"


def test_metadata_is_echoed_to_the_digit(server):
    answer = server.post("/v1/classify", '{"messages":[{"role":"user","content":"hi"}],"metadata":{"n":1.50,"b":12345678901234567890}}')
    assert b'"metadata":{"n":1.50,"b":12345678901234567890}' in answer.body


def test_an_unsafe_request_names_its_categories(server):
    verdict = server.classify("Tell me how to cook meth at home and sell the drugs")
    assert verdict["verdict"] == "unsafe" and verdict["action"] == "block"
    assert verdict["score"] >= 0.5
    for violated in verdict["violated_categories"]:
        assert violated["score"] >= violated["threshold"]
        assert verdict["category_scores"][violated["code"]] == violated["score"]


def test_direction_follows_the_last_message_and_can_be_said(server):
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello, how are you?"}]
    assert server.classify(turns)["direction"] == "output"
    assert server.classify(turns, direction="input")["direction"] == "input"


def test_scope_decides_what_counts(server):
    turns = [{"role": "user", "content": "aaaa"}, {"role": "assistant", "content": "bbb"},
             {"role": "user", "content": "cc"}, {"role": "tool", "content": "d", "tool_call_id": "t"}]
    total = lambda scope: server.classify(turns, scope=scope)["coverage"]["characters_total"]
    assert (total("last_turn"), total("last_message"), total("all")) == (3, 1, 10)


def test_what_is_no_text_is_reported_as_not_judged(server):
    content = [{"type": "text", "text": SAFE}, {"type": "image_url", "image_url": {"url": "data:,x"}}, {"type": "new"}]
    verdict = server.classify([{"role": "user", "content": content}])
    assert verdict["verdict"] == "not_judged" and verdict["action"] == "flag" and verdict["score"] is None
    assert [(part["path"], part["reason"]) for part in verdict["coverage"]["not_judged"]] == [
        ("messages[0].content[1]", "media"), ("messages[0].content[2]", "opaque")]


def test_offsets_and_counts_are_code_points(server):
    text = "añ👍🏽日"
    assert server.classify(text)["coverage"]["characters_total"] == len(text)


def test_gzip_and_chunked_bodies(server):
    body = json.dumps({"messages": [{"role": "user", "content": SAFE}]}).encode()
    plain = server.post("/v1/classify", body).json["score"]
    packed = server.post("/v1/classify", gzip.compress(body), "-H", "content-encoding: gzip")
    assert packed.status == 200 and packed.json["score"] == plain
    chunked = server.post("/v1/classify", body, "-H", "transfer-encoding: chunked")
    assert chunked.status == 200 and chunked.json["score"] == plain


def test_the_same_request_gets_the_same_scores(server):
    first, second = server.classify(SAFE), server.classify(SAFE)
    for field in ["score", "category_scores", "signals", "policy", "judge"]:
        assert first[field] == second[field]
    assert first["id"] != second["id"]


def test_batch_answers_in_order_with_an_error_where_an_item_is_wrong(server):
    items = [{"messages": [{"role": "user", "content": f"number {n}"}], "metadata": n} for n in range(100)]
    items[7] = {"messages": []}
    items[8] = {"messages": [{"role": "user", "content": "x"}], "policy": "nobody"}
    answer = server.post("/v1/classify/batch", {"items": items})
    assert answer.status == 200
    check(answer.json, "BatchResponse")
    results = answer.json["results"]
    assert [result["index"] for result in results] == list(range(100))
    assert results[7]["error"]["param"] == "items[7].messages"
    assert results[8]["error"]["code"] == "unknown_policy"
    assert all(results[n]["result"]["metadata"] == n for n in range(100) if n not in (7, 8))


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/policies", "/v1/policies/default",
                                  "/v1/judges", "/openapi.json"])
def test_get_and_head_agree(server, path):
    got, head = server.get(path), server.get(path, "-I")
    assert got.status == head.status == 200
    if path != "/metrics":
        assert head.headers["content-length"] == str(len(got.body))
    assert head.headers["content-type"] == got.headers["content-type"]


def test_catalog(server):
    policies = server.get("/v1/policies").json
    assert [policy["name"] for policy in policies["policies"]] == ["default", "monitor", "strict"]
    for policy in policies["policies"]:
        check(policy, "PolicySummary")
        check(server.get("/v1/policies/" + policy["name"]).json, "Policy")
    default = server.get("/v1/policies/default").json
    assert [category["code"] for category in default["input"]["categories"]] == [f"S{n}" for n in range(1, 15)]
    judges = server.get("/v1/judges").json
    assert judges["default"] == "embedded"
    for judge in judges["judges"]:
        check(judge, "Judge")
    assert server.classify(SAFE)["judge"]["digest"] == judges["judges"][0]["digest"]


def test_ready_and_healthy(server):
    assert server.get("/healthz").json == {"status": "ok"}
    ready = server.get("/readyz")
    check(ready.json, "Readiness")
    assert ready.json == {"status": "ready", "reasons": [], "backends": {}}


def test_the_contract_served_is_the_contract_shipped(server):
    from harness import CONTRACT
    assert server.get("/openapi.json").json == CONTRACT


MESSAGES = '"messages":[{"role":"user","content":"hi"}]'

WRONG = [
    # body, status, code, param
    ("{", 400, "invalid_json", None),
    ("", 400, "invalid_json", None),
    ('{"messages":[{"role":"user","content":"a\xff"}]}'.encode("latin-1"), 400, "invalid_json", None),
    ("{" + MESSAGES + "} x", 400, "invalid_json", None),
    ('{"messages":[{"role":"user","content":"\\ud800"}]}', 400, "invalid_json", None),
    ('{"messages":[{"role":"user","content":"a","content":"b"}]}', 400, "duplicate_key", "messages[0].content"),
    ("[" * 100 + "]" * 100, 400, "invalid_json", None),
    ("[]", 400, "invalid_request", None),
    ("{}", 400, "invalid_field", "messages"),
    ('{"messages":{}}', 400, "invalid_field", "messages"),
    ('{"messages":[]}', 400, "invalid_field", "messages"),
    ('{"messages":["x"]}', 400, "invalid_field", "messages[0]"),
    ('{"messages":[{"content":"x"}]}', 400, "invalid_field", "messages[0].role"),
    ('{"messages":[{"role":"robot","content":"x"}]}', 400, "invalid_field", "messages[0].role"),
    ('{"messages":[{"role":"user"}]}', 400, "invalid_field", "messages[0].content"),
    ('{"messages":[{"role":"user","content":1}]}', 400, "invalid_field", "messages[0].content"),
    ('{"messages":[{"role":"user","content":[{"type":"text"}]}]}', 400, "invalid_field", "messages[0].content[0].text"),
    ('{"messages":[{"role":"user","content":[7]}]}', 400, "invalid_field", "messages[0].content[0]"),
    ('{"messages":[{"role":"user","content":""}]}', 400, "nothing_to_judge", "messages"),
    ('{"messages":[{"role":"user","content":null}]}', 400, "nothing_to_judge", "messages"),
    ("{" + MESSAGES + ',"scope":"some"}', 400, "invalid_field", "scope"),
    ("{" + MESSAGES + ',"direction":"up"}', 400, "invalid_field", "direction"),
    ("{" + MESSAGES + ',"deadline_ms":0}', 400, "invalid_field", "deadline_ms"),
    ("{" + MESSAGES + ',"deadline_ms":1.5}', 400, "invalid_field", "deadline_ms"),
    ("{" + MESSAGES + ',"policy":1}', 400, "invalid_field", "policy"),
    ("{" + MESSAGES + ',"policy":"nobody"}', 422, "unknown_policy", "policy"),
    ("{" + MESSAGES + ',"judge":"nobody"}', 422, "unknown_judge", "judge"),
    ("{" + MESSAGES + ',"metadata":"' + "x" * 4096 + '"}', 400, "invalid_field", "metadata"),
    ("{" + MESSAGES + ',"mesages":[]}', 400, "unknown_field", "mesages"),
    ("{" + MESSAGES + ',"' + "é\\u0007ab" * 60 + '":1}', 400, "unknown_field", "ab" * 32),
]


@pytest.mark.parametrize("body,status,code,param", WRONG, ids=range(len(WRONG)))
def test_a_wrong_request_says_what_and_where(server, body, status, code, param):
    answer = server.post("/v1/classify", body)
    assert answer.status == status
    assert (answer.error["code"], answer.error["param"]) == (code, param)
    assert answer.headers["content-type"] == "application/json"


def test_an_error_never_repeats_the_callers_text(server):
    canary = "zanzibar-4711"
    for body in [f'{{"messages":[{{"role":"{canary}","content":"x"}}]}}', f'{{"messages":"{canary}"}}', canary,
                 f'{{{MESSAGES},"policy":"{canary}"}}', f'{{{MESSAGES},"scope":"{canary}"}}']:
        answer = server.post("/v1/classify", body)
        assert answer.status in (400, 422) and canary.encode() not in answer.body


@pytest.mark.parametrize("arguments,path,status,code", [
    (["-X", "GET"], "/v1/classify", 405, "method_not_allowed"),
    (["-X", "DELETE"], "/healthz", 405, "method_not_allowed"),
    ([], "/", 404, "not_found"),
    ([], "/v1/policies/nobody", 404, "policy_not_found"),
    ([], "/v1/policies/a/b", 404, "not_found"),
    (["-X", "POST"], "/v1/classify", 411, "length_required"),
    (["-d", "{}", "-H", "content-type: text/plain"], "/v1/classify", 415, "unsupported_media_type"),
    (["-d", "{}"], "/v1/classify", 415, "unsupported_media_type"),
    (["-d", "{}", "-H", "content-type: application/json", "-H", "content-encoding: br"], "/v1/classify", 415,
     "unsupported_content_encoding"),
    (["-d", "{}", "-H", "content-type: application/json", "-H", "content-encoding: gzip"], "/v1/classify", 400,
     "invalid_gzip"),
    (["-d", "{}", "-H", "content-type: application/json", "-H", "expect: the-worst"], "/v1/classify", 417,
     "unsupported_expectation"),
    (["-H", "x: " + "y" * 20_000], "/healthz", 431, "head_too_large"),
    ([], "/" + "p" * 9_000, 414, "target_too_long"),
    (["-d", "{}", "-H", "content-type: application/json", "-H", "transfer-encoding: gzip, chunked", "-H", "content-length:"], "/v1/classify", 501,
     "unsupported_transfer_encoding"),
])
def test_every_refusal_has_its_status_and_the_error_object(server, arguments, path, status, code):
    answer = server.get(path, *arguments)
    assert (answer.status, answer.error["code"]) == (status, code)
    if status == 405:
        assert answer.headers["allow"] in ("POST, OPTIONS", "GET, HEAD, OPTIONS")


def test_lenient_mode_ignores_unknown_fields(start):
    server = start("unknown_fields: lenient")
    assert server.classify("hi", temperature=0.7)["verdict"] == "safe"


def test_body_limits(start):
    server = start("limits: { body_bytes: 2000, batch_items: 2 }")
    def body(size):
        return json.dumps({"messages": [{"role": "user", "content": "x" * size}]})
    assert server.post("/v1/classify", body(1900)).status == 200
    for arguments in [[], ["-H", "transfer-encoding: chunked"], ["-H", "expect: 100-continue"]]:
        answer = server.post("/v1/classify", body(2000), *arguments)
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")
    bomb = gzip.compress(body(1_000_000).encode())
    assert len(bomb) < 2000
    answer = server.post("/v1/classify", bomb, "-H", "content-encoding: gzip")
    assert (answer.status, answer.error["code"]) == (413, "body_too_large")
    answer = server.post("/v1/classify/batch", {"items": [1, 2, 3]})
    assert (answer.status, answer.error["param"]) == (400, "items")


def test_deadline_of_the_caller_is_never_weaker_than_block(start, faults):
    faults.answer = None
    server = start(f"""
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: m }} }}
""")
    verdict = server.classify("hi", judge="guard", policy="monitor", deadline_ms=50)
    assert (verdict["verdict"], verdict["action"]) == ("not_judged", "block")
    assert verdict["coverage"]["not_judged"][0]["reason"] == "caller_deadline"


def test_metrics_count_what_happened(start):
    server = start()
    server.classify(SAFE)
    server.classify("I want to kill all people of that religion, they are vermin", policy="monitor")
    server.post("/v1/classify", "{")
    assert server.metric('paddock_verdicts_total{policy="default",verdict="safe",action="allow"}') == 1
    assert server.metric('paddock_verdicts_total{policy="monitor",verdict="unsafe",action="flag"}') == 1
    assert server.metric('paddock_judge_seconds_count{judge="embedded"}') == 2
    assert server.metric("paddock_in_flight") == 0
    page = server.get("/metrics").body.decode()
    assert 'paddock_violations_total{policy="monitor",category="S10",direction="input"} 1' in page
    assert 'paddock_requests_total{route="/v1/classify",status="400"} 1' in page
    assert 'paddock_requests_total{route="/v1/classify",status="200"} 2' in page


def test_the_metrics_page_is_prometheus_text(server):
    from prometheus_client.parser import text_string_to_metric_families
    answer = server.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    for name, kind in [("paddock_requests", "counter"), ("paddock_verdicts", "counter"), ("paddock_violations", "counter"),
                       ("paddock_judge_seconds", "histogram"), ("paddock_in_flight", "gauge"), ("paddock_connections", "gauge")]:
        assert families[name].type == kind and families[name].documentation, name
    buckets = [sample.value for sample in families["paddock_judge_seconds"].samples if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
