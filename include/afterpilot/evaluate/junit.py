"""Results as JUnit XML, which every CI system shows: a failure is the model's, an error the harness's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from afterpilot.domain.evals import Sample

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 2_000  # characters of an output


def junit_xml(name: str, suites: Mapping[str, Sequence[Sample]]) -> bytes:
    """One suite for each name with its samples, in which each sample is a test case, in the form of Apache Ant's JUnit task; times in
    seconds.
    """
    everything = [sample for samples in suites.values() for sample in samples]
    root = ET.Element("testsuites", _counts(name, everything))
    for suite, samples in suites.items():
        time = _seconds(sum(sample.latency_ms or 0 for sample in samples))
        element = ET.SubElement(root, "testsuite", {**_counts(suite, samples), "time": time})
        for sample in samples:
            _case(element, suite, sample)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _counts(name: str, samples: Sequence[Sample]) -> dict[str, str]:
    failures = sum(sample.scored and not sample.passed for sample in samples)
    errors = sum(not sample.scored for sample in samples)
    return {"name": _clean(name), "tests": str(len(samples)), "failures": str(failures), "errors": str(errors)}


def _case(suite: ET.Element, name: str, sample: Sample) -> None:
    epoch = f" (epoch {sample.epoch})" if sample.epoch else ""
    attributes = {
        "classname": _clean(name),
        "name": _clean(sample.case_id) + epoch,
        "time": _seconds(sample.latency_ms or 0),
    }
    case = ET.SubElement(suite, "testcase", attributes)
    if not sample.scored:
        ET.SubElement(case, "error", {"message": _clean(sample.error or "no scorer that may decide")})
        return
    wrong = [score for score in sample.deciding if not score.passed]
    if not sample.passed:
        reasons = [f"{score.scorer}: {score.reason or f'{score.value:g}'}" for score in wrong]
        failure = ET.SubElement(case, "failure", {"message": _clean("; ".join(reasons))})
        failure.text = _clean((sample.output or "")[:_LONGEST])


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _clean(text: str) -> str:
    """The text without what XML 1.0 cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
