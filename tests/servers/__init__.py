"""Real servers for tests and benchmarks: fresh data, a free loopback port, gone when the process that asked is gone.

programs.py   where the server programs are, and which Debian package brings one
processes.py  how a server process is started, awaited and ended
databases.py  MariaDB and PostgreSQL
smtp.py       a mail server that records what it took, and misbehaves on demand
fixtures.py   the same as pytest fixtures
"""
