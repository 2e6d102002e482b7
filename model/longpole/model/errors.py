"""All exceptions of Longpole.

    LongpoleError
    ├── SettingsError            a setting or argument has a value we cannot use
    │   ├── PointedError             a text cannot be understood; knows where
    │   │   ├── FilterError              a filter for runs
    │   │   └── ChangeError              a change for what-if
    │   ├── TargetError              a change is about spans that the run does not have
    │   └── AddressError             an address that must not be listened on so, or is none
    ├── NotReplayableError       no what-if can be answered for this run
    ├── BrokenLawError           a conservation law does not hold (a bug, or a hand-made Run)
    ├── StoreError               the store cannot do what was asked
    │   ├── StoreUnavailableError    cannot be opened, read or written here and now
    │   │   ├── OlderSchemaError         an older Longpole wrote it; to be brought up to date
    │   │   └── MissingTableError        a table of the store has not been made yet
    │   ├── UnsupportedByStoreError  this kind of store has another way to do it
    │   ├── NotAStoreError           the file is no Longpole database; it is left as it is
    │   ├── NewerSchemaError         written by a newer Longpole; it is left as it is
    │   └── CorruptStoreError        the database file is damaged; it is left as it is
    ├── RunReferenceError        RUN does not name exactly one run
    │   ├── UnknownRunError
    │   └── AmbiguousRunError
    ├── ChainNameError           NAME does not name exactly one chain
    ├── EmptySetError            no run is in a set that is to be compared
    ├── MissingExtraError        a package of an optional part is not installed
    ├── PortTakenError           no port to listen on
    ├── RequestError             a request to the receiver cannot be taken
    │   ├── UnreadableRequestError   it is damaged, or is no trace request
    │   └── OversizedError           it is larger than the receiver takes
    └── ExchangeError            an import or export file or destination is not usable
        └── TooLargeError            it is more than can be made at once

Messages are lower case without a full stop: what is wrong with its value, what was expected, what
to do. The tracer never raises any of these into the traced app.
"""

from __future__ import annotations

from collections.abc import Sequence


class LongpoleError(Exception):
    """Base of everything Longpole raises on purpose."""


class SettingsError(LongpoleError, ValueError):
    """A setting or argument has a value that cannot be used."""


class PointedError(SettingsError):
    """A text that somebody wrote cannot be understood.

    Attributes:
        text: the whole of it.
        at, length: the place in it that the message is about.
    """

    def __init__(self, message: str, text: str, at: int, length: int) -> None:
        super().__init__(message)
        self.text, self.at, self.length = text, at, length

    def pointed(self) -> str:
        """Return two lines: the text, and marks under the place."""
        line = "".join(" " if char.isspace() else char for char in self.text)
        return f"{line}\n{' ' * self.at}{'^' * max(1, self.length)}"


class FilterError(PointedError):
    """A filter for runs cannot be understood."""


class ChangeError(PointedError):
    """A change for what-if cannot be understood."""


class TargetError(SettingsError):
    """A change is about spans that the run does not have."""

    def __init__(self, message: str, target: str) -> None:
        super().__init__(message)
        self.target = target


class NotReplayableError(LongpoleError):
    """Run again without a change, the run does not give what was recorded, or it has no end."""


class BrokenLawError(LongpoleError, AssertionError):
    """A law of `Run.check` or of an analysis does not hold."""


class StoreError(LongpoleError):
    """The store cannot do what was asked."""


class StoreUnavailableError(StoreError):
    """The store cannot be opened, read or written here and now."""


class OlderSchemaError(StoreUnavailableError):
    """The database was written by an older Longpole and has to be brought up to date first."""


class MissingTableError(StoreUnavailableError):
    """A table of the store, or its database, has not been made yet."""


class UnsupportedByStoreError(StoreError):
    """This kind of store does not do it; the message names its own way."""


class NotAStoreError(StoreError):
    """The file exists but is no Longpole database."""


class NewerSchemaError(StoreError):
    """The database was written by a newer Longpole."""

    def __init__(self, path: str, found: int, supported: int) -> None:
        super().__init__(
            f"{path!r} has schema {found}, this version reads up to {supported}; "
            "upgrade with: pip install -U longpole"
        )
        self.path, self.found, self.supported = path, found, supported


class CorruptStoreError(StoreError):
    """The database file is damaged."""


class RunReferenceError(LongpoleError, LookupError):
    """A run reference does not name exactly one run."""

    def __init__(self, message: str, reference: str) -> None:
        super().__init__(message)
        self.reference = reference

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownRunError(RunReferenceError):
    """No run has this id."""

    def __init__(self, reference: str) -> None:
        if reference == "last":
            message = "the store holds no run yet; record one with: longpole demo --record-only"
        else:
            # Whoever gives a chain's name learns what is meant by a run.
            is_id = set(reference.lower()) <= set("0123456789abcdef")
            meant = "" if is_id else ", expected an id, the beginning of one, or last"
            message = f"no run matches {reference!r}{meant}; list them with: longpole runs"
        super().__init__(message, reference)


class AmbiguousRunError(RunReferenceError):
    """The prefix fits several runs."""

    def __init__(self, reference: str, candidates: Sequence[str]) -> None:
        shown = ", ".join(candidates[:5]) + (", …" if len(candidates) > 5 else "")
        super().__init__(
            f"{reference!r} fits {len(candidates)} runs: {shown}; give more digits", reference
        )
        self.candidates = tuple(candidates)


class ChainNameError(LongpoleError, LookupError):
    """A name does not fit exactly one chain."""


class EmptySetError(LongpoleError, LookupError):
    """A set of runs that is to be compared holds none."""


class MissingExtraError(LongpoleError):
    """A package of an optional part is not installed."""

    def __init__(self, part: str, package: str, extra: str) -> None:
        super().__init__(
            f"{part} needs {package!r}; install it with: pip install 'longpole[{extra}]'"
        )


class FindingsError(LongpoleError):
    """Findings could not be made by the process that was to make them."""


class PortTakenError(LongpoleError):
    """The port that was asked for is taken, or no port is free."""


class AddressError(SettingsError):
    """An address that must not be listened on in this way, or is none."""


class RequestError(LongpoleError):
    """A request to the receiver cannot be taken; sending it again is no use."""


class UnreadableRequestError(RequestError):
    """The request is damaged, or is no trace request."""


class OversizedError(RequestError):
    """The request is larger than the receiver takes, as it came or inflated."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the request is larger than {limit_bytes >> 20} MiB, as it came or inflated; "
            "send fewer spans at once, or start the receiver with a larger --max-request-mib"
        )


class ExchangeError(LongpoleError):
    """A file or destination of an import or export is not usable."""


class TooLargeError(ExchangeError):
    """What is to be written is more than can be made at once."""
