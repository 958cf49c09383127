"""Images and containers without an engine: buildah builds, the kernel's namespaces run. Both need root."""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess

from harness import ENVIRONMENT, ROOT

# What `docker run` promises of a container: its own mounts, processes and network, nothing of root's power, and where
# it is asked for a root that cannot be written. The first process is the program itself.
RUN = r"""
set -eu
mount --bind "$ROOTFS" "$ROOTFS"
for volume in $VOLUMES; do mount --bind "${volume%%=*}" "$ROOTFS${volume##*=}"; done
if [ -n "$READ_ONLY" ]; then mount -o remount,bind,ro "$ROOTFS"; fi
mount -t proc proc "$ROOTFS/proc"
mount --rbind /dev "$ROOTFS/dev"
ip link set lo up
ip address add "$ADDRESS/32" dev lo
exec chroot "$ROOTFS" setpriv --reuid "${OWNER%:*}" --regid "${OWNER#*:}" --clear-groups --bounding-set=-all --no-new-privs \
  env -i "$@"
"""

# The address of a container in its network, which is not the loopback's.
ADDRESS = "10.9.8.7"


class Engine:
    """Does what a command line of docker says, as far as the pages use it."""

    def __init__(self, folder, base):
        self.folder = folder
        self.mounted = {}
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, base, "/")
        self.buildah("commit", "--quiet", container, "debian:bookworm-slim")

    def buildah(self, *arguments):
        done = subprocess.run(
            ["buildah", "--root", self.folder / "store", "--runroot", self.folder / "run", "--storage-driver", "vfs",
             *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout.strip()

    def close(self):
        shutil.rmtree(self.folder)

    def build(self, command):
        """`docker build …`, whose images must be there already."""
        words = shlex.split(command)
        assert words[:2] == ["docker", "build"]
        self.buildah("build", "--isolation", "chroot", "--pull-never", "--format", "docker", *words[2:])

    def image(self, name):
        """What an image says of itself."""
        return json.loads(self.buildah("inspect", "--type", "image", name))["Docker"]["config"]

    def root(self, image):
        """The folder with the files of an image."""
        if image not in self.mounted:
            self.mounted[image] = pathlib.Path(self.buildah("mount", self.buildah("from", "--pull-never", image)))
        return self.mounted[image]

    def run(self, command, folder):
        """`docker run …`, said in a folder; its container."""
        words = shlex.split(command.replace("$(id -u)", str(os.getuid())).replace("$PWD", str(folder)))
        assert words[:2] == ["docker", "run"]
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for flag in ["--rm", "--read-only"]:
            parser.add_argument(flag, action="store_true")
        for option in ["--user", "--network", "--security-opt", "--cap-drop", "--stop-timeout"]:
            parser.add_argument(option)
        for option in ["-p", "-v", "-e"]:
            parser.add_argument(option, action="append", default=[])
        parser.add_argument("image")
        parser.add_argument("command", nargs=argparse.REMAINDER)
        return Container(self, parser.parse_args(words[2:]))


class Container:
    """A running container."""

    def __init__(self, engine, options):
        self.config, root = engine.image(options.image), engine.root(options.image)
        owner = options.user or self.config["User"]
        volumes = [volume.split(":")[:2] for volume in options.v]
        for source, target in volumes:
            place = root / target.lstrip("/")
            if pathlib.Path(source).is_dir():
                place.mkdir(parents=True, exist_ok=True)
            elif not place.exists():
                place.touch()
        environment = {
            **ENVIRONMENT, "ROOTFS": str(root), "READ_ONLY": "1" if options.read_only else "", "ADDRESS": ADDRESS,
            "OWNER": owner if ":" in owner else owner + ":0", "VOLUMES": " ".join("=".join(volume) for volume in volumes)}
        self.environment = self.config["Env"] + options.e
        program = self.config["Entrypoint"] + (options.command or self.config["Cmd"])
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "bash", "-c", RUN, "run", *self.environment, *program],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Whoever changes his user outlives his parent, so the first process is ended itself, and all others with it.
        if not self.has_ended():
            self.signal(signal.SIGKILL)
        self.process.communicate()

    @property
    def first(self):
        """The container's first process, as the machine numbers it."""
        pid = self.process.pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def status(self, key):
        """A line of the first process's status."""
        lines = pathlib.Path(f"/proc/{self.first}/status").read_text().splitlines()
        return next(line.split(":")[1].split() for line in lines if line.startswith(key + ":"))

    def wait_until_ready(self):
        """The line that says so."""
        line = self.process.stdout.readline()
        if "ready at" not in line:
            raise AssertionError(line + self.process.communicate()[1])
        return line

    def output(self):
        """What the program wrote, once it has ended; its exit status must be 0."""
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return out

    def curl(self, path, *arguments, host=ADDRESS):
        """Asks the container from beside it; status and body."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.first), "--net", "curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}",
             *arguments, f"http://{host}:8080{path}"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def execute(self, *command):
        """`docker exec`: runs a command in the container as its user; the exit status."""
        uid, gid = self.status("Uid")[0], self.status("Gid")[0]
        return subprocess.run(
            ["nsenter", "--target", str(self.first), "--mount", "--net", "--pid", "--root", "--wd",
             "setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "env", "-i", *self.environment, *command],
            capture_output=True, timeout=30).returncode

    def signal(self, number):
        os.kill(self.first, number)

    def has_ended(self):
        return self.process.poll() is not None
