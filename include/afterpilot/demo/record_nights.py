"""Record the live model's answers to the invoices' eval cases, for the nights that the demo replays.

    AFTERPILOT_MODEL_KEY=… python -m afterpilot.demo.record_nights --base-url http://127.0.0.1:18080/v1

Five takes under the prompt in production, and two under a shorter one that has its first worked example alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from afterpilot.demo.ai_app import RECORDED, AiApp
from afterpilot.demo.eval_history import PROMPT_DIGITS
from afterpilot.demo.model_server import KEY_VARIABLE, MODEL_NAME, WEIGHTS_SHA256
from afterpilot.demo.record_answers import WORKFLOWS
from afterpilot.domain.prompt import Prompt

FOLDER = WORKFLOWS / "invoice_matching"
TAKES, SHORTER_TAKES = 5, 2
_SLOTS = 2


def shorter(prompt: Prompt) -> Prompt:
    """The prompt with its system turn, its first worked example and its question."""
    turns = [part for part in re.split(r"(?m)^(?=## )", prompt.text) if part.strip()]
    return Prompt("".join([*turns[:3], turns[-1]]))


def take(app: AiApp, prompt: Prompt, number: int, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One answer to each case, as it is kept."""
    with ThreadPoolExecutor(_SLOTS) as pool:
        answers = list(pool.map(lambda case: app.answer(case["id"], case["vars"]), cases))
    return [
        {
            "prompt": prompt.sha256[:PROMPT_DIGITS],
            "take": number,
            "case": answer.key,
            "text": answer.text,
            "input_tokens": answer.prompt_tokens,
            "cached_tokens": answer.cached_tokens,
            "output_tokens": answer.completion_tokens,
            "latency_ms": answer.latency_ms,
        }
        for answer in sorted(answers, key=lambda one: one.key)
    ]


def main() -> None:
    """Parse the command line, ask, and write the recording whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--out", type=Path, default=RECORDED / "eval_nights.jsonl")
    options = parser.parse_args()
    console = Console()
    used = Prompt((FOLDER / "prompt.md").read_text(encoding="utf-8"))
    schema = json.loads((FOLDER / "output.schema.json").read_text(encoding="utf-8"))
    cases = [json.loads(line) for line in (FOLDER / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    short = shorter(used)
    head = {
        "model": MODEL_NAME,
        "weights_sha256": WEIGHTS_SHA256,
        "prompts": {used.sha256: "", short.sha256: short.text},
    }
    lines = [head]
    for prompt, takes in ((used, TAKES), (short, SHORTER_TAKES)):
        key = os.environ.get(KEY_VARIABLE, "")
        app = AiApp(base_url=options.base_url, api_key=key, model=MODEL_NAME, prompt=prompt, schema=schema)
        for number in range(takes):
            with console.status(f"take {number + 1} of {takes} under prompt {prompt.sha256[:7]} …"):
                lines += take(app, prompt, number, cases)
    part = options.out.with_name(f"{options.out.name}.part")
    part.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    part.replace(options.out)
    console.print(f"{len(lines) - 1} answers recorded in {options.out}", markup=False)


if __name__ == "__main__":
    main()
