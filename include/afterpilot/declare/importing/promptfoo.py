"""A promptfoo configuration as suites: one for each provider and prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from afterpilot.declare.importing.carried import MAX_COST, Imported, Names, Notes, id_of
from afterpilot.declare.importing.promptfoo_assertions import Assertions, titled
from afterpilot.declare.importing.promptfoo_files import Config, all_texts, resolved, variables_of
from afterpilot.declare.importing.promptfoo_prompts import NewPrompt, prompts
from afterpilot.declare.importing.promptfoo_providers import Provider, providers, suite_name
from afterpilot.declare.importing.promptfoo_tests import NewTest, tests
from afterpilot.declare.secrecy import looks_secret
from afterpilot.declare.writing import NewSuite
from afterpilot.domain.errors import DeclarationError

_READ = frozenset(
    [
        "description",
        "prompts",
        "providers",
        "targets",
        "tests",
        "defaultTest",
        "scenarios",
        "evaluateOptions",
        "assertionTemplates",
        "$schema",
    ]
)
_MARKS = frozenset({"prompts", "providers", "targets", "defaultTest", "scenarios"})
_MOST_CONCURRENCY = 128
_MOST_EPOCHS = 100
_TEST_OPTIONS = frozenset({"transform", "provider", "disableDefaultAsserts", "disableVarExpansion"})


def looks_like(path: Path) -> bool:
    """Whether a YAML or JSON file is a configuration of promptfoo, by its keys."""
    try:
        data = Config(path, Notes(path.name)).data(path)
    except DeclarationError:
        return False
    return isinstance(data, dict) and bool(_MARKS & data.keys()) and not {"cases", "max_cost"} & data.keys()


def read(path: Path) -> Imported:
    """The suites of a configuration, and everything in it that is not carried over.

    Raises:
        DeclarationError: the file cannot be read, or is no configuration.
    """
    notes = Notes(path.name)
    config = Config(path, notes)
    data = config.data(path)
    if not isinstance(data, dict) or not _MARKS & data.keys():
        raise DeclarationError(f"{path}: is no configuration of promptfoo: it has neither prompts nor providers")
    for key in data:
        if key not in _READ:
            notes.leave(key, key, "there is no such part here")
    default = config.content(data.get("defaultTest") or {}, "defaultTest")
    asked = tests(config, data, default if isinstance(default, dict) else {})
    if not asked:
        notes.leave("tests", "all suites", "there is no test")
    found_prompts = prompts(config, data.get("prompts"))
    found_providers = providers(config, data.get("providers", data.get("targets")))
    pairs = [
        (provider, prompt)
        for provider in found_providers
        for prompt in found_prompts
        if not provider.prompts or any(fnmatchcase(prompt.label, one) for one in provider.prompts)
    ]
    made = _Made(config, path.stem, Names(), _options(config, data.get("evaluateOptions")))
    several = len(found_prompts) > 1
    suites = [suite for provider, prompt in pairs for suite in made.suites(provider, prompt, asked, several=several)]
    return Imported(tuple(suites), notes.all)


def _options(config: Config, found: Any) -> dict[str, Any]:  # noqa: ANN401 - YAML holds anything
    keys: dict[str, Any] = {}
    for key, value in found.items() if isinstance(found, dict) else ():
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if key == "maxConcurrency" and whole:
            keys["concurrency"] = min(value, _MOST_CONCURRENCY)
        elif key == "repeat" and whole:
            keys["epochs"] = min(value, _MOST_EPOCHS)
        else:
            config.notes.leave(f"evaluateOptions.{key}", key, "there is no such option here")
    return keys


@dataclass(slots=True)
class _Made:
    """Makes suites of one configuration; ``options`` are keys that all of them have."""

    config: Config
    stem: str
    names: Names
    options: Mapping[str, Any]

    def suites(
        self, provider: Provider, prompt: NewPrompt, asked: Sequence[NewTest], *, several: bool
    ) -> Iterator[NewSuite]:
        """The suites of a pair: one for each pass threshold that its tests have, which is mostly one."""
        thresholds = list(dict.fromkeys(test.threshold for test in asked))
        name = suite_name(self.stem, provider, prompt.label if several else "")
        for threshold in thresholds:
            some = [test for test in asked if test.threshold == threshold]
            ending = f"-pass-{threshold:g}" if len(thresholds) > 1 and threshold is not None else ""
            suite = self._suite(name + ending, provider, prompt, some, threshold)
            if suite is not None:
                yield suite

    def _suite(
        self, name: str, provider: Provider, prompt: NewPrompt, asked: Sequence[NewTest], threshold: float | None
    ) -> NewSuite | None:
        tools = provider.files.get("tools.json", "")
        assertions = Assertions(self.config, provider.keys, tools, provider.fields)
        ids = Names()
        cases = [case for test in asked if (case := self._case(test, prompt, assertions, ids)) is not None]
        files = {"prompt.md": prompt.text, **provider.files, **assertions.all_files()}
        if why := _unusable(prompt, cases, files):
            self.config.notes.leave("", f"the suite {name}", why)
            return None
        for case, scorers in zip(cases, titled([case["scorers"] for case in cases]), strict=True):
            case["scorers"] = scorers
        shared = [scorer for scorer in cases[0]["scorers"] if all(scorer in case["scorers"] for case in cases)]
        shared = shared if len(cases) > 1 else []
        for case in cases:
            case["scorers"] = [scorer for scorer in case["scorers"] if scorer not in shared]
        keys: dict[str, Any] = {"model": provider.keys} | ({"scorers": shared} if shared else {}) | dict(self.options)
        keys |= {"pass_rate": "100%", "max_cost": MAX_COST}
        if threshold is not None:
            keys["pass_score"] = f"{threshold * 100:.4f}".rstrip("0").rstrip(".") + "%"
        return NewSuite(
            name=self.names.unique(name),
            keys=keys,
            cases=[{key: part for key, part in case.items() if part or key != "scorers"} for case in cases],
            files=files,
            about=f"From {self.config.path.name} of promptfoo: {provider.id}, {prompt.label}.\n{provider.about}".strip(),
        )

    def _case(self, test: NewTest, prompt: NewPrompt, assertions: Assertions, ids: Names) -> dict[str, Any] | None:
        values = resolved(test.vars)
        for key in test.options:
            if key not in _TEST_OPTIONS:
                self.config.notes.leave(f"{test.place}.options.{key}", key, "there is no such option here")
        if not test.asserts:
            self.config.notes.leave(
                test.place, "a test", "it has no assertion, and what nobody looks at is no pass here"
            )
            return None
        made = [(one, assertions.of(one.item, one.place, values, test.options)) for one in test.asserts]
        scorers = [scorer for _, some in made for scorer in some]
        if not scorers:
            self.config.notes.leave(test.place, "a test", "none of its assertions can be carried over")
            return None
        own = [some for one, some in made if not one.by_default]
        if own and not any(own):
            why = "none can be carried over: only defaultTest's assertions are left, and the test passes by them alone"
            self.config.notes.leave(test.place, "all assertions of its own", why)
        asked = {name: values.get(name, "") for name in variables_of(prompt.text)}
        case: dict[str, Any] = {
            "id": ids.unique(id_of(test.description) or test.place),
            "vars": {**values, **asked},
            "scorers": scorers,
        }
        case |= {"tags": list(test.tags)} if test.tags else {}
        if any(map(looks_secret, all_texts(case))):
            self.config.notes.leave(test.place, "a test", "it holds what looks like a secret")
            return None
        return case


def _unusable(prompt: NewPrompt, cases: Sequence[Mapping[str, Any]], files: Mapping[str, str]) -> str:
    """Why a suite of these cannot be run; empty where it can."""
    if not cases:
        return "none of its tests can be carried over"
    if not variables_of(prompt.text) and len(cases) > 1:
        return f"the prompt {prompt.label} has no variable, so that every case would ask the same"
    secret = next((name for name, text in files.items() if looks_secret(text)), "")
    return f"{secret} would hold what looks like a secret" if secret else ""
