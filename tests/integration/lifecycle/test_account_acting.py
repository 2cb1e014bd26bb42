"""Expiring accounts that are not paid for, and reopening them: what is done, what is kept of it, what stops it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rcbill_assets.adhoc import AdHoc
from rcbill_assets.changes.change_set import Origin
from rcbill_assets.errors import ChangesError
from rcbill_assets.ledger import account_tables as at
from rcbill_assets.ledger import tables as t
from rcbill_assets.lifecycle import account_along
from rcbill_assets.lifecycle.account_along import EXPIRE_ACCOUNTS, REOPEN_ACCOUNTS
from rcbill_assets.lifecycle.account_changes import LONGEST_COMMENTS, AccountDraft
from rcbill_assets.lifecycle.account_gather import gather_accounts_now
from rcbill_assets.lifecycle.account_held_back import accounts_held_back, mail_accounts_held_back
from rcbill_assets.lifecycle.acting import RELEASE, SEQUESTER_UNPAID, apply_recorded
from rcbill_assets.replay import ReplaySite, replay
from tests.integration.lifecycle.small_accounts import (
    ACCOUNTS,
    ADA,
    BOB,
    CHOICES,
    EVE,
    EXPIRY,
    NOTED,
    SPONSOR,
    TOLD_AT,
    UNTIL,
    SmallAccounts,
    pi_of,
    rules,
)
from tests.integration.lifecycle.small_site import BY

EXPIRED_AT = "2025-03-01 07:30:00"
LINE = (
    "2025-03-01: expired for non-payment of invoice INV-7. Ask the PI (Pia Xu, {}) about the payment before it is "
    "given another expiration."
)
LATER = EXPIRY + timedelta(days=1)


@pytest.fixture
def site(redcap_url: str, tmp_path: Path) -> SmallAccounts:
    """Three accounts on SQLite and on MariaDB."""
    made = SmallAccounts(tmp_path, redcap_url, f"sqlite:///{tmp_path / 'ledger.db'}", choices=CHOICES)
    made.make()
    return made


@pytest.fixture
def due(site: SmallAccounts) -> SmallAccounts:
    """Nobody has paid, and everybody was told in time."""
    site.unpaid_accounts(*ACCOUNTS)
    site.payments_known(EXPIRY - timedelta(days=3))
    assert site.tell_overdue(TOLD_AT) == 4
    site.clock.at = EXPIRY
    return site


class TestExpiring:
    def test_it_expires_notes_tells_and_remembers(self, due: SmallAccounts) -> None:
        acted = due.act_on(EXPIRE_ACCOUNTS)
        assert rules(acted) == {"ext.ada": "due", "ext.bob": "due", "ext.eve": "due"}
        assert due.user(ADA) == (EXPIRED_AT, f"{NOTED}\n{LINE.format(pi_of(ADA))}"), "appended, nothing is lost"
        assert due.user(BOB) == (EXPIRED_AT, LINE.format(pi_of(BOB)))
        assert due.user(EVE) == (EXPIRED_AT, LINE.format(pi_of(EVE)))
        assert due.mails("account_expired") == [*sorted(pi_of(name) for name in ACCOUNTS), SPONSOR]
        assert due.done() == [(name.lower(), "expired") for name in ACCOUNTS]

    def test_the_sponsor_has_one_mail_of_all_of_theirs(self, due: SmallAccounts) -> None:
        due.act_on(EXPIRE_ACCOUNTS)
        for template in ("account_overdue", "account_expired"):
            mails = due.rows(t.outbox).query("template == @template and recipient == @SPONSOR")["body"]
            (body,) = set(mails)
            for name in ACCOUNTS:
                assert f"Account {name.lower()}, of which you are the sponsor" in body
            assert body.count("60.00 open, invoice INV-7") + body.count("130.00 open, invoice INV-7") == 3
            if template == "account_overdue":
                assert "will be expired on 2025-03-01" in body

    def test_again_it_does_nothing(self, due: SmallAccounts) -> None:
        due.act_on(EXPIRE_ACCOUNTS)
        tables = (t.outbox, at.account_consequences, at.account_notices)
        before = [due.rows(table).to_dict("records") for table in tables], [due.user(name) for name in ACCOUNTS]
        again = due.act_on(EXPIRE_ACCOUNTS, EXPIRY + timedelta(minutes=5))
        assert set(rules(again).values()) == {"expired_already"}
        assert before == ([due.rows(table).to_dict("records") for table in tables], [due.user(n) for n in ACCOUNTS])

    def test_a_notice_that_came_back_holds_it(self, due: SmallAccounts) -> None:
        for address in (SPONSOR, pi_of(BOB)):
            due.site.registers.add_bounce(address, at=EXPIRY, who="ada", why="came back", now=EXPIRY)
        acted = due.act_on(EXPIRE_ACCOUNTS)
        assert rules(acted) == {"ext.ada": "due", "ext.bob": "nobody_reachable", "ext.eve": "due"}
        assert due.user(BOB) == (UNTIL, None)
        assert SPONSOR not in due.mails("account_expired")

    def test_while_owners_mail_is_closed_nobody_expires(self, due: SmallAccounts) -> None:
        due.choices = {**CHOICES, "doors": {**CHOICES["doors"], "owners_mail": "preview"}}
        assert set(rules(due.act_on(EXPIRE_ACCOUNTS)).values()) == {"owners_mail_closed"}
        assert due.user(ADA) == (UNTIL, NOTED)

    def test_unexpired_by_mistake_it_expires_again(self, due: SmallAccounts) -> None:
        due.act_on(EXPIRE_ACCOUNTS)
        due.extended(ADA, "2025-12-31 00:00:00")
        due.extended(BOB, None)
        april = datetime(2025, 4, 1, 11, 30, tzinfo=UTC)
        due.payments_known(april - timedelta(days=3))
        acted = due.act_on(EXPIRE_ACCOUNTS, april)
        assert rules(acted) == {"ext.ada": "due", "ext.bob": "due", "ext.eve": "expired_already"}
        until, comments = due.user(ADA)
        assert until == "2025-04-01 07:30:00"
        assert comments is not None
        assert comments.count("expired for non-payment") == 2
        assert comments.startswith(NOTED)

    def test_who_has_no_room_for_the_comment_is_left_alone(self, due: SmallAccounts) -> None:
        full = "x" * LONGEST_COMMENTS
        due.redcap("UPDATE redcap_user_information SET user_comments = :full WHERE username = :ada", full=full, ada=ADA)
        acted = due.act_on(EXPIRE_ACCOUNTS)
        assert rules(acted) == {"ext.ada": "changed_since", "ext.bob": "due", "ext.eve": "due"}
        assert due.user(ADA) == (UNTIL, full)

    def test_many_are_stopped_and_a_person_applies_them(self, due: SmallAccounts) -> None:
        due.choices = {**CHOICES, "improbable_changes": {"rows": 1, "share": 0.5}}
        with pytest.raises(ChangesError, match="Change set 1 is stopped"):
            due.act_on(EXPIRE_ACCOUNTS)
        assert due.user(ADA) == (UNTIL, NOTED)
        AdHoc(due.site, who="clerk", why="wrong", at=EXPIRY).open_hold("3-ext.bob@2024-11", "dispute")
        outcome = apply_recorded(due.site, 1, BY)
        assert set(outcome.conflicts["unit"]) == {"user 9002"}
        assert due.user(BOB) == (UNTIL, None)
        assert due.user(EVE)[0] == EXPIRED_AT


class TestSomebodyElse:
    @pytest.fixture
    def meanwhile(self, due: SmallAccounts, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
        """Lets something happen after the decision, before the transactions."""

        def let(happen: Callable[[], object]) -> None:
            def late(draft: AccountDraft) -> Any:
                done = AccountDraft.expiry(draft)
                happen()
                return done

            kind = account_along.ACCOUNT_KINDS[EXPIRE_ACCOUNTS]
            monkeypatch.setitem(
                account_along.ACCOUNT_KINDS,
                EXPIRE_ACCOUNTS,
                kind.__class__(kind.consequence, kind.decide, late, kind.notice),
            )

        return let

    @pytest.mark.parametrize(
        "edit",
        [
            "user_expiration = '2025-07-31 00:00:00'",
            "user_comments = 'Visiting; call\r\nfirst'",
            "username = 'ext.ada'",
        ],
        ids=["the expiration", "blanks of the comments", "the name's case"],
    )
    def test_who_changes_a_row_keeps_it(
        self, due: SmallAccounts, meanwhile: Callable[[Callable[[], object]], None], edit: str
    ) -> None:
        meanwhile(lambda: due.redcap(f"UPDATE redcap_user_information SET {edit} WHERE ui_id = 9001"))
        acted = due.act_on(EXPIRE_ACCOUNTS)
        assert rules(acted) == {"ext.ada": "conflict", "ext.bob": "due", "ext.eve": "due"}
        ((until,),) = due.redcap("SELECT user_expiration FROM redcap_user_information WHERE ui_id = 9001")
        assert str(until)[:19] != EXPIRED_AT
        assert pi_of(ADA) not in due.mails("account_expired")

    def test_paid_or_disputed_in_between_it_is_left_alone(
        self, due: SmallAccounts, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        desk = AdHoc(due.site, who="clerk", why="a gift", at=EXPIRY)

        def happen() -> None:
            desk.cancel(["3-Ext.Ada@2024-11"])
            desk.open_hold("3-ext.bob@2024-11", "dispute")

        meanwhile(happen)
        acted = due.act_on(EXPIRE_ACCOUNTS)
        assert rules(acted) == {"ext.ada": "conflict", "ext.bob": "conflict", "ext.eve": "due"}
        assert due.user(ADA) == (UNTIL, NOTED)
        assert due.mails("account_expired") == [pi_of(EVE), SPONSOR]

    def test_a_plan_is_applied_by_a_person_and_taken_back(self, due: SmallAccounts) -> None:
        due.choices = {**CHOICES, "doors": {**CHOICES["doors"], "redcap_writes": "plan"}}
        planned = due.act_on(EXPIRE_ACCOUNTS).outcome
        assert planned is not None
        assert due.user(ADA) == (UNTIL, NOTED)
        assert due.done() == []
        due.choices = CHOICES
        due.clock.at = EXPIRY + timedelta(hours=2)
        outcome = apply_recorded(due.site, planned.set_id or 0, BY)
        assert outcome.conflicts.empty
        assert due.user(EVE)[0] == EXPIRED_AT
        assert len(due.done()) == 3
        due.site.redcap_door.revert(planned.set_id or 0, Origin("revert 1", LATER, "a mistake"), BY)
        assert [due.user(name) for name in ACCOUNTS] == [(UNTIL, NOTED), (UNTIL, None), (None, "")]

    def test_an_old_plan_is_decided_anew(self, due: SmallAccounts) -> None:
        due.choices = {**CHOICES, "doors": {**CHOICES["doors"], "redcap_writes": "plan"}}
        due.act_on(EXPIRE_ACCOUNTS)
        due.choices = CHOICES
        due.clock.at = EXPIRY + timedelta(days=4)
        with pytest.raises(ChangesError, match="was decided 4 days ago"):
            apply_recorded(due.site, 1, BY)


class TestReopening:
    def settle(self, due: SmallAccounts, *names: str, when: datetime = LATER) -> None:
        items = [f"3-{name}@2024-11" for name in names]
        AdHoc(due.site, who="clerk", why="a gift", at=when).cancel(items)

    def test_the_expiration_comes_back_to_the_letter(self, due: SmallAccounts) -> None:
        due.act_on(EXPIRE_ACCOUNTS)
        self.settle(due, ADA, EVE)
        acted = due.act_on(REOPEN_ACCOUNTS, LATER)
        assert rules(acted) == {"ext.ada": "due", "ext.eve": "due"}
        until, comments = due.user(ADA)
        assert (until, due.user(EVE)[0], due.user(BOB)[0]) == (UNTIL, None, EXPIRED_AT)
        assert comments is not None
        assert comments.startswith(f"{NOTED}\n{LINE.format(pi_of(ADA))}\n2025-03-02: paid, or not asked for any more.")
        assert due.done()[3:] == [("ext.ada", "reopened"), ("ext.eve", "reopened")]
        assert due.act_on(REOPEN_ACCOUNTS, LATER + timedelta(days=1)).decided.empty

    def test_what_would_have_expired_by_now_stays_so_and_says_it(self, due: SmallAccounts) -> None:
        due.act_on(EXPIRE_ACCOUNTS)
        july = datetime(2025, 7, 2, 5, 25, tzinfo=UTC)
        self.settle(due, ADA, when=july)
        assert rules(due.act_on(REOPEN_ACCOUNTS, july)) == {"ext.ada": "settled_and_lapsed"}
        until, comments = due.user(ADA)
        assert until == EXPIRED_AT
        assert comments is not None
        assert comments.endswith(
            "2025-07-02: paid, or not asked for any more. It stays expired: it would have been by now."
        )
        assert due.act_on(REOPEN_ACCOUNTS, july + timedelta(days=1)).decided.empty, "it is said once"

    def test_who_was_given_another_expiration_keeps_it(self, due: SmallAccounts) -> None:
        due.act_on(EXPIRE_ACCOUNTS)
        due.extended(ADA, "2026-01-01 00:00:00")
        self.settle(due, ADA)
        assert due.act_on(REOPEN_ACCOUNTS, LATER).decided.empty
        assert due.user(ADA)[0] == "2026-01-01 00:00:00"

    def test_reopened_and_unpaid_again_it_expires_again(self, due: SmallAccounts) -> None:
        """A dispute opened it; the dispute was settled, and nobody paid."""
        due.act_on(EXPIRE_ACCOUNTS)
        desk = AdHoc(due.site, who="clerk", why="wrong", at=LATER)
        desk.open_hold("3-ext.bob@2024-11", "dispute")
        due.act_on(REOPEN_ACCOUNTS, LATER)
        assert due.user(BOB)[0] == UNTIL
        desk.end_hold("3-ext.bob@2024-11", "dispute")
        april = datetime(2025, 4, 1, 11, 30, tzinfo=UTC)
        due.payments_known(april - timedelta(days=3))
        assert rules(due.act_on(EXPIRE_ACCOUNTS, april))["ext.bob"] == "due"
        self.settle(due, BOB, when=april)
        due.act_on(REOPEN_ACCOUNTS, april + timedelta(days=1))
        assert due.user(BOB)[0] == UNTIL

    def test_a_site_may_reopen_by_hand(self, due: SmallAccounts) -> None:
        due.act_on(EXPIRE_ACCOUNTS)
        self.settle(due, ADA)
        due.choices = {**CHOICES, "consequences": {**CHOICES["consequences"], "release": "report"}}
        assert rules(due.act_on(REOPEN_ACCOUNTS, LATER)) == {"ext.ada": "only_reported"}
        assert due.user(ADA)[0] == EXPIRED_AT


class TestRunsThatDie:
    @pytest.mark.parametrize("by", [EXPIRE_ACCOUNTS, SEQUESTER_UNPAID], ids=["the same job", "a job of projects"])
    def test_the_next_run_of_any_job_finds_out_and_tells(
        self, due: SmallAccounts, monkeypatch: pytest.MonkeyPatch, by: str
    ) -> None:
        from rcbill_assets.changes import door as doors  # noqa: PLC0415 - patched here only

        class Killed(BaseException):
            pass

        def dies(*_: object, **__: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(doors, "mark_results", dies)
            with pytest.raises(Killed):
                due.act_on(EXPIRE_ACCOUNTS)
        assert due.user(ADA)[0] == EXPIRED_AT
        assert due.done() == []
        if by == EXPIRE_ACCOUNTS:
            due.act_on(by, EXPIRY + timedelta(minutes=1))
        else:
            due.act(by, EXPIRY + timedelta(minutes=1))
        assert len(due.done()) == 3
        assert due.mails("account_expired") == [*sorted(pi_of(name) for name in ACCOUNTS), SPONSOR]
        assert due.user(BOB)[1] == LINE.format(pi_of(BOB)), "noted once"

    def test_a_killed_run_of_projects_is_found_out_by_accounts(
        self, due: SmallAccounts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from rcbill_assets.changes import door as doors  # noqa: PLC0415 - patched here only

        class Killed(BaseException):
            pass

        def dies(*_: object, **__: object) -> None:
            raise Killed

        due.redcap("UPDATE redcap_entity_project_ownership SET sequestered = 1 WHERE pid = 101")
        with monkeypatch.context() as patch:
            patch.setattr(doors, "mark_results", dies)
            with pytest.raises(Killed):
                due.act(RELEASE, EXPIRY)
        assert due.site.redcap_door.store.begun(RELEASE) == [1]
        due.act_on(REOPEN_ACCOUNTS, EXPIRY)
        assert due.site.redcap_door.store.begun(RELEASE) == []


class TestTelling:
    def test_nobody_is_told_twice_on_a_day_nor_while_the_door_is_closed(self, site: SmallAccounts) -> None:
        site.unpaid_accounts(*ACCOUNTS)
        site.choices = {**CHOICES, "doors": {**CHOICES["doors"], "owners_mail": "preview"}}
        assert site.tell_overdue(TOLD_AT) == 0
        site.choices = CHOICES
        assert site.tell_overdue(TOLD_AT) == 4
        assert site.tell_overdue(TOLD_AT + timedelta(hours=2)) == 0
        assert site.tell_overdue(EXPIRY) == 4, "again on the first"

    def test_whom_nobody_can_reach_is_tried_once(self, site: SmallAccounts) -> None:
        site.unpaid_accounts(ADA)
        for address in (SPONSOR, pi_of(ADA)):
            site.site.registers.add_bounce(address, at=TOLD_AT, who="ada", why="came back", now=TOLD_AT)
        for day in range(2):
            assert site.tell_overdue(TOLD_AT + timedelta(days=day)) == 0
        notices = site.rows(at.account_notices)
        assert notices[["username", "outbox_id"]].isna().to_numpy().tolist() == [[False, True]]

    def test_a_notice_that_waited_too_long_goes_out_no_more(self, site: SmallAccounts) -> None:
        site.unpaid_accounts(ADA)
        site.tell_overdue(TOLD_AT)
        site.site.ledger.write(lambda connection: connection.execute(t.outbox.update().values(status="recorded")))
        site.clock.at = TOLD_AT + timedelta(days=8)
        assert site.site.to_send(handoffs=False) == []


def test_what_is_held_back_is_listed_and_mailed_when_it_has_changed(due: SmallAccounts) -> None:
    AdHoc(due.site, who="clerk", why="wrong", at=EXPIRY).open_hold("3-ext.bob@2024-11", "dispute")
    site = due.site
    held = accounts_held_back(gather_accounts_now(site, EXPIRY))
    assert held[["consequence", "account", "rule"]].to_numpy().tolist() == [["expire", "ext.bob", "disputed"]]
    assert mail_accounts_held_back(site, held, EXPIRY, "run") is not None
    assert mail_accounts_held_back(site, held, LATER, "run") is None
    assert mail_accounts_held_back(site, held.head(0), LATER, "run") is None
    (body,) = site.outbox.overview().query("template == 'held_back_accounts'")["about"]
    assert body.startswith("2025-03 ")


def test_the_replay_tells_what_the_job_would_do(due: SmallAccounts) -> None:
    AdHoc(due.site, who="clerk", why="wrong", at=EXPIRY).open_hold("3-ext.bob@2024-11", "dispute")
    requests = due.site.settings.account_requests
    site = ReplaySite(due.redcap_url, due.ledger_url, due.site.policy, EXPIRY, account_requests=requests)
    rows = replay("account-expirations", site)
    until = datetime(2025, 6, 30, 4, tzinfo=UTC)
    assert rows["username"].tolist() == ["ext.ada", "ext.eve"]
    assert rows["user_expiration"].iloc[0] == until
    assert rows["new_expiration"].tolist() == [EXPIRY, EXPIRY]
    assert rows["invoice_number"].tolist() == ["INV-7", "INV-7"]
    assert due.user(ADA) == (UNTIL, NOTED)


def test_on_every_ledger(redcap_url: str, ledger_url: str, tmp_path: Path) -> None:
    """Two transactions, one in the other, on each pair of databases."""
    if ledger_url == redcap_url:
        ledger_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    site = SmallAccounts(tmp_path, redcap_url, ledger_url, choices=CHOICES)
    site.make()
    site.unpaid_accounts(ADA)
    site.payments_known(EXPIRY - timedelta(days=3))
    assert site.tell_overdue(TOLD_AT) == 2
    assert rules(site.act_on(EXPIRE_ACCOUNTS)) == {"ext.ada": "due"}
    AdHoc(site.site, who="clerk", why="a gift", at=LATER).cancel(["3-Ext.Ada@2024-11"])
    assert rules(site.act_on(REOPEN_ACCOUNTS, LATER)) == {"ext.ada": "due"}
    assert site.user(ADA)[0] == UNTIL
    assert site.done() == [("ext.ada", "expired"), ("ext.ada", "reopened")]
