"""The report of an import: sums that agree or say why not, and lines for the settings."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.ledger import peer_report
from rcbill_assets.ledger.peer_report import LISTED, TO_DECIDE, AdoptReport, totals


def frame(**columns: Sequence[object]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()})


def no_rows(columns: tuple[str, ...]) -> pd.DataFrame:
    return frame(**{name: [] for name in columns})


ITEMS = frame(
    peer_id=[1, 2, 3, 4],
    service_code=["1", "1", "1", None],
    status=["paid", "paid", "canceled", "lost"],
    amount=[Decimal("130.00"), Decimal("65.00"), Decimal("0.00"), None],
)
LEDGER = frame(
    peer_id=[1, 3],
    amount=[Decimal("130.00"), Decimal("100.00")],
    paid=[Decimal("130.00"), Decimal("0.00")],
    credited=[Decimal("0.00"), Decimal("100.00")],
)


def report() -> AdoptReport:
    return AdoptReport(
        where="mysql://peer/rcc_billing",
        source="rcc_billing",
        who="ada",
        at=datetime(2026, 11, 5, tzinfo=UTC),
        prices=("the peer's 2",),
        instances={"added": 3, "made": 1},
        items={"added": 2, "followed": 0, "unchanged": 0},
        totals=totals(ITEMS, ~ITEMS["peer_id"].isin(LEDGER["peer_id"]), LEDGER),
        not_placed=frame(**{name: [name] * 25 for name in LISTED}),
        conflicts=no_rows(LISTED),
        notes=no_rows(LISTED),
        to_decide=no_rows(TO_DECIDE),
        left_behind={"banned_owners": 7},
        newest_months={"2": BillingMonth(2026, 9), "1": BillingMonth(2026, 10)},
    )


def test_totals_by_service_and_status() -> None:
    rows = {(row["service_code"], row["status"]): row for row in report().totals.to_dict("records")}
    paid = rows["1", "paid"]
    assert (paid["peer_items"], paid["not_placed_items"], paid["ledger_items"]) == (2, 1, 1)
    amounts = [str(paid[name]) for name in ("peer_amount", "not_placed_amount", "ledger_amount")]
    assert amounts == ["195.00", "65.00", "130.00"]
    assert (paid["paid"], paid["open"], paid["difference"]) == (130, 0, 0)
    assert rows["1", "canceled"]["difference"] == Decimal("-100.00")
    assert rows["NULL", "lost"]["not_placed_items"] == 1


def test_it_says_whether_every_sum_agrees() -> None:
    whole = report()
    assert not whole.agrees
    assert "Sums that differ" in whole.text()
    good = replace(whole, totals=whole.totals[whole.totals["status"] == "paid"])
    assert good.agrees
    assert "Every sum agrees to the cent." in good.text()


def test_text_shows_the_first_of_a_long_list_and_counts_the_rest() -> None:
    text = report().text()
    assert "Not placed, left to the old system: 25" in text
    assert "... and 5 more" in text
    assert "banned_owners (7 rows)" in text


def test_months_are_settings_as_they_stand() -> None:
    # Of the services there are: settings refuse those that come later.
    assert tomllib.loads(report().toml()) == {
        "services": {"1": {"first_billing_month": "2026-10"}, "2": {"first_billing_month": "2026-09"}}
    }
    assert report().toml() in report().text()


def test_the_ledger_keeps_counts_whole_and_rows_up_to_a_limit() -> None:
    kept = json.loads(report().to_json())
    assert kept["not_placed"]["count"] == len(kept["not_placed"]["rows"]) == 25
    assert kept["totals"]["rows"][1]["peer_amount"] == "195.00"
    assert kept["newest_months"] == {"1": "2026-10", "2": "2026-09"}
    many = replace(report(), not_placed=pd.concat([report().not_placed] * 500, ignore_index=True))
    kept = json.loads(many.to_json())
    assert (kept["not_placed"]["count"], len(kept["not_placed"]["rows"])) == (12_500, peer_report.KEPT_ROWS)
