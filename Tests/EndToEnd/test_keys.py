"""Keys, traces and ids: who calls, and what becomes of what they say about themselves."""

import re
import stat

import pytest

from harness import paddock
from test_tls import reload

BODY = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.yaml"


def add(file, name, *options):
    done = paddock("keys", "add", name, "--file", file, *options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_a_key_is_printed_once_and_only_its_hash_is_kept(file):
    key = add(file, "chatbot", "--policy", "default", "--rate", "5", "--burst", "10")
    assert re.fullmatch(r"pdk_[0-9a-f]{8}_[0-9a-f]{48}", key)
    text = file.read_text()
    assert key.split("_")[2] not in text and key.split("_")[1] in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = paddock("keys", "list", "--file", file).stdout.decode().splitlines()
    assert listed[0].split("\t") == ["id", "name", "created", "policies", "judges", "requests_per_s", "burst"]
    assert listed[1].split("\t")[1] == "chatbot" and listed[1].split("\t")[3:] == ["default", "-", "5.0", "10"]
    again = paddock("keys", "add", "chatbot", "--file", file)
    assert again.returncode == 2 and b"already" in again.stderr
    assert paddock("keys", "revoke", "nobody", "--file", file).returncode == 2
    assert paddock("keys", "revoke", "chatbot", "--file", file).returncode == 0
    assert len(paddock("keys", "list", "--file", file).stdout.decode().splitlines()) == 1
    assert paddock("keys", "list").returncode != 0


def test_every_request_but_health_needs_a_key(start, file):
    key = add(file, "chatbot")
    server = start(f"keys: {{ file: '{file}' }}")
    assert [server.get(path).status for path in ["/healthz", "/readyz", "/metrics", "/v1/judges", "/openapi.json"]] == [
        200, 200, 401, 401, 401]
    refused = server.post("/v1/classify", BODY)
    assert (refused.status, refused.error["code"], refused.error["type"]) == (401, "missing_key", "authentication_error")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    for headers in [["x-paddock-key: " + key], ["authorization: Bearer " + key], ["Authorization: bearer  " + key]]:
        assert server.post("/v1/classify", BODY, *[part for header in headers for part in ("-H", header)]).status == 200
    for wrong in [key[:-1] + ("0" if key[-1] != "0" else "1"), "pdk_00000000_" + key.split("_")[2], key.upper(), key + "0", "x", "pdk__"]:
        answer = server.post("/v1/classify", BODY, "-H", "x-paddock-key: " + wrong)
        assert (answer.status, answer.error["code"]) == (401, "invalid_key")
        assert wrong not in answer.body.decode()
    assert server.post("/v1/classify", BODY, "-H", "authorization: Basic eDp5").status == 401
    assert server.stop() == 0
    log = server.log.read_text()
    assert key not in log and key.split("_")[2] not in log
    assert {line.get("key") for line in server.log_lines() if line.get("status") == 200 and line["route"] == "/v1/classify"} == {"chatbot"}


def test_what_a_key_may_not_choose_it_cannot_send(start, file, tmp_path):
    plain, strict = add(file, "plain"), add(file, "strict", "--policy", "strict", "--policy", "default", "--judge", "embedded")
    bound = add(file, "bound", "--policy", "bound")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "bound.yaml").write_text("name: bound\nversion: '1'\ntaxonomy: llama-guard-3\njudge: guard\n")
    (tmp_path / "policies" / "strict.yaml").write_text("name: strict\nversion: '1'\ntaxonomy: llama-guard-3\n")
    server = start(f"""
keys: {{ file: '{file}' }}
policies: {{ directory: '{tmp_path}/policies' }}
judges: {{ embedded: {{ kind: embedded }}, guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: 'http://127.0.0.1:1', model: m }} }}
""")
    def ask(key, **fields):
        answer = server.post("/v1/classify", {**BODY, **fields}, "-H", "x-paddock-key: " + key)
        return answer.json["policy"]["name"] if answer.status == 200 else (answer.status, answer.error["code"], answer.error["param"])
    # What it would get anyway every key may name; a choice it has not.
    assert ask(plain) == ask(plain, policy="default", judge="embedded") == "default"
    assert ask(plain, policy="strict") == (403, "policy_not_allowed", "policy")
    assert ask(plain, judge="guard") == (403, "judge_not_allowed", "judge")
    assert ask(bound) == ask(bound, policy="bound", judge="guard") == "bound"
    assert ask(bound, judge="embedded") == (403, "judge_not_allowed", "judge")
    assert ask(strict) == "strict" and ask(strict, policy="default") == "default" and ask(strict, judge="embedded") == "strict"
    assert ask(strict, policy="nobody") == (403, "policy_not_allowed", "policy")
    batch = server.post("/v1/classify/batch", {"items": [BODY, {**BODY, "policy": "strict"}]}, "-H", "x-paddock-key: " + plain).json
    assert batch["results"][0]["result"]["policy"]["name"] == "default"
    assert batch["results"][1]["error"]["code"] == "policy_not_allowed" and batch["results"][1]["error"]["param"] == "items[1].policy"


def test_a_rate_lets_a_burst_through_and_then_says_when_to_come_back(start, file):
    slow, free = add(file, "slow", "--rate", "0.1", "--burst", "3"), add(file, "free")
    server = start(f"keys: {{ file: '{file}' }}")
    answers = [server.post("/v1/classify", BODY, "-H", "x-paddock-key: " + slow) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].error["code"] == "rate_limited" and 1 <= int(answers[3].headers["retry-after"]) <= 11
    assert server.post("/v1/classify", BODY, "-H", "x-paddock-key: " + free).status == 200


def test_keys_are_read_again_at_sighup(start, file):
    first = add(file, "first")
    server = start(f"keys: {{ file: '{file}' }}")
    second = add(file, "second")
    def status(key):
        return server.get("/v1/judges", "-H", "x-paddock-key: " + key).status
    assert (status(first), status(second)) == (200, 401)
    assert paddock("keys", "revoke", "first", "--file", file).returncode == 0
    reload(server)
    assert (status(first), status(second)) == (401, 200)
    file.write_text("keys: [{ id: x }]")
    reload(server, "not reloaded, nothing was changed")
    assert (status(first), status(second)) == (401, 200)


def test_a_listener_for_other_machines_needs_keys_or_the_word(start, file, tmp_path):
    (tmp_path / "open.yaml").write_text("listeners: [{ address: '0.0.0.0:0' }]")
    done = paddock("serve", "--config", tmp_path / "open.yaml")
    assert done.returncode == 2 and b"allow_without_keys" in done.stderr
    key = add(file, "k")
    server = start(f"keys: {{ file: '{file}' }}\nlisteners: [{{ address: '0.0.0.0:0' }}, {{ address: '127.0.0.1:0', allow_without_keys: true }}]")
    inside = "http://" + server.addresses[1]
    from harness import curl
    assert curl(f"http://127.0.0.1:{server.port}/v1/judges").status == 401
    assert curl(f"http://127.0.0.1:{server.port}/v1/judges", "-H", "x-paddock-key: " + key).status == 200
    assert curl(inside + "/v1/judges").status == 200


def test_policies_are_read_again_at_sighup_while_requests_run(start, tmp_path):
    (tmp_path / "policies").mkdir()
    server = start(f"policies: {{ directory: '{tmp_path}/policies' }}")
    assert server.post("/v1/classify", {**BODY, "policy": "new"}).status == 422
    (tmp_path / "policies" / "new.yaml").write_text("name: new\nversion: '1'\ntaxonomy: llama-guard-3\n")
    reload(server)
    assert server.classify("hi", policy="new")["policy"]["name"] == "new"
    (tmp_path / "policies" / "new.yaml").write_text("name: new\nversion: '2'\ntaxonomy: nothing\n")
    reload(server, "not reloaded, nothing was changed")
    assert server.classify("hi", policy="new")["policy"]["version"] == "1"
    assert server.metric('paddock_verdicts_total{policy="new",verdict="safe",action="allow"}') == 2


def test_ids_and_traces(start, faults):
    from fault_server import completion
    faults.answer = lambda _: completion("safe")
    server = start(f"""
judges: {{ guard: {{ kind: model, profile: llama-guard-3-8b, backends: [b] }} }}
backends: {{ b: {{ dialect: openai-completions, url: '{faults.url}', model: m }} }}
""")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    def id_of(*headers):
        return server.get("/healthz", *[part for header in headers for part in ("-H", header)]).headers["x-request-id"]
    assert id_of("x-request-id: my-id_1.2:3") == "my-id_1.2:3"
    for odd in ["a b", "x" * 129, "<script>", "", "ü"]:
        assert re.fullmatch(r"req_[0-9a-f]{16}", id_of("x-request-id: " + odd) if odd else id_of("x-request-id;"))
    server.post("/v1/classify", {**BODY, "judge": "guard"}, "-H", "traceparent: " + trace, "-H", "x-request-id: mine")
    assert faults.requests[-1]["headers"]["traceparent"] == trace
    other = {"messages": [{"role": "user", "content": "ho"}], "judge": "guard"}
    server.post("/v1/classify", other, "-H", "traceparent: 00-zz")
    assert "traceparent" not in faults.requests[-1]["headers"]
    assert server.stop() == 0
    line = next(line for line in server.log_lines() if line.get("request_id") == "mine" and line["message"] == "request")
    assert line["trace_id"] == trace[3:35]
