"""`make image` with a docker and a podman that write down what they are asked, and moto's ECR."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console

from training.jobs import image
from training.jobs.errors import CommandError, UsageError

NAME = "dogs/serving"
DOCKERS = "application/vnd.docker.distribution.manifest.v2+json"
OCIS = "application/vnd.oci.image.manifest.v1+json"

# Writes down its arguments and its standard input. `info` fails where a file says so.
TOOL = """#!/bin/sh
here=$(dirname "$0")
name=$(basename "$0")
case "$1" in
  info) [ ! -e "$here/$name.down" ] || {{ echo "Cannot connect to the daemon" >&2; exit 1; }};;
  login) echo "$name $* < $(cat)" >> "$here/log";;
  *) echo "$name $*" >> "$here/log";;
esac
[ "$1" != "{fails}" ]
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of tools, which is all there is on the PATH but the shell's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "dirname", "basename", "cat"):
        real = next(
            place for place in (Path("/bin", name), Path("/usr/bin", name)) if place.exists()
        )
        (folder / name).symlink_to(real)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(tools: Path, name: str, fails: str = "nothing") -> None:
    """Put a tool on the PATH."""
    (tools / name).write_text(TOOL.format(fails=fails))
    (tools / name).chmod(0o755)


def log(tools: Path) -> list[str]:
    """What the tools were asked, but for `info`."""
    return (tools / "log").read_text().splitlines() if (tools / "log").exists() else []


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch, tools: Path) -> Iterator[Any]:
    """An account's ECR, in which a pushed image appears."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("ecr")
        look = client.describe_images
        client.media_type = DOCKERS
        client.looks = []

        def describe_images(**wanted: Any) -> Any:
            client.looks.append(wanted)
            if (
                any(" push " in line for line in log(tools))
                and not client.list_images(repositoryName=NAME)["imageIds"]
            ):
                put(client, wanted["imageIds"][0]["imageTag"], client.media_type)
            return look(**wanted)

        client.describe_images = describe_images
        monkeypatch.setattr(image.boto3, "client", lambda service: client)
        yield client


def put(ecr: Any, tag: str, media_type: str) -> None:
    """An image in the registry."""
    config = {"mediaType": "x", "size": 1, "digest": "sha256:" + "a" * 64}
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    ecr.put_image(repositoryName=NAME, imageManifest=json.dumps(manifest), imageTag=tag)


def make() -> str:
    """The address of the image."""
    return image.make(NAME, Console())


def test_image_is_built_and_pushed_with_dockers_manifest(tools: Path, ecr: Any) -> None:
    install(tools, "docker")
    address = make()
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    start, _, tag = address.rpartition(":")
    assert start == f"{registry}/{NAME}"
    logged_in, built, pushed = log(tools)
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    assert logged_in == (f"docker login --username {user} --password-stdin {registry} < {password}")
    assert built == (
        "docker buildx build --provenance=false --sbom=false --output=type=docker "
        f"--platform=linux/amd64 --tag={address} {image.CONTEXT}"
    )
    assert pushed == f"docker push {address}"
    assert len(tag) == 12


def test_repository_is_made_with_scans_fixed_tags_and_encryption(tools: Path, ecr: Any) -> None:
    install(tools, "docker")
    make()
    (made,) = ecr.describe_repositories()["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}


def test_second_run_of_the_same_files_builds_nothing(tools: Path, ecr: Any) -> None:
    install(tools, "docker")
    assert make() == make()
    assert len(log(tools)) == 3


def test_any_changed_file_is_another_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = set()
    for change in (None, *image.CONTENT):
        for name in image.CONTENT:
            (tmp_path / name).write_bytes((image.CONTEXT / name).read_bytes())
        if change:
            (tmp_path / change).write_text("changed")
        monkeypatch.setattr(image, "CONTEXT", tmp_path)
        tags.add(image._tag())
        monkeypatch.undo()
    assert len(tags) == 1 + len(image.CONTENT)


def test_tag_covers_all_that_the_dockerfile_copies() -> None:
    lines = (image.CONTEXT / "Dockerfile").read_text().splitlines()
    copied = {line.split()[-2] for line in lines if line.startswith("COPY ")}
    assert copied | {"Dockerfile"} == set(image.CONTENT)


def test_podman_makes_dockers_manifest_where_docker_has_no_daemon(tools: Path, ecr: Any) -> None:
    install(tools, "docker")
    (tools / "docker.down").touch()
    install(tools, "podman")
    make()
    _, built, pushed = log(tools)
    assert built.startswith("podman build --format=docker --platform=linux/amd64 --tag=")
    assert pushed.startswith("podman push --format=v2s2 ")


def test_no_tool_is_a_wrong_use_and_told_before_anything_is_made(tools: Path, ecr: Any) -> None:
    install(tools, "docker")
    (tools / "docker.down").touch()
    with pytest.raises(UsageError) as told:
        make()
    wanted = "`docker info` fails: Cannot connect to the daemon; there is no podman"
    assert wanted in str(told.value)
    assert ecr.describe_repositories()["repositories"] == []


def test_no_region_is_a_wrong_use(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tools, "docker")
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(UsageError, match="AWS cannot be reached: You must specify a region"):
        make()


@pytest.mark.parametrize("step", ["login", "buildx", "push"])
def test_failing_step_is_named(tools: Path, ecr: Any, step: str) -> None:
    install(tools, "docker", fails=step)
    with pytest.raises(CommandError, match=f"`docker {step} .*` ended with exit code 1"):
        make()


def test_manifest_that_sagemaker_refuses_is_told(tools: Path, ecr: Any) -> None:
    install(tools, "docker")
    ecr.media_type = OCIS
    with pytest.raises(CommandError) as told:
        make()
    assert f"has the manifest {OCIS}, and SageMaker takes only {DOCKERS}" in str(told.value)
