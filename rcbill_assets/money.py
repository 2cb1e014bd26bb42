"""Decimal money and exact quantities: one rounding rule for the whole house. Pure.

A cent is rounded half up, away from zero for negatives, so that a reversal is the exact mirror of what it reverses.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import pandas as pd

CENT = Decimal("0.01")
RATE = Decimal("0.0001")  # prices and hourly rates carry four decimals; amounts carry two
QUANTITY = Decimal("0.000001")  # a quantity (hours, accounts) is kept to six decimals: 20 minutes are 0.333333 h
ZERO = Decimal("0.00")


def to_cents(value: Decimal) -> Decimal:
    """Return the amount rounded to whole cents."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def amount(price: Decimal, quantity: Decimal) -> Decimal:
    """Return price times quantity in whole cents."""
    return to_cents(price * quantity)


def amounts(prices: pd.Series, quantities: pd.Series) -> pd.Series:
    """Return price times quantity of each row in whole cents; both are Decimal, so is the result."""
    products = prices * quantities
    return products.map(to_cents).astype(object)


def exact(value: object, step: Decimal = CENT) -> Decimal:
    """Return a number from elsewhere (text, int, a database's double) as a Decimal on `step`.

    A double counts as the decimal that it prints as: 32.5 is 32.50. ValueError when it does not lie on the step, is
    not finite or is no number: money is never rounded on the way in.
    """
    try:
        number = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(str(value).strip())
        rounded = number.quantize(step)
    except InvalidOperation:
        raise ValueError(f"not an amount: {value!r}") from None
    if not number.is_finite() or rounded != number:
        raise ValueError(f"not an exact amount: {value!r} (more than {-int(step.as_tuple().exponent)} decimals)")
    return rounded


def total(values: pd.Series) -> Decimal:
    """Return the exact sum of a column of Decimals; 0.00 when it is empty."""
    return to_cents(sum(values, ZERO))
