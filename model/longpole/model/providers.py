"""Who serves a model, as LangChain names it (`ls_provider`) and as the GenAI conventions do. Pure.

Names that are not listed are the same in both.

Source: OpenTelemetry GenAI conventions, well-known values of `gen_ai.provider.name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BY_LANGCHAIN: Final[Mapping[str, str]] = {
    "amazon_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "azure": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "google_genai": "gcp.gen_ai",
    "google_generativeai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
# Of several names the first: it is the one that LangChain's own packages use today.
_BY_CONVENTION: Final[Mapping[str, str]] = {
    convention: langchain for langchain, convention in reversed([*_BY_LANGCHAIN.items()])
}


def from_langchain(name: str) -> str:
    """Return the conventions' name.

    >>> from_langchain("google_genai"), from_langchain("openai")
    ('gcp.gen_ai', 'openai')
    """
    return _BY_LANGCHAIN.get(name, name)


def to_langchain(name: str) -> str:
    """Return LangChain's name.

    >>> to_langchain("aws.bedrock"), to_langchain("anthropic")
    ('amazon_bedrock', 'anthropic')
    """
    return _BY_CONVENTION.get(name, name)
