"""`image`: the slim serving image, built with docker or podman, in the account's own Amazon ECR.

The repository is made where it is missing. The tag is a digest of what the image is made of, and a
tag is never moved, so the same files are built and pushed once.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError
from rich.console import Console

from training.jobs.errors import CommandError, UsageError

CONTEXT = Path(__file__).resolve().parents[2] / "serving"
CONTENT = ("Dockerfile", "requirements.txt", "serve.sh")
PLATFORM = "linux/amd64"  # of the wheels in requirements.txt, and of the instances

# SageMaker answers CreateModel with "Unsupported manifest media type" for OCI's, the default of
# today's builders (aws/amazon-sagemaker-feedback issue 180).
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Tool:
    """How docker or podman makes, and pushes, an image with Docker's own manifest."""

    name: str
    build: tuple[str, ...]
    push: tuple[str, ...]


TOOLS = (
    # Attestations would make the manifest a list, in OCI's format.
    Tool(
        "docker",
        ("buildx", "build", "--provenance=false", "--sbom=false", "--output=type=docker"),
        ("push",),
    ),
    Tool("podman", ("build", "--format=docker"), ("push", "--format=v2s2")),
)


def make(repository: str, console: Console) -> str:
    """Build and push unless it is there; returns the address. Raises UsageError, CommandError."""
    tool = _tool()
    try:
        ecr = boto3.client("ecr")
        uri = _repository(ecr, repository)
    except (NoRegionError, NoCredentialsError) as error:
        raise UsageError(
            f"AWS cannot be reached: {error} Set credentials and a region (`aws configure`)."
        ) from error
    tag = _tag()
    address = f"{uri}:{tag}"
    if not _media_type(ecr, repository, tag):
        _log_in(tool, ecr, uri.partition("/")[0])
        console.print(f"building {address}", markup=False, highlight=False, soft_wrap=True)
        _run(tool.name, *tool.build, f"--platform={PLATFORM}", f"--tag={address}", str(CONTEXT))
        _run(tool.name, *tool.push, address)
    found = _media_type(ecr, repository, tag)
    if found != MANIFEST:
        raise CommandError(
            f"{address} has the manifest {found}, and SageMaker takes only {MANIFEST}. Update "
            f"the tool that pushed it, or use the other one of docker and podman; then delete the "
            f"image (aws ecr batch-delete-image --repository-name {repository} --image-ids "
            f"imageTag={tag}) and run this again."
        )
    return address


def _tag() -> str:
    digest = hashlib.sha256()
    for name in CONTENT:
        content = (CONTEXT / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _repository(ecr: Any, name: str) -> str:
    """Its address; made if it is missing: tags never moved, scanned at push, encrypted."""
    try:
        found = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "RepositoryNotFoundException":
            raise
        found = ecr.create_repository(
            repositoryName=name,
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "AES256"},
        )["repository"]
    return str(found["repositoryUri"])


def _media_type(ecr: Any, repository: str, tag: str) -> str:
    """Of the image's manifest; empty where there is no such image."""
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ImageNotFoundException":
            raise
        return ""
    return str(found["imageDetails"][0].get("imageManifestMediaType", MANIFEST))


def _tool() -> Tool:
    """The first that is here and at work: a docker without its daemon is none."""
    found = []
    for tool in TOOLS:
        if not shutil.which(tool.name):
            found.append(f"there is no {tool.name}")
            continue
        ended = subprocess.run([tool.name, "info"], capture_output=True, text=True)
        if ended.returncode == 0:
            return tool
        words = (ended.stderr or ended.stdout).strip().splitlines() or ["it says nothing"]
        found.append(f"`{tool.name} info` fails: {words[-1]}")
    raise UsageError(
        f"Neither docker nor podman can build the image: {'; '.join(found)}. Install one, or "
        "start its daemon. Without an image of your own the endpoint runs in AWS's Ray image."
    )


def _log_in(tool: Tool, ecr: Any, registry: str) -> None:
    """With a token of twelve hours, through standard input, where no other user sees it."""
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    _run(tool.name, "login", "--username", user, "--password-stdin", registry, stdin=password)


def _run(*command: str, stdin: str = "") -> None:
    """Run the tool, which prints to our own output; raises CommandError."""
    ended = subprocess.run(command, input=stdin, text=True)
    if ended.returncode:
        raise CommandError(
            f"`{' '.join(command)}` ended with exit code {ended.returncode}; its last lines above "
            "say why."
        )
