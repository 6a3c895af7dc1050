"""The local language model as a process of the demo."""

from __future__ import annotations

import os
import sys
import time

import requests

from afterpilot.demo.processes import Processes
from afterpilot.demo.state import DemoError, Model
from afterpilot.demo.steps import Steps

_SECONDS = 120


def start_model(model: Model, processes: Processes, steps: Steps) -> None:
    """Start the model's server and wait until it answers; one of your own is there already.

    Raises:
        DemoError: it does not answer in time.
    """
    if not model.local:
        steps.note(f"Asking {model.name} at {model.base_url}, as .env says")
        return
    port = model.base_url.rsplit(":", 1)[1].split("/")[0]
    environ = {**os.environ, "AFTERPILOT_MODEL_KEY": model.key}
    with steps.step("Starting the language model (SmolLM2-135M, on this machine)"):
        processes.start("model", [sys.executable, "-m", "afterpilot.demo.model_server", "--port", port], environ)
        deadline = time.monotonic() + _SECONDS
        while not _healthy(model.base_url.removesuffix("/v1")):
            processes.require_alive()
            if time.monotonic() > deadline:
                raise DemoError(f"The model does not answer after {_SECONDS} s.\n{processes.tail('model')}")
            time.sleep(0.2)


def _healthy(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.RequestException:
        return False
