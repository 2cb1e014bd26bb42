"""What a database refuses is told in one sentence: the thing, the place, the mend, no secret."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from rcbill_assets.errors import LedgerError, RcbillError, SettingsError, SourceError, UnreachableError
from rcbill_assets.ledger.engine import explained, explanation, lost_a_race, make_engine, parse_url, shown, write

MARIADB = parse_url("mysql://reader:ge%40heim@host:3307/redcap?charset=latin1", "x")


class Refusal(Exception):
    """A driver's error: with a code and a text as PyMySQL's, or a text only as the others'."""


class UndefinedTable(Exception):
    """As psycopg2 calls it."""


def refused(*arguments: object, kind: type[Exception] = Refusal) -> exc.DBAPIError:
    return exc.OperationalError("SELECT 1", {}, kind(*arguments))


class TestUrls:
    @pytest.mark.parametrize(
        ("text", "driver"),
        [
            ("sqlite:///a.db", "sqlite"),
            ("mysql://u@h/d", "mysql+pymysql"),
            ("mysql+mysqldb://u@h/d", "mysql+pymysql"),
            ("mariadb://u@h/d", "mysql+pymysql"),
            ("postgres://u@h/d", "postgresql+psycopg2"),
            ("postgresql+psycopg://u@h/d", "postgresql+psycopg2"),
        ],
    )
    def test_the_driver_is_this_houses(self, text: str, driver: str) -> None:
        assert parse_url(text, "x").drivername == driver

    @pytest.mark.parametrize("text", ["", "ledger.db", "oracle://u:geheim@h/d", "mysql://u:geheim@h:port/d", "://"])
    def test_what_is_none_is_refused_without_repeating_it(self, text: str) -> None:
        with pytest.raises(
            SettingsError, match="The URL of the ledger is not one that can be used: write sqlite:///"
        ) as it:
            parse_url(text, "the ledger")
        assert "geheim" not in str(it.value)

    def test_shown_are_neither_password_nor_options(self) -> None:
        assert shown(MARIADB) == "mysql+pymysql://reader:***@host:3307/redcap"

    @pytest.mark.parametrize("option", ["ssl_ca", "ssl_cert", "ssl_key"])
    def test_a_certificate_that_is_not_there_is_named(self, option: str) -> None:
        with pytest.raises(SettingsError, match=f"The URL of the ledger names the file /nowhere.pem .{option}., which"):
            make_engine(f"mysql://u:geheim@h/d?{option}=/nowhere.pem", "the ledger")

    def test_what_is_read_from_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"The file of the REDCap database, .*none\.db, is not there"):
            make_engine(f"sqlite:///{tmp_path / 'none.db'}", "the REDCap database", read_only=True)

    def test_a_database_that_is_only_read_cannot_be_written(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute("CREATE TABLE t (a INTEGER)")
        reader = make_engine(f"sqlite:///{tmp_path / 'a.db'}", "x", read_only=True)
        with reader.connect() as reading, pytest.raises(exc.OperationalError, match="readonly"):
            reading.exec_driver_sql("INSERT INTO t VALUES (1)")


# (the driver's error, the kind of ours, what the sentence says)
REFUSALS = [
    (refused(1045, "Access denied for user"), SourceError, "refuses the user name or password: check both"),
    (refused(1698, "Access denied"), SourceError, "refuses the user name or password"),
    (refused('FATAL:  password authentication failed for user "x"'), SourceError, "refuses the user name or password"),
    (refused("fe_sendauth: no password supplied"), SourceError, "refuses the user name or password"),
    (refused(1044, "Access denied to database"), SourceError, "does not let this user do that: grant the rights of"),
    (refused(1142, "SELECT command denied"), SourceError, "It says: (1142, 'SELECT command denied')"),
    (refused("permission denied for table runs"), SourceError, "does not let this user do that"),
    (refused(1049, "Unknown database"), SourceError, "does not exist on that server: check the database name"),
    (refused('database "rcbill" does not exist'), SourceError, "does not exist on that server"),
    (refused(2003, "Can't connect"), UnreachableError, "does not answer: check that the server runs and that host"),
    (refused(2013, "Lost connection"), UnreachableError, "any more ((2013, 'Lost connection')): check"),
    (refused(2006, "MySQL server has gone away"), UnreachableError, "its max_allowed_packet and wait_timeout"),
    (refused("server closed the connection unexpectedly"), UnreachableError, "broke off and does not"),
    (refused(1153, "Got a packet bigger than"), LedgerError, "raise max_allowed_packet at the server"),
    (refused(1040, "Too many connections"), UnreachableError, "has no connection left ((1040, 'Too many conn"),
    (refused(1203, "User x has more than 'max_user_connections'"), UnreachableError, "has no connection left"),
    (
        refused('connection to server at "h" failed: FATAL:  sorry, too many clients already'),
        UnreachableError,
        "too many clients already): end some, or raise its limit",
    ),
    (
        refused('connection to server at "h" failed: FATAL:  remaining connection slots are reserved'),
        UnreachableError,
        "has no connection left",
    ),
    (
        refused('connection to server at "h" failed: server does not support SSL, but SSL was required'),
        SourceError,
        "and this program do not agree on TLS (connection to server at",
    ),
    (refused(2003, "Can't connect ([SSL: CERTIFICATE_VERIFY_FAILED] x)"), SourceError, "do not agree on TLS"),
    (refused(3159, "Connections using insecure transport are prohibited"), SourceError, "do not agree on TLS"),
    (
        refused('connection to server at "h" failed: FATAL:  no pg_hba.conf entry for host "1.2.3.4"'),
        SourceError,
        "does not let this machine in",
    ),
    (refused(1130, "Host 'h' is not allowed to connect"), SourceError, "allow its address at the server"),
    (refused('connection to server at "h" failed: Connection refused'), UnreachableError, "does not answer"),
    (refused('could not translate host name "h" to address'), UnreachableError, "does not answer"),
    (refused(1146, "Table 'redcap.x' doesn't exist"), SourceError, "lacks what is read there"),
    (refused(1054, "Unknown column 'x'"), SourceError, "look at the schema"),
    (refused("no such table: redcap_projects"), SourceError, "(no such table: redcap_projects): look at the schema"),
    (refused("no such column: x"), SourceError, "lacks what is read there"),
    (refused('relation "x" does not exist', kind=UndefinedTable), SourceError, "lacks what is read there"),
    (refused("unable to open database file"), SourceError, "cannot be opened as a SQLite database: check the path"),
    (refused("file is not a database"), SourceError, "cannot be opened as a SQLite database"),
    (refused("Could not decode to UTF-8 column 'a' with text"), SourceError, "has text that is not UTF-8"),
    (refused(3024, "something new\nDETAIL: more"), LedgerError, "refuses: (3024,"),
    (refused(), LedgerError, "refuses: Refusal"),
]


@pytest.mark.parametrize(
    ("error", "kind", "says"), REFUSALS, ids=lambda value: str(value)[:60] if isinstance(value, str) else None
)
def test_a_refusal_is_one_sentence_with_its_mend(error: exc.DBAPIError, kind: type[RcbillError], says: str) -> None:
    found = explanation(error, "the REDCap database", MARIADB, "look at the schema")
    assert type(found) is kind
    assert str(found).startswith("the REDCap database (mysql+pymysql://reader:***@host:3307/redcap) ")
    assert says in str(found)
    assert "\n" not in str(found)
    assert "heim" not in str(found)


def test_our_own_errors_pass_and_drivers_are_explained() -> None:
    with pytest.raises(LedgerError, match="as it is"), explained("x", MARIADB):
        raise LedgerError("as it is")
    with pytest.raises(UnreachableError, match="the ledger .* does not answer"), explained("the ledger", MARIADB):
        raise refused(2003, "no")
    with pytest.raises(ZeroDivisionError), explained("x", MARIADB):
        _ = 1 / 0


class TestWriting:
    @pytest.fixture
    def engine(self) -> sa.Engine:
        engine = make_engine("sqlite://", "x")
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a INTEGER UNIQUE)")
            connection.commit()
        return engine

    @staticmethod
    def count(engine: sa.Engine) -> int:
        with engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT COUNT(*) FROM t").scalar_one())

    def test_what_a_writer_does_is_committed_whole_or_not_at_all(self, engine: sa.Engine) -> None:
        def half(connection: sa.Connection) -> None:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write(engine, half)
        assert self.count(engine) == 0
        assert write(engine, lambda connection: connection.exec_driver_sql("INSERT INTO t VALUES (1)").rowcount) == 1
        assert self.count(engine) == 1

    def test_a_lost_race_is_tried_again_whole(self, engine: sa.Engine) -> None:
        tries: list[int] = []

        def work(connection: sa.Connection) -> str:
            tries.append(len(tries))
            connection.exec_driver_sql(f"INSERT INTO t VALUES ({len(tries)})")
            if len(tries) < 3:
                raise refused(1213, "Deadlock found")
            return "done"

        assert write(engine, work) == "done"
        assert self.count(engine) == 1

    def test_what_is_no_race_is_not_tried_again(self, engine: sa.Engine) -> None:
        tries = []

        def work(_: sa.Connection) -> None:
            tries.append(1)
            raise refused(1146, "no table")

        with pytest.raises(exc.OperationalError):
            write(engine, work)
        assert len(tries) == 1

    def test_a_race_that_is_always_lost_ends(self, engine: sa.Engine) -> None:
        def work(_: sa.Connection) -> None:
            raise refused("database is locked")

        with pytest.raises(exc.OperationalError, match="locked"):
            write(engine, work)

    def test_a_key_that_is_always_there_ends(self, engine: sa.Engine) -> None:
        write(engine, lambda connection: connection.exec_driver_sql("INSERT INTO t VALUES (1)"))
        with pytest.raises(exc.IntegrityError):
            write(engine, lambda connection: connection.exec_driver_sql("INSERT INTO t VALUES (1)"))

    @pytest.mark.parametrize(
        ("error", "race"),
        [
            (refused(1213, "deadlock"), True),
            (refused(1205, "lock wait timeout"), True),
            (refused(1020, "record has changed"), True),
            (refused("database is locked"), True),
            (refused(1062, "duplicate"), False),
            (refused("no such table"), False),
        ],
        ids=str,
    )
    def test_what_a_lost_race_is(self, error: exc.DBAPIError, *, race: bool) -> None:
        assert lost_a_race(error) is race
