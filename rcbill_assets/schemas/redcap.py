"""REDCap's tables as the pipeline reads them (DOMAIN.md section 2): only the columns that something here reads.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandera.pandas as pa

from rcbill_assets.schemas.columns import flag, instant, text, whole


@dataclass(frozen=True)
class Source:
    """A table of REDCap: its schema, its key, and which project a bad row of it holds back."""

    table: str
    key: str
    schema: pa.DataFrameSchema
    project_column: str | None = None  # the column that names the project a bad row holds back
    user_column: str | None = None  # the column that names the user whose projects a bad row holds back
    may_be_empty: bool = False


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
            "creation_time": instant("When the project was created; its anniversary is billed"),
            "date_deleted": instant("When it was deleted; missing while it lives"),
            "project_pi_firstname": text("First name of the PI named in the project"),
            "project_pi_lastname": text("Last name of the PI named in the project"),
            "project_pi_email": text("Address of the PI named in the project"),
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
        },
        name="redcap_entity_project_ownership",
    ),
    may_be_empty=True,
)

SOURCES: tuple[Source, ...] = (CONFIG, PROJECTS, USER_INFORMATION, PROJECT_OWNERSHIP)
