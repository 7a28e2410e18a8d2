"""The slim image without Docker: its Dockerfile's steps run into a folder, started in namespaces.

What stands in for the base image is this machine's /usr, /lib and /etc with its Python (3.13 where
there is one, as in the image) as /usr/local; what the steps add is real. A container is started as
SageMaker starts it: `serve`, process 1, another user without root's rights, a root that cannot be
written to but for /tmp, no /dev/shm, no network but the loopback, and a limit of memory.
"""

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rigs.dockerfile import Copy, Image, read

SERVING = Path(__file__).resolve().parents[1] / "serving"
PREFIX = Path("/usr/local")  # all that the steps write, which a test of the Dockerfile holds
SYSTEM = ("usr", "lib", "lib64", "bin", "sbin", "etc")
FIXED = ("opt/ml/model", "tmp", "proc", "dev")
USER = 993  # what serverless inference has been seen to use; nobody here
UNSHARE = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")


class NoNamespacesError(Exception):
    """This machine does not let us make them; says why."""


def look_for_namespaces() -> None:
    """Raise NoNamespacesError unless mounting, and a network of our own, are allowed here."""
    for tool in ("unshare", "setpriv", "chroot", "prlimit", "ip", "mount"):
        if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            raise NoNamespacesError(f"there is no {tool}")
    trial = "mount --make-rprivate / && mount -t tmpfs trial /mnt && ip link set lo up"
    command = [*UNSHARE, "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", trial]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise NoNamespacesError(ended.stderr.strip() or f"unshare ended with {ended.returncode}")


def image_python(requirements: Path) -> tuple[str, list[str]]:
    """An interpreter to stand in for the image's, and the requirements for it.

    Where there is no 3.13 it is the tests' own with the tests' versions, whose hashes are not in
    the image's file.
    """
    text = requirements.read_text()
    found = [Path(shutil.which("python3.13") or "/nowhere")]
    found += sorted((Path.home() / ".pyenv/versions").glob("3.13*/bin/python3.13"))
    for python in found:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            code = "import sys; print(sys._base_executable)"
            base = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
            return base.stdout.strip(), text.splitlines()
    names = re.findall(r"^([\w-]+)==", text, re.MULTILINE)
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in names]
    return str(getattr(sys, "_base_executable", sys.executable)), pins


@dataclass(frozen=True)
class BuiltImage:
    """The folder that becomes /, and what is bound into it."""

    root: Path
    binds: tuple[tuple[str, str], ...]
    image: Image
    python: str
    hashed: bool  # the requirements were the image's own, with their hashes


def build(folder: Path) -> BuiltImage:
    """Run the steps of serving/Dockerfile into `folder`; raises CalledProcessError."""
    image = read(SERVING / "Dockerfile")
    python, requirements = image_python(SERVING / "requirements.txt")
    hashed = any("--hash" in line for line in requirements)
    local, root = folder / "local", folder / "root"
    subprocess.run([python, "-m", "venv", local], check=True)
    for step in image.steps:
        if isinstance(step, Copy):
            target = local / Path(step.target).relative_to(PREFIX)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(SERVING / step.source, target)
            target.chmod(step.mode or 0o644)
            if step.source == "requirements.txt":
                target.write_text("\n".join(requirements) + "\n")
        else:
            command = step if hashed else step.replace("--require-hashes", "")
            inside = f"mount --bind '{local}' {PREFIX} && PATH={PREFIX}/bin:$PATH && {command}"
            subprocess.run([*UNSHARE, "sh", "-euc", inside], check=True)
    home = str(Path(python).resolve().parents[1])
    binds = [(f"/{name}", f"/{name}") for name in SYSTEM if Path("/", name).exists()]
    if not home.startswith("/usr"):
        binds.append((home, home))
    binds.append((str(local), str(PREFIX)))
    for place in [target for _, target in binds] + list(FIXED):
        (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return BuiltImage(root, tuple(binds), image, python, hashed)


@dataclass
class Box:
    """A running container: a socket for callers, its first process as seen from here, its log."""

    socket: Path
    first: int
    process: subprocess.Popen[str]
    log: Path
    group: Path | None

    @property
    def limited_by(self) -> str:
        """What holds the memory down, if anything does."""
        return "control group" if self.group else "RLIMIT_DATA"

    def peak_mb(self) -> float:
        """The most memory that the container has held, in MB of 10^6 bytes.

        By the group's own account, or else the first process's largest resident set.
        """
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            if self.group and (self.group / name).exists():
                return int((self.group / name).read_text()) / 1e6
        return self._status("VmHWM") * 1024 / 1e6

    def capabilities(self) -> int:
        """The rights of root that the first process has, as bits."""
        return self._status("CapEff", 16)

    def _status(self, name: str, base: int = 10) -> int:
        text = Path(f"/proc/{self.first}/status").read_text()
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1], base)


@contextlib.contextmanager
def running(
    built: BuiltImage, model: Path, work: Path, memory_mb: int | None = None,
    *, own_network: bool = True,
) -> Iterator[Box]:  # fmt: skip
    """The image with the package at /opt/ml/model; nothing of it is left afterwards.

    Without a network of its own it has the caller's, which should be one as well.
    """
    with memory_group(memory_mb) as group:
        box = {
            "root": str(built.root),
            "binds": [*built.binds, (str(model), "/opt/ml/model")],
            "command": built.image.command,
            "user": USER if os.geteuid() == 0 else None,
            "environment": {
                "PATH": f"{PREFIX}/bin:/usr/bin:/bin",
                **built.image.environment,
            },
            "socket": str(work / "socket"),
            "port": int(built.image.ports[0]),
            "cgroup": str(group) if group else None,
            "data_bytes": memory_mb * 2**20 if memory_mb and not group else None,
        }
        init = Path(__file__).with_name("box_init.py")
        log = work / "log.txt"
        network = ["--net"] if own_network else []
        command = [*UNSHARE, *network, sys.executable, str(init), json.dumps(box)]
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True)
        try:
            first = first_process(process, log)
            try:
                yield Box(work / "socket", first, process, log, group)
            finally:
                end_namespace(first)
                process.wait(10)  # box_init ends as its command has: nothing is left by then
        finally:
            process.kill()
            process.wait(10)


def end_namespace(first: int) -> None:
    """Kill the first process of a namespace, and so all others in it.

    Killed itself, box_init would leave them behind, and the unshare that waits for them.
    """
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{first}/status").read_text()
        if re.search(r"^NSpid:\t\d+\t1$", status, re.MULTILINE):  # or another has its number now
            os.kill(first, signal.SIGKILL)


def first_process(process: subprocess.Popen[str], log: Path) -> int:
    """What box_init prints, once the command has begun; the rest goes to the log."""
    assert process.stdout
    line = process.stdout.readline()
    if not line.strip().isdigit():
        raise AssertionError(f"the box did not start: {line}{log.read_text()}")
    output = process.stdout

    def keep() -> None:
        with log.open("a") as file:
            for said in output:
                file.write(said)
                file.flush()

    threading.Thread(target=keep, daemon=True).start()
    return int(line)


@contextlib.contextmanager
def memory_group(memory_mb: int | None) -> Iterator[Path | None]:
    """A control group with this limit, version 2 or 1; none where we may not make one."""
    name = f"serving-{os.getpid()}"
    for top, limit in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        group = Path("/sys/fs/cgroup", top, name)
        if memory_mb is None:
            break
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / limit).exists():
                (group / limit).write_text(str(memory_mb * 2**20))
                try:
                    yield group
                finally:
                    remove(group)
                return
            group.rmdir()
    yield None


def remove(group: Path) -> None:
    """Remove the group as soon as its last process has gone."""
    gone = threading.Event()
    for _ in range(200):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        gone.wait(0.05)
