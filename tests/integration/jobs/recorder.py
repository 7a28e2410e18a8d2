"""An HTTP server that records what a launcher asks AWS for, and answers just enough.

S3 is a dictionary, every job completes at once. What it records is what went over the wire.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.integration.jobs.account import Account

ACCOUNT_ARN = "arn:aws:sagemaker:us-east-1:123456789012"
_S3_XML = '<?xml version="1.0"?>'
Json = dict[str, Any]


class Recorder:
    """`requests` are (operation, parameters) in the order in which they came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Json]] = []
        self.objects: dict[str, bytes] = {}
        self.url = ""
        self.account = Account()

    def sent(self, operation: str) -> list[Json]:
        return [parameters for name, parameters in self.requests if name == operation]

    @contextmanager
    def serving(self) -> Iterator[Recorder]:
        recorder = self

        class Handler(_Handler):
            owner = recorder

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def answer(self, operation: str, parameters: Json) -> Json:
        self.requests.append((operation, parameters))
        made = getattr(self, f"_{operation}", None)
        result: Json = made(parameters) if made else {}
        return result

    def _CreateTrainingJob(self, asked: Json) -> Json:  # noqa: N802 - AWS's names
        base = asked["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://")
        for name in ("model.tar.gz", "output.tar.gz"):
            content = self.objects.get(f"artefacts/{name}", b"")
            self.objects[f"{base}/{asked['TrainingJobName']}/output/{name}"] = content
        return {"TrainingJobArn": f"{ACCOUNT_ARN}:training-job/{asked['TrainingJobName']}"}

    def _DescribeTrainingJob(self, asked: Json) -> Json:  # noqa: N802
        name = asked["TrainingJobName"]
        job = next(j for j in self.sent("CreateTrainingJob") if j["TrainingJobName"] == name)
        output = job["OutputDataConfig"]["S3OutputPath"]
        return {
            "TrainingJobName": name,
            "TrainingJobArn": f"{ACCOUNT_ARN}:training-job/{name}",
            "TrainingJobStatus": "Completed",
            "SecondaryStatus": "Completed",
            "ModelArtifacts": {"S3ModelArtifacts": f"{output}/{name}/output/model.tar.gz"},
            "OutputDataConfig": job["OutputDataConfig"],
            "CreationTime": time.time(),
        }

    def _ListTrainingJobs(self, asked: Json) -> Json:  # noqa: N802
        if asked["StatusEquals"] != "Completed":
            return {"TrainingJobSummaries": []}
        names = [job["TrainingJobName"] for job in self.sent("CreateTrainingJob")]
        return {
            "TrainingJobSummaries": [
                {
                    "TrainingJobName": name,
                    "TrainingJobArn": f"{ACCOUNT_ARN}:training-job/{name}",
                    "TrainingJobStatus": "Completed",
                    "CreationTime": time.time(),
                }
                for name in names
                if asked["NameContains"] in name
            ]
        }

    def _CreateHyperParameterTuningJob(self, asked: Json) -> Json:  # noqa: N802
        name = asked["HyperParameterTuningJobName"]
        return {"HyperParameterTuningJobArn": f"{ACCOUNT_ARN}:hyper-parameter-tuning-job/{name}"}

    def _DescribeHyperParameterTuningJob(self, asked: Json) -> Json:  # noqa: N802
        name = asked["HyperParameterTuningJobName"]
        return {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobArn": f"{ACCOUNT_ARN}:hyper-parameter-tuning-job/{name}",
            "HyperParameterTuningJobStatus": "Completed",
            "CreationTime": time.time(),
            "BestTrainingJob": _trial(name, 2),
        }

    def _ListTrainingJobsForHyperParameterTuningJob(self, asked: Json) -> Json:  # noqa: N802
        name = asked["HyperParameterTuningJobName"]
        return {"TrainingJobSummaries": [_trial(name, number) for number in (1, 2)]}

    def _DescribeLogStreams(self, asked: Json) -> Json:  # noqa: N802
        return {"logStreams": [{"logStreamName": f"{asked['logStreamNamePrefix']}algo-1-1"}]}

    def _GetLogEvents(self, asked: Json) -> Json:  # noqa: N802
        token = asked.get("nextToken")
        events = [] if token else [{"timestamp": 1, "message": "epoch=1 validation:accuracy=0.5"}]
        return {"events": events, "nextForwardToken": "f/end", "nextBackwardToken": "b/start"}


def _trial(tuning_job: str, number: int) -> Json:
    return {
        "TrainingJobName": f"{tuning_job}-{number:03d}",
        "TrainingJobArn": f"{ACCOUNT_ARN}:training-job/{tuning_job}-{number:03d}",
        "TrainingJobStatus": "Completed",
        "CreationTime": time.time(),
        "TrainingStartTime": 1_000.0,
        "TrainingEndTime": 1_010.0,
        "TunedHyperParameters": {"lr": f"0.0{number}", "batch-size": "64"},
        "FinalHyperParameterTuningJobObjectiveMetric": {
            "MetricName": "validation:accuracy",
            "Value": 0.7 + number / 100,
        },
    }


class _Handler(BaseHTTPRequestHandler):
    owner: Recorder
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        target = self.headers.get("X-Amz-Target")
        if target is None:
            self._send(*self.owner.account.answer(dict(parse_qsl(body.decode()))))
            return
        operation = target.rpartition(".")[2]
        self._send(200, json.dumps(self.owner.answer(operation, json.loads(body))).encode())

    def do_PUT(self) -> None:
        self.owner.objects[self._key()] = self._body()
        self._send(200, b"")

    def do_HEAD(self) -> None:
        content = self.owner.objects.get(self._key())
        self._send(404 if content is None else 200, content or b"")

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._send(200, self._listing(query.get("prefix", [""])[0]))
        elif self._key() == "":
            self._send(200, self._buckets())
        else:
            content = self.owner.objects.get(self._key())
            self._send(404 if content is None else 200, content or b"")

    def _listing(self, prefix: str) -> bytes:
        start = f"{self._key()}/"
        keys = [key.removeprefix(start) for key in self.owner.objects if key.startswith(start)]
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>"
            for key in sorted(keys)
            if key.startswith(prefix)
        )
        return f"{_S3_XML}<ListBucketResult>{found}</ListBucketResult>".encode()

    def _buckets(self) -> bytes:
        names = {key.partition("/")[0] for key in self.owner.objects}
        buckets = "".join(
            f"<Bucket><Name>{name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate>"
            "</Bucket>"
            for name in names
        )
        result = f"<ListAllMyBucketsResult><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
        return f"{_S3_XML}{result}".encode()

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            return _unwrapped(body) if self.headers.get("X-Amz-Trailer") else body
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return _unwrapped(b"".join(chunks))

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silence: the tests look at what was recorded."""


def _unwrapped(body: bytes) -> bytes:
    """The content of an aws-chunked body."""
    content = b""
    while match := re.match(rb"([0-9a-fA-F]+)[^\r]*\r\n", body):
        size = int(match[1], 16)
        if size == 0:
            break
        content += body[match.end() : match.end() + size]
        body = body[match.end() + size + 2 :]
    return content
