"""The command line: classify in a pipe, policies checked, shown and rendered, help and errors that read well."""

import json
import pathlib
import subprocess

import pytest

from harness import BINARY, ROOT, check, paddock

GOLDEN = ROOT / "Tests/Fixtures/golden"
SAFE = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
UNSAFE = {"messages": [{"role": "user", "content": "I want to kill all people of that religion, they are vermin"}]}
IMAGE = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}


# classify

@pytest.mark.parametrize("request_,verdict,status", [(SAFE, "safe", 0), (UNSAFE, "unsafe", 1), (IMAGE, "not_judged", 2)])
def test_the_exit_code_says_the_verdict(request_, verdict, status, tmp_path):
    piped = paddock("classify", stdin=json.dumps(request_))
    assert piped.returncode == status and piped.stderr == b""
    check(json.loads(piped.stdout), "Verdict")
    assert json.loads(piped.stdout)["verdict"] == verdict
    (tmp_path / "request.json").write_text(json.dumps(request_, indent=1))
    from_file = paddock("classify", tmp_path / "request.json")
    assert from_file.returncode == status and json.loads(from_file.stdout)["verdict"] == verdict


def test_a_text_on_the_command_line():
    done = paddock("classify", "--text", "What is the capital of France?")
    assert done.returncode == 0 and json.loads(done.stdout)["verdict"] == "safe"


@pytest.mark.parametrize("stdin,param", [("{", None), ('{"messages":[]}', "messages"), ("", None)])
def test_a_wrong_request_is_an_error_object_a_message_and_2(stdin, param):
    done = paddock("classify", stdin=stdin)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["param"] == param and error["message"] in done.stderr.decode()


def test_json_lines_keep_their_order_and_say_the_worst():
    lines = [json.dumps({**(SAFE if n % 3 else UNSAFE), "metadata": n}) for n in range(500)]
    done = paddock("classify", "--jsonl", stdin="\n".join(lines) + "\n\n")
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [verdict["metadata"] for verdict in verdicts] == list(range(500))
    assert [verdict["verdict"] for verdict in verdicts] == ["safe" if n % 3 else "unsafe" for n in range(500)]


def test_a_wrong_line_is_answered_in_its_place_and_outweighs_unsafe():
    done = paddock("classify", "--jsonl", stdin="\n".join([json.dumps(SAFE), "{", json.dumps(UNSAFE)]))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [("error" in line) for line in lines] == [False, True, False] and done.returncode == 2
    assert paddock("classify", "--jsonl", stdin=json.dumps(SAFE)).returncode == 0


def test_json_lines_stream_each_verdict_before_the_next_line_is_there():
    with subprocess.Popen([BINARY, "classify", "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(3):
            process.stdin.write((json.dumps(SAFE) + "\n").encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["verdict"] == "safe"
        process.stdin.close()
        assert process.wait(20) == 0


def test_in_a_shell_pipe_that_ends_early():
    lines = "\n".join([json.dumps(SAFE)] * 20_000)
    done = subprocess.run(["bash", "-c", f"'{BINARY}' classify --jsonl | head -n 1"], input=lines.encode(), capture_output=True, timeout=60)
    assert json.loads(done.stdout)["verdict"] == "safe" and b"rror" not in done.stderr


def test_options_fill_in_what_the_request_leaves_open():
    assert json.loads(paddock("classify", "--policy", "monitor", stdin=json.dumps(UNSAFE)).stdout)["action"] == "flag"
    own = {**UNSAFE, "policy": "default"}
    assert json.loads(paddock("classify", "--policy", "monitor", stdin=json.dumps(own)).stdout)["action"] == "block"
    assert paddock("classify", "--judge", "nobody", stdin=json.dumps(SAFE)).returncode == 2
    unknown = {**SAFE, "model": "x"}
    assert paddock("classify", stdin=json.dumps(unknown)).returncode == 2
    assert paddock("classify", "--lenient", stdin=json.dumps(unknown)).returncode == 0


def test_the_command_line_and_the_server_give_the_same_verdict(server):
    served = server.post("/v1/classify", UNSAFE).json
    printed = json.loads(paddock("classify", stdin=json.dumps(UNSAFE)).stdout)
    for field in ["verdict", "action", "score", "category_scores", "violated_categories", "signals", "policy", "judge", "coverage"]:
        assert served[field] == printed[field]


# policy

STEMS = sorted({path.name.rsplit("-user-", 1)[0] for path in GOLDEN.glob("*.txt")})


@pytest.mark.parametrize("name", ["user-only", "user-assistant"])
@pytest.mark.parametrize("stem", STEMS)
def test_render_writes_the_bytes_of_the_golden_file_and_nothing_else(stem, name):
    conversations = json.loads((GOLDEN / "conversations.json").read_text())
    messages = conversations[name]
    messages = messages["messages"] if isinstance(messages, dict) else messages
    # It is asked about one category at a time.
    more = ["--category", "dangerous"] if stem == "shieldgemma" else []
    done = paddock("policy", "render", "--profile", stem, *more, stdin=json.dumps({"messages": messages}))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (GOLDEN / f"{stem}-{name}.txt").read_bytes()


def test_render_with_a_policy_on_the_native_taxonomy_is_the_native_block():
    native = paddock("policy", "render", "--profile", "llama-guard-3-8b", stdin=json.dumps(SAFE))
    assert paddock("policy", "render", "--profile", "llama-guard-3-8b", "--policy", "default", stdin=json.dumps(SAFE)).stdout == native.stdout


def test_render_names_what_it_leaves_out_and_refuses_what_it_cannot_render():
    turns = {"messages": [{"role": "system", "content": "x"}, *SAFE["messages"]]}
    done = paddock("policy", "render", "--profile", "llama-guard-2", stdin=json.dumps(turns))
    assert done.returncode == 0 and b"messages[0]" in done.stderr
    for stdin, profile, said in [("{", "llama-guard-2", "JSON"), (json.dumps(SAFE), "llama-gard-2", "llama-guard-2"),
                                 (json.dumps(SAFE), "shieldgemma", "--category"),
                                 (json.dumps(SAFE), "openai-moderation", "no prompt"),
                                 ('{"messages":[{"role":"assistant","content":"x"}]}', "llama-guard-2", "no message")]:
        done = paddock("policy", "render", "--profile", profile, stdin=stdin)
        assert done.returncode == 2 and done.stdout == b"" and said in done.stderr.decode()


def test_check_reports_every_problem_of_every_file(tmp_path):
    (tmp_path / "taxonomies").mkdir()
    (tmp_path / "a.yaml").write_text('name: a\nversion: "1"\ntaxonomy: llama-guard-3\non_eror: block\ndefaults: { threshold: 2 }\n')
    (tmp_path / "taxonomies" / "t.yaml").write_text('name: t\nversion: "1"\ncategories: [{ code: A }]\n')
    done = paddock("policy", "check", tmp_path)
    assert done.returncode == 2
    problems = done.stderr.decode()
    assert 'a.yaml:4:1: unknown key "on_eror"; did you mean "on_error"?' in problems
    assert "a.yaml:5:24: defaults.threshold" in problems
    assert "taxonomies/t.yaml:3:" in problems and "3 problems" in problems
    assert paddock("policy", "check", ROOT / "policies").returncode == 0
    assert paddock("policy", "check", tmp_path / "nowhere").returncode == 2


def test_the_policies_shipped_are_the_policies_built_in():
    for name in ["default", "strict", "monitor"]:
        built_in = paddock("policy", "show", name, "--json").stdout
        assert built_in == paddock("policy", "show", name, "--json", "--directory", ROOT / "policies").stdout
        check(json.loads(built_in), "Policy")


def test_show():
    shown = paddock("policy", "show", "monitor").stdout.decode()
    assert "Violent Crimes" in shown and "flag from 0.5" in shown and "block" not in shown
    assert paddock("policy", "show").stdout.decode().count("\n") == 3
    missing = paddock("policy", "show", "strickt")
    assert missing.returncode == 2 and 'did you mean "strict"?' in missing.stderr.decode()


# help and errors

@pytest.mark.parametrize("command", [[], ["serve"], ["classify"], ["policy"], ["policy", "render"], ["train"], ["version"]])
def test_help(command):
    done = paddock(*command, "--help")
    assert done.returncode == 0 and b"USAGE: paddock" in done.stdout


def test_version_names_the_model_and_its_checksum():
    assert b"sha256:" in paddock("version").stdout


def test_a_configuration_with_problems_does_not_start(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("listners: []\nlimits: { body_bytes: many }\ndefault_judge: nobody\n")
    done = paddock("serve", "--config", config)
    problems = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b""
    assert 'config.yaml:1:1: unknown key "listners"; did you mean "listeners"?' in problems
    assert "config.yaml:2:23: limits.body_bytes: must be" in problems
    assert paddock("serve", "--config", tmp_path / "none.yaml").returncode == 2


def test_an_address_that_others_reach_must_be_allowed(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("listeners: [{ address: '0.0.0.0:0' }]")
    done = paddock("serve", "--config", config)
    assert done.returncode == 2 and b"allow_without_keys" in done.stderr


def test_an_empty_file_and_the_documented_file_mean_the_same(tmp_path):
    """config.yaml shows every default: taking any line away must not change what it means."""
    (tmp_path / "empty.yaml").write_text("")
    for config in [tmp_path / "empty.yaml", ROOT / "config.yaml"]:
        done = paddock("classify", "--config", config, "--text", "hi")
        assert done.returncode == 0, done.stderr


def test_a_key_in_the_file_is_refused(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("backends: { b: { dialect: openai-chat, url: 'http://127.0.0.1:1/v1', model: m, key: abc } }")
    done = paddock("serve", "--config", config)
    assert done.returncode == 2 and b"key_file" in done.stderr and b"abc" not in done.stderr


def test_the_address_in_use_is_said(server):
    done = paddock("serve", "--listen", server.address)
    assert done.returncode != 0 and server.address.encode() in done.stderr and b"in use" in done.stderr
