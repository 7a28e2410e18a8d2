"""How much memory the guarded process is given, by what is known of the machine."""

import pytest

from photo_reader import guard


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], guard.BUDGET_BYTES),  # no control group to be seen, as in some containers and on macOS
        ([100 << 30], guard.BUDGET_BYTES),
        ([1 << 30], 768 << 20),
        ([100 << 30, 1 << 30], 768 << 20),
    ],
)
def test_budget_is_a_share_of_the_least_that_is_known(
    known: list[int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_machine_bytes", lambda: known)
    assert guard.budget_bytes() == expected
