"""JPEG (ITU-T T.81): its segments, without those that no pixel needs."""

import re
import struct

from photo_reader import icc
from photo_reader.container import LIGHT_PIXELS, Container
from photo_reader.errors import corrupt, truncated, unsupported
from photo_reader.exif import orientation

# Cameras write about ten; each one costs a pass over the whole picture, a thousand take minutes.
MAX_SCANS = 100
# A photo with a large profile, extended XMP and a thermal image beside it has a few hundred.
MAX_SEGMENTS = 20_000
# A picture of several scans is decoded in the caller's thread up to this many pixels, counted once
# a scan.
_LIGHT_SCANNED_PIXELS = 40_000_000

_FILL = re.compile(rb"\xff+")
_LONG_FILL = b"\xff" * 64
_END_OF_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")

_SOI, _EOI, _SOS, _DQT, _DHT, _DAC, _DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_KEPT = {_DQT, _DHT, _DAC, _DRI}
_WITHOUT_LENGTH = {0x01, _SOI, *range(0xD0, 0xD8)}
_FRAMES = {*range(0xC0, 0xD0)} - {_DHT, _DAC, 0xC8}
_PROGRESSIVE = 0xC2
_SOF55 = 0xF7  # the frame of JPEG-LS (ITU-T T.87), which has JPEG's first bytes
_UNSUPPORTED = {
    0xC3: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA), "arithmetic-coded"),
    0xCB: "lossless arithmetic-coded",
}


def parse(data: bytes) -> Container:
    """Raises PhotoError. Linear in the size of the file: runs of bytes are skipped by C code."""
    walk = _Walk(data)
    walk.run()
    return walk.container()


class _Walk:
    """The state of one pass over a file's segments."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        # Views of the file, which is never copied: ten photos of 10 MB wait beside each other.
        self._view = memoryview(data)
        self._kept: list[bytes | memoryview] = [b"\xff\xd8"]
        self._frame: tuple[int, int, int, int] | None = None  # process, width, height, components
        self._scans = 0
        self._segments = 0
        self._orientation: int | None = None
        self._profile: dict[int, bytes] = {}
        self._has_jfif = self._has_adobe = False
        self._done = self._complete = self._one_pass = False

    def run(self) -> None:
        at = 2
        while not self._done and (at := self._data.find(b"\xff", at)) >= 0:
            self._segments += 1
            if self._segments > MAX_SEGMENTS:
                raise corrupt(f"JPEG: more than {MAX_SEGMENTS} segments")
            fill = _FILL.match(self._data, at)
            at = fill.end() if fill else at + 1
            if at >= len(self._data):
                break
            at = self._take(self._data[at], at + 1)

    def _take(self, marker: int, at: int) -> int:
        """Where the search for the next marker begins; `at` is what follows this one."""
        if marker == 0 or marker in _WITHOUT_LENGTH:
            return at
        if marker == _EOI:
            self._done = self._complete = True
            return at
        length = int.from_bytes(self._data[at : at + 2], "big")
        if at + max(length, 2) > len(self._data):
            self._done = True
            return at
        is_needed = marker == _SOS or marker in _FRAMES or marker in _KEPT
        if length < 2 and is_needed:
            raise corrupt(f"JPEG: a segment (marker FF{marker:02X}) of {length} bytes")
        end = at + max(length, 2)
        if marker == _SOS:
            return self._take_scan(at, end)
        if marker == _SOF55 and self._frame is None:
            raise unsupported("JPEG-LS files are not accepted")
        if marker in _FRAMES:
            self._take_frame(marker, at, end)
        elif marker in _KEPT:
            self._keep(marker, at, end)
        else:
            self._take_extra(marker, at, end)
        return end

    def _keep(self, marker: int, at: int, end: int) -> None:
        self._kept += (bytes((0xFF, marker)), self._view[at:end])

    def _take_frame(self, marker: int, at: int, end: int) -> None:
        if self._frame is not None:
            raise corrupt("JPEG: a second frame header")
        if end - at < 8:
            raise corrupt(f"JPEG: a frame header of {end - at} bytes")
        bits, height, width, components = struct.unpack_from(">BHHB", self._data, at + 2)
        if marker in _UNSUPPORTED:
            raise unsupported(f"{_UNSUPPORTED[marker]} JPEG files are not accepted")
        if bits != 8:
            raise unsupported(f"JPEG files of {bits} bits a sample are not accepted")
        if components not in (1, 3, 4):
            raise unsupported(f"JPEG files of {components} components are not accepted")
        self._frame = (marker, width, height, components)
        self._keep(marker, at, end)

    def _take_extra(self, marker: int, at: int, end: int) -> None:
        name = self._data[at + 2 : at + 14]
        if marker == _APP1 and name.startswith(b"Exif\0\0"):
            if self._orientation is None:
                self._orientation = orientation(self._data[at + 8 : end])
        elif marker == _APP2 and name == b"ICC_PROFILE\0" and end - at >= 16:
            # Annex B.4 of ICC.1: a running number from 1, their count, and a piece of the profile.
            self._profile.setdefault(self._data[at + 14], self._data[at + 16 : end])
        elif marker == _APP0 and name.startswith(b"JFIF\0") and not self._has_jfif:
            self._has_jfif = True
            self._keep(marker, at, end)
        elif marker == _APP14 and name.startswith(b"Adobe") and not self._has_adobe:
            self._has_adobe = True
            self._keep(marker, at, end)

    def _take_scan(self, at: int, end: int) -> int:
        if self._frame is None:
            raise corrupt("JPEG: a scan before the frame header")
        self._scans += 1
        if self._scans > MAX_SCANS:
            raise corrupt(f"JPEG: more than {MAX_SCANS} scans")
        if self._scans == 1 and self._is_one_pass(self._data[at + 2]):
            # The decoder ends with this scan, whatever follows it.
            self._kept += (b"\xff\xda", self._scan(at, len(self._data)))
            self._one_pass = self._done = True
            return end
        found = _END_OF_SCAN.search(self._data, end)
        stop = found.start() if found else len(self._data)
        self._kept += (b"\xff\xda", self._scan(at, stop))
        return stop

    def _scan(self, at: int, stop: int) -> bytes | memoryview:
        """Without long runs of fill bytes, which libjpeg begins anew with each block it is fed."""
        if self._data.find(_LONG_FILL, at, stop) < 0:
            return self._view[at:stop]
        return _FILL.sub(b"\xff", self._view[at:stop])

    def _is_one_pass(self, components: int) -> bool:
        frame = self._frame
        return frame is not None and frame[0] != _PROGRESSIVE and frame[3] == components

    def container(self) -> Container:
        if self._frame is None or not self._scans:
            raise truncated("JPEG: the file is cut off before its pixels begin")
        _, width, height, _ = self._frame
        if not self._one_pass and self._complete:
            self._kept.append(b"\xff\xd9")
        pixels = width * height
        heavy = pixels > LIGHT_PIXELS or pixels * self._scans > _LIGHT_SCANNED_PIXELS
        return Container(
            "JPEG",
            (),
            (width, height),
            self._orientation or 1,
            icc.joined(self._profile),
            is_heavy=heavy and not self._one_pass,
            pieces=tuple(self._kept),
        )
