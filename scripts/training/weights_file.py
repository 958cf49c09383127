"""The container of the embedded judge's weights: see Sources/Classifier/WeightsFile.swift for the layout."""

import hashlib
import json
import struct

import numpy as np

MAGIC = b"PDKW"
VERSION = 2
MOST_BYTES = 25_000_000


def aligned(offset):
    return (offset + 63) // 64 * 64


def write(path, metadata, sections):
    """Writes arrays by name; returns how many bytes the file has."""
    table, content = {}, bytearray()
    for name, array in sections.items():
        content.extend(bytes(aligned(len(content)) - len(content)))
        data = np.ascontiguousarray(array).tobytes()
        table[name] = {"offset": len(content), "bytes": len(data), "shape": list(array.shape)}
        content.extend(data)
    header = json.dumps(metadata | {"sections": table}, ensure_ascii=False, separators=(",", ":")).encode()
    head = MAGIC + struct.pack("<II", VERSION, len(header)) + header
    file = head.ljust(aligned(len(head)), b"\0") + content
    if len(file) + 32 > MOST_BYTES:
        raise SystemExit(f"{len(file) + 32} bytes; {MOST_BYTES} are the most")
    with open(path, "wb") as output:
        output.write(file + hashlib.sha256(file).digest())
    return len(file) + 32


def read(path):
    """Metadata without the sections, and the raw bytes and shape of each section."""
    with open(path, "rb") as source:
        file = source.read()
    if file[:4] != MAGIC or struct.unpack_from("<I", file, 4)[0] != VERSION:
        raise SystemExit(f"{path}: no weights file of version {VERSION}")
    if hashlib.sha256(file[:-32]).digest() != file[-32:]:
        raise SystemExit(f"{path}: the checksum is wrong")
    length = struct.unpack_from("<I", file, 8)[0]
    metadata = json.loads(file[12 : 12 + length])
    start = aligned(12 + length)
    sections = {}
    for name, section in metadata.pop("sections").items():
        at = start + section["offset"]
        sections[name] = (file[at : at + section["bytes"]], section["shape"])
    return metadata, sections


def stage_one(path):
    """What a file says of its first stage, and the sections of it as arrays."""
    metadata, sections = read(path)
    arrays = {}
    for name, kind in (("stage_one.table", np.int8), ("stage_one.heads", np.float32), ("stage_one.layer", np.float32)):
        data, shape = sections[name]
        arrays[name] = np.frombuffer(data, kind).reshape(shape)
    return metadata, arrays


def everything(path):
    """What a file says of itself, and all its sections as arrays of numbers as wide as theirs."""
    metadata, sections = read(path)
    arrays = {}
    for name, (data, shape) in sections.items():
        width = len(data) // int(np.prod(shape))
        arrays[name] = np.frombuffer(data, {1: np.uint8, 2: np.uint16, 4: np.uint32}[width]).reshape(shape)
    return metadata, arrays
