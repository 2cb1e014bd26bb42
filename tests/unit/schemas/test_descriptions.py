"""Each column is declared once, with its meaning, and the SQL reads what the schema says."""

from __future__ import annotations

import importlib
import pkgutil

import pandera.pandas as pa
import pytest

from rcbill_assets import schemas
from rcbill_assets.resources.redcap_db import source_sql
from rcbill_assets.schemas.columns import kind_of
from rcbill_assets.schemas.redcap import ACCOUNT_SOURCES, SOURCES, Source


def _all_schemas() -> dict[str, pa.DataFrameSchema]:
    found: dict[str, pa.DataFrameSchema] = {}
    for module in pkgutil.walk_packages(schemas.__path__, f"{schemas.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            schema = value.schema if isinstance(value, Source) else value
            if isinstance(schema, pa.DataFrameSchema):
                found[str(schema.name)] = schema
    return found


SCHEMAS = _all_schemas()


def test_every_schema_is_found() -> None:
    assert {source.table for source in SOURCES} | {"owners", "targets", "line_items", "rejects"} <= set(SCHEMAS)
    assert "None" not in SCHEMAS


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_column_says_what_it_means(name: str) -> None:
    for column_name, column in SCHEMAS[name].columns.items():
        assert (column.description or "").strip(), column_name
        assert kind_of(column) in {"whole", "text", "instant", "decimal", "day"}, column_name


@pytest.mark.parametrize("source", [*SOURCES, *ACCOUNT_SOURCES], ids=lambda source: source.sql)
def test_a_source_reads_just_the_columns_of_its_schema(source: Source) -> None:
    query = source_sql(source.sql)
    select = query[query.index("SELECT") + len("SELECT") : query.index("FROM")]
    assert [name.strip() for name in select.split(",")] == list(source.schema.columns)
    assert source.key in source.schema.columns
    assert query.lstrip().startswith("-- Grain: one row per")
    for column in (source.project_column, source.user_column):
        assert column is None or column in source.schema.columns
