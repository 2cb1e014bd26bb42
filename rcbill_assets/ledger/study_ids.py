"""Study ids in the ledger (DOMAIN.md sections 5, 6, 7 and 12): what is known of which service instance, what people
bring, and what belongs together.

Whose id becomes whose is `rules/study_ids.py`'s.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.state import newest_value
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.support_tables import brought_study_ids
from rcbill_assets.rules.accounts import CODE as ACCOUNT
from rcbill_assets.statuses import ASSIGNED, PROVISIONAL
from rcbill_assets.text import comparable


@dataclass(frozen=True)
class Loaded:
    """What became of study ids that were brought: counts, and a sentence for each that was not taken."""

    assigned: int
    provisional: int
    known: int
    refused: list[str]


class StudyIds:
    """The study ids of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def known(self) -> pd.DataFrame:
        """Return the study id of each service instance that has one, or was brought one: `thing`, `study_id`."""
        own = sa.select(t.service_instances.c.service_instance_id, t.service_instances.c.study_id).where(
            t.service_instances.c.study_id.is_not(None)
        )
        b = brought_study_ids.c
        brought = sa.select(b.service_instance_id, b.study_id).order_by(b.id.desc())

        def work(connection: Connection) -> pd.DataFrame:
            rows = [*connection.execute(own).all(), *connection.execute(brought).all()]
            return pd.DataFrame(rows, columns=["thing", "study_id"], dtype="string")

        return self.ledger.read(work).drop_duplicates("thing", ignore_index=True)

    def related(self) -> pd.DataFrame:
        """Return the pairs of service instances that belong together: `thing`, `other`."""
        pairs = t.service_instance_relationships.c
        query = sa.select(pairs.service_instance_id_a, pairs.service_instance_id_b)
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return pd.DataFrame(rows, columns=["thing", "other"], dtype="string")

    def of_lines(self, *codes: str) -> pd.DataFrame:
        """Return the study ids that line items of services carry now: `service_code`, `identifier`, `study_id`."""
        instances = t.service_instances
        study_id = newest_value("study_id")
        query = (
            sa.select(instances.c.service_code, instances.c.identifier, study_id.label("study_id"))
            .select_from(t.line_items)
            .join(instances, instances.c.service_instance_id == t.line_items.c.service_instance_id)
            .where(t.line_items.c.service_code.in_(codes), study_id.is_not(None))
            .distinct()
        )
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return pd.DataFrame(rows, columns=["service_code", "identifier", "study_id"], dtype="string")

    def bring(self, ids: pd.DataFrame, *, who: str, why: str, source: str, now: datetime) -> Loaded:
        """Record study ids (`service_instance_id`, `study_id`, one row each) that a person brings.

        An instance without one takes it, and its line items without one with it; one that has a provisional id takes
        another for it. What has an id from the fiscal team keeps it, and is named. An instance that is not there yet
        will begin with it. The same again does nothing. Accounts are named without case, as they are billed.
        """

        def work(connection: Connection) -> Loaded:
            i = t.service_instances.c
            have = _pairs(connection, sa.select(i.service_instance_id, i.study_id))
            seeded = {(row[0], row[1]) for row in connection.execute(_provisional()).all()}
            b = brought_study_ids.c
            newest = _pairs(connection, sa.select(b.service_instance_id, b.study_id).order_by(b.id))
            assigned, provisional, known, refused = 0, 0, 0, []
            for instance, study_id in zip(_named(ids["service_instance_id"], have), ids["study_id"], strict=True):
                there, has = instance in have, have.get(instance)
                if has == study_id or (not there and newest.get(instance) == study_id):
                    known += 1
                    continue
                if has is not None and (instance, has) not in seeded:
                    refused.append(f"{instance} has {has}, and keeps it: {study_id} was not taken.")
                    continue
                connection.execute(
                    brought_study_ids.insert(),
                    {
                        "service_instance_id": instance, "study_id": study_id,
                        "kind": ASSIGNED if there else PROVISIONAL, "who": who, "why": why, "source": source,
                        "recorded_at": now,
                    },
                )  # fmt: skip
                if there:
                    connection.execute(
                        t.service_instances.update().where(i.service_instance_id == instance).values(study_id=study_id)
                    )
                assigned, provisional = assigned + there, provisional + (not there)
            return Loaded(assigned, provisional, known, refused)

        return self.ledger.write(work)

    def relate(self, one: str, other: str, *, who: str, why: str, now: datetime) -> bool:
        """Record that two service instances belong together; return whether that is new. LedgerError says what not.

        Accounts are named without case, as they are billed.
        """

        def work(connection: Connection) -> bool:
            i, pairs = t.service_instances.c, t.service_instance_relationships
            there = set(connection.scalars(sa.select(i.service_instance_id)))
            a, b = sorted(_named(pd.Series([one, other]), there))
            if a == b:
                raise LedgerError(f"{a} belongs together with itself: name two service instances.")
            missing = [name for name in (a, b) if name not in there]
            if missing:
                raise LedgerError(
                    f"There is no service instance {', '.join(missing)}: it is made when it is first billed. Write it "
                    "as in 1-7554, 2-6267 or 3-username."
                )
            same = sa.select(pairs.c.who).where(pairs.c.service_instance_id_a == a, pairs.c.service_instance_id_b == b)
            if connection.scalar(same) is not None:
                return False
            row = {"service_instance_id_a": a, "service_instance_id_b": b, "who": who, "why": why, "recorded_at": now}
            connection.execute(pairs.insert(), row)
            return True

        return self.ledger.write(work)


def _named(instances: pd.Series, there: Collection[str]) -> list[str]:
    """Return service instances as they are, or will be, named: an account's as the one that there is writes it, else
    as accounts compare (rules/account_study_ids.py). The others, and those that are there to the letter, stay.
    """
    start = f"{ACCOUNT}-"
    accounts = pd.Series(sorted(name for name in there if name.startswith(start)), dtype="string")
    known = dict(zip(comparable(accounts.str.removeprefix(start)), accounts, strict=True))
    names = comparable(instances.astype("string").str.removeprefix(start))
    return [
        str(instance) if instance in there or not str(instance).startswith(start) else known.get(name, start + name)
        for instance, name in zip(instances, names, strict=True)
    ]


def _pairs(connection: Connection, query: sa.Select[Any]) -> dict[str, str | None]:
    """Return what the first column of a select has in the second; of several the last."""
    return {row[0]: row[1] for row in connection.execute(query).all()}


def _provisional() -> sa.Select[Any]:
    """Return the select of instance and study id of all that were brought as provisional."""
    b = brought_study_ids.c
    return sa.select(b.service_instance_id, b.study_id).where(b.kind == PROVISIONAL)


def is_provisional() -> sa.ColumnElement[bool]:
    """Return whether the study id that a service instance has is one that a person seeded it with."""
    i, b = t.service_instances.c, brought_study_ids.c
    return (
        sa.select(b.id)
        .where(b.service_instance_id == i.service_instance_id, b.study_id == i.study_id, b.kind == PROVISIONAL)
        .correlate(t.service_instances)
        .exists()
    )
