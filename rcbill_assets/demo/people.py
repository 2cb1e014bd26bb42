"""The users of a make-believe site: `redcap_user_information` and `redcap_auth`. Pure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rcbill_assets.demo.columns import (
    DAY,
    SECOND,
    SITE_AGE,
    Moments,
    Rng,
    Texts,
    chance,
    growing_moments,
    moments,
    moments_between,
    pick,
    text,
)
from rcbill_assets.demo.names import FIRST_NAMES, FIRST_PLAIN, LAST_NAMES, LAST_PLAIN, STAFF_UI_IDS

FOUNDERS = 80
"""The first users came with the installation, so any project may be theirs; the bad cases' owners are among them."""


def addresses(rng: Rng, names: Texts) -> Texts:
    """Email addresses of the made-up kind, one for each local part."""
    domains = np.where(chance(rng, len(names), 0.8), "@example.org", "@example.edu")
    return np.strings.add(names, domains)


def make_users(rng: Rng, size: int, today: np.datetime64) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`redcap_user_information`, a row per user, ui_id from 1, and `redcap_auth`, a row per table-based account."""
    ui_id = np.arange(1, size + 1)
    first = rng.integers(0, len(FIRST_NAMES), size)
    last = rng.integers(0, len(LAST_NAMES), size)
    initial = FIRST_PLAIN[first].astype("U1")
    number = ui_id.astype("U8")
    username = np.strings.add(np.strings.add(initial, LAST_PLAIN[last]), number)

    ordinary = ui_id > FOUNDERS
    external = ordinary & chance(rng, size, 0.02)
    external[-3:] = True
    username = np.where(external, np.strings.add("ext.", username), username)
    email = addresses(rng, username)
    long_form = np.strings.add(np.strings.add(FIRST_PLAIN[first], "."), np.strings.add(LAST_PLAIN[last], number))
    other_email = np.strings.add(long_form, "@example.edu")

    capitals = ordinary & chance(rng, size, 0.03)
    username = np.where(capitals, np.strings.upper(username), username)
    capitals = ordinary & chance(rng, size, 0.03)
    email = np.where(capitals, np.strings.capitalize(email), email)
    padded = ordinary & chance(rng, size, 0.004)
    username = np.where(padded, np.strings.add(np.strings.add(" ", username), " "), username)
    padded = ordinary & chance(rng, size, 0.004)
    email = np.where(padded, np.strings.add(np.strings.add(" ", email), "  "), email)

    start = today - SITE_AGE - 30 * DAY
    created = growing_moments(rng, size, start, today)
    created[:FOUNDERS] = start + np.arange(FOUNDERS) * 3600 * SECOND
    recent = np.maximum(created, today - 100 * DAY)
    active = chance(rng, size, 0.6)
    last_login = np.where(active, moments_between(rng, recent, today, 0.7), moments_between(rng, created, today, 1.3))
    seen: Moments = np.minimum(last_login + rng.integers(0, 3600, size) * SECOND, today - SECOND)
    never = ordinary & chance(rng, size, 0.04)
    suspended_at = moments_between(rng, last_login, today)
    staying = ~chance(rng, size, 0.12) | (active & chance(rng, size, 0.8)) | np.isin(ui_id, STAFF_UI_IDS)

    # Accounts expire at the end of their half-year; some have lapsed. Sponsors are users themselves, mostly.
    expires = today + rng.integers(-120, 180, size) * DAY
    sponsor = username[rng.integers(0, FOUNDERS, size)]
    sponsor[chance(rng, size, 0.02)] = "nobody-knows"
    users = pd.DataFrame(
        {
            "ui_id": ui_id,
            "username": text(username),
            "user_email": text(
                email, missing=ordinary & chance(rng, size, 0.02), blank=ordinary & chance(rng, size, 0.012)
            ),
            "user_email2": text(other_email, missing=chance(rng, size, 0.85), blank=chance(rng, size, 0.03)),
            "user_email3": text(
                np.strings.add("home.", other_email), missing=chance(rng, size, 0.96), blank=chance(rng, size, 0.1)
            ),
            "user_firstname": text(FIRST_NAMES[first], missing=ordinary & chance(rng, size, 0.01)),
            "user_lastname": text(LAST_NAMES[last], blank=ordinary & chance(rng, size, 0.01)),
            "user_creation": moments(created, missing=ordinary & chance(rng, size, 0.005)),
            "user_lastactivity": moments(seen, missing=never),
            "user_lastlogin": moments(last_login, missing=never),
            "user_suspended_time": moments(suspended_at, missing=staying),
            "user_expiration": moments(expires, missing=~external),
            "user_sponsor": text(sponsor, missing=~external | chance(rng, size, 0.05)),
            "user_comments": text(
                pick(rng, np.array(["", "Visiting scholar", "Moved to another unit"]), size),
                missing=chance(rng, size, 0.97),
            ),
        }
    )
    auth = pd.DataFrame({"username": users.loc[external, "username"].reset_index(drop=True)})
    return users, auth
