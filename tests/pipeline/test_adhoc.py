"""What people ask for about line items, in the UI and at the command line: done once, with who and why, and told."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterInvalidConfigError

from rcbill_assets.adhoc import AdHoc
from rcbill_assets.adhoc_jobs import JOBS
from rcbill_assets.definitions import build_definitions
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.events import By, append_events, states_of
from rcbill_assets.resources.run_reasons import why_it_failed
from tests.pipeline.children import rcbill
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import AS_OF, FEE, MONTH, QUIET, SETTINGS, House
from tests.servers.smtp import MailServer

ASKED = {"who": "clerk", "why": "the owner called"}


@pytest.fixture
def billed(house: House) -> House:
    """A house whose month is billed and sent."""
    house.billed()
    return house


def ask(house: House, job: str, tags: dict[str, str] | None = None, **asked: Any) -> list[str]:
    """Run an ad hoc job; return why it failed, nothing when it did not."""
    site = house.site
    instance: DagsterInstance = house.instance
    config: dict[str, Any] = {
        **QUIET,
        "ops": {f"{job}_now": {"config": {**ASKED, **asked}}},
        "resources": {"as_of": {"config": {"as_of": AS_OF}}},
    }
    try:
        result = (
            build_definitions(site)
            .resolve_job_def(job)
            .execute_in_process(instance=instance, run_config=config, raise_on_error=False, tags=tags)
        )
        return [] if result.success else why_it_failed(instance, result.run_id)
    finally:
        site.ledger.engine.dispose()


def desk(house: House) -> AdHoc:
    """The desk of a person, later than the run."""
    return AdHoc(house.site, who="clerk", why="the owner called", at=datetime.now(UTC))


def named(house: House, place: int = 0) -> str:
    return f"{house.lines()['billing_id'][place]}@{MONTH}"


def line(house: House, place: int = 0) -> dict[str, Any]:
    return {str(name): value for name, value in house.lines().iloc[place].items()}


def balances(house: House) -> bool:
    sums = house.eye.ledger.balance()
    return sums["billed"] == sums["paid"] + sums["open"] + sums["credited"]


class TestCanceling:
    def test_credits_what_is_open_and_tells_the_fiscal_team_once(self, billed: House) -> None:
        assert ask(billed, "cancel_items", items=[named(billed), named(billed, 1)], reason="24") == []
        for place in (0, 1):
            item = line(billed, place)
            assert (item["status"], item["open"], item["credited"], item["reason"]) == ("canceled", 0, FEE, "24")
        events = billed.rows(t.line_item_events)
        assert set(events.loc[events["status"] == "canceled", "who"]) == {"clerk"}
        (mail,) = billed.mails("items_changed")
        text = mail.get_content()
        assert line(billed)["billing_id"] in text
        assert "the owner called" in text
        assert "clerk" in text
        assert balances(billed)

    def test_asked_again_changes_nothing_and_mails_nobody(self, billed: House) -> None:
        assert ask(billed, "cancel_items", items=[named(billed)]) == []
        before = billed.tells()
        assert ask(billed, "cancel_items", items=[named(billed)]) == []
        assert billed.tells() == before

    def test_one_item_that_cannot_be_canceled_keeps_all_as_they_are(self, billed: House) -> None:
        before = billed.tells()
        (reason,) = ask(billed, "cancel_items", items=[named(billed), "1-999999@2024-10"])
        assert "1-999999" in reason
        assert billed.tells() == before

    def test_items_of_deleted_projects(self, billed: House) -> None:
        project = line(billed)["billing_id"].removeprefix("1-")
        billed.redcap("UPDATE redcap_projects SET date_deleted = '2024-11-04 10:00:00' WHERE project_id = ?", project)
        assert ask(billed, "cancel_items_of_deleted_projects") == []
        assert (line(billed)["status"], line(billed)["reason"]) == ("canceled", "Project deleted")
        assert line(billed, 1)["status"] == "sent"

    def test_nobody_is_told_while_the_door_is_closed(self, billed: House) -> None:
        billed.choose(doors={"handoff": "preview"})
        assert ask(billed, "cancel_items", items=[named(billed)]) == []
        assert line(billed)["status"] == "canceled"
        assert billed.mails("items_changed") == []


class TestReassigning:
    def test_who_owns_the_project_now_pays_from_now_on(self, billed: House) -> None:
        project = line(billed)["billing_id"].removeprefix("1-")
        ((name, address),) = billed.redcap(
            "SELECT username, user_email FROM redcap_user_information WHERE user_email LIKE '%@%' "
            "AND username <> ? ORDER BY ui_id LIMIT 1",
            line(billed)["username"],
        )
        billed.redcap("UPDATE redcap_entity_project_ownership SET username = ? WHERE pid = ?", name, project)
        others = billed.lines()["pi_email"].to_list()[1:]
        assert ask(billed, "reassign_items") == []
        assert (line(billed)["username"], line(billed)["pi_email"]) == (name, address)
        assert line(billed)["reason"] == "PI reassigned"
        assert billed.lines()["pi_email"].to_list()[1:] == others
        before = billed.tells()
        assert ask(billed, "reassign_items") == []
        assert billed.tells() == before

    def test_an_owner_without_an_address_is_named(self, billed: House) -> None:
        billing_id = line(billed)["billing_id"]
        project = billing_id.removeprefix("1-")
        billed.redcap(
            "UPDATE redcap_entity_project_ownership SET username = 'nobody_known', email = NULL WHERE pid = ?", project
        )
        billed.redcap("UPDATE redcap_projects SET project_pi_email = NULL WHERE project_id = ?", project)
        before = billed.tells()
        outcome = desk(billed).reassign([named(billed)])
        assert outcome.left[0] == f"{billing_id} of {MONTH} keeps its payer: the project's owner has no address."
        assert billed.tells() == before


class TestVerifying:
    @pytest.fixture
    def said_paid(self, billed: House) -> House:
        ids = billed.lines()["id"].to_list()[:2]

        def work(connection: Any) -> None:
            states = states_of(connection, ids)
            by = By("fiscal team", "a file", "test", datetime.fromisoformat(AS_OF))
            append_events(connection, states, kind="received", status="unreconciled", by=by)
            told = {"who": "x", "why": "x", "source": "x", "recorded_at": by.at, "paid_on": by.at.date()}
            numbers = {"invoice_number": "INV", "je_number": "JE"}
            connection.execute(
                t.payments.insert(), [{"line_item_id": id_, "amount": FEE, **numbers, **told} for id_ in ids]
            )

        billed.eye.ledger.write(work)
        return billed

    def test_a_person_who_has_seen_the_payment_makes_it_paid_once(self, said_paid: House) -> None:
        assert ask(said_paid, "verify_items", items=[named(said_paid)]) == []
        assert (line(said_paid)["status"], line(said_paid)["open"]) == ("paid", 0)
        (mail,) = said_paid.mails("items_changed")
        assert "verified the payment of this line item" in mail.get_content()
        before = said_paid.tells()
        assert ask(said_paid, "verify_items", items=[named(said_paid)]) == []
        assert said_paid.tells() == before

    def test_what_is_not_paid_after_all_is_owed_again(self, said_paid: House) -> None:
        assert ask(said_paid, "return_items_to_invoiced", items=[named(said_paid, 1)]) == []
        now = line(said_paid, 1)
        assert (now["status"], now["paid"], now["open"]) == ("invoiced", 0, FEE)
        (mail,) = said_paid.mails("items_changed")
        assert "find out what became of their payment" in mail.get_content()
        assert balances(said_paid)

    def test_what_nobody_said_is_paid_is_refused(self, said_paid: House) -> None:
        for job in ("verify_items", "return_items_to_invoiced"):
            (reason,) = ask(said_paid, job, items=[named(said_paid, 2)])
            assert "only what is unreconciled" in reason


class TestTelling:
    def test_what_waits_for_the_mail_server_is_not_told(self, billed: House, smtp_server: MailServer) -> None:
        mail = {"transport": "smtp", "smtp_host": smtp_server.host, "smtp_port": smtp_server.port}
        billed.choose(mail=mail)
        smtp_server.deferring = True
        outcome = desk(billed).cancel([named(billed)])
        assert not outcome.told
        assert outcome.telling.startswith("The fiscal team will be told: the mail waits in the outbox.")
        assert line(billed)["status"] == "canceled"
        smtp_server.deferring = False
        outcome = desk(billed).cancel([named(billed, 1)])
        assert (outcome.told, outcome.telling) == (True, "The fiscal team is told.")
        assert len(smtp_server.messages) == 2, "and what had waited"

    def test_what_is_refused_says_so(self, billed: House, smtp_server: MailServer) -> None:
        billed.choose(mail={"transport": "smtp", "smtp_host": smtp_server.host, "smtp_port": smtp_server.port})
        smtp_server.refused = {*billed.site.policy.mail.fiscal_team, *billed.site.policy.mail.billing_list}
        outcome = desk(billed).cancel([named(billed)])
        assert not outcome.told
        assert "rcbill outbox retry" in outcome.telling

    def test_asked_for_nothing_nobody_is_told(self, billed: House) -> None:
        desk(billed).cancel([named(billed)])
        again = desk(billed).cancel([named(billed)])
        assert (again.told, again.telling) == (False, "Nothing was changed, and nobody is told.")


class TestHolding:
    @pytest.mark.parametrize(("opens", "ends"), [("dispute_item", "settle_dispute"), ("hold_item", "release_item")])
    def test_is_opened_once_and_ended_once(self, billed: House, opens: str, ends: str) -> None:
        assert ask(billed, opens, item=named(billed)) == []
        assert "already" in ask(billed, opens, item=named(billed))[0]
        assert ask(billed, ends, item=named(billed)) == []
        assert "no open" in ask(billed, ends, item=named(billed))[0]
        assert len(billed.mails("items_changed")) == 2


class TestCorrecting:
    def test_a_canceled_item_is_billed_again_with_the_next_handoff(self, billed: House) -> None:
        assert ask(billed, "cancel_items", items=[named(billed)]) == []
        billing_id = line(billed)["billing_id"]
        assert ask(billed, "correct_item", item=f"{billing_id}@{MONTH}", price="80.00") == []
        lines = billed.lines()
        new = lines[lines["billing_id"] == f"{billing_id}-A1"].iloc[0]
        assert (new["status"], new["amount"]) == ("draft", Decimal("80.00"))
        billed.billed()
        lines = billed.lines()
        assert lines.loc[lines["billing_id"] == f"{billing_id}-A1", "status"].to_list() == ["sent"]
        assert balances(billed)

    def test_a_price_that_is_no_number_is_a_sentence(self, billed: House) -> None:
        assert ask(billed, "cancel_items", items=[named(billed)]) == []
        (reason,) = ask(billed, "correct_item", item=named(billed), price="cheap")
        assert "cheap" in reason


def test_each_job_asks_who_and_why(billed: House) -> None:
    definitions = build_definitions(billed.site)
    for job in (definitions.resolve_job_def(job.name) for job in JOBS):
        for config in ({"who": "clerk"}, {"why": "the owner called"}):
            with pytest.raises(DagsterInvalidConfigError, match="Missing required config entr"):
                job.execute_in_process(run_config={"ops": {f"{job.name}_now": {"config": config}}})
    (reason,) = ask(billed, "cancel_items", items=[named(billed)], why=" ")
    assert "say why" in reason


@pytest.mark.parametrize("item", ["1-7", "1-7@October", "@2024-10", ""])
def test_what_names_no_item_is_told_how_items_are_named(billed: House, item: str) -> None:
    (reason,) = ask(billed, "cancel_items", items=[item])
    assert "1-7554@2026-10" in reason


def test_the_same_at_the_command_line(make_house: MakeHouse) -> None:
    house = make_house()
    (house.home / "rcbill.toml").write_text(SETTINGS)
    house.billed()
    first, second = named(house), named(house, 1)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}

    def command(*arguments: str) -> str:
        said = rcbill(house.home, arguments, inherited)
        assert said.status == 0, said.out + said.err
        return said.out

    assert "The fiscal team is told." in command("cancel", first, "--why", "twice billed", "--reason", "21")
    assert "canceled already" in command("cancel", first, second, "--why", "twice billed", "--reason", "21")
    assert house.statuses()["canceled"] == 2
    assert "Nothing was changed." in command("cancel-deleted", "--why", "gone")
    for asks in ("cancel-deleted", "reassign"):
        assert "--why" in rcbill(house.home, (asks,), inherited).err
    long = rcbill(house.home, ("reassign", "--why", "x", "--who", "x" * 192), inherited)
    assert "say who in fewer" in long.sentence
    assert len(house.mails("items_changed")) == 2
    assert rcbill(house.home, ("write-off", first, "--why", "gone"), inherited).status == 0
    refused = rcbill(house.home, ("write-off", named(house, 2), "--why", "gone"), inherited)
    assert refused.status != 0
    assert "only what is invoiced" in refused.err + refused.out
