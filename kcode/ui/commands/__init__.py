"""The slash commands of the session in the terminal: :mod:`kcode.ui.commands.table` lists them."""
