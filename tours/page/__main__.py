"""`python -m tours.page`: a local cloud, both stacks, photos, and somebody who may sign in.

    --model PATH     the model package to deploy (model.tar.gz)
    --runtime NAME   the functions' runtime: the Python of the environments, e.g. python3.11
    --port N         where the cloud is, or is started; default 4566

A cloud that answers there already (`make local`) is used and left running. Else one is started,
with its state in .local/page, until Ctrl-C.

Exit codes: 0 stopped on request, 1 something failed (it says what, and where its log is).
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
from pathlib import Path

from rich.console import Console

from local.launch import ROOT, Cloud, CloudError
from local.settings import DEFAULT_PORT
from tours.demo import photos
from tours.stack import PREFIX, STACK, deploy
from tours.steps import StepError, Steps

WORK = ROOT / ".local" / "page"
PERSON = "you@example.com"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make page", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    return parser.parse_args()


def _fill(cloud: Cloud, outputs: dict[str, str], steps: Steps, console: Console) -> None:
    """Photos, unless there are rows already."""
    table = cloud.resource("dynamodb").Table(outputs["TableName"])
    if table.scan(Limit=1)["Items"]:
        return
    chosen = photos.choose(None, WORK, console)
    steps.run(
        f"aws s3 cp {len(chosen.files)} files",
        [
            *("aws", "s3", "cp", "--recursive", "--no-progress", str(chosen.folder)),
            f"s3://{outputs['BucketName']}/{PREFIX}",
        ],
        cloud.environment(),
        ROOT,
    )


def _deploy_page(cloud: Cloud, steps: Steps, runtime: str) -> dict[str, str]:
    """The outputs of the page's stack."""
    steps.run(
        "sam deploy (gateway, sign-in, function, tables)",
        [
            *("make", "page-stack", f"STACK={STACK}", f"EMAIL={PERSON}"),
            *(f"FUNCTION_RUNTIME={runtime}", "PARAMETERS=ProgramAccess=yes"),
        ],
        cloud.environment(),
        ROOT,
    )
    return cloud.outputs(f"{STACK}-page")


def _password(cloud: Cloud, pool: str) -> str:
    """On AWS the person chooses one at the first sign-in; here nobody gets the invitation."""
    password = f"Woof-{secrets.token_hex(6)}"
    cloud.client("cognito-idp").admin_set_user_password(
        UserPoolId=pool, Username=PERSON, Password=password, Permanent=True
    )
    return password


def _open(args: argparse.Namespace, cloud: Cloud, steps: Steps, console: Console) -> None:
    outputs = deploy(cloud, steps, args.model.resolve(), args.runtime)
    page = _deploy_page(cloud, steps, args.runtime)
    _fill(cloud, outputs, steps, console)
    password = _password(cloud, page["UserPoolId"])
    console.print(
        f"\n  page      {cloud.url}/_aws/execute-api/{page['ApiId']}/\n"
        f"  user      {PERSON}\n  password  {password}\n",
        highlight=False,
        soft_wrap=True,
    )


def _run(args: argparse.Namespace, console: Console) -> None:
    steps = Steps(console, WORK / "page.log")
    cloud = Cloud(WORK / "state", port=args.port)
    if cloud.is_up():
        console.print(f"Using the local cloud at {cloud.url}.", highlight=False)
        _open(args, cloud, steps, console)
        return
    try:
        with steps.step("local cloud"):
            cloud.start()
        _open(args, cloud, steps, console)
        console.print("Stop with Ctrl-C. The state stays for the next time.", highlight=False)
        signal.pause()
    finally:
        cloud.stop()


def main() -> int:
    args = _arguments()
    console = Console()
    # A plain kill must stop the cloud too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(args, console)
    except (StepError, CloudError) as error:
        console.print("[red]The page could not be opened.[/red]")
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("The local cloud is stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
