"""DeepEval: the user's own loop asks the model through OpenAI's SDK, then ``evaluate()`` scores what came.

Its cache is off: with ``write_cache`` (the default) its CPU time grows with the square of the cases. It has no state for "no
answer", so the loop passes on the text of an error. It has no resume.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.evals.tool import Environment, Tool, job_of, script, size
from benchmarks.evals.work import (
    ASSERTIONS,
    FAILED,
    KEY,
    MAX_TOKENS,
    MODEL,
    PASSED,
    Job,
    answer,
    case_id,
    invoice,
    messages,
    number_of,
    validator,
    verdicts,
)

_STORE = "runs/**/*.json"
ENVIRONMENT = Environment("deepeval", ("deepeval==4.3.1", "openai==3.52.0", "jsonschema==4.26.0"))


async def collected(job: Job) -> list[str]:
    """The model's answers in order, C at a time."""
    from openai import AsyncOpenAI, OpenAIError

    client = AsyncOpenAI(base_url=job.url, api_key=KEY)
    free = asyncio.Semaphore(job.concurrency)

    async def ask(case: int) -> str:
        async with free:
            try:
                reply = await client.chat.completions.create(
                    model=MODEL, messages=messages(case), temperature=0, max_tokens=MAX_TOKENS
                )
            except (OpenAIError, ValueError) as error:
                return f"error: {error}"
            return reply.choices[0].message.content or ""

    return await asyncio.gather(*(ask(case) for case in range(job.cases)))


def run(job: Job) -> None:
    """Collect, then evaluate with five metrics."""
    from deepeval import evaluate
    from deepeval.evaluate.configs import AsyncConfig, CacheConfig, DisplayConfig
    from deepeval.metrics import BaseMetric
    from deepeval.test_case import LLMTestCase

    valid = validator()

    class Field(BaseMetric):
        """One of the five assertions."""

        def __init__(self, name: str) -> None:
            self.name = name
            self.threshold = 1.0
            self.async_mode = True
            self.include_reason = False

        def measure(self, test_case: LLMTestCase, *_args: object, **_options: object) -> float:
            """1.0 where it holds."""
            case = number_of(test_case.input)
            self.success = verdicts(test_case.actual_output or "", case, valid)[self.name]
            self.score = float(self.success)
            return self.score

        async def a_measure(self, test_case: LLMTestCase, *args: object, **options: object) -> float:
            """The same."""
            return self.measure(test_case, *args, **options)

        def is_successful(self) -> bool:
            """Whether it held."""
            return bool(self.success)

        @property
        def __name__(self) -> str:
            return self.name

    answers = asyncio.run(collected(job))
    evaluate(
        [
            LLMTestCase(name=case_id(case), input=invoice(case), actual_output=text, expected_output=answer(case))
            for case, text in enumerate(answers)
        ],
        metrics=[Field(name) for name in ASSERTIONS],
        async_config=AsyncConfig(max_concurrent=job.concurrency),
        cache_config=CacheConfig(write_cache=False, use_cache=False),
        display_config=DisplayConfig(
            show_indicator=False, print_results=False, inspect_after_run=False, results_folder=str(job.folder / "runs")
        ),
    )


def read(job: Job) -> dict[int, str]:
    """Verdicts of the test run's file."""
    found: dict[int, str] = {}
    for path in job.folder.glob(_STORE):
        for case in json.loads(path.read_text(encoding="utf-8"))["testCases"]:
            found[number_of(case["input"])] = PASSED if case["success"] else FAILED
    return found


TOOLS = (
    Tool(
        name="deepeval",
        label="DeepEval",
        version="4.3.1",
        environment=ENVIRONMENT,
        command=lambda job: script(ENVIRONMENT.python, "peer_deepeval", job),
        verdicts=read,
        stored=lambda job: size(job, _STORE),
        variables=lambda _job: {
            "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
            "DEEPEVAL_DISABLE_DOTENV": "1",
            "DEEPEVAL_NO_INSPECT_PROMPT": "1",
            "DEEPEVAL_UPDATE_WARNING_OPT_IN": "0",
        },
    ),
)

if __name__ == "__main__":
    run(job_of(sys.argv[1:]))
