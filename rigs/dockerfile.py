"""A Dockerfile read as its builder reads it, as far as ours goes; anything else is refused."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Copy:
    """COPY: a file beside the Dockerfile, where it goes, and its mode if one is given."""

    source: str
    target: str
    mode: int | None


@dataclass
class Image:
    """What the instructions say, steps in their order."""

    base: str = ""
    steps: list[Copy | str] = field(default_factory=list)  # str: a RUN step's shell command
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    ports: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def read(path: Path) -> Image:
    """Read a Dockerfile; raises ValueError for an instruction or a form that is not known here."""
    image, arguments = Image(), dict[str, str]()
    for name, rest in _instructions(path.read_text()):
        if name == "ARG":
            key, _, value = rest.partition("=")
            arguments[key] = value
        elif name == "FROM":
            image.base = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], rest)
        elif name == "COPY":
            image.steps.append(_copy(rest))
        elif name == "RUN" and not rest.startswith(("--", "[")):
            image.steps.append(rest)
        elif name == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif name == "USER":
            image.user = rest
        elif name == "EXPOSE":
            image.ports.append(rest)
        elif name == "CMD":
            image.command = json.loads(rest)
        else:
            raise ValueError(f"{path}: {name} {rest} is not known here: teach it to this module")
    return image


def _instructions(text: str) -> list[tuple[str, str]]:
    """(name, the rest) of each, comments left out and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = (line.split(None, 1) for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest.strip()) for name, rest in pairs]


def _copy(rest: str) -> Copy:
    *flags, source, target = rest.split()
    modes = [flag.removeprefix("--chmod=") for flag in flags]
    if any(not mode.isdigit() for mode in modes):
        raise ValueError(f"COPY {rest}: only --chmod is known here")
    return Copy(source, target, int(modes[0], 8) if modes else None)
