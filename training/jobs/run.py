"""What every command that starts jobs does first: the code and the data in S3, and the role."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from training.jobs import source, terminal
from training.jobs.channels import UploadedData, look, ready_weights
from training.jobs.config import Config
from training.jobs.definition import Place
from training.jobs.sdk import Sdk
from training.jobs.source import SourceArchive


@dataclass(frozen=True)
class Launch:
    """A command's view of the account: ready to start jobs."""

    sdk: Sdk
    config: Config
    place: Place
    data: UploadedData
    code: SourceArchive
    console: Console

    def say(self, words: str) -> None:
        """A line of plain text."""
        terminal.say(self.console, words)


def prepare(config: Config, data_uri: str | None, stack: str, console: Console) -> Launch:
    """`stack` is looked at for a role. Raises UsageError for what is missing: an account, a role,
    the data set.
    """
    sdk = Sdk(config.jobs)
    s3 = sdk.client("s3")
    data = look(s3, data_uri or default_data_uri(config, sdk.bucket))
    code = source.build()
    place = Place(
        image=sdk.image(),
        role=sdk.role(stack),
        source=source.upload(code, s3, sdk.bucket, config.jobs.name),
        output=f"s3://{sdk.bucket}/{config.jobs.name}/jobs",
        weights=ready_weights(config.jobs.weights, s3, sdk.bucket, config.jobs.name),
    )
    run = Launch(sdk, config, place, data, code, console)
    run.say(f"data {data.uri} ({data.objects} objects, {data.digest}), code {code.digest}")
    return run


def default_data_uri(config: Config, bucket: str) -> str:
    """Where the data set is expected when nobody says otherwise."""
    return f"s3://{bucket}/{config.jobs.name}/data"
