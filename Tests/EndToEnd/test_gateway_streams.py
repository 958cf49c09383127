"""The gateway's streams: what was judged leaves, event by event, and nothing else."""

import json
import socket
import subprocess
import threading
import time

import pytest

from chats import DENIED, LONG, STREAM, answer, chat, content, event, events, gateway, post, stream
from fault_server import RESET, http
from harness import curl


def test_a_stream_passes_byte_for_byte(gateway, faults):
    server = gateway()
    faults.answer = stream(*events(*LONG))
    found = post(server, chat(stream=True))
    assert found.body.decode() == "".join(events(*LONG))
    assert found.headers["content-type"].startswith("text/event-stream")
    assert found.headers["x-paddock-input-verdict"] == "safe"


def test_a_stream_that_is_there_before_its_head_was_read_passes_whole(gateway, faults):
    """More comes at once than is kept for a reader that is not there yet: the rest is fetched when it is."""
    server = gateway("default_judge: quick\njudges: { quick: { kind: embedded, stages: one } }\n"
                     "gateway: { stream: { mode: window, size: 1000, on_finding: block } }\n")
    words = ("Stay in Campo de Ourique: it is quiet, has a market hall and parks, and the old tram ends there. Good day trips "
             "by train are Sintra, Cascais and Tomar, each with short walks and nice food close to the station. ").split()
    sent = events(*[word + " " for word in words * 130])
    faults.answer = [b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in stream(*sent))]
    for _ in range(3):
        assert post(server, chat(stream=True)).body.decode() == "".join(sent)


@pytest.mark.parametrize("mode", ["hold-all", "window", "tail-hold"])
def test_every_mode_passes_what_is_harmless(gateway, faults, mode):
    server = gateway(f"gateway: {{ stream: {{ mode: {mode}, size: 40, overlap: 24 }} }}\n")
    faults.answer = stream(*events(*LONG))
    assert post(server, chat(stream=True)).body.decode() == "".join(events(*LONG))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_stream_that_comes_byte_by_byte_passes_whatever_its_line_ends(gateway, faults, ends):
    sent = ": hello\n\nevent: message\n" + "".join(events("Gr\u00fc\u00dfe \U0001f642 ", *LONG)) + ": bye\n\n"
    sent = sent.replace("\n", ends)
    server = gateway()
    faults.answer = stream(*[bytes([byte]) for byte in sent.encode()])
    found = post(server, chat(stream=True)).body
    assert sent.encode().startswith(found) and b"[DONE]" in found


@pytest.mark.parametrize("mode,size", [("hold-all", 40), ("window", 40), ("window", 200)])
@pytest.mark.parametrize("split", [1, 3, 7, 100])
def test_nothing_of_a_denied_phrase_leaves_a_stream(gateway, faults, mode, size, split):
    server = gateway(
        f"gateway: {{ stream: {{ mode: {mode}, size: {size}, overlap: 30, delay_ms: 60000 }} }}\n")
    text = "".join(LONG) + f" And now about {DENIED} and " + "".join(LONG)
    faults.answer = stream(*events(*[text[i:i + split] for i in range(0, len(text), split)]))
    found = post(server, chat(stream=True)).body
    shown = content(found)
    assert shown == "Not here." or (text.startswith(shown) and len(shown) <= text.index(DENIED))
    assert found.decode().endswith("data: [DONE]\n\n") and '"content_filter"' in found.decode()
    assert "nightingale" not in found.decode()


def test_a_blocked_stream_calls_the_upstream_off_at_once(gateway, faults):
    server = gateway()
    seen = threading.Event()

    def endless(request):
        yield from stream(event({"content": f"about {DENIED} "}))
        for _ in range(2000):
            yield event({"content": "and so it goes on and on "}).encode()
            yield 0.01

    class Steps(list):
        def __iter__(self):
            try:
                yield from endless(None)
            finally:
                seen.set()

    faults.answer = Steps([b""])
    began = time.monotonic()
    found = post(server, chat(stream=True))
    assert '"content_filter"' in found.body.decode()
    assert seen.wait(10) and time.monotonic() - began < 15


def test_arguments_of_a_call_wait_for_their_end(gateway, faults):
    server = gateway()

    def part(arguments, **more):
        return event({"tool_calls": [{"index": 0, **more, "function": {"arguments": arguments}}]})
    pieces = [part("", id="c", type="function"), part('{"q": "proj'), 0.4, part("ect nightin"), 0.4, part('gale"}'),
              event({}, "tool_calls"), "data: [DONE]\n\n"]
    faults.answer = stream(event({"role": "assistant", "content": None}), *pieces)
    found = post(server, chat(stream=True)).body.decode()
    assert "proj" not in found and '"content_filter"' in found
    harmless = [part("", id="c", type="function"), part('{"q": "the '), part('weather"}'), event({}, "tool_calls"),
                "data: [DONE]\n\n"]
    faults.answer = stream(*harmless)
    assert post(server, chat(stream=True)).body.decode() == "".join(harmless)


def test_a_text_that_waits_is_judged_when_its_time_is_up(gateway, faults):
    server = gateway("gateway: { stream: { mode: window, size: 4000, overlap: 0, delay_ms: 100 } }\n")
    gate = threading.Event()

    class Steps(list):
        def __iter__(self):
            yield from stream(event({"content": "Hello there."}))
            gate.wait(20)
            yield from [step.encode() for step in [event({}, "stop"), "data: [DONE]\n\n"]]

    faults.answer = Steps([b""])
    with subprocess.Popen(
            ["curl", "-sN", server.url + "/v1/chat/completions", "-H", "content-type: application/json",
             "-d", json.dumps(chat(stream=True))], stdout=subprocess.PIPE) as client:
        assert b"Hello there." in client.stdout.readline()
        gate.set()
        assert b"[DONE]" in client.stdout.read()


def test_a_silent_stream_is_kept_alive_with_comments(gateway, faults):
    server = gateway("gateway: { stream: { mode: hold-all, keepalive_ms: 50 } }\n")
    faults.answer = stream(event({"content": "Hello "}), 0.5, *events("there.")[1:])
    found = post(server, chat(stream=True)).body.decode()
    assert found.startswith(": keep-alive\n\n") and content(found.encode()) == "Hello there."


@pytest.mark.parametrize("steps,code", [
    ([event({"content": "Hello "})], "upstream_broke_off"),
    ([event({"content": "Hello "}), RESET], "upstream_broke_off"),
    ([event({"content": "Hello "}), "data: {broken\n\n", "data: [DONE]\n\n"], "upstream_unreadable"),
    ([event({"content": "Hello "}), 3.0, "data: [DONE]\n\n"], "upstream_broke_off"),
    ([event({"content": "Hello "}), b"data: \xff\xfe\n\n"], "upstream_unreadable")])
def test_a_stream_that_breaks_says_so_behind_what_was_judged(gateway, faults, steps, code):
    server = gateway(STREAM, upstream=", idle_timeout_ms: 400")
    faults.answer = stream(*steps)
    found = post(server, chat(stream=True)).body.decode()
    assert content(found.encode()) == "Hello " or code != "upstream_broke_off" or RESET in steps
    last = json.loads(found.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["code"] == code and "[DONE]" not in found
    faults.answer = http(answer())
    assert post(server, chat()).status == 200


def test_what_is_no_stream_is_no_stream(gateway, faults):
    server = gateway()
    faults.answer = http(answer())
    assert post(server, chat(stream=True)).body.decode() == answer()
    faults.answer = stream("<html>", kind="text/html")
    assert post(server, chat(stream=True)).json["error"]["code"] == "upstream_wrong_content_type"


def test_more_than_may_be_held_ends_the_answer(gateway, faults):
    server = gateway("gateway: { stream: { mode: hold-all, buffer_bytes: 4096 } }\n")
    faults.answer = stream(*events(*LONG * 10))
    found = post(server, chat(stream=True)).body.decode()
    assert content(found.encode()) == "Not here." and '"content_filter"' in found
    assert server.metric('paddock_streams_halted_total{reason="overflow"}') == 1


def test_a_flagged_stream_says_so_in_a_comment(gateway, faults):
    server = gateway()
    faults.answer = stream(*events(*LONG, " With lukewarm lemonade."))
    found = post(server, chat(stream=True)).body.decode()
    assert ": x-paddock-output-action: flag\n" in found and found.endswith("data: [DONE]\n\n")


def test_a_flagged_stream_says_so_where_it_breaks_off_too(gateway, faults):
    server = gateway()
    faults.answer = stream(*events(*LONG, " With lukewarm lemonade. ", *LONG)[:-2])
    found = post(server, chat(stream=True)).body.decode()
    assert found.count(": x-paddock-output-action: flag\n") == 1
    assert found.index("-action: flag") < found.index('"upstream_broke_off"')


def test_a_client_that_leaves_calls_the_upstream_off(gateway, faults):
    server = gateway()
    ended = threading.Event()

    class Steps(list):
        def __iter__(self):
            try:
                yield from stream()
                for _ in range(3000):
                    yield event({"content": "word " * 20}).encode()
                    yield 0.01
            finally:
                ended.set()

    faults.answer = Steps([b""])
    body = json.dumps(chat(stream=True))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert client.recv(1000)
    assert ended.wait(20)


def test_a_slow_client_slows_the_upstream_and_no_memory_grows(gateway, faults):
    server = gateway(STREAM.replace("size", "on_finding: block, size"))
    sent = 0

    class Steps(list):
        def __iter__(self):
            nonlocal sent
            yield from stream()
            piece = "".join(event({"content": "plum cake and tea "}) for _ in range(500)).encode()
            for _ in range(300):
                yield piece
                sent += len(piece)
            yield "".join(events()[1:]).encode()

    faults.answer = Steps([b""])
    body = json.dumps(chat(stream=True))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        client.recv(1000)
        seen = -1
        while seen != sent:
            seen = sent
            time.sleep(1.5)
        # Socket buffers hold a few megabytes of the thirty.
        assert sent < 20_000_000
        got = 0
        while data := client.recv(1 << 20):
            got += len(data)
            if data.endswith(b"0\r\n\r\n"):
                break
        assert got > 30_000_000 * 0.9 or got > sent, data[-600:]


@pytest.mark.parametrize("finding,most", [("block", 1.25), ("hold", 2.25)])
def test_what_is_judged_twice_is_the_overlap_and_the_whole_only(gateway, faults, finding, most):
    server = gateway(
        f"gateway: {{ stream: {{ mode: window, size: 400, overlap: 100, delay_ms: 60000, on_finding: {finding} }} }}\n")
    faults.answer = stream(*events(*LONG * 100))
    assert b"[DONE]" in post(server, chat(stream=True)).body
    received = server.metric('paddock_stream_characters_total{kind="received"}')
    judged = server.metric('paddock_stream_characters_total{kind="judged"}')
    assert received == len("".join(LONG)) * 100 and judged <= received * most + 100


# A stream that the client holds


def classify_stream(server, *lines):
    found = curl(
        server.url + "/v1/classify/stream", "-H", "content-type: application/x-ndjson", "--data-binary", "@-",
        stdin="".join(json.dumps(line) + "\n" for line in lines))
    return found, [json.loads(line) for line in found.body.decode().splitlines()]


CONTEXT = {"open": {"messages": [{"role": "user", "content": "Tell me of the river."}]}}


def test_a_stream_of_the_clients_own_is_judged_as_it_comes(gateway):
    server = gateway()
    found, lines = classify_stream(server, CONTEXT, *[{"delta": text} for text in LONG], {"end": True})
    assert found.status == 200 and found.headers["content-type"] == "application/x-ndjson"
    verdicts = [line["verdict"] for line in lines]
    assert [verdict["through"] for verdict in verdicts] == sorted(verdict["through"] for verdict in verdicts)
    assert len(verdicts) > 1 and verdicts[-1]["final"] and verdicts[-1]["through"] == len("".join(LONG))
    assert all(verdict["verdict"] == "safe" and verdict["direction"] == "output" for verdict in verdicts)


def test_a_finding_is_the_last_verdict_of_a_stream(gateway):
    _, lines = classify_stream(gateway(), CONTEXT, {"delta": "About " + DENIED + " " + "".join(LONG)}, {"delta": "more"},
                               {"end": True})
    assert lines[-1]["verdict"]["action"] == "block" and lines[-1]["verdict"]["final"]


@pytest.mark.parametrize("lines,code", [
    ([{"delta": "x"}], "invalid_field"), ([CONTEXT, CONTEXT], "invalid_field"), ([CONTEXT, {"end": True}], "nothing_to_judge"),
    ([CONTEXT, {"delta": "x"}], "incomplete_stream"), ([CONTEXT, {"delta": 1}], "invalid_field"),
    ([{"open": {"messages": [], "policy": "none"}}], "unknown_policy"), ([{"x": 1}], "unknown_field"), (["x"], "invalid_request")])
def test_a_wrong_line_is_an_error_and_the_last_one(gateway, lines, code):
    _, found = classify_stream(gateway(), *lines)
    assert found[-1]["error"]["code"] == code


@pytest.mark.parametrize("arguments,status,code", [
    (["-H", "content-length: 0"], 400, "incomplete_stream"), (["-H", "content-length:"], 411, "length_required")])
def test_a_stream_that_never_begins_is_refused_by_its_head(gateway, arguments, status, code):
    answer = curl(gateway().url + "/v1/classify/stream", "-X", "POST", "-H", "content-type: application/x-ndjson", *arguments)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_verdicts_come_while_the_stream_goes_on(gateway):
    server = gateway()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        def send(line):
            data = json.dumps(line).encode() + b"\n"
            client.sendall(b"%x\r\n%s\r\n" % (len(data), data))
        client.sendall(b"POST /v1/classify/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n")
        send(CONTEXT)
        send({"delta": "".join(LONG)})
        client.settimeout(20)
        received = b""
        while b'"through"' not in received:
            received += client.recv(65536)
        assert b'"final"' not in received
        send({"delta": " The end."})
        send({"end": True})
        client.sendall(b"0\r\n\r\n")
        while b'"final":true' not in received:
            received += client.recv(65536)
