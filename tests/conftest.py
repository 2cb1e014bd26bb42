"""What every test gets: the servers (servers/fixtures.py), the peer's recorded cases (recorded.py) and the rules
(collection.py). Fixtures of one tier belong into the conftest.py of its folder.
"""

import os

pytest_plugins = ["tests.servers.fixtures", "tests.recorded", "tests.collection", "pytester"]

# Dagster writes what it would send home; tests neither send nor write outside their own folders.
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
