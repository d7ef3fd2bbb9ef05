from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from kcode.tools.registry import all_tools
from kcode.tools.schema import MOST_TOOLS, check, declaration, normalised


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


NAMES = st.sampled_from(["path", "items", "properties", "type", "ref", "anyOf", "x", "enum"])
PLAIN = st.sampled_from(
    [str, int, float, bool, Literal["a", "b"], Literal[1, 2], Literal["only"], Colour, list[str]]
)


def models(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[type[BaseModel]]:
    def build(fields: dict[str, tuple[Any, bool]], number: int) -> type[BaseModel]:
        shapes: dict[str, Any] = {
            f"{name}_": (kind, ... if needed else None) for name, (kind, needed) in fields.items()
        }
        return create_model(f"Made{number}", **shapes)

    return st.builds(
        build, st.dictionaries(NAMES, st.tuples(inner, st.booleans()), max_size=4), st.integers(0, 10_000)
    )


TYPES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        models(inner),
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: kind | None),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
    ),
    max_leaves=8,
)


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for value in schema.get("properties", {}).values():
        yield from nodes(value)
    for option in schema.get("anyOf", ()):
        yield from nodes(option)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key])


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(models(TYPES))
def test_whatever_pydantic_writes_is_brought_to_the_endpoints_flavour(model: type[BaseModel]) -> None:
    schema = normalised(model)
    assert schema["type"] == "object"
    for node in nodes(schema):
        assert isinstance(node.get("type"), str) != ("anyOf" in node)
        assert not {"$ref", "$defs", "oneOf", "allOf", "const", "title", "default"} & set(node)
        assert node.get("type") != "null"
        assert len({type(value) for value in node.get("enum", ())}) <= 1
        assert set(node.get("required", ())) <= set(node.get("properties", {}))
        if node.get("type") == "array":
            assert "items" in node


def test_a_schema_that_contains_itself_is_refused() -> None:
    class Tree(BaseModel):
        children: list[Tree]

    with pytest.raises(ValueError, match="contains itself"):
        normalised(Tree)


def test_an_enum_of_several_types_is_refused() -> None:
    class Mixed(BaseModel):
        value: Literal[1, "one"]

    with pytest.raises(ValueError, match="several types"):
        normalised(Mixed)


def named(*names: str) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name}} for name in names]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (named("ab"), "'ab'"),
        (named("1abc"), "'1abc'"),
        (named("read file"), "'read file'"),
        (named("a" * 65), "3 to 64"),
        (named("$web_search"), "web_search"),
        (named("read_file", "read_file"), "two tools"),
        (named(*(f"tool_{n}" for n in range(MOST_TOOLS + 1))), "129 tools"),
    ],
)
def test_a_list_the_endpoint_would_refuse_is_refused_here(array: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check(array)


def test_what_the_endpoint_takes_passes() -> None:
    check(named(*(f"tool_{n}" for n in range(MOST_TOOLS))))
    check([*named("read_file"), {"type": "builtin_function", "function": {"name": "$web_search"}}])
    check([declaration(tool) for tool in all_tools()])
