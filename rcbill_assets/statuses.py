"""The statuses of a line item and the moves allowed between them (DOMAIN.md section 7, status table). Pure."""

from __future__ import annotations

DRAFT, SENT, INVOICED, UNRECONCILED, PAID, CANCELED = STATUSES = (
    "draft", "sent", "invoiced", "unreconciled", "paid", "canceled",
)  # fmt: skip

# status -> what it may become. Who may move it is said where the move is made: hand-off, file or person.
MOVES: dict[str, tuple[str, ...]] = {
    DRAFT: (SENT, CANCELED),
    SENT: (INVOICED, UNRECONCILED, PAID, CANCELED),
    INVOICED: (UNRECONCILED, PAID, CANCELED),
    UNRECONCILED: (PAID, INVOICED, CANCELED),
    PAID: (),
    CANCELED: (),
}

ALLOWED_MOVES: frozenset[tuple[str, str]] = frozenset(
    (before, after) for before, afters in MOVES.items() for after in afters
)

REGULAR, ADJUSTMENT, REVERSAL = LINE_KINDS = ("regular", "adjustment", "reversal")
OUTBOX_STATUSES = ("recorded", "sending", "accepted", "failed", "bounced", "unknown")

# Change sets (DOMAIN.md section 9). `expect`: a value that must still stand, though it is not changed.
INSERT, UPDATE, DELETE, EXPECT = CHANGE_ACTIONS = ("insert", "update", "delete", "expect")
PLAN, APPLY = CHANGE_MODES = ("plan", "apply")
# `unchanged`: it had the new value already, not by this set.
APPLIED, CONFLICT, UNCHANGED = CHANGE_RESULTS = ("applied", "conflict", "unchanged")
# Of rates written back by REDCap's API, which may take a value and keep another.
PLANNED, REFUSED = "planned", "refused"
RATE_RESULTS = (PLANNED, *CHANGE_RESULTS, REFUSED)

# What is done to a project (DOMAIN.md section 8), and the notices that tell of it (section 10).
SEQUESTERED, RELEASED, DELETED = CONSEQUENCES = ("sequestered", "released", "deleted")
IMPENDING_BILL, CORRECT_OWNERSHIP, OVERDUE, WILL_BE_DELETED, TOLD_SEQUESTERED, TOLD_RELEASED = NOTICES = (
    "impending_bill", "correct_ownership", "overdue", "will_be_deleted", "sequestered", "released",
)  # fmt: skip
# The same of table-based accounts (section 12).
EXPIRED, REOPENED = ACCOUNT_CONSEQUENCES = ("expired", "reopened")
ACCOUNT_OVERDUE, TOLD_EXPIRED = ACCOUNT_NOTICES = ("account_overdue", "account_expired")
# Templates of mail that waits for the door of owners' mail.
TO_OWNERS = (*NOTICES, *ACCOUNT_NOTICES)

# Where a study id comes from that a person brings: to begin with, or as the fiscal team's word.
PROVISIONAL, ASSIGNED = STUDY_ID_KINDS = ("provisional", "assigned")
