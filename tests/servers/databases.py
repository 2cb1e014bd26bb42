"""MariaDB and PostgreSQL as a site would have them, except that they do not wait for the disk."""

import os
import pwd
import secrets
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from sqlalchemy import URL, NullPool, Row, create_engine, text
from sqlalchemy.exc import OperationalError

from tests.servers.processes import free_port, run, serving, work_folder, wrapped
from tests.servers.programs import PROGRAMS

HOST = "127.0.0.1"


@dataclass(frozen=True)
class DatabaseServer(ABC):
    """A running server. `user` may do everything in the databases that `database` makes, and nothing else."""

    port: int
    host: str = HOST
    user: str = "rcbill"
    # Distinctive, so that tests can look for it where it must not appear, and awkward, as a site's own may be: it has
    # to be quoted in a URL. See `leaks`.
    password: str = "kreuz@quer/7%tor:x"
    admin: str = "admin"
    admin_password: str = "ober@haupt/9%tor:y"

    drivername: ClassVar[str]
    # One that is always there
    admin_database: ClassVar[str]

    @abstractmethod
    def make(self, name: str) -> None:
        """Make a database and give it to `user`."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Drop a database, even when somebody still has a transaction open."""

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database, for the ordinary user."""
        return self._url(self.user, self.password, database)

    def admin_url(self, database: str | None = None) -> str:
        """The same for the user who may do everything: to make users, load dumps, set globals."""
        return self._url(self.admin, self.admin_password, database)

    def _url(self, user: str, password: str, database: str | None) -> str:
        url = URL.create(self.drivername, user, password, self.host, self.port, database)
        return url.render_as_string(hide_password=False)

    @property
    def leaks(self) -> tuple[str, ...]:
        """What must not be found in logs, metadata and errors: the passwords, plain and as they stand in a URL."""
        return tuple(form for secret in (self.password, self.admin_password) for form in (secret, quote(secret, "")))

    def execute(self, *statements: str, **values: object) -> list[Row[Any]]:
        """Run statements as the one who may do everything, each by itself; the rows of the last."""
        engine = create_engine(self.admin_url(self.admin_database), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        rows: list[Row[Any]] = []
        with engine.connect() as connection:
            for statement in statements:
                result = connection.execute(text(statement), values)
                rows = list(result) if result.returns_rows else []
        return rows

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            self.execute("SELECT 1")
        except OperationalError:
            return False
        return True

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a fresh, empty database, dropped afterwards."""
        name = f"test_{secrets.token_hex(6)}"
        self.make(name)
        try:
            yield self.url(name)
        finally:
            self.drop(name)


class MariaDB(DatabaseServer):
    """A running MariaDB."""

    drivername = "mysql+pymysql"
    admin_database = "mysql"

    def make(self, name: str) -> None:
        self.execute(f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO {self.user}")

    def drop(self, name: str) -> None:
        # The DROP would wait a day for an open transaction that has read a table of it.
        sessions = self.execute("SELECT id FROM information_schema.processlist WHERE db = :name", name=name)
        for (session,) in sessions:
            with suppress(OperationalError):  # It may be gone by now
                self.execute(f"KILL {session}")
        self.execute(f"DROP DATABASE IF EXISTS {name}", f"REVOKE ALL ON {name}.* FROM {self.user}")


class Postgres(DatabaseServer):
    """A running PostgreSQL."""

    drivername = "postgresql+psycopg2"
    admin_database = "postgres"

    def make(self, name: str) -> None:
        self.execute(f"CREATE DATABASE {name} OWNER {self.user}")

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def mariadb(*options: str) -> Iterator[MariaDB]:
    """A fresh MariaDB. `options` are mariadbd's own, and win: `--log-bin`, `--innodb-buffer-pool-size=1G` ..."""
    install, serve = PROGRAMS["mariadb"].path("mariadb-install-db"), PROGRAMS["mariadb"].path("mariadbd")
    server = MariaDB(free_port())
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    with work_folder() as folder:
        data = folder / "data"
        # Two servers that share one take each other's temporary tables away, the one that installs included
        own_tmpdir = f"--tmpdir={folder}"
        run(
            [
                str(install),
                "--no-defaults",
                f"--datadir={data}",
                own_tmpdir,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *as_root,
            ],
            folder,
        )
        users = folder / "users.sql"
        users.write_text(
            f"CREATE USER {server.user} IDENTIFIED BY '{server.password}';\n"
            f"CREATE USER {server.admin} IDENTIFIED BY '{server.admin_password}';\n"
            f"GRANT ALL ON *.* TO {server.admin} WITH GRANT OPTION;\n"
            # Made by mariadb-install-db, with no password
            "DELETE FROM mysql.global_priv WHERE User = 'root';\n"
            "FLUSH PRIVILEGES;\n"
        )
        command = [
            str(serve),
            "--no-defaults",  # The system's own configuration is for the system's own server
            *as_root,
            f"--datadir={data}",
            own_tmpdir,
            f"--bind-address={HOST}",
            f"--port={server.port}",
            "--socket=mariadb.sock",  # In the data folder: a longer path may be longer than a socket's can be
            "--skip-name-resolve",
            f"--init-file={users}",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-innodb-doublewrite",
            *options,
        ]
        with serving(wrapped(command), folder, server.ready):
            yield server


@contextmanager
def postgres(*options: str) -> Iterator[Postgres]:
    """A fresh PostgreSQL. `options` are postgres' own, and win: `-c`, `timezone=America/New_York` ..."""
    initialise, serve = PROGRAMS["postgres"].path("initdb"), PROGRAMS["postgres"].path("postgres")
    server = Postgres(free_port())
    owner = _not_root()
    with work_folder(owner) as folder:
        data, password = folder / "data", folder / "password"
        password.write_text(server.admin_password)
        command = [
            str(initialise),
            f"--pgdata={data}",
            f"--username={server.admin}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        run(wrapped(command, owner), folder)
        settings = {
            "listen_addresses": HOST,
            "port": server.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        command = [str(serve), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # QUIT: the one signal that makes it end at once and take its children along.
        command = wrapped([*command, *options], owner, dies_by="QUIT")
        with serving(command, folder, server.ready, ends_by=signal.SIGQUIT):
            server.execute(f"CREATE ROLE {server.user} LOGIN PASSWORD '{server.password}'")
            yield server


def _not_root() -> str | None:
    """Whom PostgreSQL is to run as: us, or, as it refuses root, the user its Debian package makes."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"
