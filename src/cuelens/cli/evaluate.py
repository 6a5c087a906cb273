"""``cuelens evaluate``: can explanations be trusted?"""

from __future__ import annotations

import typer

from cuelens.cli.evaluate_faithfulness import faithfulness
from cuelens.cli.evaluate_planted import planted
from cuelens.cli.evaluate_planted_cues import planted_cues
from cuelens.cli.evaluate_sanity import sanity
from cuelens.cli.evaluate_stability import stability

evaluate_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Measure whether explanations can be trusted.",
)
evaluate_app.command()(planted)
evaluate_app.command("planted-cues")(planted_cues)
evaluate_app.command()(faithfulness)
evaluate_app.command()(stability)
evaluate_app.command()(sanity)


@evaluate_app.callback()
def about() -> None:
    """Measure whether explanations can be trusted."""
