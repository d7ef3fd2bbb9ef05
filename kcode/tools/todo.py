"""update_todo: the plan the model keeps, shown to the person."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from kcode.config.jsontext import read_json
from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome

_MARKS = {"pending": "[ ]", "in_progress": "[>]", "done": "[x]"}


class TodoItem(Arguments):
    text: str = Field(min_length=1)
    status: Literal["pending", "in_progress", "done"] = "pending"


class UpdateTodoArguments(Arguments):
    items: list[TodoItem] = Field(max_length=50)

    @field_validator("items", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = read_json(value, strict=False)
            except ValueError:
                return value
        if isinstance(value, list):
            return [{"text": item} if isinstance(item, str) else item for item in value]
        return value


class UpdateTodo(Tool[UpdateTodoArguments]):
    name = "update_todo"
    arguments = UpdateTodoArguments

    def title(self, args: UpdateTodoArguments) -> str:
        return "update the to-do list"

    async def plan(self, args: UpdateTodoArguments, context: ToolContext) -> Intent:
        return Intent("note")

    async def run(self, args: UpdateTodoArguments, context: ToolContext) -> ToolOutcome:
        context.todo[:] = [{"text": item.text, "status": item.status} for item in args.items]
        done = sum(item.status == "done" for item in args.items)
        lines = [f"{_MARKS[item.status]} {item.text}" for item in args.items]
        brief = f"{done} of {len(args.items)} done"
        return ToolOutcome("\n".join(lines) or "(empty)", brief, payload=list(context.todo))
