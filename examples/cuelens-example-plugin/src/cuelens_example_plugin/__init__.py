"""An explainer, a kind of model and a corpus for cuelens, to copy from."""
