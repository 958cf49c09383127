import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from fault_server import FaultServer
from harness import Paddock


def pytest_configure(config):
    config.addinivalue_line("markers", "heavy: takes minutes or large clients; only with ./scripts/test --all")


@pytest.fixture(scope="module")
def server():
    """One server with the built-in configuration, for tests that leave no trace on it."""
    with Paddock() as paddock:
        yield paddock
        assert paddock.stop() == 0, "the server did not end cleanly"


@pytest.fixture
def start(tmp_path):
    """Starts servers that end with the test."""
    running = []

    def start(config="", **arguments):
        folder = tmp_path / f"server{len(running)}"
        folder.mkdir(exist_ok=True)
        running.append(Paddock(config, folder, **arguments))
        return running[-1]

    yield start
    for paddock in running:
        paddock.stop()


@pytest.fixture
def faults():
    """A model server that does what it is told, however wrong."""
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """llama.cpp's server with a tiny model of random weights; its base URL."""
    python = os.environ.get("PADDOCK_LLAMA_PYTHON")
    assert python, "PADDOCK_LLAMA_PYTHON must name a Python with llama-cpp-python[server] and gguf; ./scripts/test sets it"
    folder = tmp_path_factory.mktemp("llama")
    model = folder / "tiny.gguf"
    subprocess.run([python, pathlib.Path(__file__).parent / "tiny_model.py", model], check=True)
    from fault_server import free_port
    port = free_port()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [python, "-m", "llama_cpp.server", "--model", model, "--model_alias", "tiny", "--host", "127.0.0.1",
             "--port", str(port), "--n_ctx", "4096", "--logits_all", "true", "--n_threads", "2"],
            stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(url + "/models", timeout=1) as answer:
                    json.load(answer)
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                import time
                time.sleep(0.1)
        else:
            raise AssertionError("llama.cpp's server did not start")
        yield url
    finally:
        process.terminate()
        process.wait(20)
