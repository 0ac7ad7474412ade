"""Outcomes as JUnit XML, which CI services show as tests.

A scenario is a test suite and each of its requirements a test; a scenario
without a result is a suite with one test in error.
"""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from emery.simulator.batch import Outcome

# Characters that XML 1.0 cannot hold at all.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(outcomes: Sequence[Outcome]) -> bytes:
    """The whole XML file."""
    root = ElementTree.Element("testsuites", name="emery simulate")
    counts = {"tests": 0, "failures": 0, "errors": 0}
    for outcome in outcomes:
        suite = ElementTree.SubElement(root, "testsuite", name=_clean(outcome.scenario))
        if outcome.result is None:
            seconds = 0.0
            case = _case(suite, outcome.scenario, "has a result")
            error = ElementTree.SubElement(case, "error", message=_first_line(outcome.message))
            error.text = _clean(outcome.message)
            own = {"tests": 1, "failures": 0, "errors": 1}
        else:
            result = outcome.result
            seconds = float(result["wall_s"])
            failures = 0
            for requirement in result["requirements"]:
                case = _case(suite, outcome.scenario, requirement["key"])
                if not requirement["passed"]:
                    failures += 1
                    text = (
                        f"expected {requirement['expected']}, measured {requirement['measured']}"
                    )
                    failure = ElementTree.SubElement(case, "failure", message=_clean(text))
                    failure.text = _clean(f"{text}\nreproduce: {result['reproduce']}")
            own = {"tests": len(result["requirements"]), "failures": failures, "errors": 0}
        suite.set("time", f"{seconds:.3f}")
        for key, value in own.items():
            suite.set(key, str(value))
            counts[key] += value
    for key, value in counts.items():
        root.set(key, str(value))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _case(suite: ElementTree.Element, scenario: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=_clean(f"emery.{scenario}"), name=_clean(name)
    )


def _first_line(text: str) -> str:
    lines = text.splitlines()
    return _clean(lines[0]) if lines else ""


def _clean(text: str) -> str:
    return _NOT_XML.sub("?", text)
