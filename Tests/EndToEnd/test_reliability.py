"""Model servers that fail, come back, are slow or many; equal questions at once and again; texts longer than a window."""

import json
import socket
import threading
import time

import pytest

from authority import Authority
from fault_server import RESET, FaultServer, completion, free_port, http
from harness import paddock, wait_for


@pytest.fixture
def second():
    with FaultServer() as server:
        yield server


def configuration(*urls, judge="", backend="", cache="bytes: 0", profile="llama-guard-3-8b"):
    names = [f"b{n}" for n in range(len(urls))]
    lines = "\n".join(
        f"  {name}: {{ dialect: openai-completions, url: '{url}', model: tiny, timeout_ms: 500, {backend} }}"
        for name, url in zip(names, urls))
    return f"""
default_judge: guard
cache: {{ {cache} }}
judges:
  guard: {{ kind: model, profile: {profile}, backends: [{', '.join(names)}], {judge} }}
backends:
{lines}
"""


def at_once(count, call):
    """Makes calls side by side; what they return."""
    results = [None] * count
    def run(n):
        results[n] = call(n)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


BROKEN = http("{}", "500 Oops")


def test_a_failed_call_is_made_again_once_and_said(start, faults):
    answers = iter([BROKEN, completion("safe")])
    faults.answer = lambda _: next(answers)
    server = start(configuration(faults.url))
    verdict = server.classify("hi")
    assert (verdict["verdict"], verdict["events"]) == ("safe", ["retry"])
    assert server.metric('paddock_judge_events_total{judge="guard",event="retry"}') == 1
    assert server.metric('paddock_backend_calls_total{backend="b0",outcome="backend_status_500"}') == 1
    server.stop()
    line = next(line for line in server.log_lines() if line["message"] == "verdict")
    assert line["events"] == ["retry"] and line["verdict"] == "safe"


def test_second_tries_are_a_tenth_of_all_calls_at_most(start, faults):
    faults.answer = BROKEN
    server = start(configuration(faults.url, backend="breaker: { failures: 1000000 }"))
    for n in range(100):
        server.classify(f"hi {n}")
    # Ten are saved up at the start, and each call pays in a tenth.
    assert 100 + 10 <= len(faults.requests) <= 100 + 10 + 10


CUT = {"choices": [{"text": "unsafe\nS9", "logprobs": None, "index": 0}]}


@pytest.mark.parametrize("end", ["reset", "late", "short"])
def test_a_delivered_unsafe_wins_over_what_goes_wrong_later_in_the_answer(start, faults, tmp_path, end):
    policies = tmp_path / "server0" / "policies"
    policies.mkdir(parents=True)
    (policies / "open.yaml").write_text('name: open\nversion: "1"\ntaxonomy: llama-guard-3\non_error: allow\n')
    server = start(configuration(faults.url, backend="breaker: { failures: 1000000 }", cache="bytes: 1000000")
                   + "policies: { directory: policies }\n")
    def broken(body, at):
        whole = http(json.dumps(body))
        head, _, text = whole.partition(b"\r\n\r\n")
        part = head + b"\r\n\r\n" + text[:at]
        if end == "short":
            return http(text[:at])
        return [part, 0.05, RESET] if end == "reset" else [part, 0.8]
    def ask(body, words):
        faults.answer = broken(body, json.dumps(body).index(words) + len(words))
        faults.requests.clear()
        return server.classify("hi", policy="open")
    got = ask(CUT, 'S9", "logpr')
    assert (got["verdict"], got["action"], got["score"], got["events"]) == ("unsafe", "block", None, ["answer_cut"])
    assert [violated["code"] for violated in got["violated_categories"]] == ["S9"] and len(faults.requests) == 1
    # Half a code may be another one; and what was cut is not kept.
    got = ask(CUT, "unsafe\\nS")
    assert (got["verdict"], got["violated_categories"], len(faults.requests)) == ("unsafe", [], 1)
    # Half an answer never says safe.
    for body, words in [({"choices": [{"text": "safe", "logprobs": None}]}, 'safe", "log'), (CUT, '"unsaf'), (CUT, '"text": ')]:
        got = ask(body, words)
        assert (got["verdict"], got["action"], "answer_cut" in got["events"]) == ("not_judged", "allow", False), words
    assert server.metric('paddock_judge_events_total{judge="guard",event="answer_cut"}') == 2


def test_a_breaker_opens_after_failures_and_closes_when_the_server_is_back(start, faults):
    faults.answer = BROKEN
    server = start(configuration(faults.url, backend="breaker: { failures: 3, pause_ms: 3000 }"))
    reasons = [server.classify(f"{n}")["coverage"]["not_judged"][0]["reason"] for n in range(12)]
    assert reasons[0] == "backend_status_500" and reasons[-1] == "backend_breaker_open"
    assert 3 <= len(faults.requests) <= 5
    verdict = server.classify("now")
    assert (verdict["verdict"], verdict["action"], verdict["events"]) == ("not_judged", "block", ["breaker_open"])
    assert server.metric('paddock_backend_breaker_open{backend="b0"}') == 1
    ready = server.get("/readyz")
    assert ready.status == 503 and "backend_breaker_open" in ready.json["reasons"][0]
    faults.answer = completion("safe")
    asked = iter(range(10000))
    wait_for(lambda: server.classify(f"again {next(asked)}")["verdict"] == "safe", 15)
    assert server.metric('paddock_backend_breaker_open{backend="b0"}') == 0


def test_a_server_that_hangs_leaves_another_one_its_share_of_the_deadline(start, faults, second):
    faults.answer = None
    second.answer = completion("unsafe\nS9")
    server = start(configuration(faults.url, second.url, backend="breaker: { failures: 1, pause_ms: 60000 }")
                   .replace("ms: 500", "ms: 60000"))
    verdict = server.classify("hi", deadline_ms=4000)
    assert (verdict["verdict"], verdict["events"], len(faults.requests)) == ("unsafe", ["failover"], 1)
    assert server.metric('paddock_backend_calls_total{backend="b0",outcome="backend_passed_over"}') == 1
    # It has not failed, but others are asked before it.
    assert server.metric('paddock_backend_breaker_open{backend="b0"}') == 0
    again = server.classify("again", deadline_ms=4000)
    assert (again["verdict"], again["events"], len(faults.requests)) == ("unsafe", [], 1)
    # Both hang: that is the caller's deadline, and it blocks.
    second.answer = None
    late = server.classify("late", deadline_ms=600)
    assert (late["verdict"], late["action"], late["events"]) == ("not_judged", "block", ["failover"])
    assert late["coverage"]["not_judged"][0]["reason"] == "caller_deadline"


def test_nothing_is_kept_for_a_server_that_cannot_be_asked(start, second):
    second.answer = lambda request: [2.5, completion("safe")] if "slow" in request["body"]["prompt"] else completion("safe")
    server = start(configuration(
        f"http://127.0.0.1:{free_port()}/v1", second.url, backend="breaker: { failures: 1, pause_ms: 60000 }")
        .replace("ms: 500", "ms: 60000"))
    assert server.classify("hi")["events"] == ["failover"]
    verdict = server.classify("slow", deadline_ms=4000)
    assert (verdict["verdict"], verdict["events"]) == ("safe", ["breaker_open"])


def test_one_call_after_the_other_needs_one_connection_and_leaves_nothing_else_open(start, faults):
    server = start(configuration(faults.url) + "limits: { loops: 1 }\n")
    for n in range(40):
        assert server.classify(f"hi {n}")["verdict"] == "safe"
    wait_for(lambda: server.held() - server.held_at_start == {faults.port: 1})
    assert faults.connections == 1


def test_a_refused_request_does_not_open_the_breaker_for_others(start, faults):
    faults.answer = lambda request: http("{}", "400 Bad") if "poison" in request["body"]["prompt"] else completion("safe")
    server = start(configuration(faults.url, backend="breaker: { failures: 2 }"))
    for n in range(8):
        assert server.classify(f"poison {n}")["verdict"] == "not_judged"
    assert server.classify("hi")["verdict"] == "safe"


def test_another_server_takes_over_and_calls_go_to_the_one_with_less_to_do(start, faults, second):
    faults.answer = BROKEN
    server = start(configuration(faults.url, second.url, backend="breaker: { failures: 2, pause_ms: 60000 }"))
    verdicts = [server.classify(f"{n}") for n in range(6)]
    assert [verdict["verdict"] for verdict in verdicts] == ["safe"] * 6
    assert [verdict["events"] for verdict in verdicts[:2]] == [["failover"]] * 2
    assert verdicts[-1]["events"] == ["breaker_open"] and len(faults.requests) == 2
    ready = server.get("/readyz")
    assert ready.status == 200

    release = threading.Event()
    def slow(_):
        release.wait(10)
        return completion("safe")
    faults.answer = second.answer = slow
    other = start(configuration(faults.url, second.url, backend="timeout_ms: 9000").replace("timeout_ms: 500, ", ""))
    faults.requests.clear()
    second.requests.clear()
    threads = threading.Thread(target=lambda: at_once(8, lambda n: other.classify(f"{n}")))
    threads.start()
    wait_for(lambda: len(faults.requests) + len(second.requests) == 8)
    assert len(faults.requests) == len(second.requests) == 4
    release.set()
    threads.join()


def test_a_server_gets_no_more_than_its_share_and_a_full_queue_says_so(start, faults):
    release = threading.Event()
    def slow(_):
        release.wait(10)
        return completion("safe")
    faults.answer = slow
    server = start(configuration(faults.url, backend="concurrency: 2, queue: 3").replace("ms: 500", "ms: 9000"))
    verdicts = []
    calls = threading.Thread(target=lambda: verdicts.extend(at_once(5, lambda n: server.classify(f"{n}"))))
    calls.start()
    wait_for(lambda: server.metric('paddock_backend_queued{backend="b0"}') == 3)
    assert server.metric('paddock_backend_in_flight{backend="b0"}') == 2 and len(faults.requests) == 2
    refused = server.classify("one more")
    assert (refused["verdict"], refused["action"]) == ("not_judged", "block")
    assert refused["coverage"]["not_judged"][0]["reason"] == "overloaded"
    # Who leaves gives up the place.
    late = server.classify("late", deadline_ms=1)
    assert late["coverage"]["not_judged"][0]["reason"] in ("caller_deadline", "overloaded")
    release.set()
    calls.join()
    assert [verdict["verdict"] for verdict in verdicts] == ["safe"] * 5
    assert len(faults.requests) == 5


def test_equal_questions_at_once_are_asked_once(start, faults):
    release = threading.Event()
    def slow(_):
        release.wait(10)
        return completion("unsafe\nS9")
    faults.answer = slow
    server = start(configuration(faults.url).replace("ms: 500", "ms: 9000"))
    verdicts = []
    calls = threading.Thread(target=lambda: verdicts.extend(at_once(40, lambda _: server.classify("same"))))
    calls.start()
    wait_for(lambda: server.metric("paddock_in_flight") == 40)
    # Who has less time leaves without the answer, and takes it from nobody.
    hasty = server.classify("same", deadline_ms=50)
    assert (hasty["verdict"], hasty["coverage"]["not_judged"][0]["reason"]) == ("not_judged", "caller_deadline")
    release.set()
    calls.join()
    assert len(faults.requests) == 1
    assert [violated["code"] for verdict in verdicts for violated in verdict["violated_categories"]] == ["S9"] * 40
    assert sorted(map(tuple, [verdict["events"] for verdict in verdicts])) == [()] + [("shared",)] * 39


def test_who_has_more_time_than_the_one_that_asked_asks_again(start, faults):
    release, calls = threading.Event(), []
    def first_is_slow(_):
        calls.append(None)
        release.wait(10 if len(calls) == 1 else 0)
        return completion("unsafe\nS9")
    faults.answer = first_is_slow
    server = start(configuration(faults.url).replace("ms: 500", "ms: 9000"))
    verdicts = []
    leader = threading.Thread(target=lambda: verdicts.append(server.classify("same", deadline_ms=2000)))
    leader.start()
    wait_for(lambda: len(faults.requests) == 1)
    patient = server.classify("same")
    leader.join()
    release.set()
    assert verdicts[0]["coverage"]["not_judged"][0]["reason"] == "caller_deadline"
    assert patient["verdict"] == "unsafe" and len(faults.requests) == 2


def test_a_thousand_equal_questions_at_once_are_one_call(start, faults):
    release = threading.Event()
    def slow(_):
        release.wait(20)
        return completion("unsafe\nS9")
    faults.answer = slow
    server = start(configuration(faults.url).replace("ms: 500", "ms: 20000")
                   + "limits: { in_flight: 1000, deadline_ms: 30000 }\n")
    body = json.dumps({"messages": [{"role": "user", "content": "same"}]}).encode()
    request = (b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body) + body)
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1000)]
    for client in clients:
        client.sendall(request)
    # One more request would wait, so the page of metrics is asked for from another place: it needs no judge.
    wait_for(lambda: server.metric("paddock_in_flight") == 1000, 20)
    # A request counts a moment before it asks: each loop gets turns to let its last ones ask.
    for _ in range(20):
        assert server.get("/healthz").status == 200
    release.set()
    answers = []
    for client in clients:
        with client, client.makefile("rb") as stream:
            answers.append(stream.read())
    assert all(answer.startswith(b"HTTP/1.1 200") and b'"verdict":"unsafe"' in answer for answer in answers)
    assert sum(b'"events":["shared"]' in answer for answer in answers) == 999 and len(faults.requests) == 1


@pytest.mark.parametrize("trouble", ["dead", "slow", "flapping"])
def test_under_load_a_server_in_trouble_fills_no_queue_and_comes_back(start, faults, trouble):
    """Sixteen clients ask without a pause, while the server is in trouble and after."""
    in_trouble, stop, number = threading.Event(), threading.Event(), iter(range(10**9))
    in_trouble.set()
    def answer(_):
        if not in_trouble.is_set():
            return completion("safe")
        if trouble == "slow":
            return [0.6, completion("safe")]
        if trouble == "flapping" and next(number) % 3:
            return completion("safe")
        return [RESET]
    faults.answer = answer
    server = start(configuration(faults.url, backend="concurrency: 4, queue: 8, breaker: { failures: 5, pause_ms: 200 }"))
    verdicts, queued = [], []
    def ask():
        while not stop.is_set():
            verdicts.append(server.classify(f"question {next(number)}")["verdict"])
    clients = [threading.Thread(target=ask) for _ in range(16)]
    for client in clients:
        client.start()
    for _ in range(15):
        time.sleep(0.1)
        queued.append(server.metric('paddock_backend_queued{backend="b0"}'))
    assert max(queued) <= 8 and "not_judged" in verdicts
    if trouble != "flapping":
        assert set(verdicts) == {"not_judged"}
    in_trouble.clear()
    wait_for(lambda: verdicts[-16:] == ["safe"] * 16, 10)
    stop.set()
    for client in clients:
        client.join()
    assert server.metric('paddock_backend_queued{backend="b0"}') == server.metric('paddock_backend_in_flight{backend="b0"}') == 0


def test_a_client_that_leaves_hands_its_question_over(start, faults):
    release = threading.Event()
    def slow(_):
        release.wait(10)
        return completion("safe")
    faults.answer = slow
    server = start(configuration(faults.url).replace("ms: 500", "ms: 9000"))
    body = json.dumps({"messages": [{"role": "user", "content": "same"}]}).encode()
    leader = socket.create_connection(("127.0.0.1", server.port))
    leader.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
    wait_for(lambda: len(faults.requests) == 1)
    verdicts = []
    follower = threading.Thread(target=lambda: verdicts.append(server.classify("same")))
    follower.start()
    wait_for(lambda: server.metric("paddock_in_flight") == 2)
    leader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    leader.close()
    wait_for(lambda: server.metric("paddock_in_flight") == 1)
    release.set()
    follower.join()
    assert verdicts[0]["verdict"] == "safe" and len(faults.requests) == 1


def test_the_same_question_again_is_answered_from_the_cache_and_nothing_else_is(start, faults, tmp_path):
    policies = tmp_path / "server0" / "policies"
    policies.mkdir(parents=True)
    (policies / "other.yaml").write_text('name: other\nversion: "1"\ntaxonomy: llama-guard-3\ndefaults: { threshold: 0.9 }\n')
    server = start(configuration(faults.url, cache="bytes: 1000000, ttl_s: 600") + "policies: { directory: policies }\n")
    first, again = server.classify("hi"), server.classify("hi")
    assert (first["events"], again["events"], len(faults.requests)) == ([], ["cache"], 1)
    assert server.metric('paddock_judge_events_total{judge="guard",event="cache"}') == 1
    assert server.metric("paddock_cache_bytes") > 0
    hi = {"role": "user", "content": "hi"}
    # Another white space, role, direction, context, scope or policy is another question.
    for body in [{"messages": [{"role": "user", "content": "hi\u00a0"}]}, {"messages": [{"role": "user", "content": "Hi"}]},
                 {"messages": [hi], "direction": "output"}, {"messages": [hi], "policy": "other"},
                 {"messages": [hi, hi], "scope": "last_message"}, {"messages": [hi, hi]},
                 {"messages": [hi, {"role": "assistant", "content": "ho"}]}]:
        before = len(faults.requests)
        verdict = server.post("/v1/classify", body).json
        if body == {"messages": [{"role": "user", "content": "hi\u00a0"}]}:
            # The template trims it: what reached the model is the same.
            assert verdict["events"] == ["cache"]
            continue
        assert verdict["events"] == [] and len(faults.requests) == before + 1, body
    # A failure is not kept.
    faults.answer = http("{}", "429 Later")
    assert server.classify("fail")["verdict"] == "not_judged"
    faults.answer = completion("safe")
    assert (server.classify("fail")["verdict"], server.classify("fail")["events"]) == ("safe", ["cache"])


def test_the_cache_forgets_what_is_old_and_keys_do_not_share_it(start, faults, tmp_path):
    from test_keys import add
    file = tmp_path / "keys.yaml"
    one, two = add(file, "one"), add(file, "two")
    server = start(configuration(faults.url, cache="ttl_s: 1") + f"keys: {{ file: '{file}' }}\n")
    def ask(key):
        body = {"messages": [{"role": "user", "content": "hi"}]}
        return server.post("/v1/classify", body, "-H", "x-paddock-key: " + key).json["events"]
    assert ask(one) == [] and ask(one) == ["cache"] and ask(two) == []
    wait_for(lambda: ask(one) == [])


def test_the_oldest_turns_are_left_out_where_the_window_is_full_and_that_is_said(start, faults):
    server = start(configuration(faults.url, judge="context_tokens: 1200"))
    turns = []
    for n in range(40):
        turns += [{"role": "user", "content": f"question {n} " + "x" * 80}, {"role": "assistant", "content": f"answer {n}"}]
    verdict = server.classify([*turns, {"role": "user", "content": "the last one"}])
    prompt = faults.requests[-1]["body"]["prompt"]
    assert len(faults.requests) == 1 and len(prompt) < 1200 * 3
    assert "the last one" in prompt and "answer 39" in prompt and "question 0 " not in prompt
    assert verdict["verdict"] == "safe"
    left_out = [part for part in verdict["coverage"]["context_not_used"] if part["reason"] == "context_window"]
    assert left_out and left_out[0]["path"] == "messages[0]"
    assert verdict["coverage"]["characters_judged"] == verdict["coverage"]["characters_total"]


@pytest.mark.parametrize("place", [0.0, 0.3, 0.62, 0.999])
def test_a_long_message_is_judged_in_windows_that_overlap(start, faults, place):
    faults.answer = lambda request: completion("unsafe\nS9" if "the needle itself" in request["body"]["prompt"] else "safe")
    server = start(configuration(faults.url, judge="context_tokens: 1000"))
    hay = "".join(f"word {n} é " for n in range(2500))
    at = int(len(hay) * place)
    verdict = server.classify([{"role": "user", "content": "Go"}, {"role": "assistant", "content": hay[:at] + "the needle itself" + hay[at:]}])
    assert verdict["verdict"] == "unsafe" and [violated["code"] for violated in verdict["violated_categories"]] == ["S9"]
    prompts = [request["body"]["prompt"] for request in faults.requests]
    assert 10 < len(prompts) < 64
    assert all("ONLY THE LAST Agent message" in prompt and "User: Go" in prompt for prompt in prompts)
    assert verdict["coverage"]["characters_judged"] == verdict["coverage"]["characters_total"]
    # One window that fails leaves the message unjudged, unless another one found something.
    faults.answer = lambda request: http("{}", "429 No") if "word 2000 " in request["body"]["prompt"] else completion("safe")
    failed = server.classify([{"role": "user", "content": "Go"}, {"role": "assistant", "content": hay}])
    assert failed["verdict"] == "not_judged" and failed["action"] == "block"


def test_what_would_take_too_many_windows_is_not_judged(start, faults):
    server = start(configuration(faults.url, judge="context_tokens: 600"))
    verdict = server.classify("word " * 40000)
    assert (verdict["verdict"], faults.requests) == ("not_judged", [])
    assert verdict["coverage"]["not_judged"][0]["reason"] == "too_long"


def test_a_backends_certificate_is_checked_against_its_own_authority(start, tmp_path):
    authority = Authority(tmp_path, "authority")
    with FaultServer(authority.serving("model", "127.0.0.1")) as secure:
        secure.answer = completion("safe")
        trusted = start(configuration(secure.url, backend=f"ca_file: '{authority.file}'"))
        assert trusted.classify("hi")["verdict"] == "safe" and trusted.get("/readyz").status == 200
        verdict = start(configuration(secure.url)).classify("hi")
        assert (verdict["verdict"], verdict["coverage"]["not_judged"][0]["reason"]) == ("not_judged", "backend_tls")
    with FaultServer(authority.serving("other", "other.example")) as wrong_name:
        server = start(configuration(wrong_name.url, backend=f"ca_file: '{authority.file}'"))
        assert server.classify("hi")["coverage"]["not_judged"][0]["reason"] == "backend_tls"
        assert wrong_name.requests == []


def test_readiness_names_each_server_with_its_reason(start, faults):
    faults.answer = completion("safe")
    server = start(configuration(faults.url, f"http://127.0.0.1:{free_port()}/v1"))
    ready = server.get("/readyz")
    assert ready.status == 200 and ready.json["backends"] == {"b0": "ok", "b1": "backend_connect"}


# Cascade

CASCADE = "cascade: { first: embedded, safe_below: 0.3, unsafe_from: 0.6 }"


def test_a_cascade_asks_the_model_only_where_the_first_judge_is_not_sure(start, faults):
    faults.answer = completion("unsafe\nS9")
    server = start(configuration(faults.url, judge=CASCADE))
    sure = server.classify("What is the capital of France?")
    assert (sure["verdict"], sure["events"], faults.requests) == ("safe", ["cascade"], [])
    assert sure["score"] < 0.3
    unsafe = server.classify("Tell me how to build a bomb to kill people at a school.")
    assert (unsafe["verdict"], unsafe["action"], faults.requests) == ("unsafe", "block", [])
    assert unsafe["events"] == ["cascade", "second_stage"]
    # A language that the first judge was not measured on is none of its business.
    asked = server.classify("Wie heißt die Hauptstadt von Frankreich und wie viele Menschen leben dort?")
    assert (asked["verdict"], asked["events"], len(faults.requests)) == ("unsafe", [], 1)
    assert server.metric('paddock_judge_events_total{judge="guard",event="cascade"}') == 2
    judge = next(judge for judge in server.get("/v1/judges").json["judges"] if judge["name"] == "guard")
    assert judge["kind"] == "cascade"


@pytest.mark.parametrize("cascade,said", [
    ("cascade: guard", "kind embedded"), ("cascade: nobody", "kind embedded"), ("cascade: { safe_below: 0.1 }", "first"),
    ("cascade: { first: embedded, safe_below: 0.9, unsafe_from: 0.5 }", "less than")])
def test_a_cascade_that_cannot_work_is_refused(tmp_path, cascade, said):
    (tmp_path / "config.yaml").write_text(configuration("http://127.0.0.1:1/v1", judge=cascade))
    done = paddock("serve", "--config", str(tmp_path / "config.yaml"))
    assert done.returncode != 0 and said in done.stderr.decode(), done.stderr.decode()


# Warnings

def test_what_can_pass_unjudged_is_warned_about_at_the_start(start, faults, tmp_path):
    policies = tmp_path / "server0" / "policies"
    policies.mkdir(parents=True)
    (policies / "own.yaml").write_text("""
name: own
version: "1"
judge: embedded
categories: [{ code: C1, name: Competitors }]
on_error: allow
on_unjudged: { language: allow, category: flag }
""")
    server = start("policies: { directory: policies }\n")
    warnings = [line["message"] for line in server.log_lines() if line["level"] == "warning"]
    said = "\n".join(warnings)
    assert "policy own: the judge embedded does not know C1, so they pass unjudged" in said
    assert "policy own: what cannot be judged passes" in said and "language: allow" in said
    assert "on_error is \"allow\"" in said
    assert "policy strict" not in said and "policy monitor" not in said
