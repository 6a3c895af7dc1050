# ruff: noqa: INP001 - a script of its own, not part of a package
"""Say by exit code whether a service answers that it is well: ``healthy.py URL [COMPONENT]``.

Without a component any good answer will do. With one, the reply must be Airflow's health report,
``{"scheduler": {"status": "healthy"}, ...}``, and call it healthy. `airflow jobs check` says the same at the price of a
whole start of Airflow, about five CPU-seconds each time; this costs a few hundredths.
"""

from __future__ import annotations

import json
import sys
import urllib.request

TIMEOUT_SECONDS = 5


def problem(url: str, component: str = "") -> str:
    """What is wrong with the service, or an empty string."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310 - the address stands in docker-compose.yaml
            report = json.load(reply) if component else {}
    except (OSError, ValueError) as error:
        return f"{url} did not answer as it should: {error}"
    if not component:
        return ""
    status = (report.get(component) or {}).get("status")
    return "" if status == "healthy" else f"{component} is {status or 'not reported'}"


def main(arguments: list[str]) -> int:
    """0 when healthy, 1 when not; the reason goes where `docker inspect` shows it."""
    if text := problem(*arguments):
        print(text)  # noqa: T201 - the output of a health check
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
