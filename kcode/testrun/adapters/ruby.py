"""What Ruby's runners share: bundler."""

from __future__ import annotations

from collections.abc import Mapping

from kcode.testrun.adapter import Suite, Tools, text_of
from kcode.testrun.toolversions import find_tool, local_program


def ruby_tools(suite: Suite, program: str, gem: str, environ: Mapping[str, str]) -> Tools:
    """The project's binstub, ``bundle exec`` where the Gemfile has the gem, else what is on the PATH."""
    own = local_program(suite, f"bin/{program}")
    if own and program != "ruby":
        return Tools((own,), f"bin/{program} of the project")
    listed = any(gem in text_of(suite.folder / name) for name in ("Gemfile", "Gemfile.lock"))
    if listed:
        found, tools = find_tool(
            suite, "ruby", "bundle", environ, "install bundler, then run `bundle install`"
        )
        return Tools((found, "exec", program), f"bundler, {tools.environment}", tools.note, tools.env)
    return find_tool(
        suite, "ruby", program, environ, f"run `gem install {gem}`, or put {program} on the PATH"
    )[1]
