"""Large clients of chat APIs in front of the gateway and of the adapters; ./scripts/test --all runs these."""

import os
import pathlib
import subprocess

import openai
import pytest

from chats import DENIED, Golden, answer, gateway
from fault_server import free_port, http
from harness import curl, wait_for
from test_docs import blocks

pytestmark = pytest.mark.heavy

WHOLE = Golden("chat").answers["text"]["choices"][0]["message"]["content"]
QUESTION = "Which is the capital of France?"
# What LiteLLM would else fetch or send.
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_TELEMETRY": "False"}


def tool(name):
    return pathlib.Path(os.environ["TESTS_HEAVY_BIN"]) / name


def python(code, folder):
    """What a program prints that has the heavy clients."""
    done = subprocess.run([tool("python"), "-c", code], capture_output=True, text=True, cwd=folder, timeout=200,
                          env={**os.environ, **QUIET})
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def code(page, server):
    [code] = blocks(f"docs/integrations/{page}.md", "python")
    return code.replace("http://127.0.0.1:8080", server.url)


def is_cut(text):
    """Whether a stream's text is the refusal's, or ends before what was refused."""
    return text == "Not here." or WHOLE.startswith(text) and len(text) <= WHOLE.index("the river")


def test_the_page_of_langchain_is_done_as_written(gateway, faults, tmp_path):
    [config] = blocks("docs/integrations/langchain.md", "yaml")
    server = gateway(config.replace("http://127.0.0.1:8000/v1", faults.url))
    faults.answer = Golden("chat").reply("text")
    assert python(code("langchain", server), tmp_path) == f"stop {WHOLE}\n{WHOLE}"
    assert [request["body"].get("stream", False) for request in faults.requests] == [False, True]
    refused = python(code("langchain", server).replace(QUESTION, DENIED), tmp_path)
    assert refused == "content_filter Not here.\nNot here." and len(faults.requests) == 2
    faults.answer = Golden("chat", DENIED).reply("text")
    found = python(code("langchain", server), tmp_path)
    whole, _, streamed = found.partition("\n")
    assert whole == "content_filter Not here." and is_cut(streamed)


def test_langchain_reads_a_tool_call(gateway, faults, tmp_path):
    server = gateway()
    faults.answer = Golden("chat").reply("tool")
    found = python(f"""
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

@tool
def look_up(place: str, what: str) -> str:
    "tells what is known of a place"
    return ""

model = ChatOpenAI(base_url="{server.url}/v1", api_key="k", model="m").bind_tools([look_up])
print(model.invoke("{QUESTION}").tool_calls[0]["args"])
pieces = list(model.stream("{QUESTION}"))
whole = pieces[0]
for piece in pieces[1:]:
    whole += piece
print(whole.tool_calls[0]["args"])
""", tmp_path)
    assert found == "{'place': 'Paris', 'what': 'the weather by the river Seine tomorrow'}\n" * 2


def test_the_page_of_litellm_is_done_as_written(gateway, faults, tmp_path):
    server = gateway()
    faults.answer = Golden("chat").reply("text")
    assert python(code("litellm", server), tmp_path) == f"stop {WHOLE}\n"
    assert faults.requests[-1]["headers"]["authorization"].startswith("Bearer ")
    refused = python(code("litellm", server).replace(QUESTION, DENIED), tmp_path)
    assert refused == "content_filter Not here.\n" and len(faults.requests) == 1


def test_litellm_reads_streams(gateway, faults, tmp_path):
    server = gateway()
    ask = f"""
import litellm
text, ends = "", []
for chunk in litellm.completion(model="openai/m", api_base="{server.url}/v1", api_key="k", stream=True,
                                messages=[{{"role": "user", "content": "{QUESTION}"}}]):
    text += chunk.choices[0].delta.content or ""
    ends.append(chunk.choices[0].finish_reason)
print([end for end in ends if end][-1], text)
"""
    faults.answer = Golden("chat").reply("text")
    assert python(ask, tmp_path) == f"stop {WHOLE}\n"
    faults.answer = Golden("chat", DENIED).reply("text")
    found = python(ask, tmp_path)
    end, _, text = found.removesuffix("\n").partition(" ")
    assert end == "content_filter" and is_cut(text)


class Proxy:
    """LiteLLM's proxy."""

    def __init__(self, folder, config):
        port = free_port()
        (folder / "litellm.yaml").write_text(config)
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "litellm.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [tool("litellm"), "--config", folder / "litellm.yaml", "--host", "127.0.0.1", "--port", str(port)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                env={**os.environ, **QUIET, "PADDOCK_KEY": "pdk_unused", "UPSTREAM_KEY": "sk-of-the-house"})
        wait_for(self.answers, 200)

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        try:
            return curl(self.url + "/health/liveliness").status == 200
        except AssertionError:
            return False

    def client(self):
        return openai.OpenAI(base_url=self.url + "/v1", api_key="sk-litellm", max_retries=0)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def test_litellms_proxy_asks_paddock_before_and_after(gateway, faults, tmp_path):
    """The page's guardrail: a prompt and an answer pass, are masked or are blocked; the proxy itself has the model."""
    adapter, guardrail, provider = blocks("docs/integrations/litellm.md", "yaml")
    server = gateway(adapter + "upstreams: { default: { url: '" + faults.url + "' } }\n")
    config = guardrail.replace("http://127.0.0.1:8080", server.url)
    config += provider.replace("http://127.0.0.1:8080/v1", faults.url) + "general_settings: { master_key: sk-litellm }\n"
    proxy = Proxy(tmp_path, config)
    try:
        def ask(text, says="The capital is Paris."):
            faults.answer = http(answer(says))
            faults.requests.clear()
            with proxy.client() as client:
                found = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": text}])
            return found.choices[0].message.content
        assert ask(QUESTION) == "The capital is Paris."
        assert faults.requests[-1]["headers"]["authorization"] == "Bearer sk-of-the-house"
        masked = ask("Where is the secret pancake, please?")
        sent = faults.requests[-1]["body"]["messages"][-1]["content"]
        assert masked == "The capital is Paris." and "pancake" not in sent
        assert sent.startswith("Where is the ") and sent.endswith(", please?")
        shown = ask(QUESTION, "Here is a secret pancake for you.")
        assert shown.startswith("Here is a ") and shown.endswith(" for you.") and "pancake" not in shown
        with pytest.raises(openai.APIStatusError) as refused:
            ask(f"Tell me of {DENIED}.")
        assert faults.requests == [] and DENIED not in str(refused.value)
        with pytest.raises(openai.APIStatusError) as refused:
            ask(QUESTION, f"It is about {DENIED}.")
        assert len(faults.requests) == 1 and DENIED not in str(refused.value)
        # A Paddock that is gone lets nothing pass.
        server.terminate()
        server.wait()
        with pytest.raises(openai.APIStatusError):
            ask(QUESTION)
        assert faults.requests == []
    finally:
        proxy.stop()


def test_litellms_proxy_has_paddock_as_its_provider(gateway, faults, tmp_path):
    server = gateway()
    provider = blocks("docs/integrations/litellm.md", "yaml")[2]
    proxy = Proxy(tmp_path, provider.replace("http://127.0.0.1:8080", server.url)
                  + "general_settings: { master_key: sk-litellm }\n")
    try:
        with proxy.client() as client:
            def ask(text=QUESTION, **more):
                return client.chat.completions.create(
                    model="chat", messages=[{"role": "user", "content": text}], **more)

            def streamed(chunks):
                choices = [choice for chunk in chunks for choice in chunk.choices]
                return ("".join(choice.delta.content or "" for choice in choices),
                        [choice.finish_reason for choice in choices if choice.finish_reason])
            faults.answer = Golden("chat").reply("text")
            assert ask().choices[0].message.content == WHOLE
            assert faults.requests[-1]["headers"]["authorization"] == "Bearer sk-of-the-house"
            assert streamed(ask(stream=True)) == (WHOLE, ["stop"])
            before = len(faults.requests)
            refused = ask(DENIED).choices[0]
            assert (refused.finish_reason, refused.message.content) == ("content_filter", "Not here.")
            assert streamed(ask(DENIED, stream=True)) == ("Not here.", ["content_filter"])
            assert len(faults.requests) == before
            faults.answer = Golden("chat", DENIED).reply("text")
            text, ends = streamed(ask(stream=True))
            assert ends == ["content_filter"] and is_cut(text)
    finally:
        proxy.stop()
