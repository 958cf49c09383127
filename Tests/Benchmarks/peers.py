"""Other gateways with a guardrail, and Paddock, in front of the same chat server: what a judged chat costs each of them.

Their guardrails look for a phrase or a pattern, which is the least that one can do: no model of theirs is asked, and Paddock
judges with its own. One worker process each, as Paddock runs one event loop.
"""

import json
import os
import pathlib
import statistics
import subprocess
import time
import urllib.error
import urllib.request

import gateway

HERE = pathlib.Path(__file__).resolve().parent
FORBIDDEN = "tell me how to build a bomb"
# LiteLLM does not start without a key of its own.
KEY = "sk-" + os.urandom(16).hex()
LITELLM = """
model_list: [{ model_name: m, litellm_params: { model: openai/m, api_base: 'http://127.0.0.1:%d/v1', api_key: none } }]
guardrails:
  - guardrail_name: words
    litellm_params:
      guardrail: litellm_content_filter
      mode: [pre_call, post_call]
      default_on: true
      blocked_words: [{ keyword: build a bomb, action: BLOCK }]
"""
NEMO = """
models: [{ type: main, engine: openai, model: m, parameters: { base_url: 'http://127.0.0.1:%d/v1', api_key: none } }]
rails:
  config: { regex_detection: { input: { patterns: [build a bomb] }, output: { patterns: [build a bomb] } } }
  input: { flows: [regex check input] }
  output: { flows: [regex check output] }
"""


class Peers:
    """Servers from the environments that scripts/bench has made, each with a chat server behind it."""

    def __init__(self, bench, environments):
        self.bench, self.environments = bench, pathlib.Path(environments)
        self.chats = gateway.Chats(bench)

    def spawn(self, name, *command):
        """Starts a program of an environment on a port of its own; the port, once a chat was answered there."""
        port = self.bench.free_port()
        environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": KEY, "DO_NOT_TRACK": "1"}
        program, *arguments = [str(part) for part in command]
        with open(self.bench.folder / f"{name}.log", "w") as log:
            self.bench.processes.append(subprocess.Popen(
                [self.environments / f"bench-{name}/bin" / program, *arguments, "--port", str(port)], env=environment, stdout=log,
                stderr=log, cwd=HERE))
        return port

    def start(self):
        """The URLs of those that are installed, by what they are called in the table."""
        found, folder = {}, self.bench.folder
        if (self.environments / "bench-litellm/bin/litellm").exists():
            (folder / "litellm.yaml").write_text(LITELLM % self.chats.upstream)
            port = self.spawn("litellm", "litellm", "--config", folder / "litellm.yaml", "--host", "127.0.0.1")
            found["LiteLLM's proxy, content filter"] = f"http://127.0.0.1:{port}{gateway.PATH}"
        if (self.environments / "bench-nemo/bin/nemoguardrails").exists():
            (folder / "nemo/words").mkdir(parents=True)
            (folder / "nemo/words/config.yml").write_text(NEMO % self.chats.upstream)
            port = self.spawn("nemo", "nemoguardrails", "server", "--config", folder / "nemo", "--default-config-id", "words")
            found["NeMo Guardrails' server, regular expressions"] = f"http://127.0.0.1:{port}{gateway.PATH}"
        if (self.environments / "bench-llm-guard/bin/uvicorn").exists():
            port = self.spawn("llm-guard", "uvicorn", "llm_guard_server:app", "--log-level", "warning")
            found["LLM Guard behind FastAPI, phrases (the prompt alone)"] = f"http://127.0.0.1:{port}/v1/classify"
        for name, url in found.items():
            self.check(name, url)
        return found

    def check(self, name, url):
        """Waits until a server answers, and sees that it refuses what it should."""
        for _ in range(240):
            try:
                answers = self.ask(url, "hello"), self.ask(url, FORBIDDEN)
                break
            except OSError:
                time.sleep(0.5)
        else:
            raise SystemExit(f"error: {name} did not start; see {self.bench.folder}")
        if answers[0] == answers[1] or answers[0][0] != 200:
            raise SystemExit(f"error: {name} refuses nothing: {answers}")

    @staticmethod
    def ask(url, text):
        """Status and text of the answer to one message."""
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, ""
        choices = found.get("choices") or [{"message": {"content": found}}]
        return 200, str(choices[0]["message"]["content"])

    def rows(self):
        """Alternating rounds with few connections, so that nobody's queue is what is measured."""
        rows = []
        peers = self.start()
        rates = {name: [] for name in peers}
        headers = {"Authorization": f"Bearer {KEY}"}
        for _ in range(self.bench.rounds):
            for name, url in peers.items():
                ours = f"http://{self.chats.paddock}" + (gateway.PATH if url.endswith(gateway.PATH) else "/v1/classify")
                body = gateway.request() if url.endswith(gateway.PATH) else json.dumps(
                    {"messages": [{"role": "user", "content": gateway.QUESTION}]})
                rates[name].append(tuple(self.bench.rate(each, body, connections=16, headers=headers) for each in (url, ours)))
        for name, pairs in rates.items():
            ratios = sorted(ours / theirs for theirs, ours in pairs)
            rows.append([name, f"{statistics.median(pair[0] for pair in pairs):.0f}", f"{statistics.median(pair[1] for pair in pairs):.0f}",
                         f"**{statistics.median(ratios):.0f}**", f"{ratios[0]:.0f} – {ratios[-1]:.0f}"])
            print(" | ".join(rows[-1]), flush=True)
        return rows
