"""pydantic-evals: the task calls the model through OpenAI's SDK, as its documentation does; the report is kept in memory and
written by the user at the end. It has no resume.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.evals.tool import Environment, Tool, job_of, script, size
from benchmarks.evals.work import (
    ASSERTIONS,
    KEY,
    MAX_TOKENS,
    MODEL,
    Job,
    case_id,
    messages,
    number_of,
    read_lines,
    validator,
    verdicts,
)

_LINES = "report.jsonl"
ENVIRONMENT = Environment("pydantic-evals", ("pydantic-evals==2.62.0", "openai==3.52.0", "jsonschema==4.26.0"))


async def run(job: Job) -> None:
    """Evaluate, then write each case of the report as a line."""
    from dataclasses import dataclass

    from openai import AsyncOpenAI
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import Evaluator, EvaluatorContext

    client = AsyncOpenAI(base_url=job.url, api_key=KEY)
    valid = validator()

    async def task(name: str) -> str:
        reply = await client.chat.completions.create(
            model=MODEL, messages=messages(number_of(name)), temperature=0, max_tokens=MAX_TOKENS
        )
        return reply.choices[0].message.content or ""

    @dataclass
    class Fields(Evaluator[str, str, None]):
        """Five named assertions of one evaluator."""

        def evaluate(self, ctx: EvaluatorContext[str, str, None]) -> dict[str, bool]:
            """The five verdicts."""
            return verdicts(ctx.output, number_of(ctx.inputs), valid)

    cases = [Case(name=case_id(case), inputs=case_id(case)) for case in range(job.cases)]
    data = Dataset(name="bench", cases=cases, evaluators=[Fields()])
    report = await data.evaluate(task, max_concurrency=job.concurrency, progress=False)
    with (job.folder / _LINES).open("w", encoding="utf-8") as file:
        for case in report.cases:
            found = {name: case.assertions[name].value for name in ASSERTIONS}
            row = {
                "case": case.name,
                "request": messages(number_of(case.name)),
                "output": case.output,
                "verdicts": found,
            }
            row |= {"seconds": [case.task_duration, case.total_duration]}
            file.write(json.dumps(row) + "\n")
        file.writelines(json.dumps({"case": one.name, "error": one.error_message}) + "\n" for one in report.failures)


TOOLS = (
    Tool(
        name="pydantic-evals",
        label="pydantic-evals",
        version="2.62.0",
        environment=ENVIRONMENT,
        command=lambda job: script(ENVIRONMENT.python, "peer_pydantic_evals", job),
        verdicts=lambda job: read_lines(job.folder / _LINES),
        stored=lambda job: size(job, _LINES),
        variables=lambda _job: {"LOGFIRE_SEND_TO_LOGFIRE": "false", "LOGFIRE_IGNORE_NO_CONFIG": "1"},
    ),
)

if __name__ == "__main__":
    asyncio.run(run(job_of(sys.argv[1:])))
