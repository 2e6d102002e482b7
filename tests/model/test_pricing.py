"""What calls cost, and that what is not known is never 0."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from longpole.model import Kind, Span, SpanError, Status, Usage, assemble
from longpole.model.pricing import PriceBook, price_run

NOW_NS = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook()


def test_input_and_output_are_priced_per_million(book: PriceBook) -> None:
    price = book.price(
        provider="openai", model="gpt-4o-mini-2024-07-18", usage=MILLION, at_ns=NOW_NS
    )

    assert price.cost_usd == Decimal("0.15") + Decimal("0.60")
    assert price.unpriced is None
    assert price.source is not None
    assert price.source.startswith("genai-prices ")


def test_cached_tokens_are_a_subset_and_cheaper(book: PriceBook) -> None:
    cached = Usage(input_tokens=1_000_000, cache_read_tokens=1_000_000)
    price = book.price(
        provider="openai", model="gpt-4o-mini-2024-07-18", usage=cached, at_ns=NOW_NS
    )

    assert price.cost_usd == Decimal("0.075")


def test_the_price_is_that_of_the_day_of_the_call(book: PriceBook) -> None:
    before_ns = int(datetime(2025, 5, 1, tzinfo=UTC).timestamp()) * 10**9
    usage = Usage(input_tokens=1_000_000)
    then = book.price(provider="openai", model="o3", usage=usage, at_ns=before_ns)
    now = book.price(provider="openai", model="o3", usage=usage, at_ns=NOW_NS)

    assert then.cost_usd == Decimal(10)
    assert now.cost_usd == Decimal(2)


COUNTS = st.integers(0, 400_000)


@given(
    called=st.sampled_from(
        [
            ("openai", "gpt-4o"),
            ("anthropic", "claude-sonnet-4-5-20250929"),
            ("google", "gemini-2.5-pro"),
            ("perplexity", "sonar"),
        ]
    ),
    counts=st.lists(COUNTS, min_size=4, max_size=4).map(sorted),
)
def test_remembered_rates_give_the_price_of_a_look_up(
    book: PriceBook, called: tuple[str, str], counts: list[int]
) -> None:
    """Also of prompts so long that other prices hold, and of models with a fee for each call."""
    provider, model = called
    usage = Usage(
        input_tokens=counts[3],
        output_tokens=counts[1],
        cache_read_tokens=counts[0],
        cache_write_tokens=counts[2] - counts[0],
    )
    looked_up = calc_price(
        PricedUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromtimestamp(NOW_NS / 1e9, UTC),
    )

    assert (
        book.price(provider=provider, model=model, usage=usage, at_ns=NOW_NS).cost_usd
        == looked_up.total_price
    )


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("gcp.gen_ai", "gemini-2.5-flash"),
        ("google_genai", "gemini-2.5-flash"),
        ("aws.bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0"),
        ("azure.ai.openai", "gpt-4o-2024-08-06"),
        ("azure.ai.inference", "gpt-4o"),
        ("mistral_ai", "mistral-large-latest"),
        ("x_ai", "grok-3"),
        (None, "gpt-4o"),
    ],
)
def test_providers_are_known_by_their_conventional_names(
    book: PriceBook, provider: str | None, model: str
) -> None:
    price = book.price(provider=provider, model=model, usage=MILLION, at_ns=NOW_NS)

    assert price.cost_usd is not None
    assert price.cost_usd > 0


@pytest.mark.parametrize(
    ("provider", "model", "usage", "reason"),
    [
        ("openai", "gpt-of-my-own", MILLION, "unknown model"),
        ("nobody", "gpt-4o", MILLION, "unknown model"),
        ("openai", None, MILLION, "unknown model"),
        ("openai", "gpt-4o", None, "no usage"),
        ("ollama", "llama3.2", MILLION, "local"),
        ("openai", "gpt-4o", Usage(input_tokens=1, cache_read_tokens=5), "bad usage"),
    ],
)
def test_what_is_not_known_has_a_reason_and_no_cost(
    book: PriceBook, provider: str, model: str | None, usage: Usage | None, reason: str
) -> None:
    price = book.price(provider=provider, model=model, usage=usage, at_ns=NOW_NS)

    assert (price.cost_usd, price.unpriced) == (None, reason)


def test_a_cache_hit_costs_nothing_whatever_the_model(book: PriceBook) -> None:
    price = book.price(provider=None, model=None, usage=None, at_ns=NOW_NS, cache_hit=True)

    assert price.cost_usd == 0


def test_a_run_is_priced_at_its_model_calls_and_given_costs_stay(book: PriceBook) -> None:
    def span(span_id: str, parent: str | None, kind: Kind, cost: Decimal | None = None) -> Span:
        return Span(
            span_id=span_id,
            parent_span_id=parent,
            name=span_id,
            kind=kind,
            start_ns=NOW_NS,
            end_ns=NOW_NS + 1,
            status=Status.OK,
            model="gpt-4o-mini-2024-07-18",
            provider="openai",
            usage=MILLION,
            cost_usd=cost,
        )

    run = assemble(
        "r",
        [
            span("a", None, Kind.CHAIN),
            span("b", "a", Kind.LLM),
            span("c", "a", Kind.LLM, Decimal(7)),
        ],
    )
    costs = {one.span_id: one.cost_usd for one in price_run(run, book).spans}

    assert costs == {"a": None, "b": Decimal("0.75"), "c": Decimal(7)}


@pytest.mark.parametrize(
    ("failed", "cost"),
    [
        ({"error": SpanError(type="openai.RateLimitError", message="slow down")}, Decimal(0)),
        ({"error": SpanError(type="InternalServerError", message="")}, Decimal(0)),
        ({"error": SpanError(type="APITimeoutError", message="")}, None),
        ({"error": SpanError(type="RateLimitError", message=""), "first_token_ns": NOW_NS}, None),
        ({"error": SpanError(type="ValueError", message="")}, None),
        ({"status": Status.CANCELLED}, None),
    ],
)
def test_only_a_call_that_the_provider_refused_is_known_to_cost_nothing(
    book: PriceBook, failed: dict[str, object], cost: Decimal | None
) -> None:
    call = Span(
        **{  # type: ignore[arg-type]
            "span_id": "a",
            "parent_span_id": None,
            "name": "gpt-4o",
            "kind": Kind.LLM,
            "start_ns": NOW_NS,
            "end_ns": NOW_NS + 1,
            "status": Status.ERROR,
            "model": "gpt-4o",
            "provider": "openai",
            **failed,
        }
    )
    (priced,) = price_run(assemble("r", [call]), book).spans
    assert priced.cost_usd == cost
    assert priced.unpriced == (None if cost is not None else "no usage")


def test_prices_are_loaded_only_when_something_is_priced() -> None:
    program = (
        "import sys; from longpole.model.pricing import PriceBook; book = PriceBook();"
        "book.price(provider='ollama', model='x', usage=None, at_ns=0);"
        "sys.exit('genai_prices' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
