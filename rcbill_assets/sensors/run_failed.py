"""A run that fails is told to the REDCap team, through the outbox like every other message."""

from dagster import DefaultSensorStatus, RunFailureSensorContext, SensorDefinition, run_failure_sensor

from rcbill_assets.adhoc_jobs import JOBS
from rcbill_assets.assets.run import FILE_TAG
from rcbill_assets.errors import RcbillError
from rcbill_assets.messages.compose import run_failed_message
from rcbill_assets.resources.post_office import deliver
from rcbill_assets.resources.run_reasons import why_it_failed
from rcbill_assets.resources.site import Site

BY_HAND = {job.name for job in JOBS}


def run_failed_sensor(site: Site) -> SensorDefinition:
    """Return the sensor that notifies of failed runs."""

    @run_failure_sensor(
        name="run_failed",
        default_status=DefaultSensorStatus.RUNNING,
        description="Mails the REDCap team when a run has failed: which, for what month, and why.",
    )
    def run_failed(context: RunFailureSensorContext) -> None:
        run = context.dagster_run
        if run.job_name in BY_HAND:
            # Who filled in the form sees what was wrong with it, and nothing was done.
            return
        now = site.clock.now()
        message = run_failed_message(
            run.run_id,
            run.job_name,
            run.tags.get(FILE_TAG) or run.tags.get("dagster/partition", ""),
            "\n".join(why_it_failed(context.instance, run.run_id))
            or "No reason is known; see the run's log in the UI.",
            now,
            site.policy,
            site.templates,
        )
        try:
            site.outbox.record(message, run_id=run.run_id, now=now)
            # Hand-offs leave with a run of their month, not with the news that one has failed.
            deliver(
                site.outbox,
                site.mailer,
                site.clock,
                run.run_id,
                site.to_send(handoffs=False),
            )
        except RcbillError as error:
            # The ledger may be what failed: the sensor's tick then says so in the UI.
            raise RuntimeError(f"The failure of run {run.run_id} could not be told: {error}") from None

    return run_failed
