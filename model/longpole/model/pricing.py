"""Usage × dated prices → USD. Pure: the user's own rules first, then the package `genai-prices`.

A price that is not known is `None` with a reason, never 0. Cached and reasoning tokens are subsets
and priced as such; the prices are those of the day of the call; an answer from LangChain's cache
costs nothing, nor does a call that the provider refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from longpole.model.price_file import PriceRule, TokenPrices
from longpole.model.quick import quick_copy
from longpole.model.run import Kind, Run, Span, Status
from longpole.model.usage import Usage

if TYPE_CHECKING:
    from genai_prices import Usage as PricedUsage

UNKNOWN_MODEL: Final = "unknown model"
NO_USAGE: Final = "no usage"
BAD_USAGE: Final = "bad usage"
LOCAL: Final = "local"

_LOCAL_PROVIDERS: Final = frozenset(
    {"fake", "huggingface", "llamacpp", "lmstudio", "ollama", "transformers", "vllm"}
)

# Names of the GenAI conventions that genai-prices knows under another one.
_KNOWN_AS: Final[Mapping[str, str]] = {
    "gcp.gen_ai": "google",
    "azure.ai.inference": "azure",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
}

_DAY_NS: Final = 86_400_000_000_000

_ONE_OF_EACH: Final = (
    Usage(input_tokens=1),
    Usage(output_tokens=1),
    Usage(input_tokens=1, cache_read_tokens=1),
    Usage(input_tokens=1, cache_write_tokens=1),
)
# Prices for long prompts begin above 128,000 tokens or more.
_MOST_TOKENS: Final = (10_000_000, 100_000)

# What the providers' SDKs raise for answers of 4xx and 5xx: openai and anthropic (the same names),
# google, cohere, mistral.
_REFUSALS: Final = frozenset(
    {
        "APIStatusError",
        "AuthenticationError",
        "BadRequestError",
        "ClientError",
        "ConflictError",
        "Forbidden",
        "InternalServerError",
        "InvalidArgument",
        "NotFound",
        "NotFoundError",
        "OverloadedError",
        "PermissionDenied",
        "PermissionDeniedError",
        "RateLimitError",
        "ResourceExhausted",
        "ServerError",
        "ServiceUnavailable",
        "ServiceUnavailableError",
        "TooManyRequests",
        "TooManyRequestsError",
        "Unauthenticated",
        "UnprocessableEntityError",
    }
)

_PRICED_KINDS: Final = frozenset({Kind.LLM, Kind.EMBEDDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a call cost, or why that is not known.

    Attributes:
        cost_usd: `None` when unknown.
        unpriced: the reason, when unknown; else `None`.
        source: where the price comes from, with its version; `None` when there is no price.
    """

    cost_usd: Decimal | None
    unpriced: str | None
    source: str | None


class PriceBook:
    """Prices of model calls; looks each model and day up once.

    Attributes:
        own: the user's rules; the first that fits a call decides.
    """

    def __init__(self, own: Sequence[PriceRule] = ()) -> None:
        self.own = tuple(own)
        self._rates = lru_cache(maxsize=4_096)(_find_rates)
        self._rule = lru_cache(maxsize=4_096)(self._find_rule)

    def price(
        self,
        *,
        provider: str | None,
        model: str | None,
        usage: Usage | None,
        at_ns: int,
        cache_hit: bool = False,
        duration_ns: int | None = None,
    ) -> Price:
        """Return what a call cost that started at `at_ns` (nanoseconds since the epoch)."""
        if cache_hit:
            return Price(cost_usd=Decimal(0), unpriced=None, source="cache hit")
        if usage is not None and not usage.is_sound:
            return _unknown(BAD_USAGE)
        day = at_ns // _DAY_NS
        rule = self._rule(provider, model, day) if self.own else None
        if rule is not None and not rule.is_discount:
            return _own_price(rule, usage, duration_ns)
        price = self._public_price(provider, model, usage, day)
        if rule is None or price.cost_usd is None:
            return price
        return replace(
            price, cost_usd=price.cost_usd * rule.factor, source=f"{price.source} × {rule.factor}"
        )

    def _public_price(
        self, provider: str | None, model: str | None, usage: Usage | None, day: int
    ) -> Price:
        if provider is not None and provider.lower() in _LOCAL_PROVIDERS:
            return _unknown(LOCAL)
        if model is None:
            return _unknown(UNKNOWN_MODEL)
        if usage is None:
            return _unknown(NO_USAGE)
        rates = self._rates(provider, model, day)
        if isinstance(rates, Price):
            return rates
        if rates is None or not rates.hold_for(usage):
            return _looked_up(provider, model, usage, day)
        return Price(cost_usd=rates.prices.cost_usd(usage), unpriced=None, source=rates.source)

    def _find_rule(self, provider: str | None, model: str | None, day: int) -> PriceRule | None:
        return next((rule for rule in self.own if rule.fits(provider, model, day)), None)


def _own_price(rule: PriceRule, usage: Usage | None, duration_ns: int | None) -> Price:
    cost_usd = rule.cost_usd(usage, duration_ns)
    if cost_usd is None:
        return _unknown(NO_USAGE)
    return Price(cost_usd=cost_usd, unpriced=None, source=f"own price {rule.number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """What a token costs in calls of up to `most_tokens` in and as many out."""

    most_tokens: int
    prices: TokenPrices
    source: str

    def hold_for(self, usage: Usage) -> bool:
        return max(usage.input_tokens, usage.output_tokens) <= self.most_tokens


def price_run(run: Run, book: PriceBook) -> Run:
    """Return the run with every model call priced that has neither a cost nor a reason yet."""
    return replace(run, spans=tuple(_priced(span, book) for span in run.spans))


def without_prices(run: Run) -> Run:
    """Return the run as it was recorded: no call has a cost, or a reason for having none."""
    return replace(
        run,
        spans=tuple(
            _with_price(span, None, None) if span.kind in _PRICED_KINDS else span
            for span in run.spans
        ),
    )


def _priced(span: Span, book: PriceBook) -> Span:
    if span.kind not in _PRICED_KINDS or span.cost_usd is not None or span.unpriced is not None:
        return span
    if _was_refused(span):
        return _with_price(span, Decimal(0), None)
    price = book.price(
        provider=span.provider,
        model=span.model,
        usage=span.usage,
        at_ns=span.start_ns,
        cache_hit=span.cache_hit,
        duration_ns=None if span.end_ns is None else span.end_ns - span.start_ns,
    )
    return _with_price(span, price.cost_usd, price.unpriced)


_with_price: Final = quick_copy(Span, "cost_usd", "unpriced")


def _was_refused(span: Span) -> bool:
    """Tell whether the provider answered a call with an error, for which none of them charges.

    A call that timed out, was cancelled or broke off may have been answered and charged all the
    same: of those the cost is not known.
    """
    if span.status is not Status.ERROR or span.error is None:
        return False
    if span.usage is not None or span.first_token_ns is not None:
        return False
    return span.error.type.rpartition(".")[2] in _REFUSALS


def _unknown(reason: str) -> Price:
    return Price(cost_usd=None, unpriced=reason, source=None)


def _find_rates(provider: str | None, model: str, day: int) -> _Rates | Price | None:
    """Return the rates of a model on a day, or that it is unknown whatever the call.

    `None` where each call must be looked up by itself.

    A look-up takes 0.2 ms, rates a fiftieth of that. Whether a model has rates, and not a fee for
    each call or other prices for long prompts, is tried: they must give the price of a large call.
    """
    found = [_looked_up(provider, model, one, day) for one in _ONE_OF_EACH]
    if found[0].unpriced == UNKNOWN_MODEL:
        return found[0]
    each = [price.cost_usd for price in found if price.cost_usd is not None]
    if len(each) < len(_ONE_OF_EACH):
        return None
    for most_tokens in _MOST_TOKENS:
        rates = _Rates(
            most_tokens=most_tokens,
            prices=TokenPrices(
                input_usd=each[0],
                output_usd=each[1],
                cache_read_usd=each[2],
                cache_write_usd=each[3],
            ),
            source=found[0].source or "",
        )
        large = Usage(
            input_tokens=most_tokens,
            output_tokens=most_tokens,
            cache_read_tokens=most_tokens // 4,
            cache_write_tokens=most_tokens // 2,
        )
        if rates.prices.cost_usd(large) == _looked_up(provider, model, large, day).cost_usd:
            return rates
    return None


def _looked_up(provider: str | None, model: str, usage: Usage, day: int) -> Price:
    # It takes half a second and 40 MB to load, so not before there is something to price.
    import genai_prices

    known_as = None if provider is None else _KNOWN_AS.get(provider, provider)
    try:
        found = genai_prices.calc_price(
            _their_usage(usage),
            model,
            provider_id=known_as,
            genai_request_timestamp=datetime.fromtimestamp(day * 86_400, UTC),
        )
    except LookupError:
        return _unknown(UNKNOWN_MODEL)
    except ValueError:
        return _unknown(BAD_USAGE)
    source = f"genai-prices {genai_prices.__version__}"
    return Price(cost_usd=found.total_price, unpriced=None, source=source)


def _their_usage(usage: Usage) -> PricedUsage:
    from genai_prices import Usage as PricedUsage

    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cache_read_tokens:
        counts["cache_read_tokens"] = usage.cache_read_tokens
    if usage.cache_write_tokens:
        counts["cache_write_tokens"] = usage.cache_write_tokens
    return PricedUsage(**counts)
