"""Which format the first bytes of a file announce: the allow-list, and reasons for all else."""

from collections.abc import Iterator

from photo_reader.errors import PhotoError, Reason

# Enough for every signature below, and for the box of an ISO base media file that lists its brands.
HEAD_BYTES = 1024

ALLOWED = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
)

# Pictures that are recognised only to give a better answer than "not an image".
_KNOWN_BUT_NOT_ALLOWED = (
    (b"8BPS", "PSD"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x02\x00", "CUR"),
    (b"icns", "ICNS"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"FUJIFILMCCD-RAW", "RAF"),
    (b"IIRO", "ORF"),
    (b"IIU\x00", "RW2"),
    (b"gimp xcf", "XCF"),
)
_NETPBM = tuple(b"P%d%c" % (kind, space) for kind in range(1, 8) for space in b"\n \t\r")

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"hevm",
    b"hevs",
    b"mif1",
    b"msf1",
}
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}


def sniff(head: bytes) -> str:
    """One of ALLOWED, from the first HEAD_BYTES of the file. Raises PhotoError for all else."""
    if not head:
        raise PhotoError(Reason.EMPTY, "the object has no bytes")
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            if name == "TIFF" and head[8:10] == b"CR":
                raise _refusal("Canon CR2")
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    raise _refusal_of_other(head)


def _refusal_of_other(head: bytes) -> PhotoError:
    for signature, name in _KNOWN_BUT_NOT_ALLOWED:
        if head.startswith(signature):
            return _refusal(name)
    if head.startswith(_NETPBM):
        return _refusal("Netpbm")
    if b"<svg" in head.lower():
        return _refusal("SVG")
    if head.startswith(b"\x1f\x8b"):
        words = "the bytes are gzip-compressed (Content-Encoding: gzip); send the image itself"
        return PhotoError(Reason.NOT_AN_IMAGE, words)
    return PhotoError(Reason.NOT_AN_IMAGE, "the bytes are those of no image format known here")


def _sniff_iso_media(head: bytes) -> str:
    """HEIF, AVIF and films share a container; brands tell them apart (ISO/IEC 14496-12, `ftyp`)."""
    brands = set(_brands(head))
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIF"
    if b"crx " in brands:
        raise _refusal("Canon CR3")
    raise PhotoError(Reason.NOT_AN_IMAGE, "a film or another ISO media file, not a photo")


def _brands(head: bytes) -> Iterator[bytes]:
    box_bytes = min(int.from_bytes(head[:4], "big"), HEAD_BYTES, len(head))
    yield head[8:12]
    for start in range(16, box_bytes - 3, 4):
        yield head[start : start + 4]


def _refusal(name: str) -> PhotoError:
    return PhotoError(
        Reason.UNSUPPORTED_FORMAT,
        f"{name} files are not accepted; accepted are {', '.join(ALLOWED)}",
    )
