"""The cloud's process: builds the gateway over ministack, serves it, and takes everything down
again in order.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn

from local import seams
from local.autoscaling.operations import AutoScalingOperations
from local.autoscaling.tracking import Tracking
from local.children import end_descendants
from local.clients import aws_client
from local.cloudformation import autoscaling as autoscaling_types
from local.cloudformation import cognito as cognito_types
from local.cloudformation import sagemaker as sagemaker_types
from local.cloudformation.alarm import with_metric_math
from local.cloudformation.dynamodb import with_ttl_and_recovery
from local.cloudformation.numbers import OPERATIONS, with_numbers
from local.deployer import Deployer
from local.errors import StartError
from local.gateway import Gateway
from local.sagemaker.service import SageMaker
from local.settings import HOST, Settings
from local.sqs.dead_letters import DeadLetters
from local.sqs.move_tasks import MoveTasks
from local.state_dir import StateLock, check_readable
from local.store import Store
from local.wire import JsonApi, operations

logger = logging.getLogger(__name__)

# A long poll (SQS waits 20 s) must not hold up a stop.
_SHUTDOWN_GRACE_S = 3
# A terminal that closes sends SIGHUP, to the cloud alone: what it started has other process groups.
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings, started: Callable[[], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; `started` is called once requests are answered.

    Raises StartError.
    """
    with (
        closing(StateLock(settings.state_dir, settings.port)),
        closing(listen(settings.port)) as listener,
    ):
        check_readable(settings.ministack_dir / "services")
        _configure_logging(settings)
        environment = settings.ministack_environment(os.environ)
        os.environ.clear()
        os.environ.update(environment)
        try:
            _serve(settings, listener, started)
        finally:
            end_descendants()


def listen(port: int) -> socket.socket:
    """The bound socket. Raises StartError."""
    # asyncio turns Nagle off only where the protocol is named; with it each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # Two that start at once can both bind; only one can listen.
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise StartError(f"cannot listen on port {port} of {HOST}: {error}.") from error
        raise StartError(
            f"port {port} of {HOST} is in use. Stop the program that has it (a local cloud in "
            "another terminal?), or choose another port with --port."
        ) from error
    return listener


def _serve(settings: Settings, listener: socket.socket, started: Callable[[], None]) -> None:
    ministack = seams.asgi_app()
    handlers = seams.resource_handlers()
    seams.put_groups_into_tokens()
    sagemaker = SageMaker(settings)
    scaling_store = Store(settings.state_dir / "autoscaling.json", "targets", "policies")
    autoscaling = JsonApi(
        "application-autoscaling",
        operations("application-autoscaling", AutoScalingOperations(scaling_store)),
    )
    tracking = Tracking(scaling_store, sagemaker.endpoints)
    handlers |= sagemaker_types.handlers(sagemaker)
    handlers |= autoscaling_types.handlers(autoscaling)
    for resource_type, operation in OPERATIONS.items():
        handlers[resource_type] = with_numbers(handlers[resource_type], operation)
    handlers["AWS::CloudWatch::Alarm"] = with_metric_math(handlers["AWS::CloudWatch::Alarm"])
    handlers["AWS::DynamoDB::Table"] = with_ttl_and_recovery(
        handlers["AWS::DynamoDB::Table"], settings.url
    )

    handlers |= cognito_types.handlers(settings.url)
    handlers["AWS::Cognito::UserPoolClient"] = cognito_types.with_local_urls(
        handlers["AWS::Cognito::UserPoolClient"], settings.url
    )

    def sqs_client(region: str) -> Any:
        return aws_client("sqs", settings.url, region)

    deployer = Deployer(ministack)
    moves = MoveTasks(sqs_client)
    sqs = JsonApi("sqs", operations("sqs", moves, DeadLetters(sqs_client)))
    json_apis = {"SageMaker": sagemaker.api, "AnyScaleFrontendService": autoscaling}
    json_apis |= {f"AmazonSQS.{operation}": sqs for operation in sqs.operations}
    gateway = Gateway(ministack, deployer, json_apis, sagemaker)
    deployer.start()

    def ready() -> None:
        sagemaker.restore()
        tracking.start()
        started()

    server = _Server(gateway, ready)
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        moves.close()
        tracking.close()
        sagemaker.close()
        deployer.close()
    if not server.started:
        raise StartError(f"ministack did not come up. The reason is in {settings.log_file}.")


class _Server(uvicorn.Server):
    """uvicorn, told when it is ready, and with signal handlers that leave the process to clean up
    after it.
    """

    def __init__(self, app: Gateway, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="on",
                ws="none",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_SHUTDOWN_GRACE_S,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise the signal again afterwards, and so skip our own shutdown."""
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in _STOPS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)  # the clean-up is bounded: nothing to interrupt


def _configure_logging(settings: Settings) -> None:
    """Everything into one file; the terminal keeps the few lines that a person needs."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(settings.log_file, mode="w")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(name)s] %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("botocore", "boto3", "s3transfer", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
