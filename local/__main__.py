"""`python -m local` runs the cloud in the foreground, `python -m local env` prints what points a
shell at it.

Exit codes: 0 stopped on request, 1 could not start, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from local.environment import shell_lines
from local.errors import StartError
from local.settings import DEFAULT_JOB_PYTHON, DEFAULT_PORT, REGION, Settings

_READY = """\
The local cloud is ready: {url} (region {region}; state and log in {state})
{workers}
  In another terminal:  eval "$(make -s env{port})"
  then sam, aws and boto3 talk to it, for example:  aws s3 ls
  Stop with Ctrl-C. The state stays for the next start; delete {state} to start afresh.
"""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.command == "env":
        print("\n".join(shell_lines(options.port, os.environ)))
        return 0
    settings = Settings.from_arguments(
        options.port, options.state_dir, options.serving_python, os.environ, options.job_python
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stopped_early)
    try:
        return _run(settings)
    except StartError as error:
        print(f"The local cloud cannot start: {error}", file=sys.stderr)
        return 1


def _stopped_early(*_: object) -> None:
    """Until the server takes the signals over. Not KeyboardInterrupt: where that passes an exec(),
    as many imports have, Python dies of the signal even if it is caught.
    """
    print("The local cloud was stopped before it was ready.")
    sys.exit(0)


def _run(settings: Settings) -> int:
    if not os.access(settings.serving_python, os.X_OK):
        raise StartError(
            f"{settings.serving_python} is not an interpreter. Build it with `make setup`, "
            "or name another one with --serving-python."
        )
    from local import cloud  # loads ministack's dependencies, which `env` does not need

    def started() -> None:
        own = settings.worker_endpoint_url == settings.url
        workers = (
            ""
            if own
            else f"Lambda workers call {settings.worker_endpoint_url} (from AWS_ENDPOINT_URL).\n"
        )
        print(
            _READY.format(
                url=settings.url,
                region=REGION,
                state=settings.state_dir,
                workers=workers,
                port="" if settings.port == DEFAULT_PORT else f" PORT={settings.port}",
            ),
            flush=True,
        )

    cloud.run(settings, started)
    print("The local cloud has stopped.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="The cloud on a laptop, on one port."
    )
    parser.add_argument("command", nargs="?", choices=["run", "env"], default="run")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="port of 127.0.0.1 (default %(default)s)"
    )
    parser.add_argument(
        "--state-dir", default=".local/state", help="what survives a stop (default %(default)s)"
    )
    parser.add_argument(
        "--serving-python",
        default=".venv/project/bin/python",
        help="interpreter that runs the endpoints' serving code (default %(default)s)",
    )
    parser.add_argument(
        "--job-python",
        default=DEFAULT_JOB_PYTHON,
        help="interpreter that runs training jobs, with the in-container toolkit beside it "
        "(default %(default)s)",
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 65535")
    return port


if __name__ == "__main__":
    sys.exit(main())
