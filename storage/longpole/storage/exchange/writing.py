"""A file that is there whole or not at all; gzipped where its name ends so."""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from longpole.model.errors import ExchangeError


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written; it gets its name when all of it is written.

    What was there under this name stays until then, and stays when writing fails.

    Raises:
        ExchangeError: it cannot be written.
    """
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with hidden.open("xb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield file
        os.replace(hidden, path)
    except OSError as error:
        raise ExchangeError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
