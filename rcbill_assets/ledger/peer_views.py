"""The ledger in the peer's shape."""

from sqlalchemy.engine import Connection


def make_peer_views(connection: Connection) -> None:
    """Make the views anew."""
