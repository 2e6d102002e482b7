"""The body of a request that writes, taken apart.

In: the bytes as they came, and the headers that describe them. Out: `Posted`, the runs that are to
be created and changed, each merged from its parts. Everything that is not exactly as the API has it
raises `RefusedError`: lengths, sizes, part names, JSON (orjson knows no NaN).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import zstandard

from tests.langsmith.checks import Json, RefusedError, is_id

FIELDS: Final = frozenset({"inputs", "outputs", "events", "extra", "error", "serialized"})
"""The fields of a run that travel as parts of their own."""

_PART_HEADERS: Final = frozenset({"content-disposition", "content-type", "content-length"})
_BOUNDARY: Final = re.compile(
    r'multipart/form-data; *boundary="?([0-9A-Za-z\'()+_,./:=?-]{1,70})"?'
)
_NAME: Final = re.compile(r'form-data; *name="([^"]+)"')
_LENGTH: Final = re.compile(r".*; *length=(\d+)", re.ASCII)
_MIME: Final = re.compile(r"[!#$&^_.+\w-]+/[!#$&^_.+\w-]+(;.*)?", re.ASCII)


@dataclass(slots=True)
class Posted:
    """What one request wants stored.

    Attributes:
        posts: the runs to create, by id.
        patches: the changes to runs, by id.
        feedback: the feedback, by id.
        attachments: media type and bytes, by run id and name.
        data_bytes: how long all parts are, without their headers.
    """

    posts: dict[str, Json] = field(default_factory=dict)
    patches: dict[str, Json] = field(default_factory=dict)
    feedback: dict[str, Json] = field(default_factory=dict)
    attachments: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    data_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    media_type: str
    data: bytes


def unpack(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Return the body without its compression.

    Raises:
        RefusedError: unknown or broken compression (400, 415), or larger than the limit (413).
    """
    try:
        match encoding:
            case "" | "identity":
                plain = body
            case "gzip":
                plain = _gunzip(body, limit_bytes)
            case "zstd":
                plain = _unzstd(body)
            case _:
                raise RefusedError(415, f"unsupported content encoding {encoding!r}")
    except (zlib.error, zstandard.ZstdError) as error:
        raise RefusedError(400, f"the body is no {encoding}: {error}") from error
    if len(plain) > limit_bytes:
        raise RefusedError(413, f"payload too large, the limit is {limit_bytes} bytes")
    return plain


def _gunzip(body: bytes, limit_bytes: int) -> bytes:
    """Return the unpacked body, of one that is too large only as much as shows that."""
    packed = zlib.decompressobj(16 + zlib.MAX_WBITS)
    plain = packed.decompress(body, limit_bytes + 1)
    if len(plain) <= limit_bytes and (not packed.eof or packed.unused_data):
        raise zlib.error("it is cut off or has something after its end")
    return plain


def _unzstd(body: bytes) -> bytes:
    packed = zstandard.ZstdDecompressor().decompressobj()
    plain = packed.decompress(body)
    if not packed.eof or packed.unused_data:
        raise zstandard.ZstdError("it is cut off or has something after its end")
    return plain


def check_sizes(headers: Mapping[str, str], body: bytes, posted: Posted) -> None:
    """Compare the sizes that a zstd request tells about itself with the sizes it has.

    Raises:
        RefusedError: a size is missing or wrong (422).
    """
    for name, size in (
        ("X-Pre-Compressed-Size", posted.data_bytes),
        ("X-Post-Compressed-Size", len(body)),
    ):
        told = headers.get(name)
        if told != str(size):
            raise RefusedError(422, f"{name} is {told!r}, the size is {size}")


def read_multipart(body: bytes, content_type: str) -> Posted:
    """Return what a body of `/runs/multipart` wants stored.

    Raises:
        RefusedError: the body or one of its parts is not as the API has them (422).
    """
    match = _BOUNDARY.fullmatch(content_type)
    if match is None:
        raise RefusedError(415, f"Content-Type is {content_type!r}, expected multipart/form-data")
    posted = Posted()
    seen = set()
    for part in _parts(body, b"--" + match[1].encode()):
        if part.name in seen:
            raise RefusedError(422, f"there are two parts {part.name!r}")
        seen.add(part.name)
        posted.data_bytes += len(part.data)
        _take(posted, part)
    if not seen:
        raise RefusedError(422, "the body has no parts")
    _check_patches(posted)
    return posted


def read_batch(body: bytes) -> Posted:
    """Return what a body of `/runs/batch` wants stored.

    Raises:
        RefusedError: this is no batch (422).
    """
    batch = read_object(body, "the body")
    posted = Posted(data_bytes=len(body))
    for key, runs in batch.items():
        if key not in ("post", "patch") or not isinstance(runs, list):
            raise RefusedError(422, f"{key!r} is no list of runs to post or to patch")
        target = posted.posts if key == "post" else posted.patches
        for run in runs:
            _take_run(target, run)
    _check_patches(posted)
    return posted


def read_run(body: bytes) -> Posted:
    """Return what a body of `POST /runs` wants stored.

    Raises:
        RefusedError: this is no run (422).
    """
    posted = Posted(data_bytes=len(body))
    _take_run(posted.posts, read_object(body, "the body"))
    return posted


def read_patch(body: bytes, run_id: str) -> Posted:
    """Return what a body of `PATCH /runs/{run_id}` wants changed.

    Raises:
        RefusedError: this is no change of that run (422).
    """
    posted = Posted(data_bytes=len(body))
    _take_run(posted.patches, {"id": run_id, **read_object(body, "the body")})
    if run_id not in posted.patches:
        raise RefusedError(422, f"the path names run {run_id}, the body names another")
    return posted


def read_object(data: bytes, what: str) -> Json:
    """Return the JSON object in some bytes.

    Raises:
        RefusedError: it is no JSON object (422).
    """
    value = _json(data, what)
    if not isinstance(value, dict):
        raise RefusedError(422, f"{what} is {value!r:.80}, expected an object")
    return value


def _check_patches(posted: Posted) -> None:
    for run_id, patch in posted.patches.items():
        for key in ("trace_id", "dotted_order"):
            if patch.get(key) is None:
                raise RefusedError(422, f"{key!r} is required, run_id:{run_id}")


def _take_run(target: dict[str, Json], run: object) -> None:
    if not isinstance(run, dict) or not is_id(run.get("id")):
        raise RefusedError(422, f"{run!r:.120} is no run with a UUID as its id")
    if run["id"] in target:
        raise RefusedError(422, f"run {run['id']} is there twice")
    target[run["id"]] = run


def _json(data: bytes, what: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RefusedError(422, f"{what} is no JSON: {error}") from error


def _take(posted: Posted, part: Part) -> None:
    match part.name.split("."):
        case ["post" | "patch" as verb, run_id] if is_id(run_id):
            run = _own(part, run_id)
            (posted.posts if verb == "post" else posted.patches)[run_id] = run
        case ["post" | "patch" as verb, run_id, key] if is_id(run_id) and key in FIELDS:
            _take_field(posted.posts if verb == "post" else posted.patches, run_id, key, part)
        case ["feedback", feedback_id] if is_id(feedback_id):
            posted.feedback[feedback_id] = _own(part, feedback_id)
        case ["attachment", run_id, name] if is_id(run_id) and name:
            if run_id not in posted.posts and run_id not in posted.patches:
                raise RefusedError(422, f"part {part.name!r} comes before its run")
            posted.attachments[run_id, name] = (part.media_type, part.data)
        case _:
            raise RefusedError(422, f"part name {part.name!r} is unknown")


def _own(part: Part, value_id: str) -> Json:
    value = read_object(_json_data(part), f"part {part.name!r}")
    if value.get("id") != value_id:
        raise RefusedError(422, f"part {part.name!r} has the id {value.get('id')!r}")
    return value


def _take_field(runs: dict[str, Json], run_id: str, key: str, part: Part) -> None:
    run = runs.get(run_id)
    if run is None:
        raise RefusedError(422, f"part {part.name!r} comes before its run")
    if key in run:
        raise RefusedError(422, f"{key!r} of run {run_id} is told twice")
    run[key] = _json(_json_data(part), f"part {part.name!r}")


def _json_data(part: Part) -> bytes:
    if part.media_type.partition(";")[0] != "application/json":
        raise RefusedError(422, f"part {part.name!r} is {part.media_type}, expected JSON")
    return part.data


def _parts(body: bytes, delimiter: bytes) -> Iterator[Part]:
    """Yield the parts in order; every byte of the body must belong to one or to a delimiter."""
    if not body.startswith(delimiter):
        raise RefusedError(422, "the body does not begin with its boundary")
    at = len(delimiter)
    between = b"\r\n" + delimiter
    while body[at : at + 2] == b"\r\n":
        begin = body.find(b"\r\n\r\n", at) + 4
        if begin < 4:
            raise RefusedError(422, "a part has no end of its headers")
        headers = _headers(body[at + 2 : begin - 4])
        end = body.find(between, begin)
        if end < 0:
            raise RefusedError(422, "multipart: NextPart: EOF")
        yield _part(headers, body[begin:end])
        at = end + len(between)
    if body[at:] not in (b"--", b"--\r\n"):
        raise RefusedError(
            422, f"the body ends with {body[at:][:20]!r}, expected its last boundary"
        )


def _headers(text: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.decode(errors="replace").split("\r\n"):
        name, colon, value = line.partition(": ")
        if not colon or name.lower() not in _PART_HEADERS or name.lower() in found:
            raise RefusedError(422, f"{line!r} is no header of a part, or there twice")
        found[name.lower()] = value
    return found


def _part(headers: Mapping[str, str], data: bytes) -> Part:
    name = _NAME.fullmatch(headers.get("content-disposition", ""))
    media_type = headers.get("content-type", "")
    if name is None:
        raise RefusedError(422, f"a part has no name: {dict(headers)}")
    if _MIME.fullmatch(media_type) is None:
        raise RefusedError(422, f"part {name[1]!r} has the Content-Type {media_type!r}")
    in_type = _LENGTH.fullmatch(media_type)
    length = in_type[1] if in_type else headers.get("content-length")
    if length != str(len(data)):
        raise RefusedError(422, f"part {name[1]!r} has the length {length}, but {len(data)} bytes")
    return Part(name[1], media_type, data)
