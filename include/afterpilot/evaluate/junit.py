"""Results as JUnit XML, which every CI system shows: a failure is the model's, an error the harness's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from afterpilot.domain.evals import Sample

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 2_000  # characters of an output


def junit_xml(name: str, samples: Sequence[Sample]) -> bytes:
    """One test case for each sample, in the form of Apache Ant's JUnit task; times in seconds."""
    failures = sum(sample.scored and not sample.passed for sample in samples)
    errors = sum(not sample.scored for sample in samples)
    attributes = {"name": _clean(name), "tests": str(len(samples)), "failures": str(failures), "errors": str(errors)}
    suites = ET.Element("testsuites", attributes)
    suite = ET.SubElement(
        suites, "testsuite", {**attributes, "time": _seconds(sum(s.latency_ms or 0 for s in samples))}
    )
    for sample in samples:
        _case(suite, name, sample)
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text


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
