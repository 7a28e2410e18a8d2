"""Copies a container's log file to CloudWatch Logs, as SageMaker does for endpoints and jobs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.clients import aws_client

logger = logging.getLogger(__name__)

_PERIOD_S = 1.0
_MAX_LINES = 1000  # PutLogEvents takes 10,000 events and 1 MB
_MAX_CHARS = 1000


class LogShipper:
    """A thread that follows one file from where it ends now. Losing it loses log lines only."""

    def __init__(self, cloud_url: str, region: str, group: str, stream: str, file: Path) -> None:
        self._client = aws_client("logs", cloud_url, region)
        self._where = {"logGroupName": group, "logStreamName": stream}
        self._file = file
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"log-{group}")
        self._position = file.stat().st_size if file.exists() else 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After a last look at the file."""
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        stopping, ready = False, False
        while not stopping:
            stopping = self._stop.wait(_PERIOD_S)
            try:
                for lines in self._new_lines():
                    ready = ready or self._make_stream()
                    self._put(lines)
            except (BotoCoreError, ClientError) as error:
                logger.warning("log lines of %s are lost: %s", self._file, error)

    def _new_lines(self) -> Iterator[list[str]]:
        """Whole lines that are new, in batches."""
        if not self._file.exists():
            return
        with self._file.open("rb") as log:
            log.seek(self._position)
            while lines := [line for _, line in zip(range(_MAX_LINES), log, strict=False)]:
                if not lines[-1].endswith(b"\n") and not self._stop.is_set():
                    lines.pop()
                    if not lines:
                        return
                self._position += sum(len(line) for line in lines)
                log.seek(self._position)
                yield [line.decode(errors="replace").rstrip()[:_MAX_CHARS] for line in lines]

    def _make_stream(self) -> bool:
        _unless_there(self._client.create_log_group, logGroupName=self._where["logGroupName"])
        _unless_there(self._client.create_log_stream, **self._where)
        return True

    def _put(self, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        if events:
            self._client.put_log_events(**self._where, logEvents=events)


def _unless_there(create: Any, **params: str) -> None:
    try:
        create(**params)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise
