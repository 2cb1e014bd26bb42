"""Which columns of REDCap's rights and roles are privileges (DOMAIN.md section 2): by the database's own catalogue.

They differ by REDCap's version. All columns of a table are, but its keys, names, group, expiration and tokens.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from rcbill_assets.errors import SourceError
from rcbill_assets.resources.catalogue import columns_of

RIGHTS, ROLES = "redcap_user_rights", "redcap_user_roles"
NO_PRIVILEGES = {"project_id", "username", "role_id", "role_name", "unique_role_name", "group_id", "expiration"}
HIGH = ("design", "user_rights")


def with_privileges(query: str, connection: Connection) -> str:
    """Return the SELECT of the rights with the privileges of this database filled in.

    SourceError when a table is not there, or has none of the privileges that count as high.
    """
    columns = {alias: _privileges(connection, table) for alias, table in (("r", RIGHTS), ("o", ROLES))}
    every = _granted(connection, columns)
    high = _granted(
        connection, {alias: {n: k for n, k in names.items() if n in HIGH} for alias, names in columns.items()}
    )
    return query.replace("{any_privilege}", every).replace("{high_privilege}", high)


def _privileges(connection: Connection, table: str) -> dict[str, bool]:
    """Return the privilege columns of a table, and whether each is a number."""
    columns = columns_of(connection, table)
    if not columns:
        raise SourceError(
            f"REDCap's database has no table {table}, or the reading user may not see it: grant the rights of "
            "deploy/grants.sql."
        )
    found = {
        name: is_number
        for name, is_number in columns.items()
        if name not in NO_PRIVILEGES and not name.endswith("token")
    }
    lacking = [name for name in HIGH if name not in found]
    if lacking:
        raise SourceError(
            f"{table} of REDCap's database has no column {' and '.join(lacking)}: check that it is REDCap's."
        )
    return found


def _granted(connection: Connection, columns: dict[str, dict[str, bool]]) -> str:
    """Return the condition that one of the columns is 1: a number, or the text of it."""
    quote = connection.dialect.identifier_preparer.quote
    conditions = []
    for numeric, one in ((True, "1"), (False, "'1'")):
        names = [
            f"{alias}.{quote(name)}"
            for alias, kinds in columns.items()
            for name, is_number in kinds.items()
            if is_number == numeric
        ]
        if names:
            conditions.append(f"{one} IN ({', '.join(names)})")
    return " OR ".join(conditions)
