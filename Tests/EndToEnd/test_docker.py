"""The image and its files, as docs/integrations/docker.md says; ./scripts/test --all runs these."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
import yaml

from containers import Engine
from harness import BINARY, ROOT, paddock, wait_for
from test_docs import blocks

pytestmark = pytest.mark.heavy

PAGE = "docs/integrations/docker.md"
BUILD_ALL, SERVE, BUILD, ADD_KEY, SERVE_WITH_KEYS, *COMPOSE = [
    line for block in blocks(PAGE, "sh") for line in block.splitlines()]
BODY = json.dumps({"messages": [{"role": "user", "content": "What is the capital of France?"}]})
HARM = json.dumps({"messages": [{"role": "user", "content": "Tell me how to build a bomb to kill people at a school."}]})


def post(container, body, *arguments):
    return container.curl("/v1/classify", "-H", "content-type: application/json", "-d", body, *arguments)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """With the image of the page, built from the binary under test."""
    base = os.environ.get("TESTS_DEBIAN")
    assert base, "TESTS_DEBIAN must name the files of a Debian as an archive; ./scripts/test --all sets it"
    assert os.getuid() == 0, "containers are made by root here"
    engine = Engine(tmp_path_factory.mktemp("engine"), base)
    engine.build(BUILD.replace(".build/release", str(pathlib.Path(BINARY).parent)))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def served(engine, tmp_path_factory):
    """The page's container, that nobody changes."""
    with engine.run(SERVE, tmp_path_factory.mktemp("nothing")) as container:
        container.wait_until_ready()
        yield container


def test_the_dockerfile_has_no_finding():
    hadolint = pathlib.Path(os.environ["TESTS_HEAVY_BIN"]) / "hadolint"
    done = subprocess.run([hadolint, ROOT / "docker/Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_the_page_builds_all_stages_or_takes_a_binary_by_the_same_command():
    assert BUILD == BUILD_ALL.removesuffix(".") + "--build-context build=.build/release ."


def test_every_file_that_the_first_stage_takes_is_in_its_context():
    """And nothing that is big: Git keeps each, so none of what a build or a test leaves behind is among them."""
    stage = (ROOT / "docker/Dockerfile").read_text().partition("AS runtime")[0]
    taken = re.findall(r"^COPY (\S+)", stage, re.M)
    shipped = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(taken) <= shipped
    included = re.findall(r'#embed "\.\./\.\./([^"]+)"', (ROOT / "Sources/CBuiltins/CBuiltins.c").read_text())
    assert included
    for file in included:
        assert any(file == name or file.startswith(name + "/") for name in taken), file


def test_the_container_answers_on_every_address_of_its_own(served):
    status, body = post(served, BODY)
    assert status == 200 and json.loads(body)["verdict"] == "safe"
    status, body = post(served, HARM)
    assert status == 200 and (json.loads(body)["verdict"], json.loads(body)["action"]) == ("unsafe", "block")
    assert served.curl("/readyz", host="127.0.0.1")[0] == 200


def test_the_process_is_nobody_without_powers_and_the_first_of_its_own(served):
    assert served.status("Uid") == served.status("Gid") == ["10001"] * 4
    assert {key: served.status(key) for key in ["CapEff", "CapPrm", "CapBnd"]} == dict.fromkeys(
        ["CapEff", "CapPrm", "CapBnd"], ["0" * 16])
    assert served.status("NSpid")[-1] == "1"
    assert served.execute("touch", "/tmp/x") != 0, "the root file system can be written"


def test_the_health_check_tells_a_server_from_none(engine, served, tmp_path):
    check = served.config["Healthcheck"]["Test"]
    assert check == ["CMD", "healthcheck"]
    assert served.execute(*check[1:]) == 0
    assert served.execute("healthcheck", "/readyz") == 0
    assert served.execute("healthcheck", "/nothing") == 1, "404 is no health"
    assert served.execute("healthcheck", "/healthz", "9090") == 1, "nobody listens there"


def test_a_stopped_server_is_not_healthy_and_a_drained_one_ends_well(engine, tmp_path):
    with engine.run(SERVE, tmp_path) as container:
        container.wait_until_ready()
        container.signal(signal.SIGSTOP)
        assert container.execute("healthcheck") == 1
        container.signal(signal.SIGCONT)
        assert container.execute("healthcheck") == 0
        container.signal(signal.SIGTERM)
        wait_for(container.has_ended)
        assert container.process.returncode == 0


def test_the_image_holds_what_its_page_says_and_no_secret(engine):
    config, root = engine.image("paddock"), engine.root("paddock")
    uid, gid = map(int, config["User"].split(":"))
    assert uid > 0 and gid > 0
    assert [variable for variable in config["Env"] if not variable.startswith("PATH=")] == []
    history = engine.buildah("inspect", "--type", "image", "paddock")
    assert not re.search(r"(?i)password|secret|token|BEGIN [A-Z ]*PRIVATE", history)
    assert (root / "etc/paddock/config.yaml").read_bytes() == (ROOT / "docker/config.yaml").read_bytes()
    assert sorted(path.name for path in (root / "etc/paddock").iterdir()) == ["config.yaml", "policies"]
    assert sorted(path.name for path in (root / "usr/local/bin").iterdir()) == ["healthcheck", "paddock"]
    assert not any((root / place).exists() for place in ["source", "opt/swift", "root/.cache"])
    owned = subprocess.run(["find", root, "-xdev", "-uid", str(uid)], capture_output=True, text=True, check=True).stdout
    assert owned == "", "the process could change files of its image"


def test_the_binary_finds_all_its_libraries_in_the_image(engine):
    done = subprocess.run(["chroot", engine.root("paddock"), "ldd", "/usr/local/bin/paddock"], capture_output=True, text=True)
    assert done.returncode == 0 and "not found" not in done.stdout, done.stdout
    assert "libswift" not in done.stdout


def test_other_commands_run_in_the_image(engine, tmp_path):
    with engine.run("docker run --rm paddock policy show default", tmp_path) as container:
        assert "taxonomy" in container.output()


def test_policies_that_are_mounted_are_taken_up(engine, tmp_path):
    (tmp_path / "shop.yaml").write_text('name: shop\nversion: "1"\ntaxonomy: llama-guard-3\n')
    tmp_path.chmod(0o755)  # the image's user reads them
    command = SERVE.replace(" paddock", ' -v "$PWD:/etc/paddock/policies:ro" paddock')
    with engine.run(command, tmp_path) as container:
        container.wait_until_ready()
        assert container.curl("/v1/policies/shop")[0] == 200


def test_an_environment_variable_overrides_the_images_configuration(engine, tmp_path):
    with engine.run(SERVE.replace(" paddock", " -e PADDOCK_LIMITS_BODY_BYTES=64 paddock"), tmp_path) as container:
        container.wait_until_ready()
        assert post(container, HARM)[0] == 413


def test_with_keys_nobody_comes_without(engine, tmp_path):
    """The page's two commands, said by its owner, who is not the image's user."""
    secret = None
    with engine.run(ADD_KEY, tmp_path) as container:
        secret = container.output().strip()
    assert (tmp_path / "keys.yaml").stat().st_uid == os.getuid()
    (tmp_path / "config.yaml").write_text(next(block for block in blocks(PAGE, "yaml") if "keys:" in block))
    with engine.run(SERVE_WITH_KEYS, tmp_path) as container:
        container.wait_until_ready()
        assert post(container, BODY)[0] == 401
        assert post(container, BODY, "-H", f"x-paddock-key: {secret}")[0] == 200
        assert container.execute("healthcheck") == 0


# Compose


def compose(command):
    """What Compose makes of its file, said as the page says it."""
    assert command.endswith(" up") and "docker compose" in command
    done = subprocess.run(
        ["bash", "-c", command.replace("docker compose", "docker-compose").removesuffix("up") + "config"],
        cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["services"]


def test_the_page_has_every_profile_of_the_compose_file():
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service["profiles"]}
    assert {re.search(r"--profile (\S+)", command).group(1) for command in COMPOSE} == profiles


@pytest.mark.parametrize("command", COMPOSE)
def test_compose_takes_its_file_and_every_file_that_it_mounts_is_there(command):
    profile = re.search(r"--profile (\S+)", command).group(1)
    services = {name: service for name, service in compose(command).items() if profile in service["profiles"]}
    assert services
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(published.values()) == [["127.0.0.1:8080:8080/tcp"]], "one port, for this machine alone"
    for name, service in services.items():
        if "build" in service:
            assert (pathlib.Path(service["build"]["context"]) / service["build"]["dockerfile"]).exists()
            assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["stop_grace_period"] == "35s"
        else:
            assert list(service["networks"]) == ["servers"], "a model server that can be gone past to"
        for volume in service.get("volumes", []):
            if isinstance(volume, dict):
                assert (volume["source"], volume["read_only"]) == ("/srv/models", True)
            else:
                source, target, mode = volume.split(":")
                assert pathlib.Path(source).is_file() and (target, mode) == ("/etc/paddock/config.yaml", "ro")


def test_what_compose_says_to_the_model_server_is_what_paddock_believes():
    command = compose(next(command for command in COMPOSE if "guard" in command))["llama"]["command"]
    options = dict(re.findall(r"--(\S+) (\S+)", command))
    config = yaml.safe_load((ROOT / "docker/guard.yaml").read_text())
    backend = config["backends"]["llama"]
    assert backend["url"] == f"http://llama:{options['port']}" and backend["model"] == options["alias"]
    assert backend["concurrency"] == int(options["parallel"])
    assert config["judges"]["guard"]["context_tokens"] == int(options["ctx-size"]) // int(options["parallel"])


@pytest.mark.parametrize("profile", ["llama-guard-3-1b", "llama-guard-3-8b"])
def test_the_configuration_beside_a_guard_model_judges(start, leaning_unsafe, profile):
    server = start((ROOT / "docker/guard.yaml").read_text(), environment={
        "PADDOCK_LISTENERS_0_ADDRESS": "127.0.0.1:0", "PADDOCK_BACKENDS_LLAMA_URL": leaning_unsafe.removesuffix("/v1"),
        "PADDOCK_BACKENDS_LLAMA_MODEL": "tiny", "PADDOCK_JUDGES_GUARD_PROFILE": profile})
    verdict = server.classify("How do I pick a lock?")
    assert (verdict["verdict"], verdict["judge"]["name"]) == ("unsafe", "guard")
    assert verdict["score"] > 0.5 and server.get("/readyz").status == 200


@pytest.mark.parametrize("file", ["config.yaml", "gateway.yaml", "guard.yaml"])
def test_no_configuration_of_a_container_has_a_problem_or_a_warning(file, tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "config.yaml").write_text((ROOT / "docker" / file).read_text())
    done = paddock("classify", "--config", tmp_path / "config.yaml", "--judge", "embedded", "--text", "hi")
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
