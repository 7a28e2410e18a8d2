"""A corpus of hostile files, generated: name -> (bytes, what the function must say of them).

Run as a program it feeds the files of a folder to classify.images.shrink under an address-space
limit and prints a JSON object: the code (or PHOTO) of each, and the peak resident megabytes.
"""

import io
import json
import resource
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

Case = tuple[Callable[[], bytes], str]
PHOTO, CORRUPT, TRUNCATED = "PHOTO", "CORRUPT", "TRUNCATED"
TOO_MANY, UNSUPPORTED, NOT_AN_IMAGE = "TOO_MANY_PIXELS", "UNSUPPORTED_FORMAT", "NOT_AN_IMAGE"
MAX_PIXELS = 50_000_000


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def small(format_: str, **options: object) -> bytes:
    return saved(Image.radial_gradient("L").convert("RGB"), format_, **options)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    end = png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + b"".join(chunks) + end


def zeros(size: int) -> bytes:
    """Deflated zeros, made in pieces."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, packer.compress(bytes(size & 0xFFFFF)), packer.flush()])


def png_of_zeros(width: int, height: int, depth: int, colour: int, samples: int) -> bytes:
    row_bytes = 1 + width * samples * depth // 8
    return png(
        width,
        height,
        png_chunk(b"IDAT", zeros(row_bytes * height)),
        depth=depth,
        colour=colour,
    )


def gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    picture = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x4c\x01\0"
    return head + picture + b";"


def tiff(width: int, height: int, strip: bytes, compression: int = 1, **extra: int) -> bytes:
    """One-band little-endian TIFF; `extra` are LONG tags by name."""
    numbers = {"tile_width": 322, "tile_length": 323, "rows_per_strip": 278, "next": 0}
    tags = {
        256: width,
        257: height,
        258: 8,
        259: compression,
        262: 1,
        273: 8,
        277: 1,
        278: height,
        279: len(strip),
    }
    tags |= {numbers[name]: value for name, value in extra.items() if numbers[name]}
    if "tile_width" in extra:
        tags[324], tags[325] = tags.pop(273), tags.pop(279)
        del tags[278]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    start = 8 + len(strip)
    following = start if extra.get("next") else 0
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", start) + strip + directory


def webp(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body += small("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp_lossless_header(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 16) + b"\x2f" + struct.pack("<I", bits) + bytes(11)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jpeg_claiming(width: int, height: int, **options: object) -> bytes:
    data = bytearray(small("JPEG", **options))
    frame = next(at for at in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if at > 0)
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_many_scans(count: int) -> bytes:
    data = small("JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def bmp(width: int, height: int, bits: int = 24, compression: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 300, 0, 0, 54) + head + bytes(300)


def iso_claiming(data: bytes, width: int, height: int) -> bytes:
    """HEIF or AVIF whose `ispe` boxes lie about the size."""
    at, changed = data.find(b"ispe"), bytearray(data)
    while at > 0:
        changed[at + 8 : at + 16] = struct.pack(">II", width, height)
        at = data.find(b"ispe", at + 1)
    return bytes(changed)


def animated(format_: str, count: int, **options: object) -> bytes:
    pages = (Image.new("RGB", (64, 64), (i % 256, i // 256, 0)) for i in range(count))
    first = next(pages)
    return saved(first, format_, save_all=True, append_images=pages, **options)


def heic() -> bytes:
    from tests.odd_files.heic import UPRIGHT

    return UPRIGHT


def signature(head: bytes) -> bytes:
    return head + bytes(20)


def icc_bomb() -> bytes:
    return png_chunk(b"iCCP", b"x\0\0" + zeros(100 << 20))


def text_bombs() -> Iterator[bytes]:
    yield from (png_chunk(b"zTXt", b"%d\0\0" % i + zeros(2 << 20)) for i in range(40))


IDAT = png_chunk(b"IDAT", zlib.compress(bytes((1 + 3 * 8) * 8)))

CORPUS: dict[str, Case] = {
    # Not images at all, or not ours
    "nothing": (lambda: b"", "EMPTY"),
    "one byte": (lambda: b"\xff", NOT_AN_IMAGE),
    "text named jpg": (lambda: b"Woof, said the file.\n" * 99, NOT_AN_IMAGE),
    "text that begins like a bmp": (lambda: b"BMW is no dog breed. " * 99, NOT_AN_IMAGE),
    "html": (lambda: b"<!doctype html><p>404", NOT_AN_IMAGE),
    "zip": (lambda: b"PK\x03\x04" + bytes(99), NOT_AN_IMAGE),
    "mp4": (lambda: b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(99), NOT_AN_IMAGE),
    "zeros": (lambda: bytes(100_000), NOT_AN_IMAGE),
    "svg": (lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', UNSUPPORTED),
    "pdf": (lambda: b"%PDF-1.7\n", UNSUPPORTED),
    "eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", UNSUPPORTED),
    "psd": (lambda: b"8BPS\0\1" + bytes(99), UNSUPPORTED),
    "ico": (lambda: small("ICO"), UNSUPPORTED),
    "ppm": (lambda: small("PPM"), UNSUPPORTED),
    "jpeg 2000": (lambda: small("JPEG2000"), UNSUPPORTED),
    "dds": (lambda: small("DDS"), UNSUPPORTED),
    # Headers that promise too much
    "png 60000 x 60000": (lambda: png(60000, 60000, IDAT), TOO_MANY),
    "png just over the limit": (lambda: png(50_000_001, 1, IDAT), TOO_MANY),
    "png of 2**31 pixels a side": (lambda: png(2**31 - 1, 2**31 - 1, IDAT), TOO_MANY),
    "png bomb of a gigapixel": (lambda: png_of_zeros(32000, 32000, 1, 0, 1), TOO_MANY),
    "png without size": (lambda: png(0, 0, IDAT), CORRUPT),
    "gif 65535 x 65535": (lambda: gif((65535, 65535), (65535, 65535)), TOO_MANY),
    "gif frame beyond its screen": (lambda: gif((1, 1), (65535, 65535)), TOO_MANY),
    "gif screen beyond its frame": (lambda: gif((65535, 65535), (1, 1)), TOO_MANY),
    "tiff 100000 x 100000": (lambda: tiff(100_000, 100_000, bytes(100)), TOO_MANY),
    "tiff deflate bomb": (lambda: tiff(30_000, 30_000, zeros(90_000_000), 8), TOO_MANY),
    "webp canvas 16383 x 16383": (lambda: webp(16383, 16383), TOO_MANY),
    "webp canvas 12000 x 10000": (lambda: webp(12000, 10000), TOO_MANY),
    "webp lossless 16383 x 16383": (lambda: webp_lossless_header(16383, 16383), TOO_MANY),
    "jpeg 65500 x 65500": (lambda: jpeg_claiming(65500, 65500), TOO_MANY),
    "bmp 60000 x 60000": (lambda: bmp(60000, 60000), TOO_MANY),
    "bmp 60000 x -60000": (lambda: bmp(60000, -60000), TOO_MANY),
    "avif 16000 x 16000": (lambda: iso_claiming(small("AVIF"), 16000, 16000), TOO_MANY),
    "heic 30000 x 30000": (lambda: iso_claiming(heic(), 30000, 30000), TOO_MANY),
    # Headers that lie within the limit
    "png 7000 x 7000 without pixels": (lambda: png(7000, 7000, IDAT), TRUNCATED),
    "gif 7000 x 7000 without pixels": (lambda: gif((7000, 7000), (7000, 7000)), TRUNCATED),
    "tiff 7000 x 7000 without pixels": (lambda: tiff(7000, 7000, bytes(100)), TRUNCATED),
    "tiff strip over its end": (lambda: tiff(7000, 7000, zeros(1000), 8), CORRUPT),
    "tiff of one huge tile": (
        lambda: tiff(10, 10, zeros(1000), 8, tile_width=1 << 16, tile_length=1 << 16),
        CORRUPT,
    ),
    "tiff directory loop": (lambda: tiff(8, 8, bytes(64), next=1), PHOTO),
    "webp canvas 7000 x 7000": (lambda: webp(7000, 7000), CORRUPT),
    "jpeg 7000 x 7000 without pixels": (lambda: jpeg_claiming(7000, 7000), TRUNCATED),
    "progressive jpeg 7000 x 7000 without pixels": (
        lambda: jpeg_claiming(7000, 7000, progressive=True),
        TRUNCATED,
    ),
    "bmp 7000 x 7000 without pixels": (lambda: bmp(7000, 7000), TRUNCATED),
    "bmp rle without pixels": (lambda: bmp(5000, 5000, 8, 1), CORRUPT),
    "avif smaller than it says": (lambda: iso_claiming(small("AVIF"), 7000, 7000), PHOTO),
    "heic smaller than it says": (lambda: iso_claiming(heic(), 7000, 7000), PHOTO),
    "heic larger than it says": (lambda: iso_claiming(heic(), 2, 2), PHOTO),
    # Small files, large pictures, all within the limit
    "png bomb of 49 megapixels": (lambda: png_of_zeros(7000, 7000, 16, 6, 4), PHOTO),
    "png of one row": (lambda: png_of_zeros(49_999_992, 1, 8, 0, 1), PHOTO),
    "png of one bit a pixel": (lambda: png_of_zeros(7000, 7000, 1, 0, 1), PHOTO),
    "webp of 49 megapixels": (
        lambda: saved(Image.new("RGB", (7000, 7000)), "WEBP", method=0),
        PHOTO,
    ),
    # Thousands of frames, scans, chunks
    "gif of 2000 frames": (lambda: animated("GIF", 2000), PHOTO),
    "apng of 3000 frames": (lambda: animated("PNG", 3000), PHOTO),
    "webp of 1000 frames": (lambda: animated("WEBP", 1000, method=0), PHOTO),
    "tiff of 400 pages": (lambda: animated("TIFF", 400), PHOTO),
    "jpeg of 1000 scans": (lambda: jpeg_of_many_scans(1000), CORRUPT),
    "png with bombs of text": (lambda: png(8, 8, *text_bombs(), IDAT), PHOTO),
    "png with a bomb of a profile": (lambda: png(8, 8, icc_bomb(), IDAT), PHOTO),
    # Cut off
    "jpeg of its header alone": (lambda: small("JPEG")[:300], TRUNCATED),
    "jpeg cut in its first rows": (lambda: small("JPEG")[:1200], TRUNCATED),
    "png cut": (lambda: small("PNG")[:3000], TRUNCATED),
    "gif cut": (lambda: small("GIF")[:3000], TRUNCATED),
    "webp cut": (lambda: small("WEBP")[:400], TRUNCATED),
    "bmp cut": (lambda: small("BMP")[:3000], TRUNCATED),
    "tiff cut": (lambda: small("TIFF")[:3000], TRUNCATED),
    "avif cut": (lambda: small("AVIF")[:600], TRUNCATED),
    "heic cut": (lambda: heic()[:300], TRUNCATED),
    **{
        f"{name} of its signature alone": (partial(signature, head), TRUNCATED)
        for name, head in {
            "png": b"\x89PNG\r\n\x1a\n",
            "gif": b"GIF89a",
            "tiff": b"II*\0",
            "bigtiff": b"II+\0",
            "webp": b"RIFF\0\0\0\0WEBP",
            "avif": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
            "heic": b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
        }.items()
    },
}


LARGE = ("webp of 49 megapixels", "png of one bit a pixel") * 2


def main() -> None:
    """Arguments: the folder with the files (their names in names.json), the limit in bytes."""
    from classify.errors import PermanentError
    from classify.images import shrink

    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def code_of(data: bytes) -> str:
        try:
            shrink(data, MAX_PIXELS)
        except PermanentError as refusal:
            return str(refusal.code)
        except MemoryError:
            return "MEMORY"
        return PHOTO

    seen = {name: code_of((folder / file).read_bytes()) for name, file in names.items()}
    # The largest pictures once more, all at the same time.
    large = [(folder / names[name]).read_bytes() for name in LARGE]
    with ThreadPoolExecutor(len(large)) as pool:
        together = list(pool.map(code_of, large))
    # Not getrusage: its figure begins with what the parent process had resident.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_mb = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    print(json.dumps({"seen": seen, "together": together, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
