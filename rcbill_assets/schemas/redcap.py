"""REDCap's tables as the pipeline reads them (DOMAIN.md section 2): only the columns that something here reads.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandera.pandas as pa

from rcbill_assets.schemas.columns import flag, instant, text, whole

# What REDCap's log tables are called; the name comes from data, and is part of statements.
LOG_TABLE = r"redcap_log_event(?:[2-9]|[1-9][0-9])?"


@dataclass(frozen=True)
class Source:
    """A table of REDCap: its schema, its key, and which project a bad row of it holds back."""

    table: str
    key: str
    schema: pa.DataFrameSchema
    project_column: str | None = None  # the column that names the project a bad row holds back
    user_column: str | None = None  # the column that names the user whose projects a bad row holds back
    may_be_empty: bool = False
    # The file of its SELECT, where a table has two.
    select: str | None = None

    @property
    def sql(self) -> str:
        """The name of the file in dbt_like_sql/sources that reads it."""
        return self.select or self.table


CONFIG = Source(
    table="redcap_config",
    key="field_name",
    schema=pa.DataFrameSchema(
        {
            "field_name": text("Name of the setting", nullable=False, unique=True),
            "value": text("Its value"),
        },
        name="redcap_config",
    ),
)

PROJECTS = Source(
    table="redcap_projects",
    key="project_id",
    project_column="project_id",
    schema=pa.DataFrameSchema(
        {
            "project_id": whole("REDCap's id of the project", unique=True),
            "app_title": text("Title, as written"),
            "purpose": whole("What it is for; 2 is research", nullable=True),
            "creation_time": instant("When the project was created; its anniversary is billed"),
            "completed_time": instant("When it was marked completed, by its users or by a sequestration"),
            "completed_by": text("Who marked it completed: a user, or a job of ours with its reason"),
            "date_deleted": instant("When it was deleted; missing while it lives"),
            "last_logged_event": instant("When something was last logged of it"),
            "log_event_table": text("Its log table"),
            "project_pi_firstname": text("First name of the PI named in the project"),
            "project_pi_lastname": text("Last name of the PI named in the project"),
            "project_pi_email": text("Address of the PI named in the project"),
            "project_pi_username": text("Username of the PI named in the project"),
            "project_irb_number": text("IRB number"),
        },
        name="redcap_projects",
    ),
)

USER_INFORMATION = Source(
    table="redcap_user_information",
    key="ui_id",
    user_column="username",
    schema=pa.DataFrameSchema(
        {
            "ui_id": whole("REDCap's id of the user", unique=True),
            "username": text("Name the user logs in with, as written", nullable=False),
            "user_email": text("First address"),
            "user_email2": text("Second address"),
            "user_email3": text("Third address"),
            "user_firstname": text("First name"),
            "user_lastname": text("Last name"),
            "user_lastlogin": instant("When the user last logged in"),
            "user_suspended_time": instant("When the user was suspended; missing while not"),
        },
        name="redcap_user_information",
    ),
)

PROJECT_OWNERSHIP = Source(
    table="redcap_entity_project_ownership",
    key="id",
    project_column="pid",
    schema=pa.DataFrameSchema(
        {
            "id": whole("Id of the ownership record", unique=True),
            "pid": whole("Project it speaks of"),
            "username": text("Owner's username, as written"),
            "email": text("Owner's address, when not taken from the user"),
            "firstname": text("Owner's first name, when not taken from the user"),
            "lastname": text("Owner's last name, when not taken from the user"),
            "billable": flag("1 billed, 0 not, missing not decided yet"),
            "sequestered": flag("1 sequestered, 0 or missing not"),
            "created": whole("When the record was made", unit="unix seconds", nullable=True),
            "updated": whole("When it was last changed", unit="unix seconds", nullable=True),
        },
        name="redcap_entity_project_ownership",
    ),
    may_be_empty=True,
)

RECORD_COUNTS = Source(
    table="redcap_record_counts",
    key="project_id",
    project_column="project_id",
    schema=pa.DataFrameSchema(
        {
            "project_id": whole("Project", unique=True),
            "record_count": whole("Its records", unit="records", nullable=True),
            "time_of_count": instant("When they were counted"),
        },
        name="redcap_record_counts",
    ),
    may_be_empty=True,
)

# Made of two tables, and of whatever privileges this version of REDCap has (resources/redcap_rights.py).
USER_RIGHTS = Source(
    table="redcap_user_rights",
    key="project_and_user",
    project_column="project_id",
    schema=pa.DataFrameSchema(
        {
            "project_and_user": text("The row's key: project id, a blank, username", nullable=False, unique=True),
            "project_id": whole("Project"),
            "username": text("User, as written", nullable=False),
            "expiration": instant("When the rights end: as that day begins by the site's clock; missing: never"),
            "valid": flag("0 when its role does not exist in its project: it grants nothing", nullable=False),
            "any_privilege": flag("1 when any privilege of the row or its role is granted", nullable=False),
            "high_privilege": flag("1 when `design` or `user_rights` is", nullable=False),
        },
        name="redcap_user_rights",
    ),
    may_be_empty=True,
)

# Table-based accounts (DOMAIN.md section 12): read apart, so that a site that bills none of them grants no more.
AUTH = Source(
    table="redcap_auth",
    key="username",
    schema=pa.DataFrameSchema(
        {"username": text("The account's username, as written", nullable=False, unique=True)}, name="redcap_auth"
    ),
    may_be_empty=True,
)
USER_ACCOUNTS = Source(
    table="redcap_user_information",
    select="redcap_user_accounts",
    key="ui_id",
    user_column="username",
    schema=pa.DataFrameSchema(
        {
            "ui_id": whole("REDCap's id of the user", unique=True),
            "username": text("Name the user logs in with, as written", nullable=False),
            "user_sponsor": text("Username of who answers for the account"),
            "user_expiration": instant("When the account expires; missing: never"),
            "user_comments": text("What administrators have noted of the user"),
        },
        name="redcap_user_accounts",
    ),
)

# What billing reads, table by table; an unreadable value elsewhere does not hold back a bill.
BILLED_PROJECTS: pa.DataFrameSchema = PROJECTS.schema.select_columns(
    [
        "project_id", "app_title", "creation_time", "date_deleted", "project_pi_firstname", "project_pi_lastname",
        "project_pi_email", "project_irb_number",
    ]
)  # fmt: skip
_LIFE_CYCLE_ONLY = {"user_lastlogin", "user_suspended_time", "created", "updated"}
BILLED_COLUMNS: frozenset[str] = frozenset(
    {*BILLED_PROJECTS.columns, *USER_INFORMATION.schema.columns, *PROJECT_OWNERSHIP.schema.columns}
) - frozenset(_LIFE_CYCLE_ONLY)

SOURCES: tuple[Source, ...] = (CONFIG, PROJECTS, USER_INFORMATION, PROJECT_OWNERSHIP)
# What people's work in projects is decided on; read by the daily jobs, not by billing.
WORK_SOURCES: tuple[Source, ...] = (RECORD_COUNTS, USER_RIGHTS)
ACCOUNT_SOURCES: tuple[Source, ...] = (AUTH, USER_ACCOUNTS)
