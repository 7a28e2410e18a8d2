"""`python -m training.jobs COMMAND`: tune, train, register, approve, deploy and what comes after.

    tune      search hyperparameters; writes tuning.json and plots
    train     the debugged, profiled job with the best of them; writes train.json and its output
    register  put what train made into the stack's model registry, to be approved
    approve   approve a version of the registry (--version, else the newest that is pending)
    deploy    put the model approved last (or --model; without a registry the trained one) into
              the stack, and record that
    history   what was deployed; --at DAY: what served then, and how right it was by the reviews
    why       from a row (--key) to its model, training, approval and deployment
    predict   ask the endpoint about one photo
    evaluate  send the test split through the deployed pipeline; compare with the job's own figure
    image     build the slim serving image with docker or podman, and push it to your own ECR

Exit codes: 0 done, 1 failed (it says what), 2 used wrongly.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from training.jobs.commands import COMMANDS
from training.jobs.config import DEFAULT_FILE
from training.jobs.terminal import exit_code, make_console


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    console = make_console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return exit_code(lambda: COMMANDS[options.command](options, console))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.jobs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_FILE)
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE")
    parser.add_argument(
        "--out", type=Path, default=Path(".local/jobs"), help="results (default %(default)s)"
    )
    parser.add_argument("--stack", default="breed-classifier", help="default %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)

    tune = commands.add_parser("tune")
    train = commands.add_parser("train")
    for command in (tune, train):
        command.add_argument("--data", metavar="S3_URI", help="default s3://BUCKET/NAME/data")
    train.add_argument("--untuned", action="store_true", help="without the result of tune")
    train.add_argument("--spot", action="store_true", help="cheaper, and may be interrupted")
    train.add_argument(
        "--managed-rules", action="store_true", help="AWS's own rules too (needs its Debugger)"
    )
    deploy = commands.add_parser("deploy")
    deploy.add_argument("--model", help="model.tar.gz or its S3 URI; default: what train made")
    deploy.add_argument("--parameters", default="", help="of the template, NAME=VALUE ...")
    approve = commands.add_parser("approve")
    approve.add_argument("--version", type=int, help="default: the newest that is pending")
    for command in (deploy, approve):
        command.add_argument("--why", default="", help="one line, kept with it")
    commands.add_parser("register")
    commands.add_parser("history").add_argument("--at", metavar="YYYY-MM-DD")
    commands.add_parser("why").add_argument("--key", required=True, help="as uploads/rex.jpg")
    predict = commands.add_parser("predict")
    what = predict.add_mutually_exclusive_group(required=True)
    what.add_argument("--photo", type=Path)
    what.add_argument("--data", type=Path, help="folder: a random photo of its test split")
    predict.add_argument("--seed", type=int, help="the same photo for the same seed")
    evaluate = commands.add_parser("evaluate")
    evaluate.add_argument("--data", type=Path, required=True, help="folder: its test split")
    evaluate.add_argument(
        "--clean-up", action="store_true", help="delete this run's photos and rows afterwards"
    )
    image = commands.add_parser("image")
    image.add_argument(
        "--repository", default="breed-classifier-serving", help="in ECR; default %(default)s"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
