"""All commands, put together."""

from __future__ import annotations

import typer

from rcbill_assets.cli import (
    changes,
    demo,
    desk,
    doctor,
    items,
    jobs,
    ledger,
    payments,
    project,
    registers,
    replay,
    run,
    study_ids,
)

app = typer.Typer(
    name="rcbill",
    help="Bills a REDCap service: what is owed each month, handed to the fiscal team, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    # Local variables hold URLs with passwords.
    pretty_exceptions_show_locals=False,
)
app.command("demo")(demo.demo)
app.command("dev")(run.dev)
app.command("bill")(run.bill)
app.command("run")(jobs.run)
app.command("replay")(replay.replay)
app.command("why")(run.why)
app.command("project")(project.project)
app.command("adopt")(ledger.adopt)
app.command("doctor")(doctor.doctor)
app.command("approve")(desk.approve)
app.command("cancel")(items.cancel)
app.command("cancel-study")(items.cancel_study)
app.command("cancel-deleted")(items.cancel_deleted)
app.command("write-off")(items.write_off)
app.command("verify")(items.verify)
app.command("unpaid")(items.unpaid)
app.command("reassign")(items.reassign)
app.command("dispute")(items.dispute)
app.command("settle")(items.settle)
app.command("hold")(items.hold)
app.command("release")(items.release)
app.command("correct")(items.correct)
app.command("decide")(items.decide)
app.add_typer(ledger.ledger_app, name="ledger")
app.add_typer(payments.payments_app, name="payments")
app.add_typer(changes.changes_app, name="changes")
app.add_typer(changes.mirror_app, name="mirror")
app.add_typer(desk.prices_app, name="prices")
app.add_typer(desk.exempt_app, name="exempt")
app.add_typer(registers.staff_app, name="staff")
app.add_typer(registers.ban_app, name="ban")
app.add_typer(registers.retain_app, name="retain")
app.add_typer(registers.decision_app, name="decision")
app.add_typer(registers.bounce_app, name="bounce")
app.add_typer(registers.people_app, name="people")
app.add_typer(study_ids.study_ids_app, name="study-ids")
app.add_typer(desk.outbox_app, name="outbox")
