"""How long the connection to a database may take to come about: a server that does not answer holds nobody up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONNECT_SECONDS = 10
_OPTIONS = {  # of the drivers whose option for it takes seconds
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mysqlconnector": "connection_timeout",
    "pymssql": "login_timeout",
    "pyodbc": "timeout",
    "oracledb": "tcp_connect_timeout",
    "asyncpg": "timeout",
}


def connect_limit(driver: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What a driver has to be told so that it gives up; ``said`` are the options of the URL, whose own limit holds.

    A driver that is not known here is told nothing.
    """
    option = _OPTIONS.get(driver)
    return {} if option is None or option in said else {option: CONNECT_SECONDS}
