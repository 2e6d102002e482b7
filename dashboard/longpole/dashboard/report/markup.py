"""HTML as values: whatever is plain text becomes text, only what was built here is markup."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from longpole.dashboard import words

_VOID: Final = frozenset({"meta", "link", "br", "i"})
_JSON_ESCAPES: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of markup, well formed by itself."""

    text: str


Part = Html | str | None
"""What an element holds: markup, plain text, or nothing."""


def element(tag: str, *parts: Part, **attributes: str | None) -> Html:
    """Return an element; an attribute of `None` is left out.

    A trailing underscore is cut off a name, other underscores become hyphens.

    >>> element("p", "a < b", class_="note").text
    '<p class="note">a &lt; b</p>'
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(words.plain(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID and not parts:
        return Html(f"<{tag}{written}>" if tag != "i" else f"<i{written}></i>")
    return Html(f"<{tag}{written}>{together(parts).text}</{tag}>")


def together(parts: Iterable[Part]) -> Html:
    """Return the parts one after the other."""
    return Html("".join(_text(part) for part in parts))


def _text(part: Part) -> str:
    if part is None:
        return ""
    return part.text if isinstance(part, Html) else html.escape(words.plain(part), quote=False)


def preformatted(text: str) -> Html:
    """Return text of several lines as it is."""
    lines = "\n".join(words.plain(line) for line in text.replace("\t", "    ").split("\n"))
    return Html(f"<pre>{html.escape(lines, quote=False)}</pre>")


def data_block(value: Any, **attributes: str) -> Html:
    r"""Return JSON that a script of the page reads; no text in it can end the block.

    >>> data_block("</script>").text
    '<script type="application/json">"\\u003c/script\\u003e"</script>'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_JSON_ESCAPES)
    opening = element("script", type="application/json", **attributes).text
    return Html(opening.replace("</script>", f"{text}</script>"))
