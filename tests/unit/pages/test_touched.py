"""What `make pr` runs beside the unit tests."""

from tests import touched


def test_change_of_a_room_asks_for_the_tests_of_that_room() -> None:
    assert touched.tests_of(["functions/classify/classify/core.py", "README.md"]) == [
        "tests/integration/function"
    ]


def test_change_of_what_two_rooms_share_asks_for_both() -> None:
    assert len(touched.tests_of(["photo_reader/jpeg.py"])) == 2


def test_change_of_the_page_asks_for_a_browser() -> None:
    assert "tests/page" in touched.tests_of(["functions/api/api/static/grid.js"])
    assert "tests/page" not in touched.tests_of(["functions/api/api/tallies.py"])


def test_changed_test_is_run_itself() -> None:
    (existing, *_) = (touched.ROOT / "tests/integration/jobs").glob("test_*.py")
    name = str(existing.relative_to(touched.ROOT))
    assert touched.tests_of([name, "tests/integration/jobs/test_that_is_deleted.py"]) == [name]


def test_words_alone_ask_for_nothing() -> None:
    assert touched.tests_of(["docs/operate.md", "tests/unit/pages/test_pages.py"]) == []


def test_rooms_and_tests_exist() -> None:
    for start, tests in touched.TESTS.items():
        assert (touched.ROOT / start).exists()
        assert all((touched.ROOT / test).exists() for test in tests)
