"""The one reader of photos: from the bytes of a file to an upright sRGB picture."""

from photo_reader.errors import PhotoError, Reason
from photo_reader.formats import ALLOWED as FORMATS
from photo_reader.photo import Photo
from photo_reader.reading import MAX_PIXELS, read

__all__ = ["FORMATS", "MAX_PIXELS", "Photo", "PhotoError", "Reason", "read"]
