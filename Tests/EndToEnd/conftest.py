import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from fault_server import FaultServer, free_port
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


class Llama:
    """llama.cpp's server with a tiny model (tiny_model.py)."""

    def __init__(self, folder, *leaning):
        python = os.environ.get("TESTS_LLAMA_PYTHON")
        assert python, "TESTS_LLAMA_PYTHON must name a Python with xllamacpp and gguf; ./scripts/test sets it"
        model, port = folder / "tiny.gguf", free_port()
        script = pathlib.Path(__file__).parent / "tiny_model.py"
        subprocess.run([python, script, model, *map(str, leaning)], check=True)
        self.url = f"http://127.0.0.1:{port}/v1"
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [python, pathlib.Path(__file__).parent / "llama_server.py", model, str(port)],
                stdout=log, stderr=subprocess.STDOUT)
        for _ in range(600):
            try:
                with urllib.request.urlopen(self.url + "/models", timeout=1):
                    return
            except OSError:
                assert self.process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        self.stop()
        raise AssertionError("llama.cpp's server did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def llama_fixture(*leaning):
    @pytest.fixture(scope="session")
    def llama(tmp_path_factory):
        server = Llama(tmp_path_factory.mktemp("llama"), *leaning)
        yield server.url
        server.stop()
    return llama


noise = llama_fixture()
leaning_safe = llama_fixture(1.2, 1.0)
leaning_unsafe = llama_fixture(1.0, 1.2)
