"""Explainers: frozen settings with one method, ``explain(model, audio, *, target=None)``."""

from cuelens.explain.emolime import EmoLime
from cuelens.explain.explanation import Clip, Explanation, Method

__all__ = ["Clip", "EmoLime", "Explanation", "Method"]
