"""Study ids in the ledger: what a person brings, what the fiscal team assigns, and what belongs together."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.study_ids import StudyIds, is_provisional
from rcbill_assets.rules.study_ids import study_ids_of
from rcbill_assets.services.registry import REGISTRY

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    made = Ledger(ledger_url)
    made.upgrade()
    made.seed_prices(REGISTRY, NOW)
    rows = [("1-7", "1", "7", None), ("1-8", "1", "8", "1738"), ("2-6", "2", "6", None)]
    with made.engine.begin() as connection:
        for instance, code, identifier, study_id in rows:
            row = {"service_instance_id": instance, "service_code": code, "identifier": identifier}
            connection.execute(
                t.service_instances.insert(),
                {**row, "study_id": study_id, "active": True, "created_at": NOW, "source": "test"},
            )
    return made


def known(ledger: Ledger) -> dict[str, str]:
    frame = StudyIds(ledger).known()
    return dict(zip(frame["thing"], frame["study_id"], strict=True))


def test_what_has_none_takes_it_and_what_the_fiscal_team_gave_stays(ledger: Ledger) -> None:
    ids = pd.DataFrame({"service_instance_id": ["1-7", "1-8", "1-99"], "study_id": ["41", "42", "43"]})
    first = StudyIds(ledger).bring(ids, who="ada", why="asked", source="test", now=NOW)
    assert (first.assigned, first.provisional, first.known) == (1, 1, 0)
    assert first.refused == ["1-8 has 1738, and keeps it: 42 was not taken."]
    assert known(ledger) == {"1-7": "41", "1-8": "1738", "1-99": "43"}
    again = StudyIds(ledger).bring(ids, who="ada", why="asked", source="test", now=NOW)
    assert (again.assigned, again.provisional, again.known) == (0, 0, 2)


def test_a_provisional_id_gives_way(ledger: Ledger) -> None:
    ids = pd.DataFrame({"service_instance_id": ["1-99"], "study_id": ["43"]})
    StudyIds(ledger).bring(ids, who="ada", why="asked", source="test", now=NOW)
    row = {"service_instance_id": "1-99", "service_code": "1", "identifier": "99", "study_id": "43"}
    with ledger.engine.begin() as connection:
        connection.execute(
            t.service_instances.insert(), {**row, "active": True, "created_at": NOW, "source": "its first bill"}
        )
        seeded = sa.select(t.service_instances.c.service_instance_id).where(is_provisional())
        assert list(connection.scalars(seeded)) == ["1-99"]
    assert (
        StudyIds(ledger).bring(ids.assign(study_id="44"), who="ada", why="asked", source="test", now=NOW).assigned == 1
    )
    assert known(ledger)["1-99"] == "44"
    with ledger.engine.begin() as connection:
        assert list(connection.scalars(seeded)) == []


def test_things_that_belong_together_share(ledger: Ledger) -> None:
    ids = StudyIds(ledger)
    assert ids.relate("2-6", "1-8", who="ada", why="one study", now=NOW)
    assert not ids.relate("1-8", "2-6", who="ada", why="one study", now=NOW), "in either direction"
    assert ids.relate("2-6", "1-7", who="ada", why="one study", now=NOW)
    things = pd.Series(["1-7", "1-8", "2-6", "1-9"], dtype="string")
    shared = study_ids_of(things, ids.known(), ids.related())
    assert shared.fillna("none").tolist() == ["1738", "1738", "1738", "none"]
    with pytest.raises(LedgerError, match="There is no service instance 1-9"):
        ids.relate("1-9", "1-8", who="ada", why="one study", now=NOW)
    with pytest.raises(LedgerError, match="belongs together with itself"):
        ids.relate("1-8", "1-8", who="ada", why="one study", now=NOW)


def test_accounts_are_named_without_case_as_they_are_billed(ledger: Ledger) -> None:
    row = {"service_instance_id": "3-Bo", "service_code": "3", "identifier": "Bo"}
    with ledger.engine.begin() as connection:
        connection.execute(t.service_instances.insert(), {**row, "active": True, "created_at": NOW, "source": "test"})
    ids = StudyIds(ledger)
    brought = pd.DataFrame({"service_instance_id": ["3-Ext", "3-BO"], "study_id": ["41", "42"]})
    first = ids.bring(brought, who="ada", why="asked", source="test", now=NOW)
    assert (first.assigned, first.provisional) == (1, 1)
    assert known(ledger) == {"1-8": "1738", "3-ext": "41", "3-Bo": "42"}
    assert ids.bring(brought, who="ada", why="asked", source="test", now=NOW).known == 2
    assert ids.relate("3-bo", "1-7", who="ada", why="one study", now=NOW)
    with pytest.raises(LedgerError, match="3-Bo belongs together with itself"):
        ids.relate("3-bo", "3-BO", who="ada", why="one study", now=NOW)
