"""The messages of the cases as pydantic models, for every peer that validates with pydantic."""

from pydantic import BaseModel

VERDICT: dict[str, object] = {
    "version": "0.0.1",
    "language": "en",
    "confidence": 0.71,
    "error": "Not an error",
}


class Echo(BaseModel):
    """A text, unchanged."""

    text: str


class Value(BaseModel):
    """The innermost message."""

    body: str = ""


class Enrichment(BaseModel):
    """One level further out."""

    value: Value | None = None


class Enrichments(BaseModel):
    """And one more."""

    extracted: Enrichment | None = None


class Article(BaseModel):
    """The validated request."""

    id: str = ""
    title: str = ""
    body: str = ""
    enrichments: Enrichments | None = None


class Verdict(BaseModel):
    """The validated response."""

    version: str = ""
    language: str = ""
    confidence: float = 0.0
    error: str | None = None


class Floats(BaseModel):
    """An array of doubles."""

    values: list[float]
