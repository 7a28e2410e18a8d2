"""The environment, read once and refused with words that help."""

import pytest
from classify.settings import Settings

REQUIRED = {
    "PREDICTIONS_TABLE": "rows",
    "ENDPOINT_NAME": "breeds",
    "QUEUE_URL": "https://sqs/1/q",
    "BACKFILL_QUEUE_URL": "https://sqs/1/b",
    "UPLOAD_BUCKET": "photos",
}
NAMES = ("rows", "breeds", "https://sqs/1/q", "https://sqs/1/b", "photos")


def test_only_required_variables_give_the_documented_defaults() -> None:
    assert Settings.from_env(REQUIRED) == Settings(
        *NAMES, 26_214_400, 64_000_000, 0, 20.0, 5.0, 900.0
    )


def test_every_variable_is_read() -> None:
    env = REQUIRED | {
        "MAX_OBJECT_BYTES": "1000",
        "MAX_PIXELS": "2000",
        "RETENTION_DAYS": "30",
        "ENDPOINT_TIMEOUT_S": "2.5",
        "FIRST_WAIT_S": "2",
        "LONGEST_WAIT_S": "60",
    }
    assert Settings.from_env(env) == Settings(*NAMES, 1000, 2000, 30, 2.5, 2.0, 60.0)


@pytest.mark.parametrize("missing", REQUIRED)
def test_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        Settings.from_env(REQUIRED | {missing: " "})


@pytest.mark.parametrize("value", ["many", "0", "-1", "inf", "nan"])
def test_number_out_of_reason_is_named(value: str) -> None:
    with pytest.raises(ValueError, match="MAX_PIXELS"):
        Settings.from_env(REQUIRED | {"MAX_PIXELS": value})


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        ("arn:aws:sqs:us-east-1:1:b", "https://sqs/1/b"),
        ("arn:aws:sqs:us-east-1:1:q", "https://sqs/1/q"),
        ("", "https://sqs/1/q"),
    ],
)
def test_queue_of_a_batch_is_found_by_its_arn(arn: str, url: str) -> None:
    assert Settings.from_env(REQUIRED).queue_of(arn) == url
