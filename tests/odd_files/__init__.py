"""One corpus of odd files that the tests make themselves, and what every door must say of each."""

from tests.odd_files.broken import BROKEN
from tests.odd_files.case import PHOTO, Case
from tests.odd_files.formats import FORMATS
from tests.odd_files.hostile import HOSTILE
from tests.odd_files.metadata import METADATA
from tests.odd_files.variants import VARIANTS

# What any test can drive in its own process.
MILD: dict[str, Case] = {**FORMATS, **VARIANTS, **METADATA, **BROKEN}

__all__ = ["BROKEN", "FORMATS", "HOSTILE", "METADATA", "MILD", "PHOTO", "VARIANTS", "Case"]
