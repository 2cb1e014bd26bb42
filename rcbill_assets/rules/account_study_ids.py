"""Which study id an account is billed with (DOMAIN.md section 12): imputed, with its evidence, until assigned. Pure."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.accounts import CODE
from rcbill_assets.rules.facts import looked_up
from rcbill_assets.rules.study_ids import PROJECT, study_ids_of
from rcbill_assets.schemas.accounts import ACCOUNT_STUDY_IDS
from rcbill_assets.schemas.intake import conform
from rcbill_assets.text import comparable


def account_study_ids(
    accounts: pd.DataFrame,
    projects: pd.DataFrame,
    instances: pd.DataFrame,
    known: pd.DataFrame,
    related: pd.DataFrame,
) -> pd.DataFrame:
    """Return the study id of each account (schema ACCOUNT_STUDY_IDS), in the order of `accounts`.

    `projects`: schema ACCOUNT_PROJECTS; `instances`: schema SERVICE_INSTANCES; `known` and `related` as in
    `study_ids.study_ids_of`. Imputed is that of the oldest affiliated project whose PI's address is the request's,
    failing that of the oldest one; of projects of one age the lowest number counts.
    """
    rows = projects.merge(accounts[["account", "pi_email"]], on="account", suffixes=("", "_of_request"))
    same_pi = comparable(rows["pi_email"]).eq(comparable(rows["pi_email_of_request"])).fillna(False).astype(bool)
    rows = rows.assign(other_pi=~same_pi).sort_values(
        ["account", "other_pi", "creation_time", "project_id"], kind="stable", na_position="last"
    )
    best = rows.drop_duplicates("account").set_index("account")
    numbers = rows.sort_values(["account", "project_id"])["project_id"].astype("string")
    listed = numbers.groupby(rows["account"]).agg(", ".join).astype("string")
    account = accounts["account"]
    frame = pd.DataFrame(
        {
            "account": account,
            "related_project_ids": looked_up(account, listed),
            "project_id": looked_up(account, best["project_id"]),
        }
    )
    thing = PROJECT + "-" + frame["project_id"].astype("string")
    instance = instance_of(account, instances)
    own = instances.set_index("service_instance_id")["study_id"].astype("string")
    assigned = looked_up(instance, own)
    shared = study_ids_of(instance, known, related)
    imputed = study_ids_of(thing, known, related)
    other_pi = looked_up(account, best["other_pi"])
    whose = pd.Series("the oldest with its PI", index=account.index).mask(
        other_pi.fillna(False).astype(bool), "the oldest of its projects"
    )
    by_project = "project " + frame["project_id"].astype("string") + ", " + whose
    evidence = by_project.where(imputed.notna(), by_project + ", which has none")
    by_others = shared.notna() & assigned.isna()
    evidence = evidence.mask(by_others, "brought, or shared with what belongs to it").mask(assigned.notna(), "assigned")
    return conform(
        frame.assign(
            study_id_imputed=imputed,
            study_id_assigned=assigned,
            study_id=assigned.fillna(shared).fillna(imputed),
            study_id_evidence=evidence,
        ),
        ACCOUNT_STUDY_IDS,
    )


def instance_of(account: pd.Series, instances: pd.DataFrame) -> pd.Series:
    """Return the service instance of each account: the one that there is, however it writes the name, or will be."""
    there = instances[instances["service_code"] == CODE]
    there = there.assign(account=comparable(there["identifier"])).drop_duplicates("account")
    found = looked_up(account, there.set_index("account")["service_instance_id"].astype("string"))
    return found.fillna(f"{CODE}-" + account.astype("string"))
