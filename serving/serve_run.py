"""What `serve run` does in its own process: end at a bad package, finish what is in flight.

Ray imports, builds and runs the application in workers of its own. A failure there leaves
`serve run` running for ever, and at SIGTERM or Ctrl-C it kills its HTTP proxy first, which cuts
the callers' connections. Both can only be mended in the process of `serve run`, and the one
import it makes there is the request router that config.yaml names, while it reads that file and
before it starts anything. So this is that module; the router in it is Ray's default.

In AWS's Ray image only the first half matters: there the first process is a shell that hands no
signal on, with `serve run` as its child, so `finish` is never called and the container answers
until SageMaker, which has moved the traffic away before, kills it after 30 seconds.
"""

import signal
import sys
from importlib import import_module
from types import FrameType

import ray
from ray import serve
from ray.serve.config import RequestRouterConfig

from serving.package import PackageError
from serving.settings import SettingsError

Router = RequestRouterConfig().get_request_router_class()


def prepare() -> None:
    """Verify the package, or end with exit code 1 and the reason; then take over the signals."""
    try:
        import_module("serving.deployment")
    except (PackageError, SettingsError) as error:
        sys.exit(f"error: {error}")
    # `serve run` does this only if nobody has before. Here, because it replaces the handler of
    # SIGTERM by one that ends at once.
    ray.init(namespace="serve")
    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)


def finish(number: int, frame: FrameType | None) -> None:
    """Take no new requests, answer the running ones, and end with exit code 0.

    Waits at most graceful_shutdown_timeout_s of config.yaml; a second signal waits no longer.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for application in serve.status().applications:
        serve.delete(application)
    sys.exit(0)  # stops the Ray of this process; one that was there before goes on


if not ray.is_initialized():  # Ray's workers import this module as well
    prepare()
