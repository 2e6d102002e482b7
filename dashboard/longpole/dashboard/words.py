"""How numbers, times and names are written, in the terminal and on the pages.

Durations are nanoseconds, money is `Decimal` USD, ratios are plain numbers; here alone they become
milliseconds, cents and percent. Text that comes from traces is made safe for where it is shown.
"""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from longpole.model.run import Span

_US: Final = 1_000
_MS: Final = 1_000_000
_S: Final = 1_000_000_000
_LEAST_SHARE: Final = 0.0005
"""Less of a whole rounds to nothing."""


def duration(length_ns: float) -> str:
    """Return a length of time, three digits of it.

    >>> [duration(ns) for ns in (412_000, 30_400_000, 928_000_000, 2_330_000_000)]
    ['412 µs', '30.4 ms', '928 ms', '2.33 s']
    >>> [duration(ns) for ns in (0, 402_000_000_000, 7_500_000_000_000)]
    ['0 s', '6m 42s', '2h 05m']
    """
    if length_ns == 0:
        return "0 s"
    if length_ns < 0:
        return f"−{duration(-length_ns)}"
    if round(length_ns / _US) < 1000:
        return f"{length_ns / _US:.0f} µs"
    if length_ns < 99.95 * _MS:
        return f"{length_ns / _MS:.1f} ms"
    if round(length_ns / _MS) < 1000:
        return f"{length_ns / _MS:.0f} ms"
    if length_ns < 9.995 * _S:
        return f"{length_ns / _S:.2f} s"
    if length_ns < 59.95 * _S:
        return f"{length_ns / _S:.1f} s"
    seconds = round(length_ns / _S)
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02d}s"
    minutes = round(length_ns / _S / 60)
    return f"{minutes // 60}h {minutes % 60:02d}m"


def usd(amount: Decimal) -> str:
    """Return an amount of money, more digits the smaller it is.

    >>> [usd(Decimal(text)) for text in ("0", "0.0000213", "0.000904", "0.0041", "0.043")]
    ['$0', '$0.000021', '$0.00090', '$0.0041', '$0.043']
    >>> [usd(Decimal(text)) for text in ("0.12", "1234.5")]
    ['$0.12', '$1,234.50']
    >>> usd(Decimal("0.0000002"))
    '< $0.000001'
    """
    if amount == 0:
        return "$0"
    size = abs(amount)
    if size < Decimal("0.0000005"):
        return "< $0.000001"
    if size < Decimal("0.0001"):
        return f"${amount:.6f}"
    if size < Decimal("0.001"):
        return f"${amount:.5f}"
    if size < Decimal("0.01"):
        return f"${amount:.4f}"
    if size < Decimal("0.1"):
        return f"${amount:.3f}"
    return f"${amount:,.2f}"


def cost(amount: Decimal | None, unpriced_calls: int) -> str:
    """Return what is known of a cost; a sum with calls missing is a lower bound.

    >>> cost(Decimal("0.12"), 0), cost(Decimal("0.12"), 2), cost(None, 3), cost(None, 0)
    ('$0.12', '≥ $0.12', 'unpriced', '–')
    """
    if amount is None:
        return "unpriced" if unpriced_calls else "–"
    return f"≥ {usd(amount)}" if unpriced_calls else usd(amount)


def tokens(count: int) -> str:
    """Return a number of tokens.

    >>> tokens(546), tokens(12_345), tokens(1_890_000)
    ('546', '12.3k', '1.89M')
    """
    if count < 1000:
        return str(count)
    if count < 999_950:
        return f"{count / 1000:.1f}k"
    return f"{count / 1_000_000:.2f}M"


def size(count_bytes: int) -> str:
    """Return an amount of storage, in the units that disks are sold in.

    >>> size(812), size(45_300), size(1_234_567), size(2_500_000_000)
    ('812 B', '45.3 kB', '1.2 MB', '2.5 GB')
    """
    if count_bytes < 1000:
        return f"{count_bytes} B"
    units = ("kB", "MB", "GB", "TB")
    power = next((at for at in range(1, len(units)) if count_bytes < 999.95 * 1000**at), len(units))
    return f"{count_bytes / 1000**power:.1f} {units[power - 1]}"


def share(ratio: float) -> str:
    """Return a part of a whole in percent.

    >>> share(0.081), share(0.34), share(1), share(0), share(0.0004)
    ('8.1 %', '34 %', '100 %', '0 %', '< 0.1 %')
    """
    if 0 < ratio < _LEAST_SHARE:
        return "< 0.1 %"
    percent = ratio * 100
    if percent == 0 or percent >= 9.95:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %"


def signed_share(ratio: float) -> str:
    """Return a relative difference.

    >>> [signed_share(ratio) for ratio in (-0.363, 0.02, 0.0001, 0)]
    ['−36 %', '+2.0 %', '±0 %', '±0 %']
    """
    if abs(ratio) < _LEAST_SHARE:
        return "±0 %"
    return f"{'+' if ratio > 0 else '−'}{share(abs(ratio))}"


def times(ratio: float) -> str:
    """Return how many times as much.

    >>> times(2.14), times(12.6), times(120), times(1200)
    ('2.1×', '12.6×', '120×', '1,200×')
    """
    return f"{ratio:,.0f}×" if ratio >= 99.95 else f"{ratio:.1f}×"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    >>> count(1, "retry", "retries"), count(3, "run")
    ('1 retry', '3 runs')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def moment(at_ns: int) -> str:
    """Return a point in time, UTC, to the second."""
    return datetime.fromtimestamp(at_ns // _S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(at_ns: int, now_ns: int) -> str:
    """Return how long a point in time is past.

    >>> ago(0, 5 * 10**9), ago(0, 7_300 * 10**9), ago(0, 3 * 86_400 * 10**9)
    ('5s ago', '2h ago', '3d ago')
    """
    seconds = max(0, (now_ns - at_ns) // _S)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def begun(text: str) -> str:
    """Return text that begins with a capital letter, as a sentence of its own does.

    >>> begun("as long as before, 2.30 s"), begun("")
    ('As long as before, 2.30 s', '')
    """
    return text[:1].upper() + text[1:]


def short_name(name: str) -> str:
    """Return a name without the list of parts that LangChain puts into it.

    >>> short_name("RunnableParallel<web,notes>"), short_name("panel"), short_name("<x>")
    ('RunnableParallel', 'panel', '<x>')
    """
    head, bracket, _ = name.partition("<")
    return head if head and bracket and name.endswith(">") else name


def span_label(span: Span) -> str:
    """Return a span's name with the branch it is, as in `retrieve[3]`.

    A branch that is called like its key, and a key that is a name of its own, stand alone.
    """
    if span.branch is None:
        return span.name
    if span.branch.isdecimal():
        return f"{span.name}[{span.branch}]"
    return span.branch if span.branch == span.name else f"{span.branch} · {span.name}"


_CONTROL: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str) -> str:
    r"""Return text on one line in which nothing can act on a terminal or break its encoding.

    >>> plain("red\x1b[31m\n")
    'red\\x1b[31m\\n'
    """
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def shell_word(text: str) -> str:
    """Return text as one word of a command that can be copied into a shell.

    >>> shell_word("gemini:faster=2"), shell_word("my chain")
    ('gemini:faster=2', "'my chain'")
    """
    return shlex.quote(plain(text))


def shortened(text: str, most: int) -> str:
    """Return text of at most so many characters, its end left out.

    >>> shortened("rate limit", 5), shortened("rate", 5)
    ('rate…', 'rate')
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def without_middle(text: str, most: int) -> str:
    """Return a name of at most so many characters; names of branches often differ at their ends.

    >>> without_middle("quarterly_figures_of_subsidiary_7", 16), without_middle("rate", 5)
    ('quarterly…iary_7', 'rate')
    """
    if len(text) <= most:
        return text
    end = (most - 1) * 2 // 5
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")
# Bare addresses become links whatever is escaped in them; an invisible joiner keeps them apart.
_ADDRESS: Final = re.compile(r"(?=://)|(?<=\bwww)(?=\.)|(?=@)", re.IGNORECASE)
WORD_JOINER: Final = "\u2060"


def indented(text: str) -> str:
    r"""Return JSON over several lines; a JSON text as itself, and what is no JSON as it is.

    >>> indented('{"a":1}'), indented('"hi"'), indented("hi")
    ('{\n  "a": 1\n}', 'hi', 'hi')
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def markdown(text: str) -> str:
    r"""Return text that a Markdown label shows as it is; links and pictures do not act.

    >>> markdown("![x](y)")
    '\\!\\[x\\]\\(y\\)'
    """
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(WORD_JOINER, plain(text)))
