"""Starts one command as a container would: run by box.py inside new mount and network namespaces.

    python box_init.py JSON

JSON: {"root": folder to become /, "binds": [[source, target in it], ...], "command": [...],
"user": uid or null (see box.py), "environment": {...}, "socket": path, "port": number,
"cgroup": folder or null, "data_bytes": number or null}

The root is read-only; /tmp is a small writable disk in memory, /dev holds a few devices and no shm,
/proc is the command's own, and there is no network but the loopback. Callers reach the command's
port through a Unix socket, which this process relays. Ends as the command ends; prints its process
id first. The standard library only: the command's image is not this process's.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

DEVICES = ("null", "zero", "full", "random", "urandom")


def main() -> int:
    """Mount, start, relay, wait."""
    box: dict[str, Any] = json.loads(sys.argv[1])
    run("ip", "link", "set", "lo", "up")
    mount_root(Path(box["root"]), box["binds"])
    return asyncio.run(serve(box))


def mount_root(root: Path, binds: list[list[str]]) -> None:
    """Put the root together; what is bound into it cannot be written to."""
    run("mount", "--make-rprivate", "/")
    run("mount", "--bind", str(root), str(root))
    for source, target in binds:
        place = root / target.lstrip("/")
        run("mount", "--bind", source, str(place))
        run("mount", "-o", "remount,bind,ro", str(place))
    run("mount", "-t", "tmpfs", "-o", "size=64m,mode=1777", "tmp", str(root / "tmp"))
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "dev", str(root / "dev"))
    for name in DEVICES:
        (root / "dev" / name).touch()
        run("mount", "--bind", f"/dev/{name}", str(root / "dev" / name))
    run("mount", "-o", "remount,bind,ro", str(root))


def run(*command: str) -> None:
    """Run a tool of util-linux or iproute2."""
    subprocess.run(command, check=True)


def command_line(box: dict[str, Any]) -> list[str]:
    """The command in a process namespace of its own, as process 1, as the given user."""
    root = box["root"]
    line = ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc"]
    if box["data_bytes"]:
        line += ["prlimit", f"--data={box['data_bytes']}"]
    if box["user"] is None:
        # Without root's rights there is one user, who gets another name in a namespace below; that
        # one has to come before the new root, which the kernel lets nobody make namespaces in.
        line += ["unshare", "--user", "--map-user=993", "--map-group=993", f"--root={root}"]
    else:
        user = str(box["user"])
        line += ["chroot", root, "setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        line += ["--bounding-set", "-all", "--inh-caps", "-all"]
    pairs = [f"{name}={value}" for name, value in box["environment"].items()]
    return [*line, "env", "-i", *pairs, *box["command"]]


async def serve(box: dict[str, Any]) -> int:
    """Start the command and relay the socket until it ends."""
    group = box["cgroup"]

    def enter() -> None:
        if group:
            (Path(group) / "cgroup.procs").write_text(str(os.getpid()))

    process = subprocess.Popen(command_line(box), preexec_fn=enter)
    relay = Relay(box["port"])
    async with await asyncio.start_unix_server(relay.connected, box["socket"]):
        while not (first := child_of(process.pid)) and process.poll() is None:
            await asyncio.sleep(0.01)
        print(first, flush=True)
        exit_code = await asyncio.to_thread(process.wait)
        await asyncio.gather(*relay.open)  # what the command has said last
    return exit_code


def child_of(pid: int) -> int:
    """The first process of the namespace: the only child of `unshare`, by its name out here."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0
    return 0


class Relay:
    """Connections to the socket, each joined to one to 127.0.0.1:port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.open: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the command's side of it ends."""
        try:
            inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:  # not up yet, or gone: the caller finds the connection closed
            writer.close()
            return
        sending = asyncio.create_task(copy(reader, outer))
        answering = asyncio.create_task(copy(inner, writer))
        self.open.add(answering)
        await answering
        self.open.discard(answering)
        sending.cancel()
        outer.close()


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Bytes from one to the other, and the end of them."""
    with contextlib.suppress(OSError):
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.close()


if __name__ == "__main__":
    sys.exit(main())
