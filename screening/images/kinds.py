"""What kind of file a file is, told from its first bytes; names and suffixes prove nothing."""

from __future__ import annotations

import re

SUPPORTED_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm", ".dicom"}
)
KINDS = "PNG, JPEG, TIFF, BMP, GIF, WebP or DICOM"
HEAD_BYTES = 132
"""As many first bytes of a file as `kind_of` and `not_a_picture` look at."""

PNG, JPEG, TIFF, BMP, GIF, WEBP, DICOM = "PNG", "JPEG", "TIFF", "BMP", "GIF", "WebP", "DICOM"

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"GIF8", GIF),
    (b"BM", BMP),
)
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"RIFF", "an AVI or WAV file"),
)
_MARKUP = re.compile(rb"<(svg|!doctype\s+svg|!doctype\s+html|html)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<\?xml", re.IGNORECASE)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def kind_of(head: bytes) -> str:
    """Return PNG, JPEG, TIFF, BMP, GIF, WebP or DICOM for the first HEAD_BYTES of a file, "" for
    none of them."""
    if head[128:132] == b"DICM":
        return DICOM
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), "")


def surely_a_picture(head: bytes) -> bool:
    """Return whether a file is a picture even if its name does not say so: the two letters of a BMP
    alone could begin any text."""
    kind = kind_of(head)
    if kind == BMP:
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS and head[6:10] == bytes(4)
    return bool(kind)


def not_a_picture(head: bytes) -> str:
    """Return in words what a file is that `kind_of` does not know."""
    for signature, name in _OTHERS:
        if head.startswith(signature):
            return f"{name}, not a picture of the kinds {KINDS}"
    markup = _MARKUP.search(head)
    if markup is not None:
        drawing = b"svg" in markup[1].lower()
        name = "an SVG drawing" if drawing else "an HTML page"
        way = "export it as PNG" if drawing else f"its content is none of {KINDS}"
        return f"{name}, not a picture: {way}"
    if _XML.match(head):
        return f"an XML file (perhaps an SVG drawing): its content is none of {KINDS}"
    text = all(byte in b"\t\n\r\f" or byte >= 32 for byte in head)
    return f"{'a text file' if text else 'not a picture'}: its content is none of {KINDS}"
