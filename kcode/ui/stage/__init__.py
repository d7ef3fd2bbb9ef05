"""The one application of a sitting: input, live lines, and the scrollback above them."""
