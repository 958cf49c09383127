"""What becomes of a request when a model server fails: every fault, with and without another server, failing closed and open.

The table in docs/reliability.md is held against what really happens, row by row.
"""

import json
import pathlib

import pytest

from authority import Authority
from fault_server import RESET, FaultServer, completion, free_port, http

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "reliability.md"
GOOD = completion("safe")

POLICY = """
name: {name}
version: "1"
taxonomy: llama-guard-3
on_error: {action}
"""

# What the server answers; None as the URL stands for the fault server's own.
FAULTS = {
    "refused": (None, "refused"),
    "reset in the middle of the body": ([GOOD[:-20], 0.02, RESET], None),
    "half-open: accepted, never answered": (None, None),
    "first byte late": ([0.6, GOOD], None),
    "one byte at a time": ([step for byte in GOOD for step in (bytes([byte]), 0.02)], None),
    "429": (http("{}", "429 Too Many Requests"), None),
    "500": (http(json.dumps({"choices": [{"text": "safe"}]}), "500 Oops"), None),
    "503": (http("{}", "503 Busy"), None),
    "a certificate that nobody vouches for": (GOOD, "https"),
    "not JSON": (http("<html>safe</html>"), None),
    "another schema": (http(json.dumps({"output": [{"text": "safe"}]})), None),
    "no choices": (http('{"choices":[]}'), None),
    "no verdict": (completion("I think that this is safe."), None),
    "a huge answer": (http("x" * (5 << 20)), None),
}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """Asks about every cell; the cells as the document writes them."""
    from harness import Paddock
    unknown = Authority(tmp_path_factory.mktemp("unknown"), "unknown").serving("server", "127.0.0.1")
    with FaultServer() as bad, FaultServer() as good, FaultServer(unknown) as secure:
        good.answer = completion("unsafe\nS9")
        urls = {None: bad.url, "refused": f"http://127.0.0.1:{free_port()}/v1", "https": secure.url}
        # Breakers are for test_reliability.py: here every cell shall see its own fault.
        common = "model: tiny, timeout_ms: 500, first_byte_timeout_ms: 250, breaker: { failures: 1000000 }"
        judges, backends = [], [f"  good: {{ dialect: openai-completions, url: '{good.url}', {common} }}"]
        for kind, url in urls.items():
            judges += [f"  one-{kind}: {{ kind: model, profile: llama-guard-3-8b, backends: [bad-{kind}] }}",
                       f"  two-{kind}: {{ kind: model, profile: llama-guard-3-8b, backends: [bad-{kind}, good] }}"]
            backends.append(f"  bad-{kind}: {{ dialect: openai-completions, url: '{url}', {common} }}")
        folder = tmp_path_factory.mktemp("matrix")
        (folder / "policies").mkdir()
        for name, action in [("closed", "block"), ("open", "allow")]:
            (folder / "policies" / f"{name}.yaml").write_text(POLICY.format(name=name, action=action))
        configuration = "\n".join([
            "policies: { directory: policies }", "cache: { bytes: 0 }", "judges:", *judges, "backends:", *backends])
        cells = {}
        with Paddock(configuration, folder) as server:
            for name, (answer, url) in FAULTS.items():
                bad.answer = secure.answer = answer
                for judge in ["one", "two"]:
                    for policy in ["closed", "open"]:
                        verdict = server.classify("hi", judge=f"{judge}-{url}", policy=policy)
                        assert verdict["verdict"] != "safe", "nobody has judged it safe"
                        cells[name, judge, policy] = verdict
        yield cells


def text(verdict):
    reasons = [part["reason"] for part in verdict["coverage"]["not_judged"]]
    words = [verdict["verdict"], verdict["action"], *reasons, *verdict["events"]]
    return ", ".join(f"`{word}`" for word in words)


def test_every_fault_ends_as_the_document_says(matrix):
    told = DOCUMENT.read_text()
    for name in FAULTS:
        row = [text(matrix[name, judge, policy]) for judge, policy in [("one", "closed"), ("one", "open"), ("two", "closed"), ("two", "open")]]
        line = f"| {name} | " + " | ".join(row) + " |"
        assert line in told, line


@pytest.mark.parametrize("name", FAULTS)
def test_one_server_that_fails_is_never_judged_and_two_are_judged_by_the_other(matrix, name):
    for policy, action in [("closed", "block"), ("open", "allow")]:
        one, two = matrix[name, "one", policy], matrix[name, "two", policy]
        assert (one["verdict"], one["action"], one["score"]) == ("not_judged", action, None)
        assert one["coverage"]["characters_judged"] == 0 and one["coverage"]["not_judged"][0]["reason"]
        assert (two["verdict"], two["action"]) == ("unsafe", "block") and "failover" in two["events"]
        assert two["coverage"]["not_judged"] == []
