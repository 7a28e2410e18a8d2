"""The dog breeds of ImageNet-1k: which of its 1000 classes they are, and readable labels."""

from torchvision.models import EfficientNet_B0_Weights

IMAGENET_CLASSES = 1000

# ImageNet-1k orders its classes by WordNet; "domestic dog" is one unbroken run of 118 classes.
# Wolves, dingo, dhole and African hunting dog (269-275) are other branches of the tree.
FIRST_BREED = 151
LAST_BREED = 268
LAST_WILD_DOG = 275

# Below this probability of a dog the answer is "no dog". Chosen by benchmarks/dog_threshold.py; see
# dog_threshold.json of benchmarks/results.
DOG_THRESHOLD = 0.3


def breed_labels() -> tuple[str, ...]:
    """Labels in class order, in sentence case: "Golden retriever", "German shepherd"."""
    # Any ImageNet weights of torchvision carry the class names; no file is downloaded for them.
    categories = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    return tuple(sentence_case(name) for name in categories[FIRST_BREED : LAST_BREED + 1])


def sentence_case(name: str) -> str:
    """First letter upper, the rest as it is: proper nouns keep their capitals."""
    return name[:1].upper() + name[1:]
