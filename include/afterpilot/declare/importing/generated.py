"""Python functions that are written into a suite, for assertions that have no scorer of exactly their meaning."""

from __future__ import annotations

from collections.abc import Mapping

FILE = "scorers.py"

_HEAD = '''"""Scorers that were written by an import: f(answer, case, reply) gives true or false, and a reason."""

import json
'''


def source(functions: Mapping[str, str]) -> str:
    """The file with all functions; in each ``NAME`` stands for its name."""
    return _HEAD + "".join(f"\n\n{body.replace('def NAME(', f'def {name}(', 1)}" for name, body in functions.items())


def contains_json(name: str, schema: str) -> str:
    """Whether the answer holds an object that is JSON, and keeps to the schema where there is one; what is inside an object is no other one."""
    check = "    return True, ''\n"
    if schema:
        check = f"""    import jsonschema

    schema = json.loads({schema!r})
    if any(jsonschema.Draft202012Validator(schema).is_valid(value) for value in found):
        return True, ""
    return False, "no JSON in the answer keeps to the schema"
"""
    return f'''def {name}(answer, case, reply):
    """The answer holds JSON."""
    found, place = [], answer.find("{{")
    while place >= 0:
        try:
            value, end = json.JSONDecoder().raw_decode(answer, place)
            found.append(value)
        except (ValueError, RecursionError):
            end = place + 1
        place = answer.find("{{", end)
    if not found:
        return False, "the answer holds no JSON"
{check}'''


def within_edits(name: str, text: str, most: float) -> str:
    """Whether so few letters have to be put in, taken out or changed (Levenshtein 1966) that the answer becomes the text."""
    return f'''def {name}(answer, case, reply):
    """At most {most:g} edits lead from the answer to the expected text."""
    wanted = {text!r}
    if abs(len(answer) - len(wanted)) > {most!r}:
        return False, "the answer is longer or shorter than the expected text by more than {most:g}"
    row = list(range(len(wanted) + 1))
    for number, letter in enumerate(answer, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(wanted, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (letter != other))
    return row[-1] <= {most!r}, f"{{row[-1]}} edits lead to the expected text, more than {most:g}"
'''


def tools_called(name: str, tools: list[str]) -> str:
    """F1 over the names of tools (van Rijsbergen 1979), each counted once however often it is called."""
    return f'''def {name}(answer, case, reply):
    """How well the tools that are called are the expected ones, 0 to 1."""
    wanted, made = set({tools!r}), {{call["name"] for call in reply["tool_calls"]}}
    return 2 * len(wanted & made) / (len(wanted) + len(made)), f"called: {{', '.join(sorted(made)) or 'nothing'}}"
'''


def valid_tool_calls(name: str, tools: str) -> str:
    """Whether the answer calls tools, and each call names one of them and keeps to its parameters' schema."""
    return f'''def {name}(answer, case, reply):
    """Each call is one of a tool that there is, with arguments that keep to its schema."""
    import jsonschema

    tools = {{tool["name"]: tool["parameters"] for tool in json.loads({tools!r})}}
    if not reply["tool_calls"]:
        return False, "no tool is called"
    for call in reply["tool_calls"]:
        if call["name"] not in tools:
            return False, f"there is no tool {{call['name']}}"
        if not jsonschema.Draft202012Validator(tools[call["name"]]).is_valid(call["arguments"]):
            return False, f"the arguments of {{call['name']}} do not keep to its schema"
    return True, ""
'''
