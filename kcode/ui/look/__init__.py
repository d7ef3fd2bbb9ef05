"""What the terminal can show: its abilities, themes, widths and signs."""
