"""Which bucket goes with a stack, and what can be in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from operate.destroy import destroy

OWN = "dogs-uploads-123456789012-us-east-1-an"


class S3:
    """Buckets of all regions, asked in us-east-1. Every key has one version, `1`."""

    meta = SimpleNamespace(region_name="us-east-1")

    def __init__(self, **keys: set[str]) -> None:
        self.keys = keys

    def list_buckets(self) -> dict[str, Any]:
        return {"Buckets": [{"Name": name} for name in self.keys]}

    def get_paginator(self, operation: str) -> S3:
        assert operation == "list_object_versions"
        return self

    def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
        keys = sorted(self.keys[asked["Bucket"]])
        yield {"Versions": [{"Key": key, "VersionId": "1", "Size": 9} for key in keys]}

    def delete_object(self, **asked: str) -> None:
        assert asked["VersionId"] == "1"
        self.keys[asked["Bucket"]].remove(asked["Key"])

    def delete_objects(self, **asked: Any) -> dict[str, Any]:
        """Keys come as XML, and S3 takes as deleted what is not there."""
        keys = [item["Key"] for item in asked["Delete"]["Objects"]]
        try:
            read = ElementTree.fromstring(  # noqa: S314 - written here
                f"<Delete>{''.join(f'<Key>{escape(key)}</Key>' for key in keys)}</Delete>"
            )
        except ElementTree.ParseError:
            raise ClientError({"Error": {"Code": "MalformedXML"}}, "DeleteObjects") from None
        self.keys[asked["Bucket"]] -= {str(key.text) for key in read}
        return {}

    def delete_bucket(self, **asked: str) -> None:
        assert not self.keys.pop(asked["Bucket"]), "the bucket holds something"


class Empty:
    """A service that has nothing of any name."""

    def get_paginator(self, _operation: str) -> Empty:
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        return iter(())

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def refuse(**_asked: str) -> dict[str, Any]:
            raise ClientError({"Error": {"Message": "it does not exist"}}, operation)

        return refuse


class Sts:
    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012"}


def destroyed(s3: S3) -> str:
    """What `make destroy STACK=dogs DATA=delete` prints."""
    services: dict[str, Any] = {"s3": s3, "sts": Sts()}
    printed = io.StringIO()
    destroy(
        lambda service: services.get(service, Empty()),
        "dogs",
        True,
        lambda _question: "dogs",
        Console(file=printed, width=200),
    )
    return printed.getvalue()


def test_bucket_of_the_same_stack_in_another_region_stays() -> None:
    # GIVEN a stack of the same name in Ireland, and a bucket whose name only begins as this one's
    others = {OWN.replace("us-east-1", "eu-west-1"): {"uploads/a.jpg"}, f"{OWN}nex": {"a.jpg"}}
    s3 = S3(**{OWN: {"uploads/a.jpg"}}, **others)
    # WHEN the one here is destroyed
    printed = destroyed(s3)
    # THEN theirs are neither listed nor deleted
    assert f"deleted bucket {OWN}\n" in printed
    assert "eu-west-1" not in printed
    assert s3.keys == others


def test_bucket_of_a_region_without_namespaces_of_accounts_goes() -> None:
    s3 = S3(**{OWN.removesuffix("-an"): set()})
    destroyed(s3)
    assert not s3.keys


@pytest.mark.parametrize("character", ["\0", "\x0b", "\r", "\x1f", "\ufffe", "\uffff"])
def test_photo_whose_name_xml_cannot_hold_goes_with_the_others(character: str) -> None:
    # GIVEN a photo with such a name among others
    s3 = S3(**{OWN: {"a.jpg", f"b{character}.jpg", "c\t\n&.jpg"}})
    # WHEN the bucket is emptied THEN it goes
    destroyed(s3)
    assert not s3.keys
