"""What a web page can do to a running cloud: one of another origin nothing, one of its own what it
needs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.launch import Cloud
from tests.integration.local.training import Training
from tests.waiting import wait_until

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
NO_BROWSER = "no Chromium on the PATH: what a page can do was not tried in a real browser"
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
TARGET = {"X-Amz-Target": "SageMaker.CreateTrainingJob"}


def test_foreign_page_can_run_no_training_job(
    cloud: Cloud, training: Training, tmp_path: Path
) -> None:
    # GIVEN the request that a page would make, for a job whose script leaves a mark
    mark = tmp_path / "mark"
    script = f"import pathlib; pathlib.Path({str(mark)!r}).touch()"
    request = training.request(script)
    name = request["TrainingJobName"]

    # WHEN a page sends it, and the steps before it, from another origin
    steps = [
        httpx.put(f"{cloud.url}/evil", headers=FOREIGN),
        httpx.put(f"{cloud.url}/{training.bucket}/evil.tar.gz", content=b"x", headers=FOREIGN),
        httpx.options(cloud.url, headers=FOREIGN),
        httpx.post(cloud.url, json=request, headers={**TARGET, **FOREIGN}),
        httpx.post(cloud.url, json=request, headers={**TARGET, "Host": "evil.example"}),
    ]

    # THEN none is answered, and nothing came of them
    assert [step.status_code for step in steps] == [403] * len(steps)
    assert not any("access-control-allow-origin" in step.headers for step in steps)
    assert "evil" not in [row["Name"] for row in training.s3.list_buckets()["Buckets"]]
    assert training.keys("evil") == []
    jobs = training.api.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    assert jobs == []

    # AND the same request without a page behind it does leave the mark: it was a real one
    assert httpx.post(cloud.url, json=request, headers=TARGET).status_code == 200
    assert training.ended(name)["TrainingJobStatus"] == "Completed"
    assert mark.exists()


# Each attempt as a page would make it; "opaque" is an answer that the page may not read, so what
# came of it is looked up in the cloud.
_ATTACK = """<!doctype html><meta charset="utf-8"><script>
const cloud = "CLOUD", form = "application/x-www-form-urlencoded";
const attempts = {
  simple: () => fetch(cloud, {method: "POST", mode: "no-cors", headers: {"Content-Type": form},
                              body: "Action=CreateQueue&QueueName=evil-simple"}),
  query: () => fetch(cloud + "/?Action=CreateQueue&QueueName=evil-query", {mode: "no-cors"}),
  bucket: () => fetch(cloud + "/evil-bucket", {method: "PUT"}),
  target: () => fetch(cloud, {method: "POST", body: "{}",
                              headers: {"X-Amz-Target": "SageMaker.ListTrainingJobs"}}),
  read: () => fetch(cloud + "/"),
  image: () => new Promise((done) => {
    const image = new Image();
    image.onload = image.onerror = () => done({type: "image"});
    image.src = cloud + "/?Action=CreateQueue&QueueName=evil-image";
  }),
};
(async () => {
  const seen = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    try { const answer = await attempt(); seen[name] = answer.type + (answer.status || ""); }
    catch (error) { seen[name] = "refused"; }
  }
  await fetch("/seen", {method: "POST", body: JSON.stringify(seen)});
})();
</script>"""

# A page of our own, in a bucket: it reads, uploads with a presigned URL, and tells by an upload.
_OWN = """<!doctype html><meta charset="utf-8"><script>
(async () => {
  const seen = {};
  seen.read = await (await fetch("hello.txt")).text();
  seen.put = (await fetch("PUT", {method: "PUT", body: "from the page"})).status;
  seen.other = (await fetch("OTHER", {method: "PUT", body: "by the other name"})).status;
  await fetch("SEEN", {method: "PUT", body: JSON.stringify(seen)});
})();
</script>"""


@contextmanager
def _site(page: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server on a port of its own with this one page: its URL, and what the page reports."""
    reports: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(page.encode())

        def do_POST(self) -> None:
            reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing for each request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", reports
        server.shutdown()


@contextmanager
def _browsing(url: str, profile: Path) -> Iterator[None]:
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--remote-debugging-port=0",  # without it a headless browser ends at once
        f"--user-data-dir={profile}",
        url,
    ]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as browser:
        try:
            yield
        finally:
            browser.terminate()
            browser.wait(timeout=30)


@pytest.mark.skipif(not BROWSER, reason=NO_BROWSER)
def test_page_of_another_origin_is_refused_in_a_browser(cloud: Cloud, tmp_path: Path) -> None:
    with (
        _site(_ATTACK.replace("CLOUD", cloud.url)) as (url, reports),
        _browsing(url, tmp_path / "profile"),
    ):
        wait_until(lambda: reports)

    assert reports == [
        {
            "simple": "opaque",
            "query": "opaque",
            "bucket": "refused",
            "target": "refused",
            "read": "refused",
            "image": "image",
        }
    ]
    assert not cloud.client("sqs").list_queues(QueueNamePrefix="evil").get("QueueUrls")
    buckets = [row["Name"] for row in cloud.client("s3").list_buckets()["Buckets"]]
    assert "evil-bucket" not in buckets


@pytest.mark.skipif(not BROWSER, reason=NO_BROWSER)
def test_page_of_the_same_port_uses_presigned_urls_in_a_browser(
    cloud: Cloud, tmp_path: Path
) -> None:
    s3 = cloud.client("s3")
    bucket = f"page-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)

    def put(key: str) -> str:
        url: str = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})
        return url

    by_other_name = put("other").replace("127.0.0.1", "localhost")
    page = _OWN.replace("PUT", put("put"), 1).replace("OTHER", by_other_name)
    page = page.replace("SEEN", put("seen"))
    s3.put_object(Bucket=bucket, Key="hello.txt", Body=b"hello")
    s3.put_object(Bucket=bucket, Key="page.html", Body=page.encode(), ContentType="text/html")

    def told() -> dict[str, Any] | None:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="seen")
        if not listed["KeyCount"]:
            return None
        seen: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key="seen")["Body"].read())
        return seen

    with _browsing(f"{cloud.url}/{bucket}/page.html", tmp_path / "profile"):
        assert wait_until(told) == {"read": "hello", "put": 200, "other": 200}

    assert s3.get_object(Bucket=bucket, Key="put")["Body"].read() == b"from the page"
