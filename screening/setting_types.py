"""Kinds of values that settings have: ranges, shares, tables by name, all of them immutable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import fsum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from screening.classes import AUTOSOMES, CHROMOSOMES

Probability = Annotated[float, Field(ge=0, le=1)]
Inner = Annotated[float, Field(gt=0, lt=1)]
"""A probability whose logarithm, or that of its complement, is taken."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Factor = Annotated[float, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]


PLAIN: Literal["plain"] = "plain"
COMPACT: Literal["compact"] = "compact"
View = Annotated[Literal["plain", "compact"], Field(exclude_if=lambda view: view == PLAIN)]
"""What a screener sees: the page without its margins, or what was found on it with the gaps closed
(see `karyogram.compact`). Not written while plain: what was made before there was a choice stays
what it is, to the byte."""


class Group(BaseModel):
    """Settings of one thing: no unknown key, nothing out of range, never changed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


def whole(shares: tuple[float, ...]) -> tuple[float, ...]:
    """Return the shares; ValueError unless they sum to 1."""
    if abs(fsum(shares) - 1) > 1e-6:
        raise ValueError(f"expected shares that sum to 1, these sum to {fsum(shares):g}")
    return shares


def rising(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return the values; ValueError unless each is more than the one before."""
    if list(values) != sorted(set(values)):
        raise ValueError(f"expected rising values, received {values}")
    return values


def one_of(known: Collection[str], what: str) -> AfterValidator:
    """Return the check that a text is among the `known`, which are called `what`."""

    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"expected {what}, received {name!r}")
        return name

    return AfterValidator(check)


def _pairs(value: Any) -> Any:
    """A mapping as pairs, which unlike a dict can neither change nor be unhashable."""
    return tuple(value.items()) if isinstance(value, Mapping) else value


def _by_name(pairs: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    """Sorted, so that tables of the same content are equal however a file orders them."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("expected every name once")
    return tuple(sorted(pairs))


Four = tuple[Inner, Inner, Inner, Inner]
FourShares = Annotated[Four, AfterValidator(whole)]
Between = Annotated[tuple[Positive, Positive], AfterValidator(rising)]
_SETS = {"X" * x + "Y" * y for x in range(8) for y in range(8)} - {""}
_TABLE = (BeforeValidator(_pairs), AfterValidator(_by_name), PlainSerializer(dict))
Autosome = Annotated[str, one_of(AUTOSOMES, "an autosome 1…22")]
Chromosome = Annotated[str, one_of(CHROMOSOMES, "a chromosome 1…22, X or Y")]
SexSet = Annotated[str, one_of(_SETS, "sex chromosomes such as XX or XXY")]
ByAutosome = Annotated[tuple[tuple[Autosome, Inner], ...], *_TABLE]
ByChromosome = Annotated[tuple[tuple[Chromosome, Probability], ...], *_TABLE]
BySexSet = Annotated[tuple[tuple[SexSet, Inner], ...], *_TABLE]
"""Tables: pairs here, an object of names and numbers in JSON."""
