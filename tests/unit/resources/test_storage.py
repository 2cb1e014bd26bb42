"""A freeze appears whole, the first one wins, and nobody changes it unseen; a plan is made anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import LedgerError
from rcbill_assets.policy import Policy
from rcbill_assets.resources.storage import Storage, to_parquet
from rcbill_assets.schemas.billing import EXEMPTIONS, LINE_ITEMS, OWNERS, PRICES, REJECTS, SERVICE_INSTANCES, TARGETS
from rcbill_assets.schemas.intake import empty
from rcbill_assets.services.base import PLAN, FrozenInputs, as_line_items
from tests.unit.frames import AS_OF, MONTH, exemptions, inputs, owners, prices, projects, rejects


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def title(storage: Storage, number: int = 1) -> str:
    return str(storage.read_freeze(MONTH, number)["projects"]["app_title"][0])


def titled(text: str, **more: Any) -> FrozenInputs:
    return replace(inputs(projects=projects({"app_title": text})), **more)


class TestAFreeze:
    def test_comes_back_as_it_was_written(self, storage: Storage) -> None:
        policy = Policy.model_validate({"time_zone": "UTC", "services": {"1": {"first_billing_month": "2026-10"}}})
        given = inputs(policy=policy, only={"1": frozenset({"3", "2"}), "2": frozenset()})
        digest = storage.freeze(given)
        read = storage.read_freeze(MONTH, 1)
        assert (read.month, read.number, read.as_of, read.policy, read.only) == (MONTH, 1, AS_OF, policy, given.only)
        assert set(read.frames) == set(given.frames)
        for name, frame in given.frames.items():
            pd.testing.assert_frame_equal(read[name], frame)
        assert len(digest) == 64

    def test_without_restriction_decides_on_all(self, storage: Storage) -> None:
        storage.freeze(inputs())
        assert storage.read_freeze(MONTH, 1).only is None

    def test_the_first_one_wins(self, storage: Storage) -> None:
        first = storage.freeze(titled("first"))
        second = storage.freeze(titled("second", as_of=AS_OF + timedelta(days=1)))
        assert second == first
        assert title(storage) == "first"
        assert storage.read_freeze(MONTH, 1).as_of == AS_OF

    def test_months_and_numbers_lie_apart(self, storage: Storage) -> None:
        digests = {
            storage.freeze(titled("a")),
            storage.freeze(titled("a", number=2)),
            storage.freeze(titled("a", month=BillingMonth(2026, 9))),
        }
        assert len(digests) == 3

    def test_of_twenty_writers_at_once_one_wins_and_all_see_it_whole(self, storage: Storage) -> None:
        def write(number: int) -> tuple[str, str]:
            return storage.freeze(titled(f"writer {number}")), title(storage)

        with ThreadPoolExecutor(20) as writers:
            results = set(writers.map(write, range(20)))
        assert len(results) == 1
        assert [path.name for path in storage.freeze_folder(MONTH, 1).parent.iterdir()] == ["1"]

    def test_a_writer_that_died_leaves_nothing_that_counts(
        self, storage: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", die)
            with pytest.raises(KeyboardInterrupt):
                storage.freeze(titled("dead"))
        storage.freeze(titled("alive"))
        assert title(storage) == "alive"

    @pytest.mark.parametrize("name", ["projects.parquet", "owners.parquet"])
    def test_a_changed_file_is_refused_and_named(self, storage: Storage, name: str) -> None:
        storage.freeze(inputs())
        file = storage.freeze_folder(MONTH, 1) / name
        file.write_bytes(to_parquet(projects({"app_title": "changed"})))
        with pytest.raises(LedgerError, match=f"{name} is not what was frozen: bring it back from a backup"):
            storage.read_freeze(MONTH, 1)

    @pytest.mark.parametrize("gone", ["manifest.json", "projects.parquet", "."])
    def test_what_is_gone_is_one_sentence(self, storage: Storage, gone: str) -> None:
        storage.freeze(inputs())
        folder = storage.freeze_folder(MONTH, 1)
        if gone == ".":
            folder.rename(folder.with_name("moved"))
        else:
            (folder / gone).unlink()
        with pytest.raises(LedgerError) as caught:
            storage.read_freeze(MONTH, 1)
        assert f"Freeze 1 of 2026-10 cannot be read at {folder}" in str(caught.value)
        assert "the storage was moved or emptied" in str(caught.value)

    def test_its_manifest_can_be_read_by_people(self, storage: Storage) -> None:
        storage.freeze(titled("Zoë"))
        manifest = json.loads((storage.freeze_folder(MONTH, 1) / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["format"], manifest["month"]) == (1, "2026-10")
        assert manifest["as_of"] == "2026-11-05T12:00:00+00:00"
        assert manifest["policy"]["doors"]["handoff"] == "preview"
        assert set(manifest["frames"]) == set(inputs().frames)

    def test_one_of_another_version_is_read_without_what_this_one_does_not_know(self, storage: Storage) -> None:
        storage.freeze(titled("Zoë"))
        self.change(storage, lambda manifest: manifest.update(moon="full"))
        self.change(storage, lambda manifest: manifest["policy"].update(moon="full"))
        self.change(storage, lambda manifest: manifest["policy"]["mail"].update(pigeons=3))
        assert storage.read_freeze(MONTH, 1).policy == inputs().policy
        assert title(storage) == "Zoë"

    def test_one_without_a_format_is_of_the_first(self, storage: Storage) -> None:
        storage.freeze(titled("Zoë"))
        self.change(storage, lambda manifest: manifest.pop("format"))
        assert title(storage) == "Zoë"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda manifest: manifest.update(format=2), "made by a newer version of this program: use that one"),
            (lambda manifest: manifest["policy"].update(time_zone="Mars"), "made under a policy that this"),
        ],
    )
    def test_one_that_cannot_be_followed_is_a_sentence(
        self, storage: Storage, change: Callable[[dict[str, Any]], None], says: str
    ) -> None:
        storage.freeze(inputs())
        self.change(storage, change)
        with pytest.raises(LedgerError, match=f"manifest.json was {says}"):
            storage.read_freeze(MONTH, 1)

    @pytest.mark.parametrize("text", ["{", "[]", "\xff"])
    def test_one_that_is_broken_is_a_sentence(self, storage: Storage, text: str) -> None:
        storage.freeze(inputs())
        (storage.freeze_folder(MONTH, 1) / "manifest.json").write_text(text, encoding="latin-1")
        for read in (storage.read_freeze, storage.freeze_owner):
            with pytest.raises(LedgerError, match="manifest.json is broken: bring it back from a backup"):
                read(MONTH, 1)

    @staticmethod
    def change(storage: Storage, how: Callable[[dict[str, Any]], object]) -> None:
        path = storage.freeze_folder(MONTH, 1) / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        how(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")


class TestWhatKilledRunsLeave:
    def test_is_swept_after_a_day_and_nothing_else(self, storage: Storage) -> None:
        storage.freeze(inputs())
        storage.freeze(titled("plan", number=PLAN))
        freezes = storage.freeze_folder(MONTH, 1).parent
        half, file = freezes / f".2.{'0a' * 16}", storage.handoff_file(MONTH, f".a.xlsx.{'0b' * 16}")
        young = storage.outbox / f".mail.eml.{'0c' * 16}"
        for path in (half / "projects.parquet", file, young, storage.outbox / ".kept", storage.outbox / "a.eml"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"half")
        now = datetime.now(UTC)
        for path in (half, file, storage.outbox / ".kept", storage.outbox / "a.eml", storage.freeze_folder(MONTH, 1)):
            os.utime(path, (now.timestamp() - 90_000,) * 2)
        assert storage.sweep(now) == 2
        assert not half.exists()
        assert not file.exists()
        assert {path.name for path in storage.outbox.iterdir()} == {young.name, ".kept", "a.eml"}
        assert title(storage, PLAN) == "plan"
        storage.read_freeze(MONTH, 1)
        assert storage.sweep(now + timedelta(days=2)) == 1
        assert storage.sweep(now) == 0

    def test_a_site_without_files_has_none(self, storage: Storage) -> None:
        assert storage.sweep(AS_OF) == 0


class TestAPlan:
    """While the hand-off's door is closed a month is looked at as REDCap is now, each time anew."""

    def test_is_made_anew(self, storage: Storage) -> None:
        first = storage.freeze(titled("before", number=PLAN))
        second = storage.freeze(titled("after", number=PLAN))
        assert first != second
        assert title(storage, PLAN) == "after"

    def test_is_no_freeze(self, storage: Storage) -> None:
        storage.freeze(titled("plan", number=PLAN))
        storage.freeze(titled("freeze"))
        assert (title(storage, PLAN), title(storage)) == ("plan", "freeze")

    def test_is_seen_whole_by_twenty_that_make_and_read_it_at_once(self, storage: Storage) -> None:
        storage.freeze(titled("0", number=PLAN))

        def make_and_read(number: int) -> str:
            storage.freeze(titled(str(number), number=PLAN))
            return title(storage, PLAN)

        with ThreadPoolExecutor(20) as makers:
            assert set(makers.map(make_and_read, range(20))) <= {str(number) for number in range(20)}


FRAMES = {
    "no rejects": empty(REJECTS),
    "no line items": empty(LINE_ITEMS),
    "no targets": empty(TARGETS),
    "no prices": empty(PRICES),
    "no exemptions": empty(EXEMPTIONS),
    "no instances": empty(SERVICE_INSTANCES),
    "no owners": empty(OWNERS),
    "prices": prices(),
    "rejects": rejects({"value": None, "project_id": None}, {"value": "x"}),
    "owners": owners({"billable": None, "username": None}),
    "exemptions": exemptions({"until_at": None}, {"until_at": datetime(2027, 1, 1, tzinfo=UTC)}),
    "projects": projects({"app_title": "=Zoë 😀\x00", "creation_time": None}, {"project_id": 2}),
    "line items": as_line_items(
        pd.RangeIndex(2),
        {
            "billing_id": pd.Series(["1-1", "1-2"]),
            "price": Decimal("150.0000"),
            "quantity": Decimal("0.333333"),
            "amount": pd.Series([Decimal("50.00"), Decimal("-1234567890.99")], dtype=object),
            "period_start": date(2026, 10, 31),
            "period_end": date(2026, 10, 31),
        },
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_keep_their_types_and_values(name: str) -> None:
    frame = FRAMES[name]
    back = pd.read_parquet(BytesIO(to_parquet(frame)))
    pd.testing.assert_frame_equal(back, frame, check_column_type=False)
    for column in frame:
        kinds = [type(value) for value in frame[column]]
        assert [type(value) for value in back[column]] == kinds, column


def test_places_of_a_site(storage: Storage) -> None:
    file = storage.handoff_file(MONTH, "a.xlsx")
    preview = storage.handoff_file(MONTH, "a.xlsx", preview=True)
    assert file == storage.home / "handoff" / "2026-10" / "a.xlsx"
    assert preview.parent == storage.home / "handoff" / "preview"
    assert storage.outbox == storage.home / "outbox"
