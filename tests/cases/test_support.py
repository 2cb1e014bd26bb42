"""Support requests agree row by row with the peer's recorded cases, but for the departures that DOMAIN.md names."""

import csv
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth, last_finished_month, parse_instant
from rcbill_assets.ledger.peer_import import adopt, read_peer
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.replay import ReplaySite, replay
from rcbill_assets.resources.service_requests_csv import read_service_requests
from rcbill_assets.rules.support_billed import billed_by_lines
from rcbill_assets.rules.support_hours import hours_of
from rcbill_assets.rules.support_requests import ServiceRequests, service_requests
from tests.cases.compare import NULL, departures, expected, ours
from tests.recorded import peer_cases_folder

AS_OF = "2026-11-05T12:00:00Z"
NUMBERS = ("qty_provided", "amount_due", "price_of_service")
COMMENTS = "other_system_invoicing_comments"
NAMES = ["pi_first_name", "pi_last_name"]
Rows = list[dict[str, str]]
# Of the line and its price: two lines of one instance and month have two rates.
LINE = ("service_instance_id", "service_date", "price_of_service")
ITEM = ("service_instance_id", "price_of_service")


def site(url: str, requests: Path | None = None, options: dict[str, str] | None = None) -> ReplaySite:
    requests = requests or peer_cases_folder() / "site_1000" / "service_requests.csv"
    return ReplaySite(url, url, Policy(time_zone="UTC"), parse_instant(AS_OF), options or {}, requests)


@cache
def decided(decision: str, url: str, *options: tuple[str, str]) -> Rows:
    return ours(replay(decision, site(url, options=dict(options))))


@cache
def read() -> ServiceRequests:
    path = peer_cases_folder() / "site_1000" / "service_requests.csv"
    return service_requests(read_service_requests(path, Policy().support).rows)


def recorded(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: "" if value == NULL else value for name, value in row.items()} for row in csv.DictReader(file)]


def by(rows: Rows, key: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, str]]:
    found = {tuple(f"{float(row[name]):g}" if name in NUMBERS else row[name] for name in key): row for row in rows}
    assert len(found) == len(rows)
    return found


def both(mine: Rows, theirs: Rows, key: tuple[str, ...]) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The rows that both have."""
    these, those = by(mine, key), by(theirs, key)
    return [(these[name], those[name]) for name in sorted(set(these) & set(those))]


def in_this_month(rows: Rows) -> set[tuple[str, ...]]:
    return set(by(rows, ITEM))


def no_na(theirs: dict[str, str]) -> str:
    """What the peer's comment says, without its NA and the blank it took."""
    parts = [part.strip() for part in theirs[COMMENTS].split(" : ")]
    return " : ".join("" if part == "NA" else re.sub(r"^NA | NA$", "", part) for part in parts).strip()


def names_depart_as_named(pairs: list[tuple[dict[str, str], dict[str, str]]]) -> int:
    """Count the PIs whom the peer calls otherwise: by the second word, with what stands behind it."""
    others = [(row, their) for row, their in pairs if any(row[name] != their[name] for name in NAMES)]
    for row, their in others:
        assert row["pi_first_name"] == their["pi_first_name"]
        # "Abel, Ph.D." became "Abel.", "Eva Q. Vance Jr" became "Q."
        assert their["pi_last_name"] in {f"{row['pi_last_name']}.", "Q."}
    return len(others)


def comments_depart_as_named(pairs: list[tuple[dict[str, str], dict[str, str]]]) -> tuple[int, int]:
    """Count the comments without the peer's NA, and those of them that end later for it."""
    others = [
        (row[COMMENTS], no_na(their), their[COMMENTS]) for row, their in pairs if row[COMMENTS] != their[COMMENTS]
    ]
    for mine, theirs, as_written in others:
        assert re.search(r"\bNA\b", as_written)
        assert mine.startswith(theirs)
        assert mine == theirs or len(as_written) >= 254
    return len(others), sum(mine != theirs for mine, theirs, _ in others)


class TestLines:
    def test_of_all_months(self, site_url: str) -> None:
        mine, theirs = decided("support-lines", site_url, ("months", "all")), expected("get_service_request_lines_all")
        assert (len(mine), len(theirs)) == (209, 213)
        assert list(mine[0]) == list(theirs[0])
        only_theirs = set(by(theirs, LINE)) - set(by(mine, LINE))
        assert set(by(mine, LINE)) <= set(by(theirs, LINE))
        # Unknown hours, which the peer bills as NA; and three without any date, which it bills in no month.
        assert {key[:2] for key in only_theirs} == {
            ("2-24", "2025-08-01"), ("2-80", ""), ("2-119", ""), ("2-163-PB", ""),
        }  # fmt: skip
        pairs = both(mine, theirs, LINE)
        assert names_depart_as_named(pairs) == 28
        assert comments_depart_as_named(pairs) == (63, 10)
        others = [name for name in theirs[0] if name not in {COMMENTS, *NAMES}]
        found = departures(mine, theirs, others, numbers=NUMBERS)
        assert found.only_ours == {}
        assert found.only_theirs.total() == 4

    def test_of_the_month_before(self, site_url: str) -> None:
        mine, theirs = decided("support-lines", site_url), expected("get_service_request_lines")
        assert (len(mine), len(theirs)) == (65, 65)
        pairs = both(mine, theirs, LINE)
        assert len(pairs) == 65
        assert names_depart_as_named(pairs) == 9
        assert comments_depart_as_named(pairs)[0] == 18
        others = [name for name in theirs[0] if name not in {COMMENTS, *NAMES}]
        found = departures(mine, theirs, others, numbers=NUMBERS)
        assert found.only_ours == found.only_theirs == {}

    def test_what_is_held_back_is_named(self) -> None:
        responses = read().responses
        rated = responses[responses["complete"].eq(1) & responses["rate"].notna() & responses["project_id"].notna()]
        undated = rated[rated["service_month"].isna()]
        assert sorted(undated["record_id"].astype(int)) == [80, 119, 163]
        assert rated.loc[rated["hours"].isna(), "record_id"].tolist() == ["24"]
        assert read().rejects.empty


class TestLineItems:
    def test_by_the_rates_as_recorded(self, site_url: str) -> None:
        mine = decided("support-line-items", site_url, ("free_hour", "recorded"))
        theirs = expected("get_service_request_line_items")
        assert (len(mine), len(theirs)) == (64, 65)
        assert list(mine[0]) == ["billing_id", *theirs[0]]
        # It is in the ledger already.
        assert in_this_month(theirs) - in_this_month(mine) == {("2-45-PB", "0")}
        assert in_this_month(mine) <= in_this_month(theirs)
        pairs = both(mine, theirs, ITEM)
        assert names_depart_as_named(pairs) == 9
        assert comments_depart_as_named(pairs)[0] == 18
        contacts = [(row["fiscal_contact_name"], their["fiscal_contact_name"]) for row, their in pairs]
        assert Counter(pair for pair in contacts if pair[0] != pair[1]) == {
            ("", "NA NA"): 36, ("Cal", "NA Cal"): 12, ("Fay", "Fay NA"): 12,
        }  # fmt: skip
        others = {COMMENTS, "fiscal_contact_name", "ctsi_study_id", *NAMES}
        found = departures(mine, theirs, [name for name in theirs[0] if name not in others], numbers=NUMBERS)
        assert found.only_ours == {}
        assert {row[2] for row in found.only_theirs} == {"2-45-PB"}

    def test_study_ids_are_compared_by_number_and_do_not_leak(self, site_url: str) -> None:
        mine = decided("support-line-items", site_url, ("free_hour", "recorded"))
        pairs = both(mine, expected("get_service_request_line_items"), ITEM)
        others = {
            (row["service_instance_id"], row["price_of_service"]): (row["ctsi_study_id"], their["ctsi_study_id"])
            for row, their in pairs
            if row["ctsi_study_id"] != their["ctsi_study_id"]
        }
        assert others == {
            ("2-145-PB", "0.00"): ("5338", "560"),
            ("2-28-PB", "0.00"): ("", "8604"),
            ("2-50", "130.00"): ("", "9167"),
            ("2-50", "65.00"): ("", "9167"),
            ("2-51", "130.00"): ("", "8604"),
            ("2-169", "130.00"): ("", "5124"),
        }
        # Each of those that leaked is of the request of the project's number.
        project_of = read().requests.set_index("record_id")["project_id"]
        items = site(site_url).billing.items  # type: ignore[union-attr]
        of_requests = items[items["service_code"] == "2"]
        for (instance, _), (own, leaked) in others.items():
            project = str(project_of[instance.split("-")[1]])
            assert own or leaked in set(of_requests.loc[of_requests["identifier"] == project, "study_id"].dropna())

    def test_the_free_hour_is_applied_and_the_hours_stay_the_same(self, site_url: str) -> None:
        applied = decided("support-line-items", site_url)
        recorded_ = decided("support-line-items", site_url, ("free_hour", "recorded"))
        assert len(applied) == 66

        def hours(rows: Rows) -> Counter[str]:
            found: Counter[str] = Counter()
            for row in rows:
                found[row["service_identifier"]] += int(float(row["qty_provided"]) * 1_000_000)
            return found

        assert hours(applied) == hours(recorded_)
        billed = {row["service_instance_id"] for row in applied}
        free = sum(float(row["qty_provided"]) for row in applied if row["price_of_service"] == "0.00")
        before = sum(float(row["qty_provided"]) for row in recorded_ if row["price_of_service"] == "0.00")
        assert free > before
        assert {"2-16-PB", "2-46-PB"} <= billed
        assert "2-16" not in billed

    def test_late_hours_are_adjustments_and_only_when_they_are_asked_for(self, site_url: str) -> None:
        without = decided("support-line-items", site_url)
        late = decided("support-line-items", site_url, ("late", "yes"))
        further = [row for row in late if re.search(r"-A\d+$", row["billing_id"])]
        assert [row for row in late if row not in further] == without
        assert len(further) == 66
        assert {re.findall(r" : Worked in (\w+) 2026 :", row[COMMENTS])[0] for row in further} == {
            "April", "May", "June", "July", "August", "September",
        }  # fmt: skip
        assert len({row["billing_id"] for row in late}) == len(late)

    def test_further_rates_are_numbered(self, site_url: str) -> None:
        rows = decided("support-line-items", site_url, ("free_hour", "recorded"))
        numbered = [row["billing_id"] for row in rows if row["billing_id"] != row["service_instance_id"]]
        assert numbered == ["2-19-R2", "2-50-R2"]
        assert {row["price_of_service"] for row in rows if row["billing_id"] in numbered} == {"65.00"}


class TestTheFreeHour:
    def test_on_the_site(self, site_url: str) -> None:
        """One of 102 departs: the peer makes free what it has billed already, so the next is taken."""
        mine, theirs = decided("pro-bono-updates", site_url), expected("get_probono_service_request_updates")
        assert (len(mine), len(theirs)) == (102, 102)
        found = departures(mine, theirs, list(theirs[0]))
        assert list(mine[0]) == list(theirs[0])
        assert found.only_theirs == {("63", "help_desk_response", "2", "0"): 1}
        assert found.only_ours == {("63", "help_desk_response", "3", "0"): 1}
        items = site(site_url).billing.items  # type: ignore[union-attr]
        billed = billed_by_lines(read().responses, items)
        assert ("63", 2) in set(zip(billed["record_id"], billed["instance"], strict=True))

    @pytest.mark.parametrize("number", range(1, 10))
    def test_on_each_recorded_case(self, number: int, site_sqlite: str, peer_cases: Path) -> None:
        """Their requests are of projects whose lines, on another site, are none of theirs: a ledger without any."""
        folder = peer_cases / "pro_bono" / f"test_{number}"
        other = service_requests(
            read_service_requests(folder / "service_requests.csv", Policy().support, needed=("record_id",)).rows
        )
        assert billed_by_lines(other.responses, site(site_sqlite).billing.items).empty  # type: ignore[union-attr]
        mine = ours(replay("pro-bono-updates", site(site_sqlite, folder / "service_requests.csv")))
        theirs = recorded(folder / "expected.csv")
        found = departures(
            mine, theirs, ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "billable_rate"]
        )
        assert found.only_ours == found.only_theirs == {}


def test_study_ids(site_url: str) -> None:
    mine, theirs = decided("study-ids", site_url), expected("get_ctsi_study_id_to_project_id_map")
    assert (len(mine), len(theirs)) == (371, 371)
    found = departures(mine, theirs, ["project_id", "ctsi_study_id"])
    # By number, not as text.
    assert found.only_theirs == {("139", "560"): 1}
    assert found.only_ours == {("139", "5338"): 1}


def test_hours_of_a_response(peer_cases: Path) -> None:
    """Of 56 cases twelve depart: time_more counts from 0 on, and not above 1 only."""
    cases = recorded(peer_cases / "hours" / "expected.csv")
    assert len(cases) == 56
    others = []
    for case in cases:
        found = hours_of(case["time2"] or None, case["time_more"] or None)
        if (None if found is None else float(found)) != (float(case["time"]) if case["time"] else None):
            others.append((case["time2"], case["time_more"], found))
    assert all(time2 in {"", "0", "20", "75"} and 0 <= float(more) <= 1 for time2, more, _ in others)
    assert all(found is not None and float(found) == float(more) for _, more, found in others)
    assert len(others) == 12


def test_the_labels_of_a_month(peer_cases: Path) -> None:
    """DOMAIN.md section 3: ours follow the billing month; the peer's, of 30.4375 days ago, are wrong near its ends."""
    cases = recorded(peer_cases / "periods" / "expected.csv")
    assert len(cases) == 739
    wrong: Counter[str] = Counter()
    days: set[int] = set()
    for case in cases:
        month = last_finished_month(parse_instant(case["run_time"]), Policy(time_zone="UTC").zone)
        wrong["month"] += month.label != case["previous_month_label"]
        wrong["fiscal year"] += month.fiscal_year() != case["fiscal_year"]
        wrong["several fiscal years"] += case["n_fiscal_years"] != "1"
        if month != BillingMonth.parse(case["service_month"][:7]):
            wrong["service month"] += 1
            days.add(int(case["run_time"][8:10]))
    assert wrong == {"month": 0, "fiscal year": 1, "several fiscal years": 2, "service month": 22}
    assert days == {1, 2, 31}


def test_the_commands_write_the_same_rows(site_sqlite: str, peer_cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "updates.csv"
    done = subprocess.run(  # noqa: S603 - our own command
        [
            sys.executable, "-c", "from rcbill_assets.cli import main; main()", "replay", "support-line-items",
            "--redcap-url", site_sqlite, "--billing-url", site_sqlite, "--as-of", AS_OF, "--time-zone", "UTC",
            "--service-requests", str(peer_cases / "site_1000" / "service_requests.csv"),
            "--option", "free_hour=recorded", "--out", str(out),
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert recorded(out) == decided("support-line-items", site_sqlite, ("free_hour", "recorded"))


def test_a_ledger_that_adopted_the_peers_decides_the_same(site_sqlite: str, sqlite_url: str) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).touch()
    ledger = Ledger(sqlite_url)
    ledger.upgrade()
    peer = read_peer(site_sqlite, Policy(time_zone="UTC").zone)
    adopt(ledger, peer, source="test", who="mia", now=parse_instant(AS_OF))
    ledger.engine.dispose()
    for decision in ("support-line-items", "pro-bono-updates", "study-ids"):
        of_ours = ours(replay(decision, replace(site(site_sqlite), billing_url=sqlite_url)))
        assert Counter(map(str, of_ours)) == Counter(map(str, decided(decision, site_sqlite))), decision


def test_a_frame_is_what_is_compared(site_sqlite: str) -> None:
    """What the rows are made of: hours and money are Decimals, and no NaN is among them."""
    frame: Any = replay("support-line-items", site(site_sqlite))
    assert {type(value).__name__ for name in NUMBERS for value in frame[name]} == {"Decimal"}
    assert isinstance(frame, pd.DataFrame)
