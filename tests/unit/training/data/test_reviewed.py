"""What a made version holds, whatever people say and in whatever order it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schemas import check
from tests.unit.training.data.words import BREEDS, Json, base, entry, photo, row, with_photos
from training.data.candidates import Reviewed
from training.data.errors import DataError
from training.data.manifest import read_manifest, to_bytes, version_of
from training.data.reviewed import BasePhoto, Plan, Rules, make_version

KEYS = tuple(f"uploads/{number}.jpg" for number in range(12))
RULES = Rules(new_class_at=2)


def _made(reviews: Sequence[Reviewed], before: Plan | None = None, rules: Rules = RULES) -> Plan:
    plan = make_version(base(), reviews, before.manifest if before else None, rules)
    check("dataset", plan.manifest)
    return plan


def _codes(plan: Plan) -> dict[str, str]:
    return {each["key"]: each["code"] for each in plan.manifest["left_out"]}


def _splits(plan: Plan) -> dict[str, str]:
    return {each["sha256"]: each["name"].split("/")[0] for each in plan.manifest["photos"]}


# Photos of a few contents and looks, so that copies and near-copies are common.
_LOOKS = st.sampled_from(("a", "b", "c", "d", "e", "f", "g", "h"))
_PHOTOS = st.fixed_dictionaries(
    {key: st.builds(lambda look, n: photo(f"{look}{n}", look), _LOOKS, st.integers(0, 1))
     for key in KEYS}
)  # fmt: skip
_ROWS = st.fixed_dictionaries({key: st.booleans() for key in KEYS}).map(
    lambda drawn: [row(key, sample) for key, sample in drawn.items()]
)
_SAID = st.one_of(
    st.sampled_from(("RIGHT", "UNSURE", "NO_DOG")).map(lambda verdict: (verdict, None)),
    st.sampled_from((*BREEDS, "Akita", "akita", "Élo")).map(lambda breed: ("NEW_BREED", breed)),
)


@st.composite
def _histories(draw: st.DrawFn) -> list[Json]:
    said = draw(
        st.lists(
            st.tuples(st.sampled_from(KEYS), _SAID, st.sampled_from(("ann", "bob"))), max_size=25
        )
    )
    return [
        entry(key, verdict, breed, by, at) for at, (key, (verdict, breed), by) in enumerate(said)
    ]


@given(_histories(), _ROWS, _PHOTOS, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_bytes(history, rows, photos, chance) -> None:  # type: ignore[no-untyped-def]
    plan = _made(with_photos(history, rows, photos))
    shuffled = [list(part) for part in (history, rows, base())]
    for part in shuffled:
        chance.shuffle(part)
    reviewed = with_photos(shuffled[0], shuffled[1], photos)
    chance.shuffle(reviewed)
    again = make_version(shuffled[2], reviewed, None, RULES)
    assert to_bytes(again.manifest) == to_bytes(plan.manifest)
    assert again.files == plan.files


@given(_histories(), _ROWS, _PHOTOS)
def test_same_reviews_on_top_of_their_own_version_change_nothing(history, rows, photos) -> None:  # type: ignore[no-untyped-def]
    plan = _made(with_photos(history, rows, photos))
    again = _made(with_photos(history, rows, photos), plan)
    assert to_bytes(again.manifest) == to_bytes(plan.manifest)


@given(_histories(), _ROWS, _ROWS, _PHOTOS, st.data())
def test_no_photo_ever_moves(history, rows, later_rows, photos, data) -> None:  # type: ignore[no-untyped-def]
    """Not with more reviews, nor where the rows are gone or say otherwise by then."""
    plan = None
    seen: dict[str, str] = {}
    for end, known in ((data.draw(st.integers(0, len(history))), rows), (None, later_rows)):
        plan = _made(with_photos(history[:end], known, photos), plan)
        for sha256, split in _splits(plan).items():
            assert seen.setdefault(sha256, split) == split


@given(_histories(), _ROWS, _PHOTOS)
def test_audit_is_the_random_sample_and_looks_like_nothing_of_train(history, rows, photos) -> None:  # type: ignore[no-untyped-def]
    plan = _made(with_photos(history, rows, photos))
    sampled = {photos[each["image_key"]].sha256 for each in rows if each.get("sample")}
    looks: dict[bytes, str] = {}
    for each in plan.manifest["photos"]:
        is_audit = each["name"].startswith("audit/")
        if each["source"]["kind"] == "review":
            assert is_audit == (each["source"]["queue"] == "sample")
        assert not is_audit or each["sha256"] in sampled
    by_sha = {one.sha256: one for one in photos.values()}
    for each in plan.manifest["photos"]:
        if each["sha256"] in by_sha:
            prints = by_sha[each["sha256"]].prints
            assert prints is not None
            assert looks.setdefault(prints[0], each["name"]) == each["name"]


@given(_histories(), _ROWS, _PHOTOS)
def test_every_reviewed_photo_is_in_or_left_out_with_its_reason(history, rows, photos) -> None:  # type: ignore[no-untyped-def]
    plan = _made(with_photos(history, rows, photos))
    inside = [each["source"]["key"] for each in plan.manifest["photos"] if "key" in each["source"]]
    outside = [each["key"] for each in plan.manifest["left_out"]]
    assert sorted(inside + outside) == sorted({each["image_key"] for each in history})
    assert all(each["label"] in plan.manifest["classes"] for each in plan.manifest["photos"])


def test_base_alone_keeps_its_photos_without_indexes() -> None:
    plan = _made([])
    assert len(plan.files) == 10
    assert plan.files["train/Beagle/0.jpg"] == Path("trainBeagle0")
    assert plan.manifest["version"] == version_of(plan.manifest)


def test_photo_says_who_when_and_from_which_queue() -> None:
    plan = _made(with_photos([entry(at=5)], [row(sample=True)]))
    (found,) = [each for each in plan.manifest["photos"] if each["source"]["kind"] == "review"]
    assert found["label"] == "Beagle"
    assert found["name"] == f"audit/Beagle/reviewed-{found['sha256'][:16]}.jpg"
    assert found["source"] == {
        "kind": "review", "queue": "sample", "key": "uploads/a.jpg", "sequencer": "0A",
        "version_id": "v1", "verdict": "RIGHT", "breed": "Beagle", "by": "ann@example.com",
        "at": "2026-11-26T00:05:00.000000Z", "first": "2026-11-26T00:05:00.000000Z#ann",
        "review_id": "2026-11-26T00:05:00.000000Z#ann",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (entry(verdict="UNSURE"), "UNSURE"),
        (entry(verdict="NO_DOG"), "NO_DOG"),
        (entry(answer={"status": "UNKNOWN_BREED"}), "NO_BREED"),
        (entry(verdict="NEW_BREED", breed="../etc"), "NAME"),
        (entry(verdict="NEW_BREED", breed="x" * 201), "NAME"),
        (entry(verdict="NEW_BREED", breed="Akita"), "NEW_BREED"),
    ],
)
def test_what_is_left_out_says_why(said: Json, code: str) -> None:
    assert _codes(_made(with_photos([said], [row()]))) == {"uploads/a.jpg": code}


def test_deleted_and_lost_photos_are_left_out() -> None:
    (lost,) = with_photos([entry()], [row()])
    assert _codes(_made([lost._replace(photo=None, code="GONE", problem="gone")])) == {
        "uploads/a.jpg": "GONE"
    }
    deleted = with_photos([entry()], [row(status="DELETED", version="0B")])
    assert _codes(_made(deleted)) == {"uploads/a.jpg": "DELETED"}


def test_no_dog_goes_to_the_class_for_that_where_the_base_has_one() -> None:
    more = BasePhoto("train/002.No_dog/0.jpg", "No dog", photo("cat"))
    reviewed = with_photos([entry(verdict="NO_DOG")], [row()])
    plan = make_version([*base(), more], reviewed, None, RULES)
    assert [each["label"] for each in plan.manifest["photos"] if "key" in each["source"]] == [
        "No dog"
    ]


def test_near_copy_is_refused_with_what_it_is_like_and_how_near() -> None:
    near = photo("other bytes", like="testPug0")
    plan = _made(with_photos([entry()], [row()], {"uploads/a.jpg": near}))
    (left,) = plan.manifest["left_out"]
    assert (left["code"], left["like"]) == ("NEAR_COPY", "test/Pug/0.jpg")
    assert left["why"] == "nearly the same picture as test/Pug/0.jpg, 0 of 256 bits apart"


@pytest.mark.parametrize("same", ["trainBeagle0", "trainPug0"])
def test_bases_own_labels_stand(same: str) -> None:
    plan = _made(with_photos([entry()], [row()], {"uploads/a.jpg": photo(same)}))
    is_right = same == "trainBeagle0"
    assert _codes(plan) == {"uploads/a.jpg": "COPY" if is_right else "BASE_SAYS_OTHERWISE"}
    counted = [each["counted"] for each in plan.manifest["conflicts"]]
    assert counted == ([] if is_right else [{"breed": "Pug"}])


def test_new_breed_is_a_class_once_it_has_enough_photos_and_stays_one_spelling() -> None:
    said = [
        entry(f"uploads/{at}.jpg", "NEW_BREED", breed, at=at)
        for at, breed in enumerate(["Shiba_Inu", "shiba inu", "Shiba  Inu", "Shiba Inu"])
    ]
    rows = [row(f"uploads/{at}.jpg") for at in range(4)]
    waiting = _made(with_photos(said[:3], rows), rules=Rules(new_class_at=4))
    assert set(_codes(waiting).values()) == {"NEW_BREED"}
    assert waiting.manifest["left_out"][0]["why"] == (
        "Shiba Inu is no class yet: 3 of the 4 photos that it needs"
    )
    grown = _made(with_photos(said, rows), waiting, Rules(new_class_at=4))
    assert grown.manifest["classes"] == ["Beagle", "Pug", "Shiba Inu"]
    assert len(grown.files) == 14


def test_same_photo_under_two_keys_counts_once_and_the_difference_is_kept() -> None:
    said = [
        entry("uploads/a.jpg", "RIGHT", by="ann", at=1),
        entry("uploads/b.jpg", "WRONG_BREED", "Pug", "bob", 2),
    ]
    same = {key: photo("one") for key in ("uploads/a.jpg", "uploads/b.jpg")}
    plan = _made(with_photos(said, [row("uploads/a.jpg"), row("uploads/b.jpg")], same))
    assert _codes(plan) == {"uploads/a.jpg": "COPY"}
    (conflict,) = plan.manifest["conflicts"]
    assert (conflict["counted"]["breed"], conflict["others"][0]["breed"]) == ("Pug", "Beagle")


def test_photo_of_the_base_stays_where_the_version_before_had_it() -> None:
    before = _made([])
    moved = [
        each._replace(name=each.name.replace("train/", "test/").replace("/0.jpg", "/moved.jpg"))
        if each.name.startswith("train/") and each.name.endswith("/0.jpg")
        else each
        for each in base()
    ]
    after = make_version(moved, [], before.manifest, RULES)
    assert _splits(after) == _splits(before)
    assert "train/Beagle/moved.jpg" in after.files


def test_file_that_the_base_has_in_two_splits_stays_in_both() -> None:
    twice = [*base(), BasePhoto("test/000.Beagle/9.jpg", "Beagle", photo("trainBeagle0"))]
    plan = make_version(twice, [], None, RULES)
    again = make_version(twice, [], plan.manifest, RULES)
    assert again.manifest == plan.manifest


def test_class_whose_folder_would_be_read_otherwise_is_refused() -> None:
    odd = [
        each._replace(label="1.Beagle" if "Beagle" in each.label else "2.Pug") for each in base()
    ]
    with pytest.raises(DataError, match="would be called otherwise"):
        make_version(odd, [], None, RULES)


def test_manifest_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    manifest = _made([]).manifest
    (tmp_path / "dataset.json").write_bytes(to_bytes(manifest))
    assert read_manifest(tmp_path) == manifest
    manifest["photos"].pop()
    (tmp_path / "dataset.json").write_bytes(to_bytes(manifest))
    with pytest.raises(DataError, match="was changed since it was made"):
        read_manifest(tmp_path)


def test_photo_that_is_in_is_not_pushed_out_by_a_near_copy_that_was_seen_earlier() -> None:
    photos = {"uploads/a.jpg": photo("a1", "a"), "uploads/b.jpg": photo("a2", "a")}
    rows = [row("uploads/a.jpg"), row("uploads/b.jpg")]
    said = [entry("uploads/a.jpg", "UNSURE", at=1), entry("uploads/b.jpg", at=2)]
    before = _made(with_photos(said, rows, photos))
    after = _made(with_photos([*said, entry("uploads/a.jpg", at=3)], rows, photos), before)
    assert _codes(after) == {"uploads/a.jpg": "NEAR_COPY"}
