"""Column types that keep money exact and times zone-aware on SQLite, MariaDB/MySQL and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect


class ExactDecimal(sa.types.TypeDecorator[Decimal]):
    """A Decimal with a fixed scale: DECIMAL where the database has one, scaled integers on SQLite.

    SQLite stores DECIMAL as a double. A value off the scale is refused, not rounded.
    """

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.number_precision = precision
        self.number_scale = scale
        self.step = Decimal(1).scaleb(-scale)

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type of a dialect."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.Numeric(self.number_precision, self.number_scale))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return what the database is given."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"money and quantities are Decimal, not {type(value).__name__}: {value!r}")
        on_scale = value.quantize(self.step)
        if on_scale != value:
            raise ValueError(f"{value} has more than {self.number_scale} decimals")
        return int(on_scale.scaleb(self.number_scale)) if dialect.name == "sqlite" else on_scale

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the Decimal read."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return Decimal(int(value)).scaleb(-self.number_scale)
        return Decimal(value).quantize(self.step)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A zone-aware instant, kept in UTC with microseconds and given back zone-aware."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type of a dialect."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what the database is given; a naive datetime is refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime cannot be kept: {value.isoformat()}")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant read, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def Money() -> ExactDecimal:  # noqa: N802 - reads as the column type it makes
    """Return the type of an amount: cents, up to 999,999,999,999.99."""
    return ExactDecimal(14, 2)


def Rate() -> ExactDecimal:  # noqa: N802 - reads as the column type it makes
    """Return the type of a price or an hourly rate: four decimals."""
    return ExactDecimal(14, 4)


def Quantity() -> ExactDecimal:  # noqa: N802 - reads as the column type it makes
    """Return the type of a quantity (projects, hours, accounts): six decimals."""
    return ExactDecimal(16, 6)


# LONGBLOB on MariaDB: a plain BLOB ends at 64 KiB, less than an attachment.
Content = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
# MEDIUMTEXT on MariaDB: a plain TEXT ends at 64 KiB, less than a long mail.
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
# An id that the database gives; SQLite counts up only an INTEGER PRIMARY KEY.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
