"""What a turn looks like: text, reasoning, tool calls, the to-do list, the end."""
