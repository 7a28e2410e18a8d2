"""Whether all servers give the same answers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from benchmarks.dog_threshold import dog_paths
from benchmarks.serving.contenders import TOOLKIT, Contender
from rigs.photos import DOGS, breed_of

CLIENTS = 8


class Answers:
    """Each contender's answers to the test photos of the breeds that the model knows."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        """`labels`: the model's."""
        self._paths = [path for path in dog_paths(DOGS / "test") if breed_of(path) in labels]
        self._answers: dict[str, list[dict[str, float]]] = {}

    def ask(self, url: str, contender: Contender) -> None:
        """Send all photos."""
        target = contender.target(url, [path.read_bytes() for path in self._paths])
        headers = {"Content-Type": target.content_type}
        with (
            httpx.Client(trust_env=False, timeout=60) as client,
            ThreadPoolExecutor(CLIENTS) as pool,
        ):

            def top(body: bytes) -> dict[str, float]:
                answer = client.post(url, content=body, headers=headers).raise_for_status().json()
                return {one["label"]: one["probability"] for one in answer["top"]}

            self._answers[contender.name] = list(pool.map(top, target.bodies))

    def result(self) -> list[dict[str, Any]]:
        """Per contender: agreement with PyTorch's float32 answers, and how many are right."""
        if not self._paths or TOOLKIT not in self._answers:
            return []
        reference = self._answers[TOOLKIT]
        found = []
        for name, answers in self._answers.items():
            pairs = list(zip(answers, reference, strict=True))
            right = (first(one) == breed_of(p) for one, p in zip(answers, self._paths, strict=True))
            found.append(
                {
                    "contender": name,
                    "n": len(answers),
                    "first_label_agrees": share(first(a) == first(b) for a, b in pairs),
                    "right": share(right),
                    "largest_difference": max(
                        abs(a.get(first(b), 0) - b[first(b)]) for a, b in pairs
                    ),
                }
            )
        return found


def first(top: dict[str, float]) -> str:
    """The most likely label."""
    return max(top, key=top.__getitem__)


def share(values: Any) -> float:
    """Share of true values."""
    known = [bool(value) for value in values]
    return round(sum(known) / len(known), 4)
